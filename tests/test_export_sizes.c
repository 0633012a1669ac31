/* test_export_sizes.c: exported files where sizes depend on data: arrays of the most there can be, and how many there are; what may read
   such values, and what is refused. And draws that refuse their data. */
#include "export_help.h"
#include <math.h>

enum { RUNS = 4, ROWS = 5, COLS = 3, OUTS = 19 };

/* Number k of the inputs: mixed, nothing, all, and NaN, infinities and both zeros. */
static void fill(float *x, int k)
{
    static const float some[] = {NAN, -0.0f, 0.0f, INFINITY, -INFINITY, NAN, 1, 1, -2};
    for (int i = 0; i < ROWS * COLS; i++)
        x[i] = k == 0 ? (float)(i * 7 % 5 - 2) : k == 1 ? 0 : k == 2 ? (float)(i + 1) : some[i * 4 % 9];
}

static void make_outputs(reel_tensor *x)
{
    reel_tensor *y[4], *zero = reel_num(0), *m = reel_greater(x, zero);
    reel_tensor *at = reel_nonzero(x), *few = reel_masked_select(x, m);
    reel_tensor *first = reel_select(x, 1, 0), *rows = reel_compress(x, reel_not_equal(first, zero), 0);
    reel_unique_all(x, NULL, y);
    reel_output("o0", at);
    reel_output("o1", reel_select(at, 1, 1));
    reel_output("o2", reel_transpose(at, REEL_ALL_AXES));
    reel_output("o3", reel_add(reel_mul(few, reel_num(2)), reel_num(1)));
    reel_output("o4", reel_less(few, reel_sqrt(few)));
    reel_output("o5", reel_sum_axes(reel_abs(rows), REEL_AXES(1), false));
    reel_output("o6", reel_max_axes(rows, REEL_AXES(1), true));
    reel_output("o7", y[0]);
    reel_output("o8", reel_cast(y[3], REEL_F32));
    reel_output("o9", y[2]);
    reel_output("o10", reel_add(rows, reel_sum_axes(rows, REEL_AXES(1), true)));
    reel_output("o12", reel_sum(reel_add(few, reel_num(1))));
    reel_output("o13", reel_mean_axes(rows, REEL_AXES(0), true));
    reel_output("o14", reel_prod(reel_sum_axes(rows, REEL_AXES(1), false)));
    reel_output("o15", reel_all(reel_greater(few, zero)));
    reel_output("o16", reel_count_nonzero(at));
    reel_output("o17", reel_add(reel_gather(x, reel_select(at, 1, 0), 0), reel_num(1)));
    reel_output("o18", reel_sum(reel_embedding(reel_exp(reel_clip(x, -1, 1)),
                                               reel_sub(reel_select(at, 1, 0), reel_num(0)), NULL)));
    reel_output("o11", reel_compress(x, reel_less(reel_select(x, 0, 0), reel_num(1)), 1));
}

static const struct {
    reel_dtype d;
    reel_shape s;
    int axis; /* that depends on data; -1: none */
} want[OUTS] = {{REEL_I64, {2, {ROWS * COLS, 2}}, 0},
                {REEL_I64, {1, {ROWS * COLS}}, 0},
                {REEL_I64, {2, {2, ROWS *COLS}}, 1},
                {REEL_F32, {1, {ROWS * COLS}}, 0},
                {REEL_BOOL, {1, {ROWS * COLS}}, 0},
                {REEL_F32, {1, {ROWS}}, 0},
                {REEL_F32, {2, {ROWS, 1}}, 0},
                {REEL_F32, {1, {ROWS * COLS}}, 0},
                {REEL_F32, {1, {ROWS * COLS}}, 0},
                {REEL_I64, {2, {ROWS, COLS}}, -1},
                {REEL_F32, {2, {ROWS, COLS}}, 0},
                {REEL_F32, {2, {ROWS, COLS}}, 1},
                {REEL_F32, {0, {0}}, -1},
                {REEL_F32, {2, {1, COLS}}, -1},
                {REEL_F32, {0, {0}}, -1},
                {REEL_BOOL, {0, {0}}, -1},
                {REEL_I64, {0, {0}}, -1},
                {REEL_F32, {2, {ROWS * COLS, COLS}}, 0},
                {REEL_F32, {0, {0}}, -1}};

