/* reduce_stat.h: reductions to two numbers a run, joined in the sum's tree (see reduce.h); included by level_stats.c with
   T, C (what a chunk is computed in), NAME(f), LOAD(x) -> C, STORE(double) -> T and either VARIANCE or EXP(C) defined.

   Variance: of a chunk the mean, then the squared distances from it, less the square of their sum (Chan et al. 1983), in
   lanes of double. Log-sum-exp: of a chunk the largest element m, then the sum of e^(x - m). */

#ifdef VARIANCE
#define MERGE(x, y) reel_join_variance_(x, y)
#define RESULT(p, s) reel_variance_result_(p, s)
#else
#define MERGE(x, y) reel_join_exps_(x, y)
#define RESULT(p, s) reel_exps_result_(s)
#endif

REEL_DEFINE_GATHER(NAME(gather), T)

/* 16 lanes to one */
REEL_ALWAYS_INLINE double NAME(lanes)(double *acc)
{
    for (int h = REEL_RED_LANES / 2; h; h >>= 1)
        for (int l = 0; l < h; l++) acc[l] += acc[l + h];
    return acc[0];
}

/* n contiguous elements, a chunk at most */
#ifdef VARIANCE
static reel_stat NAME(chunk)(const T *p, int64_t n)
{
    enum { L = REEL_RED_LANES };
    double sum[L] = {0}, dist[L] = {0}, square[L] = {0};
    int64_t i = 0;
    for (; i + L <= n; i += L)
        for (int l = 0; l < L; l++) sum[l] += (double)LOAD(p[i + l]);
    for (int l = 0; i + l < n; l++) sum[l] += (double)LOAD(p[i + l]);
    const double mean = NAME(lanes)(sum) / (double)n;
    for (i = 0; i + L <= n; i += L)
        for (int l = 0; l < L; l++) {
            const double d = (double)LOAD(p[i + l]) - mean;
            dist[l] += d;
            square[l] += d * d;
        }
    for (int l = 0; i + l < n; l++) {
        const double d = (double)LOAD(p[i + l]) - mean;
        dist[l] += d;
        square[l] += d * d;
    }
    const double left = NAME(lanes)(dist), total = NAME(lanes)(square);
    return (reel_stat){(double)n, mean, total - left * left / (double)n};
}
#else
static reel_stat NAME(chunk)(const T *p, int64_t n)
{
    enum { L = REEL_RED_LANES };
    C b[REEL_RED_CHUNK], top[L];
    const int64_t full = (n + L - 1) / L * L;
    double sum[L] = {0};
    for (int64_t i = 0; i < n; i++) b[i] = LOAD(p[i]);
    for (int64_t i = n; i < full; i++) b[i] = -(C)INFINITY;
    for (int l = 0; l < L; l++) top[l] = -(C)INFINITY;
    for (int64_t i = 0; i < full; i += L)
        for (int l = 0; l < L; l++) top[l] = b[i + l] > top[l] ? b[i + l] : top[l];
    C m = top[0];
    for (int l = 1; l < L; l++) m = top[l] > m ? top[l] : m;
    const C from = reel_exps_from_(m);
    for (int64_t i = 0; i < full; i += L)
        for (int l = 0; l < L; l++) sum[l] += (double)EXP(b[i + l] - from);
    return reel_exps_of_((double)m, NAME(lanes)(sum), (double)n);
}
#endif

/* The same for w columns at once; row i lies at base + off[i]. */
static void NAME(tile)(reel_stat *REEL_RESTRICT s, const T *base, const int64_t *off, int64_t n, int64_t w)
{
    enum { L = REEL_RED_LANES };
    double acc[L][REEL_RED_COLS];
#ifdef VARIANCE
    double left[L][REEL_RED_COLS], mean[REEL_RED_COLS];
    for (int l = 0; l < L; l++)
        for (int64_t j = 0; j < w; j++) acc[l][j] = left[l][j] = 0;
    for (int64_t i = 0; i < n; i++) {
        const T *q = base + off[i];
        double *a = acc[i % L];
        for (int64_t j = 0; j < w; j++) a[j] += (double)LOAD(q[j]);
    }
    for (int h = L / 2; h; h >>= 1)
        for (int l = 0; l < h; l++)
            for (int64_t j = 0; j < w; j++) acc[l][j] += acc[l + h][j];
    for (int64_t j = 0; j < w; j++) mean[j] = acc[0][j] / (double)n;
    for (int l = 0; l < L; l++)
        for (int64_t j = 0; j < w; j++) acc[l][j] = 0;
    for (int64_t i = 0; i < n; i++) {
        const T *q = base + off[i];
        double *a = acc[i % L], *e = left[i % L];
        for (int64_t j = 0; j < w; j++) {
            const double d = (double)LOAD(q[j]) - mean[j];
            e[j] += d;
            a[j] += d * d;
        }
    }
    for (int h = L / 2; h; h >>= 1)
        for (int l = 0; l < h; l++)
            for (int64_t j = 0; j < w; j++) {
                acc[l][j] += acc[l + h][j];
                left[l][j] += left[l + h][j];
            }
    for (int64_t j = 0; j < w; j++)
        s[j] = (reel_stat){(double)n, mean[j], acc[0][j] - left[0][j] * left[0][j] / (double)n};
#else
    C m[REEL_RED_COLS], from[REEL_RED_COLS];
    for (int64_t j = 0; j < w; j++) m[j] = -(C)INFINITY;
    for (int l = 0; l < L; l++)
        for (int64_t j = 0; j < w; j++) acc[l][j] = 0;
    for (int64_t i = 0; i < n; i++) {
        const T *q = base + off[i];
        for (int64_t j = 0; j < w; j++) {
            const C v = LOAD(q[j]);
            m[j] = v > m[j] ? v : m[j];
        }
    }
    for (int64_t j = 0; j < w; j++) from[j] = reel_exps_from_(m[j]);
    for (int64_t i = 0; i < n; i++) {
        const T *q = base + off[i];
        double *a = acc[i % L];
        for (int64_t j = 0; j < w; j++) a[j] += (double)EXP(LOAD(q[j]) - from[j]);
    }
    for (int h = L / 2; h; h >>= 1)
        for (int l = 0; l < h; l++)
            for (int64_t j = 0; j < w; j++) acc[l][j] += acc[l + h][j];
    for (int64_t j = 0; j < w; j++) s[j] = reel_exps_of_((double)m[j], acc[0][j], (double)n);
#endif
}

