/* test_linalg.c: what the sweep cannot see of linear algebra: reconstruction and orthogonality over many sizes, hard
   matrices, published values, LAPACK against the portable algorithms, threads, gradients at multiple eigenvalues. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/lapack.h"
#include "kernels/matrix.h"
#include "reel/reel.h"
#include "tap.h"

static const int sizes[] = {0, 1, 2, 3, 4, 5, 7, 8, 13, 16, 31, 32, 33, 47, 64, 65, 97, 129, 200, 260};
enum { N_SIZES = sizeof sizes / sizeof *sizes };

static reel_tensor *transposed(reel_tensor *x)
{
    return reel_moveaxis(x, REEL_AXES(-1), REEL_AXES(-2));
}
static reel_tensor *random_matrix(reel_dtype d, int64_t batch, int64_t m, int64_t n)
{
    return reel_normal(d, batch ? REEL_SHAPE(batch, m, n) : REEL_SHAPE(m, n), 0, 1, NULL);
}
static reel_tensor *identity_like(reel_tensor *x)
{
    return reel_triu(reel_tril(reel_ones_like(x), 0), 0);
}
/* Largest |a - b|; 0 for empty ones; NaN counts as infinite. */
static double distance(reel_tensor *a, reel_tensor *b)
{
    const int64_t n = reel_shape_count(reel_shape_of(a));
    if (n == 0) return 0;
    double *x = calloc((size_t)n, sizeof *x), worst = 0;
    if (reel_read_f64(reel_sub(a, b), x, (size_t)n)) worst = INFINITY;
    for (int64_t i = 0; i < n; i++) worst = isnan(x[i]) ? INFINITY : fmax(worst, fabs(x[i]));
    free(x);
    return worst;
}
static double largest(reel_tensor *a)
{
    return distance(a, reel_zeros_like(a));
}
static double unit_of(reel_dtype d)
{
    return d == REEL_F64 ? 0x1p-52 : 0x1p-23;
}
static double orthogonality(reel_tensor *q)
{
    reel_tensor *g = reel_matmul(transposed(q), q);
    return distance(g, identity_like(g));
}

