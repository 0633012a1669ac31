/* Under tapes and traces: what reel_value gives is a value, not the variable, wherever it is used; and functions that call it, have custom
   gradients, or hear of a second tape that wants nothing of them, are replayed. */
#include "trace_help.h"

enum { N = 3 };
struct self {
    reel_vars *vars;
    reel_tensor *w, *kept;
    reel_function *inner;
    int calls, kind;
};

static reel_tensor *vec3(double a, double b, double c)
{
    const double x[N] = {a, b, c};
    return reel_from_f64(REEL_SHAPE(N), x, N);
}
static void self_init(struct self *s)
{
    memset(s, 0, sizeof *s);
    s->vars = reel_vars_new("m");
    s->w = reel_var(s->vars, "w", vec3(0.9, -0.8, 0.7));
}

/* ---- gradients inside: eagerly, captured, replayed ---------------------------------------------------------- */

static int both(void *self, reel_tensor *const in[],
                reel_tensor *out[]) /* the variable, its value from around and from here */
{
    struct self *s = self;
    reel_tensor *y = reel_mul(reel_tanh(in[0]), s->w);
    if (s->kind & 1) y = reel_add(y, reel_mul(s->kept, in[0]));
    if (s->kind & 2) y = reel_mul(y, reel_exp(reel_value(s->w)));
    out[0] = y;
    return reel_status();
}
static int only_value(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct self *s = self;
    out[0] = reel_mul(in[0], reel_value(s->w));
    return reel_status();
}
static int fewer(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_less(in[1], reel_num(3));
    return reel_status();
}
static int both_step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    out[1] = reel_add(in[1], reel_num(1));
    return both(self, in, out);
}
static int both_cell(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *x = reel_add(in[0], in[1]);
    if (both(self, &x, out)) return reel_status();
    out[1] = reel_square(out[0]);
    return reel_status();
}
enum { COND, WHILE, SCAN, CALL, PLAIN, HOWS };
static int loss_of(struct self *s, int how, reel_tensor *x, reel_tensor **y)
{
    reel_tensor *r[2] = {NULL};
    switch (how) {
    case COND:
        reel_cond(reel_greater(reel_sum(x), reel_num(0)), REEL_FN(both, s, 1, 1), REEL_FN(only_value, s, 1, 1),
                  REEL_LIST(x), r);
        break;
    case WHILE:
        reel_while(REEL_FN(fewer, s, 2, 1), REEL_FN(both_step, s, 2, 2),
                   REEL_LIST(x, reel_zeros(REEL_F64, REEL_SCALAR)), REEL_OPTS(while, .max_steps = 6), r);
        break;
    case SCAN: reel_scan(REEL_FN(both_cell, s, 2, 2), REEL_LIST(x), REEL_LIST(x), r); break;
    case CALL: reel_function_call(s->inner, REEL_LIST(x), r); break;
    default: both(s, &x, r);
    }
    *y = reel_sum(r[0]);
    return reel_status();
}
static int gradients(struct self *s, int how, reel_tensor *const in[], reel_tensor *out[])
{
    s->calls++;
    s->kept = reel_value(s->w);
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(in[0]));
    if (loss_of(s, how, in[0], &out[0])) return reel_status();
    out[0] = reel_add(out[0], reel_sum(reel_mul(s->w, reel_value(s->w))));
    return reel_grad(t, out[0], REEL_LIST(in[0], s->w), out + 1);
}
#define BODY(how)                                                                  \
    static int body_##how(void *self, reel_tensor *const in[], reel_tensor *out[]) \
    {                                                                              \
        return gradients(self, how, in, out);                                      \
    }
BODY(COND)
BODY(WHILE)
BODY(SCAN)
BODY(CALL)
BODY(PLAIN)

