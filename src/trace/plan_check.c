/* plan_check.c: proves a plan, knowing nothing of how it was made. It plays the steps on a map of the arena that says which value lies
   in each 64 bytes: every read must find the very value that the graph says there, whole; what a step writes may lie over
   what it reads only where elementwise kernels allow it. So lifetimes, order, places, views, results and what later
   segments need are all checked, and those of sub-graphs as well, as their plans are made in the same way. Draws and effects
   must all happen, once, in program order. Linear in the memory that a run touches.

   Always on in debug builds; otherwise with .check_plans or REEL_CHECK_PLANS=1. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "ops/ids.h"
#include "planner.h"

enum { UNIT = 64, NOBODY = -1, SCRATCH = -2 };

/* Memory that a step touches. */
typedef struct span {
    int32_t ext; /* -1: the arena */
    int64_t from, to;
    int32_t operand; /* -1: workspace */
} span;
enum { MAX_SPANS = REEL_MANY_CALLS * REEL_MANY_IN + 2 }; /* more than an op has */

typedef struct checker {
    const planner *p;
    const reel_plan *plan;
    const reel_graph *g;
    int32_t *unit; /* by 64 bytes of the arena: the value, NOBODY, SCRATCH */
    size_t n_units;
    int32_t *ext; /* by record: the value that has been written there; NOBODY */
    size_t n_ext;
    reel_place *at;        /* by value that kernels make: where; NOTHING: not yet */
    uint8_t *done;         /* by node: how often it has run */
    int32_t step, ordered; /* the last node that keeps the program's order */
    span in[MAX_SPANS], out[MAX_SPANS];
    int n_in, n_out;
} checker;

REEL_COLD static int wrong(const checker *c, const char *fmt, ...) REEL_PRINTF(2, 3);
REEL_COLD static int wrong(const checker *c, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const int32_t node = c->step >= 0 && c->step < (int32_t)c->p->n_steps ? c->p->steps[c->step].node : -1;
    const reel_node *n = node >= 0 ? &c->g->nodes[node] : NULL;
    return reel_fail_at_(n ? n->site : c->p->rq->site, REEL_ETRACE, "reel_plan_check: step %d (%s): %s", c->step,
                         n && n->op ? n->op->name : "copy", text);
}

/* ---- values --------------------------------------------------------------------------------------------- */

/* Bytes that a value covers, from its first element's place on: [low, high). */
static void extent(const pvalue *v, int64_t *low, int64_t *high)
{
    const int64_t size = (int64_t)reel_size_(v->type.dtype);
    *low = *high = 0;
    if (reel_count_(&v->type.shape) == 0) return;
    for (int i = 0; i < v->type.shape.rank; i++) {
        const int64_t way = (v->type.shape.dims[i] - 1) * v->strides[i] * size;
        *(way < 0 ? low : high) += way;
    }
    *high += size;
}

/* Is the planner's idea of a view what the op's rule says? */
static int check_view(const checker *c, int32_t value)
{
    const planner *p = c->p;
    const pvalue *v = &p->v[value];
    const reel_node *n = &c->g->nodes[c->g->values[value].node];
    if (v->root == value || p->fed[value] || n->kind != REEL_NODE_OP) return 0;
    const reel_type *in[REEL_MAX_IN];
    reel_type out[REEL_MAX_OUT];
    int64_t strides[REEL_MAX_OUT][REEL_MAX_RANK], offset[REEL_MAX_OUT];
    const pvalue *src = &p->v[c->g->ins[n->first_in]];
    for (int k = 0; k < n->n_in; k++) in[k] = &p->v[c->g->ins[n->first_in + k]].type;
    for (int k = 0; k < n->n_out; k++) out[k] = p->v[n->first_out + k].type;
    const int k = value - n->first_out;
    if (!reel_node_views_(n->op, reel_node_attr_(c->g, n), in, n->n_in, src->strides, out, n->n_out, strides, offset))
        return wrong(c, "%%%d is no view", c->g->values[value].node);
    if (v->root != src->root || v->offset != src->offset + offset[k] ||
        memcmp(v->strides, strides[k], sizeof v->strides[0] * (size_t)v->type.shape.rank) != 0)
        return wrong(c, "%%%d is another view than its op says", c->g->values[value].node);
    return 0;
}

static int64_t number_offset(const pvalue *v, reel_dtype dtype)
{
    return v->weak ? (int64_t)reel_num_offset_(dtype) : 0;
}

