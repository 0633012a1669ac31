/* norm.c: normalisation: one row, normalize, does the work of them all; the public functions say along which axes. */
#include "internal.h"

#include <math.h>

#include "core/error.h"
#include "core/options.h"
#include "reel/var.h"

/* ---- normalize(x[, scale[, bias]]) -> y, mean, var: (x - mean) / sqrt(var + eps) scale + bias ---------------------- */
/* rms: x / sqrt(var + eps), where var is the mean of the squares and mean is 0. Mean and variance keep the reduced axes as 1
   and are f32 for 16-bit x. */
static reel_dtype stat_dtype(reel_dtype d)
{
    return d == REEL_F64 ? REEL_F64 : REEL_F32;
}

static bool fits(const reel_shape *s, const reel_shape *x)
{
    const int lead = x->rank - s->rank;
    if (lead < 0) return false;
    for (int i = 0; i < s->rank; i++) {
        const int64_t a = s->dims[i], b = x->dims[lead + i];
        if (a != b && a != 1 && a != REEL_ANY && b != REEL_ANY) return false;
    }
    return true;
}

static int fail_fits(const char *what, const reel_shape *s, const reel_shape *x)
{
    char a[REEL_SHAPE_TEXT], b[REEL_SHAPE_TEXT];
    return reel_fail(REEL_ESHAPE, "%s of shape %s does not broadcast to x of shape %s", what, reel_shape_text_(s, a),
                     reel_shape_text_(x, b));
}

int reel_infer_normalize_(const reel_infer *io)
{
    static const char *const names[] = {"x", "scale", "bias"};
    const reel_attr_normalize *a = io->attr;
    const reel_type *x = io->in[0];
    unsigned mask;
    const int code = reel_axes_mask_(&a->axes, x->shape.rank, &mask);
    if (code) return code;
    if (!(a->eps >= 0) || isinf(a->eps))
        return reel_fail(REEL_EARG, "eps is %g, it must be finite and at least 0", a->eps);
    if (io->n_in > 3) return reel_fail(REEL_EARG, "%d inputs given, it takes 1 to 3", io->n_in);
    for (int i = 1; i < io->n_in; i++)
        if (!fits(&io->in[i]->shape, &x->shape)) return fail_fits(names[i], &io->in[i]->shape, &x->shape);
    io->out[0] = *x;
    io->out[1] = (reel_type){.dtype = stat_dtype(x->dtype), .shape = x->shape};
    for (int k = 0; k < x->shape.rank; k++)
        if ((mask >> k) & 1u) io->out[1].shape.dims[k] = 1;
    io->out[2] = io->out[1];
    return 0;
}

/* g, x, mean, var[, scale] -> dx[, dscale, dbias]; dbias has the shape of scale. */
int reel_infer_normalize_grad_(const reel_infer *io)
{
    const reel_type *g = io->in[0], *x = io->in[1];
    if (io->n_in < 4 || io->n_in > 5) return reel_fail(REEL_EARG, "%d inputs given, it takes 4 or 5", io->n_in);
    io->out[0] = *x;
    if (!reel_merge_shape_(&x->shape, &g->shape, &io->out[0].shape))
        return reel_fail(REEL_ESHAPE, "g does not have the shape of x");
    for (int i = 2; i < 4; i++)
        if (io->in[i]->dtype != stat_dtype(x->dtype) || io->in[i]->shape.rank != x->shape.rank)
            return reel_fail(REEL_ESHAPE, "%s does not belong to x", i == 2 ? "mean" : "var");
    if (io->n_out != (io->n_in == 5 ? 3 : 1)) return reel_fail(REEL_EARG, "%d outputs asked for", io->n_out);
    if (io->n_in == 4) return 0;
    if (!fits(&io->in[4]->shape, &x->shape)) return fail_fits("scale", &io->in[4]->shape, &x->shape);
    io->out[1] = io->out[2] = *io->in[4];
    return 0;
}

/* NULL inputs from the end on are left out. */
static int norm(const char *site, const reel_attr_normalize *a, reel_tensor *x, reel_tensor *scale, reel_tensor *bias,
                reel_tensor *out[3])
{
    reel_tensor *const in[3] = {x, scale, bias};
    return reel_door_(&reel_rows_[REEL_OP_normalize], a, in, bias ? 3 : scale ? 2 : 1, out, 3, site);
}

