/* samples_image.c: resize along an axis and along several, grid_sample, affine_grid, against plain loops. */
#include "samples.h"

/* ---- one axis: p: axis, size (-1: scale), scale, mode, coordinates, rounding, antialias + 2 exclude, start, end, a, extrapolation */
static reel_attr_resize attr_of(const sample *s)
{
    reel_attr_resize a;
    memset(&a, 0, sizeof a);
    a.axis = (int)s->p[0], a.size = (int64_t)s->p[1], a.scale = s->p[2], a.mode = (int)s->p[3];
    a.coordinates = (int)s->p[4], a.rounding = (int)s->p[5], a.antialias = (int)s->p[6] & 1,
    a.exclude = (int)s->p[6] >> 1;
    a.start = s->p[7], a.end = s->p[8] != 0 ? s->p[8] : 1, a.a = s->p[9] != 0 ? s->p[9] : -0.75,
    a.extrapolation = s->p[10];
    return a;
}

/* ONNX's reference: the n nearest neighbours of x in an input whose edges are repeated. weight[i]: of input i; returns the constant. */
static double weights_of(const reel_attr_resize *a, int64_t o, int64_t n, int64_t m, double *weight)
{
    const double scale = a->scale > 0 ? a->scale : (double)m / (double)n, width = scale * (double)n;
    double x = ((double)o + 0.5) / scale - 0.5, sum = 0;
    for (int64_t i = 0; i < n; i++) weight[i] = 0;
    if (a->coordinates == 1) x = (double)n / 2 * (1 - (double)m / width) + x;
    if (a->coordinates == 2 && m <= 1) x = 0;
    if (a->coordinates == 3) x = m == 1 ? 0 : (double)o * (double)(n - 1) / (width - 1);
    if (a->coordinates == 4) x = (double)o / scale;
    if (a->coordinates == 5) x = ((double)o + 0.5) / scale;
    if (a->coordinates == 6) {
        x = m == 1 ? (a->start + a->end) * (double)(n - 1) / 2
                   : a->start * (double)(n - 1) + (double)o * (a->end - a->start) * (double)(n - 1) / (width - 1);
        if (x < 0 || x > (double)(n - 1)) return a->extrapolation;
    }
    if (a->mode == 0) {
        const double f = floor(x), r = x - f;
        int64_t i = (int64_t)f;
        if (r != 0) i += a->rounding == 0 ? r > 0.5 : a->rounding == 1 ? r >= 0.5 : a->rounding == 3;
        weight[i < 0 ? 0 : i >= n ? n - 1 : i] = 1;
        return 0;
    }
    const double squeeze = a->antialias && scale < 1 ? scale : 1;
    double part[400] = {0};
    const int64_t low = -150, high = 200;
    for (int64_t i = low; i < high; i++) {
        const double d = fabs((double)i - x) * squeeze, A = a->a;
        double w = a->mode == 1 ? fmax(0, 1 - d)
                   : d <= 1     ? (A + 2) * d * d * d - (A + 3) * d * d + 1
                   : d < 2      ? A * d * d * d - 5 * A * d * d + 8 * A * d - 4 * A
                                : 0;
        if (a->exclude && (i < 0 || i >= n)) w = 0;
        part[i - low] = w;
        sum += w;
    }
    for (int64_t i = low; i < high; i++)
        weight[i < 0 ? 0 : i >= n ? n - 1 : i] += a->exclude || a->antialias ? part[i - low] / sum : part[i - low];
    return 0;
}

static void along(const reel_attr_resize *a, reel_dtype d, const nd *x, nd *y, bool back, const nd *like)
{
    const nd *in = back ? like : x;
    const int axis = a->axis < 0 ? a->axis + in->shape.rank : a->axis;
    const int64_t n = in->shape.dims[axis], m = a->size >= 0 ? a->size : (int64_t)floor((double)n * a->scale);
    reel_shape s = in->shape;
    double *w = calloc((size_t)n + 1, sizeof *w);
    s.dims[axis] = back ? n : m;
    nd_make(y, d, s);
    int64_t inner = 1, outer = 1;
    for (int i = 0; i < axis; i++) outer *= s.dims[i];
    for (int i = axis + 1; i < s.rank; i++) inner *= s.dims[i];
    for (int64_t o = 0; o < m; o++) {
        const double c = weights_of(a, o, n, m, w);
        for (int64_t u = 0; u < outer; u++)
            for (int64_t v = 0; v < inner; v++) {
                if (!back) y->data[(u * m + o) * inner + v] = c;
                for (int64_t i = 0; i < n; i++) {
                    if (w[i] == 0) continue;
                    if (back)
                        y->data[(u * n + i) * inner + v] += w[i] * x->data[(u * m + o) * inner + v];
                    else
                        y->data[(u * m + o) * inner + v] += w[i] * x->data[(u * n + i) * inner + v];
                }
            }
    }
    free(w);
}

