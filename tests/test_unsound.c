/* What a trace cannot know. 43 deliberately unsound functions, each with what becomes of it: refused while it is traced, traced
   again, right all the same, caught by .check, or frozen in silence (docs/tracing.md says so). test_sound.c has those that are not. */
#include <time.h>
#include "trace_help.h"

enum outcome {
    REFUSED, /* an error of the call that traces, naming the line */
    RIGHT,   /* replays give what eager gives */
    FROZEN   /* replays go on with what the trace saw */
};

struct state {
    reel_vars *vars, *more;
    reel_tensor *a, *b, *active; /* variables */
    reel_tensor *outside, *kept, *wrapped, *other;
    reel_function *inner;
    reel_fn fn;
    reel_tensor *(*op)(reel_tensor *x);
    double lr, momentum;
    int n, axis, calls;
    bool flag;
    const char *mode;
    int64_t dims[2];
    reel_dtype dtype;
    float buf[4];
    double config[2], *pointer;
    reel_generator *generator;
};
#define BODY(name) static int name(void *self, reel_tensor *const in[], reel_tensor *out[])
#define S struct state *s = self
#define DONE return reel_status()
#define NUM(v) out[0] = reel_mul(in[0], reel_num(v))

/* ---- unsound --------------------------------------------------------------------------------------------- */

