/* segment.c: sums, products and extrema of segments: rows are put in order of segments by counting, then each segment's are
   joined in their order. Floats run in double, f64 sums compensated. */
#include <math.h>
#include "core/dtype.h"
#include "core/error.h"
#include "core/shape.h"
#include "kernels/copy.h"
#include "kernels/kernels.h"
#include "kernels/reduce.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "reel/tensor.h"

enum { REEL_SEGMENT_COLS = 64, SEGMENT_WORK = 1 << 14 };

#define T float
#define A double
#define NAME(f) f##_f32
#define LOAD(x) ((double)(x))
#define STORE(v) ((float)reel_quiet_(v))
#define LOWEST (-(double)INFINITY)
#define HIGHEST (double)INFINITY
#define COMPENSATED 0
#define ADD(a, b) ((a) + (b))
#define MUL(a, b) ((a) * (b))
#include "kernels/segment_body.h"

#define T double
#define A double
#define NAME(f) f##_f64
#define LOAD(x) (x)
#define STORE(v) reel_quiet_(v)
#define LOWEST (-(double)INFINITY)
#define HIGHEST (double)INFINITY
#define COMPENSATED 1
#define ADD(a, b) ((a) + (b))
#define MUL(a, b) ((a) * (b))
#include "kernels/segment_body.h"

#define T uint16_t
#define A double
#define NAME(f) f##_f16
#define LOAD(x) ((double)reel_f16_to_f32_(x))
#define STORE(v) reel_f64_to_f16_(reel_quiet_(v))
#define LOWEST (-(double)INFINITY)
#define HIGHEST (double)INFINITY
#define COMPENSATED 0
#define ADD(a, b) ((a) + (b))
#define MUL(a, b) ((a) * (b))
#include "kernels/segment_body.h"

#define T uint16_t
#define A double
#define NAME(f) f##_bf16
#define LOAD(x) ((double)reel_bf16_to_f32_(x))
#define STORE(v) reel_f64_to_bf16_(reel_quiet_(v))
#define LOWEST (-(double)INFINITY)
#define HIGHEST (double)INFINITY
#define COMPENSATED 0
#define ADD(a, b) ((a) + (b))
#define MUL(a, b) ((a) * (b))
#include "kernels/segment_body.h"

#define T int8_t
#define A int64_t
#define NAME(f) f##_i8
#define LOAD(x) ((int64_t)(x))
#define STORE(v) ((int8_t)(v))
#define LOWEST INT8_MIN
#define HIGHEST INT8_MAX
#define COMPENSATED 0
#define ADD(a, b) ((int64_t)((uint64_t)(a) + (uint64_t)(b)))
#define MUL(a, b) ((int64_t)((uint64_t)(a) * (uint64_t)(b)))
#include "kernels/segment_body.h"

#define T uint8_t
#define A int64_t
#define NAME(f) f##_u8
#define LOAD(x) ((int64_t)(x))
#define STORE(v) ((uint8_t)(v))
#define LOWEST 0
#define HIGHEST UINT8_MAX
#define COMPENSATED 0
#define ADD(a, b) ((int64_t)((uint64_t)(a) + (uint64_t)(b)))
#define MUL(a, b) ((int64_t)((uint64_t)(a) * (uint64_t)(b)))
#include "kernels/segment_body.h"

#define T int32_t
#define A int64_t
#define NAME(f) f##_i32
#define LOAD(x) ((int64_t)(x))
#define STORE(v) ((int32_t)(v))
#define LOWEST INT32_MIN
#define HIGHEST INT32_MAX
#define COMPENSATED 0
#define ADD(a, b) ((int64_t)((uint64_t)(a) + (uint64_t)(b)))
#define MUL(a, b) ((int64_t)((uint64_t)(a) * (uint64_t)(b)))
#include "kernels/segment_body.h"

#define T int64_t
#define A int64_t
#define NAME(f) f##_i64
#define LOAD(x) ((int64_t)(x))
#define STORE(v) ((int64_t)(v))
#define LOWEST INT64_MIN
#define HIGHEST INT64_MAX
#define COMPENSATED 0
#define ADD(a, b) ((int64_t)((uint64_t)(a) + (uint64_t)(b)))
#define MUL(a, b) ((int64_t)((uint64_t)(a) * (uint64_t)(b)))
#include "kernels/segment_body.h"

typedef void segment_fn(int kind, void *to, const void *x, const int64_t *rows, int64_t n, int64_t inner, int64_t w);
typedef struct segment_plan {
    segment_fn *fn;
    int kind;
    int64_t n, n_rows, inner, tiles, grain;
    size_t size, x_at; /* x_at: where a copy of x lies in the workspace */
    int64_t id_stride;
    reel_dtype id_dtype;
    bool pack;
    reel_copy_plan copy;
} segment_plan;

