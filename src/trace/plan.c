/* plan.c: a graph specialised for what is fed and fetched: shapes inferred, views aliased, kernels prepared, memory
   laid out. What comes out is an array of steps with their pointers, which replaying only has to walk. */
#include <stdio.h>
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "core/random.h"
#include "ops/ids.h"
#include "trace.h"

/* A value while planning. Its memory is that of its root, `offset` bytes in. */
typedef struct pvalue {
    reel_type type;
    int64_t strides[REEL_MAX_RANK], offset;
    int32_t root;
    bool weak, shape_only;
} pvalue;

typedef struct proot {
    uint8_t kind;      /* REEL_AT_...; NOTHING: not needed */
    bool fresh;        /* EXT: number ext of the fresh ones */
    int32_t ext, last; /* last: the last step that reads it */
    int32_t block;     /* in the arena while it lives, else -1 */
    int64_t at;        /* offset in the arena */
    reel_rec *rec;     /* CONST */
} proot;

typedef struct pslot {
    int32_t value;    /* -1: only the shape is read */
    reel_dtype dtype; /* a weak number's, as this step reads it */
} pslot;

typedef struct pstep {
    int32_t node, slot; /* node -1: copies a value into fresh memory */
    int n_in, n_out;
    int32_t from, to; /* of a copy: value, fresh number */
    bool reserve;     /* a random node that nobody reads: only takes its counters */
} pstep;

typedef struct planner {
    const reel_graph *g;
    const reel_request *rq;
    reel_plan *plan;
    bool *fed;
    uint8_t *need;
    int32_t *given; /* of a fed value: which feed */
    pvalue *v;
    proot *r;
    pslot *slots;
    pstep *steps;
    reel_rec **vars;
    reel_type *fresh;
    reel_result *results;
    size_t n_slots, cap_slots, n_steps, cap_steps, n_vars, cap_vars, n_fresh, cap_fresh, n_results, cap_results;
    reel_arena *arena;
} planner;

static bool same_type(const reel_type *a, const reel_type *b)
{
    return a->dtype == b->dtype && reel_shape_same_(&a->shape, &b->shape);
}

/* ---- what is needed -------------------------------------------------------------------------------- */

static void mark(planner *p)
{
    const reel_graph *g = p->g;
    for (int i = 0; i < p->rq->n_feeds; i++) {
        p->fed[p->rq->feed[i]] = true;
        p->given[p->rq->feed[i]] = i;
    }
    for (int i = 0; i < p->rq->n_fetches; i++) {
        if (!p->fed[p->rq->fetch[i]]) p->need[g->values[p->rq->fetch[i]].node] = REEL_NEED_VALUE;
        if (p->rq->effect[i] >= 0) p->need[p->rq->effect[i]] = REEL_NEED_VALUE;
    }
    for (size_t i = 0; i < g->n_nodes && p->rq->effects; i++)
        if (g->nodes[i].op && (g->nodes[i].op->flags & REEL_OPF_EFFECT)) p->need[i] = REEL_NEED_VALUE;
    reel_prune_(g, p->fed, p->need);
}

static const char *type_text(const reel_type *t, char buf[REEL_SHAPE_TEXT + 8])
{
    char shape[REEL_SHAPE_TEXT];
    snprintf(buf, REEL_SHAPE_TEXT + 8, "%s%s", reel_dtype_name(t->dtype), reel_shape_text_(&t->shape, shape));
    return buf;
}

int reel_feed_check_(const reel_graph *g, const char *site, const char *fn, int32_t value, const reel_type *t)
{
    const reel_type *want = &g->values[value].type;
    bool fits = t->dtype == want->dtype && t->shape.rank == want->shape.rank;
    for (int i = 0; fits && i < t->shape.rank; i++)
        fits = want->shape.dims[i] == REEL_ANY || want->shape.dims[i] == t->shape.dims[i];
    if (fits) return 0;
    char a[REEL_SHAPE_TEXT + 8], b[REEL_SHAPE_TEXT + 8];
    const int32_t node = g->values[value].node;
    return reel_fail_at_(site, t->dtype == want->dtype ? REEL_ESHAPE : REEL_EDTYPE,
                         "%s: feed \"%s\" is %s, the %s is %s", fn, reel_node_name_(g, node), type_text(t, a),
                         g->nodes[node].kind == REEL_NODE_INPUT ? "placeholder" : "value", type_text(want, b));
}

