/* join.c: concat and split, and the parts their gradients need. */
#include "internal.h"

#include <stdio.h>

#include "core/alloc.h"
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

/* More than one op takes: joined in groups, and the groups again. */
static reel_tensor *joined_in_groups(const char *site, reel_list xs, int axis)
{
    const int groups = (xs.n + MAX_PARTS - 1) / MAX_PARTS;
    reel_tensor **whole = reel_alloc_array_((size_t)groups, sizeof(reel_tensor *)), *out = NULL;
    if (!whole) return NULL;
    int done = 0;
    for (; done < groups; done++) {
        const int at = done * MAX_PARTS, left = xs.n - at;
        whole[done] = reel_concat_at(site, (reel_list){left < MAX_PARTS ? left : MAX_PARTS, xs.t + at}, axis);
        if (!whole[done]) break;
    }
    if (done == groups) out = reel_concat_at(site, (reel_list){groups, whole}, axis);
    reel_free_(whole, (size_t)groups * sizeof(reel_tensor *));
    return out;
}

reel_tensor *reel_concat_at(const char *site, reel_list xs, int axis)
{
    const reel_attr_axis a = {.axis = axis};
    reel_tensor *out = NULL;
    if (xs.n > 0 && !xs.t) {
        reel_fail_at_(site, REEL_EARG, "reel_concat: the list of tensors is NULL");
        return NULL;
    }
    if (xs.n > MAX_PARTS) return joined_in_groups(site, xs, axis);
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
        return reel_fail_at_(site, REEL_EARG, "reel_split: %d parts, it makes 1 to %d (reel_split_sizes makes more)", n,
                             MAX_PARTS);
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

/* ---- parts of other sizes ------------------------------------------------------------------------------ */
int reel_infer_chunk_(const reel_infer *io)
{
    const reel_attr_axis *a = io->attr;
    const reel_type *x = io->in[0];
    int axis;
    const int code = reel_axis_(a->axis, x->shape.rank, &axis);
    if (code) return code;
    if (a->index != io->n_out) return reel_fail(REEL_EARG, "%d parts asked for, %d outputs", a->index, io->n_out);
    const int64_t dim = x->shape.dims[axis], size = dim == REEL_ANY ? REEL_ANY : dim / a->index + (dim % a->index != 0);
    for (int i = 0; i < io->n_out; i++) {
        io->out[i] = *x;
        const int64_t left = dim - i * size; /* no overflow: i * size < dim + n n */
        io->out[i].shape.dims[axis] = dim == REEL_ANY ? REEL_ANY : left < 0 ? 0 : left < size ? left : size;
    }
    return 0;
}

int reel_chunk_at(const char *site, reel_tensor *x, int axis, int n, reel_tensor *out[])
{
    const reel_attr_axis a = {.axis = axis, .index = n};
    if (!out) return reel_fail_at_(site, REEL_EARG, "reel_chunk: out is NULL");
    for (int i = 0; i < n && n <= MAX_PARTS; i++) out[i] = NULL;
    if (n < 1 || n > MAX_PARTS)
        return reel_fail_at_(site, REEL_EARG, "reel_chunk: %d parts, it makes 1 to %d", n, MAX_PARTS);
    return reel_door_(&reel_rows_[REEL_OP_chunk], &a, &x, 1, out, n, site);
}

int reel_vjp_chunk_(const reel_vjp_args *v)
{
    return reel_vjp_split_(v);
}

enum { MANY_PARTS = 1 << 16 };

/* x's resolved axis and its size; false: raised. */
static bool axis_of(const char *site, const char *name, reel_tensor *x, int axis, int n, reel_tensor *const *out,
                    int *at, int64_t *dim)
{
    if (!out) return reel_fail_at_(site, REEL_EARG, "%s: out is NULL", name), false;
    if (n < 1 || n > MANY_PARTS)
        return reel_fail_at_(site, REEL_EARG, "%s: %d parts, it makes 1 to %d", name, n, MANY_PARTS), false;
    const reel_rec *r = reel_live_(site, name, "x", x);
    if (!r) return false;
    const int rank = r->type.shape.rank;
    *at = axis < 0 ? axis + rank : axis;
    if (*at < 0 || *at >= rank)
        return reel_fail_at_(site, REEL_EARG, "%s: axis %d is out of range for rank %d", name, axis, rank), false;
    *dim = r->type.shape.dims[*at];
    return true;
}

static int none(int code, reel_tensor *out[], int n)
{
    for (int i = 0; code && i < n; i++) out[i] = NULL;
    return code;
}

int reel_split_sizes_at(const char *site, reel_tensor *x, int axis, int n, const int64_t *sizes, reel_tensor *out[])
{
    int at;
    int64_t dim, total = 0;
    if (out && n >= 1 && n <= MANY_PARTS) none(1, out, n);
    if (!axis_of(site, "reel_split_sizes", x, axis, n, out, &at, &dim)) return reel_status();
    if (!sizes) return reel_fail_at_(site, REEL_EARG, "reel_split_sizes: the sizes are NULL");
    for (int i = 0; i < n; i++)
        if (sizes[i] < 0 || REEL_ADD_OVERFLOW(total, sizes[i], &total))
            return reel_fail_at_(site, REEL_ESHAPE, "reel_split_sizes: size %d is %lld", i, (long long)sizes[i]);
    if (dim != REEL_ANY && total != dim)
        return reel_fail_at_(site, REEL_ESHAPE, "reel_split_sizes: the sizes add up to %lld, axis %d has %lld",
                             (long long)total, at, (long long)dim);
    reel_range r[REEL_MAX_RANK];
    for (int i = 0; i < at; i++) r[i] = (reel_range)REEL_ALL;
    int64_t from = 0;
    for (int i = 0; i < n; i++) {
        r[at] = (reel_range){from, from + sizes[i], 1};
        out[i] = reel_slice_at(site, x, at + 1, r);
        if (!out[i]) return none(reel_status(), out, n);
        from += sizes[i];
    }
    return reel_status();
}

int reel_unstack_at(const char *site, reel_tensor *x, int axis, int n, reel_tensor *out[])
{
    int at;
    int64_t dim;
    if (out && n >= 1 && n <= MANY_PARTS) none(1, out, n);
    if (!axis_of(site, "reel_unstack", x, axis, n, out, &at, &dim)) return reel_status();
    if (dim != REEL_ANY && dim != n)
        return reel_fail_at_(site, REEL_ESHAPE, "reel_unstack: axis %d has %lld elements, not %d", at, (long long)dim,
                             n);
    const reel_axes gone = {1, {at}};
    if (n <= MAX_PARTS) { /* one op, which checks a size that is not known yet */
        reel_tensor *part[MAX_PARTS] = {0};
        const int code = reel_split_at(site, x, at, n, part);
        for (int i = 0; i < n && !code; i++) out[i] = reel_squeeze_at(site, part[i], gone);
    } else {
        for (int i = 0; i < n && !reel_status(); i++) out[i] = reel_select_at(site, x, at, i);
    }
    return none(reel_status(), out, n);
}

/* ---- stack ------------------------------------------------------------------------------------------------ */
reel_tensor *reel_stack_at(const char *site, reel_list xs, int axis)
{
    if (xs.n < 1 || !xs.t) {
        reel_fail_at_(site, REEL_EARG, "reel_stack: there are no tensors to stack");
        return NULL;
    }
    reel_tensor **part = reel_alloc_array_((size_t)xs.n, sizeof(reel_tensor *)), *out = NULL;
    if (!part) return NULL;
    int i = 0;
    for (; i < xs.n; i++) {
        char name[32];
        snprintf(name, sizeof name, "xs[%d]", i);
        const reel_rec *r = reel_live_(site, "reel_stack", name, xs.t[i]);
        if (!r) break;
        const int rank = r->type.shape.rank + 1;
        if (axis < -rank || axis >= rank) {
            reel_fail_at_(site, REEL_EARG, "reel_stack: axis %d is out of range for rank %d", axis, rank);
            break;
        }
        const reel_axes fresh = {1, {axis}};
        part[i] = reel_unsqueeze_at(site, xs.t[i], fresh);
        if (!part[i]) break;
    }
    if (i == xs.n) out = reel_concat_at(site, (reel_list){xs.n, part}, axis);
    reel_free_(part, (size_t)xs.n * sizeof(reel_tensor *));
    return out;
}

/* ---- meshgrid ---------------------------------------------------------------------------------------------- */
/* meshgrid_part(x, xs...): x along axis `axis` of the grid of xs, whose axis i has xs[i]'s size. */
static int grid(const reel_type *const *xs, int n, reel_shape *out)
{
    *out = (reel_shape){.rank = n};
    if (n > REEL_MAX_RANK) return reel_fail(REEL_ESHAPE, "%d axes, at most %d", n, REEL_MAX_RANK);
    for (int i = 0; i < n; i++) {
        if (xs[i]->shape.rank > 1)
            return reel_fail(REEL_ESHAPE, "xs[%d] has rank %d, not 0 or 1", i, xs[i]->shape.rank);
        out->dims[i] = xs[i]->shape.rank ? xs[i]->shape.dims[0] : 1;
    }
    return reel_shape_check_(*out, true);
}

int reel_infer_meshgrid_part_(const reel_infer *io)
{
    const reel_attr_axis *a = io->attr;
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype};
    if (a->axis < 0 || a->axis >= io->n_in - 1) return reel_fail(REEL_EARG, "axis %d of %d", a->axis, io->n_in - 1);
    if (io->in[0]->shape.rank > 1) return reel_fail(REEL_ESHAPE, "x has rank %d, not 0 or 1", io->in[0]->shape.rank);
    return grid(io->in + 1, io->n_in - 1, &io->out[0].shape);
}

