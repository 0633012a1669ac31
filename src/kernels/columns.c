/* columns.c: a group of elementwise ops, and reductions of what it makes. The result is made block by block, as the reductions take it,
   and each block is reduced at once, while it is in cache. The reductions' loops, tasks and joins are those of their own kernels, so
   the bits are the same. Where that saves nothing they come one behind the other. */
#include <string.h>
#include "core/alloc.h"
#include "kernels/after.h"
#include "kernels/cpu_table.h"
#include "kernels/kernels.h"
#include "kernels/operand.h"
#include "kernels/reduce.h"
#include "reel/tensor.h"

enum {
    SMALL = 1 << 17, /* bytes: what the group makes stays in cache by itself */
    BLOCK = 1 << 17, /* bytes of a block, about, */
    BLOCKS = 8,      /* of which there should be so many, for the threads */
    RUN = 64         /* elements that should follow each other in a block */
};

typedef struct columns {
    void *group; /* its plan */
    int n_in, n_made, n;
    int of[REEL_COLUMNS];
    const reel_kernel *kernel[REEL_COLUMNS];
    reel_reduce_plan r[REEL_COLUMNS]; /* the same tasks in all of them */
    size_t work_at[REEL_COLUMNS];
    bool apart;
    int64_t tiles, blocks, grain; /* of columns in a block; blocks in all, worth a thread */
} columns;

/* ---- blocks -------------------------------------------------------------------------------------------- */

/* A block: tiles [tile, tile + tiles) of the columns in `outer`, or the one result `outer`; part `part` of what is reduced. */
typedef struct place {
    int64_t outer, tile, tiles, part;
} place;

static int64_t width_of(const reel_reduce_plan *r)
{
    return r->columns ? r->kept.dim[r->kept.n - 1] : 1;
}

static place place_of(const columns *c, int64_t block)
{
    const reel_reduce_plan *r = &c->r[0];
    const int64_t groups = (r->n_tiles + c->tiles - 1) / c->tiles, at = block / r->n_parts;
    place p = {.outer = at / groups, .tile = at % groups * c->tiles, .part = block % r->n_parts, .tiles = c->tiles};
    if (p.tile + p.tiles > r->n_tiles) p.tiles = r->n_tiles - p.tile;
    return p;
}

/* The group, for the elements of a block. */
static void make_block(const columns *c, void *const *ptr, const place *p)
{
    const reel_reduce_plan *r = &c->r[0];
    const int64_t width = width_of(r), col = p->tile * REEL_RED_COLS;
    const int64_t w = width - col < p->tiles * REEL_RED_COLS ? width - col : p->tiles * REEL_RED_COLS;
    const int64_t first = p->part * r->part, end = first + r->part < r->n_red ? first + r->part : r->n_red;
    const int64_t base = reel_walk_offset_(&r->kept, p->outer * width + col);
    const int k = r->red.n - 1;
    if (r->columns && r->red.n == 1 && r->red.stride[0] == w) { /* all columns */
        reel_fused_range_(c->group, ptr, base + first * w, base + end * w);
        return;
    }
    reel_place at;
    reel_place_set_(&at, &r->red, first);
    for (int64_t i = first; i < end;) {
        if (r->columns) {
            reel_fused_range_(c->group, ptr, base + at.off, base + at.off + w);
            reel_place_next_(&at, &r->red);
            i++;
            continue;
        }
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
        const place p = place_of(c, b);
        make_block(c, j->ptr, &p);
        for (int k = 0; k < c->n; k++) {
            const reel_reduce_plan *r = &c->r[k];
            for (int64_t t = p.tile; t < p.tile + p.tiles; t++) {
                const int64_t task = (p.outer * r->n_tiles + t) * r->n_parts + p.part;
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

static int prepare_group(columns *c, const reel_ksig *sig, const reel_fused *f)
{
    const reel_ksig own = {.attr = f, .n_in = sig->n_in, .n_out = f->n_out, .in = sig->in, .out = sig->out};
    size_t none = 0;
    void *plan = reel_zalloc_(reel_k_fused_.plan_size);
    if (!plan) return REEL_ENOMEM;
    const int rc = reel_k_fused_.prepare(&own, plan, &none);
    if (rc)
        reel_free_(plan, reel_k_fused_.plan_size);
    else
        c->group = plan;
    return rc;
}

/* How many tiles of columns are a block; whether blocks are worth it. */
static void cut(columns *c, const reel_kview *x)
{
    const reel_reduce_plan *r = &c->r[0];
    const int64_t width = width_of(r), size = reel_dtype_bytes_[x->dtype], count = r->n_out * r->n_red;
    const int64_t rows = r->part < r->n_red ? r->part : r->n_red, outer = r->n_out / width;
    c->apart = count * size <= SMALL;
    if (c->apart) return;
    c->tiles = 1;
    while (c->tiles < r->n_tiles && 2 * c->tiles * REEL_RED_COLS * rows * size <= BLOCK &&
           outer * r->n_parts * ((r->n_tiles + 2 * c->tiles - 1) / (2 * c->tiles)) >= BLOCKS)
        c->tiles *= 2;
    c->blocks = outer * r->n_parts * ((r->n_tiles + c->tiles - 1) / c->tiles);
    c->grain = REEL_RED_WORK / (count / c->blocks + 1) + 1;
    const int64_t whole = r->columns && r->red.n == 1 && r->red.stride[0] == width ? count : width;
    const int k = r->red.n - 1;
    c->apart = r->columns ? whole < RUN : r->red.stride[k] != 1 || r->red.dim[k] < RUN;
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