static int resize_axis_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_attr_resize a = attr_of(s);
    (void)d;
    out[0] = reel_resize_axis_at_(REEL_HERE, in[0], &a);
    return reel_status();
}
static void resize_axis_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const reel_attr_resize a = attr_of(s);
    along(&a, d, &in[0], &out[0], false, NULL);
}

static reel_tensor *axis_of(const char *site, reel_tensor *x, reel_attr_resize a)
{
    reel_attr_resize clean;
    memset(&clean, 0, sizeof clean);
    clean.axis = a.axis, clean.mode = a.mode, clean.coordinates = a.coordinates, clean.rounding = a.rounding,
    clean.size = a.size;
    clean.scale = a.scale, clean.start = a.start, clean.end = a.end, clean.a = a.a;
    return reel_resize_axis_at_(site, x, &clean);
}
#define AXIS(...) ((reel_attr_resize){__VA_ARGS__})
static void resize_axis_bad(void)
{
    BAD(axis_of(REEL_HERE, NULL, AXIS(.size = 2)), REEL_EARG, "x is NULL");
    BAD(axis_of(REEL_HERE, X("[3]"), AXIS(.axis = 1, .size = 2)), REEL_EARG, "axis 1 is out of range for rank 1");
    BAD(axis_of(REEL_HERE, X("[]"), AXIS(.size = 2)), REEL_EARG, "out of range for rank 0");
    BAD(axis_of(REEL_HERE, X("[3]"), AXIS(.size = -2)), REEL_ESHAPE, "axis 0 would have size -2");
    BAD(axis_of(REEL_HERE, X("[3]"), AXIS(.size = -1)), REEL_EARG, "axis 0 has neither size nor scale");
    BAD(axis_of(REEL_HERE, X("[3]"), AXIS(.size = -1, .scale = -1)), REEL_EARG, "the scale of axis 0 is -1");
    BAD(axis_of(REEL_HERE, X("[3]"), AXIS(.size = -1, .scale = NAN)), REEL_EARG, "the scale of axis 0 is nan");
    BAD(axis_of(REEL_HERE, X("[3]"), AXIS(.size = -1, .scale = 1e300)), REEL_EARG, "the scale");
    BAD(axis_of(REEL_HERE, X("[0]"), AXIS(.size = 2)), REEL_ESHAPE, "axis 0 is empty, it cannot become 2");
    BAD(axis_of(REEL_HERE, X("[3]"), AXIS(.size = 2, .mode = 3)), REEL_EARG, "mode is 3");
    BAD(axis_of(REEL_HERE, X("[3]"), AXIS(.size = 2, .coordinates = 7)), REEL_EARG, "coordinates is 7");
    BAD(axis_of(REEL_HERE, X("[3]"), AXIS(.size = 2, .rounding = -1)), REEL_EARG, "rounding is -1");
    BAD(axis_of(REEL_HERE, X("[3]"), AXIS(.size = 2, .a = NAN)), REEL_EARG, "cubic_a is nan");
    BAD(axis_of(REEL_HERE, X("[3]"), AXIS(.size = 2, .end = INFINITY)), REEL_EARG, "the region of axis 0");
    BAD(axis_of(REEL_HERE, X("[3,3]"), AXIS(.size = INT64_MAX)), REEL_ESHAPE, "");
    BAD(axis_of(REEL_HERE, XD("[3]", REEL_I32), AXIS(.size = 2, .mode = 1)), REEL_EDTYPE, "x is i32|nearest only");
}

