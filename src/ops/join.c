/* join.c: concat and split, and the parts their gradients need. */
#include "internal.h"

#include "core/error.h"

enum { MAX_PARTS = REEL_MAX_IN - 1 }; /* concat_part takes the gradient too */

/* ---- concat ------------------------------------------------------------------------------------------ */
/* The shape of n tensors joined along axis; *at (may be NULL) is where part number `index` begins, ANY if unknown. */
static int joined(const reel_type *const *xs, int n, int axis, int *resolved, reel_shape *out, int index, int64_t *at)
{
    const int code = reel_axis_(axis, xs[0]->shape.rank, resolved);
    if (code) return code;
    reel_shape s = xs[0]->shape;
    int64_t total = 0;
    for (int k = 0; k < n; k++) {
        const reel_shape *x = &xs[k]->shape;
        if (k == index && at) *at = total;
        if (x->rank != s.rank) return reel_fail(REEL_ESHAPE, "xs[%d] has rank %d, xs[0] has %d", k, x->rank, s.rank);
        for (int i = 0; i < s.rank; i++)
            if (i != *resolved && !reel_merge_dim_(s.dims[i], x->dims[i], &s.dims[i]))
                return reel_fail(REEL_ESHAPE, "xs[%d] has %lld along axis %d, the others %lld", k,
                                 (long long)x->dims[i], i, (long long)s.dims[i]);
        const int64_t dim = x->dims[*resolved];
        if (total == REEL_ANY || dim == REEL_ANY)
            total = REEL_ANY;
        else if (REEL_ADD_OVERFLOW(total, dim, &total))
            return reel_fail(REEL_ESHAPE, "the sizes along axis %d overflow", *resolved);
    }
    s.dims[*resolved] = total;
    *out = s;
    return 0;
}

int reel_infer_concat_(const reel_infer *io)
{
    const reel_attr_axis *a = io->attr;
    int axis;
    if (io->n_in > MAX_PARTS) return reel_fail(REEL_EARG, "%d tensors, it joins at most %d", io->n_in, MAX_PARTS);
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype};
    const int code = joined(io->in, io->n_in, a->axis, &axis, &io->out[0].shape, 0, NULL);
    return code ? code : reel_shape_check_(io->out[0].shape, true);
}

reel_tensor *reel_concat_at(const char *site, reel_list xs, int axis)
{
    const reel_attr_axis a = {.axis = axis};
    reel_tensor *out = NULL;
    if (xs.n > 0 && !xs.t) {
        reel_fail_at_(site, REEL_EARG, "reel_concat: the list of tensors is NULL");
        return NULL;
    }
    reel_door_(&reel_rows_[REEL_OP_concat], &a, xs.t, xs.n, &out, 1, site);
    return out;
}

int reel_vjp_concat_(const reel_vjp_args *v)
{
    const reel_attr_axis *a = v->attr;
    reel_tensor *part[REEL_MAX_IN];
    if (v->n_in == 1) {
        v->din[0] = v->dout[0];
        return reel_status();
    }
    part[0] = v->dout[0];
    for (int i = 0; i < v->n_in; i++) part[i + 1] = v->in[i];
    for (int i = 0; i < v->n_in; i++)
        if (v->need[i]) v->din[i] = reel_concat_part_at_(v->site, part, v->n_in + 1, a->axis, i);
    return reel_status();
}

/* ---- concat_part(g, xs...): the part of g = concat(xs) that was xs[index] ---------------------------- */
int reel_infer_concat_part_(const reel_infer *io)
{
    const reel_attr_axis *a = io->attr;
    const reel_type *g = io->in[0];
    reel_shape whole;
    int axis;
    if (a->index < 0 || a->index >= io->n_in - 1) return reel_fail(REEL_EARG, "part %d of %d", a->index, io->n_in - 1);
    const int code = joined(io->in + 1, io->n_in - 1, a->axis, &axis, &whole, 0, NULL);
    if (code) return code;
    if (!reel_merge_shape_(&g->shape, &whole, &whole))
        return reel_fail(REEL_ESHAPE, "g does not have the shape of the parts joined");
    io->out[0] = (reel_type){.dtype = g->dtype, .shape = whole};
    io->out[0].shape.dims[axis] = io->in[1 + a->index]->shape.dims[axis];
    return 0;
}

