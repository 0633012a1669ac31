/* Functions as nodes of the graphs around them (.call): traced once, the bits of inlined ones, with gradients, draws, assignments and
   unknown sizes; what is refused; minimizing and names inside. */
#include "trace/trace.h"
#include "trace_help.h"

enum { WIDTH = 6, LAYERS = 5 };
struct net {
    reel_vars *vars;
    reel_tensor *w, *seen;
    reel_function *layer, *outer;
    reel_optimizer *opt;
    int calls;
    bool call;
};

static int layer(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct net *n = self;
    n->calls++;
    reel_name_scope_begin("layer");
    reel_tensor *h = reel_tanh(reel_matmul(in[0], n->w));
    reel_assign(n->seen, reel_add(n->seen, reel_num(1)));
    out[0] = reel_add(in[0], reel_dropout(h, 0.25, NULL));
    out[1] = reel_sum(reel_mul(h, n->seen)); /* read behind its assignment */
    reel_name_scope_end();
    return reel_status();
}
static int smooth(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct net *n = self;
    n->calls++;
    out[0] = reel_add(in[0], reel_dropout(reel_tanh(reel_matmul(in[0], n->w)), 0.25, NULL));
    return reel_status();
}
static int twice(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct net *n = self;
    reel_tensor *r[1];
    reel_function_call(n->layer, REEL_LIST(in[0]), r);
    return reel_function_call(n->layer, REEL_LIST(r[0]), out);
}

static int plain(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct net *n = self;
    reel_tensor *x = in[0], *r[2];
    out[1] = reel_zeros(REEL_F32, REEL_SCALAR);
    for (int i = 0; i < LAYERS; i++) {
        if (reel_function_call(n->layer, REEL_LIST(x), r)) return reel_status();
        x = r[0];
        out[1] = reel_add(out[1], r[1]);
    }
    out[0] = x;
    return reel_status();
}
static int with_grad(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct net *n = self;
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(in[0]));
    reel_tensor *x = in[0], *r[1];
    for (int i = 0; i < LAYERS; i++) {
        if (reel_function_call(i % 2 ? n->outer : n->layer, REEL_LIST(x), r)) return reel_status();
        x = r[0];
    }
    out[0] = reel_mean(reel_square(x));
    return reel_grad(t, out[0], REEL_LIST(in[0], n->w), out + 1);
}
static int train(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct net *n = self;
    reel_tape *t = reel_tape_begin(NULL);
    reel_tensor *r[1];
    if (reel_function_call(n->outer, REEL_LIST(in[0]), r)) return reel_status();
    out[0] = reel_mean(reel_square(r[0]));
    return reel_minimize(n->opt, t, out[0]);
}

static bool with_adam; /* which leaves rows alone that have no gradient, if it hears of rows */
static void net_init(struct net *n, reel_body *body, int n_out, bool call)
{
    memset(n, 0, sizeof *n);
    n->call = call;
    n->vars = reel_vars_new("net");
    reel_seed(1);
    n->w = reel_var(n->vars, "w", reel_mul(reel_randn(REEL_F32, REEL_SHAPE(WIDTH, WIDTH)), reel_num(0.4)));
    reel_vars *other = n->vars;
    n->opt = with_adam ? reel_adam(other, NULL) : reel_sgd(other, NULL);
    n->seen = reel_var(n->vars, "seen", reel_zeros(REEL_F32, REEL_SCALAR));
    n->layer = reel_function_new((reel_fn){body, n, 1, n_out, "layer"}, REEL_OPTS(function, .call = call));
    n->outer = reel_function_new(REEL_FN(twice, n, 1, 1), REEL_OPTS(function, .call = call));
}
static void net_free(struct net *n)
{
    reel_function_free(n->layer);
    reel_function_free(n->outer);
    reel_optimizer_free(n->opt);
    reel_vars_free(n->vars);
}

