/* map_shape.c: shapes, indices, creation. */
#include <string.h>

#include "onnx.h"

/* The list of input i, or of the attribute that older operator sets have instead; -1: neither. */
static int list(onnx_call *c, int i, const char *name, int64_t *v, int max)
{
    if (i < c->n_in && c->in[i]) return host_ints(c->in[i], v, max);
    return name ? attr_ints(c, name, v, max) : -1;
}

static int rank_of(const onnx_call *c)
{
    return reel_shape_of(c->in[0]).rank;
}

/* ---- the same elements ------------------------------------------------------------------------------------ */
static int identity(onnx_call *c)
{
    if (!c->in[0]) return na(c, "nothing to pass on");
    c->out[0] = c->in[0];
    return reel_status();
}

static int reshape(onnx_call *c)
{
    int64_t v[ONNX_MAX_LIST];
    const int n = list(c, 1, "shape", v, ONNX_MAX_LIST);
    if (n < 0 || n > REEL_MAX_RANK) return na(c, "%d axes", n);
    c->out[0] = attr_int(c, "allowzero", 0) ? reel_reshape(c->in[0], shape_from(v, n))
                                            : reel_reshape_keep(c->in[0], shape_from(v, n));
    return reel_status();
}

static int flatten(onnx_call *c)
{
    c->out[0] = reel_flatten_2d(c->in[0], (int)attr_int(c, "axis", 1));
    return reel_status();
}

static int transpose(onnx_call *c)
{
    int64_t v[ONNX_MAX_LIST];
    const int n = attr_ints(c, "perm", v, ONNX_MAX_LIST);
    c->out[0] = reel_transpose(c->in[0], n < 0 ? REEL_ALL_AXES : axes_from(v, n));
    return reel_status();
}

static int squeeze(onnx_call *c)
{
    int64_t v[ONNX_MAX_LIST];
    const int n = list(c, 1, "axes", v, ONNX_MAX_LIST);
    c->out[0] = reel_squeeze(c->in[0], n < 0 ? REEL_ALL_AXES : axes_from(v, n));
    return reel_status();
}

static int unsqueeze(onnx_call *c)
{
    int64_t v[ONNX_MAX_LIST];
    const int n = list(c, 1, "axes", v, ONNX_MAX_LIST);
    c->out[0] = n > 0 ? reel_unsqueeze(c->in[0], axes_from(v, n)) : c->in[0];
    return reel_status();
}

static int expand(onnx_call *c)
{
    int64_t v[ONNX_MAX_LIST];
    const int n = host_ints(c->in[1], v, ONNX_MAX_LIST);
    c->out[0] = reel_expand(c->in[0], shape_from(v, n));
    return reel_status();
}

static int depth_to_space(onnx_call *c)
{
    const bool crd = strcmp(attr_string(c, "mode", "DCR"), "CRD") == 0;
    c->out[0] = reel_depth_to_space(c->in[0], attr_int(c, "blocksize", 1), crd ? REEL_CRD : REEL_DCR);
    return reel_status();
}

static int space_to_depth(onnx_call *c)
{
    c->out[0] = reel_space_to_depth(c->in[0], attr_int(c, "blocksize", 1));
    return reel_status();
}

/* ---- parts -------------------------------------------------------------------------------------------------- */
static int slice(onnx_call *c)
{
    int64_t start[ONNX_MAX_LIST], end[ONNX_MAX_LIST], axes[ONNX_MAX_LIST], steps[ONNX_MAX_LIST];
    reel_range r[REEL_MAX_RANK];
    const int n = list(c, 1, "starts", start, ONNX_MAX_LIST);
    list(c, 2, "ends", end, ONNX_MAX_LIST);
    const int n_axes = list(c, 3, "axes", axes, ONNX_MAX_LIST), n_steps = list(c, 4, NULL, steps, ONNX_MAX_LIST);
    if (n < 0 || n > REEL_MAX_RANK) return na(c, "%d axes", n);
    for (int i = 0; i < n; i++) {
        if (n_axes < 0) axes[i] = i;
        r[i] = (reel_range){start[i], end[i], n_steps < 0 ? 1 : steps[i]};
    }
    c->out[0] = n ? reel_strided_slice(c->in[0], axes_from(axes, n), r) : c->in[0];
    return reel_status();
}

