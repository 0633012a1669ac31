/* user.c: passes that users register: a rule that sees node by node and puts ops, called like anywhere, in a node's place. */
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "ops/ids.h"
#include "pass.h"
#include "reel/reel.h"

typedef struct user_run {
    reel_capture capture; /* writes into w->to while a rule runs */
    reel_tensor **handle; /* of to's values that a rule has been shown */
    size_t cap_handle;
} user_run;

static const char *kind_name(const reel_node *n)
{
    switch ((reel_node_kind)n->kind) {
    case REEL_NODE_INPUT: return "input";
    case REEL_NODE_VAR: return "variable";
    case REEL_NODE_CONST: return "constant";
    case REEL_NODE_OP: break;
    }
    return n->op->name;
}

/* A tensor that stands for to's value v. Constants are themselves. NULL: raised. */
static reel_tensor *handle_of(reel_rewriter *w, int32_t v)
{
    user_run *u = w->own;
    const size_t had = u->cap_handle;
    if (reel_grow_((void **)&u->handle, &u->cap_handle, (size_t)v + 1, sizeof *u->handle)) return NULL;
    if (u->cap_handle > had) memset(u->handle + had, 0, (u->cap_handle - had) * sizeof *u->handle);
    if (u->handle[v]) return u->handle[v];
    const reel_node *n = reel_node_of_(w->to, v);
    reel_rec *r =
        n->kind == REEL_NODE_CONST ? n->rec : reel_make_symbolic_(n->site ? n->site : "", &w->to->values[v].type);
    if (!r || (reel_map_get_(&w->to->ids, r->id) < 0 && reel_map_put_(&w->to->ids, r->id, v))) return NULL;
    return u->handle[v] = reel_handle_(r);
}

/* Fed numbers have no dtype before the op that reads them: they cannot be shown. */
static bool can_show(const reel_rewriter *w, const int32_t *in, int n)
{
    for (int k = 0; k < n; k++) {
        const reel_node *made = reel_node_of_(w->to, in[k]);
        if (made->weak && made->kind != REEL_NODE_CONST) return false;
    }
    return true;
}

static int show(reel_rewriter *w, const reel_node *n, const void *attr, const int32_t *in, reel_pass_node *out)
{
    memset(out, 0, sizeof *out);
    out->op = kind_name(n);
    out->site = n->site ? n->site : "";
    out->attr = n->op && n->op->id >= REEL_N_OPS ? attr : NULL;
    out->n_in = n->n_in;
    out->n_out = n->n_out;
    for (int k = 0; k < n->n_in; k++)
        if (!(out->in[k] = handle_of(w, in[k]))) return reel_status();
    return 0;
}

/* ---- what a rule may ask --------------------------------------------------------------------------- */

static reel_rewriter *rewriter_now(void)
{
    const reel_capture *c = reel_capture_now_();
    return c ? c->rewriter : NULL;
}

static int32_t value_of(const reel_rewriter *w, reel_tensor *t)
{
    return w && t && reel_is_live_(t) ? reel_map_get_(&w->to->ids, reel_rec_of_(t)->id) : -1;
}

int reel_pass_source(reel_tensor *t, reel_pass_node *made, int *output)
{
    reel_rewriter *w = rewriter_now();
    const int32_t v = value_of(w, t);
    if (reel_pending_()) return reel_pending_();
    if (!made || v < 0)
        return reel_fail_at_("", REEL_EARG, "reel_pass_source: %s",
                             !made ? "made is NULL" : "t is no tensor of a graph that a pass is rewriting here");
    const reel_node *n = reel_node_of_(w->to, v);
    if (output) *output = (int)(v - n->first_out);
    if (!can_show(w, w->to->ins + n->first_in, n->n_in))
        return show(w, &(reel_node){.kind = REEL_NODE_INPUT}, NULL, NULL, made);
    return show(w, n, reel_node_attr_(w->to, n), w->to->ins + n->first_in, made);
}

bool reel_pass_number(reel_tensor *t, double *value)
{
    const reel_rewriter *w = rewriter_now();
    const int32_t v = value_of(w, t);
    double x;
    if (t && reel_is_live_(t) && reel_rec_of_(t)->flags & REEL_R_NUM)
        x = reel_load_number_(reel_rec_of_(t)->data, REEL_F64);
    else if (v < 0 || (size_t)v >= w->cap_at || !reel_uniform_(w->to, w->at, v, &x))
        return false;
    if (value) *value = x;
    return true;
}

/* ---- one node -------------------------------------------------------------------------------------- */

