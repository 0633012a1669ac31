/* samples_index.c: elements picked by index. */
#include "samples_of.h"

static int64_t from_end(double index, int64_t size)
{
    return (int64_t)index < 0 ? (int64_t)index + size : (int64_t)index;
}

/* Indices that no op may take; CALL(x, indices), x f32[2]. */
#define BAD_INDICES(CALL)                                                                 \
    BAD(CALL(NULL, X("[2]L2")), REEL_EARG, "x is NULL");                                  \
    BAD(CALL(X("[2]"), NULL), REEL_EARG, "indices is NULL");                              \
    BAD(CALL(dead(), X("[2]L2")), REEL_EARG, "dead");                                     \
    BAD(CALL(X("[2]"), dead()), REEL_EARG, "dead");                                       \
    BAD(CALL(unset(), X("[2]L2")), REEL_EARG, "unset");                                   \
    BAD(CALL(symbol(), X("[2]L2")), REEL_ETRACE, "graph");                                \
    BAD(CALL(X("[2]"), X("[2]")), REEL_EDTYPE, "indices is f32, allowed: i8 u8 i32 i64"); \
    BAD(CALL(X("[2]"), X("[2]?")), REEL_EDTYPE, "indices is bool")
static reel_tensor *ints(int n, const int32_t *v)
{
    return reel_from_i32(REEL_SHAPE(n), v, (size_t)n);
}
#define INTS_OF(...) ints((int)(sizeof((int32_t[]){__VA_ARGS__}) / 4), (const int32_t[]){__VA_ARGS__})

/* ---- gather: p axis --------------------------------------------------------------------------------- */
static reel_shape gathered(const reel_shape *x, const reel_shape *i, int axis)
{
    reel_shape y = {0};
    for (int k = 0; k < axis; k++) y.dims[y.rank++] = x->dims[k];
    for (int k = 0; k < i->rank; k++) y.dims[y.rank++] = i->dims[k];
    for (int k = axis + 1; k < x->rank; k++) y.dims[y.rank++] = x->dims[k];
    return y;
}

/* Element i of what gather makes: where it lies in x. */
static int64_t gather_source(const reel_shape *x, const nd *indices, const reel_shape *y, int axis, int64_t i)
{
    int64_t at[REEL_MAX_RANK], from[REEL_MAX_RANK];
    nd_unravel(y, i, at);
    for (int k = 0; k < axis; k++) from[k] = at[k];
    from[axis] = from_end(indices->data[nd_ravel(&indices->shape, at + axis)], x->dims[axis]);
    for (int k = axis + 1; k < x->rank; k++) from[k] = at[k - 1 + indices->shape.rank];
    return nd_ravel(x, from);
}

static void gather_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int axis = axis_in(s->p[0], in[0].shape.rank);
    nd_make(out, d, gathered(&in[0].shape, &in[1].shape, axis));
    for (int64_t i = 0; i < out->count; i++)
        out->data[i] = in[0].data[gather_source(&in[0].shape, &in[1], &out->shape, axis, i)];
}

APPLY(gather, reel_gather(in[0], in[1], (int)s->p[0]))

static void gather_bad(void)
{
#define CALL(x, i) reel_gather(x, i, 0)
    BAD_INDICES(CALL);
#undef CALL
    BAD(reel_gather(X("[5,2]"), INTS_OF(0, 1, 4, 9), 0), REEL_EARG,
        "reel_gather|index 9 at position 3 is out of range for axis 0 of size 5");
    BAD(reel_gather(X("[5,2]"), INTS_OF(0, -6, 9), 0), REEL_EARG, "index -6 at position 1");
    BAD(reel_gather(X("[5,2]"), INTS_OF(2), 1), REEL_EARG, "index 2 at position 0|axis 1 of size 2");
    BAD(reel_gather(X("[5,2]"), INTS_OF(0), 2), REEL_EARG, "axis 2 is out of range for rank 2");
    BAD(reel_gather(X("[]"), INTS_OF(0), 0), REEL_EARG, "rank 0");
    BAD(reel_gather(X("[1,1,1,1,1,1,1]"), X("[1,1,1]L1"), 0), REEL_ESHAPE, "9 axes");
    BAD(reel_gather(X("[0,2]"), INTS_OF(0), 0), REEL_EARG, "axis 0 of size 0");
}

