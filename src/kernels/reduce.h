/* reduce.h: what reduce.c (plans) and level_reduce.c (loops) share.

   The float sum, in every layout: logical element i goes to lane i % 16 of its chunk of 1024. A lane of f32, f16 and bf16
   takes four terms at a time, (a + b) + (c + d) in float, and adds that to a double: so the error stays below two units in
   the last place of the sum of |x|, whatever n. f64 adds in order, compensated; squares are terms of double, in order.
   Lanes l and l + 8, then + 4, + 2, + 1 are added; chunks are added pairwise, a full binary tree as wide as possible on the
   left. Missing elements count as -0.0, which changes nothing. Products go the same way in double, with 1. */
#ifndef REEL_KERNELS_REDUCE_H
#define REEL_KERNELS_REDUCE_H
#include "core/device.h"
#include "kernels/vmath.h"
#include "kernels/walk.h"
#include <string.h>

enum {
    REEL_RED_LANES = 16,
    REEL_RED_CHUNK = 1024,
    REEL_RED_COLS = 64,     /* columns a tile when the columns are contiguous */
    REEL_RED_DEPTH = 56,    /* of the pairwise tree: 2^63 elements */
    REEL_RED_WORK = 1 << 15 /* elements a piece of parallel work */
};

/* What becomes of a sum, and whether it is one. */
typedef enum { REEL_RED_SUM, REEL_RED_MEAN, REEL_RED_ROOT, REEL_RED_PRODUCT } reel_red_kind;

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
    reel_red_kind kind;
    bool columns;      /* several results at a time: the innermost kept axis in tiles */
    bool last;         /* argmax: of equals the last, not the first */
    uint64_t bits;     /* minima: the bits to flip, so that they are maxima; counts: those to look at */
    double correction; /* variance: what the count is lowered by */
    bool count_out;    /* counts: the result is the count itself; any, all: finish makes it one */
    bool join;         /* finish has to run */
    reel_walk kept, red;
};

/* By dtype, NULL where the op has no such dtype. */
typedef struct reel_reduce_pair {
    reel_reduce_body *rows[REEL_N_DTYPES], *cols[REEL_N_DTYPES];
} reel_reduce_pair;
/* level_terms.c: sums of |x| and of squares, and products. */
typedef struct reel_reduce_terms {
    reel_reduce_pair abs, square, product;
} reel_reduce_terms;
/* level_stats.c; counts are in the rows of i8, f16, i32 and i64: one an element size. */
typedef struct reel_reduce_stats {
    reel_reduce_pair variance, logsumexp, count;
} reel_reduce_stats;
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
/* The same with products. */
static inline void reel_product_push_(reel_pairwise *t, double v)
{
    for (int64_t k = t->n++; k & 1; k >>= 1) v = t->v[--t->top] * v;
    t->v[t->top++] = v;
}

static inline double reel_product_end_(reel_pairwise *t)
{
    double v = t->top ? t->v[--t->top] : 1;
    while (t->top) v = t->v[--t->top] * v;
    return v;
}

/* NaN has one pattern, whatever met what. */
static inline double reel_quiet_(double v)
{
    return v == v ? v : (double)__builtin_nanf("");
}

/* The last element is rounded once, from this. */
static inline double reel_sum_result_(double v, reel_red_kind kind, int64_t n)
{
    if (n == 0) v = kind == REEL_RED_PRODUCT ? 1 : 0;
    if (kind == REEL_RED_MEAN) v /= (double)n;
    if (kind == REEL_RED_ROOT) v = __builtin_sqrt(v);
    return reel_quiet_(v);
}

/* Results of two numbers, a and b of a run of n elements; the tree that joins runs from left to right is the sum's. */
typedef struct reel_stat {
    double n, a, b;
} reel_stat;
enum { REEL_RED_FEW = 8 }; /* depth of the tree over the chunks of one part */
typedef struct reel_stat_tree {
    int64_t n;
    int top;
    reel_stat v[REEL_RED_DEPTH];
} reel_stat_tree;

