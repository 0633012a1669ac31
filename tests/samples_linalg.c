/* samples_linalg.c: systems, determinants, Cholesky and LU. p0: what is added to the diagonal, so that matrices are far from
   singular. */
#include "samples_linalg.h"

/* ---- cholesky: p1 upper ---------------------------------------------------------------------------------- */
APPLY(cholesky, reel_cholesky(shifted(in[0], s->p[0]), s->p[1] != 0))

static void cholesky_one(const sample *s, int64_t n, const double *a, double *l)
{
    const bool upper = s->p[1] != 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++) {
            double sum = upper ? a[j * n + i] : a[i * n + j];
            for (int64_t p = 0; p < j; p++) sum -= l[i * n + p] * l[j * n + p];
            l[i * n + j] = i == j ? sqrt(sum) : sum / l[j * n + j];
        }
    for (int64_t i = 0; i < n && upper; i++)
        for (int64_t j = 0; j < i; j++) l[j * n + i] = l[i * n + j], l[i * n + j] = 0;
}
SQUARE_REFERENCE(cholesky, cholesky_one)
#define SQUARE_BAD(call, fn)                                                             \
    BAD(call(X("[3]")), REEL_ESHAPE, fn ": a has rank 1");                               \
    BAD(call(X("[]")), REEL_ESHAPE, "a has rank 0");                                     \
    BAD(call(X("[2,3]")), REEL_ESHAPE, "a has 2 rows and 3 columns, it must be square"); \
    BAD(call(XD("[2,2]", REEL_F16)), REEL_EDTYPE, "a is f16, allowed: f32 f64");         \
    BAD(call(XD("[2,2]", REEL_I32)), REEL_EDTYPE, "a is i32, allowed: f32 f64");         \
    BAD(call(NULL), REEL_EARG, fn ": a is NULL");                                        \
    BAD(call(dead()), REEL_EARG, "dead");                                                \
    BAD(call(unset()), REEL_EARG, "unset")
#define LOWER(x) reel_cholesky(x, false)
static void cholesky_bad(void)
{
    SQUARE_BAD(LOWER, "reel_cholesky");
    BAD(reel_cholesky(reel_zeros(REEL_F32, REEL_SHAPE(2, 2)), false), REEL_EARG,
        "reel_cholesky: a is not positive definite: its leading minor of order 1 is not positive: a f32[2,2]");
    BAD(reel_cholesky(matrix(2, (double[]){1, 2, 2, 1}), true), REEL_EARG, "leading minor of order 2");
    BAD(reel_cholesky(reel_stack(REEL_LIST(reel_eye(REEL_F32, 3, 3), reel_zeros(REEL_F32, REEL_SHAPE(3, 3))), 0),
                      false),
        REEL_EARG, "a[1] is not positive definite: its leading minor of order 1");
    BAD(reel_cholesky(matrix(2, (double[]){NAN, 2, 2, 1}), false), REEL_EARG, "leading minor of order 1");
}
#define SQUARES(c, ...)                                                                                            \
    {IN("[1,1]"), WITH(c, __VA_ARGS__)}, {IN("[2,2]"), WITH(c, __VA_ARGS__)}, {IN("[3,3]"), WITH(c, __VA_ARGS__)}, \
        {IN("[3,3]t"), WITH(c, __VA_ARGS__)}, {IN("[3,3]r"), WITH(c, __VA_ARGS__)},                                \
        {IN("[3,3]s"), WITH(c, __VA_ARGS__)}, {IN("[3,3]o"), WITH(c, __VA_ARGS__)},                                \
        {IN("[2,3,3]"), WITH(c, __VA_ARGS__)}, {IN("[2,1,2,2]t"), WITH(c, __VA_ARGS__)},                           \
        {IN("[0,0]"), WITH(c, __VA_ARGS__)}, {IN("[0,3,3]"), WITH(c, __VA_ARGS__)},                                \
        {IN("[2,0,0]"), WITH(c, __VA_ARGS__)}, {IN("[70,6,6]"), WITH(c + 10, __VA_ARGS__)},                        \
    {                                                                                                              \
        IN("[75,75]"), WITH(c + 150, __VA_ARGS__)                                                                  \
    }
