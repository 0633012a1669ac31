/* window.h: where a convolution or pooling window lies along each spatial axis: the one place for that arithmetic. */
#ifndef REEL_CORE_WINDOW_H
#define REEL_CORE_WINDOW_H
#include <stdint.h>
#include "reel/base.h"
#include "shape.h"

enum { REEL_SPATIAL = 3 }; /* most spatial axes */
typedef enum { REEL_PAD_GIVEN, REEL_PAD_SAME, REEL_PAD_SAME_LOWER } reel_pad_rule;

/* What an op's attributes say about its windows. */
typedef struct reel_window_rule {
    int32_t spatial; /* 1 to 3 axes; entries beyond are 0 */
    int32_t padding; /* reel_pad_rule */
    int32_t channels_last, ceil;
    int32_t global, adaptive; /* pooling: one window over everything; `kernel` holds the output's sizes */
    int64_t kernel[REEL_SPATIAL], stride[REEL_SPATIAL], dilation[REEL_SPATIAL];
    int64_t before[REEL_SPATIAL],
        after[REEL_SPATIAL]; /* after: less than 0 where a transposed convolution adds outputs */
} reel_window_rule;

/* One axis: tap t of output o reads input o stride - before + t dilation, where that lies in [0, in). */
typedef struct reel_window {
    int64_t in, out, kernel, stride, dilation, before, after;
    int32_t adaptive; /* output o reads [o in / out, ceil((o + 1) in / out)) */
} reel_window;

/* The axis of a tensor's spatial axis i, and of its channels. */
static inline int reel_spatial_axis_(const reel_window_rule *r, int i)
{
    return i + (r->channels_last ? 1 : 2);
}
static inline int reel_channel_axis_(const reel_window_rule *r)
{
    return r->channels_last ? r->spatial + 1 : 1;
}

/* Strides, dilations and paddings within their bounds? Raises. */
int reel_window_check_(const reel_window_rule *r);
/* Axis i over `in` elements with a kernel of k; either may be ANY, then w->out may be. Raises where no window fits. */
int reel_window_axis_(const reel_window_rule *r, int i, int64_t in, int64_t k, reel_window *w);
/* The size a transposed convolution makes of `out` windows, ANY if unknown. Raises where it is not positive. */
int reel_window_back_(const reel_window_rule *r, int i, int64_t out, int64_t k, int64_t *in);

/* The taps of output o that lie inside: [*from, *to), at input *at + t dilation. */
static inline void reel_window_taps_(const reel_window *w, int64_t o, int64_t *at, int64_t *from, int64_t *to)
{
    if (w->adaptive) {
        /* in out fits: both are dimensions of one tensor that exists, or the plan was refused */
        const int64_t begin = o * w->in / w->out, end = ((o + 1) * w->in + w->out - 1) / w->out;
        *at = begin, *from = 0, *to = end - begin;
        return;
    }
    const int64_t first = o * w->stride - w->before, left = w->in - first;
    const int64_t low = first < 0 ? (-first + w->dilation - 1) / w->dilation : 0;
    const int64_t high = left <= 0 ? 0 : (left + w->dilation - 1) / w->dilation;
    *at = first;
    *from = low < w->kernel ? low : w->kernel;
    *to = high < w->kernel ? high : w->kernel;
    if (*to < *from) *to = *from;
}
#endif
