/* level_chain.c: the stages of chain.h for one ISA level: the ops of chain_ops.def. A stage takes its block from the vectors
   into an array and back; compilers keep that in the registers. */
#include <math.h>
#include <string.h>
#include "kernels/chain.h"
#include "kernels/vmath.h"

#if defined __AVX__
#include <immintrin.h>
#endif
#if defined __AVX512F__
enum { VECTOR = 64 };
#elif defined __AVX__
enum { VECTOR = 32 };
#else
enum { VECTOR = 16 };
#endif
typedef REEL_VECTOR(float, VECTOR) vec;
enum { LANES = VECTOR / sizeof(float), BLOCK = 8 * LANES };
_Static_assert(BLOCK <= (int)REEL_CHAIN_BLOCK, "blocks of chains have room");

/* ---- a stage -------------------------------------------------------------------------------------------- */

#define VALUES vec v0, vec v1, vec v2, vec v3, vec v4, vec v5, vec v6, vec v7
#define STAGE(name) static int64_t name(const reel_stage *s, int64_t at, VALUES)
typedef int64_t stage_fn(const reel_stage *s, int64_t at, VALUES);
#define NEXT return ((stage_fn *)s[1].fn)(s + 1, at, v0, v1, v2, v3, v4, v5, v6, v7)
#define EACH(MOVE, p) MOVE(0, p) MOVE(1, p) MOVE(2, p) MOVE(3, p) MOVE(4, p) MOVE(5, p) MOVE(6, p) MOVE(7, p)
#define FROM(k, p) memcpy(&v##k, (p) + (k)*LANES, VECTOR);
#define TO(k, p) memcpy((p) + (k)*LANES, &v##k, VECTOR);

/* ---- loads and stores ------------------------------------------------------------------------------------- */

static int64_t begin_one(const reel_stage *s, int64_t at)
{
    float a[LANES];
    vec v0, v1, v2, v3, v4, v5, v6, v7;
    for (int i = 0; i < LANES; i++) a[i] = *s->p;
    memcpy(&v0, a, VECTOR);
    v1 = v2 = v3 = v4 = v5 = v6 = v7 = v0;
    NEXT;
}
static int64_t begin_block(const reel_stage *s, int64_t at)
{
    const float *const p = s->p + at;
    vec v0, v1, v2, v3, v4, v5, v6, v7;
    EACH(FROM, p)
    NEXT;
}
#define IGNORE(k, p) (void)v##k;
STAGE(load_one)
{
    EACH(IGNORE, )
    return begin_one(s, at);
}
STAGE(load_block)
{
    EACH(IGNORE, )
    return begin_block(s, at);
}

STAGE(store)
{
    float *const p = s->p + at;
    EACH(TO, p)
    NEXT;
}
/* Is one of them NaN? And a chain's return. Compilers think that who is called with wide vectors returns to one who uses them, and leave out
   what SSE code must have done before it is fast again. */
#define LEAVE      \
    do {           \
        NARROW;    \
        return at; \
    } while (0)
#if defined __AVX__
#define NARROW _mm256_zeroupper()
#endif
#if defined __AVX512F__
#define NAN_IN(x, y) _mm512_cmp_ps_mask((__m512)(x), (__m512)(y), _CMP_UNORD_Q)
#define HAS_NAN ((NAN_IN(v0, v1) | NAN_IN(v2, v3) | NAN_IN(v4, v5) | NAN_IN(v6, v7)) != 0)
#elif defined __AVX__
#define NAN_IN(x, y) _mm256_cmp_ps((__m256)(x), (__m256)(y), _CMP_UNORD_Q)
#define OR(x, y) _mm256_or_ps(x, y)
#define HAS_NAN (_mm256_movemask_ps(OR(OR(NAN_IN(v0, v1), NAN_IN(v2, v3)), OR(NAN_IN(v4, v5), NAN_IN(v6, v7)))) != 0)
#else
#define NARROW (void)0
#define HAS_NAN has_nan(v0, v1, v2, v3, v4, v5, v6, v7)
REEL_ALWAYS_INLINE bool has_nan(VALUES)
{
    float a[BLOCK];
    int nan = 0;
    EACH(TO, a)
    for (int i = 0; i < BLOCK / 2; i++) nan |= isunordered(a[i], a[i + BLOCK / 2]);
    return nan != 0;
}
#endif
STAGE(keep)
{
    float *const p = s->p + at;
    if (HAS_NAN) LEAVE;
    EACH(TO, p)
    NEXT;
}
STAGE(finish)
{
    float *const p = s->p + at;
    if (HAS_NAN) LEAVE;
    EACH(TO, p)
    const reel_chain_loop *const loop = s->extra;
    at += BLOCK;
    if (at >= loop->end) LEAVE;
    return ((stage_fn *)loop->first->fn)(loop->first, at, v0, v1, v2, v3, v4, v5, v6, v7);
}

