/* reel_bench.c: our side of bench/run.py. */
#include <math.h>
#include <reel/reel.h>
#include "bench.h"

static reel_scope *scope;
static reel_tensor *a, *b, *out[4];
static reel_graph *graph;
static reel_session *session;
static reel_function *function;

static int healthy(const char *what)
{
    reel_error e;
    if (!reel_take_error(&e)) return 1;
    fprintf(stderr, "%s: %s\n", what, e.text);
    return 0;
}

static void finish(void)
{
    reel_session_free(session);
    reel_graph_free(graph);
    reel_function_free(function);
    reel_scope_end(scope);
    session = NULL;
    graph = NULL;
    function = NULL;
    scope = NULL;
    healthy("end");
}

/* ---- eager overhead ------------------------------------------------------------------------------ */

enum { HUNDRED = 100 }; /* ops a scope, and a tape */

static int begin_add(int n)
{
    (void)n;
    scope = reel_scope_begin(REEL_HERE, "bench");
    a = reel_full(REEL_F32, REEL_SHAPE(4), 1);
    b = reel_full(REEL_F32, REEL_SHAPE(4), 2);
    return healthy("add");
}

static void run_add(int64_t times)
{
    for (int64_t i = 0; i < times; i++) {
        REEL_SCOPED;
        for (int k = 0; k < HUNDRED; k++) reel_add(a, b);
    }
}

static void run_add_tape(int64_t times)
{
    for (int64_t i = 0; i < times; i++) {
        REEL_SCOPED;
        reel_tape *t = reel_tape_begin(NULL);
        reel_watch(t, REEL_LIST(a));
        for (int k = 0; k < HUNDRED; k++) reel_add(a, b);
    }
}

/* ---- replay overhead ----------------------------------------------------------------------------- */

static int pass_shape(const void *attr, const reel_type in[], reel_type o[])
{
    (void)attr;
    o[0] = in[0];
    return 0;
}
static int pass_cpu(const void *attr, const reel_view in[], const reel_view o[])
{
    (void)attr;
    (void)in;
    (void)o;
    return 0;
}

enum { CHAIN = 1000 };

static int begin_chain(int matmul)
{
    static const reel_op *nothing;
    scope = reel_scope_begin(REEL_HERE, "bench");
    if (!nothing)
        nothing = reel_op_register(
            REEL_OP_DEF(.name = "nothing", .n_in = 1, .n_out = 1, .shape = pass_shape, .cpu = pass_cpu));
    float eye[64];
    for (int i = 0; i < 64; i++) eye[i] = i % 9 == 0;
    a = reel_from_f32(REEL_SHAPE(8, 8), eye, 64);
    graph = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(8, 8), "x"), *y = x;
    for (int i = 0; i < CHAIN; i++) {
        if (matmul)
            y = reel_matmul(y, x);
        else
            reel_op_call(nothing, REEL_LIST(y), NULL, &y);
    }
    reel_output("y", y);
    if (reel_graph_end(graph)) return healthy("chain");
    session = reel_session_new(graph, NULL);
    return healthy("chain");
}

static void run_chain(int64_t times)
{
    for (int64_t i = 0; i < times; i++) {
        REEL_SCOPED;
        reel_session_run(session, REEL_FEEDS({"x", a}), REEL_FETCHES("y"), out);
    }
}

/* ---- groups of light elementwise ops, by the interpreter and compiled ------------------------------------ */

static int begin_group(int ops, int n, reel_compile how)
{
    scope = reel_scope_begin(REEL_HERE, "bench");
    a = reel_randn(REEL_F32, REEL_SHAPE(n));
    graph = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(n), "x"), *y = x;
    for (int i = 0; i < ops; i++) {
        switch (i % 6) {
        case 0: y = reel_mul(y, reel_num(0.5 + i)); break;
        case 1: y = reel_add(y, x); break;
        case 2: y = reel_maximum(y, reel_num(-0.25)); break;
        case 3: y = reel_sub(y, reel_square(x)); break;
        case 4: y = reel_mul(y, x); break;
        default: y = reel_abs(y); break;
        }
        if (i % 6 == 3) ops--; /* those are two */
    }
    reel_output("y", y);
    if (reel_graph_end(graph)) return healthy("group");
    session = reel_session_new(graph, REEL_OPTS(session, .compile = how));
    reel_session_run(session, REEL_FEEDS({"x", a}), REEL_FETCHES("y"), out);
    if (how == REEL_COMPILE_ON) reel_session_compile(session); /* an error where there is no compiler */
    return healthy("group");
}

