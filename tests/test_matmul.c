/* test_matmul.c: the product through prepare and run: every layout, dtype, batch form and route against a double
   reference; bits by threads and layout. The route tests run this program again with REEL_MATMUL, REEL_ISA set. */
#include "core/alloc.h"
#include "core/device.h"
#include "core/dtype.h"
#include "core/shape.h"
#include "kernels/kernels.h"
#include "kernels/matmul.h"
#include "reel/tensor.h"
#include "tap.h"
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* An operand: a view into a block of its own. */
typedef struct operand {
    reel_shape shape;
    int64_t strides[REEL_MAX_RANK];
    reel_dtype dtype;
    unsigned char *block;
    size_t bytes;
    int64_t offset; /* of element 0, in elements */
} operand;

static uint64_t seed = 1;
static double next_number(void) /* in -2..2, all bits of a double in use, so that sums round */
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(int64_t)(seed ^ seed >> 29) * 0x1p-62;
}

/* A block with room for |strides|; NaN in the gaps of a view would show. */
static operand make(reel_dtype dtype, reel_shape shape, const int64_t *strides)
{
    operand o = {.shape = shape, .dtype = dtype};
    int64_t low = 0, high = 0;
    if (strides)
        memcpy(o.strides, strides, sizeof(int64_t) * (size_t)shape.rank);
    else
        reel_shape_strides_(&shape, o.strides);
    for (int i = 0; i < shape.rank; i++) {
        const int64_t far = (shape.dims[i] > 0 ? shape.dims[i] - 1 : 0) * o.strides[i];
        low += far < 0 ? far : 0;
        high += far > 0 ? far : 0;
    }
    const int64_t n = high - low + 1;
    o.offset = -low;
    o.bytes = (size_t)n * reel_size_(dtype);
    o.block = reel_alloc_(o.bytes);
    for (int64_t i = 0; i < n; i++) reel_store_number_(o.block + (size_t)i * reel_size_(dtype), dtype, next_number());
    return o;
}
static void drop(operand *o)
{
    reel_free_(o->block, o->bytes);
}
static void *data(const operand *o)
{
    return o->block + o->offset * (int64_t)reel_size_(o->dtype);
}
static reel_kview view(const operand *o)
{
    return (reel_kview){o->dtype, o->shape.rank, o->shape.dims, o->strides, NULL};
}

static double element(const operand *o, const int64_t *index)
{
    int64_t at = o->offset;
    for (int i = 0; i < o->shape.rank; i++) at += index[i] * o->strides[i];
    return reel_load_number_(o->block + at * (int64_t)reel_size_(o->dtype), o->dtype);
}

static reel_shape result_shape(const operand *a, const operand *b)
{
    reel_shape ab = a->shape, bb = b->shape, s;
    ab.rank = a->shape.rank > 1 ? a->shape.rank - 2 : 0;
    bb.rank = b->shape.rank > 1 ? b->shape.rank - 2 : 0;
    reel_shape_broadcast_(&ab, &bb, &s);
    if (a->shape.rank > 1) s.dims[s.rank++] = a->shape.dims[a->shape.rank - 2];
    if (b->shape.rank > 1) s.dims[s.rank++] = b->shape.dims[b->shape.rank - 1];
    return s;
}

/* Prepares, runs into out (dense); returns the code. */
static int product(const operand *a, const operand *b, operand *out)
{
    const reel_kview in[2] = {view(a), view(b)}, o = view(out);
    const reel_ksig sig = {.n_in = 2, .n_out = 1, .in = in, .out = &o};
    size_t workspace = 0;
    void *plan = reel_alloc_(reel_k_matmul_.plan_size);
    int code = reel_k_matmul_.prepare(&sig, plan, &workspace);
    if (!code) {
        void *work = reel_alloc_(workspace);
        void *const ptr[3] = {data(a), data(b), data(out)};
        code = reel_k_matmul_.run(plan, ptr, work);
        reel_free_(work, workspace);
        reel_k_matmul_.drop(plan);
    }
    reel_free_(plan, reel_k_matmul_.plan_size);
    return code;
}

