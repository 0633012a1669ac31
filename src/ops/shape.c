/* shape.c: the same elements seen in another shape: views wherever NumPy has views. */
#include "internal.h"

#include "core/error.h"

/* ---- reshape ----------------------------------------------------------------------------------------- */
/* What is known of a shape's element count: the product of its known dimensions, and whether that is all. */
typedef struct known_count {
    int64_t product;
    int unknown; /* dimensions not known */
} known_count;

static known_count count_known(const reel_shape *s)
{
    known_count k = {1, 0};
    for (int i = 0; i < s->rank; i++) {
        if (s->dims[i] == REEL_ANY)
            k.unknown++;
        else
            k.product *= s->dims[i]; /* both shapes are checked: no overflow */
    }
    return k;
}

int reel_infer_reshape_(const reel_infer *io)
{
    const reel_attr_shape *a = io->attr;
    const reel_shape *x = &io->in[0]->shape;
    reel_shape s = a->shape;
    char text[REEL_SHAPE_TEXT], from[REEL_SHAPE_TEXT];
    int free_axis = -1;
    const int code = reel_shape_check_(s, true);
    if (code) return code;
    for (int i = 0; i < s.rank; i++) {
        if (s.dims[i] != -1) continue;
        if (free_axis >= 0)
            return reel_fail(REEL_ESHAPE, "axes %d and %d are both -1, only one can be inferred", free_axis, i);
        free_axis = i;
    }
    const known_count have = count_known(x), want = count_known(&s);
    bool fits;
    if (free_axis >= 0 && !have.unknown) {
        if (want.product == 0)
            return reel_fail(REEL_ESHAPE, "axis %d cannot be inferred: the other dimensions have product 0", free_axis);
        fits = have.product % want.product == 0;
        s.dims[free_axis] = have.product / want.product;
    } else if (have.unknown) { /* what is known must divide the whole */
        fits = free_axis >= 0 || have.product == 0 || want.product % have.product == 0;
    } else {
        fits = have.product == want.product;
    }
    if (!fits)
        return reel_fail(REEL_ESHAPE, "%s does not fit into %s: %lld elements", reel_shape_text_(x, from),
                         reel_shape_text_(&a->shape, text), (long long)have.product);
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype};
    reel_put_shape_(&io->out[0].shape, &s);
    return 0;
}

/* NumPy's rule: runs of input axes that lie gapless in memory may be cut anew; 0 if a new axis would span a gap. */
int reel_view_reshape_(const reel_view_rule *v)
{
    const reel_shape *x = &v->in[0]->shape, *y = &v->out[0].shape;
    int64_t *ys = v->out_strides[0], dims[REEL_MAX_RANK], strides[REEL_MAX_RANK];
    int n = 0;
    v->byte_offset[0] = 0;
    reel_shape_strides_(y, ys);
    if (reel_count_(y) == 0 || reel_is_dense_(x, v->strides)) return 1;
    for (int i = 0; i < x->rank; i++) { /* axes of size 1 have no say */
        if (x->dims[i] == 1) continue;
        dims[n] = x->dims[i];
        strides[n++] = v->strides[i];
    }
    int i = 0, j = 0;
    while (i < n && j < y->rank) {
        int i_end = i + 1, j_end = j + 1;
        int64_t from = dims[i], to = y->dims[j];
        while (from != to) {
            if (from < to)
                from *= dims[i_end++];
            else
                to *= y->dims[j_end++];
        }
        for (int k = i; k < i_end - 1; k++)
            if (strides[k] != dims[k + 1] * strides[k + 1]) return 0;
        int64_t step = strides[i_end - 1];
        for (int k = j_end - 1; k >= j; k--) {
            ys[k] = step;
            step *= y->dims[k];
        }
        i = i_end;
        j = j_end;
    }
    for (; j < y->rank; j++) ys[j] = 1; /* what is left has size 1 */
    return 1;
}

reel_tensor *reel_reshape_at(const char *site, reel_tensor *x, reel_shape s)
{
    reel_attr_shape a;
    memset(&a, 0, sizeof a);
    reel_put_shape_(&a.shape, &s);
    return reel_op1_(REEL_OP_reshape, &a, site, x);
}

