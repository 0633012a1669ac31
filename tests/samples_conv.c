/* samples_conv.c: convolution, transposed convolution and the gradients they share, against loops over every output, channel
   and tap.

   p0 groups, p1 stride, p2 dilation, p3 pad_before, p4 pad_after, p5 padding, p6 channels last, p7 output_padding, p8 pad:
   a decimal digit an axis. */
#include "samples.h"

typedef enum { Y_OF_XW, X_OF_YW, W_OF_YX } kind;
typedef struct geometry {
    int n;
    bool last;
    int64_t groups, stride[3], dilation[3], before[3];
} geometry;

static int digit(double p, int n, int i)
{
    int64_t v = (int64_t)p;
    for (int k = i; k < n - 1; k++) v /= 10;
    return (int)(v % 10);
}

static reel_conv_opts options(const sample *s, int n, reel_tensor *bias)
{
    reel_conv_opts o = {.size = sizeof o, .groups = (int)s->p[0], .padding = (reel_padding)(int)s->p[5]};
    for (int i = 0; i < n; i++) {
        o.stride[i] = digit(s->p[1], n, i);
        o.dilation[i] = digit(s->p[2], n, i);
        o.pad_before[i] = digit(s->p[3], n, i);
        o.pad_after[i] = digit(s->p[4], n, i);
        o.output_padding[i] = digit(s->p[7], n, i);
        o.pad[i] = digit(s->p[8], n, i);
    }
    o.channels_last = s->p[6] != 0;
    o.bias = bias;
    return o;
}

/* ---- the reference ----------------------------------------------------------------------------------- */
static int64_t size_at(const nd *image, const geometry *g, int i)
{
    return image->shape.dims[i + (g->last ? 1 : 2)];
}
static int64_t channels_of(const nd *image, const geometry *g)
{
    return image->shape.dims[g->last ? g->n + 1 : 1];
}

static double *at(const nd *image, const geometry *g, int64_t n, int64_t c, const int64_t pos[3])
{
    int64_t i = n;
    if (!g->last) i = i * channels_of(image, g) + c;
    for (int k = 0; k < g->n; k++) i = i * size_at(image, g, k) + pos[k];
    return image->data + (g->last ? i * channels_of(image, g) + c : i);
}

/* The sizes a sample's convolution has, x known. */
static geometry geometry_of(const sample *s, const nd *w, const int64_t x[3], int64_t y[3])
{
    geometry g = {.n = w->shape.rank - 2, .last = s->p[6] != 0, .groups = s->p[0] > 0 ? (int64_t)s->p[0] : 1};
    for (int i = 0; i < g.n; i++) {
        const int64_t k = w->shape.dims[2 + i];
        g.stride[i] = digit(s->p[1], g.n, i) ? digit(s->p[1], g.n, i) : 1;
        g.dilation[i] = digit(s->p[2], g.n, i) ? digit(s->p[2], g.n, i) : 1;
        g.before[i] = digit(s->p[3], g.n, i) + digit(s->p[8], g.n, i);
        const int64_t reach = (k - 1) * g.dilation[i] + 1, after = digit(s->p[4], g.n, i) + digit(s->p[8], g.n, i);
        y[i] = (x[i] + g.before[i] + after - reach) / g.stride[i] + 1;
        if (s->p[5] != 0) {
            y[i] = (x[i] + g.stride[i] - 1) / g.stride[i];
            int64_t total = (y[i] - 1) * g.stride[i] + reach - x[i];
            if (total < 0) total = 0;
            g.before[i] = s->p[5] == REEL_SAME ? total / 2 : total - total / 2;
        }
    }
    return g;
}

static reel_shape image_shape(const geometry *g, int64_t n, int64_t c, const int64_t size[3])
{
    reel_shape s = {.rank = g->n + 2};
    s.dims[0] = n;
    s.dims[g->last ? g->n + 1 : 1] = c;
    for (int i = 0; i < g->n; i++) s.dims[i + (g->last ? 1 : 2)] = size[i];
    return s;
}

static bool step(int64_t pos[3], const int64_t size[3], int n)
{
    for (int i = n - 1; i >= 0; i--) {
        if (++pos[i] < size[i]) return true;
        pos[i] = 0;
    }
    return false;
}

