/* gather.c: elements picked by index. */
#include "internal.h"

#include "core/error.h"

int reel_check_indices_(const reel_type *indices)
{
    if (reel_is_int_(indices->dtype)) return 0;
    return reel_fail(REEL_EDTYPE, "indices is %s, allowed: i8 u8 i32 i64", reel_dtype_name(indices->dtype));
}

/* ---- gather --------------------------------------------------------------------------------------------- */
/* x with the axis replaced by the indices' axes. */
int reel_gathered_shape_(const reel_shape *x, const reel_shape *indices, int given, int *axis, reel_shape *out)
{
    const int code = reel_axis_(given, x->rank, axis);
    if (code) return code;
    const int rank = x->rank - 1 + indices->rank;
    if (rank > REEL_MAX_RANK)
        return reel_fail(REEL_ESHAPE, "the result would have %d axes, at most %d", rank, REEL_MAX_RANK);
    *out = (reel_shape){0};
    for (int i = 0; i < *axis; i++) out->dims[out->rank++] = x->dims[i];
    for (int i = 0; i < indices->rank; i++) out->dims[out->rank++] = indices->dims[i];
    for (int i = *axis + 1; i < x->rank; i++) out->dims[out->rank++] = x->dims[i];
    return reel_shape_check_(*out, true);
}

int reel_infer_gather_(const reel_infer *io)
{
    const reel_attr_axis *a = io->attr;
    int axis;
    const int code = reel_check_indices_(io->in[1]);
    if (code) return code;
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype};
    return reel_gathered_shape_(&io->in[0]->shape, &io->in[1]->shape, a->axis, &axis, &io->out[0].shape);
}

reel_tensor *reel_gather_at(const char *site, reel_tensor *x, reel_tensor *indices, int axis)
{
    const reel_attr_axis a = {.axis = axis};
    return reel_op2_(REEL_OP_gather, &a, site, x, indices);
}

int reel_vjp_gather_(const reel_vjp_args *v)
{
    const reel_attr_axis *a = v->attr;
    if (v->need[0]) v->din[0] = reel_gather_grad_at_(v->site, v->in[0], v->dout[0], v->in[1], a->axis);
    return reel_status();
}

/* gather_grad(like, g, indices): zeros of like's shape with the rows of g added at the indices. */
int reel_infer_gather_grad_(const reel_infer *io)
{
    const reel_attr_axis *a = io->attr;
    reel_shape part;
    int axis;
    int code = reel_check_indices_(io->in[2]);
    if (!code) code = reel_gathered_shape_(&io->in[0]->shape, &io->in[2]->shape, a->axis, &axis, &part);
    if (code) return code;
    if (!reel_merge_shape_(&io->in[1]->shape, &part, &part))
        return reel_fail(REEL_ESHAPE, "the gradient does not have the shape of what was gathered");
    io->out[0] = (reel_type){io->in[1]->dtype, io->in[0]->shape};
    return 0;
}

static reel_tensor *op3(int id, const void *attr, const char *site, reel_tensor *x, reel_tensor *y, reel_tensor *z)
{
    reel_tensor *const in[3] = {x, y, z};
    reel_tensor *out = NULL;
    reel_door_(&reel_rows_[id], attr, in, 3, &out, 1, site);
    return out;
}

reel_tensor *reel_gather_grad_at_(const char *site, reel_tensor *like, reel_tensor *g, reel_tensor *indices, int axis)
{
    const reel_attr_axis a = {.axis = axis};
    return op3(REEL_OP_gather_grad, &a, site, like, g, indices);
}

int reel_vjp_gather_grad_(const reel_vjp_args *v)
{
    const reel_attr_axis *a = v->attr;
    if (v->need[1]) v->din[1] = reel_gather_at(v->site, v->dout[0], v->in[2], a->axis);
    return reel_status();
}

