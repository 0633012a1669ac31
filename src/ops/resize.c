/* resize.c: resampling axis by axis: each axis is one row with its own weights. */
#include <math.h>

#include "core/context.h"
#include "core/error.h"
#include "core/options.h"
#include "internal.h"

/* ---- shape rules ------------------------------------------------------------------------------------- */
static int check_attr(const reel_attr_resize *a, int rank, int *axis)
{
    const int code = reel_axis_(a->axis, rank, axis);
    if (code) return code;
    if (a->mode < REEL_RESIZE_NEAREST || a->mode > REEL_RESIZE_CUBIC)
        return reel_fail(REEL_EARG, "mode is %d, there is 0, 1 and 2", a->mode);
    if (a->coordinates < REEL_HALF_PIXEL || a->coordinates > REEL_TF_CROP_AND_RESIZE)
        return reel_fail(REEL_EARG, "coordinates is %d, there is 0 to 6", a->coordinates);
    if (a->rounding < REEL_ROUND_PREFER_FLOOR || a->rounding > REEL_CEIL)
        return reel_fail(REEL_EARG, "rounding is %d, there is 0 to 3", a->rounding);
    if (!isfinite(a->start) || !isfinite(a->end))
        return reel_fail(REEL_EARG, "the region of axis %d is %g to %g", *axis, a->start, a->end);
    if (!isfinite(a->a)) return reel_fail(REEL_EARG, "cubic_a is %g", a->a);
    return 0;
}

/* How long an axis of n becomes; ANY if not known. */
static int resized(const reel_attr_resize *a, int axis, int64_t n, int64_t *m)
{
    if (a->size < -1) return reel_fail(REEL_ESHAPE, "axis %d would have size %lld", axis, (long long)a->size);
    if (a->scale != 0 && !(a->scale > 0 && a->scale <= 0x1p40))
        return reel_fail(REEL_EARG, "the scale of axis %d is %g", axis, a->scale);
    if (a->size < 0 && a->scale == 0) return reel_fail(REEL_EARG, "axis %d has neither size nor scale", axis);
    *m = a->size;
    if (a->size < 0) {
        const double length = n == REEL_ANY ? -1 : floor((double)n * a->scale);
        if (length > 0x1p48) return reel_fail(REEL_ESHAPE, "axis %d would have %g elements", axis, length);
        *m = (int64_t)length;
    }
    if (n == 0 && *m > 0) return reel_fail(REEL_ESHAPE, "axis %d is empty, it cannot become %lld", axis, (long long)*m);
    return 0;
}

int reel_infer_resize_axis_(const reel_infer *io)
{
    const reel_attr_resize *a = io->attr;
    const reel_type *x = io->in[0];
    int axis;
    int code = check_attr(a, x->shape.rank, &axis);
    if (code) return code;
    if (a->mode != REEL_RESIZE_NEAREST && !reel_is_float_(x->dtype))
        return reel_fail(REEL_EDTYPE, "x is %s; other dtypes than floats are resized by nearest only",
                         reel_dtype_name(x->dtype));
    io->out[0] = *x;
    code = resized(a, axis, x->shape.dims[axis], &io->out[0].shape.dims[axis]);
    return code ? code : reel_shape_check_(io->out[0].shape, true);
}

int reel_infer_resize_axis_grad_(const reel_infer *io)
{
    const reel_attr_resize *a = io->attr;
    const reel_type *g = io->in[0], *like = io->in[1];
    int axis;
    int code = check_attr(a, like->shape.rank, &axis);
    if (code) return code;
    reel_shape want = like->shape, both;
    code = resized(a, axis, like->shape.dims[axis], &want.dims[axis]);
    if (code) return code;
    if (!reel_merge_shape_(&g->shape, &want, &both)) {
        char x[REEL_SHAPE_TEXT], y[REEL_SHAPE_TEXT];
        return reel_fail(REEL_ESHAPE, "g is %s, it should be %s", reel_shape_text_(&g->shape, x),
                         reel_shape_text_(&want, y));
    }
    const int64_t n = like->shape.dims[axis];
    io->out[0] = (reel_type){g->dtype, both};
    io->out[0].shape.dims[axis] = n;
    return 0;
}

