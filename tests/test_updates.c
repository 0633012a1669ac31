/* test_updates.c: optimizer updates of many variables as one step: the same bits as one by one, in any dtype and layout, however
   they read each other; all variables change or none. */
#include <stdlib.h>
#include "reel/reel.h"
#include "trace/function.h"
#include "trace/trace.h"
#include "trace_help.h"

enum { MOST = 80, N = 20 };

typedef struct model {
    reel_vars *vars;
    reel_tensor *w[MOST];
    reel_optimizer *opt;
    int n, twice;
    bool mixed; /* dtypes, sizes, gradients that are no dense memory */
} model;

static const reel_plan *plan_of(const reel_function *f)
{
    return f->traces ? f->traces->player.plans : NULL;
}

static reel_dtype dtype_of(const model *m, int i)
{
    static const reel_dtype dtypes[] = {REEL_F32, REEL_F64, REEL_F16, REEL_BF16};
    return m->mixed ? dtypes[i % 4] : REEL_F32;
}

static void model_new(model *m, int n, bool adam, bool mixed, int twice)
{
    *m = (model){.vars = reel_vars_new("m"), .n = n, .mixed = mixed, .twice = twice};
    (void)reel_seed(7);
    for (int i = 0; i < n; i++) {
        char name[8];
        const int64_t size = mixed && i == 3 ? 70000 : i % 7 + 1;
        snprintf(name, sizeof name, "w%d", i);
        m->w[i] = reel_var(m->vars, name, reel_randn(dtype_of(m, i), REEL_SHAPE(size, mixed && i == 5 ? 1 : 3)));
    }
    m->opt = adam ? reel_adam(m->vars, REEL_OPTS(adam, .lr = 0.01, .weight_decay = 0.1))
                  : reel_sgd(m->vars, REEL_OPTS(sgd, .lr = 0.01, .momentum = 0.9));
}

static void model_free(model *m)
{
    reel_optimizer_free(m->opt);
    reel_vars_free(m->vars);
}

/* The loss of all variables; the gradient of some comes as a broadcast or a transposed view. */
static int train(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    model *m = self;
    for (int k = 0; k <= m->twice; k++) {
        reel_tape *t = reel_tape_begin(NULL);
        reel_tensor *loss = reel_zeros(REEL_F64, REEL_SCALAR);
        for (int i = 0; i < m->n; i++) {
            reel_tensor *w = m->w[i], *x = reel_cast(in[0], dtype_of(m, i));
            reel_tensor *y = m->mixed && i % 5 == 0   ? reel_mul(w, reel_num(2))
                             : m->mixed && i % 5 == 1 ? reel_square(reel_transpose(w, REEL_ALL_AXES))
                                                      : reel_tanh(reel_mul(w, x));
            loss = reel_add(loss, reel_cast(reel_sum(y), REEL_F64));
        }
        (void)reel_minimize(m->opt, t, loss);
        reel_tape_end(t);
        out[0] = loss;
    }
    return reel_status();
}

static bool same_values(const model *a, const model *b)
{
    bool same = true;
    for (int i = 0; i < a->n; i++) same = same && same_bits(a->w[i], b->w[i]);
    return same;
}

/* Four steps eagerly and as a function; *many: how many updates stand in sweeps. */
static bool trains(int n, bool adam, bool mixed, int twice, const char *passes, size_t *many, int *steps)
{
    REEL_SCOPED;
    model a, b;
    model_new(&a, n, adam, mixed, twice);
    model_new(&b, n, adam, mixed, twice);
    reel_function *f =
        reel_function_new(REEL_FN(train, &b, 1, 1), REEL_OPTS(function, .passes = passes, .check_plans = true));
    bool same = true;
    for (int i = 0; i < 4 && same; i++) {
        REEL_SCOPED;
        reel_tensor *x = reel_full(REEL_F32, REEL_SCALAR, 0.5 + i), *want, *got;
        reel_set_threads(1 + i % 2);
        (void)train(&a, &x, &want);
        (void)reel_function_call(f, REEL_LIST(x), &got);
        same = same_bits(got, want) && same_values(&a, &b);
    }
    const reel_plan *plan = plan_of(f);
    *many = plan ? plan->found[REEL_STEPS_SWEEP] : 0;
    *steps = plan ? plan->n_steps + plan->n_late : 0;
    if (plan && n == N && !mixed && !twice) (void)reel_function_explain_plan(stdout, f);
    reel_function_free(f);
    model_free(&a);
    model_free(&b);
    return same && !reel_status();
}

