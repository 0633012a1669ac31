/* norm_body.h: normalisation of one element type; included by level_norm.c with T, C (what it is computed in), S (mean and
   variance), NAME(f), LOAD(x) -> C, STORE(C) -> T, SAME (is T C?) defined. */

REEL_DEFINE_GATHER(NAME(gather), T)

/* to memory, with one pattern of NaN, whatever met what */
REEL_ALWAYS_INLINE T NAME(put)(C v)
{
    return STORE(v == v ? v : (C)NAN);
}
#define PUT(v) NAME(put)(v)

/* n elements of operand k's row from the first-th on, as C: the row itself or a copy in b. */
REEL_ALWAYS_INLINE const C *NAME(fetch)(const reel_norm_plan *p, int k, const T *row, int64_t first, int64_t n, C *b)
{
    T raw[REEL_RED_CHUNK];
    const T *from = row + first;
    if (!p->direct[k]) {
        NAME(gather)(raw, row, &p->red[k], first, n);
        from = raw;
    }
#if SAME
    if (p->direct[k]) return (const C *)from;
#endif
    for (int64_t i = 0; i < n; i++) b[i] = LOAD(from[i]);
    return b;
}

#define LANES_BEGIN(acc)        \
    double acc[REEL_RED_LANES]; \
    for (int l = 0; l < REEL_RED_LANES; l++) acc[l] = 0
#define LANES_END(acc)                                \
    for (int l = 0; l < 8; l++) acc[l] += acc[l + 8]; \
    for (int l = 0; l < 4; l++) acc[l] += acc[l + 4]; \
    for (int l = 0; l < 2; l++) acc[l] += acc[l + 2]
/* value is an expression of i */
#define LANES_ADD(acc, n, value)                                       \
    do {                                                               \
        const int64_t full_ = (n) / REEL_RED_LANES * REEL_RED_LANES;   \
        for (int64_t at_ = 0; at_ < full_; at_ += REEL_RED_LANES)      \
            for (int l = 0; l < REEL_RED_LANES; l++) {                 \
                const int64_t i = at_ + l;                             \
                acc[l] += value;                                       \
            }                                                          \
        for (int64_t i = full_; i < (n); i++) acc[i - full_] += value; \
    } while (0)

REEL_ALWAYS_INLINE double NAME(sum)(const C *x, int64_t n)
{
    LANES_BEGIN(acc);
    LANES_ADD(acc, n, (double)x[i]);
    LANES_END(acc);
    return acc[0] + acc[1];
}
REEL_ALWAYS_INLINE double NAME(squares)(const C *x, int64_t n, double mean)
{
    LANES_BEGIN(acc);
    LANES_ADD(acc, n, ((double)x[i] - mean) * ((double)x[i] - mean));
    LANES_END(acc);
    return acc[0] + acc[1];
}
REEL_ALWAYS_INLINE double NAME(products)(const C *x, const C *y, int64_t n)
{
    LANES_BEGIN(acc);
    LANES_ADD(acc, n, (double)x[i] * (double)y[i]);
    LANES_END(acc);
    return acc[0] + acc[1];
}

/* ---- forward, row by row --------------------------------------------------------------------------------- */
static reel_moments NAME(moments)(const reel_norm_plan *p, const T *row, C *b)
{
    reel_moments_tree tree;
    tree.n = 0, tree.top = 0;
    for (int64_t i = 0; i < p->n; i += REEL_RED_CHUNK) {
        const int64_t n = p->n - i < REEL_RED_CHUNK ? p->n - i : REEL_RED_CHUNK;
        const C *x = NAME(fetch)(p, REEL_NORM_X, row, i, n, b);
        reel_moments m = {(double)n, 0, 0};
        if (!p->rms) m.mean = NAME(sum)(x, n) / m.n;
        m.m2 = NAME(squares)(x, n, m.mean);
        if (p->n <= REEL_RED_CHUNK) return m;
        reel_moments_push_(&tree, m);
    }
    return reel_moments_end_(&tree);
}

/* Mean (in two parts, so that x - mean keeps what C has) and 1 / sqrt(var + eps). */
typedef struct NAME(unit) {
    C mean, rest, rate;
} NAME(unit);
REEL_ALWAYS_INLINE NAME(unit) NAME(unit_of)(double mean, double var, double eps)
{
    NAME(unit) u;
    u.mean = (C)mean;
    u.rest = mean - mean == 0 ? (C)(mean - (double)u.mean) : 0;
    u.rate = (C)(1 / sqrt(var + eps));
    return u;
}
#define HAT(v, u) ((((v) - (u).mean) - (u).rest) * (u).rate)

