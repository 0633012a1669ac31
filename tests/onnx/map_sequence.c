/* map_sequence.c: attention, rotary embedding, recurrent layers, and resampling. */
#include <math.h>
#include <string.h>

#include "onnx.h"

/* ---- attention ------------------------------------------------------------------------------------------- */
/* [B, T, H d] as [B, H, T, d] */
static reel_tensor *split_heads(reel_tensor *x, int64_t heads)
{
    const reel_shape s = reel_shape_of(x);
    reel_tensor *y = reel_reshape(x, REEL_SHAPE(s.dims[0], s.dims[1], heads, heads ? s.dims[2] / heads : 0));
    return reel_transpose(y, REEL_AXES(0, 2, 1, 3));
}

static reel_tensor *join_heads(reel_tensor *x)
{
    const reel_shape s = reel_shape_of(x);
    return reel_reshape(reel_transpose(x, REEL_AXES(0, 2, 1, 3)),
                        REEL_SHAPE(s.dims[0], s.dims[2], s.dims[1] * s.dims[3]));
}

static reel_tensor *hidden(reel_dtype d)
{
    return d == REEL_BOOL ? reel_cast(reel_zeros(REEL_U8, REEL_SCALAR), REEL_BOOL)
                          : reel_full(d, REEL_SCALAR, -INFINITY);
}

/* A mask shorter than the keys hides the rest. */
static reel_tensor *lengthened(reel_tensor *mask, int64_t keys)
{
    reel_shape s = reel_shape_of(mask);
    const int64_t have = s.dims[s.rank - 1];
    if (have >= keys || have == 1) return mask;
    s.dims[s.rank - 1] = keys - have;
    return reel_concat(REEL_LIST(mask, reel_broadcast_to(hidden(reel_dtype_of(mask)), s)), -1);
}

/* true where key j < length[b] (+ t - T for causal): [B, 1, 1 or T, S] */
static reel_tensor *within(reel_tensor *lengths, int64_t queries, int64_t keys, bool causal)
{
    reel_tensor *n = reel_unsqueeze(reel_cast(lengths, REEL_I64), REEL_AXES(1, 2, 3)),
                *j = reel_arange(REEL_I64, 0, (double)keys, 1);
    if (!causal) return reel_less(j, n);
    reel_tensor *t = reel_unsqueeze(reel_arange(REEL_I64, (double)-queries, 0, 1), REEL_AXES(1));
    return reel_less_equal(j, reel_add(n, t));
}

static reel_tensor *both(reel_tensor *mask, reel_tensor *allowed)
{
    if (!mask) return allowed;
    if (reel_dtype_of(mask) == REEL_BOOL) return reel_minimum(mask, allowed);
    return reel_where(allowed, mask, hidden(reel_dtype_of(mask)));
}

/* The scores after the product, the softcap, the mask, or the softmax. */
static reel_tensor *scores_of(onnx_call *c, reel_tensor *q, reel_tensor *k, reel_tensor *mask, double scale,
                              double softcap, int64_t past)
{
    const int64_t mode = attr_int(c, "qk_matmul_output_mode", 0), groups = reel_dim(k, 1), heads = reel_dim(q, 1);
    const int64_t queries = reel_dim(q, 2), keys = reel_dim(k, 2), d = reel_dim(q, 3);
    const reel_dtype type = reel_dtype_of(q);
    q = reel_reshape(q, REEL_SHAPE(reel_dim(q, 0), groups, heads / groups, queries, d));
    k = reel_unsqueeze(reel_swapaxes(k, -1, -2), REEL_AXES(2));
    if (scale == 0) scale = 1 / sqrt((double)d);
    reel_tensor *s = reel_mul(reel_matmul(q, k), reel_num(scale));
    s = reel_reshape(s, REEL_SHAPE(reel_dim(s, 0), heads, queries, keys));
    if (mode >= 1 && softcap > 0) s = reel_mul(reel_tanh(reel_div(s, reel_num(softcap))), reel_num(softcap));
    if (mode < 2) return s;
    if (attr_int(c, "is_causal", 0)) {
        reel_tensor *t = reel_unsqueeze(reel_arange(REEL_I64, (double)past, (double)(past + queries), 1), REEL_AXES(1));
        mask = both(mask, reel_less_equal(reel_arange(REEL_I64, 0, (double)keys, 1), t));
    }
    if (mask) s = reel_dtype_of(mask) == REEL_BOOL ? reel_where(mask, s, hidden(type)) : reel_add(s, mask);
    return mode == 3 ? reel_softmax(s, -1) : s;
}

