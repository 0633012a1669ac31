/* view.c: more ways to see the same elements: merged and cut axes, diagonals, reversed and moved axes. */
#include "internal.h"

#include "core/error.h"

/* ---- flatten, unflatten -------------------------------------------------------------------------------- */
/* ANY unless all are known; an empty one makes all empty. */
static int64_t product(const int64_t *dims, int n)
{
    int64_t p = 1;
    bool any = false;
    for (int i = 0; i < n; i++) {
        if (dims[i] == 0) return 0;
        if (dims[i] == REEL_ANY)
            any = true;
        else
            p *= dims[i]; /* a checked shape: no overflow */
    }
    return any ? REEL_ANY : p;
}

int reel_infer_flatten_(const reel_infer *io)
{
    const reel_attr_axis *a = io->attr;
    const reel_shape *x = &io->in[0]->shape;
    reel_type out = {.dtype = io->in[0]->dtype};
    int from, to;
    if (x->rank == 0) {
        if (a->axis < -1 || a->axis > 0 || a->index < -1 || a->index > 0)
            return reel_fail(REEL_EARG, "axes %d to %d are out of range for rank 0", a->axis, a->index);
        out.shape = (reel_shape){1, {1}};
        io->out[0] = out;
        return 0;
    }
    int code = reel_axis_(a->axis, x->rank, &from);
    if (!code) code = reel_axis_(a->index, x->rank, &to);
    if (code) return code;
    if (from > to) return reel_fail(REEL_EARG, "axis %d lies behind axis %d", a->axis, a->index);
    for (int i = 0; i < x->rank; i++) {
        if (i > from && i <= to) continue;
        out.shape.dims[out.shape.rank++] = i == from ? product(x->dims + from, to - from + 1) : x->dims[i];
    }
    io->out[0] = out;
    return 0;
}

reel_tensor *reel_flatten_at(const char *site, reel_tensor *x, int from, int to)
{
    const reel_attr_axis a = {from, to};
    return reel_op1_(REEL_OP_flatten, &a, site, x);
}

int reel_vjp_flatten_(const reel_vjp_args *v)
{
    v->din[0] = reel_reshape_like_at(v->site, v->dout[0], v->in[0]);
    return reel_status();
}

reel_tensor *reel_flatten_2d_at(const char *site, reel_tensor *x, int axis)
{
    const reel_rec *r = reel_live_(site, "reel_flatten_2d", "x", x);
    if (!r) return NULL;
    const int rank = r->type.shape.rank, at = axis < 0 ? axis + rank : axis;
    if (at < 0 || at > rank) {
        reel_fail_at_(site, REEL_EARG, "reel_flatten_2d: axis %d is out of range for rank %d", axis, rank);
        return NULL;
    }
    const reel_axes front = {1, {0}}, back = {1, {1}};
    if (at == 0) return reel_unsqueeze_at(site, reel_flatten_at(site, x, 0, -1), front);
    if (at == rank) return reel_unsqueeze_at(site, reel_flatten_at(site, x, 0, -1), back);
    return reel_flatten_at(site, reel_flatten_at(site, x, at, -1), 0, at - 1);
}

