/* vmath_erf.h: erf, erfc and the normal distribution: gelu. erfc(a) = e^(-a a) Q(t) / (a + 3) with t = (a - 3) / (a + 3) maps
   [0, inf) to a bounded interval, on which one polynomial Q does (Shepherd & Laframboise 1981). */
#ifndef REEL_KERNELS_VMATH_ERF_H
#define REEL_KERNELS_VMATH_ERF_H
#include "kernels/vmath_exp.h"

/* ---- float, no fma ------------------------------------------------------------------------------------ */
/* erf(x) = x + x P(x^2), and from 0.8 on 1 - e^-G(|x|) */
VM float reel_erf_f32_(float x)
{
    const float a = fabsf(x), a2 = x * x, a4 = a2 * a2, c = a > 3.95f ? 3.95f : a, c2 = c * c;
    const float p = P4(a2, a4, 0x1.06eba8p-3f, -0x1.812734p-2f, 0x1.ce28f8p-4f, -0x1.b77cbcp-6f) +
                    a4 * a4 * P2(a2, 0x1.4d9c28p-8f, -0x1.583f1cp-11f);
    const float g = 0x1.14c7b4p-14f + c * (P4(c, c2, 0x1.20d39cp+0f, 0x1.45beep-1f, 0x1.ad419p-4f, -0x1.733366p-6f) +
                                           c2 * c2 * P2(c, 0x1.9d5ae8p-9f, -0x1.b31252p-13f));
    float q;
    const float s = reel_exp_split_f32_(g, &q) * 0x1p-64f;
    return a < 0.8f ? x + x * p : reel_copysign_f32_((1.0f - s) - s * q, x);
}
/* a^2 = h + low, h of 12 + 12 bits */
VM float reel_square_f32_split_(float a, float *low)
{
    const float high = reel_from_bits_f32_(reel_bits_f32_(a) & 0xfffff000u);
    *low = (a - high) * (a + high);
    return high * high;
}
/* From 1 on e^(-a a) Q(t) / (a + 1.25), t = (a - 1.25) / (a + 1.25); what the sums lose goes to e^r - 1. Below 1 the two terms of
   1 - x are exact or no larger than the result. */
VM float reel_erfc_f32_(float x)
{
    const float a = fabsf(x), z = x * x, z2 = z * z;
    const float u = P4(z, z2, 0x1.06eba6p-3f, -0x1.812724p-2f, 0x1.ce29dcp-4f, -0x1.b7cfd2p-6f) +
                    z2 * z2 * (P2(z, 0x1.52f9e2p-8f, -0x1.9d68c8p-11f) + z2 * 0x1.398e8ep-14f);
    const float small = (1.0f - x) - x * u;
    const float c = a > 10.3f ? 10.3f : a, d = c + 1.25f, t = (c - 1.25f) / d, t2 = t * t;
    float low, q;
    const float h = reel_square_f32_split_(c, &low), s = reel_exp_split_sum_f32_(h, low, &q);
    const float p = t * (P4(t, t2, -0x1.8ad558p-2f, -0x1.6902a8p-6f, 0x1.8da1aep-5f, 0x1.c9c5eap-7f) +
                         t2 * t2 * P4(t, t2, -0x1.4704f4p-8f, -0x1.77f68cp-8f, -0x1.e00e94p-10f, 0x1.2e1704p-9f));
    const float w = p + 0x1.d6d036p-1f, w_low = (p - (w - 0x1.d6d036p-1f)) + 0x1.05d982p-26f;
    const float lost = (c - (d - 1.25f)) * (0.4f - 0.4f * t); /* of d, times 1 / d */
    const float y = (w + (w_low + w * (q - lost))) / d * s * 0x1p-64f;
    return a < 1.0f ? small : x < 0.0f ? 2.0f - y : y;
}
/* Right of 7 y is nothing beside x or 1, left of -14.5 it is 0: neither may underflow, which takes CPUs several times as long. As products,
   since compilers take selects of constants apart and compute with a after all. */
#define GELU_MOST(x) (14.5f - 7.5f * (float)((x) > 0.0f))
#define GELU_SCALE(x) (0x1p-64f * (float)((x) >= -14.5f))
/* With the normal distribution's Phi, x Phi(x) = x - x Phi(-x). From 1 on a Phi(-a) = e^(-a a / 2) V(t), t = (a - 3) / (a + 3);
   below 1 Phi(x) = 1/2 + x/2 - x P(x^2), the first sum with what it loses. */
VM float reel_gelu_f32_(float x)
{
    const float a = fabsf(x), z = x * x, z2 = z * z;
    const float u = 0x1.9deeb4p-4f + z * (P4(z, z2, 0x1.105822p-4f, -0x1.46cbaap-7f, 0x1.36cf7cp-10f, -0x1.d93fcp-14f) +
                                          z2 * z2 * 0x1.f22ce4p-18f);
    const float half = 0.5f * x, b = 0.5f + half, lost = half - (b - 0.5f), small = x * (b + (lost - x * u));
    const float most = GELU_MOST(x), c = a > most ? most : a, t = (c - 3.0f) / (c + 3.0f), t2 = t * t;
    float low, q;
    const float h = reel_square_f32_split_(c, &low), s = reel_exp_split_sum_f32_(0.5f * h, 0.5f * low, &q);
    const float p = t * (P4(t, t2, 0x1.c20d32p-4f, -0x1.1e04acp-3f, 0x1.76477ep-4f, -0x1.d8d0cep-6f) +
                         t2 * t2 * P4(t, t2, -0x1.c7a80cp-10f, 0x1.03e9fep-8f, -0x1.4b1428p-15f, -0x1.1e5f4ep-11f));
    const float w = p + 0x1.754a76p-2f, w_low = (p - (w - 0x1.754a76p-2f)) - 0x1.8dc198p-27f;
    const float y = (w + (w_low + w * q)) * s * GELU_SCALE(x);
    return a < 1.0f ? small : x >= 0.0f ? x - y : -y;
}
/* Phi(x) + x phi(x) = 1 less the same of -x; from 1 on e^(-a a / 2) (W(t) / (a + 3) - a / sqrt(2 pi)) at -a */
VM float reel_gelu_slope_f32_(float x)
{
    const float a = fabsf(x), z = x * x, z2 = z * z;
    const float u = P4(z, z2, 0x1.3108a6p-2f, -0x1.10581cp-2f, 0x1.ea2fcp-5f, -0x1.36ba08p-7f) +
                    z2 * z2 * P2(z, 0x1.26f37p-10f, -0x1.6febf6p-14f);
    const float most = GELU_MOST(x), c = a > most ? most : a, r = 1.0f / (c + 3.0f), t = (c - 3.0f) * r, t2 = t * t;
    float low, q;
    const float h = reel_square_f32_split_(c, &low), s = reel_exp_split_sum_f32_(0.5f * h, 0.5f * low, &q);
    const float p = t * (P4(t, t2, -0x1.04c726p-1f, 0x1.d7130ap-3f, -0x1.8333b4p-5f, -0x1.564238p-7f) +
                         t2 * t2 * (P2(t, 0x1.c9f896p-8f, 0x1.dddb8p-11f) + t2 * -0x1.0e60eep-10f));
    const float w = (p + 0x1.754a76p-1f) * r - c * 0x1.988454p-2f, y = (w + w * q) * s * GELU_SCALE(x);
    return a < 1.0f ? (0.5f + 0.5f * x) + x * u : x < 0.0f ? y : 1.0f - y;
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
