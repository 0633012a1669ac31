/* elementwise_body.h: one group of elementwise.def as inner loops: the body of the level_ew_*.c files, which define EW_GROUP and
   include it. The .def is read once for every compute type; f16 and bf16 go through the float loops block by block. */
#ifndef REEL_KERNELS_ELEMENTWISE_BODY_H
#define REEL_KERNELS_ELEMENTWISE_BODY_H
#include "kernels/elementwise.h"
#include "kernels/half.h"
#include "kernels/vmath.h"

#define PASTE2(a, b) a##_##b
#define PASTE(a, b) PASTE2(a, b)
#define LOOP(name) PASTE(name, SUFFIX)
enum { BLOCK = REEL_LOOP_BLOCK };

/* X: elements and variables of the formula, O: results. No branch inside, so the compiler vectorises each loop. PARAMETERS
   makes p0 ... of extra; what a formula does not name is not computed. */
#define DOUBLES                    \
    const double *const p = extra; \
    const double d0 REEL_UNUSED = p[0], d1 REEL_UNUSED = p[1], d2 REEL_UNUSED = p[2], d3 REEL_UNUSED = p[3]
#define PARAMETERS \
    DOUBLES;       \
    const P p0 REEL_UNUSED = CUT(d0), p1 REEL_UNUSED = CUT(d1), p2 REEL_UNUSED = CUT(d2), p3 REEL_UNUSED = CUT(d3)
#define LOOP_HEAD(name) static void LOOP(name)(void *const *ptr, const uint8_t *step, int64_t n, const void *extra)
#define UNARY_LOOP(name, X, O, formula)   \
    LOOP_HEAD(name)                       \
    {                                     \
        const X *a = ptr[0];              \
        O *o = ptr[1];                    \
        PARAMETERS;                       \
        (void)step;                       \
        REEL_IVDEP                        \
        for (int64_t i = 0; i < n; i++) { \
            const X x = a[i];             \
            (void)x;                      \
            o[i] = (O)(formula);          \
        }                                 \
    }
/* Block by block near where all of a block is; formula gives the same bits there. */
#define UNARY_NEAR_LOOP(name, X, formula, near, is_near)       \
    LOOP_HEAD(name)                                            \
    {                                                          \
        (void)step;                                            \
        (void)extra;                                           \
        for (int64_t at = 0; at < n; at += BLOCK) {            \
            const X *a = (const X *)ptr[0] + at;               \
            X *o = (X *)ptr[1] + at;                           \
            const int64_t k = n - at < BLOCK ? n - at : BLOCK; \
            X far = 0;                                         \
            for (int64_t i = 0; i < k; i++) {                  \
                const X x = a[i];                              \
                far = is_near ? far : 1;                       \
            }                                                  \
            if (far == 0) {                                    \
                REEL_IVDEP                                     \
                for (int64_t i = 0; i < k; i++) {              \
                    const X x = a[i];                          \
                    o[i] = near;                               \
                }                                              \
            } else {                                           \
                REEL_IVDEP                                     \
                for (int64_t i = 0; i < k; i++) {              \
                    const X x = a[i];                          \
                    o[i] = formula;                            \
                }                                              \
            }                                                  \
        }                                                      \
    }
#define BOTH_LOOP(X, O, formula)      \
    REEL_IVDEP                        \
    for (int64_t i = 0; i < n; i++) { \
        const X x = a[i], y = b[i];   \
        o[i] = (O)(formula);          \
    }
#if EW_SPREADS
/* step 0: one element for all */
#define BINARY_LOOP(name, X, O, formula)      \
    LOOP_HEAD(name)                           \
    {                                         \
        const X *a = ptr[0], *b = ptr[1];     \
        O *o = ptr[2];                        \
        PARAMETERS;                           \
        if (step[0] && step[1]) {             \
            BOTH_LOOP(X, O, formula)          \
        } else if (step[0]) {                 \
            const X y = b[0];                 \
            REEL_IVDEP                        \
            for (int64_t i = 0; i < n; i++) { \
                const X x = a[i];             \
                o[i] = (O)(formula);          \
            }                                 \
        } else if (step[1]) {                 \
            const X x = a[0];                 \
            REEL_IVDEP                        \
            for (int64_t i = 0; i < n; i++) { \
                const X y = b[i];             \
                o[i] = (O)(formula);          \
            }                                 \
        } else {                              \
            const X x = a[0], y = b[0];       \
            const O value = (O)(formula);     \
            for (int64_t i = 0; i < n; i++) { \
                o[i] = value;                 \
            }                                 \
        }                                     \
    }
#else
#define BINARY_LOOP(name, X, O, formula)  \
    LOOP_HEAD(name)                       \
    {                                     \
        const X *a = ptr[0], *b = ptr[1]; \
        O *o = ptr[2];                    \
        PARAMETERS;                       \
        (void)step;                       \
        BOTH_LOOP(X, O, formula)          \
    }
