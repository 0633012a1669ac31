/* samples_random.c: random numbers, and sequences. What is drawn is accepted by its moments here; test_draws.c looks closer. */
#include "samples_of.h"

/* p0 rank, p1.. dims; the op's numbers from p5 on */
static bool is_of(const sample *s, reel_dtype d, const nd *out)
{
    const reel_shape want = shape_of(s);
    return out->dtype == d && reel_shape_same_(&out->shape, &want);
}

/* All in [low, high]; the mean of many within 5 standard errors, and a rounding of the dtype. */
static bool drawn(const nd *out, double low, double high, double mean, double deviation)
{
    double sum = 0;
    for (int64_t i = 0; i < out->count; i++) {
        if (!(out->data[i] >= low && out->data[i] <= high)) return false;
        sum += out->data[i];
    }
    const double n = (double)out->count;
    return n < 1000 || fabs(sum / n - mean) <= deviation * (5 / sqrt(n) + 0.005);
}

#define APPLY_DRAW(name, call)                                                                          \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[]) \
    {                                                                                                   \
        UNUSED;                                                                                         \
        (void)in;                                                                                       \
        out[0] = call;                                                                                  \
        return reel_status();                                                                           \
    }
#define DRAWS(name)                                                                                    \
    const samples samples_##name = {GOOD(name##_good), .apply = name##_apply, .accept = name##_accept, \
                                    .bad = name##_bad}
#define SHAPES(...)                                                                                             \
    {WITH(0, __VA_ARGS__)}, {WITH(1, 0, __VA_ARGS__)}, {WITH(1, 1, __VA_ARGS__)}, {WITH(2, 3, 4, __VA_ARGS__)}, \
        {WITH(3, 2, 0, 3, __VA_ARGS__)}, {WITH(1, 1001, __VA_ARGS__)},                                          \
    {                                                                                                           \
        WITH(2, 301, 70, __VA_ARGS__)                                                                           \
    }
/* Shapes that no creation takes; CALL(dtype, shape). */
#define BAD_SHAPES(CALL, D)                                                  \
    BAD(CALL(D, REEL_SHAPE(-2)), REEL_ESHAPE, "negative dimension");         \
    BAD(CALL(D, REEL_SHAPE(2, REEL_ANY)), REEL_ESHAPE, "unknown dimension"); \
    BAD(CALL(D, ((reel_shape){.rank = 9})), REEL_ESHAPE, "rank 9");          \
    BAD(CALL(D, REEL_SHAPE(1LL << 40, 1LL << 40)), REEL_ESHAPE, "overflow"); \
    BAD(CALL((reel_dtype)0, REEL_SHAPE(2)), REEL_EDTYPE, "0 is no dtype");   \
    BAD(CALL((reel_dtype)99, REEL_SHAPE(2)), REEL_EDTYPE, "99 is no dtype")

/* ---- truncated_normal: p5 mean, deviation, low, high ------------------------------------------------------- */
APPLY_DRAW(truncated_normal, reel_truncated_normal(d, shape_of(s), s->p[5], s->p[6], s->p[7], s->p[8], NULL))

static bool truncated_normal_accept(const sample *s, reel_dtype d, const nd *out)
{
    const double a = (s->p[7] - s->p[5]) / s->p[6], b = (s->p[8] - s->p[5]) / s->p[6];
    const double mass = 0.5 * (erfc(-b / sqrt(2)) - erfc(-a / sqrt(2)));
    const double mean = s->p[5] + s->p[6] * (exp(-a * a / 2) - exp(-b * b / 2)) / sqrt(2 * 3.14159265358979) / mass;
    return is_of(s, d, out) && drawn(out, round_to(s->p[7], d), round_to(s->p[8], d), mean, s->p[6]);
}

