/* level_cast.c: the casts that are worth vectors, compiled once for each ISA level; the others are reel_convert_'s. */
#include "kernels/elementwise.h"
#include "kernels/half.h"

#define SAME(x) (x)
#define FLAG(x) ((x) != 0)
#define TO_F32(x) ((float)(x))
#define TO_F64(x) ((double)(x))
#define BOOL(x) ((uint8_t)((x) != 0))
#define CAST(from, to, X, Y, WIDEN, NARROW)                                                      \
    static void from##_##to(void *const *ptr, const uint8_t *step, int64_t n, const void *extra) \
    {                                                                                            \
        const X *a = ptr[0];                                                                     \
        Y *o = ptr[1];                                                                           \
        (void)step, (void)extra;                                                                 \
        for (int64_t i = 0; i < n; i++) {                                                        \
            o[i] = NARROW(WIDEN(a[i]));                                                          \
        }                                                                                        \
    }
CAST(f32, f64, float, double, SAME, TO_F64)
CAST(f32, f16, float, uint16_t, SAME, reel_narrow_f16_)
CAST(f32, bf16, float, uint16_t, SAME, reel_narrow_bf16_)
CAST(f32, bool, float, uint8_t, SAME, BOOL)
CAST(f64, f32, double, float, SAME, TO_F32)
CAST(f64, bool, double, uint8_t, SAME, BOOL)
CAST(f16, f32, uint16_t, float, reel_widen_f16_, SAME)
CAST(f16, f64, uint16_t, double, reel_widen_f16_, TO_F64)
CAST(f16, bf16, uint16_t, uint16_t, reel_widen_f16_, reel_narrow_bf16_)
CAST(bf16, f32, uint16_t, float, reel_widen_bf16_, SAME)
CAST(bf16, f64, uint16_t, double, reel_widen_bf16_, TO_F64)
CAST(bf16, f16, uint16_t, uint16_t, reel_widen_bf16_, reel_narrow_f16_)
CAST(i8, f32, int8_t, float, SAME, TO_F32)
CAST(i8, f64, int8_t, double, SAME, TO_F64)
CAST(u8, f32, uint8_t, float, SAME, TO_F32)
CAST(u8, f64, uint8_t, double, SAME, TO_F64)
CAST(i32, f32, int32_t, float, SAME, TO_F32)
CAST(i32, f64, int32_t, double, SAME, TO_F64)
CAST(bool, f32, uint8_t, float, FLAG, TO_F32)
CAST(bool, f64, uint8_t, double, FLAG, TO_F64)

const reel_cast_table REEL_LEVELED(reel_cast_table) = {{
    [REEL_F32] = {[REEL_F64] = f32_f64, [REEL_F16] = f32_f16, [REEL_BF16] = f32_bf16, [REEL_BOOL] = f32_bool},
    [REEL_F64] = {[REEL_F32] = f64_f32, [REEL_BOOL] = f64_bool},
    [REEL_F16] = {[REEL_F32] = f16_f32, [REEL_F64] = f16_f64, [REEL_BF16] = f16_bf16},
    [REEL_BF16] = {[REEL_F32] = bf16_f32, [REEL_F64] = bf16_f64, [REEL_F16] = bf16_f16},
    [REEL_I8] = {[REEL_F32] = i8_f32, [REEL_F64] = i8_f64},
    [REEL_U8] = {[REEL_F32] = u8_f32, [REEL_F64] = u8_f64},
    [REEL_I32] = {[REEL_F32] = i32_f32, [REEL_F64] = i32_f64},
    [REEL_BOOL] = {[REEL_F32] = bool_f32, [REEL_F64] = bool_f64},
}};