/* All values in C order; free() it. */
static double *values(const operand *o)
{
    const int64_t n = reel_count_(&o->shape);
    double *v = malloc((size_t)n * sizeof *v + 1);
    for (int64_t t = 0; v && t < n; t++) {
        int64_t index[REEL_MAX_RANK], rest = t;
        for (int i = o->shape.rank - 1; i >= 0; i--) {
            index[i] = rest % o->shape.dims[i];
            rest /= o->shape.dims[i];
        }
        v[t] = element(o, index);
    }
    return v;
}

/* First of the matrix that an operand has for a batch of the result. */
static int64_t matrix_at(const reel_shape *o, const reel_shape *result, int batch_rank, int64_t batch)
{
    int64_t strides[REEL_MAX_RANK], at = 0;
    reel_shape_strides_(o, strides);
    for (int i = batch_rank - 1, j = o->rank - 3; i >= 0; i--, j--) {
        if (j >= 0 && o->dims[j] > 1) at += batch % result->dims[i] * strides[j];
        batch /= result->dims[i];
    }
    return at;
}

/* One row of the product and the sums of its terms' magnitudes. Products of floats and shorter are exact as doubles, whose
   sums are nearer than any bound here; those of doubles want more. */
static void row_of(const double *a, const double *b, int64_t n, int64_t k, bool wide, double *sum, double *size)
{
    for (int64_t j = 0; j < n; j++) sum[j] = size[j] = 0;
    for (int64_t p = 0; p < k; p++)
        for (int64_t j = 0; j < n; j++) {
            const double term = a[p] * b[p * n + j];
            if (!wide) sum[j] += term;
            size[j] += fabs(term);
        }
    for (int64_t j = 0; j < n && wide; j++) {
        long double s = 0;
        for (int64_t p = 0; p < k; p++) s += (long double)a[p] * b[p * n + j];
        sum[j] = (double)s;
    }
}

/* Against accurate sums; the bound is that of k roundings of the magnitudes and one of the result. */
static bool right(const operand *a, const operand *b, const operand *out)
{
    const reel_shape *s = &out->shape;
    const int ar = a->shape.rank, br = b->shape.rank, batch_rank = s->rank - (ar > 1) - (br > 1);
    const int64_t k = a->shape.dims[ar - 1], m = ar > 1 ? a->shape.dims[ar - 2] : 1,
                  n = br > 1 ? b->shape.dims[br - 1] : 1;
    const double eps = out->dtype == REEL_F64 ? 0x1p-53 : 0x1p-24, least = out->dtype == REEL_F16 ? 0x1p-25 : 0;
    const double round = out->dtype == REEL_BF16 ? 0x1.01p-8 : out->dtype == REEL_F16 ? 0x1.01p-11 : eps;
    double *av = values(a), *bv = values(b), *got = values(out), *sum = malloc((size_t)n * 2 * sizeof *sum + 1);
    const int64_t count = reel_count_(s);
    bool ok = av && bv && got && sum;
    for (int64_t t = 0; ok && t < count; t++) {
        const int64_t j = t % n;
        if (j == 0)
            row_of(av + matrix_at(&a->shape, s, batch_rank, t / (m * n)) + t / n % m * k,
                   bv + matrix_at(&b->shape, s, batch_rank, t / (m * n)), n, k, out->dtype == REEL_F64, sum, sum + n);
        const double bound = sum[n + j] * eps * (double)(k + 2) + fabs(sum[j]) * round + least;
        ok = fabs(sum[j] - got[t]) <= bound;
        if (!ok) printf("# element %d: %.9g, not %.9g (bound %.3g)\n", (int)t, got[t], sum[j], bound);
    }
    free(av), free(bv), free(got), free(sum);
    return ok;
}

static operand dense_copy(const operand *o)
{
    operand d = make(o->dtype, o->shape, NULL);
    const reel_kview v = {o->dtype, o->shape.rank, o->shape.dims, o->strides, data(o)};
    if (reel_count_(&o->shape)) reel_pack_(d.block, &v);
    return d;
}

static bool same(const operand *x, const operand *y)
{
    return !memcmp(x->block, y->block, (size_t)reel_count_(&x->shape) * reel_size_(x->dtype));
}

/* Right; the same bits again, with other thread counts. */
static bool check(const operand *a, const operand *b)
{
    const reel_shape s = result_shape(a, b);
    operand out = make(a->dtype, s, NULL), again = make(a->dtype, s, NULL);
    reel_set_threads(2);
    bool ok = product(a, b, &out) == 0 && right(a, b, &out);
    reel_set_threads(1);
    ok = ok && product(a, b, &again) == 0 && same(&out, &again);
    reel_set_threads(3);
    ok = ok && product(a, b, &again) == 0 && same(&out, &again);
    reel_set_threads(2);
    drop(&out), drop(&again);
    return ok;
}

