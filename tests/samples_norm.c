/* samples_norm.c: the normalisations against plain loops. An operand that is not given is NULL: no scale, no bias. */
#include "samples_norm.h"

/* ---- norm: p0 eps, p1 mask of axes, p2 rms ------------------------------------------------------------------------ */
static reel_attr_normalize attr_of(const sample *s)
{
    reel_attr_normalize a;
    memset(&a, 0, sizeof a);
    a.eps = s->p[0];
    a.rms = (int64_t)s->p[2];
    for (int k = 0; k < REEL_MAX_RANK; k++)
        if (((unsigned)s->p[1] >> k) & 1u) a.axes.axis[a.axes.n++] = k;
    return a;
}

static unsigned mask_of(const sample *s, const nd *x)
{
    return s->p[1] == 0 ? (1u << x->shape.rank) - 1u : (unsigned)s->p[1];
}

static int norm_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_attr_normalize a = attr_of(s);
    UNUSED;
    return reel_normalize_at_(REEL_HERE, in[0], in[1], in[2], &a, out);
}

static void norm_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    norm_of n;
    const unsigned mask = mask_of(s, &in[0]);
    grouped(&n, &in[0], mask, 0, 0);
    moments(&n, &in[0], s->p[2] != 0);
    normalise(&n, &in[0], s->in[1] ? &in[1] : NULL, s->in[2] ? &in[2] : NULL, s->p[0], d, &out[0]);
    keepdims(&n, n.mean, &in[0], mask, d, &out[1]);
    keepdims(&n, n.var, &in[0], mask, d, &out[2]);
    forget(&n);
}

static void norm_bad(void)
{
    reel_attr_normalize a, twice, far, nan, low;
    reel_tensor *out[3], *x = X("[2,3]");
    memset(&a, 0, sizeof a);
    a.eps = 1e-5;
    twice = far = nan = low = a;
    twice.axes = REEL_AXES(1, -1);
    far.axes = REEL_AXES(2);
    nan.eps = NAN;
    low.eps = -1;
    BAD_CODE(reel_normalize_at_(REEL_HERE, NULL, NULL, NULL, &a, out), REEL_EARG, "x is NULL");
    BAD_CODE(reel_normalize_at_(REEL_HERE, dead(), NULL, NULL, &a, out), REEL_EARG, "dead");
    BAD_CODE(reel_normalize_at_(REEL_HERE, unset(), NULL, NULL, &a, out), REEL_EARG, "before it has a value");
    BAD_CODE(reel_normalize_at_(REEL_HERE, symbol(), NULL, NULL, &a, out), REEL_ETRACE, "part of a graph");
    BAD_CODE(reel_normalize_at_(REEL_HERE, XD("[2,3]", REEL_I32), NULL, NULL, &a, out), REEL_EDTYPE,
             "x is i32, allowed");
    BAD_CODE(reel_normalize_at_(REEL_HERE, x, XD("[3]", REEL_F64), NULL, &a, out), REEL_EDTYPE, "dtypes differ");
    BAD_CODE(reel_normalize_at_(REEL_HERE, x, X("[2]"), NULL, &a, out), REEL_ESHAPE,
             "scale of shape [2] does not broadcast");
    BAD_CODE(reel_normalize_at_(REEL_HERE, x, X("[3]"), X("[1,2,3]"), &a, out), REEL_ESHAPE,
             "bias of shape [1,2,3] does not");
    BAD_CODE(reel_normalize_at_(REEL_HERE, x, NULL, NULL, &twice, out), REEL_EARG, "axis -1 is given twice");
    BAD_CODE(reel_normalize_at_(REEL_HERE, x, NULL, NULL, &far, out), REEL_EARG, "axis 2 is out of range for rank 2");
    BAD_CODE(reel_normalize_at_(REEL_HERE, x, NULL, NULL, &nan, out), REEL_EARG, "eps is nan");
    BAD_CODE(reel_normalize_at_(REEL_HERE, x, NULL, NULL, &low, out), REEL_EARG, "eps is -1");
}

