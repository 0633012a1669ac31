/* draft.c: the graph that passes work on: made from what was traced and what is asked for, rewritten node by node. */
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "reel/reel.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "pass.h"

/* ---- layouts --------------------------------------------------------------------------------------- */

static void dense(reel_layout *at, const reel_type *t, int32_t value)
{
    *at = (reel_layout){.root = reel_shape_known_(&t->shape) ? value : -1};
    if (at->root >= 0) reel_shape_strides_(&t->shape, at->strides);
}

static bool note_views(reel_rewriter *w, const reel_node *n)
{
    if (!(n->op->flags & REEL_OPF_VIEW)) return false;
    const int32_t *ins = w->to->ins + n->first_in;
    const reel_layout src = w->at[ins[0]];
    if (src.root < 0) return false;
    const reel_type *in[REEL_MAX_IN];
    reel_type out[REEL_MAX_OUT];
    int64_t strides[REEL_MAX_OUT][REEL_MAX_RANK], offset[REEL_MAX_OUT];
    for (int k = 0; k < n->n_in; k++) {
        in[k] = &w->to->values[ins[k]].type;
        if (!reel_shape_known_(&in[k]->shape)) return false;
    }
    for (int k = 0; k < n->n_out; k++) out[k] = w->to->values[n->first_out + k].type;
    if (!reel_node_views_(n->op, reel_node_attr_(w->to, n), in, n->n_in, src.strides, out, n->n_out, strides, offset))
        return false;
    for (int k = 0; k < n->n_out; k++) {
        reel_layout *at = &w->at[n->first_out + k];
        *at = (reel_layout){.root = src.root, .offset = src.offset + offset[k]};
        memcpy(at->strides, strides[k], sizeof at->strides[0] * (size_t)out[k].shape.rank);
    }
    return true;
}

int reel_note_layouts_(reel_rewriter *w, size_t node)
{
    reel_graph *g = w->to;
    if (reel_grow_((void **)&w->at, &w->cap_at, g->n_values + 1, sizeof *w->at)) return REEL_ENOMEM;
    for (; node < g->n_nodes; node++) {
        const reel_node *n = &g->nodes[node];
        for (int k = 0; k < n->n_out; k++)
            dense(&w->at[n->first_out + k], &g->values[n->first_out + k].type, n->first_out + k);
        if (n->kind == REEL_NODE_CONST) memcpy(w->at[n->first_out].strides, n->rec->strides, sizeof n->rec->strides);
        if (n->weak) w->at[n->first_out].root = -1;
        if (n->kind == REEL_NODE_OP && n->n_in) (void)note_views(w, n);
        /* a view of what is not known yet is not known either */
        if (n->kind == REEL_NODE_OP && n->n_in && n->op->flags & REEL_OPF_VIEW) {
            const int32_t src = g->ins[n->first_in];
            for (int k = 0; k < n->n_out && w->at[src].root < 0 && !g->nodes[g->values[src].node].weak; k++)
                w->at[n->first_out + k].root = -1;
        }
    }
    return 0;
}

bool reel_may_replace_(const reel_rewriter *w, int32_t old, int32_t value)
{
    const reel_type *a = &w->from->values[old].type, *b = &w->to->values[value].type;
    if (a->dtype != b->dtype || !reel_shape_same_(&a->shape, &b->shape)) return false;
    const reel_layout *x = &w->from_at[old], *y = &w->at[value];
    if (x->root < 0 || y->root < 0) return false;
    return !w->exact[old] || memcmp(x->strides, y->strides, sizeof x->strides[0] * (size_t)a->shape.rank) == 0;
}

/* ---- nodes ----------------------------------------------------------------------------------------- */

bool reel_is_pure_(const reel_node *n)
{
    return n->op && n->op->id >= 0 && n->op->id < REEL_N_OPS && !n->op->attr_retain &&
           !(n->op->flags & (REEL_OPF_RANDOM | REEL_OPF_EFFECT | REEL_OPF_CELL0 | REEL_OPF_ROWS));
}

