/* samples_create.c: tensors made from attributes. p: dims first, then what the op takes. */
#include "core/random.h"
#include "samples.h"

/* ---- num --------------------------------------------------------------------------------------------- */
static int num_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d, (void)in;
    out[0] = reel_stop_gradient(reel_num(s->p[0]));
    return reel_status();
}

static void num_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    (void)d, (void)in;
    nd_make(out, REEL_F32, REEL_SCALAR);
    out->data[0] = s->p[0];
}

static void num_bad(void)
{
    BAD(reel_add(XD("[2]", REEL_U8), reel_num(-1)), REEL_EDTYPE, "reel_add|-1 does not fit u8");
    BAD(reel_add(XD("[2]", REEL_I8), reel_num(128)), REEL_EDTYPE, "128 does not fit i8");
    BAD(reel_mul(XD("[2]", REEL_I64), reel_num(1e30)), REEL_EDTYPE, "does not fit i64");
    BAD(reel_equal(XD("[2]", REEL_BOOL), reel_num(2)), REEL_EDTYPE, "2 does not fit bool");
    BAD(reel_add(XD("[2]", REEL_I32), reel_num(NAN)), REEL_EDTYPE, "does not fit i32");
    BAD(reel_add(XD("[2]", REEL_I32), reel_num(1.5)), REEL_EDTYPE, "1.5 does not fit i32");
    BAD(reel_sub(XD("[2]", REEL_U8), reel_num(256)), REEL_EDTYPE, "256 does not fit u8");
    BAD(reel_div(reel_num(-INFINITY), XD("[2]", REEL_I64)), REEL_EDTYPE, "does not fit i64");
    BAD(reel_maximum(XD("[2]", REEL_BOOL), reel_num(0.5)), REEL_EDTYPE, "0.5 does not fit bool");
    BAD(reel_matmul(reel_num(1), reel_num(2)), REEL_ESHAPE, "reel_matmul");
}

static const sample num_good[] = {{WITH(0)},    {WITH(1)},      {WITH(-2.5)},   {WITH(0.1)},
                                  {WITH(1e30)}, {WITH(-1e300)}, {WITH(NAN)},    {WITH(INFINITY)},
                                  {WITH(-0.0)}, {WITH(3)},      {WITH(1e-300)}, {WITH(16777217)}};
const samples samples_num = {GOOD(num_good), .dtypes = REEL_BIT(REEL_F32), .apply = num_apply,
                             .reference = num_reference, .bad = num_bad};

/* ---- full: p0 rank, p1.. dims, p7 value --------------------------------------------------------------- */
static reel_shape dims_of(const sample *s)
{
    reel_shape shape = {.rank = (int)s->p[0]};
    for (int i = 0; i < shape.rank; i++) shape.dims[i] = (int64_t)s->p[i + 1];
    return shape;
}

static int full_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)in;
    out[0] = reel_full(d, dims_of(s), s->p[7]);
    return reel_status();
}

static void full_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    (void)in;
    nd_make(out, d, dims_of(s));
    for (int64_t i = 0; i < out->count; i++) out->data[i] = s->p[7];
}

static void full_bad(void)
{
    const reel_shape nine = {.rank = 9};
    BAD(reel_zeros(REEL_F32, REEL_SHAPE(2, -3)), REEL_ESHAPE, "reel_full|negative dimension|axis 1 is -3");
    BAD(reel_zeros(REEL_F32, nine), REEL_ESHAPE, "rank 9");
    BAD(reel_ones(REEL_F32, REEL_SHAPE(1LL << 40, 1LL << 40)), REEL_ESHAPE, "overflow");
    BAD(reel_zeros((reel_dtype)0, REEL_SHAPE(2)), REEL_EDTYPE, "0 is no dtype");
    BAD(reel_zeros(REEL_F32, REEL_SHAPE(REEL_ANY, 2)), REEL_ESHAPE, "unknown dimension");
    BAD(reel_full(REEL_I32, REEL_SHAPE(2), 0.5), REEL_EDTYPE, "value 0.5 is not a value of i32");
    BAD(reel_full(REEL_U8, REEL_SHAPE(2), 256), REEL_EDTYPE, "256 is not a value of u8");
    BAD(reel_full(REEL_BOOL, REEL_SHAPE(2), 2), REEL_EDTYPE, "2 is not a value of bool");
    BAD(reel_full(REEL_I64, REEL_SHAPE(2), NAN), REEL_EDTYPE, "is not a value of i64");
    BAD(reel_ones(REEL_N_DTYPES, REEL_SHAPE(2)), REEL_EDTYPE, "is no dtype");
}

