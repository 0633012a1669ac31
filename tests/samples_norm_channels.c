/* samples_norm_channels.c: the normalisations by channels, and those that are compositions. An operand that is not given is
   NULL: no scale, no bias. */
#include "samples_norm.h"

/* ---- group_norm, instance_norm, batch_norm: p0 eps, p1 channels last, p2 groups or training ------------------------------ */
static void channels_of(const sample *s, const nd *p, int rank, nd *to)
{
    const int after = s->p[1] != 0 ? 0 : rank - 2;
    *to = *p;
    to->shape.rank = 1 + after;
    for (int k = 1; k <= after; k++) to->shape.dims[k] = 1;
}

static void by_channels(const sample *s, reel_dtype d, const nd *in, nd *out, unsigned mask, int64_t parts)
{
    const nd *x = &in[0];
    const int rank = x->shape.rank;
    nd scale, bias;
    norm_of n;
    if (s->in[1]) channels_of(s, &in[1], rank, &scale);
    if (s->in[2]) channels_of(s, &in[2], rank, &bias);
    grouped(&n, x, mask, s->p[1] != 0 ? rank - 1 : 1, parts);
    moments(&n, x, false);
    normalise(&n, x, s->in[1] ? &scale : NULL, s->in[2] ? &bias : NULL, s->p[0], d, &out[0]);
    forget(&n);
}

static reel_group_norm_opts group_opts(const sample *s)
{
    return (reel_group_norm_opts){.size = sizeof(reel_group_norm_opts), .eps = s->p[0], .channels_last = s->p[1] != 0};
}

static int group_norm_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_group_norm_opts o = group_opts(s);
    UNUSED;
    out[0] = reel_group_norm(in[0], (int64_t)s->p[2], in[1], in[2], &o);
    return reel_status();
}

static void group_norm_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    by_channels(s, d, in, out, ((1u << in[0].shape.rank) - 1u) & ~1u, (int64_t)s->p[2]);
}

static int instance_norm_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_group_norm_opts o = group_opts(s);
    UNUSED;
    out[0] = reel_instance_norm(in[0], in[1], in[2], &o);
    return reel_status();
}

static void instance_norm_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int rank = in[0].shape.rank, channel = s->p[1] != 0 ? rank - 1 : 1;
    by_channels(s, d, in, out, ((1u << rank) - 1u) & ~1u & ~(1u << channel), 0);
}

