/* roi.c: emitters of roi_align, its gradient and roi_pick: regions of images, sampled into bins of one size. Places in double; a gradient
   is summed in a workspace, region by region, as kernels/roi_align.c does. */
#include "elements.h"

typedef struct regions {
    const reel_attr_roi *a;
    const reel_eoperand *x, *y; /* y: what has an element for each bin */
    int x_in, g_in;             /* g_in: of what comes back, or roi_pick's u; -1: none */
    bool back;
} regions;

/* The loop over regions; of which image each is. */
static void open_regions(reel_emit *e, const regions *q)
{
    const reel_eoperand *batch = &e->in[q->x_in + 2];
    reel_set_(e, "images", q->x->dims[0]);
    reel_open_(e, "r", batch->dims[0]);
    reel_sayf_(e, "const int64_t image = (int64_t)LD%d(r * %lld);\nif (image < 0 || image >= $images) return 1;",
               q->x_in + 2, (long long)batch->strides[0]);
}

/* Loops over its channels and bins; where it begins, its bins' sizes and how many samples each has. */
static void open_bins(reel_emit *e, const regions *q)
{
    const reel_eoperand *rois = &e->in[q->x_in + 1];
    const double shift = q->a->corners ? 0 : 0.5;
    char buf[REEL_NUMBER_TEXT];
    reel_set_text_(e, "scale", "%s", reel_double_(q->a->scale, buf));
    reel_set_text_(e, "shift", "%s", reel_double_(shift, buf));
    reel_set_(e, "bins_h", q->a->h);
    reel_set_(e, "bins_w", q->a->w);
    reel_say_(e, "double place[4];");
    for (int k = 0; k < 4; k++)
        reel_sayf_(e, "place[%d] = (double)LD%d(r * %lld + %lld) * $scale - $shift;", k, q->x_in + 1,
                   (long long)rois->strides[0], (long long)k * (long long)rois->strides[1]);
    reel_say_(e, "double bin_w = place[2] - place[0], bin_h = place[3] - place[1];");
    if (q->a->corners) reel_say_(e, "if (bin_w < 1) bin_w = 1;\nif (bin_h < 1) bin_h = 1;");
    reel_say_(e, "bin_w /= $bins_w;\nbin_h /= $bins_h;");
    if (q->a->samples > 0)
        reel_sayf_(e, "const long n_x = %d, n_y = %d;", q->a->samples, q->a->samples);
    else
        reel_say_(e, "const long n_x = roi_count(bin_w), n_y = roi_count(bin_h);");
    reel_open_(e, "c", q->x->dims[1]);
    reel_open_(e, "i", q->a->h);
    reel_open_(e, "j", q->a->w);
}

/* Where pixel `at` of the plane at hand lies in o, an operand of the image's shape. */
static void set_pixel(reel_emit *e, const char *name, const reel_eoperand *o, const char *at)
{
    const long long w = o->dims[3] > 0 ? (long long)o->dims[3] : 1;
    reel_set_text_(e, name, "(long)image * %lld + c * %lld + %s / %lld * %lld + %s %% %lld * %lld",
                   (long long)o->strides[0], (long long)o->strides[1], at, w, (long long)o->strides[2], at, w,
                   (long long)o->strides[3]);
}

/* A loop over the samples of the bin at hand: at[] and weight[] of the four pixels around each. */
static void open_samples(reel_emit *e, const regions *q)
{
    reel_set_(e, "h", q->x->dims[2]);
    reel_set_(e, "w", q->x->dims[3]);
    reel_say_(e, "for (long s = 0; s < n_x * n_y; s++) {\n    long at[4];\n    double weight[4];\n"
                 "    const double across = place[0] + ((double)j + ((double)(s % n_x) + 0.5) / (double)n_x) * bin_w;\n"
                 "    const double down = place[1] + ((double)i + ((double)(s / n_x) + 0.5) / (double)n_y) * bin_h;\n"
                 "    const int inside = roi_pixels(across, down, $h, $w, at, weight);");
    e->depth++;
}

/* By max: the pixel whose weighted value is the largest, at top_at, -2: what lies outside, which counts as 0; with top_weight, where
   it is asked for. */
static void say_top(reel_emit *e, const regions *q, bool weighted)
{
    reel_say_(e,
              weighted ? "double top = 0, top_weight = 0;\nlong top_at = -1;" : "double top = 0;\nlong top_at = -1;");
    open_samples(e, q);
    set_pixel(e, "pixel", q->x, "at[k]");
    reel_sayf_(e,
               "for (int k = 0; k < 4; k++) {\n"
               "    const double v = inside ? weight[k] * (double)LD%d($pixel) : 0;\n"
               "    if (top_at != -1 && !(v > top)) continue;\n"
               "    top = v;\n    top_at = inside ? at[k] : -2;\n%s}",
               q->x_in, weighted ? "    top_weight = weight[k];\n" : "");
    reel_close_(e, 1);
}

