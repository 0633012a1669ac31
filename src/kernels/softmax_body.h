/* softmax_body.h: softmax, log-softmax, their gradients and cross entropy of one element type; included by level_softmax.c with
   T, C (what it is computed in), SAME (is T C?), NAME(f), CALC(f) (softmax_chunk.h of C), LOAD(x) -> C, STORE(C) -> T, EXP and FALL (EXP of no more than 0)
   defined. */

#define QUIET(v) ((v) == (v) ? (v) : (C)NAN) /* one pattern of NaN, whatever met what */

/* n elements of a row as C: the row itself or a copy in b */
REEL_ALWAYS_INLINE const C *NAME(fetch)(C *b, const T *x, int64_t stride, int64_t n)
{
#if SAME
    if (stride == 1) return x;
#endif
    if (stride == 1)
        for (int64_t i = 0; i < n; i++) b[i] = LOAD(x[i]);
    else
        for (int64_t i = 0; i < n; i++) b[i] = LOAD(x[i * stride]);
    return b;
}

/* What a row needs: its largest element and the sum of e^(x - largest). b and e: a chunk each. The exponentials are left in
   e if they fit, or in whole, which has n places, if it is not NULL. */
REEL_ALWAYS_INLINE double NAME(scan)(C *b, C *e, C *whole, const T *x, int64_t stride, int64_t n, C *largest)
{
    C m = -(C)INFINITY;
    if (n <= REEL_RED_CHUNK) {
        const C *from = NAME(fetch)(b, x, stride, n);
        *largest = m = CALC(largest)(from, n, m);
        return CALC(exponentials)(whole ? whole : e, from, n, m);
    }
    for (int64_t i = 0; i < n; i += REEL_RED_CHUNK) {
        const int64_t k = n - i < REEL_RED_CHUNK ? n - i : REEL_RED_CHUNK;
        m = CALC(largest)(NAME(fetch)(b, x + i * stride, stride, k), k, m);
    }
    reel_pairwise tree;
    tree.n = 0, tree.top = 0;
    for (int64_t i = 0; i < n; i += REEL_RED_CHUNK) {
        const int64_t k = n - i < REEL_RED_CHUNK ? n - i : REEL_RED_CHUNK;
        const C *from = NAME(fetch)(b, x + i * stride, stride, k);
        reel_pairwise_push_(&tree, CALC(exponentials)(whole ? whole + i : e, from, k, m));
    }
    *largest = m;
    return reel_pairwise_end_(&tree);
}

/* Short rows, of one element a lane at most, side by side: t[i][j] is element i of row r + j. The operations on a row are
   scan's, on REEL_SOFT_COLS rows at once. t becomes e^(t - m). */
REEL_ALWAYS_INLINE void NAME(scan_short)(const reel_softmax_plan *p, const T *x, int64_t r, int w,
                                         C (*REEL_RESTRICT t)[REEL_SOFT_COLS], C *REEL_RESTRICT m,
                                         double *REEL_RESTRICT sum)
{
    enum { W = REEL_SOFT_COLS };
    const int n = (int)p->n;
    double acc[REEL_RED_LANES][W];
    for (int j = 0; j < W; j++) {
        const T *row = x + reel_walk_offset_(&p->rows, j < w ? r + j : r);
        for (int i = 0; i < n; i++) t[i][j] = LOAD(row[i * p->stride]);
    }
    for (int j = 0; j < W; j++) m[j] = -(C)INFINITY;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < W; j++) m[j] = t[i][j] > m[j] ? t[i][j] : m[j];
    for (int i = 0; i < n; i++)
        for (int j = 0; j < W; j++) {
            t[i][j] = FALL(t[i][j] - m[j]);
            acc[i][j] = (double)t[i][j];
        }
    for (int h = REEL_RED_LANES / 2; h; h >>= 1)
        for (int l = 0; l < h && l + h < n; l++) /* the other lanes hold zeros */
            for (int j = 0; j < W; j++) acc[l][j] += acc[l + h][j];
    for (int j = 0; j < W; j++) sum[j] = acc[0][j];
}

