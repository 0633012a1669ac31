/* test_random_programs.c: some of what ./dev fuzz runs: random whole programs (tests/fuzz), each run eagerly, under a tape, captured,
   replayed and as a graph of placeholders after each list of passes, must give the same bits; the first 20 compiled, too, and as exported C nearly the
   same numbers. REEL_SEED=n runs that program alone,
   REEL_PROGRAMS=n that many from there on. */
#include <stdlib.h>
#include "fuzz/fuzz.h"
#include "tap.h"

static fuzz_stats stats;

static bool one(uint64_t seed)
{
    REEL_SCOPED;
    fuzz_difference d = {0};
    fuzz_program *p = fuzz_generate(seed);
    const bool ok = !p || fuzz_compare(p, NULL, &d, &stats);
    stats.none += !p;
    if (!ok)
        TAP_NOTE(
            "seed %llu: mode %d.%d, batch %lld, passes \"%s\": %s; build/tests/fuzz --seed %llu --shrink - shows it",
            (unsigned long long)seed, (int)d.mode, d.which, (long long)d.batch, d.passes, d.text,
            (unsigned long long)seed);
    fuzz_free(p);
    return ok;
}

static void test_programs(void)
{
    const char *seed = getenv("REEL_SEED"), *programs = getenv("REEL_PROGRAMS");
    const uint64_t first = seed ? strtoull(seed, NULL, 10) : 1;
    const int n = programs ? atoi(programs) : seed ? 1 : tap_reduced ? 100 : 300;
    int bad = 0, kinds = 0, missing = 0, found = 0;
    reel_memory_stats before, after;
    if (n > 1) (void)one(1); /* what stays for reuse is made */
    stats.export = stats.compile = 100;
    reel_memory(&before);
    for (int i = 0; i < n && bad < 10; i++) bad += !one(first + (uint64_t)i);
    fuzz_difference exported = {0};
    const bool near = fuzz_finish(&stats, &exported);
    reel_memory(&after);
    if (!TAP_OK(near, "%d of them compiled, %d exported as C, built and run; %d elements on an edge",
                (int)stats.compiled, (int)stats.exported, (int)stats.edges))
        TAP_NOTE("seed %llu: %s", (unsigned long long)exported.seed, exported.text);
    for (int i = 0; stats.refused[i].n; i++)
        TAP_NOTE("%d not exported: %s", (int)stats.refused[i].n, stats.refused[i].why);
    TAP_OK(bad == 0, "%d random programs from seed %llu on give the same bits in every mode", n,
           (unsigned long long)first);
    TAP_OK(stats.errors * 20 <= stats.programs, "%d of them raise an error, the same one everywhere",
           (int)stats.errors);
    TAP_OK(n < 100 || stats.steps > 15 * stats.programs, "%d steps", (int)stats.steps);
    for (int i = 0; i < FUZZ_N_KINDS; i++) {
        kinds += stats.kind[i] > 0;
        missing += fuzz_kinds[i].weight > 0 && stats.kind[i] == 0;
    }
    TAP_OK(n < 300 || missing == 0, "%d kinds of steps, %d never", kinds, missing);
    for (int i = 0; stats.pass[i].name[0]; i++) {
        found += stats.pass[i].fired > 0;
        TAP_NOTE("pass %s found %llu places in %llu plans", stats.pass[i].name, (unsigned long long)stats.pass[i].fired,
                 (unsigned long long)stats.pass[i].plans);
    }
    TAP_OK(n < 100 || found >= 6, "%d passes found something", found);
    TAP_OK(after.tensors <= before.tensors, "no tensor is left over: %llu before, %llu after",
           (unsigned long long)before.tensors, (unsigned long long)after.tensors);
}

/* A program is the same program each time it is generated, and so is a copy of it. */
static void test_data(void)
{
    int differ = 0;
    for (uint64_t seed = 50; seed < 70; seed++) {
        REEL_SCOPED;
        char *text[2] = {NULL, NULL};
        size_t size[2] = {0, 0};
        const fuzz_difference d = {.mode = FUZZ_SESSION, .batch = -1, .passes = "default"};
        for (int i = 0; i < 2; i++) {
            fuzz_program *p = fuzz_generate(seed), *copy = p ? fuzz_copy(p) : NULL;
            FILE *f = open_memstream(&text[i], &size[i]);
            if (p) fuzz_print(f, i ? copy : p, &d);
            (void)fclose(f);
            fuzz_free(p);
            fuzz_free(copy);
        }
        differ += size[0] != size[1] || memcmp(text[0], text[1], size[0]) != 0;
        free(text[0]);
        free(text[1]);
    }
    TAP_OK(differ == 0, "a seed stands for a program");
}

TAP_MAIN(test_programs, test_data)