/* ---- leaves ---------------------------------------------------------------------------------------- */

static void set_dense(pvalue *v, const reel_type *t, int32_t root)
{
    v->type = *t;
    v->root = root;
    reel_shape_strides_(&t->shape, v->strides);
}

static int take_feed(planner *p, int32_t value, const reel_type *given)
{
    const int k = p->given[value];
    pvalue *v = &p->v[value];
    reel_rec *rec = p->rq->given ? p->rq->given[k] : NULL;
    const bool number = rec && (rec->flags & REEL_R_NUM), weak = p->g->nodes[p->g->values[value].node].weak;
    reel_type t = given ? given[k] : rec->type;
    if (number && !weak) t.dtype = p->g->values[value].type.dtype;
    const int rc = weak ? 0 : reel_feed_check_(p->g, p->rq->site, p->rq->fn, value, &t);
    if (rc) return rc;
    set_dense(v, &t, value);
    if (rec && !number) memcpy(v->strides, rec->strides, sizeof v->strides[0] * (size_t)t.shape.rank);
    v->weak = weak;
    v->offset = number && !weak ? (int64_t)reel_num_offset_(t.dtype) : 0;
    p->r[value].kind = REEL_AT_EXT;
    p->r[value].ext = k;
    return 0;
}

static int take_leaf(planner *p, size_t i)
{
    const reel_node *n = &p->g->nodes[i];
    const int32_t value = n->first_out;
    pvalue *v = &p->v[value];
    const bool whole = p->need[i] & REEL_NEED_VALUE;
    if (n->kind == REEL_NODE_INPUT) {
        const reel_type *t = &p->g->values[value].type;
        char text[REEL_SHAPE_TEXT + 8];
        if (whole || !reel_shape_known_(&t->shape))
            return reel_fail_at_(p->rq->site, REEL_ETRACE, "%s: feed \"%s\" is missing: %s, a placeholder made at %s",
                                 p->rq->fn, reel_node_name_(p->g, (int)i), type_text(t, text), n->site);
        set_dense(v, t, value);
        v->shape_only = true;
        return 0;
    }
    set_dense(v, &n->rec->type, value);
    v->weak = n->weak;
    if (n->kind == REEL_NODE_CONST) {
        if (!n->weak) memcpy(v->strides, n->rec->strides, sizeof v->strides);
        p->r[value].kind = REEL_AT_CONST;
        p->r[value].rec = n->rec;
        return 0;
    }
    if (!whole) return 0;
    if (reel_grow_((void **)&p->vars, &p->cap_vars, p->n_vars + 1, sizeof *p->vars)) return REEL_ENOMEM;
    p->r[value].kind = REEL_AT_EXT;
    p->r[value].ext = p->rq->n_feeds + (int32_t)p->n_vars;
    p->vars[p->n_vars++] = n->rec;
    return 0;
}

/* ---- ops ------------------------------------------------------------------------------------------- */

static int infer(const planner *p, const reel_node *n, reel_dtype *in_dtype, reel_type *out)
{
    const reel_type *in[REEL_MAX_IN];
    bool weak[REEL_MAX_IN];
    for (int k = 0; k < n->n_in; k++) {
        const pvalue *v = &p->v[p->g->ins[n->first_in + k]];
        in[k] = &v->type;
        weak[k] = v->weak;
    }
    memset(out, 0, sizeof *out * (size_t)n->n_out);
    const int rc = reel_infer_(n->op, reel_node_attr_(p->g, n), in, weak, n->n_in, in_dtype, out, n->n_out);
    for (int k = 0; k < n->n_in && rc; k++) {
        char text[REEL_SHAPE_TEXT + 8];
        reel_error_append_("%s%s", k ? ", " : ": of ", type_text(in[k], text));
    }
    return rc;
}

