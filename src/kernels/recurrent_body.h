/* recurrent_body.h: gates of recurrent layers for one element type: T, NAME, SIGMOID, TANH. */

#define ROWS(c)                                \
    for (int64_t k_ = 0; k_ < (c)->rows; k_++) \
        for (int once_ = 1; once_; once_ = 0)
#define AT(p, n) ((p) ? (const T *)(p) + k_ * (n) : NULL)
#define TO(p, n) ((p) ? (T *)(p) + k_ * (n) : NULL)
#define PART(p, i) ((p) ? (p)[i] : 0)

static void NAME(off)(T *x, int64_t n)
{
    for (int64_t i = 0; x && i < n; i++) x[i] = 0;
}

static void NAME(rnn)(const reel_cell *c)
{
    const int64_t h = c->h;
    ROWS(c)
    {
        const T *x = AT(c->x, h), *pre = AT(c->pre, h), *b = c->b;
        T *state = TO(c->hs, h), *y = TO(c->y, h);
        if (!c->on[k_]) {
            NAME(off)(y, h);
            continue;
        }
        if (c->relu) REEL_IVDEP
        for (int64_t i = 0; i < h; i++) {
            const T a = x[i] + PART(b, i) + PART(pre, i);
            y[i] = state[i] = a > 0 || a != a ? a : 0;
        }
        else for (int64_t i = 0; i < h; i++) y[i] = state[i] = TANH(x[i] + PART(b, i) + PART(pre, i));
    }
}

/* to = f(x + b + pre) for one gate */
#define GATE(to, f, at)                                                                    \
    do {                                                                                   \
        const T *x_ = x + (at), *b_ = b ? b + (at) : NULL, *p_ = pre ? pre + (at) : NULL;  \
        T *REEL_RESTRICT to_ = (to);                                                       \
        if (b_ && p_)                                                                      \
            for (int64_t i = 0; i < h; i++) to_[i] = f(x_[i] + b_[i] + p_[i]);             \
        else                                                                               \
            for (int64_t i = 0; i < h; i++) to_[i] = f(x_[i] + PART(b_, i) + PART(p_, i)); \
    } while (0)

