/* test_passes.c: what each pass does, shown as the graph before and after; lists of passes; what must survive: bits, names, lines, effects,
   draws, errors, sizes that depend on data. */
#include "passes_help.h"

static reel_tensor *dead_ends(reel_tensor *x, reel_tensor *y)
{
    (void)reel_exp(reel_tanh(y));
    return reel_relu(x);
}
static reel_tensor *constants(reel_tensor *x, reel_tensor *y)
{
    (void)y;
    reel_tensor *c = reel_sqrt(reel_full(REEL_F32, REEL_SHAPE(3), 2));
    return reel_mul(x, reel_add(c, reel_arange(REEL_F32, 0, 3, 1)));
}
static reel_tensor *identities(reel_tensor *x, reel_tensor *y)
{
    (void)y;
    reel_tensor *z = reel_sub(reel_mul(x, reel_num(1)), reel_num(0));
    z = reel_neg(reel_neg(reel_div(z, reel_num(1))));
    z = reel_add(z, reel_num(-0.0));
    z = reel_cast(reel_cast(z, REEL_F64), REEL_F32);
    z = reel_abs(reel_neg(reel_maximum(z, z)));
    return reel_relu(reel_relu(reel_div(z, reel_num(4))));
}
static reel_tensor *no_identities(reel_tensor *x, reel_tensor *y)
{
    (void)y;
    return reel_sub(reel_add(x, reel_num(0)), reel_num(-0.0)); /* -0 + 0 is 0 */
}
static reel_tensor *twice(reel_tensor *x, reel_tensor *y)
{
    (void)y;
    reel_tensor *a = reel_exp(reel_mul(x, reel_num(3))), *b = reel_exp(reel_mul(x, reel_num(3)));
    return reel_add(reel_add(a, b), reel_sum_axes(reel_softmax(x, -1), REEL_AXES(1), true));
}
static reel_tensor *there_and_back(reel_tensor *x, reel_tensor *y)
{
    (void)y;
    reel_tensor *t = reel_transpose(reel_transpose(x, REEL_ALL_AXES), REEL_AXES(1, 0));
    t = reel_reshape(reel_reshape(t, REEL_SHAPE(6)), REEL_SHAPE(2, 3));
    return reel_exp(reel_squeeze(reel_unsqueeze(reel_sum_like(t, x), REEL_AXES(0)), REEL_AXES(0)));
}
static reel_tensor *around(reel_tensor *x, reel_tensor *y)
{
    (void)y;
    reel_tensor *t = reel_tanh(reel_mul(reel_transpose(x, REEL_ALL_AXES), reel_num(2)));
    return reel_exp(reel_transpose(reel_relu(t), REEL_ALL_AXES));
}
static reel_tensor *around_product(reel_tensor *x, reel_tensor *y)
{
    /* The product sees which way its operand lies, so it must stay as it is. */
    reel_tensor *t = reel_relu(reel_transpose(x, REEL_ALL_AXES));
    return reel_matmul(reel_transpose(t, REEL_ALL_AXES), reel_transpose(y, REEL_ALL_AXES));
}
static reel_tensor *around_bias(reel_tensor *x, reel_tensor *y)
{
    (void)y; /* [2] against [3,2]: it would have to turn with it */
    reel_tensor *t = reel_add(reel_transpose(x, REEL_ALL_AXES), reel_arange(REEL_F32, 0, 2, 1));
    return reel_exp(reel_transpose(t, REEL_ALL_AXES));
}
static reel_tensor *integers(reel_tensor *x, reel_tensor *y)
{
    reel_tensor *i = reel_cast(reel_isfinite(x), REEL_I64), *n;
    n = reel_mul(reel_mul(i, reel_num(1234567)), reel_num(9876543211)); /* no double, no float has it */
    n = reel_add(n, reel_bitwise_xor(reel_add(i, reel_num(0)), reel_bitwise_xor(n, n)));
    n = reel_add(n, reel_cast(reel_cast(n, REEL_F64), REEL_I64));
    n = reel_add(n, reel_cast(reel_cast(n, REEL_F32), REEL_I64));
    n = reel_add(n, reel_cast(reel_abs(reel_neg(reel_cast(i, REEL_U8))), REEL_I64)); /* 255 */
    (void)y;
    return n;
}
static reel_tensor *not_not(reel_tensor *x, reel_tensor *y)
{
    return reel_add(reel_cast(reel_logical_not(reel_logical_not(y)), REEL_F32),
                    reel_floor(reel_where(reel_full(REEL_BOOL, REEL_SCALAR, 1), reel_mul(x, reel_num(0.3)), y)));
}
static reel_tensor *divisions(reel_tensor *x, reel_tensor *y)
{
    (void)x; /* which of them are products in disguise? */
    return reel_concat(REEL_LIST(reel_div(y, reel_num(3)), reel_div(y, reel_num(5)), reel_div(y, reel_num(7)),
                                 reel_div(y, reel_num(10)), reel_div(y, reel_num(49)), reel_div(y, reel_num(1.1)),
                                 reel_div(y, reel_num(0.125))),
                       0);
}
static reel_tensor *part(reel_tensor *x, int64_t row, int64_t column)
{
    return reel_slice(reel_slice(x, 1, REEL_RANGES({row, row + 1, 1})), 2,
                      REEL_RANGES({0, 1, 1}, {column, column + 1, 1}));
}
static reel_tensor *parts(reel_tensor *x, reel_tensor *y)
{
    (void)x; /* views of views, all different */
    return reel_concat(REEL_LIST(part(y, 0, 1), part(y, 1, 1), part(y, 1, 2), part(y, 0, 2)), 0);
}
static reel_tensor *constant_outputs(reel_tensor *x, reel_tensor *y)
{
    reel_tensor *a[2];
    (void)y;
    (void)reel_topk(reel_arange(REEL_F32, 3, 10, 1), 3, 0, NULL, a);
    return reel_add(x, reel_mul(reel_cast(a[1], REEL_F32), reel_sqrt(a[0])));
}
/* One operand is a row: its product with ones is not the row. */
static reel_tensor *growing(reel_tensor *x, reel_tensor *y)
{
    (void)y;
    return reel_exp(reel_mul(reel_sum_axes(x, REEL_AXES(0), false), reel_ones(REEL_F32, REEL_SHAPE(2, 3))));
}
static reel_tensor *two_readers(reel_tensor *x, reel_tensor *y)
{
    (void)y; /* to turn it around would compute it twice */
    reel_tensor *t = reel_tanh(reel_relu(reel_transpose(x, REEL_ALL_AXES)));
    return reel_add(reel_sum(t), reel_exp(reel_transpose(t, REEL_ALL_AXES)));
}
static reel_tensor *outputs_of_one(reel_tensor *x, reel_tensor *y)
{
    (void)y;
    reel_tensor *a[2], *b[2];
    (void)reel_topk(x, 2, 1, NULL, a);
    (void)reel_topk(x, 2, 1, NULL, b);
    return reel_add(reel_cast(a[1], REEL_F32), reel_add(b[0], reel_cast(b[1], REEL_F32)));
}
static reel_tensor *real_numbers(reel_tensor *x, reel_tensor *y)
{
    (void)y;
    reel_tensor *z = reel_mul(reel_mul(reel_add(x, reel_num(0)), reel_num(2)), reel_num(3));
    z = reel_add(z, reel_neg(reel_pow(x, reel_num(2))));
    return reel_add(reel_log(reel_exp(z)), reel_sub(x, x));
}