/* The same calls of f with the functions inlined and as nodes. */
static void compare(reel_body *body, int n_inner, reel_body *f, int n_out, const char *name, int traced)
{
    REEL_SCOPED;
    enum { CALLS = 5 };
    struct net n[2];
    reel_tensor *out[2][CALLS][4], *state[2][CALLS][2];
    for (int k = 0; k < 2; k++) {
        net_init(&n[k], body, n_inner, k == 1);
        reel_function *fast = reel_function_new((reel_fn){f, &n[k], 1, n_out, "f"}, NULL);
        reel_seed(4);
        for (int i = 0; i < CALLS; i++) {
            reel_tensor *x = reel_add(reel_arange(REEL_F32, 0, 2 * WIDTH, 1), reel_num(i));
            if (reel_function_call(fast, REEL_LIST(reel_reshape(reel_sin(x), REEL_SHAPE(2, WIDTH))), out[k][i])) break;
            state[k][i][0] = reel_value(n[k].seen);
            state[k][i][1] = reel_add(reel_value(n[k].w), reel_randn(REEL_F32, REEL_SHAPE(WIDTH, WIDTH)));
        }
        expect_none(name);
        if (k == 1) TAP_OK(n[1].calls == traced, "%s: the layer's body ran %d times", name, n[1].calls);
        reel_function_free(fast);
    }
    int different = 0, other = 0;
    for (int i = 0; i < CALLS; i++) {
        for (int j = 0; j < n_out; j++) different += !same_bits(out[0][i][j], out[1][i][j]);
        for (int j = 0; j < 2; j++) other += !same_bits(state[0][i][j], state[1][i][j]);
    }
    TAP_OK(different == 0, "%s: %d results differ between inlined ops and nodes", name, different);
    TAP_OK(other == 0, "%s: %d variables or generators do", name, other);
    net_free(&n[0]);
    net_free(&n[1]);
}

static void test_bits(void)
{
    compare(layer, 2, plain, 2, "forward, with assignments", 2); /* once more when it is known what is assigned */
    compare(smooth, 1, with_grad, 3, "gradients", 1);
    compare(smooth, 1, train, 1, "training", 1);
}

/* ---- how often the forward runs ------------------------------------------------------------------------------ */

static int forwards, backwards;
static const reel_op *counted_op, *counted_grad_op;
static int same_type(const void *attr, const reel_type in[], reel_type out[])
{
    (void)attr;
    out[0] = in[0];
    return 0;
}
static int counted_cpu(const void *attr, const reel_view in[], const reel_view out[])
{
    (void)attr;
    forwards++;
    for (int64_t i = 0; i < reel_shape_count(in[0].type.shape); i++)
        ((float *)out[0].data)[i] = ((const float *)in[0].data)[i] * ((const float *)in[0].data)[i];
    return 0;
}
static int counted_grad_cpu(const void *attr, const reel_view in[], const reel_view out[])
{
    (void)attr;
    backwards++;
    for (int64_t i = 0; i < reel_shape_count(in[0].type.shape); i++)
        ((float *)out[0].data)[i] = 2 * ((const float *)in[0].data)[i] * ((const float *)in[1].data)[i];
    return 0;
}
static int counted_vjp(const void *attr, reel_tensor *const in[], reel_tensor *const out[], reel_tensor *const dout[],
                       reel_tensor *din[])
{
    (void)attr, (void)out;
    return reel_op_call(counted_grad_op, REEL_LIST(in[0], dout[0]), NULL, din);
}
static int counted_grad_vjp(const void *attr, reel_tensor *const in[], reel_tensor *const out[],
                            reel_tensor *const dout[], reel_tensor *din[])
{
    (void)attr, (void)out;
    din[0] = reel_mul(reel_mul(in[1], reel_num(2)), dout[0]);
    din[1] = reel_mul(reel_mul(in[0], reel_num(2)), dout[0]);
    return reel_status();
}
static int counted_layer(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct net *n = self;
    reel_tensor *h[1];
    n->calls++;
    if (reel_op_call(counted_op, REEL_LIST(reel_matmul(in[0], n->w)), NULL, h)) return reel_status();
    reel_tensor *turned =
        reel_transpose(reel_tanh(h[0]), REEL_AXES(1, 0)); /* a view: the product's bits depend on it */
    out[0] = reel_add(reel_dropout(reel_matmul(in[0], reel_matmul(turned, h[0])), 0.25, NULL), in[0]);
    return reel_status();
}
static int under_two(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct net *n = self;
    reel_tensor *y[1], *g;
    reel_tape *outer = reel_tape_begin(NULL), *t = reel_tape_begin(NULL);
    reel_watch(outer, REEL_LIST(in[0]));
    reel_watch(t, REEL_LIST(in[0]));
    if (reel_function_call(n->layer, REEL_LIST(in[0]), y)) return reel_status();
    out[0] = reel_sum(reel_square(y[0]));
    g = reel_grad1(t, out[0], in[0]);
    out[1] = g;
    return reel_grad(outer, reel_sum(reel_square(g)), REEL_LIST(n->w), out + 2);
}
/* Rows by numbers: a gradient that is row-sparse. */
static int looked_up(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct net *n = self;
    n->calls++;
    reel_tensor *rows = reel_embedding(n->w, reel_argmax(in[0], 1), NULL);
    out[0] = reel_mul(reel_tanh(rows), in[0]);
    return reel_status();
}

