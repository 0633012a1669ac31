/* first_call.c: the body of a function run and listened to; or only listened to, with nothing run. */
#include <stdio.h>
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "function.h"
#include "reel/reel.h"

static const char FN[] = "reel_function_call";

/* ---- the first call: run and listen ------------------------------------------------------------------ */

/* A view that outer tapes see. */
reel_tensor *reel_fn_copy_(const reel_fn_call *c, reel_tensor *t)
{
    reel_axes axes = {.n = reel_rec_of_(t)->type.shape.rank};
    for (int i = 0; i < axes.n; i++) axes.axis[i] = i;
    return reel_transpose_at(c->site, t, axes);
}

/* The same value under an id of its own, so that the trace tells in[0] from in[1] even if they are one tensor. */
static reel_tensor *renamed(const reel_fn_call *c, reel_tensor *t, reel_rec *value)
{
    if (value->flags & REEL_R_NUM) return reel_num_at(c->site, reel_load_number_(value->data, REEL_F64));
    if (!c->taped) return reel_handle_(reel_make_view_(c->site, &value->type, value->strides, value, 0));
    return reel_fn_copy_(c, t);
}

/* To tapes each output is a value of its own, as a replay gives it: not something from outside, and not twice the same.
   Backwards, so that their gradients meet in the order of out[]. */
int reel_fn_apart_(const reel_fn_call *c, reel_tensor *out[])
{
    for (int j = c->f->fn.n_out - 1; j >= 0 && c->taped; j--) {
        const reel_rec *r = reel_rec_of_(out[j]);
        if (r->flags & REEL_R_NUM || !reel_is_float_(r->type.dtype)) continue;
        bool fresh = !(r->flags & REEL_R_CELL) && r->id >= c->first_id;
        for (int k = 0; k < j && fresh; k++) fresh = reel_rec_of_(out[k])->id != r->id;
        if (!fresh) out[j] = reel_fn_copy_(c, out[j]);
        if (!out[j]) return reel_status();
    }
    return 0;
}

static int add_inputs(const reel_fn_call *c, reel_graph *g, reel_tensor *const *in)
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

/* To the caller's scope goes what belongs to the body's (or one it left open). A variable goes as its value. */
static int hand_over(const reel_fn_call *c, reel_scope_rec *outer, reel_tensor *out[])
{
    reel_ctx *ctx = reel_ctx_();
    const int rc = reel_fn_apart_(c, out);
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

static int listen(const reel_fn_call *c, reel_graph *g, reel_tensor *const *in, reel_tensor *out[], bool *keep)
{
    reel_function *f = c->f;
    reel_capture capture = {.function = f, .allow_reads = f->allow_reads, .constants = {f->n_constants, f->constants}};
    int rc = add_inputs(c, g, in);
    if (rc) return rc;
    reel_capture_start_(&capture, g, c->site, false);
    rc = reel_body_check_(c->site, FN, f->fn, f->fn.body(f->fn.self, in, out), out);
    if (!rc) rc = reel_body_dense_(c->site, f->fn.n_out, out); /* as a replay gives them */
    if (!rc && !capture.open)
        rc = reel_fail_at_(c->site, REEL_ETRACE, "%s: %s ended a scope that it had not begun", FN, reel_fn_name_(f));
    if (!rc) rc = reel_body_outputs_(&capture, c->site, FN, f->fn, out);
    if (capture.open) reel_listener_remove_(&capture.base);
    reel_capture_end_(&capture);
    *keep = !capture.ambiguous;
#ifndef NDEBUG
    if (!rc) rc = reel_graph_verify(g);
#endif
    return rc;
}

int reel_fn_first_(const reel_fn_call *c, reel_tensor *out[])
{
    reel_ctx *ctx = reel_ctx_();
    reel_scope_rec *outer = ctx->scope;
    reel_tensor *in[REEL_MAX_IN + 1];
    bool keep = false;
    reel_graph *g = reel_graph_new_();
    reel_scope *scope = g ? reel_scope_begin(c->site, reel_fn_name_(c->f)) : NULL;
    int rc = scope ? 0 : reel_status();
    for (int i = 0; i < c->n && !rc; i++) {
        in[i] = renamed(c, c->in[i], c->rec[i]);
        if (!in[i]) rc = reel_status();
    }
    if (!rc) rc = listen(c, g, in, out, &keep);
    if (!rc) rc = hand_over(c, outer, out);
    reel_scope_end(scope);
    if (!rc) rc = reel_fn_insert_(c, g, NULL, NULL, keep, NULL);
    reel_graph_release_(g);
    return rc;
}

/* ---- the body without running it ----------------------------------------------------------------------- */

reel_graph *reel_fn_symbolic_(const reel_fn_call *c, const reel_type *types, reel_symbolic *says)
{
    reel_function *f = c->f;
    reel_tensor *numbers[REEL_MAX_IN + 1];
    for (int i = 0; i < c->n; i++) numbers[i] = c->rec[i]->flags & REEL_R_NUM ? reel_handle_(c->rec[i]) : NULL;
    reel_capture capture = {.function = f, .allow_reads = f->allow_reads, .constants = {f->n_constants, f->constants}};
    reel_graph *g = reel_trace_symbolic_(c->site, FN, f->fn, types, numbers, &capture);
    *says = (reel_symbolic){capture.asked, capture.ambiguous, capture.dynamic};
    return g;
}
