/* samples_scatter.c: elements put by index. */
#include "samples_of.h"

static int64_t from_end(double index, int64_t size)
{
    return (int64_t)index < 0 ? (int64_t)index + size : (int64_t)index;
}

static reel_tensor *ints(int n, const int32_t *v)
{
    return reel_from_i32(REEL_SHAPE(n), v, (size_t)n);
}
#define INTS_OF(...) ints((int)(sizeof((int32_t[]){__VA_ARGS__}) / 4), (const int32_t[]){__VA_ARGS__})

static double joined(int mode, double a, double u, reel_dtype d)
{
    switch (mode) {
    case REEL_SCATTER_ADD: a += u; break;
    case REEL_SCATTER_MUL: a *= u; break;
    case REEL_SCATTER_MAX: a = isnan(a) || a >= u ? a : u; break;
    case REEL_SCATTER_MIN: a = isnan(a) || a <= u ? a : u; break;
    default: a = u; break;
    }
    return is_int(d) ? round_to(a, d) : a;
}

static int64_t element_place(const sample *s, const nd *in, int64_t i)
{
    int64_t at[REEL_MAX_RANK];
    const int axis = axis_in(s->p[0], in->shape.rank);
    nd_unravel(&in[1].shape, i, at);
    at[axis] = from_end(in[1].data[i], in->shape.dims[axis]);
    return nd_ravel(&in->shape, at);
}

static int64_t nd_place(const sample *s, const nd *in, int64_t i)
{
    const int m = (int)in[1].shape.dims[in[1].shape.rank - 1];
    int64_t inner = 1, row = 0;
    (void)s;
    for (int k = m; k < in->shape.rank; k++) inner *= in->shape.dims[k];
    for (int k = 0; k < m; k++)
        row = row * in->shape.dims[k] + from_end(in[1].data[i / inner * m + k], in->shape.dims[k]);
    return row * inner + i % inner;
}

static int64_t row_place(const sample *s, const nd *in, int64_t i)
{
    const int axis = axis_in(s->p[0], in->shape.rank), r = in[1].shape.rank;
    int64_t at[REEL_MAX_RANK], to[REEL_MAX_RANK];
    nd_unravel(&in[2].shape, i, at);
    for (int k = 0; k < axis; k++) to[k] = at[k];
    to[axis] = from_end(in[1].data[nd_ravel(&in[1].shape, at + axis)], in->shape.dims[axis]);
    for (int k = axis + 1; k < in->shape.rank; k++) to[k] = at[k - 1 + r];
    return nd_ravel(&in->shape, to);
}

static void put(const sample *s, int mode, int64_t (*place)(const sample *, const nd *, int64_t), reel_dtype d,
                const nd *in, nd *out)
{
    copied(&in[0], d, in[0].shape, out);
    for (int64_t i = 0; i < in[2].count; i++) {
        const int64_t to = place(s, in, i);
        out->data[to] = joined(mode, out->data[to], in[2].data[i], d);
    }
}

#define REFERENCE(name, mode, place)                                                   \
    static void name##_reference(const sample *s, reel_dtype d, const nd *in, nd *out) \
    {                                                                                  \
        put(s, mode, place, d, in, out);                                               \
    }
#define SAMPLES_OF(name, types)                                                                              \
    const samples samples_##name = {GOOD(name##_good), .apply = name##_apply, .reference = name##_reference, \
                                    .bad = name##_bad, .scale = 16,           .dtypes = types}
/* bool cannot be added, so set and add in one row run it apart */
enum { NO_BOOL = REEL_NUMBERS };

APPLY(scatter, reel_scatter(in[0], in[1], in[2], (int)s->p[0], (reel_scatter_mode)s->p[1]))
APPLY(scatter_nd, reel_scatter_nd(in[0], in[1], in[2], (reel_scatter_mode)s->p[1]))
APPLY(index_add, reel_index_add(in[0], (int)s->p[0], in[1], in[2]))
APPLY(index_copy, reel_index_copy(in[0], (int)s->p[0], in[1], in[2]))
REFERENCE(scatter, (int)s->p[1], element_place)
REFERENCE(scatter_nd, (int)s->p[1], nd_place)
REFERENCE(index_add, REEL_SCATTER_ADD, row_place)
REFERENCE(index_copy, REEL_SCATTER_SET, row_place)
static int scatter_reduce_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    return scatter_apply(s, d, in, out);
}
static int scatter_nd_reduce_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    return scatter_nd_apply(s, d, in, out);
}
REFERENCE(scatter_reduce, (int)s->p[1], element_place)
REFERENCE(scatter_nd_reduce, (int)s->p[1], nd_place)

