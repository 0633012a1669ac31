/* The pool: pieces, nesting, several users, thread counts, fork. */
#include "core/pool.h"
#include "reel/tensor.h"
#include "tap.h"
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N = 10007 };

typedef struct seen {
    _Atomic int hits[N];
    _Atomic int pieces, bad;
    int64_t grain;
    _Atomic int64_t begins; /* a sum that tells the pieces */
} seen;

static void mark(void *arg, int64_t begin, int64_t end)
{
    seen *s = arg;
    s->bad += begin % s->grain != 0 || (end % s->grain != 0 && end != N) || begin >= end || !(end <= N);
    s->pieces++;
    s->begins += begin * (end + 1);
    for (int64_t i = begin; i < end && i < N; i++) {
        s->hits[i]++;
    }
}

static bool each_once(const seen *s)
{
    for (int i = 0; i < N; i++) {
        if (s->hits[i] != 1) {
            return false;
        }
    }
    return true;
}

static void test_pieces(void)
{
    static const int64_t grains[] = {1, 2, 7, 16, 100, 1000, 5000, 10006, 10007, 20000};
    for (size_t g = 0; g < sizeof grains / sizeof *grains; g++) {
        int pieces[3] = {0};
        int64_t begins[3] = {0};
        bool good = true;
        for (int threads = 1; threads <= 3; threads++) {
            seen *s = calloc(1, sizeof *s);
            s->grain = grains[g];
            reel_set_threads(threads);
            reel_parallel_for(N, grains[g], mark, s);
            good = good && each_once(s) && s->bad == 0;
            pieces[threads - 1] = s->pieces;
            begins[threads - 1] = s->begins;
            free(s);
        }
        TAP_OK(good, "grain %d: each index once, borders at multiples", (int)grains[g]);
        TAP_OK(pieces[0] == pieces[1] && pieces[1] == pieces[2] && begins[0] == begins[1] && begins[1] == begins[2],
               "... and the pieces do not depend on the number of threads (%d)", pieces[0]);
    }
}

static void never(void *arg, int64_t begin, int64_t end)
{
    (void)begin;
    (void)end;
    *(int *)arg += 1;
}

static void whole(void *arg, int64_t begin, int64_t end)
{
    *(bool *)arg = begin == 0 && end == 5 && !reel_pool_inside_();
}

static void test_borders(void)
{
    int calls = 0;
    bool right = false;
    reel_set_threads(1);
    reel_parallel_for(0, 1, never, &calls);
    reel_parallel_for(-5, 1, never, &calls);
    TAP_EQ_INT(calls, 0);
    reel_parallel_for(5, 5, whole, &right);
    TAP_OK(right, "one piece runs inline and is no parallel loop");
    reel_parallel_for(3, 0, never, &calls);
    TAP_OK(calls >= 1, "a grain below 1 counts as 1");
    TAP_OK(!reel_pool_inside_(), "outside, one is not inside");
    calls = 0;
    reel_parallel_for(INT64_MAX, INT64_MAX - 1, never, &calls);
    TAP_EQ_INT(calls, 2);
}

/* ---- nesting ------------------------------------------------------------------------------------------ */

typedef struct nest {
    _Atomic int64_t sum;
    _Atomic int outside, elsewhere;
} nest;

typedef struct inner_arg {
    nest *n;
    pthread_t self;
} inner_arg;

static void inner(void *arg, int64_t begin, int64_t end)
{
    inner_arg *a = arg;
    a->n->sum += end - begin;
    a->n->elsewhere += !pthread_equal(a->self, pthread_self());
}

static void outer(void *arg, int64_t begin, int64_t end)
{
    nest *n = arg;
    n->outside += !reel_pool_inside_();
    for (int64_t i = begin; i < end; i++) {
        inner_arg a = {n, pthread_self()};
        reel_parallel_for(50, 1, inner, &a);
    }
}

static void test_nested(void)
{
    nest n = {0};
    reel_set_threads(3);
    reel_parallel_for(40, 1, outer, &n);
    TAP_EQ_INT(n.sum, 40 * 50);
    TAP_EQ_INT(n.outside, 0);
    TAP_EQ_INT(n.elsewhere, 0);
}

/* ---- counts -------------------------------------------------------------------------------------------- */

