/* random.h: Philox4x32-10 and generators. */
#ifndef REEL_CORE_RANDOM_H
#define REEL_CORE_RANDOM_H
#include <stdint.h>
#include "reel/base.h"
/* Four 32-bit words for (key, counter); counter is a 128-bit number given as two halves (hi is 0 here). */
void reel_philox_(uint64_t key, uint64_t counter, uint32_t out[4]);
void reel_philox_wide_(uint64_t key, uint64_t low, uint64_t high, uint32_t out[4]);
/* Takes n counters; returns the first. Atomic. g NULL: the calling thread's default. *key is filled in. */
uint64_t reel_reserve_(reel_generator *g, uint64_t n, uint64_t *key);
/* Counters that a uniform/normal draw of n elements of dtype d takes: ceil(n / 4) for f32 and below, ceil(n / 2) for f64. Every
   element i of a draw is a function of key, counter and i only. */
uint64_t reel_draw_counters_(int64_t n, reel_dtype d);
/* For checkpoint and replay under a tape: the state, and setting it back. */
typedef struct reel_random_state {
    uint64_t key, counter;
} reel_random_state;
reel_random_state reel_random_get_(reel_generator *g);
void reel_random_put_(reel_generator *g, reel_random_state s);
/* While one is linked into the thread's context (ctx->redirect), its draws from these generators come from the states, and go on
   there: how draws are repeated. A generator NULL is the thread's own. */
typedef struct reel_redirect {
    struct reel_redirect *next;
    int n;
    reel_generator *const *generator;
    reel_random_state *state;
} reel_redirect;
/* Between begin and end it notes whose draws or seeds there are (NULL: the thread's own) and where each stood before. Zeroed at first. */
typedef struct reel_draws {
    struct reel_draws *next;
    reel_redirect *outer; /* as it was at the begin */
    size_t n, cap_generators, cap_states;
    reel_generator **generator;
    reel_random_state *state;
} reel_draws;
void reel_draws_begin_(reel_draws *d);
void reel_draws_end_(reel_draws *d);
void reel_draws_free_(reel_draws *d);
#endif
