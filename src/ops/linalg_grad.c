/* linalg_grad.c: gradients of the factorizations, from Giles 2008 ("An extended collection of matrix derivative results"),
   Walter & Lehmann 2012 (QR), Golub & Pereyra 1973 (the pseudo-inverse). What reads one triangle of a symmetric matrix has
   its gradient there. Where eigenvalues coincide the difference of their vectors counts as without effect. */
#include "internal.h"

#include "core/error.h"
#include <math.h>

static reel_tensor *T(const char *site, reel_tensor *x)
{
    return reel_swap_last_at_(site, x);
}
static reel_tensor *mm(const char *site, reel_tensor *a, reel_tensor *b)
{
    return reel_matmul_at(site, a, b);
}
static reel_tensor *scale(const char *site, reel_tensor *x, double by)
{
    return reel_mul_at(site, x, reel_num_at(site, by));
}
static reel_tensor *last_axis(const char *site, reel_tensor *x, int at) /* a new axis of size 1 */
{
    return reel_unsqueeze_at(site, x, (reel_axes){1, {at}});
}
/* [...] as [..., 1, 1] */
static reel_tensor *as_matrix(const char *site, reel_tensor *x)
{
    return reel_unsqueeze_at(site, x, (reel_axes){2, {-2, -1}});
}
/* op(a)^-1 b */
static reel_tensor *tri(const char *site, reel_tensor *a, reel_tensor *b, bool upper, bool transposed, bool unit)
{
    const reel_attr_linalg attr = {.upper = upper, .unit = unit, .transposed = transposed};
    return reel_op2_(REEL_OP_triangular_solve, &attr, site, a, b);
}
/* b op(a)^-1 */
static reel_tensor *tri_right(const char *site, reel_tensor *a, reel_tensor *b, bool upper, bool transposed, bool unit)
{
    return T(site, tri(site, a, T(site, b), upper, !transposed, unit));
}
/* The gradient of a symmetric matrix, of which one triangle was read. */
static reel_tensor *one_triangle(const char *site, reel_tensor *s, bool upper)
{
    return upper ? reel_add_at(site, reel_triu_at(site, s, 0), reel_triu_at(site, s, 1))
                 : reel_add_at(site, reel_tril_at(site, s, 0), reel_tril_at(site, s, -1));
}

/* ---- Cholesky ------------------------------------------------------------------------------------------- */
int reel_vjp_cholesky_(const reel_vjp_args *v)
{
    const reel_attr_linalg *attr = v->attr;
    const char *site = v->site;
    const bool upper = attr->upper != 0;
    reel_tensor *l = upper ? T(site, v->out[0]) : v->out[0], *g = upper ? T(site, v->dout[0]) : v->dout[0];
    reel_tensor *p = mm(site, T(site, l), g);
    p = reel_add_at(site, reel_tril_at(site, p, 0), reel_tril_at(site, p, -1)); /* twice the lower half */
    reel_tensor *s = tri_right(site, l, tri(site, l, p, false, true, false), false, false, false);
    s = scale(site, reel_add_at(site, s, T(site, s)), 0.25);
    v->din[0] = one_triangle(site, s, upper);
    return reel_status();
}

/* ---- systems: x = op(a)^-1 b ------------------------------------------------------------------------------ */
int reel_vjp_triangular_solve_(const reel_vjp_args *v)
{
    const reel_attr_linalg *attr = v->attr;
    const char *site = v->site;
    const bool upper = attr->upper != 0, unit = attr->unit != 0, transposed = attr->transposed != 0;
    reel_tensor *db = tri(site, v->in[0], v->dout[0], upper, !transposed, unit);
    if (v->need[1]) v->din[1] = reel_to_shape_(site, db, v->in[1]);
    if (v->need[0]) {
        reel_tensor *x = v->out[0];
        reel_tensor *da = transposed ? mm(site, x, T(site, db)) : mm(site, db, T(site, x));
        da = reel_neg_at(site, upper ? reel_triu_at(site, da, unit) : reel_tril_at(site, da, -(int)unit));
        v->din[0] = reel_to_shape_(site, da, v->in[0]);
    }
    return reel_status();
}

int reel_vjp_solve_(const reel_vjp_args *v)
{
    const char *site = v->site;
    reel_tensor *db = reel_op2_(REEL_OP_solve, v->attr, site, T(site, v->in[0]), v->dout[0]);
    if (v->need[1]) v->din[1] = reel_to_shape_(site, db, v->in[1]);
    if (v->need[0]) v->din[0] = reel_to_shape_(site, reel_neg_at(site, mm(site, db, T(site, v->out[0]))), v->in[0]);
    return reel_status();
}