static const sample cholesky_good[] = {
    SQUARES(6, 0), {IN("[3,3]"), WITH(6, 1)}, {IN("[2,3,3]t"), WITH(6, 1)}, {IN("[45,45]b"), WITH(150, 1)}};
SAMPLES(cholesky, 1, 8);

/* ---- inverse, det, slogdet, cofactor --------------------------------------------------------------------- */
APPLY(inverse, reel_inverse(shifted(in[0], s->p[0])))
static void inverse_one(const sample *s, int64_t n, const double *a, double *y)
{
    double *copy = malloc((size_t)(n * n + 1) * sizeof *copy);
    (void)s;
    memcpy(copy, a, (size_t)(n * n) * sizeof *copy);
    for (int64_t i = 0; i < n * n; i++) y[i] = i % (n + 1) == 0;
    plain_solve(n, n, copy, y);
    free(copy);
}
SQUARE_REFERENCE(inverse, inverse_one)
static void inverse_bad(void)
{
    SQUARE_BAD(reel_inverse, "reel_inverse");
    BAD(reel_inverse(matrix(2, (double[]){1, 2, 2, 4})), REEL_EARG, "reel_inverse: a is singular: pivot 1 is zero");
    BAD(reel_inverse(reel_zeros(REEL_F64, REEL_SHAPE(2, 3, 3))), REEL_EARG, "a[0] is singular: pivot 0 is zero");
}
static const sample inverse_good[] = {SQUARES(3, 0)};
SAMPLES(inverse, 1, 8);

static double det_plain(int64_t n, const double *a)
{
    double *copy = malloc((size_t)(n * n + 1) * sizeof *copy);
    memcpy(copy, a, (size_t)(n * n) * sizeof *copy);
    const double det = plain_solve(n, 0, copy, NULL);
    free(copy);
    return det;
}
APPLY(det, reel_det(shifted(in[0], s->p[0])))
static void det_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    reel_shape shape = in[0].shape;
    const int64_t n = shape.dims[shape.rank - 1];
    shape.rank -= 2;
    nd_make(out, d, shape);
    for (int64_t b = 0; b < out->count; b++) {
        nd a = shifted_nd(&in[0], b, s->p[0]);
        out->data[b] = det_plain(n, a.data);
        nd_free(&a);
    }
}
static void det_bad(void)
{
    SQUARE_BAD(reel_det, "reel_det");
    BAD(reel_det(X("[3,2,3]")), REEL_ESHAPE, "2 rows and 3 columns");
    BAD(reel_det(XD("[2,2]", REEL_BOOL)), REEL_EDTYPE, "a is bool");
}
static const sample det_good[] = {
    SQUARES(0.5, 0), {IN("[2,2]b"), WITH(0), .flags = NO_GRAD}, {IN("[40,40]b"), WITH(0), .flags = NO_GRAD}};
SAMPLES(det, 1, 64);

static int slogdet_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    UNUSED;
    return reel_slogdet(shifted(in[0], s->p[0]), out);
}
static void slogdet_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    det_reference(s, d, in, &out[0]);
    nd_make(&out[1], d, out[0].shape);
    for (int64_t b = 0; b < out[0].count; b++) {
        const double det = out[0].data[b];
        out[1].data[b] = log(fabs(det));
        out[0].data[b] = det > 0 ? 1 : det < 0 ? -1 : det;
    }
}
static void slogdet_bad(void)
{
    reel_tensor *out[2];
#define SLOGDET(x) (reel_slogdet(x, out) == 0)
    SQUARE_BAD(SLOGDET, "reel_slogdet");
    BAD_CODE(reel_slogdet(X("[2,2]"), NULL), REEL_EARG, "reel_slogdet: out is NULL");
    BAD_CODE(reel_slogdet(XD("[2,2]", REEL_BOOL), out), REEL_EDTYPE, "a is bool");
}
static const sample slogdet_good[] = {SQUARES(3, 0), {IN("[2,2]b"), WITH(0), .flags = NO_GRAD}};
SAMPLES(slogdet, 2, 8);

