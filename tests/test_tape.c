/* test_tape.c: tapes, backward, custom gradients, checkpoints. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "reel/reel.h"
#include "tap.h"

static reel_tensor *vec(int n, const float *x)
{
    return reel_from_f32(REEL_SHAPE(n), x, (size_t)n);
}

static bool is(reel_tensor *t, int n, const double *want)
{
    double got[64];
    if (!t || n > 64 || reel_read_f64(t, got, (size_t)n)) return false;
    for (int i = 0; i < n; i++)
        if (!tap_is_close(got[i], want[i], 1e-6, 1e-6)) return false;
    return true;
}
#define IS(t, ...) is(t, (int)(sizeof((const double[]){__VA_ARGS__}) / sizeof(double)), (const double[]){__VA_ARGS__})

/* The pending error has this code and these words; it is taken. */
static bool failed(int code, const char *a, const char *b)
{
    reel_error e;
    const int got = reel_take_error(&e);
    const bool ok = got == code && strstr(e.text, a) && strstr(e.text, b);
    if (!ok) TAP_NOTE("got %s: %s", reel_code_name(got), e.text);
    return ok;
}

static void test_first(void)
{
    REEL_SCOPED;
    reel_tensor *x = vec(3, (float[]){1, 2, 3}), *b = vec(1, (float[]){5}), *dx[3];
    reel_tape *t = reel_tape_begin(NULL);
    TAP_OK(reel_watch(t, REEL_LIST(x, b)) == 0, "watch");
    reel_tensor *y = reel_sum(reel_add(reel_mul(x, x), b));
    TAP_OK(reel_grad(t, y, REEL_LIST(x, b, x), dx) == 0, "grad");
    TAP_OK(IS(dx[0], 2, 4, 6), "two uses are added");
    TAP_OK(IS(dx[1], 3), "a broadcast operand's gradient is summed");
    TAP_OK(IS(dx[2], 2, 4, 6) && dx[2] != dx[0], "the same x twice");
    t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(x, b));
    y = reel_mean(reel_square(x));
    TAP_OK(reel_grad(t, y, REEL_LIST(b, y, x), dx) == 0, "unconnected is no error");
    TAP_OK(IS(dx[0], 0) && IS(dx[1], 1), "unconnected: zeros; y itself: one");
    TAP_OK(IS(dx[2], 2.0 / 3, 4.0 / 3, 2), "an x after y");
    t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(x));
    reel_tensor *h = reel_exp(x);
    TAP_OK(reel_grad(t, reel_sum(reel_square(h)), REEL_LIST(h, x), dx) == 0 &&
               IS(dx[0], 2 * exp(1), 2 * exp(2), 2 * exp(3)),
           "an inner x");
    TAP_OK(IS(dx[1], 2 * exp(2), 2 * exp(4), 2 * exp(6)), "and the outer one below it");
    t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(x));
    y = reel_mul(reel_num(3), reel_sum(reel_mul(reel_num(2), x)));
    TAP_OK(IS(reel_grad1(t, y, x), 6, 6, 6), "weak numbers");
    TAP_OK(reel_status() == 0, "no error left");
}