reel_tensor *reel_index_select_at(const char *site, reel_tensor *x, int axis, reel_tensor *indices)
{
    const reel_rec *r = reel_live_(site, "reel_index_select", "indices", indices);
    if (!r) return NULL;
    if (r->type.shape.rank != 1) {
        reel_fail_at_(site, REEL_ESHAPE, "reel_index_select: indices has rank %d, not 1", r->type.shape.rank);
        return NULL;
    }
    return reel_gather_at(site, x, indices, axis);
}

/* ---- along an axis ----------------------------------------------------------------------------------------- */
/* The result's shape: that of the indices; with broadcasting, the other axes as NumPy has it. */
int reel_along_shape_(const reel_shape *x, const reel_shape *indices, int given, bool broadcasts, int *axis,
                      reel_shape *out)
{
    const int code = reel_axis_(given, x->rank, axis);
    if (code) return code;
    if (x->rank != indices->rank)
        return reel_fail(REEL_ESHAPE, "indices has rank %d, x has %d", indices->rank, x->rank);
    *out = *indices;
    for (int i = 0; i < x->rank; i++) {
        const int64_t a = x->dims[i], b = indices->dims[i];
        if (i == *axis) continue;
        const bool fits = a == REEL_ANY || b == REEL_ANY || (broadcasts ? a == b || a == 1 || b == 1 : b <= a);
        if (!fits)
            return reel_fail(REEL_ESHAPE, "indices has %lld along axis %d, x has %lld", (long long)b, i, (long long)a);
        if (broadcasts) out->dims[i] = b == 1 ? a : b == REEL_ANY && a != 1 ? a : b;
    }
    return reel_shape_check_(*out, true);
}

static int along(const reel_infer *io, bool broadcasts)
{
    const reel_attr_axis *a = io->attr;
    int axis;
    const int code = reel_check_indices_(io->in[1]);
    if (code) return code;
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype};
    return reel_along_shape_(&io->in[0]->shape, &io->in[1]->shape, a->axis, broadcasts, &axis, &io->out[0].shape);
}

int reel_infer_take_along_axis_(const reel_infer *io)
{
    return along(io, true);
}

int reel_infer_gather_elements_(const reel_infer *io)
{
    return along(io, false);
}

/* take_along_grad(like, g, indices), attribute index: were the indices those of gather_elements? */
int reel_infer_take_along_grad_(const reel_infer *io)
{
    const reel_attr_axis *a = io->attr;
    reel_shape part;
    int axis;
    int code = reel_check_indices_(io->in[2]);
    if (!code) code = reel_along_shape_(&io->in[0]->shape, &io->in[2]->shape, a->axis, !a->index, &axis, &part);
    if (code) return code;
    if (!reel_merge_shape_(&io->in[1]->shape, &part, &part))
        return reel_fail(REEL_ESHAPE, "the gradient does not have the shape of what was taken");
    io->out[0] = (reel_type){io->in[1]->dtype, io->in[0]->shape};
    return 0;
}

reel_tensor *reel_take_along_axis_at(const char *site, reel_tensor *x, reel_tensor *indices, int axis)
{
    const reel_attr_axis a = {.axis = axis};
    return reel_op2_(REEL_OP_take_along_axis, &a, site, x, indices);
}

reel_tensor *reel_gather_elements_at(const char *site, reel_tensor *x, reel_tensor *indices, int axis)
{
    const reel_attr_axis a = {.axis = axis};
    return reel_op2_(REEL_OP_gather_elements, &a, site, x, indices);
}

reel_tensor *reel_take_along_grad_at_(const char *site, reel_tensor *like, reel_tensor *g, reel_tensor *indices,
                                      int axis, bool elements)
{
    const reel_attr_axis a = {.axis = axis, .index = elements};
    return op3(REEL_OP_take_along_grad, &a, site, like, g, indices);
}

int reel_vjp_take_along_axis_(const reel_vjp_args *v)
{
    const reel_attr_axis *a = v->attr;
    if (v->need[0]) v->din[0] = reel_take_along_grad_at_(v->site, v->in[0], v->dout[0], v->in[1], a->axis, false);
    return reel_status();
}

