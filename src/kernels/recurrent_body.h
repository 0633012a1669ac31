/* recurrent_body.h: gates of recurrent layers for one element type: T, NAME, SIGMOID, TANH. */

#define ROWS(c)                                \
    for (int64_t k_ = 0; k_ < (c)->rows; k_++) \
        for (int once_ = 1; once_; once_ = 0)
#define AT(p, n) ((p) ? (const T *)(p) + k_ * (n) : NULL)
#define TO(p, n) ((p) ? (T *)(p) + k_ * (n) : NULL)
/* What is missing reads as 0: masked loads from no address are slow. */
#define OPTIONAL(p, n) ((p) ? (const T *)(p) + k_ * (n) : (const T *)c->zeros)

static void NAME(off)(T *x, int64_t n)
{
    for (int64_t i = 0; x && i < n; i++) x[i] = 0;
}

static void NAME(rnn)(const reel_cell *c)
{
    const int64_t h = c->h;
    ROWS(c)
    {
        const T *x = AT(c->x, h), *pre = OPTIONAL(c->pre, h), *b = OPTIONAL(c->b, 0);
        T *state = TO(c->hs, h), *y = TO(c->y, h);
        if (!c->on[k_]) {
            NAME(off)(y, h);
            continue;
        }
        if (c->relu) REEL_IVDEP
        for (int64_t i = 0; i < h; i++) {
            const T a = x[i] + b[i] + pre[i];
            y[i] = state[i] = a > 0 || a != a ? a : 0;
        }
        else for (int64_t i = 0; i < h; i++) y[i] = state[i] = TANH(x[i] + b[i] + pre[i]);
    }
}

/* to = f(x + b + pre) for one gate */
#define GATE(to, f, at)                                                    \
    do {                                                                   \
        const T *x_ = x + (at), *b_ = b + (at), *p_ = pre + (at);          \
        T *REEL_RESTRICT to_ = (to);                                       \
        for (int64_t i = 0; i < h; i++) to_[i] = f(x_[i] + b_[i] + p_[i]); \
    } while (0)

static void NAME(lstm)(const reel_cell *c)
{
    const int64_t h = c->h;
    ROWS(c)
    {
        const T *x = AT(c->x, 4 * h), *pre = OPTIONAL(c->pre, 4 * h), *b = OPTIONAL(c->b, 0);
        T *REEL_RESTRICT state = TO(c->hs, h), *REEL_RESTRICT cell = TO(c->cs, h), *REEL_RESTRICT y = TO(c->y, h);
        T *REEL_RESTRICT s = TO(c->s, 5 * h);
        if (!c->on[k_]) {
            NAME(off)(y, h);
            NAME(off)(s, 5 * h);
            continue;
        }
        GATE(s, SIGMOID, 0);
        GATE(s + h, SIGMOID, h);
        GATE(s + 2 * h, TANH, 2 * h);
        GATE(s + 3 * h, SIGMOID, 3 * h);
        REEL_IVDEP
        for (int64_t i = 0; i < h; i++) {
            const T now = s[h + i] * cell[i] + s[i] * s[2 * h + i];
            cell[i] = s[4 * h + i] = now;
            y[i] = state[i] = s[3 * h + i] * TANH(now);
        }
    }
}

static void NAME(gru)(const reel_cell *c)
{
    const int64_t h = c->h;
    ROWS(c)
    {
        const T *x = AT(c->x, 3 * h), *pre = OPTIONAL(c->pre, 3 * h), *b = OPTIONAL(c->b, 0), *rb = OPTIONAL(c->rb, 0);
        T *REEL_RESTRICT state = TO(c->hs, h), *REEL_RESTRICT y = TO(c->y, h), *REEL_RESTRICT s = TO(c->s, 4 * h);
        if (!c->on[k_]) {
            NAME(off)(y, h);
            NAME(off)(s, 4 * h);
            continue;
        }
        GATE(s, SIGMOID, 0);
        GATE(s + h, SIGMOID, h);
        REEL_IVDEP
        for (int64_t i = 0; i < h; i++) {
            const T m = rb[i] + pre[2 * h + i], z = s[h + i];
            const T n = TANH(x[2 * h + i] + b[2 * h + i] + s[i] * m);
            s[2 * h + i] = n;
            s[3 * h + i] = m;
            y[i] = state[i] = (1 - z) * n + z * state[i];
        }
    }
}

