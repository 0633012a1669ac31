/* print.c: a program as a C program of its own, written with the public API only, that shows the difference: status 1 if it is there. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "fuzz.h"

static const char *const dtypes[] = {"0",       "REEL_F32", "REEL_F64", "REEL_F16", "REEL_BF16",
                                     "REEL_I8", "REEL_U8",  "REEL_I32", "REEL_I64", "REEL_BOOL"};

static void put_end(FILE *f, int64_t x)
{
    if (x == REEL_END)
        (void)fputs("REEL_END", f);
    else
        fprintf(f, "%lld", (long long)x);
}

static void put_list(FILE *f, const char *name, const char *none, const int64_t *n)
{
    if (n[0] == 0) (void)fputs(none, f);
    for (int i = 1; i <= n[0]; i++) fprintf(f, "%s%lld", i == 1 ? name : ", ", (long long)n[i]);
    if (n[0] > 0) (void)fputs(")", f);
}

static void put_ranges(FILE *f, const int64_t *n)
{
    fprintf(f, "%lld, ", (long long)n[0]);
    if (n[0] == 0) (void)fputs("NULL", f);
    for (int i = 0; i < n[0]; i++) {
        (void)fputs(i ? ", {" : "REEL_RANGES({", f);
        for (int k = 0; k < 3; k++) {
            if (k) (void)fputs(", ", f);
            put_end(f, n[1 + 3 * i + k]);
        }
        (void)fputs("}", f);
    }
    if (n[0] > 0) (void)fputs(")", f);
}

/* What stands for NAME(i) in a step; false: it is an ordinary call. */
static bool put_token(FILE *f, const fuzz_program *p, const fuzz_step *s, const char *name, int i)
{
    const int64_t *n = &s->n[i < 0 ? 0 : i];
    if (strcmp(name, "N") == 0 || strcmp(name, "L") == 0)
        fprintf(f, "%lld", (long long)*n);
    else if (strcmp(name, "Q") == 0)
        fprintf(f, "%g", (double)*n / 8);
    else if (strcmp(name, "D") == 0)
        (void)fputs(*n > 0 && *n < REEL_N_DTYPES ? dtypes[*n] : "0", f);
    else if (strcmp(name, "SHAPE") == 0)
        put_list(f, "REEL_SHAPE(", "REEL_SCALAR", n);
    else if (strcmp(name, "AXES") == 0)
        put_list(f, "REEL_AXES(", "REEL_ALL_AXES", n);
    else if (strcmp(name, "RANGES") == 0)
        put_ranges(f, n);
    else if (strcmp(name, "GEN") == 0)
        (void)fputs(*n ? "generator" : "NULL", f);
    else if (strcmp(name, "VAR") == 0)
        fprintf(f, "v[%d]", p->n_in + i);
    else if (strcmp(name, "FUNCTION") == 0)
        (void)fputs("inner", f);
    else if (strcmp(name, "OPTIMIZER") == 0)
        (void)fputs("optimizer", f);
    else if (strcmp(name, "BODY") == 0)
        fprintf(f, "body_%d", s->block[i]->id);
    else if (strcmp(name, "SELF") == 0)
        (void)fputs("NULL", f);
    else if (strcmp(name, "FN") == 0)
        fprintf(f, "REEL_FN(body_%d, NULL, %d, %d)", s->block[i]->id, s->block[i]->n_in, s->block[i]->n_out);
    else
        return false;
    return true;
}

/* A, B, C, Y, Y1 ...: a value; -1: it is another name. */
static int value_of(const fuzz_step *s, const char *name)
{
    if (name[0] >= 'A' && name[0] <= 'C' && !name[1]) return s->in[name[0] - 'A'];
    if (name[0] != 'Y' || (name[1] && (name[2] || !isdigit((unsigned char)name[1])))) return -1;
    return s->out + (name[1] ? name[1] - '0' : 0);
}

