/* rerun.c: the nodes of a graph once more through the door: for sessions inside traces or under tapes, and for the
   gradient of a replayed function, which is an op like any other: its vjp reruns its graph under a tape of its own. */
#include <stdio.h>
#include <string.h>
#include "core/again.h"
#include "core/alloc.h"
#include "core/error.h"
#include "core/random.h"
#include "reel/reel.h"
#include "trace.h"

int reel_rerun_node_(const reel_graph *g, const reel_node *n, reel_tensor **tensors)
{
    reel_tensor *in[REEL_MAX_IN], *out[REEL_MAX_OUT];
    for (int k = 0; k < n->n_in; k++) in[k] = tensors[g->ins[n->first_in + k]];
    const int rc = reel_door_(n->op, reel_node_attr_(g, n), in, n->n_in, out, n->n_out, n->site);
    for (int k = 0; k < n->n_out && !rc; k++)
        if (!tensors[n->first_out + k]) tensors[n->first_out + k] = out[k];
    return rc;
}

static bool all_given(const reel_node *n, reel_tensor *const *tensors)
{
    for (int k = 0; k < n->n_out; k++)
        if (!tensors[n->first_out + k]) return false;
    return n->n_out > 0;
}

static int rerun_one(const reel_graph *g, size_t i, reel_tensor **tensors, reel_redraw *again)
{
    const reel_node *n = &g->nodes[i];
    reel_generator *gens[REEL_MAX_DRAWN];
    if (n->kind == REEL_NODE_OP) {
        reel_tensor *const var = n->snapshot ? tensors[g->ins[n->first_in]] : NULL;
        if (var && reel_rec_of_(var)->flags & REEL_R_CELL) { /* not where another tensor was fed for it */
            tensors[n->first_out] = reel_value_at(n->site, var);
            return reel_status();
        }
        if (again && reel_draws_of_(n->op, reel_node_attr_(g, n), gens)) return reel_redraw_node_(g, n, tensors, again);
        return reel_rerun_node_(g, n, tensors);
    }
    if (n->kind == REEL_NODE_INPUT)
        return reel_fail_at_(n->site, REEL_ETRACE, "\"%s\" is not fed", reel_node_name_(g, (int)i));
    if (n->kind == REEL_NODE_CONST && !n->weak) {
        reel_capture *c = reel_capture_now_();
        if (c && reel_capture_const_(c, n->rec, n->site) < 0) return reel_status();
    }
    tensors[n->first_out] = reel_handle_(n->rec);
    return 0;
}

static int rerun_range(const reel_graph *g, size_t from, size_t to, const uint8_t *need, reel_tensor **tensors,
                       reel_redraw *again)
{
    for (size_t i = from; i < to; i++) {
        const reel_node *n = &g->nodes[i];
        if (!need[i] || all_given(n, tensors) || reel_is_assign_(n)) continue;
        const int rc = rerun_one(g, i, tensors, again);
        if (rc) return rc;
    }
    return 0;
}

/* ---- calls with a gradient of their own ------------------------------------------------------------- */

static bool all_there(const reel_graph *g, const reel_summary *s, reel_tensor *const *tensors)
{
    for (int k = 0; k < s->n_in + s->n_out; k++)
        if (!tensors[g->ins[s->first + k]]) return false;
    return true;
}

static bool any_given(const reel_graph *g, const reel_summary *s, reel_tensor *const *tensors)
{
    for (int k = s->n_in; k < s->n_in + s->n_out; k++)
        if (tensors[g->ins[s->first + k]]) return true;
    return false;
}

