/* debug_verify.c: a run beside eager: each node once as the plan has it, once through the door with eager's own values. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "core/options.h"
#include "core/random.h"
#include "debug.h"
#include "reel/reel.h"
#include "session.h"

static const char FN[] = "reel_session_verify";

/* A graph run eagerly, as far as one has come. */
typedef struct eager {
    const reel_graph *g;
    uint8_t *need;
    bool *fed;
    reel_tensor **tensors; /* by value */
    size_t next;           /* node that it has not come to yet */
} eager;

typedef struct verifier {
    const reel_wants *wants;
    reel_run run;
    double tol;
    eager planned, traced;
    reel_verify_report *report;
} verifier;

/* ---- eager ------------------------------------------------------------------------------------------------- */

static reel_tensor *leaf(const verifier *v, const eager *e, const reel_node *n)
{
    if (n->kind == REEL_NODE_CONST) return reel_handle_(n->rec);
    if (n->kind == REEL_NODE_INPUT) { /* not fed: only its shape is read, which is known */
        const reel_type *t = &e->g->values[n->first_out].type;
        return reel_zeros_at(n->site, t->dtype, t->shape);
    }
    const reel_plan *plan = v->run.frame->plan;
    for (int i = 0; i < plan->n_vars; i++) /* the value that the replay has read */
        if (plan->vars[i] == n->rec) return reel_handle_(v->run.frame->recs[plan->n_feeds + i]);
    return reel_handle_(n->rec);
}

static bool all_given(const eager *e, const reel_node *n)
{
    for (int k = 0; k < n->n_out; k++)
        if (!e->tensors[n->first_out + k]) return false;
    return n->n_out > 0;
}

/* All nodes before `end`. Nothing is assigned. */
static int catch_up(const verifier *v, eager *e, size_t end)
{
    int rc = 0;
    for (; e->next < end && !rc; e->next++) {
        const reel_node *n = &e->g->nodes[e->next];
        if (!e->need[e->next] || all_given(e, n) || reel_is_assign_(n)) continue;
        if (n->kind == REEL_NODE_OP)
            rc = reel_rerun_node_(e->g, n, e->tensors);
        else if (!(e->tensors[n->first_out] = leaf(v, e, n)))
            rc = reel_status();
    }
    return rc;
}

/* asked: feeds, fetches, effects in the graph's values. */
static int eager_begin(eager *e, const verifier *v, const reel_graph *g, const int32_t *asked, bool effects)
{
    const int nf = v->wants->n_feeds, no = v->wants->n_fetches;
    const size_t nv = g->n_values + 1;
    *e = (eager){.g = g};
    e->need = reel_zalloc_(g->n_nodes + 1);
    e->fed = reel_zalloc_(nv * sizeof *e->fed);
    e->tensors = reel_zalloc_(nv * sizeof *e->tensors);
    if (!e->need || !e->fed || !e->tensors) return REEL_ENOMEM;
    for (int i = 0; i < nf; i++) {
        if (asked[i] < 0) continue; /* nothing depends on it */
        e->fed[asked[i]] = true;
        e->tensors[asked[i]] = v->wants->handle[i];
    }
    for (int i = 0; i < no; i++) {
        const int32_t fetch = asked[nf + i], effect = asked[nf + no + i];
        if (!e->fed[fetch]) e->need[g->values[fetch].node] = REEL_NEED_VALUE;
        if (effect >= 0) e->need[effect] = REEL_NEED_VALUE;
    }
    for (size_t i = 0; i < g->n_nodes && effects; i++)
        if (g->nodes[i].op && (g->nodes[i].op->flags & (REEL_OPF_EFFECT | REEL_OPF_RANDOM)))
            e->need[i] = REEL_NEED_VALUE;
    reel_prune_(g, e->fed, e->need);
    return 0;
}

static void eager_drop(eager *e)
{
    if (!e->g) return;
    const size_t nv = e->g->n_values + 1;
    reel_free_(e->need, e->g->n_nodes + 1);
    reel_free_(e->fed, nv * sizeof *e->fed);
    reel_free_(e->tensors, nv * sizeof *e->tensors);
}

/* ---- comparing --------------------------------------------------------------------------------------------- */

static double apart(double a, double b)
{
    if (a == b || (isnan(a) && isnan(b))) return 0;
    const double d = fabs(a - b);
    return isnan(d) ? (double)INFINITY : d;
}

/* Fills the report if they differ. */
static int compare_bytes(const verifier *v, const char *a, const char *b, int64_t n, reel_dtype d)
{
    reel_verify_report *r = v->report;
    const size_t size = reel_size_(d);
    double worst = -1;
    r->different = 0;
    for (int64_t i = 0; i < n; i++) {
        const char *p = a + (size_t)i * size, *q = b + (size_t)i * size;
        if (memcmp(p, q, size) == 0) continue;
        const double x = reel_load_number_(p, d), y = reel_load_number_(q, d), away = apart(x, y);
        if ((isnan(x) && isnan(y)) || (v->tol > 0 && away <= v->tol * fmax(1, fabs(y)))) continue;
        r->different++;
        if (away <= worst) continue;
        worst = away;
        r->element = i;
        r->replayed = x;
        r->eager = y;
    }
    return r->different != 0;
}

