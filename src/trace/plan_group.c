/* plan_group.c: groups of steps written down as fused steps. */
#include <string.h>
#include "core/alloc.h"
#include "fuse.h"

enum { ARGS = REEL_FUSED_ARGS, PARTS = REEL_FUSED_PARTS };

/* ---- new steps for old ------------------------------------------------------------------------------- */

int reel_rewriting_room_(rewriting *w, size_t slots)
{
    if (reel_grow_((void **)&w->steps, &w->cap_steps, w->n_steps + 1, sizeof *w->steps)) return REEL_ENOMEM;
    return reel_grow_((void **)&w->slots, &w->cap_slots, w->n_slots + slots + 1, sizeof *w->slots);
}

void reel_rewriting_at_(rewriting *w, size_t i)
{
    const planner *p = w->p;
    if (w->late < p->n_lates && p->lates[w->late].step == (int)i) p->lates[w->late++].step = (int)w->n_steps;
}

/* Its slots end where the next one's begin. */
int reel_rewriting_keep_(rewriting *w, int32_t i)
{
    const planner *p = w->p;
    const size_t from = (size_t)p->steps[i].slot,
                 to = (size_t)i + 1 < p->n_steps ? (size_t)p->steps[i + 1].slot : p->n_slots;
    if (reel_rewriting_room_(w, to - from)) return REEL_ENOMEM;
    w->steps[w->n_steps] = p->steps[i];
    w->steps[w->n_steps++].slot = (int32_t)w->n_slots;
    if (to > from) memcpy(w->slots + w->n_slots, p->slots + from, (to - from) * sizeof *w->slots);
    w->n_slots += to - from;
    return 0;
}

void reel_rewriting_done_(rewriting *w, bool take)
{
    planner *p = w->p;
    if (take) {
        const rewriting old = {
            .steps = p->steps, .slots = p->slots, .cap_steps = p->cap_steps, .cap_slots = p->cap_slots};
        p->steps = w->steps;
        p->slots = w->slots;
        p->n_steps = w->n_steps;
        p->n_slots = w->n_slots;
        p->cap_steps = w->cap_steps;
        p->cap_slots = w->cap_slots;
        w->steps = old.steps;
        w->slots = old.slots;
        w->cap_steps = old.cap_steps;
        w->cap_slots = old.cap_slots;
        reel_planner_lasts_(p);
    }
    reel_free_(w->steps, w->cap_steps * sizeof *w->steps);
    reel_free_(w->slots, w->cap_slots * sizeof *w->slots);
}

/* ---- operands ---------------------------------------------------------------------------------------- */

/* Reads of what the group makes; a root that it makes is marked in f->number while this runs. */
static void count_inside(fuser *f, const int32_t *member, int n)
{
    const planner *p = f->p;
    for (int m = 0; m < n; m++) {
        f->number[reel_fuser_out_(f, member[m])] = 0;
        f->reads_inside[reel_fuser_out_(f, member[m])] = 0;
    }
    for (int m = 0; m < n; m++) {
        const pstep *s = &p->steps[member[m]];
        for (int k = 0; k < s->n_in; k++) {
            const int32_t value = p->slots[s->slot + k].value;
            if (value >= 0 && f->number[p->v[value].root] >= 0) f->reads_inside[p->v[value].root]++;
        }
    }
    for (int m = 0; m < n; m++) f->number[reel_fuser_out_(f, member[m])] = -1;
}

static void count_reads(fuser *f)
{
    const planner *p = f->p;
    for (size_t i = 0; i < p->n_steps; i++)
        for (int k = 0; k < p->steps[i].n_in; k++) {
            const int32_t value = p->slots[reel_first_operand_(&p->steps[i]) + k].value;
            if (value >= 0) f->reads[p->v[value].root]++;
        }
}

static bool leaves(const fuser *f, int32_t value)
{
    const proot *r = &f->p->r[value];
    return r->kind != REEL_AT_ARENA || r->last == KEPT || f->reads[value] != f->reads_inside[value];
}

/* An operand from outside. In a group by rows: is it whole, and its steps along the space's axes. */
typedef struct operand {
    int32_t value;
    reel_dtype dtype;
    bool whole;
    int64_t strides[REEL_MAX_RANK];
} operand;

typedef struct operands {
    const space *s;
    bool by_rows;
    operand in[PARTS * ARGS], number[PARTS * ARGS], out[PARTS];
    int n_in, n_numbers, n_out;
} operands;

static int place_in(operand *list, int *n, const operand *o)
{
    for (int i = 0; i < *n; i++)
        if (list[i].value == o->value && list[i].dtype == o->dtype && list[i].whole == o->whole &&
            memcmp(list[i].strides, o->strides, sizeof o->strides) == 0)
            return i;
    list[*n] = *o;
    return (*n)++;
}