/* ---- the ops ------------------------------------------------------------------------------------------------ */
#define T float
#define V(f) reel_##f##_f32_
#define PARAMETERS                                                                    \
    const double *const d = s->extra;                                                 \
    const double d0 REEL_UNUSED = d[0], d1 REEL_UNUSED = d[1], d2 REEL_UNUSED = d[2]; \
    const T p0 REEL_UNUSED = (T)d[0], p1 REEL_UNUSED = (T)d[1], p2 REEL_UNUSED = (T)d[2], p3 REEL_UNUSED = (T)d[3]
#define NOTHING
#define FOR_ALL const T one = *s->p
#define SIDE_BY_SIDE const T *const p = s->p + at
#define FORMULA(formula, X, Y, Z)                            \
    for (int i = 0; i < BLOCK; i++) {                        \
        const T x = X, y REEL_UNUSED = Y, z REEL_UNUSED = Z; \
        a[i] = (T)(formula);                                 \
    }
#define FORM(name, READ, X, Y, formula) \
    STAGE(name)                         \
    {                                   \
        T a[BLOCK];                     \
        READ;                           \
        PARAMETERS;                     \
        EACH(TO, a)                     \
        FORMULA(formula, X, Y, 0)       \
        EACH(FROM, a)                   \
        NEXT;                           \
    }
/* The two operands b and c are this stage's and the next one's. */
#define FORM3(name, X, Y, Z, formula)                                                     \
    STAGE(name)                                                                           \
    {                                                                                     \
        T a[BLOCK], one[2][BLOCK];                                                        \
        PARAMETERS;                                                                       \
        const T *const b = block_of(s, at, one[0]), *const c = block_of(++s, at, one[1]); \
        EACH(TO, a)                                                                       \
        FORMULA(formula, X[i], Y[i], Z[i])                                                \
        EACH(FROM, a)                                                                     \
        NEXT;                                                                             \
    }
REEL_ALWAYS_INLINE const T *block_of(const reel_stage *s, int64_t at, T *one)
{
    if (s->block) return s->p + at;
    for (int i = 0; i < BLOCK; i++) one[i] = *s->p;
    return one;
}

#define ONE(name, formula) FORM(do_##name, NOTHING, a[i], 0, formula)
#define TWO(name, formula)                                \
    FORM(name##_one, FOR_ALL, a[i], one, formula)         \
    FORM(name##_block, SIDE_BY_SIDE, a[i], p[i], formula) \
    FORM(one_##name, FOR_ALL, one, a[i], formula)         \
    FORM(block_##name, SIDE_BY_SIDE, p[i], a[i], formula)
#define THREE(name, formula)               \
    FORM3(first_##name, a, b, c, formula)  \
    FORM3(second_##name, b, a, c, formula) \
    FORM3(third_##name, b, c, a, formula)
#include "kernels/chain_ops.def"
#undef ONE
#undef TWO
#undef THREE

#define AT(fn) (reel_stage_fn *)(fn)
#define BOTH(fn)       \
    {                  \
        AT(fn), AT(fn) \
    }
#define ONE(name, formula) [REEL_CHAIN_##name] = {BOTH(do_##name)},
#define TWO(name, formula) \
    [REEL_CHAIN_##name] = {{AT(name##_one), AT(name##_block)}, {AT(one_##name), AT(block_##name)}},
#define THREE(name, formula) [REEL_CHAIN_##name] = {BOTH(first_##name), BOTH(second_##name), BOTH(third_##name)},
extern const reel_chain_table REEL_LEVELED(reel_chain_table);
const reel_chain_table REEL_LEVELED(reel_chain_table) = {.block = BLOCK,
                                                         .begin = {begin_one, begin_block},
                                                         .load = {AT(load_one), AT(load_block)},
                                                         .store = AT(store),
                                                         .keep = AT(keep),
                                                         .finish = AT(finish),
                                                         .op = {
#include "kernels/chain_ops.def"
                                                         }};