static void test_variables(void)
{
    REEL_SCOPED;
    reel_vars *vars = reel_vars_new("v");
    reel_tensor *w = reel_var(vars, "w", vec(2, (float[]){2, 3})), *x = vec(2, (float[]){10, 20}), *d[2];
    reel_tape *t = reel_tape_begin(NULL);
    reel_tensor *y = reel_sum(reel_mul(reel_mul(w, w), x));
    reel_assign(w, x);
    TAP_OK(reel_grad(t, y, REEL_LIST(w, x), d) == 0 && IS(d[0], 40, 120), "the tape keeps the value that was read");
    TAP_OK(IS(d[1], 0, 0), "what is not watched has no gradient");
    t = reel_tape_begin(REEL_OPTS(tape, .no_variables = true));
    TAP_OK(IS(reel_grad1(t, reel_sum(reel_mul(w, w)), w), 0, 0), "no_variables");
    t = reel_tape_begin(REEL_OPTS(tape, .no_variables = true));
    reel_watch(t, REEL_LIST(w));
    TAP_OK(IS(reel_grad1(t, reel_sum(reel_mul(w, w)), w), 20, 40), "no_variables, but one watched");
    t = reel_tape_begin(NULL);
    reel_tensor *a = reel_sum(w);
    reel_assign(w, vec(2, (float[]){1, 1}));
    TAP_OK(IS(reel_grad1(t, reel_add(a, reel_sum(reel_mul(w, w))), w), 3, 3),
           "reads before and after an assign are added");
    t = reel_tape_begin(NULL);
    TAP_OK(IS(reel_grad1(t, reel_mean(w), w), .5, .5), "only its shape is needed");
    reel_tensor *many[100];
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "m%d", i);
        many[i] = reel_var(vars, name, reel_full(REEL_F32, REEL_SCALAR, i));
    }
    t = reel_tape_begin(NULL);
    y = reel_num(0);
    for (int i = 0; i < 100; i++) y = reel_add(y, reel_mul(many[i], many[i]));
    reel_tensor *dm[100];
    bool ok = reel_grad(t, y, REEL_ARRAY(many), dm) == 0;
    for (int i = 0; i < 100 && ok; i++) ok = reel_item(dm[i]) == 2 * i;
    TAP_OK(ok, "a hundred variables");
    reel_vars_free(vars);
    TAP_OK(reel_status() == 0, "no error left");
}

/* An op without a vjp. */
static int as_it_is(const void *attr, const reel_type in[], reel_type out[])
{
    (void)attr;
    out[0] = in[0];
    return 0;
}
static int copied(const void *attr, const reel_view in[], const reel_view out[])
{
    (void)attr;
    memcpy(out[0].data, in[0].data, (size_t)reel_shape_count(in[0].type.shape) * sizeof(float));
    return 0;
}