static int counted_rows(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *h[1];
    if (looked_up(self, in, h) || reel_op_call(counted_op, REEL_LIST(h[0]), NULL, h)) return reel_status();
    out[0] = reel_mul(h[0], in[0]);
    return reel_status();
}
static int train_layer(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct net *n = self;
    reel_tape *t = reel_tape_begin(NULL);
    reel_tensor *r[1];
    if (reel_function_call(n->layer, REEL_LIST(in[0]), r)) return reel_status();
    out[0] = reel_mean(reel_square(r[0]));
    return reel_minimize(n->opt, t, out[0]);
}

/* Inlined and as a node: gradients of gradients add up in another order. */
static void second_order(void)
{
    reel_tensor *x = reel_sin(reel_reshape(reel_arange(REEL_F32, 0, 2 * WIDTH, 1), REEL_SHAPE(2, WIDTH))), *r[2][3];
    for (int k = 0; k < 2; k++) {
        struct net n;
        net_init(&n, smooth, 1, k == 1);
        reel_function *fast = reel_function_new(REEL_FN(under_two, &n, 1, 3), NULL);
        for (int i = 0; i < 2; i++) {
            reel_seed(4);
            reel_function_call(fast, REEL_LIST(x), r[k]);
        }
        reel_function_free(fast);
        net_free(&n);
    }
    expect_none("second order");
    TAP_OK(same_bits(r[0][1], r[1][1]), "a gradient under two tapes has the same bits");
    const double away = reel_item(reel_max(reel_max(reel_abs(reel_sub(r[0][2], r[1][2])), 0), 0)),
                 size = reel_item(reel_max(reel_max(reel_abs(r[0][2]), 0), 0));
    TAP_OK(away <= 1e-6 * size, "a gradient of it is %g of its size away", away / size);
}

static void runs_of(struct net *n, reel_body *f, int n_out, int forward, int backward, const char *name)
{
    reel_tensor *x = reel_sin(reel_reshape(reel_arange(REEL_F32, 0, 2 * WIDTH, 1), REEL_SHAPE(2, WIDTH))), *out[3];
    reel_function *fast = reel_function_new((reel_fn){f, n, 1, n_out, "f"}, NULL);
    for (int i = 0; i < 3; i++) {
        forwards = backwards = 0;
        reel_function_call(fast, REEL_LIST(x), out);
    }
    expect_none(name);
    TAP_OK(forwards == forward && backwards == backward, "%s: a replay runs the forward %d times, the backward %d",
           name, forwards, backwards);
    reel_function_free(fast);
}

