/* memory.c: one training step's memory and the time to get it ready, in a process of its own: `memory NAME` prints a line of JSON. Asked by
   bench/memory.py. resident: what the process has at most (VmHWM) beyond what it had before the model was made; planned: weights
   and optimizer's state, arena, and what the allocator has handed out at most from the second step on; ready: the first call, which
   traces, plans and replays, and the second, without two steps. */
#include <stdio.h>
#include <string.h>
#include "bench.h"
#include "models.h"

/* ru_maxrss also counts what the process was before exec, a copy of the one that started it. */
static double resident(void)
{
    char line[256];
    long kilobytes = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f) && sscanf(line, "VmHWM: %ld", &kilobytes) != 1) {}
    if (f) fclose(f);
    return (double)kilobytes * 1024;
}

static double call(reel_function *f)
{
    REEL_SCOPED;
    reel_tensor *out[1];
    const double start = bench_now();
    reel_function_call(f, (reel_list){2, in}, out);
    return bench_now() - start;
}

static void report(const char *name, double base)
{
    reel_memory_stats now;
    int i = 0;
    while (i < (int)(sizeof kinds / sizeof *kinds) && strcmp(kinds[i].name, name) != 0) i++;
    if (i == (int)(sizeof kinds / sizeof *kinds)) return;
    kinds[i].begin();
    net.opt = reel_adam(net.vars, NULL);
    reel_function *f = reel_function_new(fn_of(i), NULL);
    const double first = call(f), second = call(f);
    double step = 1e9;
    for (int k = 0; k < 8; k++) {
        const double t = call(f);
        if (t < step) step = t;
    }
    reel_memory(&now);
    const double ready = first + second - 2 * step;
    printf(
        "{\"model\": \"%s\", \"resident\": %.0f, \"in_use\": %.0f, \"peak\": %.0f, \"cached\": %.0f, \"ready\": %.6f, "
        "\"step\": %.6f}\n",
        name, resident() - base, (double)now.in_use, (double)now.peak, (double)now.cached, ready > 0 ? ready : 0, step);
    reel_function_free(f);
}

int main(int argc, char **argv)
{
    if (argc < 2) return 2;
    reel_scope *scope = reel_scope_begin(REEL_HERE, "memory");
    { /* what any program has: the pool's threads, the libraries' tables */
        REEL_SCOPED;
        reel_seed(1);
        reel_matmul(reel_ones(REEL_F32, REEL_SHAPE(192, 192)), reel_ones(REEL_F32, REEL_SHAPE(192, 192)));
    }
    const double base = resident();
    net = (struct model){.vars = reel_vars_new("model")};
    report(argv[1], base);
    reel_error e;
    if (reel_take_error(&e)) fprintf(stderr, "%s\n", e.text);
    reel_optimizer_free(net.opt);
    reel_vars_free(net.vars);
    reel_scope_end(scope);
    return 0;
}
