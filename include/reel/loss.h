/* loss.h: losses. The rules for all ops stand in ops.h.

   Unless said otherwise: x are predictions, target is of x's dtype and broadcasts with it, the loss of an element is given
   by the formula, and the reduction makes one number of them. f16 and bf16 that a formula would overflow are computed in
   f32. Names and conventions are PyTorch's. */
#ifndef REEL_LOSS_H
#define REEL_LOSS_H
#include "base.h"
REEL_BEGIN_DECLS

typedef enum { REEL_REDUCE_MEAN, REEL_REDUCE_SUM, REEL_REDUCE_NONE } reel_reduction;
typedef struct {
    size_t size;
    reel_reduction reduction;
} reel_loss_opts;

/* ---- classes ----------------------------------------------------------------------------------------------------
   -log_softmax(logits)[..., label], integer labels of shape logits.shape[:-1]; one loss a row. Label outside [0, classes): an error naming it. */
reel_tensor *reel_softmax_cross_entropy_at(const char *site, reel_tensor *logits, reel_tensor *labels);
/* max(x, 0) - x z + ln(1 + e^-|x|), labels z in [0, 1] of x's dtype. */
reel_tensor *reel_sigmoid_cross_entropy_at(const char *site, reel_tensor *logits, reel_tensor *labels);

/* Logits [c], [n, c] or [n, c, d1, ...]; with channels_last the classes are on the last axis. target: integer labels of
   logits' shape without the classes; or, in cross_entropy, a float distribution of logits' shape, -sum weight target
   log_softmax. weight [c] multiplies the loss of a label. ignore: labels equal to ignore_index cost 0. The mean divides by
   the sum of the labels' weights (NaN if all are ignored), for distributions by the number of rows.
   label_smoothing e in [0, 1]: the target becomes (1 - e) target + e / c (Szegedy et al. 2016). */
typedef struct {
    size_t size;
    reel_reduction reduction;
    reel_tensor *weight;
    bool ignore, channels_last;
    int64_t ignore_index;
    double label_smoothing;
} reel_cross_entropy_opts;
reel_tensor *reel_cross_entropy_at(const char *site, reel_tensor *logits, reel_tensor *target,
                                   const reel_cross_entropy_opts *o);
/* The same of log-probabilities: -log_probs[label]; labels only, no smoothing. */
reel_tensor *reel_nll_loss_at(const char *site, reel_tensor *log_probs, reel_tensor *labels,
                              const reel_cross_entropy_opts *o);
/* mean over i != label of max(0, margin - x[label] + x[i])^p, x [n, c] or [c]; derivative 0 at the kink. */
typedef struct {
    size_t size;
    reel_reduction reduction;
    double margin;       /* 0: 1, REEL_ZERO: 0 */
    int p;               /* 1 (also 0) or 2 */
    reel_tensor *weight; /* [c], by label */
} reel_multi_margin_opts;
reel_tensor *reel_multi_margin_loss_at(const char *site, reel_tensor *x, reel_tensor *labels,
                                       const reel_multi_margin_opts *o);

/* ---- yes or no: target in [0, 1], or y of 1 and -1 ------------------------------------------------------------------ */
typedef struct {
    size_t size;
    reel_reduction reduction;
    reel_tensor *weight, *pos_weight; /* of each element; of the positive term (with_logits only). Both broadcast. */
} reel_binary_cross_entropy_opts;
/* -(t ln x + (1 - t) ln(1 - x)), logarithms not below -100 and of derivative 0 there. */
reel_tensor *reel_binary_cross_entropy_at(const char *site, reel_tensor *x, reel_tensor *target,
                                          const reel_binary_cross_entropy_opts *o);
/* The same of sigmoid(x): (1 - t) x + (1 + (pos_weight - 1) t) softplus(-x). */
reel_tensor *reel_binary_cross_entropy_with_logits_at(const char *site, reel_tensor *x, reel_tensor *target,
                                                      const reel_binary_cross_entropy_opts *o);
reel_tensor *reel_hinge_loss_at(const char *site, reel_tensor *x, reel_tensor *y,
                                const reel_loss_opts *o); /* max(0, 1 - y x); derivative 0 at the kink */
reel_tensor *reel_hinge_embedding_loss_at(const char *site, reel_tensor *x, reel_tensor *y, double margin,
                                          const reel_loss_opts *o); /* x for y = 1, else max(0, margin - x) */
reel_tensor *reel_soft_margin_loss_at(const char *site, reel_tensor *x, reel_tensor *y,
                                      const reel_loss_opts *o); /* ln(1 + e^(-y x)) */