static const sample gather_good[] = {{IN("[5]", "[3]L5"), WITH(0)},
                                     {IN("[5]r", "[]M5"), WITH(0)},
                                     {IN("[4,3]", "[5]M4"), WITH(0)},
                                     {IN("[4,3]t", "[2,2]L3"), WITH(1)},
                                     {IN("[4,3]s", "[3]tL4"), WITH(-2)},
                                     {IN("[4,3]o", "[2,3]rM3"), WITH(-1)},
                                     {IN("[4,3]b", "[3]sL3"), WITH(1)},
                                     {IN("[2,3,4]", "[2]M3"), WITH(1)},
                                     {IN("[2,3,4]t", "[3]L2"), WITH(0)},
                                     {IN("[3,4]!", "[5]L3"), WITH(0)},
                                     {IN("[0,3]", "[2]L3"), WITH(1)},
                                     {IN("[4,3]", "[0]L4"), WITH(0)},
                                     {IN("[1]", "[1]L1"), WITH(0)},
                                     {IN("[2,3,2,2]r", "[2,1]L2"), WITH(2)},
                                     {IN("[301,70]", "[40,11]M301"), WITH(0)},
                                     {IN("[70,301]t", "[500]L301"), WITH(1)}};
SAMPLES(gather);

APPLY(index_select, reel_index_select(in[0], (int)s->p[0], in[1]))

static void index_select_bad(void)
{
#define CALL(x, i) reel_index_select(x, 0, i)
    BAD_INDICES(CALL);
#undef CALL
    BAD(reel_index_select(X("[5]"), 0, X("[2,2]L5")), REEL_ESHAPE, "reel_index_select|indices has rank 2, not 1");
    BAD(reel_index_select(X("[5]"), 0, X("[]L5")), REEL_ESHAPE, "rank 0");
    BAD(reel_index_select(X("[5]"), 0, INTS_OF(5)), REEL_EARG, "index 5 at position 0");
    BAD(reel_index_select(X("[5]"), -2, INTS_OF(1)), REEL_EARG, "axis -2");
}

static const sample index_select_good[] = {
    {IN("[5]", "[3]L5"), WITH(0)},         {IN("[5]r", "[1]M5"), WITH(0)},     {IN("[4,3]", "[5]M4"), WITH(0)},
    {IN("[4,3]t", "[2]L3"), WITH(1)},      {IN("[4,3]s", "[3]tL4"), WITH(-2)}, {IN("[4,3]o", "[3]rM3"), WITH(-1)},
    {IN("[4,3]b", "[3]sL3"), WITH(1)},     {IN("[2,3,4]", "[2]M3"), WITH(1)},  {IN("[3,4]!", "[5]L3"), WITH(0)},
    {IN("[0,3]", "[2]L3"), WITH(1)},       {IN("[4,3]", "[0]L4"), WITH(0)},    {IN("[1]", "[1]L1"), WITH(0)},
    {IN("[301,70]", "[400]M301"), WITH(0)}};
static void index_select_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    gather_reference(s, d, in, out);
}
SAMPLES(index_select);

/* gather_grad: like, g, indices */
static int gather_grad_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    out[0] = reel_gather_grad_at_(REEL_HERE, in[0], in[1], in[2], (int)s->p[0]);
    return reel_status();
}

static void wrapped(nd *out)
{
    for (int64_t i = 0; i < out->count && is_int(out->dtype); i++) out->data[i] = round_to(out->data[i], out->dtype);
}

static void gather_grad_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int axis = axis_in(s->p[0], in[0].shape.rank);
    nd_make(out, d, in[0].shape);
    for (int64_t i = 0; i < in[1].count; i++)
        out->data[gather_source(&in[0].shape, &in[2], &in[1].shape, axis, i)] += in[1].data[i];
    wrapped(out);
}

static void gather_grad_bad(void)
{
#define CALL(l, g, i, axis) reel_gather_grad_at_(REEL_HERE, l, g, i, axis)
    BAD(CALL(NULL, X("[2]"), X("[2]L2"), 0), REEL_EARG, "reel_gather_grad|like is NULL");
    BAD(CALL(X("[5]"), NULL, X("[2]L2"), 0), REEL_EARG, "g is NULL");
    BAD(CALL(X("[5]"), X("[2]"), NULL, 0), REEL_EARG, "indices is NULL");
    BAD(CALL(X("[5]"), dead(), X("[2]L2"), 0), REEL_EARG, "dead");
    BAD(CALL(X("[5]"), unset(), X("[2]L2"), 0), REEL_EARG, "unset");
    BAD(CALL(X("[5]"), symbol(), X("[2]L2"), 0), REEL_ETRACE, "graph");
    BAD(CALL(X("[5]"), X("[3]"), X("[2]L2"), 0), REEL_ESHAPE, "shape of what was gathered");
    BAD(CALL(X("[5]"), X("[2]"), X("[2]"), 0), REEL_EDTYPE, "indices is f32");
    BAD(CALL(X("[5]"), X("[2]"), INTS_OF(0, 5), 0), REEL_EARG, "index 5 at position 1");
    BAD(CALL(X("[5]"), X("[2]"), X("[2]L2"), 1), REEL_EARG, "axis 1");
    BAD(CALL(X("[5]"), X("[2]?"), X("[2]L2"), 0), REEL_EDTYPE, "g is bool");
#undef CALL
}

