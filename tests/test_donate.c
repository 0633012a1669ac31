/* Inputs that the caller gives away (.donate): a result in their memory where nobody else has them, eager's bits in every case, and a clear
   error for whoever uses them afterwards. */
#include "core/tensor.h"
#include "trace_help.h"

enum { N = 600 };
struct self {
    reel_vars *vars;
    reel_tensor *w;
    int calls;
};

static reel_tensor *start(int i)
{
    return reel_sin(reel_add(reel_arange(REEL_F32, 0, N, 1), reel_num(i)));
}
static const void *memory_of(reel_tensor *t)
{
    return reel_rec_of_(t)->data;
}

static int step(void *self, reel_tensor *const in[], reel_tensor *out[]) /* element by element */
{
    (void)self;
    out[0] = reel_add(reel_tanh(in[0]), reel_mul(in[0], reel_num(0.5)));
    return reel_status();
}
static int turned(void *self, reel_tensor *const in[],
                  reel_tensor *out[]) /* read before the result is written, of another shape */
{
    (void)self;
    reel_tensor *k = reel_full(REEL_F32, REEL_SHAPE(30, 30), 0.0625);
    out[0] = reel_matmul(reel_matmul(reel_reshape(in[0], REEL_SHAPE(20, 30)), k), k);
    return reel_status();
}
static int crossed(void *self, reel_tensor *const in[], reel_tensor *out[]) /* read elsewhere than it is written */
{
    (void)self;
    out[0] = reel_add(reel_flip(in[0], REEL_AXES(0)), reel_tanh(in[0]));
    return reel_status();
}
static int both(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_add(in[0], in[1]);
    out[1] = reel_mul(in[0], in[1]);
    return reel_status();
}
static int one_by_one(void *self, reel_tensor *const in[],
                      reel_tensor *out[]) /* the second is read when the first is no more */
{
    if (turned(self, in, out)) return reel_status();
    return turned(self, in + 1, out + 1);
}
static int itself(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = in[0];
    out[1] = reel_tanh(in[0]);
    return reel_status();
}

/* x = f(x) with and without giving x away; taken: how many results lay in x's memory. */
static void loop(reel_body *body, int taken, const char *name)
{
    REEL_SCOPED;
    enum { STEPS = 5 };
    reel_function *f[2];
    reel_tensor *x[2] = {start(0), start(0)}, *out[1];
    int different = 0, same_place = 0;
    for (int k = 0; k < 2; k++)
        f[k] = reel_function_new((reel_fn){body, NULL, 1, 1, "f"},
                                 REEL_OPTS(function, .donate = (uint64_t)k, .check_plans = true));
    for (int i = 0; i < STEPS; i++) {
        const void *old = memory_of(x[1]);
        for (int k = 0; k < 2; k++) {
            if (reel_function_call(f[k], REEL_LIST(x[k]), out)) break;
            x[k] = reel_shape_of(out[0]).rank == 1 ? out[0] : reel_reshape(out[0], REEL_SHAPE(N));
            if (k == 1) same_place += memory_of(out[0]) == old;
        }
        different += !same_bits(x[0], x[1]);
    }
    expect_none(name);
    TAP_OK(different == 0, "%s: %d results differ", name, different);
    TAP_OK(same_place == taken, "%s: %d of %d results took the memory that was given", name, same_place, STEPS);
    for (int k = 0; k < 2; k++) reel_function_free(f[k]);
}

static void test_loops(void)
{
    loop(step, 5, "element by element");
    loop(turned, 1, "read before it is written"); /* the next ones are views, with which somebody else has the memory */
    loop(crossed, 0, "read elsewhere");
}

/* ---- used afterwards ------------------------------------------------------------------------------------------- */

static int around(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *x = reel_add(in[0], reel_num(1));
    if (reel_function_call(self, REEL_LIST(x), out)) return reel_status();
    out[0] = reel_add(out[0], x);
    return reel_status();
}

static void test_used(void)
{
    REEL_SCOPED;
    reel_function *f = reel_function_new(REEL_FN(step, NULL, 1, 1), REEL_OPTS(function, .donate = 1));
    reel_tensor *out[1];
    for (int i = 0; i < 3; i++) {
        reel_tensor *x = start(i);
        reel_tape *t = i == 2 ? reel_tape_begin(NULL) : NULL;
        TAP_EQ_INT(reel_function_call(f, REEL_LIST(x), out), 0);
        (void)reel_neg(x);
        expect_error(REEL_EARG, "given away (.donate) to the call at", "test_donate.c", "used afterwards");
        TAP_EQ_INT(reel_function_call(f, REEL_LIST(x), out), REEL_EARG);
        expect_error(REEL_EARG, "reel_function_call: in[0] is dead", "given away", "given once more");
        reel_tape_end(t);
    }
    reel_function *g = reel_function_new(REEL_FN(around, f, 1, 1), NULL);
    TAP_EQ_INT(reel_function_call(g, REEL_LIST(start(0)), out), REEL_EARG);
    expect_error(REEL_EARG, "given away (.donate) to the call at", "test_donate.c", "used afterwards in a trace");
    reel_function_free(g);
    reel_function_free(f);
    TAP_OK(!reel_function_new(REEL_FN(step, NULL, 1, 1), REEL_OPTS(function, .donate = 2)), "an input it has not");
    expect_error(REEL_EARG, "donate is 0x2", "1 inputs", "an input it has not");
}

