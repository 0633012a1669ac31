/* norm.c: the plans of norm and norm_grad. The loops are level_norm.c's. */
#include "kernels/norm.h"
#include <string.h>
#include "core/dtype.h"
#include "core/shape.h"
#include "kernels/index.h"
#include "kernels/isa.h"
#include "kernels/kernels.h"
#include "kernels/loop.h"
#include "ops/attrs.h"
#include "reel/tensor.h"

REEL_DECLARE_LEVELS(reel_norm_table, reel_norm_table);

/* Strides of v against x's axes: 0 where it is broadcast. */
static void strides_of(const reel_kview *v, int rank, const int64_t *dense, int64_t *out)
{
    const int lead = rank - v->rank;
    for (int k = 0; k < rank; k++) {
        const int e = k - lead;
        out[k] = e < 0 || v->dims[e] == 1 ? 0 : dense ? dense[e] : v->strides[e];
    }
}

static void walks_of(reel_norm_plan *p, int k, const int64_t *dims, const int64_t *strides, int rank, unsigned mask)
{
    for (int d = rank - 1; d >= 0; d--)
        reel_walk_add_((mask >> d) & 1u ? &p->red[k] : &p->kept[k], dims[d], strides[d]);
    reel_walk_turn_(&p->red[k]);
    reel_walk_turn_(&p->kept[k]);
    p->direct[k] = p->red[k].n == 0 || (p->red[k].n == 1 && p->red[k].stride[0] == 1);
}

/* strides[k]: of operand k against x's dims, in elements; used: which operands there are. */
static void plan_rows(reel_norm_plan *p, const reel_kview *x, unsigned mask, int64_t (*strides)[REEL_MAX_RANK],
                      unsigned used)
{
    const int rank = x->rank;
    int64_t merged[REEL_NORM_OPERANDS][REEL_MAX_RANK] = {{0}};
    int red = 0;
    p->n = p->n_rows = p->inner = 1;
    for (int d = 0; d < rank; d++) *((mask >> d) & 1u ? &p->n : &p->n_rows) *= x->dims[d];
    for (int d = rank - 1; d >= 0 && !((mask >> d) & 1u); d--) p->inner *= x->dims[d];
    for (int k = 0; k < REEL_NORM_OPERANDS; k++)
        if ((used >> k) & 1u) walks_of(p, k, x->dims, strides[k], rank, mask);
    for (int d = 0; d < rank; d++) {
        if (!((mask >> d) & 1u)) continue;
        p->seg_dim[red] = x->dims[d];
        for (int k = 0; k < REEL_NORM_OPERANDS; k++) merged[k][red] = (used >> k) & 1u ? strides[k][d] : 0;
        red++;
    }
    int packed = 0; /* only the operands there are decide what merges */
    int64_t some[REEL_NORM_OPERANDS][REEL_MAX_RANK];
    for (int k = 0; k < REEL_NORM_OPERANDS; k++)
        if ((used >> k) & 1u) memcpy(some[packed++], merged[k], sizeof merged[k]);
    p->n_seg = reel_merge_dims_(p->seg_dim, red, some, packed);
    packed = 0;
    for (int k = 0; k < REEL_NORM_OPERANDS; k++)
        if ((used >> k) & 1u) memcpy(p->seg_stride[k], some[packed++], sizeof some[0]);
    if (used >> REEL_NORM_SCALE & 1u) {
        p->scale = REEL_NORM_BY_ROW;
        for (int k = 0; k < p->n_seg; k++)
            if (p->seg_stride[REEL_NORM_SCALE][k]) p->scale = REEL_NORM_BY_ELEMENT;
    }
}

static bool constant_in_row(const reel_norm_plan *p, int k)
{
    for (int d = 0; d < p->n_seg; d++)
        if (p->seg_stride[k][d]) return false;
    return true;
}

static void plan_tasks(reel_norm_plan *p, bool cols, int64_t row_tasks, int64_t elements)
{
    const bool empty = p->n_rows == 0 || (p->n == 0 && p->backward);
    p->n_tiles = cols ? (p->inner + REEL_NORM_COLS - 1) / REEL_NORM_COLS : 1;
    p->n_tasks = empty ? 0 : cols ? p->n_rows / p->inner * p->n_tiles : row_tasks;
    if (cols) elements = p->n * REEL_NORM_COLS;
    p->grain = elements >= REEL_NORM_WORK ? 1 : REEL_NORM_WORK / (elements + 1) + 1;
}

