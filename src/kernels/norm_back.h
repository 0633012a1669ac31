/* norm_back.h: the gradient's part of norm_body.h, which includes it. */

/* ---- backward: dx = rate (w - mean(w) - xhat mean(w xhat)), w = g scale --------------------------------------- */
/* Adds a row's g xhat and g to the block's gradients of scale and bias. */
static void NAME(add_gradients)(const reel_norm_plan *p, CALC(unit) u, const T *x, const T *g, double *ds, double *db)
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
                *to_s += CALC(products)(b, hat, n);
                *to_b += CALC(sum)(b, n);
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

/* What dx is made of: the row's unit, the means of w and w xhat, and the rate times a scale of the row. */
typedef struct NAME(slope) {
    CALC(unit) u;
    C mw, mwh, rate;
} NAME(slope);
#define SLOPE(x, w, d) (((w) - (d).mw) - HAT(x, (d).u) * (d).mwh) * (d).rate

/* Where all but scale, which is none of the elements', lies in runs. */
static void NAME(back_runs)(const reel_norm_plan *p, NAME(slope) d, const T *x, const T *g, T *y)
{
    enum { X = REEL_NORM_X, Y = REEL_NORM_Y, G = REEL_NORM_G };
    const int last = p->n_seg - 1;
    const int64_t run = p->seg_dim[last];
    int64_t at[REEL_MAX_RANK] = {0};
    for (int64_t done = 0; done < p->n; done += run) {
        const T *REEL_RESTRICT const xr = x, *REEL_RESTRICT const gr = g;
        T *REEL_RESTRICT const yr = y;
        for (int64_t i = 0; i < run; i++) yr[i] = PUT(SLOPE(LOAD(xr[i]), LOAD(gr[i]), d));
        for (int k = last - 1; k >= 0; k--) {
            const int64_t back = ++at[k] == p->seg_dim[k] ? p->seg_dim[k] : 0;
            x += p->seg_stride[X][k] * (1 - back);
            g += p->seg_stride[G][k] * (1 - back);
            y += p->seg_stride[Y][k] * (1 - back);
            if (!back) break;
            at[k] = 0;
        }
    }
}

