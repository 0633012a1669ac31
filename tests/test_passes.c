/* test_passes.c: what each pass does, shown as the graph before and after; lists of passes; a pass of the user's own; what must survive: bits,
   names, lines, effects, draws, errors; and that the work grows with the graph, no faster. */
#include <math.h>
#include <time.h>
#include "trace/trace.h"
#include "trace_help.h"

/* ---- before and after --------------------------------------------------------------------------------- */

typedef reel_tensor *(*builder)(reel_tensor *x, reel_tensor *y);

static reel_graph *build(builder f)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(2, 3), "x");
    reel_tensor *y = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 3), "y");
    (void)reel_output("z", f(x, y));
    (void)reel_graph_end(g);
    return g;
}

static const char *rule_site = ""; /* where a rule writes: no node may say so */
static int sites_of_rule;

static void note_lines(const char *what, const reel_graph *g)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    (void)reel_graph_print(out, g);
    fclose(out);
    TAP_NOTE("%s", what);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) TAP_NOTE("  %s", line);
    free(text);
}

static reel_tensor *feed_x(void)
{
    const float data[] = {-1.5f, -0.f, 0.f, INFINITY, NAN, 3e-40f};
    return reel_from_f32(REEL_SHAPE(2, 3), data, 6);
}

static reel_tensor *feed_y(void)
{
    const float data[] = {1, -2, 3, -4, -0.f, 6};
    return reel_from_f32(REEL_SHAPE(2, 3), data, 6);
}

/* Runs f's graph without passes and with those of the list: the same bits. How many nodes are left; -1: not the same. shown: prints both. */
static int nodes_after(const char *what, builder f, const char *list, reel_graph_math math, bool shown)
{
    REEL_SCOPED;
    reel_graph *g = build(f);
    reel_session *plain = reel_session_new(g, REEL_OPTS(session, .passes = "none"));
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .passes = list, .math = math));
    reel_tensor *x = feed_x(), *y = feed_y(), *a[1], *b[1];
    int n = -1;
    if (reel_session_run(plain, REEL_FEEDS({"x", x}, {"y", y}), REEL_FETCHES("z"), a) == 0 &&
        reel_session_run(s, REEL_FEEDS({"x", x}, {"y", y}), REEL_FETCHES("z"), b) == 0) {
        const reel_graph *after = reel_session_plan_(s)->graph;
        if (shown) {
            TAP_NOTE("%s, passes %s", what, list);
            note_lines("before:", g);
            note_lines("after:", after);
        }
        for (size_t i = 0; i < after->n_nodes; i++) sites_of_rule += strcmp(after->nodes[i].site, rule_site) == 0;
        n = (math == REEL_FAST_MATH_GRAPH || same_bits(a[0], b[0])) && reel_graph_verify(after) == 0
                ? (int)after->n_nodes
                : -1;
    }
    expect_none(what);
    reel_session_free(plain);
    reel_session_free(s);
    reel_graph_free(g);
    return n;
}

