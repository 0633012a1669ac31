/* attention_body.h: attention's loops on tiles for one element type: T, BITS, V(name) of gemm_vec.h, EXP, LOG, TANH, LOW (where e^x is
   about to become subnormal).
   Sixteen columns at a time; each column is summed from the first key to the last. */

/* e^x, but 0 where that would be subnormal (slow, and nothing beside a sum of at least 1) */
REEL_ALWAYS_INLINE T NAME(weight)(T x)
{
    const T e = EXP(x < LOW ? LOW : x);
    return x < LOW ? 0 : e;
}

static void NAME(forward)(const reel_att_tile *t)
{
    enum { W = REEL_ATT_LANES };
    const T cap = (T)t->softcap;
    for (int64_t i = 0; i < t->m; i += W) {
        T *s = (T *)t->s + i, *tops = (T *)t->top + i, *sums = (T *)t->sum + i, *alphas = (T *)t->alpha + i;
        const T *bias = t->bias ? (const T *)t->bias + i : NULL;
        T top[W], sum[W], base[W];
        for (int l = 0; l < W; l++) top[l] = tops[l], sum[l] = 0;
        if (cap > 0)
            for (int64_t j = 0; j < t->n; j++)
                for (int l = 0; l < W; l++) s[j * t->m + l] = cap * TANH(s[j * t->m + l] / cap);
        if (bias)
            for (int64_t j = 0; j < t->n; j++)
                for (int l = 0; l < W; l++) {
                    const T x = s[j * t->m + l] + bias[j * t->m + l];
                    s[j * t->m + l] = x;
                    top[l] = x > top[l] ? x : top[l];
                }
        else
            for (int64_t j = 0; j < t->n; j++)
                for (int l = 0; l < W; l++) top[l] = s[j * t->m + l] > top[l] ? s[j * t->m + l] : top[l];
        for (int l = 0; l < W; l++) base[l] = top[l] > -(T)INFINITY ? top[l] : 0;
        for (int64_t j = 0; j < t->n; j++) {
            T *row = s + j * t->m;
            for (int l = 0; l < W; l++) {
                row[l] = NAME(weight)(row[l] - base[l]);
                sum[l] += row[l];
            }
        }
        for (int l = 0; l < W; l++) {
            const T a = NAME(weight)(tops[l] - base[l]);
            alphas[l] = a;
            sums[l] = sums[l] * a + sum[l];
            tops[l] = top[l];
        }
    }
}

static void NAME(backward)(const reel_att_tile *t)
{
    enum { W = REEL_ATT_LANES };
    const T cap = (T)t->softcap, scale = (T)t->scale;
    for (int64_t i = 0; i < t->m; i += W) {
        T *s = (T *)t->s + i, *dp = (T *)t->dp + i;
        const T *bias = t->bias ? (const T *)t->bias + i : NULL, *delta = (const T *)t->delta + i;
        T base[W];
        for (int l = 0; l < W; l++) {
            const T x = ((const T *)t->lse)[i + l];
            base[l] = x == -(T)INFINITY ? 0 : x;
        }
        for (int64_t j = 0; j < t->n; j++) {
            T *row = s + j * t->m, *d = dp + j * t->m;
            T x[W], f[W];
            for (int l = 0; l < W; l++) x[l] = row[l], f[l] = scale;
            if (cap > 0)
                for (int l = 0; l < W; l++) {
                    const T h = TANH(x[l] / cap);
                    x[l] = cap * h;
                    f[l] = scale * (1 - h * h);
                }
            if (bias)
                for (int l = 0; l < W; l++) x[l] += bias[j * t->m + l];
            for (int l = 0; l < W; l++) {
                const T p = NAME(weight)(x[l] - base[l]);
                row[l] = p;
                d[l] = p * (d[l] - delta[l]) * f[l];
            }
        }
    }
}

static void NAME(turn)(void *tov, int64_t m, const void *fromv, int64_t ldf, int64_t rows, int64_t cols, double scale)
{
    enum { S = CAT(REEL_SQUARE, BITS) };
    T *to = tov;
    const T *from = fromv, by = (T)scale;
    const int64_t is = rows / S * S, js = cols / S * S;
    for (int64_t j = 0; j < js; j += S)
        for (int64_t i = 0; i < is; i += S) V(transpose)(to + j * m + i, m, from + i * ldf + j, ldf);
    for (int64_t j = js; j < cols; j++)
        for (int64_t i = 0; i < is; i++) to[j * m + i] = from[i * ldf + j];
    for (int64_t j = 0; j < cols; j++) {
        for (int64_t i = is; i < rows; i++) to[j * m + i] = from[i * ldf + j];
        for (int64_t i = rows; i < m; i++) to[j * m + i] = 0;
    }
    if (by != 1)
        for (int64_t i = 0; i < m * cols; i++) to[i] *= by;
}

static void NAME(add)(void *yv, const void *xv, const void *av, int64_t rows, int64_t cols)
{
    T *REEL_RESTRICT y = yv;
    const T *REEL_RESTRICT x = xv, *a = av;
    for (int64_t i = 0; i < rows; i++, y += cols, x += cols) {
        if (a) {
            const T f = a[i];
            for (int64_t j = 0; j < cols; j++) y[j] = y[j] * f + x[j];
        } else {
            for (int64_t j = 0; j < cols; j++) y[j] += x[j];
        }
    }
}

static void NAME(finish)(void *xv, const void *topv, const void *sumv, void *lsev, int64_t rows, int64_t cols)
{
    T *x = xv, *lse = lsev;
    const T *top = topv, *sum = sumv;
    for (int64_t i = 0; i < rows; i++, x += cols) {
        const T s = sum[i];
        lse[i] = s == 0 ? -(T)INFINITY : top[i] + LOG(s);
        if (s == 0)
            for (int64_t j = 0; j < cols; j++) x[j] = 0;
        else
            for (int64_t j = 0; j < cols; j++) x[j] /= s;
    }
}
#undef T
#undef BITS
#undef V
#undef NAME
#undef EXP
#undef LOG
#undef TANH
#undef LOW
