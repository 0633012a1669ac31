/* vmath_trig.h: sin, cos, tan with their arguments reduced exactly enough for every x, however large; asin, acos, atan, atan2. */
#ifndef REEL_KERNELS_VMATH_TRIG_H
#define REEL_KERNELS_VMATH_TRIG_H
#include "kernels/vmath_base.h"

#define PI_2 0x1.921fb54442d18p+0
#define PI_2_LO 0x1.1a62633145c07p-54

/* ---- float near 0, no fma: |x| <= 2^17 ------------------------------------------------------------------ */
/* x = n pi/2 + r, |r| <= 0.8: only the subtraction in double, pi/2 in two parts of which n times the first is exact */
VM bool reel_trig_near_f32_(float x)
{
    return fabsf(x) <= 0x1p17f;
}
VM double reel_trig_reduce_near_f32_(float x, uint32_t *n)
{
    const float magic = 0x1.8p23f, z = x * 0x1.45f306p-1f + magic;
    const double k = (double)(z - magic);
    *n = reel_bits_f32_(z); /* the low two bits count */
    return ((double)x - k * 0x1.921fb544p+0) - k * 0x1.0b4611a626331p-34;
}
/* sin(r + n pi/2) */
VM float reel_sin_of_f32_(float r, uint32_t n)
{
    const float z = r * r, z2 = z * z;
    const float s = r + r * z * P4(z, z2, -0x1.555556p-3f, 0x1.111172p-7f, -0x1.a05636p-13f, 0x1.7b20a6p-19f);
    const float c = (1.0f - 0.5f * z) + z2 * (P2(z, 0x1.555554p-5f, -0x1.6c10f6p-10f) + z2 * 0x1.9b0592p-16f);
    return reel_from_bits_f32_(reel_bits_f32_(n & 1u ? c : s) ^ ((n & 2u) << 30));
}
VM float reel_sin_near_f32_(float x)
{
    uint32_t n;
    const float r = (float)reel_trig_reduce_near_f32_(x, &n);
    return x == 0.0f ? x : reel_sin_of_f32_(r, n);
}
VM float reel_cos_near_f32_(float x)
{
    uint32_t n;
    const float r = (float)reel_trig_reduce_near_f32_(x, &n);
    return reel_sin_of_f32_(r, n + 1u);
}
VM float reel_tan_near_f32_(float x)
{
    uint32_t n;
    const double d = reel_trig_reduce_near_f32_(x, &n);
    const float r = (float)d, low = (float)(d - (double)r), z = r * r, z2 = z * z;
    const float p = P4(z, z2, 0x1.555564p-2f, 0x1.110c88p-3f, 0x1.bb0b9cp-5f, 0x1.5ab798p-6f) +
                    z2 * z2 * (P2(z, 0x1.6d77ap-7f, -0x1.4e34fcp-12f) + z2 * 0x1.2c2974p-8f);
    const float t = r + (r * z * p + (low + low * z));
    return x == 0.0f ? x : (n & 1u ? -1.0f : t) / (n & 1u ? t : 1.0f);
}
/* one division, and a polynomial on [0, tan(pi/8)] */
VM float reel_atan_f32_(float x)
{
    const float a = fabsf(x);
    const bool high = a > 0x1.3504f4p+1f, middle = a > 0x1.a8279ap-2f;
    const float over = high ? -1.0f : middle ? a - 1.0f : a, under = high ? a : middle ? a + 1.0f : 1.0f;
    const float base = high ? 0x1.921fb6p+0f : middle ? 0x1.921fb6p-1f : 0.0f;
    const float low = high ? -0x1.777a5cp-25f : middle ? -0x1.777a5cp-26f : 0.0f;
    const float t = over / under, z = t * t, z2 = z * z;
    const float p =
        P4(z, z2, -0x1.555554p-2f, 0x1.9995a8p-3f, -0x1.23f5ap-3f, 0x1.b52b58p-4f) + z2 * z2 * -0x1.00504ep-4f;
    return reel_copysign_f32_(base + (t + (t * z * p + low)), x);
}

