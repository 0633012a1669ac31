/* test_dynamic.c: sizes that depend on data, in every mode, with data that give other sizes than the trace saw. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include "trace/trace.h"
#include "trace_help.h"

static reel_tensor *vec(int n, const float *x)
{
    return reel_from_f32(REEL_SHAPE(n), x, (size_t)n);
}

/* n elements of which those that i * 7 % 10 < k are positive */
static reel_tensor *some(int n, int k)
{
    float x[64];
    for (int i = 0; i < n; i++) x[i] = (float)(i * 7 % 10 < k ? i + 1 : -i - 1);
    return vec(n, x);
}

static double positive_sum(int n, int k)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += i * 7 % 10 < k ? i + 1 : 0;
    return sum;
}

/* y = the positive ones doubled, and what comes out of a chain with three such sizes */
static int picks(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *x = in[0], *p = reel_masked_select(x, reel_greater(x, reel_num(0)));
    out[0] = reel_mul(p, reel_num(2));
    reel_tensor *where = reel_nonzero(reel_greater(out[0], reel_mean(x)));
    reel_tensor *rows = reel_embedding(reel_reshape(x, REEL_SHAPE(-1, 1)), reel_squeeze(where, REEL_AXES(1)), NULL);
    out[1] = reel_concat(REEL_LIST(rows, reel_unsqueeze(reel_exp(reel_neg(x)), REEL_AXES(1))), 0);
    out[2] = reel_sum(reel_unique(reel_div(reel_cast(p, REEL_I32), reel_full(REEL_I32, REEL_SCALAR, 3))));
    return reel_status();
}

static bool same(reel_tensor *const a[], reel_tensor *const b[], int n)
{
    for (int i = 0; i < n; i++) {
        const reel_shape s = reel_shape_of(a[i]), t = reel_shape_of(b[i]);
        const size_t bytes = (size_t)reel_shape_count(s) * reel_dtype_size(reel_dtype_of(a[i]));
        bool ok = s.rank == t.rank && reel_dtype_of(a[i]) == reel_dtype_of(b[i]);
        for (int k = 0; ok && k < s.rank; k++) ok = s.dims[k] == t.dims[k];
        if (!ok) return false;
        char *x = malloc(bytes + 1), *y = malloc(bytes + 1);
        ok = !reel_read(a[i], x, bytes) && !reel_read(b[i], y, bytes) && memcmp(x, y, bytes) == 0;
        free(x);
        free(y);
        if (!ok) return false;
    }
    return true;
}

static void test_replay(void)
{
    REEL_SCOPED;
    reel_function *f = reel_function_new(REEL_FN(picks, NULL, 1, 3), NULL);
    for (int k = 0; k <= 10; k++)
        for (int again = 0; again < 2; again++) {
            REEL_SCOPED;
            reel_tensor *x = some(30, (k * 3 + 4) % 11), *got[3], *want[3];
            reel_invoke(REEL_FN(picks, NULL, 1, 3), REEL_LIST(x), want);
            reel_function_call(f, REEL_LIST(x), got);
            TAP_OK(!reel_status() && same(got, want, 3), "%d of 10 are positive%s", (k * 3 + 4) % 11,
                   again ? ", again" : "");
        }
    TAP_OK(reel_function_traces(f) == 1, "one trace for all sizes");
    reel_function_free(f);
}

/* ---- gradients ---------------------------------------------------------------------------------------- */

static int loss_and_gradient(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(in[0], in[1]));
    reel_tensor *p = reel_masked_select(in[0], reel_greater(in[0], reel_num(0)));
    reel_tensor *q = reel_mul(reel_square(p), in[1]); /* in[1] is [1]: its gradient sums over n, even if n was 1 */
    out[0] = reel_sum(q);
    return reel_grad(t, out[0], REEL_LIST(in[0], in[1]), out + 1);
}

static void test_gradients(void)
{
    REEL_SCOPED;
    static const float two[] = {2};
    reel_function *f = reel_function_new(REEL_FN(loss_and_gradient, NULL, 2, 3), NULL);
    static const int ks[] = {1, 5, 1, 0, 10, 7};
    for (int i = 0; i < 6; i++) {
        REEL_SCOPED;
        const int n = 10, k = ks[i];
        reel_tensor *x = some(n, k), *out[3], *want[3];
        reel_function_call(f, REEL_LIST(x, vec(1, two)), out);
        reel_invoke(REEL_FN(loss_and_gradient, NULL, 2, 3), REEL_LIST(x, vec(1, two)), want);
        TAP_OK(!reel_status() && same(out, want, 3), "gradients of %d in 10", k);
        double dx[10], squares = 0;
        bool ok = reel_read_f64(out[1], dx, 10) == 0;
        for (int j = 0; j < n; j++) {
            const double v = j * 7 % 10 < k ? j + 1 : 0;
            ok = ok && dx[j] == 4 * v;
            squares += v * v;
        }
        TAP_OK(ok && reel_item(out[2]) == squares, "and they are right");
    }
    reel_function_free(f);
}