static const sample norm_good[] = {{IN("[]"), WITH(0.5)},
                                   {IN("[1]"), WITH(0.5)},
                                   {IN("[5]"), WITH(0.01)},
                                   {IN("[3,4]", "[4]", "[4]"), WITH(0.01, 2)},
                                   {IN("[3,4]t", "[4]r", "[4]s"), WITH(0.01, 2)},
                                   {IN("[3,4]r", "[3,1]"), WITH(0.01, 2)},
                                   {IN("[3,4]s", "[4]", "[4]b"), WITH(0.1, 1)},
                                   {IN("[3,4]o", "[4]b"), WITH(0.1, 1, 1)},
                                   {IN("[2,3,2]", "[3,1]", "[3,1]"), WITH(0.1, 5)},
                                   {IN("[2,3,2]t", "[3,2]"), WITH(0.1, 4, 1)},
                                   {IN("[2,3,4]", "[]"), WITH(0.1, 6)},
                                   {IN("[2,2,3]", "[2,2,1]", "[3]"), WITH(0.1, 2)},
                                   {IN("[0,3]"), WITH(0.1, 2)},
                                   {IN("[3,0]"), WITH(0.1, 2), .flags = NO_GRAD},
                                   {IN("[3,4]!", "[4]"), WITH(0.1, 2), .flags = NO_GRAD},
                                   {IN("[3,70]!", "[3,1]"), WITH(0.1, 1), .flags = NO_GRAD},
                                   {IN("[40,33]b"), WITH(0.1, 1)},
                                   {IN("[70,301]", "[301]", "[301]"), WITH(1e-5, 2)},
                                   {IN("[70,301]t", "[301]"), WITH(1e-5, 1, 1)},
                                   {IN("[2300,9]", "[9]"), WITH(1e-5, 1)},
                                   {IN("[4,3,30,20]", "[3,1,1]", "[3,1,1]"), WITH(1e-5, 13)}};
const samples samples_normalize = {GOOD_OF(norm_good, 3), .scale = 8, .apply = norm_apply, .reference = norm_reference,
                                   .bad = norm_bad};

/* ---- norm_grad: g, x, mean, var, scale; p as norm's. Mean and var are whatever they are given. ------------------------- */
static int norm_grad_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_attr_normalize a = attr_of(s);
    reel_tensor *const all[5] = {in[0], in[1], reel_cast(in[2], stat_dtype(d)), reel_cast(in[3], stat_dtype(d)), in[4]};
    return reel_normalize_grad_at_(REEL_HERE, all, 5, &a, out);
}

static void norm_grad_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const nd *g = &in[0], *x = &in[1], *scale = &in[4];
    const bool rms = s->p[2] != 0;
    norm_of n;
    grouped(&n, x, mask_of(s, x), 0, 0);
    double *mean = calloc((size_t)n.n_groups + 1, sizeof *mean), *dot = calloc((size_t)n.n_groups + 1, sizeof *dot);
    double *count = calloc((size_t)n.n_groups + 1, sizeof *count), *hat = calloc((size_t)x->count + 1, sizeof *hat);
    nd_make(&out[0], d, x->shape);
    nd_make(&out[1], d, scale->shape);
    nd_make(&out[2], d, scale->shape);
    for (int64_t i = 0; i < x->count; i++) {
        const int64_t k = n.group[i], at = nd_index(scale, &x->shape, i);
        const double w = g->data[i] * scale->data[at];
        hat[i] = (x->data[i] - (rms ? 0 : in[2].data[k])) / sqrt(in[3].data[k] + s->p[0]);
        mean[k] += w, dot[k] += w * hat[i], count[k]++;
        out[1].data[at] += g->data[i] * hat[i];
        out[2].data[at] += g->data[i];
    }
    for (int64_t i = 0; i < x->count; i++) {
        const int64_t k = n.group[i];
        const double w = g->data[i] * nd_at(scale, &x->shape, i);
        out[0].data[i] =
            (w - (rms ? 0 : mean[k] / count[k]) - hat[i] * dot[k] / count[k]) / sqrt(in[3].data[k] + s->p[0]);
    }
    n.mean = n.var = NULL;
    free(mean), free(dot), free(count), free(hat);
    forget(&n);
}

