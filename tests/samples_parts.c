/* samples_parts.c: tensors stacked, cut into parts, and spanned into grids. */
#include "samples_of.h"

/* The part of x along axis from index `from`, `size` of them; squeeze: the axis goes. */
static void part_of(const nd *x, int axis, int64_t from, int64_t size, bool squeeze, reel_dtype d, nd *out)
{
    reel_shape y = x->shape;
    y.dims[axis] = size;
    nd_make(out, d, y);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[REEL_MAX_RANK];
        nd_unravel(&y, i, at);
        at[axis] += from;
        out->data[i] = x->data[nd_ravel(&x->shape, at)];
    }
    if (squeeze) {
        for (int i = axis; i < y.rank - 1; i++) out->shape.dims[i] = y.dims[i + 1];
        out->shape.rank--;
    }
}

/* ---- three parts: p axis ------------------------------------------------------------------------------------ */
#define CUTS(name)                                                                                                 \
    static const sample name##_good[] = {                                                                          \
        {IN("[7]"), WITH(0)},     {IN("[8]r"), WITH(-1)},  {IN("[4,7]t"), WITH(1)}, {IN("[7,2]s"), WITH(0)},       \
        {IN("[7,2]o"), WITH(-2)}, {IN("[2,8]b"), WITH(1)}, {IN("[2,8]!"), WITH(1)}, {IN("[0,8]"), WITH(1)},        \
        {IN("[2,7,3]"), WITH(1)}, {IN("[7,0]"), WITH(0)},  {IN("[7,1]"), WITH(0)},  {IN("[70,301]t"), WITH(1)}};   \
    const samples samples_##name = {GOOD_OF(name##_good, 3), .apply = name##_apply, .reference = name##_reference, \
                                    .bad = name##_bad}

static int chunk_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    return reel_chunk(in[0], (int)s->p[0], 3, out);
}

static void chunk_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int axis = axis_in(s->p[0], in->shape.rank);
    const int64_t n = in->shape.dims[axis], size = (n + 2) / 3;
    for (int64_t i = 0; i < 3; i++)
        part_of(in, axis, i * size, n - i * size < size ? n - i * size : size, false, d, &out[i]);
}

static void chunk_bad(void)
{
    reel_tensor *out[4];
    BAD_CODE(reel_chunk(NULL, 0, 2, out), REEL_EARG, "reel_chunk|x is NULL");
    BAD_CODE(reel_chunk(dead(), 0, 2, out), REEL_EARG, "dead");
    BAD_CODE(reel_chunk(unset(), 0, 2, out), REEL_EARG, "unset");
    BAD_CODE(reel_chunk(symbol(), 0, 2, out), REEL_ETRACE, "graph");
    BAD_CODE(reel_chunk(X("[4]"), 1, 2, out), REEL_EARG, "axis 1 is out of range for rank 1");
    BAD_CODE(reel_chunk(X("[4]"), -2, 2, out), REEL_EARG, "axis -2");
    BAD_CODE(reel_chunk(X("[4]"), 0, 0, out), REEL_EARG, "0 parts, it makes 1 to 63");
    BAD_CODE(reel_chunk(X("[4]"), 0, 64, out), REEL_EARG, "64 parts");
    BAD_CODE(reel_chunk(X("[4]"), 0, 2, NULL), REEL_EARG, "out is NULL");
    BAD_CODE(reel_chunk(X("[]"), 0, 2, out), REEL_EARG, "rank 0");
}
CUTS(chunk);

static int split_sizes_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const int64_t n = reel_dim(in[0], (int)s->p[0]), sizes[3] = {2, 0, n == REEL_ANY ? 0 : n - 2};
    (void)d;
    return reel_split_sizes(in[0], (int)s->p[0], 3, sizes, out);
}

static void split_sizes_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int axis = axis_in(s->p[0], in->shape.rank);
    part_of(in, axis, 0, 2, false, d, &out[0]);
    part_of(in, axis, 2, 0, false, d, &out[1]);
    part_of(in, axis, 2, in->shape.dims[axis] - 2, false, d, &out[2]);
}

