/* test_onnx.c: the ONNX backend node tests against Reel's ops: exact dtypes and shapes, values within rtol 1e-3, atol 1e-7, as
   ONNX's own runner has it. Ends with a table by operator.

       test_onnx FOLDER [WORD]      cases of FOLDER (each a folder test_X) whose name contains WORD */
#include <dirent.h>
#include <stdlib.h>

#include "core/listener.h"
#include "ops/ids.h"
#include "graph.h"
#include "tap.h"

enum { MAX_VALUES = 64, MAX_OPS = 400, MAX_DIRS = 4000 };

/* ---- files ------------------------------------------------------------------------------------------------- */
static char *slurp(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    const long n = ftell(f);
    rewind(f);
    char *bytes = malloc((size_t)n + 1);
    *size = bytes ? fread(bytes, 1, (size_t)n, f) : 0;
    fclose(f);
    return bytes;
}

static onnx_model *read_model(const char *dir, const char *name)
{
    char path[1024];
    size_t size;
    snprintf(path, sizeof path, "%s/%s/model.onnx", dir, name);
    char *bytes = slurp(path, &size);
    onnx_model *m = bytes ? onnx_parse_model(bytes, size) : NULL;
    free(bytes);
    return m;
}

/* test_data_set_0/input_3.pb; NULL: there is none. */
static onnx_tensor *read_value(const char *dir, const char *name, const char *kind, int i)
{
    char path[1024];
    size_t size;
    snprintf(path, sizeof path, "%s/%s/test_data_set_0/%s_%d.pb", dir, name, kind, i);
    char *bytes = slurp(path, &size);
    onnx_tensor *t = bytes ? onnx_parse_tensor(bytes, size) : NULL;
    free(bytes);
    return t;
}

/* ---- the table by operator ---------------------------------------------------------------------------------- */
typedef struct tally {
    char op[64];
    int passed, failed, elsewhere;
    char why[160];
} tally;
static tally tallies[MAX_OPS];
static int n_tallies;

static tally *tally_of(const char *op)
{
    for (int i = 0; i < n_tallies; i++)
        if (strcmp(tallies[i].op, op) == 0) return &tallies[i];
    tally *t = &tallies[n_tallies < MAX_OPS - 1 ? n_tallies++ : n_tallies];
    snprintf(t->op, sizeof t->op, "%s", op);
    return t;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const tally *)a)->op, ((const tally *)b)->op);
}

/* The operator a case is about: the first node's, or that of the case it is an expansion of. */
static const char *subject(const char *dir, const char *name, const onnx_model *m)
{
    char plain[512];
    const char *expanded = strstr(name, "_expanded");
    if (expanded) {
        snprintf(plain, sizeof plain, "%.*s", (int)(expanded - name), name);
        const onnx_model *of = read_model(dir, plain);
        if (of) m = of;
    }
    const onnx_node *last = m->graph->n_nodes ? &m->graph->nodes[m->graph->n_nodes - 1] : NULL;
    return last ? last->op : "(none)";
}

/* Which rows of ops.def the passing cases went through. */
static struct {
    reel_listener listener;
    bool in_case[REEL_N_OPS];
    int passed[REEL_N_OPS];
} rows;

static int hear(reel_listener *self, const reel_call *call)
{
    (void)self;
    if (call->op->id < REEL_N_OPS) rows.in_case[call->op->id] = true;
    return 0;
}

/* ---- comparing ----------------------------------------------------------------------------------------------- */
static bool is_random(const onnx_graph *g)
{
    static const char *const ops[] = {"Bernoulli",        "Multinomial",       "RandomNormal",
                                      "RandomNormalLike", "RandomUniformLike", "RandomUniform"};
    for (int i = 0; i < g->n_nodes; i++)
        for (size_t k = 0; k < sizeof ops / sizeof *ops; k++)
            if (strcmp(g->nodes[i].op, ops[k]) == 0) return true;
    return false;
}

static bool same(reel_tensor *got, const onnx_tensor *want, bool values, char *why, size_t room)
{
    const reel_type type = {reel_dtype_of(got), reel_shape_of(got)};
    if (type.dtype != want->type.dtype || !reel_shape_same_(&type.shape, &want->type.shape)) {
        char a[REEL_SHAPE_TEXT], b[REEL_SHAPE_TEXT];
        snprintf(why, room, "%s%s, expected %s%s", reel_dtype_name(type.dtype), reel_shape_text_(&type.shape, a),
                 reel_dtype_name(want->type.dtype), reel_shape_text_(&want->type.shape, b));
        return false;
    }
    const size_t n = (size_t)reel_shape_count(type.shape);
    double *x = malloc((2 * n + 1) * sizeof *x), *y = x + n;
    bool ok = reel_read_f64(got, x, n) == 0 && reel_read_f64(from_onnx(want), y, n) == 0;
    for (size_t i = 0; ok && values && i < n; i++) {
        if (tap_is_close(x[i], y[i], 1e-3, 1e-7)) continue;
        snprintf(why, room, "element %zu is %.9g, expected %.9g", i, x[i], y[i]);
        ok = false;
    }
    free(x);
    return ok;
}