static int split(onnx_call *c)
{
    int64_t sizes[ONNX_MAX_LIST];
    const int axis = (int)attr_int(c, "axis", 0), n = list(c, 1, "split", sizes, ONNX_MAX_LIST);
    if (n >= 0) return reel_split_sizes(c->in[0], axis, n, sizes, c->out);
    return reel_chunk(c->in[0], axis, c->n_out, c->out);
}

static int concat(onnx_call *c)
{
    c->out[0] = reel_concat(((reel_list){c->n_in, c->in}), (int)attr_int(c, "axis", 0));
    return reel_status();
}

static int tile(onnx_call *c)
{
    int64_t v[ONNX_MAX_LIST];
    const int n = host_ints(c->in[1], v, ONNX_MAX_LIST);
    c->out[0] = reel_tile(c->in[0], shape_from(v, n));
    return reel_status();
}

static int pad(onnx_call *c)
{
    int64_t v[ONNX_MAX_LIST], axes[ONNX_MAX_LIST], low[REEL_MAX_RANK] = {0}, high[REEL_MAX_RANK] = {0};
    const int n = list(c, 1, "pads", v, ONNX_MAX_LIST) / 2, n_axes = list(c, 3, NULL, axes, ONNX_MAX_LIST);
    const char *mode = attr_string(c, "mode", "constant");
    const double value = c->n_in > 2 && c->in[2] ? host_number(c->in[2]) : attr_float(c, "value", 0);
    for (int i = 0; i < n; i++) {
        const int64_t k = n_axes < 0 ? i : axes[i];
        low[k < 0 ? k + rank_of(c) : k] = v[i];
        high[k < 0 ? k + rank_of(c) : k] = v[n + i];
    }
    const reel_pad_mode m = strcmp(mode, "reflect") == 0 ? REEL_PAD_REFLECT
                            : strcmp(mode, "edge") == 0  ? REEL_PAD_EDGE
                            : strcmp(mode, "wrap") == 0  ? REEL_PAD_WRAP
                                                         : REEL_PAD_CONSTANT;
    c->out[0] = reel_pad(c->in[0], rank_of(c), low, high, REEL_OPTS(pad, .mode = m, .value = value));
    return reel_status();
}

static int center_crop_pad(onnx_call *c)
{
    int64_t to[ONNX_MAX_LIST], axes[ONNX_MAX_LIST], low[REEL_MAX_RANK] = {0}, high[REEL_MAX_RANK] = {0};
    const int n = host_ints(c->in[1], to, ONNX_MAX_LIST), n_axes = attr_ints(c, "axes", axes, ONNX_MAX_LIST);
    for (int i = 0; i < n; i++) {
        int64_t k = n_axes < 0 ? i : axes[i];
        if (k < 0) k += rank_of(c);
        const int64_t more = to[i] - reel_dim(c->in[0], (int)k);
        low[k] = more / 2; /* toward zero: what is left over goes to, or comes from, the end */
        high[k] = more - more / 2;
    }
    c->out[0] = reel_pad(c->in[0], rank_of(c), low, high, NULL);
    return reel_status();
}

static int trilu(onnx_call *c)
{
    const int64_t k = c->n_in > 1 && c->in[1] ? (int64_t)host_number(c->in[1]) : 0;
    c->out[0] = attr_int(c, "upper", 1) ? reel_triu(c->in[0], k) : reel_tril(c->in[0], k);
    return reel_status();
}

static int col2im(onnx_call *c)
{
    int64_t image[ONNX_MAX_LIST], block[ONNX_MAX_LIST], v[ONNX_MAX_LIST];
    reel_unfold_opts o = {.size = sizeof o};
    const int n = host_ints(c->in[1], image, ONNX_MAX_LIST);
    host_ints(c->in[2], block, ONNX_MAX_LIST);
    if (n < 1 || n > 6) return na(c, "%d axes", n);
    if (attr_ints(c, "strides", v, ONNX_MAX_LIST) > 0) memcpy(o.stride, v, (size_t)n * 8);
    if (attr_ints(c, "dilations", v, ONNX_MAX_LIST) > 0) memcpy(o.dilation, v, (size_t)n * 8);
    if (attr_ints(c, "pads", v, ONNX_MAX_LIST) > 0) {
        memcpy(o.low, v, (size_t)n * 8);
        memcpy(o.high, v + n, (size_t)n * 8);
    }
    c->out[0] = reel_fold(c->in[0], shape_from(image, n), shape_from(block, n), &o);
    return reel_status();
}

