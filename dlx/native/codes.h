// Codes of autoencoders: the largest units of each row, and penalties on units that are on.

// Keep the largest units of a row, of equal ones the first; the others become 0.
static void keep_largest(const REAL *x, REAL *y, REAL *is_kept, int64_t units, int64_t number) {
    memset(y, 0, PADDED(units) * sizeof(REAL));
    memset(is_kept, 0, PADDED(units) * sizeof(REAL));
    for (int64_t n = 0; n < units; n++) {
        int64_t above = 0;
        for (int64_t j = 0; j < units; j++) above += x[j] > x[n] || (x[j] == x[n] && j < n);
        if (above >= number && x[n] == x[n]) continue;
        y[n] = x[n];
        is_kept[n] = 1;
    }
}

// The penalty of the units of whole vectors `first` to `last`, and its gradient added to `dx`.
static double sparsity_penalty(const operation *o, const REAL *x, REAL *dx, int64_t rows, int64_t first,
                               int64_t last) {
    const int64_t row = PADDED(o->outputs);
    const REAL weight = (REAL)o->numbers[0], rate = (REAL)o->numbers[1];
    double total = 0;
    for (int64_t n = first; n < last; n += LANES) {
        vec sum = {}, penalty;
        if (o->option == L1) {
            for (int64_t b = 0; b < rows; b++) sum += size_of(load(x + b * row + n));
            penalty = sum / (REAL)rows;
            if (dx)
                for (int64_t b = 0; b < rows; b++)
                    store(dx + b * row + n,
                          load(dx + b * row + n) + sign_of(load(x + b * row + n)) / (REAL)rows * weight);
        } else {
            for (int64_t b = 0; b < rows; b++) sum += load(x + b * row + n);
            vec mean = at_most(at_least(sum / (REAL)rows, SMALLEST_NORMAL), 1 - EPSILON);
            penalty = rate * log_vec(rate / mean) + (1 - rate) * log_vec((1 - rate) / (1 - mean));
            vec inside = select_vec((mean > (REAL)SMALLEST_NORMAL) & (mean < (REAL)(1 - EPSILON)),
                                    splat(1.0), splat(0.0));
            vec slope = ((1 - rate) / (1 - mean) - rate / mean) / (REAL)rows * weight * inside;
            if (dx)
                for (int64_t b = 0; b < rows; b++)
                    store(dx + b * row + n, load(dx + b * row + n) + slope);
        }
        total += (double)sum_of_lanes(first_lanes(penalty, lanes_left(o->outputs, n)));
    }
    return total * (double)weight;
}
