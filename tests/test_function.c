/* Functions: traced by the first call, replayed by later ones; what may not be traced; gradients of replays. */
#include "core/random.h"
#include "core/tensor.h"
#include "trace_help.h"

struct net {
    reel_vars *vars;
    reel_dense a, b;
    reel_optimizer *opt;
    reel_function *nested;
    double scale;
    int calls;
};

static void net_init(struct net *m, bool adam)
{
    memset(m, 0, sizeof *m);
    m->scale = 1;
    m->vars = reel_vars_new("net");
    reel_seed(1);
    reel_dense_init(&m->a, m->vars, "a", REEL_F32, 8, 16);
    reel_dense_init(&m->b, m->vars, "b", REEL_F32, 16, 3);
    m->opt = adam ? reel_adam(m->vars, REEL_OPTS(adam, .lr = 0.01))
                  : reel_sgd(m->vars, REEL_OPTS(sgd, .lr = 0.05, .momentum = 0.9));
}
static void net_free(struct net *m)
{
    reel_optimizer_free(m->opt);
    reel_vars_free(m->vars);
}

static reel_tensor *forward(struct net *m, reel_tensor *x)
{
    REEL_SCOPED;
    return reel_keep(reel_dense_apply(&m->b, reel_tanh(reel_dense_apply(&m->a, x))));
}
static int loss_fn(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct net *m = self;
    m->calls++;
    out[0] = reel_mean(reel_softmax_cross_entropy(forward(m, in[0]), in[1]));
    return reel_status();
}
static int train(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct net *m = self;
    reel_tape *tape = reel_tape_begin(NULL);
    reel_tensor *noisy = reel_add(in[0], reel_mul(reel_randn(REEL_F32, REEL_SHAPE(4, 8)), reel_num(0.01)));
    if (loss_fn(m, (reel_tensor *const[]){noisy, in[1]}, out)) return reel_status();
    return reel_minimize(m->opt, tape, out[0]);
}

static reel_tensor *batch_x(int i)
{
    float x[32];
    for (int k = 0; k < 32; k++) x[k] = (float)((k * 7 + i * 13) % 17) / 17 - 0.5f;
    return reel_from_f32(REEL_SHAPE(4, 8), x, 32);
}
static reel_tensor *batch_y(int i)
{
    const int32_t y[4] = {i % 3, (i + 1) % 3, (i + 2) % 3, 0};
    return reel_from_i32(REEL_SHAPE(4), y, 4);
}

/* The same 500 steps eagerly and replayed end with the same bits everywhere. */
static void training(bool adam)
{
    struct net e, r;
    int different = 0;
    net_init(&e, adam);
    net_init(&r, adam);
    reel_function *f = reel_function_new(REEL_FN(train, &r, 2, 1), NULL);
    reel_generator *gen = reel_generator_default();
    reel_seed(42);
    reel_random_state se = reel_random_get_(gen), sr = se;
    for (int i = 0; i < 500 && reel_status() == 0; i++) {
        REEL_SCOPED;
        reel_tensor *a[1], *b[1];
        if (i == 250) {
            reel_assign(reel_optimizer_lr(e.opt), reel_num(0.002));
            reel_assign(reel_optimizer_lr(r.opt), reel_num(0.002));
        }
        reel_random_put_(gen, se);
        reel_invoke(REEL_FN(train, &e, 2, 1), REEL_LIST(batch_x(i), batch_y(i)), a);
        se = reel_random_get_(gen);
        reel_random_put_(gen, sr);
        reel_function_call(f, REEL_LIST(batch_x(i), batch_y(i)), b);
        sr = reel_random_get_(gen);
        different += !same_bits(a[0], b[0]) || se.counter != sr.counter;
    }
    TAP_EQ_INT(different, 0);
    const reel_list ve = reel_vars_list(e.vars), vr = reel_vars_list(r.vars);
    for (int i = 0; i < ve.n; i++)
        TAP_OK(same_bits(ve.t[i], vr.t[i]), "%s: %s after 500 steps", adam ? "adam" : "sgd", reel_var_name(ve.t[i]));
    TAP_EQ_INT(reel_function_traces(f), 1);
    TAP_EQ_INT(r.calls, 1);
    reel_function_free(f);
    net_free(&e);
    net_free(&r);
    expect_none("training");
}
static void test_sgd(void)
{
    training(false);
}
static void test_adam(void)
{
    training(true);
}

