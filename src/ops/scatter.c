/* scatter.c: elements put by index. Three ways to address: by element along an axis, by place, by row along an axis; each
   with a row for set and add, whose gradients need the indices alone, and one for mul, max and min. */
#include "internal.h"

#include "core/error.h"

/* ---- shape rules -------------------------------------------------------------------------------------------- */
static int checked(const reel_infer *io, bool reduces)
{
    const reel_attr_axis *a = io->attr;
    const bool fits = reduces ? a->index >= REEL_SCATTER_MUL && a->index <= REEL_SCATTER_MIN
                              : a->index == REEL_SCATTER_SET || a->index == REEL_SCATTER_ADD;
    if (!fits) return reel_fail(REEL_EARG, "mode %d is none", a->index);
    if (io->in[0]->dtype == REEL_BOOL && a->index != REEL_SCATTER_SET)
        return reel_fail(REEL_EDTYPE, "bool can only be set");
    io->out[0] = *io->in[0];
    return reel_check_indices_(io->in[1]);
}

static int same_shape(const reel_shape *updates, const reel_shape *want)
{
    reel_shape both;
    char a[REEL_SHAPE_TEXT], b[REEL_SHAPE_TEXT];
    if (reel_merge_shape_(updates, want, &both)) return 0;
    return reel_fail(REEL_ESHAPE, "updates has shape %s, not %s", reel_shape_text_(updates, a),
                     reel_shape_text_(want, b));
}

static int elements(const reel_infer *io, bool reduces)
{
    const reel_attr_axis *a = io->attr;
    reel_shape part;
    int axis;
    int code = checked(io, reduces);
    if (!code) code = reel_along_shape_(&io->in[0]->shape, &io->in[1]->shape, a->axis, false, &axis, &part);
    return code ? code : same_shape(&io->in[2]->shape, &part);
}

int reel_infer_scatter_(const reel_infer *io)
{
    return elements(io, false);
}

int reel_infer_scatter_reduce_(const reel_infer *io)
{
    return elements(io, true);
}

static int places(const reel_infer *io, bool reduces)
{
    reel_shape part;
    int code = checked(io, reduces);
    if (!code) code = reel_gathered_nd_shape_(&io->in[0]->shape, &io->in[1]->shape, 0, &part);
    return code ? code : same_shape(&io->in[2]->shape, &part);
}

int reel_infer_scatter_nd_(const reel_infer *io)
{
    return places(io, false);
}

int reel_infer_scatter_nd_reduce_(const reel_infer *io)
{
    return places(io, true);
}

int reel_infer_index_put_(const reel_infer *io)
{
    const reel_attr_axis *a = io->attr;
    reel_shape part;
    int axis;
    int code = checked(io, false);
    if (!code) code = reel_gathered_shape_(&io->in[0]->shape, &io->in[1]->shape, a->axis, &axis, &part);
    return code ? code : same_shape(&io->in[2]->shape, &part);
}

/* ---- wrappers --------------------------------------------------------------------------------------------------- */
static reel_tensor *put(int id, const char *site, reel_tensor *x, reel_tensor *indices, reel_tensor *updates, int axis,
                        int mode)
{
    const reel_attr_axis a = {axis, mode};
    reel_tensor *const in[3] = {x, indices, updates};
    reel_tensor *out = NULL;
    reel_door_(&reel_rows_[id], &a, in, 3, &out, 1, site);
    return out;
}

static bool is_reduction(int mode)
{
    return mode >= REEL_SCATTER_MUL && mode <= REEL_SCATTER_MIN;
}

reel_tensor *reel_scatter_at(const char *site, reel_tensor *x, reel_tensor *indices, reel_tensor *updates, int axis,
                             reel_scatter_mode mode)
{
    return put(is_reduction((int)mode) ? REEL_OP_scatter_reduce : REEL_OP_scatter, site, x, indices, updates, axis,
               (int)mode);
}