int reel_vjp_reshape_(const reel_vjp_args *v)
{
    v->din[0] = reel_reshape_like_at(v->site, v->dout[0], v->in[0]);
    return reel_status();
}

/* ---- transpose --------------------------------------------------------------------------------------- */
/* perm[i] is the input axis that becomes axis i. */
static int permutation(const reel_axes *a, int rank, int perm[REEL_MAX_RANK])
{
    unsigned mask;
    if (a->n != 0 && a->n != rank) return reel_fail(REEL_EARG, "%d axes for rank %d: it needs all or none", a->n, rank);
    const int code = reel_axes_mask_(a, rank, &mask);
    if (code) return code;
    for (int i = 0; i < rank; i++) perm[i] = a->n == 0 ? rank - 1 - i : a->axis[i] < 0 ? a->axis[i] + rank : a->axis[i];
    return 0;
}

int reel_infer_transpose_(const reel_infer *io)
{
    const reel_attr_axes *a = io->attr;
    const reel_shape *x = &io->in[0]->shape;
    int perm[REEL_MAX_RANK];
    const int code = permutation(&a->axes, x->rank, perm);
    if (code) return code;
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype, .shape = {.rank = x->rank}};
    for (int i = 0; i < x->rank; i++) io->out[0].shape.dims[i] = x->dims[perm[i]];
    return 0;
}

int reel_view_transpose_(const reel_view_rule *v)
{
    const reel_attr_axes *a = v->attr;
    int perm[REEL_MAX_RANK];
    v->byte_offset[0] = 0;
    if (permutation(&a->axes, v->out[0].shape.rank, perm)) return 0;
    for (int i = 0; i < v->out[0].shape.rank; i++) v->out_strides[0][i] = v->strides[perm[i]];
    return 1;
}

reel_tensor *reel_transpose_at(const char *site, reel_tensor *x, reel_axes perm)
{
    reel_attr_axes a = {0};
    reel_put_axes_(&a.axes, &perm);
    return reel_op1_(REEL_OP_transpose, &a, site, x);
}