static int twice(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const double *scale = self;
    out[0] = reel_mul(in[0], reel_num(*scale));
    return reel_status();
}

static void test_signatures(void)
{
    REEL_SCOPED;
    double scale = 2;
    reel_function *f = reel_function_new(
        REEL_FN(twice, &scale, 1, 1),
        REEL_OPTS(function, .statics = &scale, .statics_size = sizeof scale, .max_traces = 3, .unknown_after = -1));
    reel_tensor *out[1];
    TAP_OK(reel_function_graph(f) == NULL && reel_function_traces(f) == 0, "no trace before the first call");
    for (int round = 0; round < 2; round++)
        for (int n = 1; n <= 3; n++) {
            reel_tensor *x = reel_arange(REEL_F32, 0, n, 1);
            TAP_EQ_INT(reel_function_call(f, REEL_LIST(x), out), 0);
            TAP_OK(same_bits(out[0], reel_mul(x, reel_num(2))), "size %d, round %d", n, round);
        }
    TAP_EQ_INT(reel_function_traces(f), 3);
    scale = 3;
    TAP_EQ_INT(reel_function_call(f, REEL_LIST(reel_ones(REEL_F32, REEL_SHAPE(3))), out), 0);
    TAP_OK(reel_item(reel_sum(out[0])) == 9, "statics are compared: a change retraces");
    TAP_EQ_INT(reel_function_traces(f), 4);
    scale = 2;
    reel_function_call(f, REEL_LIST(reel_ones(REEL_F32, REEL_SHAPE(3))), out);
    TAP_EQ_INT(reel_function_traces(f), 4);
    reel_function_call(f, REEL_LIST(reel_ones(REEL_F32, REEL_SHAPE(1))), out); /* was dropped: 4 traces, 3 kept */
    TAP_EQ_INT(reel_function_traces(f), 5);
    reel_function_call(f, REEL_LIST(reel_ones(REEL_F64, REEL_SHAPE(3))), out);
    TAP_OK(reel_dtype_of(out[0]) == REEL_F64, "dtypes are part of the signature");
    reel_function_call(f, REEL_LIST(reel_num(4)), out);
    TAP_OK(reel_item(out[0]) == 8, "a weak number as input");
    reel_function_call(f, REEL_LIST(reel_num(5)), out);
    TAP_OK(reel_item(out[0]) == 10, "is no constant");
    reel_function_free(f);
    expect_none("signatures");
}

static int int_scale(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_mul(in[0], in[1]);
    return reel_status();
}

static void test_inputs(void)
{
    REEL_SCOPED;
    reel_vars *v = reel_vars_new("v");
    reel_tensor *x = reel_var(v, "x", reel_full(REEL_F32, REEL_SHAPE(2), 3)), *out[1],
                *two = reel_full(REEL_F32, REEL_SHAPE(2), 2);
    reel_function *f = reel_function_new(REEL_FN(int_scale, NULL, 2, 1), NULL);
    TAP_EQ_INT(reel_function_call(f, REEL_LIST(two, two), out),
               0); /* one tensor, two inputs: the trace must not mix them up */
    TAP_OK(reel_item(reel_sum(out[0])) == 8, "f(x, x)");
    TAP_EQ_INT(reel_function_call(f, REEL_LIST(two, x), out), 0);
    TAP_OK(reel_item(reel_sum(out[0])) == 12, "then f(x, y), y a variable");
    reel_assign(x, reel_full(REEL_F32, REEL_SHAPE(2), 5));
    TAP_EQ_INT(reel_function_call(f, REEL_LIST(x, two), out), 0);
    TAP_OK(reel_item(reel_sum(out[0])) == 20, "whose value of the moment counts");
    TAP_EQ_INT(reel_function_traces(f), 1);
    const int32_t i[2] = {3, 4};
    reel_tensor *n = reel_from_i32(REEL_SHAPE(2), i, 2);
    TAP_EQ_INT(reel_function_call(f, REEL_LIST(n, reel_num(3)), out), 0);
    TAP_EQ_INT(reel_function_call(f, REEL_LIST(n, reel_num(4)), out), 0);
    TAP_OK(reel_item(reel_sum(out[0])) == 28, "a number read as an integer");
    reel_function_call(f, REEL_LIST(n, reel_num(2.5)), out);
    expect_error(REEL_EDTYPE, "2.5", "i32", "must be one, in a replay as eagerly");
    reel_function_call(f, REEL_LIST(n, NULL), out);
    expect_error(REEL_EARG, "in[1] is NULL", "test_function.c:", "a NULL input");
    reel_function_call(f, REEL_LIST(n), out);
    expect_error(REEL_EARG, "takes 2 inputs, not 1", "int_scale", "wrong number of inputs");
    reel_function_call(NULL, REEL_LIST(n), out);
    expect_error(REEL_EARG, "f is NULL", "", "a NULL function");
    reel_tensor *dead;
    {
        REEL_SCOPED;
        dead = reel_ones(REEL_F32, REEL_SHAPE(2));
    }
    reel_function_call(f, REEL_LIST(two, dead), out);
    expect_error(REEL_EARG, "in[1] is dead", "test_function.c:", "a dead input");
    reel_function_free(f);
    reel_vars_free(v);
}

