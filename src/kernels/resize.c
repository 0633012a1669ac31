/* resize.c: one axis resampled: each output is a short weighted sum of inputs along the axis. prepare makes the weights (for the gradient
   the transposed ones); run goes over [outer, axis, inner]. */
#include <math.h>

#include "core/alloc.h"
#include "kernels/dense.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "reel/image.h"

enum { CHUNK = 1024, WORK = 1 << 15 };

typedef struct weights {
    int64_t rows, *start; /* of row r: entries start[r] to start[r + 1] */
    int64_t count, room, *index;
    double *w, *constant; /* constant[r] is added; NULL: 0 */
} weights;

typedef struct resize_plan {
    bool copy; /* one input each, as it is: any dtype */
    int n_in;
    size_t size;
    reel_dtype compute;
    int64_t outer, n, m, inner, grain; /* n inputs, m outputs along the axis */
    weights w;
    reel_dense_in in;
    reel_dense_out out;
} resize_plan;

/* ---- weights ------------------------------------------------------------------------------------------- */
static int weights_new(weights *w, int64_t rows, int64_t room)
{
    memset(w, 0, sizeof *w);
    w->rows = rows;
    w->room = room < 1 ? 1 : room;
    w->start = reel_alloc_array_((size_t)rows + 1, sizeof *w->start);
    w->index = w->start ? reel_alloc_array_((size_t)w->room, sizeof *w->index) : NULL;
    w->w = w->index ? reel_alloc_array_((size_t)w->room, sizeof *w->w) : NULL;
    w->constant = w->w ? reel_alloc_array_((size_t)rows + 1, sizeof *w->constant) : NULL;
    if (!w->constant) return reel_status() ? reel_status() : reel_fail(REEL_ENOMEM, "no memory for the weights");
    for (int64_t i = 0; i <= rows; i++) w->start[i] = 0, w->constant[i] = 0;
    return 0;
}

static void weights_free(weights *w)
{
    if (w->start) reel_free_(w->start, ((size_t)w->rows + 1) * sizeof *w->start);
    if (w->index) reel_free_(w->index, (size_t)w->room * sizeof *w->index);
    if (w->w) reel_free_(w->w, (size_t)w->room * sizeof *w->w);
    if (w->constant) reel_free_(w->constant, ((size_t)w->rows + 1) * sizeof *w->constant);
    memset(w, 0, sizeof *w);
}

static double place_of(const reel_attr_resize *a, int64_t i, int64_t n, int64_t m, double s)
{
    const double x = (double)i, in = (double)n, width = s * in; /* as ONNX: not rounded */
    switch (a->coordinates) {
    case REEL_HALF_PIXEL_SYMMETRIC: return in / 2 * (1 - (double)m / width) + (x + 0.5) / s - 0.5;
    case REEL_PYTORCH_HALF_PIXEL: return m > 1 ? (x + 0.5) / s - 0.5 : 0;
    case REEL_ALIGN_CORNERS: return m == 1 || width == 1 ? 0 : x * (in - 1) / (width - 1);
    case REEL_ASYMMETRIC: return x / s;
    case REEL_TF_HALF_PIXEL: return (x + 0.5) / s;
    case REEL_TF_CROP_AND_RESIZE:
        return m == 1 ? (a->start + a->end) / 2 * (in - 1)
                      : a->start * (in - 1) + x * (a->end - a->start) * (in - 1) / (width - 1);
    default: return (x + 0.5) / s - 0.5;
    }
}

static double kernel_at(const reel_attr_resize *a, double x) /* Keys 1981 */
{
    x = fabs(x);
    if (a->mode == REEL_RESIZE_LINEAR) return x < 1 ? 1 - x : 0;
    if (x <= 1) return ((a->a + 2) * x - (a->a + 3)) * x * x + 1;
    return x < 2 ? ((a->a * x - 5 * a->a) * x + 8 * a->a) * x - 4 * a->a : 0;
}

static int64_t nearest_of(const reel_attr_resize *a, double x)
{
    const double below = floor(x), part = x - below;
    switch (a->rounding) {
    case REEL_ROUND_PREFER_CEIL: return (int64_t)(part < 0.5 ? below : below + 1);
    case REEL_FLOOR: return (int64_t)below;
    case REEL_CEIL: return (int64_t)ceil(x);
    default: return (int64_t)(part <= 0.5 ? below : below + 1);
    }
}

