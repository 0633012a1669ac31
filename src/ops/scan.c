/* scan.c: cumulative sums, products, extrema and log-sum-exps along an axis. */
#include "internal.h"

#include <math.h>

#include "core/error.h"
#include "core/options.h"

/* ---- shape rules ------------------------------------------------------------------------------------- */
int reel_infer_scan_(const reel_infer *io)
{
    const reel_attr_scan *a = io->attr;
    int axis;
    io->out[0] = *io->in[0];
    return reel_axis_(a->axis, io->in[0]->shape.rank, &axis);
}

int reel_infer_linear_scan_(const reel_infer *io)
{
    const int code = reel_infer_scan_(io);
    if (code || reel_merge_shape_(&io->in[0]->shape, &io->in[1]->shape, &io->out[0].shape)) return code;
    char b[REEL_SHAPE_TEXT], a[REEL_SHAPE_TEXT];
    return reel_fail(REEL_ESHAPE, "b is %s, a is %s", reel_shape_text_(&io->in[0]->shape, b),
                     reel_shape_text_(&io->in[1]->shape, a));
}

/* ---- public functions -------------------------------------------------------------------------------- */
reel_tensor *reel_scan_(int id, const char *site, reel_tensor *x, int axis, bool exclusive, bool reverse)
{
    const reel_attr_scan a = {axis, exclusive, reverse};
    return reel_op1_(id, &a, site, x);
}

static reel_tensor *scan(int id, const char *site, reel_tensor *x, int axis, const reel_scan_opts *o)
{
    reel_scan_opts how = {0};
    reel_options_(&how, sizeof how, o);
    return reel_scan_(id, site, x, axis, how.exclusive, how.reverse);
}