static int norm_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_attr_normalize *a = sig->attr;
    const reel_kview *x = &sig->in[0];
    const reel_norm_table *table = REEL_PICK(reel_norm_table);
    reel_norm_plan *p = plan;
    int64_t strides[REEL_NORM_OPERANDS][REEL_MAX_RANK];
    unsigned mask, used = 1u << REEL_NORM_X | 1u << REEL_NORM_Y;
    (void)workspace;
    memset(p, 0, sizeof *p);
    const int code = reel_axes_mask_(&a->axes, x->rank, &mask);
    if (code) return code;
    p->eps = a->eps;
    p->rms = a->rms;
    p->bias = sig->n_in > 2;
    strides_of(x, x->rank, NULL, strides[REEL_NORM_X]);
    strides_of(&sig->out[0], x->rank, NULL, strides[REEL_NORM_Y]);
    if (sig->n_in > 1) strides_of(&sig->in[1], x->rank, NULL, strides[REEL_NORM_SCALE]), used |= 1u << REEL_NORM_SCALE;
    if (sig->n_in > 2) strides_of(&sig->in[2], x->rank, NULL, strides[REEL_NORM_BIAS]), used |= 1u << REEL_NORM_BIAS;
    plan_rows(p, x, mask, strides, used);
    const bool cols = p->inner > 1 && p->n > 0 && p->scale != REEL_NORM_BY_ELEMENT &&
                      (!p->bias || constant_in_row(p, REEL_NORM_BIAS));
    p->body = cols ? table->cols[x->dtype] : table->rows[x->dtype];
    plan_tasks(p, cols, p->n_rows, p->n);
    return 0;
}

typedef struct job {
    const reel_norm_plan *plan;
    const reel_norm_io *io;
} job;

static void piece(void *arg, int64_t begin, int64_t end)
{
    const job *j = arg;
    j->plan->body(j->plan, j->io, begin, end);
}

static void run_all(const reel_norm_plan *p, const reel_norm_io *io)
{
    if (REEL_LIKELY(p->n_tasks <= p->grain)) {
        p->body(p, io, 0, p->n_tasks);
    } else {
        job j = {p, io};
        reel_parallel_for(p->n_tasks, p->grain, piece, &j);
    }
}

typedef struct norm_plan {
    reel_norm_plan p;
    int n_in;
    reel_dtype dtype;
} norm_plan;

static int norm_prepare_all(const reel_ksig *sig, void *plan, size_t *workspace)
{
    norm_plan *n = plan;
    n->n_in = sig->n_in;
    n->dtype = sig->in[0].dtype;
    return norm_prepare(sig, &n->p, workspace);
}

/* Of no elements mean and variance are NaN. */
static void no_moments(const norm_plan *n, void *const *out)
{
    const bool wide = n->dtype == REEL_F64;
    for (int j = 1; j < 3; j++)
        for (int64_t i = 0; i < n->p.n_rows; i++) {
            if (wide)
                ((double *)out[j])[i] = (double)__builtin_nanf("");
            else
                ((float *)out[j])[i] = __builtin_nanf("");
        }
}

static int norm_run(const void *plan, void *const *ptr, void *work)
{
    const norm_plan *n = plan;
    void *const *out = ptr + n->n_in;
    (void)work;
    const reel_norm_io io = {.x = ptr[0],
                             .scale = n->n_in > 1 ? ptr[1] : NULL,
                             .bias = n->n_in > 2 ? ptr[2] : NULL,
                             .y = out[0],
                             .mean = out[1],
                             .var = out[2]};
    if (n->p.n == 0)
        no_moments(n, out);
    else
        run_all(&n->p, &io);
    return 0;
}
const reel_kernel reel_k_normalize_ = {.plan_size = sizeof(norm_plan), .prepare = norm_prepare_all, .run = norm_run};

/* ---- norm_grad(g, x, mean, var[, scale]) -> dx[, dscale, dbias] -------------------------------------------- */
typedef struct grad_plan {
    reel_norm_plan p;
    int n_in;
    int64_t n_blocks;
    size_t gather_at, mean_at,
        var_at; /* in the workspace: the gradients of scale, mean and var if they are not dense */
    reel_dtype dtype, stat;
    int rank;
    bool pack[2];
    int64_t dims[2][REEL_MAX_RANK], strides[2][REEL_MAX_RANK];
} grad_plan;

static int64_t count_of(const reel_kview *v)
{
    int64_t n = 1;
    for (int k = 0; k < v->rank; k++) n *= v->dims[k];
    return n;
}

static size_t take(size_t *workspace, int64_t bytes)
{
    const size_t at = *workspace;
    *workspace += ((size_t)bytes + 63) / 64 * 64;
    return at;
}

