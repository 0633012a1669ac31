/* conv.h: convolution, pooling and resampling of images. The rules for all ops stand in ops.h. Images are [N, C, spatial...],
   with one to three spatial axes, or [N, spatial..., C] with .channels_last. Unknown dimensions are allowed in graphs. */
#ifndef REEL_CONV_H
#define REEL_CONV_H
#include "base.h"
REEL_BEGIN_DECLS

/* ---- windows ----------------------------------------------------------------------------------------
   Output o, tap t of an axis reads x[o stride - before + t dilation]; out = floor((in + before + after - reach) / stride) + 1,
   reach = (kernel - 1) dilation + 1. */
typedef enum {
    REEL_VALID,     /* padded by what pad, pad_before and pad_after say: by nothing if they are 0 */
    REEL_SAME,      /* so that out = ceil(in / stride); an odd one goes behind (TensorFlow, ONNX SAME_UPPER) */
    REEL_SAME_LOWER /* an odd one goes before */
} reel_padding;

/* ---- convolution: y[n, o, p] = bias[o] + sum over c, t of x[n, c, p stride - before + t dilation] w[o, c, t] (PyTorch conv1d..3d)
   x [N, C, spatial...], w [O, C / groups, kernel...] in either layout, bias [O]; C and O are multiples of groups (C: depthwise), and
   outputs of group g see inputs of group g. Floats; f16 and bf16 are computed in f32. One struct serves all ranks; an entry of 0
   is its default. */
typedef struct {
    size_t size;
    int stride[3], dilation[3]; /* 0: 1 */
    int groups;                 /* 0: 1 */
    reel_padding padding;
    int pad[3];                      /* on both sides */
    int pad_before[3], pad_after[3]; /* on one more */
    int output_padding[3];           /* conv_transpose: that many outputs more behind; less than stride or dilation */
    bool channels_last;              /* x and y are [N, spatial..., C] */
    reel_tensor *bias;               /* NULL: none */
} reel_conv_opts;
typedef reel_conv_opts reel_conv1d_opts, reel_conv2d_opts, reel_conv3d_opts, reel_conv_transpose_opts,
    reel_conv_transpose1d_opts, reel_conv_transpose2d_opts, reel_conv_transpose3d_opts;
reel_tensor *reel_conv_at(const char *site, reel_tensor *x, reel_tensor *w,
                          const reel_conv_opts *o); /* cross-correlation; spatial axes as w has */
reel_tensor *reel_conv1d_at(const char *site, reel_tensor *x, reel_tensor *w,
                            const reel_conv_opts *o); /* conv of x [n, c, w] */
reel_tensor *reel_conv2d_at(const char *site, reel_tensor *x, reel_tensor *w,
                            const reel_conv_opts *o); /* conv of x [n, c, h, w] */
reel_tensor *reel_conv3d_at(const char *site, reel_tensor *x, reel_tensor *w,
                            const reel_conv_opts *o); /* conv of x [n, c, d, h, w] */
/* Transposed: the gradient of conv by its input, applied to x (PyTorch conv_transpose, ONNX ConvTranspose). x [N, C, spatial...],
   w [C, O / groups, kernel...], out = (in - 1) stride - before - after + reach + output_padding; with SAME out = in stride. */
reel_tensor *reel_conv_transpose_at(const char *site, reel_tensor *x, reel_tensor *w, const reel_conv_opts *o);
reel_tensor *reel_conv_transpose1d_at(const char *site, reel_tensor *x, reel_tensor *w,
                                      const reel_conv_opts *o); /* conv_transpose of x [n, c, w] */
reel_tensor *reel_conv_transpose2d_at(const char *site, reel_tensor *x, reel_tensor *w,
                                      const reel_conv_opts *o); /* conv_transpose of x [n, c, h, w] */
reel_tensor *reel_conv_transpose3d_at(const char *site, reel_tensor *x, reel_tensor *w,
                                      const reel_conv_opts *o); /* conv_transpose of x [n, c, d, h, w] */