static reel_tensor *dead_ends(reel_tensor *x, reel_tensor *y)
{
    (void)reel_exp(reel_tanh(y));
    return reel_relu(x);
}
static reel_tensor *constants(reel_tensor *x, reel_tensor *y)
{
    (void)y;
    reel_tensor *c = reel_sqrt(reel_full(REEL_F32, REEL_SHAPE(3), 2));
    return reel_mul(x, reel_add(c, reel_arange(REEL_F32, 0, 3, 1)));
}
static reel_tensor *identities(reel_tensor *x, reel_tensor *y)
{
    (void)y;
    reel_tensor *z = reel_sub(reel_mul(x, reel_num(1)), reel_num(0));
    z = reel_neg(reel_neg(reel_div(z, reel_num(1))));
    z = reel_add(z, reel_num(-0.0));
    z = reel_cast(reel_cast(z, REEL_F64), REEL_F32);
    z = reel_abs(reel_neg(reel_maximum(z, z)));
    return reel_relu(reel_relu(reel_div(z, reel_num(4))));
}
static reel_tensor *no_identities(reel_tensor *x, reel_tensor *y)
{
    (void)y;
    return reel_sub(reel_add(x, reel_num(0)), reel_num(-0.0)); /* -0 + 0 is 0 */
}
static reel_tensor *twice(reel_tensor *x, reel_tensor *y)
{
    (void)y;
    reel_tensor *a = reel_exp(reel_mul(x, reel_num(3))), *b = reel_exp(reel_mul(x, reel_num(3)));
    return reel_add(reel_add(a, b), reel_sum_axes(reel_softmax(x, -1), REEL_AXES(1), true));
}
static reel_tensor *there_and_back(reel_tensor *x, reel_tensor *y)
{
    (void)y;
    reel_tensor *t = reel_transpose(reel_transpose(x, REEL_ALL_AXES), REEL_AXES(1, 0));
    t = reel_reshape(reel_reshape(t, REEL_SHAPE(6)), REEL_SHAPE(2, 3));
    return reel_exp(reel_squeeze(reel_unsqueeze(reel_sum_like(t, x), REEL_AXES(0)), REEL_AXES(0)));
}
static reel_tensor *around(reel_tensor *x, reel_tensor *y)
{
    (void)y;
    reel_tensor *t = reel_tanh(reel_mul(reel_transpose(x, REEL_ALL_AXES), reel_num(2)));
    return reel_exp(reel_transpose(reel_relu(t), REEL_ALL_AXES));
}
static reel_tensor *around_product(reel_tensor *x, reel_tensor *y)
{
    /* The product sees which way its operand lies, so it must stay as it is. */
    reel_tensor *t = reel_relu(reel_transpose(x, REEL_ALL_AXES));
    return reel_matmul(reel_transpose(t, REEL_ALL_AXES), reel_transpose(y, REEL_ALL_AXES));
}
static reel_tensor *around_bias(reel_tensor *x, reel_tensor *y)
{
    (void)y; /* [2] against [3,2]: it would have to turn with it */
    reel_tensor *t = reel_add(reel_transpose(x, REEL_ALL_AXES), reel_arange(REEL_F32, 0, 2, 1));
    return reel_exp(reel_transpose(t, REEL_ALL_AXES));
}
static reel_tensor *integers(reel_tensor *x, reel_tensor *y)
{
    reel_tensor *i = reel_cast(reel_isfinite(x), REEL_I64), *n = reel_mul(i, reel_num(4503599627370497.0 * 3));
    i = reel_bitwise_xor(reel_add(i, reel_num(0)), reel_bitwise_xor(n, n)); /* i64 to f64 and back loses bits */
    n = reel_cast(reel_cast(reel_add(n, reel_num(9007199254740993.0)), REEL_F64), REEL_I64);
    reel_tensor *not = reel_logical_not(reel_logical_not(y)), *f = reel_cast(reel_cast(n, REEL_F32), REEL_I64);
    i = reel_add(reel_add(i, n), reel_add(f, reel_cast(not, REEL_I64)));
    reel_tensor *w =
        reel_where(reel_full(REEL_BOOL, REEL_SCALAR, 1), reel_floor(reel_abs(y)), reel_div(y, reel_num(3)));
    return reel_add(reel_cast(i, REEL_F64), reel_cast(reel_mul(w, reel_num(2)), REEL_F64));
}
static reel_tensor *real_numbers(reel_tensor *x, reel_tensor *y)
{
    (void)y;
    reel_tensor *z = reel_mul(reel_mul(reel_add(x, reel_num(0)), reel_num(2)), reel_num(3));
    z = reel_add(z, reel_neg(reel_pow(x, reel_num(2))));
    return reel_add(reel_log(reel_exp(z)), reel_sub(x, x));
}

