// The steps of a run: batch, forward, cost, backward, limits, optimizer, averages.
//
// Several threads of a team may go through the same run. Each computes its own share of the rows of
// a matrix, or of the units of a sum over rows; where one needs what another made, they wait.

typedef struct {
    REAL *const *values, *const *gradients;  // of the slots
    REAL *const *kept;                       // what normalization and pieces need to go back
    REAL *const *scratches;                  // W of weight norm, transposes
    answers head;
    REAL *product;                           // scratch of this thread
    int64_t rows;                            // of the batch
    int64_t place;                           // of the step in its block
    int rank, size;                          // of this thread in its team, and threads of the team
    team *team;
} pass;

// The share of `number` things, in multiples of `unit`, of one thread of a team.
INLINE void share_of(const pass *p, int64_t number, int64_t unit, int64_t *first, int64_t *last) {
    if (p->size == 1) {  // divisions take as long as a small product
        *first = 0;
        *last = number;
        return;
    }
    const int64_t units = (number + unit - 1) / unit;
    *first = units * p->rank / p->size * unit;
    *last = units * (p->rank + 1) / p->size * unit;
    if (*first > number) *first = number;
    if (*last > number) *last = number;
}

INLINE void together(const pass *p) {
    if (p->size > 1) meet(p->team, p->size);
}

// A row of inputs as the network takes it: NaN ↦ fill, then (x - shift) / scale, rounded to float.
static void take_inputs(const run *r, int64_t number, REAL *x) {
    const int64_t inputs = r->num_inputs;
    const float *singles = (const float *)r->inputs + number * inputs;
    const double *doubles = (const double *)r->inputs + number * inputs;
    if (!r->inputs_are_double)
        for (int64_t i = 0; i < inputs; i++) x[i] = (REAL)singles[i];
    else if (!r->rounds)
        for (int64_t i = 0; i < inputs; i++) x[i] = (REAL)doubles[i];
    if (r->rounds)
        for (int64_t i = 0; i < inputs; i++) {
            double value = r->inputs_are_double ? doubles[i] : (double)singles[i];
            if (r->fill) value = value != value ? r->fill[i] : value;
            if (r->shift) value = (value - r->shift[i]) / r->scale[i];
            x[i] = (REAL)(float)value;
        }
    for (int64_t i = inputs; i < PADDED(inputs); i++) x[i] = 0;
}

// The rows of a batch, which begins at a place in the order of the steps' epochs.
static void gather(const run *r, const pass *p, int64_t start) {
    int64_t first, last;
    share_of(p, p->rows, 1, &first, &last);
    const int64_t columns = r->num_targets;
    for (int64_t b = first; b < last; b++) {
        take_inputs(r, r->rows ? r->rows[start + b] : start + b, p->values[0] + b * PADDED(r->num_inputs));
        if (r->reconstructs) continue;
        const int64_t number = r->target_rows ? r->target_rows[start + b] : start + b;
        if (r->targets_are == 2) {
            ((int64_t *)p->head.classes)[b] = ((const int64_t *)r->targets)[number];
            continue;
        }
        REAL *t = (REAL *)p->head.targets + b * PADDED(columns);
        for (int64_t i = 0; i < columns; i++)
            t[i] = r->targets_are ? (REAL)((const double *)r->targets)[number * columns + i]
                                  : (REAL)((const float *)r->targets)[number * columns + i];
    }
}

static void largest_pieces(const operation *o, const REAL *z, REAL *y, REAL *which, int64_t first,
                           int64_t last) {
    const int64_t pieces = o->option, in_row = PADDED(o->inputs), out_row = PADDED(o->outputs);
    for (int64_t b = first; b < last; b++)
        for (int64_t n = 0; n < o->outputs; n++) {
            const REAL *own = z + b * in_row + n * pieces;
            const int64_t best = largest_column(own, pieces);
            y[b * out_row + n] = own[best];
            which[b * out_row + n] = (REAL)best;
        }
}

static const REAL *weight_of(const run *r, const pass *p, const operation *o) {
    return o->scratch < 0 ? (const REAL *)r->values + o->weight : p->scratches[o->scratch];
}