/* Where the value lies by what has happened so far. */
static int place_of(const checker *c, int32_t value, reel_place *at)
{
    const planner *p = c->p;
    const int32_t root = p->v[value].root;
    const reel_node *n = &c->g->nodes[c->g->values[root].node];
    if (p->fed[root]) {
        *at = (reel_place){.kind = REEL_AT_EXT, .ext = p->given[root]};
    } else if (n->kind == REEL_NODE_CONST) {
        *at = (reel_place){.kind = REEL_AT_CONST, .rec = n->rec};
    } else if (n->kind == REEL_NODE_VAR) {
        int32_t k = 0;
        while (k < (int32_t)p->n_vars && p->vars[k] != n->rec) k++;
        if (k == (int32_t)p->n_vars) return wrong(c, "variable %%%d is not read", c->g->values[root].node);
        *at = (reel_place){.kind = REEL_AT_EXT, .ext = p->rq->n_feeds + k};
    } else if (c->at[root].kind != REEL_AT_NOTHING) {
        *at = c->at[root];
    } else if (p->parent && (p->r[root].kind == REEL_AT_CARRY || p->r[root].kind == REEL_AT_EXT ||
                             (p->r[root].kind == REEL_AT_CONST && n->kind == REEL_NODE_INPUT))) {
        *at = (reel_place){
            .kind = p->r[root].kind, .ext = p->r[root].ext, .rec = p->r[root].rec}; /* an earlier segment's */
    } else {
        return wrong(c, "%%%d is read before it is made", c->g->values[root].node);
    }
    at->offset += p->v[value].offset;
    return 0;
}

/* Is the value there, whole, and nothing else? */
static int check_there(const checker *c, int32_t value, const reel_place *at)
{
    const pvalue *v = &c->p->v[value];
    int64_t low, high;
    extent(v, &low, &high);
    if (at->kind == REEL_AT_EXT) {
        const int32_t has = c->ext[at->ext];
        const bool made = at->ext >= c->p->rq->n_feeds + (int32_t)c->p->n_vars + c->plan->first_fresh;
        if (has != (made ? v->root : NOBODY))
            return wrong(c, "%%%d is read where %s", c->g->values[value].node,
                         has == NOBODY ? "nothing has been written" : "something else has been written");
    }
    if (at->kind != REEL_AT_ARENA || high == low) return 0;
    if (at->offset + low < 0 || at->offset + high > (int64_t)c->plan->arena_bytes)
        return wrong(c, "%%%d lies outside the arena", c->g->values[value].node);
    for (int64_t u = (at->offset + low) / UNIT; u <= (at->offset + high - 1) / UNIT; u++)
        if (c->unit[u] != v->root)
            return wrong(c, "%%%d is read at %lld, where %s%d lies", c->g->values[value].node, (long long)u * UNIT,
                         c->unit[u] >= 0 ? "%" : "scratch ",
                         c->unit[u] >= 0 ? c->g->values[c->unit[u]].node : c->unit[u]);
    return 0;
}

static int read_value(checker *c, int32_t value, reel_dtype dtype, const reel_place *at, int32_t operand)
{
    reel_place want = {0};
    int64_t low, high;
    const pvalue *v = &c->p->v[value];
    int rc = check_view(c, value);
    if (reel_count_(&v->type.shape) == 0) return rc; /* empty values are made by nobody */
    if (!rc) rc = place_of(c, value, &want);
    if (rc) return rc;
    want.offset += number_offset(v, dtype);
    if (at->kind != want.kind || (at->kind == REEL_AT_CONST ? at->rec != want.rec : false) ||
        (at->kind == REEL_AT_EXT && at->ext != want.ext) || (at->kind == REEL_AT_CARRY && at->ext != want.ext) ||
        at->offset != want.offset)
        return wrong(c, "operand %d reads %%%d elsewhere than where it lies", operand, c->g->values[value].node);
    rc = check_there(c, value, at);
    if (rc) return rc;
    extent(v, &low, &high);
    if (at->kind == REEL_AT_ARENA || at->kind == REEL_AT_EXT)
        c->in[c->n_in++] =
            (span){at->kind == REEL_AT_ARENA ? -1 : at->ext, at->offset + low, at->offset + high, operand};
    return 0;
}

/* ---- what a step reads ---------------------------------------------------------------------------------- */