static int segment_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    static segment_fn *const fns[REEL_N_DTYPES] = {
        [REEL_F32] = reduce_f32, [REEL_F64] = reduce_f64, [REEL_F16] = reduce_f16, [REEL_BF16] = reduce_bf16,
        [REEL_I8] = reduce_i8,   [REEL_U8] = reduce_u8,   [REEL_I32] = reduce_i32, [REEL_I64] = reduce_i64};
    segment_plan *p = plan;
    const reel_kview *x = &sig->in[0], *ids = &sig->in[1];
    const reel_attr_bins *a = sig->attr;
    reel_shape s = {.rank = x->rank};
    memcpy(s.dims, x->dims, (size_t)x->rank * sizeof *x->dims);
    p->kind = sig->op->id;
    p->fn = fns[x->dtype];
    p->n = a->n;
    p->n_rows = x->dims[0];
    p->inner = 1;
    for (int k = 1; k < x->rank; k++) p->inner *= x->dims[k];
    p->tiles = (p->inner + REEL_SEGMENT_COLS - 1) / REEL_SEGMENT_COLS;
    const int64_t each = p->n ? p->n_rows / p->n + 1 : 1;
    const int64_t task = each * (p->inner < REEL_SEGMENT_COLS ? p->inner : REEL_SEGMENT_COLS);
    p->grain = task >= SEGMENT_WORK ? 1 : SEGMENT_WORK / (task + 1) + 1;
    p->size = reel_size_(x->dtype);
    p->id_stride = ids->strides[0];
    p->id_dtype = ids->dtype;
    p->x_at = ((size_t)(p->n + 1 + 2 * p->n_rows) * sizeof(int64_t) + 63) / 64 * 64;
    p->pack = !reel_is_dense_(&s, x->strides);
    if (p->pack) reel_copy_plan_(&p->copy, x->dtype, x->rank, x->dims, x->strides, 0);
    *workspace = p->x_at + (p->pack ? (size_t)reel_count_(&s) * p->size : 0);
    return 0;
}

typedef struct segment_job {
    const segment_plan *p;
    const char *x;
    char *out;
    const int64_t *begin, *rows;
} segment_job;

static void segment_some(void *arg, int64_t begin, int64_t end)
{
    const segment_job *j = arg;
    const segment_plan *p = j->p;
    for (int64_t t = begin; t < end; t++) {
        const int64_t s = t / p->tiles, col = (t - s * p->tiles) * REEL_SEGMENT_COLS;
        const int64_t w = p->inner - col < REEL_SEGMENT_COLS ? p->inner - col : REEL_SEGMENT_COLS;
        p->fn(p->kind, j->out + (s * p->inner + col) * (int64_t)p->size, j->x + col * (int64_t)p->size,
              j->rows + j->begin[s], j->begin[s + 1] - j->begin[s], p->inner, w);
    }
}

static int segment_run(const void *plan, void *const *ptr, void *work)
{
    const segment_plan *p = plan;
    int64_t *begin = work, *rows = begin + p->n + 1, *ids = rows + p->n_rows;
    reel_convert_(ids, REEL_I64, 1, ptr[1], p->id_dtype, p->id_stride, p->n_rows);
    memset(begin, 0, (size_t)(p->n + 1) * sizeof *begin);
    for (int64_t i = 0; i < p->n_rows; i++) {
        const int64_t id = ids[i];
        if (REEL_UNLIKELY(id < 0 || id >= p->n))
            return reel_fail(REEL_EARG, "id %lld at position %lld is out of range for %lld segments", (long long)id,
                             (long long)i, (long long)p->n);
        begin[id]++;
    }
    int64_t sum = 0;
    for (int64_t s = 0; s <= p->n;
         s++) { /* each segment's end, which putting the rows from the last makes its beginning */
        sum += s < p->n ? begin[s] : 0;
        begin[s] = sum;
    }
    for (int64_t i = p->n_rows - 1; i >= 0; i--) rows[--begin[ids[i]]] = i;
    segment_job j = {p, ptr[0], ptr[2], begin, rows};
    if (p->pack) {
        reel_copy_run_(&p->copy, (char *)work + p->x_at, ptr[0]);
        j.x = (char *)work + p->x_at;
    }
    const int64_t tasks = p->n * p->tiles;
    if (tasks <= p->grain)
        segment_some(&j, 0, tasks);
    else
        reel_parallel_for(tasks, p->grain, segment_some, &j);
    return 0;
}

const reel_kernel reel_k_segment_ = {
    .plan_size = sizeof(segment_plan), .flags = REEL_K_CHEAP, .prepare = segment_prepare, .run = segment_run};
_Static_assert(sizeof(segment_plan) <= REEL_PLAN_STACK, "a cheap kernel's plan lives on the stack");
