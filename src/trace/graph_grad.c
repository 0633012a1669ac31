/* graph_grad.c: gradients of a graph that is being built. The nodes between xs and ys are told to a tape as the door would have told
   them, values standing for themselves under the ids they have; what the tape's backward calls, the graph hears like any op. So
   there is one backward for tapes and graphs. */
#include <stdio.h>
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "core/options.h"
#include "reel/reel.h"
#include "trace.h"

static const char FN[] = "reel_graph_grad";

typedef struct differ {
    reel_capture *c;
    const reel_graph *g;
    const char *site;
    size_t n_nodes, n_values; /* before the gradient's own */
    int32_t *owner;           /* by node: its summary, -1: none */
    bool *leads;              /* by node: to one of ys */
    bool *reached, *stop;     /* by value: from xs; taken for a constant */
    uint64_t *id;             /* by value; 0: it has none */
    reel_rec **rec;           /* by value: what stands for it */
} differ;

static int start(differ *d, reel_capture *c, const char *site)
{
    const reel_graph *g = c->graph;
    *d = (differ){.c = c, .g = g, .site = site, .n_nodes = g->n_nodes, .n_values = g->n_values};
    d->owner = reel_graph_owners_(g);
    d->leads = reel_zalloc_((d->n_nodes + 1) * sizeof *d->leads);
    d->reached = reel_zalloc_((d->n_values + 1) * sizeof *d->reached);
    d->stop = reel_zalloc_((d->n_values + 1) * sizeof *d->stop);
    d->id = reel_zalloc_((d->n_values + 1) * sizeof *d->id);
    d->rec = reel_zalloc_((d->n_values + 1) * sizeof *d->rec);
    if (!d->owner || !d->leads || !d->reached || !d->stop || !d->id || !d->rec) return REEL_ENOMEM;
    for (size_t i = 0; i < g->ids.capacity; i++)
        if (g->ids.keys[i] && g->ids.keys[i] >> 62 == 0) d->id[g->ids.values[i]] = g->ids.keys[i];
    return 0;
}

static void drop(differ *d)
{
    reel_free_(d->owner, (d->n_nodes + 1) * sizeof *d->owner);
    reel_free_(d->leads, (d->n_nodes + 1) * sizeof *d->leads);
    reel_free_(d->reached, (d->n_values + 1) * sizeof *d->reached);
    reel_free_(d->stop, (d->n_values + 1) * sizeof *d->stop);
    reel_free_(d->id, (d->n_values + 1) * sizeof *d->id);
    reel_free_(d->rec, (d->n_values + 1) * sizeof *d->rec);
    *d = (differ){.c = d->c, .g = d->g, .site = d->site};
}

/* ---- what was asked for ----------------------------------------------------------------------------------- */

/* The values of a list's tensors; floats. */
static int find_values(const differ *d, const char *what, reel_list list, int32_t *value)
{
    for (int i = 0; i < list.n; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s[%d]", what, i);
        reel_rec *r = reel_live_(d->site, FN, name, list.t[i]);
        if (!r) return reel_status();
        value[i] = reel_capture_value_(d->c, d->site, FN, name, r);
        if (value[i] < 0) return reel_status();
        const reel_gvalue *v = &d->c->graph->values[value[i]];
        if (reel_is_float_(v->type.dtype) && !d->c->graph->nodes[v->node].weak) continue;
        return reel_fail_at_(d->site, REEL_EDTYPE, "%s: %s is %s%s, %%%d \"%s\" made at %s: only floats have gradients",
                             FN, name, d->c->graph->nodes[v->node].weak ? "a number, " : "",
                             reel_dtype_name(v->type.dtype), (int)v->node, reel_node_name_(d->c->graph, v->node),
                             d->c->graph->nodes[v->node].site);
    }
    return 0;
}

