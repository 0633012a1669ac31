/* dtype.h: the dtype table and exact conversions. */
#ifndef REEL_CORE_DTYPE_H
#define REEL_CORE_DTYPE_H
#include <stdint.h>
#include <string.h>
#include "compiler.h"
#include "reel/base.h"

#define REEL_BIT(d) (1u << (unsigned)(d))
enum {
    REEL_FLOATS = REEL_BIT(REEL_F32) | REEL_BIT(REEL_F64) | REEL_BIT(REEL_F16) | REEL_BIT(REEL_BF16),
    REEL_REALS = REEL_BIT(REEL_F32) | REEL_BIT(REEL_F64), /* computed in their own precision */
    REEL_INTS = REEL_BIT(REEL_I8) | REEL_BIT(REEL_U8) | REEL_BIT(REEL_I32) | REEL_BIT(REEL_I64),
    REEL_NUMBERS = REEL_FLOATS | REEL_INTS,
    REEL_BOOLS = REEL_BIT(REEL_BOOL),
    REEL_ALL_DTYPES = REEL_NUMBERS | REEL_BOOLS
};
static const uint8_t reel_dtype_bytes_[REEL_N_DTYPES] = {0, 4, 8, 2, 2, 1, 1, 4, 8, 1};

static inline bool reel_is_dtype_(reel_dtype d)
{
    return (int)d > 0 && (int)d < REEL_N_DTYPES;
}
static inline bool reel_is_float_(reel_dtype d)
{
    return (REEL_FLOATS >> (unsigned)d) & 1u;
}
static inline bool reel_is_int_(reel_dtype d)
{
    return (REEL_INTS >> (unsigned)d) & 1u;
}
static inline size_t reel_size_(reel_dtype d)
{
    return reel_dtype_bytes_[d];
}

/* f16 and bf16 <-> f32: round to nearest even, subnormals kept, NaN stays a (quiet) NaN. Inline: kernels use them. */
static inline float reel_bf16_to_f32_(uint16_t h)
{
    const uint32_t u = (uint32_t)h << 16;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}
static inline uint16_t reel_f32_to_bf16_(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    const uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    const uint32_t quiet = (u >> 16) | 0x40u;
    return (uint16_t)((u & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}
static inline float reel_f16_to_f32_(uint16_t h)
{
    /* exponent rebias by a multiplication with 2^112: exact, subnormals included */
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, body = (uint32_t)(h & 0x7fffu) << 13;
    float magic, f;
    const uint32_t magic_bits = 0x77800000u; /* 2^112 */
    uint32_t u;
    memcpy(&magic, &magic_bits, sizeof magic);
    memcpy(&f, &body, sizeof f);
    f *= magic;
    memcpy(&u, &f, sizeof u);
    u = (h & 0x7c00u) == 0x7c00u ? (0x7f800000u | body) : u;
    u |= sign;
    memcpy(&f, &u, sizeof f);
    return f;
}
uint16_t reel_f32_to_f16_(float f);
uint16_t reel_f64_to_f16_(double f); /* one rounding, not two */
uint16_t reel_f64_to_bf16_(double f);
float reel_f64_to_f32_(double f);

/* n elements, strides in elements. Rules of reel_cast: to bool x != 0; float to integer truncates and
   saturates, NaN to 0; integer to integer wraps; to float rounds once. */
void reel_convert_(void *dst, reel_dtype dd, int64_t dstride, const void *src, reel_dtype sd, int64_t sstride,
                   int64_t n);
/* value as dtype d at dst. false: an integer or bool dtype cannot hold it exactly (dst untouched). */
bool reel_store_number_(void *dst, reel_dtype d, double value);
double reel_load_number_(const void *src, reel_dtype d);
#endif
