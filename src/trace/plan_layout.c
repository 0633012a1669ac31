/* plan_layout.c: the steps' kernels prepared, an arena laid out for what lives between them, pointers placed; and, where
   a segment ends because sizes depend on data, what the next ones need to know. */
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "core/printing.h"
#include "core/random.h"
#include "ops/ids.h"
#include "planner.h"

/* ---- kernels --------------------------------------------------------------------------------------- */

typedef struct reserve_plan {
    reel_generator *generator;
    uint64_t n;
} reserve_plan;

static int reserve_run(const void *plan, void *const *ptr, void *work)
{
    const reserve_plan *r = plan;
    uint64_t key;
    (void)ptr;
    (void)work;
    (void)reel_reserve_(r->generator, r->n, &key);
    return 0;
}
static const reel_kernel reserve_kernel = {.plan_size = sizeof(reserve_plan), .run = reserve_run};

/* The first half of an op whose sizes depend on data; the number goes where the last pointer says. */
typedef struct count_plan {
    const reel_kernel *kernel;
    void *plan;
    size_t bytes;
    int n_in;
} count_plan;

static int count_run(const void *plan, void *const *ptr, void *work)
{
    const count_plan *c = plan;
    return reel_counting_(c->kernel)->count(c->plan, ptr, work, ptr[c->n_in]);
}

static void count_drop(void *plan)
{
    const count_plan *c = plan;
    if (c->plan && c->kernel->drop) c->kernel->drop(c->plan);
    reel_free_(c->plan, c->bytes);
}
static const reel_kernel count_kernel = {.plan_size = sizeof(count_plan), .run = count_run, .drop = count_drop};

/* The second half. The first pointer is the workspace. */
static int fill_run(const void *plan, void *const *ptr, void *work)
{
    const count_plan *const *c = plan;
    (void)work;
    return (*c)->kernel->run((*c)->plan, ptr + 1, ptr[0]);
}
static const reel_kernel fill_kernel = {.plan_size = sizeof(count_plan *), .run = fill_run};

static void kview_of(const planner *p, const pstep *s, int k, reel_kview *view)
{
    const pslot *slot = &p->slots[s->slot + k];
    const reel_node *n = s->node >= 0 ? &p->g->nodes[s->node] : NULL;
    const int32_t value = !n ? s->from : k < s->n_in ? p->g->ins[n->first_in + k] : n->first_out + (k - s->n_in);
    const pvalue *v = &p->v[value];
    *view = (reel_kview){.dtype = k < s->n_in ? slot->dtype : v->type.dtype,
                         .rank = v->type.shape.rank,
                         .dims = v->type.shape.dims,
                         .strides = v->strides};
}

/* The op's own kernel, prepared into kp. */
static int prepare_op(const planner *p, const pstep *s, const reel_kernel *k, void *kp, size_t *workspace)
{
    const reel_node *n = s->node >= 0 ? &p->g->nodes[s->node] : NULL;
    const reel_op *op = n ? n->op : &reel_rows_[REEL_OP_stop_gradient]; /* the identity: its kernel copies */
    reel_kview views[REEL_MAX_IN + REEL_MAX_OUT];
    int64_t dense[REEL_MAX_RANK], fed[REEL_MAX_OUT][REEL_MAX_RANK];
    const int n_out = n ? n->n_out : s->n_out;
    for (int j = 0; j < s->n_in + n_out; j++) kview_of(p, s, j, &views[j]);
    for (int j = 0; n && j < n_out; j++) {
        if (!p->fed[n->first_out + j]) continue;
        reel_shape_strides_(&p->v[n->first_out + j].type.shape, fed[j]); /* what is fed may lie in any order */
        views[s->n_in + j].strides = fed[j];
    }
    if (!n) {
        reel_shape_strides_(&p->v[s->from].type.shape, dense);
        views[1].strides = dense;
    }
    const reel_ksig sig = {.op = op,
                           .attr = n ? reel_node_attr_(p->g, n) : NULL,
                           .n_in = s->n_in,
                           .n_out = n_out,
                           .in = views,
                           .out = views + s->n_in};
    reel_ctx *c = reel_ctx_();
    const char *site = c->site, *name = c->op;
    c->site = n ? n->site : p->rq->site;
    c->op = op->name;
    const int rc = k->prepare(&sig, kp, workspace);
    c->site = site;
    c->op = name;
    return rc;
}