int reel_vjp_inverse_(const reel_vjp_args *v) /* -y^T g y^T */
{
    reel_tensor *yt = T(v->site, v->out[0]);
    v->din[0] = reel_neg_at(v->site, mm(v->site, mm(v->site, yt, v->dout[0]), yt));
    return reel_status();
}

/* ---- determinants ----------------------------------------------------------------------------------------- */
int reel_vjp_det_(const reel_vjp_args *v)
{
    v->din[0] = reel_mul_at(v->site, as_matrix(v->site, v->dout[0]), reel_cofactor_at_(v->site, v->in[0]));
    return reel_status();
}

int reel_vjp_cofactor_(const reel_vjp_args *v) /* (<g, c> c - c g^T c) / det a */
{
    const char *site = v->site;
    const reel_axes both = {2, {-2, -1}};
    reel_tensor *c = v->out[0], *g = v->dout[0];
    reel_tensor *along = reel_sum_axes_at(site, reel_mul_at(site, g, c), both, true);
    reel_tensor *y = reel_sub_at(site, reel_mul_at(site, along, c), mm(site, mm(site, c, T(site, g)), c));
    v->din[0] = reel_div_at(site, y, as_matrix(site, reel_det_at(site, v->in[0])));
    return reel_status();
}

int reel_vjp_slogdet_(const reel_vjp_args *v)
{
    if (v->dout[1])
        v->din[0] =
            reel_mul_at(v->site, as_matrix(v->site, v->dout[1]), T(v->site, reel_inverse_at(v->site, v->in[0])));
    return reel_status();
}

/* ---- parts of matrices whose sizes are known -------------------------------------------------------------- */
static reel_tensor *rows(const char *site, reel_tensor *x, int64_t from, int64_t to)
{
    reel_range r[REEL_MAX_RANK];
    if (!x) return NULL;
    const int rank = reel_type_of_(x)->shape.rank;
    for (int i = 0; i < rank; i++) r[i] = (reel_range)REEL_ALL;
    r[rank - 2] = (reel_range){from, to, 1};
    return reel_slice_at(site, x, rank, r);
}
static reel_tensor *cols(const char *site, reel_tensor *x, int64_t from, int64_t to)
{
    return T(site, rows(site, T(site, x), from, to));
}
static reel_tensor *beside(const char *site, reel_tensor *a, reel_tensor *b, int axis)
{
    reel_tensor *const both[2] = {a, b};
    return reel_concat_at(site, (reel_list){2, both}, axis);
}
static int sides(const reel_vjp_args *v, int64_t *m, int64_t *n)
{
    const reel_shape *s = &reel_type_of_(v->in[0])->shape;
    *m = s->dims[s->rank - 2], *n = s->dims[s->rank - 1];
    if (*m == *n || (*m != REEL_ANY && *n != REEL_ANY)) return 0;
    return reel_fail(REEL_ESHAPE, "the gradient needs to know the numbers of rows and columns");
}
static reel_tensor *or_zeros(const char *site, reel_tensor *g, reel_tensor *like)
{
    return g ? g : reel_zeros_like_at(site, like);
}

/* ---- LU: a = P l u ---------------------------------------------------------------------------------------- */
/* For square l and u: l^-T [tril(l^T gl, -1) + triu(gu u^T)] u^-T */
static reel_tensor *lu_core(const char *site, reel_tensor *l, reel_tensor *u, reel_tensor *lgl, reel_tensor *guu)
{
    reel_tensor *x = reel_add_at(site, reel_tril_at(site, lgl, -1), reel_triu_at(site, guu, 0));
    x = tri(site, l, x, false, true, true);
    return u ? tri_right(site, u, x, true, true, false) : x;
}

