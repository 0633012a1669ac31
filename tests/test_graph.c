/* Graphs: building, capturing, listing, verifying, pruning, the arena's offsets. */
#include "core/random.h"
#include "trace/trace.h"
#include "trace_help.h"

static reel_vars *vars;
static reel_tensor *w;

static void make_vars(void)
{
    REEL_SCOPED;
    vars = reel_vars_new("m");
    w = reel_var(vars, "w", reel_randn(REEL_F32, REEL_SHAPE(3, 2)));
}

static reel_tensor *model(reel_tensor *x)
{
    reel_name_scope_begin("head");
    reel_tensor *y = reel_softmax(reel_mul(reel_matmul(x, w), reel_num(2)), -1);
    reel_name_scope_end();
    return y;
}
static int body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = model(in[0]);
    return reel_status();
}

static void test_both_ways(void)
{
    REEL_SCOPED;
    make_vars();
    reel_graph *g = reel_graph_begin();
    model(reel_placeholder(REEL_F32, REEL_SHAPE(4, 3), "x"));
    TAP_EQ_INT(reel_graph_end(g), 0);
    reel_function *f = reel_function_new(REEL_FN(body, NULL, 1, 1), NULL);
    reel_tensor *out[1];
    TAP_EQ_INT(reel_function_call(f, REEL_LIST(reel_ones(REEL_F32, REEL_SHAPE(4, 3))), out), 0);
    char *a = listing(g), *b = listing(reel_function_graph(f));
    const char *after_input_a = strchr(a, '\n'), *after_input_b = strchr(b, '\n');
    TAP_EQ_STR(after_input_a, after_input_b);
    TAP_OK(strstr(a, "\"x\"") && strstr(a, "test_graph.c:") && strstr(a, "head") && strstr(a, "m/w") &&
               strstr(a, "= 2"),
           "the listing tells names, lines, scopes");
    TAP_OK(strstr(a, "matmul") && strstr(a, "f32[4,2]") && strstr(a, "(%0, %1)"), "and ops, types, inputs");
    TAP_EQ_INT(reel_graph_nodes(g), 6);
    TAP_EQ_INT(reel_graph_verify(g), 0);
    TAP_EQ_INT(reel_graph_verify(reel_function_graph(f)), 0);
    free(a);
    free(b);
    reel_function_free(f);
    reel_graph_free(g);
    reel_vars_free(vars);
    expect_none("both ways");
}

static void test_unknown_dims(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 3), "x");
    TAP_EQ_INT(reel_dim(x, 0), REEL_ANY);
    TAP_EQ_INT(reel_dim(reel_exp(x), 0), REEL_ANY);
    TAP_OK(isnan(reel_item(reel_sum(x))), "reading a symbolic tensor gives NaN");
    expect_error(REEL_ETRACE, "reel_item", "test_graph.c", "host read of a symbolic tensor");
    TAP_EQ_INT(reel_graph_end(g), 0);
    reel_exp(x);
    expect_error(REEL_ETRACE, "reel_exp", "graph", "symbolic tensor after the end");
    reel_graph_free(g);
}

