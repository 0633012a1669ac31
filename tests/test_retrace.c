/* Why a function traces again, what a trace has frozen, dimensions that become unknown, and the check of a replay's body. */
#include "trace_help.h"

static char *explained(reel_function *f)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    if (!out) return NULL;
    reel_function_explain(out, f);
    fclose(out);
    return text;
}

static bool says_quietly(reel_function *f, const char *a)
{
    char *text = explained(f);
    const bool ok = text && strstr(text, a);
    free(text);
    return ok;
}

static bool says(reel_function *f, const char *a, const char *b)
{
    char *text = explained(f);
    const bool ok = text && strstr(text, a) && strstr(text, b);
    if (!ok) TAP_NOTE("wanted \"%s\" and \"%s\" in\n%s", a, b, text ? text : "nothing");
    free(text);
    return ok;
}

struct model {
    reel_vars *vars;
    reel_dense a, b;
    reel_optimizer *opt;
    reel_tensor *outside;
    double scale;
    int runs, what;
};

static reel_tensor *batch(int n)
{
    float x[64 * 8];
    for (int i = 0; i < n * 8; i++) x[i] = (float)((i * 7 + n) % 19) / 19 - 0.4f;
    return reel_from_f32(REEL_SHAPE(n, 8), x, (size_t)n * 8);
}
static reel_tensor *labels(int n)
{
    int32_t y[64];
    for (int i = 0; i < n; i++) y[i] = (i + n) % 3;
    return reel_from_i32(REEL_SHAPE(n), y, (size_t)n);
}

static void model_init(struct model *m)
{
    memset(m, 0, sizeof *m);
    reel_seed(3);
    m->vars = reel_vars_new("m");
    reel_dense_init(&m->a, m->vars, "a", REEL_F32, 8, 16);
    reel_dense_init(&m->b, m->vars, "b", REEL_F32, 16, 3);
    m->opt = reel_adam(m->vars, NULL);
}
static void model_free(struct model *m)
{
    reel_optimizer_free(m->opt);
    reel_vars_free(m->vars);
}

static int train(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct model *m = self;
    m->runs++;
    reel_tape *tape = reel_tape_begin(NULL);
    reel_tensor *h = reel_gelu(reel_dense_apply(&m->a, in[0]));
    h = reel_mul(h, reel_cast(reel_greater(reel_uniform_like(h, 0, 1, NULL), reel_num(0.2)), REEL_F32));
    out[0] = reel_mean(reel_softmax_cross_entropy(reel_dense_apply(&m->b, h), in[1]));
    return reel_minimize(m->opt, tape, out[0]);
}

/* Two models, one eager and one through a function, are fed the same sizes and stay the same to the bit. */
static void test_sizes_vary(void)
{
    REEL_SCOPED;
    static const int sizes[] = {4, 9, 7, 12, 1, 33, 2, 7, 4, 64, 12, 3};
    struct model e, r;
    model_init(&e);
    model_init(&r);
    reel_function *f = reel_function_new(REEL_FN(train, &r, 2, 1), NULL);
    int different = 0;
    for (int i = 0; i < (int)(sizeof sizes / sizeof *sizes); i++) {
        REEL_SCOPED;
        reel_tensor *a[1], *b[1];
        reel_seed((uint64_t)i);
        reel_invoke(REEL_FN(train, &e, 2, 1), REEL_LIST(batch(sizes[i]), labels(sizes[i])), a);
        reel_seed((uint64_t)i);
        reel_function_call(f, REEL_LIST(batch(sizes[i]), labels(sizes[i])), b);
        different += !same_bits(a[0], b[0]);
        if (i == 2) TAP_EQ_INT(reel_function_traces(f), 3);
    }
    TAP_EQ_INT(different, 0);
    const reel_list ve = reel_vars_list(e.vars), vr = reel_vars_list(r.vars);
    for (int i = 0; i < ve.n; i++) TAP_OK(same_bits(ve.t[i], vr.t[i]), "%s is the same", reel_var_name(ve.t[i]));
    TAP_EQ_INT(reel_function_traces(f), 3);
    TAP_EQ_INT(r.runs, 3);
    TAP_OK(says(f, "dimension 0 of in[0]; dimension 0 of in[1]: unknown from now on", "4 in trace 1; 9 in trace 2"),
           "the third trace says what became unknown");
    TAP_OK(says(f, "dimension 0 of in[0] is 9, was 4; dimension 0 of in[1] is 9, was 4 (compared with trace 1)",
                "f32[?,8], i32[?]"),
           "and the second what differed");
    TAP_OK(says(f, "train: 3 traces made, 3 kept (at most 16), 10 replays", "by reference: m/a/"), "the headline");
    reel_function_free(f);
    model_free(&e);
    model_free(&r);
    expect_none("sizes vary");
}

