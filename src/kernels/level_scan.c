/* level_scan.c: the loops of cumulative sums, products, extrema and log-sum-exps for one ISA level. */
#include "core/dtype.h"
#include "kernels/half.h"
#include "kernels/isa.h"
#include "kernels/reduce.h"
#include "kernels/scan.h"
#include "kernels/vmath.h"

/* ln(e^a + e^b) */
REEL_ALWAYS_INLINE double reel_log_add_(double a, double b)
{
    const double high = a > b ? a : b, low = a > b ? b : a, d = a == b ? 0 : low - high;
    return high + reel_log1p_f64_(reel_exp_f64_(d));
}

#define FLOAT
#define T float
#define A double
#define NAME(f) f##_f32
#define LOAD(x) ((double)(x))
#define STORE(v) ((float)reel_quiet_(v))
#include "kernels/scan_body.h"

#define FLOAT
#define COMPENSATED
#define T double
#define A double
#define NAME(f) f##_f64
#define LOAD(x) (x)
#define STORE(v) reel_quiet_(v)
#include "kernels/scan_body.h"

#define FLOAT
#define T uint16_t
#define A double
#define NAME(f) f##_f16
#define LOAD(x) ((double)reel_widen_f16_(x))
#define STORE(v) reel_f64_to_f16_(reel_quiet_(v))
#include "kernels/scan_body.h"

#define FLOAT
#define T uint16_t
#define A double
#define NAME(f) f##_bf16
#define LOAD(x) ((double)reel_widen_bf16_(x))
#define STORE(v) reel_f64_to_bf16_(reel_quiet_(v))
#include "kernels/scan_body.h"

#define T int8_t
#define A int64_t
#define NAME(f) f##_i8
#define LOAD(x) ((int64_t)(x))
#define STORE(v) ((int8_t)(v))
#define LOWEST INT8_MIN
#define HIGHEST INT8_MAX
#include "kernels/scan_body.h"

#define T uint8_t
#define A int64_t
#define NAME(f) f##_u8
#define LOAD(x) ((int64_t)(x))
#define STORE(v) ((uint8_t)(v))
#define LOWEST 0
#define HIGHEST UINT8_MAX
#include "kernels/scan_body.h"

#define T int32_t
#define A int64_t
#define NAME(f) f##_i32
#define LOAD(x) ((int64_t)(x))
#define STORE(v) ((int32_t)(v))
#define LOWEST INT32_MIN
#define HIGHEST INT32_MAX
#include "kernels/scan_body.h"

#define T int64_t
#define A int64_t
#define NAME(f) f##_i64
#define LOAD(x) ((int64_t)(x))
#define STORE(v) ((int64_t)(v))
#define LOWEST INT64_MIN
#define HIGHEST INT64_MAX
#include "kernels/scan_body.h"

#define FLOATS(name) \
    [REEL_F32] = name##_f32, [REEL_F64] = name##_f64, [REEL_F16] = name##_f16, [REEL_BF16] = name##_bf16
#define NUMBERS(name) \
    FLOATS(name), [REEL_I8] = name##_i8, [REEL_U8] = name##_u8, [REEL_I32] = name##_i32, [REEL_I64] = name##_i64
extern const reel_scan_table REEL_LEVELED(reel_scan_table);
const reel_scan_table REEL_LEVELED(reel_scan_table) = {{[REEL_SCAN_SUM] = {NUMBERS(sum)},
                                                        [REEL_SCAN_PROD] = {NUMBERS(prod)},
                                                        [REEL_SCAN_MAX] = {NUMBERS(max)},
                                                        [REEL_SCAN_MIN] = {NUMBERS(min)},
                                                        [REEL_SCAN_EXPS] = {FLOATS(exps)},
                                                        [REEL_SCAN_LINEAR] = {FLOATS(linear)}}};
