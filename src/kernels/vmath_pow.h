/* vmath_pow.h: pow, the logarithm to twice the precision that it needs, and log2 and log10 of doubles by it. */
#ifndef REEL_KERNELS_VMATH_POW_H
#define REEL_KERNELS_VMATH_POW_H
#include "kernels/vmath_log.h"

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
/* With the constants in two parts what is exact comes out exact: log2 of 2^k, log10 of 10^k. */
VM double reel_log2_f64_(double x)
{
    double low;
    const double l = reel_log_double_(x, &low), c = 0x1.71547652b82fep+0, p = l * c;
    return reel_log_special_f64_(x, p + (F64(l, c, -p) + F64(l, 0x1.777d0ffda0d24p-56, low * c)));
}
VM double reel_log10_f64_(double x)
{
    double low;
    const double l = reel_log_double_(x, &low), c = 0x1.bcb7b1526e50ep-2, p = l * c;
    return reel_log_special_f64_(x, p + (F64(l, c, -p) + F64(l, 0x1.95355baaafad3p-57, low * c)));
}
#endif
