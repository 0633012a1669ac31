/* No memory, at every place where memory is asked for: a clear error, nothing leaks, the next call works. Each attempt runs in
   a thread of its own, so that the thread's caches are filled (and can fail) anew. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "expect.h"

static _Atomic int64_t outstanding, countdown; /* bytes; allocations until one fails, 0: none does */
static _Atomic int failed;

static void *take(void *self, size_t bytes)
{
    (void)self;
    if (atomic_load(&countdown) > 0 && atomic_fetch_sub(&countdown, 1) == 1) {
        atomic_store(&failed, 1);
        return NULL;
    }
    atomic_fetch_add(&outstanding, (int64_t)bytes);
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void give(void *self, void *p, size_t bytes)
{
    (void)self;
    atomic_fetch_sub(&outstanding, (int64_t)bytes);
    free(p);
}

static double value; /* what the last healthy run computed */

static int expression(void)
{
    REEL_SCOPED;
    reel_tensor *x = reel_arange(REEL_F32, 0, 600, 1), *m = reel_reshape(x, REEL_SHAPE(20, 30));
    reel_tensor *parts[2];
    reel_split(m, 1, 2, parts);
    reel_tensor *y = reel_softmax(reel_matmul(parts[0], reel_transpose(parts[1], REEL_ALL_AXES)), -1);
    y = reel_concat(REEL_LIST(y, reel_exp(reel_mul(y, reel_num(-2)))), 0);
    value = reel_item(reel_mean(reel_where(reel_greater(y, reel_num(0.5)), y, reel_neg(y))));
    return reel_status();
}

struct model {
    reel_vars *vars;
    reel_dense a, b;
    reel_optimizer *opt;
};

static int step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct model *m = self;
    reel_tape *tape = reel_tape_begin(NULL);
    reel_tensor *h = reel_tanh(reel_dense_apply(&m->a, in[0]));
    out[0] = reel_mean(reel_softmax_cross_entropy(reel_dense_apply(&m->b, h), in[1]));
    return reel_minimize(m->opt, tape, out[0]);
}

static reel_tensor *labels(void)
{
    const int32_t l[4] = {0, 1, 2, 1};
    return reel_from_i32(REEL_SHAPE(4), l, 4);
}

/* Trains three steps; how: 0 eagerly, 1 traced and replayed. */
static int train(int how)
{
    struct model m = {.vars = reel_vars_new("m")};
    reel_function *f = NULL;
    reel_seed(1);
    if (m.vars && !reel_dense_init(&m.a, m.vars, "a", REEL_F32, 50, 40) &&
        !reel_dense_init(&m.b, m.vars, "b", REEL_F32, 40, 3))
        m.opt = reel_adam(m.vars, NULL);
    if (how == 1) f = reel_function_new(REEL_FN(step, &m, 2, 1), NULL);
    for (int i = 0; i < 3 && reel_status() == 0; i++) {
        REEL_SCOPED;
        reel_tensor *out[1], *x = reel_uniform(REEL_F32, REEL_SHAPE(4, 50), 0, 1, NULL);
        if (how == 1)
            reel_function_call(f, REEL_LIST(x, labels()), out);
        else
            reel_invoke(REEL_FN(step, &m, 2, 1), REEL_LIST(x, labels()), out);
        value = reel_item(out[0]);
    }
    reel_function_free(f);
    reel_optimizer_free(m.opt);
    reel_vars_free(m.vars);
    return reel_status();
}
static int backward(void)
{
    return train(0);
}
static int trace(void)
{
    return train(1);
}

static int session(void)
{
    reel_graph *g = NULL;
    {
        REEL_SCOPED;
        g = reel_graph_begin();
        reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 50), "x");
        reel_output("y", reel_sum(reel_sigmoid(reel_matmul(x, reel_transpose(x, REEL_ALL_AXES)))));
        if (!g || reel_graph_end(g)) g = NULL;
    }
    reel_session *s = g ? reel_session_new(g, NULL) : NULL;
    for (int rows = 1; rows < 40 && reel_status() == 0; rows += 19) {
        REEL_SCOPED;
        reel_tensor *out[1];
        reel_session_run(s, REEL_FEEDS({"x", reel_full(REEL_F32, REEL_SHAPE(rows, 50), 0.01)}), REEL_FETCHES("y"), out);
        value = reel_item(out[0]);
    }
    reel_session_free(s);
    reel_graph_free(g);
    return reel_status();
}