static int check_grad(const differ *d, int i, int32_t y, reel_tensor *t)
{
    char name[32], a[REEL_SHAPE_TEXT], b[REEL_SHAPE_TEXT];
    snprintf(name, sizeof name, "grad_ys[%d]", i);
    reel_rec *r = reel_live_(d->site, FN, name, t);
    if (!r || reel_capture_value_(d->c, d->site, FN, name, r) < 0) return reel_status();
    const reel_type *want = &d->g->values[y].type;
    bool fits = r->flags & REEL_R_NUM || (r->type.dtype == want->dtype && r->type.shape.rank == want->shape.rank);
    for (int k = 0; fits && k < want->shape.rank && !(r->flags & REEL_R_NUM); k++)
        fits = want->shape.dims[k] == r->type.shape.dims[k] || want->shape.dims[k] == REEL_ANY ||
               r->type.shape.dims[k] == REEL_ANY;
    if (fits) return 0;
    return reel_fail_at_(d->site, r->type.dtype == want->dtype ? REEL_ESHAPE : REEL_EDTYPE,
                         "%s: %s is %s%s, but ys[%d], %%%d \"%s\", is %s%s", FN, name, reel_dtype_name(r->type.dtype),
                         reel_shape_text_(&r->type.shape, a), i, (int)d->g->values[y].node,
                         reel_node_name_(d->g, d->g->values[y].node), reel_dtype_name(want->dtype),
                         reel_shape_text_(&want->shape, b));
}

/* ---- which nodes matter -------------------------------------------------------------------------------------- */

/* Operands of a node, or of the call that it is part of. */
static const int32_t *operands(const differ *d, size_t i, int *n_in, const int32_t **out, int *n_out, int32_t *made)
{
    const reel_graph *g = d->g;
    const reel_node *n = &g->nodes[i];
    const reel_summary *s = d->owner[i] >= 0 ? &g->summaries[d->owner[i]] : NULL;
    *n_in = s ? s->n_in : n->n_in;
    *n_out = s ? s->n_out : n->n_out;
    for (int k = 0; k < n->n_out && !s; k++) made[k] = n->first_out + k;
    *out = s ? g->ins + s->first + s->n_in : made;
    return g->ins + (s ? s->first : n->first_in);
}

static void find_leading(const differ *d, reel_list ys, const int32_t *y)
{
    const reel_graph *g = d->g;
    for (int i = 0; i < ys.n; i++) d->leads[g->values[y[i]].node] = true;
    for (size_t i = d->n_nodes; i-- > 0;) {
        int32_t made[REEL_MAX_OUT];
        const int32_t *out;
        int n_in, n_out;
        const reel_node *n = &g->nodes[i];
        if (n->kind != REEL_NODE_OP || reel_is_assign_(n)) continue;
        const int32_t *in = operands(d, i, &n_in, &out, &n_out, made);
        const reel_summary *s = d->owner[i] >= 0 ? &g->summaries[d->owner[i]] : NULL;
        if (s && s->end != (int32_t)i + 1) continue; /* it is looked at as a whole, where it ends */
        bool leads = false;
        for (int k = 0; k < n_out; k++) leads = leads || d->leads[g->values[out[k]].node];
        d->leads[i] = d->leads[i] || leads;
        for (int k = 0; k < n_in && leads; k++)
            if (s || !reel_shape_only_(n->op->flags, k)) d->leads[g->values[in[k]].node] = true;
    }
}

/* ---- the tape ------------------------------------------------------------------------------------------------- */

/* A record of the value: the constant or number itself, else a symbolic one under the id that other tapes know it by. */
static reel_rec *record(differ *d, int32_t v)
{
    const reel_gvalue *value = &d->g->values[v];
    const reel_node *n = &d->g->nodes[value->node];
    if (d->rec[v]) return d->rec[v];
    if (n->kind == REEL_NODE_CONST) return d->rec[v] = n->rec;
    const reel_type type = value->type; /* the graph may grow */
    reel_rec *r = reel_make_symbolic_(n->site, &type);
    if (!r) return NULL;
    if (d->id[v] && n->kind != REEL_NODE_VAR && !d->stop[v]) {
        r->id = d->id[v];
        r->flags |= REEL_R_ALIAS;
    } else if (reel_map_put_(&d->c->graph->ids, r->id, v)) {
        return NULL;
    }
    return d->rec[v] = r;
}

/* What the call was given there: of a variable the cell. */
static reel_rec *argument(differ *d, int32_t v)
{
    const reel_node *n = &d->g->nodes[d->g->values[v].node];
    return n->kind == REEL_NODE_VAR ? n->rec : record(d, v);
}