int reel_normalize_at_(const char *site, reel_tensor *x, reel_tensor *scale, reel_tensor *bias,
                       const reel_attr_normalize *a, reel_tensor *out[3])
{
    return norm(site, a, x, scale, bias, out);
}

int reel_normalize_grad_at_(const char *site, reel_tensor *const in[], int n_in, const reel_attr_normalize *a,
                            reel_tensor *out[])
{
    return reel_door_(&reel_rows_[REEL_OP_normalize_grad], a, in, n_in, out, n_in > 4 ? 3 : 1, site);
}

/* ---- gradients --------------------------------------------------------------------------------------------- */
static reel_tensor *to_dtype(const char *site, reel_tensor *x, reel_dtype d)
{
    return reel_type_of_(x)->dtype == d ? x : reel_cast_at(site, x, d);
}

static reel_tensor *plus(const char *site, reel_tensor *sum, reel_tensor *x)
{
    return sum ? reel_add_at(site, sum, x) : x;
}

/* A mean over the reduced axes, kept as 1. */
static reel_tensor *mean_of(const reel_vjp_args *v, reel_tensor *x)
{
    const reel_attr_normalize *a = v->attr;
    return reel_mean_axes_at(v->site, x, a->axes, true);
}

int reel_vjp_normalize_(const reel_vjp_args *v)
{
    const char *site = v->site;
    const reel_attr_normalize *a = v->attr;
    reel_tensor *x = v->in[0], *mean = v->out[1], *var = v->out[2], *d[3] = {NULL, NULL, NULL};
    if (v->dout[0]) {
        reel_tensor *const in[5] = {v->dout[0], x, mean, var, v->n_in > 1 ? v->in[1] : NULL};
        if (reel_normalize_grad_at_(site, in, v->n_in > 1 ? 5 : 4, a, d)) return reel_status();
        v->din[0] = d[0];
        if (v->n_in > 1) v->din[1] = d[1];
        if (v->n_in > 2) { /* what the kernel summed to scale's shape, unless bias is larger */
            const bool within = fits(&reel_type_of_(v->in[2])->shape, &reel_type_of_(v->in[1])->shape);
            v->din[2] = reel_to_shape_(site, within ? d[2] : v->dout[0], v->in[2]);
        }
    }
    if (!v->need[0] || (!v->dout[1] && !v->dout[2])) return reel_status();
    /* d mean = 1 / n, d var = 2 (x - mean) / n; rms: 2 x / n */
    const reel_dtype s = reel_type_of_(mean)->dtype, t = reel_type_of_(x)->dtype;
    reel_tensor *wide = to_dtype(site, x, s), *more = NULL;
    const reel_attr_reduce all = {.axes = a->axes};
    reel_tensor *n = reel_count_like_at_(site, wide, &all);
    if (v->dout[1] && !a->rms) more = reel_div_at(site, v->dout[1], n);
    if (v->dout[2]) {
        reel_tensor *two = reel_mul_at(site, reel_num_at(site, 2), a->rms ? wide : reel_sub_at(site, wide, mean));
        more = plus(site, more, reel_mul_at(site, two, reel_div_at(site, v->dout[2], n)));
    }
    if (more) v->din[0] = plus(site, v->din[0], to_dtype(site, reel_broadcast_like_at(site, more, x), t));
    return reel_status();
}

/* With r = 1 / sqrt(var + eps), xhat = (x - mean) r, w = g scale and means over the reduced axes
       dx = r (w - mean(w) - xhat mean(w xhat)),  dscale = sum g xhat,  dbias = sum g,
   h, k, l the gradients of the three and J(h) = r (h - mean(h) - xhat mean(h xhat)), which is symmetric:
       dg = J(h) scale + k xhat + l,  d scale = sum J(h) g,
       dxhat = k g - r (h mean(w xhat) + w mean(h xhat)),  d r = sum h dx / r, and on through xhat to x, mean and r. */
