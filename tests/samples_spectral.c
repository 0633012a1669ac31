/* samples_spectral.c: QR, eigenvalues, singular values and the pseudo-inverse. Where a factor's signs are arbitrary, columns
   are turned so that their sum is positive: then results are unique, and gradients those of the convention. */
#include "samples_linalg.h"

static reel_tensor *column_signs(reel_tensor *u)
{
    return reel_sign(reel_sum_axes(u, REEL_AXES(-2), true));
}
static void turn_columns(int64_t rows, int64_t cols, double *u, int64_t other_rows, double *v)
{
    for (int64_t j = 0; j < cols; j++) {
        double sum = 0;
        for (int64_t i = 0; i < rows; i++) sum += u[i * cols + j];
        for (int64_t i = 0; sum < 0 && i < rows; i++) u[i * cols + j] = -u[i * cols + j];
        for (int64_t i = 0; sum < 0 && i < other_rows; i++) v[i * cols + j] = -v[i * cols + j];
    }
}

/* ---- qr: p1 complete: then Q^T Q instead of Q, whose last columns are arbitrary ---------------------------- */
static int qr_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    UNUSED;
    if (reel_qr(shifted(in[0], s->p[0]), s->p[1] != 0, out)) return reel_status();
    if (s->p[1] == 2) out[0] = reel_einsum("...ij,...ik->...jk", REEL_LIST(out[0], out[0]));
    return reel_status();
}
static void qr_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    reel_shape q = in->shape, r = q;
    const int rank = q.rank;
    const int64_t m = q.dims[rank - 2], n = q.dims[rank - 1], k = m < n ? m : n, c = s->p[1] != 0 ? m : k;
    q.dims[rank - 1] = c;
    r.dims[rank - 2] = c;
    nd_make(&out[0], d, q);
    nd_make(&out[1], d, r);
    for (int64_t b = 0; b < batches_of(in); b++) {
        nd a = shifted_nd(in, b, s->p[0]);
        double *x = out[0].data + b * m * c, *y = out[1].data + b * c * n;
        for (int64_t j = 0; j < k; j++) {
            for (int64_t i = 0; i < m; i++) x[i * c + j] = a.data[i * n + j];
            for (int twice = 0; twice < 3; twice++)
                for (int64_t p = 0; p < j; p++) {
                    double dot = 0;
                    for (int64_t i = 0; i < m; i++) dot += x[i * c + p] * x[i * c + j];
                    for (int64_t i = 0; i < m; i++) x[i * c + j] -= dot * x[i * c + p];
                }
            double norm = 0;
            for (int64_t i = 0; i < m; i++) norm += x[i * c + j] * x[i * c + j];
            for (int64_t i = 0; i < m; i++) x[i * c + j] /= sqrt(norm);
        }
        for (int64_t i = 0; i < k; i++)
            for (int64_t j = i; j < n; j++)
                for (int64_t p = 0; p < m; p++) y[i * n + j] += x[p * c + i] * a.data[p * n + j];
        for (int64_t i = 0; i < m * m && s->p[1] == 2; i++) x[i] = i % (m + 1) == 0;
        nd_free(&a);
    }
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
static void qr_bad(void)
{
    reel_tensor *out[2];
#define QR(x) (reel_qr(x, false, out) == 0)
    RECTANGLE_BAD(QR, "reel_qr");
    BAD_CODE(reel_qr(X("[2,2]"), true, NULL), REEL_EARG, "reel_qr: out is NULL");
}
static const sample qr_good[] = {
    {IN("[1,1]")},
    {IN("[2,2]"), WITH(1)},
    {IN("[3,3]"), WITH(2)},
    {IN("[3,3]t"), WITH(2, 1)},
    {IN("[4,2]")},
    {IN("[2,4]"), WITH(2)},
    {IN("[2,3]"), WITH(2, 1)},
    {IN("[3,2]r")},
    {IN("[3,2]s"), WITH(1)},
    {IN("[2,3,2]o"), WITH(1)},
    {IN("[4,2]"), WITH(0, 2), .flags = NO_GRAD},
    {IN("[0,3]")},
    {IN("[3,0]")},
    {IN("[0,3,2]")},
    {IN("[3,0]"), WITH(0, 2), .flags = NO_GRAD},
    {IN("[60,40]"), WITH(30), .flags = NO_GRAD},
    {IN("[30,80]"), WITH(30), .flags = NO_GRAD},
    {IN("[70,6,6]b"), WITH(10), .flags = NO_GRAD},
};
SAMPLES(qr, 2, 16);

