/* activation.c: activations. Their derivatives are rows of their own, name_grad(x, g) = g f'(x), so that a backward step is one
   pass over memory; those rows have gradients in turn. */
#include <math.h>
#include "core/error.h"
#include "terms.h"

/* ---- shape rules with scalar attributes: NaN is refused by name ------------------------------------- */
static const char *const scalars_of[REEL_N_OPS] = {
    [REEL_OP_leaky_relu] = "slope",
    [REEL_OP_thresholded_relu] = "alpha",
    [REEL_OP_elu] = "alpha,scale,input scale",
    [REEL_OP_hard_sigmoid] = "slope,offset",
    [REEL_OP_hard_tanh] = "low,high",
    [REEL_OP_shrink] = "lambda,bias",
    [REEL_OP_piece_grad] = "low,high,inside,outside",
    [REEL_OP_closed_piece_grad] = "low,high,inside,outside",
    [REEL_OP_elu_grad] = "alpha,scale,input scale",
};

int reel_check_scalars_(const double *p, const char *names)
{
    for (const char *name = names; *name; p++) {
        const int length = (int)strcspn(name, ",");
        if (*p != *p) return reel_fail(REEL_EARG, "%.*s is NaN", length, name);
        name += length + (name[length] == ',');
    }
    return 0;
}

static int scalars_hold(const reel_infer *io)
{
    const reel_attr_scalars *a = io->attr;
    return reel_check_scalars_(a->p, scalars_of[io->op->id]);
}

int reel_infer_same_scalars_(const reel_infer *io)
{
    io->out[0] = *io->in[0];
    return scalars_hold(io);
}

int reel_infer_broadcast_scalars_(const reel_infer *io)
{
    const int code = scalars_hold(io);
    return code ? code : reel_infer_broadcast_(io);
}

/* ---- public functions -------------------------------------------------------------------------------- */
static reel_tensor *one(int id, const char *site, reel_tensor *x, double p0, double p1, double p2)
{
    const reel_attr_scalars a = {{p0, p1, p2}};
    return reel_op1_(id, &a, site, x);
}

