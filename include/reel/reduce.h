/* reduce.h: reductions and scans. The rules for all ops stand in ops.h. */
#ifndef REEL_REDUCE_H
#define REEL_REDUCE_H
#include "base.h"
REEL_BEGIN_DECLS

/* ---- reductions: over all elements, one axis, or axes (n = 0: all) with the reduced ones kept as 1 if keepdims --
   Float sums run in 16 lanes by logical index, four terms at a time and then in double (f64: compensated): the error does not
   grow with n, and the bits are the same for any thread count, ISA and layout. Integers wrap. Of no elements: sum 0, prod 1, any false, all true, count 0, mean NaN, logsumexp -inf; max,
   min and their arg are an error. */
reel_tensor *reel_sum_at(const char *site, reel_tensor *x);  /* the sum of all elements */
reel_tensor *reel_mean_at(const char *site, reel_tensor *x); /* the mean of all elements; float only */
reel_tensor *reel_prod_at(const char *site, reel_tensor *x); /* gradients without a division: zeros do no harm */
reel_tensor *reel_max_at(const char *site, reel_tensor *x, int axis); /* NaN wins, +0 is above -0 */
reel_tensor *reel_min_at(const char *site, reel_tensor *x, int axis); /* NaN wins, -0 is below +0 */
reel_tensor *reel_argmax_at(const char *site, reel_tensor *x,
                            int axis); /* i64: the first index of the maximum; NaN counts as maximum */
reel_tensor *reel_argmin_at(const char *site, reel_tensor *x,
                            int axis); /* i64: the first index of the minimum; NaN counts as minimum */
reel_tensor *reel_any_at(const char *site, reel_tensor *x);           /* bool: is one not 0 (NaN is not)? */
reel_tensor *reel_all_at(const char *site, reel_tensor *x);           /* bool: are all? */
reel_tensor *reel_count_nonzero_at(const char *site, reel_tensor *x); /* i64: how many are not 0 */
/* ln sum e^x, computed as m + ln sum e^(x - m), m the largest; -inf where all are */
reel_tensor *reel_logsumexp_at(const char *site, reel_tensor *x, int axis);
reel_tensor *reel_sum_axes_at(const char *site, reel_tensor *x, reel_axes axes, bool keepdims);
reel_tensor *reel_mean_axes_at(const char *site, reel_tensor *x, reel_axes axes, bool keepdims);
reel_tensor *reel_prod_axes_at(const char *site, reel_tensor *x, reel_axes axes, bool keepdims);
/* ties share the gradient equally, in max and min */
reel_tensor *reel_max_axes_at(const char *site, reel_tensor *x, reel_axes axes, bool keepdims);
reel_tensor *reel_min_axes_at(const char *site, reel_tensor *x, reel_axes axes, bool keepdims);
/* one axis, or all: flat index */
reel_tensor *reel_argmax_axes_at(const char *site, reel_tensor *x, reel_axes axes, bool keepdims);
reel_tensor *reel_argmin_axes_at(const char *site, reel_tensor *x, reel_axes axes, bool keepdims);
/* of equal ones the last (ONNX select_last_index) */
reel_tensor *reel_argmax_last_at(const char *site, reel_tensor *x, reel_axes axes, bool keepdims);
reel_tensor *reel_argmin_last_at(const char *site, reel_tensor *x, reel_axes axes, bool keepdims);
reel_tensor *reel_any_axes_at(const char *site, reel_tensor *x, reel_axes axes, bool keepdims);
reel_tensor *reel_all_axes_at(const char *site, reel_tensor *x, reel_axes axes, bool keepdims);
reel_tensor *reel_count_nonzero_axes_at(const char *site, reel_tensor *x, reel_axes axes, bool keepdims);
reel_tensor *reel_logsumexp_axes_at(const char *site, reel_tensor *x, reel_axes axes, bool keepdims);

/* ---- of float elements, over axes ------------------------------------------------------------------
   variance (NumPy's var: reel_var makes variables): sum (x - mean)^2 / max(n - correction, 0), in one pass over memory: two
   over each chunk of 1024, chunks joined as Chan, Golub & LeVeque 1983 do. correction 0: of the population, 1: unbiased.
   NaN if there is nothing to divide by; the derivative of std where it is 0 is 0. */
reel_tensor *reel_variance_at(const char *site, reel_tensor *x, reel_axes axes, double correction,
                              bool keepdims); /* the mean square distance from the mean, over axes */
reel_tensor *reel_std_at(const char *site, reel_tensor *x, reel_axes axes, double correction,
                         bool keepdims); /* the square root of the variance */
reel_tensor *reel_l1_at(const char *site, reel_tensor *x, reel_axes axes, bool keepdims); /* sum |x| */
/* sqrt(sum x^2), squares in double: f32 cannot overflow on the way; derivative 0 where it is 0 */
reel_tensor *reel_l2_at(const char *site, reel_tensor *x, reel_axes axes, bool keepdims);
reel_tensor *reel_sum_square_at(const char *site, reel_tensor *x, reel_axes axes, bool keepdims); /* sum x^2 */
/* (sum |x|^p)^(1/p) of any real p, as numpy.linalg.norm of vectors: infinity the largest |x|, -infinity the smallest, 0 how many
   are not 0. Derivative 0 where x is 0 and where the norm is. */
reel_tensor *reel_norm_at(const char *site, reel_tensor *x, double p, reel_axes axes, bool keepdims);

/* ---- scans: y[i] from x[0..i] along axis; exclusive: from x[0..i-1], beginning with 0, 1, the lowest, the highest, -inf;
   reverse: from the other end. Floats run in double, integers wrap; NaN stays from where it comes. */
typedef struct {
    size_t size;
    bool exclusive, reverse;
} reel_scan_opts;
reel_tensor *reel_cumsum_at(const char *site, reel_tensor *x, int axis,
                            const reel_scan_opts *o); /* y[i] = x[0] + ... + x[i] along axis */
reel_tensor *reel_cumprod_at(const char *site, reel_tensor *x, int axis,
                             const reel_scan_opts *o); /* y[i] = x[0] ... x[i] along axis */
/* of equal ones the latest takes the gradient (PyTorch) */
reel_tensor *reel_cummax_at(
    const char *site, reel_tensor *x, int axis,
    const reel_scan_opts *o); /* y[i] = max of x[0..i]; of equal ones the latest takes the gradient (PyTorch) */
reel_tensor *reel_cummin_at(const char *site, reel_tensor *x, int axis,
                            const reel_scan_opts *o); /* y[i] = min of x[0..i] */
reel_tensor *reel_logcumsumexp_at(const char *site, reel_tensor *x, int axis,
                                  const reel_scan_opts *o); /* y[i] = ln of the sum of e^x[0..i] */

REEL_END_DECLS
#endif
