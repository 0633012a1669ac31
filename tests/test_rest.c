/* test_rest.c: what follows a seam (a size that depends on data) is optimized like any graph once the size is known: passes, fused steps,
   variables over their old values, feeds given away. The bits are eager's; plans are proved. */
#include "core/tensor.h"
#include "trace/trace.h"
#include "trace_help.h"

/* n elements of which those that i * 7 % 10 < k are positive */
static reel_tensor *some(int n, int k)
{
    float x[64];
    for (int i = 0; i < n; i++) x[i] = (float)(i * 7 % 10 < k ? i + 1 : -i - 1) * 0.125f;
    return reel_from_f32(REEL_SHAPE(n), x, (size_t)n);
}
static reel_tensor *positive(reel_tensor *x)
{
    return reel_masked_select(x, reel_greater(x, reel_num(0)));
}

/* The text of explain. */
static char *explained(reel_session *s)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (!f) return NULL;
    reel_session_explain(f, s);
    fclose(f);
    return text;
}

/* How often a pass found something in the last plan behind the last run's k-th seam. */
static size_t found(const reel_plan *plan, int k, const char *pass)
{
    size_t n = 0;
    for (; k > 0 && plan; k--) plan = plan->seam ? plan->seam->plans : NULL;
    for (int i = 0; plan && i < plan->n_reports; i++)
        if (strcmp(plan->reports[i].name, pass) == 0) n += plan->reports[i].fired;
    return n;
}
static const reel_plan *last_segment(const reel_plan *plan)
{
    while (plan && plan->seam) plan = plan->seam->plans;
    return plan;
}

/* ---- one function in all its ways ------------------------------------------------------------------------------ */

typedef reel_tensor *way(reel_tensor *x, reel_tensor *w);

/* A softmax by hand, a chain, ones that are constants once their number is known, views that meet their inverse. */
static reel_tensor *chain(reel_tensor *x, reel_tensor *w)
{
    reel_tensor *p = positive(x), *ones = reel_ones_like(p);
    reel_tensor *q = reel_mul(reel_add(reel_tanh(p), w), ones);
    reel_tensor *e = reel_exp(reel_sub(q, reel_mean_axes(q, REEL_AXES(0), true)));
    reel_tensor *soft = reel_div(e, reel_sum_axes(e, REEL_AXES(0), true));
    reel_tensor *there = reel_reshape(reel_neg(soft), REEL_SHAPE(-1, 1));
    return reel_mul(reel_reshape(reel_relu(reel_neg(there)), REEL_SHAPE(-1)), reel_sqrt(ones));
}
/* Two seams; what was made before both is read behind them, as a view too. */
static reel_tensor *twice(reel_tensor *x, reel_tensor *w)
{
    reel_tensor *h = reel_sin(reel_add(x, w)), *turned = reel_flip(reel_reshape(h, REEL_SHAPE(2, -1)), REEL_AXES(1));
    reel_tensor *p = positive(x), *big = positive(reel_sub(reel_mul(p, p), reel_mean(p)));
    reel_tensor *sums = reel_add(reel_sum(reel_exp(reel_neg(big))), reel_sum(reel_mul(p, reel_ones_like(p))));
    return reel_concat(REEL_LIST(reel_reshape(turned, REEL_SHAPE(-1)), reel_mul(big, sums), h), 0);
}
/* Nothing but the shape is read of what is picked. */
static reel_tensor *sizes_only(reel_tensor *x, reel_tensor *w)
{
    reel_tensor *p = positive(x), *unread = reel_exp(p);
    return reel_add(reel_sum(reel_zeros_like(unread)), reel_sum(reel_mul(reel_full_like(p, 2), w)));
}
/* A product and its epilogue, rows of a layer norm by hand, whose number is known only then. */
static reel_tensor *rows(reel_tensor *x, reel_tensor *w)
{
    reel_tensor *at = reel_squeeze(reel_nonzero(reel_greater(x, reel_num(0))), REEL_AXES(1));
    reel_tensor *table = reel_reshape(reel_sin(reel_arange(REEL_F32, 0, 64 * 8, 1)), REEL_SHAPE(64, 8));
    reel_tensor *h =
        reel_relu(reel_add(reel_matmul(reel_gather(table, at, 0), reel_slice(table, 1, REEL_RANGES({0, 8, 1}))), w));
    reel_tensor *mean = reel_mean_axes(h, REEL_AXES(1), true), *d = reel_sub(h, mean);
    return reel_mul(d, reel_rsqrt(reel_add(reel_mean_axes(reel_square(d), REEL_AXES(1), true), reel_num(1e-5))));
}
static const struct {
    way *f;
    const char *name;
} ways[] = {{chain, "chain"}, {twice, "twice"}, {sizes_only, "sizes only"}, {rows, "rows"}};
enum { WAYS = sizeof ways / sizeof *ways };

