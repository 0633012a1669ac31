/* unary.c: mathematical functions of one operand, tests, cast. Activations are in activation.c. */
#include "terms.h"

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

int reel_infer_test_(const reel_infer *io)
{
    io->out[0] = *io->in[0];
    io->out[0].dtype = REEL_BOOL;
    return 0;
}

int reel_infer_cast_(const reel_infer *io)
{
    const reel_attr_cast *a = io->attr;
    if (!reel_is_dtype_((reel_dtype)a->dtype)) return reel_fail(REEL_EDTYPE, "%lld is no dtype", (long long)a->dtype);
    io->out[0] = *io->in[0];
    io->out[0].dtype = (reel_dtype)a->dtype;
    return 0;
}

enum { POLYGAMMA_MAX = 20 };
int reel_infer_polygamma_(const reel_infer *io)
{
    const reel_attr_scalars *a = io->attr;
    if (!(a->p[0] >= 1 && a->p[0] <= POLYGAMMA_MAX))
        return reel_fail(REEL_EARG, "order %g is not between 1 and %d", a->p[0], POLYGAMMA_MAX);
    io->out[0] = *io->in[0];
    return 0;
}

/* ---- public functions -------------------------------------------------------------------------------- */
#define UNARY(name)                                                 \
    reel_tensor *reel_##name##_at(const char *site, reel_tensor *x) \
    {                                                               \
        return reel_op1_(REEL_OP_##name, &reel_no_attr_, site, x);  \
    }
UNARY(neg)
UNARY(abs)
UNARY(sign)
UNARY(square)
UNARY(reciprocal)
UNARY(sqrt)
UNARY(rsqrt)
UNARY(cbrt)
UNARY(exp)
UNARY(exp2)
UNARY(expm1)
UNARY(log)
UNARY(log2)
UNARY(log10)
UNARY(log1p)
UNARY(sin)
UNARY(cos)
UNARY(tan)
UNARY(asin)
UNARY(acos)
UNARY(atan)
UNARY(sinh)
UNARY(cosh)
UNARY(tanh)
UNARY(asinh)
UNARY(acosh)
UNARY(atanh)
UNARY(erf)
UNARY(erfc)
UNARY(lgamma)
UNARY(digamma)
UNARY(floor)
UNARY(ceil)
UNARY(round)
UNARY(trunc)
UNARY(isnan)
UNARY(isinf)
UNARY(isfinite)
UNARY(logical_not)
UNARY(bitwise_not)
UNARY(stop_gradient)

reel_tensor *reel_polygamma_at(const char *site, reel_tensor *x, int order)
{
    const reel_attr_scalars a = {{order}};
    return reel_op1_(REEL_OP_polygamma, &a, site, x);
}

static reel_tensor *cast_exact(const char *site, reel_tensor *x, reel_dtype d)
{
    const reel_attr_cast a = {.dtype = (int64_t)d};
    return reel_op1_(REEL_OP_cast, &a, site, x);
}

reel_tensor *reel_cast_at(const char *site, reel_tensor *x, reel_dtype d)
{
    return cast_exact(site, x, reel_is_dtype_(d) ? reel_widened_(d) : d);
}

reel_tensor *reel_tanh_grad_at_(const char *site, reel_tensor *y, reel_tensor *g)
{
    return reel_op2_(REEL_OP_tanh_grad, &reel_no_attr_, site, y, g);
}

/* ---- gradients: g is the gradient of the output y ---------------------------------------------------- */
#define SLOPE(name, formula)                                                          \
    int reel_vjp_##name##_(const reel_vjp_args *v)                                    \
    {                                                                                 \
        const char *const s = v->site;                                                \
        reel_tensor *const g = v->dout[0], *const x = v->in[0], *const y = v->out[0]; \
        (void)s, (void)x, (void)y;                                                    \
        v->din[0] = formula;                                                          \
        return reel_status();                                                         \
    }
#define LN2 0.693147180559945309417232121458
#define LN10 2.30258509299404568401799145468
#define TWO_OVER_ROOT_PI 1.12837916709551257389615890312

/* 1 - x x without its cancellation */
static reel_tensor *one_minus_square(const char *s, reel_tensor *x)
{
    return reel_mul_at(s, reel_from_(s, 1, x), reel_plus_(s, x, 1));
}

SLOPE(neg, reel_neg_at(s, g))
SLOPE(abs, reel_mul_at(s, g, reel_sign_at(s, x)))
SLOPE(square, reel_mul_at(s, reel_scaled_(s, 2, g), x))
SLOPE(reciprocal, reel_neg_at(s, reel_mul_at(s, g, reel_square_at(s, y))))
SLOPE(sqrt, reel_div_at(s, reel_scaled_(s, 0.5, g), y))
SLOPE(rsqrt, reel_mul_at(s, reel_scaled_(s, -0.5, g), reel_div_at(s, y, x)))
SLOPE(cbrt, reel_div_at(s, g, reel_scaled_(s, 3, reel_square_at(s, y))))
SLOPE(exp, reel_mul_at(s, g, y))
SLOPE(exp2, reel_mul_at(s, reel_scaled_(s, LN2, g), y))
SLOPE(expm1, reel_mul_at(s, g, reel_plus_(s, y, 1)))
SLOPE(log, reel_div_at(s, g, x))
SLOPE(log2, reel_div_at(s, reel_scaled_(s, 1 / LN2, g), x))
SLOPE(log10, reel_div_at(s, reel_scaled_(s, 1 / LN10, g), x))
SLOPE(log1p, reel_div_at(s, g, reel_plus_(s, x, 1)))
SLOPE(sin, reel_mul_at(s, g, reel_cos_at(s, x)))
SLOPE(cos, reel_neg_at(s, reel_mul_at(s, g, reel_sin_at(s, x))))
SLOPE(tan, reel_mul_at(s, g, reel_plus_(s, reel_square_at(s, y), 1)))
SLOPE(asin, reel_mul_at(s, g, reel_rsqrt_at(s, one_minus_square(s, x))))
SLOPE(acos, reel_neg_at(s, reel_mul_at(s, g, reel_rsqrt_at(s, one_minus_square(s, x)))))
SLOPE(atan, reel_div_at(s, g, reel_plus_(s, reel_square_at(s, x), 1)))
SLOPE(sinh, reel_mul_at(s, g, reel_cosh_at(s, x)))
SLOPE(cosh, reel_mul_at(s, g, reel_sinh_at(s, x)))
SLOPE(tanh, reel_tanh_grad_at_(s, y, g))
SLOPE(asinh, reel_mul_at(s, g, reel_rsqrt_at(s, reel_plus_(s, reel_square_at(s, x), 1))))
SLOPE(acosh, reel_mul_at(s, g, reel_rsqrt_at(s, reel_mul_at(s, reel_plus_(s, x, -1), reel_plus_(s, x, 1)))))
SLOPE(atanh, reel_div_at(s, g, one_minus_square(s, x)))
SLOPE(erf, reel_mul_at(s, reel_scaled_(s, TWO_OVER_ROOT_PI, g), reel_exp_at(s, reel_neg_at(s, reel_square_at(s, x)))))
SLOPE(erfc, reel_mul_at(s, reel_scaled_(s, -TWO_OVER_ROOT_PI, g), reel_exp_at(s, reel_neg_at(s, reel_square_at(s, x)))))
SLOPE(lgamma, reel_mul_at(s, g, reel_digamma_at(s, x)))
SLOPE(digamma, reel_mul_at(s, g, reel_polygamma_at(s, x, 1)))
SLOPE(polygamma, reel_mul_at(s, g, reel_polygamma_at(s, x, (int)((const reel_attr_scalars *)v->attr)->p[0] + 1)))

int reel_vjp_cast_(const reel_vjp_args *v) /* through floats only: integers and bool vary by steps */
{
    const reel_dtype from = reel_type_of_(v->in[0])->dtype, to = reel_type_of_(v->out[0])->dtype;
    if (reel_is_float_(from) && reel_is_float_(to)) v->din[0] = cast_exact(v->site, v->dout[0], from);
    return reel_status();
}

int reel_vjp_tanh_grad_(const reel_vjp_args *v) /* in = y, g: g (1 - y y); dout = h */
{
    reel_tensor *y = v->in[0], *g = v->in[1], *h = v->dout[0];
    if (v->need[0]) {
        reel_tensor *d = reel_mul_at(v->site, reel_scaled_(v->site, -2, reel_mul_at(v->site, h, g)), y);
        v->din[0] = reel_to_shape_(v->site, d, y);
    }
    if (v->need[1]) v->din[1] = reel_to_shape_(v->site, reel_tanh_grad_at_(v->site, y, h), g);
    return reel_status();
}