/* Every product of an x, a w and a y, added to whichever of them is wanted. */
static void products(kind what, const geometry *g, const nd *x, const nd *w, const nd *y)
{
    const int64_t outputs = channels_of(y, g), cg = w->shape.dims[1], og = outputs / g->groups;
    int64_t size[3], kernel[3];
    if (!x->count || !y->count || !w->count) return;
    for (int i = 0; i < g->n; i++) size[i] = size_at(y, g, i), kernel[i] = w->shape.dims[2 + i];
    for (int64_t n = 0; n < y->shape.dims[0]; n++)
        for (int64_t o = 0; o < outputs; o++)
            for (int64_t c = 0; c < cg; c++) {
                int64_t p[3] = {0};
                do {
                    int64_t t[3] = {0}, tap = 0;
                    do {
                        int64_t q[3];
                        bool inside = true;
                        for (int i = 0; i < g->n; i++) {
                            q[i] = p[i] * g->stride[i] - g->before[i] + t[i] * g->dilation[i];
                            inside = inside && q[i] >= 0 && q[i] < size_at(x, g, i);
                        }
                        int64_t taps = 1;
                        for (int i = 0; i < g->n; i++) taps *= kernel[i];
                        double *const wp = w->data + (o * cg + c) * taps + tap++;
                        if (!inside) continue;
                        double *const xp = at(x, g, n, o / og * cg + c, q), *const yp = at(y, g, n, o, p);
                        if (what == Y_OF_XW)
                            *yp += *xp * *wp;
                        else if (what == X_OF_YW)
                            *xp += *yp * *wp;
                        else
                            *wp += *yp * *xp;
                    } while (step(t, kernel, g->n));
                } while (step(p, size, g->n));
            }
}

static void add_bias(const geometry *g, const nd *bias, nd *image)
{
    int64_t inner = 1;
    const int64_t c = channels_of(image, g);
    for (int i = 0; i < g->n && !g->last; i++) inner *= size_at(image, g, i);
    for (int64_t i = 0; bias->data && i < image->count; i++) image->data[i] += bias->data[i / inner % c];
}

static void sizes_of(const sample *s, const nd *image, int n, int64_t size[3])
{
    for (int i = 0; i < n; i++) size[i] = image->shape.dims[i + (s->p[6] != 0 ? 1 : 2)];
}

static void conv_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    int64_t x[3], y[3];
    sizes_of(s, &in[0], in[1].shape.rank - 2, x);
    const geometry g = geometry_of(s, &in[1], x, y);
    nd_make(out, d, image_shape(&g, in[0].shape.dims[0], in[1].shape.dims[0], y));
    products(Y_OF_XW, &g, &in[0], &in[1], out);
    add_bias(&g, &in[2], out);
}

static void conv_transpose_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int n = in[1].shape.rank - 2;
    int64_t x[3], y[3], again[3];
    sizes_of(s, &in[0], n, y);
    for (int i = 0; i < n; i++) {
        const int64_t stride = digit(s->p[1], n, i) ? digit(s->p[1], n, i) : 1;
        const int64_t dilation = digit(s->p[2], n, i) ? digit(s->p[2], n, i) : 1;
        x[i] = (y[i] - 1) * stride + (in[1].shape.dims[2 + i] - 1) * dilation + 1 + digit(s->p[7], n, i) -
               2 * digit(s->p[8], n, i) - digit(s->p[3], n, i) - digit(s->p[4], n, i);
        if (s->p[5] != 0) x[i] = y[i] * stride;
    }
    const geometry g = geometry_of(s, &in[1], x, again);
    nd_make(out, d, image_shape(&g, in[0].shape.dims[0], in[1].shape.dims[1] * g.groups, x));
    products(X_OF_YW, &g, out, &in[1], &in[0]);
    add_bias(&g, &in[2], out);
}

static void conv_input_reference(const sample *s, reel_dtype d, const nd *in, nd *out) /* like, g, w */
{
    int64_t x[3], y[3];
    sizes_of(s, &in[0], in[2].shape.rank - 2, x);
    const geometry g = geometry_of(s, &in[2], x, y);
    nd_make(out, d, in[0].shape);
    products(X_OF_YW, &g, out, &in[2], &in[1]);
}

static void conv_weights_reference(const sample *s, reel_dtype d, const nd *in, nd *out) /* like, g, x */
{
    int64_t x[3], y[3];
    sizes_of(s, &in[2], in[0].shape.rank - 2, x);
    const geometry g = geometry_of(s, &in[0], x, y);
    nd_make(out, d, in[0].shape);
    products(W_OF_YX, &g, &in[2], out, &in[1]);
}

/* ---- calls ------------------------------------------------------------------------------------------- */
static int spatial_of(const sample *s)
{
    int commas = 0;
    for (const char *c = s->in[1]; *c; c++) commas += *c == ',';
    return commas - 1;
}

#define APPLY(name)                                                                                     \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[]) \
    {                                                                                                   \
        const reel_conv_opts o = options(s, spatial_of(s), s->in[2] ? in[2] : NULL);                    \
        (void)d;                                                                                        \
        out[0] = reel_##name(in[0], in[1], &o);                                                         \
        return reel_status();                                                                           \
    }
