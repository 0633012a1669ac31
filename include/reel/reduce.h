/* reduce.h: reductions, scans, sorting and searching. The rules for all ops stand in ops.h. */
#ifndef REEL_REDUCE_H
#define REEL_REDUCE_H
#include "base.h"
REEL_BEGIN_DECLS

/* ---- reductions: over all elements, one axis, or axes (n = 0: all) with the reduced ones kept as 1 --
   Float sums run in wider or compensated accumulators: 16 lanes by logical index, the same bits for any
   thread count, ISA and layout. Empty: sum 0, mean NaN, max and argmax are an error. */
reel_tensor *reel_sum_at(const char *site, reel_tensor *x);
reel_tensor *reel_mean_at(const char *site, reel_tensor *x); /* float only */
reel_tensor *reel_max_at(const char *site, reel_tensor *x, int axis);
reel_tensor *reel_argmax_at(const char *site, reel_tensor *x,
                            int axis); /* i64: the first index of the maximum; NaN counts as maximum */
reel_tensor *reel_sum_axes_at(const char *site, reel_tensor *x, reel_axes axes, bool keepdims);
reel_tensor *reel_mean_axes_at(const char *site, reel_tensor *x, reel_axes axes, bool keepdims);
reel_tensor *reel_max_axes_at(const char *site, reel_tensor *x, reel_axes axes,
                              bool keepdims); /* ties share the gradient equally */
reel_tensor *reel_argmax_axes_at(const char *site, reel_tensor *x, reel_axes axes,
                                 bool keepdims); /* one axis, or all: flat index */

REEL_END_DECLS
#endif