#define FULL(value, ...)               \
    {                                  \
        WITH(__VA_ARGS__, [7] = value) \
    }
static const sample full_good[] = {FULL(1, 0),        FULL(0, 1, 0),          FULL(1, 1, 1),    FULL(0, 2, 3, 4),
                                   FULL(1, 2, 3, 4),  FULL(1, 3, 2, 0, 3),    FULL(0, 2, 1, 7), FULL(1, 2, 70, 301),
                                   FULL(0, 1, 20001), FULL(1, 4, 2, 1, 3, 2), FULL(0, 2, 0, 5), FULL(1, 1, 3)};
const samples samples_full = {GOOD(full_good), .apply = full_apply, .reference = full_reference, .bad = full_bad};

/* ---- full_like: p0 value ----------------------------------------------------------------------------- */
static int full_like_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    out[0] = reel_full_like_at_(REEL_HERE, in[0], s->p[0]);
    return reel_status();
}

static void full_like_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd_make(out, d, in[0].shape);
    for (int64_t i = 0; i < out->count; i++) out->data[i] = s->p[0];
}

static void full_like_bad(void)
{
    BAD(reel_zeros_like(NULL), REEL_EARG, "reel_full_like|x is NULL");
    BAD(reel_ones_like(NULL), REEL_EARG, "x is NULL");
    BAD(reel_zeros_like(dead()), REEL_EARG, "x is |dead");
    BAD(reel_zeros_like(symbol()), REEL_ETRACE, "graph");
    BAD(reel_ones_like(symbol()), REEL_ETRACE, "graph");
    BAD(reel_full_like_at_(REEL_HERE, dead(), 2), REEL_EARG, "dead");
    BAD(reel_zeros_like(reel_reshape(X("[2]"), REEL_SHAPE(3))), REEL_ESHAPE, "reel_reshape");
}

static const sample full_like_good[] = {{IN("[]")},
                                        {IN("[0]")},
                                        {IN("[1]"), WITH(1)},
                                        {IN("[3,4]")},
                                        {IN("[3,4]t"), WITH(1)},
                                        {IN("[5]r")},
                                        {IN("[2,3]s"), WITH(1)},
                                        {IN("[2,3]o")},
                                        {IN("[2,3]b")},
                                        {IN("[70,301]"), WITH(1)},
                                        {IN("[2,1,3]t"), WITH(1)},
                                        {IN("[4,0]s")}};
const samples samples_full_like = {GOOD(full_like_good), .apply = full_like_apply, .reference = full_like_reference,
                                   .bad = full_like_bad};

/* ---- arange: p start, stop, step --------------------------------------------------------------------- */
static int arange_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)in;
    out[0] = reel_arange(d, s->p[0], s->p[1], s->p[2]);
    return reel_status();
}

static void arange_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const double n = ceil((s->p[1] - s->p[0]) / s->p[2]);
    (void)in;
    nd_make(out, d, REEL_SHAPE(n > 0 ? (int64_t)n : 0));
    for (int64_t i = 0; i < out->count; i++) out->data[i] = s->p[0] + (double)i * s->p[2];
}

