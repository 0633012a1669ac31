/* debug_run.c: a run that stops behind each node, and what a session does there: calls hooks, checks numbers, notes times. */
#include <string.h>
#include <time.h>
#include "core/alloc.h"
#include "core/error.h"
#include "debug.h"
#include "reel/reel.h"

double reel_now_(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the run ------------------------------------------------------------------------------------------- */

static int begin_segment(reel_run *r)
{
    r->next = 0;
    const int rc = reel_make_results_(r->frame->plan, &r->rq, r->cut, r->frame);
    if (!rc) reel_patch_(r->frame->plan, r->frame);
    return rc;
}

int reel_run_begin_(reel_run *r, reel_player *p, const reel_request *rq, const reel_type *truth, int64_t size)
{
    *r = (reel_run){.player = p, .rq = *rq};
    reel_plan *plan = reel_player_acquire_(p, &r->rq, &r->frame);
    if (!plan) {
        r->frame = NULL;
        return reel_status();
    }
    if (p->poison) memset(r->frame->arena, 0xff, reel_arena_size_(plan));
    r->cut = truth ? reel_cut_types_(p, plan, &r->rq, truth, size) : NULL;
    if (truth && !r->cut) return reel_status();
    for (int i = 0; i < plan->n_feeds; i++) r->frame->recs[i] = rq->given[i];
    const int rc = reel_read_variables_(plan, &r->rq, r->frame->recs + plan->n_feeds);
    r->reading = !rc;
    return rc ? rc : begin_segment(r);
}

static size_t n_events(const reel_plan *plan)
{
    return plan->notes ? plan->notes->n_events : (size_t)plan->n_steps;
}

static bool event_of(const reel_plan *plan, size_t i, reel_event *e)
{
    if (i >= n_events(plan)) return false;
    *e = plan->notes ? plan->notes->event[i] : (reel_event){.node = plan->steps[i].node, .step = (int32_t)i};
    return true;
}

bool reel_run_peek_(const reel_run *r, int32_t *node)
{
    reel_event e;
    if (!event_of(r->frame->plan, r->next, &e)) return false;
    *node = e.node;
    return true;
}

int reel_run_next_(reel_run *r, reel_happened *h, bool *more)
{
    reel_event e;
    *more = false;
    while (!event_of(r->frame->plan, r->next, &e)) {
        if (!r->frame->plan->seam) return 0;
        reel_frame *next = reel_next_frame_(r->player, &r->rq, r->frame);
        if (!next) return reel_status();
        r->frame = next;
        const int rc = begin_segment(r);
        if (rc) return rc;
    }
    const reel_plan *plan = r->frame->plan;
    r->next++;
    *h = (reel_happened){.node = e.node, .step = e.step, .n_outs = e.n, .done = e.done};
    if (plan->notes) h->outs = plan->notes->outs + e.first;
    *more = true;
    if (e.step < 0) return 0;
    const reel_step *s = &plan->steps[e.step];
    reel_ctx *c = reel_ctx_();
    const char *site = c->site, *op = c->op;
    c->site = c->op = NULL;
    h->start = reel_now_();
    const int rc = s->run(s->plan, r->frame->ptr + s->slot, r->frame->arena + s->work);
    h->seconds = reel_now_() - h->start;
    c->site = site;
    c->op = op;
    return rc ? reel_step_failed_(r->frame->plan->graph, s, rc) : 0;
}

int reel_run_end_(reel_run *r)
{
    return reel_commit_(r->frame, &r->rq);
}

void reel_run_drop_(reel_run *r)
{
    if (!r->frame) return;
    const reel_plan *plan = r->frame->plan;
    for (int i = 0; i < plan->n_vars && r->reading; i++) reel_release_rec_(r->frame->recs[plan->n_feeds + i]);
    reel_player_give_back_(r->player, r->frame);
    r->frame = NULL;
}

bool reel_run_view_(const reel_run *r, int32_t value, reel_kview *v)
{
    const reel_frame *f = r->frame;
    const reel_note *n = &f->plan->notes->value[value];
    while (n->at.kind == REEL_AT_NOTHING && (r->rq.debug & REEL_DEBUG_KEEP) && f->before) {
        f = f->before; /* what later segments do not read is still there */
        n = &f->plan->notes->value[value];
    }
    const reel_place *at = &n->at;
    char *data = NULL;
    switch ((reel_place_kind)at->kind) {
    case REEL_AT_NOTHING: return false;
    case REEL_AT_ARENA: data = f->arena + at->offset; break;
    case REEL_AT_CONST: data = at->rec->data + at->offset; break;
    case REEL_AT_EXT: data = f->recs[at->ext]->data + at->offset; break;
    case REEL_AT_CARRY: data = f->carry[at->ext] + at->offset; break;
    }
    *v = (reel_kview){.dtype = n->type.dtype,
                      .rank = n->type.shape.rank,
                      .dims = n->type.shape.dims,
                      .strides = n->strides,
                      .data = data};
    return true;
}

reel_tensor *reel_run_value_(const reel_run *r, const char *site, int32_t value)
{
    reel_kview v;
    if (!reel_run_view_(r, value, &v)) return NULL;
    reel_type type;
    memset(&type, 0, sizeof type);
    type.dtype = v.dtype;
    type.shape.rank = v.rank;
    if (v.rank) memcpy(type.shape.dims, v.dims, sizeof v.dims[0] * (size_t)v.rank);
    reel_rec *copy = reel_make_(site, &type);
    if (!copy) return NULL;
    reel_kview_copy_(copy->data, &v);
    return reel_handle_(copy);
}

/* ---- what a player does at each run ---------------------------------------------------------------------- */

reel_debug *reel_debug_retain_(reel_player *p)
{
    pthread_mutex_lock(&p->lock);
    reel_debug *d = atomic_load(&p->debug);
    if (d) d->refs++;
    pthread_mutex_unlock(&p->lock);
    return d;
}

static size_t debug_bytes(int n_hooks)
{
    return sizeof(reel_debug) + ((size_t)n_hooks + 1) * sizeof(reel_hook);
}

static void debug_free(reel_debug *d)
{
    for (int i = 0; i < d->n_hooks; i++) reel_strfree_(d->hooks[i].watch);
    reel_profile_release_(d->profile);
    reel_free_(d, debug_bytes(d->n_hooks));
}

void reel_debug_release_(reel_player *p, reel_debug *d)
{
    if (!d) return;
    pthread_mutex_lock(&p->lock);
    const bool last = --d->refs == 0;
    pthread_mutex_unlock(&p->lock);
    if (last) debug_free(d);
}

/* The room for one more hook is behind n_hooks; debug_bytes counts it. */
reel_debug *reel_debug_change_(reel_player *p)
{
    reel_debug *old = reel_debug_retain_(p);
    int n = 0, k = 0;
    for (int i = 0; old && i < old->n_hooks; i++) n += old->hooks[i].f != NULL;
    reel_debug *d = reel_zalloc_(debug_bytes(n + 1));
    if (d) {
        d->refs = 1;
        d->n_hooks = n + 1;
        if (old) {
            d->check_numerics = old->check_numerics;
            d->profile = old->profile;
            reel_profile_retain_(d->profile);
        }
    }
    for (int i = 0; d && k < n; i++) {
        const reel_hook *hook = &old->hooks[i];
        if (!hook->f) continue;
        d->hooks[k] = *hook;
        d->hooks[k].watch = hook->watch ? reel_strdup_(hook->watch) : NULL;
        if (hook->watch && !d->hooks[k].watch) {
            debug_free(d);
            d = NULL;
        }
        k++;
    }
    reel_debug_release_(p, old);
    return d;
}

void reel_debug_put_(reel_player *p, reel_debug *d)
{
    pthread_mutex_lock(&p->lock);
    reel_debug *old = atomic_load(&p->debug);
    atomic_store(&p->debug, d);
    pthread_mutex_unlock(&p->lock);
    reel_debug_release_(p, old);
}

int reel_debug_check_(reel_player *p)
{
    reel_debug *d = reel_debug_change_(p);
    if (!d) return REEL_ENOMEM;
    d->check_numerics = true;
    reel_debug_put_(p, d);
    return 0;
}

static bool has_hooks(const reel_debug *d)
{
    for (int i = 0; d && i < d->n_hooks; i++)
        if (d->hooks[i].f) return true;
    return false;
}

/* ---- behind a node --------------------------------------------------------------------------------------- */

static int check_numbers(const reel_run *r, const reel_happened *h)
{
    const reel_graph *g = r->frame->plan->graph;
    const reel_node *n = &g->nodes[h->node];
    reel_kview in[REEL_MAX_IN], out[REEL_MAX_OUT];
    for (int k = 0; k < n->n_in; k++)
        if (reel_shape_only_(n->op->flags, k) || !reel_run_view_(r, g->ins[n->first_in + k], &in[k]))
            in[k] = (reel_kview){.data = NULL};
    for (int k = 0; k < h->n_outs; k++)
        if (!reel_run_view_(r, h->outs[k], &out[k])) return 0;
    reel_ctx *c = reel_ctx_();
    const char *site = c->site, *op = c->op;
    c->site = n->site;
    c->op = n->op->name;
    const int32_t name = h->n_outs ? g->values[h->outs[0]].name : -1;
    const int rc = reel_check_finite_(n->op, reel_node_attr_(g, n), in, n->n_in, out, h->n_outs,
                                      name >= 0 ? g->names[name].text : NULL);
    c->site = site;
    c->op = op;
    if (rc && n->scope >= 0) reel_error_append_(" (in \"%s\")", g->texts + n->scope);
    return rc;
}

static int copies(const reel_run *r, const reel_happened *h, reel_tensor *out[])
{
    const reel_node *n = &r->frame->plan->graph->nodes[h->node];
    for (int k = 0; k < n->n_out; k++) {
        out[k] = reel_run_value_(r, n->site, n->first_out + k);
        if (!out[k] && reel_status()) return reel_status();
    }
    return 0;
}

static int call_hooks(const reel_debug *d, const reel_run *r, const reel_happened *h)
{
    const reel_graph *g = r->frame->plan->graph;
    reel_tensor *out[REEL_MAX_OUT];
    reel_node_info e;
    reel_scope *scope = NULL;
    int rc = 0;
    for (int i = 0; i < d->n_hooks && !rc; i++) {
        const reel_hook *hook = &d->hooks[i];
        if (!hook->f || (hook->watch && !reel_node_matches_(g, h->node, hook->watch))) continue;
        if (!scope) {
            scope = reel_scope_begin(g->nodes[h->node].site, "hook");
            if (!scope || copies(r, h, out)) rc = reel_status();
            reel_fill_info_(g, h->node, &e);
            e.out = out;
            e.seconds = h->seconds;
            e.run_ = r;
        }
        reel_ctx *c = reel_ctx_();
        const bool in_hook = c->in_hook;
        c->in_hook = in_hook || r->frame->plan->write_locks;
        if (!rc) rc = hook->f(hook->self, &e);
        c->in_hook = in_hook;
        if (rc && !reel_status())
            reel_fail_at_(r->rq.site, REEL_EUSER, "%s: the hook behind %s returned %d without an error", r->rq.fn,
                          e.name, rc);
        if (reel_status()) rc = reel_status();
    }
    reel_scope_end(scope);
    return rc;
}

static int run_all(reel_run *r, const reel_debug *d, bool check, reel_profile_run *times)
{
    for (;;) {
        reel_happened h;
        bool more;
        reel_ctx *c = reel_ctx_();
        const bool before = c->check_numerics;
        c->check_numerics = check; /* for sub-graphs, which nodes of control flow run by themselves */
        int rc = reel_run_next_(r, &h, &more);
        c->check_numerics = before;
        if (rc || !more) return rc;
        if (times && h.step >= 0) reel_profile_note_(times, r->frame->plan, &h);
        if (!h.done) continue;
        if (d && d->n_hooks) rc = call_hooks(d, r, &h);
        if (!rc && check) rc = check_numbers(r, &h);
        if (rc) return rc;
    }
}

/* The late steps are a part of the end. */
static int end_timed(reel_run *r, reel_profile_run *times)
{
    reel_frame *f = r->frame;
    const reel_plan *plan = f->plan;
    const size_t bytes = ((size_t)plan->n_late + 1) * sizeof *f->late_seconds;
    double late = 0, *seconds = reel_zalloc_(bytes);
    if (!seconds) (void)reel_take_error(NULL);
    f->late_seconds = seconds;
    const double start = reel_now_();
    const int rc = reel_run_end_(r);
    const double end = reel_now_() - start;
    for (int i = 0; seconds && i < plan->n_late; i++) {
        const int32_t step = plan->n_steps + i;
        const reel_happened h = {
            .node = plan->steps[step].node, .step = step, .start = start + late, .seconds = seconds[i]};
        reel_profile_note_(times, plan, &h);
        late += seconds[i];
    }
    f->late_seconds = NULL;
    reel_profile_end_(times, plan, end > late ? end - late : 0);
    reel_free_(seconds, bytes);
    return rc;
}

static int run_locked(reel_run *r, const reel_debug *d, bool check)
{
    reel_profile_run *times = d && d->profile ? reel_profile_begin_(d->profile) : NULL;
    int rc = run_all(r, d, check, times);
    if (rc || !times) {
        if (!rc) rc = reel_run_end_(r);
        reel_profile_end_(times, r->frame->plan, 0);
        return rc;
    }
    return end_timed(r, times);
}

static int run_in_scope(reel_player *p, const reel_request *rq, const reel_debug *d, bool check, const reel_type *truth,
                        int64_t size, reel_tensor *out[])
{
    reel_scope_rec *outer = reel_ctx_()->scope;
    reel_scope *scope = reel_scope_begin(rq->site, rq->fn);
    if (!scope) return reel_status();
    reel_run r;
    /* assigning runs wait for each other before they read the variables: first the plan, whose locks these are */
    reel_frame *frame;
    reel_plan *plan = reel_player_acquire_(p, rq, &frame);
    int rc = plan ? 0 : reel_status();
    const uint32_t locks = plan ? plan->write_locks : 0;
    if (plan) reel_player_give_back_(p, frame);
    if (!rc && locks && reel_ctx_()->in_hook) rc = reel_in_hook_(rq);
    if (!rc) {
        reel_ctx_()->runs++; /* no waiting for an arena, which others may hold that wait for these locks */
        reel_lock_writes_(locks);
        rc = reel_run_begin_(&r, p, rq, truth, size);
        if (!rc) rc = run_locked(&r, d, check);
        reel_unlock_writes_(locks);
        for (int i = 0; i < rq->n_fetches && !rc; i++) {
            reel_rec *made = r.frame->made[i];
            reel_scope_move_(made, outer);
            out[i] = reel_handle_(made);
        }
        reel_run_drop_(&r);
        reel_ctx_()->runs--;
    }
    reel_scope_end(scope);
    return rc;
}

int reel_debug_run_(reel_player *p, const reel_request *rq, const reel_type *truth, int64_t size, reel_tensor *out[])
{
    reel_debug *d = reel_debug_retain_(p);
    const bool check = reel_ctx_()->check_numerics || (d && d->check_numerics);
    reel_request own = *rq;
    if (check || has_hooks(d)) own.debug = REEL_DEBUG_NOTES | REEL_DEBUG_PLAIN;
    const int rc = run_in_scope(p, &own, d, check, truth, size, out);
    reel_debug_release_(p, d);
    return rc;
}

/* ---- in hooks ---------------------------------------------------------------------------------------------- */

reel_tensor *reel_node_input_at(const char *site, const reel_node_info *e, int i)
{
    if (reel_pending_()) return NULL;
    if (!e || !e->run_ || !e->run_->frame || i < 0 || i >= e->n_in) {
        reel_fail_at_(site, REEL_EARG, "reel_node_input: there is no input %d", i);
        return NULL;
    }
    const reel_graph *g = e->run_->frame->plan->graph;
    const reel_node *n = &g->nodes[e->node];
    reel_tensor *t = reel_run_value_(e->run_, site, g->ins[n->first_in + i]);
    if (!t && !reel_status())
        reel_fail_at_(site, REEL_EARG, "reel_node_input: of input %d only the shape is read: it has no value", i);
    return t;
}