static void NAME(rows_short)(const reel_softmax_plan *p, const void *x, void *out, int64_t begin, int64_t end)
{
    enum { W = REEL_SOFT_COLS };
    C t[REEL_RED_LANES][W], m[W], s[W];
    double sum[W];
    const int n = (int)p->n;
    for (int64_t r = begin; r < end; r += W) {
        const int w = end - r < W ? (int)(end - r) : W;
        NAME(scan_short)(p, x, r, w, t, m, sum);
        for (int j = 0; j < W; j++) s[j] = p->log ? (C)reel_log_f64_(sum[j]) : (C)(1 / sum[j]);
        for (int j = 0; p->log && j < w; j++) {
            const T *row = (const T *)x + reel_walk_offset_(&p->rows, r + j);
            for (int i = 0; i < n; i++) t[i][j] = LOAD(row[i * p->stride]);
        }
        for (int i = 0; i < n; i++)
            for (int j = 0; j < W; j++) {
                const C v = p->log ? (t[i][j] - m[j]) - s[j] : t[i][j] * s[j];
                t[i][j] = QUIET(v);
            }
        T *y = (T *)out + r * p->n;
        for (int j = 0; j < w; j++)
            for (int i = 0; i < n; i++) y[j * n + i] = STORE(t[i][j]);
    }
}

static void NAME(loss_short)(const reel_softmax_plan *p, const void *x, const void *labels, void *out, int64_t begin,
                             int64_t end)
{
    enum { W = REEL_SOFT_COLS };
    C t[REEL_RED_LANES][W], m[W];
    double sum[W], at_label[W];
    for (int64_t r = begin; r < end; r += W) {
        const int w = end - r < W ? (int)(end - r) : W;
        for (int j = 0; j < W; j++) {
            const int64_t k = j < w ? r + j : r;
            const int64_t label = reel_label_(p->label_dtype, labels, reel_walk_offset_(&p->labels, k));
            at_label[j] = (double)LOAD(((const T *)x)[reel_walk_offset_(&p->rows, k) + label * p->stride]);
        }
        NAME(scan_short)(p, x, r, w, t, m, sum);
        for (int j = 0; j < W; j++) {
            const double v = reel_log_f64_(sum[j]) - (at_label[j] - (double)m[j]);
            sum[j] = QUIET(v);
        }
        for (int j = 0; j < w; j++) ((T *)out)[r + j] = STORE((C)sum[j]);
    }
}

#if SAME
/* A row of neighbours: its exponentials are made where the result goes. */
static void NAME(row_whole)(C *REEL_RESTRICT y, const C *REEL_RESTRICT x, int64_t n, bool log)
{
    C none[1], m;
    const double sum = NAME(scan)(none, none, y, x, 1, n, &m);
    const C s = log ? (C)reel_log_f64_(sum) : (C)(1 / sum);
    if (s != s)
        for (int64_t i = 0; i < n; i++) y[i] = (C)NAN;
    else if (log)
        for (int64_t i = 0; i < n; i++) y[i] = (x[i] - m) - s;
    else
        for (int64_t i = 0; i < n; i++) y[i] = y[i] * s;
}
#endif