int reel_infer_unflatten_(const reel_infer *io)
{
    const reel_attr_unflatten *a = io->attr;
    const reel_shape *x = &io->in[0]->shape;
    int axis, free_axis = -1;
    int code = reel_axis_((int)a->axis, x->rank, &axis);
    if (!code) code = reel_shape_check_(a->shape, true);
    if (code) return code;
    reel_shape s = a->shape;
    char text[REEL_SHAPE_TEXT];
    if (s.rank < 1) return reel_fail(REEL_ESHAPE, "the axis must become at least one");
    if (x->rank + s.rank - 1 > REEL_MAX_RANK)
        return reel_fail(REEL_ESHAPE, "the result would have %d axes, at most %d", x->rank + s.rank - 1, REEL_MAX_RANK);
    int64_t known = 1;
    for (int i = 0; i < s.rank; i++) {
        if (s.dims[i] >= 0) {
            known *= s.dims[i];
            continue;
        }
        if (free_axis >= 0)
            return reel_fail(REEL_ESHAPE, "sizes %d and %d are both -1, only one can be inferred", free_axis, i);
        free_axis = i;
    }
    const int64_t dim = x->dims[axis];
    if (free_axis >= 0 && known == 0)
        return reel_fail(REEL_ESHAPE, "size %d cannot be inferred: the others have product 0", free_axis);
    if (dim != REEL_ANY && (free_axis < 0 ? dim != known : dim % known != 0))
        return reel_fail(REEL_ESHAPE, "axis %d of size %lld does not fit into %s", axis, (long long)dim,
                         reel_shape_text_(&a->shape, text));
    if (free_axis >= 0) s.dims[free_axis] = dim == REEL_ANY ? REEL_ANY : dim / known;
    reel_type out = {.dtype = io->in[0]->dtype};
    for (int i = 0; i < x->rank; i++) {
        if (i != axis) out.shape.dims[out.shape.rank++] = x->dims[i];
        for (int k = 0; i == axis && k < s.rank; k++) out.shape.dims[out.shape.rank++] = s.dims[k];
    }
    io->out[0] = out;
    return reel_shape_check_(out.shape, true);
}

reel_tensor *reel_unflatten_at(const char *site, reel_tensor *x, int axis, reel_shape s)
{
    reel_attr_unflatten a;
    memset(&a, 0, sizeof a);
    a.axis = axis;
    reel_put_shape_(&a.shape, &s);
    return reel_op1_(REEL_OP_unflatten, &a, site, x);
}

int reel_vjp_unflatten_(const reel_vjp_args *v)
{
    v->din[0] = reel_reshape_like_at(v->site, v->dout[0], v->in[0]);
    return reel_status();
}

reel_tensor *reel_reshape_keep_at(const char *site, reel_tensor *x, reel_shape s)
{
    const reel_rec *r = reel_live_(site, "reel_reshape_keep", "x", x);
    if (!r) return NULL;
    const reel_shape *have = &r->type.shape;
    bool kept[REEL_MAX_RANK] = {0};
    int inferred = 0;
    for (int i = 0; i < s.rank && i < REEL_MAX_RANK; i++) {
        if (s.dims[i] != 0) continue;
        if (i >= have->rank) {
            reel_fail_at_(site, REEL_ESHAPE, "reel_reshape_keep: size %d is 0, but x has no axis %d to keep", i, i);
            return NULL;
        }
        s.dims[i] = have->dims[i];
        kept[i] = true;
    }
    for (int i = 0; i < s.rank && i < REEL_MAX_RANK; i++) inferred += s.dims[i] == -1;
    if (inferred > 1 &&
        !reel_shape_known_(have)) { /* an unknown size that is kept: the axes before must stay as they are */
        int same = 0;
        while (same < s.rank && same < have->rank && kept[same]) same++;
        if (same == s.rank && same == have->rank) return reel_reshape_like_at(site, x, x);
        if (same == s.rank - 1 && same < have->rank) return reel_flatten_at(site, x, same, -1);
        if (same == s.rank - 1 && same == have->rank) {
            const reel_axes behind = {1, {same}};
            return reel_unsqueeze_at(site, x, behind);
        }
        if (same < s.rank && have->rank - same == 1) {
            reel_shape rest = {.rank = s.rank - same};
            for (int i = same; i < s.rank; i++) rest.dims[i - same] = s.dims[i];
            return reel_unflatten_at(site, x, same, rest);
        }
    }
    return reel_reshape_at(site, x, s);
}

