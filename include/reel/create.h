/* create.h: tensors from nothing: constants, sequences, random numbers. The rules for all ops stand in ops.h. */
#ifndef REEL_CREATE_H
#define REEL_CREATE_H
#include "base.h"
REEL_BEGIN_DECLS

/* ---- creation ------------------------------------------------------------------------------------ */
reel_tensor *reel_zeros_at(const char *site, reel_dtype d, reel_shape s);              /* every element 0 */
reel_tensor *reel_ones_at(const char *site, reel_dtype d, reel_shape s);               /* every element 1 */
reel_tensor *reel_full_at(const char *site, reel_dtype d, reel_shape s, double value); /* every element value */
reel_tensor *reel_full_like_at(const char *site, reel_tensor *x, double value);        /* of x's shape and dtype */
reel_tensor *reel_zeros_like_at(const char *site, reel_tensor *x); /* zeros of the shape and dtype of x */
reel_tensor *reel_ones_like_at(const char *site, reel_tensor *x);  /* ones of the shape and dtype of x */
/* start, start + step, ... below stop (above, for a negative step): ceil((stop - start) / step) elements. */
reel_tensor *reel_arange_at(const char *site, reel_dtype d, double start, double stop, double step);
/* n numbers from start to stop, both included (endpoint) or without stop; integers are rounded down. NumPy. */
reel_tensor *reel_linspace_at(const char *site, reel_dtype d, double start, double stop, int64_t n, bool endpoint);
/* base to the power of n numbers from start to stop, as linspace gives them. NumPy. */
reel_tensor *reel_logspace_at(const char *site, reel_dtype d, double start, double stop, int64_t n, bool endpoint,
                              double base);
reel_tensor *reel_geomspace_at(
    const char *site, reel_dtype d, double start, double stop, int64_t n,
    bool endpoint); /* the geometric sequence from start to stop, which must have the same sign */
reel_tensor *reel_eye_at(const char *site, reel_dtype d, int64_t rows, int64_t cols); /* ones on the diagonal */
reel_tensor *reel_eye_k_at(const char *site, reel_dtype d, int64_t rows, int64_t cols,
                           int64_t k); /* ones on diagonal k: above 0 right of the main one */
reel_tensor *reel_tri_at(const char *site, reel_dtype d, int64_t rows, int64_t cols,
                         int64_t k); /* 1 where j <= i + k, else 0 */
/* y[..., k] = (labels[...] == k), k < n. Integer labels; one outside [0, n) gives a row of zeros. */
reel_tensor *reel_one_hot_at(const char *site, reel_tensor *labels, int64_t n, reel_dtype d);

/* ---- random numbers: Philox4x32-10; g NULL: the thread's generator --------------------------------------
   Element i is a function of the generator's key and counter and of i: the same eager, traced and replayed (a replay draws
   what eager would have drawn next), for any number of threads. No derivatives. */
reel_tensor *reel_uniform_at(const char *site, reel_dtype d, reel_shape s, double low, double high,
                             reel_generator *g); /* in [low, high) */
reel_tensor *reel_normal_at(const char *site, reel_dtype d, reel_shape s, double mean, double stddev,
                            reel_generator *g);                           /* Box-Muller */
reel_tensor *reel_randn_at(const char *site, reel_dtype d, reel_shape s); /* reel_normal(d, s, 0, 1, NULL) */
reel_tensor *reel_uniform_like_at(const char *site, reel_tensor *x, double low, double high,
                                  reel_generator *g); /* uniform in [low, high) of the shape and dtype of x */
reel_tensor *reel_normal_like_at(const char *site, reel_tensor *x, double mean, double stddev,
                                 reel_generator *g); /* normal of the shape and dtype of x */
/* Normal, of those within [low, high]; by the inverse of the distribution function (Wichura, AS 241, 1988). */
reel_tensor *reel_truncated_normal_at(const char *site, reel_dtype d, reel_shape s, double mean, double stddev,
                                      double low, double high, reel_generator *g);
reel_tensor *reel_bernoulli_at(const char *site, reel_dtype d, reel_shape s, double p,
                               reel_generator *g); /* 1 with probability p, to 2^-32; else 0 */
reel_tensor *reel_bernoulli_of_at(const char *site, reel_tensor *p,
                                  reel_generator *g); /* bernoulli, each with its own probability, in p's dtype */
reel_tensor *reel_randint_at(const char *site, reel_dtype d, reel_shape s, int64_t low, int64_t high,
                             reel_generator *g); /* whole numbers in [low, high); integer dtypes */
reel_tensor *reel_permutation_at(const char *site, reel_dtype d, int64_t n,
                                 reel_generator *g); /* 0..n-1 in random order; i32, i64 */
reel_tensor *reel_shuffle_at(const char *site, reel_tensor *x, int axis,
                             reel_generator *g); /* x's slices in random order */
/* logits [.., k] -> i64 [.., n]: class c with probability softmax(logits)[c]. A row without a finite logit, or with NaN or
   infinity, is an error. */
reel_tensor *reel_categorical_at(const char *site, reel_tensor *logits, int64_t n, reel_generator *g);
/* TensorFlow's log_uniform_candidate_sampler: n classes below range, class c with probability log((c + 2) / (c + 1)) /
   log(range + 1), distinct if unique. out: i64 [n] classes; f32 how often each of true_classes, and of the sampled, is
   expected among them: p n, or 1 - (1 - p)^draws where unique. */
int reel_log_uniform_candidates_at(const char *site, reel_tensor *true_classes, int64_t n, int64_t range, bool unique,
                                   reel_generator *g, reel_tensor *out[3]);

REEL_END_DECLS
#endif