int reel_each_node_(reel_rewriter *w, int (*f)(reel_rewriter *w, int32_t i))
{
    int rc = 0;
    for (size_t i = 0; i < w->from->n_nodes && !rc; i++) {
        w->work++;
        rc = f(w, (int32_t)i);
    }
    return rc;
}

int reel_keep_(reel_rewriter *w, int32_t i)
{
    if (w->node[i] >= 0) return 0;
    const reel_graph *g = w->from;
    const reel_node *n = &g->nodes[i];
    int32_t in[REEL_MAX_IN];
    const reel_type *out[REEL_MAX_OUT];
    for (int k = 0; k < n->n_in; k++) in[k] = w->value[g->ins[n->first_in + k]];
    for (int k = 0; k < n->n_out; k++) out[k] = &g->values[n->first_out + k].type;
    const size_t at = w->to->n_nodes;
    w->work += 1 + (size_t)n->n_in + (size_t)n->n_out;
    if (reel_graph_append_(w->to, n, reel_node_attr_(g, n), in, out) < 0 || reel_note_layouts_(w, at))
        return reel_status();
    const int32_t first = w->to->nodes[at].first_out;
    if (n->kind == REEL_NODE_INPUT && w->from_at) { /* what is fed may lie in any order */
        memcpy(w->at[first].strides, w->from_at[n->first_out].strides, sizeof w->at[first].strides);
        if (w->from_at[n->first_out].root < 0) w->at[first].root = -1;
    }
    w->node[i] = (int32_t)at;
    for (int k = 0; k < n->n_out; k++)
        if (w->value[n->first_out + k] < 0) w->value[n->first_out + k] = first + k;
    return 0;
}

int32_t reel_emit_(reel_rewriter *w, int32_t i, const reel_op *op, const void *attr, const int32_t *in, int n_in,
                   int n_out)
{
    const reel_node *like = &w->from->nodes[i];
    reel_type type[REEL_MAX_OUT];
    const reel_type *out[REEL_MAX_OUT];
    for (int k = 0; k < n_out; k++) out[k] = &type[k];
    if (reel_graph_infer_(w->to, op, attr, like->site, in, n_in, type, n_out)) return -1;
    const reel_node n = {
        .op = op, .kind = REEL_NODE_OP, .site = like->site, .scope = like->scope, .n_in = n_in, .n_out = n_out};
    const size_t at = w->to->n_nodes;
    w->work += 1 + (size_t)n_in;
    const int32_t v = reel_graph_append_(w->to, &n, attr, in, out);
    return v < 0 || reel_note_layouts_(w, at) ? -1 : v;
}

int32_t reel_emit_const_(reel_rewriter *w, int32_t i, reel_rec *rec)
{
    const reel_node *like = &w->from->nodes[i];
    const reel_node n = {.rec = rec,
                         .kind = REEL_NODE_CONST,
                         .site = like->site,
                         .scope = like->scope,
                         .n_out = 1,
                         .weak = rec->flags & REEL_R_NUM};
    const reel_type *type = &rec->type;
    const size_t at = w->to->n_nodes;
    w->work++;
    const int32_t v = reel_graph_append_(w->to, &n, NULL, NULL, &type);
    return v < 0 || reel_note_layouts_(w, at) ? -1 : v;
}

/* ---- known numbers --------------------------------------------------------------------------------- */

enum { SCAN = 65536 };
static bool same_elements(const reel_rec *r, double *number)
{
    const int64_t n = reel_count_(&r->type.shape);
    const size_t size = reel_size_(r->type.dtype);
    if (n < 1 || n > SCAN || !r->data || !(r->flags & REEL_R_DENSE)) return false;
    for (int64_t i = 1; i < n; i++)
        if (memcmp(r->data, r->data + (size_t)i * size, size) != 0) return false;
    *number = reel_load_number_(r->data, r->type.dtype);
    return true;
}

