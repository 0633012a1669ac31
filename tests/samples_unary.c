/* samples_unary.c: elementwise ops of one operand. */
#include "samples.h"

#define SHAPES(v)                                                                                                    \
    {IN("[]" v)}, {IN("[0]" v)}, {IN("[1]" v)}, {IN("[3,4]" v)}, {IN("[3,4]t" v)}, {IN("[7]r" v)}, {IN("[2,3]s" v)}, \
        {IN("[2,3]o" v)}, {IN("[3,4]b" v)}, {IN("[2,0,3]" v)}, {IN("[2,1,3,2]r" v)}, {IN("[70,301]t" v)},            \
    {                                                                                                                \
        IN("[20001]" v)                                                                                              \
    }
static const sample any_sign[] = {SHAPES("")}, any_value[] = {SHAPES(""), {IN("[31]!")}},
                    positive[] = {SHAPES("+"), {IN("[31]!")}},
                    steps[] = {SHAPES(""), {IN("[31]!")}, {IN("[9]="), .flags = NO_GRAD}},
                    truths[] = {SHAPES(""), {IN("[31]!")}, {IN("[9]=")}};
/* arguments in (-1, 1), and from 1 on: the op is applied to x / 2 or 1 + x */
#define HALF(call) call(reel_mul(in[0], reel_num(0.5)))
#define PAST_ONE(call) call(reel_add(in[0], reel_num(1)))

