/* Looking into runs: hooks, numbers checked, a replay beside eager, steps, profiles, pictures. */
#include <math.h>
#include <pthread.h>
#include <unistd.h>
#include "trace_help.h"

/* ---- a small model ------------------------------------------------------------------------------------- */

typedef struct model {
    reel_vars *vars;
    reel_tensor *w, *b;
    reel_graph *g;
} model;

static model make_model(void)
{
    model m = {.vars = reel_vars_new("net")};
    const float w[6] = {0.5f, -1, 0.25f, 2, 1.5f, -0.75f}, b[2] = {0.125f, -0.5f};
    m.w = reel_var(m.vars, "w", reel_from_f32(REEL_SHAPE(3, 2), w, 6));
    m.b = reel_var(m.vars, "b", reel_from_f32(REEL_SHAPE(2), b, 2));
    m.g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 3), "x");
    reel_name_scope_begin("hidden");
    reel_tensor *h = reel_tanh(reel_add(reel_matmul(x, m.w), m.b));
    reel_name_scope_end();
    reel_output("h", h);
    reel_output("rows", reel_transpose(h, REEL_AXES(1, 0)));
    reel_tensor *y = reel_mul(reel_exp(h), reel_num(2));
    reel_output("y", y);
    reel_assign(m.b, reel_add(m.b, reel_mean_axes(y, REEL_AXES(0), false)));
    reel_graph_end(m.g);
    return m;
}

static void drop_model(model *m)
{
    reel_graph_free(m->g);
    reel_vars_free(m->vars);
}

static reel_tensor *some_input(void)
{
    const float x[6] = {1, 2, 3, -1, 0.5f, 0.25f};
    return reel_from_f32(REEL_SHAPE(2, 3), x, 6);
}

/* ---- hooks ----------------------------------------------------------------------------------------------- */

typedef struct seen {
    int n, exps, assigns, late;
    char ops[512];
    reel_tensor *h;
    float transposed[4];
    bool places, inputs, scopes;
} seen;

static int look(void *self, const reel_node_info *e)
{
    seen *s = self;
    s->n++;
    strncat(s->ops, e->op, sizeof s->ops - strlen(s->ops) - 2);
    strcat(s->ops, " ");
    s->places = s->places && strstr(e->site, "test_debug.c:");
    if (strcmp(e->op, "matmul") == 0) {
        reel_tensor *x = reel_node_input(e, 0);
        s->inputs = x && reel_dim(x, 0) == 2 && reel_dim(x, 1) == 3 && reel_status() == 0;
        s->scopes = strcmp(e->scope, "hidden") == 0;
        TAP_OK(!reel_node_input(e, 2) && reel_take_error(NULL) == REEL_EARG, "an input that it has not is an error");
    }
    if (strcmp(e->name, "h") == 0) reel_set(&s->h, e->out[0]);
    if (strcmp(e->name, "rows") == 0) reel_read_f32(e->out[0], s->transposed, 4);
    return reel_status();
}

static int stop_at_exp(void *self, const reel_node_info *e)
{
    (void)self;
    return strcmp(e->op, "exp") == 0 ? 7 : 0;
}

static int count_calls(void *self, const reel_node_info *e)
{
    (void)e;
    ++*(int *)self;
    return 0;
}

static int run_inside(void *self, const reel_node_info *e)
{
    reel_tensor *out[1];
    if (strcmp(e->op, "exp") != 0) return 0;
    return reel_session_run(self, REEL_FEEDS({"x", some_input()}), REEL_FETCHES("net/b"), out);
}