static void forward(const run *r, const pass *p) {
    const REAL *row = r->values;
    int64_t first, last;
    for (int64_t i = 0; i < r->num_operations; i++) {
        const operation *o = r->operations + i;
        const int64_t width = PADDED(o->outputs), in_width = PADDED(o->inputs);
        REAL *x = p->values[o->in], *y = p->values[o->out];
        share_of(p, p->rows, 1, &first, &last);
        switch (o->kind) {
            case WEIGHT_NORM: {
                share_of(p, o->outputs, LANES, &first, &last);
                weight_norm(row + o->weight, row + o->bias, p->scratches[o->scratch], o->inputs,
                            o->outputs, first, last);
                together(p);
                break;
            }
            case AFFINE: {
                const REAL *w = weight_of(r, p, o);
                matrix_product z = {.a = x, .b = w, .bias = o->bias < 0 ? 0 : row + o->bias, .c = y,
                                    .m = p->rows, .n = o->outputs, .k = o->inputs, .a_row = in_width,
                                    .a_column = 1, .b_row = o->outputs, .b_size = o->inputs * o->outputs,
                                    .c_row = width, .whole = 1};
                if (o->flags & TRANSPOSED) {
                    REAL *turned = p->scratches[o->option];
                    int64_t from, to;
                    share_of(p, o->inputs, LANES, &from, &to);
                    transpose(w, o->outputs, o->inputs, turned, from, to);
                    together(p);
                    z.b = turned;
                    z.b_row = width;
                    z.b_size = o->inputs * width;
                }
                multiply(&z, first, last, p->product);
                break;
            }
            case MAXOUT: largest_pieces(o, x, y, p->kept[i], first, last); break;
            case BATCH_NORM: {
                together(p);
                share_of(p, o->outputs, LANES, &first, &last);
                batch_norm(o, row + o->weight, row + o->bias, x, y, p->kept[i], r->number, p->rows, first,
                           first < last ? PADDED(last) : first);
                together(p);
                break;
            }
            case RUNNING_NORM:
                running_norm(o, row + o->weight, row + o->bias, x, y, r->number, first, last);
                break;
            case LAYER_NORM:
                layer_norm(o, row + o->weight, row + o->bias, x, y, p->kept[i], p->rows, first, last);
                break;
            case ACTIVATION: {
                const double number = o->option == PRELU ? (double)row[o->weight] : o->numbers[0];
                activate((int)o->option, x + first * width, y + first * width, (last - first) * width, number);
                break;
            }
            case SUM: {
                const int64_t *more = o->second;
                const REAL factor = (REAL)o->numbers[0];
                for (int64_t j = first * width; j < last * width; j += LANES) {
                    vec sum = load(x + j);
                    for (int64_t k = 0; k < o->option; k++) sum += load(p->values[more[k]] + j);
                    store(y + j, factor == 1 ? sum : sum * factor);
                }
                break;
            }
            case CONCAT: {
                const int64_t *slots = o->second;
                for (int64_t b = first; b < last; b++) {
                    int64_t column = 0;
                    for (int64_t k = 0; k < o->option; k++) {
                        const int64_t own = r->widths[slots[k]];
                        memcpy(y + b * width + column, p->values[slots[k]] + b * PADDED(own), own * sizeof(REAL));
                        column += own;
                    }
                }
                break;
            }
            case LARGEST:
                for (int64_t b = first; b < last; b++)
                    keep_largest(x + b * width, y + b * width, p->kept[i] + b * width, o->outputs, o->option);
                break;
            case SPARSITY: break;  // on the way back, where its gradient belongs
            case ACTIVE: break;    // counted by the evaluation
            case DROPOUT: drop_units(r, o, p->place, x, y, p->kept[i], first, last); break;
            case NOISE: add_noise(r, o, p->place, x, y, first, last); break;
            case CORRUPTION: corrupt(r, o, p->place, x, y, p->kept[i], first, last); break;
            case DROP_CONNECT: {
                const int64_t size = o->inputs * o->outputs;
                const REAL *w = o->option < 0 ? row + o->weight : p->scratches[o->option];
                REAL *dropped = p->scratches[o->scratch], *factor = dropped + PADDED(size);
                share_of(p, size, LANES, &first, &last);
                dropout_factors(r, o, p->place, first, last - first, factor + first);
                for (int64_t j = first; j < last; j++) dropped[j] = w[j] * factor[j];
                together(p);
                break;
            }
        }
    }
}