#define GROUP_BAD(fn, CALL)                                                                                  \
    static void fn##_bad(void)                                                                               \
    {                                                                                                        \
        reel_tensor *x = X("[2,4,3]"), *s = X("[4]");                                                        \
        BAD(CALL(NULL, s, NULL, NULL), REEL_EARG, "reel_" #fn ": x is NULL");                                \
        BAD(CALL(dead(), s, NULL, NULL), REEL_EARG, "dead");                                                 \
        BAD(CALL(x, dead(), NULL, NULL), REEL_EARG, "scale is|dead");                                        \
        BAD(CALL(x, s, dead(), NULL), REEL_EARG, "bias is|dead");                                            \
        BAD(CALL(X("[4]"), s, NULL, NULL), REEL_ESHAPE, "x of shape [4] has fewer than");                    \
        BAD(CALL(XD("[2,4,3]", REEL_I32), s, NULL, NULL), REEL_EDTYPE, "reel_" #fn ": x is i32, allowed");   \
        BAD(CALL(x, XD("[4]", REEL_F64), NULL, NULL), REEL_EDTYPE, "reel_" #fn ": dtypes differ: x is f32"); \
        BAD(CALL(x, X("[3]"), NULL, NULL), REEL_ESHAPE, "scale has shape [3], expected [4]: one number a");  \
        BAD(CALL(x, s, X("[4,1]"), NULL), REEL_ESHAPE, "bias has shape [4,1], expected [4]");                \
        BAD(CALL(x, s, NULL, REEL_OPTS(group_norm, .channels_last = true)), REEL_ESHAPE, "expected [3]");    \
        BAD(CALL(x, s, NULL, REEL_OPTS(group_norm, .eps = -2)), REEL_EARG, "eps is -2");                     \
        BAD(CALL(x, s, NULL, REEL_OPTS(group_norm, .eps = NAN)), REEL_EARG, "eps is nan");                   \
    }
#define CALL_GROUP(x, s, b, o) reel_group_norm(x, 2, s, b, o)
GROUP_BAD(group_norm, CALL_GROUP)
GROUP_BAD(instance_norm, reel_instance_norm)

static void all_group_norm_bad(void)
{
    group_norm_bad();
    BAD(reel_group_norm(X("[2,4,3]"), 3, NULL, NULL, NULL), REEL_ESHAPE, "4 channels are not a multiple of 3 groups");
    BAD(reel_group_norm(X("[2,4,3]"), 0, NULL, NULL, NULL), REEL_ESHAPE, "not a multiple of 0 groups");
    BAD(reel_group_norm(X("[2,4,3]"), INT64_MAX, NULL, NULL, NULL), REEL_ESHAPE, "not a multiple of");
}

static const sample group_good[] = {{IN("[1,4,3]"), WITH(0.1, 0, 4)},
                                    {IN("[1,1]", "[1]", "[1]"), WITH(0.1, 0, 1)},
                                    {IN("[2,4]", "[4]", "[4]"), WITH(0.1, 0, 2)},
                                    {IN("[2,4,3]", "[4]", "[4]"), WITH(0.1, 0, 2)},
                                    {IN("[2,4,3]", "[4]"), WITH(0.1, 0, 1)},
                                    {IN("[1,4,3]"), WITH(0.1, 0, 4)},
                                    {IN("[2,4,3]t", "[4]r", "[4]s"), WITH(0.1, 0, 2)},
                                    {IN("[2,4,3]r", "[4]", "[4]"), WITH(0.1, 0, 2)},
                                    {IN("[2,3,4]", "[4]", "[4]"), WITH(0.1, 1, 2)},
                                    {IN("[2,3,4]s", "[4]o", "[4]b"), WITH(0.1, 1, 2)},
                                    {IN("[2,4]", "[4]"), WITH(0.1, 1, 2)},
                                    {IN("[1,2,2,3,2]", "[2]", "[2]"), WITH(0.1, 0, 2)},
                                    {IN("[0,4,3]", "[4]", "[4]"), WITH(0.1, 0, 2)},
                                    {IN("[3,6,20,15]", "[6]", "[6]"), WITH(1e-5, 0, 3)},
                                    {IN("[3,20,15,6]", "[6]", "[6]"), WITH(1e-5, 1, 3)}};
static const sample instance_good[] = {{IN("[2,4,3]"), WITH(0.1)},
                                       {IN("[1,1,1]", "[1]", "[1]"), WITH(0.1)},
                                       {IN("[2,4,3]", "[4]", "[4]"), WITH(0.1)},
                                       {IN("[2,4,3]", "[4]"), WITH(0.1)},
                                       {IN("[1,4,3]"), WITH(0.1)},
                                       {IN("[2,4,1]", "[4]", "[4]"), WITH(0.1)},
                                       {IN("[2,4,3]t", "[4]r", "[4]s"), WITH(0.1)},
                                       {IN("[2,4,3]r", "[4]", "[4]"), WITH(0.1)},
                                       {IN("[2,3,4]", "[4]", "[4]"), WITH(0.1, 1)},
                                       {IN("[2,3,4]s", "[4]o", "[4]b"), WITH(0.1, 1)},
                                       {IN("[2,2,2,3]", "[2]", "[2]"), WITH(0.1)},
                                       {IN("[1,2,2,3,2]", "[2]", "[2]"), WITH(0.1)},
                                       {IN("[0,4,3]", "[4]", "[4]"), WITH(0.1)},
                                       {IN("[3,6,20,15]", "[6]", "[6]"), WITH(1e-5)},
                                       {IN("[3,20,15,6]", "[6]", "[6]"), WITH(1e-5, 1)}};
const samples samples_group_norm = {GOOD(group_good), .scale = 8, .apply = group_norm_apply,
                                    .reference = group_norm_reference, .bad = all_group_norm_bad};
const samples samples_instance_norm = {GOOD(instance_good), .scale = 8, .apply = instance_norm_apply,
                                       .reference = instance_norm_reference, .bad = instance_norm_bad};

/* batch_norm: x, scale, bias, and without training mean and var */
static int batch_norm_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_batch_norm_opts o = {
        .size = sizeof o, .eps = s->p[0], .channels_last = s->p[1] != 0, .training = s->p[2] != 0};
    UNUSED;
    out[0] = s->p[2] != 0 ? reel_batch_norm(in[0], in[1], in[2], NULL, NULL, &o)
                          : reel_batch_norm(in[0], in[1], in[2], in[3], in[4], &o);
    return reel_status();
}

static void batch_norm_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const nd *x = &in[0];
    const int rank = x->shape.rank, channel = s->p[1] != 0 ? rank - 1 : 1;
    if (s->p[2] != 0) {
        by_channels(s, d, in, out, ((1u << rank) - 1u) & ~(1u << channel), 0);
        return;
    }
    nd_make(out, d, x->shape);
    for (int64_t i = 0; i < x->count; i++) {
        int64_t at[REEL_MAX_RANK];
        nd_unravel(&x->shape, i, at);
        const int64_t c = at[channel];
        out->data[i] = (x->data[i] - in[3].data[c]) / sqrt(in[4].data[c] + s->p[0]) * in[1].data[c] + in[2].data[c];
    }
}

static int batch_norm_stats_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_batch_norm_opts o = {.size = sizeof o, .eps = s->p[0], .channels_last = s->p[1] != 0};
    UNUSED;
    return reel_batch_norm_stats(in[0], in[1], in[2], &o, out);
}

