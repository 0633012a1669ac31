/* pool_max.h: maxima of windows for one element type T; level_pool.c includes it for each. ABOVE(v, m): v takes the place of m;
   FIRST(v, m): the same, but a NaN never takes a NaN's. Both are written without branches. */

static inline T NAME(max_of)(const T *x, int64_t n, int64_t step, T m)
{
    if (step == 1 && n >= 32) {
        T lane[16];
        for (int k = 0; k < 16; k++) lane[k] = m;
        int64_t i = 0;
        for (; i + 16 <= n; i += 16)
            for (int k = 0; k < 16; k++) lane[k] = ABOVE(x[i + k], lane[k]) ? x[i + k] : lane[k];
        for (int k = 0; k < 16; k++) m = ABOVE(lane[k], m) ? lane[k] : m;
        x += i, n -= i;
    }
    for (int64_t i = 0; i < n; i++) m = ABOVE(x[i * step], m) ? x[i * step] : m;
    return m;
}

/* One line, window by window. */
static void NAME(max_direct)(const reel_pool_plan *p, const reel_pool_line *l, const T *x, T *y)
{
    const reel_window *d = &p->win[0], *h = &p->win[1], *w = &p->win[2];
    for (int64_t o = 0; o < w->out; o++) {
        int64_t at, from, to;
        T m = LOWEST;
        reel_window_taps_(w, o, &at, &from, &to);
        for (int64_t a = l->from[0]; a < l->to[0]; a++)
            for (int64_t b = l->from[1]; b < l->to[1]; b++) {
                const int64_t id = l->at[0] + a * d->dilation, ih = l->at[1] + b * h->dilation;
                const T *row = x + (id * h->in + ih) * w->in + at;
                if (to > from) m = NAME(max_of)(row + from * w->dilation, to - from, w->dilation, m);
            }
        y[o] = m;
    }
}

REEL_ALWAYS_INLINE void NAME(max_take)(T *REEL_RESTRICT y, const T *REEL_RESTRICT x, int64_t stride, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = ABOVE(x[i * stride], y[i]) ? x[i * stride] : y[i];
}

/* One line: down the rows of its windows first, then along. */
static void NAME(max_line)(const reel_pool_plan *p, const reel_pool_line *l, const T *x, T *y)
{
    const reel_window *d = &p->win[0], *h = &p->win[1], *w = &p->win[2];
    const int64_t span = (w->kernel - 1) * w->dilation + 1, most = (REEL_POOL_COLS - span) / w->stride + 1;
    T row[REEL_POOL_COLS];
    for (int64_t o0 = 0; o0 < w->out; o0 += most) {
        const int64_t o1 = o0 + most < w->out ? o0 + most : w->out;
        int64_t i0 = o0 * w->stride - w->before, i1 = (o1 - 1) * w->stride - w->before + span;
        if (i0 < 0) i0 = 0;
        if (i1 > w->in) i1 = w->in;
        bool any = false;
        for (int64_t a = l->from[0]; a < l->to[0]; a++)
            for (int64_t b = l->from[1]; b < l->to[1]; b++) {
                const int64_t id = l->at[0] + a * d->dilation, ih = l->at[1] + b * h->dilation;
                const T *from = x + (id * h->in + ih) * w->in + i0;
                if (i1 <= i0) continue;
                if (any)
                    NAME(max_take)(row, from, 1, i1 - i0);
                else
                    memcpy(row, from, (size_t)(i1 - i0) * sizeof(T));
                any = true;
            }
        for (int64_t o = o0; o < o1; o++) y[o] = LOWEST;
        for (int64_t t = 0; any && t < w->kernel; t++) {
            int64_t from, to, shift;
            reel_pool_inside_(w, t, &from, &to, &shift);
            if (from < o0) from = o0;
            if (to > o1) to = o1;
            if (to <= from) continue;
            const T *at = row + (from * w->stride + shift - i0);
            if (w->stride == 1)
                NAME(max_take)(y + from, at, 1, to - from);
            else if (w->stride == 2)
                NAME(max_take)(y + from, at, 2, to - from);
            else
                NAME(max_take)(y + from, at, w->stride, to - from);
        }
    }
}

