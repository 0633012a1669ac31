/* reduce_sum.h: the sum loops of one element type; included by level_reduce.c once a float type with
   T, NAME(f), LOAD(x), the term of the sum, STORE(double) -> T and TERMS defined: how many terms of a lane are added as
   floats before a double takes them. 4: LOAD gives a float; 1: a double, and with COMPENSATED the lanes are compensated.
   PRODUCT (TERMS 1): products in the place of sums. NARROW(x) -> float: elements are made floats first, a chunk at a time, and
   added by the loops of CALC(f), a NAME for floats that came before. */

#ifdef PRODUCT
#define JOIN(a, b) ((a) * (b))
#define NEUTRAL 1.0
#define PUSH reel_product_push_
#define END reel_product_end_
#else
#define JOIN(a, b) ((a) + (b))
#define NEUTRAL (-0.0)
#define PUSH reel_pairwise_push_
#define END reel_pairwise_end_
#endif

REEL_DEFINE_GATHER(NAME(gather), T)

#ifdef NARROW
typedef float NAME(wide);
static double NAME(chunk)(const T *p, int64_t rs, int64_t n)
{
    float b[REEL_RED_CHUNK];
    if (rs == 1)
        for (int64_t i = 0; i < n; i++) b[i] = NARROW(p[i]);
    else
        for (int64_t i = 0; i < n; i++) b[i] = NARROW(p[i * rs]);
    return CALC(chunk)(b, 1, n);
}
#else
typedef T NAME(wide);
#define NARROW(x) (x)
#define CALC NAME
#define WIDE
#ifdef COMPENSATED
/* s + x in s, what rounding lost in e (Knuth's TwoSum) */
#define ADD(s, e, x)                                                 \
    do {                                                             \
        const double a_ = (s), x_ = (x), s_ = a_ + x_, b_ = s_ - a_; \
        (e) += (a_ - (s_ - b_)) + (x_ - b_);                         \
        (s) = s_;                                                    \
    } while (0)
#else
#define ADD(s, e, x) ((s) = JOIN(s, x))
#endif

#if TERMS == 4
/* Adds to lanes of w columns the one to four terms of each that lie step apart; those that are missing are -0. */
REEL_ALWAYS_INLINE void NAME(four)(double *REEL_RESTRICT acc, const T *REEL_RESTRICT p, int64_t step, int64_t w)
{
    const T *const p1 = p + step, *const p2 = p1 + step, *const p3 = p2 + step;
    for (int64_t k = 0; k < w; k++) acc[k] += (double)((LOAD(p[k]) + LOAD(p1[k])) + (LOAD(p2[k]) + LOAD(p3[k])));
}
static void NAME(fewer)(double *REEL_RESTRICT acc, const T *REEL_RESTRICT p, int64_t step, int64_t terms, int64_t w)
{
    if (terms == 4) {
        NAME(four)(acc, p, step, w);
    } else if (terms == 3) {
        for (int64_t k = 0; k < w; k++) acc[k] += (double)((LOAD(p[k]) + LOAD(p[k + step])) + LOAD(p[k + 2 * step]));
    } else if (terms == 2) {
        for (int64_t k = 0; k < w; k++) acc[k] += (double)(LOAD(p[k]) + LOAD(p[k + step]));
    } else {
        for (int64_t k = 0; k < w; k++) acc[k] += (double)LOAD(p[k]);
    }
}

/* Adds n rows of w columns to the lanes, the first row to lane 0. Rows lie rs apart. Where a sum takes several calls, n is
   a multiple of 64 in all but the last. */