APPLY(conv)
APPLY(conv1d)
APPLY(conv2d)
APPLY(conv3d)
APPLY(conv_transpose)
APPLY(conv_transpose1d)
APPLY(conv_transpose2d)
APPLY(conv_transpose3d)

/* The attributes a gradient is called with: those of its convolution. */
static reel_attr_conv attributes(const sample *s)
{
    const int n = spatial_of(s);
    const reel_conv_opts o = options(s, n, NULL);
    const reel_window_words words = {o.stride,    o.dilation, o.pad,          o.pad_before,
                                     o.pad_after, NULL,       (int)o.padding, o.channels_last};
    reel_attr_conv a;
    memset(&a, 0, sizeof a);
    a.groups = o.groups ? o.groups : 1;
    reel_fill_window_(REEL_HERE, "reel_conv", &a.window, n, &words);
    return a;
}

static int conv_input_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_attr_conv a = attributes(s);
    (void)d;
    out[0] = reel_conv_input_at_(REEL_HERE, in[0], in[1], in[2], &a);
    return reel_status();
}

static int conv_weights_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_attr_conv a = attributes(s);
    (void)d;
    out[0] = reel_conv_weights_at_(REEL_HERE, in[0], in[1], in[2], &a);
    return reel_status();
}

/* ---- good samples ------------------------------------------------------------------------------------ */
#define CONV_1D                                                                                                     \
    {IN("[8,8,80]", "[8,8,3]"), WITH(0, 0, 0, 0, 0, REEL_SAME)}, {IN("[1,1,3]", "[1,1,2]")},                        \
        {IN("[2,3,5]", "[4,3,2]", "[4]"), WITH(0, 0, 0, 0, 0, 0, 0, 0, 1)},                                         \
        {IN("[1,2,7]", "[2,2,3]"), WITH(0, 2, 1, 1, 2)}, {IN("[2,4,4]", "[2,2,2]"), WITH(2, 0, 2)},                 \
        {IN("[1,5,2]", "[3,2,3]", "[3]"), WITH(0, 2, 0, 0, 0, REEL_SAME, 1)},                                       \
        {IN("[1,1,6]", "[2,1,4]"), WITH(0, 1, 0, 0, 0, REEL_SAME_LOWER)}, {IN("[0,2,4]", "[3,2,2]", "[3]")},        \
        {IN("[3,0,4]", "[2,0,3]", "[2]")}, {IN("[1,1,1]", "[1,1,1]", "[1]")}, {IN("[2,3,4]t", "[2,3,2]r", "[2]s")}, \
        {IN("[2,3,4]b", "[2,3,2]o")}, {IN("[1,2,9]!", "[2,2,3]"), .flags = NO_GRAD},                                \
    {                                                                                                               \
        IN("[2,2,60]", "[3,2,5]"), WITH(0, 3, 2, 4, 1)                                                              \
    }
#define CONV_2D                                                                                                 \
    {IN("[1,1,1,1]", "[1,1,1,1]")}, {IN("[4,8,14,14]", "[8,8,3,3]", "[8]"), WITH(0, 0, 0, 0, 0, 0, 0, 0, 11)},  \
        {IN("[1,1,4,4]", "[2,1,3,3]")}, {IN("[1,2,3,4]", "[2,2,2,2]", "[2]"), WITH(0, 21)},                     \
        {IN("[1,1,5,4]", "[2,1,3,2]", "[2]"), WITH(0, 22, 0, 12, 20)}, {IN("[1,4,3,3]", "[4,1,2,2]"), WITH(4)}, \
        {IN("[1,4,2,3]", "[6,2,2,1]"), WITH(2, 0, 0, 0, 0, REEL_SAME)},                                         \
        {IN("[1,3,4,2]", "[2,2,2,2]", "[2]"), WITH(0, 12, 0, 0, 0, 0, 1, 0, 11)},                               \
        {IN("[2,4,3,2]", "[2,1,2,3]"), WITH(2, 21, 21, 0, 0, REEL_SAME_LOWER, 1)},                              \
        {IN("[1,2,5,5]", "[1,2,2,2]"), WITH(0, 13, 32)}, {IN("[2,3,3,3]", "[2,3,1,1]", "[2]")},                 \
        {IN("[2,3,3,2]", "[3,2,1,1]", "[3]"), WITH(0, 0, 0, 0, 0, 0, 1)}, {IN("[0,3,6,6]", "[2,3,3,3]")},       \
        {IN("[1,2,3,3]", "[0,2,2,2]")}, {IN("[2,0,3,3]", "[2,0,2,2]", "[2]"), WITH(0, 0, 0, 0, 0, 0, 0)},       \
        {IN("[2,3,3,0]", "[4,0,2,2]", "[4]"), WITH(0, 0, 0, 0, 0, 0, 1)},                                       \
        {IN("[3,4,2,3]t", "[2,4,2,2]t", "[2]r"), WITH(0, 0, 0, 0, 0, 0, 0, 0, 11)},                             \
    {                                                                                                           \
        IN("[2,2,5,4]s", "[3,2,2,3]o"), WITH(0, 21, 0, 10, 2)                                                   \
    }
