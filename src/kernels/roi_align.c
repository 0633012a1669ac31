/* roi_align.c: regions of images sampled into bins. Forward by regions; the gradient by planes of the image, so that
   regions that overlap add up in their order. */
#include <math.h>

#include "kernels/dense.h"
#include "kernels/softmax.h" /* reel_label_ */
#include "ops/attrs.h"

enum { MOST_SAMPLES = 1 << 12 };

typedef struct roi_plan {
    reel_attr_roi a;
    int n_in, first; /* first: where x stands among the inputs */
    bool pick;
    reel_dtype compute, batch_dtype;
    int64_t images, channels, h, w, regions;
    reel_dense_in g, x, rois;
    reel_dense_out out;
    reel_walk batch;
    size_t batch_at;
} roi_plan;

static int prepare_any(const reel_ksig *sig, roi_plan *p, int first, size_t *workspace)
{
    const reel_kview *x = &sig->in[first], *batch = &sig->in[first + 2];
    memset(p, 0, sizeof *p);
    p->a = *(const reel_attr_roi *)sig->attr;
    p->n_in = sig->n_in;
    p->first = first;
    p->compute = x->dtype == REEL_F64 ? REEL_F64 : REEL_F32;
    p->images = x->dims[0], p->channels = x->dims[1], p->h = x->dims[2], p->w = x->dims[3];
    p->regions = batch->dims[0];
    p->batch_dtype = batch->dtype;
    reel_walk_add_(&p->batch, batch->dims[0], batch->strides[0]);
    int code = first ? reel_dense_plan_(&p->g, &sig->in[0], p->compute, workspace) : 0;
    if (!code) code = reel_dense_plan_(&p->x, x, p->compute, workspace);
    if (!code) code = reel_dense_plan_(&p->rois, &sig->in[first + 1], REEL_F64, workspace);
    if (!code) code = reel_dense_out_plan_(&p->out, &sig->out[0], p->compute, workspace);
    return code ? code : reel_reserve_(workspace, p->regions, sizeof(int64_t), &p->batch_at);
}

static int prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    return prepare_any(sig, plan, 0, workspace);
}

static int grad_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    return prepare_any(sig, plan, 1, workspace);
}

static int pick_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const int code = prepare_any(sig, plan, 1, workspace);
    ((roi_plan *)plan)->pick = true;
    return code;
}

/* A region: where its bins begin, how large they are, and how many samples they have. */
typedef struct region {
    double x, y, bin_w, bin_h;
    int64_t nx, ny;
} region;

static int64_t count_of(double size)
{
    const double n = ceil(size);
    return n >= 1 ? (n > MOST_SAMPLES ? MOST_SAMPLES : (int64_t)n) : 0; /* NaN: none */
}

static region region_of(const roi_plan *p, const double *roi)
{
    const double shift = p->a.corners ? 0 : 0.5;
    region r = {.x = roi[0] * p->a.scale - shift, .y = roi[1] * p->a.scale - shift};
    double w = roi[2] * p->a.scale - shift - r.x, h = roi[3] * p->a.scale - shift - r.y;
    if (p->a.corners) w = w < 1 ? 1 : w, h = h < 1 ? 1 : h;
    r.bin_w = w / (double)p->a.w, r.bin_h = h / (double)p->a.h;
    r.nx = p->a.samples > 0 ? p->a.samples : count_of(r.bin_w);
    r.ny = p->a.samples > 0 ? p->a.samples : count_of(r.bin_h);
    return r;
}

/* The four pixels around a place; false: it lies outside. */
static bool corners(const roi_plan *p, double x, double y, int64_t at[4], double w[4])
{
    if (p->h == 0 || p->w == 0 || !(y >= -1 && y <= (double)p->h && x >= -1 && x <= (double)p->w)) return false;
    x = x < 0 ? 0 : x, y = y < 0 ? 0 : y;
    int64_t x0 = (int64_t)x, y0 = (int64_t)y, x1 = x0 + 1, y1 = y0 + 1;
    if (x0 >= p->w - 1) x = (double)(x0 = x1 = p->w - 1);
    if (y0 >= p->h - 1) y = (double)(y0 = y1 = p->h - 1);
    const double fx = x - (double)x0, fy = y - (double)y0;
    at[0] = y0 * p->w + x0, at[1] = y0 * p->w + x1, at[2] = y1 * p->w + x0, at[3] = y1 * p->w + x1;
    w[0] = (1 - fy) * (1 - fx), w[1] = (1 - fy) * fx, w[2] = fy * (1 - fx), w[3] = fy * fx;
    return true;
}

static double get(const roi_plan *p, const void *x, int64_t i)
{
    return p->compute == REEL_F64 ? ((const double *)x)[i] : (double)((const float *)x)[i];
}

typedef struct job {
    const roi_plan *p;
    const void *x, *g; /* g: roi_pick's u, too */
    const double *rois;
    const int64_t *batch;
    void *out;
} job;

