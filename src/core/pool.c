/* pool.c: one pool of threads for every loop of the process. A loop is cut into pieces that depend on its size and
   grain only. Each thread begins with a run of neighbouring pieces of its own, and then takes what others have left.
   The pool runs one loop at a time: a second user's loop runs serially meanwhile, as nested loops do and all loops in a
   child after fork. REEL_THREADS_PTHREAD: own workers, which spin for a moment before they sleep (no false alarms in
   ThreadSanitizer). REEL_THREADS_OPENMP: OpenMP's workers, shared with the user's own parallel regions. */
#include "core/pool.h"
#include "core/compiler.h"
#include "core/error.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#if !defined(REEL_THREADS_OPENMP) && !defined(REEL_THREADS_PTHREAD) && !defined(REEL_THREADS_NONE)
#define REEL_THREADS_NONE
#endif
#ifdef REEL_THREADS_OPENMP
#include <omp.h>
#include <time.h>
#endif

enum { MAX_THREADS = 256, MAX_PIECES = 256 };

typedef void body_fn(void *arg, int64_t begin, int64_t end);

typedef struct loop {
    body_fn *body;
    void *arg;
    int64_t n, piece; /* pieces of so many indices; the last may be shorter */
    int pieces;
    bool light;
} loop;

static REEL_TLS bool inside;
static _Atomic int chosen;  /* reel_set_threads; 0: not yet */
static _Atomic bool forked; /* this process is a child of one that had loaded the library */
static pthread_once_t once = PTHREAD_ONCE_INIT;

int reel_pool_inside_(void)
{
    return inside;
}

static void run_piece(const loop *l, int i)
{
    const int64_t begin = (int64_t)i * l->piece, left = l->n - begin;
    l->body(l->arg, begin, begin + (left < l->piece ? left : l->piece));
}

static void run_serially(const loop *l)
{
    const bool was = inside;
    inside = true;
    for (int i = 0; i < l->pieces; i++) {
        run_piece(l, i);
    }
    inside = was;
}

/* ---- how many threads ------------------------------------------------------------------------------ */

static void in_child(void)
{
    atomic_store(&forked, true);
}

static int available(void)
{
#ifdef REEL_THREADS_NONE
    return 1;
#else
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : n;
#endif
}

static void start(void)
{
    const char *env = getenv("REEL_THREADS");
    char *end = NULL;
    const long asked = env ? strtol(env, &end, 10) : 0;
    int n = env && end != env && *end == 0 && asked > 0 && asked <= MAX_THREADS ? (int)asked : available();
#ifdef REEL_THREADS_NONE
    n = 1;
#endif
    int none = 0;
    atomic_compare_exchange_strong(&chosen, &none, n);
    pthread_atfork(NULL, NULL, in_child);
}

int reel_threads(void)
{
    pthread_once(&once, start);
    return atomic_load_explicit(&forked, memory_order_relaxed) ? 1
                                                               : atomic_load_explicit(&chosen, memory_order_relaxed);
}

int reel_set_threads(int n)
{
    if (n < 0 || n > MAX_THREADS) {
        return reel_fail_at_(NULL, REEL_EARG, "reel_set_threads: %d is not between 0 and %d", n, MAX_THREADS);
    }
    pthread_once(&once, start);
#ifdef REEL_THREADS_NONE
    n = 1;
#endif
    atomic_store(&chosen, n ? n : available());
    return REEL_OK;
}

/* ---- the loop that is under way ---------------------------------------------------------------------- */

#ifndef REEL_THREADS_NONE
typedef struct share {
    _Alignas(64) _Atomic int next;
    int end;
} share;

static struct {
    _Atomic bool taken; /* some thread's loop has the pool */
    loop loop;
    int limit; /* threads that may take part */
    share share[MAX_THREADS];
} pool;

/* Participant number me: its own pieces, then everybody's. */
static void take_part(int me)
{
    const bool was = inside;
    inside = true;
    for (int i = 0; i < pool.limit; i++) {
        share *s = &pool.share[me + i < pool.limit ? me + i : me + i - pool.limit];
        while (atomic_load_explicit(&s->next, memory_order_relaxed) < s->end) {
            const int piece = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed);
            if (piece < s->end) {
                run_piece(&pool.loop, piece);
            }
        }
    }
    inside = was;
}