REEL_ALWAYS_INLINE void NAME(step)(double *REEL_RESTRICT acc, double *REEL_RESTRICT err, const T *REEL_RESTRICT p,
                                   int64_t rs, int64_t n, int64_t w)
{
    enum { L = REEL_RED_LANES };
    (void)err;
    int64_t i = 0;
    if (rs == w) { /* sixteen rows are one run */
        const int64_t run = L * w;
        for (; i + 4 * L <= n; i += 4 * L) NAME(four)(acc, p + i * w, run, run);
        if (i == n) return;
        const int64_t full = (n - i) / L, rest = (n - i - full * L) * w;
        if (rest) NAME(fewer)(acc, p + i * w, run, full + 1, rest);
        if (full) NAME(fewer)(acc + rest, p + i * w + rest, run, full, run - rest);
        return;
    }
    for (; i + 4 * L <= n; i += 4 * L)
        for (int64_t l = 0; l < L; l++) NAME(four)(acc + l * w, p + (i + l) * rs, L * rs, w);
    for (int64_t l = 0; l < L && i + l < n; l++)
        NAME(fewer)(acc + l * w, p + (i + l) * rs, L * rs, (n - i - l - 1) / L + 1, w);
}
#else
/* Adds n rows of w columns to the lanes, the first row to lane 0. Rows lie rs apart. */
REEL_ALWAYS_INLINE void NAME(step)(double *REEL_RESTRICT acc, double *REEL_RESTRICT err, const T *REEL_RESTRICT p,
                                   int64_t rs, int64_t n, int64_t w)
{
    (void)err;
    int64_t i = 0;
    if (rs == w) { /* sixteen rows are one run */
        const int64_t run = REEL_RED_LANES * w, total = n * w;
        for (; i + run <= total; i += run)
            for (int64_t k = 0; k < run; k++) ADD(acc[k], err[k], LOAD(p[i + k]));
        for (int64_t k = 0; k < total - i; k++) ADD(acc[k], err[k], LOAD(p[i + k]));
        return;
    }
#ifndef COMPENSATED
    for (; i + 4 * REEL_RED_LANES <= n; i += 4 * REEL_RED_LANES)
        for (int64_t l = 0; l < REEL_RED_LANES; l++) {
            const T *q = p + (i + l) * rs, *q1 = q + 16 * rs, *q2 = q + 32 * rs, *q3 = q + 48 * rs;
            double *a = acc + l * w;
            for (int64_t j = 0; j < w; j++)
                a[j] = JOIN(JOIN(JOIN(JOIN(a[j], LOAD(q[j])), LOAD(q1[j])), LOAD(q2[j])), LOAD(q3[j]));
        }
#endif
    for (; i < n; i++) {
        const T *q = p + i * rs;
        const int64_t l = i % REEL_RED_LANES * w;
        for (int64_t j = 0; j < w; j++) ADD(acc[l + j], err[l + j], LOAD(q[j]));
    }
}

#endif

/* m lanes (at most 16) of w columns to one, in acc[0..w) */
REEL_ALWAYS_INLINE void NAME(tree)(double *REEL_RESTRICT acc, double *REEL_RESTRICT err, int64_t m, int64_t w)
{
    (void)err;
    for (int64_t h = REEL_RED_LANES / 2; h; h >>= 1) {
        if (m <= h) continue;
        for (int64_t k = 0; k < (m - h) * w; k++) {
            ADD(acc[k], err[k], acc[k + h * w]);
#ifdef COMPENSATED
            err[k] += err[k + h * w];
#endif
        }
        m = h;
    }
#ifdef COMPENSATED
    for (int64_t k = 0; k < w; k++) /* the error of an infinite sum is NaN */
        if (err[k] == err[k] && err[k] != 0) acc[k] += err[k];
#endif
}

static REEL_NOINLINE double NAME(chunk)(const T *p, int64_t rs, int64_t n)
{
    double acc[REEL_RED_LANES], err[REEL_RED_LANES];
    for (int l = 0; l < REEL_RED_LANES; l++) acc[l] = NEUTRAL, err[l] = 0;
    if (rs == 1)
        NAME(step)(acc, err, p, 1, n, 1);
    else
        NAME(step)(acc, err, p, rs, n, 1);
    if (n >= REEL_RED_LANES)
        NAME(tree)(acc, err, REEL_RED_LANES, 1);
    else
        NAME(tree)(acc, err, n, 1);
    return acc[0];
}

/* step where nothing is known */
static REEL_NOINLINE void NAME(step_any)(double *REEL_RESTRICT acc, double *REEL_RESTRICT err, const T *REEL_RESTRICT p,
                                         int64_t rs, int64_t n, int64_t w)
{
    NAME(step)(acc, err, p, rs, n, w);
}
#endif

static void NAME(rows)(const reel_reduce_plan *p, const void *x, void *out, void *partial, int64_t begin, int64_t end)
{
    T buf[REEL_RED_CHUNK];
    const int64_t rs = p->red.n ? p->red.stride[0] : 0;
    for (int64_t t = begin; t < end; t++) {
        const int64_t o = p->n_parts == 1 ? t : t / p->n_parts, first = (t - o * p->n_parts) * p->part;
        const int64_t last = first + p->part < p->n_red ? first + p->part : p->n_red;
        const T *base = (const T *)x + reel_walk_offset_(&p->kept, o);
        double v = 0;
        if (p->red.n <= 1 && last - first <= REEL_RED_CHUNK) {
            v = NAME(chunk)(base + first * rs, rs, last - first);
        } else {
            reel_pairwise tree;
            tree.n = 0, tree.top = 0;
            for (int64_t i = first; i < last; i += REEL_RED_CHUNK) {
                const int64_t n = last - i < REEL_RED_CHUNK ? last - i : REEL_RED_CHUNK;
                const bool direct = p->red.n <= 1;
                if (!direct) NAME(gather)(buf, base, &p->red, i, n);
                PUSH(&tree, NAME(chunk)(direct ? base + i * rs : buf, direct ? rs : 1, n));
            }
            v = END(&tree);
        }
        if (p->n_parts == 1)
            ((T *)out)[o] = STORE(reel_sum_result_(v, p->kind, p->n_red));
        else
            ((double *)partial)[t] = v;
    }
}