/* The call as it was made, to tapes, and to a trace that has heard its ops: its nodes may be differentiated, too. */
static int tell(const reel_graph *g, const reel_summary *s, reel_tensor *const *tensors, bool traces)
{
    reel_rec *arg[REEL_MAX_IN], *in[REEL_MAX_IN], *out[REEL_MAX_OUT];
    for (int k = 0; k < s->n_in; k++) {
        arg[k] = reel_rec_of_(tensors[g->ins[s->first + k]]);
        in[k] = arg[k]->flags & REEL_R_CELL && arg[k]->value ? arg[k]->value : arg[k];
    }
    for (int k = 0; k < s->n_out; k++) out[k] = reel_rec_of_(tensors[g->ins[s->first + s->n_in + k]]);
    const reel_call call = {.op = s->op,
                            .attr = g->attrs + s->attr,
                            .site = s->site,
                            .n_in = s->n_in,
                            .n_out = s->n_out,
                            .arg = arg,
                            .in = in,
                            .out = out};
    int rc = 0;
    for (reel_listener *l = reel_ctx_()->listeners; l && !rc; l = l->next)
        if (!l->paused && (traces || !reel_is_capture_(l))) rc = l->hear(l, &call);
    return rc;
}

/* Its nodes while no tape listens, then the call itself. */
static int rerun_summary(const reel_graph *g, const reel_summary *s, const uint8_t *need, reel_tensor **tensors,
                         reel_redraw *again)
{
    reel_hush tapes = {.n = 0};
    for (reel_listener *l = reel_ctx_()->listeners; l; l = l->next)
        if (!l->paused && !reel_is_capture_(l) && tapes.n < REEL_HUSH_MAX) tapes.l[tapes.n++] = l;
    const bool traces = !any_given(g, s, tensors);
    int rc = reel_listeners_region_(true);
    if (rc) return rc;
    for (int i = 0; i < tapes.n; i++) tapes.l[i]->paused = true;
    rc = rerun_range(g, (size_t)s->begin, (size_t)s->end, need, tensors, again);
    for (int i = 0; i < tapes.n; i++) tapes.l[i]->paused = false;
    if (!rc && all_there(g, s, tensors)) rc = tell(g, s, tensors, traces);
    (void)reel_listeners_region_(false);
    return rc;
}

static int rerun_all(const reel_graph *g, const uint8_t *need, reel_tensor **tensors, reel_redraw *again)
{
    if (!g->n_summaries) return rerun_range(g, 0, g->n_nodes, need, tensors, again);
    int32_t *owner = reel_graph_owners_(g);
    int rc = owner ? 0 : REEL_ENOMEM;
    for (size_t i = 0; i < g->n_nodes && !rc;) {
        const reel_summary *s = owner[i] >= 0 ? &g->summaries[owner[i]] : NULL;
        rc = s ? rerun_summary(g, s, need, tensors, again) : rerun_range(g, i, i + 1, need, tensors, again);
        i = s ? (size_t)s->end : i + 1;
    }
    reel_free_(owner, (g->n_nodes + 1) * sizeof *owner);
    return rc;
}

int reel_rerun_(const reel_graph *g, const uint8_t *need, reel_tensor **tensors, reel_redraw *again)
{
    const int rc = rerun_all(g, need, tensors, again);
    /* later reads of a variable go to the assigned value: all assigns can come last */
    for (size_t i = 0; i < g->n_nodes && !rc; i++) {
        if (!need[i] || !reel_is_assign_(&g->nodes[i])) continue;
        const reel_node *n = &g->nodes[i];
        reel_tensor *in[2] = {reel_handle_(g->nodes[g->values[g->ins[n->first_in]].node].rec),
                              tensors[g->ins[n->first_in + 1]]};
        const int code = reel_door_(n->op, reel_node_attr_(g, n), in, 2, NULL, 0, n->site);
        if (code) return code;
    }
    return rc;
}

/* ---- the call of a replayed function, as tapes see it ------------------------------------------------ */

struct reel_call_state {
    _Atomic int refs;
    reel_graph *graph;
    int n; /* generators the graph draws from, and how they stood at the call */
    struct drawn {
        reel_generator *generator;
        reel_random_state state;
    } drawn[];
};

typedef struct call_attr {
    reel_call_state *state;
} call_attr;

static size_t state_bytes(int n)
{
    return sizeof(reel_call_state) + (size_t)n * sizeof(struct drawn);
}

static bool is_random(const reel_graph *g, const reel_node *n)
{
    reel_generator *gens[REEL_MAX_DRAWN];
    return n->op && reel_draws_of_(n->op, reel_node_attr_(g, n), gens) > 0;
}

