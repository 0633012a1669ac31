/* models_bench.c: our side of bench/run.py for whole training steps: forward, backward, Adam. Each is a function, traced once and
   replayed; rows named ..._eager run the same body at once. */
#include <reel/reel.h>
#include "bench.h"
#include "models.h"

static reel_scope *scope;
static reel_function *step;
static reel_tensor *out[1];

static int which;
static int begin(int i)
{
    which = i;
    net = (struct model){.vars = reel_vars_new("model")};
    scope = reel_scope_begin(REEL_HERE, "bench");
    reel_seed(1);
    kinds[i].begin();
    net.opt = reel_adam(net.vars, NULL);
    step = reel_function_new(fn_of(i), NULL);
    reel_error e;
    if (!reel_take_error(&e)) return 1;
    fprintf(stderr, "%s\n", e.text);
    return 0;
}

static void run(int64_t times)
{
    for (int64_t i = 0; i < times; i++) {
        REEL_SCOPED;
        reel_function_call(step, (reel_list){2, in}, out);
    }
}

static void run_eager(int64_t times)
{
    for (int64_t i = 0; i < times; i++) {
        REEL_SCOPED;
        reel_invoke(fn_of(which), (reel_list){2, in}, out);
    }
}

static void end(void)
{
    reel_error e;
    if (reel_take_error(&e)) fprintf(stderr, "%s\n", e.text);
    reel_function_free(step);
    reel_optimizer_free(net.opt);
    reel_vars_free(net.vars);
    reel_scope_end(scope);
}

#define MODEL(name, i)                                      \
    {"model_" name, begin, run, end, i, 1},                 \
    {                                                       \
        "model_" name "_eager", begin, run_eager, end, i, 1 \
    }
static const bench_row rows[] = {MODEL("mlp_small", 0), MODEL("mlp_wide", 1), MODEL("lenet", 2),
                                 MODEL("lstm", 3),      MODEL("gpt", 4),      MODEL("resnet", 5)};

int main(void)
{
    return bench_serve(rows, sizeof rows / sizeof *rows);
}
