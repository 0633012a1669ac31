/* control_back.c: the gradient of a function that is a node, as a node of its own. Its ops are traced once more under a tape, symbolically:
   first the forward, then the backward. What the second part takes from the first are residuals: further outputs of the forward's node. The
   second part is a sub-graph of theirs, of in[] and of the outputs' gradients; there is one for each pattern of gradients that is asked for,
   kept with the forward's. So the forward runs once. Views are made again, as an output is dense where a view need not be. */
#include <string.h>
#include "control.h"
#include "core/alloc.h"
#include "core/error.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "reel/reel.h"

/* ---- forward and backward in one graph ------------------------------------------------------------------------- */

/* Which gradients: bits by input and output of the op. */
typedef struct pattern {
    uint64_t need, dout, from;
    uint64_t keeps; /* 1: another tape listens: it keeps what gradients of it will need */
} pattern;

/* What an input of the backward is. */
typedef struct source {
    enum { FROM_IN, FROM_OUT, FROM_DOUT, FROM_SUM } what;
    int i;
} source;

struct reel_back {
    reel_back *next;
    pattern p;
    reel_control *control; /* NULL: it has to be inlined */
    source *source;        /* of its inputs */
    int n_in;
    int8_t gives[REEL_MAX_IN]; /* by input of the op: its output, -1: no gradient */
    uint64_t rows; /* by input of the op: row-sparse, values in that output, the rows' numbers in the next one */
};

typedef struct joint {
    const char *site;
    const reel_control *c;
    pattern p;
    int n_op; /* inputs of the op */
    reel_capture capture;
    reel_graph *g;
    size_t n_forward;  /* nodes */
    int32_t *of_value; /* by value of the forward's sub-graph: its value in g, -1: none */
    int8_t gives[REEL_MAX_IN];
    uint64_t rows; /* which gradients are row-sparse: two outputs each, the second ones behind all first ones */
    bool crowded;  /* there is no room for that */
    uint8_t *use;  /* by value of g: how the backward needs it */
    bool *copied;  /* by node of g: it is in the backward, too */
} joint;

static bool has(uint64_t bits, int i)
{
    return bits >> i & 1;
}

static int count(uint64_t bits)
{
    int n = 0;
    for (; bits; bits &= bits - 1) n++;
    return n;
}

static bool is_rows(const reel_tensor *t)
{
    return t && reel_rec_of_(t)->flags & REEL_R_SPARSE;
}

static const reel_part *part_of(const joint *j)
{
    return &j->c->part[0];
}

/* Of the op's inputs, then the gradients of its outputs, then the sums that there are. */
static int joint_types(const joint *j, reel_type *type, source *from)
{
    const reel_part *p = part_of(j);
    const reel_graph *g = p->player.graph;
    int n = 0;
    for (int i = 0; i < j->n_op; i++) {
        int k = 0;
        while (k < p->n_in && p->from[k] != i) k++;
        type[n] = k < p->n_in ? g->values[g->inputs[k]].type : (reel_type){.dtype = REEL_F32};
        from[n++] = (source){FROM_IN, i};
    }
    for (int i = 0; i < g->n_outputs && n < REEL_MAX_IN; i++) {
        if (!has(j->p.dout, i)) continue;
        type[n] = g->values[g->outputs[i]].type;
        from[n++] = (source){FROM_DOUT, i};
    }
    for (int i = 0; i < j->n_op && n < REEL_MAX_IN; i++) {
        if (!has(j->p.from, i)) continue;
        type[n] = type[i];
        from[n++] = (source){FROM_SUM, i};
    }
    return n;
}

static void note_values(joint *j, const reel_graph *g, reel_tensor *const *tensors)
{
    for (size_t v = 0; v < g->n_values; v++)
        j->of_value[v] = tensors[v] ? reel_map_get_(&j->g->ids, reel_rec_of_(tensors[v])->id) : -1;
    j->n_forward = j->g->n_nodes;
}

/* A row-sparse gradient leaves as values and numbers of rows. */
static int put_rows(joint *j, int i, reel_tensor *d, reel_tensor **values, reel_tensor **ids)
{
    j->rows |= (uint64_t)1 << i;
    if (!ids) return 0;
    *values = reel_rows_values_at(j->site, d);
    *ids = reel_rows_ids_at(j->site, d);
    return reel_status();
}