/* n normalised elements of a run, in b, to y */
REEL_ALWAYS_INLINE void NAME(affine)(const reel_norm_plan *p, C *REEL_RESTRICT b, T *REEL_RESTRICT y, int64_t ys,
                                     const T *REEL_RESTRICT s, int64_t ss, const T *REEL_RESTRICT o, int64_t os,
                                     int64_t n)
{
    if (p->scale) {
        if (ss == 1)
            for (int64_t i = 0; i < n; i++) b[i] = b[i] * LOAD(s[i]);
        else
            for (int64_t i = 0; i < n; i++) b[i] = b[i] * LOAD(s[i * ss]);
    }
    if (p->bias) {
        if (os == 1)
            for (int64_t i = 0; i < n; i++) b[i] = b[i] + LOAD(o[i]);
        else
            for (int64_t i = 0; i < n; i++) b[i] = b[i] + LOAD(o[i * os]);
    }
    if (ys == 1)
        for (int64_t i = 0; i < n; i++) y[i] = PUT(b[i]);
    else
        for (int64_t i = 0; i < n; i++) y[i * ys] = PUT(b[i]);
}

/* One run where all that there is are neighbours. */
REEL_ALWAYS_INLINE void NAME(whole)(const reel_norm_plan *p, NAME(unit) u, const T *REEL_RESTRICT x, T *REEL_RESTRICT y,
                                    const T *REEL_RESTRICT s, const T *REEL_RESTRICT o, int64_t n)
{
    if (p->scale && p->bias)
        for (int64_t i = 0; i < n; i++) y[i] = PUT(HAT(LOAD(x[i]), u) * LOAD(s[i]) + LOAD(o[i]));
    else if (p->scale)
        for (int64_t i = 0; i < n; i++) y[i] = PUT(HAT(LOAD(x[i]), u) * LOAD(s[i]));
    else
        for (int64_t i = 0; i < n; i++) y[i] = PUT(HAT(LOAD(x[i]), u));
}

static void NAME(write)(const reel_norm_plan *p, NAME(unit) u, const T *x, T *y, const T *s, const T *o)
{
    enum { X = REEL_NORM_X, Y = REEL_NORM_Y, SC = REEL_NORM_SCALE, BI = REEL_NORM_BIAS };
    C b[REEL_RED_CHUNK];
    const int last = p->n_seg - 1;
    const int64_t run = p->n_seg ? p->seg_dim[last] : 1;
    int64_t step[REEL_NORM_OPERANDS] = {1, 1, 0, 0, 0}, at[REEL_MAX_RANK] = {0};
    for (int k = 0; p->n_seg && k < REEL_NORM_OPERANDS; k++) step[k] = p->seg_stride[k][last];
    if (p->direct[X] && p->direct[Y] && (!p->scale || p->direct[SC]) && (!p->bias || p->direct[BI])) {
        NAME(whole)(p, u, x, y, s, o, p->n);
        return;
    }
    for (int64_t done = 0; done < p->n; done += run) {
        for (int64_t i = 0; i < run; i += REEL_RED_CHUNK) {
            const int64_t n = run - i < REEL_RED_CHUNK ? run - i : REEL_RED_CHUNK;
            const T *from = x + i * step[X];
            if (step[X] == 1)
                for (int64_t j = 0; j < n; j++) b[j] = HAT(LOAD(from[j]), u);
            else
                for (int64_t j = 0; j < n; j++) b[j] = HAT(LOAD(from[j * step[X]]), u);
            NAME(affine)(p, b, y + i * step[Y], step[Y], s + i * step[SC], step[SC], o + i * step[BI], step[BI], n);
        }
        for (int k = last - 1; k >= 0; k--) {
            const int64_t back = ++at[k] == p->seg_dim[k] ? p->seg_dim[k] : 0;
            x += p->seg_stride[X][k] * (1 - back);
            y += p->seg_stride[Y][k] * (1 - back);
            s += p->seg_stride[SC][k] * (1 - back);
            o += p->seg_stride[BI][k] * (1 - back);
            if (!back) break;
            at[k] = 0;
        }
    }
}

