/* statistics.c: variance, standard deviation, norms and log-sum-exp. */
#include "internal.h"

#include <math.h>

#include "core/error.h"

/* ---- public functions -------------------------------------------------------------------------------- */
static reel_tensor *spread(int id, const char *site, reel_tensor *x, const reel_axes *axes, double correction,
                           bool keepdims)
{
    reel_attr_variance a;
    memset(&a, 0, sizeof a);
    reel_put_axes_(&a.reduce.axes, axes);
    a.reduce.keepdims = keepdims;
    a.correction = correction;
    return reel_op1_(id, &a, site, x);
}

reel_tensor *reel_variance_at(const char *site, reel_tensor *x, reel_axes axes, double correction, bool keepdims)
{
    return spread(REEL_OP_variance, site, x, &axes, correction, keepdims);
}

reel_tensor *reel_std_at(const char *site, reel_tensor *x, reel_axes axes, double correction, bool keepdims)
{
    return spread(REEL_OP_std, site, x, &axes, correction, keepdims);
}

/* (sum a^p)^(1/p) of a = |x|. The inner wheres keep elements that are 0, and a norm of 0, out of the derivative's infinities. */
static reel_tensor *any_norm(const char *site, reel_tensor *a, double p, reel_axes axes, bool keepdims)
{
    reel_tensor *zero = reel_num_at(site, 0), *one = reel_num_at(site, 1);
    reel_tensor *none = reel_equal_at(site, a, zero);
    reel_tensor *term = reel_pow_at(site, reel_where_at(site, none, one, a), reel_num_at(site, p));
    reel_tensor *at_zero = reel_num_at(site, p > 0 ? 0 : INFINITY);
    reel_tensor *sum = reel_sum_axes_at(site, reel_where_at(site, none, at_zero, term), axes, keepdims);
    reel_tensor *flat = reel_equal_at(site, sum, zero);
    reel_tensor *root = reel_pow_at(site, reel_where_at(site, flat, one, sum), reel_num_at(site, 1 / p));
    return reel_where_at(site, flat, reel_num_at(site, p > 0 ? 0 : INFINITY), root);
}

reel_tensor *reel_norm_at(const char *site, reel_tensor *x, double p, reel_axes axes, bool keepdims)
{
    if (p != p) {
        reel_fail_at_(site, REEL_EARG, "reel_norm: p is NaN");
        return NULL;
    }
    if (p == 1) return reel_l1_at(site, x, axes, keepdims);
    if (p == 2) return reel_l2_at(site, x, axes, keepdims);
    reel_tensor *a = reel_abs_at(site, x);
    if (!a) return NULL;
    if (p == INFINITY) return reel_max_axes_at(site, a, axes, keepdims);
    if (p == -INFINITY) return reel_min_axes_at(site, a, axes, keepdims);
    const reel_dtype d = reel_dtype_of(a);
    if (p == 0) return reel_cast_at(site, reel_count_nonzero_axes_at(site, a, axes, keepdims), d);
    if (d != REEL_F16 && d != REEL_BF16) return any_norm(site, a, p, axes, keepdims);
    return reel_cast_at(site, any_norm(site, reel_cast_at(site, a, REEL_F32), p, axes, keepdims), d);
}

/* ---- gradients --------------------------------------------------------------------------------------- */
static reel_tensor *axes_back(const reel_vjp_args *v, reel_tensor *t)
{
    return reel_axes_back_(v, v->attr, t);
}

/* g / y where y is not 0, otherwise 0: the subgradient of roots at 0 */
static reel_tensor *over_root(const char *site, reel_tensor *g, reel_tensor *y)
{
    reel_tensor *zero = reel_num_at(site, 0), *flat = reel_equal_at(site, y, zero);
    return reel_where_at(site, flat, zero, reel_div_at(site, g, reel_where_at(site, flat, reel_num_at(site, 1), y)));
}

int reel_vjp_l1_(const reel_vjp_args *v)
{
    v->din[0] = reel_mul_at(v->site, axes_back(v, v->dout[0]), reel_sign_at(v->site, v->in[0]));
    return reel_status();
}

int reel_vjp_l2_(const reel_vjp_args *v) /* g x / y */
{
    v->din[0] = reel_mul_at(v->site, axes_back(v, over_root(v->site, v->dout[0], v->out[0])), v->in[0]);
    return reel_status();
}

int reel_vjp_sum_square_(const reel_vjp_args *v)
{
    reel_tensor *twice = reel_mul_at(v->site, v->dout[0], reel_num_at(v->site, 2));
    v->din[0] = reel_mul_at(v->site, axes_back(v, twice), v->in[0]);
    return reel_status();
}

/* x - mean(x), and g over what the squares were divided by */
static reel_tensor *centred(const reel_vjp_args *v)
{
    const reel_attr_variance *a = v->attr;
    return reel_sub_at(v->site, v->in[0], reel_mean_axes_at(v->site, v->in[0], a->reduce.axes, true));
}

static reel_tensor *averaged(const reel_vjp_args *v, reel_tensor *g)
{
    const reel_attr_variance *a = v->attr;
    reel_tensor *n = reel_count_like_at_(v->site, v->in[0], &a->reduce);
    n = reel_maximum_at(v->site, reel_sub_at(v->site, n, reel_num_at(v->site, a->correction)), reel_num_at(v->site, 0));
    return reel_over_count_(v->site, g, n);
}

int reel_vjp_variance_(const reel_vjp_args *v) /* 2 g (x - mean) / (n - correction) */
{
    reel_tensor *share = averaged(v, reel_mul_at(v->site, v->dout[0], reel_num_at(v->site, 2)));
    v->din[0] = reel_mul_at(v->site, axes_back(v, share), centred(v));
    return reel_status();
}

int reel_vjp_std_(const reel_vjp_args *v) /* g (x - mean) / ((n - correction) y) */
{
    reel_tensor *share = averaged(v, over_root(v->site, v->dout[0], v->out[0]));
    v->din[0] = reel_mul_at(v->site, axes_back(v, share), centred(v));
    return reel_status();
}

/* g e^(x - y). Where y is -inf all elements are, and none has a part in it. */
int reel_vjp_logsumexp_(const reel_vjp_args *v)
{
    const char *site = v->site;
    reel_tensor *y = v->out[0], *nothing = reel_equal_at(site, y, reel_num_at(site, -INFINITY));
    reel_tensor *from = axes_back(v, reel_where_at(site, nothing, reel_num_at(site, 0), y));
    reel_tensor *part = reel_exp_at(site, reel_sub_at(site, v->in[0], from));
    v->din[0] = reel_mul_at(site, axes_back(v, v->dout[0]), part);
    return reel_status();
}
