/* function.c: a user's function that is traced by its first call for each signature and replayed by later ones. */
#include <stdio.h>
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "core/options.h"
#include "reel/reel.h"
#include "trace.h"

static const char FN[] = "reel_function_call";

typedef struct trace {
    struct trace *next; /* most recently used first */
    int refs;           /* calls under way, and 1 for the list */
    bool widen;
    reel_type *types; /* of in[] */
    bool *weak;
    char *statics;
    size_t n_in, statics_size;
    int32_t *no_effects; /* -1 for each output */
    reel_player player;
} trace;

struct reel_function {
    reel_fn fn;
    const void *statics;
    size_t statics_size;
    reel_tensor **constants;
    int n_constants;
    bool allow_reads;
    int max_traces, n_traces, made;
    trace *traces;
    reel_graph *last;
    int calls;  /* under way, in all threads */
    bool freed; /* by one of them: the last one out frees */
    pthread_mutex_t lock;
};

/* What one call has: its inputs' records, variables replaced by their values. */
typedef struct call {
    reel_function *f;
    const char *site;
    int n;
    reel_tensor *const *in;
    reel_rec *arg[REEL_MAX_IN], *rec[REEL_MAX_IN];
    bool taped;
    int tapes;
    uint64_t first_id; /* of what the body makes */
} call;

static const char *name_of(const reel_function *f)
{
    return f->fn.name ? f->fn.name : "function";
}

/* ---- life ------------------------------------------------------------------------------------------ */

static void trace_free(trace *t)
{
    if (t->player.graph) reel_player_drop_(&t->player);
    reel_free_(t->types, (t->n_in + 1) * sizeof *t->types);
    reel_free_(t->weak, (t->n_in + 1) * sizeof *t->weak);
    reel_free_(t->statics, t->statics_size + 1);
    reel_free_(t->no_effects, (REEL_MAX_OUT + 1) * sizeof *t->no_effects);
    reel_free_(t, sizeof *t);
}

static void unref(trace *t)
{
    if (--t->refs == 0) trace_free(t);
}

reel_function *reel_function_new(reel_fn fn, const reel_function_opts *o)
{
    static const char name[] = "reel_function_new";
    if (reel_pending_()) return NULL;
    if (!fn.body || fn.n_in < 0 || fn.n_out < 0 || fn.n_in > REEL_MAX_IN || fn.n_out > REEL_MAX_OUT) {
        reel_fail_at_("", REEL_EARG, "%s: %s", name,
                      !fn.body ? "the body is NULL" : "0 to 64 inputs and outputs are possible");
        return NULL;
    }
    reel_function_opts opts = {0};
    reel_options_(&opts, sizeof opts, o);
    if (opts.statics_size && !opts.statics) {
        reel_fail_at_("", REEL_EARG, "%s: statics is NULL", name);
        return NULL;
    }
    if (opts.constants.n < 0 || (opts.constants.n > 0 && !opts.constants.t)) {
        reel_fail_at_("", REEL_EARG, "%s: %d constants, %s", name, opts.constants.n,
                      opts.constants.t ? "a negative number" : "the list is NULL");
        return NULL;
    }
    for (int i = 0; i < opts.constants.n; i++) {
        char what[32];
        snprintf(what, sizeof what, "constants[%d]", i);
        if (!reel_live_("", name, what, opts.constants.t[i])) return NULL;
    }
    reel_function *f = reel_zalloc_(sizeof *f);
    if (!f) return NULL;
    f->constants = reel_alloc_array_((size_t)opts.constants.n + 1, sizeof *f->constants);
    if (!f->constants || pthread_mutex_init(&f->lock, NULL)) {
        reel_free_(f->constants, ((size_t)opts.constants.n + 1) * sizeof *f->constants);
        reel_free_(f, sizeof *f);
        return NULL;
    }
    f->fn = fn;
    f->statics = opts.statics;
    f->statics_size = opts.statics_size;
    f->allow_reads = opts.allow_reads;
    f->max_traces = opts.max_traces > 0 ? opts.max_traces : 16;
    f->n_constants = opts.constants.n;
    for (int i = 0; i < f->n_constants; i++) f->constants[i] = reel_retain(opts.constants.t[i]);
    return f;
}