int reel_vjp_normalize_grad_(const reel_vjp_args *v)
{
    const char *site = v->site;
    const reel_attr_normalize *a = v->attr;
    const bool rms = a->rms != 0, scaled = v->n_in > 4;
    const reel_dtype t = reel_type_of_(v->in[1])->dtype, s = reel_type_of_(v->in[2])->dtype;
    reel_tensor *g = to_dtype(site, v->in[0], s), *x = to_dtype(site, v->in[1], s), *mean = v->in[2], *var = v->in[3];
    reel_tensor *scale = scaled ? to_dtype(site, v->in[4], s) : NULL;
    reel_tensor *r = reel_rsqrt_at(site, reel_add_at(site, var, reel_num_at(site, a->eps)));
    reel_tensor *c = rms ? x : reel_sub_at(site, x, mean), *hat = reel_mul_at(site, c, r);
    reel_tensor *w = scaled ? reel_mul_at(site, g, scale) : g;
    reel_tensor *dg = NULL, *dscale = NULL, *dhat = NULL, *dr = NULL;
    if (v->dout[0]) {
        reel_tensor *const in[4] = {v->dout[0], v->in[1], mean, var};
        reel_tensor *j = NULL, *h = to_dtype(site, v->dout[0], s);
        if (reel_normalize_grad_at_(site, in, 4, a, &j)) return reel_status();
        j = to_dtype(site, j, s);
        dg = scaled ? reel_mul_at(site, j, scale) : j;
        if (scaled) dscale = reel_sum_like_at(site, reel_mul_at(site, j, g), scale);
        reel_tensor *hr = reel_mul_at(site, h, r), *q = mean_of(v, reel_mul_at(site, hr, hat));
        reel_tensor *b = mean_of(v, reel_mul_at(site, w, hat));
        dhat = reel_neg_at(site, reel_add_at(site, reel_mul_at(site, hr, b), reel_mul_at(site, w, q)));
        reel_tensor *rest = rms ? w : reel_sub_at(site, w, mean_of(v, w));
        rest = reel_sub_at(site, rest, reel_mul_at(site, hat, b));
        dr = reel_sum_axes_at(site, reel_mul_at(site, h, rest), a->axes, true);
    }
    if (scaled && v->dout[1]) {
        reel_tensor *k = to_dtype(site, v->dout[1], s);
        dg = plus(site, dg, reel_mul_at(site, k, hat));
        dhat = plus(site, dhat, reel_mul_at(site, k, g));
    }
    if (scaled && v->dout[2]) {
        reel_tensor *l = reel_broadcast_like_at(site, to_dtype(site, v->dout[2], s), v->in[1]);
        dg = plus(site, dg, l);
    }
    if (dg) v->din[0] = to_dtype(site, dg, t);
    if (scaled && dscale) v->din[4] = to_dtype(site, dscale, t);
    if (!dhat) return reel_status();
    reel_tensor *dx = reel_mul_at(site, dhat, r);
    reel_tensor *through = reel_sum_axes_at(site, reel_mul_at(site, dhat, c), a->axes, true);
    dr = plus(site, dr, through);
    v->din[1] = to_dtype(site, dx, t);
    if (v->need[2] && !rms) v->din[2] = reel_neg_at(site, reel_sum_axes_at(site, dx, a->axes, true));
    if (v->need[3]) { /* dr/dvar = -r^3 / 2 */
        reel_tensor *slope = reel_mul_at(site, reel_num_at(site, -0.5), reel_mul_at(site, r, reel_square_at(site, r)));
        v->din[3] = reel_mul_at(site, dr, slope);
    }
    return reel_status();
}

/* ---- split_axis: [.., c, ..] as [.., groups, c / groups, ..]; always a view ----------------------------------- */
int reel_infer_split_axis_(const reel_infer *io)
{
    const reel_attr_axis *a = io->attr;
    const reel_shape *x = &io->in[0]->shape;
    int axis;
    const int code = reel_axis_(a->axis, x->rank, &axis);
    if (code) return code;
    if (x->rank == REEL_MAX_RANK)
        return reel_fail(REEL_ESHAPE, "the result would have more than %d axes", REEL_MAX_RANK);
    const int64_t c = x->dims[axis], groups = a->index;
    if (groups < 1 || (c != REEL_ANY && c % groups))
        return reel_fail(REEL_ESHAPE, "%lld channels are not a multiple of %lld groups", (long long)c,
                         (long long)groups);
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype, .shape = {.rank = x->rank + 1}};
    int64_t *d = io->out[0].shape.dims;
    for (int i = 0; i < x->rank; i++) d[i + (i > axis)] = x->dims[i];
    d[axis] = groups;
    d[axis + 1] = c == REEL_ANY ? REEL_ANY : c / groups;
    return 0;
}

