// The library in double precision.

#include "vector.h"

#define REAL double
#define INTEGER int64_t
#define SIGN_BIT INT64_MIN
#define SMALLEST_NORMAL 0x1p-1022
#define EPSILON 0x1p-52
#define LARGE 0x1p1000
#define vec double_vec
#define int_vec int64_vec
#define exp_vec exp_double
#define expm1_vec expm1_double
#define log_vec log_double
#define log1p_vec log1p_double
#define tanh_vec tanh_double
#define erf_vec erf_double
#define EXPORTED(name) name##_double

#include "precision.h"
#include "philox.h"
#include "reflections.h"