BODY(counter)
{
    S;
    s->n++;
    NUM(s->n);
    DONE;
}
BODY(static_counter)
{
    static int n;
    (void)self;
    n++;
    NUM(n);
    DONE;
}
BODY(branch_on_flag)
{
    S;
    out[0] = s->flag ? reel_neg(in[0]) : reel_exp(in[0]);
    DONE;
}
BODY(branch_on_value)
{
    (void)self;
    out[0] = reel_item(reel_sum(in[0])) > 0 ? reel_neg(in[0]) : reel_exp(in[0]);
    DONE;
}
BODY(branch_on_read)
{
    float x[4] = {0};
    (void)self;
    reel_read_f32(in[0], x, 4);
    out[0] = x[0] > 0 ? reel_neg(in[0]) : reel_exp(in[0]);
    DONE;
}
BODY(shape_from_data)
{
    (void)self;
    const double n = reel_item(reel_sum(in[0]));
    out[0] = reel_zeros(REEL_F32, REEL_SHAPE(n > 0 ? (int64_t)n : 1));
    DONE;
}
BODY(wall_clock)
{
    struct timespec t;
    (void)self;
    clock_gettime(CLOCK_MONOTONIC, &t);
    NUM((double)t.tv_sec + 1e-9 * (double)t.tv_nsec);
    DONE;
}
BODY(c_rand)
{
    (void)self;
    NUM(rand());
    DONE;
}
BODY(learning_rate)
{
    S;
    NUM(s->lr);
    DONE;
}
BODY(host_buffer)
{
    S;
    out[0] = reel_add(in[0], reel_from_f32(REEL_SHAPE(4), s->buf, 4));
    DONE;
}
BODY(wrap_inside)
{
    S;
    out[0] = reel_add(in[0], reel_wrap((reel_type){REEL_F32, REEL_SHAPE(4)}, s->buf, sizeof s->buf, NULL, NULL));
    DONE;
}
BODY(wrapped_outside)
{
    S;
    out[0] = reel_add(in[0], s->wrapped);
    DONE;
}
BODY(outside_tensor)
{
    S;
    out[0] = reel_add(in[0], s->outside);
    DONE;
}
BODY(keeps_intermediate)
{
    S;
    out[0] = s->kept ? reel_add(in[0], s->kept) : reel_neg(in[0]);
    reel_set(&s->kept, out[0]);
    DONE;
}
BODY(returns_the_kept)
{
    S;
    if (!s->kept) reel_set(&s->kept, reel_neg(in[0]));
    out[0] = s->kept;
    DONE;
}
BODY(loop_in_c)
{
    S;
    out[0] = in[0];
    for (int i = 0; i <= s->n; i++) out[0] = reel_sin(out[0]);
    DONE;
}
BODY(which_variable)
{
    S;
    out[0] = reel_add(in[0], s->active);
    DONE;
}
BODY(set_that_grows)
{
    S;
    const reel_list l = reel_vars_list(s->more);
    out[0] = in[0];
    for (int i = 0; i < l.n; i++) out[0] = reel_add(out[0], l.t[i]);
    DONE;
}
BODY(function_pointer)
{
    S;
    out[0] = s->op(in[0]);
    DONE;
}
BODY(mode_by_name)
{
    S;
    out[0] = strcmp(s->mode, "sum") == 0 ? reel_sum(in[0]) : reel_mean(in[0]);
    DONE;
}
BODY(axis_from_struct)
{
    S;
    out[0] = reel_cumsum(reel_reshape(in[0], REEL_SHAPE(2, 2)), s->axis, NULL);
    DONE;
}
BODY(dtype_from_struct)
{
    S;
    out[0] = reel_cast(in[0], s->dtype);
    DONE;
}
BODY(shape_from_struct)
{
    S;
    out[0] = reel_reshape(in[0], REEL_SHAPE(s->dims[0], s->dims[1]));
    DONE;
}
BODY(which_generator)
{
    S;
    out[0] = reel_uniform(REEL_F32, REEL_SHAPE(2), 0, 1, s->flag ? s->generator : NULL);
    (void)in;
    DONE;
}
BODY(seeds_inside)
{
    (void)self;
    (void)in;
    reel_seed(7);
    out[0] = reel_randn(REEL_F32, REEL_SHAPE(2));
    DONE;
}
BODY(environment)
{
    const char *e = getenv("REEL_TEST_UNSOUND");
    (void)self;
    NUM(e ? atof(e) : 0);
    DONE;
}
static double global = 1;
BODY(global_variable)
{
    (void)self;
    NUM(global);
    DONE;
}
BODY(momentum_in_c)
{
    S;
    s->momentum = 0.9 * s->momentum + 1;
    NUM(s->momentum);
    DONE;
}
BODY(swaps_outputs)
{
    S;
    out[s->flag ? 1 : 0] = reel_neg(in[0]);
    out[s->flag ? 0 : 1] = reel_exp(in[0]);
    DONE;
}
BODY(swaps_operands)
{
    S;
    reel_tensor *a = reel_neg(in[0]), *b = reel_exp(in[0]);
    out[0] = s->flag ? reel_sub(b, a) : reel_sub(a, b);
    DONE;
}
BODY(which_constant)
{
    S;
    out[0] = reel_add(in[0], s->flag ? s->other : s->wrapped);
    DONE;
}
BODY(reads_variable)
{
    S;
    NUM(reel_item(reel_sum(s->a)));
    DONE;
}
BODY(undeclared_field)
{
    S;
    out[0] = reel_add(reel_mul(in[0], reel_num(s->config[0])), reel_num(s->lr));
    DONE;
}
BODY(pointer_in_statics)
{
    S;
    NUM(*s->pointer);
    DONE;
}
BODY(makes_variable)
{
    S;
    out[0] = reel_add(in[0], reel_var(s->vars, "new", reel_ones(REEL_F32, REEL_SHAPE(4))));
    DONE;
}
BODY(inner_body)
{
    S;
    NUM(s->lr);
    DONE;
}
BODY(nested_state)
{
    S;
    return reel_function_call(s->inner, REEL_LIST(in[0]), out);
}
BODY(side_effect)
{
    S;
    s->calls++;
    out[0] = reel_neg(in[0]);
    DONE;
}
BODY(history)
{
    S;
    out[0] = reel_neg(in[0]);
    reel_set(&s->kept, out[0]);
    DONE;
}
BODY(prints)
{
    (void)self;
    char text[64];
    out[0] = reel_neg(in[0]);
    reel_format(out[0], text, sizeof text);
    DONE;
}
BODY(calls_itself)
{
    S;
    return reel_function_call(s->inner, REEL_LIST(in[0]), out);
}
BODY(data_in_slice)
{
    (void)self;
    const double at = reel_item(reel_cast(reel_argmax(in[0], 0), REEL_F64));
    const int64_t n = at == at ? (int64_t)at : 0;
    out[0] = reel_slice(in[0], 1, REEL_RANGES({0, n + 1, 1}));
    DONE;
}

