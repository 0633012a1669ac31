/* vmath_erf.h: erf, erfc and the normal distribution: gelu. erfc(a) = e^(-a a) Q(t) / (a + 3) with t = (a - 3) / (a + 3) maps
   [0, inf) to a bounded interval, on which one polynomial Q does (Shepherd & Laframboise 1981). */
#ifndef REEL_KERNELS_VMATH_ERF_H
#define REEL_KERNELS_VMATH_ERF_H
#include "kernels/vmath_exp.h"

/* ---- float by way of double, no fma ------------------------------------------------------------------ */
/* erfc(a) for 0 <= a <= 11, h = a a */
VM double reel_erfc_short_(double a, double h)
{
    const double r = 1.0 / (a + 3.0), t = (a - 3.0) * r;
    double p = t * 0x1.47f795c5ea8c1p-15 + 0x1.8dc381a883ab4p-14;
    p = p * t - 0x1.2dba2c617da77p-12;
    p = p * t - 0x1.1dce7c331c1c3p-11;
    p = p * t + 0x1.8e3d5c327e16fp-9;
    p = p * t - 0x1.3de5140dfd616p-10;
    p = p * t - 0x1.b78c9b98840c6p-6;
    p = p * t + 0x1.e995f097ddacep-4;
    p = p * t - 0x1.3deb1dd5e8e5dp-2;
    p = p * t + 0x1.2e326949062a7p-1;
    p = p * t - 0x1.c44c47246e2c4p-1;
    p = p * t + 0x1.12f21ddda11a2p+0;
    return reel_exp_short_(-h) * p * r;
}
VM float reel_erf_f32_(float x)
{
    const double d = (double)x, a = fabs(d), c = a > 5.0 ? 5.0 : a, z = d * d;
    double p = z * 0x1.4969ea9ffdb52p-14 - 0x1.a3f6ee3872751p-11;
    p = p * z + 0x1.5405b0e07b923p-8;
    p = p * z - 0x1.b7f90d2d7088ap-6;
    p = p * z + 0x1.ce2cf74854b63p-4;
    p = p * z - 0x1.81273de9c56a8p-2;
    p = p * z + 0x1.06eba7f24c30bp-3;
    const double large = reel_copysign_f64_(1.0 - reel_erfc_short_(c, c * c), d);
    return (float)(a < 0.875 ? d + d * p : large);
}
VM float reel_erfc_f32_(float x)
{
    const double d = (double)x, a = fabs(d), c = a > 11.0 ? 11.0 : a, y = reel_erfc_short_(c, c * c);
    return (float)(d < 0.0 ? 2.0 - y : y);
}
/* The normal distribution function: erfc(-x / sqrt 2) / 2 */
VM double reel_normal_short_(double x)
{
    const double a = fabs(x), c = a > 15.5 ? 15.5 : a,
                 y = 0.5 * reel_erfc_short_(c * 0x1.6a09e667f3bcdp-1, 0.5 * c * c);
    return x < 0.0 ? y : 1.0 - y;
}
VM float reel_gelu_f32_(float x)
{
    const double c = x < -1000.0f ? -1000.0 : (double)x; /* -inf gives -0 */
    return (float)(c * reel_normal_short_(c));
}
/* Phi(x) + x phi(x) */
VM float reel_gelu_slope_f32_(float x)
{
    const double d = x < -1000.0f ? -1000.0 : x > 1000.0f ? 1000.0 : (double)x;
    return (float)(reel_normal_short_(d) + d * (0x1.9884533d43651p-2 * reel_exp_short_(-0.5 * d * d)));
}

