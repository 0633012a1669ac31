/* Control flow: cond and while, eagerly, traced, replayed, in graphs, under tapes; gradients of both orders; what they refuse. */
#include "trace_help.h"

enum { N = 4 };
static reel_tensor *vec(double a, double b, double c, double d)
{
    const double x[N] = {a, b, c, d};
    return reel_from_f64(REEL_SHAPE(N), x, N);
}

/* ---- bodies -------------------------------------------------------------------------------------------- */

struct around {
    reel_vars *vars;
    reel_tensor *w, *scale;
    reel_while_opts opts;
    int calls;
};

static int yes(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct around *a = self;
    out[0] = reel_mul(reel_sin(in[0]), a->w);
    out[1] = reel_num(1);
    return reel_status();
}
static int no(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_exp(reel_neg(in[0]));
    out[1] = reel_sum(reel_cast(in[0], REEL_F32));
    return reel_status();
}
static int branch(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct around *a = self;
    reel_tensor *r[2];
    a->calls++;
    reel_cond(reel_greater(reel_sum(in[0]), reel_num(0)), REEL_FN(yes, a, 1, 2), REEL_FN(no, a, 1, 2),
              REEL_LIST(reel_mul(in[0], in[1])), r);
    out[0] = reel_add(reel_square(r[0]), reel_cast(r[1], REEL_F64));
    return reel_status();
}

/* while |x| is large: x = tanh(w x) + in[1] / 10; counts */
static int is_large(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_greater(reel_sum(reel_square(in[0])), reel_num(0.5));
    return reel_status();
}
static int smaller(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct around *a = self;
    out[0] = reel_add(reel_mul(reel_tanh(reel_mul(in[0], a->w)), reel_num(0.9)), reel_mul(a->scale, reel_num(0.01)));
    out[1] = reel_add(in[1], reel_num(1));
    return reel_status();
}
static int loop(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct around *a = self;
    reel_tensor *r[2];
    a->calls++;
    a->scale = reel_mul(in[1], in[1]);
    reel_while(REEL_FN(is_large, a, 2, 1), REEL_FN(smaller, a, 2, 2), REEL_LIST(reel_mul(in[0], in[1]), reel_num(0)),
               &a->opts, r);
    out[0] = reel_add(reel_mul(r[0], a->w), reel_cast(reel_mul(r[1], reel_num(0.125)), REEL_F64));
    return reel_status();
}

static void around_init(struct around *a)
{
    memset(a, 0, sizeof *a);
    a->opts.size = sizeof a->opts;
    a->vars = reel_vars_new("c");
    a->w = reel_var(a->vars, "w", vec(0.9, 0.8, -0.95, 0.7));
}

/* Same bits eagerly, in the call that traces, and in replays, whatever way the data go. */
static void compare(struct around *a, reel_fn f, const char *name, int traces)
{
    REEL_SCOPED;
    reel_function *fast = reel_function_new(f, NULL);
    int different = 0;
    for (int i = 0; i < 12; i++) {
        REEL_SCOPED;
        const double s = i % 2 ? -1 : 1;
        reel_tensor *x = vec(s * (1 + i), s * 0.5, s * 2, 0.25), *y = vec(1, 0.5, 2 - 0.1 * i, 1), *e[1], *r[1];
        reel_invoke(f, REEL_LIST(x, y), e);
        reel_function_call(fast, REEL_LIST(x, y), r);
        different += !same_bits(e[0], r[0]);
    }
    TAP_OK(different == 0, "%s: %d of 12 calls differ", name, different);
    TAP_EQ_INT(reel_function_traces(fast), traces);
    TAP_OK(a->calls == 12 + traces, "%s: traced once, %d calls", name, a->calls);
    reel_function_free(fast);
    expect_none(name);
}

static void test_replays(void)
{
    struct around a;
    around_init(&a);
    compare(&a, REEL_FN(branch, &a, 2, 1), "cond", 1);
    a.calls = 0;
    compare(&a, REEL_FN(loop, &a, 2, 1), "while", 1);
    a.calls = 0;
    a.opts.max_steps = 3;
    compare(&a, REEL_FN(loop, &a, 2, 1), "while, at most 3", 1);
    reel_vars_free(a.vars);
}

/* ---- gradients ------------------------------------------------------------------------------------------- */

