/* pad.c: pad and tile, and their adjoints. Along each axis output element j is a copy of input element map(j - low), where
   map extends the axis without end; runs of it are copied whole. Exact; the adjoints add in double. */
#include "core/shape.h"
#include "kernels/copy.h"
#include "kernels/index.h"
#include "kernels/kernels.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "reel/shape.h"
#include "reel/tensor.h"
#include <string.h>

enum { GRAIN = 1 << 15 /* elements */ };

/* ---- the map of an axis of n elements ------------------------------------------------------------------- */
typedef struct run {
    int64_t first, step, count; /* elements first, first + step ...; first -1: none, the constant */
} run;

static int64_t modulo(int64_t p, int64_t n)
{
    const int64_t r = p % n;
    return r < 0 ? r + n : r;
}

/* From position p on, at most `left` of them. */
static run next_run(int mode, int64_t n, int64_t p, int64_t left)
{
    run r = {-1, 0, left};
    if (mode == REEL_PAD_CONSTANT) {
        if (p < 0)
            r.count = -p;
        else if (p < n)
            r = (run){p, 1, n - p};
    } else if (mode == REEL_PAD_EDGE) {
        if (p < 0)
            r = (run){0, 0, -p};
        else
            r = p < n ? (run){p, 1, n - p} : (run){n - 1, 0, left};
    } else if (mode == REEL_PAD_WRAP) {
        const int64_t q = modulo(p, n);
        r = (run){q, 1, n - q};
    } else if (mode == REEL_PAD_SYMMETRIC) {
        const int64_t q = modulo(p, 2 * n);
        r = q < n ? (run){q, 1, n - q} : (run){2 * n - 1 - q, -1, 2 * n - q};
    } else if (n == 1) {
        r = (run){0, 0, left};
    } else {
        const int64_t period = 2 * (n - 1), q = modulo(p, period);
        r = q < n - 1 ? (run){q, 1, n - 1 - q} : (run){period - q, -1, period - q};
    }
    if (r.count > left) r.count = left;
    return r;
}

/* ---- forward ------------------------------------------------------------------------------------------------ */
typedef struct pad_plan {
    reel_copy_plan pack;
    bool packs;
    int mode, rank, size; /* rank: axes up to the last that changes; the rest is one block */
    int64_t in[REEL_MAX_RANK], out[REEL_MAX_RANK], low[REEL_MAX_RANK];
    int64_t block, n; /* elements of the rest; rows of the last axis in all */
    _Alignas(8) unsigned char value[8];
} pad_plan;

static int pad_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    pad_plan *p = plan;
    const reel_kview *x = &sig->in[0], *y = &sig->out[0];
    const bool tile = sig->op->id == REEL_OP_tile;
    const reel_attr_pad *a = sig->attr;
    reel_shape s = {.rank = x->rank};
    memset(p, 0, sizeof *p);
    p->mode = tile ? REEL_PAD_WRAP : (int)a->mode;
    p->size = (int)reel_size_(x->dtype);
    p->block = p->n = 1;
    for (int i = 0; i < x->rank; i++) {
        s.dims[i] = p->in[i] = x->dims[i];
        p->out[i] = y->dims[i];
        p->low[i] = !tile && i < (int)a->n ? a->low[i] : 0;
        if (p->in[i] != p->out[i] || p->low[i] != 0) p->rank = i + 1;
    }
    for (int i = p->rank; i < x->rank; i++) p->block *= p->in[i];
    for (int i = 0; i < p->rank - 1; i++) p->n *= p->out[i];
    if (!tile && p->mode == REEL_PAD_CONSTANT && !reel_store_number_(p->value, x->dtype, a->value))
        return reel_fail(REEL_EDTYPE, "value %.17g is not a value of %s", a->value, reel_dtype_name(x->dtype));
    reel_copy_plan_(&p->pack, x->dtype, x->rank, x->dims, x->strides, 0);
    p->packs = p->rank > 0 && !reel_is_dense_(&s, x->strides);
    *workspace = p->packs ? (size_t)p->pack.n * (size_t)p->size : 0;
    return 0;
}

