/* samples_segment.c: counts and segments. */
#include "samples.h"

/* ---- bincount: p0 bins, p1 with weights ------------------------------------------------------------------- */
static const sample bincount_good[] = {{IN("[]+"), WITH(12)},
                                       {IN("[1]+"), WITH(12)},
                                       {IN("[9]+"), WITH(12)},
                                       {IN("[9]+"), WITH(300)},
                                       {IN("[3,4]+t"), WITH(12)},
                                       {IN("[7]+r"), WITH(12)},
                                       {IN("[2,3]+s"), WITH(12)},
                                       {IN("[4,3]+o"), WITH(20)},
                                       {IN("[3,4]+b"), WITH(12)},
                                       {IN("[2,3,4]+"), WITH(12)},
                                       {IN("[0]+"), WITH(5)},
                                       {IN("[0]+"), WITH(0)},
                                       {IN("[2,0]+"), WITH(3)},
                                       {IN("[70000]+"), WITH(12)},
                                       {IN("[30,41]+"), WITH(100)},
                                       {IN("[9]+", "[9]F"), WITH(12, 1)},
                                       {IN("[3,4]+", "[3,4]Ft"), WITH(12, 1)}};

static int bincount_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    out[0] = reel_bincount(in[0], s->p[1] != 0 ? in[1] : NULL, (int64_t)s->p[0]);
    return reel_status();
}

static void bincount_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    (void)d;
    nd_make(out, s->p[1] != 0 ? REEL_F32 : REEL_I64, (reel_shape){1, {(int64_t)s->p[0]}});
    for (int64_t i = 0; i < in->count; i++) out->data[(int64_t)in->data[i]] += s->p[1] != 0 ? in[1].data[i] : 1;
}

static reel_tensor *ids_of(int n, const int32_t *ids)
{
    return reel_from_i32(REEL_SHAPE(n), ids, (size_t)n);
}

static void bincount_bad(void)
{
    reel_tensor *ids = ids_of(3, (int32_t[]){1, 5, 0}), *low = ids_of(3, (int32_t[]){1, -1, 0});
    BAD(reel_bincount(NULL, NULL, 3), REEL_EARG, "reel_bincount|ids is NULL");
    BAD(reel_bincount(dead(), NULL, 3), REEL_EARG, "ids is |dead");
    BAD(reel_bincount(ids, NULL, 5), REEL_EARG, "id 5 at position 1 is out of range for 5 bins");
    BAD(reel_bincount(low, NULL, 5), REEL_EARG, "id -1 at position 1 is out of range for 5 bins");
    BAD(reel_bincount(ids, NULL, -2), REEL_EARG, "-2 bins");
    BAD(reel_bincount(ids, NULL, 0), REEL_EARG, "there are ids, but 0 bins");
    BAD(reel_bincount(ids, NULL, INT64_MAX / 2), REEL_ESHAPE, "");
    BAD(reel_bincount(X("[3]"), NULL, 5), REEL_EDTYPE, "ids is f32, allowed: i8");
    BAD(reel_bincount(ids, X("[4]"), 6), REEL_ESHAPE, "ids [3] do not name the rows of [4]");
    BAD(reel_bincount(ids, X("[3]"), 5), REEL_EARG, "id 5 at position 1 is out of range for 5 segments");
    BAD(reel_bincount(ids, XD("[3]", REEL_BOOL), 6), REEL_EDTYPE, "bool");
    BAD(reel_bincount(unset(), NULL, 5), REEL_EARG, "before it has a value");
    BAD(reel_bincount(symbol(), NULL, 5), REEL_ETRACE, "graph");
}

const samples samples_bincount = {GOOD(bincount_good), .apply = bincount_apply, .reference = bincount_reference,
                                  .bad = bincount_bad};

/* ---- bincount of as many as needed, at least p0 ------------------------------------------------------------ */
static const sample bincount_grow_good[] = {{IN("[]+")},
                                            {IN("[1]+")},
                                            {IN("[9]+")},
                                            {IN("[9]+"), WITH(300)},
                                            {IN("[3,4]+t"), WITH(2)},
                                            {IN("[7]+r")},
                                            {IN("[2,3]+s")},
                                            {IN("[4,3]+o")},
                                            {IN("[3,4]+b")},
                                            {IN("[2,3,4]+")},
                                            {IN("[0]+")},
                                            {IN("[2,0]+"), WITH(3)},
                                            {IN("[70000]+")},
                                            {IN("[30,41]+")}};