static int with_grad(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_fn *f = self;
    struct around *a = f->self;
    reel_tape *outer = reel_tape_begin(NULL);
    reel_watch(outer, REEL_LIST(in[0], in[1]));
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(in[0], in[1]));
    reel_tensor *y[1], *g[3];
    if (f->body(f->self, in, y)) return reel_status();
    if (reel_grad(t, reel_sum(reel_square(y[0])), REEL_LIST(in[0], in[1], a->w), g)) return reel_status();
    memcpy(out, g, sizeof g);
    reel_tensor *s = reel_add(reel_sum(reel_square(g[0])), reel_add(reel_sum(reel_mul(g[1], g[1])), reel_sum(g[2])));
    return reel_grad(outer, s, REEL_LIST(in[0], in[1], a->w), out + 3);
}

static double far(reel_tensor *a, reel_tensor *b)
{
    return reel_item(reel_max(reel_abs(reel_sub(a, b)), 0)) / (1e-300 + reel_item(reel_max(reel_abs(b), 0)));
}

static void gradients(struct around *a, reel_fn f, const char *name)
{
    REEL_SCOPED;
    reel_tensor *x = vec(1.5, -0.5, 2, 0.25), *y = vec(1, 0.5, 1.5, 1.25), *e[6], *r[6];
    reel_function *fast = reel_function_new(REEL_FN(with_grad, &f, 2, 6), NULL);
    TAP_EQ_INT(reel_invoke(REEL_FN(with_grad, &f, 2, 6), REEL_LIST(x, y), e), 0);
    for (int call = 0; call < 3; call++) {
        TAP_EQ_INT(reel_function_call(fast, REEL_LIST(x, y), r), 0);
        if (reel_status()) break;
        for (int i = 0; i < 6; i++)
            TAP_OK(far(r[i], e[i]) < 1e-13, "%s: gradient %d in call %d is off by %g", name, i, call, far(r[i], e[i]));
        for (int i = 0; i < 3; i++) TAP_OK(same_bits(r[i], e[i]), "%s: first order %d has the eager bits", name, i);
    }
    reel_function_free(fast);
    expect_none(name);
    /* the replay of a function under a tape of the caller's */
    fast = reel_function_new(f, NULL);
    for (int call = 0; call < 3; call++) {
        reel_tape *t = reel_tape_begin(NULL);
        reel_watch(t, REEL_LIST(x, y));
        reel_tensor *out[1], *g[3];
        reel_function_call(fast, REEL_LIST(x, y), out);
        reel_grad(t, reel_sum(reel_square(out[0])), REEL_LIST(x, y, a->w), g);
        if (reel_status()) break;
        for (int i = 0; i < 3; i++) TAP_OK(far(g[i], e[i]) < 1e-13, "%s: gradient %d of replay %d", name, i, call);
    }
    expect_none(name);
    reel_function_free(fast);
    reel_gradcheck_report report;
    const int rc = reel_gradcheck(f, REEL_LIST(x, y), REEL_OPTS(gradcheck, .order = 2, .vars = a->vars), &report);
    TAP_OK(rc == 0, "%s: %s", name, report.text);
    reel_take_error(NULL);
}

static void test_gradients(void)
{
    struct around a;
    around_init(&a);
    gradients(&a, REEL_FN(branch, &a, 2, 1), "cond");
    gradients(&a, REEL_FN(loop, &a, 2, 1), "while");
    a.opts.max_steps = 50;
    gradients(&a, REEL_FN(loop, &a, 2, 1), "while, bounded");
    a.opts.recompute = true;
    gradients(&a, REEL_FN(loop, &a, 2, 1), "while, recomputed");
    reel_vars_free(a.vars);
}

/* ---- scan and map ------------------------------------------------------------------------------------------- */