reel_tensor *reel_swap_last_at_(const char *site, reel_tensor *x)
{
    if (!x) return NULL;
    const int rank = reel_type_of_(x)->shape.rank;
    reel_axes perm = {.n = rank};
    for (int i = 0; i < rank; i++) perm.axis[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
    return reel_transpose_at(site, x, perm);
}

int reel_vjp_transpose_(const reel_vjp_args *v)
{
    const reel_attr_axes *a = v->attr;
    const int rank = reel_type_of_(v->in[0])->shape.rank;
    int perm[REEL_MAX_RANK];
    reel_axes back = {.n = rank};
    const int code = permutation(&a->axes, rank, perm);
    if (code) return code;
    for (int i = 0; i < rank; i++) back.axis[perm[i]] = i;
    v->din[0] = reel_transpose_at(v->site, v->dout[0], back);
    return reel_status();
}

/* ---- slice ------------------------------------------------------------------------------------------- */
static bool whole(const reel_range *r)
{
    return r->start == REEL_END && r->stop == REEL_END && r->step >= -1 && r->step <= 1;
}

static int sliced(const reel_attr_slice *a, const reel_type *x, reel_type *out)
{
    *out = *x;
    if (a->n < 0 || a->n > x->shape.rank)
        return reel_fail(REEL_EARG, "%lld ranges for rank %d", (long long)a->n, x->shape.rank);
    for (int i = 0; i < (int)a->n; i++) {
        int64_t first, step;
        if (x->shape.dims[i] != REEL_ANY)
            reel_range_resolve_(a->r[i], x->shape.dims[i], &first, &out->shape.dims[i], &step);
    }
    return 0;
}

int reel_infer_slice_(const reel_infer *io)
{
    return sliced(io->attr, io->in[0], &io->out[0]);
}

int reel_view_slice_(const reel_view_rule *v)
{
    const reel_attr_slice *a = v->attr;
    const reel_shape *x = &v->in[0]->shape;
    int64_t at = 0;
    for (int i = 0; i < x->rank; i++) {
        int64_t first = 0, count, step = 1;
        if (i < (int)a->n) reel_range_resolve_(a->r[i], x->dims[i], &first, &count, &step);
        at += first * v->strides[i];
        /* an axis of at most one element takes no steps, and a huge step times the stride could overflow */
        v->out_strides[0][i] = v->out[0].shape.dims[i] > 1 ? step * v->strides[i] : v->strides[i];
    }
    v->byte_offset[0] = reel_count_(&v->out[0].shape) ? at * (int64_t)reel_size_(v->in[0]->dtype) : 0;
    return 1;
}

reel_tensor *reel_slice_at(const char *site, reel_tensor *x, int n, const reel_range *r)
{
    reel_attr_slice a = {.n = n};
    if (n > 0 && !r) {
        reel_fail_at_(site, REEL_EARG, "reel_slice: the ranges are NULL");
        return NULL;
    }
    for (int i = 0; i < n && i < REEL_MAX_RANK; i++) a.r[i] = r[i];
    return reel_op1_(REEL_OP_slice, &a, site, x);
}

reel_tensor *reel_select_at(const char *site, reel_tensor *x, int axis, int64_t index)
{
    const reel_rec *r = reel_live_(site, "reel_select", "x", x);
    if (!r) return NULL;
    const int rank = r->type.shape.rank, at = axis < 0 ? axis + rank : axis;
    char text[REEL_SHAPE_TEXT];
    if (at < 0 || at >= rank) {
        reel_fail_at_(site, REEL_EARG, "reel_select: axis %d is out of range for rank %d", axis, rank);
        return NULL;
    }
    const int64_t dim = r->type.shape.dims[at];
    if (dim != REEL_ANY && (index < -dim || index >= dim)) {
        reel_fail_at_(site, REEL_EARG, "reel_select: index %lld is out of range for axis %d of x %s%s",
                      (long long)index, axis, reel_dtype_name(r->type.dtype), reel_shape_text_(&r->type.shape, text));
        return NULL;
    }
    reel_attr_slice a = {.n = at + 1};
    for (int i = 0; i < at; i++) a.r[i] = (reel_range)REEL_ALL;
    a.r[at] = (reel_range){index, index == -1 ? REEL_END : index + 1, 1};
    const reel_axes gone = {1, {at}};
    return reel_squeeze_at(site, reel_op1_(REEL_OP_slice, &a, site, x), gone);
}

int reel_vjp_slice_(const reel_vjp_args *v)
{
    v->din[0] = reel_unslice_at_(v->site, v->dout[0], v->in[0], v->attr);
    return reel_status();
}

/* unslice(g, like): zeros of like's shape with g in the slice. */
int reel_infer_unslice_(const reel_infer *io)
{
    const reel_attr_slice *a = io->attr;
    const reel_type *g = io->in[0];
    reel_type part;
    reel_shape both;
    const int code = sliced(a, io->in[1], &part);
    if (code) return code;
    if (!reel_merge_shape_(&g->shape, &part.shape, &both))
        return reel_fail(REEL_ESHAPE, "the gradient does not have the slice's shape");
    io->out[0] = *io->in[1];
    io->out[0].dtype = g->dtype;
    for (int i = 0; i < g->shape.rank; i++)
        if (i >= (int)a->n || whole(&a->r[i]))
            reel_merge_dim_(io->out[0].shape.dims[i], g->shape.dims[i], &io->out[0].shape.dims[i]);
    return 0;
}

reel_tensor *reel_unslice_at_(const char *site, reel_tensor *g, reel_tensor *like, const reel_attr_slice *a)
{
    return reel_op2_(REEL_OP_unslice, a, site, g, like);
}

int reel_vjp_unslice_(const reel_vjp_args *v)
{
    if (v->need[0]) v->din[0] = reel_op1_(REEL_OP_slice, v->attr, v->site, v->dout[0]);
    return reel_status();
}

/* ---- axes of size 1 ---------------------------------------------------------------------------------- */
/* Which axes go: those named, or all of size 1. */
static int squeezed(const reel_axes *a, const reel_shape *x, unsigned *mask)
{
    const int code = reel_axes_mask_(a, x->rank, mask);
    if (code) return code;
    for (int i = 0; i < x->rank; i++) {
        if (a->n == 0 && x->dims[i] == REEL_ANY)
            return reel_fail(REEL_ESHAPE, "axis %d has an unknown size: name the axes that go", i);
        if (a->n == 0 && x->dims[i] != 1) *mask &= ~(1u << i);
        if (((*mask >> i) & 1u) && x->dims[i] != 1 && x->dims[i] != REEL_ANY)
            return reel_fail(REEL_ESHAPE, "axis %d has size %lld, not 1", i, (long long)x->dims[i]);
    }
    return 0;
}

int reel_infer_squeeze_(const reel_infer *io)
{
    const reel_attr_axes *a = io->attr;
    const reel_shape *x = &io->in[0]->shape;
    unsigned mask;
    const int code = squeezed(&a->axes, x, &mask);
    if (code) return code;
    reel_type out = {.dtype = io->in[0]->dtype};
    for (int i = 0; i < x->rank; i++)
        if (!((mask >> i) & 1u)) out.shape.dims[out.shape.rank++] = x->dims[i];
    io->out[0] = out;
    return 0;
}

int reel_view_squeeze_(const reel_view_rule *v)
{
    const reel_attr_axes *a = v->attr;
    const reel_shape *x = &v->in[0]->shape;
    unsigned mask;
    int n = 0;
    if (squeezed(&a->axes, x, &mask)) return 0;
    for (int i = 0; i < x->rank; i++)
        if (!((mask >> i) & 1u)) v->out_strides[0][n++] = v->strides[i];
    v->byte_offset[0] = 0;
    return 1;
}

reel_tensor *reel_squeeze_at(const char *site, reel_tensor *x, reel_axes axes)
{
    reel_attr_axes a = {0};
    reel_put_axes_(&a.axes, &axes);
    return reel_op1_(REEL_OP_squeeze, &a, site, x);
}

int reel_vjp_squeeze_(const reel_vjp_args *v)
{
    v->din[0] = reel_reshape_like_at(v->site, v->dout[0], v->in[0]);
    return reel_status();
}

static int unsqueezed(const reel_axes *a, int rank, unsigned *mask)
{
    if (a->n < 1) return reel_fail(REEL_EARG, "no axes given");
    if (rank + a->n > REEL_MAX_RANK)
        return reel_fail(REEL_ESHAPE, "the result would have %d axes, at most %d", rank + a->n, REEL_MAX_RANK);
    return reel_axes_mask_(a, rank + a->n, mask);
}

int reel_infer_unsqueeze_(const reel_infer *io)
{
    const reel_attr_axes *a = io->attr;
    const reel_shape *x = &io->in[0]->shape;
    unsigned mask;
    const int code = unsqueezed(&a->axes, x->rank, &mask);
    if (code) return code;
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype, .shape = {.rank = x->rank + a->axes.n}};
    for (int i = 0, j = 0; i < io->out[0].shape.rank; i++)
        io->out[0].shape.dims[i] = (mask >> i) & 1u ? 1 : x->dims[j++];
    return 0;
}

int reel_view_unsqueeze_(const reel_view_rule *v)
{
    const reel_attr_axes *a = v->attr;
    const reel_shape *x = &v->in[0]->shape;
    unsigned mask;
    if (unsqueezed(&a->axes, x->rank, &mask)) return 0;
    for (int i = v->out[0].shape.rank - 1, j = x->rank - 1; i >= 0; i--) {
        /* a new axis gets the stride that keeps a dense view dense */
        if ((mask >> i) & 1u)
            v->out_strides[0][i] = j + 1 < x->rank ? v->strides[j + 1] * x->dims[j + 1] : 1;
        else
            v->out_strides[0][i] = v->strides[j--];
    }
    v->byte_offset[0] = 0;
    return 1;
}

reel_tensor *reel_unsqueeze_at(const char *site, reel_tensor *x, reel_axes axes)
{
    reel_attr_axes a = {0};
    reel_put_axes_(&a.axes, &axes);
    return reel_op1_(REEL_OP_unsqueeze, &a, site, x);
}

int reel_vjp_unsqueeze_(const reel_vjp_args *v)
{
    v->din[0] = reel_reshape_like_at(v->site, v->dout[0], v->in[0]);
    return reel_status();
}
