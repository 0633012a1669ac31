/* plan.c: a graph specialised for what is fed and fetched: shapes inferred, views aliased, kernels prepared, memory
   laid out. What comes out is an array of steps with their pointers, which replaying only has to walk. Where a size depends on
   data the plan ends at a seam; the rest is planned like a graph of its own for each number that turns up there. */
#include <stdio.h>
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "passes/pass.h"
#include "planner.h"

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
    for (size_t i = 0; i < g->n_nodes && p->rq->effects;
         i++) { /* a draw that nobody reads takes as many numbers as it has elements */
        const uint32_t flags = g->nodes[i].op ? g->nodes[i].op->flags : 0;
        if (flags & REEL_OPF_RANDOM) p->need[i] |= REEL_NEED_SHAPE;
        if (flags & REEL_OPF_EFFECT) p->need[i] = REEL_NEED_VALUE;
    }
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

bool reel_node_views_(const reel_op *op, const void *attr, const reel_type *const *in, int n_in, const int64_t *strides,
                      const reel_type *out, int n_out, int64_t (*out_strides)[REEL_MAX_RANK], int64_t *offset)
{
    if (!(op->flags & REEL_OPF_VIEW) || !op->view || in[0]->dtype != out[0].dtype) return false; /* as the door does */
    memset(out_strides, 0, sizeof out_strides[0] * (size_t)n_out);
    memset(offset, 0, sizeof offset[0] * (size_t)n_out);
    const reel_view_rule rule = {.attr = attr,
                                 .n_in = n_in,
                                 .n_out = n_out,
                                 .in = in,
                                 .strides = strides,
                                 .out = out,
                                 .out_strides = out_strides,
                                 .byte_offset = offset};
    return op->view(&rule) == 1;
}

