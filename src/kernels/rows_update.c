/* rows_update.c: the steps of optimizers for some rows of a table. An output that is its input already has the other rows. */
#include <string.h>
#include "core/dtype.h"
#include "core/shape.h"
#include "kernels/elementwise.h"
#include "kernels/kernels.h"
#include "kernels/rows.h"
#include "ops/attrs.h"
#include "reel/tensor.h"

enum { WORK = 1 << 14 /* bytes a piece of parallel work */, MAX_STATE = 3 };

typedef struct layout {
    bool dense;
    int64_t strides[REEL_MAX_RANK];
} layout;

typedef struct update_rows_plan {
    reel_row_groups groups;
    reel_attr_update attr;
    reel_inner_fn *fn;
    reel_dtype dtype;
    bool adam;
    int rank, n_state;
    int64_t width, rows, taken; /* rows of w, of g */
    size_t pack;                /* where g goes unless it is dense */
    int64_t dims[REEL_MAX_RANK];
    layout state[MAX_STATE], g;
} update_rows_plan;

static layout layout_of(const reel_kview *v)
{
    layout l;
    reel_shape s = {.rank = v->rank};
    memcpy(s.dims, v->dims, (size_t)v->rank * sizeof *v->dims);
    memset(&l, 0, sizeof l);
    memcpy(l.strides, v->strides, (size_t)v->rank * sizeof *v->strides);
    l.dense = reel_is_dense_(&s, v->strides);
    return l;
}

static int prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    update_rows_plan *p = plan;
    const reel_kview *w = &sig->in[0], *g = &sig->in[sig->n_out];
    p->attr = *(const reel_attr_update *)sig->attr;
    p->dtype = w->dtype;
    p->adam = sig->op->id == REEL_OP_adam_rows;
    const reel_update_table *t = REEL_PICK(reel_update_table);
    p->fn = p->adam ? t->adam[p->dtype] : t->sgd[p->dtype];
    p->rank = w->rank;
    p->n_state = sig->n_out;
    p->rows = w->dims[0];
    p->taken = g->dims[0];
    p->width = 1;
    for (int i = 1; i < w->rank; i++) p->width *= w->dims[i];
    memcpy(p->dims, w->dims, (size_t)w->rank * sizeof *w->dims);
    for (int j = 0; j < p->n_state; j++) p->state[j] = layout_of(&sig->in[j]);
    p->g = layout_of(g);
    reel_rows_plan_groups_(&p->groups, &sig->in[p->n_state + 1], p->rows, workspace);
    p->pack = *workspace;
    if (!p->g.dense) *workspace += (size_t)(p->taken * p->width) * reel_size_(p->dtype);
    return 0;
}

static void pack(const update_rows_plan *p, void *to, const layout *l, int64_t rows, void *from)
{
    int64_t dims[REEL_MAX_RANK];
    memcpy(dims, p->dims, sizeof dims);
    dims[0] = rows;
    const reel_kview v = {.dtype = p->dtype, .rank = p->rank, .dims = dims, .strides = l->strides, .data = from};
    reel_pack_(to, &v);
}

typedef struct job {
    const update_rows_plan *p;
    reel_row_group_list list;
    const char *g;
    char *state[MAX_STATE];
    reel_update_step step;
} job;

static void update_groups(void *arg, int64_t begin, int64_t end)
{
    const job *j = arg;
    const update_rows_plan *p = j->p;
    const int64_t size = (int64_t)reel_size_(p->dtype);
    _Alignas(64) char sum[REEL_ROWS_CHUNK * 8];
    for (int64_t k = begin; k < end; k++) {
        const int64_t at = j->list.first[k], row = (int64_t)j->list.key[at];
        for (int64_t c = 0; c < p->width; c += REEL_ROWS_CHUNK) {
            const int64_t w = p->width - c < REEL_ROWS_CHUNK ? p->width - c : REEL_ROWS_CHUNK;
            void *ptr[2 * MAX_STATE + 1];
            reel_rows_sum_(sum, j->g, p->dtype, j->list.perm + at, j->list.first[k + 1] - at, p->width, c, w);
            for (int s = 0; s < p->n_state; s++)
                ptr[s] = ptr[p->n_state + 1 + s] = j->state[s] + (row * p->width + c) * size;
            ptr[p->n_state] = sum;
            p->fn(ptr, NULL, w, &j->step);
        }
    }
}

/* Only what run could refuse. */
static int check(const void *plan, void *const *ptr, void *work, int64_t *n)
{
    const update_rows_plan *p = plan;
    const int64_t *ids;
    *n = 0;
    return reel_rows_read_ids_(&p->groups.ids, ptr[p->n_state + 1], work, &ids);
}

static int run(const void *plan, void *const *ptr, void *work)
{
    const update_rows_plan *p = plan;
    const int n_in = p->n_state + (p->adam ? 4 : 3);
    const int rc = reel_rows_group_(&p->groups, ptr[p->n_state + 1], work);
    if (rc) return rc;
    job j = {.p = p, .list = reel_rows_groups_(&p->groups, work), .g = ptr[p->n_state]};
    j.step = reel_update_step_(&p->attr, p->adam, ptr[p->n_state + 2], p->adam ? ptr[p->n_state + 3] : NULL, p->dtype);
    for (int s = 0; s < p->n_state; s++) {
        j.state[s] = ptr[n_in + s];
        if (ptr[n_in + s] != ptr[s]) pack(p, ptr[n_in + s], &p->state[s], p->rows, ptr[s]);
    }
    if (!p->g.dense) {
        pack(p, (char *)work + p->pack, &p->g, p->taken, ptr[p->n_state]);
        j.g = (char *)work + p->pack;
    }
    const int64_t grain = WORK / (p->width * 8 + 8) + 1;
    if (j.list.n > grain)
        reel_parallel_for(j.list.n, grain, update_groups, &j);
    else
        update_groups(&j, 0, j.list.n);
    return 0;
}

const reel_counting_kernel reel_k_update_rows_ = {
    .kernel = {.plan_size = sizeof(update_rows_plan), .flags = REEL_K_CHEAP, .prepare = prepare, .run = run},
    .count = check};
_Static_assert(sizeof(update_rows_plan) <= REEL_PLAN_STACK, "a cheap kernel's plan lives on the stack");