int reel_view_split_axis_(const reel_view_rule *v)
{
    const reel_attr_axis *a = v->attr;
    const reel_shape *x = &v->in[0]->shape;
    const int axis = a->axis < 0 ? a->axis + x->rank : a->axis;
    for (int i = 0; i < x->rank; i++) v->out_strides[0][i + (i > axis)] = v->strides[i];
    v->out_strides[0][axis + 1] = v->strides[axis];
    v->out_strides[0][axis] = v->strides[axis] * (x->dims[axis] / a->index);
    v->byte_offset[0] = 0;
    return 1;
}

reel_tensor *reel_split_axis_at_(const char *site, reel_tensor *x, int axis, int groups)
{
    const reel_attr_axis a = {.axis = axis, .index = groups};
    return reel_op1_(REEL_OP_split_axis, &a, site, x);
}

int reel_vjp_split_axis_(const reel_vjp_args *v)
{
    v->din[0] = reel_reshape_like_at(v->site, v->dout[0], v->in[0]);
    return reel_status();
}

/* ---- public functions -------------------------------------------------------------------------------------- */
static double option(double value, double otherwise)
{
    return value != 0 || signbit(value) ? value + 0.0 : otherwise;
}

/* x for a function of our own name: alive, float, of rank at least. NULL: raised. */
static const reel_type *input(const char *site, const char *fn, const char *what, reel_tensor *x, int rank)
{
    const reel_rec *r = reel_live_(site, fn, what, x);
    if (!r) return NULL;
    if (!reel_is_float_(r->type.dtype)) {
        reel_fail_at_(site, REEL_EDTYPE, "%s: %s is %s, allowed: f32 f64 f16 bf16", fn, what,
                      reel_dtype_name(r->type.dtype));
        return NULL;
    }
    if (r->type.shape.rank >= rank) return &r->type;
    char text[REEL_SHAPE_TEXT];
    reel_fail_at_(site, REEL_ESHAPE, "%s: %s of shape %s has fewer than %d axes", fn, what,
                  reel_shape_text_(&r->type.shape, text), rank);
    return NULL;
}

/* NULL is allowed; otherwise alive and of the dtype of x. */
static bool parameter(const char *site, const char *fn, const char *what, reel_tensor *p, const reel_type *x)
{
    if (!p) return reel_optional_(p);
    const reel_rec *r = reel_live_(site, fn, what, p);
    if (!r) return false;
    if (r->type.dtype == x->dtype || (r->flags & REEL_R_NUM)) return true;
    reel_fail_at_(site, REEL_EDTYPE, "%s: dtypes differ: x is %s and %s %s", fn, reel_dtype_name(x->dtype), what,
                  reel_dtype_name(r->type.dtype));
    return false;
}

/* One number a channel. */
static bool channels(const char *site, const char *fn, const char *what, reel_tensor *p, int64_t c)
{
    if (!p) return true;
    const reel_shape *s = &reel_type_of_(p)->shape;
    int64_t both;
    if (s->rank == 1 && reel_merge_dim_(s->dims[0], c, &both)) return true;
    char text[REEL_SHAPE_TEXT];
    if (c == REEL_ANY)
        reel_fail_at_(site, REEL_ESHAPE, "%s: %s has shape %s, expected one number a channel", fn, what,
                      reel_shape_text_(s, text));
    else
        reel_fail_at_(site, REEL_ESHAPE, "%s: %s has shape %s, expected [%lld]: one number a channel", fn, what,
                      reel_shape_text_(s, text), (long long)c);
    return false;
}

static bool good_eps(const char *site, const char *fn, double eps)
{
    if (eps >= 0 && !isinf(eps)) return true;
    reel_fail_at_(site, REEL_EARG, "%s: eps is %g, it must be finite and at least 0", fn, eps);
    return false;
}

/* y = norm(x) scale + bias; bias may come without scale. */
static int affine(const char *site, const reel_attr_normalize *a, reel_tensor *x, reel_tensor *scale, reel_tensor *bias,
                  reel_tensor *out[3])
{
    if (norm(site, a, x, scale, scale ? bias : NULL, out)) return reel_status();
    if (bias && !scale) out[0] = reel_add_at(site, out[0], bias);
    return reel_status();
}

