/* samples_pool.c: pooling, window by window.

   p0 stride (0: the kernel), p1 dilation, p2 pad_before, p3 pad_after, p4 padding, p9 kernel, or the output's sizes: a decimal digit
   an axis; p5 channels last, p6 ceil_mode, p7 exclude_pad, p8 divisor, p10 column_major, or the power. */
#include "samples.h"

typedef enum { MAX, INDICES, AVG, LP, MAX_GRAD, AVG_GRAD } what;
typedef enum { WINDOWS, ADAPTIVE, GLOBAL } how;

static int digit(double p, int n, int i)
{
    int64_t v = (int64_t)p;
    for (int k = i; k < n - 1; k++) v /= 10;
    return (int)(v % 10);
}

static int spatial_of(const sample *s)
{
    int commas = 0;
    for (const char *c = s->in[0]; *c; c++) commas += *c == ',';
    return commas - 1;
}

static reel_shape sizes(const sample *s)
{
    reel_shape k = {.rank = spatial_of(s)};
    for (int i = 0; i < k.rank; i++) k.dims[i] = digit(s->p[9], k.rank, i);
    return k;
}

static reel_pool_opts options(const sample *s)
{
    reel_pool_opts o = {.size = sizeof o, .padding = (reel_padding)(int)s->p[4]};
    const int n = spatial_of(s);
    for (int i = 0; i < n; i++) {
        o.stride[i] = digit(s->p[0], n, i);
        o.dilation[i] = digit(s->p[1], n, i);
        o.pad_before[i] = digit(s->p[2], n, i);
        o.pad_after[i] = digit(s->p[3], n, i);
    }
    o.channels_last = s->p[5] != 0;
    o.ceil_mode = s->p[6] != 0;
    o.exclude_pad = s->p[7] != 0;
    o.divisor = (int)s->p[8];
    return o;
}

/* ---- the reference ----------------------------------------------------------------------------------- */
typedef struct axis {
    int64_t in, out, kernel, stride, dilation, before, after;
} axis;

static axis axis_of(const sample *s, how mode, const nd *x, int n, int i)
{
    axis a = {.in = x->shape.dims[i + (s->p[5] != 0 ? 1 : 2)], .kernel = digit(s->p[9], n, i)};
    if (mode != WINDOWS) {
        a.out = mode == GLOBAL ? 1 : a.kernel;
        return a;
    }
    const bool plain = (int64_t)s->p[0] == 0;
    a.stride = plain ? a.kernel : digit(s->p[0], n, i) ? digit(s->p[0], n, i) : 1;
    a.dilation = digit(s->p[1], n, i) ? digit(s->p[1], n, i) : 1;
    a.before = digit(s->p[2], n, i), a.after = digit(s->p[3], n, i);
    const int64_t reach = (a.kernel - 1) * a.dilation + 1;
    a.out = (a.in + a.before + a.after - reach + (s->p[6] != 0 ? a.stride - 1 : 0)) / a.stride + 1;
    if (s->p[6] != 0 && (a.out - 1) * a.stride >= a.in + a.before) a.out--;
    if (s->p[4] != 0) {
        a.out = (a.in + a.stride - 1) / a.stride;
        int64_t total = (a.out - 1) * a.stride + reach - a.in;
        if (total < 0) total = 0;
        a.before = s->p[4] == REEL_SAME ? total / 2 : total - total / 2;
        a.after = total - a.before;
    }
    return a;
}

/* Tap t of output o: its input, or -1; whether it counts. Returns false behind the last. */
static bool tap(const axis *a, how mode, int64_t o, int64_t t, int64_t *at, bool *counts)
{
    if (mode != WINDOWS) {
        *at = (int64_t)floor((double)(o * a->in) / (double)a->out) + t;
        *counts = true;
        return *at < (int64_t)ceil((double)((o + 1) * a->in) / (double)a->out);
    }
    *at = o * a->stride - a->before + t * a->dilation;
    *counts = *at < a->in + a->after;
    if (*at < 0 || *at >= a->in) *at = -1;
    return t < a->kernel;
}

static int64_t place(const sample *s, const nd *x, const axis a[3], int64_t n, int64_t c, const int64_t pos[3],
                     int rank, bool of_out)
{
    const bool last = s->p[5] != 0;
    const int64_t channels = x->shape.dims[last ? rank + 1 : 1];
    int64_t i = last ? n : n * channels + c;
    for (int k = 0; k < rank; k++) i = i * (of_out ? a[k].out : a[k].in) + pos[k];
    return last ? i * channels + c : i;
}

static bool step(int64_t pos[3], const int64_t size[3], int n)
{
    for (int i = n - 1; i >= 0; i--) {
        if (++pos[i] < size[i]) return true;
        pos[i] = 0;
    }
    return false;
}

static double lowest(reel_dtype d)
{
    return d == REEL_I8    ? -128
           : d == REEL_U8  ? 0
           : d == REEL_I32 ? INT32_MIN
           : d == REEL_I64 ? (double)INT64_MIN
                           : -INFINITY;
}

