/* many.h: the optimizer's updates of many variables in one sweep. */
#ifndef REEL_KERNELS_MANY_H
#define REEL_KERNELS_MANY_H
#include "core/fusion.h"
#include "kernels/loop.h"

extern const reel_kernel reel_k_many_;
bool reel_joins_(const reel_op *op);
/* The loop of an update over its tensors: the state, its gradient, then the new state (elementwise.c). Raises. */
int reel_update_loop_(const reel_ksig *sig, reel_loop *loop);
#endif