/* Outputs as views of input 0; false: the kernel has to run. */
static bool as_views(planner *p, const reel_node *n, const reel_type *out)
{
    if (!(n->op->flags & REEL_OPF_VIEW) || !n->op->view) return false;
    const pvalue *src = &p->v[p->g->ins[n->first_in]];
    if (src->weak || src->type.dtype != out[0].dtype) return false; /* as the door does */
    const reel_type *in[REEL_MAX_IN];
    int64_t strides[REEL_MAX_OUT][REEL_MAX_RANK], offset[REEL_MAX_OUT];
    for (int k = 0; k < n->n_in; k++) in[k] = &p->v[p->g->ins[n->first_in + k]].type;
    memset(strides, 0, sizeof strides[0] * (size_t)n->n_out);
    memset(offset, 0, sizeof offset[0] * (size_t)n->n_out);
    const reel_view_rule rule = {.attr = reel_node_attr_(p->g, n),
                                 .n_in = n->n_in,
                                 .n_out = n->n_out,
                                 .in = in,
                                 .strides = src->strides,
                                 .out = out,
                                 .out_strides = strides,
                                 .byte_offset = offset};
    if (n->op->view(&rule) != 1) return false;
    for (int k = 0; k < n->n_out; k++) {
        if (p->fed[n->first_out + k]) continue;
        pvalue *v = &p->v[n->first_out + k];
        v->type = out[k];
        v->root = src->root;
        v->offset = src->offset + offset[k];
        memcpy(v->strides, strides[k], sizeof v->strides);
    }
    return true;
}

static pstep *add_step(planner *p, int32_t node, int n_in, int n_out)
{
    if (reel_grow_((void **)&p->steps, &p->cap_steps, p->n_steps + 1, sizeof *p->steps)) return NULL;
    if (reel_grow_((void **)&p->slots, &p->cap_slots, p->n_slots + (size_t)(n_in + n_out), sizeof *p->slots))
        return NULL;
    pstep *s = &p->steps[p->n_steps++];
    *s = (pstep){.node = node, .slot = (int32_t)p->n_slots, .n_in = n_in, .n_out = n_out};
    return s;
}

static void read_slot(planner *p, int32_t value, reel_dtype dtype, bool whole)
{
    if (whole) p->r[p->v[value].root].last = (int32_t)p->n_steps - 1;
    p->slots[p->n_slots++] = (pslot){whole ? value : -1, dtype};
}

/* A weak number that is fed and read as an integer must be one. */
static int check_numbers(planner *p, const reel_node *n, const reel_dtype *in_dtype)
{
    for (int k = 0; k < n->n_in; k++) {
        const int32_t value = p->g->ins[n->first_in + k];
        if (!p->v[value].weak || !p->fed[value] || reel_is_float_(in_dtype[k])) continue;
        const int feed = p->given[value];
        p->plan->feed_weak[feed] = 2;
        if (!reel_num_fits_(p->plan->feed_number[feed], in_dtype[k]))
            return reel_fail(REEL_EDTYPE, "the number %g does not fit %s", p->plan->feed_number[feed],
                             reel_dtype_name(in_dtype[k]));
    }
    return 0;
}

static int take_op(planner *p, size_t i, bool types_only)
{
    const reel_node *n = &p->g->nodes[i];
    reel_dtype in_dtype[REEL_MAX_IN];
    reel_type out[REEL_MAX_OUT];
    int rc = infer(p, n, in_dtype, out);
    if (!rc && !types_only) rc = check_numbers(p, n, in_dtype);
    if (rc) return rc;
    bool empty = n->n_out > 0;
    for (int k = 0; k < n->n_out; k++) {
        if (!p->fed[n->first_out + k]) set_dense(&p->v[n->first_out + k], &out[k], n->first_out + k);
        empty = empty && reel_count_(&out[k].shape) == 0;
    }
    if (types_only || !(p->need[i] & REEL_NEED_VALUE) || reel_is_assign_(n) || as_views(p, n, out)) return 0;
    for (int k = 0; k < n->n_out; k++)
        if (!p->fed[n->first_out + k]) p->r[n->first_out + k].kind = REEL_AT_ARENA;
    if (empty) return 0;
    if (!add_step(p, (int32_t)i, n->n_in, n->n_out)) return REEL_ENOMEM;
    for (int k = 0; k < n->n_in; k++)
        read_slot(p, p->g->ins[n->first_in + k], in_dtype[k], !reel_shape_only_(n->op->flags, k));
    for (int k = 0; k < n->n_out; k++) read_slot(p, n->first_out + k, out[k].dtype, true);
    return 0;
}

