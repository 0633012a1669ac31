/* grid_sample_body.h: sampling for one element type: T, NAME, FLOOR, RINT. */

enum { NAME(MAX_TAPS) = 64 };

/* Along one axis: up to four pixels (-1: outside), their weights, and the weights' derivatives by the grid's coordinate. */
typedef struct NAME(axis) {
    int n;
    int64_t at[4];
    T w[4], dw[4];
} NAME(axis);

/* x folded into [low / 2, high / 2]; *sign: the derivative */
static T NAME(reflect)(T x, T low, T high, T *sign)
{
    *sign = 1;
    if (low == high) {
        *sign = 0;
        return 0;
    }
    const T least = low / 2, span = (high - low) / 2;
    T d = x - least;
    if (d < 0) d = -d, *sign = -1;
    const T turns = FLOOR(d / span), extra = d - turns * span;
    const T half = turns / 2;
    if (half == FLOOR(half)) return extra + least;
    *sign = -*sign;
    return span - extra + least;
}

static T NAME(clip)(T x, int64_t n, T *sign)
{
    if (!(x > 0)) {
        *sign = 0;
        return 0;
    }
    if (x >= (T)(n - 1)) {
        *sign = 0;
        return (T)(n - 1);
    }
    return x;
}

static T NAME(padded)(const reel_grid_job *j, T x, int64_t n, T *slope)
{
    T s = 1;
    if (j->padding == REEL_BORDER) {
        x = NAME(clip)(x, n, &s);
    } else if (j->padding == REEL_REFLECTION) {
        T c = 1;
        x = j->align ? NAME(reflect)(x, 0, (T)(2 * (n - 1)), &s) : NAME(reflect)(x, -1, (T)(2 * n - 1), &s);
        x = NAME(clip)(x, n, &c);
        s *= c;
    }
    *slope *= s;
    return x;
}

static int64_t NAME(pixel)(const reel_grid_job *j, T x, int64_t n)
{
    T unused = 1;
    const T p = NAME(padded)(j, x, n, &unused);
    return p > -1 && p < (T)n ? (int64_t)p : -1;
}

static void NAME(cubic)(T t, T w[4], T dw[4])
{
    const T a = (T)-0.75;
    const T x[4] = {t + 1, t, 1 - t, 2 - t};
    static const T side[4] = {1, 1, -1, -1};
    for (int k = 0; k < 4; k++) {
        const T v = x[k];
        if (k == 0 || k == 3) {
            w[k] = ((a * v - 5 * a) * v + 8 * a) * v - 4 * a;
            dw[k] = side[k] * ((3 * a * v - 10 * a) * v + 8 * a);
        } else {
            w[k] = ((a + 2) * v - (a + 3)) * v * v + 1;
            dw[k] = side[k] * ((3 * (a + 2) * v - 2 * (a + 3)) * v);
        }
    }
}

static void NAME(taps)(const reel_grid_job *j, T g, int64_t n, NAME(axis) * o)
{
    T slope = j->align ? (T)(n - 1) / 2 : (T)n / 2;
    const T wide = (T)1e9;
    if (g != g) g = -1;
    T x = j->align ? (g + 1) / 2 * (T)(n - 1) : ((g + 1) * (T)n - 1) / 2;
    if (j->mode != REEL_SAMPLE_CUBIC) x = NAME(padded)(j, x, n, &slope);
    x = x < -wide ? -wide : x > wide ? wide : x; /* far outside, where floor and integers still agree */
    if (j->mode == REEL_SAMPLE_NEAREST) {
        const T r = RINT(x);
        o->n = 1;
        o->at[0] = r > -1 && r < (T)n ? (int64_t)r : -1;
        o->w[0] = 1;
        o->dw[0] = 0;
        return;
    }
    const T base = FLOOR(x), t = x - base;
    if (j->mode == REEL_SAMPLE_LINEAR) {
        o->n = 2;
        o->w[0] = 1 - t, o->w[1] = t;
        o->dw[0] = -slope, o->dw[1] = slope;
        for (int k = 0; k < 2; k++) {
            const T p = base + (T)k;
            o->at[k] = p > -1 && p < (T)n ? (int64_t)p : -1;
        }
        return;
    }
    o->n = 4;
    NAME(cubic)(t, o->w, o->dw);
    for (int k = 0; k < 4; k++) {
        o->at[k] = NAME(pixel)(j, base + (T)(k - 1), n);
        o->dw[k] *= slope;
    }
}

