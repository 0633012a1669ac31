/* samples_shape.c: the same elements in another shape. p: what the op takes, a count first. */
#include "samples.h"

/* ---- what the samples share -------------------------------------------------------------------------- */
static reel_shape shape_of(const sample *s)
{
    reel_shape shape = {.rank = (int)s->p[0]};
    for (int i = 0; i < shape.rank; i++) shape.dims[i] = (int64_t)s->p[i + 1];
    return shape;
}

static reel_axes axes_of(const sample *s)
{
    reel_axes a = {.n = (int)s->p[0]};
    for (int i = 0; i < a.n; i++) a.axis[i] = (int)s->p[i + 1];
    return a;
}

static void copied(const nd *x, reel_dtype d, reel_shape shape, nd *out)
{
    nd_make(out, d, shape);
    memcpy(out->data, x->data, (size_t)x->count * sizeof *x->data);
}

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

/* ---- reshape: p the shape ---------------------------------------------------------------------------- */
APPLY(reshape, reel_reshape(in[0], shape_of(s)))

static void reshape_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    reel_shape shape = shape_of(s);
    int64_t rest = 1;
    for (int i = 0; i < shape.rank; i++) rest *= shape.dims[i] == -1 ? 1 : shape.dims[i];
    for (int i = 0; i < shape.rank; i++)
        if (shape.dims[i] == -1) shape.dims[i] = in[0].count / rest;
    copied(&in[0], d, shape, out);
}

static void reshape_bad(void)
{
    BAD(reel_reshape(NULL, REEL_SHAPE(2)), REEL_EARG, "reel_reshape: x is NULL");
    BAD(reel_reshape(X("[2,3]"), REEL_SHAPE(4)), REEL_ESHAPE, "[2,3] does not fit into [4]: 6 elements");
    BAD(reel_reshape(X("[2,3]"), REEL_SHAPE(-1, 4)), REEL_ESHAPE, "does not fit");
    BAD(reel_reshape(X("[2,3]"), REEL_SHAPE(-1, -1)), REEL_ESHAPE, "axes 0 and 1 are both -1");
    BAD(reel_reshape(X("[2,0]"), REEL_SHAPE(-1, 0)), REEL_ESHAPE, "cannot be inferred");
    BAD(reel_reshape(X("[2,3]"), REEL_SHAPE(2, -3)), REEL_ESHAPE, "negative dimension");
    BAD(reel_reshape(X("[2,3]"), (reel_shape){.rank = 9}), REEL_ESHAPE, "rank 9");
    BAD(reel_reshape(X("[1]"), REEL_SHAPE(1LL << 40, 1LL << 40)), REEL_ESHAPE, "overflow");
}

static const sample reshape_good[] = {{IN("[]"), WITH(2, 1, 1)},
                                      {IN("[1]"), WITH(0)},
                                      {IN("[0]"), WITH(2, 3, 0)},
                                      {IN("[2,0]"), WITH(1, -1)},
                                      {IN("[3,4]"), WITH(1, -1)},
                                      {IN("[3,4]t"), WITH(2, 6, -1)},
                                      {IN("[6]r"), WITH(2, 2, 3)},
                                      {IN("[4,3]s"), WITH(3, 2, 2, 3)},
                                      {IN("[2,3,4]o"), WITH(2, 6, 4)},
                                      {IN("[3,4]b"), WITH(2, 4, 3)},
                                      {IN("[2,3,4]t"), WITH(4, 2, 3, 2, 2)},
                                      {IN("[1,6,1]"), WITH(3, 3, 1, 2)},
                                      {IN("[70,301]t"), WITH(2, 301, -1)},
                                      {IN("[2,3,2]r"), WITH(3, 3, 2, 2)}};

/* ---- transpose --------------------------------------------------------------------------------------- */
APPLY(transpose, reel_transpose(in[0], axes_of(s)))

