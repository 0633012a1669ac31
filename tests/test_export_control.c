/* test_export_control.c: ops with sub-graphs as exported C: branches, loops, scans, maps, functions as nodes, checkpoints, their gradients,
   their draws and what they assign, over several runs, against eager. */
#include "export_help.h"

enum { N = 6, RUNS = 3, MOST_IN = 3, MOST_OUT = 5 };

struct world {
    reel_vars *vars;
    reel_tensor *w, *count;
    reel_generator *g;
    reel_function *inner;
    reel_while_opts how;
    int64_t large;
};

/* ---- bodies ---------------------------------------------------------------------------------------------------- */

static int yes(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct world *a = self;
    out[0] = reel_mul(reel_sin(in[0]), a->w);
    return reel_status();
}
static int no(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_exp(reel_neg(in[0]));
    return reel_status();
}
static reel_tensor *branch_of(struct world *a, reel_tensor *x)
{
    reel_tensor *y[1] = {NULL};
    (void)reel_cond(reel_greater(reel_sum(x), reel_num(0)), REEL_FN(yes, a, 1, 1), REEL_FN(no, a, 1, 1), REEL_LIST(x),
                    y);
    return y[0];
}

static int is_large(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_greater(reel_sum(reel_square(in[0])), reel_num(0.5));
    return reel_status();
}
static int smaller(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct world *a = self;
    out[0] = reel_mul(reel_tanh(reel_mul(in[0], a->w)), reel_num(0.9));
    out[1] = reel_add(in[1], reel_num(1));
    return reel_status();
}
static int below_40(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_less(in[1], reel_num(40));
    return reel_status();
}
static int turn(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct world *a = self;
    out[0] = reel_add(reel_sin(in[0]), reel_mul(reel_mean(a->w), reel_num(0.1)));
    out[1] = reel_add(in[1], reel_num(1));
    return reel_status();
}
static int three_turns(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_less(in[1], reel_num(3));
    return reel_status();
}
static int turn_three(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    out[2] = reel_sin(in[2]);
    return turn(self, in, out);
}
static int counted(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct world *a = self;
    (void)reel_assign(a->count, reel_add(a->count, reel_num(1)));
    out[0] = reel_mul(in[0], reel_num(0.5));
    return reel_status();
}
static int step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct world *a = self;
    out[0] = reel_tanh(reel_add(reel_mul(in[0], a->w), in[1]));
    out[1] = reel_sum(out[0]);
    return reel_status();
}
static int noisy(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct world *a = self;
    out[0] = reel_mul(reel_add(in[0], reel_dropout(in[1], 0.5, REEL_OPTS(dropout, .generator = a->g))),
                      reel_uniform(REEL_F32, REEL_SHAPE(N), 0.5, 1, a->g));
    out[1] = reel_sum(out[0]);
    return reel_status();
}
static int noisy_branch(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct world *a = self;
    out[0] = reel_mul(in[0], reel_normal(REEL_F32, REEL_SHAPE(N), 0, 1, a->g));
    return reel_status();
}
static int square(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_square(in[0]);
    return reel_status();
}
static int looped_step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct world *a = self;
    reel_tensor *y[2] = {NULL};
    (void)reel_while(REEL_FN(is_large, a, 2, 1), REEL_FN(smaller, a, 2, 2),
                     REEL_LIST(reel_add(in[0], in[1]), reel_zeros(REEL_I32, REEL_SCALAR)),
                     REEL_OPTS(while, .max_steps = 4), y);
    out[0] = branch_of(a, y[0]);
    return reel_status();
}
static int picks(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_add(in[0], reel_cast(reel_sum(reel_gather(in[0], in[1], 0)), REEL_F32));
    out[1] = in[1];
    return reel_status();
}

/* ---- programs -------------------------------------------------------------------------------------------------- */

static int branches(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    out[0] = branch_of(self, in[0]);
    return reel_status();
}