static const sample gather_grad_good[] = {
    {IN("[5]", "[3]", "[3]L5"), WITH(0)},           {IN("[5]", "[]", "[]M5"), WITH(0)},
    {IN("[4,3]", "[5,3]r", "[5]M4"), WITH(0)},      {IN("[4,3]t", "[4,2,2]t", "[2,2]L3"), WITH(1)},
    {IN("[4,3]", "[3,3]s", "[3]tL4"), WITH(-2)},    {IN("[3,10]", "[7,10]o", "[7]L3"), WITH(0)},
    {IN("[2,3,9]", "[2,4,9]b", "[4]M3"), WITH(1)},  {IN("[3,4]", "[5,4]!", "[5]L3"), WITH(0)},
    {IN("[3,9]", "[5,9]!", "[5]L3"), WITH(0)},      {IN("[0,3]", "[0,2]", "[2]L3"), WITH(1)},
    {IN("[4,9]", "[0,9]", "[0]L4"), WITH(0)},       {IN("[1]", "[1]", "[1]L1"), WITH(0)},
    {IN("[900]", "[4]", "[4]M900"), WITH(0)},       {IN("[31,70]", "[40,11,70]", "[40,11]M31"), WITH(0)},
    {IN("[70,31]", "[70,50]t", "[50]L31"), WITH(1)}};
const samples samples_gather_grad = {GOOD(gather_grad_good), .apply = gather_grad_apply,
                                     .reference = gather_grad_reference, .bad = gather_grad_bad, .scale = 16};

/* ---- along an axis: p axis ------------------------------------------------------------------------------- */
/* Element i of y: where it lies in x; dimensions of 1 broadcast. */
static int64_t along_source(const reel_shape *x, const nd *indices, const reel_shape *y, int axis, int64_t i)
{
    int64_t at[REEL_MAX_RANK], from[REEL_MAX_RANK], in[REEL_MAX_RANK];
    nd_unravel(y, i, at);
    for (int k = 0; k < y->rank; k++) {
        in[k] = indices->shape.dims[k] == 1 ? 0 : at[k];
        from[k] = x->dims[k] == 1 ? 0 : at[k];
    }
    from[axis] = from_end(indices->data[nd_ravel(&indices->shape, in)], x->dims[axis]);
    return nd_ravel(x, from);
}

static void take_along_axis_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int axis = axis_in(s->p[0], in[0].shape.rank);
    reel_shape x = in[0].shape;
    x.dims[axis] = 1;
    nd_make(out, d, nd_broadcast(x, in[1].shape));
    for (int64_t i = 0; i < out->count; i++)
        out->data[i] = in[0].data[along_source(&in[0].shape, &in[1], &out->shape, axis, i)];
}

static void gather_elements_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd_make(out, d, in[1].shape);
    for (int64_t i = 0; i < out->count; i++)
        out->data[i] =
            in[0].data[along_source(&in[0].shape, &in[1], &out->shape, axis_in(s->p[0], in[0].shape.rank), i)];
}

APPLY(take_along_axis, reel_take_along_axis(in[0], in[1], (int)s->p[0]))
APPLY(gather_elements, reel_gather_elements(in[0], in[1], (int)s->p[0]))