/* ---- float by way of double, no fma ------------------------------------------------------------------ */
/* x = n pi/2 + r, |r| <= pi/4, by x 2/pi = n + t. A float is X 2^k with an integer X of 24 bits and, in each of five ranges, a k
   of its own, so that 2^k 2/pi counts only modulo 4: 111 bits of it in three parts, of which X times the first two is exact. */
VM double reel_trig_reduce_f32_(float x, uint64_t *n)
{
    const double d = (double)x, a = fabs(d), magic = 0x1.8p52;
    double scale = 1.0, c1 = 0x1.45f306ep-1, c2 = -0x1.b1bbeadp-32, c3 = -0x1.80f62a0b82b2dp-62;
    scale = a >= 0x1p40 ? 0x1p-17 : scale;
    c1 = a >= 0x1p40 ? -0x1.f246c7p-1 : c1;
    c2 = a >= 0x1p40 ? 0x1.054a7f1p-29 : c2;
    c3 = a >= 0x1p40 ? -0x1.8a82e0acb223fp-59 : c3;
    scale = a >= 0x1p66 ? 0x1p-43 : scale;
    c1 = a >= 0x1p66 ? -0x1.df56b02p+0 : c1;
    c2 = a >= 0x1p66 ? 0x1.3abe8fbp-32 : c2;
    c3 = a >= 0x1p66 ? -0x1.96447e493ad4dp-62 : c3;
    scale = a >= 0x1p92 ? 0x1p-69 : scale;
    c1 = a >= 0x1p92 ? -0x1.ec5417p-2 : c1;
    c2 = a >= 0x1p92 ? -0x1.596447ep-32 : c2;
    c3 = a >= 0x1p92 ? -0x1.24eb53361de38p-62 : c3;
    scale = a >= 0x1p118 ? 0x1p-95 : scale;
    c1 = a >= 0x1p118 ? 0x1.f534ddcp-1 : c1;
    c2 = a >= 0x1p118 ? 0x1.b6c52b3p-34 : c2;
    c3 = a >= 0x1p118 ? 0x1.3c439041fe516p-65 : c3;
    const double k = d * scale, p1 = k * c1, p2 = k * c2;
    const double z1 = p1 + magic, z2 = p2 + magic, f1 = p1 - (z1 - magic), f2 = p2 - (z2 - magic);
    const double z3 = (f1 + f2) + magic;
    *n = reel_bits_f64_(z1) + reel_bits_f64_(z2) + reel_bits_f64_(z3); /* the low two bits count */
    return (((f1 - (z3 - magic)) + f2) + k * c3) * PI_2;
}
VM double reel_sin_core_short_(double r)
{
    const double z = r * r;
    double p = z * 0x1.6cd0abac0a21dp-19 - 0x1.a00f79da40ed2p-13;
    p = p * z + 0x1.11110863dcc33p-7;
    p = p * z - 0x1.5555554c68ec4p-3;
    return r + r * z * p;
}
VM double reel_cos_core_short_(double r)
{
    const double z = r * r;
    double p = z * 0x1.9a01103eb410dp-16 - 0x1.6c0c878153639p-10;
    p = p * z + 0x1.55554aad7efd6p-5;
    return (1.0 - 0.5 * z) + z * z * p;
}
/* sin(r + n pi/2) */
VM double reel_sin_of_short_(double r, uint64_t n)
{
    const double y = n & 1u ? reel_cos_core_short_(r) : reel_sin_core_short_(r);
    return reel_from_bits_f64_(reel_bits_f64_(y) ^ ((n & 2u) << 62));
}
VM float reel_sin_f32_(float x)
{
    uint64_t n;
    const double r = reel_trig_reduce_f32_(x, &n);
    const float far = (float)reel_sin_of_short_(r, n), near = reel_sin_near_f32_(x);
    return reel_trig_near_f32_(x) ? near : far;
}
VM float reel_cos_f32_(float x)
{
    uint64_t n;
    const double r = reel_trig_reduce_f32_(x, &n);
    const float far = (float)reel_sin_of_short_(r, n + 1u), near = reel_cos_near_f32_(x);
    return reel_trig_near_f32_(x) ? near : far;
}
VM float reel_tan_f32_(float x)
{
    uint64_t n;
    const double r = reel_trig_reduce_f32_(x, &n), s = reel_sin_core_short_(r), c = reel_cos_core_short_(r);
    const float far = (float)(n & 1u ? -c / s : s / c), near = reel_tan_near_f32_(x);
    return reel_trig_near_f32_(x) ? near : far;
}
/* atan(y / x) for y, x >= 0, at most one of them infinite: one division, and a polynomial on [0, tan(pi/8)] */
VM double reel_atan_quotient_short_(double y, double x)
{
    const bool high = y > 0x1.3504f333f9de6p+1 * x, middle = y > 0x1.a827999fcef32p-2 * x;
    const double over = high ? -x : middle ? y - x : y, under = high ? y : middle ? y + x : x;
    const double base = high ? PI_2 : middle ? 0.5 * PI_2 : 0.0;
    const double t = ((over == 0.0) & (under == 0.0)) ? 0.0 : over / under, z = t * t;
    double p = z * 0x1.8474d20bbbf2ap-5 - 0x1.5b25ab1d103d6p-4;
    p = p * z + 0x1.c4623206b4696p-4;
    p = p * z - 0x1.247ec8afc536ap-3;
    p = p * z + 0x1.9999180ad57b1p-3;
    p = p * z - 0x1.555554c539f49p-2;
    return base + (t + t * z * p);
}
VM float reel_atan2_f32_(float y, float x)
{
    const double inf = (double)INFINITY, a = fabs((double)y), b = fabs((double)x);
    const bool both = a == inf && b == inf;
    const double r = reel_atan_quotient_short_(both ? 1.0 : a, both ? 1.0 : b);
    return reel_copysign_f32_((float)(reel_bits_f32_(x) >> 31 ? 2.0 * PI_2 - r : r), y);
}
/* asin of min(a, sqrt((1 - a) / 2)), which is at most 1/2; a > 1 gives NaN */
VM double reel_asin_core_short_(double a)
{
    const bool large = a > 0.5;
    const double z = large ? 0.5 * (1.0 - a) : a * a, s = large ? sqrt(z) : a;
    double p = z * 0x1.337035a070691p-5 + 0x1.d8d82e487ea3ap-7;
    p = p * z + 0x1.049614a29032cp-5;
    p = p * z + 0x1.6cae528220f67p-5;
    p = p * z + 0x1.33387fb15125fp-4;
    p = p * z + 0x1.55554c599bcbbp-3;
    return s + s * z * p;
}
VM float reel_asin_f32_(float x)
{
    const double a = fabs((double)x), w = reel_asin_core_short_(a);
    return reel_copysign_f32_((float)(a > 0.5 ? PI_2 - 2.0 * w : w), x);
}
VM float reel_acos_f32_(float x)
{
    const double d = (double)x, a = fabs(d), w = reel_asin_core_short_(a);
    const double large = d < 0.0 ? 2.0 * PI_2 - 2.0 * w : 2.0 * w;
    return (float)(a > 0.5 ? large : PI_2 - reel_copysign_f64_(w, d));
}