static void NAME(lstm)(const reel_cell *c)
{
    const int64_t h = c->h;
    ROWS(c)
    {
        const T *x = AT(c->x, 4 * h), *pre = AT(c->pre, 4 * h), *b = c->b;
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
        const T *x = AT(c->x, 3 * h), *pre = AT(c->pre, 3 * h), *b = c->b, *rb = c->rb;
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
            const T m = PART(rb, i) + (pre ? pre[2 * h + i] : 0), z = s[h + i];
            const T n = TANH(x[2 * h + i] + (b ? b[2 * h + i] : 0) + s[i] * m);
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
        const T *x = AT(c->x, 3 * h), *pre = AT(c->pre, 2 * h), *b = c->b;
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
        const T *x = AT(c->x, 3 * h), *pre = AT(c->pre, h), *b = c->b;
        T *REEL_RESTRICT state = TO(c->hs, h), *REEL_RESTRICT y = TO(c->y, h), *REEL_RESTRICT s = TO(c->s, 4 * h);
        if (!c->on[k_]) {
            NAME(off)(y, h);
            continue;
        }
        REEL_IVDEP
        for (int64_t i = 0; i < h; i++) {
            const T n = TANH(x[2 * h + i] + (b ? b[2 * h + i] : 0) + PART(pre, i)), z = s[h + i];
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
        const T *y = AT(c->out, h), *dy = AT(c->dy, h);
        T *dh = TO(c->dh, h), *dx = TO(c->dx, h);
        if (!c->on[k_]) {
            NAME(off)(dx, h);
            continue;
        }
        REEL_IVDEP
        for (int64_t i = 0; i < h; i++) {
            const T d = dh[i] + PART(dy, i);
            dx[i] = c->relu ? (y[i] > 0 ? d : 0) : d * (1 - y[i] * y[i]);
        }
    }
}

static void NAME(lstm_back)(const reel_cell *c)
{
    const int64_t h = c->h;
    ROWS(c)
    {
        const T *s = AT(c->saved, 5 * h), *dy = AT(c->dy, h), *ds = AT(c->ds, 5 * h), *cb = AT(c->c_before, h);
        T *REEL_RESTRICT dh = TO(c->dh, h), *REEL_RESTRICT dc = TO(c->dc, h), *REEL_RESTRICT dx = TO(c->dx, 4 * h);
        if (!c->on[k_]) {
            NAME(off)(dx, 4 * h);
            continue;
        }
        REEL_IVDEP
        for (int64_t j = 0; j < h; j++) {
            const T i = s[j], f = s[h + j], g = s[2 * h + j], o = s[3 * h + j], t = TANH(s[4 * h + j]);
            const T d = dh[j] + PART(dy, j), dct = dc[j] + d * o * (1 - t * t) + (ds ? ds[4 * h + j] : 0);
            const T di = dct * g + (ds ? ds[j] : 0), df = dct * cb[j] + (ds ? ds[h + j] : 0);
            const T dg = dct * i + (ds ? ds[2 * h + j] : 0), dout = d * t + (ds ? ds[3 * h + j] : 0);
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
        const T *s = AT(c->saved, 4 * h), *dy = AT(c->dy, h), *ds = AT(c->ds, 4 * h), *before = AT(c->before, h);
        T *REEL_RESTRICT dh = TO(c->dh, h), *REEL_RESTRICT dx = TO(c->dx, 3 * h), *REEL_RESTRICT dm = TO(c->dm, h);
        if (!c->on[k_]) {
            NAME(off)(dx, 3 * h);
            NAME(off)(dm, h);
            continue;
        }
        REEL_IVDEP
        for (int64_t j = 0; j < h; j++) {
            const T r = s[j], z = s[h + j], n = s[2 * h + j], m = s[3 * h + j], d = dh[j] + PART(dy, j);
            const T dz = d * (before[j] - n) + (ds ? ds[h + j] : 0), dn = d * (1 - z) + (ds ? ds[2 * h + j] : 0);
            const T an = dn * (1 - n * n), dr = an * m + (ds ? ds[j] : 0);
            dx[j] = dr * r * (1 - r);
            dx[h + j] = dz * z * (1 - z);
            dx[2 * h + j] = an;
            dm[j] = an * r + (ds ? ds[3 * h + j] : 0);
            dh[j] = d * z;
        }
    }
}

static void NAME(gru_n_back)(const reel_cell *c)
{
    const int64_t h = c->h;
    ROWS(c)
    {
        const T *s = AT(c->saved, 4 * h), *dy = AT(c->dy, h), *ds = AT(c->ds, 4 * h), *before = AT(c->before, h);
        T *REEL_RESTRICT dh = TO(c->dh, h), *REEL_RESTRICT dx = TO(c->dx, 3 * h);
        if (!c->on[k_]) {
            NAME(off)(dx, 3 * h);
            continue;
        }
        REEL_IVDEP
        for (int64_t j = 0; j < h; j++) {
            const T z = s[h + j], n = s[2 * h + j], d = dh[j] + PART(dy, j);
            const T dz = d * (before[j] - n) + (ds ? ds[h + j] : 0), dn = d * (1 - z) + (ds ? ds[2 * h + j] : 0);
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
        const T *s = AT(c->saved, 4 * h), *ds = AT(c->ds, 4 * h), *before = AT(c->before, h), *dm = AT(c->dm, h);
        T *REEL_RESTRICT dh = TO(c->dh, h), *REEL_RESTRICT dx = TO(c->dx, 3 * h);
        if (!c->on[k_]) continue;
        REEL_IVDEP
        for (int64_t j = 0; j < h; j++) {
            const T r = s[j], d = dm[j] + (ds ? ds[3 * h + j] : 0), dr = d * before[j] + PART(ds, j);
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
#undef PART
#undef GATE