/* in: see joint_types. out: the gradients, for the inputs that need one; something else where there is none. */
static int joint_body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    joint *j = self;
    const reel_part *p = part_of(j);
    reel_tensor *xs[REEL_MAX_IN], *start[REEL_MAX_IN], *dxs[REEL_MAX_IN] = {NULL}, *ys[REEL_MAX_OUT],
                                                       *dys[REEL_MAX_OUT], *wanted[REEL_MAX_OUT] = {NULL},
                                                       *made[REEL_MAX_OUT] = {NULL};
    const int n_need = count(j->p.need);
    int nx = 0, ny = 0, at = j->n_op;
    for (int i = 0; i < p->player.graph->n_outputs; i++)
        if (has(j->p.dout, i)) dys[ny++] = wanted[i] = in[at++];
    for (int i = 0; i < j->n_op; i++) {
        reel_tensor *const sum = has(j->p.from, i) ? in[at++] : NULL;
        if (!has(j->p.need, i)) continue;
        start[nx] = sum;
        xs[nx++] = in[i];
    }
    j->g = j->capture.graph;
    reel_again a;
    reel_redraw none = {.n = 0};
    int rc = reel_again_begin_(&a, j->site, p, in, j->n_op);
    reel_tape *tape = rc ? NULL : reel_tape_begin_at(j->site, REEL_OPTS(tape, .no_variables = true));
    if (!rc) rc = tape ? reel_watch_at(j->site, tape, (reel_list){nx, xs}) : reel_status();
    if (!rc) rc = reel_again_run_(&a, wanted, &none, made);
    if (!rc) note_values(j, p->player.graph, a.tensors);
    ny = 0;
    for (int i = 0; i < p->player.graph->n_outputs && !rc; i++)
        if (wanted[i]) ys[ny++] = made[i];
    if (!rc)
        rc = reel_vjp_from_(j->site, tape, (reel_list){ny, ys}, (reel_list){ny, dys}, (reel_list){nx, xs}, start, dxs);
    if (tape && rc) reel_tape_end(tape);
    reel_again_end_(&a);
    nx = 0;
    for (int i = 0; i < j->n_op && !rc; i++) {
        if (!has(j->p.need, i)) continue;
        j->gives[i] = dxs[nx] ? (int8_t)nx : -1;
        out[nx] = dxs[nx] ? dxs[nx] : in[i];
        if (!j->crowded) out[n_need + nx] = in[i];
        if (is_rows(dxs[nx])) rc = put_rows(j, i, dxs[nx], &out[nx], j->crowded ? NULL : &out[n_need + nx]);
        nx++;
    }
    return rc;
}

static void joint_drop(joint *j)
{
    const size_t values = part_of(j)->player.graph->n_values + 1;
    if (j->g) {
        reel_free_(j->use, j->g->n_values + 1);
        reel_free_(j->copied, (j->g->n_nodes + 1) * sizeof *j->copied);
    }
    reel_free_(j->of_value, values * sizeof *j->of_value);
    reel_graph_release_(j->g);
}

/* ---- what the backward takes from the forward ----------------------------------------------------------------------- */

static bool is_made_again(const joint *j, size_t i)
{
    const reel_node *n = &j->g->nodes[i];
    return n->kind == REEL_NODE_CONST ||
           (n->kind == REEL_NODE_OP && (i >= j->n_forward || n->op->flags & REEL_OPF_VIEW));
}

/* Only for its shape: where that is known something else of it will do. */
static bool is_shape(const joint *j, int32_t v)
{
    return j->use[v] == REEL_NEED_SHAPE && reel_shape_known_(&j->g->values[v].type.shape);
}

/* Of a call with a gradient of its own, which a copy would not have. */
static bool is_summarized(const joint *j, size_t i)
{
    for (size_t k = 0; k < j->g->n_summaries; k++)
        if (j->g->summaries[k].begin <= (int32_t)i && (int32_t)i < j->g->summaries[k].end) return true;
    return false;
}

/* False: it cannot stand in another graph. */
static bool mark_node(joint *j, size_t i)
{
    const reel_node *n = &j->g->nodes[i];
    bool value = false, shape = false;
    for (int k = 0; k < n->n_out; k++) {
        const uint8_t use = j->use[n->first_out + k];
        value = value || use & REEL_NEED_VALUE;
        shape = shape || (use == REEL_NEED_SHAPE && !is_shape(j, n->first_out + k));
    }
    if (n->kind == REEL_NODE_INPUT || !(value || shape)) return true;
    if (n->kind == REEL_NODE_VAR) return false;
    if (!is_made_again(j, i) && value) return !shape;
    if (n->op && n->op->flags & (REEL_OPF_EFFECT | REEL_OPF_RANDOM | REEL_OPF_DYNAMIC)) return false;
    if (n->kind == REEL_NODE_OP && is_summarized(j, i)) return false;
    j->copied[i] = true;
    for (int k = 0; k < n->n_in; k++)
        j->use[j->g->ins[n->first_in + k]] |=
            value && !reel_shape_only_(n->op->flags, k) ? REEL_NEED_VALUE : REEL_NEED_SHAPE;
    return true;
}