/* ---- double ------------------------------------------------------------------------------------------- */
/* Payne & Hanek 1983: x = m 2^e with an integer m; of 2/pi = 0.b1 b2 ... only the 192 bits from e - 1 on are multiplied: those
   before give multiples of 4, those behind less than 2^-76 of the result. */
static inline uint64_t reel_trig_high_product_(uint64_t a, uint64_t b)
{
    const uint64_t al = a & 0xffffffffu, ah = a >> 32, bl = b & 0xffffffffu, bh = b >> 32;
    const uint64_t ll = al * bl, lh = al * bh, hl = ah * bl;
    const uint64_t middle = (ll >> 32) + (lh & 0xffffffffu) + (hl & 0xffffffffu);
    return ah * bh + (lh >> 32) + (hl >> 32) + (middle >> 32);
}
static REEL_NOINLINE REEL_UNUSED uint64_t reel_trig_reduce_big_(double x, double *r, double *low)
{
    static const uint64_t two_over_pi[21] = {0,
                                             0xa2f9836e4e441529u,
                                             0xfc2757d1f534ddc0u,
                                             0xdb6295993c439041u,
                                             0xfe5163abdebbc561u,
                                             0xb7246e3a424dd2e0u,
                                             0x06492eea09d1921cu,
                                             0xfe1deb1cb129a73eu,
                                             0xe88235f52ebb4484u,
                                             0xe99c7026b45f7e41u,
                                             0x3991d639835339f4u,
                                             0x9c845f8bbdf9283bu,
                                             0x1ff897ffde05980fu,
                                             0xef2f118b5a0a6d1fu,
                                             0x6d367ecf27cb09b7u,
                                             0x4f463f669e5fea2du,
                                             0x7527bac7ebe5f17bu,
                                             0x3d0739f78a5292eau,
                                             0x6bfb5fb11f8d5d08u,
                                             0x56033046fc7b6babu,
                                             0xf0cfbc209af4361du};
    const uint64_t u = reel_bits_f64_(x), mask = ((uint64_t)1 << 52) - 1;
    if ((u << 1) >> 53 == 0x7ffu) {
        *r = *low = (double)NAN;
        return 0;
    }
    const uint64_t m = (u & mask) | (mask + 1);
    const int from = (int)((u >> 52) & 0x7ffu) - 1075 - 2 + 64; /* x >= 2^20; the table begins with a word of zeros */
    const int word = from / 64, shift = from % 64;
    uint64_t w[3];
    for (int i = 0; i < 3; i++) {
        const uint64_t a = two_over_pi[word + i], b = two_over_pi[word + i + 1];
        w[i] = shift ? a << shift | b >> (64 - shift) : a;
    }
    /* m times w as a fraction of 4 */
    const uint64_t low_carry = reel_trig_high_product_(m, w[2]), last = m * w[2];
    uint64_t mid = m * w[1] + low_carry;
    uint64_t h = m * w[0] + reel_trig_high_product_(m, w[1]) + (mid < low_carry);
    uint64_t n = h >> 62;
    h = h << 2 | mid >> 62;
    mid = mid << 2 | last >> 62;
    const uint64_t negative = h >> 63; /* the nearest integer is the one above */
    n += negative;
    if (negative) {
        h = ~h;
        mid = ~mid;
    }
    const int zeros = h ? REEL_CLZ64(h) : 64 + (mid ? REEL_CLZ64(mid) : 63);
    const uint64_t top = zeros >= 64 ? mid << (zeros - 64) : zeros ? h << zeros | mid >> (64 - zeros) : h;
    const uint64_t rest = zeros >= 64 ? 0 : mid << zeros;
    const double unit = reel_from_bits_f64_((uint64_t)(1023 - zeros) << 52);
    double t = (double)(top >> 11) * 0x1p-53 * unit,
           t_low = ((double)(top & 0x7ffu) * 0x1p-64 + (double)(rest >> 11) * 0x1p-117) * unit;
    if ((negative != 0) != (x < 0)) {
        t = -t;
        t_low = -t_low;
    }
    const double y = t * PI_2, y_low = F64(t, PI_2, -y) + F64(t, PI_2_LO, t_low * PI_2);
    *r = y + y_low;
    *low = (y - *r) + y_low;
    return x < 0 ? 0 - n : n;
}
/* x = n pi/2 + r + low: pi/2 in parts of 33, 33 and 53 bits, the first two of which times n < 2^20 are exact. */
VM bool reel_trig_near_f64_(double x)
{
    return fabs(x) < 0x1p20;
}
VM uint64_t reel_trig_reduce_near_f64_(double x, double *r, double *low)
{
    const double magic = 0x1.8p52;
    const double z = F64(x, 0x1.45f306dc9c883p-1, magic), n = z - magic;
    const double a = F64(-n, 0x1.921fb544p+0, x), b = n * 0x1.0b4611a6p-34;
    const double h = a - b, back = a - h, h_low = (a - (h + back)) + (back - b); /* the sum's error (Knuth) */
    const double c = F64(-n, 0x1.3198a2e037073p-69, h_low);
    *r = h + c;
    *low = (h - *r) + c;
    return reel_bits_f64_(z);
}
VM uint64_t reel_trig_reduce_f64_(double x, double *r, double *low)
{
    if (REEL_UNLIKELY(!reel_trig_near_f64_(x))) return reel_trig_reduce_big_(x, r, low);
    return reel_trig_reduce_near_f64_(x, r, low);
}
VM double reel_sin_core_f64_(double r, double low)
{
    const double z = r * r;
    double p = F64(z, 0x1.5d8ee48a82606p-33, -0x1.ae5e577943e61p-26);
    p = F64(p, z, 0x1.71de356404276p-19);
    p = F64(p, z, -0x1.a01a019bf9bb3p-13);
    p = F64(p, z, 0x1.111111110f7bp-7);
    p = F64(p, z, -0x1.5555555555548p-3);
    return r + F64(r * z, p, F64(-0.5 * z, low, low));
}
VM double reel_cos_core_f64_(double r, double low)
{
    const double z = r * r, h = 0.5 * z, w = 1.0 - h;
    double p = F64(z, -0x1.8fadd705928p-37, 0x1.1ee9ea7970535p-29);
    p = F64(p, z, -0x1.27e4f807e8b8dp-22);
    p = F64(p, z, 0x1.a01a019caf0d3p-16);
    p = F64(p, z, -0x1.6c16c16c15163p-10);
    p = F64(p, z, 0x1.555555555554cp-5);
    return w + (((1.0 - w) - h) + F64(z * z, p, -r * low));
}
VM double reel_sin_of_f64_(double r, double low, uint64_t n)
{
    const double y = n & 1u ? reel_cos_core_f64_(r, low) : reel_sin_core_f64_(r, low);
    return reel_from_bits_f64_(reel_bits_f64_(y) ^ ((n & 2u) << 62));
}
/* near: for |x| < 2^20, without a branch */
#define REEL_VM_TURNS(way, reduce)                                                   \
    VM double reel_sin##way##_f64_(double x)                                         \
    {                                                                                \
        double r, low;                                                               \
        const uint64_t n = reduce(x, &r, &low);                                      \
        return fabs(x) < 0x1p-27 ? x : reel_sin_of_f64_(r, low, n);                  \
    }                                                                                \
    VM double reel_cos##way##_f64_(double x)                                         \
    {                                                                                \
        double r, low;                                                               \
        const uint64_t n = reduce(x, &r, &low);                                      \
        return reel_sin_of_f64_(r, low, n + 1u);                                     \
    }                                                                                \
    VM double reel_tan##way##_f64_(double x)                                         \
    {                                                                                \
        double r, low;                                                               \
        const uint64_t n = reduce(x, &r, &low);                                      \
        const double s = reel_sin_core_f64_(r, low), c = reel_cos_core_f64_(r, low); \
        return fabs(x) < 0x1p-27 ? x : n & 1u ? -c / s : s / c;                      \
    }
