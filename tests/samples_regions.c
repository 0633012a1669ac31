/* samples_regions.c: roi_align and its backward against plain loops. p: bins h, bins w, scale, samples, max, pixel_corners */
#include "samples.h"

/* Value of a bin, with u that of u at the maximum; or its gradient spread into dx. */
static double bin(const sample *s, const double *image, int64_t H, int64_t W, const double *roi, int64_t by, int64_t bx,
                  double g, double *dx, const double *u)
{
    const double scale = s->p[2] != 0 ? s->p[2] : 1, shift = s->p[5] != 0 ? 0 : 0.5;
    const double x0 = roi[0] * scale - shift, y0 = roi[1] * scale - shift;
    double w = roi[2] * scale - shift - x0, h = roi[3] * scale - shift - y0, sum = 0, top = -INFINITY, top_w = 0;
    if (s->p[5] != 0) w = fmax(w, 1), h = fmax(h, 1);
    w /= s->p[1], h /= s->p[0];
    const int64_t nx = s->p[3] > 0 ? (int64_t)s->p[3] : (int64_t)fmax(0, ceil(w)),
                  ny = s->p[3] > 0 ? (int64_t)s->p[3] : (int64_t)fmax(0, ceil(h));
    const double n = nx * ny > 0 ? (double)(nx * ny) : 1;
    int64_t top_at = -1;
    for (int64_t iy = 0; iy < ny; iy++)
        for (int64_t ix = 0; ix < nx; ix++) {
            double y = y0 + (double)by * h + ((double)iy + 0.5) * h / (double)ny,
                   x = x0 + (double)bx * w + ((double)ix + 0.5) * w / (double)nx;
            if (y < -1 || y > (double)H || x < -1 || x > (double)W) {
                if (top < 0) top = 0, top_at = -1;
                continue;
            }
            y = fmin(fmax(y, 0), (double)(H - 1)), x = fmin(fmax(x, 0), (double)(W - 1));
            for (int64_t i = 0; i < H * W; i++) {
                const double f = fmax(0, 1 - fabs(y - (double)(i / W))) * fmax(0, 1 - fabs(x - (double)(i % W)));
                if (f == 0) continue;
                sum += f * image[i];
                if (f * image[i] > top) top = f * image[i], top_at = i, top_w = f;
                if (dx && s->p[4] == 0) dx[i] += g * f / n;
            }
            /* corners of weight 0 take part in the maximum, too */
            if ((y == floor(y) || x == floor(x)) && top < 0) top = 0, top_at = -1;
        }
    if (dx && s->p[4] != 0 && top_at >= 0) dx[top_at] += g * top_w;
    if (u) return top_at >= 0 ? top_w * u[top_at] : 0;
    return s->p[4] != 0 ? (nx * ny > 0 ? top : 0) : sum / n;
}

static void run(const sample *s, const nd *x, const nd *rois, const nd *batch, nd *y, const nd *g, nd *dx, const nd *u)
{
    const int64_t C = x->shape.dims[1], H = x->shape.dims[2], W = x->shape.dims[3], h = (int64_t)s->p[0],
                  w = (int64_t)s->p[1];
    for (int64_t r = 0; r < batch->count; r++)
        for (int64_t c = 0; c < C; c++)
            for (int64_t b = 0; b < h * w; b++) {
                const int64_t plane = ((int64_t)batch->data[r] * C + c) * H * W, at = (r * C + c) * h * w + b;
                const double v = bin(s, x->data + plane, H, W, rois->data + 4 * r, b / w, b % w, g ? g->data[at] : 0,
                                     dx ? dx->data + plane : NULL, u ? u->data + plane : NULL);
                if (y) y->data[at] = v;
            }
}

static reel_tensor *align(const char *site, const sample *s, reel_tensor *x, reel_tensor *rois, reel_tensor *batch)
{
    return reel_roi_align_at(site, x, rois, batch, (int64_t)s->p[0], (int64_t)s->p[1],
                             REEL_OPTS(roi_align, .scale = s->p[2], .samples = (int)s->p[3], .max = s->p[4] != 0,
                                       .pixel_corners = s->p[5] != 0));
}

static int roi_align_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    out[0] = align(REEL_HERE, s, in[0], in[1], in[2]);
    return reel_status();
}
static void roi_align_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd_make(&out[0], d, REEL_SHAPE(in[2].count, in[0].shape.dims[1], (int64_t)s->p[0], (int64_t)s->p[1]));
    run(s, &in[0], &in[1], &in[2], &out[0], NULL, NULL, NULL);
}

