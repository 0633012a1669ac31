/* norm_chunk.h: what normalisation does to a chunk of elements as they are computed with, whatever type they are stored in; included
   by level_norm.c with C and CALC(f) defined. */

REEL_ALWAYS_INLINE double CALC(lanes)(double *acc)
{
    for (int h = REEL_RED_LANES / 2; h; h >>= 1)
        for (int l = 0; l < h; l++) acc[l] += acc[l + h];
    return acc[0];
}

static REEL_NOINLINE double CALC(sum)(const C *x, int64_t n)
{
    LANES_BEGIN(acc);
#define V(i) x[i]
    LANES_ADD(acc, n, V);
#undef V
    return CALC(lanes)(acc);
}
/* The sums of d and of d d, d what lies between an element and near. */
static REEL_NOINLINE void CALC(around)(const C *x, int64_t n, C near, double *distances, double *squares)
{
    enum { L = REEL_RED_LANES };
    LANES_BEGIN(a);
    LANES_BEGIN(b);
    int64_t i = 0;
    for (; i + 4 * L <= n; i += 4 * L)
        for (int l = 0; l < L; l++) {
            const C d0 = x[i + l] - near, d1 = x[i + L + l] - near, d2 = x[i + 2 * L + l] - near;
            const C d3 = x[i + 3 * L + l] - near;
            a[l] += (double)((d0 + d1) + (d2 + d3));
            b[l] += (double)((d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3));
        }
#define V(j) (x[i + (j)] - near)
    LANES_ADD(a, n - i, V);
#undef V
#define V(j) ((x[i + (j)] - near) * (x[i + (j)] - near))
    LANES_ADD(b, n - i, V);
#undef V
    *distances = CALC(lanes)(a);
    *squares = CALC(lanes)(b);
}
static REEL_NOINLINE double CALC(products)(const C *x, const C *y, int64_t n)
{
    LANES_BEGIN(acc);
#define V(i) (x[i] * y[i])
    LANES_ADD(acc, n, V);
#undef V
    return CALC(lanes)(acc);
}

/* The moments of n elements, stride apart, in double throughout. */
static REEL_NOINLINE reel_moments CALC(wide_moments)(const C *x, int64_t stride, int64_t n, bool rms)
{
    LANES_BEGIN(sum);
    LANES_BEGIN(square);
    for (int64_t i = 0; i < n && !rms; i++) sum[i % REEL_RED_LANES] += (double)x[i * stride];
    const double mean = rms ? 0 : CALC(lanes)(sum) / (double)n;
    for (int64_t i = 0; i < n; i++) {
        const double d = (double)x[i * stride] - mean;
        square[i % REEL_RED_LANES] += d * d;
    }
    return (reel_moments){(double)n, mean, CALC(lanes)(square)};
}
/* near is the mean of so many elements; of double, which nothing wider can improve, of all */
enum { CALC(exact) = sizeof(C) == sizeof(double), CALC(few) = CALC(exact) ? REEL_RED_CHUNK : 64 };

/* The moments of a chunk from the sums of d and d d, d an element's distance from near. Made again in double if near lies
   too far off, or d d is too large or too small for a float. */
REEL_ALWAYS_INLINE reel_moments CALC(moments_of)(const C *x, int64_t stride, int64_t n, bool rms, C near,
                                                 double distances, double squares)
{
    const double off = distances / (double)n, m2 = squares - distances * off;
    if (m2 > 0x1p-80 && m2 < (double)INFINITY && 4 * m2 >= squares)
        return (reel_moments){(double)n, CALC(exact) ? (double)near : (double)near + off, m2};
    return CALC(wide_moments)(x, stride, n, rms);
}

