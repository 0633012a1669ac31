/* sort.h: sorting, order statistics, searching, counting and sums of segments. The rules for all ops stand in ops.h. */
#ifndef REEL_SORT_H
#define REEL_SORT_H
#include "base.h"
REEL_BEGIN_DECLS

/* ---- sorting along an axis: stable, so ties are in order of index. NaN is greater than every number (NumPy's order), -0
   equals +0. Gradients go to where the values came from. ----------------------------------------------------- */
reel_tensor *reel_sort_at(const char *site, reel_tensor *x, int axis,
                          bool descending); /* x in ascending or descending order along axis */
reel_tensor *reel_argsort_at(const char *site, reel_tensor *x, int axis,
                             bool descending); /* i64: the indices that sort x along axis */
typedef struct {
    size_t size;
    bool smallest; /* instead of the largest */
    bool unsorted; /* in order of index instead of value */
} reel_topk_opts;
/* out: the k largest along axis, largest first, and their indices (i64); both NULL on failure. 0 <= k <= the axis. */
int reel_topk_at(const char *site, reel_tensor *x, int64_t k, int axis, const reel_topk_opts *o, reel_tensor *out[2]);

/* ---- order statistics of floats: NaN if an element is; an empty axis is an error ---------------------------- */
typedef enum {
    REEL_QUANTILE_LINEAR,
    REEL_QUANTILE_LOWER,
    REEL_QUANTILE_HIGHER,
    REEL_QUANTILE_NEAREST,
    REEL_QUANTILE_MIDPOINT
} reel_quantile_method;
/* The value at q (n - 1) of the n sorted, q in [0, 1]: between two neighbours a and b a + (b - a) fraction, or as the method
   says (numpy.quantile; nearest: half to even). */
reel_tensor *reel_quantile_at(const char *site, reel_tensor *x, double q, int axis, reel_quantile_method method,
                              bool keepdims);
reel_tensor *reel_median_at(
    const char *site, reel_tensor *x, int axis,
    bool keepdims); /* the middle one of the sorted; of an even number the mean of the two in the middle (NumPy) */

/* ---- searching and counting -------------------------------------------------------------------------------- */
/* i64 of values' shape: where each belongs in sorted, ascending along its last axis: left, the first place i with
   value <= sorted[i]; right, with value < sorted[i]. sorted is 1-d, or agrees with values in all axes but the last. */
reel_tensor *reel_searchsorted_at(const char *site, reel_tensor *sorted, reel_tensor *values, bool right);
/* [n], i64: how often each of 0..n-1 is in ids (integers of any shape); with weights (NULL: none; of ids' shape) the sum of
   theirs, of their dtype. An id outside [0, n) is an error. n REEL_ANY, without weights: one
   more than the largest id (a size that depends on data). */
reel_tensor *reel_bincount_at(const char *site, reel_tensor *ids, reel_tensor *weights, int64_t n);
/* [n], i64: how many elements fall into each of n equal bins of [low, high]: half open but the last (numpy.histogram).
   What lies outside, and NaN, counts nowhere. */
reel_tensor *reel_histogram_at(const char *site, reel_tensor *x, int64_t n, double low, double high);

/* ---- segments: y[s] from the rows x[i] with ids[i] == s, s in 0..n-1; ids [x.shape[0]] in any order. An id outside is an
   error. Of no rows: 0, 0, 1, the lowest, the highest value. ---------------------------------------------------- */
reel_tensor *reel_segment_sum_at(const char *site, reel_tensor *x, reel_tensor *ids,
                                 int64_t n); /* y[s] the sum of the rows with ids s */
reel_tensor *reel_segment_mean_at(const char *site, reel_tensor *x, reel_tensor *ids,
                                  int64_t n); /* y[s] the mean of the rows with ids s; float only */
reel_tensor *reel_segment_prod_at(const char *site, reel_tensor *x, reel_tensor *ids,
                                  int64_t n); /* y[s] their product */
reel_tensor *reel_segment_max_at(const char *site, reel_tensor *x, reel_tensor *ids,
                                 int64_t n); /* y[s] their maximum; ties share the gradient equally */
reel_tensor *reel_segment_min_at(const char *site, reel_tensor *x, reel_tensor *ids,
                                 int64_t n); /* y[s] their minimum */

REEL_END_DECLS
#endif