static int plain_loss(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *u[4];
    reel_tensor *p = reel_masked_select(in[0], reel_greater(in[0], reel_num(0)));
    reel_unique_all(in[0], REEL_OPTS(unique, .unsorted = true), u);
    out[0] = reel_add(reel_sum(reel_exp(p)), reel_sum(reel_square(u[0])));
    return reel_status();
}

static void test_gradcheck(void)
{
    REEL_SCOPED;
    static const float x[] = {.5f, -.25f, 1, -1, .75f, -.3f};
    reel_gradcheck_report r;
    TAP_OK(reel_gradcheck(REEL_FN(plain_loss, NULL, 1, 1), REEL_LIST(vec(6, x)), REEL_OPTS(gradcheck, .order = 2),
                          &r) == 0,
           "gradcheck of both orders, replay included");
}

/* A tape around calls of a function whose sizes depend on data. */
static void test_outer_tape(void)
{
    REEL_SCOPED;
    reel_function *f = reel_function_new(REEL_FN(plain_loss, NULL, 1, 1), NULL);
    static const int ks[] = {3, 3, 8, 1};
    for (int i = 0; i < 4; i++) {
        REEL_SCOPED;
        reel_tensor *x = reel_mul(some(10, ks[i]), reel_num(.125)), *y[1], *dx[2];
        for (int how = 0; how < 2; how++) {
            reel_tape *t = reel_tape_begin(NULL);
            reel_watch(t, REEL_LIST(x));
            if (how)
                reel_function_call(f, REEL_LIST(x), y);
            else
                reel_invoke(REEL_FN(plain_loss, NULL, 1, 1), REEL_LIST(x), y);
            dx[how] = reel_grad1(t, y[0], x);
        }
        TAP_OK(!reel_status() && same(&dx[0], &dx[1], 1), "gradient through call %d", i);
    }
    reel_function_free(f);
}

/* ---- shapes asked for inside a trace ------------------------------------------------------------------- */

static int asks(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *p = reel_masked_select(in[0], reel_greater(in[0], reel_num(0)));
    int64_t *seen = self;
    *seen = reel_dim(p, 0);
    out[0] = reel_reshape(p, REEL_SHAPE(reel_dim(p, 0), 1));
    return reel_status();
}

static void test_asked(void)
{
    REEL_SCOPED;
    int64_t seen = 0;
    reel_tensor *out[1];
    reel_function *f = reel_function_new(REEL_FN(asks, &seen, 1, 1), NULL);
    reel_invoke(REEL_FN(asks, &seen, 1, 1), REEL_LIST(some(10, 4)), out);
    TAP_OK(seen == 4, "eagerly a size is what it is");
    reel_function_call(f, REEL_LIST(some(10, 4)), out);
    TAP_OK(seen == REEL_ANY && reel_dim(out[0], 0) == 4, "in a trace it is unknown; the result has it");
    reel_function_call(f, REEL_LIST(some(10, 7)), out);
    TAP_OK(!reel_status() && reel_dim(out[0], 0) == 7, "and a replay has its own");
    reel_function_free(f);
}

/* ---- functions that are nodes, checkpoints: where such a size leaves them they are inlined --------------------- */

static int pick(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_masked_select(in[0], reel_greater(in[0], reel_num(0)));
    return reel_status();
}
static int through(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_function *layer = self;
    reel_tensor *y[1], *z[1];
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(in[0]));
    if (layer ? reel_function_call(layer, REEL_LIST(in[0]), y)
              : reel_invoke(REEL_FN(pick, NULL, 1, 1), REEL_LIST(in[0]), y))
        return reel_status();
    if (reel_checkpoint(REEL_FN(pick, NULL, 1, 1), REEL_LIST(reel_sub(y[0], reel_num(3))), z)) return reel_status();
    out[0] = reel_mul(z[0], reel_num(2));
    return reel_grad(t, reel_sum(reel_square(z[0])), REEL_LIST(in[0]), out + 1);
}

