/* pooling.c: maxima and means of windows. The mean is linear: its gradient spreads, and the spreading's gradient is the mean.
   The maximum picks elements by index: beyond the first gradient it is gather and scatter by those indices. */
#include "internal.h"

#include "core/context.h"
#include "core/error.h"
#include "core/options.h"
#include "reel/conv.h"
#include <math.h>

/* ---- shape rules ------------------------------------------------------------------------------------- */
static int pool_shape(const reel_attr_pool *a, const reel_shape *x, reel_shape *y)
{
    const reel_window_rule *r = &a->window;
    int code = reel_window_check_(r);
    if (code) return code;
    if (x->rank != r->spatial + 2)
        return reel_fail(REEL_ESHAPE, "x has rank %d, %d spatial ax%s need %d", x->rank, r->spatial,
                         r->spatial == 1 ? "is" : "es", r->spatial + 2);
    if (a->divisor < 0) return reel_fail(REEL_EARG, "divisor is %lld, it is at least 1", (long long)a->divisor);
    *y = *x;
    for (int i = 0; i < r->spatial; i++) {
        const int axis = reel_spatial_axis_(r, i);
        reel_window w;
        if (x->dims[axis] == 0) return reel_fail(REEL_ESHAPE, "x is empty along spatial axis %d", i);
        code = reel_window_axis_(r, i, x->dims[axis], r->kernel[i], &w);
        if (code) return code;
        y->dims[axis] = w.out;
    }
    return reel_shape_check_(*y, true);
}

int reel_infer_pool_(const reel_infer *io)
{
    io->out[0].dtype = io->in[0]->dtype;
    return pool_shape(io->attr, &io->in[0]->shape, &io->out[0].shape);
}

int reel_infer_pool_indices_(const reel_infer *io)
{
    io->out[0].dtype = REEL_I64;
    return pool_shape(io->attr, &io->in[0]->shape, &io->out[0].shape);
}

static int fail_shapes(const char *what, const reel_shape *have, const reel_shape *want)
{
    char a[REEL_SHAPE_TEXT], b[REEL_SHAPE_TEXT];
    return reel_fail(REEL_ESHAPE, "%s has shape %s, expected %s", what, reel_shape_text_(have, a),
                     reel_shape_text_(want, b));
}

int reel_infer_pool_grad_(const reel_infer *io) /* x, g */
{
    reel_shape y, both;
    const int code = pool_shape(io->attr, &io->in[0]->shape, &y);
    if (code) return code;
    io->out[0] = (reel_type){.dtype = io->in[1]->dtype, .shape = io->in[0]->shape};
    return reel_merge_shape_(&y, &io->in[1]->shape, &both) ? 0 : fail_shapes("g", &io->in[1]->shape, &y);
}

static int check_indices(const reel_infer *io, int i)
{
    const reel_dtype d = io->in[i]->dtype;
    return d == REEL_I64 ? 0 : reel_fail(REEL_EDTYPE, "indices is %s, allowed: i64", reel_dtype_name(d));
}

/* N and C of the images agree; the rest is *spatial's business. */
static int same_planes(const reel_window_rule *r, const reel_shape *a, const reel_shape *b, reel_shape *out)
{
    const int channels = reel_channel_axis_(r);
    if (r->spatial < 1 || r->spatial > REEL_SPATIAL || a->rank != r->spatial + 2 || b->rank != a->rank ||
        !reel_merge_dim_(a->dims[0], b->dims[0], &out->dims[0]) ||
        !reel_merge_dim_(a->dims[channels], b->dims[channels], &out->dims[channels]))
        return fail_shapes("indices", b, a);
    return 0;
}

int reel_infer_pool_gather_(const reel_infer *io) /* v, indices */
{
    const reel_attr_pool *a = io->attr;
    const int code = check_indices(io, 1);
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype, .shape = io->in[1]->shape};
    return code ? code : same_planes(&a->window, &io->in[0]->shape, &io->in[1]->shape, &io->out[0].shape);
}

int reel_infer_pool_scatter_(const reel_infer *io) /* like, indices, g */
{
    const reel_attr_pool *a = io->attr;
    reel_shape both;
    int code = check_indices(io, 1);
    if (!code && !reel_merge_shape_(&io->in[1]->shape, &io->in[2]->shape, &both))
        code = fail_shapes("g", &io->in[2]->shape, &io->in[1]->shape);
    io->out[0] = (reel_type){.dtype = io->in[2]->dtype, .shape = io->in[0]->shape};
    return code ? code : same_planes(&a->window, &io->in[0]->shape, &io->in[1]->shape, &io->out[0].shape);
}

