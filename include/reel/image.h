/* image.h: resampling: resize, grid_sample, affine_grid, roi_align. The rules for all ops stand in ops.h. */
#ifndef REEL_IMAGE_H
#define REEL_IMAGE_H
#include "base.h"
REEL_BEGIN_DECLS

/* ---- resize: ONNX's Resize ------------------------------------------------------------------------
   Each resized axis of n elements becomes one of m. With s = m / n (or the scale given), output i lies at x of the input: */
enum {
    REEL_HALF_PIXEL = 0,       /* (i + 0.5) / s - 0.5 */
    REEL_HALF_PIXEL_SYMMETRIC, /* n / 2 (1 - m / (s n)) + (i + 0.5) / s - 0.5 */
    REEL_PYTORCH_HALF_PIXEL,   /* the first; 0 if m is 1 */
    REEL_ALIGN_CORNERS,        /* i (n - 1) / (m - 1); 0 if m is 1 */
    REEL_ASYMMETRIC,           /* i / s */
    REEL_TF_HALF_PIXEL,        /* (i + 0.5) / s, for nearest */
    REEL_TF_CROP_AND_RESIZE /* start (n - 1) + i (end - start) (n - 1) / (m - 1), (start + end) / 2 (n - 1) if m is 1; outside
                                  the input the result is `extrapolation` */
};
enum { REEL_RESIZE_NEAREST = 0, REEL_RESIZE_LINEAR, REEL_RESIZE_CUBIC };
enum { REEL_ROUND_PREFER_FLOOR = 0, REEL_ROUND_PREFER_CEIL, REEL_FLOOR, REEL_CEIL }; /* nearest: which neighbour of x */
enum { REEL_STRETCH = 0, REEL_NOT_LARGER, REEL_NOT_SMALLER };
typedef struct {
    size_t size;
    int mode, coordinates, rounding;
    bool antialias;       /* linear, cubic: where the axis shrinks, the filter is as wide as 1 / s */
    bool exclude_outside; /* weights beyond the edge are 0 and the others sum to 1; otherwise the edge is repeated */
    double cubic_a;       /* 0: -0.75; Keys' a (1981) */
    double extrapolation;
    reel_axes axes;    /* which; n = 0: the last ones */
    int aspect;        /* with sizes: one scale for all axes, so that none is larger, or smaller, than its size */
    const double *roi; /* REEL_TF_CROP_AND_RESIZE: n starts, then n ends, in [0, 1] of the axis; NULL: 0 and 1 */
} reel_resize_opts;
/* Axis by axis from the last to the first. Nearest takes every dtype, the others floats. Gradient: the transposed weights. */
reel_tensor *reel_resize_at(const char *site, reel_tensor *x, int n, const int64_t *sizes, const reel_resize_opts *o);
/* The same by scales: m = floor(n s). */
reel_tensor *reel_rescale_at(const char *site, reel_tensor *x, int n, const double *scales, const reel_resize_opts *o);
/* PyTorch's Upsample of x [N, C, ...]: all axes from 2 on by an integer factor; nearest (REEL_ASYMMETRIC, REEL_FLOOR), linear, cubic. */
reel_tensor *reel_upsample_at(const char *site, reel_tensor *x, int64_t factor, int mode);

/* ---- sampling at given places ---------------------------------------------------------------------- */
enum { REEL_ZEROS = 0, REEL_BORDER, REEL_REFLECTION };
typedef struct {
    size_t size;
    int mode;    /* 0: linear (the default of both PyTorch and ONNX), else REEL_SAMPLE_... */
    int padding; /* REEL_ZEROS, REEL_BORDER, REEL_REFLECTION */
    bool align_corners;
} reel_grid_sample_opts;
enum { REEL_SAMPLE_LINEAR = 0, REEL_SAMPLE_NEAREST, REEL_SAMPLE_CUBIC };
/* y[n, c, i...] = x[n, c] at grid[n, i...]: x [N, C, (D,) H, W], grid [N, ..., 2 or 3] with the last axis of x first: (x, y, z), -1 and 1
   being the edges of the image, or with align_corners the centres of the outermost pixels. As PyTorch's grid_sample and ONNX's
   GridSample: nearest rounds half to even, cubic has a = -0.75. Gradients by x and grid (0 for nearest, and where border or reflection
   clamp), of every order. A coordinate that is NaN counts as -1. A plane has at most 2^31 - 1 pixels. */
reel_tensor *reel_grid_sample_at(const char *site, reel_tensor *x, reel_tensor *grid, const reel_grid_sample_opts *o);
/* The grid of an affine map: theta [N, 2, 3] and size (H, W), or [N, 3, 4] and (D, H, W): grid[n, i...] = theta[n] (x, y, (z,) 1). */
reel_tensor *reel_affine_grid_at(const char *site, reel_tensor *theta, int n, const int64_t *size, bool align_corners);

/* ---- regions of interest (He et al. 2017), as ONNX's RoiAlign ---------------------------------------- */
typedef struct {
    size_t size;
    double scale; /* of the corners in rois; 0: 1 */
    int samples;  /* along each axis of a bin; 0: as many as its size, rounded up */
    bool max;     /* the largest of the samples' weighted corners (ONNX), not the mean of the samples */
    bool
        pixel_corners; /* without the half pixel: ONNX's output_half_pixel, torchvision's aligned = false; a region is at least 1 x 1 */
} reel_roi_align_opts;
/* y[r, c] (h x w bins) from x[batch[r], c]: x [N, C, H, W], rois [R, 4] (x1, y1, x2, y2) of any float dtype, batch [R] integers in [0, N).
   Gradient by x; rois have none (torchvision). */
reel_tensor *reel_roi_align_at(const char *site, reel_tensor *x, reel_tensor *rois, reel_tensor *batch, int64_t h,
                               int64_t w, const reel_roi_align_opts *o);

REEL_END_DECLS
#endif
