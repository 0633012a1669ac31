/* replay_help.h: a program eagerly and as a function, for the tests of passes over steps. */
#ifndef REEL_TESTS_REPLAY_HELP_H
#define REEL_TESTS_REPLAY_HELP_H
#include "bits.h"
#include "trace/function.h"
#include "trace/trace.h"

enum { REPLAY_OUT = 8 };
typedef struct replayed {
    int steps;
    size_t found[REEL_N_STEPS]; /* by the passes over steps */
} replayed;

/* The same bits eagerly and replayed in an arena full of NaN, with one thread and two, the plan proved? */
static bool replays(reel_fn fn, reel_list in, const char *passes, replayed *r)
{
    reel_tensor *want[REPLAY_OUT] = {NULL}, *got[REPLAY_OUT] = {NULL};
    *r = (replayed){0};
    if (reel_invoke(fn, in, want)) return false;
    reel_function *f = reel_function_new(fn, REEL_OPTS(function, .passes = passes, .check_plans = true));
    bool ok = true;
    for (int k = 0; k < 4 && ok; k++) { /* the first call traces, then replays like the others */
        reel_set_threads(1 + k % 2);
        ok = reel_function_call(f, in, got) == 0;
        for (int i = 0; ok && i < fn.n_out; i++) ok = same_bits(got[i], want[i]);
        if (f->traces) f->traces->player.poison = true;
    }
    const reel_plan *plan = f->traces ? f->traces->player.plans : NULL;
    if (plan) {
        memcpy(r->found, plan->found, sizeof r->found);
        r->steps = plan->n_steps + plan->n_late;
    }
    if (!ok || getenv("REEL_VERBOSE")) (void)reel_function_explain_plan(stderr, f);
    reel_function_free(f);
    return ok && plan && !reel_status();
}
#endif
