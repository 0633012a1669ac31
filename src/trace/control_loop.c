/* control_loop.c: a sub-graph run step after step. A run of its own would look its plan up, take a frame, make records and scopes each time;
   here all steps share one plan and one frame, and what they make goes into a few records that take turns. */
#include <string.h>
#include "control.h"
#include "core/alloc.h"
#include "core/error.h"
#include "player.h"
#include "reel/tensor.h"

/* What a plan makes may go where we like: no variables, no sizes that depend on data; and it is laid out as what it was given. */
static bool is_simple(const reel_runner *run)
{
    const reel_plan *plan = run->plan;
    const reel_control *c = run->p->c;
    if (plan->seam || plan->n_late || plan->n_vars || plan->n_results != plan->n_fetches || plan->write_locks)
        return false;
    for (int j = 0; j < plan->n_results; j++) {
        const reel_result *r = &plan->results[j];
        const bool given = r->place.kind == REEL_AT_EXT && r->place.ext < plan->n_feeds;
        if (r->weak || !(r->whole || given) || r->place.offset || r->place.kind != REEL_AT_EXT) return false;
        if (!reel_is_dense_(&r->type.shape, r->strides)) return false;
        if (given && memcmp(r->strides, plan->feed_strides[r->place.ext],
                            sizeof r->strides[0] * (size_t)r->type.shape.rank) != 0)
            return false;
        if (given && c->kind == REEL_SCAN && j < c->n_carry && run->part->from[r->place.ext] >= c->n_carry)
            return false; /* the next element will stand there */
        if (given && !reel_shape_same_(&r->type.shape, &plan->feed_type[r->place.ext].shape)) return false;
    }
    return true;
}

static bool alike(const reel_plan *plan, int i, const reel_rec *r)
{
    const reel_type *t = &plan->feed_type[i];
    return t->dtype == r->type.dtype && reel_shape_same_(&t->shape, &r->type.shape) &&
           memcmp(plan->feed_strides[i], r->strides, sizeof r->strides[0] * (size_t)t->shape.rank) == 0;
}

static void give(reel_runner *r, reel_rec *const *in)
{
    for (int k = 0; k < r->part->n_in; k++) r->given[k] = in[r->part->from[k]];
}

static int begin(reel_runner *r)
{
    reel_player *player = (reel_player *)&r->part->player;
    const reel_graph *g = player->graph;
    const reel_control *c = r->p->c;
    r->failed = true;
    if (reel_ctx_()->check_numerics || atomic_load_explicit(&player->debug, memory_order_relaxed) || player->poison)
        return 0;
    r->rq = (reel_request){.site = r->p->site,
                           .fn = reel_control_name_(c),
                           .n_feeds = g->n_inputs,
                           .n_fetches = g->n_outputs,
                           .feed = g->inputs,
                           .given = r->given,
                           .fetch = g->outputs,
                           .effect = c->no_effects,
                           .effects = true};
    reel_frame *frame;
    reel_plan *plan = reel_player_acquire_(player, &r->rq, &frame);
    if (!plan) return reel_status();
    r->frame = frame;
    r->plan = plan;
    if (!is_simple(r)) return 0;
    for (int j = 0; j < plan->n_results; j++) r->passes |= plan->results[j].place.ext < plan->n_feeds;
    r->turns = r->passes ? c->n_own + 2 : 2;
    r->room = (size_t)plan->n_fresh * (size_t)r->turns + 1;
    r->pool = reel_zalloc_(r->room * sizeof(reel_rec *));
    r->failed = r->pool == NULL;
    return r->pool ? 0 : REEL_ENOMEM;
}

void reel_runner_end_(reel_runner *r)
{
    if (r->pool) reel_free_(r->pool, r->room * sizeof(reel_rec *));
    if (r->frame) reel_player_give_back_((reel_player *)&r->part->player, r->frame);
    r->pool = NULL;
    r->frame = NULL;
}

static bool is_given(const reel_runner *r, const reel_rec *rec)
{
    for (int k = 0; k < r->part->n_in; k++)
        if (r->given[k] == rec) return true;
    return false;
}

/* A record for what the plan makes as number i: one that nobody reads any more. */
static reel_rec *fresh_of(reel_runner *r, int i)
{
    reel_rec **pool = r->pool + (size_t)i * (size_t)r->turns;
    int k = r->passes ? 0 : r->turn;
    while (r->passes && pool[k] && is_given(r, pool[k]) && k + 1 < r->turns) k++;
    if (!pool[k]) pool[k] = reel_make_(r->p->site, &r->plan->fresh[i]);
    return pool[k];
}

static int fast(reel_runner *r, reel_rec **out)
{
    const reel_plan *plan = r->plan;
    reel_frame *f = r->frame;
    for (int k = 0; k < plan->n_feeds; k++) f->recs[k] = r->given[k];
    for (int i = 0; i < plan->n_fresh; i++)
        if (!(f->recs[plan->n_feeds + i] = fresh_of(r, i))) return REEL_ENOMEM;
    const int rc = reel_run_steps_(&r->rq, f);
    for (int j = 0; j < plan->n_results && !rc; j++) out[j] = f->recs[plan->results[j].place.ext];
    r->turn ^= 1;
    return rc;
}

int reel_runner_step_(reel_runner *r, reel_rec *const *in, reel_rec **out)
{
    reel_tensor *made[REEL_MAX_OUT];
    give(r, in);
    if (!r->plan && !r->failed) {
        const int rc = begin(r);
        if (rc) return rc;
    }
    bool same = !r->failed;
    for (int k = 0; k < r->part->n_in && same; k++) same = alike(r->plan, k, r->given[k]);
    r->slow = !same;
    if (same) return fast(r, out);
    const int rc = reel_part_run_(r->p, r->part, r->part->player.graph->n_outputs, in, made);
    for (int j = 0; j < r->part->player.graph->n_outputs && !rc; j++) out[j] = reel_rec_of_(made[j]);
    return rc;
}