static void test_each(void)
{
    TAP_EQ_INT(nodes_after("prune", dead_ends, "prune", 0, true), 3); /* y is fed, so it stays */
    TAP_EQ_INT(nodes_after("fold", constants, "fold,prune", 0, true), 4);
    TAP_EQ_INT(nodes_after("simplify", identities, "simplify,prune", 0, true), 6); /* x, y, abs, 1/4, mul, relu */
    TAP_EQ_INT(nodes_after("what is not exact stays", no_identities, "default", 0, true), 6);
    TAP_EQ_INT(nodes_after("share", twice, "share,prune", 0, true), 9);
    TAP_EQ_INT(nodes_after("views", there_and_back, "views,prune", 0, true), 3);
    TAP_EQ_INT(nodes_after("sink", around, "sink,prune", 0, true), 7);
    TAP_EQ_INT(nodes_after("sink before a product", around_product, "default", 0, true), 7);
    TAP_EQ_INT(nodes_after("sink with a bias", around_bias, "sink,prune", 0, true), 7);
    TAP_OK(nodes_after("integers", integers, "default", 0, false) > 0, "integers and bools");
    TAP_EQ_INT(nodes_after("simplify, fast", real_numbers, "simplify,prune", REEL_FAST_MATH_GRAPH, true), 6);
    TAP_EQ_INT(nodes_after("none", there_and_back, "none", 0, false), 10);
}

/* How many nodes are left of z = f(x, y) where x is fed as a transposed view. */
static int nodes_of_transposed(builder f)
{
    REEL_SCOPED;
    reel_graph *g = build(f);
    reel_session *plain = reel_session_new(g, REEL_OPTS(session, .passes = "none"));
    reel_session *s = reel_session_new(g, NULL);
    reel_tensor *x = reel_transpose(reel_reshape(feed_y(), REEL_SHAPE(3, 2)), REEL_ALL_AXES), *a[1] = {0}, *b[1] = {0};
    (void)reel_session_run(plain, REEL_FEEDS({"x", x}, {"y", feed_y()}), REEL_FETCHES("z"), a);
    (void)reel_session_run(s, REEL_FEEDS({"x", x}, {"y", feed_y()}), REEL_FETCHES("z"), b);
    const int n = same_bits(a[0], b[0]) ? (int)reel_session_plan_(s)->graph->n_nodes : -1;
    expect_none("transposed");
    reel_session_free(plain);
    reel_session_free(s);
    reel_graph_free(g);
    return n;
}
static reel_tensor *to_product(reel_tensor *x, reel_tensor *y)
{
    return reel_matmul(reel_transpose(reel_mul(x, reel_num(1)), REEL_ALL_AXES), y);
}
static reel_tensor *to_sum(reel_tensor *x, reel_tensor *y)
{
    return reel_add(reel_sum(reel_transpose(reel_mul(x, reel_num(1)), REEL_ALL_AXES)), reel_sum(y));
}

/* x * 1 is dense, x is not: a product sees that, a sum does not. */
static void test_layouts(void)
{
    TAP_EQ_INT(nodes_of_transposed(to_product), 6);
    TAP_EQ_INT(nodes_of_transposed(to_sum), 6);
}

/* ---- lists --------------------------------------------------------------------------------------------- */

static void refuse(const char *list, const char *one, const char *two)
{
    reel_graph *g = build(dead_ends);
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .passes = list));
    TAP_OK(!s, "\"%s\" is refused", list);
    expect_error(REEL_EARG, one, two, "list");
    reel_session_free(s);
    reel_graph_free(g);
}

static void names_of(const char *list, char *out, size_t n)
{
    reel_pipeline p;
    *out = 0;
    if (reel_pipeline_parse_("test", list, REEL_EXACT_GRAPH, &p)) return;
    for (int i = 0; i < p.n; i++) {
        strncat(out, i ? " " : "", n - strlen(out) - 1);
        reel_pass_info info[64];
        const int all = reel_passes(info, 64);
        for (int k = 0; k < all && k < 64; k++) {
            reel_pipeline one;
            if (reel_pipeline_parse_("test", info[k].name, REEL_EXACT_GRAPH, &one) == 0 && one.pass[0] == p.pass[i])
                strncat(out, info[k].name, n - strlen(out) - 1);
        }
    }
}

