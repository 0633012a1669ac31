/* samples_join.c: concat, split and their gradients' parts, and the ops that take a shape from another tensor. */
#include "samples.h"

#define UNUSED (void)s, (void)d
#define APPLY(name, call)                                                                               \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[]) \
    {                                                                                                   \
        UNUSED;                                                                                         \
        out[0] = call;                                                                                  \
        return reel_status();                                                                           \
    }
#define SAMPLES(name)                                                                                        \
    const samples samples_##name = {GOOD(name##_good), .apply = name##_apply, .reference = name##_reference, \
                                    .bad = name##_bad}

static int count_in(const sample *s)
{
    int n = 0;
    while (n < SAMPLE_IN && s->in[n]) n++;
    return n;
}

static int axis_of(const nd *x, double axis)
{
    return (int)axis < 0 ? (int)axis + x->shape.rank : (int)axis;
}

/* The part of x along axis from index `from`, in shape `part`. */
static void cut(const nd *x, int axis, int64_t from, reel_shape part, reel_dtype d, nd *out)
{
    nd_make(out, d, part);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[REEL_MAX_RANK];
        nd_unravel(&part, i, at);
        at[axis] += from;
        out->data[i] = x->data[nd_ravel(&x->shape, at)];
    }
}

/* ---- concat: p0 axis --------------------------------------------------------------------------------- */
APPLY(concat, reel_concat(((reel_list){count_in(s), in}), (int)s->p[0]))

static void concat_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int n = count_in(s), axis = axis_of(&in[0], s->p[0]);
    reel_shape shape = in[0].shape;
    int64_t from = 0;
    for (int k = 1; k < n; k++) shape.dims[axis] += in[k].shape.dims[axis];
    nd_make(out, d, shape);
    for (int k = 0; k < n; k++) {
        for (int64_t i = 0; i < in[k].count; i++) {
            int64_t at[REEL_MAX_RANK];
            nd_unravel(&in[k].shape, i, at);
            at[axis] += from;
            out->data[nd_ravel(&shape, at)] = in[k].data[i];
        }
        from += in[k].shape.dims[axis];
    }
}

static void concat_bad(void)
{
    BAD(reel_concat(REEL_LIST(X("[2]"), NULL), 0), REEL_EARG, "reel_concat: xs[1] is NULL");
    BAD(reel_concat(REEL_LIST(X("[2,3]"), X("[3,3]")), 1), REEL_ESHAPE, "xs[1] has 3 along axis 0, the others 2");
    BAD(reel_concat(REEL_LIST(X("[2,3]"), X("[3]")), 0), REEL_ESHAPE, "xs[1] has rank 1, xs[0] has 2");
    BAD(reel_concat(REEL_LIST(X("[]"), X("[]")), 0), REEL_EARG, "axis 0 is out of range for rank 0");
    BAD(reel_concat(REEL_LIST(X("[2]"), XD("[2]", REEL_I32)), 0), REEL_EDTYPE, "dtypes differ: f32 and i32");
    BAD(reel_concat(((reel_list){0, NULL}), 0), REEL_EARG, "reel_concat");
    BAD(reel_concat(((reel_list){2, NULL}), 0), REEL_EARG, "list of tensors is NULL");
    BAD(reel_concat(REEL_LIST(X("[2]"), dead()), 0), REEL_EARG, "xs[1] is |dead");
}

static const sample concat_good[] = {{IN("[3]")},
                                     {IN("[3]", "[2]")},
                                     {IN("[0]", "[2]", "[0]")},
                                     {IN("[2,3]", "[1,3]")},
                                     {IN("[2,3]", "[2,1]"), WITH(1)},
                                     {IN("[2,3]t", "[2,3]"), WITH(-1)},
                                     {IN("[5]r", "[5]s", "[4]o")},
                                     {IN("[2,3]b", "[2,3]"), WITH(-2)},
                                     {IN("[2,1,2]", "[2,3,2]", "[2,2,2]t", "[2,1,2]"), WITH(1)},
                                     {IN("[1]", "[1]", "[1]", "[1]", "[1]", "[1]")},
                                     {IN("[2,0]", "[2,0]")},
                                     {IN("[70,301]t", "[5,301]")}};

/* ---- split: p0 axis, p1 parts ------------------------------------------------------------------------ */
static int split_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    return reel_split(in[0], (int)s->p[0], 2, out);
}