static void NAME(gru_rz)(const reel_cell *c)
{
    const int64_t h = c->h;
    ROWS(c)
    {
        const T *x = AT(c->x, 3 * h), *pre = OPTIONAL(c->pre, 2 * h), *b = OPTIONAL(c->b, 0);
        const T *state = TO(c->hs, h);
        T *REEL_RESTRICT s = TO(c->s, 4 * h), *REEL_RESTRICT m = TO(c->tmp, h);
        if (!c->on[k_]) {
            NAME(off)(m, h);
            NAME(off)(s, 4 * h);
            continue;
        }
        GATE(s, SIGMOID, 0);
        GATE(s + h, SIGMOID, h);
        for (int64_t i = 0; i < h; i++) s[3 * h + i] = m[i] = s[i] * state[i];
    }
}

static void NAME(gru_n)(const reel_cell *c)
{
    const int64_t h = c->h;
    ROWS(c)
    {
        const T *x = AT(c->x, 3 * h), *pre = OPTIONAL(c->pre, h), *b = OPTIONAL(c->b, 0);
        T *REEL_RESTRICT state = TO(c->hs, h), *REEL_RESTRICT y = TO(c->y, h), *REEL_RESTRICT s = TO(c->s, 4 * h);
        if (!c->on[k_]) {
            NAME(off)(y, h);
            continue;
        }
        REEL_IVDEP
        for (int64_t i = 0; i < h; i++) {
            const T n = TANH(x[2 * h + i] + b[2 * h + i] + pre[i]), z = s[h + i];
            s[2 * h + i] = n;
            y[i] = state[i] = (1 - z) * n + z * state[i];
        }
    }
}

/* ---- backward ------------------------------------------------------------------------------------------ */
static void NAME(rnn_back)(const reel_cell *c)
{
    const int64_t h = c->h;
    ROWS(c)
    {
        const T *y = AT(c->out, h), *dy = OPTIONAL(c->dy, h);
        T *dh = TO(c->dh, h), *dx = TO(c->dx, h);
        if (!c->on[k_]) {
            NAME(off)(dx, h);
            continue;
        }
        REEL_IVDEP
        for (int64_t i = 0; i < h; i++) {
            const T d = dh[i] + dy[i];
            dx[i] = c->relu ? (y[i] > 0 ? d : 0) : d * (1 - y[i] * y[i]);
        }
    }
}

static void NAME(lstm_back)(const reel_cell *c)
{
    const int64_t h = c->h;
    ROWS(c)
    {
        const T *s = AT(c->saved, 5 * h), *dy = OPTIONAL(c->dy, h), *ds = OPTIONAL(c->ds, 5 * h),
                *cb = AT(c->c_before, h);
        T *REEL_RESTRICT dh = TO(c->dh, h), *REEL_RESTRICT dc = TO(c->dc, h), *REEL_RESTRICT dx = TO(c->dx, 4 * h);
        if (!c->on[k_]) {
            NAME(off)(dx, 4 * h);
            continue;
        }
        REEL_IVDEP
        for (int64_t j = 0; j < h; j++) {
            const T i = s[j], f = s[h + j], g = s[2 * h + j], o = s[3 * h + j], t = TANH(s[4 * h + j]);
            const T d = dh[j] + dy[j], dct = dc[j] + d * o * (1 - t * t) + ds[4 * h + j];
            const T di = dct * g + ds[j], df = dct * cb[j] + ds[h + j];
            const T dg = dct * i + ds[2 * h + j], dout = d * t + ds[3 * h + j];
            dx[j] = di * i * (1 - i);
            dx[h + j] = df * f * (1 - f);
            dx[2 * h + j] = dg * (1 - g * g);
            dx[3 * h + j] = dout * o * (1 - o);
            dc[j] = dct * f;
        }
    }
}

