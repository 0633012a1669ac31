/* samples_view.c: merged and cut axes, axes in another order, slices by axis. */
#include "samples_of.h"

/* ---- flatten: p from, to ----------------------------------------------------------------------------- */
APPLY(flatten, reel_flatten(in[0], (int)s->p[0], (int)s->p[1]))

static void flatten_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    reel_shape y = {0};
    const int from = axis_in(s->p[0], in->shape.rank), to = axis_in(s->p[1], in->shape.rank);
    for (int i = 0; i < in->shape.rank; i++) {
        if (i <= from || i > to) y.dims[y.rank++] = 1;
        y.dims[y.rank - 1] *= in->shape.dims[i];
    }
    if (in->shape.rank == 0) y = REEL_SHAPE(1);
    copied(in, d, y, out);
}

static void flatten_bad(void)
{
#define CALL(x) reel_flatten(x, 0, -1)
    STRANGERS(CALL);
#undef CALL
    BAD(reel_flatten(X("[2,3]"), 0, 2), REEL_EARG, "reel_flatten|axis 2 is out of range for rank 2");
    BAD(reel_flatten(X("[2,3]"), -3, 1), REEL_EARG, "axis -3 is out of range");
    BAD(reel_flatten(X("[2,3]"), 1, 0), REEL_EARG, "axis 1 lies behind axis 0");
    BAD(reel_flatten(X("[]"), 1, 1), REEL_EARG, "out of range for rank 0");
    BAD(reel_flatten(X("[]"), 0, -2), REEL_EARG, "out of range for rank 0");
    BAD(reel_flatten(X("[2]"), INT32_MAX, 0), REEL_EARG, "out of range");
}

static const sample flatten_good[] = {MATRICES(0, -1),
                                      {IN("[]"), WITH(0, -1)},
                                      {IN("[5]r"), WITH(0, 0)},
                                      {IN("[2,3,4]t"), WITH(1, 2)},
                                      {IN("[2,3,4]"), WITH(0, 1)},
                                      {IN("[2,3,4]r"), WITH(-3, -2)},
                                      {IN("[2,0,4]"), WITH(0, 1)}};
SAMPLES(flatten);

/* ---- flatten_2d: p axis --------------------------------------------------------------------------------- */
APPLY(flatten_2d, reel_flatten_2d(in[0], (int)s->p[0]))

static void flatten_2d_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int axis = axis_in(s->p[0], in->shape.rank);
    reel_shape y = REEL_SHAPE(1, 1);
    for (int i = 0; i < in->shape.rank; i++) y.dims[i >= axis] *= in->shape.dims[i];
    copied(in, d, y, out);
}

static void flatten_2d_bad(void)
{
#define CALL(x) reel_flatten_2d(x, 1)
    STRANGERS(CALL);
#undef CALL
    BAD(reel_flatten_2d(X("[2,3]"), 3), REEL_EARG, "reel_flatten_2d|axis 3 is out of range for rank 2");
    BAD(reel_flatten_2d(X("[2,3]"), -3), REEL_EARG, "axis -3");
    BAD(reel_flatten_2d(X("[]"), 1), REEL_EARG, "rank 0");
    BAD(reel_flatten_2d(X("[]"), -1), REEL_EARG, "rank 0");
    BAD(reel_flatten_2d(X("[2]"), INT32_MIN), REEL_EARG, "out of range");
    BAD(reel_flatten_2d(X("[2]"), INT32_MAX), REEL_EARG, "out of range");
}

static const sample flatten_2d_good[] = {MATRICES(1),
                                         {IN("[]"), WITH(0)},
                                         {IN("[5]r"), WITH(0)},
                                         {IN("[5]"), WITH(1)},
                                         {IN("[2,3,4]"), WITH(2)},
                                         {IN("[2,3,4]r"), WITH(-1)},
                                         {IN("[2,3,2]t"), WITH(3)}};
SAMPLES(flatten_2d);

/* ---- unflatten: p count, the sizes, p7 axis ---------------------------------------------------------------- */
APPLY(unflatten, reel_unflatten(in[0], (int)s->p[7], shape_of(s)))