static int body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const int *i = self;
    out[0] = ways[*i].f(in[0], in[1]);
    return reel_status();
}

static void test_bits(void)
{
    for (int i = 0; i < WAYS; i++) {
        REEL_SCOPED;
        int different = 0;
        reel_function *f = reel_function_new(REEL_FN(body, &i, 2, 1), REEL_OPTS(function, .check_plans = true));
        reel_function *plain =
            reel_function_new(REEL_FN(body, &i, 2, 1), REEL_OPTS(function, .passes = "none", .check_plans = true));
        static const int k[] = {5, 5, 3, 0, 10, 3, 1, 0, 5};
        for (size_t j = 0; j < sizeof k / sizeof *k; j++) {
            REEL_SCOPED;
            reel_tensor *x = some(30, k[j]), *w = reel_full(REEL_F32, REEL_SCALAR, 0.25), *want[1], *got[1], *base[1];
            reel_invoke(REEL_FN(body, &i, 2, 1), REEL_LIST(x, w), want);
            reel_function_call(f, REEL_LIST(x, w), got);
            reel_function_call(plain, REEL_LIST(x, w), base);
            different += reel_status() || !same_bits(got[0], want[0]) || !same_bits(base[0], want[0]);
        }
        expect_none(ways[i].name);
        TAP_OK(different == 0, "%s: %d results are not eager's", ways[i].name, different);
        reel_function_free(f);
        reel_function_free(plain);
    }
}

/* ---- what is done ------------------------------------------------------------------------------------------------- */

static reel_session *session_of(way *f, const char *passes, reel_graph **g)
{
    REEL_SCOPED;
    *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(30), "x"), *w = reel_placeholder(REEL_F32, REEL_SCALAR, "w");
    reel_output("y", f(x, w));
    reel_graph_end(*g);
    return reel_session_new(*g, REEL_OPTS(session, .passes = passes, .check_plans = true));
}

static void test_passes(void)
{
    REEL_SCOPED;
    reel_graph *g, *h;
    reel_session *s = session_of(chain, NULL, &g), *plain = session_of(chain, "none", &h);
    reel_tensor *x = some(30, 5), *w = reel_full(REEL_F32, REEL_SCALAR, 0.25), *a[1], *b[1];
    reel_session_run(s, REEL_FEEDS({"x", x}, {"w", w}), REEL_FETCHES("y"), a);
    TAP_OK(last_segment(reel_session_plan_(s))->n_reports == 0, "a number that turns up is planned in haste");
    reel_session_run(s, REEL_FEEDS({"x", x}, {"w", w}), REEL_FETCHES("y"), a);
    TAP_OK(reel_session_plan_(s)->seam->n_plans == 1, "one plan a number");
    TAP_OK(found(reel_session_plan_(s), 1, "fold") >= 2, "a number that turns up again is planned with care");
    reel_session_run(plain, REEL_FEEDS({"x", x}, {"w", w}), REEL_FETCHES("y"), b);
    TAP_OK(same_bits(a[0], b[0]), "the same bits with and without passes");
    const reel_plan *plan = reel_session_plan_(s);
    TAP_OK(found(plan, 1, "fold") >= 2, "behind the seam ones_like and its root are constants");
    TAP_OK(found(plan, 1, "simplify") >= 2, "and what they multiply is itself");
    TAP_OK(found(plan, 1, "share") + found(plan, 1, "prune") >= 1, "of what is the same then one is left");
    reel_plan_info info, other;
    reel_session_info(s, &info);
    reel_session_info(plain, &other);
    TAP_OK(info.steps <= other.steps - 10 && info.fused_steps >= 1, "%d steps instead of %d, %d of them fused",
           info.steps, other.steps, info.fused_steps);
    char *text = explained(s);
    const char *rest = text ? strstr(text, "behind the count, where it was 15:") : NULL;
    TAP_OK(rest && strstr(rest, "simplify") && strstr(rest, " as one"),
           "explain shows the passes and a fused group behind the seam");
    if (!rest) TAP_NOTE("%s", text ? text : "NULL");
    free(text);
    reel_session_free(s);
    reel_session_free(plain);
    reel_graph_free(g);
    reel_graph_free(h);
    s = session_of(sizes_only, NULL, &g);
    for (int i = 0; i < 2; i++) reel_session_run(s, REEL_FEEDS({"x", x}, {"w", w}), REEL_FETCHES("y"), a);
    const reel_plan *last = last_segment(reel_session_plan_(s));
    TAP_OK(last && last->n_steps <= 3, "what is read for its shape only is not made: %d steps",
           last ? last->n_steps : -1);
    reel_session_free(s);
    reel_graph_free(g);
    s = session_of(twice, NULL, &g);
    for (int i = 0; i < 3; i++) /* the second rest is another one when the first is planned anew */
        reel_session_run(s, REEL_FEEDS({"x", x}, {"w", w}), REEL_FETCHES("y"), a);
    plan = reel_session_plan_(s);
    TAP_OK(plan->seam && plan->seam->plans->seam && found(plan, 1, "simplify") + found(plan, 2, "simplify") >= 1,
           "two seams, each rest optimized");
    expect_none("passes");
    reel_session_free(s);
    reel_graph_free(g);
}

