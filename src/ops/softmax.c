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

int reel_vjp_softmax_(const reel_vjp_args *v) /* y (g - sum(y g)) */
{
    reel_tensor *y = v->out[0], *g = v->dout[0];
    reel_tensor *mean = row_sums(v, reel_mul_at(v->site, y, g));
    v->din[0] = reel_mul_at(v->site, y, reel_sub_at(v->site, g, mean));
    return reel_status();
}

int reel_vjp_log_softmax_(const reel_vjp_args *v) /* g - e^y sum(g) */
{
    reel_tensor *g = v->dout[0];
    reel_tensor *total = row_sums(v, g);
    v->din[0] = reel_sub_at(v->site, g, reel_mul_at(v->site, reel_exp_at(v->site, v->out[0]), total));
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
