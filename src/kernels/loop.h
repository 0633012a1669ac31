/* loop.h: the loop around every elementwise kernel: operands broadcast against a dense output, layouts of any kind, threads.
   An inner loop only ever sees operands that are contiguous (step 1) or one element (step 0); everything else is gathered
   into small blocks on the stack. So an element's bits cannot depend on layout, position or thread. */
#ifndef REEL_KERNELS_LOOP_H
#define REEL_KERNELS_LOOP_H
#include "core/device.h"

enum { REEL_LOOP_IN = 6, REEL_LOOP_OUT = REEL_FUSED_OUT, REEL_LOOP_BLOCK = 512 };

/* ptr: inputs, then outputs; step[i]: 0 or 1 for input i; extra: what the kernel gave to reel_loop_run_. Outputs may be
   inputs of the same element size with step 1. */
typedef void reel_inner_fn(void *const *ptr, const uint8_t *step, int64_t n, const void *extra);

typedef struct reel_loop {
    reel_inner_fn *fn;
    int64_t n, grain; /* elements in all, and at least per thread */
    uint8_t n_in, n_out, rank;
    bool flat; /* all dense or one element: dims and strides are not filled in */
    uint8_t step[REEL_LOOP_IN];
    uint8_t size[REEL_LOOP_IN + REEL_LOOP_OUT];   /* bytes an element */
    int64_t dims[REEL_MAX_RANK];                  /* of the output, merged */
    int64_t strides[REEL_LOOP_IN][REEL_MAX_RANK]; /* bytes */
} reel_loop;

/* grain: elements that are worth a thread. spread: the inner loop takes step 0 (else such inputs are spread out in a block). */
void reel_loop_init_(reel_loop *l, const reel_ksig *sig, reel_inner_fn *fn, int64_t grain, bool spread);
void reel_loop_run_(const reel_loop *l, void *const *ptr, const void *extra);

/* rows x cols elements of size bytes (1, 2, 4 or 8), strides in bytes, into dense memory. */
void reel_gather_(void *dst, const char *src, int64_t rows, int64_t row_stride, int64_t cols, int64_t col_stride,
                  int size);
/* Merges dimensions that are contiguous in all n operands and drops those of size 1. strides in elements or bytes, any unit. Returns the rank. */
int reel_merge_dims_(int64_t *dims, int rank, int64_t (*strides)[REEL_MAX_RANK], int n);
#endif
