/* test_abuse.c: calls that no sane program makes. Each must give an error of its code, crash nothing, and leave the next
   call working. Cases here once crashed, corrupted memory or gave a wrong answer; the rest of bad input is in
   test_bad_input.c. */
#include <limits.h>
#include "reel/reel.h"
#include "tap.h"

static reel_tensor *x;

static int double_in(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_add(in[0], in[0]);
    return reel_status();
}

static bool fails(int code)
{
    reel_error e;
    const int got = reel_take_error(&e);
    reel_tensor *y = reel_add(x, x);
    if (got == code && y && !reel_status()) return true;
    TAP_NOTE("got %s, expected %s: %s", reel_code_name(got), reel_code_name(code), e.text);
    return false;
}

#define FAILS(code, call) ((void)(call), TAP_OK(fails(code), "%s", #call))

static void test_lists(void)
{
    REEL_SCOPED;
    reel_tensor *out[70];
    x = reel_ones(REEL_F32, REEL_SHAPE(2, 3));
    FAILS(REEL_EARG, reel_function_new(REEL_FN(double_in, NULL, 1, 1), REEL_OPTS(function, .constants = {-1, NULL})));
    FAILS(REEL_EARG, reel_function_new(REEL_FN(double_in, NULL, 1, 1), REEL_OPTS(function, .constants = {2, NULL})));
    out[0] = x;
    FAILS(REEL_EARG, reel_split(x, 0, INT_MAX, out));
    TAP_OK(out[0] == x, "a nonsense number of parts leaves out[] alone");
    FAILS(REEL_EARG, reel_concat((reel_list){-1, NULL}, 0));
    FAILS(REEL_EARG, reel_sum_axes(x, (reel_axes){.n = INT_MAX}, false));
    FAILS(REEL_EARG, reel_parallel_for(5, 1, NULL, NULL));
    FAILS(REEL_EARG, reel_memory(NULL));
    const char *volatile none = NULL;
    FAILS(REEL_ESHAPE, reel_fail(REEL_ESHAPE, none, 0));
    reel_vars *v = reel_vars_new("m");
    FAILS(REEL_EARG, reel_vars_sub(v, "a/b"));
    reel_vars_free(v);
}

