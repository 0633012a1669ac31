/* level_elementwise.c: elementwise.def as inner loops, compiled once for each ISA level. The file is read once for every
   compute type; f16 and bf16 go through the float loops block by block. */
#include "kernels/elementwise.h"
#include "kernels/half.h"
#include "kernels/vmath.h"

#define PASTE2(a, b) a##_##b
#define PASTE(a, b) PASTE2(a, b)
#define LOOP(name) PASTE(name, SUFFIX)

/* X: elements and variables of the formula, O: results. No branch inside, so the compiler vectorises each loop. */
#define UNARY_LOOP(name, X, O, formula)                                                         \
    static void LOOP(name)(void *const *ptr, const uint8_t *step, int64_t n, const void *extra) \
    {                                                                                           \
        const X *a = ptr[0];                                                                    \
        O *o = ptr[1];                                                                          \
        (void)step, (void)extra;                                                                \
        REEL_IVDEP                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                       \
            const X x = a[i];                                                                   \
            o[i] = (O)(formula);                                                                \
        }                                                                                       \
    }
#define BINARY_LOOP(name, X, O, formula)                                                        \
    static void LOOP(name)(void *const *ptr, const uint8_t *step, int64_t n, const void *extra) \
    {                                                                                           \
        const X *a = ptr[0], *b = ptr[1];                                                       \
        O *o = ptr[2];                                                                          \
        (void)extra;                                                                            \
        if (step[0] && step[1]) {                                                               \
            REEL_IVDEP                                                                          \
            for (int64_t i = 0; i < n; i++) {                                                   \
                const X x = a[i], y = b[i];                                                     \
                o[i] = (O)(formula);                                                            \
            }                                                                                   \
        } else if (step[0]) {                                                                   \
            const X y = b[0];                                                                   \
            REEL_IVDEP                                                                          \
            for (int64_t i = 0; i < n; i++) {                                                   \
                const X x = a[i];                                                               \
                o[i] = (O)(formula);                                                            \
            }                                                                                   \
        } else if (step[1]) {                                                                   \
            const X x = a[0];                                                                   \
            REEL_IVDEP                                                                          \
            for (int64_t i = 0; i < n; i++) {                                                   \
                const X y = b[i];                                                               \
                o[i] = (O)(formula);                                                            \
            }                                                                                   \
        } else {                                                                                \
            const X x = a[0], y = b[0];                                                         \
            const O value = (O)(formula);                                                       \
            for (int64_t i = 0; i < n; i++) {                                                   \
                o[i] = value;                                                                   \
            }                                                                                   \
        }                                                                                       \
    }

/* ---- float and double ------------------------------------------------------------------------------ */
#define UNARY(name, dtypes, formula, integers) UNARY_LOOP(name, T, T, formula)
#define BINARY(name, dtypes, formula, integers) BINARY_LOOP(name, T, T, formula)
#define COMPARE(name, dtypes, formula) BINARY_LOOP(name, T, uint8_t, formula)

#define T float
#define SUFFIX f32
#define V(f) reel_##f##_f32_
#include "ops/elementwise.def"
#undef T
#undef SUFFIX
#undef V

#define T double
#define SUFFIX f64
#define V(f) reel_##f##_f64_
#include "ops/elementwise.def"
#undef T
#undef SUFFIX
#undef V
#undef UNARY
#undef BINARY
#undef COMPARE

/* ---- integers and bool ------------------------------------------------------------------------------ */
#define IF_FLOATS(...)
#define IF_NUMBERS(...) __VA_ARGS__
#define IF_ALL_DTYPES(...) __VA_ARGS__
#define UNARY(name, dtypes, floats, formula) IF_##dtypes(UNARY_LOOP(name, U, U, formula))
#define BINARY(name, dtypes, floats, formula) IF_##dtypes(BINARY_LOOP(name, U, U, formula))
#define COMPARE(name, dtypes, formula) IF_##dtypes(BINARY_LOOP(name, S, uint8_t, formula))

#define U uint8_t
#define S int8_t
#define SUFFIX i8
#include "ops/elementwise.def"
#undef S
#undef SUFFIX
#define S uint8_t
#define SUFFIX u8
#include "ops/elementwise.def"
#undef U
#undef S
#undef SUFFIX
#define U uint32_t
#define S int32_t
#define SUFFIX i32
#include "ops/elementwise.def"
#undef U
#undef S
#undef SUFFIX
#define U uint64_t
#define S int64_t
#define SUFFIX i64
#include "ops/elementwise.def"
#undef U
#undef S
#undef SUFFIX
#undef UNARY
#undef BINARY
#undef COMPARE

