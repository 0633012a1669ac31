/* Gradients of placeholder graphs: the values and bits of reel_vjp under a tape, of any order, with unknown sizes, through variables,
   control flow and custom gradients; what is refused. */
#include "trace_help.h"

static reel_tensor *vec3(double a, double b, double c)
{
    const double x[3] = {a, b, c};
    return reel_from_f64(REEL_SHAPE(3), x, 3);
}

/* ---- a program that can be run on tensors and on placeholders -------------------------------------------- */

struct around {
    reel_vars *vars;
    reel_tensor *w;
    reel_graph *last;
};

static int twice(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_mul(in[0], reel_num(2));
    return reel_status();
}
static int five_times(void *self, reel_tensor *const in[], reel_tensor *out[]) /* in: x, y, dy */
{
    (void)self;
    out[0] = reel_mul(reel_mul(in[2], reel_num(5)), reel_square(in[0]));
    return reel_status();
}
static int same(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = in[0];
    return reel_status();
}
static int reversed(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_neg(in[2]);
    return reel_status();
}
static int plain(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct around *a = self;
    reel_tensor *h = reel_tanh(reel_mul(in[0], a->w));
    out[0] = reel_add(reel_mul(h, in[1]), reel_div(reel_exp(reel_neg(in[0])), reel_add(in[1], reel_num(3))));
    return reel_status();
}
static int customs(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct around *a = self;
    reel_tensor *c[1], *d[1];
    reel_custom_grad(REEL_FN(twice, NULL, 1, 1), REEL_FN(five_times, NULL, 3, 1), REEL_LIST(reel_sin(in[0])), c);
    reel_custom_grad(REEL_FN(same, NULL, 1, 1), REEL_FN(reversed, NULL, 3, 1), REEL_LIST(reel_mul(in[1], a->w)), d);
    out[0] = reel_add(reel_mul(c[0], in[1]), reel_mul(d[0], in[0]));
    return reel_status();
}
static int custom_inside(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    return reel_custom_grad(REEL_FN(twice, NULL, 1, 1), REEL_FN(five_times, NULL, 3, 1), REEL_LIST(in[0]), out);
}
static int branches(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct around *a = self;
    reel_tensor *r[1];
    reel_cond(reel_greater(reel_sum(in[0]), reel_num(0)), REEL_FN(custom_inside, NULL, 1, 1),
              REEL_FN(twice, NULL, 1, 1), REEL_LIST(reel_mul(in[0], a->w)), r);
    out[0] = reel_mul(r[0], in[1]);
    return reel_status();
}
static int more(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_greater(reel_sum(reel_square(in[0])), reel_num(0.2));
    return reel_status();
}
static int step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct around *a = self;
    out[0] = reel_mul(reel_tanh(reel_mul(in[0], a->w)), reel_num(0.9));
    return reel_status();
}
static int loops(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *r[1];
    reel_while(REEL_FN(more, self, 1, 1), REEL_FN(step, self, 1, 1), REEL_LIST(reel_mul(in[0], in[1])), NULL, r);
    out[0] = reel_add(r[0], in[1]);
    return reel_status();
}
static int cell(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct around *a = self;
    out[0] = reel_tanh(reel_add(reel_mul(in[0], a->w), in[1]));
    out[1] = reel_square(out[0]);
    return reel_status();
}
static int scans(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *r[2];
    reel_scan(REEL_FN(cell, self, 2, 2), REEL_LIST(in[1]), REEL_LIST(reel_stack(REEL_LIST(in[0], in[1], in[0]), 0)), r);
    out[0] = reel_add(r[0], reel_mean_axes(r[1], REEL_AXES(0), false));
    return reel_status();
}

/* Gradients of both orders, by tapes. */
static int by_tapes(reel_fn f, const struct around *a, reel_tensor *x, reel_tensor *y, reel_tensor *out[6])
{
    reel_tensor *r[1], *in[2] = {x, y};
    reel_tape *outer = reel_tape_begin(NULL);
    reel_watch(outer, REEL_LIST(x, y));
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(x, y));
    if (f.body(f.self, in, r)) return reel_status();
    reel_vjp(t, REEL_LIST(r[0]), REEL_LIST(reel_ones_like(r[0])), REEL_LIST(x, y, a->w), out);
    reel_tensor *s =
        reel_add(reel_sum(reel_square(out[0])), reel_add(reel_sum(reel_mul(out[1], out[1])), reel_sum(out[2])));
    return reel_grad(outer, s, REEL_LIST(x, y, a->w), out + 3);
}