static void test_each(void)
{
    TAP_EQ_INT(nodes_after("prune", dead_ends, "prune", 0, true), 3); /* y is fed, so it stays */
    TAP_EQ_INT(nodes_after("fold", constants, "fold,prune", 0, true), 4);
    TAP_EQ_INT(nodes_after("simplify", identities, "simplify,prune", 0, true), 6); /* x, y, abs, 1/4, mul, relu */
    TAP_EQ_INT(nodes_after("what is not exact stays", no_identities, "default", 0, true), 6);
    TAP_EQ_INT(nodes_after("share", twice, "share,prune", 0, true), 9);
    TAP_EQ_INT(nodes_after("views", there_and_back, "views,prune", 0, true), 3);
    TAP_EQ_INT(nodes_after("sink", around, "sink,prune", 0, true), 7);
    TAP_EQ_INT(nodes_after("sink before a product", around_product, "default", 0, true), 7);
    TAP_EQ_INT(nodes_after("sink with a bias", around_bias, "sink,prune", 0, true), 7);
    TAP_EQ_INT(nodes_after("integers", integers, "simplify,prune", 0, true), 22);
    TAP_EQ_INT(nodes_after("not not", not_not, "default", 0, false), 9);
    TAP_EQ_INT(nodes_after("divisions", divisions, "default", 0, true), 17);
    TAP_EQ_INT(nodes_after("parts", parts, "default", 0, false), 9);
    TAP_EQ_INT(nodes_after("constant outputs", constant_outputs, "fold,prune", 0, false), 4);
    TAP_EQ_INT(nodes_after("growing", growing, "simplify,prune", 0, false), 6);
    TAP_EQ_INT(nodes_after("two readers", two_readers, "sink,prune", 0, false), 9);
    TAP_EQ_INT(nodes_after("several outputs", outputs_of_one, "share,prune", 0, false), 6);
    TAP_EQ_INT(nodes_after("simplify, fast", real_numbers, "simplify,prune", REEL_FAST_MATH_GRAPH, true), 6);
    TAP_EQ_INT(nodes_after("none", there_and_back, "none", 0, false), 10);
}