/* One window of x: its result, or what it passes on of g. */
static void window(const sample *s, what w, how mode, reel_dtype d, const axis a[3], int rank, const nd *x, const nd *g,
                   nd *out, int64_t n, int64_t c, const int64_t o[3])
{
    double sum = 0, best = lowest(d);
    int64_t first = -1, where = -1, count = 0, t[3] = {0}, limit[3];
    const double power = s->p[10];
    for (int k = 0; k < rank; k++) limit[k] = mode == WINDOWS ? a[k].kernel : a[k].in;
    for (int pass = 0; pass < 2; pass++) {
        memset(t, 0, sizeof t);
        do {
            int64_t at[3], flat = 0;
            bool within = true, counted = true, exists = true;
            for (int k = 0; k < rank; k++) {
                bool counts;
                exists = tap(&a[k], mode, o[k], t[k], &at[k], &counts) && exists;
                within = within && at[k] >= 0;
                counted = counted && counts;
            }
            if (!exists) continue;
            if (pass == 0) count += s->p[7] != 0 || mode != WINDOWS ? within : counted;
            if (!within) continue;
            const int64_t i = place(s, x, a, n, c, at, rank, false);
            const double v = x->data[i];
            if (pass == 1 && w == AVG_GRAD)
                out->data[i] += g->data[place(s, x, a, n, c, o, rank, true)] / (s->p[8] != 0 ? s->p[8] : (double)count);
            if (pass == 1) continue;
            for (int k = 0; k < rank; k++) flat = flat * a[k].in + at[k];
            if (s->p[10] != 0 && w == INDICES) {
                flat = rank > 2 ? at[0] : 0;
                if (rank > 1)
                    flat = (flat * a[rank - 1].in + at[rank - 1]) * a[rank - 2].in + at[rank - 2];
                else
                    flat = at[0];
            }
            sum += w == LP ? pow(fabs(v), power) : v;
            if (first < 0 || v > best || (isnan(v) && !isnan(best))) best = v, first = i, where = flat;
        } while (step(t, limit, rank));
    }
    const int64_t to = place(s, x, a, n, c, o, rank, true);
    if (w == MAX) out->data[to] = best;
    if (w == INDICES) out->data[to] = (double)where;
    if (w == AVG) out->data[to] = s->p[8] != 0 ? sum / s->p[8] : count ? sum / (double)count : 0;
    if (w == LP) out->data[to] = pow(sum, 1 / power);
    if (w == MAX_GRAD && first >= 0) out->data[first] += g->data[to];
}

static void pool_reference(const sample *s, what w, how mode, reel_dtype d, const nd *in, nd *out)
{
    const nd *x = &in[0];
    const int rank = spatial_of(s);
    const bool last = s->p[5] != 0;
    axis a[3];
    int64_t size[3];
    reel_shape shape = x->shape;
    bool empty = x->shape.dims[0] == 0 || x->shape.dims[last ? rank + 1 : 1] == 0;
    for (int i = 0; i < rank; i++) {
        a[i] = axis_of(s, mode, x, rank, i);
        size[i] = a[i].out;
        empty = empty || size[i] == 0;
        if (w != MAX_GRAD && w != AVG_GRAD) shape.dims[i + (last ? 1 : 2)] = a[i].out;
    }
    nd_make(out, w == INDICES ? REEL_I64 : d, shape);
    for (int64_t n = 0; !empty && n < shape.dims[0]; n++)
        for (int64_t c = 0; c < shape.dims[last ? rank + 1 : 1]; c++) {
            int64_t o[3] = {0};
            do window(s, w, mode, d, a, rank, x, &in[1], out, n, c, o);
            while (step(o, size, rank));
        }
}

#define REFERENCE(name, w, mode)                                                       \
    static void name##_reference(const sample *s, reel_dtype d, const nd *in, nd *out) \
    {                                                                                  \
        pool_reference(s, w, mode, d, in, out);                                        \
    }
#define APPLY(name, call)                                                                               \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[]) \
    {                                                                                                   \
        const reel_pool_opts o = options(s);                                                            \
        (void)d, (void)o;                                                                               \
        out[0] = call;                                                                                  \
        return reel_status();                                                                           \
    }
#define POOL(name, w) REFERENCE(name, w, WINDOWS) APPLY(name, reel_##name(in[0], sizes(s), &o))
POOL(max_pool, MAX)
POOL(max_pool1d, MAX)
POOL(max_pool2d, MAX)
POOL(max_pool3d, MAX)
POOL(avg_pool, AVG)
POOL(avg_pool1d, AVG)
POOL(avg_pool2d, AVG)
POOL(avg_pool3d, AVG)
REFERENCE(lp_pool, LP, WINDOWS)
APPLY(lp_pool, reel_lp_pool(in[0], s->p[10], sizes(s), &o))
REFERENCE(global_max_pool, MAX, GLOBAL)
APPLY(global_max_pool, reel_global_max_pool(in[0], o.channels_last))
REFERENCE(global_avg_pool, AVG, GLOBAL)
APPLY(global_avg_pool, reel_global_avg_pool(in[0], o.channels_last))
REFERENCE(global_lp_pool, LP, GLOBAL)
APPLY(global_lp_pool, reel_global_lp_pool(in[0], s->p[10], o.channels_last))
REFERENCE(adaptive_max_pool, MAX, ADAPTIVE)
APPLY(adaptive_max_pool, reel_adaptive_max_pool(in[0], sizes(s), o.channels_last))
REFERENCE(adaptive_avg_pool, AVG, ADAPTIVE)
APPLY(adaptive_avg_pool, reel_adaptive_avg_pool(in[0], sizes(s), o.channels_last))

REFERENCE(max_pool_indices, INDICES, WINDOWS)
static int max_pool_indices_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    reel_pool_opts o = options(s);
    (void)d;
    o.column_major = s->p[10] != 0;
    out[0] = reel_max_pool_indices(in[0], sizes(s), &o);
    return reel_status();
}

/* The attributes a gradient is called with: those of its pooling. */
static reel_attr_pool attributes(const sample *s)
{
    const reel_pool_opts o = options(s);
    const reel_shape k = sizes(s);
    const reel_window_words words = {o.stride,    o.dilation, o.pad,          o.pad_before,
                                     o.pad_after, NULL,       (int)o.padding, o.channels_last};
    reel_attr_pool a;
    memset(&a, 0, sizeof a);
    reel_fill_window_(REEL_HERE, "reel_avg_pool", &a.window, k.rank, &words);
    for (int i = 0; i < k.rank; i++) {
        a.window.kernel[i] = k.dims[i];
        if ((int64_t)s->p[0] == 0) a.window.stride[i] = k.dims[i];
    }
    a.window.ceil = o.ceil_mode;
    a.divisor = o.divisor;
    a.include_pad = !o.exclude_pad;
    return a;
}