/* Of a program's first output, by its first input and w; w takes a step. */
static int with_gradient(struct world *a, int (*body)(void *, reel_tensor *const *, reel_tensor **),
                         reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *dx[2] = {NULL};
    reel_tape *t = reel_tape_begin(NULL);
    (void)reel_watch(t, REEL_LIST(in[0]));
    if (body(a, in, out)) return reel_status();
    (void)reel_grad(t, reel_sum(reel_square(out[0])), REEL_LIST(in[0], a->w), dx);
    reel_tape_end(t);
    out[1] = dx[0];
    out[2] = dx[1];
    (void)reel_assign(a->w, reel_sub(a->w, reel_mul(dx[1], reel_num(0.01))));
    out[3] = reel_value(a->w);
    return reel_status();
}

static int branches_back(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    return with_gradient(self, branches, in, out);
}

static int loop(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct world *a = self;
    reel_tensor *y[2] = {NULL};
    (void)reel_while(REEL_FN(is_large, a, 2, 1), REEL_FN(smaller, a, 2, 2),
                     REEL_LIST(in[0], reel_zeros(REEL_I32, REEL_SCALAR)), &a->how, y);
    out[0] = y[0];
    out[1] = y[1];
    return reel_status();
}

static int loop_back(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    return with_gradient(self, loop, in, out);
}

/* A state without elements. */
static int empty_state(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct world *a = self;
    reel_tensor *y[3] = {NULL}, *none = reel_slice(in[0], 1, REEL_RANGES({0, 0, 1}));
    (void)reel_while(REEL_FN(three_turns, a, 3, 1), REEL_FN(turn_three, a, 3, 3),
                     REEL_LIST(in[0], reel_zeros(REEL_I32, REEL_SCALAR), none), &a->how, y);
    out[0] = reel_concat(REEL_LIST(y[0], y[2]), 0);
    return reel_status();
}

static int empty_state_back(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    return with_gradient(self, empty_state, in, out);
}

/* States so large that there are few slots for them: these are thinned out. */
static int long_loop(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct world *a = self;
    reel_tensor *y[2] = {NULL}, *x = reel_broadcast_to(reel_unsqueeze(in[0], REEL_AXES(0)), REEL_SHAPE(a->large, N));
    (void)reel_while(REEL_FN(below_40, a, 2, 1), REEL_FN(turn, a, 2, 2),
                     REEL_LIST(x, reel_zeros(REEL_I32, REEL_SCALAR)), &a->how, y);
    out[0] = reel_mean_axes(y[0], REEL_AXES(0), false);
    return reel_status();
}

static int long_loop_back(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    return with_gradient(self, long_loop, in, out);
}

static int counting_loop(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct world *a = self;
    (void)reel_while(REEL_FN(is_large, a, 1, 1), REEL_FN(counted, a, 1, 1), REEL_LIST(in[0]), NULL, out);
    out[1] = reel_value(a->count);
    return reel_status();
}

static int scanned(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct world *a = self;
    return reel_scan(REEL_FN(step, a, 2, 2), REEL_LIST(in[0]),
                     REEL_LIST(reel_flip(reel_transpose(in[1], REEL_ALL_AXES), REEL_AXES(0))), out);
}

static int scanned_back(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    return with_gradient(self, scanned, in, out);
}

static int noisy_scan(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct world *a = self;
    reel_tensor *y[2] = {NULL};
    (void)reel_scan(REEL_FN(noisy, a, 2, 2), REEL_LIST(in[0]), REEL_LIST(reel_transpose(in[1], REEL_ALL_AXES)), y);
    reel_tensor *z[1] = {NULL};
    (void)reel_cond(reel_greater(reel_sum(in[0]), reel_num(0)), REEL_FN(noisy_branch, a, 1, 1), REEL_FN(no, a, 1, 1),
                    REEL_LIST(y[0]), z);
    out[0] = reel_add(reel_mul(z[0], a->w), reel_mean(y[1]));
    return reel_status();
}

static int noisy_scan_back(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    return with_gradient(self, noisy_scan, in, out);
}

static int mapped(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    return reel_map(REEL_FN(square, self, 1, 1), REEL_LIST(in[1]), out);
}

static int empty_map(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    return reel_map(REEL_FN(square, self, 1, 1), REEL_LIST(reel_slice(in[1], 1, REEL_RANGES({0, 0, 1}))), out);
}

