/* plan_columns.c: a reduction that reads what a plain group makes, by whatever axes, is done by the group's step, to each block as it is
   made: the gradient of a bias, the mean of each column. What is reduced is made where it lies for others, too; it is not read again. */
#include <string.h>
#include "core/alloc.h"
#include "planner.h"

typedef struct finder {
    planner *p;
    int32_t *maker; /* by root: the group that makes it, -1: none */
    int32_t *into;  /* by step: the group whose step it goes into, -1: none */
    int32_t *first; /* by group: the first reduction that goes into it, -1: none */
    int32_t *next;  /* by reduction: the next one of its group */
    rewriting w;
} finder;

/* ---- finding them ---------------------------------------------------------------------------------------- */

static const reel_node *node_of(const planner *p, const pstep *s)
{
    return &p->g->nodes[s->node];
}

static bool is_reduction(const planner *p, const pstep *s)
{
    if (s->kind != STEP_RUN || s->node < 0 || s->n_out != 1) return false;
    const reel_op *op = node_of(p, s)->op;
    const int32_t out = p->slots[s->slot + s->n_in].value;
    return op->flags & REEL_OPF_REDUCTION && reel_device_(0)->reduces(op) != REEL_REDUCES_NOT &&
           p->slots[s->slot].value >= 0 && out >= 0 && p->v[out].root == out;
}

/* The group whose step reduction s may go into, -1: none. What it reduces is all that the group made, in the same order. */
static int32_t finds(const finder *f, const pstep *s)
{
    const planner *p = f->p;
    const pslot *slot = &p->slots[s->slot];
    const pvalue *v = &p->v[slot->value], *root = &p->v[v->root];
    const int32_t by = f->maker[v->root];
    if (by < 0 || v->offset != 0 || slot->dtype != v->type.dtype || !reel_same_type_(&v->type, &root->type) ||
        !reel_is_dense_(&v->type.shape, v->strides))
        return -1;
    const int32_t out = p->slots[s->slot + s->n_in].value;
    if (reel_count_(&v->type.shape) == 0 || reel_count_(&p->v[out].type.shape) == reel_count_(&v->type.shape))
        return -1; /* nothing is reduced */
    int n = 0;
    for (int32_t k = f->first[by]; k >= 0; k = f->next[k], n++)
        if (reel_reduced_axes_(p, node_of(p, &p->steps[k])) != reel_reduced_axes_(p, node_of(p, s))) return -1;
    return n < REEL_COLUMNS ? by : -1;
}

static void look(finder *f, int32_t i)
{
    const planner *p = f->p;
    const pstep *s = &p->steps[i];
    if (is_reduction(p, s) && (f->into[i] = finds(f, s)) >= 0) {
        int32_t *end = &f->first[f->into[i]];
        while (*end >= 0) end = &f->next[*end];
        *end = i;
    }
    if (!reel_is_plain_group_(p, s)) return;
    for (int j = 0; j < s->n_out; j++) {
        const int32_t value = p->slots[s->slot + s->n_in + j].value;
        if (value >= 0) f->maker[value] = i;
    }
}

/* ---- writing them down ----------------------------------------------------------------------------------- */

/* Reduction k becomes one of those of the step, whose group's outputs begin at `made`. */
static void add_column(finder *f, reel_columns *c, int32_t k, const pslot *made, pslot *out)
{
    const planner *p = f->p;
    const pstep *s = &p->steps[k];
    const reel_node *n = node_of(p, s);
    const int32_t root = p->v[p->slots[s->slot].value].root;
    int of = 0;
    while (made[of].value != root) of++;
    c->column[c->n++] = (reel_column){
        .op = n->op, .attr = reel_node_attr_(p->g, n), .node = s->node, .of = of, .axes = reel_reduced_axes_(p, n)};
    *out = p->slots[s->slot + s->n_in];
    p->plan->found[REEL_STEPS_COLUMNS]++;
}

static int write_columns(finder *f, int32_t i)
{
    planner *p = f->p;
    const pstep s = p->steps[i];
    int32_t slot[REEL_FUSED_IN + REEL_FUSED_NUMBERS];
    for (int k = 0; k < s.n_in; k++) slot[k] = s.slot + k;
    const reel_fused *g = s.fused ? s.fused : reel_group_of_(p, &s, slot);
    if (!g || reel_rewriting_room_(&f->w, (size_t)s.n_in + (size_t)s.n_out + REEL_COLUMNS) ||
        reel_grow_((void **)&p->columns, &p->cap_columns, p->n_columns + 1, sizeof *p->columns))
        return REEL_ENOMEM;
    reel_columns *c = reel_zalloc_(sizeof *c);
    if (!c) return REEL_ENOMEM;
    p->columns[p->n_columns++] = c;
    c->f = g;
    const int n_in = g->n_in + g->n_numbers;
    pslot *to = f->w.slots + f->w.n_slots, *made = to + n_in;
    for (int k = 0; k < n_in; k++) to[k] = p->slots[slot[k]];
    for (int k = 0; k < g->n_out; k++) made[k] = p->slots[s.slot + s.n_in + k];
    for (int32_t k = f->first[i]; k >= 0; k = f->next[k]) add_column(f, c, k, made, made + g->n_out + c->n);
    f->w.steps[f->w.n_steps++] = (pstep){.node = s.node,
                                         .slot = (int32_t)f->w.n_slots,
                                         .n_in = n_in,
                                         .n_out = g->n_out + c->n,
                                         .kind = STEP_COLUMNS,
                                         .fused = g,
                                         .columns = c};
    f->w.n_slots += (size_t)n_in + (size_t)g->n_out + (size_t)c->n;
    return 0;
}

static int write_all(finder *f)
{
    int rc = 0;
    for (size_t i = 0; i < f->p->n_steps && !rc; i++) {
        reel_rewriting_at_(&f->w, i);
        if (f->into[i] >= 0) continue;
        rc = f->first[i] >= 0 ? write_columns(f, (int32_t)i) : reel_rewriting_keep_(&f->w, (int32_t)i);
    }
    return rc;
}

int reel_plan_columns_(planner *p)
{
    const reel_fusing_device *device = reel_fusing_(reel_device_(0));
    finder f = {.p = p, .w.p = p};
    const size_t ns = p->n_steps + 1, nv = p->g->n_values + 1;
    bool any = false;
    if (!device || !device->columns || p->n_steps < 2) return 0;
    f.maker = reel_alloc_array_(nv, sizeof *f.maker);
    f.into = reel_alloc_array_(ns, sizeof *f.into);
    f.first = reel_alloc_array_(ns, sizeof *f.first);
    f.next = reel_alloc_array_(ns, sizeof *f.next);
    int rc = f.maker && f.into && f.first && f.next ? 0 : REEL_ENOMEM;
    if (!rc) {
        memset(f.maker, 0xff, nv * sizeof *f.maker);
        memset(f.into, 0xff, ns * sizeof *f.into);
        memset(f.first, 0xff, ns * sizeof *f.first);
        memset(f.next, 0xff, ns * sizeof *f.next);
        for (size_t i = 0; i < p->n_steps; i++) {
            look(&f, (int32_t)i);
            any = any || f.into[i] >= 0;
        }
    }
    if (any) rc = write_all(&f);
    reel_rewriting_done_(&f.w, any && !rc);
    reel_free_(f.maker, nv * sizeof *f.maker);
    reel_free_(f.into, ns * sizeof *f.into);
    reel_free_(f.first, ns * sizeof *f.first);
    reel_free_(f.next, ns * sizeof *f.next);
    return rc;
}