/* ---- somebody else has it --------------------------------------------------------------------------------------- */

static void test_shared(void)
{
    REEL_SCOPED;
    reel_vars *vars = reel_vars_new("m");
    reel_tensor *w = reel_var(vars, "w", start(3)), *out[2], *want[2];
    reel_function *f = reel_function_new(REEL_FN(step, NULL, 1, 1), REEL_OPTS(function, .donate = 1));
    reel_invoke(REEL_FN(step, NULL, 1, 1), REEL_LIST(start(0)), want);
    for (int i = 0; i < 5; i++) {
        reel_tensor *x = start(0), *kept = NULL;
        reel_tape *t = NULL;
        if (i == 1) kept = reel_retain(x);
        if (i == 2) kept = reel_slice(x, 1, REEL_RANGES({0, N, 1}));
        if (i == 3) reel_assign(w, x);
        if (i == 4) reel_watch(t = reel_tape_begin(NULL), REEL_LIST(x));
        reel_tensor *same_x = i == 3 ? w : kept;
        TAP_EQ_INT(reel_function_call(f, REEL_LIST(x), out), 0);
        TAP_OK(same_bits(out[0], want[0]), "way %d: the result", i);
        if (same_x) TAP_OK(same_bits(same_x, start(0)), "way %d: who else has the tensor finds it as it was", i);
        if (t) {
            reel_tensor *d = reel_grad1(t, reel_sum(out[0]), x);
            reel_tensor *y = reel_tanh(start(0));
            reel_tensor *slope = reel_add(reel_sub(reel_num(1), reel_square(y)), reel_num(0.5));
            TAP_OK(d && reel_item(reel_max(reel_abs(reel_sub(d, slope)), 0)) < 1e-6,
                   "a gradient of what was given away, which the tape has");
        }
        if (i == 1) reel_release(kept);
    }
    reel_function *g = NULL;
    for (int i = 0; i < 4; i++) {
        const reel_fn fn = {i < 2 ? one_by_one : both, NULL, 2, 2, "f"};
        reel_tensor *x = start(1);
        if (i % 2 == 0) {
            reel_function_free(g);
            g = reel_function_new(fn, REEL_OPTS(function, .donate = 3));
        }
        reel_invoke(fn, REEL_LIST(x, x), want);
        TAP_EQ_INT(reel_function_call(g, REEL_LIST(x, x), out), 0);
        TAP_OK(same_bits(out[0], want[0]) && same_bits(out[1], want[1]), "given twice, call %d", i);
    }
    TAP_EQ_INT(reel_function_call(g, REEL_LIST(start(0), w), out), 0);
    TAP_OK(same_bits(w, start(0)), "a variable stays");
    reel_function *h = reel_function_new(REEL_FN(itself, NULL, 1, 2), REEL_OPTS(function, .donate = 1));
    for (int i = 0; i < 2; i++) {
        TAP_EQ_INT(reel_function_call(h, REEL_LIST(start(2)), out), 0);
        TAP_OK(same_bits(out[0], start(2)) && same_bits(out[1], reel_tanh(start(2))), "an input as an output");
    }
    expect_none("shared");
    reel_function_free(h);
    reel_function_free(g);
    reel_function_free(f);
    reel_vars_free(vars);
}

/* ---- sessions --------------------------------------------------------------------------------------------------- */

/* y = step(x), z = x with "a,b" beside it, n sizes known only to the feeds. */
static reel_graph *session_graph(int64_t n, reel_tensor **x, reel_tensor **y)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    *x = reel_placeholder(REEL_F32, REEL_SHAPE(n), "x");
    reel_tensor *b = reel_placeholder(REEL_F32, REEL_SHAPE(n), "a,b");
    step(NULL, x, y);
    reel_output("y", *y);
    reel_output("sum", reel_add(*x, b));
    reel_retain(*x);
    reel_retain(*y);
    return reel_graph_end(g) ? NULL : g;
}