/* ---- eigh, eigvalsh: p1 upper -------------------------------------------------------------------------------- */
static int eigh_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    UNUSED;
    if (reel_eigh(in[0], s->p[1] != 0, out)) return reel_status();
    out[1] = reel_mul(out[1], column_signs(out[1]));
    return reel_status();
}
APPLY(eigvalsh, reel_eigvalsh(in[0], s->p[1] != 0))
static void eigh_of(const sample *s, reel_dtype d, const nd *in, nd *w, nd *v)
{
    reel_shape shape = in->shape;
    const int64_t n = shape.dims[shape.rank - 1];
    nd_make(v, d, shape);
    shape.rank--;
    nd_make(w, d, shape);
    for (int64_t b = 0; b < batches_of(in); b++) {
        nd a = shifted_nd(in, b, 0);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < i; j++)
                if (s->p[1] != 0)
                    a.data[i * n + j] = a.data[j * n + i];
                else
                    a.data[j * n + i] = a.data[i * n + j];
        plain_eigh(n, a.data, w->data + b * n, v->data + b * n * n);
        turn_columns(n, n, v->data + b * n * n, 0, NULL);
        nd_free(&a);
    }
}
static void eigh_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    eigh_of(s, d, in, &out[0], &out[1]);
}
static void eigvalsh_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd v;
    eigh_of(s, d, in, out, &v);
    nd_free(&v);
}
#define SQUARE_BAD(call, fn)                                                                          \
    RECTANGLE_BAD(call, fn);                                                                          \
    BAD(call(X("[2,3]")), REEL_ESHAPE, "a has 2 rows and 3 columns, it must be square");              \
    BAD(call(matrix(2, (double[]){NAN, 1, 1, 1})), REEL_EARG, fn ": a has NaN or infinite elements"); \
    BAD(call(matrix(2, (double[]){1, 1, INFINITY, 1})), REEL_EARG, "a has NaN or infinite elements")
static void eigh_bad(void)
{
    reel_tensor *out[2];
#define EIGH(x) (reel_eigh(x, false, out) == 0)
    SQUARE_BAD(EIGH, "reel_eigh");
    BAD_CODE(reel_eigh(X("[2,2]"), true, NULL), REEL_EARG, "reel_eigh: out is NULL");
}
static void eigvalsh_bad(void)
{
#define EIGVALSH(x) reel_eigvalsh(x, false)
    SQUARE_BAD(EIGVALSH, "reel_eigvalsh");
}
static const sample eigh_good[] = {{IN("[1,1]")},
                                   {IN("[2,2]")},
                                   {IN("[2,2]"), WITH(0, 1)},
                                   {IN("[3,3]")},
                                   {IN("[3,3]t"), WITH(0, 1)},
                                   {IN("[3,3]r")},
                                   {IN("[3,3]s")},
                                   {IN("[2,3,3]o")},
                                   {IN("[2,1,2,2]"), WITH(0, 1)},
                                   {IN("[4,4]")},
                                   {IN("[0,0]")},
                                   {IN("[0,3,3]")},
                                   {IN("[2,0,0]")},
                                   {IN("[12,12]"), .flags = NO_GRAD},
                                   {IN("[100,5,5]"), .flags = NO_GRAD}};
SAMPLES(eigh, 2, 4096);
static const sample eigvalsh_good[] = {{IN("[1,1]")},
                                       {IN("[2,2]")},
                                       {IN("[2,2]"), WITH(0, 1)},
                                       {IN("[3,3]")},
                                       {IN("[3,3]t"), WITH(0, 1)},
                                       {IN("[3,3]r")},
                                       {IN("[3,3]s")},
                                       {IN("[2,3,3]o")},
                                       {IN("[2,1,2,2]"), WITH(0, 1)},
                                       {IN("[0,0]")},
                                       {IN("[0,3,3]")},
                                       {IN("[3,3]b"), .flags = NO_GRAD},
                                       {IN("[50,50]"), .flags = NO_GRAD},
                                       {IN("[100,5,5]"), .flags = NO_GRAD}};
