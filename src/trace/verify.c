/* verify.c: is a graph what the rest of trace takes it for? Run after each capture in debug builds. */
#include <string.h>
#include "core/error.h"
#include "trace.h"

REEL_COLD static int bad(const reel_graph *g, size_t i, const char *what)
{
    const reel_node *n = &g->nodes[i];
    return reel_fail_at_(n->site, REEL_ETRACE, "reel_graph_verify: node %%%zu (%s): %s", i, reel_node_name_(g, (int)i),
                         what);
}

static bool same_type(const reel_type *a, const reel_type *b)
{
    return a->dtype == b->dtype && reel_shape_same_(&a->shape, &b->shape);
}

/* Behind a count its size is known. */
static bool fits_type(const reel_type *rule, const reel_type *t)
{
    bool fits = rule->dtype == t->dtype && rule->shape.rank == t->shape.rank;
    for (int i = 0; i < t->shape.rank && fits; i++)
        fits = rule->shape.dims[i] == REEL_ANY || rule->shape.dims[i] == t->shape.dims[i];
    return fits;
}

int reel_graph_infer_(const reel_graph *g, const reel_op *op, const void *attr, const char *site, const int32_t *ins,
                      int n_in, reel_type *out, int n_out)
{
    const reel_type *in[REEL_MAX_IN];
    bool weak[REEL_MAX_IN];
    reel_dtype in_dtype[REEL_MAX_IN];
    for (int k = 0; k < n_in; k++) {
        const reel_gvalue *v = &g->values[ins[k]];
        in[k] = &v->type;
        weak[k] = g->nodes[v->node].weak;
    }
    memset(out, 0, sizeof *out * (size_t)n_out);
    reel_ctx *c = reel_ctx_();
    const char *old_site = c->site, *old_op = c->op;
    const bool widen = c->widen;
    c->site = site;
    c->op = op->name;
    c->widen = g->widen;
    const int rc = reel_infer_(op, attr, in, weak, n_in, in_dtype, out, n_out);
    c->site = old_site;
    c->op = old_op;
    c->widen = widen;
    return rc;
}

static int check_types(const reel_graph *g, size_t i)
{
    const reel_node *n = &g->nodes[i];
    reel_type out[REEL_MAX_OUT];
    const int rc =
        reel_graph_infer_(g, n->op, reel_node_attr_(g, n), n->site, g->ins + n->first_in, n->n_in, out, n->n_out);
    if (rc) return rc;
    for (int k = 0; k < n->n_out; k++)
        if (!(n->op->flags & REEL_OPF_DYNAMIC ? fits_type : same_type)(&out[k], &g->values[n->first_out + k].type))
            return bad(g, i, "its output's type is not what the shape rule says");
    return 0;
}

static int check_op(const reel_graph *g, size_t i)
{
    const reel_node *n = &g->nodes[i];
    if (!n->op) return bad(g, i, "it has no op");
    if (n->n_in > REEL_MAX_IN || n->n_out > REEL_MAX_OUT) return bad(g, i, "too many operands");
    if (n->op->n_in >= 0 ? n->n_in != n->op->n_in : n->n_in < 1) return bad(g, i, "wrong number of inputs");
    if (n->op->n_out >= 0 ? n->n_out != n->op->n_out : n->n_out < 1) return bad(g, i, "wrong number of outputs");
    for (int k = 0; k < n->n_in; k++) {
        const int32_t v = g->ins[n->first_in + k];
        if (v < 0 || (size_t)v >= g->n_values) return bad(g, i, "an input that does not exist");
        if ((size_t)g->values[v].node >= i) return bad(g, i, "an input comes after it");
    }
    if (reel_is_assign_(n) && g->nodes[g->values[g->ins[n->first_in]].node].kind != REEL_NODE_VAR)
        return bad(g, i, "it assigns what is no variable");
    return check_types(g, i);
}

static int check_names(const reel_graph *g)
{
    for (size_t i = 0; i < g->n_names; i++) {
        const int32_t v = g->names[i].value;
        if (v < 0 || (size_t)v >= g->n_values)
            return reel_fail_at_("", REEL_ETRACE, "reel_graph_verify: the name \"%s\" names nothing", g->names[i].text);
        if (reel_graph_find_(g, g->names[i].text) != v)
            return reel_fail_at_("", REEL_ETRACE, "reel_graph_verify: the name \"%s\" is there twice",
                                 g->names[i].text);
    }
    return 0;
}

int reel_graph_verify(const reel_graph *g)
{
    if (!g) return reel_fail_at_("", REEL_EARG, "reel_graph_verify: g is NULL");
    int32_t next = 0;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const reel_node *n = &g->nodes[i];
        if (n->first_out != next) return bad(g, i, "its outputs are out of order");
        next += n->n_out;
        for (int k = 0; k < n->n_out; k++)
            if (g->values[n->first_out + k].node != (int32_t)i) return bad(g, i, "an output belongs to another node");
        if (n->kind == REEL_NODE_OP) {
            const int rc = check_op(g, i);
            if (rc) return rc;
        } else if (n->n_in != 0 || n->n_out != 1) {
            return bad(g, i, "a leaf has one output and no inputs");
        } else if (!n->rec != (n->kind == REEL_NODE_INPUT)) {
            return bad(g, i, "a variable or constant without its record");
        }
    }
    if ((size_t)next != g->n_values) return reel_fail_at_("", REEL_ETRACE, "reel_graph_verify: values without a node");
    for (int i = 0; i < g->n_outputs; i++)
        if (g->outputs[i] < 0 || (size_t)g->outputs[i] >= g->n_values)
            return reel_fail_at_("", REEL_ETRACE, "reel_graph_verify: output %d does not exist", i);
    return check_names(g);
}
