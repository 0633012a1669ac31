/* test_after.c: elementwise steps that are done to the blocks of a product: which are, which must not be, and always the eager bits,
   whatever route the product takes. */
#include <stdlib.h>
#include "trace/trace.h"
#include "trace_help.h"

enum { MAX_OUT = 3 };

typedef int body(reel_tensor *const in[], reel_tensor *out[]);
typedef struct program {
    body *f;
} program;
static int call_body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    return ((program *)self)->f(in, out);
}

static int steps;
static size_t found;

/* The program over a, b, c, eagerly and as a session: the same bits in each output. */
static bool agrees(body *f, int n_out, reel_tensor *const x[3], const char *passes)
{
    program p = {f};
    reel_tensor *want[MAX_OUT] = {NULL}, *got[MAX_OUT] = {NULL}, *made[MAX_OUT];
    static const char *const names[MAX_OUT] = {"o0", "o1", "o2"}, *const in_names[3] = {"a", "b", "c"};
    reel_feed feed[3];
    if (reel_invoke(REEL_FN(call_body, &p, 3, n_out), REEL_LIST(x[0], x[1], x[2]), want)) return false;
    reel_graph *g = reel_graph_begin();
    {
        REEL_SCOPED;
        reel_tensor *in[3];
        for (int i = 0; i < 3; i++) {
            in[i] = reel_placeholder(reel_dtype_of(x[i]), reel_shape_of(x[i]), in_names[i]);
            feed[i] = (reel_feed){in_names[i], x[i]};
        }
        if (!f(in, made))
            for (int i = 0; i < n_out; i++) reel_output(names[i], made[i]);
    }
    if (reel_graph_end(g)) return false;
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .passes = passes, .check_plans = true));
    reel_session_poison_(s, true);
    bool ok = true;
    for (int threads = 1; threads <= 2; threads++) {
        reel_set_threads(threads);
        ok = ok && reel_session_run(s, (reel_feeds){3, feed}, (reel_names){n_out, names}, got) == 0;
        for (int i = 0; ok && i < n_out; i++) ok = same_bits(got[i], want[i]);
    }
    const reel_plan *plan = reel_session_plan_(s);
    found = plan ? plan->found[REEL_STEPS_EPILOGUE] : 0;
    steps = plan ? plan->n_steps + plan->n_late : 0;
    if (!ok || getenv("REEL_VERBOSE")) (void)reel_session_explain(stderr, s);
    reel_session_free(s);
    reel_graph_free(g);
    return ok && !reel_status();
}

static int bias_gelu(reel_tensor *const in[], reel_tensor *out[])
{
    out[0] = reel_gelu(reel_add(reel_matmul(in[0], in[1]), in[2]));
    return reel_status();
}
static int twice(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *m = reel_matmul(in[0], in[1]);
    out[0] = reel_mul(m, m); /* one step by itself */
    return reel_status();
}
static int several(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *z = reel_add(reel_matmul(in[0], in[1]), in[2]);
    out[0] = reel_cast(reel_greater(z, reel_num(0)), REEL_F32);
    out[1] = reel_mul(reel_tanh(z), reel_num(2));
    out[2] = z;
    return reel_status();
}

static void test_routes(void)
{
    static const int64_t sizes[][3] = {{1, 7, 9},      {5, 3, 1},      {2, 2, 2},      {32, 64, 32},   {33, 65, 129},
                                       {64, 784, 256}, {300, 40, 500}, {1, 600, 4000}, {513, 257, 130}};
    static const reel_dtype dtypes[] = {REEL_F32, REEL_F64, REEL_BF16, REEL_F16, REEL_I32};
    for (int d = 0; d < 5; d++)
        for (int i = 0; i < (d < 2 ? 9 : 6); i++) {
            REEL_SCOPED;
            const int64_t m = sizes[i][0], k = sizes[i][1], n = sizes[i][2];
            reel_tensor *x[3] = {reel_cast(reel_randn(REEL_F32, REEL_SHAPE(m, k)), dtypes[d]),
                                 reel_cast(reel_randn(REEL_F32, REEL_SHAPE(k, n)), dtypes[d]),
                                 reel_cast(reel_randn(REEL_F32, REEL_SHAPE(n)), dtypes[d])};
            const char *name = reel_dtype_name(dtypes[d]);
            bool ok = dtypes[d] == REEL_I32 || (agrees(bias_gelu, 1, x, NULL) && steps == 1 && found == 1);
            TAP_OK(ok, "[%d,%d]x[%d,%d] %s, bias, gelu: one step", (int)m, (int)k, (int)k, (int)n, name);
            ok = agrees(twice, 1, x, NULL) && steps == 1 && found == 1;
            TAP_OK(ok, "its square");
            ok = dtypes[d] == REEL_I32 || (agrees(several, 3, x, NULL) && steps == 1);
            TAP_OK(ok, "several results: %d steps", steps);
        }
}