static void deal(const loop *l, int limit)
{
    pool.loop = *l;
    pool.limit = limit;
    for (int i = 0; i < limit; i++) {
        atomic_store_explicit(&pool.share[i].next, l->pieces * i / limit, memory_order_relaxed);
        pool.share[i].end = l->pieces * (i + 1) / limit;
    }
}
#endif

/* ---- own workers ------------------------------------------------------------------------------------- */

#ifdef REEL_THREADS_PTHREAD
enum { SPINS = 1000, YIELDS = 200 };

/* open is the number of the loop that may be joined, or 0. A worker enters (busy), then looks at open; the caller closes,
   then waits for busy to be 0: one of the two sees the other, so nobody touches a loop that is over. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake, left;
    _Atomic uint64_t open;
    _Atomic int busy, sleepers, joined;
    _Atomic bool waiting;
    uint64_t number;
    int workers;
    int64_t light_last; /* when a light loop last found workers asleep, and how many have in a row */
    int light_streak;
} crew = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .left = PTHREAD_COND_INITIALIZER};

static bool is_new(uint64_t seen)
{
    const uint64_t open = atomic_load(&crew.open);
    return open != 0 && open != seen;
}

static void await_loop(uint64_t seen)
{
    for (int i = 0; i < SPINS; i++) {
        if (is_new(seen)) {
            return;
        }
        REEL_SPIN_PAUSE();
    }
    pthread_mutex_lock(&crew.lock);
    atomic_fetch_add(&crew.sleepers, 1);
    while (!is_new(seen)) {
        pthread_cond_wait(&crew.wake, &crew.lock);
    }
    atomic_fetch_sub(&crew.sleepers, 1);
    pthread_mutex_unlock(&crew.lock);
}

static void *work(void *unused)
{
    (void)unused;
    uint64_t seen = 0;
    for (;;) {
        await_loop(seen);
        atomic_fetch_add(&crew.busy, 1);
        const uint64_t open = atomic_load(&crew.open);
        if (open != 0 && open != seen) {
            seen = open;
            const int me = atomic_fetch_add_explicit(&crew.joined, 1, memory_order_relaxed);
            if (me < pool.limit) {
                take_part(me);
            }
        }
        if (atomic_fetch_sub(&crew.busy, 1) == 1 && atomic_load(&crew.waiting)) {
            pthread_mutex_lock(&crew.lock);
            pthread_cond_signal(&crew.left);
            pthread_mutex_unlock(&crew.lock);
        }
    }
    return NULL;
}