static int read_node(checker *c, const pstep *s)
{
    const reel_node *n = &c->g->nodes[s->node];
    const int32_t first = reel_first_operand_(s);
    if (s->n_in != n->n_in) return wrong(c, "it has %d inputs, the graph says %d", s->n_in, n->n_in);
    for (int k = 0; k < n->n_in; k++) {
        if (reel_shape_only_(n->op->flags, k)) continue;
        const int rc =
            read_value(c, c->g->ins[n->first_in + k], c->p->slots[first + k].dtype, &c->plan->slots[first + k], k);
        if (rc) return rc;
    }
    return 0;
}

/* The value that operand o of a fused step stands for. */
static int32_t operand_value(const checker *c, const pstep *s, int o)
{
    const reel_fused *f = s->fused;
    for (int i = 0; i < f->n_parts; i++)
        if (f->part[i].out == o) return c->g->nodes[f->part[i].node].first_out;
    return o < s->n_in + s->n_out ? c->p->slots[s->slot + o].value : -1;
}

/* The same elements in the same order, with or without axes of length 1: all members of a group have one shape. */
static bool alike(const pvalue *v, const pvalue *root)
{
    return v->offset == 0 && v->type.dtype == root->type.dtype && reel_is_dense_(&v->type.shape, v->strides) &&
           reel_count_(&v->type.shape) == reel_count_(&root->type.shape);
}

/* Where the i-th element of a member's shape lies, counted in v's elements. */
static int64_t element_of(const pvalue *v, const reel_shape *of, int64_t i)
{
    int64_t at = 0;
    for (int d = of->rank - 1, e = v->type.shape.rank - 1; d >= 0; d--, e--) {
        if (e >= 0 && v->type.shape.dims[e] != 1) at += i % of->dims[d] * v->strides[e];
        i /= of->dims[d];
    }
    return at;
}

/* In a group by rows: does part i read, as v, element by element what another part makes, or one element a row? Tried at many places. */
static bool alike_by_rows(const checker *c, const reel_fused *f, int i, int o, int32_t value)
{
    enum { PLACES = 97 };
    const reel_fused_part *part = &f->part[i];
    const pvalue *v = &c->p->v[value], *root = &c->p->v[v->root];
    const reel_shape *of = part->reduces ? &v->type.shape : &c->p->v[c->g->nodes[part->node].first_out].type.shape;
    const int64_t n = reel_count_(of);
    const bool whole = part->reduces || f->rows.whole[part->out];
    if (v->offset || v->type.dtype != root->type.dtype || n != (whole ? f->rows.n * f->rows.cols : f->rows.n) ||
        reel_count_(&root->type.shape) != (f->rows.whole[o] ? f->rows.n * f->rows.cols : f->rows.n))
        return false;
    for (int64_t k = 0; k < (n < PLACES ? n : PLACES); k++) {
        const int64_t at = n <= PLACES ? k : (n - 1) / (PLACES - 1) * k;
        if (element_of(v, of, at) != (whole && !f->rows.whole[o] ? at / f->rows.cols : at)) return false;
    }
    return whole || !f->rows.whole[o];
}

static int read_fused(checker *c, const pstep *s)
{
    const reel_fused *f = s->fused;
    for (int i = 0; i < f->n_parts; i++) {
        const reel_node *n = &c->g->nodes[f->part[i].node];
        if (n->op != f->part[i].op || f->part[i].n_in != (f->part[i].reduces ? 1 : n->n_in))
            return wrong(c, "member %d is another op than %%%d", i, f->part[i].node);
        for (int k = 0; k < f->part[i].n_in; k++) {
            const int o = f->part[i].in[k];
            const int32_t value = c->g->ins[n->first_in + k], has = operand_value(c, s, o);
            int by = -1; /* the member that makes it */
            for (int m = 0; m < f->n_parts; m++)
                if (f->part[m].out == o) by = m;
            if (by < 0                       ? has != value
                : c->p->v[value].root != has ? true
                : f->rows.n                  ? !alike_by_rows(c, f, i, o, value)
                                             : value != has && !alike(&c->p->v[value], &c->p->v[has]))
                return wrong(c, "member %d reads operand %d, which is not %%%d", i, o, c->g->values[value].node);
            if (by >= i) return wrong(c, "member %d reads what member %d makes later", i, by);
        }
    }
    for (int k = 0; k < s->n_in; k++) {
        const pslot *slot = &c->p->slots[s->slot + k];
        const int rc = read_value(c, slot->value, slot->dtype, &c->plan->slots[s->slot + k], k);
        if (rc) return rc;
    }
    return 0;
}