reel_tensor *reel_scatter_reduce_at_(const char *site, reel_tensor *x, reel_tensor *indices, reel_tensor *updates,
                                     int axis, int mode)
{
    return put(REEL_OP_scatter_reduce, site, x, indices, updates, axis, mode);
}

reel_tensor *reel_scatter_nd_at(const char *site, reel_tensor *x, reel_tensor *indices, reel_tensor *updates,
                                reel_scatter_mode mode)
{
    return put(is_reduction((int)mode) ? REEL_OP_scatter_nd_reduce : REEL_OP_scatter_nd, site, x, indices, updates, 0,
               (int)mode);
}

reel_tensor *reel_scatter_nd_reduce_at_(const char *site, reel_tensor *x, reel_tensor *indices, reel_tensor *updates,
                                        int mode)
{
    return put(REEL_OP_scatter_nd_reduce, site, x, indices, updates, 0, mode);
}

reel_tensor *reel_index_add_at(const char *site, reel_tensor *x, int axis, reel_tensor *indices, reel_tensor *updates)
{
    return put(REEL_OP_index_add, site, x, indices, updates, axis, REEL_SCATTER_ADD);
}

reel_tensor *reel_index_copy_at(const char *site, reel_tensor *x, int axis, reel_tensor *indices, reel_tensor *updates)
{
    return put(REEL_OP_index_copy, site, x, indices, updates, axis, REEL_SCATTER_SET);
}

/* ---- gradients ---------------------------------------------------------------------------------------------------- */
static int way_of(const reel_vjp_args *v)
{
    return v->op->id == REEL_OP_scatter_reduce      ? REEL_OP_scatter
           : v->op->id == REEL_OP_scatter_nd_reduce ? REEL_OP_scatter_nd
                                                    : v->op->id;
}

/* What the updates would read where they write. */
static reel_tensor *read(const reel_vjp_args *v, reel_tensor *t)
{
    const reel_attr_axis *a = v->attr;
    switch (way_of(v)) {
    case REEL_OP_scatter: return reel_gather_elements_at(v->site, t, v->in[1], a->axis);
    case REEL_OP_scatter_nd: return reel_gather_nd_at(v->site, t, v->in[1], 0);
    default: return reel_gather_at(v->site, t, v->in[1], a->axis);
    }
}

/* t with u written where v's op writes. */
static reel_tensor *written(const reel_vjp_args *v, reel_tensor *t, reel_tensor *u, reel_scatter_mode mode)
{
    const reel_attr_axis *a = v->attr;
    switch (way_of(v)) {
    case REEL_OP_scatter: return reel_scatter_at(v->site, t, v->in[1], u, a->axis, mode);
    case REEL_OP_scatter_nd: return reel_scatter_nd_at(v->site, t, v->in[1], u, mode);
    default:
        return put(mode == REEL_SCATTER_ADD ? REEL_OP_index_add : REEL_OP_index_copy, v->site, t, v->in[1], u, a->axis,
                   (int)mode);
    }
}

static reel_tensor *zeros(const reel_vjp_args *v, reel_tensor *like)
{
    return reel_zeros_like_at(v->site, like);
}

/* The update that stays is the one whose number is found again. */
static int set_grad(const reel_vjp_args *v)
{
    const char *site = v->site;
    if (v->need[0]) v->din[0] = written(v, v->dout[0], zeros(v, v->in[2]), REEL_SCATTER_SET);
    if (v->need[2]) {
        reel_tensor *number = reel_iota_like_at_(site, v->in[2]),
                    *none = reel_cast_at(site, zeros(v, v->in[0]), REEL_I64);
        reel_tensor *stays = reel_equal_at(site, read(v, written(v, none, number, REEL_SCATTER_SET)), number);
        v->din[2] = reel_where_at(site, stays, read(v, v->dout[0]), zeros(v, v->in[2]));
    }
    return reel_status();
}

static int put_grad(const reel_vjp_args *v)
{
    const reel_attr_axis *a = v->attr;
    if (a->index == REEL_SCATTER_SET) return set_grad(v);
    if (v->need[0]) v->din[0] = v->dout[0];
    if (v->need[2]) v->din[2] = read(v, v->dout[0]);
    return reel_status();
}

