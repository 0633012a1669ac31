/* fuzz.c: the program behind ./dev fuzz.
     fuzz [--seed S] [--programs N] [--levels L] [--compile C] [--export E] [--print] [--shrink FILE [--seconds T]] [--fault | --crash] [--exported]
   Runs N programs from seed S on, in a process of its own; at the first that differs, crashes or hangs it stops with status 1. With --shrink it
   makes that one small, for at most T seconds (240), and writes it as C to FILE, which has the best so far at every moment. The last lines
   are counts for tools/fuzz.py. With --exported each program runs as exported C only. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "fuzz.h"

/* What is to be done. */
typedef struct {
    uint64_t seed, n;
    bool exported_only, print;
    fuzz_stats stats;
} job;

static void report(const fuzz_stats *s)
{
    printf("programs %llu errors %llu none %llu steps %llu runs %llu compiled %llu compiled_steps %llu units %llu "
           "exported %llu "
           "edges %llu\n",
           (unsigned long long)s->programs, (unsigned long long)s->errors, (unsigned long long)s->none,
           (unsigned long long)s->steps, (unsigned long long)s->runs, (unsigned long long)s->compiled,
           (unsigned long long)s->compiled_steps, (unsigned long long)s->units, (unsigned long long)s->exported,
           (unsigned long long)s->edges);
    for (int i = 0; s->refused[i].n; i++)
        printf("refused %llu %s\n", (unsigned long long)s->refused[i].n, s->refused[i].why);
    for (int i = 0; s->pass[i].name[0]; i++)
        printf("pass %s %llu %llu\n", s->pass[i].name, (unsigned long long)s->pass[i].fired,
               (unsigned long long)s->pass[i].plans);
    for (int i = 0; i < FUZZ_N_KINDS; i++)
        if (s->kind[i]) printf("step %s %llu\n", fuzz_kinds[i].name, (unsigned long long)s->kind[i]);
}

/* Runs program `seed`, and those compiled and exported before it, if it is the last of its batch or of all. True: no difference. */
static bool run_one(job *j, uint64_t seed, bool last, fuzz_difference *d)
{
    fuzz_stats *stats = &j->stats;
    fuzz_difference earlier = {0};
    fuzz_program *p = fuzz_generate(seed);
    fuzz_difference as_c = {.mode = FUZZ_EXPORTED, .which = p && p->batch, .batch = -1, .passes = "default"};
    if (fuzz_faulty) memcpy(as_c.passes, "wrong,default", sizeof "wrong,default");
    stats->none += !p;
    bool ok = !p || fuzz_compare(p, j->exported_only ? &as_c : NULL, d, stats);
    const fuzz_difference replay = {.mode = FUZZ_SESSION, .batch = -1, .passes = "default"};
    if (j->print && p) fuzz_print(stdout, p, ok ? &replay : d);
    fuzz_free(p);
    d->seed = seed;
    (void)alarm(120);
    if ((!ok || last || seed % FUZZ_TOGETHER == 0) && !fuzz_finish(stats, &earlier)) {
        *d = earlier;
        ok = false;
    }
    return ok;
}

static int run_all(void *arg)
{
    job *j = arg;
    for (uint64_t i = 0; i < j->n; i++) {
        fuzz_difference d = {0};
        *fuzz_at() = (fuzz_now){.seed = j->seed + i};
        (void)alarm(60);
        if (run_one(j, j->seed + i, i + 1 == j->n, &d)) continue;
        (void)alarm(0);
        printf("differs: seed %llu: mode %d.%d batch %lld passes \"%s\": %s\n", (unsigned long long)d.seed, (int)d.mode,
               d.which, (long long)d.batch, d.passes, d.text);
        fuzz_at()->found = d;
        report(&j->stats);
        return 1;
    }
    report(&j->stats);
    return 0;
}

static int shrink(const fuzz_difference *d, const char *file, int seconds)
{
    fuzz_program *p = fuzz_shrink(fuzz_generate(d->seed), d, stdout, file, seconds);
    if (strcmp(file, "-") == 0) fuzz_print(stdout, p, d);
    printf("shrunk: seed %llu has %d steps: %s\n", (unsigned long long)d->seed, fuzz_count(p->body), file);
    fuzz_free(p);
    return 1;
}

static int run(job *j, const char *file, int seconds)
{
    int why = 0;
    const int rc = fuzz_apart(run_all, j, 0, false, &why);
    fuzz_difference d = fuzz_at()->found;
    if (fuzz_stopped()) return 130;
    if (rc == FUZZ_CRASHED) {
        d = fuzz_at()->at;
        d.seed = fuzz_at()->seed;
        d.result = FUZZ_CRASHED;
        d.code = why;
        printf("crashed: seed %llu: mode %d.%d batch %lld passes \"%s\": %s %d\n", (unsigned long long)d.seed,
               (int)d.mode, d.which, (long long)d.batch, d.passes, why > 0 ? "signal" : "exit status", abs(why));
    }
    return rc && file ? shrink(&d, file, seconds) : rc ? 1 : 0;
}

int main(int argc, char **argv)
{
    job j = {.seed = 1};
    const char *file = NULL;
    int seconds = 240;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "0";
        if (strcmp(argv[i], "--fault") == 0)
            fuzz_faulty = true;
        else if (strcmp(argv[i], "--crash") == 0)
            fuzz_faulty = fuzz_crashes = true;
        else if (strcmp(argv[i], "--exported") == 0)
            j.exported_only = true;
        else if (strcmp(argv[i], "--print") == 0)
            j.print = true;
        else if (strcmp(argv[i], "--seed") == 0)
            j.seed = strtoull(value, NULL, 10), i++;
        else if (strcmp(argv[i], "--programs") == 0)
            j.n = strtoull(value, NULL, 10), i++;
        else if (strcmp(argv[i], "--levels") == 0)
            j.stats.levels = atoi(value), i++;
        else if (strcmp(argv[i], "--compile") == 0)
            j.stats.compile = atoi(value), i++;
        else if (strcmp(argv[i], "--export") == 0)
            j.stats.export = atoi(value), i++;
        else if (strcmp(argv[i], "--shrink") == 0)
            file = value, i++;
        else if (strcmp(argv[i], "--seconds") == 0)
            seconds = atoi(value), i++;
        else
            return fprintf(stderr, "fuzz: no option %s\n", argv[i]), 2;
    }
    if (!j.n) j.n = 1;
    if (fuzz_faulty && fuzz_fault()) return 2;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)reel_set_threads(1);
    (void)fuzz_at(); /* before there are two processes */
    return run(&j, file, seconds);
}