/* How many nodes are left of z = f(x, y) where x is fed as a transposed view. */
static int nodes_of_transposed(builder f)
{
    REEL_SCOPED;
    reel_graph *g = build(f);
    reel_session *plain = reel_session_new(g, REEL_OPTS(session, .passes = "none"));
    reel_session *s = reel_session_new(g, NULL);
    reel_tensor *x = reel_transpose(reel_reshape(feed_y(), REEL_SHAPE(3, 2)), REEL_ALL_AXES), *a[1] = {0}, *b[1] = {0};
    (void)reel_session_run(plain, REEL_FEEDS({"x", x}, {"y", feed_y()}), REEL_FETCHES("z"), a);
    (void)reel_session_run(s, REEL_FEEDS({"x", x}, {"y", feed_y()}), REEL_FETCHES("z"), b);
    const int n = same_bits(a[0], b[0]) ? (int)reel_session_plan_(s)->graph->n_nodes : -1;
    expect_none("transposed");
    reel_session_free(plain);
    reel_session_free(s);
    reel_graph_free(g);
    return n;
}
static reel_tensor *to_product(reel_tensor *x, reel_tensor *y)
{
    return reel_matmul(reel_transpose(reel_mul(x, reel_num(1)), REEL_ALL_AXES), y);
}
static reel_tensor *to_sum(reel_tensor *x, reel_tensor *y)
{
    return reel_add(reel_sum(reel_transpose(reel_mul(x, reel_num(1)), REEL_ALL_AXES)), reel_sum(y));
}

/* x * 1 is dense, x is not: a product sees that, a sum does not. */
static void test_layouts(void)
{
    TAP_EQ_INT(nodes_of_transposed(to_product), 6);
    TAP_EQ_INT(nodes_of_transposed(to_sum), 6);
}

/* ---- lists --------------------------------------------------------------------------------------------- */

static void refuse(const char *list, const char *one, const char *two)
{
    reel_graph *g = build(dead_ends);
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .passes = list));
    TAP_OK(!s, "\"%s\" is refused", list);
    expect_error(REEL_EARG, one, two, "list");
    reel_session_free(s);
    reel_graph_free(g);
}

static void names_of(const char *list, char *out, size_t n)
{
    reel_pipeline p;
    *out = 0;
    if (reel_pipeline_parse_("test", list, REEL_EXACT_GRAPH, &p)) return;
    for (int i = 0; i < p.n; i++) {
        strncat(out, i ? " " : "", n - strlen(out) - 1);
        reel_pass_info info[64];
        const int all = reel_passes(info, 64);
        for (int k = 0; k < all && k < 64; k++) {
            reel_pipeline one;
            if (reel_pipeline_parse_("test", info[k].name, REEL_EXACT_GRAPH, &one) == 0 && one.pass[0] == p.pass[i])
                strncat(out, info[k].name, n - strlen(out) - 1);
        }
    }
}

