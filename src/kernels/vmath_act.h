/* vmath_act.h: silu, mish, gelu by tanh, and the slopes that their derivatives need. Far left of 0 all of them run into the
   subnormals, where e^x alone has lost digits that x e^x still has: float and double go by 2^64 e^x, or float by way of double. */
#ifndef REEL_KERNELS_VMATH_ACT_H
#define REEL_KERNELS_VMATH_ACT_H
#include "kernels/vmath_log.h"

/* x sigmoid(u) and its slope for a u(x) of x's sign that is -u at -x, from e^-|u| = 2^-64 s (1 + q): x sigmoid(u) = x - x sigmoid(-u),
   and the slope is 1 less that of -x. c: |x|, cut where the result at -c is 0; slope: c times the derivative of u. */
VM float reel_gated_f32_(float x, float c, float s, float q)
{
    const float t = s * 0x1p-64f, e = t + t * q, d = 1.0f + e, lost = e - (d - 1.0f);
    const float y = (c + c * (q - lost)) / d * s * 0x1p-64f;
    return x >= 0.0f ? x - y : -y;
}
VM float reel_gated_slope_f32_(float x, float slope, float s, float q)
{
    const float t = s * 0x1p-64f, e = t + t * q, w = ((1.0f - slope) + e) / (1.0f + e * (2.0f + e));
    const float y = (w + w * q) * s * 0x1p-64f;
    return x < 0.0f ? y : 1.0f - y;
}
VM float reel_silu_f32_(float x)
{
    const float a = fabsf(x), c = a > 120.0f ? 120.0f : a;
    float q;
    const float s = reel_exp_split_f32_(c, &q);
    return reel_gated_f32_(x, c, s, q);
}
VM double reel_silu_f64_(double x)
{
    const double c = x < -1000.0 ? -1000.0 : x, s = reel_exp_scaled_f64_(-fabs(c), 0.0, 64), e = s * 0x1p-64;
    const double left = c * s / (1.0 + e) * 0x1p-64, right = c / (1.0 + e);
    return c < 0.0 ? left : right;
}
/* sigmoid(x) (1 + x (1 - sigmoid(x))) */
VM float reel_silu_slope_f32_(float x)
{
    const float a = fabsf(x), c = a > 120.0f ? 120.0f : a;
    float q;
    const float s = reel_exp_split_f32_(c, &q);
    return reel_gated_slope_f32_(x, c, s, q);
}
VM double reel_silu_slope_f64_(double x)
{
    const double c = x < -1000.0 ? -1000.0 : x > 1000.0 ? 1000.0 : x, e = reel_exp_f64_(-fabs(c)), q = 1.0 / (1.0 + e);
    const double s = c < 0.0 ? e * q : q, other = c < 0.0 ? q : e * q;
    return s * (1.0 + c * other);
}
/* x tanh(ln(1 + e^x)) = x n / (n + 2) with n = e^x (e^x + 2) */
VM float reel_mish_f32_(float x)
{
    const double c = x < -1000.0f ? -1000.0 : (double)x, e = reel_exp_short_(c > 40.0 ? 40.0 : c), n = e * (e + 2.0);
    return (float)(c * (n / (n + 2.0)));
}
VM double reel_mish_f64_(double x)
{
    const double c = x < -1000.0 ? -1000.0 : x, s = reel_exp_scaled_f64_(c > 40.0 ? 40.0 : c, 0.0, 64), e = s * 0x1p-64;
    const double right = e * (e + 2.0), left = c * (s * (e + 2.0) / F64(e, e + 2.0, 2.0)) * 0x1p-64;
    return c < 0.0 ? left : c * (right / (right + 2.0));
}
/* t + x sigmoid(x) (1 - t t) with t = tanh(ln(1 + e^x)) = n / (n + 2): 1 - t t = 4 (n + 1) / (n + 2)^2, n + 1 = (1 + e)^2 */
VM float reel_mish_slope_f32_(float x)
{
    const double c = x < -1000.0f ? -1000.0 : x > 40.0f ? 40.0 : (double)x, e = reel_exp_short_(c), n = e * (e + 2.0);
    const double q = 1.0 / (n + 2.0);
    return (float)(q * (n + c * (4.0 * e * (1.0 + e)) * q));
}
VM double reel_mish_slope_f64_(double x)
{
    const double c = x < -1000.0 ? -1000.0 : x > 40.0 ? 40.0 : x, e = reel_exp_f64_(c), n = e * (e + 2.0);
    const double q = 1.0 / (n + 2.0);
    return q * (n + c * (4.0 * e * (1.0 + e)) * q);
}
/* x sigmoid(u), u = 2 sqrt(2 / pi) (x + 0.044715 x^3). e^-u feels every digit of u: float reduces it in double. */
VM float reel_gelu_tanh_split_f32_(float c, float *q, float *slope)
{
    const double d = (double)c, v = 0x1.9884533d43651p+0 * d, u = v + v * (0.044715 * d * d);
    const float magic = 0x1.8p23f + 191.0f, z = magic - (float)u * 0x1.715476p+0f;
    *slope = (float)(3.0 * u - 2.0 * v); /* c times the derivative of u */
    *q = reel_expm1_plain_f32_((float)(-u - (double)(z - magic) * 0x1.62e42fefa39efp-1));
    return reel_from_bits_f32_(reel_bits_f32_(z) << 23);
}
VM float reel_gelu_tanh_f32_(float x)
{
    const float a = fabsf(x), c = a > 11.0f ? 11.0f : a;
    float q, slope;
    const float s = reel_gelu_tanh_split_f32_(c, &q, &slope);
    return reel_gated_f32_(x, c, s, q);
}
VM double reel_gelu_tanh_f64_(double x)
{
    /* e^(-2|u|) feels every digit of u: products and sum to twice the precision */
    const double c = x < -100.0 ? -100.0 : x, a = fabs(c) > 100.0 ? 100.0 : fabs(c), k = 0x1.9884533d43651p+0,
                 q = 0.044715;
    const double z = a * a, z_low = F64(a, a, -z), p = q * z,
                 p_low = F64(q, z, -p) + (q * z_low + 0x1.441355475a31ap-59 * z);
    const double w = 1.0 + p, w_low = (p > 1.0 ? (p - w) + 1.0 : (1.0 - w) + p) + p_low;
    const double v = a * w, v_low = F64(a, w, -v) + a * w_low, u = k * v;
    const double u_low = F64(k, v, -u) + (k * v_low - 0x1.cbc0d30ebfd15p-54 * v);
    const double s = reel_exp_scaled_f64_(-u, -u_low, 64), e = s * 0x1p-64;
    const double left = c * s / (1.0 + e) * 0x1p-64, right = x / (1.0 + e);
    return x < 0.0 ? left : right;
}
VM float reel_gelu_tanh_slope_f32_(float x)
{
    const float a = fabsf(x), c = a > 11.0f ? 11.0f : a;
    float q, slope;
    const float s = reel_gelu_tanh_split_f32_(c, &q, &slope);
    return reel_gated_slope_f32_(x, slope, s, q);
}
/* s + x s (1 - s) 2 u' with s = sigmoid(2 u), u' = sqrt(2 / pi) (1 + 3 0.044715 x^2) */
VM double reel_gelu_tanh_slope_f64_(double x)
{
    const double d = x < -100.0  ? -100.0
                     : x > 100.0 ? 100.0
                                 : x,
                 z = d * d, u = 0x1.9884533d43651p+0 * d * (1.0 + 0.044715 * z);
    const double e = reel_exp_f64_(-fabs(u)), q = 1.0 / (1.0 + e), s = d < 0.0 ? e * q : q;
    return s + d * (e * q * q) * (0x1.9884533d43651p+0 * (1.0 + 0.134145 * z));
}
#endif
