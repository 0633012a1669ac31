/* gather.c: elements picked by index: rows along an axis or by place, single elements along an axis, sequences reversed. Exact. */
#include <string.h>
#include "kernels/index.h"
#include "kernels/kernels.h"
#include "kernels/loop.h"
#include "kernels/walk.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "reel/tensor.h"

enum { GRAIN_BYTES = 1 << 16 };

static size_t round64(size_t n)
{
    return (n + 63) / 64 * 64;
}

static void split(void *job, int64_t n, int64_t bytes, void (*body)(void *, int64_t, int64_t))
{
    const int64_t grain = bytes >= GRAIN_BYTES ? 1 : GRAIN_BYTES / (bytes > 0 ? bytes : 1);
    if (n <= grain)
        body(job, 0, n);
    else
        reel_parallel_for(n, grain, body, job);
}

/* ---- gather, gather_nd: out [batch][items][inner] ------------------------------------------------------------- */
typedef struct gather_plan {
    reel_indices at;
    reel_copy_plan pack; /* of x, where what is picked does not lie in one run */
    reel_walk batch;
    bool packs, shared; /* shared: all batches use the same indices */
    int size;
    int64_t batches, items, inner, step; /* step between inner elements, in elements */
} gather_plan;

/* axis: the first that is indexed; the axes before it are batches. */
static void plan_layout(gather_plan *p, const reel_kview *x, const int64_t *strides, int axis)
{
    int64_t dims[REEL_MAX_RANK], inner[1][REEL_MAX_RANK];
    const int first = axis + p->at.m, n = x->rank - first;
    for (int i = 0; i < p->at.m; i++) p->at.stride[i] = strides[axis + i];
    p->batch.n = 0;
    for (int i = axis - 1; i >= 0; i--) reel_walk_add_(&p->batch, x->dims[i], strides[i]);
    reel_walk_turn_(&p->batch);
    for (int i = 0; i < n; i++) {
        dims[i] = x->dims[first + i];
        inner[0][i] = strides[first + i];
    }
    const int rank = reel_merge_dims_(dims, n, inner, 1);
    p->step = rank ? inner[0][0] : 1;
    p->packs = rank > 1;
}

static int gather_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    gather_plan *p = plan;
    const reel_attr_axis *a = sig->attr;
    const reel_kview *x = &sig->in[0], *indices = &sig->in[1];
    const bool nd = sig->op->id == REEL_OP_gather_nd;
    const int axis = a->axis < 0 ? a->axis + x->rank : a->axis;
    memset(p, 0, sizeof *p);
    p->shared = !nd;
    p->size = (int)reel_size_(x->dtype);
    p->at.m = nd ? (int)indices->dims[indices->rank - 1] : 1;
    for (int i = 0; i < p->at.m; i++) {
        p->at.axis[i] = axis + i;
        p->at.size[i] = x->dims[axis + i];
    }
    reel_indices_plan_(&p->at, indices);
    p->batches = p->inner = 1;
    for (int i = 0; i < axis; i++) p->batches *= x->dims[i];
    for (int i = axis + p->at.m; i < x->rank; i++) p->inner *= x->dims[i];
    p->items = nd && p->batches ? p->at.n / p->batches : p->at.n;
    plan_layout(p, x, x->strides, axis);
    if (p->packs) {
        int64_t dense[REEL_MAX_RANK], step = 1;
        for (int i = x->rank - 1; i >= 0; i--) {
            dense[i] = step;
            step *= x->dims[i];
        }
        reel_copy_plan_(&p->pack, x->dtype, x->rank, x->dims, x->strides, 0);
        plan_layout(p, x, dense, axis);
        p->packs = true;
    }
    *workspace = round64((size_t)p->at.n * 8) + reel_indices_scratch_(&p->at) +
                 (p->packs ? (size_t)p->pack.n * (size_t)p->size : 0);
    return reel_check_work_(p->at.n | (p->packs ? p->pack.n : 0));
}

typedef struct gather_job {
    const gather_plan *p;
    const int64_t *offset;
    const char *x;
    char *out;
} gather_job;

#define ONE(T)                                                     \
    {                                                              \
        T *to = (T *)(void *)j->out + begin;                       \
        const T *from = (const T *)(const void *)j->x + base;      \
        for (int64_t i = 0; i < run; i++) to[i] = from[offset[i]]; \
        break;                                                     \
    }
#define STEPS(T)                                                      \
    {                                                                 \
        T *d = (T *)(void *)to;                                       \
        const T *s = (const T *)(const void *)from;                   \
        for (int64_t c = 0; c < p->inner; c++) d[c] = s[c * p->step]; \
        break;                                                        \
    }
