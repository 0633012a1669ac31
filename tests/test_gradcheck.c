/* test_gradcheck.c: verdicts, kinks, orders, what it restores, what it says. */
#include <math.h>
#include <string.h>
#include "core/context.h"
#include "reel/reel.h"
#include "tap.h"

static reel_gradcheck_report r;
static reel_error e;

static int check(reel_fn f, reel_list in, const reel_gradcheck_opts *o)
{
    const int rc = reel_gradcheck(f, in, o, &r);
    if (reel_take_error(&e) != rc) TAP_NOTE("code %d is not the error's", rc);
    return rc;
}
static bool right(int rc)
{
    const bool ok = rc == 0 && r.verdict == REEL_GRAD_OK && r.checked > 0;
    if (!ok) TAP_NOTE("%s", rc ? e.text : r.text);
    return ok;
}
static bool wrong(int rc, const char *words)
{
    const bool ok =
        rc == REEL_EGRADCHECK && r.verdict == REEL_GRAD_WRONG && strstr(r.text, words) && strstr(e.text, r.text);
    if (!ok) TAP_NOTE("%s", rc ? e.text : r.text);
    return ok;
}

/* ---- functions that are right -------------------------------------------------------------------- */

static int loss(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_mean(reel_softmax_cross_entropy(reel_matmul(reel_tanh(in[0]), in[1]), in[2]));
    return reel_status();
}
static int vector(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_exp(in[0]);
    out[1] = reel_argmax(in[0], 0);
    out[2] = reel_mul(in[0], reel_num(3));
    return reel_status();
}
struct layer {
    reel_tensor *w, *b, *unused;
};
static int layer(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct layer *l = self;
    out[0] = reel_sum(reel_tanh(reel_add(reel_matmul(in[0], l->w), l->b)));
    return reel_status();
}
static int dropout(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *mask =
        reel_cast(reel_less(reel_uniform(REEL_F32, REEL_SHAPE(3, 4), 0, 1, NULL), reel_num(.5)), REEL_F32);
    reel_tensor *noise = reel_normal(REEL_F32, REEL_SHAPE(3, 4), 0, 1, NULL), *x = reel_add(in[0], noise);
    out[0] = reel_sum(reel_mul(reel_square(x), mask));
    return reel_status();
}
static int kinky(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_sum(reel_add(reel_relu(in[0]), reel_add(reel_abs(in[0]), reel_maximum(in[0], reel_num(.5)))));
    return reel_status();
}

static void test_right(void)
{
    REEL_SCOPED;
    reel_seed(3);
    int32_t labels[] = {0, 2};
    reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(2, 3)), *w = reel_randn(REEL_F32, REEL_SHAPE(3, 4));
    const reel_list in = REEL_LIST(x, w, reel_from_i32(REEL_SHAPE(2), labels, 2));
    TAP_OK(right(check(REEL_FN(loss, NULL, 3, 1), in, NULL)), "a loss of f32 inputs, integers left out");
    TAP_EQ_INT(r.checked, 18);
    TAP_OK(strstr(r.text, "loss: 18 elements agree") != NULL, "and says so");
    TAP_OK(right(check(REEL_FN(loss, NULL, 3, 1), in, REEL_OPTS(gradcheck, .order = 2))) && r.checked == 36,
           "second order");
    TAP_OK(right(check(REEL_FN(loss, NULL, 3, 1), in, REEL_OPTS(gradcheck, .order = 2, .projections = 3))) &&
               r.checked == 12,
           "projections");
    TAP_OK(right(check(REEL_FN(vector, NULL, 1, 3), REEL_LIST(reel_full(REEL_F16, REEL_SHAPE(5), .25)),
                       REEL_OPTS(gradcheck, .order = 2))),
           "several outputs, f16");
    TAP_OK(right(check(REEL_FN(dropout, NULL, 1, 1), REEL_LIST(reel_randn(REEL_F32, REEL_SHAPE(3, 4))),
                       REEL_OPTS(gradcheck, .order = 2))),
           "random draws are repeated");
    TAP_OK(right(check(REEL_FN(loss, NULL, 3, 1), REEL_LIST(reel_cast(x, REEL_F64), reel_cast(w, REEL_F64), in.t[2]),
                       REEL_OPTS(gradcheck, .step = 1e-2, .tol = 1e-4))),
           "step and tolerance");
    TAP_OK(reel_gradcheck(REEL_FN(loss, NULL, 3, 1), in, NULL, NULL) == 0, "without a report");
}