static const reel_dtype floats[4] = {REEL_F32, REEL_F64, REEL_F16, REEL_BF16};
static reel_shape shape2(int64_t m, int64_t n)
{
    return (reel_shape){2, {m, n}};
}

/* layout 0 dense, 1 transposed, 2 a part of wider rows, 3 backwards, 4 every other column, 5 one row repeated */
enum { LAYOUTS = 6 };
static operand make_layout(reel_dtype dtype, int64_t m, int64_t n, int layout)
{
    const int64_t strides[LAYOUTS][2] = {{n, 1}, {1, m}, {n + 3, 1}, {-n, -1}, {2 * n, 2}, {0, 1}};
    return make(dtype, shape2(m, n), strides[layout]);
}

static void small_grid(void)
{
    static const int64_t sizes[] = {1, 2, 3, 5, 8, 17};
    enum { N = sizeof sizes / sizeof *sizes };
    for (int d = 0; d < 4; d++)
        for (int layout = 0; layout < 4; layout++) {
            bool ok = true;
            for (int i = 0; i < N * N * N && ok; i++) {
                const int64_t m = sizes[i % N], n = sizes[i / N % N], k = sizes[i / N / N];
                operand a = make_layout(floats[d], m, k, layout & 1), b = make_layout(floats[d], k, n, layout >> 1);
                ok = check(&a, &b);
                if (!ok) printf("# m %d n %d k %d\n", (int)m, (int)n, (int)k);
                drop(&a), drop(&b);
            }
            TAP_OK(ok, "small grid %s %c%c", reel_dtype_name(floats[d]), layout & 1 ? 'T' : 'N',
                   layout >> 1 ? 'T' : 'N');
        }
}

static void odd_sizes(void)
{
    static const int64_t sizes[][3] = {{31, 33, 65},   {32, 10, 64},   {64, 32, 32},   {100, 99, 98}, {7, 257, 129},
                                       {257, 7, 31},   {130, 129, 70}, {1, 70, 300},   {300, 1, 70},  {1, 1, 1000},
                                       {300, 260, 40}, {64, 700, 33},  {520, 65, 64},  {96, 96, 96},  {40, 40, 700},
                                       {1, 1100, 300}, {1100, 1, 300}, {70, 300, 180}, {60, 90, 600}};
    for (int d = 0; d < 4; d++)
        for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            if (tap_reduced && i % 2 != (unsigned)d % 2) continue;
            bool ok = true;
            const int64_t m = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
            for (int layout = 0; layout < 4 && ok; layout++) {
                if (tap_reduced && (unsigned)layout != (i + (unsigned)d) % 4) continue;
                operand a = make_layout(floats[d], m, k, layout & 1), b = make_layout(floats[d], k, n, layout >> 1);
                ok = check(&a, &b);
                if (!ok) printf("# layout %d\n", layout);
                drop(&a), drop(&b);
            }
            TAP_OK(ok, "%s %d x %d x %d in four layouts", reel_dtype_name(floats[d]), (int)m, (int)n, (int)k);
        }
}

/* What must be gathered gives the bits of the dense operand. */
static void strided(void)
{
    static const int64_t sizes[][3] = {{5, 6, 7}, {33, 34, 35}, {1, 9, 70}, {70, 1, 9}, {150, 160, 140}};
    for (int d = 0; d < 4; d++)
        for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (int layout = 2; layout < LAYOUTS; layout++) {
                const int64_t m = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
                if (tap_reduced && m > 100 && layout != 2 + d) continue;
                operand a = make_layout(floats[d], m, k, layout),
                        b = make_layout(floats[d], k, n, LAYOUTS + 1 - layout);
                operand ad = dense_copy(&a), bd = dense_copy(&b);
                operand x = make(floats[d], shape2(m, n), NULL), y = make(floats[d], shape2(m, n), NULL);
                TAP_OK(product(&a, &b, &x) == 0 && product(&ad, &bd, &y) == 0 && right(&a, &b, &x) && same(&x, &y),
                       "%s layout %d, %d x %d x %d: as dense", reel_dtype_name(floats[d]), layout, (int)m, (int)n,
                       (int)k);
                drop(&a), drop(&b), drop(&ad), drop(&bd), drop(&x), drop(&y);
            }
}