static void transpose_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const reel_axes a = axes_of(s);
    const int rank = in[0].shape.rank;
    reel_shape shape = {.rank = rank};
    int perm[REEL_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        perm[i] = a.n == 0 ? rank - 1 - i : a.axis[i] < 0 ? a.axis[i] + rank : a.axis[i];
        shape.dims[i] = in[0].shape.dims[perm[i]];
    }
    nd_make(out, d, shape);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t to[REEL_MAX_RANK], from[REEL_MAX_RANK];
        nd_unravel(&shape, i, to);
        for (int k = 0; k < rank; k++) from[perm[k]] = to[k];
        out->data[i] = in[0].data[nd_ravel(&in[0].shape, from)];
    }
}

static void transpose_bad(void)
{
    BAD(reel_transpose(NULL, REEL_ALL_AXES), REEL_EARG, "reel_transpose: x is NULL");
    BAD(reel_transpose(X("[2,3]"), REEL_AXES(0)), REEL_EARG, "1 axes for rank 2: it needs all or none");
    BAD(reel_transpose(X("[2,3]"), REEL_AXES(0, 0)), REEL_EARG, "axis 0 is given twice");
    BAD(reel_transpose(X("[2,3]"), REEL_AXES(0, 2)), REEL_EARG, "axis 2 is out of range for rank 2");
    BAD(reel_transpose(X("[2,3]"), (reel_axes){.n = 9}), REEL_EARG, "9 axes for rank 2");
    BAD(reel_transpose(dead(), REEL_ALL_AXES), REEL_EARG, "dead");
}

static const sample transpose_good[] = {{IN("[]")},
                                        {IN("[5]")},
                                        {IN("[0,3]")},
                                        {IN("[3,4]")},
                                        {IN("[3,4]t")},
                                        {IN("[2,3,4]"), WITH(3, 1, 2, 0)},
                                        {IN("[2,3,4]r"), WITH(3, -1, 0, 1)},
                                        {IN("[2,3]s"), WITH(2, 0, 1)},
                                        {IN("[2,3]o")},
                                        {IN("[2,3]b")},
                                        {IN("[1,2,1,3]"), WITH(4, 3, 2, 1, 0)},
                                        {IN("[70,301]")}};

/* ---- slice: p n, then start, stop, step of each of at most 2 axes; 99 for REEL_END ---------------------- */
static void ranges_of(const sample *s, reel_range r[])
{
    for (int i = 0; i < (int)s->p[0]; i++) {
        const double *p = &s->p[1 + 3 * i];
        r[i] =
            (reel_range){p[0] == 99 ? REEL_END : (int64_t)p[0], p[1] == 99 ? REEL_END : (int64_t)p[1], (int64_t)p[2]};
    }
}

static int slice_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    reel_range r[REEL_MAX_RANK];
    (void)d;
    ranges_of(s, r);
    out[0] = reel_slice(in[0], (int)s->p[0], r);
    return reel_status();
}

/* Python's own rules, by walking: an index belongs to the slice if the walk from start to stop meets it. */
static int64_t walk(const reel_range *r, int64_t dim, int64_t *first)
{
    const int64_t step = r->step ? r->step : 1;
    int64_t start = r->start == REEL_END ? (step > 0 ? 0 : dim - 1) : r->start < 0 ? r->start + dim : r->start;
    int64_t stop = r->stop == REEL_END ? (step > 0 ? dim : -1) : r->stop < 0 ? r->stop + dim : r->stop;
    if (step > 0 && start < 0) start = 0;
    if (step < 0 && start >= dim) start = dim - 1;
    if (step < 0 && r->stop != REEL_END && stop < -1) stop = -1;
    int64_t n = 0;
    for (int64_t i = start; step > 0 ? i < stop && i < dim : i > stop && i >= 0; i += step) n++;
    *first = start;
    return n;
}

