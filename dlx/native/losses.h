// The cost of each row, its gradient, and how many answers are right; see dlx/nn/losses.py.

// Row by row from z (rows, outputs): costs of the rows, right answers, and dZ, that of the mean.
typedef struct {
    const run *r;
    const REAL *z;
    REAL *a, *dz;           // outputs after the output function, and the gradient
    const REAL *targets;    // (rows, PADDED(columns)), of columns
    const int64_t *classes; // class numbers
    const REAL *emphasis;   // weight of each output's cost, (rows, PADDED(columns)), or NULL
    double *costs, *correct;  // of the rows
    int64_t rows;
} answers;

// The first of the largest numbers, or the first NaN; chosen without branches, which nobody foresees.
INLINE int64_t largest_column(const REAL *x, int64_t number) {
    int64_t best = 0;
    REAL most = x[0];
    for (int64_t i = 1; i < number; i++) {
        const int larger = (x[i] > most) | ((x[i] != x[i]) & (most == most));
        best = larger ? i : best;
        most = larger ? x[i] : most;
    }
    return best;
}

// Leave the exponentials of z - `largest` in dZ, and return their sum.
INLINE REAL exponentials(const answers *s, int64_t b, REAL largest) {
    const int64_t number = s->r->num_targets, row = PADDED(number);
    const REAL *z = s->z + b * row;
    vec sum = {};
    for (int64_t n = 0; n < number; n += LANES) {
        vec e = exp_vec(load(z + n) - largest);
        store(s->dz + b * row + n, e);
        sum += first_lanes(e, lanes_left(number, n));
    }
    return sum_of_lanes(sum);
}

// From a row's exponentials and their sum; `shift` is the logarithm of the sum of exp(z).
static void cross_entropy(const answers *s, int64_t b, REAL total, REAL shift) {
    const run *r = s->r;
    const int64_t number = r->num_targets, row = PADDED(number), own_class = s->classes[b];
    const REAL *z = s->z + b * row, *weights = r->class_weights;
    REAL *dz = s->dz + b * row;
    const REAL rows = (REAL)s->rows;
    if (r->loss_number == 0 && !weights) {
        const REAL factor = 1 / total;
        for (int64_t n = 0; n < number; n += LANES) store(dz + n, load(dz + n) * factor / rows);
        dz[own_class] -= 1 / rows;
        s->costs[b] = (double)(shift - z[own_class]);
        return;
    }
    // Each class has the share w (onehot (1 - s) + s / C).
    const REAL smoothing = (REAL)r->loss_number, part = smoothing / (REAL)number;
    double cost = 0, shares = 0;
    for (int64_t n = 0; n < number; n++) {
        const REAL weight = weights ? weights[n] : 1;
        const REAL share = n == own_class ? weight * (1 - smoothing + part) : weight * part;
        cost += (double)(share * (shift - z[n]));
        shares += (double)share;
    }
    const REAL factor = (REAL)shares / total;
    for (int64_t n = 0; n < number; n++) {
        const REAL weight = weights ? weights[n] : 1;
        const REAL share = n == own_class ? weight * (1 - smoothing + part) : weight * part;
        dz[n] = (dz[n] * factor - share) / rows;
    }
    s->costs[b] = cost;
}

// Costs, gradients and right answers of rows.
static void cross_entropies(const answers *s, int64_t first, int64_t last) {
    const int64_t number = s->r->num_targets;
    for (int64_t b = first; b < last; b += LANES) {  // as many rows as a vector has logarithms
        const int64_t rows = lanes_left(last, b);
        vec totals = {}, largest = {};
        for (int64_t i = 0; i < rows; i++) {
            const REAL *z = s->z + (b + i) * PADDED(number);
            const int64_t best = largest_column(z, number);
            s->correct[b + i] = best == s->classes[b + i];
            largest[i] = z[best];
            totals[i] = exponentials(s, b + i, largest[i]);
        }
        vec shifts = largest + log_vec(totals);
        for (int64_t i = 0; i < rows; i++) cross_entropy(s, b + i, totals[i], shifts[i]);
    }
}

