/* sparse.c: row-sparse tensors: rows and their numbers, both ordinary tensors, that stand for a table. Tapes and traces know the two;
   of the pair itself they hear only when it is made dense, which is an op like any other. */
#include "core/device.h"
#include "core/error.h"
#include "eager.h"
#include "ops/ids.h"
#include "tape.h"

/* Its shape may be known from a tensor that only its tape keeps. */
static reel_rec *shape_of(const char *site, reel_tensor *like)
{
    reel_rec *r = like ? reel_rec_of_(like) : NULL;
    if (r && reel_ctx_()->backward > 0 && r->state == REEL_DEAD &&
        r->generation == ((uintptr_t)like & (REEL_BLOCK - 1)))
        return r;
    return reel_live_(site, "reel_row_sparse", "like", like);
}

static int check(const char *site, const reel_rec *values, const reel_rec *ids, const reel_rec *like)
{
    static const char fn[] = "reel_row_sparse";
    const reel_shape *v = &values->type.shape, *t = &like->type.shape, *n = &ids->type.shape;
    char a[REEL_SHAPE_TEXT], b[REEL_SHAPE_TEXT];
    if (!reel_is_int_(ids->type.dtype))
        return reel_fail_at_(site, REEL_EDTYPE, "%s: ids are %s, not integers", fn, reel_dtype_name(ids->type.dtype));
    if (!reel_is_float_(like->type.dtype) || values->type.dtype != like->type.dtype)
        return reel_fail_at_(site, REEL_EDTYPE, "%s: values are %s, like is %s: one float dtype is needed", fn,
                             reel_dtype_name(values->type.dtype), reel_dtype_name(like->type.dtype));
    bool fits = t->rank >= 1 && v->rank == t->rank && n->rank == 1 && reel_dims_agree_(v->dims[0], n->dims[0]);
    for (int i = 1; fits && i < t->rank; i++) fits = reel_dims_agree_(v->dims[i], t->dims[i]);
    if (fits) return 0;
    char c[REEL_SHAPE_TEXT];
    return reel_fail_at_(site, REEL_ESHAPE, "%s: values %s and ids %s are no rows of %s", fn, reel_shape_text_(v, a),
                         reel_shape_text_(n, b), reel_shape_text_(t, c));
}

/* Traces take it for `like` where only its shape is read. */
static int tell(const reel_rec *r, const reel_rec *like)
{
    for (reel_listener *l = reel_ctx_()->listeners; l; l = l->next) {
        const int rc = l->paused || !l->same ? 0 : l->same(l, r, like);
        if (rc) return rc;
    }
    return 0;
}

reel_tensor *reel_row_sparse_at(const char *site, reel_tensor *values, reel_tensor *ids, reel_tensor *like)
{
    static const char fn[] = "reel_row_sparse";
    reel_rec *v = reel_live_value_(site, fn, "values", values), *n = v ? reel_live_value_(site, fn, "ids", ids) : NULL;
    reel_rec *t = n ? shape_of(site, like) : NULL;
    if (!t || check(site, v, n, t)) return NULL;
    if (v->flags & REEL_R_NUM || n->flags & REEL_R_NUM)
        return reel_fail_at_(site, REEL_EARG, "%s: values and ids cannot be weak numbers", fn), NULL;
    reel_type type = t->type;
    reel_rec *r = reel_make_sparse_(site, &type, v, n);
    if (!r) return NULL;
    if (t->flags & REEL_R_COUNTED) r->flags |= REEL_R_COUNTED;
    if (!tell(r, t)) return reel_handle_(r);
    reel_disown_(r);
    return NULL;
}

bool reel_is_row_sparse(reel_tensor *t)
{
    return t && reel_is_live_(t) && reel_rec_of_(t)->flags & REEL_R_SPARSE;
}

static reel_tensor *part(const char *site, const char *fn, reel_tensor *t, bool ids)
{
    const reel_rec *r = reel_live_(site, fn, "t", t);
    if (!r) return NULL;
    if (!(r->flags & REEL_R_SPARSE))
        return reel_fail_at_(site, REEL_EARG, "%s: the tensor made at %s is not row-sparse", fn, r->made), NULL;
    return reel_handle_(reel_make_alias_(site, ids ? r->ids : r->value));
}

reel_tensor *reel_rows_values_at(const char *site, reel_tensor *t)
{
    return part(site, "reel_rows_values", t, false);
}

reel_tensor *reel_rows_ids_at(const char *site, reel_tensor *t)
{
    return part(site, "reel_rows_ids", t, true);
}

