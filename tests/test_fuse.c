/* test_fuse.c: elementwise steps that become one pass over memory: which do, which must not, and always the eager bits. */
#include <stdlib.h>
#include "reel/reel.h"
#include "trace/trace.h"
#include "trace_help.h"

typedef int body(reel_tensor *const in[], reel_tensor *out[]);
typedef struct program {
    body *f;
} program;

static int call_body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    return ((program *)self)->f(in, out);
}

/* The program over x and y (and their views), eagerly and as a session: the same bits in each output; the plan in *info. */
static bool agrees(body *f, int n_out, reel_tensor *x, reel_tensor *y, reel_plan_info *info)
{
    program p = {f};
    reel_tensor *want[4] = {NULL}, *got[4] = {NULL}, *made[4];
    static const char *const names[4] = {"o0", "o1", "o2", "o3"};
    if (reel_invoke(REEL_FN(call_body, &p, 2, n_out), REEL_LIST(x, y), want)) return false;
    reel_graph *g = reel_graph_begin();
    {
        REEL_SCOPED;
        reel_tensor *in[2] = {reel_placeholder(reel_dtype_of(x), reel_shape_of(x), "x"),
                              reel_placeholder(reel_dtype_of(y), reel_shape_of(y), "y")};
        if (!f(in, made))
            for (int i = 0; i < n_out; i++) reel_output(names[i], made[i]);
    }
    if (reel_graph_end(g)) return false;
    reel_session *s = reel_session_new(g, NULL);
    reel_session_poison_(s, true);
    bool ok = true;
    for (int threads = 1; threads <= 2; threads++) {
        reel_set_threads(threads);
        ok = ok && reel_session_run(s, REEL_FEEDS({"x", x}, {"y", y}), (reel_names){n_out, names}, got) == 0;
        for (int i = 0; ok && i < n_out; i++) ok = same_bits(got[i], want[i]);
    }
    ok = ok && reel_session_info(s, info) == 0;
    reel_session_free(s);
    reel_graph_free(g);
    return ok && !reel_status();
}

static int chain(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *a = reel_add(reel_mul(in[0], reel_num(2)), reel_num(1));
    out[0] = reel_sub(reel_mul(a, reel_tanh(in[0])), reel_div(in[1], reel_num(3)));
    return reel_status();
}

static void test_chain(void)
{
    static const reel_dtype dtypes[] = {REEL_F32, REEL_F64, REEL_F16, REEL_BF16};
    static const int64_t sizes[] = {0, 1, 3, 511, 513, 5000, 300000};
    for (int d = 0; d < 4; d++)
        for (int i = 0; i < 7; i++) {
            REEL_SCOPED;
            reel_plan_info info = {0};
            reel_tensor *x = reel_randn(dtypes[d], REEL_SHAPE(sizes[i])),
                        *y = reel_randn(dtypes[d], REEL_SHAPE(sizes[i]));
            const bool ok = agrees(chain, 1, x, y, &info);
            TAP_OK(ok && (sizes[i] == 0 || (info.steps == 1 && info.fused_nodes == 6)),
                   "a chain of six over %d %s: %d steps, %d nodes fused", (int)sizes[i], reel_dtype_name(dtypes[d]),
                   info.steps, info.fused_nodes);
        }
}

static void test_layouts(void)
{
    REEL_SCOPED;
    bool ok;
    reel_plan_info info = {0};
    reel_tensor *m = reel_randn(REEL_F32, REEL_SHAPE(70, 90)), *row = reel_randn(REEL_F32, REEL_SHAPE(90)),
                *column = reel_randn(REEL_F32, REEL_SHAPE(70, 1)), *one = reel_randn(REEL_F32, REEL_SHAPE(1, 1)),
                *wide = reel_randn(REEL_F32, REEL_SHAPE(90, 70));
    ok = agrees(chain, 1, m, row, &info);
    TAP_OK(ok && info.fused_steps == 1, "a row broadcast at the end");
    ok = agrees(chain, 1, m, column, &info);
    TAP_OK(ok && info.fused_steps == 1, "a column");
    ok = agrees(chain, 1, m, one, &info);
    TAP_OK(ok && info.fused_steps == 1, "one element");
    ok = agrees(chain, 1, reel_transpose(wide, REEL_AXES(1, 0)), m, &info);
    TAP_OK(ok && info.fused_steps == 1, "a transposed feed");
    ok = agrees(chain, 1, reel_flip(m, REEL_AXES(0, 1)), m, &info);
    TAP_OK(ok && info.fused_steps == 1, "a reversed feed");
    ok = agrees(chain, 1, row, m, &info);
    TAP_OK(ok && info.fused_steps == 2, "what is small first stays small: two groups");
}