/* CALL(x, indices, updates): f32[5], of two elements */
#define BAD_PUT(CALL, I)                                                                  \
    BAD(CALL(NULL, I, X("[2]")), REEL_EARG, "x is NULL");                                 \
    BAD(CALL(X("[5]"), NULL, X("[2]")), REEL_EARG, "indices is NULL");                    \
    BAD(CALL(X("[5]"), I, NULL), REEL_EARG, "updates is NULL");                           \
    BAD(CALL(dead(), I, X("[2]")), REEL_EARG, "dead");                                    \
    BAD(CALL(X("[5]"), I, unset()), REEL_EARG, "unset");                                  \
    BAD(CALL(X("[5]"), I, symbol()), REEL_ETRACE, "graph");                               \
    BAD(CALL(X("[5]"), reel_cast(I, REEL_F32), X("[2]")), REEL_EDTYPE, "indices is f32"); \
    BAD(CALL(X("[5]"), I, XD("[2]", REEL_I32)), REEL_EDTYPE, "dtypes differ");            \
    BAD(CALL(X("[5]"), I, X("[3]")), REEL_ESHAPE, "updates has shape [3], not [2]");      \
    BAD(CALL(X("[1]"), reel_add(I, reel_num(1)), X("[2]")), REEL_EARG, "is out of range for axis 0 of size 1")

static void scatter_bad(void)
{
#define CALL(x, i, u) reel_scatter(x, i, u, 0, REEL_SCATTER_ADD)
    BAD_PUT(CALL, X("[2]L2"));
#undef CALL
    BAD(reel_scatter(X("[5]"), INTS_OF(0, 9), X("[2]"), 0, REEL_SCATTER_SET), REEL_EARG,
        "reel_scatter|index 9 at position 1");
    BAD(reel_scatter(X("[5]"), INTS_OF(0, 1), X("[2]"), 1, REEL_SCATTER_SET), REEL_EARG, "axis 1");
    BAD(reel_scatter(X("[5]"), INTS_OF(0, 1), X("[2]"), 0, (reel_scatter_mode)7), REEL_EARG, "mode 7");
    BAD(reel_scatter(X("[5,2]"), INTS_OF(0, 1), X("[2]"), 0, REEL_SCATTER_ADD), REEL_ESHAPE, "rank 1, x has 2");
    BAD(reel_scatter(X("[5]?"), INTS_OF(0, 1), X("[2]?"), 0, REEL_SCATTER_ADD), REEL_EDTYPE, "bool can only be set");
}

static void scatter_reduce_bad(void)
{
#define CALL(x, i, u) reel_scatter(x, i, u, 0, REEL_SCATTER_MUL)
    BAD_PUT(CALL, X("[2]L2"));
#undef CALL
    BAD(reel_scatter(X("[5]"), INTS_OF(0, 9), X("[2]"), 0, REEL_SCATTER_MAX), REEL_EARG,
        "reel_scatter_reduce|index 9 at position 1");
    BAD(reel_scatter_reduce_at_(REEL_HERE, X("[5]"), INTS_OF(0, 1), X("[2]"), 0, REEL_SCATTER_ADD), REEL_EARG,
        "mode 1");
}

static void scatter_nd_bad(void)
{
#define CALL(x, i, u) reel_scatter_nd(x, i, u, REEL_SCATTER_ADD)
    BAD_PUT(CALL, X("[2,1]L2"));
#undef CALL
    BAD(reel_scatter_nd(X("[5]"), X("[2]L2"), X("[2]"), REEL_SCATTER_SET), REEL_ESHAPE,
        "reel_scatter_nd|places of 2 axes");
    BAD(reel_scatter_nd(X("[5]"), X("[2,1]L2"), X("[2]"), (reel_scatter_mode)-1), REEL_EARG, "mode -1");
}