#define GRADIENT(name, w)                                                                               \
    REFERENCE(name, w, WINDOWS)                                                                         \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[]) \
    {                                                                                                   \
        const reel_attr_pool a = attributes(s);                                                         \
        (void)d;                                                                                        \
        out[0] = reel_##name##_at_(REEL_HERE, in[0], in[1], &a);                                        \
        return reel_status();                                                                           \
    }
GRADIENT(max_pool_grad, MAX_GRAD)
GRADIENT(avg_pool_grad, AVG_GRAD)

/* ---- good samples ------------------------------------------------------------------------------------ */
#define W(kernel, stride, dilation, before, after, padding, last, ceil, exclude, divisor) \
    WITH(stride, dilation, before, after, padding, last, ceil, exclude, divisor, kernel)
#define POOL_1D                                                                                               \
    {IN("[8,9,80]"), W(3, 2, 0, 1, 1, 0, 0, 0, 0, 0)}, {IN("[2,2,6]o"), W(2, 0, 0, 0, 0, 0, 0, 0, 0, 0)},     \
        {IN("[1,1,4]"), W(2, 0, 0, 0, 0, 0, 0, 0, 0, 0)}, {IN("[2,3,7]"), W(3, 2, 0, 1, 1, 0, 0, 0, 0, 0)},   \
        {IN("[1,2,9]"), W(3, 3, 2, 0, 2, 0, 0, 1, 1, 0)}, {IN("[2,5,3]"), W(2, 1, 0, 0, 0, 1, 1, 0, 0, 0)},   \
        {IN("[1,3,6]"), W(4, 3, 0, 0, 0, 2, 0, 0, 1, 0)}, {IN("[0,2,4]"), W(2, 0, 0, 0, 0, 0, 0, 0, 0, 0)},   \
        {IN("[2,0,4]"), W(2, 0, 0, 0, 0, 0, 0, 0, 0, 0)}, {IN("[1,1,1]"), W(1, 0, 0, 0, 0, 0, 0, 0, 0, 0)},   \
        {IN("[2,3,8]r"), W(3, 2, 0, 0, 0, 0, 0, 0, 0, 3)}, {IN("[2,3,8]t"), W(2, 0, 0, 1, 0, 0, 0, 1, 0, 0)}, \
        {IN("[1,2,40]!"), W(3, 2, 0, 1, 0, 0, 0, 0, 0, 0), .flags = NO_GRAD},                                 \
    {                                                                                                         \
        IN("[2,3,8]b"), W(3, 2, 0, 0, 0, 0, 0, 0, 1, 0), .flags = NO_GRAD                                     \
    }
#define POOL_2D                                                                                                       \
    {IN("[4,8,14,14]"), W(22, 0, 0, 0, 0, 0, 0, 0, 0, 0)}, {IN("[1,1,1,1]"), W(11, 0, 0, 0, 0, 0, 0, 0, 0, 0)},       \
        {IN("[2,2,4,5]r"), W(32, 21, 0, 10, 1, 0, 0, 0, 0, 0)}, {IN("[1,2,4,6]"), W(22, 0, 0, 0, 0, 0, 0, 0, 0, 0)},  \
        {IN("[1,2,5,6]"), W(33, 22, 0, 11, 11, 0, 0, 0, 0, 0)},                                                       \
        {IN("[1,1,7,6]"), W(23, 12, 21, 10, 2, 0, 0, 1, 0, 0)},                                                       \
        {IN("[1,5,4,2]"), W(32, 21, 0, 11, 10, 0, 1, 0, 1, 0)}, {IN("[2,5,5,1]"), W(22, 22, 0, 0, 0, 1, 1, 0, 0, 0)}, \
        {IN("[1,2,4,5]"), W(32, 22, 0, 0, 0, 2, 0, 0, 1, 0)}, {IN("[0,2,4,4]"), W(22, 0, 0, 0, 0, 0, 0, 0, 0, 0)},    \
        {IN("[2,3,3,0]"), W(22, 11, 0, 0, 0, 0, 1, 0, 0, 0)}, {IN("[1,2,5,5]s"), W(33, 11, 0, 0, 0, 0, 0, 0, 0, 7)},  \
        {IN("[1,2,5,5]o"), W(22, 33, 0, 1, 10, 0, 0, 1, 1, 0)},                                                       \
        {IN("[2,3,9,8]t"), W(33, 22, 0, 11, 11, 0, 0, 1, 0, 0)},                                                      \
    {                                                                                                                 \
        IN("[1,3,6,20]!"), W(12, 22, 0, 1, 11, 0, 0, 0, 0, 0), .flags = NO_GRAD                                       \
    }