static void test_called(void)
{
    REEL_SCOPED;
    reel_function *layer = reel_function_new(REEL_FN(pick, NULL, 1, 1), REEL_OPTS(function, .call = true));
    reel_function *f = reel_function_new(REEL_FN(through, layer, 1, 2), REEL_OPTS(function, .check_plans = true));
    for (int i = 0; i < 6; i++) {
        REEL_SCOPED;
        reel_tensor *x = some(20, 2 + i * 3 % 8), *want[2], *got[2];
        reel_invoke(REEL_FN(through, NULL, 1, 2), REEL_LIST(x), want);
        reel_function_call(f, REEL_LIST(x), got);
        TAP_OK(!reel_status() && same(got, want, 2), "a size leaves a call and a checkpoint, run %d", i);
    }
    TAP_EQ_INT(reel_function_traces(f), 1);
    reel_function_free(f);
    reel_function_free(layer);
}

/* ---- variables ----------------------------------------------------------------------------------------- */

static int assigns(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *const *var = self;
    out[0] = reel_sum(reel_masked_select(in[0], reel_greater(in[0], reel_num(0))));
    if (reel_assign(var[0], reel_add(var[0], out[0]))) return reel_status();
    return reel_assign(var[1], reel_masked_select(in[0], reel_greater(in[0], reel_num(0))));
}

static void test_variables(void)
{
    REEL_SCOPED;
    reel_vars *vars = reel_vars_new("v");
    reel_tensor *var[2] = {reel_var(vars, "a", reel_zeros(REEL_F32, REEL_SCALAR)),
                           reel_var(vars, "b", reel_zeros(REEL_F32, REEL_SHAPE(4)))};
    reel_function *f = reel_function_new(REEL_FN(assigns, var, 1, 1), NULL);
    reel_tensor *out[1];
    for (int i = 0; i < 3; i++) reel_function_call(f, REEL_LIST(some(10, 4)), out);
    TAP_OK(!reel_status() && reel_item(var[0]) == 3 * positive_sum(10, 4), "assigned in each of three calls");
    const int rc = reel_function_call(f, REEL_LIST(some(10, 5)), out);
    reel_error e;
    reel_take_error(&e);
    TAP_OK(rc == REEL_ESHAPE && strstr(e.text, "a variable of shape [4] cannot take [5]"),
           "a size that does not fit a variable is an error of that run: %s", e.text);
    TAP_OK(reel_item(var[0]) == 3 * positive_sum(10, 4), "which changes nothing");
    reel_function_call(f, REEL_LIST(some(10, 4)), out);
    TAP_OK(!reel_status() && reel_item(var[0]) == 4 * positive_sum(10, 4), "the next one works");
    reel_function_free(f);
    reel_vars_free(vars);
}

/* ---- graphs of placeholders, from several threads -------------------------------------------------------- */

enum { THREADS = 4, RUNS = 60 };
typedef struct worker {
    reel_session *s;
    int seed, bad;
} worker;

static void *work(void *arg)
{
    worker *w = arg;
    for (int i = 0; i < RUNS; i++) {
        REEL_SCOPED;
        const int n = 10 + (i + w->seed) % 5, k = (i * 7 + w->seed) % 11;
        reel_tensor *out[2], *x = some(n, k);
        if (reel_session_run(w->s, REEL_FEEDS({"x", x}), REEL_FETCHES("sum", "where"), out) ||
            reel_item(out[0]) != positive_sum(n, k)) {
            w->bad++;
            reel_take_error(NULL);
            continue;
        }
        int64_t at[64], m = reel_dim(out[1], 0), next = 0;
        reel_read(out[1], at, (size_t)m * sizeof *at);
        for (int j = 0; j < n; j++)
            if (j * 7 % 10 < k) w->bad += next >= m || at[next++] != j;
        w->bad += next != m;
    }
    return NULL;
}

static void test_session(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY), "x");
    reel_tensor *pos = reel_greater(x, reel_num(0)), *p = reel_masked_select(x, pos);
    TAP_OK(reel_dim(p, 0) == REEL_ANY, "unknown in the graph");
    reel_output("sum", reel_sum(p));
    reel_output("where", reel_squeeze(reel_nonzero(pos), REEL_AXES(1)));
    reel_output("twice", reel_mul(x, reel_num(2)));
    reel_graph_end(g);
    static const int64_t buckets[] = {16, 32};
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .buckets = buckets, .n_buckets = 2));
    reel_session_poison_(s, true);
    reel_tensor *out[1];
    TAP_OK(!reel_session_run(s, REEL_FEEDS({"x", some(9, 4)}), REEL_FETCHES("twice"), out) && reel_dim(out[0], 0) == 9,
           "what does not need them is not touched");
    reel_plan_info info;
    reel_session_info(s, &info);
    TAP_OK(info.steps == 1, "one step");
    worker w[THREADS];
    pthread_t t[THREADS];
    for (int i = 0; i < THREADS; i++) {
        w[i] = (worker){s, i, 0};
        pthread_create(&t[i], NULL, work, &w[i]);
    }
    int bad = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
        bad += w[i].bad;
    }
    TAP_OK(bad == 0, "%d threads run one session: %d wrong", THREADS, bad);
    reel_tensor *fed[1];
    static const float values[] = {3, 4};
    TAP_OK(!reel_session_run_handles(s, REEL_LIST(p), REEL_LIST(vec(2, values)), REEL_LIST(reel_neg(p)), fed) ||
               reel_take_error(NULL),
           "a value whose size depends on data can be fed");
    reel_session_free(s);
    reel_graph_free(g);
}