static void unflatten_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    reel_shape cut = shape_of(s), y = {0};
    const int axis = axis_in(s->p[7], in->shape.rank);
    int64_t rest = in->shape.dims[axis];
    for (int i = 0; i < cut.rank; i++) rest = cut.dims[i] == -1 ? rest : rest / cut.dims[i];
    for (int i = 0; i < in->shape.rank; i++) {
        if (i != axis) y.dims[y.rank++] = in->shape.dims[i];
        for (int k = 0; i == axis && k < cut.rank; k++) y.dims[y.rank++] = cut.dims[k] == -1 ? rest : cut.dims[k];
    }
    copied(in, d, y, out);
}

static void unflatten_bad(void)
{
#define CALL(x) reel_unflatten(x, 0, REEL_SHAPE(2, 1))
    STRANGERS(CALL);
#undef CALL
    BAD(reel_unflatten(X("[2,6]"), 2, REEL_SHAPE(2, 3)), REEL_EARG, "reel_unflatten|axis 2 is out of range for rank 2");
    BAD(reel_unflatten(X("[2,6]"), 1, REEL_SHAPE(2, 4)), REEL_ESHAPE, "axis 1 of size 6 does not fit into [2,4]");
    BAD(reel_unflatten(X("[2,6]"), 1, REEL_SHAPE(4, -1)), REEL_ESHAPE, "does not fit");
    BAD(reel_unflatten(X("[2,6]"), 1, REEL_SHAPE(-1, -1)), REEL_ESHAPE, "sizes 0 and 1 are both -1");
    BAD(reel_unflatten(X("[2,0]"), 1, REEL_SHAPE(0, -1)), REEL_ESHAPE, "cannot be inferred");
    BAD(reel_unflatten(X("[2,6]"), 1, REEL_SHAPE(2, -3)), REEL_ESHAPE, "negative");
    BAD(reel_unflatten(X("[2,6]"), 1, REEL_SCALAR), REEL_ESHAPE, "at least one");
    BAD(reel_unflatten(X("[1,1,1,1,1,1,1]"), 1, REEL_SHAPE(1, 1, 1)), REEL_ESHAPE, "9 axes");
}

#define CUT(spec, axis, ...)                    \
    {                                           \
        IN(spec), WITH(__VA_ARGS__, [7] = axis) \
    }
static const sample unflatten_good[] = {
    CUT("[6]", 0, 2, 2, 3),        CUT("[6]r", -1, 2, 3, -1), CUT("[2,6]t", 1, 2, 2, -1),    CUT("[6,2]t", 0, 2, 2, -1),
    CUT("[4,3]s", 0, 3, 2, 1, -1), CUT("[2,6]o", 1, 1, 6),    CUT("[0,6]", 1, 2, 3, 2),      CUT("[0]", 0, 2, 3, -1),
    CUT("[1]", 0, 3, 1, 1, 1),     CUT("[3,4]b", 1, 2, 2, 2), CUT("[70,301]t", 0, 2, 7, -1), CUT("[2,4]!", 1, 2, 2, 2)};
SAMPLES(unflatten);

/* ---- reshape_keep: p the shape; 0 keeps --------------------------------------------------------------------- */
APPLY(reshape_keep, reel_reshape_keep(in[0], shape_of(s)))

static void reshape_keep_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    reel_shape y = shape_of(s);
    int64_t rest = 1;
    for (int i = 0; i < y.rank; i++) {
        if (y.dims[i] == 0) y.dims[i] = in->shape.dims[i];
        if (y.dims[i] != -1) rest *= y.dims[i];
    }
    for (int i = 0; i < y.rank; i++)
        if (y.dims[i] == -1) y.dims[i] = in->count / rest;
    copied(in, d, y, out);
}

