/* compare.c: is the body still what was traced? Two graphs of it, node by node; a difference is C state that a trace has frozen. */
#include <stdio.h>
#include <math.h>
#include <string.h>
#include "control.h"
#include "core/alloc.h"
#include "core/error.h"
#include "function.h"
#include "reel/reel.h"

static const char FN[] = "reel_function_call";

static const char *site_of(const reel_node *n)
{
    return n->site && *n->site ? n->site : "an unknown line";
}

__attribute__((format(printf, 3, 4))) static int changed(const reel_fn_call *c, const reel_node *n, const char *fmt,
                                                         ...)
{
    char what[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return reel_fail_at_(
        c->site, REEL_ETRACE,
        "%s: %s does now something else than was traced: at %s %s. What the body reads from C belongs into in[], "
        ".statics or a variable",
        FN, reel_fn_name_(c->f), site_of(n), what);
}

static const char *op_name(const reel_node *n)
{
    switch ((reel_node_kind)n->kind) {
    case REEL_NODE_INPUT: return "an input";
    case REEL_NODE_VAR: return "a variable";
    case REEL_NODE_CONST: return n->weak ? "a number" : "a constant";
    case REEL_NODE_OP: break;
    }
    return n->op->name;
}

/* The bytes of two constants; they are not part of any trace now. */
static int same_data(const char *site, reel_rec *a, reel_rec *b, bool *same)
{
    *same = a->id == b->id;
    if (*same) return 0;
    const size_t bytes = reel_type_bytes_(&a->type);
    if (a->type.dtype != b->type.dtype || !reel_shape_same_(&a->type.shape, &b->type.shape)) return 0;
    char *x = reel_alloc_(2 * bytes + 1);
    if (!x) return REEL_ENOMEM;
    int rc = reel_read_at(site, reel_handle_(a), x, bytes);
    if (!rc) rc = reel_read_at(site, reel_handle_(b), x + bytes, bytes);
    *same = !rc && memcmp(x, x + bytes, bytes) == 0;
    reel_free_(x, 2 * bytes + 1);
    return rc;
}

static int compare_leaf(const reel_fn_call *c, const reel_node *old, const reel_node *now)
{
    if (old->kind == REEL_NODE_INPUT) return 0;
    if (old->kind == REEL_NODE_VAR) {
        if (old->rec == now->rec) return 0;
        return changed(c, now, "variable \"%s\" is used, where \"%s\" was", now->rec->name ? now->rec->name : "?",
                       old->rec->name ? old->rec->name : "?");
    }
    if (old->weak) {
        const double a = reel_load_number_(old->rec->data, REEL_F64), b = reel_load_number_(now->rec->data, REEL_F64);
        const bool alike = (a == b && !signbit(a) == !signbit(b)) || (isnan(a) && isnan(b));
        return alike ? 0 : changed(c, now, "a number is %.9g, which was %.9g", b, a);
    }
    bool same;
    const int rc = same_data(c->site, old->rec, now->rec, &same);
    if (rc || same) return rc;
    return changed(c, now, "a constant has other values or another shape");
}

static int compare_parts(const reel_fn_call *c, const reel_node *n, const reel_control *old, const reel_control *now)
{
    if (old->max_steps != now->max_steps) return changed(c, n, "reel_%s has another bound", n->op->name);
    for (int k = 0; k < 2; k++) {
        const reel_part *a = &old->part[k], *b = &now->part[k];
        if (!a->player.graph || !b->player.graph) continue;
        const int rc = reel_fn_compare_(c, a->player.graph, b->player.graph);
        if (rc) return rc;
        if (a->n_in != b->n_in || memcmp(a->from, b->from, (size_t)a->n_in * sizeof *a->from) != 0)
            return changed(c, n, "the body of reel_%s uses other tensors", n->op->name);
    }
    return 0;
}

static int compare_op(const reel_fn_call *c, const reel_graph *old, const reel_graph *g, const reel_node *a,
                      const reel_node *b)
{
    if (a->op != b->op || a->snapshot != b->snapshot || a->n_in != b->n_in || a->n_out != b->n_out)
        return changed(c, b, "reel_%s is called, where reel_%s was", b->op->name, a->op->name);
    for (int k = 0; k < a->n_in; k++)
        if (old->ins[a->first_in + k] != g->ins[b->first_in + k]) {
            char name[REEL_ARG_TEXT];
            return changed(c, b, "reel_%s takes another tensor as %s", b->op->name, reel_arg_name_(b->op, k, name));
        }
    if (a->op->attr_release == reel_control_attr_release_)
        return compare_parts(c, b, ((const reel_control_attr *)reel_node_attr_(old, a))->control,
                             ((const reel_control_attr *)reel_node_attr_(g, b))->control);
    if (a->op->attr_size && !a->op->attr_release &&
        memcmp(reel_node_attr_(old, a), reel_node_attr_(g, b), a->op->attr_size) != 0)
        return changed(c, b, "reel_%s has other arguments", b->op->name);
    return 0;
}

int reel_fn_compare_(const reel_fn_call *c, const reel_graph *old, const reel_graph *g)
{
    const size_t n = old->n_nodes < g->n_nodes ? old->n_nodes : g->n_nodes;
    for (size_t i = 0; i < n; i++) {
        const reel_node *a = &old->nodes[i], *b = &g->nodes[i];
        if (a->kind != b->kind || a->weak != b->weak)
            return changed(c, b, "there is %s, where there was %s", op_name(b), op_name(a));
        const int rc = a->kind == REEL_NODE_OP ? compare_op(c, old, g, a, b) : compare_leaf(c, a, b);
        if (rc) return rc;
    }
    if (old->n_nodes != g->n_nodes) {
        const reel_node *more = old->n_nodes > n ? &old->nodes[n] : &g->nodes[n];
        return changed(c, more, "%s is %s", op_name(more), old->n_nodes > n ? "no longer there" : "new");
    }
    for (int j = 0; j < old->n_outputs; j++)
        if (old->outputs[j] != g->outputs[j])
            return changed(c, &g->nodes[g->values[g->outputs[j]].node], "out[%d] is another tensor", j);
    return 0;
}