/* floats only where weights are used */
#define LINES(X1, X2, BIG, G)                                                                                       \
    {IN(X1("[1]", "[3]")), WITH(0, 3, 0, 1)}, {IN(X1("[4]", "[7]")), WITH(0, 7, 0, 1)},                             \
        {IN(X1("[4]", "[8]")), WITH(0, -1, 2, 1, 0)}, {IN(X1("[5]", "[2]")), WITH(0, 2, 0, 1, 1)},                  \
        {IN(X1("[5]", "[3]")), WITH(0, -1, 0.6, 1, 1)}, {IN(X1("[5]", "[1]")), WITH(0, 1, 0, 2, 2)},                \
        {IN(X1("[5]", "[8]")), WITH(0, 8, 0, 1, 3)}, {IN(X1("[5]", "[1]")), WITH(0, 1, 0, 1, 3)},                   \
        {IN(X1("[5]", "[8]")), WITH(0, 8, 0, 2, 4)}, {IN(X1("[6]", "[9]")), WITH(0, 9, 0, 2, 0, 0, 2, 0, 0, -0.5)}, \
        {IN(X1("[9]", "[4]")), WITH(0, 4, 0, 1, 0, 0, 1)}, {IN(X1("[9]", "[4]")), WITH(0, -1, 0.45, 2, 0, 0, 3)},   \
        {IN(X1("[6]", "[5]")), WITH(0, 5, 0, 1, 6, 0, 0, 0.2, 0.7)},                                                \
        {IN(X1("[6]", "[5]")), WITH(0, 5, 0, 2, 6, 0, 0, -0.3, 1.2, 0, 10)},                                        \
        {IN(X2("[3,2,2]t", "[3,4,2]r")), WITH(1, 4, 0, 1)}, {IN(X2("[3,2]s", "[3,5]t")), WITH(-1, 5, 0, 2)},        \
        {IN(X2("[3,2]o", "[5,2]o")), WITH(0, 5, 0, 1)}, {IN(X2("[3,4]r", "[3,2]b")), WITH(1, 2, 0, 1)},             \
        {IN(X2("[2,0]", "[3,0]")), WITH(0, 3, 0, 1)}, {IN(X2("[2,3]", "[2,0]")), WITH(1, 0, 0, 1)},                 \
        {IN(BIG("[7,30,11]", "[7,50,11]")), WITH(1, 50, 0, 2)},                                                     \
    {                                                                                                               \
        IN(BIG("[70,30]", "[70,13]")), WITH(1, 13, 0, 1, 0, 0, 1)                                                   \
    }
#define FIRST(x, y) x
#define OTHER(x, y) y, x

static const sample resize_axis_good[] = {LINES(FIRST, FIRST, FIRST, 0)};
const samples samples_resize_axis = {GOOD(resize_axis_good),
                                     .dtypes = REEL_FLOATS,
                                     .scale = 8,
                                     .apply = resize_axis_apply,
                                     .reference = resize_axis_reference,
                                     .bad = resize_axis_bad};

static int resize_axis_grad_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_attr_resize a = attr_of(s);
    (void)d;
    out[0] = reel_resize_axis_grad_at_(REEL_HERE, in[0], in[1], &a);
    return reel_status();
}
static void resize_axis_grad_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const reel_attr_resize a = attr_of(s);
    along(&a, d, &in[0], &out[0], true, &in[1]);
}
static reel_tensor *back_of(const char *site, reel_tensor *g, reel_tensor *like, int axis, int64_t size)
{
    reel_attr_resize a;
    memset(&a, 0, sizeof a);
    a.axis = axis, a.size = size, a.mode = 1;
    return reel_resize_axis_grad_at_(site, g, like, &a);
}
static void resize_axis_grad_bad(void)
{
    BAD(back_of(REEL_HERE, NULL, X("[3]"), 0, 2), REEL_EARG, "g is NULL");
    BAD(back_of(REEL_HERE, X("[2]"), NULL, 0, 2), REEL_EARG, "like is NULL");
    BAD(back_of(REEL_HERE, X("[2]"), dead(), 0, 2), REEL_EARG, "like is |dead");
    BAD(back_of(REEL_HERE, X("[3]"), X("[3]"), 0, 2), REEL_ESHAPE, "g is [3], it should be [2]");
    BAD(back_of(REEL_HERE, X("[2,1]"), X("[3]"), 0, 2), REEL_ESHAPE, "g is [2,1]");
    BAD(back_of(REEL_HERE, X("[2]"), X("[3]"), 1, 2), REEL_EARG, "axis 1 is out of range");
    BAD(back_of(REEL_HERE, X("[2]"), X("[0]"), 0, 2), REEL_ESHAPE, "axis 0 is empty");
    BAD(back_of(REEL_HERE, X("[2]"), X("[3]"), 0, -5), REEL_ESHAPE, "axis 0 would have size -5");
    BAD(back_of(REEL_HERE, XD("[2]", REEL_I32), X("[3]"), 0, 2), REEL_EDTYPE, "g is i32");
    BAD(back_of(REEL_HERE, symbol(), X("[3]"), 0, 2), REEL_ETRACE, "part of a graph");
}
static const sample resize_axis_grad_good[] = {LINES(OTHER, OTHER, OTHER, 0)};
const samples samples_resize_axis_grad = {GOOD(resize_axis_grad_good), .scale = 16, .apply = resize_axis_grad_apply,
                                          .reference = resize_axis_grad_reference, .bad = resize_axis_grad_bad};