/* Both dimensions vary, one after the other. */
static int both(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_matmul(reel_softmax(in[0], -1), reel_swapaxes(in[0], 0, 1));
    out[1] = reel_mean_axes(in[0], REEL_AXES(1), false);
    return reel_status();
}
static void test_two_dimensions(void)
{
    REEL_SCOPED;
    reel_function *f = reel_function_new(REEL_FN(both, NULL, 1, 2), NULL);
    int different = 0;
    for (int i = 0; i < 30; i++) {
        REEL_SCOPED;
        const int n = i < 6 ? i + 1 : 1 + i * 7 % 5, m = i < 6 ? 4 : 1 + i * 5 % 11;
        reel_tensor *a[2], *b[2], *x = reel_randn(REEL_F32, REEL_SHAPE(n, m));
        reel_invoke(REEL_FN(both, NULL, 1, 2), REEL_LIST(x), a);
        reel_function_call(f, REEL_LIST(x), b);
        different += !same_bits(a[0], b[0]) || !same_bits(a[1], b[1]);
    }
    TAP_EQ_INT(different, 0);
    TAP_OK(reel_function_traces(f) <= 7, "%d traces for 30 shapes", reel_function_traces(f));
    reel_function_free(f);
    expect_none("two dimensions");
}

/* Two sizes that change at once, each by itself: neither is taken for the one that varies. */
static void test_two_at_once(void)
{
    REEL_SCOPED;
    reel_function *f = reel_function_new(REEL_FN(both, NULL, 1, 2), NULL);
    for (int i = 0; i < 6; i++) {
        reel_tensor *out[2];
        reel_function_call(f, REEL_LIST(reel_ones(REEL_F32, REEL_SHAPE(2 + i, 9 - i % 5))), out);
    }
    TAP_EQ_INT(reel_function_traces(f), 6);
    TAP_OK(!says_quietly(f, "unknown from now on"), "nothing is unknown");
    reel_function_free(f);
    expect_none("two at once");
}

static int asks(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    if (self) ++*(int *)self;
    out[0] = reel_dim(in[0], 0) > 5 ? reel_neg(in[0]) : reel_exp(in[0]);
    return reel_status();
}
static int asks_shape(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_zeros(REEL_F32, reel_shape_of(in[0]));
    return reel_status();
}
static int asks_known(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_mul(in[0], reel_num((double)reel_dim(in[0], 1)));
    return reel_status();
}

static void test_sizes_asked_for(void)
{
    REEL_SCOPED;
    static const struct {
        reel_fn fn;
        int traces;
        const char *says;
    } cases[] = {{{asks, NULL, 1, 1, "asks"}, 10, "cannot be unknown: the body asks for it at"},
                 {{asks_shape, NULL, 1, 1, "asks_shape"}, 10, "the body asks for it (reel_shape_of)"},
                 {{asks_known, NULL, 1, 1, "asks_known"}, 3, "unknown from now on"}};
    for (int k = 0; k < 3; k++) {
        reel_function *f = reel_function_new(cases[k].fn, NULL);
        int different = 0;
        for (int n = 1; n <= 10; n++) {
            reel_tensor *a[1], *b[1], *x = reel_randn(REEL_F32, REEL_SHAPE(n, 3));
            reel_invoke(cases[k].fn, REEL_LIST(x), a);
            reel_function_call(f, REEL_LIST(x), b);
            different += !same_bits(a[0], b[0]);
        }
        TAP_OK(different == 0, "%s: the bits of eager", cases[k].fn.name);
        TAP_EQ_INT(reel_function_traces(f), cases[k].traces);
        TAP_OK(says(f, cases[k].says, cases[k].fn.name), "%s: explained", cases[k].fn.name);
        reel_function_free(f);
    }
    reel_function *f = reel_function_new(cases[2].fn, REEL_OPTS(function, .unknown_after = -1));
    reel_function *g = reel_function_new(cases[2].fn, REEL_OPTS(function, .unknown_after = 1));
    reel_tensor *out[1];
    for (int n = 1; n <= 5; n++) {
        reel_function_call(f, REEL_LIST(reel_ones(REEL_F32, REEL_SHAPE(n, 3))), out);
        reel_function_call(g, REEL_LIST(reel_ones(REEL_F32, REEL_SHAPE(n, 3))), out);
    }
    TAP_EQ_INT(reel_function_traces(f), 5);
    TAP_EQ_INT(reel_function_traces(g), 2);
    int runs = 0;
    reel_function *h = reel_function_new(REEL_FN(asks, &runs, 1, 1), NULL);
    for (int n = 1; n <= 10; n++) reel_function_call(h, REEL_LIST(reel_ones(REEL_F32, REEL_SHAPE(n, 3))), out);
    TAP_EQ_INT(runs, 11); /* once each, and one trial, whose refusal is kept */
    reel_function_free(f);
    reel_function_free(g);
    reel_function_free(h);
    expect_none("sizes asked for");
}