reel_tensor *reel_resize_axis_at_(const char *site, reel_tensor *x, const reel_attr_resize *a)
{
    return reel_op1_(REEL_OP_resize_axis, a, site, x);
}

reel_tensor *reel_resize_axis_grad_at_(const char *site, reel_tensor *g, reel_tensor *like, const reel_attr_resize *a)
{
    return reel_op2_(REEL_OP_resize_axis_grad, a, site, g, like);
}

/* ---- public functions -------------------------------------------------------------------------------- */
typedef struct request {
    const char *site, *fn;
    reel_tensor *x;
    int n, rank, axis[REEL_MAX_RANK];
    const int64_t *sizes;
    const double *scales;
    reel_resize_opts o;
} request;

static int find_axes(request *q)
{
    unsigned mask = 0;
    q->rank = reel_type_of_(q->x)->shape.rank;
    if (q->n < 0 || q->n > q->rank)
        return reel_fail_at_(q->site, REEL_EARG, "%s: %d axes of a tensor of rank %d", q->fn, q->n, q->rank);
    if (q->n > 0 && !q->sizes && !q->scales)
        return reel_fail_at_(q->site, REEL_EARG, "%s: %s is NULL", q->fn,
                             strcmp(q->fn, "reel_resize") == 0 ? "sizes" : "scales");
    if (q->o.axes.n != 0 && q->o.axes.n != q->n)
        return reel_fail_at_(q->site, REEL_EARG, "%s: %d axes, %d sizes", q->fn, q->o.axes.n, q->n);
    for (int i = 0; i < q->n; i++) {
        int axis = q->o.axes.n ? q->o.axes.axis[i] : q->rank - q->n + i;
        if (axis < -q->rank || axis >= q->rank)
            return reel_fail_at_(q->site, REEL_EARG, "%s: axis %d is out of range for rank %d", q->fn, axis, q->rank);
        if (axis < 0) axis += q->rank;
        if (mask >> axis & 1u) return reel_fail_at_(q->site, REEL_EARG, "%s: axis %d is given twice", q->fn, axis);
        mask |= 1u << axis;
        q->axis[i] = axis;
    }
    return 0;
}

/* One scale for all axes, and the sizes that follow from it. */
static int keep_aspect(request *q, int64_t sizes[REEL_MAX_RANK], double *scale)
{
    const reel_shape *s = &reel_type_of_(q->x)->shape;
    if (q->o.aspect < REEL_STRETCH || q->o.aspect > REEL_NOT_SMALLER)
        return reel_fail_at_(q->site, REEL_EARG, "%s: aspect is %d, there is 0, 1 and 2", q->fn, q->o.aspect);
    if (q->o.aspect == REEL_STRETCH || !q->sizes) return 0;
    for (int i = 0; i < q->n; i++) {
        const int64_t n = s->dims[q->axis[i]];
        if (n <= 0)
            return reel_fail_at_(q->site, REEL_ESHAPE,
                                 "%s: keeping the aspect needs axes of a known size, axis %d has %lld", q->fn,
                                 q->axis[i], (long long)n);
        const double f = (double)q->sizes[i] / (double)n;
        if (i == 0 || (q->o.aspect == REEL_NOT_LARGER ? f < *scale : f > *scale)) *scale = f;
    }
    for (int i = 0; i < q->n; i++) sizes[i] = (int64_t)floor(*scale * (double)s->dims[q->axis[i]] + 0.5);
    q->sizes = sizes;
    return 0;
}