static int bincount_grow_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    out[0] = s->p[0] == 0 ? reel_bincount(in[0], NULL, REEL_ANY)
                          : reel_bincount_grow_at_(REEL_HERE, in[0], (int64_t)s->p[0]);
    return reel_status();
}

static void bincount_grow_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    int64_t n = (int64_t)s->p[0];
    (void)d;
    for (int64_t i = 0; i < in->count; i++) n = in->data[i] >= (double)n ? (int64_t)in->data[i] + 1 : n;
    nd_make(out, REEL_I64, (reel_shape){1, {n}});
    for (int64_t i = 0; i < in->count; i++) out->data[(int64_t)in->data[i]]++;
}

static void bincount_grow_bad(void)
{
    reel_tensor *low = ids_of(3, (int32_t[]){1, -1, 0});
    BAD(reel_bincount(NULL, NULL, REEL_ANY), REEL_EARG, "ids is NULL");
    BAD(reel_bincount(dead(), NULL, REEL_ANY), REEL_EARG, "ids is |dead");
    BAD(reel_bincount(low, NULL, REEL_ANY), REEL_EARG, "id -1 at position 1 cannot be counted");
    BAD(reel_bincount(reel_from_i64(REEL_SHAPE(1), (int64_t[]){INT64_MAX}, 1), NULL, REEL_ANY), REEL_EARG,
        "id 9223372036854775807 at position 0 cannot be counted");
    BAD(reel_bincount_grow_at_(REEL_HERE, low, -1), REEL_EARG, "-1 bins");
    BAD(reel_bincount_grow_at_(REEL_HERE, low, INT64_MAX / 2), REEL_ESHAPE, "");
    BAD(reel_bincount(low, X("[3]"), REEL_ANY), REEL_EARG, "-1 segments");
    BAD(reel_bincount(X("[3]"), NULL, REEL_ANY), REEL_EDTYPE, "ids is f32, allowed: i8");
    BAD(reel_bincount(XD("[3]", REEL_BOOL), NULL, REEL_ANY), REEL_EDTYPE, "ids is bool, allowed: i8");
    BAD(reel_bincount(unset(), NULL, REEL_ANY), REEL_EARG, "before it has a value");
    BAD(reel_bincount(symbol(), NULL, REEL_ANY), REEL_ETRACE, "graph");
}

const samples samples_bincount_grow = {GOOD(bincount_grow_good), .apply = bincount_grow_apply,
                                       .reference = bincount_grow_reference, .bad = bincount_grow_bad};

/* ---- histogram: p0 bins, p1 low, p2 high ------------------------------------------------------------------ */
static const sample histogram_good[] = {
    {IN("[]"), WITH(3, -2, 2)},      {IN("[1]"), WITH(3, -2, 2)},   {IN("[9]"), WITH(4, -1, 1)},
    {IN("[90]="), WITH(4, -2, 2)},   {IN("[90]="), WITH(5, -2, 3)}, {IN("[3,4]t"), WITH(10, -2, 2)},
    {IN("[7]r"), WITH(1, 0, 9)},     {IN("[2,3]s"), WITH(4, 0, 1)}, {IN("[4,3]o"), WITH(7, -3, 0.5)},
    {IN("[3,4]b"), WITH(4, 0, 1)},   {IN("[0]"), WITH(4, 0, 1)},    {IN("[2,0]"), WITH(2, 0, 1)},
    {IN("[70000]"), WITH(8, -1, 1)}, {IN("[60]!"), WITH(8, -1, 1)}, {IN("[5,7]!"), WITH(3, 0, 1e30)}};

static int histogram_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    out[0] = reel_histogram(in[0], (int64_t)s->p[0], s->p[1], s->p[2]);
    return reel_status();
}

static void histogram_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int64_t n = (int64_t)s->p[0];
    (void)d;
    nd_make(out, REEL_I64, (reel_shape){1, {n}});
    for (int64_t i = 0; i < in->count; i++)
        for (int64_t k = 0; k < n; k++) {
            const double step = (s->p[2] - s->p[1]) / (double)n, x = in->data[i];
            const double from = s->p[1] + (double)k * step,
                         to = k == n - 1 ? s->p[2] : s->p[1] + (double)(k + 1) * step;
            out->data[k] += x >= from && (k == n - 1 ? x <= to : x < to);
        }
}