static void test_kinks(void)
{
    REEL_SCOPED;
    const double far[] = {-2, .25, 3}, near[] = {1e-4, -3e-4, .5 + 2e-4, 7e-5, 9e-4}, on[] = {0, .5, 1};
    TAP_OK(right(check(REEL_FN(kinky, NULL, 1, 1), REEL_LIST(reel_from_f64(REEL_SHAPE(3), far, 3)), NULL)) &&
               r.kinks == 0,
           "far from kinks");
    TAP_OK(right(check(REEL_FN(kinky, NULL, 1, 1), REEL_LIST(reel_from_f64(REEL_SHAPE(5), near, 5)), NULL)) ||
               r.kinks == 5,
           "close to kinks: %d left out", (int)r.kinks);
    TAP_OK(r.verdict == REEL_GRAD_OK && r.kinks == 5, "all five are recognised");
    TAP_OK(right(check(REEL_FN(kinky, NULL, 1, 1), REEL_LIST(reel_from_f64(REEL_SHAPE(3), on, 3)), NULL)) &&
               r.kinks == 1 && r.checked == 2,
           "on kinks: between the slopes is no fault, their mean is right");
}

/* ---- functions that are wrong -------------------------------------------------------------------- */

static int cube_vjp(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const double *factor = self; /* 3 is right */
    out[0] = reel_mul(in[2], reel_mul(reel_num(*factor), reel_square(in[0])));
    return reel_status();
}
static int frozen_vjp(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self; /* right, but constant to a second derivative */
    out[0] = reel_mul(in[2], reel_mul(reel_num(3), reel_stop_gradient(reel_square(in[0]))));
    return reel_status();
}
static int cube(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_mul(in[0], reel_square(in[0]));
    return reel_status();
}
static int own_cube(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    return reel_custom_grad(REEL_FN(cube, NULL, 1, 1),
                            self ? REEL_FN(cube_vjp, self, 3, 1) : REEL_FN(frozen_vjp, NULL, 3, 1), (reel_list){1, in},
                            out);
}
static int hidden_wrong(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct layer *l = self;
    static double five = 3.003; /* lives until the tape has ended */
    reel_tensor *y[1];
    reel_custom_grad(REEL_FN(cube, NULL, 1, 1), REEL_FN(cube_vjp, &five, 3, 1), REEL_LIST(l->w), y);
    out[0] = reel_sum(reel_matmul(in[0], y[0]));
    return reel_status();
}
static int step_fn(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_sum(reel_log(in[0]));
    return reel_status();
}
static int jump(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self; /* the tape says 0 where the slope is 2 x */
    out[0] = reel_sum(reel_stop_gradient(reel_square(in[0])));
    return reel_status();
}

