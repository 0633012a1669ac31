/* quantize.c: quantize, fake_quantize, block_expand, block_sum. */
#include <string.h>
#include "core/dtype.h"
#include "kernels/half.h"
#include "kernels/kernels.h"
#include "kernels/loop.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "reel/tensor.h"

enum { GRAIN = 16384 };

/* ---- quantize and fake_quantize ------------------------------------------------------------------------------ */
/* To the nearest integer, halves to even, without a branch; NaN gives 0. Beyond 2^40 no integer of ours reaches. */
static inline double nearest(double v)
{
    v = v == v ? v : 0;
    v = v > 0x1p40 ? 0x1p40 : v;
    v = v < -0x1p40 ? -0x1p40 : v;
    return (v + 0x1.8p52) - 0x1.8p52;
}
#define QUANTIZE(NAME, T, LOAD, Q, LOW, HIGH)                                             \
    static void NAME(void *const *ptr, const uint8_t *step, int64_t n, const void *extra) \
    {                                                                                     \
        const T *x = ptr[0], *s = ptr[1];                                                 \
        const Q *z = ptr[2];                                                              \
        Q *y = ptr[3];                                                                    \
        (void)extra;                                                                      \
        for (int64_t i = 0; i < n; i++) {                                                 \
            double v = nearest((double)(LOAD(x[i * step[0]]) / LOAD(s[i * step[1]])));    \
            v += (double)z[i * step[2]];                                                  \
            v = v < LOW ? LOW : v;                                                        \
            y[i] = (Q)(v > HIGH ? HIGH : v);                                              \
        }                                                                                 \
    }
#define SAME(v) (v)
#define QUANTIZE_TO(T, NAME, LOAD)                         \
    QUANTIZE(to_i8_##NAME, T, LOAD, int8_t, -128.0, 127.0) \
    QUANTIZE(to_u8_##NAME, T, LOAD, uint8_t, 0.0, 255.0)   \
    QUANTIZE(to_i32_##NAME, T, LOAD, int32_t, -2147483648.0, 2147483647.0)
QUANTIZE_TO(float, f32, SAME)
QUANTIZE_TO(double, f64, SAME)
QUANTIZE_TO(uint16_t, f16, reel_widen_f16_)
QUANTIZE_TO(uint16_t, bf16, reel_widen_bf16_)

typedef struct quantize_plan {
    reel_loop loop;
    reel_attr_range range;
} quantize_plan;
_Static_assert(sizeof(quantize_plan) <= REEL_PLAN_STACK, "a cheap kernel's plan lives on the stack");

static int quantize_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
#define TO(d)                                                                 \
    {                                                                         \
        [REEL_I8] = to_i8_##d, [REEL_U8] = to_u8_##d, [REEL_I32] = to_i32_##d \
    }
    static reel_inner_fn *const fn[REEL_N_DTYPES][REEL_N_DTYPES] = {
        [REEL_F32] = TO(f32), [REEL_F64] = TO(f64), [REEL_F16] = TO(f16), [REEL_BF16] = TO(bf16)};
    quantize_plan *p = plan;
    (void)workspace;
    reel_loop_init_(&p->loop, sig, fn[sig->in[0].dtype][sig->out[0].dtype], GRAIN, true);
    return 0;
}

static int quantize_run(const void *plan, void *const *ptr, void *work)
{
    const quantize_plan *p = plan;
    (void)work;
    reel_loop_run_(&p->loop, ptr, &p->range);
    return 0;
}
const reel_kernel reel_k_quantize_ = {
    .plan_size = sizeof(quantize_plan), .flags = REEL_K_CHEAP, .prepare = quantize_prepare, .run = quantize_run};

/* Unlike quantize, NaN and what lies beyond any integer stay what they are. */
static inline double nearest_or_same(double v)
{
    return v > -0x1p51 && v < 0x1p51 ? (v + 0x1.8p52) - 0x1.8p52 : v;
}
#define FAKE(NAME, T, LOAD, STORE)                                                                  \
    static void NAME(void *const *ptr, const uint8_t *step, int64_t n, const void *extra)           \
    {                                                                                               \
        const reel_attr_range *r = extra;                                                           \
        const T *x = ptr[0], *s = ptr[1], *z = ptr[2];                                              \
        T *y = ptr[3];                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                           \
            const double scale = (double)LOAD(s[i * step[1]]), zero = (double)LOAD(z[i * step[2]]); \
            double v = nearest_or_same((double)LOAD(x[i * step[0]]) / scale) + zero;                \
            v = v < r->low ? r->low : v;                                                            \
            v = ((v > r->high ? r->high : v) - zero) * scale;                                       \
            y[i] = STORE(v == v ? v : (double)__builtin_nanf(""));                                  \
        }                                                                                           \
    }
#define TO_F32(v) ((float)(v))
FAKE(fake_f32, float, SAME, TO_F32)
FAKE(fake_f64, double, SAME, SAME)
FAKE(fake_f16, uint16_t, reel_widen_f16_, reel_f64_to_f16_)
FAKE(fake_bf16, uint16_t, reel_widen_bf16_, reel_f64_to_bf16_)

static int fake_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    static reel_inner_fn *const fn[REEL_N_DTYPES] = {
        [REEL_F32] = fake_f32, [REEL_F64] = fake_f64, [REEL_F16] = fake_f16, [REEL_BF16] = fake_bf16};
    quantize_plan *p = plan;
    (void)workspace;
    p->range = *(const reel_attr_range *)sig->attr;
    reel_loop_init_(&p->loop, sig, fn[sig->in[0].dtype], GRAIN, true);
    return 0;
}
const reel_kernel reel_k_fake_quantize_ = {
    .plan_size = sizeof(quantize_plan), .flags = REEL_K_CHEAP, .prepare = fake_prepare, .run = quantize_run};