REEL_VM_TURNS(_near, reel_trig_reduce_near_f64_)
REEL_VM_TURNS(, reel_trig_reduce_f64_)
#undef REEL_VM_TURNS
VM double reel_atan_quotient_f64_(double y, double x)
{
    const bool high = y > 0x1.3504f333f9de6p+1 * x, middle = y > 0x1.a827999fcef32p-2 * x;
    const double over = high ? -x : middle ? y - x : y, under = high ? y : middle ? y + x : x;
    const double base = high ? PI_2 : middle ? 0.5 * PI_2 : 0.0;
    const double base_low = high ? PI_2_LO : middle ? 0.5 * PI_2_LO : 0.0;
    const double t = ((over == 0.0) & (under == 0.0)) ? 0.0 : over / under, z = t * t;
    double p = F64(z, -0x1.251d0de7ebfebp-6, 0x1.37b247816ccb1p-5);
    p = F64(p, z, -0x1.9cc4c3c62b904p-5);
    p = F64(p, z, 0x1.df0c2c446b62p-5);
    p = F64(p, z, -0x1.10eb80d85ec89p-4);
    p = F64(p, z, 0x1.3b11142a222b7p-4);
    p = F64(p, z, -0x1.745cf893bfd73p-4);
    p = F64(p, z, 0x1.c71c70e374135p-4);
    p = F64(p, z, -0x1.24924922a65d6p-3);
    p = F64(p, z, 0x1.9999999995735p-3);
    p = F64(p, z, -0x1.555555555553cp-2);
    return base + (t + F64(t * z, p, base_low));
}
VM double reel_atan_f64_(double x)
{
    return reel_copysign_f64_(reel_atan_quotient_f64_(fabs(x), 1.0), x);
}
VM double reel_atan2_f64_(double y, double x)
{
    const double inf = (double)INFINITY;
    double a = fabs(y), b = fabs(x);
    const double most = a > b ? a : b, scale = most > 0x1p1000 ? 0x1p-100 : most < 0x1p-900 ? 0x1p100 : 1.0;
    const bool both = a == inf && b == inf;
    a = both ? 1.0 : a * scale;
    b = both ? 1.0 : b * scale;
    const double r = reel_atan_quotient_f64_(a, b);
    const double turned = 2.0 * PI_2 - (r - 2.0 * PI_2_LO);
    return reel_copysign_f64_(reel_bits_f64_(x) >> 63 ? turned : r, y);
}
/* *low: what the square root lacks */
VM double reel_asin_core_f64_(double a, double *low)
{
    const bool large = a > 0.5;
    const double z = large ? 0.5 * (1.0 - a) : a * a, s = large ? sqrt(z) : a;
    double p = F64(z, 0x1.0b7c5d2bf613ep-5, -0x1.58a52a7b09874p-6);
    p = F64(p, z, 0x1.64103fab5fa16p-6);
    p = F64(p, z, 0x1.e4818bf8f93fep-9);
    p = F64(p, z, 0x1.615498751c804p-7);
    p = F64(p, z, 0x1.758158f16ee51p-7);
    p = F64(p, z, 0x1.ca200d88326p-7);
    p = F64(p, z, 0x1.1c49eb233996ap-6);
    p = F64(p, z, 0x1.6e8bdf293cf41p-6);
    p = F64(p, z, 0x1.f1c71a92660c5p-6);
    p = F64(p, z, 0x1.6db6db721929fp-5);
    p = F64(p, z, 0x1.333333332e09ep-4);
    p = F64(p, z, 0x1.5555555555577p-3);
    const double missing = large && s > 0.0 ? F64(-s, s, z) / (s + s) : 0.0;
    *low = F64(s * z, p, missing);
    return s;
}
VM double reel_asin_f64_(double x)
{
    double low;
    const double a = fabs(x), s = reel_asin_core_f64_(a, &low);
    return reel_copysign_f64_(a > 0.5 ? PI_2 - (2.0 * s + (2.0 * low - PI_2_LO)) : s + low, x);
}
VM double reel_acos_f64_(double x)
{
    double low;
    const double a = fabs(x), s = reel_asin_core_f64_(a, &low);
    const double large = x < 0.0 ? 2.0 * PI_2 - (2.0 * s + 2.0 * (low - PI_2_LO)) : 2.0 * (s + low);
    return a > 0.5 ? large : PI_2 - (reel_copysign_f64_(s, x) + (reel_copysign_f64_(low, x) - PI_2_LO));
}
#undef PI_2
#undef PI_2_LO
#endif