static void split_sizes_bad(void)
{
    reel_tensor *out[4];
    const int64_t two[2] = {1, 1}, off[2] = {1, 2}, negative[2] = {3, -1}, huge[2] = {INT64_MAX, 1};
    BAD_CODE(reel_split_sizes(NULL, 0, 2, two, out), REEL_EARG, "reel_split_sizes|x is NULL");
    BAD_CODE(reel_split_sizes(dead(), 0, 2, two, out), REEL_EARG, "dead");
    BAD_CODE(reel_split_sizes(unset(), 0, 2, two, out), REEL_EARG, "unset");
    BAD_CODE(reel_split_sizes(symbol(), 0, 2, two, out), REEL_ETRACE, "graph");
    BAD_CODE(reel_split_sizes(X("[2]"), 1, 2, two, out), REEL_EARG, "axis 1 is out of range for rank 1");
    BAD_CODE(reel_split_sizes(X("[2]"), 0, 2, off, out), REEL_ESHAPE, "the sizes add up to 3, axis 0 has 2");
    BAD_CODE(reel_split_sizes(X("[2]"), 0, 2, negative, out), REEL_ESHAPE, "size 1 is -1");
    BAD_CODE(reel_split_sizes(X("[2]"), 0, 2, huge, out), REEL_ESHAPE, "size 1 is 1");
    BAD_CODE(reel_split_sizes(X("[2]"), 0, 0, two, out), REEL_EARG, "0 parts");
    BAD_CODE(reel_split_sizes(X("[2]"), 0, 2, NULL, out), REEL_EARG, "sizes are NULL");
    BAD_CODE(reel_split_sizes(X("[2]"), 0, 2, two, NULL), REEL_EARG, "out is NULL");
}
/* the sizes are numbers, so nothing of it can wait for a dimension */
static const sample split_sizes_good[] = {
    {IN("[7]"), WITH(0), FIXED},    {IN("[8]r"), WITH(-1), FIXED},   {IN("[4,7]t"), WITH(1), FIXED},
    {IN("[7,2]s"), WITH(0), FIXED}, {IN("[7,2]o"), WITH(-2), FIXED}, {IN("[2,8]b"), WITH(1), FIXED},
    {IN("[2,8]!"), WITH(1), FIXED}, {IN("[0,8]"), WITH(1), FIXED},   {IN("[2,7,3]"), WITH(1), FIXED},
    {IN("[7,0]"), WITH(0), FIXED},  {IN("[2,1]"), WITH(0), FIXED},   {IN("[70,301]t"), WITH(1), FIXED}};
const samples samples_split_sizes = {GOOD_OF(split_sizes_good, 3), .apply = split_sizes_apply,
                                     .reference = split_sizes_reference, .bad = split_sizes_bad};

static int unstack_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    return reel_unstack(in[0], (int)s->p[0], 3, out);
}

static void unstack_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    for (int i = 0; i < 3; i++) part_of(in, axis_in(s->p[0], in->shape.rank), i, 1, true, d, &out[i]);
}

static void unstack_bad(void)
{
    reel_tensor *out[4];
    BAD_CODE(reel_unstack(NULL, 0, 2, out), REEL_EARG, "reel_unstack|x is NULL");
    BAD_CODE(reel_unstack(dead(), 0, 2, out), REEL_EARG, "dead");
    BAD_CODE(reel_unstack(unset(), 0, 2, out), REEL_EARG, "unset");
    BAD_CODE(reel_unstack(symbol(), 0, 2, out), REEL_ETRACE, "graph");
    BAD_CODE(reel_unstack(X("[2]"), 1, 2, out), REEL_EARG, "axis 1 is out of range for rank 1");
    BAD_CODE(reel_unstack(X("[2]"), 0, 3, out), REEL_ESHAPE, "axis 0 has 2 elements, not 3");
    BAD_CODE(reel_unstack(X("[2]"), 0, 0, out), REEL_EARG, "0 parts");
    BAD_CODE(reel_unstack(X("[2]"), 0, 1 << 20, out), REEL_EARG, "1048576 parts");
    BAD_CODE(reel_unstack(X("[2]"), 0, 2, NULL), REEL_EARG, "out is NULL");
    BAD_CODE(reel_unstack(X("[]"), 0, 2, out), REEL_EARG, "rank 0");
}
static const sample unstack_good[] = {{IN("[3]"), WITH(0)},    {IN("[3]r"), WITH(-1)},   {IN("[4,3]t"), WITH(1)},
                                      {IN("[3,2]s"), WITH(0)}, {IN("[3,2]o"), WITH(-2)}, {IN("[2,3]b"), WITH(1)},
                                      {IN("[2,3]!"), WITH(1)}, {IN("[0,3]"), WITH(1)},   {IN("[2,3,3]"), WITH(1)},
                                      {IN("[3,0]"), WITH(0)},  {IN("[3,1]"), WITH(0)},   {IN("[3,7000]"), WITH(0)}};
const samples samples_unstack = {GOOD_OF(unstack_good, 3), .apply = unstack_apply, .reference = unstack_reference,
                                 .bad = unstack_bad};

