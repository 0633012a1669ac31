/* dtype.c: names and sizes, and conversions between all dtypes. Every conversion to a float rounds once, to nearest
   even: where two roundings in a row could differ from one, the first is to odd (Boldo and Melquiond 2008). */
#include "core/dtype.h"
#include <math.h>

static const char *const names[REEL_N_DTYPES] = {"?", "f32", "f64", "f16", "bf16", "i8", "u8", "i32", "i64", "bool"};

const char *reel_dtype_name(reel_dtype d)
{
    return reel_is_dtype_(d) ? names[d] : "?";
}

size_t reel_dtype_size(reel_dtype d)
{
    return reel_is_dtype_(d) ? reel_dtype_bytes_[d] : 0;
}

/* ---- halves --------------------------------------------------------------------------------------- */

uint16_t reel_f32_to_f16_(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    const uint32_t sign = (u >> 16) & 0x8000u;
    u &= 0x7fffffffu;
    if (u >= 0x47800000u) { /* 65536 and above, infinite, NaN */
        const uint32_t nan = 0x7e00u | (u >> 13 & 0x3ffu);
        return (uint16_t)(sign | (u > 0x7f800000u ? nan : 0x7c00u));
    }
    if (u < 0x38800000u) { /* below 2^-14: adding 0.5 moves the subnormal's bits into place, and rounds */
        float half;
        memcpy(&half, &u, sizeof half);
        half += 0.5f;
        memcpy(&u, &half, sizeof u);
        return (uint16_t)(sign | (u - 0x3f000000u));
    }
    u += 0xfffu + ((u >> 13) & 1u);
    return (uint16_t)(sign | ((u - 0x38000000u) >> 13));
}

/* x rounded to odd in f32: a rounding to fewer than 23 bits afterwards is as if it came straight from x. */
static float odd_f32(double x)
{
    float f = (float)x;
    uint32_t u;
    if (isfinite(x) && (double)f != x) {
        memcpy(&u, &f, sizeof u);
        const double back = (double)f;
        if (isinf(f) || fabs(back) > fabs(x)) {
            u--; /* towards zero: the next smaller magnitude */
        }
        u |= 1u;
        memcpy(&f, &u, sizeof f);
    }
    return f;
}

uint16_t reel_f64_to_f16_(double x)
{
    return reel_f32_to_f16_(odd_f32(x));
}

uint16_t reel_f64_to_bf16_(double x)
{
    return reel_f32_to_bf16_(odd_f32(x));
}

float reel_f64_to_f32_(double x)
{
    return (float)x;
}

/* An integer as an f64 rounded to odd: its lowest bits are gathered in one. */
static double odd_f64(int64_t i)
{
    const uint64_t sign = i < 0 ? 1 : 0;
    uint64_t m = sign ? 0 - (uint64_t)i : (uint64_t)i;
    if (m >> 53) {
        m = (m & ~UINT64_C(0x7ff)) | ((m & 0x7ffu) ? UINT64_C(0x800) : 0);
    }
    return sign ? -(double)m : (double)m;
}

/* ---- one element ---------------------------------------------------------------------------------- */

/* Each dtype's elements are read as one of three wide types: W_f32 float, W_f64 double, W_int int64_t. */
typedef uint16_t f16;
typedef uint16_t bf16;
typedef uint8_t boolean;
typedef float f32;
typedef double f64;
typedef int8_t i8;
typedef uint8_t u8;
typedef int32_t i32;
typedef int64_t i64;

#define READ_f32(x) (x)
#define READ_f64(x) (x)
#define READ_f16(x) reel_f16_to_f32_(x)
#define READ_bf16(x) reel_bf16_to_f32_(x)
#define READ_i8(x) (x)
#define READ_u8(x) (x)
#define READ_i32(x) (x)
#define READ_i64(x) (x)
#define READ_boolean(x) ((x) != 0)

/* Truncated and held within [lo, hi]; over is the first double above hi, exact. NaN: 0. */
#define SATURATE(T, x, lo, hi, over) ((x) >= (lo) ? ((x) < (over) ? (T)(x) : (T)(hi)) : (x) != (x) ? (T)0 : (T)(lo))