APPLY(cofactor, reel_cofactor_at_(REEL_HERE, shifted(in[0], s->p[0])))
static void cofactor_one(const sample *s, int64_t n, const double *a, double *y)
{
    double *minor = malloc((size_t)(n * n + 1) * sizeof *minor);
    (void)s;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            int64_t k = 0;
            for (int64_t r = 0; r < n; r++)
                for (int64_t c = 0; c < n; c++)
                    if (r != i && c != j) minor[k++] = a[r * n + c];
            y[i * n + j] = ((i + j) % 2 ? -1 : 1) * det_plain(n - 1, minor);
        }
    free(minor);
}
SQUARE_REFERENCE(cofactor, cofactor_one)
static void cofactor_bad(void)
{
#define COFACTOR(x) reel_cofactor_at_(REEL_HERE, x)
    SQUARE_BAD(COFACTOR, "reel_cofactor");
    BAD(COFACTOR(X("[3,2,3]")), REEL_ESHAPE, "2 rows and 3 columns");
    BAD(COFACTOR(XD("[2,2]", REEL_BOOL)), REEL_EDTYPE, "a is bool");
}
#define COFACTORS(c)                                                                                        \
    {IN("[2,2]"), WITH(c)}, {IN("[3,3]"), WITH(c)}, {IN("[3,3]t"), WITH(c)}, {IN("[3,3]r"), WITH(c)},       \
        {IN("[3,3]s"), WITH(c)}, {IN("[3,3]o"), WITH(c)}, {IN("[2,3,3]"), WITH(c)}, {IN("[0,0]"), WITH(c)}, \
        {IN("[0,3,3]"), WITH(c)}, {IN("[100,5,5]"), WITH(c)}, {IN("[1,1]"), WITH(c)},                       \
        {IN("[3,3]b"), WITH(0), .flags = NO_GRAD}, {IN("[4,4]b"), WITH(0), .flags = NO_GRAD},               \
    {                                                                                                       \
        IN("[2,2]b"), WITH(0), .flags = NO_GRAD                                                             \
    }
static const sample cofactor_good[] = {COFACTORS(2)};
SAMPLES(cofactor, 1, 64);

/* ---- solve, triangular_solve: p0 on the diagonal; p1 1: upper, 2: transposed, 4: unit --------------------- */
APPLY(solve, reel_solve(shifted(in[0], s->p[0]), in[1]))
APPLY(triangular_solve,
      reel_triangular_solve(shifted(in[0], s->p[0]), in[1],
                            REEL_OPTS(triangular_solve, .upper = (int)s->p[1] & 1,
                                      .transposed = ((int)s->p[1] & 2) != 0, .unit = ((int)s->p[1] & 4) != 0)))