/* One line with the channels last. */
static void NAME(max_last)(const reel_pool_plan *p, const reel_pool_line *l, const T *x, T *y)
{
    const reel_window *d = &p->win[0], *h = &p->win[1], *w = &p->win[2];
    for (int64_t o = 0; o < w->out; o++, y += p->c) {
        int64_t at, from, to;
        reel_window_taps_(w, o, &at, &from, &to);
        for (int64_t c = 0; c < p->c; c++) y[c] = LOWEST;
        for (int64_t a = l->from[0]; a < l->to[0]; a++)
            for (int64_t b = l->from[1]; b < l->to[1]; b++) {
                const int64_t id = l->at[0] + a * d->dilation, ih = l->at[1] + b * h->dilation;
                const T *row = x + ((id * h->in + ih) * w->in + at) * p->c;
                for (int64_t t = from; t < to; t++) NAME(max_take)(y, row + t * w->dilation * p->c, 1, p->c);
            }
    }
}

static void NAME(max)(const reel_pool_plan *p, const void *xv, const void *g, void *yv, int64_t begin, int64_t end)
{
    (void)g;
    for (int64_t i = begin; i < end; i++) {
        const int64_t plane = i / p->line_blocks, first = i % p->line_blocks * p->per_block;
        const int64_t stop = first + p->per_block < p->lines ? first + p->per_block : p->lines;
        const T *x = (const T *)xv + plane * p->in * (p->last ? p->c : 1);
        T *y = (T *)yv + plane * p->out * (p->last ? p->c : 1);
        for (int64_t line = first; line < stop; line++) {
            reel_pool_line l;
            reel_pool_line_(p, line, &l);
            if (p->last)
                NAME(max_last)(p, &l, x, y + line * p->win[2].out * p->c);
            else if (p->direct)
                NAME(max_direct)(p, &l, x, y + line * p->win[2].out);
            else
                NAME(max_line)(p, &l, x, y + line * p->win[2].out);
        }
    }
}

/* ---- where they are ---------------------------------------------------------------------------------- */
/* Of n windows side by side (one a channel, or one an output) the best so far and its tap; -1: none yet. */
REEL_ALWAYS_INLINE void NAME(first_take)(T *REEL_RESTRICT best, int32_t *REEL_RESTRICT tap, int32_t k,
                                         const T *REEL_RESTRICT x, int64_t stride, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const T v = x[i * stride], m = best[i];
        const bool take = FIRST(v, m) | (tap[i] < 0);
        best[i] = take ? v : m;
        tap[i] = take ? k : tap[i];
    }
}

/* The taps of outputs [o0, o1) of a line whose windows are regular. */
static void NAME(first_line)(const reel_pool_plan *p, const reel_pool_line *l, const T *x, int64_t o0, int64_t o1,
                             int32_t *tap)
{
    const reel_window *d = &p->win[0], *h = &p->win[1], *w = &p->win[2];
    T best[REEL_POOL_TILE];
    for (int64_t o = o0; o < o1; o++) best[o - o0] = LOWEST, tap[o - o0] = -1;
    for (int64_t a = l->from[0]; a < l->to[0]; a++)
        for (int64_t b = l->from[1]; b < l->to[1]; b++) {
            const int64_t id = l->at[0] + a * d->dilation, ih = l->at[1] + b * h->dilation;
            const T *row = x + (id * h->in + ih) * w->in;
            for (int64_t t = 0; t < w->kernel; t++) {
                int64_t from, to, shift;
                const int32_t k = (int32_t)((a * h->kernel + b) * w->kernel + t);
                reel_pool_inside_(w, t, &from, &to, &shift);
                if (from < o0) from = o0;
                if (to > o1) to = o1;
                if (to <= from) continue;
                const T *at = row + from * w->stride + shift;
                if (w->stride == 2)
                    NAME(first_take)(best + (from - o0), tap + (from - o0), k, at, 2, to - from);
                else
                    NAME(first_take)(best + (from - o0), tap + (from - o0), k, at, w->stride, to - from);
            }
        }
}