BODY(inner_yes)
{
    S;
    out[0] = reel_mul(in[0], reel_num(s->lr));
    DONE;
}
BODY(inner_no)
{
    (void)self;
    out[0] = reel_neg(in[0]);
    DONE;
}
BODY(state_in_branch)
{
    S;
    return reel_cond(reel_greater(reel_sum(in[0]), reel_num(0)), REEL_FN(inner_yes, s, 1, 1),
                     REEL_FN(inner_no, s, 1, 1), REEL_LIST(in[0]), out);
}

static reel_tensor *do_neg(reel_tensor *x)
{
    return reel_neg(x);
}
static reel_tensor *do_exp(reel_tensor *x)
{
    return reel_exp(x);
}
/* Between the two calls. */
static void poke(struct state *s)
{
    s->flag = true;
    s->lr = s->config[1] = 3;
    s->n += 2;
    s->axis = 1;
    s->active = s->b;
    s->op = do_exp;
    s->mode = "mean";
    s->dtype = REEL_F64;
    s->dims[0] = 4;
    s->dims[1] = 1;
    s->config[0] = 5;
    global = 2;
    for (int i = 0; i < 4; i++) s->buf[i] = (float)i;
    setenv("REEL_TEST_UNSOUND", "4", 1);
    reel_var(s->more, "second", reel_ones(REEL_F32, REEL_SHAPE(4)));
}
static void state_init(struct state *s)
{
    memset(s, 0, sizeof *s);
    s->vars = reel_vars_new("v");
    s->more = reel_vars_new("more");
    s->active = s->a = reel_var(s->vars, "a", reel_ones(REEL_F32, REEL_SHAPE(4)));
    s->b = reel_var(s->vars, "b", reel_zeros(REEL_F32, REEL_SHAPE(4)));
    reel_var(s->more, "first", reel_ones(REEL_F32, REEL_SHAPE(4)));
    s->outside = reel_ones(REEL_F32, REEL_SHAPE(4));
    s->op = do_neg;
    s->mode = "sum";
    s->dtype = REEL_F32;
    s->dims[0] = s->dims[1] = 2;
    s->lr = s->config[0] = 2;
    s->pointer = &s->config[1];
    s->generator = reel_generator_new(5);
    global = 1;
    setenv("REEL_TEST_UNSOUND", "3", 1);
}
static void state_free(struct state *s)
{
    reel_function_free(s->inner);
    reel_unset(&s->kept);
    reel_vars_free(s->vars);
    reel_vars_free(s->more);
    reel_generator_free(s->generator);
}

