/* grid_sample_body.h: sampling for one element type: T, NAME, FLOOR, RINT. Points go by blocks: first their pixels and weights, in
   columns that vectors can be made of, then channel after channel. */

enum { NAME(MAX_TAPS) = 64, NAME(BLOCK) = REEL_GRID_BLOCK };
typedef int32_t NAME(pixels)[NAME(BLOCK)]; /* one a point; -1: outside, which counts as 0 */
typedef T NAME(column)[NAME(BLOCK)];

/* Along one axis: up to four pixels, their weights, and the weights' derivatives by the grid's coordinate; of an order above 0 that
   derivative of the weights, and the next. */
typedef struct NAME(axis) {
    NAME(pixels) at[4];
    NAME(column) w[4], dw[4];
} NAME(axis);

/* x folded into [low / 2, high / 2]; *sign: the derivative */
REEL_ALWAYS_INLINE T NAME(reflect)(T x, T low, T high, T *sign)
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

REEL_ALWAYS_INLINE T NAME(clip)(T x, int64_t n, T *sign)
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

REEL_ALWAYS_INLINE T NAME(padded)(int padding, bool align, T x, int64_t n, T *slope)
{
    T s = 1;
    if (padding == REEL_BORDER) {
        x = NAME(clip)(x, n, &s);
    } else if (padding == REEL_REFLECTION) {
        T c = 1;
        x = align ? NAME(reflect)(x, 0, (T)(2 * (n - 1)), &s) : NAME(reflect)(x, -1, (T)(2 * n - 1), &s);
        x = NAME(clip)(x, n, &c);
        s *= c;
    }
    *slope *= s;
    return x;
}

REEL_ALWAYS_INLINE int32_t NAME(inside)(T p, int64_t n)
{
    return p > -1 && p < (T)n ? (int32_t)p : -1;
}

/* The piece of the kernel at distance v in [0, 2], differentiated `order` times. */
REEL_ALWAYS_INLINE T NAME(cubic)(T v, bool near, int order)
{
    const T a = (T)-0.75, c3 = near ? a + 2 : a, c2 = near ? -(a + 3) : -5 * a;
    const T c1 = near ? 0 : 8 * a, c0 = near ? 1 : -4 * a;
    switch (order) {
    case 0: return near ? (c3 * v + c2) * v * v + 1 : ((c3 * v + c2) * v + c1) * v + c0;
    case 1: return near ? (3 * c3 * v + 2 * c2) * v : (3 * c3 * v + 2 * c2) * v + c1;
    case 2: return 6 * c3 * v + 2 * c2;
    case 3: return 6 * c3;
    default: return 0;
    }
}

/* At the fraction t, of the four pixels from one before it on: their distances are t + 1, t, 1 - t, 2 - t. */
REEL_ALWAYS_INLINE void NAME(cubics)(T t, int order, T slope, T w[4])
{
    const T x[4] = {t + 1, t, 1 - t, 2 - t};
    T f = 1;
    for (int i = 0; i < order; i++) f *= slope;
    for (int k = 0; k < 4; k++) {
        const T v = NAME(cubic)(x[k], k == 1 || k == 2, order);
        w[k] = f * (k > 1 && order % 2 ? -v : v);
    }
}

/* count coordinates g, `axes` apart, along an axis of n pixels. order: how often the weights are differentiated. */
REEL_ALWAYS_INLINE void NAME(axis_of)(int mode, int padding, bool align, int order, const T *g, int axes, int64_t n,
                                      int64_t count, NAME(axis) * o)
{
    const T wide = (T)1e9, scale = align ? (T)(n - 1) / 2 : (T)n / 2;
    for (int64_t p = 0; p < count; p++) {
        T slope = scale, v = g[p * axes];
        if (v != v) v = -1;
        T x = align ? (v + 1) / 2 * (T)(n - 1) : ((v + 1) * (T)n - 1) / 2;
        if (mode != REEL_SAMPLE_CUBIC) x = NAME(padded)(padding, align, x, n, &slope);
        x = x < -wide ? -wide : x > wide ? wide : x; /* far outside, where floor and integers still agree */
        if (mode == REEL_SAMPLE_NEAREST) {
            o->at[0][p] = NAME(inside)(RINT(x), n);
            o->w[0][p] = order == 0;
            o->dw[0][p] = 0;
            continue;
        }
        const T base = FLOOR(x), t = x - base;
        if (mode == REEL_SAMPLE_LINEAR) {
            o->at[0][p] = NAME(inside)(base, n), o->at[1][p] = NAME(inside)(base + 1, n);
            o->w[0][p] = order == 0 ? 1 - t : order == 1 ? -slope : 0;
            o->w[1][p] = order == 0 ? t : order == 1 ? slope : 0;
            o->dw[0][p] = order == 0 ? -slope : 0, o->dw[1][p] = order == 0 ? slope : 0;
            continue;
        }
        T w[4], dw[4];
        NAME(cubics)(t, order, slope, w);
        NAME(cubics)(t, order + 1, slope, dw);
        for (int k = 0; k < 4; k++) {
            T unused = 1;
            o->at[k][p] = NAME(inside)(NAME(padded)(padding, align, base + (T)(k - 1), n, &unused), n);
            o->w[k][p] = w[k];
            o->dw[k][p] = dw[k];
        }
    }
}

