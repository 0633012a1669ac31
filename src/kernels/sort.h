/* sort.h: what sort.c, select.c and sort_radix.h share: elements as unsigned integers in their order, alone or with their index.

   Keys: -inf < ... < 0 (of either sign) < ... < inf < NaN for floats, complemented for a descending order; elements of up to 4
   bytes have keys of 32 bits. A record is a key (32 or 64 bits), a key of 32 bits above an index of 32, or a pair. Sorting
   records is stable, so that any way of doing it gives the same result. */
#ifndef REEL_KERNELS_SORT_H
#define REEL_KERNELS_SORT_H
#include "core/device.h"
#include "kernels/walk.h"

typedef struct reel_sort_pair {
    uint64_t key, index;
} reel_sort_pair;

/* What lies along the axis, wherever it lies. */
typedef struct reel_lines {
    reel_walk rows;         /* where lines begin */
    int64_t n, stride;      /* elements a line, and how far apart */
    int64_t n_lines, inner; /* inner: elements of the output after the axis */
    reel_dtype dtype;
    size_t size;
    bool wide;     /* keys of 64 bits */
    uint64_t flip; /* descending: all bits of a key */
} reel_lines;
/* Raises if there are too many elements in a line. */
int reel_lines_(reel_lines *l, const reel_kview *x, int axis, bool descending);
static inline size_t reel_record_size_(const reel_lines *l)
{
    return l->wide ? sizeof(reel_sort_pair) : sizeof(uint64_t);
}
/* Records of n elements from x on, the first with this index. */
void reel_records_(const reel_lines *l, void *records, const void *x, int64_t n, int64_t first);
/* Sorts records by key, or by index; temporary: as many more; counters: reel_sort_counters_(n) bytes. */
void reel_sort_records_(const reel_lines *l, void *records, void *temporary, int64_t n, uint32_t *counters);
void reel_sort_by_index_(const reel_lines *l, void *records, void *temporary, int64_t n, uint32_t *counters);
/* The index of what would be record k if they were sorted; leaves them in disorder. */
int64_t reel_select_record_(const reel_lines *l, void *records, int64_t n, int64_t k, uint32_t *counters);
static inline int64_t reel_record_index_(const reel_lines *l, const void *records, int64_t i)
{
    return l->wide ? (int64_t)((const reel_sort_pair *)records)[i].index
                   : (int64_t)(uint32_t)((const uint64_t *)records)[i];
}
static inline uint64_t reel_record_key_(const reel_lines *l, const void *records, int64_t i)
{
    return l->wide ? ((const reel_sort_pair *)records)[i].key : ((const uint64_t *)records)[i] >> 32;
}

/* Lines are worked off by groups, each with its share of the workspace. */
enum { REEL_SORT_GROUPS = 16, REEL_SORT_WORK = 1 << 13, REEL_SORT_BLOCK = 1 << 16, REEL_SORT_DIGIT = 11 };
static inline int64_t reel_sort_groups_(const reel_lines *l)
{
    int64_t groups = l->n_lines * l->n / REEL_SORT_WORK;
    if (groups > REEL_SORT_GROUPS) groups = REEL_SORT_GROUPS;
    if (groups > l->n_lines) groups = l->n_lines;
    return groups < 1 ? 1 : groups;
}
static inline size_t reel_sort_counters_(int64_t n)
{
    return (size_t)((n + REEL_SORT_BLOCK - 1) / REEL_SORT_BLOCK) * sizeof(uint32_t) << REEL_SORT_DIGIT;
}
/* Where line i begins in a dense output with n elements along the axis. */
static inline int64_t reel_line_out_(const reel_lines *l, int64_t i, int64_t n)
{
    return i / l->inner * n * l->inner + i % l->inner;
}

/* One element's key and back. */
#define REEL_KEY_FLOAT(U, BITS, INF)                                   \
    static inline U reel_sort_key_##BITS##_##INF##_(U u)               \
    {                                                                  \
        const U sign = (U)((U)1 << (BITS - 1)), size = (U)(u & ~sign); \
        const U v = size == 0 ? 0 : u;                                 \
        const U key = (U)(v & sign ? ~v : v | sign);                   \
        return size > (U)(INF) ? (U) ~(U)0 : key;                      \
    }
REEL_KEY_FLOAT(uint16_t, 16, 0x7c00)
REEL_KEY_FLOAT(uint16_t, 16, 0x7f80)
REEL_KEY_FLOAT(uint32_t, 32, 0x7f800000)
REEL_KEY_FLOAT(uint64_t, 64, 0x7ff0000000000000)
#undef REEL_KEY_FLOAT
#endif