static void put_step(FILE *f, const fuzz_program *p, const fuzz_step *s)
{
    const char *c = fuzz_kinds[s->kind].text;
    const bool block = strncmp(c, "reel_", 5) == 0; /* with variables of its own */
    (void)fputs(block ? "    {\n        " : "    ", f);
    while (*c) {
        char name[64];
        size_t n = 0;
        while ((isalnum((unsigned char)c[n]) || c[n] == '_') && n < sizeof name - 1) n++;
        memcpy(name, c, n);
        name[n] = 0;
        const bool member = c > fuzz_kinds[s->kind].text && c[-1] == '.';
        const int v = n && !member ? value_of(s, name) : -1;
        char *end = NULL;
        const long i = n && c[n] == '(' ? strtol(c + n + 1, &end, 10) : 0;
        if (v >= 0) {
            fprintf(f, "v[%d]", v);
            c += n;
        } else if (end && end > c + n + 1 && *end == ')' && put_token(f, p, s, name, (int)i)) {
            c = end + 1;
        } else if (n) {
            (void)fputs(name, f);
            c += n;
        } else {
            if (*c == ';' && c[1])
                (void)fputs(block ? ";\n       " : ";\n   ", f);
            else
                (void)fputc(*c, f);
            c++;
        }
    }
    (void)fputs(block ? "\n    }\n" : "\n", f);
}

static void put_block(FILE *f, const fuzz_program *p, const fuzz_block *b, const char *name)
{
    for (int i = 0; i < b->n_steps; i++)
        for (int k = 0; k < FUZZ_BLOCKS; k++) {
            char inner[24];
            const fuzz_block *in = b->steps[i].block[k];
            if (!in) continue;
            snprintf(inner, sizeof inner, "body_%d", in->id);
            put_block(f, p, in, inner);
        }
    fprintf(f, "static int %s(void *self, reel_tensor *const in[], reel_tensor *out[])\n{\n    (void)self;\n", name);
    for (int i = 0; i < b->n_in; i++) fprintf(f, "    v[%d] = in[%d];\n", b->in0 + i, i);
    for (int i = 0; i < b->n_steps; i++) {
        put_step(f, p, &b->steps[i]);
        if (b->steps[i].kind >= FUZZ_invoke) (void)fputs("    if (reel_status()) return reel_status();\n", f);
    }
    for (int i = 0; i < b->n_out; i++) fprintf(f, "    out[%d] = v[%d];\n", i, b->out[i]);
    (void)fputs("    return reel_status();\n}\n\n", f);
}

static void put_gradients(FILE *f, const fuzz_program *p)
{
    int n = 0;
    fprintf(f,
            "/* The same, and the gradients of what it gives. */\n"
            "static int program_and_gradients(void *self, reel_tensor *const in[], reel_tensor *out[])\n{\n"
            "    reel_tape *t = reel_tape_begin(NULL);\n    reel_tensor *xs[%d];\n",
            p->n_in + FUZZ_VARS);
    for (int i = 0; i < p->n_in; i++)
        if (fuzz_is_float(p->type[i].dtype)) fprintf(f, "    xs[%d] = in[%d];\n", n++, i);
    fprintf(f,
            "    (void)reel_watch(t, (reel_list){%d, xs});\n    if (program(self, in, out)) return reel_status();\n"
            "    reel_tensor *y = reel_zeros(REEL_F64, REEL_SCALAR);\n    for (int i = 0; i < %d; i++)\n"
            "        if (reel_dtype_of(out[i]) >= REEL_F32 && reel_dtype_of(out[i]) <= REEL_BF16)\n"
            "            y = reel_add(y, reel_sum(reel_cast(out[i], REEL_F64)));\n",
            n, p->body->n_out);
    for (int i = 0; i < FUZZ_VARS; i++) fprintf(f, "    xs[%d] = v[%d];\n", n++, p->n_in + i);
    fprintf(f, "    return reel_grad(t, y, (reel_list){%d, xs}, out + %d);\n}\n\n", n, p->body->n_out);
}