static void slice_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    reel_range r[REEL_MAX_RANK];
    int64_t first[REEL_MAX_RANK] = {0}, step[REEL_MAX_RANK];
    reel_shape shape = in[0].shape;
    ranges_of(s, r);
    for (int i = 0; i < shape.rank; i++) step[i] = 1;
    for (int i = 0; i < (int)s->p[0]; i++) {
        shape.dims[i] = walk(&r[i], in[0].shape.dims[i], &first[i]);
        step[i] = r[i].step ? r[i].step : 1;
    }
    nd_make(out, d, shape);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[REEL_MAX_RANK];
        nd_unravel(&shape, i, at);
        for (int k = 0; k < shape.rank; k++) at[k] = first[k] + at[k] * step[k];
        out->data[i] = in[0].data[nd_ravel(&in[0].shape, at)];
    }
}

static void slice_bad(void)
{
    BAD(reel_slice(NULL, 1, REEL_RANGES(REEL_ALL)), REEL_EARG, "reel_slice: x is NULL");
    BAD(reel_slice(X("[2]"), 2, REEL_RANGES(REEL_ALL, REEL_ALL)), REEL_EARG, "2 ranges for rank 1");
    BAD(reel_slice(X("[2]"), -1, REEL_RANGES(REEL_ALL)), REEL_EARG, "-1 ranges for rank 1");
    BAD(reel_slice(X("[2]"), 1, NULL), REEL_EARG, "ranges are NULL");
    BAD(reel_select(X("[2,3]"), 1, 3), REEL_EARG, "reel_select: index 3 is out of range for axis 1 of x f32[2,3]");
    BAD(reel_select(X("[2,3]"), 0, -3), REEL_EARG, "index -3 is out of range for axis 0");
    BAD(reel_select(X("[2,3]"), 2, 0), REEL_EARG, "axis 2 is out of range for rank 2");
    BAD(reel_select(NULL, 0, 0), REEL_EARG, "reel_select: x is NULL");
}

static const sample slice_good[] = {{IN("[]"), WITH(0)},
                                    {IN("[5]"), WITH(1, 1, 4, 1)},
                                    {IN("[5]"), WITH(1, 99, 99, -1)},
                                    {IN("[5]"), WITH(1, -2, 99, 1)},
                                    {IN("[0]"), WITH(1, 99, 99, 1)},
                                    {IN("[7]"), WITH(1, 99, 99, 3)},
                                    {IN("[7]r"), WITH(1, -1, 0, -2)},
                                    {IN("[5]"), WITH(1, 3, 3, 1)},
                                    {IN("[5]"), WITH(1, -100, 100, 0)},
                                    {IN("[3,4]t"), WITH(2, 99, 99, -1, 1, 3, 1)},
                                    {IN("[4,3]s"), WITH(2, 1, 99, 2, 99, 99, 1)},
                                    {IN("[4,3]o"), WITH(1, 2, 99, 1)},
                                    {IN("[3,4]b"), WITH(2, 0, 2, 1, 99, 99, 2)},
                                    {IN("[5]"), WITH(1, 4, -100, -3)},
                                    {IN("[2,3,4]"), WITH(2, 1, 2, 1, 99, 99, -1)},
                                    {IN("[70,301]"), WITH(2, 3, 99, 5, 99, 99, -7)}};

/* ---- squeeze, unsqueeze ------------------------------------------------------------------------------ */
APPLY(squeeze, reel_squeeze(in[0], axes_of(s)))
APPLY(unsqueeze, reel_unsqueeze(in[0], axes_of(s)))

static void squeeze_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const reel_axes a = axes_of(s);
    reel_shape shape = {0};
    for (int i = 0; i < in[0].shape.rank; i++) {
        bool gone = a.n == 0 && in[0].shape.dims[i] == 1;
        for (int k = 0; k < a.n; k++) gone = gone || a.axis[k] == i || a.axis[k] + in[0].shape.rank == i;
        if (!gone) shape.dims[shape.rank++] = in[0].shape.dims[i];
    }
    copied(&in[0], d, shape, out);
}

