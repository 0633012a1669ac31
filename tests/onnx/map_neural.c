/* map_neural.c: normalisation, softmax, losses, dropout, quantization, the training operators. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "onnx.h"

/* ---- softmax -------------------------------------------------------------------------------------------------------- */
/* Before opset 13 x is taken as a matrix that is split at axis. */
static int along(onnx_call *c, reel_tensor *(*f)(const char *, reel_tensor *, int))
{
    const bool old = c->opset < 13;
    const int axis = (int)attr_int(c, "axis", old ? 1 : -1);
    if (!old) {
        c->out[0] = f(REEL_HERE, c->in[0], axis);
        return reel_status();
    }
    const reel_shape s = reel_shape_of(c->in[0]);
    const int at = axis < 0 ? axis + s.rank : axis;
    reel_shape flat = {2, {1, 1}};
    for (int i = 0; i < s.rank; i++) flat.dims[i >= at] *= s.dims[i];
    c->out[0] = reel_reshape(f(REEL_HERE, reel_reshape(c->in[0], flat), 1), s);
    return reel_status();
}

static int softmax(onnx_call *c)
{
    return along(c, reel_softmax_at);
}

static int log_softmax(onnx_call *c)
{
    return along(c, reel_log_softmax_at);
}

static int hardmax(onnx_call *c)
{
    return along(c, reel_hardmax_at);
}

/* ---- normalisation --------------------------------------------------------------------------------------------------- */
static int batch_normalization(onnx_call *c)
{
    const double eps = attr_float(c, "epsilon", 1e-5), momentum = attr_float(c, "momentum", 0.9);
    const bool training = attr_int(c, "training_mode", 0) != 0;
    const reel_batch_norm_opts o = {.size = sizeof o, .eps = eps};
    if (!training) {
        c->out[0] = reel_batch_norm(c->in[0], c->in[1], c->in[2], c->in[3], c->in[4], &o);
        return reel_status();
    }
    reel_tensor *out[3];
    if (reel_batch_norm_stats(c->in[0], c->in[1], c->in[2], &o, out)) return reel_status();
    c->out[0] = out[0];
    for (int j = 1; j < 3; j++) {
        reel_tensor *batch = reel_cast(out[j], reel_dtype_of(c->in[2 + j]));
        c->out[j] = reel_add(reel_mul(c->in[2 + j], reel_num(momentum)), reel_mul(batch, reel_num(1 - momentum)));
    }
    return reel_status();
}

static reel_layer_norm_opts layer_opts(const onnx_call *c)
{
    const reel_shape s = reel_shape_of(c->in[0]);
    const int axis = (int)attr_int(c, "axis", -1);
    const double eps = attr_float(c, "epsilon", 1e-5);
    return (reel_layer_norm_opts){
        .size = sizeof(reel_layer_norm_opts), .eps = eps, .rank = axis < 0 ? -axis : s.rank - axis};
}

static int layer_normalization(onnx_call *c)
{
    const reel_layer_norm_opts o = layer_opts(c);
    return reel_layer_norm_stats(c->in[0], c->in[1], c->in[2], &o, c->out);
}

static int rms_normalization(onnx_call *c)
{
    const reel_layer_norm_opts o = layer_opts(c);
    c->out[0] = reel_rms_norm(c->in[0], c->in[1], &o);
    return reel_status();
}

static int group_normalization(onnx_call *c)
{
    const int64_t groups = attr_int(c, "num_groups", 1);
    const reel_group_norm_opts o = {.size = sizeof o, .eps = attr_float(c, "epsilon", 1e-5)};
    c->out[0] = reel_group_norm(c->in[0], groups, c->in[1], c->in[2], &o);
    return reel_status();
}

static int instance_normalization(onnx_call *c)
{
    const reel_group_norm_opts o = {.size = sizeof o, .eps = attr_float(c, "epsilon", 1e-5)};
    c->out[0] = reel_instance_norm(c->in[0], c->in[1], c->in[2], &o);
    return reel_status();
}