static void test_persistent_and_misuse(void)
{
    REEL_SCOPED;
    reel_tensor *x = vec(2, (float[]){1, 2}), *d[1], *n;
    reel_tape *t = reel_tape_begin(REEL_OPTS(tape, .persistent = true));
    reel_watch(t, REEL_LIST(x));
    reel_tensor *a = reel_sum(reel_square(x)), *b = reel_sum(reel_exp(x));
    TAP_OK(IS(reel_grad1(t, a, x), 2, 4) && IS(reel_grad1(t, b, x), exp(1), exp(2)) && IS(reel_grad1(t, a, x), 2, 4),
           "persistent: many gradients");
    TAP_OK(reel_watch(t, REEL_LIST(x)) && failed(REEL_ETRACE, "stopped", "test_tape.c:"),
           "a stopped tape watches nothing more");
    reel_tape_end(t);
    reel_tape_end(t);
    TAP_OK(!reel_grad1(t, a, x) && failed(REEL_ETRACE, "the tape has ended: begun at", "ended by reel_tape_end"),
           "used after its end");
    t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(x));
    a = reel_sum(x);
    TAP_OK(reel_grad(t, a, REEL_LIST(x), d) == 0, "once");
    TAP_OK(reel_grad(t, a, REEL_LIST(x), d) == REEL_ETRACE && !d[0] &&
               failed(REEL_ETRACE, "begun at", "consumed by reel_grad at"),
           "twice: an error");
    {
        REEL_SCOPED;
        t = reel_tape_begin(NULL);
        reel_watch(t, REEL_LIST(x));
        reel_tape_begin(NULL);
    }
    TAP_OK(reel_watch(t, REEL_LIST(x)) == REEL_ETRACE && failed(REEL_ETRACE, "has ended", "ended with the scope"),
           "after its scope");
    TAP_OK(!reel_grad1(NULL, a, x) && failed(REEL_EARG, "tape is NULL", "reel_grad"), "a NULL tape");
    TAP_OK(reel_watch((reel_tape *)(uintptr_t)0x12345678, REEL_LIST(x)) &&
               failed(REEL_ETRACE, "not one of this thread", ""),
           "a made-up tape");
    t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(x));
    n = reel_square(x);
    TAP_OK(!reel_grad1(t, n, x) && failed(REEL_ESHAPE, "[2]", "reel_vjp"), "a non-scalar y names its shape");
    TAP_OK(!reel_grad1(t, reel_argmax(n, 0), x) && failed(REEL_EDTYPE, "i64", "float"), "an integer y");
    TAP_OK(!reel_grad1(t, NULL, x) && failed(REEL_EARG, "y is NULL", ""), "a NULL y");
    TAP_OK(IS(reel_grad1(t, reel_sum(n), x), 2, 4), "a refused call leaves the tape usable");
    t = reel_tape_begin(NULL);
    TAP_OK(reel_watch(t, REEL_LIST(reel_num(1))) && failed(REEL_EARG, "weak number", ""), "a number is not watched");
    TAP_OK(reel_watch(t, REEL_LIST(reel_from_i32(REEL_SHAPE(1), (int32_t[]){1}, 1))) && failed(REEL_EDTYPE, "i32", ""),
           "nor an integer");
    TAP_OK(reel_watch(t, REEL_LIST(x, NULL)) && failed(REEL_EARG, "NULL", ""), "nor NULL");
    reel_watch(t, REEL_LIST(x));
    reel_tensor *out[1];
    const reel_op *op =
        reel_op_register(REEL_OP_DEF(.name = "one_way", .n_in = 1, .n_out = 1, .shape = as_it_is, .cpu = copied));
    TAP_OK(reel_op_call(op, REEL_LIST(x), NULL, out) && failed(REEL_EARG, "one_way", "has no gradient"),
           "a missing gradient fails at the call");
    TAP_OK(reel_status() == 0, "no error left");
}

static void *other_thread(void *tape)
{
    reel_error e;
    TAP_OK(reel_tape_begin(NULL) != NULL, "a tape of this thread");
    const int rc = reel_watch(tape, (reel_list){0, NULL});
    reel_take_error(&e);
    TAP_OK(rc == REEL_ETRACE && strstr(e.text, "thread"), "another thread's tape is an error");
    return NULL;
}

static void test_threads(void)
{
    REEL_SCOPED;
    pthread_t id;
    reel_tape *t = reel_tape_begin(NULL);
    if (pthread_create(&id, NULL, other_thread, t) == 0) pthread_join(id, NULL);
    TAP_OK(reel_watch(t, REEL_LIST(vec(1, (float[]){1}))) == 0, "the owner goes on");
}

static void test_higher_order(void)
{
    REEL_SCOPED;
    reel_tensor *x = vec(2, (float[]){2, 3}), *v = vec(2, (float[]){1, 10});
    reel_tape *t1 = reel_tape_begin(NULL);
    reel_watch(t1, REEL_LIST(x));
    reel_tape *t2 = reel_tape_begin(NULL);
    reel_watch(t2, REEL_LIST(x));
    reel_tape *t3 = reel_tape_begin(NULL);
    reel_watch(t3, REEL_LIST(x));
    reel_tensor *y = reel_sum(reel_mul(reel_mul(x, x), reel_mul(x, x)));
    reel_tensor *g = reel_grad1(t3, y, x);
    TAP_OK(IS(g, 32, 108), "4 x^3");
    reel_tensor *h = reel_grad1(t2, reel_sum(reel_mul(g, v)), x);
    TAP_OK(IS(h, 48, 1080), "12 x^2 v");
    TAP_OK(IS(reel_grad1(t1, reel_sum(h), x), 48, 720), "24 x v");
    t1 = reel_tape_begin(NULL);
    reel_watch(t1, REEL_LIST(x));
    t2 = reel_tape_begin(NULL);
    reel_watch(t2, REEL_LIST(x));
    g = reel_grad1(t2, reel_sum(reel_add(reel_tanh(x), reel_mul(reel_sigmoid(x), reel_log(x)))), x);
    const double e = 1e-4, at = 2;
    double d[2];
    for (int i = 0; i < 2; i++) {
        const double z = at + (i ? e : -e), s = 1 / (1 + exp(-z)), th = tanh(z);
        d[i] = 1 - th * th + s * (1 - s) * log(z) + s / z;
    }
    h = reel_grad1(t1, reel_sum(g), x);
    double got[2] = {0, 0};
    reel_read_f64(h, got, 2);
    TAP_CLOSE(got[0], (d[1] - d[0]) / (2 * e), 1e-4, 1e-5, "second derivative of a longer expression");
    TAP_OK(reel_status() == 0, "no error left");
}