/* Outputs as views of input 0; false: the kernel has to run. */
static bool as_views(planner *p, const reel_node *n, const reel_type *out)
{
    if (!(n->op->flags & REEL_OPF_VIEW)) return false;
    const pvalue *src = &p->v[p->g->ins[n->first_in]];
    if (src->weak) return false;
    const reel_type *in[REEL_MAX_IN];
    int64_t strides[REEL_MAX_OUT][REEL_MAX_RANK], offset[REEL_MAX_OUT];
    for (int k = 0; k < n->n_in; k++) in[k] = &p->v[p->g->ins[n->first_in + k]].type;
    if (!reel_node_views_(n->op, reel_node_attr_(p->g, n), in, n->n_in, src->strides, out, n->n_out, strides, offset))
        return false;
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

int reel_planner_step_(planner *p, pstep step)
{
    if (reel_grow_((void **)&p->steps, &p->cap_steps, p->n_steps + 1, sizeof *p->steps)) return REEL_ENOMEM;
    if (reel_grow_((void **)&p->slots, &p->cap_slots, p->n_slots + (size_t)(step.n_in + step.n_out) + 1,
                   sizeof *p->slots))
        return REEL_ENOMEM;
    step.slot = (int32_t)p->n_slots;
    p->steps[p->n_steps++] = step;
    return 0;
}

void reel_planner_read_(planner *p, int32_t value, reel_dtype dtype, bool whole)
{
    if (whole) p->r[p->v[value].root].last = (int32_t)p->n_steps - 1;
    p->slots[p->n_slots++] = (pslot){.value = whole ? value : -1, .dtype = dtype};
}

void reel_planner_lasts_(planner *p)
{
    for (size_t i = 0; i < p->g->n_values; i++)
        if (p->r[i].last != KEPT) p->r[i].last = -1;
    for (size_t i = 0; i < p->n_steps; i++) {
        const pstep *s = &p->steps[i];
        for (int k = 0; k < s->n_in + s->n_out; k++) {
            const int32_t value = p->slots[reel_first_operand_(s) + k].value;
            proot *r = value >= 0 ? &p->r[p->v[value].root] : NULL;
            if (r && r->last != KEPT) r->last = (int32_t)i;
        }
    }
}

/* A weak number that is fed and read as an integer must be one. */
static int check_numbers(planner *p, const reel_node *n, const reel_dtype *in_dtype)
{
    for (int k = 0; k < n->n_in; k++) {
        const int32_t value = p->g->ins[n->first_in + k];
        if (!p->v[value].weak || !p->fed[value] || reel_is_float_(in_dtype[k])) continue;
        const int feed = p->given[value];
        const double x = reel_load_number_(p->rq->given[feed]->data, REEL_F64);
        if (!p->parent) p->plan->feed_weak[feed] = 2;
        if (!reel_num_fits_(x, in_dtype[k]))
            return reel_fail(REEL_EDTYPE, "the number %g does not fit %s", x, reel_dtype_name(in_dtype[k]));
    }
    return 0;
}

/* Where it is known: in the segment behind the seam. */
static int put_size(const planner *p, const reel_node *n, reel_type *out)
{
    for (int k = 0; k < n->n_out; k++) {
        for (int i = 0; i < out[k].shape.rank; i++)
            if (out[k].shape.dims[i] == REEL_ANY) out[k].shape.dims[i] = p->size;
        const int rc = reel_shape_check_(out[k].shape, false);
        if (rc) return rc;
    }
    return 0;
}

static int add_op_step(planner *p, size_t i, int kind, const reel_dtype *in_dtype, const reel_type *out)
{
    const reel_node *n = &p->g->nodes[i];
    const bool first_half = kind == STEP_COUNT || kind == STEP_CHECK;
    const int n_out = first_half ? 0 : n->n_out;
    if (reel_planner_step_(p, (pstep){.node = (int32_t)i, .n_in = n->n_in, .n_out = n_out, .kind = (unsigned)kind}))
        return REEL_ENOMEM;
    if (kind == STEP_FILL) p->slots[p->n_slots++] = (pslot){.value = -1, .dtype = REEL_U8};
    for (int k = 0; k < n->n_in; k++)
        reel_planner_read_(p, p->g->ins[n->first_in + k], in_dtype[k], !reel_shape_only_(n->op->flags, k));
    for (int k = 0; k < n_out; k++) {
        const bool fed = p->fed[n->first_out + k];
        reel_planner_read_(p, n->first_out + k, out[k].dtype, kind != STEP_LATE && !fed);
        if (fed) p->slots[p->n_slots - 1].bytes = reel_type_bytes_(&out[k]) + 1;
    }
    if (first_half) p->slots[p->n_slots++] = (pslot){.value = -1, .dtype = REEL_I64};
    return 0;
}

static int take_op(planner *p, size_t i, bool types_only)
{
    const reel_node *n = &p->g->nodes[i];
    reel_dtype in_dtype[REEL_MAX_IN];
    reel_type out[REEL_MAX_OUT];
    reel_plan_printer *printer = types_only ? NULL : p->rq->printer;
    const bool dynamic = (n->op->flags & REEL_OPF_DYNAMIC) && !types_only;
    int rc = printer ? printer->node(printer, p, i) : 0;
    if (!rc) rc = infer(p, n, in_dtype, out);
    if (!rc && !types_only) rc = check_numbers(p, n, in_dtype);
    int kind = STEP_RUN;
    if ((int32_t)i == p->fill)
        kind = STEP_FILL;
    else if (dynamic && !printer)
        kind = STEP_COUNT;
    if (dynamic && printer && !rc) rc = printer->bound(printer, p, i, out);
    if (kind == STEP_FILL && !rc) rc = put_size(p, n, out);
    if (rc) return rc;
    bool empty = n->n_out > 0 && !(dynamic && printer); /* which counts all the same */
    for (int k = 0; k < n->n_out; k++) {
        if (!p->fed[n->first_out + k]) set_dense(&p->v[n->first_out + k], &out[k], n->first_out + k);
        empty = empty && reel_count_(&out[k].shape) == 0;
    }
    if (kind == STEP_COUNT) {
        p->seam = (int32_t)i;
        return add_op_step(p, i, kind, in_dtype, out);
    }
    if (p->late && p->late[i] && !types_only) return add_op_step(p, i, STEP_CHECK, in_dtype, out);
    if (types_only || !(p->need[i] & REEL_NEED_VALUE) || reel_is_assign_(n) || as_views(p, n, out)) return 0;
    for (int k = 0; k < n->n_out; k++)
        if (!p->fed[n->first_out + k]) p->r[n->first_out + k].kind = REEL_AT_ARENA;
    return empty ? 0 : add_op_step(p, i, kind, in_dtype, out);
}

static bool all_fed(const planner *p, const reel_node *n)
{
    for (int k = 0; k < n->n_out; k++)
        if (!p->fed[n->first_out + k]) return false;
    return n->n_out > 0;
}

/* A random node of which nothing is read draws all the same. */
static int draw_unread(planner *p, size_t i, bool unused)
{
    const reel_node *n = &p->g->nodes[i];
    if (!p->rq->effects || !n->op || !(n->op->flags & REEL_OPF_RANDOM)) return 0;
    if (!unused && (p->need[i] & REEL_NEED_VALUE)) return 0;
    return reel_planner_step_(p, (pstep){.node = (int32_t)i, .kind = STEP_RESERVE});
}

int reel_planner_walk_(planner *p, const reel_type *given)
{
    reel_ctx *c = reel_ctx_();
    const char *site = c->site, *op = c->op;
    const bool widen = c->widen;
    int rc = 0;
    c->widen = p->g->widen;
    for (int i = 0; i < p->rq->n_feeds && !rc && !p->parent; i++) rc = take_feed(p, p->rq->feed[i], given);
    for (size_t i = p->first; i < p->g->n_nodes && !rc; i++) {
        const reel_node *n = &p->g->nodes[i];
        const bool unused = !p->need[i] || all_fed(p, n), var = n->kind == REEL_NODE_VAR;
        if (p->seam >= 0 && !var) continue; /* all variables are read before the first step */
        if (p->parent && n->kind != REEL_NODE_OP && p->v[n->first_out].type.dtype)
            continue; /* it is known from before */
        if (!given) rc = draw_unread(p, i, unused);
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

/* ---- updates of rows, made at the run's end ---------------------------------------------------------- */

/* Is v read by nothing but the assignment that leaves cell's variable with it? */
static bool is_only_assigned(const planner *p, int32_t v, int32_t cell)
{
    const reel_graph *g = p->g;
    int32_t assigned = -1, last = -1;
    for (int i = 0; i < p->rq->n_fetches; i++)
        if (p->rq->fetch[i] == v) return false;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const reel_node *n = &g->nodes[i];
        if (!p->need[i]) continue;
        const bool assign = reel_is_assign_(n);
        if (assign && g->ins[n->first_in] == cell) last = (int32_t)i;
        for (int k = 0; k < n->n_in; k++) {
            if (g->ins[n->first_in + k] != v) continue;
            if (!assign || assigned >= 0 || g->ins[n->first_in] != cell) return false;
            assigned = (int32_t)i;
        }
    }
    return assigned >= 0 && assigned == last;
}

static bool is_late(const planner *p, size_t i)
{
    const reel_graph *g = p->g;
    const reel_node *n = &g->nodes[i];
    if (!n->op || !(n->op->flags & REEL_OPF_ROWS) || !(p->need[i] & REEL_NEED_VALUE)) return false;
    for (int j = 0; j < n->n_out; j++) {
        const int32_t in = g->ins[n->first_in + j], out = n->first_out + j;
        if (p->fed[in] || p->fed[out] || g->nodes[g->values[in].node].kind != REEL_NODE_VAR) return false;
        for (int k = 0; k < n->n_in; k++)
            if (k != j && g->ins[n->first_in + k] == in) return false;
        if (!is_only_assigned(p, out, in)) return false;
    }
    return true;
}

static int find_late(planner *p)
{
    const size_t n = p->g->n_nodes;
    if (!p->g->updates || p->rq->debug || p->rq->printer) return 0;
    p->late = reel_zalloc_((n + 1) * sizeof *p->late);
    for (size_t i = 0; i < n && p->late; i++) p->late[i] = is_late(p, i);
    return p->late ? 0 : REEL_ENOMEM;
}

/* In the last segment, behind everything else. */
static int add_late(planner *p)
{
    for (size_t i = 0; i < p->g->n_nodes && p->late && p->seam < 0; i++) {
        const reel_node *n = &p->g->nodes[i];
        reel_dtype in_dtype[REEL_MAX_IN];
        reel_type out[REEL_MAX_OUT];
        if (!p->late[i]) continue;
        if (infer(p, n, in_dtype, out)) return reel_status();
        if (reel_grow_((void **)&p->lates, &p->cap_lates, p->n_lates + 1, sizeof *p->lates)) return REEL_ENOMEM;
        if (reel_grow_((void **)&p->changes, &p->cap_changes, p->n_changes + (size_t)n->n_out, sizeof *p->changes))
            return REEL_ENOMEM;
        p->lates[p->n_lates] = (reel_late){.step = (int)p->n_steps, .first = (int)p->n_changes, .n = n->n_out};
        for (int j = 0; j < n->n_out; j++) {
            const int32_t var = p->g->ins[n->first_in + j];
            p->changes[p->n_changes++] = (reel_change){
                .cell = p->g->nodes[p->g->values[var].node].rec, .ext = p->r[var].ext, .operand = n->n_in + j};
        }
        if (add_op_step(p, i, STEP_LATE, in_dtype, out)) return REEL_ENOMEM;
        p->n_lates++;
    }
    return 0;
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
    plan->debug = rq->debug;
    plan->feed = copy_of(rq->feed, nf, sizeof *plan->feed);
    plan->fetch = copy_of(rq->fetch, no, sizeof *plan->fetch);
    plan->effect = copy_of(rq->effect, no, sizeof *plan->effect);
    plan->feed_type = reel_alloc_array_(nf + 1, sizeof *plan->feed_type);
    plan->feed_strides = reel_alloc_array_(nf + 1, sizeof *plan->feed_strides);
    plan->feed_weak = reel_alloc_array_(nf + 1, sizeof *plan->feed_weak);
    plan->feed_number = reel_alloc_array_(nf + 1, sizeof *plan->feed_number);
    plan->feed_given = reel_zalloc_((nf + 1) * sizeof *plan->feed_given);
    if (!plan->feed_given) return REEL_ENOMEM;
    if (!plan->feed || !plan->fetch || !plan->effect || !plan->feed_type || !plan->feed_strides || !plan->feed_weak ||
        !plan->feed_number)
        return REEL_ENOMEM;
    for (size_t i = 0; i < nf; i++) {
        plan->feed_given[i] = rq->donate && rq->donate[i];
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
    plan->n_late = (int)p->n_lates;
    plan->n_steps = (int)(p->n_steps - p->n_lates);
    plan->n_changes = (int)p->n_changes;
    plan->late = copy_of(p->lates, p->n_lates, sizeof *plan->late);
    plan->changes = copy_of(p->changes, p->n_changes, sizeof *plan->changes);
    if (!plan->late || !plan->changes) return REEL_ENOMEM;
    plan->n_slots = (int)p->n_slots;
    plan->n_vars = (int)p->n_vars;
    plan->n_fresh = (int)p->n_fresh;
    plan->n_results = (int)p->n_results;
    if (p->seam >= 0) {
        plan->seam = reel_zalloc_(sizeof *plan->seam);
        if (!plan->seam) return REEL_ENOMEM;
        plan->seam->node = p->seam;
        for (int i = 0; i < plan->n_feeds && !p->parent; i++) /* which later segments may read as integers */
            if (plan->feed_weak[i]) plan->feed_weak[i] = 2;
    }
    plan->steps = reel_zalloc_((p->n_steps + 1) * sizeof *plan->steps);
    plan->kernels = reel_zalloc_((p->n_steps + 1) * sizeof *plan->kernels);
    plan->kernel_plans = reel_zalloc_((p->n_steps + 1) * sizeof *plan->kernel_plans);
    plan->kernel_bytes = reel_zalloc_((p->n_steps + 1) * sizeof *plan->kernel_bytes);
    plan->groups = reel_zalloc_((p->n_steps + 1) * sizeof *plan->groups);
    plan->slots = reel_alloc_array_(p->n_slots + 1, sizeof *plan->slots);
    plan->member_at = reel_alloc_array_(p->n_steps + 1, sizeof *plan->member_at);
    plan->out_slot = reel_alloc_array_(p->n_steps + 1, sizeof *plan->out_slot);
    plan->patches = reel_alloc_array_(p->n_slots + 1, sizeof *plan->patches);
    plan->carries = reel_alloc_array_(p->n_slots + 1, sizeof *plan->carries);
    plan->vars = copy_of(p->vars, p->n_vars, sizeof *plan->vars);
    plan->fresh = copy_of(p->fresh, p->n_fresh, sizeof *plan->fresh);
    plan->results = copy_of(p->results, p->n_results, sizeof *plan->results);
    if (!plan->groups || !plan->steps || !plan->kernels || !plan->kernel_plans || !plan->kernel_bytes || !plan->slots ||
        !plan->out_slot || !plan->member_at || !plan->patches || !plan->carries || !plan->vars || !plan->fresh ||
        !plan->results)
        return REEL_ENOMEM;
    const int rc = reel_plan_given_(p);
    return rc ? rc : reel_plan_layout_(p);
}

int reel_planner_init_(planner *p, const reel_graph *g, const reel_request *rq, const reel_plan *parent)
{
    const size_t nv = g->n_values + 1, nn = g->n_nodes + 1;
    *p = (planner){.g = g, .rq = rq, .parent = parent, .seam = -1, .fill = -1};
    p->fed = reel_zalloc_(nv * sizeof *p->fed);
    p->need = reel_zalloc_(nn);
    p->given = reel_zalloc_(nv * sizeof *p->given);
    p->v = reel_zalloc_(nv * sizeof *p->v);
    p->r = reel_zalloc_(nv * sizeof *p->r);
    if (!p->fed || !p->need || !p->given || !p->v || !p->r) return REEL_ENOMEM;
    for (size_t i = 0; i < nv; i++) p->r[i].last = p->r[i].block = -1;
    mark(p);
    return find_late(p);
}

void reel_planner_drop_(planner *p)
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
    reel_free_(p->late, (p->g->n_nodes + 1) * sizeof *p->late);
    for (size_t i = 0; i < p->n_fused; i++) reel_free_(p->fused[i], sizeof *p->fused[i]);
    reel_free_(p->fused, p->cap_fused * sizeof *p->fused);
    for (size_t i = 0; i < p->n_many; i++) reel_free_(p->many[i], sizeof *p->many[i]);
    reel_free_(p->many, p->cap_many * sizeof *p->many);
    for (size_t i = 0; i < p->n_afters; i++) reel_free_(p->afters[i], sizeof *p->afters[i]);
    reel_free_(p->afters, p->cap_afters * sizeof *p->afters);
    for (size_t i = 0; i < p->n_columns; i++) reel_free_(p->columns[i], sizeof *p->columns[i]);
    reel_free_(p->columns, p->cap_columns * sizeof *p->columns);
    reel_free_(p->lates, p->cap_lates * sizeof *p->lates);
    reel_free_(p->changes, p->cap_changes * sizeof *p->changes);
    reel_free_(p->blocks, p->cap_blocks * sizeof *p->blocks);
}

/* The locks of the variables that a run assigns. */
static uint32_t locks_of(const planner *p)
{
    const reel_graph *g = p->g;
    uint32_t mask = 0;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const reel_node *n = &g->nodes[i];
        if (p->need[i] && reel_is_assign_(n))
            mask |= 1u << (g->nodes[g->values[g->ins[n->first_in]].node].rec->id % 32);
    }
    return mask;
}

/* The request in the values of the graph that is planned. */
static int keep_asked(reel_plan *plan, const reel_request *rq)
{
    const size_t nf = (size_t)rq->n_feeds, no = (size_t)rq->n_fetches;
    plan->asked = reel_alloc_array_(nf + 2 * no + 1, sizeof *plan->asked);
    if (!plan->asked) return REEL_ENOMEM;
    for (size_t i = 0; i < nf; i++) plan->asked[i] = rq->feed[i];
    for (size_t i = 0; i < no; i++) {
        plan->asked[nf + i] = rq->fetch[i];
        plan->asked[nf + no + i] = rq->effect[i];
    }
    return 0;
}

static int step_pass(planner *p, int pass)
{
    switch (pass) {
    case REEL_STEPS_EPILOGUE: return reel_plan_after_(p);
    case REEL_STEPS_COLUMNS: return reel_plan_columns_(p);
    case REEL_STEPS_SWEEP: return reel_plan_sweep_(p);
    default: return 0; /* schedule: see order_steps */
    }
}

static int step_passes(planner *p)
{
    const reel_plan_ways *w = &p->plan->ways;
    const bool all = !p->rq->printer; /* groups of single elements are what it knows */
    int rc = 0;
    for (int k = 0; k < w->n_order && !rc; k++) {
        if (w->order[k] == REEL_STEPS_FUSE)
            rc = reel_plan_fuse_(p, all && reel_way_(w, REEL_STEPS_REDUCE));
        else if (all)
            rc = step_pass(p, w->order[k]);
    }
    return rc;
}

/* For speed and memory; not where people look at steps one by one. */
static int order_steps(planner *p)
{
    int64_t saved = 0;
    if (!reel_way_(&p->plan->ways, REEL_STEPS_SCHEDULE) || p->rq->debug) return 0;
    if (p->rq->printer) return reel_plan_order_(p, 0); /* it has its own way with variables */
    int rc = reel_plan_donate_(p, &saved);
    if (!rc) rc = reel_plan_order_(p, saved);
    return rc ? rc : reel_plan_donated_(p);
}

reel_plan *reel_planned_(reel_graph *g, const reel_request *rq, const reel_request *key, const reel_plan *parent,
                         int64_t size, const struct reel_rest_draft *rd, const reel_plan_ways *ways)
{
    planner p;
    reel_plan *plan = reel_zalloc_(sizeof *plan);
    int rc = reel_planner_init_(&p, g, rq, parent);
    if (!plan) rc = REEL_ENOMEM;
    p.plan = plan;
    if (plan) {
        plan->graph = reel_graph_retain_(g);
        plan->ways = *ways;
    }
    if (!rc) rc = parent ? reel_planner_go_on_(&p, parent, size, rd) : keep_key(plan, key);
    if (!rc) rc = keep_asked(plan, rq);
    if (!rc) rc = reel_planner_walk_(&p, NULL);
    if (!rc) rc = reel_plan_results_(&p);
    if (!rc) rc = add_late(&p);
    if (!rc && p.seam >= 0) reel_plan_keep_(&p);
    if (!rc && !(rq->debug & REEL_DEBUG_PLAIN)) rc = step_passes(&p);
    if (!rc) rc = order_steps(&p);
    if (!rc && !parent) plan->write_locks = locks_of(&p);
    if (!rc) rc = finish(&p);
    reel_planner_drop_(&p);
    if (!rc) return plan;
    reel_plan_free_(plan);
    return NULL;
}

void reel_plan_reports_(reel_plan *plan, reel_draft *d)
{
    plan->reports = d->reports;
    plan->n_reports = d->n_reports;
    plan->work = d->work;
    d->reports = NULL;
}

reel_plan *reel_plan_new_(reel_graph *g, const reel_request *rq, const reel_pipeline *passes)
{
    if (passes->n == passes->planned || rq->debug & REEL_DEBUG_PLAIN) /* for people: as it was traced */
        return reel_planned_(g, rq, rq, NULL, 0, NULL, &passes->ways);
    reel_draft d;
    int rc = reel_optimize_(g, rq, passes, NULL, &d);
    reel_plan *plan = rc ? NULL : reel_planned_(d.graph, &d.asked, rq, NULL, 0, NULL, &passes->ways);
    if (plan) {
        plan->info.pruned += (int)g->n_nodes - plan->info.nodes;
        plan->info.nodes = (int)g->n_nodes;
        reel_plan_reports_(plan, &d);
    }
    reel_draft_drop_(&d);
    return plan;
}

int reel_plan_specialize_(const reel_graph *g, const reel_request *rq, reel_type *type,
                          int64_t (*strides)[REEL_MAX_RANK])
{
    planner p;
    const size_t nf = (size_t)rq->n_feeds + 1;
    reel_type *given = reel_zalloc_(nf * sizeof *given);
    int rc = reel_planner_init_(&p, g, rq, NULL);
    if (!given) rc = REEL_ENOMEM;
    for (int i = 0; i < rq->n_feeds && !rc; i++) given[i] = rq->given[i]->type;
    if (!rc) rc = reel_planner_walk_(&p, given);
    for (size_t i = 0; i < g->n_values && !rc; i++) type[i] = p.v[i].type;
    for (int i = 0; i < rq->n_feeds && !rc; i++) memcpy(strides[i], p.v[rq->feed[i]].strides, sizeof strides[i]);
    reel_planner_drop_(&p);
    reel_free_(given, nf * sizeof *given);
    return rc;
}

int reel_plan_types_(const reel_graph *g, const reel_request *rq, const reel_type *feeds, reel_type *out)
{
    planner p;
    int rc = reel_planner_init_(&p, g, rq, NULL);
    if (!rc) rc = reel_planner_walk_(&p, feeds);
    for (int i = 0; i < rq->n_fetches && !rc; i++) out[i] = p.v[rq->fetch[i]].type;
    reel_planner_drop_(&p);
    return rc;
}
