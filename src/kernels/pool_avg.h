/* pool_avg.h: what only float types have: means of windows, and gradients. level_pool.c includes it for float and double. */

static inline void NAME(add_up)(double *sum, const T *x, int64_t n, int64_t step)
{
    double lane[16] = {0};
    int64_t i = 0;
    for (; step == 1 && i + 16 <= n; i += 16)
        for (int k = 0; k < 16; k++) lane[k] += (double)x[i + k];
    for (; i < n; i++) lane[0] += (double)x[i * step];
    for (int h = 8; h; h /= 2)
        for (int k = 0; k < h; k++) lane[k] += lane[k + h];
    *sum += lane[0];
}

static inline double NAME(mean_of)(double sum, int64_t count)
{
    return count > 0 ? sum / (double)count : 0;
}

static void NAME(avg_direct)(const reel_pool_plan *p, const reel_pool_line *l, int64_t outer, const T *x, T *y)
{
    const reel_window *d = &p->win[0], *h = &p->win[1], *w = &p->win[2];
    const int64_t step = p->last ? p->c : 1;
    for (int64_t o = 0; o < w->out; o++) {
        int64_t at, from, to;
        reel_window_taps_(w, o, &at, &from, &to);
        const int64_t count = p->divisor ? p->divisor : outer * reel_pool_count_(p, 2, o);
        for (int64_t c = 0; c < step; c++) {
            double sum = 0;
            for (int64_t a = l->from[0]; a < l->to[0]; a++)
                for (int64_t b = l->from[1]; b < l->to[1]; b++) {
                    const int64_t id = l->at[0] + a * d->dilation, ih = l->at[1] + b * h->dilation;
                    const T *row = x + ((id * h->in + ih) * w->in + at) * step + c;
                    if (to > from) NAME(add_up)(&sum, row + from * w->dilation * step, to - from, w->dilation * step);
                }
            y[o * step + c] = (T)NAME(mean_of)(sum, count);
        }
    }
}

REEL_ALWAYS_INLINE void NAME(add_row)(T *REEL_RESTRICT y, const T *REEL_RESTRICT x, int64_t stride, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] += x[i * stride];
}

/* y /= count along outputs [o0, o1) of a line; the windows between have the count of the first that is whole. */
static void NAME(divide_line)(const reel_pool_plan *p, int64_t outer, T *y, int64_t o0, int64_t o1)
{
    if (p->divisor) {
        const T count = (T)p->divisor;
        for (int64_t o = o0; o < o1; o++) y[o - o0] /= count;
        return;
    }
    const reel_window *w = &p->win[2];
    const int64_t span = (w->kernel - 1) * w->dilation + 1;
    int64_t low = (w->before + w->stride - 1) / w->stride;
    int64_t high = w->in + w->before >= span ? (w->in + w->before - span) / w->stride + 1 : 0;
    low = low < o0 ? o0 : low > o1 ? o1 : low;
    high = high < low ? low : high > o1 ? o1 : high;
    const T whole = (T)(outer * w->kernel);
    for (int64_t o = o0; o < o1; o++) {
        if (o == low) {
            for (; o < high && whole > 0; o++) y[o - o0] /= whole;
            if (o >= o1) break;
        }
        const int64_t count = outer * reel_pool_count_(p, 2, o);
        y[o - o0] = count > 0 ? y[o - o0] / (T)count : 0;
    }
}

static void NAME(avg_line)(const reel_pool_plan *p, const reel_pool_line *l, int64_t outer, const T *x, T *y)
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
                    NAME(add_row)(row, from, 1, i1 - i0);
                else
                    memcpy(row, from, (size_t)(i1 - i0) * sizeof(T));
                any = true;
            }
        for (int64_t o = o0; o < o1; o++) y[o] = 0;
        for (int64_t t = 0; any && t < w->kernel; t++) {
            int64_t from, to, shift;
            reel_pool_inside_(w, t, &from, &to, &shift);
            if (from < o0) from = o0;
            if (to > o1) to = o1;
            if (to <= from) continue;
            const T *at = row + (from * w->stride + shift - i0);
            if (w->stride == 1)
                NAME(add_row)(y + from, at, 1, to - from);
            else if (w->stride == 2)
                NAME(add_row)(y + from, at, 2, to - from);
            else
                NAME(add_row)(y + from, at, w->stride, to - from);
        }
        NAME(divide_line)(p, outer, y + o0, o0, o1);
    }
}