#define O(...) REEL_OPTS(roi_align, __VA_ARGS__)
static void roi_align_bad(void)
{
    BAD(reel_roi_align(NULL, X("[3,4]"), X("[3]L1"), 2, 2, NULL), REEL_EARG, "x is NULL");
    BAD(reel_roi_align(X("[1,1,2,2]"), NULL, X("[3]L1"), 2, 2, NULL), REEL_EARG, "rois is NULL");
    BAD(reel_roi_align(X("[1,2,2]"), X("[3,4]"), X("[3]L1"), 2, 2, NULL), REEL_ESHAPE, "x has rank 3, it needs 4");
    BAD(reel_roi_align(X("[1,1,2,2]"), X("[3,5]"), X("[3]L1"), 2, 2, NULL), REEL_ESHAPE,
        "rois is [3,5], it should be [?,4]");
    BAD(reel_roi_align(X("[1,1,2,2]"), X("[3,4]"), X("[2]L1"), 2, 2, NULL), REEL_ESHAPE, "2 entries for 3 rois");
    BAD(reel_roi_align(X("[1,1,2,2]"), X("[3,4]"), X("[3]"), 2, 2, NULL), REEL_EDTYPE, "batch is f32");
    BAD(reel_roi_align(X("[1,1,2,2]"), XD("[3,4]", REEL_I32), X("[3]L1"), 2, 2, NULL), REEL_EDTYPE, "rois is i32");
    BAD(reel_roi_align(X("[1,1,2,2]"), X("[3,4]"), X("[3]L2"), 2, 2, NULL), REEL_EARG,
        "batch 1 at region 1 is out of range for 1 images");
    BAD(reel_roi_align(X("[1,1,2,2]"), X("[3,4]"), X("[3]L1"), 0, 2, NULL), REEL_ESHAPE, "0 x 2 bins");
    BAD(reel_roi_align(X("[1,1,2,2]"), X("[3,4]"), X("[3]L1"), 2, 2, O(.scale = NAN)), REEL_EARG, "scale is nan");
    BAD(reel_roi_align(X("[1,1,2,2]"), X("[3,4]"), X("[3]L1"), 2, 2, O(.samples = -1)), REEL_EARG, "samples is -1");
    BAD(reel_roi_align(X("[1,1,2,2]"), X("[3,4]"), X("[3]L1"), INT64_MAX, 2, NULL), REEL_ESHAPE, "");
}

#define REGIONS(B1, B2, B3, B4, B5)                                         \
    {IN(B1 "[1,1,1,1]", "[1,4]F", "[1]L1"), WITH(1, 1, 0, 2)},              \
        {IN(B2 "[1,1,3,4]", "[2,4]F", "[2]L1"), WITH(2, 2, 2, 2)},          \
        {IN(B2 "[1,1,3,4]", "[2,4]F", "[2]L1"), WITH(2, 2, 2, 0, 0, 1)},    \
        {IN(B2 "[1,1,3,4]", "[2,4]F", "[2]L1"), WITH(2, 2, 1.5, 3, 0, 1)},  \
        {IN(B2 "[1,1,3,4]+", "[2,4]F", "[2]L1"), WITH(2, 2, 2, 2, 1, 1)},   \
        {IN(B2 "[1,1,3,4]", "[2,4]F", "[2]L1"), WITH(2, 2, 2, 0)},          \
        {IN(B3 "[2,2,3,2]t", "[3,4]F", "[3]L2"), WITH(1, 2, 2, 1)},         \
        {IN(B3 "[2,2,3,2]r", "[3,4]Fr", "[3]L2"), WITH(1, 2, 2, 1, 0, 1)},  \
        {IN(B3 "[2,2,3,2]s", "[3,4]Fs", "[3]L2s"), WITH(1, 2, 2, 2, 0, 1)}, \
        {IN(B3 "[2,2,3,2]o", "[3,4]Ft", "[3]L2r"), WITH(1, 2, 2, 1)},       \
        {IN(B3 "[2,2,3,2]b", "[3,4]Fo", "[3]L2o"), WITH(1, 2, 1, 2)},       \
        {IN(B4 "[1,2,3,3]", "[0,4]F", "[0]L1"), WITH(2, 1, 1, 2)},          \
    {                                                                       \
        IN(B5 "[2,5,16,17]", "[9,4]F+", "[9]L2"), WITH(4, 5, 9, 2)          \
    }
static const sample roi_align_good[] = {REGIONS(, , , , )};
const samples samples_roi_align = {GOOD(roi_align_good), .scale = 8, .apply = roi_align_apply,
                                   .reference = roi_align_reference, .bad = roi_align_bad};

