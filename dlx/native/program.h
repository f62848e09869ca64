// The form of a program: what the kernels are told of one run and of its steps.
//
// A program is a list of operations on slots, matrices (rows of a batch, units) that each have a
// value and a gradient. Slot 0 holds the inputs. The layouts are those of `dlx/engine/structures.py`.

#ifndef DLX_PROGRAM_H
#define DLX_PROGRAM_H

#include <stdint.h>

enum kind {
    AFFINE, WEIGHT_NORM, MAXOUT, BATCH_NORM, LAYER_NORM, ACTIVATION, SUM, CONCAT, LARGEST, SPARSITY,
    DROPOUT, NOISE, CORRUPTION, DROP_CONNECT,
    RUNNING_NORM, ACTIVE  // in evaluations: batch norm, and the units of a code that are counted
};

enum activation {
    IDENTITY, SIGMOID, TANH, RELU, LEAKY_RELU, PRELU, ELU, SELU, GELU, SILU, SOFTPLUS, MISH, HARDTANH
};

enum loss { CROSS_ENTROPY, BINARY_CROSS_ENTROPY, MSE, MAE, HUBER, HINGE };

enum optimizer { SGD, ADAGRAD, RMSPROP, ADADELTA, ADAM, NADAM, RADAM, ADAMAX, LION };

enum answer { NO_ANSWER, LARGEST_OF_CLASSES, LARGEST_OF_COLUMNS, EACH_COLUMN };

enum sparsity { L1, KL };

typedef struct {
    int64_t kind, in, out;  // slots; of WEIGHT_NORM none
    int64_t adds;           // whether the gradient of `in` is added to what is there
    int64_t inputs, outputs;
    int64_t weight, bias;   // first numbers in a run's row, or -1; gain and shift of a norm
    int64_t scratch;        // of AFFINE: the scratch matrix that holds W, -1 for the row itself
    int64_t option;         // activation, pieces, largest units, kind of sparsity, …
    int64_t flags;          // of AFFINE, see below
    int64_t draws[2];       // what it draws: random bits, normal numbers; -1: none
    double numbers[6];
    void *statistics[2];    // of BATCH_NORM and RUNNING_NORM: running means and variances of all runs, a row each;
                            // of CORRUPTION: the lowest and the highest value of each input
    const int64_t *second;  // of SUM and CONCAT: more slots, as many as `option` says
} operation;

enum flags {
    TRANSPOSED = 1,   // W is the transpose of the matrix in the row
    SHARED = 2,       // its gradient is added to that of a later layer, which has the same weight
    BOUNDED = 4,      // max-norm applies to its weight
    FROM_INPUTS = 8   // nobody needs the gradient of what it reads
};

typedef struct { int64_t start, stop, is_weight; } stretch;  // of a run's row

typedef struct { void *newest, *mean; int64_t length; } averaged;

typedef struct { const void *numbers; int64_t of_a_step; } drawn;  // for the steps of a block

typedef struct {
    // Data
    const void *inputs, *targets;       // one copy of the rows
    int64_t inputs_are_double, targets_are;  // 0 float, 1 double, 2 int64
    int64_t num_inputs, num_targets;    // columns
    const int64_t *rows, *target_rows;  // numbers of the rows of the epochs that the steps lie in
    const double *fill, *shift, *scale; // what is done to inputs; NULL: nothing
    int64_t rounds;                     // whether changed inputs are rounded to float
    int64_t augmented;                  // whether a row is another one whenever it is seen
    int64_t num_rows, batch_size, first_epoch, reconstructs;
    // Network
    int64_t number;                     // of the run in its cohort
    const operation *operations;
    const int64_t *widths;              // of the slots
    const int64_t *scratch_sizes;
    const drawn *draws;                 // random numbers that operations name
    int64_t num_operations, num_slots, num_scratches, output;
    // Head
    int64_t loss, output_function, answer;
    int64_t emphasizes;                 // the operation that weighs the outputs' costs, or -1
    double output_number, loss_number, middle;
    const void *class_weights;
    // Parameters
    void *values, *gradients, *unclipped;  // rows of the buffer; `unclipped` may be NULL
    int64_t num_parameters, weights_end, num_trained;
    const stretch *trained;
    // Limits
    double clip_value, clip_norm, l1, l2, max_norm;  // infinity, 0: none
    // Optimizer
    int64_t optimizer, is_first, nesterov, decoupled, has_means, has_velocity;
    double settings[6], decay_of_weights, decay_of_rest;
    void *state[3];
    double count, product;              // steps made; of NAdam
    const double *rates, *momenta;      // of the steps; `momenta` may be NULL
    const double *shares;               // of the newest weights in the averages; may be NULL
    const averaged *averages;
    int64_t num_averages;
    // Results
    double cost_sum, correct_sum;
    int64_t first_step, step, diverged; // of the block of `rates`; the next one
    int64_t entry;                      // in evaluations, the slot that rows are taken into
    const int64_t *signals;             // likewise, the slots that are looked into
    int64_t num_signals;
} run;

// The rows on which a run is evaluated.
typedef struct {
    const void *inputs, *targets;       // one copy of them; no targets: the inputs, or nobody asks
    const int64_t *rows, *target_rows;  // numbers of the rows; NULL: in their order
    const double *fill, *shift, *scale; // what is done to inputs; NULL: nothing
    int64_t inputs_are_double, targets_are, rounds;
} part;

#define ROWS_OF_A_SUM 128  // whose costs are added up by themselves, and these sums by the caller

// What runs make of some of their rows, piece by piece. Pieces are counted run after run.
typedef struct {
    const run *runs;
    const part *parts;
    int64_t first_row, num_rows;
    int64_t piece_rows;                 // a multiple of ROWS_OF_A_SUM
    int64_t until;                      // the piece before which all threads end
    _Atomic int64_t next;               // the next piece that a thread takes
    double *costs, *correct;            // (runs, sums) of sums over rows, 0 at first; may be NULL
    double *penalties, *active;         // (runs, pieces): sum over rows, active units
    double *row_costs;                  // (runs, rows), may be NULL
    void *z, *outputs;                  // (runs, rows, units) each, may be NULL
    void *signals;                      // (runs, rows, units of all slots that are looked into), may be NULL
    int64_t signal_units;
} evaluation;

#endif
