/* loss.c: losses: compositions of rows, and the row pick. Classes stand in class_loss.c. */
#include "ops/loss.h"

#include <math.h>

#include "core/error.h"
#include "core/options.h"

/* ---- what all share -------------------------------------------------------------------------------------------------- */
bool reel_loss_pair_(const char *site, const char *fn, const char *na, reel_tensor *a, const char *nb, reel_tensor *b)
{
    const reel_rec *x = reel_live_(site, fn, na, a), *y = x ? reel_live_(site, fn, nb, b) : NULL;
    if (!x || !y) return false;
    const bool weak_x = (x->flags & REEL_R_NUM) != 0, weak_y = (y->flags & REEL_R_NUM) != 0;
    if (!weak_x && !reel_is_float_(x->type.dtype)) {
        reel_fail_at_(site, REEL_EDTYPE, "%s: %s is %s, allowed: f32 f64 f16 bf16", fn, na,
                      reel_dtype_name(x->type.dtype));
        return false;
    }
    if (weak_x || weak_y || x->type.dtype == y->type.dtype) return true;
    reel_fail_at_(site, REEL_EDTYPE, "%s: dtypes differ: %s is %s and %s %s", fn, na, reel_dtype_name(x->type.dtype),
                  nb, reel_dtype_name(y->type.dtype));
    return false;
}

bool reel_loss_reduction_(const char *site, const char *fn, reel_reduction r)
{
    if (r == REEL_REDUCE_MEAN || r == REEL_REDUCE_SUM || r == REEL_REDUCE_NONE) return true;
    reel_fail_at_(site, REEL_EARG, "%s: %d is no reduction", fn, (int)r);
    return false;
}

reel_tensor *reel_loss_reduce_(const char *site, reel_tensor *loss, reel_reduction r)
{
    if (r == REEL_REDUCE_NONE) return loss;
    return r == REEL_REDUCE_SUM ? reel_sum_at(site, loss) : reel_mean_at(site, loss);
}

static bool finite_number(const char *site, const char *fn, const char *what, double v, double low)
{
    if (isfinite(v) && v >= low) return true;
    if (low > -INFINITY)
        reel_fail_at_(site, REEL_EARG, "%s: %s is %g, it must be finite and at least %g", fn, what, v, low);
    else
        reel_fail_at_(site, REEL_EARG, "%s: %s is %g, it must be finite", fn, what, v);
    return false;
}

double reel_loss_option_(double value, double otherwise)
{
    return value != 0 || signbit(value) ? value + 0.0 : otherwise;
}

/* 16-bit floats in f32: what squares and exponentials leave their range. */
reel_tensor *reel_loss_wide_(const char *site, reel_tensor *x)
{
    const reel_rec *r = reel_rec_of_(x);
    const reel_dtype d = r->type.dtype;
    return !(r->flags & REEL_R_NUM) && (d == REEL_F16 || d == REEL_BF16) ? reel_cast_at(site, x, REEL_F32) : x;
}

reel_tensor *reel_loss_narrow_(const char *site, reel_tensor *y, reel_tensor *like)
{
    const reel_rec *r = reel_rec_of_(like);
    const reel_dtype d = r->type.dtype;
    return y && !(r->flags & REEL_R_NUM) && (d == REEL_F16 || d == REEL_BF16) ? reel_cast_at(site, y, d) : y;
}

static reel_tensor *times(const char *site, double c, reel_tensor *x)
{
    return reel_mul_at(site, x, reel_num_at(site, c));
}

/* The start of a loss of two tensors and the plain options. */
static bool begin(const char *site, const char *fn, reel_tensor *x, const char *name, reel_tensor *target,
                  const reel_loss_opts *given, reel_reduction *r)
{
    reel_loss_opts o = {0};
    reel_options_(&o, sizeof o, given);
    *r = o.reduction;
    return reel_loss_pair_(site, fn, "x", x, name, target) && reel_loss_reduction_(site, fn, o.reduction);
}

/* ---- distances --------------------------------------------------------------------------------------------------------- */
reel_tensor *reel_mse_loss_at(const char *site, reel_tensor *x, reel_tensor *target, const reel_loss_opts *o)
{
    reel_reduction r;
    if (!begin(site, "reel_mse_loss", x, "target", target, o, &r)) return NULL;
    return reel_loss_reduce_(site, reel_square_at(site, reel_sub_at(site, x, target)), r);
}

