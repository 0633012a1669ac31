/* test_sparse.c: row-sparse gradients: how they join, what makes them dense, and optimizers that move only the rows they name. */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include "trace_help.h"

enum { ROWS = 6, WIDTH = 3 };

static reel_tensor *ints(int n, const int32_t *x)
{
    return reel_from_i32(REEL_SHAPE(n), x, (size_t)n);
}

static const int32_t ids[] = {4, 1, 4, 0}, more[] = {1, 5};

static reel_tensor *table(void)
{
    float x[ROWS * WIDTH];
    for (int i = 0; i < ROWS * WIDTH; i++) x[i] = (float)(i % 7) * .25f - .5f;
    return reel_from_f32(REEL_SHAPE(ROWS, WIDTH), x, ROWS * WIDTH);
}

/* ---- the tensor itself ---------------------------------------------------------------------------------- */

static void test_gradient(void)
{
    REEL_SCOPED;
    reel_vars *vars = reel_vars_new("v");
    reel_tensor *w = reel_var(vars, "w", table());
    for (int how = 0; how < 3; how++) {
        REEL_SCOPED;
        reel_tape *t = reel_tape_begin(NULL);
        reel_tensor *y = reel_sum(reel_square(reel_embedding(w, ints(4, ids), NULL)));
        if (how > 0) y = reel_add(y, reel_sum(reel_exp(reel_embedding(w, ints(2, more), NULL))));
        if (how > 1) y = reel_add(y, reel_sum(w));
        reel_tensor *g = reel_grad1(t, y, w);
        TAP_OK(reel_is_row_sparse(g) == (how < 2), "%s",
               how ? how > 1 ? "with a dense one: dense" : "joined" : "row-sparse");
        double have[ROWS * WIDTH], x[ROWS * WIDTH];
        const reel_shape s = reel_shape_of(g);
        bool ok = s.rank == 2 && s.dims[0] == ROWS && !reel_read_f64(g, have, ROWS * WIDTH) &&
                  !reel_read_f64(w, x, ROWS * WIDTH);
        for (int i = 0; i < ROWS * WIDTH && ok; i++) {
            double want = how > 1;
            for (int k = 0; k < 4; k++) want += ids[k] == i / WIDTH ? 2 * x[i] : 0;
            for (int k = 0; k < 2 && how; k++) want += more[k] == i / WIDTH ? (double)expf((float)x[i]) : 0;
            ok = fabs(have[i] - want) < 1e-6;
        }
        TAP_OK(ok, "and read as the table it stands for");
        if (how == 1) {
            TAP_OK(reel_dim(reel_rows_ids(g), 0) == 6 && reel_dim(reel_rows_values(g), 0) == 6, "six rows");
            TAP_OK(!reel_is_row_sparse(reel_densify(g)) && same_bits(reel_densify(g), reel_mul(g, reel_num(1))),
                   "any op takes it as dense");
        }
    }
    TAP_OK(reel_densify(w) == w, "an ordinary tensor is dense");
    (void)reel_rows_ids(w);
    expect_error(REEL_EARG, "reel_rows_ids", "is not row-sparse", "ids of a dense tensor");
    (void)reel_row_sparse(table(), ints(4, ids), w);
    expect_error(REEL_ESHAPE, "[6,3]", "are no rows of [6,3]", "too many values");
    (void)reel_row_sparse(table(), table(), w);
    expect_error(REEL_EDTYPE, "ids are f32", "", "ids that are no integers");
    reel_tensor *g = reel_row_sparse(reel_ones(REEL_F32, REEL_SHAPE(4, WIDTH)), ints(4, ids), w);
    reel_tape *t = reel_tape_begin(NULL);
    (void)reel_watch(t, REEL_LIST(g));
    expect_error(REEL_EARG, "row-sparse", "reel_densify", "watching one");
    reel_tape_end(t);
    static const int32_t out_of_range[] = {6};
    (void)reel_densify(reel_row_sparse(reel_ones(REEL_F32, REEL_SHAPE(1, WIDTH)), ints(1, out_of_range), w));
    expect_error(REEL_EARG, "index 6 at position 0 is out of range for 6 rows", "", "a row that is not there");
    reel_vars_free(vars);
}

