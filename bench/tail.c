/* tail.c: how long the slowest steps of a tight loop over replay take. `tail [SECONDS]` replays each model's training step for so long and
   prints the median, the 99th and 99.9th percentile and the longest, and how many took more than three medians. What the machine does to
   any program shows beside it: of those steps, the ones in which the kernel took a thread off its processor (ru_nivcsw), and the same
   count for loops as long as a step that compute and call nobody, on one thread and on two of which one waits for the other one, asked in
   turn with the replay. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include "bench.h"
#include "models.h"

enum { WARM = 30, MOST = 400000, BLOCK = 50 };

typedef struct tally {
    double *s;
    int n, switched; /* steps; those above the limit in which a thread was switched away */
    double limit;
} tally;

static long switches(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_nivcsw;
}

static _Thread_local volatile double kept;
static int64_t turns;
static void compute(void)
{
    double x = 0.5; /* 1 would stay 1, and compilers see that */
    for (int64_t i = 0; i < turns; i++) x = x * 0.999999 + 1e-6;
    kept = x;
}

/* The second thread of both(): asked for its part, -1: to end. */
static atomic_int asked, answered;
static void *second(void *unused)
{
    (void)unused;
    for (int last = 0, now; (now = atomic_load(&asked)) >= 0;) {
        if (now == last) continue;
        last = now;
        compute();
        atomic_store(&answered, now);
    }
    return NULL;
}
static void both(void)
{
    const int n = atomic_fetch_add(&asked, 1) + 1;
    compute();
    while (atomic_load(&answered) != n) {}
}

static reel_function *step;
static void replay(void)
{
    REEL_SCOPED;
    reel_tensor *out[1];
    reel_function_call(step, (reel_list){2, in}, out);
}

static void block(tally *t, void (*run)(void))
{
    for (int i = 0; i < BLOCK && t->n < MOST; i++) {
        const long before = switches();
        const double start = bench_now();
        run();
        const double d = bench_now() - start;
        t->s[t->n++] = d;
        t->switched += d > t->limit && switches() != before;
    }
}

static void block_of_both(tally *t)
{
    pthread_t other;
    atomic_store(&asked, 0), atomic_store(&answered, 0);
    if (pthread_create(&other, NULL, second, NULL)) return;
    both(); /* until it is there */
    block(t, both);
    atomic_store(&asked, -1);
    pthread_join(other, NULL);
}

static void print(const char *name, const char *what, tally *t)
{
    int slow = 0;
    for (int i = 0; i < t->n; i++) slow += t->s[i] > t->limit;
    qsort(t->s, (size_t)t->n, sizeof *t->s, bench_compare);
    const double m = t->s[t->n / 2];
    printf("%-10s %-8s %8d %11.1f %7.2f %7.2f %8.2f %7d %9d\n", name, what, t->n, m * 1e6,
           t->s[(int64_t)t->n * 99 / 100] / m, t->s[(int64_t)t->n * 999 / 1000] / m, t->s[t->n - 1] / m, slow,
           t->switched);
}

static void measure(int i, double seconds, double *const room[3])
{
    tally ours = {.s = room[0], .limit = 1e9}, plain = {.s = room[1]}, two = {.s = room[2]};
    for (int k = 0; k < WARM; k++) replay();
    block(&ours, replay);
    qsort(ours.s, (size_t)ours.n, sizeof *ours.s, bench_compare);
    const double median = ours.s[ours.n / 2];
    for (turns = 1000;; turns *= 2) {
        const double start = bench_now();
        compute();
        const double d = bench_now() - start;
        if (d < median && d < 1e-3) continue;
        turns = (int64_t)((double)turns * median / d) + 1;
        break;
    }
    ours.n = ours.switched = 0;
    ours.limit = plain.limit = two.limit = 3 * median;
    for (const double start = bench_now(); bench_now() - start < 3 * seconds && ours.n < MOST;) {
        block(&ours, replay);
        block(&plain, compute);
        block_of_both(&two);
    }
    print(kinds[i].name, "replay", &ours);
    print("", "one", &plain);
    print("", "two", &two);
}

int main(int argc, char **argv)
{
    const double seconds = argc > 1 ? atof(argv[1]) : 3;
    double *const room[3] = {malloc(MOST * sizeof(double)), malloc(MOST * sizeof(double)),
                             malloc(MOST * sizeof(double))};
    reel_scope *scope = reel_scope_begin(REEL_HERE, "tail");
    printf("%-10s %-8s %8s %11s %7s %7s %8s %7s %9s\n", "step", "what", "steps", "median us", "p99", "p99.9", "longest",
           "> 3", "switched");
    for (int i = 0; room[0] && room[1] && room[2] && i < (int)(sizeof kinds / sizeof *kinds); i++) {
        REEL_SCOPED;
        net = (struct model){.vars = reel_vars_new("model")};
        kinds[i].begin();
        net.opt = reel_adam(net.vars, NULL);
        step = reel_function_new(fn_of(i), NULL);
        measure(i, seconds, room);
        (void)fflush(stdout);
        reel_function_free(step);
        reel_optimizer_free(net.opt);
        reel_vars_free(net.vars);
    }
    reel_error e;
    const int bad = reel_take_error(&e);
    if (bad) fprintf(stderr, "%s\n", e.text);
    reel_scope_end(scope);
    free(room[0]);
    free(room[1]);
    free(room[2]);
    return bad;
}
