/* map_elementwise.c: operators that go element by element. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "onnx.h"

/* ---- one call each -------------------------------------------------------------------------------------- */
#define RUN(name, call)           \
    static int name(onnx_call *c) \
    {                             \
        c->out[0] = call;         \
        return reel_status();     \
    }
#define X c->in[0]
#define Y c->in[1]
RUN(absolute, reel_abs(X))
RUN(acos_, reel_acos(X))
RUN(acosh_, reel_acosh(X))
RUN(asin_, reel_asin(X))
RUN(asinh_, reel_asinh(X))
RUN(atan_, reel_atan(X))
RUN(atanh_, reel_atanh(X))
RUN(bitwise_not, reel_bitwise_not(X))
RUN(ceil_, reel_ceil(X))
RUN(cos_, reel_cos(X))
RUN(cosh_, reel_cosh(X))
RUN(erf_, reel_erf(X))
RUN(exp_, reel_exp(X))
RUN(floor_, reel_floor(X))
RUN(hard_swish, reel_hard_swish(X))
RUN(is_nan, reel_isnan(X))
RUN(log_, reel_log(X))
RUN(mish, reel_mish(X))
RUN(neg, reel_neg(X))
RUN(not_, reel_logical_not(X))
RUN(reciprocal, reel_reciprocal(X))
RUN(relu, reel_relu(X))
RUN(round_, reel_round(X))
RUN(sigmoid, reel_sigmoid(X))
RUN(sign, reel_sign(X))
RUN(sin_, reel_sin(X))
RUN(sinh_, reel_sinh(X))
RUN(softplus, reel_softplus(X))
RUN(softsign, reel_softsign(X))
RUN(sqrt_, reel_sqrt(X))
RUN(tan_, reel_tan(X))
RUN(tanh_, reel_tanh(X))

RUN(add, reel_add(X, Y))
RUN(and_, reel_logical_and(X, Y))
RUN(bitwise_and, reel_bitwise_and(X, Y))
RUN(bitwise_or, reel_bitwise_or(X, Y))
RUN(bitwise_xor, reel_bitwise_xor(X, Y))
RUN(divide, reel_div(X, Y))
RUN(equal, reel_equal(X, Y))
RUN(greater, reel_greater(X, Y))
RUN(greater_equal, reel_greater_equal(X, Y))
RUN(less, reel_less(X, Y))
RUN(less_equal, reel_less_equal(X, Y))
RUN(mul, reel_mul(X, Y))
RUN(or_, reel_logical_or(X, Y))
RUN(prelu, reel_prelu(X, Y))
RUN(sub, reel_sub(X, Y))
RUN(xor_, reel_logical_xor(X, Y))
RUN(where, reel_where(X, Y, c->in[2]))

RUN(celu, reel_celu(X, attr_float(c, "alpha", 1)))
RUN(elu, reel_elu(X, attr_float(c, "alpha", 1)))
RUN(hard_sigmoid, reel_hard_sigmoid(X, attr_float(c, "alpha", 0.2), attr_float(c, "beta", 0.5)))
RUN(leaky_relu, reel_leaky_relu(X, attr_float(c, "alpha", 0.01)))
RUN(shrink, reel_shrink(X, attr_float(c, "lambd", 0.5), attr_float(c, "bias", 0)))
RUN(thresholded_relu, reel_thresholded_relu(X, attr_float(c, "alpha", 1)))
RUN(mod, attr_int(c, "fmod", 0) ? reel_fmod(X, Y) : reel_mod(X, Y))
RUN(bit_shift, strcmp(attr_string(c, "direction", ""), "LEFT") == 0 ? reel_left_shift(X, Y) : reel_right_shift(X, Y))
RUN(gelu, strcmp(attr_string(c, "approximate", "none"), "tanh") == 0 ? reel_gelu_tanh(X) : reel_gelu(X))
RUN(selu, reel_mul(reel_elu(X, attr_float(c, "alpha", 1.67326319217681884765625)),
                   reel_num(attr_float(c, "gamma", 1.05070102214813232421875))))
RUN(swish, reel_mul(X, reel_sigmoid(reel_mul(X, reel_num(attr_float(c, "alpha", 1))))))

/* ---- any number of operands ------------------------------------------------------------------------------- */
#define FOLD(name, op)                                             \
    static int name(onnx_call *c)                                  \
    {                                                              \
        reel_tensor *all = c->in[0];                               \
        for (int i = 1; i < c->n_in; i++) all = op(all, c->in[i]); \
        c->out[0] = all;                                           \
        return reel_status();                                      \
    }
FOLD(max, reel_maximum)
FOLD(min, reel_minimum)
FOLD(sum, reel_add)

static int mean(onnx_call *c)
{
    if (sum(c)) return reel_status();
    c->out[0] = reel_div(c->out[0], reel_num(c->n_in));
    return reel_status();
}

/* ---- the rest ------------------------------------------------------------------------------------------------ */
/* Bounds were attributes before version 11; either may be missing. */
static int clip(onnx_call *c)
{
    reel_tensor *low = c->n_in > 1 ? c->in[1] : NULL, *high = c->n_in > 2 ? c->in[2] : NULL;
    if (c->opset < 11)
        c->out[0] = reel_clip(X, attr_float(c, "min", -INFINITY), attr_float(c, "max", INFINITY));
    else if (low && high)
        c->out[0] = reel_clip_between(X, low, high);
    else
        c->out[0] = low ? reel_maximum(X, low) : high ? reel_minimum(X, high) : X;
    return reel_status();
}