static int grad_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_attr_normalize *a = sig->attr;
    const reel_kview *g = &sig->in[0], *x = &sig->in[1];
    const reel_norm_table *table = REEL_PICK(reel_norm_table);
    grad_plan *q = plan;
    reel_norm_plan *p = &q->p;
    int64_t strides[REEL_NORM_OPERANDS][REEL_MAX_RANK];
    unsigned mask, used = 1u << REEL_NORM_X | 1u << REEL_NORM_Y | 1u << REEL_NORM_G;
    memset(q, 0, sizeof *q);
    const int code = reel_axes_mask_(&a->axes, x->rank, &mask);
    if (code) return code;
    q->n_in = sig->n_in;
    q->dtype = x->dtype;
    q->stat = sig->in[2].dtype;
    q->rank = x->rank;
    p->eps = a->eps;
    p->rms = a->rms;
    p->backward = true;
    strides_of(x, x->rank, NULL, strides[REEL_NORM_X]);
    strides_of(&sig->out[0], x->rank, NULL, strides[REEL_NORM_Y]);
    strides_of(g, x->rank, NULL, strides[REEL_NORM_G]);
    if (sig->n_in > 4) {
        const reel_kview *s = &sig->in[4];
        strides_of(s, x->rank, NULL, strides[REEL_NORM_SCALE]);
        strides_of(s, x->rank, sig->out[1].strides, strides[REEL_NORM_DS]);
        used |= 1u << REEL_NORM_SCALE | 1u << REEL_NORM_DS;
        p->n_scale = count_of(s);
    }
    plan_rows(p, x, mask, strides, used);
    if (p->scale == REEL_NORM_BY_ROW && !constant_in_row(p, REEL_NORM_DS)) p->scale = REEL_NORM_BY_ELEMENT;
    if (reel_check_work_(p->n_rows | p->n_scale)) return reel_status();
    const bool cols = p->inner > 1 && p->n > 0 && p->scale != REEL_NORM_BY_ELEMENT;
    p->rows_a_block = (p->n_rows + REEL_NORM_BLOCKS - 1) / REEL_NORM_BLOCKS;
    if (p->rows_a_block < 1) p->rows_a_block = 1;
    q->n_blocks = (p->n_rows + p->rows_a_block - 1) / p->rows_a_block;
    p->body = cols ? table->back_cols[x->dtype] : table->back_rows[x->dtype];
    if (p->scale == REEL_NORM_BY_ELEMENT) {
        plan_tasks(p, false, q->n_blocks, p->n * p->rows_a_block);
        (void)take(workspace, 2 * q->n_blocks * p->n_scale * (int64_t)sizeof(double));
    } else {
        plan_tasks(p, cols, p->n_rows, p->n);
        if (p->scale) (void)take(workspace, 2 * p->n_rows * (int64_t)sizeof(double));
    }
    q->gather_at = take(workspace, 2 * p->n_scale * (int64_t)sizeof(double));
    for (int k = 0; k < 2; k++) {
        const reel_kview *v = &sig->in[2 + k];
        reel_shape s = {.rank = v->rank};
        memcpy(s.dims, v->dims, (size_t)v->rank * sizeof *v->dims);
        q->pack[k] = !reel_is_dense_(&s, v->strides);
        memcpy(q->dims[k], v->dims, (size_t)v->rank * sizeof *v->dims);
        memcpy(q->strides[k], v->strides, (size_t)v->rank * sizeof *v->strides);
        *(k ? &q->var_at : &q->mean_at) = take(workspace, q->pack[k] ? count_of(v) * (int64_t)sizeof(double) : 0);
    }
    return 0;
}

static void *packed(const grad_plan *q, int k, void *const *ptr, void *work)
{
    if (!q->pack[k]) return ptr[2 + k];
    void *to = (char *)work + (k ? q->var_at : q->mean_at);
    const reel_kview v = {q->stat, q->rank, q->dims[k], q->strides[k], ptr[2 + k]};
    reel_pack_(to, &v);
    return to;
}

/* The gradients of scale and bias from the rows' or the blocks' sums, in their order. */
static void finish(const grad_plan *q, const double *sums, double *total, void *const *out)
{
    const reel_norm_plan *p = &q->p;
    double *ds = total, *db = total + p->n_scale;
    memset(total, 0, (size_t)(2 * p->n_scale) * sizeof *total);
    if (p->n_tasks && p->scale == REEL_NORM_BY_ROW) {
        for (int64_t r = 0; r < p->n_rows; r++) {
            const int64_t at = reel_walk_offset_(&p->kept[REEL_NORM_DS], r);
            db[at] += sums[2 * r];
            ds[at] += sums[2 * r + 1];
        }
    } else if (p->n_tasks) {
        for (int64_t b = 0; b < q->n_blocks; b++)
            for (int64_t i = 0; i < 2 * p->n_scale; i++) total[i] += sums[2 * b * p->n_scale + i];
    }
    for (int64_t i = 0; i < 2 * p->n_scale; i++)
        total[i] = total[i] == total[i] ? total[i] : (double)__builtin_nanf("");
    reel_convert_(out[1], q->dtype, 1, ds, REEL_F64, 1, p->n_scale);
    reel_convert_(out[2], q->dtype, 1, db, REEL_F64, 1, p->n_scale);
}

static int grad_run(const void *plan, void *const *ptr, void *work)
{
    const grad_plan *q = plan;
    void *const *out = ptr + q->n_in;
    const reel_norm_io io = {.x = ptr[1],
                             .g = ptr[0],
                             .scale = q->n_in > 4 ? ptr[4] : NULL,
                             .y = out[0],
                             .mean = packed(q, 0, ptr, work),
                             .var = packed(q, 1, ptr, work),
                             .sums = work};
    run_all(&q->p, &io);
    if (q->n_in > 4) finish(q, work, (double *)(void *)((char *)work + q->gather_at), out);
    return 0;
}
const reel_kernel reel_k_normalize_grad_ = {.plan_size = sizeof(grad_plan), .prepare = grad_prepare, .run = grad_run};