static void hooks(void)
{
    REEL_SCOPED;
    model m = make_model();
    reel_session *s = reel_session_new(m.g, NULL);
    reel_tensor *x = some_input(), *plain[3], *hooked[3];
    reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y", "h", "rows"), plain);
    seen got = {.places = true};
    TAP_EQ_INT(reel_session_on_node(s, look, &got), 0);
    reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y", "h", "rows"), hooked);
    expect_none("a run with a hook");
    TAP_OK(same_bits(plain[0], hooked[0]) && same_bits(plain[1], hooked[1]) && same_bits(plain[2], hooked[2]),
           "the same bits with a hook");
    TAP_EQ_STR(got.ops, "matmul add tanh transpose exp mul ");
    TAP_OK(got.places && got.inputs && got.scopes, "each node has its line, its inputs, its scope");
    TAP_OK(same_bits(got.h, plain[1]), "what a hook keeps outlives the run");
    float rows[4];
    reel_read_f32(plain[2], rows, 4);
    TAP_OK(memcmp(rows, got.transposed, sizeof rows) == 0, "a view is read like any other");
    reel_unset(&got.h);

    got = (seen){.places = true};
    reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y", "net/b"), hooked);
    TAP_OK(strstr(got.ops, "mean") && strstr(got.ops, "assign"), "the nodes of an assignment too: %s", got.ops);
    reel_unset(&got.h);

    int calls = 0;
    reel_session_on_node(s, NULL, NULL);
    TAP_EQ_INT(reel_session_watch(s, "h", count_calls, &calls), 0);
    reel_session_watch(s, "hidden/matmul", count_calls, &calls);
    reel_session_watch(s, "exp", count_calls, &calls);
    reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y"), hooked);
    TAP_EQ_INT(calls, 3);
    TAP_OK(reel_session_watch(s, "nothing", count_calls, &calls) == REEL_EARG, "an unknown name");
    expect_error(REEL_EARG, "nothing", "scope/op", "watch");
    TAP_OK(reel_session_watch(s, "x", count_calls, &calls) == REEL_EARG, "a fed one");
    expect_error(REEL_EARG, "\"x\"", "fed", "watch");
    TAP_OK(reel_session_watch(NULL, "x", count_calls, &calls) == REEL_EARG && reel_take_error(NULL), "NULL");

    reel_session_on_node(s, NULL, NULL);
    calls = 0;
    reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y"), hooked);
    TAP_EQ_INT(calls, 0);
    reel_plan_info info;
    TAP_OK(reel_session_info(s, &info) == 0 && info.fused_steps > 0, "and fused again without hooks");

    reel_session_on_node(s, stop_at_exp, NULL);
    TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y"), hooked), REEL_EUSER);
    expect_error(REEL_EUSER, "returned 7", "test_debug.c:", "a hook that says no");
    reel_session_on_node(s, run_inside, s);
    TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y", "net/b"), hooked), REEL_ETRACE);
    expect_error(REEL_ETRACE, "hook", "assign", "a hook that assigns while its run does");
    reel_session_free(s);
    drop_model(&m);
}

/* ---- numbers ----------------------------------------------------------------------------------------------- */

static void eager_numbers(void)
{
    REEL_SCOPED;
    const float v[3] = {1, 0, -2};
    reel_tensor *x = reel_from_f32(REEL_SHAPE(3), v, 3);
    TAP_OK(!reel_check_numerics(true), "off at first");
    reel_tensor *y = reel_log(x);
    TAP_OK(!y, "log of 0 and -2 gives no tensor");
    reel_error e;
    reel_take_error(&e);
    TAP_OK(e.code == REEL_ENUMERICS && strstr(e.text, "reel_log") && strstr(e.text, "1 NaN") &&
               strstr(e.text, "1 infinite") && strstr(e.text, "[1]") && strstr(e.text, "min -2") &&
               strstr(e.text, "max 1") && strstr(e.site, "test_debug.c:"),
           "%s", e.text);
    TAP_OK(reel_exp(reel_sub(x, reel_num((double)INFINITY))) != NULL && reel_status() == 0,
           "an infinity of one's own is not blamed");
    TAP_OK(reel_full(REEL_F32, REEL_SHAPE(2), NAN) && reel_status() == 0, "nor are creations");
    TAP_OK(!reel_cast(reel_full(REEL_F64, REEL_SHAPE(1), 1e300), REEL_F32) && reel_take_error(NULL) == REEL_ENUMERICS,
           "an overflow in a cast");
    TAP_OK(!reel_div(x, reel_zeros(REEL_F32, REEL_SHAPE(3))) && reel_take_error(NULL) == REEL_ENUMERICS, "a division");
    TAP_OK(reel_div(reel_from_i32(REEL_SHAPE(1), (int32_t[]){1}, 1), reel_from_i32(REEL_SHAPE(1), (int32_t[]){0}, 1)) !=
               NULL,
           "not of integers");
    reel_name_scope_begin("net");
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(x));
    TAP_OK(!reel_sum(reel_sqrt(x)), "under a tape");
    expect_error(REEL_ENUMERICS, "reel_sqrt", "(in \"net\")", "under a tape");
    reel_tensor *z = reel_sum(reel_sqrt(reel_mul(x, x)));
    TAP_OK(z && !reel_grad1(t, z, x), "in a backward: the slope of sqrt at 0");
    expect_error(REEL_ENUMERICS, "test_debug.c:", "finite inputs", "in a backward");
    reel_name_scope_end();
    TAP_OK(reel_check_numerics(false), "it was on");
    TAP_OK(reel_log(x) != NULL && reel_status() == 0, "off again: NaN as ever");
}

