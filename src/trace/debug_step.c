/* debug_step.c: a run in the caller's hands, node by node. */
#include <stdio.h>
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "debug.h"
#include "reel/reel.h"
#include "session.h"

struct reel_stepping {
    reel_session *session;
    reel_wants wants;
    reel_run run;
    reel_frame *held_of; /* the segment whose new memory is held */
    reel_rec **held;     /* what the run made: it belongs to no scope between steps */
    size_t n_held, cap_held;
    bool done, failed;
    bool *made; /* by value */
    reel_node_info info;
    reel_tensor *out[REEL_MAX_OUT]; /* retained */
};

/* ---- memory that outlives the scope of one call ------------------------------------------------------------ */

static int hold(reel_stepping *st, reel_rec *r)
{
    if (reel_grow_((void **)&st->held, &st->cap_held, st->n_held + 1, sizeof *st->held)) return REEL_ENOMEM;
    reel_retain_rec_(st->held[st->n_held++] = r);
    return 0;
}

/* All that the segment at hand has made. */
static int hold_segment(reel_stepping *st)
{
    reel_frame *f = st->run.frame;
    if (f == st->held_of) return 0;
    const reel_plan *plan = f->plan;
    reel_rec **fresh = f->recs + plan->n_feeds + plan->n_vars + plan->first_fresh;
    int rc = 0;
    for (int i = 0; i < plan->n_fresh && !rc; i++) rc = hold(st, fresh[i]);
    for (int i = 0; i < plan->n_results && !rc; i++) rc = hold(st, f->made[i]);
    st->held_of = f;
    return rc;
}

static void forget_outputs(reel_stepping *st)
{
    for (int k = 0; k < st->info.n_out; k++) reel_unset(&st->out[k]);
    st->info = (reel_node_info){.name = "", .op = "", .site = "", .scope = "", .out = st->out};
}

void reel_stepping_free(reel_stepping *st)
{
    if (!st) return;
    const size_t nv = st->session->player.graph->n_values + 1;
    forget_outputs(st);
    reel_run_drop_(&st->run);
    for (size_t i = 0; i < st->n_held; i++) reel_release_rec_(st->held[i]);
    reel_free_(st->held, st->cap_held * sizeof *st->held);
    reel_free_(st->made, nv * sizeof *st->made);
    reel_wants_drop_(&st->wants);
    reel_free_(st, sizeof *st);
}

/* ---- begin ------------------------------------------------------------------------------------------------- */

static int begin(const char *site, reel_stepping *st, reel_feeds in, reel_names fetch)
{
    static const char FN[] = "reel_session_begin_steps";
    const reel_session *s = st->session;
    const reel_graph *g = s->player.graph;
    int rc = reel_wants_init_(&st->wants, FN, in.n, fetch.n);
    if (!rc) rc = reel_wants_by_name_(g, &st->wants, site, in, fetch);
    if (rc) return rc;
    const reel_request rq = {.site = site,
                             .fn = FN,
                             .n_feeds = st->wants.n_feeds,
                             .n_fetches = st->wants.n_fetches,
                             .feed = st->wants.feed,
                             .given = st->wants.given,
                             .fetch = st->wants.fetch,
                             .effect = st->wants.effect,
                             .effects = s->effects,
                             .debug = REEL_DEBUG_NOTES | REEL_DEBUG_PLAIN | REEL_DEBUG_KEEP};
    reel_scope *scope = reel_scope_begin(site, FN);
    rc = scope ? reel_run_begin_(&st->run, &st->session->player, &rq, NULL, 0) : reel_status();
    if (!rc) rc = hold_segment(st);
    reel_scope_end(scope);
    for (int i = 0; i < rq.n_feeds && !rc; i++) st->made[rq.feed[i]] = true;
    for (size_t i = 0; i < g->n_nodes && !rc; i++)
        if (g->nodes[i].kind == REEL_NODE_VAR || g->nodes[i].kind == REEL_NODE_CONST)
            st->made[g->nodes[i].first_out] = true;
    return rc;
}

reel_stepping *reel_session_begin_steps_at(const char *site, reel_session *s, reel_feeds in, reel_names fetch)
{
    reel_tensor *none;
    if (reel_pending_()) return NULL;
    if (reel_session_check_(site, "reel_session_begin_steps", s, in.n, in.feed, fetch.n, fetch.name, &none))
        return NULL;
    for (int i = 0; i < in.n; i++)
        if (in.feed[i].value && reel_is_live_(in.feed[i].value) &&
            reel_rec_of_(in.feed[i].value)->flags & REEL_R_SYMBOLIC) {
            reel_fail_at_(site, REEL_ETRACE, "reel_session_begin_steps: feed %d is part of a graph: it has no value",
                          i);
            return NULL;
        }
    reel_stepping *st = reel_zalloc_(sizeof *st);
    if (!st) return NULL;
    st->session = s;
    st->info.out = st->out;
    st->made = reel_zalloc_((s->player.graph->n_values + 1) * sizeof *st->made);
    if (st->made && begin(site, st, in, fetch) == 0) {
        forget_outputs(st);
        return st;
    }
    reel_stepping_free(st);
    return NULL;
}

/* ---- step -------------------------------------------------------------------------------------------------- */

