/* attention.h: what attention.c (plans, products), attention_grad.c and level_attention.c (loops on tiles) share.

   A tile holds the scores of up to REEL_ATT_KEYS keys (rows) against REEL_ATT_QUERIES queries (columns): queries lie side by side in
   vector lanes, so a query's result depends on its own numbers alone. */
#ifndef REEL_KERNELS_ATTENTION_H
#define REEL_KERNELS_ATTENTION_H
#include "core/device.h"
#include "kernels/gemm.h"
#include "kernels/isa.h"
#include "kernels/regions.h"
#include "kernels/walk.h"

enum { REEL_ATT_QUERIES = 64, REEL_ATT_KEYS = 64, REEL_ATT_LANES = 16, REEL_ATT_GRAIN = 1 << 16 };

/* A tile: n rows of m columns (a multiple of REEL_ATT_LANES). bias: NULL, or a tile that is added to the scores. */
typedef struct reel_att_tile {
    int64_t n, m;
    void *s; /* scores; on return the weights (forward: without the denominator) */
    const void *bias;
    double softcap;
    void *top, *sum,
        *alpha; /* forward, a number a column: largest score, denominator; what the earlier ones count now */
    void *dp;   /* backward: in g v^T, out the scores' gradients */
    const void *lse, *delta;
    double scale;
} reel_att_tile;

typedef struct reel_att_table {
    void (*forward)(const reel_att_tile *t);
    void (*backward)(const reel_att_tile *t);
    /* to[j ldt + i] = from[i ldf + j] scale for i < rows, 0 for the others of the m columns */
    void (*turn)(void *to, int64_t m, const void *from, int64_t ldf, int64_t rows, int64_t cols, double scale);
    /* y = y a (a: one a row; NULL: 0) + x */
    void (*add)(void *y, const void *x, const void *a, int64_t rows, int64_t cols);
    /* y = sum > 0 or NaN ? x / sum : 0; lse = ln sum + top */
    void (*finish)(void *x, const void *top, const void *sum, void *lse, int64_t rows, int64_t cols);
} reel_att_table;
typedef struct reel_att_levels {
    reel_att_table f32, f64;
} reel_att_levels;
REEL_DECLARE_LEVELS(reel_att_levels, reel_att_levels);

/* An operand [batch, heads, rows, cols] as the loops read it: the columns side by side. */
typedef struct reel_att_operand {
    reel_dtype dtype;
    bool pack, convert;
    int64_t count, rs, hs;
    reel_walk batch;
    int rank;
    int64_t dims[REEL_MAX_RANK], strides[REEL_MAX_RANK];
    size_t pack_at, convert_at;
} reel_att_operand;

typedef struct reel_att_mask {
    bool given, is_bool;
    reel_dtype dtype;
    int64_t hs, ts, ss;
    reel_walk batch;
} reel_att_mask;

/* What forward and backward have in common. */
typedef struct reel_att_common {
    const reel_att_table *table;
    void (*gemm)(const reel_gemm_args *g, const void *a, const void *b, void *c);
    reel_dtype dtype, compute;
    size_t size;                               /* bytes of an element as computed */
    int64_t batch, heads, groups, t, s, d, dv; /* groups: heads of k */
    int64_t q_blocks, k_blocks;
    double scale, softcap;
    bool causal;
    int64_t past;
    reel_att_operand q, k, v;
    reel_att_mask mask;
} reel_att_common;

int reel_att_common_(reel_att_common *c, const reel_ksig *sig, const reel_kview *mask, size_t *workspace);
int reel_att_operand_(reel_att_operand *o, const reel_kview *x, reel_dtype compute, size_t *workspace);
const char *reel_att_ready_(const reel_att_operand *o, reel_dtype compute, const void *data, char *work);
/* Of block kb, how many keys the block of queries from t0 on, n of them, may see (0: none). */
static inline int64_t reel_att_keys_(const reel_att_common *c, int64_t kb, int64_t t0, int64_t n)
{
    const int64_t j0 = kb * REEL_ATT_KEYS, left = c->s - j0 < REEL_ATT_KEYS ? c->s - j0 : REEL_ATT_KEYS;
    if (!c->causal) return left;
    const int64_t seen = c->past > INT64_MAX - t0 - n ? left : c->past + t0 + n - j0;
    return seen < left ? (seen < 0 ? 0 : seen) : left;
}
/* The scores of n keys from j0 on against m queries: s = k qt. */
void reel_att_scores_(const reel_att_common *c, const char *k, int64_t n, int64_t m, const void *qt, void *s);
/* The causal rule where it is the only one: -inf straight into the scores of the queries before a key. */
void reel_att_hide_(const reel_att_common *c, int64_t t0, int64_t rows, int64_t m, int64_t j0, int64_t n, void *s);
/* Otherwise: fills bias with the mask and the causal rule; false: there is nothing to add. */
bool reel_att_bias_(const reel_att_common *c, const void *mask, int64_t batch, int64_t head, int64_t t0, int64_t rows,
                    int64_t m, int64_t j0, int64_t n, void *bias);
static inline void reel_att_gemm_(const reel_att_common *c, int64_t m, int64_t n, int64_t k, const void *a, int64_t ars,
                                  int64_t acs, const void *b, int64_t brs, int64_t bcs, void *out, int64_t ldc)
{
    const reel_gemm_args g = {m, n, k, ars, acs, brs, bcs, ldc, NULL};
    if (m > 0 && n > 0 && k > 0) c->gemm(&g, a, b, out);
}
static inline int64_t reel_att_columns_(int64_t rows)
{
    return (rows + REEL_ATT_LANES - 1) / REEL_ATT_LANES * REEL_ATT_LANES;
}
#endif