/* ---- every factorization gives its matrix back -------------------------------------------------------------- */
static double worst_of(reel_dtype d, int64_t batch, int64_t m, int64_t n, char *what, size_t room)
{
    REEL_SCOPED;
    reel_tensor *a = random_matrix(d, batch, m, n), *out[3];
    const double unit = unit_of(d), side = (double)(m > n ? m : n) + 1, scale = unit * (largest(a) + 1) * side;
    double worst = 0;
#define HOLDS(error, name)                                            \
    do {                                                              \
        const double e_ = (error) / scale;                            \
        if (e_ > worst) worst = e_, snprintf(what, room, "%s", name); \
    } while (0)
    if (reel_qr(a, false, out) == 0) {
        HOLDS(distance(reel_matmul(out[0], out[1]), a), "Q R");
        HOLDS(orthogonality(out[0]), "Q^T Q");
    }
    if (reel_qr(a, true, out) == 0) {
        HOLDS(distance(reel_matmul(out[0], out[1]), a), "complete Q R");
        HOLDS(orthogonality(out[0]), "complete Q^T Q");
        HOLDS(largest(reel_tril(out[1], -1)), "R is upper");
    }
    if (reel_svd(a, false, out) == 0) {
        HOLDS(distance(reel_matmul(reel_mul(out[0], reel_unsqueeze(out[1], REEL_AXES(-2))), out[2]), a), "U s Vh");
        HOLDS(orthogonality(out[0]), "U^T U");
        HOLDS(orthogonality(transposed(out[2])), "Vh Vh^T");
        HOLDS(distance(reel_svdvals(a), out[1]), "svdvals");
    }
    if (reel_svd(a, true, out) == 0) {
        HOLDS(orthogonality(out[0]), "full U^T U");
        HOLDS(orthogonality(transposed(out[2])), "full Vh Vh^T");
    }
    if (reel_lu(a, out) == 0) HOLDS(distance(reel_matmul(reel_matmul(out[0], out[1]), out[2]), a), "P L U");
    if (m > 0 && n > 0) { /* a y a = a */
        reel_tensor *y = reel_pinv(a, 0);
        HOLDS(distance(reel_matmul(reel_matmul(a, y), a), a) / 10 / (1 + largest(y)), "a pinv(a) a");
    }
    if (m == n) {
        reel_tensor *sym = reel_add(a, transposed(a)), *spd = reel_matmul(a, transposed(a)),
                    *b = random_matrix(d, batch, n, 3);
        spd = reel_add(spd, identity_like(spd));
        if (reel_eigh(sym, false, out) == 0) {
            reel_tensor *back =
                reel_matmul(reel_mul(out[1], reel_unsqueeze(out[0], REEL_AXES(-2))), transposed(out[1]));
            HOLDS(distance(back, sym), "V w V^T");
            HOLDS(orthogonality(out[1]), "V^T V");
            HOLDS(distance(reel_eigvalsh(sym, true), out[0]), "eigvalsh");
        }
        reel_tensor *l = reel_cholesky(spd, false), *r = reel_cholesky(spd, true);
        HOLDS(distance(reel_matmul(l, transposed(l)), spd) / (1 + side), "L L^T");
        HOLDS(distance(l, transposed(r)), "upper is lower's transpose");
        HOLDS(distance(reel_matmul(spd, reel_solve(spd, b)), b) / (1 + 4 * side), "a solve(a, b)");
        HOLDS(distance(reel_matmul(reel_inverse(spd), spd), identity_like(spd)) / (1 + 4 * side), "inverse(a) a");
        reel_tensor *x = reel_triangular_solve(l, b, NULL);
        x = reel_triangular_solve(l, x, REEL_OPTS(triangular_solve, .transposed = true));
        HOLDS(distance(x, reel_solve(spd, b)) * 10, "solve by Cholesky");
    }
    if (reel_status()) {
        reel_error e;
        reel_take_error(&e);
        snprintf(what, room, "%.150s", e.text);
        return INFINITY;
    }
    return worst;
}

static void test_reconstruct(void)
{
    char what[200];
    reel_seed(1);
    for (int d = REEL_F32; d <= REEL_F64; d++)
        for (int i = 0; i < N_SIZES; i++) {
            const int64_t n = sizes[i];
            const double e = worst_of((reel_dtype)d, n <= 33 ? 3 : 0, n, n, what, sizeof what);
            if (!TAP_OK(e <= 8, "%s square %lld: %.2f units a row", reel_dtype_name((reel_dtype)d), (long long)n, e))
                TAP_NOTE("%s", what);
        }
    for (int i = 1; i + 1 < N_SIZES; i += 2) {
        const double tall = worst_of(REEL_F64, i % 3, sizes[i + 1], sizes[i], what, sizeof what);
        if (!TAP_OK(tall <= 8, "tall %d by %d: %.2f", sizes[i + 1], sizes[i], tall)) TAP_NOTE("%s", what);
        const double wide = worst_of(REEL_F32, i % 3, sizes[i], 2 * sizes[i + 1], what, sizeof what);
        if (!TAP_OK(wide <= 8, "wide %d by %d: %.2f", sizes[i], 2 * sizes[i + 1], wide)) TAP_NOTE("%s", what);
    }
}

/* ---- hard matrices ------------------------------------------------------------------------------------------ */
static reel_tensor *hilbert(int64_t n)
{
    double *h = calloc((size_t)(n * n), sizeof *h);
    for (int64_t i = 0; i < n * n; i++) h[i] = 1.0 / (double)(i / n + i % n + 1);
    reel_tensor *t = reel_from_f64(REEL_SHAPE(n, n), h, (size_t)(n * n));
    free(h);
    return t;
}

