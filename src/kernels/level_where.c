/* level_where.c: where's inner loops by element size, compiled once for each ISA level. */
#include "kernels/elementwise.h"

#define STEPS(sa, sb)                                   \
    do {                                                \
        REEL_IVDEP                                      \
        for (int64_t i = 0; i < n; i++) {               \
            o[i] = cond[i] ? a[i * (sa)] : b[i * (sb)]; \
        }                                               \
    } while (0)

#define WHERE(T)                                                                               \
    static void where_##T(void *const *ptr, const uint8_t *step, int64_t n, const void *extra) \
    {                                                                                          \
        const uint8_t *cond = ptr[0];                                                          \
        const T *a = ptr[1], *b = ptr[2];                                                      \
        T *o = ptr[3];                                                                         \
        (void)extra;                                                                           \
        if (!step[0]) {                                                                        \
            const T *chosen = cond[0] ? a : b;                                                 \
            const int64_t s = step[cond[0] ? 1 : 2];                                           \
            REEL_IVDEP                                                                         \
            for (int64_t i = 0; i < n; i++) {                                                  \
                o[i] = chosen[i * s];                                                          \
            }                                                                                  \
        } else if (step[1] && step[2]) {                                                       \
            STEPS(1, 1);                                                                       \
        } else if (step[1]) {                                                                  \
            STEPS(1, 0);                                                                       \
        } else if (step[2]) {                                                                  \
            STEPS(0, 1);                                                                       \
        } else {                                                                               \
            STEPS(0, 0);                                                                       \
        }                                                                                      \
    }
WHERE(uint8_t)
WHERE(uint16_t)
WHERE(uint32_t)
WHERE(uint64_t)
const reel_where_table REEL_LEVELED(reel_where_table) = {
    {[1] = where_uint8_t, [2] = where_uint16_t, [4] = where_uint32_t, [8] = where_uint64_t}};