/* And as nodes. */
static reel_graph *by_nodes(reel_fn f, const struct around *a, bool unknown)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    const reel_shape s = unknown ? REEL_SHAPE(REEL_ANY) : REEL_SHAPE(3);
    reel_tensor *in[2] = {reel_placeholder(REEL_F64, s, "x"), reel_placeholder(REEL_F64, s, "y")}, *r[1], *d[6];
    f.body(f.self, in, r);
    reel_graph_grad(REEL_LIST(r[0]), REEL_LIST(in[0], in[1], a->w), NULL, d);
    reel_tensor *sum = reel_add(reel_sum(reel_square(d[0])), reel_add(reel_sum(reel_mul(d[1], d[1])), reel_sum(d[2])));
    reel_graph_grad(REEL_LIST(sum), REEL_LIST(in[0], in[1], a->w), NULL, d + 3);
    static const char *const names[6] = {"dx", "dy", "dw", "ddx", "ddy", "ddw"};
    for (int i = 0; i < 6; i++) reel_output(names[i], d[i]);
    return reel_graph_end(g) ? NULL : g;
}

static double apart(reel_tensor *a, reel_tensor *b)
{
    return reel_item(reel_max(reel_abs(reel_sub(a, b)), 0)) / (1e-300 + reel_item(reel_max(reel_abs(b), 0)));
}

static void compare(reel_fn f, struct around *a, const char *name)
{
    REEL_SCOPED;
    for (int unknown = 0; unknown < 2; unknown++) {
        reel_graph *g = by_nodes(f, a, unknown);
        expect_none(name);
        reel_session *s = g ? reel_session_new(g, NULL) : NULL;
        for (int k = 0; k < 3 && s; k++) {
            reel_tensor *x = vec3(1.5 - k, -0.5, 0.25 * k + 0.1), *y = vec3(0.5, 1 + k, -0.75), *e[6], *r[6];
            by_tapes(f, a, x, y, e);
            reel_session_run(s, REEL_FEEDS({"x", x}, {"y", y}), REEL_FETCHES("dx", "dy", "dw", "ddx", "ddy", "ddw"), r);
            expect_none(name);
            int different = 0;
            for (int i = 0; i < 3; i++) different += !same_bits(e[i], r[i]);
            TAP_OK(different == 0, "%s: %d of 3 gradients have other bits", name, different);
            for (int i = 3; i < 6; i++)
                TAP_OK(apart(r[i], e[i]) < 1e-13, "%s: second order %d is off by %g", name, i, apart(r[i], e[i]));
        }
        reel_session_free(s);
        reel_graph_free(g);
    }
    expect_none(name);
}

static void test_same_as_tapes(void)
{
    struct around a = {.vars = reel_vars_new("g")};
    a.w = reel_var(a.vars, "w", vec3(0.9, -0.8, 0.7));
    compare(REEL_FN(plain, &a, 2, 1), &a, "plain");
    compare(REEL_FN(customs, &a, 2, 1), &a, "custom gradients");
    compare(REEL_FN(branches, &a, 2, 1), &a, "cond");
    compare(REEL_FN(loops, &a, 2, 1), &a, "while");
    compare(REEL_FN(scans, &a, 2, 1), &a, "scan");
    reel_vars_free(a.vars);
}

/* ---- what may be asked for --------------------------------------------------------------------------------- */

static double run1(reel_session *s, const char *name, double x)
{
    REEL_SCOPED;
    reel_tensor *out[1];
    if (reel_session_run(s, REEL_FEEDS({"x", reel_full(REEL_F64, REEL_SCALAR, x)}), REEL_FETCHES(name), out))
        return -1e9;
    return reel_item(out[0]);
}

