/* pooling.h: what pooling.c (plans) and level_pool.c (loops) share. */
#ifndef REEL_KERNELS_POOLING_H
#define REEL_KERNELS_POOLING_H
#include "core/window.h"
#include "isa.h"
#include "operand.h"

enum {
    REEL_POOL_COLS = 512,   /* elements of a row that are summed up at once */
    REEL_POOL_TILE = 64,    /* channels at once where they are last */
    REEL_POOL_TAPS = 64,    /* up to so many taps have their places in a table */
    REEL_POOL_NARROW = 256, /* elements of a window whose sum may be made in the elements' own type */
    REEL_POOL_WORK = 1 << 14
};

typedef struct reel_pool_plan reel_pool_plan;
/* x, or g for avg_grad; g: that of max_grad, else NULL */
typedef void reel_pool_body(const reel_pool_plan *p, const void *x, const void *g, void *out, int64_t begin,
                            int64_t end);

struct reel_pool_plan {
    reel_pool_body *body;
    reel_window win[REEL_SPATIAL];         /* outermost first, axes of size 1 in front */
    int64_t n, c, in, out;                 /* in, out: elements of a plane */
    int64_t lines, line_blocks, per_block; /* lines of outputs in a plane, in blocks: forward */
    int64_t tiles;                         /* of channels, where they are last: backward */
    int64_t items, grain, taps, divisor;
    bool last, include_pad, column_major, direct; /* direct: element by element, adaptive or very large windows */
    bool tight; /* avg: windows lie side by side and wholly inside, the last axis without a rest */
    reel_operand x, g;
    reel_dtype dtype, compute;
    int ix, ig, iout;
    size_t out_at;
    int64_t out_count;
    int64_t
        places[REEL_POOL_TAPS]; /* of a window's taps (tight: rows) from its first, where it has no more than these */
};

typedef struct reel_pool_table {
    reel_pool_body *max[REEL_N_DTYPES], *indices[REEL_N_DTYPES];
    reel_pool_body *max_grad[REEL_N_DTYPES], *avg[REEL_N_DTYPES], *avg_grad[REEL_N_DTYPES]; /* f32 and f64 */
} reel_pool_table;

/* The windows of one line of outputs along the outer two axes. */
typedef struct reel_pool_line {
    int64_t at[2], from[2], to[2]; /* first input, taps inside */
} reel_pool_line;
static inline void reel_pool_line_(const reel_pool_plan *p, int64_t line, reel_pool_line *l)
{
    const int64_t od = line / p->win[1].out, oh = line - od * p->win[1].out;
    reel_window_taps_(&p->win[0], od, &l->at[0], &l->from[0], &l->to[0]);
    reel_window_taps_(&p->win[1], oh, &l->at[1], &l->from[1], &l->to[1]);
}

/* What the sum of output o's window along one axis counts as: its elements, or with them the padding, but not what
   ceil_mode lets a window reach over beyond it. */
static inline int64_t reel_pool_count_(const reel_pool_plan *p, int axis, int64_t o)
{
    const reel_window *w = &p->win[axis];
    int64_t at, from, to;
    reel_window_taps_(w, o, &at, &from, &to);
    if (!p->include_pad || w->adaptive) return to - from;
    const int64_t left = w->in + w->after - at, most = left <= 0 ? 0 : (left + w->dilation - 1) / w->dilation;
    return most < w->kernel ? most : w->kernel;
}

/* Outputs [*from, *to) of the last axis whose tap t lies inside; its input is o stride + *shift. */
static inline void reel_pool_inside_(const reel_window *w, int64_t t, int64_t *from, int64_t *to, int64_t *shift)
{
    const int64_t s = w->before - t * w->dilation, last = w->in - 1 + s;
    *shift = -s;
    *from = s <= 0 ? 0 : (s + w->stride - 1) / w->stride;
    *to = last < 0 ? 0 : last / w->stride + 1;
    if (*to > w->out) *to = w->out;
    if (*from > *to) *from = *to;
}
#endif