static void fill(char *to, const unsigned char *value, int64_t n, int size)
{
    if (n == 0) return;
    memcpy(to, value, (size_t)size);
    const size_t all = (size_t)n * (size_t)size;
    for (size_t have = (size_t)size; have < all; have *= 2) memcpy(to + have, to, have * 2 <= all ? have : all - have);
}

#define BACKWARDS(T) \
    for (int64_t i = 0; i < n; i++) memcpy(to + i * (int64_t)sizeof(T), from - i * (int64_t)sizeof(T), sizeof(T))
/* n blocks of `bytes`, the source going on by step blocks. */
static void copy_run(char *to, const char *from, int64_t step, int64_t n, int64_t bytes)
{
    if (step == 1) {
        memcpy(to, from, (size_t)(n * bytes));
    } else if (step == 0 && bytes <= 8) {
        fill(to, (const unsigned char *)from, n, (int)bytes);
    } else if (step == -1 && bytes == 4) {
        BACKWARDS(uint32_t);
    } else if (step == -1 && bytes == 8) {
        BACKWARDS(uint64_t);
    } else {
        for (int64_t i = 0; i < n; i++) memcpy(to + i * bytes, from + i * step * bytes, (size_t)bytes);
    }
}

typedef struct job {
    const pad_plan *p;
    const char *in;
    char *out;
} job;

/* Blocks [begin, end) of the output: positions along the last axis that changes, of all rows. */
static void pad_blocks(void *arg, int64_t begin, int64_t end)
{
    const job *j = arg;
    const pad_plan *p = j->p;
    const int last = p->rank - 1;
    const int64_t width = p->out[last], bytes = p->block * p->size;
    for (int64_t at = begin; at < end;) {
        const int64_t row = at / width, first = at % width;
        const int64_t stop = width < end - at + first ? width : end - at + first;
        int64_t index = row, source = 0, stride = p->in[last];
        for (int i = last - 1; i >= 0; i--) {
            const int64_t k = index % p->out[i];
            index /= p->out[i];
            const int64_t from = next_run(p->mode, p->in[i], k - p->low[i], 1).first;
            if (from < 0) source = -1;
            if (source >= 0) source += from * stride;
            stride *= p->in[i];
        }
        char *to = j->out + at * bytes;
        if (source < 0) {
            fill(to, p->value, (stop - first) * p->block, p->size);
        } else {
            for (int64_t k = first; k < stop;) {
                const run r = next_run(p->mode, p->in[last], k - p->low[last], stop - k);
                if (r.first < 0)
                    fill(to, p->value, r.count * p->block, p->size);
                else
                    copy_run(to, j->in + (source + r.first) * bytes, r.step, r.count, bytes);
                to += r.count * bytes;
                k += r.count;
            }
        }
        at += stop - first;
    }
}

static int pad_run(const void *plan, void *const *ptr, void *work)
{
    const pad_plan *p = plan;
    if (p->rank == 0) {
        reel_copy_run_(&p->pack, ptr[1], ptr[0]);
        return 0;
    }
    if (p->packs) reel_copy_run_(&p->pack, work, ptr[0]);
    job j = {p, p->packs ? work : ptr[0], ptr[1]};
    const int64_t n = p->n * p->out[p->rank - 1];
    if (n == 0 || p->block == 0) return 0;
    const int64_t grain = p->block >= GRAIN ? 1 : GRAIN / p->block;
    if (n <= grain)
        pad_blocks(&j, 0, n);
    else
        reel_parallel_for(n, grain, pad_blocks, &j);
    return 0;
}

/* ---- the adjoint: axis by axis, in double ------------------------------------------------------------------------ */
typedef struct pad_grad_plan {
    reel_copy_plan pack;
    int mode, rank;
    reel_dtype dtype;
    int64_t in[REEL_MAX_RANK], out[REEL_MAX_RANK], low[REEL_MAX_RANK]; /* in: of x, which this makes; out: of g */
    int64_t n_out, n_in, most; /* elements of g, of x, and of the largest stage */
} pad_grad_plan;

