/* The caching allocator: classes, reuse, statistics, threads, custom allocators, fork. */
#include "core/alloc.h"
#include "core/context.h"
#include "reel/tensor.h"
#include "tap.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static reel_memory_stats stats(void)
{
    reel_memory_stats s;
    reel_memory(&s);
    return s;
}

/* Every size from 0 up, around all class borders: aligned, writable to its last byte, disjoint. */
static void test_sizes(void)
{
    enum { N = 2000 };
    static void *p[N];
    static size_t size[N];
    bool aligned = true, whole = true;
    for (int i = 0; i < N; i++) {
        size[i] = i < 1100 ? (size_t)i : ((size_t)1 << (6 + i % 17)) + (size_t)(i % 5) - 2;
        p[i] = reel_alloc_(size[i]);
        aligned = aligned && p[i] && (uintptr_t)p[i] % 64 == 0;
        memset(p[i], i & 255, size[i]);
    }
    for (int i = 0; i < N; i++) {
        const unsigned char *b = p[i];
        whole = whole &&
                (size[i] == 0 || (b[0] == (i & 255) && b[size[i] / 2] == (i & 255) && b[size[i] - 1] == (i & 255)));
        reel_free_(p[i], size[i]);
    }
    TAP_OK(aligned, "blocks of all sizes are 64-byte aligned");
    TAP_OK(whole, "no two of them overlap");
    reel_free_(NULL, 10);
}

static void test_reuse(void)
{
    static const size_t sizes[] = {1, 64, 65, 1000, 70000, 1 << 20, (1 << 20) + 1, 5 << 20, (40 << 20) + 123};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void *p = reel_alloc_(sizes[i]);
        reel_free_(p, sizes[i]);
        const uint64_t hits = stats().hits;
        void *q = reel_alloc_(sizes[i]);
        TAP_OK(q == p && stats().hits == hits + 1, "a freed block of %zu bytes is the next one handed out", sizes[i]);
        reel_free_(q, sizes[i]);
    }
}

static void test_statistics(void)
{
    reel_memory_trim();
    const reel_memory_stats a = stats();
    TAP_EQ_INT(a.cached, 0);
    void *p = reel_alloc_(1000), *q = reel_alloc_(3000000);
    const reel_memory_stats b = stats();
    TAP_EQ_INT(b.in_use - a.in_use, 3001000);
    TAP_EQ_INT(b.allocs - a.allocs, 2);
    TAP_EQ_INT(b.hits - a.hits, 0);
    TAP_OK(b.peak >= b.in_use, "the peak is no less than what is in use");
    reel_free_(p, 1000);
    reel_free_(q, 3000000);
    const reel_memory_stats c = stats();
    TAP_EQ_INT(c.in_use - a.in_use, 0);
    TAP_OK(c.cached >= 3001000, "freed blocks are kept");
    TAP_EQ_INT(c.peak, b.peak);
    const size_t more = c.peak + 1000;
    reel_free_(reel_alloc_(more), more);
    TAP_EQ_INT(stats().peak, a.in_use + more);
    reel_memory_trim();
    TAP_EQ_INT(stats().cached, 0);
}

static void test_helpers(void)
{
    unsigned char *z = reel_alloc_(5000);
    memset(z, 255, 5000);
    reel_free_(z, 5000);
    z = reel_zalloc_(5000);
    bool zero = true;
    for (int i = 0; i < 5000; i++) {
        zero = zero && z[i] == 0;
    }
    TAP_OK(zero, "reel_zalloc_ clears a block that was used before");
    reel_free_(z, 5000);
    TAP_OK(reel_alloc_array_(SIZE_MAX / 4, 5) == NULL, "a product that overflows is no memory");
    TAP_EQ_INT(reel_take_error(NULL), REEL_ENOMEM);
    TAP_OK(reel_alloc_(SIZE_MAX - 100) == NULL && reel_alloc_(SIZE_MAX / 3) == NULL,
           "sizes beyond reason are no memory");
    TAP_EQ_INT(reel_take_error(NULL), REEL_ENOMEM);
    int *v = NULL;
    size_t cap = 0;
    bool kept = true;
    for (int i = 0; i < 1000; i++) {
        kept = kept && reel_grow_((void **)&v, &cap, (size_t)i + 1, sizeof *v) == 0;
        v[i] = i;
    }
    for (int i = 0; i < 1000; i++) {
        kept = kept && v[i] == i;
    }
    TAP_OK(kept && cap >= 1000 && cap <= 2048, "reel_grow_ keeps the contents");
    const size_t before = cap;
    TAP_EQ_INT(reel_grow_((void **)&v, &cap, SIZE_MAX / 2, sizeof *v), REEL_ENOMEM);
    TAP_OK(cap == before && v[999] == 999, "a failed growth changes nothing");
    TAP_EQ_INT(reel_take_error(NULL), REEL_ENOMEM);
    reel_free_(v, cap * sizeof *v);
    char *s = reel_strdup_("gen/hidden");
    TAP_EQ_STR(s, "gen/hidden");
    reel_strfree_(s);
    reel_strfree_(NULL);
    char *slab = reel_alloc_forever_(65536, 512);
    TAP_OK(slab && (uintptr_t)slab % 512 == 0, "a slab is aligned as asked");
    slab[65535] = 1;
    free(slab); /* never in the library: only so that the leak checker is content */
}