/* What of a counts, as a matrix of its own. */
static void triangle_of(const sample *s, int64_t n, double *a)
{
    const int how = (int)s->p[1];
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            if (how & 1 ? j < i : j > i) a[i * n + j] = 0;
            if (i == j && how & 4) a[i * n + j] = 1;
        }
    for (int64_t i = 0; i < n && how & 2; i++)
        for (int64_t j = 0; j < i; j++) {
            const double t = a[i * n + j];
            a[i * n + j] = a[j * n + i], a[j * n + i] = t;
        }
}
static void system_reference(const sample *s, reel_dtype d, const nd *in, nd *out, bool triangle)
{
    const bool vector = in[1].shape.rank == 1;
    nd lead_a = in[0], lead_b = in[1];
    const int64_t n = in[0].shape.dims[in[0].shape.rank - 1], k = vector ? 1 : in[1].shape.dims[in[1].shape.rank - 1];
    lead_a.shape.rank -= 2;
    lead_b.shape.rank -= vector ? 1 : 2;
    const reel_shape batch = nd_broadcast(lead_a.shape, lead_b.shape);
    reel_shape shape = batch;
    shape.dims[shape.rank++] = n;
    if (!vector) shape.dims[shape.rank++] = k;
    nd_make(out, d, shape);
    for (int64_t g = 0; g < reel_count_(&batch); g++) {
        nd a = shifted_nd(&in[0], nd_index(&lead_a, &batch, g), s->p[0]);
        double *x = out->data + g * n * k;
        memcpy(x, in[1].data + nd_index(&lead_b, &batch, g) * n * k, (size_t)(n * k) * sizeof *x);
        if (triangle) triangle_of(s, n, a.data);
        plain_solve(n, k, a.data, x);
        nd_free(&a);
    }
}
static void solve_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    system_reference(s, d, in, out, false);
}
static void triangular_solve_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    system_reference(s, d, in, out, true);
}
#define SYSTEM_BAD(call, fn)                                                                    \
    BAD(call(NULL, X("[2]")), REEL_EARG, fn ": a is NULL");                                     \
    BAD(call(X("[2,2]"), NULL), REEL_EARG, fn ": b is NULL");                                   \
    BAD(call(X("[2,2]"), X("[]")), REEL_ESHAPE, "b has rank 0");                                \
    BAD(call(X("[2]"), X("[2]")), REEL_ESHAPE, "a has rank 1");                                 \
    BAD(call(X("[2,3]"), X("[2]")), REEL_ESHAPE, "2 rows and 3 columns");                       \
    BAD(call(X("[2,2]"), X("[3]")), REEL_ESHAPE, "a has 2 rows, b has 3");                      \
    BAD(call(X("[2,2,2]"), X("[3,2,1]")), REEL_ESHAPE, "do not broadcast");                     \
    BAD(call(X("[2,2]"), XD("[2]", REEL_F64)), REEL_EDTYPE, "dtypes differ: f32 and f64");      \
    BAD(call(XD("[2,2]", REEL_BF16), XD("[2]", REEL_BF16)), REEL_EDTYPE, "a is bf16, allowed"); \
    BAD(call(X("[2,2]"), dead()), REEL_EARG, "dead")
#define LOWER_SOLVE(a, b) reel_triangular_solve(a, b, NULL)
static void solve_bad(void)
{
    SYSTEM_BAD(reel_solve, "reel_solve");
    BAD(reel_solve(matrix(2, (double[]){1, 2, 2, 4}), X("[2]")), REEL_EARG,
        "reel_solve: a is singular: pivot 1 is zero");
}
static void triangular_solve_bad(void)
{
    SYSTEM_BAD(LOWER_SOLVE, "reel_triangular_solve");
    BAD(LOWER_SOLVE(matrix(2, (double[]){1, 2, 2, 0}), X("[2]")), REEL_EARG,
        "a is singular: on its diagonal element 1 is zero");
}
#define SYSTEMS(how)                                                                                              \
    {IN("[1,1]", "[1]"), WITH(3, how)}, {IN("[2,2]", "[2]"), WITH(3, how)}, {IN("[3,3]", "[3,2]"), WITH(3, how)}, \
        {IN("[3,3]t", "[3,2]t"), WITH(3, how)}, {IN("[3,3]r", "[3,1]s"), WITH(3, how)},                           \
        {IN("[3,3]s", "[3,2]o"), WITH(3, how)}, {IN("[2,2,2]o", "[2,2]b"), WITH(3, how)},                         \
        {IN("[2,2]", "[2,2,1]r"), WITH(3, how)}, {IN("[2,1,2,2]", "[3,2,1]"), WITH(3, how)},                      \
        {IN("[0,0]", "[0,2]"), WITH(3, how)}, {IN("[2,2]", "[2,0]"), WITH(3, how)},                               \
        {IN("[0,2,2]", "[2,2]"), WITH(3, how)}, {IN("[70,6,6]", "[70,6,3]"), WITH(12, how)},                      \
    {                                                                                                             \
        IN("[75,75]", "[75,40]"), WITH(150, how)                                                                  \
    }