/* d/dw of (d/dw sum w^3) with w read as a variable. */
static reel_tensor *hessian_of(reel_tensor *w)
{
    REEL_SCOPED;
    reel_tape *t1 = reel_tape_begin(NULL), *t2 = reel_tape_begin(NULL);
    reel_tensor *g = reel_grad1(t2, reel_sum(reel_mul(w, reel_square(w))), w);
    return reel_keep(reel_grad1(t1, reel_sum(g), w));
}

static void test_higher_order_variables(void)
{
    REEL_SCOPED;
    reel_vars *vars = reel_vars_new("h");
    reel_tensor *x = vec(2, (float[]){2, 3}), *w = reel_var(vars, "w", x);
    TAP_OK(IS(hessian_of(w), 12, 18), "second order with respect to a variable");
    reel_tape *t1 = reel_tape_begin(NULL);
    reel_watch(t1, REEL_LIST(x));
    reel_tensor *u = reel_mul(x, x), *d[2];
    reel_assign(w, u);
    reel_tape *t2 = reel_tape_begin(NULL);
    reel_tensor *g = reel_grad1(t2, reel_sum(reel_mul(w, w)), w);
    reel_assign(w, x);
    TAP_OK(IS(g, 8, 18), "first order");
    TAP_OK(reel_grad(t1, reel_sum(g), REEL_LIST(w, x), d) == 0 && IS(d[0], 2, 2) && IS(d[1], 0, 0),
           "the variable, not the tensor assigned to it");
    reel_vars_free(vars);
    TAP_OK(reel_status() == 0, "no error left");
}

static void test_vjp_and_outputs(void)
{
    REEL_SCOPED;
    reel_tensor *x = vec(6, (float[]){1, 2, 3, 4, 5, 6}), *part[3], *d[1];
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(x));
    reel_split(x, 0, 3, part);
    TAP_OK(IS(reel_grad1(t, reel_sum(reel_add(part[0], reel_mul(part[2], reel_num(2)))), x), 1, 1, 0, 0, 2, 2),
           "an output that is not used");
    t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(x));
    reel_tensor *a = reel_square(x), *b = reel_sum(x);
    const int rc =
        reel_vjp(t, REEL_LIST(a, b, a), REEL_LIST(x, reel_full(REEL_F32, REEL_SCALAR, 100), x), REEL_LIST(x), d);
    TAP_OK(rc == 0 && IS(d[0], 104, 116, 136, 164, 200, 244), "several ys, one of them twice");
    t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(x));
    a = reel_square(x);
    TAP_OK(reel_vjp(t, REEL_LIST(a), REEL_LIST(part[0]), REEL_LIST(x), d) == REEL_ESHAPE &&
               failed(REEL_ESHAPE, "[2]", "[6]"),
           "dys of another shape");
    TAP_OK(reel_vjp(t, REEL_LIST(a), (reel_list){0, NULL}, REEL_LIST(x), d) && failed(REEL_EARG, "1 ys", "0 dys"),
           "dys missing");
    reel_tensor *i = reel_argmax(a, 0), *c = reel_cast(i, REEL_F32);
    TAP_OK(IS(reel_grad1(t, reel_mul(c, reel_sum(a)), x), 10, 20, 30, 40, 50, 60), "integers stop the gradient");
    TAP_OK(reel_status() == 0, "no error left");
}

