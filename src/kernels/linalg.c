/* linalg.c: factorizations and what is made of them, for batches of matrices. A matrix is one piece of work for one thread, in
   scratch memory of the thread, in double: f32 is converted on the way in and rounded once on the way out. */
#include "core/device.h"
#include "core/dtype.h"
#include "core/shape.h"
#include "matrix.h"
#include "kernels.h"
#include "lapack.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "regions.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { GRAIN = 1 << 17 /* multiply-adds worth a thread */ };

typedef struct operand {
    reel_dtype dtype;
    int64_t rows, cols, rs, cs, batch[REEL_MAX_RANK];
} operand;

typedef struct linalg_plan linalg_plan;
typedef struct item {
    const linalg_plan *p;
    reel_matrix d;
    const char *in[2];
    char *out[3];
    double *work;
} item;
/* 0, or what went wrong: see explain() */
typedef int64_t run_item(const item *t);

struct linalg_plan {
    run_item *run;
    int op, n_in, n_out, batch_rank, regions;
    reel_attr_linalg attr;
    int64_t m, n, k, cols; /* rows and columns of a, the lesser, columns of b */
    int64_t batch_dims[REEL_MAX_RANK], batches, grain;
    operand in[2];
    reel_dtype out_dtype[3];
    int64_t out_count[3]; /* elements an item */
    size_t region;        /* bytes of scratch memory a thread */
    bool library;         /* LAPACK does it */
};

/* ---- in and out ----------------------------------------------------------------------------------------- */
static void load(const item *t, int i, double *to, bool transposed)
{
    const operand *o = &t->p->in[i];
    const int64_t rows = transposed ? o->cols : o->rows, cols = transposed ? o->rows : o->cols,
                  rs = transposed ? o->cs : o->rs, cs = transposed ? o->rs : o->cs;
    for (int64_t r = 0; r < rows; r++)
        reel_convert_(to + r * cols, REEL_F64, 1, t->in[i] + r * rs * (int64_t)reel_size_(o->dtype), o->dtype, cs,
                      cols);
}

/* rows x cols of from, with the strides rs and cs, to output j. */
static void store(const item *t, int j, const double *from, int64_t rows, int64_t cols, int64_t rs, int64_t cs)
{
    const reel_dtype d = t->p->out_dtype[j];
    for (int64_t r = 0; r < rows; r++)
        reel_convert_(t->out[j] + r * cols * (int64_t)reel_size_(d), d, 1, from + r * rs, REEL_F64, cs, cols);
}

static bool finite_all(const double *a, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(a[i])) return false;
    return true;
}

enum { NOT_FINITE = -1, NO_CONVERGENCE = -2 };

/* ---- triangles ------------------------------------------------------------------------------------------ */
static int64_t run_cholesky(const item *t)
{
    const linalg_plan *p = t->p;
    const int64_t n = p->n;
    double *a = t->work;
    load(t, 0, a, p->attr.upper != 0);
    const int64_t bad = p->library ? reel_lapack_cholesky_(n, a) : reel_matrix_cholesky_(&t->d, n, a, a + n * n);
    if (bad) return bad;
    if (p->library)
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = i + 1; j < n; j++) a[i * n + j] = 0;
    store(t, 0, a, n, n, p->attr.upper ? 1 : n, p->attr.upper ? n : 1);
    return 0;
}

static int64_t run_triangular_solve(const item *t)
{
    const linalg_plan *p = t->p;
    const int64_t n = p->n;
    double *a = t->work, *b = a + n * n;
    const reel_triangle how = {p->attr.upper != 0, p->attr.unit != 0, p->attr.transposed != 0};
    load(t, 0, a, false);
    load(t, 1, b, false);
    const int64_t bad = reel_matrix_trisolve_(&t->d, how, n, p->cols, a, n, b, p->cols, b + n * p->cols);
    if (bad) return bad;
    store(t, 0, b, n, p->cols, p->cols, 1);
    return 0;
}

/* ---- LU ------------------------------------------------------------------------------------------------- */
typedef struct factors {
    double *a, *rest; /* the factors; what is left of the scratch memory */
    int32_t *perm;
    bool odd;
    int64_t zero;
} factors;

