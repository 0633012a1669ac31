/* reduce.h: what reduce.c (plans) and level_reduce.c (loops) share.

   The float sum, in every layout: logical element i goes to lane i % 16 of its chunk of 1024; a lane adds in order
   in double (f64: compensated); lanes l and l + 8, then + 4, + 2, + 1 are added; chunks are added pairwise, a full
   binary tree as wide as possible on the left. Missing elements count as -0.0, which changes nothing. */
#ifndef REEL_KERNELS_REDUCE_H
#define REEL_KERNELS_REDUCE_H
#include "core/device.h"
#include "kernels/walk.h"
#include <string.h>

enum {
    REEL_RED_LANES = 16,
    REEL_RED_CHUNK = 1024,
    REEL_RED_COLS = 64,     /* columns a tile when the columns are contiguous */
    REEL_RED_DEPTH = 56,    /* of the pairwise tree: 2^63 elements */
    REEL_RED_WORK = 1 << 15 /* elements a piece of parallel work */
};

typedef struct reel_reduce_plan reel_reduce_plan;
/* Tasks [begin, end); task = tile * n_parts + part. With one part results go to out, otherwise to partial. */
typedef void reel_reduce_body(const reel_reduce_plan *p, const void *x, void *out, void *partial, int64_t begin,
                              int64_t end);

struct reel_reduce_plan {
    reel_reduce_body *body;
    void (*finish)(const reel_reduce_plan *p, void *out, const void *partial);
    int64_t n_out, n_red;
    int64_t n_parts, part; /* pieces of the reduced elements, and elements a piece: a power of two of chunks */
    int64_t n_tasks, grain;
    int64_t n_tiles; /* columns: tiles a row of the innermost kept axis */
    reel_dtype dtype;
    bool mean;
    reel_walk kept, red;
};

/* One row an element type: by dtype, NULL where the op has no such dtype. */
typedef struct reel_reduce_table {
    reel_reduce_body *sum_rows[REEL_N_DTYPES], *sum_cols[REEL_N_DTYPES];
    reel_reduce_body *max_rows[REEL_N_DTYPES], *max_cols[REEL_N_DTYPES];
    reel_reduce_body *argmax_rows[REEL_N_DTYPES], *argmax_cols[REEL_N_DTYPES];
} reel_reduce_table;

typedef struct reel_best {
    int64_t key, index;
} reel_best; /* argmax's partial result */

/* The pairwise tree over chunks or parts, fed from left to right. */
typedef struct reel_pairwise {
    int64_t n;
    int top;
    double v[REEL_RED_DEPTH];
} reel_pairwise;

static inline void reel_pairwise_push_(reel_pairwise *t, double v)
{
    for (int64_t k = t->n++; k & 1; k >>= 1) v = t->v[--t->top] + v;
    t->v[t->top++] = v;
}

static inline double reel_pairwise_end_(reel_pairwise *t)
{
    double v = t->top ? t->v[--t->top] : -0.0;
    while (t->top) v = t->v[--t->top] + v;
    return v;
}
/* The last element is rounded once, from this; NaN has one pattern, whatever met what. */
static inline double reel_sum_result_(double v, bool mean, int64_t n)
{
    if (n == 0) v = 0;
    if (mean) v /= (double)n;
    return v == v ? v : (double)__builtin_nanf("");
}

/* Keys order floats as integers: -inf < ... < -0 < +0 < ... < inf < NaN. */
static inline int32_t reel_key_f32_(float x)
{
    int32_t u;
    memcpy(&u, &x, sizeof u);
    return (u & INT32_MAX) > 0x7f800000 ? INT32_MAX : u ^ ((u >> 31) & INT32_MAX);
}
static inline float reel_unkey_f32_(int32_t k)
{
    const int32_t u = k == INT32_MAX ? 0x7fc00000 : k ^ ((k >> 31) & INT32_MAX);
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}
static inline int64_t reel_key_f64_(double x)
{
    int64_t u;
    memcpy(&u, &x, sizeof u);
    return (u & INT64_MAX) > 0x7ff0000000000000 ? INT64_MAX : u ^ ((u >> 63) & INT64_MAX);
}
static inline double reel_unkey_f64_(int64_t k)
{
    const int64_t u = k == INT64_MAX ? 0x7ff8000000000000 : k ^ ((k >> 63) & INT64_MAX);
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}
/* inf: the bits of infinity, 0x7c00 or 0x7f80 */
static inline int16_t reel_key_16_(uint16_t h, int inf)
{
    const int u = (int16_t)h;
    return (int16_t)((u & INT16_MAX) > inf ? INT16_MAX : u ^ ((u >> 15) & INT16_MAX));
}
static inline uint16_t reel_unkey_16_(int16_t k, int nan)
{
    return (uint16_t)(k == INT16_MAX ? nan : k ^ ((k >> 15) & INT16_MAX));
}
#endif
