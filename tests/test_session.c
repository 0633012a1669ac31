/* Sessions: feeds and fetches, unknown dimensions, plans, memory, effects, threads, failures. */
#include <pthread.h>
#include "core/random.h"
#include "trace/trace.h"
#include "trace_help.h"

static reel_vars *vars;
static reel_tensor *w1, *b1, *w2;

static void make_vars(void)
{
    REEL_SCOPED;
    reel_seed(3);
    vars = reel_vars_new("m");
    w1 = reel_var(vars, "w1", reel_randn(REEL_F32, REEL_SHAPE(6, 5)));
    b1 = reel_var(vars, "b1", reel_randn(REEL_F32, REEL_SHAPE(5)));
    w2 = reel_var(vars, "w2", reel_randn(REEL_F32, REEL_SHAPE(5, 3)));
}

/* Everything a plan has to get right: views, broadcasts, long and short lives, an in-place chain, several outputs. */
static reel_tensor *model(reel_tensor *x, reel_tensor **hidden)
{
    reel_tensor *h = reel_tanh(reel_add(reel_matmul(x, w1), b1));
    *hidden = h;
    reel_tensor *t = reel_matmul(reel_transpose(h, REEL_AXES(1, 0)), h); /* [5,5] */
    reel_tensor *y = reel_matmul(reel_matmul(h, reel_mul(t, reel_num(0.1))), w2);
    reel_tensor *parts[3];
    if (reel_split(y, 1, 3, parts)) return NULL;
    reel_tensor *z = reel_exp(reel_neg(reel_square(reel_add(parts[0], reel_add(parts[1], parts[2])))));
    return reel_concat(REEL_LIST(reel_softmax(y, -1), z, reel_relu(reel_sub(z, y))), 1);
}

static reel_graph *build(void)
{
    REEL_SCOPED;
    reel_tensor *h;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 6), "x");
    reel_output("y", model(x, &h));
    reel_output("h", h);
    reel_output("transposed", reel_transpose(h, REEL_AXES(1, 0)));
    return reel_graph_end(g) ? NULL : g;
}

static void test_batches(void)
{
    REEL_SCOPED;
    make_vars();
    reel_graph *g = build();
    reel_session *s = reel_session_new(g, NULL);
    reel_session_poison_(s, true);
    static const int64_t sizes[] = {1, 4, 32, 0, 4, 7, 1, 100};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        REEL_SCOPED;
        reel_tensor *out[3], *h;
        reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(sizes[i], 6));
        TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y", "h", "transposed"), out), 0);
        reel_tensor *y = model(x, &h);
        TAP_OK(same_bits(out[0], y) && same_bits(out[1], h), "batch %d: the eager bits, over a poisoned arena",
               (int)sizes[i]);
        TAP_OK(same_bits(out[2], reel_transpose(h, REEL_AXES(1, 0))), "batch %d: a fetched view", (int)sizes[i]);
    }
    /* a strided feed gives the same bits as eager: its own plan */
    reel_tensor *out[1], *h, *x = reel_transpose(reel_randn(REEL_F32, REEL_SHAPE(6, 9)), REEL_AXES(1, 0));
    TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y"), out), 0);
    TAP_OK(same_bits(out[0], model(x, &h)), "a transposed feed");
    reel_plan_info info;
    TAP_EQ_INT(reel_session_info(s, &info), 0);
    TAP_OK(info.arena_bytes < info.unplanned_bytes && info.in_place > 0,
           "memory is reused: arena %zu of %zu, %d in place", info.arena_bytes, info.unplanned_bytes, info.in_place);
    TAP_EQ_INT(info.nodes, reel_graph_nodes(g));
    TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("h"), out), 0);
    TAP_EQ_INT(reel_session_info(s, &info), 0);
    TAP_OK(info.pruned > 5 && info.steps == 1, "only what the fetch needs runs: %d steps, %d pruned", info.steps,
           info.pruned);
    reel_session_free(s);
    reel_graph_free(g);
    reel_vars_free(vars);
    expect_none("batches");
}

