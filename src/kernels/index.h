/* index.h: indices read, checked and turned into offsets, before any memory is touched. */
#ifndef REEL_KERNELS_INDEX_H
#define REEL_KERNELS_INDEX_H
#include "core/compiler.h"
#include "core/device.h"
#include "core/error.h"
#include "kernels/copy.h"

/* n items of m indices each, for axes of the given sizes; item i's offset is the sum of index times stride. */
typedef struct reel_indices {
    reel_copy_plan pack;
    bool packs;
    reel_dtype dtype;
    int m, axis[REEL_MAX_RANK];
    int64_t n, size[REEL_MAX_RANK], stride[REEL_MAX_RANK];
} reel_indices;

/* Work on more elements than any memory holds, which a broadcast view may seem to have, is refused before sizes overflow. */
enum { REEL_WORK_BITS = 48 };
static inline int reel_check_work_(int64_t elements)
{
    return elements >> REEL_WORK_BITS ? reel_no_memory_((size_t)elements) : 0;
}

/* Of view v; size, stride, axis and m are the caller's to fill in before it. */
void reel_indices_plan_(reel_indices *p, const reel_kview *v);
size_t reel_indices_scratch_(const reel_indices *p); /* bytes to work in, a multiple of 64 */
/* offset[0..n). Raises: "index 9 at position 3 is out of range for axis 0 of size 5", the first in C order. */
int reel_indices_run_(const reel_indices *p, int64_t *offset, void *scratch, const void *from);

/* Items by row, stable: those of row r are order[first[r]] to order[first[r + 1] - 1]. first has REEL_GROUPS_(rows) entries. */
#define REEL_GROUPS_(rows) ((rows) + 2)
void reel_group_rows_(const int64_t *row, int64_t items, int64_t rows, int64_t *first, int64_t *order);
/* The row whose turn comes some items after number k of order. */
static inline void reel_group_ahead_(const char *from, int64_t bytes, const int64_t *order, int64_t k, int64_t items)
{
    enum { AHEAD = 6, LINE = 64, MOST = 512 };
    if (k + AHEAD >= items) return;
    const char *row = from + order[k + AHEAD] * bytes;
    for (int64_t c = 0; c < bytes && c < MOST; c += LINE) REEL_PREFETCH(row + c);
}
#endif
