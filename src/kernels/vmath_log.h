/* vmath_log.h: log, log1p, log2, log10, asinh, acosh, atanh, softplus, logaddexp. */
#ifndef REEL_KERNELS_VMATH_LOG_H
#define REEL_KERNELS_VMATH_LOG_H
#include "kernels/vmath_exp.h"

/* ---- float -------------------------------------------------------------------------------------------- */
/* e ln 2 + ln(1 + f), sqrt(1/2) <= 1 + f <= sqrt(2) */
VM float reel_log_core_f32_(float f, float e)
{
    float p = N32(f, 0x1.1d8e5ep-4f, -0x1.d6393ep-4f);
    p = N32(p, f, 0x1.dea43p-4f);
    p = N32(p, f, -0x1.fcf46ep-4f);
    p = N32(p, f, 0x1.23d202p-3f);
    p = N32(p, f, -0x1.555b4ap-3f);
    p = N32(p, f, 0x1.999d5ap-3f);
    p = N32(p, f, -0x1.fffffcp-3f);
    p = N32(p, f, 0x1.555554p-2f);
    const float t = f * f;
    float y = t * f * p;
    y = F32(e, 0x1.7f7d1cp-20f, y);
    y = X32(-0.5f, t, y);
    return X32(e, 0x1.62e4p-1f, f + y);
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
    const float f = X32(xs, t, (x > huge ? 0.0f : t) - 1.0f);
    float y = reel_log_core_f32_(f, (float)(int32_t)k - (x > huge ? 63.0f : 127.0f));
    y = x < INFINITY ? y : x;
    y = x < -1.0f ? NAN : y;
    y = x == -1.0f ? -INFINITY : y;
    return x == 0.0f ? x : y;
}
/* e + log2(1 + f), no fma; 1 / ln 2 = 1 + 0.44..., so that f itself is not rounded */
VM float reel_log2_f32_(float x)
{
    const float tiny = 0x1p-126f, xs = x < tiny ? x * 0x1p23f : x;
    const uint32_t u = reel_bits_f32_(xs) + (0x3f800000u - 0x3f3504f3u);
    const float e = (float)(int32_t)(u >> 23) - (x < tiny ? 150.0f : 127.0f);
    const float f = reel_from_bits_f32_((u & 0x7fffffu) + 0x3f3504f3u) - 1.0f, f2 = f * f, f4 = f2 * f2;
    const float p =
        P4(f, f2, -0x1.715472p-1f, 0x1.ec7098p-2f, -0x1.7159dp-2f, 0x1.277d8cp-2f) +
        f4 * (P4(f, f2, -0x1.ead408p-3f, 0x1.a3283ep-3f, -0x1.86c8dep-3f, 0x1.7c570ep-3f) + f4 * -0x1.c25394p-4f);
    float y = e + (f + (f * 0x1.c551d8p-2f + f2 * p));
    y = x < INFINITY ? y : x;
    y = x < 0.0f ? NAN : y;
    return x == 0.0f ? -INFINITY : y;
}
VM float reel_softplus_f32_(float x)
{
    /* max(x, 0) + ln(1 + e^-|x|) */
    const float u = reel_exp_f32_(-fabsf(x));
    const float root = 0x1.a8279ap-2f; /* sqrt(2) - 1 */
    const float l = reel_log_core_f32_(u > root ? X32(u, 0.5f, -0.5f) : u, u > root ? 1.0f : 0.0f);
    return (x > 0.0f ? x : 0.0f) + l;
}