static int attention(onnx_call *c)
{
    reel_tensor *q = c->in[0], *k = c->in[1], *v = c->in[2], *mask = c->in[3], *lengths = c->in[6];
    const bool flat = reel_shape_of(q).rank == 3, causal = attr_int(c, "is_causal", 0) != 0;
    const double scale = attr_float(c, "scale", 0), softcap = attr_float(c, "softcap", 0);
    int64_t past = 0;
    if (flat) {
        const int64_t heads = attr_int(c, "q_num_heads", 1), groups = attr_int(c, "kv_num_heads", 1);
        q = split_heads(q, heads), k = split_heads(k, groups), v = split_heads(v, groups);
    }
    if (c->in[4]) {
        past = reel_dim(c->in[4], 2);
        k = reel_concat(REEL_LIST(c->in[4], k), 2);
        v = reel_concat(REEL_LIST(c->in[5], v), 2);
    }
    const int64_t keys = reel_dim(k, 2);
    if (mask) mask = lengthened(mask, keys);
    if (lengths) mask = both(mask, within(lengths, reel_dim(q, 2), keys, causal && !c->in[4]));
    const bool by_op = causal && (!lengths || c->in[4]);
    reel_tensor *y = reel_attention(
        q, k, v, mask,
        REEL_OPTS(attention, .scale = scale, .softcap = softcap, .causal = by_op ? REEL_CAUSAL : 0, .past = past));
    c->out[0] = flat && y ? join_heads(y) : y;
    c->out[1] = k;
    c->out[2] = v;
    if (c->n_out > 3) c->out[3] = scores_of(c, q, k, mask, scale, softcap, past);
    return reel_status();
}

static int rotary_embedding(onnx_call *c)
{
    reel_tensor *x = c->in[0], *table[2] = {c->in[1], c->in[2]};
    const reel_shape s = reel_shape_of(x);
    const int64_t dim = attr_int(c, "rotary_embedding_dim", 0);
    const bool flat = s.rank == 3;
    if (flat) {
        const int64_t heads = attr_int(c, "num_heads", 1);
        x = reel_reshape(x, REEL_SHAPE(s.dims[0], s.dims[1], heads, s.dims[2] / heads));
    }
    for (int i = 0; i < 2; i++) {
        if (c->in[3]) table[i] = reel_gather(table[i], c->in[3], 0);
        if (dim > 0) table[i] = reel_slice(table[i], 3, REEL_RANGES(REEL_ALL, REEL_ALL, {0, dim / 2, 1}));
        table[i] = reel_unsqueeze(table[i], (reel_axes){1, {flat ? 2 : 1}});
    }
    reel_tensor *y =
        reel_rotary(x, table[0], table[1], REEL_OPTS(rotary, .interleaved = attr_int(c, "interleaved", 0) != 0));
    c->out[0] = flat ? reel_reshape(y, s) : y;
    return reel_status();
}