static void test_long_chain(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(256), "x"), *y = x, *skip = x;
    for (int i = 0; i < 400; i++) {
        y = i % 2 ? reel_softmax(y, 0) : i % 4 ? reel_tanh(y) : reel_add(y, skip);
        if (i % 7 == 0) skip = reel_sigmoid(y);
    }
    reel_output("y", y);
    TAP_EQ_INT(reel_graph_end(g), 0);
    reel_session *s = reel_session_new(g, NULL);
    reel_session_poison_(s, true);
    reel_tensor *out[1], *in = reel_randn(REEL_F32, REEL_SHAPE(256)), *e = in;
    TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", in}), REEL_FETCHES("y"), out), 0);
    skip = in;
    for (int i = 0; i < 400; i++) {
        e = i % 2 ? reel_softmax(e, 0) : i % 4 ? reel_tanh(e) : reel_add(e, skip);
        if (i % 7 == 0) skip = reel_sigmoid(e);
    }
    TAP_OK(same_bits(out[0], e), "400 steps as eager");
    reel_plan_info info;
    TAP_EQ_INT(reel_session_info(s, &info), 0);
    TAP_OK(info.arena_bytes <= 4 * 1024 && info.unplanned_bytes >= 400 * 1024, "in %zu of %zu bytes", info.arena_bytes,
           info.unplanned_bytes);
    TAP_OK(info.in_place > 100, "%d steps in place", info.in_place);
    reel_session_free(s);
    reel_graph_free(g);
}

/* x + x^T must not be written over x while it is read the other way round. */
static void test_no_bad_in_place(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(9, 9), "x");
    reel_tensor *e = reel_exp(x);
    reel_tensor *y = reel_add(e, reel_transpose(e, REEL_AXES(1, 0)));
    reel_output("y",
                reel_sum_axes(reel_mul(y, reel_slice(y, 2, REEL_RANGES({0, 1, 1}, REEL_ALL))), REEL_AXES(1), false));
    TAP_EQ_INT(reel_graph_end(g), 0);
    reel_session *s = reel_session_new(g, NULL);
    reel_tensor *out[1], *in = reel_randn(REEL_F32, REEL_SHAPE(9, 9));
    TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", in}), REEL_FETCHES("y"), out), 0);
    e = reel_exp(in);
    y = reel_add(e, reel_transpose(e, REEL_AXES(1, 0)));
    TAP_OK(same_bits(out[0], reel_sum_axes(reel_mul(y, reel_slice(y, 2, REEL_RANGES({0, 1, 1}, REEL_ALL))),
                                           REEL_AXES(1), false)),
           "aliased reads");
    reel_session_free(s);
    reel_graph_free(g);
}