static int64_t clamped(int64_t i, int64_t n)
{
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

static void put(weights *w, int64_t index, double x)
{
    if (w->count > w->start[w->rows] && w->index[w->count - 1] == index) { /* start[rows]: where the row begins */
        w->w[w->count - 1] += x;
        return;
    }
    w->index[w->count] = index;
    w->w[w->count++] = x;
}

static void add_row(weights *w, const reel_attr_resize *a, double x, int64_t n, double support, double stretch)
{
    if (a->mode == REEL_RESIZE_NEAREST) {
        put(w, clamped(nearest_of(a, x), n), 1);
        return;
    }
    const int64_t first = (int64_t)floor(x - support) + 1, last = (int64_t)ceil(x + support) - 1;
    const int64_t begin = w->count;
    double sum = 0;
    for (int64_t i = first; i <= last; i++) {
        const double f = kernel_at(a, ((double)i - x) * stretch);
        if (f == 0 || (a->exclude && (i < 0 || i >= n))) continue;
        put(w, clamped(i, n), f);
        sum += f;
    }
    if ((a->exclude || a->antialias) && sum != 0)
        for (int64_t k = begin; k < w->count; k++) w->w[k] /= sum;
}

static int weights_make(weights *w, const reel_attr_resize *a, int64_t n, int64_t m)
{
    const double s = a->scale > 0 ? a->scale : n > 0 ? (double)m / (double)n : 1;
    const double stretch = a->antialias && s < 1 ? s : 1;
    const double support = (a->mode == REEL_RESIZE_CUBIC ? 2 : 1) / stretch;
    const double taps = a->mode == REEL_RESIZE_NEAREST ? 1 : fmin(2 * support + 2, (double)n + 2);
    int64_t room;
    if (taps > 0x1p40 || REEL_MUL_OVERFLOW(m, (int64_t)taps + 1, &room) || room > INT64_MAX / 32)
        return reel_fail(REEL_ESHAPE, "the weights would not fit in memory");
    const int code = weights_new(w, m, room);
    if (code) return code;
    for (int64_t r = 0; r < m; r++) {
        const double x = place_of(a, r, n, m, s);
        w->start[r] = w->start[w->rows] = w->count;
        if (a->coordinates == REEL_TF_CROP_AND_RESIZE && !(x >= 0 && x <= (double)(n - 1)))
            w->constant[r] = a->extrapolation;
        else
            add_row(w, a, fmin(fmax(x, -4.0 - support), (double)n + 4 + support), n, support, stretch);
    }
    w->start[m] = w->count;
    return 0;
}

static int weights_turn(weights *w, int64_t n)
{
    weights t;
    int code = weights_new(&t, n, w->count);
    if (!code) {
        for (int64_t k = 0; k < w->count; k++) t.start[w->index[k] + 1]++;
        for (int64_t i = 0; i < n; i++) t.start[i + 1] += t.start[i];
        for (int64_t r = 0; r < w->rows; r++)
            for (int64_t k = w->start[r]; k < w->start[r + 1]; k++) {
                const int64_t at = t.start[w->index[k]]++;
                t.index[at] = r;
                t.w[at] = w->w[k];
            }
        for (int64_t i = n; i > 0; i--) t.start[i] = t.start[i - 1];
        t.start[0] = 0;
        t.count = w->count;
    }
    weights_free(w);
    *w = t;
    if (code) weights_free(w);
    return code;
}

/* ---- plan ------------------------------------------------------------------------------------------------ */
static int prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    resize_plan *p = plan;
    const reel_attr_resize *a = sig->attr;
    const reel_kview *x = &sig->in[0], *y = &sig->out[0];
    const bool grad = sig->op->id == REEL_OP_resize_axis_grad;
    const int axis = a->axis < 0 ? a->axis + x->rank : a->axis;
    memset(p, 0, sizeof *p);
    p->n_in = sig->n_in;
    p->copy = !grad && a->mode == REEL_RESIZE_NEAREST && a->coordinates != REEL_TF_CROP_AND_RESIZE;
    p->compute = p->copy || x->dtype == REEL_F64 ? x->dtype : reel_is_float_(x->dtype) ? REEL_F32 : REEL_F64;
    p->size = reel_size_(p->compute);
    p->n = x->dims[axis], p->m = y->dims[axis];
    p->outer = p->inner = 1;
    for (int i = 0; i < axis; i++) p->outer *= x->dims[i];
    for (int i = axis + 1; i < x->rank; i++) p->inner *= x->dims[i];
    int code = reel_dense_plan_(&p->in, x, p->compute, workspace);
    if (!code) code = reel_dense_out_plan_(&p->out, y, p->compute, workspace);
    if (!code) code = weights_make(&p->w, a, grad ? p->m : p->n, grad ? p->n : p->m);
    if (!code && grad) code = weights_turn(&p->w, p->m);
    if (code) weights_free(&p->w);
    const double each = (double)p->inner * (double)(p->w.count + p->m);
    p->grain = each >= WORK ? 1 : (int64_t)(WORK / (each + 1)) + 1;
    return code;
}

