/* softmax_body.h: softmax, log-softmax and cross entropy of one element type; included by level_softmax.c with T, C
   (what it is computed in), NAME(f), LOAD(x) -> C, STORE(C) -> T and EXP defined.

   Rows go through a buffer, filled up to a multiple of 32 with -inf, whose exponential adds nothing. */

#define QUIET(v) ((v) == (v) ? (v) : (C)NAN) /* one pattern of NaN, whatever met what */

/* n elements to the buffer. room: how many may be read from x on, n at least; reading past the row's end and dropping
   what was read is faster than copying an odd number. */
REEL_ALWAYS_INLINE void NAME(load)(C *REEL_RESTRICT b, const T *REEL_RESTRICT x, int64_t stride, int64_t n,
                                   int64_t room)
{
    const int64_t full = n / REEL_SOFT_PAD * REEL_SOFT_PAD, left = n - full;
    if (stride != 1) {
        for (int64_t i = 0; i < n; i++) b[i] = LOAD(x[i * stride]);
        for (int64_t i = n; left && i < full + REEL_SOFT_PAD; i++) b[i] = -(C)INFINITY;
        return;
    }
    for (int64_t i = 0; i < full; i++) b[i] = LOAD(x[i]);
    if (left == 0) return;
    if (full + REEL_SOFT_PAD <= room) {
        for (int i = 0; i < REEL_SOFT_PAD; i++) {
            const C v = LOAD(x[full + i]);
            b[full + i] = i < (int)left ? v : -(C)INFINITY;
        }
    } else {
        for (int i = 0; i < REEL_SOFT_PAD; i++) b[full + i] = -(C)INFINITY;
        for (int64_t i = full; i < n; i++) b[i] = LOAD(x[i]);
    }
}

/* The largest of m0 and the buffer's n elements. NaN is passed over here: it shows in the sum. */
REEL_ALWAYS_INLINE C NAME(largest)(const C *b, int64_t n, C m0)
{
    C m[REEL_SOFT_PAD];
    for (int l = 0; l < REEL_SOFT_PAD; l++) m[l] = b[l] > m0 ? b[l] : m0;
    for (int64_t i = REEL_SOFT_PAD; i < n; i += REEL_SOFT_PAD)
        for (int l = 0; l < REEL_SOFT_PAD; l++) m[l] = b[i + l] > m[l] ? b[i + l] : m[l];
    for (int l = 0; l < 16; l++) m[l] = m[l + 16] > m[l] ? m[l + 16] : m[l];
    for (int l = 0; l < 8; l++) m[l] = m[l + 8] > m[l] ? m[l + 8] : m[l];
    for (int l = 0; l < 4; l++) m[l] = m[l + 4] > m[l] ? m[l + 4] : m[l];
    for (int l = 0; l < 2; l++) m[l] = m[l + 2] > m[l] ? m[l + 2] : m[l];
    return m[1] > m[0] ? m[1] : m[0];
}

/* b becomes e^(b - m) */
REEL_ALWAYS_INLINE void NAME(exponentials)(C *b, int64_t n, C m)
{
    for (int64_t i = 0; i < n; i += REEL_RED_LANES)
        for (int l = 0; l < REEL_RED_LANES; l++) b[i + l] = EXP(b[i + l] - m);
}

/* The sum of at most a chunk. */
REEL_ALWAYS_INLINE double NAME(chunk)(const C *b, int64_t n)
{
    double acc[REEL_RED_LANES];
    for (int l = 0; l < REEL_RED_LANES; l++) acc[l] = 0;
    for (int64_t i = 0; i < n; i += REEL_RED_LANES)
        for (int l = 0; l < REEL_RED_LANES; l++) acc[l] += (double)b[i + l];
    for (int l = 0; l < 8; l++) acc[l] += acc[l + 8];
    for (int l = 0; l < 4; l++) acc[l] += acc[l + 4];
    for (int l = 0; l < 2; l++) acc[l] += acc[l + 2];
    return acc[0] + acc[1];
}

/* What a row needs: its largest element and the sum of e^(x - largest). If the row fits into the buffer, the
   exponentials are left there. */