static void test_feed_anything(void)
{
    REEL_SCOPED;
    make_vars();
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 6), "x");
    reel_tensor *h = reel_matmul(x, w1);
    reel_tensor *y = reel_mul(reel_add(h, b1), reel_num(3));
    reel_output("h", h);
    reel_output("y", y);
    TAP_EQ_INT(reel_graph_end(g), 0);
    reel_session *s = reel_session_new(g, NULL);
    reel_tensor *out[3], *hv = reel_randn(REEL_F32, REEL_SHAPE(2, 5)), *xv = reel_randn(REEL_F32, REEL_SHAPE(2, 6));
    TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"h", hv}), REEL_FETCHES("y", "h"), out), 0);
    TAP_OK(same_bits(out[0], reel_mul(reel_add(hv, b1), reel_num(3))) && same_bits(out[1], hv),
           "a fed intermediate cuts its producers off");
    TAP_EQ_INT(reel_session_run_handles(s, REEL_LIST(x), REEL_LIST(xv), REEL_LIST(y, x, h), out), 0);
    TAP_OK(same_bits(out[0], reel_mul(reel_add(reel_matmul(xv, w1), b1), reel_num(3))) && same_bits(out[1], xv),
           "feeds and fetches by handle");
    TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"h", hv}, {"m/b1", reel_zeros(REEL_F32, REEL_SHAPE(5))}),
                                REEL_FETCHES("y", "m/b1"), out),
               0);
    TAP_OK(same_bits(out[0], reel_mul(hv, reel_num(3))), "a variable can be fed");
    TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", xv}), REEL_FETCHES("m/w1", "h", "h"), out), 0);
    TAP_OK(same_bits(out[0], w1) && same_bits(out[1], out[2]), "a variable fetched by name, one value fetched twice");
    TAP_EQ_INT(reel_session_run(s, (reel_feeds){0, NULL}, (reel_names){0, NULL}, NULL), 0);

    reel_tensor *bad = reel_ones(REEL_F32, REEL_SHAPE(3, 785));
    reel_session_run(s, REEL_FEEDS({"x", bad}), REEL_FETCHES("y"), out);
    TAP_OK(out[0] == NULL, "out is NULL after an error");
    expect_error(REEL_ESHAPE, "feed \"x\" is f32[3,785], the placeholder is f32[?,6]",
                 "test_session.c:", "wrong shape");
    reel_session_run(s, REEL_FEEDS({"x", reel_ones(REEL_F64, REEL_SHAPE(3, 6))}), REEL_FETCHES("y"), out);
    expect_error(REEL_EDTYPE, "feed \"x\" is f64[3,6]", "f32[?,6]", "wrong dtype");
    reel_session_run(s, (reel_feeds){0, NULL}, REEL_FETCHES("y"), out);
    expect_error(REEL_ETRACE, "feed \"x\" is missing: f32[?,6]", "test_session.c:", "missing feed");
    reel_session_run(s, REEL_FEEDS({"x", xv}), REEL_FETCHES("z"), out);
    expect_error(REEL_ETRACE, "fetch \"z\" is not in the graph", "", "unknown fetch");
    reel_session_run(s, REEL_FEEDS({"z", xv}), REEL_FETCHES("y"), out);
    expect_error(REEL_ETRACE, "feed \"z\" is not in the graph", "", "unknown feed");
    reel_session_run(s, REEL_FEEDS({"x", xv}, {"x", xv}), REEL_FETCHES("y"), out);
    expect_error(REEL_EARG, "\"x\" is fed twice", "", "fed twice");
    reel_session_run(s, REEL_FEEDS({"x", NULL}), REEL_FETCHES("y"), out);
    expect_error(REEL_EARG, "\"x\" is NULL", "", "NULL feed");
    reel_session_run_handles(s, REEL_LIST(x), REEL_LIST(xv), REEL_LIST(xv), out);
    expect_error(REEL_ETRACE, "not a tensor of this graph", "fetch[0]", "a foreign handle");
    reel_session_run(NULL, REEL_FEEDS({"x", xv}), REEL_FETCHES("y"), out);
    expect_error(REEL_EARG, "session is NULL", "", "NULL session");
    reel_fail(REEL_EUSER, "pending");
    TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", xv}), REEL_FETCHES("y"), out), REEL_EUSER);
    expect_error(REEL_EUSER, "pending", "", "a pending error stays");
    TAP_EQ_INT(reel_session_close(s), 0);
    reel_session_run(s, REEL_FEEDS({"x", xv}), REEL_FETCHES("y"), out);
    expect_error(REEL_ETRACE, "session is closed", "", "closed session");
    reel_session_free(s);
    reel_graph_free(g);
    reel_vars_free(vars);
}

/* The same feeds in another order. */
static void test_feed_order(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *a = reel_placeholder(REEL_F32, REEL_SHAPE(4), "a"),
                *b = reel_placeholder(REEL_F32, REEL_SHAPE(4), "b");
    reel_output("y", reel_sub(a, b));
    reel_graph_end(g);
    reel_session *s = reel_session_new(g, NULL);
    reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(4)), *y = reel_randn(REEL_F32, REEL_SHAPE(4)),
                *want = reel_sub(x, y), *out[1];
    for (int i = 0; i < 4; i++) {
        TAP_EQ_INT(i % 2 ? reel_session_run(s, REEL_FEEDS({"b", y}, {"a", x}), REEL_FETCHES("y"), out)
                         : reel_session_run(s, REEL_FEEDS({"a", x}, {"b", y}), REEL_FETCHES("y"), out),
                   0);
        TAP_OK(same_bits(out[0], want), "feeds in %s order", i % 2 ? "another" : "one");
    }
    expect_none("the order of feeds");
    reel_session_free(s);
    reel_graph_free(g);
}

