/* samples_scan.c: scans. p0 axis, p1 exclusive, p2 reverse, p3 without the first along axis 0 (reverse: last),
   which may be infinite. */
#include "samples.h"

typedef double join_fn(double so_far, double x, reel_dtype d);

static void scanned(const sample *s, const nd *x, nd *out, double first, join_fn *join)
{
    const int axis = s->p[0] < 0 ? (int)s->p[0] + x->shape.rank : (int)s->p[0];
    const int64_t n = x->shape.dims[axis];
    nd_make(out, x->dtype, x->shape);
    for (int64_t i = 0; i < x->count; i++) {
        int64_t at[REEL_MAX_RANK];
        double a = first;
        nd_unravel(&x->shape, i, at);
        const int64_t to = at[axis];
        for (int64_t k = 0; k < n; k++) {
            const int64_t j = s->p[2] != 0 ? n - 1 - k : k;
            if (j == to && s->p[1] != 0) break;
            at[axis] = j;
            a = join(a, x->data[nd_ravel(&x->shape, at)], x->dtype);
            if (j == to) break;
        }
        out->data[i] = a;
    }
}

static double plus(double a, double x, reel_dtype d)
{
    return is_int(d) ? round_to(a + x, d) : a + x;
}

static double times(double a, double x, reel_dtype d)
{
    return is_int(d) ? round_to((double)(int64_t)((uint64_t)(int64_t)a * (uint64_t)(int64_t)x), d) : a * x;
}

static double larger(double a, double x, reel_dtype d)
{
    (void)d;
    return isnan(a) || isnan(x) ? NAN : a > x ? a : x;
}

static double smaller(double a, double x, reel_dtype d)
{
    (void)d;
    return isnan(a) || isnan(x) ? NAN : a < x ? a : x;
}

static double log_add(double a, double x, reel_dtype d)
{
    (void)d;
    if (isnan(a) || isnan(x)) return NAN;
    const double m = a > x ? a : x;
    return isinf(m) ? m : m + log(exp(a - m) + exp(x - m));
}

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

#define SHAPES                                                                                                        \
    {IN("[1]")}, {IN("[6]")}, {IN("[6]"), WITH(0, 0, 1)}, {IN("[3,4]"), WITH(0)}, {IN("[3,4]b"), WITH(0)},            \
        {IN("[7]r"), WITH(0)}, {IN("[2,3]s"), WITH(1, 0, 1)}, {IN("[1,5,1]"), WITH(1)}, {IN("[0]")},                  \
        {IN("[2,0,3]"), WITH(0)}, {IN("[2,0,3]"), WITH(1, 1)}, {IN("[30,70]="), WITH(0)}, {IN("[70,31]t="), WITH(1)}, \
        {IN("[131]="), WITH(0, 0, 1)}, {IN("[5,7]!"), WITH(0)}, {IN("[40]!"), WITH(0, 1)},                            \
    {                                                                                                                 \
        IN("[3,70]"), WITH(0, 1, 1)                                                                                   \
    }
#define EXCLUSIVE(flag)                                                                             \
    {IN("[6]"), WITH(0, 1), .flags = flag}, {IN("[6]"), WITH(-1, 1, 1), .flags = flag},             \
        {IN("[3,4]"), WITH(1, 1), .flags = flag}, {IN("[3,4]t"), WITH(0, 1, 1), .flags = flag},     \
        {IN("[4,3]o"), WITH(-2, 1), .flags = flag}, {IN("[2,3,4]r"), WITH(1, 1, 1), .flags = flag}, \
    {                                                                                               \
        IN("[3,1]"), WITH(1, 1), .flags = flag                                                      \
    }
#define CUT                                                                                         \
    {IN("[6]"), WITH(0, 1, 0, 1)}, {IN("[6]"), WITH(0, 1, 1, 1)}, {IN("[4,3]t"), WITH(0, 1, 0, 1)}, \
    {                                                                                               \
        IN("[3,2,2]r"), WITH(0, 1, 1, 1)                                                            \
    }
