/* test_kinks.c: the derivative that is documented where there is none: at kinks and ties, which differences cannot judge. Points
   and derivatives are exact, so they must be equal. Also sums whose exact value only careful rounding finds. */
#include <math.h>
#include "reel/reel.h"
#include "tap.h"

enum { MOST = 8 };
typedef reel_tensor *of_one(reel_tensor *x);

/* The derivative of the sum of f(x) at each of n points is want's; in f64 and f32. */
static void at(const char *name, of_one *f, int n, const double *x, const double *want)
{
    for (int d = 0; d < 2; d++) {
        REEL_SCOPED;
        double got[MOST] = {0};
        reel_tensor *dx[1] = {NULL},
                    *p = reel_cast(reel_from_f64(REEL_SHAPE(n), x, (size_t)n), d ? REEL_F32 : REEL_F64);
        reel_tape *tape = reel_tape_begin(NULL);
        (void)reel_watch(tape, REEL_LIST(p));
        const int rc = reel_grad(tape, reel_sum(f(p)), REEL_LIST(p), dx);
        bool ok = rc == 0 && reel_read_f64(dx[0], got, (size_t)n) == 0;
        for (int i = 0; i < n; i++) {
            const double w = d ? (double)(float)want[i] : want[i];
            if (ok && got[i] != w && fabs(got[i] - w) > 1e-7 * fabs(w)) {
                ok = false;
                TAP_NOTE("at %g: %.9g, not %.9g", x[i], got[i], w);
            }
        }
        TAP_OK(ok, "%s of %s", name, d ? "f32" : "f64");
    }
}
#define ARRAY(...)   \
    (const double[]) \
    {                \
        __VA_ARGS__  \
    }
#define N_OF(...) (int)(sizeof ARRAY(__VA_ARGS__) / sizeof(double))
#define POINTS(...) N_OF(__VA_ARGS__), ARRAY(__VA_ARGS__)
#define SLOPES(...) ARRAY(__VA_ARGS__)
#define FUNCTION(name, call)                      \
    static reel_tensor *name##_of(reel_tensor *x) \
    {                                             \
        return call;                              \
    }

FUNCTION(leaky, reel_leaky_relu(x, 0.25))
FUNCTION(prelu, reel_prelu(x, reel_num(0.25)))
FUNCTION(thresholded, reel_thresholded_relu(x, 1))
FUNCTION(elu, reel_elu(x, 2))
FUNCTION(celu, reel_celu(x, 2))
FUNCTION(hard_sigmoid, reel_hard_sigmoid(x, 0.25, 0.5))
FUNCTION(hard_tanh, reel_hard_tanh(x, -1, 2))
FUNCTION(soft_shrink, reel_soft_shrink(x, 0.5))
FUNCTION(hard_shrink, reel_hard_shrink(x, 0.5))
FUNCTION(clip, reel_clip(x, -1, 2))
FUNCTION(abs, reel_abs(x))
FUNCTION(relu, reel_relu(x))
FUNCTION(relu6, reel_relu6(x))
FUNCTION(hard_swish, reel_hard_swish(x))
FUNCTION(sign, reel_sign(x))
FUNCTION(sqrt, reel_sqrt(x))

static void test_activations(void)
{
    at("abs", abs_of, POINTS(-2, -0.0, 0, 3), SLOPES(-1, 0, 0, 1));
    at("relu", relu_of, POINTS(-2, -0.0, 0, 3), SLOPES(0, 0, 0, 1));
    at("relu6", relu6_of, POINTS(-1, 0, 3, 6, 7), SLOPES(0, 0, 1, 0, 0));
    at("leaky_relu", leaky_of, POINTS(-2, 0, 3), SLOPES(0.25, 0.25, 1));
    at("prelu", prelu_of, POINTS(-2, 0, 3), SLOPES(0.25, 0.25, 1));
    at("thresholded_relu", thresholded_of, POINTS(0, 1, 2), SLOPES(0, 0, 1));
    at("elu", elu_of, POINTS(0, 3), SLOPES(2, 1));
    at("celu", celu_of, POINTS(0, 3), SLOPES(1, 1));
    at("hard_sigmoid", hard_sigmoid_of, POINTS(-3, -2, 0, 2, 3), SLOPES(0, 0, 0.25, 0, 0));
    at("hard_swish", hard_swish_of, POINTS(-4, -3, 0, 1.5, 3, 4), SLOPES(0, 0, 0.5, 1, 1, 1));
    at("hard_tanh", hard_tanh_of, POINTS(-2, -1, 0, 2, 3), SLOPES(0, 0, 1, 0, 0));
    at("soft_shrink", soft_shrink_of, POINTS(-1, -0.5, 0, 0.5, 1), SLOPES(1, 0, 0, 0, 1));
    at("hard_shrink", hard_shrink_of, POINTS(-1, -0.5, 0, 0.5, 1), SLOPES(1, 0, 0, 0, 1));
    at("clip", clip_of, POINTS(-2, -1, 0, 2, 3), SLOPES(0, 1, 1, 1, 0));
    at("sign", sign_of, POINTS(-1, 0, 1), SLOPES(0, 0, 0));
    at("sqrt", sqrt_of, POINTS(0, 4), SLOPES((double)INFINITY, 0.25));
}

