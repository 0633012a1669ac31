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
/* Was all well, or is the block given up? */
#define STAGE(name) static bool name(const reel_stage *s, int64_t at, VALUES)
typedef bool stage_fn(const reel_stage *s, int64_t at, VALUES);
static REEL_NOINLINE stage_fn finish;
/* A branch to the last one is predicted sooner than a jump to who knows whom. */
#define NEXT                                                                     \
    do {                                                                         \
        if (!s[1].fn) return finish(s + 1, at, v0, v1, v2, v3, v4, v5, v6, v7);  \
        return ((stage_fn *)s[1].fn)(s + 1, at, v0, v1, v2, v3, v4, v5, v6, v7); \
    } while (0)
#define EACH(MOVE, p) MOVE(0, p) MOVE(1, p) MOVE(2, p) MOVE(3, p) MOVE(4, p) MOVE(5, p) MOVE(6, p) MOVE(7, p)
#define FROM(k, p) memcpy(&v##k, (p) + (k)*LANES, VECTOR);
#define TO(k, p) memcpy((p) + (k)*LANES, &v##k, VECTOR);

/* ---- loads and stores ------------------------------------------------------------------------------------- */

#define LOAD_ONE                                  \
    float a[LANES];                               \
    for (int i = 0; i < LANES; i++) a[i] = *s->p; \
    memcpy(&v0, a, VECTOR);                       \
    v1 = v2 = v3 = v4 = v5 = v6 = v7 = v0
#define LOAD_BLOCK                    \
    const float *const p = s->p + at; \
    EACH(FROM, p)
#define IGNORE(k, p) (void)v##k;
STAGE(load_one)
{
    EACH(IGNORE, )
    LOAD_ONE;
    NEXT;
}
STAGE(load_block)
{
    EACH(IGNORE, )
    LOAD_BLOCK
    NEXT;
}
/* Compilers think that who calls with wide vectors goes on with them, and leave out what SSE code must have done before it is fast again. */
#if defined __AVX__
#define NARROW _mm256_zeroupper()
#else
#define NARROW (void)0
#endif
/* Whoever makes the values of a block: from the stage `first`, for the one behind s. */
#define BEGIN(name, MAKE)                                                  \
    static int64_t name(const reel_stage *first, int64_t at, int64_t end)  \
    {                                                                      \
        for (; at < end; at += BLOCK) {                                    \
            const reel_stage *s = first;                                   \
            vec v0, v1, v2, v3, v4, v5, v6, v7;                            \
            MAKE;                                                          \
            stage_fn *const next = s[1].fn ? (stage_fn *)s[1].fn : finish; \
            if (!next(s + 1, at, v0, v1, v2, v3, v4, v5, v6, v7)) break;   \
        }                                                                  \
        NARROW;                                                            \
        return at;                                                         \
    }
BEGIN(begin_one, LOAD_ONE)
BEGIN(begin_block, LOAD_BLOCK)

STAGE(store)
{
    float *const p = s->p + at;
    EACH(TO, p)
    NEXT;
}
/* Is one of them NaN? */
#if defined __AVX512F__
#define NAN_IN(x, y) _mm512_cmp_ps_mask((__m512)(x), (__m512)(y), _CMP_UNORD_Q)
#define HAS_NAN ((NAN_IN(v0, v1) | NAN_IN(v2, v3) | NAN_IN(v4, v5) | NAN_IN(v6, v7)) != 0)
#elif defined __AVX__
#define NAN_IN(x, y) _mm256_cmp_ps((__m256)(x), (__m256)(y), _CMP_UNORD_Q)
#define OR(x, y) _mm256_or_ps(x, y)
#define HAS_NAN (_mm256_movemask_ps(OR(OR(NAN_IN(v0, v1), NAN_IN(v2, v3)), OR(NAN_IN(v4, v5), NAN_IN(v6, v7)))) != 0)
#else
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
    if (HAS_NAN) return false;
    EACH(TO, p)
    NEXT;
}
STAGE(finish)
{
    float *const p = s->p + at;
    if (HAS_NAN) return false;
    EACH(TO, p)
    return true;
}

/* ---- the ops ------------------------------------------------------------------------------------------------ */
#define T float
#define V(f) reel_##f##_f32_
/* d: the attributes */
#define PARAMETERS                                                                    \
    const double d0 REEL_UNUSED = d[0], d1 REEL_UNUSED = d[1], d2 REEL_UNUSED = d[2]; \
    const T p0 REEL_UNUSED = (T)d[0], p1 REEL_UNUSED = (T)d[1], p2 REEL_UNUSED = (T)d[2], p3 REEL_UNUSED = (T)d[3]
