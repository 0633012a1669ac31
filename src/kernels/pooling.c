/* pooling.c: pooling and its gradients: plans. The loops are level_pool.c's. f16 and bf16 are widened to f32, which changes no
   maximum. */
#include "pooling.h"
#include "core/dtype.h"
#include "core/error.h"
#include "core/shape.h"
#include "kernels.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "reel/tensor.h"
#include <stdatomic.h>
#include <string.h>

REEL_DECLARE_LEVELS(reel_pool_table, reel_pool_levels);

static void fill_places(reel_pool_plan *p)
{
    const reel_window *d = &p->win[0], *h = &p->win[1], *w = &p->win[2];
    for (int64_t k = 0; p->taps <= REEL_POOL_TAPS && !p->direct && k < p->taps; k++) {
        const int64_t t = k % w->kernel, b = k / w->kernel % h->kernel, a = k / w->kernel / h->kernel;
        p->places[k] = (a * d->dilation * h->in + b * h->dilation) * w->in + t * w->dilation;
    }
}

static int fill_windows(reel_pool_plan *p, const reel_attr_pool *a, const int64_t *x)
{
    const reel_window_rule *r = &a->window;
    const int lead = REEL_SPATIAL - r->spatial;
    p->last = r->channels_last;
    p->n = x[0], p->c = x[reel_channel_axis_(r)];
    p->in = p->out = p->taps = 1;
    for (int i = 0; i < REEL_SPATIAL; i++) {
        reel_window *w = &p->win[i];
        *w = (reel_window){.in = 1, .out = 1, .kernel = 1, .stride = 1, .dilation = 1};
        if (i >= lead) {
            const int code = reel_window_axis_(r, i - lead, x[reel_spatial_axis_(r, i - lead)], r->kernel[i - lead], w);
            if (code) return code;
        }
        p->in *= w->in, p->out *= w->out;
        p->direct = p->direct || w->adaptive;
        if (REEL_MUL_OVERFLOW(p->taps, w->kernel, &p->taps)) p->taps = INT64_MAX;
    }
    p->lines = p->win[0].out * p->win[1].out;
    fill_places(p);
    return 0;
}

/* Windows side by side, on lines that fit into a buffer? Then places holds those of a window's rows. */
static bool lie_tight(reel_pool_plan *p)
{
    const reel_window *d = &p->win[0], *h = &p->win[1], *w = &p->win[2];
    if (p->last || p->direct || p->out == 0 || w->in > REEL_POOL_COLS || p->taps > REEL_POOL_NARROW) return false;
    for (int i = 0; i < REEL_SPATIAL; i++) {
        const reel_window *v = &p->win[i];
        const bool apart = v->out == 1 || (v->dilation == 1 && v->stride >= v->kernel);
        if (v->before != 0 || !apart || (v->out - 1) * v->stride + (v->kernel - 1) * v->dilation >= v->in) return false;
    }
    if (w->dilation != 1 || w->in != w->out * w->kernel || (w->out > 1 && w->stride != w->kernel)) return false;
    if (d->kernel * h->kernel > REEL_POOL_TAPS) return false;
    for (int64_t a = 0; a < d->kernel; a++)
        for (int64_t b = 0; b < h->kernel; b++)
            p->places[a * h->kernel + b] = (a * d->dilation * h->in + b * h->dilation) * w->in;
    return true;
}

/* Windows too large for the tables and buffers of the regular loops go element by element. */
static void choose_body(reel_pool_plan *p, int id)
{
    const reel_pool_table *t = REEL_PICK(reel_pool_levels);
    const reel_window *w = &p->win[2];
    const int64_t span = (w->kernel - 1) * w->dilation + 1;
    if (id == REEL_OP_max_pool) {
        p->body = t->max[p->compute];
        p->direct = p->direct || span > REEL_POOL_COLS;
    } else if (id == REEL_OP_avg_pool) {
        p->body = t->avg[p->compute];
        p->direct = p->direct || span > REEL_POOL_COLS || p->taps > REEL_POOL_NARROW;
        p->tight = lie_tight(p);
    } else if (id == REEL_OP_avg_pool_grad) {
        p->body = t->avg_grad[p->compute];
        p->tight = lie_tight(p);
    } else {
        p->body = id == REEL_OP_max_pool_grad ? t->max_grad[p->compute] : t->indices[p->compute];
        p->direct = p->direct || p->taps > REEL_POOL_TAPS;
    }
}

