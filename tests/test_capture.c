/* What traces keep of control flow: assignments inside bodies, gradients of bodies that draw, stored states of loops, loops of no steps,
   custom gradients inside. */
#include "trace/trace.h"
#include "trace_help.h"

enum { N = 3 };
static reel_tensor *vec3(double a, double b, double c)
{
    const double x[N] = {a, b, c};
    return reel_from_f64(REEL_SHAPE(N), x, N);
}

struct model {
    reel_vars *vars;
    reel_tensor *w, *count;
    reel_generator *gen;
    int kind;
};
static void model_init(struct model *m)
{
    memset(m, 0, sizeof *m);
    m->vars = reel_vars_new("m");
    m->w = reel_var(m->vars, "w", vec3(0.9, -0.8, 0.7));
    m->count = reel_var(m->vars, "count", reel_zeros(REEL_F64, REEL_SCALAR));
    m->gen = reel_generator_new(7);
}
static void model_free(struct model *m)
{
    reel_vars_free(m->vars);
    reel_generator_free(m->gen);
}
static void reset(struct model *m)
{
    reel_assign(m->w, vec3(0.9, -0.8, 0.7));
    reel_assign(m->count, reel_zeros(REEL_F64, REEL_SCALAR));
    reel_seed(5);
    reel_generator_seed(m->gen, 11);
}

/* Runs f eagerly and as a function, thrice each, from the same state on: outputs, variables and generators have the same bits. */
static void same_as_eager(struct model *m, reel_fn f, const char *name)
{
    REEL_SCOPED;
    enum { CALLS = 4 };
    reel_tensor *e[CALLS][8], *r[8], *vars[CALLS][3];
    reset(m);
    for (int i = 0; i < CALLS; i++) {
        reel_tensor *x = vec3(1 + i, i % 2 ? -3 : 0.5, 0.25);
        reel_invoke(f, REEL_LIST(x), e[i]);
        vars[i][0] = reel_value(m->w);
        vars[i][1] = reel_value(m->count);
        vars[i][2] = reel_add(reel_randn(REEL_F32, REEL_SHAPE(3)), reel_uniform(REEL_F32, REEL_SHAPE(3), 0, 1, NULL));
    }
    expect_none(name);
    reset(m);
    reel_function *fast = reel_function_new(f, NULL);
    int different = 0, state = 0;
    for (int i = 0; i < CALLS; i++) {
        reel_tensor *x = vec3(1 + i, i % 2 ? -3 : 0.5, 0.25);
        if (reel_function_call(fast, REEL_LIST(x), r)) break;
        for (int j = 0; j < f.n_out; j++) different += !same_bits(e[i][j], r[j]);
        state += !same_bits(vars[i][0], reel_value(m->w)) || !same_bits(vars[i][1], reel_value(m->count));
        state += !same_bits(vars[i][2], reel_add(reel_randn(REEL_F32, REEL_SHAPE(3)),
                                                 reel_uniform(REEL_F32, REEL_SHAPE(3), 0, 1, NULL)));
    }
    expect_none(name);
    TAP_OK(different == 0, "%s: %d outputs differ from eager", name, different);
    TAP_OK(state == 0, "%s: variables and generators are left as eagerly", name);
    TAP_EQ_INT(reel_function_traces(fast), 1);
    reel_function_free(fast);
}

/* ---- assignments ------------------------------------------------------------------------------------------- */

