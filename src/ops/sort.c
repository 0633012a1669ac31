/* sort.c: sort, argsort, topk, quantiles and searching. */
#include "internal.h"

#include <math.h>

#include "core/error.h"
#include "core/options.h"

/* ---- shape rules ------------------------------------------------------------------------------------- */
int reel_infer_sort_(const reel_infer *io)
{
    const reel_attr_sort *a = io->attr;
    int axis;
    io->out[0] = *io->in[0];
    return reel_axis_(a->axis, io->in[0]->shape.rank, &axis);
}

int reel_infer_argsort_(const reel_infer *io)
{
    const int code = reel_infer_sort_(io);
    io->out[0].dtype = REEL_I64;
    return code;
}

int reel_infer_topk_(const reel_infer *io)
{
    const reel_attr_topk *a = io->attr;
    int axis;
    const int code = reel_axis_(a->axis, io->in[0]->shape.rank, &axis);
    if (code) return code;
    const int64_t n = io->in[0]->shape.dims[axis];
    if (a->k < 0 || (n != REEL_ANY && a->k > n))
        return reel_fail(REEL_EARG, "k is %lld, axis %d has %lld elements", (long long)a->k, axis, (long long)n);
    io->out[0] = io->out[1] = *io->in[0];
    io->out[0].shape.dims[axis] = io->out[1].shape.dims[axis] = a->k;
    io->out[1].dtype = REEL_I64;
    return 0;
}

/* Where the two neighbours are, and how far from the first to the second. */
int reel_infer_quantile_pick_(const reel_infer *io)
{
    const reel_attr_quantile *a = io->attr;
    int axis;
    const int code = reel_axis_(a->axis, io->in[0]->shape.rank, &axis);
    if (code) return code;
    if (!(a->q >= 0 && a->q <= 1)) return reel_fail(REEL_EARG, "q is %g, it must be in [0, 1]", a->q);
    if (a->method < REEL_QUANTILE_LINEAR || a->method > REEL_QUANTILE_MIDPOINT)
        return reel_fail(REEL_EARG, "%d is no method of interpolation", a->method);
    if (io->in[0]->shape.dims[axis] == 0) return reel_fail(REEL_ESHAPE, "axis %d is empty: there is no quantile", axis);
    for (int j = 0; j < 3; j++) {
        io->out[j] = *io->in[0];
        io->out[j].shape.dims[axis] = 1;
        if (j < 2) io->out[j].dtype = REEL_I64;
    }
    return 0;
}

int reel_infer_searchsorted_(const reel_infer *io)
{
    const reel_shape *sorted = &io->in[0]->shape, *values = &io->in[1]->shape;
    reel_shape a = *sorted, b = *values, both;
    io->out[0] = *io->in[1];
    io->out[0].dtype = REEL_I64;
    if (sorted->rank == 1) return 0;
    a.rank--, b.rank--;
    if (a.rank < 0 || b.rank < 0 || !reel_merge_shape_(&a, &b, &both)) {
        char s[REEL_SHAPE_TEXT], v[REEL_SHAPE_TEXT];
        return reel_fail(REEL_ESHAPE, "values %s cannot be searched for in %s", reel_shape_text_(values, v),
                         reel_shape_text_(sorted, s));
    }
    for (int i = 0; i < both.rank; i++) io->out[0].shape.dims[i] = both.dims[i];
    return 0;
}

/* ---- public functions -------------------------------------------------------------------------------- */
reel_tensor *reel_sort_at(const char *site, reel_tensor *x, int axis, bool descending)
{
    const reel_attr_sort a = {axis, descending};
    return reel_op1_(REEL_OP_sort, &a, site, x);
}

reel_tensor *reel_argsort_at(const char *site, reel_tensor *x, int axis, bool descending)
{
    const reel_attr_sort a = {axis, descending};
    return reel_op1_(REEL_OP_argsort, &a, site, x);
}

int reel_topk_at(const char *site, reel_tensor *x, int64_t k, int axis, const reel_topk_opts *o, reel_tensor *out[2])
{
    reel_topk_opts how = {0};
    reel_attr_topk a;
    if (!out) return reel_fail_at_(site, REEL_EARG, "reel_topk: out is NULL");
    reel_options_(&how, sizeof how, o);
    memset(&a, 0, sizeof a);
    a.k = k;
    a.axis = axis;
    a.smallest = how.smallest;
    a.unsorted = how.unsorted;
    return reel_door_(&reel_rows_[REEL_OP_topk], &a, &x, 1, out, 2, site);
}

int reel_quantile_pick_at_(const char *site, reel_tensor *x, double q, int axis, int method, reel_tensor *out[3])
{
    reel_attr_quantile a;
    memset(&a, 0, sizeof a);
    a.q = q;
    a.axis = axis;
    a.method = method;
    return reel_door_(&reel_rows_[REEL_OP_quantile_pick], &a, &x, 1, out, 3, site);
}

reel_tensor *reel_quantile_at(const char *site, reel_tensor *x, double q, int axis, reel_quantile_method method,
                              bool keepdims)
{
    reel_tensor *at[3];
    if (reel_quantile_pick_at_(site, x, q, axis, (int)method, at)) return NULL;
    reel_tensor *a = reel_take_along_axis_at(site, x, at[0], axis), *b = reel_take_along_axis_at(site, x, at[1], axis);
    reel_tensor *step = reel_sub_at(site, b, a);
    reel_tensor *between = reel_add_at(site, a, reel_mul_at(site, step, at[2]));
    reel_tensor *y = reel_where_at(site, reel_equal_at(site, step, step), between, a); /* infinities have no distance */
    return keepdims ? y : reel_squeeze_at(site, y, (reel_axes){1, {axis}});
}

reel_tensor *reel_median_at(const char *site, reel_tensor *x, int axis, bool keepdims)
{
    return reel_quantile_at(site, x, 0.5, axis, REEL_QUANTILE_LINEAR, keepdims);
}

reel_tensor *reel_searchsorted_at(const char *site, reel_tensor *sorted, reel_tensor *values, bool right)
{
    const reel_attr_search a = {right};
    return reel_op2_(REEL_OP_searchsorted, &a, site, sorted, values);
}

/* ---- gradients --------------------------------------------------------------------------------------- */
int reel_vjp_sort_(const reel_vjp_args *v)
{
    const reel_attr_sort *a = v->attr;
    reel_tensor *order = reel_argsort_at(v->site, v->in[0], a->axis, a->descending);
    v->din[0] = reel_take_along_grad_at_(v->site, v->in[0], v->dout[0], order, a->axis, false);
    return reel_status();
}

int reel_vjp_topk_(const reel_vjp_args *v)
{
    const reel_attr_topk *a = v->attr;
    if (v->dout[0]) v->din[0] = reel_take_along_grad_at_(v->site, v->in[0], v->dout[0], v->out[1], a->axis, false);
    return reel_status();
}
