/* level_norm.c: the loops of normalisation and its gradient for one ISA level. */
#include <math.h>
#include <string.h>
#include "core/dtype.h"
#include "kernels/half.h"
#include "kernels/isa.h"
#include "kernels/norm.h"

#define T float
#define C float
#define S float
#define NAME(f) f##_f32
#define LOAD(x) (x)
#define STORE(v) (v)
#define SAME 1
#include "kernels/norm_body.h"

#define T double
#define C double
#define S double
#define NAME(f) f##_f64
#define LOAD(x) (x)
#define STORE(v) (v)
#define SAME 1
#include "kernels/norm_body.h"

#define T uint16_t
#define C float
#define S float
#define NAME(f) f##_f16
#define LOAD(x) reel_widen_f16_(x)
#define STORE(v) reel_narrow_f16_(v)
#define SAME 0
#include "kernels/norm_body.h"

#define T uint16_t
#define C float
#define S float
#define NAME(f) f##_bf16
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
