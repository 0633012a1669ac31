/* test_draws.c: the distributions of random ops with fixed seeds, and that they are the same eager, replayed and on any number of
   threads. Limits of chi-square and Kolmogorov-Smirnov are those of one in 100,000. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reel/reel.h"
#include "tap.h"

static int64_t *read_ints(reel_tensor *t, int64_t n)
{
    int64_t *v = calloc((size_t)n + 1, sizeof *v);
    reel_read_i64(t, v, (size_t)n);
    return v;
}

/* n degrees of freedom: mean n, deviation sqrt(2 n); 5 deviations and a bit for the skew. */
static bool fits(const int64_t *count, const double *p, int k, int64_t n)
{
    double chi = 0;
    for (int i = 0; i < k; i++) {
        const double want = p[i] * (double)n, off = (double)count[i] - want;
        if (want == 0 && count[i] != 0) return false;
        if (want > 0) chi += off * off / want;
    }
    if (chi < k - 1 + 5 * sqrt(2.0 * (k - 1)) + 10) return true;
    tap_note("chi-square %g of %d bins", chi, k);
    return false;
}

static void test_integers(void)
{
    REEL_SCOPED;
    enum { N = 100000 };
    int64_t count[100] = {0};
    double p[100];
    reel_seed(1);
    for (int i = 0; i < 100; i++) p[i] = 0.01;
    int64_t *v = read_ints(reel_randint(REEL_I64, REEL_SHAPE(N), -50, 50, NULL), N);
    for (int i = 0; i < N; i++) count[v[i] + 50]++;
    free(v);
    TAP_OK(fits(count, p, 100, N), "randint is even");
    memset(count, 0, sizeof count);
    v = read_ints(reel_randint(REEL_I64, REEL_SHAPE(N), INT64_MIN, INT64_MAX, NULL), N);
    for (int i = 0; i < N; i++) count[(v[i] >> 58) + 32]++;
    for (int i = 0; i < 64; i++) p[i] = 1.0 / 64;
    free(v);
    TAP_OK(fits(count, p, 64, N), "over all of i64, too");
    double *u = malloc(N * sizeof *u);
    reel_read_f64(reel_uniform_like(reel_zeros(REEL_F32, REEL_SHAPE(N)), 0, 64, NULL), u, N);
    memset(count, 0, sizeof count);
    for (int i = 0; i < N; i++) count[(int)u[i]]++;
    free(u);
    TAP_OK(fits(count, p, 64, N), "uniform_like is even");
}

static void test_bernoulli(void)
{
    REEL_SCOPED;
    enum { N = 200000 };
    static const double ps[] = {0.001, 0.3, 0.5, 0.97};
    reel_seed(2);
    for (int k = 0; k < 4; k++) {
        const double p = ps[k], slack = 5 * sqrt(p * (1 - p) / N);
        const double one = reel_item(reel_mean(reel_bernoulli(REEL_F64, REEL_SHAPE(N), p, NULL)));
        const double of = reel_item(reel_mean(reel_bernoulli_of(reel_full(REEL_F64, REEL_SHAPE(N), p), NULL)));
        TAP_OK(fabs(one - p) < slack && fabs(of - p) < slack, "p %g: %g and %g", p, one, of);
    }
    TAP_OK(reel_item(reel_sum(reel_bernoulli(REEL_F32, REEL_SHAPE(1000), 1, NULL))) == 1000,
           "probability 1 is certain");
    TAP_OK(reel_item(reel_sum(reel_bernoulli(REEL_F32, REEL_SHAPE(1000), 0, NULL))) == 0, "and 0 never");
}

static void test_permutations(void)
{
    enum { N = 24000 };
    int64_t count[256] = {0}, seen[24];
    double p[24];
    int n = 0;
    reel_seed(4);
    for (int k = 0; k < N; k++) {
        REEL_SCOPED;
        int64_t v[4];
        reel_read_i64(reel_permutation(REEL_I32, 4, NULL), v, 4);
        count[v[0] | v[1] << 2 | v[2] << 4 | v[3] << 6]++;
    }
    for (int i = 0; i < 256; i++)
        if (count[i] && n < 24) seen[n++] = count[i];
    for (int i = 0; i < 24; i++) p[i] = 1.0 / 24;
    TAP_OK(n == 24 && fits(seen, p, 24, N), "all permutations of 4 are equally likely");
    REEL_SCOPED;
    reel_tensor *x = reel_reshape(reel_arange(REEL_F32, 0, 3000, 1), REEL_SHAPE(1000, 3)),
                *y = reel_shuffle(x, 0, NULL);
    TAP_OK(reel_item(reel_sum(y)) == reel_item(reel_sum(x)) && reel_item(reel_sum(reel_abs(reel_sub(y, x)))) > 1e5 &&
               reel_item(reel_sum(
                   reel_abs(reel_sub(reel_sub(reel_select(y, 1, 2), reel_select(y, 1, 0)), reel_num(2))))) == 0,
           "rows stay whole when they are shuffled");
}