static void put_setup(FILE *f, const fuzz_program *p)
{
    fprintf(f, "static void set_up(void)\n{\n    (void)reel_seed(%llu);\n    generator = reel_generator_new(%llu);\n",
            (unsigned long long)p->seed, (unsigned long long)p->seed);
    (void)fputs("    vars = reel_vars_new(\"v\");\n", f);
    for (int i = 0; i < FUZZ_VARS; i++) {
        int64_t shape[REEL_MAX_RANK + 1] = {fuzz_var_type[i].shape.rank};
        for (int k = 0; k < shape[0]; k++) shape[k + 1] = fuzz_var_type[i].shape.dims[k];
        fprintf(f, "    init[%d] = reel_normal(%s, ", i, dtypes[fuzz_var_type[i].dtype]);
        put_list(f, "REEL_SHAPE(", "REEL_SCALAR", shape);
        fprintf(f, ", 0, 1, NULL);\n    v[%d] = reel_var(vars, \"%c\", init[%d]);\n", p->n_in + i, 'a' + i, i);
    }
    (void)fputs("    optimizer = reel_sgd(vars, NULL);\n", f);
    for (int i = 0; i < p->setup->n_steps; i++) put_step(f, p, &p->setup->steps[i]);
    for (int i = 0; i < p->n_in; i++) fprintf(f, "    input[%d] = v[%d];\n", i, i);
    if (p->inner) fprintf(f, "    inner = reel_function_new(REEL_FN(body_%d, NULL, 1, 1), NULL);\n", p->inner->id);
    (void)fputs("}\n\n", f);
    fprintf(f,
            "static void reset(void)\n{\n    (void)reel_seed(%llu);\n    (void)reel_generator_seed(generator, %llu);\n"
            "    for (int i = 0; i < %d; i++) (void)reel_assign(v[%d + i], init[i]);\n}\n\n",
            (unsigned long long)p->seed, (unsigned long long)p->seed + 1, FUZZ_VARS, p->n_in);
}

/* ---- the difference ------------------------------------------------------------------------------------- */

static const char same_text[] =
    "/* The same bits; any NaN is any other. */\n"
    "static int same(reel_tensor *a, reel_tensor *b)\n"
    "{\n"
    "    static double x[2][1 << 16];\n"
    "    const reel_shape s = reel_shape_of(a), t = reel_shape_of(b);\n"
    "    const int64_t n = reel_shape_count(s);\n"
    "    if (!a && !b) return 1; /* there is no such result */\n"
    "    if (!a || !b || reel_dtype_of(a) != reel_dtype_of(b) || s.rank != t.rank || n > 1 << 16) return 0;\n"
    "    if (memcmp(s.dims, t.dims, (size_t)s.rank * sizeof *s.dims) != 0) return 0;\n"
    "    if (reel_read_f64(a, x[0], (size_t)n) || reel_read_f64(b, x[1], (size_t)n)) return 0;\n"
    "    for (int64_t i = 0; i < n; i++)\n"
    "        if (memcmp(&x[0][i], &x[1][i], sizeof(double)) != 0 && !(isnan(x[0][i]) && isnan(x[1][i]))%s) return 0;\n"
    "    return 1;\n"
    "}\n\n";

static const char near_text[] =
    "/* Nearly the same: 1e-5 of the number or of the largest one below 1, more for 16-bit floats. */\n"
    "static int same(reel_tensor *a, reel_tensor *b)\n"
    "{\n"
    "    static double x[2][1 << 16];\n"
    "    const int64_t n = reel_shape_count(reel_shape_of(a));\n"
    "    const reel_dtype d = reel_dtype_of(a);\n"
    "    const double tol = d == REEL_F16 ? 4e-3 : d == REEL_BF16 ? 3e-2 : d == REEL_F32 || d == REEL_F64 ? 1e-5 : 0;\n"
    "    double least = 0;\n"
    "    if (!a || !b || n > 1 << 16 || reel_read_f64(a, x[0], (size_t)n) || reel_read_f64(b, x[1], (size_t)n)) return "
    "0;\n"
    "    for (int64_t i = 0; i < n; i++) least = isfinite(x[0][i]) ? fmax(least, fmin(1, fabs(x[0][i]))) : least;\n"
    "    for (int64_t i = 0; i < n; i++)\n"
    "        if (x[0][i] != x[1][i] && !(isnan(x[0][i]) && isnan(x[1][i])) && !(ZEROS && isnan(x[1][i])) &&\n"
    "            !(fabs(x[0][i] - x[1][i]) <= tol * fmax(least, fabs(x[0][i]))))\n"
    "            return 0;\n"
    "    return 1;\n"
    "}\n\n";

