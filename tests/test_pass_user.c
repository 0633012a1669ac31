/* test_pass_user.c: passes of the user's own, what explain says, and that the work grows with the graph, no faster. */
#include <time.h>
#include "passes_help.h"

static void expect_text(const char *one, const char *two, const char *what)
{
    reel_error e;
    if (!TAP_OK(reel_take_error(&e) && strstr(e.text, one) && strstr(e.text, two), "%s: error", what))
        TAP_NOTE("got %s, expected \"%s\" and \"%s\"", e.text, one, two);
}

/* ---- a pass of the user's own ---------------------------------------------------------------------------- */

static int asked;
/* tanh(-x) is -tanh(x); also counts. */
static int odd(void *self, const reel_pass_node *n, reel_tensor *out[])
{
    reel_pass_node in;
    int output;
    (*(int *)self)++;
    TAP_OK(n->n_in == 1 && n->n_out == 1 && strcmp(n->op, "tanh") == 0 && strstr(n->site, ".c:"),
           "a rule sees %s of %s", n->op, n->site);
    if (reel_pass_source(n->in[0], &in, &output)) return reel_status();
    if (strcmp(in.op, "neg") == 0) out[0] = reel_neg_at(rule_site = REEL_HERE, reel_tanh(in.in[0]));
    return reel_status();
}
static int wrong_shape(void *self, const reel_pass_node *n, reel_tensor *out[])
{
    (void)self;
    if (strcmp(n->op, "tanh") == 0) out[0] = reel_sum(n->in[0]);
    return reel_status();
}
static int raises(void *self, const reel_pass_node *n, reel_tensor *out[])
{
    (void)self;
    out[0] = reel_matmul(n->in[0], n->in[0]);
    return reel_status();
}
static int draws(void *self, const reel_pass_node *n, reel_tensor *out[])
{
    (void)self;
    out[0] = reel_add(n->in[0], reel_uniform_like(n->in[0], 0, 1, NULL));
    return reel_status();
}
static int a_number(void *self, const reel_pass_node *n, reel_tensor *out[])
{
    (void)self, (void)n;
    out[0] = reel_num(2);
    return reel_status();
}
static int its_number(void *self, const reel_pass_node *n, reel_tensor *out[])
{
    (void)self;
    out[0] = n->in[1];
    return reel_status();
}
static int returns_7(void *self, const reel_pass_node *n, reel_tensor *out[])
{
    (void)self, (void)n, (void)out;
    return 7;
}
static int outside(void *self, const reel_pass_node *n, reel_tensor *out[])
{
    (void)n;
    out[0] = *(reel_tensor **)self;
    return reel_status();
}
static int numbers(void *self, const reel_pass_node *n, reel_tensor *out[])
{
    double x;
    if (n->n_in == 2 && reel_pass_number(n->in[1], &x)) *(double *)self += x;
    (void)out;
    return 0;
}

static reel_tensor *odd_ones(reel_tensor *x, reel_tensor *y)
{
    (void)y;
    return reel_mul(reel_add(reel_tanh(reel_neg(x)), reel_tanh(x)), reel_num(5));
}

static void fails(const char *pass, const char *one, const char *two)
{
    REEL_SCOPED;
    reel_graph *g = build(odd_ones);
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .passes = pass));
    reel_tensor *out[1];
    (void)reel_session_run(s, REEL_FEEDS({"x", feed_x()}), REEL_FETCHES("z"), out);
    expect_text(one, two, pass);
    reel_session_free(s);
    reel_graph_free(g);
}

