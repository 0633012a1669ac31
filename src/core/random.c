/* random.c: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011)
   and the generators that count for it. */
#include "core/random.h"
#include "core/alloc.h"
#include "core/context.h"
#include "core/dtype.h"
#include "reel/tensor.h"
#include <stdatomic.h>

struct reel_generator {
    _Atomic uint64_t key, counter;
};

void reel_philox_wide_(uint64_t key, uint64_t low, uint64_t high, uint32_t out[4])
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    uint32_t c0 = (uint32_t)low, c1 = (uint32_t)(low >> 32), c2 = (uint32_t)high, c3 = (uint32_t)(high >> 32);
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = UINT64_C(0xD2511F53) * c0, p1 = UINT64_C(0xCD9E8D57) * c2;
        const uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c0 = n0;
        c1 = (uint32_t)p1;
        c2 = n2;
        c3 = (uint32_t)p0;
        k0 += UINT32_C(0x9E3779B9);
        k1 += UINT32_C(0xBB67AE85);
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

void reel_philox_(uint64_t key, uint64_t counter, uint32_t out[4])
{
    reel_philox_wide_(key, counter, 0, out);
}

reel_generator *reel_generator_new(uint64_t seed)
{
    reel_generator *g = reel_alloc_(sizeof *g);
    if (g) {
        atomic_init(&g->key, seed);
        atomic_init(&g->counter, 0);
    }
    return g;
}

reel_generator *reel_generator_default(void)
{
    reel_ctx *c = reel_ctx_();
    if (!c->generator) {
        c->generator = reel_generator_new(0);
    }
    return c->generator;
}

/* A thread's default generator is the thread's: freeing it here does nothing. */
void reel_generator_free(reel_generator *g)
{
    if (g && g != reel_ctx_()->generator) {
        reel_free_(g, sizeof *g);
    }
}

void reel_generator_thread_end_(reel_ctx *c)
{
    reel_free_(c->generator, sizeof *c->generator);
    c->generator = NULL;
}

static reel_generator *or_default(reel_generator *g)
{
    return g ? g : reel_generator_default();
}

int reel_generator_seed(reel_generator *g, uint64_t seed)
{
    const int pending = reel_pending_();
    if (pending) {
        return pending;
    }
    g = or_default(g);
    if (!g) {
        return reel_pending_();
    }
    const int rc = reel_listeners_host_(NULL, false, "", "reel_generator_seed");
    if (!rc) {
        reel_random_put_(g, (reel_random_state){seed, 0});
    }
    return rc;
}

int reel_seed(uint64_t seed)
{
    return reel_generator_seed(NULL, seed);
}

/* The innermost that has g; *i: where. */
static const reel_redirect *redirect_of(const reel_generator *g, int *i)
{
    const reel_ctx *c = reel_ctx_();
    for (const reel_redirect *r = c->redirect; r; r = r->next)
        for (*i = 0; *i < r->n; ++*i)
            if ((r->generator[*i] ? r->generator[*i] : c->generator) == g) return r;
    return NULL;
}

static reel_random_state *redirected(const reel_generator *g)
{
    int i;
    const reel_redirect *r = redirect_of(g, &i);
    return r ? &r->state[i] : NULL;
}

static bool is_in(const reel_redirect *r, const reel_redirect *list)
{
    for (; list; list = list->next)
        if (list == r) return true;
    return false;
}

static void note_draw(reel_draws *d, reel_generator *g, reel_random_state before)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->generator[i] == g) return;
    if (reel_grow_((void **)&d->generator, &d->cap_generators, d->n + 1, sizeof(reel_generator *)) ||
        reel_grow_((void **)&d->state, &d->cap_states, d->n + 1, sizeof *d->state))
        return; /* raised */
    d->generator[d->n] = g;
    d->state[d->n++] = before;
}

/* To those who listen: g is about to move. Draws that are repeated by a redirection inside of one of them are not its. */
static void tell_draws(reel_generator *g)
{
    const reel_ctx *c = reel_ctx_();
    if (!c->draws) return;
    int i;
    const reel_redirect *const r = redirect_of(g, &i);
    for (reel_draws *d = c->draws; d; d = d->next)
        if (!r || is_in(r, d->outer)) note_draw(d, g == c->generator ? NULL : g, reel_random_get_(g));
}

void reel_draws_begin_(reel_draws *d)
{
    reel_ctx *c = reel_ctx_();
    d->next = c->draws;
    d->outer = c->redirect;
    c->draws = d;
}

void reel_draws_end_(reel_draws *d)
{
    reel_ctx_()->draws = d->next;
}

void reel_draws_free_(reel_draws *d)
{
    reel_free_(d->generator, d->cap_generators * sizeof(reel_generator *));
    reel_free_(d->state, d->cap_states * sizeof *d->state);
    *d = (reel_draws){0};
}

uint64_t reel_reserve_(reel_generator *g, uint64_t n, uint64_t *key)
{
    g = or_default(g);
    if (g) tell_draws(g);
    reel_random_state *own = g ? redirected(g) : NULL;
    if (own) {
        const uint64_t first = own->counter;
        *key = own->key;
        own->counter += n;
        return first;
    }
    if (!g) { /* no memory for the default one: raised */
        *key = 0;
        return 0;
    }
    *key = atomic_load_explicit(&g->key, memory_order_relaxed);
    return atomic_fetch_add_explicit(&g->counter, n, memory_order_relaxed);
}

uint64_t reel_draw_counters_(int64_t n, reel_dtype d)
{
    const uint64_t per = d == REEL_F64 ? 2 : 4, count = n > 0 ? (uint64_t)n : 0;
    return count / per + (count % per != 0);
}

reel_random_state reel_random_get_(reel_generator *g)
{
    g = or_default(g);
    reel_random_state s = {0, 0};
    const reel_random_state *own = g ? redirected(g) : NULL;
    if (own) return *own;
    if (g) {
        s.key = atomic_load_explicit(&g->key, memory_order_relaxed);
        s.counter = atomic_load_explicit(&g->counter, memory_order_relaxed);
    }
    return s;
}

void reel_random_put_(reel_generator *g, reel_random_state s)
{
    g = or_default(g);
    if (g) tell_draws(g);
    reel_random_state *own = g ? redirected(g) : NULL;
    if (own) {
        *own = s;
    } else if (g) {
        atomic_store_explicit(&g->key, s.key, memory_order_relaxed);
        atomic_store_explicit(&g->counter, s.counter, memory_order_relaxed);
    }
}
