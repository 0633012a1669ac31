/* door.c: the one door. Every op call of every mode passes here: check the handles, infer the types, make
   the outputs, run the kernel or the view rule, tell the listeners. */
#include <stdio.h>
#include <string.h>
#include "core/context.h"
#include "core/device.h"
#include "core/listener.h"
#include "core/numerics.h"
#include "eager.h"
#include "ops/ids.h"

/* What the steps of one call share. Only the first n_in, n_out entries are ever touched. */
typedef struct door_call {
    const reel_op *op;
    const void *attr;
    const char *site;
    reel_ctx *ctx;
    int n_in, n_out;
    bool symbolic; /* nothing runs: a graph is being built */
    bool any_weak;
    uint64_t retained; /* bit i: val[i] is a variable's value with a reference of ours */
    reel_tensor *const *given;
    reel_rec *arg[REEL_MAX_IN], *val[REEL_MAX_IN], *out[REEL_MAX_OUT];
    const reel_type *in_type[REEL_MAX_IN];
    bool weak[REEL_MAX_IN];
    reel_dtype in_dtype[REEL_MAX_IN];
    reel_type out_type[REEL_MAX_OUT];
} door_call;

/* ---- errors -------------------------------------------------------------------------------------- */

/* ": a f32[32,784], b f32[785,10]" behind the message a shape rule or kernel raised. */
REEL_COLD static void append_operands(const door_call *d)
{
    for (int i = 0; i < d->n_in; i++) {
        const reel_rec *r = d->val[i];
        char name[REEL_ARG_TEXT], shape[REEL_SHAPE_TEXT];
        reel_arg_name_(d->op, i, name);
        const char *sep = i ? ", " : ": ";
        if (r->flags & REEL_R_NUM && r->data)
            reel_error_append_("%s%s %g", sep, name, reel_load_number_(r->data + reel_num_offset_(REEL_F64), REEL_F64));
        else
            reel_error_append_("%s%s %s%s", sep, name, reel_dtype_name(r->type.dtype),
                               reel_shape_text_(&r->type.shape, shape));
    }
}

REEL_COLD static int bad_input(door_call *d, int i)
{
    char fn[96], name[REEL_ARG_TEXT];
    snprintf(fn, sizeof fn, "reel_%s", d->op->name);
    reel_arg_name_(d->op, i, name);
    (void)reel_live_(d->site, fn, name, d->given[i]); /* says what is wrong */
    return d->ctx->error.code;
}

/* ---- inputs -------------------------------------------------------------------------------------- */

static bool symbolic_mode(const reel_ctx *c)
{
    for (const reel_listener *l = c->listeners; l; l = l->next)
        if (l->symbolic && !l->paused) return true;
    return false;
}

/* A ghost: dead, but its block kept by a tape: good for its shape during a backward. */
static bool usable_ghost(const door_call *d, const reel_tensor *t, int i)
{
    const reel_rec *r = reel_rec_of_(t);
    return d->ctx->backward > 0 && reel_shape_only_(d->op->flags, i) && r->state == REEL_DEAD &&
           r->generation == ((uintptr_t)t & (REEL_BLOCK - 1));
}

static int variable_value(door_call *d, int i)
{
    reel_rec *cell = d->arg[i];
    if (i == 0 && (d->op->flags & REEL_OPF_CELL0)) return 0;
    if (reel_shape_only_(d->op->flags, i)) return 0;
    reel_rec *v = d->symbolic ? reel_assigned_in_graph_(d->ctx, cell) : NULL;
    if (v)
        reel_retain_rec_(v);
    else
        v = reel_cell_get_(cell);
    if (!v) return d->symbolic ? 0 : reel_fail(REEL_EARG, "variable \"%s\" is read before it has a value", cell->name);
    d->val[i] = v;
    d->retained |= (uint64_t)1 << i;
    return 0;
}