static void reshape_keep_bad(void)
{
#define CALL(x) reel_reshape_keep(x, REEL_SHAPE(0))
    STRANGERS(CALL);
#undef CALL
    BAD(reel_reshape_keep(X("[2,3]"), REEL_SHAPE(0, 2)), REEL_ESHAPE, "does not fit into [2,2]");
    BAD(reel_reshape_keep(X("[2,3]"), REEL_SHAPE(0, 0, 0)), REEL_ESHAPE, "reel_reshape_keep|size 2 is 0|no axis 2");
    BAD(reel_reshape_keep(X("[2,3]"), REEL_SHAPE(-1, -1)), REEL_ESHAPE, "both -1");
    BAD(reel_reshape_keep(X("[2,3]"), REEL_SHAPE(0, -2)), REEL_ESHAPE, "negative");
    BAD(reel_reshape_keep(X("[2,3]"), (reel_shape){.rank = -1}), REEL_ESHAPE, "rank -1");
    BAD(reel_reshape_keep(X("[]"), REEL_SHAPE(0)), REEL_ESHAPE, "no axis 0");
}

static const sample reshape_keep_good[] = {{IN("[]"), WITH(1, 1)},
                                           {IN("[1]"), WITH(1, 0)},
                                           {IN("[2,6]"), WITH(3, 0, 2, 3)},
                                           {IN("[2,6]t"), WITH(2, 0, -1)},
                                           {IN("[2,3,4]r"), WITH(2, 0, -1)},
                                           {IN("[2,3,4]s"), WITH(3, 0, 0, 4)},
                                           {IN("[2,6]o"), WITH(3, 0, 3, -1)},
                                           {IN("[4,3]b"), WITH(1, -1)},
                                           {IN("[0,3]"), WITH(2, 0, 0), FIXED},
                                           {IN("[3,2]!"), WITH(1, 6)},
                                           {IN("[70,301]t"), WITH(3, 0, 7, -1)},
                                           {IN("[5]"), WITH(2, 0, -1)}};
SAMPLES(reshape_keep);

/* ---- expand: p the shape ---------------------------------------------------------------------------------- */
APPLY(expand, reel_expand(in[0], shape_of(s)))

static void expand_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    reel_shape to = shape_of(s);
    for (int i = 0; i < to.rank; i++) to.dims[i] = to.dims[i] == -1 ? 1 : to.dims[i];
    nd_make(out, d, nd_broadcast(in->shape, to));
    for (int64_t i = 0; i < out->count; i++) out->data[i] = nd_at(in, &out->shape, i);
}

static void expand_bad(void)
{
#define CALL(x) reel_expand(x, REEL_SHAPE(3, -1))
    STRANGERS(CALL);
#undef CALL
    BAD(reel_expand(X("[2,3]"), REEL_SHAPE(3, 3)), REEL_ESHAPE, "reel_expand|do not broadcast");
    BAD(reel_expand(X("[2,3]"), REEL_SHAPE(0, 3)), REEL_ESHAPE, "do not broadcast");
    BAD(reel_expand(X("[3]"), REEL_SHAPE(-1, 3)), REEL_ESHAPE, "size 0 is -1, but x has no axis there");
    BAD(reel_expand(X("[3]"), REEL_SHAPE(2, -4)), REEL_ESHAPE, "negative");
    BAD(reel_expand(X("[3]"), (reel_shape){.rank = 9}), REEL_ESHAPE, "rank 9");
    BAD(reel_expand(X("[1]"), REEL_SHAPE(1LL << 40, 1LL << 40)), REEL_ESHAPE, "overflow");
}

static const sample expand_good[] = {{IN("[]"), WITH(2, 2, 3)},        {IN("[]"), WITH(0)},
                                     {IN("[1]"), WITH(1, 4)},          {IN("[3,1]"), WITH(2, -1, 4)},
                                     {IN("[3,1]t"), WITH(3, 2, 1, 5)}, {IN("[4]r"), WITH(2, 3, 1)},
                                     {IN("[3,1]s"), WITH(2, 1, 2)},    {IN("[1,4]o"), WITH(2, 3, -1)},
                                     {IN("[1]"), WITH(1, 0)},          {IN("[0,1]"), WITH(2, -1, 3)},
                                     {IN("[2,3]b"), WITH(1, 1)},       {IN("[3]!"), WITH(2, 2, 3)},
                                     {IN("[70,1]"), WITH(2, 70, 301)}, {IN("[150,141]t"), WITH(3, 2, -1, 1)}};