static void split_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int axis = axis_of(&in[0], s->p[0]);
    reel_shape part = in[0].shape;
    part.dims[axis] /= 2;
    for (int k = 0; k < 2; k++) cut(&in[0], axis, k * part.dims[axis], part, d, &out[k]);
}

static void split_bad(void)
{
    reel_tensor *out[64];
    BAD_CODE(reel_split(NULL, 0, 2, out), REEL_EARG, "reel_split: x is NULL");
    BAD_CODE(reel_split(X("[5]"), 0, 2, out), REEL_ESHAPE, "axis 0 of size 5 is not divisible into 2 equal parts");
    BAD_CODE(reel_split(X("[4]"), 1, 2, out), REEL_EARG, "axis 1 is out of range for rank 1");
    BAD_CODE(reel_split(X("[4]"), 0, 0, out), REEL_EARG, "0 parts");
    BAD_CODE(reel_split(X("[4]"), 0, 1000, NULL), REEL_EARG, "out is NULL");
    BAD_CODE(reel_split(X("[]"), 0, 1, out), REEL_EARG, "axis 0 is out of range for rank 0");
    BAD_CODE(reel_split(X("[128]"), 0, 64, out), REEL_EARG, "64 parts, it makes 1 to 63");
}

static const sample split_good[] = {{IN("[2]")},
                                    {IN("[0]")},
                                    {IN("[4,3]")},
                                    {IN("[3,4]"), WITH(1)},
                                    {IN("[4,6]t"), WITH(-1)},
                                    {IN("[6]r")},
                                    {IN("[4,2]s"), WITH(1)},
                                    {IN("[2,4]o"), WITH(1)},
                                    {IN("[2,4]b"), WITH(1)},
                                    {IN("[2,3,4]"), WITH(2)},
                                    {IN("[70,300]"), WITH(1)},
                                    {IN("[2,1]"), WITH(0)},
                                    {IN("[1,2]"), WITH(1)}};
const samples samples_split = {GOOD_OF(split_good, 2), .apply = split_apply, .reference = split_reference,
                               .bad = split_bad};

/* ---- concat_part: operands g, parts...; p0 axis, p1 index -------------------------------------------- */
APPLY(concat_part, reel_concat_part_at_(REEL_HERE, in, count_in(s), (int)s->p[0], (int)s->p[1]))

static void concat_part_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int axis = axis_of(&in[0], s->p[0]), index = (int)s->p[1];
    int64_t from = 0;
    for (int k = 0; k < index; k++) from += in[1 + k].shape.dims[axis];
    cut(&in[0], axis, from, in[1 + index].shape, d, out);
}

static reel_tensor *part_of(const char *site, reel_tensor *g, reel_tensor *a, reel_tensor *b, int axis, int index)
{
    reel_tensor *const part[3] = {g, a, b};
    return reel_concat_part_at_(site, part, 3, axis, index);
}

static void concat_part_bad(void)
{
    BAD(part_of(REEL_HERE, NULL, X("[2]"), X("[3]"), 0, 0), REEL_EARG, "reel_concat_part: g is NULL");
    BAD(part_of(REEL_HERE, X("[5]"), X("[2]"), NULL, 0, 0), REEL_EARG, "xs[1] is NULL");
    BAD(part_of(REEL_HERE, X("[5]"), X("[2]"), X("[3]"), 0, 2), REEL_EARG, "part 2 of 2");
    BAD(part_of(REEL_HERE, X("[4]"), X("[2]"), X("[3]"), 0, 0), REEL_ESHAPE, "shape of the parts joined");
    BAD(part_of(REEL_HERE, X("[5]"), X("[2]"), X("[3]"), 1, 0), REEL_EARG, "axis 1 is out of range");
    BAD(part_of(REEL_HERE, X("[5]"), X("[2]"), X("[3,1]"), 0, 0), REEL_ESHAPE, "xs[1] has rank 2");
}