/* ---- a case -------------------------------------------------------------------------------------------------- */
typedef enum { PASSED, FAILED, ELSEWHERE } verdict;

static verdict run_case(const char *dir, const char *name, const onnx_model *m, char *why, size_t room)
{
    const onnx_graph *g = m->graph;
    reel_tensor *in[MAX_VALUES] = {0}, *out[MAX_VALUES] = {0};
    onnx_tensor *want[MAX_VALUES] = {0};
    reel_error e = {0};
    char reason[160] = "";
    if (g->n_in > MAX_VALUES || g->n_out > MAX_VALUES) return FAILED;
    for (int pass = 0; pass < 2; pass++) {
        const int n = pass ? g->n_out : g->n_in, *code = pass ? g->out_code : g->in_code;
        for (int i = 0; i < n; i++) {
            if (onnx_dtype(code[i])) continue;
            snprintf(why, room, "%s %d is %s", pass ? "output" : "input", i, onnx_code_name(code[i]));
            return ELSEWHERE;
        }
    }
    for (int i = 0; i < g->n_in; i++) {
        const onnx_tensor *t = read_value(dir, name, "input", i);
        in[i] = t ? from_onnx(t) : NULL;
    }
    for (int j = 0; j < g->n_out; j++) {
        want[j] = read_value(dir, name, "output", j);
        if (!want[j]) {
            snprintf(why, room, "output_%d.pb cannot be read", j);
            return FAILED;
        }
    }
    const int code = onnx_run_graph(m, g, NULL, in, g->n_in, out, g->n_out, reason);
    const int failed = reel_take_error(&e);
    if (code == ONNX_NA) {
        snprintf(why, room, "%s", reason);
        return ELSEWHERE;
    }
    if (code || failed) {
        snprintf(why, room, "%s", e.text);
        return FAILED;
    }
    for (int j = 0; j < g->n_out; j++) {
        char text[200] = "";
        if (same(out[j], want[j], !is_random(g), text, sizeof text)) continue;
        snprintf(why, room, "output %d: %s", j, text);
        return FAILED;
    }
    return PASSED;
}

static void one(const char *dir, const char *name)
{
    REEL_SCOPED;
    char why[600] = "";
    const onnx_model *m = read_model(dir, name);
    memset(rows.in_case, 0, sizeof rows.in_case);
    rows.listener = (reel_listener){.hear = hear, .site = REEL_HERE};
    reel_listener_push_(&rows.listener);
    const verdict v = m ? run_case(dir, name, m, why, sizeof why) : FAILED;
    reel_listener_remove_(&rows.listener);
    tally *t = tally_of(m ? subject(dir, name, m) : "(malformed)");
    if (v == ELSEWHERE) {
        t->elsewhere++;
        snprintf(t->why, sizeof t->why, "%.150s", why);
        char line[800];
        snprintf(line, sizeof line, "%s: %s", name, why);
        tap_skip(line);
    } else {
        t->passed += v == PASSED;
        t->failed += v == FAILED;
        if (!TAP_OK(v == PASSED, "%s", name)) tap_note("%s", why);
        for (int i = 0; i < REEL_N_OPS && v == PASSED; i++) rows.passed[i] += rows.in_case[i];
    }
    reel_take_error(NULL);
    onnx_forget();
}

/* ---- all of them ------------------------------------------------------------------------------------------------ */
static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void report(void)
{
    int passed = 0, failed = 0, elsewhere = 0;
    qsort(tallies, (size_t)n_tallies, sizeof *tallies, by_name);
    printf("# %-28s %6s %6s %6s\n", "operator", "passed", "failed", "n/a");
    for (int i = 0; i < n_tallies; i++) {
        const tally *t = &tallies[i];
        printf("# %-28s %6d %6d %6d  %s\n", t->op, t->passed, t->failed, t->elsewhere, t->elsewhere ? t->why : "");
        passed += t->passed, failed += t->failed, elsewhere += t->elsewhere;
    }
    printf("# %-28s %6d %6d %6d\n", "all", passed, failed, elsewhere);
    if (getenv("REEL_ONNX_ROWS")) /* for the table of ops: which rows these cases went through */
        for (int i = 0; i < REEL_N_OPS; i++) printf("# row %s %d\n", reel_rows_[i].name, rows.passed[i]);
}

int main(int argc, char **argv)
{
    static char *names[MAX_DIRS];
    int n = 0;
    DIR *d = argc > 1 ? opendir(argv[1]) : NULL;
    if (!d) {
        printf("1..0 # SKIP no ONNX cases: ../shared/data/onnx is not here\n");
        return 0;
    }
    for (const struct dirent *e; n < MAX_DIRS && (e = readdir(d));)
        if (strncmp(e->d_name, "test_", 5) == 0 && (argc < 3 || strstr(e->d_name, argv[2])))
            names[n++] = strdup(e->d_name);
    closedir(d);
    qsort(names, (size_t)n, sizeof *names, by_text);
    for (int i = 0; i < n; i++) {
        one(argv[1], names[i]);
        free(names[i]);
    }
    report();
    return tap_finish();
}
