/* elementwise.h: elementwise ops. The rules for all ops stand in ops.h. */
#ifndef REEL_ELEMENTWISE_H
#define REEL_ELEMENTWISE_H
#include "base.h"
REEL_BEGIN_DECLS

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

REEL_END_DECLS
#endif
