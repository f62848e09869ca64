// a b + c, rounded once, where the processor has no instruction for it.
//
// The C library's fma is not asked: not all of them round right.

#ifndef DLX_FUSED_H
#define DLX_FUSED_H

#if defined(__x86_64__) && !defined(__FMA__)

// The product is exact in double precision. Their sum is rounded to odd: a number that is not exact
// gets a last bit of 1, so that rounding it again, to 24 bits, goes where the exact sum would.
//
// Reference:
//     Boldo and Melquiond (2008), Emulation of a FMA and correctly rounded sums
INLINE float_vec fused_float(float_vec a, float_vec b, float_vec c) {
    double_vec product = __builtin_convertvector(a, double_vec) * __builtin_convertvector(b, double_vec);
    double_vec addend = __builtin_convertvector(c, double_vec), sum = product + addend;
    double_vec part = sum - product, lost = (product - (sum - part)) + (addend - part);
    int64_vec bits = (int64_vec)sum;
    int64_vec outward = (((int64_vec)lost ^ bits) >> 63) | 1;  // -1 where the exact sum is smaller in size
    bits += outward & ((lost < 0.0) | (lost > 0.0)) & ((bits & 1) - 1);
    return __builtin_convertvector((double_vec)bits, float_vec);
}

typedef unsigned __int128 wide;

// A finite number other than 0 as mantissa 2^exponent, with 53 bits of mantissa.
static int64_t taken_apart(double x, int *exponent) {
    int64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int64_t mantissa = bits & 0x000fffffffffffff;
    int biased = (int)(bits >> 52 & 0x7ff);
    if (biased) {
        mantissa |= INT64_C(1) << 52;
    } else {
        const int shift = __builtin_clzll((uint64_t)mantissa) - 11;
        mantissa <<= shift;
        biased = 1 - shift;
    }
    *exponent = biased - 1075;
    return mantissa;
}

// x / 2^shift; the last bit is 1 where bits are lost.
static wide shifted(wide x, int shift) {
    if (shift >= 127) return x != 0;
    return x >> shift | ((x & (((wide)1 << shift) - 1)) != 0);
}

static double fused_one(double a, double b, double c) {
    if (!(a - a == 0 && b - b == 0) || a == 0 || b == 0) return a * b + c;
    if (c - c != 0) return c + c;
    if (c == 0) return a * b;
    int of_a, of_b, of_c;
    const wide product = (wide)taken_apart(a, &of_a) * (wide)taken_apart(b, &of_b);
    const wide addend = (wide)taken_apart(c, &of_c) << 72;
    // Both have their first bit in one of two places now, and zeros behind their last.
    wide x = product << 20, y = addend;
    int exponent = of_a + of_b - 20, distance = exponent - (of_c - 72);
    if (distance >= 0) {
        y = shifted(y, distance);
    } else {
        x = shifted(x, -distance);
        exponent -= distance;
    }
    int is_negative = (a < 0) != (b < 0);
    const int same = is_negative == (c < 0);
    if (!same && y > x) is_negative = !is_negative;
    const wide size = same ? x + y : y > x ? y - x : x - y;
    if (size == 0) return 0;
    const int length = size >> 64 ? 128 - __builtin_clzll((uint64_t)(size >> 64)) : 64 - __builtin_clzll((uint64_t)size);
    int last = exponent + length - 53;  // exponent of the last bit
    if (last < -1074) last = -1074;
    const int shift = last - exponent;
    uint64_t mantissa = 0;
    if (shift <= 0) {
        mantissa = (uint64_t)(size << -shift);
    } else if (shift < 128) {
        const wide rest = size & (((wide)1 << shift) - 1), half = (wide)1 << (shift - 1);
        mantissa = (uint64_t)(size >> shift);
        mantissa += rest > half || (rest == half && (mantissa & 1));
    }
    uint64_t bits = last > 971 ? UINT64_C(0x7ff) << 52 : mantissa + ((uint64_t)(last + 1074) << 52);
    bits |= (uint64_t)is_negative << 63;
    double result;
    memcpy(&result, &bits, sizeof result);
    return result;
}

static __attribute__((noinline)) double_vec fused_double(double_vec a, double_vec b, double_vec c) {
    double_vec result;
    for (int i = 0; i < LANES; i++) result[i] = fused_one(a[i], b[i], c[i]);
    return result;
}

#define fused(a, b, c) _Generic((a), float_vec: fused_float, double_vec: fused_double)((a), (b), (c))

#else
#define fused(a, b, c) __builtin_elementwise_fma((a), (b), (c))
#endif

#endif
