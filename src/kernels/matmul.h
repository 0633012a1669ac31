/* matmul.h: the plan of a product, and its routes. */
#ifndef REEL_KERNELS_MATMUL_H
#define REEL_KERNELS_MATMUL_H
#include "blas.h"
#include "gemm.h"
#include "onednn.h"
#include "reel/base.h"
#include <stdbool.h>
#include <stdint.h>

typedef enum { MATMUL_OPEN, MATMUL_NOTHING, MATMUL_VECTOR, MATMUL_PORTABLE, MATMUL_BLAS, MATMUL_ONEDNN } matmul_route;
typedef enum { MATMUL_AUTO, MATMUL_WANT_PORTABLE, MATMUL_WANT_BLAS, MATMUL_WANT_ONEDNN } matmul_wish;

/* Measured constants; figures are multiply-adds. Route thresholds are in matmul_route.c. */
enum {
    MATMUL_SERIAL = 1 << 18,       /* less than that in all: one thread */
    MATMUL_LIGHT = 1 << 22,        /* less than that: no sleeping thread is woken for it */
    MATMUL_LARGE = 1 << 24,        /* from there on blocks of the portable product have at least 64 rows, not 32 */
    MATMUL_GRAIN = 1 << 17,        /* a thread takes at least that much at once */
    MATMUL_VECTOR_WHOLE = 1 << 18, /* a matrix times a vector: up to that in one block */
    MATMUL_VECTOR_BLOCK = 512,     /* beyond, in blocks of the result that long */
    MATMUL_PACK_ROWS = 48,         /* so many rows of a make up for copying b */
    MATMUL_PACK_BYTES = 131072,    /* ... if b is that big, or transposed */
    MATMUL_REGIONS = 64            /* at most so many threads have scratch memory in one run */
};

typedef struct matmul_operand {
    reel_dtype dtype;
    bool transposed, gather, convert;
    int64_t ld;                                          /* length of a stored row */
    int rank;                                            /* of its own batch dimensions */
    int64_t dims[REEL_MAX_RANK], strides[REEL_MAX_RANK]; /* those; strides of the copy once there is one */
    int64_t rows, cols, rs, cs;
    int64_t batch[REEL_MAX_RANK]; /* strides along the result's batch dimensions */
    int64_t copy_dims[REEL_MAX_RANK], copy_strides[REEL_MAX_RANK], count;
    size_t gather_at, convert_at;
} matmul_operand;

typedef struct matmul_plan {
    matmul_route route;
    bool whole; /* one call of gemm on the operands as they are */
    bool serial, light, dots;
    reel_dtype dtype, compute;
    reel_gemm_args g;
    void (*gemm)(const reel_gemm_args *g, const void *a, const void *b, void *c);
    void (*dot)(int64_t rows, int64_t k, const void *x, int64_t ldx, const void *v, void *y);
    size_t step;            /* bytes of an element as it is computed */
    int64_t m, n, k, along; /* along: length of the result of a vector product */
    int64_t batches, batch_dims[REEL_MAX_RANK];
    int batch_rank, regions;
    int64_t mb, nb, row_blocks, col_blocks, items, grain, out_count;
    size_t out_at, scratch, scratch_at, panels_at;
    int wide; /* columns of a panel of b where run copies b to panels first, else 0 */
    void (*pack)(const reel_gemm_args *g, const void *b, int64_t from, int64_t to, void *panels);
    reel_onednn *dnn[4]; /* bit 1: the last row block, bit 0: the last column block */
    matmul_operand a, b;
} matmul_plan;

/* matmul_route.c */
matmul_wish reel_matmul_wish_(void); /* REEL_MATMUL=blas|onednn|portable at the start of the process: for tests */
matmul_route reel_matmul_choose_(matmul_wish wish, reel_dtype compute, bool ta, int64_t m, int64_t n, int64_t k);
matmul_route reel_matmul_second_(reel_dtype compute); /* where oneDNN turned out to have nothing */
void reel_matmul_blocks_(matmul_route route, int64_t m, int64_t n, int64_t k, int64_t *mb, int64_t *nb);
#endif