/* ---- threads ---------------------------------------------------------------------------------------- */

enum { THREADS = 6, ROUNDS = 4000, SLOTS = 64 };
typedef struct slot {
    _Atomic(unsigned char *) p;
} slot;
static slot shared_slots[SLOTS];

/* Blocks wander between threads through the slots; each holds its size class in all its bytes. */
static void *churn(void *arg)
{
    uint32_t x = (uint32_t)(uintptr_t)arg * 2654435761u + 1;
    uintptr_t bad = 0;
    for (int i = 0; i < ROUNDS; i++) {
        x = x * 1664525u + 1013904223u;
        const unsigned which = x >> 8 & (SLOTS - 1);
        const size_t size = (size_t)64 << (which % 12);
        unsigned char *mine = reel_alloc_(size);
        if (!mine) {
            return (void *)1;
        }
        mine[0] = mine[size - 1] = (unsigned char)which;
        unsigned char *other = atomic_exchange(&shared_slots[which].p, mine);
        if (other) {
            bad |= other[0] != which || other[size - 1] != which;
            reel_free_(other, size);
        }
    }
    return (void *)bad;
}

static void test_threads(void)
{
    pthread_t t[THREADS];
    const uint64_t before = stats().in_use;
    uintptr_t bad = 0;
    for (uintptr_t i = 0; i < THREADS; i++) {
        pthread_create(&t[i], NULL, churn, (void *)(i + 1));
    }
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(t[i], &result);
        bad |= (uintptr_t)result;
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        reel_free_(shared_slots[i].p, (size_t)64 << (i % 12));
    }
    TAP_OK(bad == 0, "%d threads exchange blocks and none is handed out twice", THREADS);
    TAP_EQ_INT(stats().in_use, before);
}

static void *alloc_and_end(void *arg)
{
    (void)arg;
    reel_ctx_(); /* a context, and with it a front */
    for (int i = 0; i < 10; i++) {
        void *p = reel_alloc_(300);
        reel_free_(p, 300);
    }
    reel_free_(reel_alloc_(300), 300);
    return NULL;
}

static void test_thread_end(void)
{
    reel_memory_trim();
    pthread_t t;
    pthread_create(&t, NULL, alloc_and_end, NULL);
    pthread_join(t, NULL);
    const reel_memory_stats a = stats();
    TAP_OK(a.cached >= 320, "an ended thread's blocks are still cached");
    void *p = reel_alloc_(300);
    TAP_EQ_INT(stats().hits - a.hits, 1);
    reel_free_(p, 300);
}

/* ---- a custom allocator -------------------------------------------------------------------------------- */

typedef struct counting {
    int allocs, frees, fail_at;
    size_t live;
} counting;