/* A convolution with what is behind it, and a reduction with what makes its operand, as one step each. */
static int join(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *y = reel_relu(reel_conv2d(in[0], in[1], REEL_OPTS(conv2d, .padding = REEL_SAME)));
    reel_tensor *z = reel_sum_axes(reel_mul(in[0], reel_sigmoid(in[0])), REEL_AXES(0, 2, 3), false);
    out[0] = reel_add(reel_sum(y), reel_sum(z));
    return reel_status();
}

static int joining(void)
{
    reel_function *f = reel_function_new(REEL_FN(join, NULL, 2, 1), NULL);
    (void)reel_seed(4);
    for (int i = 0; i < 3 && reel_status() == 0; i++) {
        REEL_SCOPED;
        reel_tensor *out[1], *x = reel_randn(REEL_F32, REEL_SHAPE(2, 3, 100, 90));
        reel_function_call(f, REEL_LIST(x, reel_ones(REEL_F32, REEL_SHAPE(4, 3, 3, 3))), out);
        value = reel_item(out[0]);
    }
    reel_function_free(f);
    return reel_status();
}

/* Sizes that depend on data: eagerly, traced, replayed with others; with their gradients. */
static int pick(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tape *tape = reel_tape_begin(NULL);
    (void)reel_watch(tape, REEL_LIST(in[0]));
    reel_tensor *p = reel_masked_select(in[0], reel_greater(in[0], reel_num(0.5)));
    reel_tensor *u = reel_unique(reel_mul(p, reel_num(2)));
    out[0] = reel_add(reel_sum(reel_square(p)), reel_sum(u));
    return reel_grad(tape, out[0], REEL_LIST(in[0]), out + 1);
}

static int picking(void)
{
    reel_function *f = reel_function_new(REEL_FN(pick, NULL, 1, 2), NULL);
    (void)reel_seed(3);
    for (int i = 0; i < 4 && reel_status() == 0; i++) {
        REEL_SCOPED;
        reel_tensor *out[2], *x = reel_uniform(REEL_F32, REEL_SHAPE(90), 0, 1, NULL);
        if (i)
            reel_function_call(f, REEL_LIST(x), out);
        else
            reel_invoke(REEL_FN(pick, NULL, 1, 2), REEL_LIST(x), out);
        value = reel_item(out[0]) + reel_item(reel_sum(out[1]));
    }
    reel_function_free(f);
    return reel_status();
}

/* An embedding whose touched rows move, eagerly and replayed. */
static int rows_step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct model *m = self;
    reel_tape *tape = reel_tape_begin(NULL);
    reel_tensor *e = reel_embedding(m->a.w, in[0], NULL);
    e = reel_add(reel_sum(reel_square(e)), reel_sum(reel_tanh(reel_embedding(m->a.w, in[0], NULL))));
    out[0] = reel_add(e, reel_sum(reel_square(m->a.b)));
    return reel_minimize(m->opt, tape, out[0]);
}

static int rows(void)
{
    struct model m = {.vars = reel_vars_new("m")};
    reel_function *f = NULL;
    reel_seed(1);
    if (m.vars && !reel_dense_init(&m.a, m.vars, "a", REEL_F32, 50, 40)) m.opt = reel_adam(m.vars, NULL);
    for (int i = 0; i < 6 && reel_status() == 0; i++) {
        REEL_SCOPED;
        reel_tensor *out[1] = {NULL}; /* a call of no function does not know how many to clear */
        if (i == 2) f = reel_function_new(REEL_FN(rows_step, &m, 1, 1), NULL);
        if (i >= 2)
            reel_function_call(f, REEL_LIST(labels()), out);
        else
            reel_invoke(REEL_FN(rows_step, &m, 1, 1), REEL_LIST(labels()), out);
        value = reel_item(out[0]);
    }
    reel_function_free(f);
    reel_optimizer_free(m.opt);
    reel_vars_free(m.vars);
    return reel_status();
}