/* ---- variables and draws --------------------------------------------------------------------------------------------- */

struct model {
    reel_vars *vars, *others; /* those that no optimizer knows of */
    reel_tensor *w, *early, *table, *rows, *speed;
    reel_optimizer *sgd;
    bool seeded;
};

/* A step of training with a loss over what is picked; a variable assigned before the seam, rows of a table too; draws nobody reads. */
static int train(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct model *m = self;
    reel_tape *t = reel_tape_begin(NULL);
    if (reel_assign(m->early, reel_add(m->early, reel_sum(in[0])))) return reel_status();
    reel_tensor *at =
        reel_cast(reel_mul(reel_abs(reel_slice(in[0], 1, REEL_RANGES({0, 4, 1}))), reel_num(8)), REEL_I32);
    reel_tensor *lr = reel_full(REEL_F32, REEL_SCALAR, 0.5), *one = reel_full(REEL_F32, REEL_SHAPE(4, 2), 1);
    if (reel_sgd_apply(m->rows, m->speed, reel_row_sparse(one, at, m->rows), lr, 0.5, 0)) return reel_status();
    reel_tensor *h = reel_mul(reel_sum(reel_embedding(m->table, at, NULL)), reel_num(0.01));
    reel_tensor *p = positive(reel_add(in[0], reel_mul(reel_mean(m->w), reel_num(0))));
    (void)reel_normal_like(p, 0, 1, NULL);
    (void)reel_normal_like(reel_exp(p), 0, 1, NULL);
    reel_tensor *weights = reel_mul(reel_slice(m->w, 1, REEL_RANGES({0, 1, 1})), reel_tanh(p));
    out[0] = reel_add(reel_mean(reel_square(reel_sub(reel_mul(weights, reel_ones_like(p)), h))),
                      reel_mean(reel_square(m->w)));
    out[1] = reel_flip(reel_reshape(in[0], REEL_SHAPE(3, -1)), REEL_AXES(0));
    return reel_minimize(m->sgd, t, out[0]);
}

static void make_model(struct model *m)
{
    reel_seed(7);
    m->vars = reel_vars_new("m");
    m->others = reel_vars_new("others");
    m->w = reel_var(m->vars, "w", reel_sin(reel_arange(REEL_F32, 0, 500, 1)));
    m->early = reel_var(m->others, "early", reel_zeros(REEL_F32, REEL_SCALAR));
    m->table = reel_var(m->vars, "table", reel_cos(reel_arange(REEL_F32, 0, 64, 1)));
    reel_assign(m->table, reel_value(m->table));
    m->rows = reel_var(m->others, "rows", reel_zeros(REEL_F32, REEL_SHAPE(64, 2)));
    m->speed = reel_var(m->others, "speed", reel_zeros(REEL_F32, REEL_SHAPE(64, 2)));
    m->sgd = reel_sgd(m->vars, REEL_OPTS(sgd, .lr = 0.05, .momentum = 0.9));
}
static void drop_model(struct model *m)
{
    reel_optimizer_free(m->sgd);
    reel_vars_free(m->vars);
    reel_vars_free(m->others);
}