/* Batches, transposed operands, residuals and biases of any shape. */
static void test_layouts(void)
{
    REEL_SCOPED;
    reel_tensor *a = reel_randn(REEL_F32, REEL_SHAPE(3, 40, 50)), *b = reel_randn(REEL_F32, REEL_SHAPE(3, 60, 50));
    reel_tensor *c[] = {reel_randn(REEL_F32, REEL_SHAPE(60)),
                        reel_randn(REEL_F32, REEL_SHAPE(40, 1)),
                        reel_randn(REEL_F32, REEL_SHAPE(3, 1, 1)),
                        reel_randn(REEL_F32, REEL_SHAPE(3, 40, 60)),
                        reel_randn(REEL_F32, REEL_SHAPE(1, 40, 60)),
                        reel_randn(REEL_F32, REEL_SCALAR),
                        reel_transpose(reel_randn(REEL_F32, REEL_SHAPE(60, 40, 3)), REEL_AXES(2, 1, 0))};
    for (int i = 0; i < 7; i++) {
        reel_tensor *x[3] = {a, reel_transpose(b, REEL_AXES(0, 2, 1)), c[i]};
        TAP_OK(agrees(bias_gelu, 1, x, NULL) && steps == 1, "batches, operand %d: %d steps", i, steps);
        reel_tensor *y[3] = {a, reel_slice(x[1], 1, REEL_RANGES({1, 2, 1})), c[i]};
        TAP_OK(agrees(bias_gelu, 1, y, NULL) && steps == 1, "many times one matrix");
        TAP_OK(agrees(bias_gelu, 1, x, "default,-epilogue") && found == 0 && steps == 2, "switched off: two steps");
    }
}

/* Read by somebody else, as a view, in a larger shape; two products into one. */
static int read_twice(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *m = reel_matmul(in[0], in[1]);
    out[0] = reel_exp(m);
    out[1] = reel_sum_axes(m, REEL_AXES(0), false);
    return reel_status();
}
static int turned(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *m = reel_matmul(in[0], in[1]);
    out[0] = reel_add(m, reel_transpose(m, REEL_ALL_AXES));
    return reel_status();
}
static int repeated(reel_tensor *const in[], reel_tensor *out[])
{
    out[0] = reel_add(reel_matmul(in[0], in[1]), reel_broadcast_to(in[2], REEL_SHAPE(2, 30, 30)));
    return reel_status();
}
static int two_products(reel_tensor *const in[], reel_tensor *out[])
{
    out[0] = reel_tanh(reel_add(reel_matmul(in[0], in[1]), reel_matmul(in[1], in[0])));
    return reel_status();
}
static int fetched(reel_tensor *const in[], reel_tensor *out[])
{
    out[0] = reel_matmul(in[0], in[1]);
    out[1] = reel_tanh(out[0]);
    return reel_status();
}
static int only_bools(reel_tensor *const in[], reel_tensor *out[])
{
    out[0] = reel_greater(reel_matmul(in[0], in[1]), in[2]); /* nothing has the product's dtype */
    return reel_status();
}
static int read_later(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *m = reel_matmul(in[0], in[1]);
    out[0] = reel_add(m, in[2]); /* it cannot go over m, which is read once more */
    out[1] = reel_greater(m, reel_tanh(out[0]));
    return reel_status();
}
static int squeezed(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *e = reel_exp(reel_reshape(in[2], REEL_SHAPE(1, 30)));
    out[0] = reel_add(reel_neg(e), reel_squeeze(e, REEL_ALL_AXES)); /* the same elements without an axis */
    return reel_status();
}
static int in_a_row(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *h = in[0];
    for (int i = 0; i < 4; i++) h = reel_relu(reel_add(reel_matmul(h, in[1]), in[2]));
    out[0] = h;
    return reel_status();
}

static void test_apart(void)
{
    REEL_SCOPED;
    reel_tensor *x[3] = {reel_randn(REEL_F32, REEL_SHAPE(30, 30)), reel_randn(REEL_F32, REEL_SHAPE(30, 30)),
                         reel_randn(REEL_F32, REEL_SHAPE(30))};
    TAP_OK(agrees(read_twice, 2, x, NULL) && found == 0, "somebody else reads it");
    TAP_OK(agrees(turned, 1, x, NULL) && found == 0, "read turned around");
    TAP_OK(agrees(repeated, 1, x, NULL) && found == 0, "repeated");
    TAP_OK(agrees(two_products, 1, x, NULL) && found == 1 && steps == 2, "of two products one: %d steps", steps);
    TAP_OK(agrees(fetched, 2, x, NULL) && found == 0, "fetched");
    TAP_OK(agrees(only_bools, 1, x, NULL) && found == 0, "nowhere for it to lie");
    TAP_OK(agrees(read_later, 2, x, NULL) && found == 0, "read when its only place is taken");
    TAP_OK(agrees(squeezed, 1, x, NULL) && steps == 1, "a member that another reads without an axis: %d steps", steps);
    TAP_OK(agrees(in_a_row, 1, x, NULL) && found == 4 && steps == 4, "four layers are four steps: %d", steps);
}

TAP_MAIN(test_routes, test_layouts, test_apart)