/* One bin of a plane: its value, with u that of u at the maximum of x; or, with out, g spread over the pixels that made it. */
static double bin(const roi_plan *p, const region *r, const void *x, const void *u, int64_t plane, int64_t by,
                  int64_t bx, double g, void *out)
{
    double sum = 0, top = 0;
    int64_t top_at = -1, at[4];
    double w[4], top_w = 0;
    const int64_t n = r->nx * r->ny;
    const double share = g / (double)(n > 0 ? n : 1);
    for (int64_t i = 0; i < n; i++) {
        const int64_t row = i / r->nx;
        const double y = r->y + ((double)by + ((double)row + 0.5) / (double)r->ny) * r->bin_h;
        const double xx = r->x + ((double)bx + ((double)(i % r->nx) + 0.5) / (double)r->nx) * r->bin_w;
        const bool inside = corners(p, xx, y, at, w);
        for (int k = 0; k < 4; k++) {
            if (!inside) { /* counts as 0 */
                if (top_at == -1 || top < 0) top = 0, top_at = -2;
                continue;
            }
            if (p->a.max) {
                const double v = w[k] * get(p, x, plane + at[k]);
                if (top_at == -1 || v > top) top = v, top_at = at[k], top_w = w[k];
            } else if (!out) {
                sum += w[k] * get(p, x, plane + at[k]);
            } else if (p->compute == REEL_F64) {
                ((double *)out)[plane + at[k]] += share * w[k];
            } else {
                ((float *)out)[plane + at[k]] += (float)(share * w[k]);
            }
        }
    }
    if (p->a.max && out && top_at >= 0) {
        if (p->compute == REEL_F64)
            ((double *)out)[plane + top_at] += g * top_w;
        else
            ((float *)out)[plane + top_at] += (float)(g * top_w);
    }
    if (u) return top_at >= 0 ? top_w * get(p, u, plane + top_at) : 0;
    return p->a.max ? top : sum / (double)(n > 0 ? n : 1);
}

static void forward(void *arg, int64_t begin, int64_t end)
{
    const job *j = arg;
    const roi_plan *p = j->p;
    const int64_t bins = p->a.h * p->a.w;
    for (int64_t i = begin; i < end; i++) {
        const region r = region_of(p, j->rois + 4 * i);
        for (int64_t c = 0; c < p->channels; c++)
            for (int64_t b = 0; b < bins; b++) {
                const int64_t plane = (j->batch[i] * p->channels + c) * p->h * p->w,
                              to = (i * p->channels + c) * bins + b;
                const double v = bin(p, &r, j->x, j->g, plane, b / p->a.w, b % p->a.w, 0, NULL);
                if (p->compute == REEL_F64)
                    ((double *)j->out)[to] = v;
                else
                    ((float *)j->out)[to] = (float)v;
            }
    }
}

static void backward(void *arg, int64_t begin, int64_t end) /* planes */
{
    const job *j = arg;
    const roi_plan *p = j->p;
    const int64_t bins = p->a.h * p->a.w, pixels = p->h * p->w;
    const size_t size = reel_size_(p->compute);
    for (int64_t at = begin; at < end; at++) {
        const int64_t image = at / p->channels, c = at % p->channels;
        memset((char *)j->out + (size_t)(at * pixels) * size, 0, (size_t)pixels * size);
        for (int64_t i = 0; i < p->regions; i++) {
            if (j->batch[i] != image) continue;
            const region r = region_of(p, j->rois + 4 * i);
            for (int64_t b = 0; b < bins; b++)
                bin(p, &r, j->x, NULL, at * pixels, b / p->a.w, b % p->a.w,
                    get(p, j->g, (i * p->channels + c) * bins + b), j->out);
        }
    }
}

static int run_any(const roi_plan *p, void *const *ptr, void *work)
{
    job j = {.p = p};
    int64_t *batch = (int64_t *)(void *)((char *)work + p->batch_at);
    for (int64_t i = 0; i < p->regions; i++) {
        batch[i] = reel_label_(p->batch_dtype, ptr[p->first + 2], reel_walk_offset_(&p->batch, i));
        if (batch[i] < 0 || batch[i] >= p->images)
            return reel_fail(REEL_EARG, "batch %lld at region %lld is out of range for %lld images",
                             (long long)batch[i], (long long)i, (long long)p->images);
    }
    j.batch = batch;
    if (p->first) j.g = reel_dense_ready_(&p->g, ptr[0], work);
    j.x = reel_dense_ready_(&p->x, ptr[p->first], work);
    j.rois = reel_dense_ready_(&p->rois, ptr[p->first + 1], work);
    j.out = reel_dense_out_(&p->out, ptr[p->n_in], work);
    if (p->first && !p->pick)
        reel_parallel_for(p->images * p->channels, 1, backward, &j);
    else
        reel_parallel_for(p->regions, 1, forward, &j);
    reel_dense_done_(&p->out, ptr[p->n_in], work);
    return 0;
}

static int run(const void *plan, void *const *ptr, void *work)
{
    return run_any(plan, ptr, work);
}

const reel_kernel reel_k_roi_align_ = {.plan_size = sizeof(roi_plan), .prepare = prepare, .run = run};
const reel_kernel reel_k_roi_align_grad_ = {.plan_size = sizeof(roi_plan), .prepare = grad_prepare, .run = run};
const reel_kernel reel_k_roi_pick_ = {.plan_size = sizeof(roi_plan), .prepare = pick_prepare, .run = run};