static void NAME(rows)(const reel_norm_plan *p, const reel_norm_io *io, int64_t begin, int64_t end)
{
    static const T none[1] = {0};
    C b[REEL_RED_CHUNK];
    for (int64_t r = begin; r < end; r++) {
        const T *x = (const T *)io->x + reel_walk_offset_(&p->kept[REEL_NORM_X], r);
        const reel_moments m = NAME(moments)(p, x, b);
        const double var = m.m2 / m.n;
        ((S *)io->mean)[r] = (S)(m.mean == m.mean ? m.mean : (double)NAN);
        ((S *)io->var)[r] = (S)(var == var ? var : (double)NAN);
        const T *s = p->scale ? (const T *)io->scale + reel_walk_offset_(&p->kept[REEL_NORM_SCALE], r) : none;
        const T *o = p->bias ? (const T *)io->bias + reel_walk_offset_(&p->kept[REEL_NORM_BIAS], r) : none;
        T *y = (T *)io->y + reel_walk_offset_(&p->kept[REEL_NORM_Y], r);
        NAME(write)(p, NAME(unit_of)(m.mean, var, p->eps), x, y, s, o);
    }
}

/* ---- columns: REEL_NORM_COLS rows side by side, neighbours in the output ----------------------------------- */
typedef struct NAME(tile) {
    int64_t first, w;
    bool run[REEL_NORM_OPERANDS];
    int64_t at[REEL_NORM_OPERANDS][REEL_NORM_COLS];
} NAME(tile);
static void NAME(tile_of)(NAME(tile) * t, const reel_norm_plan *p, int64_t task)
{
    const int64_t outer = task / p->n_tiles, col = (task - outer * p->n_tiles) * REEL_NORM_COLS;
    t->w = p->inner - col < REEL_NORM_COLS ? p->inner - col : REEL_NORM_COLS;
    t->first = outer * p->inner + col;
    for (int k = 0; k < REEL_NORM_OPERANDS; k++) {
        t->run[k] = t->w == REEL_NORM_COLS;
        for (int64_t j = 0; j < REEL_NORM_COLS; j++) {
            t->at[k][j] = reel_walk_offset_(&p->kept[k], t->first + (j < t->w ? j : 0));
            t->run[k] = t->run[k] && t->at[k][j] == t->at[k][0] + j;
        }
    }
}
REEL_ALWAYS_INLINE void NAME(line)(C *REEL_RESTRICT b, const NAME(tile) * t, int k, const T *x)
{
    if (t->run[k])
        for (int j = 0; j < REEL_NORM_COLS; j++) b[j] = LOAD(x[t->at[k][0] + j]);
    else
        for (int j = 0; j < REEL_NORM_COLS; j++) b[j] = LOAD(x[t->at[k][j]]);
}
REEL_ALWAYS_INLINE void NAME(store_line)(T *REEL_RESTRICT y, const NAME(tile) * t, int k, const C *REEL_RESTRICT b)
{
    if (t->run[k])
        for (int j = 0; j < REEL_NORM_COLS; j++) y[t->at[k][0] + j] = PUT(b[j]);
    else
        for (int64_t j = 0; j < t->w; j++) y[t->at[k][j]] = PUT(b[j]);
}
typedef double NAME(column)[REEL_NORM_COLS];
REEL_ALWAYS_INLINE void NAME(zero_lanes)(NAME(column) * acc)
{
    for (int l = 0; l < REEL_RED_LANES; l++)
        for (int j = 0; j < REEL_NORM_COLS; j++) acc[l][j] = 0;
}
REEL_ALWAYS_INLINE void NAME(join_lanes)(NAME(column) * acc)
{
    for (int h = REEL_RED_LANES / 2; h; h >>= 1)
        for (int l = 0; l < h; l++)
            for (int j = 0; j < REEL_NORM_COLS; j++) acc[l][j] += acc[l + h][j];
}

/* A chunk of the tile, packed: the rows of a wide matrix lie where caches have few places for them. */
static void NAME(pack_tile)(const reel_norm_plan *p, const NAME(tile) * t, const T *x, int64_t first, int64_t n,
                            C (*to)[REEL_NORM_COLS])
{
    reel_place at;
    reel_place_set_(&at, &p->red[REEL_NORM_X], first);
    for (int64_t i = 0; i < n; i++) {
        NAME(line)(to[i], t, REEL_NORM_X, x + at.off);
        reel_place_next_(&at, &p->red[REEL_NORM_X]);
    }
}