static void test_build_errors(void)
{
    REEL_SCOPED;
    reel_placeholder(REEL_F32, REEL_SHAPE(2), "x");
    expect_error(REEL_ETRACE, "reel_placeholder", "no graph is open", "placeholder outside");
    reel_output("y", reel_ones(REEL_F32, REEL_SHAPE(2)));
    expect_error(REEL_ETRACE, "reel_output", "no graph is open", "output outside");
    reel_tensor *outside = reel_ones(REEL_F32, REEL_SHAPE(2));
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(2), "x");
    TAP_OK(!reel_graph_begin(), "no graph inside a graph");
    expect_error(REEL_ETRACE, "reel_graph_begin", "still open", "nested graphs");
    TAP_OK(!reel_placeholder(REEL_F32, REEL_SHAPE(2), "x"), "a name twice");
    expect_error(REEL_EARG, "\"x\" is taken", "test_graph.c", "a name twice");
    reel_placeholder(REEL_F32, REEL_SHAPE(2), "");
    expect_error(REEL_EARG, "name is empty", "", "an empty name");
    reel_placeholder(REEL_F32, REEL_SHAPE(-3), "neg");
    expect_error(REEL_ESHAPE, "reel_placeholder", "-3", "a negative dimension");
    reel_placeholder((reel_dtype)77, REEL_SHAPE(3), "dtype");
    expect_error(REEL_EDTYPE, "77 is not a dtype", "dtype", "no dtype");
    reel_add(x, outside);
    expect_error(REEL_ETRACE, "outside tensor, made at", "reel_add: b", "outside tensor");
    reel_add(x, reel_ones(REEL_F32, REEL_SHAPE(3)));
    expect_error(REEL_ESHAPE, "reel_add", "[3]", "shapes in a graph");
    const float host[2] = {1, 2};
    TAP_OK(reel_add(x, reel_from_f32(REEL_SHAPE(2), host, 2)) != NULL, "a constant made inside is part of the graph");
    reel_vars *v = reel_vars_new("v");
    TAP_OK(!reel_var_empty(v, "late", REEL_F32, REEL_SHAPE(2)), "no variables inside");
    expect_error(REEL_ETRACE, "variable", "graph", "variable inside a graph");
    TAP_EQ_INT(reel_graph_end(g), 0);
    reel_graph_end(g);
    expect_error(REEL_EARG, "ended already", "", "ended twice");
    reel_graph_end(NULL);
    expect_error(REEL_EARG, "NULL", "", "end of NULL");
    reel_graph *h = reel_graph_begin();
    reel_tensor *y = reel_placeholder(REEL_F32, REEL_SHAPE(2), "y");
    reel_add(y, x);
    expect_error(REEL_ETRACE, "belongs to another graph", "reel_add: b", "tensor of another graph");
    TAP_EQ_INT(reel_graph_end(h), 0);
    reel_graph_free(g);
    reel_graph_free(h);
    reel_vars_free(v);
}

static reel_graph *abandoned(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_exp(reel_placeholder(REEL_F32, REEL_SHAPE(2), "x"));
    return g; /* dangling: the scope has freed it */
}

static void test_scope_owns(void)
{
    TAP_OK(abandoned() != NULL, "a graph was open");
    REEL_SCOPED;
    TAP_OK(reel_item(reel_sum(reel_ones(REEL_F32, REEL_SHAPE(3)))) == 3,
           "ops run again after the scope of an open graph");
    expect_none("scope owns graph");
}

static void test_verifier(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 4), "x");
    reel_output("y", reel_add(reel_exp(x), x));
    TAP_EQ_INT(reel_graph_end(g), 0);
    int32_t *in = &g->ins[g->nodes[2].first_in];
    const int32_t good = *in;
    *in = g->nodes[2].first_out;
    TAP_OK(reel_graph_verify(g) != 0, "an input after its reader");
    expect_error(REEL_ETRACE, "%2 (y)", "comes after", "input order");
    *in = 99;
    TAP_OK(reel_graph_verify(g) != 0, "an input out of range");
    expect_error(REEL_ETRACE, "does not exist", "", "input range");
    *in = good;
    g->values[1].type.shape.dims[1] = 5;
    TAP_OK(reel_graph_verify(g) != 0, "a wrong type");
    expect_error(REEL_ETRACE, "%1 (exp)", "shape rule", "types");
    g->values[1].type.shape.dims[1] = 4;
    g->nodes[2].n_in = 1;
    TAP_OK(reel_graph_verify(g) != 0, "a wrong arity");
    expect_error(REEL_ETRACE, "number of inputs", "", "arity");
    g->nodes[2].n_in = 2;
    g->names[1].value = 0;
    g->names[0].value = 1;
    TAP_EQ_INT(reel_graph_verify(g), 0);
    reel_graph_free(g);
    reel_graph_verify(NULL);
    expect_error(REEL_EARG, "NULL", "", "verify NULL");
}

