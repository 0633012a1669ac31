/* norm.h: what norm.c (plans) and level_norm.c (loops) share. A row is what is normalised together: the elements along the
   reduced axes for one index of the others. Mean and variance: the row goes in logical order through chunks of 1024, each
   summed by reduce.h's lanes: what lies between the elements and the mean of the chunk's first 64, and its squares; chunks
   are joined pairwise in double (Chan, Golub and LeVeque 1979). So memory is read once, however far the mean lies from 0, and
   a row's result depends on its values alone. */
#ifndef REEL_KERNELS_NORM_H
#define REEL_KERNELS_NORM_H
#include "core/device.h"
#include "kernels/reduce.h"
#include "kernels/walk.h"

enum { REEL_NORM_COLS = 32, REEL_NORM_WORK = 1 << 14, REEL_NORM_BLOCKS = 16 };
/* operands: of the forward x, y, scale, bias; of the backward x, dx, scale, g, scale's gradient. */
enum { REEL_NORM_X, REEL_NORM_Y, REEL_NORM_SCALE, REEL_NORM_BIAS, REEL_NORM_G = 3, REEL_NORM_DS, REEL_NORM_OPERANDS };
enum { REEL_NORM_NONE, REEL_NORM_BY_ROW, REEL_NORM_BY_ELEMENT }; /* how scale varies */

typedef struct reel_norm_plan reel_norm_plan;
typedef struct reel_norm_io {
    const void *x, *scale, *bias, *g;
    void *y, *mean, *var; /* the backward reads mean and var */
    double *sums; /* backward: by row, sum g and sum g xhat of each row; by element, blocks of partial gradients */
} reel_norm_io;
typedef void reel_norm_body(const reel_norm_plan *p, const reel_norm_io *io, int64_t begin, int64_t end);

struct reel_norm_plan {
    reel_norm_body *body;
    int64_t n, n_rows; /* elements of a row; rows */
    int64_t n_tasks, grain, inner, n_tiles;
    int64_t rows_a_block, n_scale; /* by element */
    double eps;
    bool rms, backward, bias;
    int scale;                          /* REEL_NORM_... */
    bool direct[REEL_NORM_OPERANDS];    /* a row is one run of neighbours */
    reel_walk kept[REEL_NORM_OPERANDS]; /* where rows begin */
    reel_walk red[REEL_NORM_OPERANDS];  /* and the elements in them */
    int n_seg;                          /* the rows of all operands in runs */
    int64_t seg_dim[REEL_MAX_RANK], seg_stride[REEL_NORM_OPERANDS][REEL_MAX_RANK];
};

typedef struct reel_norm_table {
    reel_norm_body *rows[REEL_N_DTYPES], *cols[REEL_N_DTYPES], *back_rows[REEL_N_DTYPES], *back_cols[REEL_N_DTYPES];
} reel_norm_table;

/* Mean and sum of squared deviations of a number of elements, and the tree that joins them. */
typedef struct reel_moments {
    double n, mean, m2;
} reel_moments;
static inline reel_moments reel_moments_join_(reel_moments a, reel_moments b)
{
    const double n = a.n + b.n, d = b.mean - a.mean;
    const reel_moments r = {n, a.mean + d * (b.n / n), a.m2 + b.m2 + d * d * (a.n * b.n / n)};
    return r;
}
typedef struct reel_moments_tree {
    int64_t n;
    int top;
    reel_moments v[REEL_RED_DEPTH];
} reel_moments_tree;
static inline void reel_moments_push_(reel_moments_tree *t, reel_moments v)
{
    for (int64_t k = t->n++; (k & 1) && t->top > 0; k >>= 1) v = reel_moments_join_(t->v[--t->top], v);
    t->v[t->top++] = v;
}
static inline reel_moments reel_moments_end_(reel_moments_tree *t)
{
    reel_moments v = t->top ? t->v[--t->top] : (reel_moments){0, 0, 0};
    while (t->top > 0) v = reel_moments_join_(t->v[--t->top], v);
    return v;
}
#endif