/* The product and its inputs; of the group, which operand is which value; it makes nothing but the outputs. */
static int read_after(checker *c, const pstep *s)
{
    const reel_after *a = s->after;
    const reel_fused *f = a->f;
    const reel_node *product = &c->g->nodes[a->node];
    const int n = f->n_in + f->n_numbers;
    int32_t made[REEL_FUSED_OPERANDS]; /* by operand */
    if (product->op != a->op || product->n_in != a->n_in)
        return wrong(c, "the product is another op than %%%d", a->node);
    if (s->n_in != a->n_in + n - 1 || a->over < 0 || a->over >= s->n_out || f->rows.n)
        return wrong(c, "the operands are not those of a product and its group");
    for (int k = 0; k < s->n_in; k++) {
        const int32_t value = c->p->slots[s->slot + k].value;
        if (k < a->n_in && reel_shape_only_(product->op->flags, k)) continue;
        if (k < a->n_in && value != c->g->ins[product->first_in + k])
            return wrong(c, "the product reads operand %d, which is not its input", k);
        const int rc = read_value(c, value, c->p->slots[s->slot + k].dtype, &c->plan->slots[s->slot + k], k);
        if (rc) return rc;
    }
    for (int o = 0, from = a->n_in; o < n + s->n_out; o++)
        made[o] = o == a->input ? product->first_out : c->p->slots[s->slot + from++].value;
    for (int i = 0; i < f->n_parts; i++) {
        const reel_fused_part *part = &f->part[i];
        const reel_node *member = &c->g->nodes[part->node];
        if (member->op != part->op || member->n_in != part->n_in)
            return wrong(c, "member %d is another op than %%%d", i, part->node);
        for (int k = 0; k < part->n_in; k++) {
            const int32_t value = c->g->ins[member->first_in + k], has = made[part->in[k]];
            if (value == has) continue;
            if (c->p->v[value].root != has || !alike(&c->p->v[value], &c->p->v[has]))
                return wrong(c, "member %d reads operand %d, which is not %%%d", i, part->in[k],
                             c->g->values[value].node);
        }
        if (part->out < n + s->n_out && made[part->out] != member->first_out)
            return wrong(c, "member %d makes something else than %%%d", i, part->node);
        made[part->out] = member->first_out;
    }
    return 0;
}

/* Each reduces, by those axes, what the group's output is; and makes the value of its node. */
static int read_columns(checker *c, const pstep *s)
{
    const reel_columns *all = s->columns;
    if (s->n_out != all->f->n_out + all->n || all->f->rows.n) return wrong(c, "its reductions are not %d", all->n);
    for (int k = 0; k < all->n; k++) {
        const reel_column *one = &all->column[k];
        const reel_node *n = &c->g->nodes[one->node];
        const int32_t x = c->g->ins[n->first_in], made = c->p->slots[s->slot + s->n_in + one->of].value;
        if (n->op != one->op || one->of < 0 || one->of >= all->f->n_out || one->axes != reel_reduced_axes_(c->p, n))
            return wrong(c, "reduction %d is another than %%%d", k, one->node);
        if (c->p->v[x].root != made || !alike(&c->p->v[x], &c->p->v[made]) ||
            !reel_shape_same_(&c->p->v[x].type.shape, &c->p->v[made].type.shape))
            return wrong(c, "reduction %d reads something else than %%%d", k, c->g->values[x].node);
        if (c->p->slots[s->slot + s->n_in + all->f->n_out + k].value != n->first_out)
            return wrong(c, "reduction %d makes something else than %%%d", k, one->node);
    }
    return 0;
}

static int read_many(checker *c, const pstep *s)
{
    for (int i = 0; i < s->many->n; i++) {
        const reel_one_call *call = &s->many->call[i];
        const reel_node *n = &c->g->nodes[call->node];
        if (n->op != call->op) return wrong(c, "call %d is another op than %%%d", i, call->node);
        for (int k = 0; k < n->n_in; k++) {
            const int o = call->first_in + k;
            if (c->p->slots[s->slot + o].value != c->g->ins[n->first_in + k])
                return wrong(c, "call %d reads operand %d, which is not its input %d", i, o, k);
            const int rc = read_value(c, c->g->ins[n->first_in + k], c->p->slots[s->slot + o].dtype,
                                      &c->plan->slots[s->slot + o], o);
            if (rc) return rc;
        }
        for (int k = 0; k < n->n_out; k++)
            if (c->p->slots[s->slot + s->n_in + call->first_out + k].value != n->first_out + k)
                return wrong(c, "call %d makes something else than %%%d", i, call->node);
    }
    return 0;
}

