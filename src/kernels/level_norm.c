/* level_norm.c: the loops of normalisation and its gradient for one ISA level. */
#include <math.h>
#include <string.h>
#include "core/dtype.h"
#include "kernels/half.h"
#include "kernels/isa.h"
#include "kernels/norm.h"

/* Adds up a chunk as reduce.h says: four terms of a lane as C, then as double. V: a macro of the element's number. */
#define LANES_BEGIN(acc)        \
    double acc[REEL_RED_LANES]; \
    for (int l = 0; l < REEL_RED_LANES; l++) acc[l] = 0
#define LANES_ADD(acc, n, V)                                                                                           \
    do {                                                                                                               \
        enum { L_ = REEL_RED_LANES };                                                                                  \
        int64_t at_ = 0;                                                                                               \
        for (; at_ + 4 * L_ <= (n); at_ += 4 * L_)                                                                     \
            for (int l = 0; l < L_; l++)                                                                               \
                acc[l] += (double)((V(at_ + l) + V(at_ + L_ + l)) + (V(at_ + 2 * L_ + l) + V(at_ + 3 * L_ + l)));      \
        if (at_ < (n)) {                                                                                               \
            C t_[4 * L_];                                                                                              \
            for (int l = 0; l < 4 * L_; l++) t_[l] = -(C)0;                                                            \
            for (int64_t j_ = 0; j_ < 4 * L_ && at_ + j_ < (n); j_++) t_[j_] = V(at_ + j_);                            \
            for (int l = 0; l < L_; l++) acc[l] += (double)((t_[l] + t_[L_ + l]) + (t_[2 * L_ + l] + t_[3 * L_ + l])); \
        }                                                                                                              \
    } while (0)
#define HAT(v, u) ((((v) - (u).mean) - (u).rest) * (u).rate)

/* LANES_ADD for columns; V: a macro of row and column */
#define COLUMNS_ADD(acc, n, V)                                                                     \
    for (int64_t at_ = 0; at_ < (n); at_ += 4 * REEL_RED_LANES)                                    \
        for (int64_t l_ = 0; l_ < REEL_RED_LANES && at_ + l_ < (n); l_++) {                        \
            C four_[4][REEL_NORM_COLS];                                                            \
            for (int64_t k_ = 0, i_ = at_ + l_; k_ < 4; k_++, i_ += REEL_RED_LANES)                \
                if (i_ < (n))                                                                      \
                    for (int j = 0; j < REEL_NORM_COLS; j++) four_[k_][j] = V(i_, j);              \
                else                                                                               \
                    for (int j = 0; j < REEL_NORM_COLS; j++) four_[k_][j] = -(C)0;                 \
            for (int j = 0; j < REEL_NORM_COLS; j++)                                               \
                acc[l_][j] += (double)((four_[0][j] + four_[1][j]) + (four_[2][j] + four_[3][j])); \
        }

#define C float
#define CALC(f) f##_in_f32
#include "kernels/norm_chunk.h"

#define C double
#define CALC(f) f##_in_f64
#include "kernels/norm_chunk.h"

#define T float
#define C float
#define S float
#define NAME(f) f##_f32
#define CALC(f) f##_in_f32
#define LOAD(x) (x)
#define STORE(v) (v)
#define SAME 1
#include "kernels/norm_body.h"

#define T double
#define C double
#define S double
#define NAME(f) f##_f64
#define CALC(f) f##_in_f64
#define LOAD(x) (x)
#define STORE(v) (v)
#define SAME 1
#include "kernels/norm_body.h"

#define T uint16_t
#define C float
#define S float
#define NAME(f) f##_f16
#define CALC(f) f##_in_f32
#define LOAD(x) reel_widen_f16_(x)
#define STORE(v) reel_narrow_f16_(v)
#define SAME 0
#include "kernels/norm_body.h"

#define T uint16_t
#define C float
#define S float
#define NAME(f) f##_bf16
#define CALC(f) f##_in_f32
#define LOAD(x) reel_widen_bf16_(x)
#define STORE(v) reel_narrow_bf16_(v)
#define SAME 0
#include "kernels/norm_body.h"

extern const reel_norm_table REEL_LEVELED(reel_norm_table);
#define ALL(f)                                                                                   \
    {                                                                                            \
        [REEL_F32] = f##_f32, [REEL_F64] = f##_f64, [REEL_F16] = f##_f16, [REEL_BF16] = f##_bf16 \
    }
const reel_norm_table REEL_LEVELED(reel_norm_table) = {
    .rows = ALL(rows), .cols = ALL(cols), .back_rows = ALL(back_rows), .back_cols = ALL(back_cols)};