static factors factorize(const item *t)
{
    const linalg_plan *p = t->p;
    factors f = {.a = t->work};
    double *tmp = f.a + p->m * p->n;
    f.perm = (int32_t *)(void *)tmp;
    f.rest = tmp + (p->m + 1) / 2 + 1;
    load(t, 0, f.a, p->library);
    f.zero = p->library ? reel_lapack_lu_(p->m, p->n, f.a, f.perm, &f.odd, f.rest)
                        : reel_matrix_lu_(&t->d, p->m, p->n, f.a, f.perm, &f.odd, f.rest);
    return f;
}

static int64_t run_lu_factor(const item *t)
{
    const linalg_plan *p = t->p;
    const factors f = factorize(t);
    store(t, 0, f.a, p->m, p->n, p->n, 1);
    memcpy(t->out[1], f.perm, (size_t)p->m * sizeof *f.perm);
    return 0;
}

static int64_t run_lu(const item *t)
{
    const linalg_plan *p = t->p;
    const int64_t m = p->m, n = p->n, k = p->k;
    const factors f = factorize(t);
    double *out = f.rest;
    memset(out, 0, (size_t)(m * m) * sizeof *out);
    for (int64_t i = 0; i < m; i++) out[f.perm[i] * m + i] = 1;
    store(t, 0, out, m, m, m, 1);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < k; j++) out[i * k + j] = i > j ? f.a[i * n + j] : i == j;
    store(t, 1, out, m, k, k, 1);
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < i; j++) f.a[i * n + j] = 0;
    store(t, 2, f.a, k, n, n, 1);
    return 0;
}

static void solve_with(const item *t, const factors *f, double *x, int64_t cols, double *tmp)
{
    const int64_t n = t->p->n;
    reel_matrix_trisolve_(&t->d, (reel_triangle){.unit = true}, n, cols, f->a, n, x, cols, tmp);
    reel_matrix_trisolve_(&t->d, (reel_triangle){.upper = true}, n, cols, f->a, n, x, cols, tmp);
}

static int64_t run_solve(const item *t)
{
    const linalg_plan *p = t->p;
    const int64_t n = p->n, cols = p->cols;
    const factors f = factorize(t);
    if (f.zero) return f.zero;
    double *b = f.rest, *x = b + n * cols;
    load(t, 1, b, false);
    for (int64_t i = 0; i < n; i++) memcpy(x + i * cols, b + f.perm[i] * cols, (size_t)cols * sizeof *x);
    solve_with(t, &f, x, cols, x + n * cols);
    store(t, 0, x, n, cols, cols, 1);
    return 0;
}

static int64_t run_inverse(const item *t)
{
    const int64_t n = t->p->n;
    const factors f = factorize(t);
    if (f.zero) return f.zero;
    double *x = f.rest;
    memset(x, 0, (size_t)(n * n) * sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i * n + f.perm[i]] = 1;
    solve_with(t, &f, x, n, x + n * n);
    store(t, 0, x, n, n, n, 1);
    return 0;
}

/* The determinant as fraction 2^exponent, so that no product overflows on the way. */
static double determinant(const item *t, int64_t *exponent)
{
    const int64_t n = t->p->n;
    const factors f = factorize(t);
    double fraction = f.odd ? -1 : 1;
    *exponent = 0;
    for (int64_t i = 0; i < n; i++) {
        int e = 0;
        fraction = frexp(fraction * f.a[i * n + i], &e);
        if (isfinite(fraction) && fraction != 0) *exponent += e;
    }
    return fraction;
}

static int64_t run_det(const item *t)
{
    int64_t e;
    const double fraction = determinant(t, &e);
    const double det = ldexp(fraction, e > 4096 ? 4096 : e < -4096 ? -4096 : (int)e);
    store(t, 0, &det, 1, 1, 1, 1);
    return 0;
}

static int64_t run_slogdet(const item *t)
{
    int64_t e;
    const double fraction = determinant(t, &e);
    const double sign = fraction > 0 ? 1 : fraction < 0 ? -1 : fraction;
    const double size = log(fabs(fraction)) + (double)e * 0.693147180559945309417;
    store(t, 0, &sign, 1, 1, 1, 1);
    store(t, 1, &size, 1, 1, 1, 1);
    return 0;
}