reel_call_state *reel_call_state_new_(reel_graph *g)
{
    int n = 0;
    reel_generator *gens[REEL_MAX_DRAWN];
    for (size_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].op) n += reel_draws_of_(g->nodes[i].op, reel_node_attr_(g, &g->nodes[i]), gens);
    reel_call_state *s = reel_zalloc_(state_bytes(n));
    if (!s) return NULL;
    atomic_init(&s->refs, 1);
    s->graph = reel_graph_retain_(g);
    s->n = n;
    int k = 0;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const reel_node *node = &g->nodes[i];
        const int m = node->op ? reel_draws_of_(node->op, reel_node_attr_(g, node), gens) : 0;
        for (int j = 0; j < m; j++) {
            reel_generator *gen = gens[j] ? gens[j] : reel_generator_default();
            s->drawn[k++] = (struct drawn){gen, reel_random_get_(gen)};
        }
    }
    return s;
}

void reel_call_state_release_(reel_call_state *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1) return;
    reel_graph_release_(s->graph);
    reel_free_(s, state_bytes(s->n));
}

static void attr_retain(const void *attr)
{
    atomic_fetch_add(&((const call_attr *)attr)->state->refs, 1);
}

static void attr_release(const void *attr)
{
    reel_call_state_release_(((const call_attr *)attr)->state);
}

static void swap_generators(reel_call_state *s, struct drawn *other)
{
    for (int i = 0; i < s->n; i++) {
        other[i].generator = s->drawn[i].generator;
        other[i].state = reel_random_get_(s->drawn[i].generator);
    }
    for (int i = 0; i < s->n; i++) reel_random_put_(s->drawn[i].generator, s->drawn[i].state);
}

static bool is_float_value(const reel_graph *g, int32_t v)
{
    return reel_is_float_(g->values[v].type.dtype) && !g->nodes[g->values[v].node].weak;
}

/* x itself under a new id, so that equal inputs have gradients of their own; a view that outer tapes see. */
static reel_tensor *renamed(const char *site, reel_tensor *x)
{
    reel_axes axes = {.n = reel_rec_of_(x)->type.shape.rank};
    for (int i = 0; i < axes.n; i++) axes.axis[i] = i;
    return reel_transpose_at(site, x, axes);
}

/* Value numbers of in[], then of the variables read and of what reel_value gave. */
static int list_inputs(const reel_graph *g, int32_t *value)
{
    int n = g->n_inputs;
    if (n) memcpy(value, g->inputs, (size_t)n * sizeof *value);
    for (size_t i = 0; i < g->n_nodes; i++)
        if (reel_node_cell_(g, &g->nodes[i]) && n < REEL_MAX_IN) value[n++] = g->nodes[i].first_out;
    return n;
}

int reel_call_inputs_(const reel_graph *g)
{
    int n = g->n_inputs;
    for (size_t i = 0; i < g->n_nodes; i++) n += reel_node_cell_(g, &g->nodes[i]) != NULL;
    return n;
}

