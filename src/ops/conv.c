/* conv.c: convolution. conv(x, w), its gradient by x and its gradient by w are linear in both of their operands, and each
   one's gradients are the other two: three rows serve every order. A transposed convolution is the gradient by x. */
#include "internal.h"

#include "core/error.h"
#include "core/options.h"
#include "reel/conv.h"

/* ---- shape rules ------------------------------------------------------------------------------------- */
static int check_rank(const char *name, const reel_shape *s, int spatial)
{
    if (s->rank == spatial + 2) return 0;
    return reel_fail(REEL_ESHAPE, "%s has rank %d, %d spatial ax%s need %d", name, s->rank, spatial,
                     spatial == 1 ? "is" : "es", spatial + 2);
}

/* Channels of x (or y) against those of w, which counts them in one group. */
static int check_channels(const reel_attr_conv *a, const char *name, int64_t c, const char *of_w, int64_t w)
{
    if (c != REEL_ANY && c % a->groups != 0)
        return reel_fail(REEL_ESHAPE, "%s has %lld channels, not divisible into %lld groups", name, (long long)c,
                         (long long)a->groups);
    if (c != REEL_ANY && w != REEL_ANY && c / a->groups != w)
        return reel_fail(REEL_ESHAPE, "%s has %lld channels in %lld group%s, w has %lld %s", name, (long long)c,
                         (long long)a->groups, a->groups == 1 ? "" : "s", (long long)w, of_w);
    return 0;
}

static int check_common(const reel_attr_conv *a, const reel_shape *image, const char *name, const reel_shape *w)
{
    const int n = a->window.spatial;
    int code = reel_window_check_(&a->window);
    if (code) return code;
    if (a->groups < 1) return reel_fail(REEL_EARG, "groups is %lld, it is at least 1", (long long)a->groups);
    code = check_rank(name, image, n);
    if (!code) code = check_rank("w", w, n);
    if (!code && w->dims[0] != REEL_ANY && w->dims[0] % a->groups != 0)
        code = reel_fail(REEL_ESHAPE, "w has %lld outputs, not divisible into %lld groups", (long long)w->dims[0],
                         (long long)a->groups);
    return code;
}

/* y of x [N, C, ...] and w [O, C / groups, ...]. */
static int conv_shape(const reel_attr_conv *a, const reel_shape *x, const reel_shape *w, reel_shape *y)
{
    int code = check_common(a, x, "x", w);
    if (code) return code;
    const int n = a->window.spatial, channels = reel_channel_axis_(&a->window);
    code = check_channels(a, "x", x->dims[channels], "inputs", w->dims[1]);
    *y = (reel_shape){.rank = n + 2};
    y->dims[0] = x->dims[0];
    y->dims[channels] = w->dims[0];
    for (int i = 0; !code && i < n; i++) {
        const int axis = reel_spatial_axis_(&a->window, i);
        reel_window win;
        code = reel_window_axis_(&a->window, i, x->dims[axis], w->dims[2 + i], &win);
        y->dims[axis] = win.out;
    }
    return code ? code : reel_shape_check_(*y, true);
}

static int check_bias(const reel_infer *io, int64_t outputs)
{
    if (io->n_in < 2 || io->n_in > 3) return reel_fail(REEL_EARG, "%d inputs given, it takes 2 or 3", io->n_in);
    if (io->n_in == 2) return 0;
    const reel_shape *b = &io->in[2]->shape;
    int64_t merged;
    char text[REEL_SHAPE_TEXT];
    if (b->rank == 1 && reel_merge_dim_(b->dims[0], outputs, &merged)) return 0;
    return reel_fail(REEL_ESHAPE, "the bias has shape %s, %lld outputs need one each", reel_shape_text_(b, text),
                     (long long)outputs);
}

int reel_infer_conv_(const reel_infer *io)
{
    const reel_attr_conv *a = io->attr;
    if (io->n_in < 2) return check_bias(io, 0);
    const int code = conv_shape(a, &io->in[0]->shape, &io->in[1]->shape, &io->out[0].shape);
    io->out[0].dtype = io->in[0]->dtype;
    return code ? code : check_bias(io, io->in[1]->shape.dims[0]);
}

/* x is what conv reads from y's shape on: x's image has the outputs of w as channels, the result its inputs. */
int reel_infer_conv_transpose_(const reel_infer *io)
{
    const reel_attr_conv *a = io->attr;
    if (io->n_in < 2) return check_bias(io, 0);
    const reel_shape *x = &io->in[0]->shape, *w = &io->in[1]->shape;
    int code = check_common(a, x, "x", w);
    if (code) return code;
    const int n = a->window.spatial, channels = reel_channel_axis_(&a->window);
    int64_t merged, outputs = REEL_ANY;
    if (!reel_merge_dim_(x->dims[channels], w->dims[0], &merged))
        return reel_fail(REEL_ESHAPE, "x has %lld channels, w has %lld", (long long)x->dims[channels],
                         (long long)w->dims[0]);
    if (w->dims[1] != REEL_ANY && REEL_MUL_OVERFLOW(w->dims[1], a->groups, &outputs))
        return reel_fail(REEL_ESHAPE, "the number of outputs overflows");
    reel_shape y = {.rank = n + 2};
    y.dims[0] = x->dims[0];
    y.dims[channels] = outputs;
    for (int i = 0; !code && i < n; i++) {
        const int axis = reel_spatial_axis_(&a->window, i);
        code = reel_window_back_(&a->window, i, x->dims[axis], w->dims[2 + i], &y.dims[axis]);
    }
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype, .shape = y};
    if (!code) code = reel_shape_check_(y, true);
    return code ? code : check_bias(io, outputs);
}

