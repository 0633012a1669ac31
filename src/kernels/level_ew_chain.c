/* level_ew_chain.c: the loops of chain.h for one ISA level. chain_all.h goes through all of them, once for the functions and once for
   the table. */
#include <string.h>
#include "kernels/chain.h"
#include "kernels/vmath.h"

enum { BLOCK = REEL_LOOP_BLOCK };
#define PASTE2(a, b, c) a##_##b##_##c
#define PASTE3(a, b, c, d) a##_##b##_##c##_##d
#define TWO(a, b) PASTE2(two, a, b)
#define THREE(a, b, c) PASTE3(three, a, b, c)
#define CAT2(a, b) a##_##b
#define CAT(a, b) CAT2(a, b)

/* ---- the ops ------------------------------------------------------------------------------------------- */
#define EW_GROUP EW_CHAIN
#define T float
#define V(f) reel_##f##_f32_
#define UNARY(name, dtypes, formula, integers)               \
    enum { AT_##name = REEL_CHAIN_##name, PAIR_##name = 0 }; \
    REEL_ALWAYS_INLINE T of_##name(T x, T y)                 \
    {                                                        \
        (void)y;                                             \
        return (T)(formula);                                 \
    }
#define BINARY(name, dtypes, formula, integers)                                               \
    enum {                                                                                    \
        AT_##name = REEL_CHAIN_##name,                                                        \
        AT_from_##name = REEL_CHAIN_FROM + REEL_CHAIN_##name,                                 \
        PAIR_##name = 1,                                                                      \
        PAIR_from_##name = 1                                                                  \
    };                                                                                        \
    REEL_ALWAYS_INLINE T of_##name(T x, T y)                                                  \
    {                                                                                         \
        return (T)(formula);                                                                  \
    }                                                                                         \
    REEL_UNUSED REEL_ALWAYS_INLINE T of_from_##name(T y, T x) /* as the formula names them */ \
    {                                                                                         \
        return (T)(formula);                                                                  \
    }
#include "ops/elementwise.def"
#undef UNARY
#undef BINARY

/* Is it worth a loop of its own with its operands the other way round? They may as well be exchanged where that makes no difference. */
#define FROM_add(...)
#define FROM_mul(...)
#define FROM_sub(...) __VA_ARGS__
#define FROM_div(...) __VA_ARGS__
#define FROM_maximum(...) __VA_ARGS__
#define FROM_minimum(...) __VA_ARGS__
/* And the third of three? */
#define LAST_neg(...)
#define LAST_square(...)
#define LAST_abs(...) __VA_ARGS__
#define LAST_relu(...) __VA_ARGS__
#define LAST_add(...) __VA_ARGS__
#define LAST_sub(...) __VA_ARGS__
#define LAST_mul(...) __VA_ARGS__
#define LAST_div(...)
#define LAST_maximum(...) __VA_ARGS__
#define LAST_minimum(...) __VA_ARGS__
#define LAST_from_sub(...) __VA_ARGS__
#define LAST_from_div(...)
#define LAST_from_maximum(...)
#define LAST_from_minimum(...)

/* ---- the loops ------------------------------------------------------------------------------------------- */

/* Whole lines without a remainder, so that loops have no second form for that; the first operand side by side. What is otherwise goes
   through blocks: the last elements of a tile, and a first operand that is one element. */
enum { LINE = 32 };
static void odd(reel_inner_fn *fn, int n_in, void *const *ptr, const uint8_t *step, int64_t n)
{
    T block[REEL_FUSED_ARGS + 1][BLOCK];
    const uint8_t steps[REEL_FUSED_ARGS] = {1, 1, 1, 1};
    const int64_t whole = step[0] ? n & -LINE : 0;
    if (whole) fn(ptr, step, whole, NULL);
    for (int64_t at = whole; at < n; at += BLOCK) {
        const int64_t m = n - at < BLOCK ? n - at : BLOCK, full = (m + LINE - 1) & -LINE;
        void *now[REEL_FUSED_ARGS + 1];
        for (int k = 0; k < n_in; k++) {
            const T *const from = (const T *)ptr[k] + (step[k] ? at : 0);
            for (int64_t i = 0; i < full; i++) block[k][i] = from[step[k] && i < m ? i : 0];
            now[k] = block[k];
        }
        now[n_in] = block[n_in];
        fn(now, steps, full, NULL);
        memcpy((T *)ptr[n_in] + at, block[n_in], (size_t)m * sizeof(T));
    }
}

#define LOOP(body)                                             \
    do {                                                       \
        REEL_UNROLL REEL_IVDEP for (int64_t i = 0; i < m; i++) \
        {                                                      \
            o[i] = body;                                       \
        }                                                      \
    } while (0)
#define TWO_OF(first, second, y, z) CAT(of, second)(CAT(of, first)(a[i], y), z)
#define TWO_LOOP(first, second)                                                                         \
    static void TWO(first, second)(void *const *ptr, const uint8_t *step, int64_t n, const void *extra) \
    {                                                                                                   \
        const T *const a = ptr[0], *const b = ptr[1], *const c = ptr[2];                                \
        T *const o = ptr[3];                                                                            \
        const T y0 = b[0], z0 = c[0];                                                                   \
        const int y = !CAT(PAIR, first) || step[1], z = !CAT(PAIR, second) || step[2];                  \
        const int64_t m = n & -LINE;                                                                    \
        (void)extra;                                                                                    \
        if (!step[0] || m != n) {                                                                       \
            odd(TWO(first, second), 3, ptr, step, n);                                                   \
        } else if (y && z) {                                                                            \
            LOOP(TWO_OF(first, second, b[i], c[i]));                                                    \
        } else if (y) {                                                                                 \
            LOOP(TWO_OF(first, second, b[i], z0));                                                      \
        } else if (z) {                                                                                 \
            LOOP(TWO_OF(first, second, y0, c[i]));                                                      \
        } else {                                                                                        \
            LOOP(TWO_OF(first, second, y0, z0));                                                        \
        }                                                                                               \
    }

#define THREE_OF(first, second, third, y, z, w) CAT(of, third)(CAT(of, second)(CAT(of, first)(a[i], y), z), w)
#define THREE_LOOPS(first, second, third, w)                     \
    do {                                                         \
        if (y && z) {                                            \
            LOOP(THREE_OF(first, second, third, b[i], c[i], w)); \
        } else if (y) {                                          \
            LOOP(THREE_OF(first, second, third, b[i], z0, w));   \
        } else if (z) {                                          \
            LOOP(THREE_OF(first, second, third, y0, c[i], w));   \
        } else {                                                 \
            LOOP(THREE_OF(first, second, third, y0, z0, w));     \
        }                                                        \
    } while (0)
#define THREE_LOOP(first, second, third)                                                                         \
    static void THREE(first, second, third)(void *const *ptr, const uint8_t *step, int64_t n, const void *extra) \
    {                                                                                                            \
        const T *const a = ptr[0], *const b = ptr[1], *const c = ptr[2], *const d = ptr[3];                      \
        T *const o = ptr[4];                                                                                     \
        const T y0 = b[0], z0 = c[0], w0 = d[0];                                                                 \
        const int y = !CAT(PAIR, first) || step[1], z = !CAT(PAIR, second) || step[2],                           \
                  w = !CAT(PAIR, third) || step[3];                                                              \
        const int64_t m = n & -LINE;                                                                             \
        (void)extra;                                                                                             \
        if (!step[0] || m != n)                                                                                  \
            odd(THREE(first, second, third), 4, ptr, step, n);                                                   \
        else if (w)                                                                                              \
            THREE_LOOPS(first, second, third, d[i]);                                                             \
        else                                                                                                     \
            THREE_LOOPS(first, second, third, w0);                                                               \
    }

#define PAIR(second) TWO_LOOP(FIRST, second)
#define TRIPLE(third) THREE_LOOP(FIRST, SECOND, third)
#include "kernels/chain_all.h"
#undef PAIR
#undef TRIPLE

/* ---- the table --------------------------------------------------------------------------------------------- */
#define PAIR(second) .two[CAT(AT, FIRST)][CAT(AT, second)] = TWO(FIRST, second),
#define TRIPLE(third) .three[CAT(AT, FIRST)][CAT(AT, SECOND)][CAT(AT, third)] = THREE(FIRST, SECOND, third),
extern const reel_chain_table REEL_LEVELED(reel_chain_table);
const reel_chain_table REEL_LEVELED(reel_chain_table) = {
#include "kernels/chain_all.h"
};