static void batches(void)
{
    static const struct {
        const char *name;
        reel_shape a, b;
        int64_t as[REEL_MAX_RANK], bs[REEL_MAX_RANK]; /* all 0: dense */
    } cases[] = {
        {"batch of 3", {3, {3, 4, 5}}, {3, {3, 5, 6}}, {0}, {0}},
        {"two batch axes", {4, {2, 3, 4, 5}}, {4, {2, 3, 5, 6}}, {0}, {0}},
        {"broadcast both ways", {4, {2, 1, 4, 5}}, {4, {1, 3, 5, 6}}, {0}, {0}},
        {"one b", {4, {2, 3, 4, 5}}, {2, {5, 6}}, {0}, {0}},
        {"one b, repeated a", {4, {2, 3, 4, 5}}, {2, {5, 6}}, {20, 0, 5, 1}, {0}},
        {"one b, batch axes swapped", {4, {2, 3, 4, 5}}, {3, {1, 5, 6}}, {20, 40, 5, 1}, {0}},
        {"one a", {2, {4, 5}}, {3, {7, 5, 6}}, {0}, {0}},
        {"repeated by stride 0", {3, {3, 4, 5}}, {3, {3, 5, 6}}, {0, 5, 1}, {30, 6, 1}},
        {"repeated b", {3, {3, 4, 5}}, {3, {3, 5, 6}}, {20, 5, 1}, {0, 6, 1}},
        {"transposed matrices", {3, {3, 4, 5}}, {3, {3, 5, 6}}, {20, 1, 4}, {30, 1, 5}},
        {"transposed with gaps between", {3, {3, 4, 5}}, {3, {3, 5, 6}}, {50, 1, 4}, {-37, 1, 5}},
        {"strided batch of strided", {3, {3, 4, 5}}, {3, {3, 5, 6}}, {-100, 20, 3}, {77, -12, 2}},
        {"vector times matrix", {1, {5}}, {2, {5, 6}}, {0}, {0}},
        {"matrix times vector", {2, {4, 5}}, {1, {5}}, {0}, {0}},
        {"vector times vector", {1, {5}}, {1, {5}}, {0}, {0}},
        {"backward vectors", {1, {5}}, {1, {5}}, {-1}, {-2}},
        {"vector times batch", {1, {5}}, {3, {3, 5, 6}}, {0}, {0}},
        {"batch times vector", {3, {3, 4, 5}}, {1, {5}}, {0}, {0}},
        {"rank 8", {8, {2, 1, 2, 1, 2, 1, 3, 4}}, {8, {1, 2, 1, 2, 1, 2, 4, 5}}, {0}, {0}},
        {"batch of rows", {3, {9, 1, 40}}, {2, {40, 30}}, {0}, {0}},
        {"heads", {4, {2, 4, 33, 16}}, {4, {2, 4, 16, 33}}, {2112, 16, 64, 1}, {2112, 16, 1, 64}},
        {"larger batch", {3, {5, 80, 90}}, {3, {5, 90, 100}}, {0}, {0}},
    };
    for (int d = 0; d < 4; d++)
        for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
            bool a_dense = true, b_dense = true;
            for (int j = 0; j < REEL_MAX_RANK; j++) {
                a_dense = a_dense && cases[i].as[j] == 0;
                b_dense = b_dense && cases[i].bs[j] == 0;
            }
            operand a = make(floats[d], cases[i].a, a_dense ? NULL : cases[i].as),
                    b = make(floats[d], cases[i].b, b_dense ? NULL : cases[i].bs);
            TAP_OK(check(&a, &b), "%s %s", reel_dtype_name(floats[d]), cases[i].name);
            drop(&a), drop(&b);
        }
}

static void nothing(void)
{
    static const int64_t sizes[][3] = {{0, 3, 4}, {3, 0, 4}, {3, 4, 0}, {0, 0, 0}, {1, 1, 0}, {0, 1, 3}};
    for (int d = 0; d < 4; d++)
        for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            operand a = make(floats[d], shape2(sizes[i][0], sizes[i][2]), NULL),
                    b = make(floats[d], shape2(sizes[i][2], sizes[i][1]), NULL);
            TAP_OK(check(&a, &b), "%s %d x %d x %d: zeros or nothing", reel_dtype_name(floats[d]), (int)sizes[i][0],
                   (int)sizes[i][1], (int)sizes[i][2]);
            drop(&a), drop(&b);
        }
}

