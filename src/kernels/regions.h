/* regions.h: scratch memory for the threads of one parallel loop: as many pieces as threads come, usually. A thread that
   finds none free waits for one. */
#ifndef REEL_KERNELS_REGIONS_H
#define REEL_KERNELS_REGIONS_H
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include "core/compiler.h"
#include "core/error.h"
#include "reel/tensor.h"

enum { REEL_REGIONS_MAX = 64 };

typedef struct reel_regions {
    char *base;
    size_t bytes; /* of each */
    int n;
    _Atomic uint64_t used;
} reel_regions;

/* How many to plan for a loop over so many items. */
static inline int reel_regions_plan_(int64_t items)
{
    int n = reel_threads();
    n = n > REEL_REGIONS_MAX ? REEL_REGIONS_MAX : n < 1 ? 1 : n;
    return items < n ? (items < 1 ? 1 : (int)items) : n;
}

static inline void reel_regions_init_(reel_regions *r, void *base, size_t bytes, int n)
{
    r->base = base;
    r->bytes = bytes;
    r->n = n;
    atomic_init(&r->used, 0);
}

static inline char *reel_region_take_(reel_regions *r, int *which)
{
    for (;;) {
        uint64_t used = atomic_load(&r->used);
        for (int i = 0; i < r->n; i++)
            if (!(used >> i & 1) && atomic_compare_exchange_strong(&r->used, &used, used | UINT64_C(1) << i)) {
                *which = i;
                return r->base + (size_t)i * r->bytes;
            }
        sched_yield();
    }
}

static inline void reel_region_give_(reel_regions *r, int which)
{
    atomic_fetch_and(&r->used, ~(UINT64_C(1) << which));
}

/* count elements of size bytes more of workspace, from *at on; checked. */
static inline int reel_reserve_(size_t *workspace, int64_t count, size_t size, size_t *at)
{
    size_t bytes, end;
    if (count < 0 || REEL_MUL_OVERFLOW((size_t)count, size, &bytes) || bytes > SIZE_MAX / 2 ||
        REEL_ADD_OVERFLOW(*workspace, (bytes + 63) & ~(size_t)63, &end) || end > SIZE_MAX / 2)
        return reel_fail(REEL_ESHAPE, "the scratch memory it takes would not fit");
    *at = *workspace;
    *workspace = end;
    return 0;
}
#endif
