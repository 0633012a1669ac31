/* test_control_found.c: what random programs (./dev fuzz) have found in control flow, made small. Each function gives the same bits
   eagerly, captured, replayed and by a tape around its call. */
#include "bits.h"
#include "expect.h"

struct self {
    reel_tensor *outer, *var;
    reel_while_opts opts;
};
static struct self now; /* of the body under way: bodies of bodies take from it what is around them */

static reel_tensor *ramp(void)
{
    return reel_add(reel_mul(reel_arange(REEL_F64, 0, 5, 1), reel_num(0.3)), reel_num(0.1));
}

static int takes_outer(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    (void)in;
    out[0] = now.outer;
    return reel_status();
}
static int same_again(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = in[0];
    return reel_status();
}
static int product(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_mul(reel_tanh(in[0]), now.outer);
    out[1] = reel_add(in[1], reel_num(1));
    return reel_status();
}
static int first_steps(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_less(in[1], reel_num(3));
    return reel_status();
}
static int carried(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_mul(reel_tanh(in[0]), reel_add(now.outer, in[1]));
    out[1] = out[0];
    return reel_status();
}

/* ---- functions with a gradient inside ---------------------------------------------------------------------- */

/* What is given to a branch is also taken from around it. */
static int cond_twice(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *y[1] = {NULL}, *z[1] = {NULL};
    now.outer = in[0];
    reel_tape *t = reel_tape_begin(NULL);
    (void)reel_watch(t, REEL_LIST(in[0]));
    (void)reel_cond(reel_greater(reel_sum(in[0]), reel_num(1)), REEL_FN(takes_outer, NULL, 1, 1),
                    REEL_FN(same_again, NULL, 1, 1), REEL_LIST(in[0]), y);
    reel_tensor *two[2] = {NULL};
    (void)reel_cond(reel_less(reel_sum(in[0]), reel_num(1)), REEL_FN(product, NULL, 2, 2), REEL_FN(product, NULL, 2, 2),
                    REEL_LIST(in[0], in[0]), two);
    (void)reel_cond(reel_greater(reel_sum(in[0]), reel_num(1)), REEL_FN(same_again, NULL, 1, 1),
                    REEL_FN(takes_outer, NULL, 1, 1), REEL_LIST(in[0]), z);
    out[0] =
        reel_grad1(t, reel_sum(reel_add(reel_square(y[0]), reel_mul(reel_add(z[0], two[0]), reel_sin(two[1])))), in[0]);
    reel_tape_end(t);
    return reel_status();
}

static int loop_of(reel_tensor *x, reel_tensor *out[])
{
    reel_tensor *y[2] = {NULL};
    now.outer = x;
    reel_tape *t = reel_tape_begin(NULL);
    (void)reel_watch(t, REEL_LIST(x));
    (void)reel_while(REEL_FN(first_steps, NULL, 2, 1), REEL_FN(product, NULL, 2, 2),
                     REEL_LIST(x, reel_zeros(REEL_I32, REEL_SCALAR)), &now.opts, y);
    out[0] = reel_grad1(t, reel_sum(reel_add(reel_mul(y[0], x), x)), x);
    reel_tape_end(t);
    return reel_status();
}
static int while_twice(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    return loop_of(in[0], out);
}
static int while_of_variable(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    (void)in;
    return loop_of(now.var, out);
}
static int scan_twice(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *y[2] = {NULL};
    now.outer = in[0];
    reel_tape *t = reel_tape_begin(NULL);
    (void)reel_watch(t, REEL_LIST(in[0]));
    (void)reel_scan(REEL_FN(carried, NULL, 2, 2), REEL_LIST(in[0]), REEL_LIST(in[0]), y);
    out[0] = reel_grad1(t, reel_sum(reel_add(reel_mul(y[0], in[0]), reel_sum_axes(y[1], REEL_AXES(0), false))), in[0]);
    reel_tape_end(t);
    return reel_status();
}

/* ---- all modes ----------------------------------------------------------------------------------------------- */

static bool same(reel_tensor *a, reel_tensor *b)
{
    double x[8] = {0}, y[8] = {0};
    if (!a || !b) return false;
    const size_t n = (size_t)reel_shape_count(reel_shape_of(a));
    return n <= 8 && reel_read_f64(a, x, n) == 0 && reel_read_f64(b, y, n) == 0 && memcmp(x, y, sizeof x) == 0;
}

