/* vmath_exp.h: exp, exp2, expm1, sinh, cosh, tanh, sigmoid. */
#ifndef REEL_KERNELS_VMATH_EXP_H
#define REEL_KERNELS_VMATH_EXP_H
#include "kernels/vmath_base.h"

/* ---- float -------------------------------------------------------------------------------------------- */
/* x = n ln 2 + r with |r| <= ln 2 / 2. The addition of 1.5 2^23 rounds to an integer, whose low bits are n. */
VM uint32_t reel_exp_reduce_f32_(float x, float *r)
{
    const float magic = 0x1.8p23f;
    const float z = N32(x, 0x1.715476p+0f, magic), n = z - magic;
    *r = X32(n, -0x1.7f7d1cp-20f, X32(n, -0x1.62e4p-1f, x));
    return reel_bits_f32_(z) - 0x4b400000u;
}
/* e^r - 1 */
VM float reel_expm1_core_f32_(float r)
{
    float p = N32(r, 0x1.a1256cp-13f, 0x1.6d43bp-10f);
    p = N32(p, r, 0x1.1110ep-7f);
    p = N32(p, r, 0x1.5554e8p-5f);
    p = N32(p, r, 0x1.555556p-3f);
    p = N32(p, r, 0.5f);
    return N32(r * r, p, r);
}
/* Where e^x is 0, e^0 is computed and 0 chosen: a product that underflows takes CPUs 2 to 4 times as long, and masks are full of those. */
VM float reel_exp_f32_(float x)
{
    const bool none = x < -104.0f;
    float r, c = x > 89.0f ? 89.0f : x;
    c = none ? 0.0f : c;
    const uint32_t n = reel_exp_reduce_f32_(c, &r);
    const uint32_t half = ((n + 512u) >> 1) - 256u; /* 2^n in two factors: the second rounds once into the subnormals */
    const float s = reel_from_bits_f32_((half + 127u) << 23), t = reel_from_bits_f32_((n - half + 127u) << 23);
    const float y = (reel_expm1_core_f32_(r) + 1.0f) * s * t;
    return none ? 0.0f : y;
}
VM float reel_tanh_f32_(float x)
{
    /* with t = e^2|x| - 1: t / (t + 2) */
    const float a = fabsf(x), c = a > 10.0f ? 10.0f : a;
    float r;
    const uint32_t n = reel_exp_reduce_f32_(2.0f * c, &r);
    const float s = reel_from_bits_f32_((n + 127u) << 23);
    const float t = N32(s, reel_expm1_core_f32_(r), s - 1.0f);
    return reel_copysign_f32_(t / (t + 2.0f), x);
}
VM float reel_sigmoid_f32_(float x)
{
    const float e = reel_exp_f32_(-fabsf(x));
    return (x >= 0.0f ? 1.0f : e) / (1.0f + e);
}

/* e^r - 1 to 2^-27, |r| <= ln 2 / 2 */
VM float reel_expm1_near_f32_(float r)
{
    const float r2 = r * r, p = N32(r, 0x1.123ac4p-7f, 0x1.5554cep-5f);
    return N32(r2, N32(r2, N32(r2, 0x1.6d6aa6p-10f, p), N32(r, 0x1.55549p-3f, 0.5f)), r);
}

/* ---- float, no fma ------------------------------------------------------------------------------------ */
/* e^r - 1, |r| <= ln 2 / 2 */
VM float reel_expm1_plain_f32_(float r)
{
    const float r2 = r * r;
    return r + r2 * (P2(r, 0x1.fffffcp-2f, 0x1.55548ap-3f) +
                     r2 * (P2(r, 0x1.5558a8p-5f, 0x1.123f9ep-7f) + r2 * 0x1.6a5f72p-10f));
}
/* e^-x = 2^-64 s (1 + *q) for 0 <= x <= 131: s is returned. The factor 2^64 keeps s normal where the result is not. ln 2 in two
   parts, of which n times the first is exact. */
VM float reel_exp_split_f32_(float x, float *q)
{
    const float magic = 0x1.8p23f + 191.0f, z = magic - x * 0x1.715476p+0f, n = z - magic;
    *q = reel_expm1_plain_f32_((-x - n * 0x1.62e4p-1f) - n * 0x1.7f7d1cp-20f);
    return reel_from_bits_f32_(reel_bits_f32_(z) << 23);
}
/* The same of x + low, low a hundredth of x or less. */
VM float reel_exp_split_sum_f32_(float x, float low, float *q)
{
    const float magic = 0x1.8p23f + 191.0f, z = magic - x * 0x1.715476p+0f, n = z - magic;
    *q = reel_expm1_plain_f32_((-x - n * 0x1.62e4p-1f) - (n * 0x1.7f7d1cp-20f + low));
    return reel_from_bits_f32_(reel_bits_f32_(z) << 23);
}
VM float reel_exp2_f32_(float x)
{
    const float magic = 0x1.8p23f;
    float c = x > 129.0f ? 129.0f : x;
    c = c < -152.0f ? -152.0f : c;
    const float z = c + magic, r = c - (z - magic), r2 = r * r;
    const uint32_t n = reel_bits_f32_(z) - 0x4b400000u, half = ((n + 512u) >> 1) - 256u;
    const float s = reel_from_bits_f32_((half + 127u) << 23), t = reel_from_bits_f32_((n - half + 127u) << 23);
    const float p = P4(r, r2, 0x1.62e43p-1f, 0x1.ebfbdcp-3f, 0x1.c6af7ap-5f, 0x1.3b2dep-7f) +
                    r2 * r2 * P2(r, 0x1.5f09a6p-10f, 0x1.416d06p-13f);
    return (1.0f + p * r) * s * t;
}

