// The library in single precision.

#include "vector.h"

#define REAL float
#define INTEGER int32_t
#define SIGN_BIT INT32_MIN
#define SMALLEST_NORMAL 0x1p-126
#define EPSILON 0x1p-23
#define LARGE 0x1p120
#define vec float_vec
#define int_vec int32_vec
#define exp_vec exp_float
#define expm1_vec expm1_float
#define log_vec log_float
#define log1p_vec log1p_float
#define tanh_vec tanh_float
#define erf_vec erf_float
#define EXPORTED(name) name##_float

#include "precision.h"