static int counts(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct model *m = self;
    reel_assign(m->count, reel_add(m->count, reel_num(1)));
    out[0] = reel_add(reel_mul(in[0], m->w), m->count);
    return reel_status();
}
static int shrinks(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct model *m = self;
    reel_assign(m->w, reel_mul(m->w, reel_num(0.5)));
    out[0] = reel_sub(in[0], m->w);
    return reel_status();
}
static int cond_assigns(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct model *m = self;
    reel_cond(reel_greater(reel_sum(in[0]), reel_num(2)), REEL_FN(counts, m, 1, 1), REEL_FN(shrinks, m, 1, 1),
              REEL_LIST(in[0]), out);
    out[1] = reel_mul(m->count, reel_sum(m->w)); /* reads behind see what was assigned */
    return reel_status();
}
static int few(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct model *m = self;
    (void)in;
    out[0] = reel_less(m->count, reel_num(10)); /* a condition that reads what the body assigns */
    return reel_status();
}
static int while_assigns(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct model *m = self;
    reel_assign(m->count, reel_mul(m->count, reel_num(0.5)));
    reel_while(REEL_FN(few, m, 1, 1), REEL_FN(counts, m, 1, 1), REEL_LIST(in[0]), NULL, out);
    out[1] = reel_add(m->count, reel_num(1));
    return reel_status();
}
static int running(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct model *m = self;
    reel_assign(m->count, reel_add(reel_mul(m->count, reel_num(0.9)), reel_mul(in[1], reel_num(0.1))));
    out[0] = reel_add(in[0], in[1]);
    out[1] = reel_mul(in[1], m->w);
    return reel_status();
}
static int scan_assigns(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    return reel_scan(REEL_FN(running, self, 2, 2), REEL_LIST(reel_zeros(REEL_F64, REEL_SCALAR)), REEL_LIST(in[0]), out);
}
static int nested(void *self, reel_tensor *const in[], reel_tensor *out[]) /* a cond that assigns, inside a scan */
{
    struct model *m = self;
    out[0] = in[0];
    return reel_cond(reel_greater(in[1], reel_num(0)), REEL_FN(counts, m, 1, 1), REEL_FN(shrinks, m, 1, 1),
                     REEL_LIST(reel_mul(m->w, in[1])), out + 1);
}
static int nested_assigns(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    return reel_scan(REEL_FN(nested, self, 2, 2), REEL_LIST(reel_zeros(REEL_F64, REEL_SCALAR)), REEL_LIST(in[0]), out);
}
/* A training step in each turn of a loop. */
static int train(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct model *m = self;
    reel_tape *t = reel_tape_begin(NULL);
    reel_tensor *loss = reel_sum(reel_square(reel_sub(reel_mul(in[1], m->w), in[1]))), *g;
    if (reel_grad(t, loss, REEL_LIST(m->w), &g)) return reel_status();
    reel_assign(m->w, reel_sub(m->w, reel_mul(g, reel_num(0.1))));
    out[0] = in[0];
    out[1] = loss;
    return reel_status();
}
static int trains(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    return reel_scan(REEL_FN(train, self, 2, 2), REEL_LIST(reel_zeros(REEL_F64, REEL_SCALAR)), REEL_LIST(in[0]), out);
}

static void test_assigns(void)
{
    struct model m;
    model_init(&m);
    same_as_eager(&m, REEL_FN(cond_assigns, &m, 1, 2), "cond");
    same_as_eager(&m, REEL_FN(while_assigns, &m, 1, 2), "while");
    same_as_eager(&m, REEL_FN(scan_assigns, &m, 1, 2), "scan");
    same_as_eager(&m, REEL_FN(nested_assigns, &m, 1, 2), "a cond in a scan");
    same_as_eager(&m, REEL_FN(trains, &m, 1, 2), "training in a scan");
    model_free(&m);
}

static int assigning_condition(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct model *m = self;
    reel_assign(m->count, reel_add(m->count, reel_num(1)));
    out[0] = reel_less(reel_sum(in[0]), reel_num(0));
    return reel_status();
}
static int bad_condition(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    return reel_while(REEL_FN(assigning_condition, self, 1, 1), REEL_FN(counts, self, 1, 1), REEL_LIST(in[0]), NULL,
                      out);
}
static int reads_behind(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tape *t = reel_tape_begin(NULL);
    reel_tensor *r[2];
    if (cond_assigns(self, in, r)) return reel_status();
    out[0] = reel_grad1(t, reel_sum(r[0]), ((struct model *)self)->w);
    return reel_status();
}
static void test_assigns_refused(void)
{
    REEL_SCOPED;
    struct model m;
    reel_tensor *out[2];
    model_init(&m);
    reel_function *f = reel_function_new(REEL_FN(bad_condition, &m, 1, 1), NULL);
    reel_function_call(f, REEL_LIST(vec3(1, 2, 3)), out);
    expect_error(REEL_ETRACE, "the condition assigns variable \"m/count\"", "test_capture.c",
                 "a condition that assigns");
    reel_function_free(f);
    f = reel_function_new(REEL_FN(reads_behind, &m, 1, 1), NULL);
    reel_function_call(f, REEL_LIST(vec3(1, 2, 3)), out);
    expect_error(REEL_ETRACE, "is read behind its assignment inside control flow", "tape",
                 "a read behind, under a tape");
    reel_function_free(f);
    model_free(&m);
}