reel_tensor *reel_l1_loss_at(const char *site, reel_tensor *x, reel_tensor *target, const reel_loss_opts *o)
{
    reel_reduction r;
    if (!begin(site, "reel_l1_loss", x, "target", target, o, &r)) return NULL;
    return reel_loss_reduce_(site, reel_abs_at(site, reel_sub_at(site, x, target)), r);
}

/* inner: the factor of d^2; outer: of |d| - delta / 2 */
static reel_tensor *huber(const char *site, reel_tensor *x, reel_tensor *target, double delta, double inner,
                          double outer)
{
    reel_tensor *d = reel_sub_at(site, x, target), *a = reel_abs_at(site, d);
    reel_tensor *near = times(site, inner, reel_square_at(site, d));
    reel_tensor *far = times(site, outer, reel_sub_at(site, a, reel_num_at(site, delta / 2)));
    return reel_where_at(site, reel_less_equal_at(site, a, reel_num_at(site, delta)), near, far);
}

reel_tensor *reel_huber_loss_at(const char *site, reel_tensor *x, reel_tensor *target, double delta,
                                const reel_loss_opts *o)
{
    static const char fn[] = "reel_huber_loss";
    reel_reduction r;
    if (!begin(site, fn, x, "target", target, o, &r)) return NULL;
    if (!(delta > 0) || isinf(delta)) {
        reel_fail_at_(site, REEL_EARG, "%s: delta is %g, it must be finite and above 0", fn, delta);
        return NULL;
    }
    return reel_loss_reduce_(site, huber(site, x, target, delta, 0.5, delta), r);
}

reel_tensor *reel_smooth_l1_loss_at(const char *site, reel_tensor *x, reel_tensor *target, double beta,
                                    const reel_loss_opts *o)
{
    static const char fn[] = "reel_smooth_l1_loss";
    reel_reduction r;
    if (!begin(site, fn, x, "target", target, o, &r) || !finite_number(site, fn, "beta", beta, 0)) return NULL;
    if (beta == 0) return reel_loss_reduce_(site, reel_abs_at(site, reel_sub_at(site, x, target)), r);
    return reel_loss_reduce_(site, huber(site, x, target, beta, 0.5 / beta, 1), r);
}

/* sum of a b along axis, a and b of any float */
static reel_tensor *dot(const char *site, reel_tensor *a, reel_tensor *b, int axis)
{
    const reel_axes axes = {1, {axis}};
    return reel_sum_axes_at(site, reel_mul_at(site, a, b), axes, false);
}

static reel_tensor *cosine(const char *site, reel_tensor *a, reel_tensor *b, int axis, double eps)
{
    a = reel_loss_wide_(site, a), b = reel_loss_wide_(site, b);
    reel_tensor *ab = reel_mul_at(site, a, b);
    if (!ab) return NULL;
    const int rank = reel_type_of_(ab)->shape.rank; /* an axis counts in the broadcast shape */
    if (reel_type_of_(a)->shape.rank != rank) a = reel_broadcast_like_at(site, a, ab);
    if (reel_type_of_(b)->shape.rank != rank) b = reel_broadcast_like_at(site, b, ab);
    const reel_axes axes = {1, {axis}};
    ab = reel_sum_axes_at(site, ab, axes, false);
    reel_tensor *least = reel_num_at(site, eps * eps);
    reel_tensor *na = reel_maximum_at(site, dot(site, a, a, axis), least);
    reel_tensor *nb = reel_maximum_at(site, dot(site, b, b, axis), least);
    return reel_mul_at(site, ab, reel_mul_at(site, reel_rsqrt_at(site, na), reel_rsqrt_at(site, nb)));
}

reel_tensor *reel_cosine_similarity_at(const char *site, reel_tensor *a, reel_tensor *b, int axis, double eps)
{
    static const char fn[] = "reel_cosine_similarity";
    const double e = reel_loss_option_(eps, 1e-8);
    if (!reel_loss_pair_(site, fn, "a", a, "b", b) || !finite_number(site, fn, "eps", e, 0)) return NULL;
    return reel_loss_narrow_(site, cosine(site, a, b, axis, e), a);
}

