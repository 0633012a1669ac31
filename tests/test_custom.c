/* Ops of the user's own: the same tape, trace, gradcheck and errors as the built-in ones. */
#include "expect.h"

struct scale {
    double by;
};

static int64_t count(const reel_view *v)
{
    return reel_shape_count(v->type.shape);
}

static int scale_shape(const void *attr, const reel_type in[], reel_type out[])
{
    const struct scale *s = attr;
    if (s->by == 0) return reel_fail(REEL_EARG, "by is %g, must not be 0", s->by);
    out[0] = in[0];
    return 0;
}
static int scale_cpu(const void *attr, const reel_view in[], const reel_view out[])
{
    const struct scale *s = attr;
    for (int64_t i = 0, n = count(&in[0]); i < n; i++) {
        if (in[0].type.dtype == REEL_F64)
            ((double *)out[0].data)[i] = s->by * ((const double *)in[0].data)[i];
        else
            ((float *)out[0].data)[i] = (float)s->by * ((const float *)in[0].data)[i];
    }
    return 0;
}
static int scale_vjp(const void *attr, reel_tensor *const in[], reel_tensor *const out[], reel_tensor *const dout[],
                     reel_tensor *din[])
{
    (void)in;
    (void)out;
    reel_op_call(reel_op_find("scale"), REEL_LIST(dout[0]), attr, din);
    return reel_status();
}

/* sum and difference: two outputs, no gradient; refuses 13 as its first element */
static int both_shape(const void *attr, const reel_type in[], reel_type out[])
{
    (void)attr;
    out[0] = out[1] = in[0];
    return 0;
}
static int both_cpu(const void *attr, const reel_view in[], const reel_view out[])
{
    (void)attr;
    const float *a = in[0].data, *b = in[1].data;
    float *sum = out[0].data, *difference = out[1].data;
    if (a[0] == 13) return reel_fail(REEL_EUSER, "13 is unlucky");
    for (int64_t i = 0, n = count(&in[0]); i < n; i++) {
        sum[i] = a[i] + b[i];
        difference[i] = a[i] - b[i];
    }
    return 0;
}

static const reel_op *scale, *both;

static void registering(void)
{
    scale = reel_op_register(REEL_OP_DEF(.name = "scale", .n_in = 1, .n_out = 1, .attr_size = sizeof(struct scale),
                                         .dtypes = 1u << REEL_F32 | 1u << REEL_F64, .shape = scale_shape,
                                         .cpu = scale_cpu, .vjp = scale_vjp));
    both = reel_op_register(REEL_OP_DEF(.name = "both", .n_in = 2, .n_out = 2, .dtypes = 1u << REEL_F32,
                                        .shape = both_shape, .cpu = both_cpu));
    TAP_OK(scale && both && reel_op_find("scale") == scale, "registered and found");
    TAP_OK(!reel_op_find("no such op") && reel_op_find("matmul"), "built-in ops are found too");
    FAILS_ANYWHERE(
        reel_op_register(REEL_OP_DEF(.name = "both", .n_in = 2, .n_out = 2, .shape = both_shape, .cpu = both_cpu)),
        REEL_EARG, "both|already");
    FAILS_ANYWHERE(reel_op_register(REEL_OP_DEF(.n_in = 1, .n_out = 1, .shape = both_shape, .cpu = both_cpu)),
                   REEL_EARG, "name");
    FAILS_ANYWHERE(
        reel_op_register(REEL_OP_DEF(.name = "q", .n_in = 9, .n_out = 1, .shape = both_shape, .cpu = both_cpu)),
        REEL_EARG, "8 inputs");
    FAILS_ANYWHERE(reel_op_register(REEL_OP_DEF(.name = "q", .n_in = 1, .n_out = 1, .cpu = both_cpu)), REEL_EARG,
                   "shape");
    FAILS_ANYWHERE(reel_op_register(REEL_OP_DEF(.name = "q", .n_in = 1, .n_out = 1, .shape = both_shape)), REEL_EARG,
                   "cpu");
    FAILS_ANYWHERE(reel_op_register(NULL), REEL_EARG, "NULL");
    const reel_op_def old = {.name = "exp",
                             .n_in = 1,
                             .n_out = 1,
                             .attr_size = sizeof(struct scale),
                             .shape = scale_shape,
                             .cpu = scale_cpu};
    const reel_op *mine = reel_op_register(&old), *out_of_the_box = reel_op_find("exp");
    TAP_OK(mine && out_of_the_box == mine, "a built-in op's name is free, and a size left out is the present one");
    REEL_SCOPED;
    TAP_OK(reel_item(reel_exp(reel_full(REEL_F32, REEL_SCALAR, 0))) == 1, "and the built-in one stays what it was");
}

