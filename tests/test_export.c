/* test_export.c: whole models as exported C: built by cc without warnings, run, and compared with eager; what is refused; what is left on
   disk. The argument is the path of the digits' data. */
#include "export_help.h"
#include "core/tensor.h"
#include "trace/trace.h"
#include "../examples/digits_data.h"

static const char *data_path;
static bool reduced;

/* ---- a model that is trained, eagerly and as exported --------------------------------------------------------- */
typedef struct model {
    reel_vars *vars;
    reel_optimizer *opt;
    reel_tensor *p[16];
    reel_dense dense[6];
    reel_tensor *(*loss)(struct model *m, reel_tensor *const in[]);
} model;

static int train_step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    model *m = self;
    reel_tape *tape = reel_tape_begin(NULL);
    out[0] = m->loss(m, in);
    if (reel_status()) return reel_status();
    return reel_minimize(m->opt, tape, out[0]);
}

/* A member's name, as the exporter makes it. */
static void member_name(const char *name, char *to)
{
    size_t n = 0;
    for (; *name; name++) {
        const bool word =
            (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') || (*name >= '0' && *name <= '9');
        if (word || (n && to[n - 1] != '_')) to[n++] = word ? *name : '_';
    }
    to[n] = '\0';
}

/* main writes the losses and then the members. */
static void write_main(const char *name, const export_side *in, const export_side *out, int runs, reel_list vars,
                       bool load)
{
    export_main(name, in, out, runs, false, load);
    FILE *f = export_open("main_", "", "r");
    if (f) fclose(f);
    char path[256], member[128];
    snprintf(path, sizeof path, "%s/main_%s.c", export_folder, name);
    f = fopen(path, "r+");
    fseek(f, -(long)strlen("    return fclose(to);\n}\n"), SEEK_END);
    for (int i = 0; i < vars.n; i++) {
        member_name(reel_var_name(vars.t[i]), member);
        fprintf(f, "    fwrite(%s_vars.%s, sizeof %s_vars.%s, 1, to);\n", name, member, name, member);
    }
    fprintf(f, "    return fclose(to);\n}\n");
    fclose(f);
}

static double worst_of(const float *got, const double *want, int64_t n)
{
    double worst = 0;
    for (int64_t i = 0; i < n; i++) {
        const double d = fabs((double)got[i] - want[i]) / fmax(1, fabs(want[i]));
        if (!(d <= worst)) worst = d;
    }
    return worst;
}

/* The variables at the end, and their largest difference. */
static double compare_vars(FILE *f, reel_list vars)
{
    double worst = 0;
    for (int i = 0; i < vars.n; i++) {
        const int64_t n = reel_shape_count(reel_shape_of(vars.t[i]));
        float *got = malloc((size_t)(n + 1) * sizeof *got);
        double *want = malloc((size_t)(n + 1) * sizeof *want);
        if (fread(got, sizeof *got, (size_t)n, f) != (size_t)n || reel_read_f64(vars.t[i], want, (size_t)n))
            worst = INFINITY;
        worst = fmax(worst, worst_of(got, want, n));
        free(got);
        free(want);
    }
    return worst;
}

typedef void dealer(void *self, int step, reel_tensor *in[2]);

/* Trains for `steps` steps; the same batches go to the exported step. */
static void train(const char *name, model *m, dealer *deal, void *data, int steps, double tolerance, bool side)
{
    REEL_SCOPED;
    reel_tensor *in[2], *out[1];
    reel_export_info info;
    reel_error e;
    deal(data, 0, in);
    reel_function *f = reel_function_new(REEL_FN(train_step, m, 2, 1), NULL);
    bool ok = reel_function_call(f, REEL_LIST(in[0], in[1]), out) == 0;
    ok = ok && reel_export_function_c(f,
                                      REEL_OPTS(export, .name = name, .folder = export_folder, .side_file = side,
                                                .inputs = REEL_FETCHES("x", "label"), .outputs = REEL_FETCHES("loss")),
                                      &info) == 0;
    reel_function_free(f);
    if (!TAP_OK(ok, "%s: the training step is exported", name)) {
        if (reel_take_error(&e)) tap_note("%s", e.text);
        return;
    }
    const reel_type types[2] = {{reel_dtype_of(in[0]), reel_shape_of(in[0])},
                                {reel_dtype_of(in[1]), reel_shape_of(in[1])}};
    const reel_type loss = {REEL_F32, REEL_SCALAR};
    static const char *const in_names[] = {"x", "label"}, *const out_names[] = {"loss"};
    const export_side from = {2, in_names, types, NULL}, to = {1, out_names, &loss, NULL};
    const reel_list vars = reel_vars_list(m->vars);
    write_main(name, &from, &to, steps, vars, side);
    FILE *inputs = export_open(name, ".in", "wb");
    double *want = malloc((size_t)steps * sizeof *want);
    for (int k = 0; k < steps && ok; k++) {
        REEL_SCOPED;
        deal(data, k + 1, in);
        ok = export_put(inputs, in[0]) && export_put(inputs, in[1]) && train_step(m, in, out) == 0;
        want[k] = reel_item(out[0]);
    }
    fclose(inputs);
    TAP_OK(ok, "%s: %d eager steps", name, steps);
    if (TAP_OK(export_compile(name, "-O2"), "%s: cc %s", name, EXPORT_FLAGS) &&
        TAP_OK(export_run(name, side) == 0, "%s: runs", name)) {
        FILE *o = export_open(name, ".out", "rb");
        float *got = malloc((size_t)steps * sizeof *got);
        ok = fread(got, sizeof *got, (size_t)steps, o) == (size_t)steps;
        const double losses = worst_of(got, want, steps), weights = compare_vars(o, vars);
        TAP_OK(ok && losses <= tolerance && weights <= tolerance,
               "%s: %d steps as eager's: losses within %.2g, variables within %.2g", name, steps, losses, weights);
        tap_note("%s: %d functions, %d calls, arena %zu, variables %zu, constants %zu, peak %zu bytes; loss %g to %g",
                 name, info.functions, info.calls, info.arena_bytes, info.vars_bytes, info.const_bytes, info.peak_bytes,
                 want[0], want[steps - 1]);
        TAP_OK(info.peak_bytes == info.arena_bytes + info.vars_bytes && info.arena_bytes > 0,
               "%s: peak is arena and variables", name);
        fclose(o);
        free(got);
    }
    free(want);
}

/* ---- the digits' MLP -------------------------------------------------------------------------------------------- */
static reel_tensor *mlp_loss(model *m, reel_tensor *const in[])
{
    reel_tensor *h = reel_relu(reel_dense_apply(&m->dense[0], in[0]));
    return reel_mean(reel_softmax_cross_entropy(reel_dense_apply(&m->dense[1], h), in[1]));
}

typedef struct cards {
    struct digits d;
    struct deck k;
    int side; /* 0: as they are; otherwise images that large */
    int batch;
} cards;
static cards data;

static void deal_digits(void *self, int step, reel_tensor *in[2])
{
    cards *c = self;
    deck_deal(&c->k, &c->d, step % STEPS);
    in[0] = reel_from_f32(REEL_SHAPE(BATCH, PIXELS), c->k.x[0], (size_t)BATCH * PIXELS);
    in[1] = reel_from_i32(REEL_SHAPE(BATCH), c->k.label, BATCH);
}

static bool load_digits(void)
{
    if (digits_read(&data.d, data_path)) return false;
    deck_init(&data.k, 3);
    deck_shuffle(&data.k);
    return true;
}

static void test_digits(void)
{
    model m = {.loss = mlp_loss};
    if (!TAP_OK(load_digits(), "the digits are there")) return;
    reel_seed(2);
    m.vars = reel_vars_new("mlp");
    reel_dense_init(&m.dense[0], m.vars, "hidden", REEL_F32, PIXELS, 32);
    reel_dense_init(&m.dense[1], m.vars, "out", REEL_F32, 32, CLASSES);
    m.opt = reel_adam(m.vars, REEL_OPTS(adam, .lr = 0.03, .weight_decay = 3e-4));
    train("digits", &m, deal_digits, &data, 100, 1e-5, false);
    train("digits_side", &m, deal_digits, &data, 5, 1e-5, true);
    reel_optimizer_free(m.opt);
    reel_vars_free(m.vars);
}

/* ---- LeNet: convolution, pooling ------------------------------------------------------------------------------------ */
static reel_tensor *stage(reel_tensor *x, reel_tensor *w, reel_tensor *b)
{
    return reel_max_pool2d(reel_relu(reel_conv2d(x, w, REEL_OPTS(conv2d, .padding = REEL_SAME, .bias = b))),
                           REEL_SHAPE(2, 2), NULL);
}

static reel_tensor *lenet_loss(model *m, reel_tensor *const in[])
{
    reel_tensor *y = reel_dropout(stage(stage(in[0], m->p[0], m->p[1]), m->p[2], m->p[3]), 0.25, NULL);
    y = reel_relu(reel_dense_apply(&m->dense[0], reel_reshape(y, REEL_SHAPE(-1, 2 * 2 * 16))));
    return reel_mean(reel_softmax_cross_entropy(reel_dense_apply(&m->dense[1], y), in[1]));
}

static void deal_images(void *self, int step, reel_tensor *in[2])
{
    reel_tensor *flat[2];
    deal_digits(self, step, flat);
    in[0] = reel_reshape(flat[0], REEL_SHAPE(BATCH, 1, 8, 8));
    in[1] = flat[1];
}

static void test_lenet(void)
{
    REEL_SCOPED;
    model m = {.loss = lenet_loss};
    if (!load_digits()) return;
    reel_seed(2);
    m.vars = reel_vars_new("lenet");
    m.p[0] = reel_var(m.vars, "conv1_w", reel_mul(reel_randn(REEL_F32, REEL_SHAPE(8, 1, 5, 5)), reel_num(0.2)));
    m.p[1] = reel_var(m.vars, "conv1_b", reel_full(REEL_F32, REEL_SHAPE(8), 0));
    m.p[2] = reel_var(m.vars, "conv2_w", reel_mul(reel_randn(REEL_F32, REEL_SHAPE(16, 8, 5, 5)), reel_num(0.1)));
    m.p[3] = reel_var(m.vars, "conv2_b", reel_full(REEL_F32, REEL_SHAPE(16), 0));
    reel_dense_init(&m.dense[0], m.vars, "hidden", REEL_F32, 2 * 2 * 16, 32);
    reel_dense_init(&m.dense[1], m.vars, "out", REEL_F32, 32, CLASSES);
    m.opt = reel_sgd(m.vars, REEL_OPTS(sgd, .lr = 0.05, .momentum = 0.9));
    train("lenet", &m, deal_images, &data, 3, 1e-5, false);
    reel_optimizer_free(m.opt);
    reel_vars_free(m.vars);
}

/* ---- a recurrent net ---------------------------------------------------------------------------------------------------- */
static reel_tensor *lstm_loss(model *m, reel_tensor *const in[])
{
    reel_tensor *out[3];
    reel_tensor *x =
        reel_transpose(reel_reshape(in[0], REEL_SHAPE(BATCH, 8, 8)), REEL_AXES(1, 0, 2)); /* rows as steps */
    if (reel_lstm(x, m->p[0], m->p[1], m->p[2], NULL, out)) return NULL;
    reel_tensor *last = reel_select(out[0], 0, 7);
    return reel_mean(reel_softmax_cross_entropy(reel_dense_apply(&m->dense[0], last), in[1]));
}

static void test_lstm(void)
{
    REEL_SCOPED;
    model m = {.loss = lstm_loss};
    if (!load_digits()) return;
    reel_seed(2);
    m.vars = reel_vars_new("lstm");
    m.p[0] = reel_var(m.vars, "w", reel_mul(reel_randn(REEL_F32, REEL_SHAPE(4 * 16, 8)), reel_num(0.3)));
    m.p[1] = reel_var(m.vars, "r", reel_mul(reel_randn(REEL_F32, REEL_SHAPE(4 * 16, 16)), reel_num(0.2)));
    m.p[2] = reel_var(m.vars, "b", reel_full(REEL_F32, REEL_SHAPE(4 * 16), 0.1));
    reel_dense_init(&m.dense[0], m.vars, "out", REEL_F32, 16, CLASSES);
    m.opt = reel_sgd(m.vars, REEL_OPTS(sgd, .lr = 0.1, .momentum = 0.9));
    train("lstm", &m, deal_digits, &data, 3, 1e-5, false);
    reel_optimizer_free(m.opt);
    reel_vars_free(m.vars);
}

/* ---- a transformer block: embedding, layer norm, attention, gelu, residuals ------------------------------------------------ */
enum { WORDS = 20, LONG = 12, WIDE = 16, HEADS = 2, GPT_BATCH = 3 };

static reel_tensor *heads(reel_tensor *x)
{
    return reel_transpose(reel_reshape(x, REEL_SHAPE(GPT_BATCH, LONG, HEADS, WIDE / HEADS)), REEL_AXES(0, 2, 1, 3));
}

static reel_tensor *gpt_loss(model *m, reel_tensor *const in[])
{
    reel_tensor *x = reel_add(reel_embedding(m->p[0], in[0], NULL), m->p[1]);
    reel_tensor *y = reel_layer_norm(x, m->p[2], m->p[3], NULL);
    reel_tensor *a =
        reel_attention(heads(reel_dense_apply(&m->dense[0], y)), heads(reel_dense_apply(&m->dense[1], y)),
                       heads(reel_dense_apply(&m->dense[2], y)), NULL, REEL_OPTS(attention, .causal = REEL_CAUSAL));
    a = reel_reshape(reel_transpose(a, REEL_AXES(0, 2, 1, 3)), REEL_SHAPE(GPT_BATCH, LONG, WIDE));
    x = reel_add(x, reel_dense_apply(&m->dense[3], a));
    y = reel_gelu(reel_dense_apply(&m->dense[4], reel_layer_norm(x, m->p[4], m->p[5], NULL)));
    x = reel_add(x, reel_dense_apply(&m->dense[5], y));
    reel_tensor *logits = reel_matmul(x, reel_transpose(m->p[0], REEL_ALL_AXES)); /* the table again */
    return reel_mean(reel_softmax_cross_entropy(logits, in[1]));
}

static void deal_words(void *self, int step, reel_tensor *in[2])
{
    int32_t id[GPT_BATCH * (LONG + 1)];
    (void)self;
    for (int i = 0; i < GPT_BATCH * (LONG + 1); i++) id[i] = (int32_t)((unsigned)(i * i + 7 * step + i / 5) % WORDS);
    in[0] = reel_from_i32(REEL_SHAPE(GPT_BATCH, LONG), id, (size_t)GPT_BATCH * LONG);
    in[1] = reel_from_i32(REEL_SHAPE(GPT_BATCH, LONG), id + 1, (size_t)GPT_BATCH * LONG);
}

static void test_gpt(void)
{
    REEL_SCOPED;
    model m = {.loss = gpt_loss};
    static const char *const names[] = {"q", "k", "v", "proj"};
    reel_seed(2);
    m.vars = reel_vars_new("gpt");
    m.p[0] = reel_var(m.vars, "words", reel_mul(reel_randn(REEL_F32, REEL_SHAPE(WORDS, WIDE)), reel_num(0.3)));
    m.p[1] = reel_var(m.vars, "places", reel_mul(reel_randn(REEL_F32, REEL_SHAPE(LONG, WIDE)), reel_num(0.1)));
    for (int i = 0; i < 2; i++) {
        m.p[2 + 2 * i] = reel_var(m.vars, i ? "scale2" : "scale1", reel_full(REEL_F32, REEL_SHAPE(WIDE), 1));
        m.p[3 + 2 * i] = reel_var(m.vars, i ? "shift2" : "shift1", reel_full(REEL_F32, REEL_SHAPE(WIDE), 0));
    }
    for (int i = 0; i < 4; i++) reel_dense_init(&m.dense[i], m.vars, names[i], REEL_F32, WIDE, WIDE);
    reel_dense_init(&m.dense[4], m.vars, "up", REEL_F32, WIDE, 4 * WIDE);
    reel_dense_init(&m.dense[5], m.vars, "down", REEL_F32, 4 * WIDE, WIDE);
    m.opt = reel_sgd(m.vars, REEL_OPTS(sgd, .lr = 0.1));
    train("gpt", &m, deal_words, NULL, 3, 1e-5, false);
    reel_optimizer_free(m.opt);
    reel_vars_free(m.vars);
}

/* ---- graphs: names, unknown sizes, variables that change places ------------------------------------------------------------------- */
static const float four[] = {1, -2, 3, -4};

static reel_tensor *row_of(float by)
{
    float x[4];
    for (int i = 0; i < 4; i++) x[i] = by * four[i];
    return reel_from_f32(REEL_SHAPE(4), x, 4);
}

/* a, b = b, a + x: with the old values fetched too. */
static void test_swap(void)
{
    REEL_SCOPED;
    reel_vars *vars = reel_vars_new("pair");
    reel_tensor *a = reel_var(vars, "a", row_of(1)), *b = reel_var(vars, "b", row_of(10)), *x = row_of(0.5f), *out[3];
    reel_graph *g = reel_graph_begin();
    reel_tensor *in = reel_placeholder(REEL_F32, REEL_SHAPE(4), "x");
    reel_tensor *was = reel_stop_gradient(a), *next = reel_add(a, in);
    reel_output("was", was);
    reel_output("sum", reel_sum(reel_mul(next, b)));
    reel_assign(a, b);
    reel_assign(b, next);
    TAP_OK(reel_graph_end(g) == 0, "a graph that assigns");
    const reel_names feeds = REEL_FETCHES("x"), fetch = REEL_FETCHES("was", "sum");
    reel_export_info info;
    const bool ok =
        reel_export_c(g, feeds, fetch, REEL_OPTS(export, .name = "pair", .folder = export_folder, .effects = true),
                      &info) == 0;
    if (TAP_OK(ok, "is exported")) {
        const reel_type in_type = {REEL_F32, REEL_SHAPE(4)},
                        out_type[2] = {{REEL_F32, REEL_SHAPE(4)}, {REEL_F32, REEL_SCALAR}};
        const export_side from = {1, feeds.name, &in_type, NULL}, to = {2, fetch.name, out_type, NULL};
        write_main("pair", &from, &to, 3, reel_vars_list(vars), false);
        FILE *f = export_open("pair", ".in", "wb");
        double want[3][5];
        reel_session *s = reel_session_new(g, REEL_OPTS(session, .effects = true));
        for (int k = 0; k < 3; k++) {
            export_put(f, x);
            reel_session_run(s, REEL_FEEDS({"x", x}), fetch, out);
            reel_read_f64(out[0], want[k], 4);
            want[k][4] = reel_item(out[1]);
        }
        fclose(f);
        reel_session_free(s);
        TAP_OK(export_compile("pair", "-O2") && export_run("pair", false) == 0, "is built and run");
        f = export_open("pair", ".out", "rb");
        float got[15];
        TAP_OK(f && fread(got, sizeof *got, 15, f) == 15 && worst_of(got, want[0], 15) <= 1e-6,
               "old values and new as replayed");
        TAP_OK(f && compare_vars(f, reel_vars_list(vars)) <= 1e-6, "variables have changed places");
        if (f) fclose(f);
    }
    reel_graph_free(g);
    reel_vars_free(vars);
}

static char *slurp(const char *name, const char *end)
{
    FILE *f = export_open(name, end, "rb");
    char *text = calloc(1, 1 << 20);
    if (f) {
        const size_t n = fread(text, 1, (1 << 20) - 1, f);
        text[n] = '\0';
        fclose(f);
    }
    return text;
}

static void test_inference(void)
{
    REEL_SCOPED;
    reel_vars *vars = reel_vars_new("net");
    reel_dense d;
    reel_seed(4);
    reel_dense_init(&d, vars, "layer", REEL_F32, 3, 2);
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 3), "x");
    reel_name_scope_begin("head");
    reel_output("probs", reel_softmax(reel_dense_apply(&d, x), -1));
    reel_name_scope_end();
    reel_graph_end(g);
    reel_error e = {0};
    TAP_OK(reel_export_c(g, (reel_names){0}, REEL_FETCHES("probs"), REEL_OPTS(export, .folder = export_folder), NULL) ==
               REEL_ESHAPE,
           "unknown dimensions are refused");
    reel_take_error(&e);
    TAP_OK(strstr(e.text, "\"x\"") && strstr(e.text, "[?,3]") && strstr(e.text, ".any"), "naming the placeholder: %s",
           e.text);
    char *text = slurp("model", ".c");
    TAP_OK(!*text, "and no file is left");
    free(text);
    const bool ok = reel_export_c(g, (reel_names){0}, REEL_FETCHES("probs"),
                                  REEL_OPTS(export, .name = "net", .folder = export_folder, .any = 5), NULL) == 0;
    TAP_OK(ok, "all of one size");
    text = slurp("net", ".c");
    TAP_OK(strstr(text, "const net_variables net_vars") && strstr(text, "0x1."),
           "weights inside, const, as hexadecimal floats");
    TAP_OK(strstr(text, "net_head_softmax") && strstr(text, "test_export.c:"),
           "functions have the user's scopes and lines");
    TAP_OK(!strstr(text, "malloc"), "nothing is allocated");
    free(text);
    text = slurp("net", ".h");
    TAP_OK(strstr(text, "#define NET_PEAK_BYTES") && strstr(text, "const float *x; /* f32[5,3]: 15 */"),
           "the header says sizes");
    free(text);
    const reel_shape shape = REEL_SHAPE(7, 3);
    TAP_OK(reel_export_c(g, REEL_FETCHES("x"), REEL_FETCHES("probs"),
                         REEL_OPTS(export, .name = "net7", .folder = export_folder, .shapes = &shape), NULL) == 0,
           "a shape of its own");
    reel_graph_free(g);
    reel_vars_free(vars);
}

