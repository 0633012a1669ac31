/* level_reduce.c: the loops of sum, mean, max, min and their arg for one ISA level. */
#include "core/dtype.h"
#include "kernels/half.h"
#include "kernels/isa.h"
#include "kernels/reduce.h"

#define T float
#define NAME(f) f##_f32
#define LOAD(x) (x)
#define STORE(v) ((float)(v))
#define TERMS 4
#include "kernels/reduce_sum.h"

#define T double
#define NAME(f) f##_f64
#define LOAD(x) (x)
#define STORE(v) (v)
#define TERMS 1
#define COMPENSATED
#include "kernels/reduce_sum.h"

#define T uint16_t
#define NAME(f) f##_f16
#define NARROW(x) reel_widen_f16_(x)
#define CALC(f) f##_f32
#define STORE(v) reel_f64_to_f16_(v)
#define TERMS 4
#include "kernels/reduce_sum.h"

#define T uint16_t
#define NAME(f) f##_bf16
#define NARROW(x) reel_widen_bf16_(x)
#define CALC(f) f##_f32
#define STORE(v) reel_f64_to_bf16_(v)
#define TERMS 4
#include "kernels/reduce_sum.h"

#define SAME(k) (k)
/* -0 has the key -1 */
#define FLOAT_ZERO(k) ((k) == -1 ? 0 : (k))

#define T float
#define K int32_t
#define NAME(f) f##_k_f32
#define BITS uint32_t
#define KEY(x) reel_key_f32_(x, flip)
#define UNKEY(k) reel_unkey_f32_(k, flip)
#define ZERO_KEY(k) FLOAT_ZERO(k)
#include "kernels/reduce_int.h"

#define T double
#define K int64_t
#define NAME(f) f##_k_f64
#define BITS uint64_t
#define KEY(x) reel_key_f64_(x, flip)
#define UNKEY(k) reel_unkey_f64_(k, flip)
#define ZERO_KEY(k) FLOAT_ZERO(k)
#include "kernels/reduce_int.h"

#define T uint16_t
#define K int16_t
#define NAME(f) f##_k_f16
#define KEY(x) reel_key_16_(x, 0x7c00, flip)
#define UNKEY(k) reel_unkey_16_(k, 0x7e00, flip)
#define ZERO_KEY(k) ((int16_t)FLOAT_ZERO(k))
#include "kernels/reduce_int.h"

#define T uint16_t
#define K int16_t
#define NAME(f) f##_k_bf16
#define KEY(x) reel_key_16_(x, 0x7f80, flip)
#define UNKEY(k) reel_unkey_16_(k, 0x7fc0, flip)
#define ZERO_KEY(k) ((int16_t)FLOAT_ZERO(k))
#include "kernels/reduce_int.h"

#define T int8_t
#define K int8_t
#define NAME(f) f##_i8
#define KEY(x) ((K)((x) ^ flip))
#define UNKEY(k) ((T)((k) ^ flip))
#define ZERO_KEY SAME
#define SUM_T int8_t
#include "kernels/reduce_int.h"

#define T uint8_t
#define K uint8_t
#define NAME(f) f##_u8
#define KEY(x) ((K)((x) ^ flip))
#define UNKEY(k) ((T)((k) ^ flip))
#define ZERO_KEY SAME
#define SUM_T uint8_t
#include "kernels/reduce_int.h"

#define T int32_t
#define K int32_t
#define NAME(f) f##_i32
#define KEY(x) ((K)((x) ^ flip))
#define UNKEY(k) ((T)((k) ^ flip))
#define ZERO_KEY SAME
#define SUM_T int32_t
#include "kernels/reduce_int.h"

#define T int64_t
#define K int64_t
#define NAME(f) f##_i64
#define KEY(x) ((K)((x) ^ flip))
#define UNKEY(k) ((T)((k) ^ flip))
#define ZERO_KEY SAME
#define SUM_T int64_t
#include "kernels/reduce_int.h"

extern const reel_reduce_table REEL_LEVELED(reel_reduce_table);
const reel_reduce_table REEL_LEVELED(reel_reduce_table) = {
    .sum_rows = {[REEL_F32] = rows_f32,
                 [REEL_F64] = rows_f64,
                 [REEL_F16] = rows_f16,
                 [REEL_BF16] = rows_bf16,
                 [REEL_I8] = sum_rows_i8,
                 [REEL_U8] = sum_rows_u8,
                 [REEL_I32] = sum_rows_i32,
                 [REEL_I64] = sum_rows_i64},
    .sum_cols = {[REEL_F32] = cols_f32,
                 [REEL_F64] = cols_f64,
                 [REEL_F16] = cols_f16,
                 [REEL_BF16] = cols_bf16,
                 [REEL_I8] = sum_cols_i8,
                 [REEL_U8] = sum_cols_u8,
                 [REEL_I32] = sum_cols_i32,
                 [REEL_I64] = sum_cols_i64},
    .max_rows = {[REEL_F32] = max_rows_k_f32,
                 [REEL_F64] = max_rows_k_f64,
                 [REEL_F16] = max_rows_k_f16,
                 [REEL_BF16] = max_rows_k_bf16,
                 [REEL_I8] = max_rows_i8,
                 [REEL_U8] = max_rows_u8,
                 [REEL_I32] = max_rows_i32,
                 [REEL_I64] = max_rows_i64,
                 [REEL_BOOL] = max_rows_u8},
    .max_cols = {[REEL_F32] = max_cols_k_f32,
                 [REEL_F64] = max_cols_k_f64,
                 [REEL_F16] = max_cols_k_f16,
                 [REEL_BF16] = max_cols_k_bf16,
                 [REEL_I8] = max_cols_i8,
                 [REEL_U8] = max_cols_u8,
                 [REEL_I32] = max_cols_i32,
                 [REEL_I64] = max_cols_i64,
                 [REEL_BOOL] = max_cols_u8},
    .argmax_rows = {[REEL_F32] = argmax_rows_k_f32,
                    [REEL_F64] = argmax_rows_k_f64,
                    [REEL_F16] = argmax_rows_k_f16,
                    [REEL_BF16] = argmax_rows_k_bf16,
                    [REEL_I8] = argmax_rows_i8,
                    [REEL_U8] = argmax_rows_u8,
                    [REEL_I32] = argmax_rows_i32,
                    [REEL_I64] = argmax_rows_i64,
                    [REEL_BOOL] = argmax_rows_u8},
    .argmax_cols = {[REEL_F32] = argmax_cols_k_f32,
                    [REEL_F64] = argmax_cols_k_f64,
                    [REEL_F16] = argmax_cols_k_f16,
                    [REEL_BF16] = argmax_cols_k_bf16,
                    [REEL_I8] = argmax_cols_i8,
                    [REEL_U8] = argmax_cols_u8,
                    [REEL_I32] = argmax_cols_i32,
                    [REEL_I64] = argmax_cols_i64,
                    [REEL_BOOL] = argmax_cols_u8},
};