static void cut(reel_pool_plan *p, bool backward)
{
    const int64_t planes = p->last ? p->n : p->n * p->c;
    const int64_t wide = p->last && !backward ? p->c : 1;
    p->tiles = p->last ? (p->c + REEL_POOL_TILE - 1) / REEL_POOL_TILE : 1;
    p->per_block = planes >= 16 || p->lines < 2 ? p->lines : (p->lines + 7) / 8;
    if (p->per_block < 1) p->per_block = 1;
    p->line_blocks = backward ? 1 : (p->lines + p->per_block - 1) / p->per_block;
    p->items = backward ? planes * p->tiles : planes * p->line_blocks;
    const int64_t each = (p->in > p->out ? p->in : p->out) / (p->line_blocks > 0 ? p->line_blocks : 1) * wide *
                         (backward && p->last ? REEL_POOL_TILE : 1);
    p->grain = each >= REEL_POOL_WORK ? 1 : REEL_POOL_WORK / (each + 1) + 1;
}

static int pool_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    reel_pool_plan *p = plan;
    const reel_attr_pool *a = sig->attr;
    const int id = sig->op->id;
    const reel_kview *in = sig->in, *out = &sig->out[0];
    const bool backward = id == REEL_OP_max_pool_grad || id == REEL_OP_avg_pool_grad;
    memset(p, 0, sizeof *p);
    p->ix = id == REEL_OP_avg_pool_grad ? 1 : 0; /* of avg_pool_grad's first input only the shape counts */
    p->ig = id == REEL_OP_max_pool_grad ? 1 : -1;
    p->iout = sig->n_in;
    p->dtype = in[p->ix].dtype;
    p->compute = p->dtype == REEL_F16 || p->dtype == REEL_BF16 ? REEL_F32 : p->dtype;
    p->divisor = a->divisor, p->include_pad = a->include_pad, p->column_major = a->column_major;
    int code = fill_windows(p, a, in[0].dims);
    if (!code) code = reel_operand_plan_(&p->x, &in[p->ix], p->compute, workspace);
    if (!code && p->ig >= 0) code = reel_operand_plan_(&p->g, &in[p->ig], p->compute, workspace);
    if (code) return code;
    p->out_count = 1;
    for (int i = 0; i < out->rank; i++) p->out_count *= out->dims[i];
    choose_body(p, id);
    cut(p, backward);
    if (p->compute == p->dtype || id == REEL_OP_max_pool_indices) {
        p->compute = p->dtype; /* the result needs no conversion */
        return 0;
    }
    return reel_room_(workspace, p->out_count, reel_size_(p->compute), &p->out_at);
}

typedef struct pool_job {
    const reel_pool_plan *p;
    const void *x, *g;
    void *out;
} pool_job;

static void pool_piece(void *arg, int64_t begin, int64_t end)
{
    const pool_job *j = arg;
    j->p->body(j->p, j->x, j->g, j->out, begin, end);
}

static int pool_run(const void *plan, void *const *ptr, void *work)
{
    const reel_pool_plan *p = plan;
    if (p->out_count == 0) return 0;
    pool_job j = {.p = p, .x = reel_operand_ready_(&p->x, ptr[p->ix], work), .out = ptr[p->iout]};
    if (p->ig >= 0) j.g = reel_operand_ready_(&p->g, ptr[p->ig], work);
    if (p->compute != p->dtype) j.out = (char *)work + p->out_at;
    reel_parallel_for(p->items, p->grain, pool_piece, &j);
    if (p->compute != p->dtype) reel_convert_dense_(ptr[p->iout], p->dtype, j.out, p->compute, p->out_count);
    return 0;
}

const reel_kernel reel_k_pool_ = {.plan_size = sizeof(reel_pool_plan), .prepare = pool_prepare, .run = pool_run};

/* ---- by index: gather, scatter, unpool --------------------------------------------------------------- */
typedef struct index_plan {
    int64_t planes, from, to, step, channels; /* elements of a plane with indices, and of the one they point into */
    bool gather, add;                         /* neither: put */
    size_t size;
    reel_dtype dtype, compute;
    reel_operand x, indices;
    int ix, ii, iout;
    size_t out_at;
    int64_t out_count;
} index_plan;

