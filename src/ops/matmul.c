/* matmul.c: products of matrices, vectors and batches of them. */
#include "core/error.h"
#include "core/options.h"
#include "internal.h"
#include <math.h>

/* ---- shape rule -------------------------------------------------------------------------------------- */
int reel_infer_matmul_(const reel_infer *io)
{
    const reel_shape *a = &io->in[0]->shape, *b = &io->in[1]->shape;
    if (a->rank == 0 || b->rank == 0)
        return reel_fail(REEL_ESHAPE, "%s is a scalar, it needs at least one axis", a->rank == 0 ? "a" : "b");
    const int64_t k = a->dims[a->rank - 1], k2 = b->rank == 1 ? b->dims[0] : b->dims[b->rank - 2];
    int64_t inner;
    if (!reel_merge_dim_(k, k2, &inner))
        return reel_fail(REEL_ESHAPE, "inner dimensions differ: %lld and %lld", (long long)k, (long long)k2);

    reel_shape out = {0};
    if (a->rank > 2 || b->rank > 2) {
        reel_shape lead_a = {0}, lead_b = {0};
        lead_a.rank = a->rank > 2 ? a->rank - 2 : 0;
        lead_b.rank = b->rank > 2 ? b->rank - 2 : 0;
        for (int i = 0; i < lead_a.rank; i++) lead_a.dims[i] = a->dims[i];
        for (int i = 0; i < lead_b.rank; i++) lead_b.dims[i] = b->dims[i];
        const int code = reel_shape_broadcast_(&lead_a, &lead_b, &out);
        if (code) return code;
    }
    if (a->rank > 1) out.dims[out.rank++] = a->dims[a->rank - 2];
    if (b->rank > 1) out.dims[out.rank++] = b->dims[b->rank - 1];
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype, .shape = out};
    return reel_shape_check_(out, true);
}

reel_tensor *reel_matmul_at(const char *site, reel_tensor *a, reel_tensor *b)
{
    return reel_op2_(REEL_OP_matmul, &reel_no_attr_, site, a, b);
}

/* ---- gradients: y = a b, g of y's shape -------------------------------------------------------------- */
static const reel_axes last = {1, {-1}}, last_but_one = {1, {-2}};

/* db for a batch against one matrix b: one product over all rows of the batch instead of one a batch and a sum. Unknown dimensions do not
   make it another one: the bits would be others. */
static reel_tensor *gradient_of_shared(const char *site, reel_tensor *a, reel_tensor *g)
{
    reel_tensor *at = reel_swap_last_at_(site, reel_flatten_at(site, a, 0, -2));
    return reel_matmul_at(site, at, reel_flatten_at(site, g, 0, -2));
}

/* Both operands have at least two axes. */
static void matrices(const reel_vjp_args *v, reel_tensor *a, reel_tensor *b, reel_tensor *g, reel_tensor **da,
                     reel_tensor **db)
{
    const char *site = v->site;
    if (!a || !b || !g) return;
    if (v->need[0]) *da = reel_matmul_at(site, g, reel_swap_last_at_(site, b));
    if (v->need[1]) {
        if (reel_type_of_(a)->shape.rank > 2 && reel_type_of_(b)->shape.rank == 2)
            *db = gradient_of_shared(site, a, g);
        else
            *db = reel_matmul_at(site, reel_swap_last_at_(site, a), g);
    }
}

/* A vector is a row (first operand) or a column (second) whose extra axis is taken away again. */
int reel_vjp_matmul_(const reel_vjp_args *v)
{
    const char *site = v->site;
    reel_tensor *a = v->in[0], *b = v->in[1], *g = v->dout[0], *da = NULL, *db = NULL;
    const int rank_a = reel_type_of_(a)->shape.rank, rank_b = reel_type_of_(b)->shape.rank;
    if (rank_a == 1 && rank_b == 1) {
        if (v->need[0]) v->din[0] = reel_mul_at(site, g, b);
        if (v->need[1]) v->din[1] = reel_mul_at(site, g, a);
        return reel_status();
    }
    if (rank_a == 1) {
        matrices(v, reel_unsqueeze_at(site, a, last_but_one), b, reel_unsqueeze_at(site, g, last_but_one), &da, &db);
        if (da) da = reel_squeeze_at(site, da, last_but_one);
    } else if (rank_b == 1) {
        matrices(v, a, reel_unsqueeze_at(site, b, last), reel_unsqueeze_at(site, g, last), &da, &db);
        if (db) db = reel_squeeze_at(site, db, last);
    } else {
        matrices(v, a, b, g, &da, &db);
    }
    if (v->need[0]) v->din[0] = reel_to_shape_(site, da, a);
    if (v->need[1]) v->din[1] = reel_to_shape_(site, db, b);
    return reel_status();
}