#define BAD_ALONG(NAME)                                                                                                \
    BAD(NAME(X("[5,2]"), X("[5]L2"), 1), REEL_ESHAPE, #NAME "|indices has rank 1, x has 2");                           \
    BAD(NAME(X("[5,2]"), X("[6,2]L2"), 1), REEL_ESHAPE, "indices has 6 along axis 0, x has 5");                        \
    BAD(NAME(X("[5]"), INTS_OF(0, 1, 7), 0), REEL_EARG, "index 7 at position 2 is out of range for axis 0 of size 5"); \
    BAD(NAME(X("[5]"), INTS_OF(-6), 0), REEL_EARG, "index -6");                                                        \
    BAD(NAME(X("[5]"), INTS_OF(1), 1), REEL_EARG, "axis 1");                                                           \
    BAD(NAME(X("[]"), X("[]L1"), 0), REEL_EARG, "rank 0")

static void take_along_axis_bad(void)
{
#define CALL(x, i) reel_take_along_axis(x, i, 0)
    BAD_INDICES(CALL);
#undef CALL
    BAD_ALONG(reel_take_along_axis);
}

static void gather_elements_bad(void)
{
#define CALL(x, i) reel_gather_elements(x, i, 0)
    BAD_INDICES(CALL);
#undef CALL
    BAD_ALONG(reel_gather_elements);
}

static const sample take_along_axis_good[] = {{IN("[5]", "[3]L5"), WITH(0)},
                                              {IN("[5]r", "[1]M5"), WITH(0)},
                                              {IN("[4,3]", "[2,3]M4"), WITH(0)},
                                              {IN("[4,3]t", "[4,2]L3"), WITH(1)},
                                              {IN("[4,3]s", "[5,3]tL4"), WITH(-2)},
                                              {IN("[4,3]o", "[4,2]rM3"), WITH(-1)},
                                              {IN("[4,3]b", "[1,5]L3"), WITH(1)},
                                              {IN("[1,3]", "[4,2]M3"), WITH(1)},
                                              {IN("[2,3,1]", "[2,2,4]L3"), WITH(1)},
                                              {IN("[3,4]!", "[2,4]L3"), WITH(0)},
                                              {IN("[0,3]", "[0,2]L3"), WITH(1)},
                                              {IN("[4,3]", "[0,3]L4"), WITH(0)},
                                              {IN("[1]", "[1]L1"), WITH(0)},
                                              {IN("[301,70]", "[401,70]M301"), WITH(0)},
                                              {IN("[70,301]t", "[70,50]L301"), WITH(1)}};
static const sample gather_elements_good[] = {{IN("[5]", "[3]L5"), WITH(0)},
                                              {IN("[5]r", "[1]M5"), WITH(0)},
                                              {IN("[4,3]", "[2,3]M4"), WITH(0)},
                                              {IN("[4,3]t", "[4,2]L3"), WITH(1)},
                                              {IN("[4,3]s", "[5,2]tL4"), WITH(-2)},
                                              {IN("[4,3]o", "[3,2]rM3"), WITH(-1)},
                                              {IN("[4,3]b", "[1,5]L3"), WITH(1)},
                                              {IN("[4,3]", "[2,2]M3"), WITH(1)},
                                              {IN("[2,3,2]", "[2,2,1]L3"), WITH(1)},
                                              {IN("[3,4]!", "[2,4]L3"), WITH(0)},
                                              {IN("[0,3]", "[0,2]L3"), WITH(1)},
                                              {IN("[4,3]", "[0,3]L4"), WITH(0)},
                                              {IN("[1]", "[1]L1"), WITH(0)},
                                              {IN("[301,70]", "[401,60]M301"), WITH(0)},
                                              {IN("[70,301]t", "[65,50]L301"), WITH(1)}};
SAMPLES(take_along_axis);
SAMPLES(gather_elements);

/* take_along_grad: like, g, indices; p axis, elements */
static int take_along_grad_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    out[0] = reel_take_along_grad_at_(REEL_HERE, in[0], in[1], in[2], (int)s->p[0], s->p[1] != 0);
    return reel_status();
}

static void take_along_grad_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd_make(out, d, in[0].shape);
    for (int64_t i = 0; i < in[1].count; i++)
        out->data[along_source(&in[0].shape, &in[2], &in[1].shape, axis_in(s->p[0], in[0].shape.rank), i)] +=
            in[1].data[i];
    wrapped(out);
}

static void take_along_grad_bad(void)
{
#define CALL(l, g, i, axis) reel_take_along_grad_at_(REEL_HERE, l, g, i, axis, false)
    BAD(CALL(NULL, X("[2]"), X("[2]L2"), 0), REEL_EARG, "reel_take_along_grad|like is NULL");
    BAD(CALL(X("[5]"), NULL, X("[2]L2"), 0), REEL_EARG, "g is NULL");
    BAD(CALL(X("[5]"), X("[2]"), NULL, 0), REEL_EARG, "indices is NULL");
    BAD(CALL(X("[5]"), dead(), X("[2]L2"), 0), REEL_EARG, "dead");
    BAD(CALL(X("[5]"), unset(), X("[2]L2"), 0), REEL_EARG, "unset");
    BAD(CALL(X("[5]"), symbol(), X("[2]L2"), 0), REEL_ETRACE, "graph");
    BAD(CALL(X("[5]"), X("[3]"), X("[2]L2"), 0), REEL_ESHAPE, "shape of what was taken");
    BAD(CALL(X("[5]"), X("[2]"), X("[2]"), 0), REEL_EDTYPE, "indices is f32");
    BAD(CALL(X("[5]"), X("[2]"), INTS_OF(0, 5), 0), REEL_EARG, "index 5 at position 1");
    BAD(CALL(X("[5]"), X("[2]"), X("[2]L2"), 1), REEL_EARG, "axis 1");
    BAD(CALL(X("[5,2]"), X("[2]"), X("[2]L2"), 0), REEL_ESHAPE, "rank 1, x has 2");
#undef CALL
}

