/* map_conv.c: convolution and pooling. */
#include "onnx.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ONNX's window attributes: missing lists are -1 long. */
typedef struct windows {
    int n, padded;
    int64_t kernel[3], stride[3], dilation[3], pads[6];
    reel_padding padding;
} windows;

static int read_windows(const onnx_call *c, int spatial, windows *w)
{
    const char *mode = attr_string(c, "auto_pad", "NOTSET");
    memset(w, 0, sizeof *w);
    w->n = spatial;
    attr_ints(c, "kernel_shape", w->kernel, 3);
    for (int i = 0; i < spatial; i++) w->stride[i] = w->dilation[i] = 1;
    attr_ints(c, "strides", w->stride, 3);
    attr_ints(c, "dilations", w->dilation, 3);
    if (!strcmp(mode, "SAME_UPPER")) w->padding = REEL_SAME;
    if (!strcmp(mode, "SAME_LOWER")) w->padding = REEL_SAME_LOWER;
    w->padded = !strcmp(mode, "NOTSET") && attr_ints(c, "pads", w->pads, 6) > 0;
    return 0;
}

static void fill(const windows *w, int stride[3], int dilation[3], int before[3], int after[3])
{
    for (int i = 0; i < w->n; i++) {
        stride[i] = (int)w->stride[i];
        dilation[i] = (int)w->dilation[i];
        if (w->padded) before[i] = (int)w->pads[i], after[i] = (int)w->pads[w->n + i];
    }
}

static reel_conv_opts conv_opts(const onnx_call *c, int n)
{
    windows w;
    reel_conv_opts o = {.size = sizeof o, .groups = (int)attr_int(c, "group", 1)};
    read_windows(c, n, &w);
    fill(&w, o.stride, o.dilation, o.pad_before, o.pad_after);
    o.padding = w.padding;
    return o;
}

static int spatial_of(reel_tensor *x)
{
    return reel_shape_of(x).rank - 2;
}

/* ---- convolution ------------------------------------------------------------------------------------- */
static int conv(onnx_call *c)
{
    reel_conv_opts o = conv_opts(c, spatial_of(c->in[0]));
    o.bias = c->in[2];
    c->out[0] = reel_conv(c->in[0], c->in[1], &o);
    return reel_status();
}

static int conv_transpose(onnx_call *c)
{
    const int n = spatial_of(c->in[0]);
    const reel_shape x = reel_shape_of(c->in[0]), k = reel_shape_of(c->in[1]);
    reel_conv_opts o = conv_opts(c, n);
    int64_t more[3] = {0}, size[3];
    o.bias = c->in[2];
    attr_ints(c, "output_padding", more, 3);
    for (int i = 0; i < n; i++) o.output_padding[i] = (int)more[i];
    if (attr_ints(c, "output_shape", size, 3) > 0) {
        const bool upper = o.padding == REEL_SAME;
        o.padding = REEL_VALID;
        for (int i = 0; i < n; i++) {
            const int64_t total =
                o.stride[i] * (x.dims[2 + i] - 1) + more[i] + (k.dims[2 + i] - 1) * o.dilation[i] + 1 - size[i];
            const int64_t half = total / 2;
            if (total < 0) { /* a larger one has more at its ends */
                o.output_padding[i] = (int)(more[i] - total);
                continue;
            }
            o.pad_before[i] = (int)(upper ? half : total - half);
            o.pad_after[i] = (int)(upper ? total - half : half);
        }
    }
    c->out[0] = reel_conv_transpose(c->in[0], c->in[1], &o);
    return reel_status();
}

/* t - zero as f64, where every product and sum of bytes is exact; a zero point a channel lies along axis 0. */
static reel_tensor *shifted(reel_tensor *t, reel_tensor *zero)
{
    reel_tensor *x = reel_cast(t, REEL_F64);
    if (!zero) return x;
    reel_shape s = {.rank = 0};
    reel_tensor *z = reel_cast(zero, REEL_F64);
    if (reel_shape_count(reel_shape_of(zero)) > 1) {
        s.rank = reel_shape_of(t).rank;
        for (int i = 0; i < s.rank; i++) s.dims[i] = i == 0 ? reel_shape_count(reel_shape_of(zero)) : 1;
    }
    return reel_sub(x, reel_reshape(z, s));
}