/* 0 * inf is NaN, and no element spoils its neighbours. */
static void not_finite(void)
{
    static const int64_t sizes[] = {1, 4, 9, 40, 150};
    for (int d = 0; d < 4; d++)
        for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (int layout = 0; layout < 4; layout++) {
                const int64_t n = sizes[i];
                if (tap_reduced && n > 9 && layout != d) continue;
                operand a = make_layout(floats[d], n, n, layout & 1), b = make_layout(floats[d], n, n, layout >> 1),
                        out = make(floats[d], shape2(n, n), NULL);
                memset(a.block, 0, a.bytes);
                const size_t size = reel_size_(floats[d]);
                const int64_t row = n / 2, col = n / 3, p = n - 1;
                reel_store_number_(b.block + (size_t)(p * b.strides[0] + col * b.strides[1]) * size, floats[d],
                                   INFINITY);
                reel_store_number_(a.block + (size_t)(row * a.strides[0]) * size, floats[d], n > 1 ? NAN : 0.0);
                bool ok = product(&a, &b, &out) == 0;
                for (int64_t j = 0; j < n * n; j++) {
                    const int64_t index[2] = {j / n, j % n};
                    const double got = element(&out, index);
                    ok = ok && (index[1] == col || (index[0] == row && n > 1) ? isnan(got) : got == 0);
                }
                TAP_OK(ok, "%s NaN and infinity, n %d layout %d", reel_dtype_name(floats[d]), (int)n, layout);
                drop(&a), drop(&b), drop(&out);
            }
}

/* bf16 and f16 are rounded once: the result of summing in f32. */
static void rounded_once(void)
{
    for (int d = 2; d < 4; d++) {
        operand a = make(floats[d], shape2(1, 3), NULL), b = make(floats[d], shape2(3, 1), NULL),
                out = make(floats[d], shape2(1, 1), NULL);
        /* 1 + ulp/2 - ulp/8 must give 1, though the first two alone round up or stay at a tie */
        const double ulp = floats[d] == REEL_F16 ? 0x1p-10 : 0x1p-7, terms[3] = {1, 1.5 * ulp, -ulp / 8};
        for (int i = 0; i < 3; i++) {
            reel_store_number_(a.block + 2 * i, floats[d], terms[i]);
            reel_store_number_(b.block + 2 * i, floats[d], 1);
        }
        const int64_t zero[2] = {0, 0};
        TAP_OK(product(&a, &b, &out) == 0 && element(&out, zero) == 1 + ulp, "%s sums in f32",
               reel_dtype_name(floats[d]));
        drop(&a), drop(&b), drop(&out);
    }
}

/* One plan, several threads at once. */
typedef struct shared_plan {
    const operand *a, *b, *want;
    operand out;
    const void *plan;
    size_t workspace;
    bool ok;
} shared_plan;
static void *run_shared(void *arg)
{
    shared_plan *s = arg;
    void *work = reel_alloc_(s->workspace);
    void *const ptr[3] = {data(s->a), data(s->b), data(&s->out)};
    s->ok = true;
    for (int i = 0; i < (tap_reduced ? 4 : 20);
         i++) { /* at baseline, without fma, 20 take 13 s, under ASan 2 minutes */
        memset(s->out.block, 0xff, s->out.bytes);
        s->ok = s->ok && reel_k_matmul_.run(s->plan, ptr, work) == 0 && same(&s->out, s->want);
    }
    reel_free_(work, s->workspace);
    return NULL;
}
static void several_threads(void)
{
    static const int64_t sizes[] = {8, 60, 200, 300};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const int64_t n = sizes[i];
        operand a = make(REEL_F32, shape2(n, n), NULL), b = make(REEL_F32, shape2(n, n), NULL),
                out = make(REEL_F32, shape2(n, n), NULL);
        const reel_kview in[2] = {view(&a), view(&b)}, o = view(&out);
        const reel_ksig sig = {.n_in = 2, .n_out = 1, .in = in, .out = &o};
        shared_plan s[4];
        size_t workspace = 0;
        void *plan = reel_alloc_(reel_k_matmul_.plan_size);
        bool ok = reel_k_matmul_.prepare(&sig, plan, &workspace) == 0 && product(&a, &b, &out) == 0;
        for (int t = 0; t < 4; t++)
            s[t] = (shared_plan){&a, &b, &out, make(REEL_F32, shape2(n, n), NULL), plan, workspace, false};
        pthread_t threads[4];
        int started = 0;
        while (ok && started < 4 && pthread_create(&threads[started], NULL, run_shared, &s[started]) == 0) started++;
        for (int t = 0; t < started; t++) pthread_join(threads[t], NULL);
        for (int t = 0; t < 4; t++) {
            ok = ok && s[t].ok;
            drop(&s[t].out);
        }
        TAP_OK(ok, "four threads run one plan, n %d", (int)n);
        reel_k_matmul_.drop(plan);
        reel_free_(plan, reel_k_matmul_.plan_size);
        drop(&a), drop(&b), drop(&out);
    }
}

