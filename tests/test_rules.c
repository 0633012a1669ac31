/* test_rules.c: rules that hold for many ops at once: operands that may be left out while an error is pending, and what is
   divided by a count in 16-bit floats. */
#include "reel/reel.h"
#include "tap.h"

/* ---- a NULL that is an earlier failure is not "none" -------------------------------------------------------- */
static reel_tensor *x1, *x2, *x3, *x4, *m, *labels, *out[3];

static reel_tensor *ones(reel_shape s)
{
    return reel_ones(REEL_F32, s);
}

/* With the operand left out. */
static bool attention(reel_tensor *none)
{
    return reel_attention(m, m, m, none, NULL) != NULL;
}
static bool attention_cached(reel_tensor *none)
{
    return reel_attention_cached(m, m, m, none, none, NULL, NULL, out) == 0;
}
static bool conv1d(reel_tensor *none)
{
    return reel_conv1d(x3, ones(REEL_SHAPE(2, 3, 1)), REEL_OPTS(conv, .bias = none)) != NULL;
}
static bool conv2d(reel_tensor *none)
{
    return reel_conv2d(x4, ones(REEL_SHAPE(2, 3, 1, 1)), REEL_OPTS(conv, .bias = none)) != NULL;
}
static bool conv_transpose2d(reel_tensor *none)
{
    return reel_conv_transpose2d(x4, ones(REEL_SHAPE(3, 2, 1, 1)), REEL_OPTS(conv, .bias = none)) != NULL;
}
static bool gemm(reel_tensor *none)
{
    return reel_gemm(m, m, none, NULL) != NULL;
}
static bool layer_norm(reel_tensor *none)
{
    return reel_layer_norm(x2, none, x1, NULL) != NULL;
}
static bool layer_norm_bias(reel_tensor *none)
{
    return reel_layer_norm(x2, x1, none, NULL) != NULL;
}
static bool rms_norm(reel_tensor *none)
{
    return reel_rms_norm(x2, none, NULL) != NULL;
}
static bool group_norm(reel_tensor *none)
{
    return reel_group_norm(x3, 1, none, none, NULL) != NULL;
}
static bool instance_norm(reel_tensor *none)
{
    return reel_instance_norm(x3, none, none, NULL) != NULL;
}
static bool batch_norm(reel_tensor *none)
{
    return reel_batch_norm(x2, x1, x1, none, none, REEL_OPTS(batch_norm, .training = true)) != NULL;
}
static bool cross_entropy(reel_tensor *none)
{
    return reel_cross_entropy(x2, labels, REEL_OPTS(cross_entropy, .weight = none)) != NULL;
}
static bool nll_loss(reel_tensor *none)
{
    return reel_nll_loss(x2, labels, REEL_OPTS(cross_entropy, .weight = none)) != NULL;
}
static bool multi_margin_loss(reel_tensor *none)
{
    return reel_multi_margin_loss(x2, labels, REEL_OPTS(multi_margin, .weight = none)) != NULL;
}
static bool binary_cross_entropy(reel_tensor *none)
{
    return reel_binary_cross_entropy(x2, x2, REEL_OPTS(binary_cross_entropy, .weight = none)) != NULL;
}
static bool with_logits(reel_tensor *none)
{
    return reel_binary_cross_entropy_with_logits(
               x2, x2, REEL_OPTS(binary_cross_entropy, .weight = x1, .pos_weight = none)) != NULL;
}
static bool bincount(reel_tensor *none)
{
    return reel_bincount(labels, none, 4) != NULL;
}
static bool quantize_linear(reel_tensor *none)
{
    return reel_quantize_linear(x2, reel_ones(REEL_F32, REEL_SCALAR), none, 0, NULL) != NULL;
}
static bool dequantize_linear(reel_tensor *none)
{
    return reel_dequantize_linear(labels, reel_ones(REEL_F32, REEL_SCALAR), none, 0, NULL) != NULL;
}
static bool rnn(reel_tensor *none)
{
    return reel_rnn(x3, m, m, none, NULL, out) == 0;
}
static bool gru(reel_tensor *none)
{
    return reel_gru(x3, ones(REEL_SHAPE(9, 3)), ones(REEL_SHAPE(9, 3)), none, NULL, out) == 0;
}
static bool lstm(reel_tensor *none)
{
    return reel_lstm(x3, ones(REEL_SHAPE(12, 3)), ones(REEL_SHAPE(12, 3)), ones(REEL_SHAPE(12)),
                     REEL_OPTS(rnn, .h0 = none), out) == 0;
}
static bool rnn_cell(reel_tensor *none)
{
    return reel_rnn_cell(x2, x2, m, m, none, NULL) != NULL;
}
static bool lstm_cell(reel_tensor *none)
{
    return reel_lstm_cell(x2, x2, x2, ones(REEL_SHAPE(12, 3)), ones(REEL_SHAPE(12, 3)), none, NULL, out) == 0;
}