/* To a tape each reading of a variable is the variable: in every mode. */
static int decays(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct model *m = self;
    out[0] = reel_add(in[0], reel_mul(reel_tanh(in[0]), m->w));
    reel_assign(m->w, reel_mul(m->w, reel_num(0.5)));
    return reel_status();
}
static int near(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_less(reel_max(reel_abs(in[0]), 0), reel_num(20));
    return reel_status();
}
static int steps_decay(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct model *m = self;
    reel_tensor *r[1], *g[2];
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(in[0]));
    reel_while(REEL_FN(near, m, 1, 1), REEL_FN(decays, m, 1, 1), REEL_LIST(in[0]),
               REEL_OPTS(while, .max_steps = m->kind ? 6 : 5), r);
    if (reel_grad(t, reel_sum(r[0]), REEL_LIST(in[0], m->w), g)) return reel_status();
    out[0] = r[0];
    out[1] = g[0];
    out[2] = g[1];
    return reel_status();
}
static int element_decays(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    if (decays(self, in, out)) return reel_status();
    out[1] = reel_mul(out[0], in[1]);
    return reel_status();
}
static int scan_decays(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct model *m = self;
    reel_tensor *r[2], *g[2];
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(in[0]));
    reel_scan(REEL_FN(element_decays, m, 2, 2), REEL_LIST(reel_ones_like(in[0])), REEL_LIST(in[0]), r);
    if (reel_grad(t, reel_add(reel_sum(r[0]), reel_sum(r[1])), REEL_LIST(in[0], m->w), g)) return reel_status();
    out[0] = r[0];
    out[1] = g[0];
    out[2] = g[1];
    return reel_status();
}
static void test_assigned_gradients(void)
{
    struct model m;
    model_init(&m);
    same_as_eager(&m, REEL_FN(steps_decay, &m, 1, 3), "gradients of a loop that assigns");
    m.kind = 1;
    same_as_eager(&m, REEL_FN(scan_decays, &m, 1, 3), "gradients of a scan that assigns");
    model_free(&m);
}

/* ---- draws ----------------------------------------------------------------------------------------------------- */

