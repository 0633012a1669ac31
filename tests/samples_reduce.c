/* samples_reduce.c: reductions. p0 number of axes, p1.. axes, p6 keepdims. */
#include "samples.h"

static reel_axes axes_of(const sample *s)
{
    reel_axes a = {.n = (int)s->p[0]};
    for (int i = 0; i < a.n; i++) a.axis[i] = (int)s->p[i + 1];
    return a;
}

/* The output's shape, and of each input element the output element it belongs to. */
static reel_shape reduced(const sample *s, const nd *x, unsigned *mask)
{
    const reel_axes a = axes_of(s);
    reel_shape out = {0};
    *mask = a.n ? 0 : 0xff;
    for (int i = 0; i < a.n; i++) *mask |= 1u << (a.axis[i] < 0 ? a.axis[i] + x->shape.rank : a.axis[i]);
    for (int i = 0; i < x->shape.rank; i++)
        if (!((*mask >> i) & 1u) || s->p[6] != 0) out.dims[out.rank++] = (*mask >> i) & 1u ? 1 : x->shape.dims[i];
    return out;
}

static int64_t target(const nd *x, unsigned mask, int64_t i)
{
    int64_t at[REEL_MAX_RANK], to = 0;
    nd_unravel(&x->shape, i, at);
    for (int k = 0; k < x->shape.rank; k++)
        if (!((mask >> k) & 1u)) to = to * x->shape.dims[k] + at[k];
    return to;
}

static int64_t reduced_count(const nd *x, unsigned mask)
{
    int64_t n = 1;
    for (int k = 0; k < x->shape.rank; k++)
        if ((mask >> k) & 1u) n *= x->shape.dims[k];
    return n;
}

static void sum_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    unsigned mask;
    const reel_shape shape = reduced(s, &in[0], &mask);
    nd_make(out, d, shape);
    for (int64_t i = 0; i < in[0].count; i++) out->data[target(&in[0], mask, i)] += in[0].data[i];
}

static void mean_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    unsigned mask;
    (void)reduced(s, &in[0], &mask);
    sum_reference(s, d, in, out);
    for (int64_t i = 0; i < out->count; i++) out->data[i] /= (double)reduced_count(&in[0], mask);
}

static bool beats(double x, double best)
{
    return !isnan(best) && (isnan(x) || x > best);
}

static void max_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    unsigned mask;
    const reel_shape shape = reduced(s, &in[0], &mask);
    nd_make(out, d, shape);
    for (int64_t i = 0; i < out->count; i++) out->data[i] = -INFINITY;
    for (int64_t i = 0; i < in[0].count; i++) {
        double *best = &out->data[target(&in[0], mask, i)];
        if (beats(in[0].data[i], *best)) *best = in[0].data[i];
    }
}

static void argmax_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    unsigned mask;
    const reel_shape shape = reduced(s, &in[0], &mask);
    nd best;
    max_reference(s, d, in, &best);
    nd_make(out, REEL_I64, shape);
    for (int64_t i = 0; i < out->count; i++) out->data[i] = -1;
    for (int64_t i = 0; i < in[0].count; i++) {
        const int64_t to = target(&in[0], mask, i);
        int64_t at[REEL_MAX_RANK], index = 0;
        nd_unravel(&in[0].shape, i, at);
        for (int k = 0; k < in[0].shape.rank; k++)
            if ((mask >> k) & 1u) index = index * in[0].shape.dims[k] + at[k];
        const double x = in[0].data[i];
        if (out->data[to] < 0 && (x == best.data[to] || (isnan(x) && isnan(best.data[to]))))
            out->data[to] = (double)index;
    }
    nd_free(&best);
}

static void count_like_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    unsigned mask;
    (void)reduced(s, &in[0], &mask);
    nd_make(out, d, REEL_SCALAR);
    out->data[0] = (double)reduced_count(&in[0], mask);
}

static reel_tensor *count_like(const char *site, reel_tensor *x, reel_axes axes, bool keepdims)
{
    reel_attr_reduce a = {.axes = axes, .keepdims = keepdims};
    return reel_count_like_at_(site, x, &a);
}