/* The steps of what a member of shape `of` reads with one element a row: along the axes before the row. */
static void row_strides(const planner *p, int32_t v, const reel_shape *of, const space *s, int64_t *out)
{
    int64_t strides[REEL_MAX_RANK];
    int d = 0;
    reel_space_strides_(p, v, of, of->rank, strides);
    for (int i = 0; i < of->rank; i++) {
        if (of->dims[i] == 1) continue;
        while (s->whole.dims[d] == 1) d++;
        out[d++] = strides[i];
    }
}

/* What member i reads in slot k, seen from the space. */
static operand operand_of(const fuser *f, const operands *o, int32_t i, int k)
{
    const planner *p = f->p;
    const pstep *st = &p->steps[i];
    const pslot *slot = &p->slots[st->slot + k];
    operand r = {slot->value, slot->dtype, false, {0}};
    if (!o->by_rows || reel_is_one_(p, slot->value)) return r;
    const bool reduces = reel_fuser_reduces_(f, st);
    if (!reduces && !reel_space_whole_(o->s, f, i)) {
        row_strides(p, slot->value, reel_shape_of_value_(f, reel_fuser_out_(f, i)), o->s, r.strides);
        return r;
    }
    reel_space_strides_(p, slot->value, &o->s->whole, o->s->whole.rank, r.strides);
    for (int d = o->s->axis; d < o->s->whole.rank; d++) {
        if (o->s->whole.dims[d] == 1) r.strides[d] = 0;
        r.whole = r.whole || r.strides[d] != 0;
    }
    r.whole = r.whole || reduces; /* reductions take nothing else */
    return r;
}

/* The members' operands. What an earlier member made has a number in f->number while this runs. */
static void collect(fuser *f, const int32_t *member, int n, operands *o)
{
    const planner *p = f->p;
    o->n_in = o->n_numbers = o->n_out = 0;
    for (int m = 0; m < n; m++) {
        const pstep *s = &p->steps[member[m]];
        for (int k = 0; k < reel_fuser_reads_(f, s); k++) {
            const int32_t value = p->slots[s->slot + k].value;
            if (f->number[p->v[value].root] >= 0) continue;
            const operand read = operand_of(f, o, member[m], k);
            if (reel_is_one_(p, value))
                (void)place_in(o->number, &o->n_numbers, &read);
            else
                (void)place_in(o->in, &o->n_in, &read);
        }
        const int32_t out = reel_fuser_out_(f, member[m]);
        if (leaves(f, out)) o->out[o->n_out++] = (operand){.value = out, .dtype = p->v[out].type.dtype};
        f->number[out] = 0; /* made here */
    }
    for (int m = 0; m < n; m++) f->number[reel_fuser_out_(f, member[m])] = -1;
}

static int16_t operand_number(const fuser *f, operands *o, int32_t i, int k)
{
    const int32_t value = f->p->slots[f->p->steps[i].slot + k].value, root = f->p->v[value].root;
    if (f->number[root] >= 0) return (int16_t)f->number[root];
    const operand read = operand_of(f, o, i, k);
    return (int16_t)(reel_is_one_(f->p, value) ? o->n_in + place_in(o->number, &o->n_numbers, &read)
                                               : place_in(o->in, &o->n_in, &read));
}

static void write_part(fuser *f, int32_t i, operands *o, reel_fused_part *part)
{
    const planner *p = f->p;
    const pstep *s = &p->steps[i];
    const reel_node *node = reel_fuser_node_(f, s);
    *part = (reel_fused_part){.op = node->op, .attr = reel_node_attr_(p->g, node), .node = s->node};
    part->n_in = reel_fuser_reads_(f, s);
    part->reduces = reel_fuser_reduces_(f, s);
    for (int k = 0; k < part->n_in; k++) {
        part->in[k] = operand_number(f, o, i, k);
        part->in_dtype[k] = p->slots[s->slot + k].dtype;
    }
    part->out_dtype = p->v[reel_fuser_out_(f, i)].type.dtype;
}

static void write_parts(fuser *f, const int32_t *member, int n, operands *o, reel_fused *fused)
{
    const int first_out = o->n_in + o->n_numbers;
    int n_out = 0, n_inside = 0;
    for (int m = 0; m < n; m++) {
        const int32_t out = reel_fuser_out_(f, member[m]);
        reel_fused_part *part = &fused->part[m];
        write_part(f, member[m], o, part);
        part->out = (int16_t)(first_out + (leaves(f, out) ? n_out++ : o->n_out + n_inside++));
        f->number[out] = part->out;
        if (o->by_rows) fused->rows.whole[part->out] = reel_space_whole_(o->s, f, member[m]);
    }
    for (int m = 0; m < n; m++) f->number[reel_fuser_out_(f, member[m])] = -1;
    fused->n_parts = n;
    fused->n_in = o->n_in;
    fused->n_numbers = o->n_numbers;
    fused->n_out = o->n_out;
    fused->n_operands = first_out + o->n_out + n_inside;
}

