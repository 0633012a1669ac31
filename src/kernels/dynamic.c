/* dynamic.c: kernels that count before they fill: nonzero and compress; and uncompress, which undoes the latter. Work is cut into
   blocks fixed by the shape; each block's count tells the next where to write. */
#include <string.h>
#include "core/dtype.h"
#include "core/error.h"
#include "core/pool.h"
#include "core/shape.h"
#include "kernels/kernels.h"
#include "ops/attrs.h"
#include "reel/tensor.h"

enum { BLOCK = 1 << 15 /* elements of a block */ };

static size_t round64(size_t n)
{
    return (n + 63) & ~(size_t)63;
}

/* An operand that is packed into the workspace unless it is dense. */
typedef struct packed {
    reel_dtype dtype;
    int rank;
    bool dense;
    size_t at;
    int64_t count, dims[REEL_MAX_RANK], strides[REEL_MAX_RANK];
} packed;

static void plan_packed(packed *p, const reel_kview *v, size_t *workspace)
{
    reel_shape s = {.rank = v->rank};
    memcpy(s.dims, v->dims, (size_t)v->rank * sizeof *v->dims);
    *p =
        (packed){.dtype = v->dtype, .rank = v->rank, .dense = reel_is_dense_(&s, v->strides), .count = reel_count_(&s)};
    memcpy(p->dims, s.dims, sizeof s.dims);
    memcpy(p->strides, v->strides, (size_t)v->rank * sizeof *v->strides);
    p->at = *workspace;
    if (!p->dense) *workspace += round64((size_t)p->count * reel_size_(v->dtype));
}

static const void *pack(const packed *p, void *data, void *work)
{
    if (p->dense) return data;
    const reel_kview v = {.dtype = p->dtype, .rank = p->rank, .dims = p->dims, .strides = p->strides, .data = data};
    reel_pack_((char *)work + p->at, &v);
    return (char *)work + p->at;
}

static const void *packed_at(const packed *p, void *data, void *work)
{
    return p->dense ? data : (char *)work + p->at;
}

/* ---- counting -------------------------------------------------------------------------------------- */

#define COUNT(bytes, T, mask)                                            \
    case bytes: {                                                        \
        const T *v = x;                                                  \
        for (int64_t i = first; i < end; i++) n += (v[i] & (mask)) != 0; \
        return n;                                                        \
    }
/* How many of elements first to end are not zero: a float is zero if nothing but its sign bit is set. */
static int64_t count_range(const void *x, reel_dtype d, int64_t first, int64_t end)
{
    const bool f = reel_is_float_(d);
    int64_t n = 0;
    switch (reel_size_(d)) {
        COUNT(1, uint8_t, 0xffu)
        COUNT(2, uint16_t, f ? 0x7fffu : 0xffffu)
        COUNT(4, uint32_t, f ? 0x7fffffffu : 0xffffffffu)
        COUNT(8, uint64_t, f ? UINT64_MAX >> 1 : UINT64_MAX)
    default: return 0;
    }
}

static bool is_set(const void *x, reel_dtype d, int64_t i)
{
    return count_range(x, d, i, i + 1) != 0;
}

typedef struct counting {
    const void *x;
    reel_dtype dtype;
    int64_t n;
    int64_t *blocks;
} counting;

static void count_blocks(void *arg, int64_t begin, int64_t end)
{
    const counting *c = arg;
    for (int64_t b = begin; b < end; b++) {
        const int64_t first = b * BLOCK, last = first + BLOCK < c->n ? first + BLOCK : c->n;
        c->blocks[b] = count_range(c->x, c->dtype, first, last);
    }
}

static int64_t n_blocks(int64_t n)
{
    return (n + BLOCK - 1) / BLOCK;
}

/* blocks[b] becomes where block b begins to write; the total. */
static int64_t count_all(counting *c)
{
    const int64_t nb = n_blocks(c->n);
    int64_t sum = 0;
    if (nb > 1)
        reel_parallel_for(nb, 2, count_blocks, c);
    else
        count_blocks(c, 0, nb);
    for (int64_t b = 0; b < nb; b++) {
        const int64_t n = c->blocks[b];
        c->blocks[b] = sum;
        sum += n;
    }
    return sum;
}

/* ---- nonzero --------------------------------------------------------------------------------------- */

typedef struct nonzero_plan {
    packed x;
    size_t blocks;
} nonzero_plan;