/* The graph as C, built, loaded and run: results, and after them what variables are, where it is one of these that differs. */
static const char exported_text[] =
    "    char folder[] = \"/tmp/reel-XXXXXX\", text[300];\n"
    "    static unsigned char bytes[INPUTS + RESULTS][1 << 17];\n"
    "    void *in[INPUTS], *out[RESULTS];\n"
    "    int (*run)(void **, void **) = NULL;\n"
    "    if (!mkdtemp(folder)) return 2;\n"
    "    reel_shape shape[INPUTS];\n"
    "    for (int i = 0; i < INPUTS; i++) {\n"
    "        in[i] = bytes[RESULTS + i];\n"
    "        shape[i] = reel_shape_of(input[i]);\n"
    "        (void)reel_read(input[i], in[i], (size_t)reel_shape_count(shape[i]) * "
    "reel_dtype_size(reel_dtype_of(input[i])));\n"
    "    }\n"
    "    for (int i = 0; i < RESULTS; i++) out[i] = bytes[i];\n"
    "    reset();\n"
    "    if (reel_export_c(g, (reel_names){INPUTS, feeds}, (reel_names){RESULTS, fetches},\n"
    "                      REEL_OPTS(export, .folder = folder, .effects = true, .shapes = shape, .passes = PASSES), "
    "NULL)) {\n"
    "        reel_error e;\n"
    "        (void)reel_take_error(&e);\n"
    "        return printf(\"%s\\n\", e.text), 1;\n"
    "    }\n"
    "    snprintf(text, sizeof text, \"cd %s && cc -std=c99 -Wall -Wextra -Werror -O1 -fPIC -shared -o model.so "
    "model.c -lm\", folder);\n"
    "    if (system(text)) return puts(\"cc does not take it\"), 1;\n"
    "    snprintf(text, sizeof text, \"%s/model.so\", folder);\n"
    "    void *so = dlopen(text, RTLD_NOW), *symbol = so ? dlsym(so, \"model_run\") : NULL;\n"
    "    memcpy(&run, &symbol, sizeof run);\n"
    "    if (!run || run(in, out)) return puts(\"it does not run\"), 1;\n"
    "    for (int i = 0; i < RESULTS; i++) {\n"
    "        const reel_type t = {reel_dtype_of(want[i]), reel_shape_of(want[i])};\n"
    "        got[i] = reel_from(t, out[i], (size_t)reel_shape_count(t.shape) * reel_dtype_size(t.dtype));\n"
    "    }\n";

static const char end_text[] = "    reel_error e;\n"
                               "    const int code = reel_take_error(&e);\n"
                               "    if (want_code != code) printf(\"code %d, eagerly %d: %s\\n\", code, want_code, "
                               "code ? e.text : eager_error.text);\n"
                               "    if (code || want_code) return code != want_code;\n"
                               "    int differ = 0;\n"
                               "    for (int i = 0; i < RESULTS; i++) {\n"
                               "        if (same(want[i], got[i])) continue;\n"
                               "        printf(\"result %d differs; eagerly, and otherwise:\\n\", i);\n"
                               "        reel_print(want[i]);\n"
                               "        reel_print(got[i]);\n"
                               "        differ = 1;\n"
                               "    }\n"
                               "    puts(differ ? \"differs\" : \"the same\");\n"
                               "    return differ;\n"
                               "}\n";

