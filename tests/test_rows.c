/* test_rows.c: reductions of rows as parts of fused steps: which are, which must not be, and always the eager bits, for short rows and
   for long ones, at any layout of what is fed, on one thread and on two. */
#include <stdlib.h>
#include "reel/reel.h"
#include "trace/trace.h"
#include "trace_help.h"

enum { MAX_OUT = 6 };

typedef int body(reel_tensor *const in[], reel_tensor *out[]);
typedef struct program {
    body *f;
} program;

static int call_body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    return ((program *)self)->f(in, out);
}

/* What the last run of agrees found. */
static reel_plan_info info;
static size_t reductions;

/* The program over x and y (and their views), eagerly and as a session: the same bits in each output. */
static bool agrees(body *f, int n_out, reel_tensor *x, reel_tensor *y)
{
    program p = {f};
    reel_tensor *want[MAX_OUT] = {NULL}, *got[MAX_OUT] = {NULL}, *made[MAX_OUT];
    static const char *const names[MAX_OUT] = {"o0", "o1", "o2", "o3", "o4", "o5"};
    if (reel_invoke(REEL_FN(call_body, &p, 2, n_out), REEL_LIST(x, y), want)) return false;
    reel_graph *g = reel_graph_begin();
    {
        REEL_SCOPED;
        reel_tensor *in[2] = {reel_placeholder(reel_dtype_of(x), reel_shape_of(x), "x"),
                              reel_placeholder(reel_dtype_of(y), reel_shape_of(y), "y")};
        if (!f(in, made))
            for (int i = 0; i < n_out; i++) reel_output(names[i], made[i]);
    }
    if (reel_graph_end(g)) return false;
    reel_session *s = reel_session_new(g, NULL);
    reel_session_poison_(s, true);
    bool ok = true;
    for (int threads = 1; threads <= 2; threads++) {
        reel_set_threads(threads);
        ok = ok && reel_session_run(s, REEL_FEEDS({"x", x}, {"y", y}), (reel_names){n_out, names}, got) == 0;
        for (int i = 0; ok && i < n_out; i++) {
            ok = same_bits(got[i], want[i]);
            if (!ok) TAP_NOTE("output %d, %d threads", i, threads);
        }
    }
    ok = ok && reel_session_info(s, &info) == 0;
    const reel_plan *plan = reel_session_plan_(s);
    reductions = plan ? plan->found[REEL_STEPS_REDUCE] : 0;
    if (!ok || getenv("REEL_VERBOSE")) (void)reel_session_explain(stderr, s);
    reel_session_free(s);
    reel_graph_free(g);
    return ok && !reel_status();
}

/* ---- what becomes one step ------------------------------------------------------------------------------- */

static int softmax(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *e = reel_exp(reel_sub(in[0], reel_max_axes(in[0], REEL_AXES(-1), true)));
    out[0] = reel_div(e, reel_sum_axes(e, REEL_AXES(-1), true));
    return reel_status();
}
static int layer_norm(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *d = reel_sub(in[0], reel_mean_axes(in[0], REEL_AXES(-1), true));
    reel_tensor *v = reel_mean_axes(reel_square(d), REEL_AXES(-1), true);
    out[0] = reel_add(reel_mul(reel_mul(d, reel_rsqrt(reel_add(v, reel_num(1e-5)))), in[1]), reel_num(0.5));
    return reel_status();
}
static int mse(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *d = reel_sub(reel_tanh(in[0]), in[1]);
    out[0] = reel_sqrt(reel_add(reel_mean(reel_mul(d, d)), reel_num(1)));
    out[1] = reel_mul(d, reel_num(0.5));
    return reel_status();
}

static void test_shapes(void)
{
    static const reel_dtype dtypes[] = {REEL_F32, REEL_F64, REEL_F16, REEL_BF16};
    static const int64_t sizes[][2] = {{1, 2},     {2, 1},    {3, 7},     {64, 10},    {1, 4096},   {5, 4097},
                                       {130, 512}, {300, 33}, {9, 70000}, {40000, 16}, {1, 200001}, {33, 2049}};
    for (int d = 0; d < 4; d++)
        for (int i = 0; i < (d < 2 ? 12 : 7); i++) {
            REEL_SCOPED;
            const int64_t r = sizes[i][0], c = sizes[i][1];
            reel_tensor *x = reel_randn(dtypes[d], REEL_SHAPE(r, c)), *y = reel_randn(dtypes[d], REEL_SHAPE(c));
            const char *dtype = reel_dtype_name(dtypes[d]);
            bool ok = agrees(softmax, 1, x, y);
            TAP_OK(ok && (c > REEL_FUSED_COLS || info.steps == 1), "softmax of [%d,%d] %s: %d steps", (int)r, (int)c,
                   dtype, info.steps);
            ok = agrees(layer_norm, 1, x, y);
            TAP_OK(ok && (c >= REEL_FUSED_COLS || info.steps == 1), "layer_norm of it: %d steps", info.steps);
            ok = agrees(mse, 2, x, y);
            TAP_OK(ok && (c == REEL_FUSED_COLS || info.steps == 1), "mse of it: %d steps", info.steps);
        }
}