int reel_vjp_gather_elements_(const reel_vjp_args *v)
{
    const reel_attr_axis *a = v->attr;
    if (v->need[0]) v->din[0] = reel_take_along_grad_at_(v->site, v->in[0], v->dout[0], v->in[1], a->axis, true);
    return reel_status();
}

int reel_vjp_take_along_grad_(const reel_vjp_args *v)
{
    const reel_attr_axis *a = v->attr;
    if (!v->need[1]) return 0;
    v->din[1] = a->index ? reel_gather_elements_at(v->site, v->dout[0], v->in[2], a->axis)
                         : reel_take_along_axis_at(v->site, v->dout[0], v->in[2], a->axis);
    return reel_status();
}

reel_tensor *reel_pick_at(const char *site, reel_tensor *x, reel_tensor *labels)
{
    const reel_rec *r = reel_live_(site, "reel_pick", "x", x),
                   *l = r ? reel_live_(site, "reel_pick", "labels", labels) : NULL;
    if (!l) return NULL;
    const int rank = r->type.shape.rank;
    if (rank == 0 || l->type.shape.rank != rank - 1) {
        reel_fail_at_(site, REEL_ESHAPE, "reel_pick: labels has rank %d, x has %d", l->type.shape.rank, rank);
        return NULL;
    }
    const reel_axes last = {1, {-1}};
    for (int i = 0; i < rank - 1; i++) {
        const int64_t a = r->type.shape.dims[i], b = l->type.shape.dims[i];
        if (a == b || a == REEL_ANY || b == REEL_ANY) continue;
        reel_fail_at_(site, REEL_ESHAPE, "reel_pick: labels has %lld along axis %d, x has %lld", (long long)b, i,
                      (long long)a);
        return NULL;
    }
    return reel_squeeze_at(site, reel_take_along_axis_at(site, x, reel_unsqueeze_at(site, labels, last), -1), last);
}

/* ---- by place ------------------------------------------------------------------------------------------------- */
/* x[b.., places.., rest..] and indices [b.., i.., m]: the shape b.., i.., rest.. of what m axes lead to. */
int reel_gathered_nd_shape_(const reel_shape *x, const reel_shape *indices, int batch, reel_shape *out)
{
    if (indices->rank < 1) return reel_fail(REEL_ESHAPE, "indices has no axis that holds a place");
    const int64_t m = indices->dims[indices->rank - 1];
    if (batch < 0 || batch >= indices->rank || batch > x->rank)
        return reel_fail(REEL_EARG, "%d batch axes for x of rank %d and indices of rank %d", batch, x->rank,
                         indices->rank);
    if (m == REEL_ANY)
        return reel_fail(REEL_ESHAPE, "the last axis of indices has an unknown size: the result's rank depends on it");
    if (m < 1 || m > x->rank - batch)
        return reel_fail(REEL_ESHAPE, "places of %lld axes in x of rank %d with %d batch axes", (long long)m, x->rank,
                         batch);
    const int rank = indices->rank - 1 + x->rank - batch - (int)m;
    if (rank > REEL_MAX_RANK)
        return reel_fail(REEL_ESHAPE, "the result would have %d axes, at most %d", rank, REEL_MAX_RANK);
    *out = (reel_shape){0};
    for (int i = 0; i < indices->rank - 1; i++) {
        int64_t dim = indices->dims[i];
        if (i < batch && !reel_merge_dim_(dim, x->dims[i], &dim))
            return reel_fail(REEL_ESHAPE, "indices has %lld along batch axis %d, x has %lld", (long long)dim, i,
                             (long long)x->dims[i]);
        out->dims[out->rank++] = dim;
    }
    for (int i = batch + (int)m; i < x->rank; i++) out->dims[out->rank++] = x->dims[i];
    return reel_shape_check_(*out, true);
}

