// Batch norm, layer norm and weight norm; the formulas are those of dlx/nn/normalization.py.

// Batch norm of whole vectors of units `first` to `last`; xhat and 1 / std stay in `kept`, rows
// (batch, units) and then one row. Running statistics are those of the run of that `number`.
static void batch_norm(const operation *o, const REAL *gain, const REAL *shift, const REAL *x,
                       REAL *y, REAL *kept, int64_t number, int64_t rows, int64_t first, int64_t last) {
    const int64_t row = PADDED(o->outputs);
    const REAL share = (REAL)o->numbers[0], unbiased = (REAL)rows / (REAL)(rows - 1);
    REAL *mean_so_far = (REAL *)o->statistics[0] + number * o->outputs;
    REAL *variance_so_far = (REAL *)o->statistics[1] + number * o->outputs;
    for (int64_t n = first; n < last; n += LANES) {
        vec sum = {}, squares = {};
        for (int64_t b = 0; b < rows; b++) sum += load(x + b * row + n);
        vec mean = sum / (REAL)rows;
        for (int64_t b = 0; b < rows; b++) {
            vec centred = load(x + b * row + n) - mean;
            squares = fused(centred, centred, squares);
        }
        vec variance = squares / (REAL)rows;
        vec rstd = 1 / root(variance + (REAL)o->numbers[1]);
        const int64_t left = lanes_left(o->outputs, n);
        vec running = load_part(mean_so_far + n, left), running_variance = load_part(variance_so_far + n, left);
        store_part(mean_so_far + n, running * (1 - share) + mean * share, left);
        store_part(variance_so_far + n, running_variance * (1 - share) + variance * unbiased * share, left);
        vec own_gain = load_part(gain + n, left), own_shift = load_part(shift + n, left);
        store(kept + rows * row + n, rstd);
        for (int64_t b = 0; b < rows; b++) {
            vec normal = (load(x + b * row + n) - mean) * rstd;
            store(kept + b * row + n, normal);
            store(y + b * row + n, normal * own_gain + own_shift);
        }
    }
}

// Batch norm of the rows `first` to `last` by the running statistics, in an evaluation.
static void running_norm(const operation *o, const REAL *gain, const REAL *shift, const REAL *x,
                         REAL *y, int64_t number, int64_t first, int64_t last) {
    const int64_t row = PADDED(o->outputs);
    const REAL *means = (const REAL *)o->statistics[0] + number * o->outputs;
    const REAL *variances = (const REAL *)o->statistics[1] + number * o->outputs;
    for (int64_t n = 0; n < o->outputs; n += LANES) {
        const int64_t left = lanes_left(o->outputs, n);
        vec mean = load_part(means + n, left);
        vec rstd = 1 / root(load_part(variances + n, left) + (REAL)o->numbers[1]);
        vec own_gain = load_part(gain + n, left), own_shift = load_part(shift + n, left);
        for (int64_t b = first; b < last; b++)
            store(y + b * row + n, (load(x + b * row + n) - mean) * rstd * own_gain + own_shift);
    }
}

static void batch_norm_back(const operation *o, const REAL *gain, const REAL *dy, const REAL *kept,
                            REAL *dx, REAL *d_gain, REAL *d_shift, int64_t rows, int64_t first,
                            int64_t last) {
    const int64_t row = PADDED(o->outputs);
    for (int64_t n = first; n < last; n += LANES) {
        const int64_t left = lanes_left(o->outputs, n);
        vec sum = {}, products = {};
        for (int64_t b = 0; b < rows; b++) {
            vec g = load(dy + b * row + n);
            sum += g;
            products = fused(g, load(kept + b * row + n), products);
        }
        store_part(d_gain + n, products, left);
        store_part(d_shift + n, sum, left);
        vec mean = sum / (REAL)rows, mean_product = products / (REAL)rows;
        vec factor = load(kept + rows * row + n) * load_part(gain + n, left);
        for (int64_t b = 0; b < rows; b++) {
            vec own = (load(dy + b * row + n) - mean - load(kept + b * row + n) * mean_product) * factor;
            store(dx + b * row + n, o->adds ? load(dx + b * row + n) + own : own);
        }
    }
}