static void test_padding(void)
{
    REEL_SCOPED;
    reel_tensor *w = table();
    reel_tape *t = reel_tape_begin(NULL);
    (void)reel_watch(t, REEL_LIST(w));
    reel_tensor *y = reel_embedding(w, ints(4, ids), REEL_OPTS(embedding, .has_padding = true, .padding = 4));
    double g[ROWS * WIDTH];
    reel_read_f64(reel_grad1(t, reel_sum(y), w), g, ROWS * WIDTH);
    TAP_OK(g[4 * WIDTH] == 0 && g[WIDTH] == 1 && g[0] == 1 && reel_item(reel_select(reel_select(y, 0, 0), 0, 0)) == .75,
           "the padding row is read, and has no gradient");
}

/* ---- optimizers ------------------------------------------------------------------------------------------ */

typedef struct model {
    reel_vars *vars;
    reel_tensor *w, *b;
    reel_optimizer *opt;
    bool dense;
} model;

static int step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const model *m = self;
    reel_tape *t = reel_tape_begin(NULL);
    reel_tensor *e = reel_embedding(m->w, in[0], REEL_OPTS(embedding, .dense_gradient = m->dense));
    out[0] = reel_mean(reel_square(reel_sub(reel_tanh(reel_add(e, m->b)), reel_num(.5))));
    return reel_minimize(m->opt, t, out[0]);
}

enum { SGD, MOMENTUM, ADAM, KINDS };
static model new_model(int kind, bool dense)
{
    model m = {.vars = reel_vars_new("m"), .dense = dense};
    m.w = reel_var(m.vars, "w", table());
    m.b = reel_var(m.vars, "b", reel_zeros(REEL_F32, REEL_SHAPE(WIDTH)));
    if (kind == ADAM)
        m.opt = reel_adam(m.vars, REEL_OPTS(adam, .lr = .1));
    else
        m.opt = reel_sgd(m.vars, REEL_OPTS(sgd, .lr = .1, .momentum = kind == MOMENTUM ? .9 : 0));
    return m;
}

static void free_model(model *m)
{
    reel_optimizer_free(m->opt);
    reel_vars_free(m->vars);
}

static void test_modes(void)
{
    static const char *const names[] = {"sgd", "momentum", "adam"};
    for (int kind = 0; kind < KINDS; kind++) {
        REEL_SCOPED;
        model a = new_model(kind, false), b = new_model(kind, false), c = new_model(kind, true);
        reel_function *f = reel_function_new(REEL_FN(step, &b, 1, 1), NULL);
        bool same = true, close = true;
        for (int i = 0; i < 6; i++) {
            REEL_SCOPED;
            const int32_t which[] = {i % 4, (i * 3) % 4, i % 4, 2};
            reel_tensor *x = ints(4, which), *y[3];
            reel_invoke(REEL_FN(step, &a, 1, 1), REEL_LIST(x), y);
            reel_function_call(f, REEL_LIST(x), y + 1);
            reel_invoke(REEL_FN(step, &c, 1, 1), REEL_LIST(x), y + 2);
            same = same && same_bits(a.w, b.w) && same_bits(a.b, b.b) && same_bits(y[0], y[1]);
            close = close && (kind != SGD || fabs(reel_item(y[0]) - reel_item(y[2])) < 1e-5);
        }
        reel_error e = {0};
        TAP_OK(!reel_take_error(&e) && same, "%s: eager and replayed steps have the same bits %s", names[kind], e.text);
        TAP_OK(close, "%s: as with a dense gradient, where that is the same", names[kind]);
        double now[ROWS * WIDTH], then[ROWS * WIDTH];
        reel_read_f64(a.w, now, ROWS * WIDTH);
        reel_read_f64(table(), then, ROWS * WIDTH);
        TAP_OK(memcmp(now + 4 * WIDTH, then + 4 * WIDTH, 2 * WIDTH * sizeof *now) == 0 && now[0] != then[0],
               "%s: only touched rows move", names[kind]);
        reel_function_free(f);
        free_model(&a);
        free_model(&b);
        free_model(&c);
    }
}

