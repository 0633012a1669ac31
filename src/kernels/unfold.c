/* unfold.c: im2col and col2im for any number of image axes. The columns are [n, c kernel.., places..]; both walk them row by row
   (one c, one place in the window), where the innermost axis is a run with the step of the stride. Sums are made in
   double, in the order of the places in the window, so they depend on nothing else. */
#include "core/shape.h"
#include "kernels/copy.h"
#include "kernels/index.h"
#include "kernels/kernels.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "reel/tensor.h"
#include <string.h>

enum { GRAIN = 1 << 14 /* elements */ };

typedef struct unfold_plan {
    reel_attr_unfold a;
    reel_copy_plan pack;
    reel_dtype dtype;
    bool packs;
    int n, size, out;
    int64_t image[REEL_UNFOLD_AXES], place[REEL_UNFOLD_AXES];
    int64_t planes, window, pixels, places; /* n c; places in the window; elements of an image; windows in it */
} unfold_plan;

static void plan_unfold(unfold_plan *p, const reel_ksig *sig, const reel_kview *image)
{
    memset(p, 0, sizeof *p);
    p->a = *(const reel_attr_unfold *)sig->attr;
    p->n = (int)p->a.n;
    p->dtype = image->dtype;
    p->size = (int)reel_size_(image->dtype);
    p->out = sig->n_in;
    p->planes = image->dims[0] * image->dims[1];
    p->window = p->pixels = p->places = 1;
    for (int i = 0; i < p->n; i++) {
        p->image[i] = image->dims[2 + i];
        p->place[i] =
            (p->image[i] + p->a.low[i] + p->a.high[i] - (int64_t)p->a.dilation[i] * (p->a.kernel[i] - 1) - 1) /
                p->a.stride[i] +
            1;
        p->window *= p->a.kernel[i];
        p->pixels *= p->image[i];
        p->places *= p->place[i];
    }
    const reel_kview *in = &sig->in[0];
    reel_shape s = {.rank = in->rank};
    memcpy(s.dims, in->dims, (size_t)in->rank * sizeof *in->dims);
    reel_copy_plan_(&p->pack, in->dtype, in->rank, in->dims, in->strides, 0);
    p->packs = !reel_is_dense_(&s, in->strides);
}

static size_t packed_bytes(const unfold_plan *p)
{
    return p->packs ? ((size_t)p->pack.n * (size_t)p->size + 63) / 64 * 64 : 0;
}

/* The row of one place in the window. */
typedef struct row {
    int64_t shift[REEL_UNFOLD_AXES]; /* where the first window's element lies along each axis */
    int64_t lead, first, count;      /* innermost: windows that begin outside, and those inside */
} row;

static row row_of(const unfold_plan *p, int64_t k)
{
    row r;
    for (int i = p->n - 1; i >= 0; i--) {
        r.shift[i] = k % p->a.kernel[i] * p->a.dilation[i] - p->a.low[i];
        k /= p->a.kernel[i];
    }
    const int last = p->n - 1;
    const int64_t stride = p->a.stride[last], at = r.shift[last], width = p->image[last];
    r.lead = at < 0 ? (-at + stride - 1) / stride : 0;
    if (r.lead > p->place[last]) r.lead = p->place[last];
    r.first = at + r.lead * stride;
    r.count = r.first < width ? (width - r.first + stride - 1) / stride : 0;
    if (r.count > p->place[last] - r.lead) r.count = p->place[last] - r.lead;
    return r;
}

/* Where the line of windows number `line` begins in the image; -1: outside. */
static int64_t line_of(const unfold_plan *p, const row *r, int64_t line)
{
    int64_t at = 0, stride = p->image[p->n - 1];
    for (int i = p->n - 2; i >= 0; i--) {
        const int64_t x = r->shift[i] + line % p->place[i] * p->a.stride[i];
        line /= p->place[i];
        if (x < 0 || x >= p->image[i]) return -1;
        at += x * stride;
        stride *= p->image[i];
    }
    return at;
}

typedef struct job {
    const unfold_plan *p;
    const char *in;
    char *out;
} job;

#define COPY(T)                                             \
    {                                                       \
        const T *s = (const T *)(const void *)from;         \
        T *d = (T *)(void *)to;                             \
        for (int64_t i = 0; i < n; i++) d[i] = s[i * step]; \
        break;                                              \
    }
static void copy_step(char *to, const char *from, int64_t n, int64_t step, int size)
{
    if (step == 1) {
        memcpy(to, from, (size_t)(n * size));
        return;
    }
    switch (size) {
    case 1: COPY(uint8_t)
    case 2: COPY(uint16_t)
    case 4: COPY(uint32_t)
    default: COPY(uint64_t)
    }
}