/* ---- pooling over windows of each channel; padding never takes part but in avg_pool's number -------- */
typedef struct {
    size_t size;
    int stride[3];   /* all 0: the kernel (as in PyTorch); else 0: 1 */
    int dilation[3]; /* 0: 1 */
    reel_padding padding;
    int pad[3], pad_before[3], pad_after[3];
    bool ceil_mode; /* out = ceil(...) + 1, but no window begins in the padding behind */
    bool channels_last;
    bool exclude_pad;  /* avg_pool: divide by the elements inside x alone; false (PyTorch): padding counts as zeros */
    int divisor;       /* avg_pool: divide by this; 0: by the number of elements */
    bool column_major; /* max_pool_indices: the last but one axis runs fastest (ONNX storage_order 1) */
} reel_pool_opts;
typedef reel_pool_opts reel_max_pool_opts, reel_avg_pool_opts, reel_lp_pool_opts;

/* The maximum of each window, NaN if one is in it. Any number. A window without elements gives -inf, or the least integer. Gradient: to the first
   maximum of the window in C order. kernel: REEL_SHAPE(2, 2); its rank is the number of spatial axes. */
reel_tensor *reel_max_pool_at(const char *site, reel_tensor *x, reel_shape kernel, const reel_pool_opts *o);
reel_tensor *reel_max_pool1d_at(const char *site, reel_tensor *x, reel_shape kernel,
                                const reel_pool_opts *o); /* max_pool over one spatial axis */
reel_tensor *reel_max_pool2d_at(const char *site, reel_tensor *x, reel_shape kernel,
                                const reel_pool_opts *o); /* max_pool over two */
reel_tensor *reel_max_pool3d_at(const char *site, reel_tensor *x, reel_shape kernel,
                                const reel_pool_opts *o); /* max_pool over three */
/* i64: where that first maximum lies, counted in C order over the spatial axes of its channel (PyTorch's return_indices); the first
   NaN is a maximum; -1: the window has no elements. */
reel_tensor *reel_max_pool_indices_at(const char *site, reel_tensor *x, reel_shape kernel, const reel_pool_opts *o);
/* Zeros of `spatial` sizes with x[n, c, i] put at indices[n, c, i] (PyTorch's max_unpool). Of equal indices the last counts, but each gets
   the gradient; -1 puts nothing. Others out of range are an error. */
reel_tensor *reel_max_unpool_at(const char *site, reel_tensor *x, reel_tensor *indices, reel_shape spatial,
                                bool channels_last);
/* The mean of each window. Floats. A window of padding alone gives 0. */
reel_tensor *reel_avg_pool_at(const char *site, reel_tensor *x, reel_shape kernel, const reel_pool_opts *o);
reel_tensor *reel_avg_pool1d_at(const char *site, reel_tensor *x, reel_shape kernel,
                                const reel_pool_opts *o); /* avg_pool over one spatial axis */
reel_tensor *reel_avg_pool2d_at(const char *site, reel_tensor *x, reel_shape kernel,
                                const reel_pool_opts *o); /* avg_pool over two */
reel_tensor *reel_avg_pool3d_at(const char *site, reel_tensor *x, reel_shape kernel,
                                const reel_pool_opts *o); /* avg_pool over three */
/* (sum of |x|^p)^(1/p) of each window, p > 0 (ONNX LpPool). Gradient 0 where the sum is 0. */
reel_tensor *reel_lp_pool_at(const char *site, reel_tensor *x, double p, reel_shape kernel, const reel_pool_opts *o);
/* Over all spatial axes, which stay as 1. */
reel_tensor *reel_global_max_pool_at(const char *site, reel_tensor *x, bool channels_last);
reel_tensor *reel_global_avg_pool_at(const char *site, reel_tensor *x, bool channels_last);
reel_tensor *reel_global_lp_pool_at(const char *site, reel_tensor *x, double p, bool channels_last);
/* To the sizes `out`: output o reads [floor(o in / out), ceil((o + 1) in / out)) (PyTorch's adaptive pooling). */
reel_tensor *reel_adaptive_max_pool_at(const char *site, reel_tensor *x, reel_shape out, bool channels_last);
reel_tensor *reel_adaptive_avg_pool_at(const char *site, reel_tensor *x, reel_shape out, bool channels_last);

/* ---- resampling ------------------------------------------------------------------------------------- */

REEL_END_DECLS
#endif
