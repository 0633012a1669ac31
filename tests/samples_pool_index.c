/* samples_pool_index.c: putting to and picking from places of a channel: p0 channels last, p1 the sizes of the result, a decimal
   digit an axis. */
#include "samples.h"

static int spatial_of(const sample *s)
{
    int commas = 0;
    for (const char *c = s->in[0]; *c; c++) commas += *c == ',';
    return commas - 1;
}

static reel_shape sizes(const sample *s)
{
    reel_shape k = {.rank = spatial_of(s)};
    int64_t v = (int64_t)s->p[1];
    for (int i = k.rank - 1; i >= 0; i--, v /= 10) k.dims[i] = v % 10;
    return k;
}

static reel_attr_pool attributes(const sample *s)
{
    reel_attr_pool a;
    memset(&a, 0, sizeof a);
    a.window.spatial = spatial_of(s);
    a.window.channels_last = s->p[0] != 0;
    return a;
}

/* Element `at` of the images `from` has channel and place; the element of `to` in that channel at place p. */
static int64_t other(const sample *s, const nd *from, const nd *to, int64_t at, int64_t p)
{
    const int n = spatial_of(s);
    const bool last = s->p[0] != 0;
    int64_t i[REEL_MAX_RANK];
    nd_unravel(&from->shape, at, i);
    for (int k = n - 1; k >= 0; k--) {
        const int axis = k + (last ? 1 : 2);
        i[axis] = p % to->shape.dims[axis];
        p /= to->shape.dims[axis];
    }
    return nd_ravel(&to->shape, i);
}

static void max_unpool_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    reel_shape y = in[0].shape;
    const reel_shape size = sizes(s);
    for (int k = 0; k < size.rank; k++) y.dims[k + (s->p[0] != 0 ? 1 : 2)] = size.dims[k];
    nd_make(out, d, y);
    for (int64_t i = 0; i < in[0].count; i++)
        if (in[1].data[i] >= 0) out->data[other(s, &in[1], out, i, (int64_t)in[1].data[i])] = in[0].data[i];
}

static void pool_gather_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd_make(out, d, in[1].shape);
    for (int64_t i = 0; i < in[1].count; i++)
        if (in[1].data[i] >= 0) out->data[i] = in[0].data[other(s, &in[1], &in[0], i, (int64_t)in[1].data[i])];
}

static void pool_scatter_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd_make(out, d, in[0].shape);
    for (int64_t i = 0; i < in[1].count; i++)
        if (in[1].data[i] >= 0) out->data[other(s, &in[1], out, i, (int64_t)in[1].data[i])] += in[2].data[i];
}

static int max_unpool_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    out[0] = reel_max_unpool(in[0], reel_cast(in[1], REEL_I64), sizes(s), s->p[0] != 0);
    return reel_status();
}

static int pool_gather_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_attr_pool a = attributes(s);
    (void)d;
    out[0] = reel_pool_gather_at_(REEL_HERE, in[0], reel_cast(in[1], REEL_I64), &a);
    return reel_status();
}

static int pool_scatter_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_attr_pool a = attributes(s);
    (void)d;
    out[0] = reel_pool_scatter_at_(REEL_HERE, in[0], reel_cast(in[1], REEL_I64), in[2], &a);
    return reel_status();
}

/* labels of consecutive positions are distinct where 7 and their number have no common divisor */
static const sample max_unpool_good[] = {
    {IN("[1,1,2]", "[1,1,2]L4"), WITH(0, 4)},         {IN("[2,3,3]", "[2,3,3]L8"), WITH(0, 8)},
    {IN("[1,2,2,2]", "[1,2,2,2]L16"), WITH(0, 44)},   {IN("[2,1,2,3]r", "[2,1,2,3]L15"), WITH(0, 35)},
    {IN("[1,2,2,3]", "[1,2,2,3]L25"), WITH(1, 55)},   {IN("[1,1,2,2,2]", "[1,1,2,2,2]L27"), WITH(0, 333)},
    {IN("[0,2,2]", "[0,2,2]L3"), WITH(0, 4)},         {IN("[1,1,1,1]", "[1,1,1,1]L1"), WITH(0, 11)},
    {IN("[2,2,2,2]t", "[2,2,2,2]L16t"), WITH(0, 44)}, {IN("[2,2,3,2]s", "[2,2,3,2]L18o"), WITH(0, 36)},
    {IN("[1,2,4]b", "[1,2,4]L9"), WITH(0, 9)},        {IN("[1,2,3,3]!", "[1,2,3,3]L16"), WITH(0, 44), .flags = NO_GRAD},
    {IN("[40,9,4,4]", "[40,9,4,4]L80"), WITH(0, 99)}};
