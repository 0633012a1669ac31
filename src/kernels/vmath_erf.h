/* vmath_erf.h: erf, erfc and the normal distribution: gelu. erfc(a) = e^(-a a) Q(t) / (a + 3) with t = (a - 3) / (a + 3) maps
   [0, inf) to a bounded interval, on which one polynomial Q does (Shepherd & Laframboise 1981). */
#ifndef REEL_KERNELS_VMATH_ERF_H
#define REEL_KERNELS_VMATH_ERF_H
#include "kernels/vmath_exp.h"

/* ---- float -------------------------------------------------------------------------------------------- */
/* erf(x) = 1 - e^-G(|x|) = -(e^-G - 1), which is accurate near 0, too. One sum is not fused: it crosses 0. */
VM float reel_erf_f32_(float x)
{
    const float a = fabsf(x), c = a > 3.95f ? 3.95f : a;
    const float c2 = c * c, p4 = N32(c2, -0x1.3b1032p-17f, N32(c, 0x1.f29b28p-14f, -0x1.4e3132p-11f));
    const float p2 =
        N32(c2, P2(c, -0x1.63aee6p-13f, 0x1.b74bc8p-10f) + c2 * p4, N32(c, -0x1.39b79ap-6f, 0x1.a4f8c2p-4f));
    const float p = N32(c2, p2, N32(c, 0x1.45f3p-1f, 0x1.06eba8p-3f));
    const float g = N32(p, c, c), magic = 0x1.8p23f + 127.0f, z = N32(g, -0x1.715476p+0f, magic), n = z - magic;
    const float q = reel_expm1_near_f32_(X32(n, -0x1.62e4p-1f, -g) - n * 0x1.7f7d1cp-20f);
    const float s = reel_from_bits_f32_(reel_bits_f32_(z) << 23);
    return reel_copysign_f32_(N32(-s, q, 1.0f - s), x);
}

/* ---- float, no fma ------------------------------------------------------------------------------------ */
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

/* ---- float: the normal distribution ------------------------------------------------------------------- */
/* |x|, at most 7 at the right and 14.5 at the left. Compared as integers: compilers take a select between a variable and a constant apart and
   compute all that follows twice. NaN counts as a number. */
VM float reel_normal_bound_f32_(float x)
{
    const int32_t right = 0x40e00000, left = 0x41680000;
    int32_t u = (int32_t)reel_bits_f32_(x);
    u = (u < right ? u : right) & 0x7fffffff;
    return reel_from_bits_f32_((uint32_t)(u < left ? u : left));
}
/* Right of 7 Phi(-x) is nothing beside x or 1, left of -14.5 it is 0: neither may underflow, which takes CPUs several times as long. */
#define NORMAL_SCALE(x) (0x1p-64f * (float)((x) >= -14.5f))
/* e^(-c c / 2) = 2^-64 s (1 + *q) for 0 <= c <= 14.5: s is returned */
VM float reel_normal_split_f32_(float c, float *q)
{
    const float b = 0.5f * c, h = b * c, low = X32(b, c, -h);
    const float magic = 0x1.8p23f + 191.0f, z = N32(h, -0x1.715476p+0f, magic), n = z - magic;
    *q = reel_expm1_near_f32_(X32(n, -0x1.62e4p-1f, -h) - (n * 0x1.7f7d1cp-20f + low));
    return reel_from_bits_f32_(reel_bits_f32_(z) << 23);
}
/* x Phi(x) = max(x, 0) - a Phi(-a) with a = |x|, and e^(a a / 2) a Phi(-a) = w / (sqrt(2 pi) w + D) with polynomials w and D, whose
   coefficients are all positive: accurate everywhere; far out, where w has lost most, it cancels. What the last sums and the
   quotient lose goes to e^r - 1. Some coefficients have few digits: see reel_fma_near_f32_. */
VM float reel_gelu_f32_(float x)
{
    const float c = reel_normal_bound_f32_(x);
    float q;
    const float s = reel_normal_split_f32_(c, &q);
    float w = N32(c, 0x1.3bb4d2p-8f, 0x1.7303c2p-5f);
    w = N32(w, c, 0x1.934da8p-3f);
    w = N32(w, c, 0x1.d3844p-2f);
    w = c * (c * w) + 0.5f * c;
    float d = N32(c, 0x1.4b192p-20f, 0x1.89d894p-7f);
    d = N32(d, c, 0x1.d5678ep-4f);
    d = N32(d, c, 0x1.d4ac9p-2f);
    const float k = 0x1.40d932p+1f, cd = c * d;
    d = 1.0f + X32(k, w, cd);
    const float r = 1.0f / d, v = w * r, lost = X32(k, w, 1.0f - d) + cd;
    const float rest = (X32(-v, d, w) - v * lost) * r;
    /* by bits: clang 14 makes a select of -0 and x that gives -0 at 0 */
    const uint32_t u = reel_bits_f32_(x), from = x < 0.0f ? u & 0x80000000u : u;
    return N32(-(v + F32(v, q, rest)) * s, NORMAL_SCALE(x), reel_from_bits_f32_(from));
}
/* Phi(x) + x phi(x) = 1 less the same of -x, which at -a is e^(-a a / 2) (k - a) (1 / sqrt(2 pi) + W / D): with its zero k = 0.75... in two
   parts it is accurate there, too. */
VM float reel_gelu_slope_f32_(float x)
{
    const float c = reel_normal_bound_f32_(x);
    float q;
    const float s = reel_normal_split_f32_(c, &q);
    float w = N32(c, 0x1.24e292p-7f, 0x1.11763cp-4f);
    w = N32(w, c, 0x1.a3387cp-3f);
    w = N32(w, c, 0x1.1085ep-2f);
    float d = N32(c, 0x1.e84da6p-6f, 0x1.eb0746p-3f);
    d = N32(d, c, 0x1.abbd4cp-1f);
    d = N32(d, c, 0x1.6ed3ap+0f);
    d = N32(d, c, 1.0f);
    const float v = w / d + 0x1.988454p-2f, f = (0x1.80ead2p-1f - c) - 0x1.a03fd4p-27f;
    const float g = v * f, y = (g + F32(g, q, X32(v, f, -g))) * s * NORMAL_SCALE(x);
    return x < 0.0f ? y : x == x ? 1.0f - y : x;
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
