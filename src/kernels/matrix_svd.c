/* matrix_svd.c: singular values by one-sided Jacobi (Hestenes): pairs of rows are rotated until all are orthogonal, in the
   order of de Rijk 1989; accurate also for small values (Demmel & Veselic 1992). */
#include "matrix.h"
#include <float.h>
#include <math.h>
#include <string.h>

enum { SWEEPS = 60 };

static void swap_rows(double *x, double *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const double t = x[i];
        x[i] = y[i];
        y[i] = t;
    }
}

/* Rows p < q made orthogonal, the longer one first. Returns whether they were not. s holds squared norms. */
static bool rotate_pair(const reel_matrix *d, int64_t r, int64_t c, double *g, double *s, double *z, int64_t p,
                        int64_t q, double least, double tol)
{
    double *x = g + p * c, *y = g + q * c;
    if (s[p] < s[q]) {
        const double t = s[p];
        s[p] = s[q], s[q] = t;
        swap_rows(x, y, c);
        if (z) swap_rows(z + p * r, z + q * r, r);
    }
    if (s[q] <= least) return false;
    const double dot = reel_matrix_dot_(d, c, x, y);
    if (fabs(dot) <= tol * sqrt(s[p]) * sqrt(s[q])) return false;
    const double zeta = (s[q] - s[p]) / (2 * dot), t = copysign(1, zeta) / (fabs(zeta) + hypot(1, zeta)),
                 cs = 1 / sqrt(1 + t * t), sn = cs * t;
    d->t->rotate(c, x, y, cs, sn);
    if (z) d->t->rotate(r, z + p * r, z + q * r, cs, sn);
    s[p] = reel_matrix_dot_(d, c, x, x);
    s[q] = reel_matrix_dot_(d, c, y, y);
    return true;
}

bool reel_matrix_svd_(const reel_matrix *d, int64_t r, int64_t c, double *g, double *s, double *z, int64_t *rank)
{
    const double tol = DBL_EPSILON * sqrt((double)c); /* what rounding leaves in a dot product */
    double top = 0;
    int e = 0;
    for (int64_t i = 0; i < r * c; i++) top = fmax(top, fabs(g[i]));
    (void)frexp(top, &e);
    const double scale = top > 0 ? ldexp(1, e) : 1; /* no square overflows */
    for (int64_t i = 0; i < r * c; i++) g[i] /= scale;
    if (z) {
        memset(z, 0, (size_t)(r * r) * sizeof *z);
        for (int64_t i = 0; i < r; i++) z[i * r + i] = 1;
    }
    bool moved = top > 0;
    for (int sweep = 0; moved; sweep++) {
        if (sweep == SWEEPS) return false;
        double most = 0;
        for (int64_t i = 0; i < r; i++) most = fmax(most, s[i] = reel_matrix_dot_(d, c, g + i * c, g + i * c));
        const double least = most * 0x1p-108; /* rows that short are rounding errors of the longest */
        moved = false;
        for (int64_t p = 0; p + 1 < r; p++)
            for (int64_t q = p + 1; q < r; q++) moved |= rotate_pair(d, r, c, g, s, z, p, q, least, tol);
    }
    if (top == 0)
        for (int64_t i = 0; i < r; i++) s[i] = 0;
    for (int64_t i = 0; i < r; i++) s[i] = sqrt(s[i]);
    for (int64_t i = 0; i + 1 < r; i++) { /* nearly sorted already */
        int64_t best = i;
        for (int64_t j = i + 1; j < r; j++)
            if (s[j] > s[best]) best = j;
        if (best == i) continue;
        const double t = s[i];
        s[i] = s[best], s[best] = t;
        swap_rows(g + i * c, g + best * c, c);
        if (z) swap_rows(z + i * r, z + best * r, r);
    }
    const double noise = r > 0 ? s[0] * DBL_EPSILON : 0;
    *rank = 0;
    for (int64_t i = 0; i < r; i++) {
        if (s[i] > noise) {
            *rank = i + 1;
            for (int64_t j = 0; j < c; j++) g[i * c + j] /= s[i];
        }
        s[i] *= scale;
    }
    return true;
}

void reel_matrix_complete_(const reel_matrix *d, int64_t rank, int64_t rows, int64_t c, double *v, double *work)
{
    if (rank >= rows) return;
    double *a = work, *q = a + c * (rank > 0 ? rank : 1), *tau = q + c * c, *tmp = tau + c;
    for (int64_t i = 0; i < c; i++)
        for (int64_t j = 0; j < rank; j++) a[i * rank + j] = v[j * c + i];
    reel_matrix_qr_(d, c, rank, a, tau, tmp);
    reel_matrix_q_(d, c, rank, c, a, tau, q, tmp);
    for (int64_t j = rank; j < rows; j++)
        for (int64_t i = 0; i < c; i++) v[j * c + i] = q[i * c + j];
}
