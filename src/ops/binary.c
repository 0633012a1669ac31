/* binary.c: elementwise ops of two and three operands. */
#include "internal.h"

/* ---- shape rules ------------------------------------------------------------------------------------- */
int reel_infer_broadcast_(const reel_infer *io)
{
    const reel_shape *a = &io->in[0]->shape, *b = &io->in[1]->shape;
    reel_type *out = &io->out[0];
    if (REEL_LIKELY(reel_shape_same_(a, b))) {
        *out = *io->in[0];
        return 0;
    }
    *out = (reel_type){.dtype = io->in[0]->dtype};
    return reel_shape_broadcast_(a, b, &out->shape);
}

int reel_infer_compare_(const reel_infer *io)
{
    const int code = reel_infer_broadcast_(io);
    io->out[0].dtype = REEL_BOOL;
    return code;
}

int reel_infer_where_(const reel_infer *io)
{
    if (io->in[0]->dtype != REEL_BOOL)
        return reel_fail(REEL_EDTYPE, "cond is %s, it must be bool", reel_dtype_name(io->in[0]->dtype));
    reel_shape values = {0};
    io->out[0] = (reel_type){.dtype = io->in[1]->dtype};
    const int code = reel_shape_broadcast_(&io->in[1]->shape, &io->in[2]->shape, &values);
    return code ? code : reel_shape_broadcast_(&io->in[0]->shape, &values, &io->out[0].shape);
}

/* ---- public functions -------------------------------------------------------------------------------- */
#define BINARY(name)                                                                \
    reel_tensor *reel_##name##_at(const char *site, reel_tensor *a, reel_tensor *b) \
    {                                                                               \
        return reel_op2_(REEL_OP_##name, &reel_no_attr_, site, a, b);               \
    }
BINARY(add)
BINARY(sub)
BINARY(mul)
BINARY(div)
BINARY(pow)
BINARY(maximum)
BINARY(minimum)
BINARY(equal)
BINARY(not_equal)
BINARY(less)
BINARY(less_equal)
BINARY(greater)
BINARY(greater_equal)

reel_tensor *reel_where_at(const char *site, reel_tensor *cond, reel_tensor *a, reel_tensor *b)
{
    reel_tensor *const in[3] = {cond, a, b};
    reel_tensor *out = NULL;
    reel_door_(&reel_rows_[REEL_OP_where], &reel_no_attr_, in, 3, &out, 1, site);
    return out;
}

/* ---- gradients: g is the gradient of the output y ---------------------------------------------------- */
int reel_vjp_add_(const reel_vjp_args *v)
{
    for (int i = 0; i < 2; i++)
        if (v->need[i]) v->din[i] = reel_to_shape_(v->site, v->dout[0], v->in[i]);
    return reel_status();
}

int reel_vjp_sub_(const reel_vjp_args *v)
{
    if (v->need[0]) v->din[0] = reel_to_shape_(v->site, v->dout[0], v->in[0]);
    if (v->need[1]) v->din[1] = reel_neg_at(v->site, reel_to_shape_(v->site, v->dout[0], v->in[1]));
    return reel_status();
}

int reel_vjp_mul_(const reel_vjp_args *v)
{
    for (int i = 0; i < 2; i++)
        if (v->need[i]) v->din[i] = reel_to_shape_(v->site, reel_mul_at(v->site, v->dout[0], v->in[1 - i]), v->in[i]);
    return reel_status();
}

int reel_vjp_div_(const reel_vjp_args *v) /* da = g / b; db = -g y / b */
{
    reel_tensor *da = reel_div_at(v->site, v->dout[0], v->in[1]);
    if (v->need[0]) v->din[0] = reel_to_shape_(v->site, da, v->in[0]);
    if (v->need[1])
        v->din[1] = reel_to_shape_(v->site, reel_neg_at(v->site, reel_mul_at(v->site, da, v->out[0])), v->in[1]);
    return reel_status();
}

/* A weak number as a 0-d tensor of dtype d: between two numbers it would fall back to f32. */
static reel_tensor *strong(const char *site, reel_tensor *t, reel_dtype d)
{
    if (!(reel_rec_of_(t)->flags & REEL_R_NUM)) return t;
    reel_attr_full a;
    memset(&a, 0, sizeof a);
    a.type.dtype = d;
    reel_tensor *zero = NULL;
    reel_door_(&reel_rows_[REEL_OP_full], &a, NULL, 0, &zero, 1, site);
    return reel_add_at(site, t, zero);
}

/* da = g b a^(b-1), db = g a^b ln a. At a = 0 the logarithm counts as 0, and so does b a^(b-1) where b = 0 too; the inner
   where keeps the infinities out of the gradients of these gradients. */
int reel_vjp_pow_(const reel_vjp_args *v)
{
    const char *site = v->site;
    const reel_dtype d = reel_type_of_(v->out[0])->dtype;
    reel_tensor *g = v->dout[0], *zero = reel_num_at(site, 0), *one = reel_num_at(site, 1);
    reel_tensor *a = strong(site, v->in[0], d), *b = strong(site, v->in[1], d);
    reel_tensor *a_zero = reel_equal_at(site, a, zero);
    if (v->need[0]) {
        reel_tensor *both = reel_minimum_at(site, a_zero, reel_equal_at(site, b, zero));
        reel_tensor *slope =
            reel_mul_at(site, b, reel_pow_at(site, reel_where_at(site, both, one, a), reel_sub_at(site, b, one)));
        v->din[0] = reel_to_shape_(site, reel_mul_at(site, g, slope), v->in[0]);
    }
    if (v->need[1]) {
        reel_tensor *log_a = reel_log_at(site, reel_where_at(site, a_zero, one, a));
        reel_tensor *slope = reel_where_at(site, a_zero, zero, reel_mul_at(site, v->out[0], log_a));
        v->din[1] = reel_to_shape_(site, reel_mul_at(site, g, slope), v->in[1]);
    }
    return reel_status();
}

/* The winner takes the gradient; at ties each half of it. */
static int extremum(const reel_vjp_args *v, reel_tensor *(*wins)(const char *, reel_tensor *, reel_tensor *))
{
    const char *site = v->site;
    reel_tensor *g = v->dout[0], *zero = reel_num_at(site, 0);
    reel_tensor *half = reel_mul_at(site, g, reel_num_at(site, 0.5));
    reel_tensor *tied = reel_where_at(site, reel_equal_at(site, v->in[0], v->in[1]), half, zero);
    for (int i = 0; i < 2; i++) {
        if (!v->need[i]) continue;
        reel_tensor *won = wins(site, v->in[i], v->in[1 - i]);
        v->din[i] = reel_to_shape_(site, reel_where_at(site, won, g, tied), v->in[i]);
    }
    return reel_status();
}

int reel_vjp_maximum_(const reel_vjp_args *v)
{
    return extremum(v, reel_greater_at);
}

int reel_vjp_minimum_(const reel_vjp_args *v)
{
    return extremum(v, reel_less_at);
}

int reel_vjp_where_(const reel_vjp_args *v)
{
    reel_tensor *g = v->dout[0], *zero = reel_num_at(v->site, 0);
    if (v->need[1]) v->din[1] = reel_to_shape_(v->site, reel_where_at(v->site, v->in[0], g, zero), v->in[1]);
    if (v->need[2]) v->din[2] = reel_to_shape_(v->site, reel_where_at(v->site, v->in[0], zero, g), v->in[2]);
    return reel_status();
}