/* ---- expand -------------------------------------------------------------------------------------------- */
int reel_infer_expand_(const reel_infer *io)
{
    const reel_attr_shape *a = io->attr;
    const reel_shape *x = &io->in[0]->shape;
    reel_shape s = a->shape;
    const int code = reel_shape_check_(s, true);
    if (code) return code;
    const int lead = s.rank - x->rank;
    for (int i = 0; i < s.rank; i++) {
        if (s.dims[i] != -1) continue;
        if (i < lead) return reel_fail(REEL_ESHAPE, "size %d is -1, but x has no axis there to keep", i);
        s.dims[i] = 1; /* x's own, as 1 keeps it */
    }
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype};
    return reel_shape_broadcast_(x, &s, &io->out[0].shape);
}

reel_tensor *reel_expand_at(const char *site, reel_tensor *x, reel_shape s)
{
    reel_attr_shape a;
    memset(&a, 0, sizeof a);
    reel_put_shape_(&a.shape, &s);
    return reel_op1_(REEL_OP_expand, &a, site, x);
}

int reel_vjp_expand_(const reel_vjp_args *v)
{
    v->din[0] = reel_to_shape_(v->site, v->dout[0], v->in[0]);
    return reel_status();
}

/* ---- axes in another order ------------------------------------------------------------------------------ */
reel_tensor *reel_permute_at(const char *site, reel_tensor *x, reel_axes perm)
{
    const reel_rec *r = reel_live_(site, "reel_permute", "x", x);
    if (!r) return NULL;
    if (perm.n != r->type.shape.rank) {
        reel_fail_at_(site, REEL_EARG, "reel_permute: %d axes for rank %d", perm.n, r->type.shape.rank);
        return NULL;
    }
    return reel_transpose_at(site, x, perm);
}

/* Axis numbers without doubles, 0..rank-1; false: raised. */
static bool axis_list(const char *site, const char *name, const reel_axes *a, int rank, int list[REEL_MAX_RANK])
{
    unsigned seen = 0;
    if (a->n < 0 || a->n > REEL_MAX_RANK) {
        reel_fail_at_(site, REEL_EARG, "%s: %d axes are not between 0 and %d", name, a->n, REEL_MAX_RANK);
        return false;
    }
    for (int i = 0; i < a->n; i++) {
        const int k = a->axis[i] < 0 ? a->axis[i] + rank : a->axis[i];
        if (k < 0 || k >= rank) {
            reel_fail_at_(site, REEL_EARG, "%s: axis %d is out of range for rank %d", name, a->axis[i], rank);
            return false;
        }
        if (seen >> k & 1u) {
            reel_fail_at_(site, REEL_EARG, "%s: axis %d is given twice", name, a->axis[i]);
            return false;
        }
        seen |= 1u << k;
        list[i] = k;
    }
    return true;
}

static reel_tensor *moved(const char *site, const char *name, reel_tensor *x, const reel_axes *from,
                          const reel_axes *to)
{
    const reel_rec *r = reel_live_(site, name, "x", x);
    if (!r) return NULL;
    const int rank = r->type.shape.rank;
    int src[REEL_MAX_RANK], dst[REEL_MAX_RANK];
    if (!axis_list(site, name, from, rank, src) || !axis_list(site, name, to, rank, dst)) return NULL;
    if (from->n != to->n) {
        reel_fail_at_(site, REEL_EARG, "%s: %d axes move to %d places", name, from->n, to->n);
        return NULL;
    }
    reel_axes perm = {.n = rank};
    unsigned taken = 0, gone = 0;
    for (int i = 0; i < from->n; i++) {
        perm.axis[dst[i]] = src[i];
        taken |= 1u << dst[i];
        gone |= 1u << src[i];
    }
    for (int i = 0, next = 0; i < rank; i++) { /* the others keep their order */
        if (taken >> i & 1u) continue;
        while (gone >> next & 1u) next++;
        perm.axis[i] = next++;
    }
    return reel_transpose_at(site, x, perm);
}

reel_tensor *reel_moveaxis_at(const char *site, reel_tensor *x, reel_axes from, reel_axes to)
{
    return moved(site, "reel_moveaxis", x, &from, &to);
}