static void test_training(void)
{
    REEL_SCOPED;
    enum { STEPS = 8 };
    struct model m[2];
    reel_tensor *out[2], *seen[2][STEPS][3];
    for (int k = 0; k < 2; k++) {
        make_model(&m[k]);
        reel_function *f = reel_function_new(REEL_FN(train, &m[k], 1, 2), REEL_OPTS(function, .check_plans = true));
        for (int i = 0; i < STEPS; i++) {
            reel_tensor *x = some(30, 1 + i * 3 % 9);
            const int rc = k ? reel_function_call(f, REEL_LIST(x), out)
                             : reel_invoke(REEL_FN(train, &m[k], 1, 2), REEL_LIST(x), out);
            if (rc) break;
            seen[k][i][0] = out[0];
            seen[k][i][1] = out[1];
            seen[k][i][2] = reel_randn(REEL_F32, REEL_SHAPE(2));
        }
        reel_function_free(f);
    }
    expect_none("training");
    int different = 0;
    for (int i = 0; i < STEPS; i++)
        for (int j = 0; j < 3; j++) different += !same_bits(seen[0][i][j], seen[1][i][j]);
    TAP_OK(different == 0, "%d losses, fetches and draws are not eager's", different);
    TAP_OK(same_bits(m[0].w, m[1].w) && same_bits(m[0].early, m[1].early) && same_bits(m[0].table, m[1].table) &&
               same_bits(m[0].rows, m[1].rows),
           "variables");
    for (int k = 0; k < 2; k++) drop_model(&m[k]);
}

/* ---- memory ------------------------------------------------------------------------------------------------------------ */

static int moves(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *const *w = self;
    reel_tensor *mean = reel_mean(positive(in[0]));
    out[0] = reel_tanh(reel_mul(in[1], mean));
    return reel_assign(*w, reel_sub(*w, reel_mul(mean, reel_num(0.5))));
}

static void test_memory(void)
{
    REEL_SCOPED;
    reel_vars *vars = reel_vars_new("v");
    reel_tensor *w = reel_var(vars, "w", reel_sin(reel_arange(REEL_F32, 0, 600, 1))), *out[1], *want[1];
    reel_tensor *x = reel_add(reel_value(w), reel_num(1)), *kept = reel_add(x, reel_num(0));
    reel_function *f =
        reel_function_new(REEL_FN(moves, &w, 2, 1), REEL_OPTS(function, .donate = 2, .check_plans = true));
    reel_function_call(f, REEL_LIST(some(30, 4), reel_add(x, reel_num(0))), out);
    for (int i = 0; i < 4; i++) {
        REEL_SCOPED;
        char before[600 * 4], after[600 * 4];
        const void *old_w = reel_rec_of_(w)->value->data, *old_x = reel_rec_of_(x)->data;
        reel_tensor *y = some(30, 2 + i * 3);
        if (i == 3) kept = reel_value(w);
        if (i == 3) reel_read(kept, before, sizeof before);
        reel_tensor *expected = reel_sub(w, reel_mul(reel_mean(positive(y)), reel_num(0.5)));
        want[0] = reel_tanh(reel_mul(x, reel_mean(positive(y))));
        TAP_EQ_INT(reel_function_call(f, REEL_LIST(y, x), out), 0);
        TAP_OK(same_bits(out[0], want[0]) && same_bits(w, expected), "run %d: the bits", i);
        TAP_OK(i == 0 || (reel_rec_of_(out[0])->data == old_x),
               "run %d: a result where an input lay that is given away", i);
        if (i < 3) TAP_OK(reel_rec_of_(w)->value->data == old_w, "run %d: the variable over its old value", i);
        if (i == 3) reel_read(kept, after, sizeof after);
        if (i == 3)
            TAP_OK(memcmp(before, after, sizeof before) == 0 && reel_rec_of_(w)->value->data != old_w,
                   "who has the old value keeps it");
        x = reel_keep(out[0]);
    }
    expect_none("memory");
    reel_function_free(f);
    reel_vars_free(vars);
}

/* People looking: a hook sees every node in every run, times and pages have what follows the seam. */
static int count_node(void *self, const reel_node_info *e)
{
    (void)e;
    ++*(int *)self;
    return 0;
}
static void test_looked_at(void)
{
    REEL_SCOPED;
    reel_graph *g;
    reel_session *s = session_of(chain, NULL, &g);
    reel_tensor *x = some(30, 5), *w = reel_full(REEL_F32, REEL_SCALAR, 0.25), *y[1], *want[1];
    reel_session_profile(s, true);
    for (int i = 0; i < 3; i++) reel_session_run(s, REEL_FEEDS({"x", x}, {"w", w}), REEL_FETCHES("y"), want);
    char *text[2] = {NULL};
    size_t n[2];
    for (int k = 0; k < 2; k++) {
        FILE *f = open_memstream(&text[k], &n[k]);
        if (!f) continue;
        if (k)
            reel_session_html(f, s);
        else
            reel_session_profile_print(f, s);
        fclose(f);
    }
    TAP_OK(text[0] && strstr(text[0], "tanh+add+mean+sub+exp"), "a profile names the group behind the seam");
    TAP_OK(text[1] && strstr(text[1], "compress"), "a page has its nodes");
    if (text[0] && !strstr(text[0], "tanh+add+mean+sub+exp")) TAP_NOTE("%s", text[0]);
    free(text[0]);
    free(text[1]);
    reel_session_profile(s, false);
    int seen = 0, runs[3];
    TAP_EQ_INT(reel_session_on_node(s, count_node, &seen), 0);
    for (int i = 0; i < 3; i++) {
        seen = 0;
        reel_session_run(s, REEL_FEEDS({"x", x}, {"w", w}), REEL_FETCHES("y"), y);
        runs[i] = seen;
    }
    TAP_OK(runs[0] > 10 && runs[0] == runs[1] && runs[1] == runs[2], "a hook sees %d nodes in each run", runs[0]);
    TAP_OK(same_bits(y[0], want[0]), "and the result is the same");
    reel_session_on_node(s, NULL, NULL);
    TAP_EQ_INT(reel_session_verify(s, REEL_FEEDS({"x", x}, {"w", w}), REEL_FETCHES("y"), NULL, NULL), 0);
    expect_none("looked at");
    reel_session_free(s);
    reel_graph_free(g);
}

