/* sizes.c: sizes that depend on data, in files whose arrays are as large as they can ever be. Each op that counts has a bound, which is the
   size everything is planned with, and a count of each run. A value with such an axis may be fetched (with its count), go through
   elementwise ops and reductions by other axes, and be viewed; sums and the like over that axis, and rows picked by such indices, go as
   far as there is something (limits). Anything else would take what lies behind the count for data. */
#include <string.h>
#include "core/alloc.h"
#include "core/shape.h"
#include "emit.h"
#include "trace/debug.h"

static const reel_sized none = {.count = REEL_NO_COUNT};

/* The axis of output j of node n that its op counts; -1: none. */
static int counted_axis(const reel_graph *g, const reel_node *n, int j)
{
    const void *attr = reel_node_attr_(g, n);
    if (n->op->id == REEL_OP_compress) {
        const int axis = ((const reel_attr_axis *)attr)->axis;
        return axis < 0 ? axis + g->values[n->first_out].type.shape.rank : axis;
    }
    if (n->op->id == REEL_OP_unique_all) {
        const reel_attr_unique *a = attr;
        if (j == 2) return -1;
        if (j == 0 && !a->flat) return a->axis < 0 ? a->axis + g->values[n->first_out].type.shape.rank : a->axis;
    }
    return 0;
}

static int refuse(const planner *p, const reel_node *n, const reel_sized *s)
{
    const reel_node *by = &p->g->nodes[s->node];
    return reel_fail_at_(
        n->site, REEL_ETRACE,
        "reel_export_c: reel_%s has no exported form here: it reads a value whose size depends on data, by reel_%s at "
        "%s: that can only be "
        "fetched, viewed whole, summed, pick rows, or go through elementwise ops with numbers and its like",
        n->op->name, by->op->name, reel_site_base_(by->site));
}

/* A view that still has the whole axis, from value `in`, whose axis s says. */
static int viewed_axis(const planner *p, int32_t in, int32_t out, const reel_sized *s)
{
    const pvalue *x = &p->v[in], *y = &p->v[out];
    const int64_t n = x->type.shape.dims[s->axis];
    int found = -1;
    for (int i = 0; i < y->type.shape.rank; i++) {
        if (y->type.shape.dims[i] != n || (n > 1 && y->strides[i] != x->strides[s->axis])) continue;
        if (found >= 0) return -1; /* of two axes of one element either may be it */
        found = i;
    }
    return found;
}

/* Does the emitter of that reduction go over as many as there are? */
static bool is_limited(int id)
{
    static const int ops[] = {REEL_OP_sum,        REEL_OP_mean, REEL_OP_prod, REEL_OP_l1,           REEL_OP_l2,
                              REEL_OP_sum_square, REEL_OP_any,  REEL_OP_all,  REEL_OP_count_nonzero};
    bool found = false;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) found |= ops[i] == id;
    return found;
}

static int reduced_axis(const planner *p, const reel_node *n, int32_t out, int axis)
{
    const unsigned mask = reel_reduced_axes_(p, n);
    const int rank = p->v[p->g->ins[n->first_in]].type.shape.rank, left = p->v[out].type.shape.rank;
    int at = axis;
    for (int i = 0; i < axis && left < rank; i++) at -= (int)(mask >> i & 1);
    return at;
}

static bool picks_rows(int id)
{
    return id == REEL_OP_gather || id == REEL_OP_embedding;
}

/* Where the indices' axes stand in what gather or embedding gives. */
static int first_picked(const planner *p, const reel_node *n)
{
    if (n->op->id == REEL_OP_embedding) return 0;
    const int axis = ((const reel_attr_axis *)reel_node_attr_(p->g, n))->axis;
    return axis < 0 ? axis + p->v[p->g->ins[n->first_in]].type.shape.rank : axis;
}

/* Of a value that has been planned. The node that makes it may be made of such values, see check. */
static reel_sized sized(reel_eplan *q, const planner *p, int32_t value)
{
    reel_sized *s = &q->sized[value];
    if (s->known) return *s;
    if (p->fed[value]) return none;
    const int32_t i = p->g->values[value].node;
    const reel_node *n = &p->g->nodes[i];
    const int j = value - n->first_out;
    *s = none;
    s->known = true;
    if (!n->op) return *s;
    if (n->op->flags & REEL_OPF_DYNAMIC) {
        const int axis = counted_axis(p->g, n, j);
        for (int k = 0; k < q->n_counts && axis >= 0; k++)
            if (q->counted[k] == i) *s = (reel_sized){.known = true, .count = k, .axis = axis, .node = i};
        return *s;
    }
    for (int k = 0; k < n->n_in; k++) {
        const int32_t in = p->g->ins[n->first_in + k];
        const reel_sized from = sized(q, p, in);
        if (from.count == REEL_NO_COUNT) continue;
        const int rank = p->v[in].type.shape.rank;
        *s = from;
        if (n->op->flags & REEL_OPF_ELEMENTWISE)
            s->axis += p->v[value].type.shape.rank - rank;
        else if (n->op->flags & REEL_OPF_REDUCTION && reel_reduced_axes_(p, n) >> from.axis & 1)
            *s = (reel_sized){.known = true, .count = REEL_NO_COUNT};
        else if (n->op->flags & REEL_OPF_REDUCTION)
            s->axis = reduced_axis(p, n, value, from.axis);
        else if (picks_rows(n->op->id))
            s->axis += first_picked(p, n);
        else
            s->axis = p->v[value].root == p->v[in].root ? viewed_axis(p, in, value, &from) : -1;
        return *s;
    }
    return *s;
}