/* ---- custom gradients ---------------------------------------------------------------------------- */

static int sin_forward(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_mul(reel_exp(in[0]), in[1]);
    return reel_status();
}
/* in: x, k, y, dy. Half the true gradient of x, none of k */
static int half_vjp(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    ++*(int *)self;
    out[0] = reel_mul(reel_num(.5), reel_mul(in[3], reel_mul(reel_exp(in[0]), in[1])));
    return reel_status();
}
static int bad_vjp(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_sum(in[3]);
    return reel_status();
}
static int rude_vjp(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self, (void)in, (void)out;
    return 77;
}
static int identity(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = in[0];
    return 0;
}
static int twice_vjp(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_mul(reel_num(2), in[2]);
    return reel_status();
}
static int lazy(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self, (void)in, (void)out;
    return 0;
}

static void test_custom(void)
{
    REEL_SCOPED;
    int calls = 0;
    reel_tensor *x = vec(2, (float[]){0, 1}), *k = vec(2, (float[]){3, 4}), *y[1], *d[2];
    reel_tape *t1 = reel_tape_begin(NULL);
    reel_watch(t1, REEL_LIST(x, k));
    reel_tape *t2 = reel_tape_begin(NULL);
    reel_watch(t2, REEL_LIST(x, k));
    TAP_OK(reel_custom_grad(REEL_FN(sin_forward, NULL, 2, 1), REEL_FN(half_vjp, &calls, 4, 2), REEL_LIST(x, k), y) ==
                   0 &&
               IS(y[0], 3, 4 * exp(1)),
           "forward");
    TAP_OK(reel_grad(t2, reel_sum(y[0]), REEL_LIST(x, k), d) == 0 && calls == 1, "the vjp is called once");
    TAP_OK(IS(d[0], 1.5, 2 * exp(1)) && IS(d[1], 0, 0), "its gradients count, NULL is zero");
    TAP_OK(IS(reel_grad1(t1, reel_sum(d[0]), x), 1.5, 2 * exp(1)), "second order goes through the vjp's ops");
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(x, k));
    reel_custom_grad(REEL_FN(sin_forward, NULL, 2, 1), REEL_FN(bad_vjp, NULL, 4, 2), REEL_LIST(x, k), y);
    TAP_OK(!reel_grad1(t, reel_sum(y[0]), x) && failed(REEL_ESHAPE, "f32[]", "in the gradient of reel_custom_grad at"),
           "a gradient of another shape");
    t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(x, k));
    reel_custom_grad(REEL_FN(sin_forward, NULL, 2, 1), REEL_FN(rude_vjp, NULL, 4, 2), REEL_LIST(x, k), y);
    TAP_OK(!reel_grad1(t, reel_sum(y[0]), x) && failed(REEL_EUSER, "77", "test_tape.c:"),
           "a vjp that fails without an error");
    t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(x));
    reel_custom_grad(REEL_FN(identity, NULL, 1, 1), REEL_FN(twice_vjp, NULL, 3, 1), REEL_LIST(x), y);
    TAP_OK(IS(reel_grad1(t, reel_sum(reel_add(y[0], x)), x), 3, 3), "an input given back is a value of its own");
    TAP_OK(reel_custom_grad(REEL_FN(lazy, NULL, 1, 1), REEL_FN(twice_vjp, NULL, 3, 1), REEL_LIST(x), y) &&
               failed(REEL_EARG, "lazy", "out[0] NULL"),
           "an output left out");
    TAP_OK(reel_custom_grad(REEL_FN(identity, NULL, 1, 1), REEL_FN(twice_vjp, NULL, 2, 1), REEL_LIST(x), y) &&
               failed(REEL_EARG, "must take 3", ""),
           "a vjp of other counts");
    TAP_OK(reel_invoke(REEL_FN(identity, NULL, 1, 1), REEL_LIST(x, x), y) &&
               failed(REEL_EARG, "takes 1 inputs, not 2", "identity"),
           "invoke checks the count");
    TAP_OK(reel_invoke(REEL_FN(rude_vjp, NULL, 1, 1), REEL_LIST(x), y) == REEL_EUSER &&
               failed(REEL_EUSER, "rude_vjp returned 77", ""),
           "invoke: a code without an error");
    TAP_OK(reel_invoke(REEL_FN(identity, NULL, 1, 1), REEL_LIST(x), y) == 0 && y[0] == x, "invoke");
}