static void batch_norm_stats_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const nd *x = &in[0];
    const int rank = x->shape.rank, channel = s->p[1] != 0 ? rank - 1 : 1;
    const unsigned mask = ((1u << rank) - 1u) & ~(1u << channel);
    norm_of n;
    by_channels(s, d, in, out, mask, 0);
    grouped(&n, x, mask, 0, 0);
    moments(&n, x, false);
    for (int j = 1; j < 3; j++) {
        nd_make(&out[j], stat_dtype(d), (reel_shape){1, {x->shape.dims[channel]}});
        memcpy(out[j].data, j == 1 ? n.mean : n.var, (size_t)out[j].count * sizeof(double));
    }
    forget(&n);
}

#define BATCH_BAD(fn, CALL)                                                                                  \
    static void fn##_common_bad(void)                                                                        \
    {                                                                                                        \
        reel_tensor *out[3], *x = X("[2,4,3]"), *s = X("[4]"), *v = X("[4]+");                               \
        (void)out, (void)v;                                                                                  \
        BAD(CALL(NULL, s, NULL, NULL), REEL_EARG, "reel_" #fn ": x is NULL");                                \
        BAD(CALL(dead(), s, NULL, NULL), REEL_EARG, "dead");                                                 \
        BAD(CALL(x, dead(), NULL, NULL), REEL_EARG, "scale is|dead");                                        \
        BAD(CALL(X("[4]"), s, NULL, NULL), REEL_ESHAPE, "x of shape [4] has fewer than 2 axes");             \
        BAD(CALL(XD("[2,4]", REEL_I32), s, NULL, NULL), REEL_EDTYPE, "reel_" #fn ": x is i32, allowed");     \
        BAD(CALL(x, XD("[4]", REEL_F64), NULL, NULL), REEL_EDTYPE, "reel_" #fn ": dtypes differ: x is f32"); \
        BAD(CALL(x, X("[3]"), NULL, NULL), REEL_ESHAPE, "scale has shape [3], expected [4]: one number a");  \
        BAD(CALL(x, s, X("[]"), NULL), REEL_ESHAPE, "bias has shape [], expected [4]");                      \
        BAD(CALL(x, s, NULL, REEL_OPTS(batch_norm, .channels_last = true)), REEL_ESHAPE, "expected [3]");    \
        BAD(CALL(x, s, NULL, REEL_OPTS(batch_norm, .eps = -2)), REEL_EARG, "eps is -2");                     \
    }
#define CALL_BATCH(x, s, b, o) reel_batch_norm(x, s, b, v, v, o)
#define CALL_BATCH_STATS(x, s, b, o) (reel_batch_norm_stats(x, s, b, o, out) == 0)
BATCH_BAD(batch_norm, CALL_BATCH)
BATCH_BAD(batch_norm_stats, CALL_BATCH_STATS)

static void batch_norm_bad(void)
{
    reel_tensor *x = X("[2,4,3]"), *v = X("[4]+");
    batch_norm_common_bad();
    BAD(reel_batch_norm(x, NULL, NULL, NULL, v, NULL), REEL_EARG, "mean is NULL");
    BAD(reel_batch_norm(x, NULL, NULL, v, NULL, NULL), REEL_EARG, "var is NULL");
    BAD(reel_batch_norm(x, NULL, NULL, v, X("[3]"), NULL), REEL_ESHAPE, "var has shape [3], expected [4]");
    BAD(reel_batch_norm(x, NULL, NULL, v, v, REEL_OPTS(batch_norm, .training = true)), REEL_EARG, "is no variable");
    BAD(reel_batch_norm(x, NULL, NULL, v, v, REEL_OPTS(batch_norm, .momentum = 2)), REEL_EARG, "momentum is 2");
    BAD(reel_batch_norm(x, NULL, NULL, XD("[4]", REEL_I32), v, NULL), REEL_EDTYPE, "mean is i32");
}

static void batch_norm_stats_bad(void)
{
    batch_norm_stats_common_bad();
    BAD_CODE(reel_batch_norm_stats(X("[2,3]"), NULL, NULL, NULL, NULL), REEL_EARG, "out is NULL");
}

static const sample batch_good[] = {{IN("[2,3,2]"), WITH(0.1, 0, 1)},
                                    {IN("[1,1]", "[1]", "[1]"), WITH(0.1, 0, 1)},
                                    {IN("[4,3]", "[3]", "[3]"), WITH(0.1, 0, 1)},
                                    {IN("[4,3]t", "[3]"), WITH(0.1, 0, 1)},
                                    {IN("[2,3,2]"), WITH(0.1, 0, 1)},
                                    {IN("[2,3,2]r", "[3]r", "[3]s"), WITH(0.1, 0, 1)},
                                    {IN("[2,2,3]", "[3]", "[3]"), WITH(0.1, 1, 1)},
                                    {IN("[2,2,3]s", "[3]o", "[3]b"), WITH(0.1, 1, 1)},
                                    {IN("[1,3]", "[3]", "[3]"), WITH(0.1, 0, 1)},
                                    {IN("[4,0]", "[0]", "[0]"), WITH(0.1, 0, 1)},
                                    {IN("[2,2,2,2]", "[2]", "[2]"), WITH(0.1, 0, 1)},
                                    {IN("[3,6,20,15]", "[6]", "[6]"), WITH(1e-5, 0, 1)},
                                    {IN("[3,20,15,6]", "[6]", "[6]"), WITH(1e-5, 1, 1)},
                                    {IN("[200,70]", "[70]", "[70]"), WITH(1e-5, 0, 1)},
                                    {IN("[4,3]", "[3]", "[3]", "[3]", "[3]+"), WITH(0.1)},
                                    {IN("[2,3,2]t", "[3]r", "[3]", "[3]s", "[3]+"), WITH(0.1)},
                                    {IN("[2,2,3]", "[3]", "[3]", "[3]", "[3]+"), WITH(0.1, 1)},
                                    {IN("[0,3]", "[3]", "[3]", "[3]", "[3]+"), WITH(0.1)},
                                    {IN("[3,6,20,15]", "[6]", "[6]", "[6]", "[6]+"), WITH(1e-5)}};
const samples samples_batch_norm = {GOOD(batch_good), .scale = 16, .apply = batch_norm_apply,
                                    .reference = batch_norm_reference, .bad = batch_norm_bad};
const samples samples_batch_norm_stats = {.good = batch_good,
                                          .n_good = 14,
                                          .n_out = 3,
                                          .scale = 8,
                                          .apply = batch_norm_stats_apply,
                                          .reference = batch_norm_stats_reference,
                                          .bad = batch_norm_stats_bad};

/* ---- split_axis: p0 axis, p1 groups ---------------------------------------------------------------------------------- */
APPLY(split_axis, reel_split_axis_at_(REEL_HERE, in[0], (int)s->p[0], (int)s->p[1]))

static void split_axis_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int axis = (int)s->p[0] < 0 ? (int)s->p[0] + in[0].shape.rank : (int)s->p[0];
    reel_shape shape = {.rank = in[0].shape.rank + 1};
    for (int i = 0; i < in[0].shape.rank; i++) shape.dims[i + (i > axis)] = in[0].shape.dims[i];
    shape.dims[axis] = (int64_t)s->p[1];
    shape.dims[axis + 1] = in[0].shape.dims[axis] / (int64_t)s->p[1];
    nd_make(out, d, shape);
    memcpy(out->data, in[0].data, (size_t)out->count * sizeof *out->data);
}

static void split_axis_bad(void)
{
    BAD(reel_split_axis_at_(REEL_HERE, NULL, 0, 1), REEL_EARG, "x is NULL");
    BAD(reel_split_axis_at_(REEL_HERE, dead(), 0, 1), REEL_EARG, "dead");
    BAD(reel_split_axis_at_(REEL_HERE, unset(), 0, 1), REEL_EARG, "before it has a value");
    BAD(reel_split_axis_at_(REEL_HERE, symbol(), 0, 1), REEL_ETRACE, "part of a graph");
    BAD(reel_split_axis_at_(REEL_HERE, X("[4]"), 1, 2), REEL_EARG, "axis 1 is out of range for rank 1");
    BAD(reel_split_axis_at_(REEL_HERE, X("[4]"), -2, 2), REEL_EARG, "axis -2 is out of range");
    BAD(reel_split_axis_at_(REEL_HERE, X("[]"), 0, 2), REEL_EARG, "axis 0 is out of range for rank 0");
    BAD(reel_split_axis_at_(REEL_HERE, X("[4]"), 0, 3), REEL_ESHAPE, "4 channels are not a multiple of 3 groups");
    BAD(reel_split_axis_at_(REEL_HERE, X("[4]"), 0, 0), REEL_ESHAPE, "not a multiple of 0 groups");
    BAD(reel_split_axis_at_(REEL_HERE, X("[1,1,1,1,1,1,1,2]"), 7, 2), REEL_ESHAPE, "more than 8 axes");
}

static const sample split_axis_good[] = {
    {IN("[1]"), WITH(0, 1)},     {IN("[4]"), WITH(0, 2)},     {IN("[4]r"), WITH(-1, 4)},
    {IN("[2,6]"), WITH(1, 3)},   {IN("[6,2]t"), WITH(0, 3)},  {IN("[2,6]s"), WITH(1, 2)},
    {IN("[2,6]o"), WITH(-1, 1)}, {IN("[2,6]b"), WITH(1, 6)},  {IN("[0,4]"), WITH(1, 2)},
    {IN("[2,0]"), WITH(1, 3)},   {IN("[2,4,3]"), WITH(1, 2)}, {IN("[70,300]t"), WITH(1, 20)}};
const samples samples_split_axis = {GOOD(split_axis_good), .apply = split_axis_apply, .reference = split_axis_reference,
                                    .bad = split_axis_bad};

/* ---- window_sum: p0 axis, p1 before, p2 after; local_response_norm: p0 size, p1 alpha, p2 beta, p3 k, p4 channels last ----- */
APPLY(window_sum, reel_window_sum_at_(REEL_HERE, in[0], (int)s->p[0], (int64_t)s->p[1], (int64_t)s->p[2]))

static void window_of(const nd *x, int axis, int64_t before, int64_t after, bool squares, double *to)
{
    int64_t step = 1;
    for (int i = axis + 1; i < x->shape.rank; i++) step *= x->shape.dims[i];
    for (int64_t i = 0; i < x->count; i++) {
        const int64_t n = x->shape.dims[axis], at = i / step % n;
        to[i] = 0;
        for (int64_t k = at - before; k <= at + after; k++) {
            if (k < 0 || k >= n) continue;
            const double v = x->data[i + (k - at) * step];
            to[i] += squares ? v * v : v;
        }
    }
}

static void window_sum_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd_make(out, d, in[0].shape);
    window_of(&in[0], (int)s->p[0] < 0 ? (int)s->p[0] + in[0].shape.rank : (int)s->p[0], (int64_t)s->p[1],
              (int64_t)s->p[2], false, out->data);
}

static void window_sum_bad(void)
{
    BAD(reel_window_sum_at_(REEL_HERE, NULL, 0, 1, 1), REEL_EARG, "x is NULL");
    BAD(reel_window_sum_at_(REEL_HERE, dead(), 0, 1, 1), REEL_EARG, "dead");
    BAD(reel_window_sum_at_(REEL_HERE, unset(), 0, 1, 1), REEL_EARG, "before it has a value");
    BAD(reel_window_sum_at_(REEL_HERE, symbol(), 0, 1, 1), REEL_ETRACE, "part of a graph");
    BAD(reel_window_sum_at_(REEL_HERE, X("[4]"), 1, 1, 1), REEL_EARG, "axis 1 is out of range");
    BAD(reel_window_sum_at_(REEL_HERE, X("[]"), 0, 1, 1), REEL_EARG, "axis 0 is out of range");
    BAD(reel_window_sum_at_(REEL_HERE, X("[4]"), 0, -1, 1), REEL_EARG, "window");
    BAD(reel_window_sum_at_(REEL_HERE, X("[4]"), 0, 1, -1), REEL_EARG, "window");
    BAD(reel_window_sum_at_(REEL_HERE, XD("[4]", REEL_I32), 0, 1, 1), REEL_EDTYPE, "x is i32, allowed");
    BAD(reel_window_sum_at_(REEL_HERE, XD("[4]", REEL_BOOL), 0, 1, 1), REEL_EDTYPE, "x is bool, allowed");
}

static const sample window_good[] = {
    {IN("[1]"), WITH(0, 1, 1)},        {IN("[5]"), WITH(0, 1, 1)},      {IN("[5]r"), WITH(-1, 0, 2)},
    {IN("[3,4]"), WITH(0, 1, 0)},      {IN("[3,4]t"), WITH(1, 2, 1)},   {IN("[3,4]s"), WITH(1, 0, 0)},
    {IN("[3,4]o"), WITH(0, 9, 9)},     {IN("[3,4]b"), WITH(1, 1, 1)},   {IN("[0,3]"), WITH(1, 1, 1)},
    {IN("[3,0]"), WITH(1, 1, 1)},      {IN("[2,3,4]"), WITH(1, 1, 1)},  {IN("[3,9]!"), WITH(1, 1, 1), .flags = NO_GRAD},
    {IN("[40,30,20]"), WITH(1, 2, 2)}, {IN("[700,31]t"), WITH(0, 1, 2)}};
const samples samples_window_sum = {GOOD(window_good), .scale = 2, .apply = window_sum_apply,
                                    .reference = window_sum_reference, .bad = window_sum_bad};

static int local_response_norm_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_local_response_norm_opts o = {
        .size = sizeof o, .alpha = s->p[1], .beta = s->p[2], .k = s->p[3], .channels_last = s->p[4] != 0};
    UNUSED;
    out[0] = reel_local_response_norm(in[0], (int64_t)s->p[0], &o);
    return reel_status();
}