static const struct {
    const char *name;
    bool (*works)(reel_tensor *none);
} optional[] = {
#define O(f)  \
    {         \
#f, f \
    }
    O(attention),
    O(attention_cached),
    O(conv1d),
    O(conv2d),
    O(conv_transpose2d),
    O(gemm),
    O(layer_norm),
    O(layer_norm_bias),
    O(rms_norm),
    O(group_norm),
    O(instance_norm),
    O(batch_norm),
    O(cross_entropy),
    O(nll_loss),
    O(multi_margin_loss),
    O(binary_cross_entropy),
    O(with_logits),
    O(bincount),
    O(quantize_linear),
    O(dequantize_linear),
    O(rnn),
    O(gru),
    O(lstm),
    O(rnn_cell),
    O(lstm_cell)};

static void failed_operands_are_not_left_out(void)
{
    REEL_SCOPED;
    static const int32_t l[2] = {0, 2};
    x1 = ones(REEL_SHAPE(3)), x2 = ones(REEL_SHAPE(2, 3)), x3 = ones(REEL_SHAPE(2, 3, 3));
    x4 = ones(REEL_SHAPE(2, 3, 4, 4)), m = ones(REEL_SHAPE(3, 3)), labels = reel_from_i32(REEL_SHAPE(2), l, 2);
    for (size_t k = 0; k < sizeof optional / sizeof *optional; k++) {
        reel_error e;
        const bool alone = optional[k].works(NULL);
        TAP_OK(alone && !reel_status(), "%s works without it", optional[k].name);
        (void)reel_take_error(&e);
        reel_tensor *failed = reel_add(x2, m);
        const bool passed = optional[k].works(failed);
        const int code = reel_take_error(&e);
        TAP_OK(!passed && code == REEL_ESHAPE && strstr(e.text, "reel_add"),
               "%s does not take one that failed for none: %s", optional[k].name, e.text);
        TAP_OK(optional[k].works(NULL) && !reel_status(), "%s works again", optional[k].name);
    }
}

/* ---- counts beyond f16 ---------------------------------------------------------------------------------------- */
enum { N = 100000 };

static reel_tensor *mean(reel_tensor *x)
{
    return reel_mean(x);
}
static reel_tensor *variance(reel_tensor *x)
{
    return reel_variance(x, REEL_ALL_AXES, 1, false);
}
static reel_tensor *deviation(reel_tensor *x)
{
    return reel_std(x, REEL_ALL_AXES, 0, false);
}
static reel_tensor *maximum(reel_tensor *x)
{
    return reel_max(reel_mul(x, reel_num(0)), 0);
}
static reel_tensor *mse(reel_tensor *x)
{
    return reel_mse_loss(x, reel_zeros_like(x), NULL);
}
static reel_tensor *segments(reel_tensor *x)
{
    return reel_sum(reel_segment_mean(x, reel_zeros(REEL_I32, REEL_SHAPE(N)), 1));
}

/* x = 1, -1, 1, -1 ...; g is 1024, so that what comes out is no denormal. */
static void divided_by_large_counts(void)
{
    static const struct {
        const char *name;
        reel_tensor *(*f)(reel_tensor *x);
        double slope; /* at x = 1, times N */
    } all[] = {{"mean", mean, 1},   {"variance", variance, 2}, {"std", deviation, 1},
               {"max", maximum, 0}, {"mse", mse, 2},           {"segment_mean", segments, 1}};
    static const reel_dtype dtypes[] = {REEL_F16, REEL_BF16, REEL_F32};
    for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++)
        for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
            REEL_SCOPED;
            reel_tensor *i = reel_arange(REEL_I32, 0, N, 1);
            reel_tensor *odd = reel_equal(reel_mod(i, reel_num(2)), reel_num(1));
            reel_tensor *x = reel_cast(reel_where(odd, reel_num(-1), reel_ones(REEL_F32, REEL_SHAPE(N))), dtypes[d]),
                        *dx;
            reel_tape *t = reel_tape_begin(NULL);
            reel_watch(t, REEL_LIST(x));
            reel_tensor *y = reel_mul(all[k].f(x), reel_num(1024));
            reel_grad(t, y, REEL_LIST(x), &dx);
            reel_tensor *first = reel_cast(reel_select(dx, 0, 0), REEL_F64);
            const double got = reel_item(first), want = 1024 * all[k].slope / N;
            TAP_OK(!reel_status() && fabs(got - want) <= 0.01 * want + 1e-7, "%s over %d %s: %g, %g expected",
                   all[k].name, (int)N, reel_dtype_name(dtypes[d]), got, want);
            (void)reel_take_error(NULL);
        }
}

/* All equal: each has an equal share of the maximum's gradient. */
static void many_ties(void)
{
    REEL_SCOPED;
    reel_tensor *x = reel_zeros(REEL_F16, REEL_SHAPE(N)), *dx;
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(x));
    reel_tensor *y = reel_mul(reel_max(x, 0), reel_num(2000));
    reel_grad(t, y, REEL_LIST(x), &dx);
    const double got = reel_item(reel_cast(reel_select(dx, 0, 7), REEL_F64));
    TAP_OK(fabs(got - 0.02) < 1e-4, "100,000 ties in f16: %g", got);
}

TAP_MAIN(failed_operands_are_not_left_out, divided_by_large_counts, many_ties)