static void NAME(gru_back)(const reel_cell *c)
{
    const int64_t h = c->h;
    ROWS(c)
    {
        const T *s = AT(c->saved, 4 * h), *dy = OPTIONAL(c->dy, h), *ds = OPTIONAL(c->ds, 4 * h),
                *before = AT(c->before, h);
        T *REEL_RESTRICT dh = TO(c->dh, h), *REEL_RESTRICT dx = TO(c->dx, 3 * h), *REEL_RESTRICT dm = TO(c->dm, h);
        if (!c->on[k_]) {
            NAME(off)(dx, 3 * h);
            NAME(off)(dm, h);
            continue;
        }
        REEL_IVDEP
        for (int64_t j = 0; j < h; j++) {
            const T r = s[j], z = s[h + j], n = s[2 * h + j], m = s[3 * h + j], d = dh[j] + dy[j];
            const T dz = d * (before[j] - n) + ds[h + j], dn = d * (1 - z) + ds[2 * h + j];
            const T an = dn * (1 - n * n), dr = an * m + ds[j];
            dx[j] = dr * r * (1 - r);
            dx[h + j] = dz * z * (1 - z);
            dx[2 * h + j] = an;
            dm[j] = an * r + ds[3 * h + j];
            dh[j] = d * z;
        }
    }
}

static void NAME(gru_n_back)(const reel_cell *c)
{
    const int64_t h = c->h;
    ROWS(c)
    {
        const T *s = AT(c->saved, 4 * h), *dy = OPTIONAL(c->dy, h), *ds = OPTIONAL(c->ds, 4 * h),
                *before = AT(c->before, h);
        T *REEL_RESTRICT dh = TO(c->dh, h), *REEL_RESTRICT dx = TO(c->dx, 3 * h);
        if (!c->on[k_]) {
            NAME(off)(dx, 3 * h);
            continue;
        }
        REEL_IVDEP
        for (int64_t j = 0; j < h; j++) {
            const T z = s[h + j], n = s[2 * h + j], d = dh[j] + dy[j];
            const T dz = d * (before[j] - n) + ds[h + j], dn = d * (1 - z) + ds[2 * h + j];
            dx[h + j] = dz * z * (1 - z);
            dx[2 * h + j] = dn * (1 - n * n);
            dh[j] = d * z;
        }
    }
}

static void NAME(gru_rz_back)(const reel_cell *c)
{
    const int64_t h = c->h;
    ROWS(c)
    {
        const T *s = AT(c->saved, 4 * h), *ds = OPTIONAL(c->ds, 4 * h), *before = AT(c->before, h), *dm = AT(c->dm, h);
        T *REEL_RESTRICT dh = TO(c->dh, h), *REEL_RESTRICT dx = TO(c->dx, 3 * h);
        if (!c->on[k_]) continue;
        REEL_IVDEP
        for (int64_t j = 0; j < h; j++) {
            const T r = s[j], d = dm[j] + ds[3 * h + j], dr = d * before[j] + ds[j];
            dx[j] = dr * r * (1 - r);
            dh[j] += d * r;
        }
    }
}

static void NAME(pass)(const reel_cell *c, bool add)
{
    const int64_t h = c->h;
    ROWS(c)
    {
        const T *from = AT(c->tmp, h);
        T *REEL_RESTRICT dh = TO(c->dh, h);
        if (!c->on[k_]) continue;
        if (add)
            for (int64_t j = 0; j < h; j++) dh[j] += from[j];
        else
            for (int64_t j = 0; j < h; j++) dh[j] = from[j];
    }
}
#undef T
#undef NAME
#undef SIGMOID
#undef TANH
#undef ROWS
#undef AT
#undef TO
#undef OPTIONAL
#undef GATE