static void test_inside(void)
{
    static reel_body *const bodies[HOWS] = {body_COND, body_WHILE, body_SCAN, body_CALL, body_PLAIN};
    static const char *const names[HOWS] = {"cond", "while", "scan", "call", "plain"};
    for (int how = 0; how < HOWS; how++) {
        for (int kind = 0; kind < 4; kind++) {
            REEL_SCOPED;
            struct self s;
            reel_tensor *e[2][3], *r[3];
            self_init(&s);
            s.kind = how == CALL ? kind & 2 : kind; /* a call sees nothing of what is around it */
            s.inner = reel_function_new(REEL_FN(both, &s, 1, 1), REEL_OPTS(function, .call = true));
            reel_function *f[2] = {
                reel_function_new((reel_fn){bodies[how], &s, 1, 3, "f"}, NULL),
                reel_function_new((reel_fn){bodies[how], &s, 1, 3, "f"}, REEL_OPTS(function, .eager_first = true))};
            int different = 0;
            for (int i = 0; i < 4; i++) {
                reel_tensor *x = vec3(0.5 + i, 0.25, -0.5);
                reel_assign(s.w, vec3(0.9 - 0.1 * i, -0.8, 0.7)); /* a node that a call shares sees the value of now */
                if (i < 2) reel_invoke((reel_fn){bodies[how], &s, 1, 3, "f"}, REEL_LIST(x), e[i]);
                reel_tensor *x2 = vec3(0.5 + i % 2, 0.25, -0.5);
                reel_assign(s.w, vec3(0.9 - 0.1 * (i % 2), -0.8, 0.7));
                for (int k = 0; k < 2; k++) {
                    reel_function_call(f[k], REEL_LIST(x2), r);
                    for (int j = 0; j < 3 && i; j++) different += i < 2 && !same_bits(e[i][j], r[j]);
                    for (int j = 0; j < 3 && i >= 2; j++) different += !same_bits(e[i - 2][j], r[j]);
                }
            }
            expect_none(names[how]);
            TAP_OK(different == 0, "%s, kind %d: %d results differ from eager", names[how], kind, different);
            for (int k = 0; k < 2; k++) reel_function_free(f[k]);
            reel_function_free(s.inner);
            reel_vars_free(s.vars);
        }
    }
}

/* A value is one to who watches it, however often it is asked for. */
static int watches(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct self *s = self;
    reel_tensor *v = reel_value(s->w);
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(v));
    out[0] = reel_sum(reel_mul(reel_mul(in[0], s->w), reel_square(reel_value(s->w))));
    return reel_grad(t, out[0], REEL_LIST(v, s->w), out + 1);
}
static void test_watched(void)
{
    REEL_SCOPED;
    struct self s;
    reel_tensor *e[3], *r[3], *x = vec3(1, 2, 3);
    self_init(&s);
    reel_invoke(REEL_FN(watches, &s, 1, 3), REEL_LIST(x), e);
    TAP_OK(!same_bits(e[1], e[2]), "a watched value and its variable have gradients of their own");
    reel_function *f = reel_function_new(REEL_FN(watches, &s, 1, 3), NULL);
    for (int i = 0; i < 2; i++) {
        reel_function_call(f, REEL_LIST(x), r);
        TAP_OK(same_bits(e[0], r[0]) && same_bits(e[1], r[1]) && same_bits(e[2], r[2]), "call %d: the same", i);
    }
    reel_graph *g = reel_graph_begin();
    reel_tensor *v = reel_value(s.w), *d[2], *y = reel_sum(reel_mul(reel_mul(v, s.w), reel_value(s.w)));
    reel_graph_grad(REEL_LIST(y), REEL_LIST(v, s.w), NULL, d);
    reel_output("dv", d[0]);
    reel_output("dw", d[1]);
    reel_graph_end(g);
    reel_session *session = reel_session_new(g, NULL);
    reel_session_run(session, (reel_feeds){0, NULL}, REEL_FETCHES("dv", "dw"), r);
    TAP_OK(fabs(reel_item(reel_select(r[0], 0, 0)) - 2 * 0.81) < 1e-12 &&
               fabs(reel_item(reel_select(r[1], 0, 0)) - 0.81) < 1e-12,
           "in a graph of placeholders, too");
    expect_none("watched");
    reel_session_free(session);
    reel_graph_free(g);
    reel_function_free(f);
    reel_vars_free(s.vars);
}

/* ---- tapes around: what is replayed ------------------------------------------------------------------------------ */