reel_tensor *reel_swapaxes_at(const char *site, reel_tensor *x, int a, int b)
{
    const reel_rec *r = reel_live_(site, "reel_swapaxes", "x", x);
    if (!r) return NULL;
    const int rank = r->type.shape.rank, i = a < 0 ? a + rank : a, k = b < 0 ? b + rank : b;
    if (i < 0 || i >= rank || k < 0 || k >= rank) {
        reel_fail_at_(site, REEL_EARG, "reel_swapaxes: axis %d is out of range for rank %d", i < 0 || i >= rank ? a : b,
                      rank);
        return NULL;
    }
    reel_axes perm = {.n = rank};
    for (int d = 0; d < rank; d++) perm.axis[d] = d == i ? k : d == k ? i : d;
    return reel_transpose_at(site, x, perm);
}

/* ---- slices by axis --------------------------------------------------------------------------------------- */
static reel_tensor *sliced(const char *site, const char *name, reel_tensor *x, const reel_axes *axes,
                           const reel_range *r)
{
    const reel_rec *rec = reel_live_(site, name, "x", x);
    if (!rec) return NULL;
    const int rank = rec->type.shape.rank;
    int list[REEL_MAX_RANK];
    reel_range all[REEL_MAX_RANK];
    if (!axis_list(site, name, axes, rank, list)) return NULL;
    for (int i = 0; i < rank; i++) all[i] = (reel_range)REEL_ALL;
    for (int i = 0; i < axes->n; i++) all[list[i]] = r[i];
    return reel_slice_at(site, x, rank, all);
}

reel_tensor *reel_strided_slice_at(const char *site, reel_tensor *x, reel_axes axes, const reel_range *r)
{
    if (!r && axes.n > 0) {
        reel_fail_at_(site, REEL_EARG, "reel_strided_slice: the ranges are NULL");
        return NULL;
    }
    return sliced(site, "reel_strided_slice", x, &axes, r);
}

reel_tensor *reel_flip_at(const char *site, reel_tensor *x, reel_axes axes)
{
    const reel_rec *rec = reel_live_(site, "reel_flip", "x", x);
    if (!rec) return NULL;
    reel_range back[REEL_MAX_RANK];
    for (int i = 0; i < REEL_MAX_RANK; i++) back[i] = (reel_range){REEL_END, REEL_END, -1};
    if (axes.n == 0) {
        axes.n = rec->type.shape.rank;
        for (int i = 0; i < axes.n; i++) axes.axis[i] = i;
    }
    return sliced(site, "reel_flip", x, &axes, back);
}

/* ---- diagonals ----------------------------------------------------------------------------------------------- */
static int diagonal_shape(const reel_attr_diagonal *a, const reel_shape *x, int *axis1, int *axis2, reel_shape *out)
{
    int code = reel_axis_((int)a->axis1, x->rank, axis1);
    if (!code) code = reel_axis_((int)a->axis2, x->rank, axis2);
    if (code) return code;
    if (*axis1 == *axis2) return reel_fail(REEL_EARG, "axis1 and axis2 are both %d", *axis1);
    *out = (reel_shape){0};
    for (int i = 0; i < x->rank; i++)
        if (i != *axis1 && i != *axis2) out->dims[out->rank++] = x->dims[i];
    const int64_t m = x->dims[*axis1], n = x->dims[*axis2];
    int64_t length = REEL_ANY;
    if (m != REEL_ANY && n != REEL_ANY) {
        const int64_t rows = a->offset < 0 ? m + a->offset : m, cols = a->offset > 0 ? n - a->offset : n;
        length = rows < cols ? rows : cols;
        if (length < 0) length = 0;
    }
    out->dims[out->rank++] = length;
    return 0;
}

int reel_infer_diagonal_(const reel_infer *io)
{
    int axis1, axis2;
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype};
    return diagonal_shape(io->attr, &io->in[0]->shape, &axis1, &axis2, &io->out[0].shape);
}