static void local_response_norm_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int64_t size = (int64_t)s->p[0];
    const double alpha = s->p[1] != 0 ? s->p[1] : 1e-4, beta = s->p[2] != 0 ? s->p[2] : 0.75,
                 k = s->p[3] != 0 ? s->p[3] : 1;
    nd_make(out, d, in[0].shape);
    window_of(&in[0], s->p[4] != 0 ? in[0].shape.rank - 1 : 1, (size - 1) / 2, size - 1 - (size - 1) / 2, true,
              out->data);
    for (int64_t i = 0; i < out->count; i++)
        out->data[i] = in[0].data[i] * pow(k + alpha / (double)size * out->data[i], -beta);
}

static void local_response_norm_bad(void)
{
    reel_tensor *x = X("[2,3]");
    BAD(reel_local_response_norm(NULL, 3, NULL), REEL_EARG, "reel_local_response_norm: x is NULL");
    BAD(reel_local_response_norm(dead(), 3, NULL), REEL_EARG, "dead");
    BAD(reel_local_response_norm(X("[3]"), 3, NULL), REEL_ESHAPE, "x of shape [3] has fewer than 2 axes");
    BAD(reel_local_response_norm(XD("[2,3]", REEL_I32), 3, NULL), REEL_EDTYPE, "x is i32, allowed");
    BAD(reel_local_response_norm(x, 0, NULL), REEL_EARG, "size 0");
    BAD(reel_local_response_norm(x, -3, NULL), REEL_EARG, "size -3");
    BAD(reel_local_response_norm(x, INT64_MAX, NULL), REEL_EARG, "size 9223372036854775807");
    BAD(reel_local_response_norm(x, 3, REEL_OPTS(local_response_norm, .alpha = NAN)), REEL_EARG, "alpha nan");
    BAD(reel_local_response_norm(x, 3, REEL_OPTS(local_response_norm, .beta = INFINITY)), REEL_EARG, "beta inf");
    BAD(reel_local_response_norm(x, 3, REEL_OPTS(local_response_norm, .k = NAN)), REEL_EARG, "k nan");
    BAD(reel_local_response_norm(symbol(), 3, NULL), REEL_ESHAPE, "fewer than 2 axes");
}