static void in_modes(reel_fn f, const char *name)
{
    static const char *const mode[] = {"captured", "replayed", "replayed under a tape", "captured under a tape"};
    REEL_SCOPED;
    reel_vars *vars = reel_vars_new("v");
    reel_tensor *x = ramp(), *want[2] = {NULL};
    now.var = reel_var(vars, "w", x);
    const reel_list given = REEL_LIST(x, now.var);
    for (int m = -1; m < 4; m++) {
        static reel_function *fast;
        reel_tensor *out[1] = {NULL}, *dx[2] = {NULL};
        if (m == 0 || m == 3) fast = reel_function_new(f, NULL);
        reel_tape *t = m < 0 || m >= 2 ? reel_tape_begin(NULL) : NULL;
        if (t) (void)reel_watch(t, REEL_LIST(x));
        if (m < 0)
            (void)reel_invoke(f, REEL_LIST(x), out);
        else
            (void)reel_function_call(fast, REEL_LIST(x), out);
        if (t) (void)reel_grad(t, reel_sum(reel_square(out[0])), given, dx);
        reel_tensor *d = t ? reel_add(dx[0], dx[1]) : NULL;
        if (m < 0) {
            want[0] = out[0];
            want[1] = d;
            CLEAN(name);
        } else {
            TAP_OK(same(want[0], out[0]), "%s: %s", name, mode[m]);
            if (t) {
                double a[8] = {0}, b[8] = {0}, away = 0;
                (void)reel_read_f64(want[1], a, 5);
                (void)reel_read_f64(d, b, 5);
                for (int i = 0; i < 5; i++) away = fmax(away, fabs(a[i] - b[i]));
                TAP_OK(away < 1e-12, "%s: %s, its gradient: %g away", name, mode[m], away);
            }
            CLEAN(name);
        }
        reel_tape_end(t);
        if (m >= 2) reel_function_free(fast);
    }
    reel_vars_free(vars);
}

static void test_gradients(void)
{
    in_modes(REEL_FN(cond_twice, NULL, 1, 1), "a branch that takes its operand from around it, too");
    for (int k = 0; k < 4; k++) {
        now.opts = (reel_while_opts){.size = sizeof now.opts, .max_steps = k < 2 ? 0 : 4, .recompute = k % 2};
        in_modes(REEL_FN(while_twice, NULL, 1, 1), "a loop that takes its state from around it, too");
        in_modes(REEL_FN(while_of_variable, NULL, 1, 1), "the same with a variable");
    }
    in_modes(REEL_FN(scan_twice, NULL, 1, 1), "a scan");
}

/* A variable that a body gives back is its value, as in a trace. */
static void test_results(void)
{
    REEL_SCOPED;
    reel_vars *vars = reel_vars_new("v");
    reel_tensor *w = reel_var(vars, "w", reel_full(REEL_F32, REEL_SCALAR, 2)), *y[2] = {NULL}, *z[2] = {NULL};
    now.outer = w;
    (void)reel_cond(reel_full(REEL_BOOL, REEL_SCALAR, 1), REEL_FN(takes_outer, NULL, 1, 1),
                    REEL_FN(same_again, NULL, 1, 1), REEL_LIST(w), y);
    (void)reel_while(REEL_FN(first_steps, NULL, 2, 1), REEL_FN(product, NULL, 2, 2),
                     REEL_LIST(w, reel_full(REEL_I32, REEL_SCALAR, 9)), NULL, z);
    (void)reel_assign(w, reel_num(3));
    TAP_OK(reel_item(y[0]) == 2 && reel_item(z[0]) == 2, "what control flow gives back is no variable");
    CLEAN("results");
    reel_vars_free(vars);
}

static int pull(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_mul(in[2], reel_num(5));
    return reel_status();
}
static int own_gradient(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    return reel_custom_grad(REEL_FN(same_again, NULL, 1, 1), REEL_FN(pull, NULL, 3, 1), REEL_LIST(in[0]), out);
}
static int grad_of_own(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *y[1] = {NULL};
    reel_tape *t = reel_tape_begin(NULL);
    (void)reel_watch(t, REEL_LIST(in[0]));
    (void)reel_cond(reel_greater(reel_sum(in[0]), reel_num(0)), REEL_FN(own_gradient, NULL, 1, 1),
                    REEL_FN(same_again, NULL, 1, 1), REEL_LIST(in[0]), y);
    out[0] = reel_grad1(t, reel_sum(y[0]), in[0]);
    reel_tape_end(t);
    return reel_status();
}

/* The nodes of a body are run again for its gradient; a custom gradient in it is not lost. */
static void test_custom(void)
{
    REEL_SCOPED;
    reel_tensor *out[1] = {NULL}, *x = ramp();
    (void)reel_invoke(REEL_FN(grad_of_own, NULL, 1, 1), REEL_LIST(x), out);
    TAP_OK(reel_item(reel_max(out[0], 0)) == 5, "eagerly a branch has its custom gradient");
    reel_function *f = reel_function_new(REEL_FN(grad_of_own, NULL, 1, 1), NULL);
    (void)reel_function_call(f, REEL_LIST(x), out);
    TAP_OK(reel_item(reel_max(out[0], 0)) == 5, "in a trace, too");
    CLEAN("custom gradients");
    reel_function_free(f);
}

