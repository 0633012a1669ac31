/* plan_after.c: elementwise steps that read a product and nobody else does become its epilogue: one step, in which each block of
   the product goes through them while it is in cache. It stands where they stood. */
#include <string.h>
#include "core/alloc.h"
#include "planner.h"

typedef struct finisher {
    planner *p;
    const reel_fusing_device *device;
    int32_t *reads;   /* by root: how often it is read */
    int32_t *maker;   /* by root: the product that makes it, -1: none */
    int32_t *product; /* by step: the product that goes into it, -1: none */
    bool *gone;       /* by step: it has gone into another */
    rewriting w;
} finisher;

static bool is_product(const finisher *f, const pstep *s)
{
    const planner *p = f->p;
    if (s->kind != STEP_RUN || s->node < 0 || !f->device->finishes(p->g->nodes[s->node].op)) return false;
    const int32_t out = p->slots[s->slot + s->n_in].value;
    return out >= 0 && p->v[out].root == out && p->r[out].kind == REEL_AT_ARENA && p->r[out].last != KEPT;
}

bool reel_is_plain_group_(const planner *p, const pstep *s)
{
    if (s->kind == STEP_FUSED) return s->fused->rows.n == 0;
    if (s->kind != STEP_RUN || s->node < 0 || s->n_out != 1 || s->n_in > REEL_FUSED_ARGS ||
        !reel_device_(0)->fuses(p->g->nodes[s->node].op))
        return false;
    for (int k = 0; k <= s->n_in; k++)
        if (p->slots[s->slot + k].value < 0) return false;
    const int32_t out = p->slots[s->slot + s->n_in].value;
    return p->v[out].root == out;
}

/* Does slot k take all of root, element by element, in the dtype in which it was made? */
static bool takes_whole(const planner *p, const pstep *s, int k, int32_t root)
{
    const pslot *slot = &p->slots[s->slot + k];
    const pvalue *v = &p->v[slot->value];
    return v->root == root && v->offset == 0 && slot->dtype == p->v[root].type.dtype && v->type.dtype == slot->dtype &&
           reel_shape_same_(&v->type.shape, &p->v[p->slots[s->slot + s->n_in].value].type.shape) &&
           reel_same_type_(&v->type, &p->v[root].type) && /* the kernel sees but one shape */
           reel_is_dense_(&v->type.shape, v->strides) && reel_count_(&v->type.shape) > 1;
}

/* The last part that reads operand `in` comes before, or is, the one that writes `out`. */
static bool read_by_then(const reel_fused *g, int in, int out)
{
    int last = -1, written = -1;
    for (int i = 0; g && i < g->n_parts; i++) {
        for (int j = 0; j < g->part[i].n_in; j++)
            if (g->part[i].in[j] == in) last = i;
        if (g->part[i].out == out) written = i;
    }
    return last <= written;
}

/* The output under which the product can lie, -1: none. */
static int place_for(const planner *p, const pstep *s, int input)
{
    const reel_dtype d = p->v[p->slots[s->slot + input].value].type.dtype;
    for (int j = 0; j < s->n_out; j++) {
        const int32_t out = p->slots[s->slot + s->n_in + j].value;
        if (out >= 0 && p->v[out].type.dtype == d && read_by_then(s->fused, input, s->n_in + j)) return j;
    }
    return -1;
}

/* The input of group s that is a product which it alone reads; *reads: how often. -1: none. */
static int finds(const finisher *f, const pstep *s)
{
    const planner *p = f->p;
    for (int k = 0; k < s->n_in; k++) {
        const int32_t root = p->v[p->slots[s->slot + k].value].root, by = f->maker[root];
        int32_t own = 0;
        if (by < 0 || f->gone[by] || !takes_whole(p, s, k, root)) continue;
        for (int j = 0; j < s->n_in; j++) {
            const bool same = p->v[p->slots[s->slot + j].value].root == root;
            own += same;
            if (same && p->slots[s->slot + j].value != p->slots[s->slot + k].value) own = -REEL_FUSED_IN;
        }
        if (own == f->reads[root] && place_for(p, s, k) >= 0) return k;
    }
    return -1;
}

static void look(finisher *f, size_t i)
{
    const planner *p = f->p;
    const pstep *s = &p->steps[i];
    const int input = reel_is_plain_group_(p, s) ? finds(f, s) : -1;
    if (input >= 0) {
        f->product[i] = f->maker[p->v[p->slots[s->slot + input].value].root];
        f->gone[f->product[i]] = true;
    }
    if (is_product(f, s)) f->maker[p->slots[s->slot + s->n_in].value] = (int32_t)i;
}

/* ---- writing it down ------------------------------------------------------------------------------------- */

/* The slot before k that has the same operand, or k. */
static int first_alike(const planner *p, const pstep *s, int k)
{
    const pslot *slot = &p->slots[s->slot];
    int j = 0;
    while (slot[j].value != slot[k].value || slot[j].dtype != slot[k].dtype) j++;
    return j;
}