#define SCAN(name)                                                                                     \
    reel_tensor *reel_##name##_at(const char *site, reel_tensor *x, int axis, const reel_scan_opts *o) \
    {                                                                                                  \
        return scan(REEL_OP_##name, site, x, axis, o);                                                 \
    }
SCAN(cumsum)
SCAN(cumprod)
SCAN(cummax)
SCAN(cummin)
SCAN(logcumsumexp)

reel_tensor *reel_linear_scan_at_(const char *site, reel_tensor *b, reel_tensor *a, const reel_attr_scan *how)
{
    return reel_op2_(REEL_OP_linear_scan, how, site, b, a);
}

/* ---- gradients --------------------------------------------------------------------------------------- */
/* t one step later along the axis (reverse: earlier), 0 where nothing comes. */
static reel_tensor *shifted(const char *site, reel_tensor *t, int axis, bool reverse)
{
    const reel_range rest = reverse ? (reel_range){1, REEL_END, 1} : (reel_range){REEL_END, -1, 1};
    const reel_range edge = {0, 1, 1};
    reel_range r[REEL_MAX_RANK];
    if (!t) return NULL;
    const int rank = reel_type_of_(t)->shape.rank, k = axis < 0 ? axis + rank : axis;
    for (int i = 0; i < rank; i++) r[i] = (reel_range)REEL_ALL;
    r[k] = rest;
    reel_tensor *most = reel_slice_at(site, t, rank, r);
    r[k] = edge;
    reel_tensor *zero = reel_zeros_like_at(site, reel_slice_at(site, t, rank, r));
    reel_tensor *const parts[2] = {reverse ? most : zero, reverse ? zero : most};
    return reel_concat_at(site, (reel_list){2, parts}, axis);
}

/* b[i] + a[i +- 1] s[i +- 1], from the other end than the scan: what a scan's gradient is. at_target: a[i]. */
static reel_tensor *backwards(const reel_vjp_args *v, reel_tensor *b, reel_tensor *a, bool at_target)
{
    const reel_attr_scan *scan = v->attr;
    const reel_attr_scan how = {scan->axis, !at_target, !scan->reverse};
    return reel_linear_scan_at_(v->site, b, a, &how);
}

/* The gradient of the inclusive scan whose exclusive form has g. */
static reel_tensor *inclusive_grad(const reel_vjp_args *v)
{
    const reel_attr_scan *a = v->attr;
    return a->exclusive ? shifted(v->site, v->dout[0], a->axis, !a->reverse) : v->dout[0];
}

int reel_vjp_cumsum_(const reel_vjp_args *v)
{
    const reel_attr_scan *a = v->attr;
    v->din[0] = reel_scan_(REEL_OP_cumsum, v->site, v->dout[0], a->axis, a->exclusive, !a->reverse);
    return reel_status();
}

/* The product before i times the sum over k of g[k] and what lies between: no division, so zeros do no harm. */
int reel_vjp_cumprod_(const reel_vjp_args *v)
{
    const reel_attr_scan *a = v->attr;
    reel_tensor *before = reel_scan_(REEL_OP_cumprod, v->site, v->in[0], a->axis, true, a->reverse);
    reel_tensor *after = backwards(v, inclusive_grad(v), v->in[0], false);
    v->din[0] = reel_mul_at(v->site, before, after);
    return reel_status();
}

/* An element that is the extremum so far takes the gradients from its place on, up to the next that is. */
static int cumulative_extremum(const reel_vjp_args *v, int id)
{
    const char *site = v->site;
    const reel_attr_scan *a = v->attr;
    reel_tensor *so_far = reel_scan_(id, site, v->in[0], a->axis, false, a->reverse);
    reel_tensor *record = reel_equal_at(site, v->in[0], so_far);
    reel_tensor *zero = reel_num_at(site, 0);
    reel_tensor *on = reel_where_at(site, record, zero, reel_ones_like_at(site, v->in[0]));
    v->din[0] = reel_where_at(site, record, backwards(v, inclusive_grad(v), on, false), zero);
    return reel_status();
}

int reel_vjp_cummax_(const reel_vjp_args *v)
{
    return cumulative_extremum(v, REEL_OP_cummax);
}

int reel_vjp_cummin_(const reel_vjp_args *v)
{
    return cumulative_extremum(v, REEL_OP_cummin);
}

/* With y the inclusive scan: e^(x[i] - y[i]) t[i], t[i] = g[i] + e^(y[i] - y[i + 1]) t[i + 1]; no exponent is above 0. */
int reel_vjp_logcumsumexp_(const reel_vjp_args *v)
{
    const char *site = v->site;
    const reel_attr_scan *a = v->attr;
    reel_tensor *y = reel_scan_(REEL_OP_logcumsumexp, site, v->in[0], a->axis, false, a->reverse);
    reel_tensor *nothing = reel_equal_at(site, y, reel_num_at(site, -INFINITY)); /* then x is -inf too */
    y = reel_where_at(site, nothing, reel_num_at(site, 0), y);
    reel_tensor *next = shifted(site, y, a->axis, !a->reverse);
    reel_tensor *zero = reel_num_at(site, 0), *down = reel_sub_at(site, y, next);
    reel_tensor *step = reel_exp_at(site, reel_where_at(site, reel_greater_at(site, down, zero), zero, down));
    reel_tensor *t = backwards(v, inclusive_grad(v), step, true);
    v->din[0] = reel_mul_at(site, reel_exp_at(site, reel_sub_at(site, v->in[0], y)), t);
    return reel_status();
}

/* db is the scan's transpose, a linear scan the other way; da[i] = db[i] s[i - 1], or db[i + 1] s[i]. */
int reel_vjp_linear_scan_(const reel_vjp_args *v)
{
    const reel_attr_scan *a = v->attr;
    reel_tensor *db = backwards(v, v->dout[0], v->in[1], a->exclusive);
    if (v->need[0]) v->din[0] = db;
    if (v->need[1]) {
        reel_tensor *s = a->exclusive ? v->out[0] : shifted(v->site, v->out[0], a->axis, a->reverse);
        reel_tensor *d = a->exclusive ? shifted(v->site, db, a->axis, !a->reverse) : db;
        v->din[1] = reel_mul_at(v->site, d, s);
    }
    return reel_status();
}