static void say_mean(reel_emit *e, const regions *q)
{
    reel_say_(e, "double sum = 0;");
    open_samples(e, q);
    set_pixel(e, "pixel", q->x, "at[k]");
    reel_sayf_(e, "for (int k = 0; k < 4 && inside; k++) sum += weight[k] * (double)LD%d($pixel);", q->x_in);
    reel_close_(e, 1);
    reel_say_(e, "ST0($y, sum / (double)(n_x * n_y > 0 ? n_x * n_y : 1));");
}

static void say_back(reel_emit *e, const regions *q)
{
    const reel_eoperand *out = &e->out[0];
    if (q->a->max) {
        say_top(e, q, true);
        set_pixel(e, "to", out, "top_at");
        reel_sayf_(e, "if (top_at >= 0) work[$to] += (T)((double)LD%d($y) * top_weight);", q->g_in);
        return;
    }
    reel_sayf_(e, "const double share = (double)LD%d($y) / (double)(n_x * n_y > 0 ? n_x * n_y : 1);", q->g_in);
    open_samples(e, q);
    set_pixel(e, "to", out, "at[k]");
    reel_say_(e, "for (int k = 0; k < 4 && inside; k++) work[$to] += (T)(share * weight[k]);");
    reel_close_(e, 1);
}

static void say_bins(reel_emit *e, const regions *q)
{
    const int64_t *by = q->y->strides;
    open_bins(e, q);
    reel_set_text_(e, "y", "r * %lld + c * %lld + i * %lld + j * %lld", (long long)by[0], (long long)by[1],
                   (long long)by[2], (long long)by[3]);
    if (q->back) {
        say_back(e, q);
    } else if (q->g_in >= 0) {
        say_top(e, q, true);
        set_pixel(e, "from", &e->in[q->g_in], "top_at");
        reel_sayf_(e, "ST0($y, top_at >= 0 ? top_weight * (double)LD%d($from) : 0);", q->g_in);
    } else if (q->a->max) {
        say_top(e, q, false);
        reel_say_(e, "ST0($y, top);");
    } else {
        say_mean(e, q);
    }
    reel_close_(e, 3);
}

int reel_emit_roi_(reel_emit *e)
{
    regions q = {.a = e->attr, .back = e->op->id == REEL_OP_roi_align_grad};
    q.x_in = e->op->id != REEL_OP_roi_align;
    q.g_in = q.x_in ? 0 : -1;
    q.x = &e->in[q.x_in];
    q.y = q.back ? &e->in[0] : &e->out[0];
    e->real = q.x->dtype == REEL_F64 ? REEL_F64 : REEL_F32;
    if (e->in[q.x_in + 2].dims[0] == 0 && !q.back) return 0;
    reel_refuses_(e, "the number of an image is out of range");
    reel_set_(e, "all", e->out[0].count);
    if (q.back && e->out[0].count) {
        e->work = (size_t)e->out[0].count;
        e->work_type = e->real == REEL_F64 ? "double" : "float";
        reel_say_(e, "for (long i = 0; i < $all; i++) work[i] = 0;");
    }
    open_regions(e, &q);
    if (e->out[0].count) say_bins(e, &q);
    reel_close_(e, 1);
    if (e->work) reel_say_(e, "for (long i = 0; i < $all; i++) ST0(i, work[i]);");
    return 0;
}

/* clang-format off */
const reel_known reel_roi_helpers_[] = {
    {"roi_count", "long roi_count(double size) /* samples along an axis of a bin; NaN: none */\n{\n"
     "    const double n = ceil(size);\n"
     "    return n >= 1 ? (n > 4096 ? 4096 : (long)n) : 0;\n}\n"},
    {"roi_pixels", "int roi_pixels(double x, double y, long h, long w, long at[4], double weight[4]) /* the four around a place; 0: it lies outside */\n{\n"
     "    for (int k = 0; k < 4; k++) {\n        at[k] = 0;\n        weight[k] = 0;\n    }\n"
     "    if (h == 0 || w == 0 || !(y >= -1 && y <= (double)h && x >= -1 && x <= (double)w)) return 0;\n"
     "    x = x < 0 ? 0 : x;\n    y = y < 0 ? 0 : y;\n"
     "    const long x0 = (long)x < w - 1 ? (long)x : w - 1, y0 = (long)y < h - 1 ? (long)y : h - 1;\n"
     "    const long x1 = x0 < w - 1 ? x0 + 1 : x0, y1 = y0 < h - 1 ? y0 + 1 : y0;\n"
     "    const double fx = x0 < w - 1 ? x - (double)x0 : 0, fy = y0 < h - 1 ? y - (double)y0 : 0;\n"
     "    at[0] = y0 * w + x0;\n    at[1] = y0 * w + x1;\n    at[2] = y1 * w + x0;\n    at[3] = y1 * w + x1;\n"
     "    weight[0] = (1 - fy) * (1 - fx);\n    weight[1] = (1 - fy) * fx;\n    weight[2] = fy * (1 - fx);\n    weight[3] = fy * fx;\n"
     "    return 1;\n}\n"},
    {NULL, NULL}};
