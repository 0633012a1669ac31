/* test_sort.c: sorting and its relatives at sizes that cross the kernels' blocks, with equal results for one thread and two;
   NumPy's and PyTorch's published examples; scans, variances and norms where they are easily wrong. */
#include "reel/reel.h"
#include "tap.h"
#include <stdint.h>
#include <stdlib.h>

static uint64_t state = 1;
static uint64_t next_bits(void) /* SplitMix64 */
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* kind 0: normal-like values of all signs; 1: few distinct; 2: ascending; 3: descending; 4: all equal; 5: any bits */
static void fill(float *x, int64_t n, int kind)
{
    for (int64_t i = 0; i < n; i++) {
        const uint64_t r = next_bits();
        const uint32_t bits = (uint32_t)r;
        switch (kind) {
        case 0: x[i] = (float)((double)(r >> 11) * 0x1p-53 - 0.5); break;
        case 1: x[i] = (float)(int)(r % 7) - 3; break;
        case 2: x[i] = (float)i; break;
        case 3: x[i] = -(float)i; break;
        case 4: x[i] = 0.25f; break;
        default: memcpy(&x[i], &bits, sizeof bits); break;
        }
    }
}

static bool comes_first(float a, int64_t i, float b, int64_t j, bool descending)
{
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b) ? i < j : descending ? isnan(a) : isnan(b);
    return a == b ? i < j : descending ? a > b : a < b;
}

/* Is order the one stable order of x? n - 1 comparisons, and a permutation. */
static bool is_order(const float *x, const int64_t *order, int64_t n, bool descending)
{
    char *seen = calloc((size_t)n + 1, 1);
    bool ok = true;
    for (int64_t i = 0; ok && i < n; i++) {
        ok = order[i] >= 0 && order[i] < n && !seen[order[i]];
        if (ok) seen[order[i]] = 1;
        if (ok && i) ok = comes_first(x[order[i - 1]], order[i - 1], x[order[i]], order[i], descending);
    }
    free(seen);
    return ok;
}

static const int64_t lengths[] = {1, 2, 48, 49, 300, 4095, 4096, 65536, 65537, 300001};

static void sorts(void)
{
    for (int kind = 0; kind < 6; kind++)
        for (size_t s = 0; s < sizeof lengths / sizeof *lengths; s++) {
            REEL_SCOPED;
            const int64_t n = lengths[s];
            float *x = malloc((size_t)n * sizeof *x), *y = malloc((size_t)n * sizeof *y);
            int64_t *order = malloc((size_t)n * sizeof *order), *other = malloc((size_t)n * sizeof *other);
            fill(x, n, kind);
            reel_tensor *t = reel_from_f32(REEL_SHAPE(n), x, (size_t)n);
            for (int descending = 0; descending < 2; descending++) {
                reel_set_threads(2);
                int code = reel_read_i64(reel_argsort(t, 0, descending != 0), order, (size_t)n);
                bool ok = code == 0 && is_order(x, order, n, descending != 0);
                code = reel_read_f32(reel_sort(t, 0, descending != 0), y, (size_t)n);
                for (int64_t i = 0; ok && i < n; i++) {
                    const float want = x[order[i]];
                    ok = code == 0 && (isnan(want) ? isnan(y[i]) : memcmp(&y[i], &want, sizeof want) == 0);
                }
                reel_set_threads(1);
                code = reel_read_i64(reel_argsort(t, 0, descending != 0), other, (size_t)n);
                ok = ok && code == 0 && memcmp(order, other, (size_t)n * sizeof *order) == 0;
                TAP_OK(ok, "sort and argsort of %lld, kind %d%s", (long long)n, kind, descending ? ", descending" : "");
            }
            free(x), free(y), free(order), free(other);
        }
    reel_set_threads(0);
}

