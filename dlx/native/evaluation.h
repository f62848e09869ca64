// What a run makes of rows, in pieces that stay in the cache: cost, right answers, outputs.
//
// Every row is computed by itself, but for the penalties of a code. Costs are added up row after
// row, for so many rows at a time, whatever a piece has; so neither pieces nor threads change a bit.

static void softmax_rows(const run *r, const REAL *z, REAL *a, int64_t rows) {
    const int64_t number = r->num_targets, row = PADDED(number);
    for (int64_t b = 0; b < rows; b++) {
        const REAL *own = z + b * row, largest = own[largest_column(own, number)];
        vec sum = {};
        for (int64_t n = 0; n < number; n += LANES) {
            vec e = exp_vec(load(own + n) - largest);
            store(a + b * row + n, e);
            sum += first_lanes(e, lanes_left(number, n));
        }
        const REAL total = sum_of_lanes(sum);
        for (int64_t n = 0; n < number; n += LANES) store(a + b * row + n, load(a + b * row + n) / total);
    }
}

// Rows of whole vectors to rows without gaps, each `to_row` after the one before.
static void hand_out(const REAL *from, REAL *to, int64_t rows, int64_t units, int64_t to_row) {
    for (int64_t b = 0; b < rows; b++) memcpy(to + b * to_row, from + b * PADDED(units), units * sizeof(REAL));
}

static void add_up(const evaluation *e, const pass *p, int64_t which, int64_t start) {
    const int64_t sums = (e->num_rows + ROWS_OF_A_SUM - 1) / ROWS_OF_A_SUM;
    for (int64_t b = 0; b < p->rows; b++) {
        const int64_t sum = which * sums + (start + b) / ROWS_OF_A_SUM;
        e->costs[sum] += p->head.costs[b];
        e->correct[sum] += p->head.correct[b];
        if (e->row_costs) e->row_costs[which * e->num_rows + start + b] = p->head.costs[b];
    }
}

// Penalties and active units of codes.
static void add_measures(const evaluation *e, const run *r, const pass *p, int64_t index) {
    double penalties = 0, active = 0;
    for (int64_t i = 0; i < r->num_operations; i++) {
        const operation *o = r->operations + i;
        const REAL *x = p->values[o->in];
        if (o->kind == SPARSITY) penalties += sparsity_penalty(o, x, 0, p->rows, 0, o->outputs);
        if (o->kind != ACTIVE) continue;
        for (int64_t b = 0; b < p->rows; b++)
            for (int64_t n = 0; n < o->outputs; n++) {
                const REAL own = x[b * PADDED(o->outputs) + n];
                active += (own < 0 ? -own : own) > (REAL)o->numbers[0];
            }
    }
    e->penalties[index] = penalties * (double)p->rows;
    e->active[index] = active;
}

// A run whose batches are pieces of its rows.
static run with_rows(const evaluation *e, int64_t which) {
    run r = e->runs[which];
    const part *own = e->parts + which;
    r.inputs = own->inputs; r.targets = own->targets;
    r.rows = own->rows; r.target_rows = own->target_rows;
    r.fill = own->fill; r.shift = own->shift; r.scale = own->scale;
    r.inputs_are_double = own->inputs_are_double; r.targets_are = own->targets_are;
    r.rounds = own->rounds;
    r.reconstructs = !own->targets;
    r.batch_size = e->num_rows < e->piece_rows ? e->num_rows : e->piece_rows;
    return r;
}

static __attribute__((noinline)) void evaluate_piece(const evaluation *e, int64_t index, REAL *memory) {
    const int64_t pieces = (e->num_rows + e->piece_rows - 1) / e->piece_rows;
    const int64_t which = index / pieces, start = index % pieces * e->piece_rows;
    const part *own = e->parts + which;
    const run r = with_rows(e, which);
    REAL *values[r.num_slots], *gradients[r.num_slots], *products[1];
    REAL *kept[r.num_operations + 1], *scratches[r.num_scratches + 1];
    pass p = {.values = values, .gradients = gradients, .kept = kept, .scratches = scratches, .size = 1};
    double *shared;
    lay_out(&r, memory, 1, values, gradients, kept, scratches, &p.head, products, &shared);
    p.product = products[0];
    p.rows = p.head.rows = e->num_rows - start < e->piece_rows ? e->num_rows - start : e->piece_rows;
    values[0] = values[r.entry];
    gather(&r, &p, e->first_row + start);
    forward(&r, &p);
    const int64_t units = r.widths[r.output], at = (which * e->num_rows + start) * units;
    const REAL *z = values[r.output];
    p.head.z = z;
    p.head.dz = gradients[r.output];
    if (!own->targets) p.head.targets = values[0];
    if (e->costs) {
        answer_rows(&p.head, 0, p.rows);
        add_up(e, &p, which, start);
        add_measures(e, &r, &p, index);
    }
    if (e->z) hand_out(z, (REAL *)e->z + at, p.rows, units, units);
    if (e->outputs) {
        if (r.loss == CROSS_ENTROPY) softmax_rows(&r, z, p.head.a, p.rows);
        else activate((int)r.output_function, z, p.head.a, p.rows * PADDED(units), r.output_number);
        hand_out(p.head.a, (REAL *)e->outputs + at, p.rows, units, units);
    }
    if (e->signals) {
        REAL *to = (REAL *)e->signals + (which * e->num_rows + start) * e->signal_units;
        for (int64_t i = 0; i < r.num_signals; i++) {
            const int64_t slot = r.signals[i];
            hand_out(values[slot], to, p.rows, r.widths[slot], e->signal_units);
            to += r.widths[slot];
        }
    }
}

static void evaluate(evaluation *e, REAL *memory) {
    for (;;) {
        const int64_t index = atomic_fetch_add_explicit(&e->next, 1, memory_order_relaxed);
        if (index >= e->until) return;
        evaluate_piece(e, index, memory);
    }
}