static void write_rows(const operands *o, reel_fused_rows *r)
{
    if (!o->by_rows) return;
    r->n = o->s->rows;
    r->cols = o->s->cols;
    r->rank = o->s->whole.rank;
    r->axis = o->s->axis;
    memcpy(r->dims, o->s->whole.dims, sizeof r->dims);
    for (int k = 0; k < o->n_in; k++) {
        r->whole[k] = o->in[k].whole;
        memcpy(r->strides[k], o->in[k].strides, sizeof r->strides[k]);
    }
}

/* Members of one shape without reductions are a plain group. */
static bool needs_rows(const fuser *f, const int32_t *member, int n)
{
    for (int m = 0; m < n; m++)
        if (reel_fuser_reduces_(f, &f->p->steps[member[m]]) ||
            !reel_shape_same_(reel_shape_of_value_(f, reel_fuser_out_(f, member[m])),
                              reel_shape_of_value_(f, reel_fuser_out_(f, member[0]))))
            return true;
    return false;
}

static void add_slots(fuser *f, const operand *o, int n)
{
    for (int i = 0; i < n; i++) f->w.slots[f->w.n_slots++] = (pslot){.value = o[i].value, .dtype = o[i].dtype};
}

/* The group's step; 0 parts: the kernel has no room for it. */
static int write_fused(fuser *f, const int32_t *member, int n, operands *o, reel_fused **out)
{
    planner *p = f->p;
    if (reel_grow_((void **)&p->fused, &p->cap_fused, p->n_fused + 1, sizeof *p->fused)) return REEL_ENOMEM;
    reel_fused *fused = *out = reel_zalloc_(sizeof *fused);
    if (!fused) return REEL_ENOMEM;
    p->fused[p->n_fused++] = fused;
    write_parts(f, member, n, o, fused);
    write_rows(o, &fused->rows);
    const int fits = o->by_rows ? f->device->fits(fused) : 1;
    if (fits == 0) fused->n_parts = 0;
    return fits < 0 ? reel_status() : 0;
}

/* Members that are more than the kernel takes are two groups, the first before the second. */
static int write_group(fuser *f, const int32_t *member, int n, const space *s)
{
    if (n == 1) return reel_rewriting_keep_(&f->w, member[0]);
    planner *p = f->p;
    operands o = {.s = s, .by_rows = needs_rows(f, member, n)};
    reel_fused *fused = NULL;
    count_inside(f, member, n);
    collect(f, member, n, &o);
    if (!o.n_out) return 0; /* only their shapes are read */
    if (o.n_in <= REEL_FUSED_IN && o.n_numbers <= REEL_FUSED_NUMBERS && o.n_out <= REEL_FUSED_OUT &&
        write_fused(f, member, n, &o, &fused))
        return reel_status();
    if (!fused || !fused->n_parts) {
        const int rc = write_group(f, member, n / 2, s);
        return rc ? rc : write_group(f, member + n / 2, n - n / 2, s);
    }
    if (reel_rewriting_room_(&f->w, (size_t)o.n_in + (size_t)o.n_numbers + (size_t)o.n_out)) return REEL_ENOMEM;
    f->w.steps[f->w.n_steps++] = (pstep){.node = p->steps[member[n - 1]].node,
                                         .slot = (int32_t)f->w.n_slots,
                                         .n_in = o.n_in + o.n_numbers,
                                         .n_out = o.n_out,
                                         .kind = STEP_FUSED,
                                         .fused = fused};
    add_slots(f, o.in, o.n_in);
    add_slots(f, o.number, o.n_numbers);
    add_slots(f, o.out, o.n_out);
    p->plan->info.fused_steps++;
    p->plan->info.fused_nodes += n;
    for (int m = 0; m < n; m++) p->plan->found[REEL_STEPS_REDUCE] += reel_fuser_reduces_(f, &p->steps[member[m]]);
    p->plan->found[REEL_STEPS_FUSE] += (size_t)n;
    return 0;
}

static int write_all(fuser *f)
{
    planner *p = f->p;
    for (size_t i = 0; i < p->n_steps; i++) {
        int rc = 0;
        const int32_t g = f->group_of[i] < 0 ? -1 : reel_fuser_find_(f, f->group_of[i]);
        reel_rewriting_at_(&f->w, i);
        if (g < 0) {
            rc = reel_rewriting_keep_(&f->w, (int32_t)i);
        } else if (f->groups[g].last == (int32_t)i) {
            int32_t member[PARTS];
            int n = 0;
            for (int32_t m = f->groups[g].first; m >= 0; m = f->next[m]) member[n++] = m;
            rc = write_group(f, member, n, &f->groups[g].s);
        }
        if (rc) return rc;
    }
    return 0;
}

int reel_plan_groups_(fuser *f)
{
    count_reads(f);
    return write_all(f);
}