#define UNARY(name)                                                 \
    reel_tensor *reel_##name##_at(const char *site, reel_tensor *x) \
    {                                                               \
        return reel_op1_(REEL_OP_##name, &reel_no_attr_, site, x);  \
    }
UNARY(relu)
UNARY(sigmoid)
UNARY(log_sigmoid)
UNARY(softplus)
UNARY(softsign)
UNARY(gelu)
UNARY(gelu_tanh)
UNARY(silu)
UNARY(mish)
UNARY(hard_swish)

reel_tensor *reel_swish_at(const char *site, reel_tensor *x)
{
    return reel_silu_at(site, x);
}

reel_tensor *reel_leaky_relu_at(const char *site, reel_tensor *x, double slope)
{
    return one(REEL_OP_leaky_relu, site, x, slope, 0, 0);
}

reel_tensor *reel_prelu_at(const char *site, reel_tensor *x, reel_tensor *slope)
{
    return reel_op2_(REEL_OP_prelu, &reel_no_attr_, site, x, slope);
}

reel_tensor *reel_thresholded_relu_at(const char *site, reel_tensor *x, double alpha)
{
    return one(REEL_OP_thresholded_relu, site, x, alpha, 0, 0);
}

reel_tensor *reel_elu_at(const char *site, reel_tensor *x, double alpha)
{
    return one(REEL_OP_elu, site, x, alpha, 1, 1);
}

reel_tensor *reel_selu_at(const char *site, reel_tensor *x)
{
    return one(REEL_OP_elu, site, x, 1.67326324235437728481704296, 1.05070098735548049341933499, 1);
}

reel_tensor *reel_celu_at(const char *site, reel_tensor *x, double alpha)
{
    if (alpha == 0) return reel_fail_at_(site, REEL_EARG, "reel_celu: alpha is 0"), NULL;
    return one(REEL_OP_elu, site, x, alpha, 1, 1 / alpha);
}

reel_tensor *reel_hard_sigmoid_at(const char *site, reel_tensor *x, double slope, double offset)
{
    return one(REEL_OP_hard_sigmoid, site, x, slope, offset, 0);
}

reel_tensor *reel_hard_tanh_at(const char *site, reel_tensor *x, double low, double high)
{
    return one(REEL_OP_hard_tanh, site, x, low, high, 0);
}

reel_tensor *reel_relu6_at(const char *site, reel_tensor *x)
{
    return one(REEL_OP_hard_tanh, site, x, 0, 6, 0);
}

reel_tensor *reel_shrink_at(const char *site, reel_tensor *x, double lambda, double bias)
{
    return one(REEL_OP_shrink, site, x, lambda, bias, 0);
}

reel_tensor *reel_hard_shrink_at(const char *site, reel_tensor *x, double lambda)
{
    return one(REEL_OP_shrink, site, x, lambda, 0, 0);
}

reel_tensor *reel_soft_shrink_at(const char *site, reel_tensor *x, double lambda)
{
    return one(REEL_OP_shrink, site, x, lambda, lambda, 0);
}

/* ---- the slopes: ops that only gradients call --------------------------------------------------------- */
#define GRAD(name)                                                                        \
    reel_tensor *reel_##name##_grad_at_(const char *site, reel_tensor *x, reel_tensor *g) \
    {                                                                                     \
        return reel_op2_(REEL_OP_##name##_grad, &reel_no_attr_, site, x, g);              \
    }
GRAD(relu)
GRAD(sigmoid)
GRAD(hard_swish)
GRAD(softplus)
GRAD(log_sigmoid)
GRAD(softsign)
GRAD(silu)
GRAD(mish)
GRAD(gelu)
GRAD(gelu_tanh)

#define GRAD_WITH(name)                                                                                               \
    reel_tensor *reel_##name##_grad_at_(const char *site, reel_tensor *x, reel_tensor *g, const reel_attr_scalars *a) \
    {                                                                                                                 \
        return reel_op2_(REEL_OP_##name##_grad, a, site, x, g);                                                       \
    }
GRAD_WITH(piece)
GRAD_WITH(closed_piece)
GRAD_WITH(elu)

reel_tensor *reel_prelu_grad_at_(const char *site, reel_tensor *x, reel_tensor *slope, reel_tensor *g)
{
    return reel_op3_(REEL_OP_prelu_grad, &reel_no_attr_, site, x, slope, g);
}

/* ---- first derivatives: g is the gradient of the output y ---------------------------------------------- */
#define SLOPE(name, formula)                                                          \
    int reel_vjp_##name##_(const reel_vjp_args *v)                                    \
    {                                                                                 \
        const char *const s = v->site;                                                \
        reel_tensor *const g = v->dout[0], *const x = v->in[0], *const y = v->out[0]; \
        const reel_attr_scalars *const a = v->attr;                                   \
        const double *const p = a ? a->p : NULL;                                      \
        (void)x, (void)y, (void)p;                                                    \
        v->din[0] = formula;                                                          \
        return reel_status();                                                         \
    }
#define PIECES(...) (&(const reel_attr_scalars){{__VA_ARGS__}})

/* where slope x + offset runs through (0, 1) */
static reel_tensor *hard_sigmoid_grad(const char *s, reel_tensor *x, reel_tensor *g, double slope, double offset)
{
    const double zero = -offset / slope, one_at = (1 - offset) / slope;
    if (slope == 0) return reel_piece_grad_at_(s, x, g, PIECES(0, 0, 0, 0));
    return reel_piece_grad_at_(s, x, g, PIECES(fmin(zero, one_at), fmax(zero, one_at), slope, 0));
}

SLOPE(relu, reel_relu_grad_at_(s, y, g))
SLOPE(sigmoid, reel_sigmoid_grad_at_(s, y, g))
SLOPE(log_sigmoid, reel_log_sigmoid_grad_at_(s, x, g))
SLOPE(softplus, reel_softplus_grad_at_(s, x, g))
SLOPE(softsign, reel_softsign_grad_at_(s, x, g))
SLOPE(gelu, reel_gelu_grad_at_(s, x, g))
SLOPE(gelu_tanh, reel_gelu_tanh_grad_at_(s, x, g))
SLOPE(silu, reel_silu_grad_at_(s, x, g))
SLOPE(mish, reel_mish_grad_at_(s, x, g))
SLOPE(elu, reel_elu_grad_at_(s, x, g, v->attr))
SLOPE(leaky_relu, reel_closed_piece_grad_at_(s, x, g, PIECES(-INFINITY, 0, p[0], 1)))
SLOPE(thresholded_relu, reel_closed_piece_grad_at_(s, x, g, PIECES(-INFINITY, p[0], 0, 1)))
SLOPE(hard_sigmoid, hard_sigmoid_grad(s, x, g, p[0], p[1]))
SLOPE(hard_swish, reel_hard_swish_grad_at_(s, x, g))
SLOPE(hard_tanh, reel_piece_grad_at_(s, x, g, PIECES(p[0], p[1], 1, 0)))
SLOPE(shrink, reel_closed_piece_grad_at_(s, x, g, PIECES(-p[0], p[0], 0, 1)))

int reel_vjp_prelu_(const reel_vjp_args *v)
{
    const char *const s = v->site;
    reel_tensor *g = v->dout[0], *x = v->in[0], *slope = v->in[1];
    if (v->need[0]) v->din[0] = reel_to_shape_(s, reel_prelu_grad_at_(s, x, slope, g), x);
    if (v->need[1])
        v->din[1] = reel_to_shape_(
            s, reel_mul_at(s, g, reel_minimum_at(s, reel_strong_(s, x, reel_type_of_(g)->dtype), reel_num_at(s, 0))),
            slope);
    return reel_status();
}

/* ---- second derivatives: in = x (or y), g; dout = h; h g times the derivative of the slope --------------- */
static int slope_vjp(const reel_vjp_args *v, reel_tensor *dx, reel_tensor *dg)
{
    if (v->need[0] && dx) v->din[0] = reel_to_shape_(v->site, dx, v->in[0]);
    if (v->need[1] && dg) v->din[1] = reel_to_shape_(v->site, dg, v->in[1]);
    return reel_status();
}
/* dx is computed from hg = h g, and only where it is needed */
#define CURVE(name, dx, dg)                                                      \
    int reel_vjp_##name##_grad_(const reel_vjp_args *v)                          \
    {                                                                            \
        const char *const s = v->site;                                           \
        reel_tensor *const x = v->in[0], *const h = v->dout[0];                  \
        reel_tensor *const hg = v->need[0] ? reel_mul_at(s, h, v->in[1]) : NULL; \
        (void)x;                                                                 \
        return slope_vjp(v, hg ? dx : NULL, v->need[1] ? dg : NULL);             \
    }
#define FLAT(name, dg)                                          \
    int reel_vjp_##name##_grad_(const reel_vjp_args *v)         \
    {                                                           \
        const char *const s = v->site;                          \
        reel_tensor *const x = v->in[0], *const h = v->dout[0]; \
        return slope_vjp(v, NULL, v->need[1] ? dg : NULL);      \
    }

FLAT(relu, reel_relu_grad_at_(s, x, h))
FLAT(piece, reel_piece_grad_at_(s, x, h, v->attr))
FLAT(closed_piece, reel_closed_piece_grad_at_(s, x, h, v->attr))

/* y (1 - y): 1 - 2 y */
CURVE(sigmoid, reel_mul_at(s, hg, reel_from_(s, 1, reel_scaled_(s, 2, x))), reel_sigmoid_grad_at_(s, x, h))
CURVE(softplus, reel_sigmoid_grad_at_(s, reel_sigmoid_at(s, x), hg), reel_softplus_grad_at_(s, x, h))
CURVE(log_sigmoid, reel_neg_at(s, reel_sigmoid_grad_at_(s, reel_sigmoid_at(s, x), hg)),
      reel_log_sigmoid_grad_at_(s, x, h))
CURVE(hard_swish, reel_piece_grad_at_(s, x, hg, PIECES(-3, 3, 1.0 / 3, 0)), reel_hard_swish_grad_at_(s, x, h))

/* 1 / (1 + |x|)^2: -2 sign(x) / (1 + |x|)^3 */
static reel_tensor *softsign_curve(const char *s, reel_tensor *x, reel_tensor *hg)
{
    reel_tensor *first = reel_softsign_grad_at_(s, x, reel_scaled_(s, -2, hg));
    return reel_mul_at(s, reel_sign_at(s, x), reel_div_at(s, first, reel_plus_(s, reel_abs_at(s, x), 1)));
}
CURVE(softsign, softsign_curve(s, x, hg), reel_softsign_grad_at_(s, x, h))

/* left of 0 the slope falls as e^(p2 x) */
static reel_tensor *elu_curve(const char *s, reel_tensor *x, reel_tensor *hg, const reel_attr_scalars *a)
{
    reel_tensor *zero = reel_num_at(s, 0);
    reel_tensor *left = reel_elu_grad_at_(s, x, reel_scaled_(s, a->p[2], hg), a);
    return reel_where_at(s, reel_greater_at(s, x, zero), zero, left);
}
CURVE(elu, elu_curve(s, x, hg, v->attr), reel_elu_grad_at_(s, x, h, v->attr))

/* with s = sigmoid(x): s (1 - s) (2 + x (1 - 2 s)) */
static reel_tensor *silu_curve(const char *s, reel_tensor *x, reel_tensor *hg)
{
    reel_tensor *y = reel_sigmoid_at(s, x), *bend = reel_from_(s, 1, reel_scaled_(s, 2, y));
    return reel_mul_at(s, reel_sigmoid_grad_at_(s, y, hg), reel_plus_(s, reel_mul_at(s, x, bend), 2));
}
CURVE(silu, silu_curve(s, x, hg), reel_silu_grad_at_(s, x, h))

/* with s = sigmoid(x), t = tanh(softplus(x)): s (1 - t t) (2 + x (1 - s - 2 t s)) */
static reel_tensor *mish_curve(const char *s, reel_tensor *x, reel_tensor *hg)
{
    reel_tensor *y = reel_sigmoid_at(s, x), *t = reel_tanh_at(s, reel_softplus_at(s, x));
    reel_tensor *bend = reel_from_(s, 1, reel_mul_at(s, y, reel_plus_(s, reel_scaled_(s, 2, t), 1)));
    reel_tensor *w = reel_mul_at(s, y, reel_tanh_grad_at_(s, t, hg));
    return reel_mul_at(s, w, reel_plus_(s, reel_mul_at(s, x, bend), 2));
}
CURVE(mish, mish_curve(s, x, hg), reel_mish_grad_at_(s, x, h))

/* phi(x) (2 - x x) */
static reel_tensor *gelu_curve(const char *s, reel_tensor *x, reel_tensor *hg)
{
    reel_tensor *z = reel_square_at(s, x), *density = reel_exp_at(s, reel_scaled_(s, -0.5, z));
    return reel_mul3_(s, reel_scaled_(s, 0.398942280401432677939946059934, hg), density, reel_from_(s, 2, z));
}
CURVE(gelu, gelu_curve(s, x, hg), reel_gelu_grad_at_(s, x, h))

/* x s(w), s = sigmoid, w = 2 sqrt(2 / pi) (x + c x^3): s' (2 w' + x w'' + x w' w' (1 - 2 s)) */
static reel_tensor *gelu_tanh_curve(const char *s, reel_tensor *x, reel_tensor *hg)
{
    const double k = 1.59576912160573071175978423974, c = 0.044715;
    reel_tensor *z = reel_square_at(s, x);
    reel_tensor *w = reel_mul_at(s, x, reel_plus_(s, reel_scaled_(s, k * c, z), k));
    reel_tensor *dw = reel_plus_(s, reel_scaled_(s, 3 * k * c, z), k);
    reel_tensor *y = reel_sigmoid_at(s, w);
    reel_tensor *bend = reel_mul3_(s, x, reel_square_at(s, dw), reel_from_(s, 1, reel_scaled_(s, 2, y)));
    reel_tensor *rest = reel_add_at(s, reel_scaled_(s, 2, dw), reel_scaled_(s, 6 * k * c, z));
    return reel_mul_at(s, reel_sigmoid_grad_at_(s, y, hg), reel_add_at(s, rest, bend));
}
CURVE(gelu_tanh, gelu_tanh_curve(s, x, hg), reel_gelu_tanh_grad_at_(s, x, h))

int reel_vjp_prelu_grad_(const reel_vjp_args *v) /* x > 0 ? g : slope g */
{
    const char *const s = v->site;
    reel_tensor *x = v->in[0], *slope = v->in[1], *g = v->in[2], *h = v->dout[0];
    if (v->need[1]) {
        reel_tensor *zero = reel_num_at(s, 0), *hg = reel_mul_at(s, h, g);
        v->din[1] = reel_to_shape_(s, reel_where_at(s, reel_greater_at(s, x, zero), zero, hg), slope);
    }
    if (v->need[2]) v->din[2] = reel_to_shape_(s, reel_prelu_grad_at_(s, x, slope, h), g);
    return reel_status();
}