/* ---- what is refused ---------------------------------------------------------------------------------------------------------------- */
static bool refused(int rc, int code, const char *a, const char *b)
{
    reel_error e = {0};
    reel_take_error(&e);
    const bool ok = rc == code && e.code == code && strstr(e.text, a) && strstr(e.text, b);
    if (!ok) tap_note("%s: %s", reel_code_name(rc), e.text);
    return ok;
}

static int own_shape(const void *attr, const reel_type in[], reel_type out[])
{
    (void)attr;
    out[0] = in[0];
    return 0;
}
static int own_cpu(const void *attr, const reel_view in[], const reel_view out[])
{
    (void)attr, (void)in, (void)out;
    return 0;
}

static void test_errors(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(3, 3), "x");
    const reel_op *own =
        reel_op_register(REEL_OP_DEF(.name = "own", .n_in = 1, .n_out = 1, .shape = own_shape, .cpu = own_cpu));
    reel_tensor *y[1] = {NULL};
    (void)reel_op_call(own, REEL_LIST(x), NULL, y);
    reel_output("own", y[0]);
    reel_output("twice", reel_add(x, x));
    TAP_OK(reel_graph_end(g) == 0, "a graph");
    const reel_names none = {0};
    TAP_OK(refused(reel_export_c(g, none, REEL_FETCHES("own"), REEL_OPTS(export, .folder = export_folder), NULL),
                   REEL_ETRACE, "reel_own has no exported form", "test_export.c:"),
           "an op without a form: its name and line");
    TAP_OK(
        refused(reel_export_c(g, none, REEL_FETCHES("thrice"), NULL, NULL), REEL_ETRACE, "thrice", "not in the graph"),
        "a wrong fetch");
    TAP_OK(refused(reel_export_c(g, REEL_FETCHES("y"), REEL_FETCHES("twice"), NULL, NULL), REEL_ETRACE, "\"y\"",
                   "not in the graph"),
           "a wrong feed");
    TAP_OK(refused(reel_export_c(NULL, none, REEL_FETCHES("twice"), NULL, NULL), REEL_EARG, "g is NULL", ""),
           "no graph");
    TAP_OK(refused(reel_export_c(g, none, REEL_FETCHES("twice"), REEL_OPTS(export, .name = "3d"), NULL), REEL_EARG,
                   "\"3d\"", "identifier"),
           "no identifier");
    TAP_OK(refused(reel_export_c(g, none, REEL_FETCHES("twice"), REEL_OPTS(export, .passes = "nonsense"), NULL),
                   REEL_EARG, "nonsense", ""),
           "no such pass");
    char path[256];
    snprintf(path, sizeof path, "%s/nowhere", export_folder);
    TAP_OK(refused(reel_export_c(g, none, REEL_FETCHES("twice"), REEL_OPTS(export, .folder = path), NULL), REEL_EIO,
                   "nowhere", "written"),
           "no such folder");
    TAP_OK(refused(reel_export_function_c(NULL, NULL, NULL), REEL_EARG, "f is NULL", ""), "no function");
    reel_graph_free(g);
}