static void arange_bad(void)
{
    BAD(reel_arange(REEL_F32, 0, 10, 0), REEL_EARG, "reel_arange|step 0");
    BAD(reel_arange(REEL_F32, 0, INFINITY, 1), REEL_EARG, "finite");
    BAD(reel_arange(REEL_F32, NAN, 1, 1), REEL_EARG, "finite");
    BAD(reel_arange(REEL_I32, 0, 3, 0.5), REEL_EDTYPE, "step 0.5 is not a value of i32");
    BAD(reel_arange(REEL_U8, 0, 300, 1), REEL_EDTYPE, "299 is not a value of u8");
    BAD(reel_arange(REEL_F32, 0, 1e300, 1e-3), REEL_ESHAPE, "too many");
    BAD(reel_arange((reel_dtype)55, 0, 3, 1), REEL_EDTYPE, "55 is no dtype");
    BAD(reel_arange(REEL_F32, 0, 3, NAN), REEL_EARG, "finite");
    BAD(reel_arange(REEL_I8, -200, 3, 1), REEL_EDTYPE, "-200 is not a value of i8");
    BAD(reel_arange(REEL_F32, -INFINITY, 3, 1), REEL_EARG, "finite");
}

static const sample arange_good[] = {{WITH(0, 2, 1)},   {WITH(0, 1, 1)}, {WITH(1, 1, 1)},  {WITH(0, 0, 1)},
                                     {WITH(1, -1, -1)}, {WITH(1, 2, 3)}, {WITH(0, 2, 2)},  {WITH(2, 1, 1)},
                                     {WITH(1, 0, -2)},  {WITH(2, 0, 1)}, {WITH(0, 0, -1)}, {WITH(1, -2, -4)}};
const samples samples_arange = {GOOD(arange_good), .apply = arange_apply, .reference = arange_reference,
                                .bad = arange_bad};

/* ---- eye: p rows, columns ---------------------------------------------------------------------------- */
static int eye_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)in;
    out[0] = reel_eye(d, (int64_t)s->p[0], (int64_t)s->p[1]);
    return reel_status();
}

static void eye_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    (void)in;
    nd_make(out, d, REEL_SHAPE((int64_t)s->p[0], (int64_t)s->p[1]));
    for (int64_t i = 0; i < out->count; i++) out->data[i] = i / out->shape.dims[1] == i % out->shape.dims[1];
}

static void eye_bad(void)
{
    BAD(reel_eye(REEL_F32, -1, 2), REEL_ESHAPE, "reel_eye");
    BAD(reel_eye(REEL_F32, 2, -4), REEL_ESHAPE, "negative dimension|axis 1 is -4");
    BAD(reel_eye(REEL_F32, 1LL << 40, 1LL << 40), REEL_ESHAPE, "overflow");
    BAD(reel_eye((reel_dtype)-1, 2, 2), REEL_EDTYPE, "is no dtype");
    BAD(reel_eye(REEL_N_DTYPES, 2, 2), REEL_EDTYPE, "is no dtype");
    BAD(reel_eye(REEL_F32, INT64_MIN, 2), REEL_ESHAPE, "reel_eye");
    BAD(reel_eye(REEL_F32, INT64_MAX, 2), REEL_ESHAPE, "overflow");
    BAD(reel_eye(REEL_F64, 1LL << 31, 1LL << 31), REEL_ESHAPE, "overflow");
    BAD(reel_eye((reel_dtype)0, 2, 2), REEL_EDTYPE, "0 is no dtype");
    BAD(reel_eye(REEL_BOOL, 2, -1), REEL_ESHAPE, "unknown dimension");
}

static const sample eye_good[] = {{WITH(1, 1)}, {WITH(0, 3)}, {WITH(3, 0)}, {WITH(3, 3)},
                                  {WITH(2, 5)}, {WITH(5, 2)}, {WITH(1, 4)}, {WITH(150, 151)},
                                  {WITH(0, 0)}, {WITH(7, 7)}, {WITH(4, 1)}, {WITH(2, 1)}};