/* FNV-1a over the bits of the portable results: must not depend on the ISA level. */
static uint64_t fingerprint(void)
{
    uint64_t h = UINT64_C(1469598103934665603);
    seed = 7;
    for (int d = 0; d < 4; d++)
        for (int i = 0; i < 24; i++) {
            const int64_t m = 1 + i * 5 % 37, n = 1 + i * 7 % 41, k = 1 + i * 11 % 53;
            operand a = make_layout(floats[d], m, k, i & 1), b = make_layout(floats[d], k, n, i >> 1 & 1),
                    out = make(floats[d], shape2(m, n), NULL);
            if (product(&a, &b, &out)) return 0;
            for (size_t j = 0; j < (size_t)(m * n) * reel_size_(floats[d]); j++)
                h = (h ^ out.block[j]) * UINT64_C(1099511628211);
            drop(&a), drop(&b), drop(&out);
        }
    return h;
}

/* This program again, as "test_matmul child" with an environment; exit status, and the fingerprint it prints. */
static int child(const char *name, const char *value, const char *level, uint64_t *print)
{
    char command[700], self[512];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0) return -1;
    self[n] = 0;
    snprintf(command, sizeof command, "%s=%s REEL_ISA=%s '%s'%s", name, value, level, self,
             tap_reduced ? " reduced" : "");
    setenv("REEL_TEST_MATMUL_CHILD", "1", 1);
    FILE *f = popen(command, "r");
    unsetenv("REEL_TEST_MATMUL_CHILD");
    if (!f) return -1;
    char line[700];
    while (fgets(line, sizeof line, f)) {
        if (!strncmp(line, "fingerprint ", 12))
            *print = strtoull(line + 12, NULL, 16);
        else if (strncmp(line, "ok", 2))
            printf("#   %s", line);
    }
    const int status = pclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void routes(void)
{
    static const char *const wish[3] = {"portable", "blas", "onednn"}, *const levels[3] = {"baseline", "x86-64-v3",
                                                                                           "x86-64-v4"};
#ifdef REEL_HAVE_LEVELS
    const int n_levels = 3;
#else
    const int n_levels = 1; /* the others would be the baseline again */
#endif
    uint64_t print[3] = {0};
    if (getenv("REEL_TEST_MATMUL_CHILD")) {
        printf("fingerprint %llx\n", (unsigned long long)fingerprint());
        return;
    }
    for (int i = 1; i < 3; i++) {
        uint64_t unused;
        TAP_OK(child("REEL_MATMUL", wish[i], "", &unused) == 0, "all of it with REEL_MATMUL=%s", wish[i]);
    }
    for (int i = 0; i < n_levels; i++) {
        TAP_OK(child("REEL_MATMUL", "portable", levels[i], &print[i]) == 0, "all of it, portable, level %s", levels[i]);
        TAP_OK(print[i] && print[i] == print[0], "portable results at level %s have the bits of the baseline",
               levels[i]);
    }
    for (int i = 1; i < n_levels; i++) {
        uint64_t unused;
        TAP_OK(child("REEL_MATMUL", "auto", levels[i], &unused) == 0, "all of it, level %s", levels[i]);
    }
}

TAP_MAIN(small_grid, odd_sizes, strided, batches, nothing, not_finite, rounded_once, several_threads, routes)
