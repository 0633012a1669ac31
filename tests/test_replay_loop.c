/* test_replay_loop.c: what a step of a tight loop over a replay does beside its kernels is the same in each step and does not grow with
   the graph: no memory but that of what it gives, and as many locks for 400 nodes as for ten. So no step of such a loop is
   slower than the others by our doing. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "reel/reel.h"
#include "tap.h"

/* ---- what is counted -------------------------------------------------------------------------------------- */

static _Atomic int64_t taken, locks;

static void *take(void *self, size_t bytes)
{
    (void)self;
    atomic_fetch_add(&taken, 1);
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void give(void *self, void *p, size_t bytes)
{
    (void)self;
    (void)bytes;
    free(p);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(RTLD_NEXT) && !defined(__clang__)
#define COUNTS_LOCKS 1
static const void *object_of(const void *address)
{
    Dl_info info = {0};
    return dladdr(address, &info) ? info.dli_fbase : NULL;
}

/* Before libc's own: all calls come here. Those of OpenBLAS and oneDNN are theirs. */
int pthread_mutex_lock(pthread_mutex_t *m)
{
    static int (*_Atomic real)(pthread_mutex_t *);
    int (*f)(pthread_mutex_t *) = atomic_load(&real);
    if (!f) {
        *(void **)&f = dlsym(RTLD_NEXT, "pthread_mutex_lock");
        atomic_store(&real, f);
    }
    if (object_of(__builtin_return_address(0)) == object_of((const void *)(uintptr_t)&take))
        atomic_fetch_add(&locks, 1);
    return f(m);
}
#else
#define COUNTS_LOCKS 0
#endif

/* ---- a loop ------------------------------------------------------------------------------------------------- */

typedef struct {
    int64_t least, most, locks_least, locks_most; /* in a step */
} counts;

typedef int loop_step(void *arg);

static counts measure(loop_step *run, void *arg)
{
    counts c = {.least = INT64_MAX, .locks_least = INT64_MAX};
    for (int i = 0; i < 200; i++) (void)run(arg); /* a plan is made, pools are filled */
    for (int i = 0; i < 300; i++) {
        const int64_t t = atomic_load(&taken), l = atomic_load(&locks);
        if (run(arg)) break;
        const int64_t dt = atomic_load(&taken) - t, dl = atomic_load(&locks) - l;
        if (dt < c.least) c.least = dt;
        if (dt > c.most) c.most = dt;
        if (dl < c.locks_least) c.locks_least = dl;
        if (dl > c.locks_most) c.locks_most = dl;
    }
    return c;
}

enum { SMALL = 10, LARGE = 400 };

static reel_tensor *many(reel_tensor *x, int n)
{
    reel_tensor *y = x;
    for (int i = 0; i < n && y; i++) {
        switch (i % 4) {
        case 0: y = reel_tanh(y); break;
        case 1: y = reel_add(y, x); break;
        case 2: y = reel_softmax(y, -1); break;
        default: y = reel_matmul(reel_transpose(y, REEL_ALL_AXES), x); break;
        }
    }
    return y;
}

struct replay {
    reel_session *s;
    reel_function *f;
    reel_tensor *x, *var;
    int n;
};

static int run_session(void *arg)
{
    struct replay *r = arg;
    REEL_SCOPED;
    reel_tensor *out[1];
    return reel_session_run(r->s, REEL_FEEDS({"x", r->x}), REEL_FETCHES("y"), out);
}

static int run_function(void *arg)
{
    struct replay *r = arg;
    REEL_SCOPED;
    reel_tensor *out[1];
    return reel_function_call(r->f, REEL_LIST(r->x), out);
}

static int body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct replay *r = self;
    out[0] = many(in[0], r->n);
    return r->var ? reel_assign(r->var, reel_sub(r->var, reel_mul(out[0], reel_num(0.125)))) : reel_status();
}

static reel_session *session_of(int n)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(8, 8), "x");
    (void)reel_output("y", many(x, n));
    (void)reel_graph_end(g);
    reel_session *s = reel_session_new(g, NULL);
    reel_graph_free(g);
    return s;
}

static void judge(const char *what, const counts *small, const counts *large, int64_t memory, int64_t some_locks)
{
    TAP_OK(small->least == small->most && large->least == large->most,
           "%s: each step asks for memory as often: %d to %d and %d to %d times", what, (int)small->least,
           (int)small->most, (int)large->least, (int)large->most);
    TAP_OK(large->most <= small->most && small->most <= memory,
           "%s: %d times for %d nodes, %d for %d, at most %d: what it gives", what, (int)small->most, SMALL,
           (int)large->most, LARGE, (int)memory);
    if (!COUNTS_LOCKS) return;
    TAP_OK(large->locks_most <= small->locks_most && large->locks_least == large->locks_most &&
               small->locks_most <= some_locks,
           "%s: %d locks a step for %d nodes, %d for %d, at most %d", what, (int)small->locks_most, SMALL,
           (int)large->locks_most, LARGE, (int)some_locks);
}

static void test_session(void)
{
    counts c[2];
    for (int i = 0; i < 2; i++) {
        REEL_SCOPED;
        struct replay r = {.s = session_of(i ? LARGE : SMALL), .x = reel_full(REEL_F32, REEL_SHAPE(8, 8), 0.25)};
        c[i] = measure(run_session, &r);
        reel_session_free(r.s);
    }
    judge("a session", &c[0], &c[1], 4, 8);
}

static void test_function(bool assigns)
{
    counts c[2];
    for (int i = 0; i < 2; i++) {
        REEL_SCOPED;
        reel_vars *vars = reel_vars_new("v");
        struct replay r = {.x = reel_full(REEL_F32, REEL_SHAPE(8, 8), 0.25), .n = i ? LARGE : SMALL};
        if (assigns) r.var = reel_var(vars, "w", r.x);
        r.f = reel_function_new(REEL_FN(body, &r, 1, 1), NULL);
        c[i] = measure(run_function, &r);
        reel_function_free(r.f);
        reel_vars_free(vars);
    }
    judge(assigns ? "a function that assigns a variable" : "a function", &c[0], &c[1], 8, 16);
}

static void test_loop(void)
{
    const reel_allocator mine = {.size = sizeof mine, .alloc = take, .free = give};
    TAP_OK(reel_set_allocator(&mine) == 0, "memory is counted");
    (void)reel_set_threads(1);
    test_session();
    test_function(false);
    test_function(true);
    reel_error e;
    TAP_OK(reel_take_error(&e) == 0, "no error: %s", e.text);
}

TAP_MAIN(test_loop)
