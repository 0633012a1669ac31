/* Control flow that a trace keeps: a square root by Newton's method as reel_while, an exponential average by reel_scan and a branch by
   reel_cond; replayed with data that go other ways, with gradients through the loop. */
#include <reel/reel.h>
#include <math.h>
#include <stdio.h>

static int is_far(void *tolerance, reel_tensor *const in[], reel_tensor *out[])
{
    const double *tol = tolerance;
    out[0] = reel_greater(reel_max(reel_abs(in[1]), 0), reel_num(*tol));
    return reel_status();
}

/* x, step: for the root of a, a tensor from around the loop */
static int improve(void *a, reel_tensor *const in[], reel_tensor *out[])
{
    out[1] = reel_div(reel_sub(reel_square(in[0]), a), reel_mul(in[0], reel_num(2)));
    out[0] = reel_sub(in[0], out[1]);
    return reel_status();
}

static int root(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    double tol = 1e-9;
    reel_tensor *r[2], *one = reel_ones_like(in[0]);
    (void)self;
    if (reel_while(REEL_FN(is_far, &tol, 2, 1), REEL_FN(improve, in[0], 2, 2), REEL_LIST(one, one),
                   REEL_OPTS(while, .max_steps = 60), r))
        return reel_status();
    out[0] = r[0];
    return reel_status();
}

/* mean, x: a new mean, twice */
static int average(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = out[1] = reel_add(reel_mul(in[0], reel_num(0.8)), reel_mul(in[1], reel_num(0.2)));
    return reel_status();
}
static int up(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_sqrt(in[0]);
    return reel_status();
}
static int down(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_square(in[0]);
    return reel_status();
}
static int smooth(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *r[2];
    (void)self;
    if (reel_scan(REEL_FN(average, NULL, 2, 2), REEL_LIST(reel_num(0)), REEL_LIST(in[0]), r)) return reel_status();
    return reel_cond(reel_greater(r[0], reel_num(1)), REEL_FN(up, NULL, 1, 1), REEL_FN(down, NULL, 1, 1),
                     REEL_LIST(r[1]), out);
}

int main(void)
{
    REEL_SCOPED;
    reel_function *fast = reel_function_new(REEL_FN(root, NULL, 1, 1), NULL),
                  *other = reel_function_new(REEL_FN(smooth, NULL, 1, 1), NULL);
    for (int i = 1; i <= 4; i++) {
        REEL_SCOPED;
        const double a[3] = {i, 10 * i, 0.001 * i};
        reel_tensor *x = reel_from_f64(REEL_SHAPE(3), a, 3), *y[1];
        reel_tape *tape = reel_tape_begin(NULL);
        reel_watch(tape, REEL_LIST(x));
        reel_function_call(fast, REEL_LIST(x), y);
        reel_tensor *dx = reel_grad1(tape, reel_sum(y[0]), x);
        double r[3], d[3];
        if (reel_read_f64(y[0], r, 3) || reel_read_f64(dx, d, 3)) break;
        printf("sqrt(%g) = %.9f, slope %.6f (%.6f)\n", a[1], r[1], d[1], 0.5 / sqrt(a[1]));
    }
    for (int n = 3; n <= 6 && !reel_status(); n++) {
        REEL_SCOPED;
        reel_tensor *y[1];
        if (!reel_function_call(other, REEL_LIST(reel_arange(REEL_F32, 0, n, 1)), y)) reel_print(y[0]);
    }
    printf("traces: %d and %d\n", reel_function_traces(fast), reel_function_traces(other));
    reel_function_free(fast);
    reel_function_free(other);
    reel_error e;
    if (!reel_take_error(&e)) return 0;
    fprintf(stderr, "%s\n", e.text);
    return 1;
}