INLINE void hand_on(const pass *p, const operation *o, int64_t slot, int64_t from, int adds,
                    int64_t first, int64_t last, int64_t column, REAL factor, const run *r) {
    const int64_t own = r->widths[slot], row = PADDED(own), width = PADDED(o->outputs);
    const REAL *g = p->gradients[from];
    REAL *to = p->gradients[slot];
    for (int64_t b = first; b < last; b++)
        for (int64_t n = 0; n < own; n++) {
            const REAL value = g[b * width + column + n] * factor;
            to[b * row + n] = adds ? to[b * row + n] + value : value;
        }
}

static double backward(const run *r, const pass *p) {
    const REAL *row = r->values;
    REAL *gradients = r->gradients;
    double penalties = 0;
    int64_t first, last, from, to;
    for (int64_t i = r->num_operations - 1; i >= 0; i--) {
        const operation *o = r->operations + i;
        const int64_t width = PADDED(o->outputs), in_width = PADDED(o->inputs);
        const REAL *x = p->values[o->in], *dy = p->gradients[o->out];
        REAL *dx = p->gradients[o->in];
        share_of(p, p->rows, 1, &first, &last);
        switch (o->kind) {
            case WEIGHT_NORM:
                together(p);
                share_of(p, o->outputs, LANES, &from, &to);
                weight_norm_back(row + o->weight, row + o->bias,
                                 p->scratches[o->scratch] + o->inputs * o->outputs,
                                 gradients + o->weight, gradients + o->bias, o->inputs, o->outputs, from, to);
                break;
            case AFFINE: {
                const REAL *w = weight_of(r, p, o);
                together(p);
                if (o->bias >= 0) {
                    share_of(p, o->outputs, LANES, &from, &to);
                    for (int64_t n = from; n < to; n += LANES) {
                        vec sum = {};
                        for (int64_t b = 0; b < p->rows; b++) sum += load(dy + b * width + n);
                        store_part(gradients + o->bias + n, sum, lanes_left(o->outputs, n));
                    }
                }
                if (o->flags & TRANSPOSED) {  // dW of the owner (outputs, inputs) = dZ^T X
                    matrix_product dw = {.a = dy, .b = x, .c = gradients + o->weight, .m = o->outputs,
                                         .n = o->inputs, .k = p->rows, .a_row = 1, .a_column = width,
                                         .b_row = in_width, .b_size = p->rows * in_width, .c_row = o->inputs};
                    share_of(p, dw.m, TILE_ROWS, &from, &to);
                    multiply(&dw, from, to, p->product);
                } else {
                    matrix_product dw = {.a = x, .b = dy, .c = gradients + o->weight, .m = o->inputs,
                                         .n = o->outputs, .k = p->rows, .a_row = 1, .a_column = in_width,
                                         .b_row = width, .b_size = p->rows * width, .c_row = o->outputs,
                                         .adds = (o->flags & SHARED) != 0};
                    share_of(p, dw.m, TILE_ROWS, &from, &to);
                    multiply(&dw, from, to, p->product);
                }
                if (o->flags & FROM_INPUTS) break;
                matrix_product back = {.a = dy, .b = w, .c = dx, .m = p->rows, .n = o->inputs,
                                       .k = o->outputs, .a_row = width, .a_column = 1, .b_row = o->inputs,
                                       .b_size = o->inputs * o->outputs, .c_row = in_width,
                                       .adds = (int)o->adds, .whole = 1};
                if (!(o->flags & TRANSPOSED)) {
                    REAL *turned = p->scratches[o->option];
                    share_of(p, o->outputs, LANES, &from, &to);
                    transpose(w, o->inputs, o->outputs, turned, from, to);
                    together(p);
                    back.b = turned;
                    back.b_row = in_width;
                    back.b_size = o->outputs * in_width;
                }
                multiply(&back, first, last, p->product);
                break;
            }
            case MAXOUT: {
                const REAL *which = p->kept[i];
                for (int64_t b = first; b < last; b++) {
                    memset(dx + b * in_width, 0, in_width * sizeof(REAL));
                    for (int64_t n = 0; n < o->outputs; n++)
                        dx[b * in_width + n * o->option + (int64_t)which[b * width + n]] = dy[b * width + n];
                }
                break;
            }
            case BATCH_NORM:
                together(p);
                share_of(p, o->outputs, LANES, &from, &to);
                batch_norm_back(o, row + o->weight, dy, p->kept[i], dx, gradients + o->weight,
                                gradients + o->bias, p->rows, from, from < to ? PADDED(to) : from);
                together(p);
                break;
            case LAYER_NORM:
                layer_norm_back(o, row + o->weight, dy, p->kept[i], dx, p->rows, first, last);
                together(p);
                share_of(p, o->outputs, LANES, &from, &to);
                layer_norm_parameters(o, dy, p->kept[i], gradients + o->weight, gradients + o->bias,
                                      p->rows, from, to);
                break;
            case ACTIVATION: {
                const double number = o->option == PRELU ? (double)row[o->weight] : o->numbers[0];
                if (o->option == PRELU) {
                    together(p);
                    if (p->rank == 0) {
                        vec sum = {};
                        for (int64_t b = 0; b < p->rows; b++)
                            for (int64_t n = 0; n < o->outputs; n += LANES) {
                                vec z = load(x + b * width + n), own = z * load(dy + b * width + n);
                                own = select_vec(z > 0, splat(0.0), own);
                                sum += first_lanes(own, lanes_left(o->outputs, n));
                            }
                        gradients[o->weight] = sum_of_lanes(sum);
                    }
                    together(p);
                }
                activate_back((int)o->option, dy + first * width, x + first * width,
                              p->values[o->out] + first * width, dx + first * width,
                              (last - first) * width, number, (int)o->adds);
                break;
            }
            case SUM: {
                const int64_t *more = o->second;
                const REAL factor = (REAL)o->numbers[0];
                if (o->in) hand_on(p, o, o->in, o->out, (int)o->adds & 1, first, last, 0, factor, r);
                for (int64_t k = 0; k < o->option; k++)
                    if (more[k]) hand_on(p, o, more[k], o->out, (int)(o->adds >> (k + 1)) & 1, first, last, 0, factor, r);
                break;
            }
            case CONCAT: {
                const int64_t *slots = o->second;
                int64_t column = 0;
                for (int64_t k = 0; k < o->option; k++) {
                    if (slots[k])
                        hand_on(p, o, slots[k], o->out, (int)(o->adds >> k) & 1, first, last, column, 1, r);
                    column += r->widths[slots[k]];
                }
                break;
            }
            case LARGEST:
                for (int64_t j = first * width; j < last * width; j += LANES) {
                    vec own = select_vec(load(p->kept[i] + j) == 0, splat(0.0), load(dy + j));
                    store(dx + j, o->adds ? load(dx + j) + own : own);
                }
                break;
            case DROPOUT:
                if (!o->in) break;  // nobody needs the gradient of inputs, which has no memory
                for (int64_t j = first * width; j < last * width; j += LANES) {
                    vec own = load(dy + j) * load(p->kept[i] + j);
                    store(dx + j, o->adds ? load(dx + j) + own : own);
                }
                break;
            case NOISE:
                if (!o->in) break;
                for (int64_t j = first * width; j < last * width; j += LANES)
                    store(dx + j, o->adds ? load(dx + j) + load(dy + j) : load(dy + j));
                break;
            case CORRUPTION: break;
            case DROP_CONNECT: {
                const int64_t size = o->inputs * o->outputs;
                const REAL *factor = p->scratches[o->scratch] + PADDED(size);
                together(p);
                share_of(p, size, LANES, &from, &to);
                for (int64_t j = from; j < to; j++) gradients[o->weight + j] *= factor[j];
                together(p);
                break;
            }
            case SPARSITY: {
                together(p);
                share_of(p, o->outputs, LANES, &from, &to);
                if (p->rank == 0)
                    penalties += sparsity_penalty(o, p->values[o->in], p->gradients[o->in], p->rows, 0, o->outputs);
                together(p);
                break;
            }
        }
    }
    together(p);
    return penalties;
}