static void test_wrong(void)
{
    REEL_SCOPED;
    const double x[] = {.1, -.2, 2, .25};
    reel_tensor *in = reel_from_f64(REEL_SHAPE(2, 2), x, 4);
    double factor = 3;
    const reel_fn f = REEL_FN(own_cube, &factor, 1, 1);
    TAP_OK(right(check(f, REEL_LIST(in), REEL_OPTS(gradcheck, .order = 2))), "x^3 by hand");
    factor = 3.003;
    TAP_OK(
        wrong(check(f, REEL_LIST(in), NULL), "own_cube: the gradient with respect to in[0][1,0] (element 2) is wrong"),
        "a factor of 1.001");
    TAP_OK(r.which == 0 && r.order == 1 && r.element == 2, "the worst element is named");
    TAP_OK(fabs(r.analytic / r.numeric - 1.001) < 1e-6 && fabs(r.error - 1e-3 / 1.001) < 1e-6 && r.checked == 4,
           "both numbers");
    TAP_OK(strncmp(e.text, "../", 0) == 0 && strstr(e.text, "test_gradcheck.c:") &&
               strstr(e.text, "reel_gradcheck: own_cube"),
           "the error names the line");
    factor = -3;
    TAP_OK(wrong(check(f, REEL_LIST(in), REEL_OPTS(gradcheck, .projections = 2)), "along a random direction") &&
               r.element == -1,
           "a sign, by projections");
    TAP_OK(right(check(REEL_FN(own_cube, NULL, 1, 1), REEL_LIST(in), NULL)), "right in first order ...");
    TAP_OK(wrong(check(REEL_FN(own_cube, NULL, 1, 1), REEL_LIST(in), REEL_OPTS(gradcheck, .order = 2)),
                 "second derivative") &&
               r.order == 2,
           "... wrong in second");
    TAP_OK(wrong(check(REEL_FN(jump, NULL, 1, 1), REEL_LIST(in), NULL), "the tape says 0"), "a gradient that stops");
    const double one_zero[] = {1, 0}, minus[] = {-1, 1};
    TAP_OK(check(REEL_FN(step_fn, NULL, 1, 1), REEL_LIST(reel_from_f64(REEL_SHAPE(2), minus, 2)), NULL) ==
                   REEL_EGRADCHECK &&
               r.verdict == REEL_GRAD_NOT_FINITE,
           "NaN");
    TAP_OK(check(REEL_FN(step_fn, NULL, 1, 1), REEL_LIST(reel_from_f64(REEL_SHAPE(2), one_zero, 2)), NULL) ==
                   REEL_EGRADCHECK &&
               strstr(r.text, "output is -inf"),
           "infinity");
}

/* ---- variables ----------------------------------------------------------------------------------- */

static int moving(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct layer *l = self; /* changes what it reads */
    out[0] = reel_sum(reel_mul(reel_square(l->w), in[0]));
    reel_assign(l->w, reel_mul(l->w, reel_num(1.5)));
    reel_assign(l->unused, reel_add(l->unused, reel_num(1)));
    return reel_status();
}

static void test_variables(void)
{
    REEL_SCOPED;
    reel_seed(5);
    reel_vars *vars = reel_vars_new("net"), *other = reel_vars_new("other");
    struct layer l = {.w = reel_var(vars, "w", reel_randn(REEL_F32, REEL_SHAPE(3, 2))),
                      .b = reel_var(other, "b", reel_randn(REEL_F32, REEL_SHAPE(2)))};
    l.unused = reel_var(vars, "n", reel_zeros(REEL_I64, REEL_SCALAR));
    reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(4, 3)), *before = reel_value(l.w),
                *y = reel_randn(REEL_F32, REEL_SHAPE(3, 2));
    TAP_OK(right(check(REEL_FN(layer, &l, 1, 1), REEL_LIST(x), REEL_OPTS(gradcheck, .vars = vars, .order = 2))) &&
               r.checked == 36,
           "inputs and variables: %s", r.text);
    TAP_OK(right(check(REEL_FN(layer, &l, 1, 1), REEL_LIST(x), NULL)) && r.checked == 12,
           "variables that are only read are widened too");
    TAP_OK(wrong(check(REEL_FN(hidden_wrong, &l, 1, 1), REEL_LIST(x),
                       REEL_OPTS(gradcheck, .vars = vars, .skip_replay = true)),
                 "with respect to net/w["),
           "a wrong one is named");
    TAP_OK(r.which == 1, "its number follows the inputs'");
    TAP_OK(right(check(REEL_FN(moving, &l, 1, 1), REEL_LIST(y), REEL_OPTS(gradcheck, .vars = vars))),
           "a function that assigns");
    float a[6], b[6];
    reel_read_f32(before, a, 6);
    reel_read_f32(l.w, b, 6);
    TAP_OK(reel_dtype_of(l.w) == REEL_F32 && memcmp(a, b, sizeof a) == 0 && reel_item(l.unused) == 0,
           "variables are what they were");
    reel_vars_free(vars);
    TAP_OK(check(REEL_FN(layer, &l, 1, 1), REEL_LIST(x), NULL) == REEL_EARG && r.verdict == REEL_GRAD_FAILED &&
               strstr(r.text, "dead"),
           "the function's own error");
    TAP_OK(reel_dtype_of(l.b) == REEL_F32, "after a failure too");
    reel_vars_free(other);
}