/* Control flow with its gradient, sizes that become unknown, the check of the body. */
static int far(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_greater(reel_sum(reel_square(in[0])), reel_num(0.5));
    return reel_status();
}
static int nearer(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    out[0] = reel_mul(in[0], self);
    return reel_status();
}
static int add(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_add(in[0], in[1]);
    out[1] = reel_square(out[0]);
    return reel_status();
}
static int loops(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tape *tape = reel_tape_begin(NULL);
    (void)reel_watch(tape, REEL_LIST(in[0], in[1]));
    reel_tensor *r[2] = {NULL, NULL}, *y[1] = {NULL}, *g[2] = {NULL, NULL};
    reel_scan(REEL_FN(add, NULL, 2, 2), REEL_LIST(reel_num(0)), REEL_LIST(in[0]), r);
    reel_cond(reel_greater(r[0], reel_num(0)), REEL_FN(nearer, in[1], 1, 1), REEL_FN(nearer, r[0], 1, 1),
              REEL_LIST(r[1]), y);
    reel_while(REEL_FN(far, NULL, 1, 1), REEL_FN(nearer, in[1], 1, 1), REEL_LIST(y[0]),
               REEL_OPTS(while, .max_steps = 3), y);
    out[0] = reel_sum(y[0]);
    if (reel_grad(tape, out[0], REEL_LIST(in[0], in[1]), g)) return reel_status();
    out[1] = reel_add(reel_sum(g[0]), g[1]);
    return reel_status();
}

static int control(void)
{
    reel_function *f = reel_function_new(REEL_FN(loops, NULL, 2, 2), NULL);
    for (int i = 0; i < 2 && reel_status() == 0; i++) {
        REEL_SCOPED;
        reel_tensor *out[2] = {NULL, NULL};
        reel_function_call(f, REEL_LIST(reel_arange(REEL_F32, 0, 3, 1), reel_full(REEL_F32, REEL_SCALAR, 0.5)), out);
        value = reel_item(out[0]) + reel_item(out[1]);
    }
    reel_function_free(f);
    return reel_status();
}
/* Assignments and draws inside bodies, checkpoints, functions as nodes; gradients as nodes of a graph. */
struct bodies {
    reel_vars *vars;
    reel_tensor *w, *table;
    reel_function *layer;
};

static int bump(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct bodies *b = self;
    reel_assign(b->w, reel_add(b->w, reel_num(1)));
    out[0] = reel_add(in[0], reel_mul(reel_dropout(in[1], 0.5, NULL), in[0]));
    return reel_status();
}

static int smooth(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct bodies *b = self;
    out[0] = reel_mul(reel_add(reel_tanh(in[0]), reel_value(b->w)), b->w);
    return reel_status();
}

static int softer(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_tanh(in[0]);
    return reel_status();
}
/* Inputs given away: results in their memory. */
static int donated(void)
{
    REEL_SCOPED;
    reel_function *f = reel_function_new(REEL_FN(softer, NULL, 1, 1), REEL_OPTS(function, .donate = 1));
    reel_tensor *x = reel_arange(REEL_F32, 0, 64, 1), *out[1] = {NULL};
    for (int i = 0; i < 3 && reel_status() == 0; i++) {
        if (reel_function_call(f, REEL_LIST(x), out)) break;
        x = out[0];
    }
    value = reel_status() ? 0 : reel_item(reel_sum(x));
    reel_function_free(f);
    return reel_status();
}