#define ONE(name, formula)                                           \
    REEL_ALWAYS_INLINE REEL_UNUSED T of_##name(const double *d, T x) \
    {                                                                \
        PARAMETERS;                                                  \
        return (T)(formula);                                         \
    }
#define TWO(name, formula)                                                \
    REEL_ALWAYS_INLINE REEL_UNUSED T of_##name(const double *d, T x, T y) \
    {                                                                     \
        PARAMETERS;                                                       \
        return (T)(formula);                                              \
    }
#define TWO_NEAR(name, formula, near, is_near)  \
    TWO(name, formula)                          \
    REEL_ALWAYS_INLINE T near_##name(T x, T y)  \
    {                                           \
        return near;                            \
    }                                           \
    REEL_ALWAYS_INLINE bool is_near_##name(T y) \
    {                                           \
        return is_near;                         \
    }
#define THREE(name, formula)                                                   \
    REEL_ALWAYS_INLINE REEL_UNUSED T of_##name(const double *d, T x, T y, T z) \
    {                                                                          \
        PARAMETERS;                                                            \
        return (T)(formula);                                                   \
    }
#include "kernels/chain_ops.def"
#undef ONE
#undef TWO
#undef TWO_NEAR
#undef THREE

/* What is read of the operand s->p: nothing, one element, a block. */
#define NOTHING
#define FOR_ALL(name) const T name = *s->p
#define SIDE_BY_SIDE(name) const T *const name = s->p + at
#define DO(result)                                       \
    do {                                                 \
        EACH(TO, a)                                      \
        for (int i = 0; i < BLOCK; i++) a[i] = (result); \
        EACH(FROM, a)                                    \
        NEXT;                                            \
    } while (0)
#define FORM(name, READ, result)          \
    STAGE(name)                           \
    {                                     \
        T a[BLOCK];                       \
        const double *const d = s->extra; \
        READ;                             \
        DO(result);                       \
    }
