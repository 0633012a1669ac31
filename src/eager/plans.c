/* plans.c: the thread's bounded cache of prepared kernels. A plan depends on the op, its attributes and the
   operands' dtypes, shapes and strides, so that is the key. */
#include <string.h>
#include "core/alloc.h"
#include "core/context.h"
#include "eager.h"

enum {
    SETS = 128,
    WAYS = 4,
    KEY_WORDS = 2 + REEL_ATTR_MAX / 8 + (REEL_MAX_IN + REEL_MAX_OUT) * (1 + 2 * REEL_MAX_RANK),
    WORK_STACK = 2048
};

typedef struct plan_entry {
    uint64_t hash;
    uint64_t used; /* clock of the last use; the oldest of a set makes room */
    uint64_t *key; /* then the plan, in one allocation */
    size_t n_key, bytes, work;
    void *plan;
    const reel_kernel *kernel;
} plan_entry;

typedef struct plan_cache {
    uint64_t clock;
    plan_entry entry[SETS][WAYS];
} plan_cache;

static void entry_free(plan_entry *e)
{
    if (!e->key) return;
    if (e->kernel->drop) e->kernel->drop(e->plan);
    reel_free_(e->key, e->bytes);
    e->key = NULL;
    e->hash = 0;
}

static void cache_free(void *p)
{
    plan_cache *cache = p;
    if (!cache) return;
    for (int i = 0; i < SETS; i++)
        for (int j = 0; j < WAYS; j++) entry_free(&cache->entry[i][j]);
    reel_free_(cache, sizeof *cache);
}

static plan_cache *cache_of(reel_ctx *c)
{
    if (!c->plan_cache) {
        c->plan_cache = reel_zalloc_(sizeof(plan_cache));
        c->plan_cache_free = cache_free;
    }
    return c->plan_cache;
}

static size_t add_view(uint64_t *key, size_t n, const reel_kview *v)
{
    key[n++] = (uint64_t)v->dtype << 8 | (uint64_t)v->rank;
    for (int i = 0; i < v->rank; i++) key[n++] = (uint64_t)v->dims[i];
    for (int i = 0; i < v->rank; i++) key[n++] = (uint64_t)v->strides[i];
    return n;
}

static size_t make_key(uint64_t *key, const reel_ksig *sig)
{
    size_t n = 0;
    key[n++] = (uint64_t)(uintptr_t)sig->op;
    key[n++] = (uint64_t)sig->n_in << 32 | (uint64_t)sig->n_out;
    const size_t words = (sig->op->attr_size + 7) / 8;
    if (words) {
        key[n + words - 1] = 0;
        memcpy(key + n, sig->attr, sig->op->attr_size);
        n += words;
    }
    for (int i = 0; i < sig->n_in; i++) n = add_view(key, n, &sig->in[i]);
    for (int j = 0; j < sig->n_out; j++) n = add_view(key, n, &sig->out[j]);
    return n;
}

static uint64_t hash_key(const uint64_t *key, size_t n)
{
    uint64_t h = 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ key[i]) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    return h | 1;
}

/* A workspace of no bytes: kernels add their offsets, which are 0, to it, and nothing may be added to NULL. */
static void *nowhere(void)
{
    static const _Alignas(64) char none[64];
    return (void *)(uintptr_t)none;
}

/* A workspace, from the stack when small. */
static int run_with_work(const reel_kernel *k, const void *plan, void **ptr, size_t work)
{
    if (work <= WORK_STACK) {
        _Alignas(64) char buf[WORK_STACK];
        return k->run(plan, ptr, buf);
    }
    void *buf = reel_alloc_(work);
    if (!buf) return REEL_ENOMEM;
    const int rc = k->run(plan, ptr, buf);
    reel_free_(buf, work);
    return rc;
}

