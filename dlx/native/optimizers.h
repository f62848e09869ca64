// One step of each optimizer over a stretch of a run's row; the rules are those of torch.optim.

// beta^n by squaring, in one fixed order.
static double power(double beta, int64_t n) {
    double result = 1;
    for (; n; n >>= 1, beta *= beta)
        if (n & 1) result *= beta;
    return result;
}

// exp of one number.
static double exponential(double x) { return exp_double(x - (double_vec){})[0]; }

// What of a step is the same for all numbers of a run.
typedef struct {
    REAL rate, first, second, third, fourth;  // as each rule uses them
    REAL epsilon, scale;
    REAL decay_rate;  // the rate before any correction
    int is_rectified;
} step_constants;

static step_constants constants_of(run *r, double rate, double momentum) {
    const double *s = r->settings;
    step_constants c = {.rate = (REAL)rate, .decay_rate = (REAL)rate};
    r->count += 1;
    const int64_t t = (int64_t)r->count;
    const double beta1 = momentum, beta2 = s[1];
    switch (r->optimizer) {
        case SGD: c.first = (REAL)momentum; c.second = (REAL)(1 - s[1]); break;
        case ADAGRAD: c.rate = (REAL)(rate / (1 + (double)(t - 1) * s[0])); c.epsilon = (REAL)s[2]; break;
        case RMSPROP:
            c.first = (REAL)momentum; c.second = (REAL)s[1]; c.third = (REAL)(1 - s[1]);
            c.epsilon = (REAL)s[2];
            break;
        case ADADELTA: c.second = (REAL)s[1]; c.third = (REAL)(1 - s[1]); c.epsilon = (REAL)s[2]; break;
        case ADAM: case RADAM: case ADAMAX: case NADAM: {
            c.first = (REAL)(1 - beta1); c.second = (REAL)beta2; c.third = (REAL)(1 - beta2);
            c.epsilon = (REAL)s[2];
            const double correction1 = 1 - power(beta1, t), correction2 = 1 - power(beta2, t);
            if (r->optimizer == ADAM) {
                c.rate = (REAL)(rate / correction1);
                c.fourth = (REAL)(1 / __builtin_sqrt(correction2));
            } else if (r->optimizer == ADAMAX) {
                c.rate = (REAL)(rate / correction1);
            } else if (r->optimizer == RADAM) {
                const double longest = 2 / (1 - beta2) - 1;
                const double length = longest - 2 * (double)t * power(beta2, t) / correction2;
                c.rate = (REAL)(rate / correction1);
                c.is_rectified = length > 5;
                if (c.is_rectified)
                    c.fourth = (REAL)(__builtin_sqrt((length - 4) * (length - 2) * longest
                                                     / ((longest - 4) * (longest - 2) * length))
                                      * __builtin_sqrt(correction2));
            } else {
                const double log_base = -0x1.4e69ed6d80eb3p-5 * s[3];  // log(0.96) of each step
                const double mu = beta1 * (1 - 0.5 * exponential((double)t * log_base));
                const double next = beta1 * (1 - 0.5 * exponential((double)(t + 1) * log_base));
                r->product = (double)((float)r->product * (float)mu);  // single precision, as torch's
                c.rate = (REAL)(rate * (1 - mu) / (1 - r->product));
                c.fourth = (REAL)(rate * next / (1 - r->product * next));
                c.scale = (REAL)(1 / correction2);
            }
            break;
        }
        case LION:
            c.first = (REAL)momentum; c.third = (REAL)(1 - momentum); c.second = (REAL)s[1];
            c.fourth = (REAL)(1 - s[1]);
            break;
    }
    return c;
}

// The new values of the vector of numbers `i` of a run's row; a rule without some state has no such row.
INLINE vec rule(const int optimizer, const run *r, const step_constants *c, vec w, vec g, REAL *s0,
                REAL *s1, REAL *s2, int64_t i) {
    vec m, v, step;
    switch (optimizer) {
        case SGD:
            if (!r->has_velocity) return w - c->rate * g;
            m = r->is_first ? g : load(s0 + i) * c->first + g * c->second;
            store(s0 + i, flushed(m));
            return w - c->rate * (r->nesterov ? g + m * c->first : m);
        case ADAGRAD:
            v = flushed(fused(g, g, load(s0 + i)));
            store(s0 + i, v);
            return w - c->rate * (g / (root(v) + c->epsilon));
        case RMSPROP:
            v = flushed(load(s0 + i) * c->second + g * g * c->third);
            store(s0 + i, v);
            if (r->has_means) {
                m = load(s1 + i);
                m = flushed(m + (g - m) * c->third);
                store(s1 + i, m);
                v = v - m * m;
            }
            step = g / (root(v) + c->epsilon);
            if (r->has_velocity) {
                step = flushed(load(s2 + i) * c->first + step);
                store(s2 + i, step);
            }
            return w - c->rate * step;
        case ADADELTA:
            v = flushed(load(s0 + i) * c->second + g * g * c->third);
            m = load(s1 + i);
            step = root(m + c->epsilon) / root(v + c->epsilon) * g;
            store(s0 + i, v);
            store(s1 + i, flushed(m * c->second + step * step * c->third));
            return w - c->rate * step;
        case ADAMAX:
            m = load(s0 + i);
            m = flushed(m + (g - m) * c->first);
            v = load(s1 + i) * c->second;
            step = size_of(g) + c->epsilon;
            v = select_vec(v > step, v, step);
            store(s0 + i, m);
            store(s1 + i, v);
            return w - c->rate * (m / v);
        case LION:
            m = load(s0 + i);
            step = sign_of(m * c->first + g * c->third);
            store(s0 + i, flushed(m * c->second + g * c->fourth));
            return w - c->rate * step;
        default:
            m = load(s0 + i);
            m = flushed(m + (g - m) * c->first);
            v = flushed(load(s1 + i) * c->second + g * g * c->third);
            store(s0 + i, m);
            store(s1 + i, v);
            if (optimizer == ADAM) return w - c->rate * (m / fused(root(v), splat(c->fourth), splat(c->epsilon)));
            if (optimizer == RADAM)
                return c->is_rectified ? w - c->rate * (m / (root(v) + c->epsilon) * c->fourth) : w - c->rate * m;
            step = root(v * c->scale) + c->epsilon;
            return w - c->rate * (g / step) - c->fourth * (m / step);
    }
}

// Update the numbers `first` to `last` (multiples of LANES) of a run's row.
static void update(const run *r, const step_constants *c, int64_t first, int64_t last, double decay) {
    REAL *values = r->values, *gradients = r->gradients;
    REAL *s0 = r->state[0], *s1 = r->state[1], *s2 = r->state[2];
    const REAL kept = r->decoupled ? (REAL)1 - c->decay_rate * (REAL)decay : 1;
    const REAL added = r->decoupled ? 0 : (REAL)decay;
#define DO(name) \
    for (int64_t i = first; i < last; i += LANES) { \
        vec w = load(values + i), g = load(gradients + i); \
        if (added != 0) g = fused(w, splat(added), g); \
        if (kept != 1) w = w * kept; \
        store(values + i, rule(name, r, c, w, g, s0, s1, s2, i)); \
    } \
    break;
    switch (r->optimizer) {
        case SGD: DO(SGD) case ADAGRAD: DO(ADAGRAD) case RMSPROP: DO(RMSPROP)
        case ADADELTA: DO(ADADELTA) case NADAM: DO(NADAM) case RADAM: DO(RADAM)
        case ADAMAX: DO(ADAMAX) case LION: DO(LION) default: DO(ADAM)
    }
#undef DO
}
