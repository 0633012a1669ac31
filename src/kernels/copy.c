/* copy.c: any layout into dense C order: what a reshape, a transpose ... does where no view is possible. Exact. */
#include "kernels/copy.h"
#include <string.h>
#include "core/compiler.h"
#include "core/shape.h"
#include "kernels/kernels.h"
#include "kernels/loop.h"
#include "reel/tensor.h"

enum {
    TILE = 256, /* a side of what is copied at a time: rows of 1 kB each way */
    GRAIN_BYTES = 1 << 18
};

void reel_copy_plan_(reel_copy_plan *p, reel_dtype dtype, int rank, const int64_t *dims, const int64_t *strides,
                     int64_t byte_offset)
{
    int64_t merged[1][REEL_MAX_RANK];
    p->size = (int)reel_size_(dtype);
    p->offset = byte_offset;
    p->n = 1;
    for (int d = 0; d < rank; d++) {
        p->n *= dims[d];
        p->dims[d] = dims[d];
        merged[0][d] = dims[d] == 1 ? 0 : strides[d] * p->size;
    }
    p->rank = p->n > 1 ? reel_merge_dims_(p->dims, rank, merged, 1) : 0;
    p->across = -1;
    for (int d = 0; d < p->rank; d++) {
        p->strides[d] = merged[0][d];
        const bool column = p->strides[d] == p->size && d < p->rank - 1;
        if (column && merged[0][p->rank - 1] != 0 && p->dims[d] >= 8 && p->dims[p->rank - 1] >= 4) {
            p->across = d;
        }
    }
}

typedef struct job {
    const reel_copy_plan *p;
    char *dst;
    const char *src;
} job;

/* Rows (of the last dimension) begin to end. */
static void copy_rows(void *arg, int64_t begin, int64_t end)
{
    const job *j = arg;
    const reel_copy_plan *p = j->p;
    const int last = p->rank - 1;
    const int64_t cols = p->dims[last], upper = last > 0 ? p->dims[last - 1] : 1;
    const bool stepped = last > 0 && cols >= 8 && p->strides[last] != p->size && p->strides[last] != 0;
    void (*const one)(void *, const void *, int64_t, int64_t) = REEL_PICK(reel_copy_table)->row[p->size];
    for (int64_t row = begin; row < end;) {
        int64_t index = last > 0 ? row / upper : 0, in_upper = last > 0 ? row % upper : 0;
        const int64_t rows = upper - in_upper < end - row ? upper - in_upper : end - row;
        const char *src = j->src + (last > 0 ? in_upper * p->strides[last - 1] : 0);
        for (int d = last - 1; d-- > 0;) {
            src += index % p->dims[d] * p->strides[d];
            index /= p->dims[d];
        }
        if (stepped) {
            for (int64_t r = 0; r < rows; r++)
                one(j->dst + (row + r) * cols * p->size, src + r * p->strides[last - 1], cols,
                    p->strides[last] / p->size);
        } else {
            reel_gather_(j->dst + row * cols * p->size, src, rows, last > 0 ? p->strides[last - 1] : 0, cols,
                         p->strides[last], p->size);
        }
        row += rows;
    }
}

/* n elements of one row, for the case that there is but one. */
static void copy_columns(void *arg, int64_t begin, int64_t end)
{
    const job *j = arg;
    const reel_copy_plan *p = j->p;
    if (p->strides[0] != 0 && p->strides[0] != p->size) {
        REEL_PICK(reel_copy_table)
            ->row[p->size](j->dst + begin * p->size, j->src + begin * p->strides[0], end - begin,
                           p->strides[0] / p->size);
        return;
    }
    reel_gather_(j->dst + begin * p->size, j->src + begin * p->strides[0], 1, 0, end - begin, p->strides[0], p->size);
}

