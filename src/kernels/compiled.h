/* compiled.h: what the C of a compiled plan begins with. tools/gen_compiled.py puts all that it includes in place and the library
   carries the text, so that compiling needs no installed source. See docs/compiled.md. */
#ifndef REEL_KERNELS_COMPILED_H
#define REEL_KERNELS_COMPILED_H
#include "kernels/half.h"
#include "kernels/vmath.h"

/* The library's own loops, for ops that are not printed: reel_group_call of core/device.h. */
typedef struct reel_loop_of_part {
    void (*fn)(void *const *ptr, const uint8_t *step, int64_t n, const void *extra);
    const void *extra;
} reel_loop_of_part;
enum { REEL_TILE = 512 }; /* elements of what one loop of a group leaves for the next */

/* Floats to integers, as reel_cast has it: truncated and held within the dtype; NaN is 0. */
#define REEL_SATURATE(name, W, S, lo, hi, over)                                     \
    REEL_ALWAYS_INLINE S name(W x)                                                  \
    {                                                                               \
        return x >= (lo) ? (x < (over) ? (S)x : (S)(hi)) : x != x ? (S)0 : (S)(lo); \
    }
REEL_SATURATE(reel_f32_to_i8_, float, int8_t, INT8_MIN, INT8_MAX, 128)
REEL_SATURATE(reel_f32_to_u8_, float, uint8_t, 0, UINT8_MAX, 256)
REEL_SATURATE(reel_f32_to_i32_, float, int32_t, (float)INT32_MIN, INT32_MAX, 2147483648.0f)
REEL_SATURATE(reel_f32_to_i64_, float, int64_t, (float)INT64_MIN, INT64_MAX, 9223372036854775808.0f)
REEL_SATURATE(reel_f64_to_i8_, double, int8_t, INT8_MIN, INT8_MAX, 128)
REEL_SATURATE(reel_f64_to_u8_, double, uint8_t, 0, UINT8_MAX, 256)
REEL_SATURATE(reel_f64_to_i32_, double, int32_t, INT32_MIN, INT32_MAX, 2147483648.0)
REEL_SATURATE(reel_f64_to_i64_, double, int64_t, (double)INT64_MIN, INT64_MAX, 9223372036854775808.0)
#endif