static void test_users_pass(void)
{
    static double sum;
    static reel_tensor *other;
    reel_pass_info info[64];
    const int before = reel_passes(NULL, 0);
    TAP_EQ_INT(
        reel_pass_register(&(reel_pass_def){.name = "odd", .law = "odd", .op = "tanh", .rule = odd, .self = &asked}),
        0);
    TAP_EQ_INT(reel_pass_register(&(reel_pass_def){.name = "wrong_shape", .rule = wrong_shape}), 0);
    TAP_EQ_INT(reel_pass_register(&(reel_pass_def){.name = "raises", .op = "tanh", .rule = raises}), 0);
    TAP_EQ_INT(reel_pass_register(&(reel_pass_def){.name = "draws", .op = "tanh", .rule = draws}), 0);
    TAP_EQ_INT(reel_pass_register(&(reel_pass_def){.name = "returns_7", .op = "tanh", .rule = returns_7}), 0);
    TAP_EQ_INT(reel_pass_register(&(reel_pass_def){.name = "outside", .op = "tanh", .rule = outside, .self = &other}),
               0);
    TAP_EQ_INT(reel_pass_register(&(reel_pass_def){.name = "numbers", .rule = numbers, .self = &sum}), 0);
    TAP_EQ_INT(reel_pass_register(&(reel_pass_def){.name = "a_number", .op = "tanh", .rule = a_number}), 0);
    TAP_EQ_INT(reel_pass_register(&(reel_pass_def){.name = "its_number", .op = "mul", .rule = its_number}), 0);
    TAP_EQ_INT(reel_passes(info, 64), before + 9);
    TAP_OK(strcmp(info[before].name, "odd") == 0 && !info[before].by_default, "it is listed");
    (void)reel_pass_register(&(reel_pass_def){.name = "odd", .rule = odd});
    expect_error(REEL_EARG, "there is a pass \"odd\"", "", "taken");
    (void)reel_pass_register(&(reel_pass_def){.name = "share", .rule = odd});
    expect_error(REEL_EARG, "there is a pass \"share\"", "", "built in");
    (void)reel_pass_register(&(reel_pass_def){.name = "a b", .rule = odd});
    expect_error(REEL_EARG, "\"a b\" is no name", "", "no name");
    (void)reel_pass_register(&(reel_pass_def){.name = "default", .rule = odd});
    expect_error(REEL_EARG, "\"default\" is no name", "", "no name");
    (void)reel_pass_register(&(reel_pass_def){.name = "c"});
    expect_error(REEL_EARG, "rule is NULL", "", "no rule");
    (void)reel_pass_register(NULL);
    expect_error(REEL_EARG, "def is NULL", "", "nothing");

    TAP_EQ_INT(nodes_after("odd", odd_ones, "odd,share,prune", 0, true), 7);
    TAP_EQ_INT(asked, 2);
    TAP_EQ_INT(sites_of_rule, 0);
    TAP_EQ_INT(nodes_after("numbers", odd_ones, "numbers", 0, false), 8);
    TAP_EQ_INT((int)sum, 5);
    fails("wrong_shape", "pass \"wrong_shape\": out[0] in place of reel_tanh is f32[], it was f32[2,3]", ".c:");
    fails("raises", "reel_matmul", "(in pass \"raises\")");
    fails("draws", "pass \"draws\" puts a reel_uniform_like in place of reel_tanh", "other numbers");
    fails("its_number", "out[0] in place of reel_mul is a number without dtype", "");
    fails("a_number", "out[0] in place of reel_tanh is", "");
    fails("returns_7", "pass \"returns_7\" returned 7 without an error", "");
    REEL_SCOPED;
    other = feed_x();
    fails("outside", "out[0] in place of reel_tanh is no tensor of this graph", "");
    reel_pass_node n;
    (void)reel_pass_source(other, &n, NULL);
    expect_error(REEL_EARG, "reel_pass_source", "no tensor of a graph", "outside of a rule");
    double x;
    TAP_OK(reel_pass_number(reel_num(3), &x) && x == 3 && !reel_pass_number(other, &x) && !reel_pass_number(NULL, &x),
           "numbers outside of a rule");
}

static reel_tensor *twice(reel_tensor *x, reel_tensor *y)
{
    (void)y;
    reel_tensor *a = reel_exp(reel_mul(x, reel_num(3))), *b = reel_exp(reel_mul(x, reel_num(3)));
    return reel_add(reel_add(a, b), reel_sum_axes(reel_softmax(x, -1), REEL_AXES(1), true));
}

/* Sizes that depend on data: two equal counts are one seam. */
static int counting(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *a = reel_nonzero(in[0]), *b = reel_nonzero(in[0]);
    out[0] = reel_add(reel_mul(a, reel_num(1)), reel_neg(reel_neg(b)));
    return reel_status();
}

/* ---- explain ------------------------------------------------------------------------------------------------ */