/* h = tanh(h w + x) : a recurrent cell; y = h^2 + scale */
static int cell(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct around *a = self;
    out[0] = reel_tanh(reel_add(reel_mul(in[0], a->w), in[1]));
    out[1] = reel_add(reel_square(out[0]), a->scale);
    out[2] = reel_sum(reel_mul(in[1], in[0]));
    return reel_status();
}
static int recurrent(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct around *a = self;
    reel_tensor *r[3], *xs = reel_stack(REEL_LIST(in[0], in[1], reel_mul(in[0], in[1]), in[1], in[0]), 0);
    a->calls++;
    a->scale = reel_mul(in[0], reel_num(0.5));
    reel_scan(REEL_FN(cell, a, 2, 3), REEL_LIST(reel_sin(in[1])), REEL_LIST(xs), r);
    out[0] = reel_add(reel_add(r[0], reel_mean_axes(r[1], REEL_AXES(0), false)), reel_sum(reel_square(r[2])));
    return reel_status();
}
static int square_plus(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct around *a = self;
    out[0] = reel_add(reel_mul(reel_square(in[0]), a->w), in[1]);
    return reel_status();
}
static int mapped(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct around *a = self;
    reel_tensor *r[1], *xs = reel_stack(REEL_LIST(in[0], in[1], in[0]), 0),
                       *ys = reel_stack(REEL_LIST(in[1], in[1], in[0]), 0);
    a->calls++;
    reel_map(REEL_FN(square_plus, a, 2, 1), REEL_LIST(xs, ys), r);
    out[0] = reel_mul(reel_sum_axes(r[0], REEL_AXES(0), false), in[1]);
    return reel_status();
}

static void test_scan(void)
{
    struct around a;
    around_init(&a);
    compare(&a, REEL_FN(recurrent, &a, 2, 1), "scan", 1);
    a.calls = 0;
    compare(&a, REEL_FN(mapped, &a, 2, 1), "map", 1);
    gradients(&a, REEL_FN(recurrent, &a, 2, 1), "scan");
    gradients(&a, REEL_FN(mapped, &a, 2, 1), "map");
    reel_vars_free(a.vars);
}

/* Sequences of any length in one trace; a long one; empty ones; wrong ones. */
static int sum_step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_add(in[0], in[1]);
    out[1] = out[0];
    return reel_status();
}
static int sums(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    return reel_scan(REEL_FN(sum_step, NULL, 2, 2), REEL_LIST(reel_num(0)), REEL_LIST(in[0]), out);
}
static void test_lengths(void)
{
    REEL_SCOPED;
    reel_function *f = reel_function_new(REEL_FN(sums, NULL, 1, 2), NULL);
    int different = 0;
    for (int n = 1; n <= 2100; n = n < 12 ? n + 1 : n * 13) {
        REEL_SCOPED;
        reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(n)), *e[2], *r[2];
        reel_invoke(REEL_FN(sums, NULL, 1, 2), REEL_LIST(x), e);
        reel_function_call(f, REEL_LIST(x), r);
        different += !same_bits(e[0], r[0]) || !same_bits(e[1], r[1]) || reel_dim(e[1], 0) != n;
    }
    TAP_EQ_INT(different, 0);
    TAP_EQ_INT(reel_function_traces(f), 3);
    reel_function_free(f);
    expect_none("lengths");
    reel_tensor *out[2], *x = reel_ones(REEL_F32, REEL_SHAPE(3, 2)), *y = reel_ones(REEL_F32, REEL_SHAPE(2, 2));
    reel_scan(REEL_FN(sum_step, NULL, 2, 2), REEL_LIST(reel_num(0)), REEL_LIST(reel_num(1)), out);
    expect_error(REEL_ESHAPE, "xs[0] has shape []", "reel_scan", "no sequence");
    reel_map(REEL_FN(sum_step, NULL, 2, 2), REEL_LIST(x, y), out);
    expect_error(REEL_ESHAPE, "xs[1] has shape [2,2]", "length 3", "two lengths");
    reel_scan(REEL_FN(sum_step, NULL, 2, 2), REEL_LIST(reel_num(0)), REEL_LIST(x), out);
    expect_error(REEL_ESHAPE, "state 0 from f32[] to f32[2]", "reel_scan", "a state that grows");
    reel_map(REEL_FN(sum_step, NULL, 2, 2), ((reel_list){0, NULL}), out);
    expect_error(REEL_EARG, "0 sequences", "reel_map", "no sequences");
}

/* ---- graphs, nesting, unknown sizes ------------------------------------------------------------------------ */

static int not_done(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_less(in[0], in[2]);
    return reel_status();
}
static int halve_or_grow(void *self, reel_tensor *const in[], reel_tensor *out[]);
static int halve(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_mul(in[0], reel_num(0.5));
    return reel_status();
}
static int grow(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    out[0] = reel_add(reel_mul(in[0], reel_num(3)), self);
    return reel_status();
}
static int halve_or_grow(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_add(in[0], reel_num(1));
    reel_cond(reel_greater(reel_mean(in[1]), reel_num(1)), REEL_FN(halve, NULL, 1, 1), REEL_FN(grow, self, 1, 1),
              REEL_LIST(in[1]), out + 1);
    out[2] = in[2];
    return reel_status();
}