/* An error of the call itself is not taken for a reason. */
static int adds(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_add(in[0], in[1]);
    return reel_status();
}
static void test_errors(void)
{
    REEL_SCOPED;
    reel_function *f = reel_function_new(REEL_FN(adds, NULL, 2, 1), NULL);
    reel_tensor *out[1], *b = reel_ones(REEL_F32, REEL_SHAPE(1, 3));
    for (int n = 1; n <= 3; n++) reel_function_call(f, REEL_LIST(reel_ones(REEL_F32, REEL_SHAPE(n, 3)), b), out);
    TAP_EQ_INT(reel_function_traces(f), 3);
    TAP_OK(reel_function_call(f,
                              REEL_LIST(reel_ones(REEL_F32, REEL_SHAPE(4, 3)), reel_ones(REEL_F32, REEL_SHAPE(3, 3))),
                              out) == REEL_ESHAPE,
           "a wrong size");
    expect_error(REEL_ESHAPE, "reel_add", "test_retrace.c:", "as eagerly");
    for (int n = 4; n <= 6; n++) reel_function_call(f, REEL_LIST(reel_ones(REEL_F32, REEL_SHAPE(n, 3)), b), out);
    TAP_OK(reel_function_traces(f) <= 4 && reel_item(reel_sum(out[0])) == 36, "and the others replay");
    reel_function_explain(NULL, f);
    expect_error(REEL_EARG, "reel_function_explain", "NULL", "explain to nobody");
    reel_function_explain(stdout, NULL);
    expect_error(REEL_EARG, "reel_function_explain", "NULL", "explain nothing");
    reel_function_free(f);
}

/* ---- reasons ------------------------------------------------------------------------------------------ */

static int scaled(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct model *m = self;
    const float half[2] = {0.5f, 0.25f};
    out[0] = reel_mul(in[0], reel_num(m->scale));
    if (m->what == 1) out[0] = reel_add(out[0], m->outside);
    if (m->what == 2) out[0] = reel_add(out[0], reel_from_f32(REEL_SHAPE(2), half, 2));
    if (m->what == 3) out[0] = reel_mul(out[0], reel_num(reel_item(reel_sum(in[0]))));
    return reel_status();
}

static void test_reasons(void)
{
    REEL_SCOPED;
    struct model m = {.scale = 2, .outside = reel_ones(REEL_F32, REEL_SHAPE(2))};
    reel_function *f = reel_function_new(REEL_FN(scaled, &m, 1, 1),
                                         REEL_OPTS(function, .statics = &m.scale, .statics_size = sizeof m.scale,
                                                   .constants = REEL_LIST(m.outside), .allow_reads = true,
                                                   .max_traces = 2, .unknown_after = -1));
    reel_tensor *out[1];
    reel_function_call(f, REEL_LIST(reel_ones(REEL_F32, REEL_SHAPE(2))), out);
    TAP_OK(says(f, "why: the first", "number 2, b of reel_mul at"), "the first trace, and a number");
    reel_function_call(f, REEL_LIST(reel_ones(REEL_F64, REEL_SHAPE(2))), out);
    TAP_OK(says(f, "in[0] is f64, was f32 (compared with trace 1)", "f64[2]"), "a dtype");
    reel_function_call(f, REEL_LIST(reel_ones(REEL_F64, REEL_SHAPE(3))), out);
    TAP_OK(says(f, "dimension 0 of in[0] is 3, was 2 (compared with trace 2)", "no longer kept"),
           "a size; one dropped");
    reel_function_call(f, REEL_LIST(reel_ones(REEL_F64, REEL_SHAPE(1, 3))), out);
    TAP_OK(says(f, "in[0] has shape [1,3], had [3] (compared with trace 3)", ""), "a rank");
    reel_function_call(f, REEL_LIST(reel_num(2)), out);
    TAP_OK(says(f, "in[0] is a number, was a tensor", "a number, 8 bytes of statics"), "a number");
    m.scale = 3;
    reel_function_call(f, REEL_LIST(reel_num(2)), out);
    TAP_OK(says(f, "of .statics ", "was") && reel_item(out[0]) == 6, "statics");
    reel_function_call(f, REEL_LIST(reel_ones(REEL_F64, REEL_SHAPE(3))), out);
    m.scale = 2;
    reel_function_call(f, REEL_LIST(reel_ones(REEL_F64, REEL_SHAPE(2))), out);
    TAP_OK(says(f, "like trace 2, which had been dropped for others (.max_traces)", "at most 2"), "a dropped one");
    for (m.what = 1; m.what <= 3; m.what++) {
        m.scale = 10 + m.what;
        reel_function_call(f, REEL_LIST(reel_ones(REEL_F32, REEL_SHAPE(2))), out);
        static const char *const want[] = {"constant .constants[0] f32[2], made at", "host data f32[2], made at",
                                           "what reel_item read at"};
        TAP_OK(says(f, want[m.what - 1], "test_retrace.c:"), "frozen: %s", want[m.what - 1]);
    }
    reel_function_free(f);
    expect_none("reasons");
}