/* y = x u1 u2 ...: with respect to one factor the product of the others, also where factors are 0. */
static int mul_grad(const reel_vjp_args *v)
{
    const char *site = v->site;
    reel_tensor *x = v->in[0], *u = v->in[2], *g = v->dout[0];
    reel_tensor *factors = written(v, reel_ones_like_at(site, x), u, REEL_SCATTER_MUL); /* of each element of x */
    if (v->need[0]) v->din[0] = reel_mul_at(site, g, factors);
    if (v->need[2]) {
        reel_tensor *zero = reel_num_at(site, 0), *one = reel_num_at(site, 1);
        reel_tensor *is_zero = reel_equal_at(site, u, zero);
        reel_tensor *hits = reel_where_at(site, is_zero, reel_ones_like_at(site, u), zeros(v, u));
        reel_tensor *whole = reel_where_at(site, is_zero, one, u);
        reel_tensor *n_zeros = read(v, written(v, zeros(v, x), hits, REEL_SCATTER_ADD));
        reel_tensor *rest = read(v, written(v, x, whole, REEL_SCATTER_MUL)); /* the product without the zeros */
        reel_tensor *others =
            reel_where_at(site, reel_equal_at(site, n_zeros, hits), reel_div_at(site, rest, whole), zeros(v, u));
        v->din[2] = reel_mul_at(site, read(v, g), others);
    }
    return reel_status();
}

/* x and the updates that equal the result share its gradient. */
static int extreme_grad(const reel_vjp_args *v)
{
    const char *site = v->site;
    reel_tensor *x = v->in[0], *u = v->in[2], *y = v->out[0];
    reel_tensor *zero = reel_num_at(site, 0);
    reel_tensor *x_is = reel_equal_at(site, x, y), *u_is = reel_equal_at(site, u, read(v, y));
    reel_tensor *ones = reel_where_at(site, x_is, reel_ones_like_at(site, x), zero);
    reel_tensor *hits = reel_where_at(site, u_is, reel_ones_like_at(site, u), zero);
    reel_tensor *share = reel_div_at(site, v->dout[0], written(v, ones, hits, REEL_SCATTER_ADD));
    if (v->need[0]) v->din[0] = reel_where_at(site, x_is, share, zero);
    if (v->need[2]) v->din[2] = reel_where_at(site, u_is, read(v, share), zero);
    return reel_status();
}

static int reduce_grad(const reel_vjp_args *v)
{
    const reel_attr_axis *a = v->attr;
    return a->index == REEL_SCATTER_MUL ? mul_grad(v) : extreme_grad(v);
}

int reel_vjp_scatter_(const reel_vjp_args *v)
{
    return put_grad(v);
}

int reel_vjp_scatter_nd_(const reel_vjp_args *v)
{
    return put_grad(v);
}

int reel_vjp_index_add_(const reel_vjp_args *v)
{
    return put_grad(v);
}

int reel_vjp_index_copy_(const reel_vjp_args *v)
{
    return put_grad(v);
}

int reel_vjp_scatter_reduce_(const reel_vjp_args *v)
{
    return reduce_grad(v);
}

int reel_vjp_scatter_nd_reduce_(const reel_vjp_args *v)
{
    return reduce_grad(v);
}

/* ---- iota_like(x): 0, 1, 2 ... in x's shape, i64 --------------------------------------------------------------------- */
int reel_infer_iota_like_(const reel_infer *io)
{
    io->out[0] = (reel_type){REEL_I64, io->in[0]->shape};
    return 0;
}

reel_tensor *reel_iota_like_at_(const char *site, reel_tensor *x)
{
    return reel_op1_(REEL_OP_iota_like, &reel_no_attr_, site, x);
}

/* ---- masked_fill -------------------------------------------------------------------------------------------------------- */
reel_tensor *reel_masked_fill_at(const char *site, reel_tensor *x, reel_tensor *mask, double value)
{
    return reel_where_at(site, mask, reel_num_at(site, value), x);
}
