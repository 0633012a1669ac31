/* elementwise.h: elementwise ops. The rules for all ops stand in ops.h; what integers and bool do, and every corner of float
   (division by 0, remainders, shifts, NaN), is one table in docs/elementwise.md. Functions without a note take float dtypes;
   "numbers" are floats and integers. Accuracy: docs/accuracy.md. Semantics are NumPy's unless another source is named. */
#ifndef REEL_ELEMENTWISE_H
#define REEL_ELEMENTWISE_H
#include "base.h"
REEL_BEGIN_DECLS

/* ---- arithmetic and functions of one operand ------------------------------------------------------- */
reel_tensor *reel_neg_at(const char *site, reel_tensor *x);        /* -x; numbers, integers wrap */
reel_tensor *reel_abs_at(const char *site, reel_tensor *x);        /* |x|; numbers; derivative 0 at 0 */
reel_tensor *reel_sign_at(const char *site, reel_tensor *x);       /* -1, 0 or 1; numbers; NaN stays; zero derivative */
reel_tensor *reel_square_at(const char *site, reel_tensor *x);     /* x x; numbers */
reel_tensor *reel_reciprocal_at(const char *site, reel_tensor *x); /* 1 / x */
reel_tensor *reel_sqrt_at(const char *site, reel_tensor *x);       /* the square root; NaN below 0 */
reel_tensor *reel_rsqrt_at(const char *site, reel_tensor *x);      /* 1 / sqrt(x) */
reel_tensor *reel_cbrt_at(const char *site, reel_tensor *x);       /* the real cube root, of negative numbers too */
reel_tensor *reel_exp_at(const char *site, reel_tensor *x);        /* e^x */
reel_tensor *reel_exp2_at(const char *site, reel_tensor *x);       /* 2^x */
reel_tensor *reel_expm1_at(const char *site, reel_tensor *x);      /* e^x - 1, accurate near 0 */
reel_tensor *reel_log_at(const char *site, reel_tensor *x);        /* ln x; -inf at 0, NaN below */
reel_tensor *reel_log2_at(const char *site, reel_tensor *x);       /* the logarithm to base 2 */
reel_tensor *reel_log10_at(const char *site, reel_tensor *x);      /* the logarithm to base 10 */
reel_tensor *reel_log1p_at(const char *site, reel_tensor *x);      /* ln(1 + x), accurate near 0 */
/* Radians; arguments of any size are reduced exactly. */
reel_tensor *reel_sin_at(const char *site, reel_tensor *x);
reel_tensor *reel_cos_at(const char *site, reel_tensor *x);
reel_tensor *reel_tan_at(const char *site, reel_tensor *x);
reel_tensor *reel_asin_at(const char *site, reel_tensor *x);
reel_tensor *reel_acos_at(const char *site, reel_tensor *x);
reel_tensor *reel_atan_at(const char *site, reel_tensor *x);
reel_tensor *reel_sinh_at(const char *site, reel_tensor *x);  /* (e^x - e^-x) / 2 */
reel_tensor *reel_cosh_at(const char *site, reel_tensor *x);  /* (e^x + e^-x) / 2 */
reel_tensor *reel_tanh_at(const char *site, reel_tensor *x);  /* sinh(x) / cosh(x) */
reel_tensor *reel_asinh_at(const char *site, reel_tensor *x); /* ln(x + sqrt(x^2 + 1)) */
reel_tensor *reel_acosh_at(const char *site, reel_tensor *x); /* ln(x + sqrt(x^2 - 1)), NaN below 1 */
reel_tensor *reel_atanh_at(const char *site, reel_tensor *x); /* ln((1 + x) / (1 - x)) / 2, NaN beyond -1 and 1 */
reel_tensor *reel_erf_at(const char *site,
                         reel_tensor *x); /* 2 / sqrt(pi) times the integral of e^(-t t) from 0 to x */