/* ---- roi_align_grad: g, x, rois, batch ---------------------------------------------------------------------------- */
static reel_attr_roi attr_of(const sample *s)
{
    reel_attr_roi a;
    memset(&a, 0, sizeof a);
    a.h = (int64_t)s->p[0], a.w = (int64_t)s->p[1], a.scale = s->p[2] != 0 ? s->p[2] : 1, a.samples = (int)s->p[3];
    a.max = s->p[4] != 0, a.corners = s->p[5] != 0;
    return a;
}
static int roi_align_grad_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_attr_roi a = attr_of(s);
    (void)d;
    out[0] = reel_roi_align_grad_at_(REEL_HERE, in[0], in[1], in[2], in[3], &a);
    return reel_status();
}
static void roi_align_grad_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd_make(&out[0], d, in[1].shape);
    run(s, &in[1], &in[2], &in[3], NULL, &in[0], &out[0], NULL);
}
static reel_tensor *back(const char *site, reel_tensor *g, reel_tensor *x, reel_tensor *rois, reel_tensor *batch,
                         int64_t h)
{
    reel_attr_roi a;
    memset(&a, 0, sizeof a);
    a.h = h, a.w = 2, a.scale = 1;
    return reel_roi_align_grad_at_(site, g, x, rois, batch, &a);
}
static void roi_align_grad_bad(void)
{
    BAD(back(REEL_HERE, NULL, X("[1,1,2,2]"), X("[3,4]"), X("[3]L1"), 2), REEL_EARG, "g is NULL");
    BAD(back(REEL_HERE, X("[3,1,2,2]"), NULL, X("[3,4]"), X("[3]L1"), 2), REEL_EARG, "x is NULL");
    BAD(back(REEL_HERE, X("[3,1,2,2]"), X("[1,1,2,2]"), NULL, X("[3]L1"), 2), REEL_EARG, "rois is NULL");
    BAD(back(REEL_HERE, X("[3,1,2,2]"), X("[1,1,2,2]"), X("[3,4]"), dead(), 2), REEL_EARG, "batch is |dead");
    BAD(back(REEL_HERE, X("[3,1,2,2]"), X("[1,1,2,2]"), X("[3,4]"), X("[3]L1"), 3), REEL_ESHAPE,
        "g is [3,1,2,2], it should be [3,1,3,2]");
    BAD(back(REEL_HERE, X("[3,1,2,2]"), X("[1,1,2,2]"), X("[3,4]"), X("[3]L1"), -1), REEL_ESHAPE, "-1 x 2 bins");
    BAD(back(REEL_HERE, X("[3,1,2,2]"), X("[1,1,2,2]"), X("[3,4]"), X("[3]L2"), 2), REEL_EARG,
        "out of range for 1 images");
    BAD(back(REEL_HERE, X("[3,1,2,2]"), X("[1,2,2]"), X("[3,4]"), X("[3]L1"), 2), REEL_ESHAPE, "x has rank 3");
    BAD(back(REEL_HERE, XD("[3,1,2,2]", REEL_F64), X("[1,1,2,2]"), X("[3,4]"), X("[3]L1"), 2), REEL_EDTYPE,
        "dtypes differ");
    BAD(back(REEL_HERE, symbol(), X("[1,1,2,2]"), X("[3,4]"), X("[3]L1"), 2), REEL_ETRACE, "part of a graph");
}
#define COMMA ,
static const sample roi_align_grad_good[] = {
    REGIONS("[1,1,1,1]" COMMA, "[2,1,2,2]" COMMA, "[3,2,1,2]r" COMMA, "[0,2,2,1]" COMMA, "[9,5,4,5]s" COMMA)};
const samples samples_roi_align_grad = {GOOD(roi_align_grad_good),
                                        .dtypes = REEL_BIT(REEL_F32) | REEL_BIT(REEL_F64),
                                        .scale = 64,
                                        .apply = roi_align_grad_apply,
                                        .reference = roi_align_grad_reference,
                                        .bad = roi_align_grad_bad};