static int keep_outputs(reel_stepping *st, const reel_happened *h)
{
    const reel_graph *g = st->session->player.graph;
    const reel_node *n = &g->nodes[h->node];
    reel_fill_info_(g, h->node, &st->info);
    st->info.out = st->out;
    st->info.seconds = h->seconds;
    st->info.run_ = &st->run;
    for (int k = 0; k < h->n_outs; k++) st->made[h->outs[k]] = true;
    for (int k = 0; k < n->n_out; k++) {
        reel_tensor *t = reel_run_value_(&st->run, n->site, n->first_out + k);
        if (!t && reel_status()) return reel_status();
        reel_set(&st->out[k], t);
    }
    return 0;
}

/* To the next node that is complete. */
static int step(reel_stepping *st, bool *more)
{
    reel_happened h;
    int rc;
    do {
        rc = reel_run_next_(&st->run, &h, more);
        if (!rc && st->run.frame) rc = hold_segment(st);
    } while (!rc && *more && !h.done);
    if (!rc && *more) rc = keep_outputs(st, &h);
    return rc;
}

const reel_node_info *reel_session_step(reel_stepping *st)
{
    if (!st) {
        reel_fail_at_("", REEL_EARG, "reel_session_step: st is NULL");
        return NULL;
    }
    if (reel_pending_() || st->done) return NULL;
    bool more = false;
    reel_hush hush;
    forget_outputs(st);
    if (reel_hush_begin_(st->run.rq.site, "reel_session_step", &hush)) return NULL;
    reel_scope *scope = reel_scope_begin(st->run.rq.site, "reel_session_step");
    const int rc = scope ? step(st, &more) : reel_status();
    reel_scope_end(scope);
    reel_hush_end_(&hush);
    st->failed = rc != 0;
    st->done = rc || !more;
    return rc || !more ? NULL : &st->info;
}

reel_tensor *reel_stepping_value_at(const char *site, reel_stepping *st, const char *what, int output)
{
    if (reel_pending_()) return NULL;
    if (!st || !what) {
        reel_fail_at_(site, REEL_EARG, "reel_stepping_value: %s is NULL", st ? "what" : "st");
        return NULL;
    }
    const reel_graph *g = st->session->player.graph;
    int32_t value = -1;
    const int32_t node = reel_node_find_(g, what, &value);
    if (node >= 0 && output > 0) {
        const reel_node *n = &g->nodes[node];
        value = output < n->n_out ? n->first_out + output : -1;
    }
    if (node < 0 || value < 0 || output < 0) {
        reel_fail_at_(site, REEL_EARG, "reel_stepping_value: \"%s\" %s", what,
                      node < 0 ? "is nothing in the graph" : "has no such output");
        return NULL;
    }
    reel_tensor *t = st->made[value] ? reel_run_value_(&st->run, site, value) : NULL;
    if (!t && !reel_status())
        reel_fail_at_(site, REEL_EARG, "reel_stepping_value: \"%s\", %%%d made at %s, %s", what, (int)node,
                      g->nodes[node].site ? g->nodes[node].site : "?",
                      st->made[value] ? "is not read in this run" : "has not been made yet");
    return t;
}

int reel_stepping_show(reel_stepping *st, const char *what)
{
    if (!st) return reel_fail_at_("", REEL_EARG, "reel_stepping_show: st is NULL");
    if (!what) {
        if (*st->info.op) return reel_node_show(stderr, &st->info);
        fputs(st->done ? "the run is over\n" : "no step yet\n", stderr);
        return 0;
    }
    reel_scope *scope = reel_scope_begin("", "reel_stepping_show");
    reel_tensor *t = reel_stepping_value_at("", st, what, 0);
    const int rc = t ? reel_fprint(stderr, t) : reel_status();
    if (t) fputc('\n', stderr);
    reel_scope_end(scope);
    return rc;
}

/* ---- end --------------------------------------------------------------------------------------------------- */

static int finish(const char *site, reel_stepping *st, reel_tensor *out[])
{
    while (reel_session_step(st)) continue;
    if (reel_status()) return reel_status();
    const uint32_t locks = st->run.frame->plan->write_locks;
    if (locks && reel_ctx_()->in_hook) return reel_in_hook_(&st->run.rq);
    reel_lock_writes_(locks);
    int rc = reel_run_end_(&st->run);
    reel_unlock_writes_(locks);
    for (int i = 0; i < st->wants.n_fetches && !rc; i++) {
        reel_rec *const made = st->run.frame->made[i];
        if (!(out[i] = reel_handle_again_(site, made))) return reel_status();
    }
    if (!rc && reel_wants_gifts_(st->session, &st->wants)) rc = reel_wants_give_away_(&st->wants, site, out);
    return rc;
}

int reel_stepping_end_at(const char *site, reel_stepping *st, reel_tensor *out[])
{
    if (!st) return reel_fail_at_(site, REEL_EARG, "reel_stepping_end: st is NULL");
    const int n = st->wants.n_fetches;
    if (n && !out) return reel_fail_at_(site, REEL_EARG, "reel_stepping_end: out is NULL");
    for (int i = 0; i < n; i++) out[i] = NULL;
    int rc = reel_status();
    if (!rc && st->failed) rc = reel_fail_at_(site, REEL_ETRACE, "reel_stepping_end: a step of this run has failed");
    if (!rc) rc = finish(site, st, out);
    for (int i = 0; i < n && rc; i++) out[i] = NULL;
    reel_stepping_free(st);
    return rc;
}