/* Many signatures: the list of traces and of notes stays short. */
static void test_bounded(void)
{
    REEL_SCOPED;
    struct model m = {.scale = 2};
    reel_function *f =
        reel_function_new(REEL_FN(scaled, &m, 1, 1),
                          REEL_OPTS(function, .statics = &m.scale, .statics_size = sizeof m.scale, .max_traces = 5));
    for (int i = 0; i < 300; i++) {
        REEL_SCOPED;
        reel_tensor *out[1];
        m.scale = i + 1;
        reel_function_call(f, REEL_LIST(reel_ones(REEL_F32, REEL_SHAPE(2))), out);
        if (i > 3) { /* the first is always used again: it is never dropped */
            m.scale = 1;
            reel_function_call(f, REEL_LIST(reel_ones(REEL_F32, REEL_SHAPE(2))), out);
        }
    }
    TAP_EQ_INT(reel_function_traces(f), 300);
    char *text = explained(f);
    int notes = 0;
    for (const char *p = text; p && (p = strstr(p, "\ntrace ")) != NULL; p++) notes++;
    TAP_OK(notes <= 64 && text && strstr(text, "300 traces made, 5 kept (at most 5), 296 replays"), "%d notes", notes);
    free(text);
    reel_function_free(f);
    expect_none("bounded");
}

/* ---- the check ------------------------------------------------------------------------------------------- */

static void test_check(void)
{
    REEL_SCOPED;
    struct model m = {.scale = 2};
    reel_tensor *out[1], *x = reel_ones(REEL_F32, REEL_SHAPE(2));
    reel_function *all = reel_function_new(REEL_FN(scaled, &m, 1, 1), REEL_OPTS(function, .check = -1)),
                  *two = reel_function_new(REEL_FN(scaled, &m, 1, 1), REEL_OPTS(function, .check = 2));
    for (int i = 0; i < 3; i++) {
        TAP_EQ_INT(reel_function_call(all, REEL_LIST(x), out), 0);
        TAP_EQ_INT(reel_function_call(two, REEL_LIST(x), out), 0);
    }
    m.scale = 5;
    TAP_EQ_INT(reel_function_call(all, REEL_LIST(x), out), REEL_ETRACE);
    expect_error(REEL_ETRACE, "a number is 5, which was 2", "test_retrace.c:", "C state that changed");
    TAP_EQ_INT(reel_function_call(two, REEL_LIST(x), out), 0);
    TAP_OK(reel_item(reel_sum(out[0])) == 4, "unchecked, it is frozen");
    m.scale = 2;
    TAP_EQ_INT(reel_function_call(all, REEL_LIST(x), out), 0);
    reel_function_free(all);
    reel_function_free(two);
    struct model n;
    model_init(&n);
    reel_function *f = reel_function_new(REEL_FN(train, &n, 2, 1), REEL_OPTS(function, .check = -1));
    for (int i = 0; i < 8; i++)
        TAP_EQ_INT(reel_function_call(f, REEL_LIST(batch(3 + i % 4), labels(3 + i % 4)), out), 0);
    TAP_EQ_INT(reel_function_traces(f), 3);
    reel_function_free(f);
    model_free(&n);
    expect_none("check");
}

TAP_MAIN(test_sizes_vary, test_two_dimensions, test_two_at_once, test_sizes_asked_for, test_errors, test_reasons,
         test_bounded, test_check)