static int layer(const char *site, const char *fn, reel_tensor *x, reel_tensor *scale, reel_tensor *bias,
                 const reel_layer_norm_opts *given, bool rms, reel_tensor *out[3])
{
    reel_layer_norm_opts o = {0};
    reel_attr_normalize a;
    memset(&a, 0, sizeof a);
    memset(out, 0, 3 * sizeof *out);
    reel_options_(&o, sizeof o, given);
    const reel_type *t = input(site, fn, "x", x, 0);
    if (!t || !parameter(site, fn, "scale", scale, t) || !parameter(site, fn, "bias", bias, t)) return reel_status();
    a.eps = option(o.eps, 1e-5);
    a.rms = rms;
    if (!good_eps(site, fn, a.eps)) return reel_status();
    const int rank = o.rank ? o.rank : 1;
    if (o.axes.n) {
        reel_put_axes_(&a.axes, &o.axes);
    } else if (rank < 1 || rank > t->shape.rank) {
        char text[REEL_SHAPE_TEXT];
        return reel_fail_at_(site, REEL_EARG, "%s: %d trailing axes cannot be normalised in x of shape %s", fn, rank,
                             reel_shape_text_(&t->shape, text));
    } else {
        a.axes.n = rank;
        for (int i = 0; i < rank; i++) a.axes.axis[i] = i - rank;
    }
    return affine(site, &a, x, scale, bias, out);
}

reel_tensor *reel_layer_norm_at(const char *site, reel_tensor *x, reel_tensor *scale, reel_tensor *bias,
                                const reel_layer_norm_opts *o)
{
    reel_tensor *out[3];
    return layer(site, "reel_layer_norm", x, scale, bias, o, false, out) ? NULL : out[0];
}

reel_tensor *reel_rms_norm_at(const char *site, reel_tensor *x, reel_tensor *scale, const reel_layer_norm_opts *o)
{
    reel_tensor *out[3];
    return layer(site, "reel_rms_norm", x, scale, NULL, o, true, out) ? NULL : out[0];
}

int reel_layer_norm_stats_at(const char *site, reel_tensor *x, reel_tensor *scale, reel_tensor *bias,
                             const reel_layer_norm_opts *given, reel_tensor *out[3])
{
    static const char fn[] = "reel_layer_norm_stats";
    reel_layer_norm_opts o = {0};
    if (!out) return reel_fail_at_(site, REEL_EARG, "%s: out is NULL", fn);
    reel_options_(&o, sizeof o, given);
    if (layer(site, fn, x, scale, bias, given, false, out)) return reel_status();
    out[2] = reel_rsqrt_at(site, reel_add_at(site, out[2], reel_num_at(site, option(o.eps, 1e-5))));
    if (reel_status()) memset(out, 0, 3 * sizeof *out);
    return reel_status();
}

/* p [c] with `after` axes of size 1 behind it. */
static reel_tensor *spread(const char *site, reel_tensor *p, int after)
{
    reel_axes axes = {.n = after};
    if (!p || after == 0) return p;
    for (int i = 0; i < after; i++) axes.axis[i] = i - after;
    return reel_unsqueeze_at(site, p, axes);
}

reel_tensor *reel_group_norm_at(const char *site, reel_tensor *x, int64_t groups, reel_tensor *scale, reel_tensor *bias,
                                const reel_group_norm_opts *given)
{
    static const char fn[] = "reel_group_norm";
    reel_group_norm_opts o = {0};
    reel_attr_normalize a;
    reel_tensor *out[3];
    memset(&a, 0, sizeof a);
    reel_options_(&o, sizeof o, given);
    const reel_type *t = input(site, fn, "x", x, 2);
    if (!t || !parameter(site, fn, "scale", scale, t) || !parameter(site, fn, "bias", bias, t)) return NULL;
    const int rank = t->shape.rank, axis = o.channels_last ? rank - 1 : 1;
    const int64_t c = t->shape.dims[axis];
    a.eps = option(o.eps, 1e-5);
    if (!good_eps(site, fn, a.eps) || !channels(site, fn, "scale", scale, c) || !channels(site, fn, "bias", bias, c))
        return NULL;
    if (groups < 1 || groups > INT32_MAX || (c != REEL_ANY && c % groups)) {
        reel_fail_at_(site, REEL_ESHAPE, "%s: %lld channels are not a multiple of %lld groups", fn, (long long)c,
                      (long long)groups);
        return NULL;
    }
    for (int i = 1; i < rank; i++) /* all but the batch and the groups */
        a.axes.axis[a.axes.n++] = o.channels_last ? (i < rank - 1 ? i : rank) : i + 1;
    const int after = o.channels_last ? 0 : rank - 2;
    reel_tensor *s = scale ? spread(site, reel_split_axis_at_(site, scale, 0, (int)groups), after) : NULL;
    reel_tensor *b = bias ? spread(site, reel_split_axis_at_(site, bias, 0, (int)groups), after) : NULL;
    if (reel_status()) return NULL;
    if (affine(site, &a, reel_split_axis_at_(site, x, axis, (int)groups), s, b, out)) return NULL;
    return reel_reshape_like_at(site, out[0], x);
}

