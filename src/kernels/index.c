/* index.c: see index.h. */
#include "kernels/index.h"
#include <stdatomic.h>
#include <string.h>
#include "reel/tensor.h"

enum { GRAIN = 1 << 15 };

void reel_indices_plan_(reel_indices *p, const reel_kview *v)
{
    reel_shape s = {.rank = v->rank};
    for (int i = 0; i < v->rank; i++) s.dims[i] = v->dims[i];
    p->dtype = v->dtype;
    reel_copy_plan_(&p->pack, v->dtype, v->rank, v->dims, v->strides, 0);
    p->packs = !reel_is_dense_(&s, v->strides);
    p->n = p->pack.n / p->m;
}

size_t reel_indices_scratch_(const reel_indices *p)
{
    return p->packs ? ((size_t)p->pack.n * (size_t)p->pack.size + 63) / 64 * 64 : 0;
}

typedef struct job {
    const reel_indices *p;
    const void *from;
    int64_t *offset;
    _Atomic int64_t bad; /* the first position that is out of range */
} job;

static void refuse(job *j, int64_t position)
{
    int64_t seen = atomic_load_explicit(&j->bad, memory_order_relaxed);
    while (position < seen && !atomic_compare_exchange_weak_explicit(&j->bad, &seen, position, memory_order_relaxed,
                                                                     memory_order_relaxed)) {}
}

#define RESOLVE(T)                                                            \
    static void resolve_##T(job *j, int64_t begin, int64_t end)               \
    {                                                                         \
        const reel_indices *p = j->p;                                         \
        const T *from = j->from;                                              \
        if (p->m == 1) {                                                      \
            const int64_t size = p->size[0], stride = p->stride[0];           \
            int64_t bad = 0;                                                  \
            for (int64_t i = begin; i < end; i++) {                           \
                const int64_t k = (int64_t)from[i], r = k < 0 ? k + size : k; \
                bad |= (r < 0) | (r >= size);                                 \
                j->offset[i] = r * stride;                                    \
            }                                                                 \
            if (!bad) return;                                                 \
        }                                                                     \
        for (int64_t i = begin; i < end; i++) {                               \
            int64_t sum = 0;                                                  \
            for (int a = 0; a < p->m; a++) {                                  \
                const int64_t k = (int64_t)from[i * p->m + a];                \
                const int64_t r = k < 0 ? k + p->size[a] : k;                 \
                if (r < 0 || r >= p->size[a]) {                               \
                    refuse(j, i * p->m + a);                                  \
                    return;                                                   \
                }                                                             \
                sum += r * p->stride[a];                                      \
            }                                                                 \
            j->offset[i] = sum;                                               \
        }                                                                     \
    }
RESOLVE(int8_t)
RESOLVE(uint8_t)
RESOLVE(int32_t)
RESOLVE(int64_t)

static void resolve(void *arg, int64_t begin, int64_t end)
{
    job *j = arg;
    switch (j->p->dtype) {
    case REEL_I8: resolve_int8_t(j, begin, end); break;
    case REEL_U8: resolve_uint8_t(j, begin, end); break;
    case REEL_I32: resolve_int32_t(j, begin, end); break;
    default: resolve_int64_t(j, begin, end); break;
    }
}

int reel_indices_run_(const reel_indices *p, int64_t *offset, void *scratch, const void *from)
{
    job j = {.p = p, .from = from, .offset = offset, .bad = INT64_MAX};
    if (p->packs) {
        reel_copy_run_(&p->pack, scratch, from);
        j.from = scratch;
    }
    if (p->n <= GRAIN)
        resolve(&j, 0, p->n);
    else
        reel_parallel_for(p->n, GRAIN, resolve, &j);
    const int64_t bad = j.bad;
    if (bad == INT64_MAX) return 0;
    int64_t k;
    const int a = (int)(bad % p->m);
    reel_convert_(&k, REEL_I64, 1, (const char *)j.from + (size_t)bad * reel_size_(p->dtype), p->dtype, 1, 1);
    return reel_fail(REEL_EARG, "index %lld at position %lld is out of range for axis %d of size %lld", (long long)k,
                     (long long)bad, p->axis[a], (long long)p->size[a]);
}

void reel_group_rows_(const int64_t *row, int64_t items, int64_t rows, int64_t *first, int64_t *order)
{
    int64_t *const next = first + 1; /* where a row begins, then where it ends, which is where the next one begins */
    memset(first, 0, (size_t)REEL_GROUPS_(rows) * sizeof *first);
    for (int64_t i = 0; i < items; i++) next[row[i] + 1]++;
    for (int64_t r = 1; r <= rows; r++) next[r] += next[r - 1];
    for (int64_t i = 0; i < items; i++) order[next[row[i]]++] = i;
}
