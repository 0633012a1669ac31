/* softmax_chunk.h: what softmax does to a chunk of elements as they are computed with, whatever type they are stored in; included by
   level_softmax.c with C and CALC(f) defined, FALL (e^x of no more than 0) as well. Out of line: inlined in each loop of each type
   they were most of the library's time to build. */

/* The largest of m0 and n elements. NaN is passed over here: it shows in the sum. */
static REEL_NOINLINE C CALC(largest)(const C *x, int64_t n, C m0)
{
    enum { L = 32 };
    C m[L];
    int64_t i = 0;
    for (int l = 0; l < L; l++) m[l] = m0;
    for (; i + L <= n; i += L)
        for (int l = 0; l < L; l++) m[l] = x[i + l] > m[l] ? x[i + l] : m[l];
    for (int l = 0; i + l < n; l++) m[l] = x[i + l] > m[l] ? x[i + l] : m[l];
    for (int h = L / 2; h; h >>= 1)
        for (int l = 0; l < h; l++) m[l] = m[l + h] > m[l] ? m[l + h] : m[l];
    return m[0];
}

REEL_ALWAYS_INLINE double CALC(join)(double *acc)
{
    for (int h = REEL_RED_LANES / 2; h; h >>= 1)
        for (int l = 0; l < h; l++) acc[l] += acc[l + h];
    return acc[0];
}

/* e = e^(x - m) of n elements, a chunk at most; returns their sum. */
static REEL_NOINLINE double CALC(exponentials)(C *REEL_RESTRICT e, const C *REEL_RESTRICT x, int64_t n, C m)
{
    enum { L = REEL_RED_LANES };
    double acc[L];
    int64_t i = 0;
    for (int l = 0; l < L; l++) acc[l] = 0;
    for (; i + 4 * L <= n; i += 4 * L)
        for (int l = 0; l < L; l++) {
            const C e0 = FALL(x[i + l] - m), e1 = FALL(x[i + L + l] - m);
            const C e2 = FALL(x[i + 2 * L + l] - m), e3 = FALL(x[i + 3 * L + l] - m);
            e[i + l] = e0, e[i + L + l] = e1, e[i + 2 * L + l] = e2, e[i + 3 * L + l] = e3;
            acc[l] += (double)((e0 + e1) + (e2 + e3));
        }
    if (i < n) { /* the last of the four may be missing: e^-inf = 0 */
        C t[4 * L];
        for (int l = 0; l < 4 * L; l++) t[l] = 0;
        for (int64_t j = 0; i + j < n; j += L) {
            for (int l = 0; l < L; l++) t[j + l] = i + j + l < n ? x[i + j + l] : -(C)INFINITY;
            for (int l = 0; l < L; l++) t[j + l] = FALL(t[j + l] - m);
        }
        for (int64_t j = 0; j < 4 * L && i + j < n; j++) e[i + j] = t[j];
        for (int l = 0; l < L; l++) acc[l] += (double)((t[l] + t[L + l]) + (t[2 * L + l] + t[3 * L + l]));
    }
    return CALC(join)(acc);
}

/* gradients sum y g; of log-softmax g */
#define TERM(y, g) (log ? (g) : (y) * (g))
/* The sum of the terms of a gradient (TERM) of a chunk. */
static REEL_NOINLINE double CALC(dot)(const C *y, const C *g, int64_t n, bool log)
{
    enum { L = REEL_RED_LANES };
    double acc[L];
    int64_t i = 0;
    if (n <= L) {
        for (int64_t l = 0; l < n; l++) acc[l] = (double)TERM(y[l], g[l]);
        for (int64_t h = L / 2; h; h >>= 1)
            for (int64_t l = 0; l < h && l + h < n; l++) acc[l] += acc[l + h];
        return acc[0];
    }
    for (int l = 0; l < L; l++) acc[l] = -0.0;
    for (; i + 4 * L <= n; i += 4 * L)
        for (int l = 0; l < L; l++) {
            const C *const v = y + i + l, *const w = g + i + l;
            const C a = TERM(v[0], w[0]) + TERM(v[L], w[L]);
            acc[l] += (double)(a + (TERM(v[2 * L], w[2 * L]) + TERM(v[3 * L], w[3 * L])));
        }
    if (i < n) {
        C t[4 * L];
        for (int l = 0; l < 4 * L; l++) t[l] = -(C)0;
        for (int64_t j = 0; j < 4 * L && i + j < n; j++) t[j] = TERM(y[i + j], g[i + j]);
        for (int l = 0; l < L; l++) acc[l] += (double)((t[l] + t[L + l]) + (t[2 * L + l] + t[3 * L + l]));
    }
    return CALC(join)(acc);
}

typedef double CALC(column)[REEL_SOFT_COLS];

/* Up to four terms, added to their lane. Missing ones are -0. */
REEL_ALWAYS_INLINE void CALC(add_four)(double *REEL_RESTRICT lane, C (*t)[REEL_SOFT_COLS])
{
    for (int j = 0; j < REEL_SOFT_COLS; j++) lane[j] += (double)((t[0][j] + t[1][j]) + (t[2][j] + t[3][j]));
}
REEL_ALWAYS_INLINE void CALC(zero_lanes)(CALC(column) * acc)
{
    for (int l = 0; l < REEL_RED_LANES; l++)
        for (int j = 0; j < REEL_SOFT_COLS; j++) acc[l][j] = -0.0;
}
/* The lanes of a chunk to one, which joins the tree of chunks: reel_pairwise_push_ of every column. The lanes are left at -0. */
static REEL_NOINLINE int CALC(push_chunk)(CALC(column) * acc, CALC(column) * tree, int top, int64_t chunk)
{
    enum { W = REEL_SOFT_COLS };
    for (int h = REEL_RED_LANES / 2; h; h >>= 1)
        for (int l = 0; l < h; l++)
            for (int j = 0; j < W; j++) acc[l][j] += acc[l + h][j];
    for (int64_t k = chunk; k & 1; k >>= 1) {
        top--;
        for (int j = 0; j < W; j++) acc[0][j] = tree[top][j] + acc[0][j];
    }
    for (int j = 0; j < W; j++) tree[top][j] = acc[0][j];
    CALC(zero_lanes)(acc);
    return top + 1;
}
static REEL_NOINLINE void CALC(end_chunks)(CALC(column) * tree, int top)
{
    for (; top > 1; top--)
        for (int j = 0; j < REEL_SOFT_COLS; j++) tree[top - 2][j] = tree[top - 2][j] + tree[top - 1][j];
}
#undef C
#undef CALC
#undef FALL
#undef TERM
