// a = g(z) and dZ = dA g'(z), elementwise; the formulas are those of dlx/nn/activations.py.

#define SELU_ALPHA 1.6732632423543772848170429916717
#define SELU_SCALE 1.0507009873554804934193349852946

INLINE vec splat(double x) { return (REAL)x - (vec){}; }
INLINE vec select_vec(int_vec holds, vec a, vec b) { return SELECT(vec, int_vec, holds, a, b); }
INLINE vec size_of(vec x) { return (vec)((int_vec)x & ~SIGN_BIT); }
INLINE vec sign_of(vec x) {  // -1, 0 or 1, and NaN of NaN
    vec one = (vec)((int_vec)splat(1.0) | ((int_vec)x & SIGN_BIT));
    return select_vec(x == 0, splat(0.0), select_vec(x == x, one, x));
}
// Larger and smaller of two numbers; NaN where x is NaN.
INLINE vec at_least(vec x, double bound) { return select_vec(x < (REAL)bound, splat(bound), x); }
INLINE vec at_most(vec x, double bound) { return select_vec(x > (REAL)bound, splat(bound), x); }
// Numbers too small to be normal become 0: named places where processors would slow down.
INLINE vec flushed(vec x) { return select_vec(size_of(x) < (REAL)SMALLEST_NORMAL, splat(0.0), x); }

// 1 / (1 + exp(-z)); what the sum and the quotient were rounded by is made good.
INLINE vec logistic(vec z) {
    vec e = exp_vec(-z), sum = 1 + e, quotient = 1 / sum;
    vec part = sum - 1, lost = (e - part) + (1 - (sum - part));
    vec better = fused(quotient, fused(-sum, quotient, splat(1.0)) - lost * quotient, quotient);
    return select_vec(sum < (REAL)LARGE, better, quotient);
}
INLINE vec soft_rectifier(vec z) { return at_least(z, 0.0) + log1p_vec(exp_vec(-size_of(z))); }
INLINE vec normal_distribution(vec z) { return (REAL)0.5 * (1 + erf_vec(z * (REAL)0.70710678118654752440)); }

INLINE vec activated(const int kind, vec z, double number) {
    switch (kind) {
        case SIGMOID: return logistic(z);
        case TANH: return tanh_vec(z);
        case RELU: return at_least(z, 0.0);
        case LEAKY_RELU: case PRELU: return select_vec(z > 0, z, z * (REAL)number);
        case ELU: return select_vec(z > 0, z, (REAL)number * expm1_vec(at_most(z, 0.0)));
        case SELU:
            return (REAL)SELU_SCALE * select_vec(z > 0, z, (REAL)SELU_ALPHA * expm1_vec(at_most(z, 0.0)));
        case GELU: return z * normal_distribution(z);
        case SILU: return z * logistic(z);
        case SOFTPLUS: return soft_rectifier(z);
        case MISH: return z * tanh_vec(soft_rectifier(z));
        case HARDTANH: return at_most(at_least(z, -1.0), 1.0);
        default: return z;
    }
}

INLINE vec derived(const int kind, vec da, vec z, vec a, double number) {
    switch (kind) {
        case SIGMOID: return da * ((1 - a) * a);
        case TANH: return da * (1 - a * a);
        case RELU: return select_vec(z > 0, da, splat(0.0));
        case LEAKY_RELU: case PRELU: return select_vec(z > 0, da, da * (REAL)number);
        case ELU: return select_vec(z > 0, da, da * (a + (REAL)number));
        case SELU: return da * select_vec(z > 0, splat(SELU_SCALE), a + (REAL)(SELU_SCALE * SELU_ALPHA));
        case GELU:
            return da * (normal_distribution(z)
                         + z * exp_vec((REAL)-0.5 * z * z) * (REAL)0.39894228040143267794);
        case SILU: { vec s = logistic(z); return da * (s * (1 + z * (1 - s))); }
        case SOFTPLUS: return da * logistic(z);
        case MISH: {
            vec t = tanh_vec(soft_rectifier(z));
            return da * (t + z * (1 - t * t) * logistic(z));
        }
        case HARDTANH: return select_vec(size_of(z) < 1, da, splat(0.0));
        default: return da;
    }
}

#define FOR_EACH_ACTIVATION(DO) \
    switch (kind) { \
        case SIGMOID: DO(SIGMOID) case TANH: DO(TANH) case RELU: DO(RELU) \
        case LEAKY_RELU: case PRELU: DO(LEAKY_RELU) case ELU: DO(ELU) case SELU: DO(SELU) \
        case GELU: DO(GELU) case SILU: DO(SILU) case SOFTPLUS: DO(SOFTPLUS) case MISH: DO(MISH) \
        case HARDTANH: DO(HARDTANH) default: DO(IDENTITY) \
    }

static void activate(int kind, const REAL *z, REAL *a, int64_t number, double option) {
#define DO(name) \
    for (int64_t i = 0; i < number; i += LANES) store(a + i, activated(name, load(z + i), option)); \
    break;
    FOR_EACH_ACTIVATION(DO)
#undef DO
}

// dZ is added to what `dz` holds where `adds`; it may lie where `da` lies.
static void activate_back(int kind, const REAL *da, const REAL *z, const REAL *a, REAL *dz,
                          int64_t number, double option, int adds) {
#define DO(name) \
    for (int64_t i = 0; i < number; i += LANES) { \
        vec own = flushed(derived(name, load(da + i), load(z + i), load(a + i), option)); \
        store(dz + i, adds ? load(dz + i) + own : own); \
    } \
    break;
    FOR_EACH_ACTIVATION(DO)
#undef DO
}