#define CONV_3D                                                                                  \
    {IN("[2,4,9,9,9]", "[4,4,3,3,3]"), WITH(0, 222)}, {IN("[1,1,3,3,3]", "[1,1,2,2,2]")},        \
        {IN("[1,2,2,3,2]", "[2,2,2,1,2]", "[2]"), WITH(0, 121, 0, 0, 0, REEL_SAME)},             \
        {IN("[1,2,3,2,2]", "[2,1,2,1,1]"), WITH(2, 211, 0, 110, 11)},                            \
        {IN("[1,2,2,3,2]", "[2,2,1,2,2]", "[2]"), WITH(0, 0, 0, 0, 0, 0, 1, 0, 11)},             \
        {IN("[1,4,2,2,2]", "[4,1,2,2,1]"), WITH(4, 0, 0, 0, 0, REEL_SAME_LOWER)},                \
        {IN("[1,1,5,4,4]", "[1,1,2,2,2]"), WITH(0, 0, 321)}, {IN("[0,1,2,2,2]", "[1,1,1,1,1]")}, \
        {IN("[2,0,2,2,2]", "[3,0,1,2,1]", "[3]")}, {IN("[1,1,1,1,1]", "[1,1,1,1,1]", "[1]")},    \
        {IN("[2,2,3,2,3]t", "[2,2,2,2,1]r")}, {IN("[2,2,3,3,2]s", "[2,2,2,2,2]b", "[2]o")},      \
        {IN("[1,3,5,6,7]", "[4,3,3,3,3]"), WITH(0, 122, 0, 0, 0, 0, 0, 0, 111)},                 \
    {                                                                                            \
        IN("[1,2,3,3,2]!", "[1,2,2,2,1]"), .flags = NO_GRAD                                      \
    }
/* large enough for blocks, threads and the vector kernels of libraries */
#define CONV_LARGE                                                                             \
    {IN("[5,16,14,14]", "[16,16,3,3]", "[16]"), WITH(0, 0, 0, 0, 0, 0, 0, 0, 11)},             \
        {IN("[3,15,14,16]", "[24,16,3,3]", "[24]"), WITH(0, 21, 0, 0, 0, REEL_SAME, 1)},       \
        {IN("[9,1,28,28]", "[16,1,5,5]", "[16]"), WITH(0, 0, 0, 0, 0, REEL_SAME)},             \
        {IN("[2,32,15,13]", "[32,1,3,3]"), WITH(32, 22, 0, 0, 0, 0, 0, 0, 11)},                \
        {IN("[2,15,13,32]", "[32,1,3,3]", "[32]"), WITH(32, 11, 0, 0, 0, 0, 1, 0, 11)},        \
        {IN("[1,32,24,24]", "[40,32,1,1]")}, {IN("[3,17,7,9]", "[5,17,3,2]"), WITH(0, 0, 22)}, \
        {IN("[2,8,6,7,8]", "[16,8,3,3,3]"), WITH(0, 0, 0, 0, 0, REEL_SAME)},                   \
    {                                                                                          \
        IN("[4,16,90]", "[8,16,5]", "[8]")                                                     \
    }

static const sample conv_good[] = {CONV_1D, CONV_2D, CONV_3D, CONV_LARGE};
static const sample conv1d_good[] = {CONV_1D};
static const sample conv2d_good[] = {CONV_2D};
static const sample conv3d_good[] = {CONV_3D};

#define TRANSPOSE_1D                                                                                                \
    {IN("[8,8,80]", "[8,4,3]"), WITH(0, 2)}, {IN("[1,1,3]", "[1,1,2]")},                                            \
        {IN("[2,3,4]", "[3,2,3]", "[2]"), WITH(0, 2, 0, 0, 0, 0, 0, 1, 1)},                                         \
        {IN("[1,2,4]", "[2,2,2]"), WITH(0, 3, 2, 1, 2)}, {IN("[2,4,3]", "[4,1,2]"), WITH(2, 2)},                    \
        {IN("[1,3,2]", "[2,2,3]", "[2]"), WITH(0, 2, 0, 0, 0, REEL_SAME, 1)},                                       \
        {IN("[1,2,3]", "[2,1,4]"), WITH(0, 2, 0, 0, 0, REEL_SAME_LOWER)}, {IN("[0,2,4]", "[2,3,2]", "[3]")},        \
        {IN("[3,0,2]", "[0,2,3]", "[2]")}, {IN("[1,1,1]", "[1,1,1]", "[1]")}, {IN("[2,3,4]t", "[3,2,2]r", "[2]s")}, \
        {IN("[2,3,4]b", "[3,2,2]o"), WITH(0, 1, 3, 0, 0, 0, 0, 2)},                                                 \
    {                                                                                                               \
        IN("[1,2,5]!", "[2,2,3]"), .flags = NO_GRAD                                                                 \
    }