static int check_gradient(const reel_shape *g, const reel_shape *y)
{
    reel_shape both;
    char have[REEL_SHAPE_TEXT], want[REEL_SHAPE_TEXT];
    if (reel_merge_shape_(g, y, &both)) return 0;
    return reel_fail(REEL_ESHAPE, "g has shape %s, the convolution's result %s", reel_shape_text_(g, have),
                     reel_shape_text_(y, want));
}

int reel_infer_conv_input_(const reel_infer *io)
{
    reel_shape y;
    const int code = conv_shape(io->attr, &io->in[0]->shape, &io->in[2]->shape, &y);
    io->out[0] = (reel_type){.dtype = io->in[1]->dtype, .shape = io->in[0]->shape};
    return code ? code : check_gradient(&io->in[1]->shape, &y);
}

int reel_infer_conv_weights_(const reel_infer *io)
{
    reel_shape y;
    const int code = conv_shape(io->attr, &io->in[2]->shape, &io->in[0]->shape, &y);
    io->out[0] = (reel_type){.dtype = io->in[1]->dtype, .shape = io->in[0]->shape};
    return code ? code : check_gradient(&io->in[1]->shape, &y);
}

/* ---- public functions -------------------------------------------------------------------------------- */
static const char *const names[2][4] = {
    {"reel_conv", "reel_conv1d", "reel_conv2d", "reel_conv3d"},
    {"reel_conv_transpose", "reel_conv_transpose1d", "reel_conv_transpose2d", "reel_conv_transpose3d"}};

static int check_entries(const char *site, const char *fn, const char *what, const int x[3], int n, int least)
{
    for (int i = 0; i < 3; i++) {
        if (i < n && x[i] < least)
            return reel_fail_at_(site, REEL_EARG, "%s: %s[%d] is %d, it is at least %d", fn, what, i, x[i], least);
        if (i >= n && x[i] != 0)
            return reel_fail_at_(site, REEL_EARG, "%s: %s[%d] is %d, there are %d spatial axes", fn, what, i, x[i], n);
    }
    return 0;
}

int reel_fill_window_(const char *site, const char *fn, reel_window_rule *r, int n, const reel_window_words *o)
{
    static const int none[3] = {0};
    int code = check_entries(site, fn, "stride", o->stride, n, 0);
    if (!code) code = check_entries(site, fn, "dilation", o->dilation, n, 0);
    if (!code) code = check_entries(site, fn, "pad", o->pad, n, 0);
    if (!code) code = check_entries(site, fn, "pad_before", o->before, n, 0);
    if (!code) code = check_entries(site, fn, "pad_after", o->after, n, 0);
    if (!code) code = check_entries(site, fn, "output_padding", o->more ? o->more : none, n, 0);
    if (code) return code;
    r->spatial = n;
    r->padding = o->padding; /* the shape rule says which there are */
    r->channels_last = o->channels_last;
    for (int i = 0; i < n; i++) {
        r->stride[i] = o->stride[i] ? o->stride[i] : 1;
        r->dilation[i] = o->dilation[i] ? o->dilation[i] : 1;
        r->before[i] = (int64_t)o->pad[i] + o->before[i];
        r->after[i] = (int64_t)o->pad[i] + o->after[i];
        const int64_t more = o->more ? o->more[i] : 0,
                      step = r->stride[i] > r->dilation[i] ? r->stride[i] : r->dilation[i];
        if (more >= step && more > 0)
            return reel_fail_at_(site, REEL_EARG,
                                 "%s: output_padding[%d] is %lld, it is less than the stride or the dilation, %lld", fn,
                                 i, (long long)more, (long long)step);
        r->after[i] -= more;
    }
    return 0;
}