static const sample solve_good[] = {SYSTEMS(0), {IN("[3,3]", "[3]"), WITH(1)}};
static const sample triangular_solve_good[] = {
    SYSTEMS(0),
    SYSTEMS(1),
    SYSTEMS(2),
    SYSTEMS(3),
    {IN("[3,3]", "[3,2]"), WITH(0, 4)},
    {IN("[3,3]", "[3]"), WITH(0, 5)},
    {IN("[3,3]", "[3,2]"), WITH(0, 6)},
    {IN("[3,3]", "[3,2]"), WITH(0, 7)},
    {IN("[3,3]", "[3]"), WITH(2, 4)},
};
SAMPLES(solve, 1, 8);
SAMPLES(triangular_solve, 1, 16);

/* ---- lu, lu_factor, lu_solve ------------------------------------------------------------------------------ */
/* lu[m,n] in place, perm[m] */
static void plain_lu(int64_t m, int64_t n, double *a, int64_t *perm)
{
    for (int64_t i = 0; i < m; i++) perm[i] = i;
    for (int64_t j = 0; j < m && j < n; j++) {
        int64_t p = j;
        for (int64_t i = j + 1; i < m; i++)
            if (fabs(a[i * n + j]) > fabs(a[p * n + j])) p = i;
        for (int64_t c = 0; c < n; c++) {
            const double t = a[j * n + c];
            a[j * n + c] = a[p * n + c], a[p * n + c] = t;
        }
        const int64_t t = perm[j];
        perm[j] = perm[p], perm[p] = t;
        for (int64_t i = j + 1; i < m; i++) {
            if (a[j * n + j] == 0) continue;
            a[i * n + j] /= a[j * n + j];
            for (int64_t c = j + 1; c < n; c++) a[i * n + c] -= a[i * n + j] * a[j * n + c];
        }
    }
}
static void factored(const sample *s, const nd *in, int64_t b, nd *lu, int64_t *perm)
{
    const reel_shape *shape = &in->shape;
    *lu = shifted_nd(in, b, s->p[0]);
    plain_lu(shape->dims[shape->rank - 2], shape->dims[shape->rank - 1], lu->data, perm);
}
static int lu_factor_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    UNUSED;
    return reel_lu_factor(shifted(in[0], s->p[0]), out);
}
static void lu_factor_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    reel_shape shape = in->shape;
    const int64_t n = shape.dims[shape.rank - 1], m = shape.dims[shape.rank - 2];
    nd_make(&out[0], d, shape);
    shape.rank--;
    nd_make(&out[1], REEL_I32, shape);
    int64_t *perm = malloc((size_t)(m + 1) * sizeof *perm);
    for (int64_t b = 0; b < batches_of(in); b++) {
        nd lu;
        factored(s, in, b, &lu, perm);
        memcpy(out[0].data + b * m * n, lu.data, (size_t)(m * n) * sizeof *lu.data);
        for (int64_t i = 0; i < m; i++) out[1].data[b * m + i] = (double)perm[i];
        nd_free(&lu);
    }
    free(perm);
}
static int lu_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    UNUSED;
    return reel_lu(shifted(in[0], s->p[0]), out);
}
static void lu_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    reel_shape p = in->shape, l = p, u = p;
    const int r = p.rank;
    const int64_t n = p.dims[r - 1], m = p.dims[r - 2], k = m < n ? m : n;
    p.dims[r - 1] = m;
    l.dims[r - 1] = k;
    u.dims[r - 2] = k;
    nd_make(&out[0], d, p);
    nd_make(&out[1], d, l);
    nd_make(&out[2], d, u);
    int64_t *perm = malloc((size_t)(m + 1) * sizeof *perm);
    for (int64_t b = 0; b < batches_of(in); b++) {
        nd lu;
        factored(s, in, b, &lu, perm);
        for (int64_t i = 0; i < m; i++) {
            out[0].data[b * m * m + perm[i] * m + i] = 1;
            for (int64_t j = 0; j < n; j++) {
                const double x = lu.data[i * n + j];
                if (j < k) out[1].data[b * m * k + i * k + j] = i > j ? x : i == j;
                if (i < k) out[2].data[b * k * n + i * n + j] = i > j ? 0 : x;
            }
        }
        nd_free(&lu);
    }
    free(perm);
}
#define RECTANGLE_BAD(call, fn)                                                    \
    BAD(call(NULL), REEL_EARG, fn ": a is NULL");                                  \
    BAD(call(X("[3]")), REEL_ESHAPE, fn ": a has rank 1");                         \
    BAD(call(X("[]")), REEL_ESHAPE, "a has rank 0");                               \
    BAD(call(XD("[2,2]", REEL_F16)), REEL_EDTYPE, "a is f16, allowed: f32 f64");   \
    BAD(call(XD("[2,2]", REEL_BF16)), REEL_EDTYPE, "a is bf16, allowed: f32 f64"); \
    BAD(call(XD("[2,2]", REEL_I64)), REEL_EDTYPE, "a is i64, allowed: f32 f64");   \
    BAD(call(XD("[2,2]", REEL_BOOL)), REEL_EDTYPE, "a is bool, allowed: f32 f64"); \
    BAD(call(dead()), REEL_EARG, "dead");                                          \
    BAD(call(unset()), REEL_EARG, "unset")