static void limit_and_update(run *r, const pass *p, int64_t index, double *shared) {
    REAL *values = r->values, *gradients = r->gradients;
    int64_t first, last;
    share_of(p, r->num_parameters, LANES, &first, &last);
    if (r->l1 != 0 || r->l2 != 0) {
        const int64_t end = last < r->weights_end ? last : r->weights_end;
        for (int64_t i = first; i < end; i += LANES) {
            vec w = load(values + i), g = load(gradients + i);
            store(gradients + i, g + sign_of(w) * (REAL)r->l1 + w * (REAL)r->l2);
        }
    }
    together(p);
    if (p->rank == 0) {
        int64_t at = 0;  // what is frozen lies between the stretches that are trained
        for (int64_t s = 0; s <= r->num_trained; s++) {
            const int64_t stop = s < r->num_trained ? r->trained[s].start : r->num_parameters;
            if (stop > at) memset(gradients + at, 0, (stop - at) * sizeof(REAL));
            if (s < r->num_trained) at = r->trained[s].stop;
        }
        if (r->unclipped) memcpy(r->unclipped, gradients, r->num_parameters * sizeof(REAL));
    }
    together(p);
    if (r->clip_value != INFINITY)
        for (int64_t i = first; i < last; i += LANES)
            store(gradients + i, at_most(at_least(load(gradients + i), -r->clip_value), r->clip_value));
    if (r->clip_norm != INFINITY) {
        together(p);
        if (p->rank == 0) {
            const REAL norm = root(sum_of_squares(gradients, r->num_parameters) - (vec){})[0];
            const REAL scale = (REAL)r->clip_norm / (norm + (REAL)1e-6);
            shared[1] = scale > 1 ? 1 : (double)scale;
        }
        together(p);
        for (int64_t i = first; i < last; i += LANES)
            store(gradients + i, load(gradients + i) * (REAL)shared[1]);
    }
    if (p->rank == 0) {
        *(step_constants *)(shared + 2) =
            constants_of(r, r->rates[index], r->momenta ? r->momenta[index] : r->settings[0]);
    }
    together(p);
    const step_constants *c = (const step_constants *)(shared + 2);
    for (int64_t s = 0; s < r->num_trained; s++) {
        const stretch *own = r->trained + s;
        const int64_t from = own->start > first ? own->start : first;
        const int64_t to = own->stop < last ? own->stop : last;
        if (from < to) update(r, c, from, to, own->is_weight ? r->decay_of_weights : r->decay_of_rest);
    }
    together(p);
    if (p->rank == 0) {
        r->is_first = 0;
        if (r->max_norm != INFINITY)
            for (int64_t i = 0; i < r->num_operations; i++) {
                const operation *o = r->operations + i;
                if (o->kind != AFFINE || !(o->flags & BOUNDED)) continue;
                REAL *w = values + o->weight;
                for (int64_t n = 0; n < o->outputs; n += LANES) {
                    const int64_t left = lanes_left(o->outputs, n);
                    vec squares = {};
                    for (int64_t k = 0; k < o->inputs; k++) {
                        vec own = load_part(w + k * o->outputs + n, left);
                        squares = fused(own, own, squares);
                    }
                    vec scale = at_most((REAL)r->max_norm / root(squares), 1.0);
                    for (int64_t k = 0; k < o->inputs; k++) {
                        REAL *own = w + k * o->outputs + n;
                        store_part(own, load_part(own, left) * scale, left);
                    }
                }
            }
    }
    if (r->shares) {
        together(p);
        const REAL share = (REAL)r->shares[index];
        for (int64_t k = 0; k < r->num_averages && share != 0; k++) {
            const averaged *a = r->averages + k;
            const REAL *newest = a->newest;
            REAL *mean = a->mean;
            share_of(p, a->length, LANES, &first, &last);
            for (int64_t i = first; i < last; i++)
                mean[i] = share == 1 ? newest[i] : mean[i] + (newest[i] - mean[i]) * share;
        }
    }
    together(p);
}

