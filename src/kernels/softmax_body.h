/* softmax_body.h: softmax, log-softmax and cross entropy of one element type; included by level_softmax.c with T, C (what
   it is computed in), NAME(f), LOAD(x) -> C, STORE(C) -> T, EXP, and KEEP (1: e^(x - m) fits T, so the output holds it). */

/* Sixteen elements of a row from i on; -inf stands where the row has ended: its exponential adds nothing. */
REEL_ALWAYS_INLINE void NAME(block)(C b[REEL_RED_LANES], const T *x, int64_t stride, int64_t i, int64_t n)
{
    if (n - i >= REEL_RED_LANES && stride == 1) {
        for (int l = 0; l < REEL_RED_LANES; l++) b[l] = LOAD(x[i + l]);
    } else if (n - i >= REEL_RED_LANES) {
        for (int l = 0; l < REEL_RED_LANES; l++) b[l] = LOAD(x[(i + l) * stride]);
    } else {
        for (int l = 0; l < REEL_RED_LANES; l++) b[l] = -(C)INFINITY;
        for (int64_t l = 0; l < n - i; l++) b[l] = LOAD(x[(i + l) * stride]);
    }
}

/* NaN is passed over here: it shows in the sum. */
REEL_ALWAYS_INLINE C NAME(largest)(const T *x, int64_t stride, int64_t n)
{
    C m[REEL_RED_LANES], b[REEL_RED_LANES];
    for (int l = 0; l < REEL_RED_LANES; l++) m[l] = -(C)INFINITY;
    for (int64_t i = 0; i < n; i += REEL_RED_LANES) {
        NAME(block)(b, x, stride, i, n);
        for (int l = 0; l < REEL_RED_LANES; l++) m[l] = b[l] > m[l] ? b[l] : m[l];
    }
    for (int h = REEL_RED_LANES / 2; h; h >>= 1)
        for (int l = 0; l < h; l++) m[l] = m[l + h] > m[l] ? m[l + h] : m[l];
    return m[0];
}

/* The sum of e^(x - m); the terms go to keep, if it is not NULL. */
REEL_ALWAYS_INLINE double NAME(sum)(const T *x, int64_t stride, int64_t n, C m, T *keep)
{
    reel_pairwise tree;
    tree.n = 0, tree.top = 0;
    for (int64_t first = 0; first < n; first += REEL_RED_CHUNK) {
        const int64_t last = n - first < REEL_RED_CHUNK ? n : first + REEL_RED_CHUNK;
        double acc[REEL_RED_LANES];
        C b[REEL_RED_LANES];
        for (int l = 0; l < REEL_RED_LANES; l++) acc[l] = 0;
        for (int64_t i = first; i < last; i += REEL_RED_LANES) {
            NAME(block)(b, x, stride, i, n);
            for (int l = 0; l < REEL_RED_LANES; l++) {
                b[l] = EXP(b[l] - m);
                acc[l] += (double)b[l];
            }
            if (!keep) continue;
            if (n - i >= REEL_RED_LANES)
                for (int l = 0; l < REEL_RED_LANES; l++) keep[i + l] = STORE(b[l]);
            else
                for (int64_t l = 0; l < n - i; l++) keep[i + l] = STORE(b[l]);
        }
        for (int h = REEL_RED_LANES / 2; h; h >>= 1)
            for (int l = 0; l < h; l++) acc[l] += acc[l + h];
        if (n <= REEL_RED_CHUNK) return acc[0];
        reel_pairwise_push_(&tree, acc[0]);
    }
    return reel_pairwise_end_(&tree);
}

#define QUIET(v) ((v) == (v) ? (v) : (C)NAN) /* one pattern of NaN, whatever met what */

static void NAME(row)(T *REEL_RESTRICT y, const T *REEL_RESTRICT x, int64_t stride, int64_t n, bool log)
{
    const C m = NAME(largest)(x, stride, n);
    C b[REEL_RED_LANES];
    if (KEEP && !log) {
        const C s = (C)NAME(sum)(x, stride, n, m, y);
        int64_t i = 0;
        for (; i + REEL_RED_LANES <= n; i += REEL_RED_LANES)
            for (int l = 0; l < REEL_RED_LANES; l++) {
                const C v = LOAD(y[i + l]) / s;
                y[i + l] = STORE(QUIET(v));
            }
        for (; i < n; i++) {
            const C v = LOAD(y[i]) / s;
            y[i] = STORE(QUIET(v));
        }
        return;
    }
    const double sum = NAME(sum)(x, stride, n, m, NULL);
    const C s = log ? (C)reel_log_f64_(sum) : (C)sum;
    for (int64_t i = 0; i < n; i += REEL_RED_LANES) {
        NAME(block)(b, x, stride, i, n);
        if (log)
            for (int l = 0; l < REEL_RED_LANES; l++) b[l] = (b[l] - m) - s;
        else
            for (int l = 0; l < REEL_RED_LANES; l++) b[l] = EXP(b[l] - m) / s;
        for (int l = 0; l < REEL_RED_LANES; l++) b[l] = QUIET(b[l]);
        if (n - i >= REEL_RED_LANES)
            for (int l = 0; l < REEL_RED_LANES; l++) y[i + l] = STORE(b[l]);
        else
            for (int64_t l = 0; l < n - i; l++) y[i + l] = STORE(b[l]);
    }
}

