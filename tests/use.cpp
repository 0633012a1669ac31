// use.cpp: the public headers from C++17 and C++20: every argument maker, and a step that really runs.
#include <cstdio>
#include <reel/reel.h>

struct net {
    reel_vars *vars;
    reel_tensor *w;
    reel_optimizer *opt;
};

static int step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    auto *n = static_cast<net *>(self);
    reel_tape *tape = reel_tape_begin(nullptr);
    out[0] = reel_sum(reel_square(reel_matmul(in[0], n->w)));
    return reel_minimize(n->opt, tape, out[0]);
}

static reel_graph *build(net *n)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 3), "x");
    reel_output("y", reel_matmul(x, n->w));
    return reel_graph_end(g) ? nullptr : g;
}

int main()
{
    REEL_SCOPED;
    const float data[6] = {1, 2, 3, 4, 5, 6};
    const std::size_t rows = 2;
    net n{reel_vars_new("net"), nullptr, nullptr};
    n.w = reel_var(n.vars, "w", reel_ones(REEL_F32, REEL_SHAPE(3, 1)));
    n.opt = reel_sgd(n.vars, REEL_OPTS(sgd, .lr = 0.01));
    reel_tensor *x = reel_from_f32(REEL_SHAPE(rows, 3), data, 6), *out[1], *pair[2] = {x, x};
    reel_tensor *part = reel_slice(x, 2, REEL_RANGES(REEL_ALL, {0, 3, 2}));

    reel_gradcheck_report report{};
    reel_function *fast = reel_function_new(REEL_FN(step, &n, 1, 1), REEL_OPTS(function, .max_traces = 2));
    reel_graph *g = build(&n);
    reel_session *s = reel_session_new(g, nullptr);
    double sum = reel_item(reel_sum(reel_concat(REEL_ARRAY(pair), 0))) + reel_item(reel_sum(part));
    reel_invoke(REEL_FN(step, &n, 1, 1), REEL_LIST(x), out);
    sum += reel_item(out[0]);
    reel_function_call(fast, REEL_LIST(x), out);
    reel_function_call(fast, REEL_LIST(x), out);
    reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y"), out);
    sum += reel_item(reel_sum_axes(out[0], REEL_ALL_AXES, false)) * 0 + reel_item(reel_full(REEL_F64, REEL_SCALAR, 1));

    reel_function_free(fast);
    reel_session_free(s);
    reel_graph_free(g);
    reel_optimizer_free(n.opt);
    reel_vars_free(n.vars);
    reel_error e;
    if (reel_take_error(&e)) {
        std::printf("not ok 1 - %s\n1..1\n", e.text);
        return 1;
    }
    const bool right = sum == 42 + 14 + 261 + 1 && report.verdict == 0;
    std::printf("%s 1 - C++ %ld: sum %g\n1..1\n", right ? "ok" : "not ok", __cplusplus, sum);
    return !right;
}