static void destroy(reel_function *f)
{
    while (f->traces) {
        trace *t = f->traces;
        f->traces = t->next;
        unref(t);
    }
    for (int i = 0; i < f->n_constants; i++) reel_release(f->constants[i]);
    reel_free_(f->constants, ((size_t)f->n_constants + 1) * sizeof *f->constants);
    reel_graph_release_(f->last);
    pthread_mutex_destroy(&f->lock);
    reel_free_(f, sizeof *f);
}

void reel_function_free(reel_function *f)
{
    if (!f) return;
    pthread_mutex_lock(&f->lock);
    f->freed = true;
    const bool idle = f->calls == 0;
    pthread_mutex_unlock(&f->lock);
    if (idle) destroy(f);
}

/* Around every run of the body, which may free its own function. */
static void enter(reel_function *f)
{
    pthread_mutex_lock(&f->lock);
    f->calls++;
    pthread_mutex_unlock(&f->lock);
}

static void leave(reel_function *f)
{
    pthread_mutex_lock(&f->lock);
    const bool last = --f->calls == 0 && f->freed;
    pthread_mutex_unlock(&f->lock);
    if (last) destroy(f);
}

reel_graph *reel_function_graph(reel_function *f)
{
    return f ? f->last : NULL;
}

int reel_function_traces(const reel_function *f)
{
    return f ? f->made : 0;
}

/* ---- signatures ------------------------------------------------------------------------------------ */

static bool same(const trace *t, const call *c)
{
    if (t->widen != reel_ctx_()->widen || (t->statics_size && memcmp(t->statics, c->f->statics, t->statics_size) != 0))
        return false;
    for (int i = 0; i < c->n; i++) {
        const reel_rec *r = c->rec[i];
        const bool weak = r->flags & REEL_R_NUM;
        if (t->weak[i] != weak || t->types[i].dtype != r->type.dtype ||
            !reel_shape_same_(&t->types[i].shape, &r->type.shape))
            return false;
    }
    return true;
}

static void remember_graph(reel_function *f, reel_graph *g)
{
    if (f->last == g) return;
    reel_graph_release_(f->last);
    f->last = reel_graph_retain_(g);
}

static trace *find_trace(const call *c)
{
    reel_function *f = c->f;
    pthread_mutex_lock(&f->lock);
    trace *t = NULL;
    for (trace **at = &f->traces; *at && !t; at = &(*at)->next) {
        if (!same(*at, c)) continue;
        t = *at;
        *at = t->next;
        t->next = f->traces;
        f->traces = t;
        t->refs++;
        remember_graph(f, t->player.graph);
        break;
    }
    pthread_mutex_unlock(&f->lock);
    return t;
}

static trace *new_trace(const call *c, reel_graph *g)
{
    trace *t = reel_zalloc_(sizeof *t);
    if (!t) return NULL;
    t->n_in = (size_t)c->n;
    t->statics_size = c->f->statics_size;
    t->widen = g->widen;
    t->types = reel_alloc_array_(t->n_in + 1, sizeof *t->types);
    t->weak = reel_alloc_array_(t->n_in + 1, sizeof *t->weak);
    t->statics = reel_alloc_(t->statics_size + 1);
    t->no_effects = reel_alloc_array_(REEL_MAX_OUT + 1, sizeof *t->no_effects);
    if (!t->types || !t->weak || !t->statics || !t->no_effects || reel_player_init_(&t->player, g, 4)) {
        trace_free(t);
        return NULL;
    }
    for (int i = 0; i < c->n; i++) {
        t->types[i] = c->rec[i]->type;
        t->weak[i] = c->rec[i]->flags & REEL_R_NUM;
    }
    if (t->statics_size) memcpy(t->statics, c->f->statics, t->statics_size);
    memset(t->no_effects, 0xff, (REEL_MAX_OUT + 1) * sizeof *t->no_effects);
    t->refs = 1;
    return t;
}