static int mean_variance_normalization(onnx_call *c)
{
    int64_t list[REEL_MAX_RANK] = {0, 2, 3};
    int n = attr_ints(c, "axes", list, REEL_MAX_RANK);
    if (n < 0) n = 3;
    const reel_layer_norm_opts o = {.size = sizeof o, .eps = 1e-18, .axes = axes_from(list, n)};
    c->out[0] = reel_layer_norm(c->in[0], NULL, NULL, &o);
    return reel_status();
}

static int lrn(onnx_call *c)
{
    const reel_local_response_norm_opts o = {.size = sizeof o,
                                             .alpha = attr_float(c, "alpha", 1e-4),
                                             .beta = attr_float(c, "beta", 0.75),
                                             .k = attr_float(c, "bias", 1)};
    c->out[0] = reel_local_response_norm(c->in[0], attr_int(c, "size", 1), &o);
    return reel_status();
}

static int lp_normalization(onnx_call *c)
{
    c->out[0] = reel_lp_normalize(c->in[0], (double)attr_int(c, "p", 2), (int)attr_int(c, "axis", -1), 0);
    return reel_status();
}

/* ---- losses -------------------------------------------------------------------------------------------------------------- */
static reel_cross_entropy_opts loss_opts(const onnx_call *c)
{
    const char *r = attr_string(c, "reduction", "mean");
    reel_cross_entropy_opts o = {.size = sizeof o, .weight = c->in[2]};
    o.reduction = strcmp(r, "none") == 0  ? REEL_REDUCE_NONE
                  : strcmp(r, "sum") == 0 ? REEL_REDUCE_SUM
                                          : REEL_REDUCE_MEAN;
    o.ignore = attr(c, "ignore_index") != NULL;
    o.ignore_index = attr_int(c, "ignore_index", 0);
    return o;
}

static int softmax_cross_entropy_loss(onnx_call *c)
{
    const reel_cross_entropy_opts o = loss_opts(c);
    c->out[0] = reel_cross_entropy(c->in[0], c->in[1], &o);
    if (c->n_out > 1) c->out[1] = reel_log_softmax(c->in[0], 1);
    return reel_status();
}

static int negative_log_likelihood_loss(onnx_call *c)
{
    const reel_cross_entropy_opts o = loss_opts(c);
    c->out[0] = reel_nll_loss(c->in[0], c->in[1], &o);
    return reel_status();
}

/* ---- dropout ----------------------------------------------------------------------------------------------------------------- */
static int dropout(onnx_call *c)
{
    const bool training = c->n_in > 2 && c->in[2] && host_number(c->in[2]) != 0;
    const double ratio = c->n_in > 1 && c->in[1] ? host_number(c->in[1]) : attr_float(c, "ratio", 0.5);
    reel_dropout_opts o = {.size = sizeof o, .eval = !training || ratio == 0};
    if (!o.eval) return na(c, "the expected mask is a draw of NumPy's generator");
    return reel_dropout_mask(c->in[0], 0, &o, c->out);
}

/* ---- quantization ---------------------------------------------------------------------------------------------------------------- */
static reel_quantize_opts quantize_opts(const onnx_call *c)
{
    return (reel_quantize_opts){.size = sizeof(reel_quantize_opts), .block = attr_int(c, "block_size", 0)};
}

static int quantize_linear(onnx_call *c)
{
    const reel_quantize_opts o = quantize_opts(c);
    c->out[0] = reel_quantize_linear(c->in[0], c->in[1], c->in[2], (int)attr_int(c, "axis", 1), &o);
    return reel_status();
}

static int dequantize_linear(onnx_call *c)
{
    const reel_quantize_opts o = quantize_opts(c);
    c->out[0] = reel_dequantize_linear(c->in[0], c->in[1], c->in[2], (int)attr_int(c, "axis", 1), &o);
    return reel_status();
}

static int dynamic_quantize_linear(onnx_call *c)
{
    return reel_dynamic_quantize_linear(c->in[0], c->out);
}

/* ---- the optimizers of ai.onnx.preview.training: (rate, step, x ..., g ..., state ...) --------------------------------------------------- */
static reel_tensor *times(double a, reel_tensor *x)
{
    return reel_mul(x, reel_num(a));
}