#define TRANSPOSE_2D                                                                                              \
    {IN("[1,1,1,1]", "[1,1,1,1]")}, {IN("[4,8,14,14]", "[8,4,3,3]", "[4]"), WITH(0, 22, 0, 0, 0, 0, 0, 11, 11)},  \
        {IN("[1,1,3,3]", "[1,2,3,3]")}, {IN("[1,2,2,3]", "[2,2,2,2]", "[2]"), WITH(0, 21)},                       \
        {IN("[1,2,3,2]", "[2,1,3,3]", "[1]"), WITH(0, 23, 0, 11, 11, 0, 0, 12)},                                  \
        {IN("[1,4,2,2]", "[4,1,2,2]"), WITH(4, 22)}, {IN("[1,4,2,2]", "[4,2,3,1]"), WITH(2, 11, 12, 10, 10)},     \
        {IN("[1,3,2,2]", "[2,3,2,2]", "[3]"), WITH(0, 22, 0, 0, 0, 0, 1)},                                        \
        {IN("[1,2,3,2]", "[2,2,3,2]"), WITH(0, 23, 0, 0, 0, REEL_SAME)}, {IN("[2,2,3,3]", "[2,3,1,1]", "[3]")},   \
        {IN("[0,3,4,4]", "[3,2,3,3]")}, {IN("[1,2,2,2]", "[2,0,2,2]")}, {IN("[2,3,2,3]t", "[3,2,2,2]t", "[2]r")}, \
        {IN("[2,2,3,4]s", "[2,3,2,3]o"), WITH(0, 21, 0, 10, 2)},                                                  \
    {                                                                                                             \
        IN("[2,2,3,0]", "[0,3,2,2]", "[3]"), WITH(0, 0, 0, 0, 0, 0, 1)                                            \
    }
#define TRANSPOSE_3D                                                                             \
    {IN("[2,4,9,9,9]", "[4,2,2,2,2]"), WITH(0, 222)}, {IN("[1,1,2,2,2]", "[1,1,2,2,2]")},        \
        {IN("[1,2,2,1,2]", "[2,2,2,1,2]", "[2]"), WITH(0, 122)},                                 \
        {IN("[1,2,2,2,2]", "[2,1,2,1,2]"), WITH(2, 211, 0, 100, 1, 0, 0, 100)},                  \
        {IN("[1,2,2,2,2]", "[2,2,1,2,1]", "[2]"), WITH(0, 121, 0, 0, 0, 0, 1)},                  \
        {IN("[1,2,2,2,2]", "[2,1,2,2,2]"), WITH(0, 212, 0, 0, 0, REEL_SAME)},                    \
        {IN("[1,1,3,2,2]", "[1,1,2,2,2]"), WITH(0, 0, 321)}, {IN("[0,1,2,2,2]", "[1,1,1,1,1]")}, \
        {IN("[2,0,2,2,2]", "[0,3,1,2,1]", "[3]")}, {IN("[1,1,1,1,1]", "[1,1,1,1,1]", "[1]")},    \
        {IN("[2,2,3,2,3]t", "[2,2,2,2,1]r")}, {IN("[2,2,2,3,2]s", "[2,2,2,2,2]b", "[2]o")},      \
    {                                                                                            \
        IN("[1,2,2,2,2]!", "[2,1,2,2,1]"), .flags = NO_GRAD                                      \
    }
static const sample conv_transpose_good[] = {
    TRANSPOSE_1D,
    TRANSPOSE_2D,
    TRANSPOSE_3D,
    {IN("[3,16,7,7]", "[16,16,3,3]", "[16]"), WITH(0, 22, 0, 0, 0, 0, 0, 11, 11)},
    {IN("[3,7,7,16]", "[16,24,2,2]", "[24]"), WITH(0, 22, 0, 0, 0, 0, 1)},
    {IN("[2,16,9,9]", "[16,1,4,4]"), WITH(16, 22, 0, 0, 0, 0, 0, 0, 11)},
};
static const sample conv_transpose1d_good[] = {TRANSPOSE_1D};
static const sample conv_transpose2d_good[] = {TRANSPOSE_2D};
static const sample conv_transpose3d_good[] = {TRANSPOSE_3D};