static int is_inf(onnx_call *c)
{
    reel_tensor *all = reel_isinf(X), *zero = reel_num(0);
    if (!attr_int(c, "detect_positive", 1)) all = reel_logical_and(all, reel_less(X, zero));
    if (!attr_int(c, "detect_negative", 1)) all = reel_logical_and(all, reel_greater(X, zero));
    c->out[0] = all;
    return reel_status();
}

/* The result has the base's dtype, whatever the exponent's. */
static int power(onnx_call *c)
{
    const reel_dtype d = reel_dtype_of(X), e = reel_dtype_of(Y);
    const unsigned floats = 1u << REEL_F32 | 1u << REEL_F64 | 1u << REEL_F16 | 1u << REEL_BF16;
    if (d == e)
        c->out[0] = reel_pow(X, Y);
    else if (floats >> d & 1)
        c->out[0] = reel_pow(X, reel_cast(Y, d));
    else if (floats >> e & 1)
        c->out[0] = reel_cast(reel_pow(reel_cast(X, REEL_F64), reel_cast(Y, REEL_F64)), d);
    else
        c->out[0] = reel_cast(reel_pow(reel_cast(X, REEL_I64), reel_cast(Y, REEL_I64)), d);
    return reel_status();
}

static int cast(onnx_call *c)
{
    const int code = (int)attr_int(c, "to", 0);
    const reel_dtype d = onnx_dtype(code);
    if (!d) return na(c, "dtype %s", onnx_code_name(code));
    c->out[0] = reel_cast(X, d);
    return reel_status();
}
RUN(cast_like, reel_cast(X, reel_dtype_of(Y)))

/* The same bytes as another dtype: no op of ours; by way of the host. */
static int bit_cast(onnx_call *c)
{
    const int code = (int)attr_int(c, "to", 0);
    const reel_dtype d = onnx_dtype(code);
    if (!d) return na(c, "dtype %s", onnx_code_name(code));
    const reel_shape s = reel_shape_of(X);
    size_t n = reel_dtype_size(reel_dtype_of(X));
    for (int i = 0; i < s.rank; i++) n *= (size_t)s.dims[i];
    void *bytes = malloc(n + 1);
    if (bytes && reel_read(X, bytes, n) == 0) c->out[0] = reel_from((reel_type){d, s}, bytes, n);
    free(bytes);
    return reel_status();
}

static int binarizer(onnx_call *c)
{
    reel_tensor *above = reel_greater(X, reel_num(attr_float(c, "threshold", 0)));
    c->out[0] = reel_cast(above, reel_dtype_of(X));
    return reel_status();
}

const onnx_map onnx_elementwise[] = {{"Abs", absolute},
                                     {"Acos", acos_},
                                     {"Acosh", acosh_},
                                     {"Add", add},
                                     {"And", and_},
                                     {"Asin", asin_},
                                     {"Asinh", asinh_},
                                     {"Atan", atan_},
                                     {"Atanh", atanh_},
                                     {"BitCast", bit_cast},
                                     {"BitShift", bit_shift},
                                     {"BitwiseAnd", bitwise_and},
                                     {"BitwiseNot", bitwise_not},
                                     {"BitwiseOr", bitwise_or},
                                     {"BitwiseXor", bitwise_xor},
                                     {"Cast", cast},
                                     {"CastLike", cast_like},
                                     {"Ceil", ceil_},
                                     {"Celu", celu},
                                     {"Clip", clip},
                                     {"Cos", cos_},
                                     {"Cosh", cosh_},
                                     {"Div", divide},
                                     {"Elu", elu},
                                     {"Equal", equal},
                                     {"Erf", erf_},
                                     {"Exp", exp_},
                                     {"Floor", floor_},
                                     {"Gelu", gelu},
                                     {"Greater", greater},
                                     {"GreaterOrEqual", greater_equal},
                                     {"HardSigmoid", hard_sigmoid},
                                     {"HardSwish", hard_swish},
                                     {"IsInf", is_inf},
                                     {"IsNaN", is_nan},
                                     {"LeakyRelu", leaky_relu},
                                     {"Less", less},
                                     {"LessOrEqual", less_equal},
                                     {"Log", log_},
                                     {"Max", max},
                                     {"Mean", mean},
                                     {"Min", min},
                                     {"Mish", mish},
                                     {"Mod", mod},
                                     {"Mul", mul},
                                     {"Neg", neg},
                                     {"Not", not_},
                                     {"Or", or_},
                                     {"PRelu", prelu},
                                     {"Pow", power},
                                     {"Reciprocal", reciprocal},
                                     {"Relu", relu},
                                     {"Round", round_},
                                     {"Selu", selu},
                                     {"Shrink", shrink},
                                     {"Sigmoid", sigmoid},
                                     {"Sign", sign},
                                     {"Sin", sin_},
                                     {"Sinh", sinh_},
                                     {"Softplus", softplus},
                                     {"Softsign", softsign},
                                     {"Sqrt", sqrt_},
                                     {"Sub", sub},
                                     {"Sum", sum},
                                     {"Swish", swish},
                                     {"Tan", tan_},
                                     {"Tanh", tanh_},
                                     {"ThresholdedRelu", thresholded_relu},
                                     {"Where", where},
                                     {"Xor", xor_},
                                     {"ai.onnx.ml:Binarizer", binarizer},
                                     {0}};