static int body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_log(reel_mul(in[0], reel_num(3)));
    return reel_status();
}

static void replayed_numbers(void)
{
    REEL_SCOPED;
    const float good[3] = {1, 2, 3}, bad[3] = {1, 0, 3};
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(3), "x");
    reel_name_scope_begin("loss");
    reel_tensor *y = reel_log(reel_mul(x, reel_num(2)));
    reel_name_scope_end();
    reel_output("logits", y);
    reel_output("z", reel_add(y, reel_num(1)));
    reel_graph_end(g);
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .check_numerics = true));
    reel_tensor *out[1], *b = reel_from_f32(REEL_SHAPE(3), bad, 3), *ok = reel_from_f32(REEL_SHAPE(3), good, 3);
    TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", ok}), REEL_FETCHES("z"), out), 0);
    TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", b}), REEL_FETCHES("z"), out), REEL_ENUMERICS);
    reel_error e;
    reel_take_error(&e);
    TAP_OK(strstr(e.text, "reel_log") && strstr(e.text, "\"logits\"") && strstr(e.text, "1 infinite of 3") &&
               strstr(e.text, "min 0 max 6") && strstr(e.text, "in \"loss\"") && strstr(e.site, "test_debug.c:"),
           "%s", e.text);
    reel_tape *t = reel_tape_begin(NULL);
    TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", b}), REEL_FETCHES("z"), out), REEL_ENUMERICS);
    reel_take_error(NULL);
    reel_tape_end(t);
    reel_session_free(s);
    s = reel_session_new(g, NULL);
    TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", b}), REEL_FETCHES("z"), out), 0);
    reel_check_numerics(true);
    TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", b}), REEL_FETCHES("z"), out), REEL_ENUMERICS);
    reel_take_error(NULL);
    reel_check_numerics(false);
    reel_session_free(s);
    reel_graph_free(g);

    reel_function *f = reel_function_new(REEL_FN(body, NULL, 1, 1), NULL);
    reel_function_call(f, REEL_LIST(ok), out);
    reel_check_numerics(true);
    TAP_EQ_INT(reel_function_call(f, REEL_LIST(b), out), REEL_ENUMERICS);
    expect_error(REEL_ENUMERICS, "reel_log", "test_debug.c:", "the replay of a function");
    reel_check_numerics(false);
    reel_function_free(f);
}

static int log_of_itself(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_log(reel_sub(in[0], in[0]));
    return reel_status();
}

/* A node with a sub-graph is one node, and what goes wrong inside is said with its own line. */
static void control_flow(void)
{
    REEL_SCOPED;
    const float v[3] = {1, 2, 3};
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(3), "x"), *mapped[1], *out[1];
    reel_map(REEL_FN(log_of_itself, NULL, 1, 1), REEL_LIST(x), mapped);
    reel_output("y", mapped[0]);
    reel_graph_end(g);
    reel_session *s = reel_session_new(g, NULL);
    reel_tensor *fed = reel_from_f32(REEL_SHAPE(3), v, 3);
    reel_verify_report r;
    TAP_OK(reel_session_verify(s, REEL_FEEDS({"x", fed}), REEL_FETCHES("y"), NULL, &r) == 0, "%s", r.text);
    reel_check_numerics(true);
    TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", fed}), REEL_FETCHES("y"), out), REEL_ENUMERICS);
    expect_error(REEL_ENUMERICS, "reel_log", "test_debug.c:", "inside a map");
    reel_check_numerics(false);
    reel_session_free(s);
    s = reel_session_new(g, REEL_OPTS(session, .check_numerics = true));
    TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", fed}), REEL_FETCHES("y"), out), REEL_ENUMERICS);
    expect_error(REEL_ENUMERICS, "reel_log", "test_debug.c:", "inside a map, by the session's option");
    reel_session_free(s);
    reel_graph_free(g);
}