static const sample pool_gather_good[] = {{IN("[2,2,4]o", "[2,2,2]L4o")},
                                          {IN("[1,1,4]", "[1,1,2]L4")},
                                          {IN("[2,3,5]", "[2,3,3]L5")},
                                          {IN("[1,2,3,4]", "[1,2,2,3]L12")},
                                          {IN("[1,3,4,2]", "[1,2,2,2]L12"), WITH(1)},
                                          {IN("[1,1,2,3,2]", "[1,1,2,2,2]L12")},
                                          {IN("[0,2,4]", "[0,2,2]L4")},
                                          {IN("[1,1,1]", "[1,1,3]L1")},
                                          {IN("[2,2,3,3]t", "[2,2,2,2]L9t")},
                                          {IN("[2,2,3,3]s", "[2,2,2,2]L9")},
                                          {IN("[2,2,3,3]b", "[2,2,2,2]L9r")},
                                          {IN("[1,2,3,9]!", "[1,2,2,2]L27"), .flags = NO_GRAD},
                                          {IN("[40,9,9,9]", "[40,9,4,4]L81")}};
static const sample pool_scatter_good[] = {{IN("[2,2,4]o", "[2,2,2]L4", "[2,2,2]o")},
                                           {IN("[1,1,4]", "[1,1,2]L4", "[1,1,2]")},
                                           {IN("[2,2,5]", "[2,2,3]L3", "[2,2,3]")},
                                           {IN("[1,2,3,4]", "[1,2,2,3]L5", "[1,2,2,3]")},
                                           {IN("[1,3,4,2]", "[1,2,2,2]L12", "[1,2,2,2]"), WITH(1)},
                                           {IN("[1,1,2,3,2]", "[1,1,2,2,2]L12", "[1,1,2,2,2]")},
                                           {IN("[0,2,4]", "[0,2,2]L4", "[0,2,2]")},
                                           {IN("[1,1,1]", "[1,1,3]L1", "[1,1,3]")},
                                           {IN("[2,2,3,3]t", "[2,2,2,2]L9t", "[2,2,2,2]r")},
                                           {IN("[2,2,3,3]", "[2,2,2,2]L9", "[2,2,2,2]s")},
                                           {IN("[2,2,3,3]", "[2,2,2,2]L9r", "[2,2,2,2]b")},
                                           {IN("[1,2,3,9]", "[1,2,2,2]L27", "[1,2,2,2]!"), .flags = NO_GRAD},
                                           {IN("[40,9,9,9]", "[40,9,4,4]L81", "[40,9,4,4]")}};

static reel_tensor *I(const char *spec)
{
    return XD(spec, REEL_I64);
}

static void max_unpool_bad(void)
{
    const reel_shape k = REEL_SHAPE(4);
    const int64_t far[2] = {1, 4}, below[2] = {0, -2};
    BAD(reel_max_unpool(NULL, I("[1,1,2]+"), k, false), REEL_EARG, "x is NULL");
    BAD(reel_max_unpool(X("[1,1,2]"), NULL, k, false), REEL_EARG, "indices is NULL");
    BAD(reel_max_unpool(dead(), I("[1,1,2]+"), k, false), REEL_EARG, "dead");
    BAD(reel_max_unpool(unset(), I("[1,1,2]+"), k, false), REEL_EARG, "unset");
    BAD(reel_max_unpool(symbol(), I("[1,1,2]+"), k, false), REEL_ETRACE, "graph");
    BAD(reel_max_unpool(X("[1,1,2]"), XD("[1,1,2]", REEL_I32), k, false), REEL_EDTYPE, "indices is i32, allowed: i64");
    BAD(reel_max_unpool(X("[1,1,2]"), I("[1,1,3]"), k, false), REEL_ESHAPE,
        "indices has shape [1,1,3], expected [1,1,2]");
    BAD(reel_max_unpool(X("[1,1,2]"), I("[1,1,2]"), REEL_SHAPE(4, 4), false), REEL_ESHAPE, "x has rank 3");
    BAD(reel_max_unpool(X("[1,1,2]"), I("[1,1,2]"), REEL_SHAPE(-4), false), REEL_ESHAPE, "spatial[0] is -4");
    BAD(reel_max_unpool(X("[1,1,2]"), I("[1,1,2]"), REEL_SCALAR, false), REEL_ESHAPE, "spatial has 0 axes");
    BAD(reel_max_unpool(X("[1,1,2]"), I("[1,1,2]"), REEL_SHAPE(INT64_MAX), false), REEL_ESHAPE, "");
    BAD(reel_max_unpool(X("[1,1,2]"), reel_from_i64(REEL_SHAPE(1, 1, 2), far, 2), k, false), REEL_EARG,
        "index 4 at position 1 is out of range for 4 elements");
    BAD(reel_max_unpool(X("[1,1,2]"), reel_from_i64(REEL_SHAPE(1, 1, 2), below, 2), k, false), REEL_EARG,
        "index -2 at position 1");
}

