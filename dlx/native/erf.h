// Polynomials of erf, highest powers first, by Chebyshev's interpolation with 40 digits.

#define ERF_INNER 13  // erf(x) / x in x^2, for |x| < 1
#define ERF_OUTER 18  // exp(x^2) erfc(x) in 1 / (1 + x / 2), for 1 <= x <= 6

static const double erf_inner[] = {
    0x1.05ffd737fb32ep-34,
    -0x1.389d4f2641625p-30,
    0x1.f7b4bf3b13964p-27,
    -0x1.5f1ecb6f0764cp-23,
    0x1.b9df224ca4b97p-20,
    -0x1.f4d1e3183f7aep-17,
    0x1.f9a321d5b8e1ep-14,
    -0x1.c02db3dac435fp-11,
    0x1.565bcd0dbaa38p-8,
    -0x1.b82ce31284e00p-6,
    0x1.ce2f21a042b30p-4,
    -0x1.812746b0379e6p-2,
    0x1.20dd750429b6dp+0,
};

static const double erf_outer[] = {
    0x1.c49d5026d94f3p-5,
    -0x1.024fbbff55ce4p-1,
    0x1.0f3af1ee4baccp+1,
    -0x1.5909588f550f4p+2,
    0x1.266edb67a0d1ep+3,
    -0x1.60de8b6b57d20p+3,
    0x1.30279afa9a8d5p+3,
    -0x1.849068c695688p+2,
    0x1.89233568f7d26p+1,
    -0x1.44fc3a3205baep+0,
    0x1.4b878a68a8806p-2,
    -0x1.930379c6ae01ep-4,
    0x1.a14e27e559e4dp-4,
    0x1.63983af247430p-3,
    0x1.fa1d13797d477p-3,
    0x1.20d79b0ad49ddp-2,
    0x1.20ddbc2026af3p-2,
    -0x1.95304e61b6c4cp-26,
};