static void NAME(avg_last)(const reel_pool_plan *p, const reel_pool_line *l, int64_t outer, const T *x, T *y)
{
    const reel_window *d = &p->win[0], *h = &p->win[1], *w = &p->win[2];
    for (int64_t o = 0; o < w->out; o++, y += p->c) {
        int64_t at, from, to;
        reel_window_taps_(w, o, &at, &from, &to);
        const int64_t count = p->divisor ? p->divisor : outer * reel_pool_count_(p, 2, o);
        for (int64_t c = 0; c < p->c; c++) y[c] = 0;
        for (int64_t a = l->from[0]; a < l->to[0]; a++)
            for (int64_t b = l->from[1]; b < l->to[1]; b++) {
                const int64_t id = l->at[0] + a * d->dilation, ih = l->at[1] + b * h->dilation;
                const T *row = x + ((id * h->in + ih) * w->in + at) * p->c;
                for (int64_t t = from; t < to; t++) NAME(add_row)(y, row + t * w->dilation * p->c, 1, p->c);
            }
        for (int64_t c = 0; c < p->c; c++) y[c] = count > 0 ? y[c] / (T)count : 0;
    }
}

/* What the outer two axes of a line count. */
static inline int64_t NAME(outer_count)(const reel_pool_plan *p, int64_t line)
{
    return reel_pool_count_(p, 0, line / p->win[1].out) * reel_pool_count_(p, 1, line % p->win[1].out);
}

/* ---- windows side by side: each element of a line in one window, none with padding ------------------------- */
static inline void NAME(scale)(T *y, int64_t n, int64_t count)
{
    if ((count & (count - 1)) == 0) { /* exact */
        const T rate = 1 / (T)count;
        for (int64_t i = 0; i < n; i++) y[i] *= rate;
    } else {
        for (int64_t i = 0; i < n; i++) y[i] /= (T)count;
    }
}

/* Sums of n runs of k elements. */
REEL_ALWAYS_INLINE void NAME(add_runs)(T *REEL_RESTRICT y, const T *REEL_RESTRICT x, int64_t k, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        T sum = 0;
        for (int64_t t = 0; t < k; t++) sum += x[i * k + t];
        y[i] = sum;
    }
}

/* Some lines at once: their rows added up one behind the other, then all of these along the last axis. */
static void NAME(avg_tight)(const reel_pool_plan *p, int64_t first, int64_t stop, const T *x, T *y)
{
    const reel_window *d = &p->win[0], *h = &p->win[1], *w = &p->win[2];
    const int64_t most = REEL_POOL_COLS / w->in, k = w->kernel;
    T rows[REEL_POOL_COLS];
    for (int64_t line = first; line < stop; line += most) {
        const int64_t lines = stop - line < most ? stop - line : most, n = lines * w->out;
        int64_t od = line / h->out, oh = line - od * h->out;
        for (int64_t i = 0; i < lines; i++) {
            const T *const from = x + (od * d->stride * h->in + oh * h->stride) * w->in;
            T *const row = rows + i * w->in;
            for (int64_t r = 0; r < d->kernel * h->kernel; r++) {
                const T *const at = from + p->places[r];
                if (r == 0 && d->kernel * h->kernel > 1)
                    for (int64_t j = 0; j < w->in; j++) row[j] = at[j] + from[p->places[1] + j];
                else if (r == 0)
                    for (int64_t j = 0; j < w->in; j++) row[j] = at[j];
                else if (r > 1)
                    NAME(add_row)(row, at, 1, w->in);
            }
            if (++oh == h->out) oh = 0, od++;
        }
        T *const to = y + line * w->out;
        if (k == 1)
            NAME(add_runs)(to, rows, 1, n);
        else if (k == 2)
            NAME(add_runs)(to, rows, 2, n);
        else if (k == 3)
            NAME(add_runs)(to, rows, 3, n);
        else
            NAME(add_runs)(to, rows, k, n);
        NAME(scale)(to, n, p->divisor ? p->divisor : p->taps);
    }
}

REEL_ALWAYS_INLINE void NAME(repeat)(T *REEL_RESTRICT x, const T *REEL_RESTRICT y, int64_t k, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t t = 0; t < k; t++) x[i * k + t] = y[i];
}

