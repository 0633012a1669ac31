/* test_nn.c: the dense layer and the optimizers, against the formulas in double, eagerly and replayed. */
#include <math.h>
#include <string.h>
#include "reel/reel.h"
#include "tap.h"

static bool failed(int code, const char *a, const char *b)
{
    reel_error e;
    const int got = reel_take_error(&e);
    const bool ok = got == code && strstr(e.text, a) && strstr(e.text, b);
    if (!ok) TAP_NOTE("got %s: %s", reel_code_name(got), e.text);
    return ok;
}

static void test_dense(void)
{
    REEL_SCOPED;
    reel_dense d;
    reel_vars *vars = reel_vars_new("net");
    TAP_OK(reel_dense_init(&d, vars, "hidden", REEL_F32, 3, 200) == 0, "init");
    TAP_EQ_STR(reel_var_name(d.w), "net/hidden/w");
    TAP_EQ_STR(reel_var_name(d.b), "net/hidden/b");
    TAP_EQ_INT(reel_vars_list(vars).n, 2);
    static float w[600], b[200];
    float low = 0, high = 0;
    reel_read_f32(d.w, w, 600);
    reel_read_f32(d.b, b, 200);
    for (int i = 0; i < 600; i++) low = fminf(low, w[i]), high = fmaxf(high, w[i]);
    const double limit = sqrt(6.0 / 203);
    TAP_OK(low >= -limit && low < -.95 * limit && high <= limit && high > .95 * limit && b[7] == 0, "Glorot's bounds");
    reel_tensor *y = reel_dense_apply(&d, reel_ones(REEL_F32, REEL_SHAPE(1, 3)));
    TAP_CLOSE(reel_item(reel_slice(y, 2, REEL_RANGES({0, 1, 1}, {5, 6, 1}))), (double)w[5] + w[205] + w[405], 1e-6, 0,
              "x w + b");
    TAP_OK(reel_dense_init(&d, vars, "hidden", REEL_F32, 3, 2) && failed(REEL_EARG, "net/hidden", "already"),
           "the same name twice");
    TAP_OK(reel_vars_list(vars).n == 2 && !d.w, "adds nothing");
    TAP_OK(reel_dense_init(&d, vars, "out", REEL_F32, 0, 2) && failed(REEL_ESHAPE, "test_nn.c:", "0 inputs"),
           "no inputs");
    TAP_OK(reel_dense_init(&d, vars, "out", REEL_I32, 2, 2) && (reel_take_error(NULL) || 1) &&
               reel_vars_list(vars).n == 2,
           "an integer layer");
    TAP_OK(!reel_dense_apply(NULL, y) && failed(REEL_EARG, "reel_dense_apply", "NULL"), "NULL");
    reel_vars_free(vars);
}

/* ---- optimizers ---------------------------------------------------------------------------------- */

enum { N = 3, STEPS = 12 };
static const double start[N] = {1, -2, .5}, goal[N] = {.3, .4, -1};

/* Gradients of sum (w - goal)^2, by hand and by tape; returns the largest difference of the weights. */
static double run_sgd(reel_dtype dtype, double momentum, double decay)
{
    double w[N], v[N] = {0}, got[N], worst = 0;
    memcpy(w, start, sizeof w);
    reel_vars *vars = reel_vars_new("s");
    REEL_SCOPED;
    reel_tensor *var = reel_var(vars, "w", reel_cast(reel_from_f64(REEL_SHAPE(N), start, N), dtype));
    reel_tensor *target = reel_cast(reel_from_f64(REEL_SHAPE(N), goal, N), dtype);
    reel_optimizer *o = reel_sgd(vars, REEL_OPTS(sgd, .lr = .0625, .momentum = momentum, .weight_decay = decay));
    for (int t = 0; t < STEPS; t++) {
        REEL_SCOPED;
        reel_tape *tape = reel_tape_begin(NULL);
        reel_minimize(o, tape, reel_sum(reel_square(reel_sub(var, target))));
        for (int i = 0; i < N; i++) {
            v[i] = momentum * v[i] + 2 * (w[i] - goal[i]) + decay * w[i];
            w[i] -= .0625 * v[i];
        }
    }
    if (reel_read_f64(var, got, N)) return INFINITY;
    for (int i = 0; i < N; i++) worst = fmax(worst, fabs(got[i] - w[i]));
    reel_optimizer_free(o);
    reel_vars_free(vars);
    return worst;
}