static void lu_bad(void)
{
    reel_tensor *out[3];
#define LU(x) (reel_lu(x, out) == 0)
    RECTANGLE_BAD(LU, "reel_lu");
    BAD_CODE(reel_lu(X("[2,2]"), NULL), REEL_EARG, "reel_lu: out is NULL");
}
static void lu_factor_bad(void)
{
    reel_tensor *out[2];
#define LU_FACTOR(x) (reel_lu_factor(x, out) == 0)
    RECTANGLE_BAD(LU_FACTOR, "reel_lu_factor");
    BAD_CODE(reel_lu_factor(X("[2,2]"), NULL), REEL_EARG, "reel_lu_factor: out is NULL");
}
static const sample lu_factor_good[] = {SQUARES(1, 0),
                                        {IN("[2,3]"), WITH(0), .flags = NO_GRAD},
                                        {IN("[3,2]"), WITH(0), .flags = NO_GRAD},
                                        {IN("[3,2]b"), WITH(0), .flags = NO_GRAD}};
static const sample lu_good[] = {SQUARES(1, 0),
                                 {IN("[2,3]"), WITH(0)},
                                 {IN("[3,2]"), WITH(0)},
                                 {IN("[2,4]t"), WITH(0)},
                                 {IN("[2,3,2]s"), WITH(0)},
                                 {IN("[0,3]"), WITH(0)},
                                 {IN("[3,0]"), WITH(0)},
                                 {IN("[40,60]"), WITH(60), .flags = NO_GRAD}};
SAMPLES(lu_factor, 2, 32);
SAMPLES(lu, 3, 256);

static int lu_solve_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    UNUSED;
    reel_tensor *lu[2] = {NULL, NULL};
    reel_lu_factor(shifted(in[0], s->p[0]), lu);
    out[0] = reel_lu_solve(lu[0], lu[1], in[1]);
    return reel_status();
}
static void lu_solve_bad(void)
{
    reel_tensor *lu = X("[2,2]"), *perm = reel_arange(REEL_I32, 0, 2, 1);
    BAD(reel_lu_solve(NULL, perm, X("[2]")), REEL_EARG, "reel_lu_solve: lu is NULL");
    BAD(reel_lu_solve(lu, NULL, X("[2]")), REEL_EARG, "perm is NULL");
    BAD(reel_lu_solve(lu, perm, NULL), REEL_EARG, "b is NULL");
    BAD(reel_lu_solve(lu, perm, dead()), REEL_EARG, "dead");
    BAD(reel_lu_solve(lu, X("[2]"), X("[2]")), REEL_EDTYPE, "perm is f32, lu_factor gives i32");
    BAD(reel_lu_solve(lu, reel_arange(REEL_I32, 0, 3, 1), X("[2]")), REEL_ESHAPE, "reel_");
    BAD(reel_lu_solve(lu, reel_zeros(REEL_I32, REEL_SHAPE(2, 2)), X("[2]")), REEL_ESHAPE, "perm has rank 2, lu 2");
    BAD(reel_lu_solve(lu, perm, X("[3]")), REEL_ESHAPE, "inner dimensions differ: 2 and 3");
    BAD(reel_lu_solve(lu, perm, XD("[2]", REEL_F64)), REEL_EDTYPE, "dtypes differ");
    BAD(reel_lu_solve(reel_zeros(REEL_F32, REEL_SHAPE(2, 2)), perm, X("[2]")), REEL_EARG, "singular");
}
static const sample lu_solve_good[] = {SYSTEMS(0)};
const samples samples_lu_solve = {GOOD_OF(lu_solve_good, 1), .scale = 16, .apply = lu_solve_apply,
                                  .reference = solve_reference, .bad = lu_solve_bad};