static void test_session(void)
{
    REEL_SCOPED;
    enum { STEPS = 5 };
    reel_tensor *px, *py, *want = start(0), *x = start(0), *out[2];
    reel_graph *g = session_graph(REEL_ANY, &px, &py);
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .donate = "a,b,x", .check_plans = true));
    int same_place = 0, different = 0;
    for (int i = 0; i < STEPS && s; i++) {
        const void *old = memory_of(x);
        reel_invoke(REEL_FN(step, NULL, 1, 1), REEL_LIST(want), &want);
        if (i % 2 ? reel_session_run_handles(s, REEL_LIST(px), REEL_LIST(x), REEL_LIST(py), out)
                  : reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y"), out))
            break;
        (void)reel_neg(x);
        expect_error(REEL_EARG, "given away (.donate) to the call at", "test_donate.c", "used after a session's run");
        x = out[0];
        same_place += memory_of(x) == old;
        different += !same_bits(x, want);
    }
    expect_none("a session");
    TAP_OK(same_place == STEPS && different == 0, "session: %d of %d in the memory given, %d differ", same_place, STEPS,
           different);
    reel_tensor *b = start(1), *kept = reel_slice(x, 1, REEL_RANGES({0, N, 1})), *copy = reel_tanh(start(2));
    TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", x}, {"a,b", b}), REEL_FETCHES("sum"), out), 0);
    (void)reel_neg(b);
    expect_error(REEL_EARG, "given away (.donate) to the call at", "test_donate.c", "a name with a comma");
    TAP_OK(same_bits(out[0], reel_add(kept, start(1))) && same_bits(kept, want), "who has a view finds it as it was");
    reel_tensor *both = reel_tanh(start(2));
    TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", both}, {"a,b", both}), REEL_FETCHES("y", "sum"), out), 0);
    reel_invoke(REEL_FN(step, NULL, 1, 1), REEL_LIST(copy), &want);
    TAP_OK(same_bits(out[0], want) && same_bits(out[1], reel_add(copy, copy)), "fed twice");
    TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", copy}), REEL_FETCHES("x"), out), 0);
    TAP_OK(same_bits(out[0], reel_tanh(start(2))), "fed and fetched");
    reel_session_free(s);
    TAP_OK(!reel_session_new(g, REEL_OPTS(session, .donate = "x,c")), "a name that is not there");
    expect_error(REEL_ETRACE, ".donate: \"c\"", "not in the graph", "a name that is not there");
    reel_graph_free(g);
    reel_release(px);
    reel_release(py);
}

/* What is refused leaves its feeds; what has begun does not; variables stay. */
static void test_session_errors(void)
{
    REEL_SCOPED;
    reel_tensor *px, *py, *x = start(0), *out[2];
    reel_graph *g = session_graph(REEL_ANY, &px, &py);
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .donate = "x"));
    TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("sum"), out), REEL_ETRACE);
    expect_error(REEL_ETRACE, "feed \"a,b\" is missing", "", "a feed left out");
    TAP_OK(same_bits(x, start(0)), "a run that is refused leaves its feeds");
    TAP_EQ_INT(reel_session_verify(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y"), NULL, NULL), 0);
    TAP_OK(same_bits(x, start(0)), "so does verifying");
    reel_stepping *st = reel_session_begin_steps(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y"));
    TAP_OK(st && same_bits(x, start(0)) && reel_stepping_end(st, out) == 0, "stepping takes it at its end");
    (void)reel_neg(x);
    expect_error(REEL_EARG, "given away (.donate) to the call at", "test_donate.c", "stepping");
    reel_vars *vars = reel_vars_new("m");
    reel_tensor *w = reel_var(vars, "w", start(3));
    TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", w}), REEL_FETCHES("y"), out), 0);
    TAP_OK(same_bits(w, start(3)), "a variable stays");
    expect_none("a variable");
    reel_vars_free(vars);
    reel_session_free(s);
    reel_graph_free(g);
    reel_release(px);
    reel_release(py);
    g = reel_graph_begin();
    reel_tensor *p = reel_placeholder(REEL_F32, REEL_SHAPE(N), "x"),
                *i = reel_placeholder(REEL_I32, REEL_SHAPE(1), "i");
    reel_output("y", reel_add(reel_tanh(p), reel_gather(reel_sin(p), i, 0)));
    reel_graph_end(g);
    s = reel_session_new(g, REEL_OPTS(session, .donate = "x"));
    TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", x = start(0)}, {"i", reel_full(REEL_I32, REEL_SHAPE(1), N)}),
                                REEL_FETCHES("y"), out),
               REEL_EARG);
    expect_error(REEL_EARG, "600", "", "an index out of range");
    (void)reel_neg(x);
    expect_error(REEL_EARG, "given away (.donate) to the call at", "test_donate.c", "gone even if the run failed");
    reel_session_free(s);
    reel_graph_free(g);
}

