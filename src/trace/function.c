/* function.c: a user's function that is traced by its first call for each signature and replayed by later ones. */
#include <stdio.h>
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "core/options.h"
#include "function.h"
#include "reel/reel.h"

static const char FN[] = "reel_function_call";

/* ---- life ------------------------------------------------------------------------------------------ */

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
    if (fn.n_in < 64 && opts.donate >> fn.n_in) {
        reel_fail_at_("", REEL_EARG, "%s: donate is %#llx, but there are %d inputs", name,
                      (unsigned long long)opts.donate, fn.n_in);
        return NULL;
    }
    reel_pipeline passes;
    if (reel_pipeline_parse_(name, opts.passes, opts.math, &passes) ||
        reel_compile_mode_(name, opts.compile, opts.compile_after, &passes.compile))
        return NULL;
    reel_function *f = reel_zalloc_(sizeof *f);
    if (!f) return NULL;
    f->passes = passes;
    f->passes.ways.check = passes.ways.check || opts.check_plans;
    f->constants = reel_alloc_array_((size_t)opts.constants.n + 1, sizeof *f->constants);
    f->unknown = reel_zalloc_(2 * ((size_t)fn.n_in + 1));
    f->refused = f->unknown ? f->unknown + fn.n_in + 1 : NULL;
    if (!f->constants || !f->unknown || pthread_mutex_init(&f->lock, NULL)) {
        reel_free_(f->constants, ((size_t)opts.constants.n + 1) * sizeof *f->constants);
        reel_free_(f->unknown, 2 * ((size_t)fn.n_in + 1));
        reel_free_(f, sizeof *f);
        return NULL;
    }
    f->fn = fn;
    f->statics = opts.statics;
    f->statics_size = opts.statics_size;
    f->allow_reads = opts.allow_reads;
    f->call = opts.call;
    f->eager_first = opts.eager_first;
    f->donate = opts.donate;
    for (int i = 0; i < fn.n_in; i++) f->gives[i] = opts.donate >> i & 1;
    f->max_traces = opts.max_traces > 0 ? opts.max_traces : 16;
    f->unknown_after = opts.unknown_after ? opts.unknown_after : 3;
    f->check = opts.check;
    f->max_arenas = opts.max_arenas ? opts.max_arenas : REEL_MAX_ARENAS;
    f->n_constants = opts.constants.n;
    for (int i = 0; i < f->n_constants; i++) f->constants[i] = reel_retain(opts.constants.t[i]);
    return f;
}

static void destroy(reel_function *f)
{
    while (f->traces) {
        reel_fn_trace *t = f->traces;
        f->traces = t->next;
        reel_fn_unref_(t);
    }
    reel_notes_free_(f);
    reel_called_free_(f);
    reel_strfree_(f->refusals);
    reel_free_(f->unknown, 2 * ((size_t)f->fn.n_in + 1));
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

int reel_function_explain_plan(FILE *out, reel_function *f)
{
    static const char fn[] = "reel_function_explain_plan";
    if (!out || !f) return reel_fail_at_("", REEL_EARG, "%s: %s is NULL", fn, out ? "fn" : "f");
    pthread_mutex_lock(&f->lock);
    reel_fn_trace *t = f->traces;
    if (t) t->refs++;
    pthread_mutex_unlock(&f->lock);
    if (!t) return reel_fail_at_("", REEL_EARG, "%s: the function has no trace yet", fn);
    const int rc = reel_player_explain_(out, &t->player, fn);
    pthread_mutex_lock(&f->lock);
    reel_fn_unref_(t);
    pthread_mutex_unlock(&f->lock);
    return rc;
}

/* ---- later calls ------------------------------------------------------------------------------------ */

static int plain_replay(reel_fn_call *c, reel_fn_trace *t, reel_tensor *out[])
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
                             .effects = true,
                             .donate = c->f->donate ? c->f->gives : NULL,
                             .taped = c->taped,
                             .begun = &c->begun};
    return reel_player_run_(&t->player, &rq, NULL, 0, out);
}