static int nonzero_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    nonzero_plan *p = plan;
    plan_packed(&p->x, &sig->in[0], workspace);
    p->blocks = *workspace;
    *workspace += (size_t)(n_blocks(p->x.count) + 1) * sizeof(int64_t);
    return 0;
}

static int nonzero_count(const void *plan, void *const *ptr, void *work, int64_t *n)
{
    const nonzero_plan *p = plan;
    counting c = {pack(&p->x, ptr[0], work), p->x.dtype, p->x.count, (int64_t *)(void *)((char *)work + p->blocks)};
    *n = count_all(&c);
    return 0;
}

typedef struct nonzero_job {
    const packed *p;
    const void *x;
    const int64_t *blocks;
    int64_t *out;
} nonzero_job;

static void nonzero_blocks(void *arg, int64_t begin, int64_t end)
{
    const nonzero_job *j = arg;
    const packed *p = j->p;
    for (int64_t b = begin; b < end; b++) {
        const int64_t first = b * BLOCK, last = first + BLOCK < p->count ? first + BLOCK : p->count;
        int64_t *out = j->out + j->blocks[b] * p->rank, at[REEL_MAX_RANK], rest = first;
        for (int k = p->rank - 1; k >= 0; k--) {
            at[k] = rest % p->dims[k];
            rest /= p->dims[k];
        }
        for (int64_t i = first; i < last; i++) {
            if (is_set(j->x, p->dtype, i))
                for (int k = 0; k < p->rank; k++) *out++ = at[k];
            for (int k = p->rank - 1; k >= 0 && ++at[k] == p->dims[k]; k--) at[k] = 0;
        }
    }
}

static int nonzero_run(const void *plan, void *const *ptr, void *work)
{
    const nonzero_plan *p = plan;
    nonzero_job j = {&p->x, packed_at(&p->x, ptr[0], work), (int64_t *)(void *)((char *)work + p->blocks), ptr[1]};
    const int64_t nb = n_blocks(p->x.count);
    if (nb > 1)
        reel_parallel_for(nb, 1, nonzero_blocks, &j);
    else
        nonzero_blocks(&j, 0, nb);
    return 0;
}

/* ---- compress and uncompress ----------------------------------------------------------------------- */

/* x as [outer, dim, inner bytes]; the condition has n entries, n <= dim. */
typedef struct compress_plan {
    packed x, cond;
    int64_t outer, dim, n, inner;
    size_t blocks, total;
} compress_plan;

static void plan_axis(compress_plan *p, const reel_kview *whole, int axis)
{
    if (axis < 0) axis += whole->rank;
    p->outer = 1;
    p->inner = (int64_t)reel_size_(whole->dtype);
    p->dim = whole->dims[axis];
    for (int i = 0; i < axis; i++) p->outer *= whole->dims[i];
    for (int i = axis + 1; i < whole->rank; i++) p->inner *= whole->dims[i];
}

static void plan_counts(compress_plan *p, const reel_kview *cond, size_t *workspace)
{
    plan_packed(&p->cond, cond, workspace);
    p->n = p->cond.count;
    p->blocks = *workspace;
    *workspace += round64((size_t)(n_blocks(p->n) + 1) * sizeof(int64_t));
    p->total = *workspace;
    *workspace += sizeof(int64_t);
}

static int compress_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    compress_plan *p = plan;
    plan_axis(p, &sig->in[0], ((const reel_attr_axis *)sig->attr)->axis);
    plan_packed(&p->x, &sig->in[0], workspace);
    plan_counts(p, &sig->in[1], workspace);
    return 0;
}

static int64_t *work_at(void *work, size_t at)
{
    return (int64_t *)(void *)((char *)work + at);
}

static int compress_count(const void *plan, void *const *ptr, void *work, int64_t *n)
{
    const compress_plan *p = plan;
    counting c = {pack(&p->cond, ptr[1], work), REEL_BOOL, p->n, work_at(work, p->blocks)};
    *n = *work_at(work, p->total) = count_all(&c);
    (void)pack(&p->x, ptr[0], work);
    return 0;
}

typedef struct compress_job {
    const compress_plan *p;
    const uint8_t *cond;
    const int64_t *blocks;
    const char *from;
    char *to;
    int64_t total;
    bool back; /* uncompress: from the slices to the whole */
} compress_job;

#define PICK(bytes, T)                                                         \
    case bytes: {                                                              \
        T *const part_ = (T *)(void *)small, *const whole_ = (T *)(void *)big; \
        int64_t k = 0;                                                         \
        for (int64_t i = first; i < last; i++) {                               \
            if (!j->cond[i]) continue;                                         \
            if (j->back)                                                       \
                whole_[i] = part_[k++];                                        \
            else                                                               \
                part_[k++] = whole_[i];                                        \
        }                                                                      \
        break;                                                                 \
    }
