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
    nd_make(out, d == REEL_F64 ? d : REEL_F32, REEL_SCALAR);
    out->data[0] = (double)reduced_count(&in[0], mask);
}

static reel_tensor *count_like(const char *site, reel_tensor *x, reel_axes axes, bool keepdims)
{
    reel_attr_reduce a = {.axes = axes, .keepdims = keepdims};
    return reel_count_like_at_(site, x, &a);
}

#define REDUCTION(name, function)                                                                            \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])      \
    {                                                                                                        \
        (void)d;                                                                                             \
        out[0] = function(REEL_HERE, in[0], axes_of(s), s->p[6] != 0);                                       \
        return reel_status();                                                                                \
    }                                                                                                        \
    REFUSED(name, function, "reel_" #name)                                                                   \
    const samples samples_##name = {GOOD(name##_good), .apply = name##_apply, .reference = name##_reference, \
                                    .bad = name##_bad}

/* With an argument of its own, p7. call: of x, axes, keepdims and p7; function: with one that is fine. */
#define REDUCTION_BY(name, function, call)                                                              \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[]) \
    {                                                                                                   \
        (void)d;                                                                                        \
        const bool keepdims = s->p[6] != 0;                                                             \
        const reel_axes axes = axes_of(s);                                                              \
        out[0] = call;                                                                                  \
        return reel_status();                                                                           \
    }                                                                                                   \
    REFUSED(name, function, "reel_")                                                                    \
    const samples samples_##name = {GOOD(name##_good), .scale = 4, .apply = name##_apply,               \
                                    .reference = name##_reference, .bad = name##_bad}

#define REFUSED(name, function, who)                                                                                \
    static void name##_bad(void)                                                                                    \
    {                                                                                                               \
        BAD(function(REEL_HERE, NULL, REEL_ALL_AXES, false), REEL_EARG, who "|x is NULL");                          \
        BAD(function(REEL_HERE, dead(), REEL_ALL_AXES, false), REEL_EARG, "x is |dead");                            \
        BAD(function(REEL_HERE, X("[2,3]"), REEL_AXES(2), false), REEL_EARG,                                        \
            "axis 2 is out of range for rank 2|x f32[2,3]");                                                        \
        BAD(function(REEL_HERE, X("[2,3]"), REEL_AXES(-3), true), REEL_EARG, "axis -3 is out of range for rank 2"); \
        BAD(function(REEL_HERE, X("[2,3]"), (reel_axes){.n = 9}, false), REEL_EARG, "9 axes");                      \
        BAD(function(REEL_HERE, X("[2,3]"), (reel_axes){.n = -1}, false), REEL_EARG, "-1 axes");                    \
        BAD(function(REEL_HERE, X("[]"), REEL_AXES(0), false), REEL_EARG, "axis 0 is out of range for rank 0");     \
        BAD(function(REEL_HERE, symbol(), REEL_ALL_AXES, false), REEL_ETRACE, "graph");                             \
        name##_more();                                                                                              \
    }

#define SHAPES                                                                                              \
    {IN("[]")}, {IN("[1]")}, {IN("[3,4]")}, {IN("[3,4]"), WITH(1, 0)}, {IN("[3,4]"), WITH(1, -1, [6] = 1)}, \
        {IN("[3,4]t"), WITH(1, 1)}, {IN("[7]r"), WITH(1, 0)}, {IN("[2,3]s"), WITH(1, 0)}, {IN("[2,3]o")},   \
        {IN("[3,4]b"), WITH(1, 0)}, {IN("[2,3,4]"), WITH(1, 1)}, {IN("[2,3,4]r"), WITH(1, -2, [6] = 1)},    \
        {IN("[1,5,1]"), WITH(1, 2)}, {IN("[2,0,3]"), WITH(1, 0)}, {IN("[70,301]="), WITH(1, 0)},            \
        {IN("[70,301]t="), WITH(1, 1)},                                                                     \
    {                                                                                                       \
        IN("[4001]=")                                                                                       \
    }
#define SHAPES_FEW                                                                                          \
    {IN("[]")}, {IN("[1]")}, {IN("[3,4]")}, {IN("[3,4]"), WITH(1, 0)}, {IN("[3,4]"), WITH(1, -1, [6] = 1)}, \
        {IN("[3,4]t"), WITH(1, 1)}, {IN("[7]r"), WITH(1, 0)}, {IN("[2,3]s"), WITH(1, 0)}, {IN("[2,3]o")},   \
        {IN("[3,4]b"), WITH(1, 0)}, {IN("[2,3,4]r"), WITH(1, -2, [6] = 1)}, {IN("[2,0,3]"), WITH(1, 0)},    \
        {IN("[70,31]="), WITH(1, 0)}, {IN("[31,70]t="), WITH(1, 1)},                                        \
    {                                                                                                       \
        IN("[401]=")                                                                                        \
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

/* ---- the other reductions: each output is a function of its elements in order ------------------------------ */
typedef double over_fn(const double *x, int64_t n, const sample *s, reel_dtype d);

static void over(const sample *s, const nd *x, nd *out, reel_dtype d, over_fn *f)
{
    unsigned mask;
    const reel_shape shape = reduced(s, x, &mask);
    nd_make(out, d, shape);
    double *line = calloc((size_t)x->count + 1, sizeof *line);
    for (int64_t o = 0; o < out->count; o++) {
        int64_t n = 0;
        for (int64_t i = 0; i < x->count; i++)
            if (target(x, mask, i) == o) line[n++] = x->data[i];
        out->data[o] = f(line, n, s, x->dtype);
    }
    free(line);
}

static double prod_of(const double *x, int64_t n, const sample *s, reel_dtype d)
{
    (void)s;
    double p = 1;
    uint64_t wrapped = 1;
    for (int64_t i = 0; i < n; i++) p *= x[i], wrapped *= is_int(d) ? (uint64_t)(int64_t)x[i] : 1;
    return is_int(d) ? (double)(int64_t)wrapped : p;
}

static double min_of(const double *x, int64_t n, const sample *s, reel_dtype d)
{
    (void)s, (void)d;
    double best = INFINITY;
    for (int64_t i = 0; i < n; i++)
        if (!isnan(best) && (isnan(x[i]) || x[i] < best)) best = x[i];
    return best;
}

/* sign 1: argmax, -1: argmin; last: of equals the last */
static double arg_of(const double *x, int64_t n, double sign, bool last)
{
    int64_t arg = 0;
    for (int64_t i = 1; i < n; i++) {
        const double a = sign * x[arg], b = sign * x[i];
        if (isnan(a) ? last && isnan(b) : isnan(b) || b > a || (last && a == b)) arg = i;
    }
    return (double)arg;
}

static double argmin_of(const double *x, int64_t n, const sample *s, reel_dtype d)
{
    (void)s, (void)d;
    return arg_of(x, n, -1, false);
}

static double argmax_last_of(const double *x, int64_t n, const sample *s, reel_dtype d)
{
    (void)s, (void)d;
    return arg_of(x, n, 1, true);
}

static double argmin_last_of(const double *x, int64_t n, const sample *s, reel_dtype d)
{
    (void)s, (void)d;
    return arg_of(x, n, -1, true);
}

static double count_nonzero_of(const double *x, int64_t n, const sample *s, reel_dtype d)
{
    (void)s, (void)d;
    double c = 0;
    for (int64_t i = 0; i < n; i++) c += x[i] != 0;
    return c;
}

static double any_of(const double *x, int64_t n, const sample *s, reel_dtype d)
{
    return count_nonzero_of(x, n, s, d) > 0;
}

static double all_of(const double *x, int64_t n, const sample *s, reel_dtype d)
{
    return count_nonzero_of(x, n, s, d) == (double)n;
}

static double sum_square_of(const double *x, int64_t n, const sample *s, reel_dtype d)
{
    (void)s, (void)d;
    double t = 0;
    for (int64_t i = 0; i < n; i++) t += x[i] * x[i];
    return t;
}

static double l1_of(const double *x, int64_t n, const sample *s, reel_dtype d)
{
    (void)s, (void)d;
    double t = 0;
    for (int64_t i = 0; i < n; i++) t += fabs(x[i]);
    return t;
}

static double l2_of(const double *x, int64_t n, const sample *s, reel_dtype d)
{
    return sqrt(sum_square_of(x, n, s, d));
}

static double norm_of(const double *x, int64_t n, const sample *s, reel_dtype d)
{
    const double p = s->p[7];
    double t = 0, high = 0, low = INFINITY;
    for (int64_t i = 0; i < n; i++) {
        high = fmax(high, fabs(x[i])), low = fmin(low, fabs(x[i]));
        t += pow(fabs(x[i]), p);
    }
    return p == 0 ? count_nonzero_of(x, n, s, d) : isinf(p) ? p > 0 ? high : low : pow(t, 1 / p);
}

static double variance_of(const double *x, int64_t n, const sample *s, reel_dtype d)
{
    long double mean = 0, t = 0;
    (void)d;
    for (int64_t i = 0; i < n; i++) mean += (long double)x[i] / (long double)n;
    for (int64_t i = 0; i < n; i++) t += ((long double)x[i] - mean) * ((long double)x[i] - mean);
    return n ? (double)(t / fmaxl((long double)n - (long double)s->p[7], 0)) : NAN;
}

static double std_of(const double *x, int64_t n, const sample *s, reel_dtype d)
{
    return sqrt(variance_of(x, n, s, d));
}

static double logsumexp_of(const double *x, int64_t n, const sample *s, reel_dtype d)
{
    double m = -INFINITY;
    long double t = 0;
    (void)s, (void)d;
    for (int64_t i = 0; i < n; i++) {
        if (isnan(x[i])) return NAN;
        m = fmax(m, x[i]);
    }
    if (isinf(m)) return m;
    for (int64_t i = 0; i < n; i++) t += expl((long double)x[i] - (long double)m);
    return (double)((long double)m + logl(t));
}

#define OVER(name, to)                                                                 \
    static void name##_reference(const sample *s, reel_dtype d, const nd *in, nd *out) \
    {                                                                                  \
        (void)d;                                                                       \
        over(s, &in[0], out, to, name##_of);                                           \
    }
OVER(prod, d)
OVER(min, d)
OVER(argmin, REEL_I64)
OVER(argmax_last, REEL_I64)
OVER(argmin_last, REEL_I64)
OVER(any, REEL_BOOL)
OVER(all, REEL_BOOL)
OVER(count_nonzero, REEL_I64)
OVER(l1, d)
OVER(l2, d)
OVER(sum_square, d)
OVER(norm, d)
OVER(variance, d)
OVER(std, d)
OVER(logsumexp, d)

static const sample prod_good[] = {SHAPES_FEW,
                                   SEVERAL,
                                   EMPTY,
                                   {IN("[5,7]!"), WITH(1, 0)},
                                   {IN("[40]!")},
                                   {IN("[3,4]="), WITH(1, 1)},
                                   {IN("[6]=")},
                                   {IN("[2,5]="), WITH(2, 0, 1)},
                                   {IN("[2,3,3]="), WITH(2, 0, 2)}};
static const sample min_good[] = {SHAPES, SEVERAL, SPECIALS, {IN("[6,5]="), WITH(1, 0), .flags = NO_GRAD}};
static const sample argmin_good[] = {SHAPES, SPECIALS, {IN("[6,5]="), WITH(1, 0)}, {IN("[6,5]="), WITH(0, [6] = 1)}};
#define argmax_last_good argmin_good
#define argmin_last_good argmin_good
static const sample any_good[] = {
    SHAPES, SEVERAL, EMPTY, SPECIALS, {IN("[3,5]="), WITH(1, 0)}, {IN("[400,2]?"), WITH(1, 1)}};
#define all_good any_good
#define count_nonzero_good any_good
static const sample l1_good[] = {SHAPES_FEW, SEVERAL, EMPTY, SPECIALS};
static const sample l2_good[] = {SHAPES_FEW, SEVERAL, EMPTY, SPECIALS, {IN("[40,3]"), WITH(1, 0)}};
#define sum_square_good l2_good
static const sample norm_good[] = {{IN("[]"), WITH([7] = 3)},
                                   {IN("[1]"), WITH([7] = 2)},
                                   {IN("[3,4]"), WITH([7] = 1)},
                                   {IN("[3,4]"), WITH(1, 0, [7] = 2)},
                                   {IN("[3,4]t"), WITH(1, -1, [6] = 1, [7] = 3)},
                                   {IN("[7]r"), WITH(1, 0, [7] = INFINITY)},
                                   {IN("[2,5]s"), WITH(1, 1, [7] = -INFINITY)},
                                   {IN("[2,3]o"), WITH(1, 0, [7] = 0), .flags = NO_GRAD},
                                   {IN("[2,3,4]"), WITH(2, 0, 2, [7] = 1.5)},
                                   {IN("[2,3,4]r"), WITH(1, 1, [6] = 1, [7] = 0.5)},
                                   {IN("[3,4]b"), WITH(1, 0, [7] = -1)},
                                   {IN("[0]"), WITH([7] = 3)},
                                   {IN("[70,31]"), WITH(1, 0, [7] = 4)},
                                   {IN("[2,6]="), WITH(1, 1, [7] = 3), .flags = NO_GRAD}};
#define BY(c)                                                                                                         \
    {IN("[3,4]"), WITH([7] = c)}, {IN("[3,4]"), WITH(1, 0, [7] = c)}, {IN("[5,3]t"), WITH(1, -1, [6] = 1, [7] = c)},  \
        {IN("[7]r"), WITH(1, 0, [7] = c)}, {IN("[2,3]s"), WITH(1, 1, [7] = c)}, {IN("[4,3]o"), WITH([7] = c)},        \
        {IN("[3,4]b"), WITH(1, 0, [7] = c)}, {IN("[2,3,4]"), WITH(2, 0, 2, [7] = c)},                                 \
        {IN("[2,3,4]r"), WITH(1, -2, [6] = 1, [7] = c)}, {IN("[70,301]"), WITH(1, 0, [7] = c)},                       \
        {IN("[70,301]t"), WITH(1, 1, [7] = c)}, {IN("[40001]"), WITH([7] = c)}, {IN("[2,0,3]"), WITH(1, 0, [7] = c)}, \
        {IN("[0]"), WITH([7] = c), .flags = NO_GRAD}, {IN("[40]!"), WITH([7] = c)},                                   \
    {                                                                                                                 \
        IN("[5,7]!"), WITH(1, 0, [7] = c)                                                                             \
    }
static const sample variance_good[] = {BY(0),
                                       BY(1),
                                       {IN("[3,4]"), WITH([7] = -0.5)},
                                       {IN("[]")},
                                       {IN("[1]"), WITH([7] = 1), .flags = NO_GRAD},
                                       {IN("[3,1]"), WITH(1, 1)}};
static const sample std_good[] = {BY(0),
                                  BY(1),
                                  {IN("[]"), .flags = NO_GRAD},
                                  {IN("[1]"), WITH([7] = 1), .flags = NO_GRAD},
                                  {IN("[3,1]"), WITH(1, 1), .flags = NO_GRAD}};
static const sample logsumexp_good[] = {SHAPES_FEW,
                                        SEVERAL,
                                        {IN("[0]"), .flags = NO_GRAD},
                                        {IN("[2,0]"), WITH(1, 1), .flags = NO_GRAD},
                                        {IN("[2,0,3]"), WITH(2, 1, 2, [6] = 1), .flags = NO_GRAD},
                                        SPECIALS,
                                        {IN("[70,301]"), WITH(1, 0)},
                                        {IN("[70,301]t"), WITH(1, 1)},
                                        {IN("[40001]")},
                                        {IN("[3,2000]"), WITH(1, 1)}};

static reel_tensor *norm3(const char *site, reel_tensor *x, reel_axes axes, bool keepdims)
{
    return reel_norm_at(site, x, 3, axes, keepdims);
}

static reel_tensor *variance1(const char *site, reel_tensor *x, reel_axes axes, bool keepdims)
{
    return reel_variance_at(site, x, axes, 1, keepdims);
}

static reel_tensor *std1(const char *site, reel_tensor *x, reel_axes axes, bool keepdims)
{
    return reel_std_at(site, x, axes, 1, keepdims);
}

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

static void twice(reel_tensor *(*f)(const char *, reel_tensor *, reel_axes, bool))
{
    BAD(f(REEL_HERE, X("[2,3]"), REEL_AXES(1, -1), false), REEL_EARG, "axis -1 is given twice");
}

static void ints(reel_tensor *(*f)(const char *, reel_tensor *, reel_axes, bool))
{
    twice(f);
    BAD(f(REEL_HERE, XD("[2,3]", REEL_I32), REEL_ALL_AXES, false), REEL_EDTYPE, "x is i32, allowed: f32 f64 f16 bf16");
}

static void prod_more(void)
{
    twice(reel_prod_axes_at);
    BAD(reel_prod(XD("[2,3]", REEL_BOOL)), REEL_EDTYPE, "reel_prod: x is bool, allowed: f32");
}

static void min_more(void)
{
    twice(reel_min_axes_at);
    BAD(reel_min(X("[0,3]"), 0), REEL_ESHAPE, "reel_min: axis 0 is empty: there is no minimum|x f32[0,3]");
    BAD(reel_min(X("[]"), 0), REEL_EARG, "axis 0 is out of range for rank 0");
}

static void argmin_more(void)
{
    BAD(reel_argmin(X("[0,3]"), 0), REEL_ESHAPE, "reel_argmin: axis 0 is empty: there is no minimum");
    BAD(reel_argmin_axes(X("[2,3]"), REEL_AXES(0, 1), false), REEL_EARG, "2 axes given, it takes one or all");
}

static void argmax_last_more(void)
{
    BAD(reel_argmax_last(X("[0,3]"), REEL_AXES(0), true), REEL_ESHAPE, "reel_argmax: axis 0 is empty");
    BAD(reel_argmax_last(X("[2,3]"), REEL_AXES(0, 1), false), REEL_EARG, "2 axes given, it takes one or all");
}

static void argmin_last_more(void)
{
    BAD(reel_argmin_last(X("[0,3]"), REEL_AXES(0), true), REEL_ESHAPE, "reel_argmin: axis 0 is empty");
    BAD(reel_argmin_last(X("[2,3]"), REEL_AXES(0, 1), false), REEL_EARG, "2 axes given, it takes one or all");
}

static void any_more(void)
{
    twice(reel_any_axes_at);
}

static void all_more(void)
{
    twice(reel_all_axes_at);
}

static void count_nonzero_more(void)
{
    twice(reel_count_nonzero_axes_at);
}

static void l1_more(void)
{
    ints(reel_l1_at);
}

static void l2_more(void)
{
    ints(reel_l2_at);
}

static void sum_square_more(void)
{
    ints(reel_sum_square_at);
}

static void norm_more(void)
{
    BAD(reel_norm(X("[2,3]"), NAN, REEL_ALL_AXES, false), REEL_EARG, "reel_norm: p is NaN");
    BAD(reel_norm(X("[0,3]"), INFINITY, REEL_ALL_AXES, false), REEL_ESHAPE, "axis 0 is empty: there is no maximum");
    BAD(reel_norm(XD("[2,3]", REEL_I32), 3, REEL_ALL_AXES, false), REEL_EDTYPE, "i32");
}

static void variance_more(void)
{
    ints(variance1);
    BAD(reel_variance(X("[2,3]"), REEL_ALL_AXES, NAN, false), REEL_EARG, "correction nan is not finite");
    BAD(reel_variance(X("[2,3]"), REEL_ALL_AXES, INFINITY, false), REEL_EARG, "correction inf is not finite");
}

static void std_more(void)
{
    ints(std1);
    BAD(reel_std(X("[2,3]"), REEL_ALL_AXES, -INFINITY, false), REEL_EARG, "correction -inf is not finite");
}

static void logsumexp_more(void)
{
    ints(reel_logsumexp_axes_at);
    BAD(reel_logsumexp(X("[2]"), 1), REEL_EARG, "axis 1 is out of range for rank 1");
}

REDUCTION(prod, reel_prod_axes_at);
REDUCTION(min, reel_min_axes_at);
REDUCTION(argmin, reel_argmin_axes_at);
REDUCTION(any, reel_any_axes_at);
REDUCTION(all, reel_all_axes_at);
REDUCTION(count_nonzero, reel_count_nonzero_axes_at);
REDUCTION(l1, reel_l1_at);
REDUCTION(l2, reel_l2_at);
REDUCTION(sum_square, reel_sum_square_at);
REDUCTION(logsumexp, reel_logsumexp_axes_at);
REDUCTION_BY(argmax_last, reel_argmax_last_at, reel_argmax_last(in[0], axes, keepdims));
REDUCTION_BY(argmin_last, reel_argmin_last_at, reel_argmin_last(in[0], axes, keepdims));
REDUCTION_BY(norm, norm3, reel_norm(in[0], s->p[7], axes, keepdims));
REDUCTION_BY(variance, variance1, reel_variance(in[0], axes, s->p[7], keepdims));
REDUCTION_BY(std, std1, reel_std(in[0], axes, s->p[7], keepdims));