/* ---- what may not be traced --------------------------------------------------------------------------- */

struct bad {
    int what;
    reel_tensor *outside;
    reel_vars *vars;
    reel_function *self;
};
static int bad_body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct bad *b = self;
    const float host[2] = {1, 2};
    out[0] = reel_neg(in[0]);
    switch (b->what) {
    case 0: out[0] = reel_add(in[0], b->outside); break;
    case 1: out[0] = reel_mul(in[0], reel_num(reel_item(reel_sum(in[0])))); break;
    case 2: out[0] = reel_add(in[0], reel_from_f32(REEL_SHAPE(2), host, 2)); break;
    case 3: out[0] = NULL; break;
    case 4: return 7;
    case 5: return reel_fail(REEL_EUSER, "no");
    case 6: out[0] = b->outside; break;
    case 7: reel_var_empty(b->vars, "new", REEL_F32, REEL_SHAPE(2)); break;
    case 8: reel_function_call(b->self, REEL_LIST(in[0]), out); break;
    case 9:
        out[0] = reel_matmul(in[0], in[0]);
        out[0] = reel_reshape(in[0], REEL_SHAPE(7));
        break;
    case 10: {
        REEL_SCOPED;
        out[0] = reel_exp(in[0]);
        break; /* dead at once */
    }
    default: break;
    }
    return reel_status();
}

static void test_not_traceable(void)
{
    REEL_SCOPED;
    struct bad b = {.outside = reel_ones(REEL_F32, REEL_SHAPE(2)), .vars = reel_vars_new("b")};
    static const struct {
        int code;
        const char *one, *two;
    } want[] = {
        {REEL_ETRACE, "reel_add: b is an outside tensor, made at", ".constants"},
        {REEL_ETRACE, "reel_item", "test_function.c:"},
        {REEL_ETRACE, "reel_from_f32: host data inside a trace", "test_function.c:"},
        {REEL_EARG, "left out[0] NULL", "bad_body"},
        {REEL_EUSER, "returned 7", "bad_body"},
        {REEL_EUSER, "no", ""},
        {REEL_ETRACE, "out[0] is an outside tensor", "made at"},
        {REEL_ETRACE, "reel_var_empty", "variable"},
        {REEL_ETRACE, "calls itself", "bad_body"},
        {REEL_ESHAPE, "reel_reshape", "[7]"},
        {REEL_EARG, "out[0] is dead", "test_function.c:"},
    };
    for (int i = 0; i < (int)(sizeof want / sizeof *want); i++) {
        REEL_SCOPED;
        reel_function *f = reel_function_new(REEL_FN(bad_body, &b, 1, 1), NULL);
        reel_tensor *out[1], *x = reel_full(REEL_F32, REEL_SHAPE(2), 3);
        b.self = f;
        b.what = i;
        const int rc = reel_function_call(f, REEL_LIST(x), out);
        TAP_OK(rc == want[i].code && out[0] == NULL && reel_function_traces(f) == 0, "case %d fails and leaves nothing",
               i);
        char name[32];
        snprintf(name, sizeof name, "case %d", i);
        if (i == 9)
            reel_take_error(NULL);
        else
            expect_error(want[i].code, want[i].one, want[i].two, name);
        b.what = 99;
        TAP_OK(reel_function_call(f, REEL_LIST(x), out) == 0 && reel_function_call(f, REEL_LIST(x), out) == 0 &&
                   reel_item(reel_sum(out[0])) == -6,
               "case %d: the function still works", i);
        reel_function_free(f);
    }
    reel_vars_free(b.vars);
    expect_none("not traceable");
}