static int insert_trace(const call *c, reel_graph *g)
{
    reel_function *f = c->f;
    trace *t = new_trace(c, g);
    if (!t) return reel_status();
    pthread_mutex_lock(&f->lock);
    t->next = f->traces;
    f->traces = t;
    f->made++;
    remember_graph(f, g);
    if (++f->n_traces > f->max_traces) {
        trace **last = &f->traces;
        while ((*last)->next) last = &(*last)->next;
        trace *old = *last;
        *last = NULL;
        f->n_traces--;
        unref(old);
    }
    pthread_mutex_unlock(&f->lock);
    return 0;
}

/* ---- the first call: run and listen ------------------------------------------------------------------ */

/* A view that outer tapes see. */
static reel_tensor *heard_copy(const call *c, reel_tensor *t)
{
    reel_axes axes = {.n = reel_rec_of_(t)->type.shape.rank};
    for (int i = 0; i < axes.n; i++) axes.axis[i] = i;
    return reel_transpose_at(c->site, t, axes);
}

/* The same value under an id of its own, so that the trace tells in[0] from in[1] even if they are one tensor. */
static reel_tensor *renamed(const call *c, reel_tensor *t, reel_rec *value)
{
    if (value->flags & REEL_R_NUM) return reel_num_at(c->site, reel_load_number_(value->data, REEL_F64));
    if (!c->taped) return reel_handle_(reel_make_view_(c->site, &value->type, value->strides, value, 0));
    return heard_copy(c, t);
}

/* To tapes each output is a value of its own, as a replay gives it: not something from outside, and not twice the same.
   Backwards, so that their gradients meet in the order of out[]. */
static int outputs_apart(const call *c, reel_tensor *out[])
{
    for (int j = c->f->fn.n_out - 1; j >= 0 && c->taped; j--) {
        const reel_rec *r = reel_rec_of_(out[j]);
        if (r->flags & REEL_R_NUM || !reel_is_float_(r->type.dtype)) continue;
        bool fresh = !(r->flags & REEL_R_CELL) && r->id >= c->first_id;
        for (int k = 0; k < j && fresh; k++) fresh = reel_rec_of_(out[k])->id != r->id;
        if (!fresh) out[j] = heard_copy(c, out[j]);
        if (!out[j]) return reel_status();
    }
    return 0;
}

static int add_inputs(const call *c, reel_graph *g, reel_tensor *const *in)
{
    g->inputs = reel_alloc_array_((size_t)c->n + 1, sizeof *g->inputs);
    if (!g->inputs) return REEL_ENOMEM;
    g->n_inputs = c->n;
    for (int i = 0; i < c->n; i++) {
        const reel_rec *r = reel_rec_of_(in[i]);
        const reel_node n = {.kind = REEL_NODE_INPUT, .site = c->site, .n_out = 1, .weak = r->flags & REEL_R_NUM};
        const reel_type *type = &r->type;
        const int32_t v = reel_graph_node_(g, &n, NULL, NULL, &type);
        if (v < 0 || reel_map_put_(&g->ids, r->id, v)) return reel_status();
        g->inputs[i] = v;
    }
    return 0;
}

static int add_outputs(const call *c, reel_capture *capture, reel_tensor *const *out)
{
    const int n = c->f->fn.n_out;
    reel_graph *g = capture->graph;
    g->outputs = reel_alloc_array_((size_t)n + 1, sizeof *g->outputs);
    if (!g->outputs) return REEL_ENOMEM;
    g->n_outputs = n;
    for (int j = 0; j < n; j++) {
        char what[64];
        snprintf(what, sizeof what, "%.40s: out[%d]", name_of(c->f), j);
        g->outputs[j] = reel_capture_value_(capture, c->site, FN, what, reel_rec_of_(out[j]));
    }
    return reel_status();
}