static const char eager_text[] =
    "    reel_tensor *want[RESULTS + VARIABLES] = {NULL}, *got[RESULTS + VARIABLES] = {NULL};\n"
    "    reel_error eager_error;\n"
    "    reset();\n"
    "    (void)reel_invoke(PROGRAM, REEL_ARRAY(input), want);\n"
    "    after(want);\n"
    "    const int want_code = reel_take_error(&eager_error);\n";

static void put_function(FILE *f, const fuzz_difference *d)
{
    const bool taped = d->mode == FUZZ_FUNCTION_TAPED;
    fprintf(
        f,
        "    reel_function *f = reel_function_new(PROGRAM, %s);\n    for (int i = 0; i <= %d; i++) {\n"
        "        reset();\n        reel_tape *t = i == %d ? reel_tape_begin(NULL) : NULL;\n        if (t) watch(t);\n"
        "        (void)reel_function_call(f, REEL_ARRAY(input), got);\n        after(got);\n        reel_tape_end(t);\n"
        "    }\n",
        taped ? "REEL_OPTS(function, .passes = \"none\")" : "NULL", d->which, taped ? 0 : 2);
}

static void put_outer_gradients(FILE *f, const fuzz_program *p)
{
    int n = 0;
    fprintf(f,
            "/* By a tape around the call, with inputs and variables used outside of it too. */\n"
            "static void outer(reel_function *f, reel_tensor *dx[])\n{\n"
            "    reel_tensor *out[RESULTS] = {NULL}, *xs[%d];\n    reset();\n    reel_tape *t = "
            "reel_tape_begin(NULL);\n    watch(t);\n"
            "    (void)reel_function_call(f, REEL_ARRAY(input), out);\n"
            "    reel_tensor *y = reel_zeros(REEL_F64, REEL_SCALAR);\n",
            p->n_in + FUZZ_VARS);
    for (int i = 0; i < p->n_in; i++)
        if (fuzz_is_float(p->type[i].dtype)) fprintf(f, "    xs[%d] = input[%d];\n", n++, i);
    for (int i = 0; i < FUZZ_VARS; i++) fprintf(f, "    xs[%d] = v[%d];\n", n++, p->n_in + i);
    fprintf(f,
            "    for (int i = 0; i < %d; i++)\n"
            "        if (reel_dtype_of(out[i]) >= REEL_F32 && reel_dtype_of(out[i]) <= REEL_BF16)\n"
            "            y = reel_add(y, reel_sum(reel_cast(out[i], REEL_F64)));\n"
            "    for (int i = 0; i < %d; i++)\n"
            "        y = reel_add(y, reel_sum(reel_cast(reel_mul(xs[i], reel_tanh(xs[i])), REEL_F64)));\n"
            "    (void)reel_grad(t, y, (reel_list){%d, xs}, dx);\n}\n\n",
            p->body->n_out, n, n);
}

static void put_graph(FILE *f, const fuzz_program *p, const fuzz_difference *d)
{
    (void)fputs("    reset();\n    reel_graph *g = reel_graph_begin();\n    {\n", f);
    fprintf(f, "        reel_tensor *in[%d], *out[RESULTS] = {NULL};\n", p->n_in);
    for (int i = 0; i < p->n_in; i++) {
        int64_t shape[REEL_MAX_RANK + 1] = {p->setup->steps[i].n[1]};
        for (int k = 0; k < shape[0]; k++)
            shape[k + 1] = d->which && i == 0 && k == 0 ? -1 : p->setup->steps[i].n[2 + k];
        fprintf(f, "        in[%d] = reel_placeholder(%s, ", i, dtypes[p->setup->steps[i].n[0]]);
        put_list(f, "REEL_SHAPE(", "REEL_SCALAR", shape);
        fprintf(f, ", \"i%d\");\n", i);
    }
    (void)fputs("        (void)PROGRAM.body(NULL, in, out);\n", f);
    for (int i = 0; i < fuzz_n_results(p); i++) fprintf(f, "        (void)reel_output(\"o%d\", out[%d]);\n", i, i);
    (void)fputs("    }\n    (void)reel_graph_end(g);\n", f);
    if (d->mode == FUZZ_EXPORTED) (void)fputs(exported_text, f);
    if (d->mode != FUZZ_SESSION && d->mode != FUZZ_COMPILED) return;
    fprintf(f,
            "    reel_session *s = reel_session_new(g, REEL_OPTS(session, .effects = true, .passes = \"%s\"%s));\n"
            "    reset();\n    (void)reel_session_run(s, REEL_FEEDS(",
            d->passes, d->mode == FUZZ_COMPILED ? ", .compile = REEL_COMPILE_ON" : "");
    for (int i = 0; i < p->n_in; i++) fprintf(f, "%s{\"i%d\", input[%d]}", i ? ", " : "", i, i);
    (void)fputs("), REEL_FETCHES(", f);
    for (int i = 0; i < fuzz_n_results(p); i++) fprintf(f, "%s\"o%d\"", i ? ", " : "", i);
    (void)fputs("), got);\n    after(got);\n", f);
}