static reel_tensor *scaled(const char *site, reel_tensor *x, double by)
{
    reel_tensor *y = NULL;
    reel_op_call_at(site, scale, REEL_LIST(x), &(struct scale){by}, &y);
    return y;
}

static void calling(void)
{
    REEL_SCOPED;
    reel_tensor *x = reel_reshape(reel_arange(REEL_F32, 0, 6, 1), REEL_SHAPE(2, 3)), *out[2];
    reel_tensor *t = scaled(REEL_HERE, reel_transpose(x, REEL_ALL_AXES), 2);
    float v[6];
    TAP_OK(reel_read_f32(t, v, 6) == 0 && v[0] == 0 && v[1] == 6 && v[2] == 2 && v[5] == 10,
           "a strided operand arrives dense");
    TAP_OK(reel_op_call(both, REEL_LIST(x, x), NULL, out) == 0 && reel_item(reel_sum(out[0])) == 30 &&
               reel_item(reel_sum(out[1])) == 0,
           "two outputs");
    FAILS(scaled(REEL_HERE, x, 0), REEL_EARG, "reel_scale: by is 0, must not be 0|f32[2,3]");
    FAILS(scaled(REEL_HERE, reel_cast(x, REEL_I32), 2), REEL_EDTYPE, "scale|i32");
    REFUSES(reel_op_call(both, REEL_LIST(x), NULL, out), REEL_EARG, "both|2");
    REFUSES(reel_op_call(NULL, REEL_LIST(x), NULL, out), REEL_EARG, "op is NULL");
    REFUSES(reel_op_call(scale, REEL_LIST(x), NULL, out), REEL_EARG, "by is 0");
    reel_tensor *unlucky = reel_full(REEL_F32, REEL_SHAPE(2), 13);
    REFUSES(reel_op_call(both, REEL_LIST(unlucky, unlucky), NULL, out), REEL_EUSER, "13 is unlucky|f32[2]");
    TAP_OK(!out[0] && !out[1], "a failed op gives nothing");
    reel_tensor *none = scaled(REEL_HERE, reel_zeros(REEL_F32, REEL_SHAPE(0, 4)), 2);
    TAP_OK(none && reel_dim(none, 1) == 4, "empty operands");
    CLEAN("calling");
}

static int body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_sum(reel_tanh(scaled(REEL_HERE, in[0], 1.5)));
    return reel_status();
}

static void gradients(void)
{
    REEL_SCOPED;
    reel_gradcheck_report r;
    reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(3, 2)), *out[2];
    TAP_OK(reel_gradcheck(REEL_FN(body, NULL, 1, 1), REEL_LIST(x), REEL_OPTS(gradcheck, .order = 2), &r) == 0,
           "gradcheck, second order: %s", r.text);
    CLEAN("gradcheck");
    reel_tape *tape = reel_tape_begin(NULL);
    reel_watch(tape, REEL_LIST(x));
    REFUSES(reel_op_call(both, REEL_LIST(x, x), NULL, out), REEL_EARG, "both");
    reel_tape_end(tape);
}

static void traces(void)
{
    REEL_SCOPED;
    reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(3, 2)), *eager[1], *out[1];
    reel_invoke(REEL_FN(body, NULL, 1, 1), REEL_LIST(x), eager);
    reel_function *f = reel_function_new(REEL_FN(body, NULL, 1, 1), NULL);
    for (int i = 0; i < 3; i++) {
        reel_function_call(f, REEL_LIST(x), out);
        TAP_OK(reel_item(out[0]) == reel_item(eager[0]), "call %d of the function gives eager's bits", i);
    }
    reel_function_free(f);
    reel_graph *g = reel_graph_begin();
    reel_tensor *y[2], *p = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY), "x");
    reel_op_call(both, REEL_LIST(p, reel_transpose(p, REEL_ALL_AXES)), NULL, y);
    reel_output("y", y[0]);
    TAP_OK(reel_graph_end(g) == 0, "a graph with an unknown dimension");
    reel_session *s = reel_session_new(g, NULL);
    for (int n = 1; n < 4; n++) {
        reel_session_run(s, REEL_FEEDS({"x", reel_ones(REEL_F32, REEL_SHAPE(n))}), REEL_FETCHES("y"), out);
        TAP_OK(reel_item(reel_sum(out[0])) == 2 * n, "run with %d elements", n);
    }
    reel_error e;
    reel_session_run(s, REEL_FEEDS({"x", reel_full(REEL_F32, REEL_SHAPE(1), 13)}), REEL_FETCHES("y"), out);
    TAP_OK(reel_take_error(&e) == REEL_EUSER && strstr(e.text, "13 is unlucky") && strstr(e.text, "test_custom.c") &&
               !out[0],
           "a failing kernel in a replay: %s", e.text);
    reel_session_free(s);
    reel_graph_free(g);
    CLEAN("traces");
}

TAP_MAIN(registering, calling, gradients, traces)
