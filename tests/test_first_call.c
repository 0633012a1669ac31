/* The first call of a function: its body is traced without computing anything and then replayed, with eager's bits, effects and errors, and
   no more memory than later calls take; or it runs eagerly, where it must or is asked to. */
#include "trace_help.h"

enum { N = 4 };
struct self {
    reel_vars *vars;
    reel_tensor *w, *count;
    int calls, symbolic; /* how often the body ran, and without numbers */
    bool fail;
};
static void self_init(struct self *s)
{
    memset(s, 0, sizeof *s);
    reel_seed(3);
    s->vars = reel_vars_new("m");
    s->w = reel_var(s->vars, "w", reel_randn(REEL_F32, REEL_SHAPE(N, N)));
    s->count = reel_var(s->vars, "count", reel_zeros(REEL_F32, REEL_SCALAR));
}

/* What a debugger would show: does the tensor have data? */
static bool has_numbers(reel_tensor *t)
{
    reel_error e;
    char buf[64];
    (void)reel_format(t, buf, sizeof buf);
    const bool none = reel_status() || strstr(buf, "in a graph");
    (void)reel_take_error(&e);
    return !none;
}

static int step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct self *s = self;
    s->calls++;
    reel_tape *t = reel_tape_begin(NULL);
    reel_tensor *h = reel_dropout(reel_tanh(reel_matmul(in[0], s->w)), 0.25, NULL), *g;
    reel_assign(s->count, reel_add(s->count, reel_num(1)));
    out[0] = reel_add(reel_mean(reel_square(h)), reel_mul(s->count, reel_num(0.5)));
    if (reel_grad(t, out[0], REEL_LIST(s->w), &g)) return reel_status();
    out[1] = g;
    return reel_assign(s->w, reel_sub(s->w, reel_mul(g, reel_num(0.1))));
}

static void test_bits(void)
{
    REEL_SCOPED;
    enum { CALLS = 3, WAYS = 3 };
    reel_tensor *r[WAYS][CALLS][4];
    for (int way = 0; way < WAYS; way++) {
        struct self s;
        self_init(&s);
        reel_function *f = reel_function_new(REEL_FN(step, &s, 1, 2), REEL_OPTS(function, .eager_first = way == 1));
        reel_seed(9);
        for (int i = 0; i < CALLS; i++) {
            reel_tensor *x = reel_sin(reel_reshape(reel_arange(REEL_F32, i, i + 2 * N, 1), REEL_SHAPE(2, N)));
            if (way == 2)
                reel_invoke(REEL_FN(step, &s, 1, 2), REEL_LIST(x), r[way][i]);
            else
                reel_function_call(f, REEL_LIST(x), r[way][i]);
            r[way][i][2] = reel_value(s.w);
            r[way][i][3] =
                reel_add(reel_value(s.count), reel_randn(REEL_F32, REEL_SCALAR)); /* where the generator stands */
        }
        expect_none("a step");
        TAP_EQ_INT(s.calls, way == 2 ? CALLS : 1);
        reel_function_free(f);
        reel_vars_free(s.vars);
    }
    int different = 0;
    for (int way = 0; way < 2; way++)
        for (int i = 0; i < CALLS; i++)
            for (int j = 0; j < 4; j++) different += !same_bits(r[way][i][j], r[2][i][j]);
    TAP_OK(different == 0, "traced only, run first, eager: %d results, variables, generators differ", different);
}

/* ---- what there is to see in the body ------------------------------------------------------------------------- */

static int looks(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct self *s = self;
    s->calls++;
    out[0] = reel_tanh(in[0]);
    s->symbolic += !has_numbers(out[0]);
    return reel_status();
}
static int counts(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct self *s = self;
    s->calls++;
    out[0] = reel_tanh(in[0]);
    return reel_status();
}
static int sized(void *self, reel_tensor *const in[],
                 reel_tensor *out[]) /* needs a number where the shape is not known */
{
    struct self *s = self;
    s->calls++;
    reel_tensor *found = reel_masked_select(in[0], reel_greater(in[0], reel_num(0)));
    out[0] = reel_sum(reel_square(found));
    return reel_status();
}

static void test_ways(void)
{
    REEL_SCOPED;
    struct self s;
    reel_tensor *x = reel_ones(REEL_F32, REEL_SHAPE(N)), *out[1];
    self_init(&s);
    reel_function *f = reel_function_new(REEL_FN(looks, &s, 1, 1), REEL_OPTS(function, .allow_reads = true));
    reel_function_call(f, REEL_LIST(x), out);
    reel_function_call(f, REEL_LIST(x), out);
    TAP_OK(s.calls == 1 && s.symbolic == 0, "allowed to read, it runs with numbers");
    reel_function_free(f);
    s.calls = 0;
    f = reel_function_new(REEL_FN(counts, &s, 1, 1), NULL);
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(x));
    reel_function_call(f, REEL_LIST(x), out);
    reel_tensor *d = reel_grad1(t, reel_sum(out[0]), x);
    TAP_OK(s.calls == 1 && d, "under a tape it runs once");
    reel_function_free(f);
    s.calls = 0;
    f = reel_function_new(REEL_FN(sized, &s, 1, 1), NULL);
    for (int i = 0; i < 3; i++) {
        reel_tensor *some = reel_sub(reel_arange(REEL_F32, 0, N, 1), reel_num(i));
        reel_function_call(f, REEL_LIST(some), out);
        TAP_OK(reel_item(out[0]) == (i == 0 ? 14 : i == 1 ? 5 : 1), "a size that depends on data, call %d", i);
    }
    TAP_EQ_INT(s.calls, 1);
    expect_none("ways");
    reel_function_free(f);
    reel_vars_free(s.vars);
}