reel_tensor *reel_erfc_at(const char *site, reel_tensor *x);   /* 1 - erf(x), accurate far right */
reel_tensor *reel_lgamma_at(const char *site, reel_tensor *x); /* ln |gamma(x)|; inf at 0, -1, -2 ... */
reel_tensor *reel_digamma_at(const char *site,
                             reel_tensor *x); /* d/dx lgamma; -inf at 0, NaN at -1, -2 ... (PyTorch) */
reel_tensor *reel_polygamma_at(const char *site, reel_tensor *x,
                               int order); /* order-th derivative of digamma, 1 to 20 */

/* Integers stay as they are; zero derivative. */
reel_tensor *reel_floor_at(const char *site, reel_tensor *x); /* the largest whole number not above x */
reel_tensor *reel_ceil_at(const char *site, reel_tensor *x);  /* the smallest whole number not below x */
reel_tensor *reel_round_at(const char *site, reel_tensor *x); /* to the nearest whole number, halves to even */
reel_tensor *reel_trunc_at(const char *site, reel_tensor *x); /* without its fraction, towards 0 */

/* bool results; all dtypes. Numbers are true where they are not 0, NaN too. */
reel_tensor *reel_isnan_at(const char *site, reel_tensor *x);       /* is it NaN? */
reel_tensor *reel_isinf_at(const char *site, reel_tensor *x);       /* is it an infinity? */
reel_tensor *reel_isfinite_at(const char *site, reel_tensor *x);    /* is it neither? */
reel_tensor *reel_logical_not_at(const char *site, reel_tensor *x); /* x == 0 */
reel_tensor *reel_bitwise_not_at(const char *site, reel_tensor *x); /* integers; bool: not */

/* Conversion as C's, but: to bool x != 0; float to integer saturates, NaN to 0; integer to integer wraps. */
reel_tensor *reel_cast_at(const char *site, reel_tensor *x, reel_dtype d);

/* ---- activations -------------------------------------------------------------------------------------
   Limits at -inf and inf are taken, so silu(-inf) is 0. At a kink the derivative is that of the left piece unless said. */
reel_tensor *reel_sigmoid_at(const char *site, reel_tensor *x);     /* 1 / (1 + e^-x) */
reel_tensor *reel_log_sigmoid_at(const char *site, reel_tensor *x); /* -softplus(-x) */
reel_tensor *reel_softplus_at(const char *site, reel_tensor *x);    /* ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|) */
reel_tensor *reel_softsign_at(const char *site, reel_tensor *x);    /* x / (1 + |x|) */
reel_tensor *reel_relu_at(const char *site, reel_tensor *x);  /* max(x, 0), NaN stays; numbers; derivative 0 at 0 */
reel_tensor *reel_relu6_at(const char *site, reel_tensor *x); /* min(max(x, 0), 6); derivative 0 at 0 and 6 */
reel_tensor *reel_leaky_relu_at(const char *site, reel_tensor *x, double slope); /* x > 0 ? x : slope x */
reel_tensor *reel_prelu_at(const char *site, reel_tensor *x,
                           reel_tensor *slope); /* x > 0 ? x : slope x, slope a tensor; numbers */
reel_tensor *reel_thresholded_relu_at(const char *site, reel_tensor *x, double alpha); /* x > alpha ? x : 0 (ONNX) */
reel_tensor *reel_elu_at(const char *site, reel_tensor *x, double alpha);              /* x > 0 ? x : alpha (e^x - 1) */
reel_tensor *reel_celu_at(const char *site, reel_tensor *x, double alpha); /* x > 0 ? x : alpha (e^(x / alpha) - 1) */
reel_tensor *reel_selu_at(const char *site, reel_tensor *x);      /* 1.0507 elu(x, 1.6733) (Klambauer et al. 2017) */
reel_tensor *reel_gelu_at(const char *site, reel_tensor *x);      /* x Phi(x) = x erfc(-x / sqrt 2) / 2 */
reel_tensor *reel_gelu_tanh_at(const char *site, reel_tensor *x); /* x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2 */
reel_tensor *reel_silu_at(const char *site, reel_tensor *x);      /* x sigmoid(x) */
reel_tensor *reel_swish_at(const char *site, reel_tensor *x);     /* silu */
reel_tensor *reel_mish_at(const char *site, reel_tensor *x);      /* x tanh(softplus(x)) */
/* min(max(slope x + offset, 0), 1); ONNX: 0.2 and 0.5, PyTorch: 1/6 and 0.5. Derivative 0 at both ends. */
reel_tensor *reel_hard_sigmoid_at(const char *site, reel_tensor *x, double slope, double offset);
reel_tensor *reel_hard_swish_at(const char *site,
                                reel_tensor *x); /* x min(max(x + 3, 0), 6) / 6; derivative 0 at -3, 1 at 3 */