#define FROM_FLOAT(W)                                                               \
    REEL_ALWAYS_INLINE i8 W##_to_i8(W x)                                            \
    {                                                                               \
        return SATURATE(i8, x, INT8_MIN, INT8_MAX, 128);                            \
    }                                                                               \
    REEL_ALWAYS_INLINE u8 W##_to_u8(W x)                                            \
    {                                                                               \
        return SATURATE(u8, x, 0, UINT8_MAX, 256);                                  \
    }                                                                               \
    REEL_ALWAYS_INLINE i32 W##_to_i32(W x)                                          \
    {                                                                               \
        return SATURATE(i32, x, (W)INT32_MIN, INT32_MAX, (W)2147483648.0);          \
    }                                                                               \
    REEL_ALWAYS_INLINE i64 W##_to_i64(W x)                                          \
    {                                                                               \
        return SATURATE(i64, x, (W)INT64_MIN, INT64_MAX, (W)9223372036854775808.0); \
    }                                                                               \
    REEL_ALWAYS_INLINE boolean W##_to_boolean(W x)                                  \
    {                                                                               \
        return (boolean)(x != 0);                                                   \
    }
FROM_FLOAT(f32)
FROM_FLOAT(f64)
REEL_ALWAYS_INLINE f32 f32_to_f32(f32 x)
{
    return x;
}
REEL_ALWAYS_INLINE f64 f32_to_f64(f32 x)
{
    return (f64)x;
}
REEL_ALWAYS_INLINE f16 f32_to_f16(f32 x)
{
    return reel_f32_to_f16_(x);
}
REEL_ALWAYS_INLINE bf16 f32_to_bf16(f32 x)
{
    return reel_f32_to_bf16_(x);
}
REEL_ALWAYS_INLINE f32 f64_to_f32(f64 x)
{
    return (f32)x;
}
REEL_ALWAYS_INLINE f64 f64_to_f64(f64 x)
{
    return x;
}
REEL_ALWAYS_INLINE f16 f64_to_f16(f64 x)
{
    return reel_f64_to_f16_(x);
}
REEL_ALWAYS_INLINE bf16 f64_to_bf16(f64 x)
{
    return reel_f64_to_bf16_(x);
}
REEL_ALWAYS_INLINE f32 i64_to_f32(i64 x)
{
    return (f32)x;
}
REEL_ALWAYS_INLINE f64 i64_to_f64(i64 x)
{
    return (f64)x;
}
REEL_ALWAYS_INLINE f16 i64_to_f16(i64 x)
{
    return reel_f64_to_f16_(odd_f64(x));
}
REEL_ALWAYS_INLINE bf16 i64_to_bf16(i64 x)
{
    return reel_f64_to_bf16_(odd_f64(x));
}
REEL_ALWAYS_INLINE i8 i64_to_i8(i64 x)
{
    return (i8)x;
}
REEL_ALWAYS_INLINE u8 i64_to_u8(i64 x)
{
    return (u8)x;
}
REEL_ALWAYS_INLINE i32 i64_to_i32(i64 x)
{
    return (i32)x;
}
REEL_ALWAYS_INLINE i64 i64_to_i64(i64 x)
{
    return x;
}
REEL_ALWAYS_INLINE boolean i64_to_boolean(i64 x)
{
    return (boolean)(x != 0);
}

/* ---- arrays ---------------------------------------------------------------------------------------- */

/* The dense case has its own loop: the compiler makes vectors of it. */
#define CONVERT(S, W, D)                                                               \
    static void S##_##D(void *dst, int64_t ds, const void *src, int64_t ss, int64_t n) \
    {                                                                                  \
        D *d = dst;                                                                    \
        const S *s = src;                                                              \
        if (ds == 1 && ss == 1) {                                                      \
            for (int64_t i = 0; i < n; i++) {                                          \
                d[i] = W##_to_##D(READ_##S(s[i]));                                     \
            }                                                                          \
        } else {                                                                       \
            for (int64_t i = 0; i < n; i++) {                                          \
                d[i * ds] = W##_to_##D(READ_##S(s[i * ss]));                           \
            }                                                                          \
        }                                                                              \
    }