int reel_infer_gather_nd_(const reel_infer *io)
{
    const reel_attr_axis *a = io->attr;
    const int code = reel_check_indices_(io->in[1]);
    if (code) return code;
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype};
    return reel_gathered_nd_shape_(&io->in[0]->shape, &io->in[1]->shape, a->axis, &io->out[0].shape);
}

reel_tensor *reel_gather_nd_at(const char *site, reel_tensor *x, reel_tensor *indices, int batch_dims)
{
    const reel_attr_axis a = {.axis = batch_dims};
    return reel_op2_(REEL_OP_gather_nd, &a, site, x, indices);
}

int reel_infer_gather_nd_grad_(const reel_infer *io)
{
    const reel_attr_axis *a = io->attr;
    reel_shape part;
    int code = reel_check_indices_(io->in[2]);
    if (!code) code = reel_gathered_nd_shape_(&io->in[0]->shape, &io->in[2]->shape, a->axis, &part);
    if (code) return code;
    if (!reel_merge_shape_(&io->in[1]->shape, &part, &part))
        return reel_fail(REEL_ESHAPE, "the gradient does not have the shape of what was gathered");
    io->out[0] = (reel_type){io->in[1]->dtype, io->in[0]->shape};
    return 0;
}

reel_tensor *reel_gather_nd_grad_at_(const char *site, reel_tensor *like, reel_tensor *g, reel_tensor *indices,
                                     int batch)
{
    const reel_attr_axis a = {.axis = batch};
    return op3(REEL_OP_gather_nd_grad, &a, site, like, g, indices);
}

int reel_vjp_gather_nd_(const reel_vjp_args *v)
{
    const reel_attr_axis *a = v->attr;
    if (v->need[0]) v->din[0] = reel_gather_nd_grad_at_(v->site, v->in[0], v->dout[0], v->in[1], a->axis);
    return reel_status();
}

int reel_vjp_gather_nd_grad_(const reel_vjp_args *v)
{
    const reel_attr_axis *a = v->attr;
    if (v->need[1]) v->din[1] = reel_gather_nd_at(v->site, v->dout[0], v->in[2], a->axis);
    return reel_status();
}

/* ---- sequences backwards ------------------------------------------------------------------------------------------ */
int reel_infer_reverse_sequence_(const reel_infer *io)
{
    const reel_attr_axis *a = io->attr; /* axis: batch; index: time */
    const reel_shape *x = &io->in[0]->shape, *n = &io->in[1]->shape;
    int batch, time;
    int code = reel_axis_(a->axis, x->rank, &batch);
    if (!code) code = reel_axis_(a->index, x->rank, &time);
    if (code) return code;
    if (!reel_is_int_(io->in[1]->dtype))
        return reel_fail(REEL_EDTYPE, "lengths is %s, allowed: i8 u8 i32 i64", reel_dtype_name(io->in[1]->dtype));
    if (batch == time) return reel_fail(REEL_EARG, "axis %d is both batch and time", batch);
    int64_t dim;
    if (n->rank != 1 || !reel_merge_dim_(n->dims[0], x->dims[batch], &dim))
        return reel_fail(REEL_ESHAPE, "lengths must hold one number for each of axis %d", batch);
    io->out[0] = *io->in[0];
    io->out[0].shape.dims[batch] = dim;
    return 0;
}

reel_tensor *reel_reverse_sequence_at(const char *site, reel_tensor *x, reel_tensor *lengths, int batch_axis,
                                      int time_axis)
{
    const reel_attr_axis a = {batch_axis, time_axis};
    return reel_op2_(REEL_OP_reverse_sequence, &a, site, x, lengths);
}

int reel_vjp_reverse_sequence_(const reel_vjp_args *v)
{
    if (v->need[0]) v->din[0] = reel_op2_(REEL_OP_reverse_sequence, v->attr, v->site, v->dout[0], v->in[1]);
    return reel_status();
}