static void svd_holds(const char *name, reel_tensor *a)
{
    REEL_SCOPED;
    reel_tensor *out[3];
    if (!TAP_OK(reel_svd(a, true, out) == 0, "%s: svd", name)) return;
    const double scale = 0x1p-52 * (largest(a) + 1e-300) * 400;
    TAP_OK(distance(reel_matmul(reel_mul(out[0], reel_unsqueeze(out[1], REEL_AXES(-2))), out[2]), a) <= scale,
           "%s: U s Vh is the matrix", name);
    TAP_OK(orthogonality(out[0]) < 1e-13 && orthogonality(transposed(out[2])) < 1e-13, "%s: orthogonal factors", name);
    TAP_OK(reel_eigh(reel_add(a, transposed(a)), false, out) == 0 && orthogonality(out[1]) < 1e-13, "%s: eigh", name);
    TAP_OK(reel_qr(a, false, out) == 0 && orthogonality(out[0]) < 1e-13 &&
               distance(reel_matmul(out[0], out[1]), a) <= scale,
           "%s: qr", name);
}

static void test_hard(void)
{
    REEL_SCOPED;
    reel_tensor *n20 = random_matrix(REEL_F64, 0, 20, 20), *col = random_matrix(REEL_F64, 0, 20, 1);
    svd_holds("Hilbert 12", hilbert(12));
    svd_holds("Hilbert 40", hilbert(40));
    svd_holds("zero", reel_zeros(REEL_F64, REEL_SHAPE(20, 20)));
    svd_holds("identity", reel_eye(REEL_F64, 20, 20));
    svd_holds("rank one", reel_matmul(col, transposed(col)));
    svd_holds("huge", reel_mul(n20, reel_num(1e300)));
    svd_holds("tiny", reel_mul(n20, reel_num(1e-300)));
    svd_holds("denormal", reel_mul(n20, reel_num(1e-310)));
    svd_holds("diagonal of powers", reel_mul(reel_eye(REEL_F64, 20, 20), reel_exp(reel_arange(REEL_F64, 0, 30, 1.5))));
    svd_holds("ones", reel_ones(REEL_F64, REEL_SHAPE(30, 30)));
}

/* ---- published values --------------------------------------------------------------------------------------- */
static bool near(reel_tensor *t, const double *want, int64_t n, double tol)
{
    double got[32];
    if (!t || reel_shape_count(reel_shape_of(t)) != n || reel_read_f64(t, got, (size_t)n)) return false;
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= tol * fmax(1, fabs(want[i])))) return false;
    return true;
}
#define NEAR(t, tol, ...) \
    near(t, (const double[]){__VA_ARGS__}, (int64_t)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), tol)
static reel_tensor *mat(int64_t m, int64_t n, const double *x)
{
    return reel_from_f64(REEL_SHAPE(m, n), x, (size_t)(m * n));
}
#define MAT(m, n, ...) mat(m, n, (const double[]){__VA_ARGS__})