/* Under a tape: the call is one entry, with the variables' values of this moment among its inputs. */
static int taped_replay(reel_fn_call *c, reel_fn_trace *t, reel_tensor *out[])
{
    reel_graph *g = t->player.graph;
    reel_rec *arg[REEL_MAX_IN], *in[REEL_MAX_IN];
    int n = c->n;
    memcpy(arg, c->arg, (size_t)n * sizeof *arg);
    memcpy(in, c->rec, (size_t)n * sizeof *in);
    for (size_t i = 0; i < g->n_nodes; i++) {
        if (!(arg[n] = reel_node_cell_(g, &g->nodes[i]))) continue;
        in[n] = reel_cell_get_(arg[n]);
        if (!in[n]) reel_retain_rec_(in[n] = arg[n]); /* only assigned: it may have no value yet */
        if (g->nodes[i].snapshot) arg[n] = in[n];
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
static int by_body(const reel_fn_call *c, reel_tensor *out[])
{
    reel_tensor *in[REEL_MAX_IN + 1];
    for (int i = 0; i < c->n; i++) {
        in[i] = c->in[i];
        const reel_rec *r = in[i] && reel_is_live_(in[i]) ? reel_rec_of_(in[i]) : NULL; /* reel_invoke complains */
        if (!r || !c->taped || r->flags & REEL_R_NUM || !reel_is_float_(r->type.dtype)) continue;
        in[i] = reel_fn_copy_(c, in[i]);
        if (!in[i]) return reel_status();
    }
    int rc = reel_invoke_at(c->site, c->f->fn, (reel_list){c->n, in}, out);
    if (!rc) rc = reel_body_dense_(c->site, c->f->fn.n_out, out);
    return rc ? rc : reel_fn_apart_(c, out);
}

/* Inside a trace or graph the body simply runs; a mark on the listeners' list tells recursion. */
static int inlined(const reel_fn_call *c, reel_tensor *out[])
{
    reel_capture *around = c->f->call ? reel_capture_now_() : NULL;
    const int as_node = around ? reel_call_node_(c, around, out) : -1;
    if (as_node >= 0) return as_node;
    reel_capture mark = {.function = c->f};
    reel_capture_start_(&mark, NULL, c->site, false);
    mark.base.paused = true;
    enter(c->f);
    const int rc = by_body(c, out);
    leave(c->f);
    if (mark.open) reel_listener_remove_(&mark.base);
    return rc;
}

static int check_listeners(reel_fn_call *c, bool *capturing)
{
    for (const reel_listener *l = reel_ctx_()->listeners; l; l = l->next) {
        if (!reel_is_capture_(l)) {
            c->taped |= !l->paused;
            c->tapes += !l->paused;
            continue;
        }
        if (((const reel_capture *)l)->function == c->f)
            return reel_fail_at_(c->site, REEL_ETRACE, "%s: %s calls itself (it is being traced since %s)", FN,
                                 reel_fn_name_(c->f), l->site);
        *capturing |= !l->paused;
    }
    return 0;
}

/* in[i], which is neither a plain value nor a number. */
REEL_NOINLINE static int resolve_special(reel_fn_call *c, int i, reel_rec *r)
{
    if (r->flags & REEL_R_SPARSE && !(r = reel_dense_of_(c->site, r))) return reel_status();
    c->arg[i] = c->rec[i] = r;
    if (r->flags & REEL_R_SYMBOLIC)
        return reel_fail_at_(c->site, REEL_ETRACE,
                             "%s: in[%d], made at %s, is part of a graph that is not being built here", FN, i, r->made);
    if (r->flags & REEL_R_CELL && !(c->rec[i] = reel_cell_get_(r)))
        return reel_fail_at_(c->site, REEL_EARG, "%s: in[%d]: variable \"%s\" is read before it has a value", FN, i,
                             r->name);
    return 0;
}

static int resolve(reel_fn_call *c)
{
    for (int i = 0; i < c->n; i++) {
        reel_tensor *t = c->in[i];
        int code = 0;
        if (REEL_UNLIKELY(!t || !reel_is_live_(t))) {
            char what[32];
            snprintf(what, sizeof what, "in[%d]", i);
            (void)reel_live_(c->site, FN, what, t);
            code = reel_status();
        } else if (REEL_UNLIKELY(reel_rec_of_(t)->flags & (REEL_R_SPARSE | REEL_R_CELL | REEL_R_SYMBOLIC))) {
            code = resolve_special(c, i, reel_rec_of_(t));
        } else {
            c->arg[i] = c->rec[i] = reel_rec_of_(t);
        }
        if (REEL_UNLIKELY(code)) {
            c->n = i;
            return code;
        }
    }
    return 0;
}

/* A dimension that had another size each time becomes unknown: the body is traced without running it, and this call replays that
   trace already. Where that does not work, it is traced as it is, and reason says why. */
static int vary(const reel_fn_call *c, reel_fn_trace **t, uint8_t *bits, char reason[REEL_WHY])
{
    reel_type types[REEL_MAX_IN + 1];
    char why[REEL_WHY];
    reel_symbolic says;
    if (!reel_fn_vary_(c, types, bits, why)) return 0;
    reel_graph *g = reel_fn_symbolic_(c, types, &says);
    const char *const asked = says.asked;
    if (reel_status() == REEL_ENOMEM) return REEL_ENOMEM;
    if (g && !asked) {
        reel_fn_varied_(c, bits, NULL);
        const int rc = reel_fn_insert_(c, g, types, *why ? why : NULL, true, t);
        if (*t) reel_fn_replays_(*t, c->f);
        reel_graph_release_(g);
        return rc;
    }
    reel_error e = {0};
    if (reel_status()) (void)reel_take_error(&e);
    if (asked)
        snprintf(reason, REEL_WHY, "the body asks for it %s%s", *asked ? "at " : "(reel_shape_of)", asked);
    else
        snprintf(reason, REEL_WHY, "%s", e.text);
    reel_graph_release_(g);
    return 0;
}

/* Nothing runs, so the call takes no more memory than its plan. *t NULL, without an error: the body must run. Sizes that depend on data may
   be what fails here and not there; two variables of one value have been told apart for the next trace. */
static int trace_only(const reel_fn_call *c, reel_fn_trace **t)
{
    reel_type types[REEL_MAX_IN + 1];
    reel_symbolic says;
    for (int i = 0; i < c->n; i++) types[i] = c->rec[i]->type;
    reel_graph *g = reel_fn_symbolic_(c, types, &says);
    reel_error e;
    int rc = 0;
    if (g && !says.ambiguous)
        rc = reel_fn_insert_(c, g, types, NULL, true, t);
    else if (!g && says.dynamic && reel_status() != REEL_ENOMEM)
        (void)reel_take_error(&e);
    else if (!g)
        rc = reel_status();
    reel_graph_release_(g);
    return rc;
}

static int trace_first(const reel_fn_call *c, reel_fn_trace **t, reel_tensor *out[])
{
    uint8_t bits[REEL_MAX_IN + 1];
    char reason[REEL_WHY] = "";
    int rc = vary(c, t, bits, reason);
    if (rc || *t) return rc;
    if (!c->taped && !c->f->allow_reads && !c->f->eager_first) rc = trace_only(c, t);
    if (!rc && !*t) rc = reel_fn_first_(c, out);
    if (!rc && *reason) {
        reel_fn_varied_(c, bits, reason);
        rc = reel_status();
    }
    return rc;
}

/* Is the body, with the C state it finds now, still what the trace has? */
static int check(const reel_fn_call *c, reel_fn_trace *t)
{
    reel_symbolic says;
    reel_function *f = c->f;
    pthread_mutex_lock(&f->lock);
    const bool due = f->check < 0 || t->checked < f->check;
    t->checked += due && f->check > 0;
    pthread_mutex_unlock(&f->lock);
    if (!due || t->player.graph->n_frozen) return 0; /* what reads host data cannot be looked at without running it */
    reel_graph *g = reel_fn_symbolic_(c, t->note->sig.types, &says);
    if (!g) return reel_status();
    const int rc = reel_fn_compare_(c, t->player.graph, g);
    reel_graph_release_(g);
    return rc;
}

static int replay(reel_fn_call *c, reel_fn_trace *t, bool whole, reel_tensor *out[])
{
    if (!c->taped) return plain_replay(c, t, out);
    return whole ? taped_replay(c, t, out) : by_body(c, out);
}

static bool is_followed(const reel_fn_call *c, const reel_graph *g, reel_listener *tape)
{
    bool any = !tape->follows;
    for (int i = 0; i < c->n && !any; i++) any = tape->follows(tape, c->arg[i]);
    for (size_t i = 0; i < g->n_nodes && !any; i++) {
        reel_rec *const cell = reel_node_cell_(g, &g->nodes[i]);
        reel_rec *const value = cell && g->nodes[i].snapshot ? reel_cell_get_(cell) : NULL;
        any = cell && tape->follows(tape, value ? value : cell);
        if (value) reel_release_rec_(value);
    }
    return any;
}

/* How many tapes will have something of the call. */
static int followers(const reel_fn_call *c, const reel_graph *g)
{
    int n = 0;
    for (reel_listener *l = reel_ctx_()->listeners; l; l = l->next)
        n += !l->paused && !reel_is_capture_(l) && is_followed(c, g, l);
    return n;
}

/* Several tapes that have something of it: the outer ones will need the inside, for gradients of gradients. */
static bool is_whole(const reel_fn_call *c, const reel_fn_trace *t)
{
    const reel_graph *g = t->player.graph;
    if (!c->taped) return true;
    return !g->own_vjp && reel_call_inputs_(g) <= REEL_MAX_IN && (c->tapes == 1 || followers(c, g) <= 1);
}

static int run(reel_fn_call *c, reel_tensor *out[])
{
    reel_function *f = c->f;
    reel_fn_trace *t = reel_fn_find_(c);
    const bool runs_body = !t || f->check || !is_whole(c, t);
    int rc = 0;
    if (runs_body) enter(f);
    if (!t)
        rc = trace_first(c, &t, out);
    else if (REEL_UNLIKELY(f->check != 0))
        rc = check(c, t);
    if (t && !rc) rc = replay(c, t, is_whole(c, t), out);
    if (t) {
        pthread_mutex_lock(&f->lock);
        reel_fn_unref_(t);
        pthread_mutex_unlock(&f->lock);
    }
    if (runs_body) leave(f);
    return rc;
}

/* rc: of the call, whose outputs there are unless it has failed. */
static int give_away(const reel_fn_call *c, uint64_t donate, int rc, int n_out, reel_tensor **out)
{
    int taken = 0;
    for (int i = 0; i < c->n; i++)
        if (donate >> i & 1 && !taken) taken = reel_take_over_(c->site, c->in[i], rc ? 0 : n_out, out);
    return rc ? rc : taken;
}

int reel_function_call_at(const char *site, reel_function *f, reel_list in, reel_tensor *out[])
{
    const int n_out = f ? f->fn.n_out : 0; /* the body may free f */
    for (int j = 0; out && j < n_out; j++) out[j] = NULL;
    if (reel_pending_()) return reel_pending_();
    if (!f) return reel_fail_at_(site, REEL_EARG, "%s: f is NULL", FN);
    if (in.n != f->fn.n_in || (in.n && !in.t))
        return reel_fail_at_(site, REEL_EARG, "%s: %s takes %d inputs, not %d", FN, reel_fn_name_(f), f->fn.n_in,
                             in.t ? in.n : 0);
    if (f->fn.n_out && !out) return reel_fail_at_(site, REEL_EARG, "%s: out is NULL", FN);
    reel_fn_call c;
    c.f = f;
    c.site = site;
    c.n = in.n;
    c.in = in.t;
    c.taped = c.begun = false;
    c.tapes = 0;
    c.first_id = reel_ctx_()->next_id;
    bool capturing = false;
    int rc = 0;
    const uint64_t donate = f->donate; /* the body may free f */
    if (reel_ctx_()->listeners) {
        rc = check_listeners(&c, &capturing);
        if (rc) return rc;
    }
    if (capturing) {
        rc = inlined(&c, out);
        if (donate && !rc) rc = give_away(&c, donate, 0, n_out, out);
    } else {
        rc = resolve(&c);
        if (!rc) rc = run(&c, out);
        for (int i = 0; i < c.n; i++)
            if (c.arg[i]->flags & REEL_R_CELL) reel_release_rec_(c.rec[i]);
        if (donate && (!rc || c.begun)) rc = give_away(&c, donate, rc, n_out, out);
    }
    for (int j = 0; rc && j < n_out; j++) out[j] = NULL;
    return rc;
}