/* Two tapes beside each other, a loss each; both hear the calls. */
static int beside(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct net *n = self;
    reel_tensor *y[1];
    reel_tape *one = reel_tape_begin(NULL), *two = reel_tape_begin(NULL);
    reel_watch(one, REEL_LIST(in[0]));
    reel_watch(two, REEL_LIST(in[0]));
    if (reel_function_call(n->layer, REEL_LIST(in[0]), y)) return reel_status();
    reel_tensor *a = reel_sum(reel_square(y[0])), *b = reel_mean(reel_tanh(y[0]));
    out[0] = reel_grad1(two, b, in[0]);
    return reel_grad(one, a, REEL_LIST(in[0], n->w), out + 1);
}

/* In a graph being built: gradients of calls, and of what is not differentiated nothing is kept. */
static void graph_runs(void)
{
    struct net n;
    reel_tensor *d[2], *out[3],
        *v = reel_sin(reel_reshape(reel_arange(REEL_F32, 0, 2 * WIDTH, 1), REEL_SHAPE(2, WIDTH)));
    net_init(&n, counted_layer, 1, true);
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(2, WIDTH), "x"), *y[1] = {x};
    for (int i = 0; i < LAYERS; i++) {
        reel_tensor *in = y[0];
        reel_function_call(i % 2 ? n.outer : n.layer, REEL_LIST(in), y);
    }
    reel_graph_grad(REEL_LIST(reel_sum(reel_square(y[0]))), REEL_LIST(x, n.w), NULL, d);
    reel_output("y", y[0]);
    reel_output("dx", d[0]);
    reel_output("dw", d[1]);
    reel_graph_end(g);
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .effects = true, .check_plans = true));
    for (int i = 0; i < 2; i++) {
        forwards = backwards = 0;
        reel_session_run(s, REEL_FEEDS({"x", v}), REEL_FETCHES("y", "dx", "dw"), out);
        TAP_OK(forwards == LAYERS + LAYERS / 2 && backwards == forwards,
               "reel_graph_grad of calls and calls of calls: the forward runs %d times, the backward %d", forwards,
               backwards);
        forwards = 0;
        reel_session_run(s, REEL_FEEDS({"x", v}), REEL_FETCHES("y"), out);
        int kept = 0;
        const reel_graph *plan = reel_session_plan_(s)->graph;
        for (size_t k = 0; k < plan->n_nodes; k++)
            if (plan->nodes[k].op && strcmp(plan->nodes[k].op->name, "function_call") == 0)
                kept += plan->nodes[k].n_out - 2;
        TAP_OK(forwards == LAYERS + LAYERS / 2 && kept == 0, "without its gradient a call keeps nothing for it: %d",
               kept);
    }
    expect_none("graph");
    reel_session_free(s);
    reel_graph_free(g);
    net_free(&n);
}

static void test_runs(void)
{
    REEL_SCOPED;
    struct net n;
    const unsigned f32 = 1u << REEL_F32;
    counted_op = reel_op_register(REEL_OP_DEF(.name = "counted", .n_in = 1, .n_out = 1, .dtypes = f32,
                                              .shape = same_type, .cpu = counted_cpu, .vjp = counted_vjp));
    counted_grad_op =
        reel_op_register(REEL_OP_DEF(.name = "counted_grad", .n_in = 2, .n_out = 1, .dtypes = f32, .shape = same_type,
                                     .cpu = counted_grad_cpu, .vjp = counted_grad_vjp));
    net_init(&n, counted_layer, 1, true);
    runs_of(&n, train, 1, 2, 2, "two calls in a call, trained");
    runs_of(&n, with_grad, 3, LAYERS + LAYERS / 2, LAYERS + LAYERS / 2, "calls and calls of calls");
    runs_of(&n, beside, 3, 1, 2, "two tapes");
    runs_of(&n, under_two, 3, 1, 2, "one tape in another");
    net_free(&n);
    compare(counted_layer, 1, beside, 3, "two tapes", 1);
    graph_runs();
    compare(counted_layer, 1, with_grad, 3, "views, draws, ops of one's own", 1);
    compare(counted_layer, 1, train, 1, "the same, trained", 1);
    with_adam = true;
    compare(looked_up, 1, train, 1, "row-sparse gradients", 1);
    compare(counted_rows, 1, train_layer, 1, "row-sparse gradients of one call", 1);
    net_init(&n, counted_rows, 1, true);
    runs_of(&n, train_layer, 1, 1, 1, "row-sparse gradients of one call");
    net_free(&n);
    with_adam = false;
    second_order();
}