static void test_published(void)
{
    REEL_SCOPED;
    reel_tensor *out[3];
    /* Wikipedia, "Cholesky decomposition" and "QR decomposition" */
    TAP_OK(
        NEAR(reel_cholesky(MAT(3, 3, 4, 12, -16, 12, 37, -43, -16, -43, 98), false), 1e-15, 2, 0, 0, 6, 1, 0, -8, 5, 3),
        "Cholesky of [4 12 -16; 12 37 -43; -16 -43 98]");
    reel_qr(MAT(3, 3, 12, -51, 4, 6, 167, -68, -4, 24, -41), false, out);
    TAP_OK(NEAR(out[1], 1e-14, 14, 21, -14, 0, 175, -70, 0, 0, 35), "R of [12 -51 4; 6 167 -68; -4 24 -41]");
    TAP_OK(
        NEAR(out[0], 1e-14, 6. / 7, -69. / 175, -58. / 175, 3. / 7, 158. / 175, 6. / 175, -2. / 7, 6. / 35, -33. / 35),
        "and Q");
    /* second differences: 2 - 2 cos(k pi / (n + 1)) */
    double second[25] = {0}, values[5];
    for (int i = 0; i < 5; i++) {
        second[i * 6] = 2;
        if (i < 4) second[i * 5 + i + 1] = second[(i + 1) * 5 + i] = -1;
        values[i] = 2 - 2 * cos((i + 1) * 3.14159265358979323846 / 6);
    }
    TAP_OK(near(reel_eigvalsh(mat(5, 5, second), false), values, 5, 1e-14), "eigenvalues of the second difference");
    TAP_OK(NEAR(reel_det(mat(5, 5, second)), 1e-14, 6), "its determinant is n + 1");
    /* determinants and an inverse of Hilbert matrices (OEIS A005249) */
    TAP_OK(NEAR(reel_det(hilbert(5)), 1e-10, 1 / 266716800000.0), "det Hilbert 5");
    TAP_OK(NEAR(reel_inverse(hilbert(3)), 1e-12, 9, -36, 30, -36, 192, -180, 30, -180, 180), "inverse Hilbert 3");
    reel_svd(MAT(4, 5, 1, 0, 0, 0, 2, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0), false, out);
    TAP_OK(NEAR(out[1], 1e-15, 3, sqrt(5), 2, 0), "singular values of Wikipedia's 4 by 5");
    TAP_OK(NEAR(reel_pinv(MAT(2, 2, 1, 0, 1, 0), 0), 1e-15, .5, .5, 0, 0), "pinv [1 0; 1 0]");
    TAP_OK(reel_item(reel_matrix_rank(hilbert(12), 0)) < 12 && reel_item(reel_matrix_rank(hilbert(6), 0)) == 6,
           "ranks");
    TAP_OK(NEAR(reel_lstsq(MAT(4, 2, 0, 1, 1, 1, 2, 1, 3, 1), MAT(4, 1, -1, .2, .9, 2.1), 0), 1e-14, 1, -0.95),
           "NumPy's lstsq example: a line through four points");
    reel_slogdet(reel_mul(reel_eye(REEL_F64, 500, 500), reel_num(0.1)), out);
    TAP_OK(NEAR(out[0], 0, 1) && NEAR(out[1], 1e-14, 500 * log(0.1)), "slogdet where det underflows");
    TAP_OK(NEAR(reel_det(MAT(2, 2, 1e200, 0, 0, 1e-200)), 1e-15, 1), "det whose factors would overflow");
    TAP_OK(NEAR(reel_matrix_power(MAT(2, 2, 1, 1, 1, 0), 30), 0, 1346269, 832040, 832040, 514229), "Fibonacci 30");
    TAP_OK(reel_status() == 0, "no error");
}