static void test_graph(void)
{
    REEL_SCOPED;
    const int32_t zero = 0;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 2), "x"),
                *n = reel_placeholder(REEL_I32, REEL_SCALAR, "n");
    reel_tensor *bias = reel_placeholder(REEL_F32, REEL_SHAPE(2), "bias"), *out[3];
    reel_while(REEL_FN(not_done, NULL, 3, 1), REEL_FN(halve_or_grow, bias, 3, 3), REEL_LIST(reel_zeros_like(n), x, n),
               NULL, out);
    reel_output("y", out[1]);
    TAP_EQ_INT(reel_graph_end(g), 0);
    char *text = listing(g);
    TAP_OK(text && strstr(text, "while") && strstr(text, "test_control.c"), "the loop is a node with its line");
    free(text);
    reel_session *s = reel_session_new(g, NULL);
    int different = 0;
    for (int32_t i = 0; i < 10; i++) {
        reel_tensor *y[1], *e[3], *b = reel_full(REEL_F32, REEL_SHAPE(2), 0.25 * i),
                                  *v = reel_randn(REEL_F32, REEL_SHAPE(1 + i % 3, 2)),
                                  *k = reel_from_i32(REEL_SCALAR, &i, 1);
        reel_session_run(s, REEL_FEEDS({"x", v}, {"n", k}, {"bias", b}), REEL_FETCHES("y"), y);
        reel_while(REEL_FN(not_done, NULL, 3, 1), REEL_FN(halve_or_grow, b, 3, 3),
                   REEL_LIST(reel_from_i32(REEL_SCALAR, &zero, 1), v, k), NULL, e);
        different += !same_bits(y[0], e[1]);
    }
    TAP_EQ_INT(different, 0);
    expect_none("graph");
    reel_session_free(s);
    reel_graph_free(g);
}

/* Fibonacci by a loop that carries integers; a loop that ends at once; random numbers inside. */
static int fib_more(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_greater(in[2], reel_num(0));
    return reel_status();
}
static int fib_step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = in[1];
    out[1] = reel_add(in[0], in[1]);
    out[2] = reel_sub(in[2], reel_num(1));
    return reel_status();
}
static int fib(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *r[3];
    reel_while(REEL_FN(fib_more, NULL, 3, 1), REEL_FN(fib_step, NULL, 3, 3),
               REEL_LIST(reel_zeros_like(in[0]), reel_ones_like(in[0]), in[0]), NULL, r);
    out[0] = r[0];
    return reel_status();
}
static int walk_step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_add(in[0], reel_randn(REEL_F32, REEL_SHAPE(3)));
    out[1] = reel_sub(in[1], reel_num(1));
    return reel_status();
}
static int walk_more(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_greater(in[1], reel_num(0));
    return reel_status();
}
static int random_walk(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *r[2];
    reel_while(REEL_FN(walk_more, NULL, 2, 1), REEL_FN(walk_step, NULL, 2, 2),
               REEL_LIST(reel_zeros(REEL_F32, REEL_SHAPE(3)), in[0]), NULL, r);
    out[0] = reel_add(r[0], reel_randn(REEL_F32, REEL_SHAPE(3)));
    return reel_status();
}

static void test_integers_and_draws(void)
{
    REEL_SCOPED;
    static const int64_t want[] = {0, 1, 1, 2, 3, 5, 8, 13, 21, 34};
    reel_function *f = reel_function_new(REEL_FN(fib, NULL, 1, 1), NULL),
                  *w = reel_function_new(REEL_FN(random_walk, NULL, 1, 1), NULL);
    int wrong = 0, different = 0;
    for (int64_t i = 0; i < 10; i++) {
        reel_tensor *n = reel_from_i64(REEL_SCALAR, &i, 1), *out[1], *e[1], *r[1];
        reel_function_call(f, REEL_LIST(n), out);
        wrong += reel_item(out[0]) != (double)want[i];
        reel_seed((uint64_t)i);
        reel_invoke(REEL_FN(random_walk, NULL, 1, 1), REEL_LIST(n), e);
        reel_tensor *after = reel_randn(REEL_F32, REEL_SHAPE(3));
        reel_seed((uint64_t)i);
        reel_function_call(w, REEL_LIST(n), r);
        different += !same_bits(e[0], r[0]) || !same_bits(after, reel_randn(REEL_F32, REEL_SHAPE(3)));
    }
    TAP_EQ_INT(wrong, 0);
    TAP_EQ_INT(different, 0);
    TAP_EQ_INT(reel_function_traces(f) + reel_function_traces(w), 2);
    reel_function_free(f);
    reel_function_free(w);
    expect_none("integers and draws");
}