static void NAME(rows)(const reel_softmax_plan *p, const void *x, const void *labels, void *out, int64_t begin,
                       int64_t end)
{
    (void)labels;
    for (int64_t r = begin; r < end; r++)
        NAME(row)((T *)out + r * p->n, (const T *)x + reel_walk_offset_(&p->rows, r), p->stride, p->n, p->log);
}

static void NAME(loss)(const reel_softmax_plan *p, const void *x, const void *labels, void *out, int64_t begin,
                       int64_t end)
{
    for (int64_t r = begin; r < end; r++) {
        const T *row = (const T *)x + reel_walk_offset_(&p->rows, r);
        const int64_t label = reel_label_(p->label_dtype, labels, reel_walk_offset_(&p->labels, r));
        const C m = NAME(largest)(row, p->stride, p->n);
        const double sum = NAME(sum)(row, p->stride, p->n, m, NULL);
        const double v = reel_log_f64_(sum) - ((double)LOAD(row[label * p->stride]) - (double)m);
        ((T *)out)[r] = STORE((C)QUIET(v));
    }
}

/* Up to REEL_SOFT_COLS rows side by side, whose elements neighbour each other in the output. */
static void NAME(cols)(const reel_softmax_plan *p, const void *x, const void *labels, void *out, int64_t begin,
                       int64_t end)
{
    enum { W = REEL_SOFT_COLS };
    (void)labels;
    for (int64_t t = begin; t < end; t++) {
        const int64_t outer = t / p->n_tiles, col = (t - outer * p->n_tiles) * W;
        const int64_t w = p->inner - col < W ? p->inner - col : W;
        T *y = (T *)out + outer * p->n * p->inner + col;
        C m[W], b[W];
        int64_t at[W];
        double acc[REEL_RED_LANES][W], tree[REEL_RED_DEPTH][W];
        for (int64_t j = 0; j < W; j++) {
            m[j] = -(C)INFINITY;
            at[j] = reel_walk_offset_(&p->rows, outer * p->inner + col + (j < w ? j : 0));
        }
        const bool run = w == W && at[W - 1] == at[0] + W - 1;
#define FETCH(i)                                                                                                       \
    do {                                                                                                               \
        const T *row_ = (const T *)x + (i) * p->stride;                                                                \
        if (run)                                                                                                       \
            for (int64_t j = 0; j < W; j++) b[j] = LOAD(row_[at[0] + j]);                                              \
        else                                                                                                           \
            for (int64_t j = 0; j < W; j++) b[j] = LOAD(row_[at[j]]);                                                  \
    } while (0)
        for (int64_t i = 0; i < p->n; i++) {
            FETCH(i);
            for (int64_t j = 0; j < W; j++) m[j] = b[j] > m[j] ? b[j] : m[j];
        }
        int top = 0;
        for (int64_t first = 0, chunk = 0; first < p->n; first += REEL_RED_CHUNK, chunk++) {
            const int64_t last = p->n - first < REEL_RED_CHUNK ? p->n : first + REEL_RED_CHUNK;
            for (int l = 0; l < REEL_RED_LANES; l++)
                for (int64_t j = 0; j < W; j++) acc[l][j] = 0;
            for (int64_t i = first; i < last; i++) {
                double *lane = acc[i % REEL_RED_LANES];
                FETCH(i);
                for (int64_t j = 0; j < W; j++) {
                    b[j] = EXP(b[j] - m[j]);
                    lane[j] += (double)b[j];
                }
            }
            for (int h = REEL_RED_LANES / 2; h; h >>= 1)
                for (int l = 0; l < h; l++)
                    for (int64_t j = 0; j < W; j++) acc[l][j] += acc[l + h][j];
            for (int64_t k = chunk; k & 1; k >>= 1) {
                top--;
                for (int64_t j = 0; j < W; j++) acc[0][j] = tree[top][j] + acc[0][j];
            }
            for (int64_t j = 0; j < W; j++) tree[top][j] = acc[0][j];
            top++;
        }
        while (top > 1) {
            top--;
            for (int64_t j = 0; j < W; j++) tree[top - 1][j] = tree[top - 1][j] + tree[top][j];
        }
        C s[W];
        for (int64_t j = 0; j < W; j++) s[j] = p->log ? (C)reel_log_f64_(tree[0][j]) : (C)tree[0][j];
        for (int64_t i = 0; i < p->n; i++) {
            T *to = y + i * p->inner;
            FETCH(i);
            if (p->log)
                for (int64_t j = 0; j < W; j++) b[j] = (b[j] - m[j]) - s[j];
            else
                for (int64_t j = 0; j < W; j++) b[j] = EXP(b[j] - m[j]) / s[j];
            for (int64_t j = 0; j < W; j++) b[j] = QUIET(b[j]);
            if (w == W)
                for (int64_t j = 0; j < W; j++) to[j] = STORE(b[j]);
            else
                for (int64_t j = 0; j < w; j++) to[j] = STORE(b[j]);
        }
    }
}
#undef FETCH
#undef QUIET
#undef T
#undef C
#undef NAME
#undef LOAD
#undef STORE
#undef EXP
#undef KEEP