reel_tensor *reel_margin_ranking_loss_at(const char *site, reel_tensor *a, reel_tensor *b, reel_tensor *y,
                                         double margin, const reel_loss_opts *o); /* max(0, margin - y (a - b)) */

/* ---- distances: d = x - target ------------------------------------------------------------------------------------- */
reel_tensor *reel_mse_loss_at(const char *site, reel_tensor *x, reel_tensor *target, const reel_loss_opts *o); /* d^2 */
reel_tensor *reel_l1_loss_at(const char *site, reel_tensor *x, reel_tensor *target,
                             const reel_loss_opts *o); /* |d|; derivative 0 at 0 */
reel_tensor *reel_huber_loss_at(const char *site, reel_tensor *x, reel_tensor *target, double delta,
                                const reel_loss_opts *o); /* d^2 / 2 to |d| = delta, then delta (|d| - delta / 2) */
reel_tensor *reel_smooth_l1_loss_at(const char *site, reel_tensor *x, reel_tensor *target, double beta,
                                    const reel_loss_opts *o); /* huber / beta; beta = 0: l1 */
/* a . b / (max(|a|, eps) max(|b|, eps)) along axis, which goes; eps 0: 1e-8. */
reel_tensor *reel_cosine_similarity_at(const char *site, reel_tensor *a, reel_tensor *b, int axis, double eps);
/* 1 - cos(a, b) along the last axis where y = 1, max(0, cos(a, b) - margin) where y = -1. */
reel_tensor *reel_cosine_embedding_loss_at(const char *site, reel_tensor *a, reel_tensor *b, reel_tensor *y,
                                           double margin, const reel_loss_opts *o);
/* max(0, |a - p + 1e-6| - |a - n + 1e-6| + margin), Euclidean along the last axis. */
reel_tensor *reel_triplet_margin_loss_at(const char *site, reel_tensor *anchor, reel_tensor *positive,
                                         reel_tensor *negative, double margin, const reel_loss_opts *o);

/* ---- likelihoods ----------------------------------------------------------------------------------------------------- */
typedef struct {
    size_t size;
    reel_reduction reduction;
    bool log_target; /* target holds logarithms */
    bool batch_mean; /* the sum over the first dimension, instead of the mean */
} reel_kl_div_opts;
/* t (ln t - x), x log-probabilities; 0 where t is 0. */
reel_tensor *reel_kl_div_at(const char *site, reel_tensor *x, reel_tensor *target, const reel_kl_div_opts *o);
typedef struct {
    size_t size;
    reel_reduction reduction;
    bool no_log; /* x is the rate itself: x - t ln(x + eps), instead of e^x - t x */
    bool full;   /* with Stirling's t ln t - t + ln(2 pi t) / 2 where t > 1 */
    double eps;  /* 0: 1e-8 */
} reel_poisson_nll_opts;
reel_tensor *reel_poisson_nll_loss_at(const char *site, reel_tensor *x, reel_tensor *target,
                                      const reel_poisson_nll_opts *o); /* e^x - t x */
typedef struct {
    size_t size;
    reel_reduction reduction;
    bool full;  /* with ln(2 pi) / 2 */
    double eps; /* 0: 1e-6; var is not taken below it, and has no derivative there */
} reel_gaussian_nll_opts;
/* (ln var + (x - t)^2 / var) / 2 */
reel_tensor *reel_gaussian_nll_loss_at(const char *site, reel_tensor *x, reel_tensor *target, reel_tensor *var,
                                       const reel_gaussian_nll_opts *o);

/* ---- sequences --------------------------------------------------------------------------------------------------------
   Connectionist temporal classification (Graves et al. 2006): -ln of the probability that log_probs [t, n, c], along the
   first lengths[i] steps, spells targets[i, 0 .. target_lengths[i]) once repeats and blanks are dropped. Integer targets [n, s],
   lengths [n]; a target that no path spells costs infinity, or 0 and no gradient with zero_infinity. The gradient is that of
   the formula: minus the paths' share of each log-probability. The mean divides each loss by its target's length (at
   least 1), as PyTorch's. Differentiable twice. */
typedef struct {
    size_t size;
    reel_reduction reduction;
    int64_t blank;
    bool zero_infinity;
} reel_ctc_opts;
reel_tensor *reel_ctc_loss_at(const char *site, reel_tensor *log_probs, reel_tensor *targets, reel_tensor *lengths,
                              reel_tensor *target_lengths, const reel_ctc_opts *o);

REEL_END_DECLS
#endif