/* A label that is out of range: the run says so and changes nothing. */
static void test_refusal(void)
{
    model m = {.loss = mlp_loss};
    REEL_SCOPED;
    reel_tensor *in[2], *out[1];
    if (!load_digits()) return;
    m.vars = reel_vars_new("mlp");
    reel_dense_init(&m.dense[0], m.vars, "hidden", REEL_F32, PIXELS, 8);
    reel_dense_init(&m.dense[1], m.vars, "out", REEL_F32, 8, CLASSES);
    m.opt = reel_sgd(m.vars, REEL_OPTS(sgd, .lr = 0.1, .momentum = 0.9));
    deal_digits(&data, 0, in);
    reel_function *f = reel_function_new(REEL_FN(train_step, &m, 2, 1), NULL);
    reel_function_call(f, REEL_LIST(in[0], in[1]), out);
    const int rc = reel_export_function_c(f, REEL_OPTS(export, .name = "strict", .folder = export_folder), NULL);
    reel_function_free(f);
    TAP_OK(rc == 0, "a step with labels");
    FILE *main_c = export_open("main_strict", ".c", "w");
    fputs(
        "#include <stdio.h>\n#include <string.h>\n#include \"strict.h\"\n"
        "static float x[2048], loss[1];\nstatic int32_t y[32];\nstatic strict_variables before;\n"
        "int main(void)\n{\n    const strict_inputs in = {x, y};\n    const strict_outputs out = {loss};\n    int rc;\n"
        "    before = strict_vars;\n    y[5] = 99;\n    rc = strict_run(&in, &out);\n    fprintf(stderr, \"%s\\n\", "
        "strict_error(rc));\n"
        "    if (rc == 0 || !strstr(strict_error(rc), \"label is out of range\") || !strstr(strict_error(rc), "
        "\"test_export.c\")) return 1;\n"
        "    if (memcmp(&before, &strict_vars, sizeof before) != 0) return 2;\n    y[5] = 9;\n    if (strict_run(&in, "
        "&out)) return 3;\n"
        "    return memcmp(&before, &strict_vars, sizeof before) == 0 ? 4 : 0;\n}\n",
        main_c);
    fclose(main_c);
    TAP_OK(export_compile("strict", "-O1") && export_run("strict", false) == 0,
           "a bad label is refused, and nothing has changed");
    reel_optimizer_free(m.opt);
    reel_vars_free(m.vars);
}

