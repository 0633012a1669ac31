/* roi_align.c: regions of images, sampled into bins of one size. */
#include <math.h>

#include "core/error.h"
#include "core/options.h"
#include "internal.h"

/* x, rois, batch; the shape of y. */
static int check(const reel_attr_roi *a, const reel_type *x, const reel_type *rois, const reel_type *batch,
                 reel_shape *y)
{
    int64_t n;
    if (a->h < 1 || a->w < 1) return reel_fail(REEL_ESHAPE, "%lld x %lld bins", (long long)a->h, (long long)a->w);
    if (!(a->scale > 0) || isinf(a->scale)) return reel_fail(REEL_EARG, "scale is %g", a->scale);
    if (a->samples < 0 || a->samples > 1 << 10) return reel_fail(REEL_EARG, "samples is %d", a->samples);
    if (!reel_is_float_(rois->dtype))
        return reel_fail(REEL_EDTYPE, "rois is %s, it takes floats", reel_dtype_name(rois->dtype));
    if (!reel_is_int_(batch->dtype))
        return reel_fail(REEL_EDTYPE, "batch is %s, allowed: i8 u8 i32 i64", reel_dtype_name(batch->dtype));
    if (x->shape.rank != 4) return reel_fail(REEL_ESHAPE, "x has rank %d, it needs 4", x->shape.rank);
    if (rois->shape.rank != 2 || (rois->shape.dims[1] != 4 && rois->shape.dims[1] != REEL_ANY)) {
        char text[REEL_SHAPE_TEXT];
        return reel_fail(REEL_ESHAPE, "rois is %s, it should be [?,4]", reel_shape_text_(&rois->shape, text));
    }
    if (batch->shape.rank != 1 || !reel_merge_dim_(rois->shape.dims[0], batch->shape.dims[0], &n))
        return reel_fail(REEL_ESHAPE, "batch has rank %d and %lld entries for %lld rois", batch->shape.rank,
                         batch->shape.rank ? (long long)batch->shape.dims[0] : 1, (long long)rois->shape.dims[0]);
    *y = (reel_shape){4, {n, x->shape.dims[1], a->h, a->w}};
    return reel_shape_check_(*y, true);
}

int reel_infer_roi_align_(const reel_infer *io)
{
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype};
    return check(io->attr, io->in[0], io->in[1], io->in[2], &io->out[0].shape);
}

int reel_infer_roi_align_grad_(const reel_infer *io)
{
    reel_shape y, both;
    const int code = check(io->attr, io->in[1], io->in[2], io->in[3], &y);
    if (code) return code;
    if (!reel_merge_shape_(&io->in[0]->shape, &y, &both)) {
        char a[REEL_SHAPE_TEXT], b[REEL_SHAPE_TEXT];
        return reel_fail(REEL_ESHAPE, "g is %s, it should be %s", reel_shape_text_(&io->in[0]->shape, a),
                         reel_shape_text_(&y, b));
    }
    io->out[0] = *io->in[1];
    return 0;
}

static reel_tensor *align(const char *site, reel_tensor *x, reel_tensor *rois, reel_tensor *batch,
                          const reel_attr_roi *a)
{
    reel_tensor *const in[3] = {x, rois, batch};
    reel_tensor *out = NULL;
    reel_door_(&reel_rows_[REEL_OP_roi_align], a, in, 3, &out, 1, site);
    return out;
}

reel_tensor *reel_roi_align_at(const char *site, reel_tensor *x, reel_tensor *rois, reel_tensor *batch, int64_t h,
                               int64_t w, const reel_roi_align_opts *o)
{
    reel_roi_align_opts p = {0};
    reel_attr_roi a;
    reel_options_(&p, sizeof p, o);
    memset(&a, 0, sizeof a);
    a.h = h, a.w = w;
    a.scale = p.scale == 0 ? 1 : p.scale;
    a.samples = p.samples, a.max = p.max, a.corners = p.pixel_corners;
    return align(site, x, rois, batch, &a);
}

reel_tensor *reel_roi_align_grad_at_(const char *site, reel_tensor *g, reel_tensor *x, reel_tensor *rois,
                                     reel_tensor *batch, const reel_attr_roi *a)
{
    reel_tensor *const in[4] = {g, x, rois, batch};
    reel_tensor *out = NULL;
    reel_door_(&reel_rows_[REEL_OP_roi_align_grad], a, in, 4, &out, 1, site);
    return out;
}

int reel_vjp_roi_align_(const reel_vjp_args *v)
{
    if (v->need[0]) v->din[0] = reel_roi_align_grad_at_(v->site, v->dout[0], v->in[0], v->in[1], v->in[2], v->attr);
    return reel_status();
}

/* For the mean, of both shapes the one that g has; by max the weights are those that the maxima of x chose. */
int reel_vjp_roi_align_grad_(const reel_vjp_args *v)
{
    const reel_attr_roi *a = v->attr;
    if (!v->need[0]) return 0;
    v->din[0] = a->max ? reel_roi_pick_at_(v->site, v->dout[0], v->in[1], v->in[2], v->in[3], a)
                       : align(v->site, v->dout[0], v->in[2], v->in[3], a);
    return reel_status();
}

/* ---- roi_pick: what roi_align_grad by max does, transposed; linear in u, and x only chooses --------------- */
int reel_infer_roi_pick_(const reel_infer *io)
{
    const reel_attr_roi *a = io->attr;
    reel_shape image;
    if (!a->max) return reel_fail(REEL_EARG, "picking is for maxima");
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype};
    const int code = check(a, io->in[1], io->in[2], io->in[3], &io->out[0].shape);
    if (code) return code;
    if (reel_merge_shape_(&io->in[0]->shape, &io->in[1]->shape, &image)) {
        if (io->out[0].shape.dims[1] == REEL_ANY) io->out[0].shape.dims[1] = image.dims[1];
        return 0;
    }
    char have[REEL_SHAPE_TEXT], want[REEL_SHAPE_TEXT];
    return reel_fail(REEL_ESHAPE, "u is %s, it should be %s", reel_shape_text_(&io->in[0]->shape, have),
                     reel_shape_text_(&io->in[1]->shape, want));
}

reel_tensor *reel_roi_pick_at_(const char *site, reel_tensor *u, reel_tensor *x, reel_tensor *rois, reel_tensor *batch,
                               const reel_attr_roi *a)
{
    reel_tensor *const in[4] = {u, x, rois, batch};
    reel_tensor *out = NULL;
    reel_door_(&reel_rows_[REEL_OP_roi_pick], a, in, 4, &out, 1, site);
    return out;
}

int reel_vjp_roi_pick_(const reel_vjp_args *v)
{
    if (v->need[0]) v->din[0] = reel_roi_align_grad_at_(v->site, v->dout[0], v->in[1], v->in[2], v->in[3], v->attr);
    return reel_status();
}