/* What goes into the exported function and comes out of it. */
static void put_names(FILE *f, const fuzz_program *p, const fuzz_difference *d)
{
    const int n = fuzz_n_results(p);
    fprintf(f, "#define ZEROS %d\n#define PASSES \"%s\"\nstatic const char *const feeds[] = {", p->zeros, d->passes);
    for (int i = 0; i < p->n_in; i++) fprintf(f, "%s\"i%d\"", i ? ", " : "", i);
    (void)fputs("}, *const fetches[] = {", f);
    for (int i = 0; i < n; i++) fprintf(f, "%s\"o%d\"", i ? ", " : "", i);
    if (d->result >= n) fprintf(f, ", \"v/%c\"", 'a' + d->result - n);
    (void)fputs("};\n", f);
}

static void put_main(FILE *f, const fuzz_program *p, const fuzz_difference *d)
{
    if (d->mode == FUZZ_GRADIENTS) put_outer_gradients(f, p);
    (void)fputs("int main(void)\n{\n    REEL_SCOPED;\n    (void)indices, (void)watch, (void)after;\n", f);
    if (strstr(d->passes, "wrong"))
        (void)fputs("    (void)reel_pass_register(&(reel_pass_def){.size = sizeof(reel_pass_def), .name = \"wrong\", "
                    ".law = \"none\",\n"
                    "                                         .op = \"maximum\", .rule = wrong});\n",
                    f);
    (void)fputs("    set_up();\n", f);
    if (d->batch >= 0) {
        int64_t shape[REEL_MAX_RANK + 1] = {p->setup->steps[0].n[1], d->batch};
        for (int k = 1; k < shape[0]; k++) shape[k + 1] = p->setup->steps[0].n[2 + k];
        fprintf(f, "    (void)reel_seed(%llu);\n    input[0] = reel_normal(REEL_F32, ",
                (unsigned long long)p->seed + 2);
        put_list(f, "REEL_SHAPE(", "REEL_SCALAR", shape);
        (void)fputs(", 0, 1, NULL);\n", f);
    }
    if (d->mode != FUZZ_GRADIENTS) (void)fputs(eager_text, f);
    if (d->mode == FUZZ_EXPORTED && d->result > fuzz_n_results(p))
        fprintf(f, "    want[%d] = want[%d];\n", fuzz_n_results(p), d->result);
    switch (d->mode) {
    case FUZZ_TAPED:
        (void)fputs("    reset();\n    reel_tape *t = reel_tape_begin(NULL);\n    watch(t);\n"
                    "    (void)reel_invoke(PROGRAM, REEL_ARRAY(input), got);\n    after(got);\n    reel_tape_end(t);\n",
                    f);
        break;
    case FUZZ_FUNCTION:
    case FUZZ_FUNCTION_TAPED: put_function(f, d); break;
    case FUZZ_GRADIENTS:
        (void)fputs("    reel_tensor *want[RESULTS] = {NULL}, *got[RESULTS] = {NULL};\n"
                    "    reel_function *f = reel_function_new(PROGRAM, NULL), *g = reel_function_new(PROGRAM, NULL);\n"
                    "    for (int i = 0; i < 2; i++) {\n        reset();\n        (void)reel_function_call(f, "
                    "REEL_ARRAY(input), got);\n    }\n"
                    "    memset(got, 0, sizeof got);\n    outer(g, want);\n    outer(f, got);\n"
                    "    reel_error eager_error = {0};\n    const int want_code = 0;\n",
                    f);
        break;
    default: put_graph(f, p, d); break;
    }
    (void)fputs(end_text, f);
}