/* ---- checkpoints --------------------------------------------------------------------------------- */

struct layer {
    reel_tensor *w;
    int runs;
};
static int dropout_layer(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct layer *l = self;
    l->runs++;
    reel_tensor *h = reel_tanh(reel_mul(in[0], l->w)), *u = reel_uniform(REEL_F32, REEL_SHAPE(4), 0, 1, NULL);
    out[0] = reel_mul(h, u);
    out[1] = reel_argmax(h, 0);
    return reel_status();
}

static void test_checkpoint(void)
{
    REEL_SCOPED;
    reel_vars *vars = reel_vars_new("c");
    struct layer l = {.w = reel_var(vars, "w", vec(4, (float[]){1, 2, 3, 4}))};
    reel_tensor *x = vec(4, (float[]){.1f, .2f, .3f, .4f}), *d[2][2], *y[2][2], *after[2];
    const reel_fn f = REEL_FN(dropout_layer, &l, 1, 2);
    for (int how = 0; how < 2; how++) {
        reel_seed(7);
        reel_tape *t = reel_tape_begin(NULL);
        reel_watch(t, REEL_LIST(x));
        if (how)
            reel_checkpoint(f, REEL_LIST(x), y[how]);
        else
            reel_invoke(f, REEL_LIST(x), y[how]);
        reel_uniform(REEL_F32, REEL_SHAPE(9), 0, 1, NULL);
        reel_grad(t, reel_sum(reel_square(y[how][0])), REEL_LIST(x, l.w), d[how]);
        after[how] = reel_uniform(REEL_F32, REEL_SHAPE(4), 0, 1, NULL);
    }
    float a[4], b[4];
    bool same = true;
    for (int i = 0; i < 3; i++) {
        memset(a, 0, sizeof a), memset(b, 1, sizeof b);
        reel_read_f32(i < 2 ? d[0][i] : after[0], a, 4);
        reel_read_f32(i < 2 ? d[1][i] : after[1], b, 4);
        same &= memcmp(a, b, sizeof a) == 0;
    }
    TAP_OK(same, "checkpointed gradients, of inputs and of variables, are the plain ones; random draws too");
    TAP_OK(l.runs == 3, "run again in the backward");
    reel_tape *t1 = reel_tape_begin(NULL), *t2;
    reel_watch(t1, REEL_LIST(x));
    t2 = reel_tape_begin(NULL);
    reel_watch(t2, REEL_LIST(x));
    reel_seed(7);
    reel_checkpoint(f, REEL_LIST(x), y[0]);
    reel_tensor *g = reel_grad1(t2, reel_sum(y[0][0]), x), *hc = reel_grad1(t1, reel_sum(reel_mul(g, g)), x);
    t1 = reel_tape_begin(NULL);
    reel_watch(t1, REEL_LIST(x));
    t2 = reel_tape_begin(NULL);
    reel_watch(t2, REEL_LIST(x));
    reel_seed(7);
    reel_invoke(f, REEL_LIST(x), y[0]);
    g = reel_grad1(t2, reel_sum(y[0][0]), x);
    reel_tensor *hp = reel_grad1(t1, reel_sum(reel_mul(g, g)), x);
    memset(a, 0, sizeof a), memset(b, 1, sizeof b);
    reel_read_f32(hc, a, 4);
    reel_read_f32(hp, b, 4);
    TAP_OK(a[0] != 0 && fabsf(a[0] - b[0]) < 1e-5f && fabsf(a[3] - b[3]) < 1e-5f, "second order through a checkpoint");
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(x));
    reel_checkpoint(f, REEL_LIST(x), y[0]);
    reel_assign(l.w, x);
    TAP_OK(!reel_grad1(t, reel_sum(y[0][0]), x) && failed(REEL_ETRACE, "c/w", "was assigned"),
           "a variable assigned meanwhile");
    reel_vars_free(vars);
    TAP_OK(reel_status() == 0, "no error left");
}