const samples samples_eye = {GOOD(eye_good), .apply = eye_apply, .reference = eye_reference, .bad = eye_bad};

/* ---- uniform, normal: p0 rank, p1.. dims, p5, p6 range or mean and deviation --------------------------- */
static int uniform_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)in;
    out[0] = reel_uniform(d, dims_of(s), s->p[5], s->p[6], NULL);
    return reel_status();
}

static int normal_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)in;
    out[0] = reel_normal(d, dims_of(s), s->p[5], s->p[6], NULL);
    return reel_status();
}

/* Mean and deviation within 5 standard errors and a rounding; equal neighbours only where the dtype is coarse. */
static bool distributed(const nd *a, double mean, double deviation)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < a->count; i++) sum += a->data[i];
    const double n = (double)a->count, m = sum / n;
    for (int64_t i = 0; i < a->count; i++) squares += (a->data[i] - m) * (a->data[i] - m);
    if (a->count < 1000) return true;
    return fabs(m - mean) <= deviation * (5 / sqrt(n) + 0.005) &&
           fabs(sqrt(squares / n) - deviation) <= deviation * (5 / sqrt(n) + 0.005);
}

static bool uniform_accept(const sample *s, reel_dtype d, const nd *out)
{
    const reel_shape want = dims_of(s);
    const double low = s->p[5], high = s->p[6];
    if (out->dtype != d || !reel_shape_same_(&out->shape, &want)) return false;
    for (int64_t i = 0; i < out->count; i++)
        if (!(out->data[i] >= round_to(low, d) && (out->data[i] < high || low == high))) return false;
    return distributed(out, (low + high) / 2, (high - low) / sqrt(12));
}

static bool normal_accept(const sample *s, reel_dtype d, const nd *out)
{
    const reel_shape want = dims_of(s);
    if (out->dtype != d || !reel_shape_same_(&out->shape, &want)) return false;
    for (int64_t i = 0; i < out->count; i++)
        if (!isfinite(out->data[i])) return false;
    return distributed(out, s->p[5], s->p[6]);
}

static void uniform_bad(void)
{
    BAD(reel_uniform(REEL_F32, REEL_SHAPE(2), 1, 0, NULL), REEL_EARG, "reel_uniform|bad range [1, 0)");
    BAD(reel_uniform(REEL_F32, REEL_SHAPE(2), 0, INFINITY, NULL), REEL_EARG, "bad range");
    BAD(reel_uniform(REEL_F32, REEL_SHAPE(2), NAN, 1, NULL), REEL_EARG, "bad range");
    BAD(reel_uniform(REEL_I32, REEL_SHAPE(2), 0, 1, NULL), REEL_EDTYPE, "i32 cannot be drawn, allowed: f32");
    BAD(reel_uniform(REEL_F32, REEL_SHAPE(-2), 0, 1, NULL), REEL_ESHAPE, "negative dimension");
    BAD(reel_uniform((reel_dtype)0, REEL_SHAPE(2), 0, 1, NULL), REEL_EDTYPE, "0 is no dtype");
    BAD(reel_uniform(REEL_U8, REEL_SHAPE(2), 0, 1, NULL), REEL_EDTYPE, "u8 cannot be drawn");
    BAD(reel_uniform(REEL_F32, REEL_SHAPE(1LL << 40, 1LL << 40), 0, 1, NULL), REEL_ESHAPE, "overflow");
    BAD(reel_uniform(REEL_F32, REEL_SHAPE(REEL_ANY), 0, 1, NULL), REEL_ESHAPE, "unknown dimension");
    BAD(reel_uniform(REEL_F32, REEL_SHAPE(2), -INFINITY, 1, NULL), REEL_EARG, "bad range");
}

