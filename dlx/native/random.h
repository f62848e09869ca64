// What random numbers are made of random bits: `transforms.py` does the same without a library.

static const double centre[] = {59.109374720, 159.29113202, 50.434271938, 3.3871327179};
static const double centre_below[] = {67.187563600, 78.757757664, 17.895169469, 1.0};
static const double tail[] = {0.17023821103, 1.3067284816, 2.7568153900, 1.4234372777};
static const double tail_below[] = {0.12021132975, 0.73700164250, 1.0};
static const double atanh_of_square[] = {1.0 / 13, 1.0 / 11, 1.0 / 9, 1.0 / 7, 1.0 / 5, 1.0 / 3, 1.0};

#define POLYNOMIAL(coefficients, x) polynomial(coefficients, sizeof(coefficients) / sizeof(double), x)
INLINE double_vec polynomial(const double *coefficients, int64_t number, double_vec x) {
    double_vec value = x * coefficients[0] + coefficients[1];
    for (int64_t i = 2; i < number; i++) value = value * x + coefficients[i];
    return value;
}

INLINE double_vec log_of_normal_numbers(double_vec x) {
    const int64_vec bits = (int64_vec)x;
    double_vec mantissa = (double_vec)((bits & 0x000fffffffffffff) | 0x3fe0000000000000);
    const int64_vec is_low = (int64_vec)(mantissa < 0.7071067811865476);  // -1 where it is
    const int64_vec exponent = (bits >> 52) - 1022 + is_low;
    mantissa = select_double(is_low, mantissa * 2.0, mantissa);
    const double_vec s = (mantissa - 1.0) / (mantissa + 1.0);
    return __builtin_convertvector(exponent, double_vec) * 0.6931471805599453 + s * 2.0 * POLYNOMIAL(atanh_of_square, s * s);
}

INLINE double_vec normal_quantiles(int32_vec words) {
    const double_vec q = (__builtin_convertvector(words ^ INT32_MIN, double_vec) + 0.5) * 0x1p-32;
    const double_vec squares = 0.180625 - q * q;
    const double_vec near = q * POLYNOMIAL(centre, squares) / POLYNOMIAL(centre_below, squares);
    const int64_vec is_negative = (int64_vec)(q < 0.0);
    const double_vec size = select_double(is_negative, -q, q);
    const double_vec distance = root(-log_of_normal_numbers(0.5 - size)) - 1.6;
    const double_vec far = POLYNOMIAL(tail, distance) / POLYNOMIAL(tail_below, distance);
    return select_double((int64_vec)(size <= 0.425), near, select_double(is_negative, -far, far));
}

// Fill with mean + std z.
EXPORT void EXPORTED(dlx_normal)(const int32_t *words, REAL *numbers, int64_t number, double mean, double std) {
    for (int64_t i = 0; i < number; i += LANES) {
        const int64_t left = number - i < LANES ? number - i : LANES;
        int32_vec own = {};
        memcpy(&own, words + i, left * sizeof(int32_t));
        const vec values = __builtin_convertvector(normal_quantiles(own) * std + mean, vec);
        store_part(numbers + i, values, left);
    }
}
