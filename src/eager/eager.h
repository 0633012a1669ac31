/* eager.h: what eager's files share: the tape's inside, the plan cache. */
#ifndef REEL_EAGER_EAGER_H
#define REEL_EAGER_EAGER_H
#include "core/device.h"
#include "core/listener.h"
/* How outputs come about whose size depends on data: make puts their addresses behind the inputs' in ptr, or says that
   all are empty. */
typedef struct reel_sizing {
    int (*make)(void *arg, int64_t n, void **ptr, bool *empty);
    void *arg;
} reel_sizing;
/* plans.c: runs op through the thread's bounded cache of prepared kernels (or on the stack for cheap ones). s: NULL unless the
   op counts first. */
int reel_eager_run_(const reel_kernel *k, const reel_ksig *sig, const reel_sizing *s);
#endif
