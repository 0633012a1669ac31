/* softmax.c: softmax, log_softmax, their gradients and softmax_cross_entropy: plans. The loops are level_softmax.c's. */
#include "kernels/softmax.h"
#include <string.h>
#include "core/dtype.h"
#include "core/error.h"
#include "kernels/isa.h"
#include "kernels/kernels.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "reel/tensor.h"

REEL_DECLARE_LEVELS(reel_softmax_table, reel_softmax_table);

/* All axes but the skipped one, outermost first; returns how many elements they have. */
static int64_t walk_all_but(reel_walk *w, const reel_kview *x, int skip)
{
    int64_t n = 1;
    w->n = 0;
    for (int k = x->rank - 1; k >= 0; k--) {
        if (k == skip) continue;
        n *= x->dims[k];
        reel_walk_add_(w, x->dims[k], x->strides[k]);
    }
    reel_walk_turn_(w);
    return n;
}

static void plan_rows(reel_softmax_plan *p, const reel_kview *x, int axis)
{
    p->n = x->rank ? x->dims[axis] : 1;
    p->stride = x->rank ? x->strides[axis] : 1;
    p->n_rows = walk_all_but(&p->rows, x, axis);
    p->inner = p->n_tiles = 1;
    p->n_tasks = p->n_rows;
    p->log = false;
}

static void plan_grain(reel_softmax_plan *p, int64_t elements)
{
    p->grain = elements >= REEL_SOFT_WORK ? 1 : REEL_SOFT_WORK / (elements + 1) + 1;
}

/* Rows, or tiles of columns. */
static void plan_tasks(reel_softmax_plan *p, const reel_kview *x, int axis, reel_softmax_body *const *rows,
                       reel_softmax_body *const *cols)
{
    for (int k = axis + 1; k < x->rank; k++) p->inner *= x->dims[k];
    if (p->n_rows == 0 || p->n == 0) p->n_tasks = 0;
    if (p->inner <= 1) {
        p->body = rows[x->dtype];
        plan_grain(p, p->n);
        return;
    }
    p->n_tiles = (p->inner + REEL_SOFT_COLS - 1) / REEL_SOFT_COLS;
    if (p->n_tasks) p->n_tasks = p->n_rows / p->inner * p->n_tiles;
    p->body = cols[x->dtype];
    plan_grain(p, p->n * REEL_SOFT_COLS);
}

static int softmax_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_attr_axis *a = sig->attr;
    const reel_kview *x = &sig->in[0];
    const reel_softmax_table *table = REEL_PICK(reel_softmax_table);
    const int axis = a->axis < 0 ? a->axis + x->rank : a->axis;
    reel_softmax_plan *p = plan;
    (void)workspace;
    plan_rows(p, x, axis);
    p->log = sig->op->id == REEL_OP_log_softmax;
    plan_tasks(p, x, axis, table->rows, table->cols);
    return 0;
}

static int grad_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_attr_axis *a = sig->attr;
    const reel_kview *y = &sig->in[0], *g = &sig->in[1];
    const reel_softmax_table *table = REEL_PICK(reel_softmax_table);
    const int axis = a->axis < 0 ? a->axis + y->rank : a->axis;
    reel_softmax_plan *p = plan;
    (void)workspace;
    plan_rows(p, y, axis);
    p->g_stride = g->strides[axis];
    (void)walk_all_but(&p->labels, g, axis);
    p->log = sig->op->id == REEL_OP_log_softmax_grad;
    plan_tasks(p, y, axis, table->back_rows, table->back_cols);
    return 0;
}

static int cross_entropy_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    reel_softmax_plan *p = plan;
    (void)workspace;
    plan_rows(p, &sig->in[0], sig->in[0].rank - 1);
    (void)walk_all_but(&p->labels, &sig->in[1], -1);
    p->label_dtype = sig->in[1].dtype;
    p->body = REEL_PICK(reel_softmax_table)->loss[sig->in[0].dtype];
    plan_grain(p, p->n);
    return 0;
}

typedef struct job {
    const reel_softmax_plan *plan;
    const void *x, *labels;
    void *out;
} job;

static void piece(void *arg, int64_t begin, int64_t end)
{
    const job *j = arg;
    j->plan->body(j->plan, j->x, j->labels, j->out, begin, end);
}