/* packed: room for a chunk; the last one is left there */
static void NAME(column_moments)(const reel_norm_plan *p, const NAME(tile) * t, const T *x, reel_moments *out,
                                 C (*packed)[REEL_NORM_COLS])
{
    enum { W = REEL_NORM_COLS };
    NAME(column) acc[REEL_RED_LANES], mean;
    reel_moments_tree tree[W];
    for (int j = 0; j < W; j++) tree[j].n = 0, tree[j].top = 0;
    for (int64_t first = 0; first < p->n; first += REEL_RED_CHUNK) {
        const int64_t n = p->n - first < REEL_RED_CHUNK ? p->n - first : REEL_RED_CHUNK;
        NAME(pack_tile)(p, t, x, first, n, packed);
        for (int j = 0; j < W; j++) mean[j] = 0;
        if (!p->rms) {
            NAME(zero_lanes)(acc);
            for (int64_t i = 0; i < n; i++) {
                double *lane = acc[i % REEL_RED_LANES];
                for (int j = 0; j < W; j++) lane[j] += (double)packed[i][j];
            }
            NAME(join_lanes)(acc);
            for (int j = 0; j < W; j++) mean[j] = acc[0][j] / (double)n;
        }
        NAME(zero_lanes)(acc);
        for (int64_t i = 0; i < n; i++) {
            double *lane = acc[i % REEL_RED_LANES];
            const C *b = packed[i];
            for (int j = 0; j < W; j++) lane[j] += ((double)b[j] - mean[j]) * ((double)b[j] - mean[j]);
        }
        NAME(join_lanes)(acc);
        for (int j = 0; j < W; j++) {
            const reel_moments m = {(double)n, mean[j], acc[0][j]};
            if (p->n <= REEL_RED_CHUNK)
                out[j] = m;
            else
                reel_moments_push_(&tree[j], m);
        }
    }
    for (int j = 0; p->n > REEL_RED_CHUNK && j < W; j++) out[j] = reel_moments_end_(&tree[j]);
}

static void NAME(cols)(const reel_norm_plan *p, const reel_norm_io *io, int64_t begin, int64_t end)
{
    enum { W = REEL_NORM_COLS };
    reel_moments m[W];
    C packed[REEL_RED_CHUNK][W], b[W], mean[W], rest[W], rate[W], s[W], o[W];
    NAME(tile) t;
    for (int64_t task = begin; task < end; task++) {
        NAME(tile_of)(&t, p, task);
        NAME(column_moments)(p, &t, io->x, m, packed);
        for (int j = 0; j < W; j++) {
            const double var = m[j].m2 / m[j].n;
            const NAME(unit) u = NAME(unit_of)(m[j].mean, var, p->eps);
            mean[j] = u.mean, rest[j] = u.rest, rate[j] = u.rate;
            if (j >= t.w) continue;
            ((S *)io->mean)[t.first + j] = (S)(m[j].mean == m[j].mean ? m[j].mean : (double)NAN);
            ((S *)io->var)[t.first + j] = (S)(var == var ? var : (double)NAN);
        }
        if (p->scale) NAME(line)(s, &t, REEL_NORM_SCALE, io->scale);
        if (p->bias) NAME(line)(o, &t, REEL_NORM_BIAS, io->bias);
        reel_place x, y;
        reel_place_set_(&x, &p->red[REEL_NORM_X], 0);
        reel_place_set_(&y, &p->red[REEL_NORM_Y], 0);
        for (int64_t i = 0; i < p->n; i++) {
            if (p->n > REEL_RED_CHUNK) NAME(line)(b, &t, REEL_NORM_X, (const T *)io->x + x.off);
            const C *v = p->n > REEL_RED_CHUNK ? b : packed[i];
            for (int j = 0; j < W; j++) b[j] = ((v[j] - mean[j]) - rest[j]) * rate[j];
            if (p->scale)
                for (int j = 0; j < W; j++) b[j] = b[j] * s[j];
            if (p->bias)
                for (int j = 0; j < W; j++) b[j] = b[j] + o[j];
            NAME(store_line)((T *)io->y + y.off, &t, REEL_NORM_Y, b);
            reel_place_next_(&x, &p->red[REEL_NORM_X]);
            reel_place_next_(&y, &p->red[REEL_NORM_Y]);
        }
    }
}