static int donated_session(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = g ? reel_placeholder(REEL_F32, REEL_SHAPE(64), "x") : NULL, *out[2];
    reel_output("y", reel_tanh(x));
    int rc = reel_status() ? reel_status() : reel_graph_end(g);
    reel_session *s = rc ? NULL : reel_session_new(g, REEL_OPTS(session, .donate = "x"));
    x = reel_arange(REEL_F32, 0, 64, 1);
    for (int i = 0; i < 3 && s; i++) {
        if (reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y", "x"), out)) break;
        x = out[0];
    }
    value = reel_status() ? 0 : reel_item(reel_sum(x));
    reel_session_free(s);
    if (!rc) reel_graph_free(g);
    return reel_status();
}

static int behind_a_seam(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *const *w = self;
    reel_tensor *h = reel_flip(reel_tanh(in[0]), REEL_AXES(0)), *p = reel_masked_select(h, reel_greater(h, *w));
    reel_tensor *q = reel_masked_select(p, reel_less(p, reel_num(0.9)));
    out[0] = reel_add(reel_sum(reel_mul(reel_exp(q), reel_ones_like(q))), reel_mul(reel_mean(h), reel_sum(*w)));
    return reel_assign(*w, reel_mul(*w, reel_num(0.5)));
}
static int rests(void)
{
    REEL_SCOPED;
    reel_vars *vars = reel_vars_new("v");
    reel_tensor *w = reel_var(vars, "w", reel_full(REEL_F32, REEL_SHAPE(32), 0.01)), *out[1] = {NULL};
    reel_function *f = reel_function_new(REEL_FN(behind_a_seam, &w, 1, 1), NULL);
    for (int i = 0; i < 5 && reel_status() == 0; i++) {
        reel_tensor *x = reel_sub(reel_arange(REEL_F32, 0, 32, 1), reel_num(10 + i % 2));
        if (reel_function_call(f, REEL_LIST(x), out)) break;
    }
    value = reel_status() ? 0 : reel_item(out[0]);
    reel_function_free(f);
    reel_vars_free(vars);
    return reel_status();
}

static int everything(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct bodies *b = self;
    reel_tensor *y[1], *z[1];
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(in[0]));
    reel_checkpoint(REEL_FN(smooth, b, 1, 1), REEL_LIST(in[0]), y);
    reel_function_call(b->layer, REEL_LIST(y[0]), z);
    reel_scan(REEL_FN(bump, b, 2, 1), REEL_LIST(reel_sum(z[0])), REEL_LIST(z[0]), y);
    out[0] = reel_grad1(t, y[0], in[0]);
    return reel_status();
}

static int bodies(void)
{
    struct bodies b = {.vars = reel_vars_new("v")};
    b.w = b.vars ? reel_var(b.vars, "w", reel_ones(REEL_F32, REEL_SCALAR)) : NULL;
    b.layer = reel_function_new(REEL_FN(smooth, &b, 1, 1), REEL_OPTS(function, .call = true));
    reel_function *f = reel_function_new(REEL_FN(everything, &b, 1, 1), NULL);
    reel_seed(1);
    for (int i = 0; i < 2 && reel_status() == 0; i++) {
        REEL_SCOPED;
        reel_tensor *out[1] = {NULL};
        reel_function_call(f, REEL_LIST(reel_arange(REEL_F32, 0, 3, 1)), out);
        value = reel_item(reel_sum(out[0]));
    }
    reel_function_free(f);
    reel_function_free(b.layer);
    reel_vars_free(b.vars);
    return reel_status();
}