static void gather_some(void *arg, int64_t begin, int64_t end)
{
    const gather_job *j = arg;
    const gather_plan *p = j->p;
    const int64_t bytes = p->inner * p->size;
    while (begin < end) {
        const int64_t b = begin / p->items, k = begin % p->items;
        const int64_t run = p->items - k < end - begin ? p->items - k : end - begin;
        const int64_t base = reel_walk_offset_(&p->batch, b), *offset = j->offset + (p->shared ? k : begin);
        if (p->inner == 1) {
            switch (p->size) {
            case 1: ONE(uint8_t)
            case 2: ONE(uint16_t)
            case 4: ONE(uint32_t)
            default: ONE(uint64_t)
            }
        } else {
            char *to = j->out + begin * bytes;
            for (int64_t i = 0; i < run; i++, to += bytes) {
                const char *from = j->x + (base + offset[i]) * p->size;
                if (p->step == 1) {
                    memcpy(to, from, (size_t)bytes);
                    continue;
                }
                switch (p->size) {
                case 1: STEPS(uint8_t)
                case 2: STEPS(uint16_t)
                case 4: STEPS(uint32_t)
                default: STEPS(uint64_t)
                }
            }
        }
        begin += run;
    }
}

static int gather_run(const void *plan, void *const *ptr, void *work)
{
    const gather_plan *p = plan;
    int64_t *offset = work;
    char *scratch = (char *)work + round64((size_t)p->at.n * 8), *packed = scratch + reel_indices_scratch_(&p->at);
    const int code = reel_indices_run_(&p->at, offset, scratch, ptr[1]);
    if (code) return code;
    if (p->packs) reel_copy_run_(&p->pack, packed, ptr[0]);
    gather_job j = {p, offset, p->packs ? packed : ptr[0], ptr[2]};
    if (p->items > 0 && p->inner > 0) split(&j, p->batches * p->items, p->inner * p->size, gather_some);
    return 0;
}

const reel_kernel reel_k_gather_ = {.plan_size = sizeof(gather_plan), .prepare = gather_prepare, .run = gather_run};

/* ---- take_along_axis, gather_elements: out[p] = x[p with indices[p] along the axis] --------------------------------- */
typedef struct along_plan {
    reel_indices at;
    int rank, size;
    int64_t rows, dims[REEL_MAX_RANK];                /* of the output; rows: of its last axis */
    int64_t x[REEL_MAX_RANK], indices[REEL_MAX_RANK]; /* strides in elements; 0 along the axis and where broadcast */
} along_plan;

static int along_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    along_plan *p = plan;
    const reel_attr_axis *a = sig->attr;
    const reel_kview *x = &sig->in[0], *indices = &sig->in[1], *out = &sig->out[0];
    const int axis = a->axis < 0 ? a->axis + x->rank : a->axis;
    memset(p, 0, sizeof *p);
    p->rank = out->rank;
    p->size = (int)reel_size_(x->dtype);
    p->rows = 1;
    int64_t dense = 1;
    for (int i = out->rank - 1; i >= 0; i--) {
        p->dims[i] = out->dims[i];
        p->x[i] = i == axis || (x->dims[i] == 1 && out->dims[i] != 1) ? 0 : x->strides[i];
        p->indices[i] = indices->dims[i] == 1 ? 0 : dense;
        dense *= indices->dims[i];
        if (i < out->rank - 1) p->rows *= out->dims[i];
    }
    p->at.m = 1;
    p->at.axis[0] = axis;
    p->at.size[0] = x->dims[axis];
    p->at.stride[0] = x->strides[axis];
    reel_indices_plan_(&p->at, indices);
    *workspace = round64((size_t)p->at.n * 8) + reel_indices_scratch_(&p->at);
    return reel_check_work_(p->at.n);
}

typedef struct along_job {
    const along_plan *p;
    const int64_t *offset;
    const char *x;
    char *out;
} along_job;

#define ALONG(T)                                                                       \
    {                                                                                  \
        T *to = (T *)(void *)j->out + row * n;                                         \
        const T *from = (const T *)(const void *)j->x + base;                          \
        for (int64_t i = 0; i < n; i++) to[i] = from[i * xs + j->offset[at + i * is]]; \
        break;                                                                         \
    }
static void along_rows(void *arg, int64_t begin, int64_t end)
{
    const along_job *j = arg;
    const along_plan *p = j->p;
    const int last = p->rank - 1;
    const int64_t n = p->dims[last], xs = p->x[last], is = p->indices[last];
    for (int64_t row = begin; row < end; row++) {
        int64_t index = row, base = 0, at = 0;
        for (int i = last - 1; i >= 0; i--) {
            base += index % p->dims[i] * p->x[i];
            at += index % p->dims[i] * p->indices[i];
            index /= p->dims[i];
        }
        switch (p->size) {
        case 1: ALONG(uint8_t)
        case 2: ALONG(uint16_t)
        case 4: ALONG(uint32_t)
        default: ALONG(uint64_t)
        }
    }
}

static int along_run(const void *plan, void *const *ptr, void *work)
{
    const along_plan *p = plan;
    int64_t *offset = work;
    const int code = reel_indices_run_(&p->at, offset, (char *)work + round64((size_t)p->at.n * 8), ptr[1]);
    if (code) return code;
    along_job j = {p, offset, ptr[0], ptr[2]};
    split(&j, p->rows, p->dims[p->rank - 1] * p->size, along_rows);
    return 0;
}