/* A value that somebody holds does not change under him. */
static void test_snapshots(void)
{
    REEL_SCOPED;
    for (int replay = 0; replay < 2; replay++) {
        model m = new_model(ADAM, false);
        reel_function *f = reel_function_new(REEL_FN(step, &m, 1, 1), NULL);
        reel_tensor *before[6], *y[1];
        double first[6];
        for (int i = 0; i < 6; i++) {
            before[i] = i % 2 ? reel_value(m.w) : reel_slice(m.w, 1, REEL_RANGES({1, 3, 1}));
            first[i] = reel_item(reel_sum(before[i]));
            if (i == 3) before[i] = NULL;
            if (replay)
                reel_function_call(f, REEL_LIST(ints(4, ids)), y);
            else
                reel_invoke(REEL_FN(step, &m, 1, 1), REEL_LIST(ints(4, ids)), y);
        }
        bool ok = !reel_status();
        for (int i = 0; i < 6; i++) ok = ok && (!before[i] || reel_item(reel_sum(before[i])) == first[i]);
        TAP_OK(ok, "%s: snapshots and views keep their values", replay ? "replayed" : "eagerly");
        reel_function_free(f);
        free_model(&m);
    }
}

static int apply_bad(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    model *m = self;
    out[0] = reel_sum(in[0]);
    if (reel_assign(m->b, reel_add(m->b, reel_num(1)))) return reel_status();
    reel_tensor *g[2] = {reel_row_sparse(in[0], in[1], m->w), reel_zeros(REEL_F32, REEL_SHAPE(WIDTH))};
    return reel_optimizer_step(m->opt, g);
}

static void test_failure(void)
{
    REEL_SCOPED;
    model m = new_model(MOMENTUM, false);
    reel_function *f = reel_function_new(REEL_FN(apply_bad, &m, 2, 1), NULL);
    static const int32_t good[] = {1, 2}, bad[] = {1, 7};
    reel_tensor *y[1], *g = reel_ones(REEL_F32, REEL_SHAPE(2, WIDTH));
    for (int i = 0; i < 3; i++) reel_function_call(f, REEL_LIST(g, ints(2, good)), y);
    const double w = reel_item(reel_sum(m.w)), b = reel_item(reel_sum(m.b));
    TAP_OK(!reel_status(), "three steps");
    reel_function_call(f, REEL_LIST(g, ints(2, bad)), y);
    expect_error(REEL_EARG, "index 7 at position 1 is out of range for 6 rows", "reel_sgd_rows",
                 "a row that is not there");
    TAP_OK(reel_item(reel_sum(m.w)) == w && reel_item(reel_sum(m.b)) == b, "and nothing has changed");
    reel_function_call(f, REEL_LIST(g, ints(2, good)), y);
    TAP_OK(!reel_status() && reel_item(reel_sum(m.b)) == b + WIDTH && reel_item(reel_sum(m.w)) < w,
           "the next step works");
    reel_function_free(f);
    free_model(&m);
}

