/* alloc_custom.c: the allocator of the user's choice, asked directly: nothing is kept. Its live blocks are noted, so that each
   goes back to whom it came from even if the allocator is changed meanwhile. */
#include "core/alloc_custom.h"
#include "core/error.h"
#include "reel/tensor.h"
#include <pthread.h>
#include <stdlib.h>

_Atomic int reel_custom_on_;
_Atomic uint64_t reel_custom_calls_;

/* Allocators that were ever set; never forgotten, since blocks of theirs may live. */
typedef struct custom {
    reel_allocator a;
    struct custom *older;
} custom;

typedef struct owner {
    void *p;
    const custom *c;
} owner;

static struct {
    pthread_mutex_t lock;
    custom *all, *now; /* now NULL: the built-in one */
    owner *table;      /* live blocks of custom allocators, by address: open addressing */
    size_t n, cap;
} own = {.lock = PTHREAD_MUTEX_INITIALIZER};

static size_t owner_at(const owner *table, size_t cap, const void *p)
{
    size_t i = (size_t)(((uintptr_t)p >> 6) * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (cap - 1);
    while (table[i].p && table[i].p != p) {
        i = (i + 1) & (cap - 1);
    }
    return i;
}

static bool owner_note(void *p, const custom *c)
{
    if (own.n * 2 >= own.cap) {
        const size_t cap = own.cap ? own.cap * 2 : 1024;
        owner *bigger = calloc(cap, sizeof *bigger);
        if (!bigger) {
            return false;
        }
        for (size_t i = 0; i < own.cap; i++) {
            if (own.table[i].p) {
                bigger[owner_at(bigger, cap, own.table[i].p)] = own.table[i];
            }
        }
        free(own.table);
        own.table = bigger;
        own.cap = cap;
    }
    own.table[owner_at(own.table, own.cap, p)] = (owner){p, c};
    own.n++;
    return true;
}

static const custom *owner_forget(const void *p)
{
    if (own.n == 0) {
        return NULL;
    }
    size_t i = owner_at(own.table, own.cap, p);
    if (!own.table[i].p) {
        return NULL;
    }
    const custom *c = own.table[i].c;
    own.table[i].p = NULL;
    own.n--;
    for (size_t j = (i + 1) & (own.cap - 1); own.table[j].p; j = (j + 1) & (own.cap - 1)) { /* close the gap */
        const owner moved = own.table[j];
        own.table[j].p = NULL;
        own.table[owner_at(own.table, own.cap, moved.p)] = moved;
    }
    return c;
}

/* False: the built-in allocator is to be asked. */
bool reel_custom_alloc_(size_t bytes, void **p)
{
    pthread_mutex_lock(&own.lock);
    const custom *c = own.now;
    pthread_mutex_unlock(&own.lock);
    *p = NULL;
    if (!c) {
        return false;
    }
    void *q = c->a.alloc(c->a.self, bytes); /* without the lock: it may be slow, or end up here again */
    if (q && (uintptr_t)q % 64) {
        c->a.free(c->a.self, q, bytes);
        reel_fail_at_(NULL, REEL_EARG, "reel_set_allocator: alloc gave memory that is not 64-byte aligned");
        return true;
    }
    pthread_mutex_lock(&own.lock);
    const bool noted = q && owner_note(q, c);
    pthread_mutex_unlock(&own.lock);
    if (q && !noted) {
        c->a.free(c->a.self, q, bytes);
        q = NULL;
    }
    if (!q) {
        reel_no_memory_(bytes);
        return true;
    }
    atomic_fetch_add_explicit(&reel_custom_calls_, 1, memory_order_relaxed);
    reel_count_bytes_((int64_t)bytes);
    *p = q;
    return true;
}

bool reel_custom_free_(void *p, size_t bytes)
{
    pthread_mutex_lock(&own.lock);
    const custom *c = owner_forget(p);
    if (own.n == 0 && !own.now) {
        atomic_store(&reel_custom_on_, 0);
    }
    pthread_mutex_unlock(&own.lock);
    if (c) {
        c->a.free(c->a.self, p, bytes);
        reel_count_bytes_(-(int64_t)bytes);
    }
    return c != NULL;
}

int reel_set_allocator(const reel_allocator *a)
{
    if (a && (a->size < sizeof *a || !a->alloc || !a->free)) {
        return reel_fail_at_(NULL, REEL_EARG,
                             "reel_set_allocator: size must be sizeof(reel_allocator), alloc and free not NULL");
    }
    custom *c = NULL;
    if (a) {
        c = malloc(sizeof *c);
        if (!c) {
            return reel_no_memory_(sizeof *c);
        }
        c->a = *a;
    }
    pthread_mutex_lock(&own.lock);
    if (c) {
        c->older = own.all;
        own.all = c;
    }
    own.now = c;
    atomic_store(&reel_custom_on_, c || own.n > 0);
    pthread_mutex_unlock(&own.lock);
    return REEL_OK;
}
