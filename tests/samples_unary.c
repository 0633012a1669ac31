/* samples_unary.c: elementwise ops of one operand. */
#include "samples.h"

#define SHAPES(v)                                                                                                    \
    {IN("[]" v)}, {IN("[0]" v)}, {IN("[1]" v)}, {IN("[3,4]" v)}, {IN("[3,4]t" v)}, {IN("[7]r" v)}, {IN("[2,3]s" v)}, \
        {IN("[2,3]o" v)}, {IN("[3,4]b" v)}, {IN("[2,0,3]" v)}, {IN("[2,1,3,2]r" v)}, {IN("[70,301]t" v)},            \
    {                                                                                                                \
        IN("[40000]" v)                                                                                              \
    }
static const sample any_sign[] = {SHAPES("")}, any_value[] = {SHAPES(""), {IN("[31]!")}},
                    positive[] = {SHAPES("+"), {IN("[31]!")}};

#define UNARY(name, list, formula)                                                                                     \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])                \
    {                                                                                                                  \
        (void)s, (void)d;                                                                                              \
        return out[0] = reel_##name(in[0]), reel_status();                                                             \
    }                                                                                                                  \
    static void name##_reference(const sample *s, reel_dtype d, const nd *in, nd *out)                                 \
    {                                                                                                                  \
        (void)s;                                                                                                       \
        nd_make(out, d, in[0].shape);                                                                                  \
        for (int64_t i = 0; i < out->count; i++) {                                                                     \
            const double x = in[0].data[i];                                                                            \
            out->data[i] = formula;                                                                                    \
        }                                                                                                              \
    }                                                                                                                  \
    static void name##_bad(void)                                                                                       \
    {                                                                                                                  \
        BAD(reel_##name(NULL), REEL_EARG, "reel_" #name "|x is NULL");                                                 \
        BAD(reel_##name(dead()), REEL_EARG, "reel_" #name "|x is |dead");                                              \
        BAD(reel_##name(unset()), REEL_EARG, "reel_" #name "|variable \"unset\"|before it has a value");               \
        BAD(reel_##name(symbol()), REEL_ETRACE, "reel_" #name "|graph that is not being built");                       \
        BAD(reel_##name(XD("[2,3]", REEL_BOOL)), REEL_EDTYPE, "reel_" #name ": x is bool, allowed:|x bool[2,3]");      \
        if (!(reel_rows_[REEL_OP_##name].dtypes & REEL_BIT(REEL_I32)))                                                 \
            BAD(reel_##name(XD("[4]", REEL_I32)), REEL_EDTYPE, "reel_" #name ": x is i32, allowed: f32 f64 f16 bf16"); \
    }                                                                                                                  \
    const samples samples_##name = {GOOD(list), .apply = name##_apply, .reference = name##_reference,                  \
                                    .bad = name##_bad};

UNARY(neg, any_value, -x)
UNARY(exp, any_value, exp(x))
UNARY(log, positive, log(x))
UNARY(sqrt, positive, sqrt(x))
UNARY(rsqrt, positive, 1 / sqrt(x))
UNARY(tanh, any_value, tanh(x))
UNARY(sigmoid, any_value, 1 / (1 + exp(-x)))
UNARY(softplus, any_value, fmax(x, 0) + log1p(exp(-fabs(x))))
UNARY(relu, any_value, x > 0 || isnan(x) ? x : 0)
UNARY(abs, any_value, fabs(x))
UNARY(sign, any_value, isnan(x) ? x : (double)((x > 0) - (x < 0)))
UNARY(square, any_sign, x *x)

/* ---- cast: p0 the dtype ------------------------------------------------------------------------------ */
static int cast_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    out[0] = reel_cast(in[0], (reel_dtype)s->p[0]);
    return reel_status();
}

static double saturated(double x, double low, double high)
{
    return isnan(x) ? 0 : fmin(fmax(trunc(x), low), high);
}

static void cast_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const reel_dtype to = (reel_dtype)s->p[0];
    nd_make(out, to, in[0].shape);
    for (int64_t i = 0; i < out->count; i++) {
        double x = in[0].data[i];
        if (reel_is_float_(d) && to == REEL_I8) x = saturated(x, -128, 127);
        if (reel_is_float_(d) && to == REEL_U8) x = saturated(x, 0, 255);
        if (reel_is_float_(d) && to == REEL_I32) x = saturated(x, INT32_MIN, INT32_MAX);
        if (reel_is_float_(d) && to == REEL_I64) x = saturated(x, (double)INT64_MIN, (double)INT64_MAX);
        out->data[i] = to == REEL_BOOL ? (double)(x != 0) : x;
    }
}

static void cast_bad(void)
{
    BAD(reel_cast(NULL, REEL_F32), REEL_EARG, "reel_cast|x is NULL");
    BAD(reel_cast(dead(), REEL_F32), REEL_EARG, "x is |dead");
    BAD(reel_cast(X("[2]"), (reel_dtype)0), REEL_EDTYPE, "0 is no dtype|x f32[2]");
    BAD(reel_cast(X("[2]"), (reel_dtype)77), REEL_EDTYPE, "77 is no dtype");
    BAD(reel_cast(unset(), REEL_F64), REEL_EARG, "before it has a value");
    BAD(reel_cast(symbol(), REEL_F64), REEL_ETRACE, "graph");
}

static const sample cast_good[] = {
    {IN("[]"), WITH(REEL_F64)},
    {IN("[3,4]"), WITH(REEL_F32)},
    {IN("[3,4]t"), WITH(REEL_F16)},
    {IN("[0]"), WITH(REEL_BF16)},
    {IN("[5]r"), WITH(REEL_F64)},
    {IN("[3,4]s"), WITH(REEL_I8), .flags = NO_GRAD},
    {IN("[3,4]o"), WITH(REEL_U8), .flags = NO_GRAD},
    {IN("[30]!"), WITH(REEL_I32), .flags = NO_GRAD},
    {IN("[30]!"), WITH(REEL_I8), .flags = NO_GRAD},
    {IN("[30]!"), WITH(REEL_U8), .flags = NO_GRAD},
    {IN("[2,3]b"), WITH(REEL_I64), .flags = NO_GRAD},
    {IN("[4,1]="), WITH(REEL_BOOL), .flags = NO_GRAD},
    {IN("[30]!"), WITH(REEL_BOOL), .flags = NO_GRAD},
    {IN("[30]!"), WITH(REEL_F16)},
    {IN("[30]!"), WITH(REEL_BF16)},
    {IN("[70,301]t"), WITH(REEL_F32)},
    {IN("[20001]"), WITH(REEL_I32), .flags = NO_GRAD},
};
const samples samples_cast = {GOOD(cast_good), .apply = cast_apply, .reference = cast_reference, .bad = cast_bad};