/* ---- what it writes ------------------------------------------------------------------------------------- */

/* The variable whose old value a late step's operand goes over; NULL: none. */
static const reel_change *change_of(const checker *c, int operand)
{
    for (int i = 0; i < c->plan->n_late; i++) {
        const reel_late *l = &c->plan->late[i];
        for (int k = l->first; k < l->first + l->n && l->step == c->step; k++)
            if (c->plan->changes[k].operand == operand) return &c->plan->changes[k];
    }
    return NULL;
}

static int write_value(checker *c, const pstep *s, int j)
{
    const int32_t first = reel_first_operand_(s), slot = first + s->n_in + j;
    const reel_node *n = &c->g->nodes[s->node];
    const int32_t value = s->fused || s->many || s->after ? c->p->slots[slot].value : n->first_out + j;
    const reel_place *at = &c->plan->slots[slot];
    const int64_t bytes = (int64_t)reel_type_bytes_(&c->p->v[value].type);
    const reel_change *change = change_of(c, slot - s->slot);
    span w = {-1, at->offset, at->offset + bytes, s->n_in + j};
    if (change) {
        w = (span){change->ext, 0, bytes, s->n_in + j};
        if (s->kind == STEP_LATE)
            return 0; /* changes rows of what it reads; nothing else may read that then: see checks of reads */
    } else if (at->kind == REEL_AT_EXT) {
        w.ext = at->ext;
        if (at->offset || w.ext < c->p->rq->n_feeds + (int32_t)c->p->n_vars)
            return wrong(c, "output %d goes to record %d, which is not the run's", j, w.ext);
    } else if (at->kind != REEL_AT_ARENA) {
        return wrong(c, "output %d goes nowhere", j);
    } else if (at->offset % UNIT || at->offset < 0 || w.to > (int64_t)c->plan->arena_bytes) {
        return wrong(c, "output %d goes to [%lld, %lld) of an arena of %zu bytes", j, (long long)w.from,
                     (long long)w.to, c->plan->arena_bytes);
    }
    c->out[c->n_out++] = w;
    const int32_t fresh = w.ext - c->p->rq->n_feeds - (int32_t)c->p->n_vars;
    if (!change && fresh >= c->plan->first_fresh && c->plan->donor[fresh - c->plan->first_fresh] >= 0)
        c->out[c->n_out++] = (span){c->plan->donor[fresh - c->plan->first_fresh], 0, bytes, s->n_in + j};
    if (c->p->slots[slot].bytes) return 0;
    c->at[value] = w.ext < 0 ? (reel_place){.kind = REEL_AT_ARENA, .offset = w.from}
                             : (reel_place){.kind = REEL_AT_EXT, .ext = w.ext};
    return 0;
}

static bool overlap(const span *a, const span *b)
{
    if (a->ext != b->ext || a->from == a->to || b->from == b->to) return false;
    if (a->ext >= 0) return true; /* a whole record */
    return a->from / UNIT <= (b->to - 1) / UNIT && b->from / UNIT <= (a->to - 1) / UNIT;
}