static void test_allowed(void)
{
    REEL_SCOPED;
    struct bad b = {.outside = reel_ones(REEL_F32, REEL_SHAPE(2))};
    reel_function *f = reel_function_new(REEL_FN(bad_body, &b, 1, 1),
                                         REEL_OPTS(function, .constants = REEL_LIST(b.outside), .allow_reads = true));
    reel_tensor *out[1];
    for (b.what = 0; b.what < 3; b.what++) { /* another shape each, so that each is traced */
        for (int round = 0; round < 2; round++) {
            if (b.what && round) break;
            reel_tensor *x =
                reel_full(b.what == 1 ? REEL_F64 : REEL_F32, b.what == 2 ? REEL_SHAPE(1, 2) : REEL_SHAPE(2), 3);
            TAP_EQ_INT(reel_function_call(f, REEL_LIST(x), out), 0);
            TAP_EQ_INT(reel_function_call(f, REEL_LIST(x), out), 0);
            TAP_OK(reel_item(reel_sum(out[0])) == (b.what == 0   ? 8
                                                   : b.what == 1 ? 36
                                                                 : 9),
                   "declared or allowed %d", b.what);
        }
    }
    TAP_EQ_INT(reel_function_traces(f), 3);
    reel_function_free(f);
    expect_none("allowed");
}

/* ---- nesting, outputs, state --------------------------------------------------------------------------- */

static int outer_fn(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct net *m = self;
    reel_tensor *r[1];
    if (reel_function_call(m->nested, REEL_LIST(in[0], in[1]), r)) return reel_status();
    out[0] = reel_mul(r[0], reel_num(2));
    out[1] = in[0];
    out[2] = m->a.w;
    out[3] = reel_num(0.5);
    out[4] = out[0];
    return reel_status();
}

static void test_nested(void)
{
    REEL_SCOPED;
    struct net m;
    net_init(&m, false);
    m.nested = reel_function_new(REEL_FN(loss_fn, &m, 2, 1), NULL);
    reel_function *f = reel_function_new(REEL_FN(outer_fn, &m, 2, 5), NULL);
    reel_tensor *a[5], *b[5], *x = batch_x(1), *y = batch_y(1);
    TAP_EQ_INT(reel_function_call(f, REEL_LIST(x, y), a), 0);
    TAP_EQ_INT(reel_function_traces(m.nested), 0);
    TAP_EQ_INT(reel_function_call(f, REEL_LIST(x, y), b), 0);
    for (int i = 0; i < 5; i++) TAP_OK(same_bits(a[i], b[i]), "output %d of a replay", i);
    TAP_OK(same_bits(b[1], x) && same_bits(b[2], m.a.w) && reel_item(b[3]) == 0.5,
           "an input, a variable, a number as outputs");
    reel_tensor *kept = b[2];
    reel_assign(m.a.w, reel_zeros_like(m.a.w));
    TAP_OK(same_bits(kept, a[2]), "an output that was a variable's value stays");
    reel_function_free(f);
    reel_function_free(m.nested);
    net_free(&m);
    expect_none("nested");
}

static int swap_body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *const *v = self;
    reel_tensor *a = reel_value(v[0]);
    (void)in;
    reel_assign(v[0], v[1]);
    reel_assign(v[1], a);
    reel_assign(v[2], reel_transpose(reel_reshape(reel_add(v[0], v[1]), REEL_SHAPE(2, 2)), REEL_AXES(1, 0)));
    out[0] = reel_add(v[0], reel_num(0));
    return reel_status();
}