/* Chan, Golub & LeVeque 1983: a is the mean, b the sum of squared distances from it. */
static inline reel_stat reel_join_variance_(reel_stat x, reel_stat y)
{
    const double n = x.n + y.n, d = y.a - x.a;
    return (reel_stat){n, x.a + d * (y.n / n), (x.b + y.b) + d * d * (x.n * (y.n / n))};
}

static inline double reel_variance_result_(const reel_reduce_plan *p, reel_stat s)
{
    const double n = (double)p->n_red - p->correction;
    double v = p->n_red ? (s.b < 0 ? 0 : s.b) / (n > 0 ? n : 0) : (double)__builtin_nanf("");
    if (p->kind == REEL_RED_ROOT) v = __builtin_sqrt(v);
    return reel_quiet_(v);
}

/* Log-sum-exp: a is the largest element m, b the sum of e^(x - m); infinite m: b is 1, or NaN if there is one. */
static inline reel_stat reel_exps_of_(double m, double sum, double n)
{
    if (m - m != 0) sum = sum != sum ? sum : m > 0 ? 1 : 0;
    return (reel_stat){n, m, sum};
}
static inline reel_stat reel_join_exps_(reel_stat x, reel_stat y)
{
    const reel_stat low = x.a < y.a ? x : y, high = x.a < y.a ? y : x;
    const double d = low.a == high.a ? 0 : low.a - high.a;
    return (reel_stat){x.n + y.n, high.a, high.b + low.b * reel_exp_f64_(d)};
}
static inline double reel_exps_result_(reel_stat s)
{
    if (s.n == 0) return -(double)__builtin_inff();
    const double v = s.a - s.a == 0 || s.b != s.b ? s.a + reel_log_f64_(s.b) : s.a;
    return reel_quiet_(v);
}

/* Keys order floats as integers: -inf < ... < -0 < +0 < ... < inf < NaN; with the sign bit flipped all but NaN in reverse. */
static inline int32_t reel_key_f32_(float x, int32_t flip)
{
    int32_t u;
    memcpy(&u, &x, sizeof u);
    u ^= flip;
    return (u & INT32_MAX) > 0x7f800000 ? INT32_MAX : u ^ ((u >> 31) & INT32_MAX);
}
static inline float reel_unkey_f32_(int32_t k, int32_t flip)
{
    const int32_t u = k == INT32_MAX ? 0x7fc00000 : k ^ ((k >> 31) & INT32_MAX) ^ flip;
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}
static inline int64_t reel_key_f64_(double x, int64_t flip)
{
    int64_t u;
    memcpy(&u, &x, sizeof u);
    u ^= flip;
    return (u & INT64_MAX) > 0x7ff0000000000000 ? INT64_MAX : u ^ ((u >> 63) & INT64_MAX);
}
static inline double reel_unkey_f64_(int64_t k, int64_t flip)
{
    const int64_t u = k == INT64_MAX ? 0x7ff8000000000000 : k ^ ((k >> 63) & INT64_MAX) ^ flip;
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}
/* inf: the bits of infinity, 0x7c00 or 0x7f80 */
static inline int16_t reel_key_16_(uint16_t h, int inf, int flip)
{
    const int u = (int16_t)(h ^ flip);
    return (int16_t)((u & INT16_MAX) > inf ? INT16_MAX : u ^ ((u >> 15) & INT16_MAX));
}
static inline uint16_t reel_unkey_16_(int16_t k, int nan, int flip)
{
    return (uint16_t)(k == INT16_MAX ? nan : k ^ ((k >> 15) & INT16_MAX) ^ flip);
}
/* The reduction op of x, dense, by the axes in that mask (not empty), planned into p: the kernel that runs it, NULL: raised. */
const reel_kernel *reel_reduce_axes_(reel_reduce_plan *p, const reel_op *op, const void *attr, const reel_kview *x,
                                     unsigned axes, const reel_kview *out, size_t *workspace);
/* The reduction of each row of a dense rows x cols matrix, in one piece each, as a part of a fused kernel; *part: bytes of a partial
   result. Short: rows up to REEL_FUSED_COLS. */
int reel_reduce_rows_(reel_reduce_plan *p, const reel_fused_part *f, int64_t rows, int64_t cols, size_t *part);
#endif