/* Is there no tape that is deaf only for a while, and would not know the dense tensor later? */
static bool all_heard(void)
{
    for (const reel_listener *l = reel_ctx_()->listeners; l; l = l->next)
        if (l->paused && reel_is_tape_(l) && !((const reel_tape_rec *)l)->stopped) return false;
    return true;
}

reel_rec *reel_dense_of_(const char *site, reel_rec *r)
{
    if (r->dense) return r->dense;
    reel_tensor *const in[3] = {reel_handle_(r->value), reel_handle_(r), reel_handle_(r->ids)};
    reel_tensor *out = NULL;
    if (reel_door_(&reel_rows_[REEL_OP_put_rows], NULL, in, 3, &out, 1, site)) return NULL;
    reel_rec *dense = reel_rec_of_(out);
    if (all_heard()) reel_retain_rec_(r->dense = dense);
    return dense;
}

reel_tensor *reel_densify_at(const char *site, reel_tensor *t)
{
    reel_rec *r = reel_live_(site, "reel_densify", "t", t);
    if (!r) return NULL;
    if (!(r->flags & REEL_R_SPARSE)) return t;
    r = reel_dense_of_(site, r);
    return r ? reel_handle_(reel_make_alias_(site, r)) : NULL;
}

reel_tensor *reel_rows_joined_(const char *site, reel_rec *a, reel_rec *b)
{
    reel_tensor *const values[2] = {reel_handle_(a->value), reel_handle_(b->value)};
    reel_tensor *ids[2] = {reel_handle_(a->ids), reel_handle_(b->ids)};
    for (int i = 0; i < 2 && a->ids->type.dtype != b->ids->type.dtype; i++)
        ids[i] = reel_cast_at(site, ids[i], REEL_I64);
    reel_tensor *v = reel_concat_at(site, (reel_list){2, (reel_tensor **)(uintptr_t)values}, 0);
    return reel_row_sparse_at(site, v, reel_concat_at(site, (reel_list){2, ids}, 0), reel_handle_(a));
}

/* ---- would a step go through? ----------------------------------------------------------------------------- */
static int looked(void *arg, int64_t n, void **ptr, bool *empty)
{
    (void)arg, (void)n, (void)ptr;
    *empty = true; /* of the two halves of sgd_rows only the one that may refuse */
    return 0;
}

static reel_kview view_of(const reel_rec *r)
{
    return (reel_kview){r->type.dtype, r->type.shape.rank, r->type.shape.dims, r->strides, r->data};
}

/* As the input of sgd_rows that it would be: its shape rule, and what its kernel checks before it writes. */
static int check_step(const reel_rec *t, const reel_rec *w)
{
    const reel_op *op = &reel_rows_[REEL_OP_sgd_rows];
    const char attr[REEL_ATTR_MAX] = {0};
    const reel_type lr = {.dtype = w->type.dtype}, *const type[] = {&w->type, &w->type, &t->value->type, &t->ids->type,
                                                                    &lr};
    reel_dtype dtype[5];
    reel_type out[2];
    const int rc = reel_infer_(op, attr, type, NULL, 5, dtype, out, 2);
    if (rc || (t->value->flags | t->ids->flags | w->flags) & REEL_R_SYMBOLIC || reel_count_(&t->value->type.shape) == 0)
        return rc;
    const reel_kview scalar = {.dtype = lr.dtype};
    const reel_kview in[5] = {view_of(w), view_of(w), view_of(t->value), view_of(t->ids), scalar};
    const reel_ksig sig = {.op = op, .attr = attr, .n_in = 5, .n_out = 2, .in = in, .out = in};
    return reel_eager_run_(reel_kernel_(reel_device_(0), op), &sig, &(reel_sizing){looked, NULL});
}

int reel_rows_check_at(const char *site, reel_tensor *t, reel_tensor *w)
{
    static const char fn[] = "reel_rows_check";
    reel_ctx *c = reel_ctx_();
    if (c->error.code) return c->error.code;
    const reel_rec *r = reel_live_(site, fn, "t", t), *table = r ? reel_live_value_(site, fn, "w", w) : NULL;
    if (!table) return c->error.code;
    if (!(r->flags & REEL_R_SPARSE))
        return reel_fail_at_(site, REEL_EARG, "%s: the tensor made at %s is not row-sparse", fn, r->made);
    const char *old_site = c->site, *old_op = c->op;
    c->site = site, c->op = fn + 5;
    const int rc = check_step(r, table);
    c->site = old_site, c->op = old_op;
    return rc;
}
