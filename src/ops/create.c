/* create.c: tensors made from attributes alone. A float result is f64 while gradcheck widens; the wrappers
   put the dtype into the attributes, so what a trace notes down means the same at any time. */
#include "internal.h"

#include <math.h>

#include "core/error.h"

/* ---- shape rules ------------------------------------------------------------------------------------- */
static int check_type(const reel_type *t, reel_type *out)
{
    if (!reel_is_dtype_(t->dtype)) return reel_fail(REEL_EDTYPE, "%d is no dtype", (int)t->dtype);
    *out = (reel_type){.dtype = t->dtype};
    const int code = reel_shape_check_(t->shape, false);
    if (code) return code;
    reel_put_shape_(&out->shape, &t->shape);
    return 0;
}

static int check_value(const char *what, double value, reel_dtype d)
{
    if (reel_num_fits_(value, d)) return 0;
    return reel_fail(REEL_EDTYPE, "%s %.17g is not a value of %s", what, value, reel_dtype_name(d));
}

int reel_infer_num_(const reel_infer *io)
{
    io->out[0] = (reel_type){.dtype = REEL_F32};
    return 0;
}

int reel_infer_full_(const reel_infer *io)
{
    const reel_attr_full *a = io->attr;
    const int code = check_type(&a->type, &io->out[0]);
    return code ? code : check_value("value", a->value, a->type.dtype);
}

int reel_infer_eye_(const reel_infer *io) /* value: which diagonal */
{
    const reel_attr_full *a = io->attr;
    return check_type(&a->type, &io->out[0]);
}

int reel_infer_linspace_(const reel_infer *io)
{
    const reel_attr_linspace *a = io->attr;
    const reel_type t = {(reel_dtype)a->dtype, {1, {a->count}}};
    if (a->count < 0) return reel_fail(REEL_EARG, "%lld elements", (long long)a->count);
    const int code = check_type(&t, &io->out[0]);
    if (code) return code;
    if (t.dtype == REEL_BOOL) return reel_fail(REEL_EDTYPE, "bool has no sequence of numbers");
    if (!isfinite(a->start) || !isfinite(a->stop))
        return reel_fail(REEL_EARG, "start %g, stop %g: both finite", a->start, a->stop);
    if (isinf(a->base) || a->base < 0) return reel_fail(REEL_EARG, "base %g", a->base);
    if (isnan(a->base) && (a->start < 0) != (a->stop < 0))
        return reel_fail(REEL_EARG, "start %g and stop %g differ in sign", a->start, a->stop);
    if (isnan(a->base) && (a->start == 0 || a->stop == 0))
        return reel_fail(REEL_EARG, "a geometric sequence does not contain 0");
    return 0;
}

int reel_infer_arange_(const reel_infer *io)
{
    const reel_attr_arange *a = io->attr;
    const reel_type t = {(reel_dtype)a->dtype, {1, {a->count}}};
    int code = check_type(&t, &io->out[0]);
    if (code || reel_is_float_(t.dtype) || a->count == 0) return code;
    code = check_value("start", a->start, t.dtype);
    if (!code && a->step != trunc(a->step))
        code = reel_fail(REEL_EDTYPE, "step %.17g is not a value of %s", a->step, reel_dtype_name(t.dtype));
    return code ? code : check_value("last value", a->start + (double)(a->count - 1) * a->step, t.dtype);
}

int reel_infer_random_(const reel_infer *io)
{
    const reel_attr_random *a = io->attr;
    const int code = check_type(&a->type, &io->out[0]);
    if (code) return code;
    if (!reel_is_float_(a->type.dtype))
        return reel_fail(REEL_EDTYPE, "%s cannot be drawn, allowed: f32 f64 f16 bf16", reel_dtype_name(a->type.dtype));
    const bool uniform = io->op->id == REEL_OP_uniform;
    if (!isfinite(a->a) || !isfinite(a->b) || (uniform ? a->a > a->b : a->b < 0))
        return reel_fail(REEL_EARG, uniform ? "bad range [%g, %g)" : "bad mean %g or standard deviation %g", a->a,
                         a->b);
    return 0;
}

int reel_infer_one_hot_(const reel_infer *io)
{
    const reel_attr_one_hot *a = io->attr;
    const reel_type *labels = io->in[0];
    if (!reel_is_dtype_((reel_dtype)a->dtype)) return reel_fail(REEL_EDTYPE, "%lld is no dtype", (long long)a->dtype);
    if (a->classes < 0) return reel_fail(REEL_EARG, "%lld classes", (long long)a->classes);
    if (labels->shape.rank == REEL_MAX_RANK)
        return reel_fail(REEL_ESHAPE, "the result would have %d axes, at most %d", REEL_MAX_RANK + 1, REEL_MAX_RANK);
    reel_type *out = &io->out[0];
    *out = *labels;
    out->dtype = (reel_dtype)a->dtype;
    out->shape.dims[out->shape.rank++] = a->classes;
    return reel_shape_check_(out->shape, true);
}

/* ---- public functions -------------------------------------------------------------------------------- */
static reel_tensor *create(int id, const void *attr, const char *site)
{
    reel_tensor *out = NULL;
    reel_door_(&reel_rows_[id], attr, NULL, 0, &out, 1, site);
    return out;
}

