/* plan_fuse.c: elementwise steps that feed each other become one step, which goes once over memory, and so do reductions of the
   innermost axes with what makes their operand and what reads their result. A group runs where its last member stood: until somebody
   outside has read one of its values, members may move down to that place. Here groups are found; plan_group.c writes them down. */
#include <string.h>
#include "core/alloc.h"
#include "fuse.h"
#include "ops/attrs.h"
#include "ops/ids.h"

enum { ARGS = REEL_FUSED_ARGS, PARTS = REEL_FUSED_PARTS };

/* ---- which steps may be members ---------------------------------------------------------------------- */

static bool made_whole(const fuser *f, const pstep *s)
{
    const int32_t out = f->p->slots[s->slot + s->n_in].value;
    return out >= 0 && f->p->v[out].root == out;
}

static bool fusable(const fuser *f, const pstep *s)
{
    const reel_node *n = reel_fuser_node_(f, s);
    if (s->kind != STEP_RUN || !n || s->n_out != 1 || s->n_in > ARGS || !f->device->fuses(n->op)) return false;
    for (int k = 0; k < s->n_in; k++)
        if (f->p->slots[s->slot + k].value < 0) return false;
    return made_whole(f, s);
}

unsigned reel_reduced_axes_(const planner *p, const reel_node *n)
{
    const reel_shape *x = &p->v[p->g->ins[n->first_in]].type.shape;
    unsigned mask = 0;
    if (n->op->id == REEL_OP_sum_like) {
        const reel_shape *like = &p->v[p->g->ins[n->first_in + 1]].type.shape;
        const int lead = x->rank - like->rank;
        for (int d = 0; d < x->rank; d++)
            if (d < lead || like->dims[d - lead] == 1) mask |= 1u << d;
        return mask;
    }
    const reel_axes *axes = &((const reel_attr_reduce *)reel_node_attr_(p->g, n))->axes;
    for (int i = 0; i < axes->n; i++) mask |= 1u << (axes->axis[i] < 0 ? axes->axis[i] + x->rank : axes->axis[i]);
    return axes->n ? mask : (1u << x->rank) - 1;
}

/* Is it a reduction of the innermost axes (those of length 1 are anybody's)? */
static bool reducible(const fuser *f, const pstep *s, space *out)
{
    const reel_node *n = reel_fuser_node_(f, s);
    if (!f->by_rows || s->kind != STEP_RUN || !reel_fuser_reduces_(f, s) || s->n_out != 1 || !made_whole(f, s))
        return false;
    const reel_reduces how = f->device->reduces(n->op);
    if (how == REEL_REDUCES_NOT || f->p->slots[s->slot].value < 0) return false;
    *out = (space){.whole = *reel_shape_of_value_(f, f->p->slots[s->slot].value), .rows = 1, .cols = 1};
    const unsigned mask = reel_reduced_axes_(f->p, n);
    out->axis = out->whole.rank;
    while (out->axis > 0 && (out->whole.dims[out->axis - 1] == 1 || mask >> (out->axis - 1) & 1)) out->axis--;
    for (int d = 0; d < out->whole.rank; d++) {
        if (d < out->axis && mask >> d & 1 && out->whole.dims[d] != 1) return false;
        *(d < out->axis ? &out->rows : &out->cols) *= out->whole.dims[d];
    }
    return out->rows * out->cols > 1 && (how == REEL_REDUCES || out->cols <= REEL_FUSED_COLS);
}

/* ---- spaces ------------------------------------------------------------------------------------------ */

void reel_space_strides_(const planner *p, int32_t v, const reel_shape *of, int n, int64_t strides[REEL_MAX_RANK])
{
    const pvalue *x = &p->v[v];
    const int lead = of->rank - x->type.shape.rank;
    for (int d = 0; d < n; d++) strides[d] = d < lead || x->type.shape.dims[d - lead] == 1 ? 0 : x->strides[d - lead];
}

/* One element a row? Axes of length 1 may be there or not. */
static bool is_row_shape(const reel_shape *x, const space *s)
{
    int d = 0;
    for (int i = 0; i < x->rank; i++) {
        if (x->dims[i] == 1) continue;
        while (d < s->axis && s->whole.dims[d] == 1) d++;
        if (d >= s->axis || s->whole.dims[d++] != x->dims[i]) return false;
    }
    while (d < s->axis && s->whole.dims[d] == 1) d++;
    return d == s->axis;
}

bool reel_space_whole_(const space *s, const fuser *f, int32_t step)
{
    return !reel_fuser_reduces_(f, &f->p->steps[step]) &&
           reel_shape_same_(reel_shape_of_value_(f, reel_fuser_out_(f, step)), &s->whole);
}