static void test_options(void)
{
    REEL_SCOPED;
    reel_vars *vars = reel_vars_new("v");
    reel_tensor *w = reel_var(vars, "w", reel_full(REEL_F64, REEL_SCALAR, 3)), *d[3];
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F64, REEL_SCALAR, "x"),
                *other = reel_placeholder(REEL_F64, REEL_SCALAR, "other");
    reel_tensor *mid = reel_square(x), *y = reel_mul(mid, x), *z = reel_mul(mid, w);
    reel_graph_grad(REEL_LIST(y), REEL_LIST(x, mid, other), NULL, d); /* of a value in the middle, too */
    reel_output("dx", d[0]);
    reel_output("dmid", d[1]);
    reel_output("dother", d[2]);
    reel_graph_grad(REEL_LIST(y, z), REEL_LIST(x, w),
                    REEL_OPTS(graph_grad, .grad_ys = REEL_LIST(NULL, reel_full(REEL_F64, REEL_SCALAR, 10))), d);
    reel_output("both", d[0]);
    reel_output("dw", d[1]);
    reel_graph_grad(REEL_LIST(y), REEL_LIST(x), REEL_OPTS(graph_grad, .stop = REEL_LIST(mid)), d);
    reel_output("stopped", d[0]);
    TAP_EQ_INT(reel_graph_grad(REEL_LIST(y), REEL_LIST(other, x), REEL_OPTS(graph_grad, .null = true), d), 0);
    TAP_OK(d[0] == NULL && d[1] != NULL, "NULL where nothing depends on it");
    reel_graph_grad(REEL_LIST(y), REEL_LIST(x), NULL, d);
    for (int order = 2; order <= 4; order++) reel_graph_grad(REEL_LIST(d[0]), REEL_LIST(x), NULL, d);
    reel_output("fourth", d[0]); /* of x^3: zeros, through a constant 6 */
    reel_graph_grad(REEL_LIST(x), REEL_LIST(x), NULL, d);
    reel_output("one", d[0]);
    /* a variable that has been assigned is its value of this moment */
    reel_assign(w, reel_mul(w, x));
    reel_tensor *after = reel_square(w);
    reel_graph_grad(REEL_LIST(after), REEL_LIST(w, x), NULL, d);
    reel_output("after", d[0]);
    reel_output("through", d[1]);
    TAP_EQ_INT(reel_graph_end(g), 0);
    reel_session *s = reel_session_new(g, NULL);
    TAP_OK(run1(s, "dx", 2) == 12 && run1(s, "dmid", 2) == 2 && run1(s, "dother", 2) == 0,
           "x^3: by x, by x^2, by nothing");
    TAP_OK(run1(s, "both", 2) == 12 + 120 && run1(s, "dw", 2) == 40, "several ys with gradients of their own");
    TAP_OK(run1(s, "stopped", 2) == 4, "a value taken for a constant");
    TAP_OK(run1(s, "fourth", 2) == 0 && run1(s, "one", 2) == 1, "fourth order; d x / d x");
    TAP_OK(run1(s, "after", 2) == 12 && run1(s, "through", 2) == 36, "an assigned variable: its value of this moment");
    expect_none("options");
    char *text = listing(g);
    TAP_OK(text && strstr(text, "test_graph_grad.c"), "gradient nodes have the user's lines");
    free(text);
    reel_session_free(s);
    reel_graph_free(g);
    reel_vars_free(vars);
}

/* A training step of a placeholder graph: gradients, then assignments. */
static void test_training(void)
{
    REEL_SCOPED;
    reel_vars *vars = reel_vars_new("t");
    reel_tensor *w = reel_var(vars, "w", reel_zeros(REEL_F32, REEL_SHAPE(2, 1))), *d[1], *out[2];
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 2), "x"),
                *y = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 1), "y");
    reel_tensor *loss = reel_mean(reel_square(reel_sub(reel_matmul(x, w), y)));
    reel_graph_grad(REEL_LIST(loss), REEL_LIST(w), NULL, d);
    reel_assign(w, reel_sub(w, reel_mul(d[0], reel_num(0.3))));
    reel_output("loss", loss);
    TAP_EQ_INT(reel_graph_end(g), 0);
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .effects = true));
    double first = 0, last = 0;
    for (int i = 0; i < 60; i++) {
        REEL_SCOPED;
        reel_tensor *in = reel_randn(REEL_F32, REEL_SHAPE(8 + i % 3, 2));
        const float truth[2] = {2, -1};
        reel_tensor *want = reel_matmul(in, reel_from_f32(REEL_SHAPE(2, 1), truth, 2));
        reel_session_run(s, REEL_FEEDS({"x", in}, {"y", want}), REEL_FETCHES("loss"), out);
        last = reel_item(out[0]);
        if (i == 0) first = last;
    }
    TAP_OK(first > 1 && last < 1e-4, "60 steps take the loss from %g to %g", first, last);
    expect_none("training");
    reel_session_free(s);
    reel_graph_free(g);
    reel_vars_free(vars);
}