/* ---- what they refuse ------------------------------------------------------------------------------------- */

static int grows(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_concat(REEL_LIST(in[0], in[0]), 0);
    return reel_status();
}
static int other_dtype(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_cast(in[0], REEL_F32);
    return reel_status();
}
static int same(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = in[0];
    return reel_status();
}
static int always(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_greater(reel_sum(reel_square(in[0])), reel_num(-1));
    return reel_status();
}
static int no_bool(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_sum(in[0]);
    return reel_status();
}
static int two_bools(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_greater(in[0], reel_num(0));
    return reel_status();
}
static int reads(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_mul(in[0], reel_num(reel_item(reel_sum(in[0]))));
    return reel_status();
}
static int uses_outside(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    out[0] = reel_add(in[0], self);
    return reel_status();
}
struct bad {
    reel_fn cond, body;
    reel_fn yes, no;
};
static int bad_loop(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct bad *b = self;
    if (b->cond.body) return reel_while(b->cond, b->body, REEL_LIST(in[0]), REEL_OPTS(while, .max_steps = 2), out);
    return reel_cond(reel_greater(reel_sum(in[0]), reel_num(0)), b->yes, b->no, REEL_LIST(in[0]), out);
}

static void test_refused(void)
{
    REEL_SCOPED;
    reel_tensor *x = vec(1, 2, 3, 4), *outside = vec(1, 1, 1, 1);
    const struct {
        struct bad b;
        int code;
        bool eager; /* refused eagerly too */
        const char *one, *two;
    } cases[] = {
        {{.cond = REEL_FN(always, NULL, 1, 1), .body = REEL_FN(grows, NULL, 1, 1)},
         REEL_ESHAPE,
         true,
         "state 0 from f64[4] to f64[8]",
         "reel_while"},
        {{.cond = REEL_FN(always, NULL, 1, 1), .body = REEL_FN(other_dtype, NULL, 1, 1)},
         REEL_EDTYPE,
         true,
         "state 0 from f64[4] to f32[4]",
         "test_control.c:"},
        {{.cond = REEL_FN(no_bool, NULL, 1, 1), .body = REEL_FN(same, NULL, 1, 1)},
         REEL_EDTYPE,
         true,
         "bool of one element, not f64[]",
         "reel_while"},
        {{.cond = REEL_FN(two_bools, NULL, 1, 1), .body = REEL_FN(same, NULL, 1, 1)},
         REEL_ESHAPE,
         true,
         "bool of one element, not bool[4]",
         "reel_while"},
        {{.cond = REEL_FN(always, NULL, 1, 1), .body = REEL_FN(same, NULL, 2, 1)},
         REEL_EARG,
         true,
         "must take 1 inputs and give 1 outputs, not 2 and 1",
         "body"},
        {{.yes = REEL_FN(grows, NULL, 1, 1), .no = REEL_FN(same, NULL, 1, 1)},
         REEL_ESHAPE,
         false,
         "the branches differ: out 0 from f64[8] to f64[4]",
         "reel_cond"},
        {{.yes = REEL_FN(same, NULL, 1, 1), .no = REEL_FN(other_dtype, NULL, 1, 1)},
         REEL_EDTYPE,
         false,
         "out 0 from f64[4] to f32[4]",
         "reel_cond"},
        {{.yes = REEL_FN(same, NULL, 1, 1), .no = {NULL, NULL, 1, 1, "none"}},
         REEL_EARG,
         true,
         "no has no body",
         "reel_cond"},
        {{.yes = REEL_FN(reads, NULL, 1, 1), .no = REEL_FN(same, NULL, 1, 1)},
         REEL_ETRACE,
         false,
         "reel_item",
         "part of a graph"},
        {{.yes = REEL_FN(uses_outside, outside, 1, 1), .no = REEL_FN(same, NULL, 1, 1)},
         REEL_ETRACE,
         false,
         "outside tensor",
         ".constants"},
    };
    for (int i = 0; i < (int)(sizeof cases / sizeof *cases); i++) {
        REEL_SCOPED;
        struct bad b = cases[i].b;
        reel_tensor *out[1];
        reel_function *f = reel_function_new(REEL_FN(bad_loop, &b, 1, 1), NULL);
        char name[32];
        snprintf(name, sizeof name, "case %d", i);
        const int eager = reel_invoke(REEL_FN(bad_loop, &b, 1, 1), REEL_LIST(x), out);
        TAP_OK(eager == (cases[i].eager ? cases[i].code : 0), "%s eagerly: %s", name, reel_code_name(eager));
        if (cases[i].eager)
            expect_error(cases[i].code, cases[i].one, cases[i].two, name);
        else
            reel_take_error(NULL);
        TAP_EQ_INT(reel_function_call(f, REEL_LIST(x), out), cases[i].code);
        expect_error(cases[i].code, cases[i].one, cases[i].two, name);
        reel_function_free(f);
    }
    reel_tensor *out[1];
    reel_while(REEL_FN(always, NULL, 1, 1), REEL_FN(same, NULL, 1, 1), REEL_LIST(x), REEL_OPTS(while, .max_steps = -1),
               out);
    expect_error(REEL_EARG, "max_steps is -1", "test_control.c:", "a negative bound");
    reel_while(REEL_FN(always, NULL, 0, 1), REEL_FN(same, NULL, 0, 0), ((reel_list){0, NULL}), NULL, out);
    expect_error(REEL_EARG, "needs a state", "reel_while", "no state");
    reel_cond(NULL, REEL_FN(same, NULL, 1, 1), REEL_FN(same, NULL, 1, 1), REEL_LIST(x), out);
    expect_error(REEL_EARG, "pred is NULL", "reel_cond", "no condition");
    reel_cond(x, REEL_FN(same, NULL, 1, 1), REEL_FN(same, NULL, 1, 1), REEL_LIST(x), out);
    expect_error(REEL_EDTYPE, "bool of one element, not f64[4]", "reel_cond", "no bool");
}