/* ---- by index --------------------------------------------------------------------------------------------------- */
static int gather(onnx_call *c)
{
    c->out[0] = reel_gather(c->in[0], c->in[1], (int)attr_int(c, "axis", 0));
    return reel_status();
}

static int gather_elements(onnx_call *c)
{
    c->out[0] = reel_gather_elements(c->in[0], c->in[1], (int)attr_int(c, "axis", 0));
    return reel_status();
}

static int gather_nd(onnx_call *c)
{
    c->out[0] = reel_gather_nd(c->in[0], c->in[1], (int)attr_int(c, "batch_dims", 0));
    return reel_status();
}

static reel_scatter_mode mode_of(onnx_call *c)
{
    static const char *const names[] = {"none", "add", "mul", "max", "min"};
    const char *s = attr_string(c, "reduction", "none");
    for (int i = 0; i < 5; i++)
        if (strcmp(s, names[i]) == 0) return (reel_scatter_mode)i;
    return (reel_scatter_mode)-1;
}

static int scatter_elements(onnx_call *c)
{
    c->out[0] = reel_scatter(c->in[0], c->in[1], c->in[2], (int)attr_int(c, "axis", 0), mode_of(c));
    return reel_status();
}

static int scatter_nd(onnx_call *c)
{
    c->out[0] = reel_scatter_nd(c->in[0], c->in[1], c->in[2], mode_of(c));
    return reel_status();
}

/* past [b, .., time, ..], update, where each of the batch begins: a key-value cache. */
static int tensor_scatter(onnx_call *c)
{
    const int rank = rank_of(c), given = (int)attr_int(c, "axis", -2), axis = given < 0 ? given + rank : given;
    const reel_shape update = reel_shape_of(c->in[1]);
    reel_shape first = {.rank = rank}, time = {.rank = rank};
    for (int i = 0; i < rank; i++) {
        first.dims[i] = i == 0 ? update.dims[0] : 1;
        time.dims[i] = i == axis ? update.dims[axis] : 1;
    }
    reel_tensor *at = reel_reshape(reel_arange(REEL_I64, 0, (double)update.dims[axis], 1), time);
    if (c->n_in > 2 && c->in[2]) at = reel_add(at, reel_reshape(reel_cast(c->in[2], REEL_I64), first));
    if (strcmp(attr_string(c, "mode", "linear"), "circular") == 0) {
        reel_tensor *n = reel_num((double)reel_dim(c->in[0], axis));
        at = reel_sub(at, reel_mul(reel_div(at, n), n));
    }
    c->out[0] = reel_scatter(c->in[0], reel_expand(at, update), c->in[1], axis, REEL_SCATTER_SET);
    return reel_status();
}

static int reverse_sequence(onnx_call *c)
{
    c->out[0] =
        reel_reverse_sequence(c->in[0], c->in[1], (int)attr_int(c, "batch_axis", 1), (int)attr_int(c, "time_axis", 0));
    return reel_status();
}

/* values: off, on */
static int one_hot(onnx_call *c)
{
    const int64_t depth = (int64_t)host_number(c->in[1]);
    reel_tensor *i = reel_cast(c->in[0], REEL_I64);
    i = reel_where(reel_less(i, reel_num(0)), reel_add(i, reel_num((double)depth)), i);
    reel_tensor *hot =
        reel_where(reel_one_hot(i, depth, REEL_BOOL), reel_select(c->in[2], 0, 1), reel_select(c->in[2], 0, 0));
    c->out[0] = reel_moveaxis(hot, REEL_AXES(-1), REEL_AXES((int)attr_int(c, "axis", -1)));
    return reel_status();
}

/* ---- made from nothing --------------------------------------------------------------------------------------------- */
static int range(onnx_call *c)
{
    c->out[0] =
        reel_arange(reel_dtype_of(c->in[0]), host_number(c->in[0]), host_number(c->in[1]), host_number(c->in[2]));
    return reel_status();
}

static int shape(onnx_call *c)
{
    const reel_shape s = reel_shape_of(c->in[0]);
    int64_t from = attr_int(c, "start", 0), to = attr_int(c, "end", s.rank);
    from = from < 0 ? from + s.rank : from;
    to = to < 0 ? to + s.rank : to;
    from = from < 0 ? 0 : from > s.rank ? s.rank : from;
    to = to < from ? from : to > s.rank ? s.rank : to;
    c->out[0] = reel_from_i64(REEL_SHAPE(to - from), s.dims + from, (size_t)(to - from));
    return reel_status();
}