int reel_view_diagonal_(const reel_view_rule *v)
{
    const reel_attr_diagonal *a = v->attr;
    int axis1, axis2, n = 0;
    reel_shape out;
    if (diagonal_shape(a, &v->in[0]->shape, &axis1, &axis2, &out)) return 0;
    for (int i = 0; i < v->in[0]->shape.rank; i++)
        if (i != axis1 && i != axis2) v->out_strides[0][n++] = v->strides[i];
    v->out_strides[0][n] = v->strides[axis1] + v->strides[axis2];
    v->byte_offset[0] = 0;
    if (reel_count_(&out) > 0)
        v->byte_offset[0] = (a->offset < 0 ? -a->offset * v->strides[axis1] : a->offset * v->strides[axis2]) *
                            (int64_t)reel_size_(v->in[0]->dtype);
    return 1;
}

reel_tensor *reel_diagonal_at(const char *site, reel_tensor *x, int64_t offset, int axis1, int axis2)
{
    const reel_attr_diagonal a = {offset, axis1, axis2};
    return reel_op1_(REEL_OP_diagonal, &a, site, x);
}

int reel_vjp_diagonal_(const reel_vjp_args *v)
{
    v->din[0] = reel_op2_(REEL_OP_undiagonal, v->attr, v->site, v->dout[0], v->in[0]);
    return reel_status();
}

/* undiagonal(g, like): zeros of like's shape with g on the diagonal. */
int reel_infer_undiagonal_(const reel_infer *io)
{
    int axis1, axis2;
    reel_shape part;
    const int code = diagonal_shape(io->attr, &io->in[1]->shape, &axis1, &axis2, &part);
    if (code) return code;
    if (!reel_merge_shape_(&io->in[0]->shape, &part, &part))
        return reel_fail(REEL_ESHAPE, "the gradient does not have the diagonal's shape");
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype, .shape = io->in[1]->shape};
    return 0;
}

reel_tensor *reel_undiagonal_at_(const char *site, reel_tensor *g, reel_tensor *like, int64_t offset, int axis1,
                                 int axis2)
{
    const reel_attr_diagonal a = {offset, axis1, axis2};
    return reel_op2_(REEL_OP_undiagonal, &a, site, g, like);
}

int reel_vjp_undiagonal_(const reel_vjp_args *v)
{
    if (v->need[0]) v->din[0] = reel_op1_(REEL_OP_diagonal, v->attr, v->site, v->dout[0]);
    return reel_status();
}

int reel_infer_diag_embed_(const reel_infer *io)
{
    const reel_attr_diagonal *a = io->attr;
    const reel_shape *x = &io->in[0]->shape;
    if (x->rank < 1 || x->rank >= REEL_MAX_RANK)
        return reel_fail(REEL_ESHAPE, "rank %d is not between 1 and %d", x->rank, REEL_MAX_RANK - 1);
    io->out[0] = *io->in[0];
    reel_shape *out = &io->out[0].shape;
    int64_t n = x->dims[x->rank - 1];
    if (a->offset < -INT32_MAX || a->offset > INT32_MAX)
        return reel_fail(REEL_ESHAPE, "diagonal %lld: its matrix is too large", (long long)a->offset);
    if (n != REEL_ANY) n += a->offset < 0 ? -a->offset : a->offset;
    out->dims[out->rank - 1] = n;
    out->dims[out->rank++] = n;
    return reel_shape_check_(*out, true);
}

reel_tensor *reel_diag_embed_at(const char *site, reel_tensor *x, int64_t k)
{
    const reel_attr_diagonal a = {k, -2, -1};
    return reel_op1_(REEL_OP_diag_embed, &a, site, x);
}

int reel_vjp_diag_embed_(const reel_vjp_args *v)
{
    v->din[0] = reel_op1_(REEL_OP_diagonal, v->attr, v->site, v->dout[0]);
    return reel_status();
}