/* Rows of update written into the cache from write_indices[b] on, along an axis. */
static int tensor_scatter(onnx_call *c)
{
    enum { MAX = 4096 };
    int64_t at[ONNX_MAX_LIST] = {0}, index[MAX];
    reel_tensor *images[ONNX_MAX_LIST];
    const reel_shape s = reel_shape_of(c->in[0]);
    const int64_t given = attr_int(c, "axis", -2);
    const int axis = (int)(given < 0 ? given + s.rank : given);
    const bool circular = strcmp(attr_string(c, "mode", "linear"), "circular") == 0;
    const int64_t n = s.dims[axis], rows = reel_dim(c->in[1], axis);
    if (s.dims[0] > 60 || n > MAX) return na(c, "a cache that large");
    if (c->in[2] && host_ints(c->in[2], at, ONNX_MAX_LIST) < 0) return reel_status();
    for (int64_t b = 0; b < s.dims[0]; b++) {
        for (int64_t i = 0; i < n; i++) index[i] = i;
        for (int64_t t = 0; t < rows; t++) {
            const int64_t to = circular ? (at[b] + t) % n : at[b] + t;
            if (to < n) index[to] = n + t;
        }
        const reel_range one = {b, b + 1, 1};
        reel_tensor *all = reel_concat(REEL_LIST(reel_slice(c->in[0], 1, &one), reel_slice(c->in[1], 1, &one)), axis);
        images[b] = reel_gather(all, reel_from_i64(REEL_SHAPE(n), index, (size_t)n), axis);
    }
    c->out[0] = reel_concat((reel_list){(int)s.dims[0], images}, 0);
    return reel_status();
}

/* ---- recurrent layers ------------------------------------------------------------------------------------- */
typedef struct layer {
    int ways, gates;
    bool batch_first;
    reel_tensor *x, *w, *r, *b;
    reel_rnn_opts o;
} layer;

/* x's gates (axis 1 of [D, G H, ...]) in another order */
static reel_tensor *reordered(reel_tensor *x, int n, const int *order)
{
    reel_tensor *p[8], *q[8];
    if (!x || reel_split(x, 1, n, p)) return NULL;
    for (int i = 0; i < n; i++) q[i] = p[order[i]];
    return reel_concat((reel_list){n, q}, 1);
}

static reel_tensor *own_axis(const layer *l, reel_tensor *x)
{
    return x && l->ways == 1 ? reel_squeeze(x, REEL_AXES(0)) : x;
}

static reel_tensor *state(const layer *l, reel_tensor *x)
{
    return own_axis(l, x && l->batch_first ? reel_transpose(x, REEL_AXES(1, 0, 2)) : x);
}

static int read_layer(onnx_call *c, layer *l, int gates, const int *order)
{
    const char *direction = attr_string(c, "direction", "forward");
    *l = (layer){.ways = strcmp(direction, "bidirectional") == 0 ? 2 : 1,
                 .gates = gates,
                 .batch_first = attr_int(c, "layout", 0) != 0,
                 .x = c->in[0]};
    l->o.size = sizeof l->o;
    l->o.direction = l->ways == 2 ? REEL_BOTH : strcmp(direction, "reverse") == 0 ? REEL_REVERSE : 0;
    l->o.batch_first = l->batch_first;
    if (attr(c, "clip")) return na(c, "clip");
    l->w = own_axis(l, reordered(c->in[1], gates, order));
    l->r = own_axis(l, reordered(c->in[2], gates, order));
    if (c->in[3]) {
        reel_tensor *b[2];
        if (reel_split(c->in[3], 1, 2, b)) return reel_status();
        l->b = own_axis(l, reordered(b[0], gates, order));
        l->o.rb = own_axis(l, reordered(b[1], gates, order));
    }
    l->o.lengths = c->in[4];
    l->o.h0 = state(l, c->in[5]);
    return reel_status();
}

static reel_tensor *state_out(const layer *l, reel_tensor *x)
{
    if (l->ways == 1) x = reel_unsqueeze(x, REEL_AXES(0));
    return l->batch_first ? reel_transpose(x, REEL_AXES(1, 0, 2)) : x;
}

static int write_layer(onnx_call *c, const layer *l, reel_tensor *const y[3], int n)
{
    const reel_shape s = reel_shape_of(y[0]);
    reel_tensor *all = reel_reshape(y[0], REEL_SHAPE(s.dims[0], s.dims[1], l->ways, s.dims[2] / l->ways));
    c->out[0] = l->batch_first ? all : reel_transpose(all, REEL_AXES(0, 2, 1, 3));
    for (int i = 1; i < n; i++) c->out[i] = state_out(l, y[i]);
    return reel_status();
}