/* Two tables, the second one's gradient bad: eagerly too, neither has moved. */
static void test_failure_of_one_in_two(void)
{
    REEL_SCOPED;
    static const int32_t good[] = {1, 2}, bad[] = {1, 7}, below[] = {-1, 2};
    reel_vars *vars = reel_vars_new("tables");
    reel_tensor *a = reel_var(vars, "a", table()), *b = reel_var(vars, "b", table());
    reel_tensor *narrow = reel_var(vars, "c", reel_zeros(REEL_F32, REEL_SHAPE(6)));
    for (int adam = 0; adam < 2; adam++) {
        REEL_SCOPED;
        reel_optimizer *o = adam ? reel_adam(vars, NULL) : reel_sgd(vars, REEL_OPTS(sgd, .momentum = 0.9));
        reel_tensor *rows = reel_ones(REEL_F32, REEL_SHAPE(2, WIDTH)), *none = reel_zeros_like(narrow);
        reel_tensor *fine = reel_row_sparse(rows, ints(2, good), a);
        reel_tensor *grads[3][3] = {{fine, reel_row_sparse(rows, ints(2, bad), b), none},
                                    {fine, reel_row_sparse(rows, ints(2, below), b), none},
                                    {fine, fine, reel_row_sparse(rows, ints(2, good), b)}};
        const double before = reel_item(reel_sum(a));
        for (int k = 0; k < 3; k++) {
            reel_error e;
            const int rc = reel_optimizer_step(o, grads[k]);
            (void)reel_take_error(&e);
            TAP_OK(rc && reel_item(reel_sum(a)) == before && reel_item(reel_sum(b)) == before, "nothing moved: %s",
                   e.text);
        }
        reel_tensor *last[3] = {fine, fine, none};
        TAP_OK(!reel_optimizer_step(o, last) && reel_item(reel_sum(a)) < before, "the next step works");
        reel_assign(a, table());
        reel_assign(b, table());
        reel_optimizer_free(o);
    }
    reel_tensor *g = reel_row_sparse(reel_ones(REEL_F32, REEL_SHAPE(2, WIDTH)), ints(2, good), a);
    TAP_OK(!reel_rows_check(g, a), "rows that fit");
    (void)reel_rows_check(a, a);
    expect_error(REEL_EARG, "reel_rows_check", "is not row-sparse", "a dense gradient");
    (void)reel_rows_check(NULL, a);
    expect_error(REEL_EARG, "reel_rows_check: t is NULL", "", "no gradient");
    (void)reel_rows_check(g, narrow);
    expect_error(REEL_ESHAPE, "reel_rows_check", "are no rows of w", "another table");
    reel_vars_free(vars);
}

/* ---- cost: a step of a few rows in a large table ---------------------------------------------------------- */

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void test_cost(void)
{
    REEL_SCOPED;
    enum { MANY = 200000, WIDE = 64 };
    model m = {.vars = reel_vars_new("m")};
    m.w = reel_var(m.vars, "w", reel_zeros(REEL_F32, REEL_SHAPE(MANY, WIDE)));
    m.b = reel_var(m.vars, "b", reel_zeros(REEL_F32, REEL_SHAPE(WIDE)));
    m.opt = reel_adam(m.vars, NULL);
    reel_function *f = reel_function_new(REEL_FN(step, &m, 1, 1), NULL);
    for (int how = 0; how < 2; how++) {
        double best = 1;
        for (int i = 0; i < 20; i++) {
            REEL_SCOPED;
            reel_tensor *y[1], *x = ints(4, ids);
            const double t = seconds();
            if (how)
                reel_function_call(f, REEL_LIST(x), y);
            else
                reel_invoke(REEL_FN(step, &m, 1, 1), REEL_LIST(x), y);
            if (seconds() - t < best) best = seconds() - t;
        }
        TAP_OK(!reel_status() && best < 2e-3, "%s: a step of 4 rows in 50 MB of table: %.1f us",
               how ? "replayed" : "eager", 1e6 * best);
    }
    reel_function_free(f);
    free_model(&m);
}

/* Sessions and eager steps of several threads on one table, while others read it. */
enum { THREADS = 4, STEPS = 150 };
typedef struct worker {
    model *m;
    reel_function *f;
    int number, bad;
} worker;

static int add_rows(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const model *m = self; /* w <- w + 1 in row 4, through v and lr = -1 */
    reel_tensor *g = reel_row_sparse(reel_ones(REEL_F32, REEL_SHAPE(1, WIDTH)), in[0], m->w);
    out[0] = reel_neg(in[0]);
    return reel_sgd_apply(m->w, m->b, g, reel_full(REEL_F32, REEL_SCALAR, -1), 0, 0);
}

static void *work(void *arg)
{
    worker *w = arg;
    static const int32_t row[] = {4};
    for (int i = 0; i < STEPS; i++) {
        REEL_SCOPED;
        reel_tensor *y[1], *x = ints(1, row);
        if (w->number == 0)
            w->bad += reel_function_call(w->f, REEL_LIST(x), y) != 0;
        else if (w->number == 1)
            w->bad += reel_invoke(REEL_FN(add_rows, w->m, 1, 1), REEL_LIST(x), y) != 0;
        else {
            reel_tensor *now = reel_value(w->m->w);
            const double sum = reel_item(reel_sum(reel_select(now, 0, 4)));
            w->bad += sum != reel_item(reel_sum(reel_select(now, 0, 4))) || fmod(sum, WIDTH) != 0;
        }
        reel_error e;
        if (reel_take_error(&e)) w->bad += 1000;
    }
    return NULL;
}