static void truncated_normal_bad(void)
{
#define CALL(d, s) reel_truncated_normal(d, s, 0, 1, -2, 2, NULL)
    BAD_SHAPES(CALL, REEL_F32);
    BAD(CALL(REEL_I32, REEL_SHAPE(2)), REEL_EDTYPE, "i32 cannot be drawn");
#undef CALL
    BAD(reel_truncated_normal(REEL_F32, REEL_SHAPE(2), 0, 0, -2, 2, NULL), REEL_EARG, "standard deviation 0");
    BAD(reel_truncated_normal(REEL_F32, REEL_SHAPE(2), NAN, 1, -2, 2, NULL), REEL_EARG, "bad mean");
    BAD(reel_truncated_normal(REEL_F32, REEL_SHAPE(2), 0, 1, 2, 2, NULL), REEL_EARG, "bad range [2, 2]");
    BAD(reel_truncated_normal(REEL_F32, REEL_SHAPE(2), 0, 1, NAN, 2, NULL), REEL_EARG, "bad range");
}

#define CUT(a, b, c, e) [5] = a, [6] = b, [7] = c, [8] = e
static const sample truncated_normal_good[] = {SHAPES(CUT(0, 1, -2, 2)),
                                               {WITH(1, 40000, CUT(1, 2, 0, 3))},
                                               {WITH(1, 40000, CUT(0, 1, 3, 5))},
                                               {WITH(1, 5000, CUT(0, 1, -5, -3))},
                                               {WITH(1, 5000, CUT(0, 0.5, -0.25, 0.125))},
                                               {WITH(2, 100, 50, CUT(-3, 1, -3, 9))}};
DRAWS(truncated_normal);

/* ---- bernoulli: p5 probability; bernoulli_of: an operand of them --------------------------------------------- */
APPLY_DRAW(bernoulli, reel_bernoulli(d, shape_of(s), s->p[5], NULL))

static bool bernoulli_accept(const sample *s, reel_dtype d, const nd *out)
{
    for (int64_t i = 0; i < out->count; i++)
        if (out->data[i] != 0 && out->data[i] != 1) return false;
    return is_of(s, d, out) && drawn(out, s->p[5] == 1, s->p[5] != 0, s->p[5], sqrt(s->p[5] * (1 - s->p[5])));
}

static void bernoulli_bad(void)
{
#define CALL(d, s) reel_bernoulli(d, s, 0.5, NULL)
    BAD_SHAPES(CALL, REEL_F32);
#undef CALL
    BAD(reel_bernoulli(REEL_F32, REEL_SHAPE(2), -0.1, NULL), REEL_EARG, "reel_bernoulli|-0.1 is no probability");
    BAD(reel_bernoulli(REEL_F32, REEL_SHAPE(2), 1.01, NULL), REEL_EARG, "1.01 is no probability");
    BAD(reel_bernoulli(REEL_F32, REEL_SHAPE(2), NAN, NULL), REEL_EARG, "nan is no probability");
    BAD(reel_bernoulli(REEL_F32, REEL_SHAPE(2), INFINITY, NULL), REEL_EARG, "inf is no probability");
}

static const sample bernoulli_good[] = {
    SHAPES([5] = 0.5),        {WITH(1, 40000, [5] = 0.1)},   {WITH(1, 1000, [5] = 0)},
    {WITH(1, 1000, [5] = 1)}, {WITH(1, 40000, [5] = 0.999)}, {WITH(2, 7, 3, [5] = 0.3)}};
DRAWS(bernoulli);

APPLY(bernoulli_of, reel_bernoulli_of(in[0], NULL))

static bool bernoulli_of_accept(const sample *s, reel_dtype d, const nd *out)
{
    for (int64_t i = 0; i < out->count; i++)
        if (out->data[i] != 0 && out->data[i] != 1) return false;
    return s->p[0] == (double)out->count && out->dtype == d;
}