int reel_infer_max_unpool_(const reel_infer *io) /* x, indices; window.kernel: the sizes of the result */
{
    const reel_attr_pool *a = io->attr;
    const reel_window_rule *r = &a->window;
    reel_shape y;
    const int code = check_indices(io, 1);
    if (code) return code;
    if (io->in[0]->shape.rank != r->spatial + 2)
        return reel_fail(REEL_ESHAPE, "x has rank %d, %d spatial sizes need %d", io->in[0]->shape.rank, r->spatial,
                         r->spatial + 2);
    if (!reel_merge_shape_(&io->in[0]->shape, &io->in[1]->shape, &y))
        return fail_shapes("indices", &io->in[1]->shape, &io->in[0]->shape);
    for (int i = 0; i < r->spatial; i++) y.dims[reel_spatial_axis_(r, i)] = r->kernel[i];
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype, .shape = y};
    return reel_shape_check_(y, true);
}

/* ---- public functions -------------------------------------------------------------------------------- */
static int check_sizes(const char *site, const char *fn, const char *what, const reel_shape *s, int n)
{
    if (s->rank < 1 || s->rank > REEL_SPATIAL || (n && s->rank != n))
        return reel_fail_at_(site, REEL_ESHAPE,
                             n ? "%s: %s has %d axes, expected %d" : "%s: %s has %d axes, allowed: 1 to 3", fn, what,
                             s->rank, n);
    for (int i = 0; i < s->rank; i++)
        if (s->dims[i] < 1)
            return reel_fail_at_(site, REEL_ESHAPE, "%s: %s[%d] is %lld, it is at least 1", fn, what, i,
                                 (long long)s->dims[i]);
    return 0;
}

/* Attributes of a pooling over `kernel`; n: the number of spatial axes it must have, 0: any. */
static int pool_attr(const char *site, const char *fn, reel_shape kernel, const reel_pool_opts *given, int n,
                     reel_attr_pool *a)
{
    reel_pool_opts o = {0};
    reel_options_(&o, sizeof o, given);
    memset(a, 0, sizeof *a);
    int code = check_sizes(site, fn, "kernel", &kernel, n);
    const reel_window_words words = {o.stride,    o.dilation, o.pad,          o.pad_before,
                                     o.pad_after, NULL,       (int)o.padding, o.channels_last};
    if (!code) code = reel_fill_window_(site, fn, &a->window, kernel.rank, &words);
    if (code) return code;
    const bool kernel_steps = !o.stride[0] && !o.stride[1] && !o.stride[2];
    for (int i = 0; i < kernel.rank; i++) {
        a->window.kernel[i] = kernel.dims[i];
        if (kernel_steps) a->window.stride[i] = kernel.dims[i];
    }
    a->window.ceil = o.ceil_mode;
    a->divisor = o.divisor;
    a->include_pad = !o.exclude_pad;
    a->column_major = o.column_major;
    return 0;
}

static reel_tensor *pool(const char *site, const char *fn, int id, reel_tensor *x, reel_shape kernel,
                         const reel_pool_opts *o, int n)
{
    reel_attr_pool a;
    if (pool_attr(site, fn, kernel, o, n, &a)) return NULL;
    if (id != REEL_OP_avg_pool) a.divisor = a.include_pad = 0;
    if (id != REEL_OP_max_pool_indices) a.column_major = 0;
    return reel_op1_(id, &a, site, x);
}