static bool all_fed(const planner *p, const reel_node *n)
{
    for (int k = 0; k < n->n_out; k++)
        if (!p->fed[n->first_out + k]) return false;
    return n->n_out > 0;
}

static int walk(planner *p, const reel_type *given)
{
    reel_ctx *c = reel_ctx_();
    const char *site = c->site, *op = c->op;
    const bool widen = c->widen;
    int rc = 0;
    c->widen = p->g->widen;
    for (int i = 0; i < p->rq->n_feeds && !rc; i++) rc = take_feed(p, p->rq->feed[i], given);
    for (size_t i = 0; i < p->g->n_nodes && !rc; i++) {
        const reel_node *n = &p->g->nodes[i];
        const bool unused = !p->need[i] || all_fed(p, n);
        if (p->rq->effects && !given && n->op && (n->op->flags & REEL_OPF_RANDOM) &&
            (unused || !(p->need[i] & REEL_NEED_VALUE))) { /* it draws all the same */
            pstep *s = add_step(p, (int32_t)i, 0, 0);
            if (s)
                s->reserve = true;
            else
                rc = REEL_ENOMEM;
        }
        if (unused || rc) continue;
        c->site = n->op ? n->site : p->rq->site;
        c->op = n->op ? n->op->name : NULL;
        rc = n->op ? take_op(p, i, given != NULL) : take_leaf(p, i);
    }
    c->site = site;
    c->op = op;
    c->widen = widen;
    return rc;
}

/* ---- results: fetches, then commits ----------------------------------------------------------------- */

static int add_fresh(planner *p, const reel_type *t, int32_t *number)
{
    if (reel_grow_((void **)&p->fresh, &p->cap_fresh, p->n_fresh + 1, sizeof *p->fresh)) return REEL_ENOMEM;
    *number = (int32_t)p->n_fresh;
    p->fresh[p->n_fresh++] = *t;
    return 0;
}

static int add_result(planner *p, int32_t value, reel_rec *cell)
{
    if (reel_grow_((void **)&p->results, &p->cap_results, p->n_results + 1, sizeof *p->results)) return REEL_ENOMEM;
    const pvalue *v = &p->v[value];
    proot *root = &p->r[v->root];
    reel_result *r = &p->results[p->n_results++];
    *r = (reel_result){.type = v->type, .cell = cell, .weak = v->weak && !cell};
    memcpy(r->strides, v->strides, sizeof r->strides);
    r->place = (reel_place){.kind = REEL_AT_EXT, .offset = v->offset};
    if (v->weak) {
        if (cell) r->type.dtype = cell->type.dtype;
        r->place.offset += cell ? (int64_t)reel_num_offset_(cell->type.dtype) : 0;
    }
    if (cell && !reel_is_dense_(&v->type.shape, v->strides)) { /* variables are dense */
        pstep *s = add_step(p, -1, 1, 1);
        if (!s) return REEL_ENOMEM;
        s->from = value;
        read_slot(p, value, v->type.dtype, true);
        p->slots[p->n_slots++] = (pslot){-1, v->type.dtype};
        if (add_fresh(p, &v->type, &s->to)) return REEL_ENOMEM;
        r->place = (reel_place){.kind = REEL_AT_EXT, .ext = p->rq->n_feeds + (int32_t)p->n_vars + s->to};
        r->whole = true;
        reel_shape_strides_(&v->type.shape, r->strides);
        return 0;
    }
    if (root->kind == REEL_AT_ARENA) { /* what leaves the run never lives in the arena */
        root->kind = REEL_AT_EXT;
        root->fresh = true;
        if (add_fresh(p, &p->v[v->root].type, &root->ext)) return REEL_ENOMEM;
        root->ext += p->rq->n_feeds + (int32_t)p->n_vars;
        r->whole = v->root == value; /* later results of the same root are views */
    }
    if (root->kind == REEL_AT_CONST) r->place.kind = REEL_AT_CONST;
    r->place.rec = root->rec;
    r->place.ext = root->ext;
    return 0;
}

