/* plan_given.c: results in the memory of inputs that the caller gives away. Which result may go over which input is known when the steps
   have their order: of the same size, read by nobody once the result is being written, or read by just the step that writes it, element by
   element. Whether it does is decided run by run (player.c): the input must be given away, and nobody else may have it. */
#include <string.h>
#include "core/alloc.h"
#include "planner.h"

/* Whole, in C order, and no result itself. */
static bool may_be_given(const planner *p, int feed)
{
    const int32_t value = p->rq->feed[feed];
    const pvalue *v = &p->v[value];
    const proot *r = &p->r[value];
    if (!v->type.dtype || v->weak || v->root != value || v->offset || r->kind != REEL_AT_EXT || r->fresh ||
        r->last == KEPT || !reel_is_dense_(&v->type.shape, v->strides))
        return false;
    for (size_t i = 0; i < p->n_results; i++)
        if (p->results[i].place.kind == REEL_AT_EXT && p->results[i].place.ext == feed) return false;
    return true;
}

/* Output j of step i, which is a whole result. */
static bool goes_over(const planner *p, int feed, int32_t i, int j)
{
    const pstep *s = &p->steps[i];
    const int32_t value = p->rq->feed[feed], out = p->slots[reel_first_operand_(s) + s->n_in + j].value;
    const pvalue *v = &p->v[value];
    if (reel_type_bytes_(&v->type) != reel_type_bytes_(&p->v[out].type)) return false;
    if (p->r[value].last < i) return true;
    const bool element_by_element =
        s->kind == STEP_FUSED || s->kind == STEP_COLUMNS ||
        (s->kind == STEP_RUN && s->node >= 0 && s->n_out == 1 && p->g->nodes[s->node].op->flags & REEL_OPF_ELEMENTWISE);
    return p->r[value].last == i && element_by_element && reel_same_type_(&v->type, &p->v[out].type) &&
           reel_only_alike_(p, s, v, j);
}

/* Of the run's own memory that this output is: its number; -1: it is none, or no result by itself. */
static int32_t result_of(const planner *p, const pstep *s, int j)
{
    const int32_t value = p->slots[reel_first_operand_(s) + s->n_in + j].value;
    const proot *r = value >= 0 ? &p->r[value] : NULL;
    if (!r || r->kind != REEL_AT_EXT || !r->fresh || p->v[value].root != value ||
        r->ext < p->rq->n_feeds + (int32_t)p->n_vars + p->plan->first_fresh)
        return -1;
    for (size_t i = 0; i < p->n_results; i++)
        if (p->results[i].place.ext == r->ext && p->results[i].whole && !p->results[i].cell)
            return r->ext - p->rq->n_feeds - (int32_t)p->n_vars - p->plan->first_fresh;
    return -1;
}

/* The first result that may lie where the feed does. */
static void find_place(const planner *p, int feed)
{
    reel_plan *plan = p->plan;
    for (int32_t i = 0; i < (int32_t)p->n_steps; i++) {
        const pstep *s = &p->steps[i];
        for (int j = 0; j < s->n_out && s->node >= 0; j++) {
            const int32_t k = result_of(p, s, j);
            if (k < 0 || plan->donor[k] >= 0 || !goes_over(p, feed, i, j)) continue;
            plan->donor[k] = feed;
            return;
        }
    }
}

int reel_plan_given_(planner *p)
{
    reel_plan *plan = p->plan;
    plan->donor = reel_alloc_array_(p->n_fresh + 1, sizeof *plan->donor);
    if (!plan->donor) return REEL_ENOMEM;
    memset(plan->donor, 0xff, (p->n_fresh + 1) * sizeof *plan->donor);
    if (p->seam >= 0 || p->rq->debug || p->rq->printer || !p->n_fresh) return 0;
    for (int feed = 0; feed < p->rq->n_feeds && p->rq->donate; feed++)
        if (p->rq->donate[feed] && may_be_given(p, feed)) find_place(p, feed);
    return 0;
}
