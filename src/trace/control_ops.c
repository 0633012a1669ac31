/* control_ops.c: cond and calls as ops: their shape rules, and kernels that replay the sub-graphs; and what all ops with sub-graphs
   share. */
#include <stdio.h>
#include <string.h>
#include "control.h"
#include "core/alloc.h"
#include "core/error.h"
#include "core/random.h"
#include "reel/tensor.h"

/* ---- life ------------------------------------------------------------------------------------------- */

reel_control *reel_control_new_(int kind, int n_own)
{
    reel_control *c = reel_zalloc_(sizeof *c);
    if (!c) return NULL;
    atomic_init(&c->refs, 1);
    c->kind = kind == REEL_COND    ? REEL_COND
              : kind == REEL_WHILE ? REEL_WHILE
              : kind == REEL_SCAN  ? REEL_SCAN
                                   : REEL_CALL;
    c->n_own = n_own;
    c->no_effects = reel_alloc_array_(REEL_MAX_OUT + 1, sizeof *c->no_effects);
    if (!c->no_effects) {
        reel_control_release_(c);
        return NULL;
    }
    memset(c->no_effects, 0xff, (REEL_MAX_OUT + 1) * sizeof *c->no_effects);
    return c;
}

void reel_control_release_(reel_control *c)
{
    if (!c || atomic_fetch_sub(&c->refs, 1) != 1) return;
    for (int k = 0; k < 2; k++) {
        reel_part *p = &c->part[k];
        if (p->player.graph) reel_player_drop_(&p->player);
        reel_free_(p->from, ((size_t)p->n_in + 1) * sizeof *p->from);
    }
    reel_backs_free_(c);
    reel_strfree_(c->name);
    for (int i = 0; i < c->n_around + c->n_assigned; i++) reel_release_rec_(c->around[i]);
    reel_free_(c->around, ((size_t)(c->n_around + c->n_assigned) + 1) * sizeof(reel_rec *));
    reel_free_(c->no_effects, (REEL_MAX_OUT + 1) * sizeof *c->no_effects);
    reel_free_(c, sizeof *c);
}

void reel_control_attr_retain_(const void *attr)
{
    atomic_fetch_add(&((const reel_control_attr *)attr)->control->refs, 1);
}

void reel_control_attr_release_(const void *attr)
{
    reel_control_release_(((const reel_control_attr *)attr)->control);
}

const reel_control *reel_control_of_(const reel_op *op, const void *attr)
{
    const reel_op *inner = op;
    const void *own = attr;
    if (!op || !attr) return NULL;
    (void)reel_redraws_(op, attr, &inner, &own);
    return inner->attr_retain == reel_control_attr_retain_ ? ((const reel_control_attr *)own)->control : NULL;
}

/* ---- shapes ------------------------------------------------------------------------------------------- */

static bool types_fit(const reel_type *a, const reel_type *b)
{
    bool fit = a->dtype == b->dtype && a->shape.rank == b->shape.rank;
    for (int i = 0; fit && i < a->shape.rank; i++)
        fit = a->shape.dims[i] == b->shape.dims[i] || a->shape.dims[i] == REEL_ANY || b->shape.dims[i] == REEL_ANY;
    return fit;
}

int reel_check_state_(const char *what, int i, const reel_type *old, const reel_type *now)
{
    char a[REEL_SHAPE_TEXT], b[REEL_SHAPE_TEXT];
    if (types_fit(old, now)) return 0;
    return reel_fail(old->dtype != now->dtype ? REEL_EDTYPE : REEL_ESHAPE, "%s %d from %s%s to %s%s", what, i,
                     reel_dtype_name(old->dtype), reel_shape_text_(&old->shape, a), reel_dtype_name(now->dtype),
                     reel_shape_text_(&now->shape, b));
}

const char *reel_control_name_(const reel_control *c)
{
    static const char *const names[] = {"reel_cond", "reel_while", "reel_scan", "reel_function_call"};
    return names[c->kind];
}

int reel_part_types_(const reel_control *c, const reel_part *p, int n, const reel_type *const *in, reel_type *out)
{
    const reel_graph *g = p->player.graph;
    reel_type feeds[REEL_MAX_IN];
    const reel_ctx *ctx = reel_ctx_();
    for (int k = 0; k < p->n_in; k++) feeds[k] = *in[p->from[k]];
    const reel_request rq = {.site = ctx->site,
                             .fn = reel_control_name_(c),
                             .n_feeds = g->n_inputs,
                             .n_fetches = n,
                             .feed = g->inputs,
                             .fetch = g->outputs,
                             .effect = c->no_effects};
    return reel_plan_types_(g, &rq, feeds, out);
}

int reel_check_condition_(const reel_type *t)
{
    char shape[REEL_SHAPE_TEXT];
    bool one = t->dtype == REEL_BOOL;
    for (int i = 0; i < t->shape.rank; i++) one = one && (t->shape.dims[i] == 1 || t->shape.dims[i] == REEL_ANY);
    if (one) return 0;
    return reel_fail(t->dtype == REEL_BOOL ? REEL_ESHAPE : REEL_EDTYPE,
                     "the condition must be a bool of one element, not %s%s", reel_dtype_name(t->dtype),
                     reel_shape_text_(&t->shape, shape));
}