static const sample take_along_grad_good[] = {{IN("[5]", "[3]", "[3]L5"), WITH(0)},
                                              {IN("[5]", "[1]r", "[1]M5"), WITH(0)},
                                              {IN("[4,3]", "[2,3]", "[2,3]M4"), WITH(0)},
                                              {IN("[4,3]", "[4,2]t", "[4,2]L3"), WITH(1)},
                                              {IN("[4,3]", "[5,2]s", "[5,2]tL4"), WITH(0, 1)},
                                              {IN("[4,3]", "[3,2]o", "[3,2]rM3"), WITH(1, 1)},
                                              {IN("[4,3]", "[4,5]b", "[1,5]L3"), WITH(1)},
                                              {IN("[1,3]", "[4,2]", "[4,2]M3"), WITH(1)},
                                              {IN("[2,3,1]", "[2,2,4]", "[2,2,4]L3"), WITH(1)},
                                              {IN("[3,4]", "[2,4]!", "[2,4]L3"), WITH(0)},
                                              {IN("[0,3]", "[0,2]", "[0,2]L3"), WITH(1)},
                                              {IN("[4,3]", "[0,3]", "[0,3]L4"), WITH(0)},
                                              {IN("[1]", "[1]", "[1]L1"), WITH(0)},
                                              {IN("[31,70]", "[401,70]", "[401,70]M31"), WITH(0)},
                                              {IN("[70,301]t", "[65,50]", "[65,50]L301"), WITH(1, 1)}};
const samples samples_take_along_grad = {GOOD(take_along_grad_good), .apply = take_along_grad_apply,
                                         .reference = take_along_grad_reference, .bad = take_along_grad_bad,
                                         .scale = 16};

/* ---- pick: x, labels ---------------------------------------------------------------------------------------- */
APPLY(pick, reel_pick(in[0], in[1]))

static void pick_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int64_t n = in[0].shape.dims[in[0].shape.rank - 1];
    (void)s;
    nd_make(out, d, in[1].shape);
    for (int64_t i = 0; i < out->count; i++) out->data[i] = in[0].data[i * n + from_end(in[1].data[i], n)];
}

static void pick_bad(void)
{
    BAD(reel_pick(NULL, X("[]L2")), REEL_EARG, "reel_pick|x is NULL");
    BAD(reel_pick(X("[2]"), NULL), REEL_EARG, "labels is NULL");
    BAD(reel_pick(dead(), X("[]L2")), REEL_EARG, "dead");
    BAD(reel_pick(X("[2]"), dead()), REEL_EARG, "dead");
    BAD(reel_pick(unset(), X("[]L2")), REEL_EARG, "unset");
    BAD(reel_pick(symbol(), X("[]L2")), REEL_ETRACE, "graph");
    BAD(reel_pick(X("[2,3]"), X("[2]")), REEL_EDTYPE, "indices is f32");
    BAD(reel_pick(X("[2,3]"), X("[3]L3")), REEL_ESHAPE, "labels has 3 along axis 0, x has 2");
    BAD(reel_pick(X("[2,3]"), X("[2,3]L3")), REEL_ESHAPE, "labels has rank 2, x has 2");
    BAD(reel_pick(X("[]"), X("[]L1")), REEL_ESHAPE, "x has 0");
    BAD(reel_pick(X("[2,3]"), INTS_OF(0, 3)), REEL_EARG, "index 3 at position 1 is out of range for axis 1 of size 3");
}

static const sample pick_good[] = {{IN("[5]", "[]L5")},         {IN("[3,4]", "[3]L4")},      {IN("[3,4]t", "[3]M4")},
                                   {IN("[3,4]r", "[3]rL4")},    {IN("[3,4]s", "[3]sL4")},    {IN("[3,4]o", "[3]oM4")},
                                   {IN("[3,4]b", "[3]bL4")},    {IN("[2,3,4]", "[2,3]tL4")}, {IN("[3,4]!", "[3]L4")},
                                   {IN("[0,4]", "[0]L4")},      {IN("[1,1]", "[1]L1")},      {IN("[1]", "[]L1")},
                                   {IN("[301,70]", "[301]M70")}};
SAMPLES(pick);

/* ---- gather_nd: p batch axes --------------------------------------------------------------------------------------- */
static reel_shape gathered_nd(const reel_shape *x, const reel_shape *i, int batch)
{
    reel_shape y = *i;
    const int m = (int)i->dims[i->rank - 1];
    y.rank--;
    for (int k = batch + m; k < x->rank; k++) y.dims[y.rank++] = x->dims[k];
    return y;
}

static int64_t gather_nd_source(const reel_shape *x, const nd *indices, const reel_shape *y, int batch, int64_t i)
{
    int64_t at[REEL_MAX_RANK], from[REEL_MAX_RANK];
    const int r = indices->shape.rank - 1, m = (int)indices->shape.dims[r];
    reel_shape places = indices->shape;
    places.rank--;
    nd_unravel(y, i, at);
    const int64_t item = nd_ravel(&places, at);
    for (int k = 0; k < batch; k++) from[k] = at[k];
    for (int k = 0; k < m; k++) from[batch + k] = from_end(indices->data[item * m + k], x->dims[batch + k]);
    for (int k = batch + m; k < x->rank; k++) from[k] = at[r + k - batch - m];
    return nd_ravel(x, from);
}

APPLY(gather_nd, reel_gather_nd(in[0], in[1], (int)s->p[0]))

static void gather_nd_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int batch = (int)s->p[0];
    nd_make(out, d, gathered_nd(&in[0].shape, &in[1].shape, batch));
    for (int64_t i = 0; i < out->count; i++)
        out->data[i] = in[0].data[gather_nd_source(&in[0].shape, &in[1], &out->shape, batch, i)];
}