static int add_commits(planner *p)
{
    const reel_graph *g = p->g;
    int32_t *last = reel_alloc_array_(g->n_values + 1, sizeof *last); /* of a variable's first read: its last assign */
    if (!last) return REEL_ENOMEM;
    memset(last, 0xff, (g->n_values + 1) * sizeof *last);
    for (size_t i = 0; i < g->n_nodes; i++)
        if (p->need[i] && reel_is_assign_(&g->nodes[i])) last[g->ins[g->nodes[i].first_in]] = (int32_t)i;
    int rc = 0;
    for (size_t i = 0; i < g->n_nodes && !rc; i++) {
        const reel_node *n = &g->nodes[i];
        if (!p->need[i] || !reel_is_assign_(n) || last[g->ins[n->first_in]] != (int32_t)i) continue;
        reel_rec *cell = g->nodes[g->values[g->ins[n->first_in]].node].rec;
        rc = add_result(p, g->ins[n->first_in + 1], cell);
        p->plan->write_locks |= 1u << (cell->id % 32);
    }
    reel_free_(last, (g->n_values + 1) * sizeof *last);
    return rc;
}

/* ---- kernels and memory ---------------------------------------------------------------------------- */

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

static void kview_of(const planner *p, const pstep *s, int k, reel_kview *view)
{
    const pslot *slot = &p->slots[s->slot + k];
    const reel_node *n = s->node >= 0 ? &p->g->nodes[s->node] : NULL;
    const int32_t value = !n ? s->from : k < s->n_in ? p->g->ins[n->first_in + k] : n->first_out + (k - s->n_in);
    const pvalue *v = &p->v[value];
    *view = (reel_kview){
        .dtype = slot->dtype, .rank = v->type.shape.rank, .dims = v->type.shape.dims, .strides = v->strides};
}

static int prepare(planner *p, size_t i, size_t *workspace)
{
    const pstep *s = &p->steps[i];
    const reel_node *n = s->node >= 0 ? &p->g->nodes[s->node] : NULL;
    const reel_op *op = n ? n->op : &reel_rows_[REEL_OP_stop_gradient]; /* the identity: its kernel copies */
    const reel_kernel *k = s->reserve ? &reserve_kernel : reel_kernel_(reel_device_(0), op);
    reel_plan *plan = p->plan;
    if (!k)
        return reel_fail_at_(n ? n->site : p->rq->site, REEL_EDEVICE, "%s: reel_%s has no kernel", p->rq->fn, op->name);
    const size_t bytes = k->plan_size ? k->plan_size : 1;
    char *kp = reel_zalloc_(bytes);
    if (!kp) return REEL_ENOMEM;
    int rc = 0;
    if (s->reserve) {
        const reel_type *t = &p->g->values[n->first_out].type;
        *(reserve_plan *)(void *)kp =
            (reserve_plan){reel_node_generator_(p->g, n), reel_draw_counters_(reel_count_(&t->shape), t->dtype)};
    } else {
        reel_kview views[REEL_MAX_IN + REEL_MAX_OUT];
        int64_t dense[REEL_MAX_RANK];
        for (int j = 0; j < s->n_in + s->n_out; j++) kview_of(p, s, j, &views[j]);
        if (!n) {
            reel_shape_strides_(&p->v[s->from].type.shape, dense);
            views[1].strides = dense;
        }
        const reel_ksig sig = {.op = op,
                               .attr = n ? reel_node_attr_(p->g, n) : NULL,
                               .n_in = s->n_in,
                               .n_out = s->n_out,
                               .in = views,
                               .out = views + s->n_in};
        reel_ctx *c = reel_ctx_();
        const char *site = c->site, *name = c->op;
        c->site = n ? n->site : p->rq->site;
        c->op = op->name;
        rc = k->prepare(&sig, kp, workspace);
        c->site = site;
        c->op = name;
    }
    if (rc) {
        reel_free_(kp, bytes);
        return rc;
    }
    plan->kernels[i] = k;
    plan->kernel_plans[i] = kp;
    plan->kernel_bytes[i] = bytes;
    plan->n_kernels = (int)i + 1;
    plan->steps[i] = (reel_step){.run = k->run, .plan = kp, .slot = (uint32_t)s->slot, .node = s->node};
    return 0;
}