reel_tensor *reel_cosine_embedding_loss_at(const char *site, reel_tensor *a, reel_tensor *b, reel_tensor *y,
                                           double margin, const reel_loss_opts *given)
{
    static const char fn[] = "reel_cosine_embedding_loss";
    reel_loss_opts o = {0};
    reel_options_(&o, sizeof o, given);
    if (!reel_loss_pair_(site, fn, "a", a, "b", b) || !reel_loss_pair_(site, fn, "a", a, "y", y) ||
        !reel_loss_reduction_(site, fn, o.reduction) || !finite_number(site, fn, "margin", margin, -INFINITY))
        return NULL;
    reel_tensor *c = cosine(site, a, b, -1, 1e-8), *one = reel_num_at(site, 1);
    reel_tensor *apart = reel_relu_at(site, reel_sub_at(site, c, reel_num_at(site, margin)));
    reel_tensor *together = reel_equal_at(site, y, one);
    reel_tensor *loss = reel_where_at(site, together, reel_sub_at(site, one, c), apart);
    return reel_loss_narrow_(site, reel_loss_reduce_(site, loss, o.reduction), a);
}

/* |a - b + 1e-6| along the last axis */
static reel_tensor *distance(const char *site, reel_tensor *a, reel_tensor *b)
{
    reel_tensor *d = reel_add_at(site, reel_sub_at(site, reel_loss_wide_(site, a), reel_loss_wide_(site, b)),
                                 reel_num_at(site, 1e-6));
    return reel_sqrt_at(site, dot(site, d, d, -1));
}

reel_tensor *reel_triplet_margin_loss_at(const char *site, reel_tensor *anchor, reel_tensor *positive,
                                         reel_tensor *negative, double margin, const reel_loss_opts *given)
{
    static const char fn[] = "reel_triplet_margin_loss";
    reel_loss_opts o = {0};
    reel_options_(&o, sizeof o, given);
    if (!reel_loss_pair_(site, fn, "anchor", anchor, "positive", positive) ||
        !reel_loss_pair_(site, fn, "anchor", anchor, "negative", negative) ||
        !reel_loss_reduction_(site, fn, o.reduction) || !finite_number(site, fn, "margin", margin, -INFINITY))
        return NULL;
    reel_tensor *d = reel_sub_at(site, distance(site, anchor, positive), distance(site, anchor, negative));
    reel_tensor *loss = reel_relu_at(site, reel_add_at(site, d, reel_num_at(site, margin)));
    return reel_loss_narrow_(site, reel_loss_reduce_(site, loss, o.reduction), anchor);
}

/* ---- yes or no ------------------------------------------------------------------------------------------------------------ */
static bool binary_begin(const char *site, const char *fn, reel_tensor *x, reel_tensor *target,
                         reel_binary_cross_entropy_opts *o, const reel_binary_cross_entropy_opts *given)
{
    reel_options_(o, sizeof *o, given);
    return reel_loss_pair_(site, fn, "x", x, "target", target) && reel_loss_reduction_(site, fn, o->reduction) &&
           (o->weight ? reel_loss_pair_(site, fn, "x", x, "weight", o->weight) : reel_optional_(o->weight)) &&
           (o->pos_weight ? reel_loss_pair_(site, fn, "x", x, "pos_weight", o->pos_weight)
                          : reel_optional_(o->pos_weight));
}

static reel_tensor *weighted(const char *site, reel_tensor *loss, reel_tensor *weight, reel_reduction r)
{
    return reel_loss_reduce_(site, weight ? reel_mul_at(site, loss, weight) : loss, r);
}

/* max(ln x, -100), of derivative 0 where it is -100; x = 0 must not meet the logarithm's derivative. */
static reel_tensor *log_from_100(const char *site, reel_tensor *x)
{
    reel_tensor *l = reel_log_at(site, reel_maximum_at(site, x, reel_num_at(site, 1e-45)));
    return reel_maximum_at(site, l, reel_num_at(site, -100));
}

reel_tensor *reel_binary_cross_entropy_at(const char *site, reel_tensor *x, reel_tensor *target,
                                          const reel_binary_cross_entropy_opts *given)
{
    static const char fn[] = "reel_binary_cross_entropy";
    reel_binary_cross_entropy_opts o = {0};
    if (!binary_begin(site, fn, x, target, &o, given)) return NULL;
    if (o.pos_weight) {
        reel_fail_at_(site, REEL_EARG, "%s: pos_weight is for reel_binary_cross_entropy_with_logits", fn);
        return NULL;
    }
    reel_tensor *p = reel_loss_wide_(site, x), *t = reel_loss_wide_(site, target), *one = reel_num_at(site, 1);
    reel_tensor *q = reel_sub_at(site, one, p);
    reel_tensor *yes = reel_mul_at(site, t, log_from_100(site, p));
    reel_tensor *no = reel_mul_at(site, reel_sub_at(site, one, t), log_from_100(site, q));
    reel_tensor *loss = reel_neg_at(site, reel_add_at(site, yes, no));
    return reel_loss_narrow_(site, weighted(site, loss, o.weight ? reel_loss_wide_(site, o.weight) : NULL, o.reduction),
                             x);
}