/* ---- around it ----------------------------------------------------------------------------------- */

static int fails_later(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    int *calls = self;
    out[0] = reel_sum(in[0]);
    return ++*calls == 7 ? reel_fail(REEL_EUSER, "that was the seventh") : 0;
}
static int reads(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_mul(in[0], reel_num(reel_item(in[0])));
    return reel_status();
}
static int state(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    int *calls = self; /* C state: what a trace freezes */
    out[0] = reel_sum(reel_add(in[0], reel_num(++*calls)));
    return reel_status();
}
static int no_float(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_argmax(in[0], 0);
    return reel_status();
}

static void test_around(void)
{
    REEL_SCOPED;
    int calls = 0;
    reel_tensor *x = reel_full(REEL_F32, REEL_SHAPE(3), 2), *one = reel_full(REEL_F32, REEL_SCALAR, 2);
    reel_seed(11);
    reel_tensor *u = reel_uniform(REEL_F32, REEL_SHAPE(1), 0, 1, NULL);
    reel_tensor *next = reel_uniform(REEL_F32, REEL_SHAPE(1), 0, 1, NULL);
    reel_seed(11);
    reel_uniform(REEL_F32, REEL_SHAPE(1), 0, 1, NULL);
    check(REEL_FN(dropout, NULL, 1, 1), REEL_LIST(reel_full(REEL_F32, REEL_SHAPE(3, 4), 1)), NULL);
    TAP_OK(u && reel_item(reel_uniform(REEL_F32, REEL_SHAPE(1), 0, 1, NULL)) == reel_item(next),
           "the generator goes on where it was");
    TAP_OK(check(REEL_FN(fails_later, &calls, 1, 1), REEL_LIST(x), NULL) == REEL_EUSER &&
               r.verdict == REEL_GRAD_FAILED && strstr(r.text, "seventh"),
           "an error in the middle");
    TAP_OK(!reel_ctx_()->widen && reel_dtype_of(reel_zeros(REEL_F32, REEL_SHAPE(1))) == REEL_F32,
           "creations are not widened afterwards");
    TAP_OK(check(REEL_FN(reads, NULL, 1, 1), REEL_LIST(one), NULL) == REEL_EGRADCHECK && r.verdict == REEL_GRAD_WRONG,
           "a host read cuts the gradient");
    TAP_OK(check(REEL_FN(no_float, NULL, 1, 1), REEL_LIST(x), NULL) == REEL_EARG && strstr(e.text, "no float output"),
           "no float output");
    TAP_OK(check(REEL_FN(no_float, NULL, 1, 1), REEL_LIST(x, x), NULL) == REEL_EARG, "the count of inputs");
    TAP_OK(check(REEL_FN(no_float, NULL, 1, 1), REEL_LIST(NULL), NULL) == REEL_EARG && strstr(e.text, "in[0] is NULL"),
           "a NULL input");
    TAP_OK(check(REEL_FN(loss, NULL, 1, 1), REEL_LIST(x), REEL_OPTS(gradcheck, .order = 3)) == REEL_EARG, "order 3");
    calls = 0;
    TAP_OK(check(REEL_FN(state, &calls, 1, 1), REEL_LIST(x), REEL_OPTS(gradcheck, .tol = 10)) == REEL_EGRADCHECK &&
               r.verdict == REEL_GRAD_REPLAY_DIFFERS && strstr(r.text, "output 0]") == NULL,
           "a replay that differs: %s", r.text);
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(x));
    reel_tensor *y = reel_sum(reel_square(x));
    TAP_OK(right(check(REEL_FN(vector, NULL, 1, 3), REEL_LIST(x), NULL)), "under an open tape");
    TAP_OK(reel_item(reel_select(reel_grad1(t, y, x), 0, 1)) == 4, "which does not hear it");
    TAP_OK(reel_status() == 0, "no error left");
}

TAP_MAIN(test_right, test_kinks, test_wrong, test_variables, test_around)