static void test_state(void)
{
    REEL_SCOPED;
    reel_vars *s = reel_vars_new("s");
    const float one[4] = {1, 2, 3, 4}, two[4] = {5, 6, 7, 8};
    reel_tensor *v[3] = {reel_var(s, "a", reel_from_f32(REEL_SHAPE(4), one, 4)),
                         reel_var(s, "b", reel_from_f32(REEL_SHAPE(4), two, 4)),
                         reel_var(s, "c", reel_zeros(REEL_F32, REEL_SHAPE(2, 2)))};
    reel_function *f = reel_function_new(REEL_FN(swap_body, v, 0, 1), NULL);
    for (int i = 0; i < 5; i++) {
        reel_tensor *out[1];
        float r[4], c[4];
        TAP_EQ_INT(reel_function_call(f, (reel_list){0, NULL}, out), 0);
        reel_read_f32(out[0], r, 4);
        reel_read_f32(v[2], c, 4);
        TAP_OK(r[0] == (i % 2 ? 1 : 5) && c[1] == 10 && c[2] == 8, "swapped %d times", i + 1);
    }
    TAP_EQ_INT(reel_function_traces(f), 1);
    reel_function_free(f);
    reel_vars_free(s);
    expect_none("state");
}

/* Two variables that hold one value (a target network just copied) must not be taken for each other. */
static int shared_body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *const *v = self;
    reel_tape *t = reel_tape_begin(NULL);
    (void)in;
    out[0] = reel_grad1(t, reel_sum(reel_mul(reel_square(v[0]), v[1])), v[0]);
    return reel_status();
}

static void test_shared_value(void)
{
    REEL_SCOPED;
    reel_vars *s = reel_vars_new("s");
    reel_tensor *x = reel_full(REEL_F32, REEL_SHAPE(2), 3), *v[2] = {reel_var(s, "a", x), reel_var(s, "b", x)}, *out[1];
    reel_function *f = reel_function_new(REEL_FN(shared_body, v, 0, 1), NULL);
    for (int i = 0; i < 3; i++) {
        TAP_EQ_INT(reel_function_call(f, (reel_list){0, NULL}, out), 0);
        TAP_OK(reel_item(reel_sum(out[0])) == 36, "d(a a b) = 2 a b, call %d", i);
    }
    TAP_EQ_INT(reel_function_traces(f), 1);
    reel_assign(v[1], reel_full(REEL_F32, REEL_SHAPE(2), 10));
    reel_function_call(f, (reel_list){0, NULL}, out);
    TAP_OK(reel_item(reel_sum(out[0])) == 120, "and apart after an assign");
    reel_function_free(f);
    reel_vars_free(s);
    expect_none("shared value");
}

/* ---- gradients of a replay ------------------------------------------------------------------------------ */

static int noisy_loss(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct net *m = self;
    reel_tensor *keep =
        reel_cast(reel_greater(reel_uniform(REEL_F32, REEL_SHAPE(4, 8), 0, 1, NULL), reel_num(0.3)), REEL_F32);
    out[0] = reel_mean(reel_softmax_cross_entropy(forward(m, reel_mul(reel_mul(in[0], in[0]), keep)), in[1]));
    out[1] = reel_sum(reel_square(in[0]));
    return reel_status();
}

static void test_gradients(void)
{
    REEL_SCOPED;
    struct net m;
    net_init(&m, false);
    reel_function *f = reel_function_new(REEL_FN(noisy_loss, &m, 2, 2), NULL);
    reel_tensor *x = batch_x(3), *y = batch_y(3), *want[3], *wx = NULL;
    for (int call = 0; call < 4; call++) { /* 0: eager; 1: traces; 2, 3: replays */
        reel_seed(9);
        reel_tape *outer = reel_tape_begin(NULL);
        reel_watch(outer, REEL_LIST(x));
        reel_tape *t = reel_tape_begin(NULL);
        reel_watch(t, REEL_LIST(x));
        reel_tensor *out[2], *g[3];
        const int rc = call ? reel_function_call(f, REEL_LIST(x, y), out)
                            : reel_invoke(REEL_FN(noisy_loss, &m, 2, 2), REEL_LIST(x, y), out);
        TAP_EQ_INT(rc, 0);
        TAP_EQ_INT(reel_grad(t, reel_add(out[0], out[1]), REEL_LIST(x, m.a.w, m.b.b), g), 0);
        reel_tensor *gg = reel_grad1(outer, reel_sum(reel_square(g[0])), x);
        for (int i = 0; i < 3 && call; i++)
            TAP_OK(same_bits(g[i], want[i]), "gradient %d of call %d is the eager one", i, call);
        if (call) TAP_OK(same_bits(gg, wx), "second order, call %d", call);
        if (!call) memcpy(want, g, sizeof want), wx = gg;
    }
    TAP_EQ_INT(reel_function_traces(f), 1);
    reel_function_free(f);
    net_free(&m);
    expect_none("gradients");
}