/* ---- graphs ------------------------------------------------------------------------------------------------ */

static int count_nodes(reel_graph *g, const char *op)
{
    int n = 0;
    char *text = listing(g);
    for (const char *at = text; at && (at = strstr(at, op)); at++) n++;
    free(text);
    return n;
}

static void test_graph(void)
{
    REEL_SCOPED;
    struct net n;
    reel_tensor *d[2], *out[3];
    net_init(&n, smooth, 1, true);
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, WIDTH), "x"), *y[1] = {x};
    for (int i = 0; i < LAYERS; i++) {
        reel_tensor *in = y[0];
        reel_function_call(n.layer, REEL_LIST(in), y);
    }
    TAP_EQ_INT(count_nodes(g, "function_call"), LAYERS);
    TAP_EQ_INT(n.calls, 1);
    reel_tensor *loss = reel_sum(reel_square(y[0]));
    reel_graph_grad(REEL_LIST(loss), REEL_LIST(x, n.w), NULL, d);
    reel_output("y", y[0]);
    reel_output("dx", d[0]);
    reel_output("dw", d[1]);
    TAP_EQ_INT(reel_graph_end(g), 0);
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .effects = true));
    for (int rows = 1; rows < 4; rows++) {
        reel_tensor *v = reel_randn(REEL_F32, REEL_SHAPE(rows, WIDTH)), *h = v, *e[2];
        reel_seed((uint64_t)rows);
        reel_session_run(s, REEL_FEEDS({"x", v}), REEL_FETCHES("y", "dx", "dw"), out);
        reel_seed((uint64_t)rows);
        reel_tape *t = reel_tape_begin(NULL);
        reel_watch(t, REEL_LIST(v));
        for (int i = 0; i < LAYERS; i++) {
            reel_tensor *r[1];
            reel_invoke(REEL_FN(smooth, &n, 1, 1), REEL_LIST(h), r);
            h = r[0];
        }
        reel_grad(t, reel_sum(reel_square(h)), REEL_LIST(v, n.w), e);
        TAP_OK(same_bits(out[0], h) && same_bits(out[1], e[0]) && same_bits(out[2], e[1]),
               "%d rows, drawn once: values and gradients have eager's bits", rows);
        expect_none("graph");
    }
    reel_session_free(s);
    reel_graph_free(g);
    net_free(&n);
}

/* ---- statics, what is refused --------------------------------------------------------------------------------- */

struct scaled {
    double factor;
    reel_tensor *outside;
    reel_function *self;
    int calls;
};
static int scale(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct scaled *s = self;
    s->calls++;
    out[0] = reel_mul(in[0], reel_num(s->factor));
    if (s->outside) out[0] = reel_add(out[0], s->outside);
    if (s->self) return reel_function_call(s->self, REEL_LIST(in[0]), out);
    return reel_status();
}
static int scales(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_function *const *f = self;
    reel_tensor *r[1];
    reel_function_call(f[0], REEL_LIST(in[0]), r);
    return reel_function_call(f[0], REEL_LIST(r[0]), out);
}
static int with_number(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_function *const *f = self;
    reel_tensor *r[1];
    reel_function_call(f[0], REEL_LIST(reel_num(3)), r);
    out[0] = reel_mul(reel_cast(in[0], REEL_F32), r[0]);
    return reel_status();
}

