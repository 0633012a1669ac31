/* again.h: for the vjp of an op that stands for several (REEL_OPF_SUMS). */
#ifndef REEL_CORE_AGAIN_H
#define REEL_CORE_AGAIN_H
#include "op.h"
/* Is input i, to the tape, one of those from first on once more? Only one of them may go on with the sum (eager/backward.c). */
bool reel_vjp_again_(const reel_vjp_args *v, int first, int i);
#endif