/* Softmax and its gradient, as before and after. */
static void test_before_and_after(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    {
        REEL_SCOPED;
        reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(8, 100), "x"), *out;
        (void)softmax(&x, &out);
        reel_output("y", out);
    }
    (void)reel_graph_end(g);
    static const char *const lists[] = {"none", "default,-reduce,-columns", "default"};
    static const int steps[] = {5, 4, 1};
    for (int i = 0; i < 3; i++) {
        reel_session *s = reel_session_new(g, REEL_OPTS(session, .passes = lists[i]));
        reel_tensor *y;
        (void)reel_session_run(s, REEL_FEEDS({"x", reel_ones(REEL_F32, REEL_SHAPE(8, 100))}), REEL_FETCHES("y"), &y);
        TAP_NOTE("passes %s:", lists[i]);
        (void)reel_session_explain(stdout, s);
        (void)reel_session_info(s, &info);
        TAP_EQ_INT(info.steps, steps[i]);
        reel_session_free(s);
    }
    reel_graph_free(g);
}

/* ---- every reduction --------------------------------------------------------------------------------------- */

static int floats(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *a = reel_mul(reel_abs(in[0]), reel_num(0.75));
    reel_tensor *sum = reel_add(reel_l1(a, REEL_AXES(1), false), reel_l2(a, REEL_AXES(1), false));
    sum = reel_add(sum, reel_sum_square(a, REEL_AXES(1), false));
    out[0] = reel_add(sum, reel_logsumexp_axes(a, REEL_AXES(1), false));
    out[1] = reel_sub(reel_variance(a, REEL_AXES(1), 1, false), reel_std(a, REEL_AXES(1), 0, false));
    out[2] = reel_neg(reel_prod_axes(a, REEL_AXES(1), false));
    out[3] = a;
    return reel_status();
}
static int any_dtype(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *a = reel_maximum(in[0], in[1]);
    out[0] = reel_sub(reel_max_axes(a, REEL_AXES(1), true), reel_min_axes(a, REEL_AXES(1), true));
    out[1] = reel_logical_not(reel_any_axes(a, REEL_AXES(1), false));
    out[2] = reel_logical_and(reel_all_axes(a, REEL_AXES(1), false),
                              reel_all_axes(reel_greater(a, in[1]), REEL_AXES(1), false));
    out[3] = reel_add(reel_count_nonzero_axes(a, REEL_AXES(1), false), reel_num(1));
    return reel_status();
}
static int places(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *a = reel_sub(in[0], in[1]);
    out[0] = reel_sub(reel_argmax(a, 1), reel_argmin(a, 1));
    return reel_status();
}
static int integers(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *a = reel_mul(in[0], in[1]);
    out[0] = reel_mul(reel_sum_axes(a, REEL_AXES(1), false), reel_prod_axes(a, REEL_AXES(1), false));
    return reel_status();
}

static void test_reductions(void)
{
    static const int64_t cols[] = {3, 100, 4096, 5000, 40000};
    for (int i = 0; i < 5; i++) {
        REEL_SCOPED;
        const int64_t c = cols[i];
        reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(70, c)), *y = reel_randn(REEL_F32, REEL_SHAPE(70, c));
        x = reel_where(reel_greater(y, reel_num(2)), reel_num(0), x);
        bool ok = agrees(floats, 4, x, y);
        TAP_OK(ok && reductions >= 4, "sums of floats along %d: %d in groups", (int)c, (int)reductions);
        ok = agrees(floats, 4, reel_cast(x, REEL_F64), y);
        TAP_OK(ok && reductions >= 4, "of doubles: %d", (int)reductions);
        ok = agrees(any_dtype, 4, x, y);
        TAP_OK(ok && reductions >= 4, "order-free ones: %d", (int)reductions);
        ok = agrees(any_dtype, 4, reel_cast(reel_mul(x, reel_num(50)), REEL_I8), reel_cast(y, REEL_I8));
        TAP_OK(ok && reductions >= 4, "of i8: %d", (int)reductions);
        ok = agrees(any_dtype, 4, reel_cast(x, REEL_F16), reel_cast(y, REEL_F16));
        TAP_OK(ok && reductions >= 4, "of f16: %d", (int)reductions);
        ok = agrees(places, 1, x, y);
        TAP_OK(ok && (c > REEL_FUSED_COLS ? reductions == 0 : reductions == 2), "places: %d", (int)reductions);
        ok = agrees(integers, 1, reel_cast(reel_mul(x, reel_num(1e6)), REEL_I64), reel_cast(y, REEL_I64));
        TAP_OK(ok && reductions == 2, "integers: %d", (int)reductions);
    }
}

