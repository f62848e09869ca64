// Matrix products: C[m, n] = start + sum over k of A[m, k] B[k, n].
//
// Every number is one chain of fused multiply-adds in the order of k, from 0, the bias, or what C
// holds. Vectors run along n, so that neither tiles nor blocks nor threads change a bit.

// Rows and vectors of a tile, whose sums stay in registers.
#if defined(__AVX512F__)
#define TILE_ROWS 12
#define TILE_VECTORS (sizeof(REAL) == 4 ? 2 : 1)
#elif defined(__AVX2__) || defined(__aarch64__)
#define TILE_ROWS (sizeof(REAL) == 4 ? 6 : 3)
#define TILE_VECTORS 1
#else
#define TILE_ROWS (sizeof(REAL) == 4 ? 3 : 1)
#define TILE_VECTORS 1
#endif
#define MOST_ROWS 12
#define MOST_VECTORS 2
#define BLOCK 256  // of k: what is copied of B stays in the nearest cache
#define NEAR 6144  // numbers of A that stay there as they lie

typedef struct {
    const REAL *a, *b, *bias;
    REAL *c;
    int64_t m, n, k;
    int64_t a_row, a_column;  // steps from number to number
    int64_t b_row, b_size;    // numbers of B that may be read
    int64_t c_row;
    int adds;                 // to what C holds
    int whole;                // rows of C may be written in whole vectors
} matrix_product;

// A loop over the vectors of an array that stays in registers.
#define UNROLLED _Pragma("clang loop unroll(full)")

INLINE vec load(const REAL *from) { return *(const vec *)from; }
INLINE void store(REAL *to, vec x) { *(vec *)to = x; }

INLINE vec load_part(const REAL *from, int64_t number) {
    vec x = {};
    switch (number) {
#define CASE(n) case n: memcpy(&x, from, n * sizeof(REAL)); break;
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11)
        CASE(12) CASE(13) CASE(14) CASE(15) CASE(16)
#undef CASE
    }
    return x;
}

INLINE void store_part(REAL *to, vec x, int64_t number) {
    switch (number) {
#define CASE(n) case n: memcpy(to, &x, n * sizeof(REAL)); break;
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11)
        CASE(12) CASE(13) CASE(14) CASE(15) CASE(16)
#undef CASE
    }
}

// Numbers that a vector from column `n` on has of a row of `width`.
INLINE int64_t lanes_left(int64_t width, int64_t n) {
    return width - n < LANES ? width - n : LANES;
}

INLINE void tile(const int rows, const int vectors, const matrix_product *p, const REAL *a,
                 int64_t a_row, int64_t a_column, const REAL *b, int64_t b_row, int64_t safe,
                 int64_t length, int64_t m, int64_t n, int starts) {
    // What lies in memory, for loops that are not unrolled, and the sums, which stay in registers.
    vec ends[MOST_ROWS][MOST_VECTORS], sums[MOST_ROWS][MOST_VECTORS];
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < vectors; j++) {
            int64_t column = n + j * LANES;
            const REAL *c = p->c + (m + i) * p->c_row + column;
            if (!starts || p->adds)
                ends[i][j] = p->whole ? load(c) : load_part(c, lanes_left(p->n, column));
            else if (p->bias)
                ends[i][j] = load_part(p->bias + column, lanes_left(p->n, column));
            else
                ends[i][j] = (vec){};
        }
    UNROLLED for (int i = 0; i < rows; i++)
        UNROLLED for (int j = 0; j < vectors; j++) sums[i][j] = ends[i][j];
    int64_t k = 0;
    for (; k < safe; k++) {
        vec own[MOST_VECTORS];
        UNROLLED for (int j = 0; j < vectors; j++) own[j] = load(b + k * b_row + j * LANES);
        UNROLLED for (int i = 0; i < rows; i++) {
            vec factor = a[i * a_row + k * a_column] - (vec){};
            UNROLLED for (int j = 0; j < vectors; j++) sums[i][j] = fused(factor, own[j], sums[i][j]);
        }
    }
    for (; k < length; k++) {  // whole vectors would reach beyond B
        vec own[MOST_VECTORS];
        UNROLLED for (int j = 0; j < vectors; j++)
            own[j] = load_part(b + k * b_row + j * LANES, lanes_left(p->n, n + j * LANES));
        UNROLLED for (int i = 0; i < rows; i++) {
            vec factor = a[i * a_row + k * a_column] - (vec){};
            UNROLLED for (int j = 0; j < vectors; j++) sums[i][j] = fused(factor, own[j], sums[i][j]);
        }
    }
    UNROLLED for (int i = 0; i < rows; i++)
        UNROLLED for (int j = 0; j < vectors; j++) ends[i][j] = sums[i][j];
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < vectors; j++) {
            int64_t column = n + j * LANES;
            REAL *c = p->c + (m + i) * p->c_row + column;
            if (p->whole || lanes_left(p->n, column) == LANES)
                store(c, ends[i][j]);
            else
                store_part(c, ends[i][j], lanes_left(p->n, column));
        }
}

