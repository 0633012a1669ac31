/* samples_constants.c: zeros, ones, their _like forms and randn. p0 rank, p1.. dims. */
#include "samples.h"

static reel_shape dims_of(const sample *s)
{
    reel_shape shape = {.rank = (int)s->p[0]};
    for (int i = 0; i < shape.rank; i++) shape.dims[i] = (int64_t)s->p[i + 1];
    return shape;
}

static void fill(nd *out, reel_dtype d, reel_shape shape, double value)
{
    nd_make(out, d, shape);
    for (int64_t i = 0; i < out->count; i++) out->data[i] = value;
}

#define DIMS                                                                                                \
    {WITH(0)}, {WITH(1, 0)}, {WITH(1, 1)}, {WITH(1, 7)}, {WITH(2, 3, 4)}, {WITH(2, 0, 3)}, {WITH(2, 3, 0)}, \
        {WITH(3, 2, 3, 4)}, {WITH(3, 1, 1, 1)}, {WITH(4, 2, 1, 3, 2)}, {WITH(2, 70, 301)},                  \
    {                                                                                                       \
        WITH(1, 20001)                                                                                      \
    }
static const sample constants[] = {DIMS};

#define CONSTANT(name, value)                                                                              \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])    \
    {                                                                                                      \
        (void)in;                                                                                          \
        out[0] = reel_##name(d, dims_of(s));                                                               \
        return reel_status();                                                                              \
    }                                                                                                      \
    static void name##_reference(const sample *s, reel_dtype d, const nd *in, nd *out)                     \
    {                                                                                                      \
        (void)in;                                                                                          \
        fill(out, d, dims_of(s), value);                                                                   \
    }                                                                                                      \
    static void name##_bad(void)                                                                           \
    {                                                                                                      \
        const reel_shape nine = {.rank = 9}, less = {.rank = -1};                                          \
        BAD(reel_##name(REEL_F32, REEL_SHAPE(2, -3)), REEL_ESHAPE, "negative dimension|axis 1 is -3");     \
        BAD(reel_##name(REEL_F32, REEL_SHAPE(-9)), REEL_ESHAPE, "axis 0 is -9");                           \
        BAD(reel_##name(REEL_F32, nine), REEL_ESHAPE, "rank 9");                                           \
        BAD(reel_##name(REEL_F32, less), REEL_ESHAPE, "rank -1");                                          \
        BAD(reel_##name(REEL_F32, REEL_SHAPE(1LL << 40, 1LL << 40)), REEL_ESHAPE, "overflow");             \
        BAD(reel_##name(REEL_I8, REEL_SHAPE(1LL << 62, 4)), REEL_ESHAPE, "overflow");                      \
        BAD(reel_##name((reel_dtype)0, REEL_SHAPE(2)), REEL_EDTYPE, "0 is no dtype");                      \
        BAD(reel_##name((reel_dtype)-1, REEL_SHAPE(2)), REEL_EDTYPE, "is no dtype");                       \
        BAD(reel_##name(REEL_N_DTYPES, REEL_SHAPE(2)), REEL_EDTYPE, "is no dtype");                        \
        BAD(reel_##name(REEL_F32, REEL_SHAPE(REEL_ANY, 2)), REEL_ESHAPE, "unknown dimension");             \
    }                                                                                                      \
    const samples samples_##name = {GOOD(constants), .apply = name##_apply, .reference = name##_reference, \
                                    .bad = name##_bad}
CONSTANT(zeros, 0);
CONSTANT(ones, 1);

static const sample likes[] = {{IN("[]")},     {IN("[0]")},    {IN("[1]")},      {IN("[3,4]")},
                               {IN("[3,4]t")}, {IN("[5]r")},   {IN("[2,3]s")},   {IN("[2,3]o")},
                               {IN("[2,3]b")}, {IN("[4,0]s")}, {IN("[2,1,3]t")}, {IN("[70,301]")}};
#define LIKE(name, value)                                                                               \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[]) \
    {                                                                                                   \
        (void)s, (void)d;                                                                               \
        out[0] = reel_##name(in[0]);                                                                    \
        return reel_status();                                                                           \
    }                                                                                                   \
    static void name##_reference(const sample *s, reel_dtype d, const nd *in, nd *out)                  \
    {                                                                                                   \
        (void)s;                                                                                        \
        fill(out, d, in[0].shape, value);                                                               \
    }                                                                                                   \
    static void name##_bad(void)                                                                        \
    {                                                                                                   \
        BAD(reel_##name(NULL), REEL_EARG, "x is NULL");                                                 \
        BAD(reel_##name(dead()), REEL_EARG, "x is |dead");                                              \
        BAD(reel_##name(symbol()), REEL_ETRACE, "graph");                                               \
        BAD(reel_##name(reel_reshape(X("[2]"), REEL_SHAPE(3))), REEL_ESHAPE, "reel_reshape");           \
        BAD(reel_##name(reel_add(X("[2]"), X("[3]"))), REEL_ESHAPE, "reel_add");                        \
        BAD(reel_##name(reel_transpose(X("[2]"), REEL_AXES(1))), REEL_EARG, "axis 1");                  \
        BAD(reel_##name(reel_cast(X("[2]"), (reel_dtype)0)), REEL_EDTYPE, "no dtype");                  \
    }                                                                                                   \
    const samples samples_##name = {GOOD(likes), .apply = name##_apply, .reference = name##_reference,  \
                                    .bad = name##_bad, .shape_only = true}
LIKE(zeros_like, 0);
LIKE(ones_like, 1);

/* ---- randn: mean 0, deviation 1, within what chance allows --------------------------------------------- */
static int randn_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)in;
    out[0] = reel_randn(d, dims_of(s));
    return reel_status();
}

static bool randn_accept(const sample *s, reel_dtype d, const nd *out)
{
    const reel_shape want = dims_of(s);
    double sum = 0, square = 0;
    if (out->dtype != d || !reel_shape_same_(&out->shape, &want)) return false;
    for (int64_t i = 0; i < out->count; i++) {
        if (!isfinite(out->data[i])) return false;
        sum += out->data[i];
        square += out->data[i] * out->data[i];
    }
    const double n = (double)out->count;
    return out->count < 1000 || (fabs(sum / n) < 5 / sqrt(n) && fabs(square / n - 1) < 8 / sqrt(n));
}

static void randn_bad(void)
{
    const reel_shape nine = {.rank = 9};
    BAD(reel_randn(REEL_I64, REEL_SHAPE(2)), REEL_EDTYPE, "i64 cannot be drawn");
    BAD(reel_randn(REEL_BOOL, REEL_SHAPE(2)), REEL_EDTYPE, "bool cannot be drawn");
    BAD(reel_randn(REEL_U8, REEL_SHAPE(2)), REEL_EDTYPE, "u8 cannot be drawn");
    BAD(reel_randn((reel_dtype)0, REEL_SHAPE(2)), REEL_EDTYPE, "0 is no dtype");
    BAD(reel_randn(REEL_N_DTYPES, REEL_SHAPE(2)), REEL_EDTYPE, "is no dtype");
    BAD(reel_randn(REEL_F32, REEL_SHAPE(-7)), REEL_ESHAPE, "negative dimension");
    BAD(reel_randn(REEL_F32, REEL_SHAPE(3, -2)), REEL_ESHAPE, "axis 1 is -2");
    BAD(reel_randn(REEL_F32, nine), REEL_ESHAPE, "rank 9");
    BAD(reel_randn(REEL_F32, REEL_SHAPE(1LL << 62, 4)), REEL_ESHAPE, "overflow");
    BAD(reel_randn(REEL_F32, REEL_SHAPE(REEL_ANY)), REEL_ESHAPE, "unknown dimension");
}
const samples samples_randn = {GOOD(constants), .apply = randn_apply, .accept = randn_accept, .bad = randn_bad,
                               .dtypes = REEL_FLOATS};