/* ---- several axes: p: n, up to three sizes or scales, mode, coordinates, rounding, aspect, antialias, 10: first axis + 1 --------- */
static reel_resize_opts opts_of(const sample *s)
{
    reel_resize_opts o = {.size = sizeof o,
                          .mode = (int)s->p[4],
                          .coordinates = (int)s->p[5],
                          .rounding = (int)s->p[6],
                          .aspect = (int)s->p[7],
                          .antialias = s->p[8] != 0};
    if (s->p[10] != 0) {
        o.axes.n = (int)s->p[0];
        for (int i = 0; i < o.axes.n; i++) o.axes.axis[i] = (int)s->p[10] - 1 + i;
    }
    return o;
}

static int resize_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_resize_opts o = opts_of(s);
    const int64_t sizes[3] = {(int64_t)s->p[1], (int64_t)s->p[2], (int64_t)s->p[3]};
    (void)d;
    out[0] = reel_resize(in[0], (int)s->p[0], sizes, &o);
    return reel_status();
}
static int rescale_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_resize_opts o = opts_of(s);
    (void)d;
    out[0] = reel_rescale(in[0], (int)s->p[0], &s->p[1], &o);
    return reel_status();
}
static int upsample_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    out[0] = reel_upsample(in[0], (int64_t)s->p[0], (int)s->p[1]);
    return reel_status();
}

static void several(const sample *s, reel_dtype d, const nd *in, nd *out, bool by_scale)
{
    const int n = (int)s->p[0], first = s->p[10] != 0 ? (int)s->p[10] - 1 : in[0].shape.rank - n;
    double one = 0;
    for (int i = 0; i < n && s->p[7] != 0; i++) {
        const double f = s->p[1 + i] / (double)in[0].shape.dims[first + i];
        if (i == 0 || (s->p[7] == 1 ? f < one : f > one)) one = f;
    }
    nd x = in[0], y;
    for (int i = n - 1; i >= 0; i--) {
        reel_attr_resize a = {.axis = first + i,
                              .mode = (int)s->p[4],
                              .coordinates = (int)s->p[5],
                              .rounding = (int)s->p[6],
                              .size = by_scale ? -1 : (int64_t)s->p[1 + i],
                              .scale = by_scale ? s->p[1 + i] : one,
                              .end = 1,
                              .a = -0.75,
                              .antialias = s->p[8] != 0};
        if (one > 0) a.size = (int64_t)floor(one * (double)in[0].shape.dims[first + i] + 0.5);
        along(&a, d, &x, &y, false, NULL);
        if (x.data != in[0].data) nd_free(&x);
        for (int64_t k = 0; k < y.count; k++) y.data[k] = round_to(y.data[k], d);
        x = y;
    }
    if (n == 0) {
        nd_make(&out[0], d, in[0].shape);
        memcpy(out[0].data, in[0].data, (size_t)in[0].count * sizeof(double));
    } else {
        out[0] = x;
    }
}
static void resize_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    several(s, d, in, out, false);
}
static void rescale_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    several(s, d, in, out, true);
}
static void upsample_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    sample t = {.p = {in[0].shape.rank - 2, s->p[0], s->p[0], s->p[0], s->p[1], s->p[1] == 0 ? 4 : 0, 2}};
    several(&t, d, in, out, true);
}