int reel_view_concat_part_(const reel_view_rule *v)
{
    const reel_attr_axis *a = v->attr;
    reel_shape whole;
    int64_t at = 0;
    int axis;
    if (joined(v->in + 1, v->n_in - 1, a->axis, &axis, &whole, a->index, &at)) return 0;
    for (int i = 0; i < whole.rank; i++) v->out_strides[0][i] = v->strides[i];
    v->byte_offset[0] =
        reel_count_(&v->out[0].shape) ? at * v->strides[axis] * (int64_t)reel_size_(v->in[0]->dtype) : 0;
    return 1;
}

reel_tensor *reel_concat_part_at_(const char *site, reel_tensor *const part[], int n, int axis, int index)
{
    const reel_attr_axis a = {.axis = axis, .index = index};
    reel_tensor *out = NULL;
    reel_door_(&reel_rows_[REEL_OP_concat_part], &a, part, n, &out, 1, site);
    return out;
}

int reel_vjp_concat_part_(const reel_vjp_args *v) /* zeros around the part */
{
    const reel_attr_axis *a = v->attr;
    reel_tensor *part[REEL_MAX_IN];
    if (!v->need[0]) return 0;
    for (int i = 0; i < v->n_in - 1; i++)
        part[i] = i == a->index ? v->dout[0] : reel_zeros_like_at(v->site, v->in[i + 1]);
    v->din[0] = reel_concat_at(v->site, (reel_list){v->n_in - 1, part}, a->axis);
    return reel_status();
}

/* ---- split ------------------------------------------------------------------------------------------- */
int reel_infer_split_(const reel_infer *io)
{
    const reel_attr_axis *a = io->attr;
    const reel_type *x = io->in[0];
    int axis;
    const int code = reel_axis_(a->axis, x->shape.rank, &axis);
    if (code) return code;
    if (a->index != io->n_out) return reel_fail(REEL_EARG, "%d parts asked for, %d outputs", a->index, io->n_out);
    reel_type part = *x;
    const int64_t dim = x->shape.dims[axis];
    if (dim != REEL_ANY && dim % a->index != 0)
        return reel_fail(REEL_ESHAPE, "axis %d of size %lld is not divisible into %d equal parts", axis, (long long)dim,
                         a->index);
    part.shape.dims[axis] = dim == REEL_ANY ? REEL_ANY : dim / a->index;
    for (int i = 0; i < io->n_out; i++) io->out[i] = part;
    return 0;
}

int reel_view_split_(const reel_view_rule *v)
{
    const reel_attr_axis *a = v->attr;
    const reel_shape *part = &v->out[0].shape;
    int axis;
    if (reel_axis_(a->axis, part->rank, &axis)) return 0;
    const int64_t step =
        reel_count_(part) ? part->dims[axis] * v->strides[axis] * (int64_t)reel_size_(v->in[0]->dtype) : 0;
    for (int k = 0; k < v->n_out; k++) {
        for (int i = 0; i < part->rank; i++) v->out_strides[k][i] = v->strides[i];
        v->byte_offset[k] = k * step;
    }
    return 1;
}

int reel_split_at(const char *site, reel_tensor *x, int axis, int n, reel_tensor *out[])
{
    const reel_attr_axis a = {.axis = axis, .index = n};
    if (!out) return reel_fail_at_(site, REEL_EARG, "reel_split: out is NULL");
    for (int i = 0; i < n && n <= MAX_PARTS; i++) out[i] = NULL; /* a nonsense n says nothing about out's length */
    if (n < 1 || n > MAX_PARTS)
        return reel_fail_at_(site, REEL_EARG, "reel_split: %d parts, it makes 1 to %d", n, MAX_PARTS);
    return reel_door_(&reel_rows_[REEL_OP_split], &a, &x, 1, out, n, site);
}

int reel_vjp_split_(const reel_vjp_args *v)
{
    const reel_attr_axis *a = v->attr;
    reel_tensor *part[REEL_MAX_OUT];
    for (int i = 0; i < v->n_out; i++) part[i] = v->dout[i] ? v->dout[i] : reel_zeros_like_at(v->site, v->out[i]);
    v->din[0] = reel_concat_at(v->site, (reel_list){v->n_out, part}, a->axis);
    return reel_status();
}