/* May this output lie over that input? Elementwise, the same elements in the same order, and read by then. */
static bool may_go_over(const checker *c, const pstep *s, int in, int out)
{
    const int32_t a = c->p->slots[s->slot + in].value, b = c->p->slots[s->slot + out].value;
    if (a < 0 || b < 0 || s->node < 0) return false;
    const pvalue *v = &c->p->v[a], *w = &c->p->v[b];
    if (v->offset || !reel_same_type_(&v->type, &w->type) || !reel_is_dense_(&v->type.shape, v->strides)) return false;
    if (s->fused) {
        int read = -1, written = -1;
        for (int i = 0; i < s->fused->n_parts; i++) {
            const reel_fused_part *part = &s->fused->part[i];
            if (part->out == out) written = i;
            for (int k = 0; k < part->n_in; k++)
                if (part->in[k] == in) read = i;
        }
        const bool apart =
            s->fused->rows.n && in < s->fused->n_in && s->fused->rows.whole[in] != s->fused->rows.whole[out];
        return read <= written && !apart;
    }
    if (s->after) return false; /* the product reads on while blocks are written */
    if (s->many) {
        const reel_one_call *call = s->many->call;
        while (call->first_in + call->op->n_in <= in) call++;
        out -= s->n_in + call->first_out; /* of the same call? */
        return out >= 0 && out < call->op->n_out;
    }
    const reel_op *op = c->g->nodes[s->node].op;
    if (s->kind != STEP_RUN || !(op->flags & REEL_OPF_ELEMENTWISE)) return false;
    return s->n_out == 1 || op->id == REEL_OP_sgd_update || op->id == REEL_OP_adam_update;
}

static int check_apart(const checker *c, const pstep *s)
{
    for (int j = 0; j < c->n_out; j++) {
        for (int k = 0; k < j; k++)
            if (overlap(&c->out[j], &c->out[k]))
                return wrong(c, "operands %d and %d (-1: workspace) are written at the same place", c->out[k].operand,
                             c->out[j].operand);
        for (int k = 0; k < c->n_in; k++) {
            if (!overlap(&c->out[j], &c->in[k])) continue;
            if (c->out[j].operand < 0 || c->out[j].from != c->in[k].from || c->out[j].to != c->in[k].to ||
                !may_go_over(c, s, c->in[k].operand, c->out[j].operand))
                return wrong(c, "operand %d (-1: workspace) is written over operand %d", c->out[j].operand,
                             c->in[k].operand);
        }
    }
    return 0;
}

static void paint(checker *c, const span *w, int32_t value)
{
    if (w->ext >= 0) {
        c->ext[w->ext] = value;
        return;
    }
    for (int64_t u = w->from / UNIT; w->to > w->from && u <= (w->to - 1) / UNIT; u++) c->unit[u] = value;
}

static int write_all(checker *c, const pstep *s)
{
    const bool first_half = s->kind == STEP_COUNT || s->kind == STEP_CHECK;
    const size_t room = s->workspace + (first_half ? 128 : 0), work = c->plan->steps[c->step].work;
    int rc = 0;
    if (room) {
        if (work % UNIT || work + room > c->plan->arena_bytes) return wrong(c, "its workspace is outside the arena");
        c->out[c->n_out++] = (span){-1, (int64_t)work, (int64_t)(work + room), -1};
    }
    if (s->node < 0) {
        const reel_place *at = &c->plan->slots[s->slot + 1];
        if (at->kind != REEL_AT_EXT) return wrong(c, "a copy goes nowhere");
        c->out[c->n_out++] = (span){at->ext, 0, 1, 1};
    }
    for (int j = 0; j < s->n_out && s->node >= 0 && !rc; j++) rc = write_value(c, s, j);
    if (!rc) rc = check_apart(c, s);
    for (int j = 0; j < c->n_out && !rc; j++) {
        const int32_t slot = s->slot + c->out[j].operand;
        const bool value = c->out[j].operand >= 0 && s->node >= 0 && !c->p->slots[slot + (s->kind == STEP_FILL)].bytes;
        paint(c, &c->out[j],
              s->node < 0 ? s->from
              : value     ? c->p->slots[slot + (s->kind == STEP_FILL)].value
                          : SCRATCH);
    }
    return rc;
}

/* ---- steps ---------------------------------------------------------------------------------------------- */

static int happened(checker *c, int32_t node)
{
    const reel_op *op = c->g->nodes[node].op;
    if (c->done[node]++) return wrong(c, "%%%d happens twice", node);
    if (op->id >= 0 && op->id < REEL_N_OPS && !(op->flags & (REEL_OPF_RANDOM | REEL_OPF_EFFECT))) return 0;
    if (node < c->ordered) return wrong(c, "%%%d comes behind %%%d", node, c->ordered);
    c->ordered = node;
    return 0;
}