static reel_tensor *conv(const char *site, reel_tensor *x, reel_tensor *w, const reel_conv_opts *given, int n,
                         bool transposed)
{
    const char *const fn = names[transposed][n];
    reel_conv_opts o = {0};
    reel_attr_conv a;
    reel_tensor *out = NULL;
    reel_options_(&o, sizeof o, given);
    if (!reel_optional_(o.bias)) return NULL;
    memset(&a, 0, sizeof a);
    if (n == 0) {
        const reel_rec *r = reel_live_(site, fn, "w", w);
        if (!r) return NULL;
        n = r->type.shape.rank - 2;
        if (n < 1 || n > REEL_SPATIAL) {
            reel_fail_at_(site, REEL_ESHAPE, "%s: w has rank %d, allowed: 3 to 5", fn, r->type.shape.rank);
            return NULL;
        }
    }
    a.groups = o.groups ? o.groups : 1;
    const reel_window_words words = {o.stride,       o.dilation,     o.pad,
                                     o.pad_before,   o.pad_after,    transposed ? o.output_padding : NULL,
                                     (int)o.padding, o.channels_last};
    if (reel_fill_window_(site, fn, &a.window, n, &words)) return NULL;
    if (!transposed && (o.output_padding[0] || o.output_padding[1] || o.output_padding[2])) {
        reel_fail_at_(site, REEL_EARG, "%s: output_padding is for transposed convolutions", fn);
        return NULL;
    }
    reel_tensor *const in[3] = {x, w, o.bias};
    reel_door_(&reel_rows_[transposed ? REEL_OP_conv_transpose : REEL_OP_conv], &a, in, o.bias ? 3 : 2, &out, 1, site);
    return out;
}

#define CONV(name, n, transposed)                                                                            \
    reel_tensor *reel_##name##_at(const char *site, reel_tensor *x, reel_tensor *w, const reel_conv_opts *o) \
    {                                                                                                        \
        return conv(site, x, w, o, n, transposed);                                                           \
    }
CONV(conv, 0, false)
CONV(conv1d, 1, false)
CONV(conv2d, 2, false)
CONV(conv3d, 3, false)
CONV(conv_transpose, 0, true)
CONV(conv_transpose1d, 1, true)
CONV(conv_transpose2d, 2, true)
CONV(conv_transpose3d, 3, true)

static reel_tensor *op3(int id, const void *attr, const char *site, reel_tensor *a, reel_tensor *b, reel_tensor *c)
{
    reel_tensor *const in[3] = {a, b, c};
    reel_tensor *out = NULL;
    reel_door_(&reel_rows_[id], attr, in, 3, &out, 1, site);
    return out;
}

reel_tensor *reel_conv_input_at_(const char *site, reel_tensor *like, reel_tensor *g, reel_tensor *w,
                                 const reel_attr_conv *a)
{
    return op3(REEL_OP_conv_input, a, site, like, g, w);
}

reel_tensor *reel_conv_weights_at_(const char *site, reel_tensor *like, reel_tensor *g, reel_tensor *x,
                                   const reel_attr_conv *a)
{
    return op3(REEL_OP_conv_weights, a, site, like, g, x);
}

/* ---- gradients --------------------------------------------------------------------------------------- */
static reel_tensor *bias_gradient(const char *site, const reel_attr_conv *a, reel_tensor *g)
{
    reel_axes axes = {0};
    for (int i = 0; i < a->window.spatial + 2; i++)
        if (i != reel_channel_axis_(&a->window)) axes.axis[axes.n++] = i;
    return reel_sum_axes_at(site, g, axes, false);
}

int reel_vjp_conv_(const reel_vjp_args *v)
{
    reel_tensor *g = v->dout[0];
    if (v->need[0]) v->din[0] = reel_conv_input_at_(v->site, v->in[0], g, v->in[1], v->attr);
    if (v->need[1]) v->din[1] = reel_conv_weights_at_(v->site, v->in[1], g, v->in[0], v->attr);
    if (v->n_in == 3 && v->need[2]) v->din[2] = bias_gradient(v->site, v->attr, g);
    return reel_status();
}

int reel_vjp_conv_transpose_(const reel_vjp_args *v)
{
    reel_tensor *g = v->dout[0];
    if (v->need[0]) v->din[0] = reel_op2_(REEL_OP_conv, v->attr, v->site, g, v->in[1]);
    if (v->need[1]) v->din[1] = reel_conv_weights_at_(v->site, v->in[1], v->in[0], g, v->attr);
    if (v->n_in == 3 && v->need[2]) v->din[2] = bias_gradient(v->site, v->attr, g);
    return reel_status();
}

int reel_vjp_conv_input_(const reel_vjp_args *v) /* like, g, w */
{
    reel_tensor *d = v->dout[0];
    if (v->need[1]) v->din[1] = reel_op2_(REEL_OP_conv, v->attr, v->site, d, v->in[2]);
    if (v->need[2]) v->din[2] = reel_conv_weights_at_(v->site, v->in[2], v->in[1], d, v->attr);
    return reel_status();
}

int reel_vjp_conv_weights_(const reel_vjp_args *v) /* like, g, x */
{
    reel_tensor *d = v->dout[0];
    if (v->need[1]) v->din[1] = reel_op2_(REEL_OP_conv, v->attr, v->site, v->in[2], d);
    if (v->need[2]) v->din[2] = reel_conv_input_at_(v->site, v->in[2], v->in[1], d, v->attr);
    return reel_status();
}