bool reel_uniform_(const reel_graph *g, const reel_layout *at, int32_t value, double *number)
{
    const reel_node *n = reel_node_of_(g, value);
    if (!n->weak && at[value].root >= 0) n = reel_node_of_(g, at[value].root); /* a view of equal elements */
    if (n->kind == REEL_NODE_CONST && n->weak) *number = reel_load_number_(n->rec->data, REEL_F64);
    if (n->kind == REEL_NODE_CONST) return n->weak || same_elements(n->rec, number);
    if (reel_is_op_(n, REEL_OP_full)) {
        *number = ((const reel_attr_full *)reel_node_attr_(g, n))->value;
        return true;
    }
    if (reel_is_op_(n, REEL_OP_full_like)) {
        *number = ((const reel_attr_num *)reel_node_attr_(g, n))->value;
        return true;
    }
    return false;
}

/* ---- what a pass may ask about the old graph --------------------------------------------------------- */

typedef struct facts {
    int32_t *uses;
    bool *exact;
} facts;

/* Does op's result depend on how its inputs lie in memory? Elementwise ops and reductions take elements by their logical place, ops of
   the user's own get dense copies. */
static bool any_layout(const reel_op *op)
{
    return (op->flags & (REEL_OPF_ELEMENTWISE | REEL_OPF_REDUCTION) && !(op->flags & REEL_OPF_PRODUCT)) ||
           op->id >= REEL_N_OPS;
}

static void find_facts(const reel_graph *g, const reel_request *rq, const facts *f)
{
    for (int i = 0; i < rq->n_fetches; i++) {
        f->uses[rq->fetch[i]] += 2;
        f->exact[rq->fetch[i]] = true;
    }
    for (size_t i = g->n_nodes; i-- > 0;) {
        const reel_node *n = &g->nodes[i];
        bool read = !n->n_out || (n->op && n->op->flags & REEL_OPF_RANDOM);
        for (int k = 0; k < n->n_out; k++) read = read || f->uses[n->first_out + k] > 0;
        if (!n->op || !read) continue;
        bool matters = !any_layout(n->op);
        if (n->op->flags & REEL_OPF_VIEW) {
            matters = false;
            for (int k = 0; k < n->n_out; k++) matters = matters || f->exact[n->first_out + k];
        }
        for (int k = 0; k < n->n_in; k++) {
            const int32_t v = g->ins[n->first_in + k];
            f->uses[v]++;
            if (matters && !reel_shape_only_(n->op->flags, k)) f->exact[v] = true;
        }
    }
}

/* ---- one rewriting ----------------------------------------------------------------------------------- */

static int32_t *unmapped(size_t n)
{
    int32_t *map = reel_alloc_array_(n + 1, sizeof *map);
    if (map) memset(map, 0xff, (n + 1) * sizeof *map);
    return map;
}

/* As much room as the old graph has: blocks of the same size, which the allocator has at hand from the pass before. Growing from nothing would
   touch twice the pages, and new pages are what most of the time goes into. */
static int reserve(reel_rewriter *w)
{
    const reel_graph *g = w->from;
    reel_graph *to = w->to;
    if (reel_grow_((void **)&to->nodes, &to->cap_nodes, g->cap_nodes, sizeof *to->nodes) ||
        reel_grow_((void **)&to->values, &to->cap_values, g->cap_values, sizeof *to->values) ||
        reel_grow_((void **)&to->ins, &to->cap_ins, g->cap_ins, sizeof *to->ins) ||
        reel_grow_((void **)&to->attrs, &to->cap_attrs, g->cap_attrs, 1))
        return REEL_ENOMEM;
    return reel_grow_((void **)&w->at, &w->cap_at, g->cap_values, sizeof *w->at);
}

int reel_rewriter_init_(reel_rewriter *w, const reel_graph *from, const reel_layout *from_at)
{
    *w = (reel_rewriter){.from = from,
                         .from_at = from_at,
                         .to = reel_graph_new_(),
                         .n_values = from->n_values,
                         .n_nodes = from->n_nodes};
    w->value = unmapped(from->n_values);
    w->node = unmapped(from->n_nodes);
    if (!w->to || !w->value || !w->node) return REEL_ENOMEM;
    w->to->widen = from->widen;
    if (reserve(w)) return REEL_ENOMEM;
    if (from->n_texts == 0) return 0;
    if (reel_grow_((void **)&w->to->texts, &w->to->cap_texts, from->n_texts, 1)) return REEL_ENOMEM;
    memcpy(w->to->texts, from->texts, from->n_texts); /* name scopes are places in it */
    w->to->n_texts = from->n_texts;
    return 0;
}

