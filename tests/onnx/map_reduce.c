/* map_reduce.c: reductions, scans, sorting. */
#include <math.h>
#include <string.h>

#include "onnx.h"

/* ---- reductions: axes are an attribute, or from opset 13 or 18 on the second input ------------------------- */
typedef reel_tensor *over_axes(reel_tensor *x, reel_axes axes, bool keepdims);

/* 1: nothing is to be reduced; 0: *axes; below: failed */
static int axes_of(onnx_call *c, reel_axes *axes)
{
    int64_t list[ONNX_MAX_LIST];
    int n = attr_ints(c, "axes", list, ONNX_MAX_LIST);
    if (n < 0 && c->n_in > 1 && c->in[1]) {
        n = host_ints(c->in[1], list, ONNX_MAX_LIST);
        if (n < 0) return -1;
    }
    *axes = axes_from(list, n > 0 ? n : 0);
    return n <= 0 && attr_int(c, "noop_with_empty_axes", 0) ? 1 : 0;
}

/* f over the axes; each: what is done to elements even if no axis goes. */
static int reduce(onnx_call *c, over_axes *f, reel_tensor *(*each)(reel_tensor *))
{
    reel_axes axes;
    const int none = axes_of(c, &axes);
    if (none < 0) return reel_status();
    if (none)
        c->out[0] = each ? each(c->in[0]) : c->in[0];
    else
        c->out[0] = f(c->in[0], axes, attr_int(c, "keepdims", 1) != 0);
    return reel_status();
}

static reel_tensor *squared(reel_tensor *x)
{
    return reel_square(x);
}

static reel_tensor *absolute(reel_tensor *x)
{
    return reel_abs(x);
}

static reel_tensor *logarithm(reel_tensor *x)
{
    return reel_log(x);
}

static bool is_float(reel_tensor *x)
{
    const reel_dtype d = reel_dtype_of(x);
    return d == REEL_F32 || d == REEL_F64 || d == REEL_F16 || d == REEL_BF16;
}

static reel_tensor *sum_(reel_tensor *x, reel_axes axes, bool keepdims)
{
    return reel_sum_axes(x, axes, keepdims);
}

static reel_tensor *mean_(reel_tensor *x, reel_axes axes, bool keepdims)
{
    return reel_mean_axes(x, axes, keepdims);
}

static reel_tensor *prod_(reel_tensor *x, reel_axes axes, bool keepdims)
{
    return reel_prod_axes(x, axes, keepdims);
}

static reel_tensor *l1_(reel_tensor *x, reel_axes axes, bool keepdims)
{
    return is_float(x) ? reel_l1(x, axes, keepdims) : reel_sum_axes(reel_abs(x), axes, keepdims);
}

static reel_tensor *l2_(reel_tensor *x, reel_axes axes, bool keepdims)
{
    return reel_l2(x, axes, keepdims);
}

static reel_tensor *sum_square_(reel_tensor *x, reel_axes axes, bool keepdims)
{
    return is_float(x) ? reel_sum_square(x, axes, keepdims) : reel_sum_axes(reel_square(x), axes, keepdims);
}

static reel_tensor *log_sum_(reel_tensor *x, reel_axes axes, bool keepdims)
{
    return reel_log(reel_sum_axes(x, axes, keepdims));
}

static reel_tensor *log_sum_exp_(reel_tensor *x, reel_axes axes, bool keepdims)
{
    return reel_logsumexp_axes(x, axes, keepdims);
}

/* ONNX gives a number to the extremum of nothing: a value of that side joins the elements. */
static reel_tensor *extremum(reel_tensor *x, reel_axes axes, bool keepdims, bool max)
{
    reel_shape s = reel_shape_of(x);
    if (reel_shape_count(s) != 0) return max ? reel_max_axes(x, axes, keepdims) : reel_min_axes(x, axes, keepdims);
    reel_tensor *empty = reel_sum_axes(x, axes, keepdims); /* of the right shape */
    return reel_full(reel_dtype_of(x), reel_shape_of(empty), max ? -INFINITY : INFINITY);
}

static reel_tensor *max_(reel_tensor *x, reel_axes axes, bool keepdims)
{
    return extremum(x, axes, keepdims, true);
}

static reel_tensor *min_(reel_tensor *x, reel_axes axes, bool keepdims)
{
    return extremum(x, axes, keepdims, false);
}

#define REDUCE(name, each)                 \
    static int reduce_##name(onnx_call *c) \
    {                                      \
        return reduce(c, name##_, each);   \
    }
REDUCE(sum, NULL)
REDUCE(mean, NULL)
REDUCE(prod, NULL)
REDUCE(max, NULL)
REDUCE(min, NULL)
REDUCE(l1, absolute)
REDUCE(l2, absolute)
REDUCE(sum_square, squared)
REDUCE(log_sum, logarithm)
REDUCE(log_sum_exp, NULL)

/* ---- arg, scans, topk ------------------------------------------------------------------------------------- */
static int arg(onnx_call *c, bool max)
{
    const bool keepdims = attr_int(c, "keepdims", 1) != 0, last = attr_int(c, "select_last_index", 0) != 0;
    const reel_axes axes = {1, {(int)attr_int(c, "axis", 0)}};
    reel_tensor *x = c->in[0];
    if (last)
        c->out[0] = max ? reel_argmax_last(x, axes, keepdims) : reel_argmin_last(x, axes, keepdims);
    else
        c->out[0] = max ? reel_argmax_axes(x, axes, keepdims) : reel_argmin_axes(x, axes, keepdims);
    return reel_status();
}

static int arg_max(onnx_call *c)
{
    return arg(c, true);
}

static int arg_min(onnx_call *c)
{
    return arg(c, false);
}

static int cum_sum(onnx_call *c)
{
    c->out[0] = reel_cumsum(
        c->in[0], (int)host_number(c->in[1]),
        REEL_OPTS(scan, .exclusive = attr_int(c, "exclusive", 0) != 0, .reverse = attr_int(c, "reverse", 0) != 0));
    return reel_status();
}

static int cum_prod(onnx_call *c)
{
    c->out[0] = reel_cumprod(
        c->in[0], (int)host_number(c->in[1]),
        REEL_OPTS(scan, .exclusive = attr_int(c, "exclusive", 0) != 0, .reverse = attr_int(c, "reverse", 0) != 0));
    return reel_status();
}

static int top_k(onnx_call *c)
{
    const int64_t k = c->n_in > 1 && c->in[1] ? (int64_t)host_number(c->in[1]) : attr_int(c, "k", 0);
    return reel_topk(
        c->in[0], k, (int)attr_int(c, "axis", -1),
        REEL_OPTS(topk, .smallest = attr_int(c, "largest", 1) == 0, .unsorted = attr_int(c, "sorted", 1) == 0), c->out);
}

const onnx_map onnx_reduce[] = {{"ReduceSum", reduce_sum},
                                {"ReduceMean", reduce_mean},
                                {"ReduceProd", reduce_prod},
                                {"ReduceMax", reduce_max},
                                {"ReduceMin", reduce_min},
                                {"ReduceL1", reduce_l1},
                                {"ReduceL2", reduce_l2},
                                {"ReduceSumSquare", reduce_sum_square},
                                {"ReduceLogSum", reduce_log_sum},
                                {"ReduceLogSumExp", reduce_log_sum_exp},
                                {"ArgMax", arg_max},
                                {"ArgMin", arg_min},
                                {"CumSum", cum_sum},
                                {"CumProd", cum_prod},
                                {"TopK", top_k},
                                {0}};