reel_fused *reel_group_of_(planner *p, const pstep *s, int32_t *slot)
{
    if (reel_grow_((void **)&p->fused, &p->cap_fused, p->n_fused + 1, sizeof *p->fused)) return NULL;
    const reel_node *n = &p->g->nodes[s->node];
    reel_fused *g = reel_zalloc_(sizeof *g);
    if (!g) return NULL;
    p->fused[p->n_fused++] = g;
    reel_fused_part *part = &g->part[0];
    *part = (reel_fused_part){.op = n->op, .attr = reel_node_attr_(p->g, n), .node = s->node, .n_in = s->n_in};
    for (int one = 0; one < 2; one++) /* inputs, then numbers */
        for (int k = 0; k < s->n_in; k++) {
            const bool number = reel_count_(&p->v[p->slots[s->slot + k].value].type.shape) == 1;
            if (number != one) continue;
            part->in_dtype[k] = p->slots[s->slot + k].dtype;
            const int same = first_alike(p, s, k);
            part->in[k] = same < k ? part->in[same] : (int16_t)(g->n_in + g->n_numbers);
            if (same < k) continue;
            slot[g->n_in + g->n_numbers] = s->slot + k;
            *(one ? &g->n_numbers : &g->n_in) += 1;
        }
    part->out = (int16_t)(g->n_in + g->n_numbers);
    part->out_dtype = p->v[p->slots[s->slot + s->n_in].value].type.dtype;
    g->n_parts = g->n_out = 1;
    g->n_operands = part->out + 1;
    return g;
}

static int write_after(finisher *f, int32_t i)
{
    planner *p = f->p;
    const pstep s = p->steps[i], product = p->steps[f->product[i]];
    const reel_node *n = &p->g->nodes[product.node];
    int32_t slot[REEL_FUSED_IN + REEL_FUSED_NUMBERS];
    for (int k = 0; k < s.n_in; k++) slot[k] = s.slot + k;
    const reel_fused *g = s.fused ? s.fused : reel_group_of_(p, &s, slot);
    if (!g || reel_rewriting_room_(&f->w, (size_t)product.n_in + (size_t)s.n_in + (size_t)s.n_out) ||
        reel_grow_((void **)&p->afters, &p->cap_afters, p->n_afters + 1, sizeof *p->afters))
        return REEL_ENOMEM;
    reel_after *a = reel_zalloc_(sizeof *a);
    if (!a) return REEL_ENOMEM;
    p->afters[p->n_afters++] = a;
    *a =
        (reel_after){.op = n->op, .attr = reel_node_attr_(p->g, n), .node = product.node, .n_in = product.n_in, .f = g};
    const int32_t made = p->slots[product.slot + product.n_in].value;
    while (p->v[p->slots[slot[a->input]].value].root != made) a->input++;
    int n_slots = 0;
    pslot *to = f->w.slots + f->w.n_slots;
    for (int k = 0; k < product.n_in; k++) to[n_slots++] = p->slots[product.slot + k];
    for (int k = 0; k < g->n_in + g->n_numbers; k++)
        if (k != a->input) to[n_slots++] = p->slots[slot[k]];
    const int n_in = n_slots;
    for (int k = 0; k < s.n_out; k++) to[n_slots++] = p->slots[s.slot + s.n_in + k];
    f->w.steps[f->w.n_steps++] = (pstep){.node = product.node,
                                         .slot = (int32_t)f->w.n_slots,
                                         .n_in = n_in,
                                         .n_out = s.n_out,
                                         .kind = STEP_AFTER,
                                         .after = a};
    f->w.n_slots += (size_t)n_slots;
    a->over = -1;
    for (int j = 0; j < s.n_out && a->over < 0; j++)
        if (p->v[p->slots[s.slot + s.n_in + j].value].type.dtype == p->v[made].type.dtype &&
            read_by_then(g, a->input, g->n_in + g->n_numbers + j))
            a->over = j;
    p->r[made].kind = REEL_AT_NOTHING;
    p->plan->found[REEL_STEPS_EPILOGUE]++;
    return 0;
}

static int write_all(finisher *f)
{
    int rc = 0;
    for (size_t i = 0; i < f->p->n_steps && !rc; i++) {
        reel_rewriting_at_(&f->w, i);
        if (f->gone[i]) continue;
        rc = f->product[i] >= 0 ? write_after(f, (int32_t)i) : reel_rewriting_keep_(&f->w, (int32_t)i);
    }
    return rc;
}

static bool look_all(finisher *f)
{
    const planner *p = f->p;
    bool any = false;
    for (size_t i = 0; i < p->n_steps; i++)
        for (int k = 0; k < p->steps[i].n_in; k++) {
            const int32_t value = p->slots[reel_first_operand_(&p->steps[i]) + k].value;
            if (value >= 0) f->reads[p->v[value].root]++;
        }
    for (size_t i = 0; i < p->n_steps; i++) {
        look(f, i);
        any = any || f->product[i] >= 0;
    }
    return any;
}

int reel_plan_after_(planner *p)
{
    finisher f = {.p = p, .device = reel_fusing_(reel_device_(0)), .w.p = p};
    const size_t ns = p->n_steps + 1, nv = p->g->n_values + 1;
    if (!f.device || !f.device->after || p->n_steps < 2) return 0;
    f.reads = reel_zalloc_(nv * sizeof *f.reads);
    f.maker = reel_alloc_array_(nv, sizeof *f.maker);
    f.product = reel_alloc_array_(ns, sizeof *f.product);
    f.gone = reel_zalloc_(ns);
    int rc = f.reads && f.maker && f.product && f.gone ? 0 : REEL_ENOMEM;
    bool any = false;
    if (!rc) {
        memset(f.maker, 0xff, nv * sizeof *f.maker);
        memset(f.product, 0xff, ns * sizeof *f.product);
        any = look_all(&f);
    }
    if (any) rc = write_all(&f);
    reel_rewriting_done_(&f.w, any && !rc);
    reel_free_(f.reads, nv * sizeof *f.reads);
    reel_free_(f.maker, nv * sizeof *f.maker);
    reel_free_(f.product, ns * sizeof *f.product);
    reel_free_(f.gone, ns);
    return rc;
}