static void histogram_bad(void)
{
    BAD(reel_histogram(NULL, 3, 0, 1), REEL_EARG, "reel_histogram|x is NULL");
    BAD(reel_histogram(dead(), 3, 0, 1), REEL_EARG, "x is |dead");
    BAD(reel_histogram(X("[3]"), 0, 0, 1), REEL_EARG, "0 bins");
    BAD(reel_histogram(X("[3]"), -2, 0, 1), REEL_EARG, "-2 bins");
    BAD(reel_histogram(X("[3]"), 3, 1, 1), REEL_EARG, "bad range [1, 1]");
    BAD(reel_histogram(X("[3]"), 3, 2, 1), REEL_EARG, "bad range [2, 1]");
    BAD(reel_histogram(X("[3]"), 3, NAN, 1), REEL_EARG, "bad range [nan, 1]");
    BAD(reel_histogram(X("[3]"), 3, 0, INFINITY), REEL_EARG, "bad range [0, inf]");
    BAD(reel_histogram(X("[3]"), INT64_MAX, 0, 1), REEL_ESHAPE, "");
    BAD(reel_histogram(XD("[3]", REEL_BOOL), 3, 0, 1), REEL_EDTYPE, "x is bool, allowed: f32");
    BAD(reel_histogram(unset(), 3, 0, 1), REEL_EARG, "before it has a value");
    BAD(reel_histogram(symbol(), 3, 0, 1), REEL_ETRACE, "graph");
}

const samples samples_histogram = {GOOD(histogram_good), .apply = histogram_apply, .reference = histogram_reference,
                                   .bad = histogram_bad};

/* ---- segments: p0 how many -------------------------------------------------------------------------------- */
#define SEGMENTS                                                                                                       \
    {IN("[1]", "[1]L1"), WITH(1)}, {IN("[6]", "[6]L4"), WITH(4)}, {IN("[6]", "[6]L3"), WITH(5)},                       \
        {IN("[6,2]", "[6]L3"), WITH(3)}, {IN("[6,2]t", "[6]rL3"), WITH(3)}, {IN("[5,3]r", "[5]sL3"), WITH(3)},         \
        {IN("[5,3]s", "[5]L2"), WITH(2)}, {IN("[4,2,2]o", "[4]L3"), WITH(3)}, {IN("[4,3]b", "[4]oL3"), WITH(3)},       \
        {IN("[0]", "[0]L3"), WITH(3)}, {IN("[0,3]", "[0]L3"), WITH(0)}, {IN("[4,0]", "[4]L3"), WITH(3)},               \
        {IN("[700]=", "[700]L9"), WITH(9), .flags = NO_GRAD}, {IN("[300,70]=", "[300]L7"), WITH(8), .flags = NO_GRAD}, \
    {                                                                                                                  \
        IN("[20,3]!", "[20]L4"), WITH(4)                                                                               \
    }
static const sample segment_sum_good[] = {SEGMENTS, {IN("[6]=", "[6]L2"), WITH(2)}};
static const sample segment_prod_good[] = {SEGMENTS, {IN("[9]=", "[9]L2"), WITH(2)}, {IN("[6,2]=", "[6]L2"), WITH(3)}};
/* the gradient of an empty segment's infinity is nothing to compare */
#define FULL                                                                                                       \
    {IN("[1]", "[1]L1"), WITH(1)}, {IN("[6]", "[6]L4"), WITH(4)}, {IN("[6]", "[6]L3"), WITH(5), .flags = NO_GRAD}, \
        {IN("[6,2]", "[6]L3"), WITH(3)}, {IN("[6,2]t", "[6]rL3"), WITH(3)}, {IN("[5,3]r", "[5]sL3"), WITH(3)},     \
        {IN("[5,3]s", "[5]L2"), WITH(2)}, {IN("[4,2,2]o", "[4]L3"), WITH(3)}, {IN("[4,3]b", "[4]oL3"), WITH(3)},   \
        {IN("[0]", "[0]L3"), WITH(3), .flags = NO_GRAD}, {IN("[0,3]", "[0]L3"), WITH(0)},                          \
        {IN("[4,0]", "[4]L3"), WITH(3)}, {IN("[700]=", "[700]L9"), WITH(9), .flags = NO_GRAD},                     \
        {IN("[300,70]=", "[300]L7"), WITH(7), .flags = NO_GRAD},                                                   \
    {                                                                                                              \
        IN("[20,3]!", "[20]L4"), WITH(4)                                                                           \
    }
static const sample segment_max_good[] = {FULL};
#define segment_min_good segment_max_good
#define segment_mean_good segment_sum_good

enum { SUM, MEAN, PROD, MAX, MIN };
static double lowest(reel_dtype d)
{
    return d == REEL_I8 ? INT8_MIN : d == REEL_U8 ? 0 : d == REEL_I32 ? INT32_MIN : d == REEL_I64 ? -0x1p63 : -INFINITY;
}