static int tell(differ *d, reel_listener *tape, size_t i)
{
    reel_rec *arg[REEL_MAX_IN], *in[REEL_MAX_IN], *out[REEL_MAX_OUT];
    int32_t made[REEL_MAX_OUT];
    const int32_t *outs;
    int n_in, n_out;
    const int32_t *ins = operands(d, i, &n_in, &outs, &n_out, made);
    const reel_node *n = &d->g->nodes[i];
    const reel_summary *s = d->owner[i] >= 0 ? &d->g->summaries[d->owner[i]] : NULL;
    bool reached = false;
    for (int k = 0; k < n_in; k++)
        reached = reached || (d->reached[ins[k]] && (s || !reel_shape_only_(n->op->flags, k)));
    const reel_op *op = s ? s->op : n->op;
    if (!reached || op->grad == REEL_ZERO_GRAD) return 0;
    for (int k = 0; k < n_in; k++)
        if (!(arg[k] = argument(d, ins[k])) || !(in[k] = record(d, ins[k]))) return reel_status();
    for (int k = 0; k < n_out; k++) {
        if (!(out[k] = record(d, outs[k]))) return reel_status();
        d->reached[outs[k]] = reel_is_float_(out[k]->type.dtype) && !d->stop[outs[k]];
    }
    reel_ctx *ctx = reel_ctx_();
    const char *site = ctx->site, *name = ctx->op;
    const reel_call call = {.op = op,
                            .attr = s ? d->g->attrs + s->attr : reel_node_attr_(d->g, n),
                            .site = s ? s->site : n->site,
                            .n_in = n_in,
                            .n_out = n_out,
                            .arg = arg,
                            .in = in,
                            .out = out};
    ctx->site = call.site;
    ctx->op = op->name;
    const int rc = tape->hear(tape, &call);
    ctx->site = site;
    ctx->op = name;
    if (rc && rc != REEL_ENOMEM)
        reel_error_append_(" (%%%zu \"%s\", in %s at %s)", i, reel_node_name_(d->g, (int)i), FN, d->site);
    for (int k = 0; k < n_out; k++) /* what reads it from here on reads a constant */
        if (d->stop[outs[k]]) d->rec[outs[k]] = NULL;
    return rc;
}

static int tell_all(differ *d, reel_listener *tape)
{
    int rc = 0;
    for (size_t i = 0; i < d->n_nodes && !rc; i++) {
        const int32_t owner = d->owner[i];
        if (d->g->nodes[i].kind != REEL_NODE_OP || !d->leads[i]) continue;
        if (owner < 0 || d->g->summaries[owner].end == (int32_t)i + 1) rc = tell(d, tape, i);
    }
    return rc;
}

/* ---- the backward ------------------------------------------------------------------------------------------------- */

static int backward(differ *d, reel_tape *tape, reel_list ys, const int32_t *y, reel_list xs, reel_tensor *const *x,
                    const reel_graph_grad_opts *o, reel_tensor **dxs)
{
    reel_tensor *none[REEL_MAX_IN] = {NULL}, *yt[REEL_MAX_IN], *dyt[REEL_MAX_IN];
    int n = 0;
    for (int j = 0; j < ys.n; j++) {
        if (!d->reached[y[j]]) continue;
        const reel_rec *r = argument(d, y[j]);
        if (!r) return reel_status();
        yt[n] = reel_handle_(r);
        dyt[n] = j < o->grad_ys.n ? o->grad_ys.t[j] : NULL;
        if (dyt[n] && reel_rec_of_(dyt[n])->flags & REEL_R_NUM)
            dyt[n] = reel_mul_at(d->site, reel_ones_like_at(d->site, yt[n]), dyt[n]);
        if (!dyt[n]) dyt[n] = reel_ones_like_at(d->site, yt[n]);
        if (!dyt[n++]) return reel_status();
    }
    if (!n) return 0;
    return reel_vjp_from_(d->site, tape, (reel_list){n, yt}, (reel_list){n, dyt}, (reel_list){xs.n, x}, none, dxs);
}