/* Of fused steps and of many calls. */
static int prepare_several(const planner *p, const pstep *s, const reel_kernel *k, void *kp, size_t *workspace)
{
    reel_kview views[REEL_MANY_CALLS * (REEL_MANY_IN + REEL_MANY_OUT)];
    for (int j = 0; j < s->n_in + s->n_out; j++) {
        const pslot *slot = &p->slots[s->slot + j];
        const bool shape_only = slot->value < 0; /* of a convolution's gradient */
        const pvalue *v = &p->v[shape_only ? p->g->ins[p->g->nodes[s->node].first_in + j] : slot->value];
        views[j] = (reel_kview){slot->dtype, v->type.shape.rank, v->type.shape.dims, v->strides, NULL};
    }
    const void *attr = s->columns ? (const void *)s->columns
                       : s->fused ? (const void *)s->fused
                       : s->many  ? (const void *)s->many
                                  : s->after;
    const reel_ksig sig = {.attr = attr, .n_in = s->n_in, .n_out = s->n_out, .in = views, .out = views + s->n_in};
    return k->prepare(&sig, kp, workspace);
}

static int prepare_count(const planner *p, const pstep *s, const reel_kernel *k, count_plan *c, size_t *workspace)
{
    *c = (count_plan){.kernel = k, .bytes = k->plan_size ? k->plan_size : 1, .n_in = s->n_in};
    c->plan = reel_zalloc_(c->bytes);
    const int rc = c->plan ? prepare_op(p, s, k, c->plan, workspace) : REEL_ENOMEM;
    if (!rc) return 0;
    reel_free_(c->plan, c->bytes);
    c->plan = NULL;
    return rc;
}

static bool is_first_half(const pstep *s)
{
    return s->kind == STEP_COUNT || s->kind == STEP_CHECK;
}

static const reel_kernel *kernel_of(const planner *p, const pstep *s)
{
    switch (s->kind) {
    case STEP_RESERVE: return &reserve_kernel;
    case STEP_COUNT:
    case STEP_CHECK: return &count_kernel;
    case STEP_FILL: return &fill_kernel;
    case STEP_AFTER: return reel_fusing_(reel_device_(0))->after;
    case STEP_COLUMNS: return reel_fusing_(reel_device_(0))->columns;
    case STEP_MANY: return reel_fusing_(reel_device_(0))->many;
    case STEP_FUSED: return s->fused->rows.n ? reel_device_(0)->fused_rows : reel_device_(0)->fused;
    default:
        return reel_kernel_(reel_device_(0),
                            s->node >= 0 ? p->g->nodes[s->node].op : &reel_rows_[REEL_OP_stop_gradient]);
    }
}

/* What a group does, for the compiler. */
static int note_group(reel_plan *plan, size_t i, const reel_fused *f, reel_group_kind kind)
{
    const size_t bytes = reel_fused_bytes_(f, kind);
    reel_plan_group *g = &plan->groups[i];
    g->f = reel_alloc_(bytes);
    if (!g->f) return REEL_ENOMEM;
    memcpy(g->f, f, bytes);
    g->kind = (uint8_t)kind;
    plan->n_groups++;
    return 0;
}

/* Which nodes a step is, for explain; and what a group does. */
static int note_members(reel_plan *plan, size_t i, const pstep *s)
{
    const reel_fused *f = s->after ? s->after->f : s->fused;
    const int n_columns = s->columns ? s->columns->n : 0;
    const int n = f ? f->n_parts + (s->after != NULL) + n_columns : s->many ? s->many->n : 0;
    plan->member_at[i] = n ? (int32_t)plan->n_members : -1;
    if (!n) return 0;
    if (reel_grow_((void **)&plan->members, &plan->cap_members, plan->n_members + (size_t)n + 1, sizeof *plan->members))
        return REEL_ENOMEM;
    plan->members[plan->n_members++] = n;
    if (s->after) plan->members[plan->n_members++] = s->after->node;
    for (int k = 0; f && k < f->n_parts; k++) plan->members[plan->n_members++] = f->part[k].node;
    for (int k = 0; k < n_columns; k++) plan->members[plan->n_members++] = s->columns->column[k].node;
    for (int k = 0; s->many && k < n; k++) plan->members[plan->n_members++] = s->many->call[k].node;
    if (!f) return 0; /* sweeps are one loop as they are */
    return note_group(plan, i, f,
                      s->after     ? REEL_GROUP_AFTER
                      : s->columns ? REEL_GROUP_COLUMNS
                      : f->rows.n  ? REEL_GROUP_ROWS
                                   : REEL_GROUP_PLAIN);
}