static const struct unsound {
    reel_body *body;
    const char *name;
    int n_out;
    enum outcome plain;
    const char *words;   /* of the refusal */
    const char *checked; /* words of .check's error; NULL: it sees nothing either */
    bool constants, statics;
} unsound[] = {
#define CASE(name, plain, words, checked)                   \
    {                                                       \
        name, #name, 1, plain, words, checked, false, false \
    }
#define MORE(name, plain, checked, constants, statics)           \
    {                                                            \
        name, #name, 1, plain, NULL, checked, constants, statics \
    }
    CASE(counter, FROZEN, NULL, "a number is 4, which was 1"),
    CASE(static_counter, FROZEN, NULL, "a number is"),
    CASE(branch_on_flag, FROZEN, NULL, "reel_neg is called, where reel_exp was"),
    CASE(branch_on_value, REFUSED, "reel_item", NULL),
    CASE(branch_on_read, REFUSED, "reel_read_f32", NULL),
    CASE(shape_from_data, REFUSED, "reel_item", NULL),
    CASE(wall_clock, FROZEN, NULL, "a number is"),
    CASE(c_rand, FROZEN, NULL, "a number is"),
    CASE(learning_rate, FROZEN, NULL, "a number is 3, which was 2"),
    CASE(host_buffer, REFUSED, "reel_from_f32: host data", NULL),
    CASE(wrap_inside, REFUSED, "reel_wrap: host data", NULL),
    MORE(wrapped_outside, RIGHT, NULL, true, false),
    CASE(outside_tensor, REFUSED, "b is an outside tensor", NULL),
    CASE(keeps_intermediate, FROZEN, NULL, "is an outside tensor"),
    CASE(returns_the_kept, FROZEN, NULL, "out[0] is an outside tensor"),
    CASE(loop_in_c, FROZEN, NULL, "sin is new"),
    CASE(which_variable, FROZEN, NULL, "variable \"v/b\" is used, where \"v/a\" was"),
    CASE(set_that_grows, FROZEN, NULL, "is new"),
    CASE(function_pointer, FROZEN, NULL, "reel_exp is called, where reel_neg was"),
    CASE(mode_by_name, FROZEN, NULL, "reel_mean is called, where reel_sum was"),
    CASE(axis_from_struct, FROZEN, NULL, "reel_cumsum has other arguments"),
    CASE(dtype_from_struct, FROZEN, NULL, "reel_cast has other arguments"),
    CASE(shape_from_struct, FROZEN, NULL, "reel_reshape has other arguments"),
    CASE(which_generator, FROZEN, NULL, "reel_uniform has other arguments"),
    CASE(seeds_inside, REFUSED, "seeding inside a trace", NULL),
    CASE(environment, FROZEN, NULL, "a number is 4, which was 3"),
    CASE(global_variable, FROZEN, NULL, "a number is 2, which was 1"),
    CASE(momentum_in_c, FROZEN, NULL, "a number is 1.9, which was 1"),
    {swaps_outputs, "swaps_outputs", 2, FROZEN, NULL, "is another tensor", false, false},
    CASE(swaps_operands, FROZEN, NULL, "reel_sub takes another tensor as a"),
    MORE(which_constant, FROZEN, "a constant has other values", true, false),
    CASE(reads_variable, REFUSED, "reel_item", NULL),
    MORE(undeclared_field, FROZEN, "a number is 5, which was 2", false, true),
    MORE(pointer_in_statics, FROZEN, "a number is 3, which was 0", false, true),
    CASE(makes_variable, REFUSED, "a variable cannot be made inside a trace", NULL),
    CASE(nested_state, FROZEN, NULL, "a number is 3, which was 2"),
    CASE(state_in_branch, FROZEN, NULL, "a number is 3, which was 2"),
    CASE(side_effect, FROZEN, NULL, NULL), /* the count is: not the result */
    CASE(history, FROZEN, NULL, NULL),     /* what is kept is */
    CASE(prints, REFUSED, "reel_format", NULL),
    CASE(calls_itself, REFUSED, "calls itself", NULL),
    CASE(data_in_slice, REFUSED, "reel_item", NULL),
    MORE(axis_from_struct, RIGHT, NULL, false, true), /* declared: traced again */
};

static reel_tensor *input(int call)
{
    const float x[4] = {0.5f, 1, 0.25f, 0.75f + (float)call};
    return reel_from_f32(REEL_SHAPE(4), x, 4);
}

/* The struct's bytes that may be declared: for one of them the wrong ones. */
static const void *statics_of(const struct unsound *u, const struct state *s, size_t *n)
{
    if (u->body == pointer_in_statics) return *n = sizeof s->pointer, (const void *)&s->pointer;
    if (u->body == axis_from_struct) return *n = sizeof s->axis, (const void *)&s->axis;
    return *n = sizeof s->momentum, (const void *)&s->momentum;
}

