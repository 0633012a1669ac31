/* matrix_qr.c: Householder QR. */
#include "matrix.h"
#include <math.h>
#include <string.h>

/* The reflection that takes column x (length n, ldx apart) to (beta, 0 ...): x becomes beta, v1, v2 ... with v0 = 1. */
static double reflector(int64_t n, double *x, int64_t ldx)
{
    double top = 0, sum = 0;
    for (int64_t i = 1; i < n; i++) top = fmax(top, fabs(x[i * ldx]));
    for (int64_t i = 1; i < n; i++)
        if (isnan(x[i * ldx])) top = x[i * ldx];
    if (top == 0) return 0;
    top = fmax(top, fabs(x[0]));
    for (int64_t i = 0; i < n; i++) sum += x[i * ldx] / top * (x[i * ldx] / top);
    const double norm = top * sqrt(sum), alpha = x[0], beta = alpha > 0 ? -norm : norm;
    for (int64_t i = 1; i < n; i++) x[i * ldx] /= alpha - beta;
    x[0] = beta;
    return (beta - alpha) / beta;
}

/* c[n,k] -= tau v (v^T c), v[0] = 1 and the rest ldv apart. */
static void reflect(const reel_matrix *d, int64_t n, int64_t k, const double *v, int64_t ldv, double tau, double *c,
                    int64_t ldc, double *w)
{
    if (tau == 0 || k <= 0) return;
    for (int64_t j = 0; j < k; j++) w[j] = -c[j];
    for (int64_t i = 1; i < n; i++) d->t->sub_scaled(k, v[i * ldv], c + i * ldc, w); /* w = -v^T c */
    d->t->sub_scaled(k, -tau, w, c);
    for (int64_t i = 1; i < n; i++) d->t->sub_scaled(k, -tau * v[i * ldv], w, c + i * ldc);
}

void reel_matrix_qr_(const reel_matrix *d, int64_t m, int64_t n, double *a, double *tau, double *tmp)
{
    const int64_t k = m < n ? m : n;
    for (int64_t j = 0; j < k; j++) {
        double *x = a + j * n + j;
        tau[j] = reflector(m - j, x, n);
        reflect(d, m - j, n - j - 1, x, n, tau[j], x + 1, n, tmp);
    }
}

void reel_matrix_q_(const reel_matrix *d, int64_t m, int64_t n, int64_t c, double *a, const double *tau, double *q,
                    double *tmp)
{
    const int64_t k = m < n ? m : n;
    memset(q, 0, (size_t)(m * c) * sizeof *q);
    for (int64_t i = 0; i < c; i++) q[i * c + i] = 1;
    for (int64_t j = k - 1; j >= 0; j--) reflect(d, m - j, c - j, a + j * n + j, n, tau[j], q + j * c + j, c, tmp);
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = 0; j < i; j++) a[i * n + j] = 0;
        if (!(a[i * n + i] < 0)) continue;
        for (int64_t j = i; j < n; j++) a[i * n + j] = -a[i * n + j];
        for (int64_t r = 0; r < m; r++) q[r * c + i] = -q[r * c + i];
    }
}
