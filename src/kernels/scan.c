/* scan.c: cumsum, cumprod, cummax, cummin, logcumsumexp and linear_scan: plans. The loops are level_scan.c's. */
#include "kernels/scan.h"
#include "core/dtype.h"
#include "core/error.h"
#include "core/shape.h"
#include "kernels/copy.h"
#include "kernels/isa.h"
#include "kernels/kernels.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "reel/tensor.h"

REEL_DECLARE_LEVELS(reel_scan_table, reel_scan_table);

typedef struct scan_plan {
    reel_scan_fn *fn;
    int64_t n, inner, tiles, n_tasks, grain;
    int n_in;
    size_t size;
    bool exclusive, reverse;
    bool pack[2];
    size_t pack_at[2];
    reel_copy_plan copy[2];
} scan_plan;

static int kind_of(int id)
{
    switch (id) {
    case REEL_OP_cumsum: return REEL_SCAN_SUM;
    case REEL_OP_cumprod: return REEL_SCAN_PROD;
    case REEL_OP_cummax: return REEL_SCAN_MAX;
    case REEL_OP_cummin: return REEL_SCAN_MIN;
    case REEL_OP_logcumsumexp: return REEL_SCAN_EXPS;
    default: return REEL_SCAN_LINEAR;
    }
}

static int scan_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    scan_plan *p = plan;
    const reel_attr_scan *a = sig->attr;
    const reel_kview *x = &sig->in[0];
    const int axis = a->axis < 0 ? a->axis + x->rank : a->axis;
    int64_t outer = 1;
    p->n = x->dims[axis];
    p->inner = 1;
    for (int k = 0; k < x->rank; k++) {
        if (k < axis) outer *= x->dims[k];
        if (k > axis) p->inner *= x->dims[k];
    }
    p->tiles = (p->inner + REEL_SCAN_COLS - 1) / REEL_SCAN_COLS;
    p->n_tasks = p->n ? outer * p->tiles : 0;
    const int64_t task = p->n * (p->inner < REEL_SCAN_COLS ? p->inner : REEL_SCAN_COLS);
    p->grain = task >= REEL_SCAN_WORK ? 1 : REEL_SCAN_WORK / (task + 1) + 1;
    p->exclusive = a->exclusive, p->reverse = a->reverse;
    p->size = reel_size_(x->dtype);
    p->n_in = sig->n_in;
    for (int i = 0; i < sig->n_in; i++) {
        reel_shape s = {.rank = x->rank};
        memcpy(s.dims, x->dims, (size_t)x->rank * sizeof *x->dims);
        p->pack[i] = !reel_is_dense_(&s, sig->in[i].strides);
        if (!p->pack[i]) continue;
        reel_copy_plan_(&p->copy[i], x->dtype, x->rank, x->dims, sig->in[i].strides, 0);
        p->pack_at[i] = *workspace;
        *workspace += ((size_t)reel_count_(&s) * p->size + 63) / 64 * 64;
    }
    p->fn = REEL_PICK(reel_scan_table)->loops[kind_of(sig->op->id)][x->dtype];
    return p->fn ? 0 : reel_fail(REEL_EDTYPE, "there is no kernel for %s", reel_dtype_name(x->dtype));
}

typedef struct job {
    const scan_plan *p;
    const char *in[2];
    char *out;
} job;

static void piece(void *arg, int64_t begin, int64_t end)
{
    const job *j = arg;
    const scan_plan *p = j->p;
    for (int64_t t = begin; t < end; t++) {
        const int64_t outer = t / p->tiles, col = (t - outer * p->tiles) * REEL_SCAN_COLS;
        const int64_t w = p->inner - col < REEL_SCAN_COLS ? p->inner - col : REEL_SCAN_COLS;
        const int64_t first = (outer * p->n + (p->reverse ? p->n - 1 : 0)) * p->inner + col;
        const size_t at = (size_t)first * p->size;
        p->fn(j->out + at, j->in[0] + at, j->in[1] ? j->in[1] + at : NULL, p->n, p->reverse ? -p->inner : p->inner, w,
              p->exclusive);
    }
}

static int scan_run(const void *plan, void *const *ptr, void *work)
{
    const scan_plan *p = plan;
    job j = {p, {ptr[0], p->n_in > 1 ? ptr[1] : NULL}, ptr[p->n_in]};
    if (p->n_tasks == 0) return 0;
    for (int i = 0; i < p->n_in; i++) {
        if (!p->pack[i]) continue;
        char *to = (char *)work + p->pack_at[i];
        reel_copy_run_(&p->copy[i], to, ptr[i]);
        j.in[i] = to;
    }
    if (p->n_tasks <= p->grain)
        piece(&j, 0, p->n_tasks);
    else
        reel_parallel_for(p->n_tasks, p->grain, piece, &j);
    return 0;
}

const reel_kernel reel_k_scan_ = {
    .plan_size = sizeof(scan_plan), .flags = REEL_K_CHEAP, .prepare = scan_prepare, .run = scan_run};
_Static_assert(sizeof(scan_plan) <= REEL_PLAN_STACK, "a cheap kernel's plan lives on the stack");