static void NAME(spread_tight)(const reel_pool_plan *p, const T *g, T *x)
{
    const reel_window *d = &p->win[0], *h = &p->win[1], *w = &p->win[2];
    const int64_t most = REEL_POOL_COLS / w->in, k = w->kernel;
    T share[REEL_POOL_COLS], rows[REEL_POOL_COLS];
    if (p->in != p->out * p->taps) memset(x, 0, (size_t)p->in * sizeof(T));
    for (int64_t line = 0; line < p->lines; line += most) {
        const int64_t lines = p->lines - line < most ? p->lines - line : most, n = lines * w->out;
        int64_t od = line / h->out, oh = line - od * h->out;
        for (int64_t i = 0; i < n; i++) share[i] = g[line * w->out + i];
        NAME(scale)(share, n, p->divisor ? p->divisor : p->taps);
        for (int64_t i = 0; i < n; i++) share[i] += 0; /* -0 to what was 0 */
        if (k == 1)
            NAME(repeat)(rows, share, 1, n);
        else if (k == 2)
            NAME(repeat)(rows, share, 2, n);
        else if (k == 3)
            NAME(repeat)(rows, share, 3, n);
        else
            NAME(repeat)(rows, share, k, n);
        for (int64_t i = 0; i < lines; i++) {
            T *const to = x + (od * d->stride * h->in + oh * h->stride) * w->in;
            for (int64_t r = 0; r < d->kernel * h->kernel; r++) {
                T *REEL_RESTRICT at = to + p->places[r];
                for (int64_t j = 0; j < w->in; j++) at[j] = rows[i * w->in + j];
            }
            if (++oh == h->out) oh = 0, od++;
        }
    }
}

static void NAME(avg)(const reel_pool_plan *p, const void *xv, const void *g, void *yv, int64_t begin, int64_t end)
{
    (void)g;
    for (int64_t i = begin; i < end; i++) {
        const int64_t plane = i / p->line_blocks, first = i % p->line_blocks * p->per_block;
        const int64_t stop = first + p->per_block < p->lines ? first + p->per_block : p->lines;
        const T *x = (const T *)xv + plane * p->in * (p->last ? p->c : 1);
        if (p->tight) {
            NAME(avg_tight)(p, first, stop, x, (T *)yv + plane * p->out);
            continue;
        }
        for (int64_t line = first; line < stop; line++) {
            T *y = (T *)yv + (plane * p->out + line * p->win[2].out) * (p->last ? p->c : 1);
            reel_pool_line l;
            reel_pool_line_(p, line, &l);
            if (p->direct)
                NAME(avg_direct)(p, &l, NAME(outer_count)(p, line), x, y);
            else if (p->last)
                NAME(avg_last)(p, &l, NAME(outer_count)(p, line), x, y);
            else
                NAME(avg_line)(p, &l, NAME(outer_count)(p, line), x, y);
        }
    }
}

/* ---- gradients: an item is a plane, or a tile of channels of an image -------------------------------- */
/* One line of regular windows: each output's share, then tap by tap. */
REEL_ALWAYS_INLINE void NAME(add_apart)(T *REEL_RESTRICT x, const T *REEL_RESTRICT y, int64_t stride, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i * stride] += y[i];
}
static void NAME(avg_spread)(const reel_pool_plan *p, const reel_pool_line *l, int64_t outer, const T *g, T *x)
{
    const reel_window *d = &p->win[0], *h = &p->win[1], *w = &p->win[2];
    T share[REEL_POOL_COLS];
    for (int64_t o0 = 0; o0 < w->out; o0 += REEL_POOL_COLS) {
        const int64_t o1 = o0 + REEL_POOL_COLS < w->out ? o0 + REEL_POOL_COLS : w->out;
        memcpy(share, g + o0, (size_t)(o1 - o0) * sizeof(T));
        NAME(divide_line)(p, outer, share, o0, o1);
        for (int64_t t = 0; t < w->kernel; t++) {
            int64_t from, to, shift;
            reel_pool_inside_(w, t, &from, &to, &shift);
            if (from < o0) from = o0;
            if (to > o1) to = o1;
            if (to <= from) continue;
            for (int64_t a = l->from[0]; a < l->to[0]; a++)
                for (int64_t b = l->from[1]; b < l->to[1]; b++) {
                    const int64_t id = l->at[0] + a * d->dilation, ih = l->at[1] + b * h->dilation;
                    T *const at = x + (id * h->in + ih) * w->in + from * w->stride + shift;
                    if (w->stride == 1)
                        NAME(add_apart)(at, share + (from - o0), 1, to - from);
                    else if (w->stride == 2)
                        NAME(add_apart)(at, share + (from - o0), 2, to - from);
                    else
                        NAME(add_apart)(at, share + (from - o0), w->stride, to - from);
                }
        }
    }
}