static void normal_bad(void)
{
    BAD(reel_normal(REEL_F32, REEL_SHAPE(2), 0, -1, NULL), REEL_EARG,
        "reel_normal|bad mean 0 or standard deviation -1");
    BAD(reel_normal(REEL_F32, REEL_SHAPE(2), INFINITY, 1, NULL), REEL_EARG, "bad mean");
    BAD(reel_normal(REEL_BOOL, REEL_SHAPE(2), 0, 1, NULL), REEL_EDTYPE, "bool cannot be drawn");
    BAD(reel_randn(REEL_I64, REEL_SHAPE(2)), REEL_EDTYPE, "i64 cannot be drawn");
    BAD(reel_randn(REEL_F32, REEL_SHAPE(1LL << 62, 4)), REEL_ESHAPE, "overflow");
    BAD(reel_randn(REEL_F32, REEL_SHAPE(-7)), REEL_ESHAPE, "negative dimension");
    BAD(reel_randn((reel_dtype)0, REEL_SHAPE(2)), REEL_EDTYPE, "0 is no dtype");
    BAD(reel_normal(REEL_F32, REEL_SHAPE(2), 0, NAN, NULL), REEL_EARG, "reel_normal");
    BAD(reel_normal(REEL_F32, REEL_SHAPE(2), NAN, 1, NULL), REEL_EARG, "bad mean");
    BAD(reel_normal(REEL_F32, REEL_SHAPE(2), 0, INFINITY, NULL), REEL_EARG, "reel_normal");
}

#define DRAW(a, b, ...)                     \
    {                                       \
        WITH(__VA_ARGS__, [5] = a, [6] = b) \
    }
static const sample uniform_good[] = {DRAW(0, 1, 0),       DRAW(0, 1, 1, 0),          DRAW(-1, 1, 1, 1),
                                      DRAW(0, 1, 2, 3, 4), DRAW(-3, -1, 2, 3, 5),     DRAW(0, 2, 1, 1001),
                                      DRAW(2, 2, 2, 1, 7), DRAW(-0.5, 0.5, 1, 40000), DRAW(0, 1, 2, 301, 70),
                                      DRAW(0, 1, 2, 0, 3), DRAW(0, 0.5, 1, 7),        DRAW(-1, 1, 1, 4)};
static const sample normal_good[] = {DRAW(0, 1, 0),       DRAW(0, 1, 1, 0),       DRAW(-1, 1, 1, 1),
                                     DRAW(0, 1, 2, 3, 4), DRAW(-3, 0.5, 2, 3, 5), DRAW(0, 2, 1, 1001),
                                     DRAW(2, 0, 2, 1, 7), DRAW(0.5, 1, 1, 40000), DRAW(0, 1, 2, 301, 70),
                                     DRAW(0, 1, 2, 0, 3), DRAW(0, 0.5, 1, 7),     DRAW(-1, 1, 1, 4)};
const samples samples_uniform = {GOOD(uniform_good), .apply = uniform_apply, .accept = uniform_accept,
                                 .bad = uniform_bad};
const samples samples_normal = {GOOD(normal_good), .apply = normal_apply, .accept = normal_accept, .bad = normal_bad};

/* ---- one_hot: p0 classes; one_hot_like: the second operand's shape ----------------------------------- */
static void hot(const nd *labels, int64_t classes, reel_dtype d, nd *out)
{
    reel_shape s = labels->shape;
    s.dims[s.rank++] = classes;
    nd_make(out, d, s);
    for (int64_t i = 0; i < out->count; i++) out->data[i] = labels->data[i / classes] == (double)(i % classes);
}

static int one_hot_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    out[0] = reel_one_hot(in[0], (int64_t)s->p[0], d == REEL_U8 ? REEL_BOOL : d == REEL_I64 ? REEL_I64 : REEL_F32);
    return reel_status();
}

static void one_hot_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    hot(&in[0], (int64_t)s->p[0], d == REEL_U8 ? REEL_BOOL : d == REEL_I64 ? REEL_I64 : REEL_F32, out);
}