SAMPLES(expand);

/* ---- axes in another order: permute p count, axes; moveaxis p count, from.., p5 to..; swapaxes p a, b -------- */
static void permuted(const nd *x, const int *perm, reel_dtype d, nd *out)
{
    reel_shape y = {.rank = x->shape.rank};
    for (int i = 0; i < y.rank; i++) y.dims[i] = x->shape.dims[perm[i]];
    nd_make(out, d, y);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[REEL_MAX_RANK], from[REEL_MAX_RANK];
        nd_unravel(&y, i, at);
        for (int k = 0; k < y.rank; k++) from[perm[k]] = at[k];
        out->data[i] = x->data[nd_ravel(&x->shape, from)];
    }
}

APPLY(permute, reel_permute(in[0], axes_of(s)))

static void permute_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    int perm[REEL_MAX_RANK];
    for (int i = 0; i < in->shape.rank; i++) perm[i] = axis_in(s->p[1 + i], in->shape.rank);
    permuted(in, perm, d, out);
}

static void permute_bad(void)
{
#define CALL(x) reel_permute(x, REEL_AXES(0))
    STRANGERS(CALL);
#undef CALL
    BAD(reel_permute(X("[2,3]"), REEL_AXES(0)), REEL_EARG, "reel_permute|1 axes for rank 2");
    BAD(reel_permute(X("[2,3]"), REEL_ALL_AXES), REEL_EARG, "0 axes for rank 2");
    BAD(reel_permute(X("[2,3]"), REEL_AXES(0, 0)), REEL_EARG, "axis 0 is given twice");
    BAD(reel_permute(X("[2,3]"), REEL_AXES(0, -2)), REEL_EARG, "given twice");
    BAD(reel_permute(X("[2,3]"), REEL_AXES(0, 2)), REEL_EARG, "out of range");
    BAD(reel_permute(X("[2]"), (reel_axes){.n = 9}), REEL_EARG, "9 axes");
}

static const sample permute_good[] = {MATRICES(2, 1, 0),
                                      {IN("[]"), WITH(0)},
                                      {IN("[4]"), WITH(1, -1)},
                                      {IN("[2,3,4]r"), WITH(3, 2, 0, 1)},
                                      {IN("[2,3,4]"), WITH(3, -2, -1, 0)}};
SAMPLES(permute);

static reel_axes to_of(const sample *s)
{
    reel_axes a = {.n = (int)s->p[0]};
    for (int i = 0; i < a.n; i++) a.axis[i] = (int)s->p[5 + i];
    return a;
}

APPLY(moveaxis, reel_moveaxis(in[0], axes_of(s), to_of(s)))

static void moveaxis_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int rank = in->shape.rank, n = (int)s->p[0];
    int perm[REEL_MAX_RANK], left[REEL_MAX_RANK], n_left = 0;
    for (int i = 0; i < rank; i++) {
        bool moves = false;
        for (int k = 0; k < n; k++) moves = moves || axis_in(s->p[1 + k], rank) == i;
        if (!moves) left[n_left++] = i;
    }
    for (int i = 0, next = 0; i < rank; i++) {
        int from = -1;
        for (int k = 0; k < n; k++)
            if (axis_in(s->p[5 + k], rank) == i) from = axis_in(s->p[1 + k], rank);
        perm[i] = from >= 0 ? from : left[next++];
    }
    permuted(in, perm, d, out);
}

static void moveaxis_bad(void)
{
#define CALL(x) reel_moveaxis(x, REEL_AXES(0), REEL_AXES(0))
    STRANGERS(CALL);
#undef CALL
    BAD(reel_moveaxis(X("[2,3]"), REEL_AXES(2), REEL_AXES(0)), REEL_EARG, "reel_moveaxis|axis 2 is out of range");
    BAD(reel_moveaxis(X("[2,3]"), REEL_AXES(0), REEL_AXES(-3)), REEL_EARG, "axis -3 is out of range");
    BAD(reel_moveaxis(X("[2,3]"), REEL_AXES(0, 1), REEL_AXES(0)), REEL_EARG, "2 axes move to 1 places");
    BAD(reel_moveaxis(X("[2,3]"), REEL_AXES(0, 0), REEL_AXES(0, 1)), REEL_EARG, "given twice");
    BAD(reel_moveaxis(X("[2,3]"), REEL_AXES(0, 1), REEL_AXES(1, -1)), REEL_EARG, "given twice");
    BAD(reel_moveaxis(X("[2]"), (reel_axes){.n = -1}, REEL_AXES(0)), REEL_EARG, "-1 axes");
}