/* The values on all pieces and at their ends. */
static void value(const char *name, of_one *f, int n, const double *x, const double *want)
{
    REEL_SCOPED;
    double got[MOST] = {0};
    bool ok = reel_read_f64(f(reel_from_f64(REEL_SHAPE(n), x, (size_t)n)), got, (size_t)n) == 0;
    for (int i = 0; i < n; i++) ok = ok && fabs(got[i] - want[i]) <= 1e-15 * fabs(want[i]);
    TAP_OK(ok, "%s, piece by piece", name);
}

static void test_pieces(void)
{
    value("relu6", relu6_of, POINTS(-1, 0, 3, 6, 7, 90), SLOPES(0, 0, 3, 6, 6, 6));
    value("leaky_relu", leaky_of, POINTS(-8, 0, 3), SLOPES(-2, 0, 3));
    value("thresholded_relu", thresholded_of, POINTS(-3, 0.5, 1, 2, 9), SLOPES(0, 0, 0, 2, 9));
    value("hard_sigmoid", hard_sigmoid_of, POINTS(-9, -3, -2, 0, 1, 2, 3, 9), SLOPES(0, 0, 0, 0.5, 0.75, 1, 1, 1));
    value("hard_swish", hard_swish_of, POINTS(-9, -4, -3, 0, 1.5, 3, 4, 9), SLOPES(0, 0, 0, 0, 1.125, 3, 4, 9));
    value("hard_tanh", hard_tanh_of, POINTS(-9, -1, 0.5, 2, 3, 9), SLOPES(-1, -1, 0.5, 2, 2, 2));
    value("soft_shrink", soft_shrink_of, POINTS(-9, -0.5, 0.25, 0.5, 1, 9), SLOPES(-8.5, 0, 0, 0, 0.5, 8.5));
    value("hard_shrink", hard_shrink_of, POINTS(-9, -0.5, 0.25, 0.5, 1, 9), SLOPES(-9, 0, 0, 0, 1, 9));
    value("clip", clip_of, POINTS(-9, -1, 0.5, 2, 3, 9), SLOPES(-1, -1, 0.5, 2, 2, 2));
}

FUNCTION(maximum, reel_maximum(x, reel_num(1)))
FUNCTION(minimum, reel_minimum(x, reel_num(1)))
FUNCTION(fmax, reel_fmax(x, reel_num(1)))
FUNCTION(fmin, reel_fmin(x, reel_num(1)))
FUNCTION(hypot, reel_hypot(x, reel_num(0)))
FUNCTION(max, reel_max(x, 0))
FUNCTION(min, reel_min(x, 0))
FUNCTION(cummax, reel_cummax(x, 0, NULL))
FUNCTION(median, reel_median(x, 0, false))
FUNCTION(sorted, reel_mul(reel_sort(x, 0, false),
                          reel_cast(reel_from_f64(REEL_SHAPE(4), ARRAY(1, 2, 3, 4), 4), reel_dtype_of(x))))
static reel_tensor *with(reel_tensor *x, int64_t a, int64_t b, int64_t c, int64_t d)
{
    (void)x;
    return reel_from_i64(REEL_SHAPE(4), (int64_t[]){a, b, c, d}, 4);
}
FUNCTION(segments, reel_segment_max(x, with(x, 0, 0, 0, 1), 2))
FUNCTION(to_max, reel_scatter(reel_zeros(reel_dtype_of(x), REEL_SHAPE(2)), with(x, 0, 0, 0, 1), x, 0, REEL_SCATTER_MAX))
FUNCTION(into_max,
         reel_scatter(x, reel_from_i64(REEL_SHAPE(2), (int64_t[]){1, 2}, 2),
                      reel_cast(reel_from_f64(REEL_SHAPE(2), ARRAY(5, 1), 2), reel_dtype_of(x)), 0, REEL_SCATTER_MAX))