static int square_vjp(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_mul(in[2], reel_num(100));
    return reel_status();
}
static int plain_square(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_square(in[0]);
    return reel_status();
}
static int custom(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    return reel_custom_grad(REEL_FN(plain_square, NULL, 1, 1), REEL_FN(square_vjp, NULL, 3, 1), REEL_LIST(in[0]), out);
}
static int grad_inside(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(in[0]));
    reel_tensor *y[1];
    if (custom(self, in, y)) return reel_status();
    out[0] = reel_grad1(t, reel_sum(y[0]), in[0]);
    return reel_status();
}

static void test_custom_gradient(void)
{
    REEL_SCOPED;
    reel_function *f = reel_function_new(REEL_FN(custom, NULL, 1, 1), NULL),
                  *h = reel_function_new(REEL_FN(grad_inside, NULL, 1, 1), NULL);
    reel_tensor *x = reel_full(REEL_F32, REEL_SHAPE(2), 3), *out[1];
    for (int call = 0; call < 3; call++) {
        TAP_EQ_INT(reel_function_call(f, REEL_LIST(x), out), 0);
        TAP_OK(reel_item(reel_sum(out[0])) == 18, "forward, call %d", call);
        reel_tape *t = reel_tape_begin(NULL);
        reel_watch(t, REEL_LIST(x));
        TAP_EQ_INT(reel_function_call(f, REEL_LIST(x), out), 0);
        TAP_OK(reel_item(reel_sum(reel_grad1(t, reel_sum(out[0]), x))) == 200, "its own gradient under a tape, call %d",
               call);
        TAP_EQ_INT(reel_function_call(h, REEL_LIST(x), out), 0);
        TAP_OK(reel_item(reel_sum(out[0])) == 200, "and inside a trace, call %d", call);
    }
    reel_function_free(f);
    reel_function_free(h);
    expect_none("custom gradient");
}

/* ---- training with a session ------------------------------------------------------------------------------ */

static void test_graph_training(void)
{
    REEL_SCOPED;
    struct net e, g;
    net_init(&e, true);
    net_init(&g, true);
    reel_graph *graph = reel_graph_begin();
    reel_tensor *px = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 8), "x"),
                *py = reel_placeholder(REEL_I32, REEL_SHAPE(REEL_ANY), "y");
    for (int twice_over = 0; twice_over < 2; twice_over++) { /* the second step must see the first's parameters */
        reel_tape *t = reel_tape_begin(NULL);
        reel_tensor *loss = reel_mean(reel_softmax_cross_entropy(forward(&g, px), py));
        reel_output(twice_over ? "second" : "first", loss);
        reel_minimize(g.opt, t, loss);
    }
    TAP_EQ_INT(reel_graph_end(graph), 0);
    reel_session *s = reel_session_new(graph, REEL_OPTS(session, .effects = true));
    int different = 0;
    for (int i = 0; i < 50 && !reel_status(); i++) {
        REEL_SCOPED;
        reel_tensor *out[2], *x = batch_x(i), *y = batch_y(i), *loss[2];
        different += reel_session_run(s, REEL_FEEDS({"x", x}, {"y", y}), REEL_FETCHES("first", "second"), out) != 0;
        for (int k = 0; k < 2; k++) {
            reel_tape *t = reel_tape_begin(NULL);
            loss[k] = reel_mean(reel_softmax_cross_entropy(forward(&e, x), y));
            reel_minimize(e.opt, t, loss[k]);
            different += !same_bits(loss[k], out[k]);
        }
    }
    TAP_EQ_INT(different, 0);
    TAP_OK(same_bits(e.a.w, g.a.w) && same_bits(e.b.b, g.b.b),
           "a graph with two training steps ends with the eager parameters");
    reel_session_free(s);
    reel_graph_free(graph);
    net_free(&e);
    net_free(&g);
    expect_none("graph training");
}

TAP_MAIN(test_sgd, test_adam, test_signatures, test_inputs, test_not_traceable, test_allowed, test_nested, test_state,
         test_shared_value, test_gradients, test_custom_gradient, test_graph_training)