static double run_adam(reel_dtype dtype, const reel_adam_opts *opts, double b1, double b2, double eps, double decay)
{
    double w[N], m[N] = {0}, v[N] = {0}, got[N], worst = 0;
    memcpy(w, start, sizeof w);
    reel_vars *vars = reel_vars_new("a");
    REEL_SCOPED;
    reel_tensor *var = reel_var(vars, "w", reel_cast(reel_from_f64(REEL_SHAPE(N), start, N), dtype));
    reel_tensor *target = reel_cast(reel_from_f64(REEL_SHAPE(N), goal, N), dtype);
    reel_optimizer *o = reel_adam(vars, opts);
    for (int t = 1; t <= STEPS; t++) {
        REEL_SCOPED;
        const double lr = t > 6 ? .125 : .0625;
        if (t == 7) reel_assign(reel_optimizer_lr(o), reel_num(lr));
        reel_tape *tape = reel_tape_begin(NULL);
        reel_minimize(o, tape, reel_sum(reel_square(reel_sub(var, target))));
        for (int i = 0; i < N; i++) {
            const double g = 2 * (w[i] - goal[i]) + decay * w[i];
            m[i] = b1 * m[i] + (1 - b1) * g;
            v[i] = b2 * v[i] + (1 - b2) * g * g;
            w[i] -= lr * (m[i] / (1 - pow(b1, t))) / (sqrt(v[i] / (1 - pow(b2, t))) + eps);
        }
    }
    if (reel_read_f64(var, got, N)) return INFINITY;
    for (int i = 0; i < N; i++) worst = fmax(worst, fabs(got[i] - w[i]));
    reel_optimizer_free(o);
    reel_vars_free(vars);
    return worst;
}

static void test_formulas(void)
{
    TAP_OK(run_sgd(REEL_F32, 0, 0) < 1e-6, "sgd");
    TAP_OK(run_sgd(REEL_F32, .9, 0) < 2e-6, "sgd with momentum");
    TAP_OK(run_sgd(REEL_F64, .9, .1) < 1e-12, "sgd in f64 with momentum and weight decay");
    TAP_OK(run_adam(REEL_F32, REEL_OPTS(adam, .lr = .0625), .9, .999, 1e-8, 0) < 1e-5, "adam, and a new learning rate");
    TAP_OK(run_adam(REEL_F64, REEL_OPTS(adam, .lr = .0625, .beta1 = .5, .beta2 = .75, .eps = 1e-3, .weight_decay = .1),
                    .5, .75, 1e-3, .1) < 1e-12,
           "adam in f64, every option");
    TAP_OK(run_adam(REEL_F64, REEL_OPTS(adam, .lr = .0625, .beta1 = REEL_ZERO), 0, .999, 1e-8, 0) < 1e-12,
           "REEL_ZERO is zero");
    TAP_OK(reel_status() == 0, "no error left");
}

static void test_lr(void)
{
    REEL_SCOPED;
    reel_vars *vars = reel_vars_new("d");
    reel_var(vars, "w", reel_ones(REEL_F32, REEL_SHAPE(1)));
    reel_optimizer *a = reel_adam(vars, NULL), *s = reel_sgd(vars, NULL),
                   *z = reel_sgd(vars, REEL_OPTS(sgd, .lr = REEL_ZERO));
    TAP_CLOSE(reel_item(reel_optimizer_lr(a)), 1e-3, 1e-6, 0, "adam's default rate");
    TAP_CLOSE(reel_item(reel_optimizer_lr(s)), 1e-2, 1e-6, 0, "sgd's");
    TAP_OK(reel_item(reel_optimizer_lr(z)) == 0, "an explicit zero");
    TAP_OK(!reel_adam(vars, REEL_OPTS(adam, .beta1 = 1)) && failed(REEL_EARG, "reel_adam: beta1 is 1", "test_nn.c:"),
           "beta1 of 1");
    TAP_OK(!reel_sgd(vars, REEL_OPTS(sgd, .lr = -1)) && failed(REEL_EARG, "lr is -1", ""), "a negative rate");
    TAP_OK(!reel_sgd(vars, REEL_OPTS(sgd, .lr = NAN)) && failed(REEL_EARG, "lr is", "nan"), "a NaN rate");
    TAP_OK(!reel_sgd(NULL, NULL) && failed(REEL_EARG, "vars is NULL", ""), "no variables");
    TAP_OK(reel_minimize(NULL, NULL, NULL) && failed(REEL_EARG, "reel_minimize", "NULL"), "no optimizer");
    reel_optimizer_free(a), reel_optimizer_free(s), reel_optimizer_free(z), reel_optimizer_free(NULL);
    reel_vars_free(vars);
}