static void sorts_of_wide_elements(void)
{
    enum { N = 70000 };
    REEL_SCOPED;
    static int64_t x[N], y[N], order[N];
    static double d[N], e[N];
    for (int i = 0; i < N; i++) {
        x[i] = (int64_t)next_bits() >> (i % 60);
        d[i] = (double)(int64_t)next_bits() * (i % 2 ? 1e-300 : 1e280);
    }
    x[7] = INT64_MIN, x[9] = INT64_MAX;
    int code = reel_read_i64(reel_sort(reel_from_i64(REEL_SHAPE(N), x, N), 0, false), y, N);
    bool ok = code == 0;
    for (int i = 1; ok && i < N; i++) ok = y[i - 1] <= y[i];
    TAP_OK(ok && y[0] == INT64_MIN && y[N - 1] == INT64_MAX, "i64: ascending, with both ends");
    code = reel_read_i64(reel_argsort(reel_from_i64(REEL_SHAPE(N), x, N), 0, true), order, N);
    for (int i = 1; ok && i < N; i++)
        ok = x[order[i - 1]] > x[order[i]] || (x[order[i - 1]] == x[order[i]] && order[i - 1] < order[i]);
    TAP_OK(ok && code == 0, "i64: argsort descending is stable");
    code = reel_read_f64(reel_sort(reel_from_f64(REEL_SHAPE(N), d, N), -1, false), e, N);
    for (int i = 1; ok && i < N; i++) ok = e[i - 1] <= e[i];
    TAP_OK(ok && code == 0, "f64: ascending");
}

static void topks(void)
{
    static const int64_t ks[] = {1, 10, 1000, 9000, 200000};
    enum { N = 300001 };
    static float x[N], v[N];
    static int64_t order[N], at[N], one[N];
    for (int kind = 0; kind < 6; kind++) {
        REEL_SCOPED;
        fill(x, N, kind);
        reel_tensor *t = reel_from_f32(REEL_SHAPE(N), x, N), *y[2];
        for (int smallest = 0; smallest < 2; smallest++)
            for (size_t s = 0; s < sizeof ks / sizeof *ks; s++) {
                const size_t k = (size_t)ks[s];
                bool ok = reel_read_i64(reel_argsort(t, 0, !smallest), order, N) == 0;
                reel_set_threads(2);
                ok = ok && reel_topk(t, ks[s], 0, REEL_OPTS(topk, .smallest = smallest != 0), y) == 0 &&
                     reel_read_i64(y[1], at, k) == 0 && reel_read_f32(y[0], v, k) == 0;
                ok = ok && memcmp(at, order, k * sizeof *at) == 0;
                for (size_t i = 0; ok && i < k; i++) ok = memcmp(&v[i], &x[at[i]], sizeof *v) == 0;
                reel_set_threads(1);
                ok = ok && reel_topk(t, ks[s], 0, REEL_OPTS(topk, .smallest = smallest != 0), y) == 0 &&
                     reel_read_i64(y[1], one, k) == 0 && memcmp(one, at, k * sizeof *at) == 0;
                TAP_OK(ok, "the %s %lld of %d, kind %d", smallest ? "smallest" : "largest", (long long)ks[s], (int)N,
                       kind);
            }
    }
    reel_set_threads(0);
}

static reel_tensor *vec(int n, const float *x)
{
    return reel_from_f32(REEL_SHAPE(n), x, (size_t)n);
}
#define VEC(...) vec((int)(sizeof((float[]){__VA_ARGS__}) / sizeof(float)), (float[]){__VA_ARGS__})