/* The two operands b and c are this stage's and the next one's. */
#define FORM3(name, X, Y, Z, op)                                                          \
    STAGE(name)                                                                           \
    {                                                                                     \
        T a[BLOCK], one[2][BLOCK];                                                        \
        const double *const d = s->extra;                                                 \
        const T *const b = block_of(s, at, one[0]), *const c = block_of(++s, at, one[1]); \
        DO(of_##op(d, X[i], Y[i], Z[i]));                                                 \
    }
REEL_ALWAYS_INLINE const T *block_of(const reel_stage *s, int64_t at, T *one)
{
    if (s->block) return s->p + at;
    for (int i = 0; i < BLOCK; i++) one[i] = *s->p;
    return one;
}

#define ONE(name, formula) FORM(do_##name, NOTHING, of_##name(d, a[i]))
#define TWO(name, formula)                              \
    FORM(name##_one, FOR_ALL(p), of_##name(d, a[i], p)) \
    FORMS2(name)
#define FORMS2(name)                                              \
    FORM(name##_block, SIDE_BY_SIDE(p), of_##name(d, a[i], p[i])) \
    FORM(one_##name, FOR_ALL(p), of_##name(d, p, a[i]))           \
    FORM(block_##name, SIDE_BY_SIDE(p), of_##name(d, p[i], a[i]))
#define TWO_NEAR(name, formula, near, is_near)           \
    STAGE(name##_one)                                    \
    {                                                    \
        T a[BLOCK];                                      \
        const double *const d = s->extra;                \
        FOR_ALL(p);                                      \
        if (is_near_##name(p)) DO(near_##name(a[i], p)); \
        DO(of_##name(d, a[i], p));                       \
    }                                                    \
    FORMS2(name)
#define THREE(name, formula)            \
    FORM3(first_##name, a, b, c, name)  \
    FORM3(second_##name, b, a, c, name) \
    FORM3(third_##name, b, c, a, name)
#include "kernels/chain_ops.def"
#undef ONE
#undef TWO
#undef TWO_NEAR
#undef THREE

/* ---- ops of what is in memory: as the first ones, and together with the one that takes the registers and that ------ */

/* Neither has attributes. READ reads its operands b and c, the second one from the next stage. */
#define FIRST(READ, value)                          \
    T a[BLOCK];                                     \
    READ;                                           \
    for (int i = 0; i < BLOCK; i++) a[i] = (value); \
    EACH(FROM, a)
#define BESIDE(outer, name, READ, value)   \
    STAGE(outer##_##name)                  \
    {                                      \
        T a[BLOCK];                        \
        READ;                              \
        DO(of_##outer(none, a[i], value)); \
    }                                      \
    STAGE(name##_##outer)                  \
    {                                      \
        T a[BLOCK];                        \
        READ;                              \
        DO(of_##outer(none, value, a[i])); \
    }
static const double none[4];
#define READ2(B, C) \
    B(b);           \
    s++;            \
    C(c)
#define READ_1 FOR_ALL(b)
#define READ_n SIDE_BY_SIDE(b)
#define READ_11 READ2(FOR_ALL, FOR_ALL)
#define READ_n1 READ2(SIDE_BY_SIDE, FOR_ALL)
#define READ_1n READ2(FOR_ALL, SIDE_BY_SIDE)
#define READ_nn READ2(SIDE_BY_SIDE, SIDE_BY_SIDE)
/* Sides in all forms: READ's, and their value. */
#define FORMS_OF_1(MAKE, side, more)        \
    MAKE(side, 1, of_##side(none, b), more) \
    MAKE(side, n, of_##side(none, b[i]), more)
#define FORMS_OF_2(MAKE, side, more)               \
    MAKE(side, 11, of_##side(none, b, c), more)    \
    MAKE(side, n1, of_##side(none, b[i], c), more) \
    MAKE(side, 1n, of_##side(none, b, c[i]), more) \
    MAKE(side, nn, of_##side(none, b[i], c[i]), more)
#define BEGINS(side, form, value, more) BEGIN(begin_##side##_##form, FIRST(READ_##form, value))
#define BESIDES(side, form, value, outer) BESIDE(outer, side##_##form, READ_##form, value)
#define OUTER1(outer, side) FORMS_OF_1(BESIDES, side, outer)
#define OUTER2(outer, side) FORMS_OF_2(BESIDES, side, outer)
#define SIDE1(side) FORMS_OF_1(BEGINS, side, ) REEL_CHAIN_OUTERS(OUTER1, side)
#define SIDE2(side) FORMS_OF_2(BEGINS, side, ) REEL_CHAIN_OUTERS(OUTER2, side)
REEL_CHAIN_SIDES(SIDE1, SIDE2)
#undef OUTER1
#undef OUTER2
#undef SIDE1
#undef SIDE2

#define AT(fn) (reel_stage_fn *)(fn)
#define BOTH(fn)       \
    {                  \
        AT(fn), AT(fn) \
    }
#define ONE(name, formula) [REEL_CHAIN_##name] = {BOTH(do_##name)},
#define TWO(name, formula) \
    [REEL_CHAIN_##name] = {{AT(name##_one), AT(name##_block)}, {AT(one_##name), AT(block_##name)}},
#define THREE(name, formula) [REEL_CHAIN_##name] = {BOTH(first_##name), BOTH(second_##name), BOTH(third_##name)},
#define OUTER1(outer, side) \
    [REEL_OUTER_##          \
        outer] = {{AT(outer##_##side##_1), AT(outer##_##side##_n)}, {AT(side##_1_##outer), AT(side##_n_##outer)}},
#define OUTER2(outer, side)                                                                                   \
    [REEL_OUTER_##outer] = {                                                                                  \
        {AT(outer##_##side##_11), AT(outer##_##side##_n1), AT(outer##_##side##_1n), AT(outer##_##side##_nn)}, \
        {AT(side##_11_##outer), AT(side##_n1_##outer), AT(side##_1n_##outer), AT(side##_nn_##outer)}},
#define FIRST1(side) [REEL_SIDE_##side] = {AT(begin_##side##_1), AT(begin_##side##_n)},
#define FIRST2(side) \
    [REEL_SIDE_##side] = {AT(begin_##side##_11), AT(begin_##side##_n1), AT(begin_##side##_1n), AT(begin_##side##_nn)},
#define SIDE1(side) [REEL_SIDE_##side] = {REEL_CHAIN_OUTERS(OUTER1, side)},
#define SIDE2(side) [REEL_SIDE_##side] = {REEL_CHAIN_OUTERS(OUTER2, side)},
extern const reel_chain_table REEL_LEVELED(reel_chain_table);
const reel_chain_table REEL_LEVELED(reel_chain_table) = {.block = BLOCK,
                                                         .begin = {AT(begin_one), AT(begin_block)},
                                                         .load = {AT(load_one), AT(load_block)},
                                                         .store = BOTH(store),
                                                         .keep = BOTH(keep),
                                                         .first = {REEL_CHAIN_SIDES(FIRST1, FIRST2)},
                                                         .side = {REEL_CHAIN_SIDES(SIDE1, SIDE2)},
                                                         .op = {
#include "kernels/chain_ops.def"
                                                         }};