static void test_lists(void)
{
    char text[512];
    reel_pass_info info[64];
    const int n = reel_passes(info, 64);
    TAP_OK(n >= 6 && reel_passes(NULL, 0) == n, "%d passes", n);
    for (int i = 0; i < n; i++) TAP_OK(*info[i].name && *info[i].law, "%s: %s", info[i].name, info[i].law);
    names_of(NULL, text, sizeof text);
    TAP_EQ_STR(text, "prune views fold simplify sink share views prune fuse");
    names_of("default,-views,-share", text, sizeof text);
    TAP_EQ_STR(text, "prune fold simplify sink prune fuse");
    names_of("fuse,-fuse prune fuse,share", text, sizeof text);
    TAP_EQ_STR(text, "prune share fuse");
    names_of("share prune, fold", text, sizeof text);
    TAP_EQ_STR(text, "share prune fold");
    names_of("", text, sizeof text);
    TAP_EQ_STR(text, "");
    names_of("none", text, sizeof text);
    TAP_EQ_STR(text, "");
    refuse("default,shear", "no pass \"shear\"", "reel_session_new");
    refuse("-", "no pass \"\"", "");
    refuse(
        "prune prune prune prune prune prune prune prune prune,default,default,default,default,default,default,default",
        "more than 64", "");
    TAP_OK(!reel_function_new((reel_fn){0}, NULL) && reel_take_error(NULL) == REEL_EARG, "no body, no function");
    reel_graph *g = build(dead_ends);
    TAP_OK(!reel_session_new(g, REEL_OPTS(session, .math = (reel_graph_math)7)), "no such math");
    expect_error(REEL_EARG, ".math is 7", "", "math");
    reel_graph_free(g);
}

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
    TAP_OK(n->n_in == 1 && n->n_out == 1 && strcmp(n->op, "tanh") == 0 && strstr(n->site, "test_passes.c:"),
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
    TAP_EQ_INT(reel_passes(info, 64), before + 7);
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
    fails("wrong_shape", "pass \"wrong_shape\": out[0] in place of reel_tanh is f32[], it was f32[2,3]",
          "test_passes.c:");
    fails("raises", "reel_matmul", "(in pass \"raises\")");
    fails("draws", "pass \"draws\" puts a reel_uniform_like in place of reel_tanh", "other numbers");
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

/* ---- what must survive ----------------------------------------------------------------------------------- */

static double at0(reel_tensor *t)
{
    float x[64] = {0};
    (void)reel_read(t, x, (size_t)reel_shape_count(reel_shape_of(t)) * sizeof x[0]);
    return (double)x[0];
}

static const char *const lists[] = {"none", "prune", "fold",    "simplify",       "views",
                                    "sink", "share", "default", "default,default"};
enum { N_LISTS = sizeof lists / sizeof *lists };

/* Values fed in the middle, fetched under two names, and the variable's own. */
static void test_feeds_and_names(void)
{
    for (int k = 0; k < N_LISTS; k++) {
        REEL_SCOPED;
        reel_vars *vars = reel_vars_new("m");
        reel_tensor *w = reel_var(vars, "w", reel_full(REEL_F32, REEL_SHAPE(3), 2));
        reel_graph *g = reel_graph_begin();
        reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 3), "x");
        reel_tensor *a = reel_mul(x, reel_num(1)), *b = reel_mul(x, reel_num(1));
        (void)reel_output("a", a);
        (void)reel_output("b", b);
        (void)reel_output("sum", reel_add(a, reel_mul(b, w)));
        (void)reel_output("w_then", reel_neg(reel_neg(w)));
        (void)reel_assign(w, reel_mul(w, reel_num(3)));
        (void)reel_output("w_after", reel_mul(w, reel_num(1)));
        (void)reel_graph_end(g);
        reel_session *s = reel_session_new(g, REEL_OPTS(session, .passes = lists[k]));
        reel_tensor *one = reel_ones(REEL_F32, REEL_SHAPE(1, 3)), *two = reel_full(REEL_F32, REEL_SHAPE(1, 3), 2),
                    *out[3];
        (void)reel_session_run(s, REEL_FEEDS({"x", one}, {"b", two}), REEL_FETCHES("sum", "a", "b"), out);
        TAP_OK(at0(out[0]) == 5 && at0(out[1]) == 1 && at0(out[2]) == 2,
               "%s: b is fed, a is not, though they are the same", lists[k]);
        (void)reel_session_run(s, REEL_FEEDS({"m/w", reel_full(REEL_F32, REEL_SHAPE(3), 7)}),
                               REEL_FETCHES("w_then", "w_after"), out);
        TAP_OK(at0(out[0]) == 7 && at0(out[1]) == 21, "%s: a variable is fed", lists[k]);
        TAP_OK(at0(w) == 2, "%s: and not assigned", lists[k]);
        (void)reel_session_run(s, (reel_feeds){0}, REEL_FETCHES("w_then", "m/w"), out);
        TAP_OK(at0(out[0]) == 2 && at0(out[1]) == 6 && at0(w) == 6, "%s: fetched, it is", lists[k]);
        (void)reel_session_run(s, REEL_FEEDS({"x", one}), REEL_FETCHES("nothing"), out);
        expect_error(REEL_ETRACE, "fetch \"nothing\" is not in the graph", "", lists[k]);
        (void)reel_session_run(s, REEL_FEEDS({"x", two}, {"b", w}), REEL_FETCHES("sum"), out);
        expect_error(REEL_ESHAPE, "feed \"b\"", "", lists[k]);
        expect_none(lists[k]);
        reel_session_free(s);
        reel_graph_free(g);
        reel_vars_free(vars);
    }
}

