/* test_alloc_programs.c: random programs (tests/fuzz) with no memory at one of the places where they ask for some: traced, optimized,
   planned, replayed, under a tape. It is REEL_ENOMEM or had no consequence, nothing leaks, and the program run again gives what it gave
   before. Each attempt runs in a thread of its own, so that the thread's caches can fail too. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "fuzz/fuzz.h"
#include "tap.h"

static _Atomic int64_t outstanding, countdown, asked;

static void *take(void *self, size_t bytes)
{
    (void)self;
    atomic_fetch_add(&asked, 1);
    if (atomic_load(&countdown) > 0 && atomic_fetch_sub(&countdown, 1) == 1) return NULL;
    atomic_fetch_add(&outstanding, (int64_t)bytes);
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void give(void *self, void *p, size_t bytes)
{
    (void)self;
    atomic_fetch_sub(&outstanding, (int64_t)bytes);
    free(p);
}

struct attempt {
    uint64_t seed;
    int64_t fail_at; /* counted from the first call on */
    int code;
    int64_t asked;
    double sum;
    char text[504];
};

/* A number that stands for the results; NaN and infinity taken as 1. */
static double digest(fuzz_program *p, reel_tensor *const *out)
{
    double sum = 0;
    for (int i = 0; i < fuzz_n_results(p) && reel_status() == 0; i++) {
        const int64_t n = reel_shape_count(reel_shape_of(out[i]));
        double *x = malloc((size_t)n * sizeof *x + 1);
        if (reel_read_f64(out[i], x, (size_t)n) == 0)
            for (int64_t k = 0; k < n; k++) sum += isfinite(x[k]) ? x[k] : 1;
        free(x);
    }
    return sum;
}

static void calls(struct attempt *a, fuzz_program *p)
{
    reel_function *f = reel_function_new(fuzz_fn(p), NULL);
    for (int i = 0; i < 3 && reel_status() == 0; i++) {
        REEL_SCOPED;
        reel_tensor *out[FUZZ_ALL_RESULTS] = {NULL};
        fuzz_reset(p);
        reel_tape *t = i == 2 && !p->untaped ? reel_tape_begin(NULL) : NULL;
        if (reel_function_call(f, (reel_list){p->n_in, p->in}, out) == 0) a->sum = digest(p, out);
        reel_tape_end(t);
    }
    reel_function_free(f);
}

static void *attempt(void *arg)
{
    struct attempt *a = arg;
    reel_error e;
    (void)reel_status();
    fuzz_program *p = fuzz_generate(a->seed);
    if (p) {
        REEL_SCOPED;
        if (fuzz_open(p)) {
            const int64_t before = atomic_load(&asked);
            atomic_store(&countdown, a->fail_at);
            calls(a, p);
            atomic_store(&countdown, 0);
            a->asked = atomic_load(&asked) - before;
        }
        a->code = reel_take_error(&e);
        snprintf(a->text, sizeof a->text, "%s", e.text);
        fuzz_close(p);
    }
    fuzz_free(p);
    return NULL;
}

static void in_thread(struct attempt *a)
{
    pthread_t t;
    pthread_create(&t, NULL, attempt, a);
    pthread_join(t, NULL);
}

static void test_programs(void)
{
    const reel_allocator mine = {.size = sizeof mine, .alloc = take, .free = give};
    TAP_OK(reel_set_allocator(&mine) == 0, "an allocator of the test's own");
    (void)reel_set_threads(1);
    const int n = tap_reduced ? 10 : 40, points = 30;
    int wrong = 0, leaks = 0, other = 0, failures = 0, places = 0;
    for (uint64_t seed = 1; seed <= (uint64_t)n; seed++) {
        struct attempt first = {.seed = seed}, again;
        for (int i = 0; i < 2; i++) in_thread(&first);
        if (first.code) continue;
        places += (int)first.asked;
        uint64_t rng = seed;
        for (int i = 0; i < points; i++) {
            const int64_t before = atomic_load(&outstanding);
            struct attempt a = {.seed = seed, .fail_at = 1 + fuzz_below(&rng, (int)first.asked)};
            in_thread(&a);
            failures += a.code != 0;
            if (a.code ? a.code != REEL_ENOMEM : a.sum != first.sum) {
                if (!other++)
                    TAP_NOTE("seed %d, allocation %d: %s: %s", (int)seed, (int)a.fail_at, reel_code_name(a.code),
                             a.text);
            }
            if (atomic_load(&outstanding) != before) {
                if (!leaks++)
                    TAP_NOTE("seed %d, allocation %d: %d bytes more", (int)seed, (int)a.fail_at,
                             (int)(atomic_load(&outstanding) - before));
            }
        }
        again = (struct attempt){.seed = seed};
        in_thread(&again);
        wrong += again.code != 0 || again.sum != first.sum;
    }
    TAP_OK(failures > n, "%d of %d attempts fail, among %d places", failures, n * points, places);
    TAP_OK(other == 0, "each with REEL_ENOMEM, and the others are right");
    TAP_OK(leaks == 0, "nothing leaks");
    TAP_OK(wrong == 0, "the programs run again give what they gave");
}

TAP_MAIN(test_programs)