static const sample local_response_norm_good[] = {{IN("[1,1]"), WITH(1)},
                                                  {IN("[2,5]"), WITH(3, 0.5)},
                                                  {IN("[2,5]t"), WITH(2, 0.5, 0.5, 2)},
                                                  {IN("[2,5]r"), WITH(5, 0.5)},
                                                  {IN("[2,5]s"), WITH(4, 0.5)},
                                                  {IN("[2,5]o"), WITH(30, 0.5, 1)},
                                                  {IN("[2,3,4]"), WITH(3, 0.5)},
                                                  {IN("[2,3,4]"), WITH(3, 0.5, 0, 0, 1)},
                                                  {IN("[2,3,4]b"), WITH(2, 0.5)},
                                                  {IN("[0,3]"), WITH(3)},
                                                  {IN("[2,0]"), WITH(3)},
                                                  {IN("[2,3,2,2]"), WITH(3, 0.5)},
                                                  {IN("[3,20,15,10]"), WITH(5)}};
const samples samples_local_response_norm = {
    GOOD(local_response_norm_good), .scale = 4, .apply = local_response_norm_apply,
    .reference = local_response_norm_reference, .bad = local_response_norm_bad};

/* ---- lp_normalize: p0 p, p1 axis, p2 eps --------------------------------------------------------------------------------- */
APPLY(lp_normalize, reel_lp_normalize(in[0], s->p[0], (int)s->p[1], s->p[2]))