static int conv_integer(onnx_call *c)
{
    const reel_conv_opts o = conv_opts(c, spatial_of(c->in[0]));
    c->out[0] = reel_cast(reel_conv(shifted(c->in[0], c->in[2]), shifted(c->in[1], c->in[3]), &o), REEL_I32);
    return reel_status();
}

/* x, scale, zero; w, scale, zero; y's scale, zero; bias */
static int qlinear_conv(onnx_call *c)
{
    reel_conv_opts o = conv_opts(c, spatial_of(c->in[0]));
    if (reel_shape_count(reel_shape_of(c->in[4])) != 1) return na(c, "a scale a channel");
    if (c->in[8]) o.bias = reel_cast(c->in[8], REEL_F64);
    reel_tensor *sum = reel_conv(shifted(c->in[0], c->in[2]), shifted(c->in[3], c->in[5]), &o);
    const double scale = host_number(c->in[1]) * host_number(c->in[4]) / host_number(c->in[6]);
    const reel_dtype d = reel_dtype_of(c->in[7]);
    const reel_shape s = reel_shape_of(sum);
    const size_t n = (size_t)reel_shape_count(s);
    double *v = calloc(n + 1, sizeof *v);
    reel_read_f64(sum, v, n);
    for (size_t i = 0; i < n; i++) {
        const double low = d == REEL_U8 ? 0 : -128, y = rint(v[i] * scale) + host_number(c->in[7]);
        v[i] = fmin(fmax(y, low), low + 255);
    }
    c->out[0] = reel_cast(reel_from_f64(s, v, n), d);
    free(v);
    return reel_status();
}

/* A depthwise convolution along the last axis that sees what came before: of the state, or zeros. */
static int causal_conv(onnx_call *c)
{
    const reel_shape w = reel_shape_of(c->in[1]);
    const char *activation = attr_string(c, "activation", "none");
    const int64_t low[3] = {0, 0, w.dims[2] - 1}, high[3] = {0};
    reel_conv_opts o = {.size = sizeof o, .groups = (int)w.dims[0], .bias = c->n_in > 2 ? c->in[2] : NULL};
    reel_tensor *past = c->n_in > 3 ? c->in[3] : NULL, *x = c->in[0];
    x = past ? reel_concat(REEL_LIST(past, x), 2) : reel_pad(x, 3, low, high, NULL);
    const int64_t length = reel_dim(x, 2);
    reel_tensor *y = reel_conv(x, c->in[1], &o);
    if (!strcmp(activation, "silu") || !strcmp(activation, "swish")) {
        const reel_dtype d = reel_dtype_of(y);
        reel_tensor *f = d == REEL_F64 ? y : reel_cast(y, REEL_F32);
        y = reel_cast(reel_mul(f, reel_sigmoid(f)), d);
    } else if (strcmp(activation, "none") != 0) {
        return na(c, "activation %s", activation);
    }
    c->out[0] = y;
    c->out[1] = reel_slice(x, 3, REEL_RANGES(REEL_ALL, REEL_ALL, {length - w.dims[2] + 1, REEL_END, 1}));
    return reel_status();
}

/* ---- pooling ----------------------------------------------------------------------------------------- */
static reel_pool_opts pool_opts(const onnx_call *c, int n, reel_shape *kernel)
{
    windows w;
    reel_pool_opts o = {.size = sizeof o, .ceil_mode = attr_int(c, "ceil_mode", 0) != 0};
    read_windows(c, n, &w);
    fill(&w, o.stride, o.dilation, o.pad_before, o.pad_after);
    o.padding = w.padding;
    *kernel = shape_from(w.kernel, n);
    return o;
}