static void test_plans_are_bounded(void)
{
    REEL_SCOPED;
    make_vars();
    reel_graph *g = build();
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .max_plans = 2));
    for (int i = 0; i < 30; i++) {
        REEL_SCOPED;
        reel_tensor *out[1], *h, *x = reel_randn(REEL_F32, REEL_SHAPE(1 + i % 5, 6));
        if (reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y"), out)) break;
        if (!same_bits(out[0], model(x, &h))) TAP_OK(false, "batch %d after an eviction", 1 + i % 5);
    }
    TAP_EQ_INT(reel_session_plans_(s), 2);
    expect_none("bounded plans");
    reel_session_free(s);
    reel_graph_free(g);
    reel_vars_free(vars);
}

static void test_buckets(void)
{
    REEL_SCOPED;
    static const int64_t buckets[] = {2, 8}, wrong[] = {8, 2};
    make_vars();
    reel_tensor *h;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 6), "x");
    h = reel_tanh(reel_matmul(x, w1));
    reel_output("h", h);
    reel_output("twice", reel_concat(REEL_LIST(h, h), 1));
    reel_output("cols", reel_transpose(h, REEL_AXES(1, 0)));
    TAP_EQ_INT(reel_graph_end(g), 0);
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .buckets = buckets, .n_buckets = 2));
    for (int64_t n = 1; n <= 10; n++) {
        REEL_SCOPED;
        reel_tensor *out[3], *v = n % 2 ? reel_randn(REEL_F32, REEL_SHAPE(n, 6))
                                        : reel_transpose(reel_randn(REEL_F32, REEL_SHAPE(6, n)), REEL_AXES(1, 0));
        TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", v}), REEL_FETCHES("h", "twice", "cols"), out), 0);
        TAP_OK(reel_dim(out[0], 0) == n && reel_dim(out[1], 1) == 10 && reel_dim(out[2], 1) == n, "batch %d: cut back",
               (int)n);
        float a[10 * 5], b[10 * 5];
        int far =
            reel_read_f32(out[0], a, (size_t)n * 5) || reel_read_f32(reel_tanh(reel_matmul(v, w1)), b, (size_t)n * 5);
        for (int64_t i = 0; i < n * 5; i++) far += !(fabsf(a[i] - b[i]) < 1e-5f);
        TAP_EQ_INT(far, 0);
    }
    TAP_OK(reel_session_plans_(s) <= 6, "few plans for ten sizes: %d", reel_session_plans_(s));
    reel_tensor *out[1];
    reel_session_run(s, REEL_FEEDS({"x", reel_ones(REEL_F32, REEL_SHAPE(3, 7))}), REEL_FETCHES("h"), out);
    expect_error(REEL_ESHAPE, "f32[3,7]", "f32[?,6]", "wrong shape with buckets: the true one is told");
    TAP_OK(!reel_session_new(g, REEL_OPTS(session, .buckets = wrong, .n_buckets = 2)), "descending buckets");
    expect_error(REEL_EARG, "ascending", "", "descending buckets");
    reel_session_free(s);
    reel_graph_free(g);
    reel_vars_free(vars);
}

static void test_effects(void)
{
    REEL_SCOPED;
    make_vars();
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(5), "x");
    reel_output("before", reel_sum(b1));
    reel_assign(b1, reel_add(b1, x));
    reel_output("after", reel_sum(b1)); /* reads what was assigned */
    reel_assign(w2, reel_transpose(reel_matmul(reel_transpose(w2, REEL_AXES(1, 0)), reel_eye(REEL_F32, 5, 5)),
                                   REEL_AXES(1, 0)));
    reel_assign(b1, reel_mul(b1, reel_num(2)));
    TAP_EQ_INT(reel_graph_end(g), 0);
    reel_session *look = reel_session_new(g, NULL), *train = reel_session_new(g, REEL_OPTS(session, .effects = true));
    reel_tensor *out[2], *one = reel_ones(REEL_F32, REEL_SHAPE(5)), *start = reel_value(b1), *start2 = reel_value(w2);
    TAP_EQ_INT(reel_session_run(look, REEL_FEEDS({"x", one}), REEL_FETCHES("before", "after"), out), 0);
    TAP_OK(same_bits(b1, start), "a run assigns nothing that is not fetched");
    TAP_CLOSE(reel_item(out[1]), reel_item(out[0]) + 5, 1e-5, 1e-5, "a later read sees the assigned value");
    TAP_EQ_INT(reel_session_run(look, REEL_FEEDS({"x", one}), REEL_FETCHES("m/b1"), out), 0);
    reel_tensor *want = reel_mul(reel_add(start, one), reel_num(2));
    TAP_OK(same_bits(b1, want) && same_bits(out[0], want), "fetching a variable assigns its last value");
    TAP_OK(same_bits(w2, start2), "and no other");
    TAP_EQ_INT(reel_session_run_handles(look, REEL_LIST(x), REEL_LIST(one), REEL_LIST(b1), out), 0);
    want = reel_mul(reel_add(want, one), reel_num(2));
    TAP_OK(same_bits(b1, want), "by handle too");
    TAP_EQ_INT(reel_session_run(train, REEL_FEEDS({"x", one}), REEL_FETCHES("before"), out), 0);
    TAP_OK(same_bits(b1, reel_mul(reel_add(want, one), reel_num(2))) && same_bits(w2, start2),
           "a session with effects makes all of them");
    TAP_CLOSE(reel_item(out[0]), reel_item(reel_sum(want)), 1e-6, 0, "and reads values from before");
    reel_session_free(look);
    reel_session_free(train);
    reel_graph_free(g);
    reel_vars_free(vars);
    expect_none("effects");
}

