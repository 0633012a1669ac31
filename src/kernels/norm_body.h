/* norm_body.h: normalisation of one element type; included by level_norm.c with T, C (what it is computed in), S (mean and
   variance), NAME(f), CALC(f) (norm_chunk.h of C), LOAD(x) -> C, STORE(C) -> T, SAME (is T C?) defined. */

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
#if SAME
    if (p->direct[k]) return (const C *)row + first;
    NAME(gather)((T *)b, row, &p->red[k], first, n);
#else
    T raw[REEL_RED_CHUNK];
    const T *from = row + first;
    if (!p->direct[k]) {
        NAME(gather)(raw, row, &p->red[k], first, n);
        from = raw;
    }
    for (int64_t i = 0; i < n; i++) b[i] = LOAD(from[i]);
#endif
    return b;
}

/* ---- forward, row by row --------------------------------------------------------------------------------- */
static reel_moments NAME(moments)(const reel_norm_plan *p, const T *row, C *b)
{
    reel_moments_tree tree;
    tree.n = 0, tree.top = 0;
    for (int64_t i = 0; i < p->n; i += REEL_RED_CHUNK) {
        const int64_t n = p->n - i < REEL_RED_CHUNK ? p->n - i : REEL_RED_CHUNK;
        const C *x = NAME(fetch)(p, REEL_NORM_X, row, i, n, b);
        const int64_t few = n < CALC(few) ? n : CALC(few);
        const C near = p->rms ? 0 : (C)(CALC(sum)(x, few) / (double)few);
        double distances, squares;
        CALC(around)(x, n, near, &distances, &squares);
        const reel_moments m = CALC(moments_of)(x, 1, n, p->rms, near, p->rms ? 0 : distances, squares);
        if (p->n <= REEL_RED_CHUNK) return m;
        reel_moments_push_(&tree, m);
    }
    return reel_moments_end_(&tree);
}

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
REEL_ALWAYS_INLINE void NAME(whole)(const reel_norm_plan *p, CALC(unit) u, const T *REEL_RESTRICT x, T *REEL_RESTRICT y,
                                    const T *REEL_RESTRICT s, const T *REEL_RESTRICT o, int64_t n)
{
    if (p->scale && p->bias)
        for (int64_t i = 0; i < n; i++) y[i] = PUT(HAT(LOAD(x[i]), u) * LOAD(s[i]) + LOAD(o[i]));
    else if (p->scale)
        for (int64_t i = 0; i < n; i++) y[i] = PUT(HAT(LOAD(x[i]), u) * LOAD(s[i]));
    else
        for (int64_t i = 0; i < n; i++) y[i] = PUT(HAT(LOAD(x[i]), u));
}
/* The same with one scale and one bias. */
REEL_ALWAYS_INLINE void NAME(level)(const reel_norm_plan *p, CALC(unit) u, const T *REEL_RESTRICT x, T *REEL_RESTRICT y,
                                    C s, C o, int64_t n)
{
    if (p->bias)
        for (int64_t i = 0; i < n; i++) y[i] = PUT(HAT(LOAD(x[i]), u) * s + o);
    else
        for (int64_t i = 0; i < n; i++) y[i] = PUT(HAT(LOAD(x[i]), u) * s);
}

static void NAME(write)(const reel_norm_plan *p, CALC(unit) u, const T *x, T *y, const T *s, const T *o)
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
    const bool level = step[X] == 1 && step[Y] == 1 && p->scale && step[SC] == 0 && step[BI] == 0;
    for (int64_t done = 0; done < p->n; done += run) {
        if (level) NAME(level)(p, u, x, y, LOAD(s[0]), LOAD(o[0]), run);
        for (int64_t i = 0; i < run && !level; i += REEL_RED_CHUNK) {
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
        NAME(write)(p, CALC(unit_of)(m.mean, var, p->eps), x, y, s, o);
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
    reel_moments_tree tree[REEL_NORM_COLS];
    for (int j = 0; j < REEL_NORM_COLS; j++) tree[j].n = 0, tree[j].top = 0;
    for (int64_t first = 0; first < p->n; first += REEL_RED_CHUNK) {
        const int64_t n = p->n - first < REEL_RED_CHUNK ? p->n - first : REEL_RED_CHUNK;
        NAME(pack_tile)(p, t, x, first, n, packed);
        CALC(chunk_moments)(packed, n, p->rms, out);
        for (int j = 0; p->n > REEL_RED_CHUNK && j < REEL_NORM_COLS; j++) reel_moments_push_(&tree[j], out[j]);
    }
    for (int j = 0; p->n > REEL_RED_CHUNK && j < REEL_NORM_COLS; j++) out[j] = reel_moments_end_(&tree[j]);
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
            const CALC(unit) u = CALC(unit_of)(m[j].mean, var, p->eps);
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

#include "kernels/norm_back.h"

#undef T
#undef C
#undef S
#undef NAME
#undef CALC
#undef LOAD
#undef STORE
#undef SAME
#undef PUT