/* 0, or the code of what was raised; *good: it can be a node. */
static int find_uses(joint *j, bool *good)
{
    const reel_graph *g = j->g;
    const int n_need = count(j->p.need);
    j->use = reel_zalloc_(g->n_values + 1);
    j->copied = reel_zalloc_((g->n_nodes + 1) * sizeof *j->copied);
    if (!j->use || !j->copied) return REEL_ENOMEM;
    *good = !(j->rows && j->crowded) && !g->dynamic;
    for (size_t k = 0; k < g->n_summaries; k++) *good = *good && g->summaries[k].begin < (int32_t)j->n_forward;
    if (!*good) return 0; /* crowded graphs have no outputs for rows */
    for (int i = 0; i < j->n_op; i++)
        for (int k = 0; k <= has(j->rows, i) && j->gives[i] >= 0 && has(j->p.need, i); k++)
            j->use[g->outputs[j->gives[i] + k * n_need]] = REEL_NEED_VALUE;
    for (size_t i = g->n_nodes; i-- > 0 && *good;) *good = mark_node(j, i);
    return 0;
}

/* Traced, and looked at. *good false: the gradient has to be inlined, which says why, if it is an error. */
static int joint_trace(joint *j, const char *site, const reel_control *c, int n_op, pattern p, bool *good)
{
    reel_type type[REEL_MAX_IN + 1];
    source from[REEL_MAX_IN + 1];
    const int n_values = (int)c->part[0].player.graph->n_values;
    *good = false;
    *j = (joint){.site = site, .c = c, .p = p, .n_op = n_op, .capture.anything = true};
    if (n_op + count(p.dout) + count(p.from) > REEL_MAX_IN) return 0;
    j->of_value = reel_alloc_array_((size_t)n_values + 1, sizeof *j->of_value);
    if (!j->of_value) return REEL_ENOMEM;
    const int n_need = count(p.need);
    j->crowded = 2 * n_need > REEL_MAX_OUT;
    const reel_fn f = {joint_body, j, joint_types(j, type, from), j->crowded ? n_need : 2 * n_need, "gradient"};
    j->g = reel_trace_symbolic_(site, "reel_function_call", f, type, NULL, &j->capture);
    if (j->g) return find_uses(j, good);
    reel_error e;
    return reel_status() == REEL_ENOMEM ? REEL_ENOMEM : (reel_take_error(&e), 0);
}

/* The value of the forward's sub-graph that stands there; -1: none. */
static int32_t forward_value(const joint *j, int32_t v)
{
    for (size_t i = 0; i < part_of(j)->player.graph->n_values; i++)
        if (j->of_value[i] == v) return (int32_t)i;
    return -1;
}

static int output_of(const reel_graph *g, int32_t v, int n)
{
    for (int k = 0; k < n; k++)
        if (g->outputs[k] == v) return k;
    return -1;
}

/* ---- residuals --------------------------------------------------------------------------------------------------------- */

/* Those of v's node that the backward takes and that are no outputs yet. */
static int add_residual(const joint *j, int32_t v, int32_t *out, int *n, bool *good)
{
    const reel_graph *f = part_of(j)->player.graph;
    const reel_node *node = &j->g->nodes[j->g->values[v].node];
    if (!(j->use[v] & REEL_NEED_VALUE) || node->kind != REEL_NODE_OP || j->copied[j->g->values[v].node]) return 0;
    const int32_t own = forward_value(j, v);
    if (own >= 0 && output_of(f, own, j->c->n_out - j->c->n_cells) >= 0) return 0;
    *good = *good && own >= 0 && *n < REEL_MAX_OUT;
    if (*good) out[(*n)++] = own;
    return 0;
}