static void test_statics_and_errors(void)
{
    REEL_SCOPED;
    struct scaled s = {.factor = 2};
    reel_tensor *x = reel_ones(REEL_F64, REEL_SHAPE(3)), *out[1];
    reel_function *inner =
        reel_function_new(REEL_FN(scale, &s, 1, 1),
                          REEL_OPTS(function, .call = true, .statics = &s.factor, .statics_size = sizeof s.factor));
    reel_function *outer = reel_function_new(REEL_FN(scales, &inner, 1, 1), NULL);
    reel_function_call(outer, REEL_LIST(x), out);
    TAP_OK(reel_item(reel_sum(out[0])) == 12 && s.calls == 1, "two calls, one trace");
    reel_function_free(outer);
    s.factor = 3; /* a change of statics is seen where the function is traced again */
    outer = reel_function_new(REEL_FN(scales, &inner, 1, 1), NULL);
    reel_function_call(outer, REEL_LIST(x), out);
    TAP_OK(reel_item(reel_sum(out[0])) == 27 && s.calls == 2, "other statics, another one");
    reel_function_free(outer);
    outer = reel_function_new(REEL_FN(with_number, &inner, 1, 1), NULL);
    reel_function_call(outer, REEL_LIST(x), out);
    TAP_OK(reel_item(reel_sum(out[0])) == 27, "a number is inlined, weak as it is");
    expect_none("statics");
    reel_function_free(outer);
    reel_function_free(inner);
    inner = reel_function_new(REEL_FN(scale, &s, 1, 1), REEL_OPTS(function, .call = true)); /* now unseen ... */
    outer = reel_function_new(REEL_FN(scales, &inner, 1, 1), REEL_OPTS(function, .check = -1));
    reel_function_call(outer, REEL_LIST(x), out);
    reel_function_call(outer, REEL_LIST(x), out);
    expect_none("checked");
    s.factor = 4;
    reel_function_call(outer, REEL_LIST(x), out);
    expect_error(REEL_ETRACE, "a number is 4, which was 3", "test_call.c", "... but the check looks into nodes");
    reel_function_free(outer);
    reel_function_free(inner);
    s.factor = 3;
    s.outside = reel_ones(REEL_F64, REEL_SHAPE(3));
    inner = reel_function_new(REEL_FN(scale, &s, 1, 1), REEL_OPTS(function, .call = true));
    outer = reel_function_new(REEL_FN(scales, &inner, 1, 1), REEL_OPTS(function, .constants = REEL_LIST(s.outside)));
    reel_function_call(outer, REEL_LIST(x), out);
    expect_error(REEL_ETRACE, "outside tensor", ".constants",
                 "a tensor from outside, which only the outer one declares");
    reel_function_free(outer);
    reel_function_free(inner);
    inner = reel_function_new(REEL_FN(scale, &s, 1, 1),
                              REEL_OPTS(function, .call = true, .constants = REEL_LIST(s.outside)));
    outer = reel_function_new(REEL_FN(scales, &inner, 1, 1), NULL);
    reel_function_call(outer, REEL_LIST(x), out);
    TAP_OK(reel_item(reel_sum(out[0])) == 39, "declared it is a constant");
    expect_none("constants");
    reel_function_free(outer);
    s.self = inner;
    outer = reel_function_new(REEL_FN(scales, &inner, 1, 1), NULL);
    TAP_OK(reel_function_call(outer, REEL_LIST(reel_ones(REEL_F64, REEL_SHAPE(2, 3))), out) == REEL_ETRACE,
           "recursion");
    expect_error(REEL_ETRACE, "calls itself", "scale", "recursion");
    reel_function_free(outer);
    reel_function_free(inner);
}

