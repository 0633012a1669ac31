/* binary.c: elementwise ops of two operands. */
#include "terms.h"

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

int reel_infer_isclose_(const reel_infer *io)
{
    const reel_attr_scalars *a = io->attr;
    if (!(a->p[0] >= 0)) return reel_fail(REEL_EARG, "rtol %g is not 0 or more", a->p[0]);
    if (!(a->p[1] >= 0)) return reel_fail(REEL_EARG, "atol %g is not 0 or more", a->p[1]);
    return reel_infer_compare_(io);
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
BINARY(floor_div)
BINARY(mod)
BINARY(fmod)
BINARY(pow)
BINARY(atan2)
BINARY(hypot)
BINARY(maximum)
BINARY(minimum)
BINARY(fmax)
BINARY(fmin)
BINARY(logaddexp)
BINARY(copysign)
BINARY(squared_difference)
BINARY(equal)
BINARY(not_equal)
BINARY(less)
BINARY(less_equal)
BINARY(greater)
BINARY(greater_equal)
BINARY(logical_and)
BINARY(logical_or)
BINARY(logical_xor)
BINARY(bitwise_and)
BINARY(bitwise_or)
BINARY(bitwise_xor)
BINARY(left_shift)
BINARY(right_shift)

reel_tensor *reel_remainder_at(const char *site, reel_tensor *a, reel_tensor *b)
{
    return reel_mod_at(site, a, b);
}

reel_tensor *reel_isclose_at(const char *site, reel_tensor *a, reel_tensor *b, double rtol, double atol, int equal_nan)
{
    const reel_attr_scalars tolerance = {{rtol, atol, equal_nan != 0}};
    return reel_op2_(REEL_OP_isclose, &tolerance, site, a, b);
}

reel_tensor *reel_allclose_at(const char *site, reel_tensor *a, reel_tensor *b, double rtol, double atol, int equal_nan)
{
    return reel_all_at(site, reel_isclose_at(site, a, b, rtol, atol, equal_nan));
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

/* da = g b a^(b-1), db = g a^b ln a. At a = 0 the logarithm counts as 0, and so does b a^(b-1) where b = 0 too; the inner
   where keeps the infinities out of the gradients of these gradients. */
int reel_vjp_pow_(const reel_vjp_args *v)
{
    const char *site = v->site;
    const reel_dtype d = reel_type_of_(v->out[0])->dtype;
    reel_tensor *g = v->dout[0], *zero = reel_num_at(site, 0), *one = reel_num_at(site, 1);
    reel_tensor *a = reel_strong_(site, v->in[0], d), *b = reel_strong_(site, v->in[1], d);
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

/* NaN loses against a number; both NaN: each takes g. */
static int extremum_of_numbers(const reel_vjp_args *v, reel_tensor *(*wins)(const char *, reel_tensor *, reel_tensor *))
{
    const char *site = v->site;
    reel_tensor *g = v->dout[0], *zero = reel_num_at(site, 0);
    reel_tensor *tied = reel_where_at(site, reel_equal_at(site, v->in[0], v->in[1]), reel_scaled_(site, 0.5, g), zero);
    for (int i = 0; i < 2; i++) {
        if (!v->need[i]) continue;
        reel_tensor *a = v->in[i], *b = v->in[1 - i];
        reel_tensor *won = reel_logical_or_at(site, wins(site, a, b), reel_isnan_at(site, b));
        v->din[i] = reel_to_shape_(site, reel_where_at(site, won, g, tied), a);
    }
    return reel_status();
}

int reel_vjp_fmax_(const reel_vjp_args *v)
{
    return extremum_of_numbers(v, reel_greater_at);
}

int reel_vjp_fmin_(const reel_vjp_args *v)
{
    return extremum_of_numbers(v, reel_less_at);
}

/* a - b q with an integer q that is constant almost everywhere */
static int remainder_vjp(const reel_vjp_args *v, reel_tensor *q)
{
    if (v->need[0]) v->din[0] = reel_to_shape_(v->site, v->dout[0], v->in[0]);
    if (v->need[1])
        v->din[1] = reel_to_shape_(v->site, reel_neg_at(v->site, reel_mul_at(v->site, v->dout[0], q)), v->in[1]);
    return reel_status();
}

int reel_vjp_mod_(const reel_vjp_args *v)
{
    return remainder_vjp(v, v->need[1] ? reel_floor_div_at(v->site, v->in[0], v->in[1]) : NULL);
}

int reel_vjp_fmod_(const reel_vjp_args *v)
{
    return remainder_vjp(v, v->need[1] ? reel_trunc_at(v->site, reel_div_at(v->site, v->in[0], v->in[1])) : NULL);
}

int reel_vjp_atan2_(const reel_vjp_args *v) /* with r = hypot(y, x): dy = g x / r / r, dx = -g y / r / r */
{
    const char *site = v->site;
    reel_tensor *y = v->in[0], *x = v->in[1], *r = reel_hypot_at(site, y, x), *g = reel_div_at(site, v->dout[0], r);
    if (v->need[0]) v->din[0] = reel_to_shape_(site, reel_mul_at(site, g, reel_div_at(site, x, r)), y);
    if (v->need[1])
        v->din[1] = reel_to_shape_(site, reel_neg_at(site, reel_mul_at(site, g, reel_div_at(site, y, r))), x);
    return reel_status();
}

int reel_vjp_hypot_(const reel_vjp_args *v) /* g a / r; 0 at the origin */
{
    const char *site = v->site;
    reel_tensor *r = v->out[0], *zero = reel_num_at(site, 0);
    reel_tensor *safe = reel_where_at(site, reel_equal_at(site, r, zero), reel_num_at(site, 1), r);
    reel_tensor *g = reel_div_at(site, v->dout[0], safe);
    for (int i = 0; i < 2; i++)
        if (v->need[i]) v->din[i] = reel_to_shape_(site, reel_mul_at(site, g, v->in[i]), v->in[i]);
    return reel_status();
}

int reel_vjp_logaddexp_(const reel_vjp_args *v) /* g e^(a - y) = g sigmoid(a - b) */
{
    for (int i = 0; i < 2; i++) {
        if (!v->need[i]) continue;
        reel_tensor *share = reel_sigmoid_at(v->site, reel_sub_at(v->site, v->in[i], v->in[1 - i]));
        v->din[i] = reel_to_shape_(v->site, reel_mul_at(v->site, v->dout[0], share), v->in[i]);
    }
    return reel_status();
}

int reel_vjp_copysign_(const reel_vjp_args *v) /* g times the sign that a gets for its own; 0 at a = 0 */
{
    const char *site = v->site;
    if (v->need[0]) {
        reel_tensor *turn =
            reel_mul_at(site, reel_sign_at(site, v->in[0]),
                        reel_copysign_at(site, reel_num_at(site, 1),
                                         reel_strong_(site, v->in[1], reel_type_of_(v->out[0])->dtype)));
        v->din[0] = reel_to_shape_(site, reel_mul_at(site, v->dout[0], turn), v->in[0]);
    }
    return reel_status();
}

int reel_vjp_squared_difference_(const reel_vjp_args *v) /* 2 g (a - b) and its negative */
{
    const char *site = v->site;
    reel_tensor *d = reel_mul_at(site, reel_scaled_(site, 2, v->dout[0]), reel_sub_at(site, v->in[0], v->in[1]));
    if (v->need[0]) v->din[0] = reel_to_shape_(site, d, v->in[0]);
    if (v->need[1]) v->din[1] = reel_to_shape_(site, reel_neg_at(site, d), v->in[1]);
    return reel_status();
}