/* ---- layouts ------------------------------------------------------------------------------------------------ */

static int last_two(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *a = reel_mul(in[0], in[1]);
    reel_tensor *s = reel_sum_axes(a, REEL_AXES(1, 2), true);
    out[0] = reel_div(a, reel_add(s, reel_num(3)));
    out[1] = reel_exp(reel_squeeze(s, REEL_ALL_AXES));
    return reel_status();
}
static int first_axis(reel_tensor *const in[], reel_tensor *out[])
{
    out[0] = reel_exp(reel_sum_axes(reel_mul(in[0], in[1]), REEL_AXES(0), false)); /* no row */
    return reel_status();
}

static void test_layouts(void)
{
    REEL_SCOPED;
    reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(6, 50, 40)), *turned = reel_transpose(x, REEL_AXES(2, 0, 1)),
                *flipped = reel_flip(x, REEL_AXES(0, 2)), *every = reel_slice(x, 2, REEL_RANGES({0, 6, 1}, {0, 50, 3}));
    reel_tensor *shapes[] = {x,
                             reel_randn(REEL_F32, REEL_SHAPE(6, 1, 1)),
                             reel_randn(REEL_F32, REEL_SHAPE(50, 40)),
                             reel_randn(REEL_F32, REEL_SHAPE(1, 50, 1)),
                             reel_randn(REEL_F32, REEL_SHAPE(6, 1, 40)),
                             reel_randn(REEL_F32, REEL_SCALAR),
                             reel_transpose(reel_randn(REEL_F32, REEL_SHAPE(40, 50, 6)), REEL_AXES(2, 1, 0)),
                             reel_broadcast_to(reel_randn(REEL_F32, REEL_SHAPE(6, 1, 1)), REEL_SHAPE(6, 50, 40))};
    for (int i = 0; i < 8; i++) {
        const bool ok = agrees(last_two, 2, x, shapes[i]);
        TAP_OK(ok && info.steps == 1, "the last two axes, operand %d: %d steps", i, info.steps);
        TAP_OK(agrees(last_two, 2, flipped, shapes[i]), "reversed");
        TAP_OK(agrees(first_axis, 1, x, shapes[i]) && reductions == 0, "the first axis is no row");
    }
    TAP_OK(agrees(last_two, 2, turned, reel_randn(REEL_F32, REEL_SHAPE(40, 1, 50))) && info.steps == 1, "turned");
    TAP_OK(agrees(last_two, 2, every, reel_randn(REEL_F32, REEL_SHAPE(17, 40))) && info.steps == 1, "every third");
    reel_tensor *wide = reel_randn(REEL_F32, REEL_SHAPE(3, 100, 90));
    TAP_OK(agrees(mse, 2, reel_transpose(wide, REEL_AXES(2, 1, 0)), reel_randn(REEL_F32, REEL_SHAPE(100, 1))) &&
               info.steps == 1,
           "a long row, turned, and a column");
}

/* ---- what must stay apart ------------------------------------------------------------------------------------ */

/* The row result goes back into its rows through a transpose, a product, another row. */
static int apart(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *a = reel_exp(in[0]), *s = reel_sum_axes(a, REEL_AXES(1), true);
    reel_tensor *b = reel_div(a, reel_transpose(s, REEL_ALL_AXES)); /* [n,n] against [1,n] */
    out[0] = reel_sub(b, reel_sum_axes(b, REEL_AXES(1), false));    /* [n] against the columns */
    out[1] = reel_add(reel_matmul(a, s), reel_max_axes(reel_neg(b), REEL_AXES(1), true));
    out[2] = reel_mean(reel_mul(reel_sum_axes(b, REEL_AXES(1), true), s)); /* rows of rows */
    return reel_status();
}