void fuzz_print(FILE *f, const fuzz_program *p, const fuzz_difference *d)
{
    int n = fuzz_n_results(p) + FUZZ_VARS, floats = 0;
    fprintf(f, "/* Random program %llu, %d steps: %s%s. */\n", (unsigned long long)p->seed, fuzz_count(p->body),
            d->passes[0] ? "passes " : "", d->passes[0] ? d->passes : "a mode other than eager");
    if (d->mode == FUZZ_EXPORTED) (void)fputs("#include <dlfcn.h>\n", f);
    (void)fputs("#include <math.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n"
                "#include <reel/reel.h>\n\n",
                f);
    if (d->mode == FUZZ_GRADIENTS) {
        for (int i = 0; i < p->n_in; i++) floats += fuzz_is_float(p->type[i].dtype);
        fprintf(f, "enum { RESULTS = %d };\n", floats + FUZZ_VARS > n ? floats + FUZZ_VARS : n);
    } else if (d->mode == FUZZ_EXPORTED) {
        fprintf(f, "enum { RESULTS = %d, INPUTS = %d };\n", n - FUZZ_VARS + (d->result >= n - FUZZ_VARS), p->n_in);
        put_names(f, p, d);
    } else {
        fprintf(f, "enum { RESULTS = %d }; /* with the variables */\n", n);
    }
    fprintf(f, "enum { VARIABLES = %d };\n", FUZZ_VARS);
    fprintf(f, "#define PROGRAM REEL_FN(%s, NULL, %d, %d)\n", p->grads ? "program_and_gradients" : "program", p->n_in,
            fuzz_n_results(p));
    fprintf(f, "static reel_tensor *v[%d], *init[%d], *input[%d];\n", p->n_values, FUZZ_VARS, p->n_in);
    (void)fputs("static reel_generator *generator;\nstatic reel_vars *vars;\nstatic reel_optimizer *optimizer;\n", f);
    if (p->inner) (void)fputs("static reel_function *inner;\n", f);
    (void)fputs("\n", f);
    if (strstr(d->passes, "wrong")) fprintf(f, "#define CRASHES %d\n%s\n", fuzz_crashes, fuzz_fault_text);
    fprintf(f, "%s\n", fuzz_helpers);
    if (p->inner) {
        char name[24];
        snprintf(name, sizeof name, "body_%d", p->inner->id);
        put_block(f, p, p->inner, name);
    }
    put_block(f, p, p->body, "program");
    if (p->grads) put_gradients(f, p);
    put_setup(f, p);
    fprintf(f,
            "static inline void after(reel_tensor *out[])\n{\n    for (int i = 0; i < %d; i++) out[%d + i] = "
            "reel_value(v[%d + i]);\n}\n\n",
            FUZZ_VARS, fuzz_n_results(p), p->n_in);
    (void)fputs("static inline void watch(reel_tape *t)\n{\n    (void)t;\n", f);
    for (int i = 0; i < p->n_in; i++)
        if (fuzz_is_float(p->type[i].dtype)) fprintf(f, "    (void)reel_watch(t, REEL_LIST(input[%d]));\n", i);
    (void)fputs("}\n\n", f);
    const bool zeros = p->zeros || (d->mode == FUZZ_GRADIENTS && p->control);
    if (d->mode == FUZZ_EXPORTED)
        (void)fputs(near_text, f);
    else
        fprintf(f, same_text, zeros ? " &&\n            !isnan(x[1][i]) && !(x[0][i] == 0 && x[1][i] == 0)" : "");
    put_main(f, p, d);
}