/* ---- backward: dx = rate (w - mean(w) - xhat mean(w xhat)), w = g scale --------------------------------------- */
/* a chunk's xhat and w */
REEL_ALWAYS_INLINE void NAME(terms)(C *REEL_RESTRICT hat, C *REEL_RESTRICT w, const C *x, const C *g, const C *s,
                                    NAME(unit) u, int64_t n)
{
    for (int64_t i = 0; i < n; i++) hat[i] = HAT(x[i], u);
    if (s)
        for (int64_t i = 0; i < n; i++) w[i] = g[i] * s[i];
    else
        for (int64_t i = 0; i < n; i++) w[i] = g[i];
}

/* Adds a row's g xhat and g to the block's gradients of scale and bias. */
static void NAME(add_gradients)(const reel_norm_plan *p, NAME(unit) u, const T *x, const T *g, double *ds, double *db)
{
    enum { X = REEL_NORM_X, DS = REEL_NORM_DS, G = REEL_NORM_G };
    C hat[REEL_RED_CHUNK], b[REEL_RED_CHUNK];
    const int last = p->n_seg - 1;
    const int64_t run = p->n_seg ? p->seg_dim[last] : 1;
    int64_t step[REEL_NORM_OPERANDS] = {1, 1, 0, 1, 0}, at[REEL_MAX_RANK] = {0}, so = 0;
    for (int k = 0; p->n_seg && k < REEL_NORM_OPERANDS; k++) step[k] = p->seg_stride[k][last];
    for (int64_t done = 0; done < p->n; done += run) {
        for (int64_t i = 0; i < run; i += REEL_RED_CHUNK) {
            const int64_t n = run - i < REEL_RED_CHUNK ? run - i : REEL_RED_CHUNK;
            double *to_s = ds + so + i * step[DS], *to_b = db + so + i * step[DS];
            for (int64_t j = 0; j < n; j++) hat[j] = HAT(LOAD(x[(i + j) * step[X]]), u);
            for (int64_t j = 0; j < n; j++) b[j] = LOAD(g[(i + j) * step[G]]);
            if (step[DS] == 0) {
                *to_s += NAME(products)(b, hat, n);
                *to_b += NAME(sum)(b, n);
            } else if (step[DS] == 1) {
                for (int64_t j = 0; j < n; j++) to_s[j] += (double)b[j] * (double)hat[j];
                for (int64_t j = 0; j < n; j++) to_b[j] += (double)b[j];
            } else {
                for (int64_t j = 0; j < n; j++) to_s[j * step[DS]] += (double)b[j] * (double)hat[j];
                for (int64_t j = 0; j < n; j++) to_b[j * step[DS]] += (double)b[j];
            }
        }
        for (int k = last - 1; k >= 0; k--) {
            const int64_t back = ++at[k] == p->seg_dim[k] ? p->seg_dim[k] : 0;
            x += p->seg_stride[X][k] * (1 - back);
            g += p->seg_stride[G][k] * (1 - back);
            so += p->seg_stride[DS][k] * (1 - back);
            if (!back) break;
            at[k] = 0;
        }
    }
}