#define AXIS(mode)                                                                      \
    case mode:                                                                          \
        if (j->padding == REEL_BORDER)                                                  \
            NAME(axis_of)(mode, REEL_BORDER, j->align, 0, g, j->axes, n, count, o);     \
        else if (j->padding == REEL_REFLECTION)                                         \
            NAME(axis_of)(mode, REEL_REFLECTION, j->align, 0, g, j->axes, n, count, o); \
        else                                                                            \
            NAME(axis_of)(mode, REEL_ZEROS, j->align, 0, g, j->axes, n, count, o);      \
        break;
static void NAME(find)(const reel_grid_job *j, int order, const T *g, int64_t n, int64_t count, NAME(axis) * o)
{
    if (order) { /* in second derivatives only */
        NAME(axis_of)(j->mode, j->padding, j->align, order, g, j->axes, n, count, o);
        return;
    }
    switch (j->mode) {
        AXIS(REEL_SAMPLE_NEAREST)
        AXIS(REEL_SAMPLE_CUBIC)
    default: AXIS(REEL_SAMPLE_LINEAR)
    }
}
#undef AXIS

/* All pixels of count points from g on, axis by axis, the outermost first; returns how many a point has. slope: NULL, or the
   weights' derivatives by each coordinate, x (the last axis) first. *all: none is outside. */
static int NAME(spread)(const reel_grid_job *j, const T *g, int64_t count, NAME(pixels) * at, NAME(column) * w,
                        NAME(column) (*slope)[NAME(MAX_TAPS)], bool *all)
{
    const int taps = j->mode == REEL_SAMPLE_NEAREST ? 1 : j->mode == REEL_SAMPLE_LINEAR ? 2 : 4;
    NAME(axis) a;
    int n = 1;
    int32_t outside = 0;
    for (int k = 0; k < j->axes; k++) {
        const int32_t size = (int32_t)j->dims[k];
        NAME(find)(j, j->order[j->axes - 1 - k], g + (j->axes - 1 - k), j->dims[k], count, &a);
        for (int i = n - 1; i >= 0;
             i--) /* entry i becomes `taps` entries; from the last, so that none is overwritten */
            for (int t = taps - 1; t >= 0; t--) {
                const int to = i * taps + t;
                for (int64_t p = 0; p < count; p++) {
                    const int32_t base = k ? at[i][p] : 0, here = a.at[t][p];
                    at[to][p] = (base | here) < 0 ? -1 : base * size + here;
                }
                for (int c = 0; slope && c < j->axes; c++) {
                    const T *by = k == j->axes - 1 - c ? a.dw[t] : a.w[t];
                    for (int64_t p = 0; p < count; p++) slope[c][to][p] = k ? slope[c][i][p] * by[p] : by[p];
                }
                for (int64_t p = 0; p < count; p++) w[to][p] = k ? w[i][p] * a.w[t][p] : a.w[t][p];
            }
        n *= taps;
    }
    for (int i = 0; i < n; i++)
        for (int64_t p = 0; p < count; p++) outside |= at[i][p];
    *all = outside >= 0;
    return n;
}

/* y[p]: the sum of n pixels of x, each times its weight; n and all are constants. */
REEL_ALWAYS_INLINE void NAME(few)(int n, bool all, NAME(pixels) *const at, NAME(column) *const w, const T *x,
                                  int64_t count, T *REEL_RESTRICT y)
{
    for (int64_t p = 0; p < count; p++) {
        T sum = 0;
        for (int k = 0; k < n; k++) {
            const int32_t i = at[k][p];
            const T v = x[all || i >= 0 ? i : 0];
            sum += w[k][p] * (all || i >= 0 ? v : 0);
        }
        y[p] = sum;
    }
}

static void NAME(many)(int n, NAME(pixels) *const at, NAME(column) *const w, const T *x, int64_t count,
                       T *REEL_RESTRICT y)
{
    for (int64_t p = 0; p < count; p++) y[p] = 0;
    for (int k = 0; k < n; k++)
        for (int64_t p = 0; p < count; p++) {
            const int32_t i = at[k][p];
            const T v = x[i >= 0 ? i : 0];
            y[p] += w[k][p] * (i >= 0 ? v : 0);
        }
}