/* ONNX counts its indices through the whole tensor, Reel through a channel: sign 1 adds, -1 takes away what lies before. */
static reel_tensor *whole_indices(reel_tensor *indices, int64_t plane, int sign)
{
    reel_shape s = reel_shape_of(indices);
    const int64_t planes = s.dims[0] * s.dims[1];
    for (int i = 2; i < s.rank; i++) s.dims[i] = 1;
    int64_t *before = calloc((size_t)planes + 1, sizeof *before);
    for (int64_t i = 0; i < planes; i++) before[i] = sign * i * plane;
    reel_tensor *t = reel_from_i64(s, before, (size_t)planes);
    free(before);
    return reel_add(indices, t);
}

static int64_t plane_of(reel_shape s)
{
    int64_t n = 1;
    for (int i = 2; i < s.rank; i++) n *= s.dims[i];
    return n;
}

static int max_pool(onnx_call *c)
{
    reel_shape kernel;
    reel_pool_opts o = pool_opts(c, spatial_of(c->in[0]), &kernel);
    c->out[0] = reel_max_pool(c->in[0], kernel, &o);
    if (c->n_out < 2) return reel_status();
    o.column_major = attr_int(c, "storage_order", 0) != 0;
    c->out[1] = whole_indices(reel_max_pool_indices(c->in[0], kernel, &o), plane_of(reel_shape_of(c->in[0])), 1);
    return reel_status();
}

static int average_pool(onnx_call *c)
{
    reel_shape kernel;
    reel_pool_opts o = pool_opts(c, spatial_of(c->in[0]), &kernel);
    o.exclude_pad = attr_int(c, "count_include_pad", 0) == 0;
    c->out[0] = reel_avg_pool(c->in[0], kernel, &o);
    return reel_status();
}

static int lp_pool(onnx_call *c)
{
    reel_shape kernel;
    const reel_pool_opts o = pool_opts(c, spatial_of(c->in[0]), &kernel);
    c->out[0] = reel_lp_pool(c->in[0], (double)attr_int(c, "p", 2), kernel, &o);
    return reel_status();
}

/* The indices are those of the smallest result; one given as output_shape has more at its ends. */
static int max_unpool(onnx_call *c)
{
    const reel_shape x = reel_shape_of(c->in[0]);
    const int n = x.rank - 2;
    windows w;
    reel_shape least = {.rank = n};
    read_windows(c, n, &w);
    for (int i = 0; i < n; i++)
        least.dims[i] = (x.dims[2 + i] - 1) * w.stride[i] + w.kernel[i] - w.pads[i] - w.pads[n + i];
    int64_t plane = 1;
    for (int i = 0; i < n; i++) plane *= least.dims[i];
    c->out[0] = reel_max_unpool(c->in[0], whole_indices(c->in[1], plane, -1), least, false);
    if (c->n_in > 2 && c->in[2]) {
        int64_t size[REEL_MAX_RANK], low[REEL_MAX_RANK] = {0}, high[REEL_MAX_RANK];
        if (host_ints(c->in[2], size, REEL_MAX_RANK) != x.rank) return na(c, "an output_shape of another rank");
        for (int i = 0; i < x.rank; i++) high[i] = i < 2 ? 0 : size[i] - least.dims[i - 2];
        c->out[0] = reel_pad(c->out[0], x.rank, low, high, NULL);
    }
    return reel_status();
}

static int global_max_pool(onnx_call *c)
{
    c->out[0] = reel_global_max_pool(c->in[0], false);
    return reel_status();
}

static int global_average_pool(onnx_call *c)
{
    c->out[0] = reel_global_avg_pool(c->in[0], false);
    return reel_status();
}

static int global_lp_pool(onnx_call *c)
{
    c->out[0] = reel_global_lp_pool(c->in[0], (double)attr_int(c, "p", 2), false);
    return reel_status();
}

const onnx_map onnx_conv[] = {{"Conv", conv},
                              {"ConvTranspose", conv_transpose},
                              {"ConvInteger", conv_integer},
                              {"QLinearConv", qlinear_conv},
                              {"CausalConvWithState", causal_conv},
                              {"MaxPool", max_pool},
                              {"AveragePool", average_pool},
                              {"LpPool", lp_pool},
                              {"MaxUnpool", max_unpool},
                              {"GlobalMaxPool", global_max_pool},
                              {"GlobalAveragePool", global_average_pool},
                              {"GlobalLpPool", global_lp_pool},
                              {0}};
