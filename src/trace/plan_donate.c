/* plan_donate.c: new values of variables over the old ones. A run that fails must leave all variables as they were, and others may
   hold a value that is written over; so such a step is made at the very end, when nothing can fail any more, and only in memory
   that nobody else has (player.c decides that run by run; otherwise it gets memory of its own). Fit for it is an elementwise step
   whose result nothing reads but the assignment, made from the variable's value of before, which nobody reads later. */
#include <string.h>
#include "core/alloc.h"
#include "ops/ids.h"
#include "planner.h"

/* By fresh number: what is assigned; by root: how often steps read it. */
typedef struct donor {
    int32_t *root;   /* by fresh number: the value that lies there; -1 */
    int32_t *result; /* ... and the one result that it is; -1: none, or several */
    int32_t *reads;
} donor;

static int32_t first_fresh(const planner *p)
{
    return p->rq->n_feeds + (int32_t)p->n_vars + p->plan->first_fresh; /* of this segment's */
}

/* Memory that this segment makes and gives away. */
static bool is_own(const planner *p, int32_t root)
{
    return p->r[root].kind == REEL_AT_EXT && p->r[root].fresh && p->r[root].ext >= first_fresh(p);
}

static void find_results(const planner *p, donor *d)
{
    const int32_t base = first_fresh(p);
    memset(d->root, 0xff, (p->n_fresh + 1) * sizeof *d->root);
    memset(d->result, 0xff, (p->n_fresh + 1) * sizeof *d->result);
    for (size_t i = 0; i < p->g->n_values; i++)
        if (is_own(p, (int32_t)i)) d->root[p->r[i].ext - base] = (int32_t)i;
    for (size_t i = 0; i < p->n_results; i++) {
        const reel_result *r = &p->results[i];
        if (r->place.kind != REEL_AT_EXT || r->place.ext < base) continue;
        int32_t *at = &d->result[r->place.ext - base];
        *at = *at == -1 && r->cell && r->whole ? (int32_t)i : -2;
    }
    for (size_t i = 0; i < p->n_steps; i++)
        for (int k = 0; k < p->steps[i].n_in; k++) {
            const int32_t value = p->slots[reel_first_operand_(&p->steps[i]) + k].value;
            if (value >= 0) d->reads[p->v[value].root]++;
        }
}

/* The commit that output j of the step is, or NULL. */
static const reel_result *assigned(const planner *p, const donor *d, const pstep *s, int j)
{
    const int32_t value = p->slots[s->slot + s->n_in + j].value;
    if (value < 0 || p->v[value].root != value) return NULL;
    const proot *r = &p->r[value];
    if (!is_own(p, value) || d->reads[value]) return NULL;
    const int32_t result = d->result[r->ext - first_fresh(p)];
    return result >= 0 ? &p->results[result] : NULL;
}

/* Does the step read the value that the variable has before, only at the places that it writes; and does nobody read it later? */
static bool goes_over(const planner *p, const pstep *s, int32_t step, int j, const reel_result *result, int32_t *old)
{
    const int32_t out = p->slots[s->slot + s->n_in + j].value;
    for (int k = 0; k < s->n_in; k++) {
        const pslot *slot = &p->slots[s->slot + k];
        if (slot->value < 0) continue;
        const pvalue *v = &p->v[slot->value];
        const reel_node *n = &p->g->nodes[p->g->values[v->root].node];
        if (n->kind != REEL_NODE_VAR || n->rec != result->cell || p->fed[v->root] ||
            p->r[v->root].kind != REEL_AT_EXT || p->r[v->root].fresh)
            continue;
        if (slot->dtype != v->type.dtype || p->r[v->root].last > step || !reel_same_type_(&v->type, &p->v[out].type))
            continue;
        if (!reel_same_type_(&p->v[v->root].type, &p->v[out].type) || !reel_only_alike_(p, s, v, j)) continue;
        *old = v->root;
        return true;
    }
    return false;
}

/* Kernels that write each element after all reads of its place, and never fail. */
static bool is_update(const planner *p, const pstep *s)
{
    if (s->fused || s->many) return true;
    if (s->kind != STEP_RUN || s->node < 0) return false;
    const reel_op *op = p->g->nodes[s->node].op;
    return op->id >= 0 && op->id < REEL_N_OPS && op->flags & REEL_OPF_ELEMENTWISE && !(op->flags & REEL_OPF_RANDOM) &&
           (s->n_out == 1 || op->id == REEL_OP_sgd_update || op->id == REEL_OP_adam_update);
}