/* Bands of TILE indices of dimension `across`, for every index of the dimensions other than it and the last. */
static void copy_bands(void *arg, int64_t begin, int64_t end)
{
    const job *j = arg;
    const reel_copy_plan *p = j->p;
    const int last = p->rank - 1, a = p->across;
    const int64_t cols = p->dims[last], bands = (p->dims[a] + TILE - 1) / TILE;
    void (*const tile)(char *, int64_t, const char *, int64_t, int64_t, int64_t) =
        REEL_PICK(reel_copy_table)->tile[p->size];
    int64_t out_stride[REEL_MAX_RANK]; /* bytes */
    int64_t step = p->size;
    for (int d = last; d >= 0; d--) {
        out_stride[d] = step;
        step *= p->dims[d];
    }
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t first = unit % bands * TILE, rows = p->dims[a] - first < TILE ? p->dims[a] - first : TILE;
        int64_t index = unit / bands;
        const char *src = j->src + first * p->strides[a];
        char *dst = j->dst + first * out_stride[a];
        for (int d = last - 1; d >= 0; d--) {
            if (d != a) {
                src += index % p->dims[d] * p->strides[d];
                dst += index % p->dims[d] * out_stride[d];
                index /= p->dims[d];
            }
        }
        for (int64_t c = 0; c < cols; c += TILE) {
            tile(dst + c * p->size, out_stride[a], src + c * p->strides[last], p->strides[last], rows,
                 cols - c < TILE ? cols - c : TILE);
        }
    }
}

static void split(job *j, int64_t units, int64_t bytes_per_unit, void (*body)(void *, int64_t, int64_t))
{
    const int64_t grain = bytes_per_unit >= GRAIN_BYTES ? 1 : GRAIN_BYTES / bytes_per_unit;
    if (units <= grain) {
        body(j, 0, units);
    } else {
        reel_parallel_for(units, grain, body, j);
    }
}

void reel_copy_run_(const reel_copy_plan *p, void *dst, const void *src)
{
    if (p->n == 0) {
        return;
    }
    job j = {p, dst, (const char *)src + p->offset};
    if (p->rank == 0) {
        memcpy(dst, j.src, (size_t)p->size);
    } else if (p->rank == 1) {
        split(&j, p->n, p->size, copy_columns);
    } else if (p->across >= 0) {
        const int64_t cols = p->dims[p->rank - 1], rows = p->dims[p->across];
        split(&j, p->n / cols / rows * ((rows + TILE - 1) / TILE), cols * TILE * p->size, copy_bands);
    } else {
        const int64_t cols = p->dims[p->rank - 1];
        split(&j, p->n / cols, cols * p->size, copy_rows);
    }
}

void reel_pack_(void *dst, const reel_kview *src)
{
    reel_copy_plan p;
    reel_copy_plan_(&p, src->dtype, src->rank, src->dims, src->strides, 0);
    reel_copy_run_(&p, dst, src->data);
}

/* ---- the kernel ---------------------------------------------------------------------------------------- */
static reel_type type_of(const reel_kview *v)
{
    reel_type t = {.dtype = v->dtype, .shape = {.rank = v->rank}};
    memcpy(t.shape.dims, v->dims, (size_t)v->rank * sizeof *v->dims);
    return t;
}

/* The op's own view rule says where output elements lie in the input. Where it has no view (a reshape of a strided
   layout) elements keep their C order. */
static int copy_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    (void)workspace;
    const reel_kview *in = &sig->in[0], *out = &sig->out[0];
    ((reel_copy_plan *)plan)->n_in = sig->n_in;
    if (sig->op->view) {
        reel_type types[REEL_MAX_IN];
        const reel_type *in_types[REEL_MAX_IN];
        for (int i = 0; i < sig->n_in; i++) {
            types[i] = type_of(&sig->in[i]);
            in_types[i] = &types[i];
        }
        const reel_type out_type = type_of(out);
        int64_t strides[1][REEL_MAX_RANK], offset = 0;
        const reel_view_rule rule = {.attr = sig->attr,
                                     .n_in = sig->n_in,
                                     .n_out = 1,
                                     .in = in_types,
                                     .strides = in->strides,
                                     .out = &out_type,
                                     .out_strides = strides,
                                     .byte_offset = &offset};
        if (sig->op->view(&rule)) {
            reel_copy_plan_(plan, out->dtype, out->rank, out->dims, strides[0], offset);
            return 0;
        }
    }
    reel_copy_plan_(plan, in->dtype, in->rank, in->dims, in->strides, 0);
    return 0;
}

static int copy_run(const void *plan, void *const *ptr, void *work)
{
    (void)work;
    const reel_copy_plan *p = plan;
    reel_copy_run_(p, ptr[p->n_in], ptr[0]);
    return 0;
}

const reel_kernel reel_k_copy_ = {
    .plan_size = sizeof(reel_copy_plan), .flags = REEL_K_CHEAP, .prepare = copy_prepare, .run = copy_run};