static void one_hot_bad(void)
{
    BAD(reel_one_hot(NULL, 3, REEL_F32), REEL_EARG, "reel_one_hot|labels is NULL");
    BAD(reel_one_hot(X("[2]"), 3, REEL_F32), REEL_EDTYPE, "labels is f32, allowed: i8 u8 i32 i64");
    BAD(reel_one_hot(X("[2]L3"), -1, REEL_F32), REEL_EARG, "-1 classes");
    BAD(reel_one_hot(X("[2]L3"), 3, (reel_dtype)0), REEL_EDTYPE, "0 is no dtype");
    BAD(reel_one_hot(X("[1,1,1,1,1,1,1,1]L3"), 3, REEL_F32), REEL_ESHAPE, "9 axes");
    BAD(reel_one_hot(dead(), 3, REEL_F32), REEL_EARG, "dead");
}

static const sample one_hot_good[] = {{IN("[]"), WITH(5)},      {IN("[0]"), WITH(3)},    {IN("[1]"), WITH(1)},
                                      {IN("[3,4]"), WITH(7)},   {IN("[3,4]t"), WITH(4)}, {IN("[5]r="), WITH(3)},
                                      {IN("[2,3]s="), WITH(2)}, {IN("[2,3]b"), WITH(9)}, {IN("[4]o"), WITH(0)},
                                      {IN("[301]="), WITH(70)}, {IN("[2,0]"), WITH(2)},  {IN("[50,41]t="), WITH(3)}};
const samples samples_one_hot = {GOOD(one_hot_good), .apply = one_hot_apply, .reference = one_hot_reference,
                                 .bad = one_hot_bad};

static int one_hot_like_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)s, (void)d;
    out[0] = reel_one_hot_like_at_(REEL_HERE, in[0], in[1]);
    return reel_status();
}

static void one_hot_like_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    (void)s, (void)d;
    hot(&in[0], in[1].shape.dims[in[1].shape.rank - 1], REEL_F32, out);
}

static void one_hot_like_bad(void)
{
    BAD(reel_one_hot_like_at_(REEL_HERE, NULL, X("[2,3]")), REEL_EARG, "reel_one_hot_like|labels is NULL");
    BAD(reel_one_hot_like_at_(REEL_HERE, X("[2]L3"), NULL), REEL_EARG, "like is NULL");
    BAD(reel_one_hot_like_at_(REEL_HERE, X("[2]"), X("[2,3]")), REEL_EDTYPE, "labels is f32, allowed: i8 u8 i32 i64");
    BAD(reel_one_hot_like_at_(REEL_HERE, X("[2]L3"), X("[3,3]")), REEL_ESHAPE, "[2] does not label the rows of [3,3]");
    BAD(reel_one_hot_like_at_(REEL_HERE, X("[2]L3"), X("[2]")), REEL_ESHAPE, "does not label the rows of [2]");
    BAD(reel_one_hot_like_at_(REEL_HERE, X("[]L3"), X("[]")), REEL_ESHAPE, "does not label");
}

static const sample one_hot_like_good[] = {
    {IN("[]", "[5]F")},          {IN("[0]", "[0,3]F")},   {IN("[1]", "[1,1]F")},        {IN("[3,4]", "[3,4,7]F")},
    {IN("[3,4]t", "[3,4,2]F")},  {IN("[5]r=", "[5,3]F")}, {IN("[2,3]s=", "[2,3,2]tF")}, {IN("[2,3]b", "[2,3,9]F")},
    {IN("[301]=", "[301,70]F")}, {IN("[4]o=", "[4,3]F")}, {IN("[2,2]r=", "[2,2,1]F")},  {IN("[0,2]", "[0,2,3]F")}};
const samples samples_one_hot_like = {GOOD(one_hot_like_good), .apply = one_hot_like_apply,
                                      .reference = one_hot_like_reference, .bad = one_hot_like_bad};