static int uses_value(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct self *s = self;
    s->calls++;
    out[0] = reel_sum(reel_mul(reel_mul(in[0], s->w), reel_tanh(reel_value(s->w))));
    return reel_status();
}
static int identity(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_tanh(in[0]);
    return reel_status();
}
static int times_five(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct self *s = self;
    out[0] = reel_mul(reel_mul(in[2], reel_num(5)), s->w);
    return reel_status();
}
static int custom(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct self *s = self;
    reel_tensor *r[1];
    s->calls++;
    reel_custom_grad(REEL_FN(identity, s, 1, 1), REEL_FN(times_five, s, 3, 1), REEL_LIST(reel_mul(in[0], s->w)), r);
    out[0] = reel_sum(reel_mul(r[0], in[0]));
    return reel_status();
}
static int reads_behind(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct self *s = self;
    s->calls++;
    reel_assign(s->w, reel_mul(s->w, reel_num(0.5)));
    out[0] = reel_sum(reel_mul(in[0], reel_exp(s->w)));
    return reel_status();
}

/* f as it is or as a function, under one tape, or also under one that watches nothing (before or behind it); assigned: the variable has got,
   under the tape, what depends on x. */
static void taped(reel_fn f, reel_function *fast, struct self *s, int i, bool two, bool assigned, reel_tensor *out[3])
{
    reel_tensor *x = vec3(0.5 + i, 0.25, -0.5);
    reel_assign(s->w, vec3(0.9, -0.8 * i, 0.7));
    reel_tape *other = two ? reel_tape_begin(REEL_OPTS(tape, .no_variables = true)) : NULL;
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(x));
    if (assigned) reel_assign(s->w, reel_square(x));
    if (fast)
        reel_function_call(fast, REEL_LIST(x), out);
    else
        reel_invoke(f, REEL_LIST(x), out);
    reel_tape_end(other);
    reel_grad(t, out[0], REEL_LIST(x, s->w), out + 1);
}

static void replays(reel_body *body, bool two, bool assigned, int runs, const char *name)
{
    REEL_SCOPED;
    enum { CALLS = 5 };
    struct self s;
    reel_tensor *e[CALLS][3], *r[3];
    self_init(&s);
    const reel_fn fn = {body, &s, 1, 1, "f"};
    for (int i = 0; i < CALLS; i++) taped(fn, NULL, &s, i, two, assigned, e[i]);
    reel_function *f = reel_function_new(fn, NULL);
    int different = 0;
    s.calls = 0;
    for (int i = 0; i < CALLS; i++) {
        taped(fn, f, &s, i, two, assigned, r);
        for (int j = 0; j < 3; j++) different += !same_bits(e[i][j], r[j]);
    }
    expect_none(name);
    TAP_OK(different == 0, "%s: %d results or gradients differ from eager", name, different);
    TAP_OK(s.calls == runs, "%s: the body ran %d times in %d calls", name, s.calls, CALLS);
    reel_function_free(f);
    reel_vars_free(s.vars);
}

static void test_replays(void)
{
    replays(uses_value, false, false, 1, "reel_value under a tape");
    replays(uses_value, false, true, 1, "of a variable assigned under the tape");
    replays(uses_value, true, false, 1, "under another tape that watches nothing");
    replays(custom, false, false, 1, "a custom gradient");
    replays(custom, true, false, 1, "a custom gradient under two");
    replays(reads_behind, false, false, 5, "read behind its assignment");
}

/* ---- what was assigned, its value and the variable side by side in a loop ------------------------------------- */

enum { RESULT = 1, NAMED = 2, FIRST = 4, SQUARED = 8, LAST = 16, VARIANTS = 32 };

static int always(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self, (void)in;
    out[0] = reel_full(REEL_BOOL, REEL_SCALAR, 1);
    return reel_status();
}
static int side_by_side(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct self *s = self;
    if (s->kind & FIRST) (void)reel_equal(in[0], s->w);
    reel_tensor *y = s->kind & SQUARED ? reel_square(s->kept) : reel_add(s->kept, reel_num(0));
    if (s->kind & RESULT) y = reel_add(y, reel_mul(s->w, reel_num(10)));
    if (s->kind & LAST) (void)reel_equal(in[0], s->w);
    out[0] = y;
    return reel_status();
}
static int assigns_and_loops(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct self *s = self;
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(in[0]));
    reel_tensor *y = reel_mul(in[0], reel_num(0.25)), *r[1];
    reel_assign(s->w, y);
    s->kept = s->kind & NAMED ? y : reel_value(s->w);
    if (reel_while(REEL_FN(always, s, 1, 1), REEL_FN(side_by_side, s, 1, 1), REEL_LIST(in[0]),
                   REEL_OPTS(while, .max_steps = 3), r))
        return reel_status();
    out[0] = r[0];
    return reel_grad(t, reel_sum(r[0]), REEL_LIST(s->w, in[0]), out + 1);
}

