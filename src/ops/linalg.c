/* linalg.c: factorizations and systems: shape rules and functions. Gradients: linalg_grad.c. */
#include "internal.h"

#include "core/error.h"
#include "core/options.h"
#include <math.h>

/* ---- shape rules ---------------------------------------------------------------------------------------- */
static int matrices(const reel_type *t, const char *name, reel_shape *batch, int64_t *m, int64_t *n)
{
    if (t->shape.rank < 2)
        return reel_fail(REEL_ESHAPE, "%s has rank %d, a matrix or a batch of them has at least 2", name,
                         t->shape.rank);
    *batch = t->shape;
    *n = batch->dims[--batch->rank];
    *m = batch->dims[--batch->rank];
    return 0;
}

static int square(const reel_infer *io, reel_shape *batch, int64_t *n)
{
    int64_t rows = 0, cols = 0;
    const int code = matrices(io->in[0], "a", batch, &rows, &cols);
    if (code) return code;
    if (!reel_merge_dim_(rows, cols, n))
        return reel_fail(REEL_ESHAPE, "a has %lld rows and %lld columns, it must be square", (long long)rows,
                         (long long)cols);
    return 0;
}

static int64_t lesser(int64_t m, int64_t n)
{
    return m == REEL_ANY || n == REEL_ANY ? REEL_ANY : m < n ? m : n;
}

static reel_type with(reel_dtype d, const reel_shape *batch, int more, int64_t m, int64_t n)
{
    reel_type t = {.dtype = d};
    reel_put_shape_(&t.shape, batch);
    if (more > 0) t.shape.dims[t.shape.rank++] = m;
    if (more > 1) t.shape.dims[t.shape.rank++] = n;
    return t;
}

int reel_infer_square_(const reel_infer *io)
{
    reel_shape batch = {0};
    int64_t n = 0;
    const int code = square(io, &batch, &n);
    if (code) return code;
    io->out[0] = with(io->in[0]->dtype, &batch, 2, n, n);
    return 0;
}

int reel_infer_det_(const reel_infer *io)
{
    reel_shape batch = {0};
    int64_t n;
    const int code = square(io, &batch, &n);
    if (code) return code;
    for (int j = 0; j < io->n_out; j++) io->out[j] = with(io->in[0]->dtype, &batch, 0, 0, 0);
    return 0;
}

/* a x = b for matrices b; leading axes broadcast. */
int reel_infer_solve_(const reel_infer *io)
{
    reel_shape batch, more, both;
    int64_t n = 0, rows = 0, cols = 0;
    int code = square(io, &batch, &n);
    if (!code) code = matrices(io->in[1], "b", &more, &rows, &cols);
    if (code) return code;
    const int64_t have = n;
    if (!reel_merge_dim_(rows, have, &n))
        return reel_fail(REEL_ESHAPE, "a has %lld rows, b has %lld", (long long)have, (long long)rows);
    code = reel_shape_broadcast_(&batch, &more, &both);
    if (code) return code;
    io->out[0] = with(io->in[0]->dtype, &both, 2, n, cols);
    return reel_shape_check_(io->out[0].shape, true);
}

int reel_infer_lu_factor_(const reel_infer *io)
{
    reel_shape batch = {0};
    int64_t m = 0, n = 0;
    const int code = matrices(io->in[0], "a", &batch, &m, &n);
    if (code) return code;
    io->out[0] = *io->in[0];
    io->out[1] = with(REEL_I32, &batch, 1, m, 0);
    return 0;
}

int reel_infer_lu_(const reel_infer *io)
{
    reel_shape batch = {0};
    int64_t m = 0, n = 0;
    const int code = matrices(io->in[0], "a", &batch, &m, &n);
    if (code) return code;
    io->out[0] = with(io->in[0]->dtype, &batch, 2, m, m);
    io->out[1] = with(io->in[0]->dtype, &batch, 2, m, lesser(m, n));
    io->out[2] = with(io->in[0]->dtype, &batch, 2, lesser(m, n), n);
    return reel_shape_check_(io->out[0].shape, true);
}

int reel_infer_qr_(const reel_infer *io)
{
    const reel_attr_linalg *a = io->attr;
    reel_shape batch = {0};
    int64_t m = 0, n = 0;
    const int code = matrices(io->in[0], "a", &batch, &m, &n);
    if (code) return code;
    const int64_t c = a->full ? m : lesser(m, n);
    io->out[0] = with(io->in[0]->dtype, &batch, 2, m, c);
    io->out[1] = with(io->in[0]->dtype, &batch, 2, c, n);
    return reel_shape_check_(io->out[0].shape, true);
}

int reel_infer_eigh_(const reel_infer *io)
{
    reel_shape batch = {0};
    int64_t n = 0;
    const int code = square(io, &batch, &n);
    if (code) return code;
    io->out[0] = with(io->in[0]->dtype, &batch, 1, n, 0);
    if (io->n_out > 1) io->out[1] = with(io->in[0]->dtype, &batch, 2, n, n);
    return 0;
}

