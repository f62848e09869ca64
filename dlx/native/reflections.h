// Random orthonormal columns: `transforms.py` says what they are, and does the same without a library.

// Make `q`, zeros of (rows, columns), the product of reflections of which `normals` has a row each;
// `sums` has room for a row of it.
EXPORT void dlx_reflections(double *normals, double *q, double *sums, int64_t rows, int64_t columns) {
    for (int64_t k = columns - 1; k >= 0; k--) {
        double *v = normals + k * rows, squares = 0;
        for (int64_t i = k; i < rows; i++) squares += v[i] * v[i];
        const double first = v[k], length = __builtin_sqrt(squares);
        v[k] = first >= 0 ? first + length : first - length;
        squares = 0;
        for (int64_t i = k; i < rows; i++) squares += v[i] * v[i];
        const double factor = 2.0 / squares;
        q[k * columns + k] = first >= 0 ? -1.0 : 1.0;
        for (int64_t j = k; j < columns; j++) sums[j] = v[k] * q[k * columns + j];
        for (int64_t i = k + 1; i < rows; i++)
            for (int64_t j = k; j < columns; j++) sums[j] += v[i] * q[i * columns + j];
        for (int64_t i = k; i < rows; i++)
            for (int64_t j = k; j < columns; j++) q[i * columns + j] -= factor * v[i] * sums[j];
    }
}