static void unsqueeze_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const reel_axes a = axes_of(s);
    reel_shape shape = {.rank = in[0].shape.rank + a.n};
    for (int i = 0, j = 0; i < shape.rank; i++) {
        bool added = false;
        for (int k = 0; k < a.n; k++) added = added || a.axis[k] == i || a.axis[k] + shape.rank == i;
        shape.dims[i] = added ? 1 : in[0].shape.dims[j++];
    }
    copied(&in[0], d, shape, out);
}

static void squeeze_bad(void)
{
    BAD(reel_squeeze(NULL, REEL_ALL_AXES), REEL_EARG, "reel_squeeze: x is NULL");
    BAD(reel_squeeze(X("[2,1]"), REEL_AXES(0)), REEL_ESHAPE, "axis 0 has size 2, not 1");
    BAD(reel_squeeze(X("[2,1]"), REEL_AXES(2)), REEL_EARG, "axis 2 is out of range");
    BAD(reel_squeeze(X("[1,1]"), REEL_AXES(1, 1)), REEL_EARG, "axis 1 is given twice");
    BAD(reel_squeeze(X("[1,1]"), REEL_AXES(-3)), REEL_EARG, "axis -3 is out of range");
    BAD(reel_squeeze(dead(), REEL_AXES(0)), REEL_EARG, "dead");
}

static void unsqueeze_bad(void)
{
    BAD(reel_unsqueeze(NULL, REEL_AXES(0)), REEL_EARG, "reel_unsqueeze: x is NULL");
    BAD(reel_unsqueeze(X("[2]"), REEL_ALL_AXES), REEL_EARG, "no axes given");
    BAD(reel_unsqueeze(X("[2]"), REEL_AXES(2)), REEL_EARG, "axis 2 is out of range for rank 2");
    BAD(reel_unsqueeze(X("[2]"), REEL_AXES(0, 0)), REEL_EARG, "axis 0 is given twice");
    BAD(reel_unsqueeze(X("[1,1,1,1,1,1,1,1]"), REEL_AXES(0)), REEL_ESHAPE, "9 axes, at most 8");
    BAD(reel_unsqueeze(X("[2]"), REEL_AXES(-3)), REEL_EARG, "axis -3 is out of range for rank 2");
}

static const sample squeeze_good[] = {
    {IN("[]"), .flags = FIXED},    {IN("[1]"), WITH(1, 0)},         {IN("[1,3]"), WITH(1, 0)},
    {IN("[3,1]"), WITH(1, -1)},    {IN("[1,3,1]"), .flags = FIXED}, {IN("[1,3,1]r"), WITH(2, 2, 0)},
    {IN("[1,0]"), WITH(1, 0)},     {IN("[2,1,3]t"), WITH(1, 1)},    {IN("[2,1]s"), WITH(1, 1)},
    {IN("[2,1,3]o"), WITH(1, -2)}, {IN("[301,1,70]b"), WITH(1, 1)}, {IN("[2,3]"), .flags = FIXED}};
static const sample unsqueeze_good[] = {
    {IN("[]"), WITH(1, 0)},    {IN("[]"), WITH(2, 0, 1)},     {IN("[3]"), WITH(1, 0)},
    {IN("[3]"), WITH(1, -1)},  {IN("[3,4]"), WITH(2, 0, 2)},  {IN("[3,4]t"), WITH(1, 1)},
    {IN("[5]r"), WITH(1, 1)},  {IN("[2,3]s"), WITH(1, -2)},   {IN("[2,3]o"), WITH(3, 0, -1, 2)},
    {IN("[0,3]"), WITH(1, 0)}, {IN("[70,301]t"), WITH(1, 1)}, {IN("[3,4]b"), WITH(1, -1)}};