static void run_all(const reel_softmax_plan *p, const void *x, const void *labels, void *out)
{
    if (REEL_LIKELY(p->n_tasks <= p->grain)) {
        p->body(p, x, labels, out, 0, p->n_tasks);
    } else {
        job j = {p, x, labels, out};
        reel_parallel_for(p->n_tasks, p->grain, piece, &j);
    }
}

static int softmax_run(const void *plan, void *const *ptr, void *work)
{
    (void)work;
    run_all(plan, ptr[0], NULL, ptr[1]);
    return 0;
}

static int grad_run(const void *plan, void *const *ptr, void *work)
{
    (void)work;
    run_all(plan, ptr[0], ptr[1], ptr[2]);
    return 0;
}

static int cross_entropy_run(const void *plan, void *const *ptr, void *work)
{
    const reel_softmax_plan *p = plan;
    (void)work;
    /* on this thread, before anything is read: an error must reach the caller */
    for (int64_t r = 0; r < p->n_rows; r++) {
        const int64_t label = reel_label_(p->label_dtype, ptr[1], reel_walk_offset_(&p->labels, r));
        if (REEL_UNLIKELY(label < 0 || label >= p->n))
            return reel_fail(REEL_EARG, "label %lld at row %lld is out of range for %lld classes", (long long)label,
                             (long long)r, (long long)p->n);
    }
    run_all(p, ptr[0], ptr[1], ptr[2]);
    return 0;
}

const reel_kernel reel_k_softmax_ = {
    .plan_size = sizeof(reel_softmax_plan), .flags = REEL_K_CHEAP, .prepare = softmax_prepare, .run = softmax_run};
const reel_kernel reel_k_softmax_grad_ = {
    .plan_size = sizeof(reel_softmax_plan), .flags = REEL_K_CHEAP, .prepare = grad_prepare, .run = grad_run};
const reel_kernel reel_k_cross_entropy_ = {.plan_size = sizeof(reel_softmax_plan),
                                           .flags = REEL_K_CHEAP,
                                           .prepare = cross_entropy_prepare,
                                           .run = cross_entropy_run};

/* ---- pick: the label's element of each row ------------------------------------------------------------------ */
typedef struct pick_plan {
    reel_walk rows, labels;
    int64_t n, stride, n_rows, ignore, index;
    reel_dtype dtype, label_dtype;
} pick_plan;
_Static_assert(sizeof(pick_plan) <= REEL_PLAN_STACK, "a cheap kernel's plan lives on the stack");

static int pick_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_attr_pick *a = sig->attr;
    const reel_kview *x = &sig->in[0];
    pick_plan *p = plan;
    (void)workspace;
    p->n = x->dims[x->rank - 1];
    p->stride = x->strides[x->rank - 1];
    p->n_rows = walk_all_but(&p->rows, x, x->rank - 1);
    (void)walk_all_but(&p->labels, &sig->in[1], -1);
    p->ignore = a->ignore, p->index = a->index;
    p->dtype = x->dtype, p->label_dtype = sig->in[1].dtype;
    return 0;
}

static int pick_run(const void *plan, void *const *ptr, void *work)
{
    const pick_plan *p = plan;
    const size_t size = reel_size_(p->dtype);
    char *y = ptr[2];
    (void)work;
    for (int64_t r = 0; r < p->n_rows; r++, y += size) {
        const int64_t label = reel_label_(p->label_dtype, ptr[1], reel_walk_offset_(&p->labels, r));
        if (p->ignore && label == p->index) {
            memset(y, 0, size);
            continue;
        }
        if (REEL_UNLIKELY(label < 0 || label >= p->n))
            return reel_fail(REEL_EARG, "label %lld at row %lld is out of range for %lld classes", (long long)label,
                             (long long)r, (long long)p->n);
        const int64_t at = reel_walk_offset_(&p->rows, r) + label * p->stride;
        memcpy(y, (const char *)ptr[0] + at * (int64_t)size, size);
    }
    return 0;
}
const reel_kernel reel_k_pick_ = {
    .plan_size = sizeof(pick_plan), .flags = REEL_K_CHEAP, .prepare = pick_prepare, .run = pick_run};
_Static_assert(sizeof(reel_softmax_plan) <= REEL_PLAN_STACK, "a cheap kernel's plan lives on the stack");