/* A replay gives dense tensors, so every call does. */
static int outputs_dense(const call *c, reel_tensor *out[])
{
    for (int j = 0; j < c->f->fn.n_out; j++) {
        reel_rec *r = reel_rec_of_(out[j]);
        if (!(r->flags & REEL_R_SPARSE)) continue;
        r = reel_dense_of_(c->site, r);
        out[j] = r ? reel_handle_(reel_make_alias_(c->site, r)) : NULL;
        if (!out[j]) return reel_status();
    }
    return 0;
}

static int check_outputs(const call *c, int rc, reel_tensor *const *out)
{
    if (reel_status()) return reel_status();
    if (rc) return reel_fail_at_(c->site, REEL_EUSER, "%s: %s returned %d without an error", FN, name_of(c->f), rc);
    for (int j = 0; j < c->f->fn.n_out; j++) {
        char what[64];
        snprintf(what, sizeof what, "out[%d]", j);
        if (!out[j])
            return reel_fail_at_(c->site, REEL_EARG, "%s: %s returned 0 but left %s NULL", FN, name_of(c->f), what);
        if (!reel_live_(c->site, FN, what, out[j])) return reel_status();
    }
    return 0;
}

/* To the caller's scope goes what belongs to the body's (or one it left open). A variable goes as its value. */
static int hand_over(const call *c, reel_scope_rec *outer, reel_tensor *out[])
{
    reel_ctx *ctx = reel_ctx_();
    const int rc = outputs_apart(c, out);
    if (rc) return rc;
    for (int j = 0; j < c->f->fn.n_out; j++) {
        reel_rec *r = reel_rec_of_(out[j]);
        if (r->flags & REEL_R_CELL) {
            reel_rec *value = reel_live_value_(c->site, FN, "an output", out[j]);
            out[j] = value ? renamed(c, out[j], value) : NULL;
            if (!out[j]) return reel_status();
            r = reel_rec_of_(out[j]);
        }
        for (const reel_scope_rec *s = ctx->scope; s != outer; s = s->parent) {
            if (r->scope != s) continue;
            reel_scope_move_(r, outer);
            break;
        }
    }
    return 0;
}

static int listen(const call *c, reel_graph *g, reel_tensor *const *in, reel_tensor *out[], bool *keep)
{
    reel_function *f = c->f;
    reel_capture capture = {.function = f, .allow_reads = f->allow_reads, .constants = {f->n_constants, f->constants}};
    int rc = add_inputs(c, g, in);
    if (rc) return rc;
    reel_capture_start_(&capture, g, c->site, false);
    rc = check_outputs(c, f->fn.body(f->fn.self, in, out), out);
    if (!rc) rc = outputs_dense(c, out);
    if (!rc && !capture.open)
        rc = reel_fail_at_(c->site, REEL_ETRACE, "%s: %s ended a scope that it had not begun", FN, name_of(f));
    if (!rc) rc = add_outputs(c, &capture, out);
    if (capture.open) reel_listener_remove_(&capture.base);
    reel_capture_end_(&capture);
    *keep = !capture.ambiguous;
#ifndef NDEBUG
    if (!rc) rc = reel_graph_verify(g);
#endif
    return rc;
}

static int first_call(const call *c, reel_tensor *out[])
{
    reel_ctx *ctx = reel_ctx_();
    reel_scope_rec *outer = ctx->scope;
    reel_tensor *in[REEL_MAX_IN + 1];
    bool keep = false;
    reel_graph *g = reel_graph_new_();
    reel_scope *scope = g ? reel_scope_begin(c->site, name_of(c->f)) : NULL;
    int rc = scope ? 0 : reel_status();
    for (int i = 0; i < c->n && !rc; i++) {
        in[i] = renamed(c, c->in[i], c->rec[i]);
        if (!in[i]) rc = reel_status();
    }
    if (!rc) rc = listen(c, g, in, out, &keep);
    if (!rc) rc = hand_over(c, outer, out);
    reel_scope_end(scope);
    if (!rc && keep) rc = insert_trace(c, g);
    reel_graph_release_(g);
    return rc;
}