/* An error inside a node names the op, the line and the scope in the body. */
static int picks(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_name_scope_begin("inner");
    out[0] = reel_gather(in[0], reel_cast(reel_sum(in[0]), REEL_I64), 0);
    reel_name_scope_end();
    return reel_status();
}
static int picks_twice(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *r[1];
    reel_name_scope_begin("around");
    reel_function_call(self, REEL_LIST(in[0]), r);
    reel_function_call(self, REEL_LIST(reel_mul(in[0], reel_num(0))), out);
    reel_name_scope_end();
    if (out[0]) out[0] = reel_add(out[0], r[0]);
    return reel_status();
}
static void test_errors_inside(void)
{
    REEL_SCOPED;
    reel_function *inner = reel_function_new(REEL_FN(picks, NULL, 1, 1), REEL_OPTS(function, .call = true));
    reel_function *outer = reel_function_new(REEL_FN(picks_twice, inner, 1, 1), NULL);
    reel_tensor *out[1];
    const double good[2] = {0.5, 0.5}, bad[2] = {5, 4};
    for (int i = 0; i < 3; i++) {
        TAP_EQ_INT(reel_function_call(outer, REEL_LIST(reel_from_f64(REEL_SHAPE(2), good, 2)), out), 0);
        TAP_EQ_INT(reel_function_call(outer, REEL_LIST(reel_from_f64(REEL_SHAPE(2), bad, 2)), out), REEL_EARG);
        expect_error(REEL_EARG, "reel_gather: index 9", "inner", "an error inside a node");
    }
    TAP_EQ_INT(reel_function_traces(inner), 1);
    reel_function_free(outer);
    reel_function_free(inner);
}

/* ---- replays under a tape that assign ------------------------------------------------------------------------------ */

static int counting(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct net *n = self;
    n->calls++;
    out[0] = reel_sum(reel_mul(reel_matmul(in[0], n->w), in[0]));
    return reel_assign(n->seen, reel_add(n->seen, reel_num(1)));
}
static void test_assigns_under_tape(void)
{
    REEL_SCOPED;
    struct net n;
    net_init(&n, counting, 1, false);
    reel_function *f = reel_function_new(REEL_FN(counting, &n, 1, 1), NULL);
    reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(2, WIDTH)), *out[1], *g[2], *e[2];
    for (int i = 0; i < 4; i++) {
        reel_tape *t = reel_tape_begin(NULL);
        reel_watch(t, REEL_LIST(x));
        reel_function_call(f, REEL_LIST(x), out);
        reel_grad(t, out[0], REEL_LIST(x, n.w), i ? g : e);
        if (i) TAP_OK(same_bits(g[0], e[0]) && same_bits(g[1], e[1]), "gradients of replay %d", i);
    }
    TAP_OK(n.calls == 1 && reel_item(reel_value(n.seen)) == 4,
           "a body that assigns is replayed under a tape: it ran %d times, counted %g", n.calls,
           reel_item(reel_value(n.seen)));
    expect_none("assigns under a tape");
    reel_function_free(f);
    net_free(&n);
}

/* ---- explained ------------------------------------------------------------------------------------------------------- */

static bool says(reel_function *f, const char *const want[], int n)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (!out) return false;
    reel_function_explain(out, f);
    fclose(out);
    bool ok = true;
    const char *at = text;
    for (int i = 0; i < n && ok; i++) { /* in this order */
        at = strstr(at, want[i]);
        ok = at != NULL;
        if (!ok) TAP_NOTE("no \"%s\" in\n%s", want[i], text);
    }
    ok = ok && !strstr(text, "(null)");
    free(text);
    return ok;
}

static int many_layers(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_function *const *f = self;
    return reel_function_call(f[0], REEL_LIST(reel_add(in[1], reel_num(0.125))), out);
}
static int explained_body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_function *const *f = self;
    reel_tensor *y[1], *z[1], *c[1];
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(in[0]));
    reel_function_call(f[0], REEL_LIST(in[0]), y);
    reel_function_call(f[0], REEL_LIST(y[0]), z);
    reel_checkpoint((reel_fn){scale, &(struct scaled){.factor = 0.75}, 1, 1, "halves"}, REEL_LIST(z[0]), c);
    reel_scan(REEL_FN(many_layers, self, 2, 1), REEL_LIST(reel_zeros(REEL_F64, REEL_SCALAR)), REEL_LIST(c[0]), y);
    out[0] = reel_grad1(t, y[0], in[0]);
    return reel_status();
}