static const sample concat_part_good[] = {{IN("[3]", "[3]"), WITH(0, 0)},
                                          {IN("[5]", "[3]", "[2]"), WITH(0, 0)},
                                          {IN("[5]", "[3]", "[2]"), WITH(0, 1)},
                                          {IN("[2]", "[0]", "[2]"), WITH(0, 0)},
                                          {IN("[2]", "[0]", "[2]"), WITH(0, 1)},
                                          {IN("[3,5]t", "[3,2]", "[3,3]"), WITH(1, 1)},
                                          {IN("[5,3]r", "[2,3]t", "[3,3]"), WITH(0, 1)},
                                          {IN("[4,2]s", "[1,2]", "[3,2]"), WITH(-2, 1)},
                                          {IN("[4,2]o", "[1,2]", "[3,2]"), WITH(0, 0)},
                                          {IN("[2,4]b", "[2,1]", "[2,3]"), WITH(1, 1)},
                                          {IN("[2,6,2]", "[2,1,2]", "[2,3,2]", "[2,2,2]"), WITH(1, 2)},
                                          {IN("[75,301]", "[70,301]", "[5,301]"), WITH(0, 1)},
                                          {IN("[1]", "[1]", "[0]"), WITH(0, 0)}};

/* ---- unslice: g, like; p start, stop, step of the first axis ----------------------------------------- */
static reel_attr_slice slice_of(double start, double stop, double step)
{
    return (reel_attr_slice){.n = 1, .r = {{(int64_t)start, stop == 99 ? REEL_END : (int64_t)stop, (int64_t)step}}};
}

static reel_tensor *unslice(const char *site, reel_tensor *g, reel_tensor *like, double start, double stop, double step)
{
    const reel_attr_slice a = slice_of(start, stop, step);
    return reel_unslice_at_(site, g, like, &a);
}
APPLY(unslice, unslice(REEL_HERE, in[0], in[1], s->p[0], s->p[1], s->p[2]))

static void unslice_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd_make(out, d, in[1].shape);
    for (int64_t i = 0; i < in[0].count; i++) {
        int64_t at[REEL_MAX_RANK];
        nd_unravel(&in[0].shape, i, at);
        at[0] = (int64_t)s->p[0] + at[0] * (int64_t)s->p[2];
        out->data[nd_ravel(&in[1].shape, at)] = in[0].data[i];
    }
}

static void unslice_bad(void)
{
    BAD(unslice(REEL_HERE, NULL, X("[5]"), 0, 3, 1), REEL_EARG, "reel_unslice: g is NULL");
    BAD(unslice(REEL_HERE, X("[3]"), NULL, 0, 3, 1), REEL_EARG, "like is NULL");
    BAD(unslice(REEL_HERE, X("[3]"), X("[5]"), 0, 4, 1), REEL_ESHAPE, "does not have the slice's shape|g f32[3]");
    BAD(unslice(REEL_HERE, X("[]"), X("[]"), 0, 1, 1), REEL_EARG, "1 ranges for rank 0");
    BAD(unslice(REEL_HERE, X("[3,1]"), X("[5]"), 0, 3, 1), REEL_ESHAPE, "slice's shape");
}

static const sample unslice_good[] = {
    {IN("[1]", "[1]"), WITH(0, 1, 1)},         {IN("[3]", "[5]"), WITH(1, 4, 1)},
    {IN("[3]", "[5]"), WITH(4, 99, -2)},       {IN("[0]", "[5]"), WITH(2, 2, 1)},
    {IN("[2,3]t", "[4,3]"), WITH(1, 3, 1)},    {IN("[3,2]r", "[7,2]"), WITH(0, 99, 3)},
    {IN("[2,3]s", "[2,3]t"), WITH(1, 99, -1)}, {IN("[1,3]o", "[5,3]"), WITH(4, 5, 1)},
    {IN("[2,3]b", "[4,3]"), WITH(0, 2, 1)},    {IN("[70,301]t", "[211,301]"), WITH(1, 99, 3)},
    {IN("[2]b", "[6]o"), WITH(1, 5, 2)},       {IN("[5]", "[5]r"), WITH(0, 5, 1)}};

/* ---- sum_like, broadcast_like, reshape_like ---------------------------------------------------------- */
APPLY(sum_like, reel_sum_like(in[0], in[1]))
APPLY(broadcast_like, reel_broadcast_like(in[0], in[1]))
APPLY(reshape_like, reel_reshape_like(in[0], in[1]))

static void sum_like_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    (void)s;
    nd_make(out, d, in[1].shape);
    for (int64_t i = 0; i < in[0].count; i++) out->data[nd_index(&in[1], &in[0].shape, i)] += in[0].data[i];
}