static void test_failing_run(void)
{
    REEL_SCOPED;
    make_vars();
    reel_vars *more = reel_vars_new("more");
    reel_tensor *empty = reel_var_empty(more, "empty", REEL_F32, REEL_SHAPE(5));
    reel_graph *g = reel_graph_begin();
    reel_tensor *labels = reel_placeholder(REEL_I32, REEL_SHAPE(2), "labels");
    reel_assign(b1, reel_mul(b1, reel_num(2)));
    reel_name_scope_begin("loss");
    reel_output("loss", reel_softmax_cross_entropy(reel_ones(REEL_F32, REEL_SHAPE(2, 3)), labels));
    reel_name_scope_end();
    reel_output("e", reel_exp(empty));
    TAP_EQ_INT(reel_graph_end(g), 0);
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .effects = true));
    const int32_t good[2] = {0, 2}, bad[2] = {0, 7};
    reel_tensor *out[2], *start = reel_value(b1);
    reel_session_run(s, REEL_FEEDS({"labels", reel_from_i32(REEL_SHAPE(2), bad, 2)}), REEL_FETCHES("loss"), out);
    expect_error(REEL_EARG, "reel_softmax_cross_entropy", "test_session.c:", "a label out of range in a replay");
    TAP_OK(same_bits(b1, start), "a run that fails changes no variable");
    TAP_EQ_INT(
        reel_session_run(s, REEL_FEEDS({"labels", reel_from_i32(REEL_SHAPE(2), good, 2)}), REEL_FETCHES("loss"), out),
        0);
    TAP_OK(same_bits(b1, reel_mul(start, reel_num(2))), "the next one does");
    reel_session_run(s, REEL_FEEDS({"labels", reel_from_i32(REEL_SHAPE(2), good, 2)}), REEL_FETCHES("e"), out);
    expect_error(REEL_EARG, "more/empty", "before it has a value", "a variable without a value");
    TAP_OK(same_bits(b1, reel_mul(start, reel_num(2))), "and again nothing changed");
    reel_session_free(s);
    reel_graph_free(g);
    reel_vars_free(vars);
    reel_vars_free(more);
}