/* ---- matrix_power: p1 the power --------------------------------------------------------------------------- */
APPLY(matrix_power, reel_matrix_power(s->p[0] != 0 ? shifted(in[0], s->p[0]) : in[0], (int)s->p[1]))
static void matrix_power_one(const sample *s, int64_t n, const double *a, double *y)
{
    const int p = (int)s->p[1];
    double *base = malloc((size_t)(n * n + 1) * sizeof *base), *next = malloc((size_t)(n * n + 1) * sizeof *next);
    if (p < 0)
        inverse_one(s, n, a, base);
    else
        memcpy(base, a, (size_t)(n * n) * sizeof *base);
    for (int64_t i = 0; i < n * n; i++) y[i] = i % (n + 1) == 0;
    for (int e = 0; e < abs(p); e++) {
        for (int64_t i = 0; i < n * n; i++) {
            next[i] = 0;
            for (int64_t j = 0; j < n; j++) next[i] += y[i / n * n + j] * base[j * n + i % n];
        }
        memcpy(y, next, (size_t)(n * n) * sizeof *y);
    }
    free(base);
    free(next);
}
SQUARE_REFERENCE(matrix_power, matrix_power_one)
static void matrix_power_bad(void)
{
    BAD(reel_matrix_power(NULL, 2), REEL_EARG, "reel_matrix_power: a is NULL");
    BAD(reel_matrix_power(X("[3]"), 2), REEL_ESHAPE, "a f32[3] is no square matrix");
    BAD(reel_matrix_power(X("[]"), 0), REEL_ESHAPE, "a f32[] is no square matrix");
    BAD(reel_matrix_power(X("[2,3]"), 0), REEL_ESHAPE, "a f32[2,3] is no square matrix");
    BAD(reel_matrix_power(X("[2,2,3]"), 1), REEL_ESHAPE, "is no square matrix");
    BAD(reel_matrix_power(XD("[2,2]", REEL_I32), -1), REEL_EDTYPE, "a is i32, a negative power needs floats");
    BAD(reel_matrix_power(reel_zeros(REEL_F32, REEL_SHAPE(2, 2)), -2), REEL_EARG, "a is singular");
    BAD(reel_matrix_power(XD("[2,2]", REEL_F16), -2), REEL_EDTYPE, "a is f16, allowed: f32 f64");
    BAD(reel_matrix_power(XD("[2,2]", REEL_BOOL), 2), REEL_EDTYPE, "bool");
    BAD(reel_matrix_power(dead(), 2), REEL_EARG, "dead");
}
static const sample matrix_power_good[] = {
    {IN("[2,2]"), WITH(0, 2)},   {IN("[1,1]"), WITH(0, 3)},   {IN("[2,2]t"), WITH(0, 3)},
    {IN("[2,2]r"), WITH(0, 5)},  {IN("[2,2]s"), WITH(0, 4)},  {IN("[3,3]o"), WITH(0, 2)},
    {IN("[2,2,2]"), WITH(0, 2)}, {IN("[0,0]"), WITH(0, 2)},   {IN("[0,2,2]"), WITH(0, 2)},
    {IN("[3,3]"), WITH(0, 1)},   {IN("[2,3,3]"), WITH(0, 0)}, {IN("[50,50]"), WITH(0, 2), .flags = NO_GRAD}};
SAMPLES(matrix_power, 1, 64);