/* What the rule wrote: it has the place of the node it stands for. */
static int take_new_nodes(reel_rewriter *w, const reel_node *like, size_t first)
{
    for (size_t i = first; i < w->to->n_nodes; i++) {
        reel_node *n = &w->to->nodes[i];
        n->site = like->site;
        n->scope = like->scope;
        if (n->op && n->op->flags & (REEL_OPF_RANDOM | REEL_OPF_EFFECT | REEL_OPF_CELL0))
            return reel_fail_at_(like->site, REEL_ETRACE, "pass \"%s\" puts a reel_%s in place of reel_%s: %s",
                                 w->pass->name, n->op->name, like->op->name,
                                 n->op->flags & REEL_OPF_RANDOM ? "it would draw other numbers" : "it changes state");
    }
    return reel_note_layouts_(w, first);
}

static int put_in_place(reel_rewriter *w, const reel_node *n, int k, reel_tensor *t)
{
    const reel_type *want = &w->from->values[n->first_out + k].type;
    char a[REEL_SHAPE_TEXT], b[REEL_SHAPE_TEXT];
    const int32_t v = value_of(w, t);
    if (v < 0 || reel_node_of_(w->to, v)->weak)
        return reel_fail_at_(n->site, REEL_ETRACE, "pass \"%s\": out[%d] in place of reel_%s is %s", w->pass->name, k,
                             n->op->name,
                             !t      ? "NULL"
                             : v < 0 ? "no tensor of this graph"
                                     : "a number without dtype");
    const reel_type *have = &w->to->values[v].type;
    if (have->dtype != want->dtype || !reel_shape_same_(&have->shape, &want->shape))
        return reel_fail_at_(n->site, REEL_ETRACE, "pass \"%s\": out[%d] in place of reel_%s is %s%s, it was %s%s",
                             w->pass->name, k, n->op->name, reel_dtype_name(have->dtype),
                             reel_shape_text_(&have->shape, a), reel_dtype_name(want->dtype),
                             reel_shape_text_(&want->shape, b));
    reel_replace_(w, n->first_out + k, v);
    return 0;
}

static int ask(reel_rewriter *w, const reel_node *n, const reel_pass_node *shown, reel_tensor **out)
{
    user_run *u = w->own;
    reel_ctx *c = reel_ctx_();
    const size_t first = w->to->n_nodes;
    const reel_scope_rec *scope = c->scope;
    u->capture = (reel_capture){.rewriter = w};
    reel_capture_start_(&u->capture, w->to, n->site, true);
    reel_graph_retain_(w->to); /* the capture drops it if its scope ends */
    int rc = w->pass->def.rule(w->pass->def.self, shown, out);
    if (!rc) rc = reel_status();
    if (u->capture.open) {
        reel_listener_remove_(&u->capture.base);
        reel_graph_release_(w->to);
    }
    reel_capture_end_(&u->capture);
    if (!rc && c->scope != scope)
        rc = reel_fail_at_(n->site, REEL_ETRACE, "pass \"%s\" left a scope open, or ended one that is not its own",
                           w->pass->name);
    if (rc && reel_status()) reel_error_append_(" (in pass \"%s\")", w->pass->name);
    if (rc && !reel_status())
        rc = reel_fail_at_(n->site, REEL_EUSER, "pass \"%s\" returned %d without an error", w->pass->name, rc);
    return rc ? rc : take_new_nodes(w, n, first);
}

static int rewrite(reel_rewriter *w, int32_t i)
{
    const reel_node *n = &w->from->nodes[i];
    const reel_pass_def *def = &w->pass->def;
    int32_t in[REEL_MAX_IN];
    if (n->kind != REEL_NODE_OP || n->n_out == 0 || n->n_in == 0 || n->op->flags & REEL_OPF_RANDOM ||
        (def->op && strcmp(def->op, n->op->name) != 0))
        return reel_keep_(w, i);
    for (int k = 0; k < n->n_in; k++) in[k] = w->value[w->from->ins[n->first_in + k]];
    if (!can_show(w, in, n->n_in)) return reel_keep_(w, i);
    reel_pass_node shown;
    reel_tensor *out[REEL_MAX_OUT] = {NULL};
    int rc = show(w, n, reel_node_attr_(w->from, n), in, &shown);
    if (!rc) rc = ask(w, n, &shown, out);
    bool any = false;
    for (int k = 0; k < n->n_out; k++) any = any || out[k];
    for (int k = 0; k < n->n_out && any && !rc; k++) rc = put_in_place(w, n, k, out[k]);
    return rc || any ? rc : reel_keep_(w, i);
}

int reel_pass_run_user_(reel_rewriter *w)
{
    user_run u = {.handle = NULL};
    reel_scope *scope = reel_scope_begin(w->pass->name, "pass");
    if (!scope) return reel_status();
    w->own = &u;
    const int rc = reel_each_node_(w, rewrite);
    reel_scope_end(scope);
    reel_free_(u.handle, u.cap_handle * sizeof *u.handle);
    reel_map_free_(&w->to->ids); /* those tensors are gone */
    return rc;
}