/* A value of the planned graph with what eager has for it. */
static int compare_value(verifier *v, int32_t value, reel_tensor *theirs, bool *differs)
{
    reel_tensor *mine = reel_run_value_(&v->run, v->run.rq.site, value);
    if (!mine) return reel_status();
    if (!theirs || reel_rec_of_(theirs)->flags & (REEL_R_CELL | REEL_R_NUM)) return 0;
    const reel_rec *a = reel_rec_of_(mine), *b = reel_rec_of_(theirs);
    const reel_kview view = {b->type.dtype, b->type.shape.rank, b->type.shape.dims, b->strides, b->data};
    const size_t bytes = reel_type_bytes_(&b->type);
    char s[REEL_SHAPE_TEXT], t[REEL_SHAPE_TEXT];
    if (a->type.dtype != b->type.dtype || !reel_shape_same_(&a->type.shape, &b->type.shape)) {
        *differs = true;
        snprintf(v->report->text, sizeof v->report->text, "replayed it is %s%s, eagerly %s%s",
                 reel_dtype_name(a->type.dtype), reel_shape_text_(&a->type.shape, s), reel_dtype_name(b->type.dtype),
                 reel_shape_text_(&b->type.shape, t));
        return 0;
    }
    char *dense = reel_alloc_(bytes);
    if (!dense) return REEL_ENOMEM;
    reel_kview_copy_(dense, &view);
    *differs = compare_bytes(v, a->data, dense, reel_count_(&b->type.shape), b->type.dtype);
    reel_free_(dense, bytes);
    if (*differs)
        snprintf(v->report->text, sizeof v->report->text,
                 "%" PRId64 " of %" PRId64 " elements of %s%s differ, most at element %" PRId64
                 ": replayed %.9g, eagerly %.9g, %.3g apart",
                 v->report->different, reel_count_(&b->type.shape), reel_dtype_name(b->type.dtype),
                 reel_shape_text_(&b->type.shape, s), v->report->element, v->report->replayed, v->report->eager,
                 apart(v->report->replayed, v->report->eager));
    return 0;
}

/* value: of g, which holds the node that is to blame. */
static int tell(verifier *v, const reel_graph *g, int32_t value, const char *more)
{
    reel_verify_report *r = v->report;
    reel_node_info e;
    char how[sizeof r->text];
    reel_fill_info_(g, g->values[value].node, &e);
    snprintf(how, sizeof how, "%s", r->text);
    r->node = e.node;
    r->output = value - g->nodes[e.node].first_out;
    r->op = e.op;
    r->site = e.site;
    const bool named = strcmp(e.name, e.op) != 0;
    snprintf(r->text, sizeof r->text, "%s%s%.60s%s%s%.60s%s: %.180s%.90s", e.op, named ? " \"" : "",
             named ? e.name : "", named ? "\"" : "", *e.scope ? " in \"" : "", e.scope, *e.scope ? "\"" : "", how,
             more);
    return reel_fail_at_(e.site, REEL_ENUMERICS, "%s: %s", FN, r->text);
}

static int tell_step(verifier *v, const reel_happened *h, int32_t value)
{
    char more[120] = "";
    const reel_step_note *note = h->step >= 0 ? &v->run.frame->plan->step_notes[h->step] : NULL;
    if (note && note->ops) snprintf(more, sizeof more, ", in one pass %.80s", note->ops);
    return tell(v, v->planned.g, value, more);
}

/* How a node's generator stands, or the thread's: a node with a body of its own may draw from that. */
static reel_random_state draw_state(const reel_node *n, const reel_graph *g, reel_generator **gen)
{
    *gen = n && n->op && (n->op->flags & REEL_OPF_RANDOM) ? reel_node_generator_(g, n) : NULL;
    if (!*gen) *gen = reel_generator_default();
    return reel_random_get_(*gen);
}

static int compare_nodes(verifier *v)
{
    const reel_graph *g = v->planned.g;
    for (;;) {
        reel_happened h;
        reel_generator *gen;
        int32_t node = -1;
        bool more, differs = false;
        (void)reel_run_peek_(&v->run, &node);
        const reel_random_state before = draw_state(node >= 0 ? &g->nodes[node] : NULL, g, &gen);
        int rc = reel_run_next_(&v->run, &h, &more);
        if (rc || !more) return rc;
        if (!h.done) continue;
        reel_random_put_(gen, before); /* eager draws the same */
        rc = catch_up(v, &v->planned, (size_t)h.node + 1);
        v->report->compared += h.n_outs > 0;
        for (int k = 0; k < h.n_outs && !rc; k++) {
            rc = compare_value(v, h.outs[k], v->planned.tensors[h.outs[k]], &differs);
            if (differs && !rc) return tell_step(v, &h, h.outs[k]);
        }
        if (rc) return rc;
    }
}