/* One output of an op is fed, another one fetched: what is fed is read, never written. */
static void test_fed_output(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY), "x"), *u[4];
    reel_unique_all(x, NULL, u);
    reel_tensor *sum = reel_sum(reel_add(u[0], reel_num(0)));
    reel_graph_end(g);
    reel_session *s = reel_session_new(g, NULL);
    static const float data[] = {3, 1, 3, 2}, fed[] = {10, 20, 30};
    reel_tensor *out[2], *values = reel_slice(vec(3, fed), 1, REEL_RANGES({REEL_END, REEL_END, -1}));
    for (int i = 0; i < 2; i++)
        reel_session_run_handles(s, REEL_LIST(x, u[0]), REEL_LIST(vec(4, data), values), REEL_LIST(sum, u[3]), out);
    double counts[3] = {0}, kept[3] = {0};
    TAP_OK(!reel_status() && reel_item(out[0]) == 60 && !reel_read_f64(out[1], counts, 3) && counts[2] == 2 &&
               counts[0] == 1 && !reel_read_f64(values, kept, 3) && kept[0] == 30 && kept[2] == 10,
           "values fed, counts computed");
    reel_session_free(s);
    reel_graph_free(g);
}

/* ---- NumPy and PyTorch say ------------------------------------------------------------------------------ */

static void test_golden(void)
{
    REEL_SCOPED;
    static const float x[] = {2, 1, NAN, 2, -0.0f, 0, NAN, 1};
    reel_tensor *out[4];
    double got[8];
    reel_unique_all(vec(8, x), NULL, out);
    reel_read_f64(out[0], got, 4);
    TAP_OK(reel_dim(out[0], 0) == 4 && got[0] == 0 && signbit(got[0]) && got[1] == 1 && got[2] == 2 && isnan(got[3]),
           "unique: zeros are one, NaNs are one and last; the first of each stands for it");
    reel_read_f64(out[2], got, 8);
    TAP_OK(got[0] == 2 && got[1] == 1 && got[2] == 3 && got[3] == 2 && got[4] == 0 && got[5] == 0 && got[6] == 3,
           "inverse");
    reel_read_f64(out[3], got, 4);
    TAP_OK(got[0] == 2 && got[1] == 2 && got[2] == 2 && got[3] == 2, "counts");
    static const int32_t rows[] = {1, 2, 0, 9, 1, 2, 0, 3};
    reel_unique_all(reel_from_i32(REEL_SHAPE(4, 2), rows, 8), REEL_OPTS(unique, .by_axis = true), out);
    reel_read_f64(out[0], got, 6);
    TAP_OK(reel_dim(out[0], 0) == 3 && got[0] == 0 && got[1] == 3 && got[2] == 0 && got[3] == 9 && got[4] == 1,
           "slices in lexicographic order");
    const reel_shape s = reel_shape_of(reel_nonzero(reel_full(REEL_F32, REEL_SCALAR, 3)));
    TAP_OK(s.rank == 2 && s.dims[0] == 1 && s.dims[1] == 0, "nonzero of a scalar that is not zero: [1,0]");
    reel_tensor *big = reel_arange(REEL_I32, 0, 3000000, 1),
                *odd = reel_equal(reel_sub(big, reel_mul(reel_div(big, reel_num(2)), reel_num(2))),
                                  reel_full(REEL_I32, REEL_SCALAR, 1));
    reel_tensor *picked = reel_masked_select(big, odd);
    TAP_OK(reel_dim(picked, 0) == 1500000 && reel_item(reel_select(picked, 0, -1)) == 2999999, "in blocks and threads");
}

TAP_MAIN(test_replay, test_gradients, test_gradcheck, test_outer_tape, test_asked, test_called, test_variables,
         test_session, test_fed_output, test_golden)
