/* ops.h: the ops. Unless said otherwise: operands broadcast as in NumPy; tensors of different dtypes are
   an error (a weak reel_num takes the partner's); REEL_ANY dimensions are allowed in graphs; the result is
   new or a view, never changed later. Derivatives are with respect to float operands. */
#ifndef REEL_OPS_H
#define REEL_OPS_H
#include "base.h"
REEL_BEGIN_DECLS

/* ---- creation ------------------------------------------------------------------------------------ */
reel_tensor *reel_zeros_at(const char *site, reel_dtype d, reel_shape s);
reel_tensor *reel_ones_at(const char *site, reel_dtype d, reel_shape s);
reel_tensor *reel_full_at(const char *site, reel_dtype d, reel_shape s, double value);
reel_tensor *reel_zeros_like_at(const char *site, reel_tensor *x);
reel_tensor *reel_ones_like_at(const char *site, reel_tensor *x);
/* start, start + step, ... below stop (above, for a negative step): ceil((stop - start) / step) elements. */
reel_tensor *reel_arange_at(const char *site, reel_dtype d, double start, double stop, double step);
reel_tensor *reel_eye_at(const char *site, reel_dtype d, int64_t rows, int64_t cols);
/* y[..., k] = (labels[...] == k), k < n. Integer labels; one outside [0, n) gives a row of zeros. */
reel_tensor *reel_one_hot_at(const char *site, reel_tensor *labels, int64_t n, reel_dtype d);
/* Uniform in [low, high) / normal; g NULL: the thread's generator. Philox4x32-10; normal by Box-Muller. */
reel_tensor *reel_uniform_at(const char *site, reel_dtype d, reel_shape s, double low, double high, reel_generator *g);
reel_tensor *reel_normal_at(const char *site, reel_dtype d, reel_shape s, double mean, double stddev,
                            reel_generator *g);
reel_tensor *reel_randn_at(const char *site, reel_dtype d, reel_shape s); /* reel_normal(d, s, 0, 1, NULL) */

/* ---- elementwise: y = f(x) ----------------------------------------------------------------------- */
reel_tensor *reel_neg_at(const char *site, reel_tensor *x); /* -x; integers wrap */
reel_tensor *reel_exp_at(const char *site, reel_tensor *x); /* e^x; float only, as the next six */
reel_tensor *reel_log_at(const char *site, reel_tensor *x); /* ln x; -inf at 0, NaN below */
reel_tensor *reel_sqrt_at(const char *site, reel_tensor *x);
reel_tensor *reel_rsqrt_at(const char *site, reel_tensor *x); /* 1 / sqrt(x) */
reel_tensor *reel_tanh_at(const char *site, reel_tensor *x);
reel_tensor *reel_sigmoid_at(const char *site, reel_tensor *x); /* 1 / (1 + e^-x) */
reel_tensor *reel_softplus_at(const char *site,
                              reel_tensor *x);                 /* ln(1 + e^x), computed as max(x, 0) + ln(1 + e^-|x|) */
reel_tensor *reel_relu_at(const char *site, reel_tensor *x);   /* max(x, 0), NaN stays; derivative 0 at 0 */
reel_tensor *reel_abs_at(const char *site, reel_tensor *x);    /* |x|; derivative 0 at 0 */
reel_tensor *reel_sign_at(const char *site, reel_tensor *x);   /* -1, 0 or 1; NaN stays; zero derivative */
reel_tensor *reel_square_at(const char *site, reel_tensor *x); /* x x */

/* ---- elementwise: z = f(x, y) --------------------------------------------------------------------
   Integers wrap modulo 2^bits; x / 0 is 0 and INT_MIN / -1 is INT_MIN for integers; bool is allowed in
   maximum, minimum, equal and not_equal only. */
reel_tensor *reel_add_at(const char *site, reel_tensor *a, reel_tensor *b);
reel_tensor *reel_sub_at(const char *site, reel_tensor *a, reel_tensor *b);
reel_tensor *reel_mul_at(const char *site, reel_tensor *a, reel_tensor *b);
reel_tensor *reel_div_at(const char *site, reel_tensor *a,
                         reel_tensor *b); /* IEEE; integers truncate toward zero as in C */
reel_tensor *reel_pow_at(const char *site, reel_tensor *a,
                         reel_tensor *b); /* C's pow; float only. d/da = b a^(b-1), d/db = a^b ln a (0 at a = 0) */