static void norm_grad_bad(void)
{
    reel_attr_normalize a;
    reel_tensor *out[3], *x = X("[2,3]"), *m = X("[2,1]"), *s = X("[3]");
    memset(&a, 0, sizeof a);
    a.axes = REEL_AXES(1);
#define CALL(...) reel_normalize_grad_at_(REEL_HERE, (reel_tensor *const[]){__VA_ARGS__}, 5, &a, out)
    BAD_CODE(CALL(NULL, x, m, m, s), REEL_EARG, "g is NULL");
    BAD_CODE(CALL(x, NULL, m, m, s), REEL_EARG, "x is NULL");
    BAD_CODE(CALL(x, x, NULL, m, s), REEL_EARG, "mean is NULL");
    BAD_CODE(CALL(x, x, m, dead(), s), REEL_EARG, "dead");
    BAD_CODE(CALL(x, x, m, m, NULL), REEL_EARG, "NULL");
    BAD_CODE(CALL(X("[3,2]"), x, m, m, s), REEL_ESHAPE, "g does not have the shape of x");
    BAD_CODE(CALL(x, x, X("[2]"), m, s), REEL_ESHAPE, "mean does not belong to x");
    BAD_CODE(CALL(x, x, m, XD("[2,1]", REEL_F64), s), REEL_ESHAPE, "var does not belong to x");
    BAD_CODE(CALL(x, x, m, m, X("[2]")), REEL_ESHAPE, "scale of shape [2] does not broadcast");
    BAD_CODE(CALL(x, XD("[2,3]", REEL_F64), m, m, s), REEL_EDTYPE, "dtypes differ");
    BAD_CODE(CALL(x, x, m, m, symbol()), REEL_ETRACE, "part of a graph");
#undef CALL
}

static const sample norm_grad_good[] = {
    {IN("[]", "[]", "[]", "[]+", "[]"), WITH(0.5)},
    {IN("[4]", "[4]", "[1]", "[1]+", "[4]"), WITH(0.1)},
    {IN("[3,4]", "[3,4]", "[3,1]", "[3,1]+", "[4]"), WITH(0.1, 2)},
    {IN("[3,4]t", "[3,4]r", "[3,1]", "[3,1]r+", "[4]s"), WITH(0.1, 2)},
    {IN("[3,4]s", "[3,4]o", "[3,1]s", "[3,1]+", "[3,1]"), WITH(0.1, 2, 1)},
    {IN("[3,4]b", "[3,4]", "[1,4]", "[1,4]+", "[4]"), WITH(0.1, 1)},
    {IN("[3,4]", "[3,4]t", "[1,4]", "[1,4]+", "[3,1]"), WITH(0.1, 1)},
    {IN("[2,3,2]", "[2,3,2]", "[1,3,1]", "[1,3,1]+", "[3,1]"), WITH(0.1, 5)},
    {IN("[2,2,3]", "[2,2,3]", "[2,1,3]", "[2,1,3]+", "[2,1]"), WITH(0.1, 2)},
    {IN("[0,3]", "[0,3]", "[0,1]", "[0,1]+", "[3]"), WITH(0.1, 2)},
    {IN("[3,0]", "[3,0]", "[3,1]", "[3,1]+", "[1]"), WITH(0.1, 2)},
    {IN("[2,3]", "[2,3]", "[2,1]", "[2,1]+", "[]"), WITH(0.1, 2)},
    {IN("[70,301]t", "[70,301]", "[70,1]", "[70,1]+", "[301]"), WITH(0.1, 2), .flags = NO_GRAD},
    {IN("[70,301]", "[70,301]", "[1,301]", "[1,301]+", "[301]"), WITH(0.1, 1), .flags = NO_GRAD},
    {IN("[2100,40]", "[2100,40]", "[1,40]", "[1,40]+", "[1]"), WITH(0.1, 1), .flags = NO_GRAD}};
