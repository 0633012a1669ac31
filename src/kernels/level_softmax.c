/* level_softmax.c: the loops of softmax, log-softmax, their gradients and cross entropy for one ISA level. */
#include "core/dtype.h"
#include "kernels/half.h"
#include "kernels/isa.h"
#include "kernels/reduce.h"
#include "kernels/softmax.h"
#include "kernels/vmath.h"

/* e^x of x <= 0 (up to 40 at least) to 1 unit in the last place, in fewer steps than reel_exp_f32_. The sum with the magic
   number rounds x / ln 2 to an integer n, whose bits plus 191 become the exponent of 2^(n + 64); the last factor rounds once
   into the subnormals. */
REEL_ALWAYS_INLINE float fall_f32(float x)
{
    const float magic = 0x1.8p23f + 191;
    const bool none = x < -104.0f; /* see reel_exp_f32_ */
    const float c = none ? 0.0f : x;
    const float z = reel_fma_f32_(c, 0x1.715476p+0f, magic), n = z - magic;
    const float r = reel_fma_f32_(n, -0x1.7f7d1cp-20f, reel_fma_f32_(n, -0x1.62e4p-1f, c));
    float p = reel_fma_f32_(r, 0x1.a1256cp-13f, 0x1.6d43bp-10f);
    p = reel_fma_f32_(p, r, 0x1.1110ep-7f);
    p = reel_fma_f32_(p, r, 0x1.5554e8p-5f);
    p = reel_fma_f32_(p, r, 0x1.555556p-3f);
    p = reel_fma_f32_(p, r, 0.5f);
    p = reel_fma_f32_(p, r, 1.0f);
    p = reel_fma_f32_(p, r, 1.0f);
    const float y = p * reel_from_bits_f32_(reel_bits_f32_(z) << 23) * 0x1p-64f;
    return none ? 0.0f : y;
}

#define C float
#define CALC(f) f##_in_f32
#define FALL(v) fall_f32(v)
#include "kernels/softmax_chunk.h"

#define C double
#define CALC(f) f##_in_f64
#define FALL(v) reel_exp_f64_(v)
#include "kernels/softmax_chunk.h"

#define T float
#define C float
#define SAME 1
#define NAME(f) f##_f32
#define CALC(f) f##_in_f32
#define LOAD(x) (x)
#define STORE(v) (v)
#define EXP(v) reel_exp_f32_(v)
#define FALL(v) fall_f32(v)
#include "kernels/softmax_body.h"

#define T double
#define C double
#define SAME 1
#define NAME(f) f##_f64
#define CALC(f) f##_in_f64
#define LOAD(x) (x)
#define STORE(v) (v)
#define EXP(v) reel_exp_f64_(v)
#define FALL(v) reel_exp_f64_(v)
#include "kernels/softmax_body.h"

#define T uint16_t
#define C float
#define SAME 0
#define NAME(f) f##_f16
#define CALC(f) f##_in_f32
#define LOAD(x) reel_widen_f16_(x)
#define STORE(v) reel_narrow_f16_(v)
#define EXP(v) reel_exp_f32_(v)
#define FALL(v) fall_f32(v)
#include "kernels/softmax_body.h"

#define T uint16_t
#define C float
#define SAME 0
#define NAME(f) f##_bf16
#define CALC(f) f##_in_f32
#define LOAD(x) reel_bf16_to_f32_(x)
#define STORE(v) reel_f32_to_bf16_(v)
#define EXP(v) reel_exp_f32_(v)
#define FALL(v) fall_f32(v)
#include "kernels/softmax_body.h"

extern const reel_softmax_table REEL_LEVELED(reel_softmax_table);
const reel_softmax_table REEL_LEVELED(reel_softmax_table) = {
    .rows = {[REEL_F32] = rows_f32, [REEL_F64] = rows_f64, [REEL_F16] = rows_f16, [REEL_BF16] = rows_bf16},
    .cols = {[REEL_F32] = cols_f32, [REEL_F64] = cols_f64, [REEL_F16] = cols_f16, [REEL_BF16] = cols_bf16},
    .back_rows = {[REEL_F32] = back_rows_f32,
                  [REEL_F64] = back_rows_f64,
                  [REEL_F16] = back_rows_f16,
                  [REEL_BF16] = back_rows_bf16},
    .back_cols = {[REEL_F32] = back_cols_f32,
                  [REEL_F64] = back_cols_f64,
                  [REEL_F16] = back_cols_f16,
                  [REEL_BF16] = back_cols_bf16},
    .loss = {[REEL_F32] = loss_f32, [REEL_F64] = loss_f64, [REEL_F16] = loss_f16, [REEL_BF16] = loss_bf16},
};