/* One result of a run against what was replayed: as many along its axis, and each element. */
static bool holds(FILE *f, int i, reel_tensor *t)
{
    const size_t size = reel_dtype_size(want[i].d);
    const int64_t room = reel_shape_count(want[i].s);
    char got[ROWS * COLS * COLS * 8];
    double x[ROWS * COLS * COLS], y;
    int64_t count = 0;
    const reel_shape have = reel_shape_of(t);
    const int64_t n = reel_shape_count(have);
    if (fread(got, size, (size_t)room, f) != (size_t)room) return false;
    if (want[i].axis >= 0 && (fread(&count, 8, 1, f) != 1 || count != have.dims[want[i].axis])) return false;
    if (reel_read_f64(t, x, (size_t)n)) return false;
    for (int64_t k = 0; k < n; k++) {
        int64_t at = 0, by = 1, left = k;
        for (int d = have.rank - 1; d >= 0; left /= have.dims[d], by *= want[i].s.dims[d--])
            at += left % have.dims[d] * by;
        reel_convert_(&y, REEL_F64, 1, got + (size_t)at * size, want[i].d, 1, 1);
        if (y != x[k] && !(isnan(y) && isnan(x[k])) && !(fabs(y - x[k]) <= 1e-5 * fmax(1, fabs(x[k])))) {
            tap_note("o%d, element %lld is %g, replayed %g", i, (long long)k, y, x[k]);
            return false;
        }
    }
    return true;
}

static void test_sizes(const char *passes, const char *name)
{
    REEL_SCOPED;
    float x[ROWS * COLS];
    char label[OUTS][16];
    const char *names[OUTS], *in_name[] = {"x"};
    reel_type types[OUTS];
    int counted[OUTS];
    reel_tensor *fed[RUNS], *out[RUNS][OUTS];
    const reel_type in_type = {REEL_F32, REEL_SHAPE(ROWS, COLS)};
    reel_graph *g = reel_graph_begin();
    make_outputs(reel_placeholder(REEL_F32, in_type.shape, "x"));
    TAP_OK(reel_graph_end(g) == 0, "a graph whose sizes depend on data");
    for (int i = 0; i < OUTS; i++) {
        snprintf(label[i], sizeof label[i], "o%d", i);
        names[i] = label[i];
        types[i] = (reel_type){want[i].d, want[i].s};
        counted[i] = want[i].axis >= 0;
    }
    const reel_names fetch = {OUTS, names};
    TAP_OK(reel_export_c(g, (reel_names){1, in_name}, fetch,
                         REEL_OPTS(export, .name = name, .folder = export_folder, .passes = passes), NULL) == 0,
           "%s: is exported", name);
    const export_side from = {1, in_name, &in_type, NULL}, to = {OUTS, names, types, counted};
    export_main(name, &from, &to, RUNS, false, false);
    reel_session *s = reel_session_new(g, NULL);
    FILE *f = export_open(name, ".in", "wb");
    for (int k = 0; k < RUNS; k++) {
        fill(x, k);
        fed[k] = reel_from_f32(in_type.shape, x, ROWS * COLS);
        export_put(f, fed[k]);
        reel_session_run(s, REEL_FEEDS({"x", fed[k]}), fetch, out[k]);
    }
    (void)fclose(f);
    TAP_OK(export_compile(name, "-O2") && export_run(name, false) == 0, "%s: is built and run", name);
    f = export_open(name, ".out", "rb");
    bool ok = f != NULL;
    for (int k = 0; k < RUNS && ok; k++)
        for (int i = 0; i < OUTS && ok; i++)
            if (!(ok = holds(f, i, out[k][i]))) tap_note("run %d, o%d", k, i);
    TAP_OK(ok, "%s: as many as replayed, and the same", name);
    if (f) (void)fclose(f);
    reel_session_free(s);
    reel_graph_free(g);
}