static void test_assigned(void)
{
    for (int kind = 0; kind < VARIANTS; kind++) {
        REEL_SCOPED;
        struct self s;
        self_init(&s);
        s.kind = kind;
        reel_tensor *want[3] = {NULL}, *got[3] = {NULL}, *x = vec3(1, -2, 3);
        const reel_fn fn = REEL_FN(assigns_and_loops, &s, 1, 3);
        reel_invoke(fn, REEL_LIST(x), want);
        reel_function *f = reel_function_new(fn, NULL);
        int different = 0;
        for (int i = 0; i < 2; i++) {
            reel_function_call(f, REEL_LIST(x), got);
            /* + 0: a gradient of nothing through a loop may be -0 in a trace, see docs/control-flow.md */
            for (int k = 0; k < 3; k++)
                different += !same_bits(reel_add(want[k], reel_num(0)), reel_add(got[k], reel_num(0)));
        }
        expect_none("a loop behind an assignment");
        TAP_OK(different == 0, "variant %d: %d results or gradients differ from eager", kind, different);
        reel_function_free(f);
        reel_vars_free(s.vars);
    }
}

/* ---- a variable and what was assigned to it, side by side ------------------------------------------------------ */

/* kind: 1 reel_value instead of the tensor itself, 2 the variable is read first, 4 in a loop, 16 reel_value in the body, too */
static int pair(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct self *s = self;
    reel_tensor *first = s->kind & 2 ? reel_tanh(s->w) : NULL;
    reel_tensor *given = reel_mul(in[0], s->kept), *var = first ? first : reel_tanh(s->w);
    out[0] = reel_add(given, var);
    if (s->kind & 16) out[0] = reel_mul(out[0], reel_sin(reel_value(s->w)));
    if (s->kind & 8) out[0] = given; /* the reading is there, and nobody uses it */
    return reel_status();
}
static int pair_step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    out[1] = reel_add(in[1], reel_num(1));
    return pair(self, in, out);
}
static int triples(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct self *s = self;
    reel_tensor *y[2] = {NULL};
    s->kept = reel_mul(s->w, reel_num(3));
    reel_assign(s->w, s->kept);
    if (s->kind & 1) s->kept = reel_value(s->w);
    if (s->kind & 4)
        reel_while(REEL_FN(fewer, NULL, 2, 1), REEL_FN(pair_step, s, 2, 2),
                   REEL_LIST(in[0], reel_zeros(REEL_I32, REEL_SCALAR)), NULL, y);
    else
        reel_cond(reel_greater(reel_sum(in[0]), reel_num(-9)), REEL_FN(pair, s, 1, 1), REEL_FN(pair, s, 1, 1),
                  (reel_list){1, in}, y);
    out[0] = reel_sum(y[0]);
    return reel_status();
}

/* Gradients of the variable: to a tape its reading is the variable, what was assigned is three times what it was. */
static void test_pairs(void)
{
    for (int kind = 0; kind < 32; kind++) {
        REEL_SCOPED;
        struct self s;
        reel_tensor *e[3], *r[3];
        int different = 0;
        self_init(&s);
        s.kind = kind;
        const reel_fn fn = {triples, &s, 1, 1, "triples"};
        taped(fn, NULL, &s, 1, false, false, e);
        for (int first = 0; first < 2; first++) { /* captured under the tape; or replayed */
            reel_function *f = reel_function_new(fn, NULL);
            for (int i = 0; i < 2; i++) {
                if (first || i)
                    taped(fn, f, &s, 1, false, false, r);
                else
                    reel_function_call(f, REEL_LIST(vec3(1, 2, 3)), r);
                for (int j = 0; j < 3 && (first || i); j++) different += !same_bits(e[j], r[j]);
            }
            reel_function_free(f);
        }
        expect_none("pairs");
        TAP_OK(different == 0, "kind %d: %d results or gradients differ from eager", kind, different);
        reel_vars_free(s.vars);
    }
}