reel_tensor *reel_instance_norm_at(const char *site, reel_tensor *x, reel_tensor *scale, reel_tensor *bias,
                                   const reel_group_norm_opts *given)
{
    static const char fn[] = "reel_instance_norm";
    reel_group_norm_opts o = {0};
    reel_attr_normalize a;
    reel_tensor *out[3];
    memset(&a, 0, sizeof a);
    reel_options_(&o, sizeof o, given);
    const reel_type *t = input(site, fn, "x", x, 3);
    if (!t || !parameter(site, fn, "scale", scale, t) || !parameter(site, fn, "bias", bias, t)) return NULL;
    const int rank = t->shape.rank, after = o.channels_last ? 0 : rank - 2;
    const int64_t c = t->shape.dims[o.channels_last ? rank - 1 : 1];
    a.eps = option(o.eps, 1e-5);
    if (!good_eps(site, fn, a.eps) || !channels(site, fn, "scale", scale, c) || !channels(site, fn, "bias", bias, c))
        return NULL;
    for (int i = 0; i < rank - 2; i++) a.axes.axis[a.axes.n++] = o.channels_last ? 1 + i : 2 + i;
    if (affine(site, &a, x, spread(site, scale, after), spread(site, bias, after), out)) return NULL;
    return out[0];
}

/* ---- batch_norm -------------------------------------------------------------------------------------------- */
typedef struct batch {
    reel_batch_norm_opts o;
    const reel_type *t;
    int axis, after; /* of the channels; how many axes lie behind them */
    reel_attr_normalize a;
} batch;

static bool batch_begin(const char *site, const char *fn, batch *b, reel_tensor *x, reel_tensor *scale,
                        reel_tensor *bias, const reel_batch_norm_opts *given)
{
    memset(b, 0, sizeof *b);
    reel_options_(&b->o, sizeof b->o, given);
    b->t = input(site, fn, "x", x, 2);
    if (!b->t || !parameter(site, fn, "scale", scale, b->t) || !parameter(site, fn, "bias", bias, b->t)) return false;
    const int rank = b->t->shape.rank;
    b->axis = b->o.channels_last ? rank - 1 : 1;
    b->after = rank - 1 - b->axis;
    b->a.eps = option(b->o.eps, 1e-5);
    for (int i = 0; i < rank; i++)
        if (i != b->axis) b->a.axes.axis[b->a.axes.n++] = i;
    const int64_t c = b->t->shape.dims[b->axis];
    return good_eps(site, fn, b->a.eps) && channels(site, fn, "scale", scale, c) && channels(site, fn, "bias", bias, c);
}

static int batch_train(const char *site, const batch *b, reel_tensor *x, reel_tensor *scale, reel_tensor *bias,
                       reel_tensor *out[3])
{
    if (affine(site, &b->a, x, spread(site, scale, b->after), spread(site, bias, b->after), out)) return reel_status();
    for (int j = 1; j < 3; j++) out[j] = reel_squeeze_at(site, out[j], b->a.axes);
    return reel_status();
}

int reel_batch_norm_stats_at(const char *site, reel_tensor *x, reel_tensor *scale, reel_tensor *bias,
                             const reel_batch_norm_opts *given, reel_tensor *out[3])
{
    static const char fn[] = "reel_batch_norm_stats";
    batch b;
    if (!out) return reel_fail_at_(site, REEL_EARG, "%s: out is NULL", fn);
    memset(out, 0, 3 * sizeof *out);
    if (batch_begin(site, fn, &b, x, scale, bias, given)) (void)batch_train(site, &b, x, scale, bias, out);
    if (reel_status()) memset(out, 0, 3 * sizeof *out);
    return reel_status();
}

