/* pool.h: the shared thread pool. reel_parallel_for (public) is the only way in. */
#ifndef REEL_CORE_POOL_H
#define REEL_CORE_POOL_H
#include "reel/tensor.h"
/* Is the caller inside a parallel loop (then nested loops run serially)? */
int reel_pool_inside_(void);
/* The same for loops of some microseconds: no sleeping worker is woken for one, but those awake take part. */
void reel_parallel_light_(int64_t n, int64_t grain, void (*body)(void *arg, int64_t begin, int64_t end), void *arg);
#endif
