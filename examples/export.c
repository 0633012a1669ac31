/* export: a small net is trained a little, then its training step is written as one C99 file, built with the system's C compiler behind a
   main of a few lines, and run beside the library: both give the same losses.

       export [folder] */
#include <math.h>
#include <reel/reel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 16, STEPS = 20 };

struct net {
    reel_vars *vars;
    reel_dense hidden, out;
    reel_optimizer *opt;
};

static int train_step(void *self, reel_tensor *const in[], reel_tensor *out[]) /* x, y; the loss */
{
    struct net *m = self;
    reel_tape *tape = reel_tape_begin(NULL);
    reel_tensor *h = reel_tanh(reel_dense_apply(&m->hidden, in[0]));
    out[0] = reel_mse_loss(reel_dense_apply(&m->out, h), in[1], NULL);
    return reel_status() ? reel_status() : reel_minimize(m->opt, tape, out[0]);
}

/* A program that runs the exported step on x and prints the losses. */
static int write_main(const char *folder, const float *x, const float *y)
{
    char path[512];
    snprintf(path, sizeof path, "%s/curve_main.c", folder);
    FILE *f = fopen(path, "w");
    if (!f) {
        perror(path);
        return -1;
    }
    fprintf(
        f,
        "#include \"curve.h\"\n#include <stdio.h>\n\n/* peak memory: CURVE_PEAK_BYTES */\nstatic const float x[] = {");
    for (int i = 0; i < N; i++) fprintf(f, "%a, ", (double)x[i]);
    fprintf(f, "0}, y[] = {");
    for (int i = 0; i < N; i++) fprintf(f, "%a, ", (double)y[i]);
    fprintf(f,
            "0};\n\nint main(void)\n{\n    float loss;\n    const curve_inputs in = {x, y};\n    const curve_outputs "
            "out = {&loss};\n"
            "    for (int i = 0; i < %d; i++) {\n        const int rc = curve_run(&in, &out);\n        if (rc) {\n"
            "            fprintf(stderr, \"%%s\\n\", curve_error(rc));\n            return 1;\n        }\n"
            "        printf(\"%%.9g\\n\", (double)loss);\n    }\n    return 0;\n}\n",
            STEPS);
    return fclose(f);
}

/* The losses that the exported program prints, beside the library's. */
static int compare(const char *folder, struct net *m, reel_tensor *x, reel_tensor *y)
{
    char command[1200];
    snprintf(command, sizeof command,
             "cc -std=c99 -Wall -Wextra -Werror -O2 -o '%s/curve' '%s/curve.c' '%s/curve_main.c' -lm && '%s/curve' > "
             "'%s/curve.txt'",
             folder, folder, folder, folder, folder);
    if (system("cc --version > /dev/null 2>&1") != 0) {
        puts("export: there is no cc: nothing to compare with");
        return 0;
    }
    if (system(command) != 0) return -1;
    snprintf(command, sizeof command, "%s/curve.txt", folder);
    FILE *f = fopen(command, "r");
    double worst = 0, loss = 0;
    for (int i = 0; f && i < STEPS; i++) {
        REEL_SCOPED;
        reel_tensor *out[1];
        if (fscanf(f, "%lf", &loss) != 1 || train_step(m, REEL_LIST(x, y).t, out)) {
            worst = INFINITY;
            break;
        }
        worst = fmax(worst, fabs(loss - reel_item(out[0])) / fmax(1, loss));
    }
    if (!f) return -1;
    fclose(f);
    printf("export: %d steps of the exported program, loss %.4f, within %.1e of eager's\n", STEPS, loss, worst);
    return worst <= 1e-5 ? 0 : -1;
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : ".";
    struct net m = {0};
    float xs[N], ys[N];
    for (int i = 0; i < N; i++) {
        xs[i] = (float)i / N * 2 - 1;
        ys[i] = sinf(3 * xs[i]);
    }
    REEL_SCOPED;
    reel_seed(1);
    m.vars = reel_vars_new("curve");
    reel_dense_init(&m.hidden, m.vars, "hidden", REEL_F32, 1, 8);
    reel_dense_init(&m.out, m.vars, "out", REEL_F32, 8, 1);
    m.opt = reel_adam(m.vars, REEL_OPTS(adam, .lr = 0.03));
    reel_tensor *x = reel_from_f32(REEL_SHAPE(N, 1), xs, N), *y = reel_from_f32(REEL_SHAPE(N, 1), ys, N), *out[1];
    reel_function *f = reel_function_new(REEL_FN(train_step, &m, 2, 1), NULL);
    reel_export_info info;
    int rc = reel_function_call(f, REEL_LIST(x, y), out); /* traces it */
    if (!rc)
        rc = reel_export_function_c(f,
                                    REEL_OPTS(export, .name = "curve", .folder = folder,
                                              .inputs = REEL_FETCHES("x", "y"), .outputs = REEL_FETCHES("loss")),
                                    &info);
    if (!rc)
        printf("export: wrote %s/curve.c: %d functions, %d calls a step; it needs %zu bytes, %zu of them variables\n",
               folder, info.functions, info.calls, info.peak_bytes, info.vars_bytes);
    if (!rc) rc = write_main(folder, xs, ys);
    if (!rc) rc = compare(folder, &m, x, y);
    reel_error e;
    if (reel_take_error(&e)) fprintf(stderr, "%s\n", e.text);
    reel_function_free(f);
    reel_optimizer_free(m.opt);
    reel_vars_free(m.vars);
    return rc ? 1 : 0;
}