int reel_back_residuals_(const char *site, reel_control *c, int n_op)
{
    reel_graph *f = c->part[0].player.graph;
    pattern p = {0};
    joint j;
    bool good = false;
    for (int k = 0; k < c->part[0].n_in; k++)
        if (reel_is_float_(f->values[f->inputs[k]].type.dtype)) p.need |= (uint64_t)1 << c->part[0].from[k];
    for (int i = 0; i < c->n_out - c->n_cells; i++)
        if (reel_is_float_(f->values[f->outputs[i]].type.dtype)) p.dout |= (uint64_t)1 << i;
    if (!p.need || !p.dout || f->dynamic) return 0;
    int rc = joint_trace(&j, site, c, n_op, p, &good);
    int32_t out[REEL_MAX_OUT];
    int n = 0;
    for (size_t v = 0; good && !rc && v < j.g->n_values; v++) rc = add_residual(&j, (int32_t)v, out, &n, &good);
    joint_drop(&j);
    const int have = f->n_outputs;
    if (rc || !good || have + n + c->n_drawn > REEL_MAX_OUT) return rc;
    int32_t *all = reel_alloc_array_((size_t)(have + n) + 1, sizeof *all);
    if (!all) return REEL_ENOMEM;
    memcpy(all, f->outputs, (size_t)have * sizeof *all);
    memcpy(all + have, out, (size_t)n * sizeof *all);
    reel_free_(f->outputs, ((size_t)have + 1) * sizeof *f->outputs);
    f->outputs = all;
    f->n_outputs = have + n;
    c->n_out += n;
    c->n_kept = n;
    c->keeps = true;
    return 0;
}

/* ---- the backward as a graph of its own ---------------------------------------------------------------------------------- */

typedef struct splitting {
    const joint *j;
    reel_graph *g;
    int32_t *value; /* by value of the joint graph */
    source *source; /* of g's inputs */
    int32_t input[REEL_MAX_IN];
    int n_in;
} splitting;

static int add_input(splitting *s, int32_t v, source from)
{
    const reel_gvalue *value = &s->j->g->values[v];
    const reel_node n = {.kind = REEL_NODE_INPUT, .site = s->j->g->nodes[value->node].site, .n_out = 1, .scope = -1};
    const reel_type *type = &value->type;
    s->value[v] = reel_graph_append_(s->g, &n, NULL, NULL, &type);
    if (s->value[v] < 0) return reel_status();
    s->source[s->n_in] = from;
    s->input[s->n_in++] = s->value[v];
    return 0;
}

/* Only its shape counts: nobody makes it. */
static int add_shape(splitting *s, int32_t v)
{
    const reel_type *type = &s->j->g->values[v].type;
    const reel_node n = {
        .op = &reel_rows_[REEL_OP_full], .kind = REEL_NODE_OP, .site = s->j->site, .n_out = 1, .scope = -1};
    reel_attr_full a;
    memset(&a, 0, sizeof a);
    a.type.dtype = type->dtype;
    a.type.shape.rank = type->shape.rank;
    memcpy(a.type.shape.dims, type->shape.dims, (size_t)type->shape.rank * sizeof type->shape.dims[0]);
    s->value[v] = reel_graph_append_(s->g, &n, &a, NULL, &type);
    return s->value[v] < 0 ? reel_status() : 0;
}

static int copy_node(splitting *s, size_t i)
{
    const reel_graph *from = s->j->g;
    const reel_node *n = &from->nodes[i];
    const reel_type *out[REEL_MAX_OUT];
    int32_t in[REEL_MAX_IN];
    for (int k = 0; k < n->n_in; k++) in[k] = s->value[from->ins[n->first_in + k]];
    for (int k = 0; k < n->n_out; k++) out[k] = &from->values[n->first_out + k].type;
    const int32_t v = reel_graph_append_(s->g, n, reel_node_attr_(from, n), in, out);
    for (int k = 0; k < n->n_out && v >= 0; k++) s->value[n->first_out + k] = v + k;
    return v < 0 ? reel_status() : 0;
}

/* An output of the forward's node, or a residual; *good false: it is none. */
static int take_output(splitting *s, int32_t v, bool *good)
{
    const reel_control *c = s->j->c;
    const reel_graph *f = part_of(s->j)->player.graph;
    const int32_t own = forward_value(s->j, v);
    int k = own < 0 ? -1 : output_of(f, own, f->n_outputs);
    if (k >= c->n_out - c->n_kept - c->n_cells && k < c->n_out - c->n_kept) k = -1; /* assigned behind the op */
    for (int i = c->n_out - c->n_kept; own >= 0 && k < 0 && i < c->n_out; i++)
        if (f->outputs[i] == own) k = i;
    *good = k >= 0 && s->n_in < REEL_MAX_IN;
    return *good ? add_input(s, v, (source){FROM_OUT, k}) : 0;
}