static void test_sweeps(void)
{
    size_t many, none;
    int steps, more;
    for (int adam = 0; adam < 2; adam++) {
        const char *name = adam ? "Adam" : "SGD";
        bool ok = trains(N, adam, false, 0, "default,-sweep", &none, &more);
        TAP_OK(ok && none == 0, "%s, one by one: %d steps", name, more);
        ok = trains(N, adam, false, 0, NULL, &many, &steps);
        TAP_OK(ok && many == N && steps == more - N + 1, "%s of %d variables: %d steps", name, N, steps);
        ok = trains(N, adam, false, 0, "sweep", &many, &steps);
        TAP_OK(ok && many == N, "%s, nothing but the sweep", name);
        ok = trains(N, adam, true, 0, NULL, &many, &steps);
        TAP_OK(ok && many == N, "%s of all dtypes and layouts", name);
        ok = trains(N, adam, false, 1, NULL, &many, &steps);
        TAP_OK(ok && many == 2 * N, "%s, two steps in one: two sweeps", name);
        ok = trains(MOST, adam, false, 0, NULL, &many, &steps);
        TAP_OK(ok && many == MOST, "%s of more than a sweep takes", name);
        ok = trains(1, adam, false, 0, NULL, &many, &steps);
        TAP_OK(ok && many == 0, "%s of one is no sweep", name);
    }
}

/* An update that reads the variable another one changes, and one that reads its result. */
static int crossed(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    model *m = self;
    reel_tensor *lr = reel_full(REEL_F32, REEL_SCALAR, 0.1), *a[2], *b[2], *c[2];
    (void)reel_sgd_update(m->w[0], m->w[1], in[0], lr, 0.9, 0, a);
    (void)reel_sgd_update(m->w[2], m->w[3], m->w[0], lr, 0.9, 0, b);            /* w0 of before */
    if (m->twice) (void)reel_sgd_update(m->w[4], m->w[5], a[0], lr, 0.9, 0, c); /* w0 of after */
    for (int k = 0; k < 2; k++) {
        (void)reel_assign(m->w[k], a[k]);
        (void)reel_assign(m->w[2 + k], b[k]);
        if (m->twice) (void)reel_assign(m->w[4 + k], c[k]);
    }
    out[0] = m->twice ? reel_add(c[0], b[0]) : reel_sum(in[0]);
    return reel_status();
}

static void crossed_new(model *m, int twice)
{
    *m = (model){.vars = reel_vars_new("c"), .n = 6, .twice = twice};
    (void)reel_seed(3);
    for (int i = 0; i < 6; i++) {
        const char name[] = {(char)('a' + i), 0};
        m->w[i] = reel_var(m->vars, name, reel_randn(REEL_F32, REEL_SHAPE(5)));
    }
}

static void cross(int twice)
{
    REEL_SCOPED;
    model a, b;
    crossed_new(&a, twice);
    crossed_new(&b, twice);
    reel_function *f = reel_function_new(REEL_FN(crossed, &b, 1, 1), REEL_OPTS(function, .check_plans = true));
    bool same = true;
    for (int i = 0; i < 3; i++) {
        reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(5)), *want, *got;
        (void)crossed(&a, &x, &want);
        (void)reel_function_call(f, REEL_LIST(x), &got);
        same = same && same_bits(got, want) && same_values(&a, &b);
    }
    const reel_plan *plan = plan_of(f);
    TAP_OK(same, "updates that read each other's variables");
    TAP_EQ_INT((int)plan->found[REEL_STEPS_SWEEP], 2);
    reel_function_free(f);
    reel_vars_free(a.vars);
    reel_vars_free(b.vars);
}
static void test_crossed(void)
{
    cross(0); /* both may go over the old values, but not over one that the other still reads */
    cross(1);
}

/* A step behind the updates fails: no variable changes. */
static int fails_late(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    if (train(self, in, out)) return reel_status();
    out[0] = reel_gather(reel_arange(REEL_F32, 0, 4, 1), reel_cast(in[0], REEL_I64), 0);
    return reel_status();
}

static void test_all_or_none(void)
{
    REEL_SCOPED;
    model m, before;
    model_new(&m, N, true, false, 0);
    reel_function *f = reel_function_new(REEL_FN(fails_late, &m, 1, 1), NULL);
    reel_tensor *good = reel_full(REEL_F32, REEL_SCALAR, 1), *bad = reel_full(REEL_F32, REEL_SCALAR, 9), *out;
    for (int i = 0; i < 2; i++) (void)reel_function_call(f, REEL_LIST(good), &out);
    before = m;
    for (int i = 0; i < N; i++) before.w[i] = reel_mul(m.w[i], reel_num(1));
    (void)reel_function_call(f, REEL_LIST(bad), &out);
    TAP_OK(reel_take_error(NULL) == REEL_EARG && same_values(&m, &before), "a run that fails changes no variable");
    (void)reel_function_call(f, REEL_LIST(good), &out);
    TAP_OK(!same_values(&m, &before), "one that does not changes them");
    reel_function_free(f);
    model_free(&m);
}

TAP_MAIN(test_sweeps, test_crossed, test_all_or_none)