#define MOVE(spec, a, b, c, e)                    \
    {                                             \
        IN(spec), WITH(2, a, b, [5] = c, [6] = e) \
    }
static const sample moveaxis_good[] = {{IN("[]"), WITH(0)},
                                       {IN("[3]"), WITH(1, 0, [5] = -1)},
                                       {IN("[2,3,4]"), WITH(1, 0, [5] = -1)},
                                       {IN("[2,3,4]t"), WITH(1, -1, [5] = 0)},
                                       {IN("[0,3,4]"), WITH(1, 1, [5] = 0)},
                                       {IN("[3,4]b"), WITH(1, 0, [5] = 1)},
                                       {IN("[3,4]!"), WITH(1, 0, [5] = 1)},
                                       MOVE("[2,3,4]r", 0, 1, -1, -2),
                                       MOVE("[2,3,4]s", 0, 2, 2, 0),
                                       MOVE("[2,3,2,2]o", 3, 1, 0, 2),
                                       MOVE("[2,3,2,2]", 0, 1, 3, 2),
                                       {IN("[70,301]t"), WITH(1, 0, [5] = 1)}};
SAMPLES(moveaxis);

APPLY(swapaxes, reel_swapaxes(in[0], (int)s->p[0], (int)s->p[1]))

static void swapaxes_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int rank = in->shape.rank, a = axis_in(s->p[0], rank), b = axis_in(s->p[1], rank);
    int perm[REEL_MAX_RANK];
    for (int i = 0; i < rank; i++) perm[i] = i == a ? b : i == b ? a : i;
    permuted(in, perm, d, out);
}

static void swapaxes_bad(void)
{
#define CALL(x) reel_swapaxes(x, 0, -1)
    STRANGERS(CALL);
#undef CALL
    BAD(reel_swapaxes(X("[2,3]"), 0, 2), REEL_EARG, "reel_swapaxes|axis 2 is out of range for rank 2");
    BAD(reel_swapaxes(X("[2,3]"), -3, 0), REEL_EARG, "axis -3");
    BAD(reel_swapaxes(X("[]"), 0, 0), REEL_EARG, "rank 0");
    BAD(reel_swapaxes(X("[]"), -1, 0), REEL_EARG, "rank 0");
    BAD(reel_swapaxes(X("[2]"), 0, INT32_MIN), REEL_EARG, "out of range");
    BAD(reel_swapaxes(X("[2]"), INT32_MAX, 0), REEL_EARG, "out of range");
}

static const sample swapaxes_good[] = {
    MATRICES(0, 1), {IN("[4]"), WITH(0, 0)}, {IN("[2,3,4]"), WITH(0, -1)}, {IN("[2,3,4]t"), WITH(1, 2)}};
SAMPLES(swapaxes);

/* ---- strided_slice: p count, axes.., p4 start, stop, step.. of each; flip: p count, axes -------------------------- */
static void ranges_of(const sample *s, reel_range r[2])
{
    for (int i = 0; i < 2; i++) {
        r[i] = (reel_range){(int64_t)s->p[4 + 3 * i], (int64_t)s->p[5 + 3 * i], (int64_t)s->p[6 + 3 * i]};
        if (s->p[5 + 3 * i] == 999) r[i].stop = REEL_END;
    }
}

static int strided_slice_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    reel_range r[2];
    (void)d;
    ranges_of(s, r);
    out[0] = reel_strided_slice(in[0], axes_of(s), r);
    return reel_status();
}