reel_tensor *reel_maximum_at(const char *site, reel_tensor *a, reel_tensor *b); /* NaN wins; gradient halves at ties */
reel_tensor *reel_minimum_at(const char *site, reel_tensor *a, reel_tensor *b);
/* Comparisons give bool; NaN compares unequal to everything. Zero derivative. */
reel_tensor *reel_equal_at(const char *site, reel_tensor *a, reel_tensor *b);
reel_tensor *reel_not_equal_at(const char *site, reel_tensor *a, reel_tensor *b);
reel_tensor *reel_less_at(const char *site, reel_tensor *a, reel_tensor *b);
reel_tensor *reel_less_equal_at(const char *site, reel_tensor *a, reel_tensor *b);
reel_tensor *reel_greater_at(const char *site, reel_tensor *a, reel_tensor *b);
reel_tensor *reel_greater_equal_at(const char *site, reel_tensor *a, reel_tensor *b);
/* cond ? a : b; cond is bool; all three broadcast. What is not chosen gets a zero gradient, NaN or not. */
reel_tensor *reel_where_at(const char *site, reel_tensor *cond, reel_tensor *a, reel_tensor *b);
/* Conversion as C's, but: to bool x != 0; float to integer saturates, NaN to 0; integer to integer wraps. */
reel_tensor *reel_cast_at(const char *site, reel_tensor *x, reel_dtype d);

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

/* ---- shape: views without a copy wherever NumPy has views ----------------------------------------- */
reel_tensor *reel_reshape_at(const char *site, reel_tensor *x, reel_shape s);     /* one dim may be -1: inferred */
reel_tensor *reel_transpose_at(const char *site, reel_tensor *x, reel_axes perm); /* perm.n = 0: reversed axes */
/* NumPy's basic slicing, r[0..n-1] for the first n axes, the rest whole; negative steps too. */
reel_tensor *reel_slice_at(const char *site, reel_tensor *x, int n, const reel_range *r);
reel_tensor *reel_select_at(const char *site, reel_tensor *x, int axis,
                            int64_t index);                                     /* x[..., index, ...]: the axis goes */
reel_tensor *reel_squeeze_at(const char *site, reel_tensor *x, reel_axes axes); /* axes.n = 0: every axis of size 1 */
reel_tensor *reel_unsqueeze_at(const char *site, reel_tensor *x, reel_axes axes); /* positions in the result */
reel_tensor *reel_broadcast_to_at(const char *site, reel_tensor *x, reel_shape s);
reel_tensor *reel_concat_at(const char *site, reel_list xs, int axis);
/* n equal parts along axis (its size a multiple of n); out[] all NULL on failure. Views. */
int reel_split_at(const char *site, reel_tensor *x, int axis, int n, reel_tensor *out[]);
/* Look at shapes when they run, so they work where dimensions are unknown. Of `like` only the shape counts. */
reel_tensor *reel_sum_like_at(const char *site, reel_tensor *x,
                              reel_tensor *like); /* sums what broadcasting added: the gradient of broadcasting */
reel_tensor *reel_broadcast_like_at(const char *site, reel_tensor *x, reel_tensor *like);
reel_tensor *reel_reshape_like_at(const char *site, reel_tensor *x, reel_tensor *like);

/* ---- linear algebra and losses -------------------------------------------------------------------- */
/* NumPy's matmul: [..., m, k] x [..., k, n], leading axes broadcast; a vector operand counts as a row or column that goes. Float only. */
reel_tensor *reel_matmul_at(const char *site, reel_tensor *a, reel_tensor *b);
reel_tensor *reel_softmax_at(const char *site, reel_tensor *x, int axis);     /* e^(x - max) / sum */
reel_tensor *reel_log_softmax_at(const char *site, reel_tensor *x, int axis); /* x - max - ln sum e^(x - max) */
/* -log_softmax(logits)[..., label], integer labels of shape logits.shape[:-1]; one loss a row. Label outside [0, classes): an error naming it. */
reel_tensor *reel_softmax_cross_entropy_at(const char *site, reel_tensor *logits, reel_tensor *labels);
/* max(x, 0) - x z + ln(1 + e^-|x|), labels z in [0, 1] of x's dtype. */
reel_tensor *reel_sigmoid_cross_entropy_at(const char *site, reel_tensor *logits, reel_tensor *labels);
reel_tensor *reel_stop_gradient_at(const char *site, reel_tensor *x); /* x; derivative zero by decree */

/* ---- optimizer steps as one op: all of w's dtype and shape but lr and t, which are []; no gradient ----- */
/* g' = g + decay w; v' = momentum v + g'; w' = w - lr v'. out: w', v'; all NULL on failure. */
int reel_sgd_update_at(const char *site, reel_tensor *w, reel_tensor *v, reel_tensor *g, reel_tensor *lr,
                       double momentum, double decay, reel_tensor *out[2]);
/* t: the step's number, from 1. g' = g + decay w; m' = b1 m + (1 - b1) g'; v' = b2 v + (1 - b2) g'^2;
   w' = w - lr / (1 - b1^t) m' / (sqrt(v' / (1 - b2^t)) + eps). out: w', m', v'; all NULL on failure. */
int reel_adam_update_at(const char *site, reel_tensor *w, reel_tensor *m, reel_tensor *v, reel_tensor *g,
                        reel_tensor *lr, reel_tensor *t, double beta1, double beta2, double eps, double decay,
                        reel_tensor *out[3]);
REEL_END_DECLS
#endif