static int nested(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct world *a = self;
    return reel_scan(REEL_FN(looped_step, a, 2, 1), REEL_LIST(in[0]), REEL_LIST(reel_transpose(in[1], REEL_ALL_AXES)),
                     out);
}

static int nested_back(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    return with_gradient(self, nested, in, out);
}

static int calls(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct world *a = self;
    reel_tensor *y[1] = {NULL}, *z[1] = {NULL};
    (void)reel_function_call(a->inner, REEL_LIST(in[0]), y);
    (void)reel_function_call(a->inner, REEL_LIST(y[0]), z);
    (void)reel_checkpoint(REEL_FN(yes, a, 1, 1), REEL_LIST(z[0]), out);
    return reel_status();
}

static int calls_back(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    return with_gradient(self, calls, in, out);
}

static int small_step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct world *a = self;
    out[0] = reel_tanh(reel_add(reel_mul(in[0], reel_mean(a->w)), in[1]));
    out[1] = reel_square(out[0]);
    return reel_status();
}

/* Operands that are numbers in the file. */
static int constants(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct world *a = self;
    reel_tensor *y[2] = {NULL};
    (void)reel_scan(REEL_FN(small_step, a, 2, 2), REEL_LIST(reel_full(REEL_F32, REEL_SHAPE(1), 0.25)),
                    REEL_LIST(reel_full(REEL_F32, REEL_SHAPE(4, 1), 0.5)), y);
    out[0] = reel_add(y[0], in[0]);
    return reel_status();
}

/* ---- one program as C ------------------------------------------------------------------------------------------ */

static const struct program {
    const char *name;
    int (*body)(void *self, reel_tensor *const in[], reel_tensor *out[]);
    int n_in, n_out;
    reel_while_opts how;
} programs[] = {{"branches", branches, 1, 1, {0}},
                {"branches_back", branches_back, 1, 4, {0}},
                {"loop", loop, 1, 2, {0}},
                {"bounded", loop, 1, 2, {.max_steps = 3}},
                {"loop_back", loop_back, 1, 4, {0}},
                {"bounded_back", loop_back, 1, 4, {.max_steps = 3}},
                {"again_back", loop_back, 1, 4, {.recompute = true}},
                {"long_back", long_loop_back, 1, 4, {0}},
                {"empty", empty_state_back, 1, 4, {0}},
                {"counting", counting_loop, 1, 2, {0}},
                {"scanned", scanned, 2, 2, {0}},
                {"scanned_back", scanned_back, 2, 4, {0}},
                {"noisy", noisy_scan, 2, 1, {0}},
                {"noisy_back", noisy_scan_back, 2, 4, {0}},
                {"mapped", mapped, 2, 1, {0}},
                {"constants", constants, 1, 1, {0}},
                {"empty_map", empty_map, 2, 1, {0}},
                {"nested", nested, 2, 1, {0}},
                {"nested_back", nested_back, 2, 4, {0}},
                {"calls", calls, 1, 1, {0}},
                {"calls_back", calls_back, 1, 4, {0}}};
enum { N_PROGRAMS = sizeof programs / sizeof *programs };

static void begin_world(struct world *a, const struct program *p)
{
    static const double start[N] = {0.5, -0.75, 0.8, 0.25, -0.6, 0.7};
    *a = (struct world){.vars = reel_vars_new("world"), .g = reel_generator_new(5), .how = p->how, .large = 6000};
    a->how.size = sizeof a->how;
    a->w = reel_var(a->vars, "w", reel_cast(reel_from_f64(REEL_SHAPE(N), start, N), REEL_F32));
    a->count = reel_var(a->vars, "count", reel_zeros(REEL_I32, REEL_SCALAR));
    a->inner =
        reel_function_new(REEL_FN(yes, a, 1, 1), REEL_OPTS(function, .call = true, .constants = REEL_LIST(a->w)));
}

static void end_world(struct world *a)
{
    reel_function_free(a->inner);
    reel_vars_free(a->vars);
    reel_generator_free(a->g);
}

static void deal(int run, reel_tensor *in[2])
{
    (void)reel_seed(20 + (uint64_t)run);
    in[0] = reel_add(reel_normal(REEL_F32, REEL_SHAPE(N), 0, 1, NULL), reel_num(run == 1 ? -0.75 : 0.75));
    in[1] = reel_normal(REEL_F32, REEL_SHAPE(N, 5), 0, 1, NULL);
}

