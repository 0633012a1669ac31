/* vmath_arith.h: cbrt, hypot, isclose; remainders and floor_div as NumPy has them, for floats and for integers; integer powers and
   shifts. Integers come as int64 whatever their width, and the caller cuts the result. */
#ifndef REEL_KERNELS_VMATH_ARITH_H
#define REEL_KERNELS_VMATH_ARITH_H
#include "kernels/vmath_base.h"

/* ---- cbrt ----------------------------------------------------------------------------------------------- */
/* |x| = 2^(3q) v with 1 <= v < 8: a polynomial to 2^-16, then Halley's step to 2^-48 */
VM double reel_cbrt_core_(double a, double *v, double *scale)
{
    const double magic = 0x1.8p52;
    const uint64_t one = (uint64_t)0x3ffu << 52, mask = ((uint64_t)1 << 52) - 1, u = reel_bits_f64_(a);
    const double m = reel_from_bits_f64_((u & mask) | one);
    const double e = reel_from_bits_f64_((u >> 52) | ((uint64_t)0x433u << 52)) - (0x1p52 + 1023.0);
    const double z = (e - 1.0) * 0x1.5555555555555p-2 + magic, left = e - 3.0 * (z - magic); /* 0, 1 or 2 */
    *scale = reel_from_bits_f64_((reel_bits_f64_(z) + 1023u) << 52);
    double t = m * -0x1.5b75487f33e63p-7 + 0x1.609f54a17faddp-4;
    t = t * m - 0x1.33d26b3af61f1p-2;
    t = t * m + 0x1.6fb15905546f1p-1;
    t = t * m + 0x1.0392fbfd768a5p-1;
    t *= left == 0.0 ? 1.0 : left == 1.0 ? 0x1.428a2f98d728bp+0 : 0x1.965fea53d6e3dp+0;
    *v = left == 0.0 ? m : left == 1.0 ? 2.0 * m : 4.0 * m;
    const double c = t * t * t;
    return t * ((c + 2.0 * *v) / (2.0 * c + *v));
}
VM float reel_cbrt_f32_(float x)
{
    double v, scale;
    const float a = fabsf(x), y = (float)(reel_cbrt_core_((double)a, &v, &scale) * scale);
    return a > 0.0f && a < INFINITY ? reel_copysign_f32_(y, x) : x;
}
VM double reel_cbrt_f64_(double x)
{
    const double a = fabs(x), tiny = a < 0x1p-1022 ? 1.0 : 0.0;
    double v, scale;
    const double t = reel_cbrt_core_(tiny != 0.0 ? a * 0x1p54 : a, &v, &scale), s = t * t;
    const double miss = F64(-s, t, v) - F64(t, t, -s) * t; /* v - t^3 */
    const double y = (t + miss / (3.0 * s)) * scale * (tiny != 0.0 ? 0x1p-18 : 1.0);
    return ((a > 0.0) & (a < (double)INFINITY)) ? reel_copysign_f64_(y, x) : x;
}

/* ---- hypot ---------------------------------------------------------------------------------------------- */
VM float reel_hypot_f32_(float x, float y)
{
    const double a = (double)x, b = (double)y;
    const float r = (float)sqrt(a * a + b * b);
    return ((fabsf(x) == INFINITY) | (fabsf(y) == INFINITY)) ? INFINITY : r;
}
VM double reel_hypot_f64_(double x, double y)
{
    const double inf = (double)INFINITY, a = fabs(x), b = fabs(y), most = a > b ? a : b, least = a > b ? b : a;
    const double up = most > 0x1p500 ? 0x1p-600 : most < 0x1p-450 ? 0x1p600 : 1.0;
    const double down = most > 0x1p500 ? 0x1p600 : most < 0x1p-450 ? 0x1p-600 : 1.0;
    const double c = most * up, d = least * up, r = sqrt(F64(c, c, d * d)) * down;
    return ((a == inf) | (b == inf)) ? inf : r;
}

/* ---- remainders and floor_div: NumPy's ---------------------------------------------------------------------- */
/* fmod is exact, so libm's gives the same bits everywhere. mod has the divisor's sign; x mod 0 is NaN. */
#define REEL_VM_REMAINDERS(S, T, FMOD, FLOOR, COPYSIGN)                                                         \
    VM T reel_fmod_##S##_(T x, T y)                                                                             \
    {                                                                                                           \
        return FMOD(x, y);                                                                                      \
    }                                                                                                           \
    VM T reel_mod_##S##_(T x, T y)                                                                              \
    {                                                                                                           \
        const T r = FMOD(x, y);                                                                                 \
        if (r == 0) return COPYSIGN(0, y);                                                                      \
        return (r < 0) != (y < 0) ? r + y : r;                                                                  \
    }                                                                                                           \
    VM T reel_floor_div_##S##_(T x, T y)                                                                        \
    {                                                                                                           \
        const T q = x / y;                                                                                      \
        if (y == 0) return q;                                                                                   \
        const T r = FMOD(x, y), d = (x - r) / y - (T)(((r != 0) & ((r < 0) != (y < 0))) ? 1 : 0), f = FLOOR(d); \
        return d == 0 ? COPYSIGN(0, q) : d - f > (T)0.5 ? f + 1 : f;                                            \
    }
REEL_VM_REMAINDERS(f32, float, fmodf, floorf, copysignf)
REEL_VM_REMAINDERS(f64, double, fmod, floor, copysign)
#undef REEL_VM_REMAINDERS

/* ---- integers: nothing traps ----------------------------------------------------------------------------- */
VM int64_t reel_int_fmod_(int64_t x, int64_t y) /* x % 0 is 0 */
{
    return y == 0 || y == -1 ? 0 : x % y;
}
VM int64_t reel_int_mod_(int64_t x, int64_t y)
{
    const int64_t r = reel_int_fmod_(x, y);
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
VM int64_t reel_int_floor_div_(int64_t x, int64_t y) /* x / 0 is 0, INT64_MIN / -1 INT64_MIN */
{
    if (y == 0) return 0;
    if (y == -1) return (int64_t)(0 - (uint64_t)x);
    return x / y - (x % y != 0 && (x < 0) != (y < 0));
}
VM uint64_t reel_int_pow_(int64_t x, int64_t y) /* modulo 2^64; x^-n is 1 / x^n cut: 0 unless |x| is 1 */
{
    if (y < 0) return x == 1 ? 1u : x == -1 ? (y % 2 ? (uint64_t)-1 : 1u) : 0u;
    uint64_t r = 1, b = (uint64_t)x;
    for (uint64_t n = (uint64_t)y; n; n >>= 1) {
        if (n & 1) r *= b;
        b *= b;
    }
    return r;
}
/* Counts below 0 and beyond the width shift everything out: 0, or the sign. */
VM uint64_t reel_int_shl_(int64_t x, int64_t n)
{
    return (uint64_t)n < 64 ? (uint64_t)x << n : 0;
}
VM int64_t reel_int_shr_(int64_t x, int64_t n)
{
    const int by = (uint64_t)n < 64 ? (int)n : 63;
    return x < 0 ? ~(~x >> by) : x >> by;
}
#endif