/* A row result has the type of a vector that is read along every row and dies here. */
static int same_type(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *v = reel_sum_axes(in[1], REEL_AXES(0), false); /* no group's */
    reel_tensor *a = reel_mul(in[0], v);
    reel_tensor *s = reel_sum_axes(a, REEL_AXES(1), false);
    out[0] = reel_matmul(a, s);
    return reel_status();
}

/* More reductions, members, operands and temporaries than one group takes. */
static int crowded(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *sum = in[0], *rows = reel_zeros(REEL_F32, REEL_SCALAR), *kept[20];
    for (int i = 0; i < 20; i++) {
        kept[i] = reel_tanh(reel_add(sum, reel_num(0.1 * i)));
        sum = reel_mul(reel_sub(kept[i], reel_max_axes(kept[i], REEL_AXES(1), true)), in[1]);
        rows = reel_add(rows, reel_sum_axes(sum, REEL_AXES(1), true));
    }
    for (int i = 0; i < 20; i++) sum = reel_add(sum, kept[i]);
    out[0] = sum;
    out[1] = rows;
    return reel_status();
}
static int many_temporaries(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *t[14], *sum = reel_max_axes(in[0], REEL_AXES(1), true);
    for (int i = 0; i < 14; i++) t[i] = reel_sub(reel_mul(in[0], reel_num(i + 1)), sum);
    for (int i = 0; i < 14; i++) sum = reel_add(sum, t[i]);
    out[0] = reel_sum_axes(sum, REEL_AXES(1), false);
    return reel_status();
}

static void test_apart(void)
{
    REEL_SCOPED;
    reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(70, 70)), *y = reel_randn(REEL_F32, REEL_SHAPE(70, 70));
    TAP_OK(agrees(apart, 3, x, y), "turned, multiplied, summed again: %d steps", info.steps);
    TAP_OK(agrees(same_type, 1, x, y) && reductions == 1, "no row result over what the next row still reads");
    TAP_OK(agrees(crowded, 2, x, y), "more than a group takes: %d steps", info.steps);
    TAP_OK(agrees(crowded, 2, reel_randn(REEL_F32, REEL_SHAPE(3, 9000)), reel_num(0.5)), "of long rows: %d",
           info.steps);
    TAP_OK(agrees(many_temporaries, 1, x, y), "many temporaries: %d steps", info.steps);
    TAP_OK(agrees(many_temporaries, 1, reel_randn(REEL_F64, REEL_SHAPE(5, 4000)), y), "more than there is room for: %d",
           info.steps);
}

/* The gradient of a loss by hand: backward steps join the forward ones. */
static int trained(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(in[0]));
    reel_tensor *p[1], *dx;
    (void)softmax(in, p);
    reel_tensor *loss = reel_neg(reel_mean(reel_mul(in[1], reel_log(reel_add(p[0], reel_num(1e-9))))));
    (void)reel_grad(t, loss, REEL_LIST(in[0]), &dx);
    reel_tape_end(t);
    out[0] = loss;
    out[1] = dx;
    return reel_status();
}

/* What each row has is read by another row. */
static int crossed(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *m = reel_max_axes(reel_exp(in[0]), REEL_AXES(-1), true);
    out[0] = reel_mul(reel_add(in[0], in[1]), reel_transpose(m, REEL_AXES(1, 0, 2)));
    return reel_status();
}
static void test_crossed(void)
{
    REEL_SCOPED;
    reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(6, 6, 5)), *y = reel_randn(REEL_F32, REEL_SHAPE(5));
    TAP_OK(agrees(crossed, 1, x, y) && info.steps > 1, "rows that read what others have: %d steps", info.steps);
    expect_none("crossed");
}

static void test_gradient(void)
{
    REEL_SCOPED;
    for (int64_t c = 5; c < 9000; c *= 9) {
        reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(50, c)),
                    *y = reel_softmax(reel_randn(REEL_F32, REEL_SHAPE(50, c)), -1);
        const bool ok = agrees(trained, 2, x, y);
        TAP_OK(ok && reductions >= 2, "cross-entropy of a softmax by hand, %d classes: %d steps, %d reductions", (int)c,
               info.steps, (int)reductions);
    }
}

TAP_MAIN(test_shapes, test_before_and_after, test_reductions, test_layouts, test_apart, test_crossed, test_gradient)
