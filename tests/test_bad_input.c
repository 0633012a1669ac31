/* Every kind of bad input: a clear error with the user's file and line, and everything usable afterwards. */
#include "expect.h"

static reel_tensor *x23, *x45, *labels;

static void begin(void)
{
    x23 = reel_full(REEL_F32, REEL_SHAPE(2, 3), 1);
    x45 = reel_full(REEL_F32, REEL_SHAPE(4, 5), 1);
    const int32_t l[2] = {0, 2};
    labels = reel_from_i32(REEL_SHAPE(2), l, 2);
    CLEAN("set-up");
}

static void handles(void)
{
    FAILS(reel_add(NULL, x23), REEL_EARG, "reel_add: a is NULL");
    FAILS(reel_concat(REEL_LIST(x23, NULL), 0), REEL_EARG, "reel_concat: xs[1] is NULL");
    reel_tensor *dead = NULL;
    {
        REEL_SCOPED;
        dead = reel_neg(x23);
    }
    FAILS(reel_matmul(x23, dead), REEL_EARG, "reel_matmul: b is dead: made at|has ended");
    FAILS(reel_neg(dead), REEL_EARG, "reel_neg: x is dead");
}

static void ranks_dtypes_shapes(void)
{
    FAILS(reel_matmul(x23, x45), REEL_ESHAPE, "reel_matmul: |a f32[2,3], b f32[4,5]");
    FAILS(reel_matmul(reel_num(1), x23), REEL_ESHAPE, "reel_matmul");
    FAILS(reel_add(x23, x45), REEL_ESHAPE, "reel_add|f32[2,3]|f32[4,5]");
    FAILS(reel_add(x23, reel_cast(x23, REEL_F64)), REEL_EDTYPE, "dtypes differ|f32|f64");
    FAILS(reel_exp(labels), REEL_EDTYPE, "reel_exp|i32");
    FAILS(reel_mul(labels, reel_num(2.5)), REEL_EDTYPE, "2.5|i32");
    FAILS(reel_cast(x23, (reel_dtype)77), REEL_EDTYPE, "77");
    FAILS(reel_softmax_cross_entropy(x23, x23), REEL_EDTYPE, "labels");
    FAILS(reel_softmax_cross_entropy(x45, labels), REEL_ESHAPE, "logits f32[4,5], labels i32[2]");
    FAILS(reel_where(x23, x23, x23), REEL_EDTYPE, "cond");
    FAILS(reel_max(x23, 2), REEL_EARG, "axis 2 is out of range for rank 2");
    FAILS(reel_softmax(x23, -3), REEL_EARG, "axis -3 is out of range for rank 2");
    FAILS(reel_sum_axes(x23, REEL_AXES(0, 0), false), REEL_EARG, "axis");
    FAILS(reel_transpose(x23, REEL_AXES(0)), REEL_EARG, "reel_transpose");
    FAILS(reel_select(x23, 0, 2), REEL_EARG, "reel_select|2");
    FAILS(reel_squeeze(x23, REEL_AXES(0)), REEL_ESHAPE, "reel_squeeze");
    reel_tensor *out[2] = {x23, x23};
    REFUSES(reel_split(x23, 1, 2, out), REEL_ESHAPE, "reel_split");
    TAP_OK(!out[0] && !out[1], "split clears its outputs");
    FAILS(reel_concat(REEL_LIST(x23, x45), 0), REEL_ESHAPE, "reel_concat|xs[0] f32[2,3], xs[1] f32[4,5]");
}