static double highest(reel_dtype d)
{
    return d == REEL_I8    ? INT8_MAX
           : d == REEL_U8  ? UINT8_MAX
           : d == REEL_I32 ? INT32_MAX
           : d == REEL_I64 ? 0x1p63
                           : INFINITY;
}

static double joined(int kind, double a, double x)
{
    if (isnan(a) || isnan(x)) return NAN;
    return kind <= MEAN ? a + x : kind == PROD ? a * x : kind == MAX ? fmax(a, x) : fmin(a, x);
}

static void segments(const sample *s, const nd *in, nd *out, int kind)
{
    reel_shape shape = in[0].shape;
    const int64_t n = (int64_t)s->p[0], rows = shape.dims[0], inner = rows ? in[0].count / rows : 0;
    shape.dims[0] = n;
    nd_make(out, in[0].dtype, shape);
    for (int64_t i = 0; i < out->count; i++) {
        const int64_t seg = inner ? i / inner : 0;
        double a = kind == PROD ? 1 : kind == MAX ? lowest(in->dtype) : kind == MIN ? highest(in->dtype) : 0, count = 0;
        uint64_t wrapped = 1;
        for (int64_t r = 0; r < rows; r++) {
            if ((int64_t)in[1].data[r] != seg) continue;
            const double x = in[0].data[r * inner + i % inner];
            a = joined(kind, a, x);
            if (is_int(in->dtype)) wrapped *= (uint64_t)(int64_t)x;
            count++;
        }
        if (kind == MEAN) a /= fmax(count, 1);
        out->data[i] = kind == PROD && is_int(in->dtype) ? (double)(int64_t)wrapped : a;
    }
}

static reel_tensor *labels(void)
{
    return X("[3]L3");
}

#define SEGMENT(name, kind)                                                                                        \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])            \
    {                                                                                                              \
        (void)d;                                                                                                   \
        out[0] = reel_##name(in[0], in[1], (int64_t)s->p[0]);                                                      \
        return reel_status();                                                                                      \
    }                                                                                                              \
    static void name##_reference(const sample *s, reel_dtype d, const nd *in, nd *out)                             \
    {                                                                                                              \
        (void)d;                                                                                                   \
        segments(s, in, out, kind);                                                                                \
    }                                                                                                              \
    static void name##_bad(void)                                                                                   \
    {                                                                                                              \
        BAD(reel_##name(NULL, labels(), 3), REEL_EARG, "x is NULL");                                               \
        BAD(reel_##name(X("[3]"), NULL, 3), REEL_EARG, "ids is NULL");                                             \
        BAD(reel_##name(dead(), labels(), 3), REEL_EARG, "x is |dead");                                            \
        BAD(reel_##name(X("[3,2]"), labels(), 2), REEL_EARG, "id 2 at position 2 is out of range for 2 segments"); \
        BAD(reel_##name(X("[3]"), ids_of(3, (int32_t[]){0, -4, 1}), 2), REEL_EARG, "id -4 at position 1");         \
        BAD(reel_##name(X("[3]"), labels(), 0), REEL_EARG, "3 rows, but 0 segments");                              \
        BAD(reel_##name(X("[3]"), labels(), -1), REEL_EARG, "-1 segments");                                        \
        BAD(reel_##name(X("[3,4]"), labels(), INT64_MAX / 2), REEL_ESHAPE, "");                                    \
        BAD(reel_##name(X("[4]"), labels(), 3), REEL_ESHAPE, "ids [3] do not name the rows of [4]");               \
        BAD(reel_##name(X("[]"), labels(), 3), REEL_ESHAPE, "ids [3] do not name the rows of []");                 \
        BAD(reel_##name(X("[3]"), X("[3]"), 3), REEL_EDTYPE, "ids is f32, allowed: i8 u8 i32 i64");                \
        BAD(reel_##name(XD("[3]", REEL_BOOL), labels(), 3), REEL_EDTYPE, "x is bool, allowed");                    \
        BAD(reel_##name(unset(), labels(), 3), REEL_EARG, "before it has a value");                                \
        BAD(reel_##name(symbol(), labels(), 3), REEL_ETRACE, "graph");                                             \
    }                                                                                                              \
    const samples samples_##name = {GOOD(name##_good), .scale = 2, .apply = name##_apply,                          \
                                    .reference = name##_reference, .bad = name##_bad}

SEGMENT(segment_sum, SUM);
SEGMENT(segment_mean, MEAN);
SEGMENT(segment_prod, PROD);
SEGMENT(segment_max, MAX);
SEGMENT(segment_min, MIN);