/* A name that would be a count's; a count that nobody asks for. */
static void test_names(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(4), "x");
    reel_output("y", reel_nonzero(x));
    reel_output("y_count", reel_add(x, x));
    reel_graph_end(g);
    TAP_OK(reel_export_c(g, (reel_names){0}, REEL_FETCHES("y", "y_count"),
                         REEL_OPTS(export, .name = "named", .folder = export_folder), NULL) == 0,
           "a result with the name of a count");
    FILE *c = export_open("main_named", ".c", "w");
    fputs(
        "#include \"named.h\"\nstatic float x[4] = {0, 3, 0, -1}, twice[4];\nstatic int64_t y[4], n;\n"
        "int main(void)\n{\n    const named_inputs in = {x};\n    named_outputs out = {y, &n, twice};\n"
        "    out.y_count_2 = &n;\n    if (named_run(&in, &out) || n != 2 || y[0] != 1 || y[1] != 3 || y[2]) return 1;\n"
        "    n = 7;\n    out.y_count_2 = 0;\n    return named_run(&in, &out) || n != 7 || twice[1] < 6;\n}\n",
        c);
    (void)fclose(c);
    TAP_OK(export_compile("named", "-O1") && export_run("named", false) == 0, "has one of its own, which may be NULL");
    reel_graph_free(g);
}

/* ---- what none may do with such a value ------------------------------------------------------------------------------ */

static bool refused(const char *fetch, reel_graph *g, const char *a, const char *b)
{
    reel_error e = {0};
    const char *name[] = {fetch};
    const int rc = reel_export_c(g, (reel_names){0}, (reel_names){1, name},
                                 REEL_OPTS(export, .name = "none", .folder = export_folder), NULL);
    reel_take_error(&e);
    const bool ok =
        rc == REEL_ETRACE && strstr(e.text, a) && strstr(e.text, b) && strstr(e.text, "test_export_sizes.c:");
    if (!ok) tap_note("%s: %s: %s", fetch, reel_code_name(rc), e.text);
    return ok;
}

static void test_readers(void)
{
    static const char *const names[][2] = {{"highest", "reel_max has no"},
                                           {"spread", "has no exported form here"},
                                           {"own", "reel_add has no"},
                                           {"two", "reel_add has no"},
                                           {"product", "reel_matmul has no"},
                                           {"like", "reel_full_like has no"},
                                           {"flat", "reel_reshape has no"},
                                           {"taken", "reel_gather has no"},
                                           {"again", "reel_unique_all has no"},
                                           {"part", "reel_slice has no"},
                                           {"later", "reel_abs has no"},
                                           {"turned", "reel_add has no"},
                                           {"filled", "reel_broadcast_like has no"}};
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(4, 3), "x"), *m = reel_greater(x, reel_num(0));
    reel_tensor *few = reel_masked_select(x, m), *at = reel_nonzero(x);
    reel_output("highest", reel_max(few, 0));
    reel_output("spread", reel_softmax(few, 0));
    reel_output("own", reel_add(few, reel_placeholder(REEL_F32, REEL_SHAPE(12), "z")));
    reel_output("two", reel_add(few, reel_masked_select(x, reel_less(x, reel_num(0)))));
    reel_output("product",
                reel_matmul(reel_compress(x, reel_select(m, 1, 0), 0), reel_ones(REEL_F32, REEL_SHAPE(3, 2))));
    reel_output("like", reel_zeros_like(few));
    reel_output("flat", reel_reshape(at, REEL_SHAPE(-1)));
    reel_output("filled", reel_broadcast_like(reel_placeholder(REEL_F32, REEL_SHAPE(1), "f"), few));
    reel_output("taken", reel_gather(few, reel_cast(reel_select(m, 0, 0), REEL_I32), 0));
    reel_output("again", reel_unique(few));
    reel_output("part", reel_slice(few, 1, REEL_RANGES({0, 2, 1})));
    reel_output("later", reel_abs(reel_reshape(at, REEL_SHAPE(-1))));
    reel_tensor *one =
        reel_nonzero(reel_placeholder(REEL_F32, REEL_SHAPE(1), "one")); /* [at most 1, 1]: which axis is counted? */
    reel_output("turned",
                reel_sum_axes(reel_add(reel_transpose(one, REEL_ALL_AXES), reel_num(1)), REEL_AXES(1), false));
    reel_output("grown", reel_bincount(reel_cast(x, REEL_I32), NULL, REEL_ANY));
    TAP_OK(reel_graph_end(g) == 0, "a graph of things that cannot be");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        TAP_OK(refused(names[i][0], g, names[i][1], "depends on data, by reel_"), "%s is refused", names[i][0]);
    TAP_OK(refused("grown", g, "reel_bincount_grow has no exported form", "nothing bounds it"),
           "a size without a bound");
    reel_graph_free(g);
}