reel_tensor *reel_diag_at(const char *site, reel_tensor *x, int64_t k)
{
    const reel_rec *r = reel_live_(site, "reel_diag", "x", x);
    if (!r) return NULL;
    const int rank = r->type.shape.rank;
    if (rank == 1) return reel_diag_embed_at(site, x, k);
    if (rank == 2) return reel_diagonal_at(site, x, k, 0, 1);
    reel_fail_at_(site, REEL_ESHAPE, "reel_diag: x has rank %d, not 1 or 2", rank);
    return NULL;
}

/* ---- triangles ------------------------------------------------------------------------------------------------ */
int reel_infer_triangle_(const reel_infer *io)
{
    if (io->in[0]->shape.rank < 2)
        return reel_fail(REEL_ESHAPE, "rank %d: a matrix has at least 2 axes", io->in[0]->shape.rank);
    io->out[0] = *io->in[0];
    return 0;
}

reel_tensor *reel_tril_at(const char *site, reel_tensor *x, int64_t k)
{
    const reel_attr_diagonal a = {.offset = k};
    return reel_op1_(REEL_OP_tril, &a, site, x);
}

reel_tensor *reel_triu_at(const char *site, reel_tensor *x, int64_t k)
{
    const reel_attr_diagonal a = {.offset = k};
    return reel_op1_(REEL_OP_triu, &a, site, x);
}

int reel_vjp_tril_(const reel_vjp_args *v)
{
    v->din[0] = reel_op1_(REEL_OP_tril, v->attr, v->site, v->dout[0]);
    return reel_status();
}

int reel_vjp_triu_(const reel_vjp_args *v)
{
    v->din[0] = reel_op1_(REEL_OP_triu, v->attr, v->site, v->dout[0]);
    return reel_status();
}

/* ---- images ----------------------------------------------------------------------------------------------------- */
static bool image(const char *site, const char *name, reel_tensor *x, int64_t block)
{
    const reel_rec *r = reel_live_(site, name, "x", x);
    if (!r) return false;
    if (r->type.shape.rank != 4)
        return reel_fail_at_(site, REEL_ESHAPE, "%s: x has rank %d, not 4", name, r->type.shape.rank), false;
    if (block < 1 || block > INT32_MAX)
        return reel_fail_at_(site, REEL_EARG, "%s: a block of %lld", name, (long long)block), false;
    return true;
}

reel_tensor *reel_depth_to_space_at(const char *site, reel_tensor *x, int64_t block, reel_depth_mode mode)
{
    if (!image(site, "reel_depth_to_space", x, block)) return NULL;
    if (mode != REEL_DCR && mode != REEL_CRD) {
        reel_fail_at_(site, REEL_EARG, "reel_depth_to_space: mode %d is neither REEL_DCR nor REEL_CRD", (int)mode);
        return NULL;
    }
    const reel_shape dcr = {3, {block, block, -1}}, crd = {3, {-1, block, block}};
    const reel_axes from_dcr = {6, {0, 3, 4, 1, 5, 2}}, from_crd = {6, {0, 1, 4, 2, 5, 3}};
    x = reel_unflatten_at(site, x, 1, mode == REEL_DCR ? dcr : crd);
    x = reel_transpose_at(site, x, mode == REEL_DCR ? from_dcr : from_crd);
    return reel_flatten_at(site, reel_flatten_at(site, x, 4, 5), 2, 3);
}

reel_tensor *reel_space_to_depth_at(const char *site, reel_tensor *x, int64_t block)
{
    if (!image(site, "reel_space_to_depth", x, block)) return NULL;
    const reel_shape cut = {2, {-1, block}};
    const reel_axes perm = {6, {0, 3, 5, 1, 2, 4}};
    x = reel_unflatten_at(site, reel_unflatten_at(site, x, 3, cut), 2, cut);
    return reel_flatten_at(site, reel_transpose_at(site, x, perm), 1, 3);
}