static const sample cumsum_good[] = {SHAPES, EXCLUSIVE(0)};
static const sample cumprod_good[] = {
    SHAPES, EXCLUSIVE(0), {IN("[12]=")}, {IN("[3,5]="), WITH(1, 1)}, {IN("[9]="), WITH(0, 0, 1)}};
static const sample cummax_good[] = {SHAPES, EXCLUSIVE(NO_GRAD), CUT, {IN("[8]="), .flags = NO_GRAD}};
#define cummin_good cummax_good
static const sample logcumsumexp_good[] = {SHAPES, EXCLUSIVE(NO_GRAD), CUT};

static reel_tensor *cut(const sample *s, reel_tensor *y)
{
    const reel_range r = s->p[2] != 0 ? (reel_range){0, -1, 1} : (reel_range){1, REEL_END, 1};
    return s->p[3] != 0 ? reel_slice(y, 1, &r) : y;
}

static void cut_reference(const sample *s, nd *y)
{
    if (s->p[3] == 0) return;
    const int64_t row = y->count / y->shape.dims[0];
    y->shape.dims[0]--;
    y->count -= row;
    if (s->p[2] == 0) memmove(y->data, y->data + row, (size_t)y->count * sizeof *y->data);
}

#define SCAN(name, first, join)                                                                           \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])   \
    {                                                                                                     \
        (void)d;                                                                                          \
        const reel_scan_opts *o = REEL_OPTS(scan, .exclusive = s->p[1] != 0, .reverse = s->p[2] != 0);    \
        out[0] = cut(s, reel_##name(in[0], (int)s->p[0], o));                                             \
        return reel_status();                                                                             \
    }                                                                                                     \
    static void name##_reference(const sample *s, reel_dtype d, const nd *in, nd *out)                    \
    {                                                                                                     \
        (void)d;                                                                                          \
        scanned(s, &in[0], out, first, join);                                                             \
        cut_reference(s, out);                                                                            \
    }                                                                                                     \
    static void name##_bad(void)                                                                          \
    {                                                                                                     \
        BAD(reel_##name(NULL, 0, NULL), REEL_EARG, "reel_" #name "|x is NULL");                           \
        BAD(reel_##name(dead(), 0, NULL), REEL_EARG, "x is |dead");                                       \
        BAD(reel_##name(X("[2,3]"), 2, NULL), REEL_EARG, "axis 2 is out of range for rank 2|x f32[2,3]"); \
        BAD(reel_##name(X("[2,3]"), -3, NULL), REEL_EARG, "axis -3 is out of range for rank 2");          \
        BAD(reel_##name(X("[]"), 0, NULL), REEL_EARG, "axis 0 is out of range for rank 0");               \
        BAD(reel_##name(X("[]"), -1, NULL), REEL_EARG, "axis -1 is out of range for rank 0");             \
        BAD(reel_##name(X("[4]"), INT32_MAX, NULL), REEL_EARG, "out of range for rank 1");                \
        BAD(reel_##name(XD("[2,3]", REEL_BOOL), 0, NULL), REEL_EDTYPE, "x is bool, allowed: f32");        \
        BAD(reel_##name(unset(), 0, NULL), REEL_EARG, "before it has a value");                           \
        BAD(reel_##name(symbol(), 0, NULL), REEL_ETRACE, "graph");                                        \
    }                                                                                                     \
    const samples samples_##name = {GOOD(name##_good), .scale = 4, .apply = name##_apply,                 \
                                    .reference = name##_reference, .bad = name##_bad}

SCAN(cumsum, 0, plus);
SCAN(cumprod, 1, times);
SCAN(cummax, lowest(d), larger);
SCAN(cummin, highest(d), smaller);
SCAN(logcumsumexp, -INFINITY, log_add);

/* ---- the linear scan of gradients -------------------------------------------------------------------- */
static const sample linear_scan_good[] = {{IN("[1]", "[1]")},
                                          {IN("[6]", "[6]")},
                                          {IN("[6]", "[6]"), WITH(0, 1)},
                                          {IN("[6]r", "[6]"), WITH(0, 0, 1)},
                                          {IN("[6]", "[6]s"), WITH(-1, 1, 1)},
                                          {IN("[3,4]", "[3,4]")},
                                          {IN("[3,4]", "[3,4]t"), WITH(1, 1)},
                                          {IN("[3,4]o", "[3,4]"), WITH(0, 0, 1)},
                                          {IN("[2,3,4]", "[2,3,4]b"), WITH(1, 1, 1)},
                                          {IN("[0]", "[0]")},
                                          {IN("[2,0,3]", "[2,0,3]"), WITH(0)},
                                          {IN("[30,70]", "[30,70]"), WITH(0)},
                                          {IN("[131]", "[131]="), WITH(0, 0, 1)},
                                          {IN("[5,7]!", "[5,7]"), WITH(0)}};

static reel_tensor *linear_scan(const char *site, reel_tensor *b, reel_tensor *a, int axis, bool source, bool reverse)
{
    const reel_attr_scan how = {axis, source, reverse};
    return reel_linear_scan_at_(site, b, a, &how);
}

static int linear_scan_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    out[0] = linear_scan(REEL_HERE, in[0], in[1], (int)s->p[0], s->p[1] != 0, s->p[2] != 0);
    return reel_status();
}

static void linear_scan_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const reel_shape *shape = &in[0].shape;
    const int axis = s->p[0] < 0 ? (int)s->p[0] + shape->rank : (int)s->p[0];
    const int64_t n = shape->dims[axis];
    nd_make(out, d, *shape);
    for (int64_t line = 0; line < in[0].count; line++) {
        int64_t at[REEL_MAX_RANK], before = 0;
        nd_unravel(shape, line, at);
        if (at[axis]) continue;
        double a = 0;
        for (int64_t k = 0; k < n; k++) {
            at[axis] = s->p[2] != 0 ? n - 1 - k : k;
            const int64_t i = nd_ravel(shape, at);
            a = k ? in[0].data[i] + in[1].data[s->p[1] != 0 ? before : i] * a : in[0].data[i];
            out->data[i] = a;
            before = i;
        }
    }
}

static void linear_scan_bad(void)
{
    BAD(linear_scan(REEL_HERE, NULL, X("[2]"), 0, false, false), REEL_EARG, "b is NULL");
    BAD(linear_scan(REEL_HERE, X("[2]"), NULL, 0, false, false), REEL_EARG, "a is NULL");
    BAD(linear_scan(REEL_HERE, dead(), X("[2]"), 0, false, false), REEL_EARG, "dead");
    BAD(linear_scan(REEL_HERE, X("[2]"), X("[3]"), 0, false, false), REEL_ESHAPE, "b is [2], a is [3]");
    BAD(linear_scan(REEL_HERE, X("[2]"), X("[2,1]"), 0, false, false), REEL_ESHAPE, "b is [2], a is [2,1]");
    BAD(linear_scan(REEL_HERE, X("[2]"), XD("[2]", REEL_F64), 0, false, false), REEL_EDTYPE, "f64");
    BAD(linear_scan(REEL_HERE, XD("[2]", REEL_I32), XD("[2]", REEL_I32), 0, false, false), REEL_EDTYPE, "i32");
    BAD(linear_scan(REEL_HERE, X("[2]"), X("[2]"), 1, false, false), REEL_EARG, "axis 1 is out of range for rank 1");
    BAD(linear_scan(REEL_HERE, X("[]"), X("[]"), 0, false, false), REEL_EARG, "out of range for rank 0");
    BAD(linear_scan(REEL_HERE, unset(), X("[2]"), 0, false, false), REEL_EARG, "before it has a value");
}

const samples samples_linear_scan = {GOOD(linear_scan_good), .scale = 4, .apply = linear_scan_apply,
                                     .reference = linear_scan_reference, .bad = linear_scan_bad};