static int backward(const reel_vjp_args *v, const reel_graph *g, const uint8_t *need, reel_tensor **tensors)
{
    int32_t value[REEL_MAX_IN];
    reel_tensor *xs[REEL_MAX_IN], *from[REEL_MAX_IN], *dxs[REEL_MAX_IN], *ys[REEL_MAX_OUT], *dys[REEL_MAX_OUT];
    int at[REEL_MAX_IN], nx = 0, ny = 0;
    const int n = list_inputs(g, value);
    for (int i = 0; i < n && i < v->n_in; i++) {
        reel_tensor *t = v->in[i];
        if (v->need[i] && is_float_value(g, value[i])) {
            t = renamed(v->site, t);
            if (!t) return reel_status();
            at[nx] = i;
            v->total[i] =
                i >= g->n_inputs &&
                !reel_vjp_again_(v, g->n_inputs, i); /* in[] are copies: see first_call and by_body in function.c */
            from[nx] = v->total[i] ? v->sum[i] : NULL;
            xs[nx++] = t;
        }
        tensors[value[i]] = t;
    }
    if (nx == 0) return 0;
    reel_tape *tape = reel_tape_begin_at(v->site, REEL_OPTS(tape, .no_variables = true));
    if (!tape) return reel_status();
    int rc = reel_watch_at(v->site, tape, (reel_list){nx, xs});
    if (!rc) rc = reel_rerun_(g, need, tensors, NULL);
    for (int j = 0; j < v->n_out; j++) {
        if (!v->dout[j] || !is_float_value(g, g->outputs[j])) continue;
        ys[ny] = tensors[g->outputs[j]];
        dys[ny++] = v->dout[j];
    }
    if (!rc && ny)
        rc = reel_vjp_from_(v->site, tape, (reel_list){ny, ys}, (reel_list){ny, dys}, (reel_list){nx, xs}, from, dxs);
    if (rc || !ny) reel_tape_end(tape);
    for (int k = 0; k < nx && !rc && ny; k++) v->din[at[k]] = dxs[k] ? reel_keep(dxs[k]) : NULL;
    return rc;
}

static int call_vjp(const reel_vjp_args *v)
{
    reel_call_state *s = ((const call_attr *)v->attr)->state;
    const reel_graph *g = s->graph;
    const size_t nv = g->n_values + 1, nn = g->n_nodes + 1, nr = (size_t)s->n + 1;
    bool *fed = reel_zalloc_(nv * sizeof *fed);
    uint8_t *need = reel_zalloc_(nn);
    reel_tensor **tensors = reel_zalloc_(nv * sizeof *tensors);
    struct drawn *now = reel_zalloc_(nr * sizeof *now);
    int rc = fed && need && tensors && now ? 0 : REEL_ENOMEM;
    if (!rc) {
        for (int j = 0; j < v->n_out; j++)
            if (v->dout[j]) need[g->values[g->outputs[j]].node] = REEL_NEED_VALUE;
        for (size_t i = 0; i < g->n_nodes; i++) /* in their order, so that each draws what it drew */
            if (is_random(g, &g->nodes[i])) need[i] = REEL_NEED_VALUE;
        reel_prune_taped_(g, fed, need);
        reel_scope *scope = reel_scope_begin(v->site, "call");
        swap_generators(s, now);
        rc = scope ? backward(v, g, need, tensors) : reel_status();
        for (int i = 0; i < s->n; i++) reel_random_put_(now[i].generator, now[i].state);
        reel_scope_end(scope);
    }
    reel_free_(fed, nv * sizeof *fed);
    reel_free_(need, nn);
    reel_free_(tensors, nv * sizeof *tensors);
    reel_free_(now, nr * sizeof *now);
    return rc;
}

static const reel_op call_op = {.size = sizeof(reel_op),
                                .id = -1,
                                .name = "function_call",
                                .args = "in",
                                .n_in = -1,
                                .n_out = -1,
                                .flags = REEL_OPF_SUMS,
                                .keep = REEL_KEEP_ALL_IN,
                                .attr_size = sizeof(call_attr),
                                .grad = REEL_VJP,
                                .vjp = call_vjp,
                                .attr_retain = attr_retain,
                                .attr_release = attr_release};

int reel_call_tell_(const char *site, reel_call_state *s, reel_rec *const *arg, reel_rec *const *in,
                    reel_tensor *const *out)
{
    reel_rec *made[REEL_MAX_OUT];
    for (int j = 0; j < s->graph->n_outputs; j++) made[j] = reel_rec_of_(out[j]);
    const call_attr attr = {s};
    const reel_call call = {.op = &call_op,
                            .attr = &attr,
                            .site = site,
                            .n_in = reel_call_inputs_(s->graph),
                            .n_out = s->graph->n_outputs,
                            .arg = arg,
                            .in = in,
                            .out = made};
    reel_ctx *c = reel_ctx_();
    const char *old_site = c->site, *old_op = c->op;
    c->site = site;
    c->op = call_op.name;
    const int rc = reel_listeners_hear_(&call);
    c->site = old_site;
    c->op = old_op;
    return rc;
}