/* Values that leave a group: fetched, read by a product, read as a view. */
static int leaving(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *a = reel_exp(in[0]), *b = reel_add(a, in[1]), *c = reel_mul(b, b);
    out[0] = a;
    out[1] = reel_matmul(b, reel_transpose(c, REEL_AXES(1, 0)));
    out[2] = reel_sub(reel_add(c, out[1]), reel_square(a));
    return reel_status();
}

/* c = exp(b) may not run where d does, for the sum stands between; and the view of a is no element-by-element read. */
static int between(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *a = reel_mul(in[0], in[1]), *b = reel_neg(a);
    reel_tensor *s = reel_sum(b);
    reel_tensor *c = reel_exp(b), *d = reel_add(c, s);
    out[0] = reel_add(d, reel_transpose(a, REEL_AXES(1, 0)));
    out[1] = reel_mul(reel_add(in[0], reel_num(1)), reel_flip(a, REEL_AXES(0)));
    return reel_status();
}

static int mixed_types(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *low = reel_less(in[0], in[1]), *wide = reel_cast(in[0], REEL_F64);
    reel_tensor *w = reel_where(low, wide, reel_mul(wide, reel_num(0.1)));
    out[0] = reel_cast(reel_add(w, reel_num(1e-9)), REEL_F32);
    out[1] = reel_logical_and(low, reel_greater(in[1], reel_num(0)));
    out[2] = reel_cast(reel_add(reel_cast(reel_mul(in[1], reel_num(50)), REEL_I8), reel_num(100)), REEL_F32);
    return reel_status();
}

/* 20 feeds of one shape, each a product of its own so that none is a group's own value. */
static int crowded(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *sum = in[0];
    for (int i = 0; i < 20; i++) sum = reel_add(reel_tanh(sum), reel_matmul(in[1], reel_mul(in[1], reel_num(i))));
    out[0] = sum;
    return reel_status();
}

/* More members, and more that leave, than one group holds. */
static int long_one(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *y = in[0], *kept[24] = {NULL};
    for (int i = 0; i < 24; i++) {
        y = reel_mul(reel_add(y, reel_num(0.25 * i)), in[1]);
        y = reel_tanh(y);
        kept[i] = y;
    }
    out[0] = y;
    out[1] = reel_concat((reel_list){24, kept}, 0);
    return reel_status();
}

/* Zero-dimensional arithmetic with more numbers than a group takes. */
static int numbers(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *a = reel_sum(in[0]), *y = a;
    for (int i = 0; i < 40; i++) y = reel_add(reel_mul(y, reel_num(1.0 / (i + 2))), reel_sigmoid(reel_num(0.5 * i)));
    out[0] = reel_add(reel_softplus(y), reel_sum(in[1]));
    return reel_status();
}

static void test_shapes_of_groups(void)
{
    REEL_SCOPED;
    bool ok;
    reel_plan_info info = {0};
    reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(30, 30)), *y = reel_randn(REEL_F32, REEL_SHAPE(30, 30));
    ok = agrees(leaving, 3, x, y, &info);
    TAP_OK(ok && info.fused_steps == 2 && info.steps == 3, "values that leave: %d steps, %d fused", info.steps,
           info.fused_steps);
    ok = agrees(between, 2, x, y, &info);
    TAP_OK(ok && info.fused_steps >= 2, "what stands between: %d fused", info.fused_steps);
    ok = agrees(mixed_types, 3, x, y, &info);
    TAP_OK(ok && info.fused_nodes >= 9, "casts, comparisons, where: %d nodes in %d groups", info.fused_nodes,
           info.fused_steps);
    ok = agrees(crowded, 1, x, y, &info);
    TAP_OK(ok, "more inputs than a group takes: %d groups", info.fused_steps);
    ok = agrees(long_one, 2, x, y, &info);
    TAP_OK(ok && info.fused_steps >= 3, "more members and outputs than one takes: %d groups of %d", info.fused_steps,
           info.fused_nodes);
    ok = agrees(numbers, 1, x, y, &info);
    TAP_OK(ok, "more numbers than one takes: %d groups of %d", info.fused_steps, info.fused_nodes);
}

/* A fused step's outputs go over its inputs where those die. */
static int dying(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *a = reel_matmul(in[0], in[1]), *b = reel_tanh(a), *c = reel_add(b, a), *d = reel_mul(c, b);
    out[0] = reel_matmul(c, d);
    return reel_status();
}

static void test_memory(void)
{
    REEL_SCOPED;
    bool ok;
    reel_plan_info info = {0};
    reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(64, 64)), *y = reel_randn(REEL_F32, REEL_SHAPE(64, 64));
    ok = agrees(dying, 1, x, y, &info);
    TAP_OK(ok && info.steps == 2, "what reads a product alone is done to its blocks: %d in place, %d steps",
           info.in_place, info.steps);
    TAP_OK(info.arena_bytes <= 2 * 64 * 64 * 4 + 64 * 1024, "in %zu bytes", info.arena_bytes);
}

TAP_MAIN(test_chain, test_layouts, test_shapes_of_groups, test_memory)