static void NAME(rows)(const reel_softmax_plan *p, const void *x, const void *labels, void *out, int64_t begin,
                       int64_t end)
{
    C b[REEL_RED_CHUNK], e[REEL_RED_CHUNK], m = 0;
    (void)labels;
    if (p->n <= REEL_RED_LANES) {
        NAME(rows_short)(p, x, out, begin, end);
        return;
    }
    for (int64_t r = begin; r < end; r++) {
        const T *row = (const T *)x + reel_walk_offset_(&p->rows, r);
        T *y = (T *)out + r * p->n;
#if SAME
        if (p->stride == 1) {
            NAME(row_whole)(y, row, p->n, p->log);
            continue;
        }
#endif
        const double sum = NAME(scan)(b, e, NULL, row, p->stride, p->n, &m);
        const C s = p->log ? (C)reel_log_f64_(sum) : (C)(1 / sum);
        for (int64_t i = 0; i < p->n; i += REEL_RED_CHUNK) {
            const int64_t n = p->n - i < REEL_RED_CHUNK ? p->n - i : REEL_RED_CHUNK;
            const C *from = b;
            if (p->log || p->n > REEL_RED_CHUNK) from = NAME(fetch)(b, row + i * p->stride, p->stride, n);
            if (!p->log && p->n > REEL_RED_CHUNK) (void)CALC(exponentials)(e, from, n, m);
            if (p->log)
                for (int64_t j = 0; j < n; j++) e[j] = (from[j] - m) - s;
            else
                for (int64_t j = 0; j < n; j++) e[j] = e[j] * s;
            for (int64_t j = 0; j < n; j++) y[i + j] = STORE(QUIET(e[j]));
        }
    }
}

static void NAME(loss)(const reel_softmax_plan *p, const void *x, const void *labels, void *out, int64_t begin,
                       int64_t end)
{
    C b[REEL_RED_CHUNK], e[REEL_RED_CHUNK], m = 0;
    if (p->n <= REEL_RED_LANES) {
        NAME(loss_short)(p, x, labels, out, begin, end);
        return;
    }
    for (int64_t r = begin; r < end; r++) {
        const T *row = (const T *)x + reel_walk_offset_(&p->rows, r);
        const int64_t label = reel_label_(p->label_dtype, labels, reel_walk_offset_(&p->labels, r));
        const double sum = NAME(scan)(b, e, NULL, row, p->stride, p->n, &m);
        const double v = reel_log_f64_(sum) - ((double)LOAD(row[label * p->stride]) - (double)m);
        ((T *)out)[r] = STORE((C)QUIET(v));
    }
}