static void sizes(void)
{
    FAILS(reel_zeros(REEL_F32, REEL_SHAPE(INT64_MAX, 2)), REEL_ESHAPE, "reel_full|overflow");
    FAILS(reel_zeros(REEL_F64, REEL_SHAPE(INT64_MAX / 4)), REEL_ESHAPE, "overflow");
    FAILS(reel_zeros(REEL_F32, REEL_SHAPE(3, -2)), REEL_ESHAPE, "-2");
    FAILS(reel_zeros(REEL_F32, REEL_SHAPE(REEL_ANY)), REEL_ESHAPE, "reel_full");
    reel_shape nine = REEL_SHAPE(1);
    nine.rank = 9;
    FAILS(reel_zeros(REEL_F32, nine), REEL_ESHAPE, "rank|9");
    FAILS(reel_reshape(x23, nine), REEL_ESHAPE, "rank|9");
    FAILS(reel_reshape(x23, REEL_SHAPE(4, 2)), REEL_ESHAPE, "reel_reshape|f32[2,3]");
    FAILS(reel_reshape(x23, REEL_SHAPE(-1, -1)), REEL_ESHAPE, "-1");
    FAILS(reel_reshape(x23, REEL_SHAPE(-1, 4)), REEL_ESHAPE, "reel_reshape");
    FAILS(reel_broadcast_to(x23, REEL_SHAPE(2, 4)), REEL_ESHAPE, "reel_broadcast_to");
    FAILS(reel_zeros((reel_dtype)0, REEL_SHAPE(1)), REEL_EDTYPE, "dtype");
    const float host[4] = {0};
    FAILS(reel_from_f32(REEL_SHAPE(2, 3), host, 4), REEL_EARG, "reel_from_f32|[2,3]|6|4");
    FAILS(reel_from_f32(REEL_SHAPE(2, 2), NULL, 4), REEL_EARG, "NULL");
    FAILS(reel_from((reel_type){REEL_F64, REEL_SHAPE(2)}, host, 8), REEL_EARG, "16 bytes|8");
    float back[5];
    REFUSES(reel_read_f32(x23, back, 5), REEL_EARG, "reel_read_f32|f32[2,3]|6|5");
    REFUSES(reel_read_f32(x23, NULL, 6), REEL_EARG, "dst is NULL");
    TAP_OK(isnan(reel_item(x23)), "six elements are no item");
    expect_error(__FILE__, 0, REEL_EARG, "reel_item|f32[2,3]", "says so", false);
    TAP_OK(reel_dim(x23, 5) == -2, "no such axis");
    expect_error(__FILE__, 0, REEL_EARG, "reel_dim: axis 5", "says so", false);
}

static void labels_out_of_range(void)
{
    const int32_t high[2] = {0, 3}, low[2] = {-1, 0};
    FAILS(reel_softmax_cross_entropy(x23, reel_from_i32(REEL_SHAPE(2), high, 2)), REEL_EARG, "label 3|3 classes");
    FAILS(reel_softmax_cross_entropy(x23, reel_from_i32(REEL_SHAPE(2), low, 2)), REEL_EARG, "label -1");
    TAP_OK(reel_softmax_cross_entropy(x23, labels) != NULL, "the next call works");
}

static void tapes(void)
{
    REEL_SCOPED;
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(x23));
    reel_tensor *y = reel_square(x23), *dx[1] = {x23};
    REFUSES(reel_grad(t, y, REEL_LIST(x23), dx), REEL_ESHAPE, "reel_grad|[2,3]");
    TAP_OK(!dx[0], "no gradient");
    reel_tape_end(t);
    REFUSES(reel_grad(t, y, REEL_LIST(x23), dx), REEL_ETRACE, "reel_grad|ended");
    reel_tape *once = reel_tape_begin(NULL);
    reel_watch(once, REEL_LIST(x23));
    y = reel_sum(reel_square(x23));
    TAP_OK(reel_grad(once, y, REEL_LIST(x23), dx) == 0 && dx[0], "a gradient");
    REFUSES(reel_grad(once, y, REEL_LIST(x23), dx), REEL_ETRACE, "reel_grad");
    reel_tape *dead = NULL;
    {
        REEL_SCOPED;
        dead = reel_tape_begin(NULL);
    }
    REFUSES(reel_watch(dead, REEL_LIST(x23)), REEL_ETRACE, "reel_watch|ended");
    REFUSES(reel_grad(NULL, y, REEL_LIST(x23), dx), REEL_EARG, "NULL");
}

static int read_line;
static int reads(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    read_line = __LINE__ + 1;
    if (reel_item(reel_sum(in[0])) > 0)
        out[0] = reel_neg(in[0]);
    else
        out[0] = in[0];
    return reel_status();
}
static int uses_outside(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    out[0] = reel_add(in[0], self);
    return reel_status();
}
static int gives_nothing(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    (void)in;
    (void)out;
    return 0;
}