#endif
#define TERNARY_LOOP(name, X, O, formula)              \
    LOOP_HEAD(name)                                    \
    {                                                  \
        const X *a = ptr[0], *b = ptr[1], *c = ptr[2]; \
        O *o = ptr[3];                                 \
        PARAMETERS;                                    \
        (void)step;                                    \
        REEL_IVDEP                                     \
        for (int64_t i = 0; i < n; i++) {              \
            const X x = a[i], y = b[i], z = c[i];      \
            o[i] = (O)(formula);                       \
        }                                              \
    }

/* Does an op with these dtypes have loops for floats, for numbers of other kinds, for bool as it differs from u8? */
#define FLOATS_FLOATS(...) __VA_ARGS__
#define FLOATS_NUMBERS(...) __VA_ARGS__
#define FLOATS_ALL_DTYPES(...) __VA_ARGS__
#define FLOATS_INTS(...)
#define FLOATS_BITS(...)
#define WHOLE_FLOATS(...)
#define WHOLE_NUMBERS(...) __VA_ARGS__
#define WHOLE_ALL_DTYPES(...) __VA_ARGS__
#define WHOLE_INTS(...) __VA_ARGS__
#define WHOLE_BITS(...) __VA_ARGS__
#define BOOL_FLOATS(...)
#define BOOL_NUMBERS(...)
#define BOOL_ALL_DTYPES(...)
#define BOOL_INTS(...)
#define BOOL_BITS(...) __VA_ARGS__

/* ---- float and double ------------------------------------------------------------------------------ */
#define UNARY(name, dtypes, formula, integers) FLOATS_##dtypes(UNARY_LOOP(name, T, T, formula))
#define BINARY(name, dtypes, formula, integers) FLOATS_##dtypes(BINARY_LOOP(name, T, T, formula))
#define TERNARY(name, dtypes, formula, integers) FLOATS_##dtypes(TERNARY_LOOP(name, T, T, formula))
#define TEST(name, dtypes, formula, integers) FLOATS_##dtypes(UNARY_LOOP(name, T, uint8_t, formula))
#define COMPARE(name, dtypes, formula) FLOATS_##dtypes(BINARY_LOOP(name, T, uint8_t, formula))
#define P T
#define CUT(d) ((T)(d))

#define UNARY_NEAR(name, dtypes, formula, near, is_near) UNARY_NEAR_LOOP(name, T, formula, near, is_near)
#define T float
#define SUFFIX f32
#define V(f) reel_##f##_f32_
#include "ops/elementwise.def"
#undef T
#undef SUFFIX
#undef V

#define UNARY_NEAR(name, dtypes, formula, near, is_near) UNARY_NEAR_LOOP(name, T, formula, near, is_near)
#define T double
#define SUFFIX f64
#define V(f) reel_##f##_f64_
#include "ops/elementwise.def"
#undef T
#undef SUFFIX
#undef V
#undef UNARY
#undef BINARY
#undef TERNARY
#undef TEST
#undef COMPARE
#undef P
#undef CUT

/* ---- integers ---------------------------------------------------------------------------------------- */
REEL_UNUSED static int64_t cut(double x, int64_t low, int64_t high)
{
    return x >= (double)high ? high : x > (double)low ? (int64_t)x : low;
}
#define UNARY(name, dtypes, floats, formula) WHOLE_##dtypes(UNARY_LOOP(name, U, U, formula))
#define BINARY(name, dtypes, floats, formula) WHOLE_##dtypes(BINARY_LOOP(name, U, U, formula))
#define TERNARY(name, dtypes, floats, formula) WHOLE_##dtypes(TERNARY_LOOP(name, U, U, formula))
#define TEST(name, dtypes, floats, formula) WHOLE_##dtypes(UNARY_LOOP(name, S, uint8_t, formula))
#define COMPARE(name, dtypes, formula) WHOLE_##dtypes(BINARY_LOOP(name, S, uint8_t, formula))
#define P S
#define ONES ((U)-1)

#define U uint8_t
#define S int8_t
#define SUFFIX i8
#define CUT(d) ((S)cut(d, INT8_MIN, INT8_MAX))
#include "ops/elementwise.def"
#undef S
#undef SUFFIX
#undef CUT
#define S uint8_t
#define SUFFIX u8
#define CUT(d) ((S)cut(d, 0, UINT8_MAX))
#include "ops/elementwise.def"
#undef U
#undef S
#undef SUFFIX
#undef CUT
#define U uint32_t
#define S int32_t
#define SUFFIX i32
#define CUT(d) ((S)cut(d, INT32_MIN, INT32_MAX))
#include "ops/elementwise.def"
#undef U
#undef S
#undef SUFFIX
#undef CUT
#define U uint64_t
#define S int64_t
#define SUFFIX i64
#define CUT(d) cut(d, INT64_MIN, INT64_MAX)
#include "ops/elementwise.def"
#undef U
#undef S
#undef SUFFIX
#undef CUT
#undef UNARY
#undef BINARY
#undef TERNARY
#undef TEST
#undef COMPARE
#undef ONES