reel_tensor *reel_binary_cross_entropy_with_logits_at(const char *site, reel_tensor *x, reel_tensor *target,
                                                      const reel_binary_cross_entropy_opts *given)
{
    static const char fn[] = "reel_binary_cross_entropy_with_logits";
    reel_binary_cross_entropy_opts o = {0};
    if (!binary_begin(site, fn, x, target, &o, given)) return NULL;
    reel_tensor *loss, *one = reel_num_at(site, 1);
    if (o.pos_weight) {
        reel_tensor *soft = reel_softplus_at(site, reel_neg_at(site, x));
        reel_tensor *more = reel_mul_at(site, reel_sub_at(site, o.pos_weight, one), target);
        loss = reel_add_at(site, reel_mul_at(site, reel_sub_at(site, one, target), x),
                           reel_mul_at(site, reel_add_at(site, more, one), soft));
    } else {
        loss = reel_sub_at(site, reel_softplus_at(site, x), reel_mul_at(site, x, target));
    }
    return weighted(site, loss, o.weight, o.reduction);
}

reel_tensor *reel_sigmoid_cross_entropy_at(const char *site, reel_tensor *logits, reel_tensor *labels)
{
    return reel_sub_at(site, reel_softplus_at(site, logits), reel_mul_at(site, logits, labels));
}

reel_tensor *reel_hinge_loss_at(const char *site, reel_tensor *x, reel_tensor *y, const reel_loss_opts *o)
{
    reel_reduction r;
    if (!begin(site, "reel_hinge_loss", x, "y", y, o, &r)) return NULL;
    reel_tensor *slack = reel_sub_at(site, reel_num_at(site, 1), reel_mul_at(site, y, x));
    return reel_loss_reduce_(site, reel_relu_at(site, slack), r);
}

reel_tensor *reel_hinge_embedding_loss_at(const char *site, reel_tensor *x, reel_tensor *y, double margin,
                                          const reel_loss_opts *o)
{
    static const char fn[] = "reel_hinge_embedding_loss";
    reel_reduction r;
    if (!begin(site, fn, x, "y", y, o, &r) || !finite_number(site, fn, "margin", margin, -INFINITY)) return NULL;
    reel_tensor *apart = reel_relu_at(site, reel_sub_at(site, reel_num_at(site, margin), x));
    return reel_loss_reduce_(site, reel_where_at(site, reel_equal_at(site, y, reel_num_at(site, 1)), x, apart), r);
}

reel_tensor *reel_soft_margin_loss_at(const char *site, reel_tensor *x, reel_tensor *y, const reel_loss_opts *o)
{
    reel_reduction r;
    if (!begin(site, "reel_soft_margin_loss", x, "y", y, o, &r)) return NULL;
    return reel_loss_reduce_(site, reel_softplus_at(site, reel_neg_at(site, reel_mul_at(site, y, x))), r);
}

reel_tensor *reel_margin_ranking_loss_at(const char *site, reel_tensor *a, reel_tensor *b, reel_tensor *y,
                                         double margin, const reel_loss_opts *given)
{
    static const char fn[] = "reel_margin_ranking_loss";
    reel_loss_opts o = {0};
    reel_options_(&o, sizeof o, given);
    if (!reel_loss_pair_(site, fn, "a", a, "b", b) || !reel_loss_pair_(site, fn, "a", a, "y", y) ||
        !reel_loss_reduction_(site, fn, o.reduction) || !finite_number(site, fn, "margin", margin, -INFINITY))
        return NULL;
    reel_tensor *d = reel_mul_at(site, y, reel_sub_at(site, a, b));
    return reel_loss_reduce_(site, reel_relu_at(site, reel_sub_at(site, reel_num_at(site, margin), d)), o.reduction);
}

/* ---- likelihoods ------------------------------------------------------------------------------------------------------------ */
/* t ln t, 0 at 0 with derivative 0 there */
static reel_tensor *t_log_t(const char *site, reel_tensor *t)
{
    reel_tensor *safe = reel_where_at(site, reel_equal_at(site, t, reel_num_at(site, 0)), reel_num_at(site, 1), t);
    return reel_mul_at(site, t, reel_log_at(site, safe));
}