static void scatter_nd_reduce_bad(void)
{
#define CALL(x, i, u) reel_scatter_nd(x, i, u, REEL_SCATTER_MIN)
    BAD_PUT(CALL, X("[2,1]L2"));
#undef CALL
    BAD(reel_scatter_nd(X("[5]"), X("[]L2"), X("[2]"), REEL_SCATTER_MAX), REEL_ESHAPE,
        "reel_scatter_nd_reduce|no axis");
    BAD(reel_scatter_nd_reduce_at_(REEL_HERE, X("[5]"), X("[2,1]L2"), X("[2]"), REEL_SCATTER_SET), REEL_EARG, "mode 0");
}

static void index_add_bad(void)
{
#define CALL(x, i, u) reel_index_add(x, 0, i, u)
    BAD_PUT(CALL, X("[2]L2"));
#undef CALL
    BAD(reel_index_add(X("[5]"), 1, INTS_OF(0, 1), X("[2]")), REEL_EARG, "reel_index_add|axis 1");
    BAD(reel_index_add(X("[5]?"), 0, INTS_OF(0, 1), X("[2]?")), REEL_EDTYPE, "x is bool");
}

static void index_copy_bad(void)
{
#define CALL(x, i, u) reel_index_copy(x, 0, i, u)
    BAD_PUT(CALL, X("[2]L2"));
#undef CALL
    BAD(reel_index_copy(X("[5]"), 1, INTS_OF(0, 1), X("[2]")), REEL_EARG, "reel_index_copy|axis 1");
    BAD(reel_index_copy(X("[5]"), 0, INTS_OF(0, -6), X("[2]")), REEL_EARG, "index -6 at position 1");
}

/* Elements along axis p0; modes a and b take turns. */
#define ELEMENTS(a, b, c)                                                                                     \
    {IN("[5]", "[3]L5", "[3]"), WITH(0, a)}, {IN("[5]r", "[6]M5", "[6]r"), WITH(0, b)},                       \
        {IN("[4,3]", "[2,3]M4", "[2,3]"), WITH(0, c)}, {IN("[4,3]t", "[4,5]L3", "[4,5]t"), WITH(1, a)},       \
        {IN("[4,3]s", "[5,2]tL4", "[5,2]s"), WITH(-2, b)}, {IN("[4,3]o", "[3,2]rM3", "[3,2]o"), WITH(-1, c)}, \
        {IN("[4,3]b", "[2,5]L3", "[2,5]b"), WITH(1, a)}, {IN("[4,3]", "[2,2]M3", "[2,2]"), WITH(1, b)},       \
        {IN("[2,3,2]", "[2,2,1]L3", "[2,2,1]"), WITH(1, c)}, {IN("[3,4]!", "[2,4]L3", "[2,4]!"), WITH(0, a)}, \
        {IN("[3,4]!", "[2,4]L3", "[2,4]!"), WITH(0, b)}, {IN("[0,3]", "[0,2]L3", "[0,2]"), WITH(1, c)},       \
        {IN("[4,3]", "[0,3]L4", "[0,3]"), WITH(0, a)}, {IN("[1]", "[1]L1", "[1]"), WITH(0, b)},               \
        {IN("[31,70]", "[40,60]M31", "[40,60]"), WITH(0, c)},                                                 \
    {                                                                                                         \
        IN("[70,301]t", "[65,50]L301", "[65,50]"), WITH(1, a)                                                 \
    }
static const sample scatter_good[] = {ELEMENTS(0, 1, 1), ELEMENTS(1, 0, 0)};
static const sample scatter_reduce_good[] = {ELEMENTS(2, 3, 4),
                                             ELEMENTS(2, 4, 3),
                                             {IN("[4]=", "[7]L4", "[7]="), WITH(0, 2), NO_GRAD},
                                             {IN("[4]=", "[7]L4", "[7]="), WITH(0, 3), NO_GRAD}};
SAMPLES_OF(scatter, NO_BOOL);
SAMPLES_OF(scatter_reduce, 0);