static const sample line = {IN("[1,1,4]")};

static void pool_gather_bad(void)
{
    const reel_attr_pool a = attributes(&line);
    const int64_t far[2] = {1, 4};
    BAD(reel_pool_gather_at_(REEL_HERE, NULL, I("[1,1,2]+"), &a), REEL_EARG, "v is NULL");
    BAD(reel_pool_gather_at_(REEL_HERE, X("[1,1,4]"), NULL, &a), REEL_EARG, "indices is NULL");
    BAD(reel_pool_gather_at_(REEL_HERE, dead(), I("[1,1,2]"), &a), REEL_EARG, "dead");
    BAD(reel_pool_gather_at_(REEL_HERE, unset(), I("[1,1,2]"), &a), REEL_EARG, "unset");
    BAD(reel_pool_gather_at_(REEL_HERE, symbol(), I("[1,1,2]"), &a), REEL_ETRACE, "graph");
    BAD(reel_pool_gather_at_(REEL_HERE, X("[1,1,4]"), X("[1,1,2]"), &a), REEL_EDTYPE, "indices is f32");
    BAD(reel_pool_gather_at_(REEL_HERE, X("[1,1,4]"), I("[1,2,2]"), &a), REEL_ESHAPE, "indices has shape [1,2,2]");
    BAD(reel_pool_gather_at_(REEL_HERE, X("[1,1,4]"), I("[1,2]"), &a), REEL_ESHAPE, "indices has shape [1,2]");
    BAD(reel_pool_gather_at_(REEL_HERE, X("[4]"), I("[1,1,2]"), &a), REEL_ESHAPE, "indices has shape");
    BAD(reel_pool_gather_at_(REEL_HERE, X("[1,1,4]"), reel_from_i64(REEL_SHAPE(1, 1, 2), far, 2), &a), REEL_EARG,
        "index 4 at position 1");
}

static void pool_scatter_bad(void)
{
    const reel_attr_pool a = attributes(&line);
    const int64_t far[2] = {1, 4};
    BAD(reel_pool_scatter_at_(REEL_HERE, NULL, I("[1,1,2]"), X("[1,1,2]"), &a), REEL_EARG, "like is NULL");
    BAD(reel_pool_scatter_at_(REEL_HERE, X("[1,1,4]"), NULL, X("[1,1,2]"), &a), REEL_EARG, "indices is NULL");
    BAD(reel_pool_scatter_at_(REEL_HERE, X("[1,1,4]"), I("[1,1,2]"), NULL, &a), REEL_EARG, "g is NULL");
    BAD(reel_pool_scatter_at_(REEL_HERE, X("[1,1,4]"), I("[1,1,2]"), dead(), &a), REEL_EARG, "dead");
    BAD(reel_pool_scatter_at_(REEL_HERE, X("[1,1,4]"), I("[1,1,2]"), unset(), &a), REEL_EARG, "unset");
    BAD(reel_pool_scatter_at_(REEL_HERE, X("[1,1,4]"), I("[1,1,2]"), symbol(), &a), REEL_ETRACE, "graph");
    BAD(reel_pool_scatter_at_(REEL_HERE, X("[1,1,4]"), I("[1,1,2]"), X("[1,1,3]"), &a), REEL_ESHAPE, "g has shape");
    BAD(reel_pool_scatter_at_(REEL_HERE, X("[1,2,4]"), I("[1,1,2]"), X("[1,1,2]"), &a), REEL_ESHAPE,
        "indices has shape");
    BAD(reel_pool_scatter_at_(REEL_HERE, X("[1,1,4]"), I("[1,1,2]"), XD("[1,1,2]", REEL_F64), &a), REEL_EDTYPE,
        "differ");
    BAD(reel_pool_scatter_at_(REEL_HERE, X("[1,1,4]"), reel_from_i64(REEL_SHAPE(1, 1, 2), far, 2), X("[1,1,2]"), &a),
        REEL_EARG, "index 4 at position 1");
}

#define SAMPLES(name)                                                                                        \
    const samples samples_##name = {GOOD(name##_good), .apply = name##_apply, .reference = name##_reference, \
                                    .bad = name##_bad};
SAMPLES(max_unpool)
SAMPLES(pool_gather)
SAMPLES(pool_scatter)