#define POOL_3D                                                                                                        \
    {IN("[2,4,9,9,9]"), W(222, 0, 0, 0, 0, 0, 0, 1, 0, 0)}, {IN("[1,2,3,3,3]o"), W(222, 111, 0, 0, 0, 0, 0, 0, 0, 0)}, \
        {IN("[1,1,4,2,4]"), W(222, 0, 0, 0, 0, 0, 0, 0, 0, 0)},                                                        \
        {IN("[1,1,3,4,5]"), W(222, 112, 0, 101, 11, 0, 0, 0, 0, 0)},                                                   \
        {IN("[1,2,3,3,3]"), W(232, 121, 112, 10, 111, 0, 0, 1, 1, 0)},                                                 \
        {IN("[1,3,3,3,2]"), W(222, 111, 0, 0, 0, 1, 1, 0, 0, 0)},                                                      \
        {IN("[1,1,4,4,3]"), W(323, 222, 0, 0, 0, 2, 0, 0, 0, 5)},                                                      \
        {IN("[0,1,2,2,2]"), W(222, 0, 0, 0, 0, 0, 0, 0, 0, 0)},                                                        \
        {IN("[1,1,1,1,1]"), W(111, 0, 0, 0, 0, 0, 0, 0, 0, 0)},                                                        \
        {IN("[1,2,3,2,3]r"), W(212, 111, 0, 0, 0, 0, 0, 0, 0, 0)},                                                     \
        {IN("[2,2,3,4,3]t"), W(222, 0, 0, 0, 0, 0, 0, 1, 0, 0)},                                                       \
        {IN("[1,2,3,4,3]s"), W(222, 0, 0, 111, 0, 0, 0, 0, 0, 0)},                                                     \
        {IN("[1,2,5,6,7]"), W(333, 222, 0, 111, 111, 0, 0, 0, 0, 0)},                                                  \
    {                                                                                                                  \
        IN("[1,2,4,4,4]!"), W(112, 111, 0, 0, 0, 0, 0, 0, 0, 0), .flags = NO_GRAD                                      \
    }
/* blocks, threads, rows longer than the buffers, kernels beyond the tables, ties */
#define POOL_LARGE                                                                                                  \
    {IN("[4,16,28,28]"), W(22, 0, 0, 0, 0, 0, 0, 0, 0, 0)}, {IN("[1,2,51,30]"), W(22, 0, 0, 0, 0, 0, 0, 0, 0, 0)},  \
        {IN("[1,2,9,12]"), W(34, 54, 0, 0, 0, 0, 0, 0, 0, 0)}, {IN("[2,2,7,9]"), W(23, 0, 0, 0, 0, 0, 0, 0, 0, 5)}, \
        {IN("[2,24,26,70]"), W(33, 22, 0, 11, 11, 0, 1, 0, 0, 0)},                                                  \
        {IN("[1,2,40,1100]"), W(33, 12, 0, 1, 11, 0, 0, 1, 0, 0)},                                                  \
        {IN("[1,3,30,30]"), W(99, 55, 0, 0, 0, 0, 0, 0, 0, 0)},                                                     \
        {IN("[1,2,40,41]"), W(99, 32, 44, 0, 3, 0, 0, 1, 0, 0)},                                                    \
        {IN("[2,3,9,9]="), W(33, 22, 0, 11, 11, 0, 0, 0, 0, 0), .flags = NO_GRAD},                                  \
        {IN("[2,9,9,3]="), W(33, 11, 0, 0, 0, 1, 1, 0, 0, 0), .flags = NO_GRAD},                                    \
    {                                                                                                               \
        IN("[1,2,2,2]"), W(22, 11, 33, 22, 22, 0, 0, 0, 1, 0), .flags = NO_GRAD                                     \
    }
#define POOL_SPECIAL                                                           \
    {IN("[1,3,6,20]!"), W(23, 12, 0, 11, 1, 0, 0, 0, 0, 0), .flags = NO_GRAD}, \
    {                                                                          \
        IN("[1,6,20,3]!"), W(23, 11, 0, 0, 0, 1, 1, 0, 0, 0), .flags = NO_GRAD \
    }
static const sample max_pool_good[] = {POOL_1D, POOL_2D, POOL_3D, POOL_LARGE, POOL_SPECIAL};
static const sample max_pool1d_good[] = {POOL_1D};
static const sample max_pool2d_good[] = {POOL_2D};
static const sample max_pool3d_good[] = {POOL_3D};
static const sample avg_pool_good[] = {POOL_1D, POOL_2D, POOL_3D, POOL_LARGE};
static const sample avg_pool1d_good[] = {POOL_1D};
static const sample avg_pool2d_good[] = {POOL_2D};
static const sample avg_pool3d_good[] = {POOL_3D};
static const sample max_pool_indices_good[] = {POOL_1D,
                                               POOL_2D,
                                               POOL_3D,
                                               POOL_LARGE,
                                               POOL_SPECIAL,
                                               {IN("[2,2,5,6]"), WITH(22, 0, 11, 11, 0, 0, 0, 0, 0, 33, 1)},
                                               {IN("[2,5,6,3]"), WITH(22, 0, 0, 0, 0, 1, 0, 0, 0, 22, 1)},
                                               {IN("[1,2,3,4,5]"), WITH(212, 0, 0, 0, 0, 0, 0, 0, 0, 222, 1)},
                                               {IN("[1,2,9]"), WITH(2, 0, 0, 0, 0, 0, 0, 0, 0, 3, 1)}};

#define G(x, g, ...)             \
    {                            \
        IN(x, g), W(__VA_ARGS__) \
    }
