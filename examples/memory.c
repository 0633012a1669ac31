/* How much memory does a training step take, and who may run it? The plan's figures, a bounded pool of arenas used by four threads,
   and explain with kernels, times and shares of what the machine can do. And x = f(x) in the memory of x. */
#include <pthread.h>
#include <reel/reel.h>
#include <stdio.h>

static reel_vars *vars;
static reel_tensor *w, *b;

/* One step of linear regression; the new w and b go over the old ones. */
static reel_graph *training_step(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(64, 8), "x");
    reel_tensor *y = reel_placeholder(REEL_F32, REEL_SHAPE(64, 1), "y");
    reel_tensor *error = reel_sub(reel_add(reel_matmul(x, w), b), y);
    reel_output("loss", reel_mean(reel_square(error)));
    reel_tensor *slope = reel_mul(error, reel_num(0.1 / 64));
    reel_assign(w, reel_sub(w, reel_matmul(reel_transpose(x, REEL_AXES(1, 0)), slope)));
    reel_assign(b, reel_sub(b, reel_sum(slope)));
    return reel_graph_end(g) ? NULL : g;
}

static int step(reel_session *s, float *loss)
{
    REEL_SCOPED;
    reel_tensor *x = reel_uniform(REEL_F32, REEL_SHAPE(64, 8), -1, 1, NULL);
    reel_tensor *y = reel_add(reel_sum_axes(x, REEL_AXES(1), true), reel_num(3)), *out[1];
    if (reel_session_run(s, REEL_FEEDS({"x", x}, {"y", y}), REEL_FETCHES("loss"), out)) return reel_status();
    *loss = (float)reel_item(out[0]);
    return reel_status();
}

static void *train(void *arg)
{
    float loss = 0;
    for (int i = 0; i < 250 && !step(arg, &loss); i++) {}
    return NULL;
}

static int decay(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_mul(in[0], reel_num(0.99));
    return reel_status();
}

/* What is in use after 20 steps of 1 MB each. donate 1: each call takes in[0] over. */
static double megabytes(uint64_t donate)
{
    REEL_SCOPED;
    reel_memory_stats m;
    reel_function *f = reel_function_new(REEL_FN(decay, NULL, 1, 1), REEL_OPTS(function, .donate = donate));
    reel_tensor *x = reel_ones(REEL_F32, REEL_SHAPE(512, 512)), *out[1];
    for (int i = 0; i < 20 && !reel_function_call(f, REEL_LIST(x), out); i++) x = out[0];
    reel_memory(&m);
    reel_function_free(f);
    return (double)m.in_use / 1e6;
}

int main(void)
{
    REEL_SCOPED;
    vars = reel_vars_new("model");
    w = reel_var(vars, "w", reel_zeros(REEL_F32, REEL_SHAPE(8, 1)));
    b = reel_var(vars, "b", reel_zeros(REEL_F32, REEL_SCALAR));
    reel_graph *g = training_step();
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .effects = true, .max_arenas = 2,
                                                    .check_plans = true)); /* 2 runs at once, no more memory */

    pthread_t thread[4];
    for (int i = 0; i < 4; i++) pthread_create(&thread[i], NULL, train, s);
    for (int i = 0; i < 4; i++) pthread_join(thread[i], NULL);

    float loss = 0;
    reel_session_profile(s, true);
    for (int i = 0; i < 20; i++) step(s, &loss);
    reel_plan_info info;
    reel_session_info(s, &info);
    printf("loss %.2g; an arena of %zu bytes (%zu are alive at once), %zu bytes of variables over their old values\n\n",
           (double)loss, info.arena_bytes, info.live_bytes, info.donated_bytes);
    reel_session_explain(stdout, s);
    reel_session_trim(s); /* nobody runs now: no arena either */

    printf("\n20 steps x = f(x): %.0f MB in use, %.0f if each step gives x away\n", megabytes(0), megabytes(1));

    reel_error e;
    const int failed = reel_take_error(&e);
    if (failed) fprintf(stderr, "%s\n", e.text);
    reel_session_free(s);
    reel_graph_free(g);
    reel_vars_free(vars);
    return failed || loss > 0.01F;
}