static void lp_normalize_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const nd *x = &in[0];
    const int axis = (int)s->p[1] < 0 ? (int)s->p[1] + x->shape.rank : (int)s->p[1];
    const double eps = s->p[2] != 0 ? s->p[2] : 1e-12;
    norm_of n;
    grouped(&n, x, 1u << axis, 0, 0);
    n.mean = calloc((size_t)n.n_groups + 1, sizeof *n.mean);
    n.var = NULL;
    for (int64_t i = 0; i < x->count; i++) {
        double *sum = &n.mean[n.group[i]], v = fabs(x->data[i]);
        *sum = isinf(s->p[0]) ? fmax(*sum, v) : *sum + pow(v, s->p[0]);
    }
    nd_make(out, d, x->shape);
    for (int64_t i = 0; i < x->count; i++) {
        const double sum = n.mean[n.group[i]];
        out->data[i] = x->data[i] / (isnan(sum) ? sum : fmax(isinf(s->p[0]) ? sum : pow(sum, 1 / s->p[0]), eps));
    }
    forget(&n);
}

static void lp_normalize_bad(void)
{
    reel_tensor *x = X("[2,3]");
    BAD(reel_lp_normalize(NULL, 2, 0, 0), REEL_EARG, "reel_lp_normalize: x is NULL");
    BAD(reel_lp_normalize(dead(), 2, 0, 0), REEL_EARG, "dead");
    BAD(reel_lp_normalize(unset(), 2, 0, 0), REEL_EARG, "before it has a value");
    BAD(reel_lp_normalize(symbol(), 2, 0, 0), REEL_ETRACE, "part of a graph");
    BAD(reel_lp_normalize(X("[]"), 2, 0, 0), REEL_ESHAPE, "fewer than 1 axes");
    BAD(reel_lp_normalize(XD("[2,3]", REEL_I32), 2, 0, 0), REEL_EDTYPE, "x is i32, allowed");
    BAD(reel_lp_normalize(x, 2, 2, 0), REEL_EARG, "axis 2 is out of range");
    BAD(reel_lp_normalize(x, 0.5, 0, 0), REEL_EARG, "p is 0.5");
    BAD(reel_lp_normalize(x, NAN, 0, 0), REEL_EARG, "p is nan");
    BAD(reel_lp_normalize(x, 2, 0, -1), REEL_EARG, "eps is -1");
    BAD(reel_lp_normalize(x, 2, 0, NAN), REEL_EARG, "eps is nan");
}

static const sample lp_normalize_good[] = {{IN("[1]"), WITH(2, 0)},
                                           {IN("[5]"), WITH(1, 0)},
                                           {IN("[5]r"), WITH(3, -1)},
                                           {IN("[3,4]"), WITH(2, 0)},
                                           {IN("[3,4]t"), WITH(2, 1)},
                                           {IN("[3,4]s"), WITH(1, 1)},
                                           {IN("[3,4]o"), WITH(1.5, 0)},
                                           {IN("[3,4]"), WITH(INFINITY, 1)},
                                           {IN("[3,4]"), WITH(2, 1, 30)},
                                           {IN("[0,3]"), WITH(2, 0)},
                                           {IN("[3,4]b"), WITH(2, 0)},
                                           {IN("[2,3,4]"), WITH(2, 1)},
                                           {IN("[3,9]!"), WITH(1, 1), .flags = NO_GRAD},
                                           {IN("[70,301]"), WITH(2, 1)},
                                           {IN("[70,301]t"), WITH(2, 0)}};
const samples samples_lp_normalize = {GOOD(lp_normalize_good), .scale = 4, .apply = lp_normalize_apply,
                                      .reference = lp_normalize_reference, .bad = lp_normalize_bad};
