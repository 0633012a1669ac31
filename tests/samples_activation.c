/* samples_activation.c: activations and the slopes that their gradients call. */
#include "samples.h"

#define SHAPES(v, ...)                                                                                                 \
    {IN("[]" v), WITH(__VA_ARGS__)}, {IN("[0]" v), WITH(__VA_ARGS__)}, {IN("[1]" v), WITH(__VA_ARGS__)},               \
        {IN("[3,4]" v), WITH(__VA_ARGS__)}, {IN("[3,4]t" v), WITH(__VA_ARGS__)}, {IN("[7]r" v), WITH(__VA_ARGS__)},    \
        {IN("[2,3]s" v), WITH(__VA_ARGS__)}, {IN("[2,3]o" v), WITH(__VA_ARGS__)}, {IN("[3,4]b" v), WITH(__VA_ARGS__)}, \
        {IN("[2,0,3]" v), WITH(__VA_ARGS__)}, {IN("[70,301]t" v), WITH(__VA_ARGS__)},                                  \
    {                                                                                                                  \
        IN("[20001]" v), WITH(__VA_ARGS__)                                                                             \
    }
#define SPECIAL(...)                   \
    {                                  \
        IN("[31]!"), WITH(__VA_ARGS__) \
    }

/* call: of in[0] and s->p; x, p0, p1 in the formula. more: further bad calls */
#define ACTIVATION(name, list, call, formula, more)                                                     \
    static reel_tensor *name##_of(reel_tensor *x, const double *p)                                      \
    {                                                                                                   \
        (void)p;                                                                                        \
        return call;                                                                                    \
    }                                                                                                   \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[]) \
    {                                                                                                   \
        (void)d;                                                                                        \
        out[0] = name##_of(in[0], s->p);                                                                \
        return reel_status();                                                                           \
    }                                                                                                   \
    static void name##_reference(const sample *s, reel_dtype d, const nd *in, nd *out)                  \
    {                                                                                                   \
        const double p0 = s->p[0], p1 = s->p[1];                                                        \
        (void)p0, (void)p1;                                                                             \
        nd_make(out, d, in[0].shape);                                                                   \
        for (int64_t i = 0; i < out->count; i++) {                                                      \
            const double x = in[0].data[i];                                                             \
            out->data[i] = formula;                                                                     \
        }                                                                                               \
    }                                                                                                   \
    static void name##_bad(void)                                                                        \
    {                                                                                                   \
        const double p[2] = {0.5, 1};                                                                   \
        BAD(name##_of(NULL, p), REEL_EARG, "x is NULL");                                                \
        more;                                                                                           \
    }                                                                                                   \
    const samples samples_##name = {GOOD(list), .apply = name##_apply, .reference = name##_reference,   \
                                    .bad = name##_bad};

#define NO_INTS(name, call) \
    BAD(call(XD("[2]", REEL_I32)), REEL_EDTYPE, "reel_" name ": x is i32, allowed: f32 f64 f16 bf16")
/* of x alone */
#define OF_X(name, row, list, formula, float_only)                                                            \
    ACTIVATION(name, list, reel_##name(x), formula, {                                                         \
        BAD(reel_##name(dead()), REEL_EARG, "reel_" row "|x is |dead");                                       \
        BAD(reel_##name(unset()), REEL_EARG, "variable \"unset\"|before it has a value");                     \
        BAD(reel_##name(symbol()), REEL_ETRACE, "graph that is not being built");                             \
        BAD(reel_##name(XD("[2,3]", REEL_BOOL)), REEL_EDTYPE, "reel_" row ": x is bool, allowed:|bool[2,3]"); \
        BAD(reel_##name(reel_##name(NULL)), REEL_EARG, "reel_" row "|x is NULL");                             \
        if (float_only) {                                                                                     \
            NO_INTS(row, reel_##name);                                                                        \
            BAD(reel_##name(XD("[]", REEL_U8)), REEL_EDTYPE, "x is u8, allowed: f32 f64 f16 bf16: x u8[]");   \
            BAD(reel_##name(XD("[0]", REEL_I64)), REEL_EDTYPE, "x is i64, allowed");                          \
        }                                                                                                     \
    })
static const sample smooth[] = {SHAPES("", 0), SPECIAL(0)};

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}
static double limited(double x, double y) /* of activations that run into 0 on the left */
{
    return x == -INFINITY ? 0 : y;
}
static double elu(double x, double alpha)
{
    return x > 0 || isnan(x) ? x : alpha * expm1(x);
}
static double gelu_tanh(double x)
{
    return limited(x, 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))));
}
static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

OF_X(sigmoid, "sigmoid", smooth, sigmoid(x), true)
OF_X(log_sigmoid, "log_sigmoid", smooth, isnan(x) ? x : fmin(x, 0) - log1p(exp(-fabs(x))), true)
OF_X(softplus, "softplus", smooth, fmax(x, 0) + log1p(exp(-fabs(x))), true)
OF_X(softsign, "softsign", smooth, isinf(x) ? copysign(1, x) : x / (1 + fabs(x)), true)
OF_X(relu, "relu", smooth, x > 0 || isnan(x) ? x : 0, false)
OF_X(relu6, "hard_tanh", smooth, clamp(x, 0, 6), true)
OF_X(selu, "elu", smooth, 1.0507009873554804934193349852946 * elu(x, 1.6732632423543772848170429916717), true)
OF_X(silu, "silu", smooth, limited(x, x *sigmoid(x)), true)
OF_X(swish, "silu", smooth, limited(x, x *sigmoid(x)), true)
OF_X(mish, "mish", smooth, limited(x, x *tanh(fmax(x, 0) + log1p(exp(-fabs(x))))), true)
OF_X(gelu, "gelu", smooth, limited(x, 0.5 * x * erfc(-x / sqrt(2))), true)
OF_X(gelu_tanh, "gelu_tanh", smooth, gelu_tanh(x), true)
OF_X(hard_swish, "hard_swish", smooth, x <= -3 ? 0 : x >= 3 ? x : x * clamp(x + 3, 0, 6) / 6, true)

/* of x and scalars: each is refused as NaN by its name */
#define OF_SCALARS(name, row, list, call, formula, more)                                                       \
    ACTIVATION(name, list, call, formula, {                                                                    \
        BAD(name##_of(dead(), p), REEL_EARG, "x is |dead");                                                    \
        BAD(name##_of(unset(), p), REEL_EARG, "before it has a value");                                        \
        BAD(name##_of(symbol(), p), REEL_ETRACE, "graph that is not being built");                             \
        BAD(name##_of(XD("[2,3]", REEL_BOOL), p), REEL_EDTYPE, "reel_" row ": x is bool, allowed:|bool[2,3]"); \
        BAD(name##_of(XD("[2]", REEL_I32), p), REEL_EDTYPE, "x is i32, allowed: f32 f64 f16 bf16");            \
        BAD(name##_of(XD("[]", REEL_U8), p), REEL_EDTYPE, "x is u8, allowed");                                 \
        BAD(name##_of(XD("[0]", REEL_I64), p), REEL_EDTYPE, "x is i64, allowed");                              \
        more;                                                                                                  \
    })
/* the scalars are rounded to the op's compute type: these are exact in all of them */
static const sample slopes[] = {SHAPES("", 0.125), SPECIAL(0.125), {IN("[5]"), WITH(-0.5)}, {IN("[5]"), WITH(2)}};
static const sample alphas[] = {SHAPES("", 1), SPECIAL(1), {IN("[5]"), WITH(0.5)}, {IN("[5]"), WITH(2)}};
static const sample bounds[] = {SHAPES("", -0.515625, 1.265625), SPECIAL(-1, 2), {IN("[5]"), WITH(-0.25, INFINITY)}};
static const sample lines[] = {
    SHAPES("", 0.25, 0.5), SPECIAL(0.25, 0.5), {IN("[5]"), WITH(-0.5, 0.25)}, {IN("[5]"), WITH(0, 0.25)}};
static const sample widths[] = {SHAPES("", 0.515625, 0.25), SPECIAL(0.5, 0.25), {IN("[5]"), WITH(0.765625)}};
static const sample thresholds[] = {SHAPES("", 0.515625), SPECIAL(0.5), {IN("[5]"), WITH(-0.265625)}};

static double shrunk(double x, double lambda, double bias)
{
    return x < -lambda ? x + bias : x > lambda ? x - bias : isnan(x) ? x : 0;
}
OF_SCALARS(leaky_relu, "leaky_relu", slopes, reel_leaky_relu(x, p[0]), x > 0 ? x : p0 * x,
           { BAD(reel_leaky_relu(X("[2]"), NAN), REEL_EARG, "reel_leaky_relu: slope is NaN: x f32[2]"); })
OF_SCALARS(thresholded_relu, "thresholded_relu", thresholds, reel_thresholded_relu(x, p[0]), x <= p0 ? 0 : x,
           { BAD(reel_thresholded_relu(X("[2]"), NAN), REEL_EARG, "reel_thresholded_relu: alpha is NaN"); })
OF_SCALARS(elu, "elu", alphas, reel_elu(x, p[0]), elu(x, p0),
           { BAD(reel_elu(X("[2]"), NAN), REEL_EARG, "reel_elu: alpha is NaN"); })
OF_SCALARS(celu, "elu", alphas, reel_celu(x, p[0]), x > 0 || isnan(x) ? x : p0 * expm1(x / p0), {
    BAD(reel_celu(X("[2]"), NAN), REEL_EARG, "alpha is NaN");
    BAD(reel_celu(X("[2]"), 0), REEL_EARG, "reel_celu: alpha is 0");
})
OF_SCALARS(hard_sigmoid, "hard_sigmoid", lines, reel_hard_sigmoid(x, p[0], p[1]), clamp(p0 *x + p1, 0, 1), {
    BAD(reel_hard_sigmoid(X("[2]"), NAN, 0), REEL_EARG, "reel_hard_sigmoid: slope is NaN");
    BAD(reel_hard_sigmoid(X("[2]"), 1, NAN), REEL_EARG, "reel_hard_sigmoid: offset is NaN");
})
OF_SCALARS(hard_tanh, "hard_tanh", bounds, reel_hard_tanh(x, p[0], p[1]), clamp(x, p0, p1), {
    BAD(reel_hard_tanh(X("[2]"), NAN, 0), REEL_EARG, "reel_hard_tanh: low is NaN");
    BAD(reel_hard_tanh(X("[2]"), 1, NAN), REEL_EARG, "reel_hard_tanh: high is NaN");
})
OF_SCALARS(shrink, "shrink", widths, reel_shrink(x, p[0], p[1]), shrunk(x, p0, p1), {
    BAD(reel_shrink(X("[2]"), NAN, 0), REEL_EARG, "reel_shrink: lambda is NaN");
    BAD(reel_shrink(X("[2]"), 1, NAN), REEL_EARG, "reel_shrink: bias is NaN");
})
OF_SCALARS(hard_shrink, "shrink", widths, reel_hard_shrink(x, p[0]), shrunk(x, p0, 0),
           { BAD(reel_hard_shrink(X("[2]"), NAN), REEL_EARG, "reel_shrink: lambda is NaN"); })
OF_SCALARS(soft_shrink, "shrink", widths, reel_soft_shrink(x, p[0]), shrunk(x, p0, p0),
           { BAD(reel_soft_shrink(X("[2]"), NAN), REEL_EARG, "reel_shrink: lambda is NaN"); })

/* ---- slopes: x, g and four scalars --------------------------------------------------------------------- */
#define PAIRS(...)                                                                                                     \
    {IN("[]", "[]"), WITH(__VA_ARGS__)}, {IN("[0]", "[0]"), WITH(__VA_ARGS__)}, {IN("[1]", "[3]"), WITH(__VA_ARGS__)}, \
        {IN("[3,4]", "[4]"), WITH(__VA_ARGS__)}, {IN("[3,1]", "[1,4]"), WITH(__VA_ARGS__)},                            \
        {IN("[3,4]t", "[3,4]"), WITH(__VA_ARGS__)}, {IN("[5]r", "[5]s"), WITH(__VA_ARGS__)},                           \
        {IN("[2,3]o", "[2,3]b"), WITH(__VA_ARGS__)}, {IN("[2,0]", "[1]"), WITH(__VA_ARGS__)},                          \
        {IN("[3,4]", "#1"), WITH(__VA_ARGS__)}, {IN("#2", "[2,2]"), WITH(__VA_ARGS__)},                                \
        {IN("[70,301]", "[301]"), WITH(__VA_ARGS__)},                                                                  \
    {                                                                                                                  \
        IN("[70,301]", "[70,301]t"), WITH(__VA_ARGS__)                                                                 \
    }

#define GRAD(name, list, call, formula)                                                                           \
    static reel_tensor *name##_of(reel_tensor *x, reel_tensor *g, const double *p)                                \
    {                                                                                                             \
        const reel_attr_scalars a = {{p[0], p[1], p[2], p[3]}};                                                   \
        (void)a;                                                                                                  \
        return call;                                                                                              \
    }                                                                                                             \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])           \
    {                                                                                                             \
        (void)d;                                                                                                  \
        out[0] = name##_of(in[0], in[1], s->p);                                                                   \
        return reel_status();                                                                                     \
    }                                                                                                             \
    static void name##_reference(const sample *s, reel_dtype d, const nd *in, nd *out)                            \
    {                                                                                                             \
        const double *p = s->p;                                                                                   \
        (void)p;                                                                                                  \
        nd_make(out, d, nd_broadcast(in[0].shape, in[1].shape));                                                  \
        for (int64_t i = 0; i < out->count; i++) {                                                                \
            const double x = nd_at(&in[0], &out->shape, i), g = nd_at(&in[1], &out->shape, i);                    \
            out->data[i] = g * (formula);                                                                         \
        }                                                                                                         \
    }                                                                                                             \
    static void name##_bad(void)                                                                                  \
    {                                                                                                             \
        const double p[4] = {0, 1, 2, 3};                                                                         \
        BAD(name##_of(NULL, X("[2]"), p), REEL_EARG, "reel_" #name ": |is NULL");                                 \
        BAD(name##_of(X("[2]"), NULL, p), REEL_EARG, "reel_" #name ": g is NULL");                                \
        BAD(name##_of(X("[2]"), dead(), p), REEL_EARG, "g is |dead");                                             \
        BAD(name##_of(X("[2,3]"), X("[2,4]"), p), REEL_ESHAPE, "do not broadcast|[2,3]|[2,4]|3 against 4");       \
        BAD(name##_of(X("[3]"), XD("[3]", REEL_F64), p), REEL_EDTYPE, "dtypes differ: f32 and f64");              \
        BAD(name##_of(unset(), X("[2]"), p), REEL_EARG, "before it has a value");                                 \
        BAD(name##_of(X("[2]"), symbol(), p), REEL_ETRACE, "graph");                                              \
        BAD(name##_of(XD("[2]", REEL_BOOL), XD("[2]", REEL_BOOL), p), REEL_EDTYPE, "is bool, allowed:");          \
    }                                                                                                             \
    const samples samples_##name = {GOOD(list), .scale = 2, .apply = name##_apply, .reference = name##_reference, \
                                    .bad = name##_bad};
#define GRAD_OF(name, list, formula) GRAD(name, list, reel_##name##_at_(REEL_HERE, x, g), formula)
static const sample pairs[] = {PAIRS(0)},
                    pieces[] = {PAIRS(-0.515625, 0.765625, 0.5, -2), PAIRS(-INFINITY, 0.25, 0, 1)},
                    elus[] = {PAIRS(1.5, 2, 0.5)};
static double normal(double x)
{
    return 0.5 * erfc(-x / sqrt(2));
}
static double mish_slope(double x)
{
    const double t = tanh(log1p(exp(x)));
    return t + x * sigmoid(x) * (1 - t * t);
}
static double gelu_tanh_slope(double x)
{
    const double k = 2 * sqrt(2 / M_PI), s = sigmoid(k * (x + 0.044715 * x * x * x));
    return s + x * s * (1 - s) * k * (1 + 3 * 0.044715 * x * x);
}
GRAD_OF(relu_grad, pairs, x > 0)
GRAD_OF(tanh_grad, pairs, 1 - x * x)
GRAD_OF(sigmoid_grad, pairs, x *(1 - x))
GRAD_OF(softplus_grad, pairs, sigmoid(x))
GRAD_OF(log_sigmoid_grad, pairs, sigmoid(-x))
GRAD_OF(softsign_grad, pairs, 1 / ((1 + fabs(x)) * (1 + fabs(x))))
GRAD_OF(silu_grad, pairs, sigmoid(x) * (1 + x * (1 - sigmoid(x))))
GRAD_OF(mish_grad, pairs, mish_slope(x))
GRAD_OF(gelu_grad, pairs, normal(x) + x * exp(-x * x / 2) / sqrt(2 * M_PI))
GRAD_OF(gelu_tanh_grad, pairs, gelu_tanh_slope(x))
GRAD_OF(hard_swish_grad, pairs, x <= -3 ? 0 : x >= 3 ? 1 : (2 * x + 3) / 6)
GRAD(piece_grad, pieces, reel_piece_grad_at_(REEL_HERE, x, g, &a), x > p[0] && x < p[1] ? p[2] : p[3])
GRAD(closed_piece_grad, pieces, reel_closed_piece_grad_at_(REEL_HERE, x, g, &a), x >= p[0] && x <= p[1] ? p[2] : p[3])
GRAD(elu_grad, elus, reel_elu_grad_at_(REEL_HERE, x, g, &a), x > 0 ? p[1] : p[0] * p[1] * p[2] * exp(p[2] * x))
