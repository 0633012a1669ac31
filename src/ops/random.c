/* random.c: more random numbers than uniform and normal ones, which are in create.c. Each takes reel_draw_counters_ of its first
   output's count and dtype from the generator, read or not. */
#include "internal.h"

#include <math.h>

#include "core/error.h"

static int check_shape(const reel_type *t, reel_type *out)
{
    if (!reel_is_dtype_(t->dtype)) return reel_fail(REEL_EDTYPE, "%d is no dtype", (int)t->dtype);
    const int code = reel_shape_check_(t->shape, false);
    if (code) return code;
    *out = (reel_type){.dtype = t->dtype};
    reel_put_shape_(&out->shape, &t->shape);
    return 0;
}

int reel_infer_random_like_(const reel_infer *io)
{
    const reel_attr_random *a = io->attr;
    const bool uniform = io->op->id == REEL_OP_uniform_like;
    io->out[0] = *io->in[0];
    if (isfinite(a->a) && isfinite(a->b) && (uniform ? a->a <= a->b : a->b >= 0)) return 0;
    return reel_fail(REEL_EARG, uniform ? "bad range [%g, %g)" : "bad mean %g or standard deviation %g", a->a, a->b);
}

int reel_infer_truncated_normal_(const reel_infer *io)
{
    const reel_attr_truncated *a = io->attr;
    const int code = check_shape(&a->random.type, &io->out[0]);
    if (code) return code;
    if (!reel_is_float_(a->random.type.dtype))
        return reel_fail(REEL_EDTYPE, "%s cannot be drawn, allowed: f32 f64 f16 bf16",
                         reel_dtype_name(a->random.type.dtype));
    if (!isfinite(a->random.a) || !isfinite(a->random.b) || a->random.b <= 0)
        return reel_fail(REEL_EARG, "bad mean %g or standard deviation %g", a->random.a, a->random.b);
    if (!(a->low < a->high)) return reel_fail(REEL_EARG, "bad range [%g, %g]", a->low, a->high);
    return 0;
}

int reel_infer_bernoulli_(const reel_infer *io)
{
    const reel_attr_random *a = io->attr;
    const int code = check_shape(&a->type, &io->out[0]);
    if (code) return code;
    return a->a >= 0 && a->a <= 1 ? 0 : reel_fail(REEL_EARG, "%g is no probability", a->a);
}

int reel_infer_randint_(const reel_infer *io)
{
    const reel_attr_randint *a = io->attr;
    const reel_dtype d = a->random.type.dtype;
    const int code = check_shape(&a->random.type, &io->out[0]);
    if (code) return code;
    if (!reel_is_int_(d))
        return reel_fail(REEL_EDTYPE, "%s cannot be drawn, allowed: i8 u8 i32 i64", reel_dtype_name(d));
    if (a->low >= a->high) return reel_fail(REEL_EARG, "bad range [%lld, %lld)", (long long)a->low, (long long)a->high);
    if (d != REEL_I64 && (!reel_num_fits_((double)a->low, d) || !reel_num_fits_((double)(a->high - 1), d)))
        return reel_fail(REEL_EDTYPE, "[%lld, %lld) does not fit %s", (long long)a->low, (long long)a->high,
                         reel_dtype_name(d));
    return 0;
}

int reel_infer_permutation_(const reel_infer *io)
{
    const reel_attr_random *a = io->attr;
    const int code = check_shape(&a->type, &io->out[0]);
    if (code) return code;
    if (!reel_is_int_(a->type.dtype))
        return reel_fail(REEL_EDTYPE, "%s holds no indices, allowed: i8 u8 i32 i64", reel_dtype_name(a->type.dtype));
    const int64_t n = a->type.shape.dims[0];
    if (a->type.dtype != REEL_I64 && n > 0 && !reel_num_fits_((double)(n - 1), a->type.dtype))
        return reel_fail(REEL_EDTYPE, "%lld does not fit %s", (long long)(n - 1), reel_dtype_name(a->type.dtype));
    return 0;
}

int reel_infer_permutation_of_(const reel_infer *io)
{
    const reel_attr_categorical *a = io->attr;
    int axis;
    const int code = reel_axis_((int)a->n, io->in[0]->shape.rank, &axis);
    if (code) return code;
    io->out[0] = (reel_type){REEL_I64, {1, {io->in[0]->shape.dims[axis]}}};
    return 0;
}

int reel_infer_categorical_(const reel_infer *io)
{
    const reel_attr_categorical *a = io->attr;
    const reel_shape *x = &io->in[0]->shape;
    if (x->rank < 1) return reel_fail(REEL_ESHAPE, "logits has no axis of classes");
    if (a->n < 0) return reel_fail(REEL_EARG, "%lld samples", (long long)a->n);
    if (x->dims[x->rank - 1] == 0) return reel_fail(REEL_ESHAPE, "there are no classes");
    io->out[0] = (reel_type){REEL_I64, *x};
    io->out[0].shape.dims[x->rank - 1] = a->n;
    return reel_shape_check_(io->out[0].shape, true);
}

int reel_infer_candidates_(const reel_infer *io)
{
    const reel_attr_candidates *a = io->attr;
    if (a->n < 0) return reel_fail(REEL_EARG, "%lld samples", (long long)a->n);
    if (a->range < 1 || a->range > (int64_t)1 << 48)
        return reel_fail(REEL_EARG, "a range of %lld classes", (long long)a->range);
    if (a->unique && a->n > a->range)
        return reel_fail(REEL_EARG, "%lld distinct samples of %lld classes", (long long)a->n, (long long)a->range);
    io->out[0] = (reel_type){REEL_I64, {1, {a->n}}};
    io->out[1] = (reel_type){REEL_F32, io->in[0]->shape};
    io->out[2] = (reel_type){REEL_F32, {1, {a->n}}};
    return reel_shape_check_(io->out[0].shape, false);
}

