/* softmax.c: softmax, its logarithm, and the losses made of them. */
#include "internal.h"

/* ---- shape rules ------------------------------------------------------------------------------------- */
int reel_infer_axis_(const reel_infer *io)
{
    const reel_attr_axis *a = io->attr;
    int axis;
    io->out[0] = *io->in[0];
    return reel_axis_(a->axis, io->in[0]->shape.rank, &axis);
}

int reel_infer_softmax_grad_(const reel_infer *io)
{
    const reel_attr_axis *a = io->attr;
    const reel_type *y = io->in[0], *g = io->in[1];
    int axis;
    io->out[0] = *y;
    if (!reel_merge_shape_(&y->shape, &g->shape, &io->out[0].shape))
        return reel_fail(REEL_ESHAPE, "g does not have the shape of y");
    return reel_axis_(a->axis, y->shape.rank, &axis);
}

int reel_infer_cross_entropy_(const reel_infer *io)
{
    const reel_type *logits = io->in[0], *labels = io->in[1];
    reel_shape rows = logits->shape, both;
    if (!reel_is_int_(labels->dtype))
        return reel_fail(REEL_EDTYPE, "labels is %s, allowed: i8 u8 i32 i64", reel_dtype_name(labels->dtype));
    if (rows.rank == 0) return reel_fail(REEL_ESHAPE, "logits is a scalar, its last axis holds the classes");
    rows.rank--;
    rows.dims[rows.rank] = 0;
    if (!reel_merge_shape_(&rows, &labels->shape, &both)) {
        char want[REEL_SHAPE_TEXT], have[REEL_SHAPE_TEXT];
        return reel_fail(REEL_ESHAPE, "labels have shape %s, the logits' rows %s",
                         reel_shape_text_(&labels->shape, have), reel_shape_text_(&rows, want));
    }
    io->out[0] = (reel_type){.dtype = logits->dtype, .shape = both};
    return 0;
}

/* ---- public functions -------------------------------------------------------------------------------- */
reel_tensor *reel_softmax_at(const char *site, reel_tensor *x, int axis)
{
    const reel_attr_axis a = {.axis = axis};
    return reel_op1_(REEL_OP_softmax, &a, site, x);
}

reel_tensor *reel_log_softmax_at(const char *site, reel_tensor *x, int axis)
{
    const reel_attr_axis a = {.axis = axis};
    return reel_op1_(REEL_OP_log_softmax, &a, site, x);
}

reel_tensor *reel_softmax_cross_entropy_at(const char *site, reel_tensor *logits, reel_tensor *labels)
{
    return reel_op2_(REEL_OP_softmax_cross_entropy, &reel_no_attr_, site, logits, labels);
}

/* ---- gradients --------------------------------------------------------------------------------------- */
static reel_tensor *row_sums(const reel_vjp_args *v, reel_tensor *x)
{
    const reel_attr_axis *a = v->attr;
    const reel_axes axes = {1, {a->axis}};
    return reel_sum_axes_at(v->site, x, axes, true);
}

reel_tensor *reel_softmax_grad_at_(const char *site, reel_tensor *y, reel_tensor *g, int axis)
{
    const reel_attr_axis a = {.axis = axis};
    return reel_op2_(REEL_OP_softmax_grad, &a, site, y, g);
}

reel_tensor *reel_log_softmax_grad_at_(const char *site, reel_tensor *y, reel_tensor *g, int axis)
{
    const reel_attr_axis a = {.axis = axis};
    return reel_op2_(REEL_OP_log_softmax_grad, &a, site, y, g);
}

static int axis_of(const reel_vjp_args *v)
{
    const reel_attr_axis *a = v->attr;
    return a->axis;
}

int reel_vjp_softmax_(const reel_vjp_args *v)
{
    v->din[0] = reel_softmax_grad_at_(v->site, v->out[0], v->dout[0], axis_of(v));
    return reel_status();
}

int reel_vjp_log_softmax_(const reel_vjp_args *v)
{
    v->din[0] = reel_log_softmax_grad_at_(v->site, v->out[0], v->dout[0], axis_of(v));
    return reel_status();
}

/* With h the gradient: y (h - sum y h) by g, h (g - sum y g) - g sum y h by y. */
int reel_vjp_softmax_grad_(const reel_vjp_args *v)
{
    const char *site = v->site;
    reel_tensor *y = v->in[0], *g = v->in[1], *h = v->dout[0];
    if (v->need[1]) v->din[1] = reel_softmax_grad_at_(site, y, h, axis_of(v));
    if (!v->need[0]) return reel_status();
    reel_tensor *const yg = row_sums(v, reel_mul_at(site, y, g)), *const yh = row_sums(v, reel_mul_at(site, y, h));
    v->din[0] = reel_sub_at(site, reel_mul_at(site, h, reel_sub_at(site, g, yg)), reel_mul_at(site, g, yh));
    return reel_status();
}

/* h - sum h e^y by g, -h e^y sum g by y */
int reel_vjp_log_softmax_grad_(const reel_vjp_args *v)
{
    const char *site = v->site;
    reel_tensor *g = v->in[1], *h = v->dout[0], *he = reel_mul_at(site, h, reel_exp_at(site, v->in[0]));
    if (v->need[1]) v->din[1] = reel_sub_at(site, h, row_sums(v, he));
    if (v->need[0]) v->din[0] = reel_neg_at(site, reel_mul_at(site, he, row_sums(v, g)));
    return reel_status();
}

int reel_vjp_softmax_cross_entropy_(const reel_vjp_args *v) /* (softmax(logits) - one_hot(labels)) g */
{
    const reel_axes last = {1, {-1}};
    if (!v->need[0]) return 0;
    reel_tensor *p = reel_softmax_at(v->site, v->in[0], -1);
    reel_tensor *miss = reel_sub_at(v->site, p, reel_one_hot_like_at_(v->site, v->in[1], v->in[0]));
    v->din[0] = reel_mul_at(v->site, miss, reel_unsqueeze_at(v->site, v->dout[0], last));
    return reel_status();
}