reel_tensor *reel_hard_tanh_at(const char *site, reel_tensor *x, double low,
                               double high); /* as clip; derivative 0 at the ends */
/* x < -lambda: x + bias; x > lambda: x - bias; else 0 (ONNX). soft_shrink: bias = lambda; hard_shrink: bias = 0. */
reel_tensor *reel_shrink_at(const char *site, reel_tensor *x, double lambda, double bias);
reel_tensor *reel_soft_shrink_at(const char *site, reel_tensor *x,
                                 double lambda); /* x + lambda left of -lambda, x - lambda right of lambda, else 0 */
reel_tensor *reel_hard_shrink_at(const char *site, reel_tensor *x,
                                 double lambda); /* x outside [-lambda, lambda], else 0 */

/* ---- two operands: they broadcast ---------------------------------------------------------------------- */
reel_tensor *reel_add_at(const char *site, reel_tensor *a,
                         reel_tensor *b); /* a + b; numbers, as the next six; integers wrap */
reel_tensor *reel_sub_at(const char *site, reel_tensor *a, reel_tensor *b); /* a - b */
reel_tensor *reel_mul_at(const char *site, reel_tensor *a, reel_tensor *b); /* a b */
reel_tensor *reel_div_at(const char *site, reel_tensor *a,
                         reel_tensor *b); /* IEEE; integers truncate toward zero as in C */
reel_tensor *reel_floor_div_at(const char *site, reel_tensor *a,
                               reel_tensor *b); /* floor(a / b), Python's //; zero derivative */
reel_tensor *reel_mod_at(const char *site, reel_tensor *a,
                         reel_tensor *b); /* a - b floor(a / b), Python's %: b's sign */
reel_tensor *reel_remainder_at(const char *site, reel_tensor *a, reel_tensor *b); /* mod, as in NumPy and PyTorch */
reel_tensor *reel_fmod_at(const char *site, reel_tensor *a,
                          reel_tensor *b); /* a - b trunc(a / b), C's: a's sign; exact */
/* C's pow; numbers. Integers wrap, a^-n is 0 unless |a| is 1. d/da = b a^(b-1), d/db = a^b ln a (0 at a = 0). */
reel_tensor *reel_pow_at(const char *site, reel_tensor *a, reel_tensor *b);
reel_tensor *reel_atan2_at(const char *site, reel_tensor *y, reel_tensor *x); /* the angle of (x, y), -pi to pi */
reel_tensor *reel_hypot_at(const char *site, reel_tensor *a,
                           reel_tensor *b); /* sqrt(a a + b b); derivative 0 at (0, 0) */
/* All dtypes. In maximum and minimum NaN wins, in fmax and fmin it loses. The gradient is halved at ties. */
reel_tensor *reel_maximum_at(const char *site, reel_tensor *a, reel_tensor *b);   /* the larger; NaN wins */
reel_tensor *reel_minimum_at(const char *site, reel_tensor *a, reel_tensor *b);   /* the smaller; NaN wins */
reel_tensor *reel_fmax_at(const char *site, reel_tensor *a, reel_tensor *b);      /* the larger; NaN loses */
reel_tensor *reel_fmin_at(const char *site, reel_tensor *a, reel_tensor *b);      /* the smaller; NaN loses */
reel_tensor *reel_logaddexp_at(const char *site, reel_tensor *a, reel_tensor *b); /* ln(e^a + e^b) */
reel_tensor *reel_copysign_at(const char *site, reel_tensor *a,
                              reel_tensor *b); /* |a| with b's sign; d/da 0 at a = 0 */