/* The line and the words of an error in a run. */
static void test_error_sites(void)
{
    for (int k = 0; k < N_LISTS; k++) {
        REEL_SCOPED;
        char line[32];
        reel_graph *g = reel_graph_begin();
        reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(3), "x"),
                    *i = reel_placeholder(REEL_I64, REEL_SHAPE(1), "i");
        reel_scope *scope = reel_scope_begin(REEL_HERE, "here");
        reel_tensor *y = reel_gather(reel_mul(x, reel_num(1)), reel_add(i, reel_num(0)), 0);
        snprintf(line, sizeof line, "test_passes.c:%d: reel_gather", __LINE__ - 1);
        (void)reel_keep(y);
        reel_scope_end(scope);
        (void)reel_output("y", reel_neg(reel_neg(y)));
        (void)reel_graph_end(g);
        reel_session *s = reel_session_new(g, REEL_OPTS(session, .passes = lists[k]));
        reel_tensor *out[1];
        const int64_t bad = 9;
        (void)reel_session_run(
            s, REEL_FEEDS({"x", reel_ones(REEL_F32, REEL_SHAPE(3))}, {"i", reel_from_i64(REEL_SHAPE(1), &bad, 1)}),
            REEL_FETCHES("y"), out);
        expect_error(REEL_EARG, line, "index 9", lists[k]);
        reel_session_free(s);
        reel_graph_free(g);
    }
}

/* Draws: as many, and not shared, also where nobody reads them. */
static int drawing(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *a = reel_uniform(REEL_F32, REEL_SHAPE(3), 0, 1, NULL);
    (void)reel_exp(reel_normal(REEL_F32, REEL_SHAPE(5), 0, 1, NULL));
    (void)reel_uniform_like(reel_mul(in[0], reel_num(2)), 0, 1, NULL);
    reel_tensor *b = reel_uniform(REEL_F32, REEL_SHAPE(3), 0, 1, NULL);
    out[0] = reel_sub(a, b);
    return reel_status();
}