/* What was made of an input or a variable before the seam is read where a result goes over it: not in the same places. */
static int turns(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *const *w = self;
    reel_tensor *back = reel_flip(in[1], REEL_AXES(0)), *there = reel_flip(*w, REEL_AXES(0));
    reel_tensor *mean = reel_mean(positive(in[0]));
    out[0] = reel_add(reel_tanh(reel_mul(in[1], mean)), back);
    return reel_assign(*w, reel_add(reel_mul(*w, mean), there));
}

static void test_views(void)
{
    REEL_SCOPED;
    reel_vars *vars = reel_vars_new("v");
    reel_tensor *w = reel_var(vars, "w", reel_sin(reel_arange(REEL_F32, 0, 600, 1))), *out[1];
    reel_function *f =
        reel_function_new(REEL_FN(turns, &w, 2, 1), REEL_OPTS(function, .donate = 2, .check_plans = true));
    for (int i = 0; i < 4; i++) {
        REEL_SCOPED;
        reel_tensor *x = some(30, 4), *mean = reel_mean(positive(x)), *y = reel_cos(reel_arange(REEL_F32, 0, 600, 1));
        reel_tensor *want = reel_add(reel_tanh(reel_mul(y, mean)), reel_flip(y, REEL_AXES(0)));
        reel_tensor *next = reel_add(reel_mul(w, mean), reel_flip(reel_mul(w, reel_num(1)), REEL_AXES(0)));
        TAP_EQ_INT(reel_function_call(f, REEL_LIST(x, y), out), 0);
        TAP_OK(same_bits(out[0], want) && same_bits(w, next), "run %d", i);
    }
    expect_none("views");
    reel_function_free(f);
    reel_vars_free(vars);
}

/* Of an op with several outputs one is fed, another fetched; and its number differs from what is fed. */
static void test_fed(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(30), "x"), *u[4], *out[3], *fed[3];
    reel_unique_all(x, NULL, u);
    reel_tensor *y = reel_mul(reel_exp(reel_neg(u[0])), reel_ones_like(u[0])),
                *z = reel_mul(u[3], reel_ones_like(u[3]));
    reel_graph_end(g);
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .check_plans = true));
    reel_session *plain = reel_session_new(g, REEL_OPTS(session, .passes = "none", .check_plans = true));
    reel_tensor *data = reel_floor(reel_mul(some(30, 5), reel_num(2))), *values = reel_arange(REEL_F32, 0, 7, 1);
    reel_session_run_handles(plain, REEL_LIST(x), REEL_LIST(data), REEL_LIST(y, z, u[2]), out);
    for (int i = 0; i < 3; i++) {
        reel_session_run_handles(s, REEL_LIST(x), REEL_LIST(data), REEL_LIST(y, z, u[2]), fed);
        TAP_OK(same_bits(fed[0], out[0]) && same_bits(fed[1], out[1]) && same_bits(fed[2], out[2]), "run %d", i);
    }
    for (int i = 0; i < 3; i++) {
        reel_session_run_handles(s, REEL_LIST(x, u[0]), REEL_LIST(data, values), REEL_LIST(y, z, u[2]), fed);
        TAP_OK(same_bits(fed[0], reel_exp(reel_neg(values))) && same_bits(fed[1], out[1]) && same_bits(fed[2], out[2]),
               "one of its outputs fed, run %d", i);
    }
    expect_none("fed");
    reel_session_free(s);
    reel_session_free(plain);
    reel_graph_free(g);
}

TAP_MAIN(test_bits, test_passes, test_training, test_memory, test_views, test_fed, test_looked_at)