#define OF_ONE_SCALE 1
#define OF_ONE(name, list, call, formula, dtype_out, all_dtypes)                                                       \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])                \
    {                                                                                                                  \
        (void)s, (void)d;                                                                                              \
        return out[0] = call, reel_status();                                                                           \
    }                                                                                                                  \
    static void name##_reference(const sample *s, reel_dtype d, const nd *in, nd *out)                                 \
    {                                                                                                                  \
        (void)s, (void)d;                                                                                              \
        nd_make(out, dtype_out, in[0].shape);                                                                          \
        for (int64_t i = 0; i < out->count; i++) {                                                                     \
            const double x = in[0].data[i];                                                                            \
            out->data[i] = formula;                                                                                    \
        }                                                                                                              \
    }                                                                                                                  \
    static void name##_bad(void)                                                                                       \
    {                                                                                                                  \
        const unsigned dtypes = all_dtypes;                                                                            \
        const reel_dtype good = dtypes & REEL_BIT(REEL_F32) ? REEL_F32 : REEL_I32;                                     \
        BAD(reel_##name(NULL), REEL_EARG, "reel_" #name "|x is NULL");                                                 \
        BAD(reel_##name(dead()), REEL_EARG, "reel_" #name "|x is |dead");                                              \
        BAD(reel_##name(unset()), REEL_EARG, "reel_" #name "|variable \"unset\"|before it has a value");               \
        BAD(reel_##name(symbol()), REEL_ETRACE, "reel_" #name "|graph that is not being built");                       \
        BAD(reel_##name(reel_##name(NULL)), REEL_EARG, "reel_" #name "|x is NULL");                                    \
        BAD(reel_##name(reel_cast(XD("[2]", good), (reel_dtype)77)), REEL_EDTYPE, "reel_cast: 77 is no dtype");        \
        if (!(dtypes & REEL_BIT(REEL_BOOL)))                                                                           \
            BAD(reel_##name(XD("[2,3]", REEL_BOOL)), REEL_EDTYPE, "reel_" #name ": x is bool, allowed:|x bool[2,3]");  \
        if (!(dtypes & REEL_BIT(REEL_I32))) {                                                                          \
            BAD(reel_##name(XD("[4]", REEL_I32)), REEL_EDTYPE, "reel_" #name ": x is i32, allowed: f32 f64 f16 bf16"); \
            BAD(reel_##name(XD("[]", REEL_U8)), REEL_EDTYPE, "x is u8, allowed: f32 f64 f16 bf16: x u8[]");            \
        }                                                                                                              \
        if (!(dtypes & REEL_BIT(REEL_F32)))                                                                            \
            BAD(reel_##name(XD("[4]", REEL_BF16)), REEL_EDTYPE, "reel_" #name ": x is bf16, allowed:");                \
    }                                                                                                                  \
    const samples samples_##name = {GOOD(list), .scale = OF_ONE_SCALE, .apply = name##_apply,                          \
                                    .reference = name##_reference, .bad = name##_bad};
#define UNARY(name, list, formula) OF_ONE(name, list, reel_##name(in[0]), formula, d, reel_rows_[REEL_OP_##name].dtypes)
#define TEST(name, formula) OF_ONE(name, truths, reel_##name(in[0]), (double)(formula), REEL_BOOL, REEL_ALL_DTYPES)

UNARY(neg, any_value, -x)
UNARY(abs, any_value, fabs(x))
UNARY(sign, any_value, isnan(x) ? x : (double)((x > 0) - (x < 0)))
UNARY(square, any_sign, x *x)
UNARY(reciprocal, any_value, 1 / x)
UNARY(sqrt, positive, sqrt(x))
UNARY(rsqrt, positive, 1 / sqrt(x))
UNARY(cbrt, any_value, cbrt(x))
UNARY(exp, any_value, exp(x))
UNARY(exp2, any_value, exp2(x))
UNARY(expm1, any_value, expm1(x))
UNARY(log, positive, log(x))
UNARY(log2, positive, log2(x))
UNARY(log10, positive, log10(x))
UNARY(log1p, positive, log1p(x))
UNARY(sin, any_value, sin(x))
UNARY(cos, any_value, cos(x))
UNARY(atan, any_value, atan(x))
UNARY(sinh, any_value, sinh(x))
UNARY(cosh, any_value, cosh(x))
UNARY(tanh, any_value, tanh(x))
UNARY(asinh, any_value, asinh(x))
UNARY(erf, any_value, erf(x))
UNARY(erfc, any_value, erfc(x))
UNARY(lgamma, positive, lgamma(x))
UNARY(floor, steps, floor(x))
UNARY(ceil, steps, ceil(x))
UNARY(round, steps, rint(x))
UNARY(trunc, steps, trunc(x))
UNARY(bitwise_not, truths, d == REEL_BOOL ? 1 - x : d == REEL_U8 ? 255 - x : -1 - x)
OF_ONE(asin, any_sign, HALF(reel_asin), asin(round_to(x / 2, d)), d, REEL_FLOATS)
OF_ONE(acos, any_sign, HALF(reel_acos), acos(round_to(x / 2, d)), d, REEL_FLOATS)
OF_ONE(tan, any_sign, HALF(reel_tan), tan(round_to(x / 2, d)), d, REEL_FLOATS)
OF_ONE(atanh, any_sign, HALF(reel_atanh), atanh(round_to(x / 2, d)), d, REEL_FLOATS)
static const sample past_one[] = {SHAPES("+")};
OF_ONE(acosh, past_one, PAST_ONE(reel_acosh), acosh(round_to(x + 1, d)), d, REEL_FLOATS)
TEST(isnan, isnan(x))
TEST(isinf, isinf(x))
TEST(isfinite, isfinite(x))
TEST(logical_not, x == 0)

/* ---- digamma, polygamma: recurrence to 30, then the series -------------------------------------------- */
static double digamma(double x)
{
    double s = 0;
    if (isnan(x) || x == INFINITY) return x;
    if (x == 0) return copysign(INFINITY, -x);
    if (x < 0 && x == floor(x)) return NAN;
    if (x < 0) return digamma(1 - x) - M_PI / tan(M_PI * (x - rint(x)));
    for (; x < 30; x += 1) s -= 1 / x;
    const double z = 1 / (x * x);
    return s + log(x) - 0.5 / x - z * (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z / 240)));
}
#undef OF_ONE_SCALE
#define OF_ONE_SCALE 8
static const sample digammas[] = {SHAPES("+"), {IN("[31]!")}, {IN("[3,4]"), .flags = NO_GRAD}}; /* steep left of 0 */
UNARY(digamma, digammas, digamma(x))

/* sum of 1 / (x + k)^(n+1) by Euler and Maclaurin from k = 400 on; x > 0; p0 the order n */
static double polygamma(double x, int n)
{
    double s = 0, f = n % 2 ? 1 : -1;
    for (int i = 2; i <= n; i++) f *= i;
    const double b = x + 400, m = n + 1;
    s = pow(b, 1 - m) / (m - 1) + pow(b, -m) / 2 + m * pow(b, -m - 1) / 12 -
        m * (m + 1) * (m + 2) * pow(b, -m - 3) / 720;
    for (int k = 399; k >= 0; k--) s += pow(x + k, -m);
    return f * s;
}
static int polygamma_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    out[0] = reel_polygamma(in[0], (int)s->p[0]);
    return reel_status();
}
static void polygamma_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd_make(out, d, in[0].shape);
    for (int64_t i = 0; i < out->count; i++) out->data[i] = polygamma(in[0].data[i], (int)s->p[0]);
}
static void polygamma_bad(void)
{
    BAD(reel_polygamma(NULL, 1), REEL_EARG, "reel_polygamma|x is NULL");
    BAD(reel_polygamma(dead(), 1), REEL_EARG, "x is |dead");
    BAD(reel_polygamma(unset(), 1), REEL_EARG, "before it has a value");
    BAD(reel_polygamma(symbol(), 1), REEL_ETRACE, "graph");
    BAD(reel_polygamma(X("[2]"), 0), REEL_EARG, "reel_polygamma: order 0 is not between 1 and 20: x f32[2]");
    BAD(reel_polygamma(X("[2]"), -1), REEL_EARG, "order -1 is not");
    BAD(reel_polygamma(X("[2]"), 21), REEL_EARG, "order 21 is not");
    BAD(reel_polygamma(X("[2]"), INT32_MAX), REEL_EARG, "order 2.14748e+09 is not");
    BAD(reel_polygamma(XD("[2]", REEL_I32), 1), REEL_EDTYPE, "x is i32, allowed: f32 f64 f16 bf16");
    BAD(reel_polygamma(XD("[2]", REEL_BOOL), 1), REEL_EDTYPE, "x is bool, allowed");
}
static const sample polygamma_good[] = {
    {IN("[]+"), WITH(1)},     {IN("[0]+"), WITH(1)},   {IN("[1]+"), WITH(2)},       {IN("[3,4]+"), WITH(1)},
    {IN("[3,4]+t"), WITH(2)}, {IN("[7]+r"), WITH(1)},  {IN("[2,3]+s"), WITH(3)},    {IN("[2,3]+o"), WITH(1)},
    {IN("[3,4]+b"), WITH(2)}, {IN("[2,0]+"), WITH(1)}, {IN("[10,301]+t"), WITH(1)}, {IN("[3001]+"), WITH(1)}};
const samples samples_polygamma = {GOOD(polygamma_good), .scale = 4, .apply = polygamma_apply,
                                   .reference = polygamma_reference, .bad = polygamma_bad};

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