int reel_control_known_(const reel_infer *io)
{
    bool known = true;
    for (int i = 0; i < io->n_in; i++) known = known && reel_shape_known_(&io->in[i]->shape);
    for (int j = 0; j < io->n_out && known; j++)
        if (!reel_shape_known_(&io->out[j].shape))
            return reel_fail(REEL_ESHAPE, "a size that depends on data inside the body cannot leave it (out[%d])", j);
    return 0;
}

/* The last outputs: where the generators stood. */
void reel_put_drawn_(const reel_control *c, reel_type *out)
{
    for (int i = 0; i < c->n_drawn; i++) out[i] = reel_state_type_();
}

static int infer_cond(const reel_infer *io)
{
    const reel_control *c = ((const reel_control_attr *)io->attr)->control;
    reel_type no[REEL_MAX_OUT];
    int rc = reel_check_condition_(io->in[0]);
    if (!rc) rc = reel_part_types_(c, &c->part[0], c->n_out, io->in + 1, io->out);
    if (!rc) rc = reel_part_types_(c, &c->part[1], c->n_out, io->in + 1, no);
    for (int j = 0; j < c->n_out && !rc; j++) {
        if (!types_fit(&io->out[j], &no[j])) rc = reel_check_state_("the branches differ: out", j, &io->out[j], &no[j]);
        for (int k = 0; k < no[j].shape.rank && !rc; k++)
            if (no[j].shape.dims[k] == REEL_ANY) io->out[j].shape.dims[k] = REEL_ANY;
    }
    reel_put_drawn_(c, io->out + c->n_out);
    return rc ? rc : reel_control_known_(io);
}

/* A function called as one node. */
static int infer_call(const reel_infer *io)
{
    const reel_control_attr *a = io->attr;
    const reel_control *c = a->control;
    const int n = reel_call_outputs_(c, a->stored), rc = reel_part_types_(c, &c->part[0], n, io->in, io->out);
    reel_put_drawn_(c, io->out + n);
    return rc ? rc : reel_control_known_(io);
}

/* ---- kernels ------------------------------------------------------------------------------------------- */

int reel_control_prepare_(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_control_attr *a = sig->attr;
    reel_control_plan *p = plan;
    (void)workspace;
    *p = (reel_control_plan){
        .c = a->control, .site = reel_ctx_()->site, .stored = a->stored, .n_in = sig->n_in, .n_out = sig->n_out};
    p->operand = reel_zalloc_((size_t)(p->n_in + p->n_out) * sizeof *p->operand);
    if (!p->operand) return REEL_ENOMEM;
    for (int i = 0; i < p->n_in + p->n_out; i++) {
        const reel_kview *v = i < p->n_in ? &sig->in[i] : &sig->out[i - p->n_in];
        reel_operand *o = &p->operand[i];
        o->type.dtype = v->dtype;
        o->type.shape.rank = v->rank;
        memcpy(o->type.shape.dims, v->dims, (size_t)v->rank * sizeof *v->dims);
        memcpy(o->strides, v->strides, (size_t)v->rank * sizeof *v->strides);
    }
    return 0;
}

void reel_control_drop_(void *plan)
{
    reel_control_plan *p = plan;
    reel_free_(p->operand, (size_t)(p->n_in + p->n_out) * sizeof *p->operand);
}

reel_rec *reel_operand_rec_(const reel_control_plan *p, const reel_operand *o, void *data)
{
    reel_rec *whole =
        reel_make_around_(p->site, &o->type, data, reel_type_bytes_(&o->type), REEL_STORE_WRAP, NULL, NULL);
    return whole ? reel_make_view_(p->site, &o->type, o->strides, whole, 0) : NULL;
}

int reel_part_run_(const reel_control_plan *p, const reel_part *part, int n, reel_rec *const *in, reel_tensor **out)
{
    const reel_graph *g = part->player.graph;
    reel_rec *given[REEL_MAX_IN];
    for (int k = 0; k < part->n_in; k++) given[k] = in[part->from[k]];
    const reel_request rq = {.site = p->site,
                             .fn = reel_control_name_(p->c),
                             .n_feeds = g->n_inputs,
                             .n_fetches = n,
                             .feed = g->inputs,
                             .given = given,
                             .fetch = g->outputs,
                             .effect = p->c->no_effects,
                             .effects = true};
    return reel_player_run_((reel_player *)&part->player, &rq, NULL, 0, out);
}

static void copy_strided(char *dst, const char *src, const reel_rec *r, int axis, size_t size)
{
    if (axis == r->type.shape.rank) {
        memcpy(dst, src, size);
        return;
    }
    size_t inner = size;
    for (int k = axis + 1; k < r->type.shape.rank; k++) inner *= (size_t)r->type.shape.dims[k];
    for (int64_t i = 0; i < r->type.shape.dims[axis]; i++)
        copy_strided(dst + (size_t)i * inner, src + i * r->strides[axis] * (int64_t)size, r, axis + 1, size);
}