/* The input whose memory an elementwise step may write over, or -1: it dies here and looks like the output. */
static int32_t overwritable(const planner *p, size_t i)
{
    const pstep *s = &p->steps[i];
    if (s->node < 0 || s->n_out != 1 || !(p->g->nodes[s->node].op->flags & REEL_OPF_ELEMENTWISE)) return -1;
    const int32_t out = p->slots[s->slot + s->n_in].value;
    for (int k = 0; k < s->n_in; k++) {
        const int32_t value = p->slots[s->slot + k].value;
        if (value < 0) continue;
        const pvalue *v = &p->v[value];
        const proot *r = &p->r[v->root];
        if (r->kind != REEL_AT_ARENA || r->block < 0 || r->last != (int32_t)i) continue;
        if (!same_type(&v->type, &p->v[out].type) ||
            reel_type_bytes_(&p->v[v->root].type) != reel_type_bytes_(&v->type))
            continue;
        bool alike = true; /* every read of that memory in this step is of the same elements in the same order */
        for (int j = 0; j < s->n_in && alike; j++) {
            const int32_t other = p->slots[s->slot + j].value;
            if (other < 0 || p->v[other].root != v->root) continue;
            const pvalue *o = &p->v[other];
            alike = o->offset == 0 && same_type(&o->type, &v->type) && reel_is_dense_(&o->type.shape, o->strides);
        }
        if (alike) return v->root;
    }
    return -1;
}

static int place_output(planner *p, size_t i, int32_t value)
{
    proot *r = &p->r[value];
    if (r->kind != REEL_AT_ARENA) return 0;
    const size_t bytes = reel_type_bytes_(&p->v[value].type);
    p->plan->info.unplanned_bytes += (bytes + 63) & ~(size_t)63;
    const int32_t over = overwritable(p, i);
    if (over >= 0) {
        r->block = p->r[over].block;
        r->at = p->r[over].at;
        p->r[over].block = -1;
        p->plan->info.in_place++;
        return 0;
    }
    r->block = reel_arena_take_(p->arena, bytes);
    if (r->block < 0) return REEL_ENOMEM;
    r->at = (int64_t)reel_arena_offset_(p->arena, r->block);
    return 0;
}

static int lay_out(planner *p)
{
    for (size_t i = 0; i < p->n_steps; i++) {
        const pstep *s = &p->steps[i];
        size_t workspace = 0;
        int rc = prepare(p, i, &workspace);
        for (int k = 0; k < s->n_out && s->node >= 0 && !rc; k++)
            rc = place_output(p, i, p->slots[s->slot + s->n_in + k].value);
        if (rc) return rc;
        if (workspace) {
            const int32_t block = reel_arena_take_(p->arena, workspace);
            if (block < 0) return REEL_ENOMEM;
            p->plan->steps[i].work = reel_arena_offset_(p->arena, block);
            reel_arena_give_(p->arena, block); /* later steps may have it; this step's inputs still hold theirs */
        }
        for (int k = 0; k < s->n_in + s->n_out; k++) {
            const int32_t value = p->slots[s->slot + k].value;
            proot *r = value >= 0 ? &p->r[p->v[value].root] : NULL;
            if (!r || r->kind != REEL_AT_ARENA || r->block < 0 || r->last != (int32_t)i) continue;
            reel_arena_give_(p->arena, r->block);
            r->block = -1;
        }
    }
    p->plan->arena_bytes = reel_arena_bytes_(p->arena);
    return 0;
}