/* Python's: walk from start to stop, indices from the end made plain, those outside left out. */
static void strided_slice_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    int64_t index[REEL_MAX_RANK][512];
    reel_shape y = in->shape;
    reel_range r[2];
    ranges_of(s, r);
    for (int i = 0; i < y.rank; i++)
        for (int64_t k = 0; k < y.dims[i]; k++) index[i][k] = k;
    for (int i = 0; i < (int)s->p[0]; i++) {
        const int axis = axis_in(s->p[1 + i], y.rank);
        const int64_t n = in->shape.dims[axis], step = r[i].step;
        int64_t k = r[i].start < 0 ? r[i].start + n : r[i].start, stop = r[i].stop < 0 ? r[i].stop + n : r[i].stop;
        if (r[i].stop == REEL_END) stop = step > 0 ? n : -1;
        while (step < 0 && k >= n && r[i].start > 0) k = n - 1; /* clipped, as Python's */
        y.dims[axis] = 0;
        for (; step > 0 ? k < stop : k > stop; k += step)
            if (k >= 0 && k < n) index[axis][y.dims[axis]++] = k;
    }
    nd_make(out, d, y);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[REEL_MAX_RANK];
        nd_unravel(&y, i, at);
        for (int k = 0; k < y.rank; k++) at[k] = index[k][at[k]];
        out->data[i] = in->data[nd_ravel(&in->shape, at)];
    }
}

static void strided_slice_bad(void)
{
#define CALL(x) reel_strided_slice(x, REEL_AXES(0), REEL_RANGES({0, 1, 1}))
    STRANGERS(CALL);
#undef CALL
    BAD(reel_strided_slice(X("[2,3]"), REEL_AXES(2), REEL_RANGES({0, 1, 1})), REEL_EARG,
        "reel_strided_slice|axis 2 is out of");
    BAD(reel_strided_slice(X("[2,3]"), REEL_AXES(-3), REEL_RANGES({0, 1, 1})), REEL_EARG, "axis -3");
    BAD(reel_strided_slice(X("[2,3]"), REEL_AXES(0), NULL), REEL_EARG, "ranges are NULL");
    BAD(reel_strided_slice(X("[2,3]"), REEL_AXES(1, -1), REEL_RANGES({0, 1, 1}, {0, 1, 1})), REEL_EARG, "given twice");
    BAD(reel_strided_slice(X("[]"), REEL_AXES(0), REEL_RANGES({0, 1, 1})), REEL_EARG, "rank 0");
    BAD(reel_strided_slice(X("[2]"), (reel_axes){.n = 9}, REEL_RANGES({0, 1, 1})), REEL_EARG, "9 axes");
}

#define CUT1(spec, axis, a, b, c)                          \
    {                                                      \
        IN(spec), WITH(1, axis, [4] = a, [5] = b, [6] = c) \
    }
static const sample strided_slice_good[] = {{IN("[]"), WITH(0)},
                                            CUT1("[7]", 0, 1, 6, 2),
                                            CUT1("[7]r", 0, -2, 0, -1),
                                            CUT1("[7]", 0, 6, 999, -3),
                                            CUT1("[3,5]t", 1, 1, 4, 1),
                                            CUT1("[3,5]s", -2, 2, 999, -1),
                                            CUT1("[3,5]o", 1, 3, 3, 1),
                                            CUT1("[3,5]b", 1, 0, 4, 3),
                                            CUT1("[3,5]!", 0, 100, 999, -1),
                                            CUT1("[0,5]", 1, 1, 3, 1),
                                            CUT1("[1,1]", 0, 0, 1, 1),
                                            {IN("[4,5,3]"), WITH(2, 2, 0, [4] = 2, 999, -1, 1, 4, 2)},
                                            {IN("[70,301]t"), WITH(2, 1, 0, [4] = 300, 1, -2, 1, 69, 3)}};
SAMPLES(strided_slice);

APPLY(flip, reel_flip(in[0], axes_of(s)))