/* ---- later calls ------------------------------------------------------------------------------------ */

static int plain_replay(const call *c, trace *t, reel_tensor *out[])
{
    const reel_graph *g = t->player.graph;
    const reel_request rq = {.site = c->site,
                             .fn = FN,
                             .n_feeds = c->n,
                             .n_fetches = c->f->fn.n_out,
                             .feed = g->inputs,
                             .given = c->rec,
                             .fetch = g->outputs,
                             .effect = t->no_effects,
                             .effects = true};
    return reel_player_run_(&t->player, &rq, NULL, 0, out);
}

/* Under a tape: the call is one entry, with the variables' values of this moment among its inputs. */
static int taped_replay(const call *c, trace *t, reel_tensor *out[])
{
    reel_graph *g = t->player.graph;
    reel_rec *arg[REEL_MAX_IN], *in[REEL_MAX_IN];
    int n = c->n;
    memcpy(arg, c->arg, (size_t)n * sizeof *arg);
    memcpy(in, c->rec, (size_t)n * sizeof *in);
    for (size_t i = 0; i < g->n_nodes; i++) {
        if (g->nodes[i].kind != REEL_NODE_VAR) continue;
        arg[n] = g->nodes[i].rec;
        in[n] = reel_cell_get_(arg[n]);
        if (!in[n]) reel_retain_rec_(in[n] = arg[n]); /* only assigned: it may have no value yet */
        n++;
    }
    reel_call_state *state = reel_call_state_new_(g);
    int rc = state ? plain_replay(c, t, out) : reel_status();
    if (!rc) rc = reel_call_tell_(c->site, state, arg, in, out);
    for (int i = c->n; i < n; i++) reel_release_rec_(in[i]);
    reel_call_state_release_(state);
    return rc;
}

/* ---- the call -------------------------------------------------------------------------------------- */

/* The body like any other, but to tapes with in[] and out[] as values of their own, as in the first call and in replays. */
static int by_body(const call *c, reel_tensor *out[])
{
    reel_tensor *in[REEL_MAX_IN + 1];
    for (int i = 0; i < c->n; i++) {
        in[i] = c->in[i];
        const reel_rec *r = in[i] && reel_is_live_(in[i]) ? reel_rec_of_(in[i]) : NULL; /* reel_invoke complains */
        if (!r || !c->taped || r->flags & REEL_R_NUM || !reel_is_float_(r->type.dtype)) continue;
        in[i] = heard_copy(c, in[i]);
        if (!in[i]) return reel_status();
    }
    int rc = reel_invoke_at(c->site, c->f->fn, (reel_list){c->n, in}, out);
    if (!rc) rc = outputs_dense(c, out);
    return rc ? rc : outputs_apart(c, out);
}

/* Inside a trace or graph the body simply runs; a mark on the listeners' list tells recursion. */
static int inlined(const call *c, reel_tensor *out[])
{
    reel_capture mark = {.function = c->f};
    reel_capture_start_(&mark, NULL, c->site, false);
    mark.base.paused = true;
    enter(c->f);
    const int rc = by_body(c, out);
    leave(c->f);
    if (mark.open) reel_listener_remove_(&mark.base);
    return rc;
}

static int check_listeners(call *c, bool *capturing)
{
    for (const reel_listener *l = reel_ctx_()->listeners; l; l = l->next) {
        if (!reel_is_capture_(l)) {
            c->taped |= !l->paused;
            c->tapes += !l->paused;
            continue;
        }
        if (((const reel_capture *)l)->function == c->f)
            return reel_fail_at_(c->site, REEL_ETRACE, "%s: %s calls itself (it is being traced since %s)", FN,
                                 name_of(c->f), l->site);
        *capturing |= !l->paused;
    }
    return 0;
}