/* Both halves of an op whose sizes depend on data: the outputs are made in between. Off the usual path. */
REEL_NOINLINE static int count_and_run(const reel_kernel *k, const void *plan, void **ptr, size_t work,
                                       const reel_sizing *s)
{
    int64_t n = 0;
    bool empty = false;
    void *buf = work ? reel_alloc_(work) : nowhere();
    if (!buf) return REEL_ENOMEM;
    int rc = reel_counting_(k)->count(plan, ptr, buf, &n);
    if (!rc) rc = s->make(s->arg, n, ptr, &empty);
    if (!rc && !empty) rc = k->run(plan, ptr, buf);
    if (work) reel_free_(buf, work);
    return rc;
}

static inline int run_planned(const reel_kernel *k, const void *plan, void **ptr, size_t work, const reel_sizing *s)
{
    if (REEL_UNLIKELY(s != NULL)) return count_and_run(k, plan, ptr, work, s);
    return work == 0 ? k->run(plan, ptr, nowhere()) : run_with_work(k, plan, ptr, work);
}

static int prepare_entry(plan_entry *e, const reel_kernel *k, const reel_ksig *sig, const uint64_t *key, size_t n,
                         uint64_t hash)
{
    const size_t plan_at = (n * sizeof *key + 63) / 64 * 64, bytes = plan_at + k->plan_size;
    uint64_t *mem = reel_alloc_(bytes);
    if (!mem) return REEL_ENOMEM;
    memcpy(mem, key, n * sizeof *key);
    size_t work = 0;
    const int rc = k->prepare(sig, (char *)mem + plan_at, &work);
    if (rc) {
        reel_free_(mem, bytes);
        return rc;
    }
    entry_free(e);
    e->hash = hash;
    e->key = mem;
    e->n_key = n;
    e->bytes = bytes;
    e->work = work;
    e->plan = (char *)mem + plan_at;
    e->kernel = k;
    return 0;
}

static int run_cached(const reel_kernel *k, const reel_ksig *sig, void **ptr, const reel_sizing *s)
{
    plan_cache *cache = cache_of(reel_ctx_());
    if (!cache) return REEL_ENOMEM;
    uint64_t key[KEY_WORDS];
    const size_t n = make_key(key, sig);
    const uint64_t hash = hash_key(key, n);
    plan_entry *set = cache->entry[hash >> 1 & (SETS - 1)], *e = &set[0];
    for (int j = 0; j < WAYS; j++) {
        if (set[j].hash == hash && set[j].n_key == n && !memcmp(set[j].key, key, n * sizeof *key)) {
            e = &set[j];
            goto run;
        }
        if (set[j].used < e->used) e = &set[j];
    }
    const int rc = prepare_entry(e, k, sig, key, n, hash);
    if (rc) return rc;
run:
    e->used = ++cache->clock;
    return run_planned(k, e->plan, ptr, e->work, s);
}

/* An op with sub-graphs: its attributes are no key. */
REEL_NOINLINE static int run_once(const reel_kernel *k, const reel_ksig *sig, void **ptr)
{
    void *plan = reel_zalloc_(k->plan_size);
    size_t work = 0;
    if (!plan) return REEL_ENOMEM;
    int rc = k->prepare(sig, plan, &work);
    if (!rc) {
        rc = run_planned(k, plan, ptr, work, NULL);
        if (k->drop) k->drop(plan);
    }
    reel_free_(plan, k->plan_size);
    return rc;
}

int reel_eager_run_(const reel_kernel *k, const reel_ksig *sig, const reel_sizing *s)
{
    void *ptr[REEL_MAX_IN + REEL_MAX_OUT];
    for (int i = 0; i < sig->n_in; i++) ptr[i] = sig->in[i].data;
    for (int j = 0; j < sig->n_out; j++) ptr[sig->n_in + j] = sig->out[j].data;
    if (!(k->flags & REEL_K_CHEAP)) return sig->op->id < 0 ? run_once(k, sig, ptr) : run_cached(k, sig, ptr, s);
    _Alignas(64) char plan[REEL_PLAN_STACK];
    size_t work = 0;
    const int rc = k->prepare(sig, plan, &work);
    return rc ? rc : run_planned(k, plan, ptr, work, s);
}