/* What members of both would go over together. */
static bool in_common(const space *a, const space *b, space *out)
{
    const bool same = reel_shape_same_(&a->whole, &b->whole);
    *out = b->axis < 0 ? *a : *b;
    if (a->axis < 0 && b->axis < 0) return same;
    if (a->axis >= 0 && b->axis >= 0) return same && a->axis == b->axis;
    return same || (b->axis < 0 ? is_row_shape(&b->whole, a) : is_row_shape(&a->whole, b));
}

static bool steps_dense(const int64_t *strides, const reel_shape *of, int n)
{
    int64_t expect = 1;
    for (int d = n - 1; d >= 0; d--) {
        if (of->dims[d] == 1) continue;
        if (strides[d] != expect) return false;
        expect *= of->dims[d];
    }
    return true;
}

static bool repeated_from(const int64_t *strides, const reel_shape *of, int n)
{
    for (int d = n; d < of->rank; d++)
        if (of->dims[d] != 1 && strides[d] != 0) return false;
    return true;
}

/* ---- finding groups ---------------------------------------------------------------------------------- */

/* What a group of these two lists would read from outside: within what the kernel takes? */
static bool within_limits(fuser *f, const group *a, const group *b)
{
    const planner *p = f->p;
    int32_t seen[PARTS * ARGS];
    int n_seen = 0, n_in = 0, n_numbers = 0;
    if (a->n + b->n > PARTS || a->reductions + b->reductions > REEL_FUSED_REDUCTIONS) return false;
    for (int which = 0; which < 2; which++)
        for (int32_t i = (which ? b : a)->first; i >= 0; i = f->next[i]) {
            const pstep *s = &p->steps[i];
            for (int k = 0; k < reel_fuser_reads_(f, s); k++) {
                const pslot *slot = &p->slots[s->slot + k];
                const int32_t maker = f->maker[p->v[slot->value].root];
                int j = 0;
                while (j < n_seen && seen[j] != slot->value) j++;
                if (j < n_seen && !p->v[slot->value].weak) continue;
                seen[n_seen++] = slot->value;
                if (maker >= 0 && f->group_of[maker] >= 0) {
                    const group *g = &f->groups[reel_fuser_find_(f, f->group_of[maker])];
                    if (g == a || g == b) continue;
                }
                if (reel_is_one_(p, slot->value))
                    n_numbers++;
                else
                    n_in++;
            }
        }
    return n_in <= REEL_FUSED_IN && n_numbers <= REEL_FUSED_NUMBERS;
}

static void merge(fuser *f, int32_t a, int32_t b)
{
    group *x = &f->groups[a], *y = &f->groups[b];
    space s;
    (void)in_common(&x->s, &y->s, &s);
    x->s = s;
    int32_t i = x->first, j = y->first, *end = &x->first;
    while (i >= 0 || j >= 0) {
        int32_t *from = j < 0 || (i >= 0 && i < j) ? &i : &j;
        *end = x->last = *from;
        end = &f->next[*from];
        *from = *end;
    }
    *end = -1;
    x->n += y->n;
    x->reductions += y->reductions;
    y->into = a;
}

static int new_group(fuser *f, int32_t step, const space *s)
{
    if (reel_grow_((void **)&f->groups, &f->cap_groups, f->n_groups + 1, sizeof *f->groups)) return REEL_ENOMEM;
    f->groups[f->n_groups] = (group){.into = (int32_t)f->n_groups,
                                     .first = step,
                                     .last = step,
                                     .n = 1,
                                     .reductions = reel_fuser_reduces_(f, &f->p->steps[step]),
                                     .s = *s};
    f->group_of[step] = (int32_t)f->n_groups++;
    return 0;
}

/* The group that made what slot k of step i reads, or -1. */
static int32_t maker_group(fuser *f, int32_t i, int k)
{
    const int32_t value = f->p->slots[reel_first_operand_(&f->p->steps[i]) + k].value;
    const int32_t maker = value < 0 ? -1 : f->maker[f->p->v[value].root];
    return maker < 0 || f->group_of[maker] < 0 ? -1 : reel_fuser_find_(f, f->group_of[maker]);
}