static void test_lists(void)
{
    char text[512];
    reel_pass_info info[64];
    const int n = reel_passes(info, 64);
    TAP_OK(n >= 6 && reel_passes(NULL, 0) == n, "%d passes", n);
    for (int i = 0; i < n; i++) TAP_OK(*info[i].name && *info[i].law, "%s: %s", info[i].name, info[i].law);
    names_of(NULL, text, sizeof text);
    TAP_EQ_STR(text, "prune views fold simplify sink share views prune fuse reduce epilogue columns sweep schedule");
    names_of("default,-views,-share", text, sizeof text);
    TAP_EQ_STR(text, "prune fold simplify sink prune fuse reduce epilogue columns sweep schedule");
    names_of("fuse,-fuse prune fuse,share", text, sizeof text);
    TAP_EQ_STR(text, "prune share fuse");
    names_of("share prune, fold", text, sizeof text);
    TAP_EQ_STR(text, "share prune fold");
    names_of("columns,share,sweep,reduce,fuse,epilogue,columns,schedule", text, sizeof text);
    TAP_EQ_STR(text, "share columns sweep fuse reduce epilogue schedule");
    names_of("default,-columns,-schedule,columns,schedule", text, sizeof text);
    TAP_EQ_STR(text, "prune views fold simplify sink share views prune fuse reduce epilogue sweep columns schedule");
    names_of("reduce", text, sizeof text);
    TAP_EQ_STR(text, "reduce");
    names_of("schedule,share", text, sizeof text);
    TAP_EQ_STR(text, "share schedule");
    names_of("", text, sizeof text);
    TAP_EQ_STR(text, "");
    names_of("none", text, sizeof text);
    TAP_EQ_STR(text, "");
    refuse("default,shear", "no pass \"shear\"", "reel_session_new");
    refuse("-", "no pass \"\"", "");
    refuse("default,-fuse,fuse", "\"fuse\" stands behind \"schedule\"", "reel_session_new");
    refuse("schedule,reduce", "\"reduce\" stands behind \"schedule\"", "which must come behind it");
    refuse("fuse schedule sweep", "\"sweep\" stands behind \"schedule\"", "");
    refuse(
        "prune prune prune prune prune prune prune prune prune,default,default,default,default,default,default,default",
        "more than 64", "");
    TAP_OK(!reel_function_new((reel_fn){0}, NULL) && reel_take_error(NULL) == REEL_EARG, "no body, no function");
    reel_graph *g = build(dead_ends);
    TAP_OK(!reel_session_new(g, REEL_OPTS(session, .math = (reel_graph_math)7)), "no such math");
    expect_error(REEL_EARG, ".math is 7", "", "math");
    reel_graph_free(g);
}

/* ---- what must survive ----------------------------------------------------------------------------------- */

static double at0(reel_tensor *t)
{
    float x[64] = {0};
    (void)reel_read(t, x, (size_t)reel_shape_count(reel_shape_of(t)) * sizeof x[0]);
    return (double)x[0];
}

static const char *const lists[] = {"none", "prune", "fold",    "simplify",       "views",
                                    "sink", "share", "default", "default,default"};
enum { N_LISTS = sizeof lists / sizeof *lists };