static __attribute__((noinline)) void tiles(int rows, int vectors, const matrix_product *p,
                                            const REAL *a, int64_t a_row, int64_t a_column,
                                            const REAL *b, int64_t b_row, int64_t safe,
                                            int64_t length, int64_t m, int64_t n, int starts) {
#define CASE(r) \
    case r: \
        if (vectors == 1) tile(r, 1, p, a, a_row, a_column, b, b_row, safe, length, m, n, starts); \
        else tile(r, 2, p, a, a_row, a_column, b, b_row, safe, length, m, n, starts); \
        break;
    switch (rows) {
        CASE(1) CASE(2) CASE(3)
#if defined(__AVX512F__) || defined(__AVX2__) || defined(__aarch64__)
        CASE(4) CASE(5) CASE(6)
#endif
#if defined(__AVX512F__)
        CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#endif
    }
#undef CASE
}

// Numbers of scratch memory that a product of these sizes needs for its copies.
static int64_t product_scratch(int64_t m) {
    return BLOCK * (MOST_VECTORS * LANES + (m + MOST_ROWS) );
}

// Compute the rows `first` to `last` of C.
static void multiply(const matrix_product *p, int64_t first, int64_t last, REAL *scratch) {
    const int most = TILE_ROWS, vectors_at_most = TILE_VECTORS;
    REAL *panel = scratch, *copy_of_a = scratch + BLOCK * MOST_VECTORS * LANES;
    const int copies = last - first >= 2 * most;
    for (int64_t k0 = 0; k0 < p->k || k0 == 0; k0 += BLOCK) {
        const int64_t length = p->k - k0 < BLOCK ? p->k - k0 : BLOCK;
        // Where neighbours in a column of A lie side by side, tiles read a copy in their own order.
        const int copies_a = copies && p->a_row == 1 && length * p->a_column > NEAR && p->n > 2 * LANES;
        if (copies_a) {
            for (int64_t m = first; m < last; m += most) {
                const int64_t rows = last - m < most ? last - m : most;
                REAL *to = copy_of_a + (m - first) * length;
                for (int64_t k = 0; k < length; k++, to += rows)
                    memcpy(to, p->a + m + (k0 + k) * p->a_column, rows * sizeof(REAL));
            }
        }
        for (int64_t n = 0; n < p->n; n += vectors_at_most * LANES) {
            const int vectors = p->n - n > LANES ? vectors_at_most : 1;
            const REAL *b = p->b + k0 * p->b_row + n;
            int64_t b_row = p->b_row, safe = length;
            if (copies) {
                const int64_t columns = p->n - n < vectors * LANES ? p->n - n : vectors * LANES;
                if (columns == 2 * LANES)
                    for (int64_t k = 0; k < length; k++)
                        for (int j = 0; j < 2; j++)
                            store(panel + (k * 2 + j) * LANES, load(b + k * p->b_row + j * LANES));
                else
                    for (int64_t k = 0; k < length; k++)
                        for (int j = 0; j < vectors; j++)
                            store(panel + (k * vectors + j) * LANES,
                                  load_part(b + k * p->b_row + j * LANES, lanes_left(columns, j * LANES)));
                b = panel;
                b_row = vectors * LANES;
            } else {
                // The rows of B whose whole vectors lie inside it.
                int64_t inside = p->b_size - (k0 * p->b_row + n + vectors * LANES);
                if (inside < (length - 1) * p->b_row) safe = inside < 0 ? 0 : inside / p->b_row + 1;
            }
            for (int64_t m = first; m < last; m += most) {
                const int rows = last - m < most ? (int)(last - m) : most;
                const REAL *a = p->a + m * p->a_row + k0 * p->a_column;
                if (copies_a)
                    tiles(rows, vectors, p, copy_of_a + (m - first) * length, 1, rows, b, b_row, safe,
                          length, m, n, k0 == 0);
                else
                    tiles(rows, vectors, p, a, p->a_row, p->a_column, b, b_row, safe, length, m, n,
                          k0 == 0);
            }
        }
    }
}

// Turn sixteen rows into sixteen columns, in registers.
INLINE void transpose_block(vec rows[LANES]) {
#define EXCHANGE(d, low, high) \
    UNROLLED for (int i = 0; i < LANES; i++) \
        if (!(i & d)) { \
            vec a = rows[i], b = rows[i + d]; \
            rows[i] = __builtin_shufflevector(a, b, low); \
            rows[i + d] = __builtin_shufflevector(a, b, high); \
        }
#define LIST(...) __VA_ARGS__
    EXCHANGE(8, LIST(0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
             LIST(8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31))
    EXCHANGE(4, LIST(0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27),
             LIST(4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31))
    EXCHANGE(2, LIST(0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29),
             LIST(2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31))
    EXCHANGE(1, LIST(0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30),
             LIST(1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31))
#undef LIST
#undef EXCHANGE
}

// Write the columns `first` to `last` (multiples of LANES) of a matrix (m, n) as rows (n, PADDED(m)).
static void transpose(const REAL *from, int64_t m, int64_t n, REAL *to, int64_t first, int64_t last) {
    for (int64_t j = first; j < last && j < n; j += LANES)
        for (int64_t i = 0; i < m; i += LANES) {
            vec block[LANES];
            const int64_t left = lanes_left(n, j);
            UNROLLED for (int r = 0; r < LANES; r++) {
                const REAL *row = from + (i + r) * n + j;
                if (i + r >= m) block[r] = (vec){};
                else if ((m - i - r - 1) * n + left >= LANES) block[r] = load(row);  // inside the matrix
                else block[r] = load_part(row, left);
            }
            transpose_block(block);
            for (int64_t r = 0; r < left; r++) store(to + (j + r) * PADDED(m) + i, block[r]);
        }
}