/* Does step i read, in slot k, what g made as members do: element by element, or one a row? */
static bool may_join(fuser *f, int32_t i, int k, int32_t g)
{
    const planner *p = f->p;
    space s;
    if (f->group_of[i] < 0 || f->groups[g].sealed || k >= reel_fuser_reads_(f, &p->steps[i]) ||
        !in_common(&f->groups[g].s, &f->groups[reel_fuser_find_(f, f->group_of[i])].s, &s))
        return false;
    const int32_t value = p->slots[p->steps[i].slot + k].value;
    const pvalue *v = &p->v[value], *root = &p->v[v->root];
    if (v->offset != 0 || v->type.dtype != root->type.dtype) return false;
    const bool reduces = reel_fuser_reduces_(f, &p->steps[i]), to = reduces || reel_space_whole_(&s, f, i),
               from = reel_space_whole_(&s, f, f->maker[v->root]);
    const reel_shape *of = reduces ? &v->type.shape : reel_shape_of_value_(f, reel_fuser_out_(f, i));
    int64_t strides[REEL_MAX_RANK];
    reel_space_strides_(p, value, of, of->rank, strides);
    if (from == to)
        return (!reduces || reel_shape_same_(of, &s.whole)) && steps_dense(strides, of, of->rank) &&
               reel_count_(of) == reel_count_(&root->type.shape);
    return to && !reduces && s.cols <= REEL_FUSED_COLS && repeated_from(strides, of, s.axis) &&
           steps_dense(strides, of, s.axis);
}

static int take_step(fuser *f, int32_t i)
{
    const planner *p = f->p;
    const pstep *s = &p->steps[i];
    space own_space = {.axis = -1};
    if (fusable(f, s)) {
        own_space.whole = *reel_shape_of_value_(f, reel_fuser_out_(f, i));
        if (new_group(f, i, &own_space)) return REEL_ENOMEM;
    } else if (reducible(f, s, &own_space) && new_group(f, i, &own_space)) {
        return REEL_ENOMEM;
    }
    for (int k = 0; k < s->n_in; k++) { /* what is read otherwise than element by element, first */
        const int32_t g = maker_group(f, i, k);
        if (g >= 0 && !may_join(f, i, k, g)) f->groups[g].sealed = true;
    }
    for (int k = 0; k < s->n_in && f->group_of[i] >= 0; k++) {
        const int32_t g = maker_group(f, i, k), own = reel_fuser_find_(f, f->group_of[i]);
        if (g < 0 || g == own) continue;
        if (may_join(f, i, k, g) && within_limits(f, &f->groups[g], &f->groups[own]))
            merge(f, g, own);
        else
            f->groups[g].sealed = true;
    }
    for (int k = s->n_in; k < s->n_in + s->n_out; k++) {
        const int32_t value = s->node < 0 ? -1 : p->slots[reel_first_operand_(s) + k].value;
        if (value >= 0) f->maker[p->v[value].root] = i;
    }
    return 0;
}

int reel_plan_fuse_(planner *p, bool reductions)
{
    fuser f = {.p = p, .device = reel_device_(0), .w.p = p};
    f.by_rows = reductions && f.device->fused_rows;
    const size_t ns = p->n_steps + 1, nv = p->g->n_values + 1;
    if (!f.device->fused || p->n_steps < 2) return 0;
    f.group_of = reel_alloc_array_(ns, sizeof *f.group_of);
    f.next = reel_alloc_array_(ns, sizeof *f.next);
    f.maker = reel_alloc_array_(nv, sizeof *f.maker);
    f.reads = reel_zalloc_(nv * sizeof *f.reads);
    f.reads_inside = reel_zalloc_(nv * sizeof *f.reads_inside);
    f.number = reel_alloc_array_(nv, sizeof *f.number);
    int rc = f.group_of && f.next && f.maker && f.reads && f.reads_inside && f.number ? 0 : REEL_ENOMEM;
    if (!rc) {
        memset(f.group_of, 0xff, ns * sizeof *f.group_of);
        memset(f.next, 0xff, ns * sizeof *f.next);
        memset(f.maker, 0xff, nv * sizeof *f.maker);
        memset(f.number, 0xff, nv * sizeof *f.number);
        for (size_t i = 0; i < p->n_steps && !rc; i++) rc = take_step(&f, (int32_t)i);
    }
    if (!rc) rc = reel_plan_groups_(&f);
    reel_free_(f.group_of, ns * sizeof *f.group_of);
    reel_free_(f.next, ns * sizeof *f.next);
    reel_free_(f.maker, nv * sizeof *f.maker);
    reel_free_(f.reads, nv * sizeof *f.reads);
    reel_free_(f.reads_inside, nv * sizeof *f.reads_inside);
    reel_free_(f.number, nv * sizeof *f.number);
    reel_free_(f.groups, f.cap_groups * sizeof *f.groups);
    reel_rewriting_done_(&f.w, !rc);
    return rc;
}