static int64_t run_cofactor(const item *t)
{
    const int64_t n = t->p->n;
    double *a = t->work, *out = a + n * n, *rest = out + n * n;
    load(t, 0, a, false);
    reel_matrix_cofactor_(&t->d, n, a, out, (int32_t *)(void *)rest, rest + n + 1);
    store(t, 0, out, n, n, n, 1);
    return 0;
}

/* ---- orthogonal factors --------------------------------------------------------------------------------- */
static int64_t run_qr(const item *t)
{
    const linalg_plan *p = t->p;
    const int64_t m = p->m, n = p->n, k = p->k, c = p->attr.full ? m : k;
    double *a = t->work, *q = a + m * n, *tau = q + m * c, *tmp = tau + k;
    load(t, 0, a, p->library);
    if (p->library) {
        reel_lapack_qr_(m, n, c, a, q, tau, tmp);
    } else {
        reel_matrix_qr_(&t->d, m, n, a, tau, tmp);
        reel_matrix_q_(&t->d, m, n, c, a, tau, q, tmp);
    }
    for (int64_t i = k; i < c; i++) memset(a + i * n, 0, (size_t)n * sizeof *a);
    store(t, 0, q, m, c, c, 1);
    store(t, 1, a, c, n, n, 1);
    return 0;
}

static int64_t run_eigh(const item *t)
{
    const linalg_plan *p = t->p;
    const int64_t n = p->n;
    const bool vectors = p->n_out == 2;
    double *a = t->work, *w = a + n * n, *vt = w + n, *tmp = vectors ? vt + n * n : vt;
    load(t, 0, a, p->attr.upper != 0); /* the lower triangle counts */
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i + 1; j < n; j++) a[i * n + j] = a[j * n + i];
    if (!finite_all(a, n * n)) return NOT_FINITE;
    const bool found = p->library ? reel_lapack_eigh_(n, a, w, vectors ? vt : NULL, tmp)
                                  : reel_matrix_eigh_(&t->d, n, a, w, vectors ? vt : NULL, tmp);
    if (!found) return NO_CONVERGENCE;
    store(t, 0, w, 1, n, n, 1);
    if (vectors) store(t, 1, vt, n, n, 1, n);
    return 0;
}

/* a (m <= n) or its transpose as z^T diag(s) g: z is k by k; g is k by the longer side, `rows` of them orthonormal. */
typedef struct values {
    double *g, *s, *z;
} values;

static int64_t decompose(const item *t, bool vectors, int64_t rows, values *v)
{
    const linalg_plan *p = t->p;
    const int64_t k = p->k, c = p->m > p->n ? p->m : p->n;
    int64_t rank = 0;
    v->g = t->work;
    v->s = v->g + c * (rows > k ? rows : k);
    v->z = v->s + k;
    double *tmp = v->z + (vectors ? k * k : 0);
    load(t, 0, v->g, p->m > p->n);
    if (!finite_all(v->g, k * c)) return NOT_FINITE;
    if (p->library) return reel_lapack_svd_(k, c, vectors ? rows : 0, v->g, v->s, v->z, tmp) ? 0 : NO_CONVERGENCE;
    if (!reel_matrix_svd_(&t->d, k, c, v->g, v->s, vectors ? v->z : NULL, &rank)) return NO_CONVERGENCE;
    if (vectors) reel_matrix_complete_(&t->d, rank, rows, c, v->g, tmp);
    return 0;
}

static int64_t run_svd(const item *t)
{
    const linalg_plan *p = t->p;
    const int64_t m = p->m, n = p->n, k = p->k, c = m > n ? m : n, rows = p->attr.full ? c : k;
    values v;
    const int64_t bad = decompose(t, true, rows, &v);
    if (bad) return bad;
    store(t, 1, v.s, 1, k, k, 1);
    if (m > n) {
        store(t, 0, v.g, m, rows, 1, c);
        store(t, 2, v.z, n, n, n, 1);
    } else {
        store(t, 0, v.z, m, m, 1, m);
        store(t, 2, v.g, rows, n, n, 1);
    }
    return 0;
}