/* ---- double ------------------------------------------------------------------------------------------- */
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
VM double reel_softplus_f64_(double x)
{
    const double u = reel_exp_f64_(-fabs(x));
    const double root = 0x1.a827999fcef32p-2;
    const double l = reel_log_core_f64_(u > root ? F64(u, 0.5, -0.5) : u, u > root ? 1.0 : 0.0);
    return (x > 0.0 ? x : 0.0) + l;
}
VM double reel_asinh_f64_(double x)
{
    /* ln(a + sqrt(a a + 1)) = log1p(a + a a / (1 + sqrt(a a + 1))); beyond 2^30 ln 2a */
    const double a = fabs(x), big = a > 0x1p30 ? 1.0 : 0.0, c = a > 0x1p30 ? 1.0 : a, z = c * c;
    double f;
    const double s = c + z / (1.0 + sqrt(F64(c, c, 1.0)));
    const double e = reel_log_split_f64_(a, &f) - 1022.0;
    double y = big != 0.0 ? reel_log_core_f64_(f, e) : reel_log1p_f64_(s);
    y = a < (double)INFINITY ? y : a;
    return a < 0x1p-28 ? x : reel_copysign_f64_(y, x);
}
VM double reel_acosh_f64_(double x)
{
    double f;
    const double t = x - 1.0, c = x > 0x1p30 ? 1.0 : t;
    const double e = reel_log_split_f64_(x, &f) - 1022.0;
    double y = reel_log1p_f64_(c + sqrt(F64(c, c, 2.0 * c)));
    y = x > 0x1p30 ? reel_log_core_f64_(f, e) : y;
    y = x < (double)INFINITY ? y : x;
    return x < 1.0 ? (double)NAN : y;
}
VM double reel_atanh_f64_(double x)
{
    const double a = fabs(x), d = a + a;
    const double s = a < 0.5 ? d + d * a / (1.0 - a) : d / (1.0 - a);
    double y = 0.5 * reel_log1p_f64_(s);
    y = a <= 1.0 ? y : (double)NAN;
    return a < 0x1p-28 ? x : reel_copysign_f64_(y, x);
}

/* ---- float by way of double, no fma ------------------------------------------------------------------ */
/* ln(1 + f), sqrt(1/2) <= 1 + f <= sqrt(2), to 2^-35: by s = f / (2 + f) */
VM double reel_log_core_short_(double f)
{
    const double s = f / (2.0 + f), z = s * s;
    double p = z * 0x1.e305166979257p-3 + 0x1.24387ada7be41p-2;
    p = p * z + 0x1.999a7be3e8be6p-2;
    p = p * z + 0x1.555554fcebe7ep-1;
    return 2.0 * s + s * z * p;
}
/* ln(1 + y), y >= 0 or NaN, below 2^1000 */
VM double reel_log1p_short_(double y)
{
    double unused;
    const double k = reel_log_split_f64_(1.0 + y, &unused);
    const double t = reel_from_bits_f64_((2046u - (reel_bits_f64_(k + 0x1p52) & 0x7ffu)) << 52);
    return reel_log_core_short_(y * t + (t - 1.0)) + (k - 1023.0) * 0x1.62e42fefa39efp-1;
}
/* The logarithm's special cases. */
VM double reel_log_special_f64_(double x, double y)
{
    y = x < (double)INFINITY ? y : x;
    y = x < 0.0 ? (double)NAN : y;
    return x == 0.0 ? -(double)INFINITY : y;
}
VM float reel_log10_f32_(float x)
{
    double f;
    const double e = reel_log_split_f64_((double)x, &f) - 1023.0;
    const double y = e * 0x1.34413509f79ffp-2 + reel_log_core_short_(f) * 0x1.bcb7b1526e50ep-2;
    return (float)reel_log_special_f64_((double)x, y);
}
VM float reel_asinh_f32_(float x)
{
    const double a = fabs((double)x), z = a * a;
    double y = reel_log1p_short_(a + z / (1.0 + sqrt(1.0 + z)));
    y = a < (double)INFINITY ? y : a;
    return (float)reel_copysign_f64_(y, (double)x);
}
VM float reel_acosh_f32_(float x)
{
    const double t = (double)x - 1.0, y = reel_log1p_short_(t + sqrt(t * (t + 2.0)));
    return x < INFINITY ? x < 1.0f ? NAN : (float)y : x;
}
VM float reel_atanh_f32_(float x)
{
    const double a = fabs((double)x);
    double y = 0.5 * reel_log1p_short_(2.0 * a / (1.0 - a));
    y = a < 1.0 ? y : a == 1.0 ? (double)INFINITY : (double)NAN;
    return (float)reel_copysign_f64_(y, (double)x);
}

/* ---- ln(e^x + e^y) = max + ln(1 + e^-|x - y|) ------------------------------------------------------------ */
VM float reel_logaddexp_f32_(float x, float y)
{
    const float high = x > y ? x : y, d = x == y ? 0.0f : -fabsf(x - y);
    return high + reel_log1p_f32_(reel_exp_f32_(d));
}
VM double reel_logaddexp_f64_(double x, double y)
{
    const double high = x > y ? x : y, d = x == y ? 0.0 : -fabs(x - y);
    return high + reel_log1p_f64_(reel_exp_f64_(d));
}
#endif