static void hinge_of_classes(const answers *s, int64_t b) {
    const int64_t number = s->r->num_targets, row = PADDED(number), own_class = s->classes[b];
    const REAL *z = s->z + b * row;
    REAL *dz = s->dz + b * row;
    int64_t rival = own_class ? 0 : 1;
    for (int64_t n = 0; n < number; n++)
        if (n != own_class && (z[n] > z[rival] || (z[n] != z[n] && z[rival] == z[rival]))) rival = n;
    const REAL margin = 1 + z[rival] - z[own_class], slope = 1 / (REAL)s->rows;
    memset(dz, 0, row * sizeof(REAL));
    if (margin > 0) {
        dz[own_class] = -slope;
        dz[rival] = slope;
    }
    s->costs[b] = margin > 0 || margin != margin ? (double)margin : 0;
}

// Losses that are sums over columns; `a` has the outputs, which z are for cross-entropy and hinge.
static void of_columns(const answers *s, int64_t b) {
    const run *r = s->r;
    const int64_t number = r->num_targets, row = PADDED(number);
    const REAL *t = s->targets + b * row, *weights = r->class_weights;
    const REAL *a = (r->loss == BINARY_CROSS_ENTROPY || r->loss == HINGE ? s->z : s->a) + b * row;
    REAL *da = s->dz + b * row;
    const REAL all = (REAL)((double)s->rows * (double)number), delta = (REAL)r->loss_number;
    vec sum = {};
    for (int64_t n = 0; n < number; n += LANES) {
        const int64_t left = lanes_left(number, n);
        vec x = load(a + n), target = load(t + n), cost, slope;
        switch (r->loss) {
            case BINARY_CROSS_ENTROPY: {
                vec size = size_of(x);
                cost = (REAL)0.5 * size + ((REAL)0.5 - target) * x + log1p_vec(exp_vec(-size));
                slope = logistic(x) - target;
                if (weights) {
                    vec weight = select_vec(target > (REAL)0.5, load_part(weights + number + n, left),
                                            load_part(weights + n, left));
                    cost *= weight;
                    slope *= weight;
                }
                break;
            }
            case HINGE: {
                vec margin = 1 - target * x;
                cost = at_least(margin, 0.0);
                slope = select_vec(margin > 0, -target, splat(0.0));
                break;
            }
            case MAE: cost = size_of(x - target); slope = sign_of(x - target); break;
            case HUBER: {
                vec difference = x - target, size = size_of(difference);
                vec bounded = at_most(size, delta);
                cost = bounded * (size - bounded / 2);
                slope = at_most(at_least(difference, -delta), delta);
                break;
            }
            default: cost = (x - target) * (x - target); slope = 2 * (x - target); break;
        }
        if (s->emphasis) {
            vec weight = load(s->emphasis + b * row + n);
            cost *= weight;
            slope *= weight;
        }
        store(da + n, slope / all);
        sum += first_lanes(cost, left);
    }
    s->costs[b] = (double)sum_of_lanes(sum);
}

static double right_answers(const answers *s, int64_t b) {
    const run *r = s->r;
    const int64_t number = r->num_targets, row = PADDED(number);
    const REAL *z = s->z + b * row, *t = s->targets + b * row;
    switch (r->answer) {
        case LARGEST_OF_CLASSES: return largest_column(z, number) == s->classes[b];
        case LARGEST_OF_COLUMNS: return largest_column(z, number) == largest_column(t, number);
        case EACH_COLUMN: {
            double right = 0;
            for (int64_t n = 0; n < number; n++) {
                const int held = r->output_function == SIGMOID ? z[n] > 0 : s->a[b * row + n] > (REAL)r->middle;
                right += held == (t[n] > (REAL)r->middle);
            }
            return right;
        }
        default: return 0;
    }
}

static void answer_rows(const answers *s, int64_t first, int64_t last) {
    const run *r = s->r;
    const int64_t row = PADDED(r->num_targets);
    const int from_z = r->loss == CROSS_ENTROPY || r->loss == BINARY_CROSS_ENTROPY || r->loss == HINGE;
    const int needs_outputs = !from_z || (r->answer == EACH_COLUMN && r->output_function != SIGMOID);
    if (needs_outputs)
        activate((int)r->output_function, s->z + first * row, s->a + first * row, (last - first) * row,
                 r->output_number);
    if (r->loss == CROSS_ENTROPY) {
        cross_entropies(s, first, last);
        return;
    }
    for (int64_t b = first; b < last; b++) {
        s->correct[b] = right_answers(s, b);
        if (r->loss == HINGE && s->classes) hinge_of_classes(s, b);
        else of_columns(s, b);
    }
    if (!from_z && r->output_function != IDENTITY)
        activate_back((int)r->output_function, s->dz + first * row, s->z + first * row,
                      s->a + first * row, s->dz + first * row, (last - first) * row, r->output_number, 0);
}