reel_tensor *reel_kl_div_at(const char *site, reel_tensor *x, reel_tensor *target, const reel_kl_div_opts *given)
{
    static const char fn[] = "reel_kl_div";
    reel_kl_div_opts o = {0};
    reel_options_(&o, sizeof o, given);
    if (!reel_loss_pair_(site, fn, "x", x, "target", target) || !reel_loss_reduction_(site, fn, o.reduction))
        return NULL;
    reel_tensor *loss = o.log_target ? reel_mul_at(site, reel_exp_at(site, target), reel_sub_at(site, target, x))
                                     : reel_sub_at(site, t_log_t(site, target), reel_mul_at(site, target, x));
    if (!o.batch_mean || !loss) return reel_loss_reduce_(site, loss, o.reduction);
    const reel_type *t = reel_type_of_(loss);
    if (t->shape.rank == 0) return loss;
    const reel_attr_reduce first = {.axes = {1, {0}}};
    return reel_over_count_(site, reel_sum_at(site, loss), reel_count_like_at_(site, loss, &first));
}

reel_tensor *reel_poisson_nll_loss_at(const char *site, reel_tensor *x, reel_tensor *target,
                                      const reel_poisson_nll_opts *given)
{
    static const char fn[] = "reel_poisson_nll_loss";
    reel_poisson_nll_opts o = {0};
    reel_options_(&o, sizeof o, given);
    const double eps = reel_loss_option_(o.eps, 1e-8), pi = 3.14159265358979323846;
    if (!reel_loss_pair_(site, fn, "x", x, "target", target) || !reel_loss_reduction_(site, fn, o.reduction) ||
        !finite_number(site, fn, "eps", eps, 0))
        return NULL;
    reel_tensor *p = reel_loss_wide_(site, x), *t = reel_loss_wide_(site, target), *loss;
    if (o.no_log)
        loss =
            reel_sub_at(site, p, reel_mul_at(site, t, reel_log_at(site, reel_add_at(site, p, reel_num_at(site, eps)))));
    else
        loss = reel_sub_at(site, reel_exp_at(site, p), reel_mul_at(site, t, p));
    if (o.full) {
        reel_tensor *one = reel_num_at(site, 1), *big = reel_greater_at(site, t, one);
        reel_tensor *u = reel_where_at(site, big, t, one), *l = reel_log_at(site, u);
        reel_tensor *stirling = reel_sub_at(site, reel_mul_at(site, u, l), u);
        reel_tensor *half = times(site, 0.5, reel_add_at(site, l, reel_num_at(site, log(2 * pi))));
        stirling = reel_where_at(site, big, reel_add_at(site, stirling, half), reel_num_at(site, 0));
        loss = reel_add_at(site, loss, stirling);
    }
    return reel_loss_narrow_(site, reel_loss_reduce_(site, loss, o.reduction), x);
}

reel_tensor *reel_gaussian_nll_loss_at(const char *site, reel_tensor *x, reel_tensor *target, reel_tensor *var,
                                       const reel_gaussian_nll_opts *given)
{
    static const char fn[] = "reel_gaussian_nll_loss";
    reel_gaussian_nll_opts o = {0};
    reel_options_(&o, sizeof o, given);
    const double eps = reel_loss_option_(o.eps, 1e-6), pi = 3.14159265358979323846;
    if (!reel_loss_pair_(site, fn, "x", x, "target", target) || !reel_loss_pair_(site, fn, "x", x, "var", var) ||
        !reel_loss_reduction_(site, fn, o.reduction) || !finite_number(site, fn, "eps", eps, 0))
        return NULL;
    reel_tensor *v = reel_maximum_at(site, reel_loss_wide_(site, var), reel_num_at(site, eps));
    reel_tensor *d = reel_square_at(site, reel_sub_at(site, reel_loss_wide_(site, x), reel_loss_wide_(site, target)));
    reel_tensor *loss = times(site, 0.5, reel_add_at(site, reel_log_at(site, v), reel_div_at(site, d, v)));
    if (o.full) loss = reel_add_at(site, loss, reel_num_at(site, 0.5 * log(2 * pi)));
    return reel_loss_narrow_(site, reel_loss_reduce_(site, loss, o.reduction), x);
}