static void test_explain(void)
{
    REEL_SCOPED;
    struct scaled s = {.factor = 2.5};
    reel_tensor *x = reel_ones(REEL_F64, REEL_SHAPE(3)), *out[1];
    reel_function *inner = reel_function_new(REEL_FN(scale, &s, 1, 1), REEL_OPTS(function, .call = true));
    reel_function *outer = reel_function_new(REEL_FN(explained_body, &inner, 1, 1), NULL);
    reel_function_call(outer, REEL_LIST(x), out);
    reel_function_call(outer, REEL_LIST(x), out);
    expect_none("explain");
    static const char *const of_outer[] = {"trace 1",
                                           "  scale as a node at ",
                                           "test_call.c:",
                                           ", 2 times, (f64[3]):\n    frozen:\n      number 2.5",
                                           "  a checkpoint of halves at ",
                                           "      number 0.75",
                                           "  reel_scan at ",
                                           "    body:\n      frozen:\n        number 0.125",
                                           "      scale as a node at ",
                                           "        frozen:\n          number 2.5",
                                           "  gradients of calls as nodes: 2"};
    TAP_OK(says(outer, of_outer, 11), "what nodes have inside");
    static const char *const of_inner[] = {"scale: 2 traces made, 0 kept", "as a node of other traces: (f64[])",
                                           "  frozen:\n    number 2.5", "as a node of other traces: (f64[3])",
                                           "number 2.5"};
    TAP_OK(says(inner, of_inner, 5), "what others have of a function");
    reel_function_free(outer);
    reel_function_free(inner);
}

/* ---- more gradients than a node has outputs for ----------------------------------------------------------------- */

enum { MANY = 34 };
struct crowd {
    reel_tensor *p[MANY], *table;
    reel_function *layer;
    reel_optimizer *opt;
};
static int crowd_layer(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct crowd *c = self;
    reel_tensor *y = reel_mul(reel_embedding(c->table, reel_argmax(in[0], 1), NULL), in[0]);
    for (int i = 0; i < MANY; i++) y = reel_tanh(reel_add(y, c->p[i]));
    out[0] = y;
    return reel_status();
}
static int crowd_step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct crowd *c = self;
    reel_tape *t = reel_tape_begin(NULL);
    reel_tensor *y[1];
    if (reel_function_call(c->layer, REEL_LIST(in[0]), y)) return reel_status();
    out[0] = reel_mean(reel_square(y[0]));
    return reel_minimize(c->opt, t, out[0]);
}

static void test_crowd(void)
{
    REEL_SCOPED;
    reel_tensor *x = reel_sin(reel_reshape(reel_arange(REEL_F32, 0, 2 * WIDTH, 1), REEL_SHAPE(2, WIDTH))), *r[1],
                *end[2][2];
    for (int call = 0; call < 2; call++) {
        struct crowd c;
        reel_vars *vars = reel_vars_new("crowd");
        for (int i = 0; i < MANY; i++) {
            char name[8];
            snprintf(name, sizeof name, "p%d", i);
            c.p[i] = reel_var(vars, name, reel_full(REEL_F32, REEL_SHAPE(WIDTH), 0.01 * i));
        }
        c.table =
            reel_var(vars, "table",
                     reel_cos(reel_reshape(reel_arange(REEL_F32, 0, WIDTH * WIDTH, 1), REEL_SHAPE(WIDTH, WIDTH))));
        c.opt = reel_sgd(vars, NULL);
        c.layer = reel_function_new(REEL_FN(crowd_layer, &c, 1, 1), REEL_OPTS(function, .call = call));
        reel_function *step = reel_function_new(REEL_FN(crowd_step, &c, 1, 1), NULL);
        for (int i = 0; i < 3; i++) reel_function_call(step, REEL_LIST(x), r);
        end[call][0] = reel_value(c.table);
        end[call][1] = reel_value(c.p[MANY - 1]);
        reel_function_free(step);
        reel_function_free(c.layer);
        reel_optimizer_free(c.opt);
        reel_vars_free(vars);
    }
    expect_none("34 parameters and a table");
    TAP_OK(same_bits(end[0][0], end[1][0]) && same_bits(end[0][1], end[1][1]), "as a node and inlined train alike");
}

TAP_MAIN(test_bits, test_runs, test_crowd, test_graph, test_statics_and_errors, test_errors_inside,
         test_assigns_under_tape, test_explain)