int reel_infer_svd_(const reel_infer *io)
{
    const reel_attr_linalg *a = io->attr;
    reel_shape batch = {0};
    int64_t m = 0, n = 0;
    int code = matrices(io->in[0], "a", &batch, &m, &n);
    if (code) return code;
    const int64_t k = lesser(m, n);
    const reel_type s = with(io->in[0]->dtype, &batch, 1, k, 0);
    if (io->n_out == 1) {
        io->out[0] = s;
        return 0;
    }
    io->out[0] = with(io->in[0]->dtype, &batch, 2, m, a->full ? m : k);
    io->out[1] = s;
    io->out[2] = with(io->in[0]->dtype, &batch, 2, a->full ? n : k, n);
    code = reel_shape_check_(io->out[0].shape, true);
    return code ? code : reel_shape_check_(io->out[2].shape, true);
}

static int tolerance(const reel_attr_linalg *a)
{
    if (a->tol >= 0) return 0;
    return reel_fail(REEL_EARG, "the relative tolerance is %g, it must not be negative", a->tol);
}

int reel_infer_pinv_(const reel_infer *io)
{
    reel_shape batch = {0};
    int64_t m = 0, n = 0;
    const int code = matrices(io->in[0], "a", &batch, &m, &n);
    if (code) return code;
    io->out[0] = with(io->in[0]->dtype, &batch, 2, n, m);
    return tolerance(io->attr);
}

int reel_infer_matrix_rank_(const reel_infer *io)
{
    reel_shape batch = {0};
    int64_t m = 0, n = 0;
    const int code = matrices(io->in[0], "a", &batch, &m, &n);
    if (code) return code;
    io->out[0] = with(REEL_I64, &batch, 0, 0, 0);
    return tolerance(io->attr);
}

/* ---- functions of one matrix ---------------------------------------------------------------------------- */
static const reel_attr_linalg plain = {0};

reel_tensor *reel_cholesky_at(const char *site, reel_tensor *a, bool upper)
{
    const reel_attr_linalg attr = {.upper = upper};
    return reel_op1_(REEL_OP_cholesky, &attr, site, a);
}

reel_tensor *reel_inverse_at(const char *site, reel_tensor *a)
{
    return reel_op1_(REEL_OP_inverse, &plain, site, a);
}

reel_tensor *reel_det_at(const char *site, reel_tensor *a)
{
    return reel_op1_(REEL_OP_det, &plain, site, a);
}

reel_tensor *reel_cofactor_at_(const char *site, reel_tensor *a)
{
    return reel_op1_(REEL_OP_cofactor, &plain, site, a);
}

reel_tensor *reel_eigvalsh_at(const char *site, reel_tensor *a, bool upper)
{
    const reel_attr_linalg attr = {.upper = upper};
    return reel_op1_(REEL_OP_eigvalsh, &attr, site, a);
}

reel_tensor *reel_svdvals_at(const char *site, reel_tensor *a)
{
    return reel_op1_(REEL_OP_svdvals, &plain, site, a);
}

reel_tensor *reel_pinv_at(const char *site, reel_tensor *a, double rtol)
{
    const reel_attr_linalg attr = {.tol = rtol};
    return reel_op1_(REEL_OP_pinv, &attr, site, a);
}

reel_tensor *reel_matrix_rank_at(const char *site, reel_tensor *a, double rtol)
{
    const reel_attr_linalg attr = {.tol = rtol};
    return reel_op1_(REEL_OP_matrix_rank, &attr, site, a);
}

static int several(int id, const reel_attr_linalg *attr, const char *site, reel_tensor *a, reel_tensor *out[], int n)
{
    if (!out) return reel_fail_at_(site, REEL_EARG, "reel_%s: out is NULL", reel_rows_[id].name);
    return reel_door_(&reel_rows_[id], attr, &a, 1, out, n, site);
}

int reel_slogdet_at(const char *site, reel_tensor *a, reel_tensor *out[2])
{
    return several(REEL_OP_slogdet, &plain, site, a, out, 2);
}

int reel_lu_at(const char *site, reel_tensor *a, reel_tensor *out[3])
{
    return several(REEL_OP_lu, &plain, site, a, out, 3);
}

int reel_lu_factor_at(const char *site, reel_tensor *a, reel_tensor *out[2])
{
    return several(REEL_OP_lu_factor, &plain, site, a, out, 2);
}

int reel_qr_at(const char *site, reel_tensor *a, bool complete, reel_tensor *out[2])
{
    const reel_attr_linalg attr = {.full = complete};
    return several(REEL_OP_qr, &attr, site, a, out, 2);
}

int reel_eigh_at(const char *site, reel_tensor *a, bool upper, reel_tensor *out[2])
{
    const reel_attr_linalg attr = {.upper = upper};
    return several(REEL_OP_eigh, &attr, site, a, out, 2);
}

int reel_svd_at(const char *site, reel_tensor *a, bool full, reel_tensor *out[3])
{
    const reel_attr_linalg attr = {.full = full};
    return several(REEL_OP_svd, &attr, site, a, out, 3);
}