static int size(onnx_call *c)
{
    const int64_t n = reel_shape_count(reel_shape_of(c->in[0]));
    c->out[0] = reel_from_i64(REEL_SCALAR, &n, 1);
    return reel_status();
}

static int constant_of_shape(onnx_call *c)
{
    int64_t v[ONNX_MAX_LIST];
    const onnx_attr *a = attr(c, "value");
    const int n = host_ints(c->in[0], v, ONNX_MAX_LIST);
    reel_tensor *value = a ? from_onnx(&a->t) : NULL;
    if (a && !value) return reel_status() ? reel_status() : na(c, "the value is %s", onnx_code_name(a->t.code));
    c->out[0] = reel_full(value ? reel_dtype_of(value) : REEL_F32, shape_from(v, n), value ? host_number(value) : 0);
    return reel_status();
}

/* The dtype attribute, or the first input's; 0: none of ours. */
static reel_dtype dtype_of(onnx_call *c, reel_dtype otherwise)
{
    const onnx_attr *a = attr(c, "dtype");
    return a ? onnx_dtype((int)a->i) : otherwise;
}

static int eye_like(onnx_call *c)
{
    const reel_shape s = reel_shape_of(c->in[0]);
    const reel_dtype d = dtype_of(c, reel_dtype_of(c->in[0]));
    if (!d) return na(c, "another dtype");
    c->out[0] = reel_eye_k(d, s.dims[0], s.dims[1], attr_int(c, "k", 0));
    return reel_status();
}

static int bernoulli(onnx_call *c)
{
    reel_tensor *y = reel_bernoulli_of(c->in[0], NULL);
    c->out[0] = reel_cast(y, dtype_of(c, reel_dtype_of(c->in[0])));
    return reel_status();
}

static int random_numbers(onnx_call *c)
{
    int64_t v[ONNX_MAX_LIST];
    const bool like = c->n_in > 0, normal = strncmp(c->node->op, "RandomNormal", 12) == 0;
    const int n = attr_ints(c, "shape", v, ONNX_MAX_LIST);
    const reel_shape s = like ? reel_shape_of(c->in[0]) : shape_from(v, n);
    const reel_dtype d = dtype_of(c, like ? reel_dtype_of(c->in[0]) : REEL_F32);
    c->out[0] = normal ? reel_normal(d, s, attr_float(c, "mean", 0), attr_float(c, "scale", 1), NULL)
                       : reel_uniform(d, s, attr_float(c, "low", 0), attr_float(c, "high", 1), NULL);
    return reel_status();
}

static int multinomial(onnx_call *c)
{
    c->out[0] = reel_cast(reel_categorical(c->in[0], attr_int(c, "sample_size", 1), NULL), dtype_of(c, REEL_I32));
    return reel_status();
}

const onnx_map onnx_shape[] = {{"Identity", identity},
                               {"Reshape", reshape},
                               {"Flatten", flatten},
                               {"Transpose", transpose},
                               {"Squeeze", squeeze},
                               {"Unsqueeze", unsqueeze},
                               {"Expand", expand},
                               {"DepthToSpace", depth_to_space},
                               {"SpaceToDepth", space_to_depth},
                               {"Slice", slice},
                               {"Split", split},
                               {"Concat", concat},
                               {"Tile", tile},
                               {"Pad", pad},
                               {"CenterCropPad", center_crop_pad},
                               {"Trilu", trilu},
                               {"Col2Im", col2im},
                               {"Gather", gather},
                               {"GatherElements", gather_elements},
                               {"GatherND", gather_nd},
                               {"Scatter", scatter_elements},
                               {"ScatterElements", scatter_elements},
                               {"ScatterND", scatter_nd},
                               {"TensorScatter", tensor_scatter},
                               {"ReverseSequence", reverse_sequence},
                               {"OneHot", one_hot},
                               {"Range", range},
                               {"Shape", shape},
                               {"Size", size},
                               {"ConstantOfShape", constant_of_shape},
                               {"EyeLike", eye_like},
                               {"Bernoulli", bernoulli},
                               {"RandomNormal", random_numbers},
                               {"RandomNormalLike", random_numbers},
                               {"RandomUniform", random_numbers},
                               {"RandomUniformLike", random_numbers},
                               {"Multinomial", multinomial},
                               {0}};