/* Activations other than the usual ones: none. */
static bool usual(const onnx_call *c, int n, const char *const *names)
{
    const onnx_attr *a = attr(c, "activations");
    for (int i = 0; a && i < a->n; i++)
        if (strcmp(a->strings[i], names[i % n]) != 0) return false;
    return true;
}

static int rnn(onnx_call *c)
{
    layer l;
    reel_tensor *y[3] = {NULL};
    const onnx_attr *a = attr(c, "activations");
    const int code = read_layer(c, &l, 1, (int[]){0});
    if (code) return code;
    l.o.relu = a && a->n > 0 && strcmp(a->strings[0], "Relu") == 0;
    if (!usual(c, 1, (const char *[]){l.o.relu ? "Relu" : "Tanh"})) return na(c, "other activations");
    return reel_rnn(l.x, l.w, l.r, l.b, &l.o, y) ? reel_status() : write_layer(c, &l, y, 2);
}

static int gru(onnx_call *c)
{
    layer l;
    reel_tensor *y[3] = {NULL};
    if (!usual(c, 2, (const char *[]){"Sigmoid", "Tanh"})) return na(c, "other activations");
    const int code = read_layer(c, &l, 3, (int[]){1, 0, 2});
    if (code) return code;
    l.o.reset_before = attr_int(c, "linear_before_reset", 0) == 0;
    return reel_gru(l.x, l.w, l.r, l.b, &l.o, y) ? reel_status() : write_layer(c, &l, y, 2);
}

static int lstm(onnx_call *c)
{
    layer l;
    reel_tensor *y[3] = {NULL};
    if (!usual(c, 3, (const char *[]){"Sigmoid", "Tanh", "Tanh"})) return na(c, "other activations");
    if (attr_int(c, "input_forget", 0)) return na(c, "input_forget");
    const int code = read_layer(c, &l, 4, (int[]){0, 2, 3, 1});
    if (code) return code;
    l.o.c0 = state(&l, c->in[6]);
    l.o.peephole = own_axis(&l, reordered(c->in[7], 3, (int[]){0, 2, 1}));
    return reel_lstm(l.x, l.w, l.r, l.b, &l.o, y) ? reel_status() : write_layer(c, &l, y, 3);
}

/* ---- resampling --------------------------------------------------------------------------------------------- */
static int which(const char *name, int n, const char *const *names)
{
    for (int i = 0; i < n; i++)
        if (strcmp(name, names[i]) == 0) return i;
    return -1;
}

static int host_doubles(reel_tensor *t, double *list)
{
    const int64_t n = reel_shape_count(reel_shape_of(t));
    return n <= 2 * REEL_MAX_RANK && reel_read_f64(t, list, (size_t)n) == 0 ? (int)n : -1;
}

