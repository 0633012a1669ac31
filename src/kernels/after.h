/* after.h: a product or a convolution with the group of elementwise ops that reads it (see core/fusion.h): what the kernels of both
   lend. */
#ifndef REEL_KERNELS_AFTER_H
#define REEL_KERNELS_AFTER_H
#include "core/fusion.h"
#include "kernels/loop.h"

extern const reel_kernel reel_k_after_, reel_k_columns_;
bool reel_finishes_(const reel_op *op);

/* loop.c: elements [begin, end) of the output, in this thread. */
void reel_loop_range_(const reel_loop *l, void *const *ptr, const void *extra, int64_t begin, int64_t end);
/* fused.c: the same of a fused kernel's plan. */
void reel_fused_range_(const void *plan, void *const *ptr, int64_t begin, int64_t end);

/* done is told of each block of a result when it is there, by the thread that made it: rows of cols elements, the first at element
   `first`, `apart` elements from one to the next. Each element is told once. */
typedef struct reel_block_done {
    void (*done)(void *arg, int64_t first, int64_t rows, int64_t cols, int64_t apart);
    void *arg;
} reel_block_done;
/* fused.c: a prepared group for a kernel that has one inside. */
int reel_fused_new_(const reel_ksig *sig, void **group);

/* All n elements of a result that was not told block by block, from several threads. */
void reel_tell_all_(const reel_block_done *after, int64_t n);

/* matmul.c, conv.c: their kernels' run, with somebody to tell; NULL: nobody. */
int reel_matmul_blocks_run_(const void *plan, void *const *ptr, void *work, const reel_block_done *after);
int reel_conv_blocks_run_(const void *plan, void *const *ptr, void *work, const reel_block_done *after);
#endif
