/* lapack.h: OpenBLAS's LAPACK in double, for matrices large enough that it is faster than matrix_*.c. Row-major as there; works
   in the caller's memory, single-threaded. Without it reel_lapack_has_ is false and the others are never called. */
#ifndef REEL_KERNELS_LAPACK_H
#define REEL_KERNELS_LAPACK_H
#include <stdbool.h>
#include <stdint.h>

bool reel_lapack_has_(void); /* REEL_LAPACK=off at the start of the process: false, for tests */
int64_t reel_lapack_cholesky_(int64_t n, double *a);
/* a arrives transposed and leaves as reel_matrix_lu_ leaves it; tmp of m n. */
int64_t reel_lapack_lu_(int64_t m, int64_t n, double *a, int32_t *perm, bool *odd, double *tmp);
/* a arrives transposed; as reel_matrix_q_ leaves it. */
void reel_lapack_qr_(int64_t m, int64_t n, int64_t c, double *a, double *q, double *tau, double *tmp);
bool reel_lapack_eigh_(int64_t n, double *a, double *w, double *vt, double *tmp);
/* g[r,c], r <= c, becomes `rows` (0: values only) orthonormal rows; z [r,r]. */
bool reel_lapack_svd_(int64_t r, int64_t c, int64_t rows, double *g, double *s, double *z, double *tmp);
/* Doubles of scratch memory, the portable algorithms' included. */
double reel_lapack_qr_scratch_(double m, double n, double c);
double reel_lapack_eigh_scratch_(double n);
double reel_lapack_svd_scratch_(double r, double c);
#endif