#define CONVERT_ALL(S, W) \
    CONVERT(S, W, f32)    \
    CONVERT(S, W, f64)    \
    CONVERT(S, W, f16)    \
    CONVERT(S, W, bf16) CONVERT(S, W, i8) CONVERT(S, W, u8) CONVERT(S, W, i32) CONVERT(S, W, i64) CONVERT(S, W, boolean)
CONVERT_ALL(f32, f32)
CONVERT_ALL(f64, f64)
CONVERT_ALL(f16, f32)
CONVERT_ALL(bf16, f32)
CONVERT_ALL(i8, i64)
CONVERT_ALL(u8, i64)
CONVERT_ALL(i32, i64)
CONVERT_ALL(i64, i64)
CONVERT_ALL(boolean, i64)

typedef void convert(void *dst, int64_t ds, const void *src, int64_t ss, int64_t n);
#define ROW(S)                                                                                                        \
    {                                                                                                                 \
        [REEL_F32] = S##_f32, [REEL_F64] = S##_f64, [REEL_F16] = S##_f16, [REEL_BF16] = S##_bf16, [REEL_I8] = S##_i8, \
        [REEL_U8] = S##_u8, [REEL_I32] = S##_i32, [REEL_I64] = S##_i64, [REEL_BOOL] = S##_boolean                     \
    }
static convert *const table[REEL_N_DTYPES][REEL_N_DTYPES] = {
    [REEL_F32] = ROW(f32),   [REEL_F64] = ROW(f64), [REEL_F16] = ROW(f16),
    [REEL_BF16] = ROW(bf16), [REEL_I8] = ROW(i8),   [REEL_U8] = ROW(u8),
    [REEL_I32] = ROW(i32),   [REEL_I64] = ROW(i64), [REEL_BOOL] = ROW(boolean),
};

/* Same dtype: bytes move as they are, NaN payloads included. */
static void copy(char *d, int64_t ds, const char *s, int64_t ss, int64_t n, size_t size)
{
    if (ds == 1 && ss == 1) {
        memmove(d, s, (size_t)n * size);
        return;
    }
    const int64_t step = (int64_t)size;
    switch (size) {
    case 1:
        for (int64_t i = 0; i < n; i++) {
            d[i * ds] = s[i * ss];
        }
        break;
    case 2:
        for (int64_t i = 0; i < n; i++) {
            memcpy(d + i * ds * step, s + i * ss * step, 2);
        }
        break;
    case 4:
        for (int64_t i = 0; i < n; i++) {
            memcpy(d + i * ds * step, s + i * ss * step, 4);
        }
        break;
    default:
        for (int64_t i = 0; i < n; i++) {
            memcpy(d + i * ds * step, s + i * ss * step, 8);
        }
        break;
    }
}

void reel_convert_(void *dst, reel_dtype dd, int64_t dstride, const void *src, reel_dtype sd, int64_t sstride,
                   int64_t n)
{
    if (n <= 0) {
        return;
    }
    if (dd == sd) {
        copy(dst, dstride, src, sstride, n, reel_size_(dd));
    } else {
        table[sd][dd](dst, dstride, src, sstride, n);
    }
}

/* ---- numbers --------------------------------------------------------------------------------------- */

bool reel_store_number_(void *dst, reel_dtype d, double value)
{
    static const double low[REEL_N_DTYPES] = {[REEL_I8] = -128,
                                              [REEL_U8] = 0,
                                              [REEL_I32] = -2147483648.0,
                                              [REEL_I64] = -9223372036854775808.0,
                                              [REEL_BOOL] = 0};
    static const double over[REEL_N_DTYPES] = {[REEL_I8] = 128,
                                               [REEL_U8] = 256,
                                               [REEL_I32] = 2147483648.0,
                                               [REEL_I64] = 9223372036854775808.0,
                                               [REEL_BOOL] = 2};
    if (!reel_is_float_(d) && !(value >= low[d] && value < over[d] && value == trunc(value))) {
        return false;
    }
    reel_convert_(dst, d, 1, &value, REEL_F64, 1, 1);
    return true;
}

double reel_load_number_(const void *src, reel_dtype d)
{
    double value;
    reel_convert_(&value, REEL_F64, 1, src, d, 1, 1);
    return value;
}
