/* alloc.c: the caching allocator. Blocks up to 1 MiB come in size classes, about four to a doubling; bigger ones
   are mapped and cached by exact size. Each thread has a front of free blocks, reached without a lock; behind
   the fronts stands the back, one for all, with a mutex. Small blocks are malloc's own, so that trimming can give
   each of them back and the leak checker knows them. */
#include "core/alloc.h"
#include "core/alloc_custom.h"
#include "core/context.h"
#include "core/error.h"
#include "core/tensor.h"
#include "reel/tensor.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#ifdef REEL_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n) __asan_poison_memory_region(p, n)
#define UNPOISON(p, n) __asan_unpoison_memory_region(p, n)
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

enum {
    ALIGN = 64,
    FINE = 512,             /* up to here a class each 64 bytes */
    N_CLASSES = 8 + 4 * 11, /* ... and 4 a doubling up to SMALL */
    SMALL = 1 << 20,
    HUGE_PAGE = 2 << 20,
    HUGE_FROM = 4 << 20,     /* buffers that get huge pages */
    FRONT_BYTES = 4 << 20,   /* a front keeps at most so much */
    FRONT_CLASS = 512 << 10, /* ... and so much of one class */
    PUBLISH = 1 << 20,       /* a front's change of bytes in use is told to all from here on */
    N_BIG = 512              /* big buffers the back keeps at most */
};

typedef struct node {
    struct node *next;
} node;

typedef struct list {
    node *head;
    uint32_t n, most;
} list;

/* Counters are written by the owner only, and read by whoever asks for statistics: relaxed atomics cost nothing. */
typedef struct front {
    list lists[N_CLASSES];
    _Atomic int64_t delta; /* change of bytes in use not yet published, and its highest value since */
    int64_t high;
    _Atomic uint64_t hits, misses, bytes;
    struct front *prev, *next;
} front;

typedef struct big_block {
    void *p;
    uint64_t age;
} big_block;

static struct {
    pthread_mutex_t lock;
    node *head[N_CLASSES];
    size_t big_size[N_BIG]; /* apart from the rest: it is searched */
    big_block big[N_BIG];
    int n_big;
    uint64_t clock;
    uint64_t bytes, most_bytes; /* cached now, and at most */
    uint64_t hits, misses;      /* of threads that have ended or have no front */
    front *fronts;
} back = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Atomic int64_t in_use, peak;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void lock_back(void)
{
    pthread_mutex_lock(&back.lock);
}

static void unlock_back(void)
{
    pthread_mutex_unlock(&back.lock);
}

static void start(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    const uint64_t eighth = pages > 0 && page > 0 ? (uint64_t)pages / 8 * (uint64_t)page : 0;
    back.most_bytes = eighth > ((uint64_t)64 << 20) ? eighth : (uint64_t)64 << 20;
    pthread_atfork(lock_back, unlock_back, unlock_back); /* a child finds the lists whole */
}

/* ---- size classes -------------------------------------------------------------------------------- */

REEL_ALWAYS_INLINE unsigned class_of(size_t bytes)
{
    if (bytes <= FINE) {
        return (unsigned)((bytes + (bytes == 0) - 1) / 64);
    }
    const size_t last = bytes - 1;
    const unsigned log = 63u - (unsigned)REEL_CLZ64(last);
    return 8 + (log - 9) * 4 + (unsigned)((last >> (log - 2)) & 3);
}

REEL_ALWAYS_INLINE size_t class_size(unsigned c)
{
    return c < 8 ? (c + 1) * (size_t)64 : ((size_t)((c - 8) % 4) + 5) << ((c - 8) / 4 + 7);
}

/* A big buffer's whole pages; 0 if there are too many. */
static size_t big_bytes(size_t bytes)
{
    return bytes > SIZE_MAX / 4 ? 0 : (bytes + 4095) & ~(size_t)4095;
}

/* ---- the system ---------------------------------------------------------------------------------- */

#ifdef REEL_ASAN
static void *map_big(size_t size)
{
    return aligned_alloc(4096, size);
}