/* ---- wrappers ----------------------------------------------------------------------------------------------- */
static reel_tensor *create(int id, const void *attr, const char *site)
{
    reel_tensor *out = NULL;
    reel_door_(&reel_rows_[id], attr, NULL, 0, &out, 1, site);
    return out;
}

static void put_random(reel_attr_random *a, reel_dtype d, const reel_shape *s, double x, double y, reel_generator *g)
{
    a->generator = g;
    a->a = x;
    a->b = y;
    a->type.dtype = reel_is_dtype_(d) ? reel_widened_(d) : d;
    if (s) reel_put_shape_(&a->type.shape, s);
}

static reel_tensor *like(int id, const char *site, reel_tensor *x, double a, double b, reel_generator *g)
{
    reel_attr_random attr;
    memset(&attr, 0, sizeof attr);
    put_random(&attr, REEL_F32, NULL, a, b, g);
    attr.type.dtype = (reel_dtype)0; /* x's */
    return reel_op1_(id, &attr, site, x);
}

reel_tensor *reel_uniform_like_at(const char *site, reel_tensor *x, double low, double high, reel_generator *g)
{
    return like(REEL_OP_uniform_like, site, x, low, high, g);
}

reel_tensor *reel_normal_like_at(const char *site, reel_tensor *x, double mean, double stddev, reel_generator *g)
{
    return like(REEL_OP_normal_like, site, x, mean, stddev, g);
}

reel_tensor *reel_truncated_normal_at(const char *site, reel_dtype d, reel_shape s, double mean, double stddev,
                                      double low, double high, reel_generator *g)
{
    reel_attr_truncated a;
    memset(&a, 0, sizeof a);
    put_random(&a.random, d, &s, mean, stddev, g);
    a.low = low;
    a.high = high;
    return create(REEL_OP_truncated_normal, &a, site);
}

reel_tensor *reel_bernoulli_at(const char *site, reel_dtype d, reel_shape s, double p, reel_generator *g)
{
    reel_attr_random a;
    memset(&a, 0, sizeof a);
    put_random(&a, d, &s, p, 0, g);
    return create(REEL_OP_bernoulli, &a, site);
}

reel_tensor *reel_bernoulli_of_at(const char *site, reel_tensor *p, reel_generator *g)
{
    const reel_rec *r = reel_live_(site, "reel_bernoulli_of", "p", p);
    if (!r) return NULL;
    const reel_dtype d = r->type.dtype;
    if (!reel_is_float_(d)) {
        reel_fail_at_(site, REEL_EDTYPE, "reel_bernoulli_of: p is %s, allowed: f32 f64 f16 bf16", reel_dtype_name(d));
        return NULL;
    }
    reel_tensor *exact =
        reel_size_(d) == 2 ? reel_cast_at(site, p, REEL_F32) : p; /* a half's own uniform numbers are coarse */
    return reel_cast_at(site, reel_less_at(site, reel_uniform_like_at(site, exact, 0, 1, g), exact), d);
}

reel_tensor *reel_randint_at(const char *site, reel_dtype d, reel_shape s, int64_t low, int64_t high, reel_generator *g)
{
    reel_attr_randint a;
    memset(&a, 0, sizeof a);
    put_random(&a.random, d, &s, 0, 0, g);
    a.low = low;
    a.high = high;
    return create(REEL_OP_randint, &a, site);
}

reel_tensor *reel_permutation_at(const char *site, reel_dtype d, int64_t n, reel_generator *g)
{
    const reel_shape s = {1, {n}};
    reel_attr_random a;
    memset(&a, 0, sizeof a);
    put_random(&a, d, &s, 0, 0, g);
    return create(REEL_OP_permutation, &a, site);
}

static reel_tensor *drawn_from(int id, const char *site, reel_tensor *x, int64_t n, reel_generator *g)
{
    reel_attr_categorical a;
    memset(&a, 0, sizeof a);
    a.random.generator = g;
    a.n = n;
    return reel_op1_(id, &a, site, x);
}

reel_tensor *reel_permutation_of_at_(const char *site, reel_tensor *x, int axis, reel_generator *g)
{
    return drawn_from(REEL_OP_permutation_of, site, x, axis, g);
}

reel_tensor *reel_categorical_at(const char *site, reel_tensor *logits, int64_t n, reel_generator *g)
{
    return drawn_from(REEL_OP_categorical, site, logits, n, g);
}

reel_tensor *reel_shuffle_at(const char *site, reel_tensor *x, int axis, reel_generator *g)
{
    return reel_gather_at(site, x, reel_permutation_of_at_(site, x, axis, g), axis);
}

int reel_log_uniform_candidates_at(const char *site, reel_tensor *true_classes, int64_t n, int64_t range, bool unique,
                                   reel_generator *g, reel_tensor *out[3])
{
    reel_attr_candidates a;
    if (!out) return reel_fail_at_(site, REEL_EARG, "reel_log_uniform_candidates: out is NULL");
    memset(&a, 0, sizeof a);
    a.random.generator = g;
    a.n = n;
    a.range = range;
    a.unique = unique;
    return reel_door_(&reel_rows_[REEL_OP_log_uniform_candidates], &a, &true_classes, 1, out, 3, site);
}