void reel_rewriter_drop_(reel_rewriter *w)
{
    reel_free_(w->value, (w->n_values + 1) * sizeof *w->value);
    reel_free_(w->node, (w->n_nodes + 1) * sizeof *w->node);
    reel_free_(w->at, w->cap_at * sizeof *w->at);
    reel_graph_release_(w->to);
}

/* A name goes to what stands for its value now. */
static int move_names(const reel_rewriter *w)
{
    const reel_graph *g = w->from;
    for (size_t i = 0; i < g->n_names; i++) {
        const int32_t v = w->value[g->names[i].value];
        if (v < 0 || reel_graph_find_(w->to, g->names[i].text) >= 0) continue;
        if (reel_graph_name_(w->to, "", "reel_session_run", g->names[i].text, v)) return reel_status();
    }
    return 0;
}

static size_t made_bytes(const reel_graph *g, const reel_layout *at)
{
    size_t bytes = 0;
    for (size_t i = 0; i < g->n_values; i++)
        if (at[i].root == (int32_t)i && g->nodes[g->values[i].node].kind == REEL_NODE_OP)
            bytes += reel_type_bytes_(&g->values[i].type);
    return bytes;
}

/* The rewritten graph becomes the draft's. */
int reel_draft_take_over_(reel_draft *d, reel_rewriter *w, const char *name)
{
    reel_request *a = &d->asked;
    const size_t nf = (size_t)a->n_feeds, no = (size_t)a->n_fetches;
    int rc = move_names(w);
    for (size_t i = 0; i < nf + no && !rc; i++) {
        const int32_t v = w->value[d->asked_values[i]];
        if (v < 0)
            rc = reel_fail_at_(a->site, REEL_ETRACE, "%s: pass \"%s\" left out a %s", a->fn, name,
                               i < nf ? "feed" : "fetch");
        else
            d->asked_values[i] = v;
    }
    for (size_t i = nf + no; i < nf + 2 * no && !rc; i++)
        if (d->asked_values[i] >= 0) d->asked_values[i] = w->node[d->asked_values[i]];
    if (d->seam >= 0) d->seam = w->node[d->seam];
    d->odd = d->odd || w->odd;
#ifndef NDEBUG
    if (!rc && !d->odd) rc = reel_graph_verify(w->to);
#endif
    if (rc) return rc;
    reel_graph_release_(d->graph);
    reel_free_(d->at, d->cap_at * sizeof *d->at);
    d->graph = w->to;
    d->at = w->at;
    d->cap_at = w->cap_at;
    d->work += w->work;
    w->to = NULL;
    w->at = NULL;
    w->cap_at = 0;
    d->reports[d->n_reports++] = (reel_pass_report){name, d->graph->n_nodes, made_bytes(d->graph, d->at), w->fired};
    return 0;
}

static int run_pass(reel_draft *d, const reel_pass *pass, reel_graph_math math)
{
    const size_t nv = d->graph->n_values + 1;
    reel_rewriter w;
    const facts f = {reel_zalloc_(nv * sizeof *f.uses), reel_zalloc_(nv * sizeof *f.exact)};
    int rc = reel_rewriter_init_(&w, d->graph, d->at);
    if (!f.uses || !f.exact) rc = REEL_ENOMEM;
    if (!rc) {
        find_facts(d->graph, &d->asked, &f);
        w.work += d->graph->n_nodes + d->graph->n_ins;
        w.pass = pass;
        w.math = math;
        w.uses = f.uses;
        w.exact = f.exact;
        w.n_feeds = d->asked.n_feeds;
        w.n_fetches = d->asked.n_fetches;
        w.feed = d->asked.feed;
        w.fetch = d->asked.fetch;
        w.effect = d->asked.effect;
        w.effects = d->asked.effects;
        rc = pass->run(&w);
    }
    if (!rc) rc = reel_draft_take_over_(d, &w, pass->name);
    reel_free_(f.uses, nv * sizeof *f.uses);
    reel_free_(f.exact, nv * sizeof *f.exact);
    reel_rewriter_drop_(&w);
    return rc;
}