// Layer norm of the rows `first` to `last`; 1 / std of each row stands behind xhat.
static void layer_norm(const operation *o, const REAL *gain, const REAL *shift, const REAL *x,
                       REAL *y, REAL *kept, int64_t rows, int64_t first, int64_t last) {
    const int64_t units = o->outputs, row = PADDED(units);
    for (int64_t b = first; b < last; b++) {
        vec sum = {}, squares = {};
        for (int64_t n = 0; n < units; n += LANES)
            sum += first_lanes(load(x + b * row + n), lanes_left(units, n));
        const REAL mean = sum_of_lanes(sum) / (REAL)units;
        for (int64_t n = 0; n < units; n += LANES) {
            vec centred = first_lanes(load(x + b * row + n) - mean, lanes_left(units, n));
            squares = fused(centred, centred, squares);
        }
        const REAL variance = sum_of_lanes(squares) / (REAL)units;
        vec rstd = 1 / root(splat(variance) + (REAL)o->numbers[1]);
        kept[rows * row + b] = rstd[0];
        for (int64_t n = 0; n < units; n += LANES) {
            const int64_t left = lanes_left(units, n);
            vec normal = (load(x + b * row + n) - mean) * rstd;
            store(kept + b * row + n, normal);
            store(y + b * row + n, normal * load_part(gain + n, left) + load_part(shift + n, left));
        }
    }
}

static void layer_norm_back(const operation *o, const REAL *gain, const REAL *dy, const REAL *kept,
                            REAL *dx, int64_t rows, int64_t first, int64_t last) {
    const int64_t units = o->outputs, row = PADDED(units);
    for (int64_t b = first; b < last; b++) {
        vec sum = {}, products = {};
        for (int64_t n = 0; n < units; n += LANES) {
            const int64_t left = lanes_left(units, n);
            vec g = first_lanes(load(dy + b * row + n) * load_part(gain + n, left), left);
            sum += g;
            products = fused(g, first_lanes(load(kept + b * row + n), left), products);
        }
        const REAL mean = sum_of_lanes(sum) / (REAL)units;
        const REAL mean_product = sum_of_lanes(products) / (REAL)units, rstd = kept[rows * row + b];
        for (int64_t n = 0; n < units; n += LANES) {
            vec g = load(dy + b * row + n) * load_part(gain + n, lanes_left(units, n));
            vec own = (g - mean - load(kept + b * row + n) * mean_product) * rstd;
            store(dx + b * row + n, o->adds ? load(dx + b * row + n) + own : own);
        }
    }
}

// Sums over the rows of dY and of dY xhat, of whole vectors of units `first` to `last`.
static void layer_norm_parameters(const operation *o, const REAL *dy, const REAL *kept, REAL *d_gain,
                                  REAL *d_shift, int64_t rows, int64_t first, int64_t last) {
    const int64_t row = PADDED(o->outputs);
    for (int64_t n = first; n < last; n += LANES) {
        vec sum = {}, products = {};
        for (int64_t b = 0; b < rows; b++) {
            vec g = load(dy + b * row + n);
            sum += g;
            products = fused(g, load(kept + b * row + n), products);
        }
        store_part(d_gain + n, products, lanes_left(o->outputs, n));
        store_part(d_shift + n, sum, lanes_left(o->outputs, n));
    }
}

// W = magnitude V / |V|, with |V| of each unit; it stays behind W, as a row.
static void weight_norm(const REAL *direction, const REAL *magnitude, REAL *w, int64_t inputs,
                        int64_t outputs, int64_t first, int64_t last) {
    for (int64_t n = first; n < last; n += LANES) {
        const int64_t left = lanes_left(outputs, n);
        vec squares = {};
        for (int64_t i = 0; i < inputs; i++) {
            vec v = load_part(direction + i * outputs + n, left);
            squares = fused(v, v, squares);
        }
        vec norm = root(squares), own = load_part(magnitude + n, left);
        store_part(w + inputs * outputs + n, norm, left);
        for (int64_t i = 0; i < inputs; i++)
            store_part(w + i * outputs + n, load_part(direction + i * outputs + n, left) / norm * own, left);
    }
}

// From dW, which lies where dV belongs: d magnitude = sum(dW V / |V|), and dV over dW.
static void weight_norm_back(const REAL *direction, const REAL *magnitude, const REAL *norms,
                             REAL *dw, REAL *d_magnitude, int64_t inputs, int64_t outputs,
                             int64_t first, int64_t last) {
    for (int64_t n = first; n < last; n += LANES) {
        const int64_t left = lanes_left(outputs, n);
        vec norm = load_part(norms + n, left), sum = {};
        for (int64_t i = 0; i < inputs; i++) {
            vec unit = load_part(direction + i * outputs + n, left) / norm;
            sum = fused(load_part(dw + i * outputs + n, left), unit, sum);
        }
        store_part(d_magnitude + n, sum, left);
        vec scale = load_part(magnitude + n, left) / norm;
        for (int64_t i = 0; i < inputs; i++) {
            vec unit = load_part(direction + i * outputs + n, left) / norm;
            vec own = load_part(dw + i * outputs + n, left);
            store_part(dw + i * outputs + n, (own - unit * sum) * scale, left);
        }
    }
}