/* ---- double ------------------------------------------------------------------------------------------- */
/* 2^64 erfc(a + a_low) for a >= 1/2, h + low = (a + a_low)^2 */
VM double reel_erfc_scaled_f64_(double a, double a_low, double h, double low)
{
    const double s = a + 3.0, r = 1.0 / s, t = (a - 3.0) * r;
    double p = F64(t, -0x1.950d8b48372abp-28, -0x1.de105035222d3p-29);
    p = F64(p, t, 0x1.976505fde40e3p-25);
    p = F64(p, t, 0x1.a7ff40ceb03fdp-25);
    p = F64(p, t, -0x1.f0f9f7735692cp-23);
    p = F64(p, t, -0x1.b8bebf6080ac8p-22);
    p = F64(p, t, 0x1.0bf23a520e073p-20);
    p = F64(p, t, 0x1.735275e220714p-19);
    p = F64(p, t, -0x1.3eb5add35505fp-18);
    p = F64(p, t, -0x1.251d043e13563p-16);
    p = F64(p, t, 0x1.fdff39a9816a6p-16);
    p = F64(p, t, 0x1.c32556eda3c85p-14);
    p = F64(p, t, -0x1.2238fd7f63f3ap-12);
    p = F64(p, t, -0x1.1f78e1d73d8e2p-11);
    p = F64(p, t, 0x1.8dae3a26dfe51p-9);
    p = F64(p, t, -0x1.3dd3e70a8b71fp-10);
    p = F64(p, t, -0x1.b78993d6b3aep-6);
    p = F64(p, t, 0x1.e995f11b161dep-4);
    p = F64(p, t, -0x1.3deb21415dca1p-2);
    p = F64(p, t, 0x1.2e326945de2bep-1);
    /* the last two steps with what their roundings lose, and those of their constants: the terms alternate where t > 0 */
    const double c1 = -0x1.c44c471baa376p-1, c0 = 0x1.12f21ddd9f5e2p+0;
    const double m1 = t * p, v = c1 + m1, v_low = ((c1 - v) + m1) + (F64(t, p, -m1) - 0x1.6b86665e32f7fp-56);
    const double m0 = t * v, w = c0 + m0,
                 w_low = ((c0 - w) + m0) + F64(t, v, -m0) + F64(t, v_low, -0x1.9d04a2ee051a9p-54);
    /* w / (a + 3) to half a unit: the remainder of the first quotient, and what the sum a + 3 lost */
    const double lost = (a - (s - 3.0)) + a_low, y = w * r, q = F64(r, F64(-y, s, w) + (w_low - y * lost), y);
    return reel_exp_scaled_f64_(-h, -low, 64) * q;
}
/* erf(x) / x - 1 for |x| <= 1, z = x x */
VM double reel_erf_core_f64_(double z)
{
    double p = F64(z, -0x1.abaea1b28d497p-31, 0x1.d71b2b4898148p-27);
    p = F64(p, z, -0x1.5c072ab5443ap-23);
    p = F64(p, z, 0x1.b97fd4665e678p-20);
    p = F64(p, z, -0x1.f4ca4d7b638fp-17);
    p = F64(p, z, 0x1.f9a2baa99fdc8p-14);
    p = F64(p, z, -0x1.c02db03ddc086p-11);
    p = F64(p, z, 0x1.565bccf92b46fp-8);
    p = F64(p, z, -0x1.b82ce311fa94ap-6);
    p = F64(p, z, 0x1.ce2f21a040d16p-4);
    p = F64(p, z, -0x1.812746b0379bdp-2);
    p = F64(p, z, 0x1.06eba8214db68p-3);
    return p;
}
VM double reel_erf_f64_(double x)
{
    const double a = fabs(x), c = a > 6.0 ? 6.0 : a, h = c * c;
    const double large = reel_copysign_f64_(1.0 - reel_erfc_scaled_f64_(c, 0.0, h, F64(c, c, -h)) * 0x1p-64, x);
    return a < 0.875 ? F64(x, reel_erf_core_f64_(x * x), x) : large;
}
VM double reel_erfc_f64_(double x)
{
    const double a = fabs(x), c = a > 28.0 ? 28.0 : a, h = c * c;
    const double y = reel_erfc_scaled_f64_(c, 0.0, h, F64(c, c, -h)) * 0x1p-64;
    const double small = 1.0 - F64(x, reel_erf_core_f64_(x * x), x);
    return a < 0.5 ? small : x < 0.0 ? 2.0 - y : y;
}
/* 2^64 Phi(-a), a >= 0 */
VM double reel_normal_tail_f64_(double a)
{
    const double root = 0x1.6a09e667f3bcdp-1, z = a * root, h = 0.5 * a * a;
    const double z_low = F64(a, root, -z) - a * 0x1.bdd3413b26456p-55;
    const double large = 0.5 * reel_erfc_scaled_f64_(z, z_low, h, F64(0.5 * a, a, -h));
    return z < 0.5 ? 0x1p63 - 0x1p63 * F64(z, reel_erf_core_f64_(z * z), z) : large;
}
VM double reel_gelu_f64_(double x)
{
    const double c = x < -1000.0 ? -1000.0 : x, a = fabs(c);
    const double y = reel_normal_tail_f64_(a > 50.0 ? 50.0 : a);
    const double left = c * y * 0x1p-64, right = F64(-a, y * 0x1p-64, a);
    return c < 0.0 ? left : ((c > 50.0) | (c == 0.0)) ? c : right; /* -0 stays */
}
VM double reel_gelu_slope_f64_(double x)
{
    const double a = fabs(x), c = a > 50.0 ? 50.0 : a, y = reel_normal_tail_f64_(c) * 0x1p-64,
                 d = reel_copysign_f64_(c, x);
    return (x < 0.0 ? y : 1.0 - y) + d * (0x1.9884533d43651p-2 * reel_exp_f64_(-0.5 * d * d));
}
#endif