static bool reads(reel_tensor *t, int n, const double *want)
{
    double got[64];
    if (reel_read_f64(t, got, (size_t)n)) return false;
    for (int i = 0; i < n; i++)
        if (!(got[i] == want[i] || (isnan(got[i]) && isnan(want[i])) ||
              fabs(got[i] - want[i]) <= 1e-6 * fabs(want[i]))) {
            tap_note("element %d is %.9g, expected %.9g", i, got[i], want[i]);
            return false;
        }
    return true;
}
#define READS(t, ...) \
    TAP_OK(reads(t, (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), (double[]){__VA_ARGS__}), "%s", #t)

/* From the examples in NumPy's and PyTorch's reference pages. */
static void published(void)
{
    REEL_SCOPED;
    const double nan = (double)NAN;
    READS(reel_sort(VEC(3, 1, 2, NAN), 0, false), 1, 2, 3, nan);
    READS(reel_sort(VEC(3, NAN, 1), 0, true), nan, 3, 1);
    READS(reel_argsort(VEC(3, 1, 2), 0, false), 1, 2, 0);
    READS(reel_searchsorted(VEC(11, 12, 13, 14, 15), VEC(13), false), 2);
    READS(reel_searchsorted(VEC(11, 12, 13, 14, 15), VEC(13), true), 3);
    READS(reel_searchsorted(VEC(11, 12, 13, 14, 15), VEC(-10, 20, 12, 13), false), 0, 5, 1, 2);
    READS(reel_histogram(VEC(1, 2, 1), 3, 0, 3), 0, 2, 1);
    READS(reel_median(VEC(10, 7, 4, 3, 2, 1), 0, false), 3.5);
    READS(reel_quantile(VEC(0, 1, 2, 3), 0.25, 0, REEL_QUANTILE_LINEAR, false), 0.75);
    READS(reel_quantile(VEC(0, 1, 2, 3), 0.5, 0, REEL_QUANTILE_NEAREST, false), 2); /* 1.5: half to even */
    READS(reel_quantile(VEC(INFINITY, INFINITY, 1), 0.9, 0, REEL_QUANTILE_LINEAR, false), INFINITY);
    READS(reel_cumsum(VEC(1, 2, 3, 4, 5, 6), 0, NULL), 1, 3, 6, 10, 15, 21);
    READS(reel_cumprod(VEC(1, 2, 3), 0, NULL), 1, 2, 6);
    READS(reel_cumsum(VEC(1, 2, 3), 0, REEL_OPTS(scan, .exclusive = true, .reverse = true)), 5, 3, 0);
    READS(reel_std(VEC(1, 2, 3, 4), REEL_ALL_AXES, 0, false), 1.1180339887498949);
    READS(reel_variance(VEC(1, 2, 3, 4), REEL_ALL_AXES, 1, false), 5.0 / 3);
    READS(reel_norm(VEC(-4, -3, -2, -1, 0, 1, 2, 3, 4), 2, REEL_ALL_AXES, false), 7.745966692414834);
    READS(reel_norm(VEC(-4, -3, -2, -1, 0, 1, 2, 3, 4), INFINITY, REEL_ALL_AXES, false), 4);
    READS(reel_norm(VEC(-4, -3, -2, -1, 0, 1, 2, 3, 4), -2, REEL_ALL_AXES, false), 0);
    READS(reel_norm(VEC(-4, -3, -2, -1, 0, 1, 2, 3, 4), 3, REEL_ALL_AXES, false), 5.848035476425731);
    const int32_t ids[7] = {0, 1, 1, 3, 2, 1, 7};
    reel_tensor *i = reel_from_i32(REEL_SHAPE(7), ids, 7);
    READS(reel_bincount(i, NULL, 8), 1, 3, 1, 1, 0, 0, 0, 1);
    READS(reel_segment_mean(VEC(1, 2, 3, 4, 5, 7, 8), i, 9), 1, 4, 5, 4, 0, 0, 0, 8, 0);
    READS(reel_segment_max(VEC(1, 2, 3, 4, 5, 7, 8), i, 9), 1, 7, 5, 4, -INFINITY, -INFINITY, -INFINITY, 8, -INFINITY);
}

/* The gradient of sum(w y) by x. */
static reel_tensor *gradient(reel_tensor *(*f)(reel_tensor *x), reel_tensor *x, reel_tensor *w)
{
    reel_tensor *dx = NULL;
    reel_tape *tape = reel_tape_begin(NULL);
    reel_watch(tape, REEL_LIST(x));
    reel_tensor *y = reel_sum(reel_mul(f(x), w));
    reel_grad(tape, y, REEL_LIST(x), &dx);
    return dx;
}

static reel_tensor *std_of(reel_tensor *x)
{
    return reel_std(x, REEL_ALL_AXES, 0, true);
}
static reel_tensor *l2_of(reel_tensor *x)
{
    return reel_l2(x, REEL_ALL_AXES, true);
}
static reel_tensor *norm3_of(reel_tensor *x)
{
    return reel_norm(x, 3, REEL_ALL_AXES, true);
}
static reel_tensor *prod_of(reel_tensor *x)
{
    return reel_prod_axes(x, REEL_ALL_AXES, true);
}
static reel_tensor *cumprod_of(reel_tensor *x)
{
    return reel_cumprod(x, 0, NULL);
}
static reel_tensor *cummax_of(reel_tensor *x)
{
    return reel_cummax(x, 0, NULL);
}
static reel_tensor *exps_of(reel_tensor *x)
{
    return reel_logsumexp_axes(x, REEL_ALL_AXES, true);
}

static void kinks(void)
{
    REEL_SCOPED;
    reel_tensor *one = VEC(1);
    READS(gradient(std_of, VEC(2, 2, 2), one), 0, 0, 0);
    READS(gradient(l2_of, VEC(0, 0), one), 0, 0);
    READS(gradient(norm3_of, VEC(0, 0), one), 0, 0);
    READS(gradient(norm3_of, VEC(0, 2), one), 0, 1);
    READS(gradient(prod_of, VEC(2, 0, 5), one), 0, 10, 0);
    READS(gradient(prod_of, VEC(2, 0, 0), one), 0, 0, 0);
    READS(gradient(cumprod_of, VEC(2, 0, 5), VEC(1, 1, 1)), 1, 12, 0);
    READS(gradient(cummax_of, VEC(1, 3, 3, 2), VEC(1, 10, 100, 1000)), 1, 10, 1100, 0);
    READS(gradient(exps_of, VEC(-INFINITY, -INFINITY), one), 0, 0);
    READS(gradient(exps_of, VEC(4, 4, -INFINITY), one), 0.5, 0.5, 0);
}

static void accuracy(void)
{
    REEL_SCOPED;
    /* a mean a million times the spread; squares beyond f32; a scan whose error must not grow */
    enum { N = 100000 };
    static float x[N];
    for (int i = 0; i < N; i++) x[i] = 1e6f + (float)(i % 2);
    reel_tensor *t = reel_from_f32(REEL_SHAPE(N), x, N);
    TAP_CLOSE(reel_item(reel_variance(t, REEL_ALL_AXES, 0, false)), 0.25, 1e-7, 0, "variance far from 0");
    TAP_CLOSE(reel_item(reel_l2(VEC(3e30f, 4e30f), REEL_ALL_AXES, false)), (double)5e30f, 1e-7, 0,
              "squares beyond f32");
    for (int i = 0; i < N; i++) x[i] = 0.1f;
    t = reel_from_f32(REEL_SHAPE(N), x, N);
    reel_tensor *last = reel_select(reel_cumsum(t, 0, NULL), 0, -1);
    TAP_CLOSE(reel_item(last), (double)0.1f * N, 1e-7, 0, "cumsum of a tenth");
    reel_tensor *ones = reel_broadcast_to(reel_ones(REEL_F32, REEL_SCALAR), REEL_SHAPE(1 << 27));
    TAP_CLOSE(reel_item(reel_sum(ones)), 0x1p27, 0, 0, "2^27 ones");
    TAP_CLOSE(reel_item(reel_logsumexp(reel_mul(t, reel_num(0)), 0)), log(N), 1e-7, 0, "logsumexp of zeros");
}

TAP_MAIN(sorts, sorts_of_wide_elements, topks, published, kinks, accuracy)