static void compress_block(const compress_job *j, int64_t o, int64_t b)
{
    const compress_plan *p = j->p;
    const int64_t first = b * BLOCK, last = first + BLOCK < p->n ? first + BLOCK : p->n;
    char *whole = j->back ? j->to : (char *)(uintptr_t)j->from, *part = j->back ? (char *)(uintptr_t)j->from : j->to;
    char *big = whole + o * p->dim * p->inner, *small = part + (o * j->total + j->blocks[b]) * p->inner;
    switch (p->inner == (int64_t)reel_size_(p->x.dtype) ? p->inner : 0) {
        PICK(1, uint8_t)
        PICK(2, uint16_t)
        PICK(4, uint32_t)
        PICK(8, uint64_t)
    default:
        for (int64_t i = first; i < last; i++) {
            if (!j->cond[i]) continue;
            char *to = j->back ? big + i * p->inner : small;
            memcpy(to, j->back ? small : big + i * p->inner, (size_t)p->inner);
            small += p->inner;
        }
    }
}

static void compress_blocks(void *arg, int64_t begin, int64_t end)
{
    const compress_job *j = arg;
    const int64_t nb = n_blocks(j->p->n);
    for (int64_t i = begin; i < end; i++) compress_block(j, i / nb, i % nb);
}

static void move_slices(compress_job *j)
{
    const compress_plan *p = j->p;
    const int64_t pieces = p->outer * n_blocks(p->n), size = (p->n < BLOCK ? p->n : BLOCK) * p->inner + 1;
    const int64_t grain = (1 << 16) / size + 1;
    if (pieces > grain)
        reel_parallel_for(pieces, grain, compress_blocks, j);
    else
        compress_blocks(j, 0, pieces);
}

static int compress_run(const void *plan, void *const *ptr, void *work)
{
    const compress_plan *p = plan;
    compress_job j = {.p = p,
                      .cond = packed_at(&p->cond, ptr[1], work),
                      .blocks = work_at(work, p->blocks),
                      .from = packed_at(&p->x, ptr[0], work),
                      .to = ptr[2],
                      .total = *work_at(work, p->total)};
    move_slices(&j);
    return 0;
}

/* g, like, cond: the packed operand x is g */
static int uncompress_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    compress_plan *p = plan;
    plan_axis(p, &sig->out[0], ((const reel_attr_axis *)sig->attr)->axis);
    plan_packed(&p->x, &sig->in[0], workspace);
    plan_counts(p, &sig->in[2], workspace);
    return 0;
}

static int uncompress_run(const void *plan, void *const *ptr, void *work)
{
    const compress_plan *p = plan;
    counting c = {pack(&p->cond, ptr[2], work), REEL_BOOL, p->n, work_at(work, p->blocks)};
    compress_job j = {.p = p, .cond = c.x, .blocks = c.blocks, .to = ptr[3], .back = true};
    j.total = count_all(&c);
    const int64_t slice = p->outer * p->inner / (int64_t)reel_size_(p->x.dtype);
    if (slice * j.total != p->x.count)
        return reel_fail(REEL_ESHAPE, "the condition holds %lld times, g has %lld slices", (long long)j.total,
                         (long long)(slice ? p->x.count / slice : 0));
    j.from = pack(&p->x, ptr[0], work);
    memset(j.to, 0, (size_t)(p->outer * p->dim * p->inner));
    move_slices(&j);
    return 0;
}

const reel_counting_kernel reel_k_nonzero_ = {.kernel = {.plan_size = sizeof(nonzero_plan),
                                                         .flags = REEL_K_CHEAP,
                                                         .prepare = nonzero_prepare,
                                                         .run = nonzero_run},
                                              .count = nonzero_count};
const reel_counting_kernel reel_k_compress_ = {.kernel = {.plan_size = sizeof(compress_plan),
                                                          .flags = REEL_K_CHEAP,
                                                          .prepare = compress_prepare,
                                                          .run = compress_run},
                                               .count = compress_count};
const reel_kernel reel_k_uncompress_ = {
    .plan_size = sizeof(compress_plan), .flags = REEL_K_CHEAP, .prepare = uncompress_prepare, .run = uncompress_run};
_Static_assert(sizeof(compress_plan) <= REEL_PLAN_STACK, "a cheap kernel's plan lives on the stack");