/* One chunk of a tile of w columns; rows that do not lie evenly, or are narrow, are gathered first. */
static void NAME(tile)(double *REEL_RESTRICT acc, double *REEL_RESTRICT err, const T *base, const reel_walk *red,
                       int64_t first, int64_t n, int64_t w)
{
    const int64_t m = n < REEL_RED_LANES ? n : REEL_RED_LANES;
    for (int64_t k = 0; k < m * w; k++) acc[k] = NEUTRAL;
#ifdef COMPENSATED
    for (int64_t k = 0; k < m * w; k++) err[k] = 0;
#endif
#ifdef WIDE
    if (red->n <= 1) {
        const int64_t rs = red->n ? red->stride[0] : 0;
        if (w == REEL_RED_COLS && rs != w)
            NAME(step)(acc, err, base + first * rs, rs, n, REEL_RED_COLS);
        else
            NAME(step_any)(acc, err, base + first * rs, rs, n, w);
    } else
#endif
    {
        enum { SLAB = (TERMS == 4 ? 4 : 2) * REEL_RED_LANES };
        NAME(wide) buf[SLAB * REEL_RED_COLS];
        reel_place at;
        reel_place_set_(&at, red, first);
        for (int64_t i = 0; i < n; i += SLAB) {
            const int64_t rows = n - i < SLAB ? n - i : SLAB;
            for (int64_t r = 0; r < rows; r++) {
                for (int64_t j = 0; j < w; j++) buf[r * w + j] = NARROW(base[at.off + j]);
                reel_place_next_(&at, red);
            }
            CALC(step_any)(acc, err, buf, w, rows, w);
        }
    }
    CALC(tree)(acc, err, m, w);
}

static void NAME(cols)(const reel_reduce_plan *p, const void *x, void *out, void *partial, int64_t begin, int64_t end)
{
    double acc[REEL_RED_LANES * REEL_RED_COLS];
#ifdef COMPENSATED
    double err[REEL_RED_LANES * REEL_RED_COLS];
#else
    double err[1];
#endif
    double tree[REEL_RED_DEPTH][REEL_RED_COLS]; /* reel_pairwise of every column */
    const int64_t width = p->kept.dim[p->kept.n - 1];
    for (int64_t t = begin; t < end; t++) {
        const int64_t tile = t / p->n_parts, first = (t - tile * p->n_parts) * p->part;
        const int64_t last = first + p->part < p->n_red ? first + p->part : p->n_red;
        const int64_t outer = tile / p->n_tiles, col = (tile - outer * p->n_tiles) * REEL_RED_COLS;
        const int64_t w = width - col < REEL_RED_COLS ? width - col : REEL_RED_COLS, o = outer * width + col;
        const T *base = (const T *)x + reel_walk_offset_(&p->kept, o);
        int64_t chunks = 0;
        int top = 0;
        for (int64_t i = first; i < last; i += REEL_RED_CHUNK) {
            NAME(tile)(acc, err, base, &p->red, i, last - i < REEL_RED_CHUNK ? last - i : REEL_RED_CHUNK, w);
            if (last - first <= REEL_RED_CHUNK) break;
            for (int64_t k = chunks++; k & 1; k >>= 1) {
                top--;
                for (int64_t j = 0; j < w; j++) acc[j] = JOIN(tree[top][j], acc[j]);
            }
            for (int64_t j = 0; j < w; j++) tree[top][j] = acc[j];
            top++;
        }
        for (int k = top - 2; k >= 0; k--)
            for (int64_t j = 0; j < w; j++) acc[j] = JOIN(tree[k][j], k == top - 2 ? tree[top - 1][j] : acc[j]);
        if (top == 1)
            for (int64_t j = 0; j < w; j++) acc[j] = tree[0][j];
        if (p->n_parts == 1)
            for (int64_t j = 0; j < w; j++) ((T *)out)[o + j] = STORE(reel_sum_result_(acc[j], p->kind, p->n_red));
        else
            for (int64_t j = 0; j < w; j++) ((double *)partial)[(o + j) * p->n_parts + t % p->n_parts] = acc[j];
    }
}
#undef ADD
#undef JOIN
#undef NEUTRAL
#undef PUSH
#undef END
#undef T
#undef NAME
#undef LOAD
#undef STORE
#undef COMPENSATED
#undef TERMS
#undef NARROW
#undef CALC
#undef WIDE