/* ---- float by way of double, no fma ------------------------------------------------------------------ */
/* e^x to 2^-31, for results that are rounded to float: |x| beyond 700 counts as 700. */
VM double reel_exp_short_split_(double x, double *r)
{
    const double magic = 0x1.8p52;
    double c = x > 700.0 ? 700.0 : x;
    c = c < -700.0 ? -700.0 : c;
    const double z = c * 0x1.71547652b82fep+0 + magic, n = z - magic;
    *r = (c - n * LN2_HI) - n * LN2_LO;
    return reel_from_bits_f64_((reel_bits_f64_(z) + 1023u) << 52);
}
/* e^r - 1, |r| <= ln 2 / 2 */
VM double reel_expm1_core_short_(double r)
{
    double p = r * 0x1.a17eaca7ad323p-13 + 0x1.6d43b7af943fap-10;
    p = p * r + 0x1.1110ab11707d8p-7;
    p = p * r + 0x1.5554e899e5f11p-5;
    p = p * r + 0x1.5555557459f9dp-3;
    p = p * r + 0x1.0000000ba3306p-1;
    return r + r * r * p;
}
VM double reel_exp_short_(double x)
{
    double r;
    const double s = reel_exp_short_split_(x, &r);
    return s + s * reel_expm1_core_short_(r);
}
VM double reel_expm1_short_(double x)
{
    double r;
    const double s = reel_exp_short_split_(x, &r);
    return s * reel_expm1_core_short_(r) + (s - 1.0);
}
VM float reel_expm1_f32_(float x)
{
    const float y = (float)reel_expm1_short_((double)x);
    return x == 0.0f ? x : y;
}
VM float reel_sinh_f32_(float x)
{
    const double d = (double)x, a = fabs(d), z = d * d, e = reel_exp_short_(a);
    double p = z * 0x1.7a17de5999e3cp-19 + 0x1.9ffe83ebdc428p-13;
    p = p * z + 0x1.1111351875e4p-7;
    p = p * z + 0x1.5555551afa609p-3;
    const double large = reel_copysign_f64_(0.5 * e - 0.5 / e, d);
    return (float)(a < 1.0 ? d + d * z * p : large);
}
VM float reel_cosh_f32_(float x)
{
    const double e = reel_exp_short_(fabs((double)x));
    return (float)(0.5 * e + 0.5 / e);
}

/* ---- double ------------------------------------------------------------------------------------------- */
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
/* 2^k e^(x + low), low tiny, |k| <= 64. Scaling that is undone after a multiplication keeps digits that a subnormal e^x lacks. */
VM double reel_exp_scaled_f64_(double x, double low, int k)
{
    double r, c = x > 712.0 ? 712.0 : x;
    c = c < -800.0 ? -800.0 : c;
    const uint64_t n = reel_exp_reduce_f64_(c, low, &r) + (uint64_t)(int64_t)k;
    const uint64_t half = ((n + 4096u) >> 1) - 2048u;
    const double s = reel_from_bits_f64_((half + 1023u) << 52), t = reel_from_bits_f64_((n - half + 1023u) << 52);
    return (reel_expm1_core_f64_(r) + 1.0) * s * t;
}
VM double reel_exp_sum_f64_(double x, double low)
{
    return reel_exp_scaled_f64_(x, low, 0);
}
VM double reel_exp_f64_(double x)
{
    return reel_exp_sum_f64_(x, 0.0);
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
VM double reel_expm1_f64_(double x)
{
    double r, c = x > 710.0 ? 710.0 : x; /* 2^n / 2 for n up to 1024 */
    c = c < -40.0 ? -40.0 : c;
    const uint64_t n = reel_exp_reduce_f64_(c, 0.0, &r);
    const double s = reel_from_bits_f64_((n + 1022u) << 52);
    const double y = 2.0 * F64(s, reel_expm1_core_f64_(r), s - 0.5);
    return fabs(x) < 0x1p-54 ? x : y;
}
VM double reel_exp2_f64_(double x)
{
    const double magic = 0x1.8p52;
    double c = x > 1030.0 ? 1030.0 : x;
    c = c < -1100.0 ? -1100.0 : c;
    const double z = c + magic, f = c - (z - magic), r = f * 0x1.62e42fefa39efp-1;
    const double low = F64(f, 0x1.62e42fefa39efp-1, -r) + f * 0x1.abc9e3b39803fp-56;
    const uint64_t n = reel_bits_f64_(z) - reel_bits_f64_(magic), half = ((n + 4096u) >> 1) - 2048u;
    const double s = reel_from_bits_f64_((half + 1023u) << 52), t = reel_from_bits_f64_((n - half + 1023u) << 52);
    return (reel_expm1_core_f64_(r) + low + 1.0) * s * t;
}
VM double reel_sinh_f64_(double x)
{
    /* with t = e^|x| - 1: (t + t / (t + 1)) / 2; from 40 on e^|x| / 2 */
    const double a = fabs(x), t = reel_expm1_f64_(a > 40.0 ? 40.0 : a);
    const double y = a > 40.0 ? reel_exp_scaled_f64_(a, 0.0, -1) : 0.5 * (t + t / (t + 1.0));
    return a < 0x1p-28 ? x : reel_copysign_f64_(y, x);
}
VM double reel_cosh_f64_(double x)
{
    const double h = reel_exp_scaled_f64_(fabs(x), 0.0, -1);
    return h + 0.25 / h;
}
#endif