// Where AddressSanitizer watches, a gap that nobody may touch follows every array.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GAP LANES
void __asan_poison_memory_region(const volatile void *, size_t);
void __asan_unpoison_memory_region(const volatile void *, size_t);
#endif
#endif
#ifndef GAP
#define GAP 0
#endif

// The next array of memory of which so much is taken; without memory, none.
static REAL *taken(REAL *memory, int64_t *used, int64_t number) {
    REAL *own = memory ? memory + *used : 0;
    *used += PADDED(number) + GAP;
#if GAP
    if (own) {
        __asan_unpoison_memory_region(own, PADDED(number) * sizeof(REAL));
        __asan_poison_memory_region(own + PADDED(number), GAP * sizeof(REAL));
    }
#endif
    return own;
}

// Memory of a program, in numbers: slots and their gradients, what is kept, scratches, products.
static int64_t lay_out(const run *r, REAL *memory, int threads, REAL **values, REAL **gradients,
                       REAL **kept, REAL **scratches, answers *head, REAL **products, double **shared) {
    const int64_t rows = r->batch_size;
    int64_t longest = rows, used = 0;
#define TAKE(number) taken(memory, &used, number)
    for (int64_t s = 0; s < r->num_slots; s++) {
        REAL *value = TAKE(rows * PADDED(r->widths[s])), *gradient = TAKE(s ? rows * PADDED(r->widths[s]) : 0);
        if (values) { values[s] = value; gradients[s] = gradient; }
    }
    for (int64_t i = 0; i < r->num_operations; i++) {
        const operation *o = r->operations + i;
        const int keeps = o->kind == MAXOUT || o->kind == BATCH_NORM || o->kind == LAYER_NORM || o->kind == LARGEST
                          || o->kind == DROPOUT || o->kind == CORRUPTION;
        REAL *own = TAKE(keeps ? (rows + 1) * PADDED(o->outputs) + rows : 0);
        if (kept) kept[i] = own;
        if (o->inputs > longest) longest = o->inputs;
        if (o->outputs > longest) longest = o->outputs;
    }
    for (int64_t s = 0; s < r->num_scratches; s++) {
        REAL *own = TAKE(r->scratch_sizes[s]);
        if (scratches) scratches[s] = own;
    }
    const int64_t row = PADDED(r->num_targets), per_double = sizeof(double) / sizeof(REAL);
    REAL *a = TAKE(rows * row), *targets = TAKE(rows * row), *classes = TAKE(rows * per_double);
    REAL *costs = TAKE(rows * per_double), *correct = TAKE(rows * per_double);
    REAL *more = TAKE(64);
    if (head)
        *head = (answers){.r = r, .a = a, .targets = targets, .costs = (double *)costs,
                          .classes = r->targets_are == 2 && !r->reconstructs ? (int64_t *)classes : 0,
                          .correct = (double *)correct};
    if (shared) *shared = (double *)more;
    for (int t = 0; t < threads; t++) {
        REAL *own = TAKE(product_scratch(longest));
        if (products) products[t] = own;
    }
#undef TAKE
    return used;
}

