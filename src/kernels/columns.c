/* columns.c: a group of elementwise ops, and reductions of what it makes. The result is made block by block, as the reductions take it,
   and each block is reduced at once, while it is in cache. The reductions' loops, tasks and joins are those of their own kernels, so
   the bits are the same. Where that saves nothing they come one behind the other. */
#include <string.h>
#include "core/alloc.h"
#include "kernels/after.h"
#include "kernels/cpu_table.h"
#include "kernels/kernels.h"
#include "kernels/operand.h"
#include "kernels/printing.h"
#include "kernels/reduce.h"
#include "reel/tensor.h"

enum {
    SMALL = 1 << 17, /* bytes: what the group makes stays in cache by itself */
    BLOCKS = 2,      /* at least, for each thread */
    RUN = 2048       /* elements that follow each other in a block: calls for fewer take longer than what is saved */
};

typedef struct columns {
    void *group; /* its plan */
    int n_in, n_made, n;
    int of[REEL_COLUMNS];
    const reel_kernel *kernel[REEL_COLUMNS];
    reel_reduce_plan r[REEL_COLUMNS]; /* the same tasks in all of them */
    size_t work_at[REEL_COLUMNS];
    bool apart;
    int64_t blocks, grain; /* in all, worth a thread */
} columns;

/* ---- blocks -------------------------------------------------------------------------------------------- */

static int64_t width_of(const reel_reduce_plan *r)
{
    return r->columns ? r->kept.dim[r->kept.n - 1] : 1;
}

/* The group, for part `part` of what becomes the results `outer`: as many as there are columns. */
static void make_block(const columns *c, void *const *ptr, int64_t outer, int64_t part)
{
    const reel_reduce_plan *r = &c->r[0];
    const int64_t width = width_of(r), base = reel_walk_offset_(&r->kept, outer * width);
    const int64_t first = part * r->part, end = first + r->part < r->n_red ? first + r->part : r->n_red;
    const int k = r->red.n - 1;
    if (r->columns) {
        reel_fused_range_(c->group, ptr, base + first * width, base + end * width);
        return;
    }
    reel_place at;
    reel_place_set_(&at, &r->red, first);
    for (int64_t i = first; i < end;) {
        const int64_t left = r->red.dim[k] - at.at[k], run = left < end - i ? left : end - i;
        reel_fused_range_(c->group, ptr, base + at.off, base + at.off + run);
        at.at[k] += run;
        at.off += run;
        reel_place_carry_(&at, &r->red, k);
        i += run;
    }
}

typedef struct job {
    const columns *c;
    void *const *ptr;
    char *work;
} job;

static void *made(const job *j, int k)
{
    return j->ptr[j->c->n_in + j->c->of[k]];
}
static void *reduced(const job *j, int k)
{
    return j->ptr[j->c->n_in + j->c->n_made + k];
}

static void piece(void *arg, int64_t begin, int64_t end)
{
    const job *j = arg;
    const columns *c = j->c;
    for (int64_t b = begin; b < end; b++) {
        const int64_t outer = b / c->r[0].n_parts, part = b % c->r[0].n_parts;
        make_block(c, j->ptr, outer, part);
        for (int k = 0; k < c->n; k++) {
            const reel_reduce_plan *r = &c->r[k];
            for (int64_t t = 0; t < r->n_tiles; t++) {
                const int64_t task = (outer * r->n_tiles + t) * r->n_parts + part;
                r->body(r, made(j, k), reduced(j, k), j->work + c->work_at[k], task, task + 1);
            }
        }
    }
}

/* ---- the kernel ---------------------------------------------------------------------------------------- */

static void drop(void *plan)
{
    columns *c = plan;
    if (!c->group) return;
    reel_k_fused_.drop(c->group);
    reel_free_(c->group, reel_k_fused_.plan_size);
    c->group = NULL;
}

void reel_columns_use_(void *plan, reel_group_fn *fn)
{
    reel_fused_use_(((columns *)plan)->group, fn);
}

static int prepare_group(columns *c, const reel_ksig *sig, const reel_fused *f)
{
    const reel_ksig own = {.attr = f, .n_in = sig->n_in, .n_out = f->n_out, .in = sig->in, .out = sig->out};
    return reel_fused_new_(&own, &c->group);
}

/* Blocks are the reductions' tasks: one result's part of what is reduced, or all columns' part. Are they worth it? */
static void cut(columns *c, const reel_kview *x)
{
    const reel_reduce_plan *r = &c->r[0];
    const int64_t width = width_of(r), count = r->n_out * r->n_red;
    const int k = r->red.n - 1;
    c->blocks = r->n_out / width * r->n_parts;
    c->grain = c->blocks ? REEL_RED_WORK / (count / c->blocks + 1) + 1 : 1;
    c->apart = count * reel_dtype_bytes_[x->dtype] <= SMALL || c->blocks < (int64_t)BLOCKS * reel_threads() ||
               (r->columns ? r->red.n != 1 || r->red.stride[0] != width : r->red.stride[k] != 1 || r->red.dim[k] < RUN);
}

static int prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_columns *f = sig->attr;
    columns *c = plan;
    *c = (columns){.n_in = sig->n_in, .n_made = f->f->n_out, .n = f->n};
    int rc = prepare_group(c, sig, f->f);
    for (int k = 0; k < f->n && !rc; k++) {
        const reel_column *one = &f->column[k];
        size_t bytes = 0;
        c->of[k] = one->of;
        c->kernel[k] = reel_reduce_axes_(&c->r[k], one->op, one->attr, &sig->out[one->of], one->axes,
                                         &sig->out[c->n_made + k], &bytes);
        rc = c->kernel[k] ? reel_room_(workspace, (int64_t)bytes, 1, &c->work_at[k]) : reel_status();
    }
    if (rc)
        drop(c);
    else
        cut(c, &sig->out[c->of[0]]);
    return rc;
}

static int run(const void *plan, void *const *ptr, void *work)
{
    const columns *c = plan;
    job j = {c, ptr, work};
    if (c->apart)
        (void)reel_k_fused_.run(c->group, ptr, NULL);
    else if (c->blocks <= c->grain)
        piece(&j, 0, c->blocks);
    else
        reel_parallel_for(c->blocks, c->grain, piece, &j);
    for (int k = 0; k < c->n; k++) {
        void *const io[2] = {made(&j, k), reduced(&j, k)};
        if (c->apart)
            (void)c->kernel[k]->run(&c->r[k], io, j.work + c->work_at[k]);
        else if (c->r[k].join)
            c->r[k].finish(&c->r[k], io[1], j.work + c->work_at[k]);
    }
    return 0;
}

const reel_kernel reel_k_columns_ = {.plan_size = sizeof(columns), .prepare = prepare, .run = run, .drop = drop};
