/* rest.c: the graph behind a seam, for the passes: the nodes from there on, sizes as known as the count has made them. What they take from
   before is an input, which the passes leave alone like what is fed. Assignments, and row updates that are made at the run's end, are in it
   wherever they stood. */
#include <string.h>
#include "core/alloc.h"
#include "pass.h"
#include "trace/planner.h"

typedef struct making {
    reel_rewriter w;
    reel_rest *rest;
} making;

static int note_carried(reel_rest *rest, int32_t v)
{
    if (reel_grow_((void **)&rest->carried, &rest->cap_carried, rest->n_carried + 1, sizeof *rest->carried))
        return REEL_ENOMEM;
    rest->carried[rest->n_carried++] = v;
    return 0;
}

/* What was made before the seam. A value of which only the shape is read is an input that nobody gives. */
static int put_input(making *m, int32_t v)
{
    reel_rewriter *w = &m->w;
    const reel_rest *rest = m->rest;
    const pvalue *state = &rest->v[v];
    const reel_node *old = reel_node_of_(w->from, v);
    const reel_node n = {.kind = REEL_NODE_INPUT, .site = old->site, .scope = old->scope, .n_out = 1};
    const reel_type *type = rest->type[v].dtype ? &rest->type[v] : &w->from->values[v].type;
    const size_t at = w->to->n_nodes;
    const int32_t value = reel_graph_append_(w->to, &n, NULL, NULL, &type);
    if (value < 0 || reel_note_layouts_(w, at)) return reel_status();
    w->value[v] = value;
    if (!state->type.dtype || state->shape_only) return 0;
    memcpy(w->at[value].strides, state->strides, sizeof state->strides);
    return rest->r[state->root].kind == REEL_AT_NOTHING ? 0 : note_carried(m->rest, v);
}

/* A value from before the seam, or a leaf, is there. Of a view also what it is a view of, so that nobody writes over that. */
static int bring(making *m, int32_t v)
{
    reel_rewriter *w = &m->w;
    const int32_t i = w->from->values[v].node;
    const reel_node *n = &w->from->nodes[i];
    const bool known = w->value[v] >= 0;
    if (n->kind == REEL_NODE_VAR && w->node[i] < 0) { /* also where its value is fed, for who assigns it */
        const int rc = reel_draft_node_(w, i, m->rest->type);
        return rc || known ? rc : note_carried(m->rest, v);
    }
    if (known) return 0;
    if (n->kind == REEL_NODE_CONST) return reel_draft_node_(w, i, m->rest->type);
    const pvalue *state = &m->rest->v[v];
    const bool view = state->type.dtype && state->root != v && m->rest->r[state->root].kind != REEL_AT_CONST;
    const int rc = view ? bring(m, state->root) : 0;
    return rc ? rc : put_input(m, v);
}

static bool is_before(const making *m, int32_t v)
{
    const reel_node *n = reel_node_of_(m->w.from, v);
    return n->kind != REEL_NODE_OP || m->w.from->values[v].node < m->rest->seam;
}

static int put_node(making *m, int32_t i)
{
    const reel_graph *g = m->w.from;
    const reel_node *n = &g->nodes[i];
    const bool ends = m->rest->need[i] && (reel_is_assign_(n) || (m->rest->late && m->rest->late[i]));
    if (n->kind != REEL_NODE_OP || (i < m->rest->seam && !ends)) return 0;
    int rc = 0;
    for (int k = 0; k < n->n_in && !rc; k++)
        if (is_before(m, g->ins[n->first_in + k])) rc = bring(m, g->ins[n->first_in + k]);
    return rc ? rc : reel_draft_node_(&m->w, i, m->rest->type);
}

static int put_all(making *m, const reel_request *rq, int64_t (*strides)[REEL_MAX_RANK])
{
    const reel_graph *g = m->w.from;
    for (int k = 0; k < rq->n_feeds; k++) memcpy(strides[k], m->rest->v[rq->feed[k]].strides, sizeof strides[k]);
    int rc = reel_draft_feeds_(&m->w, rq, m->rest->type, strides);
    for (size_t i = 0; i < g->n_nodes && !rc; i++) rc = put_node(m, (int32_t)i);
    for (int i = 0; i < rq->n_fetches && !rc; i++)
        if (is_before(m, rq->fetch[i])) rc = bring(m, rq->fetch[i]);
    m->w.work += g->n_nodes;
    return rc;
}

int reel_draft_rest_(reel_draft *d, const reel_graph *g, const reel_request *rq, reel_rest *rest)
{
    making m = {.rest = rest};
    int64_t(*strides)[REEL_MAX_RANK] = reel_zalloc_(((size_t)rq->n_feeds + 1) * sizeof *strides);
    int rc = reel_rewriter_init_(&m.w, g, NULL);
    if (!strides) rc = REEL_ENOMEM;
    if (!rc) rc = put_all(&m, rq, strides);
    if (!rc) rc = reel_draft_ask_(d, rq, rest->carried, (int)rest->n_carried);
    d->seam = rest->seam;
    if (!rc) rc = reel_draft_take_over_(d, &m.w, "traced");
    reel_free_(strides, ((size_t)rq->n_feeds + 1) * sizeof *strides);
    reel_rewriter_drop_(&m.w);
    return rc;
}