/* Gradients of calls: in a graph, and under two tapes. */
static int in_two(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct bodies *b = self;
    reel_tensor *y[1];
    reel_tape *outer = reel_tape_begin(NULL), *inner = reel_tape_begin(NULL);
    reel_watch(outer, REEL_LIST(in[0]));
    reel_watch(inner, REEL_LIST(in[0]));
    if (reel_function_call(b->layer, REEL_LIST(in[0]), y)) return reel_status();
    reel_tensor *g = reel_grad1(inner, reel_sum(reel_square(y[0])), in[0]);
    out[0] = reel_grad1(outer, reel_sum(reel_square(g)), in[0]);
    return reel_status();
}
static int looks_up(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct bodies *b = self;
    out[0] = reel_tanh(reel_mul(reel_embedding(b->table, reel_cast(in[0], REEL_I32), NULL), in[0]));
    return reel_status();
}
static int of_graph(struct bodies *b, reel_function *rows, reel_tensor *v)
{
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = g ? reel_placeholder(REEL_F32, REEL_SHAPE(3), "x") : NULL, *y[1], *z[1], *d[2] = {NULL}, *out[1];
    if (x && !reel_function_call(b->layer, REEL_LIST(x), y) && !reel_function_call(rows, REEL_LIST(x), z)) {
        reel_graph_grad(REEL_LIST(reel_sum(reel_mul(y[0], z[0]))), REEL_LIST(x, b->table), NULL, d);
        if (!reel_status()) reel_output("d", reel_add(reel_sum(d[0]), reel_sum(d[1])));
    }
    int rc = reel_status();
    if (!rc) rc = reel_graph_end(g);
    reel_session *s = rc ? NULL : reel_session_new(g, NULL);
    if (s && !reel_session_run(s, REEL_FEEDS({"x", v}), REEL_FETCHES("d"), out)) value += reel_item(out[0]);
    reel_session_free(s);
    reel_graph_free(g);
    return reel_status();
}
static int gradients_of_calls(void)
{
    REEL_SCOPED;
    value = 0;
    struct bodies b = {.vars = reel_vars_new("v")};
    b.w = b.vars ? reel_var(b.vars, "w", reel_ones(REEL_F32, REEL_SCALAR)) : NULL;
    b.table = b.vars ? reel_var(b.vars, "t", reel_ones(REEL_F32, REEL_SHAPE(4))) : NULL;
    b.layer = reel_function_new(REEL_FN(smooth, &b, 1, 1), REEL_OPTS(function, .call = true));
    reel_function *f = reel_function_new(REEL_FN(in_two, &b, 1, 1), NULL);
    reel_function *rows = reel_function_new(REEL_FN(looks_up, &b, 1, 1), REEL_OPTS(function, .call = true));
    reel_tensor *x = reel_arange(REEL_F32, 0, 3, 1), *out[1] = {NULL};
    reel_seed(1);
    if (!reel_status() && !reel_function_call(f, REEL_LIST(x), out)) value = reel_item(reel_sum(out[0]));
    if (!reel_status()) of_graph(&b, rows, x);
    FILE *nowhere = fopen("/dev/null", "w");
    if (nowhere && !reel_status()) reel_function_explain(nowhere, f);
    if (nowhere) fclose(nowhere);
    reel_function_free(f);
    reel_function_free(rows);
    reel_function_free(b.layer);
    reel_vars_free(b.vars);
    return reel_status();
}

static int twice(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_mul(in[0], reel_num(2));
    return reel_status();
}

static int slope(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_mul(in[2], reel_num(3));
    return reel_status();
}

static int graph_gradient(void)
{
    REEL_SCOPED;
    reel_tensor *y[1], *d[1], *out[1] = {NULL};
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY), "x");
    reel_custom_grad(REEL_FN(twice, NULL, 1, 1), REEL_FN(slope, NULL, 3, 1), REEL_LIST(reel_exp(x)), y);
    reel_graph_grad(REEL_LIST(reel_square(y[0])), REEL_LIST(x), NULL, d);
    reel_graph_grad(REEL_LIST(d[0]), REEL_LIST(x), NULL, d);
    reel_output("d", d[0]);
    const int rc = reel_graph_end(g);
    reel_session *s = rc ? NULL : reel_session_new(g, NULL);
    if (s && reel_session_run(s, REEL_FEEDS({"x", reel_arange(REEL_F32, 0, 3, 1)}), REEL_FETCHES("d"), out) == 0)
        value = reel_item(reel_sum(out[0]));
    reel_session_free(s);
    reel_graph_free(g);
    return reel_status();
}

