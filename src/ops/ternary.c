/* ternary.c: elementwise ops of three operands, and clip. */
#include <math.h>
#include "terms.h"

/* ---- shape rules ------------------------------------------------------------------------------------- */
static int broadcast3(const reel_infer *io, reel_dtype d)
{
    reel_shape first = {0};
    io->out[0] = (reel_type){.dtype = d};
    const int code = reel_shape_broadcast_(&io->in[1]->shape, &io->in[2]->shape, &first);
    return code ? code : reel_shape_broadcast_(&io->in[0]->shape, &first, &io->out[0].shape);
}

int reel_infer_where_(const reel_infer *io)
{
    if (io->in[0]->dtype != REEL_BOOL)
        return reel_fail(REEL_EDTYPE, "cond is %s, it must be bool", reel_dtype_name(io->in[0]->dtype));
    return broadcast3(io, io->in[1]->dtype);
}

int reel_infer_ternary_(const reel_infer *io)
{
    return broadcast3(io, io->in[0]->dtype);
}

int reel_infer_addcmul_(const reel_infer *io)
{
    const reel_attr_scalars *a = io->attr;
    const int code = reel_check_scalars_(a->p, "value");
    return code ? code : reel_infer_ternary_(io);
}

int reel_infer_clip_(const reel_infer *io)
{
    const reel_attr_scalars *a = io->attr;
    const reel_dtype d = io->in[0]->dtype;
    io->out[0] = *io->in[0];
    for (int i = 0; i < 2 && reel_is_int_(d); i++)
        if (isfinite(a->p[i]) && !reel_num_fits_(a->p[i], d))
            return reel_fail(REEL_EDTYPE, "%s %g does not fit %s", i ? "high" : "low", a->p[i], reel_dtype_name(d));
    return reel_check_scalars_(a->p, "low,high");
}

/* ---- public functions -------------------------------------------------------------------------------- */
reel_tensor *reel_where_at(const char *site, reel_tensor *cond, reel_tensor *a, reel_tensor *b)
{
    return reel_op3_(REEL_OP_where, &reel_no_attr_, site, cond, a, b);
}

reel_tensor *reel_clip_at(const char *site, reel_tensor *x, double low, double high)
{
    const reel_attr_scalars a = {{low, high}};
    return reel_op1_(REEL_OP_clip, &a, site, x);
}

reel_tensor *reel_clip_between_at(const char *site, reel_tensor *x, reel_tensor *low, reel_tensor *high)
{
    return reel_op3_(REEL_OP_clip_between, &reel_no_attr_, site, x, low, high);
}

reel_tensor *reel_lerp_at(const char *site, reel_tensor *a, reel_tensor *b, reel_tensor *weight)
{
    return reel_op3_(REEL_OP_lerp, &reel_no_attr_, site, a, b, weight);
}

reel_tensor *reel_addcmul_at(const char *site, reel_tensor *x, reel_tensor *a, reel_tensor *b, double value)
{
    const reel_attr_scalars attr = {{value}};
    return reel_op3_(REEL_OP_addcmul, &attr, site, x, a, b);
}

reel_tensor *reel_fma_at(const char *site, reel_tensor *a, reel_tensor *b, reel_tensor *c)
{
    return reel_op3_(REEL_OP_fma, &reel_no_attr_, site, a, b, c);
}

/* ---- gradients: g is the gradient of the output y ---------------------------------------------------- */
int reel_vjp_where_(const reel_vjp_args *v)
{
    reel_tensor *g = v->dout[0], *zero = reel_num_at(v->site, 0);
    if (v->need[1]) v->din[1] = reel_to_shape_(v->site, reel_where_at(v->site, v->in[0], g, zero), v->in[1]);
    if (v->need[2]) v->din[2] = reel_to_shape_(v->site, reel_where_at(v->site, v->in[0], zero, g), v->in[2]);
    return reel_status();
}

int reel_vjp_clip_(const reel_vjp_args *v)
{
    const double *p = ((const reel_attr_scalars *)v->attr)->p;
    const reel_attr_scalars inside = {{p[0], p[1], 1, 0}};
    v->din[0] = reel_closed_piece_grad_at_(v->site, v->in[0], v->dout[0], &inside);
    return reel_status();
}

/* min(max(x, low), high): whichever is the result takes g; x does where it equals a bound */
int reel_vjp_clip_between_(const reel_vjp_args *v)
{
    const char *s = v->site;
    reel_tensor *g = v->dout[0], *low = v->in[1], *high = v->in[2], *zero = reel_num_at(s, 0);
    reel_tensor *x = reel_strong_(s, v->in[0], reel_type_of_(v->out[0])->dtype);
    reel_tensor *below = reel_less_at(s, x, low), *above = reel_less_at(s, high, reel_maximum_at(s, x, low));
    if (v->need[0])
        v->din[0] = reel_to_shape_(s, reel_where_at(s, reel_logical_or_at(s, below, above), zero, g), v->in[0]);
    if (v->need[1]) {
        reel_tensor *mine = reel_logical_and_at(s, below, reel_logical_not_at(s, above));
        v->din[1] = reel_to_shape_(s, reel_where_at(s, mine, g, zero), low);
    }
    if (v->need[2]) v->din[2] = reel_to_shape_(s, reel_where_at(s, above, g, zero), high);
    return reel_status();
}

int reel_vjp_lerp_(const reel_vjp_args *v) /* a + w (b - a) */
{
    const char *s = v->site;
    const reel_dtype d = reel_type_of_(v->out[0])->dtype;
    reel_tensor *g = v->dout[0], *a = v->in[0], *b = reel_strong_(s, v->in[1], d), *w = reel_strong_(s, v->in[2], d);
    if (v->need[0]) v->din[0] = reel_to_shape_(s, reel_mul_at(s, g, reel_from_(s, 1, w)), a);
    if (v->need[1]) v->din[1] = reel_to_shape_(s, reel_mul_at(s, g, w), v->in[1]);
    if (v->need[2]) v->din[2] = reel_to_shape_(s, reel_mul_at(s, g, reel_sub_at(s, b, a)), v->in[2]);
    return reel_status();
}

int reel_vjp_addcmul_(const reel_vjp_args *v) /* x + value a b */
{
    const char *s = v->site;
    const double value = ((const reel_attr_scalars *)v->attr)->p[0];
    reel_tensor *g = reel_scaled_(s, value, v->dout[0]);
    if (v->need[0]) v->din[0] = reel_to_shape_(s, v->dout[0], v->in[0]);
    for (int i = 1; i < 3; i++)
        if (v->need[i]) v->din[i] = reel_to_shape_(s, reel_mul_at(s, g, v->in[3 - i]), v->in[i]);
    return reel_status();
}

int reel_vjp_fma_(const reel_vjp_args *v) /* a b + c */
{
    const char *s = v->site;
    for (int i = 0; i < 2; i++)
        if (v->need[i]) v->din[i] = reel_to_shape_(s, reel_mul_at(s, v->dout[0], v->in[1 - i]), v->in[i]);
    if (v->need[2]) v->din[2] = reel_to_shape_(s, v->dout[0], v->in[2]);
    return reel_status();
}