reel_tensor *reel_squared_difference_at(const char *site, reel_tensor *a, reel_tensor *b); /* (a - b)^2; numbers */

/* Comparisons and logic give bool, of all dtypes; NaN compares unequal to everything. Zero derivative. */
reel_tensor *reel_equal_at(const char *site, reel_tensor *a, reel_tensor *b);         /* a == b */
reel_tensor *reel_not_equal_at(const char *site, reel_tensor *a, reel_tensor *b);     /* a != b */
reel_tensor *reel_less_at(const char *site, reel_tensor *a, reel_tensor *b);          /* a < b */
reel_tensor *reel_less_equal_at(const char *site, reel_tensor *a, reel_tensor *b);    /* a <= b */
reel_tensor *reel_greater_at(const char *site, reel_tensor *a, reel_tensor *b);       /* a > b */
reel_tensor *reel_greater_equal_at(const char *site, reel_tensor *a, reel_tensor *b); /* a >= b */
reel_tensor *reel_logical_and_at(const char *site, reel_tensor *a, reel_tensor *b);   /* both are not 0 */
reel_tensor *reel_logical_or_at(const char *site, reel_tensor *a, reel_tensor *b);    /* one is not 0 */
reel_tensor *reel_logical_xor_at(const char *site, reel_tensor *a, reel_tensor *b);   /* just one is not 0 */
/* |a - b| <= atol + rtol |b|, computed in double; infinities only to themselves; numbers. NumPy's defaults: 1e-5, 1e-8, 0. */
reel_tensor *reel_isclose_at(const char *site, reel_tensor *a, reel_tensor *b, double rtol, double atol, int equal_nan);
reel_tensor *reel_allclose_at(const char *site, reel_tensor *a, reel_tensor *b, double rtol, double atol,
                              int equal_nan); /* bool []: is every element so? NumPy's allclose */

/* Integers and bool; shifts integers only: by 0 to width - 1, any other count shifts everything out, to 0 or to the sign. */
reel_tensor *reel_bitwise_and_at(const char *site, reel_tensor *a, reel_tensor *b); /* a & b */
reel_tensor *reel_bitwise_or_at(const char *site, reel_tensor *a, reel_tensor *b);  /* a | b */
reel_tensor *reel_bitwise_xor_at(const char *site, reel_tensor *a, reel_tensor *b); /* a ^ b */
reel_tensor *reel_left_shift_at(const char *site, reel_tensor *a, reel_tensor *b);  /* a 2^b, modulo 2^bits */
reel_tensor *reel_right_shift_at(const char *site, reel_tensor *a, reel_tensor *b); /* arithmetic: floor(a / 2^b) */

/* ---- three operands, and bounds: all broadcast ---------------------------------------------------------- */
/* cond ? a : b; cond is bool. What is not chosen gets a zero gradient, NaN or not. */
reel_tensor *reel_where_at(const char *site, reel_tensor *cond, reel_tensor *a, reel_tensor *b);
/* min(max(x, low), high); numbers; -INFINITY and INFINITY mean none, integers take only bounds that fit. NaN stays; where
   low > high all is high. The gradient goes to x where low <= x <= high, else to the bound that was taken. */
reel_tensor *reel_clip_at(const char *site, reel_tensor *x, double low, double high);
reel_tensor *reel_clip_between_at(const char *site, reel_tensor *x, reel_tensor *low, reel_tensor *high);
reel_tensor *reel_lerp_at(const char *site, reel_tensor *a, reel_tensor *b,
                          reel_tensor *weight); /* a + weight (b - a) */
reel_tensor *reel_addcmul_at(const char *site, reel_tensor *x, reel_tensor *a, reel_tensor *b,
                             double value); /* x + value a b */
reel_tensor *reel_fma_at(const char *site, reel_tensor *a, reel_tensor *b,
                         reel_tensor *c); /* a b + c, rounded once; numbers */

REEL_END_DECLS
#endif