static int check_step(checker *c)
{
    const pstep *s = &c->p->steps[c->step];
    int rc = 0;
    c->n_in = c->n_out = 0;
    if (s->node >= 0 && s->kind != STEP_CHECK && !s->fused && !s->many && !s->after) rc = happened(c, s->node);
    for (int i = 0; s->fused && i < s->fused->n_parts && !rc; i++) rc = happened(c, s->fused->part[i].node);
    for (int i = 0; s->columns && i < s->columns->n && !rc; i++) rc = happened(c, s->columns->column[i].node);
    for (int i = 0; s->many && i < s->many->n && !rc; i++) rc = happened(c, s->many->call[i].node);
    if (s->after && !rc) rc = happened(c, s->after->node);
    for (int i = 0; s->after && i < s->after->f->n_parts && !rc; i++) rc = happened(c, s->after->f->part[i].node);
    if (rc || s->kind == STEP_RESERVE) return rc;
    if (s->node < 0)
        rc = read_value(c, s->from, c->p->v[s->from].type.dtype, &c->plan->slots[s->slot], 0);
    else
        rc = s->fused ? read_fused(c, s) : s->many ? read_many(c, s) : s->after ? read_after(c, s) : read_node(c, s);
    if (!rc && s->columns) rc = read_columns(c, s);
    return rc ? rc : write_all(c, s);
}

/* Steps behind the last that may fail: they write over variables. */
static int check_late(checker *c)
{
    for (int i = 0; i < c->plan->n_late; i++)
        if (c->plan->late[i].step < c->plan->n_steps) return wrong(c, "a variable changes too early");
    for (c->step = c->plan->n_steps; c->step < (int32_t)c->p->n_steps; c->step++) {
        const pstep *s = &c->p->steps[c->step];
        const reel_op *op = s->node >= 0 ? c->g->nodes[s->node].op : NULL;
        if (s->kind == STEP_LATE || s->fused || s->many) continue;
        if (!op || s->kind != STEP_RUN || !(op->flags & REEL_OPF_ELEMENTWISE) || op->flags & REEL_OPF_RANDOM)
            return wrong(c, "it may fail when variables are being changed");
    }
    return 0;
}

/* ---- the end -------------------------------------------------------------------------------------------- */

static int check_result(const checker *c, int32_t value, const reel_result *r)
{
    const pvalue *v = &c->p->v[value];
    const int32_t base = c->p->rq->n_feeds + (int32_t)c->p->n_vars;
    if (r->place.kind == REEL_AT_EXT && r->place.ext >= base) {
        const int32_t has = c->ext[r->place.ext];
        const bool earlier = c->p->parent && r->place.ext < base + c->plan->first_fresh;
        if (!earlier && has != v->root && has != value)
            return wrong(c, "a result is not what %%%d has made", c->g->values[value].node);
        return 0;
    }
    reel_place want = {0};
    const int rc = place_of(c, value, &want);
    if (rc) return rc;
    if (want.kind != r->place.kind || (want.kind == REEL_AT_EXT && want.ext != r->place.ext) ||
        (want.kind == REEL_AT_CONST && want.rec != r->place.rec) || want.kind == REEL_AT_ARENA)
        return wrong(c, "a result lies elsewhere than %%%d", c->g->values[value].node);
    return 0;
}

static bool is_empty(const checker *c, int32_t value)
{
    return reel_count_(&c->p->v[value].type.shape) == 0;
}

/* What variable `cell` is left with. */
static int check_commit(const checker *c, const reel_rec *cell, int32_t value)
{
    if (is_empty(c, value)) return 0;
    for (int i = c->plan->n_fetches; i < c->plan->n_results; i++)
        if (c->plan->results[i].cell == cell) return check_result(c, value, &c->plan->results[i]);
    for (int i = 0; i < c->plan->n_changes; i++) {
        const reel_change *u = &c->plan->changes[i];
        if (u->cell != cell) continue;
        const int32_t var = u->ext - c->p->rq->n_feeds;
        if (var < 0 || var >= (int32_t)c->p->n_vars || c->p->vars[var] != cell)
            return wrong(c, "another variable is written over");
        const int32_t has = c->ext[u->ext];
        const bool rows = has == NOBODY && c->p->late && c->p->late[c->g->values[value].node];
        return has == c->p->v[value].root || rows
                   ? 0
                   : wrong(c, "a variable is left with something else than %%%d", c->g->values[value].node);
    }
    return wrong(c, "a variable is not given %%%d", c->g->values[value].node);
}