static void bernoulli_of_bad(void)
{
#define CALL(x) reel_bernoulli_of(x, NULL)
    STRANGERS(CALL);
    BAD(CALL(XD("[2]", REEL_I32)), REEL_EDTYPE, "reel_bernoulli_of|p is i32, allowed: f32 f64 f16 bf16");
    BAD(CALL(XD("[2]", REEL_BOOL)), REEL_EDTYPE, "p is bool");
    BAD(CALL(XD("[]", REEL_I64)), REEL_EDTYPE, "p is i64");
    BAD(CALL(XD("[0]", REEL_U8)), REEL_EDTYPE, "p is u8");
    BAD(CALL(reel_reshape(X("[2]"), REEL_SHAPE(3))), REEL_ESHAPE, "does not fit");
    BAD(CALL(reel_select(X("[2]"), 0, 5)), REEL_EARG, "index 5");
#undef CALL
}

static const sample bernoulli_of_good[] = {
    {IN("[]"), WITH(1)},      {IN("[1]+"), WITH(1)},  {IN("[0]"), WITH(0)},    {IN("[3,4]+"), WITH(12)},
    {IN("[3,4]t"), WITH(12)}, {IN("[5]r+"), WITH(5)}, {IN("[2,3]s"), WITH(6)}, {IN("[2,3]o"), WITH(6)},
    {IN("[2,3]b"), WITH(6)},  {IN("[4]!"), WITH(4)},  {IN("[2,0]"), WITH(0)},  {IN("[70,301]+"), WITH(21070)}};
DRAWS(bernoulli_of);

/* ---- the shape of another: p5, p6 as uniform and normal --------------------------------------------------------- */
APPLY(uniform_like, reel_uniform_like(in[0], s->p[5], s->p[6], NULL))
APPLY(normal_like, reel_normal_like(in[0], s->p[5], s->p[6], NULL))

static bool uniform_like_accept(const sample *s, reel_dtype d, const nd *out)
{
    return out->dtype == d && (double)out->count == s->p[0] &&
           drawn(out, s->p[5], s->p[6], (s->p[5] + s->p[6]) / 2, (s->p[6] - s->p[5]) / sqrt(12));
}

static bool normal_like_accept(const sample *s, reel_dtype d, const nd *out)
{
    return out->dtype == d && (double)out->count == s->p[0] && drawn(out, -1e9, 1e9, s->p[5], s->p[6]);
}