/* Mean (in two parts, so that x - mean keeps what C has) and 1 / sqrt(var + eps). */
typedef struct CALC(unit) {
    C mean, rest, rate;
} CALC(unit);
REEL_ALWAYS_INLINE CALC(unit) CALC(unit_of)(double mean, double var, double eps)
{
    CALC(unit) u;
    u.mean = (C)mean;
    u.rest = mean - mean == 0 ? (C)(mean - (double)u.mean) : 0;
    u.rate = (C)(1 / sqrt(var + eps));
    return u;
}
/* A chunk's sums of w and of w xhat; s may be NULL. */
static REEL_NOINLINE void CALC(slopes)(const C *x, const C *g, const C *s, CALC(unit) u, int64_t n, double *w,
                                       double *w_hat)
{
    LANES_BEGIN(a);
    LANES_BEGIN(b);
    if (s) {
#define W(i) (g[i] * s[i])
#define V(i) (W(i) * HAT(x[i], u))
        LANES_ADD(a, n, W);
        LANES_ADD(b, n, V);
#undef W
#undef V
    } else {
#define W(i) g[i]
#define V(i) (W(i) * HAT(x[i], u))
        LANES_ADD(a, n, W);
        LANES_ADD(b, n, V);
#undef W
#undef V
    }
    *w = CALC(lanes)(a);
    *w_hat = CALC(lanes)(b);
}

typedef double CALC(column)[REEL_NORM_COLS];
REEL_ALWAYS_INLINE void CALC(zero_lanes)(CALC(column) * acc)
{
    for (int l = 0; l < REEL_RED_LANES; l++)
        for (int j = 0; j < REEL_NORM_COLS; j++) acc[l][j] = 0;
}
REEL_ALWAYS_INLINE void CALC(join_lanes)(CALC(column) * acc)
{
    for (int h = REEL_RED_LANES / 2; h; h >>= 1)
        for (int l = 0; l < h; l++)
            for (int j = 0; j < REEL_NORM_COLS; j++) acc[l][j] += acc[l + h][j];
}

/* The moments of the columns of a chunk of rows. */
static REEL_NOINLINE void CALC(chunk_moments)(C (*packed)[REEL_NORM_COLS], int64_t n, bool rms, reel_moments *out)
{
    enum { W = REEL_NORM_COLS };
    CALC(column) acc[REEL_RED_LANES], distances;
    C near[W];
    const int64_t few = n < CALC(few) ? n : CALC(few);
    for (int j = 0; j < W; j++) near[j] = 0, distances[j] = 0;
    if (!rms) {
        CALC(zero_lanes)(acc);
#define V(i, j) packed[i][j]
        COLUMNS_ADD(acc, few, V);
#undef V
        CALC(join_lanes)(acc);
        for (int j = 0; j < W; j++) near[j] = (C)(acc[0][j] / (double)few);
        CALC(zero_lanes)(acc);
#define V(i, j) (packed[i][j] - near[j])
        COLUMNS_ADD(acc, n, V);
#undef V
        CALC(join_lanes)(acc);
        for (int j = 0; j < W; j++) distances[j] = acc[0][j];
    }
    CALC(zero_lanes)(acc);
#define V(i, j) ((packed[i][j] - near[j]) * (packed[i][j] - near[j]))
    COLUMNS_ADD(acc, n, V);
#undef V
    CALC(join_lanes)(acc);
    for (int j = 0; j < W; j++) out[j] = CALC(moments_of)(&packed[0][j], W, n, rms, near[j], distances[j], acc[0][j]);
}

/* Joins a column's sum of a chunk to its tree: reel_pairwise_push_ of every column. */
REEL_ALWAYS_INLINE int CALC(push_columns)(CALC(column) * tree, int top, int64_t chunk, double *v)
{
    for (int64_t k = chunk; k & 1; k >>= 1) {
        top--;
        for (int j = 0; j < REEL_NORM_COLS; j++) v[j] = tree[top][j] + v[j];
    }
    for (int j = 0; j < REEL_NORM_COLS; j++) tree[top][j] = v[j];
    return top + 1;
}
REEL_ALWAYS_INLINE void CALC(end_columns)(CALC(column) * tree, int top, double *v)
{
    for (int j = 0; j < REEL_NORM_COLS; j++) v[j] = tree[top - 1][j];
    for (int k = top - 2; k >= 0; k--)
        for (int j = 0; j < REEL_NORM_COLS; j++) v[j] = tree[k][j] + v[j];
}
#undef C
#undef CALC
