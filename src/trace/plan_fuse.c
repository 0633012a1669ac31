/* plan_fuse.c: elementwise steps of one shape that feed each other become one step, which goes once over memory. A group runs
   where its last member stood: until somebody outside has read one of its values, members may move down to that place. */
#include <string.h>
#include "core/alloc.h"
#include "planner.h"

enum { ARGS = REEL_FUSED_ARGS, PARTS = REEL_FUSED_PARTS };

/* While they are found: a list of steps in program order. A merged group points to the one it went into. */
typedef struct group {
    int32_t into, first, last, n;
    bool sealed; /* somebody outside has read a value of it */
} group;

/* The operands of a group, numbered as the kernel wants them. */
typedef struct operand {
    int32_t value;
    reel_dtype dtype;
} operand;

typedef struct fuser {
    planner *p;
    const reel_device *device;
    group *groups;
    size_t n_groups, cap_groups;
    int32_t *group_of;     /* by step; -1: none */
    int32_t *next;         /* by step: the next member of its group */
    int32_t *maker;        /* by root: the step that makes it; -1: none of this segment */
    int32_t *reads;        /* by root: how often it is read */
    int32_t *reads_inside; /* by root: by the group at hand */
    int32_t *number;       /* by value: its operand in the group at hand; -1: none */
    pstep *steps;          /* the new ones */
    pslot *slots;
    size_t n_steps, cap_steps, n_slots, cap_slots;
} fuser;

static const reel_node *node_of(const fuser *f, const pstep *s)
{
    return s->node >= 0 ? &f->p->g->nodes[s->node] : NULL;
}

static int32_t find(fuser *f, int32_t g)
{
    while (f->groups[g].into != g) {
        f->groups[g].into = f->groups[f->groups[g].into].into;
        g = f->groups[g].into;
    }
    return g;
}

/* ---- which steps may be members ---------------------------------------------------------------------- */

static bool fusable(const fuser *f, const pstep *s)
{
    const planner *p = f->p;
    const reel_node *n = node_of(f, s);
    if (s->kind != STEP_RUN || !n || s->n_out != 1 || s->n_in > ARGS || !f->device->fuses(n->op)) return false;
    const pslot *slot = &p->slots[s->slot];
    for (int k = 0; k <= s->n_in; k++)
        if (slot[k].value < 0) return false;
    const int32_t out = slot[s->n_in].value;
    return p->v[out].root == out;
}

static int32_t out_of(const fuser *f, int32_t step)
{
    const pstep *s = &f->p->steps[step];
    return f->p->slots[s->slot + s->n_in].value;
}

/* Is v the root's memory, element by element? */
static bool as_made(const planner *p, int32_t value)
{
    const pvalue *v = &p->v[value], *r = &p->v[v->root];
    return value == v->root ||
           (v->offset == 0 && reel_same_type_(&v->type, &r->type) && reel_is_dense_(&v->type.shape, v->strides));
}

static bool is_number(const planner *p, int32_t value)
{
    return reel_count_(&p->v[value].type.shape) == 1;
}

/* ---- finding groups ---------------------------------------------------------------------------------- */