/* Two calls with a change of C state between them. */
static int run_case(const struct unsound *u, int check, bool *right, int *traces, reel_error *e)
{
    REEL_SCOPED;
    struct state s, t;
    size_t n = 0;
    reel_tensor *first[2], *second[2] = {NULL, NULL}, *want[2];
    state_init(&s);
    state_init(&t);
    s.wrapped = reel_wrap((reel_type){REEL_F32, REEL_SHAPE(4)}, s.buf, sizeof s.buf, NULL, NULL);
    t.wrapped = reel_wrap((reel_type){REEL_F32, REEL_SHAPE(4)}, t.buf, sizeof t.buf, NULL, NULL);
    s.other = t.other = reel_arange(REEL_F32, 2, 6, 1);
    reel_fn fn = {u->body, &s, 1, u->n_out, u->name}, eager = {u->body, &t, 1, u->n_out, u->name};
    if (u->body == nested_state) eager.body = inner_body; /* a function inside would freeze it by itself */
    const void *statics = u->statics ? statics_of(u, &s, &n) : NULL;
    reel_function *f =
        reel_function_new(fn, REEL_OPTS(function, .check = check, .statics = statics, .statics_size = n,
                                        .constants = {2 * u->constants, (reel_tensor *[]){s.wrapped, s.other}}));
    s.inner = u->body == calls_itself ? f : reel_function_new(REEL_FN(inner_body, &s, 1, 1), NULL);
    t.inner = u->body == calls_itself ? NULL : reel_function_new(REEL_FN(inner_body, &t, 1, 1), NULL);
    srand(1);
    int rc = reel_function_call(f, REEL_LIST(input(0)), first);
    *right = false;
    if (!rc) {
        poke(&s);
        rc = reel_function_call(f, REEL_LIST(input(1)), second);
    }
    if (!rc && u->body != wall_clock && u->body != c_rand && u->body != static_counter) {
        srand(1);
        reel_invoke(eager, REEL_LIST(input(0)), want);
        poke(&t);
        t.wrapped =
            reel_wrap((reel_type){REEL_F32, REEL_SHAPE(4)}, t.buf, sizeof t.buf, NULL, NULL); /* debug builds check */
        reel_invoke(eager, REEL_LIST(input(1)), want);
        *right = same_bits(second[0], want[0]) && s.calls == t.calls && (!t.kept || same_bits(s.kept, t.kept));
    }
    reel_take_error(e);
    *traces = reel_function_traces(f);
    if (u->body == calls_itself) s.inner = NULL;
    reel_function_free(f);
    state_free(&s);
    state_free(&t);
    return rc;
}

static void test_unsound(void)
{
    const int n = (int)(sizeof unsound / sizeof *unsound);
    int refused = 0, right = 0, caught = 0, silent = 0;
    for (int i = 0; i < n; i++) {
        const struct unsound *u = &unsound[i];
        reel_error e = {0};
        bool good;
        int traces;
        const int rc = run_case(u, 0, &good, &traces, &e);
        const enum outcome got = rc ? REFUSED : good ? RIGHT : FROZEN;
        if (!TAP_OK(got == u->plain, "%s: is %s", u->name,
                    u->plain == REFUSED ? "refused"
                    : u->plain == RIGHT ? "right"
                                        : "frozen"))
            TAP_NOTE("rc %d, good %d: %s", rc, good, e.text);
        refused += got == REFUSED;
        right += got == RIGHT;
        if (u->plain == REFUSED) {
            TAP_OK(rc == REEL_ETRACE && strstr(e.text, u->words), "%s: %s", u->name, e.text);
            continue;
        }
        if (u->plain == RIGHT) {
            TAP_EQ_INT(traces, u->statics ? 2 : 1);
            continue;
        }
        memset(&e, 0, sizeof e);
        const int checked = run_case(u, -1, &good, &traces, &e);
        caught += checked != 0;
        silent += checked == 0;
        TAP_OK((checked != 0) == (u->checked != NULL) &&
                   (!u->checked ||
                    (checked == REEL_ETRACE && strstr(e.text, u->checked) && strstr(e.text, "test_unsound.c:"))),
               "%s, checked: %s", u->name, checked ? e.text : "nothing seen");
    }
    TAP_NOTE("%d unsound functions: %d refused, %d right all the same, %d caught by .check, %d not catchable", n,
             refused, right, caught, silent);
    TAP_OK(n >= 30 && silent == 2, "%d cannot be caught", silent);
}

TAP_MAIN(test_unsound)