static const sample conv_input_good[] = {
    {IN("[1,1,1]", "[1,1,1]", "[1,1,1]")},
    {IN("[1,1,3]", "[1,1,2]", "[1,1,2]")},
    {IN("[1,2,7]", "[1,2,4]", "[2,2,3]"), WITH(0, 2, 1, 1, 1)},
    {IN("[1,5,2]", "[1,3,3]", "[3,2,3]"), WITH(0, 2, 0, 0, 0, REEL_SAME, 1)},
    {IN("[1,1,4,4]", "[1,2,2,2]", "[2,1,3,3]")},
    {IN("[1,2,5,4]", "[1,1,2,3]", "[1,2,3,2]"), WITH(0, 22, 0, 1, 11)}, /* a row and a column are never read */
    {IN("[1,4,3,3]", "[1,4,2,2]", "[4,1,2,2]"), WITH(4)},
    {IN("[1,1,3,3,3]", "[1,1,2,2,2]", "[1,1,2,2,2]")},
    {IN("[0,2,4,4]", "[0,3,3,3]", "[3,2,2,2]")},
    {IN("[2,3,4,4]", "[2,0,3,3]", "[0,3,2,2]")},
    {IN("[2,3,4,4]t", "[2,2,3,3]r", "[2,3,2,2]s")},
    {IN("[2,3,4,4]", "[2,2,3,3]b", "[2,3,2,2]o")},
    {IN("[1,2,4,4]", "[1,2,3,3]!", "[2,2,2,2]"), .flags = NO_GRAD},
    {IN("[5,16,14,14]", "[5,24,14,14]", "[24,16,3,3]"), WITH(0, 0, 0, 0, 0, REEL_SAME)},
    {IN("[3,14,14,16]", "[3,7,7,8]", "[8,16,3,3]"), WITH(0, 22, 0, 0, 0, 0, 1, 0, 11)},
    {IN("[1,12,20,20]", "[1,16,9,9]", "[16,12,3,3]"), WITH(0, 22)},
};
static const sample conv_weights_good[] = {
    {IN("[1,1,1]", "[1,1,1]", "[1,1,1]")},
    {IN("[1,1,2]", "[1,1,2]", "[1,1,3]")},
    {IN("[2,2,3]", "[1,2,4]", "[1,2,7]"), WITH(0, 2, 1, 1, 1)},
    {IN("[3,2,3]", "[1,3,3]", "[1,5,2]"), WITH(0, 2, 0, 0, 0, REEL_SAME, 1)},
    {IN("[2,1,3,3]", "[1,2,2,2]", "[1,1,4,4]")},
    {IN("[1,2,3,2]", "[1,1,2,3]", "[1,2,5,4]"), WITH(0, 22, 0, 1, 11)},
    {IN("[4,1,2,2]", "[1,4,2,2]", "[1,4,3,3]"), WITH(4)},
    {IN("[1,1,2,2,2]", "[1,1,2,2,2]", "[1,1,3,3,3]")},
    {IN("[3,2,2,2]", "[0,3,3,3]", "[0,2,4,4]")},
    {IN("[2,0,2,2]", "[2,2,3,3]", "[2,0,4,4]")},
    {IN("[2,3,2,2]t", "[2,2,3,3]r", "[2,3,4,4]s")},
    {IN("[2,3,2,2]", "[2,2,3,3]b", "[2,3,4,4]o")},
    {IN("[2,2,2,2]", "[1,2,3,3]!", "[1,2,4,4]"), .flags = NO_GRAD},
    {IN("[24,16,3,3]", "[2,24,8,8]", "[2,16,8,8]"), WITH(0, 0, 0, 0, 0, REEL_SAME)},
    {IN("[8,16,3,3]", "[9,4,4,8]", "[9,8,8,16]"), WITH(0, 22, 0, 0, 0, 0, 1, 0, 11)},
    {IN("[16,1,5,5]", "[3,16,12,12]", "[3,1,16,16]")},
};