reel_tensor *reel_num_at(const char *site, double value)
{
    const reel_attr_num a = {.value = value};
    return create(REEL_OP_num, &a, site);
}

static reel_tensor *filled(int id, const char *site, reel_dtype d, const reel_shape *s, double value)
{
    reel_attr_full a;
    memset(&a, 0, sizeof a);
    a.type.dtype = reel_is_dtype_(d) ? reel_widened_(d) : d;
    a.value = value;
    reel_put_shape_(&a.type.shape, s);
    return create(id, &a, site);
}

reel_tensor *reel_full_at(const char *site, reel_dtype d, reel_shape s, double value)
{
    return filled(REEL_OP_full, site, d, &s, value);
}

reel_tensor *reel_zeros_at(const char *site, reel_dtype d, reel_shape s)
{
    return filled(REEL_OP_full, site, d, &s, 0);
}

reel_tensor *reel_ones_at(const char *site, reel_dtype d, reel_shape s)
{
    return filled(REEL_OP_full, site, d, &s, 1);
}

reel_tensor *reel_eye_at(const char *site, reel_dtype d, int64_t rows, int64_t cols)
{
    const reel_shape s = {2, {rows, cols}};
    return filled(REEL_OP_eye, site, d, &s, 0);
}

reel_tensor *reel_eye_k_at(const char *site, reel_dtype d, int64_t rows, int64_t cols, int64_t k)
{
    const reel_shape s = {2, {rows, cols}};
    const int64_t most = (int64_t)1 << 53; /* far outside of any matrix is outside */
    return filled(REEL_OP_eye, site, d, &s, (double)(k > most ? most : k < -most ? -most : k));
}

reel_tensor *reel_tri_at(const char *site, reel_dtype d, int64_t rows, int64_t cols, int64_t k)
{
    const reel_shape s = {2, {rows, cols}};
    return reel_tril_at(site, filled(REEL_OP_full, site, d, &s, 1), k);
}

static reel_tensor *spaced(const char *site, reel_dtype d, double start, double stop, int64_t n, bool endpoint,
                           double base)
{
    const reel_attr_linspace a = {start, stop, base, n, endpoint, (int64_t)(reel_is_dtype_(d) ? reel_widened_(d) : d)};
    return create(REEL_OP_linspace, &a, site);
}

reel_tensor *reel_linspace_at(const char *site, reel_dtype d, double start, double stop, int64_t n, bool endpoint)
{
    return spaced(site, d, start, stop, n, endpoint, 0);
}

reel_tensor *reel_logspace_at(const char *site, reel_dtype d, double start, double stop, int64_t n, bool endpoint,
                              double base)
{
    return spaced(site, d, start, stop, n, endpoint, base > 0 ? base : -1);
}

reel_tensor *reel_geomspace_at(const char *site, reel_dtype d, double start, double stop, int64_t n, bool endpoint)
{
    return spaced(site, d, start, stop, n, endpoint, (double)NAN);
}

reel_tensor *reel_arange_at(const char *site, reel_dtype d, double start, double stop, double step)
{
    const double count = ceil((stop - start) / step);
    if (!isfinite(start) || !isfinite(stop) || !isfinite(step) || step == 0) {
        reel_fail_at_(site, REEL_EARG, "reel_arange: start %g, stop %g, step %g: all finite and step not 0", start,
                      stop, step);
        return NULL;
    }
    if (count > 0x1p53) {
        reel_fail_at_(site, REEL_ESHAPE, "reel_arange: %g elements are too many", count);
        return NULL;
    }
    const reel_attr_arange a = {start, step, count > 0 ? (int64_t)count : 0,
                                (int64_t)(reel_is_dtype_(d) ? reel_widened_(d) : d)};
    return create(REEL_OP_arange, &a, site);
}

static reel_tensor *draw(int id, const char *site, reel_dtype d, const reel_shape *s, double low, double high,
                         reel_generator *g)
{
    reel_attr_random a;
    memset(&a, 0, sizeof a);
    a.generator = g;
    a.a = low;
    a.b = high;
    a.type.dtype = reel_is_dtype_(d) ? reel_widened_(d) : d;
    reel_put_shape_(&a.type.shape, s);
    return create(id, &a, site);
}

reel_tensor *reel_uniform_at(const char *site, reel_dtype d, reel_shape s, double low, double high, reel_generator *g)
{
    return draw(REEL_OP_uniform, site, d, &s, low, high, g);
}

reel_tensor *reel_normal_at(const char *site, reel_dtype d, reel_shape s, double mean, double stddev, reel_generator *g)
{
    return draw(REEL_OP_normal, site, d, &s, mean, stddev, g);
}

reel_tensor *reel_randn_at(const char *site, reel_dtype d, reel_shape s)
{
    return draw(REEL_OP_normal, site, d, &s, 0, 1, NULL);
}

reel_tensor *reel_one_hot_at(const char *site, reel_tensor *labels, int64_t n, reel_dtype d)
{
    const reel_attr_one_hot a = {n, (int64_t)(reel_is_dtype_(d) ? reel_widened_(d) : d)};
    return reel_op1_(REEL_OP_one_hot, &a, site, labels);
}