/* ---- what is kept -------------------------------------------------------------------------------- */

static uint64_t in_use(void)
{
    reel_memory_stats s;
    reel_memory(&s);
    return s.in_use;
}
static uint64_t tensors(void)
{
    reel_memory_stats s;
    reel_memory(&s);
    return s.tensors;
}

static void test_memory(void)
{
    enum { N = 1 << 18 }; /* 1 MiB */
    REEL_SCOPED;
    reel_tensor *x = reel_full(REEL_F32, REEL_SHAPE(N), .5), *y = x;
    {
        REEL_SCOPED;
        reel_tape *t = reel_tape_begin(NULL);
        reel_watch(t, REEL_LIST(x));
        uint64_t before = in_use();
        {
            REEL_SCOPED;
            y = x;
            for (int i = 0; i < 20; i++) y = reel_add(y, x);
            reel_keep(y);
        }
        TAP_OK(in_use() - before < 3u << 20, "adds keep no values");
        y = reel_sum(y);
        TAP_CLOSE(reel_item(reel_grad1(t, reel_mul(y, y), y)), 2 * 21 * .5 * (double)N, 1e-6, 0,
                  "and their shapes are still known");
    }
    {
        REEL_SCOPED;
        reel_tape *t = reel_tape_begin(NULL);
        reel_watch(t, REEL_LIST(x));
        uint64_t before = in_use();
        {
            REEL_SCOPED;
            y = x;
            for (int i = 0; i < 20; i++) y = reel_mul(reel_add(y, x), x);
            reel_keep(y);
        }
        const uint64_t held = in_use() - before;
        TAP_OK(held > 18u << 20 && held < 23u << 20, "a product keeps its operands and no more");
        reel_memory_stats s;
        y = reel_sum(y);
        reel_memory_trim();
        reel_memory(&s);
        const uint64_t old_peak = s.peak, now = in_use();
        reel_tensor *g = reel_grad1(t, y, x);
        reel_memory(&s);
        TAP_OK(s.peak == old_peak || s.peak < now + (6u << 20), "gradients are freed on the way");
        TAP_OK(g && in_use() - before < 4u << 20, "entries too");
    }
    const uint64_t n = tensors();
    for (int i = 0; i < 100; i++) {
        REEL_SCOPED;
        reel_tape *t = reel_tape_begin(REEL_OPTS(tape, .persistent = i % 3 == 0));
        reel_watch(t, REEL_LIST(x));
        reel_tensor *s = reel_sum(reel_square(reel_slice(x, 1, REEL_RANGES({0, 100, 2}))));
        if (i % 2) reel_grad1(t, s, x);
        if (i % 5 == 0) reel_tape_end(t);
    }
    TAP_OK(tensors() == n && reel_status() == 0, "nothing is left behind");
    {
        REEL_SCOPED;
        reel_tensor *small = reel_full(REEL_F32, REEL_SHAPE(4), 1.5), *z = small;
        reel_tape *t = reel_tape_begin(NULL);
        reel_watch(t, REEL_LIST(small));
        for (int i = 0; i < 5000; i++) {
            z = reel_tanh(reel_mul(z, small));
            for (int k = 0; k < 3; k++) reel_add(reel_num(1), reel_num(2)); /* ids the tape has no use for */
        }
        reel_tensor *g = reel_grad1(t, reel_sum(z), small);
        TAP_OK(g && isfinite(reel_item(reel_select(g, 0, 0))), "ten thousand entries");
        reel_tensor *late[1];
        t = reel_tape_begin(NULL);
        for (int i = 0; i < 200000; i++) {
            REEL_SCOPED;
            reel_num(1);
        }
        late[0] = reel_full(REEL_F32, REEL_SHAPE(2), 3);
        reel_watch(t, REEL_ARRAY(late));
        TAP_OK(IS(reel_grad1(t, reel_sum(reel_square(late[0])), late[0]), 6, 6), "a tape that heard nothing for long");
    }
    TAP_OK(tensors() == n, "nothing is left behind again");
}

