/* eager.h: what eager's files share: the tape's inside, the plan cache. */
#ifndef REEL_EAGER_EAGER_H
#define REEL_EAGER_EAGER_H
#include "core/device.h"
#include "core/listener.h"
/* plans.c: runs op through the thread's bounded cache of prepared kernels (or on the stack for cheap ones). */
int reel_eager_run_(const reel_kernel *k, const reel_ksig *sig);
#endif
