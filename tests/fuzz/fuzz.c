/* fuzz.c: the program behind ./dev fuzz.
     fuzz [--seed S] [--programs N] [--levels L] [--compile C] [--export E] [--print] [--shrink FILE] [--fault] [--exported]
   Runs N programs from seed S on; at the first that differs it stops with status 1, shrinks it and writes it as C to FILE. The last lines
   are counts for tools/fuzz.py. With --exported each program runs as exported C only. A crash is reported with its seed (then --shrink with that seed makes it small). */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "fuzz.h"

static bool exported_only;

static void crashed(int sig)
{
    char text[64] = "crashed: seed ", digits[24];
    int n = 0, at = (int)strlen(text);
    for (uint64_t x = fuzz_current; x || !n; x /= 10) digits[n++] = (char)('0' + x % 10);
    while (n) text[at++] = digits[--n];
    text[at++] = '\n';
    (void)!write(STDOUT_FILENO, text, (size_t)at);
    (void)signal(sig, SIG_DFL);
    (void)raise(sig);
}

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

static int shrink(uint64_t seed, const fuzz_difference *d, const char *file)
{
    fuzz_program *p = fuzz_shrink(fuzz_generate(seed), d, stdout);
    FILE *out = strcmp(file, "-") == 0 ? stdout : fopen(file, "w");
    if (!out) return 1;
    fuzz_print(out, p, d);
    printf("shrunk: seed %llu has %d steps: %s\n", (unsigned long long)seed, fuzz_count(p->body), file);
    if (out != stdout) (void)fclose(out);
    fuzz_free(p);
    return 1;
}

/* Runs program `seed`, and those compiled and exported before it, if it is the last of its batch or of all. True: no difference. */
static bool run_one(uint64_t seed, bool last, bool print, fuzz_stats *stats, fuzz_difference *d)
{
    fuzz_difference earlier = {0};
    fuzz_program *p = fuzz_generate(seed);
    fuzz_difference as_c = {.mode = FUZZ_EXPORTED, .which = p && p->batch, .batch = -1, .passes = "default"};
    if (fuzz_faulty) memcpy(as_c.passes, "wrong,default", sizeof "wrong,default");
    stats->none += !p;
    bool ok = !p || fuzz_compare(p, exported_only ? &as_c : NULL, d, stats);
    const fuzz_difference replay = {.mode = FUZZ_SESSION, .batch = -1, .passes = "default"};
    if (print && p) fuzz_print(stdout, p, ok ? &replay : d);
    fuzz_free(p);
    d->seed = seed;
    (void)alarm(120);
    if ((!ok || last || seed % FUZZ_TOGETHER == 0) && !fuzz_finish(stats, &earlier)) {
        *d = earlier;
        ok = false;
    }
    return ok;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, n = 0;
    const char *file = NULL;
    bool print = false;
    fuzz_stats stats = {0};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "0";
        if (strcmp(argv[i], "--fault") == 0)
            fuzz_faulty = true;
        else if (strcmp(argv[i], "--exported") == 0)
            exported_only = true;
        else if (strcmp(argv[i], "--print") == 0)
            print = true;
        else if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(value, NULL, 10), i++;
        else if (strcmp(argv[i], "--programs") == 0)
            n = strtoull(value, NULL, 10), i++;
        else if (strcmp(argv[i], "--levels") == 0)
            stats.levels = atoi(value), i++;
        else if (strcmp(argv[i], "--compile") == 0)
            stats.compile = atoi(value), i++;
        else if (strcmp(argv[i], "--export") == 0)
            stats.export = atoi(value), i++;
        else if (strcmp(argv[i], "--shrink") == 0)
            file = value, i++;
        else
            return fprintf(stderr, "fuzz: no option %s\n", argv[i]), 2;
    }
    if (!n) n = 1;
    if (fuzz_faulty && fuzz_fault()) return 2;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)reel_set_threads(1);
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM};
    for (int i = 0; i < 6; i++) (void)signal(signals[i], crashed);
    for (uint64_t i = 0; i < n; i++) {
        fuzz_difference d = {0};
        fuzz_current = seed + i;
        (void)alarm(60);
        if (run_one(seed + i, i + 1 == n, print, &stats, &d)) continue;
        (void)alarm(0);
        printf("differs: seed %llu: mode %d.%d batch %lld passes \"%s\": %s\n", (unsigned long long)d.seed, (int)d.mode,
               d.which, (long long)d.batch, d.passes, d.text);
        if (file) (void)shrink(d.seed, &d, file);
        report(&stats);
        return 1;
    }
    report(&stats);
    return 0;
}