void reel_copy_out_(void *dst, const reel_rec *r)
{
    const size_t bytes = reel_type_bytes_(&r->type);
    if (bytes == 0) return;
    if (r->flags & REEL_R_DENSE)
        memcpy(dst, r->data, bytes);
    else
        copy_strided(dst, r->data, r, 0, reel_size_(r->type.dtype));
}

void reel_note_drawn_(const reel_control_plan *p, void *const *ptr)
{
    const reel_control *c = p->c;
    for (int i = 0; i < c->n_drawn; i++) {
        const reel_random_state s = reel_random_get_(c->generator[i]);
        memcpy(ptr[p->n_in + p->n_out - c->n_drawn + i], &s, sizeof s);
    }
}

static int cond_in(const reel_control_plan *p, void *const *ptr)
{
    reel_rec *in[REEL_MAX_IN];
    reel_tensor *out[REEL_MAX_OUT];
    for (int i = 1; i < p->n_in; i++)
        if (!(in[i - 1] = reel_operand_rec_(p, &p->operand[i], ptr[i]))) return REEL_ENOMEM;
    const reel_part *part = &p->c->part[*(const char *)ptr[0] ? 0 : 1];
    reel_note_drawn_(p, ptr);
    int rc = reel_part_run_(p, part, p->c->n_out, in, out);
    for (int j = 0; j < p->c->n_out && !rc; j++) {
        const reel_rec *r = reel_rec_of_(out[j]);
        rc = reel_check_state_("data changes out", j, &p->operand[p->n_in + j].type, &r->type);
        if (!rc) reel_copy_out_(ptr[p->n_in + j], r);
    }
    return rc;
}

static int cond_run(const void *plan, void *const *ptr, void *work)
{
    const reel_control_plan *p = plan;
    (void)work;
    reel_scope *scope = reel_scope_begin(p->site, "reel_cond");
    const int rc = scope ? cond_in(p, ptr) : REEL_ENOMEM;
    reel_scope_end(scope);
    return rc;
}

static int call_in(const reel_control_plan *p, void *const *ptr)
{
    reel_rec *in[REEL_MAX_IN];
    reel_tensor *out[REEL_MAX_OUT];
    for (int i = 0; i < p->n_in; i++)
        if (!(in[i] = reel_operand_rec_(p, &p->operand[i], ptr[i]))) return REEL_ENOMEM;
    reel_note_drawn_(p, ptr);
    const int n = reel_call_outputs_(p->c, p->stored);
    int rc = reel_part_run_(p, &p->c->part[0], n, in, out);
    for (int j = 0; j < n && !rc; j++) {
        const reel_rec *r = reel_rec_of_(out[j]);
        rc = reel_check_state_("data changes out", j, &p->operand[p->n_in + j].type, &r->type);
        if (!rc) reel_copy_out_(ptr[p->n_in + j], r);
    }
    return rc;
}

static int call_run(const void *plan, void *const *ptr, void *work)
{
    const reel_control_plan *p = plan;
    (void)work;
    reel_scope *scope = reel_scope_begin(p->site, "reel_function_call");
    const int rc = scope ? call_in(p, ptr) : REEL_ENOMEM;
    reel_scope_end(scope);
    return rc;
}

static const reel_kernel cond_kernel = {.plan_size = sizeof(reel_control_plan),
                                        .prepare = reel_control_prepare_,
                                        .run = cond_run,
                                        .drop = reel_control_drop_};
static const reel_kernel call_kernel = {.plan_size = sizeof(reel_control_plan),
                                        .prepare = reel_control_prepare_,
                                        .run = call_run,
                                        .drop = reel_control_drop_};

#define CONTROL(kind, says, arg, more, kept)                                                                          \
    {                                                                                                                 \
        .size = sizeof(reel_op), .id = -1, .name = (says), .args = (arg), .n_in = -1, .n_out = -1,                    \
        .flags = REEL_OPF_SUMS | (more), .keep = (kept), .attr_size = sizeof(reel_control_attr),                      \
        .infer = infer_##kind, .grad = REEL_VJP, .vjp = reel_##kind##_vjp_, .attr_retain = reel_control_attr_retain_, \
        .attr_release = reel_control_attr_release_, .kernel = &kind##_kernel                                          \
    }
const reel_op reel_cond_ops_[2] = {CONTROL(cond, "cond", "pred,in", 0, REEL_KEEP_ALL_IN),
                                   CONTROL(cond, "cond", "pred,in", REEL_OPF_EFFECT, 0xffffffffu)};
/* Its inside is not kept, but for what the third gives besides (and the second where it draws): the gradient runs it again. */
const reel_op reel_call_ops_[3] = {CONTROL(call, "function_call", "in", 0, REEL_KEEP_ALL_IN),
                                   CONTROL(call, "function_call", "in", REEL_OPF_EFFECT, 0xffffffffu),
                                   CONTROL(call, "function_call", "in", 0, 0xffffffffu)};