/* ---- alpha a b + beta c ------------------------------------------------------------------------------- */
static reel_tensor *scaled(const char *site, reel_tensor *x, double by)
{
    return by == 1 ? x : reel_mul_at(site, x, reel_num_at(site, by));
}

static reel_tensor *affine(const char *site, const char *fn, reel_tensor *a, reel_tensor *b, reel_tensor *c,
                           double alpha, double beta)
{
    if (c ? !reel_live_(site, fn, "c", c) : !reel_optional_(c)) return NULL;
    if (isnan(alpha) || isnan(beta)) {
        reel_fail_at_(site, REEL_EARG, "%s: %s is NaN", fn, isnan(alpha) ? "alpha" : "beta");
        return NULL;
    }
    reel_tensor *y = scaled(site, reel_matmul_at(site, a, b), alpha);
    if (!y || !c) return y;
    const reel_type *ty = reel_type_of_(y), *tc = reel_type_of_(c);
    if (ty->dtype != tc->dtype && !(reel_rec_of_(c)->flags & REEL_R_NUM)) {
        reel_fail_at_(site, REEL_EDTYPE, "%s: dtypes differ: a b is %s, c is %s", fn, reel_dtype_name(ty->dtype),
                      reel_dtype_name(tc->dtype));
        return NULL;
    }
    const int lead = ty->shape.rank - tc->shape.rank;
    for (int i = lead < 0 ? -1 : 0; i < tc->shape.rank; i++) {
        const int64_t have = i < 0 ? 0 : tc->shape.dims[i], want = i < 0 ? -2 : ty->shape.dims[lead + i];
        if (have == want || have == 1 || have == REEL_ANY || want == REEL_ANY) continue;
        char t[REEL_SHAPE_TEXT], u[REEL_SHAPE_TEXT];
        reel_fail_at_(site, REEL_ESHAPE, "%s: c %s does not broadcast to the product's shape %s", fn,
                      reel_shape_text_(&tc->shape, t), reel_shape_text_(&ty->shape, u));
        return NULL;
    }
    return beta == 0 ? y : reel_add_at(site, y, scaled(site, c, beta));
}

static reel_tensor *turned(const char *site, const char *name, reel_tensor *x)
{
    const reel_rec *r = reel_live_(site, "reel_gemm", name, x);
    if (!r) return NULL;
    if (r->type.shape.rank < 2) {
        reel_fail_at_(site, REEL_ESHAPE, "reel_gemm: %s has rank %d: there is nothing to transpose", name,
                      r->type.shape.rank);
        return NULL;
    }
    return reel_swap_last_at_(site, x);
}

reel_tensor *reel_gemm_at(const char *site, reel_tensor *a, reel_tensor *b, reel_tensor *c, const reel_gemm_opts *given)
{
    reel_gemm_opts o = {0};
    reel_options_(&o, sizeof o, given);
    const double alpha = o.alpha == 0 && !signbit(o.alpha) ? 1 : o.alpha;
    const double beta = o.beta == 0 && !signbit(o.beta) ? 1 : o.beta;
    if (o.trans_a) a = turned(site, "a", a);
    if (o.trans_b) b = turned(site, "b", b);
    return affine(site, "reel_gemm", a, b, c, alpha, beta);
}

reel_tensor *reel_addmm_at(const char *site, reel_tensor *c, reel_tensor *a, reel_tensor *b, double beta, double alpha)
{
    if (!reel_live_(site, "reel_addmm", "c", c)) return NULL;
    return affine(site, "reel_addmm", a, b, c, alpha, beta);
}