/* ---- REEL_SOFT_COLS rows side by side, whose elements neighbour each other in the output -------------------- */
typedef struct NAME(tile) {
    int64_t at[REEL_SOFT_COLS]; /* where they begin */
    bool run;                   /* and are neighbours themselves */
} NAME(tile);
static void NAME(tile_of)(NAME(tile) * t, const reel_walk *rows, int64_t first, int64_t w)
{
    for (int64_t j = 0; j < REEL_SOFT_COLS; j++) t->at[j] = reel_walk_offset_(rows, first + (j < w ? j : 0));
    t->run = w == REEL_SOFT_COLS;
    for (int64_t j = 0; j < REEL_SOFT_COLS; j++) t->run = t->run && t->at[j] == t->at[0] + j;
}
REEL_ALWAYS_INLINE void NAME(line)(C *REEL_RESTRICT b, const NAME(tile) * t, const T *x)
{
    if (t->run)
        for (int j = 0; j < REEL_SOFT_COLS; j++) b[j] = LOAD(x[t->at[0] + j]);
    else
        for (int j = 0; j < REEL_SOFT_COLS; j++) b[j] = LOAD(x[t->at[j]]);
}
REEL_ALWAYS_INLINE void NAME(store_line)(T *REEL_RESTRICT y, const C *REEL_RESTRICT b, int64_t w)
{
    if (w == REEL_SOFT_COLS)
        for (int j = 0; j < REEL_SOFT_COLS; j++) y[j] = STORE(QUIET(b[j]));
    else
        for (int64_t j = 0; j < w; j++) y[j] = STORE(QUIET(b[j]));
}
#define NEXT_FOUR(i) ((i) % L == L - 1 ? (i) + 3 * L + 1 : (i) + 1) /* i is the first of four terms of a lane */
static void NAME(cols)(const reel_softmax_plan *p, const void *x, const void *labels, void *out, int64_t begin,
                       int64_t end)
{
    enum { W = REEL_SOFT_COLS, L = REEL_RED_LANES };
    CALC(column) acc[L], tree[REEL_RED_DEPTH];
    C m[W], b[W], s[W], four[4][W];
    NAME(tile) t;
    (void)labels;
    CALC(zero_lanes)(acc);
    for (int64_t task = begin; task < end; task++) {
        const int64_t outer = task / p->n_tiles, col = (task - outer * p->n_tiles) * W;
        const int64_t w = p->inner - col < W ? p->inner - col : W;
        T *const y = (T *)out + outer * p->n * p->inner + col;
        NAME(tile_of)(&t, &p->rows, outer * p->inner + col, w);
        for (int j = 0; j < W; j++) m[j] = -(C)INFINITY;
        for (int64_t i = 0; i < p->n; i++) {
            NAME(line)(b, &t, (const T *)x + i * p->stride);
            for (int j = 0; j < W; j++) m[j] = b[j] > m[j] ? b[j] : m[j];
        }
        int top = 0;
        for (int64_t first = 0, chunk = 0; first < p->n; first += REEL_RED_CHUNK, chunk++) {
            const int64_t last = p->n - first < REEL_RED_CHUNK ? p->n : first + REEL_RED_CHUNK;
            for (int64_t i = first; i < last; i = NEXT_FOUR(i)) {
                for (int64_t k = 0, at = i; k < 4; k++, at += L) {
                    for (int j = 0; j < W; j++) four[k][j] = -(C)0;
                    if (at >= last) continue;
                    NAME(line)(b, &t, (const T *)x + at * p->stride);
                    for (int j = 0; j < W; j++) four[k][j] = FALL(b[j] - m[j]);
#if SAME
                    if (!p->log) NAME(store_line)(y + at * p->inner, four[k], w);
#endif
                }
                CALC(add_four)(acc[i % L], four);
            }
            top = CALC(push_chunk)(acc, tree, top, chunk);
        }
        CALC(end_chunks)(tree, top);
        for (int j = 0; j < W; j++) s[j] = p->log ? (C)reel_log_f64_(tree[0][j]) : (C)(1 / tree[0][j]);
        for (int64_t i = 0; i < p->n; i++) {
            T *to = y + i * p->inner;
            if (p->log || !SAME) NAME(line)(b, &t, (const T *)x + i * p->stride);
            if (p->log)
                for (int j = 0; j < W; j++) b[j] = (b[j] - m[j]) - s[j];
#if SAME
            else
                for (int64_t j = 0; j < w; j++) b[j] = to[j] * s[j];
#else
            else
                for (int j = 0; j < W; j++) b[j] = FALL(b[j] - m[j]) * s[j];
#endif
            NAME(store_line)(to, b, w);
        }
    }
}

/* ---- gradients: y (g - sum y g); of log-softmax g - e^y sum g --------------------------------------------------- */
#define SLOPE(y, g, sum) (log ? (g)-EXP(y) * (sum) : (y) * ((g) - (sum)))

REEL_ALWAYS_INLINE void NAME(back_row)(const reel_softmax_plan *p, T *REEL_RESTRICT to, const T *y, const T *g,
                                       bool log)
{
    C by[REEL_RED_CHUNK], bg[REEL_RED_CHUNK];
    const C *v = by, *w = bg;
    reel_pairwise tree;
    tree.n = 0, tree.top = 0;
    for (int64_t i = 0; i < p->n; i += REEL_RED_CHUNK) {
        const int64_t n = p->n - i < REEL_RED_CHUNK ? p->n - i : REEL_RED_CHUNK;
        v = NAME(fetch)(by, y + i * p->stride, p->stride, n);
        w = NAME(fetch)(bg, g + i * p->g_stride, p->g_stride, n);
        reel_pairwise_push_(&tree, CALC(dot)(v, w, n, log));
    }
    const C sum = (C)reel_pairwise_end_(&tree);
    for (int64_t i = 0; i < p->n; i += REEL_RED_CHUNK) {
        const int64_t n = p->n - i < REEL_RED_CHUNK ? p->n - i : REEL_RED_CHUNK;
        if (p->n > REEL_RED_CHUNK) {
            v = NAME(fetch)(by, y + i * p->stride, p->stride, n);
            w = NAME(fetch)(bg, g + i * p->g_stride, p->g_stride, n);
        }
        for (int64_t j = 0; j < n; j++) {
            const C d = SLOPE(v[j], w[j], sum);
            to[i + j] = STORE(QUIET(d));
        }
    }
}