/* The gradient of a variable's gradient, where the variable is the branch's operand and taken from around it as well: to the gradient's own
   branch it comes twice from around, and only one of the two may go on with the sum. */
static int times_around(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_mul(reel_mul(in[0], now.var), reel_num(3));
    return reel_status();
}
static int grad_of_variable(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *y[1] = {NULL};
    reel_tape *t = reel_tape_begin(NULL);
    (void)reel_cond(reel_greater(reel_sum(in[0]), reel_num(0)), REEL_FN(times_around, NULL, 1, 1),
                    REEL_FN(same_again, NULL, 1, 1), REEL_LIST(now.var), y);
    out[0] = reel_grad1(t, reel_sum(y[0]), now.var);
    reel_tape_end(t);
    return reel_status();
}
static void test_operand_and_around(void)
{
    REEL_SCOPED;
    reel_vars *vars = reel_vars_new("v");
    now.var = reel_var(vars, "w", ramp());
    reel_tensor *x = ramp(), *y[1] = {NULL};
    reel_function *f = reel_function_new(REEL_FN(grad_of_variable, NULL, 1, 1), NULL);
    for (int i = 0; i < 3; i++) { /* eagerly, captured, replayed */
        reel_tape *t = reel_tape_begin(NULL);
        (void)reel_watch(t, REEL_LIST(x));
        if (i)
            (void)reel_function_call(f, REEL_LIST(x), y);
        else
            (void)reel_invoke(REEL_FN(grad_of_variable, NULL, 1, 1), REEL_LIST(x), y);
        reel_tensor *d = reel_grad1(t, reel_sum(y[0]), now.var);
        TAP_OK(same_bits(y[0], reel_mul(now.var, reel_num(6))) && same_bits(d, reel_full_like(d, 6)),
               "3 w^2 by a branch: 6 w, and 6");
        reel_tape_end(t);
    }
    CLEAN("operand and around");
    reel_function_free(f);
    reel_vars_free(vars);
}

/* ---- gradients of gradients through what is run again ------------------------------------------------------------ */
static struct {
    bool view;
    reel_function *call; /* NULL: a checkpoint */
} way;
static int forward_of_way(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = way.view ? reel_transpose(in[0], REEL_AXES(1, 0)) : reel_mul(in[0], in[0]);
    return reel_status();
}
static int gives_its_output(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = in[1];
    return reel_status();
}
static int body_of_way(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    return reel_custom_grad(REEL_FN(forward_of_way, NULL, 1, 1), REEL_FN(gives_its_output, NULL, 3, 1),
                            REEL_LIST(in[0]), out);
}
static int gradient_of_way(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *y[1] = {NULL};
    reel_tape *t = reel_tape_begin(NULL);
    (void)reel_watch(t, REEL_LIST(in[0]));
    if (way.call)
        (void)reel_function_call(way.call, REEL_LIST(in[0]), y);
    else
        (void)reel_checkpoint(REEL_FN(body_of_way, NULL, 1, 1), REEL_LIST(in[0]), y);
    out[0] = reel_grad1(t, reel_sum(y[0]), in[0]);
    reel_tape_end(t);
    return reel_status();
}

/* The gradient holds the forward's output, whose gradient is the custom one again: f(x), whatever comes from above. Two by two of 3. */
static void test_custom_again(void)
{
    REEL_SCOPED;
    reel_tensor *x = reel_full(REEL_F64, REEL_SHAPE(2, 2), 3);
    for (int k = 0; k < 4; k++) {
        way.view = k & 1;
        way.call =
            k & 2 ? reel_function_new(REEL_FN(body_of_way, NULL, 1, 1), REEL_OPTS(function, .call = true)) : NULL;
        reel_function *f = reel_function_new(REEL_FN(gradient_of_way, NULL, 1, 1), NULL);
        for (int run = 0; run < 3; run++) {
            reel_tensor *out[1] = {NULL};
            reel_tape *t = reel_tape_begin(NULL);
            (void)reel_watch(t, REEL_LIST(x));
            (void)(run ? reel_function_call(f, REEL_LIST(x), out)
                       : reel_invoke(REEL_FN(gradient_of_way, NULL, 1, 1), REEL_LIST(x), out));
            TAP_CLOSE(reel_item(reel_sum(reel_grad1(t, reel_sum(out[0]), x))), way.view ? 12 : 36, 0, 0,
                      "%s, %s, run %d", way.call ? "a call" : "a checkpoint", way.view ? "a view" : "a square", run);
        }
        reel_function_free(f);
        reel_function_free(way.call);
    }
    CLEAN("custom gradients of gradients");
}