static void NAME(avg_grad)(const reel_pool_plan *p, const void *gv, const void *none, void *xv, int64_t begin,
                           int64_t end)
{
    const reel_window *d = &p->win[0], *h = &p->win[1], *w = &p->win[2];
    (void)none;
    for (int64_t i = begin; i < end; i++) {
        const int64_t step = p->last ? p->c : 1, plane = i / p->tiles, c0 = i % p->tiles * REEL_POOL_TILE;
        const int64_t n = !p->last ? 1 : p->c - c0 < REEL_POOL_TILE ? p->c - c0 : REEL_POOL_TILE;
        T *const x = (T *)xv + plane * p->in * step + (p->last ? c0 : 0);
        const T *const g = (const T *)gv + plane * p->out * step + (p->last ? c0 : 0);
        if (p->tight) {
            NAME(spread_tight)(p, g, x);
            continue;
        }
        for (int64_t e = 0; e < p->in; e++)
            for (int64_t c = 0; c < n; c++) x[e * step + c] = 0;
        for (int64_t line = 0; line < p->lines; line++) {
            const int64_t outer = NAME(outer_count)(p, line);
            reel_pool_line l;
            reel_pool_line_(p, line, &l);
            if (!p->last && !w->adaptive) {
                NAME(avg_spread)(p, &l, outer, g + line * w->out, x);
                continue;
            }
            for (int64_t o = 0; o < w->out; o++) {
                int64_t at, from, to;
                T share[REEL_POOL_TILE];
                reel_window_taps_(w, o, &at, &from, &to);
                const int64_t count = p->divisor ? p->divisor : outer * reel_pool_count_(p, 2, o);
                for (int64_t c = 0; c < n; c++) share[c] = count > 0 ? g[(line * w->out + o) * step + c] / (T)count : 0;
                for (int64_t a = l.from[0]; a < l.to[0]; a++)
                    for (int64_t b = l.from[1]; b < l.to[1]; b++) {
                        const int64_t id = l.at[0] + a * d->dilation, ih = l.at[1] + b * h->dilation;
                        T *const row = x + ((id * h->in + ih) * w->in + at) * step;
                        if (n == 1)
                            for (int64_t t = from; t < to; t++) row[t * w->dilation * step] += share[0];
                        else
                            for (int64_t t = from; t < to; t++)
                                for (int64_t c = 0; c < n; c++) row[t * w->dilation * step + c] += share[c];
                    }
            }
        }
    }
}

static void NAME(max_grad)(const reel_pool_plan *p, const void *xv, const void *gv, void *dv, int64_t begin,
                           int64_t end)
{
    const reel_window *w = &p->win[2];
    for (int64_t i = begin; i < end; i++) {
        const int64_t step = p->last ? p->c : 1, plane = i / p->tiles, c0 = i % p->tiles * REEL_POOL_TILE;
        const int64_t nc = !p->last ? 1 : p->c - c0 < REEL_POOL_TILE ? p->c - c0 : REEL_POOL_TILE;
        const T *const x = (const T *)xv + plane * p->in * step + (p->last ? c0 : 0);
        const T *const g = (const T *)gv + plane * p->out * step + (p->last ? c0 : 0);
        T *const d = (T *)dv + plane * p->in * step + (p->last ? c0 : 0);
        int64_t place[REEL_POOL_TILE];
        for (int64_t e = 0; e < p->in; e++)
            for (int64_t c = 0; c < nc; c++) d[e * step + c] = 0;
        for (int64_t line = 0; line < p->lines; line++) {
            const T *const at = g + line * w->out * step;
            reel_pool_line l;
            reel_pool_line_(p, line, &l);
            for (int64_t o = 0; o < w->out; o += p->last ? 1 : REEL_POOL_TILE) {
                const int64_t n = p->last ? nc : w->out - o < REEL_POOL_TILE ? w->out - o : REEL_POOL_TILE;
                NAME(places)(p, &l, x, o, n, place);
                for (int64_t k = 0; k < n; k++)
                    if (place[k] >= 0) d[place[k] * step + (p->last ? k : 0)] += p->last ? at[o * step + k] : at[o + k];
            }
        }
    }
}
