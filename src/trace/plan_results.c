/* plan_results.c: what leaves a run: fetched values and the new values of variables. None of them lives in the arena. */
#include <string.h>
#include "core/alloc.h"
#include "planner.h"

static int add_fresh(planner *p, const reel_type *t, int32_t *number)
{
    if (reel_grow_((void **)&p->fresh, &p->cap_fresh, p->n_fresh + 1, sizeof *p->fresh)) return REEL_ENOMEM;
    *number = (int32_t)p->n_fresh + p->plan->first_fresh;
    p->fresh[p->n_fresh++] = *t;
    return 0;
}

static int make_fresh(planner *p, proot *root, const reel_type *t)
{
    root->kind = REEL_AT_EXT;
    root->fresh = true;
    if (add_fresh(p, t, &root->ext)) return REEL_ENOMEM;
    root->ext += p->rq->n_feeds + (int32_t)p->n_vars;
    return 0;
}

static int add_result(planner *p, int32_t value, reel_rec *cell)
{
    if (reel_grow_((void **)&p->results, &p->cap_results, p->n_results + 1, sizeof *p->results)) return REEL_ENOMEM;
    const pvalue *v = &p->v[value];
    proot *root = &p->r[v->root];
    reel_result *r = &p->results[p->n_results++];
    *r = (reel_result){.type = v->type, .cell = cell, .weak = v->weak && !cell};
    memcpy(r->strides, v->strides, sizeof r->strides);
    r->place = (reel_place){.kind = REEL_AT_EXT, .offset = v->offset};
    if (v->weak) {
        if (cell) r->type.dtype = cell->type.dtype;
        r->place.offset += cell ? (int64_t)reel_num_offset_(cell->type.dtype) : 0;
    }
    if ((cell && !reel_is_dense_(&v->type.shape, v->strides)) ||
        root->kind == REEL_AT_CARRY) { /* variables are dense */
        pstep copy = {.node = -1, .n_in = 1, .n_out = 1, .from = value};
        if (add_fresh(p, &v->type, &copy.to) || reel_planner_step_(p, copy)) return REEL_ENOMEM;
        reel_planner_read_(p, value, v->type.dtype, true);
        p->slots[p->n_slots++] = (pslot){.value = -1, .dtype = v->type.dtype};
        r->place = (reel_place){.kind = REEL_AT_EXT, .ext = p->rq->n_feeds + (int32_t)p->n_vars + copy.to};
        r->whole = true;
        reel_shape_strides_(&v->type.shape, r->strides);
        return 0;
    }
    if (root->kind == REEL_AT_ARENA) { /* what leaves the run never lives in the arena */
        if (make_fresh(p, root, &p->v[v->root].type)) return REEL_ENOMEM;
        r->whole = v->root == value; /* later results of the same root are views */
    }
    if (root->kind == REEL_AT_CONST) r->place.kind = REEL_AT_CONST;
    r->place.rec = root->rec;
    r->place.ext = root->ext;
    return 0;
}

/* Calls f with each node that gives a variable its last value. */
static int each_commit(planner *p, int (*f)(planner *p, int32_t value, reel_rec *cell))
{
    const reel_graph *g = p->g;
    int32_t *last = reel_alloc_array_(g->n_values + 1, sizeof *last); /* of a variable's first read: its last assign */
    if (!last) return REEL_ENOMEM;
    memset(last, 0xff, (g->n_values + 1) * sizeof *last);
    for (size_t i = 0; i < g->n_nodes; i++)
        if (p->need[i] && reel_is_assign_(&g->nodes[i])) last[g->ins[g->nodes[i].first_in]] = (int32_t)i;
    int rc = 0;
    for (size_t i = 0; i < g->n_nodes && !rc; i++) {
        const reel_node *n = &g->nodes[i];
        if (!p->need[i] || !reel_is_assign_(n) || last[g->ins[n->first_in]] != (int32_t)i) continue;
        if (p->late && p->late[g->values[g->ins[n->first_in + 1]].node]) continue; /* assigned where it is made */
        rc = f(p, g->ins[n->first_in + 1], g->nodes[g->values[g->ins[n->first_in]].node].rec);
    }
    reel_free_(last, (g->n_values + 1) * sizeof *last);
    return rc;
}

/* What is known before a seam and leaves the run at its end. */
static int set_apart(planner *p, int32_t value, reel_rec *cell)
{
    const pvalue *v = &p->v[value];
    (void)cell;
    if (!v->type.dtype || p->r[v->root].kind != REEL_AT_ARENA) return 0;
    return make_fresh(p, &p->r[v->root], &p->v[v->root].type);
}

int reel_plan_results_(planner *p)
{
    int rc = 0;
    for (int i = 0; i < p->rq->n_fetches && !rc; i++)
        rc = (p->seam < 0 ? add_result : set_apart)(p, p->rq->fetch[i], NULL);
    return rc ? rc : each_commit(p, p->seam < 0 ? add_result : set_apart);
}