int reel_vjp_lu_(const reel_vjp_args *v)
{
    const char *site = v->site;
    int64_t m, n;
    const int code = sides(v, &m, &n);
    if (code) return code;
    reel_tensor *p = v->out[0], *l = v->out[1], *u = v->out[2], *x;
    reel_tensor *gl = or_zeros(site, v->dout[1], l), *gu = or_zeros(site, v->dout[2], u);
    if (m == n) {
        x = lu_core(site, l, u, mm(site, T(site, l), gl), mm(site, gu, T(site, u)));
    } else if (m < n) { /* u = [u1 u2] */
        reel_tensor *u1 = cols(site, u, 0, m), *u2 = cols(site, u, m, n), *g1 = cols(site, gu, 0, m),
                    *g2 = cols(site, gu, m, n);
        reel_tensor *lgl = reel_sub_at(site, mm(site, T(site, l), gl), mm(site, g2, T(site, u2)));
        x = lu_core(site, l, u1, lgl, mm(site, g1, T(site, u1)));
        x = beside(site, x, tri(site, l, g2, false, true, true), -1);
    } else { /* l = [l1; l2] */
        reel_tensor *l1 = rows(site, l, 0, n), *l2 = rows(site, l, n, m), *g1 = rows(site, gl, 0, n),
                    *g2 = rows(site, gl, n, m);
        reel_tensor *guu = reel_sub_at(site, mm(site, gu, T(site, u)), mm(site, T(site, l2), g2));
        x = lu_core(site, l1, u, mm(site, T(site, l1), g1), guu);
        x = beside(site, x, tri_right(site, u, g2, true, true, false), -2);
    }
    v->din[0] = mm(site, p, x);
    return reel_status();
}

int reel_vjp_lu_factor_(const reel_vjp_args *v)
{
    const char *site = v->site;
    int64_t m, n;
    const int code = sides(v, &m, &n);
    if (code) return code;
    if (m != n) return reel_fail(REEL_EARG, "it has a gradient for square matrices only; reel_lu has one for all");
    if (!v->dout[0]) return 0;
    reel_tensor *lu = v->out[0], *gl = reel_tril_at(site, v->dout[0], -1), *gu = reel_triu_at(site, v->dout[0], 0);
    reel_tensor *lgl = reel_add_at(site, gl, mm(site, T(site, reel_tril_at(site, lu, -1)), gl));
    reel_tensor *x = lu_core(site, lu, lu, lgl, mm(site, gu, T(site, reel_triu_at(site, lu, 0))));
    v->din[0] = mm(site, T(site, reel_one_hot_like_at_(site, v->out[1], lu)), x);
    return reel_status();
}

/* ---- QR --------------------------------------------------------------------------------------------------- */
/* [gq + q sym(m)] r^-T with m = r gr^T - gq^T q and sym taking its lower triangle; r is square. */
static reel_tensor *qr_core(const char *site, reel_tensor *q, reel_tensor *r, reel_tensor *gq, reel_tensor *gr)
{
    reel_tensor *m = reel_sub_at(site, mm(site, r, T(site, gr)), mm(site, T(site, gq), q));
    m = reel_add_at(site, reel_tril_at(site, m, 0), T(site, reel_tril_at(site, m, -1)));
    return tri_right(site, r, reel_add_at(site, gq, mm(site, q, m)), true, true, false);
}

int reel_vjp_qr_(const reel_vjp_args *v)
{
    const reel_attr_linalg *attr = v->attr;
    const char *site = v->site;
    int64_t m, n;
    const int code = sides(v, &m, &n);
    if (code) return code;
    if (attr->full && m > n)
        return reel_fail(REEL_EARG, "the complete Q of %lld by %lld has no gradient: its last columns are arbitrary",
                         (long long)m, (long long)n);
    reel_tensor *q = v->out[0], *r = v->out[1], *gq = or_zeros(site, v->dout[0], q),
                *gr = or_zeros(site, v->dout[1], r);
    if (m == n || m > n) {
        v->din[0] = qr_core(site, q, r, gq, gr);
        return reel_status();
    }
    /* a = q [u w], y = q w the columns beyond */
    reel_tensor *u = cols(site, r, 0, m), *w = cols(site, r, m, n), *gu = cols(site, gr, 0, m),
                *gw = cols(site, gr, m, n);
    gq = reel_add_at(site, gq, mm(site, mm(site, q, w), T(site, gw)));
    v->din[0] = beside(site, qr_core(site, q, u, gq, gu), mm(site, q, gw), -1);
    return reel_status();
}

/* ---- eigenvalues and singular values ------------------------------------------------------------------------ */
/* 1 / (x_j - x_i), 0 where they coincide */
static reel_tensor *gaps(const char *site, reel_tensor *x)
{
    reel_tensor *d = reel_sub_at(site, last_axis(site, x, -2), last_axis(site, x, -1));
    reel_tensor *none = reel_equal_at(site, d, reel_num_at(site, 0));
    return reel_div_at(site, reel_num_at(site, 1), reel_where_at(site, none, reel_num_at(site, INFINITY), d));
}
static reel_tensor *antisymmetric(const char *site, reel_tensor *x)
{
    return reel_sub_at(site, x, T(site, x));
}