static void test_categorical(void)
{
    REEL_SCOPED;
    enum { N = 100000 };
    const float logits[6] = {0.5f, -1, -INFINITY, 2, 0, 1.5f};
    double p[6], sum = 0;
    int64_t count[6] = {0};
    reel_seed(5);
    for (int i = 0; i < 6; i++) sum += exp((double)logits[i]);
    for (int i = 0; i < 6; i++) p[i] = exp((double)logits[i]) / sum;
    int64_t *v = read_ints(reel_categorical(reel_from_f32(REEL_SHAPE(6), logits, 6), N, NULL), N);
    for (int i = 0; i < N; i++) count[v[i]]++;
    free(v);
    TAP_OK(fits(count, p, 6, N), "classes are drawn as softmax has it, those of -infinity never");
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double normal_below(double x)
{
    return 0.5 * erfc(-x / sqrt(2));
}

static void test_truncated(void)
{
    enum { N = 50000 };
    static const double limits[][2] = {{-2, 2}, {0, 1}, {4, 6}, {-40, -8}, {-INFINITY, 1}, {-0.1, INFINITY}};
    double *x = malloc(N * sizeof *x);
    reel_seed(6);
    for (size_t k = 0; k < sizeof limits / sizeof *limits; k++) {
        REEL_SCOPED;
        const double a = limits[k][0], b = limits[k][1];
        double worst = 0;
        reel_read_f64(reel_truncated_normal(REEL_F64, REEL_SHAPE(N), 3, 2, 3 + 2 * a, 3 + 2 * b, NULL), x, N);
        qsort(x, N, sizeof *x, ascending);
        for (int i = 0; i < N; i++) { /* the tail that is small, so that it is exact */
            const double z = (x[i] - 3) / 2;
            const double f = a > 0 ? 1 - (normal_below(-z) - normal_below(-b)) / (normal_below(-a) - normal_below(-b))
                                   : (normal_below(z) - normal_below(a)) / (normal_below(b) - normal_below(a));
            worst = fmax(worst, fabs(f - (i + 0.5) / N));
        }
        TAP_OK(worst < 2.5 / sqrt(N) && x[0] >= 3 + 2 * a && x[N - 1] <= 3 + 2 * b,
               "truncated to [%g, %g]: %g from its distribution", a, b, worst);
    }
    free(x);
}

static void test_candidates(void)
{
    REEL_SCOPED;
    enum { N = 100000, RANGE = 20 };
    int64_t count[RANGE] = {0};
    double p[RANGE];
    float e[RANGE];
    reel_tensor *out[3], *all = reel_arange(REEL_I64, 0, RANGE, 1);
    reel_seed(7);
    for (int i = 0; i < RANGE; i++) p[i] = log((i + 2.0) / (i + 1.0)) / log(RANGE + 1.0);
    reel_log_uniform_candidates(all, N, RANGE, false, NULL, out);
    int64_t *v = read_ints(out[0], N);
    for (int i = 0; i < N; i++) count[v[i]]++;
    free(v);
    reel_read_f32(out[1], e, RANGE);
    TAP_OK(fits(count, p, RANGE, N) && fabs((double)e[3] - p[3] * N) < 1e-3 * p[3] * N,
           "log-uniform, with expected counts");
    double sum = 0;
    for (int k = 0; k < 400; k++) { /* what is expected of all classes is what is drawn: 8 distinct ones */
        REEL_SCOPED;
        reel_log_uniform_candidates(all, 8, RANGE, true, NULL, out);
        sum += reel_item(reel_sum(out[1])) / 400;
    }
    TAP_OK(fabs(sum - 8) < 0.25, "8 distinct classes: %g expected", sum);
}

enum { KINDS = 8 };
static int draw_all(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_truncated_normal(REEL_F32, REEL_SHAPE(20001), 0, 1, -1, 2, NULL);
    out[1] = reel_bernoulli(REEL_BOOL, REEL_SHAPE(20001), 0.3, NULL);
    out[2] = reel_randint(REEL_I32, REEL_SHAPE(20001), -7, 1000, NULL);
    out[3] = reel_permutation(REEL_I64, 501, NULL);
    out[4] = reel_categorical(in[0], 3001, NULL);
    out[5] = reel_uniform_like(in[0], -1, 1, NULL);
    out[6] = reel_shuffle(in[0], 1, NULL);
    out[7] = reel_bernoulli_of(reel_sigmoid(in[0]), NULL);
    reel_permutation(REEL_I64, 77, NULL); /* nobody reads it: it draws all the same */
    return reel_status();
}

static bool same(reel_tensor *const a[], reel_tensor *const b[])
{
    static char x[1 << 18], y[1 << 18];
    for (int i = 0; i < KINDS; i++) {
        const size_t n = (size_t)reel_shape_count(reel_shape_of(a[i])) * reel_dtype_size(reel_dtype_of(a[i]));
        if (n > sizeof x || reel_read(a[i], x, n) || reel_read(b[i], y, n) || memcmp(x, y, n) != 0) {
            tap_note("draw %d differs", i);
            return false;
        }
    }
    return true;
}

static void test_modes(void)
{
    REEL_SCOPED;
    reel_tensor *x = reel_normal(REEL_F32, REEL_SHAPE(7, 11), 0, 1, NULL), *want[3][KINDS], *got[KINDS];
    const reel_fn fn = REEL_FN(draw_all, NULL, 1, KINDS);
    reel_set_threads(1);
    reel_seed(9);
    for (int k = 0; k < 3; k++) reel_invoke(fn, REEL_LIST(x), want[k]);
    reel_set_threads(4);
    reel_seed(9);
    reel_invoke(fn, REEL_LIST(x), got);
    TAP_OK(same(got, want[0]), "the same with several threads");
    reel_seed(9);
    reel_function *f = reel_function_new(fn, NULL);
    for (int k = 0; k < 3; k++) {
        reel_function_call(f, REEL_LIST(x), got);
        TAP_OK(same(got, want[k]), "call %d of the function draws what eager does", k);
    }
    reel_function_free(f);
    reel_set_threads(0);
    TAP_OK(!same(want[0], want[1]), "and each draw is another");
}

static void all(void)
{
    test_integers();
    test_bernoulli();
    test_permutations();
    test_categorical();
    test_truncated();
    test_candidates();
    test_modes();
}

TAP_MAIN(all)
