/* pool.h: the shared thread pool. reel_parallel_for (public) is the only way in. */
#ifndef REEL_CORE_POOL_H
#define REEL_CORE_POOL_H
#include "reel/tensor.h"
/* Is the caller inside a parallel loop (then nested loops run serially)? */
int reel_pool_inside_(void);
#endif