/* An error inside a replayed loop names the inner line; the function works on. */
static int index_more(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_less(in[0], reel_num(100));
    return reel_status();
}
static int index_step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    out[0] = reel_add(reel_gather(self, in[0], 0), in[0]);
    return reel_status();
}
static int chase(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    return reel_while(REEL_FN(index_more, NULL, 1, 1), REEL_FN(index_step, in[1], 1, 1), REEL_LIST(in[0]), NULL, out);
}
static void test_errors_inside(void)
{
    REEL_SCOPED;
    const int64_t good[3] = {1, 200, 300}, bad[3] = {1, 5, 300}, zero = 0;
    reel_function *f = reel_function_new(REEL_FN(chase, NULL, 2, 1), NULL);
    reel_tensor *out[1], *at = reel_from_i64(REEL_SCALAR, &zero, 1);
    for (int i = 0; i < 3; i++) {
        TAP_EQ_INT(reel_function_call(f, REEL_LIST(at, reel_from_i64(REEL_SHAPE(3), good, 3)), out), 0);
        TAP_OK(reel_item(out[0]) == 201, "a good chase");
        TAP_EQ_INT(reel_function_call(f, REEL_LIST(at, reel_from_i64(REEL_SHAPE(3), bad, 3)), out), REEL_EARG);
        expect_error(REEL_EARG, "index 6", "reel_gather", "an index out of range in the second step");
    }
    TAP_EQ_INT(reel_function_traces(f), 1);
    reel_function_free(f);
}

/* Nothing is left behind. */
static void test_leaks(void)
{
    struct around a;
    around_init(&a);
    reel_fn f = REEL_FN(loop, &a, 2, 1);
    reel_memory_stats before, after;
    for (int round = 0; round < 4; round++) {
        REEL_SCOPED;
        reel_function *fast = reel_function_new(REEL_FN(with_grad, &f, 2, 6), NULL);
        for (int i = 0; i < 3; i++) {
            REEL_SCOPED;
            reel_tensor *out[6];
            reel_function_call(fast, REEL_LIST(vec(1.5, -0.5, 2, 0.25), vec(1, 0.5, 1.5, 1.25)), out);
        }
        reel_function_free(fast);
        reel_memory(round == 1 ? &before : &after);
    }
    TAP_EQ_INT(after.tensors - before.tensors, 0);
    reel_vars_free(a.vars);
    expect_none("leaks");
}

TAP_MAIN(test_replays, test_gradients, test_scan, test_lengths, test_graph, test_integers_and_draws, test_refused,
         test_errors_inside, test_leaks)
