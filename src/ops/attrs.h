/* attrs.h: the typed attributes of the ops: plain bytes, compared and hashed as such, so callers start with = {0}. */
#ifndef REEL_OPS_ATTRS_H
#define REEL_OPS_ATTRS_H
#include "core/op.h"
#include "core/window.h"
#include "reel/base.h"

typedef struct reel_attr_none {
    char nothing;
} reel_attr_none; /* attr_size 0 in the table */
typedef struct reel_attr_num {
    double value;
} reel_attr_num;
typedef struct reel_attr_full {
    reel_type type;
    double value;
} reel_attr_full; /* eye: value unused */
typedef struct reel_attr_arange {
    double start, step;
    int64_t count;
    int64_t dtype;
} reel_attr_arange;
typedef struct reel_attr_random {
    reel_generator *generator; /* NULL: the default one of the thread that runs it */
    double a, b;               /* low, high or mean, stddev */
    reel_type type;
} reel_attr_random;
typedef struct reel_attr_linspace {
    double start, stop, base; /* base 0: as they are; NaN: geometric, of powers of e */
    int64_t count, endpoint, dtype;
} reel_attr_linspace;
typedef struct reel_attr_truncated {
    reel_attr_random random; /* mean, stddev */
    double low, high;
} reel_attr_truncated;
typedef struct reel_attr_randint {
    reel_attr_random random;
    int64_t low, high;
} reel_attr_randint;
typedef struct reel_attr_categorical {
    reel_attr_random random;
    int64_t n;
} reel_attr_categorical; /* permutation_of: n is the axis */
typedef struct reel_attr_candidates {
    reel_attr_random random;
    int64_t n, range, unique;
} reel_attr_candidates;
typedef struct reel_attr_one_hot {
    int64_t classes;
    int64_t dtype;
} reel_attr_one_hot;
typedef struct reel_attr_cast {
    int64_t dtype;
} reel_attr_cast;
typedef struct reel_attr_reduce {
    reel_axes axes;
    int keepdims;
    int last;       /* argmax, argmin: of equals the last */
} reel_attr_reduce; /* axes as the caller gave them */
typedef struct reel_attr_variance {
    reel_attr_reduce reduce; /* first: reel_attr_reduce's readers take both */
    double correction;
} reel_attr_variance;
typedef struct reel_attr_shape {
    reel_shape shape;
} reel_attr_shape; /* dims beyond rank are 0 */
typedef struct reel_attr_axes {
    reel_axes axes;
} reel_attr_axes; /* entries beyond n are 0 */
typedef struct reel_attr_slice {
    int64_t n;
    reel_range r[REEL_MAX_RANK];
} reel_attr_slice;
typedef struct reel_attr_axis {
    int axis, index;
} reel_attr_axis; /* index: concat_part's part, split's number of parts */
/* sgd_update: v' = momentum v + (g + decay w), w' = w - lr v'. adam_update (t = step number from 1, f32 [] like lr):
   g' = g + decay w; m' = b1 m + (1-b1) g'; v' = b2 v + (1-b2) g'^2; w' = w - lr / (1-b1^t) m' / (sqrt(v' / (1-b2^t)) + eps) */
typedef struct reel_attr_update {
    double momentum, beta1, beta2, eps, decay;
} reel_attr_update;

/* elementwise */
typedef struct reel_attr_scalars {
    double p[4];
} reel_attr_scalars; /* p0 ... p3 of elementwise.def's formulas */

/* scans, sorting, searching */
typedef struct reel_attr_scan {
    int axis, exclusive, reverse;
} reel_attr_scan;
typedef struct reel_attr_sort {
    int axis, descending;
} reel_attr_sort;
typedef struct reel_attr_topk {
    int64_t k;
    int axis, smallest, unsorted;
} reel_attr_topk;
typedef struct reel_attr_quantile {
    double q;
    int axis, method;
} reel_attr_quantile;
typedef struct reel_attr_search {
    int right;
} reel_attr_search;
typedef struct reel_attr_bins {
    int64_t n;
    double low, high; /* histogram */
} reel_attr_bins;

/* sizes that depend on data, rows of a table */
typedef struct reel_attr_unique {
    int flat, axis, unsorted;
} reel_attr_unique;
typedef struct reel_attr_embedding {
    int64_t padding; /* the row whose gradient is zero, REEL_ANY: none */
    int64_t dense;   /* its gradient is dense */
} reel_attr_embedding;