/* ---- from what was traced ---------------------------------------------------------------------------- */

/* What is fed, in its order; nothing is computed for it any more. */
int reel_draft_feeds_(reel_rewriter *w, const reel_request *rq, const reel_type *type,
                      int64_t (*const strides)[REEL_MAX_RANK])
{
    for (int k = 0; k < rq->n_feeds; k++) {
        const int32_t v = rq->feed[k];
        const reel_node *old = reel_node_of_(w->from, v);
        const reel_node n = {
            .kind = REEL_NODE_INPUT, .site = old->site, .scope = old->scope, .n_out = 1, .weak = old->weak};
        const reel_type *out = &type[v];
        const size_t at = w->to->n_nodes;
        w->value[v] = reel_graph_append_(w->to, &n, NULL, NULL, &out);
        if (w->value[v] < 0 || reel_note_layouts_(w, at)) return reel_status();
        memcpy(w->at[w->value[v]].strides, strides[k], sizeof strides[k]);
        if (old->kind == REEL_NODE_INPUT) w->node[w->from->values[v].node] = (int32_t)at;
    }
    return 0;
}

/* Types of a node's outputs: what planning inferred, or, of what is not needed or fed in part, what the shape rule says now. */
static int output_types(reel_rewriter *w, const reel_node *n, const int32_t *in, const reel_type *known,
                        reel_type *type)
{
    bool all = true;
    for (int k = 0; k < n->n_out; k++) {
        const int32_t v = n->first_out + k;
        all = all && known[v].dtype && w->value[v] < 0;
        type[k] = known[v].dtype ? known[v] : w->from->values[v].type;
    }
    reel_type now[REEL_MAX_OUT];
    if (all) return 0;
    if (reel_graph_infer_(w->to, n->op, reel_node_attr_(w->from, n), n->site, in, n->n_in, now, n->n_out)) {
        reel_error e; /* nobody needs it */
        w->odd = true;
        return reel_take_error(&e) == REEL_ENOMEM ? reel_no_memory_(0) : 0;
    }
    for (int k = 0; k < n->n_out; k++)
        if (!known[n->first_out + k].dtype || w->value[n->first_out + k] >= 0) type[k] = now[k];
    return 0;
}

int reel_draft_node_(reel_rewriter *w, int32_t i, const reel_type *known)
{
    const reel_graph *g = w->from;
    const reel_node *n = &g->nodes[i];
    if (w->node[i] >= 0) return 0;
    bool fed = n->n_out > 0 && n->kind == REEL_NODE_OP && !(n->op->flags & REEL_OPF_RANDOM);
    for (int k = 0; k < n->n_out; k++) fed = fed && w->value[n->first_out + k] >= 0;
    if (fed) return 0;
    int32_t in[REEL_MAX_IN];
    reel_type type[REEL_MAX_OUT];
    const reel_type *out[REEL_MAX_OUT];
    for (int k = 0; k < n->n_out; k++) {
        const int32_t v = n->first_out + k;
        type[k] = n->rec ? n->rec->type : known[v].dtype && w->value[v] < 0 ? known[v] : g->values[v].type;
        out[k] = &type[k];
    }
    for (int k = 0; k < n->n_in; k++) {
        const int32_t v = g->ins[n->first_in + k];
        const bool cell = k == 0 && n->op->flags & REEL_OPF_CELL0; /* the variable, though its value may be fed */
        in[k] = cell ? w->to->nodes[w->node[g->values[v].node]].first_out : w->value[v];
    }
    if (n->kind == REEL_NODE_OP && output_types(w, n, in, known, type)) return reel_status();
    const size_t at = w->to->n_nodes;
    if (reel_graph_append_(w->to, n, reel_node_attr_(g, n), in, out) < 0 || reel_note_layouts_(w, at))
        return reel_status();
    w->node[i] = (int32_t)at;
    for (int k = 0; k < n->n_out; k++)
        if (w->value[n->first_out + k] < 0) w->value[n->first_out + k] = w->to->nodes[at].first_out + k;
    return 0;
}