#define O(...) REEL_OPTS(resize, __VA_ARGS__)
static void resize_bad(void)
{
    const int64_t two[9] = {2, 2, 2, 2, 2, 2, 2, 2, 2}, odd[2] = {2, -1};
    BAD(reel_resize(NULL, 1, two, NULL), REEL_EARG, "reel_resize: x is NULL");
    BAD(reel_resize(X("[3,3]"), 3, two, NULL), REEL_EARG, "3 axes of a tensor of rank 2");
    BAD(reel_resize(X("[3,3]"), -1, two, NULL), REEL_EARG, "-1 axes");
    BAD(reel_resize(X("[3,3]"), 2, NULL, NULL), REEL_EARG, "sizes is NULL");
    BAD(reel_resize(X("[3,3]"), 2, two, O(.axes = REEL_AXES(0))), REEL_EARG, "1 axes, 2 sizes");
    BAD(reel_resize(X("[3,3]"), 2, two, O(.axes = REEL_AXES(0, -2))), REEL_EARG, "axis 0 is given twice");
    BAD(reel_resize(X("[3,3]"), 2, two, O(.axes = REEL_AXES(0, 2))), REEL_EARG, "axis 2 is out of range");
    BAD(reel_resize(X("[3,3]"), 2, odd, NULL), REEL_ESHAPE, "axis 1 would have size");
    BAD(reel_resize(X("[3,3]"), 2, two, O(.aspect = 3)), REEL_EARG, "aspect is 3");
    BAD(reel_resize(X("[3,0]"), 2, two, O(.aspect = 1)), REEL_ESHAPE, "axes of a known size");
    BAD(reel_resize(XD("[3,3]", REEL_I32), 2, two, O(.mode = 2)), REEL_EDTYPE, "nearest only");
    BAD(reel_resize(dead(), 0, two, NULL), REEL_EARG, "x is |dead");
}
static void rescale_bad(void)
{
    const double two[2] = {2, 2}, odd[2] = {2, -1}, none[2] = {0, 1}, nan[2] = {1, NAN};
    BAD(reel_rescale(NULL, 1, two, NULL), REEL_EARG, "reel_rescale: x is NULL");
    BAD(reel_rescale(X("[3,3]"), 2, NULL, NULL), REEL_EARG, "scales is NULL");
    BAD(reel_rescale(X("[3]"), 2, two, NULL), REEL_EARG, "2 axes of a tensor of rank 1");
    BAD(reel_rescale(X("[3,3]"), 2, odd, NULL), REEL_EARG, "the scale of axis 1 is -1");
    BAD(reel_rescale(X("[3,3]"), 2, none, NULL), REEL_EARG, "the scale of axis 0");
    BAD(reel_rescale(X("[3,3]"), 2, nan, NULL), REEL_EARG, "the scale of axis 1 is nan");
    BAD(reel_rescale(X("[3,3]"), 2, two, O(.axes = REEL_AXES(1, 1))), REEL_EARG, "axis 1 is given twice");
    BAD(reel_rescale(X("[3,3]"), 2, two, O(.mode = -1)), REEL_EARG, "mode is -1");
    BAD(reel_rescale(X("[3,3]"), 2, two, O(.coordinates = 9)), REEL_EARG, "coordinates is 9");
    BAD(reel_rescale(X("[3,3]"), 2, two, O(.mode = 2, .cubic_a = INFINITY)), REEL_EARG, "cubic_a is inf");
}
static void upsample_bad(void)
{
    BAD(reel_upsample(NULL, 2, 0), REEL_EARG, "reel_upsample: x is NULL");
    BAD(reel_upsample(dead(), 2, 0), REEL_EARG, "x is |dead");
    BAD(reel_upsample(X("[2,3]"), 2, 0), REEL_ESHAPE, "x has rank 2, it needs 3");
    BAD(reel_upsample(X("[]"), 2, 0), REEL_ESHAPE, "x has rank 0");
    BAD(reel_upsample(X("[1,1,3]"), 0, 0), REEL_EARG, "the factor is 0");
    BAD(reel_upsample(X("[1,1,3]"), -2, 0), REEL_EARG, "the factor is -2");
    BAD(reel_upsample(X("[1,1,3]"), INT64_MAX, 0), REEL_EARG, "the factor is");
    BAD(reel_upsample(X("[1,1,3]"), 2, 3), REEL_EARG, "mode is 3");
    BAD(reel_upsample(X("[1,1,3]"), 2, -1), REEL_EARG, "mode is -1");
    BAD(reel_upsample(XD("[1,1,3]", REEL_U8), 2, 1), REEL_EDTYPE, "nearest only");
    BAD(reel_upsample(symbol(), 2, 1), REEL_ESHAPE, "rank 1");
}