#define BAD_LIKE(name)                                                            \
    BAD(reel_##name(NULL, 0, 1, NULL), REEL_EARG, "reel_" #name "|x is NULL");    \
    BAD(reel_##name(dead(), 0, 1, NULL), REEL_EARG, "dead");                      \
    BAD(reel_##name(symbol(), 0, 1, NULL), REEL_ETRACE, "graph");                 \
    BAD(reel_##name(XD("[2]", REEL_I32), 0, 1, NULL), REEL_EDTYPE, "x is i32");   \
    BAD(reel_##name(XD("[2]", REEL_BOOL), 0, 1, NULL), REEL_EDTYPE, "x is bool"); \
    BAD(reel_##name(X("[2]"), 0, INFINITY, NULL), REEL_EARG, "bad");              \
    BAD(reel_##name(X("[2]"), NAN, 1, NULL), REEL_EARG, "bad");                   \
    BAD(reel_##name(X("[2]"), 0, NAN, NULL), REEL_EARG, "bad");                   \
    BAD(reel_##name(X("[0]"), 0, -1, NULL), REEL_EARG, "bad");                    \
    BAD(reel_##name(X("[]"), INFINITY, 1, NULL), REEL_EARG, "bad")

static void uniform_like_bad(void)
{
    BAD_LIKE(uniform_like);
}

static void normal_like_bad(void)
{
    BAD_LIKE(normal_like);
}

#define LIKES(a, b)                                                                                                    \
    {IN("[]"), WITH(1, [5] = a, b)}, {IN("[1]"), WITH(1, [5] = a, b)}, {IN("[0]"), WITH(0, [5] = a, b)},               \
        {IN("[3,4]"), WITH(12, [5] = a, b)}, {IN("[3,4]t"), WITH(12, [5] = a, b)}, {IN("[5]r"), WITH(5, [5] = a, b)},  \
        {IN("[2,3]s"), WITH(6, [5] = a, b)}, {IN("[2,3]o"), WITH(6, [5] = a, b)}, {IN("[2,3]b"), WITH(6, [5] = a, b)}, \
        {IN("[4]!"), WITH(4, [5] = a, b)}, {IN("[2,0]"), WITH(0, [5] = a, b)},                                         \
    {                                                                                                                  \
        IN("[70,301]"), WITH(21070, [5] = a, b)                                                                        \
    }
static const sample uniform_like_good[] = {LIKES(-1, 3)};
static const sample normal_like_good[] = {LIKES(1, 2)};
DRAWS(uniform_like);
DRAWS(normal_like);

/* ---- randint: p5 low, high ---------------------------------------------------------------------------------------- */
APPLY_DRAW(randint, reel_randint(d, shape_of(s), (int64_t)s->p[5], (int64_t)s->p[6], NULL))

static bool randint_accept(const sample *s, reel_dtype d, const nd *out)
{
    const double n = s->p[6] - s->p[5];
    return is_of(s, d, out) && drawn(out, s->p[5], s->p[6] - 1, (s->p[5] + s->p[6] - 1) / 2, sqrt((n * n - 1) / 12));
}

static void randint_bad(void)
{
#define CALL(d, s) reel_randint(d, s, 0, 9, NULL)
    BAD_SHAPES(CALL, REEL_I64);
    BAD(CALL(REEL_F32, REEL_SHAPE(2)), REEL_EDTYPE, "reel_randint|f32 cannot be drawn, allowed: i8 u8 i32 i64");
    BAD(CALL(REEL_BOOL, REEL_SHAPE(2)), REEL_EDTYPE, "bool cannot be drawn");
#undef CALL
    BAD(reel_randint(REEL_I32, REEL_SHAPE(2), 3, 3, NULL), REEL_EARG, "bad range [3, 3)");
    BAD(reel_randint(REEL_I32, REEL_SHAPE(2), 4, 3, NULL), REEL_EARG, "bad range [4, 3)");
    BAD(reel_randint(REEL_U8, REEL_SHAPE(2), -1, 3, NULL), REEL_EDTYPE, "[-1, 3) does not fit u8");
    BAD(reel_randint(REEL_I8, REEL_SHAPE(2), 0, 129, NULL), REEL_EDTYPE, "[0, 129) does not fit i8");
}

static const sample randint_good[] = {SHAPES([5] = 0, [6] = 10),          {WITH(1, 40000, [5] = 3, [6] = 100)},
                                      {WITH(1, 100, [5] = 7, [6] = 8)},   {WITH(1, 40000, [5] = 0, [6] = 128)},
                                      {WITH(1, 20000, [5] = 0, [6] = 2)}, {WITH(2, 3, 3, [5] = 1, [6] = 4)}};
DRAWS(randint);

/* ---- permutations: p0 n ------------------------------------------------------------------------------------------- */
APPLY_DRAW(permutation, reel_permutation(d, (int64_t)s->p[0], NULL))

static bool permutes(const nd *out, int64_t n)
{
    bool seen[20001] = {0};
    if (out->count != n || out->shape.rank != 1) return false;
    for (int64_t i = 0; i < n; i++) {
        const int64_t k = (int64_t)out->data[i];
        if (k < 0 || k >= n || seen[k]) return false;
        seen[k] = true;
    }
    return true;
}

static bool permutation_accept(const sample *s, reel_dtype d, const nd *out)
{
    return out->dtype == d && permutes(out, (int64_t)s->p[0]);
}

static void permutation_bad(void)
{
    BAD(reel_permutation(REEL_I64, -1, NULL), REEL_ESHAPE, "unknown dimension");
    BAD(reel_permutation(REEL_I64, -2, NULL), REEL_ESHAPE, "reel_permutation|negative dimension");
    BAD(reel_permutation(REEL_I64, INT64_MAX, NULL), REEL_ESHAPE, "overflow");
    BAD(reel_permutation(REEL_F32, 3, NULL), REEL_EDTYPE, "f32 holds no indices");
    BAD(reel_permutation(REEL_BOOL, 3, NULL), REEL_EDTYPE, "bool holds no indices");
    BAD(reel_permutation((reel_dtype)0, 3, NULL), REEL_EDTYPE, "0 is no dtype");
    BAD(reel_permutation((reel_dtype)77, 3, NULL), REEL_EDTYPE, "77 is no dtype");
    BAD(reel_permutation(REEL_I8, 129, NULL), REEL_EDTYPE, "128 does not fit i8");
    BAD(reel_permutation(REEL_U8, 257, NULL), REEL_EDTYPE, "256 does not fit u8");
    BAD(reel_permutation(REEL_I32, 1LL << 40, NULL), REEL_EDTYPE, "does not fit i32");
}

static const sample permutation_good[] = {{WITH(0)},  {WITH(1)},   {WITH(2)},   {WITH(3)},   {WITH(4)},   {WITH(5)},
                                          {WITH(64)}, {WITH(100)}, {WITH(101)}, {WITH(126)}, {WITH(127)}, {WITH(128)}};
DRAWS(permutation);

/* permutation_of, shuffle: p0 axis, p1 its size */
APPLY(permutation_of, reel_permutation_of_at_(REEL_HERE, in[0], (int)s->p[0], NULL))
APPLY(shuffle, reel_shuffle(in[0], (int)s->p[0], NULL))

static bool permutation_of_accept(const sample *s, reel_dtype d, const nd *out)
{
    UNUSED;
    return out->dtype == REEL_I64 && permutes(out, (int64_t)s->p[1]);
}

static bool shuffle_accept(const sample *s, reel_dtype d, const nd *out)
{
    return out->dtype == d && out->shape.dims[axis_in(s->p[0], out->shape.rank)] == (int64_t)s->p[1];
}

static void permutation_of_bad(void)
{
#define CALL(x) reel_permutation_of_at_(REEL_HERE, x, 0, NULL)
    BAD(CALL(NULL), REEL_EARG, "is NULL");
    BAD(CALL(dead()), REEL_EARG, "dead");
    BAD(CALL(symbol()), REEL_ETRACE, "graph");
    BAD(CALL(X("[]")), REEL_EARG, "reel_permutation_of|axis 0 is out of range for rank 0");
    BAD(CALL(reel_select(X("[2]"), 0, 5)), REEL_EARG, "index 5");
#undef CALL
    BAD(reel_permutation_of_at_(REEL_HERE, X("[2]"), 1, NULL), REEL_EARG, "axis 1");
    BAD(reel_permutation_of_at_(REEL_HERE, X("[2]"), -2, NULL), REEL_EARG, "axis -2");
    BAD(reel_permutation_of_at_(REEL_HERE, X("[2,3]"), 2, NULL), REEL_EARG, "axis 2");
    BAD(reel_permutation_of_at_(REEL_HERE, X("[2,3]"), -3, NULL), REEL_EARG, "axis -3");
    BAD(reel_permutation_of_at_(REEL_HERE, X("[2,3]"), INT32_MAX, NULL), REEL_EARG, "out of range");
}

static void shuffle_bad(void)
{
#define CALL(x) reel_shuffle(x, 0, NULL)
    STRANGERS(CALL);
    BAD(CALL(X("[]")), REEL_EARG, "axis 0 is out of range for rank 0");
#undef CALL
    BAD(reel_shuffle(X("[2]"), 1, NULL), REEL_EARG, "axis 1");
    BAD(reel_shuffle(X("[2]"), -2, NULL), REEL_EARG, "axis -2");
    BAD(reel_shuffle(X("[2,3]"), 2, NULL), REEL_EARG, "axis 2");
    BAD(reel_shuffle(X("[2,3]"), -3, NULL), REEL_EARG, "axis -3");
    BAD(reel_shuffle(X("[2,3]"), INT32_MAX, NULL), REEL_EARG, "out of range");
}

#define AXES(flags)                                                                                               \
    {IN("[5]"), WITH(0, 5), flags}, {IN("[1]"), WITH(0, 1), flags}, {IN("[0]"), WITH(0, 0), flags},               \
        {IN("[3,4]"), WITH(1, 4), flags}, {IN("[3,4]t"), WITH(0, 3), flags}, {IN("[5]r"), WITH(-1, 5), flags},    \
        {IN("[2,3]s"), WITH(0, 2), flags}, {IN("[2,3]o"), WITH(-1, 3), flags}, {IN("[2,3]b"), WITH(1, 3), flags}, \
        {IN("[4]!"), WITH(0, 4), flags}, {IN("[2,0]"), WITH(0, 2), flags},                                        \
    {                                                                                                             \
        IN("[301,70]"), WITH(0, 301), flags                                                                       \
    }
static const sample permutation_of_good[] = {AXES(0)};
static const sample shuffle_good[] = {AXES(0)};
DRAWS(permutation_of);
DRAWS(shuffle);

/* ---- categorical: p0 samples, p1 rows, p2 classes ------------------------------------------------------------------ */
APPLY(categorical, reel_categorical(in[0], (int64_t)s->p[0], NULL))

static bool categorical_accept(const sample *s, reel_dtype d, const nd *out)
{
    UNUSED;
    for (int64_t i = 0; i < out->count; i++)
        if (!(out->data[i] >= 0 && out->data[i] < s->p[2])) return false;
    return out->dtype == REEL_I64 && (double)out->count == s->p[0] * s->p[1];
}

static void categorical_bad(void)
{
    const float nan_[2] = {0, NAN}, inf_[2] = {0, INFINITY}, none[2] = {-INFINITY, -INFINITY};
#define CALL(x) reel_categorical(x, 3, NULL)
    STRANGERS(CALL);
    BAD(CALL(X("[]")), REEL_ESHAPE, "reel_categorical|no axis of classes");
    BAD(CALL(X("[2,0]")), REEL_ESHAPE, "there are no classes");
    BAD(CALL(XD("[2]", REEL_I32)), REEL_EDTYPE, "logits is i32");
    BAD(CALL(reel_from_f32(REEL_SHAPE(2), nan_, 2)), REEL_EARG, "row 0 of the logits has NaN");
    BAD(CALL(reel_from_f32(REEL_SHAPE(2), inf_, 2)), REEL_EARG, "row 0 of the logits");
    BAD(CALL(reel_concat(REEL_LIST(X("[1,2]"), reel_from_f32(REEL_SHAPE(1, 2), none, 2)), 0)), REEL_EARG,
        "row 1 of the logits");
#undef CALL
    BAD(reel_categorical(X("[2]"), -1, NULL), REEL_EARG, "-1 samples");
}

static const sample categorical_good[] = {
    {IN("[5]"), WITH(7, 1, 5)},    {IN("[1]"), WITH(3, 1, 1)},    {IN("[3,4]"), WITH(1, 3, 4)},
    {IN("[3,4]t"), WITH(5, 3, 4)}, {IN("[2,5]r"), WITH(4, 2, 5)}, {IN("[2,3]s"), WITH(9, 2, 3)},
    {IN("[2,3]o"), WITH(2, 2, 3)}, {IN("[2,3]b"), WITH(3, 2, 3)}, {IN("[2,3,4]"), WITH(3, 6, 4)},
    {IN("[0,4]"), WITH(3, 0, 4)},  {IN("[3,4]"), WITH(0, 3, 4)},  {IN("[301,70]"), WITH(40, 301, 70)},
    {IN("[2]"), WITH(20000, 1, 2)}};
DRAWS(categorical);

/* ---- log_uniform_candidates: p0 samples, range, unique ---------------------------------------------------------------- */
static int log_uniform_candidates_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    return reel_log_uniform_candidates(in[0], (int64_t)s->p[0], (int64_t)s->p[1], s->p[2] != 0, NULL, out);
}

static bool log_uniform_candidates_accept(const sample *s, reel_dtype d, const nd *out)
{
    UNUSED;
    for (int64_t i = 0; i < out->count; i++) {
        if (out->dtype == REEL_F32 && !(out->data[i] >= 0)) return false;
        if (out->dtype == REEL_I64 && !(out->data[i] >= 0 && out->data[i] < s->p[1])) return false;
        for (int64_t k = 0; k < i && s->p[2] != 0 && out->dtype == REEL_I64; k++)
            if (out->data[k] == out->data[i]) return false;
    }
    return true;
}

static void log_uniform_candidates_bad(void)
{
    reel_tensor *out[3];
#define CALL(x, n, range, unique) reel_log_uniform_candidates(x, n, range, unique, NULL, out)
    BAD_CODE(CALL(NULL, 2, 9, true), REEL_EARG, "reel_log_uniform_candidates|true_classes is NULL");
    BAD_CODE(CALL(dead(), 2, 9, true), REEL_EARG, "dead");
    BAD_CODE(CALL(X("[2]"), 2, 9, true), REEL_EDTYPE, "true_classes is f32");
    BAD_CODE(CALL(X("[2]L2"), -1, 9, true), REEL_EARG, "-1 samples");
    BAD_CODE(CALL(X("[2]L2"), 2, 0, true), REEL_EARG, "a range of 0 classes");
    BAD_CODE(CALL(X("[2]L2"), 2, 1LL << 60, false), REEL_EARG, "a range of");
    BAD_CODE(CALL(X("[2]L2"), 10, 9, true), REEL_EARG, "10 distinct samples of 9 classes");
    BAD_CODE(CALL(X("[9]L9"), 2, 8, false), REEL_EARG, "is not one of 8");
    BAD_CODE(CALL(reel_sub(X("[2]L1"), reel_num(1)), 2, 8, false), REEL_EARG, "class -1 at position 0");
    BAD_CODE(CALL(X("[2]?"), 2, 9, true), REEL_EDTYPE, "true_classes is bool");
#undef CALL
    BAD_CODE(reel_log_uniform_candidates(X("[2]L2"), 2, 9, true, NULL, NULL), REEL_EARG, "out is NULL");
}

#define CLASSES(n, range, unique)                                                           \
    {IN("[3,2]L9"), WITH(n, range, unique)}, {IN("[]L9"), WITH(n, range, unique)},          \
        {IN("[0]L9"), WITH(n, range, unique)}, {IN("[3,2]tL9"), WITH(n, range, unique)},    \
        {IN("[1]L9"), WITH(n, range, unique)}, {IN("[4]rL9"), WITH(n, range, unique)},      \
        {IN("[2,3]sL9"), WITH(n, range, unique)}, {IN("[2,3]oL9"), WITH(n, range, unique)}, \
    {                                                                                       \
        IN("[2001]L9"), WITH(n, range, unique)                                              \
    }
static const sample log_uniform_candidates_good[] = {CLASSES(5, 9, 1), CLASSES(50, 1000, 1), CLASSES(50, 1000, 0),
                                                     CLASSES(0, 10, 1)};
const samples samples_log_uniform_candidates = {.good = log_uniform_candidates_good,
                                                .n_good = (int)(sizeof log_uniform_candidates_good / sizeof(sample)),
                                                .n_out = 3,
                                                .dtypes = REEL_BIT(REEL_I32),
                                                .apply = log_uniform_candidates_apply,
                                                .accept = log_uniform_candidates_accept,
                                                .bad = log_uniform_candidates_bad};