/* The place in its plane of the first maximum of output o of a line, x step elements apart; -1: none. */
static int64_t NAME(first_direct)(const reel_pool_plan *p, const reel_pool_line *l, const T *x, int64_t step, int64_t o)
{
    const reel_window *d = &p->win[0], *h = &p->win[1], *w = &p->win[2];
    int64_t at, from, to, found = -1;
    T best = LOWEST;
    reel_window_taps_(w, o, &at, &from, &to);
    for (int64_t a = l->from[0]; a < l->to[0]; a++)
        for (int64_t b = l->from[1]; b < l->to[1]; b++)
            for (int64_t t = from; t < to; t++) {
                const int64_t id = l->at[0] + a * d->dilation, ih = l->at[1] + b * h->dilation;
                const int64_t i = (id * h->in + ih) * w->in + at + t * w->dilation;
                const T v = x[i * step];
                if (FIRST(v, best) | (found < 0)) best = v, found = i;
            }
    return found;
}

/* Places of the maxima of n windows that lie side by side: outputs [o0, o0 + n) of a line, or channels of output o0. */
static void NAME(places)(const reel_pool_plan *p, const reel_pool_line *l, const T *x, int64_t o0, int64_t n,
                         int64_t *place)
{
    const reel_window *d = &p->win[0], *h = &p->win[1], *w = &p->win[2];
    int32_t tap[REEL_POOL_TILE];
    if (p->direct) {
        for (int64_t i = 0; i < n; i++)
            place[i] = p->last ? NAME(first_direct)(p, l, x + i, p->c, o0) : NAME(first_direct)(p, l, x, 1, o0 + i);
        return;
    }
    int64_t base = l->at[0] * h->in * w->in + l->at[1] * w->in + o0 * w->stride - w->before;
    if (p->last) {
        T best[REEL_POOL_TILE];
        int64_t at, from, to;
        reel_window_taps_(w, o0, &at, &from, &to);
        for (int64_t i = 0; i < n; i++) best[i] = LOWEST, tap[i] = -1;
        for (int64_t a = l->from[0]; a < l->to[0]; a++)
            for (int64_t b = l->from[1]; b < l->to[1]; b++) {
                const int64_t id = l->at[0] + a * d->dilation, ih = l->at[1] + b * h->dilation;
                const T *row = x + ((id * h->in + ih) * w->in + at) * p->c;
                for (int64_t t = from; t < to; t++) {
                    const int32_t k = (int32_t)((a * h->kernel + b) * w->kernel + t);
                    NAME(first_take)(best, tap, k, row + t * w->dilation * p->c, 1, n);
                }
            }
    } else {
        NAME(first_line)(p, l, x, o0, o0 + n, tap);
    }
    for (int64_t i = 0; i < n; i++)
        place[i] = tap[i] < 0 ? -1 : base + p->places[tap[i]] + (p->last ? 0 : i * w->stride);
}

static void NAME(indices)(const reel_pool_plan *p, const void *xv, const void *g, void *yv, int64_t begin, int64_t end)
{
    const reel_window *h = &p->win[1], *w = &p->win[2];
    (void)g;
    for (int64_t i = begin; i < end; i++) {
        const int64_t plane = i / p->line_blocks, first = i % p->line_blocks * p->per_block;
        const int64_t stop = first + p->per_block < p->lines ? first + p->per_block : p->lines;
        const int64_t along = p->last ? p->c : w->out;
        for (int64_t r = first * (p->last ? w->out : 1); r < stop * (p->last ? w->out : 1); r++) {
            const int64_t line = p->last ? r / w->out : r, o = p->last ? r % w->out : 0;
            reel_pool_line l;
            reel_pool_line_(p, line, &l);
            for (int64_t k = 0; k < along; k += REEL_POOL_TILE) {
                const int64_t n = along - k < REEL_POOL_TILE ? along - k : REEL_POOL_TILE;
                const T *x = (const T *)xv + plane * p->in * (p->last ? p->c : 1) + (p->last ? k : 0);
                int64_t *y = (int64_t *)yv + plane * p->out * (p->last ? p->c : 1) + r * along + k;
                NAME(places)(p, &l, x, p->last ? o : k, n, y);
                for (int64_t e = 0; p->column_major && e < n; e++) {
                    if (y[e] < 0) continue;
                    const int64_t iw = y[e] % w->in, ih = y[e] / w->in % h->in, id = y[e] / w->in / h->in;
                    y[e] = (id * w->in + iw) * h->in + ih;
                }
            }
        }
    }
}
