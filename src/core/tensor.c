/* tensor.c: blocks, records, storages and their counts. */
#include "tensor.h"
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include "alloc.h"
#include "context.h"
#include "error.h"
#include "reel/tensor.h"

enum { SLAB_BLOCKS = 128, KEEP_BLOCKS = 4096 };

/* Blocks that no thread has: filled by ended threads and by threads with too many. */
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static reel_rec *pool_head;
static reel_ctx *contexts;
static int64_t blocks_of_ended; /* taken minus given back by threads that have ended */

static void lock_pool(void)
{
    pthread_mutex_lock(&pool_lock);
}

static void unlock_pool(void)
{
    pthread_mutex_unlock(&pool_lock);
}

void reel_blocks_start_(void)
{
    (void)pthread_atfork(lock_pool, unlock_pool, unlock_pool); /* a child finds the lists whole */
}

/* The owner's counter: a plain addition that others may read. */
static void count_block(reel_ctx *c, int by)
{
    atomic_store_explicit(&c->blocks, atomic_load_explicit(&c->blocks, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

void reel_ctx_link_(reel_ctx *c, bool alive)
{
    pthread_mutex_lock(&pool_lock);
    if (alive) {
        c->next_ctx = contexts;
        contexts = c;
    } else {
        blocks_of_ended += atomic_load(&c->blocks);
        reel_ctx **p = &contexts;
        while (*p && *p != c) p = &(*p)->next_ctx;
        if (*p) *p = c->next_ctx;
    }
    pthread_mutex_unlock(&pool_lock);
}

uint64_t reel_blocks_alive_(void)
{
    pthread_mutex_lock(&pool_lock);
    int64_t n = blocks_of_ended;
    for (const reel_ctx *c = contexts; c; c = c->next_ctx) n += atomic_load_explicit(&c->blocks, memory_order_relaxed);
    pthread_mutex_unlock(&pool_lock);
    return (uint64_t)n;
}

/* ---- blocks -------------------------------------------------------------------------------------- */

void reel_blocks_to_pool_(reel_ctx *c, int keep)
{
    pthread_mutex_lock(&pool_lock);
    while (c->n_free_blocks > keep) {
        reel_rec *r = c->free_blocks;
        c->free_blocks = r->next;
        c->n_free_blocks--;
        r->next = pool_head;
        pool_head = r;
    }
    pthread_mutex_unlock(&pool_lock);
}

REEL_NOINLINE static int refill(reel_ctx *c)
{
    pthread_mutex_lock(&pool_lock);
    for (int i = 0; i < SLAB_BLOCKS && pool_head; i++) {
        reel_rec *r = pool_head;
        pool_head = r->next;
        r->next = c->free_blocks;
        c->free_blocks = r;
        c->n_free_blocks++;
    }
    pthread_mutex_unlock(&pool_lock);
    if (c->free_blocks) return 0;
    char *slab = reel_alloc_forever_((size_t)SLAB_BLOCKS * REEL_BLOCK, REEL_BLOCK);
    if (!slab) return REEL_ENOMEM;
    memset(slab, 0, (size_t)SLAB_BLOCKS * REEL_BLOCK);
    for (int i = SLAB_BLOCKS - 1; i >= 0; i--) {
        reel_rec *r = (reel_rec *)(void *)(slab + (size_t)i * REEL_BLOCK);
        r->next = c->free_blocks;
        c->free_blocks = r;
    }
    c->n_free_blocks = SLAB_BLOCKS;
    return 0;
}

static void block_free(reel_rec *r)
{
    reel_ctx *c = reel_ctx_();
    r->state =
        r->state == REEL_DEAD ? REEL_DEAD : REEL_FREE_BLOCK; /* a dead one goes on telling its origin until reused */
    r->next = c->free_blocks;
    c->free_blocks = r;
    count_block(c, -1);
    if (REEL_UNLIKELY(++c->n_free_blocks > KEEP_BLOCKS)) reel_blocks_to_pool_(c, KEEP_BLOCKS / 2);
}

static void part_gone(reel_rec *r)
{
    if (atomic_fetch_sub_explicit(&r->parts, 1, memory_order_acq_rel) == 1) block_free(r);
}

/* A record without storage and without an owner scope. */
static reel_rec *block_take(reel_ctx *c, const char *site, const reel_type *type)
{
    reel_rec *r = c->free_blocks;
    if (REEL_UNLIKELY(!r)) {
        if (refill(c)) return NULL;
        r = c->free_blocks;
    }
    c->free_blocks = r->next;
    c->n_free_blocks--;
    count_block(c, 1);
    r->id = c->next_id++;
    r->storage = NULL;
    r->data = NULL;
    r->type = *type;
    r->local = 1;
    atomic_store_explicit(&r->shared, 0, memory_order_relaxed);
    atomic_store_explicit(&r->parts, 1, memory_order_relaxed);
    r->owner = c->thread;
    r->generation = (uint16_t)((r->generation + 1) & (REEL_BLOCK - 1));
    r->state = REEL_LIVE;
    r->flags = 0;
    r->made = site ? site : "";
    r->died = r->died_in = NULL;
    r->scope = NULL;
    r->prev = r->next = NULL;
    r->value = NULL;
    r->name = NULL;
    return r;
}

/* ---- storage ------------------------------------------------------------------------------------- */

static reel_rec *home_of(reel_storage *s)
{
    return (reel_rec *)(void *)((char *)s - offsetof(reel_rec, own));
}

static void storage_init(reel_rec *r, void *data, size_t bytes, int kind)
{
    reel_storage *s = &r->own;
    atomic_store_explicit(&s->refs, 1, memory_order_relaxed);
    s->device = 0;
    s->kind = (uint8_t)kind;
    s->flags = 0;
    s->id = r->id;
    s->version = 0;
    s->data = data;
    s->bytes = bytes;
    s->free_fn = NULL;
    s->free_arg = NULL;
    s->ready = s->used = s->failed = NULL;
    atomic_store_explicit(&r->parts, 2, memory_order_relaxed);
    r->storage = s;
    r->data = data;
}

static void storage_free_data(reel_storage *s)
{
    if (s->kind == REEL_STORE_OWN)
        reel_free_(s->data, s->bytes);
    else if (s->kind == REEL_STORE_WRAP && s->free_fn)
        s->free_fn(s->free_arg);
}

void reel_storage_retain_(reel_storage *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

void reel_storage_release_(reel_storage *s)
{
    if (atomic_load_explicit(&s->refs, memory_order_acquire) != 1 &&
        atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    storage_free_data(s);
    part_gone(home_of(s));
}

/* ---- counts -------------------------------------------------------------------------------------- */

/* Of a variable, or of a row-sparse tensor. */
REEL_NOINLINE static void drop_values(reel_rec *r)
{
    if (r->flags & REEL_R_CELL) {
        if (r->value) reel_release_rec_(r->value);
        r->value = NULL;
        reel_strfree_((char *)(uintptr_t)r->name);
        r->name = NULL;
    }
    if (r->flags & REEL_R_SPARSE) {
        reel_release_rec_(r->value);
        reel_release_rec_(r->ids);
        if (r->dense) reel_release_rec_(r->dense);
        r->value = r->ids = r->dense = NULL;
    }
}

static void die(reel_rec *r)
{
    r->state = REEL_DEAD;
    r->data = NULL;
    reel_storage *s = r->storage;
    if (s) {
        r->storage = NULL;
        if (s == &r->own && atomic_load_explicit(&s->refs, memory_order_acquire) == 1 &&
            atomic_load_explicit(&r->parts, memory_order_acquire) == 2) {
            storage_free_data(s); /* nobody else holds anything: the usual end of a temporary */
            block_free(r);
            return;
        }
        reel_storage_release_(s);
    }
    if (REEL_UNLIKELY(r->flags & (REEL_R_CELL | REEL_R_SPARSE))) drop_values(r);
    if (atomic_load_explicit(&r->parts, memory_order_acquire) == 1)
        block_free(r);
    else
        part_gone(r);
}

/* Stable between a hold and its drop on one thread: owner never changes, and only the owner sets merged. */
static bool counts_locally(const reel_rec *r)
{
    return r->owner == reel_ctx_()->thread && !(atomic_load_explicit(&r->shared, memory_order_relaxed) & REEL_MERGED);
}

void reel_hold_(reel_rec *r)
{
    if (REEL_LIKELY(counts_locally(r)))
        r->local++;
    else
        reel_retain_rec_(r);
}

void reel_drop_(reel_rec *r)
{
    if (REEL_UNLIKELY(!counts_locally(r))) {
        reel_release_rec_(r);
        return;
    }
    if (--r->local > 0) return;
    if (atomic_load_explicit(&r->shared, memory_order_acquire) == 0 ||
        atomic_fetch_add_explicit(&r->shared, REEL_MERGED, memory_order_acq_rel) == 0)
        die(r);
}

void reel_retain_rec_(reel_rec *r)
{
    atomic_fetch_add_explicit(&r->shared, 1, memory_order_relaxed);
}

void reel_release_rec_(reel_rec *r)
{
    if (atomic_fetch_sub_explicit(&r->shared, 1, memory_order_acq_rel) == REEL_MERGED + 1) die(r);
}

/* Can no other thread reach r or its embedded storage now? Then parts needs no locked addition. */
static bool alone(const reel_rec *r)
{
    return r->state == REEL_LIVE && r->owner == reel_ctx_()->thread &&
           atomic_load_explicit(&r->shared, memory_order_relaxed) == 0 &&
           (r->storage != &r->own || atomic_load_explicit(&r->own.refs, memory_order_relaxed) == 1);
}

void reel_ghost_(reel_rec *r)
{
    if (REEL_LIKELY(alone(r)))
        atomic_store_explicit(&r->parts, atomic_load_explicit(&r->parts, memory_order_relaxed) + 1,
                              memory_order_relaxed);
    else
        atomic_fetch_add_explicit(&r->parts, 1, memory_order_relaxed);
}

void reel_unghost_(reel_rec *r)
{
    if (REEL_LIKELY(alone(r))) /* the tensor itself is left: the block stays */
        atomic_store_explicit(&r->parts, atomic_load_explicit(&r->parts, memory_order_relaxed) - 1,
                              memory_order_relaxed);
    else if (atomic_load_explicit(&r->parts, memory_order_acquire) == 1)
        block_free(r);
    else
        part_gone(r);
}

/* ---- making -------------------------------------------------------------------------------------- */

reel_rec *reel_make_(const char *site, const reel_type *type)
{
    reel_ctx *c = reel_ctx_();
    reel_rec *r = block_take(c, site, type);
    if (REEL_UNLIKELY(!r)) return NULL;
    const size_t bytes = reel_type_bytes_(type);
    if (bytes <= REEL_INLINE_BYTES) {
        storage_init(r, (char *)r + REEL_DATA_AT, bytes, REEL_STORE_INLINE);
    } else {
        void *data = reel_alloc_(bytes);
        if (REEL_UNLIKELY(!data)) {
            r->state = REEL_FREE_BLOCK;
            block_free(r);
            return NULL;
        }
        storage_init(r, data, bytes, REEL_STORE_OWN);
    }
    r->flags = REEL_R_DENSE;
    reel_shape_strides_(&type->shape, r->strides);
    reel_own_(c, r);
    return r;
}

static void take_view(reel_rec *r, const int64_t *strides, reel_rec *src, int64_t byte_offset)
{
    memcpy(r->strides, strides, sizeof r->strides[0] * (size_t)r->type.shape.rank);
    r->storage = src->storage;
    r->data = src->data + byte_offset;
    r->flags = reel_is_dense_(&r->type.shape, strides) ? REEL_R_DENSE : 0;
    reel_storage_retain_(src->storage);
}

reel_rec *reel_make_view_(const char *site, const reel_type *type, const int64_t *strides, reel_rec *src,
                          int64_t byte_offset)
{
    reel_ctx *c = reel_ctx_();
    reel_rec *r = block_take(c, site, type);
    if (!r) return NULL;
    take_view(r, strides, src, byte_offset);
    reel_own_(c, r);
    return r;
}

reel_rec *reel_make_sparse_(const char *site, const reel_type *type, reel_rec *rows, reel_rec *ids)
{
    reel_ctx *c = reel_ctx_();
    reel_rec *r = block_take(c, site, type);
    if (!r) return NULL;
    r->flags = REEL_R_SPARSE;
    memset(r->strides, 0, sizeof r->strides);
    reel_retain_rec_(r->value = rows);
    reel_retain_rec_(r->ids = ids);
    r->dense = NULL;
    reel_own_(c, r);
    return r;
}

reel_rec *reel_make_alias_(const char *site, reel_rec *src)
{
    if (src->flags & REEL_R_SPARSE) return reel_make_sparse_(site, &src->type, src->value, src->ids);
    reel_rec *r = src->flags & REEL_R_SYMBOLIC ? reel_make_symbolic_(site, &src->type)
                                               : reel_make_view_(site, &src->type, src->strides, src, 0);
    if (r) {
        r->id = src->id;
        r->flags = (uint8_t)(r->flags | REEL_R_ALIAS | (src->flags & REEL_R_COUNTED));
    }
    return r;
}

reel_rec *reel_make_symbolic_(const char *site, const reel_type *type)
{
    reel_ctx *c = reel_ctx_();
    reel_rec *r = block_take(c, site, type);
    if (!r) return NULL;
    r->flags = REEL_R_SYMBOLIC;
    memset(r->strides, 0, sizeof r->strides);
    reel_own_(c, r);
    return r;
}

reel_rec *reel_make_around_(const char *site, const reel_type *type, void *data, size_t bytes, int kind,
                            void (*free_fn)(void *), void *arg)
{
    reel_ctx *c = reel_ctx_();
    reel_rec *r = block_take(c, site, type);
    if (!r) {
        if (kind == REEL_STORE_OWN)
            reel_free_(data, bytes);
        else if (free_fn)
            free_fn(arg);
        return NULL;
    }
    storage_init(r, data, bytes, kind);
    r->own.free_fn = free_fn;
    r->own.free_arg = arg;
    r->flags = REEL_R_DENSE;
    reel_shape_strides_(&type->shape, r->strides);
    reel_own_(c, r);
    return r;
}

/* ---- variables' records (the sets are vars.c's) ---------------------------------------------------- */

reel_rec *reel_cell_make_(const char *site, const reel_type *type, const char *name)
{
    char *copy = reel_strdup_(name);
    if (!copy) return NULL;
    reel_rec *r = block_take(reel_ctx_(), site, type);
    if (!r) {
        reel_strfree_(copy);
        return NULL;
    }
    r->flags = REEL_R_CELL;
    r->name = copy;
    r->local = 0;
    atomic_store(&r->shared, REEL_MERGED + 1);
    atomic_store(&r->locked, false);
    memset(r->strides, 0, sizeof r->strides);
    return r;
}

static void cell_lock(reel_rec *cell)
{
    while (atomic_exchange_explicit(&cell->locked, true, memory_order_acquire)) {}
}

static void cell_unlock(reel_rec *cell)
{
    atomic_store_explicit(&cell->locked, false, memory_order_release);
}

reel_rec *reel_cell_get_(reel_rec *cell)
{
    cell_lock(cell);
    reel_rec *v = cell->value;
    if (v) reel_retain_rec_(v);
    cell_unlock(cell);
    return v;
}

void reel_cell_set_(reel_rec *cell, reel_rec *value)
{
    reel_retain_rec_(value);
    cell_lock(cell);
    reel_rec *old = cell->value;
    cell->value = value;
    cell_unlock(cell);
    if (old) reel_release_rec_(old);
}

reel_rec *reel_cell_lock_(reel_rec *cell, const reel_rec *held)
{
    enum {
        TRIES = 1000
    }; /* a run that holds others already does not wait: another thread may want those and hold this */
    int tries = 0;
    while (atomic_exchange_explicit(&cell->locked, true, memory_order_acquire))
        if (held && ++tries == TRIES) return NULL;
    reel_rec *v = cell->value;
    const reel_storage *s = v ? v->storage : NULL;
    if (s && (!held || held == v) && s->kind != REEL_STORE_WRAP && v->flags & REEL_R_DENSE &&
        atomic_load_explicit(&v->shared, memory_order_acquire) == REEL_MERGED + (held ? 2 : 1) &&
        atomic_load_explicit(&s->refs, memory_order_acquire) == 1)
        return v;
    cell_unlock(cell);
    return NULL;
}

void reel_cell_unlock_(reel_rec *cell, reel_rec *next)
{
    reel_rec *old = next ? cell->value : NULL;
    if (next) {
        reel_retain_rec_(next);
        next->storage->version++;
        cell->value = next;
    }
    cell_unlock(cell);
    if (old) reel_release_rec_(old);
}

/* ---- giving away ------------------------------------------------------------------------------------ */

const char reel_given_away_[] = "given away";

bool reel_is_sole_(const reel_rec *r)
{
    return r->scope && r->owner == reel_ctx_()->thread && !(r->flags & (REEL_R_CELL | REEL_R_NUM | REEL_R_SPARSE)) &&
           r->local == 1 && atomic_load(&r->shared) == 0 && r->storage && r->storage->kind == REEL_STORE_OWN &&
           atomic_load(&r->storage->refs) == 1 && r->data == r->storage->data &&
           r->storage->bytes == reel_type_bytes_(&r->type);
}

void reel_give_away_(reel_rec *r, const char *site)
{
    if (!r->scope || r->owner != reel_ctx_()->thread || r->flags & REEL_R_CELL) return;
    r->died = site;
    r->died_in = reel_given_away_;
    reel_disown_(r);
}

/* ---- handles ------------------------------------------------------------------------------------- */

REEL_COLD static reel_rec *not_live(const char *site, const char *fn, const char *what, const reel_tensor *t)
{
    const char *dot = fn && *fn ? ": " : "";
    if (!t) {
        if (!reel_status()) reel_fail_at_(site, REEL_EARG, "%s%s%s is NULL", fn, dot, what);
        return NULL;
    }
    const reel_rec *r = reel_rec_of_(t);
    if (r->generation != ((uintptr_t)t & (REEL_BLOCK - 1)) || r->state == REEL_FREE_BLOCK) {
        reel_fail_at_(site, REEL_EARG, "%s%s%s is a dead handle: its tensor is gone and its memory was used again", fn,
                      dot, what);
    } else if (r->died_in == reel_given_away_) {
        reel_fail_at_(site, REEL_EARG, "%s%s%s is dead: made at %s, given away (.donate) to the call at %s", fn, dot,
                      what, *r->made ? r->made : "an unknown line", *r->died ? r->died : "an unknown line");
    } else if (r->died) {
        reel_fail_at_(site, REEL_EARG, "%s%s%s is dead: made at %s, its scope %s (begun at %s) has ended", fn, dot,
                      what, *r->made ? r->made : "an unknown line", *r->died_in ? r->died_in : "(unnamed)",
                      *r->died ? r->died : "an unknown line");
    } else {
        reel_fail_at_(site, REEL_EARG, "%s%s%s is dead: made at %s, released since", fn, dot, what,
                      *r->made ? r->made : "an unknown line");
    }
    return NULL;
}

reel_rec *reel_live_(const char *site, const char *fn, const char *what, const reel_tensor *t)
{
    if (REEL_LIKELY(t != NULL && reel_is_live_(t))) return reel_rec_of_(t);
    return not_live(site, fn, what, t);
}

reel_rec *reel_live_value_(const char *site, const char *fn, const char *what, const reel_tensor *t)
{
    reel_rec *r = reel_live_(site, fn, what, t);
    if (r && r->flags & REEL_R_SPARSE) return reel_dense_of_(site, r);
    if (!r || !(r->flags & REEL_R_CELL)) return r;
    if (!r->value) reel_fail_at_(site, REEL_EARG, "%s: variable \"%s\" is read before it has a value", fn, r->name);
    return r->value;
}

reel_tensor *reel_retain(reel_tensor *t)
{
    reel_rec *r = t ? reel_live_("", "reel_retain", "t", t) : NULL;
    if (r) reel_retain_rec_(r);
    return r ? t : NULL;
}

void reel_release(reel_tensor *t)
{
    reel_rec *r = t ? reel_live_("", "reel_release", "t", t) : NULL;
    if (!r) return;
    if ((atomic_load(&r->shared) & ~REEL_MERGED) <= 0) {
        reel_fail_at_("", REEL_EARG, "reel_release: the tensor made at %s is released more often than retained",
                      r->made);
        return;
    }
    reel_release_rec_(r);
}

reel_tensor *reel_set(reel_tensor **slot, reel_tensor *t)
{
    if (!slot) {
        reel_fail_at_("", REEL_EARG, "reel_set: slot is NULL");
        return NULL;
    }
    if (!t || !reel_retain(t)) return *slot;
    reel_tensor *old = *slot;
    *slot = t;
    if (old) reel_release(old);
    return t;
}

void reel_unset(reel_tensor **slot)
{
    if (!slot || !*slot) return;
    reel_release(*slot);
    *slot = NULL;
}