// Make up to `number` steps of a run, fewer if its cost ceases to be finite.
static __attribute__((noinline)) void steps(run *r, int64_t number, REAL *memory, team *t, int rank, int size) {
    REAL *values[r->num_slots], *gradients[r->num_slots], *products[size];
    REAL *kept[r->num_operations + 1], *scratches[r->num_scratches + 1];
    double *shared;
    pass p = {.values = values, .gradients = gradients, .kept = kept, .scratches = scratches,
              .rank = rank, .size = size, .team = t};
    lay_out(r, memory, size, values, gradients, kept, scratches, &p.head, products, &shared);
    p.product = products[rank];
    p.head.z = values[r->output];
    p.head.dz = gradients[r->output];
    if (r->reconstructs) p.head.targets = values[0];
    if (r->emphasizes >= 0) p.head.emphasis = kept[r->emphasizes];
    const int64_t per_epoch = (r->num_rows + r->batch_size - 1) / r->batch_size;
    const int64_t start = r->step;
    if (r->diverged) return;
    for (int64_t index = 0; index < number; index++) {
        const int64_t step = start + index, epoch = step / per_epoch, batch = step % per_epoch;
        const int64_t in_epoch = batch * r->batch_size;
        p.place = step - r->first_step;
        p.rows = p.head.rows = r->num_rows - in_epoch < r->batch_size ? r->num_rows - in_epoch : r->batch_size;
        // With one batch an epoch, all rows come in one order, and stay where they are.
        const int stays = per_epoch == 1 && !r->augmented;
        if (!stays || index == 0) gather(r, &p, stays ? 0 : (epoch - r->first_epoch) * r->num_rows + in_epoch);
        together(&p);
        forward(r, &p);
        int64_t first, last;
        share_of(&p, p.rows, 1, &first, &last);
        answer_rows(&p.head, first, last);
        const double penalties = backward(r, &p);
        if (rank == 0) {
            double cost = 0, correct = 0;
            for (int64_t b = 0; b < p.rows; b++) { cost += p.head.costs[b]; correct += p.head.correct[b]; }
            const int of_rows = r->loss == CROSS_ENTROPY || (r->loss == HINGE && p.head.classes);
            cost = (double)(REAL)(cost / ((double)p.rows * (of_rows ? 1.0 : (double)r->num_targets)) + penalties);
            r->diverged = !(cost - cost == 0);
            if (!r->diverged) {
                r->cost_sum += cost * (double)p.rows;
                r->correct_sum += correct;
            }
            shared[0] = cost;
        }
        together(&p);
        if (r->diverged) return;
        limit_and_update(r, &p, p.place, shared);
        if (rank == 0) r->step = step + 1;
        together(&p);
    }
}