/* ---- stack: p axis ------------------------------------------------------------------------------------------- */
APPLY(stack, reel_stack(((reel_list){count_in(s), in}), (int)s->p[0]))

static void stack_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int n = count_in(s), axis = axis_in(s->p[0], in->shape.rank + 1);
    reel_shape y = {.rank = in->shape.rank + 1};
    for (int i = 0, k = 0; i < y.rank; i++) y.dims[i] = i == axis ? n : in->shape.dims[k++];
    nd_make(out, d, y);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[REEL_MAX_RANK], from[REEL_MAX_RANK];
        nd_unravel(&y, i, at);
        for (int k = 0, j = 0; k < y.rank; k++)
            if (k != axis) from[j++] = at[k];
        out->data[i] = in[at[axis]].data[nd_ravel(&in->shape, from)];
    }
}

static void stack_bad(void)
{
#define CALL(x) reel_stack(REEL_LIST(X("[2]"), x), 0)
    STRANGERS(CALL);
#undef CALL
    BAD(reel_stack(REEL_LIST(X("[2]"), X("[3]")), 0), REEL_ESHAPE, "xs[1] has 3 along axis 1, the others 2");
    BAD(reel_stack(REEL_LIST(X("[2]"), X("[2,2]")), 0), REEL_ESHAPE, "rank");
    BAD(reel_stack(REEL_LIST(X("[2]"), X("[2]")), 2), REEL_EARG, "reel_stack|axis 2 is out of range for rank 2");
    BAD(reel_stack(REEL_LIST(X("[2]"), X("[2]")), -3), REEL_EARG, "axis -3");
    BAD(reel_stack(REEL_LIST(X("[2]"), XD("[2]", REEL_I32)), 0), REEL_EDTYPE, "dtypes differ");
    BAD(reel_stack(((reel_list){0, NULL}), 0), REEL_EARG, "no tensors to stack");
    BAD(reel_stack(REEL_LIST(X("[1,1,1,1,1,1,1,1]")), 0), REEL_ESHAPE, "9 axes");
}

static const sample stack_good[] = {{IN("[]", "[]"), WITH(0)},
                                    {IN("[3]"), WITH(0)},
                                    {IN("[3]", "[3]r"), WITH(1)},
                                    {IN("[2,3]t", "[2,3]s"), WITH(-1)},
                                    {IN("[2,3]o", "[2,3]b"), WITH(1)},
                                    {IN("[0,3]", "[0,3]"), WITH(0)},
                                    {IN("[1]", "[1]", "[1]"), WITH(0)},
                                    {IN("[2]!", "[2]!"), WITH(0)},
                                    {IN("[2,3]", "[2,3]", "[2,3]"), WITH(2)},
                                    {IN("[2,2,2]", "[2,2,2]r"), WITH(-2)},
                                    {IN("[70,301]t", "[70,301]"), WITH(1)},
                                    {IN("[3,1]", "[3,1]"), WITH(1)}};
SAMPLES(stack);

/* ---- meshgrid: p xy -------------------------------------------------------------------------------------------- */
static int meshgrid_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    return reel_meshgrid(((reel_list){3, in}), s->p[0] != 0, out);
}

static void meshgrid_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    int axis[3] = {0, 1, 2};
    reel_shape y = {.rank = 3};
    if (s->p[0] != 0) axis[0] = 1, axis[1] = 0;
    for (int i = 0; i < 3; i++) y.dims[axis[i]] = in[i].count;
    for (int i = 0; i < 3; i++) {
        nd_make(&out[i], d, y);
        for (int64_t k = 0; k < out[i].count; k++) {
            int64_t at[REEL_MAX_RANK];
            nd_unravel(&y, k, at);
            out[i].data[k] = in[i].data[at[axis[i]]];
        }
    }
}

static void meshgrid_bad(void)
{
    reel_tensor *out[9];
    BAD_CODE(reel_meshgrid(REEL_LIST(X("[2]"), NULL), false, out), REEL_EARG, "reel_meshgrid|xs[1] is NULL");
    BAD_CODE(reel_meshgrid(REEL_LIST(X("[2]"), dead()), false, out), REEL_EARG, "dead");
    BAD_CODE(reel_meshgrid(REEL_LIST(unset(), X("[2]")), false, out), REEL_EARG, "unset");
    BAD_CODE(reel_meshgrid(REEL_LIST(symbol(), X("[2]")), false, out), REEL_ETRACE, "graph");
    BAD_CODE(reel_meshgrid(REEL_LIST(X("[2]"), X("[2,2]")), false, out), REEL_ESHAPE, "rank 2, not 0 or 1");
    BAD_CODE(reel_meshgrid(REEL_LIST(X("[2,2]"), X("[2]")), true, out), REEL_ESHAPE, "rank 2, not 0 or 1");
    BAD_CODE(reel_meshgrid(((reel_list){0, NULL}), false, out), REEL_EARG, "0 tensors, it takes 1 to 8");
    BAD_CODE(reel_meshgrid(((reel_list){2, NULL}), false, out), REEL_EARG, "0 tensors");
    BAD_CODE(reel_meshgrid(((reel_list){9, out}), false, out), REEL_EARG, "9 tensors");
    BAD_CODE(reel_meshgrid(REEL_LIST(X("[2]")), false, NULL), REEL_EARG, "out is NULL");
}