static const sample resize_good[] = {{IN("[1]"), WITH(1, 3)},
                                     {IN("[]"), WITH(0)},
                                     {IN("[3,4]"), WITH(2, 5, 6)},
                                     {IN("[3,4]"), WITH(1, 7)},
                                     {IN("[4,5]t"), WITH(2, 7, 3, 0, 0, 3, 1)},
                                     {IN("[4,5]r"), WITH(2, 9, 3, 0, 0, 4, 2)},
                                     {IN("[4,5]s"), WITH(2, 9, 3, 0, 0, 4, 3)},
                                     {IN("[2,3,4]o"), WITH(2, 5, 2, 0, 0, 5, 0, 0, 0, 0, 1)},
                                     {IN("[2,3,4]b"), WITH(3, 3, 4, 2, 0, 2)},
                                     {IN("[4,6]"), WITH(2, 8, 5, 0, 0, 0, 0, 1), .flags = FIXED},
                                     {IN("[4,6]"), WITH(2, 8, 5, 0, 0, 0, 0, 2), .flags = FIXED},
                                     {IN("[0,3]"), WITH(2, 0, 4)},
                                     {IN("[2,0]!"), WITH(1, 0)},
                                     {IN("[4]!"), WITH(1, 6)},
                                     {IN("[20,12,10]"), WITH(2, 30, 8)}};
static const sample rescale_good[] = {{IN("[1]"), WITH(1, 3)},
                                      {IN("[]"), WITH(0)},
                                      {IN("[3,4]"), WITH(2, 2, 1.5)},
                                      {IN("[3,4]"), WITH(1, 0.5)},
                                      {IN("[4,5]t"), WITH(2, 0.6, 0.6, 0, 0, 1)},
                                      {IN("[4,5]r"), WITH(2, 2.3, 0.8, 0, 0, 4, 2)},
                                      {IN("[4,5]s"), WITH(2, 2, 0.7, 0, 0, 4, 3)},
                                      {IN("[2,3,4]o"), WITH(2, 2.5, 0.7, 0, 0, 3, 0, 0, 0, 0, 1)},
                                      {IN("[2,3,4]b"), WITH(3, 1.5, 1, 0.5, 0, 2)},
                                      {IN("[0,3]"), WITH(2, 2, 2)},
                                      {IN("[2,0]"), WITH(1, 3)},
                                      {IN("[4]!"), WITH(1, 1.5)},
                                      {IN("[20,12,10]"), WITH(2, 1.6, 0.8)}};
static const sample upsample_good[] = {
    {IN("[1,1,1]"), WITH(2)},     {IN("[1,2,3]"), WITH(2)},    {IN("[1,2,3]"), WITH(1)},  {IN("[2,1,2,3]"), WITH(2)},
    {IN("[1,1,2,2,2]"), WITH(2)}, {IN("[2,2,3]t"), WITH(3)},   {IN("[2,2,3]r"), WITH(2)}, {IN("[2,2,3]s"), WITH(3)},
    {IN("[2,2,3]o"), WITH(2)},    {IN("[2,2,3]b"), WITH(2)},   {IN("[0,2,3]"), WITH(2)},  {IN("[2,3,0]"), WITH(2)},
    {IN("[1,1,4]!"), WITH(2)},    {IN("[2,5,20,12]"), WITH(2)}};
const samples samples_resize = {GOOD(resize_good), .scale = 4, .apply = resize_apply, .reference = resize_reference,
                                .bad = resize_bad};
const samples samples_rescale = {GOOD(rescale_good), .scale = 4, .apply = rescale_apply, .reference = rescale_reference,
                                 .bad = rescale_bad};
const samples samples_upsample = {GOOD(upsample_good), .scale = 4, .apply = upsample_apply,
                                  .reference = upsample_reference, .bad = upsample_bad};