static void test_prune(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(2), "x");
    reel_tensor *a = reel_exp(x);         /* 1 */
    reel_tensor *b = reel_log(x);         /* 2: only its shape is used */
    reel_tensor *c = reel_sum_like(a, b); /* 3 */
    reel_neg(c);                          /* 4: unused */
    reel_output("c", c);
    TAP_EQ_INT(reel_graph_end(g), 0);
    bool fed[8] = {false};
    uint8_t need[8] = {0};
    need[3] = REEL_NEED_VALUE;
    reel_prune_(g, fed, need);
    TAP_OK(need[0] & REEL_NEED_VALUE && need[1] & REEL_NEED_VALUE, "values are needed");
    TAP_EQ_INT(need[2], REEL_NEED_SHAPE);
    TAP_EQ_INT(need[4], 0);
    memset(need, 0, sizeof need);
    need[3] = REEL_NEED_VALUE;
    fed[1] = true;
    reel_prune_(g, fed, need);
    TAP_EQ_INT(need[1], 0);
    reel_graph_free(g);
}

enum { BLOCKS = 200, ROUNDS = 5000 };
static void test_arena(void)
{
    reel_arena *a = reel_arena_new_();
    struct {
        int32_t block;
        size_t at, bytes;
    } b[BLOCKS];
    memset(b, 0, sizeof b);
    int overlaps = 0;
    size_t in_use = 0, most = 0;
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t r[4];
        reel_philox_(7, (uint64_t)i, r);
        const int k = (int)(r[0] % BLOCKS);
        if (b[k].bytes) {
            reel_arena_give_(a, b[k].block);
            in_use -= (b[k].bytes + 63) & ~(size_t)63;
            b[k].bytes = 0;
            continue;
        }
        b[k].bytes = 1 + r[1] % (r[2] % 7 == 0 ? 100000u : 1000u);
        b[k].block = reel_arena_take_(a, b[k].bytes);
        b[k].at = reel_arena_offset_(a, b[k].block);
        in_use += (b[k].bytes + 63) & ~(size_t)63;
        if (in_use > most) most = in_use;
        for (int j = 0; j < BLOCKS; j++)
            overlaps += j != k && b[j].bytes && b[j].at < b[k].at + b[k].bytes && b[k].at < b[j].at + b[j].bytes;
        overlaps += b[k].at % 64 != 0 || b[k].at + b[k].bytes > reel_arena_bytes_(a);
    }
    TAP_EQ_INT(overlaps, 0);
    TAP_OK(reel_arena_bytes_(a) < 2 * most, "the arena (%zu) is less than twice the most in use (%zu)",
           reel_arena_bytes_(a), most);
    for (int k = 0; k < BLOCKS; k++)
        if (b[k].bytes) reel_arena_give_(a, b[k].block);
    const size_t top = reel_arena_bytes_(a);
    TAP_OK(reel_arena_offset_(a, reel_arena_take_(a, top)) == 0 && reel_arena_bytes_(a) == top,
           "all given back merges to one block");
    reel_arena_free_(a);
}

static void test_names(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(2), "x");
    char name[32];
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "out %d", i);
        if (reel_output(name, reel_exp(x))) break;
    }
    reel_output("second name", x);
    TAP_EQ_INT(reel_graph_end(g), 0);
    int wrong = 0;
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "out %d", i);
        wrong += reel_graph_find_(g, name) != i + 1;
    }
    TAP_EQ_INT(wrong, 0);
    TAP_EQ_INT(reel_graph_find_(g, "second name"), 0);
    TAP_EQ_INT(reel_graph_find_(g, "nothing"), -1);
    reel_graph_free(g);
}

TAP_MAIN(test_both_ways, test_unknown_dims, test_build_errors, test_scope_owns, test_verifier, test_prune, test_arena,
         test_names)