static void traces(void)
{
    REEL_SCOPED;
    reel_tensor *out[1];
    reel_function *f = reel_function_new(REEL_FN(reads, NULL, 1, 1), NULL);
    TAP_OK(reel_function_call(f, REEL_LIST(x23), out) == REEL_ETRACE && !out[0], "a host read in a trace");
    expect_error(__FILE__, read_line, REEL_ETRACE, "reel_item", "names the line of the read", true);
    reel_function_free(f);
    f = reel_function_new(REEL_FN(uses_outside, x23, 1, 1), NULL);
    TAP_OK(reel_function_call(f, REEL_LIST(x23), out) == REEL_ETRACE && !out[0],
           "reached around in[], even if it is the same tensor today");
    expect_error(__FILE__, 0, REEL_ETRACE, "constants", "says what to do", false);
    reel_function_free(f);
    f = reel_function_new(REEL_FN(uses_outside, x23, 1, 1), NULL);
    TAP_OK(reel_function_call(f, REEL_LIST(reel_ones_like(x23)), out) == REEL_ETRACE && !out[0],
           "an outside tensor that is not declared");
    expect_error(__FILE__, 0, REEL_ETRACE, "constants|test_bad_input.c", "is named", false);
    reel_function_free(f);
    f = reel_function_new(REEL_FN(gives_nothing, NULL, 1, 1), NULL);
    TAP_OK(reel_function_call(f, REEL_LIST(x23), out) != 0 && !out[0], "a body that gives no output");
    reel_take_error(NULL);
    reel_function_free(f);
    REFUSES(reel_function_call(NULL, REEL_LIST(x23), out), REEL_EARG, "NULL");
}

static void sessions(void)
{
    REEL_SCOPED;
    reel_tensor *out[1], *x, *y, *foreign;
    reel_graph *other = reel_graph_begin();
    foreign = reel_placeholder(REEL_F32, REEL_SHAPE(3), "z");
    reel_graph_end(other);
    reel_graph *g = reel_graph_begin();
    x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 3), "x");
    y = reel_mul(x, reel_num(2));
    reel_output("y", y);
    FAILS(reel_add(x, foreign), REEL_ETRACE, "graph");
    FAILS(reel_placeholder(REEL_F32, REEL_SHAPE(2), "x"), REEL_EARG, "\"x\"");
    TAP_OK(isnan(reel_item(y)), "a symbolic tensor has no item");
    expect_error(__FILE__, 0, REEL_ETRACE, "reel_item", "says so", false);
    TAP_OK(reel_graph_end(g) == 0, "graph");
    reel_session *s = reel_session_new(g, NULL);
    REFUSES(reel_session_run(s, (reel_feeds){0, NULL}, REEL_FETCHES("y"), out), REEL_ETRACE,
            "reel_session_run|\"x\"|f32[?,3]");
    REFUSES(reel_session_run(s, REEL_FEEDS({"x", x45}), REEL_FETCHES("y"), out), REEL_ESHAPE,
            "\"x\"|f32[4,5]|f32[?,3]");
    REFUSES(reel_session_run(s, REEL_FEEDS({"x", labels}), REEL_FETCHES("y"), out), REEL_EDTYPE, "\"x\"|i32");
    REFUSES(reel_session_run(s, REEL_FEEDS({"x", x23}), REEL_FETCHES("q"), out), REEL_ETRACE, "\"q\"");
    REFUSES(reel_session_run(s, REEL_FEEDS({"q", x23}), REEL_FETCHES("y"), out), REEL_ETRACE, "\"q\"");
    REFUSES(reel_session_run(s, REEL_FEEDS({"x", NULL}), REEL_FETCHES("y"), out), REEL_EARG, "NULL");
    REFUSES(reel_session_run_handles(s, REEL_LIST(foreign), REEL_LIST(x23), REEL_LIST(y), out), REEL_ETRACE, "graph");
    TAP_OK(reel_session_run(s, REEL_FEEDS({"x", x23}), REEL_FETCHES("y"), out) == 0 &&
               reel_item(reel_sum(out[0])) == 12,
           "it still runs");
    TAP_OK(reel_session_close(s) == 0, "close");
    REFUSES(reel_session_run(s, REEL_FEEDS({"x", x23}), REEL_FETCHES("y"), out), REEL_ETRACE, "closed");
    TAP_OK(!out[0], "nothing");
    FAILS(reel_neg(y), REEL_ETRACE, "graph");
    reel_session_free(s);
    reel_graph_free(g);
    reel_graph_free(other);
    CLEAN("sessions");
}

static void still_usable(void)
{
    TAP_OK(reel_item(reel_sum(reel_matmul(x23, reel_transpose(x23, REEL_ALL_AXES)))) == 12,
           "after all that a product is right");
    CLEAN("at the end");
}

TAP_MAIN(begin, handles, ranks_dtypes_shapes, sizes, labels_out_of_range, tapes, traces, sessions, still_usable)
