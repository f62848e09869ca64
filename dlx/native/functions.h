// exp, log, tanh and their relatives, in operations that IEEE 754 rounds alike on every machine.
//
// Coefficients: exp by Taylor's series after the reduction to |r| <= log(2) / 2; log by the series
// of atanh, with the minimax coefficients of Sun's fdlibm (1993); erf by Chebyshev's interpolation.

#ifndef DLX_FUNCTIONS_H
#define DLX_FUNCTIONS_H

#include "vector.h"

// x = n log(2) + r with an integer n: returns r, and n as an integer, of |x| < 2^51.
INLINE double_vec reduced_double(double_vec x, int64_vec *n) {
    const double_vec magic = 0x1.8p52 - (double_vec){};
    double_vec shifted = fused(x, 0x1.71547652b82fep+0 - (double_vec){}, magic);
    *n = (int64_vec)shifted - (int64_vec)magic;
    double_vec whole = shifted - magic;
    double_vec r = fused(whole, -0x1.62e42fefa39efp-1 - (double_vec){}, x);
    return fused(whole, -0x1.abc9e3b39803fp-56 - (double_vec){}, r);
}

// 2^n for n of a normal number.
INLINE double_vec power_of_two_double(int64_vec n) { return (double_vec)((n + 1023) << 52); }

// exp(r) - 1 for |r| <= log(2) / 2.
INLINE double_vec small_expm1_double(double_vec r) {
    static const double inverse_factorials[] = {
        1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0, 1.0 / 362880.0,
        1.0 / 40320.0, 1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5,
    };
    double_vec sum = inverse_factorials[0] - (double_vec){};
    for (int k = 1; k < 12; k++) sum = fused(sum, r, inverse_factorials[k] - (double_vec){});
    return fused(sum, r * r, r);
}

INLINE double_vec exp_double(double_vec x) {
    const double_vec low = -760.0 - (double_vec){}, high = 720.0 - (double_vec){};
    double_vec bounded = select_double(x < low, low, x);
    bounded = select_double(bounded > high, high, bounded);
    int64_vec n;
    double_vec r = reduced_double(bounded, &n);
    double_vec result = 1.0 + small_expm1_double(r);
    int64_vec half = n >> 1;  // in two steps, so that only the last one is rounded
    return result * power_of_two_double(half) * power_of_two_double(n - half);
}

INLINE double_vec expm1_double(double_vec x) {
    const double_vec low = -60.0 - (double_vec){}, high = 709.7 - (double_vec){};
    double_vec bounded = select_double(x < low, low, x);
    bounded = select_double(bounded > high, high, bounded);
    int64_vec n;
    double_vec r = reduced_double(bounded, &n);
    double_vec half = power_of_two_double(n - 1);
    double_vec result = 2.0 * fused(half, small_expm1_double(r), half - 0.5);
    return select_double(x > high, (double_vec)(INFINITY - (double_vec){}), result);
}

INLINE double_vec log_double(double_vec x) {
    const double_vec tiny = 0x1p-1022 - (double_vec){};
    int64_vec is_small = x < tiny;
    double_vec scaled = select_double(is_small, x * 0x1p54, x);
    // The mantissa lies in [sqrt(1/2), sqrt(2)).
    int64_vec shifted = (int64_vec)scaled - 0x3fe6a09e667f3bcd;
    int64_vec exponent = shifted >> 52;
    double_vec mantissa = (double_vec)((shifted & 0x000fffffffffffff) + 0x3fe6a09e667f3bcd);
    exponent -= is_small & 54;
    double_vec f = mantissa - 1.0, s = f / (2.0 + f), z = s * s;
    static const double atanh_terms[] = {
        1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01,
        2.222219843214978396e-01, 2.857142874366239149e-01, 3.999999999940941908e-01,
        6.666666666666735130e-01,
    };
    double_vec sum = atanh_terms[0] - (double_vec){};
    for (int k = 1; k < 7; k++) sum = fused(sum, z, atanh_terms[k] - (double_vec){});
    double_vec half_square = 0.5 * f * f;
    double_vec e = __builtin_convertvector(exponent, double_vec);
    double_vec rest = fused(s, fused(sum, z, half_square), e * 1.90821492927058770002e-10);
    double_vec result = fused(e, 6.93147180369123816490e-01 - (double_vec){}, f - (half_square - rest));
    result = select_double(x == 0.0, (double_vec)(-INFINITY - (double_vec){}), result);
    result = select_double(x < 0.0, (double_vec)(NAN - (double_vec){}), result);
    return select_double(~(x < INFINITY), x + x, result);  // infinity and NaN
}

INLINE double_vec log1p_double(double_vec x) {
    double_vec u = 1.0 + x;
    double_vec lost = (x - (u - 1.0)) / u;
    double_vec result = log_double(u) + lost;
    return select_double(u < INFINITY, result, log_double(u));
}

INLINE double_vec size_double(double_vec x) {
    return (double_vec)((int64_vec)x & 0x7fffffffffffffff);
}

INLINE double_vec with_sign_double(double_vec size, double_vec sign) {
    return (double_vec)((int64_vec)size | ((int64_vec)sign & (int64_t)0x8000000000000000));
}

