/* vmath_base.h: bits, sums and products that round once, rounding, and what the other vmath headers are built from. They are
   included by vmath.h, in this order. */
#ifndef REEL_KERNELS_VMATH_BASE_H
#define REEL_KERNELS_VMATH_BASE_H
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "core/compiler.h"

#define VM REEL_ALWAYS_INLINE
#define F32 reel_fma_f32_
#define F64 reel_fma_f64_
#define N32 reel_fma_near_f32_
#define X32 reel_fma_exact_f32_
#define P2 reel_poly2_
#define P4 reel_poly4_
#define LN2_HI 0x1.62e42ffp-1 /* 33 bits: times an exponent it is exact */
#define LN2_LO -0x1.718432a1b0e26p-35

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
    const uint64_t most = ~(uint64_t)0 >> 1, u = reel_bits_f64_(s), v = reel_bits_f64_(err);
    const uint64_t inexact = ((v & most) + most) >> 63,
                   down = ((u ^ v) >> 63) & inexact; /* down: err points towards zero */
    const double odd = reel_from_bits_f64_((u - down) | inexact);
    return (float)(err == err ? odd : s); /* infinite or NaN */
}
/* fmaf, a third of the work, where |a b| < 8 |c| and |a b + c| >= |a b| / 4, or c is 0. For each of c's last bits that are 0 |a b| may be
   twice as large. The product keeps 27 bits and one that says whether there are more: the sum is exact, or a b is far below half a
   unit of c, and no boundary between two floats lies between the product and what is kept of it. */
VM float reel_fma_near_f32_(float a, float b, float c)
{
    const uint64_t rest = 0x1ffffff, u = reel_bits_f64_((double)a * (double)b);
    return (float)(reel_from_bits_f64_((u | ((u & rest) + rest)) & ~rest) + (double)c);
}
/* fmaf where a b has 24 bits, or double holds a b + c exactly: where that is short, or a b is between a 16th and 2^28 times c. */
VM float reel_fma_exact_f32_(float a, float b, float c)
{
    return (float)((double)a * (double)b + (double)c);
}
#else
VM float reel_fma_f32_(float a, float b, float c)
{
    return fmaf(a, b, c);
}
VM float reel_fma_near_f32_(float a, float b, float c)
{
    return fmaf(a, b, c);
}
VM float reel_fma_exact_f32_(float a, float b, float c)
{
    return fmaf(a, b, c);
}
#endif
/* Polynomials of float: pairs of terms side by side, which takes half as long as Horner's one after the other; x2 = x x. */
VM float reel_poly2_(float x, float c0, float c1)
{
    return c0 + c1 * x;
}
VM float reel_poly4_(float x, float x2, float c0, float c1, float c2, float c3)
{
    return (c0 + c1 * x) + x2 * (c2 + c3 * x);
}
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
/* Exact, so libm's where there is no instruction. */
#define REEL_VM_EXACT(name, f32, f64)      \
    VM float reel_##name##_f32_(float x)   \
    {                                      \
        return f32(x);                     \
    }                                      \
    VM double reel_##name##_f64_(double x) \
    {                                      \
        return f64(x);                     \
    }
REEL_VM_EXACT(floor, floorf, floor)
REEL_VM_EXACT(ceil, ceilf, ceil)
REEL_VM_EXACT(trunc, truncf, trunc)
REEL_VM_EXACT(round, rintf, rint) /* half to even */
#undef REEL_VM_EXACT
#endif