static int split_node(splitting *s, size_t i, bool *good)
{
    const reel_node *n = &s->j->g->nodes[i];
    if (s->j->copied[i]) return copy_node(s, i);
    int rc = 0;
    for (int k = 0; k < n->n_out && !rc && *good; k++) {
        const int32_t v = n->first_out + k;
        if (!s->j->use[v]) continue;
        rc = is_shape(s->j, v) ? add_shape(s, v) : take_output(s, v, good);
    }
    return rc;
}

/* The joint graph's own inputs come first in it, in the order of joint_types. */
static int split_inputs(splitting *s, const source *from, int n)
{
    const reel_graph *g = s->j->g;
    int rc = 0;
    for (int i = 0; i < n && !rc; i++)
        if (s->j->use[g->inputs[i]]) rc = add_input(s, g->inputs[i], from[i]);
    return rc;
}

static int split_outputs(splitting *s, int8_t gives[REEL_MAX_IN])
{
    const joint *j = s->j;
    s->g->inputs = reel_alloc_array_((size_t)s->n_in + 1, sizeof *s->g->inputs);
    s->g->n_inputs = s->n_in;
    int32_t out[REEL_MAX_IN];
    const int n_need = count(j->p.need);
    int n = 0;
    for (int i = 0; i < j->n_op; i++) {
        gives[i] = -1;
        if (!has(j->p.need, i) || j->gives[i] < 0) continue;
        gives[i] = (int8_t)n;
        for (int k = 0; k <= has(j->rows, i); k++) out[n++] = s->value[j->g->outputs[j->gives[i] + k * n_need]];
    }
    s->g->outputs = reel_alloc_array_((size_t)n + 1, sizeof *s->g->outputs);
    s->g->n_outputs = n;
    if (!s->g->inputs || !s->g->outputs) return REEL_ENOMEM;
    memcpy(s->g->inputs, s->input, (size_t)s->n_in * sizeof *s->input);
    memcpy(s->g->outputs, out, (size_t)n * sizeof *out);
    return 0;
}

static int split(splitting *s, int8_t gives[REEL_MAX_IN], bool *good)
{
    reel_type type[REEL_MAX_IN + 1];
    source from[REEL_MAX_IN + 1];
    const reel_graph *g = s->j->g;
    s->g = reel_graph_new_();
    s->value = reel_alloc_array_(g->n_values + 1, sizeof *s->value);
    s->source = reel_alloc_array_(REEL_MAX_IN + 1, sizeof *s->source);
    if (!s->g || !s->value || !s->source) return REEL_ENOMEM;
    s->g->widen = g->widen;
    if (g->n_texts) {
        if (reel_grow_((void **)&s->g->texts, &s->g->cap_texts, g->n_texts, 1)) return REEL_ENOMEM;
        memcpy(s->g->texts, g->texts, g->n_texts);
        s->g->n_texts = g->n_texts;
    }
    int rc = split_inputs(s, from, joint_types(s->j, type, from));
    for (size_t i = 0; i < g->n_nodes && !rc && *good; i++)
        if (g->nodes[i].kind != REEL_NODE_INPUT) rc = split_node(s, i, good);
    return rc || !*good ? rc : split_outputs(s, gives);
}

/* ---- kept with the forward ------------------------------------------------------------------------------------------------ */

static void back_free(reel_back *b)
{
    reel_control_release_(b->control);
    reel_free_(b->source, (REEL_MAX_IN + 1) * sizeof *b->source);
    reel_free_(b, sizeof *b);
}

void reel_backs_free_(reel_control *c)
{
    reel_back *b = atomic_load(&c->backs);
    while (b) {
        reel_back *next = b->next;
        back_free(b);
        b = next;
    }
}

static int put_control(reel_back *b, const splitting *s)
{
    const reel_control *c = s->j->c;
    b->control = reel_control_new_(REEL_CALL, s->n_in);
    if (!b->control) return REEL_ENOMEM;
    reel_part *p = &b->control->part[0];
    p->from = reel_alloc_array_((size_t)s->n_in + 1, sizeof *p->from);
    if (!p->from) return REEL_ENOMEM;
    p->n_in = s->n_in;
    p->as_it_is = true; /* its own gradient goes on with the sums, as its ops one by one would */
    for (int i = 0; i < s->n_in; i++) p->from[i] = i;
    b->control->n_out = s->g->n_outputs;
    b->n_in = s->n_in;
#ifndef NDEBUG
    const int rc = reel_graph_verify(s->g);
    if (rc) return rc;
#endif
    return reel_player_init_(&p->player, s->g, 8, 0, &c->part[0].player.passes);
}