static void NAME(back_row)(const reel_norm_plan *p, const reel_norm_io *io, int64_t r, double *ds, double *db)
{
    C bx[REEL_RED_CHUNK], bg[REEL_RED_CHUNK], bs[REEL_RED_CHUNK], hat[REEL_RED_CHUNK], w[REEL_RED_CHUNK];
    const bool by_element = p->scale == REEL_NORM_BY_ELEMENT;
    const T *x = (const T *)io->x + reel_walk_offset_(&p->kept[REEL_NORM_X], r);
    const T *g = (const T *)io->g + reel_walk_offset_(&p->kept[REEL_NORM_G], r);
    const T *s = p->scale ? (const T *)io->scale + reel_walk_offset_(&p->kept[REEL_NORM_SCALE], r) : NULL;
    const double mean = p->rms ? 0 : (double)((const S *)io->mean)[r], var = (double)((const S *)io->var)[r];
    const NAME(unit) u = NAME(unit_of)(mean, var, p->eps);
    reel_pairwise a, b;
    a.n = b.n = 0, a.top = b.top = 0;
    for (int64_t i = 0; i < p->n; i += REEL_RED_CHUNK) {
        const int64_t n = p->n - i < REEL_RED_CHUNK ? p->n - i : REEL_RED_CHUNK;
        NAME(terms)
        (hat, w, NAME(fetch)(p, REEL_NORM_X, x, i, n, bx), NAME(fetch)(p, REEL_NORM_G, g, i, n, bg),
         by_element ? NAME(fetch)(p, REEL_NORM_SCALE, s, i, n, bs) : NULL, u, n);
        reel_pairwise_push_(&a, NAME(sum)(w, n));
        reel_pairwise_push_(&b, NAME(products)(w, hat, n));
    }
    double sum_w = reel_pairwise_end_(&a), sum_wh = reel_pairwise_end_(&b);
    C rate = u.rate;
    if (p->scale == REEL_NORM_BY_ROW) {
        io->sums[2 * r] = sum_w, io->sums[2 * r + 1] = sum_wh;
        rate = rate * LOAD(s[0]);
    }
    const C mw = p->rms ? 0 : (C)(sum_w / (double)p->n), mwh = (C)(sum_wh / (double)p->n);
    T *y = (T *)io->y + reel_walk_offset_(&p->kept[REEL_NORM_Y], r);
    for (int64_t i = 0; i < p->n; i += REEL_RED_CHUNK) {
        const int64_t n = p->n - i < REEL_RED_CHUNK ? p->n - i : REEL_RED_CHUNK;
        if (p->n > REEL_RED_CHUNK) NAME(terms)
        (hat, w, NAME(fetch)(p, REEL_NORM_X, x, i, n, bx), NAME(fetch)(p, REEL_NORM_G, g, i, n, bg),
         by_element ? NAME(fetch)(p, REEL_NORM_SCALE, s, i, n, bs) : NULL, u, n);
        for (int64_t j = 0; j < n; j++) w[j] = ((w[j] - mw) - hat[j] * mwh) * rate;
        if (p->direct[REEL_NORM_Y]) {
            for (int64_t j = 0; j < n; j++) y[i + j] = PUT(w[j]);
            continue;
        }
        reel_place at;
        reel_place_set_(&at, &p->red[REEL_NORM_Y], i);
        for (int64_t j = 0; j < n; j++) {
            y[at.off] = PUT(w[j]);
            reel_place_next_(&at, &p->red[REEL_NORM_Y]);
        }
    }
    if (by_element) NAME(add_gradients)(p, u, x, g, ds, db);
}

/* By element, a task is a block of rows with gradients of its own; otherwise it is a row. */
static void NAME(back_rows)(const reel_norm_plan *p, const reel_norm_io *io, int64_t begin, int64_t end)
{
    if (p->scale != REEL_NORM_BY_ELEMENT) {
        for (int64_t r = begin; r < end; r++) NAME(back_row)(p, io, r, NULL, NULL);
        return;
    }
    for (int64_t k = begin; k < end; k++) {
        double *ds = io->sums + 2 * k * p->n_scale, *db = ds + p->n_scale;
        const int64_t first = k * p->rows_a_block, last = first + p->rows_a_block;
        memset(ds, 0, (size_t)(2 * p->n_scale) * sizeof *ds);
        for (int64_t r = first; r < last && r < p->n_rows; r++) {
            const int64_t at = reel_walk_offset_(&p->kept[REEL_NORM_DS], r);
            NAME(back_row)(p, io, r, ds + at, db + at);
        }
    }
}

/* Joins a column's sum of a chunk to its tree: reel_pairwise_push_ of every column. */
REEL_ALWAYS_INLINE int NAME(push_columns)(NAME(column) * tree, int top, int64_t chunk, double *v)
{
    for (int64_t k = chunk; k & 1; k >>= 1) {
        top--;
        for (int j = 0; j < REEL_NORM_COLS; j++) v[j] = tree[top][j] + v[j];
    }
    for (int j = 0; j < REEL_NORM_COLS; j++) tree[top][j] = v[j];
    return top + 1;
}
REEL_ALWAYS_INLINE void NAME(end_columns)(NAME(column) * tree, int top, double *v)
{
    for (int j = 0; j < REEL_NORM_COLS; j++) v[j] = tree[top - 1][j];
    for (int k = top - 2; k >= 0; k--)
        for (int j = 0; j < REEL_NORM_COLS; j++) v[j] = tree[k][j] + v[j];
}

