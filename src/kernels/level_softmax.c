/* level_softmax.c: the loops of softmax, log-softmax and cross entropy for one ISA level. */
#include "core/dtype.h"
#include "kernels/half.h"
#include "kernels/isa.h"
#include "kernels/reduce.h"
#include "kernels/softmax.h"
#include "kernels/vmath.h"

#define T float
#define C float
#define NAME(f) f##_f32
#define LOAD(x) (x)
#define STORE(v) (v)
#define EXP(v) reel_exp_f32_(v)
#include "kernels/softmax_body.h"

#define T double
#define C double
#define NAME(f) f##_f64
#define LOAD(x) (x)
#define STORE(v) (v)
#define EXP(v) reel_exp_f64_(v)
#include "kernels/softmax_body.h"

#define T uint16_t
#define C float
#define NAME(f) f##_f16
#define LOAD(x) reel_widen_f16_(x)
#define STORE(v) reel_narrow_f16_(v)
#define EXP(v) reel_exp_f32_(v)
#include "kernels/softmax_body.h"

#define T uint16_t
#define C float
#define NAME(f) f##_bf16
#define LOAD(x) reel_bf16_to_f32_(x)
#define STORE(v) reel_f32_to_bf16_(v)
#define EXP(v) reel_exp_f32_(v)
#include "kernels/softmax_body.h"

extern const reel_softmax_table REEL_LEVELED(reel_softmax_table);
const reel_softmax_table REEL_LEVELED(reel_softmax_table) = {
    .rows = {[REEL_F32] = rows_f32, [REEL_F64] = rows_f64, [REEL_F16] = rows_f16, [REEL_BF16] = rows_bf16},
    .cols = {[REEL_F32] = cols_f32, [REEL_F64] = cols_f64, [REEL_F16] = cols_f16, [REEL_BF16] = cols_bf16},
    .loss = {[REEL_F32] = loss_f32, [REEL_F64] = loss_f64, [REEL_F16] = loss_f16, [REEL_BF16] = loss_bf16},
};