static void test_bound(void)
{
    REEL_SCOPED;
    reel_vars *vars = reel_vars_new("b");
    reel_tensor *w = reel_var(vars, "w", reel_ones(REEL_F32, REEL_SHAPE(2))),
                *count = reel_var(vars, "count", reel_zeros(REEL_I64, REEL_SCALAR)),
                *u = reel_var(vars, "u", reel_ones(REEL_F32, REEL_SHAPE(2)));
    reel_optimizer *o = reel_sgd(vars, REEL_OPTS(sgd, .lr = 1));
    reel_tensor *late = reel_var(vars, "late", reel_ones(REEL_F32, REEL_SHAPE(2))),
                *ones = reel_ones(REEL_F32, REEL_SHAPE(2));
    TAP_OK(reel_optimizer_step(o, (reel_tensor *[]){ones, NULL, ones}) == 0,
           "a step; an integer variable takes no gradient");
    TAP_OK(reel_item(reel_sum(w)) == 0 && reel_item(reel_sum(u)) == 0 && reel_item(count) == 0, "all floats moved");
    TAP_OK(reel_item(reel_sum(late)) == 2, "not what came after the optimizer");
    TAP_OK(reel_optimizer_step(o, (reel_tensor *[]){ones, NULL, reel_ones(REEL_F32, REEL_SHAPE(3))}) != 0 &&
               reel_take_error(NULL),
           "a bad gradient");
    TAP_OK(reel_optimizer_step(o, (reel_tensor *[]){ones, NULL, NULL}) != 0 && reel_take_error(NULL), "a missing one");
    TAP_OK(reel_item(reel_sum(w)) == 0 && reel_item(reel_sum(u)) == 0, "moves nothing");
    reel_tape *t = reel_tape_begin(REEL_OPTS(tape, .persistent = true));
    reel_tensor *loss = reel_sum(reel_add(w, u));
    TAP_OK(reel_minimize(o, t, loss) == 0 && reel_minimize(o, t, loss) == 0 && reel_item(reel_sum(w)) == -4,
           "with a persistent tape");
    TAP_OK(reel_minimize(o, t, NULL) && failed(REEL_EARG, "y is NULL", ""), "no loss");
    reel_fail(REEL_EUSER, "pending");
    TAP_OK(reel_optimizer_step(o, (reel_tensor *[]){ones, NULL, ones}) == REEL_EUSER, "a pending error: refused");
    reel_take_error(NULL);
    TAP_OK(reel_item(reel_sum(w)) == -4, "nothing moved");
    reel_optimizer_free(o);
    reel_vars_free(vars);
    TAP_OK(reel_status() == 0, "no error left");
}

/* ---- a training step, eagerly and replayed ------------------------------------------------------- */

struct model {
    reel_vars *vars;
    reel_dense hidden, out;
    reel_optimizer *opt;
};

static int train(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct model *m = self;
    reel_tape *tape = reel_tape_begin(NULL);
    reel_tensor *h = reel_relu(reel_dense_apply(&m->hidden, in[0]));
    out[0] = reel_mean(reel_softmax_cross_entropy(reel_dense_apply(&m->out, h), in[1]));
    return reel_minimize(m->opt, tape, out[0]);
}

static void make_model(struct model *m, bool adam)
{
    reel_seed(42);
    m->vars = reel_vars_new("m");
    reel_dense_init(&m->hidden, m->vars, "hidden", REEL_F32, 5, 7);
    reel_dense_init(&m->out, m->vars, "out", REEL_F32, 7, 3);
    m->opt = adam ? reel_adam(m->vars, NULL) : reel_sgd(m->vars, REEL_OPTS(sgd, .momentum = .9));
}

static void free_model(struct model *m)
{
    reel_optimizer_free(m->opt);
    reel_vars_free(m->vars);
}

