/* Philox against the published vectors; generators. */
#include "core/context.h"
#include "core/random.h"
#include "reel/tensor.h"
#include "tap.h"
#include <pthread.h>
#include <stdlib.h>

/* Random123, kat_vectors, the three lines of "philox4x32 10". */
static void test_known_answers(void)
{
    static const struct {
        uint64_t low, high, key;
        uint32_t want[4];
    } cases[] = {
        {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {0x85a308d3243f6a88, 0x0370734413198a2e, 0x299f31d0a4093822, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    uint32_t out[4], narrow[4];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reel_philox_wide_(cases[i].key, cases[i].low, cases[i].high, out);
        TAP_OK(memcmp(out, cases[i].want, sizeof out) == 0, "vector %zu: %08x %08x %08x %08x", i, out[0], out[1],
               out[2], out[3]);
    }
    reel_philox_wide_(7, UINT64_C(5) << 32 | 3, 0, out);
    reel_philox_(7, UINT64_C(5) << 32 | 3, narrow);
    TAP_OK(memcmp(out, narrow, sizeof out) == 0, "the 64-bit counter is the lower half");
}

static void test_reserve(void)
{
    reel_generator *g = reel_generator_new(42);
    uint64_t key = 0;
    TAP_EQ_INT(reel_reserve_(g, 10, &key), 0);
    TAP_EQ_INT(key, 42);
    TAP_EQ_INT(reel_reserve_(g, 1, &key), 10);
    TAP_EQ_INT(reel_reserve_(g, 0, &key), 11);
    const reel_random_state s = reel_random_get_(g);
    TAP_OK(s.key == 42 && s.counter == 11, "the state can be read");
    reel_reserve_(g, 100, &key);
    reel_random_put_(g, s);
    TAP_EQ_INT(reel_reserve_(g, 5, &key), 11);
    TAP_EQ_INT(reel_generator_seed(g, 7), 0);
    TAP_EQ_INT(reel_reserve_(g, 1, &key), 0);
    TAP_EQ_INT(key, 7);
    reel_generator_free(g);
    reel_generator_free(NULL);
}

static void test_draw_counters(void)
{
    TAP_EQ_INT(reel_draw_counters_(0, REEL_F32), 0);
    TAP_EQ_INT(reel_draw_counters_(1, REEL_F32), 1);
    TAP_EQ_INT(reel_draw_counters_(4, REEL_F16), 1);
    TAP_EQ_INT(reel_draw_counters_(5, REEL_BF16), 2);
    TAP_EQ_INT(reel_draw_counters_(5, REEL_F64), 3);
    TAP_EQ_INT(reel_draw_counters_(INT64_MAX, REEL_F64), UINT64_C(1) << 62);
}

static void *other_default(void *arg)
{
    (void)arg;
    return reel_generator_default();
}

static void test_default(void)
{
    uint64_t key = 1;
    reel_generator *g = reel_generator_default();
    TAP_OK(g && g == reel_generator_default(), "a thread's default generator is always the same");
    TAP_EQ_INT(reel_reserve_(NULL, 3, &key), 0);
    TAP_EQ_INT(key, 0);
    TAP_EQ_INT(reel_reserve_(g, 3, &key), 3);
    TAP_EQ_INT(reel_seed(99), 0);
    TAP_EQ_INT(reel_reserve_(NULL, 1, &key), 0);
    TAP_EQ_INT(key, 99);
    reel_generator_free(g);
    TAP_OK(reel_generator_default() == g, "freeing the default one does nothing");
    pthread_t t;
    void *other = NULL;
    pthread_create(&t, NULL, other_default, NULL);
    pthread_join(t, &other);
    TAP_OK(other && other != (void *)g, "another thread has another");
}

static void test_pending(void)
{
    uint64_t key;
    reel_seed(5);
    reel_fail(REEL_EUSER, "an error of the test");
    TAP_EQ_INT(reel_seed(6), REEL_EUSER);
    reel_take_error(NULL);
    reel_reserve_(NULL, 1, &key);
    TAP_EQ_INT(key, 5);
}

/* Reservations from several threads never overlap: together they cover one range. */
enum { THREADS = 4, EACH = 20000 };
static reel_generator *common;

static void *reserve_many(void *arg)
{
    uint64_t *sum = arg, key;
    for (int i = 0; i < EACH; i++) {
        *sum += reel_reserve_(common, 1, &key);
    }
    return NULL;
}

static void test_threads(void)
{
    pthread_t t[THREADS];
    uint64_t sums[THREADS] = {0}, sum = 0, key;
    const uint64_t n = THREADS * EACH;
    common = reel_generator_new(1);
    for (int i = 0; i < THREADS; i++) {
        pthread_create(&t[i], NULL, reserve_many, &sums[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
        sum += sums[i];
    }
    TAP_EQ_INT(sum, n * (n - 1) / 2);
    TAP_EQ_INT(reel_reserve_(common, 1, &key), n);
    reel_generator_free(common);
}

TAP_MAIN(test_known_answers, test_reserve, test_draw_counters, test_default, test_pending, test_threads)