static reel_tensor *resize_all(request *q, const void *given)
{
    int64_t sizes[REEL_MAX_RANK];
    double scale = 0;
    if (reel_status() || !reel_live_(q->site, q->fn, "x", q->x)) return NULL;
    reel_options_(&q->o, sizeof q->o, given);
    if (find_axes(q) || keep_aspect(q, sizes, &scale)) return NULL;
    reel_tensor *y = q->n ? q->x : reel_reshape_like_at(q->site, q->x, q->x);
    for (int axis = q->rank - 1; axis >= 0; axis--)
        for (int i = 0; i < q->n; i++) {
            reel_attr_resize a;
            if (q->axis[i] != axis) continue;
            memset(&a, 0, sizeof a);
            a.axis = axis;
            a.mode = q->o.mode, a.coordinates = q->o.coordinates, a.rounding = q->o.rounding;
            a.antialias = q->o.antialias, a.exclude = q->o.exclude_outside;
            a.size = q->sizes ? q->sizes[i] : -1;
            a.scale = q->scales ? q->scales[i] : scale;
            if (q->sizes && a.size < 0) a.size = -2; /* an error: -1 means something else */
            if (q->scales && a.scale == 0) a.scale = -1;
            a.start = q->o.roi ? q->o.roi[i] : 0;
            a.end = q->o.roi ? q->o.roi[q->n + i] : 1;
            a.a = q->o.cubic_a == 0 && !signbit(q->o.cubic_a) ? -0.75 : q->o.cubic_a + 0.0;
            a.extrapolation = q->o.extrapolation;
            y = reel_resize_axis_at_(q->site, y, &a);
        }
    return y;
}

reel_tensor *reel_resize_at(const char *site, reel_tensor *x, int n, const int64_t *sizes, const reel_resize_opts *o)
{
    request q = {.site = site, .fn = "reel_resize", .x = x, .n = n, .sizes = sizes};
    return resize_all(&q, o);
}

reel_tensor *reel_rescale_at(const char *site, reel_tensor *x, int n, const double *scales, const reel_resize_opts *o)
{
    request q = {.site = site, .fn = "reel_rescale", .x = x, .n = n, .scales = scales};
    return resize_all(&q, o);
}

reel_tensor *reel_upsample_at(const char *site, reel_tensor *x, int64_t factor, int mode)
{
    double scales[REEL_MAX_RANK];
    reel_resize_opts o = {.size = sizeof o, .mode = mode};
    if (reel_status() || !reel_live_(site, "reel_upsample", "x", x)) return NULL;
    const int rank = reel_type_of_(x)->shape.rank;
    if (rank < 3) return reel_fail_at_(site, REEL_ESHAPE, "reel_upsample: x has rank %d, it needs 3", rank), NULL;
    if (factor < 1 || factor > 1 << 24)
        return reel_fail_at_(site, REEL_EARG, "reel_upsample: the factor is %lld", (long long)factor), NULL;
    for (int i = 0; i < rank; i++) scales[i] = (double)factor;
    if (mode == REEL_RESIZE_NEAREST) {
        o.coordinates = REEL_ASYMMETRIC;
        o.rounding = REEL_FLOOR;
    }
    request q = {.site = site, .fn = "reel_upsample", .x = x, .n = rank - 2, .scales = scales};
    return resize_all(&q, &o);
}

/* ---- gradients: linear but for the extrapolation's constant ------------------------------------------------ */
int reel_vjp_resize_axis_(const reel_vjp_args *v)
{
    v->din[0] = reel_resize_axis_grad_at_(v->site, v->dout[0], v->in[0], v->attr);
    return reel_status();
}

int reel_vjp_resize_axis_grad_(const reel_vjp_args *v)
{
    reel_attr_resize a = *(const reel_attr_resize *)v->attr;
    a.extrapolation = 0;
    if (v->need[0]) v->din[0] = reel_resize_axis_at_(v->site, v->dout[0], &a);
    return reel_status();
}
