// A C library whose exp, log, sin, … are off by a unit in the last place, as another library's may be.
//
// What is exact in every library (exp(0), pow(2, 3)) is left as it is: what ends in twenty zeros.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

static double off(double x) {
    int64_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (x - x == 0 && bits & 0xfffff) bits ^= 1;
    memcpy(&x, &bits, sizeof bits);
    return x;
}

static float off_single(float x) {
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (x - x == 0 && bits & 0xfff) bits ^= 1;
    memcpy(&x, &bits, sizeof bits);
    return x;
}

#define ONE(name) \
    double name(double x) { \
        static double (*true_one)(double); \
        if (!true_one) true_one = (double (*)(double))dlsym(RTLD_NEXT, #name); \
        return off(true_one(x)); \
    } \
    float name##f(float x) { \
        static float (*true_one)(float); \
        if (!true_one) true_one = (float (*)(float))dlsym(RTLD_NEXT, #name "f"); \
        return off_single(true_one(x)); \
    }
#define TWO(name) \
    double name(double x, double y) { \
        static double (*true_one)(double, double); \
        if (!true_one) true_one = (double (*)(double, double))dlsym(RTLD_NEXT, #name); \
        return off(true_one(x, y)); \
    } \
    float name##f(float x, float y) { \
        static float (*true_one)(float, float); \
        if (!true_one) true_one = (float (*)(float, float))dlsym(RTLD_NEXT, #name "f"); \
        return off_single(true_one(x, y)); \
    }

ONE(exp) ONE(exp2) ONE(expm1) ONE(log) ONE(log2) ONE(log10) ONE(log1p) ONE(sin) ONE(cos) ONE(tan)
ONE(asin) ONE(acos) ONE(atan) ONE(sinh) ONE(cosh) ONE(tanh) ONE(asinh) ONE(acosh) ONE(atanh) ONE(erf)
ONE(erfc) ONE(cbrt) ONE(lgamma) ONE(tgamma) TWO(pow) TWO(atan2) TWO(hypot)
