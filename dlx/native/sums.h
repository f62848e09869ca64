// Sums over the parameters of runs, in double precision: of the sizes of their numbers, of squares.

// Add up the parameters of rows. A parameter is the numbers from one column of a row to another.
static void add_up_parameters(const REAL *rows, int64_t num_rows, int64_t row_size,
                              const int64_t *columns, int64_t num_parameters, double *sizes,
                              double *squares) {
    for (int64_t i = 0; i < num_rows; i++)
        for (int64_t j = 0; j < num_parameters; j++) {
            const int64_t first = columns[2 * j], last = columns[2 * j + 1];
            double_vec size = {}, square = {};
            for (int64_t n = first; n < last; n += LANES) {
                const vec own = load_part(rows + i * row_size + n, lanes_left(last, n));
                const double_vec x = __builtin_convertvector(own, double_vec);
                size += (double_vec)((int64_vec)x & INT64_MAX);
                square += x * x;
            }
            sizes[i * num_parameters + j] = sum_of_doubles(size);
            squares[i * num_parameters + j] = sum_of_doubles(square);
        }
}
