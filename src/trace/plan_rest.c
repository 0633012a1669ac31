/* plan_rest.c: what follows a seam, planned for the number that turned up there: a graph of its own, which the passes go over with all sizes known,
   and a plan that goes on from the state that the segment before has left. */
#include <string.h>
#include "core/alloc.h"
#include "passes/pass.h"
#include "planner.h"

/* A graph that passes have made for what follows a seam. */
typedef struct reel_rest_draft {
    reel_draft d;
    reel_rest rest;
    const int32_t *feed; /* in the values of the graph around the seam */
    int n_feeds;
} reel_rest_draft;

/* ---- state ---------------------------------------------------------------------------------------------- */

void reel_seam_free_(reel_seam *seam)
{
    if (!seam) return;
    while (seam->plans) {
        reel_plan *plan = seam->plans;
        seam->plans = plan->next;
        reel_plan_free_(plan);
    }
    reel_free_(seam->carry, seam->room * sizeof *seam->carry);
    reel_free_(seam->v, seam->n_values * sizeof *seam->v);
    reel_free_(seam->r, seam->n_values * sizeof *seam->r);
    reel_free_(seam, sizeof *seam);
}

/* State is kept by the values of the graph around the seam. */
static int map_state(planner *p, const reel_seam *seam, const reel_rest_draft *rd)
{
    const int n = rd->d.asked.n_feeds;
    int32_t *now = reel_alloc_array_(seam->n_values, sizeof *now);
    if (!now) return REEL_ENOMEM;
    memset(now, 0xff, seam->n_values * sizeof *now);
    for (int k = 0; k < n; k++) {
        const int32_t old = k < rd->n_feeds ? rd->feed[k] : rd->rest.carried[k - rd->n_feeds];
        now[old] = rd->d.asked_values[k];
    }
    for (int k = 0; k < n; k++) {
        const int32_t old = k < rd->n_feeds ? rd->feed[k] : rd->rest.carried[k - rd->n_feeds], value = now[old];
        const int32_t root = seam->v[old].root;
        p->v[value] = seam->v[old];
        p->v[value].root = now[root] >= 0 ? now[root] : value; /* that of a constant matters to nobody */
        p->r[p->v[value].root] = seam->r[root];
    }
    reel_free_(now, seam->n_values * sizeof *now);
    p->fill = rd->d.seam;
    return 0;
}

/* Behind the seam: values, variables and numbers of memory go on from where the segment before left them. rd NULL: the graph is the same. */
int reel_planner_go_on_(planner *p, const reel_plan *parent, int64_t size, const reel_rest_draft *rd)
{
    const reel_seam *seam = parent->seam;
    if (rd) {
        if (map_state(p, seam, rd)) return REEL_ENOMEM;
    } else {
        memcpy(p->v, seam->v, seam->n_values * sizeof *p->v);
        memcpy(p->r, seam->r, seam->n_values * sizeof *p->r);
        p->first = (size_t)seam->node;
        p->fill = seam->node;
    }
    p->size = size;
    reel_plan *plan = p->plan;
    if (!plan) return 0; /* only the types are wanted */
    plan->size = size;
    plan->n_feeds = parent->n_feeds;
    plan->n_fetches = parent->n_fetches;
    plan->first_fresh = parent->first_fresh + parent->n_fresh;
    plan->n_carry = seam->n_carry;
    plan->info = parent->info;
    if (reel_grow_((void **)&p->vars, &p->cap_vars, (size_t)parent->n_vars, sizeof *p->vars)) return REEL_ENOMEM;
    if (parent->n_vars) memcpy(p->vars, parent->vars, (size_t)parent->n_vars * sizeof *p->vars);
    p->n_vars = (size_t)parent->n_vars;
    return 0;
}

/* ---- the graph, and its plan ---------------------------------------------------------------------------- */

/* Types of all values there, and what is needed. */
static int rest_types(planner *p, const reel_request *rq, const reel_plan *parent, int64_t size, reel_type *type)
{
    const reel_type none = {0};
    int rc = reel_planner_init_(p, parent->graph, rq, parent);
    if (!type) rc = REEL_ENOMEM;
    if (!rc) rc = reel_planner_go_on_(p, parent, size, NULL);
    if (!rc) rc = reel_planner_walk_(p, &none);
    for (size_t i = 0; i < parent->graph->n_values && !rc; i++) type[i] = p->v[i].type;
    return rc;
}

static reel_plan *optimized_rest(const reel_request *rq, const reel_plan *parent, int64_t size,
                                 const reel_pipeline *passes)
{
    const reel_seam *seam = parent->seam;
    planner p;
    reel_type *type = reel_zalloc_(seam->n_values * sizeof *type);
    int rc = rest_types(&p, rq, parent, size, type);
    reel_rest_draft rd = {
        .rest = {.type = type, .v = seam->v, .r = seam->r, .need = p.need, .late = p.late, .seam = seam->node},
        .feed = rq->feed,
        .n_feeds = rq->n_feeds};
    if (!rc) rc = reel_optimize_(parent->graph, rq, passes, &rd.rest, &rd.d);
    reel_planner_drop_(&p);
    reel_request asked = rd.d.asked;
    asked.n_feeds = rq->n_feeds;
    reel_plan *plan = rc ? NULL : reel_planned_(rd.d.graph, &asked, NULL, parent, size, &rd, &passes->ways);
    if (plan) {
        plan->info.pruned += (int)rd.d.reports[0].nodes - (int)rd.d.graph->n_nodes;
        reel_plan_reports_(plan, &rd.d);
    }
    reel_draft_drop_(&rd.d);
    reel_free_(rd.rest.carried, rd.rest.cap_carried * sizeof *rd.rest.carried);
    reel_free_(type, seam->n_values * sizeof *type);
    return plan;
}

reel_plan *reel_plan_rest_(const reel_request *rq, const reel_plan *parent, int64_t size, bool again,
                           const reel_pipeline *passes)
{
    const bool any = passes->n > passes->planned && !rq->debug; /* for people: the same nodes */
    reel_request asked = *rq;
    asked.feed = parent->asked;
    asked.fetch = parent->asked + rq->n_feeds;
    asked.effect = asked.fetch + rq->n_fetches;
    if (any && again) return optimized_rest(&asked, parent, size, passes);
    reel_plan *plan = reel_planned_(parent->graph, &asked, NULL, parent, size, NULL, &parent->ways);
    if (plan) plan->hasty = any;
    return plan;
}