/* ---- broadcast_to: p the shape; stop_gradient --------------------------------------------------------- */
APPLY(broadcast_to, reel_broadcast_to(in[0], shape_of(s)))
APPLY(stop_gradient, reel_stop_gradient(in[0]))

static void broadcast_to_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd_make(out, d, shape_of(s));
    for (int64_t i = 0; i < out->count; i++) out->data[i] = nd_at(&in[0], &out->shape, i);
}

static void stop_gradient_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    (void)s;
    copied(&in[0], d, in[0].shape, out);
}

static void broadcast_to_bad(void)
{
    BAD(reel_broadcast_to(NULL, REEL_SHAPE(2)), REEL_EARG, "reel_broadcast_to: x is NULL");
    BAD(reel_broadcast_to(X("[3]"), REEL_SHAPE(2)), REEL_ESHAPE, "[3] does not broadcast to [2]");
    BAD(reel_broadcast_to(X("[1,3]"), REEL_SHAPE(3)), REEL_ESHAPE, "[1,3] does not broadcast to [3]");
    BAD(reel_broadcast_to(X("[3]"), REEL_SHAPE(-1, 3)), REEL_ESHAPE, "axis 0 is -1");
    BAD(reel_broadcast_to(X("[3]"), REEL_SHAPE(-2, 3)), REEL_ESHAPE, "negative dimension");
    BAD(reel_broadcast_to(X("[1]"), REEL_SHAPE(1LL << 40, 1LL << 40)), REEL_ESHAPE, "overflow");
}

static void stop_gradient_bad(void)
{
    BAD(reel_stop_gradient(NULL), REEL_EARG, "reel_stop_gradient: x is NULL");
    BAD(reel_stop_gradient(dead()), REEL_EARG, "x is |dead");
    BAD(reel_stop_gradient(unset()), REEL_EARG, "before it has a value");
    BAD(reel_stop_gradient(symbol()), REEL_ETRACE, "graph");
    BAD(reel_stop_gradient(reel_reshape(X("[2]"), REEL_SHAPE(3))), REEL_ESHAPE, "reel_reshape");
    BAD(reel_stop_gradient(reel_add(X("[2]"), X("[3]"))), REEL_ESHAPE, "reel_add");
}

static const sample broadcast_to_good[] = {{IN("[]"), WITH(0)},
                                           {IN("[]"), WITH(2, 2, 3)},
                                           {IN("[1]"), WITH(1, 5)},
                                           {IN("[3]"), WITH(2, 2, 3)},
                                           {IN("[3,1]"), WITH(2, 3, 4)},
                                           {IN("[3,1]"), WITH(3, 2, 3, 4)},
                                           {IN("[1]"), WITH(1, 0)},
                                           {IN("[0]"), WITH(2, 3, 0)},
                                           {IN("[2,3]t"), WITH(3, 2, 2, 3)},
                                           {IN("[3]r"), WITH(2, 2, 3)},
                                           {IN("[2,1]s"), WITH(2, 2, 4)},
                                           {IN("[2,1]o"), WITH(2, 2, 4)},
                                           {IN("[2,3]b"), WITH(3, 4, 2, 3)},
                                           {IN("[301]"), WITH(2, 70, 301)},
                                           {IN("[2,1301]"), WITH(3, 2, 2, 1301)}};
static const sample stop_gradient_good[] = {{IN("[]")},     {IN("[0]")},       {IN("[1]")},     {IN("[3,4]")},
                                            {IN("[3,4]t")}, {IN("[7]r")},      {IN("[2,3]s")},  {IN("[2,3]o")},
                                            {IN("[3,4]b")}, {IN("[70,301]t")}, {IN("[2,0,3]")}, {IN("[2,3,2]")}};

SAMPLES(reshape);
SAMPLES(transpose);
SAMPLES(slice);
SAMPLES(squeeze);
SAMPLES(unsqueeze);
SAMPLES(broadcast_to);
SAMPLES(stop_gradient);