int reel_vjp_eigh_(const reel_vjp_args *v)
{
    const reel_attr_linalg *attr = v->attr;
    const char *site = v->site;
    reel_tensor *w = v->out[0], *q = v->out[1], *inner = NULL, *s;
    if (v->dout[1]) {
        inner = scale(site, antisymmetric(site, mm(site, T(site, q), v->dout[1])), 0.5);
        inner = mm(site, q, reel_mul_at(site, inner, gaps(site, w)));
    }
    if (v->dout[0]) {
        s = reel_mul_at(site, q, last_axis(site, v->dout[0], -2));
        inner = inner ? reel_add_at(site, inner, s) : s;
    }
    if (!inner) return 0;
    v->din[0] = one_triangle(site, mm(site, inner, T(site, q)), attr->upper != 0);
    return reel_status();
}

int reel_vjp_eigvalsh_(const reel_vjp_args *v)
{
    const reel_attr_linalg *attr = v->attr;
    const char *site = v->site;
    reel_tensor *out[2];
    if (reel_eigh_at(site, v->in[0], attr->upper != 0, out)) return reel_status();
    reel_tensor *s = mm(site, reel_mul_at(site, out[1], last_axis(site, v->dout[0], -2)), T(site, out[1]));
    v->din[0] = one_triangle(site, s, attr->upper != 0);
    return reel_status();
}

int reel_vjp_svdvals_(const reel_vjp_args *v)
{
    const char *site = v->site;
    reel_tensor *out[3];
    if (reel_svd_at(site, v->in[0], false, out)) return reel_status();
    v->din[0] = mm(site, reel_mul_at(site, out[0], last_axis(site, v->dout[0], -2)), out[2]);
    return reel_status();
}

int reel_vjp_svd_(const reel_vjp_args *v)
{
    const reel_attr_linalg *attr = v->attr;
    const char *site = v->site;
    int64_t m, n;
    const int code = sides(v, &m, &n);
    if (code) return code;
    reel_tensor *u = v->out[0], *s = v->out[1], *vh = v->out[2], *gu = v->dout[0], *gs = v->dout[1], *gvh = v->dout[2];
    if (attr->full && m != n) {
        if (gu || gvh)
            return reel_fail(REEL_EARG, "the full U and Vh of %lld by %lld have no gradient: part of them is arbitrary",
                             (long long)m, (long long)n);
        u = m > n ? cols(site, u, 0, n) : u;
        vh = m < n ? rows(site, vh, 0, m) : vh;
    }
    reel_tensor *inner = NULL, *more, *across = last_axis(site, s, -2), *down = last_axis(site, s, -1);
    if (gu || gvh) {
        reel_tensor *f = gaps(site, reel_square_at(site, s)), *part = NULL;
        if (gu) inner = reel_mul_at(site, reel_mul_at(site, antisymmetric(site, mm(site, T(site, u), gu)), f), across);
        if (gvh) part = reel_mul_at(site, down, reel_mul_at(site, antisymmetric(site, mm(site, vh, T(site, gvh))), f));
        inner = inner && part ? reel_add_at(site, inner, part) : inner ? inner : part;
    }
    reel_tensor *x = inner ? mm(site, u, inner) : NULL;
    if (gs) {
        more = reel_mul_at(site, u, last_axis(site, gs, -2));
        x = x ? reel_add_at(site, x, more) : more;
    }
    if (gu && m > n) {
        more = reel_div_at(site, reel_sub_at(site, gu, mm(site, u, mm(site, T(site, u), gu))), across);
        x = reel_add_at(site, x, more);
    }
    if (!x) return 0;
    x = mm(site, x, vh);
    if (gvh && n > m) {
        more = reel_div_at(site, reel_sub_at(site, gvh, mm(site, mm(site, gvh, T(site, vh)), vh)), down);
        x = reel_add_at(site, x, mm(site, u, more));
    }
    v->din[0] = x;
    return reel_status();
}

/* With y the pseudo-inverse: (1 - a y) g^T y y^T + y^T y g^T (1 - y a) - y^T g y^T */
int reel_vjp_pinv_(const reel_vjp_args *v)
{
    const char *site = v->site;
    reel_tensor *a = v->in[0], *y = v->out[0], *g = v->dout[0], *yt = T(site, y), *gt = T(site, g);
    reel_tensor *left = mm(site, mm(site, gt, y), yt), *right = mm(site, yt, mm(site, y, gt));
    left = reel_sub_at(site, left, mm(site, a, mm(site, y, left)));
    right = reel_sub_at(site, right, mm(site, mm(site, right, y), a));
    v->din[0] = reel_sub_at(site, reel_add_at(site, left, right), mm(site, mm(site, yt, g), yt));
    return reel_status();
}