/* Values fed in the middle, fetched under two names, and the variable's own. */
static void test_feeds_and_names(void)
{
    for (int k = 0; k < N_LISTS; k++) {
        REEL_SCOPED;
        reel_vars *vars = reel_vars_new("m");
        reel_tensor *w = reel_var(vars, "w", reel_full(REEL_F32, REEL_SHAPE(3), 2));
        reel_graph *g = reel_graph_begin();
        reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 3), "x");
        reel_tensor *a = reel_mul(x, reel_num(1)), *b = reel_mul(x, reel_num(1));
        (void)reel_output("a", a);
        (void)reel_output("b", b);
        (void)reel_output("sum", reel_add(a, reel_mul(b, w)));
        (void)reel_output("w_then", reel_neg(reel_neg(w)));
        (void)reel_assign(w, reel_mul(w, reel_num(3)));
        (void)reel_output("w_after", reel_mul(w, reel_num(1)));
        (void)reel_graph_end(g);
        reel_session *s = reel_session_new(g, REEL_OPTS(session, .passes = lists[k]));
        reel_tensor *one = reel_ones(REEL_F32, REEL_SHAPE(1, 3)), *two = reel_full(REEL_F32, REEL_SHAPE(1, 3), 2),
                    *out[3];
        (void)reel_session_run(s, REEL_FEEDS({"x", one}, {"b", two}), REEL_FETCHES("sum", "a", "b"), out);
        TAP_OK(at0(out[0]) == 5 && at0(out[1]) == 1 && at0(out[2]) == 2,
               "%s: b is fed, a is not, though they are the same", lists[k]);
        (void)reel_session_run(s, REEL_FEEDS({"m/w", reel_full(REEL_F32, REEL_SHAPE(3), 7)}),
                               REEL_FETCHES("w_then", "w_after"), out);
        TAP_OK(at0(out[0]) == 7 && at0(out[1]) == 21, "%s: a variable is fed", lists[k]);
        TAP_OK(at0(w) == 2, "%s: and not assigned", lists[k]);
        (void)reel_session_run(s, (reel_feeds){0}, REEL_FETCHES("w_then", "m/w"), out);
        TAP_OK(at0(out[0]) == 2 && at0(out[1]) == 6 && at0(w) == 6, "%s: fetched, it is", lists[k]);
        reel_session *trains = reel_session_new(g, REEL_OPTS(session, .passes = lists[k], .effects = true));
        (void)reel_session_run(trains, REEL_FEEDS({"m/w", reel_full(REEL_F32, REEL_SHAPE(3), 5)}),
                               REEL_FETCHES("w_then"), out);
        TAP_OK(at0(out[0]) == 5 && at0(w) == 15, "%s: fed and assigned in one run", lists[k]);
        reel_session_free(trains);
        (void)reel_session_run(s, REEL_FEEDS({"x", one}), REEL_FETCHES("nothing"), out);
        expect_error(REEL_ETRACE, "fetch \"nothing\" is not in the graph", "", lists[k]);
        (void)reel_session_run(s, REEL_FEEDS({"x", two}, {"b", w}), REEL_FETCHES("sum"), out);
        expect_error(REEL_ESHAPE, "feed \"b\"", "", lists[k]);
        expect_none(lists[k]);
        reel_session_free(s);
        reel_graph_free(g);
        reel_vars_free(vars);
    }
}

/* The line and the words of an error in a run. */
static void test_error_sites(void)
{
    for (int k = 0; k < N_LISTS; k++) {
        REEL_SCOPED;
        char line[32];
        reel_graph *g = reel_graph_begin();
        reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(3), "x"),
                    *i = reel_placeholder(REEL_I64, REEL_SHAPE(1), "i");
        reel_scope *scope = reel_scope_begin(REEL_HERE, "here");
        reel_tensor *y = reel_gather(reel_mul(x, reel_num(1)), reel_add(i, reel_num(0)), 0);
        snprintf(line, sizeof line, "test_passes.c:%d: reel_gather", __LINE__ - 1);
        (void)reel_keep(y);
        reel_scope_end(scope);
        (void)reel_output("y", reel_neg(reel_neg(y)));
        (void)reel_graph_end(g);
        reel_session *s = reel_session_new(g, REEL_OPTS(session, .passes = lists[k]));
        reel_tensor *out[1];
        const int64_t bad = 9;
        (void)reel_session_run(
            s, REEL_FEEDS({"x", reel_ones(REEL_F32, REEL_SHAPE(3))}, {"i", reel_from_i64(REEL_SHAPE(1), &bad, 1)}),
            REEL_FETCHES("y"), out);
        expect_error(REEL_EARG, line, "index 9", lists[k]);
        reel_session_free(s);
        reel_graph_free(g);
    }
}