/* ---- no memory ------------------------------------------------------------------------------------------------------------------------ */
static int64_t countdown, outstanding;
static bool failed;

static void *take(void *self, size_t bytes)
{
    (void)self;
    if (countdown > 0 && --countdown == 0) {
        failed = true;
        return NULL;
    }
    outstanding += (int64_t)bytes;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void give_back(void *self, void *p, size_t bytes)
{
    (void)self;
    outstanding -= (int64_t)bytes;
    free(p);
}

/* With no memory at one place after the other, some left out where there are many. */
static void scarce(reel_graph *g, const char *what, int least)
{
    int n_failed = 0, wrong = 0;
    const int most = reduced ? 40 : 100000;
    for (int k = 1; k <= most; k += k < 200 ? 1 : 9) {
        failed = false;
        const int64_t before = outstanding;
        countdown = k;
        const int rc = reel_export_c(g, (reel_names){0}, REEL_FETCHES("y"),
                                     REEL_OPTS(export, .name = "scarce", .folder = export_folder), NULL);
        countdown = 0;
        const int code = reel_take_error(NULL);
        n_failed += failed;
        wrong += failed ? rc != REEL_ENOMEM || code != REEL_ENOMEM : rc != 0;
        wrong += failed && k > 1 && outstanding > before + 4096; /* what stays is kept for reuse */
        if (!failed) break;
    }
    TAP_OK(wrong == 0 && n_failed > least, "%s: no memory at %d places: an error each time, then it works", what,
           n_failed);
    char *part = slurp(".scarce", ".c.part");
    TAP_OK(!*part, "%s: no part of a file is left", what);
    free(part);
}

static int step_of(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_solve(in[1], reel_tanh(in[0]));
    out[1] = reel_sum(reel_dropout(out[0], 0.5, NULL));
    return reel_status();
}

static void test_memory(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(4, 3), "x");
    reel_output("y", reel_softmax(reel_matmul(x, reel_transpose(x, REEL_ALL_AXES)), -1));
    reel_graph_end(g);
    scarce(g, "a product", 20);
    reel_graph_free(g);
    g = reel_graph_begin();
    reel_tensor *y[2] = {NULL}, *z = reel_placeholder(REEL_F32, REEL_SHAPE(5, 2, 2), "z");
    reel_scan(REEL_FN(step_of, NULL, 2, 2), REEL_LIST(reel_ones(REEL_F32, REEL_SHAPE(2, 2))), REEL_LIST(z), y);
    reel_output("y", reel_upsample(reel_reshape(reel_add(y[0], reel_sum(y[1])), REEL_SHAPE(1, 1, 2, 2)), 2,
                                   REEL_RESIZE_LINEAR));
    reel_graph_end(g);
    scarce(g, "a loop", 30);
    reel_graph_free(g);
    g = reel_graph_begin();
    z = reel_placeholder(REEL_F32, REEL_SHAPE(3, 4), "z");
    reel_output("y", reel_add(reel_unique(z), reel_num(1)));
    reel_graph_end(g);
    scarce(g, "a size that depends on data", 20);
    reel_graph_free(g);
}

int main(int argc, char **argv)
{
    data_path = argc > 1 ? argv[1] : "examples/data/digits.csv";
    reduced = argc > 2 && strcmp(argv[2], "reduced") == 0;
    const reel_allocator own = {.size = sizeof own, .alloc = take, .free = give_back};
    if (!export_cc()) {
        printf("1..0 # SKIP no cc\n");
        return 0;
    }
    if (reel_set_allocator(&own) || !TAP_OK(export_begin(), "a folder")) return tap_finish();
    test_inference();
    test_errors();
    test_swap();
    test_refusal();
    test_digits();
    test_lenet();
    test_lstm();
    test_gpt();
    test_memory();
    if (getenv("REEL_EXPORT_KEEP"))
        tap_note("kept: %s", export_folder);
    else
        export_end();
    return tap_finish();
}