/* ---- bad samples ------------------------------------------------------------------------------------- */
#define OPTS(...) REEL_OPTS(conv, __VA_ARGS__)
#define CASES(name, x, w, x_rank, w_rank, x_of_w)                                                       \
    BAD(reel_##name(NULL, X(w), NULL), REEL_EARG, "x is NULL");                                         \
    BAD(reel_##name(X(x), NULL, NULL), REEL_EARG, "w is NULL");                                         \
    BAD(reel_##name(dead(), X(w), NULL), REEL_EARG, "x is |dead");                                      \
    BAD(reel_##name(X(x), X(w), OPTS(.bias = dead())), REEL_EARG, "bias|dead");                         \
    BAD(reel_##name(unset(), X(w), NULL), REEL_EARG, "unset");                                          \
    BAD(reel_##name(symbol(), X(w), NULL), REEL_ETRACE, "graph");                                       \
    BAD(reel_##name(XD(x, REEL_I32), XD(w, REEL_I32), NULL), REEL_EDTYPE, "i32, allowed:");             \
    BAD(reel_##name(X(x), XD(w, REEL_F64), NULL), REEL_EDTYPE, "dtypes differ: f32 and f64");           \
    BAD(reel_##name(X(x), X(w), OPTS(.bias = XD("[2]", REEL_F64))), REEL_EDTYPE, "dtypes differ");      \
    BAD(reel_##name(X(x), X(w), OPTS(.bias = X("[2,1]"))), REEL_ESHAPE, "the bias has shape [2,1]");    \
    BAD(reel_##name(X(x), X(w), OPTS(.bias = X("[7]"))), REEL_ESHAPE, "the bias has shape [7]");        \
    BAD(reel_##name(X(x_rank), X(w), NULL), REEL_ESHAPE, "x has rank");                                 \
    BAD(reel_##name(X(x), X(w_rank), NULL), REEL_ESHAPE, "has rank");                                   \
    BAD(reel_##name(X(x), X(x_of_w), NULL), REEL_ESHAPE, "x has 2 channels");                           \
    BAD(reel_##name(X(x), X(w), OPTS(.stride = {-1})), REEL_EARG, "stride[0] is -1, it is at least 0"); \
    BAD(reel_##name(X(x), X(w), OPTS(.dilation = {-3})), REEL_EARG, "dilation[0] is -3");               \
    BAD(reel_##name(X(x), X(w), OPTS(.pad = {-3})), REEL_EARG, "pad[0] is -3");                         \
    BAD(reel_##name(X(x), X(w), OPTS(.pad_after = {-3})), REEL_EARG, "pad_after[0] is -3");             \
    BAD(reel_##name(X(x), X(w), OPTS(.groups = -1)), REEL_EARG, "groups is -1");                        \
    BAD(reel_##name(X(x), X(w), OPTS(.groups = 3)), REEL_ESHAPE, "not divisible into 3 groups");        \
    BAD(reel_##name(X(x), X(w), OPTS(.padding = (reel_padding)3)), REEL_EARG, "padding 3");             \
    BAD(reel_##name(X(x), X(w), OPTS(.padding = REEL_SAME, .pad = {1})), REEL_EARG, "SAME padding|of 1 and 1")
#define MORE(name, x, w, large, empty)                                                                             \
    BAD(reel_##name(X(x), X(large), NULL), REEL_ESHAPE, "the kernel reaches over 9 elements of spatial axis 0");   \
    BAD(reel_##name(X(x), X(empty), NULL), REEL_ESHAPE, "the kernel has size 0 along spatial axis 0");             \
    BAD(reel_##name(X(x), X(w), OPTS(.dilation = {1000000000})), REEL_ESHAPE, "reaches over 2000000001 elements"); \
    BAD(reel_##name(X(x), X(w), OPTS(.output_padding = {1})), REEL_EARG, "output_padding is for transposed")
#define MORE_TRANSPOSED(name, x, w, empty)                                                             \
    BAD(reel_##name(X(x), X(empty), NULL), REEL_ESHAPE, "the kernel has size 0 along spatial axis 0"); \
    BAD(reel_##name(X(x), X(w), OPTS(.pad = {9})), REEL_ESHAPE, "the result would have size");         \
    BAD(reel_##name(X(x), X(w), OPTS(.output_padding = {1})), REEL_EARG, "output_padding[0] is 1");    \
    BAD(reel_##name(X(x), X(w), OPTS(.stride = {2}, .padding = REEL_SAME, .output_padding = {1})), REEL_EARG, "SAME")

static void conv1d_bad(void)
{
    CASES(conv1d, "[1,2,5]", "[2,2,3]", "[2,5]", "[2,2,3,3]", "[2,3,3]");
    MORE(conv1d, "[1,2,5]", "[2,2,3]", "[2,2,9]", "[2,2,0]");
    BAD(reel_conv1d(X("[1,2,5]"), X("[2,2,3]"), OPTS(.stride = {1, 2})), REEL_EARG, "stride[1] is 2|1 spatial");
}

static void conv2d_bad(void)
{
    CASES(conv2d, "[1,2,5,5]", "[2,2,3,3]", "[1,2,5]", "[2,2,3]", "[2,3,3,3]");
    MORE(conv2d, "[1,2,5,5]", "[2,2,3,3]", "[2,2,9,3]", "[2,2,0,3]");
}

static void conv3d_bad(void)
{
    CASES(conv3d, "[1,2,5,5,5]", "[2,2,3,3,3]", "[1,2,5,5]", "[2,2,3,3]", "[2,3,3,3,3]");
    MORE(conv3d, "[1,2,5,5,5]", "[2,2,3,3,3]", "[2,2,9,3,3]", "[2,2,0,3,3]");
}

static void conv_bad(void)
{
    CASES(conv, "[1,2,5,5]", "[2,2,3,3]", "[1,2,5]", "[2,2]", "[2,3,3,3]");
    MORE(conv, "[1,2,5,5]", "[2,2,3,3]", "[2,2,9,3]", "[2,2,0,3]");
    BAD(reel_conv(X("[1,2,5,5,5,5]"), X("[2,2,3,3,3,3]"), NULL), REEL_ESHAPE, "w has rank 6, allowed: 3 to 5");
}

static void conv_transpose1d_bad(void)
{
    CASES(conv_transpose1d, "[1,2,5]", "[2,2,3]", "[2,5]", "[2,2,3,3]", "[3,2,3]");
    MORE_TRANSPOSED(conv_transpose1d, "[1,2,5]", "[2,2,3]", "[2,2,0]");
}

static void conv_transpose2d_bad(void)
{
    CASES(conv_transpose2d, "[1,2,5,5]", "[2,2,3,3]", "[1,2,5]", "[2,2,3]", "[3,2,3,3]");
    MORE_TRANSPOSED(conv_transpose2d, "[1,2,5,5]", "[2,2,3,3]", "[2,2,0,3]");
}

static void conv_transpose3d_bad(void)
{
    CASES(conv_transpose3d, "[1,2,5,5,5]", "[2,2,3,3,3]", "[1,2,5,5]", "[2,2,3,3]", "[3,2,3,3,3]");
    MORE_TRANSPOSED(conv_transpose3d, "[1,2,5,5,5]", "[2,2,3,3,3]", "[2,2,0,3,3]");
}

static void conv_transpose_bad(void)
{
    CASES(conv_transpose, "[1,2,5,5]", "[2,2,3,3]", "[1,2,5]", "[2,2]", "[3,2,3,3]");
    MORE_TRANSPOSED(conv_transpose, "[1,2,5,5]", "[2,2,3,3]", "[2,2,0,3]");
}

static const sample plain = {IN("[1,1,4,4]", "[1,1,3,3]")};
#define GRADIENT_BAD(name, like, g, other)                                                                       \
    static void name##_bad(void)                                                                                 \
    {                                                                                                            \
        const reel_attr_conv a = attributes(&plain);                                                             \
        reel_attr_conv odd = a;                                                                                  \
        odd.groups = 0;                                                                                          \
        BAD(reel_##name##_at_(REEL_HERE, NULL, X(g), X(other), &a), REEL_EARG, "like is NULL");                  \
        BAD(reel_##name##_at_(REEL_HERE, X(like), NULL, X(other), &a), REEL_EARG, "g is NULL");                  \
        BAD(reel_##name##_at_(REEL_HERE, X(like), X(g), dead(), &a), REEL_EARG, "dead");                         \
        BAD(reel_##name##_at_(REEL_HERE, X(like), unset(), X(other), &a), REEL_EARG, "unset");                   \
        BAD(reel_##name##_at_(REEL_HERE, X(like), symbol(), X(other), &a), REEL_ETRACE, "graph");                \
        BAD(reel_##name##_at_(REEL_HERE, X(like), X("[1,2,3,3]"), X(other), &a), REEL_ESHAPE,                    \
            "g has shape [1,2,3,3]");                                                                            \
        BAD(reel_##name##_at_(REEL_HERE, X(like), X("[2]"), X(other), &a), REEL_ESHAPE, "g has shape [2]");      \
        BAD(reel_##name##_at_(REEL_HERE, X(like), X(g), X("[3]"), &a), REEL_ESHAPE, "has rank 1");               \
        BAD(reel_##name##_at_(REEL_HERE, X(like), X(g), XD(other, REEL_F16), &a), REEL_EDTYPE, "dtypes differ"); \
        BAD(reel_##name##_at_(REEL_HERE, X(like), X(g), X(other), &odd), REEL_EARG, "groups is 0");              \
    }
GRADIENT_BAD(conv_input, "[1,2,5,5]", "[1,3,3,3]", "[3,2,3,3]")
GRADIENT_BAD(conv_weights, "[3,2,3,3]", "[1,3,3,3]", "[1,2,5,5]")

#define SAMPLES(name, ref)                                                                                  \
    const samples samples_##name = {GOOD(name##_good), .apply = name##_apply, .reference = ref##_reference, \
                                    .bad = name##_bad, .scale = 48};
SAMPLES(conv, conv)
SAMPLES(conv1d, conv)
SAMPLES(conv2d, conv)
SAMPLES(conv3d, conv)
SAMPLES(conv_transpose, conv_transpose)
SAMPLES(conv_transpose1d, conv_transpose)
SAMPLES(conv_transpose2d, conv_transpose)
SAMPLES(conv_transpose3d, conv_transpose)
SAMPLES(conv_input, conv_input)
SAMPLES(conv_weights, conv_weights)