const samples samples_normalize_grad = {GOOD_OF(norm_grad_good, 3), .scale = 200, .apply = norm_grad_apply,
                                        .reference = norm_grad_reference, .bad = norm_grad_bad};

/* ---- layer_norm, layer_norm_stats, rms_norm: p0 eps, p1 rank, p2 mask of axes, p3 the second operand is the bias ---------- */
static reel_layer_norm_opts layer_opts(const sample *s)
{
    reel_layer_norm_opts o = {.size = sizeof o, .eps = s->p[0], .rank = (int)s->p[1]};
    for (int k = 0; k < REEL_MAX_RANK; k++)
        if (((unsigned)s->p[2] >> k) & 1u) o.axes.axis[o.axes.n++] = k;
    return o;
}

static int layer_norm_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_layer_norm_opts o = layer_opts(s);
    UNUSED;
    out[0] = s->p[3] != 0 ? reel_layer_norm(in[0], NULL, in[1], &o) : reel_layer_norm(in[0], in[1], in[2], &o);
    return reel_status();
}

static int layer_norm_stats_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_layer_norm_opts o = layer_opts(s);
    UNUSED;
    return s->p[3] != 0 ? reel_layer_norm_stats(in[0], NULL, in[1], &o, out)
                        : reel_layer_norm_stats(in[0], in[1], in[2], &o, out);
}

static int rms_norm_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_layer_norm_opts o = layer_opts(s);
    UNUSED;
    out[0] = reel_rms_norm(in[0], s->p[3] != 0 ? NULL : in[1], &o);
    return reel_status();
}

static void layer_of(const sample *s, reel_dtype d, const nd *in, nd *out, bool rms, bool stats)
{
    const nd *x = &in[0], *scale = s->in[1] && s->p[3] == 0 ? &in[1] : NULL;
    const nd *bias = rms ? NULL : s->p[3] != 0 ? &in[1] : s->in[2] ? &in[2] : NULL;
    const int rank = s->p[1] != 0 ? (int)s->p[1] : 1, r = x->shape.rank;
    const unsigned mask = s->p[2] != 0 ? (unsigned)s->p[2] : ((1u << rank) - 1u) << (r - rank);
    const double eps = s->p[0] != 0 || signbit(s->p[0]) ? fabs(s->p[0]) : 1e-5;
    norm_of n;
    grouped(&n, x, mask, 0, 0);
    moments(&n, x, rms);
    normalise(&n, x, scale, bias, eps, d, &out[0]);
    if (stats) {
        for (int64_t g = 0; g < n.n_groups; g++) n.var[g] = 1 / sqrt(n.var[g] + eps);
        keepdims(&n, n.mean, x, mask, d, &out[1]);
        keepdims(&n, n.var, x, mask, d, &out[2]);
    }
    forget(&n);
}

static void layer_norm_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    layer_of(s, d, in, out, false, false);
}

static void layer_norm_stats_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    layer_of(s, d, in, out, false, true);
}

static void rms_norm_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    layer_of(s, d, in, out, true, false);
}