static void flip_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    bool back[REEL_MAX_RANK] = {0};
    for (int i = 0; i < in->shape.rank; i++) back[i] = s->p[0] == 0;
    for (int i = 0; i < (int)s->p[0]; i++) back[axis_in(s->p[1 + i], in->shape.rank)] = true;
    nd_make(out, d, in->shape);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[REEL_MAX_RANK];
        nd_unravel(&in->shape, i, at);
        for (int k = 0; k < in->shape.rank; k++) at[k] = back[k] ? in->shape.dims[k] - 1 - at[k] : at[k];
        out->data[i] = in->data[nd_ravel(&in->shape, at)];
    }
}

static void flip_bad(void)
{
#define CALL(x) reel_flip(x, REEL_ALL_AXES)
    STRANGERS(CALL);
#undef CALL
    BAD(reel_flip(X("[2,3]"), REEL_AXES(2)), REEL_EARG, "reel_flip|axis 2 is out of range for rank 2");
    BAD(reel_flip(X("[2,3]"), REEL_AXES(-3)), REEL_EARG, "axis -3");
    BAD(reel_flip(X("[2,3]"), REEL_AXES(0, 0)), REEL_EARG, "given twice");
    BAD(reel_flip(X("[2,3]"), REEL_AXES(1, -1)), REEL_EARG, "given twice");
    BAD(reel_flip(X("[]"), REEL_AXES(0)), REEL_EARG, "rank 0");
    BAD(reel_flip(X("[2]"), (reel_axes){.n = -2}), REEL_EARG, "-2 axes");
}

static const sample flip_good[] = {MATRICES(0),
                                   {IN("[]"), WITH(0)},
                                   {IN("[5]"), WITH(1, -1)},
                                   {IN("[2,3,4]"), WITH(1, 1)},
                                   {IN("[2,3,4]t"), WITH(2, 0, -1)}};
SAMPLES(flip);

/* ---- select: p axis, index ------------------------------------------------------------------------------------ */
APPLY(select, reel_select(in[0], (int)s->p[0], (int64_t)s->p[1]))

static void select_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int axis = axis_in(s->p[0], in->shape.rank);
    reel_shape y = {0};
    for (int i = 0; i < in->shape.rank; i++)
        if (i != axis) y.dims[y.rank++] = in->shape.dims[i];
    nd_make(out, d, y);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[REEL_MAX_RANK], from[REEL_MAX_RANK];
        nd_unravel(&y, i, at);
        for (int k = 0, n = 0; k < in->shape.rank; k++)
            from[k] = k == axis ? ((int64_t)s->p[1] + in->shape.dims[k]) % in->shape.dims[k] : at[n++];
        out->data[i] = in->data[nd_ravel(&in->shape, from)];
    }
}

static void select_bad(void)
{
#define CALL(x) reel_select(x, 0, 1)
    STRANGERS(CALL);
#undef CALL
    BAD(reel_select(X("[2,3]"), 2, 0), REEL_EARG, "reel_select|axis 2 is out of range for rank 2");
    BAD(reel_select(X("[2,3]"), -3, 0), REEL_EARG, "axis -3");
    BAD(reel_select(X("[2,3]"), 1, 3), REEL_EARG, "index 3 is out of range for axis 1");
    BAD(reel_select(X("[2,3]"), 0, -3), REEL_EARG, "index -3");
    BAD(reel_select(X("[]"), 0, 0), REEL_EARG, "rank 0");
    BAD(reel_select(X("[0]"), 0, 0), REEL_EARG, "index 0");
}

static const sample select_good[] = {
    {IN("[5]"), WITH(0, 2)},    {IN("[5]r"), WITH(0, -1)},   {IN("[3,4]"), WITH(0, 1)},
    {IN("[3,4]t"), WITH(1, 3)}, {IN("[3,4]s"), WITH(-1, 0)}, {IN("[3,4]o"), WITH(0, -3)},
    {IN("[3,4]b"), WITH(1, 2)}, {IN("[3,4]!"), WITH(0, 0)},  {IN("[2,3,4]"), WITH(1, 2)},
    {IN("[1]"), WITH(0, 0)},    {IN("[2,0]"), WITH(0, 1)},   {IN("[70,301]t"), WITH(1, 300)}};
SAMPLES(select);