static void test_draws(void)
{
    for (int k = 0; k < N_LISTS; k++) {
        REEL_SCOPED;
        reel_tensor *x = feed_x(), *eager[4], *out[4];
        reel_function *f = reel_function_new(REEL_FN(drawing, NULL, 1, 1), REEL_OPTS(function, .passes = lists[k]));
        (void)reel_seed(5);
        for (int i = 0; i < 4; i++) (void)drawing(NULL, &x, &eager[i]);
        (void)reel_seed(5);
        bool same = true;
        for (int i = 0; i < 4; i++) {
            (void)reel_function_call(f, REEL_LIST(x), &out[i]);
            same = same && same_bits(out[i], eager[i]);
        }
        TAP_OK(same, "%s: the draws are eager's", lists[k]);
        expect_none(lists[k]);
        reel_function_free(f);
    }
}

/* Sizes that depend on data: two equal counts are one seam. */
static int counting(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *a = reel_nonzero(in[0]), *b = reel_nonzero(in[0]);
    out[0] = reel_add(reel_mul(a, reel_num(1)), reel_neg(reel_neg(b)));
    return reel_status();
}

static void test_sizes_from_data(void)
{
    for (int k = 0; k < N_LISTS; k++) {
        REEL_SCOPED;
        reel_function *f = reel_function_new(REEL_FN(counting, NULL, 1, 1), REEL_OPTS(function, .passes = lists[k]));
        bool same = true;
        for (int i = 0; i < 6; i++) {
            const float data[] = {0, 1, (float)(i % 2), (float)(i % 3), 0, 5};
            reel_tensor *x = reel_from_f32(REEL_SHAPE(6), data, 6), *eager, *out;
            (void)counting(NULL, &x, &eager);
            (void)reel_function_call(f, REEL_LIST(x), &out);
            same = same && same_bits(out, eager);
        }
        TAP_OK(same, "%s: sizes from data", lists[k]);
        expect_none(lists[k]);
        reel_function_free(f);
    }
}

/* An op of the user's own may count its calls: it is never shared, never folded. */
static int n_calls;
static int calls_shape(const void *attr, const reel_type in[], reel_type out[])
{
    (void)attr;
    out[0] = in[0];
    return 0;
}
static int calls_cpu(const void *attr, const reel_view in[], const reel_view out[])
{
    (void)attr;
    const int64_t n = reel_shape_count(in[0].type.shape);
    n_calls++;
    for (int64_t i = 0; i < n; i++) ((float *)out[0].data)[i] = ((const float *)in[0].data)[i];
    return 0;
}
static const reel_op *calls_op;
static reel_tensor *calling(reel_tensor *x, reel_tensor *y)
{
    reel_tensor *a, *b, *c;
    (void)y;
    (void)reel_op_call(calls_op, REEL_LIST(x), NULL, &a);
    (void)reel_op_call(calls_op, REEL_LIST(x), NULL, &b);
    (void)reel_op_call(calls_op, REEL_LIST(reel_ones(REEL_F32, REEL_SHAPE(3))), NULL, &c);
    return reel_add(reel_add(a, b), c);
}

static void test_own_ops(void)
{
    calls_op = reel_op_register(
        REEL_OP_DEF(.name = "passes_calls", .n_in = 1, .n_out = 1, .shape = calls_shape, .cpu = calls_cpu));
    (void)nodes_after("own op", calling, "default", 0, false);
    TAP_EQ_INT(n_calls, 6);
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
    static const char *const has[] = {"pass",   "share",          "->",      "arena of", "softmax",
                                      "result", "test_passes.c:", "f32[2,3]"};
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

TAP_MAIN(test_each, test_layouts, test_lists, test_users_pass, test_feeds_and_names, test_error_sites, test_draws,
         test_sizes_from_data, test_own_ops, test_explain, test_linear)