#define REDUCTION(name, function)                                                                                   \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])             \
    {                                                                                                               \
        (void)d;                                                                                                    \
        out[0] = function(REEL_HERE, in[0], axes_of(s), s->p[6] != 0);                                              \
        return reel_status();                                                                                       \
    }                                                                                                               \
    static void name##_bad(void)                                                                                    \
    {                                                                                                               \
        BAD(function(REEL_HERE, NULL, REEL_ALL_AXES, false), REEL_EARG, "reel_" #name "|x is NULL");                \
        BAD(function(REEL_HERE, dead(), REEL_ALL_AXES, false), REEL_EARG, "x is |dead");                            \
        BAD(function(REEL_HERE, X("[2,3]"), REEL_AXES(2), false), REEL_EARG,                                        \
            "axis 2 is out of range for rank 2|x f32[2,3]");                                                        \
        BAD(function(REEL_HERE, X("[2,3]"), REEL_AXES(-3), true), REEL_EARG, "axis -3 is out of range for rank 2"); \
        name##_more();                                                                                              \
    }                                                                                                               \
    const samples samples_##name = {GOOD(name##_good), .apply = name##_apply, .reference = name##_reference,        \
                                    .bad = name##_bad}

#define SHAPES                                                                                              \
    {IN("[]")}, {IN("[1]")}, {IN("[3,4]")}, {IN("[3,4]"), WITH(1, 0)}, {IN("[3,4]"), WITH(1, -1, [6] = 1)}, \
        {IN("[3,4]t"), WITH(1, 1)}, {IN("[7]r"), WITH(1, 0)}, {IN("[2,3]s"), WITH(1, 0)}, {IN("[2,3]o")},   \
        {IN("[3,4]b"), WITH(1, 0)}, {IN("[2,3,4]"), WITH(1, 1)}, {IN("[2,3,4]r"), WITH(1, -2, [6] = 1)},    \
        {IN("[1,5,1]"), WITH(1, 2)}, {IN("[2,0,3]"), WITH(1, 0)}, {IN("[70,301]="), WITH(1, 0)},            \
        {IN("[70,301]t="), WITH(1, 1)},                                                                     \
    {                                                                                                       \
        IN("[4001]=")                                                                                       \
    }
#define SEVERAL                                                                                                     \
    {IN("[2,3,4]"), WITH(2, 0, 2)}, {IN("[2,3,4]"), WITH(2, 2, 1, [6] = 1)}, {IN("[2,3,2,2]t"), WITH(3, 0, -1, 1)}, \
        {IN("[3,17,5]="), WITH(2, 0, 2)},                                                                           \
    {                                                                                                               \
        IN("[2,3,4]"), WITH(3, 0, 1, 2, [6] = 1)                                                                    \
    }
#define EMPTY                                 \
    {IN("[0]")}, {IN("[2,0]"), WITH(1, 1)},   \
    {                                         \
        IN("[2,0,3]"), WITH(2, 1, 2, [6] = 1) \
    }
#define SPECIALS                \
    {IN("[5,7]!"), WITH(1, 0)}, \
    {                           \
        IN("[40]!")             \
    }
static const sample sum_good[] = {SHAPES, SEVERAL, EMPTY, SPECIALS};
static const sample mean_good[] = {
    SHAPES, SEVERAL, {IN("[0]"), .flags = NO_GRAD}, {IN("[2,0]"), WITH(1, 1), .flags = NO_GRAD}, SPECIALS};
static const sample max_good[] = {SHAPES, SEVERAL, SPECIALS, {IN("[6,5]="), WITH(1, 0), .flags = NO_GRAD}};
static const sample argmax_good[] = {SHAPES, SPECIALS, {IN("[6,5]="), WITH(1, 0)}, {IN("[6,5]="), WITH(0, [6] = 1)}};
static const sample count_like_good[] = {{IN("[]")},
                                         {IN("[0]")},
                                         {IN("[1]")},
                                         {IN("[3,4]")},
                                         {IN("[3,4]t"), WITH(1, 0)},
                                         {IN("[3,4]"), WITH(1, -1, [6] = 1)},
                                         {IN("[2,3,4]r"), WITH(2, 0, 2)},
                                         {IN("[2,0,3]"), WITH(1, 0)},
                                         {IN("[2,0,3]"), WITH(1, 1)},
                                         {IN("[2,3]b")},
                                         {IN("[2,3]o")},
                                         {IN("[50,41]"), WITH(1, 0)}};

static void sum_more(void)
{
    BAD(reel_sum(XD("[2,3]", REEL_BOOL)), REEL_EDTYPE, "reel_sum: x is bool, allowed: f32");
    BAD(reel_sum_axes(X("[2,3]"), REEL_AXES(1, -1), false), REEL_EARG, "axis -1 is given twice");
    BAD(reel_sum_axes(X("[2,3]"), (reel_axes){.n = 9}, false), REEL_EARG, "9 axes");
    BAD(reel_sum(unset()), REEL_EARG, "before it has a value");
}

static void mean_more(void)
{
    BAD(reel_mean(XD("[2,3]", REEL_I32)), REEL_EDTYPE, "reel_mean: x is i32, allowed: f32 f64 f16 bf16");
    BAD(reel_mean_axes(X("[2,3]"), REEL_AXES(0, 0), false), REEL_EARG, "axis 0 is given twice");
}

static void max_more(void)
{
    BAD(reel_max(X("[0,3]"), 0), REEL_ESHAPE, "reel_max: axis 0 is empty: there is no maximum|x f32[0,3]");
    BAD(reel_max(X("[]"), 0), REEL_EARG, "axis 0 is out of range for rank 0");
    BAD(reel_max(symbol(), 0), REEL_ETRACE, "graph");
}

static void argmax_more(void)
{
    BAD(reel_argmax(X("[0,3]"), 0), REEL_ESHAPE, "reel_argmax: axis 0 is empty");
    BAD(reel_argmax_axes(X("[2,3]"), REEL_AXES(0, 1), false), REEL_EARG, "2 axes given, it takes one or all");
    BAD(reel_argmax_axes(X("[0]"), REEL_ALL_AXES, false), REEL_ESHAPE, "axis 0 is empty");
}

static void count_like_more(void)
{
    BAD(count_like(REEL_HERE, XD("[2]", REEL_I32), REEL_ALL_AXES, false), REEL_EDTYPE, "x is i32, allowed");
}

REDUCTION(sum, reel_sum_axes_at);
REDUCTION(mean, reel_mean_axes_at);
REDUCTION(max, reel_max_axes_at);
REDUCTION(argmax, reel_argmax_axes_at);
REDUCTION(count_like, count_like);