static void test_counts(void)
{
    reel_error e;
    reel_set_threads(2);
    const int two = reel_threads();
    TAP_OK(two == 2 || two == 1, "2 threads, or 1 in a build without");
    TAP_EQ_INT(reel_set_threads(-1), REEL_EARG);
    TAP_EQ_INT(reel_take_error(&e), REEL_EARG);
    TAP_OK(strstr(e.text, "reel_set_threads: -1") != NULL, "the error has the number: %s", e.text);
    TAP_EQ_INT(reel_set_threads(100000), REEL_EARG);
    reel_take_error(NULL);
    TAP_EQ_INT(reel_threads(), two);
    TAP_EQ_INT(reel_set_threads(0), 0);
    TAP_OK(reel_threads() >= 1, "0 means all there are: %d", reel_threads());
}

static void sum_up(void *arg, int64_t begin, int64_t end)
{
    atomic_fetch_add((_Atomic int64_t *)arg, (begin + end - 1) * (end - begin) / 2);
}

/* Many loops in a row with changing counts: no loop may end early or hang. */
static void test_many(void)
{
    int wrong = 0;
    for (int i = 0; i < 3000; i++) {
        _Atomic int64_t sum = 0;
        const int64_t n = 2 + i % 300;
        if (i % 100 == 0) {
            reel_set_threads(1 + i / 100 % 4);
        }
        reel_parallel_for(n, 1 + i % 3, sum_up, &sum);
        wrong += sum != n * (n - 1) / 2;
    }
    TAP_EQ_INT(wrong, 0);
}

/* The pool really is several threads: two pieces wait for each other, as long as it takes. */
static _Atomic int arrived;
static void meet(void *arg, int64_t begin, int64_t end)
{
    (void)arg;
    (void)begin;
    (void)end;
    arrived++;
    for (int i = 0; i < 20000 && arrived < 2; i++) {
        usleep(1000);
    }
}

static void test_is_parallel(void)
{
    reel_set_threads(2);
    if (reel_threads() == 1) {
        TAP_SKIP("built without threads");
        return;
    }
    reel_parallel_for(2, 1, meet, NULL);
    TAP_EQ_INT(arrived, 2);
}

/* ---- users ---------------------------------------------------------------------------------------------- */

static void *use(void *arg)
{
    (void)arg;
    uintptr_t wrong = 0;
    for (int i = 0; i < 400; i++) {
        _Atomic int64_t sum = 0;
        reel_parallel_for(1000, 10, sum_up, &sum);
        wrong += sum != 499500;
    }
    return (void *)wrong;
}

static int os_threads(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/task");
    if (!d) {
        return -1;
    }
    for (const struct dirent *e = readdir(d); e; e = readdir(d)) {
        n += e->d_name[0] != '.';
    }
    closedir(d);
    return n;
}

static void test_users(void)
{
    enum { USERS = 8 };
    pthread_t t[USERS];
    uintptr_t wrong = 0;
    int most = 0;
    reel_set_threads(2);
    const int before = os_threads();
    for (int i = 0; i < USERS; i++) {
        pthread_create(&t[i], NULL, use, NULL);
    }
    for (int i = 0; i < 20; i++) {
        const int now = os_threads();
        most = now > most ? now : most;
        usleep(500);
    }
    for (int i = 0; i < USERS; i++) {
        void *result;
        pthread_join(t[i], &result);
        wrong += (uintptr_t)result;
    }
    TAP_OK(wrong == 0, "%d users' loops are all right", USERS);
    /* ThreadSanitizer has a thread of its own, which `before` counts; the pool may grow by its workers */
    TAP_OK(most <= before + USERS + 3, "%d threads before, at most %d with %d users", before, most, USERS);
}

static void test_fork(void)
{
    reel_set_threads(3);
    _Atomic int64_t sum = 0;
    reel_parallel_for(1000, 1, sum_up, &sum); /* the pool is there before */
    const pid_t child = fork();
    if (child == 0) {
        alarm(20); /* a deadlock ends here */
        _Atomic int64_t again = 0;
        reel_parallel_for(1000, 1, sum_up, &again);
        _exit(again == 499500 && reel_threads() == 1 ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    TAP_EQ_INT(status, 0);
    sum = 0;
    reel_parallel_for(1000, 1, sum_up, &sum);
    TAP_EQ_INT(sum, 499500);
}

TAP_MAIN(test_pieces, test_borders, test_nested, test_counts, test_many, test_is_parallel, test_users, test_fork)
