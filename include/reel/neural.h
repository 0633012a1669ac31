/* neural.h: softmax, normalisation, losses, dropout. The rules for all ops stand in ops.h. */
#ifndef REEL_NEURAL_H
#define REEL_NEURAL_H
#include "base.h"
REEL_BEGIN_DECLS

reel_tensor *reel_softmax_at(const char *site, reel_tensor *x, int axis);     /* e^(x - max) / sum */
reel_tensor *reel_log_softmax_at(const char *site, reel_tensor *x, int axis); /* x - max - ln sum e^(x - max) */
/* -log_softmax(logits)[..., label], integer labels of shape logits.shape[:-1]; one loss a row. Label outside [0, classes): an error naming it. */
reel_tensor *reel_softmax_cross_entropy_at(const char *site, reel_tensor *logits, reel_tensor *labels);
/* max(x, 0) - x z + ln(1 + e^-|x|), labels z in [0, 1] of x's dtype. */
reel_tensor *reel_sigmoid_cross_entropy_at(const char *site, reel_tensor *logits, reel_tensor *labels);

REEL_END_DECLS
#endif