static void NAME(back_row)(const reel_norm_plan *p, const reel_norm_io *io, int64_t r, double *ds, double *db)
{
    enum { X = REEL_NORM_X, Y = REEL_NORM_Y, SC = REEL_NORM_SCALE, G = REEL_NORM_G };
    C bx[REEL_RED_CHUNK], bg[REEL_RED_CHUNK], bs[REEL_RED_CHUNK], w[REEL_RED_CHUNK];
    const C *fx = bx, *fg = bg, *fs = NULL;
    const bool by_element = p->scale == REEL_NORM_BY_ELEMENT;
    const T *x = (const T *)io->x + reel_walk_offset_(&p->kept[X], r);
    const T *g = (const T *)io->g + reel_walk_offset_(&p->kept[G], r);
    const T *s = p->scale ? (const T *)io->scale + reel_walk_offset_(&p->kept[SC], r) : NULL;
    const double mean = p->rms ? 0 : (double)((const S *)io->mean)[r], var = (double)((const S *)io->var)[r];
    NAME(slope) d = {.u = CALC(unit_of)(mean, var, p->eps)};
    reel_pairwise a, b;
    a.n = b.n = 0, a.top = b.top = 0;
#define FETCH(i, n)                                                           \
    fx = NAME(fetch)(p, X, x, i, n, bx), fg = NAME(fetch)(p, G, g, i, n, bg); \
    if (by_element) fs = NAME(fetch)(p, SC, s, i, n, bs)
    for (int64_t i = 0; i < p->n; i += REEL_RED_CHUNK) {
        const int64_t n = p->n - i < REEL_RED_CHUNK ? p->n - i : REEL_RED_CHUNK;
        double sum_w, sum_wh;
        FETCH(i, n);
        CALC(slopes)(fx, fg, fs, d.u, n, &sum_w, &sum_wh);
        reel_pairwise_push_(&a, sum_w);
        reel_pairwise_push_(&b, sum_wh);
    }
    const double sum_w = reel_pairwise_end_(&a), sum_wh = reel_pairwise_end_(&b);
    d.rate = d.u.rate;
    if (p->scale == REEL_NORM_BY_ROW) {
        io->sums[2 * r] = sum_w, io->sums[2 * r + 1] = sum_wh;
        d.rate = d.rate * LOAD(s[0]);
    }
    d.mw = p->rms ? 0 : (C)(sum_w / (double)p->n), d.mwh = (C)(sum_wh / (double)p->n);
    T *y = (T *)io->y + reel_walk_offset_(&p->kept[Y], r);
    const int last = p->n_seg - 1;
    const bool runs =
        last >= 0 && p->seg_stride[X][last] == 1 && p->seg_stride[G][last] == 1 && p->seg_stride[Y][last] == 1;
    if (!by_element && runs) {
        NAME(back_runs)(p, d, x, g, y);
        return;
    }
    for (int64_t i = 0; i < p->n; i += REEL_RED_CHUNK) {
        const int64_t n = p->n - i < REEL_RED_CHUNK ? p->n - i : REEL_RED_CHUNK;
        if (p->n > REEL_RED_CHUNK) {
            FETCH(i, n);
        }
        if (by_element)
            for (int64_t j = 0; j < n; j++) w[j] = SLOPE(fx[j], fg[j] * fs[j], d);
        else
            for (int64_t j = 0; j < n; j++) w[j] = SLOPE(fx[j], fg[j], d);
        if (p->direct[Y]) {
            for (int64_t j = 0; j < n; j++) y[i + j] = PUT(w[j]);
            continue;
        }
        reel_place at;
        reel_place_set_(&at, &p->red[Y], i);
        for (int64_t j = 0; j < n; j++) {
            y[at.off] = PUT(w[j]);
            reel_place_next_(&at, &p->red[Y]);
        }
    }
#undef FETCH
    if (by_element) NAME(add_gradients)(p, d.u, x, g, ds, db);
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

static void NAME(back_cols)(const reel_norm_plan *p, const reel_norm_io *io, int64_t begin, int64_t end)
{
    enum { W = REEL_NORM_COLS, L = REEL_RED_LANES };
    CALC(column) acc[REEL_RED_LANES], dot[REEL_RED_LANES], tree[REEL_RED_DEPTH], dot_tree[REEL_RED_DEPTH], sum, sum_dot;
    C x[W], g[W], mean[W], rest[W], rate[W], s[W], mw[W], mwh[W], gs[4][W], xs[4][W];
    int64_t x_off[REEL_RED_CHUNK], g_off[REEL_RED_CHUNK];
    NAME(tile) t;
    for (int64_t task = begin; task < end; task++) {
        NAME(tile_of)(&t, p, task);
        for (int64_t j = 0; j < W; j++) {
            const int64_t r = t.first + (j < t.w ? j : 0);
            const CALC(unit) u =
                CALC(unit_of)(p->rms ? 0 : (double)((const S *)io->mean)[r], (double)((const S *)io->var)[r], p->eps);
            mean[j] = u.mean, rest[j] = u.rest, rate[j] = u.rate;
        }
        int top = 0, dot_top = 0;
        reel_place xa, ga, ya;
        reel_place_set_(&xa, &p->red[REEL_NORM_X], 0);
        reel_place_set_(&ga, &p->red[REEL_NORM_G], 0);
#define LINES(x_at, g_at)                                                          \
    do {                                                                           \
        NAME(line)(x, &t, REEL_NORM_X, (const T *)io->x + (x_at));                 \
        NAME(line)(g, &t, REEL_NORM_G, (const T *)io->g + (g_at));                 \
        for (int j = 0; j < W; j++) x[j] = ((x[j] - mean[j]) - rest[j]) * rate[j]; \
    } while (0)
        for (int64_t first = 0, chunk = 0; first < p->n; first += REEL_RED_CHUNK, chunk++) {
            const int64_t n = p->n - first < REEL_RED_CHUNK ? p->n - first : REEL_RED_CHUNK;
            for (int64_t i = 0; i < n; i++) {
                x_off[i] = xa.off, g_off[i] = ga.off;
                reel_place_next_(&xa, &p->red[REEL_NORM_X]);
                reel_place_next_(&ga, &p->red[REEL_NORM_G]);
            }
            CALC(zero_lanes)(acc);
            CALC(zero_lanes)(dot);
            for (int64_t at = 0; at < n; at += 4 * L)
                for (int64_t l = 0; l < L && at + l < n; l++) {
                    for (int64_t k = 0, i = at + l; k < 4; k++, i += L) {
                        for (int j = 0; j < W; j++) gs[k][j] = xs[k][j] = -(C)0;
                        if (i >= n) continue;
                        LINES(x_off[i], g_off[i]);
                        for (int j = 0; j < W; j++) gs[k][j] = g[j], xs[k][j] = g[j] * x[j];
                    }
                    for (int j = 0; j < W; j++) {
                        acc[l][j] += (double)((gs[0][j] + gs[1][j]) + (gs[2][j] + gs[3][j]));
                        dot[l][j] += (double)((xs[0][j] + xs[1][j]) + (xs[2][j] + xs[3][j]));
                    }
                }
            CALC(join_lanes)(acc);
            CALC(join_lanes)(dot);
            top = CALC(push_columns)(tree, top, chunk, acc[0]);
            dot_top = CALC(push_columns)(dot_tree, dot_top, chunk, dot[0]);
        }
        CALC(end_columns)(tree, top, sum);
        CALC(end_columns)(dot_tree, dot_top, sum_dot);
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
            LINES(xa.off, ga.off);
            reel_place_next_(&xa, &p->red[REEL_NORM_X]);
            reel_place_next_(&ga, &p->red[REEL_NORM_G]);
            for (int j = 0; j < W; j++) g[j] = ((g[j] - mw[j]) - x[j] * mwh[j]) * s[j];
            NAME(store_line)((T *)io->y + ya.off, &t, REEL_NORM_Y, g);
            reel_place_next_(&ya, &p->red[REEL_NORM_Y]);
        }
    }
}
#undef LINES
#undef SLOPE