static int64_t run_svdvals(const item *t)
{
    values v;
    const int64_t bad = decompose(t, false, 0, &v);
    if (bad) return bad;
    store(t, 0, v.s, 1, t->p->k, t->p->k, 1);
    return 0;
}

/* Singular values up to this count as zero. */
static double cutoff(const linalg_plan *p, const double *s)
{
    const double unit = p->in[0].dtype == REEL_F64 ? 0x1p-52 : 0x1p-23;
    const double tol =
        p->attr.tol == 0 && !signbit(p->attr.tol) ? unit * (double)(p->m > p->n ? p->m : p->n) : p->attr.tol;
    return p->k ? tol * s[0] : 0;
}

static int64_t run_pinv(const item *t)
{
    const linalg_plan *p = t->p;
    const int64_t m = p->m, n = p->n, k = p->k;
    values v;
    const int64_t bad = decompose(t, true, k, &v);
    if (bad) return bad;
    const double *left = m > n ? v.z : v.g, *right = m > n ? v.g : v.z, least = cutoff(p, v.s);
    double *out = v.z + k * k;
    memset(out, 0, (size_t)(n * m) * sizeof *out);
    for (int64_t i = 0; i < k && v.s[i] > least; i++)
        for (int64_t r = 0; r < n; r++) t->d.t->sub_scaled(m, -left[i * n + r] / v.s[i], right + i * m, out + r * m);
    store(t, 0, out, n, m, m, 1);
    return 0;
}

static int64_t run_matrix_rank(const item *t)
{
    values v;
    const int64_t bad = decompose(t, false, 0, &v);
    if (bad) return bad;
    const double least = cutoff(t->p, v.s);
    int64_t rank = 0;
    while (rank < t->p->k && v.s[rank] > least) rank++;
    memcpy(t->out[0], &rank, sizeof rank);
    return 0;
}

/* ---- the plan ------------------------------------------------------------------------------------------- */
typedef struct routine {
    run_item *run;
    double work;                                                            /* multiply-adds over m n k */
    double (*scratch)(double m, double n, double k, double cols, double c); /* doubles; c: columns of Q or rows of V */
    int64_t library_from; /* k from which LAPACK measured faster; 0: never */
} routine;

enum { STRIP = REEL_MATRIX_STRIP };
#define MAX2(a, b) ((a) > (b) ? (a) : (b))
static double scratch_square(double m, double n, double k, double cols, double c)
{
    (void)k, (void)c;
    return 3 * MAX2(m, n) * (MAX2(m, n) + 2) + m * m + STRIP * MAX2(MAX2(m, n), cols) + 2 * n * cols + m + 16;
}
static double scratch_qr(double m, double n, double k, double cols, double c)
{
    (void)cols;
    return m * n + m * c + k + reel_lapack_qr_scratch_(m, n, c) + 16;
}
static double scratch_eigh(double m, double n, double k, double cols, double c)
{
    (void)m, (void)k, (void)cols, (void)c;
    return 2 * n * n + n + reel_lapack_eigh_scratch_(n) + 16;
}
static double scratch_svd(double m, double n, double k, double cols, double c)
{
    const double side = MAX2(m, n);
    (void)cols, (void)c;
    return side * side + k + k * k + MAX2(2 * side * (side + 1) + m * n, reel_lapack_svd_scratch_(k, side)) + 16;
}
static double scratch_values(double m, double n, double k, double cols, double c)
{
    const double side = MAX2(m, n);
    (void)cols, (void)c;
    return k * side + k + reel_lapack_svd_scratch_(k, side) + 16;
}

