/* reduce.c: sum, mean, prod, max, min, their arg, any, all and counts over axes. statistics.c has the others. */
#include "internal.h"

#include <math.h>

/* ---- shape rules ------------------------------------------------------------------------------------- */
static int reduced(const reel_infer *io, unsigned *mask)
{
    const reel_attr_reduce *a = io->attr;
    const reel_shape *x = &io->in[0]->shape;
    const int code = reel_axes_mask_(&a->axes, x->rank, mask);
    if (code) return code;
    reel_type out = {.dtype = io->in[0]->dtype};
    for (int i = 0; i < x->rank; i++) {
        const bool gone = (*mask >> i) & 1u;
        if (!gone || a->keepdims) out.shape.dims[out.shape.rank++] = gone ? 1 : x->dims[i];
    }
    io->out[0] = out;
    return 0;
}

int reel_infer_reduce_(const reel_infer *io)
{
    unsigned mask;
    return reduced(io, &mask);
}

/* A maximum of nothing does not exist. */
int reel_infer_reduce_some_(const reel_infer *io)
{
    unsigned mask;
    const int code = reduced(io, &mask);
    if (code) return code;
    for (int i = 0; i < io->in[0]->shape.rank; i++)
        if (((mask >> i) & 1u) && io->in[0]->shape.dims[i] == 0)
            return reel_fail(REEL_ESHAPE, "axis %d is empty: there is no %s", i,
                             io->op->id == REEL_OP_min || io->op->id == REEL_OP_argmin ? "minimum" : "maximum");
    return 0;
}

int reel_infer_reduce_bool_(const reel_infer *io)
{
    const int code = reel_infer_reduce_(io);
    io->out[0].dtype = REEL_BOOL;
    return code;
}

int reel_infer_reduce_count_(const reel_infer *io)
{
    const int code = reel_infer_reduce_(io);
    io->out[0].dtype = REEL_I64;
    return code;
}

int reel_infer_variance_(const reel_infer *io)
{
    const reel_attr_variance *a = io->attr;
    if (!isfinite(a->correction)) return reel_fail(REEL_EARG, "correction %g is not finite", a->correction);
    return reel_infer_reduce_(io);
}

int reel_infer_argmax_(const reel_infer *io)
{
    const reel_attr_reduce *a = io->attr;
    if (a->axes.n > 1) return reel_fail(REEL_EARG, "%d axes given, it takes one or all", a->axes.n);
    const int code = reel_infer_reduce_some_(io);
    io->out[0].dtype = REEL_I64;
    return code;
}

int reel_infer_count_like_(const reel_infer *io)
{
    const reel_attr_reduce *a = io->attr;
    unsigned mask;
    const reel_dtype d = io->in[0]->dtype;
    io->out[0] = (reel_type){.dtype = d == REEL_F64 ? d : REEL_F32};
    return reel_axes_mask_(&a->axes, io->in[0]->shape.rank, &mask);
}

/* ---- public functions -------------------------------------------------------------------------------- */
static reel_tensor *reduce(int id, const char *site, reel_tensor *x, const reel_axes *axes, bool keepdims)
{
    reel_attr_reduce a = {.keepdims = keepdims};
    if (axes) reel_put_axes_(&a.axes, axes);
    return reel_op1_(id, &a, site, x);
}

static reel_tensor *reduce_one(int id, const char *site, reel_tensor *x, int axis)
{
    const reel_attr_reduce a = {.axes = {1, {axis}}};
    return reel_op1_(id, &a, site, x);
}