/* ---- LAPACK against the portable algorithms ------------------------------------------------------------------- */
static void fill(double *a, int64_t n, unsigned seed)
{
    for (int64_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        a[i] = (double)(seed >> 8) / 8388608.0 - 1;
    }
}
static double apart(const double *x, const double *y, int64_t n)
{
    double worst = 0;
    for (int64_t i = 0; i < n; i++) worst = fmax(worst, fabs(x[i] - y[i]));
    return worst;
}
static void against_lapack(int64_t m, int64_t n)
{
    const reel_matrix d = reel_matrix_();
    const int64_t s = m > n ? m : n, k = m < n ? m : n;
    double *a = calloc((size_t)(20 * s * s + 400 * s + 400), sizeof *a), *b = a + s * s, *x = b + s * s, *y = x + s * s,
           *w = y + s * s, *v = w + s, *tmp = v + s;
    int32_t *p = calloc((size_t)(2 * s), sizeof *p), *r = p + s;
    bool odd[2];
    fill(a, m * n, 7);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) b[j * m + i] = a[i * n + j];
    memcpy(x, b, (size_t)(m * n) * sizeof *x);
    reel_matrix_lu_(&d, m, n, a, p, &odd[0], tmp);
    reel_lapack_lu_(m, n, b, r, &odd[1], tmp);
    TAP_OK(apart(a, b, m * n) < 1e-11 && memcmp(p, r, (size_t)m * sizeof *p) == 0 && odd[0] == odd[1],
           "LU %lld by %lld is LAPACK's", (long long)m, (long long)n);
    fill(a, m * n, 7);
    reel_matrix_qr_(&d, m, n, a, w, tmp);
    reel_matrix_q_(&d, m, n, k, a, w, y, tmp);
    memcpy(b, x, (size_t)(m * n) * sizeof *x);
    reel_lapack_qr_(m, n, k, b, x, w, tmp);
    TAP_OK(apart(a, b, k * n) < 1e-12 * (double)s && apart(x, y, m * k) < 1e-10, "QR %lld by %lld is LAPACK's",
           (long long)m, (long long)n);
    fill(a, k * s, 7);
    fill(b, k * s, 7);
    int64_t rank;
    TAP_OK(reel_matrix_svd_(&d, k, s, a, w, NULL, &rank) && reel_lapack_svd_(k, s, 0, b, v, NULL, tmp) &&
               apart(w, v, k) < 1e-13 * (double)s,
           "singular values %lld by %lld are LAPACK's", (long long)m, (long long)n);
    if (m == n) {
        fill(x, n * n, 3);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++)
                a[i * n + j] = b[i * n + j] = x[i * n + j] + x[j * n + i] + (i == j) * 4.0 * (double)n;
        TAP_OK(reel_matrix_cholesky_(&d, n, a, tmp) == 0 && reel_lapack_cholesky_(n, b) == 0, "both factorize");
        double worst = 0;
        for (int64_t i = 0; i < n; i++) worst = fmax(worst, apart(a + i * n, b + i * n, i + 1));
        TAP_OK(worst < 1e-12 * (double)n, "Cholesky %lld is LAPACK's", (long long)n);
        for (int64_t i = 0; i < n * n; i++) a[i] = b[i] = x[i] + x[i % n * n + i / n];
        TAP_OK(reel_matrix_eigh_(&d, n, a, w, NULL, tmp) && reel_lapack_eigh_(n, b, v, NULL, tmp) &&
                   apart(w, v, n) < 1e-13 * (double)n,
               "eigenvalues %lld are LAPACK's", (long long)n);
    }
    free(a);
    free(p);
}
static void test_lapack(void)
{
    if (!reel_lapack_has_()) {
        TAP_OK(true, "no LAPACK in this build");
        return;
    }
    for (int i = 1; i < N_SIZES; i += 3)
        if (!tap_reduced || sizes[i] < 200) against_lapack(sizes[i], sizes[i]);
    against_lapack(150, 40);
    against_lapack(33, 90);
}

/* ---- threads, repeated values --------------------------------------------------------------------------------- */
static void test_threads(void)
{
    REEL_SCOPED;
    const int before = reel_threads();
    reel_tensor *a = random_matrix(REEL_F32, 300, 12, 12), *one[3], *two[3];
    reel_set_threads(1);
    reel_svd(a, false, one);
    reel_tensor *x = reel_inverse(a);
    reel_set_threads(2);
    reel_svd(a, false, two);
    TAP_OK(distance(one[0], two[0]) == 0 && distance(one[1], two[1]) == 0 && distance(one[2], two[2]) == 0,
           "svd: the same bits on one thread and two");
    TAP_OK(distance(x, reel_inverse(a)) == 0, "inverse: the same bits on one thread and two");
    reel_set_threads(before);
    /* the first of several that fail is named, whichever thread finds it */
    reel_tensor *bad = reel_concat(REEL_LIST(a, reel_zeros(REEL_F32, REEL_SHAPE(200, 12, 12))), 0);
    reel_error e;
    for (int i = 0; i < 20; i++) {
        TAP_OK(reel_inverse(bad) == NULL && reel_take_error(&e) == REEL_EARG && strstr(e.text, "a[300] is singular"),
               "the first singular matrix is named");
    }
}