static int prepare(planner *p, size_t i, size_t *workspace)
{
    const pstep *s = &p->steps[i];
    const reel_node *n = s->node >= 0 ? &p->g->nodes[s->node] : NULL;
    const reel_kernel *k = kernel_of(p, s), *own = is_first_half(s) ? reel_kernel_(reel_device_(0), n->op) : k;
    reel_plan *plan = p->plan;
    if (!own)
        return reel_fail_at_(n ? n->site : p->rq->site, REEL_EDEVICE, "%s: reel_%s has no kernel", p->rq->fn,
                             n ? n->op->name : "assign");
    const size_t bytes = k->plan_size ? k->plan_size : 1;
    char *kp = reel_zalloc_(bytes);
    if (!kp) return REEL_ENOMEM;
    int rc = note_members(plan, i, s);
    if (rc) {
        reel_free_(kp, bytes);
        return rc;
    }
    if (s->kind == STEP_RESERVE) {
        const reel_type *t = &p->v[n->first_out].type;
        *(reserve_plan *)(void *)kp =
            (reserve_plan){reel_node_generator_(p->g, n), reel_draw_counters_(reel_count_(&t->shape), t->dtype)};
    } else if (is_first_half(s)) {
        rc = prepare_count(p, s, own, (count_plan *)(void *)kp, workspace);
    } else if (s->kind == STEP_FILL) {
        memcpy(kp, &p->parent->kernel_plans[p->parent->n_steps - 1], sizeof(char *));
    } else if (s->fused || s->many || s->after) {
        rc = prepare_several(p, s, k, kp, workspace);
    } else {
        rc = prepare_op(p, s, k, kp, workspace);
    }
    if (rc) {
        reel_free_(kp, bytes);
        return rc;
    }
    plan->kernels[i] = k;
    plan->kernel_plans[i] = kp;
    plan->kernel_bytes[i] = bytes;
    plan->n_kernels = (int)i + 1;
    plan->out_slot[i] = s->n_out ? s->slot + (s->kind == STEP_FILL) + s->n_in : -1;
    plan->steps[i] = (reel_step){.run = k->run, .plan = kp, .slot = (uint32_t)s->slot, .node = s->node};
    return 0;
}

/* ---- memory ---------------------------------------------------------------------------------------- */

/* Kernels first, as they say what workspace they want. */
static int lay_out(planner *p)
{
    for (size_t i = 0; i < p->n_steps; i++) {
        reel_plan_printer *printer = p->rq->printer;
        p->steps[i].workspace = 0;
        const int rc =
            printer ? printer->step(printer, p, i, &p->steps[i].workspace) : prepare(p, i, &p->steps[i].workspace);
        if (rc) return rc;
    }
    int rc = reel_plan_blocks_(p);
    if (!rc) rc = reel_plan_arena_(p);
    for (size_t i = 0; i < p->n_steps && !rc; i++) {
        pstep *s = &p->steps[i];
        if (s->work < 0) continue;
        p->plan->steps[i].work = (size_t)p->blocks[s->work].at;
        s->number = p->plan->steps[i].work + ((s->workspace + 63) & ~(size_t)63); /* of a first half: behind it */
        if (s->kind == STEP_COUNT) p->plan->seam->number = s->number;
    }
    return rc;
}

reel_place reel_place_of_(const planner *p, int32_t value, reel_dtype dtype)
{
    const pvalue *v = &p->v[value];
    const proot *r = &p->r[v->root];
    reel_place at = {.kind = r->kind, .ext = r->ext, .rec = r->rec};
    at.offset = v->offset + (r->kind == REEL_AT_ARENA ? r->at : 0);
    if (v->weak) at.offset += (int64_t)reel_num_offset_(dtype);
    return at;
}

static void place(reel_plan *plan, uint32_t slot, reel_place at)
{
    plan->slots[slot] = at;
    const reel_patch patch = {slot, at.ext, at.offset};
    if (at.kind == REEL_AT_EXT) plan->patches[plan->n_patches++] = patch;
    if (at.kind == REEL_AT_CARRY) plan->carries[plan->n_carries++] = patch;
}