static void test_threads(void)
{
    REEL_SCOPED;
    model m = {.vars = reel_vars_new("m")};
    m.w = reel_var(m.vars, "w", reel_zeros(REEL_F32, REEL_SHAPE(ROWS, WIDTH)));
    m.b = reel_var(m.vars, "v", reel_zeros(REEL_F32, REEL_SHAPE(ROWS, WIDTH)));
    static const int32_t row[] = {4};
    reel_function *f = reel_function_new(REEL_FN(add_rows, &m, 1, 1), NULL);
    reel_tensor *y[1];
    reel_function_call(f, REEL_LIST(ints(1, row)), y);
    worker w[THREADS];
    pthread_t t[THREADS];
    for (int i = 0; i < THREADS; i++) {
        w[i] = (worker){&m, f, i, 0};
        pthread_create(&t[i], NULL, work, &w[i]);
    }
    int bad = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
        bad += w[i].bad;
    }
    TAP_OK(bad == 0, "steps and reads from %d threads: %d wrong", THREADS, bad);
    reel_function_free(f);
    reel_vars_free(m.vars);
}

static int loss(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *e = reel_embedding(in[0], in[1], NULL);
    out[0] = reel_add(reel_sum(reel_exp(e)), reel_sum(reel_mul(reel_embedding(reel_square(in[0]), in[1], NULL), e)));
    return reel_status();
}

static void test_gradcheck(void)
{
    REEL_SCOPED;
    reel_gradcheck_report r;
    TAP_OK(!reel_gradcheck(REEL_FN(loss, NULL, 2, 1), REEL_LIST(table(), ints(4, ids)),
                           REEL_OPTS(gradcheck, .order = 2), &r),
           "gradcheck of both orders, replay included");
    reel_function *f = reel_function_new(REEL_FN(loss, NULL, 2, 1), NULL);
    reel_tensor *dx[3], *w = table();
    for (int i = 0; i < 3; i++) {
        reel_tensor *y[1];
        reel_tape *t = reel_tape_begin(NULL);
        (void)reel_watch(t, REEL_LIST(w));
        reel_function_call(f, REEL_LIST(w, ints(4, ids)), y);
        dx[i] = reel_grad1(t, y[0], w);
    }
    TAP_OK(!reel_status() && same_bits(dx[0], dx[1]) && same_bits(dx[1], dx[2]), "through calls under a tape");
    reel_function_free(f);
}

/* A graph of placeholders that trains, and one whose batch is unknown. */
static void test_graph(void)
{
    REEL_SCOPED;
    model m = new_model(ADAM, false), other = new_model(ADAM, false);
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_I32, REEL_SHAPE(REEL_ANY), "x"), *y[1];
    step(&m, (reel_tensor *[]){x}, y);
    reel_output("loss", y[0]);
    reel_graph_end(g);
    expect_none("a graph that trains");
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .effects = true));
    bool same = true;
    for (int n = 4; n > 0; n--) {
        reel_tensor *out[1], *want[1];
        reel_session_run(s, REEL_FEEDS({"x", ints(n, ids)}), REEL_FETCHES("loss"), out);
        reel_invoke(REEL_FN(step, &other, 1, 1), REEL_LIST(ints(n, ids)), want);
        same = same && same_bits(out[0], want[0]) && same_bits(m.w, other.w);
    }
    expect_none("its runs");
    TAP_OK(same, "as eagerly, for batches of four to one");
    reel_session_free(s);
    reel_graph_free(g);
    free_model(&m);
    free_model(&other);
}

TAP_MAIN(test_gradient, test_padding, test_modes, test_snapshots, test_failure, test_failure_of_one_in_two, test_cost,
         test_threads, test_gradcheck, test_graph)
