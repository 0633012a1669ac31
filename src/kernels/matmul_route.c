/* matmul_route.c: which library multiplies what, in which blocks: the one table of measured thresholds. */
#include "matmul.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static matmul_wish wish;

static void start(void)
{
    const char *s = getenv("REEL_MATMUL");
    if (!s) return;
    wish = !strcmp(s, "portable") ? MATMUL_WANT_PORTABLE
           : !strcmp(s, "blas")   ? MATMUL_WANT_BLAS
           : !strcmp(s, "onednn") ? MATMUL_WANT_ONEDNN
                                  : MATMUL_AUTO;
}
matmul_wish reel_matmul_wish_(void)
{
    pthread_once(&once, start);
    return wish;
}

/* Up to how many multiply-adds the portable product is fastest, by ISA level (baseline, v3, v4); and of floats where a is
   not transposed: with AVX2 it has up to 0.98 of the peak where OpenBLAS 0.3.21 has 0.85 and oneDNN 2.6 0.5 to 0.95 (EPYC). */
static const double portable_until[3] = {0, 2097152, 2097152}, portable_f32_until[3] = {0, 536870912, 2097152};

matmul_route reel_matmul_second_(reel_dtype compute)
{
    (void)compute;
    /* OpenBLAS, unless its vectors are narrower than ours */
    return reel_blas_has_() && (reel_level_() < 2 || reel_blas_wide_()) ? MATMUL_BLAS : MATMUL_PORTABLE;
}

matmul_route reel_matmul_choose_(matmul_wish w, reel_dtype compute, bool ta, int64_t m, int64_t n, int64_t k)
{
    const double *until = compute == REEL_F32 && !ta ? portable_f32_until : portable_until;
    if (w == MATMUL_WANT_PORTABLE) return MATMUL_PORTABLE;
    if (w == MATMUL_WANT_BLAS) return reel_blas_has_() ? MATMUL_BLAS : MATMUL_PORTABLE;
    if (w == MATMUL_WANT_ONEDNN) return compute == REEL_F64 ? MATMUL_PORTABLE : MATMUL_ONEDNN;
    if (compute != REEL_BF16 && (double)m * (double)n * (double)k <= until[reel_level_()]) return MATMUL_PORTABLE;
    /* with AVX2 OpenBLAS took 0.6 of the time of oneDNN's blocks at 1024 and 2048 (f32, EPYC without AVX-512) */
    const bool blas = compute == REEL_F64 || (compute == REEL_F32 && reel_level_() == 1 && reel_blas_has_());
    return blas ? reel_matmul_second_(compute) : MATMUL_ONEDNN;
}

/* Blocks of nearly equal size, a multiple of unit but the last. */
static int64_t divide(int64_t n, int64_t most, int64_t unit)
{
    if (n <= most) return n;
    const int64_t parts = (n + most - 1) / most, each = (n + parts - 1) / parts;
    return (each + unit - 1) / unit * unit;
}

void reel_matmul_blocks_(matmul_route route, int64_t m, int64_t n, int64_t k, int64_t *mb, int64_t *nb)
{
    if ((double)m * (double)n * (double)k < (double)MATMUL_SERIAL) {
        *mb = m, *nb = n;
        return;
    }
    *nb = divide(n, 256, 64);
    if (route != MATMUL_PORTABLE) { /* they pack the operands of each call */
        *mb = divide(m, n > 512 ? 512 : n > 256 ? 256 : 128, 16);
        return;
    }
    /* as few rows as are worth waking a thread for, but enough to read a panel of b for */
    const int64_t least = (double)m * (double)n * (double)k < (double)MATMUL_LARGE ? 32 : 64, most = 128,
                  rows = k < MATMUL_GRAIN ? MATMUL_GRAIN / (*nb * k) : 0;
    *mb = divide(m, rows < least ? least : rows > most ? most : rows, 8);
}