static int noisy(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct model *m = self;
    reel_tensor *noise = reel_normal(REEL_F64, REEL_SHAPE(N), 0, 1, m->gen);
    out[0] = reel_mul(reel_tanh(reel_mul(reel_dropout(in[0], 0.3, NULL), m->w)), reel_add(noise, reel_num(2)));
    return reel_status();
}
static int quiet(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct model *m = self;
    out[0] = reel_mul(in[0], m->w);
    return reel_status();
}
static int noisy_cond(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    return reel_cond(reel_greater(reel_sum(in[0]), reel_num(1.5)), REEL_FN(noisy, self, 1, 1),
                     REEL_FN(quiet, self, 1, 1), REEL_LIST(in[0]), out);
}
static int noisy_more(void *self, reel_tensor *const in[], reel_tensor *out[]) /* the condition draws too */
{
    (void)self;
    out[0] = reel_less(in[1], reel_add(reel_uniform(REEL_F64, REEL_SCALAR, 0, 1, NULL), reel_num(3)));
    return reel_status();
}
static int noisy_step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    out[1] = reel_add(in[1], reel_num(1));
    return noisy_cond(self, in, out); /* draws within a cond within the loop */
}
static int noisy_while(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct model *m = self;
    reel_tensor *r[2];
    const reel_while_opts o = {
        .size = sizeof o, .max_steps = m->kind == 1 || m->kind == 2 ? 6 : 0, .recompute = m->kind == 2};
    reel_while(REEL_FN(noisy_more, m, 2, 1), REEL_FN(noisy_step, m, 2, 2),
               REEL_LIST(in[0], reel_zeros(REEL_F64, REEL_SCALAR)), &o, r);
    out[0] = r[0];
    return reel_status();
}
static int noisy_cell(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *x = reel_mul(in[0], in[1]), *r[1];
    if (noisy(self, &x, r)) return reel_status();
    out[0] = r[0];
    out[1] = reel_square(r[0]);
    return reel_status();
}
static int noisy_scan(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *r[2];
    reel_scan(REEL_FN(noisy_cell, self, 2, 2), REEL_LIST(in[0]),
              REEL_LIST(reel_stack(REEL_LIST(in[0], in[0], in[0]), 0)), r);
    out[0] = reel_add(r[0], reel_mean_axes(r[1], REEL_AXES(0), false));
    return reel_status();
}
static int noisy_map(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *r[1];
    reel_map(REEL_FN(noisy, self, 1, 1), REEL_LIST(reel_stack(REEL_LIST(in[0], in[0]), 0)), r);
    out[0] = reel_sum_axes(r[0], REEL_AXES(0), false);
    return reel_status();
}
static int twice_noisy(void *self, reel_tensor *const in[], reel_tensor *out[]) /* and draws around it */
{
    struct model *m = self;
    static int (*const bodies[])(void *, reel_tensor *const *, reel_tensor **) = {noisy_while, noisy_while, noisy_while,
                                                                                  noisy_cond,  noisy_scan,  noisy_map};
    reel_tensor *a[1], *b[1], *x = reel_add(in[0], reel_uniform(REEL_F64, REEL_SHAPE(N), 0, 0.1, NULL));
    if (bodies[m->kind](m, &x, a) || bodies[m->kind](m, a, b)) return reel_status();
    out[0] = reel_add(b[0], reel_mul(a[0], reel_uniform(REEL_F64, REEL_SHAPE(N), 0, 1, NULL)));
    return reel_status();
}
static int grad_of_noise(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct model *m = self;
    reel_tensor *y[1], *g[2];
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(in[0]));
    if (twice_noisy(m, in, y)) return reel_status();
    if (reel_grad(t, reel_sum(reel_square(y[0])), REEL_LIST(in[0], m->w), g)) return reel_status();
    out[0] = y[0];
    out[1] = g[0];
    out[2] = g[1];
    return reel_status();
}
static int second_of_noise(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct model *m = self;
    reel_tensor *y[1], *g[2];
    reel_tape *outer = reel_tape_begin(NULL);
    reel_watch(outer, REEL_LIST(in[0]));
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(in[0]));
    if (twice_noisy(m, in, y)) return reel_status();
    if (reel_grad(t, reel_sum(y[0]), REEL_LIST(in[0], m->w), g)) return reel_status();
    return reel_grad(outer, reel_add(reel_sum(reel_square(g[0])), reel_sum(g[1])), REEL_LIST(in[0], m->w), out);
}
static double apart(reel_tensor *a, reel_tensor *b)
{
    const reel_shape flat = REEL_SHAPE(-1);
    return reel_item(reel_max(reel_reshape(reel_abs(reel_sub(a, b)), flat), 0)) /
           (1e-300 + reel_item(reel_max(reel_reshape(reel_abs(b), flat), 0)));
}
static void second_order(struct model *m, const char *name)
{
    REEL_SCOPED;
    const reel_fn f = REEL_FN(second_of_noise, m, 1, 2);
    reel_function *fast = reel_function_new(f, NULL);
    reel_tensor *x = vec3(1, 0.5, 0.25), *e[2], *r[2];
    for (int i = 0; i < 3; i++) {
        reset(m);
        reel_invoke(f, REEL_LIST(x), e);
        reset(m);
        reel_function_call(fast, REEL_LIST(x), r);
        expect_none(name);
        TAP_OK(apart(r[0], e[0]) < 1e-12 && apart(r[1], e[1]) < 1e-12, "%s: second order, off by %g and %g", name,
               apart(r[0], e[0]), apart(r[1], e[1]));
    }
    reel_function_free(fast);
}
static void test_draws(void)
{
    static const char *const names[] = {"an unbounded loop that draws",
                                        "a bounded loop that draws",
                                        "a loop that draws, recomputed",
                                        "a cond that draws",
                                        "a scan that draws",
                                        "a map that draws"};
    struct model m;
    model_init(&m);
    for (m.kind = 0; m.kind < 6; m.kind++) {
        same_as_eager(&m, REEL_FN(grad_of_noise, &m, 1, 3), names[m.kind]);
        second_order(&m, names[m.kind]);
    }
    model_free(&m);
}