static void NAME(back_cols)(const reel_norm_plan *p, const reel_norm_io *io, int64_t begin, int64_t end)
{
    enum { W = REEL_NORM_COLS };
    NAME(column) acc[REEL_RED_LANES], dot[REEL_RED_LANES], tree[REEL_RED_DEPTH], dot_tree[REEL_RED_DEPTH], sum, sum_dot;
    C x[W], g[W], mean[W], rest[W], rate[W], s[W], mw[W], mwh[W];
    NAME(tile) t;
    for (int64_t task = begin; task < end; task++) {
        NAME(tile_of)(&t, p, task);
        for (int64_t j = 0; j < W; j++) {
            const int64_t r = t.first + (j < t.w ? j : 0);
            const NAME(unit) u =
                NAME(unit_of)(p->rms ? 0 : (double)((const S *)io->mean)[r], (double)((const S *)io->var)[r], p->eps);
            mean[j] = u.mean, rest[j] = u.rest, rate[j] = u.rate;
        }
        int top = 0, dot_top = 0;
        reel_place xa, ga, ya;
        reel_place_set_(&xa, &p->red[REEL_NORM_X], 0);
        reel_place_set_(&ga, &p->red[REEL_NORM_G], 0);
#define HATS()                                                                     \
    do {                                                                           \
        NAME(line)(x, &t, REEL_NORM_X, (const T *)io->x + xa.off);                 \
        NAME(line)(g, &t, REEL_NORM_G, (const T *)io->g + ga.off);                 \
        for (int j = 0; j < W; j++) x[j] = ((x[j] - mean[j]) - rest[j]) * rate[j]; \
        reel_place_next_(&xa, &p->red[REEL_NORM_X]);                               \
        reel_place_next_(&ga, &p->red[REEL_NORM_G]);                               \
    } while (0)
        for (int64_t first = 0, chunk = 0; first < p->n; first += REEL_RED_CHUNK, chunk++) {
            const int64_t n = p->n - first < REEL_RED_CHUNK ? p->n - first : REEL_RED_CHUNK;
            NAME(zero_lanes)(acc);
            NAME(zero_lanes)(dot);
            for (int64_t i = 0; i < n; i++) {
                double *lane = acc[i % REEL_RED_LANES], *dot_lane = dot[i % REEL_RED_LANES];
                HATS();
                for (int j = 0; j < W; j++) lane[j] += (double)g[j];
                for (int j = 0; j < W; j++) dot_lane[j] += (double)g[j] * (double)x[j];
            }
            NAME(join_lanes)(acc);
            NAME(join_lanes)(dot);
            top = NAME(push_columns)(tree, top, chunk, acc[0]);
            dot_top = NAME(push_columns)(dot_tree, dot_top, chunk, dot[0]);
        }
        NAME(end_columns)(tree, top, sum);
        NAME(end_columns)(dot_tree, dot_top, sum_dot);
        for (int j = 0; j < W; j++) {
            mw[j] = p->rms ? 0 : (C)(sum[j] / (double)p->n);
            mwh[j] = (C)(sum_dot[j] / (double)p->n);
            s[j] = rate[j];
        }
        if (p->scale) {
            NAME(line)(s, &t, REEL_NORM_SCALE, io->scale);
            for (int j = 0; j < W; j++) s[j] = rate[j] * s[j];
            for (int64_t j = 0; j < t.w; j++) {
                io->sums[2 * (t.first + j)] = sum[j];
                io->sums[2 * (t.first + j) + 1] = sum_dot[j];
            }
        }
        reel_place_set_(&xa, &p->red[REEL_NORM_X], 0);
        reel_place_set_(&ga, &p->red[REEL_NORM_G], 0);
        reel_place_set_(&ya, &p->red[REEL_NORM_Y], 0);
        for (int64_t i = 0; i < p->n; i++) {
            HATS();
            for (int j = 0; j < W; j++) g[j] = ((g[j] - mw[j]) - x[j] * mwh[j]) * s[j];
            NAME(store_line)((T *)io->y + ya.off, &t, REEL_NORM_Y, g);
            reel_place_next_(&ya, &p->red[REEL_NORM_Y]);
        }
    }
}
#undef HATS
#undef HAT
#undef LANES_BEGIN
#undef LANES_END
#undef LANES_ADD
#undef T
#undef C
#undef S
#undef NAME
#undef LOAD
#undef STORE
#undef SAME
#undef PUT
