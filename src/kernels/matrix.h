/* matrix.h: linear algebra on one matrix in double, row-major with leading dimension ld: the portable algorithms. Each runs on
   the calling thread and in the memory it is given. The same operations in the same order at every ISA level. */
#ifndef REEL_KERNELS_MATRIX_H
#define REEL_KERNELS_MATRIX_H
#include "core/compiler.h"
#include "gemm.h"
#include <stdbool.h>
#include <stdint.h>

/* The loops that take the time (level_matrix.c). */
typedef struct reel_matrix_table {
    void (*sub_scaled)(int64_t n, double a, const double *x, double *y);                     /* y -= a x */
    void (*sub_four)(int64_t n, const double a[4], const double *x, int64_t ldx, double *y); /* rows of x in turn */
    void (*sub)(int64_t n, const double *x, double *y);                                      /* y -= x */
    void (*rotate)(int64_t n, double *x, double *y, double c, double s);                     /* c x - s y, s x + c y */
} reel_matrix_table;
REEL_DECLARE_LEVELS(reel_matrix_table, reel_matrix_levels);

typedef struct reel_matrix {
    const reel_matrix_table *t;
    const reel_gemm_table *g;
} reel_matrix;
static inline reel_matrix reel_matrix_(void)
{
    return (reel_matrix){REEL_PICK(reel_matrix_levels), REEL_PICK(reel_gemm_levels)};
}
static inline double reel_matrix_dot_(const reel_matrix *d, int64_t n, const double *x, const double *y)
{
    double s = 0;
    if (n > 0) d->g->dots_f64(1, n, x, n, y, &s);
    return s;
}
/* c[m,n] -= a[m,k] b[k,n], b by its strides, in strips of rows through tmp of REEL_MATRIX_STRIP n. */
enum { REEL_MATRIX_BLOCK = 32, REEL_MATRIX_STRIP = 32 };
void reel_matrix_update_(const reel_matrix *d, int64_t m, int64_t n, int64_t k, const double *a, int64_t ars,
                         int64_t acs, const double *b, int64_t brs, int64_t bcs, double *c, int64_t ldc, double *tmp);

/* matrix_lu.c. tmp: REEL_MATRIX_STRIP max(n, columns of b). */
/* a = P^T L U in place, row i of the result from row perm[i]; returns 1 + the first zero pivot, or 0. *odd: of swaps. */
int64_t reel_matrix_lu_(const reel_matrix *d, int64_t m, int64_t n, double *a, int32_t *perm, bool *odd, double *tmp);
/* op(a) x = b in place of b[n,k]. Returns 1 + the first zero on the diagonal, or 0 (x is computed all the same). */
typedef struct reel_triangle {
    bool upper, unit, transposed;
} reel_triangle;
int64_t reel_matrix_trisolve_(const reel_matrix *d, reel_triangle how, int64_t n, int64_t k, const double *a,
                              int64_t lda, double *b, int64_t ldb, double *tmp);
/* The lower triangle of a becomes L with a = L L^T, zeros above it. Returns the order of the first leading minor that is
   not positive, or 0. */
int64_t reel_matrix_cholesky_(const reel_matrix *d, int64_t n, double *a, double *tmp);
/* out = the matrix of cofactors of a, det(a) a^-T where that exists; a is destroyed. perm: 2 n. */
void reel_matrix_cofactor_(const reel_matrix *d, int64_t n, double *a, double *out, int32_t *perm, double *tmp);

/* matrix_qr.c */
/* a[m,n] becomes R above Householder vectors; tau of min(m, n); tmp of max(m, n). */
void reel_matrix_qr_(const reel_matrix *d, int64_t m, int64_t n, double *a, double *tau, double *tmp);
/* q[m,c] from it, c from min(m, n) to m; R's diagonal becomes nonnegative, its lower part zero (rows beyond stay vectors). */
void reel_matrix_q_(const reel_matrix *d, int64_t m, int64_t n, int64_t c, double *a, const double *tau, double *q,
                    double *tmp);

/* matrix_eigh.c: eigenvalues ascending in w; row i of vt (NULL: not wanted) is the vector of w[i]. a, symmetric (both
   triangles), is destroyed. tmp: 3 n. false: no convergence. */
bool reel_matrix_eigh_(const reel_matrix *d, int64_t n, double *a, double *w, double *vt, double *tmp);

/* matrix_svd.c: rows of g[r,c], r <= c, become orthogonal: g = z^T diag(s) g'; s descending, z (NULL: not wanted) [r,r]. Rows
   beyond *rank are noise. false: no convergence. */
bool reel_matrix_svd_(const reel_matrix *d, int64_t r, int64_t c, double *g, double *s, double *z, int64_t *rank);
/* Rows from rank to `rows` of v[rows,c] completed to an orthonormal set. work: 2 c (c + 1). */
void reel_matrix_complete_(const reel_matrix *d, int64_t rank, int64_t rows, int64_t c, double *v, double *work);
#endif
