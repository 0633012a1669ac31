/* matrix_eigh.c: the symmetric eigenvalue problem: Householder tridiagonalisation, then implicit QL with Wilkinson's shift
   (Golub & Van Loan, Matrix Computations, 8.3; EISPACK's tred2 and tql2). Vectors are rows here, so that rotations run along
   memory. */
#include "matrix.h"
#include <float.h>
#include <math.h>
#include <string.h>

/* A power of two that brings the largest element near 1, so that no square overflows. */
static double scale_of(int64_t n, const double *a)
{
    double top = 0;
    int e;
    for (int64_t i = 0; i < n; i++) top = fmax(top, fabs(a[i]));
    if (top == 0) return 1;
    (void)frexp(top, &e);
    return ldexp(1, e);
}

/* a becomes tridiagonal with diagonal w and off[i] between i and i + 1; row k of a keeps the vector of reflection k from
   k + 1 on, tau[k] its factor. */
static void tridiagonal(const reel_matrix *d, int64_t n, double *a, double *w, double *off, double *tau)
{
    for (int64_t k = 0; k + 1 < n; k++) {
        double *v = a + k * n + k + 1, sum = 0, top = 0;
        const int64_t len = n - k - 1;
        tau[k] = 0;
        for (int64_t i = 1; i < len; i++) top = fmax(top, fabs(v[i]));
        if (top > 0) {
            top = fmax(top, fabs(v[0]));
            for (int64_t i = 0; i < len; i++) sum += v[i] / top * (v[i] / top);
            const double norm = top * sqrt(sum), alpha = v[0], beta = alpha > 0 ? -norm : norm;
            for (int64_t i = 1; i < len; i++) v[i] /= alpha - beta;
            v[0] = 1;
            tau[k] = (beta - alpha) / beta;
            off[k] = beta;
            /* p = tau B v, then B -= v q^T + q v^T with q = p - tau/2 (p.v) v */
            double *p = w + k + 1;
            d->g->dots_f64(len, len, a + (k + 1) * (n + 1), n, v, p);
            const double half = 0.5 * tau[k] * tau[k] * reel_matrix_dot_(d, len, p, v);
            for (int64_t i = 0; i < len; i++) p[i] = tau[k] * p[i] - half * v[i];
            for (int64_t i = 0; i < len; i++) {
                double *row = a + (k + 1 + i) * n + k + 1;
                d->t->sub_scaled(len, v[i], p, row);
                d->t->sub_scaled(len, p[i], v, row);
            }
        } else {
            off[k] = v[0];
        }
        w[k] = a[k * n + k];
    }
    w[n - 1] = a[n * n - 1];
}

/* Rows of vt: the transpose of the product of all reflections. */
static void accumulate(const reel_matrix *d, int64_t n, const double *a, const double *tau, double *vt)
{
    memset(vt, 0, (size_t)(n * n) * sizeof *vt);
    for (int64_t i = 0; i < n; i++) vt[i * n + i] = 1;
    for (int64_t k = n - 2; k >= 0; k--) {
        if (tau[k] == 0) continue;
        const double *v = a + k * n + k + 1;
        for (int64_t i = k + 1; i < n; i++) {
            double *row = vt + i * n + k + 1;
            d->t->sub_scaled(n - k - 1, tau[k] * reel_matrix_dot_(d, n - k - 1, row, v), v, row);
        }
    }
}

static bool implicit_ql(const reel_matrix *d, int64_t n, double *w, double *e, double *vt)
{
    for (int64_t l = 0; l < n; l++) {
        for (int sweep = 0;; sweep++) {
            int64_t m = l;
            while (m + 1 < n && fabs(e[m]) > DBL_EPSILON * (fabs(w[m]) + fabs(w[m + 1])) && fabs(e[m]) > DBL_MIN) m++;
            if (m == l) break;
            if (sweep == 60) return false;
            double g = (w[l + 1] - w[l]) / (2 * e[l]), r = hypot(g, 1), s = 1, c = 1, p = 0;
            g = w[m] - w[l] + e[l] / (g + copysign(r, g));
            int64_t i = m - 1;
            for (; i >= l; i--) {
                const double f = s * e[i], b = c * e[i];
                r = hypot(f, g);
                e[i + 1] = r;
                if (r == 0) { /* the matrix splits here */
                    w[i + 1] -= p;
                    e[m] = 0;
                    break;
                }
                s = f / r;
                c = g / r;
                g = w[i + 1] - p;
                r = (w[i] - g) * s + 2 * c * b;
                p = s * r;
                w[i + 1] = g + p;
                g = c * r - b;
                if (vt) d->t->rotate(n, vt + i * n, vt + (i + 1) * n, c, s);
            }
            if (r == 0 && i >= l) continue;
            w[l] -= p;
            e[l] = g;
            e[m] = 0;
        }
    }
    return true;
}

static void sort(int64_t n, double *w, double *vt)
{
    for (int64_t i = 0; i + 1 < n; i++) {
        int64_t least = i;
        for (int64_t j = i + 1; j < n; j++)
            if (w[j] < w[least]) least = j;
        if (least == i) continue;
        const double t = w[i];
        w[i] = w[least], w[least] = t;
        for (int64_t j = 0; vt && j < n; j++) {
            const double x = vt[i * n + j];
            vt[i * n + j] = vt[least * n + j], vt[least * n + j] = x;
        }
    }
}

bool reel_matrix_eigh_(const reel_matrix *d, int64_t n, double *a, double *w, double *vt, double *tmp)
{
    double *off = tmp, *tau = tmp + n + 1;
    if (n == 0) return true;
    const double scale = scale_of(n * n, a);
    for (int64_t i = 0; i < n * n; i++) a[i] /= scale;
    tridiagonal(d, n, a, w, off, tau);
    off[n - 1] = off[n] = 0;
    if (vt) accumulate(d, n, a, tau, vt);
    if (!implicit_ql(d, n, w, off, vt)) return false;
    sort(n, w, vt);
    for (int64_t i = 0; i < n; i++) w[i] *= scale;
    return true;
}