int reel_draft_ask_(reel_draft *d, const reel_request *rq, const int32_t *carried, int n_carried)
{
    const size_t nf = (size_t)rq->n_feeds + (size_t)n_carried, no = (size_t)rq->n_fetches;
    d->asked = *rq;
    d->asked.n_feeds = (int)nf;
    d->asked_values = reel_alloc_array_(nf + 2 * no + 1, sizeof *d->asked_values);
    d->reports = reel_zalloc_(((size_t)REEL_MAX_PASSES + 1) * sizeof *d->reports);
    if (!d->asked_values || !d->reports) return REEL_ENOMEM;
    for (size_t i = 0; i < nf; i++)
        d->asked_values[i] = i < (size_t)rq->n_feeds ? rq->feed[i] : carried[i - (size_t)rq->n_feeds];
    for (size_t i = 0; i < no; i++) {
        d->asked_values[nf + i] = rq->fetch[i];
        d->asked_values[nf + no + i] = rq->effect[i];
    }
    d->asked.feed = d->asked_values;
    d->asked.fetch = d->asked_values + nf;
    d->asked.effect = d->asked_values + nf + no;
    return 0;
}

static int begin(reel_draft *d, const reel_graph *g, const reel_request *rq)
{
    const size_t nf = (size_t)rq->n_feeds, nv = g->n_values + 1;
    reel_rewriter w;
    reel_type *type = reel_zalloc_(nv * sizeof *type);
    int64_t(*strides)[REEL_MAX_RANK] = reel_zalloc_((nf + 1) * sizeof *strides);
    int rc = reel_rewriter_init_(&w, g, NULL);
    if (!type || !strides) rc = REEL_ENOMEM;
    if (!rc) rc = reel_draft_ask_(d, rq, NULL, 0);
    if (!rc) rc = reel_plan_specialize_(g, rq, type, strides);
    if (!rc) rc = reel_draft_feeds_(&w, rq, type, strides);
    for (size_t i = 0; i < g->n_nodes && !rc; i++) rc = reel_draft_node_(&w, (int32_t)i, type);
    w.work += g->n_nodes;
    if (!rc) rc = reel_draft_take_over_(d, &w, "traced");
    reel_free_(type, nv * sizeof *type);
    reel_free_(strides, (nf + 1) * sizeof *strides);
    reel_rewriter_drop_(&w);
    return rc;
}

int reel_optimize_(const reel_graph *g, const reel_request *rq, const reel_pipeline *passes, reel_rest *rest,
                   reel_draft *d)
{
    *d = (reel_draft){.seam = -1};
    reel_ctx *c = reel_ctx_();
    reel_listener *listeners = c->listeners;
    const bool widen = c->widen;
    c->listeners = NULL; /* what a pass computes is nobody's program */
    reel_scope *scope = reel_scope_begin(rq->site, "passes");
    c->widen = g->widen;
    int rc = !scope ? reel_status() : rest ? reel_draft_rest_(d, g, rq, rest) : begin(d, g, rq);
    for (int i = 0; i < passes->n - passes->planned && !rc; i++)
        if (!rest || passes->pass[i]->run != reel_pass_run_user_) rc = run_pass(d, passes->pass[i], passes->math);
    c->widen = widen;
    reel_scope_end(scope);
    c->listeners = listeners;
    return rc;
}

void reel_draft_drop_(reel_draft *d)
{
    const size_t nf = (size_t)d->asked.n_feeds, no = (size_t)d->asked.n_fetches;
    reel_graph_release_(d->graph);
    reel_free_(d->at, d->cap_at * sizeof *d->at);
    reel_free_(d->asked_values, (nf + 2 * no + 1) * sizeof *d->asked_values);
    reel_free_(d->reports, ((size_t)REEL_MAX_PASSES + 1) * sizeof *d->reports);
}