static void gather_nd_bad(void)
{
#define CALL(x, i) reel_gather_nd(x, i, 0)
    BAD(CALL(NULL, X("[1]L2")), REEL_EARG, "reel_gather_nd|x is NULL");
    BAD(CALL(X("[2]"), NULL), REEL_EARG, "indices is NULL");
    BAD(CALL(dead(), X("[1]L2")), REEL_EARG, "dead");
    BAD(CALL(unset(), X("[1]L2")), REEL_EARG, "unset");
    BAD(CALL(symbol(), X("[1]L2")), REEL_ETRACE, "graph");
    BAD(CALL(X("[2]"), X("[1]")), REEL_EDTYPE, "indices is f32");
    BAD(CALL(X("[2]"), X("[3]L2")), REEL_ESHAPE, "places of 3 axes in x of rank 1");
    BAD(CALL(X("[2]"), X("[3,0]L2")), REEL_ESHAPE, "places of 0 axes");
    BAD(CALL(X("[2]"), X("[]L2")), REEL_ESHAPE, "no axis that holds a place");
    BAD(CALL(X("[4,2]"), reel_reshape(INTS_OF(0, 0, 3, 2), REEL_SHAPE(2, 2))), REEL_EARG,
        "index 2 at position 3 is out of range for axis 1 of size 2");
#undef CALL
    BAD(reel_gather_nd(X("[4,2]"), X("[3,1]L2"), 1), REEL_ESHAPE, "along batch axis 0");
    BAD(reel_gather_nd(X("[4,2]"), X("[4,1]L2"), 2), REEL_EARG, "2 batch axes");
    BAD(reel_gather_nd(X("[4,2]"), X("[4,1]L2"), -1), REEL_EARG, "-1 batch axes");
}

/* The result's rank hangs on the last axis of the indices, so that must be known. */
static const sample gather_nd_good[] = {
    {IN("[5]", "[1]M5"), WITH(0), FIXED},           {IN("[4,3]", "[2]L3"), WITH(0), FIXED},
    {IN("[4,3]r", "[5,2]M3"), WITH(0), FIXED},      {IN("[4,3]t", "[2,2,1]L4"), WITH(0), FIXED},
    {IN("[3,4,2]s", "[3,2]tL3"), WITH(0), FIXED},   {IN("[3,4,2]o", "[3,2]rL2"), WITH(1), FIXED},
    {IN("[3,4,2]b", "[3,2,1]sM4"), WITH(1), FIXED}, {IN("[2,3,4]", "[2,3,1]oL4"), WITH(2), FIXED},
    {IN("[2,3,4]t", "[2,1]L3"), WITH(1), FIXED},    {IN("[3,4]!", "[2,1]L3"), WITH(0), FIXED},
    {IN("[0,3]", "[0,1]L3"), WITH(1), FIXED},       {IN("[4,3]", "[0,2]L3"), WITH(0), FIXED},
    {IN("[1]", "[1]L1"), WITH(0), FIXED},           {IN("[301,70]", "[4000,2]M70"), WITH(0), FIXED}};
SAMPLES(gather_nd);

static int gather_nd_grad_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    out[0] = reel_gather_nd_grad_at_(REEL_HERE, in[0], in[1], in[2], (int)s->p[0]);
    return reel_status();
}

static void gather_nd_grad_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd_make(out, d, in[0].shape);
    for (int64_t i = 0; i < in[1].count; i++)
        out->data[gather_nd_source(&in[0].shape, &in[2], &in[1].shape, (int)s->p[0], i)] += in[1].data[i];
    wrapped(out);
}

static void gather_nd_grad_bad(void)
{
#define CALL(l, g, i, batch) reel_gather_nd_grad_at_(REEL_HERE, l, g, i, batch)
    BAD(CALL(NULL, X("[2]"), X("[2,1]L2"), 0), REEL_EARG, "reel_gather_nd_grad|like is NULL");
    BAD(CALL(X("[5]"), NULL, X("[2,1]L2"), 0), REEL_EARG, "g is NULL");
    BAD(CALL(X("[5]"), X("[2]"), NULL, 0), REEL_EARG, "indices is NULL");
    BAD(CALL(X("[5]"), dead(), X("[2,1]L2"), 0), REEL_EARG, "dead");
    BAD(CALL(X("[5]"), unset(), X("[2,1]L2"), 0), REEL_EARG, "unset");
    BAD(CALL(X("[5]"), symbol(), X("[2,1]L2"), 0), REEL_ETRACE, "graph");
    BAD(CALL(X("[5]"), X("[3]"), X("[2,1]L2"), 0), REEL_ESHAPE, "shape of what was gathered");
    BAD(CALL(X("[5]"), X("[2]"), X("[2,1]"), 0), REEL_EDTYPE, "indices is f32");
    BAD(CALL(X("[5]"), X("[1]"), reel_reshape(INTS_OF(5), REEL_SHAPE(1, 1)), 0), REEL_EARG, "index 5 at position 0");
    BAD(CALL(X("[5]"), X("[2]"), X("[2,1]L2"), 3), REEL_EARG, "3 batch axes");
#undef CALL
}