static void NAME(back_rows)(const reel_softmax_plan *p, const void *y, const void *g, void *out, int64_t begin,
                            int64_t end)
{
    for (int64_t r = begin; r < end; r++) {
        const T *const row = (const T *)y + reel_walk_offset_(&p->rows, r);
        const T *const slope = (const T *)g + reel_walk_offset_(&p->labels, r);
        if (p->log)
            NAME(back_row)(p, (T *)out + r * p->n, row, slope, true);
        else
            NAME(back_row)(p, (T *)out + r * p->n, row, slope, false);
    }
}

static void NAME(back_cols)(const reel_softmax_plan *p, const void *y, const void *g, void *out, int64_t begin,
                            int64_t end)
{
    enum { W = REEL_SOFT_COLS, L = REEL_RED_LANES };
    CALC(column) acc[L], tree[REEL_RED_DEPTH];
    C b[W], c[W], sum[W], four[4][W];
    NAME(tile) ty, tg;
    const bool log = p->log;
    CALC(zero_lanes)(acc);
    for (int64_t task = begin; task < end; task++) {
        const int64_t outer = task / p->n_tiles, col = (task - outer * p->n_tiles) * W;
        const int64_t w = p->inner - col < W ? p->inner - col : W;
        NAME(tile_of)(&ty, &p->rows, outer * p->inner + col, w);
        NAME(tile_of)(&tg, &p->labels, outer * p->inner + col, w);
        int top = 0;
        for (int64_t first = 0, chunk = 0; first < p->n; first += REEL_RED_CHUNK, chunk++) {
            const int64_t last = p->n - first < REEL_RED_CHUNK ? p->n : first + REEL_RED_CHUNK;
            for (int64_t i = first; i < last; i = NEXT_FOUR(i)) {
                for (int64_t k = 0, at = i; k < 4; k++, at += L) {
                    for (int j = 0; j < W; j++) four[k][j] = -(C)0;
                    if (at >= last) continue;
                    NAME(line)(c, &tg, (const T *)g + at * p->g_stride);
                    if (!log) NAME(line)(b, &ty, (const T *)y + at * p->stride);
                    for (int j = 0; j < W; j++) four[k][j] = log ? c[j] : b[j] * c[j];
                }
                CALC(add_four)(acc[i % L], four);
            }
            top = CALC(push_chunk)(acc, tree, top, chunk);
        }
        CALC(end_chunks)(tree, top);
        for (int j = 0; j < W; j++) sum[j] = (C)tree[0][j];
        T *to = (T *)out + outer * p->n * p->inner + col;
        for (int64_t i = 0; i < p->n; i++, to += p->inner) {
            NAME(line)(b, &ty, (const T *)y + i * p->stride);
            NAME(line)(c, &tg, (const T *)g + i * p->g_stride);
            if (log)
                for (int j = 0; j < W; j++) b[j] = c[j] - EXP(b[j]) * sum[j];
            else
                for (int j = 0; j < W; j++) b[j] = b[j] * (c[j] - sum[j]);
            NAME(store_line)(to, b, w);
        }
    }
}
#undef SLOPE
#undef NEXT_FOUR
#undef QUIET
#undef T
#undef C
#undef SAME
#undef NAME
#undef CALC
#undef LOAD
#undef STORE
#undef EXP
#undef FALL