static int resize(onnx_call *c)
{
    static const char *const modes[] = {"nearest", "linear", "cubic"};
    static const char *const places[] = {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
                                         "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"};
    static const char *const roundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
    static const char *const policies[] = {"stretch", "not_larger", "not_smaller"};
    const bool old = c->opset < 11;
    reel_tensor *roi = old ? NULL : c->in[1], *scales = old ? c->in[1] : c->in[2], *sizes = old ? NULL : c->in[3];
    double s[2 * REEL_MAX_RANK], region[2 * REEL_MAX_RANK];
    int64_t list[REEL_MAX_RANK], axes[REEL_MAX_RANK];
    const int n_axes = attr_ints(c, "axes", axes, REEL_MAX_RANK);
    reel_resize_opts o = {.size = sizeof o};
    o.mode = which(attr_string(c, "mode", "nearest"), 3, modes);
    o.coordinates =
        which(attr_string(c, "coordinate_transformation_mode", old ? "asymmetric" : "half_pixel"), 7, places);
    o.rounding = which(attr_string(c, "nearest_mode", old ? "floor" : "round_prefer_floor"), 4, roundings);
    o.aspect = which(attr_string(c, "keep_aspect_ratio_policy", "stretch"), 3, policies);
    o.antialias = attr_int(c, "antialias", 0) != 0;
    o.exclude_outside = attr_int(c, "exclude_outside", 0) != 0;
    o.cubic_a = attr_float(c, "cubic_coeff_a", -0.75);
    o.extrapolation = attr_float(c, "extrapolation_value", 0);
    if (n_axes >= 0) o.axes = axes_from(axes, n_axes);
    if (roi && reel_shape_count(reel_shape_of(roi)) > 0 && host_doubles(roi, region) >= 0) o.roi = region;
    if (scales && reel_shape_count(reel_shape_of(scales)) > 0) {
        const int n = host_doubles(scales, s);
        c->out[0] = reel_rescale(c->in[0], n, s, &o);
    } else {
        const int n = host_ints(sizes, list, REEL_MAX_RANK);
        c->out[0] = reel_resize(c->in[0], n, list, &o);
    }
    return reel_status();
}

static int upsample(onnx_call *c)
{
    double s[2 * REEL_MAX_RANK];
    const bool nearest = strcmp(attr_string(c, "mode", "nearest"), "nearest") == 0;
    const int n = host_doubles(c->in[1], s);
    c->out[0] = reel_rescale(c->in[0], n, s,
                             REEL_OPTS(resize, .mode = nearest ? REEL_RESIZE_NEAREST : REEL_RESIZE_LINEAR,
                                       .coordinates = REEL_ASYMMETRIC, .rounding = REEL_FLOOR));
    return reel_status();
}

static int grid_sample(onnx_call *c)
{
    static const char *const modes[] = {"linear", "nearest", "cubic", "bilinear", "nearest", "bicubic"};
    static const char *const paddings[] = {"zeros", "border", "reflection"};
    const int mode = which(attr_string(c, "mode", "linear"), 6, modes),
              padding = which(attr_string(c, "padding_mode", "zeros"), 3, paddings);
    c->out[0] = reel_grid_sample(c->in[0], c->in[1],
                                 REEL_OPTS(grid_sample, .mode = mode % 3, .padding = padding,
                                           .align_corners = attr_int(c, "align_corners", 0) != 0));
    return reel_status();
}

static int affine_grid(onnx_call *c)
{
    int64_t size[REEL_MAX_RANK];
    const int n = host_ints(c->in[1], size, REEL_MAX_RANK);
    if (n < 2) return reel_status() ? reel_status() : na(c, "sizes");
    c->out[0] = reel_affine_grid(c->in[0], n - 2, size + 2, attr_int(c, "align_corners", 0) != 0);
    return reel_status();
}

static int roi_align(onnx_call *c)
{
    const char *places =
        attr_string(c, "coordinate_transformation_mode", c->opset < 16 ? "output_half_pixel" : "half_pixel");
    c->out[0] =
        reel_roi_align(c->in[0], c->in[1], c->in[2], attr_int(c, "output_height", 1), attr_int(c, "output_width", 1),
                       REEL_OPTS(roi_align, .scale = attr_float(c, "spatial_scale", 1),
                                 .samples = (int)attr_int(c, "sampling_ratio", 0),
                                 .max = strcmp(attr_string(c, "mode", "avg"), "max") == 0,
                                 .pixel_corners = strcmp(places, "output_half_pixel") == 0));
    return reel_status();
}

const onnx_map onnx_sequence[] = {{"RoiAlign", roi_align},
                                  {"Attention", attention},
                                  {"RotaryEmbedding", rotary_embedding},
                                  {"TensorScatter", tensor_scatter},
                                  {"RNN", rnn},
                                  {"GRU", gru},
                                  {"LSTM", lstm},
                                  {"Resize", resize},
                                  {"Upsample", upsample},
                                  {"GridSample", grid_sample},
                                  {"AffineGrid", affine_grid},
                                  {0}};