/* ---- block_expand, block_sum: the larger one in C order ---------------------------------------------------------- */
typedef struct block_plan {
    bool sum;
    reel_dtype dtype;
    int rank, axis;
    int64_t block, n;
    int64_t dims[REEL_MAX_RANK], strides[REEL_MAX_RANK]; /* of the output; strides: of the input against it */
    int64_t in_dim;                                      /* sum: the input's size along axis */
} block_plan;
_Static_assert(sizeof(block_plan) <= REEL_PLAN_STACK, "a cheap kernel's plan lives on the stack");

static int block_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_attr_block *a = sig->attr;
    const reel_kview *x = &sig->in[0], *y = &sig->out[0];
    block_plan *p = plan;
    (void)workspace;
    memset(p, 0, sizeof *p);
    p->sum = sig->op->id == REEL_OP_block_sum;
    p->dtype = x->dtype;
    p->rank = y->rank;
    p->axis = (int)a->axis;
    p->block = a->block;
    p->n = 1;
    p->in_dim = x->dims[p->axis];
    for (int k = 0; k < y->rank; k++) {
        p->dims[k] = y->dims[k];
        p->strides[k] = x->strides[k];
        p->n *= y->dims[k];
    }
    return 0;
}

static int block_run(const void *plan, void *const *ptr, void *work)
{
    const block_plan *p = plan;
    const int64_t size = (int64_t)reel_size_(p->dtype);
    int64_t at[REEL_MAX_RANK] = {0};
    const char *x = ptr[0];
    char *y = ptr[2];
    (void)work;
    for (int64_t i = 0; i < p->n; i++, y += size) {
        int64_t off = 0;
        for (int k = 0; k < p->rank; k++)
            if (k != p->axis) off += at[k] * p->strides[k];
        if (!p->sum) {
            memcpy(y, x + (off + at[p->axis] / p->block * p->strides[p->axis]) * size, (size_t)size);
        } else {
            double sum = 0;
            const int64_t first = at[p->axis] * p->block;
            const int64_t last = p->in_dim - first < p->block ? p->in_dim : first + p->block;
            for (int64_t j = first; j < last; j++)
                sum += reel_load_number_(x + (off + j * p->strides[p->axis]) * size, p->dtype);
            sum = sum == sum ? sum : (double)__builtin_nanf("");
            reel_convert_(y, p->dtype, 1, &sum, REEL_F64, 1, 1);
        }
        for (int k = p->rank - 1; k >= 0 && ++at[k] == p->dims[k]; k--) at[k] = 0;
    }
    return 0;
}
const reel_kernel reel_k_block_ = {
    .plan_size = sizeof(block_plan), .flags = REEL_K_CHEAP, .prepare = block_prepare, .run = block_run};