static int back_make(const char *site, const reel_control *c, int n_op, pattern p, reel_back **made)
{
    joint j;
    bool good = false;
    reel_back *b = *made = reel_zalloc_(sizeof *b);
    if (!b) return REEL_ENOMEM;
    b->p = p;
    int rc = joint_trace(&j, site, c, n_op, p, &good);
    splitting s = {.j = &j};
    if (!rc && good) rc = split(&s, b->gives, &good);
    if (!rc && good && s.n_in && s.g->n_outputs) rc = put_control(b, &s);
    if (!rc && b->control && p.keeps) rc = reel_back_residuals_(site, b->control, b->n_in);
    b->source = s.source;
    b->rows = j.rows;
    reel_graph_release_(s.g);
    if (j.g) reel_free_(s.value, (j.g->n_values + 1) * sizeof *s.value);
    joint_drop(&j);
    return rc;
}

/* With the same pattern there may be two, of two threads. */
static int back_find(const char *site, reel_control *c, int n_op, pattern p, const reel_back **found)
{
    for (const reel_back *b = atomic_load(&c->backs); b; b = b->next)
        if (memcmp(&b->p, &p, sizeof p) == 0) {
            *found = b;
            return 0;
        }
    reel_back *b = NULL;
    const int rc = back_make(site, c, n_op, p, &b);
    if (rc) {
        if (b) back_free(b);
        return rc;
    }
    b->next = atomic_load(&c->backs);
    while (!atomic_compare_exchange_weak(&c->backs, &b->next, b)) {}
    *found = b;
    return 0;
}

/* ---- the gradient ------------------------------------------------------------------------------------------------------------- */

/* What is asked for; false: it has to be inlined. */
static bool pattern_of(const reel_control *c, const reel_vjp_args *v, const bool *need, reel_tensor *const *from,
                       pattern *p)
{
    bool ok = c->keeps;
    *p = (pattern){0};
    for (int i = 0; i < v->n_in && ok; i++) {
        if (!need[i]) continue;
        p->need |= (uint64_t)1 << i;
        if (from[i]) p->from |= (uint64_t)1 << i;
        ok = !is_rows(from[i]);
    }
    for (int i = 0; i < c->n_out && ok; i++) { /* also of residuals: a gradient of a gradient */
        if (!v->dout[i] || (i >= c->n_out - c->n_kept - c->n_cells && i < c->n_out - c->n_kept)) continue;
        ok = !is_rows(v->dout[i]);
        p->dout |= (uint64_t)1 << i;
    }
    p->keeps = reel_control_taped_();
    return ok && p->need && p->dout;
}

int reel_back_pull_(reel_control *c, const reel_vjp_args *v, const bool *need, reel_tensor *const *from,
                    reel_tensor **din)
{
    pattern p;
    const reel_back *b = NULL;
    if (!pattern_of(c, v, need, from, &p)) return -1;
    const int rc = back_find(v->site, c, v->n_in, p, &b);
    if (rc || !b->control) return rc ? rc : -1;
    reel_tensor *in[REEL_MAX_IN], *out[REEL_MAX_OUT];
    for (int i = 0; i < b->n_in; i++) {
        const source s = b->source[i];
        in[i] = s.what == FROM_IN     ? v->in[s.i]
                : s.what == FROM_OUT  ? v->out[s.i]
                : s.what == FROM_DOUT ? v->dout[s.i]
                                      : from[s.i];
    }
    reel_control_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.control = b->control;
    const int code =
        reel_door_(&reel_call_ops_[b->control->keeps ? 2 : 0], &attr, in, b->n_in, out, b->control->n_out, v->site);
    for (int i = 0; i < v->n_in && !code; i++) {
        reel_tensor *const *const given = b->gives[i] >= 0 ? &out[b->gives[i]] : NULL;
        din[i] = given ? given[0] : need[i] ? from[i] : NULL;
        if (given && has(b->rows, i)) din[i] = reel_row_sparse_at(v->site, given[0], given[1], v->in[i]);
    }
    return code ? code : reel_status();
}
