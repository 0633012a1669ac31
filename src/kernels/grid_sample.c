/* grid_sample.c: plans of grid_sample and its gradients. Points are shared among threads; the gradient by x by planes, since
   points may meet in a pixel. */
#include <string.h>
#include "kernels/grid_sample.h"
#include "kernels/dense.h"
#include "ops/attrs.h"

enum { WORK = 1 << 15 };

typedef struct grid_plan {
    const reel_grid_table *table;
    reel_grid_job job;
    reel_dense_in g, x, grid;
    reel_dense_out out[2];
    int64_t grain, plane_grain;
} grid_plan;

static int prepare_any(const reel_ksig *sig, grid_plan *p, int first, size_t *workspace)
{
    const reel_attr_grid *a = sig->attr;
    const reel_kview *x = &sig->in[first], *grid = &sig->in[first + 1];
    const reel_dtype compute = x->dtype == REEL_F64 ? REEL_F64 : REEL_F32;
    reel_grid_job *j = &p->job;
    memset(p, 0, sizeof *p);
    p->table = compute == REEL_F64 ? &REEL_PICK(reel_grid_levels)->f64 : &REEL_PICK(reel_grid_levels)->f32;
    j->axes = x->rank - 2;
    j->mode = a->mode, j->padding = a->padding, j->align = a->align;
    memcpy(j->order, a->order, sizeof j->order);
    j->images = x->dims[0], j->channels = x->dims[1];
    j->pixels = j->points = 1;
    for (int i = 0; i < j->axes; i++) {
        j->dims[i] = x->dims[2 + i];
        j->pixels *= x->dims[2 + i];
        j->points *= grid->dims[1 + i];
    }
    int code = first ? reel_dense_plan_(&p->g, &sig->in[0], compute, workspace) : 0;
    if (!code) code = reel_dense_plan_(&p->x, x, compute, workspace);
    if (!code) code = reel_dense_plan_(&p->grid, grid, compute, workspace);
    for (int i = 0; i < sig->n_out && !code; i++)
        code = reel_dense_out_plan_(&p->out[i], &sig->out[i], compute, workspace);
    if (!code && j->pixels > INT32_MAX)
        code = reel_fail(REEL_ESHAPE, "%lld pixels a plane, it can do %d", (long long)j->pixels, INT32_MAX);
    p->grain = (WORK / (8 * (j->channels + 4)) / REEL_GRID_BLOCK + 1) * REEL_GRID_BLOCK;
    p->plane_grain = WORK / (16 * (j->points + 1)) + 1;
    if (p->plane_grain < REEL_GRID_PLANES) p->plane_grain = REEL_GRID_PLANES;
    return code;
}

static int prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    return prepare_any(sig, plan, 0, workspace);
}

static int grad_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    return prepare_any(sig, plan, 1, workspace);
}

typedef struct task {
    reel_grid_job job;
    void (*body)(const reel_grid_job *j, int64_t begin, int64_t end);
} task;

static void piece(void *arg, int64_t begin, int64_t end)
{
    const task *t = arg;
    t->body(&t->job, begin, end);
}

static int run(const void *plan, void *const *ptr, void *work)
{
    const grid_plan *p = plan;
    task t = {p->job, p->table->sample};
    t.job.x = reel_dense_ready_(&p->x, ptr[0], work);
    t.job.grid = reel_dense_ready_(&p->grid, ptr[1], work);
    t.job.y = reel_dense_out_(&p->out[0], ptr[2], work);
    if (t.job.channels > 0) reel_parallel_for(t.job.images * t.job.points, p->grain, piece, &t);
    reel_dense_done_(&p->out[0], ptr[2], work);
    return 0;
}

static int grad_run(const void *plan, void *const *ptr, void *work)
{
    const grid_plan *p = plan;
    task t = {p->job, p->table->back_x};
    t.job.g = reel_dense_ready_(&p->g, ptr[0], work);
    t.job.x = reel_dense_ready_(&p->x, ptr[1], work);
    t.job.grid = reel_dense_ready_(&p->grid, ptr[2], work);
    t.job.dx = reel_dense_out_(&p->out[0], ptr[3], work);
    t.job.dgrid = reel_dense_out_(&p->out[1], ptr[4], work);
    reel_parallel_for(t.job.images * t.job.channels, p->plane_grain, piece, &t);
    t.body = p->table->back_grid;
    reel_parallel_for(t.job.images * t.job.points, p->grain, piece, &t);
    for (int i = 0; i < 2; i++) reel_dense_done_(&p->out[i], ptr[3 + i], work);
    return 0;
}

const reel_kernel reel_k_grid_sample_ = {.plan_size = sizeof(grid_plan), .prepare = prepare, .run = run};
const reel_kernel reel_k_grid_sample_grad_ = {.plan_size = sizeof(grid_plan), .prepare = grad_prepare, .run = grad_run};
