/* prune.c: law: the wanted nodes get the same values, with nothing else computed. A node of which only the
   shape is read is inferred, not run, unless that shape depends on data. */
#include <string.h>
#include "core/alloc.h"
#include "pass.h"
#include "trace/control.h"

static void prune_node(const reel_graph *g, const bool *fed, uint8_t *need, size_t i)
{
    const reel_node *n = &g->nodes[i];
    if (!need[i] || n->kind != REEL_NODE_OP) return;
    if (n->op->flags & REEL_OPF_DYNAMIC) need[i] |= REEL_NEED_VALUE; /* its shape takes the data */
    for (int k = 0; k < n->n_in; k++) {
        const int32_t v = g->ins[n->first_in + k];
        if (fed[v]) continue;
        const bool cell = k == 0 && (n->op->flags & REEL_OPF_CELL0); /* an assign does not read what it replaces */
        const bool whole = (need[i] & REEL_NEED_VALUE) && !cell && !reel_shape_only_(n->op->flags, k);
        need[g->values[v].node] |= whole ? REEL_NEED_VALUE : REEL_NEED_SHAPE;
    }
}

void reel_prune_(const reel_graph *g, const bool *fed, uint8_t *need)
{
    for (size_t i = g->n_nodes; i-- > 0;) prune_node(g, fed, need, i);
}

static void need_operands(const reel_graph *g, const bool *fed, uint8_t *need, const reel_summary *s)
{
    const int32_t *v = g->ins + s->first;
    bool wanted = false;
    for (int j = 0; j < s->n_out; j++) wanted = wanted || need[g->values[v[s->n_in + j]].node] & REEL_NEED_VALUE;
    for (int i = 0; i < s->n_in + s->n_out && wanted; i++)
        if (!fed[v[i]]) need[g->values[v[i]].node] |= REEL_NEED_VALUE;
}

void reel_prune_taped_(const reel_graph *g, const bool *fed, uint8_t *need)
{
    size_t k = g->n_summaries; /* in the order of their ends */
    for (size_t i = g->n_nodes; i-- > 0;) {
        for (; k > 0 && g->summaries[k - 1].end > (int32_t)i; k--) need_operands(g, fed, need, &g->summaries[k - 1]);
        prune_node(g, fed, need, i);
    }
}

/* Draws of which nothing is read stay, as eager makes them: the generator goes on. What they take their shape from stays too. */
static void keep_draws(const reel_rewriter *w, uint8_t *need)
{
    const reel_graph *g = w->from;
    for (size_t i = g->n_nodes; i-- > 0;) {
        const reel_node *n = &g->nodes[i];
        if (n->op && n->op->flags & REEL_OPF_RANDOM && w->effects) need[i] |= REEL_NEED_SHAPE;
        for (int k = 0; k < n->n_in && need[i]; k++) need[g->values[g->ins[n->first_in + k]].node] |= REEL_NEED_SHAPE;
    }
}

/* A call of which nothing is read that is only for its gradients. */
static bool may_be_lean(const reel_rewriter *w, const reel_node *n)
{
    bool is_call = false;
    for (int k = 0; k < 3; k++) is_call |= n->op == &reel_call_ops_[k];
    if (n->kind != REEL_NODE_OP || !is_call || !reel_node_attr_(w->from, n)) return false;
    const reel_control_attr *a = reel_node_attr_(w->from, n);
    const reel_control *c = a->control;
    bool unread = c->n_kept > 0 && a->stored == REEL_CALL_WHOLE;
    for (int j = c->n_out - c->n_kept; j < c->n_out && unread; j++) unread = w->uses[n->first_out + j] == 0;
    return unread;
}

static int keep_lean(reel_rewriter *w, int32_t i)
{
    const reel_node *n = &w->from->nodes[i];
    reel_control_attr a;
    int32_t in[REEL_MAX_IN];
    memcpy(&a, reel_node_attr_(w->from, n), sizeof a);
    a.stored = REEL_CALL_LEAN;
    for (int k = 0; k < n->n_in; k++) in[k] = w->value[w->from->ins[n->first_in + k]];
    const int lean = a.control->n_out - a.control->n_kept;
    const int32_t v = reel_emit_(w, i, n->op, &a, in, n->n_in, n->n_out - a.control->n_kept);
    if (v < 0) return reel_status();
    for (int j = 0; j < n->n_out; j++) /* the draws' states stand behind what is left out */
        if (j < lean || j >= a.control->n_out) w->value[n->first_out + j] = v + (j < lean ? j : j - a.control->n_kept);
    w->node[i] = w->to->values[v].node;
    w->fired++;
    return 0;
}

static int run(reel_rewriter *w)
{
    const reel_graph *g = w->from;
    bool *fed = reel_zalloc_(g->n_values + 1);
    uint8_t *need = reel_zalloc_(g->n_nodes + 1);
    int rc = fed && need ? 0 : REEL_ENOMEM;
    for (int i = 0; i < w->n_fetches && !rc; i++) {
        need[g->values[w->fetch[i]].node] = REEL_NEED_VALUE;
        if (w->effect[i] >= 0) need[w->effect[i]] = REEL_NEED_VALUE;
    }
    for (int i = 0; i < w->n_feeds && !rc; i++) need[g->values[w->feed[i]].node] |= REEL_NEED_SHAPE;
    for (size_t i = 0; i < g->n_nodes && w->effects && !rc; i++)
        if (g->nodes[i].op && g->nodes[i].op->flags & REEL_OPF_EFFECT) need[i] = REEL_NEED_VALUE;
    if (!rc) {
        reel_prune_(g, fed, need);
        keep_draws(w, need);
    }
    w->work += g->n_nodes * 2 + g->n_ins * 2;
    for (size_t i = 0; i < g->n_nodes && !rc; i++) {
        w->work++;
        w->fired += !need[i];
        if (need[i]) rc = may_be_lean(w, &g->nodes[i]) ? keep_lean(w, (int32_t)i) : reel_keep_(w, (int32_t)i);
    }
    reel_free_(fed, g->n_values + 1);
    reel_free_(need, g->n_nodes + 1);
    return rc;
}

const reel_pass reel_pass_prune_ = {.name = "prune",
                                    .law = "what is fetched, assigned or drawn stays; nothing else does",
                                    .by_default = true,
                                    .run = run};
