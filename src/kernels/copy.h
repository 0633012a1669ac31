/* copy.h: copies of a view of any layout into dense memory. */
#ifndef REEL_KERNELS_COPY_H
#define REEL_KERNELS_COPY_H
#include "core/device.h"
#include "kernels/isa.h"

typedef struct reel_copy_plan {
    int rank, size;    /* size: bytes an element */
    int across;        /* the dimension that is contiguous in the source though not the last; -1: none */
    int64_t n, offset; /* elements; bytes from the source's address */
    int n_in;          /* where the kernel finds its output */
    int64_t dims[REEL_MAX_RANK];
    int64_t strides[REEL_MAX_RANK]; /* bytes */
} reel_copy_plan;

/* The inner loops, by element size. tile: to[i][c] = from[c][i], row distances in bytes; row: elements step apart. */
typedef struct reel_copy_table {
    void (*tile[9])(char *to, int64_t to_row, const char *from, int64_t from_row, int64_t rows, int64_t cols);
    void (*row[9])(void *to, const void *from, int64_t n, int64_t step);
} reel_copy_table;
REEL_DECLARE_LEVELS(reel_copy_table, reel_copy_table);

/* strides in elements, 0 or negative too */
void reel_copy_plan_(reel_copy_plan *p, reel_dtype dtype, int rank, const int64_t *dims, const int64_t *strides,
                     int64_t byte_offset);
void reel_copy_run_(const reel_copy_plan *p, void *dst, const void *src);
#endif
