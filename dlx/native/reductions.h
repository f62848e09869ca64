// Sums along a vector, in one fixed order: lane i with i + 8, then + 4, + 2, + 1.

#define SUM_OF_LANES(name, number, vector) \
    INLINE number name(vector x) { \
        number s[LANES]; \
        memcpy(s, &x, sizeof s); \
        for (int d = LANES / 2; d; d /= 2) \
            for (int i = 0; i < d; i++) s[i] += s[i + d]; \
        return s[0]; \
    }
SUM_OF_LANES(sum_of_lanes, REAL, vec)
SUM_OF_LANES(sum_of_doubles, double, double_vec)
#undef SUM_OF_LANES

// The first `number` lanes of a vector, and 0 in the others.
INLINE vec first_lanes(vec x, int64_t number) {
    static const INTEGER numbers[LANES] = LANE_NUMBERS;
    int_vec lanes;
    memcpy(&lanes, numbers, sizeof lanes);
    return (vec)((int_vec)x & (lanes < (INTEGER)number));
}

static REAL sum_of_squares(const REAL *x, int64_t number) {  // a multiple of LANES
    vec sum = {};
    for (int64_t i = 0; i < number; i += LANES) {
        vec own = load(x + i);
        sum = fused(own, own, sum);
    }
    return sum_of_lanes(sum);
}