static void test_random(void)
{
    REEL_SCOPED;
    reel_generator *gen = reel_generator_new(11);
    reel_graph *g = reel_graph_begin();
    reel_tensor *a = reel_randn(REEL_F32, REEL_SHAPE(5)), *b = reel_uniform(REEL_F64, REEL_SHAPE(3), -1, 1, gen);
    reel_output("a", a);
    reel_output("b", b);
    reel_output("c", reel_mul(reel_randn(REEL_F32, REEL_SHAPE(5)), a));
    TAP_EQ_INT(reel_graph_end(g), 0);
    reel_session *s = reel_session_new(g, NULL), *all = reel_session_new(g, REEL_OPTS(session, .effects = true));
    reel_tensor *out[3];
    for (int i = 0; i < 3; i++) {
        reel_seed((uint64_t)i);
        reel_generator_seed(gen, (uint64_t)i);
        TAP_EQ_INT(reel_session_run(s, (reel_feeds){0, NULL}, REEL_FETCHES("a", "b", "c"), out), 0);
        reel_seed((uint64_t)i);
        reel_generator_seed(gen, (uint64_t)i);
        reel_tensor *ea = reel_randn(REEL_F32, REEL_SHAPE(5)), *eb = reel_uniform(REEL_F64, REEL_SHAPE(3), -1, 1, gen);
        TAP_OK(same_bits(out[0], ea) && same_bits(out[1], eb) &&
                   same_bits(out[2], reel_mul(reel_randn(REEL_F32, REEL_SHAPE(5)), ea)),
               "draws as eager, seed %d", i);
    }
    reel_seed(5);
    TAP_EQ_INT(reel_session_run(all, (reel_feeds){0, NULL}, REEL_FETCHES("b"), out), 0);
    const reel_random_state after = reel_random_get_(reel_generator_default());
    reel_seed(5);
    reel_randn(REEL_F32, REEL_SHAPE(5));
    reel_randn(REEL_F32, REEL_SHAPE(5));
    TAP_EQ_INT(after.counter, reel_random_get_(reel_generator_default()).counter);
    reel_session_free(s);
    reel_session_free(all);
    reel_graph_free(g);
    reel_generator_free(gen);
    expect_none("random");
}

static int use_session(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *r[1];
    if (reel_session_run(self, REEL_FEEDS({"x", reel_mul(in[0], reel_num(2))}), REEL_FETCHES("y"), r))
        return reel_status();
    out[0] = reel_sum(reel_square(r[0]));
    return reel_status();
}

static void test_inside(void)
{
    REEL_SCOPED;
    make_vars();
    reel_graph *g = build();
    reel_session *s = reel_session_new(g, NULL);
    reel_function *f = reel_function_new(REEL_FN(use_session, s, 1, 1), NULL);
    reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(4, 6)), *a[1], *b[1], *c[1], *dx, *dx2, *h;
    TAP_EQ_INT(reel_invoke(REEL_FN(use_session, s, 1, 1), REEL_LIST(x), a), 0);
    TAP_EQ_INT(reel_function_call(f, REEL_LIST(x), b), 0);
    TAP_EQ_INT(reel_function_call(f, REEL_LIST(x), c), 0);
    TAP_OK(same_bits(a[0], b[0]) && same_bits(a[0], c[0]), "a session inside a function is inlined");
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(x));
    TAP_EQ_INT(reel_invoke(REEL_FN(use_session, s, 1, 1), REEL_LIST(x), a), 0);
    dx = reel_grad1(t, a[0], x);
    t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(x));
    dx2 = reel_grad1(t, reel_sum(reel_square(model(reel_mul(x, reel_num(2)), &h))), x);
    TAP_OK(same_bits(dx, dx2), "a session under a tape has gradients");
    reel_graph *outer = reel_graph_begin();
    reel_tensor *r[1];
    TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 6), "in")}),
                                REEL_FETCHES("y"), r),
               0);
    reel_output("out", reel_neg(r[0]));
    TAP_EQ_INT(reel_graph_end(outer), 0);
    reel_session *so = reel_session_new(outer, NULL);
    TAP_EQ_INT(reel_session_run(so, REEL_FEEDS({"in", x}), REEL_FETCHES("out"), r), 0);
    TAP_OK(same_bits(r[0], reel_neg(model(x, &h))), "a session inside a graph is inlined");
    reel_session_free(so);
    reel_graph_free(outer);
    reel_function_free(f);
    reel_session_free(s);
    reel_graph_free(g);
    reel_vars_free(vars);
    expect_none("inside");
}

/* ---- threads ---------------------------------------------------------------------------------------- */

typedef struct job {
    reel_session *s;
    int rows, rounds, bad;
    bool counts;
} job;

static void *worker(void *arg)
{
    job *j = arg;
    for (int i = 0; i < j->rounds && !j->bad; i++) {
        REEL_SCOPED;
        reel_tensor *out[1], *h;
        if (j->counts) {
            j->bad |= reel_session_run(j->s, (reel_feeds){0, NULL}, REEL_FETCHES("count/n"), out);
            continue;
        }
        reel_tensor *x = reel_full(REEL_F32, REEL_SHAPE(j->rows, 6), i);
        j->bad |=
            reel_session_run(j->s, REEL_FEEDS({"x", x}), REEL_FETCHES("y"), out) || !same_bits(out[0], model(x, &h));
    }
    return NULL;
}