#define GRADIENTS                                                                                                     \
    G("[1,1,1]", "[1,1,1]", 1, 0, 0, 0, 0, 0, 0, 0, 0, 0), G("[1,1,4]", "[1,1,2]", 2, 0, 0, 0, 0, 0, 0, 0, 0, 0),     \
        G("[2,3,7]", "[2,3,4]", 3, 2, 0, 1, 1, 0, 0, 0, 0, 0), G("[1,2,9]", "[1,2,3]", 3, 3, 2, 0, 2, 0, 0, 1, 1, 0), \
        G("[2,5,3]", "[2,5,3]", 2, 1, 0, 0, 0, 1, 1, 0, 0, 0),                                                        \
        G("[1,2,4,6]", "[1,2,2,3]", 22, 0, 0, 0, 0, 0, 0, 0, 0, 0),                                                   \
        G("[1,1,5,6]", "[1,1,3,3]", 33, 22, 0, 11, 11, 0, 0, 0, 0, 0),                                                \
        G("[1,5,4,2]", "[1,3,5,2]r", 32, 21, 0, 11, 11, 0, 1, 0, 1, 0),                                               \
        G("[0,2,4,4]", "[0,2,2,2]", 22, 0, 0, 0, 0, 0, 0, 0, 0, 0),                                                   \
        G("[2,3,3,0]", "[2,2,2,0]", 22, 11, 0, 0, 0, 0, 1, 0, 0, 0),                                                  \
        G("[1,2,5,5]s", "[1,2,3,3]o", 33, 11, 0, 0, 0, 0, 0, 0, 0, 7),                                                \
        G("[1,1,3,4,5]", "[1,1,3,4,3]", 222, 112, 0, 101, 11, 0, 0, 0, 0, 0),                                         \
        G("[2,3,9,8]t", "[2,3,5,5]b", 33, 22, 0, 11, 11, 0, 0, 1, 0, 0),                                              \
        G("[4,16,28,28]", "[4,16,14,14]", 22, 0, 0, 0, 0, 0, 0, 0, 0, 0),                                             \
        G("[1,2,51,30]", "[1,2,25,15]", 22, 0, 0, 0, 0, 0, 0, 0, 0, 0),                                               \
        G("[1,2,9,12]", "[1,2,2,3]", 34, 54, 0, 0, 0, 0, 0, 0, 0, 0),                                                 \
        G("[2,2,7,9]", "[2,2,3,3]", 23, 0, 0, 0, 0, 0, 0, 0, 0, 5),                                                   \
        G("[3,20,16,70]", "[3,10,8,70]", 33, 22, 0, 11, 11, 0, 1, 0, 0, 0),                                           \
        G("[1,3,30,30]", "[1,3,5,5]", 99, 55, 0, 0, 0, 0, 0, 0, 0, 0),                                                \
    {                                                                                                                 \
        IN("[1,2,4,4]", "[1,2,2,2]!"), W(22, 0, 0, 0, 0, 0, 0, 0, 0, 0), .flags = NO_GRAD                             \
    }

static const sample max_pool_grad_good[] = {GRADIENTS};
static const sample avg_pool_grad_good[] = {GRADIENTS};

#define WHOLE                                                                                                \
    {IN("[1,1,3]")}, {IN("[2,3,5]")}, {IN("[1,2,3,4]")}, {IN("[2,3,2,3]t")}, {IN("[1,2,2,3,2]r")},           \
        {IN("[1,4,3,2]"), WITH(0, 0, 0, 0, 0, 1)}, {IN("[2,3,2]"), WITH(0, 0, 0, 0, 0, 1)}, {IN("[0,2,3]")}, \
        {IN("[1,1,1,1]")}, {IN("[2,2,3,3]s")}, {IN("[2,2,4,3]o")}, {IN("[3,7,20,21]")},                      \
        {IN("[2,19,20,40]"), WITH(0, 0, 0, 0, 0, 1)},                                                        \
    {                                                                                                        \
        IN("[2,2,3,20]!"), .flags = NO_GRAD                                                                  \
    }
static const sample global_max_pool_good[] = {WHOLE};
static const sample global_avg_pool_good[] = {WHOLE};
#define P(spec, power, last)                                   \
    {                                                          \
        IN(spec), WITH(0, 0, 0, 0, 0, last, 0, 0, 0, 0, power) \
    }
static const sample global_lp_pool_good[] = {
    P("[1,1,3]", 2, 0),       P("[2,3,5]", 1, 0),
    P("[1,2,3,4]", 3, 0),     P("[2,3,2,3]t", 2, 0),
    P("[1,2,2,3]r", 1.5, 0),  P("[1,4,3,2]", 2, 1),
    P("[2,3,2]", 4, 1),       P("[0,2,3]", 2, 0),
    P("[1,1,1,1]", 2, 0),     P("[2,2,3,3]s", 2, 0),
    P("[2,2,4,3]o", 1, 0),    P("[3,7,20,21]", 2, 0),
    P("[1,2,2,2,3]", 2.5, 0), {IN("[2,2,3,20]!"), WITH(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), .flags = NO_GRAD}};
#define LPW(spec, power, kernel, stride, before, after, padding, last)                  \
    {                                                                                   \
        IN(spec), WITH(stride, 0, before, after, padding, last, 0, 0, 0, kernel, power) \
    }
static const sample lp_pool_good[] = {LPW("[2,2,6,5]o", 2, 22, 0, 0, 0, 0, 0),
                                      LPW("[1,1,4]", 2, 2, 0, 0, 0, 0, 0),
                                      LPW("[2,3,7]", 1, 3, 2, 1, 1, 0, 0),
                                      LPW("[1,2,4,6]", 3, 22, 0, 0, 0, 0, 0),
                                      LPW("[1,2,5,6]", 2, 33, 22, 11, 11, 0, 0),
                                      LPW("[1,5,4,2]", 2, 32, 21, 11, 10, 0, 1),
                                      LPW("[1,2,4,5]", 1.5, 32, 22, 0, 0, 1, 0),
                                      LPW("[1,2,4,5]", 2, 32, 11, 0, 0, 2, 0),
                                      LPW("[0,2,4,4]", 2, 22, 0, 0, 0, 0, 0),
                                      LPW("[1,1,1]", 2, 1, 0, 0, 0, 0, 0),
                                      LPW("[1,1,4,2,4]", 2, 222, 111, 0, 0, 0, 0),
                                      LPW("[2,3,9,8]t", 2, 33, 22, 11, 11, 0, 0),
                                      LPW("[1,2,5,5]r", 4, 22, 11, 0, 0, 0, 0),
                                      LPW("[2,8,20,20]", 2, 33, 22, 0, 0, 0, 0),
                                      {IN("[1,2,40]!"), WITH(2, 0, 0, 0, 0, 0, 0, 0, 0, 3, 1), .flags = NO_GRAD}};