static void broadcast_like_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    (void)s;
    nd_make(out, d, in[1].shape);
    for (int64_t i = 0; i < out->count; i++) out->data[i] = nd_at(&in[0], &out->shape, i);
}

static void reshape_like_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    (void)s;
    nd_make(out, d, in[1].shape);
    memcpy(out->data, in[0].data, (size_t)out->count * sizeof *out->data);
}

#define LIKE_BAD(name)                                                           \
    BAD(reel_##name(NULL, X("[2]")), REEL_EARG, "reel_" #name ": x is NULL");    \
    BAD(reel_##name(X("[2]"), NULL), REEL_EARG, "reel_" #name ": like is NULL"); \
    BAD(reel_##name(X("[2]"), dead()), REEL_EARG, "like is |dead");              \
    BAD(reel_##name(unset(), X("[2]")), REEL_EARG, "before it has a value");     \
    BAD(reel_##name(X("[2]"), symbol()), REEL_ETRACE, "graph")

static void sum_like_bad(void)
{
    LIKE_BAD(sum_like);
    BAD(reel_sum_like(X("[3]"), X("[2]")), REEL_ESHAPE, "[3] does not sum to [2]");
    BAD(reel_sum_like(X("[3]"), X("[2,3]")), REEL_ESHAPE, "does not sum to");
    BAD(reel_sum_like(XD("[3]", REEL_BOOL), X("[3]")), REEL_EDTYPE, "x is bool, allowed");
}

static void broadcast_like_bad(void)
{
    LIKE_BAD(broadcast_like);
    BAD(reel_broadcast_like(X("[3]"), X("[2]")), REEL_ESHAPE, "[3] does not broadcast to [2]");
    BAD(reel_broadcast_like(X("[2,3]"), X("[3]")), REEL_ESHAPE, "does not broadcast to");
}

static void reshape_like_bad(void)
{
    LIKE_BAD(reshape_like);
    BAD(reel_reshape_like(X("[3]"), X("[2]")), REEL_ESHAPE, "[3] does not fit into [2]");
    BAD(reel_reshape_like(X("[2,3]"), X("[0]")), REEL_ESHAPE, "does not fit into");
}

static const sample sum_like_good[] = {{IN("[]", "[]")},           {IN("[3]", "[3]")},           {IN("[3]", "[]")},
                                       {IN("[0]", "[]")},          {IN("[3,4]", "[4]")},         {IN("[3,4]", "[3,1]")},
                                       {IN("[2,3,4]", "[3,1]")},   {IN("[3,4]t", "[1,4]")},      {IN("[7]r", "[1]")},
                                       {IN("[2,3]s", "[3]")},      {IN("[2,3]o", "[2,1]")},      {IN("[2,3]b", "[3]")},
                                       {IN("[3,4]t", "[3,4]")},    {IN("[1,3]", "[3]")},         {IN("[2,0,3]", "[3]")},
                                       {IN("[70,301]=", "[301]")}, {IN("[301,70]t=", "[301,1]")}};
static const sample broadcast_like_good[] = {
    {IN("[]", "[]")},         {IN("[]", "[2,3]")},       {IN("[1]", "[0]")},        {IN("[3]", "[2,3]")},
    {IN("[3,1]", "[3,4]")},   {IN("[3,1]", "[2,3,4]t")}, {IN("[2,3]t", "[2,2,3]")}, {IN("[3]r", "[2,3]")},
    {IN("[2,1]s", "[2,4]b")}, {IN("[2,1]o", "[2,4]")},   {IN("[3]", "[3]")},        {IN("[301]", "[70,301]")}};
static const sample reshape_like_good[] = {
    {IN("[]", "[1,1]")},      {IN("[1]", "[]")},      {IN("[0]", "[3,0]")},          {IN("[3,4]", "[12]")},
    {IN("[3,4]t", "[2,6]")},  {IN("[6]r", "[2,3]")},  {IN("[4,3]s", "[2,2,3]")},     {IN("[2,6]o", "[12]b")},
    {IN("[3,4]b", "[4,3]t")}, {IN("[2,3]", "[2,3]")}, {IN("[70,301]t", "[301,70]")}, {IN("[8]s", "[2,2,2]r")}};

SAMPLES(concat);
SAMPLES(concat_part);
SAMPLES(unslice);
SAMPLES(sum_like);
SAMPLES(broadcast_like);
SAMPLES(reshape_like);
