/* half.h: f16 and bf16 in kernels: blocks are widened to float, computed there and rounded once. */
#ifndef REEL_KERNELS_HALF_H
#define REEL_KERNELS_HALF_H
#include "core/dtype.h"
#include "kernels/vmath.h"

/* reel_f32_to_f16_ without branches: its bits, but it vectorises. */
REEL_ALWAYS_INLINE uint16_t reel_narrow_f16_(float f)
{
    const uint32_t all = reel_bits_f32_(f), sign = (all >> 16) & 0x8000u, u = all & 0x7fffffffu;
    const uint32_t nan = 0x7e00u | ((u >> 13) & 0x3ffu);
    const uint32_t large = u > 0x7f800000u ? nan : 0x7c00u;
    const uint32_t small = reel_bits_f32_(reel_from_bits_f32_(u) + 0.5f) - 0x3f000000u;
    const uint32_t normal = (u + 0xfffu + ((u >> 13) & 1u) - 0x38000000u) >> 13;
    const uint32_t r = u < 0x38800000u ? small : normal;
    return (uint16_t)(sign | (u >= 0x47800000u ? large : r));
}
REEL_ALWAYS_INLINE float reel_widen_f16_(uint16_t h)
{
    return reel_f16_to_f32_(h);
}
REEL_ALWAYS_INLINE float reel_widen_bf16_(uint16_t h)
{
    return reel_bf16_to_f32_(h);
}
REEL_ALWAYS_INLINE uint16_t reel_narrow_bf16_(float f)
{
    return reel_f32_to_bf16_(f);
}
#endif