/* running <- (1 - momentum) running + momentum value, in running's dtype */
static int running_update(const char *site, reel_tensor *running, reel_tensor *value, double momentum)
{
    reel_tensor *v = to_dtype(site, reel_stop_gradient_at(site, value), reel_type_of_(running)->dtype);
    reel_tensor *old = reel_mul_at(site, reel_stop_gradient_at(site, running), reel_num_at(site, 1 - momentum));
    return reel_assign_at(site, running, reel_add_at(site, old, reel_mul_at(site, v, reel_num_at(site, momentum))));
}

static int batch_running(const char *site, const batch *b, reel_tensor *x, reel_tensor *const stats[3],
                         reel_tensor *mean, reel_tensor *var)
{
    const double momentum = option(b->o.momentum, 0.1);
    if (mean && running_update(site, mean, stats[1], momentum)) return reel_status();
    if (!var) return reel_status();
    reel_tensor *value = stats[2];
    if (!b->o.population) { /* n / (n - 1), 1 where n is 1 */
        const reel_attr_reduce all = {.axes = b->a.axes};
        reel_tensor *n = reel_count_like_at_(site, to_dtype(site, x, reel_type_of_(value)->dtype), &all);
        reel_tensor *less = reel_maximum_at(site, reel_sub_at(site, n, reel_num_at(site, 1)), reel_num_at(site, 1));
        value = reel_mul_at(site, value, reel_div_at(site, n, less));
    }
    return running_update(site, var, value, momentum);
}

/* With given statistics: ((x - mean) scale / sqrt(var + eps)) + bias, 16-bit x in f32. */
static reel_tensor *batch_eval(const char *site, const batch *b, reel_tensor *x, reel_tensor *scale, reel_tensor *bias,
                               reel_tensor *mean, reel_tensor *var)
{
    const reel_dtype t = b->t->dtype, s = stat_dtype(t);
    mean = to_dtype(site, mean, s);
    reel_tensor *rate = reel_rsqrt_at(site, reel_add_at(site, to_dtype(site, var, s), reel_num_at(site, b->a.eps)));
    if (scale) rate = reel_mul_at(site, rate, to_dtype(site, scale, s));
    reel_tensor *y = reel_sub_at(site, to_dtype(site, x, s), spread(site, mean, b->after));
    y = reel_mul_at(site, y, spread(site, rate, b->after));
    if (bias) y = reel_add_at(site, y, spread(site, to_dtype(site, bias, s), b->after));
    return y ? to_dtype(site, y, t) : NULL;
}

static bool running(const char *site, const char *fn, const char *what, reel_tensor *r, const batch *b)
{
    if (!r && b->o.training) return reel_optional_(r);
    const reel_rec *rec = reel_live_(site, fn, what, r);
    if (!rec) return false;
    if (b->o.training && !(rec->flags & REEL_R_CELL)) {
        reel_fail_at_(site, REEL_EARG, "%s: %s, made at %s, is no variable: training updates it", fn, what, rec->made);
        return false;
    }
    if (!reel_is_float_(rec->type.dtype)) {
        reel_fail_at_(site, REEL_EDTYPE, "%s: %s is %s, allowed: f32 f64 f16 bf16", fn, what,
                      reel_dtype_name(rec->type.dtype));
        return false;
    }
    return channels(site, fn, what, r, b->t->shape.dims[b->axis]);
}

reel_tensor *reel_batch_norm_at(const char *site, reel_tensor *x, reel_tensor *scale, reel_tensor *bias,
                                reel_tensor *mean, reel_tensor *var, const reel_batch_norm_opts *given)
{
    static const char fn[] = "reel_batch_norm";
    batch b;
    reel_tensor *out[3];
    if (!batch_begin(site, fn, &b, x, scale, bias, given)) return NULL;
    const double momentum = option(b.o.momentum, 0.1);
    if (!(momentum >= 0 && momentum <= 1)) {
        reel_fail_at_(site, REEL_EARG, "%s: momentum is %g, it must be in [0, 1]", fn, momentum);
        return NULL;
    }
    if (!running(site, fn, "mean", mean, &b) || !running(site, fn, "var", var, &b)) return NULL;
    if (!b.o.training) return batch_eval(site, &b, x, scale, bias, mean, var);
    if (batch_train(site, &b, x, scale, bias, out) || batch_running(site, &b, x, out, mean, var)) return NULL;
    return out[0];
}

/* ---- the rest of the family: compositions ------------------------------------------------------------------------ */
/* 16-bit x in f32, and the result back: squares of f16 leave its range at 256. */
static reel_tensor *widened(const char *site, reel_tensor *x, const reel_type *t)
{
    return to_dtype(site, x, stat_dtype(t->dtype));
}

