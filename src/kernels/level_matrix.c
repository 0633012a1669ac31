/* level_matrix.c: the loops of the portable linear algebra. Elementwise: the same bits at every level. */
#include "matrix.h"

static void sub_scaled(int64_t n, double a, const double *REEL_RESTRICT x, double *REEL_RESTRICT y)
{
    for (int64_t i = 0; i < n; i++) y[i] -= a * x[i];
}
static void sub_four(int64_t n, const double a[4], const double *REEL_RESTRICT x, int64_t ldx, double *REEL_RESTRICT y)
{
    const double p = a[0], q = a[1], r = a[2], s = a[3];
    const double *x1 = x + ldx, *x2 = x1 + ldx, *x3 = x2 + ldx;
    for (int64_t i = 0; i < n; i++) y[i] = y[i] - p * x[i] - q * x1[i] - r * x2[i] - s * x3[i];
}
static void sub(int64_t n, const double *REEL_RESTRICT x, double *REEL_RESTRICT y)
{
    for (int64_t i = 0; i < n; i++) y[i] -= x[i];
}
static void rotate(int64_t n, double *REEL_RESTRICT x, double *REEL_RESTRICT y, double c, double s)
{
    for (int64_t i = 0; i < n; i++) {
        const double u = x[i], v = y[i];
        x[i] = c * u - s * v;
        y[i] = s * u + c * v;
    }
}
const reel_matrix_table REEL_LEVELED(reel_matrix_levels) = {sub_scaled, sub_four, sub, rotate};