static void NAME(rows)(const reel_reduce_plan *p, const void *x, void *out, void *partial, int64_t begin, int64_t end)
{
    T buf[REEL_RED_CHUNK];
    for (int64_t t = begin; t < end; t++) {
        const int64_t o = p->n_parts == 1 ? t : t / p->n_parts, first = (t - o * p->n_parts) * p->part;
        const int64_t last = first + p->part < p->n_red ? first + p->part : p->n_red;
        const T *base = (const T *)x + reel_walk_offset_(&p->kept, o);
        const bool direct = p->red.n == 0 || (p->red.n == 1 && p->red.stride[0] == 1);
        reel_stat tree[REEL_RED_FEW] = {{0, 0, 0}};
        int top = 0;
        for (int64_t i = first, chunk = 0; i < last; i += REEL_RED_CHUNK) {
            const int64_t n = last - i < REEL_RED_CHUNK ? last - i : REEL_RED_CHUNK;
            if (!direct) NAME(gather)(buf, base, &p->red, i, n);
            reel_stat s = NAME(chunk)(direct ? base + i : buf, n);
            for (int64_t k = chunk++; k & 1; k >>= 1) s = MERGE(tree[--top], s);
            tree[top++] = s;
        }
        for (; top > 1; top--) tree[top - 2] = MERGE(tree[top - 2], tree[top - 1]);
        if (p->n_parts == 1)
            ((T *)out)[o] = STORE(RESULT(p, tree[0]));
        else
            ((reel_stat *)partial)[t] = tree[0];
    }
}

static void NAME(cols)(const reel_reduce_plan *p, const void *x, void *out, void *partial, int64_t begin, int64_t end)
{
    reel_stat tree[REEL_RED_FEW][REEL_RED_COLS];
    int64_t off[REEL_RED_CHUNK];
    const int64_t width = p->kept.dim[p->kept.n - 1];
    for (int64_t t = begin; t < end; t++) {
        const int64_t tile = t / p->n_parts, part = t - tile * p->n_parts, first = part * p->part;
        const int64_t last = first + p->part < p->n_red ? first + p->part : p->n_red;
        const int64_t outer = tile / p->n_tiles, col = (tile - outer * p->n_tiles) * REEL_RED_COLS;
        const int64_t w = width - col < REEL_RED_COLS ? width - col : REEL_RED_COLS, o = outer * width + col;
        const T *base = (const T *)x + reel_walk_offset_(&p->kept, o);
        reel_place at;
        reel_place_set_(&at, &p->red, first);
        int top = 0;
        for (int64_t i = first, chunk = 0; i < last; i += REEL_RED_CHUNK) {
            const int64_t n = last - i < REEL_RED_CHUNK ? last - i : REEL_RED_CHUNK;
            for (int64_t r = 0; r < n; r++) {
                off[r] = at.off;
                reel_place_next_(&at, &p->red);
            }
            NAME(tile)(tree[top++], base, off, n, w);
            for (int64_t k = chunk++; k & 1; k >>= 1) {
                top--;
                for (int64_t j = 0; j < w; j++) tree[top - 1][j] = MERGE(tree[top - 1][j], tree[top][j]);
            }
        }
        for (; top > 1; top--)
            for (int64_t j = 0; j < w; j++) tree[top - 2][j] = MERGE(tree[top - 2][j], tree[top - 1][j]);
        for (int64_t j = 0; j < w; j++)
            if (p->n_parts == 1)
                ((T *)out)[o + j] = STORE(RESULT(p, tree[0][j]));
            else
                ((reel_stat *)partial)[(o + j) * p->n_parts + part] = tree[0][j];
    }
}
#undef MERGE
#undef RESULT
#undef T
#undef C
#undef NAME
#undef LOAD
#undef STORE
#undef EXP
#undef VARIANCE