#define GRIDS(p)                                                                                                  \
    {IN("[2]", "[3]", "[4]"), WITH(p)}, {IN("[2]r", "[3]s", "[1]"), WITH(p)}, {IN("[]", "[3]o", "[2]"), WITH(p)}, \
        {IN("[0]", "[3]", "[2]"), WITH(p)}, {IN("[2]b", "[3]!", "[4]"), WITH(p)},                                 \
    {                                                                                                             \
        IN("[2001]", "[3]", "[4]r"), WITH(p)                                                                      \
    }
static const sample meshgrid_good[] = {GRIDS(0), GRIDS(1)};
const samples samples_meshgrid = {GOOD_OF(meshgrid_good, 3), .apply = meshgrid_apply, .reference = meshgrid_reference,
                                  .bad = meshgrid_bad};

/* p axis: of operand 0 in the grid of the rest */
static int meshgrid_part_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *part[SAMPLE_IN + 1];
    const int n = count_in(s), axis = (int)s->p[0];
    (void)d;
    part[0] = in[0];
    for (int i = 0; i < n; i++) part[1 + i] = i < axis ? in[1 + i] : i == axis ? in[0] : in[i];
    out[0] = reel_meshgrid_part_at_(REEL_HERE, part, n + 1, axis);
    return reel_status();
}

static void meshgrid_part_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int n = count_in(s), axis = (int)s->p[0];
    reel_shape y = {.rank = n};
    for (int i = 0; i < n; i++) y.dims[i] = in[i < axis ? 1 + i : i == axis ? 0 : i].count;
    nd_make(out, d, y);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[REEL_MAX_RANK];
        nd_unravel(&y, i, at);
        out->data[i] = in[0].data[at[axis]];
    }
}

static void meshgrid_part_bad(void)
{
#define CALL(x) reel_meshgrid_part_at_(REEL_HERE, (reel_tensor *const[]){x, X("[2]"), X("[3]")}, 3, 0)
    STRANGERS(CALL);
#undef CALL
#define CALL(x, y, axis) reel_meshgrid_part_at_(REEL_HERE, (reel_tensor *const[]){x, y, X("[3]")}, 3, axis)
    BAD(CALL(X("[2]"), X("[2]"), 2), REEL_EARG, "axis 2 of 2");
    BAD(CALL(X("[2]"), X("[2]"), -1), REEL_EARG, "axis -1 of 2");
    BAD(CALL(X("[2,2]"), X("[2]"), 0), REEL_ESHAPE, "x has rank 2, not 0 or 1");
    BAD(CALL(X("[2]"), X("[2,2]"), 0), REEL_ESHAPE, "xs[0] has rank 2");
    BAD(CALL(X("[2]"), NULL, 0), REEL_EARG, "NULL");
    BAD(CALL(X("[2]"), dead(), 0), REEL_EARG, "dead");
#undef CALL
}

static const sample meshgrid_part_good[] = {{IN("[2]"), WITH(0)},
                                            {IN("[2]", "[3]"), WITH(0)},
                                            {IN("[2]r", "[3]"), WITH(1)},
                                            {IN("[2]s", "[3]", "[4]"), WITH(1)},
                                            {IN("[2]o", "[3]", "[4]"), WITH(2)},
                                            {IN("[]", "[3]", "[]"), WITH(0)},
                                            {IN("[3]b", "[0]"), WITH(0)},
                                            {IN("[0]", "[3]"), WITH(0)},
                                            {IN("[3]!", "[2]"), WITH(0)},
                                            {IN("[1]", "[1]"), WITH(0)},
                                            {IN("[2]", "[2]", "[2]", "[2]"), WITH(3)},
                                            {IN("[101]", "[70]"), WITH(1)},
                                            {IN("[20001]", "[2]"), WITH(0)}};
SAMPLES(meshgrid_part);
