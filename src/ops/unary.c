/* unary.c: elementwise ops of one operand. */
#include "internal.h"

/* ---- shape rules ------------------------------------------------------------------------------------- */
int reel_infer_same_(const reel_infer *io)
{
    io->out[0] = *io->in[0];
    return 0;
}

int reel_view_same_(const reel_view_rule *v)
{
    if (!reel_shape_same_(&v->in[0]->shape, &v->out[0].shape)) return 0;
    for (int i = 0; i < v->out[0].shape.rank; i++) v->out_strides[0][i] = v->strides[i];
    v->byte_offset[0] = 0;
    return 1;
}

int reel_infer_cast_(const reel_infer *io)
{
    const reel_attr_cast *a = io->attr;
    if (!reel_is_dtype_((reel_dtype)a->dtype)) return reel_fail(REEL_EDTYPE, "%lld is no dtype", (long long)a->dtype);
    io->out[0] = *io->in[0];
    io->out[0].dtype = (reel_dtype)a->dtype;
    return 0;
}

/* ---- public functions -------------------------------------------------------------------------------- */
#define UNARY(name)                                                 \
    reel_tensor *reel_##name##_at(const char *site, reel_tensor *x) \
    {                                                               \
        return reel_op1_(REEL_OP_##name, &reel_no_attr_, site, x);  \
    }
UNARY(neg)
UNARY(exp)
UNARY(log)
UNARY(sqrt)
UNARY(rsqrt)
UNARY(tanh)
UNARY(sigmoid)
UNARY(softplus)
UNARY(relu)
UNARY(abs)
UNARY(sign)
UNARY(square)
UNARY(stop_gradient)

static reel_tensor *cast_exact(const char *site, reel_tensor *x, reel_dtype d)
{
    const reel_attr_cast a = {.dtype = (int64_t)d};
    return reel_op1_(REEL_OP_cast, &a, site, x);
}

reel_tensor *reel_cast_at(const char *site, reel_tensor *x, reel_dtype d)
{
    return cast_exact(site, x, reel_is_dtype_(d) ? reel_widened_(d) : d);
}

reel_tensor *reel_relu_grad_at_(const char *site, reel_tensor *y, reel_tensor *g)
{
    return reel_op2_(REEL_OP_relu_grad, &reel_no_attr_, site, y, g);
}

reel_tensor *reel_tanh_grad_at_(const char *site, reel_tensor *y, reel_tensor *g)
{
    return reel_op2_(REEL_OP_tanh_grad, &reel_no_attr_, site, y, g);
}

reel_tensor *reel_sigmoid_grad_at_(const char *site, reel_tensor *y, reel_tensor *g)
{
    return reel_op2_(REEL_OP_sigmoid_grad, &reel_no_attr_, site, y, g);
}

/* ---- gradients: g is the gradient of the output y ---------------------------------------------------- */
static reel_tensor *scaled(const char *site, double factor, reel_tensor *x)
{
    return reel_mul_at(site, x, reel_num_at(site, factor));
}

int reel_vjp_neg_(const reel_vjp_args *v)
{
    v->din[0] = reel_neg_at(v->site, v->dout[0]);
    return reel_status();
}

int reel_vjp_exp_(const reel_vjp_args *v)
{
    v->din[0] = reel_mul_at(v->site, v->dout[0], v->out[0]);
    return reel_status();
}

int reel_vjp_log_(const reel_vjp_args *v)
{
    v->din[0] = reel_div_at(v->site, v->dout[0], v->in[0]);
    return reel_status();
}

int reel_vjp_sqrt_(const reel_vjp_args *v) /* g / (2 y) */
{
    v->din[0] = reel_div_at(v->site, scaled(v->site, 0.5, v->dout[0]), v->out[0]);
    return reel_status();
}

int reel_vjp_rsqrt_(const reel_vjp_args *v) /* -g y / (2 x) */
{
    v->din[0] = reel_mul_at(v->site, scaled(v->site, -0.5, v->dout[0]), reel_div_at(v->site, v->out[0], v->in[0]));
    return reel_status();
}

int reel_vjp_tanh_(const reel_vjp_args *v)
{
    v->din[0] = reel_tanh_grad_at_(v->site, v->out[0], v->dout[0]);
    return reel_status();
}

int reel_vjp_sigmoid_(const reel_vjp_args *v)
{
    v->din[0] = reel_sigmoid_grad_at_(v->site, v->out[0], v->dout[0]);
    return reel_status();
}

int reel_vjp_softplus_(const reel_vjp_args *v)
{
    v->din[0] = reel_mul_at(v->site, v->dout[0], reel_sigmoid_at(v->site, v->in[0]));
    return reel_status();
}

int reel_vjp_relu_(const reel_vjp_args *v)
{
    v->din[0] = reel_relu_grad_at_(v->site, v->out[0], v->dout[0]);
    return reel_status();
}

int reel_vjp_abs_(const reel_vjp_args *v)
{
    v->din[0] = reel_mul_at(v->site, v->dout[0], reel_sign_at(v->site, v->in[0]));
    return reel_status();
}

int reel_vjp_square_(const reel_vjp_args *v) /* 2 g x */
{
    v->din[0] = reel_mul_at(v->site, scaled(v->site, 2, v->dout[0]), v->in[0]);
    return reel_status();
}

int reel_vjp_cast_(const reel_vjp_args *v) /* through floats only: integers and bool vary by steps */
{
    const reel_dtype from = reel_type_of_(v->in[0])->dtype, to = reel_type_of_(v->out[0])->dtype;
    if (reel_is_float_(from) && reel_is_float_(to)) v->din[0] = cast_exact(v->site, v->dout[0], from);
    return reel_status();
}

/* ---- gradients of the gradients' own ops: in = y, g; dout = h ---------------------------------------- */
int reel_vjp_relu_grad_(const reel_vjp_args *v) /* y > 0 ? g : 0 */
{
    if (v->need[1]) v->din[1] = reel_to_shape_(v->site, reel_relu_grad_at_(v->site, v->in[0], v->dout[0]), v->in[1]);
    return reel_status();
}

int reel_vjp_tanh_grad_(const reel_vjp_args *v) /* g (1 - y y) */
{
    reel_tensor *y = v->in[0], *g = v->in[1], *h = v->dout[0];
    if (v->need[0]) {
        reel_tensor *d = reel_mul_at(v->site, scaled(v->site, -2, reel_mul_at(v->site, h, g)), y);
        v->din[0] = reel_to_shape_(v->site, d, y);
    }
    if (v->need[1]) v->din[1] = reel_to_shape_(v->site, reel_tanh_grad_at_(v->site, y, h), g);
    return reel_status();
}

int reel_vjp_sigmoid_grad_(const reel_vjp_args *v) /* g y (1 - y) */
{
    reel_tensor *y = v->in[0], *g = v->in[1], *h = v->dout[0];
    if (v->need[0]) {
        reel_tensor *slope = reel_sub_at(v->site, reel_num_at(v->site, 1), scaled(v->site, 2, y));
        v->din[0] = reel_to_shape_(v->site, reel_mul_at(v->site, reel_mul_at(v->site, h, g), slope), y);
    }
    if (v->need[1]) v->din[1] = reel_to_shape_(v->site, reel_sigmoid_grad_at_(v->site, y, h), g);
    return reel_status();
}