static const sample gather_nd_grad_good[] = {{IN("[5]", "[]", "[1]M5"), WITH(0), FIXED},
                                             {IN("[4,3]", "[]", "[2]L3"), WITH(0), FIXED},
                                             {IN("[4,3]", "[5]r", "[5,2]M3"), WITH(0), FIXED},
                                             {IN("[4,3]", "[2,2,3]t", "[2,2,1]L4"), WITH(0), FIXED},
                                             {IN("[3,4,2]", "[3,2]s", "[3,2]tL3"), WITH(0), FIXED},
                                             {IN("[3,4,2]", "[3]o", "[3,2]rL2"), WITH(1), FIXED},
                                             {IN("[3,4,9]", "[3,2,9]b", "[3,2,1]sM4"), WITH(1), FIXED},
                                             {IN("[2,3,4]", "[2,3]", "[2,3,1]oL4"), WITH(2), FIXED},
                                             {IN("[3,4]", "[2,4]!", "[2,1]L3"), WITH(0), FIXED},
                                             {IN("[0,3]", "[0]", "[0,1]L3"), WITH(1), FIXED},
                                             {IN("[4,3]", "[0]", "[0,2]L3"), WITH(0), FIXED},
                                             {IN("[1]", "[]", "[1]L1"), WITH(0), FIXED},
                                             {IN("[31,70]", "[4000]", "[4000,2]M31"), WITH(0), FIXED}};
const samples samples_gather_nd_grad = {GOOD(gather_nd_grad_good), .apply = gather_nd_grad_apply,
                                        .reference = gather_nd_grad_reference, .bad = gather_nd_grad_bad, .scale = 16};

/* ---- masked_fill: x, mask; p value --------------------------------------------------------------------------------- */
APPLY(masked_fill, reel_masked_fill(in[0], in[1], s->p[0]))

static void masked_fill_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd_make(out, d, nd_broadcast(in[0].shape, in[1].shape));
    for (int64_t i = 0; i < out->count; i++)
        out->data[i] = nd_at(&in[1], &out->shape, i) != 0 ? s->p[0] : nd_at(&in[0], &out->shape, i);
}

static void masked_fill_bad(void)
{
#define CALL(x) reel_masked_fill(x, X("[2]?"), 1)
    STRANGERS(CALL);
#undef CALL
#define CALL(m) reel_masked_fill(X("[2]"), m, 1)
    BAD(CALL(NULL), REEL_EARG, "NULL");
    BAD(CALL(dead()), REEL_EARG, "dead");
    BAD(CALL(X("[2]")), REEL_EDTYPE, "f32");
    BAD(CALL(X("[3]?")), REEL_ESHAPE, "do not broadcast");
    BAD(CALL(X("[2]L2")), REEL_EDTYPE, "i32");
#undef CALL
    BAD(reel_masked_fill(XD("[2]", REEL_U8), X("[2]?"), -1), REEL_EDTYPE, "-1 does not fit u8");
    BAD(reel_masked_fill(XD("[2]", REEL_I32), X("[2]?"), NAN), REEL_EDTYPE, "does not fit i32");
}

static const sample masked_fill_good[] = {
    {IN("[]", "[]?"), WITH(1)},         {IN("[3]", "[3]?"), WITH(0)},      {IN("[2,3]t", "[2,3]?"), WITH(1)},
    {IN("[2,3]r", "[3]?"), WITH(1)},    {IN("[2,3]s", "[2,1]?"), WITH(0)}, {IN("[2,3]o", "[1]?"), WITH(1)},
    {IN("[2,3]b", "[2,3]t?"), WITH(0)}, {IN("[3]!", "[3]?"), WITH(1)},     {IN("[0,3]", "[3]?"), WITH(0)},
    {IN("[1]", "[1]?"), WITH(1)},       {IN("[3]", "[2,3]?"), WITH(1)},    {IN("[70,301]t", "[301]?"), WITH(1)}};
SAMPLES(masked_fill);

/* ---- reverse_sequence: p batch axis, time axis ------------------------------------------------------------------------ */
APPLY(reverse_sequence, reel_reverse_sequence(in[0], in[1], (int)s->p[0], (int)s->p[1]))

static void reverse_sequence_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int b = axis_in(s->p[0], in->shape.rank), t = axis_in(s->p[1], in->shape.rank);
    nd_make(out, d, in->shape);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[REEL_MAX_RANK];
        nd_unravel(&in->shape, i, at);
        const int64_t n = (int64_t)in[1].data[at[b]];
        if (at[t] < n) at[t] = n - 1 - at[t];
        out->data[i] = in->data[nd_ravel(&in->shape, at)];
    }
}

