/* symbolic.c: a body traced without running anything: for functions whose sizes vary, for comparing a body with its trace, and for
   the sub-graphs of control flow. */
#include <stdio.h>
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "reel/reel.h"
#include "trace.h"

/* ---- everybody else deaf for a while ------------------------------------------------------------------ */

int reel_hush_begin_(const char *site, const char *fn, reel_hush *h)
{
    h->n = 0;
    for (reel_listener *l = reel_ctx_()->listeners; l; l = l->next) {
        if (l->paused) continue;
        if (h->n == REEL_HUSH_MAX)
            return reel_fail_at_(site, REEL_ETRACE, "%s: more than %d tapes and traces are open", fn, REEL_HUSH_MAX);
        h->l[h->n++] = l;
    }
    for (int i = 0; i < h->n; i++) h->l[i]->paused = true;
    return 0;
}

/* Only what is still listed is touched: the body may have ended it. */
void reel_hush_end_(const reel_hush *h)
{
    for (reel_listener *l = reel_ctx_()->listeners; l; l = l->next)
        for (int i = 0; i < h->n; i++)
            if (h->l[i] == l) l->paused = false;
}

/* ---- what a body gives --------------------------------------------------------------------------------- */

int reel_body_check_(const char *site, const char *fn, reel_fn f, int rc, reel_tensor *const *out)
{
    const char *name = f.name ? f.name : "function";
    if (reel_status()) return reel_status();
    if (rc) return reel_fail_at_(site, REEL_EUSER, "%s: %s returned %d without an error", fn, name, rc);
    for (int j = 0; j < f.n_out; j++) {
        char what[64];
        snprintf(what, sizeof what, "out[%d]", j);
        if (!out[j]) return reel_fail_at_(site, REEL_EARG, "%s: %s returned 0 but left %s NULL", fn, name, what);
        if (!reel_live_(site, fn, what, out[j])) return reel_status();
    }
    return 0;
}

int reel_body_dense_(const char *site, int n, reel_tensor *out[])
{
    for (int j = 0; j < n; j++) {
        reel_rec *r = reel_rec_of_(out[j]);
        if (!(r->flags & REEL_R_SPARSE)) continue;
        r = reel_dense_of_(site, r);
        out[j] = r ? reel_handle_(reel_make_alias_(site, r)) : NULL;
        if (!out[j]) return reel_status();
    }
    return 0;
}

int reel_body_outputs_(reel_capture *c, const char *site, const char *fn, reel_fn f, reel_tensor *const *out)
{
    reel_graph *g = c->graph;
    g->outputs = reel_alloc_array_((size_t)f.n_out + 1, sizeof *g->outputs);
    if (!g->outputs) return REEL_ENOMEM;
    g->n_outputs = f.n_out;
    for (int j = 0; j < f.n_out; j++) {
        char what[64];
        snprintf(what, sizeof what, "%.40s: out[%d]", f.name ? f.name : "function", j);
        g->outputs[j] = reel_capture_value_(c, site, fn, what, reel_rec_of_(out[j]));
    }
    return reel_status();
}

/* ---- the trace ------------------------------------------------------------------------------------------ */

/* in[i]: a number as it is, otherwise a symbolic tensor. */
static int add_inputs(reel_graph *g, const char *site, int n, const reel_type *types, reel_tensor *const *numbers,
                      reel_tensor **in)
{
    g->inputs = reel_alloc_array_((size_t)n + 1, sizeof *g->inputs);
    if (!g->inputs) return REEL_ENOMEM;
    g->n_inputs = n;
    for (int i = 0; i < n; i++) {
        const bool weak = numbers && numbers[i];
        if (weak)
            in[i] = reel_num_at(site, reel_load_number_(reel_rec_of_(numbers[i])->data, REEL_F64));
        else
            in[i] = reel_handle_(reel_make_symbolic_(site, &types[i]));
        if (!in[i]) return reel_status();
        const reel_rec *r = reel_rec_of_(in[i]);
        const reel_node node = {.kind = REEL_NODE_INPUT, .site = site, .n_out = 1, .weak = weak};
        const reel_type *type = &r->type;
        g->inputs[i] = reel_graph_node_(g, &node, NULL, NULL, &type);
        if (g->inputs[i] < 0 || reel_map_put_(&g->ids, r->id, g->inputs[i])) return reel_status();
    }
    return 0;
}

static int trace_body(const char *site, const char *fn, reel_fn f, reel_capture *c, reel_tensor *const *in)
{
    reel_tensor *out[REEL_MAX_OUT + 1] = {NULL};
    int rc = reel_body_check_(site, fn, f, f.body(f.self, in, out), out);
    if (!rc) rc = reel_body_dense_(site, f.n_out, out);
    if (!rc && !c->open)
        rc = reel_fail_at_(site, REEL_ETRACE, "%s: %s ended a scope that it had not begun", fn,
                           f.name ? f.name : "the body");
    if (!rc) rc = reel_body_outputs_(c, site, fn, f, out);
#ifndef NDEBUG
    if (!rc) rc = reel_graph_verify(c->graph);
#endif
    return rc;
}

reel_graph *reel_trace_symbolic_(const char *site, const char *fn, reel_fn f, const reel_type *types,
                                 reel_tensor *const *numbers, reel_capture *c)
{
    reel_tensor *in[REEL_MAX_IN + 1];
    reel_hush hush;
    if (reel_hush_begin_(site, fn, &hush)) return NULL;
    reel_graph *g = reel_graph_new_();
    reel_scope *scope = g ? reel_scope_begin(site, f.name ? f.name : fn) : NULL;
    int rc = scope ? add_inputs(g, site, f.n_in, types, numbers, in) : REEL_ENOMEM;
    if (!rc) {
        reel_capture_start_(c, g, site, true);
        rc = trace_body(site, fn, f, c, in);
        if (c->open) reel_listener_remove_(&c->base);
        c->dynamic = g->dynamic;
        reel_capture_end_(c);
    }
    reel_scope_end(scope);
    reel_hush_end_(&hush);
    if (!rc) return g;
    reel_graph_release_(g);
    return NULL;
}
