/* level_pool.c: the loops of pooling, compiled once for each ISA level. */
#include "pooling.h"
#include <math.h>
#include <string.h>

#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)

#define ABOVE(v, m) (((v) > (m)) | ((v) != (v)))
#define FIRST(v, m) (((v) > (m)) | (((v) != (v)) & ((m) == (m))))
#define LOWEST ((T)-INFINITY)
#define T float
#define NAME(x) CAT(x, _f32)
#include "pool_max.h"
#include "pool_avg.h"
#undef T
#undef NAME
#define T double
#define NAME(x) CAT(x, _f64)
#include "pool_max.h"
#include "pool_avg.h"
#undef T
#undef NAME
#undef ABOVE
#undef FIRST
#undef LOWEST

#define ABOVE(v, m) ((v) > (m))
#define FIRST(v, m) ((v) > (m))
#define T int8_t
#define LOWEST INT8_MIN
#define NAME(x) CAT(x, _i8)
#include "pool_max.h"
#undef T
#undef LOWEST
#undef NAME
#define T uint8_t
#define LOWEST 0
#define NAME(x) CAT(x, _u8)
#include "pool_max.h"
#undef T
#undef LOWEST
#undef NAME
#define T int32_t
#define LOWEST INT32_MIN
#define NAME(x) CAT(x, _i32)
#include "pool_max.h"
#undef T
#undef LOWEST
#undef NAME
#define T int64_t
#define LOWEST INT64_MIN
#define NAME(x) CAT(x, _i64)
#include "pool_max.h"

#define NUMBERS(f)                                                                                                \
    {                                                                                                             \
        [REEL_F32] = f##_f32, [REEL_F64] = f##_f64, [REEL_I8] = f##_i8, [REEL_U8] = f##_u8, [REEL_I32] = f##_i32, \
        [REEL_I64] = f##_i64                                                                                      \
    }
#define FLOATS(f)                                  \
    {                                              \
        [REEL_F32] = f##_f32, [REEL_F64] = f##_f64 \
    }
extern const reel_pool_table REEL_LEVELED(reel_pool_levels);
const reel_pool_table REEL_LEVELED(reel_pool_levels) = {.max = NUMBERS(max),
                                                        .indices = NUMBERS(indices),
                                                        .max_grad = FLOATS(max_grad),
                                                        .avg = FLOATS(avg),
                                                        .avg_grad = FLOATS(avg_grad)};