/* ---- no memory ----------------------------------------------------------------------------------- */

struct failing {
    long left; /* -1: never fails */
    bool hit;
};
static void *failing_alloc(void *self, size_t bytes)
{
    struct failing *f = self;
    if (f->left == 0) {
        f->hit = true;
        return NULL;
    }
    if (f->left > 0) f->left--;
    return aligned_alloc(64, (bytes + 63) & ~(size_t)63);
}
static void failing_free(void *self, void *p, size_t bytes)
{
    (void)self, (void)bytes;
    free(p);
}

static double expression(reel_tensor *x, int *rc)
{
    REEL_SCOPED;
    int calls = 0;
    reel_tensor *y[1], *d[1];
    reel_tape *t1 = reel_tape_begin(NULL), *t2;
    *rc = reel_watch(t1, REEL_LIST(x));
    t2 = reel_tape_begin(NULL);
    reel_watch(t2, REEL_LIST(x));
    reel_custom_grad(REEL_FN(sin_forward, NULL, 2, 1), REEL_FN(half_vjp, &calls, 4, 2), REEL_LIST(x, x), y);
    reel_tensor *s = reel_sum(reel_mul(reel_tanh(y[0]), x));
    *rc = reel_grad(t2, s, REEL_LIST(x), d);
    reel_tensor *h = reel_grad1(t1, reel_sum(d[0]), x);
    const double v = h ? reel_item(reel_sum(h)) : NAN;
    *rc = reel_status();
    return v;
}

static void test_no_memory(void)
{
    struct failing f = {.left = -1, .hit = false};
    const reel_allocator a = {sizeof a, failing_alloc, failing_free, &f};
    TAP_OK(reel_set_allocator(&a) == 0, "an allocator that can fail");
    int rc = 0, bad = 0, failures = 0;
    {
        REEL_SCOPED;
        reel_tensor *x = reel_full(REEL_F32, REEL_SHAPE(100), .25);
        const double want = expression(x, &rc);
        const uint64_t n = tensors();
        for (long i = 0; i < 500; i++) {
            f.left = i;
            f.hit = false;
            const double v = expression(x, &rc);
            f.left = -1;
            reel_error e;
            const int code = reel_take_error(&e);
            if (!f.hit) {
                bad += code != 0 || v != want;
                break;
            }
            failures++;
            if (code != 0 && code != REEL_ENOMEM) TAP_NOTE("%ld: %s", i, e.text);
            bad += code ? code != REEL_ENOMEM : v != want; /* a cache may do without */
            bad += tensors() != n || expression(x, &rc) != want || rc != 0;
        }
    }
    TAP_OK(failures > 10 && bad == 0, "every allocation may fail: an error, no leak, the next call works");
    reel_set_allocator(NULL);
}

TAP_MAIN(test_first, test_variables, test_persistent_and_misuse, test_threads, test_higher_order,
         test_higher_order_variables, test_vjp_and_outputs, test_custom, test_checkpoint, test_memory, test_no_memory)