static const routine routines[REEL_N_OPS] = {
    [REEL_OP_cholesky] = {run_cholesky, 0.4, scratch_square, 192},
    [REEL_OP_triangular_solve] = {run_triangular_solve, 0.5, scratch_square, 0},
    [REEL_OP_lu_factor] = {run_lu_factor, 0.7, scratch_square, 512},
    [REEL_OP_lu] = {run_lu, 0.7, scratch_square, 512},
    [REEL_OP_solve] = {run_solve, 1.7, scratch_square, 512},
    [REEL_OP_inverse] = {run_inverse, 2, scratch_square, 512},
    [REEL_OP_det] = {run_det, 0.7, scratch_square, 512},
    [REEL_OP_slogdet] = {run_slogdet, 0.7, scratch_square, 512},
    [REEL_OP_cofactor] = {run_cofactor, 3, scratch_square, 0},
    [REEL_OP_qr] = {run_qr, 3, scratch_qr, 192},
    [REEL_OP_eigh] = {run_eigh, 9, scratch_eigh, 192},
    [REEL_OP_eigvalsh] = {run_eigh, 2, scratch_eigh, 192},
    [REEL_OP_svd] = {run_svd, 40, scratch_svd, 16},
    [REEL_OP_svdvals] = {run_svdvals, 20, scratch_values, 12},
    [REEL_OP_pinv] = {run_pinv, 40, scratch_svd, 16},
    [REEL_OP_matrix_rank] = {run_matrix_rank, 20, scratch_values, 12},
};

static void operand_plan(operand *o, const reel_kview *v, int batch_rank)
{
    const int lead = batch_rank - (v->rank - 2);
    *o = (operand){.dtype = v->dtype,
                   .rows = v->dims[v->rank - 2],
                   .cols = v->dims[v->rank - 1],
                   .rs = v->strides[v->rank - 2],
                   .cs = v->strides[v->rank - 1]};
    for (int i = lead; i < batch_rank; i++) o->batch[i] = v->dims[i - lead] == 1 ? 0 : v->strides[i - lead];
}

static int linalg_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_kview *a = &sig->in[0];
    const routine *r = &routines[sig->op->id];
    linalg_plan *p = plan;
    size_t at;
    memset(p, 0, sizeof *p);
    p->run = r->run;
    p->op = sig->op->id;
    p->attr = *(const reel_attr_linalg *)sig->attr;
    p->n_in = sig->n_in;
    p->n_out = sig->n_out;
    p->batch_rank = a->rank - 2;
    for (int i = 1; i < sig->n_in; i++)
        if (sig->in[i].rank - 2 > p->batch_rank) p->batch_rank = sig->in[i].rank - 2;
    for (int i = 0; i < sig->n_in; i++) operand_plan(&p->in[i], &sig->in[i], p->batch_rank);
    p->m = p->in[0].rows;
    p->n = p->in[0].cols;
    p->k = p->m < p->n ? p->m : p->n;
    p->cols = sig->n_in > 1 ? p->in[1].cols : 0;
    p->batches = 1;
    for (int i = 0; i < p->batch_rank; i++) {
        int64_t dim = 1;
        for (int j = 0; j < sig->n_in; j++) {
            const int lead = p->batch_rank - (sig->in[j].rank - 2);
            if (i >= lead && sig->in[j].dims[i - lead] != 1) dim = sig->in[j].dims[i - lead];
        }
        p->batch_dims[i] = dim;
        p->batches *= dim;
    }
    for (int j = 0; j < sig->n_out; j++) {
        p->out_dtype[j] = sig->out[j].dtype;
        p->out_count[j] = 1;
        for (int i = p->batch_rank; i < sig->out[j].rank; i++) p->out_count[j] *= sig->out[j].dims[i];
    }
    const double m = (double)p->m, n = (double)p->n, k = (double)p->k;
    const double doubles = r->scratch(m, n, k, (double)p->cols, p->attr.full ? MAX2(m, k) : k);
    if (p->batches == 0) return 0;
    if (doubles > 0x1p50 || MAX2(m, n) > 0x1p30)
        return reel_fail(REEL_ESHAPE, "the scratch memory for a %lld by %lld matrix would not fit", (long long)p->m,
                         (long long)p->n);
    p->library =
        r->library_from && p->k >= r->library_from && doubles < 0x1p31 && reel_lapack_has_(); /* 32-bit sizes */
    const double work = r->work * m * n * MAX2(k, (double)p->cols) + 1;
    p->grain = work >= GRAIN ? 1 : (int64_t)(GRAIN / work);
    p->regions = reel_regions_plan_((p->batches + p->grain - 1) / p->grain);
    p->region = ((size_t)doubles * sizeof(double) + 63) & ~(size_t)63;
    return reel_reserve_(workspace, p->regions, p->region, &at);
}