static int gives_number(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self, (void)in;
    out[0] = reel_num(2);
    return reel_status();
}
static int as_it_is(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = in[0];
    return reel_status();
}

/* A weak number through a checkpoint: a number like any other behind it, taped or not, and no gradient. */
static void test_weak(void)
{
    REEL_SCOPED;
    reel_tensor *x = reel_full(REEL_F32, REEL_SHAPE(3), 3), *half = reel_full(REEL_F16, REEL_SHAPE(3), 3);
    reel_function *f = reel_function_new(REEL_FN(gives_number, NULL, 1, 1), NULL);
    for (int run = 0; run < 6; run++) {
        const bool taped = run % 2, custom = run >= 4;
        reel_tensor *y[1] = {NULL}, *z[1] = {NULL};
        reel_tape *t = taped ? reel_tape_begin(NULL) : NULL;
        if (t) (void)reel_watch(t, REEL_LIST(x, half));
        (void)reel_function_call(f, REEL_LIST(x), y);
        if (custom)
            (void)reel_custom_grad(REEL_FN(as_it_is, NULL, 1, 1), REEL_FN(pull, NULL, 3, 1), REEL_LIST(y[0]), z);
        else
            (void)reel_checkpoint(REEL_FN(as_it_is, NULL, 1, 1), REEL_LIST(y[0]), z);
        reel_tensor *p = reel_mul(x, z[0]);
        TAP_OK(reel_item(reel_sum(p)) == 18 && !reel_status(), "run %d: its value", run);
        if (t)
            TAP_OK(reel_item(reel_sum(reel_grad1(t, reel_sum(p), x))) == 6 && !reel_status(),
                   "run %d: gradients beside it", run);
        reel_error e;
        reel_tensor *const odd = reel_mul(half, z[0]);
        TAP_OK(!odd && reel_take_error(&e) == REEL_EDTYPE, "run %d: it is f32", run);
        reel_tape_end(t);
    }
    CLEAN("weak numbers");
    reel_function_free(f);
}

static struct {
    reel_generator *own;
    int draws; /* 1: seeded in between, too */
} drawing;
static int masked(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *m = reel_mul(reel_uniform(REEL_F64, REEL_SHAPE(5), 1, 2, drawing.own),
                              reel_uniform(REEL_F64, REEL_SHAPE(5), 1, 2, NULL));
    if (drawing.draws) (void)reel_generator_seed(drawing.own, 99);
    out[0] = reel_mul(reel_mul(in[0], m), reel_uniform(REEL_F64, REEL_SHAPE(5), 1, 2, drawing.own));
    return reel_status();
}
static int checkpoint_in_checkpoint(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *y[1] = {NULL};
    (void)reel_checkpoint(REEL_FN(masked, NULL, 1, 1),
                          REEL_LIST(reel_mul(in[0], reel_uniform(REEL_F64, REEL_SHAPE(5), 1, 2, drawing.own))), y);
    out[0] = y[0];
    return reel_status();
}

/* What a checkpoint runs again draws what it drew, from whatever generator, and none of them moves on: y = x m, so dx = y / x. */
static void test_draws_again(void)
{
    drawing.own = reel_generator_new(7);
    for (int k = 0; k < 8; k++) {
        REEL_SCOPED;
        const reel_fn f = k & 2 ? REEL_FN(checkpoint_in_checkpoint, NULL, 1, 1) : REEL_FN(masked, NULL, 1, 1);
        drawing.draws = k & 4;
        reel_tensor *x = reel_full(REEL_F64, REEL_SHAPE(5), 3), *y[1] = {NULL}, *next[2];
        for (int plain = 0; plain < 2; plain++) {
            (void)reel_generator_seed(drawing.own, 7);
            (void)reel_seed(8);
            reel_tape *t = reel_tape_begin(NULL);
            (void)reel_watch(t, REEL_LIST(x));
            (void)(plain ? reel_invoke(f, REEL_LIST(x), y) : reel_checkpoint(f, REEL_LIST(x), y));
            reel_tensor *dx = reel_grad1(t, reel_sum(y[0]), x);
            TAP_OK(reel_item(reel_max(reel_abs(reel_sub(reel_mul(dx, x), y[0])), 0)) < 1e-12, "way %d: the same draws",
                   k);
            next[plain] = reel_uniform(REEL_F64, REEL_SHAPE(4), 0, 1, k & 1 ? NULL : drawing.own);
        }
        TAP_OK(same_bits(next[0], next[1]), "way %d: the generators stand where they stood", k);
        CLEAN("draws");
    }
    reel_generator_free(drawing.own);
}

TAP_MAIN(test_gradients, test_results, test_custom, test_operand_and_around, test_custom_again, test_weak,
         test_draws_again)