/* What a group of these two lists would read from outside: within what the kernel takes? */
static bool within_limits(fuser *f, const group *a, const group *b)
{
    const planner *p = f->p;
    int32_t seen[PARTS * ARGS];
    int n_seen = 0, n_in = 0, n_numbers = 0;
    if (a->n + b->n > PARTS) return false;
    for (int which = 0; which < 2; which++)
        for (int32_t i = (which ? b : a)->first; i >= 0; i = f->next[i]) {
            const pstep *s = &p->steps[i];
            for (int k = 0; k < s->n_in; k++) {
                const pslot *slot = &p->slots[s->slot + k];
                const int32_t maker = f->maker[p->v[slot->value].root];
                int j = 0;
                while (j < n_seen && seen[j] != slot->value) j++;
                if (j < n_seen && !p->v[slot->value].weak) continue;
                seen[n_seen++] = slot->value;
                if (maker >= 0 && f->group_of[maker] >= 0) {
                    const group *g = &f->groups[find(f, f->group_of[maker])];
                    if (g == a || g == b) continue;
                }
                if (is_number(p, slot->value))
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
    int32_t i = x->first, j = y->first, *end = &x->first;
    while (i >= 0 || j >= 0) {
        int32_t *from = j < 0 || (i >= 0 && i < j) ? &i : &j;
        *end = x->last = *from;
        end = &f->next[*from];
        *from = *end;
    }
    *end = -1;
    x->n += y->n;
    y->into = a;
}

static int new_group(fuser *f, int32_t step)
{
    if (reel_grow_((void **)&f->groups, &f->cap_groups, f->n_groups + 1, sizeof *f->groups)) return REEL_ENOMEM;
    f->groups[f->n_groups] = (group){.into = (int32_t)f->n_groups, .first = step, .last = step, .n = 1};
    f->group_of[step] = (int32_t)f->n_groups++;
    return 0;
}

/* The group that made what slot k of step i reads, or -1. */
static int32_t maker_group(fuser *f, int32_t i, int k)
{
    const int32_t value = f->p->slots[reel_first_operand_(&f->p->steps[i]) + k].value;
    const int32_t maker = value < 0 ? -1 : f->maker[f->p->v[value].root];
    return maker < 0 || f->group_of[maker] < 0 ? -1 : find(f, f->group_of[maker]);
}

static bool may_join(fuser *f, int32_t i, int k, int32_t g)
{
    const planner *p = f->p;
    const int32_t value = p->slots[p->steps[i].slot + k].value;
    return f->group_of[i] >= 0 && !f->groups[g].sealed && as_made(p, value) &&
           reel_shape_same_(&p->v[value].type.shape, &p->v[out_of(f, i)].type.shape);
}

static int take_step(fuser *f, int32_t i)
{
    const planner *p = f->p;
    const pstep *s = &p->steps[i];
    if (fusable(f, s) && new_group(f, i)) return REEL_ENOMEM;
    for (int k = 0; k < s->n_in; k++) { /* what is read otherwise than element by element, first */
        const int32_t g = maker_group(f, i, k);
        if (g >= 0 && !may_join(f, i, k, g)) f->groups[g].sealed = true;
    }
    for (int k = 0; k < s->n_in && f->group_of[i] >= 0; k++) {
        const int32_t g = maker_group(f, i, k), own = find(f, f->group_of[i]);
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

/* ---- writing them down ------------------------------------------------------------------------------- */

/* Reads of what the group makes; a root that it makes is marked in f->number while this runs. */
static void count_inside(fuser *f, const int32_t *member, int n)
{
    const planner *p = f->p;
    for (int m = 0; m < n; m++) {
        f->number[out_of(f, member[m])] = 0;
        f->reads_inside[out_of(f, member[m])] = 0;
    }
    for (int m = 0; m < n; m++) {
        const pstep *s = &p->steps[member[m]];
        for (int k = 0; k < s->n_in; k++) {
            const int32_t root = p->v[p->slots[s->slot + k].value].root;
            if (f->number[root] >= 0) f->reads_inside[root]++;
        }
    }
    for (int m = 0; m < n; m++) f->number[out_of(f, member[m])] = -1;
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

static int room(fuser *f, size_t n)
{
    if (reel_grow_((void **)&f->steps, &f->cap_steps, f->n_steps + 1, sizeof *f->steps)) return REEL_ENOMEM;
    return reel_grow_((void **)&f->slots, &f->cap_slots, f->n_slots + n + 1, sizeof *f->slots);
}

/* Step i as it is; its slots end where the next one's begin. */
static int keep_step(fuser *f, int32_t i)
{
    const planner *p = f->p;
    const size_t from = (size_t)p->steps[i].slot,
                 to = (size_t)i + 1 < p->n_steps ? (size_t)p->steps[i + 1].slot : p->n_slots;
    if (room(f, to - from)) return REEL_ENOMEM;
    f->steps[f->n_steps] = p->steps[i];
    f->steps[f->n_steps++].slot = (int32_t)f->n_slots;
    if (to > from) memcpy(f->slots + f->n_slots, p->slots + from, (to - from) * sizeof *f->slots);
    f->n_slots += to - from;
    return 0;
}

typedef struct operands {
    operand in[PARTS * ARGS], number[PARTS * ARGS], out[PARTS];
    int n_in, n_numbers, n_out;
} operands;

static int place_in(operand *list, int *n, operand o)
{
    for (int i = 0; i < *n; i++)
        if (list[i].value == o.value && list[i].dtype == o.dtype) return i;
    list[*n] = o;
    return (*n)++;
}

/* The members' operands. What an earlier member made has a number in f->number while this runs. */
static void collect(fuser *f, const int32_t *member, int n, operands *o)
{
    const planner *p = f->p;
    o->n_in = o->n_numbers = o->n_out = 0;
    for (int m = 0; m < n; m++) {
        const pstep *s = &p->steps[member[m]];
        for (int k = 0; k < s->n_in; k++) {
            const pslot *slot = &p->slots[s->slot + k];
            if (f->number[p->v[slot->value].root] >= 0) continue;
            const operand read = {slot->value, slot->dtype};
            if (is_number(p, slot->value))
                (void)place_in(o->number, &o->n_numbers, read);
            else
                (void)place_in(o->in, &o->n_in, read);
        }
        const int32_t out = out_of(f, member[m]);
        if (leaves(f, out)) o->out[o->n_out++] = (operand){out, p->v[out].type.dtype};
        f->number[out] = 0; /* made here */
    }
    for (int m = 0; m < n; m++) f->number[out_of(f, member[m])] = -1;
}

static int16_t operand_number(const fuser *f, operands *o, const pslot *slot)
{
    const int32_t root = f->p->v[slot->value].root;
    if (f->number[root] >= 0) return (int16_t)f->number[root];
    const operand read = {slot->value, slot->dtype};
    return (int16_t)(is_number(f->p, slot->value) ? o->n_in + place_in(o->number, &o->n_numbers, read)
                                                  : place_in(o->in, &o->n_in, read));
}

static void write_parts(fuser *f, const int32_t *member, int n, operands *o, reel_fused *fused)
{
    const planner *p = f->p;
    const int first_out = o->n_in + o->n_numbers;
    int n_out = 0, n_inside = 0;
    for (int m = 0; m < n; m++) {
        const pstep *s = &p->steps[member[m]];
        const reel_node *node = node_of(f, s);
        reel_fused_part *part = &fused->part[m];
        *part =
            (reel_fused_part){.op = node->op, .attr = reel_node_attr_(p->g, node), .node = s->node, .n_in = s->n_in};
        for (int k = 0; k < s->n_in; k++) {
            part->in[k] = operand_number(f, o, &p->slots[s->slot + k]);
            part->in_dtype[k] = p->slots[s->slot + k].dtype;
        }
        const int32_t out = out_of(f, member[m]);
        part->out = (int16_t)(first_out + (leaves(f, out) ? n_out++ : o->n_out + n_inside++));
        part->out_dtype = p->v[out].type.dtype;
        f->number[out] = part->out;
    }
    for (int m = 0; m < n; m++) f->number[out_of(f, member[m])] = -1;
    fused->n_parts = n;
    fused->n_in = o->n_in;
    fused->n_numbers = o->n_numbers;
    fused->n_out = o->n_out;
    fused->n_operands = first_out + o->n_out + n_inside;
}

static void add_slots(fuser *f, const operand *o, int n)
{
    for (int i = 0; i < n; i++) f->slots[f->n_slots++] = (pslot){.value = o[i].value, .dtype = o[i].dtype};
}

/* Members that have more operands than the kernel takes are two groups, the first before the second. */
static int write_group(fuser *f, const int32_t *member, int n)
{
    if (n == 1) return keep_step(f, member[0]);
    planner *p = f->p;
    operands o;
    count_inside(f, member, n);
    collect(f, member, n, &o);
    if (o.n_in > REEL_FUSED_IN || o.n_numbers > REEL_FUSED_NUMBERS || o.n_out > REEL_FUSED_OUT) {
        const int rc = write_group(f, member, n / 2);
        return rc ? rc : write_group(f, member + n / 2, n - n / 2);
    }
    if (!o.n_out) return 0; /* only their shapes are read */
    const size_t n_slots = (size_t)o.n_in + (size_t)o.n_numbers + (size_t)o.n_out;
    if (room(f, n_slots) || reel_grow_((void **)&p->fused, &p->cap_fused, p->n_fused + 1, sizeof *p->fused))
        return REEL_ENOMEM;
    reel_fused *fused = reel_zalloc_(sizeof *fused);
    if (!fused) return REEL_ENOMEM;
    p->fused[p->n_fused++] = fused;
    write_parts(f, member, n, &o, fused);
    f->steps[f->n_steps++] = (pstep){.node = p->steps[member[n - 1]].node,
                                     .slot = (int32_t)f->n_slots,
                                     .n_in = o.n_in + o.n_numbers,
                                     .n_out = o.n_out,
                                     .kind = STEP_FUSED,
                                     .fused = fused};
    add_slots(f, o.in, o.n_in);
    add_slots(f, o.number, o.n_numbers);
    add_slots(f, o.out, o.n_out);
    p->plan->info.fused_steps++;
    p->plan->info.fused_nodes += n;
    return 0;
}

static int write_all(fuser *f)
{
    planner *p = f->p;
    size_t late = 0;
    for (size_t i = 0; i < p->n_steps; i++) {
        int rc = 0;
        const int32_t g = f->group_of[i] < 0 ? -1 : find(f, f->group_of[i]);
        if (late < p->n_lates && p->lates[late].step == (int)i) p->lates[late++].step = (int)f->n_steps;
        if (g < 0) {
            rc = keep_step(f, (int32_t)i);
        } else if (f->groups[g].last == (int32_t)i) {
            int32_t member[PARTS];
            int n = 0;
            for (int32_t m = f->groups[g].first; m >= 0; m = f->next[m]) member[n++] = m;
            rc = write_group(f, member, n);
        }
        if (rc) return rc;
    }
    return 0;
}

/* The new steps are the planner's; who reads what last is counted anew. */
static void take_over(fuser *f)
{
    planner *p = f->p;
    reel_free_(p->steps, p->cap_steps * sizeof *p->steps);
    reel_free_(p->slots, p->cap_slots * sizeof *p->slots);
    p->steps = f->steps;
    p->slots = f->slots;
    p->n_steps = f->n_steps;
    p->n_slots = f->n_slots;
    p->cap_steps = f->cap_steps;
    p->cap_slots = f->cap_slots;
    f->steps = NULL;
    f->slots = NULL;
    reel_planner_lasts_(p);
}

int reel_plan_fuse_(planner *p)
{
    fuser f = {.p = p, .device = reel_device_(0)};
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
    if (!rc) {
        count_reads(&f);
        rc = write_all(&f);
    }
    if (!rc) take_over(&f);
    reel_free_(f.group_of, ns * sizeof *f.group_of);
    reel_free_(f.next, ns * sizeof *f.next);
    reel_free_(f.maker, nv * sizeof *f.maker);
    reel_free_(f.reads, nv * sizeof *f.reads);
    reel_free_(f.reads_inside, nv * sizeof *f.reads_inside);
    reel_free_(f.number, nv * sizeof *f.number);
    reel_free_(f.groups, f.cap_groups * sizeof *f.groups);
    reel_free_(f.steps, f.cap_steps * sizeof *f.steps);
    reel_free_(f.slots, f.cap_slots * sizeof *f.slots);
    return rc;
}