const reel_kernel reel_k_along_ = {.plan_size = sizeof(along_plan), .prepare = along_prepare, .run = along_run};

/* ---- reverse_sequence ---------------------------------------------------------------------------------------------- */
typedef struct reverse_plan {
    reel_copy_plan pack, lengths;
    bool packs;
    int rank, batch, time, last,
        size;         /* last: the last axis that is batch or time; blocks of those behind it are copied */
    reel_dtype dtype; /* of the lengths */
    int64_t dims[REEL_MAX_RANK], rows, block;
} reverse_plan;

static int reverse_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    reverse_plan *p = plan;
    const reel_attr_axis *a = sig->attr;
    const reel_kview *x = &sig->in[0], *n = &sig->in[1];
    memset(p, 0, sizeof *p);
    p->rank = x->rank;
    p->batch = a->axis < 0 ? a->axis + x->rank : a->axis;
    p->time = a->index < 0 ? a->index + x->rank : a->index;
    p->last = p->batch > p->time ? p->batch : p->time;
    p->size = (int)reel_size_(x->dtype);
    p->dtype = n->dtype;
    p->rows = p->block = 1;
    for (int i = 0; i < x->rank; i++) {
        p->dims[i] = x->dims[i];
        *(i <= p->last ? &p->rows : &p->block) *= x->dims[i];
    }
    reel_copy_plan_(&p->pack, x->dtype, x->rank, x->dims, x->strides, 0);
    reel_copy_plan_(&p->lengths, n->dtype, n->rank, n->dims, n->strides, 0);
    *workspace = round64((size_t)p->pack.n * (size_t)p->size) + round64((size_t)p->lengths.n * 8) +
                 (size_t)p->lengths.n * (size_t)p->lengths.size;
    return reel_check_work_(p->pack.n | p->lengths.n);
}

typedef struct reverse_job {
    const reverse_plan *p;
    const int64_t *length;
    const char *x;
    char *out;
} reverse_job;

static void reverse_rows(void *arg, int64_t begin, int64_t end)
{
    const reverse_job *j = arg;
    const reverse_plan *p = j->p;
    const int64_t bytes = p->block * p->size;
    for (int64_t row = begin; row < end; row++) {
        int64_t index = row, step = 1, time_step = 1, t = 0, b = 0;
        for (int i = p->last; i >= 0; i--) {
            const int64_t k = index % p->dims[i];
            index /= p->dims[i];
            if (i == p->time) t = k, time_step = step;
            if (i == p->batch) b = k;
            step *= p->dims[i];
        }
        const int64_t from = t < j->length[b] ? row + (j->length[b] - 1 - 2 * t) * time_step : row;
        memcpy(j->out + row * bytes, j->x + from * bytes, (size_t)bytes);
    }
}

static int reverse_run(const void *plan, void *const *ptr, void *work)
{
    const reverse_plan *p = plan;
    int64_t *length = (int64_t *)(void *)((char *)work + round64((size_t)p->pack.n * (size_t)p->size));
    char *given = (char *)length + round64((size_t)p->lengths.n * 8);
    reel_copy_run_(&p->lengths, given, ptr[1]);
    reel_convert_(length, REEL_I64, 1, given, p->dtype, 1, p->lengths.n);
    for (int64_t i = 0; i < p->lengths.n; i++)
        if (length[i] < 0 || length[i] > p->dims[p->time])
            return reel_fail(REEL_EARG, "length %lld at position %lld is not between 0 and %lld", (long long)length[i],
                             (long long)i, (long long)p->dims[p->time]);
    reel_copy_run_(&p->pack, work, ptr[0]);
    reverse_job j = {p, length, work, ptr[2]};
    split(&j, p->rows, p->block * p->size, reverse_rows);
    return 0;
}

const reel_kernel reel_k_reverse_sequence_ = {
    .plan_size = sizeof(reverse_plan), .prepare = reverse_prepare, .run = reverse_run};

/* ---- iota_like ------------------------------------------------------------------------------------------------------- */
typedef struct iota_plan {
    int64_t n;
} iota_plan;

static int iota_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    iota_plan *p = plan;
    (void)workspace;
    p->n = 1;
    for (int i = 0; i < sig->out[0].rank; i++) p->n *= sig->out[0].dims[i];
    return 0;
}

static void iota_some(void *arg, int64_t begin, int64_t end)
{
    int64_t *to = arg;
    for (int64_t i = begin; i < end; i++) to[i] = i;
}

static int iota_run(const void *plan, void *const *ptr, void *work)
{
    const iota_plan *p = plan;
    (void)work;
    split(ptr[1], p->n, 8, iota_some);
    return 0;
}

const reel_kernel reel_k_iota_ = {
    .plan_size = sizeof(iota_plan), .flags = REEL_K_CHEAP, .prepare = iota_prepare, .run = iota_run};