struct inner {
    reel_session *s;
    bool fetch_fed;
};
static int session_around(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct inner *c = self;
    reel_tensor *x = reel_add(in[0], reel_num(1));
    if (reel_session_run(c->s, REEL_FEEDS({"x", x}), REEL_FETCHES("y", c->fetch_fed ? "x" : "y"), out))
        return reel_status();
    if (!c->fetch_fed) out[1] = reel_add(out[1], x);
    return reel_status();
}
static int function_around(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    return reel_function_call(self, REEL_LIST(reel_add(in[0], reel_num(1))), out);
}

/* Where the nodes go through the door, and where feeds are padded. */
static void test_session_modes(void)
{
    REEL_SCOPED;
    reel_tensor *px, *py, *out[2], *want;
    reel_graph *g = session_graph(REEL_ANY, &px, &py);
    const int64_t buckets[] = {N, 2 * N};
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .donate = "x", .buckets = buckets, .n_buckets = 2));
    reel_invoke(REEL_FN(step, NULL, 1, 1), REEL_LIST(reel_add(start(0), reel_num(1))), &want);
    for (int i = 0; i < 4; i++) {
        struct inner c = {s, i > 0};
        reel_tape *t = i == 3 ? reel_tape_begin(NULL) : NULL;
        reel_function *f = i < 2 ? reel_function_new(REEL_FN(session_around, &c, 1, 2), NULL) : NULL;
        const int rc = f ? reel_function_call(f, REEL_LIST(start(0)), out)
                         : session_around(&c, (reel_tensor *const[]){start(0)}, out);
        if (i == 0) {
            TAP_EQ_INT(rc, REEL_EARG);
            expect_error(REEL_EARG, "given away (.donate) to the call at", "test_donate.c", "used in a trace");
        } else {
            TAP_OK(rc == 0 && same_bits(out[0], want) && same_bits(out[1], reel_add(start(0), reel_num(1))),
                   "fed and fetched, way %d", i);
        }
        reel_tape_end(t);
        reel_function_free(f);
    }
    for (int i = 0; i < 2; i++) {
        reel_tensor *x = reel_concat(REEL_LIST(start(0), start(1)), 0),
                    *part = reel_slice(x, 1, REEL_RANGES({0, N + 7, 1}));
        reel_tensor *own = reel_mul(part, reel_num(1));
        reel_invoke(REEL_FN(step, NULL, 1, 1), REEL_LIST(part), &want);
        TAP_EQ_INT(reel_session_run(s, REEL_FEEDS({"x", own}), REEL_FETCHES("y"), out), 0);
        TAP_OK(same_bits(out[0], want), "padded, run %d", i);
        (void)reel_neg(own);
        expect_error(REEL_EARG, "given away (.donate) to the call at", "test_donate.c", "padded");
    }
    expect_none("modes");
    reel_function *h = reel_function_new(REEL_FN(itself, NULL, 1, 2), REEL_OPTS(function, .donate = 1));
    reel_function *k = reel_function_new(REEL_FN(function_around, h, 1, 2), NULL);
    TAP_OK(reel_function_call(k, REEL_LIST(start(0)), out) == 0 && same_bits(out[0], reel_add(start(0), reel_num(1))),
           "what a function gives back inside a trace");
    expect_none("a function inside a trace");
    reel_function_free(k);
    reel_function_free(h);
    reel_session_free(s);
    reel_graph_free(g);
    reel_release(px);
    reel_release(py);
}

enum { MANY = 70 };
/* More feeds than a word has bits. */
static void test_many_feeds(void)
{
    REEL_SCOPED;
    char name[MANY][8];
    reel_feed feed[MANY];
    reel_graph *g = reel_graph_begin();
    reel_tensor *sum = NULL, *want = NULL, *y;
    for (int i = 0; i < MANY; i++) {
        snprintf(name[i], sizeof name[i], "x%d", i);
        reel_tensor *p = reel_placeholder(REEL_F32, REEL_SHAPE(N), name[i]);
        sum = sum ? reel_add(sum, p) : reel_tanh(p);
    }
    reel_output("y", sum);
    reel_graph_end(g);
    for (int i = 0; i < MANY; i++) {
        feed[i] = (reel_feed){name[i], start(i)};
        want = want ? reel_add(want, start(i)) : reel_tanh(start(i));
    }
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .donate = "x69", .check_plans = true));
    const void *old = memory_of(feed[69].value);
    TAP_EQ_INT(reel_session_run(s, (reel_feeds){MANY, feed}, REEL_FETCHES("y"), &y), 0);
    TAP_OK(same_bits(y, want), "%d feeds", MANY);
    TAP_OK(memory_of(y) == old, "the last of %d feeds is given away", MANY);
    TAP_OK(same_bits(feed[5].value, start(5)), "feed 5 (69 modulo 64) is not");
    expect_none("many feeds");
    reel_session_free(s);
    reel_graph_free(g);
}

TAP_MAIN(test_loops, test_used, test_shared, test_session, test_session_errors, test_session_modes, test_many_feeds)