/* ---- stored states ------------------------------------------------------------------------------------------------ */

static int long_more(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    out[0] = reel_less(in[1], self);
    return reel_status();
}
static int long_step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_add(reel_mul(in[0], reel_num(0.999)), reel_mul(reel_sin(in[0]), reel_num(0.01)));
    out[1] = reel_add(in[1], reel_num(1));
    return reel_status();
}
/* in: x of any size, how many steps */
static int long_loop(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *r[2];
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(in[0]));
    reel_while(REEL_FN(long_more, in[1], 2, 1), REEL_FN(long_step, NULL, 2, 2),
               REEL_LIST(in[0], reel_zeros_like(in[1])), self, r);
    out[0] = r[0];
    out[1] = reel_grad1(t, reel_sum(reel_square(r[0])), in[0]);
    return reel_status();
}
/* More steps than slots: their stride doubles, again and again. */
static void test_slots(void)
{
    REEL_SCOPED;
    static const double steps[] = {0, 1, 2, 15, 16, 17, 31, 33, 64, 100, 257};
    for (int recompute = 0; recompute < 2; recompute++) {
        const reel_while_opts o = {.size = sizeof o, .recompute = recompute};
        const reel_fn f = REEL_FN(long_loop, (void *)(uintptr_t)&o, 2, 2);
        reel_function *fast = reel_function_new(f, NULL);
        int different = 0;
        for (int i = 0; i < 11; i++) {
            REEL_SCOPED;
            reel_tensor *x = reel_randn(REEL_F64, REEL_SHAPE(8192)), *n = reel_full(REEL_F64, REEL_SCALAR, steps[i]),
                        *e[2], *r[2];
            reel_invoke(f, REEL_LIST(x, n), e); /* 64 KiB a state: 16 slots */
            reel_function_call(fast, REEL_LIST(x, n), r);
            if (reel_status()) break;
            different += reel_item(reel_sum(reel_cast(reel_not_equal(e[1], r[1]), REEL_F64))) != 0;
            different += reel_item(reel_sum(reel_cast(reel_not_equal(e[0], r[0]), REEL_F64))) != 0;
        }
        TAP_OK(different == 0, "%d of 11 long loops differ%s", different, recompute ? " (recomputed)" : "");
        reel_function_free(fast);
        expect_none("long loops");
    }
}

/* States that a body hands on as they are: the record of an element moves, what is passed may not. */
static int delays(void *self, reel_tensor *const in[], reel_tensor *out[]) /* the last three elements */
{
    (void)self;
    out[0] = in[1];
    out[1] = in[2];
    out[2] = in[3];
    out[3] = reel_sub(in[3], in[0]);
    return reel_status();
}
static int delayed(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *zero = reel_zeros(REEL_F64, REEL_SCALAR);
    return reel_scan(REEL_FN(delays, self, 4, 4), REEL_LIST(zero, zero, zero),
                     REEL_LIST(reel_concat(REEL_LIST(in[0], reel_square(in[0]), in[0]), 0)), out);
}
static int not_yet(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_less(in[3], reel_num(9));
    return reel_status();
}
static int rotates(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = in[1];
    out[1] = in[2];
    out[2] = reel_add(in[0], reel_mul(in[2], reel_num(0.5)));
    out[3] = reel_add(in[3], reel_num(1));
    return reel_status();
}
static int rotated(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *r[4];
    reel_while(REEL_FN(not_yet, self, 4, 1), REEL_FN(rotates, self, 4, 4),
               REEL_LIST(in[0], reel_sin(in[0]), reel_cos(in[0]), reel_zeros(REEL_F64, REEL_SCALAR)), NULL, r);
    memcpy(out, r, 3 * sizeof *r);
    return reel_status();
}
/* A layout that changes with each step. */
static int turns(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_transpose(in[0], REEL_ALL_AXES);
    out[1] = reel_add(in[1], reel_num(1));
    out[2] = in[2];
    out[3] = in[3];
    return reel_status();
}
static int few_turns(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_less(in[1], reel_num(5));
    return reel_status();
}
static int turned(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *r[4], *m = reel_mul(reel_reshape(in[0], REEL_SHAPE(N, 1)), in[0]);
    m = reel_add(m, reel_reshape(in[0], REEL_SHAPE(N, 1)));
    reel_while(REEL_FN(few_turns, self, 4, 1), REEL_FN(turns, self, 4, 4),
               REEL_LIST(m, reel_zeros(REEL_F64, REEL_SCALAR), in[0], in[0]), NULL, r);
    out[0] = reel_matmul(r[0], r[2]);
    return reel_status();
}
static void test_passed_states(void)
{
    struct model m;
    model_init(&m);
    same_as_eager(&m, REEL_FN(delayed, &m, 1, 4), "elements that a scan carries");
    same_as_eager(&m, REEL_FN(rotated, &m, 1, 3), "states that take turns");
    same_as_eager(&m, REEL_FN(turned, &m, 1, 1), "a state that is transposed");
    model_free(&m);
}

