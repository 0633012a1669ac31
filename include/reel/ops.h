/* ops.h: the ops, a header a family. Unless said otherwise: operands broadcast as in NumPy; tensors of different dtypes are
   an error (a weak reel_num takes the partner's); REEL_ANY dimensions are allowed in graphs; the result is
   new or a view, never changed later. Derivatives are with respect to float operands. */
#ifndef REEL_OPS_H
#define REEL_OPS_H
#include "base.h"
#include "conv.h"
#include "create.h"
#include "elementwise.h"
#include "image.h"
#include "index.h"
#include "linalg.h"
#include "loss.h"
#include "neural.h"
#include "reduce.h"
#include "sequence.h"
#include "shape.h"
#include "sort.h"
REEL_BEGIN_DECLS

/* ---- gradients ------------------------------------------------------------------------------------ */
reel_tensor *reel_stop_gradient_at(const char *site, reel_tensor *x); /* x; derivative zero by decree */

/* ---- optimizer steps as one op: all of w's dtype and shape but lr and t, which are [] ----- */
/* g' = g + decay w; v' = momentum v + g'; w' = w - lr v'. out: w', v'; all NULL on failure. Differentiable, as the next one, in lr
   and t too: a step can be learned through. (What is assigned to a variable is a new beginning for tapes.) */
int reel_sgd_update_at(const char *site, reel_tensor *w, reel_tensor *v, reel_tensor *g, reel_tensor *lr,
                       double momentum, double decay, reel_tensor *out[2]);
/* t: the step's number, from 1. g' = g + decay w; m' = b1 m + (1 - b1) g'; v' = b2 v + (1 - b2) g'^2;
   w' = w - lr / (1 - b1^t) m' / (sqrt(v' / (1 - b2^t)) + eps). out: w', m', v'; all NULL on failure. */
int reel_adam_update_at(const char *site, reel_tensor *w, reel_tensor *m, reel_tensor *v, reel_tensor *g,
                        reel_tensor *lr, reel_tensor *t, double beta1, double beta2, double eps, double decay,
                        reel_tensor *out[3]);
/* The same with w, v (w, m, v) variables, to which the results are assigned. A row-sparse g, here and above, moves the rows it
   names alone: those of w, and of the state; decay and the scaling by time count for a row only in the steps that name it (TensorFlow's
   LazyAdam, PyTorch's SparseAdam). Here it does so in place where nobody else has the variables' values. */
int reel_sgd_apply_at(const char *site, reel_tensor *w, reel_tensor *v, reel_tensor *g, reel_tensor *lr,
                      double momentum, double decay);
int reel_adam_apply_at(const char *site, reel_tensor *w, reel_tensor *m, reel_tensor *v, reel_tensor *g,
                       reel_tensor *lr, reel_tensor *t, double beta1, double beta2, double eps, double decay);
REEL_END_DECLS
#endif