FUNCTION(into_mul,
         reel_scatter(x, reel_from_i64(REEL_SHAPE(2), (int64_t[]){1, 2}, 2),
                      reel_cast(reel_from_f64(REEL_SHAPE(2), ARRAY(5, 0), 2), reel_dtype_of(x)), 0, REEL_SCATTER_MUL))
FUNCTION(to_mul,
         reel_scatter(reel_full(reel_dtype_of(x), REEL_SHAPE(2), 3), with(x, 0, 0, 1, 1), x, 0, REEL_SCATTER_MUL))

static void test_ties(void)
{
    at("maximum", maximum_of, POINTS(0, 1, 2), SLOPES(0, 0.5, 1));
    at("minimum", minimum_of, POINTS(0, 1, 2), SLOPES(1, 0.5, 0));
    at("fmax", fmax_of, POINTS(0, 1, 2), SLOPES(0, 0.5, 1));
    at("fmin", fmin_of, POINTS(0, 1, 2), SLOPES(1, 0.5, 0));
    at("hypot at the origin", hypot_of, POINTS(-2, 0, 2), SLOPES(-1, 0, 1));
    at("max shared by three", max_of, POINTS(3, 1, 3, 3), SLOPES(1.0 / 3, 0, 1.0 / 3, 1.0 / 3));
    at("min shared by two", min_of, POINTS(1, 1, 3, 3), SLOPES(0.5, 0.5, 0, 0));
    at("cummax: the latest", cummax_of, POINTS(1, 1, 0, 2), SLOPES(1, 2, 0, 1));
    at("sort is stable", sorted_of, POINTS(2, 1, 2, 1), SLOPES(3, 1, 4, 2));
    at("a median between two", median_of, POINTS(4, 1, 3, 2), SLOPES(0, 0, 0.5, 0.5));
    at("segment_max shared by two", segments_of, POINTS(5, 5, 1, 2), SLOPES(0.5, 0.5, 0, 1));
    at("scatter max shared by updates", to_max_of, POINTS(7, 2, 7, 1), SLOPES(0.5, 0, 0.5, 1));
    at("scatter max, x beside the updates", into_max_of, POINTS(1, 5, 2, 4), SLOPES(1, 0.5, 1, 1));
    at("scatter mul, x under a zero factor", into_mul_of, POINTS(1, 5, 2, 4), SLOPES(1, 5, 0, 1));
    at("scatter mul, one zero of two factors", to_mul_of, POINTS(0, 5, 2, 4), SLOPES(15, 0, 12, 6));
    at("scatter mul, two zeros", to_mul_of, POINTS(0, 0, 2, 4), SLOPES(0, 0, 12, 6));
}

/* ---- sums that rounding would spoil --------------------------------------------------------------------- */

static double item(reel_tensor *t, int64_t i)
{
    return reel_item(reel_select(reel_reshape(t, REEL_SHAPE(-1)), 0, i));
}

static void test_exact(void)
{
    REEL_SCOPED;
    /* means of 1e15 + i / 8 are rounded to eighths: what is left of the distances has to be taken off again */
    double far[5] = {1e15, 1e15 + 0.125, 1e15 + 0.125, 1e15 + 0.25, 1e15 + 0.75}, mean = 0.25, square = 0;
    for (int i = 0; i < 5; i++) square += (far[i] - 1e15 - mean) * (far[i] - 1e15 - mean);
    reel_tensor *x = reel_from_f64(REEL_SHAPE(5), far, 5);
    TAP_OK(fabs(reel_item(reel_variance(x, REEL_ALL_AXES, 1, false)) - square / 4) < 1e-12 * square,
           "a variance far from zero");
    reel_tensor *c = reel_cumsum(reel_from_f64(REEL_SHAPE(5), ARRAY(1e16, 1, 1, -1e16, 5), 5), 0,
                                 REEL_OPTS(scan, .exclusive = true));
    TAP_OK(item(c, 0) == 0 && item(c, 1) == 1e16 && item(c, 3) == 1e16 + 2 && item(c, 4) == 2,
           "an exclusive cumsum keeps what rounding loses: %.17g", item(c, 4));
    for (int i = 0; i < 40; i++) {
        double lone[40] = {0};
        lone[i] = 1000;
        reel_tensor *l = reel_logsumexp(reel_from_f64(REEL_SHAPE(40), lone, 40), 0);
        TAP_OK(reel_item(l) == 1000, "logsumexp finds the largest at %d", i);
    }
    reel_error e;
    TAP_OK(!reel_take_error(&e), "no error %s", e.text);
}

TAP_MAIN(test_activations, test_pieces, test_ties, test_exact)
