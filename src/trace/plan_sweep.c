/* plan_sweep.c: updates of variables that do not wait for each other become one step, which goes over the elements of all of them at
   once. It stands where the last of them stood: until somebody reads one of its results, those before may move down to there. */
#include <string.h>
#include "core/alloc.h"
#include "planner.h"

typedef struct sweep {
    int32_t last, n;
    int32_t first; /* a list by `next` */
    int32_t open;  /* the one of other ops that is open as well, -1: none */
    bool sealed;
} sweep;

typedef struct sweeper {
    planner *p;
    const reel_fusing_device *device;
    sweep *sweeps;
    size_t n_sweeps, cap_sweeps;
    int32_t *of;    /* by step: its sweep, -1: none */
    int32_t *next;  /* by step: the next of its sweep */
    int32_t *maker; /* by root: the sweep that makes it, -1: none */
    int32_t open;   /* the last sweep of those that may still grow */
    rewriting w;
} sweeper;

static const reel_op *op_of(const planner *p, int32_t i)
{
    const pstep *s = &p->steps[i];
    return s->node >= 0 ? p->g->nodes[s->node].op : NULL;
}

static bool joins(const sweeper *f, int32_t i)
{
    const planner *p = f->p;
    const pstep *s = &p->steps[i];
    if (s->kind != STEP_RUN || s->node < 0 || !f->device->joins(op_of(p, i))) return false;
    for (int k = 0; k < s->n_in + s->n_out; k++) {
        const int32_t value = p->slots[s->slot + k].value;
        if (value < 0 || (k >= s->n_in && p->v[value].root != value)) return false;
    }
    return s->n_in <= REEL_MANY_IN && s->n_out <= REEL_MANY_OUT;
}

/* The open sweep of step i's op, or a new one; -1: raised. */
static int32_t sweep_for(sweeper *f, int32_t i)
{
    for (int32_t g = f->open, *at = &f->open; g >= 0; g = *at) {
        sweep *s = &f->sweeps[g];
        const bool full = s->sealed || s->n == REEL_MANY_CALLS;
        if (!full && op_of(f->p, s->first) == op_of(f->p, i)) return g;
        if (full)
            *at = s->open; /* not again */
        else
            at = &s->open;
    }
    if (reel_grow_((void **)&f->sweeps, &f->cap_sweeps, f->n_sweeps + 1, sizeof *f->sweeps)) return -1;
    f->sweeps[f->n_sweeps] = (sweep){.last = -1, .first = i, .open = f->open};
    f->open = (int32_t)f->n_sweeps;
    return (int32_t)f->n_sweeps++;
}

static int take_step(sweeper *f, int32_t i)
{
    const planner *p = f->p;
    const pstep *s = &p->steps[i];
    const int32_t first = reel_first_operand_(s);
    for (int k = 0; k < s->n_in; k++) {
        const int32_t value = p->slots[first + k].value, by = value < 0 ? -1 : f->maker[p->v[value].root];
        if (by >= 0) f->sweeps[by].sealed = true;
    }
    if (!joins(f, i)) return 0;
    const int32_t g = sweep_for(f, i);
    if (g < 0) return REEL_ENOMEM;
    sweep *to = &f->sweeps[g];
    if (to->last >= 0) f->next[to->last] = i;
    to->last = i;
    to->n++;
    f->of[i] = g;
    for (int k = 0; k < s->n_out; k++) f->maker[p->slots[first + s->n_in + k].value] = g;
    return 0;
}

static void add_operands(sweeper *f, const sweep *g, bool outputs)
{
    const planner *p = f->p;
    for (int32_t i = g->first; i >= 0; i = f->next[i]) {
        const pstep *s = &p->steps[i];
        const int from = outputs ? s->n_in : 0, n = outputs ? s->n_out : s->n_in;
        memcpy(f->w.slots + f->w.n_slots, p->slots + s->slot + from, (size_t)n * sizeof *f->w.slots);
        f->w.n_slots += (size_t)n;
    }
}

static int write_sweep(sweeper *f, const sweep *g)
{
    planner *p = f->p;
    const reel_op *op = op_of(p, g->first);
    const int n_in = g->n * op->n_in, n_out = g->n * op->n_out;
    if (reel_rewriting_room_(&f->w, (size_t)n_in + (size_t)n_out) ||
        reel_grow_((void **)&p->many, &p->cap_many, p->n_many + 1, sizeof *p->many))
        return REEL_ENOMEM;
    reel_many *many = reel_zalloc_(sizeof *many);
    if (!many) return REEL_ENOMEM;
    p->many[p->n_many++] = many;
    for (int32_t i = g->first; i >= 0; i = f->next[i]) {
        const reel_node *n = &p->g->nodes[p->steps[i].node];
        many->call[many->n] = (reel_one_call){.op = op,
                                              .attr = reel_node_attr_(p->g, n),
                                              .node = p->steps[i].node,
                                              .first_in = many->n * op->n_in,
                                              .first_out = many->n * op->n_out};
        many->n++;
    }
    f->w.steps[f->w.n_steps++] = (pstep){.node = p->steps[g->last].node,
                                         .slot = (int32_t)f->w.n_slots,
                                         .n_in = n_in,
                                         .n_out = n_out,
                                         .kind = STEP_MANY,
                                         .many = many};
    add_operands(f, g, false);
    add_operands(f, g, true);
    p->plan->found[REEL_STEPS_SWEEP] += (size_t)g->n;
    return 0;
}

static int write_all(sweeper *f)
{
    int rc = 0;
    for (size_t i = 0; i < f->p->n_steps && !rc; i++) {
        const sweep *g = f->of[i] < 0 ? NULL : &f->sweeps[f->of[i]];
        reel_rewriting_at_(&f->w, i);
        if (!g || g->n == 1)
            rc = reel_rewriting_keep_(&f->w, (int32_t)i);
        else if (g->last == (int32_t)i)
            rc = write_sweep(f, g);
    }
    return rc;
}

static bool worthwhile(const sweeper *f)
{
    for (size_t i = 0; i < f->n_sweeps; i++)
        if (f->sweeps[i].n > 1) return true;
    return false;
}

int reel_plan_sweep_(planner *p)
{
    sweeper f = {.p = p, .device = reel_fusing_(reel_device_(0)), .open = -1, .w.p = p};
    const size_t ns = p->n_steps + 1, nv = p->g->n_values + 1;
    if (!f.device || !f.device->many || p->n_steps < 2) return 0;
    f.of = reel_alloc_array_(ns, sizeof *f.of);
    f.next = reel_alloc_array_(ns, sizeof *f.next);
    f.maker = reel_alloc_array_(nv, sizeof *f.maker);
    int rc = f.of && f.next && f.maker ? 0 : REEL_ENOMEM;
    if (!rc) {
        memset(f.of, 0xff, ns * sizeof *f.of);
        memset(f.next, 0xff, ns * sizeof *f.next);
        memset(f.maker, 0xff, nv * sizeof *f.maker);
        for (size_t i = 0; i < p->n_steps && !rc; i++) rc = take_step(&f, (int32_t)i);
    }
    const bool any = !rc && worthwhile(&f);
    if (any) rc = write_all(&f);
    reel_rewriting_done_(&f.w, any && !rc);
    reel_free_(f.of, ns * sizeof *f.of);
    reel_free_(f.next, ns * sizeof *f.next);
    reel_free_(f.maker, nv * sizeof *f.maker);
    reel_free_(f.sweeps, f.cap_sweeps * sizeof *f.sweeps);
    return rc;
}