/* All pixels that count for a point, axis by axis. slope: NULL, or the weights' derivatives by each coordinate, x (the last
   axis) first. */
REEL_ALWAYS_INLINE int NAME(spread)(const reel_grid_job *j, const T *g, int64_t at[NAME(MAX_TAPS)], T w[NAME(MAX_TAPS)],
                                    T (*slope)[NAME(MAX_TAPS)])
{
    int n = 1;
    at[0] = 0;
    w[0] = 1;
    for (int c = 0; slope && c < j->axes; c++) slope[c][0] = 1;
    for (int k = 0; k < j->axes; k++) {
        NAME(axis) a;
        int taps = 0;
        NAME(taps)(j, g[j->axes - 1 - k], j->dims[k], &a);
        for (int t = 0; t < a.n; t++) { /* those inside, in front */
            if (a.at[t] < 0) continue;
            a.at[taps] = a.at[t], a.w[taps] = a.w[t], a.dw[taps] = a.dw[t];
            taps++;
        }
        for (int i = n - 1; i >= 0;
             i--) { /* entry i becomes `taps` entries; from the last, so that none is overwritten */
            const int64_t base = at[i] * j->dims[k];
            const T f = w[i];
            T d[3] = {0, 0, 0};
            for (int c = 0; slope && c < j->axes; c++) d[c] = slope[c][i];
            for (int t = taps - 1; t >= 0; t--) {
                const int to = i * taps + t;
                at[to] = base + a.at[t];
                w[to] = f * a.w[t];
                for (int c = 0; slope && c < j->axes; c++)
                    slope[c][to] = d[c] * (k == j->axes - 1 - c ? a.dw[t] : a.w[t]);
            }
        }
        n *= taps;
    }
    return n;
}

static void NAME(sample)(const reel_grid_job *j, int64_t begin, int64_t end)
{
    int64_t at[NAME(MAX_TAPS)];
    T w[NAME(MAX_TAPS)];
    for (int64_t p = begin; p < end; p++) {
        const int64_t image = p / j->points, point = p % j->points;
        const int n = NAME(spread)(j, (const T *)j->grid + p * j->axes, at, w, NULL);
        const T *x = (const T *)j->x + image * j->channels * j->pixels;
        T *y = (T *)j->y + image * j->channels * j->points + point;
        for (int64_t c = 0; c < j->channels; c++, x += j->pixels) {
            T sum = 0;
            for (int k = 0; k < n; k++) sum += w[k] * x[at[k]];
            y[c * j->points] = sum;
        }
    }
}

static void NAME(back_grid)(const reel_grid_job *j, int64_t begin, int64_t end)
{
    int64_t at[NAME(MAX_TAPS)];
    T w[NAME(MAX_TAPS)], slope[3][NAME(MAX_TAPS)];
    for (int64_t p = begin; p < end; p++) {
        const int64_t image = p / j->points, point = p % j->points;
        const int n = NAME(spread)(j, (const T *)j->grid + p * j->axes, at, w, slope);
        const T *x = (const T *)j->x + image * j->channels * j->pixels;
        const T *g = (const T *)j->g + image * j->channels * j->points + point;
        T d[3] = {0, 0, 0};
        for (int64_t c = 0; c < j->channels; c++, x += j->pixels)
            for (int a = 0; a < j->axes; a++) {
                T sum = 0;
                for (int k = 0; k < n; k++) sum += slope[a][k] * x[at[k]];
                d[a] += sum * g[c * j->points];
            }
        for (int a = 0; a < j->axes; a++) ((T *)j->dgrid)[p * j->axes + a] = d[a];
    }
}

static void NAME(back_x)(const reel_grid_job *j, int64_t begin, int64_t end)
{
    int64_t at[NAME(MAX_TAPS)];
    T w[NAME(MAX_TAPS)];
    for (int64_t plane = begin; plane < end; plane++) {
        const int64_t image = plane / j->channels;
        T *dx = (T *)j->dx + plane * j->pixels;
        const T *g = (const T *)j->g + plane * j->points;
        for (int64_t i = 0; i < j->pixels; i++) dx[i] = 0;
        for (int64_t p = 0; p < j->points; p++) {
            const int n = NAME(spread)(j, (const T *)j->grid + (image * j->points + p) * j->axes, at, w, NULL);
            for (int k = 0; k < n; k++) dx[at[k]] += w[k] * g[p];
        }
    }
}
#undef T
#undef NAME
#undef FLOOR
#undef RINT