/* n: ops, and 1000 more for 1K floats instead of 1M */
static int begin_interpreted(int n)
{
    return begin_group(n % 1000, n < 1000 ? 1 << 20 : 1024, REEL_COMPILE_OFF);
}
static int begin_compiled(int n)
{
    return begin_group(n % 1000, n < 1000 ? 1 << 20 : 1024, REEL_COMPILE_ON);
}

/* ---- products ------------------------------------------------------------------------------------ */

static int matmul_body(void *self, reel_tensor *const in[], reel_tensor *o[])
{
    (void)self;
    o[0] = reel_matmul(in[0], in[1]);
    return reel_status();
}

static int begin_matmul(int n)
{
    scope = reel_scope_begin(REEL_HERE, "bench");
    a = reel_randn(REEL_F32, REEL_SHAPE(n, n));
    b = reel_randn(REEL_F32, REEL_SHAPE(n, n));
    function = reel_function_new(REEL_FN(matmul_body, NULL, 2, 1), NULL);
    reel_function_call(function, REEL_LIST(a, b), out);
    return healthy("matmul");
}

static void run_matmul(int64_t times)
{
    for (int64_t i = 0; i < times; i++) {
        REEL_SCOPED;
        reel_matmul(a, b);
    }
}

static void run_call(int64_t times)
{
    for (int64_t i = 0; i < times; i++) {
        REEL_SCOPED;
        reel_function_call(function, REEL_LIST(a, b), out);
    }
}

/* ---- the digits' training step: MLP 64-32-10, batch 32, Adam --------------------------------------- */

static struct mlp {
    reel_vars *vars;
    reel_dense hidden, last;
    reel_optimizer *opt;
} net;

static int step(void *self, reel_tensor *const in[], reel_tensor *o[])
{
    struct mlp *m = self;
    reel_tape *tape = reel_tape_begin(NULL);
    o[0] = reel_mean(
        reel_softmax_cross_entropy(reel_dense_apply(&m->last, reel_relu(reel_dense_apply(&m->hidden, in[0]))), in[1]));
    return reel_minimize(m->opt, tape, o[0]);
}

static int begin_step(int n)
{
    int32_t labels[32];
    for (int i = 0; i < 32; i++) labels[i] = i % 10;
    (void)n;
    scope = reel_scope_begin(REEL_HERE, "bench");
    net.vars = reel_vars_new("mlp");
    reel_dense_init(&net.hidden, net.vars, "hidden", REEL_F32, 64, 32);
    reel_dense_init(&net.last, net.vars, "last", REEL_F32, 32, 10);
    net.opt = reel_adam(net.vars, NULL);
    a = reel_uniform(REEL_F32, REEL_SHAPE(32, 64), 0, 1, NULL);
    b = reel_from_i32(REEL_SHAPE(32), labels, 32);
    function = reel_function_new(REEL_FN(step, &net, 2, 1), NULL);
    reel_function_call(function, REEL_LIST(a, b), out);
    return healthy("step");
}

static void run_step(int64_t times)
{
    for (int64_t i = 0; i < times; i++) {
        REEL_SCOPED;
        reel_invoke(REEL_FN(step, &net, 2, 1), REEL_LIST(a, b), out);
    }
}

static void end_step(void)
{
    finish();
    reel_optimizer_free(net.opt);
    reel_vars_free(net.vars);
}

#define MATMUL(n)                                                  \
    {"matmul_" #n, begin_matmul, run_call, finish, n, 1},          \
    {                                                              \
        "matmul_eager_" #n, begin_matmul, run_matmul, finish, n, 1 \
    }
#define GROUP(name, n)                                                     \
    {"group_" name, begin_interpreted, run_chain, finish, n, 1},           \
    {                                                                      \
        "group_" name "_compiled", begin_compiled, run_chain, finish, n, 1 \
    }
static const bench_row rows[] = {
    {"eager_add4", begin_add, run_add, finish, 0, HUNDRED},
    {"eager_add4_tape", begin_add, run_add_tape, finish, 0, HUNDRED},
    {"replay_nothing", begin_chain, run_chain, finish, 0, CHAIN},
    {"replay_matmul8", begin_chain, run_chain, finish, 1, CHAIN},
    MATMUL(32),
    MATMUL(64),
    MATMUL(128),
    MATMUL(256),
    MATMUL(512),
    MATMUL(1024),
    MATMUL(2048),
    GROUP("4_1m", 4),
    GROUP("6_1m", 6),
    GROUP("12_1m", 12),
    GROUP("4_1k", 1004),
    GROUP("6_1k", 1006),
    GROUP("12_1k", 1012),
    {"digits_eager", begin_step, run_step, end_step, 0, 1},
    {"digits_replay", begin_step, run_call, end_step, 0, 1},
};

int main(void)
{
    return bench_serve(rows, sizeof rows / sizeof *rows);
}