/* ---- verify ------------------------------------------------------------------------------------------------- */

static int planted; /* how often the kernel has run: each second time it is wrong */

static int same_shape(const void *attr, const reel_type in[], reel_type out[])
{
    (void)attr;
    out[0] = in[0];
    return 0;
}
static int wrong_cpu(const void *attr, const reel_view in[], const reel_view out[])
{
    (void)attr;
    const float *x = in[0].data;
    float *y = out[0].data;
    for (int64_t i = 0; i < reel_shape_count(in[0].type.shape); i++)
        y[i] = x[i] + (planted % 2 == 0 && i == 1 ? 0.5f : 0);
    planted++;
    return 0;
}

static void verified(void)
{
    REEL_SCOPED;
    model m = make_model();
    reel_session *s = reel_session_new(m.g, REEL_OPTS(session, .effects = true));
    reel_tensor *x = some_input(), *before = reel_value(m.b);
    reel_verify_report r;
    TAP_EQ_INT(reel_session_verify(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y", "rows"), NULL, &r), 0);
    TAP_OK(r.node == -1 && r.compared >= 2 && strstr(r.text, "same"), "%s", r.text);
    TAP_EQ_INT(reel_session_verify(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y"), REEL_OPTS(verify, .plain = true), &r),
               0);
    TAP_OK(r.compared >= 6, "plain: %s", r.text);
    TAP_OK(same_bits(before, m.b), "nothing is assigned");
    reel_session_free(s);
    drop_model(&m);

    const reel_op *op =
        reel_op_register(REEL_OP_DEF(.name = "planted", .n_in = 1, .n_out = 1, .shape = same_shape, .cpu = wrong_cpu));
    reel_graph *g = reel_graph_begin();
    reel_tensor *p = reel_placeholder(REEL_F32, REEL_SHAPE(2, 3), "x"), *q[1];
    reel_name_scope_begin("layer");
    reel_op_call(op, REEL_LIST(reel_tanh(p)), NULL, q);
    reel_name_scope_end();
    reel_output("y", reel_exp(q[0]));
    reel_graph_end(g);
    s = reel_session_new(g, NULL);
    TAP_EQ_INT(reel_session_verify(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y"), NULL, &r), REEL_ENUMERICS);
    expect_error(REEL_ENUMERICS, "planted", "test_debug.c:", "a wrong kernel");
    TAP_OK(strcmp(r.op, "planted") == 0 && r.element == 1 && r.different == 1 &&
               fabs(r.replayed - r.eager - 0.5) < 1e-6 && strstr(r.text, "layer") && strstr(r.site, "test_debug.c:"),
           "%s", r.text);
    planted = 0;
    TAP_EQ_INT(reel_session_verify(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y"), REEL_OPTS(verify, .tol = 1), &r), 0);
    TAP_EQ_INT(reel_session_verify(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y"), REEL_OPTS(verify, .tol = -1), &r),
               REEL_EARG);
    reel_take_error(NULL);
    TAP_EQ_INT(reel_session_verify(s, REEL_FEEDS({"x", x}), REEL_FETCHES("none"), NULL, NULL), REEL_ETRACE);
    expect_error(REEL_ETRACE, "reel_session_verify", "none", "an unknown fetch");
    reel_session_free(s);
    reel_graph_free(g);
}

static void verified_random(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY), "x");
    reel_tensor *r =
        reel_add(reel_mul(x, reel_randn(REEL_F32, REEL_SHAPE(8))), reel_uniform(REEL_F32, REEL_SHAPE(8), 0, 1, NULL));
    reel_output("y", reel_mul(reel_masked_select(r, reel_greater(r, reel_num(0))), reel_num(2)));
    reel_graph_end(g);
    reel_session *s = reel_session_new(g, NULL);
    reel_tensor *ones = reel_ones(REEL_F32, REEL_SHAPE(8)), *a[1], *b[1];
    reel_seed(5);
    reel_session_run(s, REEL_FEEDS({"x", ones}), REEL_FETCHES("y"), a);
    reel_seed(5);
    reel_verify_report report;
    TAP_OK(reel_session_verify(s, REEL_FEEDS({"x", ones}), REEL_FETCHES("y"), NULL, &report) == 0,
           "random numbers and counted sizes: %s", report.text);
    reel_session_run(s, REEL_FEEDS({"x", ones}), REEL_FETCHES("y"), b);
    TAP_OK(same_bits(a[0], b[0]), "verify leaves the generators as they were");
    int calls = 0;
    reel_session_on_node(s, count_calls, &calls);
    reel_seed(5);
    reel_session_run(s, REEL_FEEDS({"x", ones}), REEL_FETCHES("y"), b);
    TAP_OK(same_bits(a[0], b[0]) && calls >= 6, "hooks in the segments of a run: %d calls", calls);
    expect_none("random");
    reel_session_free(s);
    reel_graph_free(g);
}

/* ---- step by step -------------------------------------------------------------------------------------------- */

static void steps(void)
{
    REEL_SCOPED;
    model m = make_model();
    reel_session *s = reel_session_new(m.g, NULL);
    reel_tensor *x = some_input(), *b0 = reel_value(m.b), *want[3], *got[3];
    reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y", "h", "rows"), want);
    reel_stepping *st = reel_session_begin_steps(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y", "net/b", "rows"));
    TAP_OK(!reel_stepping_value(st, "h", 0), "not made yet");
    expect_error(REEL_EARG, "\"h\"", "not been made yet", "a value to come");
    int n = 0;
    bool tanh_seen = false;
    for (const reel_node_info *e; (e = reel_session_step(st)); n++) {
        if (strcmp(e->op, "tanh")) continue;
        tanh_seen = same_bits(e->out[0], want[1]);
        TAP_OK(same_bits(reel_stepping_value(st, "x", 0), x), "a feed can be read");
        TAP_OK(same_bits(reel_stepping_value(st, "net/b", 0), b0), "so can a variable");
        TAP_OK(reel_stepping_value(st, "hidden/matmul", 0) != NULL, "and what was made before");
    }
    TAP_OK(n >= 8 && tanh_seen, "%d steps", n);
    TAP_OK(same_bits(reel_stepping_value(st, "h", 0), want[1]), "all values stay");
    TAP_OK(!reel_stepping_value(st, "%99", 0) && reel_take_error(NULL) == REEL_EARG, "no such node");
    TAP_OK(same_bits(b0, m.b), "nothing is assigned before the end");
    TAP_EQ_INT(reel_stepping_end(st, got), 0);
    TAP_OK(same_bits(got[0], want[0]) && same_bits(got[2], want[2]) && same_bits(got[1], m.b) && !same_bits(b0, m.b),
           "the end gives the fetches and assigns");

    b0 = reel_value(m.b);
    st = reel_session_begin_steps(s, REEL_FEEDS({"x", x}), REEL_FETCHES("net/b"));
    reel_session_step(st);
    reel_stepping_free(st);
    TAP_OK(same_bits(b0, m.b), "a run given up assigns nothing");
    st = reel_session_begin_steps(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y"));
    TAP_OK(reel_stepping_end(st, got) == 0 && reel_dim(got[0], 0) == 2, "an end without steps runs them all");
    TAP_OK(!reel_session_begin_steps(s, REEL_FEEDS({"q", x}), REEL_FETCHES("y")), "an unknown feed");
    expect_error(REEL_ETRACE, "reel_session_begin_steps", "\"q\"", "an unknown feed");
    TAP_OK(!reel_session_step(NULL) && reel_take_error(NULL) == REEL_EARG, "NULL");
    TAP_OK(reel_stepping_end(NULL, got) == REEL_EARG && reel_take_error(NULL), "NULL");
    reel_session_free(s);
    drop_model(&m);
}

/* A function's graph in a session: in[0], out[0]. */
static void function_graph(void)
{
    REEL_SCOPED;
    const float good[3] = {1, 2, 3};
    reel_tensor *x = reel_from_f32(REEL_SHAPE(3), good, 3), *out[1], *again[1];
    reel_function *f = reel_function_new(REEL_FN(body, NULL, 1, 1), NULL);
    reel_function_call(f, REEL_LIST(x), out);
    reel_session *s = reel_session_new(reel_function_graph(f), NULL);
    reel_session_run(s, REEL_FEEDS({"in[0]", x}), REEL_FETCHES("out[0]"), again);
    TAP_OK(same_bits(out[0], again[0]), "a function's graph runs in a session");
    reel_session_free(s);
    reel_function_free(f);
}

/* ---- profile and pictures --------------------------------------------------------------------------------------- */

static char *text_of(int (*put)(FILE *f, const void *arg), const void *arg)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (!f) return NULL;
    if (put(f, arg)) {
        reel_error e;
        reel_take_error(&e);
        fputs(e.text, f);
    }
    fclose(f);
    return text;
}
static int put_table(FILE *f, const void *s)
{
    return reel_session_profile_print(f, s);
}
static int put_trace(FILE *f, const void *s)
{
    return reel_session_profile_trace(f, s);
}
static int put_dot(FILE *f, const void *g)
{
    return reel_graph_dot(f, g);
}
static int put_html(FILE *f, const void *g)
{
    return reel_graph_html(f, g);
}
static int put_session_html(FILE *f, const void *s)
{
    return reel_session_html(f, s);
}

/* Does a program say yes to the file? -1: there is no such program. */
static int accepted(const char *what, const char *text, const char *command)
{
    char path[] = "/tmp/reel_debug_XXXXXX", line[512];
    const int fd = mkstemp(path);
    if (fd < 0) return -1;
    const bool whole = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    snprintf(line, sizeof line, command, path);
    const int rc = whole ? system(line) : -1;
    unlink(path);
    (void)what;
    return rc == 0;
}

static void profiles(void)
{
    REEL_SCOPED;
    model m = make_model();
    reel_session *s = reel_session_new(m.g, NULL);
    reel_tensor *x = some_input(), *out[2], *plain[1];
    TAP_OK(reel_session_profile_print(stdout, s) == REEL_EARG, "no profile yet");
    expect_error(REEL_EARG, "reel_session_profile", "", "no profile");
    reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y"), plain);
    TAP_EQ_INT(reel_session_profile(s, true), 0);
    for (int i = 0; i < 10; i++) reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y", "net/b"), out);
    char *table = text_of(put_table, s), *json = text_of(put_trace, s), *page = text_of(put_session_html, s);
    TAP_OK(strstr(table, "10 runs") && strstr(table, "matmul") && strstr(table, "test_debug.c:") &&
               strstr(table, "hidden"),
           "a table");
    TAP_NOTE("%s", table);
    TAP_OK(strstr(table, "+"), "a fused step says what it is made of");
    TAP_OK(accepted(
               "trace", json,
               "python3 -c \"import json,sys; t=json.load(open(sys.argv[1])); e=[x for x in t['traceEvents'] if "
               "x['ph']=='X']; "
               "sys.exit(not (t['otherData']['runs']==10 and len(e)>=30 and all(x['dur']>=0 and x['ts']>=0 for x in e) "
               "and any(x['cat']=='matmul' and 'test_debug.c:' in x['args']['line'] for x in e)))\" %s") == 1,
           "a trace that Python's json reads");
    TAP_OK(strstr(page, "\"t\":"), "a page with times");
    free(table);
    free(json);
    free(page);
    reel_session_profile(s, false);
    TAP_OK(reel_session_profile_trace(stdout, s) == REEL_EARG && reel_take_error(NULL), "off again");
    reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("h"), out);
    expect_none("profiles");
    reel_session_free(s);
    drop_model(&m);
}

static void pictures(void)
{
    REEL_SCOPED;
    model m = make_model();
    char *dot = text_of(put_dot, m.g), *page = text_of(put_html, m.g);
    TAP_OK(strstr(dot, "digraph") && strstr(dot, "cluster_hidden") && strstr(dot, "f32[?,2]") &&
               strstr(dot, "test_debug.c:"),
           "dot");
    if (system("command -v dot >/dev/null 2>&1") == 0)
        TAP_OK(accepted("dot", dot, "dot -Tsvg %s >/dev/null 2>&1") == 1, "Graphviz takes it");
    else
        TAP_SKIP("Graphviz is not installed");
    TAP_OK(strstr(page, "<!doctype html>") && strstr(page, "\"op\":\"matmul\"") &&
               strstr(page, "\"scope\":\"hidden\"") && !strstr(page, "@DATA@") && !strstr(page, "src=") &&
               !strstr(page, "<link"),
           "a page of its own");
    free(dot);
    free(page);
    TAP_OK(reel_graph_html(NULL, m.g) == REEL_EARG && reel_take_error(NULL) &&
               reel_graph_dot(stdout, NULL) == REEL_EARG && reel_take_error(NULL),
           "NULL");
    drop_model(&m);
}

/* ---- no memory, many threads ------------------------------------------------------------------------------------ */

static int nothing(void *self, const reel_node_info *e)
{
    (void)self;
    (void)e;
    return 0;
}

static int all_of_it(const model *m, reel_tensor *x, FILE *sink)
{
    REEL_SCOPED;
    reel_tensor *out[2];
    reel_session *s = reel_session_new(m->g, REEL_OPTS(session, .check_numerics = true));
    if (!s) return reel_status();
    int rc = reel_session_watch(s, "h", nothing, NULL);
    if (!rc) rc = reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y"), out);
    if (!rc) rc = reel_session_verify(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y"), NULL, NULL);
    reel_stepping *st = rc ? NULL : reel_session_begin_steps(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y", "rows"));
    if (st) {
        reel_session_step(st);
        rc = reel_stepping_end(st, out);
    }
    if (!rc) rc = reel_session_profile(s, true);
    if (!rc) rc = reel_session_on_node(s, NULL, NULL);
    if (!rc) rc = reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y"), out);
    if (!rc) rc = reel_session_profile_print(sink, s);
    reel_session_free(s);
    return reel_status();
}

static void no_memory(void)
{
    REEL_SCOPED;
    model m = make_model();
    reel_tensor *x = some_input();
    FILE *sink = fopen("/dev/null", "w");
    long n = 0, failures = 0;
    failing f = {0};
    const reel_allocator a = {sizeof a, failing_alloc, failing_free, &f};
    bool done = false;
    int rc = 0;
    for (; !done && n < 5000;) {
        reel_set_allocator(&a);
        f.countdown = ++n;
        rc = all_of_it(&m, x, sink);
        done = f.countdown > 0;
        f.countdown = 0;
        reel_set_allocator(NULL);
        if (!done && reel_take_error(NULL) == REEL_ENOMEM) failures++;
    }
    /* a profile that gets no memory is a profile with less in it, no error */
    TAP_OK(done && rc == 0 && n > 50 && failures >= n - 20, "%ld allocations failed one by one, %ld errors", n - 1,
           failures);
    fclose(sink);
    drop_model(&m);
    expect_none("no memory");
}

typedef struct job {
    reel_session *s;
    int bad;
} job;

static void *work(void *arg)
{
    job *j = arg;
    for (int i = 0; i < 100; i++) {
        REEL_SCOPED;
        reel_tensor *out[1];
        if (i % 25 == 0) j->bad += reel_session_profile(j->s, i % 50 == 0) != 0;
        if (i % 20 == 0) j->bad += reel_session_on_node(j->s, i % 40 ? nothing : NULL, NULL) != 0;
        j->bad += reel_session_run(j->s, REEL_FEEDS({"one", reel_num(1)}), REEL_FETCHES("count/n"), out) != 0;
    }
    j->bad += reel_take_error(NULL) != 0;
    return NULL;
}

static void many_threads(void)
{
    REEL_SCOPED;
    reel_vars *vars = reel_vars_new("count");
    reel_tensor *n = reel_var(vars, "n", reel_zeros(REEL_F32, REEL_SCALAR));
    reel_graph *g = reel_graph_begin();
    reel_assign(n, reel_add(n, reel_placeholder(REEL_F32, REEL_SCALAR, "one")));
    reel_graph_end(g);
    reel_session *s = reel_session_new(g, NULL);
    pthread_t t[4];
    job j[4];
    for (int i = 0; i < 4; i++) {
        j[i] = (job){s, 0};
        pthread_create(&t[i], NULL, work, &j[i]);
    }
    int bad = 0;
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
        bad += j[i].bad;
    }
    TAP_EQ_INT(bad, 0);
    TAP_OK(reel_item(n) == 400, "hooked runs that assign are serialised like any other: %g", reel_item(n));
    reel_session_free(s);
    reel_graph_free(g);
    reel_vars_free(vars);
}

TAP_MAIN(hooks, eager_numbers, replayed_numbers, control_flow, verified, verified_random, steps, function_graph,
         profiles, pictures, no_memory, many_threads)
