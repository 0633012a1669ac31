/* matrix_lu.c: LU, triangular systems and Cholesky in blocks; the matrix of cofactors. */
#include "matrix.h"
#include <math.h>
#include <string.h>

void reel_matrix_update_(const reel_matrix *d, int64_t m, int64_t n, int64_t k, const double *a, int64_t ars,
                         int64_t acs, const double *b, int64_t brs, int64_t bcs, double *c, int64_t ldc, double *tmp)
{
    if (n <= 0 || k <= 0) return;
    for (int64_t i = 0; i < m; i += REEL_MATRIX_STRIP) {
        const int64_t rows = m - i < REEL_MATRIX_STRIP ? m - i : REEL_MATRIX_STRIP;
        const reel_gemm_args g = {rows, n, k, ars, acs, brs, bcs, n, NULL};
        d->g->f64(&g, a + i * ars, b, tmp);
        for (int64_t r = 0; r < rows; r++) d->t->sub(n, tmp + r * n, c + (i + r) * ldc);
    }
}

/* ---- LU ------------------------------------------------------------------------------------------------- */
static void swap_rows(double *x, double *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const double t = x[i];
        x[i] = y[i];
        y[i] = t;
    }
}

static int64_t largest_below(const double *a, int64_t ld, int64_t from, int64_t to, int64_t column)
{
    int64_t best = from;
    for (int64_t i = from + 1; i < to; i++)
        if (fabs(a[i * ld + column]) > fabs(a[best * ld + column])) best = i;
    return best;
}

int64_t reel_matrix_lu_(const reel_matrix *d, int64_t m, int64_t n, double *a, int32_t *perm, bool *odd, double *tmp)
{
    const int64_t k = m < n ? m : n;
    int64_t zero = 0;
    *odd = false;
    for (int64_t i = 0; i < m; i++) perm[i] = (int32_t)i;
    for (int64_t j0 = 0; j0 < k; j0 += REEL_MATRIX_BLOCK) {
        const int64_t j1 = k - j0 < REEL_MATRIX_BLOCK ? k : j0 + REEL_MATRIX_BLOCK;
        for (int64_t j = j0; j < j1; j++) {
            const int64_t p = largest_below(a, n, j, m, j);
            if (p != j) {
                swap_rows(a + j * n, a + p * n, n);
                const int32_t t = perm[j];
                perm[j] = perm[p], perm[p] = t;
                *odd = !*odd;
            }
            const double pivot = a[j * n + j];
            if (pivot == 0) {
                if (!zero) zero = j + 1;
                continue;
            }
            for (int64_t i = j + 1; i < m; i++) {
                const double l = a[i * n + j] /= pivot;
                if (l != 0) d->t->sub_scaled(j1 - j - 1, l, a + j * n + j + 1, a + i * n + j + 1);
            }
        }
        for (int64_t j = j0; j < j1; j++)
            for (int64_t i = j + 1; i < j1; i++) d->t->sub_scaled(n - j1, a[i * n + j], a + j * n + j1, a + i * n + j1);
        reel_matrix_update_(d, m - j1, n - j1, j1 - j0, a + j1 * n + j0, n, 1, a + j0 * n + j1, n, 1, a + j1 * n + j1,
                            n, tmp);
    }
    return zero;
}

/* ---- triangular systems --------------------------------------------------------------------------------- */
/* Rows from..to of x, which depend on each other only, from..to in the order of dependence. */
static void solve_block(const reel_matrix *d, bool forward, bool unit, int64_t from, int64_t to, int64_t k,
                        const double *a, int64_t ars, int64_t acs, double *x, int64_t ldx)
{
    for (int64_t s = 0; s < to - from; s++) {
        const int64_t i = forward ? from + s : to - 1 - s;
        double *xi = x + i * ldx;
        const double *row = a + i * ars;
        int64_t j = forward ? from : i + 1;
        const int64_t end = forward ? i : to;
        for (; j + 4 <= end; j += 4) {
            const double c[4] = {row[j * acs], row[(j + 1) * acs], row[(j + 2) * acs], row[(j + 3) * acs]};
            d->t->sub_four(k, c, x + j * ldx, ldx, xi);
        }
        for (; j < end; j++) d->t->sub_scaled(k, row[j * acs], x + j * ldx, xi);
        if (!unit)
            for (int64_t c = 0; c < k; c++) xi[c] /= row[i * acs];
    }
}

int64_t reel_matrix_trisolve_(const reel_matrix *d, reel_triangle how, int64_t n, int64_t k, const double *a,
                              int64_t lda, double *b, int64_t ldb, double *tmp)
{
    const bool forward = how.upper == how.transposed;
    const int64_t ars = how.transposed ? 1 : lda, acs = how.transposed ? lda : 1;
    int64_t zero = 0;
    for (int64_t i = 0; i < n && !how.unit && !zero; i++)
        if (a[i * (lda + 1)] == 0) zero = i + 1;
    const int64_t blocks = (n + REEL_MATRIX_BLOCK - 1) / REEL_MATRIX_BLOCK;
    for (int64_t s = 0; s < blocks; s++) {
        const int64_t from = (forward ? s : blocks - 1 - s) * REEL_MATRIX_BLOCK;
        const int64_t to = n - from < REEL_MATRIX_BLOCK ? n : from + REEL_MATRIX_BLOCK;
        if (forward)
            reel_matrix_update_(d, to - from, k, from, a + from * ars, ars, acs, b, ldb, 1, b + from * ldb, ldb, tmp);
        else
            reel_matrix_update_(d, to - from, k, n - to, a + from * ars + to * acs, ars, acs, b + to * ldb, ldb, 1,
                                b + from * ldb, ldb, tmp);
        solve_block(d, forward, how.unit, from, to, k, a, ars, acs, b, ldb);
    }
    return zero;
}