/* Neither a plain value nor a number. */
REEL_NOINLINE static int resolve_special(door_call *d, int i)
{
    reel_rec *r = d->arg[i];
    if (r->flags & REEL_R_SPARSE && !reel_shape_only_(d->op->flags, i)) {
        r = reel_dense_of_(d->site, r);
        if (!r) return reel_status();
        d->arg[i] = d->val[i] = r;
    }
    if (r->flags & REEL_R_CELL) return variable_value(d, i);
    if (r->flags & REEL_R_SYMBOLIC && !d->symbolic)
        return reel_fail(REEL_ETRACE, "input %d, made at %s, is part of a graph that is not being built here", i,
                         r->made);
    return 0;
}

static int resolve(door_call *d)
{
    if (REEL_UNLIKELY(d->op->n_in >= 0 ? d->n_in != d->op->n_in : d->n_in < 1 || d->n_in > REEL_MAX_IN))
        return reel_fail(REEL_EARG, "takes %s%d inputs, not %d", d->op->n_in < 0 ? "1 to " : "",
                         d->op->n_in < 0 ? REEL_MAX_IN : d->op->n_in, d->n_in);
    for (int i = 0; i < d->n_in; i++) {
        reel_tensor *t = d->given[i];
        if (REEL_UNLIKELY(!t || !(reel_is_live_(t) || usable_ghost(d, t, i)))) return d->n_in = i, bad_input(d, i);
        reel_rec *r = reel_rec_of_(t);
        d->arg[i] = d->val[i] = r;
        d->weak[i] = (r->flags & REEL_R_NUM) != 0;
        d->any_weak |= d->weak[i];
        if (REEL_UNLIKELY(r->flags & (REEL_R_SPARSE | REEL_R_CELL | REEL_R_SYMBOLIC))) {
            const int rc = resolve_special(d, i);
            if (rc) return d->n_in = i, rc;
        }
#ifndef NDEBUG
        if (r->storage && reel_wrap_check_(d->site, r)) return d->n_in = i, reel_status();
#endif
        d->in_type[i] = &d->val[i]->type;
    }
    return 0;
}

/* Integer and bool partners must be able to hold a weak number. */
static int check_numbers(const door_call *d)
{
    for (int i = 0; i < d->n_in; i++) {
        if (!d->weak[i] || !d->val[i]->data) continue; /* no data: a ghost, of which only the shape counts */
        const double x = reel_load_number_(d->val[i]->data + reel_num_offset_(REEL_F64), REEL_F64);
        if (!reel_num_fits_(x, d->in_dtype[i]))
            return reel_fail(REEL_EDTYPE, "the number %g does not fit %s", x, reel_dtype_name(d->in_dtype[i]));
    }
    return 0;
}

/* ---- outputs ------------------------------------------------------------------------------------- */

static int make_views(door_call *d, bool *done)
{
    int64_t strides[REEL_MAX_OUT][REEL_MAX_RANK];
    int64_t offset[REEL_MAX_OUT];
    const reel_type *in = d->in_type[0];
    reel_view_rule rule = {.attr = d->attr,
                           .n_in = d->n_in,
                           .n_out = d->n_out,
                           .in = d->in_type,
                           .strides = d->val[0]->strides,
                           .out = d->out_type,
                           .out_strides = strides,
                           .byte_offset = offset};
    if (d->weak[0] || in->dtype != d->out_type[0].dtype || !d->op->view(&rule)) return 0;
    for (int j = 0; j < d->n_out; j++) {
        d->out[j] = reel_make_view_(d->site, &d->out_type[j], strides[j], d->val[0], offset[j]);
        if (!d->out[j]) return REEL_ENOMEM;
    }
    *done = true;
    return 0;
}

static void view_of(reel_kview *v, const reel_rec *r, reel_dtype d)
{
    v->dtype = d;
    v->rank = r->type.shape.rank;
    v->dims = r->type.shape.dims;
    v->strides = r->strides;
    v->data = r->flags & REEL_R_NUM ? r->data + reel_num_offset_(d) : r->data;
}

