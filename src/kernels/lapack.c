/* lapack.c: the only caller of LAPACK. Its routines are column-major: a row-major matrix is its transpose to them. */
#include "lapack.h"

/* Scratch memory, whether or not LAPACK is there: what the calls below take, and the portable algorithms. */
double reel_lapack_qr_scratch_(double m, double n, double c)
{
    const double k = m < n ? m : n;
    return m * c + k * n + 64 * (m + n + c) + 64;
}
double reel_lapack_eigh_scratch_(double n)
{
    return 2 * n * n + 16 * n + 16;
}
double reel_lapack_svd_scratch_(double r, double c)
{
    return c * c + 6 * r * r + 80 * (r + c) + 64;
}

#ifdef REEL_HAVE_LAPACK
#include "blas.h"
#include <math.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Fortran passes the lengths of character arguments last. */
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t);
void dgetrf_(const int *m, const int *n, double *a, const int *lda, int *pivots, int *info);
void dgeqrf_(const int *m, const int *n, double *a, const int *lda, double *tau, double *work, const int *lwork,
             int *info);
void dorgqr_(const int *m, const int *n, const int *k, double *a, const int *lda, const double *tau, double *work,
             const int *lwork, int *info);
void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work,
             const int *lwork, int *iwork, const int *liwork, int *info, size_t, size_t);
void dgesdd_(const char *jobz, const int *m, const int *n, double *a, const int *lda, double *s, double *u,
             const int *ldu, double *vt, const int *ldvt, double *work, const int *lwork, int *iwork, int *info,
             size_t);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool on;

static void start(void)
{
    const char *s = getenv("REEL_LAPACK");
    on = reel_blas_has_() && !(s && strcmp(s, "off") == 0);
    (void)reel_blas_wide_(); /* sets OpenBLAS to one thread */
}

bool reel_lapack_has_(void)
{
    pthread_once(&once, start);
    return on;
}

/* to[cols,rows] = from[rows,cols] transposed */
static void transpose(int64_t rows, int64_t cols, const double *from, double *to)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) to[j * rows + i] = from[i * cols + j];
}

int64_t reel_lapack_cholesky_(int64_t n, double *a)
{
    const int side = (int)n;
    int info = 0;
    dpotrf_("U", &side, a, &side, &info, 1); /* the upper triangle of the transpose */
    for (int64_t i = 0; info == 0 && i < n; i++)
        if (!(a[i * (n + 1)] > 0) || isinf(a[i * (n + 1)])) info = (int)i + 1; /* NaN passes OpenBLAS's test */
    return info;
}

int64_t reel_lapack_lu_(int64_t m, int64_t n, double *a, int32_t *perm, bool *odd, double *tmp)
{
    const int rows = (int)m, cols = (int)n, k = rows < cols ? rows : cols;
    int *pivots = (int *)(void *)(tmp + m * n), info = 0;
    dgetrf_(&rows, &cols, a, &rows, pivots, &info);
    memcpy(tmp, a, (size_t)(m * n) * sizeof *tmp);
    transpose(n, m, tmp, a);
    for (int64_t i = 0; i < m; i++) perm[i] = (int32_t)i;
    *odd = false;
    for (int i = 0; i < k; i++) {
        const int p = pivots[i] - 1;
        const int32_t t = perm[i];
        perm[i] = perm[p], perm[p] = t;
        *odd = *odd != (p != i);
    }
    return info;
}

void reel_lapack_qr_(int64_t m, int64_t n, int64_t c, double *a, double *q, double *tau, double *tmp)
{
    const int64_t k = m < n ? m : n;
    double *columns = tmp, *r = columns + m * c, *work = r + k * n;
    const int rows = (int)m, cols = (int)n, want = (int)c, least = (int)k, size = (int)(64 * (m + n + c));
    int info = 0;
    dgeqrf_(&rows, &cols, a, &rows, tau, work, &size, &info);
    memcpy(columns, a, (size_t)(m * k) * sizeof *columns);
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < n; j++) r[i * n + j] = j < i ? 0 : a[j * m + i];
    memcpy(a, r, (size_t)(k * n) * sizeof *a);
    dorgqr_(&rows, &want, &least, columns, &rows, tau, work, &size, &info);
    transpose(c, m, columns, q);
    for (int64_t i = 0; i < k; i++) {
        if (!(a[i * n + i] < 0)) continue;
        for (int64_t j = i; j < n; j++) a[i * n + j] = -a[i * n + j];
        for (int64_t j = 0; j < m; j++) q[j * c + i] = -q[j * c + i];
    }
}

bool reel_lapack_eigh_(int64_t n, double *a, double *w, double *vt, double *tmp)
{
    const int side = (int)n, size = (int)(2 * n * n + 6 * n + 1), ints = (int)(5 * n + 3);
    int info = 0;
    dsyevd_(vt ? "V" : "N", "L", &side, a, &side, w, tmp, &size, (int *)(void *)(tmp + size), &ints, &info, 1, 1);
    if (vt) memcpy(vt, a, (size_t)(n * n) * sizeof *vt);
    return info == 0;
}

/* g^T = u diag(s) v^T in columns, so the columns of u are the rows wanted, and z = v^T. */
bool reel_lapack_svd_(int64_t r, int64_t c, int64_t rows, double *g, double *s, double *z, double *tmp)
{
    double *u = tmp, *vt = u + rows * c, *ints = vt + r * r, *work = ints + 4 * r + 1;
    const int m = (int)c, n = (int)r, size = (int)(4 * r * r + 7 * r + c + 64 * (r + c));
    int info = 0;
    dgesdd_(rows == 0   ? "N"
            : rows == r ? "S"
                        : "A",
            &m, &n, g, &m, s, u, &m, vt, &n, work, &size, (int *)(void *)ints, &info, 1);
    if (rows) {
        memcpy(g, u, (size_t)(rows * c) * sizeof *g);
        transpose(r, r, vt, z);
    }
    return info == 0;
}

#else
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
#endif