static void reverse_sequence_bad(void)
{
#define CALL(x, n) reel_reverse_sequence(x, n, 0, 1)
    BAD(CALL(NULL, X("[2]L2")), REEL_EARG, "reel_reverse_sequence|x is NULL");
    BAD(CALL(X("[2,3]"), NULL), REEL_EARG, "lengths is NULL");
    BAD(CALL(dead(), X("[2]L2")), REEL_EARG, "dead");
    BAD(CALL(X("[2,3]"), unset()), REEL_EARG, "unset");
    BAD(CALL(X("[2,3]"), symbol()), REEL_ETRACE, "graph");
    BAD(CALL(X("[2,3]"), X("[2]")), REEL_EDTYPE, "lengths is f32");
    BAD(CALL(X("[2,3]"), X("[3]L2")), REEL_ESHAPE, "one number for each of axis 0");
    BAD(CALL(X("[2,3]"), X("[2,1]L2")), REEL_ESHAPE, "one number");
    BAD(CALL(X("[2,3]"), INTS_OF(1, 4)), REEL_EARG, "length 4 at position 1 is not between 0 and 3");
    BAD(CALL(X("[2,3]"), INTS_OF(-1, 2)), REEL_EARG, "length -1 at position 0");
#undef CALL
    BAD(reel_reverse_sequence(X("[2,3]"), X("[2]L2"), 0, -2), REEL_EARG, "axis 0 is both batch and time");
    BAD(reel_reverse_sequence(X("[2]"), X("[2]L2"), 0, 1), REEL_EARG, "axis 1 is out of range");
}

static const sample reverse_sequence_good[] = {
    {IN("[3,4]", "[3]L5"), WITH(0, 1)},       {IN("[4,3]t", "[3]L5"), WITH(1, 0)},
    {IN("[3,4]r", "[3]rL4"), WITH(0, -1)},    {IN("[3,4]s", "[3]sL5"), WITH(0, 1)},
    {IN("[3,4]o", "[3]oL5"), WITH(0, 1)},     {IN("[3,4]b", "[3]bL5"), WITH(0, 1)},
    {IN("[2,3,4]", "[2]L4"), WITH(0, 1)},     {IN("[2,3,4]t", "[4]L3"), WITH(2, 0)},
    {IN("[3,4]!", "[3]L5"), WITH(0, 1)},      {IN("[0,4]", "[0]L5"), WITH(0, 1)},
    {IN("[1,1]", "[1]L2"), WITH(0, 1)},       {IN("[2,2,3]", "[2]L3"), WITH(0, 2)},
    {IN("[70,301]t", "[70]L302"), WITH(0, 1)}};
SAMPLES(reverse_sequence);

/* ---- iota_like ------------------------------------------------------------------------------------------------------------- */
static int iota_like_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    UNUSED;
    out[0] = reel_iota_like_at_(REEL_HERE, in[0]);
    return reel_status();
}

static void iota_like_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    UNUSED;
    nd_make(out, REEL_I64, in->shape);
    for (int64_t i = 0; i < out->count; i++) out->data[i] = (double)i;
}

static void iota_like_bad(void)
{
#define CALL(x) reel_iota_like_at_(REEL_HERE, x)
    BAD(CALL(NULL), REEL_EARG, "reel_iota_like|x is NULL");
    BAD(CALL(dead()), REEL_EARG, "dead");
    BAD(CALL(symbol()), REEL_ETRACE, "graph");
    BAD(CALL(reel_reshape(X("[2]"), REEL_SHAPE(3))), REEL_ESHAPE, "does not fit");
    BAD(CALL(reel_add(X("[2]"), XD("[2]", REEL_I32))), REEL_EDTYPE, "dtypes differ");
    BAD(CALL(reel_zeros(REEL_F32, REEL_SHAPE(-3))), REEL_ESHAPE, "negative");
    BAD(CALL(reel_select(X("[2]"), 0, 2)), REEL_EARG, "index 2");
    BAD(CALL(reel_concat(REEL_LIST(X("[2]"), X("[2]")), 1)), REEL_EARG, "axis 1");
    BAD(CALL(reel_neg(XD("[2]", REEL_BOOL))), REEL_EDTYPE, "bool");
    BAD(CALL(reel_squeeze(X("[2]"), REEL_AXES(0))), REEL_ESHAPE, "size 2");
#undef CALL
}

static const sample iota_like_good[] = {{IN("[]")},     {IN("[1]")},  {IN("[0]")},     {IN("[3,4]")},
                                        {IN("[3,4]t")}, {IN("[5]r")}, {IN("[2,3]s")},  {IN("[2,3]o")},
                                        {IN("[2,3]b")}, {IN("[3]!")}, {IN("[2,0,3]")}, {IN("[70,301]")}};
SAMPLES(iota_like);