/* Do all inputs of an elementwise node have the axis that s says of input k, or one element there? */
static bool alike(reel_eplan *q, const planner *p, const reel_node *n, int k, const reel_sized *s)
{
    const int behind = p->v[p->g->ins[n->first_in + k]].type.shape.rank - s->axis; /* axes from it on */
    for (int i = 0; i < n->n_in; i++) {
        const int32_t in = p->g->ins[n->first_in + i];
        const reel_shape *x = &p->v[in].type.shape;
        const reel_sized other = sized(q, p, in);
        if (other.count != REEL_NO_COUNT ? other.count != s->count || x->rank - other.axis != behind
                                         : x->rank >= behind && x->dims[x->rank - behind] != 1)
            return false;
    }
    return true;
}

int reel_export_sizes_check_(reel_plan_printer *self, const planner *p, size_t i)
{
    reel_eplan *q = (reel_eplan *)(void *)self;
    const reel_node *n = &p->g->nodes[i];
    if (!q->n_counts) return 0;
    for (int k = 0; k < n->n_in; k++) {
        const reel_sized s = sized(q, p, p->g->ins[n->first_in + k]);
        if (s.count == REEL_NO_COUNT) continue;
        const unsigned flags = n->op->flags;
        const bool first = k == 0 && !reel_shape_only_(flags, 0);
        int count;
        bool may = first && (flags & REEL_OPF_VIEW);
        if (flags & REEL_OPF_ELEMENTWISE) may = s.axis >= 0 && alike(q, p, n, k, &s);
        if (flags & REEL_OPF_REDUCTION) may = first && s.axis >= 0 && !(reel_reduced_axes_(p, n) >> s.axis & 1);
        if (!may && reel_export_limit_(q, p, n, k, &count) < 0) return refuse(p, n, &s);
    }
    return 0;
}

int reel_export_limit_(reel_eplan *q, const planner *p, const reel_node *n, int k, int *count)
{
    const reel_sized s = sized(q, p, p->g->ins[n->first_in + k]);
    if (s.count == REEL_NO_COUNT || s.axis < 0) return -1;
    const bool sums = k == 0 && is_limited(n->op->id) && reel_reduced_axes_(p, n) >> s.axis & 1;
    if (!sums && !(k == 1 && picks_rows(n->op->id))) return -1;
    *count = s.count;
    return s.axis;
}

/* What the op can count at most, as its outputs' size. */
int reel_export_bound_(reel_plan_printer *self, const planner *p, size_t i, reel_type *out)
{
    reel_eplan *q = (reel_eplan *)(void *)self;
    const reel_node *n = &p->g->nodes[i];
    const reel_shape *x = &p->v[p->g->ins[n->first_in]].type.shape;
    int64_t most = 0;
    if (q->part)
        return reel_fail_at_(
            n->site, REEL_ETRACE,
            "reel_export_c: reel_%s has no exported form here: its size depends on data, within an op that has a "
            "body",
            n->op->name);
    switch (n->op->id) {
    case REEL_OP_nonzero: most = reel_count_(x); break;
    case REEL_OP_compress: most = p->v[p->g->ins[n->first_in + 1]].type.shape.dims[0]; break;
    case REEL_OP_unique_all:
        most = ((const reel_attr_unique *)reel_node_attr_(p->g, n))->flat ? reel_count_(x)
                                                                          : x->dims[counted_axis(p->g, n, 0)];
        break;
    default:
        return reel_fail_at_(
            n->site, REEL_ETRACE,
            "reel_export_c: reel_%s has no exported form: its size depends on data, and nothing bounds it",
            n->op->name);
    }
    for (int j = 0; j < n->n_out; j++)
        for (int k = 0; k < out[j].shape.rank; k++)
            if (out[j].shape.dims[k] == REEL_ANY) out[j].shape.dims[k] = most;
    if (!q->sized) q->sized = reel_zalloc_((q->n_values = p->g->n_values + 1) * sizeof *q->sized);
    if (!q->sized || reel_grow_((void **)&q->counted, &q->cap_counted, (size_t)q->n_counts + 1, sizeof *q->counted))
        return REEL_ENOMEM;
    q->counted[q->n_counts++] = (int32_t)i;
    return 0;
}

int reel_export_count_of_(const reel_eplan *q, int32_t node)
{
    for (int k = 0; k < q->n_counts; k++)
        if (q->counted[k] == node) return k;
    return REEL_NO_COUNT;
}

int reel_export_sized_fetches_(reel_eplan *q, const planner *p)
{
    const int n = p->rq->n_fetches;
    if (!q->n_counts) return 0;
    q->n_fetched = (size_t)n + 1;
    q->fetched = reel_zalloc_(q->n_fetched * sizeof *q->fetched);
    for (int i = 0; i < n && q->fetched; i++) {
        const int32_t value = p->rq->fetch[i];
        reel_sized *s = &q->fetched[i];
        char wanted[128];
        *s = sized(q, p, value);
        if (s->count == REEL_NO_COUNT) continue;
        if (s->axis < 0) return refuse(p, &p->g->nodes[p->g->values[value].node], s);
        snprintf(wanted, sizeof wanted, "%.100s_count", q->x->fetch_name[i]);
        s->name = reel_take_name_(q->x, "", wanted);
        if (!s->name) return reel_status();
    }
    return q->fetched ? 0 : REEL_ENOMEM;
}