static void place_pointers(planner *p)
{
    reel_plan *plan = p->plan;
    for (size_t i = 0; i < p->n_steps; i++) {
        const pstep *s = &p->steps[i];
        for (int k = 0; k < s->n_in + s->n_out; k++) {
            const uint32_t slot = (uint32_t)(s->slot + k);
            const int32_t value = p->slots[slot].value;
            reel_place *at = &plan->slots[slot];
            *at = (reel_place){.kind = REEL_AT_NOTHING};
            if (value >= 0) {
                const pvalue *v = &p->v[value];
                const proot *r = &p->r[v->root];
                at->kind = r->kind;
                at->ext = r->ext;
                at->rec = r->rec;
                at->offset = v->offset + (r->kind == REEL_AT_ARENA ? r->at : 0);
                if (v->weak) at->offset += (int64_t)reel_num_offset_(p->slots[slot].dtype);
            } else if (s->node < 0 && k == 1) {
                *at = (reel_place){.kind = REEL_AT_EXT, .ext = p->rq->n_feeds + (int32_t)p->n_vars + s->to};
            }
            if (at->kind == REEL_AT_EXT) plan->patches[plan->n_patches++] = (reel_patch){slot, at->ext, at->offset};
        }
    }
}

/* ---- putting it together ---------------------------------------------------------------------------- */

static void *copy_of(const void *src, size_t n, size_t size)
{
    void *p = reel_alloc_array_(n + 1, size);
    if (p && n) memcpy(p, src, n * size);
    return p;
}

static int keep_key(reel_plan *plan, const reel_request *rq)
{
    const size_t nf = (size_t)rq->n_feeds, no = (size_t)rq->n_fetches;
    plan->n_feeds = rq->n_feeds;
    plan->n_fetches = rq->n_fetches;
    plan->effects = rq->effects;
    plan->feed = copy_of(rq->feed, nf, sizeof *plan->feed);
    plan->fetch = copy_of(rq->fetch, no, sizeof *plan->fetch);
    plan->effect = copy_of(rq->effect, no, sizeof *plan->effect);
    plan->feed_type = reel_alloc_array_(nf + 1, sizeof *plan->feed_type);
    plan->feed_strides = reel_alloc_array_(nf + 1, sizeof *plan->feed_strides);
    plan->feed_weak = reel_alloc_array_(nf + 1, sizeof *plan->feed_weak);
    plan->feed_number = reel_alloc_array_(nf + 1, sizeof *plan->feed_number);
    if (!plan->feed || !plan->fetch || !plan->effect || !plan->feed_type || !plan->feed_strides || !plan->feed_weak ||
        !plan->feed_number)
        return REEL_ENOMEM;
    for (size_t i = 0; i < nf; i++) {
        plan->feed_type[i] = rq->given[i]->type;
        memcpy(plan->feed_strides[i], rq->given[i]->strides, sizeof plan->feed_strides[i]);
        plan->feed_weak[i] = (rq->given[i]->flags & REEL_R_NUM) != 0;
        plan->feed_number[i] = plan->feed_weak[i] ? reel_load_number_(rq->given[i]->data, REEL_F64) : 0;
    }
    return 0;
}