/* ---- errors ----------------------------------------------------------------------------------------------------- */

static int mistakes(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct self *s = self;
    s->calls++;
    reel_assign(s->count, reel_add(s->count, reel_num(1)));
    if (s->fail) reel_matmul(in[0], reel_transpose(s->w, REEL_AXES(1, 0)));
    out[0] = reel_gather(in[0], reel_cast(reel_sum(in[0]), REEL_I64), 0);
    return reel_status();
}
static int gives_up(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct self *s = self;
    (void)in;
    (void)out;
    s->calls++;
    return 7;
}
static void test_errors(void)
{
    REEL_SCOPED;
    struct self s;
    const float good[3] = {0.5f, 0.25f, 0.25f}, bad[3] = {5, 4, 0};
    reel_tensor *out[1];
    self_init(&s);
    s.fail = true;
    reel_function *f = reel_function_new(REEL_FN(mistakes, &s, 1, 1), NULL);
    TAP_EQ_INT(reel_function_call(f, REEL_LIST(reel_from_f32(REEL_SHAPE(3), good, 3)), out), REEL_ESHAPE);
    expect_error(REEL_ESHAPE, "reel_matmul", "test_first_call.c", "a wrong shape");
    TAP_OK(s.calls == 1 && reel_item(s.count) == 0, "the body ran once, and nothing was assigned before the mistake");
    TAP_EQ_INT(reel_function_traces(f), 0);
    s.fail = false;
    TAP_EQ_INT(reel_function_call(f, REEL_LIST(reel_from_f32(REEL_SHAPE(3), bad, 3)), out), REEL_EARG);
    expect_error(REEL_EARG, "reel_gather: index 9", "test_first_call.c", "a wrong number, at the line of the op");
    TAP_OK(reel_item(s.count) == 0, "a run that fails changes no variable");
    TAP_EQ_INT(reel_function_call(f, REEL_LIST(reel_from_f32(REEL_SHAPE(3), good, 3)), out), 0);
    TAP_OK(reel_item(s.count) == 1 && s.calls == 2, "the trace is good all the same");
    reel_function_free(f);
    s.calls = 0;
    f = reel_function_new(REEL_FN(gives_up, &s, 1, 1), NULL);
    TAP_EQ_INT(reel_function_call(f, REEL_LIST(reel_from_f32(REEL_SHAPE(3), good, 3)), out), REEL_EUSER);
    expect_error(REEL_EUSER, "returned 7", "test_first_call.c", "a body that gives up");
    TAP_EQ_INT(s.calls, 1);
    reel_function_free(f);
    reel_vars_free(s.vars);
}

/* Two variables of one value are told apart, and the body then runs. */
static int adds_both(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *const *v = self;
    reel_tape *t = reel_tape_begin(NULL);
    reel_tensor *y = reel_sum(reel_mul(v[0], v[1]));
    if (reel_grad(t, y, REEL_LIST(v[0]), out + 1)) return reel_status(); /* the value that v[1] has */
    reel_tensor *next = reel_add(v[0], in[0]);
    out[0] = reel_mul(next, v[1]);
    return reel_assign(v[0], next);
}
static void test_one_value(void)
{
    REEL_SCOPED;
    reel_vars *vars = reel_vars_new("m");
    reel_tensor *v[2] = {reel_var(vars, "a", reel_ones(REEL_F32, REEL_SHAPE(2))), NULL}, *out[2];
    v[1] = reel_var(vars, "b", reel_value(v[0]));
    reel_function *f = reel_function_new(REEL_FN(adds_both, v, 1, 2), NULL);
    for (int i = 0; i < 3; i++) {
        reel_function_call(f, REEL_LIST(reel_ones(REEL_F32, REEL_SHAPE(2))), out);
        TAP_OK(reel_item(reel_sum(out[0])) == 2 * (2 + i) && reel_item(reel_sum(out[1])) == 2,
               "two variables of one value, call %d", i);
    }
    expect_none("one value");
    reel_function_free(f);
    reel_vars_free(vars);
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

enum { WIDE = 512, LAYERS = 12 };
static int chain(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *x = in[0];
    for (int i = 0; i < LAYERS; i++) x = reel_tanh(reel_add(x, reel_num(i)));
    out[0] = reel_sum(x);
    return reel_status();
}
static uint64_t highest(bool eager_first)
{
    REEL_SCOPED;
    reel_memory_stats now;
    reel_tensor *x = reel_ones(REEL_F32, REEL_SHAPE(WIDE, WIDE)), *out[1];
    reel_memory(&now);
    const uint64_t before = now.in_use;
    reel_function *f = reel_function_new(REEL_FN(chain, NULL, 1, 1), REEL_OPTS(function, .eager_first = eager_first));
    reel_function_call(f, REEL_LIST(x), out);
    reel_function_call(f, REEL_LIST(x), out);
    reel_memory(&now);
    reel_function_free(f);
    return now.peak - before;
}
static void test_memory(void)
{
    const uint64_t one = (uint64_t)WIDE * WIDE * 4;
    const uint64_t traced = highest(false), eager = highest(true); /* the peak only grows */
    TAP_OK(traced < 3 * one, "traced only, not even three values of the body are alive: %.1f",
           (double)traced / (double)one);
    TAP_OK(eager > LAYERS * one, "run first, all of them: %.1f", (double)eager / (double)one);
    expect_none("memory");
}

TAP_MAIN(test_bits, test_ways, test_errors, test_one_value, test_memory)