static int differentiate(differ *d, reel_list ys, reel_list xs, const reel_graph_grad_opts *o, reel_tensor **dxs)
{
    int32_t y[REEL_MAX_IN], x[REEL_MAX_IN], stop[REEL_MAX_IN];
    reel_tensor *given[REEL_MAX_IN];
    int rc = find_values(d, "ys", ys, y);
    if (!rc) rc = find_values(d, "xs", xs, x);
    if (!rc) rc = find_values(d, "stop", o->stop, stop);
    for (int j = 0; j < o->grad_ys.n && !rc; j++)
        if (o->grad_ys.t[j]) rc = check_grad(d, j, y[j], o->grad_ys.t[j]);
    drop(d);
    if (!rc) rc = start(d, d->c, d->site); /* these may have added leaves */
    if (rc) return rc;
    for (int i = 0; i < o->stop.n; i++) d->stop[stop[i]] = true;
    find_leading(d, ys, y);
    reel_tape *tape = reel_tape_begin_at(d->site, REEL_OPTS(tape, .no_variables = true));
    if (!tape) return reel_status();
    reel_listener *listener = reel_ctx_()->listeners; /* the tape, as the last one begun */
    listener->paused = true;                          /* it hears of these nodes and of nothing else */
    for (int i = 0; i < xs.n && !rc; i++) {
        const reel_rec *r = argument(d, x[i]);
        if (!r) return reel_status();
        given[i] = reel_handle_(r);
        rc = reel_watch_at(d->site, tape, (reel_list){1, &given[i]});
        d->reached[x[i]] = !d->stop[x[i]];
    }
    if (!rc) rc = tell_all(d, listener);
    if (!rc) rc = backward(d, tape, ys, y, xs, given, o, dxs);
    reel_tape_end(tape);
    for (int i = 0; i < xs.n && !rc && !o->null; i++)
        if (!dxs[i] && !(dxs[i] = reel_zeros_like_at(d->site, xs.t[i]))) rc = reel_status();
    return rc;
}

static int check_list(const char *site, const char *what, reel_list l)
{
    if (l.n >= 0 && l.n <= REEL_MAX_IN && (l.n == 0 || l.t)) return 0;
    return reel_fail_at_(site, REEL_EARG, "%s: %s: %d tensors, 0 to %d are possible%s", FN, what, l.n, REEL_MAX_IN,
                         l.n > 0 && !l.t ? "; the list is NULL" : "");
}

int reel_graph_grad_at(const char *site, reel_list ys, reel_list xs, const reel_graph_grad_opts *o, reel_tensor *dxs[])
{
    for (int i = 0; dxs && i < xs.n; i++) dxs[i] = NULL;
    if (reel_pending_()) return reel_pending_();
    reel_graph_grad_opts opts = {0};
    reel_options_(&opts, sizeof opts, o);
    int rc = check_list(site, "ys", ys);
    if (!rc) rc = check_list(site, "xs", xs);
    if (!rc) rc = check_list(site, "stop", opts.stop);
    if (!rc) rc = check_list(site, "grad_ys", opts.grad_ys);
    if (!rc && xs.n && !dxs) rc = reel_fail_at_(site, REEL_EARG, "%s: dxs is NULL", FN);
    if (!rc && opts.grad_ys.n && opts.grad_ys.n != ys.n)
        rc = reel_fail_at_(site, REEL_EARG, "%s: %d ys but %d grad_ys", FN, ys.n, opts.grad_ys.n);
    reel_capture *c = rc ? NULL : reel_open_graph_(site, FN);
    if (!c) return reel_status();
    reel_scope_rec *outer = reel_ctx_()->scope;
    reel_scope *scope = reel_scope_begin(site, FN);
    differ d = {0};
    rc = scope ? start(&d, c, site) : REEL_ENOMEM;
    if (!rc) rc = differentiate(&d, ys, xs, &opts, dxs);
    drop(&d);
    for (int i = 0; i < xs.n; i++) {
        if (rc) dxs[i] = NULL;
        if (dxs[i] && reel_rec_of_(dxs[i])->scope == reel_ctx_()->scope) reel_scope_move_(reel_rec_of_(dxs[i]), outer);
    }
    reel_scope_end(scope);
    return rc;
}