/* ---- Cholesky ------------------------------------------------------------------------------------------- */
int64_t reel_matrix_cholesky_(const reel_matrix *d, int64_t n, double *a, double *tmp)
{
    for (int64_t j0 = 0; j0 < n; j0 += REEL_MATRIX_BLOCK) {
        const int64_t j1 = n - j0 < REEL_MATRIX_BLOCK ? n : j0 + REEL_MATRIX_BLOCK;
        reel_matrix_update_(d, n - j0, j1 - j0, j0, a + j0 * n, n, 1, a + j0 * n, 1, n, a + j0 * n + j0, n, tmp);
        for (int64_t i = j0; i < n; i++) {
            double *row = a + i * n;
            for (int64_t j = j0; j < j1 && j <= i; j++) {
                const double *other = a + j * n;
                double s = row[j];
                for (int64_t p = j0; p < j; p++) s -= row[p] * other[p];
                if (i > j) {
                    row[j] = s / other[j];
                } else {
                    if (!(s > 0) || isinf(s)) return i + 1;
                    row[j] = sqrt(s);
                }
            }
        }
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i + 1; j < n; j++) a[i * n + j] = 0;
    return 0;
}

/* ---- cofactors ------------------------------------------------------------------------------------------ */
/* LU with both rows and columns exchanged, so that a zero pivot means a zero rest. Returns the sign of the exchanges. */
static double lu_complete(const reel_matrix *d, int64_t n, double *a, int32_t *rows, int32_t *cols)
{
    double sign = 1;
    for (int64_t i = 0; i < n; i++) rows[i] = cols[i] = (int32_t)i;
    for (int64_t j = 0; j < n; j++) {
        int64_t p = j, q = j;
        for (int64_t i = j; i < n; i++)
            for (int64_t c = j; c < n; c++)
                if (fabs(a[i * n + c]) > fabs(a[p * n + q])) p = i, q = c;
        if (p != j) {
            swap_rows(a + j * n, a + p * n, n);
            const int32_t t = rows[j];
            rows[j] = rows[p], rows[p] = t;
            sign = -sign;
        }
        if (q != j) {
            for (int64_t i = 0; i < n; i++) swap_rows(a + i * n + j, a + i * n + q, 1);
            const int32_t t = cols[j];
            cols[j] = cols[q], cols[q] = t;
            sign = -sign;
        }
        if (a[j * n + j] == 0) break;
        for (int64_t i = j + 1; i < n; i++) {
            a[i * n + j] /= a[j * n + j];
            d->t->sub_scaled(n - j - 1, a[i * n + j], a + j * n + j + 1, a + i * n + j + 1);
        }
    }
    return sign;
}

/* With rows p and columns q exchanged a = L U, so the adjugate is Q adj(U) L^-1 P times the sign. With u the last pivot and
   U = [V x; 0 u]: adj(U) = det(V) [u V^-1, -V^-1 x; 0, 1], which needs no division by u. */
void reel_matrix_cofactor_(const reel_matrix *d, int64_t n, double *a, double *out, int32_t *perm, double *tmp)
{
    double scale = lu_complete(d, n, a, perm, perm + n);
    double *adj = tmp; /* transposed: n by n, then the strip */
    memset(out, 0, (size_t)(n * n) * sizeof *out);
    for (int64_t i = 0; i + 1 < n; i++) scale *= a[i * n + i];
    if (n == 0 || scale == 0) return;
    const int64_t v = n - 1;
    const double u = a[v * n + v];
    memset(adj, 0, (size_t)(n * n) * sizeof *adj);
    for (int64_t i = 0; i < v; i++) {
        adj[i * n + i] = u;
        adj[i * n + v] = -a[i * n + v];
    }
    adj[v * n + v] = 1;
    reel_matrix_trisolve_(d, (reel_triangle){.upper = true}, v, n, a, n, adj, n, tmp + n * n);
    /* X L = adj(U): L^T X^T = adj(U)^T */
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i + 1; j < n; j++) swap_rows(adj + i * n + j, adj + j * n + i, 1);
    reel_matrix_trisolve_(d, (reel_triangle){.unit = true, .transposed = true}, n, n, a, n, adj, n, tmp + n * n);
    /* adjugate[q[i]][p[j]] = X[i][j] = adj[j][i]; cofactors are its transpose */
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < n; i++) out[perm[j] * n + perm[n + i]] = scale * adj[j * n + i];
}