static int pad_grad_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    pad_grad_plan *p = plan;
    const reel_kview *g = &sig->in[0], *x = &sig->out[0];
    const bool tile = sig->op->id == REEL_OP_tile_grad;
    const reel_attr_pad *a = sig->attr;
    memset(p, 0, sizeof *p);
    p->mode = tile ? REEL_PAD_WRAP : (int)a->mode;
    p->rank = g->rank;
    p->dtype = g->dtype;
    p->n_in = p->n_out = 1;
    for (int i = 0; i < g->rank; i++) {
        p->in[i] = x->dims[i];
        p->out[i] = g->dims[i];
        p->low[i] = !tile && i < (int)a->n ? a->low[i] : 0;
        p->n_in *= p->in[i];
        p->n_out *= p->out[i];
    }
    p->most = p->n_out;
    int64_t stage = p->n_out;
    for (int i = 0; i < g->rank && p->n_out > 0; i++) {
        stage = stage / p->out[i] * p->in[i];
        if (stage > p->most) p->most = stage;
    }
    reel_copy_plan_(&p->pack, g->dtype, g->rank, g->dims, g->strides, 0);
    *workspace = (size_t)p->most * 2 * sizeof(double);
    return reel_check_work_(p->most);
}

typedef struct fold_job {
    const double *from;
    double *to;
    int mode;
    int64_t in, out, low, inner;
} fold_job;

/* Blocks [begin, end) of the axes before: each element of the axis added where it came from. */
static void fold_axis(void *arg, int64_t begin, int64_t end)
{
    const fold_job *j = arg;
    for (int64_t o = begin; o < end; o++) {
        const double *from = j->from + o * j->out * j->inner;
        double *to = j->to + o * j->in * j->inner;
        memset(to, 0, (size_t)(j->in * j->inner) * sizeof *to);
        for (int64_t k = 0; k < j->out;) {
            const run r = next_run(j->mode, j->in, k - j->low, j->out - k);
            for (int64_t i = 0; i < r.count && r.first >= 0; i++) {
                double *t = to + (r.first + i * r.step) * j->inner;
                const double *f = from + (k + i) * j->inner;
                for (int64_t c = 0; c < j->inner; c++) t[c] += f[c];
            }
            k += r.count;
        }
    }
}

static int pad_grad_run(const void *plan, void *const *ptr, void *work)
{
    const pad_grad_plan *p = plan;
    double *a = work, *b = a + p->most;
    if (p->n_in == 0) return 0;
    if (p->n_out == 0) {
        memset(ptr[2], 0, (size_t)p->n_in * reel_size_(p->dtype));
        return 0;
    }
    reel_copy_run_(&p->pack, b, ptr[0]);
    reel_convert_(a, REEL_F64, 1, b, p->dtype, 1, p->n_out);
    int64_t outer = 1, inner = p->n_out;
    for (int i = 0; i < p->rank; i++) {
        inner /= p->out[i];
        if (p->in[i] != p->out[i] || p->low[i] != 0) {
            fold_job j = {a, b, p->mode, p->in[i], p->out[i], p->low[i], inner};
            const int64_t each = p->out[i] * inner + 1;
            reel_parallel_for(outer, each >= GRAIN ? 1 : GRAIN / each + 1, fold_axis, &j);
            double *t = a;
            a = b;
            b = t;
        }
        outer *= p->in[i];
    }
    reel_convert_(ptr[2], p->dtype, 1, a, REEL_F64, 1, p->n_in);
    return 0;
}

const reel_kernel reel_k_pad_ = {
    .plan_size = sizeof(pad_plan), .flags = REEL_K_CHEAP, .prepare = pad_prepare, .run = pad_run};
const reel_kernel reel_k_pad_grad_ = {
    .plan_size = sizeof(pad_grad_plan), .prepare = pad_grad_prepare, .run = pad_grad_run};
_Static_assert(sizeof(pad_plan) <= REEL_PLAN_STACK, "a cheap kernel's plan lives on the stack");