/* Workers never end: they sleep until the process does. Signals are for the user's threads. */
static void hire(int workers)
{
    pthread_attr_t attr;
    sigset_t all, old;
    if (crew.workers >= workers || pthread_attr_init(&attr)) {
        return;
    }
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (crew.workers < workers) {
        pthread_t t;
        if (pthread_create(&t, &attr, work, NULL)) {
            break; /* with fewer then */
        }
        crew.workers++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
}

static void await_workers(void)
{
    for (int i = 0; i < SPINS + YIELDS; i++) {
        if (atomic_load(&crew.busy) == 0) {
            return;
        }
        if (i < SPINS) {
            REEL_SPIN_PAUSE();
        } else {
            sched_yield();
        }
    }
    pthread_mutex_lock(&crew.lock);
    atomic_store(&crew.waiting, true);
    while (atomic_load(&crew.busy) != 0) {
        pthread_cond_wait(&crew.left, &crew.lock);
    }
    atomic_store(&crew.waiting, false);
    pthread_mutex_unlock(&crew.lock);
}

/* Waking a worker takes 10 us and more: longer than a light loop. So light loops are shared only with workers that are awake
   already, until many have come close together. Called with the pool taken. */
static bool worth_waking(int limit)
{
    enum { CLOSE_NS = 200000, MANY = 16 };
    if (crew.workers >= limit - 1 && atomic_load_explicit(&crew.sleepers, memory_order_relaxed) == 0) {
        return true;
    }
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    const int64_t now = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    crew.light_streak = now - crew.light_last < CLOSE_NS ? crew.light_streak + 1 : 0;
    crew.light_last = now;
    return crew.light_streak >= MANY;
}

static bool run_together(const loop *l, int limit)
{
    if (l->light && !worth_waking(limit)) {
        return false;
    }
    hire(limit - 1);
    deal(l, limit);
    atomic_store_explicit(&crew.joined, 1, memory_order_relaxed); /* the caller is number 0 */
    atomic_store(&crew.open, ++crew.number);
    if (atomic_load(&crew.sleepers) > 0) {
        pthread_mutex_lock(&crew.lock);
        if (limit == 2) {
            pthread_cond_signal(&crew.wake);
        } else {
            pthread_cond_broadcast(&crew.wake);
        }
        pthread_mutex_unlock(&crew.lock);
    }
    take_part(0);
    atomic_store(&crew.open, 0);
    await_workers();
    return true;
}
#endif

/* ---- OpenMP's workers -------------------------------------------------------------------------------- */

#ifdef REEL_THREADS_OPENMP
/* libgomp keeps a team of its own for each thread that ever opened a region: 8 user threads would make 8 teams. So one
   thread at a time is the home of the team. Another becomes it when the home has ended or made no loop for a while; the
   old one then sends its team away at its next loop. */
static struct {
    pthread_key_t key;
    bool have_key;
    _Atomic int home; /* number of a user thread, 0: none */
    _Atomic int numbers;
    _Atomic int64_t used_ms;
} team;
static REEL_TLS int number;
static REEL_TLS bool has_team;
static pthread_once_t team_once = PTHREAD_ONCE_INIT;
enum { IDLE_MS = 250 };

static void leave_home(void *unused)
{
    (void)unused;
    int me = number;
    atomic_compare_exchange_strong(&team.home, &me, 0);
}

static void team_start(void)
{
    team.have_key = pthread_key_create(&team.key, leave_home) == 0;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Called with the pool taken. */
static bool at_home(void)
{
    if (number == 0) {
        pthread_once(&team_once, team_start);
        number = atomic_fetch_add(&team.numbers, 1) + 1;
    }
    const int home = atomic_load_explicit(&team.home, memory_order_relaxed);
    const int64_t now = now_ms();
    if (home != number) {
        if (has_team) {
            has_team = false;
            omp_pause_resource_all(omp_pause_soft);
        }
        if (home != 0 && now - atomic_load_explicit(&team.used_ms, memory_order_relaxed) < IDLE_MS) {
            return false;
        }
        atomic_store(&team.home, number);
        if (team.have_key) {
            pthread_setspecific(team.key, &team); /* any value but NULL: leave_home is called when this thread ends */
        }
    }
    has_team = true;
    atomic_store_explicit(&team.used_ms, now, memory_order_relaxed);
    return true;
}

static bool run_together(const loop *l, int limit)
{
    if (l->light || omp_in_parallel() || !at_home()) {
        return false;
    }
    deal(l, limit);
#pragma omp parallel num_threads(limit)
    take_part(omp_get_thread_num());
    return true;
}
#endif

/* ---- the way in -------------------------------------------------------------------------------------- */

static void parallel(int64_t n, int64_t grain, void (*body)(void *arg, int64_t begin, int64_t end), void *arg,
                     bool light)
{
    if (n <= 0) {
        return;
    }
    grain = grain < 1 ? 1 : grain;
    if (n <= grain) {
        body(arg, 0, n);
        return;
    }
    const int64_t grains = (n - 1) / grain + 1, each = (grains - 1) / MAX_PIECES + 1;
    const loop l = {body, arg, n, each * grain, (int)((grains - 1) / each + 1), light};
#ifndef REEL_THREADS_NONE
    const int threads = inside ? 1 : reel_threads();
    if (threads > 1 && !atomic_exchange_explicit(&pool.taken, true, memory_order_acquire)) {
        const bool done = run_together(&l, threads);
        atomic_store_explicit(&pool.taken, false, memory_order_release);
        if (done) {
            return;
        }
    }
#endif
    run_serially(&l);
}

void reel_parallel_for(int64_t n, int64_t grain, void (*body)(void *arg, int64_t begin, int64_t end), void *arg)
{
    if (!body)
        reel_fail_at_("", REEL_EARG, "reel_parallel_for: the body is NULL");
    else
        parallel(n, grain, body, arg, false);
}

void reel_parallel_light_(int64_t n, int64_t grain, void (*body)(void *arg, int64_t begin, int64_t end), void *arg)
{
    parallel(n, grain, body, arg, true);
}