static void test_ranges(void)
{
    REEL_SCOPED;
    static const int64_t at[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
    x = reel_ones(REEL_F32, REEL_SHAPE(2, 3));
    int bad = 0;
    for (int i = 0; i < 343; i++) {
        reel_tensor *y = reel_slice(x, 1, REEL_RANGES({at[i % 7], at[i / 7 % 7], at[i / 49]}));
        if (!y) {
            (void)reel_take_error(NULL);
            continue;
        }
        const int64_t n = reel_dim(y, 0);
        bad += n < 0 || n > 2 || reel_item(reel_sum(y)) != (double)(3 * n);
    }
    TAP_OK(bad == 0 && !reel_status(), "slices of extreme ranges hold what they say");
}

static reel_function *self_freed;

static int free_itself(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_function_free(self_freed);
    out[0] = reel_neg(in[0]);
    return reel_status();
}

static void test_function_freed_by_its_body(void)
{
    REEL_SCOPED;
    reel_tensor *out[1];
    x = reel_ones(REEL_F32, REEL_SHAPE(2));
    self_freed = reel_function_new(REEL_FN(free_itself, NULL, 1, 1), NULL);
    TAP_OK(reel_function_call(self_freed, REEL_LIST(x), out) == 0 && reel_item(reel_sum(out[0])) == -2,
           "a function freed by its body ends its call");
}

static void test_graph_that_is_gone(void)
{
    x = reel_ones(REEL_F32, REEL_SHAPE(2));
    reel_graph *g;
    {
        REEL_SCOPED;
        g = reel_graph_begin();
    }
    FAILS(REEL_EARG, reel_graph_end(g));
}

static void test_sessions(void)
{
    REEL_SCOPED;
    reel_tensor *out[1];
    x = reel_ones(REEL_F32, REEL_SHAPE(2));
    reel_graph *g = reel_graph_begin();
    reel_tensor *p = reel_placeholder(REEL_F32, REEL_SHAPE(2), "p"), *z = reel_mul(p, p);
    (void)reel_output("z", z);
    (void)reel_graph_end(g);
    reel_session *s = reel_session_new(g, NULL);
    reel_graph_free(g);
    FAILS(REEL_EARG, reel_session_run_handles(s, REEL_LIST(p), (reel_list){1, NULL}, REEL_LIST(z), out));
    reel_tape *t = reel_tape_begin(NULL); /* the nodes go through the door one by one */
    reel_error e;
    TAP_OK(reel_session_run(s, (reel_feeds){0}, REEL_FETCHES("z"), out) == REEL_ETRACE,
           "under a tape, too, a feed may be missing");
    (void)reel_take_error(&e);
    TAP_OK(strstr(e.text, "reel_session_run") && strstr(e.text, "\"p\""), "and its error names call and feed: %s",
           e.text);
    FAILS(REEL_ETRACE, reel_session_run(s, REEL_FEEDS({"p", p}), REEL_FETCHES("z"), out));
    FAILS(REEL_ESHAPE, reel_session_run(s, REEL_FEEDS({"p", reel_num(2)}), REEL_FETCHES("z"), out));
    reel_tape_end(t);
    reel_session_free(s);
}

static int two_uses(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_sum(reel_mul(in[0], reel_square(in[1])));
    return reel_status();
}

static int partial(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tape *t = reel_tape_begin(NULL);
    (void)reel_watch(t, REEL_LIST(in[0], in[1]));
    reel_tensor *y;
    if (two_uses(self, in, &y)) return reel_status();
    out[0] = reel_grad1(t, y, in[0]);
    return reel_status();
}

/* One tensor in two places: the derivative with respect to the one is not that of both. */
static void test_given_twice(void)
{
    REEL_SCOPED;
    x = reel_full(REEL_F32, REEL_SHAPE(1), 3);
    reel_tensor *out[1];
    (void)reel_invoke(REEL_FN(partial, NULL, 2, 1), REEL_LIST(x, x), out);
    TAP_OK(out[0] && reel_item(out[0]) == 9, "invoke: in[0] alone");
    reel_function *f = reel_function_new(REEL_FN(partial, NULL, 2, 1), NULL);
    for (int i = 0; i < 2; i++) {
        (void)reel_function_call(f, REEL_LIST(x, x), out);
        TAP_OK(out[0] && reel_item(out[0]) == 9, "function, call %d: in[0] alone", i);
    }
    reel_function_free(f);
    reel_tape *t = reel_tape_begin(NULL);
    (void)reel_watch(t, REEL_LIST(x));
    (void)reel_checkpoint(REEL_FN(two_uses, NULL, 2, 1), REEL_LIST(x, x), out);
    TAP_OK(reel_item(reel_grad1(t, out[0], x)) == 27, "checkpoint: the gradient of x x^2, once");
}

/* In a graph: a gradient asked for twice is one value, and reel_value sees the assignment before it. */
static void test_graph_values(void)
{
    REEL_SCOPED;
    reel_vars *v = reel_vars_new("m");
    reel_tensor *w = reel_var(v, "w", reel_full(REEL_F32, REEL_SHAPE(1), 2)), *dx[2], *out[2];
    reel_graph *g = reel_graph_begin();
    reel_tape *outer = reel_tape_begin(NULL), *inner = reel_tape_begin(NULL);
    (void)reel_grad(inner, reel_sum(reel_mul(reel_square(w), w)), REEL_LIST(w, w), dx);
    (void)reel_output("second", reel_grad1(outer, reel_sum(reel_add(dx[0], dx[1])), w));
    (void)reel_assign(w, reel_full(REEL_F32, REEL_SHAPE(1), 5));
    (void)reel_output("after", reel_neg(reel_value(w)));
    TAP_OK(reel_graph_end(g) == 0, "the graph ends well");
    reel_session *s = reel_session_new(g, NULL);
    reel_graph_free(g);
    TAP_OK(reel_session_run(s, (reel_feeds){0}, REEL_FETCHES("second", "after"), out) == 0, "it runs");
    TAP_OK(out[0] && reel_item(out[0]) == 24, "both gradients have their derivative");
    TAP_OK(out[1] && reel_item(out[1]) == -5, "reel_value reads what was assigned");
    reel_session_free(s);
    reel_vars_free(v);
}

TAP_MAIN(test_lists, test_ranges, test_function_freed_by_its_body, test_graph_that_is_gone, test_sessions,
         test_given_twice, test_graph_values)