static void test_threads(void)
{
    REEL_SCOPED;
    make_vars();
    reel_graph *g = build();
    reel_session *s[2] = {reel_session_new(g, NULL), reel_session_new(g, REEL_OPTS(session, .max_plans = 2))};
    reel_graph_free(g);
    job j[4] = {{s[0], 1, 50, 0, false}, {s[0], 8, 50, 0, false}, {s[1], 4, 50, 0, false}, {s[1], 5, 50, 0, false}};
    pthread_t t[4];
    for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, worker, &j[i]);
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
        TAP_OK(!j[i].bad, "thread %d has the eager bits", i);
    }
    reel_session_free(s[0]);
    reel_session_free(s[1]);
    reel_vars_free(vars);

    reel_vars *count = reel_vars_new("count");
    reel_tensor *n = reel_var(count, "n", reel_zeros(REEL_I64, REEL_SCALAR));
    g = reel_graph_begin();
    reel_assign(n, reel_add(n, reel_num(1)));
    TAP_EQ_INT(reel_graph_end(g), 0);
    for (int i = 0; i < 2; i++) s[i] = reel_session_new(g, NULL);
    for (int i = 0; i < 4; i++) j[i] = (job){s[i % 2], 0, 500, 0, true};
    for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, worker, &j[i]);
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    TAP_EQ_INT(reel_item(n), 2000);
    reel_session_free(s[0]);
    reel_session_free(s[1]);
    reel_graph_free(g);
    reel_vars_free(count);
    expect_none("threads");
}

/* ---- no memory ---------------------------------------------------------------------------------------- */

static int build_and_run(reel_tensor *x, reel_tensor **out)
{
    reel_tensor *h;
    reel_graph *g = reel_graph_begin();
    if (!g) return reel_status();
    reel_output("y", model(reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 6), "x"), &h));
    reel_assign(b1, reel_add(b1, reel_num(1)));
    reel_session *s = NULL;
    if (reel_graph_end(g) == 0) {
        s = reel_session_new(g, REEL_OPTS(session, .effects = true));
        if (s) (void)reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y"), out);
        reel_graph_free(g);
    }
    reel_session_free(s);
    return reel_status();
}

/* Leaks are test_alloc_failure's; here: the error, the variables, the next run. */
static void test_no_memory(void)
{
    REEL_SCOPED;
    make_vars();
    reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(40, 6)), *out[1] = {NULL}, *h;
    reel_tensor *start = reel_value(b1), *want = model(x, &h);
    long n = 0, failures = 0, survived = 0, wrong = 0;
    failing f = {0};
    const reel_allocator a = {sizeof a, failing_alloc, failing_free, &f};
    for (bool done = false; !done && n < 3000;) {
        REEL_SCOPED;
        reel_set_allocator(&a);
        f.countdown = ++n;
        const int rc = build_and_run(x, out);
        done = f.countdown > 0;
        f.countdown = 0;
        reel_set_allocator(NULL);
        const bool without = !done && rc == 0 && plans_are_compiled(); /* the memory was the compiler's */
        survived += without;
        if (done || without)
            wrong += rc != 0 || !same_bits(out[0], want);
        else
            failures += reel_take_error(NULL) == REEL_ENOMEM;
        if (!done && !without) wrong += !same_bits(b1, start);
        reel_assign(b1, start);
    }
    TAP_OK(n > 20 && failures + survived == n - 1 && failures > 20,
           "%ld allocations failed one by one, %ld errors, %ld runs went on without a compiler", n - 1, failures,
           survived);
    TAP_EQ_INT(wrong, 0);
    reel_vars_free(vars);
    expect_none("no memory");
}

TAP_MAIN(test_batches, test_long_chain, test_no_bad_in_place, test_feed_anything, test_feed_order,
         test_plans_are_bounded, test_buckets, test_effects, test_failing_run, test_random, test_inside, test_threads,
         test_no_memory)
