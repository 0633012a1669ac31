/* blas.h: OpenBLAS, one thread a call. Compiled to "not there" without REEL_HAVE_OPENBLAS. */
#ifndef REEL_KERNELS_BLAS_H
#define REEL_KERNELS_BLAS_H
#include "reel/base.h"
#include <stdbool.h>
#include <stdint.h>

bool reel_blas_has_(void);
/* Are its kernels for this CPU as wide as the CPU's vectors? An OpenBLAS older than the CPU falls back to AVX2 ones. */
bool reel_blas_wide_(void);
/* Do all arguments fit its ints? (With a bad argument it would print and exit.) */
bool reel_blas_fits_(int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb, int64_t ldc);
/* c = a b for f32 and f64; ta: a is stored [k,m]; ld: row lengths as stored. The first call sets OpenBLAS to one
   thread, for the whole process: with more, the bits of a product depend on their number. */
void reel_blas_gemm_(reel_dtype dtype, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                     const void *b, int64_t ldb, void *c, int64_t ldc);
/* Gives OpenBLAS the number of threads back that it had before the first call. */
void reel_blas_restore_(void);
#endif
