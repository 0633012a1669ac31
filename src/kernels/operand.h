/* operand.h: operands brought to dense memory in the dtype a kernel computes in, and scratch memory for the threads of one run. */
#ifndef REEL_KERNELS_OPERAND_H
#define REEL_KERNELS_OPERAND_H
#include "core/device.h"
#include <sched.h>
#include <stdatomic.h>

/* Room for count elements of size in a workspace; raises where it would not fit. */
int reel_room_(size_t *workspace, int64_t count, size_t size, size_t *at);

typedef struct reel_operand {
    reel_dtype dtype, compute;
    bool gather, convert; /* is it packed; are its elements converted? */
    int rank;
    int64_t dims[REEL_MAX_RANK], strides[REEL_MAX_RANK], count;
    size_t gather_at, convert_at;
} reel_operand;
int reel_operand_plan_(reel_operand *o, const reel_kview *v, reel_dtype compute, size_t *workspace);
const void *reel_operand_ready_(const reel_operand *o, const void *data, void *work);
void reel_convert_dense_(void *to, reel_dtype td, const void *from, reel_dtype fd, int64_t n); /* in parallel */

/* Scratch regions: as many as threads come here, usually; one more thread waits. */
enum { REEL_MAX_REGIONS = 64 };
typedef struct reel_regions {
    _Atomic uint64_t used;
    int n;
} reel_regions;
int reel_regions_wanted_(int64_t items);
static inline int reel_region_take_(reel_regions *r)
{
    for (;;) {
        uint64_t used = atomic_load(&r->used);
        for (int i = 0; i < r->n; i++)
            if (!(used >> i & 1) && atomic_compare_exchange_strong(&r->used, &used, used | UINT64_C(1) << i)) return i;
        sched_yield();
    }
}
static inline void reel_region_give_(reel_regions *r, int i)
{
    atomic_fetch_and(&r->used, ~(UINT64_C(1) << i));
}
#endif