static int check_commits(const checker *c)
{
    for (size_t i = c->g->n_nodes;
         i-- > 0;) { /* done is free now: a variable's node is marked by its last assignment */
        const reel_node *n = &c->g->nodes[i];
        if (!c->p->need[i] || !reel_is_assign_(n)) continue;
        const int32_t var = c->g->values[c->g->ins[n->first_in]].node;
        if (c->done[var]) continue;
        c->done[var] = 1;
        const int rc = check_commit(c, c->g->nodes[var].rec, c->g->ins[n->first_in + 1]);
        if (rc) return rc;
    }
    return 0;
}

/* What nodes from the seam on read of what has been made so far. */
static int check_kept(checker *c)
{
    for (size_t i = (size_t)c->p->seam; i < c->g->n_nodes; i++) {
        const reel_node *n = &c->g->nodes[i];
        for (int k = 0; k < n->n_in && n->kind == REEL_NODE_OP && c->p->need[i] & REEL_NEED_VALUE; k++) {
            const int32_t value = c->g->ins[n->first_in + k];
            reel_place at;
            if (reel_shape_only_(n->op->flags, k) || !c->p->v[value].type.dtype) continue;
            if (c->at[c->p->v[value].root].kind == REEL_AT_NOTHING) continue;
            int rc = place_of(c, value, &at);
            if (!rc) rc = check_there(c, value, &at);
            if (rc) return rc;
        }
    }
    return 0;
}

/* All draws and effects. */
static int check_happened(const checker *c)
{
    const size_t end = c->p->seam >= 0 ? (size_t)c->p->seam : c->g->n_nodes;
    for (size_t i = c->p->first; i < end; i++) {
        const reel_node *n = &c->g->nodes[i];
        if (!n->op || reel_is_assign_(n) || c->done[i] || !(n->op->flags & (REEL_OPF_RANDOM | REEL_OPF_EFFECT)))
            continue;
        bool fed = n->n_out > 0, empty = n->n_out > 0;
        for (int k = 0; k < n->n_out; k++) {
            fed = fed && c->p->fed[n->first_out + k];
            empty = empty && c->p->v[n->first_out + k].type.dtype && is_empty(c, n->first_out + k);
        }
        const bool asked = n->op->flags & REEL_OPF_RANDOM ? c->p->rq->effects : c->p->need[i] & REEL_NEED_VALUE;
        if (asked && !fed && !empty) return wrong(c, "%%%zu does not happen", i);
    }
    return 0;
}

static int check_all(checker *c)
{
    int rc = 0;
    for (; c->step < (int32_t)c->p->n_steps && !rc; c->step++) {
        rc = check_step(c);
        if (rc) return rc;
    }
    if (!rc) rc = check_late(c);
    if (!rc) rc = check_happened(c);
    if (!rc && c->p->seam >= 0) return check_kept(c);
    for (int i = 0; i < c->plan->n_fetches && !rc; i++)
        if (!is_empty(c, c->p->rq->fetch[i])) rc = check_result(c, c->p->rq->fetch[i], &c->plan->results[i]);
    return rc ? rc : check_commits(c);
}

int reel_plan_check_(const planner *p)
{
    checker *c = reel_zalloc_(sizeof *c);
    if (!c) return REEL_ENOMEM;
    *c = (checker){.p = p, .plan = p->plan, .g = p->g, .ordered = -1};
    c->n_units = p->plan->arena_bytes / UNIT + 1;
    c->n_ext = (size_t)p->rq->n_feeds + p->n_vars + (size_t)p->plan->first_fresh + p->n_fresh + 1;
    c->unit = reel_alloc_array_(c->n_units, sizeof *c->unit);
    c->ext = reel_alloc_array_(c->n_ext, sizeof *c->ext);
    c->at = reel_zalloc_((p->g->n_values + 1) * sizeof *c->at);
    c->done = reel_zalloc_(p->g->n_nodes + 1);
    int rc = c->unit && c->ext && c->at && c->done ? 0 : REEL_ENOMEM;
    if (!rc) {
        memset(c->unit, 0xff, c->n_units * sizeof *c->unit);
        memset(c->ext, 0xff, c->n_ext * sizeof *c->ext);
        rc = check_all(c);
    }
    reel_free_(c->unit, c->n_units * sizeof *c->unit);
    reel_free_(c->ext, c->n_ext * sizeof *c->ext);
    reel_free_(c->at, (p->g->n_values + 1) * sizeof *c->at);
    reel_free_(c->done, p->g->n_nodes + 1);
    reel_free_(c, sizeof *c);
    return rc;
}