int reel_view_meshgrid_part_(const reel_view_rule *v)
{
    const reel_attr_axis *a = v->attr;
    for (int i = 0; i < v->out[0].shape.rank; i++)
        v->out_strides[0][i] = i == a->axis && v->in[0]->shape.rank ? v->strides[0] : 0;
    v->byte_offset[0] = 0;
    return 1;
}

reel_tensor *reel_meshgrid_part_at_(const char *site, reel_tensor *const part[], int n, int axis)
{
    const reel_attr_axis a = {.axis = axis};
    reel_tensor *out = NULL;
    reel_door_(&reel_rows_[REEL_OP_meshgrid_part], &a, part, n, &out, 1, site);
    return out;
}

int reel_vjp_meshgrid_part_(const reel_vjp_args *v)
{
    const reel_attr_axis *a = v->attr;
    reel_axes others = {0};
    if (!v->need[0]) return 0;
    for (int i = 0; i < v->n_in - 1; i++)
        if (i != a->axis) others.axis[others.n++] = i;
    reel_tensor *g = others.n ? reel_sum_axes_at(v->site, v->dout[0], others, false) : v->dout[0];
    v->din[0] = reel_reshape_like_at(v->site, g, v->in[0]);
    return reel_status();
}

int reel_meshgrid_at(const char *site, reel_list xs, bool xy, reel_tensor *out[])
{
    reel_tensor *part[REEL_MAX_RANK + 1];
    if (!out) return reel_fail_at_(site, REEL_EARG, "reel_meshgrid: out is NULL");
    if (xs.n < 1 || xs.n > REEL_MAX_RANK || !xs.t)
        return reel_fail_at_(site, REEL_EARG, "reel_meshgrid: %d tensors, it takes 1 to %d", xs.t ? xs.n : 0,
                             REEL_MAX_RANK);
    for (int i = 0; i < xs.n; i++) out[i] = NULL;
    for (int i = 0; i < xs.n; i++) {
        char name[32];
        snprintf(name, sizeof name, "xs[%d]", i);
        if (!reel_live_(site, "reel_meshgrid", name, xs.t[i])) return reel_status();
    }
    const bool swap = xy && xs.n > 1;
    for (int i = 0; i < xs.n; i++) part[1 + (swap && i < 2 ? 1 - i : i)] = xs.t[i];
    for (int i = 0; i < xs.n; i++) {
        const int axis = swap && i < 2 ? 1 - i : i;
        part[0] = xs.t[i];
        out[i] = reel_meshgrid_part_at_(site, part, xs.n + 1, axis);
        if (!out[i]) return none(reel_status(), out, xs.n);
    }
    return reel_status();
}
