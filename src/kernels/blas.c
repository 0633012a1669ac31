/* blas.c: the only caller of OpenBLAS. */
#include "blas.h"

#ifdef REEL_HAVE_OPENBLAS
#include <cblas.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int threads_before;
static bool wide;

static void start(void)
{
    threads_before = openblas_get_num_threads();
    openblas_set_num_threads(1);
    const char *core = openblas_get_corename();
    wide = !strcmp(core, "SkylakeX") || !strcmp(core, "Cooperlake") || !strcmp(core, "Sapphirerapids");
}

bool reel_blas_has_(void)
{
    return true;
}

bool reel_blas_wide_(void)
{
    pthread_once(&once, start);
    return wide;
}

bool reel_blas_fits_(int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb, int64_t ldc)
{
    return m > 0 && n > 0 && k > 0 && m <= INT_MAX && n <= INT_MAX && k <= INT_MAX && lda <= INT_MAX &&
           ldb <= INT_MAX && ldc <= INT_MAX;
}

void reel_blas_gemm_(reel_dtype dtype, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                     const void *b, int64_t ldb, void *c, int64_t ldc)
{
    pthread_once(&once, start);
    const CBLAS_TRANSPOSE at = ta ? CblasTrans : CblasNoTrans, bt = tb ? CblasTrans : CblasNoTrans;
    if (dtype == REEL_F64)
        cblas_dgemm(CblasRowMajor, at, bt, (int)m, (int)n, (int)k, 1, a, (int)lda, b, (int)ldb, 0, c, (int)ldc);
    else
        cblas_sgemm(CblasRowMajor, at, bt, (int)m, (int)n, (int)k, 1, a, (int)lda, b, (int)ldb, 0, c, (int)ldc);
}

void reel_blas_restore_(void)
{
    pthread_once(&once, start);
    openblas_set_num_threads(threads_before);
}

#else
bool reel_blas_has_(void)
{
    return false;
}
bool reel_blas_wide_(void)
{
    return false;
}
bool reel_blas_fits_(int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb, int64_t ldc)
{
    (void)m, (void)n, (void)k, (void)lda, (void)ldb, (void)ldc;
    return false;
}
void reel_blas_gemm_(reel_dtype dtype, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                     const void *b, int64_t ldb, void *c, int64_t ldc)
{
    (void)dtype, (void)ta, (void)tb, (void)m, (void)n, (void)k, (void)a, (void)lda, (void)b, (void)ldb, (void)c,
        (void)ldc;
}
void reel_blas_restore_(void)
{
}
#endif