static double NAME(scan)(C *b, const T *x, int64_t stride, int64_t n, int64_t room, C *largest)
{
    C m = -(C)INFINITY;
    if (n <= REEL_RED_CHUNK) {
        NAME(load)(b, x, stride, n, room);
        *largest = m = NAME(largest)(b, n, m);
        NAME(exponentials)(b, n, m);
        return NAME(chunk)(b, n);
    }
    for (int64_t i = 0; i < n; i += REEL_RED_CHUNK) {
        const int64_t k = n - i < REEL_RED_CHUNK ? n - i : REEL_RED_CHUNK;
        NAME(load)(b, x + i * stride, stride, k, k);
        m = NAME(largest)(b, k, m);
    }
    reel_pairwise tree;
    tree.n = 0, tree.top = 0;
    for (int64_t i = 0; i < n; i += REEL_RED_CHUNK) {
        const int64_t k = n - i < REEL_RED_CHUNK ? n - i : REEL_RED_CHUNK;
        NAME(load)(b, x + i * stride, stride, k, k);
        NAME(exponentials)(b, k, m);
        reel_pairwise_push_(&tree, NAME(chunk)(b, k));
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
            t[i][j] = EXP(t[i][j] - m[j]);
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
        for (int j = 0; j < W; j++) s[j] = p->log ? (C)reel_log_f64_(sum[j]) : (C)sum[j];
        for (int j = 0; p->log && j < w; j++) {
            const T *row = (const T *)x + reel_walk_offset_(&p->rows, r + j);
            for (int i = 0; i < n; i++) t[i][j] = LOAD(row[i * p->stride]);
        }
        for (int i = 0; i < n; i++)
            for (int j = 0; j < W; j++) {
                const C v = p->log ? (t[i][j] - m[j]) - s[j] : t[i][j] / s[j];
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

static void NAME(rows)(const reel_softmax_plan *p, const void *x, const void *labels, void *out, int64_t begin,
                       int64_t end)
{
    C b[REEL_RED_CHUNK], m = 0;
    (void)labels;
    if (p->n <= REEL_RED_LANES) {
        NAME(rows_short)(p, x, out, begin, end);
        return;
    }
    for (int64_t r = begin; r < end; r++) {
        const T *row = (const T *)x + reel_walk_offset_(&p->rows, r);
        T *y = (T *)out + r * p->n;
        const double sum = NAME(scan)(b, row, p->stride, p->n, p->dense ? p->dense - r * p->n : p->n, &m);
        const C s = p->log ? (C)reel_log_f64_(sum) : (C)sum;
        for (int64_t i = 0; i < p->n; i += REEL_RED_CHUNK) {
            const int64_t n = p->n - i < REEL_RED_CHUNK ? p->n - i : REEL_RED_CHUNK;
            if (p->log || p->n > REEL_RED_CHUNK) {
                NAME(load)(b, row + i * p->stride, p->stride, n, n);
                if (!p->log) NAME(exponentials)(b, n, m);
            }
            const int64_t v = (n + REEL_RED_LANES - 1) & -REEL_RED_LANES; /* whole blocks; the excess is not stored */
            if (p->log)
                for (int64_t j = 0; j < v; j++) b[j] = (b[j] - m) - s;
            else
                for (int64_t j = 0; j < v; j++) b[j] = b[j] / s;
            for (int64_t j = 0; j < v; j++) b[j] = QUIET(b[j]);
            for (int64_t j = 0; j < n; j++) y[i + j] = STORE(b[j]);
        }
    }
}

static void NAME(loss)(const reel_softmax_plan *p, const void *x, const void *labels, void *out, int64_t begin,
                       int64_t end)
{
    C b[REEL_RED_CHUNK], m = 0;
    if (p->n <= REEL_RED_LANES) {
        NAME(loss_short)(p, x, labels, out, begin, end);
        return;
    }
    for (int64_t r = begin; r < end; r++) {
        const T *row = (const T *)x + reel_walk_offset_(&p->rows, r);
        const int64_t label = reel_label_(p->label_dtype, labels, reel_walk_offset_(&p->labels, r));
        const double sum = NAME(scan)(b, row, p->stride, p->n, p->dense ? p->dense - r * p->n : p->n, &m);
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
#define FETCH(i)                                                          \
    do {                                                                  \
        const T *row_ = (const T *)x + (i)*p->stride;                     \
        if (run)                                                          \
            for (int64_t j = 0; j < W; j++) b[j] = LOAD(row_[at[0] + j]); \
        else                                                              \
            for (int64_t j = 0; j < W; j++) b[j] = LOAD(row_[at[j]]);     \
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