static void NAME(weighed)(int n, bool all, NAME(pixels) *const at, NAME(column) *const w, const T *x, int64_t count,
                          T *y)
{
    if (n == 4 && all)
        NAME(few)(4, true, at, w, x, count, y);
    else if (n == 4)
        NAME(few)(4, false, at, w, x, count, y);
    else if (n == 1)
        NAME(few)(1, false, at, w, x, count, y);
    else
        NAME(many)(n, at, w, x, count, y);
}

/* Points from p on that share a block: of one image, before end. */
static int64_t NAME(block)(const reel_grid_job *j, int64_t p, int64_t end)
{
    const int64_t left = j->points - p % j->points, n = end - p < left ? end - p : left;
    return n < NAME(BLOCK) ? n : NAME(BLOCK);
}

static void NAME(sample)(const reel_grid_job *j, int64_t begin, int64_t end)
{
    NAME(pixels) at[NAME(MAX_TAPS)];
    NAME(column) w[NAME(MAX_TAPS)];
    for (int64_t p = begin, count; p < end; p += count) {
        const int64_t image = p / j->points;
        bool all;
        count = NAME(block)(j, p, end);
        const int n = NAME(spread)(j, (const T *)j->grid + p * j->axes, count, at, w, NULL, &all);
        const T *x = (const T *)j->x + image * j->channels * j->pixels;
        T *y = (T *)j->y + image * j->channels * j->points + p % j->points;
        for (int64_t c = 0; c < j->channels; c++, x += j->pixels, y += j->points) {
            if (j->pixels > 0)
                NAME(weighed)(n, all, at, w, x, count, y);
            else
                for (int64_t i = 0; i < count; i++) y[i] = 0;
        }
    }
}

static void NAME(back_grid)(const reel_grid_job *j, int64_t begin, int64_t end)
{
    NAME(pixels) at[NAME(MAX_TAPS)];
    NAME(column) w[NAME(MAX_TAPS)], slope[3][NAME(MAX_TAPS)], d[3], sum;
    for (int64_t p = begin, count; p < end; p += count) {
        const int64_t image = p / j->points;
        bool all;
        count = NAME(block)(j, p, end);
        const int n = NAME(spread)(j, (const T *)j->grid + p * j->axes, count, at, w, slope, &all);
        const T *x = (const T *)j->x + image * j->channels * j->pixels;
        const T *g = (const T *)j->g + image * j->channels * j->points + p % j->points;
        T *to = (T *)j->dgrid + p * j->axes;
        for (int a = 0; a < j->axes; a++)
            for (int64_t i = 0; i < count; i++) d[a][i] = 0;
        for (int64_t c = 0; c < j->channels && j->pixels > 0; c++, x += j->pixels, g += j->points)
            for (int a = 0; a < j->axes; a++) {
                NAME(weighed)(n, all, at, slope[a], x, count, sum);
                for (int64_t i = 0; i < count; i++) d[a][i] += sum[i] * g[i];
            }
        for (int a = 0; a < j->axes; a++)
            for (int64_t i = 0; i < count; i++) to[i * j->axes + a] = d[a][i];
    }
}

static void NAME(back_x)(const reel_grid_job *j, int64_t begin, int64_t end)
{
    NAME(pixels) at[NAME(MAX_TAPS)];
    NAME(column) w[NAME(MAX_TAPS)];
    if (j->pixels > 0) memset((T *)j->dx + begin * j->pixels, 0, (size_t)((end - begin) * j->pixels) * sizeof(T));
    for (int64_t plane = begin, last; plane < end && j->pixels > 0; plane = last) {
        const int64_t image = plane / j->channels;
        last = (image + 1) * j->channels < end ? (image + 1) * j->channels : end;
        for (int64_t p = 0, count; p < j->points; p += count) {
            bool all;
            count = NAME(block)(j, p, j->points);
            const int n =
                NAME(spread)(j, (const T *)j->grid + (image * j->points + p) * j->axes, count, at, w, NULL, &all);
            for (int64_t c = plane; c < last; c++) {
                T *dx = (T *)j->dx + c * j->pixels;
                const T *g = (const T *)j->g + c * j->points + p;
                for (int64_t i = 0; i < count; i++)
                    for (int k = 0; k < n; k++)
                        if (all || at[k][i] >= 0) dx[at[k][i]] += w[k][i] * g[i];
            }
        }
    }
}
#undef T
#undef NAME
#undef FLOOR
#undef RINT