static int finish(planner *p)
{
    reel_plan *plan = p->plan;
    plan->n_steps = (int)p->n_steps;
    plan->n_slots = (int)p->n_slots;
    plan->n_vars = (int)p->n_vars;
    plan->n_fresh = (int)p->n_fresh;
    plan->n_results = (int)p->n_results;
    plan->steps = reel_zalloc_((p->n_steps + 1) * sizeof *plan->steps);
    plan->kernels = reel_zalloc_((p->n_steps + 1) * sizeof *plan->kernels);
    plan->kernel_plans = reel_zalloc_((p->n_steps + 1) * sizeof *plan->kernel_plans);
    plan->kernel_bytes = reel_zalloc_((p->n_steps + 1) * sizeof *plan->kernel_bytes);
    plan->slots = reel_alloc_array_(p->n_slots + 1, sizeof *plan->slots);
    plan->patches = reel_alloc_array_(p->n_slots + 1, sizeof *plan->patches);
    plan->vars = copy_of(p->vars, p->n_vars, sizeof *plan->vars);
    plan->fresh = copy_of(p->fresh, p->n_fresh, sizeof *plan->fresh);
    plan->results = copy_of(p->results, p->n_results, sizeof *plan->results);
    if (!plan->steps || !plan->kernels || !plan->kernel_plans || !plan->kernel_bytes || !plan->slots ||
        !plan->patches || !plan->vars || !plan->fresh || !plan->results)
        return REEL_ENOMEM;
    const int rc = lay_out(p);
    if (rc) return rc;
    place_pointers(p);
    plan->info.nodes = (int)p->g->n_nodes;
    plan->info.steps = plan->n_steps;
    plan->info.arena_bytes = plan->arena_bytes;
    for (size_t i = 0; i < p->g->n_nodes; i++) plan->info.pruned += !(p->need[i] & REEL_NEED_VALUE);
    return 0;
}

static int planner_init(planner *p, const reel_graph *g, const reel_request *rq)
{
    const size_t nv = g->n_values + 1, nn = g->n_nodes + 1;
    *p = (planner){.g = g, .rq = rq};
    p->fed = reel_zalloc_(nv * sizeof *p->fed);
    p->need = reel_zalloc_(nn);
    p->given = reel_zalloc_(nv * sizeof *p->given);
    p->v = reel_zalloc_(nv * sizeof *p->v);
    p->r = reel_zalloc_(nv * sizeof *p->r);
    p->arena = reel_arena_new_();
    if (!p->fed || !p->need || !p->given || !p->v || !p->r || !p->arena) return REEL_ENOMEM;
    for (size_t i = 0; i < nv; i++) p->r[i].last = p->r[i].block = -1;
    mark(p);
    return 0;
}

static void planner_drop(planner *p)
{
    const size_t nv = p->g->n_values + 1;
    reel_free_(p->fed, nv * sizeof *p->fed);
    reel_free_(p->need, p->g->n_nodes + 1);
    reel_free_(p->given, nv * sizeof *p->given);
    reel_free_(p->v, nv * sizeof *p->v);
    reel_free_(p->r, nv * sizeof *p->r);
    reel_free_(p->slots, p->cap_slots * sizeof *p->slots);
    reel_free_(p->steps, p->cap_steps * sizeof *p->steps);
    reel_free_(p->vars, p->cap_vars * sizeof *p->vars);
    reel_free_(p->fresh, p->cap_fresh * sizeof *p->fresh);
    reel_free_(p->results, p->cap_results * sizeof *p->results);
    reel_arena_free_(p->arena);
}

reel_plan *reel_plan_new_(const reel_graph *g, const reel_request *rq)
{
    planner p;
    reel_plan *plan = reel_zalloc_(sizeof *plan);
    int rc = planner_init(&p, g, rq);
    if (!plan) rc = REEL_ENOMEM;
    p.plan = plan;
    if (!rc) rc = keep_key(plan, rq);
    if (!rc) rc = walk(&p, NULL);
    for (int i = 0; i < rq->n_fetches && !rc; i++) rc = add_result(&p, rq->fetch[i], NULL);
    if (!rc) rc = add_commits(&p);
    if (!rc) rc = finish(&p);
    planner_drop(&p);
    if (!rc) return plan;
    reel_plan_free_(plan);
    return NULL;
}

int reel_plan_types_(const reel_graph *g, const reel_request *rq, const reel_type *feeds, reel_type *out)
{
    planner p;
    int rc = planner_init(&p, g, rq);
    if (!rc) rc = walk(&p, feeds);
    for (int i = 0; i < rq->n_fetches && !rc; i++) out[i] = p.v[rq->fetch[i]].type;
    planner_drop(&p);
    return rc;
}