static int adagrad(onnx_call *c)
{
    const int n = (c->n_in - 2) / 3;
    const double decay = attr_float(c, "decay_factor", 0), eps = attr_float(c, "epsilon", 1e-6),
                 norm = attr_float(c, "norm_coefficient", 0), t = host_number(c->in[1]);
    reel_tensor *rate = times(1 / (1 + t * decay), c->in[0]);
    for (int i = 0; i < n; i++) {
        reel_tensor *x = c->in[2 + i], *g = reel_add(c->in[2 + n + i], times(norm, x));
        reel_tensor *h = reel_add(c->in[2 + 2 * n + i], reel_square(g));
        c->out[i] = reel_sub(x, reel_div(reel_mul(rate, g), reel_add(reel_sqrt(h), reel_num(eps))));
        c->out[n + i] = h;
    }
    return reel_status();
}

static int adam(onnx_call *c)
{
    const int n = (c->n_in - 2) / 4;
    const double alpha = attr_float(c, "alpha", 0.9), beta = attr_float(c, "beta", 0.999),
                 eps = attr_float(c, "epsilon", 1e-6), norm = attr_float(c, "norm_coefficient", 0),
                 after = attr_float(c, "norm_coefficient_post", 0), t = host_number(c->in[1]);
    reel_tensor *rate = t > 0 ? times(sqrt(1 - pow(beta, t)) / (1 - pow(alpha, t)), c->in[0]) : c->in[0];
    for (int i = 0; i < n; i++) {
        reel_tensor *x = c->in[2 + i], *g = reel_add(c->in[2 + n + i], times(norm, x));
        reel_tensor *v = reel_add(times(alpha, c->in[2 + 2 * n + i]), times(1 - alpha, g));
        reel_tensor *h = reel_add(times(beta, c->in[2 + 3 * n + i]), times(1 - beta, reel_square(g)));
        reel_tensor *y = reel_sub(x, reel_div(reel_mul(rate, v), reel_add(reel_sqrt(h), reel_num(eps))));
        c->out[i] = times(1 - after, y);
        c->out[n + i] = v;
        c->out[2 * n + i] = h;
    }
    return reel_status();
}

static int momentum(onnx_call *c)
{
    const int n = (c->n_in - 2) / 3;
    const double alpha = attr_float(c, "alpha", 0), beta = attr_float(c, "beta", 0),
                 norm = attr_float(c, "norm_coefficient", 0), t = host_number(c->in[1]);
    const bool nesterov = strcmp(attr_string(c, "mode", "standard"), "nesterov") == 0;
    for (int i = 0; i < n; i++) {
        reel_tensor *x = c->in[2 + i], *g = reel_add(c->in[2 + n + i], times(norm, x));
        reel_tensor *v = reel_add(times(alpha, c->in[2 + 2 * n + i]), times(t > 0 ? beta : 1, g));
        reel_tensor *step = nesterov ? reel_add(g, times(alpha, v)) : v;
        c->out[i] = reel_sub(x, reel_mul(c->in[0], step));
        c->out[n + i] = v;
    }
    return reel_status();
}

#define TRAINING "ai.onnx.preview.training:"
const onnx_map onnx_neural[] = {{"Softmax", softmax},
                                {"LogSoftmax", log_softmax},
                                {"Hardmax", hardmax},
                                {"BatchNormalization", batch_normalization},
                                {"LayerNormalization", layer_normalization},
                                {"RMSNormalization", rms_normalization},
                                {"GroupNormalization", group_normalization},
                                {"InstanceNormalization", instance_normalization},
                                {"MeanVarianceNormalization", mean_variance_normalization},
                                {"LRN", lrn},
                                {"LpNormalization", lp_normalization},
                                {"SoftmaxCrossEntropyLoss", softmax_cross_entropy_loss},
                                {"NegativeLogLikelihoodLoss", negative_log_likelihood_loss},
                                {"Dropout", dropout},
                                {"QuantizeLinear", quantize_linear},
                                {"DequantizeLinear", dequantize_linear},
                                {"DynamicQuantizeLinear", dynamic_quantize_linear},
                                {TRAINING "Adagrad", adagrad},
                                {TRAINING "Adam", adam},
                                {TRAINING "Momentum", momentum},
                                {0}};