/* ---- systems: a vector b is a column that goes again ------------------------------------------------------ */
static const reel_axes last = {1, {-1}};

static reel_tensor *solved(int id, const reel_attr_linalg *attr, const char *site, const char *fn, reel_tensor *a,
                           reel_tensor *b)
{
    const reel_rec *r = reel_live_(site, fn, "a", a) ? reel_live_(site, fn, "b", b) : NULL;
    if (!r) return NULL;
    if (r->type.shape.rank != 1) return reel_op2_(id, attr, site, a, b);
    reel_tensor *x = reel_op2_(id, attr, site, a, reel_unsqueeze_at(site, b, last));
    return x ? reel_squeeze_at(site, x, last) : NULL;
}

reel_tensor *reel_solve_at(const char *site, reel_tensor *a, reel_tensor *b)
{
    return solved(REEL_OP_solve, &plain, site, "reel_solve", a, b);
}

reel_tensor *reel_triangular_solve_at(const char *site, reel_tensor *a, reel_tensor *b,
                                      const reel_triangular_solve_opts *given)
{
    reel_triangular_solve_opts o = {0};
    reel_options_(&o, sizeof o, given);
    const reel_attr_linalg attr = {.upper = o.upper, .unit = o.unit, .transposed = o.transposed};
    return solved(REEL_OP_triangular_solve, &attr, site, "reel_triangular_solve", a, b);
}

reel_tensor *reel_lu_solve_at(const char *site, reel_tensor *lu, reel_tensor *perm, reel_tensor *b)
{
    const char *fn = "reel_lu_solve";
    const reel_rec *l = reel_live_(site, fn, "lu", lu), *p = l ? reel_live_(site, fn, "perm", perm) : NULL,
                   *r = p ? reel_live_(site, fn, "b", b) : NULL;
    if (!r) return NULL;
    if (p->type.dtype != REEL_I32) {
        reel_fail_at_(site, REEL_EDTYPE, "%s: perm is %s, lu_factor gives i32", fn, reel_dtype_name(p->type.dtype));
        return NULL;
    }
    if (p->type.shape.rank != l->type.shape.rank - 1) {
        reel_fail_at_(site, REEL_ESHAPE, "%s: perm has rank %d, lu %d", fn, p->type.shape.rank, l->type.shape.rank);
        return NULL;
    }
    const bool vector = r->type.shape.rank == 1;
    if (vector) b = reel_unsqueeze_at(site, b, last);
    const reel_attr_linalg lower = {.unit = 1}, upper = {.upper = 1};
    reel_tensor *x = reel_matmul_at(site, reel_one_hot_like_at_(site, perm, lu), b);
    x = reel_op2_(REEL_OP_triangular_solve, &lower, site, lu, x);
    x = reel_op2_(REEL_OP_triangular_solve, &upper, site, lu, x);
    return x && vector ? reel_squeeze_at(site, x, last) : x;
}

reel_tensor *reel_lstsq_at(const char *site, reel_tensor *a, reel_tensor *b, double rtol)
{
    const reel_rec *r = reel_live_(site, "reel_lstsq", "a", a) ? reel_live_(site, "reel_lstsq", "b", b) : NULL;
    return r ? reel_matmul_at(site, reel_pinv_at(site, a, rtol), b) : NULL;
}

/* ---- powers --------------------------------------------------------------------------------------------- */
reel_tensor *reel_matrix_power_at(const char *site, reel_tensor *a, int n)
{
    const reel_rec *r = reel_live_(site, "reel_matrix_power", "a", a);
    if (!r) return NULL;
    const reel_shape *s = &r->type.shape;
    char text[REEL_SHAPE_TEXT];
    int64_t side;
    if (s->rank < 2 || !reel_merge_dim_(s->dims[s->rank - 1], s->dims[s->rank - 2], &side)) {
        reel_fail_at_(site, REEL_ESHAPE, "reel_matrix_power: a %s%s is no square matrix",
                      reel_dtype_name(r->type.dtype), reel_shape_text_(s, text));
        return NULL;
    }
    if (!reel_is_float_(r->type.dtype) && n < 0) {
        reel_fail_at_(site, REEL_EDTYPE, "reel_matrix_power: a is %s, a negative power needs floats",
                      reel_dtype_name(r->type.dtype));
        return NULL;
    }
    if (n == 0) {
        reel_tensor *ones = reel_ones_like_at(site, reel_diagonal_at(site, a, 0, -2, -1));
        return reel_diag_embed_at(site, ones, 0);
    }
    unsigned left = n < 0 ? 0u - (unsigned)n : (unsigned)n;
    reel_tensor *base = n < 0 ? reel_inverse_at(site, a) : a, *y = NULL;
    for (;;) {
        if (left & 1) y = y ? reel_matmul_at(site, y, base) : base;
        left >>= 1;
        if (!left) break;
        base = reel_matmul_at(site, base, base);
    }
    return y;
}
