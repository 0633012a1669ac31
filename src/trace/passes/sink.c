/* sink.c: law: a transpose or reshape behind elementwise ops goes before them where it meets its inverse: both are gone, and each
   element is computed from the same elements. Only where nothing depends on the layout of what comes out. */
#include <string.h>
#include "core/alloc.h"
#include "pass.h"

enum { DEPTH = 32 };

typedef struct sinker {
    reel_idmap seen; /* views by place, see views.c */
} sinker;

/* T, from's view node, put on `v`, a value of to: the value that is that already, or -1. */
static int32_t viewed(reel_rewriter *w, const reel_node *t, int32_t v)
{
    const sinker *s = w->own;
    const reel_type *in[REEL_MAX_IN] = {&w->to->values[v].type};
    const reel_layout src = w->at[v];
    if (src.root < 0) return -1;
    for (int k = 1; k < t->n_in; k++) in[k] = &w->from->values[w->from->ins[t->first_in + k]].type;
    int64_t strides[1][REEL_MAX_RANK], offset[1];
    reel_type out = w->from->values[t->first_out].type;
    out.dtype = in[0]->dtype;
    if (!reel_node_views_(t->op, reel_node_attr_(w->from, t), in, t->n_in, src.strides, &out, 1, strides, offset))
        return -1;
    reel_layout at = {.root = src.root, .offset = src.offset + offset[0]};
    memcpy(at.strides, strides[0], sizeof at.strides);
    uint64_t key;
    return reel_view_find_(w, &s->seen, &out, &at, &key);
}

/* May from's value be pulled through: an elementwise result that nothing else reads? */
static bool is_link(const reel_rewriter *w, int32_t v)
{
    const reel_node *n = reel_node_of_(w->from, v);
    return n->op && n->n_out == 1 && n->op->flags & REEL_OPF_ELEMENTWISE && reel_is_pure_(n) && w->uses[v] == 1;
}

/* What from's value v would be with T before the ops that make it. only_look: just says whether it can be had (0 or -1). */
static int32_t pulled(reel_rewriter *w, const reel_node *t, int32_t v, int depth, bool only_look)
{
    const reel_graph *g = w->from;
    const reel_node *n = reel_node_of_(g, v);
    int32_t in[REEL_MAX_IN];
    bool through = false;
    for (int k = 0; k < n->n_in; k++) {
        const int32_t old = g->ins[n->first_in + k], now = w->value[old];
        w->work++;
        in[k] = now;
        if (w->to->values[now].type.shape.rank == 0) continue; /* the same for every element */
        if (!reel_shape_same_(&g->values[old].type.shape, &g->values[v].type.shape)) return -1;
        in[k] = viewed(w, t, now);
        if (in[k] < 0 && depth < DEPTH && is_link(w, old)) in[k] = pulled(w, t, old, depth + 1, only_look);
        if (in[k] < 0) return -1;
        through = true;
    }
    if (!through) return -1;
    const int32_t i = g->values[v].node;
    return only_look ? 0 : reel_emit_(w, i, n->op, reel_node_attr_(g, n), in, n->n_in, 1);
}

static bool is_candidate(const reel_rewriter *w, const reel_node *t)
{
    if (!t->op || t->n_out != 1 || t->n_in < 1 || !(t->op->flags & REEL_OPF_VIEW) || !reel_is_pure_(t)) return false;
    const int32_t in = w->from->ins[t->first_in], out = t->first_out;
    const reel_type *a = &w->from->values[in].type, *b = &w->from->values[out].type;
    if (w->from_at[out].root < 0 || w->from_at[out].root == out || !is_link(w, in)) return false;
    return !w->exact[out] && reel_shape_known_(&a->shape) && reel_count_(&a->shape) == reel_count_(&b->shape);
}

static int note_all(reel_rewriter *w, size_t first)
{
    sinker *s = w->own;
    for (size_t v = first; v < w->to->n_values; v++)
        if (reel_view_note_(w, &s->seen, (int32_t)v)) return REEL_ENOMEM;
    return 0;
}

static int sink(reel_rewriter *w, int32_t i)
{
    const reel_node *t = &w->from->nodes[i];
    const size_t first = w->to->n_values;
    if (is_candidate(w, t)) {
        const int32_t in = w->from->ins[t->first_in];
        if (pulled(w, t, in, 0, true) >= 0) {
            const int32_t v = pulled(w, t, in, 0, false);
            if (v < 0) return reel_status();
            if (reel_may_replace_(w, t->first_out, v)) reel_replace_(w, t->first_out, v);
        }
    }
    if (w->value[t->n_out ? t->first_out : 0] < 0 || t->n_out != 1)
        if (reel_keep_(w, i)) return reel_status();
    return note_all(w, first);
}

static int run(reel_rewriter *w)
{
    sinker s = {{0}};
    w->own = &s;
    const int rc = reel_each_node_(w, sink);
    reel_map_free_(&s.seen);
    return rc;
}

const reel_pass reel_pass_sink_ = {.name = "sink",
                                   .law = "a transpose or reshape goes through elementwise ops to meet its inverse",
                                   .by_default = true,
                                   .run = run};