SAMPLES(eigvalsh, 1, 64);

/* ---- svd, svdvals: p1 full; 2: of a matrix that is not square: U^T U and Vh Vh^T instead -------------------- */
static int svd_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    UNUSED;
    if (reel_svd(shifted(in[0], s->p[0]), s->p[1] != 0, out)) return reel_status();
    if (s->p[1] == 2) {
        out[0] = reel_einsum("...ij,...ik->...jk", REEL_LIST(out[0], out[0]));
        out[2] = reel_einsum("...ij,...kj->...ik", REEL_LIST(out[2], out[2]));
        return reel_status();
    }
    reel_tensor *sign = column_signs(out[0]);
    out[0] = reel_mul(out[0], sign);
    out[2] = reel_mul(out[2], reel_einsum("...ij->...ji", REEL_LIST(sign)));
    return reel_status();
}
APPLY(svdvals, reel_svdvals(shifted(in[0], s->p[0])))
static void svd_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    reel_shape u = in->shape, sv = u, vh = u;
    const int rank = u.rank;
    const int64_t m = u.dims[rank - 2], n = u.dims[rank - 1], k = m < n ? m : n;
    const bool full = s->p[1] != 0, gram = s->p[1] == 2;
    u.dims[rank - 1] = full ? m : k;
    vh.dims[rank - 2] = full ? n : k;
    sv.dims[--sv.rank - 1] = k;
    nd_make(&out[0], d, u);
    nd_make(&out[1], d, sv);
    nd_make(&out[2], d, vh);
    double *x = calloc((size_t)(m * k + 1), sizeof *x), *y = calloc((size_t)(n * k + 1), sizeof *y);
    for (int64_t b = 0; b < batches_of(in); b++) {
        nd a = shifted_nd(in, b, s->p[0]);
        plain_svd(m, n, a.data, x, out[1].data + b * k, y);
        turn_columns(m, k, x, n, y);
        for (int64_t i = 0; i < m * m && gram; i++) out[0].data[b * m * m + i] = i % (m + 1) == 0;
        for (int64_t i = 0; i < n * n && gram; i++) out[2].data[b * n * n + i] = i % (n + 1) == 0;
        for (int64_t i = 0; i < m * k && !gram; i++) out[0].data[b * m * k + i] = x[i];
        for (int64_t i = 0; i < n * k && !gram; i++) out[2].data[b * n * k + i % k * n + i / k] = y[i];
        nd_free(&a);
    }
    free(x);
    free(y);
}
static void svdvals_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd all[3];
    sample reduced = *s;
    reduced.p[1] = 0;
    svd_reference(&reduced, d, in, all);
    *out = all[1];
    nd_free(&all[0]);
    nd_free(&all[2]);
}
static void svd_bad(void)
{
    reel_tensor *out[3];
#define SVD(x) (reel_svd(x, false, out) == 0)
    RECTANGLE_BAD(SVD, "reel_svd");
    BAD_CODE(reel_svd(X("[2,2]"), true, NULL), REEL_EARG, "reel_svd: out is NULL");
    BAD(SVD(matrix(2, (double[]){NAN, 1, 1, 1})), REEL_EARG, "reel_svd: a has NaN or infinite elements");
}
static void svdvals_bad(void)
{
    RECTANGLE_BAD(reel_svdvals, "reel_svdvals");
    BAD(reel_svdvals(matrix(2, (double[]){1, 1, INFINITY, 1})), REEL_EARG, "a has NaN or infinite elements");
}
static const sample svd_good[] = {
    {IN("[1,1]")},
    {IN("[2,2]"), WITH(1)},
    {IN("[3,3]"), WITH(1, 1)},
    {IN("[3,3]t"), WITH(1)},
    {IN("[4,2]")},
    {IN("[2,4]")},
    {IN("[3,2]r")},
    {IN("[2,3]s")},
    {IN("[2,3,2]o")},
    {IN("[4,2]"), WITH(0, 2), .flags = NO_GRAD},
    {IN("[2,5]t"), WITH(0, 2), .flags = NO_GRAD},
    {IN("[0,3]")},
    {IN("[3,0]")},
    {IN("[3,0]"), WITH(0, 2), .flags = NO_GRAD},
    {IN("[0,2,3]")},
    {IN("[4,4]b"), WITH(0, 2), .flags = NO_GRAD},
    {IN("[12,9]"), WITH(5), .flags = NO_GRAD},
    {IN("[100,4,5]"), WITH(3), .flags = NO_GRAD},
};
SAMPLES(svd, 3, 4096);
static const sample svdvals_good[] = {
    {IN("[1,1]")},
    {IN("[2,2]")},
    {IN("[3,3]"), WITH(1)},
    {IN("[3,3]t"), WITH(2)},
    {IN("[4,2]")},
    {IN("[2,4]")},
    {IN("[3,2]r")},
    {IN("[2,3]s")},
    {IN("[2,3,2]o")},
    {IN("[0,3]")},
    {IN("[3,0]")},
    {IN("[0,2,3]")},
    {IN("[4,4]b"), .flags = NO_GRAD},
    {IN("[60,40]"), .flags = NO_GRAD},
    {IN("[100,4,5]"), .flags = NO_GRAD},
};
SAMPLES(svdvals, 1, 64);