/* ---- f16 and bf16 ------------------------------------------------------------------------------------ */
enum { BLOCK = REEL_LOOP_BLOCK };
#define HALF(SUFFIX)                                                                                             \
    static void widen_##SUFFIX(float *o, const uint16_t *a, int64_t n)                                           \
    {                                                                                                            \
        for (int64_t i = 0; i < n; i++) {                                                                        \
            o[i] = reel_widen_##SUFFIX##_(a[i]);                                                                 \
        }                                                                                                        \
    }                                                                                                            \
    static void narrow_##SUFFIX(uint16_t *o, const float *a, int64_t n)                                          \
    {                                                                                                            \
        for (int64_t i = 0; i < n; i++) {                                                                        \
            o[i] = reel_narrow_##SUFFIX##_(a[i]);                                                                \
        }                                                                                                        \
    }                                                                                                            \
    /* fn on floats; result: is the output of the same dtype (else bool)? */                                     \
    static void blocks_##SUFFIX(reel_inner_fn *fn, int n_in, bool result, void *const *ptr, const uint8_t *step, \
                                int64_t n)                                                                       \
    {                                                                                                            \
        float a[2][BLOCK], o[BLOCK];                                                                             \
        for (int64_t at = 0; at < n; at += BLOCK) {                                                              \
            const int64_t k = n - at < BLOCK ? n - at : BLOCK;                                                   \
            for (int i = 0; i < n_in; i++) {                                                                     \
                widen_##SUFFIX(a[i], (const uint16_t *)ptr[i] + (step[i] ? at : 0), step[i] ? k : 1);            \
            }                                                                                                    \
            void *const inner[3] = {a[0], n_in == 1 ? o : a[1], result ? (void *)o : (uint8_t *)ptr[2] + at};    \
            fn(inner, step, k, NULL);                                                                            \
            if (result) {                                                                                        \
                narrow_##SUFFIX((uint16_t *)ptr[n_in] + at, o, k);                                               \
            }                                                                                                    \
        }                                                                                                        \
    }
HALF(f16)
HALF(bf16)

#define HALF_LOOP(name, n_in, result, SUFFIX)                                                        \
    static void name##_##SUFFIX(void *const *ptr, const uint8_t *step, int64_t n, const void *extra) \
    {                                                                                                \
        (void)extra;                                                                                 \
        blocks_##SUFFIX(name##_f32, n_in, result, ptr, step, n);                                     \
    }
#define UNARY(name, dtypes, floats, integers) HALF_LOOP(name, 1, true, f16) HALF_LOOP(name, 1, true, bf16)
#define BINARY(name, dtypes, floats, integers) HALF_LOOP(name, 2, true, f16) HALF_LOOP(name, 2, true, bf16)
#define COMPARE(name, dtypes, formula) HALF_LOOP(name, 2, false, f16) HALF_LOOP(name, 2, false, bf16)
#include "ops/elementwise.def"
#undef UNARY
#undef BINARY
#undef COMPARE

/* ---- the table ---------------------------------------------------------------------------------------- */
#define ROW_FLOATS(name) \
    [REEL_F32] = name##_f32, [REEL_F64] = name##_f64, [REEL_F16] = name##_f16, [REEL_BF16] = name##_bf16
#define ROW_NUMBERS(name) \
    ROW_FLOATS(name), [REEL_I8] = name##_i8, [REEL_U8] = name##_u8, [REEL_I32] = name##_i32, [REEL_I64] = name##_i64
#define ROW_ALL_DTYPES(name) ROW_NUMBERS(name), [REEL_BOOL] = name##_u8
#define UNARY(name, dtypes, floats, integers) [REEL_OP_##name] = {ROW_##dtypes(name)},
#define BINARY(name, dtypes, floats, integers) [REEL_OP_##name] = {ROW_##dtypes(name)},
#define COMPARE(name, dtypes, formula) [REEL_OP_##name] = {ROW_##dtypes(name)},
const reel_ew_table REEL_LEVELED(reel_ew_table) = {{
#include "ops/elementwise.def"
}};