static void unmap_big(void *p, size_t size)
{
    UNPOISON(p, size);
    free(p);
}
#else
static void *map_big(size_t size)
{
    const size_t extra = size >= HUGE_FROM ? HUGE_PAGE : 0;
    char *p = mmap(NULL, size + extra, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        return NULL;
    }
    if (extra) {
        char *q = (char *)(((uintptr_t)p + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
        if (q > p) {
            munmap(p, (size_t)(q - p));
        }
        if (q + size < p + size + extra) {
            munmap(q + size, (size_t)(p + extra - q));
        }
        p = q;
#ifdef MADV_HUGEPAGE
        madvise(p, size, MADV_HUGEPAGE); /* advice only: a refusal costs nothing but speed */
#endif
    }
    return p;
}

static void unmap_big(void *p, size_t size)
{
    munmap(p, size);
}
#endif

static void *system_alloc(size_t size)
{
    return size > SMALL ? map_big(size) : aligned_alloc(ALIGN, size);
}

static void free_nodes(node *n, size_t size)
{
    while (n) {
        node *next = n->next;
        UNPOISON(n, size);
        free(n);
        n = next;
    }
}

/* ---- the back ------------------------------------------------------------------------------------ */

static void forget_big(int i, big_block *out, size_t *size)
{
    *out = back.big[i];
    *size = back.big_size[i];
    back.n_big--;
    back.big[i] = back.big[back.n_big];
    back.big_size[i] = back.big_size[back.n_big];
    back.bytes -= *size;
}

static void *take_big(size_t size)
{
    void *p = NULL;
    lock_back();
    for (int i = back.n_big - 1; i >= 0; i--) {
        if (back.big_size[i] == size) {
            big_block b;
            size_t ignored;
            forget_big(i, &b, &ignored);
            p = b.p;
            break;
        }
    }
    unlock_back();
    return p;
}

/* Keeps a big buffer; what is oldest goes, while there is too much. */
static void give_big(void *p, size_t size)
{
    POISON(p, size);
    lock_back();
    bool keep = size <= back.most_bytes / 2;
    while (keep && back.n_big > 0 && (back.n_big == N_BIG || back.bytes + size > back.most_bytes)) {
        int oldest = 0;
        for (int i = 1; i < back.n_big; i++) {
            oldest = back.big[i].age < back.big[oldest].age ? i : oldest;
        }
        big_block b;
        size_t s;
        forget_big(oldest, &b, &s);
        unlock_back();
        unmap_big(b.p, s);
        lock_back();
    }
    keep = keep && back.n_big < N_BIG && back.bytes + size <= back.most_bytes;
    if (keep) {
        back.big_size[back.n_big] = size;
        back.big[back.n_big++] = (big_block){p, back.clock++};
        back.bytes += size;
    }
    unlock_back();
    if (!keep) {
        unmap_big(p, size);
    }
}

/* Gives a chain of n blocks of class c, last its end, to the back; what it may not keep goes to the system. */
static void give_chain(unsigned c, node *head, node *last, uint64_t n)
{
    const size_t size = class_size(c);
    lock_back();
    const bool keep = back.bytes + n * size <= back.most_bytes;
    if (keep) {
        last->next = back.head[c];
        back.head[c] = head;
        back.bytes += n * size;
    }
    unlock_back();
    if (!keep) {
        last->next = NULL;
        free_nodes(head, size);
    }
}

/* Up to want blocks of class c as a chain. */
static node *take_chain(unsigned c, uint32_t want, uint32_t *got)
{
    lock_back();
    node *head = back.head[c], *last = NULL;
    *got = 0;
    for (node *n = head; n && *got < want; n = n->next) {
        last = n;
        ++*got;
    }
    if (last) {
        back.head[c] = last->next;
        last->next = NULL;
        back.bytes -= *got * class_size(c);
    }
    unlock_back();
    return last ? head : NULL;
}

static void trim_back(void)
{
    node *heads[N_CLASSES];
    big_block big[N_BIG];
    size_t sizes[N_BIG];
    lock_back();
    memcpy(heads, back.head, sizeof heads);
    memset(back.head, 0, sizeof back.head);
    const int n = back.n_big;
    memcpy(big, back.big, sizeof *big * (size_t)n);
    memcpy(sizes, back.big_size, sizeof *sizes * (size_t)n);
    back.n_big = 0;
    back.bytes = 0;
    unlock_back();
    for (unsigned c = 0; c < N_CLASSES; c++) {
        free_nodes(heads[c], class_size(c));
    }
    for (int i = 0; i < n; i++) {
        unmap_big(big[i].p, sizes[i]);
    }
}

/* ---- the front and its counters ------------------------------------------------------------------ */

#define GET(x) atomic_load_explicit(&(x), memory_order_relaxed)
#define PUT(x, v) atomic_store_explicit(&(x), (v), memory_order_relaxed)

static void raise_peak(int64_t to)
{
    int64_t was = GET(peak);
    while (to > was &&
           !atomic_compare_exchange_weak_explicit(&peak, &was, to, memory_order_relaxed, memory_order_relaxed)) {}
}

void reel_count_bytes_(int64_t bytes)
{
    raise_peak(atomic_fetch_add_explicit(&in_use, bytes, memory_order_relaxed) + bytes);
}

static void publish(front *f)
{
    const int64_t delta = GET(f->delta);
    PUT(f->delta, 0);
    const int64_t before = atomic_fetch_add_explicit(&in_use, delta, memory_order_relaxed);
    raise_peak(before + f->high);
    f->high = 0;
}

REEL_ALWAYS_INLINE void count(front *f, int64_t bytes)
{
    const int64_t delta = GET(f->delta) + bytes;
    PUT(f->delta, delta);
    if (delta > f->high) {
        f->high = delta;
    }
    if (REEL_UNLIKELY(delta > PUBLISH || delta < -PUBLISH)) {
        publish(f);
    }
}

REEL_ALWAYS_INLINE front *front_here(void)
{
    const reel_ctx *c = reel_ctx_tls_; /* not reel_ctx_(): making a context allocates */
    return REEL_LIKELY(c != NULL) ? c->alloc_front : NULL;
}

static front *front_new(void)
{
    reel_ctx *c = reel_ctx_tls_;
    pthread_once(&once, start);
    if (!c || c->alloc_front) {
        return c ? c->alloc_front : NULL;
    }
    front *f = calloc(1, sizeof *f);
    if (!f) {
        return NULL; /* without a front it goes more slowly, but it goes */
    }
    for (unsigned i = 0; i < N_CLASSES; i++) {
        const size_t most = FRONT_CLASS / class_size(i);
        f->lists[i].most = most > 256 ? 256 : most < 2 ? 2 : (uint32_t)most;
    }
    lock_back();
    f->next = back.fronts;
    if (f->next) {
        f->next->prev = f;
    }
    back.fronts = f;
    unlock_back();
    c->alloc_front = f;
    return f;
}

/* Gives the newest n blocks of class c to the back. */
static void spill(front *f, unsigned c, uint32_t n)
{
    list *l = &f->lists[c];
    if (n == 0) {
        return;
    }
    node *head = l->head, *last = head;
    for (uint32_t i = 1; i < n; i++) {
        last = last->next;
    }
    l->head = last->next;
    l->n -= n;
    PUT(f->bytes, GET(f->bytes) - n * class_size(c));
    give_chain(c, head, last, n);
}

static void spill_all(front *f)
{
    for (unsigned c = 0; c < N_CLASSES; c++) {
        spill(f, c, f->lists[c].n);
    }
}

void reel_alloc_thread_end_(void *p)
{
    front *f = p;
    if (!f) {
        return;
    }
    spill_all(f);
    publish(f);
    lock_back();
    back.hits += GET(f->hits);
    back.misses += GET(f->misses);
    if (f->next) {
        f->next->prev = f->prev;
    }
    if (f->prev) {
        f->prev->next = f->next;
    } else {
        back.fronts = f->next;
    }
    unlock_back();
    if (reel_ctx_tls_ && reel_ctx_tls_->alloc_front == f) {
        reel_ctx_tls_->alloc_front = NULL;
    }
    free(f);
}

/* ---- allocation ---------------------------------------------------------------------------------- */

/* Asks the system; if it has nothing, gives it what is cached and asks again. */
static void *system_alloc_again(size_t size)
{
    void *p = system_alloc(size);
    if (!p) {
        reel_memory_trim();
        p = system_alloc(size);
    }
    return p;
}

static REEL_NOINLINE void *alloc_slow(size_t bytes)
{
    void *p = NULL;
    if (GET(reel_custom_on_) && reel_custom_alloc_(bytes, &p)) {
        return p;
    }
    front *f = front_here();
    f = f ? f : front_new();
    bool hit = false;
    if (bytes > SMALL) {
        const size_t size = big_bytes(bytes);
        p = size ? take_big(size) : NULL;
        hit = p != NULL;
        p = p || !size ? p : system_alloc_again(size);
        if (p) {
            UNPOISON(p, bytes);
        }
    } else {
        const unsigned c = class_of(bytes);
        const size_t size = class_size(c);
        list *l = f ? &f->lists[c] : NULL;
        uint32_t got = 0;
        node *n = l && l->head ? l->head : take_chain(c, l ? (l->most + 1) / 2 : 1, &got);
        hit = n != NULL;
        p = n ? n : system_alloc_again(size);
        if (n && l) {
            l->head = n->next;
            l->n = l->n + got - 1;
            PUT(f->bytes, GET(f->bytes) + (uint64_t)got * size - size);
        }
        if (p) {
            UNPOISON(p, bytes);
            POISON((char *)p + ((bytes + 7) & ~(size_t)7), size - ((bytes + 7) & ~(size_t)7));
        }
    }
    if (!p) {
        reel_no_memory_(bytes);
        return NULL;
    }
    if (f) {
        PUT(f->hits, GET(f->hits) + hit);
        PUT(f->misses, GET(f->misses) + !hit);
        count(f, (int64_t)bytes);
    } else {
        lock_back();
        back.hits += hit;
        back.misses += !hit;
        unlock_back();
        reel_count_bytes_((int64_t)bytes);
    }
    return p;
}

REEL_HOT void *reel_alloc_(size_t bytes)
{
    front *f = front_here();
    if (REEL_LIKELY(f && bytes <= SMALL && !GET(reel_custom_on_))) {
        const unsigned c = class_of(bytes);
        list *l = &f->lists[c];
        node *n = l->head;
        if (REEL_LIKELY(n != NULL)) {
            l->head = n->next;
            l->n--;
            PUT(f->bytes, GET(f->bytes) - class_size(c));
            PUT(f->hits, GET(f->hits) + 1);
            count(f, (int64_t)bytes);
            UNPOISON(n, bytes);
            return n;
        }
    }
    return alloc_slow(bytes);
}

static REEL_NOINLINE void free_slow(void *p, size_t bytes)
{
    if (GET(reel_custom_on_) && reel_custom_free_(p, bytes)) {
        return;
    }
    front *f = front_here();
    f = f ? f : front_new();
    if (bytes > SMALL) {
        give_big(p, big_bytes(bytes));
    } else {
        const unsigned c = class_of(bytes);
        const size_t size = class_size(c);
        node *n = p;
        UNPOISON(p, size);
        POISON((char *)p + sizeof *n, size - sizeof *n);
        if (f) {
            list *l = &f->lists[c];
            n->next = l->head;
            l->head = n;
            l->n++;
            PUT(f->bytes, GET(f->bytes) + size);
            if (l->n > l->most) {
                spill(f, c, (l->n + 1) / 2);
            } else if (GET(f->bytes) > FRONT_BYTES) {
                spill_all(f);
            }
        } else {
            give_chain(c, n, n, 1);
        }
    }
    if (f) {
        count(f, -(int64_t)bytes);
    } else {
        reel_count_bytes_(-(int64_t)bytes);
    }
}

REEL_HOT void reel_free_(void *p, size_t bytes)
{
    if (!p) {
        return;
    }
    front *f = front_here();
    if (REEL_LIKELY(f && bytes <= SMALL && !GET(reel_custom_on_))) {
        const unsigned c = class_of(bytes);
        const size_t size = class_size(c);
        list *l = &f->lists[c];
        const uint64_t kept = GET(f->bytes) + size;
        if (REEL_LIKELY(l->n < l->most && kept <= FRONT_BYTES)) {
            node *n = p;
            UNPOISON(p, size);
            POISON((char *)p + sizeof *n, size - sizeof *n);
            n->next = l->head;
            l->head = n;
            l->n++;
            PUT(f->bytes, kept);
            count(f, -(int64_t)bytes);
            return;
        }
    }
    free_slow(p, bytes);
}

/* ---- statistics ---------------------------------------------------------------------------------- */

void reel_memory(reel_memory_stats *out)
{
    if (!out) {
        reel_fail_at_("", REEL_EARG, "reel_memory: out is NULL");
        return;
    }
    front *here = front_here();
    if (here) {
        publish(here);
    }
    *out = (reel_memory_stats){0};
    lock_back();
    int64_t used = GET(in_use);
    out->hits = back.hits;
    out->allocs = back.hits + back.misses + GET(reel_custom_calls_);
    out->cached = back.bytes;
    for (front *f = back.fronts; f; f = f->next) {
        used += GET(f->delta);
        out->hits += GET(f->hits);
        out->allocs += GET(f->hits) + GET(f->misses);
        out->cached += GET(f->bytes);
    }
    unlock_back();
    raise_peak(used);
    out->in_use = used > 0 ? (uint64_t)used : 0;
    out->peak = (uint64_t)GET(peak);
    out->tensors = reel_blocks_alive_();
}

void reel_memory_trim(void)
{
    front *f = front_here();
    if (f) {
        spill_all(f);
    }
    trim_back();
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}