static int varying(void)
{
    reel_function *f = reel_function_new(REEL_FN(add, NULL, 2, 2), REEL_OPTS(function, .check = -1));
    for (int i = 0; i < 5 && reel_status() == 0; i++) {
        REEL_SCOPED;
        reel_tensor *out[2] = {NULL, NULL}, *x = reel_arange(REEL_F32, 0, 2 + i % 4, 1);
        reel_function_call(f, REEL_LIST(x, x), out);
        value = reel_item(reel_sum(out[1]));
    }
    reel_function_free(f);
    return reel_status();
}

/* Looking into runs: hooks, a check of numbers, verifying, stepping, explaining. (A profile that has no memory is not kept.) */
static int look(void *self, const reel_node_info *e)
{
    const reel_tensor *x = e->n_in > 0 ? reel_node_input(e, 0) : NULL;
    *(int *)self += x != NULL;
    return reel_status();
}
static int write_out(reel_session *s, reel_graph *g)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f) return REEL_EIO;
    int rc = reel_session_explain(f, s);
    if (!rc) rc = reel_graph_dot(f, g);
    (void)fclose(f);
    free(text);
    return rc;
}
static int looked_into(reel_session *s, reel_graph *g, reel_tensor *x)
{
    const reel_feed feed[] = {{"x", x}};
    const reel_feeds feeds = {1, feed};
    reel_tensor *out[1] = {NULL};
    int seen = 0;
    int rc = reel_session_run(s, feeds, REEL_FETCHES("y"), out);
    if (!rc) rc = write_out(s, g);
    if (!rc) rc = reel_session_on_node(s, look, &seen);
    if (!rc) rc = reel_session_watch(s, "y", look, &seen);
    if (!rc) rc = reel_session_run(s, feeds, REEL_FETCHES("y"), out);
    if (!rc) rc = reel_session_on_node(s, NULL, NULL);
    if (!rc) rc = reel_session_verify(s, feeds, REEL_FETCHES("y"), NULL, NULL);
    reel_stepping *st = rc ? NULL : reel_session_begin_steps(s, feeds, REEL_FETCHES("y"));
    while (st && reel_session_step(st)) {}
    if (st && reel_status())
        reel_stepping_free(st);
    else if (st)
        rc = reel_stepping_end(st, out);
    if (!rc && !reel_status()) value = reel_item(out[0]) + (seen > 0);
    return reel_status();
}
static int debugging(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(4, 3), "x");
    reel_output("y", reel_mean(reel_mul(reel_tanh(x), reel_sum_axes(x, REEL_AXES(1), true))));
    if (!g || reel_graph_end(g)) return reel_status();
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .check_numerics = true));
    if (s) (void)looked_into(s, g, reel_full(REEL_F32, REEL_SHAPE(4, 3), 0.5));
    reel_session_free(s);
    reel_graph_free(g);
    return reel_status();
}

/* A session whose runs are on threads: one fails or both do, the error is that thread's. */
struct on_thread {
    reel_session *s;
    int code;
    double value;
    char text[504];
};
static void *run_it(void *self)
{
    struct on_thread *t = self;
    reel_error e;
    {
        REEL_SCOPED;
        reel_tensor *out[1] = {NULL};
        if (!reel_session_run(t->s, REEL_FEEDS({"x", reel_full(REEL_F32, REEL_SHAPE(4, 50), 0.25)}), REEL_FETCHES("y"),
                              out))
            t->value = reel_item(out[0]);
    }
    t->code = reel_take_error(&e);
    memcpy(t->text, e.text, sizeof t->text);
    return NULL;
}
static int on_threads(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 50), "x");
    reel_output("y", reel_sum(reel_sigmoid(reel_matmul(x, reel_transpose(x, REEL_ALL_AXES)))));
    if (!g || reel_graph_end(g)) return reel_status();
    reel_session *s = reel_session_new(g, NULL);
    struct on_thread t[2] = {{.s = s}, {.s = s}};
    pthread_t thread[2];
    for (int i = 0; i < 2 && s; i++) pthread_create(&thread[i], NULL, run_it, &t[i]);
    for (int i = 0; i < 2 && s; i++) pthread_join(thread[i], NULL);
    for (int i = 0; i < 2; i++)
        if (t[i].code) (void)reel_fail(t[i].code, "%s", t[i].text);
    value = t[0].value + t[1].value;
    reel_session_free(s);
    reel_graph_free(g);
    return reel_status();
}