/* shape, elements picked and put by index */
typedef struct reel_attr_unflatten {
    int64_t axis;
    reel_shape shape;
} reel_attr_unflatten;
typedef struct reel_attr_diagonal {
    int64_t offset, axis1, axis2;
} reel_attr_diagonal;
typedef struct reel_attr_pad {
    int64_t n, mode, low[REEL_MAX_RANK], high[REEL_MAX_RANK];
    double value;
} reel_attr_pad;
enum { REEL_UNFOLD_AXES = REEL_MAX_RANK - 2 };
typedef struct reel_attr_unfold {
    int64_t n, image[REEL_UNFOLD_AXES]; /* image: of fold alone */
    int32_t kernel[REEL_UNFOLD_AXES], stride[REEL_UNFOLD_AXES], dilation[REEL_UNFOLD_AXES], low[REEL_UNFOLD_AXES],
        high[REEL_UNFOLD_AXES];
} reel_attr_unfold;

/* linear algebra */
/* The labels (from 1 on) of every axis of every operand in turn, then those of the n_out axes of the result. A label that
   the result has twice puts the values on that diagonal, zeros beside it: the gradient of taking a diagonal. */
enum { REEL_EINSUM_AXES = 240, REEL_EINSUM_DOTS = 53 /* label of the last axis of "...", the one before has 54 ... */ };
typedef struct reel_attr_einsum {
    int n_out;
    uint8_t label[REEL_EINSUM_AXES];
} reel_attr_einsum;
typedef struct reel_attr_linalg {
    int upper, unit, transposed; /* which triangle, a diagonal of ones, a^T */
    int full;                    /* complete Q, U, Vh */
    double tol;                  /* relative; 0: the default */
} reel_attr_linalg;

/* normalisation, losses */
typedef struct reel_attr_normalize {
    reel_axes axes; /* n = 0: all */
    double eps;
    int64_t rms;
} reel_attr_normalize;
typedef struct reel_attr_window {
    int64_t axis, before, after;
} reel_attr_window;
typedef struct reel_attr_block {
    int64_t axis, block;
} reel_attr_block;
typedef struct reel_attr_range {
    double low, high;
} reel_attr_range;
typedef struct reel_attr_pick {
    int64_t ignore, index;
} reel_attr_pick; /* ignore: labels equal to index give 0 */
typedef struct reel_attr_ctc {
    int64_t blank, zero_infinity;
} reel_attr_ctc;
enum { REEL_CTC_DIRECTIONS = 5 }; /* of ctc_curve, at most: the cost doubles with each */

/* convolution, pooling, resampling */
typedef struct reel_attr_conv {
    reel_window_rule window; /* of the convolution whose gradient it may be; kernel unused */
    int64_t groups;
} reel_attr_conv;
typedef struct reel_attr_pool {
    reel_window_rule window;
    int64_t divisor;                   /* avg_pool: 0: the number of elements */
    int32_t include_pad, column_major; /* does that number include the padding; how indices are counted */
} reel_attr_pool;
typedef struct reel_attr_resize {
    int axis, mode, coordinates, rounding, antialias, exclude;
    int64_t size; /* -1: by scale */
    double scale; /* 0: by size */
    double start, end, a, extrapolation;
} reel_attr_resize;
typedef struct reel_attr_roi {
    int64_t h, w;
    double scale;
    int samples, max, corners;
} reel_attr_roi;
typedef struct reel_attr_grid {
    int mode, padding, align;
    int order[3]; /* derivatives of the weights by each coordinate, x (the last axis) first: of gradients */
} reel_attr_grid;

/* attention, recurrent layers */
typedef struct reel_attr_attention {
    double scale, softcap; /* own_scale 0: 1 / sqrt(d); softcap 0: none */
    int64_t past;
    int causal, own_scale;
} reel_attr_attention;
typedef struct reel_attr_rotary {
    int interleaved;
} reel_attr_rotary;
enum { REEL_RNN_TANH, REEL_RNN_RELU, REEL_RNN_LSTM, REEL_RNN_GRU, REEL_RNN_GRU_BEFORE };
enum { /* which optional operands there are, in this order */
       REEL_RNN_H0 = 1,
       REEL_RNN_C0 = 2,
       REEL_RNN_BIAS = 4,
       REEL_RNN_RBIAS = 8,
       REEL_RNN_LENGTHS = 16,
       REEL_RNN_DY = 32,
       REEL_RNN_DLAST = 64,
       REEL_RNN_DSAVED = 128
};
typedef struct reel_attr_recurrent {
    int kind, reverse;
    unsigned has;
} reel_attr_recurrent;
/* Numbers a unit: gates, states (h, c), and what is saved for the backward: LSTM i f g o c, GRU r z n m, m being
   the product with n's weights (reset after it) or r h (before it). */
static inline void reel_recurrent_parts_(int kind, int *gates, int *states, int *saves)
{
    const bool lstm = kind == REEL_RNN_LSTM, gru = kind == REEL_RNN_GRU || kind == REEL_RNN_GRU_BEFORE;
    *gates = lstm ? 4 : gru ? 3 : 1;
    *states = lstm ? 2 : 1;
    *saves = lstm ? 5 : gru ? 4 : 0;
}
#endif
