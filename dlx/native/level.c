// What this processor can do: asked of the library of the lowest level, which runs everywhere.

#include <stdint.h>

#if defined(__x86_64__)
static void cpuid(uint32_t leaf, uint32_t r[4]) {
    __asm__("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(0));
}

static int64_t level(void) {
    // Bits as the x86-64 psABI lists them for its levels.
    const uint32_t ecx1 = 1u << 12 | 1u << 22 | 1u << 27 | 1u << 28 | 1u << 29;  // FMA MOVBE OSXSAVE AVX F16C
    const uint32_t ebx7 = 1u << 3 | 1u << 5 | 1u << 8;                           // BMI1 AVX2 BMI2
    const uint32_t avx512 = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;  // F DQ CD BW VL
    uint32_t r[4], state, high;
    cpuid(0, r);
    if (r[0] < 7) return 2;
    cpuid(1, r);
    if ((r[2] & ecx1) != ecx1) return 2;
    __asm__("xgetbv" : "=a"(state), "=d"(high) : "c"(0));  // what the system saves of registers
    cpuid(7, r);
    if ((state & 0x6) != 0x6 || (r[1] & ebx7) != ebx7) return 2;
    return (state & 0xe6) == 0xe6 && (r[1] & avx512) == avx512 ? 4 : 3;
}
#else
static int64_t level(void) { return 1; }
#endif

#if defined(_WIN32)
__declspec(dllexport)
#else
__attribute__((visibility("default")))
#endif
int64_t dlx_level(void) { return level(); }