static double worst_of(FILE *f, reel_tensor *want)
{
    const int64_t n = reel_shape_count(reel_shape_of(want));
    const reel_dtype d = reel_dtype_of(want);
    double worst = 0;
    double *x = malloc((size_t)(n + 1) * sizeof *x);
    bool ok = reel_read_f64(want, x, (size_t)n) == 0;
    for (int64_t i = 0; ok && i < n; i++) {
        char bytes[8];
        double y;
        ok = fread(bytes, reel_dtype_size(d), 1, f) == 1;
        reel_convert_(&y, REEL_F64, 1, bytes, d, 1, 1);
        const double by = fabs(y - x[i]) / fmax(1, fabs(x[i]));
        if (!(by <= worst)) worst = by;
    }
    free(x);
    return ok ? worst : INFINITY;
}

/* RUNS runs of the exported program, each with inputs of its own, against eager's. */
static void check_runs(struct world *a, const struct program *p, const export_side *in, const export_side *out)
{
    FILE *f = export_open(p->name, ".in", "wb");
    for (int run = 0; run < RUNS; run++) {
        REEL_SCOPED;
        reel_tensor *x[2];
        deal(run, x);
        for (int i = 0; i < p->n_in; i++) (void)export_put(f, x[i]);
    }
    (void)fclose(f);
    export_main(p->name, in, out, RUNS, false, false);
    if (!TAP_OK(export_compile(p->name, "-O1"), "%s: cc %s", p->name, EXPORT_FLAGS)) return;
    if (!TAP_OK(export_run(p->name, false) == 0, "%s: runs", p->name)) return;
    f = export_open(p->name, ".out", "rb");
    double worst = 0;
    for (int run = 0; run < RUNS; run++) {
        REEL_SCOPED;
        reel_tensor *x[2], *y[MOST_OUT] = {NULL};
        deal(run, x);
        const int rc = p->body(a, x, y);
        for (int j = 0; j < p->n_out && !rc; j++) worst = fmax(worst, worst_of(f, y[j]));
        if (rc) worst = INFINITY;
    }
    (void)fclose(f);
    TAP_OK(worst <= 1e-5, "%s: %d runs as eager has them, within %.2g", p->name, RUNS, worst);
}

static void test_program(const struct program *p, const char *passes)
{
    REEL_SCOPED;
    static const char *const in_names[] = {"in0", "in1"}, *const out_names[] = {"out0", "out1", "out2", "out3"};
    struct world a;
    reel_tensor *x[2], *y[MOST_OUT] = {NULL};
    reel_type in[2], out[MOST_OUT];
    reel_error e;
    deal(0, x);
    begin_world(&a, p);
    reel_function *f = reel_function_new((reel_fn){p->body, &a, p->n_in, p->n_out, "program"}, NULL);
    /* the trace, from the state that the exported program begins with */
    struct world again;
    begin_world(&again, p);
    int rc = reel_function_call(f, (reel_list){p->n_in, x}, y);
    for (int i = 0; i < p->n_in; i++) in[i] = (reel_type){reel_dtype_of(x[i]), reel_shape_of(x[i])};
    for (int j = 0; j < p->n_out && !rc; j++) out[j] = (reel_type){reel_dtype_of(y[j]), reel_shape_of(y[j])};
    if (!rc) rc = reel_assign(a.w, again.w) || reel_assign(a.count, again.count) || reel_generator_seed(a.g, 5);
    if (!rc)
        rc = reel_export_function_c(f, REEL_OPTS(export, .name = p->name, .folder = export_folder, .passes = passes),
                                    NULL);
    reel_function_free(f);
    if (TAP_OK(rc == 0, "%s: exported", p->name)) {
        const export_side from = {p->n_in, in_names, in, NULL}, to = {p->n_out, out_names, out, NULL};
        check_runs(&a, p, &from, &to);
    } else if (reel_take_error(&e)) {
        tap_note("%s", e.text);
    }
    end_world(&again);
    end_world(&a);
}

/* ---- what they refuse -------------------------------------------------------------------------------------------- */