/* Nothing else reads what it makes. */
static bool is_last(const planner *p, const donor *d, const pstep *s)
{
    for (int j = 0; j < s->n_out; j++) {
        const int32_t value = p->slots[s->slot + s->n_in + j].value;
        if (value < 0 || d->reads[value] || p->r[value].last == KEPT) return false;
    }
    return true;
}

static size_t n_ints(const planner *p)
{
    return 2 * (p->n_fresh + 1) + p->g->n_values + 1;
}

static int donor_init(const planner *p, donor *d)
{
    d->root = reel_zalloc_(n_ints(p) * sizeof *d->root);
    if (!d->root) return REEL_ENOMEM;
    d->result = d->root + p->n_fresh + 1;
    d->reads = d->result + p->n_fresh + 1;
    find_results(p, d);
    return 0;
}

int reel_plan_donate_(planner *p, int64_t *saved)
{
    donor d;
    int32_t old;
    *saved = 0;
    if (p->seam >= 0 || !p->n_fresh || p->rq->debug) return 0;
    if (donor_init(p, &d)) return REEL_ENOMEM;
    for (size_t i = 0; i < p->n_steps - p->n_lates; i++) {
        pstep *s = &p->steps[i];
        if (!is_update(p, s) || !is_last(p, &d, s)) continue;
        for (int j = 0; j < s->n_out; j++) {
            const reel_result *r = assigned(p, &d, s, j);
            if (!r || !goes_over(p, s, KEPT, j, r, &old)) continue;
            s->donated = true;
            *saved += (int64_t)reel_type_bytes_(&r->type);
        }
    }
    reel_free_(d.root, n_ints(p) * sizeof *d.root);
    return 0;
}

/* ---- when their order is known -------------------------------------------------------------------------- */

static int add_change(planner *p, const reel_result *result, int32_t old, int32_t operand)
{
    if (reel_grow_((void **)&p->changes, &p->cap_changes, p->n_changes + 1, sizeof *p->changes)) return REEL_ENOMEM;
    p->changes[p->n_changes++] = (reel_change){.cell = result->cell, .ext = p->r[old].ext, .operand = operand};
    return 0;
}

/* Its outputs that may go over what the variables had: they have no memory of their own, and are no results any more. */
static int give_places(planner *p, const donor *d, int32_t step)
{
    const pstep *s = &p->steps[step];
    reel_late late = {.step = step, .first = (int)p->n_changes};
    for (int j = 0; j < s->n_out; j++) {
        const reel_result *r = assigned(p, d, s, j);
        int32_t old;
        if (!r || !goes_over(p, s, step, j, r, &old)) continue;
        bool twice = false; /* an old value takes one new one */
        for (int k = late.first; k < (int)p->n_changes; k++) twice = twice || p->changes[k].ext == p->r[old].ext;
        if (twice) continue;
        if (add_change(p, r, old, s->n_in + j)) return REEL_ENOMEM;
        proot *root = &p->r[p->slots[s->slot + s->n_in + j].value];
        p->plan->info.donated_bytes += reel_type_bytes_(&r->type);
        p->results[r - p->results].type.dtype = 0; /* taken out below */
        p->fresh[root->ext - first_fresh(p)].dtype = 0;
        root->kind = REEL_AT_NOTHING;
    }
    late.n = (int)p->n_changes - late.first;
    if (reel_grow_((void **)&p->lates, &p->cap_lates, p->n_lates + 1, sizeof *p->lates)) return REEL_ENOMEM;
    p->lates[p->n_lates++] = late;
    return 0;
}

int reel_plan_donated_(planner *p)
{
    donor d;
    const size_t rows = p->n_lates, end = p->n_steps - rows;
    size_t first = end, n = 0;
    while (first > 0 && p->steps[first - 1].donated) first--;
    if (first == end) return 0;
    if (donor_init(p, &d)) return REEL_ENOMEM;
    int rc = 0;
    for (size_t i = first; i < end && !rc; i++) rc = give_places(p, &d, (int32_t)i);
    reel_free_(d.root, n_ints(p) * sizeof *d.root);
    if (rc) return rc;
    for (size_t i = 0; i < rows; i++) { /* those that change rows come last, as their steps do */
        const reel_late late = p->lates[0];
        memmove(p->lates, p->lates + 1, (p->n_lates - 1) * sizeof late);
        p->lates[p->n_lates - 1] = late;
    }
    for (size_t i = 0; i < p->n_results; i++)
        if (p->results[i].type.dtype) p->results[n++] = p->results[i];
    p->n_results = n;
    return 0;
}
