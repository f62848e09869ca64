// Vectors of sixteen numbers, which every kernel computes with, and what C lacks for them.
//
// A processor has shorter vectors than these, or equal ones: the compiler splits them, and the bits
// are the same, since lanes never meet but in `sum_of_lanes`, which adds them in one fixed order.

#ifndef DLX_VECTOR_H
#define DLX_VECTOR_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define LANES 16
#define INLINE static inline __attribute__((always_inline))

// A vector may lie anywhere in memory.
#define VECTOR_OF(type) type __attribute__((vector_size(LANES * sizeof(type)), aligned(sizeof(type))))
typedef VECTOR_OF(float) float_vec;
typedef VECTOR_OF(double) double_vec;
typedef VECTOR_OF(int32_t) int32_vec;
typedef VECTOR_OF(int64_t) int64_vec;

#include "fused.h"
#define root(x) __builtin_elementwise_sqrt(x)

// The lanes of `a` where a comparison holds, those of `b` elsewhere.
#define SELECT(vec, bits, holds, a, b) \
    ((vec)(((bits)(a) & (holds)) | ((bits)(b) & ~(holds))))
#define select_double(holds, a, b) SELECT(double_vec, int64_vec, (holds), (a), (b))

#define LANE_NUMBERS {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// How many numbers rows of `width` take, when each begins with a whole vector.
#define PADDED(width) (((width) + LANES - 1) / LANES * LANES)

#endif
