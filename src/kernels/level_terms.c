/* level_terms.c: the loops of sums of |x| and x x, and of products, for one ISA level. */
#include "core/dtype.h"
#include "kernels/half.h"
#include "kernels/isa.h"
#include "kernels/reduce.h"
#include <math.h>

REEL_ALWAYS_INLINE double squared(double x)
{
    return x * x;
}

/* ---- |x| ------------------------------------------------------------------------------------------------ */
#define T float
#define NAME(f) f##_abs_f32
#define LOAD(x) fabsf(x)
#define STORE(v) ((float)(v))
#define TERMS 4
#include "kernels/reduce_sum.h"

#define T double
#define NAME(f) f##_abs_f64
#define LOAD(x) (fabs(x))
#define STORE(v) (v)
#define TERMS 1
#define COMPENSATED
#include "kernels/reduce_sum.h"

#define T uint16_t
#define NAME(f) f##_abs_f16
#define NARROW(x) reel_widen_f16_(x)
#define CALC(f) f##_abs_f32
#define STORE(v) reel_f64_to_f16_(v)
#define TERMS 4
#include "kernels/reduce_sum.h"

#define T uint16_t
#define NAME(f) f##_abs_bf16
#define NARROW(x) reel_widen_bf16_(x)
#define CALC(f) f##_abs_f32
#define STORE(v) reel_f64_to_bf16_(v)
#define TERMS 4
#include "kernels/reduce_sum.h"

/* ---- x x ------------------------------------------------------------------------------------------------ */
#define T float
#define NAME(f) f##_square_f32
#define LOAD(x) squared((double)(x))
#define STORE(v) ((float)(v))
#define TERMS 1
#include "kernels/reduce_sum.h"

#define T double
#define NAME(f) f##_square_f64
#define LOAD(x) squared(x)
#define STORE(v) (v)
#define TERMS 1
#define COMPENSATED
#include "kernels/reduce_sum.h"

#define T uint16_t
#define NAME(f) f##_square_f16
#define NARROW(x) reel_widen_f16_(x)
#define CALC(f) f##_square_f32
#define STORE(v) reel_f64_to_f16_(v)
#define TERMS 1
#include "kernels/reduce_sum.h"

#define T uint16_t
#define NAME(f) f##_square_bf16
#define NARROW(x) reel_widen_bf16_(x)
#define CALC(f) f##_square_f32
#define STORE(v) reel_f64_to_bf16_(v)
#define TERMS 1
#include "kernels/reduce_sum.h"

/* ---- products ------------------------------------------------------------------------------------------- */
#define PRODUCT
#define T float
#define NAME(f) f##_product_f32
#define LOAD(x) ((double)(x))
#define STORE(v) ((float)(v))
#define TERMS 1
#include "kernels/reduce_sum.h"

#define T double
#define NAME(f) f##_product_f64
#define LOAD(x) (x)
#define STORE(v) (v)
#define TERMS 1
#include "kernels/reduce_sum.h"

#define T uint16_t
#define NAME(f) f##_product_f16
#define NARROW(x) reel_widen_f16_(x)
#define CALC(f) f##_product_f32
#define STORE(v) reel_f64_to_f16_(v)
#define TERMS 1
#include "kernels/reduce_sum.h"

#define T uint16_t
#define NAME(f) f##_product_bf16
#define NARROW(x) reel_widen_bf16_(x)
#define CALC(f) f##_product_f32
#define STORE(v) reel_f64_to_bf16_(v)
#define TERMS 1
#include "kernels/reduce_sum.h"

#define PAIR(term)                                  \
    {                                               \
        .rows = {[REEL_F32] = rows_##term##_f32,    \
                 [REEL_F64] = rows_##term##_f64,    \
                 [REEL_F16] = rows_##term##_f16,    \
                 [REEL_BF16] = rows_##term##_bf16}, \
        .cols = {[REEL_F32] = cols_##term##_f32,    \
                 [REEL_F64] = cols_##term##_f64,    \
                 [REEL_F16] = cols_##term##_f16,    \
                 [REEL_BF16] = cols_##term##_bf16}, \
    }
extern const reel_reduce_terms REEL_LEVELED(reel_reduce_terms);
const reel_reduce_terms REEL_LEVELED(reel_reduce_terms) = {
    .abs = PAIR(abs), .square = PAIR(square), .product = PAIR(product)};