/* The fetches of the graph as it was traced: what the passes have made of it must give the same. */
static int compare_fetches(verifier *v)
{
    int rc = catch_up(v, &v->traced, v->traced.g->n_nodes);
    for (int i = 0; i < v->wants->n_fetches && !rc; i++) {
        bool differs = false;
        const int32_t planned = v->run.frame->plan->asked[v->wants->n_feeds + i], traced = v->wants->fetch[i];
        rc = compare_value(v, planned, v->traced.tensors[traced], &differs);
        if (differs && !rc) return tell(v, v->traced.g, traced, "; each node agrees: the passes have changed it");
    }
    return rc;
}

/* How all generators of the graph, and the thread's, stand: they are put back. */
typedef struct drawn {
    reel_generator *generator;
    reel_random_state state;
} drawn;

static size_t put_generators(const reel_graph *g, drawn *all, bool back)
{
    size_t n = 0;
    reel_generator *gen = NULL;
    for (size_t i = 0; i <= g->n_nodes; i++) {
        const reel_node *node = i < g->n_nodes ? &g->nodes[i] : NULL;
        if (node && !(node->op && (node->op->flags & REEL_OPF_RANDOM))) continue;
        const reel_random_state now = draw_state(node, g, &gen);
        if (all && back) reel_random_put_(all[n].generator, all[n].state);
        if (all && !back) all[n] = (drawn){gen, now};
        n++;
    }
    return n;
}

static int verify_run(verifier *v, reel_session *s, const reel_request *rq, drawn *generators)
{
    int rc = reel_run_begin_(&v->run, &s->player, rq, NULL, 0);
    if (rc) return rc;
    const reel_plan *plan = v->run.frame->plan;
    rc = eager_begin(&v->planned, v, plan->graph, plan->asked, s->effects);
    if (!rc) rc = compare_nodes(v);
    if (rc || plan->graph == s->player.graph) return rc;
    (void)put_generators(s->player.graph, generators, true);
    rc = eager_begin(&v->traced, v, s->player.graph, v->wants->feed, s->effects); /* feed, fetch, effect: one block */
    return rc ? rc : compare_fetches(v);
}

static int verify(verifier *v, reel_session *s, const reel_request *rq)
{
    const reel_graph *g = s->player.graph;
    const size_t n = put_generators(g, NULL, false);
    reel_hush hush;
    int rc = reel_hush_begin_(rq->site, FN, &hush);
    if (rc) return rc;
    drawn *generators = reel_alloc_array_(n, sizeof *generators);
    reel_scope *scope = generators ? reel_scope_begin(rq->site, FN) : NULL;
    if (scope) {
        (void)put_generators(g, generators, false);
        rc = verify_run(v, s, rq, generators);
        reel_run_drop_(&v->run);
        (void)put_generators(g, generators, true);
    } else {
        rc = reel_status();
    }
    reel_scope_end(scope);
    reel_free_(generators, n * sizeof *generators);
    eager_drop(&v->planned);
    eager_drop(&v->traced);
    reel_hush_end_(&hush);
    return rc;
}

int reel_session_verify_at(const char *site, reel_session *s, reel_feeds in, reel_names fetch,
                           const reel_verify_opts *o, reel_verify_report *r)
{
    reel_verify_opts opts = {0};
    reel_verify_report own;
    reel_tensor *none;
    if (!r) r = &own;
    memset(r, 0, sizeof *r);
    r->node = -1;
    if (reel_pending_()) return reel_pending_();
    reel_options_(&opts, sizeof opts, o);
    if (isnan(opts.tol) || opts.tol < 0) return reel_fail_at_(site, REEL_EARG, "%s: tol is %g", FN, opts.tol);
    int rc = reel_session_check_(site, FN, s, in.n, in.feed, fetch.n, fetch.name, &none);
    if (rc) return rc;
    reel_wants w = {0};
    verifier v = {.wants = &w, .tol = opts.tol, .report = r};
    rc = reel_wants_init_(&w, FN, in.n, fetch.n);
    if (!rc) rc = reel_wants_by_name_(s->player.graph, &w, site, in, fetch);
    for (int i = 0; i < w.n_feeds && !rc; i++)
        if (w.given[i]->flags & REEL_R_SYMBOLIC)
            rc = reel_fail_at_(site, REEL_ETRACE, "%s: feed %d is part of a graph: it has no value", FN, i);
    const reel_request rq = {.site = site,
                             .fn = FN,
                             .n_feeds = w.n_feeds,
                             .n_fetches = w.n_fetches,
                             .feed = w.feed,
                             .given = w.given,
                             .fetch = w.fetch,
                             .effect = w.effect,
                             .effects = s->effects,
                             .debug = REEL_DEBUG_NOTES | (opts.plain ? REEL_DEBUG_PLAIN : 0)};
    if (!rc) rc = verify(&v, s, &rq);
    reel_wants_drop_(&w);
    if (!rc) snprintf(r->text, sizeof r->text, "%d nodes have the same values replayed as eagerly", r->compared);
    return rc;
}
