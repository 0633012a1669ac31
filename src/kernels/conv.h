/* conv.h: the plan of a convolution or one of its gradients, and the routes. x, w and y are always those of the convolution,
   whichever of them is the result. */
#ifndef REEL_KERNELS_CONV_H
#define REEL_KERNELS_CONV_H
#include "after.h"
#include "core/window.h"
#include "gemm.h"
#include "operand.h"

typedef enum { CONV_FORWARD, CONV_INPUT, CONV_WEIGHTS } conv_kind; /* the result is y, x, w */

typedef struct conv_shape {
    conv_kind kind;
    bool last; /* channels last */
    bool f64, bias;
    int64_t n, c, o, groups, cg, og; /* channels of x and y, in all and in a group */
    reel_window win[REEL_SPATIAL];   /* outermost first, axes of size 1 in front */
    int64_t in, out, taps, k;        /* elements of a plane of x and y; of a kernel; k = cg taps */
    bool pointwise;                  /* a window is one element, and each element has one */
} conv_shape;

/* The portable route: patches of x as a matrix, times the weights (im2col, or its transpose). */
typedef struct conv_plain {
    int64_t nb, pixel_blocks; /* outputs in a block */
    int64_t cb, channel_blocks;
    int64_t batch_blocks; /* gradient by w: each sums into a part of its own */
    int64_t items, grain, region;
    int regions;
    size_t weights_at, regions_at, parts_at;
    void (*gemm)(const reel_gemm_args *g, const void *a, const void *b, void *c);
} conv_plain;

typedef struct conv_dnn conv_dnn; /* conv_onednn.c */

typedef struct conv_plan {
    conv_shape s;
    conv_plain plain;
    conv_dnn *dnn; /* NULL: the portable route */
    reel_dtype dtype, compute;
    reel_operand x, w, y, b;
    int ix, iw, iy, ib, iout; /* where they are among run's pointers */
    size_t out_at;            /* the result before it is converted */
    int64_t out_count;
} conv_plan;

/* What a run reads and writes, and who is told of the result's blocks (NULL: nobody). */
typedef struct conv_operands {
    const void *x, *w, *y, *bias;
    void *out;
    const reel_block_done *after;
} conv_operands;

int reel_conv_plain_plan_(conv_plain *p, const conv_shape *s, size_t *workspace);
void reel_conv_plain_run_(const conv_plain *p, const conv_shape *s, const conv_operands *o, void *work);

/* *out stays NULL where oneDNN is missing or has only a reference kernel for this. Returns 0 or REEL_ENOMEM. */
int reel_conv_dnn_new_(const conv_shape *s, conv_dnn **out, size_t *workspace);
void reel_conv_dnn_free_(conv_dnn *d);
const char *reel_conv_dnn_name_(const conv_dnn *d);
int64_t reel_conv_dnn_parts_(const conv_dnn *d); /* into which its blocks cut the result's channels */
bool reel_conv_dnn_run_(const conv_dnn *d, const conv_shape *s, const conv_operands *o, void *work);
#endif
