// What is drawn anew in every step: dropout, noise, corruption; the rules are those of dlx/nn.
//
// Random bits are 16-bit integers, normal numbers are in the run's precision; both lie in the order
// of rows and units, without gaps.

INLINE const int16_t *bits_of(const run *r, const operation *o, int64_t place) {
    const drawn *d = r->draws + o->draws[0];
    return (const int16_t *)d->numbers + place * d->of_a_step;
}

INLINE const REAL *normal_of(const run *r, const operation *o, int64_t place) {
    const drawn *d = r->draws + o->draws[1];
    return (const REAL *)d->numbers + place * d->of_a_step;
}

// Factors of `number` units: kept ones have bits up to a threshold; or 1 + std n.
static void dropout_factors(const run *r, const operation *o, int64_t place, int64_t start,
                            int64_t number, REAL *factor) {
    const REAL scale = (REAL)o->numbers[0], std = (REAL)o->numbers[3];
    if (o->draws[0] >= 0) {
        const int16_t *bits = bits_of(r, o, place) + start, threshold = (int16_t)o->numbers[4];
        for (int64_t i = 0; i < number; i++) factor[i] = bits[i] <= threshold ? scale : 0;
    } else {
        const REAL *normal = normal_of(r, o, place) + start;
        for (int64_t i = 0; i < number; i++) factor[i] = normal[i] * std + 1;
    }
}

// y = factor x, and for kinds that shift, + kept or + dropped.
static void drop_units(const run *r, const operation *o, int64_t place, const REAL *x, REAL *y,
                       REAL *factor, int64_t first, int64_t last) {
    const int64_t units = o->outputs, row = PADDED(units);
    const REAL kept = (REAL)o->numbers[1], dropped = (REAL)o->numbers[2];
    for (int64_t b = first; b < last; b++) {
        REAL *own = factor + b * row;
        dropout_factors(r, o, place, b * units, units, own);
        for (int64_t i = units; i < row; i++) own[i] = 0;
        for (int64_t i = 0; i < row; i += LANES)
            store(y + b * row + i, load(x + b * row + i) * load(own + i));
        if (kept != 0 || dropped != 0)
            for (int64_t i = 0; i < units; i++) y[b * row + i] += own[i] != 0 ? kept : dropped;
    }
}

static void add_noise(const run *r, const operation *o, int64_t place, const REAL *x, REAL *y,
                      int64_t first, int64_t last) {
    const int64_t units = o->outputs, row = PADDED(units);
    const REAL std = (REAL)o->numbers[3];
    for (int64_t b = first; b < last; b++) {
        const REAL *normal = normal_of(r, o, place) + b * units;
        for (int64_t i = 0; i < units; i++) y[b * row + i] = x[b * row + i] + normal[i] * std;
    }
}

// Replaced inputs become 0, or their lowest or highest value; `emphasis` is each one's weight.
static void corrupt(const run *r, const operation *o, int64_t place, const REAL *x, REAL *y,
                    REAL *emphasis, int64_t first, int64_t last) {
    const int64_t units = o->outputs, row = PADDED(units);
    const REAL *lowest = o->statistics[0], *highest = o->statistics[1];
    const int32_t zero_below = (int32_t)o->numbers[0], lowest_below = (int32_t)o->numbers[1];
    const int32_t highest_below = (int32_t)o->numbers[2];
    for (int64_t b = first; b < last; b++) {
        memcpy(y + b * row, x + b * row, row * sizeof(REAL));
        if (o->draws[0] >= 0) {
            const int16_t *bits = bits_of(r, o, place) + b * units;
            for (int64_t i = 0; i < units; i++) {
                REAL *own = y + b * row + i;
                if (bits[i] < highest_below) *own = highest[i];
                if (bits[i] < lowest_below) *own = lowest[i];
                if (bits[i] < zero_below) *own = 0;
                emphasis[b * row + i] = (REAL)o->numbers[bits[i] < highest_below ? 4 : 5];
            }
        }
    }
    if (o->draws[1] >= 0) add_noise(r, o, place, y, y, first, last);
}