static void test_training(void)
{
    for (int adam = 0; adam < 2; adam++) {
        struct model m[2];
        double first[2] = {0}, last[2] = {0};
        static float w[2][35];
        for (int how = 0; how < 2; how++) {
            make_model(&m[how], adam);
            const reel_fn f = REEL_FN(train, &m[how], 2, 1);
            reel_function *fast = reel_function_new(f, NULL);
            for (int i = 0; i < 60 && !reel_status(); i++) {
                REEL_SCOPED;
                reel_tensor *y[1];
                reel_seed(100 + (uint64_t)i % 4);
                reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(8, 5)),
                            *labels = reel_argmax(reel_slice(x, 2, REEL_RANGES(REEL_ALL, {0, 3, 1})), 1);
                if (how ? reel_function_call(fast, REEL_LIST(x, labels), y) : reel_invoke(f, REEL_LIST(x, labels), y))
                    break;
                if (i == 30) reel_assign(reel_optimizer_lr(m[how].opt), reel_num(.02));
                last[how] = reel_item(y[0]);
                if (i == 0) first[how] = last[how];
            }
            reel_read_f32(m[how].hidden.w, w[how], 35);
            reel_function_free(fast);
        }
        reel_error e;
        if (reel_take_error(&e)) TAP_NOTE("%s", e.text);
        TAP_OK(e.code == 0 && last[0] < .7 * first[0], "%s learns: %g to %g", adam ? "adam" : "sgd", first[0], last[0]);
        TAP_OK(last[0] == last[1] && memcmp(w[0], w[1], sizeof w[0]) == 0, "%s: replay ends with the same bits",
               adam ? "adam" : "sgd");
        free_model(&m[0]);
        free_model(&m[1]);
    }
}

/* ---- steps under a tape ---------------------------------------------------------------------------------- */
/* f(w) = sum w^2 after n steps of lr from w0: (1 - 2 lr)^(2 n) |w0|^2, and its derivative in lr. */
static void test_through_steps(void)
{
    REEL_SCOPED;
    enum { MOVES = 3 };
    reel_tensor *lr = reel_full(REEL_F64, REEL_SCALAR, 0.1), *w = reel_from_f64(REEL_SHAPE(2), (double[]){1, 2}, 2);
    reel_tensor *v = reel_zeros_like(w), *out[2];
    reel_tape *outer = reel_tape_begin(NULL);
    reel_watch(outer, REEL_LIST(lr));
    for (int i = 0; i < MOVES; i++) {
        reel_tape *t = reel_tape_begin(NULL);
        reel_watch(t, REEL_LIST(w));
        reel_tensor *g = reel_grad1(t, reel_sum(reel_square(w)), w);
        if (reel_sgd_update(w, v, g, lr, 0, 0, out)) break;
        w = out[0];
    }
    reel_tensor *y = reel_sum(reel_square(w));
    const double left = pow(0.8, 2 * MOVES) * 5, want = -2 * 2 * MOVES * left / 0.8;
    TAP_OK(fabs(reel_item(y) - left) < 1e-12, "three steps");
    const double got = reel_item(reel_grad1(outer, y, lr));
    TAP_OK(!reel_status() && fabs(got - want) < 1e-12, "learned through: %g, %g expected", got, want);
}

/* An optimizer may step while another tape is open; a variable is a source at each reading. */
static void test_step_under_tape(void)
{
    for (int adam = 0; adam < 2; adam++) {
        REEL_SCOPED;
        reel_vars *vars = reel_vars_new("set");
        reel_tensor *w = reel_var(vars, "w", reel_full(REEL_F32, REEL_SHAPE(2), 3));
        reel_optimizer *o =
            adam ? reel_adam(vars, REEL_OPTS(adam, .lr = 0.5)) : reel_sgd(vars, REEL_OPTS(sgd, .lr = 0.25));
        reel_tape *outer = reel_tape_begin(NULL), *t = reel_tape_begin(NULL);
        reel_tensor *before = reel_sum(w);
        reel_minimize(o, t, reel_sum(reel_square(w)));
        reel_tensor *y = reel_add(before, reel_sum(reel_square(w)));
        const double at = reel_item(reel_select(w, 0, 0)), got = reel_item(reel_select(reel_grad1(outer, y, w), 0, 0));
        TAP_OK(!reel_status() && at < 3 && fabs(got - (1 + 2 * at)) < 1e-6, "%s under a tape: %g at %g",
               adam ? "adam" : "sgd", got, at);
        reel_optimizer_free(o);
        reel_vars_free(vars);
        (void)reel_take_error(NULL);
    }
}

TAP_MAIN(test_dense, test_formulas, test_lr, test_bound, test_training, test_through_steps, test_step_under_tape)
