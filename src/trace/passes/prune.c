/* prune.c: law: the wanted nodes get the same values, with nothing else computed. A node of which only the
   shape is read is inferred, not run, unless that shape depends on data. */
#include "trace/trace.h"

void reel_prune_(const reel_graph *g, const bool *fed, uint8_t *need)
{
    for (size_t i = g->n_nodes; i-- > 0;) {
        const reel_node *n = &g->nodes[i];
        if (!need[i] || n->kind != REEL_NODE_OP) continue;
        if (n->op->flags & REEL_OPF_DYNAMIC) need[i] |= REEL_NEED_VALUE; /* its shape takes the data */
        for (int k = 0; k < n->n_in; k++) {
            const int32_t v = g->ins[n->first_in + k];
            if (fed[v]) continue;
            const bool cell = k == 0 && (n->op->flags & REEL_OPF_CELL0); /* an assign does not read what it replaces */
            const bool whole = (need[i] & REEL_NEED_VALUE) && !cell && !reel_shape_only_(n->op->flags, k);
            need[g->values[v].node] |= whole ? REEL_NEED_VALUE : REEL_NEED_SHAPE;
        }
    }
}