static void place_pointers(planner *p)
{
    reel_plan *plan = p->plan;
    for (size_t i = 0; i < p->n_steps; i++) {
        const pstep *s = &p->steps[i];
        uint32_t slot = (uint32_t)s->slot;
        if (s->kind == STEP_FILL)
            place(plan, slot++, (reel_place){.kind = REEL_AT_CARRY}); /* the workspace is the first */
        for (int k = 0; k < s->n_in + s->n_out; k++, slot++) {
            const int32_t value = p->slots[slot].value;
            if (value >= 0)
                place(plan, slot, reel_place_of_(p, value, p->slots[slot].dtype));
            else if (s->node < 0 && k == 1)
                place(plan, slot,
                      (reel_place){.kind = REEL_AT_EXT, .ext = p->rq->n_feeds + (int32_t)p->n_vars + s->to});
            else if (p->slots[slot].bytes)
                place(plan, slot, (reel_place){.kind = REEL_AT_ARENA, .offset = p->slots[slot].at});
            else
                place(plan, slot, (reel_place){.kind = REEL_AT_NOTHING});
        }
        if (is_first_half(s)) place(plan, slot, (reel_place){.kind = REEL_AT_ARENA, .offset = (int64_t)s->number});
    }
}

/* ---- seams ----------------------------------------------------------------------------------------- */

void reel_plan_keep_(planner *p)
{
    const reel_graph *g = p->g;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const reel_node *n = &g->nodes[i];
        if (n->kind != REEL_NODE_OP || !(p->need[i] & REEL_NEED_VALUE)) continue;
        /* variables get their values at the run's end */
        if (i < (size_t)p->seam && !reel_is_assign_(n) && !(p->late && p->late[i])) continue;
        for (int k = 0; k < n->n_in; k++) {
            const pvalue *v = &p->v[g->ins[n->first_in + k]];
            if (v->type.dtype && !reel_shape_only_(n->op->flags, k)) p->r[v->root].last = KEPT;
        }
    }
    for (int i = 0; i < p->rq->n_fetches; i++) {
        const pvalue *v = &p->v[p->rq->fetch[i]];
        if (v->type.dtype) p->r[v->root].last = KEPT;
    }
}

/* The values as they stand, for planning the rest: whatever lies in an arena is a pointer handed on from now. */
static int note_seam(planner *p)
{
    reel_seam *seam = p->plan->seam;
    const size_t nv = p->g->n_values + 1;
    size_t n = 1;
    for (size_t i = 0; i < nv; i++) n += p->r[i].kind == REEL_AT_ARENA || p->r[i].kind == REEL_AT_CARRY;
    seam->carry = reel_zalloc_(n * sizeof *seam->carry);
    if (!seam->carry) return REEL_ENOMEM;
    seam->room = n;
    seam->carry[0] = (reel_place){.kind = REEL_AT_ARENA, .offset = (int64_t)p->plan->steps[p->n_steps - 1].work};
    seam->n_carry = 1;
    for (size_t i = 0; i < nv; i++) {
        proot *r = &p->r[i];
        if (r->kind != REEL_AT_ARENA && r->kind != REEL_AT_CARRY) continue;
        if (r->last != KEPT) {
            r->kind = REEL_AT_NOTHING;
            continue;
        }
        seam->carry[seam->n_carry] =
            (reel_place){.kind = r->kind, .ext = r->ext, .offset = r->kind == REEL_AT_ARENA ? r->at : 0};
        *r = (proot){.kind = REEL_AT_CARRY, .ext = seam->n_carry++, .last = -1, .block = -1};
    }
    seam->v = p->v;
    seam->r = p->r;
    seam->n_values = nv;
    p->v = NULL; /* they are the seam's now */
    p->r = NULL;
    return 0;
}

int reel_plan_layout_(planner *p)
{
    int rc = lay_out(p);
    if (rc) return rc;
    place_pointers(p);
    if (p->plan->ways.spoil) p->plan->ways.spoil(p, p->plan->ways.spoil_how);
    rc = p->plan->ways.check ? reel_plan_check_(p) : 0;
    if (!rc && p->rq->printer) return p->rq->printer->done(p->rq->printer, p);
    if (!rc) rc = reel_plan_notes_(p);
    if (rc) return rc;
    if (!p->parent) p->plan->info.nodes = (int)p->g->n_nodes;
    p->plan->info.steps += (int)p->n_steps;
    p->plan->info.arena_bytes += p->plan->arena_bytes;
    p->plan->info.live_bytes += p->plan->live_bytes;
    for (size_t i = 0; i < p->g->n_nodes && !p->parent; i++) p->plan->info.pruned += !(p->need[i] & REEL_NEED_VALUE);
    return p->seam >= 0 ? note_seam(p) : 0;
}