/* ---- nothing to do --------------------------------------------------------------------------------------------------- */

static int empty_scan(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct model *m = self;
    reel_tensor *r[2], *g[2];
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(in[0]));
    reel_scan(REEL_FN(noisy_cell, m, 2, 2), REEL_LIST(reel_mul(m->w, reel_num(3))), REEL_LIST(in[0]), r);
    if (reel_grad(t, reel_add(reel_sum(r[0]), reel_sum(r[1])), REEL_LIST(in[0], m->w), g)) return reel_status();
    memcpy(out, r, sizeof r);
    memcpy(out + 2, g, sizeof g);
    return reel_map(REEL_FN(quiet, m, 1, 1), REEL_LIST(in[0]), out + 4);
}
static void test_no_steps(void)
{
    REEL_SCOPED;
    struct model m;
    model_init(&m);
    const reel_fn f = REEL_FN(empty_scan, &m, 1, 5);
    reel_function *fast = reel_function_new(f, NULL);
    for (int i = 0; i < 3; i++) {
        reel_tensor *x = reel_zeros(REEL_F64, REEL_SHAPE(0, N)), *e[5], *r[5];
        reset(&m);
        TAP_EQ_INT(reel_invoke(f, REEL_LIST(x), e), 0);
        TAP_EQ_INT(reel_function_call(fast, REEL_LIST(x), r), 0);
        expect_none("no steps");
        int different = 0;
        for (int j = 0; j < 5; j++) different += !same_bits(e[j], r[j]);
        TAP_OK(different == 0 && reel_dim(e[1], 0) == 0 && reel_dim(e[1], 1) == N, "no steps: %d outputs differ",
               different);
    }
    reel_function_free(fast);
    model_free(&m);
}

/* ---- custom gradients in bodies ------------------------------------------------------------------------------------------ */

static int plain_forward(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_mul(in[0], reel_num(0.5));
    return reel_status();
}
static int odd_vjp(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_mul(in[2], reel_num(7));
    return reel_status();
}
static int custom_body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *r[1];
    reel_custom_grad(REEL_FN(plain_forward, NULL, 1, 1), REEL_FN(odd_vjp, NULL, 3, 1), REEL_LIST(in[0]), r);
    out[0] = reel_sin(r[0]);
    out[1] = r[0];
    return reel_status();
}
static int custom_scan(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *r[2];
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(in[0]));
    reel_scan(REEL_FN(custom_body, self, 2, 2), REEL_LIST(reel_mul(in[0], reel_num(2))), REEL_LIST(in[0]), r);
    out[0] = reel_grad1(t, reel_add(reel_sum(r[0]), reel_sum(r[1])), in[0]);
    return reel_status();
}
static void test_custom_in_bodies(void)
{
    struct model m;
    model_init(&m);
    same_as_eager(&m, REEL_FN(custom_scan, &m, 1, 1), "a custom gradient in a scan");
    model_free(&m);
}

TAP_MAIN(test_assigns, test_assigns_refused, test_assigned_gradients, test_draws, test_slots, test_passed_states,
         test_no_steps, test_custom_in_bodies)
