/* level_gemm_int.c: integer products: rows of c in pieces of J columns take K rows of b at a time, four in one pass. */
#include "core/compiler.h"
#include "gemm_int.h"

enum { J = 128, K = 64 };

#define DEFINE(BITS, U)                                                                                       \
    static void pack##BITS(U *panel, const U *b, int64_t brs, int64_t bcs, int64_t k, int64_t n)              \
    {                                                                                                         \
        for (int64_t p = 0; p < k; p++)                                                                       \
            for (int64_t j = 0; j < n; j++) panel[p * J + j] = b[p * brs + j * bcs];                          \
    }                                                                                                         \
    static void add_row##BITS(U *REEL_RESTRICT c, int64_t n, int64_t k, const U *a, int64_t acs, const U *b,  \
                              int64_t ldb)                                                                    \
    {                                                                                                         \
        int64_t p = 0;                                                                                        \
        for (; p + 4 <= k; p += 4) {                                                                          \
            const U w = a[p * acs], x = a[(p + 1) * acs], y = a[(p + 2) * acs], z = a[(p + 3) * acs];         \
            const U *b0 = b + p * ldb, *b1 = b0 + ldb, *b2 = b1 + ldb, *b3 = b2 + ldb;                        \
            for (int64_t j = 0; j < n; j++) c[j] = (U)(c[j] + w * b0[j] + x * b1[j] + y * b2[j] + z * b3[j]); \
        }                                                                                                     \
        for (; p < k; p++)                                                                                    \
            for (int64_t j = 0; j < n; j++) c[j] = (U)(c[j] + a[p * acs] * b[p * ldb + j]);                   \
    }                                                                                                         \
    static void gemm##BITS(const reel_gemm_args *g, const void *av, const void *bv, void *cv)                 \
    {                                                                                                         \
        U panel[K * J];                                                                                       \
        const U *a = av, *b = bv;                                                                             \
        U *c = cv;                                                                                            \
        for (int64_t i = 0; i < g->m; i++)                                                                    \
            for (int64_t j = 0; j < g->n; j++) c[i * g->ldc + j] = 0;                                         \
        for (int64_t j = 0; j < g->n; j += J)                                                                 \
            for (int64_t p = 0; p < g->k; p += K) {                                                           \
                const int64_t n = g->n - j < J ? g->n - j : J, k = g->k - p < K ? g->k - p : K;               \
                const U *from = b + p * g->brs + j * g->bcs;                                                  \
                if (g->bcs != 1) pack##BITS(panel, from, g->brs, g->bcs, k, n);                               \
                for (int64_t i = 0; i < g->m; i++)                                                            \
                    add_row##BITS(c + i * g->ldc + j, n, k, a + i * g->ars + p * g->acs, g->acs,              \
                                  g->bcs != 1 ? panel : from, g->bcs != 1 ? J : g->brs);                      \
            }                                                                                                 \
    }                                                                                                         \
    static void dots##BITS(int64_t rows, int64_t k, const void *xv, int64_t ldx, const void *vv, void *yv)    \
    {                                                                                                         \
        const U *x = xv, *v = vv;                                                                             \
        U *y = yv;                                                                                            \
        for (int64_t i = 0; i < rows; i++, x += ldx) {                                                        \
            U s = 0;                                                                                          \
            for (int64_t p = 0; p < k; p++) s = (U)(s + x[p] * v[p]);                                         \
            y[i] = s;                                                                                         \
        }                                                                                                     \
    }
DEFINE(8, uint8_t)
DEFINE(32, uint32_t)
DEFINE(64, uint64_t)

const reel_gemm_int_table REEL_LEVELED(reel_gemm_int_levels) = {.gemm = {[1] = gemm8, [4] = gemm32, [8] = gemm64},
                                                                .dots = {[1] = dots8, [4] = dots32, [8] = dots64}};