static int index_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    index_plan *p = plan;
    const reel_attr_pool *a = sig->attr;
    const int id = sig->op->id, spatial = a->window.spatial;
    memset(p, 0, sizeof *p);
    p->gather = id == REEL_OP_pool_gather, p->add = id == REEL_OP_pool_scatter;
    p->ix = p->add ? 2 : 0, p->ii = 1, p->iout = sig->n_in;
    const reel_kview *x = &sig->in[p->ix], *out = &sig->out[0], *indices = &sig->in[1], *whole = p->gather ? x : out;
    p->dtype = out->dtype;
    /* sums of f16 and bf16 are made in f32 */
    p->compute = p->add && (p->dtype == REEL_F16 || p->dtype == REEL_BF16) ? REEL_F32 : p->dtype;
    p->size = reel_size_(p->compute);
    int code = reel_operand_plan_(&p->x, x, p->compute, workspace);
    if (!code) code = reel_operand_plan_(&p->indices, indices, REEL_I64, workspace);
    if (code) return code;
    const int channel = reel_channel_axis_(&a->window);
    p->channels = indices->dims[channel];
    p->step = a->window.channels_last ? p->channels : 1;
    p->planes = indices->dims[0] * p->channels;
    p->from = p->to = p->out_count = 1;
    for (int i = 0; i < spatial; i++) {
        const int axis = reel_spatial_axis_(&a->window, i);
        p->from *= indices->dims[axis], p->to *= whole->dims[axis];
    }
    for (int i = 0; i < out->rank; i++) p->out_count *= out->dims[i];
    return p->compute == p->dtype ? 0 : reel_room_(workspace, p->out_count, p->size, &p->out_at);
}

typedef struct index_job {
    const index_plan *p;
    const char *x;
    const int64_t *indices;
    char *out;
    _Atomic int64_t bad; /* the first index out of range, by position; INT64_MAX: none */
} index_job;

/* Element e of plane i, of planes of n elements each. */
static inline int64_t element(const index_plan *p, int64_t i, int64_t n, int64_t e)
{
    return p->step == 1 ? i * n + e : (i / p->step * n + e) * p->step + i % p->step;
}

static void check_piece(void *arg, int64_t begin, int64_t end)
{
    index_job *j = arg;
    for (int64_t i = begin; i < end; i++) {
        if (j->indices[i] >= -1 && j->indices[i] < j->p->to) continue;
        int64_t first = atomic_load(&j->bad);
        while (i < first && !atomic_compare_exchange_weak(&j->bad, &first, i)) {}
        return;
    }
}

#define MOVE(T, OP)                                                           \
    do {                                                                      \
        T *const out = (T *)j->out;                                           \
        const T *const x = (const T *)j->x;                                   \
        for (int64_t e = 0; e < p->from; e++) {                               \
            const int64_t at = element(p, i, p->from, e), k = j->indices[at]; \
            if (p->gather)                                                    \
                out[at] = k < 0 ? 0 : x[element(p, i, p->to, k)];             \
            else if (k >= 0)                                                  \
                out[element(p, i, p->to, k)] OP x[at];                        \
        }                                                                     \
    } while (0)

static void index_piece(void *arg, int64_t begin, int64_t end)
{
    const index_job *j = arg;
    const index_plan *p = j->p;
    for (int64_t i = begin; i < end; i++) {
        if (p->add) {
            if (p->size == 4)
                MOVE(float, +=);
            else
                MOVE(double, +=);
        } else if (p->size == 1) {
            MOVE(uint8_t, =);
        } else if (p->size == 2) {
            MOVE(uint16_t, =);
        } else if (p->size == 4) {
            MOVE(uint32_t, =);
        } else {
            MOVE(uint64_t, =);
        }
    }
}

static int index_run(const void *plan, void *const *ptr, void *work)
{
    const index_plan *p = plan;
    if (p->out_count == 0) return 0;
    index_job j = {.p = p, .x = reel_operand_ready_(&p->x, ptr[p->ix], work)};
    j.indices = reel_operand_ready_(&p->indices, ptr[p->ii], work);
    j.out = p->compute != p->dtype ? (char *)work + p->out_at : ptr[p->iout];
    atomic_init(&j.bad, INT64_MAX);
    reel_parallel_for(p->planes * p->from, REEL_POOL_WORK, check_piece, &j);
    const int64_t bad = atomic_load(&j.bad);
    if (bad != INT64_MAX)
        return reel_fail(REEL_EARG, "index %lld at position %lld is out of range for %lld elements of a channel",
                         (long long)j.indices[bad], (long long)bad, (long long)p->to);
    if (!p->gather) memset(j.out, 0, (size_t)p->out_count * p->size);
    reel_parallel_for(p->planes, REEL_POOL_WORK / (p->from + 1) + 1, index_piece, &j);
    if (p->compute != p->dtype) reel_convert_dense_(ptr[p->iout], p->dtype, j.out, p->compute, p->out_count);
    return 0;
}

const reel_kernel reel_k_pool_index_ = {.plan_size = sizeof(index_plan), .prepare = index_prepare, .run = index_run};
