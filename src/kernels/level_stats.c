/* level_stats.c: the loops of variance, log-sum-exp and counts for one ISA level. */
#include "core/dtype.h"
#include "kernels/half.h"
#include "kernels/isa.h"
#include "kernels/reduce.h"
#include "kernels/vmath.h"

/* e^(x - from) is finite for every x <= m; where m is infinite no difference would be a number. */
#define reel_exps_from_(m) ((m) - (m) == 0 ? (m) : 0)

#define VARIANCE
#define T float
#define C double
#define NAME(f) f##_var_f32
#define LOAD(x) (x)
#define STORE(v) ((float)(v))
#include "kernels/reduce_stat.h"

#define VARIANCE
#define T double
#define C double
#define NAME(f) f##_var_f64
#define LOAD(x) (x)
#define STORE(v) (v)
#include "kernels/reduce_stat.h"

#define VARIANCE
#define T uint16_t
#define C double
#define NAME(f) f##_var_f16
#define LOAD(x) reel_widen_f16_(x)
#define STORE(v) reel_f64_to_f16_(v)
#include "kernels/reduce_stat.h"

#define VARIANCE
#define T uint16_t
#define C double
#define NAME(f) f##_var_bf16
#define LOAD(x) reel_widen_bf16_(x)
#define STORE(v) reel_f64_to_bf16_(v)
#include "kernels/reduce_stat.h"

#define T float
#define C float
#define NAME(f) f##_exps_f32
#define LOAD(x) (x)
#define STORE(v) ((float)(v))
#define EXP(v) reel_exp_f32_(v)
#include "kernels/reduce_stat.h"

#define T double
#define C double
#define NAME(f) f##_exps_f64
#define LOAD(x) (x)
#define STORE(v) (v)
#define EXP(v) reel_exp_f64_(v)
#include "kernels/reduce_stat.h"

#define T uint16_t
#define C float
#define NAME(f) f##_exps_f16
#define LOAD(x) reel_widen_f16_(x)
#define STORE(v) reel_f64_to_f16_(v)
#define EXP(v) reel_exp_f32_(v)
#include "kernels/reduce_stat.h"

#define T uint16_t
#define C float
#define NAME(f) f##_exps_bf16
#define LOAD(x) reel_widen_bf16_(x)
#define STORE(v) reel_f64_to_bf16_(v)
#define EXP(v) reel_exp_f32_(v)
#include "kernels/reduce_stat.h"

#define T uint8_t
#define NAME(f) f##_1
#include "kernels/reduce_count.h"

#define T uint16_t
#define NAME(f) f##_2
#include "kernels/reduce_count.h"

#define T uint32_t
#define NAME(f) f##_4
#include "kernels/reduce_count.h"

#define T uint64_t
#define NAME(f) f##_8
#include "kernels/reduce_count.h"

#define PAIR(what)                                  \
    {                                               \
        .rows = {[REEL_F32] = rows_##what##_f32,    \
                 [REEL_F64] = rows_##what##_f64,    \
                 [REEL_F16] = rows_##what##_f16,    \
                 [REEL_BF16] = rows_##what##_bf16}, \
        .cols = {[REEL_F32] = cols_##what##_f32,    \
                 [REEL_F64] = cols_##what##_f64,    \
                 [REEL_F16] = cols_##what##_f16,    \
                 [REEL_BF16] = cols_##what##_bf16}, \
    }
extern const reel_reduce_stats REEL_LEVELED(reel_reduce_stats);
const reel_reduce_stats REEL_LEVELED(reel_reduce_stats) = {
    .variance = PAIR(var),
    .logsumexp = PAIR(exps),
    .count = {.rows = {[REEL_I8] = rows_1, [REEL_F16] = rows_2, [REEL_I32] = rows_4, [REEL_I64] = rows_8},
              .cols = {[REEL_I8] = cols_1, [REEL_F16] = cols_2, [REEL_I32] = cols_4, [REEL_I64] = cols_8}}};