static void *counted_alloc(void *self, size_t bytes)
{
    counting *c = self;
    if (c->allocs++ == c->fail_at) {
        return NULL;
    }
    c->live += bytes;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void counted_free(void *self, void *p, size_t bytes)
{
    counting *c = self;
    c->frees++;
    c->live -= bytes;
    free(p);
}

static void test_custom(void)
{
    counting c = {.fail_at = -1};
    const reel_allocator a = {sizeof a, counted_alloc, counted_free, &c};
    const uint64_t before = stats().in_use;
    void *old = reel_alloc_(100);
    TAP_EQ_INT(reel_set_allocator(&a), 0);
    void *p = reel_alloc_(100), *q = reel_alloc_(5000000);
    TAP_EQ_INT(c.allocs, 2);
    TAP_EQ_INT(c.live, 5000100);
    reel_free_(p, 100);
    p = reel_alloc_(100);
    TAP_EQ_INT(c.allocs, 3);
    TAP_EQ_INT(c.frees, 1);
    reel_free_(old, 100);
    TAP_EQ_INT(c.frees, 1);
    c.fail_at = c.allocs;
    TAP_OK(reel_alloc_(8) == NULL, "its failure is ours");
    TAP_EQ_INT(reel_take_error(NULL), REEL_ENOMEM);
    c.fail_at = c.allocs;
    TAP_OK(reel_alloc_forever_(4096, 512) == NULL, "slabs can fail too");
    TAP_EQ_INT(reel_take_error(NULL), REEL_ENOMEM);
    TAP_EQ_INT(c.live, 5000100);
    TAP_EQ_INT(reel_set_allocator(NULL), 0);
    void *r = reel_alloc_(100);
    reel_free_(p, 100);
    reel_free_(q, 5000000);
    reel_free_(r, 100);
    TAP_EQ_INT(c.live, 0);
    TAP_EQ_INT(c.frees, 3);
    TAP_EQ_INT(stats().in_use, before);
}

/* Many live blocks of a custom allocator, freed in another order, over and over: the note of owners stays right. */
static void test_custom_many(void)
{
    enum { N = 5000 };
    static void *p[N];
    counting c = {.fail_at = -1};
    const reel_allocator a = {sizeof a, counted_alloc, counted_free, &c};
    reel_set_allocator(&a);
    for (int i = 0; i < N; i++) {
        p[i] = reel_alloc_((size_t)(i % 7) * 50 + 1);
    }
    for (int i = 0, j = 0; i < N; i++, j = (j + 1789) % N) {
        reel_free_(p[j], (size_t)(j % 7) * 50 + 1);
        p[j] = reel_alloc_((size_t)(j % 7) * 50 + 1);
    }
    reel_set_allocator(NULL);
    for (int i = 0; i < N; i++) {
        reel_free_(p[i], (size_t)(i % 7) * 50 + 1);
    }
    TAP_EQ_INT(c.live, 0);
    TAP_EQ_INT(c.frees, 2 * N);
}

static void *misaligned_alloc(void *self, size_t bytes)
{
    return (char *)aligned_alloc(64, (bytes + 127) / 64 * 64) + (self ? 8 : 0);
}

static void misaligned_free(void *self, void *p, size_t bytes)
{
    (void)bytes;
    free((char *)p - (self ? 8 : 0));
}

static void test_custom_errors(void)
{
    int self = 0;
    reel_allocator a = {sizeof a, misaligned_alloc, misaligned_free, &self};
    reel_set_allocator(&a);
    TAP_OK(reel_alloc_(10) == NULL, "misaligned memory is refused");
    TAP_EQ_INT(reel_take_error(NULL), REEL_EARG);
    reel_set_allocator(NULL);
    a.alloc = NULL;
    TAP_EQ_INT(reel_set_allocator(&a), REEL_EARG);
    reel_take_error(NULL);
    a = (reel_allocator){8, misaligned_alloc, misaligned_free, NULL};
    TAP_EQ_INT(reel_set_allocator(&a), REEL_EARG);
    reel_take_error(NULL);
}

/* A child is born while another thread allocates: the lock it holds must not be lost. */
static _Atomic bool stop;
static void *keep_busy(void *arg)
{
    (void)arg;
    while (!stop) {
        void *p = reel_alloc_(3 << 20);
        reel_free_(p, 3 << 20);
    }
    return NULL;
}

static void test_fork(void)
{
    pthread_t t;
    void *p = reel_alloc_(500);
    int good = 0;
    pthread_create(&t, NULL, keep_busy, NULL);
    for (int i = 0; i < 20; i++) {
        const pid_t child = fork();
        if (child == 0) {
            alarm(20); /* a deadlock ends here */
            void *q = reel_alloc_(3 << 20), *r = reel_alloc_(500);
            reel_free_(p, 500);
            reel_free_(q, 3 << 20);
            reel_memory_trim();
            _exit(q && r ? 0 : 1);
        }
        int status = 1;
        waitpid(child, &status, 0);
        good += status == 0;
    }
    stop = true;
    pthread_join(t, NULL);
    reel_free_(p, 500);
    TAP_EQ_INT(good, 20);
}

static void start_with_context(void)
{
    reel_ctx_();
}

TAP_MAIN(start_with_context, test_sizes, test_reuse, test_statistics, test_helpers, test_threads, test_thread_end,
         test_custom, test_custom_many, test_custom_errors, test_fork)