/* Between the two halves of an op whose sizes depend on data. */
static int make_counted(void *arg, int64_t n, void **ptr, bool *empty)
{
    door_call *d = arg;
    int64_t elements = 0;
    for (int j = 0; j < d->n_out; j++) {
        reel_shape *s = &d->out_type[j].shape;
        for (int i = 0; i < s->rank; i++)
            if (s->dims[i] == REEL_ANY) s->dims[i] = n;
        const int rc = reel_shape_check_(*s, false);
        if (rc) return rc;
        d->out[j] = reel_make_(d->site, &d->out_type[j]);
        if (!d->out[j]) return REEL_ENOMEM;
        ptr[d->n_in + j] = d->out[j]->data;
        elements += reel_count_(s);
    }
    *empty = elements == 0;
    return 0;
}

REEL_NOINLINE static int run_counting(door_call *d, const reel_kernel *k)
{
    reel_kview in[REEL_MAX_IN], out[REEL_MAX_OUT];
    int64_t strides[REEL_MAX_OUT][REEL_MAX_RANK];
    for (int i = 0; i < d->n_in; i++) view_of(&in[i], d->val[i], d->in_dtype[i]);
    for (int j = 0; j < d->n_out; j++) {
        const reel_shape *s = &d->out_type[j].shape;
        memset(strides[j], 0, sizeof strides[j]);
        out[j] = (reel_kview){.dtype = d->out_type[j].dtype, .rank = s->rank, .dims = s->dims, .strides = strides[j]};
    }
    const reel_ksig sig = {.op = d->op, .attr = d->attr, .n_in = d->n_in, .n_out = d->n_out, .in = in, .out = out};
    return reel_eager_run_(k, &sig, &(reel_sizing){make_counted, d});
}

static int run_kernel(door_call *d)
{
    const reel_device *device = reel_device_(0);
    const reel_kernel *k = reel_kernel_(device, d->op);
    if (REEL_UNLIKELY(!k)) return reel_fail(REEL_EDEVICE, "has no kernel on device %s", device->name);
    if (REEL_UNLIKELY(d->op->flags & REEL_OPF_DYNAMIC)) return run_counting(d, k);
    reel_kview in[REEL_MAX_IN], out[REEL_MAX_OUT];
    int64_t elements = 0;
    for (int j = 0; j < d->n_out; j++) {
        if (REEL_UNLIKELY(!reel_shape_known_(&d->out_type[j].shape)))
            return reel_fail(REEL_ESHAPE, "an unknown dimension outside a graph");
        d->out[j] = reel_make_(d->site, &d->out_type[j]);
        if (REEL_UNLIKELY(!d->out[j])) return REEL_ENOMEM;
        view_of(&out[j], d->out[j], d->out_type[j].dtype);
        elements += reel_count_(&d->out_type[j].shape);
    }
    if (elements == 0 && !(d->op->flags & REEL_OPF_RANDOM)) return 0;
    for (int i = 0; i < d->n_in; i++) view_of(&in[i], d->val[i], d->in_dtype[i]);
    const reel_ksig sig = {.op = d->op, .attr = d->attr, .n_in = d->n_in, .n_out = d->n_out, .in = in, .out = out};
    return reel_eager_run_(k, &sig, NULL);
}

/* A variable's value is always dense and strong, so that plans may rely on its layout. */
static int assign(door_call *d)
{
    reel_rec *cell = d->arg[0], *v = d->val[1];
    if (!(cell->flags & REEL_R_CELL)) return reel_fail(REEL_EARG, "the tensor made at %s is no variable", cell->made);
    if (!d->weak[1] && (v->flags & REEL_R_DENSE)) {
        reel_cell_set_(cell, v);
        return 0;
    }
    reel_rec *copy = reel_make_(d->site, &cell->type);
    if (!copy) return REEL_ENOMEM;
    if (!d->weak[1]) copy->id = v->id; /* the same value, laid out densely */
    reel_kview in, out;
    view_of(&in, v, d->in_dtype[1]);
    view_of(&out, copy, cell->type.dtype);
    const reel_op *op = &reel_rows_[REEL_OP_stop_gradient];
    const reel_ksig sig = {.op = op, .attr = NULL, .n_in = 1, .n_out = 1, .in = &in, .out = &out};
    const int rc = reel_eager_run_(reel_kernel_(reel_device_(0), op), &sig, NULL);
    if (!rc) reel_cell_set_(cell, copy);
    reel_disown_(copy);
    return rc;
}