static int takes_over(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct self *s = self;
    reel_assign(s->w, s->kept); /* another variable */
    if (s->kind & 1) reel_assign(s->kept, reel_mul(s->kept, reel_num(2)));
    out[0] = reel_sum(reel_mul(reel_mul(in[0], reel_value(s->w)), s->kind & 2 ? s->kept : in[0]));
    return reel_status();
}

/* What was assigned is another variable's value: no gradient goes to that one. */
static void test_variable_to_variable(void)
{
    for (int kind = 0; kind < 4; kind++) {
        REEL_SCOPED;
        struct self s;
        reel_tensor *e[2], *r[2];
        int different = 0;
        self_init(&s);
        s.kind = kind;
        s.kept = reel_var(s.vars, "other", vec3(1, 1, 1));
        reel_function *f = reel_function_new(REEL_FN(takes_over, &s, 1, 1), NULL);
        for (int i = 0; i < 4; i++) {
            reel_tensor **y = i ? r : e;
            reel_tensor *x = vec3(0.5, 0.25, -0.5);
            reel_assign(s.w, x);
            reel_assign(s.kept, vec3(2, 3, 5));
            reel_tape *t = i == 1 ? NULL : reel_tape_begin(NULL);
            if (i)
                reel_function_call(f, REEL_LIST(x), y);
            else
                reel_invoke(REEL_FN(takes_over, &s, 1, 1), REEL_LIST(x), y);
            if (t) reel_grad(t, y[0], REEL_LIST(s.kept), y + 1);
            for (int j = 0; i && j < (t ? 2 : 1); j++) different += !same_bits(e[j], r[j]);
        }
        expect_none("from a variable");
        TAP_OK(different == 0, "kind %d: %d differ from eager", kind, different);
        TAP_EQ_INT(reel_function_traces(f), 1);
        reel_function_free(f);
        reel_vars_free(s.vars);
    }
}

static int from_where_it_began(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct self *s = self;
    s->calls++;
    if (s->kind & 2)
        return reel_cond(reel_greater(reel_sum(in[0]), reel_num(-9)), REEL_FN(pair, s, 1, 1), REEL_FN(pair, s, 1, 1),
                         (reel_list){1, in}, out);
    reel_tensor *d = s->kind & 1 ? reel_neg(reel_sub(s->kept, s->w)) : reel_sub(s->w, s->kept);
    out[0] = reel_mul(in[0], d);
    return reel_status();
}

/* A tensor that is the variable's value in the first call and stands for itself: declared, it is a constant; else it is an outside tensor. */
static void test_began_as(void)
{
    for (int kind = 0; kind < 8; kind++) {
        REEL_SCOPED;
        struct self s;
        reel_error e = {0};
        reel_tensor *want[1], *got[1];
        self_init(&s);
        s.kind = kind & 3;
        s.kept = vec3(2, 3, 5);
        const reel_fn fn = {from_where_it_began, &s, 1, 1, "f"};
        reel_function *f =
            reel_function_new(fn, REEL_OPTS(function, .constants = kind & 4 ? (reel_list){0} : REEL_LIST(s.kept)));
        int different = 0;
        reel_assign(s.w, s.kept);
        for (int i = 0; i < 4 && !reel_status(); i++) {
            reel_invoke(fn, REEL_LIST(vec3(1, 2, 3)), want);
            reel_function_call(f, REEL_LIST(vec3(1, 2, 3)), got);
            if (!reel_status()) different += !same_bits(want[0], got[0]);
            if (!reel_status()) reel_assign(s.w, reel_mul(s.w, reel_num(3)));
        }
        const int code = reel_take_error(&e);
        if (kind & 4)
            TAP_OK(different == 0 && code == REEL_ETRACE && strstr(e.text, "outside tensor"), "kind %d: %s", kind,
                   e.text);
        else
            TAP_OK(different == 0 && code == 0 && reel_function_traces(f) <= 2, "kind %d: %d differ, %d traces %s",
                   kind, different, reel_function_traces(f), e.text);
        reel_function_free(f);
        reel_vars_free(s.vars);
    }
}

TAP_MAIN(test_inside, test_watched, test_replays, test_assigned, test_pairs, test_variable_to_variable, test_began_as)