/* Draws: as many, and not shared, also where nobody reads them. */
static int drawing(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *a = reel_uniform(REEL_F32, REEL_SHAPE(3), 0, 1, NULL);
    (void)reel_exp(reel_normal(REEL_F32, REEL_SHAPE(5), 0, 1, NULL));
    (void)reel_uniform_like(reel_mul(in[0], reel_num(2)), 0, 1, NULL);
    reel_tensor *b = reel_uniform(REEL_F32, REEL_SHAPE(3), 0, 1, NULL);
    out[0] = reel_sub(a, b);
    return reel_status();
}

static void test_draws(void)
{
    for (int k = 0; k < N_LISTS; k++) {
        REEL_SCOPED;
        reel_tensor *x = feed_x(), *eager[4], *out[4];
        reel_function *f = reel_function_new(REEL_FN(drawing, NULL, 1, 1), REEL_OPTS(function, .passes = lists[k]));
        (void)reel_seed(5);
        for (int i = 0; i < 4; i++) (void)drawing(NULL, &x, &eager[i]);
        (void)reel_seed(5);
        bool same = true;
        for (int i = 0; i < 4; i++) {
            (void)reel_function_call(f, REEL_LIST(x), &out[i]);
            same = same && same_bits(out[i], eager[i]);
        }
        TAP_OK(same, "%s: the draws are eager's", lists[k]);
        expect_none(lists[k]);
        reel_function_free(f);
    }
}

/* Sizes that depend on data: two equal counts are one seam. */
static int counting(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *a = reel_nonzero(in[0]), *b = reel_nonzero(in[0]);
    out[0] = reel_add(reel_mul(a, reel_num(1)), reel_neg(reel_neg(b)));
    return reel_status();
}

static void test_sizes_from_data(void)
{
    for (int k = 0; k < N_LISTS; k++) {
        REEL_SCOPED;
        reel_function *f = reel_function_new(REEL_FN(counting, NULL, 1, 1), REEL_OPTS(function, .passes = lists[k]));
        bool same = true;
        for (int i = 0; i < 6; i++) {
            const float data[] = {0, 1, (float)(i % 2), (float)(i % 3), 0, 5};
            reel_tensor *x = reel_from_f32(REEL_SHAPE(6), data, 6), *eager, *out;
            (void)counting(NULL, &x, &eager);
            (void)reel_function_call(f, REEL_LIST(x), &out);
            same = same && same_bits(out, eager);
        }
        TAP_OK(same, "%s: sizes from data", lists[k]);
        expect_none(lists[k]);
        reel_function_free(f);
    }
}

/* An op of the user's own may count its calls: it is never shared, never folded. */
static int n_calls;
static int calls_shape(const void *attr, const reel_type in[], reel_type out[])
{
    (void)attr;
    out[0] = in[0];
    return 0;
}
static int calls_cpu(const void *attr, const reel_view in[], const reel_view out[])
{
    (void)attr;
    const int64_t n = reel_shape_count(in[0].type.shape);
    n_calls++;
    for (int64_t i = 0; i < n; i++) ((float *)out[0].data)[i] = ((const float *)in[0].data)[i];
    return 0;
}
static const reel_op *calls_op;
static reel_tensor *calling(reel_tensor *x, reel_tensor *y)
{
    reel_tensor *a, *b, *c;
    (void)y;
    (void)reel_op_call(calls_op, REEL_LIST(x), NULL, &a);
    (void)reel_op_call(calls_op, REEL_LIST(x), NULL, &b);
    (void)reel_op_call(calls_op, REEL_LIST(reel_ones(REEL_F32, REEL_SHAPE(3))), NULL, &c);
    return reel_add(reel_add(a, b), c);
}

static void test_own_ops(void)
{
    calls_op = reel_op_register(
        REEL_OP_DEF(.name = "passes_calls", .n_in = 1, .n_out = 1, .shape = calls_shape, .cpu = calls_cpu));
    (void)nodes_after("own op", calling, "default", 0, false);
    TAP_EQ_INT(n_calls, 6);
}

TAP_MAIN(test_each, test_layouts, test_lists, test_feeds_and_names, test_error_sites, test_draws, test_sizes_from_data,
         test_own_ops)
