/* linalg_plain.h: linear algebra as it stands in the textbooks, in double, for references: nothing shared with src/. */
#ifndef REEL_TESTS_LINALG_PLAIN_H
#define REEL_TESTS_LINALG_PLAIN_H
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Gaussian elimination with row exchanges; a[n,n] and b[n,k] are destroyed, b becomes the solution. Returns det a. */
static inline double plain_solve(int64_t n, int64_t k, double *a, double *b)
{
    double det = 1;
    for (int64_t j = 0; j < n; j++) {
        int64_t p = j;
        for (int64_t i = j + 1; i < n; i++)
            if (fabs(a[i * n + j]) > fabs(a[p * n + j])) p = i;
        for (int64_t c = 0; c < n && p != j; c++) {
            const double t = a[j * n + c];
            a[j * n + c] = a[p * n + c], a[p * n + c] = t;
        }
        for (int64_t c = 0; c < k && p != j; c++) {
            const double t = b[j * k + c];
            b[j * k + c] = b[p * k + c], b[p * k + c] = t;
        }
        det *= p != j ? -a[j * n + j] : a[j * n + j];
        for (int64_t i = 0; i < n; i++) {
            if (i == j || a[j * n + j] == 0) continue;
            const double f = a[i * n + j] / a[j * n + j];
            for (int64_t c = j; c < n; c++) a[i * n + c] -= f * a[j * n + c];
            for (int64_t c = 0; c < k; c++) b[i * k + c] -= f * b[j * k + c];
        }
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < k; c++) b[i * k + c] /= a[i * n + i];
    return det;
}

/* Cyclic Jacobi: a[n,n] becomes diagonal, column j of v the vector of w[j]; ascending. */
static inline void plain_eigh(int64_t n, double *a, double *w, double *v)
{
    for (int64_t i = 0; i < n * n; i++) v[i] = i % (n + 1) == 0;
    for (int sweep = 0; sweep < 50; sweep++)
        for (int64_t p = 0; p < n; p++)
            for (int64_t q = p + 1; q < n; q++) {
                if (a[p * n + q] == 0) continue;
                const double theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]),
                             t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1)),
                             c = 1 / sqrt(t * t + 1), s = t * c;
                for (int64_t i = 0; i < n; i++) {
                    const double x = a[i * n + p], y = a[i * n + q];
                    a[i * n + p] = c * x - s * y, a[i * n + q] = s * x + c * y;
                }
                for (int64_t i = 0; i < n; i++) {
                    const double x = a[p * n + i], y = a[q * n + i];
                    a[p * n + i] = c * x - s * y, a[q * n + i] = s * x + c * y;
                }
                for (int64_t i = 0; i < n; i++) {
                    const double x = v[i * n + p], y = v[i * n + q];
                    v[i * n + p] = c * x - s * y, v[i * n + q] = s * x + c * y;
                }
            }
    for (int64_t i = 0; i < n; i++) w[i] = a[i * n + i];
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i + 1; j < n; j++) {
            if (w[j] >= w[i]) continue;
            double t = w[i];
            w[i] = w[j], w[j] = t;
            for (int64_t r = 0; r < n; r++) t = v[r * n + i], v[r * n + i] = v[r * n + j], v[r * n + j] = t;
        }
}

/* a[m,n] = u diag(s) v^T, u [m,k] and v [n,k]: rotates columns until orthogonal; descending. Of a wide matrix the transpose. */
static inline void plain_svd(int64_t m, int64_t n, const double *a, double *u, double *s, double *v)
{
    const bool wide = m < n;
    const int64_t r = wide ? n : m, k = wide ? m : n;
    double *x = wide ? v : u, *y = wide ? u : v; /* x [r,k] starts as the tall one of a and a^T; y [k,k] */
    for (int64_t i = 0; i < r; i++)
        for (int64_t j = 0; j < k; j++) x[i * k + j] = wide ? a[j * n + i] : a[i * n + j];
    for (int64_t i = 0; i < k * k; i++) y[i] = i % (k + 1) == 0;
    for (int sweep = 0; sweep < 40; sweep++)
        for (int64_t p = 0; p < k; p++)
            for (int64_t q = p + 1; q < k; q++) {
                double pp = 0, qq = 0, pq = 0;
                for (int64_t i = 0; i < r; i++) {
                    pp += x[i * k + p] * x[i * k + p];
                    qq += x[i * k + q] * x[i * k + q];
                    pq += x[i * k + p] * x[i * k + q];
                }
                if (fabs(pq) <= 1e-17 * sqrt(pp * qq)) continue;
                const double z = (qq - pp) / (2 * pq), t = (z < 0 ? -1 : 1) / (fabs(z) + sqrt(z * z + 1)),
                             c = 1 / sqrt(t * t + 1), d = t * c;
                for (int64_t i = 0; i < r + k; i++) {
                    double *row = i < r ? x + i * k : y + (i - r) * k;
                    const double g = row[p], h = row[q];
                    row[p] = c * g - d * h, row[q] = d * g + c * h;
                }
            }
    for (int64_t j = 0; j < k; j++) {
        s[j] = 0;
        for (int64_t i = 0; i < r; i++) s[j] += x[i * k + j] * x[i * k + j];
        s[j] = sqrt(s[j]);
        for (int64_t i = 0; i < r && s[j] > 0; i++) x[i * k + j] /= s[j];
    }
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = i + 1; j < k; j++) {
            if (s[j] <= s[i]) continue;
            double t = s[i];
            s[i] = s[j], s[j] = t;
            for (int64_t q = 0; q < r; q++) t = x[q * k + i], x[q * k + i] = x[q * k + j], x[q * k + j] = t;
            for (int64_t q = 0; q < k; q++) t = y[q * k + i], y[q * k + i] = y[q * k + j], y[q * k + j] = t;
        }
}
#endif
