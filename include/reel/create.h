/* create.h: tensors from nothing: constants, sequences, random numbers. The rules for all ops stand in ops.h. */
#ifndef REEL_CREATE_H
#define REEL_CREATE_H
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

REEL_END_DECLS
#endif