#define POOL(name, id, n)                                                                                       \
    reel_tensor *reel_##name##_at(const char *site, reel_tensor *x, reel_shape kernel, const reel_pool_opts *o) \
    {                                                                                                           \
        return pool(site, "reel_" #name, REEL_OP_##id, x, kernel, o, n);                                        \
    }
POOL(max_pool, max_pool, 0)
POOL(max_pool1d, max_pool, 1)
POOL(max_pool2d, max_pool, 2)
POOL(max_pool3d, max_pool, 3)
POOL(max_pool_indices, max_pool_indices, 0)
POOL(avg_pool, avg_pool, 0)
POOL(avg_pool1d, avg_pool, 1)
POOL(avg_pool2d, avg_pool, 2)
POOL(avg_pool3d, avg_pool, 3)

static reel_tensor *adaptive(const char *site, const char *fn, int id, reel_tensor *x, reel_shape out,
                             bool channels_last)
{
    reel_attr_pool a;
    memset(&a, 0, sizeof a);
    if (check_sizes(site, fn, "out", &out, 0)) return NULL;
    a.window.spatial = out.rank;
    a.window.channels_last = channels_last;
    a.window.adaptive = 1;
    for (int i = 0; i < out.rank; i++) {
        a.window.kernel[i] = out.dims[i];
        a.window.stride[i] = a.window.dilation[i] = 1;
    }
    return reel_op1_(id, &a, site, x);
}

reel_tensor *reel_adaptive_max_pool_at(const char *site, reel_tensor *x, reel_shape out, bool channels_last)
{
    return adaptive(site, "reel_adaptive_max_pool", REEL_OP_max_pool, x, out, channels_last);
}

reel_tensor *reel_adaptive_avg_pool_at(const char *site, reel_tensor *x, reel_shape out, bool channels_last)
{
    return adaptive(site, "reel_adaptive_avg_pool", REEL_OP_avg_pool, x, out, channels_last);
}

/* The number of spatial axes of x; 0: raised. */
static int spatial_of(const char *site, const char *fn, const reel_tensor *x)
{
    const reel_rec *r = reel_live_(site, fn, "x", x);
    if (!r) return 0;
    const int rank = r->type.shape.rank;
    if (rank >= 3 && rank <= 2 + REEL_SPATIAL) return rank - 2;
    reel_fail_at_(site, REEL_ESHAPE, "%s: x has rank %d, allowed: 3 to 5", fn, rank);
    return 0;
}

static reel_axes spatial_axes(int n, bool channels_last)
{
    reel_axes axes = {.n = n};
    for (int i = 0; i < n; i++) axes.axis[i] = i + (channels_last ? 1 : 2);
    return axes;
}

reel_tensor *reel_global_max_pool_at(const char *site, reel_tensor *x, bool channels_last)
{
    reel_attr_pool a;
    memset(&a, 0, sizeof a);
    a.window.spatial = spatial_of(site, "reel_global_max_pool", x);
    if (!a.window.spatial) return NULL;
    a.window.channels_last = channels_last;
    a.window.global = 1;
    for (int i = 0; i < a.window.spatial; i++) a.window.stride[i] = a.window.dilation[i] = 1;
    return reel_op1_(REEL_OP_max_pool, &a, site, x);
}

reel_tensor *reel_global_avg_pool_at(const char *site, reel_tensor *x, bool channels_last)
{
    const int n = spatial_of(site, "reel_global_avg_pool", x);
    return n ? reel_mean_axes_at(site, x, spatial_axes(n, channels_last), true) : NULL;
}

static int check_power(const char *site, const char *fn, double p)
{
    return p > 0 && p < HUGE_VAL ? 0 : reel_fail_at_(site, REEL_EARG, "%s: p is %g, it is positive and finite", fn, p);
}

static reel_tensor *to_power(const char *site, reel_tensor *x, double p)
{
    if (p == 2) return reel_square_at(site, x);
    reel_tensor *size = reel_abs_at(site, x);
    return p == 1 ? size : reel_pow_at(site, size, reel_num_at(site, p));
}

/* s^(1/p), with derivative 0 at 0 */
static reel_tensor *root(const char *site, reel_tensor *s, double p)
{
    if (p == 1) return s;
    reel_tensor *none = reel_equal_at(site, s, reel_num_at(site, 0));
    reel_tensor *safe = reel_where_at(site, none, reel_num_at(site, 1), s);
    reel_tensor *y = p == 2 ? reel_sqrt_at(site, safe) : reel_pow_at(site, safe, reel_num_at(site, 1 / p));
    return reel_where_at(site, none, reel_num_at(site, 0), y);
}

reel_tensor *reel_lp_pool_at(const char *site, reel_tensor *x, double p, reel_shape kernel, const reel_pool_opts *o)
{
    reel_attr_pool a;
    if (check_power(site, "reel_lp_pool", p) || pool_attr(site, "reel_lp_pool", kernel, o, 0, &a)) return NULL;
    a.divisor = 1;
    a.column_major = 0;
    a.include_pad = 0;
    reel_tensor *powers = to_power(site, x, p);
    return powers ? root(site, reel_op1_(REEL_OP_avg_pool, &a, site, powers), p) : NULL;
}

reel_tensor *reel_global_lp_pool_at(const char *site, reel_tensor *x, double p, bool channels_last)
{
    if (check_power(site, "reel_global_lp_pool", p)) return NULL;
    const int n = spatial_of(site, "reel_global_lp_pool", x);
    if (!n) return NULL;
    return root(site, reel_sum_axes_at(site, to_power(site, x, p), spatial_axes(n, channels_last), true), p);
}

reel_tensor *reel_max_unpool_at(const char *site, reel_tensor *x, reel_tensor *indices, reel_shape spatial,
                                bool channels_last)
{
    reel_attr_pool a;
    memset(&a, 0, sizeof a);
    if (check_sizes(site, "reel_max_unpool", "spatial", &spatial, 0)) return NULL;
    a.window.spatial = spatial.rank;
    a.window.channels_last = channels_last;
    for (int i = 0; i < spatial.rank; i++) a.window.kernel[i] = spatial.dims[i];
    return reel_op2_(REEL_OP_max_unpool, &a, site, x, indices);
}

reel_tensor *reel_max_pool_grad_at_(const char *site, reel_tensor *x, reel_tensor *g, const reel_attr_pool *a)
{
    return reel_op2_(REEL_OP_max_pool_grad, a, site, x, g);
}

reel_tensor *reel_avg_pool_grad_at_(const char *site, reel_tensor *like, reel_tensor *g, const reel_attr_pool *a)
{
    return reel_op2_(REEL_OP_avg_pool_grad, a, site, like, g);
}

reel_tensor *reel_pool_gather_at_(const char *site, reel_tensor *v, reel_tensor *indices, const reel_attr_pool *a)
{
    return reel_op2_(REEL_OP_pool_gather, a, site, v, indices);
}

reel_tensor *reel_pool_scatter_at_(const char *site, reel_tensor *like, reel_tensor *indices, reel_tensor *g,
                                   const reel_attr_pool *a)
{
    reel_tensor *const in[3] = {like, indices, g};
    reel_tensor *out = NULL;
    reel_door_(&reel_rows_[REEL_OP_pool_scatter], a, in, 3, &out, 1, site);
    return out;
}

/* ---- gradients --------------------------------------------------------------------------------------- */
int reel_vjp_max_pool_(const reel_vjp_args *v)
{
    v->din[0] = reel_max_pool_grad_at_(v->site, v->in[0], v->dout[0], v->attr);
    return reel_status();
}

int reel_vjp_max_pool_grad_(const reel_vjp_args *v) /* x, g: which elements are maxima does not vary with x */
{
    if (!v->need[1]) return 0;
    reel_tensor *indices = reel_op1_(REEL_OP_max_pool_indices, v->attr, v->site, v->in[0]);
    v->din[1] = reel_pool_gather_at_(v->site, v->dout[0], indices, v->attr);
    return reel_status();
}

int reel_vjp_pool_gather_(const reel_vjp_args *v)
{
    if (v->need[0]) v->din[0] = reel_pool_scatter_at_(v->site, v->in[0], v->in[1], v->dout[0], v->attr);
    return reel_status();
}

int reel_vjp_pool_scatter_(const reel_vjp_args *v)
{
    if (v->need[2]) v->din[2] = reel_pool_gather_at_(v->site, v->dout[0], v->in[1], v->attr);
    return reel_status();
}

int reel_vjp_max_unpool_(const reel_vjp_args *v)
{
    if (v->need[0]) v->din[0] = reel_pool_gather_at_(v->site, v->dout[0], v->in[1], v->attr);
    return reel_status();
}

int reel_vjp_avg_pool_(const reel_vjp_args *v)
{
    v->din[0] = reel_avg_pool_grad_at_(v->site, v->in[0], v->dout[0], v->attr);
    return reel_status();
}

int reel_vjp_avg_pool_grad_(const reel_vjp_args *v) /* like, g */
{
    if (v->need[1]) v->din[1] = reel_op1_(REEL_OP_avg_pool, v->attr, v->site, v->dout[0]);
    return reel_status();
}