#define TO(spec, out, last)                               \
    {                                                     \
        IN(spec), WITH(0, 0, 0, 0, 0, last, 0, 0, 0, out) \
    }
#define ADAPT                                                                                                          \
    TO("[2,2,5,5]o", 23, 0), TO("[1,1,5]", 2, 0), TO("[2,3,7]", 3, 0), TO("[1,2,5,7]", 23, 0), TO("[1,2,3,4]", 56, 0), \
        TO("[1,5,4,2]", 32, 1), TO("[1,1,4,3,5]", 223, 0), TO("[0,2,5,5]", 22, 0), TO("[1,1,1]", 1, 0),                \
        TO("[2,3,8]t", 3, 0), TO("[2,2,6,5]r", 32, 0), TO("[1,2,7,7]s", 33, 0), TO("[3,6,20,23]", 77, 0),              \
        TO("[2,20,23,70]", 57, 1),                                                                                     \
    {                                                                                                                  \
        IN("[1,2,5,9]!"), WITH(0, 0, 0, 0, 0, 0, 0, 0, 0, 23), .flags = NO_GRAD                                        \
    }
static const sample adaptive_max_pool_good[] = {ADAPT};
static const sample adaptive_avg_pool_good[] = {ADAPT};

/* ---- bad samples ------------------------------------------------------------------------------------- */
#define OPTS(...) REEL_OPTS(pool, __VA_ARGS__)
#define CASES(name, x, kernel, wrong_x)                                                                \
    BAD(reel_##name(NULL, kernel, NULL), REEL_EARG, "x is NULL");                                      \
    BAD(reel_##name(dead(), kernel, NULL), REEL_EARG, "x is |dead");                                   \
    BAD(reel_##name(unset(), kernel, NULL), REEL_EARG, "unset");                                       \
    BAD(reel_##name(symbol(), kernel, NULL), REEL_ETRACE, "graph");                                    \
    BAD(reel_##name(XD(x, REEL_BOOL), kernel, NULL), REEL_EDTYPE, "bool, allowed:");                   \
    BAD(reel_##name(X(wrong_x), kernel, NULL), REEL_ESHAPE, "x has rank");                             \
    BAD(reel_##name(X(x), REEL_SCALAR, NULL), REEL_ESHAPE, "kernel has 0 axes");                       \
    BAD(reel_##name(X(x), REEL_SHAPE(1, 1, 1, 1), NULL), REEL_ESHAPE, "kernel has 4 axes");            \
    BAD(reel_##name(X(x), kernel, OPTS(.stride = {-1})), REEL_EARG, "stride[0] is -1");                \
    BAD(reel_##name(X(x), kernel, OPTS(.dilation = {-1})), REEL_EARG, "dilation[0] is -1");            \
    BAD(reel_##name(X(x), kernel, OPTS(.pad = {-1})), REEL_EARG, "pad[0] is -1");                      \
    BAD(reel_##name(X(x), kernel, OPTS(.pad_before = {0, 0, 4})), REEL_EARG, "pad_before[2] is 4");    \
    BAD(reel_##name(X(x), kernel, OPTS(.padding = (reel_padding)-1)), REEL_EARG, "padding -1");        \
    BAD(reel_##name(X(x), kernel, OPTS(.padding = REEL_SAME, .pad = {1})), REEL_EARG, "SAME padding"); \
    BAD(reel_##name(X(x), kernel, OPTS(.dilation = {900000000})), REEL_ESHAPE, "the kernel reaches over|spatial axis 0")
#define BAD_POOL(name, x, kernel, zero, wrong_x)                                             \
    static void name##_bad(void)                                                             \
    {                                                                                        \
        CASES(name, x, kernel, wrong_x);                                                     \
        BAD(reel_##name(X(x), zero, NULL), REEL_ESHAPE, "kernel[0] is 0, it is at least 1"); \
    }
#define K1 REEL_SHAPE(2)
#define K2 REEL_SHAPE(2, 2)
BAD_POOL(max_pool, "[1,1,4,4]", K2, REEL_SHAPE(0, 2), "[1,4,4]")
BAD_POOL(max_pool_indices, "[1,1,4,4]", K2, REEL_SHAPE(0, 2), "[1,4,4]")
BAD_POOL(max_pool1d, "[1,1,4]", K1, REEL_SHAPE(0), "[4,4]")
BAD_POOL(max_pool2d, "[1,1,4,4]", K2, REEL_SHAPE(0, 2), "[1,4,4]")
BAD_POOL(avg_pool, "[1,1,4,4]", K2, REEL_SHAPE(0, 2), "[1,4,4]")
BAD_POOL(avg_pool1d, "[1,1,4]", K1, REEL_SHAPE(0), "[4,4]")

static void avg_pool2d_bad(void)
{
    CASES(avg_pool2d, "[1,1,4,4]", K2, "[1,4,4]");
    BAD(reel_avg_pool2d(X("[1,1,4,4]"), K2, OPTS(.divisor = -2)), REEL_EARG, "divisor is -2");
    BAD(reel_avg_pool2d(XD("[1,1,4,4]", REEL_I32), K2, NULL), REEL_EDTYPE, "x is i32");
}

static void max_pool3d_bad(void)
{
    const reel_shape k = REEL_SHAPE(2, 2, 2);
    BAD(reel_max_pool3d(NULL, k, NULL), REEL_EARG, "x is NULL");
    BAD(reel_max_pool3d(dead(), k, NULL), REEL_EARG, "dead");
    BAD(reel_max_pool3d(unset(), k, NULL), REEL_EARG, "unset");
    BAD(reel_max_pool3d(symbol(), k, NULL), REEL_ETRACE, "graph");
    BAD(reel_max_pool3d(X("[1,1,4,4]"), k, NULL), REEL_ESHAPE, "x has rank 4, 3 spatial axes need 5");
    BAD(reel_max_pool3d(X("[1,1,4,4,4]"), K2, NULL), REEL_ESHAPE, "kernel has 2 axes, expected 3");
    BAD(reel_max_pool3d(X("[1,1,4,4,4]"), REEL_SHAPE(2, 5, 2), NULL), REEL_ESHAPE, "spatial axis 1, which has 4");
    BAD(reel_max_pool3d(X("[1,1,4,4,4]"), REEL_SHAPE(2, 0, 2), NULL), REEL_ESHAPE, "kernel[1] is 0");
    BAD(reel_max_pool3d(X("[1,1,4,4,4]"), k, OPTS(.stride = {1, 1, -2})), REEL_EARG, "stride[2] is -2");
    BAD(reel_max_pool3d(XD("[1,1,4,4,4]", REEL_BOOL), k, NULL), REEL_EDTYPE, "x is bool");
}

static void avg_pool3d_bad(void)
{
    const reel_shape k = REEL_SHAPE(2, 2, 2);
    BAD(reel_avg_pool3d(NULL, k, NULL), REEL_EARG, "x is NULL");
    BAD(reel_avg_pool3d(dead(), k, NULL), REEL_EARG, "dead");
    BAD(reel_avg_pool3d(unset(), k, NULL), REEL_EARG, "unset");
    BAD(reel_avg_pool3d(symbol(), k, NULL), REEL_ETRACE, "graph");
    BAD(reel_avg_pool3d(X("[1,1,4,4]"), k, NULL), REEL_ESHAPE, "x has rank 4, 3 spatial axes need 5");
    BAD(reel_avg_pool3d(X("[1,1,4,4,4]"), K2, NULL), REEL_ESHAPE, "kernel has 2 axes, expected 3");
    BAD(reel_avg_pool3d(X("[1,1,4,4,4]"), REEL_SHAPE(2, 5, 2), NULL), REEL_ESHAPE, "spatial axis 1, which has 4");
    BAD(reel_avg_pool3d(X("[1,1,4,4,4]"), REEL_SHAPE(2, -1, 2), NULL), REEL_ESHAPE, "kernel[1] is -1");
    BAD(reel_avg_pool3d(X("[1,1,4,4,4]"), k, OPTS(.divisor = -1)), REEL_EARG, "divisor is -1");
    BAD(reel_avg_pool3d(XD("[1,1,4,4,4]", REEL_U8), k, NULL), REEL_EDTYPE, "x is u8");
}

static void lp_pool_bad(void)
{
    BAD(reel_lp_pool(NULL, 2, K2, NULL), REEL_EARG, "x is NULL");
    BAD(reel_lp_pool(dead(), 2, K2, NULL), REEL_EARG, "dead");
    BAD(reel_lp_pool(unset(), 2, K2, NULL), REEL_EARG, "unset");
    BAD(reel_lp_pool(symbol(), 2, K2, NULL), REEL_ETRACE, "graph");
    BAD(reel_lp_pool(X("[1,1,4,4]"), NAN, K2, NULL), REEL_EARG, "p is nan");
    BAD(reel_lp_pool(X("[1,1,4,4]"), 0, K2, NULL), REEL_EARG, "p is 0, it is positive and finite");
    BAD(reel_lp_pool(X("[1,1,4,4]"), -2, K2, NULL), REEL_EARG, "p is -2");
    BAD(reel_lp_pool(X("[1,1,4,4]"), INFINITY, K2, NULL), REEL_EARG, "p is inf");
    BAD(reel_lp_pool(X("[1,1,4,4]"), 2, REEL_SHAPE(2, 0), NULL), REEL_ESHAPE, "kernel[1] is 0");
    BAD(reel_lp_pool(X("[1,4,4]"), 2, K2, NULL), REEL_ESHAPE, "x has rank 3");
    BAD(reel_lp_pool(XD("[1,1,4,4]", REEL_I8), 2, K2, NULL), REEL_EDTYPE, "x is i8");
    BAD(reel_lp_pool(X("[1,1,4,4]"), 2, K2, OPTS(.stride = {-1})), REEL_EARG, "stride[0] is -1");
}

#define BAD_GLOBAL(name, ...)                                                                \
    static void name##_bad(void)                                                             \
    {                                                                                        \
        BAD(reel_##name(NULL __VA_ARGS__), REEL_EARG, "x is NULL");                          \
        BAD(reel_##name(dead() __VA_ARGS__), REEL_EARG, "x is |dead");                       \
        BAD(reel_##name(unset() __VA_ARGS__), REEL_ESHAPE, "x has rank 1, allowed: 3 to 5"); \
        BAD(reel_##name(symbol() __VA_ARGS__), REEL_ESHAPE, "x has rank 1");                 \
        BAD(reel_##name(X("[]") __VA_ARGS__), REEL_ESHAPE, "x has rank 0");                  \
        BAD(reel_##name(X("[2,3]") __VA_ARGS__), REEL_ESHAPE, "x has rank 2");               \
        BAD(reel_##name(X("[1,1,1,1,1,1]") __VA_ARGS__), REEL_ESHAPE, "x has rank 6");       \
        BAD(reel_##name(XD("[1,1,3]", REEL_BOOL) __VA_ARGS__), REEL_EDTYPE, "x is bool");    \
        BAD(reel_##name(X("[3]") __VA_ARGS__), REEL_ESHAPE, "x has rank 1");                 \
        name##_more();                                                                       \
    }
static void global_max_pool_more(void)
{
    BAD(reel_global_max_pool(X("[1,2,0,3]"), false), REEL_ESHAPE, "x is empty along spatial axis 0");
}
static void global_avg_pool_more(void)
{
    BAD(reel_global_avg_pool(XD("[1,1,3]", REEL_I32), false), REEL_EDTYPE, "x is i32");
}
static void global_lp_pool_more(void)
{
    BAD(reel_global_lp_pool(X("[1,1,3]"), NAN, false), REEL_EARG, "p is nan");
    BAD(reel_global_lp_pool(X("[1,1,3]"), 0, false), REEL_EARG, "p is 0");
}
BAD_GLOBAL(global_max_pool, , false)
BAD_GLOBAL(global_avg_pool, , false)
BAD_GLOBAL(global_lp_pool, , 2, false)

#define BAD_ADAPTIVE(name)                                                                              \
    static void name##_bad(void)                                                                        \
    {                                                                                                   \
        BAD(reel_##name(NULL, K2, false), REEL_EARG, "x is NULL");                                      \
        BAD(reel_##name(dead(), K2, false), REEL_EARG, "x is |dead");                                   \
        BAD(reel_##name(unset(), K2, false), REEL_EARG, "unset");                                       \
        BAD(reel_##name(symbol(), K2, false), REEL_ETRACE, "graph");                                    \
        BAD(reel_##name(X("[1,4,4]"), K2, false), REEL_ESHAPE, "x has rank 3");                         \
        BAD(reel_##name(X("[1,1,4,4]"), REEL_SHAPE(2, 0), false), REEL_ESHAPE, "out[1] is 0");          \
        BAD(reel_##name(X("[1,1,4,4]"), REEL_SHAPE(-1, 2), false), REEL_ESHAPE, "out[0] is -1");        \
        BAD(reel_##name(X("[1,1,4,4]"), REEL_SCALAR, false), REEL_ESHAPE, "out has 0 axes");            \
        BAD(reel_##name(X("[1,1,0,4]"), K2, false), REEL_ESHAPE, "x is empty along spatial axis 0");    \
        BAD(reel_##name(X("[1,1,4,4]"), REEL_SHAPE(INT64_MAX / 2, 2), false), REEL_ESHAPE, "overflow"); \
        BAD(reel_##name(XD("[1,1,4,4]", REEL_BOOL), K2, false), REEL_EDTYPE, "x is bool");              \
    }
BAD_ADAPTIVE(adaptive_max_pool)
BAD_ADAPTIVE(adaptive_avg_pool)

static const sample plain = {IN("[1,1,4,4]"), W(22, 0, 0, 0, 0, 0, 0, 0, 0, 0)};
#define BAD_GRADIENT(name, first)                                                                                    \
    static void name##_bad(void)                                                                                     \
    {                                                                                                                \
        const reel_attr_pool a = attributes(&plain);                                                                 \
        reel_attr_pool odd = a;                                                                                      \
        odd.window.stride[0] = 0;                                                                                    \
        BAD(reel_##name##_at_(REEL_HERE, NULL, X("[1,1,2,2]"), &a), REEL_EARG, first " is NULL");                    \
        BAD(reel_##name##_at_(REEL_HERE, X("[1,1,4,4]"), NULL, &a), REEL_EARG, "g is NULL");                         \
        BAD(reel_##name##_at_(REEL_HERE, X("[1,1,4,4]"), dead(), &a), REEL_EARG, "dead");                            \
        BAD(reel_##name##_at_(REEL_HERE, X("[1,1,4,4]"), unset(), &a), REEL_EARG, "unset");                          \
        BAD(reel_##name##_at_(REEL_HERE, X("[1,1,4,4]"), symbol(), &a), REEL_ETRACE, "graph");                       \
        BAD(reel_##name##_at_(REEL_HERE, X("[1,1,4,4]"), X("[1,1,3,2]"), &a), REEL_ESHAPE, "g has shape [1,1,3,2]"); \
        BAD(reel_##name##_at_(REEL_HERE, X("[1,1,4,4]"), X("[2,1,2,2]"), &a), REEL_ESHAPE, "expected [1,1,2,2]");    \
        BAD(reel_##name##_at_(REEL_HERE, X("[1,4,4]"), X("[1,2,2]"), &a), REEL_ESHAPE, "x has rank 3");              \
        BAD(reel_##name##_at_(REEL_HERE, X("[1,1,4,4]"), XD("[1,1,2,2]", REEL_F64), &a), REEL_EDTYPE,                \
            "dtypes differ");                                                                                        \
        BAD(reel_##name##_at_(REEL_HERE, X("[1,1,4,4]"), X("[1,1,2,2]"), &odd), REEL_EARG,                           \
            "stride of spatial axis 0");                                                                             \
    }
BAD_GRADIENT(max_pool_grad, "x")
BAD_GRADIENT(avg_pool_grad, "like")

#define SAMPLES(name, d, accuracy)                                                                           \
    const samples samples_##name = {GOOD(name##_good), .apply = name##_apply, .reference = name##_reference, \
                                    .bad = name##_bad, .dtypes = d,           .scale = accuracy};
SAMPLES(max_pool, 0, 1)
SAMPLES(max_pool1d, 0, 1)
SAMPLES(max_pool2d, 0, 1)
SAMPLES(max_pool3d, 0, 1)
SAMPLES(max_pool_indices, 0, 1)
SAMPLES(max_pool_grad, 0, 4)
SAMPLES(avg_pool, 0, 4)
SAMPLES(avg_pool1d, 0, 4)
SAMPLES(avg_pool2d, 0, 4)
SAMPLES(avg_pool3d, 0, 4)
SAMPLES(avg_pool_grad, 0, 4)
SAMPLES(lp_pool, 0, 8)
SAMPLES(global_max_pool, 0, 1)
SAMPLES(global_avg_pool, 0, 4)
SAMPLES(global_lp_pool, 0, 8)
SAMPLES(adaptive_max_pool, 0, 1)
SAMPLES(adaptive_avg_pool, 0, 4)
