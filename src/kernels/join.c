/* join.c: concat, split's copying form and unslice: blocks copied between strided layouts. Exact, any element size. */
#include "core/alloc.h"
#include "core/dtype.h"
#include "core/shape.h"
#include "kernels/kernels.h"
#include "ops/attrs.h"
#include "reel/tensor.h"
#include <string.h>

enum { WORK = 1 << 16 /* elements a piece of parallel work */ };

/* One block: the same logical elements in two layouts. Outermost axis first, strides and offsets in bytes; axes that
   neighbour each other in both layouts are one. n >= 1; an empty block has dim[0] = 0. */
typedef struct block {
    int n;
    int64_t dim[REEL_MAX_RANK], to_stride[REEL_MAX_RANK], from_stride[REEL_MAX_RANK];
    int64_t to_offset, from_offset;
    int64_t inner; /* elements for one index of the outermost axis */
} block;

static void plan_block(block *b, int rank, const int64_t *dims, const int64_t *to, const int64_t *from, int64_t size)
{
    int64_t count = 1;
    b->n = 0;
    for (int k = 0; k < rank; k++) {
        count *= dims[k];
        if (dims[k] == 1) continue;
        const int last = b->n - 1;
        if (last >= 0 && b->to_stride[last] == to[k] * size * dims[k] &&
            b->from_stride[last] == from[k] * size * dims[k]) {
            b->dim[last] *= dims[k];
        } else {
            b->n++;
            b->dim[last + 1] = dims[k];
        }
        b->to_stride[b->n - 1] = to[k] * size;
        b->from_stride[b->n - 1] = from[k] * size;
    }
    if (b->n == 0 || count == 0) {
        b->n = 1;
        b->dim[0] = count;
        b->to_stride[0] = b->from_stride[0] = size;
    }
    b->inner = count ? count / b->dim[0] : 0;
}

#define COPY_RUN(bytes) \
    for (int64_t i = 0; i < n; i++) memcpy(to + i * ts, from + i * fs, bytes)
static void copy_run(char *REEL_RESTRICT to, const char *REEL_RESTRICT from, int64_t n, int64_t ts, int64_t fs,
                     int64_t size)
{
    if (ts == size && fs == size) {
        memcpy(to, from, (size_t)(n * size));
        return;
    }
    switch (size) {
    case 1: COPY_RUN(1); break;
    case 2: COPY_RUN(2); break;
    case 4: COPY_RUN(4); break;
    default: COPY_RUN(8); break;
    }
}

/* Indices [begin, end) of the outermost axis. */
static void copy_block(const block *b, char *to, const char *from, int64_t size, int64_t begin, int64_t end)
{
    const int last = b->n - 1;
    to += b->to_offset + begin * b->to_stride[0];
    from += b->from_offset + begin * b->from_stride[0];
    if (last == 0) {
        copy_run(to, from, end - begin, b->to_stride[0], b->from_stride[0], size);
        return;
    }
    int64_t at[REEL_MAX_RANK] = {0};
    at[0] = begin;
    while (at[0] < end) {
        copy_run(to, from, b->dim[last], b->to_stride[last], b->from_stride[last], size);
        int k = last - 1;
        for (;; k--) {
            at[k]++;
            to += b->to_stride[k];
            from += b->from_stride[k];
            if (k == 0 || at[k] < b->dim[k]) break;
            to -= b->dim[k] * b->to_stride[k];
            from -= b->dim[k] * b->from_stride[k];
            at[k] = 0;
        }
    }
}

typedef struct job {
    const block *b;
    char *to;
    const char *from;
    int64_t size;
} job;

static void copy_piece(void *arg, int64_t begin, int64_t end)
{
    const job *j = arg;
    copy_block(j->b, j->to, j->from, j->size, begin, end);
}

static void run_block(const block *b, void *to, const void *from, int64_t size)
{
    if (b->dim[0] == 0) return;
    const int64_t grain = b->inner >= WORK ? 1 : WORK / b->inner;
    if (b->dim[0] <= grain) {
        copy_block(b, to, from, size, 0, b->dim[0]);
    } else {
        job j = {b, to, from, size};
        reel_parallel_for(b->dim[0], grain, copy_piece, &j);
    }
}

/* concat: block i goes from input i to the output; split: from the input to output i. */
typedef struct join_plan {
    int64_t n, size;
    block *blocks;
} join_plan;

/* parts: the operands that lie side by side in whole along axis */
static int plan_join(join_plan *p, const reel_kview *whole, const reel_kview *parts, int n, int axis, bool join)
{
    p->n = n;
    p->size = (int64_t)reel_size_(whole->dtype);
    p->blocks = reel_alloc_array_((size_t)n, sizeof(block));
    if (!p->blocks) return REEL_ENOMEM;
    if (axis < 0) axis += whole->rank;
    int64_t start = 0;
    for (int i = 0; i < n; i++) {
        block *b = &p->blocks[i];
        const int64_t *in_whole = whole->strides, *in_part = parts[i].strides;
        plan_block(b, parts[i].rank, parts[i].dims, join ? in_whole : in_part, join ? in_part : in_whole, p->size);
        const int64_t offset = start * whole->strides[axis] * p->size;
        b->to_offset = join ? offset : 0;
        b->from_offset = join ? 0 : offset;
        start += parts[i].dims[axis];
    }
    return 0;
}