static int produce(door_call *d)
{
    if (d->symbolic && d->op->id != REEL_OP_num) { /* numbers have their value everywhere */
        for (int j = 0; j < d->n_out; j++) {
            d->out[j] = reel_make_symbolic_(d->site, &d->out_type[j]);
            if (!d->out[j]) return REEL_ENOMEM;
        }
        return 0;
    }
    if (d->op->flags & REEL_OPF_CELL0) return assign(d);
    if (d->op->flags & REEL_OPF_VIEW) {
        bool done = false;
        const int rc = make_views(d, &done);
        if (rc || done) return rc;
    }
    return run_kernel(d);
}

static int tell(door_call *d)
{
    const reel_call call = {.op = d->op,
                            .attr = d->attr,
                            .site = d->site,
                            .n_in = d->n_in,
                            .n_out = d->n_out,
                            .arg = d->arg,
                            .in = d->val,
                            .out = d->out};
    return reel_listeners_hear_(&call);
}

REEL_NOINLINE static int check_finite(const door_call *d)
{
    reel_kview in[REEL_MAX_IN], out[REEL_MAX_OUT];
    for (int i = 0; i < d->n_in; i++) {
        view_of(&in[i], d->val[i], d->in_dtype[i]);
        if (!d->val[i]->data || reel_shape_only_(d->op->flags, i)) in[i].data = NULL;
    }
    for (int j = 0; j < d->n_out; j++) view_of(&out[j], d->out[j], d->out_type[j].dtype);
    return reel_check_finite_(d->op, d->attr, in, d->n_in, out, d->n_out, NULL);
}

static int pass(door_call *d)
{
    int rc = resolve(d);
    if (rc) return rc;
    const bool quiet = d->ctx->error.code != 0;
    rc = reel_infer_(d->op, d->attr, d->in_type, d->any_weak ? d->weak : NULL, d->n_in, d->in_dtype, d->out_type,
                     d->n_out);
    if (!rc && d->any_weak) rc = check_numbers(d);
    if (!rc) rc = produce(d);
    if (!rc && d->op->id == REEL_OP_num) {
        d->out[0]->flags |= REEL_R_NUM;
        reel_num_fill_(d->out[0], *(const double *)d->attr);
    }
    if (!rc && REEL_UNLIKELY(d->ctx->check_numerics) && !d->symbolic && !quiet && check_finite(d)) return reel_status();
    if (!rc) return d->ctx->listeners ? tell(d) : 0;
    if (!quiet && rc != REEL_ENOMEM) append_operands(d);
    return rc;
}

int reel_door_(const reel_op *op, const void *attr, reel_tensor *const in[], int n_in, reel_tensor *out[], int n_out,
               const char *site)
{
    door_call d;
    reel_ctx *c = reel_ctx_();
    d.op = op;
    d.attr = attr;
    d.site = site;
    d.ctx = c;
    d.n_in = n_in;
    d.n_out = n_out;
    d.given = in;
    d.retained = 0;
    d.any_weak = false;
    if (REEL_LIKELY(n_out == 1)) { /* most ops: no call to memset for one pointer */
        out[0] = NULL;
        d.out[0] = NULL;
    } else {
        for (int j = 0; j < n_out; j++) out[j] = NULL, d.out[j] = NULL;
    }
    if (REEL_UNLIKELY((op->flags & REEL_OPF_EFFECT) && c->error.code)) return c->error.code;
    d.symbolic = c->listeners && symbolic_mode(c);
    const char *old_site = c->site, *old_op = c->op;
    c->site = site;
    c->op = op->name;
    const int rc = pass(&d);
    c->site = old_site;
    c->op = old_op;
    for (int i = 0; REEL_UNLIKELY(d.retained >> i != 0); i++)
        if (d.retained >> i & 1) reel_release_rec_(d.val[i]);
    for (int j = 0; j < n_out; j++) {
        if (REEL_LIKELY(rc == 0))
            out[j] = reel_handle_(d.out[j]);
        else if (d.out[j])
            reel_disown_(d.out[j]);
    }
    return rc;
}