#define LAYER_BAD(fn, CALL)                                                                                          \
    static void fn##_bad(void)                                                                                       \
    {                                                                                                                \
        reel_tensor *out[3], *x = X("[2,3]"), *s = X("[3]");                                                         \
        (void)out;                                                                                                   \
        BAD(CALL(NULL, s, NULL), REEL_EARG, "reel_" #fn ": x is NULL");                                              \
        BAD(CALL(dead(), s, NULL), REEL_EARG, "dead");                                                               \
        BAD(CALL(unset(), s, NULL), REEL_EARG, "before it has a value");                                             \
        BAD(CALL(symbol(), s, NULL), REEL_ETRACE, "part of a graph");                                                \
        BAD(CALL(x, dead(), NULL), REEL_EARG, "scale is|dead");                                                      \
        BAD(CALL(XD("[2,3]", REEL_I32), NULL, NULL), REEL_EDTYPE, "reel_" #fn ": x is i32, allowed: f32 f64");       \
        BAD(CALL(x, XD("[3]", REEL_F64), NULL), REEL_EDTYPE, "reel_" #fn ": dtypes differ: x is f32 and scale f64"); \
        BAD(CALL(x, X("[2]"), NULL), REEL_ESHAPE, "scale of shape [2] does not broadcast to x of shape [2,3]");      \
        BAD(CALL(X("[]"), NULL, NULL), REEL_EARG, "1 trailing axes cannot be normalised in x of shape []");          \
        BAD(CALL(x, s, REEL_OPTS(layer_norm, .rank = 3)), REEL_EARG, "3 trailing axes");                             \
        BAD(CALL(x, s, REEL_OPTS(layer_norm, .rank = -1)), REEL_EARG, "-1 trailing axes");                           \
        BAD(CALL(x, s, REEL_OPTS(layer_norm, .axes = {1, {2}})), REEL_EARG, "axis 2 is out of range");               \
        BAD(CALL(x, s, REEL_OPTS(layer_norm, .eps = NAN)), REEL_EARG, "eps is nan");                                 \
        BAD(CALL(x, s, REEL_OPTS(layer_norm, .eps = -1)), REEL_EARG, "eps is -1");                                   \
    }
#define CALL_LAYER(x, s, o) reel_layer_norm(x, s, NULL, o)
#define CALL_STATS(x, s, o) (reel_layer_norm_stats(x, s, NULL, o, out) == 0)
#define CALL_RMS(x, s, o) reel_rms_norm(x, s, o)
LAYER_BAD(layer_norm, CALL_LAYER)
LAYER_BAD(layer_norm_stats, CALL_STATS)
LAYER_BAD(rms_norm, CALL_RMS)

static const sample layer_good[] = {{IN("[1]"), WITH(0.5)},
                                    {IN("[7]"), WITH(0)},
                                    {IN("[3,4]", "[4]", "[4]"), WITH(0)},
                                    {IN("[3,4]", "[4]"), WITH(0)},
                                    {IN("[3,4]", "[4]"), WITH(0.1, 0, 0, 1)},
                                    {IN("[3,4]t", "[4]r", "[4]s"), WITH(0.1)},
                                    {IN("[3,4]r", "[4]", "[1]"), WITH(0.1)},
                                    {IN("[3,4]s", "[3,4]", "[4]"), WITH(0.1)},
                                    {IN("[2,2,3]o", "[2,3]", "[2,3]"), WITH(0.1, 2)},
                                    {IN("[2,2,3]", "[2,2,3]"), WITH(0.1, 3)},
                                    {IN("[2,3,2]", "[3,1]", "[3,1]"), WITH(0.1, 0, 2)},
                                    {IN("[2,3,2]t", "[2]"), WITH(0.1, 0, 5)},
                                    {IN("[0,3]", "[3]"), WITH(0.1)},
                                    {IN("[3,4]b"), WITH(0.1, 0, 1)},
                                    {IN("[3,9]!"), WITH(0), .flags = NO_GRAD},
                                    {IN("[70,301]", "[301]", "[301]"), WITH(0)},
                                    {IN("[70,301]t", "[301]t", "[301]"), WITH(0, 2)}};
const samples samples_layer_norm = {GOOD(layer_good), .scale = 8, .apply = layer_norm_apply,
                                    .reference = layer_norm_reference, .bad = layer_norm_bad};
const samples samples_layer_norm_stats = {GOOD_OF(layer_good, 3), .scale = 8, .apply = layer_norm_stats_apply,
                                          .reference = layer_norm_stats_reference, .bad = layer_norm_stats_bad};
const samples samples_rms_norm = {GOOD(layer_good), .scale = 8, .apply = rms_norm_apply,
                                  .reference = rms_norm_reference, .bad = rms_norm_bad};
