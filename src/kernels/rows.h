/* rows.h: numbers of rows, checked; rows grouped by number and summed: for embeddings and the steps of optimizers. */
#ifndef REEL_KERNELS_ROWS_H
#define REEL_KERNELS_ROWS_H
#include "core/device.h"

typedef struct reel_row_ids {
    reel_dtype dtype;
    int rank;
    int64_t n, rows; /* how many; of how many rows */
    size_t at;       /* in the workspace */
    int64_t dims[REEL_MAX_RANK], strides[REEL_MAX_RANK];
} reel_row_ids;
void reel_rows_plan_ids_(reel_row_ids *p, const reel_kview *ids, int64_t rows, size_t *workspace);
/* All of them as i64, in the workspace. Raises if one is out of range. */
int reel_rows_read_ids_(const reel_row_ids *p, void *data, void *work, const int64_t **ids);

/* Groups of equal numbers, ascending; within a group in the order they came. */
typedef struct reel_row_groups {
    reel_row_ids ids;
    size_t at, column;
    int bytes;
} reel_row_groups;
typedef struct reel_row_group_list {
    const uint64_t *key;  /* the numbers in order */
    const int64_t *first; /* where group k begins; n + 1 of them */
    const int64_t *perm;  /* where each was */
    int64_t n;
} reel_row_group_list;
void reel_rows_plan_groups_(reel_row_groups *p, const reel_kview *ids, int64_t rows, size_t *workspace);
int reel_rows_group_(const reel_row_groups *p, void *ids, void *work); /* raises */
reel_row_group_list reel_rows_groups_(const reel_row_groups *p, void *work);
/* Columns first to first + w, at most REEL_ROWS_CHUNK, of rows perm[0..n-1] of g (dense, `width` wide), added in that order in
   wider accumulators, into dst. */
enum { REEL_ROWS_CHUNK = 256 };
void reel_rows_sum_(void *dst, const void *g, reel_dtype d, const int64_t *perm, int64_t n, int64_t width,
                    int64_t first, int64_t w);
#endif