static int keeps(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *few = reel_masked_select(in[0], reel_greater(in[0], reel_num(0)));
    out[0] = reel_add(in[0], reel_num(1));
    return reel_assign(self, reel_max(few, 0));
}

static void test_assigned(void)
{
    REEL_SCOPED;
    reel_error e = {0};
    reel_tensor *y[1] = {NULL};
    reel_vars *vars = reel_vars_new("");
    reel_tensor *v = reel_var(vars, "kept", reel_zeros(REEL_F32, REEL_SCALAR));
    reel_function *f = reel_function_new(REEL_FN(keeps, v, 1, 1), NULL);
    (void)reel_function_call(f, REEL_LIST(reel_ones(REEL_F32, REEL_SHAPE(3))), y);
    const int rc = reel_export_function_c(f, REEL_OPTS(export, .name = "keeps", .folder = export_folder), NULL);
    reel_take_error(&e);
    TAP_OK(rc == REEL_ETRACE && strstr(e.text, "reel_max has no exported form here"), "nor by way of a variable: %s",
           e.text);
    reel_function_free(f);
    reel_vars_free(vars);
}

/* ---- draws that refuse their data ------------------------------------------------------------------------------------- */

static void test_draws(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(2, 3), "x");
    reel_output("y", reel_categorical(x, 4, NULL));
    reel_graph_end(g);
    TAP_OK(reel_export_c(g, (reel_names){0}, REEL_FETCHES("y"),
                         REEL_OPTS(export, .name = "drawn", .folder = export_folder), NULL) == 0,
           "a draw from rows of logits");
    FILE *c = export_open("main_drawn", ".c", "w");
    fputs("#include <math.h>\n#include <string.h>\n#include \"drawn.h\"\nstatic float x[6];\nstatic int64_t y[8];\n"
          "int main(void)\n{\n    const drawn_inputs in = {x};\n    const drawn_outputs out = {y};\n"
          "    const uint64_t before = drawn_vars.random[0][1];\n    int rc;\n    x[4] = (float)NAN;\n"
          "    rc = drawn_run(&in, &out);\n"
          "    if (rc == 0 || !strstr(drawn_error(rc), \"nothing but -infinity\")) return 1;\n"
          "    if (drawn_vars.random[0][1] != before) return 2;\n    x[4] = 40;\n    if (drawn_run(&in, &out)) return "
          "3;\n"
          "    if (drawn_vars.random[0][1] != before + 2) return 4;\n"
          "    return y[4] != 1 || y[5] != 1 || y[6] != 1 || y[7] != 1;\n}\n",
          c);
    (void)fclose(c);
    TAP_OK(export_compile("drawn", "-O1") && export_run("drawn", false) == 0,
           "refuses NaN and takes no counters for it, then draws");
    reel_graph_free(g);
}

int main(void)
{
    if (!export_cc()) {
        printf("1..0 # SKIP no cc\n");
        return 0;
    }
    if (!TAP_OK(export_begin(), "a folder")) return tap_finish();
    test_sizes("default", "sizes");
    test_sizes("none", "plain");
    test_names();
    test_readers();
    test_assigned();
    test_draws();
    if (getenv("REEL_EXPORT_KEEP"))
        tap_note("kept: %s", export_folder);
    else
        export_end();
    return tap_finish();
}