/* ---- bool where it is no u8 -------------------------------------------------------------------------- */
#define UNARY(name, dtypes, floats, formula) BOOL_##dtypes(UNARY_LOOP(name, U, U, formula))
#define BINARY(name, dtypes, floats, formula) BOOL_##dtypes(BINARY_LOOP(name, U, U, formula))
#define TERNARY(...)
#define TEST(...)
#define COMPARE(...)
#define ONES 1u
#define U uint8_t
#define S uint8_t
#define SUFFIX bool_
#define CUT(d) ((S)cut(d, 0, 1))
#include "ops/elementwise.def"
#undef U
#undef S
#undef SUFFIX
#undef CUT
#undef UNARY
#undef BINARY
#undef TERNARY
#undef TEST
#undef COMPARE
#undef ONES
#undef P

/* ---- f16 and bf16 ------------------------------------------------------------------------------------ */
#define HALF(SUFFIX)                                                                                    \
    static void widen_##SUFFIX(float *o, const uint16_t *a, int64_t n)                                  \
    {                                                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                               \
            o[i] = reel_widen_##SUFFIX##_(a[i]);                                                        \
        }                                                                                               \
    }                                                                                                   \
    static void narrow_##SUFFIX(uint16_t *o, const float *a, int64_t n)                                 \
    {                                                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                               \
            o[i] = reel_narrow_##SUFFIX##_(a[i]);                                                       \
        }                                                                                               \
    }                                                                                                   \
    /* fn on floats; result: is the output of the same dtype (else bool)? */                            \
    REEL_UNUSED static void blocks_##SUFFIX(reel_inner_fn *fn, int n_in, bool result, void *const *ptr, \
                                            const uint8_t *step, int64_t n, const void *extra)          \
    {                                                                                                   \
        float a[3][BLOCK], o[BLOCK];                                                                    \
        for (int64_t at = 0; at < n; at += BLOCK) {                                                     \
            const int64_t k = n - at < BLOCK ? n - at : BLOCK;                                          \
            void *inner[4] = {a[0], a[1], a[2]};                                                        \
            for (int i = 0; i < n_in; i++) {                                                            \
                widen_##SUFFIX(a[i], (const uint16_t *)ptr[i] + (step[i] ? at : 0), step[i] ? k : 1);   \
            }                                                                                           \
            inner[n_in] = result ? (void *)o : (uint8_t *)ptr[n_in] + at;                               \
            fn(inner, step, k, extra);                                                                  \
            if (result) {                                                                               \
                narrow_##SUFFIX((uint16_t *)ptr[n_in] + at, o, k);                                      \
            }                                                                                           \
        }                                                                                               \
    }
HALF(f16)
HALF(bf16)

#define HALF_LOOP(name, n_in, result, SUFFIX)                                                        \
    static void name##_##SUFFIX(void *const *ptr, const uint8_t *step, int64_t n, const void *extra) \
    {                                                                                                \
        blocks_##SUFFIX(name##_f32, n_in, result, ptr, step, n, extra);                              \
    }
#define HALVES(name, n_in, result) HALF_LOOP(name, n_in, result, f16) HALF_LOOP(name, n_in, result, bf16)
#define UNARY(name, dtypes, floats, integers) FLOATS_##dtypes(HALVES(name, 1, true))
#define BINARY(name, dtypes, floats, integers) FLOATS_##dtypes(HALVES(name, 2, true))
#define TERNARY(name, dtypes, floats, integers) FLOATS_##dtypes(HALVES(name, 3, true))
#define TEST(name, dtypes, floats, integers) FLOATS_##dtypes(HALVES(name, 1, false))
#define COMPARE(name, dtypes, formula) FLOATS_##dtypes(HALVES(name, 2, false))
#include "ops/elementwise.def"
#undef UNARY
#undef BINARY
#undef TERNARY
#undef TEST
#undef COMPARE

/* ---- the rows ----------------------------------------------------------------------------------------- */
#define ROW_FLOATS(name) \
    [REEL_F32] = name##_f32, [REEL_F64] = name##_f64, [REEL_F16] = name##_f16, [REEL_BF16] = name##_bf16
#define ROW_INTS(name) [REEL_I8] = name##_i8, [REEL_U8] = name##_u8, [REEL_I32] = name##_i32, [REEL_I64] = name##_i64
#define ROW_BITS(name) ROW_INTS(name), [REEL_BOOL] = name##_bool_
#define ROW_NUMBERS(name) ROW_FLOATS(name), ROW_INTS(name)
#define ROW_ALL_DTYPES(name) ROW_NUMBERS(name), [REEL_BOOL] = name##_u8
#define LOOPS(name, dtypes, n_in) \
    const reel_ew_row REEL_LEVELED(reel_ew_##name) = {{ROW_##dtypes(name)}, EW_GRAIN, (n_in) == 2 && EW_SPREADS};
#define UNARY(name, dtypes, floats, integers) LOOPS(name, dtypes, 1)
#define BINARY(name, dtypes, floats, integers) LOOPS(name, dtypes, 2)
#define TERNARY(name, dtypes, floats, integers) LOOPS(name, dtypes, 3)
#define TEST(name, dtypes, floats, integers) LOOPS(name, dtypes, 1)
#define COMPARE(name, dtypes, formula) LOOPS(name, dtypes, 2)
#include "ops/elementwise.def"
#endif