/* reel_minimize in a graph of placeholders; the nodes of its backward have lines and scopes. */
static void test_minimize(void)
{
    REEL_SCOPED;
    reel_vars *vars = reel_vars_new("m");
    reel_tensor *w = reel_var(vars, "w", reel_zeros(REEL_F32, REEL_SHAPE(2, 1))), *out[1], *d[1];
    reel_optimizer *opt = reel_sgd(vars, REEL_OPTS(sgd, .lr = 0.2));
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 2), "x");
    reel_tape *t = reel_tape_begin(NULL);
    reel_name_scope_begin("loss");
    reel_tensor *y = reel_matmul(x, w), *loss = reel_mean(reel_square(reel_sub(y, reel_ones_like(y))));
    reel_name_scope_end();
    reel_output("loss", loss);
    reel_name_scope_begin("gradients");
    reel_graph_grad(REEL_LIST(loss), REEL_LIST(x), NULL, d);
    reel_name_scope_end();
    reel_output("dx", d[0]);
    TAP_EQ_INT(reel_minimize(opt, t, loss), 0);
    TAP_EQ_INT(reel_graph_end(g), 0);
    char *text = listing(g);
    TAP_OK(text && strstr(text, "test_graph_grad.c") && strstr(text, "  loss") && strstr(text, "  gradients"),
           "lines and scopes");
    TAP_OK(text && !strstr(text, "  unknown"), "no node is without a line");
    free(text);
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .effects = true));
    double first = 0, last = 0;
    for (int i = 0; i < 40; i++) {
        REEL_SCOPED;
        reel_session_run(s, REEL_FEEDS({"x", reel_add(reel_randn(REEL_F32, REEL_SHAPE(8, 2)), reel_num(1))}),
                         REEL_FETCHES("loss"), out);
        last = reel_item(out[0]);
        if (i == 0) first = last;
    }
    TAP_OK(first == 1 && last < 0.7, "the optimizer's step in a graph: from %g to %g", first, last);
    expect_none("minimize");
    reel_session_free(s);
    reel_graph_free(g);
    reel_optimizer_free(opt);
    reel_vars_free(vars);
}

/* ---- under tapes of the graph --------------------------------------------------------------------------------- */

static void test_under_tape(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F64, REEL_SHAPE(3), "x"), *d[1];
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(x));
    reel_graph_grad(REEL_LIST(reel_sum(reel_mul(reel_square(x), x))), REEL_LIST(x), NULL, d);
    reel_output("second", reel_grad1(t, reel_sum(d[0]), x));
    TAP_EQ_INT(reel_graph_end(g), 0);
    reel_session *s = reel_session_new(g, NULL);
    reel_tensor *out[1], *in = vec3(1, 2, -3);
    reel_session_run(s, REEL_FEEDS({"x", in}), REEL_FETCHES("second"), out);
    TAP_OK(apart(out[0], reel_mul(in, reel_num(6))) < 1e-15, "a tape around it hears the gradient");
    expect_none("under a tape");
    reel_session_free(s);
    reel_graph_free(g);
}

/* ---- what is refused ---------------------------------------------------------------------------------------------- */

