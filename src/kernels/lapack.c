/* lapack.c: the only caller of LAPACK. Its routines are column-major: a row-major matrix is its transpose to them. */
#include "lapack.h"

double reel_lapack_qr_scratch_(double m, double n, double c)
{
    return 2 * (m > n ? m : n) + m * c + 64 * (m + n + c);
}
double reel_lapack_eigh_scratch_(double n)
{
    return 2 * n * n + 16 * n + 16;
}
double reel_lapack_svd_scratch_(double r, double c)
{
    return c * c + 6 * r * r + 80 * c + 64 * r;
}

bool reel_lapack_has_(void)
{
    return false;
}
int64_t reel_lapack_cholesky_(int64_t n, double *a)
{
    (void)n, (void)a;
    return 1;
}
int64_t reel_lapack_lu_(int64_t m, int64_t n, double *a, int32_t *perm, bool *odd, double *tmp)
{
    (void)m, (void)n, (void)a, (void)perm, (void)odd, (void)tmp;
    return 1;
}
void reel_lapack_qr_(int64_t m, int64_t n, int64_t c, double *a, double *q, double *tau, double *tmp)
{
    (void)m, (void)n, (void)c, (void)a, (void)q, (void)tau, (void)tmp;
}
bool reel_lapack_eigh_(int64_t n, double *a, double *w, double *vt, double *tmp)
{
    (void)n, (void)a, (void)w, (void)vt, (void)tmp;
    return false;
}
bool reel_lapack_svd_(int64_t r, int64_t c, int64_t rows, double *g, double *s, double *z, double *tmp)
{
    (void)r, (void)c, (void)rows, (void)g, (void)s, (void)z, (void)tmp;
    return false;
}