static void drop(void *plan)
{
    weights_free(&((resize_plan *)plan)->w);
}

/* ---- run ------------------------------------------------------------------------------------------------- */
#define ROWS(T)                                                                           \
    static void rows_##T(const resize_plan *p, const T *x, T *y)                          \
    {                                                                                     \
        const weights *w = &p->w;                                                         \
        for (int64_t r = 0; r < p->m; r++, y += p->inner) {                               \
            const int64_t begin = w->start[r], end = w->start[r + 1];                     \
            const T base = (T)w->constant[r];                                             \
            for (int64_t i0 = 0; i0 < p->inner; i0 += CHUNK) {                            \
                const int64_t n = p->inner - i0 < CHUNK ? p->inner - i0 : CHUNK;          \
                T *REEL_RESTRICT to = y + i0;                                             \
                if (begin == end)                                                         \
                    for (int64_t i = 0; i < n; i++) to[i] = base;                         \
                for (int64_t k = begin; k < end; k++) {                                   \
                    const T *REEL_RESTRICT from = x + w->index[k] * p->inner + i0;        \
                    const T f = (T)w->w[k];                                               \
                    if (k == begin)                                                       \
                        for (int64_t i = 0; i < n; i++) to[i] = f * from[i];              \
                    else                                                                  \
                        for (int64_t i = 0; i < n; i++) to[i] += f * from[i];             \
                }                                                                         \
            }                                                                             \
        }                                                                                 \
    }                                                                                     \
    static void line_##T(const resize_plan *p, const T *x, T *y) /* inner is 1 */         \
    {                                                                                     \
        const weights *w = &p->w;                                                         \
        for (int64_t r = 0; r < p->m; r++) {                                              \
            const int64_t begin = w->start[r], end = w->start[r + 1];                     \
            T sum = (T)w->constant[r];                                                    \
            if (begin < end) sum = (T)w->w[begin] * x[w->index[begin]];                   \
            for (int64_t k = begin + 1; k < end; k++) sum += (T)w->w[k] * x[w->index[k]]; \
            y[r] = sum;                                                                   \
        }                                                                                 \
    }
ROWS(float)
ROWS(double)

static void copies(const resize_plan *p, const char *x, char *y)
{
    const int64_t *index = p->w.index, bytes = p->inner * (int64_t)p->size;
    if (bytes == 4)
        for (int64_t r = 0; r < p->m; r++) memcpy(y + 4 * r, x + 4 * index[r], 4);
    else
        for (int64_t r = 0; r < p->m; r++) memcpy(y + r * bytes, x + index[r] * bytes, (size_t)bytes);
}

typedef struct job {
    const resize_plan *p;
    const char *x;
    char *y;
} job;

static void piece(void *arg, int64_t begin, int64_t end)
{
    const job *j = arg;
    const resize_plan *p = j->p;
    const int64_t from = p->n * p->inner * (int64_t)p->size, to = p->m * p->inner * (int64_t)p->size;
    for (int64_t o = begin; o < end; o++) {
        const void *x = j->x + o * from;
        void *y = j->y + o * to;
        if (p->copy)
            copies(p, x, y);
        else if (p->compute == REEL_F64)
            (p->inner == 1 ? line_double : rows_double)(p, x, y);
        else
            (p->inner == 1 ? line_float : rows_float)(p, x, y);
    }
}

static int run(const void *plan, void *const *ptr, void *work)
{
    const resize_plan *p = plan;
    void *const to = ptr[p->n_in];
    job j = {p, reel_dense_ready_(&p->in, ptr[0], work), NULL};
    j.y = reel_dense_out_(&p->out, to, work);
    if (p->outer > 0 && p->inner > 0 && p->m > 0) reel_parallel_for(p->outer, p->grain, piece, &j);
    reel_dense_done_(&p->out, to, work);
    return 0;
}

const reel_kernel reel_k_resize_ = {.plan_size = sizeof(resize_plan), .prepare = prepare, .run = run, .drop = drop};