/* By place; the result does not hang on unknown dimensions, but the last axis of the indices must be known. */
#define PLACES(a, b, c)                                                                                               \
    {IN("[5]", "[1]M5", "[]"), WITH(0, a), FIXED}, {IN("[4,3]", "[2]L3", "[]"), WITH(0, b), FIXED},                   \
        {IN("[4,3]r", "[5,2]M3", "[5]r"), WITH(0, c), FIXED},                                                         \
        {IN("[4,3]t", "[2,2,1]L4", "[2,2,3]t"), WITH(0, a), FIXED},                                                   \
        {IN("[3,4,2]s", "[3,2]tL3", "[3,2]s"), WITH(0, b), FIXED},                                                    \
        {IN("[3,4,2]o", "[3,2]rL3", "[3,2]o"), WITH(0, c), FIXED},                                                    \
        {IN("[3,9]b", "[5,1]sM3", "[5,9]b"), WITH(0, a), FIXED},                                                      \
        {IN("[3,10]", "[7,1]oL3", "[7,10]"), WITH(0, b), FIXED},                                                      \
        {IN("[3,4]!", "[2,1]L3", "[2,4]!"), WITH(0, c), FIXED}, {IN("[0,3]", "[0,1]L3", "[0,3]"), WITH(0, a), FIXED}, \
        {IN("[4,3]", "[0,2]L3", "[0]"), WITH(0, b), FIXED}, {IN("[1]", "[1]L1", "[]"), WITH(0, c), FIXED},            \
        {IN("[31,70]", "[4000,2]M31", "[4000]"), WITH(0, a), FIXED},                                                  \
    {                                                                                                                 \
        IN("[31,70]", "[100,1]M31", "[100,70]t"), WITH(0, b), FIXED                                                   \
    }
static const sample scatter_nd_good[] = {PLACES(0, 1, 1), PLACES(1, 0, 0)};
static const sample scatter_nd_reduce_good[] = {PLACES(3, 4, 3),
                                                PLACES(4, 3, 4),
                                                {IN("[4,3]r", "[5,2]M3", "[5]r"), WITH(0, 2), FIXED},
                                                {IN("[3,9]", "[5,1]sM3", "[5,9]"), WITH(0, 2), FIXED}};
SAMPLES_OF(scatter_nd, NO_BOOL);
SAMPLES_OF(scatter_nd_reduce, 0);

#define ROWS                                                                                            \
    {IN("[5]", "[3]L5", "[3]"), WITH(0)}, {IN("[5]r", "[]M5", "[]"), WITH(0)},                          \
        {IN("[4,3]", "[5]M4", "[5,3]r"), WITH(0)}, {IN("[4,3]t", "[2,2]L3", "[4,2,2]t"), WITH(1)},      \
        {IN("[4,3]s", "[3]tL4", "[3,3]s"), WITH(-2)}, {IN("[4,3]o", "[2,3]rM3", "[4,2,3]o"), WITH(-1)}, \
        {IN("[3,9]b", "[4]sL3", "[4,9]b"), WITH(0)}, {IN("[2,3,4]", "[2]M3", "[2,2,4]"), WITH(1)},      \
        {IN("[3,4]!", "[5]L3", "[5,4]!"), WITH(0)}, {IN("[0,3]", "[2]L3", "[0,2]"), WITH(1)},           \
        {IN("[4,3]", "[0]L4", "[0,3]"), WITH(0)}, {IN("[1]", "[1]L1", "[1]"), WITH(0)},                 \
        {IN("[31,70]", "[40,11]M31", "[40,11,70]"), WITH(0)},                                           \
    {                                                                                                   \
        IN("[70,31]t", "[50]L31", "[70,50]"), WITH(1)                                                   \
    }
static const sample index_add_good[] = {
    ROWS, {IN("[3,9]!", "[5]L3", "[5,9]!"), WITH(0)}, {IN("[2,3,9]", "[4]L3", "[2,4,9]"), WITH(1)}};
static const sample index_copy_good[] = {ROWS};
SAMPLES_OF(index_add, 0);
SAMPLES_OF(index_copy, 0);