INLINE double_vec tanh_double(double_vec x) {
    double_vec size = size_double(x);
    double_vec t = expm1_double(2.0 * select_double(size > 22.0, (double_vec)(22.0 - (double_vec){}), size));
    return with_sign_double(t / (t + 2.0), x);
}

#include "erf.h"

INLINE double_vec erf_double(double_vec x) {
    double_vec size = size_double(x), square = size * size;
    double_vec inner = erf_inner[0] - (double_vec){};
    for (int k = 1; k < ERF_INNER; k++) inner = fused(inner, square, erf_inner[k] - (double_vec){});
    double_vec far = select_double(size > 6.0, (double_vec)(6.0 - (double_vec){}), size);
    double_vec t = 1.0 / fused(0.5 - (double_vec){}, far, 1.0 - (double_vec){});
    double_vec outer = erf_outer[0] - (double_vec){};
    for (int k = 1; k < ERF_OUTER; k++) outer = fused(outer, t, erf_outer[k] - (double_vec){});
    double_vec result = select_double(size < 1.0, size * inner, 1.0 - exp_double(-far * far) * outer);
    return with_sign_double(result, x);
}

// In single precision exp, tanh and log(1 + x), which steps are full of, are their own; the others
// are those of double precision, rounded.

#define select_float(holds, a, b) SELECT(float_vec, int32_vec, (holds), (a), (b))

// x = n log(2) + r with an integer n: returns r, and n as an integer, of |x| < 2^22.
INLINE float_vec reduced_float(float_vec x, int32_vec *n) {
    const float_vec magic = 0x1.8p23f - (float_vec){};
    float_vec shifted = fused(x, 0x1.715476p+0f - (float_vec){}, magic);
    *n = (int32_vec)shifted - (int32_vec)magic;
    float_vec whole = shifted - magic;
    float_vec r = fused(whole, -0x1.62e430p-1f - (float_vec){}, x);
    return fused(whole, 0x1.05c610p-29f - (float_vec){}, r);
}

// 2^n for n of a normal number.
INLINE float_vec power_of_two_float(int32_vec n) { return (float_vec)((n + 127) << 23); }

// exp(r) - 1 for |r| <= log(2) / 2.
INLINE float_vec small_expm1_float(float_vec r) {
    static const float inverse_factorials[] = {
        1.0f / 5040, 1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f,
    };
    float_vec sum = inverse_factorials[0] - (float_vec){};
    for (int k = 1; k < 6; k++) sum = fused(sum, r, inverse_factorials[k] - (float_vec){});
    return fused(sum, r * r, r);
}

INLINE float_vec exp_float(float_vec x) {
    const float_vec low = -110.0f - (float_vec){}, high = 100.0f - (float_vec){};
    float_vec bounded = select_float(x < low, low, x);
    bounded = select_float(bounded > high, high, bounded);
    int32_vec n;
    float_vec r = reduced_float(bounded, &n);
    float_vec result = 1.0f + small_expm1_float(r);
    int32_vec half = n >> 1;
    return result * power_of_two_float(half) * power_of_two_float(n - half);
}

INLINE float_vec size_float(float_vec x) { return (float_vec)((int32_vec)x & INT32_MAX); }

// t / (t + 2) with t = exp(2 |x|) - 1, which rounds to 1 from |x| = 9.02 on; what the sum and the
// quotient were rounded by is made good.
INLINE float_vec tanh_float(float_vec x) {
    float_vec size = size_float(x);
    int32_vec n;
    float_vec r = reduced_float(2.0f * select_float(size > 10.0f, 10.0f - (float_vec){}, size), &n);
    float_vec half = power_of_two_float(n - 1);
    float_vec t = 2.0f * fused(half, small_expm1_float(r), half - 0.5f);
    float_vec sum = 2.0f + t, part = sum - 2.0f, lost = (t - part) + (2.0f - (sum - part));
    float_vec inverse = 1.0f / sum, quotient = t * inverse;
    float_vec result = fused(fused(-sum, quotient, t) - lost * quotient, inverse, quotient);
    return (float_vec)((int32_vec)result | ((int32_vec)x & INT32_MIN));
}

// log(1 + x) for 0 <= x <= 1: with s = x / (2 + x) it is 2 s + 2 s^3 / 3 + 2 s^5 / 5 + ...
INLINE float_vec log1p_float(float_vec x) {
    static const float atanh_terms[] = {
        2.0f / 15, 2.0f / 13, 2.0f / 11, 2.0f / 9, 2.0f / 7, 2.0f / 5, 2.0f / 3,
    };
    float_vec s = x / (2.0f + x), z = s * s;
    float_vec sum = atanh_terms[0] - (float_vec){};
    for (int k = 1; k < 7; k++) sum = fused(sum, z, atanh_terms[k] - (float_vec){});
    float_vec half_square = 0.5f * x * x;
    return x - (half_square - s * fused(sum, z, half_square));
}

#define IN_DOUBLE(x) __builtin_convertvector((x), double_vec)
#define IN_FLOAT(x) __builtin_convertvector((x), float_vec)

INLINE float_vec expm1_float(float_vec x) { return IN_FLOAT(expm1_double(IN_DOUBLE(x))); }
INLINE float_vec log_float(float_vec x) { return IN_FLOAT(log_double(IN_DOUBLE(x))); }
INLINE float_vec erf_float(float_vec x) { return IN_FLOAT(erf_double(IN_DOUBLE(x))); }

#endif