struct attempt {
    int (*body)(void);
    int64_t fail_at;
    int code;
    char text[504];
};

static void *attempt(void *arg)
{
    struct attempt *a = arg;
    reel_error e;
    (void)reel_status();
    atomic_store(&failed, 0);
    atomic_store(&countdown, a->fail_at);
    a->body();
    atomic_store(&countdown, 0);
    a->code = reel_take_error(&e);
    snprintf(a->text, sizeof a->text, "%s", e.text);
    return NULL;
}

static void in_thread(struct attempt *a)
{
    pthread_t t;
    pthread_create(&t, NULL, attempt, a);
    pthread_join(t, NULL);
}

static int64_t stride = 1 << 20; /* of a long program the later allocations are but sampled */

static void every_allocation(int (*body)(void), const char *name)
{
    struct attempt a = {.body = body};
    for (int i = 0; i < 2; i++) in_thread(&a); /* fills what belongs to the process */
    TAP_OK(a.code == 0, "%s: runs when there is memory: %s", name, a.text);
    const double right = value;
    const int64_t before = atomic_load(&outstanding);
    reel_memory_stats s0, s1;
    reel_memory(&s0);
    int wrong = 0, leaks = 0;
    int64_t n = 1;
    for (;; n += 1 + n / stride) {
        a.fail_at = n;
        value = NAN;
        in_thread(&a);
        if (!atomic_load(&failed)) break;
        reel_memory(&s1);
        const bool without = !a.code && value == right && plans_are_compiled(); /* the memory was the compiler's */
        if (!without && (a.code != REEL_ENOMEM || !strstr(a.text, "memory"))) {
            if (!wrong++) tap_note("%s, allocation %d: %s: %s", name, (int)n, reel_code_name(a.code), a.text);
        }
        if (atomic_load(&outstanding) != before || s1.tensors != s0.tensors) {
            if (!leaks++)
                tap_note("%s, allocation %d: %d bytes, %d tensors more than before", name, (int)n,
                         (int)(atomic_load(&outstanding) - before), (int)(s1.tensors - s0.tensors));
            break;
        }
        if (n % 16 == 0) {
            a.fail_at = 0;
            in_thread(&a);
            if (a.code || value != right) wrong++;
        }
    }
    TAP_OK(n > 10, "%s: %d allocations can fail", name, (int)n - 1);
    TAP_OK(wrong == 0, "%s: each gives REEL_ENOMEM, and later runs are right", name);
    TAP_OK(leaks == 0, "%s: nothing leaks", name);
    TAP_OK(a.code == 0 && value == right, "%s: and without a failure it is right", name);
}

static void all(void)
{
    const reel_allocator mine = {.size = sizeof mine, .alloc = take, .free = give};
    TAP_OK(reel_set_allocator(&mine) == 0, "an allocator of the test's own");
    reel_set_threads(1);
    every_allocation(expression, "a forward expression");
    every_allocation(backward, "a backward pass");
    every_allocation(trace, "a trace and its replays");
    every_allocation(picking, "sizes that depend on data");
    every_allocation(rows, "rows of an embedding");
    every_allocation(session, "a session run");
    every_allocation(joining, "steps joined with a convolution and a reduction");
    every_allocation(varying, "sizes that vary, checked");
    every_allocation(debugging, "hooks, verifying, stepping");
    every_allocation(on_threads, "a session on two threads");
    every_allocation(donated, "inputs given away");
    every_allocation(rests, "plans behind seams");
    every_allocation(gradients_of_calls, "gradients of calls");
    every_allocation(donated_session, "a session's feeds given away");
    stride = 40;
    every_allocation(control, "control flow");
    every_allocation(bodies, "bodies that assign and draw, checkpoints, nodes");
    every_allocation(graph_gradient, "gradients as nodes");
}

TAP_MAIN(all)