reel_tensor *reel_lp_normalize_at(const char *site, reel_tensor *x, double p, int axis, double eps)
{
    static const char fn[] = "reel_lp_normalize";
    const reel_type *t = input(site, fn, "x", x, 1);
    const double e = option(eps, 1e-12);
    if (!t || !good_eps(site, fn, e)) return NULL;
    if (!(p >= 1)) {
        reel_fail_at_(site, REEL_EARG, "%s: p is %g, it must be at least 1 (INFINITY: the maximum)", fn, p);
        return NULL;
    }
    const reel_axes axes = {1, {axis}};
    reel_tensor *w = widened(site, x, t), *y;
    if (p == 2) {
        reel_tensor *s = reel_sum_axes_at(site, reel_square_at(site, w), axes, true);
        y = reel_div_at(site, w, reel_sqrt_at(site, reel_maximum_at(site, s, reel_num_at(site, e * e))));
    } else if (isinf(p)) {
        reel_tensor *m = reel_max_axes_at(site, reel_abs_at(site, w), axes, true);
        y = reel_div_at(site, w, reel_maximum_at(site, m, reel_num_at(site, e)));
    } else {
        reel_tensor *a = reel_abs_at(site, w);
        if (p != 1) a = reel_pow_at(site, a, reel_num_at(site, p));
        reel_tensor *s = reel_maximum_at(site, reel_sum_axes_at(site, a, axes, true), reel_num_at(site, pow(e, p)));
        y = reel_div_at(site, w, p == 1 ? s : reel_pow_at(site, s, reel_num_at(site, 1 / p)));
    }
    return y ? to_dtype(site, y, t->dtype) : NULL;
}

/* ---- window_sum(x): y[i] = the sum of x[i - before .. i + after] along an axis; linear ------------------------------ */
int reel_infer_window_sum_(const reel_infer *io)
{
    const reel_attr_window *a = io->attr;
    int axis;
    io->out[0] = *io->in[0];
    if (a->before < 0 || a->after < 0)
        return reel_fail(REEL_EARG, "a window from -%lld to %lld", (long long)a->before, (long long)a->after);
    return reel_axis_((int)a->axis, io->in[0]->shape.rank, &axis);
}

reel_tensor *reel_window_sum_at_(const char *site, reel_tensor *x, int axis, int64_t before, int64_t after)
{
    const reel_attr_window a = {.axis = axis, .before = before, .after = after};
    return reel_op1_(REEL_OP_window_sum, &a, site, x);
}

int reel_vjp_window_sum_(const reel_vjp_args *v)
{
    const reel_attr_window *a = v->attr;
    v->din[0] = reel_window_sum_at_(v->site, v->dout[0], (int)a->axis, a->after, a->before);
    return reel_status();
}

reel_tensor *reel_local_response_norm_at(const char *site, reel_tensor *x, int64_t size,
                                         const reel_local_response_norm_opts *given)
{
    static const char fn[] = "reel_local_response_norm";
    reel_local_response_norm_opts o = {0};
    reel_options_(&o, sizeof o, given);
    const reel_type *t = input(site, fn, "x", x, 2);
    if (!t) return NULL;
    const double alpha = option(o.alpha, 1e-4), beta = option(o.beta, 0.75), k = option(o.k, 1);
    if (size < 1 || size > INT32_MAX || !isfinite(alpha) || !isfinite(beta) || !isfinite(k)) {
        reel_fail_at_(site, REEL_EARG, "%s: size %lld, alpha %g, beta %g, k %g: finite, and size at least 1", fn,
                      (long long)size, alpha, beta, k);
        return NULL;
    }
    const int axis = o.channels_last ? -1 : 1;
    reel_tensor *w = widened(site, x, t);
    reel_tensor *s =
        reel_window_sum_at_(site, reel_square_at(site, w), axis, (size - 1) / 2, size - 1 - (size - 1) / 2);
    reel_tensor *d =
        reel_add_at(site, reel_mul_at(site, s, reel_num_at(site, alpha / (double)size)), reel_num_at(site, k));
    reel_tensor *y = reel_mul_at(site, w, reel_pow_at(site, d, reel_num_at(site, -beta)));
    return y ? to_dtype(site, y, t->dtype) : NULL;
}
