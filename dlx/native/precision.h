// All kernels in one precision, and what Python calls; `single.c` and `double.c` include it.

#include <fenv.h>

#include "functions.h"
#include "program.h"
#include "team.h"

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

#include "products.h"
#include "activations.h"
#include "reductions.h"
#include "normalization.h"
#include "losses.h"
#include "optimizers.h"
#include "codes.h"
#include "changes.h"
#include "engine.h"
#include "evaluation.h"
#include "random.h"
#include "sums.h"

// Numbers of memory that the steps of a run need, for a team of threads.
EXPORT int64_t EXPORTED(dlx_memory)(const run *r, int64_t size) {
    return lay_out(r, 0, (int)size, 0, 0, 0, 0, 0, 0, 0);
}

// Make up to `number` steps, as one of `size` threads that call this with the same memory and team.
EXPORT void EXPORTED(dlx_steps)(run *r, int64_t number, void *memory, void *together, int64_t rank, int64_t size) {
    fenv_t before;
    fegetenv(&before);
    fesetenv(FE_DFL_ENV);  // rounding to nearest, and no flushing that other processors do not have
    steps(r, number, memory, together, (int)rank, (int)size);
    fesetenv(&before);
}

// Numbers of memory that any of so many runs needs for a piece.
EXPORT int64_t EXPORTED(dlx_evaluation_memory)(const evaluation *e, int64_t runs) {
    int64_t most = 0;
    for (int64_t i = 0; i < runs; i++) {
        const run r = with_rows(e, i);
        const int64_t own = lay_out(&r, 0, 1, 0, 0, 0, 0, 0, 0, 0);
        if (own > most) most = own;
    }
    return most;
}

// Evaluate pieces until another thread has taken the last one; the memory is that of a team of one.
EXPORT void EXPORTED(dlx_evaluate)(evaluation *e, void *memory) {
    fenv_t before;
    fegetenv(&before);
    fesetenv(FE_DFL_ENV);
    evaluate(e, memory);
    fesetenv(&before);
}

// Add up the parameters of rows: (rows, parameters) sums of |x| and of x² each.
EXPORT void EXPORTED(dlx_sums)(const REAL *rows, int64_t num_rows, int64_t row_size, const int64_t *columns,
                               int64_t num_parameters, double *sizes, double *squares) {
    fenv_t before;
    fegetenv(&before);
    fesetenv(FE_DFL_ENV);
    add_up_parameters(rows, num_rows, row_size, columns, num_parameters, sizes, squares);
    fesetenv(&before);
}

// An elementary function of an array, for tests: 0 exp, 1 log, 2 tanh, 3 erf, 4 logistic, 5 log1p, 6 expm1.
EXPORT void EXPORTED(dlx_function)(int64_t name, const REAL *x, REAL *y, int64_t number) {
    fenv_t before;
    fegetenv(&before);
    fesetenv(FE_DFL_ENV);
    for (int64_t i = 0; i < number; i += LANES) {
        const int64_t left = lanes_left(number, i);
        vec z = load_part(x + i, left), value;
        switch (name) {
            case 0: value = exp_vec(z); break;
            case 1: value = log_vec(z); break;
            case 2: value = tanh_vec(z); break;
            case 3: value = erf_vec(z); break;
            case 4: value = logistic(z); break;
            case 5: value = log1p_vec(z); break;
            default: value = expm1_vec(z); break;
        }
        store_part(y + i, value, left);
    }
    fesetenv(&before);
}

// A product C = A B of contiguous matrices, for tests and for measuring.
EXPORT void EXPORTED(dlx_product)(const REAL *a, const REAL *b, REAL *c, int64_t m, int64_t n, int64_t k, REAL *scratch) {
    matrix_product p = {.a = a, .b = b, .c = c, .m = m, .n = n, .k = k, .a_row = k, .a_column = 1,
                        .b_row = n, .b_size = k * n, .c_row = n};
    multiply(&p, 0, m, scratch);
}