/* ---- pinv, lstsq, matrix_rank: p1 the relative tolerance ------------------------------------------------------ */
APPLY(pinv, reel_pinv(shifted(in[0], s->p[0]), s->p[1]))
APPLY(lstsq, reel_lstsq(shifted(in[0], s->p[0]), in[1], s->p[1]))
APPLY(matrix_rank, reel_matrix_rank(shifted(in[0], s->p[0]), s->p[1]))

static double least_of(const sample *s, reel_dtype d, int64_t m, int64_t n, const double *values)
{
    const double unit = d == REEL_F64 ? 0x1p-52 : 0x1p-23;
    return (s->p[1] != 0 ? s->p[1] : unit * (double)(m > n ? m : n)) * values[0];
}
static void pinv_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    reel_shape shape = in->shape;
    const int rank = shape.rank;
    const int64_t m = shape.dims[rank - 2], n = shape.dims[rank - 1], k = m < n ? m : n;
    shape.dims[rank - 2] = n, shape.dims[rank - 1] = m;
    nd_make(out, d, shape);
    nd all[3];
    const sample plain = {.p = {s->p[0]}};
    svd_reference(&plain, d, in, all);
    for (int64_t b = 0; b < batches_of(in); b++) {
        const double *u = all[0].data + b * m * k, *sv = all[1].data + b * k, *vh = all[2].data + b * k * n;
        for (int64_t p = 0; p < k && sv[p] > least_of(s, d, m, n, sv); p++)
            for (int64_t i = 0; i < n; i++)
                for (int64_t j = 0; j < m; j++) out->data[(b * n + i) * m + j] += vh[p * n + i] / sv[p] * u[j * k + p];
    }
    for (int i = 0; i < 3; i++) nd_free(&all[i]);
}
static void lstsq_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd y;
    pinv_reference(s, d, in, &y);
    const int64_t n = y.shape.dims[0], m = y.shape.dims[1], k = in[1].shape.rank > 1 ? in[1].shape.dims[1] : 1;
    nd_make(out, d, in[1].shape.rank > 1 ? REEL_SHAPE(n, k) : REEL_SHAPE(n));
    for (int64_t i = 0; i < n * k; i++)
        for (int64_t j = 0; j < m; j++) out->data[i] += y.data[i / k * m + j] * in[1].data[j * k + i % k];
    nd_free(&y);
}
static void matrix_rank_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd values;
    reel_shape shape = in->shape;
    const int64_t m = shape.dims[shape.rank - 2], n = shape.dims[shape.rank - 1], k = m < n ? m : n;
    svdvals_reference(s, d, in, &values);
    shape.rank -= 2;
    nd_make(out, REEL_I64, shape);
    for (int64_t b = 0; b < out->count; b++)
        for (int64_t i = 0; i < k; i++)
            out->data[b] += values.data[b * k + i] > least_of(s, d, m, n, values.data + b * k);
    nd_free(&values);
}
#define RANK_BAD(fn)                                                                                   \
    BAD(fn(X("[2,2]"), -1), REEL_EARG, #fn ": the relative tolerance is -1, it must not be negative"); \
    BAD(fn(X("[2,2]"), (double)NAN), REEL_EARG, "it must not be negative");                            \
    BAD(fn(matrix(2, (double[]){NAN, 1, 1, 1}), 0), REEL_EARG, #fn ": a has NaN or infinite elements")
static void pinv_bad(void)
{
#define PINV(x) reel_pinv(x, 0)
    RECTANGLE_BAD(PINV, "reel_pinv");
    RANK_BAD(reel_pinv);
}
static void matrix_rank_bad(void)
{
#define RANK(x) reel_matrix_rank(x, 0)
    RECTANGLE_BAD(RANK, "reel_matrix_rank");
    RANK_BAD(reel_matrix_rank);
}
static void lstsq_bad(void)
{
    BAD(reel_lstsq(NULL, X("[2]"), 0), REEL_EARG, "reel_lstsq: a is NULL");
    BAD(reel_lstsq(X("[2,2]"), NULL, 0), REEL_EARG, "reel_lstsq: b is NULL");
    BAD(reel_lstsq(X("[2,2]"), dead(), 0), REEL_EARG, "dead");
    BAD(reel_lstsq(X("[2]"), X("[2]"), 0), REEL_ESHAPE, "a has rank 1");
    BAD(reel_lstsq(X("[2,2]"), X("[3]"), 0), REEL_ESHAPE, "inner dimensions differ: 2 and 3");
    BAD(reel_lstsq(X("[2,2]"), X("[]"), 0), REEL_ESHAPE, "b is a scalar");
    BAD(reel_lstsq(X("[2,2]"), X("[2]"), -2), REEL_EARG, "tolerance is -2");
    BAD(reel_lstsq(X("[2,2]"), XD("[2]", REEL_F64), 0), REEL_EDTYPE, "dtypes differ");
    BAD(reel_lstsq(XD("[2,2]", REEL_I32), XD("[2]", REEL_I32), 0), REEL_EDTYPE, "a is i32, allowed: f32 f64");
    BAD(reel_lstsq(unset(), X("[2]"), 0), REEL_EARG, "unset");
}
#define RECTANGLES                                                                                       \
    {IN("[1,1]")}, {IN("[2,2]")}, {IN("[3,3]t"), WITH(2)}, {IN("[4,2]")}, {IN("[2,3]")}, {IN("[3,2]r")}, \
        {IN("[2,3]s")}, {IN("[2,3,2]o")}, {IN("[0,3]")}, {IN("[3,0]")}, {IN("[0,2,3]")},                 \
        {IN("[4,3]b"), .flags = NO_GRAD}, {IN("[2,3,3]b"), .flags = NO_GRAD},                            \
        {IN("[120,4,5]"), WITH(4), .flags = NO_GRAD},                                                    \
    {                                                                                                    \
        IN("[3,3]"), WITH(0, 0.4), .flags = NO_GRAD                                                      \
    }
static const sample pinv_good[] = {RECTANGLES};
SAMPLES(pinv, 1, 256);
static const sample matrix_rank_good[] = {RECTANGLES, {IN("[50,40]")}};
SAMPLES(matrix_rank, 1, 1);
static const sample lstsq_good[] = {{IN("[1,1]", "[1]")},
                                    {IN("[2,2]", "[2]")},
                                    {IN("[3,2]", "[3]")},
                                    {IN("[3,2]t", "[3,2]")},
                                    {IN("[2,3]", "[2,2]t")},
                                    {IN("[3,2]r", "[3,1]s")},
                                    {IN("[4,2]s", "[4,2]o")},
                                    {IN("[2,3]o", "[2]r")},
                                    {IN("[0,2]", "[0]")},
                                    {IN("[2,0]", "[2]")},
                                    {IN("[3,3]b", "[3,2]"), .flags = NO_GRAD},
                                    {IN("[50,40]", "[50,3]"), WITH(9), .flags = NO_GRAD}};
SAMPLES(lstsq, 1, 1024);