static int trace_of_function(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *e[2];
    (void)self;
    /* sum of V exp(w) V^T times weights: well defined where eigenvalues coincide */
    reel_tensor *sym = reel_add(in[0], transposed(in[0]));
    if (reel_eigh(sym, false, e)) return reel_status();
    reel_tensor *f = reel_matmul(reel_mul(e[1], reel_unsqueeze(reel_square(e[0]), REEL_AXES(-2))), transposed(e[1]));
    out[0] = reel_sum(f);
    return reel_status();
}
static void test_gradients(void)
{
    REEL_SCOPED;
    reel_gradcheck_report r;
    reel_tensor *x = reel_add(random_matrix(REEL_F64, 0, 4, 4), reel_num(0));
    TAP_OK(reel_gradcheck(REEL_FN(trace_of_function, NULL, 1, 1), REEL_LIST(x), NULL, &r) == 0,
           "gradient of a function of the matrix");
    /* at the identity all eigenvalues are 2: f = (2 x)^2, df = 8 for every element */
    reel_tensor *eye = reel_eye(REEL_F64, 3, 3), *y, *dx;
    reel_tape *tape = reel_tape_begin(NULL);
    reel_watch(tape, REEL_LIST(eye));
    reel_tensor *e[2];
    reel_eigh(reel_add(eye, transposed(eye)), false, e);
    y = reel_sum(reel_square(e[0]));
    TAP_OK(reel_grad(tape, y, REEL_LIST(eye), &dx) == 0 && NEAR(dx, 1e-14, 8, 0, 0, 0, 8, 0, 0, 0, 8),
           "gradient through repeated eigenvalues");
    /* det at a singular matrix: cofactors */
    reel_tensor *sing = MAT(2, 2, 1, 2, 2, 4), *rank1 = MAT(3, 3, 1, 2, 3, 2, 4, 6, 3, 6, 9);
    tape = reel_tape_begin(NULL);
    reel_watch(tape, REEL_LIST(sing, rank1));
    reel_tensor *grads[2];
    y = reel_add(reel_det(sing), reel_det(rank1));
    TAP_OK(reel_grad(tape, y, REEL_LIST(sing, rank1), grads) == 0 && NEAR(grads[0], 1e-15, 4, -2, -2, 1) &&
               NEAR(grads[1], 1e-13, 0, 0, 0, 0, 0, 0, 0, 0, 0),
           "gradient of det where it is 0");
    /* svd: singular values of the identity */
    tape = reel_tape_begin(NULL);
    reel_watch(tape, REEL_LIST(eye));
    y = reel_sum(reel_svdvals(eye));
    TAP_OK(reel_grad(tape, y, REEL_LIST(eye), &dx) == 0 && NEAR(dx, 1e-14, 1, 0, 0, 0, 1, 0, 0, 0, 1),
           "gradient of the nuclear norm at the identity");
    reel_tensor *out[2];
    tape = reel_tape_begin(NULL);
    reel_tensor *tall = random_matrix(REEL_F64, 0, 3, 2);
    reel_watch(tape, REEL_LIST(tall));
    reel_qr(tall, true, out);
    y = reel_sum(out[0]);
    reel_error err;
    TAP_OK(reel_grad(tape, y, REEL_LIST(tall), &dx) != 0 && reel_take_error(&err) &&
               strstr(err.text, "complete Q of 3 by 2"),
           "the complete Q of a tall matrix has no gradient, and says so");
}

TAP_MAIN(test_reconstruct, test_hard, test_published, test_lapack, test_threads, test_gradients)