/* Over all elements and over axes; or over one axis and over axes. */
#define OVER_ALL(name)                                                                                  \
    reel_tensor *reel_##name##_at(const char *site, reel_tensor *x)                                     \
    {                                                                                                   \
        return reduce(REEL_OP_##name, site, x, NULL, false);                                            \
    }                                                                                                   \
    reel_tensor *reel_##name##_axes_at(const char *site, reel_tensor *x, reel_axes axes, bool keepdims) \
    {                                                                                                   \
        return reduce(REEL_OP_##name, site, x, &axes, keepdims);                                        \
    }
#define OVER_ONE(name)                                                                                  \
    reel_tensor *reel_##name##_at(const char *site, reel_tensor *x, int axis)                           \
    {                                                                                                   \
        return reduce_one(REEL_OP_##name, site, x, axis);                                               \
    }                                                                                                   \
    reel_tensor *reel_##name##_axes_at(const char *site, reel_tensor *x, reel_axes axes, bool keepdims) \
    {                                                                                                   \
        return reduce(REEL_OP_##name, site, x, &axes, keepdims);                                        \
    }
OVER_ALL(sum)
OVER_ALL(mean)
OVER_ALL(prod)
OVER_ALL(any)
OVER_ALL(all)
OVER_ALL(count_nonzero)
OVER_ONE(max)
OVER_ONE(min)
OVER_ONE(argmax)
OVER_ONE(argmin)
OVER_ONE(logsumexp)

#define OVER_AXES(name)                                                                            \
    reel_tensor *reel_##name##_at(const char *site, reel_tensor *x, reel_axes axes, bool keepdims) \
    {                                                                                              \
        return reduce(REEL_OP_##name, site, x, &axes, keepdims);                                   \
    }
OVER_AXES(l1)
OVER_AXES(l2)
OVER_AXES(sum_square)

static reel_tensor *arg_last(int id, const char *site, reel_tensor *x, const reel_axes *axes, bool keepdims)
{
    reel_attr_reduce a = {.keepdims = keepdims, .last = 1};
    reel_put_axes_(&a.axes, axes);
    return reel_op1_(id, &a, site, x);
}

reel_tensor *reel_argmax_last_at(const char *site, reel_tensor *x, reel_axes axes, bool keepdims)
{
    return arg_last(REEL_OP_argmax, site, x, &axes, keepdims);
}

reel_tensor *reel_argmin_last_at(const char *site, reel_tensor *x, reel_axes axes, bool keepdims)
{
    return arg_last(REEL_OP_argmin, site, x, &axes, keepdims);
}

reel_tensor *reel_count_like_at_(const char *site, reel_tensor *x, const reel_attr_reduce *a)
{
    return reel_op1_(REEL_OP_count_like, a, site, x);
}

reel_tensor *reel_over_count_(const char *site, reel_tensor *g, reel_tensor *n)
{
    if (!g || !n) return NULL;
    const reel_dtype d = reel_type_of_(g)->dtype, wide = d == REEL_F64 ? d : REEL_F32;
    if (reel_type_of_(n)->dtype != wide) n = reel_cast_at(site, n, wide);
    if (d == wide) return reel_div_at(site, g, n);
    return reel_cast_at(site, reel_div_at(site, reel_cast_at(site, g, wide), n), d);
}

/* ---- gradients --------------------------------------------------------------------------------------- */
reel_tensor *reel_axes_back_(const reel_vjp_args *v, const reel_attr_reduce *a, reel_tensor *t)
{
    if (a->keepdims || a->axes.n == 0) return t;
    return reel_unsqueeze_at(v->site, t, a->axes);
}

static reel_tensor *axes_back(const reel_vjp_args *v, reel_tensor *t)
{
    return reel_axes_back_(v, v->attr, t);
}

int reel_vjp_sum_(const reel_vjp_args *v)
{
    v->din[0] = reel_broadcast_like_at(v->site, axes_back(v, v->dout[0]), v->in[0]);
    return reel_status();
}

int reel_vjp_mean_(const reel_vjp_args *v)
{
    reel_tensor *share = reel_over_count_(v->site, v->dout[0], reel_count_like_at_(v->site, v->in[0], v->attr));
    v->din[0] = reel_broadcast_like_at(v->site, axes_back(v, share), v->in[0]);
    return reel_status();
}

/* Elements equal to the extremum share its gradient equally. */
static int extremum(const reel_vjp_args *v)
{
    const char *site = v->site;
    const reel_attr_reduce *a = v->attr;
    reel_tensor *x = v->in[0];
    reel_tensor *is_max = reel_equal_at(site, x, axes_back(v, v->out[0]));
    reel_tensor *ties = reel_count_nonzero_axes_at(site, is_max, a->axes, true);
    reel_tensor *share = reel_over_count_(site, axes_back(v, v->dout[0]), ties);
    v->din[0] = reel_where_at(site, is_max, share, reel_num_at(site, 0));
    return reel_status();
}

int reel_vjp_max_(const reel_vjp_args *v)
{
    return extremum(v);
}

int reel_vjp_min_(const reel_vjp_args *v)
{
    return extremum(v);
}

/* g times the product of the other elements, whatever is zero among them: along each axis those before and those after, then
   the same of what this axis's products are. */
int reel_vjp_prod_(const reel_vjp_args *v)
{
    const char *site = v->site;
    const reel_attr_reduce *a = v->attr;
    const int rank = reel_type_of_(v->in[0])->shape.rank;
    unsigned mask = 0;
    if (reel_axes_mask_(&a->axes, rank, &mask)) return reel_status();
    reel_tensor *left = v->in[0], *others = axes_back(v, v->dout[0]);
    for (int k = rank - 1; k >= 0; k--) {
        if (!(mask >> k & 1u)) continue;
        reel_tensor *before = reel_scan_(REEL_OP_cumprod, site, left, k, true, false);
        reel_tensor *after = reel_scan_(REEL_OP_cumprod, site, left, k, true, true);
        others = reel_mul_at(site, others, reel_mul_at(site, before, after));
        mask &= ~(1u << k);
        if (mask) left = reel_prod_axes_at(site, left, (reel_axes){1, {k}}, true);
    }
    v->din[0] = others;
    return reel_status();
}