static void test_explain(void)
{
    REEL_SCOPED;
    char *text = NULL;
    size_t n = 0;
    reel_graph *g = build(twice);
    reel_session *s = reel_session_new(g, NULL);
    FILE *f = open_memstream(&text, &n);
    (void)reel_session_explain(f, s);
    expect_error(REEL_EARG, "reel_session_explain", "not run yet", "before the first run");
    (void)reel_session_explain(NULL, s);
    expect_error(REEL_EARG, "f is NULL", "", "no stream");
    reel_tensor *out[1];
    (void)reel_session_run(s, REEL_FEEDS({"x", feed_x()}), REEL_FETCHES("z"), out);
    TAP_EQ_INT(reel_session_explain(f, s), 0);
    fclose(f);
    static const char *const has[] = {"pass", "share", "->", "arena of", "softmax", "result", ".c:", "f32[2,3]"};
    for (size_t i = 0; i < sizeof has / sizeof *has; i++) TAP_OK(strstr(text, has[i]), "it says %s", has[i]);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) TAP_NOTE("  %s", line);
    free(text);
    reel_session_free(s);
    reel_graph_free(g);
    reel_function *fn = reel_function_new(REEL_FN(counting, NULL, 1, 1), NULL);
    (void)reel_function_explain_plan(stdout, fn);
    expect_error(REEL_EARG, "no trace yet", "", "a function before its first call");
    reel_tensor *x = feed_y();
    for (int i = 0; i < 2; i++) (void)reel_function_call(fn, REEL_LIST(x), out);
    f = open_memstream(&text, &n);
    TAP_EQ_INT(reel_function_explain_plan(f, fn), 0);
    fclose(f);
    TAP_OK(strstr(text, "behind the count, where it was 5"), "a function's plan, with its segments");
    free(text);
    reel_function_free(fn);
    expect_none("explain");
}

/* ---- size --------------------------------------------------------------------------------------------------- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* other programs run too */
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Some of everything: chains, views, numbers, equal expressions, reductions. */
static reel_graph *large(int n)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 4), "x"), *y = x, *z = x;
    while (reel_graph_nodes(g) < n && !reel_status()) {
        z = reel_add(z, reel_mul(reel_tanh(y), reel_num(0.5)));
        y = reel_neg(reel_neg(reel_transpose(reel_relu(reel_transpose(z, REEL_ALL_AXES)), REEL_ALL_AXES)));
        y = reel_sub(y, reel_mul(reel_tanh(y), reel_tanh(y)));
        y = reel_div(y,
                     reel_add(reel_full(REEL_F32, REEL_SHAPE(4), 1), reel_sum_axes(reel_abs(z), REEL_AXES(1), true)));
    }
    (void)reel_output("y", y);
    (void)reel_graph_end(g);
    return g;
}

static size_t work_of(int n, bool timed)
{
    REEL_SCOPED;
    const double t0 = now();
    reel_graph *g = large(n);
    const double t1 = now();
    reel_session *s = reel_session_new(g, NULL);
    reel_tensor *x = reel_ones(REEL_F32, REEL_SHAPE(2, 4)), *out[1];
    (void)reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y"), out);
    const double t2 = now();
    (void)reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y"), out);
    const double t3 = now();
    expect_none("a large graph");
    const reel_plan *plan = reel_session_plan_(s);
    const size_t work = plan->work;
    if (timed)
        TAP_NOTE("%d nodes: traced in %.1f ms, optimized and planned in %.1f ms (%zu nodes left, %d steps), replayed "
                 "in %.1f ms",
                 n, (t1 - t0) * 1e3, (t2 - t1 - (t3 - t2)) * 1e3, plan->graph->n_nodes, plan->n_steps, (t3 - t2) * 1e3);
    reel_session_free(s);
    reel_graph_free(g);
    return work;
}

static void test_linear(void)
{
    (void)work_of(1000, false);
    const size_t small = work_of(1000, true), more = work_of(10000, true), most = work_of(100000, true);
    TAP_OK(more < 11 * small && most < 11 * more, "the work grows as the graph does: %zu, %zu, %zu operations", small,
           more, most);
}

TAP_MAIN(test_users_pass, test_explain, test_linear)
