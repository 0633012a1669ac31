/* vmath.h: exp, log, log1p, tanh, sigmoid, softplus, pow for float and double as plain inline C that gcc and clang
   vectorise: no branches, no tables, every fused multiply-add written out. The bits are the same for every compiler, ISA
   level, vector body and scalar tail.

   Largest error seen against long double libm (tests/test_vmath.c), in ulp: exp 1.0, log 0.8, log1p 1.4, tanh 2.2,
   sigmoid 2.1, softplus 1.6, pow 0.5 for float; exp 1.0, log 0.8, log1p 1.2, tanh 2.5, sigmoid 2.3, softplus 1.6, pow 1.0
   for double. NaN, infinities, signed zeros and subnormals are as in C's Annex F. */
#ifndef REEL_KERNELS_VMATH_H
#define REEL_KERNELS_VMATH_H
#include <math.h>
#include <stdint.h>
#include <string.h>
#include "core/compiler.h"

#define VM REEL_ALWAYS_INLINE

VM uint32_t reel_bits_f32_(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}
VM float reel_from_bits_f32_(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}
VM uint64_t reel_bits_f64_(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}
VM double reel_from_bits_f64_(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

VM double reel_fma_f64_(double a, double b, double c)
{
    return fma(a, b, c);
}
#if defined __SSE2__ && !defined __FMA__
/* fmaf by way of double: the product is exact there; the sum is rounded to odd, so that the rounding to float is the only
   one that counts (Boldo & Melquiond 2008). Vectorises, which a call of libm's would not. */
VM float reel_fma_f32_(float a, float b, float c)
{
    const double p = (double)a * (double)b, z = (double)c;
    const double s = p + z, back = s - p;
    const double err = (p - (s - back)) + (z - back);
    const uint64_t u = reel_bits_f64_(s), v = reel_bits_f64_(err), w = v << 1;
    const uint64_t inexact = (w | (0 - w)) >> 63, down = (u ^ v) >> 63; /* down: err points towards zero */
    const uint64_t step = ~u & inexact;                                 /* only an even s moves */
    const double odd = reel_from_bits_f64_(u + (step ^ (0 - down)) + down);
    return (float)(err == err ? odd : s); /* infinite or NaN */
}
#else
VM float reel_fma_f32_(float a, float b, float c)
{
    return fmaf(a, b, c);
}
#endif
VM float reel_fabs_f32_(float x)
{
    return fabsf(x);
}
VM double reel_fabs_f64_(double x)
{
    return fabs(x);
}
VM float reel_sqrt_f32_(float x)
{
    return sqrtf(x);
}
VM double reel_sqrt_f64_(double x)
{
    return sqrt(x);
}
VM float reel_copysign_f32_(float x, float s)
{
    return reel_from_bits_f32_((reel_bits_f32_(x) & 0x7fffffffu) | (reel_bits_f32_(s) & 0x80000000u));
}
VM double reel_copysign_f64_(double x, double s)
{
    const uint64_t sign = (uint64_t)1 << 63;
    return reel_from_bits_f64_((reel_bits_f64_(x) & ~sign) | (reel_bits_f64_(s) & sign));
}

/* ---- float ---------------------------------------------------------------------------------------- */
#define F32 reel_fma_f32_
/* x = n ln 2 + r with |r| <= ln 2 / 2. The addition of 1.5 2^23 rounds to an integer, whose low bits are n. */
VM uint32_t reel_exp_reduce_f32_(float x, float *r)
{
    const float magic = 0x1.8p23f;
    const float z = F32(x, 0x1.715476p+0f, magic), n = z - magic;
    *r = F32(n, -0x1.7f7d1cp-20f, F32(n, -0x1.62e4p-1f, x));
    return reel_bits_f32_(z) - 0x4b400000u;
}
/* e^r - 1 */
VM float reel_expm1_core_f32_(float r)
{
    float p = F32(r, 0x1.a1256cp-13f, 0x1.6d43bp-10f);
    p = F32(p, r, 0x1.1110ep-7f);
    p = F32(p, r, 0x1.5554e8p-5f);
    p = F32(p, r, 0x1.555556p-3f);
    p = F32(p, r, 0.5f);
    return F32(r * r, p, r);
}
VM float reel_exp_f32_(float x)
{
    float r, c = x > 89.0f ? 89.0f : x;
    c = c < -104.0f ? -104.0f : c;
    const uint32_t n = reel_exp_reduce_f32_(c, &r);
    const uint32_t half = ((n + 512u) >> 1) - 256u; /* 2^n in two factors: the second rounds once into the subnormals */
    const float s = reel_from_bits_f32_((half + 127u) << 23), t = reel_from_bits_f32_((n - half + 127u) << 23);
    return (reel_expm1_core_f32_(r) + 1.0f) * s * t;
}
/* e ln 2 + ln(1 + f), sqrt(1/2) <= 1 + f <= sqrt(2) */
VM float reel_log_core_f32_(float f, float e)
{
    float p = F32(f, 0x1.1d8e5ep-4f, -0x1.d6393ep-4f);
    p = F32(p, f, 0x1.dea43p-4f);
    p = F32(p, f, -0x1.fcf46ep-4f);
    p = F32(p, f, 0x1.23d202p-3f);
    p = F32(p, f, -0x1.555b4ap-3f);
    p = F32(p, f, 0x1.999d5ap-3f);
    p = F32(p, f, -0x1.fffffcp-3f);
    p = F32(p, f, 0x1.555554p-2f);
    const float t = f * f;
    float y = t * f * p;
    y = F32(e, 0x1.7f7d1cp-20f, y);
    y = F32(-0.5f, t, y);
    return F32(e, 0x1.62e4p-1f, f + y);
}
VM float reel_log_f32_(float x)
{
    const float tiny = 0x1p-126f;
    const float xs = x < tiny ? x * 0x1p23f : x;
    const uint32_t u = reel_bits_f32_(xs) + (0x3f800000u - 0x3f3504f3u);
    const float e = (float)(int32_t)(u >> 23) - (x < tiny ? 150.0f : 127.0f);
    const float m = reel_from_bits_f32_((u & 0x7fffffu) + 0x3f3504f3u);
    float y = reel_log_core_f32_(m - 1.0f, e);
    y = x < INFINITY ? y : x; /* +inf and NaN */
    y = x < 0.0f ? NAN : y;
    return x == 0.0f ? -INFINITY : y;
}
VM float reel_log1p_f32_(float x)
{
    /* 2^-e (1 + x) - 1 = 2^-e x + (2^-e - 1) in one rounding; beyond 2^60 the 1 is lost anyway and x is scaled */
    const float huge = 0x1p60f;
    const float xs = x > huge ? x * 0x1p-64f : x, w = x > huge ? xs : 1.0f + xs;
    const uint32_t u = reel_bits_f32_(w) + (0x3f800000u - 0x3f3504f3u), k = u >> 23;
    const float t = reel_from_bits_f32_((254u - k) << 23);
    const float f = F32(xs, t, (x > huge ? 0.0f : t) - 1.0f);
    float y = reel_log_core_f32_(f, (float)(int32_t)k - (x > huge ? 63.0f : 127.0f));
    y = x < INFINITY ? y : x;
    y = x < -1.0f ? NAN : y;
    y = x == -1.0f ? -INFINITY : y;
    return x == 0.0f ? x : y;
}
VM float reel_tanh_f32_(float x)
{
    /* with t = e^2|x| - 1: t / (t + 2) */
    const float a = fabsf(x), c = a > 10.0f ? 10.0f : a;
    float r;
    const uint32_t n = reel_exp_reduce_f32_(2.0f * c, &r);
    const float s = reel_from_bits_f32_((n + 127u) << 23);
    const float t = F32(s, reel_expm1_core_f32_(r), s - 1.0f);
    return reel_copysign_f32_(t / (t + 2.0f), x);
}
VM float reel_sigmoid_f32_(float x)
{
    const float e = reel_exp_f32_(-fabsf(x));
    return (x >= 0.0f ? 1.0f : e) / (1.0f + e);
}
VM float reel_softplus_f32_(float x)
{
    /* max(x, 0) + ln(1 + e^-|x|) */
    const float u = reel_exp_f32_(-fabsf(x));
    const float root = 0x1.a8279ap-2f; /* sqrt(2) - 1 */
    const float l = reel_log_core_f32_(u > root ? F32(u, 0.5f, -0.5f) : u, u > root ? 1.0f : 0.0f);
    return (x > 0.0f ? x : 0.0f) + l;
}

/* ---- double --------------------------------------------------------------------------------------- */
#define F64 reel_fma_f64_
#define LN2_HI 0x1.62e42ffp-1 /* 33 bits: times an exponent it is exact */
#define LN2_LO -0x1.718432a1b0e26p-35
VM uint64_t reel_exp_reduce_f64_(double x, double low, double *r)
{
    const double magic = 0x1.8p52;
    const double z = F64(x, 0x1.71547652b82fep+0, magic), n = z - magic;
    *r = F64(n, -LN2_HI, x) + F64(n, -(LN2_LO), low);
    return reel_bits_f64_(z) - ((uint64_t)0x43380000u << 32);
}
VM double reel_expm1_core_f64_(double r)
{
    double p = F64(r, 0x1.61bff1c64f494p-33, 0x1.1f7f6aa421dd8p-29);
    p = F64(p, r, 0x1.ae642c5c1fa33p-26);
    p = F64(p, r, 0x1.27e4d3f50d87fp-22);
    p = F64(p, r, 0x1.71de3a5aaefb9p-19);
    p = F64(p, r, 0x1.a01a01a9f72adp-16);
    p = F64(p, r, 0x1.a01a01a01969bp-13);
    p = F64(p, r, 0x1.6c16c16c15a48p-10);
    p = F64(p, r, 0x1.1111111111111p-7);
    p = F64(p, r, 0x1.5555555555557p-5);
    p = F64(p, r, 0x1.5555555555555p-3);
    p = F64(p, r, 0.5);
    return F64(r * r, p, r);
}
/* e^(x + low), low tiny */
VM double reel_exp_sum_f64_(double x, double low)
{
    double r, c = x > 710.0 ? 710.0 : x;
    c = c < -746.0 ? -746.0 : c;
    const uint64_t n = reel_exp_reduce_f64_(c, low, &r);
    const uint64_t half = ((n + 4096u) >> 1) - 2048u;
    const double s = reel_from_bits_f64_((half + 1023u) << 52), t = reel_from_bits_f64_((n - half + 1023u) << 52);
    return (reel_expm1_core_f64_(r) + 1.0) * s * t;
}
VM double reel_exp_f64_(double x)
{
    return reel_exp_sum_f64_(x, 0.0);
}
/* e ln 2 + ln(1 + f) by s = f / (2 + f): ln(1 + f) = f - (f^2/2 - s (f^2/2 + R(s^2))), as in FreeBSD's e_log.c */
VM double reel_log_core_f64_(double f, double e)
{
    const double s = f / (2.0 + f), z = s * s, h = 0.5 * f * f;
    double p = F64(z, 0x1.0c05166ec83b9p-3, 0x1.0fbe71ad84e74p-3);
    p = F64(p, z, 0x1.3b1c36b445d3ep-3);
    p = F64(p, z, 0x1.745cf8fe328f7p-3);
    p = F64(p, z, 0x1.c71c720168526p-3);
    p = F64(p, z, 0x1.2492492476c42p-2);
    p = F64(p, z, 0x1.9999999999a38p-2);
    p = F64(p, z, 0x1.5555555555555p-1);
    const double y = F64(e, LN2_LO, s * (h + z * p));
    return F64(e, LN2_HI, f - (h - y));
}
/* x > 0 finite: the exponent as a double (biased by 1023), and 1 + f in [sqrt(1/2), sqrt(2)) */
VM double reel_log_split_f64_(double x, double *f)
{
    const uint64_t root = ((uint64_t)0x3fe6a09eu << 32) | 0x667f3bcdu, one = (uint64_t)0x3ffu << 52;
    const uint64_t u = reel_bits_f64_(x) + (one - root);
    *f = reel_from_bits_f64_((u & (((uint64_t)1 << 52) - 1)) + root) - 1.0;
    return reel_from_bits_f64_((u >> 52) | ((uint64_t)0x433u << 52)) - 0x1p52; /* AVX2 has no int64 to double */
}
VM double reel_log_f64_(double x)
{
    const double tiny = 0x1p-1022;
    double f;
    const double e = reel_log_split_f64_(x < tiny ? x * 0x1p54 : x, &f) - (x < tiny ? 1077.0 : 1023.0);
    double y = reel_log_core_f64_(f, e);
    y = x < (double)INFINITY ? y : x;
    y = x < 0.0 ? (double)NAN : y;
    return x == 0.0 ? -(double)INFINITY : y;
}
VM double reel_log1p_f64_(double x)
{
    const double huge = 0x1p500;
    const double xs = x > huge ? x * 0x1p-512 : x;
    double unused;
    const double k = reel_log_split_f64_(x > huge ? xs : 1.0 + xs, &unused);
    const double t = reel_from_bits_f64_((2046u - (reel_bits_f64_(k + 0x1p52) & 0x7ffu)) << 52);
    const double f = F64(xs, t, (x > huge ? 0.0 : t) - 1.0);
    double y = reel_log_core_f64_(f, k - (x > huge ? 511.0 : 1023.0));
    y = x < (double)INFINITY ? y : x;
    y = x < -1.0 ? (double)NAN : y;
    y = x == -1.0 ? -(double)INFINITY : y;
    return x == 0.0 ? x : y;
}
VM double reel_tanh_f64_(double x)
{
    const double a = fabs(x), c = a > 20.0 ? 20.0 : a;
    double r;
    const uint64_t n = reel_exp_reduce_f64_(2.0 * c, 0.0, &r);
    const double s = reel_from_bits_f64_((n + 1023u) << 52);
    const double t = F64(s, reel_expm1_core_f64_(r), s - 1.0);
    return reel_copysign_f64_(t / (t + 2.0), x);
}
VM double reel_sigmoid_f64_(double x)
{
    const double e = reel_exp_f64_(-fabs(x));
    return (x >= 0.0 ? 1.0 : e) / (1.0 + e);
}
VM double reel_softplus_f64_(double x)
{
    const double u = reel_exp_f64_(-fabs(x));
    const double root = 0x1.a827999fcef32p-2;
    const double l = reel_log_core_f64_(u > root ? F64(u, 0.5, -0.5) : u, u > root ? 1.0 : 0.0);
    return (x > 0.0 ? x : 0.0) + l;
}

/* ---- pow ------------------------------------------------------------------------------------------ */
/* From |x|^y: sign and the cases that are not exp(y log x), by C's F.10.4.4. Floats are integers and odd exactly when
   their doubles are, so both types use it. */
VM double reel_pow_special_f64_(double x, double y, double magnitude)
{
    const double ay = fabs(y), t = ay + 0x1p52;
    const double whole = ay >= 0x1p52 ? ay : t - 0x1p52;                 /* y is an integer if this is |y| */
    const uint64_t parity = reel_bits_f64_(ay >= 0x1p52 ? ay : t) << 63; /* valid for integers below 2^53 */
    const uint64_t sign = reel_bits_f64_(x) & parity;
    double r = fabs(x) == 1.0 ? (y == y ? 1.0 : y) : magnitude;
    r = x != x ? x : r;
    const double below = x < 0.0 ? (x > -(double)INFINITY ? (double)NAN : r) : r; /* x < 0 finite, y no integer */
    const double negated = reel_from_bits_f64_(reel_bits_f64_(r) | sign);
    const double of_integer = ay < 0x1p53 ? negated : r;
    r = whole == ay ? of_integer : below;
    r = y == 0.0 ? 1.0 : r;
    return x == 1.0 ? 1.0 : r;
}
/* Through double: log to 1 ulp of double leaves a relative error of 2^-45 before the rounding to float. */
VM float reel_pow_f32_(float x, float y)
{
    const double a = fabs((double)x);
    double f;
    const double e = reel_log_split_f64_(a, &f) - 1023.0;
    double l = reel_log_core_f64_(f, e);
    l = a < (double)INFINITY ? l : a;
    l = a == 0.0 ? -(double)INFINITY : l;
    return (float)reel_pow_special_f64_((double)x, (double)y, reel_exp_f64_((double)y * l));
}
/* ln a = *low + result, about 2^-65 relative: 2 s + s^3 (2/3 + s^2 Q(s^2)) with s = f / (2 + f), the leading terms in
   double-double (Dekker 1971). a > 0, finite. */
VM double reel_log_double_(double a, double *low)
{
    const double tiny = 0x1p-1022;
    double f;
    const double e = reel_log_split_f64_(a < tiny ? a * 0x1p54 : a, &f) - (a < tiny ? 1077.0 : 1023.0);
    const double d = f + 2.0, d_low = f - (d - 2.0);
    const double s = f / d, s_low = F64(-s, d_low, F64(-s, d, f)) / d;
    const double z = s * s, z_low = F64(s, s, -z) + 2.0 * s * s_low;
    double q = F64(z, 0x1.e02fc68c3fa4fp-4, 0x1.df7ca8236dc99p-4);
    q = F64(q, z, 0x1.1118c8814a0fcp-3);
    q = F64(q, z, 0x1.3b1395cf37e44p-3);
    q = F64(q, z, 0x1.745d177a9cebap-3);
    q = F64(q, z, 0x1.c71c71c6ea994p-3);
    q = F64(q, z, 0x1.2492492492522p-2);
    q = F64(q, z, 0x1.999999999999ap-2);
    const double third = 0x1.5555555555555p-1, u = z * q; /* 2/3 */
    const double b = third + u, b_low = (third - b) + u + 0x1.5555555555555p-55;
    const double c = s * z, c_low = F64(s, z, -c) + F64(s, z_low, s_low * z);
    const double g = c * b, g_low = F64(c, b, -g) + F64(c, b_low, c_low * b);
    const double n = e * LN2_HI, h = n + 2.0 * s, h_low = (n - h) + 2.0 * s;
    const double k = h + g, k_low = (h - k) + g;
    const double rest = h_low + k_low + (F64(e, LN2_LO, g_low) + 2.0 * s_low);
    const double y = k + rest;
    *low = (k - y) + rest;
    return y;
}
VM double reel_pow_f64_(double x, double y)
{
    const double a = fabs(x);
    double low, l = reel_log_double_(a, &low);
    l = a < (double)INFINITY ? l : a;
    l = a == 0.0 ? -(double)INFINITY : l;
    const double p = y * l;
    const double p_low = fabs(p) < 1100.0 ? F64(y, low, F64(y, l, -p)) : 0.0;
    return reel_pow_special_f64_(x, y, reel_exp_sum_f64_(p, p_low));
}
#undef F32
#undef F64
#undef LN2_HI
#undef LN2_LO
#undef VM
#endif