/* ---- run ------------------------------------------------------------------------------------------------ */
typedef struct job {
    const linalg_plan *p;
    void *const *ptr;
    reel_regions regions;
    _Atomic uint64_t failed; /* the first matrix that failed, and how: the least of number 2^20 + reason */
} job;
enum { REASON_BITS = 20, REASON_ZERO = 4 };

static void note(job *j, int64_t batch, int64_t reason)
{
    const uint64_t limit = (1 << REASON_BITS) - 1, shifted = (uint64_t)(reason + REASON_ZERO);
    const uint64_t what = (uint64_t)batch << REASON_BITS | (shifted < limit ? shifted : limit);
    uint64_t old = atomic_load(&j->failed);
    while (what < old && !atomic_compare_exchange_weak(&j->failed, &old, what)) continue;
}

static void body(void *arg, int64_t begin, int64_t end)
{
    job *j = arg;
    const linalg_plan *p = j->p;
    int region;
    item t = {.p = p, .d = reel_matrix_()};
    t.work = (double *)(void *)reel_region_take_(&j->regions, &region);
    for (int64_t b = begin; b < end; b++) {
        int64_t off[2] = {0, 0}, rest = b;
        for (int i = p->batch_rank - 1; i >= 0; i--) {
            for (int k = 0; k < p->n_in; k++) off[k] += rest % p->batch_dims[i] * p->in[k].batch[i];
            rest /= p->batch_dims[i];
        }
        for (int k = 0; k < p->n_in; k++)
            t.in[k] = (const char *)j->ptr[k] + off[k] * (int64_t)reel_size_(p->in[k].dtype);
        for (int k = 0; k < p->n_out; k++)
            t.out[k] = (char *)j->ptr[p->n_in + k] + b * p->out_count[k] * (int64_t)reel_size_(p->out_dtype[k]);
        const int64_t bad = p->run(&t);
        if (bad) note(j, b, bad);
    }
    reel_region_give_(&j->regions, region);
}

static REEL_COLD int explain(const linalg_plan *p, uint64_t failed)
{
    const int64_t reason = (int64_t)(failed & ((1 << REASON_BITS) - 1)) - REASON_ZERO;
    int64_t batch = (int64_t)(failed >> REASON_BITS), at[REEL_MAX_RANK];
    char name[160] = "a";
    int n = 1;
    for (int i = p->batch_rank - 1; i >= 0; i--) {
        at[i] = batch % p->batch_dims[i];
        batch /= p->batch_dims[i];
    }
    for (int i = 0; i < p->batch_rank; i++)
        n += snprintf(name + n, sizeof name - (size_t)n, "%s%lld%s", i ? "," : "[", (long long)at[i],
                      i + 1 == p->batch_rank ? "]" : "");
    if (reason == NOT_FINITE) return reel_fail(REEL_EARG, "%s has NaN or infinite elements", name);
    if (reason == NO_CONVERGENCE) return reel_fail(REEL_EARG, "the iteration does not converge for %s", name);
    if (p->op == REEL_OP_cholesky)
        return reel_fail(REEL_EARG, "%s is not positive definite: its leading minor of order %lld is not positive",
                         name, (long long)reason);
    return reel_fail(REEL_EARG, "%s is singular: %s %lld is zero", name,
                     p->op == REEL_OP_triangular_solve ? "on its diagonal element" : "pivot", (long long)(reason - 1));
}

static int linalg_run(const void *plan, void *const *ptr, void *work)
{
    const linalg_plan *p = plan;
    job j = {.p = p, .ptr = ptr};
    if (p->batches == 0) return 0;
    reel_regions_init_(&j.regions, work, p->region, p->regions);
    atomic_init(&j.failed, UINT64_MAX);
    reel_parallel_for(p->batches, p->grain, body, &j);
    const uint64_t failed = atomic_load(&j.failed);
    return failed == UINT64_MAX ? 0 : explain(p, failed);
}

const reel_kernel reel_k_linalg_ = {.plan_size = sizeof(linalg_plan), .prepare = linalg_prepare, .run = linalg_run};