static int resolve(call *c)
{
    for (int i = 0; i < c->n; i++) {
        char what[32];
        reel_tensor *t = c->in[i];
        reel_rec *r = t && reel_is_live_(t) ? reel_rec_of_(t) : NULL;
        if (REEL_UNLIKELY(r && (r->flags & REEL_R_SPARSE)) && !(r = reel_dense_of_(c->site, r))) {
            c->n = i;
            return reel_status();
        }
        if (REEL_UNLIKELY(!r)) {
            snprintf(what, sizeof what, "in[%d]", i);
            (void)reel_live_(c->site, FN, what, t);
            c->n = i;
            return reel_status();
        }
        c->arg[i] = c->rec[i] = r;
        if (REEL_UNLIKELY(r->flags & REEL_R_SYMBOLIC)) {
            c->n = i;
            return reel_fail_at_(c->site, REEL_ETRACE,
                                 "%s: in[%d], made at %s, is part of a graph that is not being built here", FN, i,
                                 r->made);
        }
        if (REEL_UNLIKELY(r->flags & REEL_R_CELL) && !(c->rec[i] = reel_cell_get_(r))) {
            c->n = i;
            return reel_fail_at_(c->site, REEL_EARG, "%s: in[%d]: variable \"%s\" is read before it has a value", FN, i,
                                 r->name);
        }
    }
    return 0;
}

static int run(call *c, reel_tensor *out[])
{
    trace *t = find_trace(c);
    if (!t) {
        reel_function *f = c->f;
        enter(f);
        const int rc = first_call(c, out);
        leave(f);
        return rc;
    }
    reel_function *f = c->f;
    const reel_graph *g = t->player.graph;
    /* several tapes: the outer ones will need the inside, for gradients of gradients */
    const bool whole = !c->taped || (!g->own_vjp && c->tapes == 1 && reel_call_inputs_(g) <= REEL_MAX_IN);
    if (!whole) enter(f);
    int rc;
    if (!c->taped)
        rc = plain_replay(c, t, out);
    else
        rc = whole ? taped_replay(c, t, out) : by_body(c, out);
    pthread_mutex_lock(&f->lock);
    unref(t);
    pthread_mutex_unlock(&f->lock);
    if (!whole) leave(f);
    return rc;
}

int reel_function_call_at(const char *site, reel_function *f, reel_list in, reel_tensor *out[])
{
    const int n_out = f ? f->fn.n_out : 0; /* the body may free f */
    for (int j = 0; out && j < n_out; j++) out[j] = NULL;
    if (reel_pending_()) return reel_pending_();
    if (!f) return reel_fail_at_(site, REEL_EARG, "%s: f is NULL", FN);
    if (in.n != f->fn.n_in || (in.n && !in.t))
        return reel_fail_at_(site, REEL_EARG, "%s: %s takes %d inputs, not %d", FN, name_of(f), f->fn.n_in,
                             in.t ? in.n : 0);
    if (f->fn.n_out && !out) return reel_fail_at_(site, REEL_EARG, "%s: out is NULL", FN);
    call c;
    c.f = f;
    c.site = site;
    c.n = in.n;
    c.in = in.t;
    c.taped = false;
    c.tapes = 0;
    c.first_id = reel_ctx_()->next_id;
    bool capturing = false;
    if (reel_ctx_()->listeners) {
        const int rc = check_listeners(&c, &capturing);
        if (rc) return rc;
    }
    if (capturing) return inlined(&c, out);
    int rc = resolve(&c);
    if (!rc) rc = run(&c, out);
    for (int i = 0; i < c.n; i++)
        if (c.arg[i]->flags & REEL_R_CELL) reel_release_rec_(c.rec[i]);
    for (int j = 0; rc && j < n_out; j++) out[j] = NULL;
    return rc;
}