/* Rows [begin, end) of the columns of all planes. */
static void unfold_rows(void *arg, int64_t begin, int64_t end)
{
    const job *j = arg;
    const unfold_plan *p = j->p;
    const int64_t width = p->place[p->n - 1], lines = p->places / width, size = p->size;
    for (int64_t at = begin; at < end; at++) {
        const row r = row_of(p, at % p->window);
        const char *plane = j->in + at / p->window * p->pixels * size;
        char *to = j->out + at * p->places * size;
        for (int64_t line = 0; line < lines; line++, to += width * size) {
            const int64_t from = line_of(p, &r, line);
            if (from < 0 || r.count == 0) {
                memset(to, 0, (size_t)(width * size));
                continue;
            }
            memset(to, 0, (size_t)(r.lead * size));
            copy_step(to + r.lead * size, plane + (from + r.first) * size, r.count, p->a.stride[p->n - 1], p->size);
            memset(to + (r.lead + r.count) * size, 0, (size_t)((width - r.lead - r.count) * size));
        }
    }
}

static int unfold_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    unfold_plan *p = plan;
    plan_unfold(p, sig, &sig->in[0]);
    *workspace = packed_bytes(p);
    return reel_check_work_(p->packs ? p->pack.n : 0);
}

static int64_t grain_of(int64_t each)
{
    return each >= GRAIN ? 1 : GRAIN / (each > 0 ? each : 1);
}

static int unfold_run(const void *plan, void *const *ptr, void *work)
{
    const unfold_plan *p = plan;
    if (p->planes * p->places == 0) return 0;
    if (p->packs) reel_copy_run_(&p->pack, work, ptr[0]);
    job j = {p, p->packs ? work : ptr[0], ptr[p->out]};
    reel_parallel_for(p->planes * p->window, grain_of(p->places), unfold_rows, &j);
    return 0;
}

/* ---- fold ------------------------------------------------------------------------------------------------------ */
#define ADD(T, S)                                               \
    {                                                           \
        const T *s = (const T *)(const void *)from;             \
        S *q = (S *)(void *)sum + first;                        \
        for (int64_t i = 0; i < n; i++) q[i * step] += (S)s[i]; \
        break;                                                  \
    }
/* Floats into doubles (the halves as float here, through a buffer), integers into 64 bits, wrapping. */
static void add_step(void *sum, int64_t first, const char *from, int64_t n, int64_t step, reel_dtype d)
{
    switch (d) {
    case REEL_F32: ADD(float, double)
    case REEL_F64: ADD(double, double)
    case REEL_I8: ADD(int8_t, uint64_t)
    case REEL_U8: ADD(uint8_t, uint64_t)
    case REEL_I32: ADD(int32_t, uint64_t)
    case REEL_I64: ADD(int64_t, uint64_t)
    default:
        for (int64_t i = 0; i < n; i++) {
            double x;
            reel_convert_(&x, REEL_F64, 1, from + i * 2, d, 1, 1);
            ((double *)sum)[first + i * step] += x;
        }
    }
}

typedef struct fold_job {
    const unfold_plan *p;
    const char *in;
    char *out;
    char *sums; /* 8 bytes for each pixel of all planes */
} fold_job;

static void fold_planes(void *arg, int64_t begin, int64_t end)
{
    const fold_job *j = arg;
    const unfold_plan *p = j->p;
    const int last = p->n - 1;
    const int64_t width = p->place[last], lines = width ? p->places / width : 0, size = p->size;
    for (int64_t plane = begin; plane < end; plane++) {
        char *sum = j->sums + plane * p->pixels * 8;
        memset(sum, 0, (size_t)p->pixels * 8);
        for (int64_t k = 0; k < p->window; k++) {
            const row r = row_of(p, k);
            const char *from = j->in + (plane * p->window + k) * p->places * size;
            for (int64_t line = 0; line < lines && r.count > 0; line++) {
                const int64_t to = line_of(p, &r, line);
                if (to >= 0)
                    add_step(sum, to + r.first, from + (line * width + r.lead) * size, r.count, p->a.stride[last],
                             p->dtype);
            }
        }
        reel_convert_(j->out + plane * p->pixels * size, p->dtype, 1, sum,
                      reel_is_float_(p->dtype) ? REEL_F64 : REEL_I64, 1, p->pixels);
    }
}

static int fold_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    unfold_plan *p = plan;
    plan_unfold(p, sig, &sig->out[0]);
    *workspace = packed_bytes(p) + (size_t)(p->planes * p->pixels) * 8;
    return reel_check_work_(p->pack.n | p->planes * p->pixels);
}

static int fold_run(const void *plan, void *const *ptr, void *work)
{
    const unfold_plan *p = plan;
    if (p->planes * p->pixels == 0) return 0;
    if (p->packs) reel_copy_run_(&p->pack, work, ptr[0]);
    fold_job j = {p, p->packs ? work : ptr[0], ptr[p->out], (char *)work + packed_bytes(p)};
    reel_parallel_for(p->planes, grain_of(p->window * p->places), fold_planes, &j);
    return 0;
}

const reel_kernel reel_k_unfold_ = {.plan_size = sizeof(unfold_plan), .prepare = unfold_prepare, .run = unfold_run};
const reel_kernel reel_k_fold_ = {.plan_size = sizeof(unfold_plan), .prepare = fold_prepare, .run = fold_run};
