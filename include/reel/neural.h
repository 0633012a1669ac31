/* neural.h: softmax, normalisation, dropout, quantization; losses stand in loss.h. The rules for all ops stand in ops.h. */
#ifndef REEL_NEURAL_H
#define REEL_NEURAL_H
#include "base.h"
REEL_BEGIN_DECLS

reel_tensor *reel_softmax_at(const char *site, reel_tensor *x, int axis);     /* e^(x - max) / sum */
reel_tensor *reel_log_softmax_at(const char *site, reel_tensor *x, int axis); /* x - max - ln sum e^(x - max) */
/* 1 at the first maximum along axis, else 0 (ONNX); zero derivative. */
reel_tensor *reel_hardmax_at(const char *site, reel_tensor *x, int axis);

/* ---- normalisation: (x - mean) / sqrt(var + eps) scale + bias -----------------------------------------------
   Float only. scale and bias may be NULL: 1 and 0. var divides by n. Mean and variance are summed as in reduce.h, in one pass
   over memory, and are f32 for 16-bit x (f16 and bf16 are computed in f32). eps 0: 1e-5, REEL_ZERO: none. Of no elements
   mean and variance are NaN. */

/* Over the last `rank` axes (0: one), or over axes if axes.n is not 0; scale and bias broadcast to x (Ba, Kiros and Hinton
   2016; PyTorch, ONNX). */
typedef struct {
    size_t size;
    double eps;
    int rank;
    reel_axes axes;
} reel_layer_norm_opts;
reel_tensor *reel_layer_norm_at(const char *site, reel_tensor *x, reel_tensor *scale, reel_tensor *bias,
                                const reel_layer_norm_opts *o);
/* The same, and out[1] the mean, out[2] 1 / sqrt(var + eps), both with the axes kept as 1; all NULL on failure. */
int reel_layer_norm_stats_at(const char *site, reel_tensor *x, reel_tensor *scale, reel_tensor *bias,
                             const reel_layer_norm_opts *o, reel_tensor *out[3]);
/* x / sqrt(mean(x^2) + eps) scale (Zhang and Sennrich 2019). */
reel_tensor *reel_rms_norm_at(const char *site, reel_tensor *x, reel_tensor *scale, const reel_layer_norm_opts *o);

/* x is [n, c, ...], with channels_last [n, ..., c]; scale and bias [c]. group: over each of `groups` equal parts of the
   channels of an example (Wu and He 2018); instance: over each channel of an example, x of rank 3 or more. */
typedef struct {
    size_t size;
    double eps;
    bool channels_last;
} reel_group_norm_opts;
reel_tensor *reel_group_norm_at(const char *site, reel_tensor *x, int64_t groups, reel_tensor *scale, reel_tensor *bias,
                                const reel_group_norm_opts *o);
reel_tensor *reel_instance_norm_at(const char *site, reel_tensor *x, reel_tensor *scale, reel_tensor *bias,
                                   const reel_group_norm_opts *o);

/* Over all axes but the channels' (Ioffe and Szegedy 2015). Without training: with the given mean and var [c]. With training:
   with the batch's, and the variables mean and var (either may be NULL) take
       running <- (1 - momentum) running + momentum batch      (PyTorch's convention; ONNX's momentum is 1 - this one)
   through reel_assign; batch variance divides by n - 1 there (PyTorch), by n with population (ONNX). No gradient flows
   through the update. */
typedef struct {
    size_t size;
    double eps, momentum; /* 0: 1e-5, 0.1 */
    bool training, channels_last, population;
} reel_batch_norm_opts;
reel_tensor *reel_batch_norm_at(const char *site, reel_tensor *x, reel_tensor *scale, reel_tensor *bias,
                                reel_tensor *mean, reel_tensor *var, const reel_batch_norm_opts *o);
/* Of the batch: out[0] the result, out[1] mean and out[2] var [c] (dividing by n); all NULL on failure. */
int reel_batch_norm_stats_at(const char *site, reel_tensor *x, reel_tensor *scale, reel_tensor *bias,
                             const reel_batch_norm_opts *o, reel_tensor *out[3]);

/* x / (k + alpha / size sum of x^2 over the size channels around)^beta (Krizhevsky et al. 2012; PyTorch, ONNX): from
   (size - 1) / 2 before to size / 2 after. */
typedef struct {
    size_t size;
    double alpha, beta, k; /* 0: 1e-4, 0.75, 1 */
    bool channels_last;
} reel_local_response_norm_opts;
reel_tensor *reel_local_response_norm_at(const char *site, reel_tensor *x, int64_t size,
                                         const reel_local_response_norm_opts *o);
/* x / max(|x|_p, eps) along axis (PyTorch's normalize); p from 1 to INFINITY, eps 0: 1e-12, at least 0. Where the norm is
   below eps it has no derivative. */
reel_tensor *reel_lp_normalize_at(const char *site, reel_tensor *x, double p, int axis, double eps);

/* ---- dropout ---------------------------------------------------------------------------------------------------
   Each element is 0 with probability p and x / (1 - p) otherwise (Srivastava et al. 2014); p = 1 gives zeros. Draws anew at
   each call and each replay; the gradient uses the same mask, which is drawn again instead of stored. Without training: x. */
typedef struct {
    size_t size;
    bool eval;                 /* no training: x itself */
    bool channels;             /* whole channels: one draw for all of an example's [n, c, ...] axes from 2 on */
    bool channels_last;        /* ... with channels on the last axis: [n, ..., c] */
    reel_generator *generator; /* NULL: the thread's */
} reel_dropout_opts;
reel_tensor *reel_dropout_at(const char *site, reel_tensor *x, double p, const reel_dropout_opts *o);
/* The same; out[1] is the mask, bool, of x's shape: true where x was kept. */
int reel_dropout_mask_at(const char *site, reel_tensor *x, double p, const reel_dropout_opts *o, reel_tensor *out[2]);

/* ---- quantization (ONNX QuantizeLinear, DequantizeLinear) ---------------------------------------------------------
   scale: one number; or [n], one for each index of axis; or of x's rank, one for each block of `block` elements along axis.
   zero: NULL, or of scale's shape and of the integer dtype: i8, u8 or i32. Rounds halves to even, saturates; NaN counts as 0. */
typedef struct {
    size_t size;
    int64_t block;    /* 0: no blocks */
    reel_dtype dtype; /* of the result when zero is NULL; 0: u8 */
} reel_quantize_opts;
/* saturate(round(x / scale) + zero) for float x; zero derivative. */
reel_tensor *reel_quantize_linear_at(const char *site, reel_tensor *x, reel_tensor *scale, reel_tensor *zero, int axis,
                                     const reel_quantize_opts *o);
/* (x - zero) scale, of scale's dtype; differentiable in scale. */
reel_tensor *reel_dequantize_linear_at(const char *site, reel_tensor *x, reel_tensor *scale, reel_tensor *zero,
                                       int axis, const reel_quantize_opts *o);
/* u8 with scale and zero from the range of x and 0: out[0] the result, out[1] scale f32 [], out[2] zero u8 []. */
int reel_dynamic_quantize_linear_at(const char *site, reel_tensor *x, reel_tensor *out[3]);
/* (clamp(round(x / scale) + zero, low, high) - zero) scale for floats x, scale, zero, broadcast; straight-through: the
   derivative in x is 1 where nothing was clamped, else 0 (PyTorch's fake_quantize). None in scale and zero. */
reel_tensor *reel_fake_quantize_at(const char *site, reel_tensor *x, reel_tensor *scale, reel_tensor *zero, double low,
                                   double high);

REEL_END_DECLS
#endif