/* ---- roi_pick: u, x, rois, batch --------------------------------------------------------------------------------- */
static int roi_pick_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    reel_attr_roi a = attr_of(s);
    (void)d;
    a.max = 1;
    out[0] = reel_roi_pick_at_(REEL_HERE, in[0], in[1], in[2], in[3], &a);
    return reel_status();
}
static void roi_pick_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    sample max = *s;
    max.p[4] = 1;
    nd_make(&out[0], d, REEL_SHAPE(in[3].count, in[1].shape.dims[1], (int64_t)s->p[0], (int64_t)s->p[1]));
    run(&max, &in[1], &in[2], &in[3], &out[0], NULL, NULL, &in[0]);
}
static reel_tensor *pick(const char *site, reel_tensor *u, reel_tensor *x, reel_tensor *rois, reel_tensor *batch,
                         bool max)
{
    reel_attr_roi a;
    memset(&a, 0, sizeof a);
    a.h = 3, a.w = 2, a.scale = 1, a.max = max;
    return reel_roi_pick_at_(site, u, x, rois, batch, &a);
}
static void roi_pick_bad(void)
{
    BAD(pick(REEL_HERE, NULL, X("[1,1,2,2]"), X("[3,4]"), X("[3]L1"), true), REEL_EARG, "u is NULL");
    BAD(pick(REEL_HERE, X("[1,1,2,2]"), NULL, X("[3,4]"), X("[3]L1"), true), REEL_EARG, "x is NULL");
    BAD(pick(REEL_HERE, X("[1,1,2,2]"), X("[1,1,2,2]"), dead(), X("[3]L1"), true), REEL_EARG, "rois is |dead");
    BAD(pick(REEL_HERE, X("[1,1,2,2]"), X("[1,1,2,2]"), X("[3,4]"), NULL, true), REEL_EARG, "batch is NULL");
    BAD(pick(REEL_HERE, X("[1,1,2,3]"), X("[1,1,2,2]"), X("[3,4]"), X("[3]L1"), true), REEL_ESHAPE,
        "u is [1,1,2,3], it should be [1,1,2,2]");
    BAD(pick(REEL_HERE, X("[1,1,2,2]"), X("[1,1,2,2]"), X("[3,4]"), X("[3]L1"), false), REEL_EARG, "for maxima");
    BAD(pick(REEL_HERE, X("[1,1,2,2]"), X("[1,1,2,2]"), X("[3,4]"), X("[3]L2"), true), REEL_EARG,
        "out of range for 1 images");
    BAD(pick(REEL_HERE, X("[1,2,2]"), X("[1,2,2]"), X("[3,4]"), X("[3]L1"), true), REEL_ESHAPE, "x has rank 3");
    BAD(pick(REEL_HERE, XD("[1,1,2,2]", REEL_F64), X("[1,1,2,2]"), X("[3,4]"), X("[3]L1"), true), REEL_EDTYPE,
        "dtypes differ");
    BAD(pick(REEL_HERE, symbol(), X("[1,1,2,2]"), X("[3,4]"), X("[3]L1"), true), REEL_ETRACE, "part of a graph");
}
#undef REGIONS
#define REGION(u, ...)                                 \
    {                                                  \
        IN(u, u, "[2,4]F", "[2]L1"), WITH(__VA_ARGS__) \
    }
static const sample roi_pick_good[] = {{IN("[1,1,1,1]", "[1,1,1,1]+", "[1,4]F", "[1]L1"), WITH(1, 1, 0, 2)},
                                       REGION("[1,1,3,4]+", 2, 2, 2, 2, 1, 1),
                                       {IN("[1,1,3,4]", "[1,1,3,4]+", "[2,4]F", "[2]L1"), WITH(2, 2, 2, 2)},
                                       {IN("[1,1,3,4]", "[1,1,3,4]+", "[2,4]F", "[2]L1"), WITH(2, 2, 2, 0, 0, 1)},
                                       {IN("[1,1,3,4]", "[1,1,3,4]+", "[2,4]F", "[2]L1"), WITH(2, 2, 1.5, 3, 0, 1)},
                                       {IN("[1,1,3,4]", "[1,1,3,4]", "[2,4]F", "[2]L1"), WITH(2, 2, 2, 0)},
                                       {IN("[2,2,3,2]t", "[2,2,3,2]", "[3,4]F", "[3]L2"), WITH(1, 2, 2, 1)},
                                       {IN("[2,2,3,2]r", "[2,2,3,2]t", "[3,4]Fr", "[3]L2"), WITH(1, 2, 2, 1, 0, 1)},
                                       {IN("[2,2,3,2]s", "[2,2,3,2]r", "[3,4]Fs", "[3]L2s"), WITH(1, 2, 2, 2, 0, 1)},
                                       {IN("[2,2,3,2]o", "[2,2,3,2]s", "[3,4]Ft", "[3]L2r"), WITH(1, 2, 2, 1)},
                                       {IN("[2,2,3,2]b", "[2,2,3,2]o", "[3,4]Fo", "[3]L2o"), WITH(1, 2, 1, 2)},
                                       {IN("[1,2,3,3]", "[1,2,3,3]", "[0,4]F", "[0]L1"), WITH(2, 1, 1, 2)},
                                       {IN("[2,5,16,17]", "[2,5,16,17]", "[9,4]F+", "[9]L2"), WITH(4, 5, 9, 2)}};
const samples samples_roi_pick = {GOOD(roi_pick_good),
                                  .dtypes = REEL_BIT(REEL_F32) | REEL_BIT(REEL_F64),
                                  .scale = 8,
                                  .apply = roi_pick_apply,
                                  .reference = roi_pick_reference,
                                  .bad = roi_pick_bad};