static int picking(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *y[2] = {NULL};
    (void)reel_while(REEL_FN(is_large, NULL, 2, 1), REEL_FN(picks, NULL, 2, 2), REEL_LIST(in[0], in[1]),
                     REEL_OPTS(while, .max_steps = 2), y);
    out[0] = y[0];
    return reel_status();
}

static int unbounded_sizes(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_mul(in[0], reel_cast(reel_sum(reel_nonzero(in[0])), REEL_F32));
    return reel_status();
}

static int mapping_sizes(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    return reel_map(REEL_FN(unbounded_sizes, self, 1, 1), REEL_LIST(in[0]), out);
}

static void test_refusals(void)
{
    REEL_SCOPED;
    reel_error e = {0};
    reel_tensor *y[1] = {NULL}, *x = reel_ones(REEL_F32, REEL_SHAPE(N)), *k = reel_zeros(REEL_I32, REEL_SHAPE(1));
    reel_function *f = reel_function_new(REEL_FN(picking, NULL, 2, 1), NULL);
    (void)reel_function_call(f, REEL_LIST(x, k), y);
    int rc = reel_export_function_c(f, REEL_OPTS(export, .name = "picking", .folder = export_folder), NULL);
    reel_function_free(f);
    TAP_OK(rc == 0, "a loop that picks by an index is exported");
    FILE *c = export_open("main_picking", ".c", "w");
    fputs("#include <stdio.h>\n#include <string.h>\n#include \"picking.h\"\n"
          "static float x[6] = {1, 1, 1, 1, 1, 1}, y[6];\nstatic int32_t k[1] = {6};\n"
          "int main(void)\n{\n    const picking_inputs in = {x, k};\n    const picking_outputs out = {y};\n"
          "    const int rc = picking_run(&in, &out);\n    fprintf(stderr, \"%s\\n\", picking_error(rc));\n"
          "    if (rc == 0 || !strstr(picking_error(rc), \"gather: an index is out of range\")) return 1;\n"
          "    if (!strstr(picking_error(rc), \"test_export_control.c\")) return 2;\n    k[0] = 5;\n"
          "    if (picking_run(&in, &out)) return 3;\n    return y[0] == 4 ? 0 : 4;\n}\n",
          c);
    (void)fclose(c);
    TAP_OK(export_compile("picking", "-O1") && export_run("picking", false) == 0,
           "an index out of range within a loop is refused, with op and line");
    f = reel_function_new(REEL_FN(mapping_sizes, NULL, 1, 1), NULL);
    (void)reel_function_call(f, REEL_LIST(reel_ones(REEL_F32, REEL_SHAPE(2, 3))), y);
    rc = reel_export_function_c(f, REEL_OPTS(export, .name = "sizes", .folder = export_folder), NULL);
    reel_function_free(f);
    TAP_OK(rc == REEL_ETRACE && reel_take_error(&e) &&
               strstr(e.text, "reel_nonzero has no exported form here: its size depends on data"),
           "what a body cannot is an error: %s", e.text);
}

/* Exported files share the names of their helpers only: two in one translation unit. */
static void test_together(void)
{
    FILE *c = export_open("main_together", ".c", "w");
    fputs("#include \"loop.c\"\n#include \"nested_back.c\"\nint main(void)\n{\n"
          "    return *loop_error(0) != *nested_back_error(0);\n}\n",
          c);
    (void)fclose(c);
    c = export_open("together", ".c", "w");
    fputs("extern int nothing;\n", c);
    (void)fclose(c);
    TAP_OK(export_compile("together", "-O1"), "two files in one translation unit");
}

int main(int argc, char **argv)
{
    const bool reduced = argc > 1 && strcmp(argv[1], "reduced") == 0;
    if (!export_cc()) {
        printf("1..0 # SKIP no cc\n");
        return 0;
    }
    if (!TAP_OK(export_begin(), "a folder")) return tap_finish();
    for (int i = 0; i < N_PROGRAMS; i++) {
        test_program(&programs[i], NULL);
        if (!reduced && i % 4 == 0) test_program(&programs[i], "none");
    }
    test_refusals();
    test_together();
    if (getenv("REEL_EXPORT_KEEP"))
        tap_note("kept: %s", export_folder);
    else
        export_end();
    return tap_finish();
}