static int concat_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_attr_axis *a = sig->attr;
    (void)workspace;
    return plan_join(plan, &sig->out[0], sig->in, sig->n_in, a->axis, true);
}

static int split_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_attr_axis *a = sig->attr;
    (void)workspace;
    return plan_join(plan, &sig->in[0], sig->out, sig->n_out, a->axis, false);
}

static void join_drop(void *plan)
{
    join_plan *p = plan;
    reel_free_(p->blocks, (size_t)p->n * sizeof(block));
}

static int concat_run(const void *plan, void *const *ptr, void *work)
{
    const join_plan *p = plan;
    (void)work;
    for (int64_t i = 0; i < p->n; i++) run_block(&p->blocks[i], ptr[p->n], ptr[i], p->size);
    return 0;
}

static int split_run(const void *plan, void *const *ptr, void *work)
{
    const join_plan *p = plan;
    (void)work;
    for (int64_t i = 0; i < p->n; i++) run_block(&p->blocks[i], ptr[1 + i], ptr[0], p->size);
    return 0;
}

/* unslice: zeros, then one block */
typedef struct unslice_plan {
    int64_t size, bytes;
    int out; /* where the kernel finds its output */
    block b;
} unslice_plan;

static int unslice_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_attr_slice *a = sig->attr;
    const reel_kview *g = &sig->in[0], *y = &sig->out[0];
    unslice_plan *p = plan;
    int64_t to[REEL_MAX_RANK] = {0}, offset = 0;
    (void)workspace;
    p->size = p->bytes = (int64_t)reel_size_(y->dtype);
    p->out = sig->n_in;
    for (int k = 0; k < y->rank; k++) {
        int64_t first = 0, count, step = 1;
        if (k < a->n) reel_range_resolve_(a->r[k], y->dims[k], &first, &count, &step);
        offset += first * y->strides[k];
        to[k] = step * y->strides[k];
        p->bytes *= y->dims[k];
    }
    plan_block(&p->b, g->rank, g->dims, to, g->strides, p->size);
    p->b.to_offset = offset * p->size;
    p->b.from_offset = 0;
    return 0;
}

static void zero_piece(void *arg, int64_t begin, int64_t end)
{
    memset((char *)arg + begin, 0, (size_t)(end - begin));
}

static int unslice_run(const void *plan, void *const *ptr, void *work)
{
    const unslice_plan *p = plan;
    (void)work;
    if (p->bytes <= 4 * WORK)
        zero_piece(ptr[p->out], 0, p->bytes);
    else
        reel_parallel_for(p->bytes, 4 * WORK, zero_piece, ptr[p->out]);
    run_block(&p->b, ptr[p->out], ptr[0], p->size);
    return 0;
}

/* undiagonal(g, like) and diag_embed(x): zeros with the operand on a diagonal of the output */
static int undiagonal_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_attr_diagonal *a = sig->attr;
    const reel_kview *g = &sig->in[0], *y = &sig->out[0];
    unslice_plan *p = plan;
    int64_t to[REEL_MAX_RANK] = {0};
    const int axis1 = (int)(a->axis1 < 0 ? a->axis1 + y->rank : a->axis1),
              axis2 = (int)(a->axis2 < 0 ? a->axis2 + y->rank : a->axis2);
    int n = 0;
    (void)workspace;
    p->size = p->bytes = (int64_t)reel_size_(y->dtype);
    p->out = sig->n_in;
    for (int k = 0; k < y->rank; k++) {
        p->bytes *= y->dims[k];
        if (k != axis1 && k != axis2) to[n++] = y->strides[k];
    }
    to[n] = y->strides[axis1] + y->strides[axis2];
    plan_block(&p->b, g->rank, g->dims, to, g->strides, p->size);
    const bool some = p->b.dim[0] > 0; /* an offset far outside is no address */
    p->b.to_offset =
        !some ? 0 : (a->offset < 0 ? -a->offset * y->strides[axis1] : a->offset * y->strides[axis2]) * p->size;
    p->b.from_offset = 0;
    return 0;
}

const reel_kernel reel_k_concat_ = {
    .plan_size = sizeof(join_plan), .prepare = concat_prepare, .run = concat_run, .drop = join_drop};
const reel_kernel reel_k_split_ = {
    .plan_size = sizeof(join_plan), .prepare = split_prepare, .run = split_run, .drop = join_drop};
const reel_kernel reel_k_unslice_ = {
    .plan_size = sizeof(unslice_plan), .flags = REEL_K_CHEAP, .prepare = unslice_prepare, .run = unslice_run};
const reel_kernel reel_k_undiagonal_ = {
    .plan_size = sizeof(unslice_plan), .flags = REEL_K_CHEAP, .prepare = undiagonal_prepare, .run = unslice_run};
_Static_assert(sizeof(unslice_plan) <= REEL_PLAN_STACK, "a cheap kernel's plan lives on the stack");