static void test_refused(void)
{
    REEL_SCOPED;
    reel_tensor *outside = vec3(1, 2, 3), *d[2];
    reel_graph_grad(REEL_LIST(outside), REEL_LIST(outside), NULL, d);
    expect_error(REEL_ETRACE, "no graph is open", "reel_graph_grad", "outside a graph");
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F64, REEL_SHAPE(3), "x"), *n = reel_argmax(x, 0), *y = reel_exp(x);
    reel_output("count", n);
    reel_graph_grad(REEL_LIST(n), REEL_LIST(x), NULL, d);
    expect_error(REEL_EDTYPE, "ys[0] is i64, %1 \"count\"", "test_graph_grad.c", "an integer");
    reel_graph_grad(REEL_LIST(y), REEL_LIST(outside), NULL, d);
    expect_error(REEL_ETRACE, "xs[0] is an outside tensor", "test_graph_grad.c", "an outside tensor");
    reel_graph_grad(REEL_LIST(y), REEL_LIST(x),
                    REEL_OPTS(graph_grad, .grad_ys = REEL_LIST(reel_ones(REEL_F64, REEL_SHAPE(2)))), d);
    expect_error(REEL_ESHAPE, "grad_ys[0] is f64[2]", "\"exp\", is f64[3]", "a gradient of another shape");
    reel_graph_grad(REEL_LIST(y), REEL_LIST(x), REEL_OPTS(graph_grad, .grad_ys = REEL_LIST(y, y)), d);
    expect_error(REEL_EARG, "1 ys but 2 grad_ys", "reel_graph_grad", "too many gradients");
    reel_graph_grad(REEL_LIST(y), REEL_LIST(x), NULL, NULL);
    expect_error(REEL_EARG, "dxs is NULL", "reel_graph_grad", "nowhere to put them");
    reel_graph_grad(((reel_list){1, NULL}), REEL_LIST(x), NULL, d);
    expect_error(REEL_EARG, "the list is NULL", "ys", "no list");
    reel_graph_grad(REEL_LIST(reel_add(y, reel_num(1)), reel_num(2)), REEL_LIST(x), NULL, d);
    expect_error(REEL_EDTYPE, "ys[1] is a number", "reel_graph_grad", "a number");
    TAP_EQ_INT(reel_graph_grad(REEL_LIST(y), REEL_LIST(x), NULL, d), 0); /* all is well after that */
    TAP_EQ_INT(reel_graph_grad(((reel_list){0, NULL}), REEL_LIST(x), NULL, d), 0);
    TAP_EQ_INT(reel_graph_end(g), 0);
    reel_graph_free(g);
}

/* ---- unknown dimensions --------------------------------------------------------------------------------------- */

static int product_with_vector(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] =
        reel_matmul(reel_add(in[0], reel_from_f32(REEL_SHAPE(1, 3, 1, 1), (float[]){0.3f, 1.7f, -2.1f}, 3)), in[0]);
    return reel_status();
}
static int nothing_of_selected(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_mul(reel_masked_select(in[0], reel_greater(in[0], reel_num(0))), reel_num(-0.0));
    return reel_status();
}

/* What is not known is no reason for other gradients: other products, or a zero's other sign. */
static void test_unknown(void)
{
    static const struct {
        const char *name;
        int (*body)(void *, reel_tensor *const[], reel_tensor *[]);
    } all[] = {{"a batch by a vector", product_with_vector}, {"masked_select", nothing_of_selected}};
    reel_generator *gen = reel_generator_new(5);
    for (int run = 0; run < 60; run++) {
        REEL_SCOPED;
        const int k = run % 2;
        const reel_fn f = {all[k].body, NULL, 1, 1, all[k].name};
        reel_tensor *x = reel_normal(REEL_F32, REEL_SHAPE(3), 0.5, 2, gen), *y[1] = {NULL}, *d[1] = {NULL},
                    *got[1] = {NULL};
        reel_tape *t = reel_tape_begin(NULL);
        (void)reel_watch(t, REEL_LIST(x));
        (void)reel_invoke(f, REEL_LIST(x), y);
        reel_tensor *want = reel_grad1(t, reel_sum(y[0]), x);
        reel_graph *g = reel_graph_begin();
        reel_tensor *in = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY), "x");
        t = reel_tape_begin(NULL);
        (void)reel_watch(t, REEL_LIST(in));
        (void)reel_invoke(f, REEL_LIST(in), y);
        (void)reel_grad(t, reel_sum(y[0]), REEL_LIST(in), d);
        (void)reel_output("d", d[0]);
        (void)reel_graph_end(g);
        reel_session *s = reel_session_new(g, NULL);
        (void)reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("d"), got);
        float a[3] = {0}, b[3] = {1};
        TAP_OK(reel_read_f32(want, a, 3) == 0 && reel_read_f32(got[0], b, 3) == 0 && memcmp(a, b, sizeof a) == 0,
               "%s, run %d: the bits of eager", all[k].name, run);
        reel_session_free(s);
        reel_graph_free(g);
    }
    reel_generator_free(gen);
}

TAP_MAIN(test_same_as_tapes, test_options, test_training, test_minimize, test_under_tape, test_refused, test_unknown)
