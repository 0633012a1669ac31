/* samples_drop.c: dropout and quantization. */
#include "core/random.h"
#include "samples.h"

#define UNUSED (void)s, (void)d, (void)in
#define APPLY(name, call)                                                                               \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[]) \
    {                                                                                                   \
        UNUSED;                                                                                         \
        out[0] = call;                                                                                  \
        return reel_status();                                                                           \
    }

/* ---- random_state --------------------------------------------------------------------------------------------------- */
APPLY(random_state, reel_random_state_at_(REEL_HERE, NULL))

static bool random_state_accept(const sample *s, reel_dtype d, const nd *out)
{
    (void)s, (void)d;
    return out->dtype == REEL_I64 && out->count == 2 && out->data[0] != out->data[1];
}

static void random_state_bad(void) /* it takes nothing that could be bad: what surrounds it is */
{
    reel_tensor *x = X("[2]");
    BAD(reel_drop_at_(REEL_HERE, x, NULL, 0.5), REEL_EARG, "state is NULL");
    BAD(reel_drop_at_(REEL_HERE, x, dead(), 0.5), REEL_EARG, "dead");
    BAD(reel_drop_at_(REEL_HERE, x, X("[2]"), 0.5), REEL_ESHAPE, "state is no i64[2]");
    BAD(reel_drop_at_(REEL_HERE, x, XD("[3]", REEL_I64), 0.5), REEL_ESHAPE, "state is no i64[2]");
    BAD(reel_drop_at_(REEL_HERE, x, XD("[]", REEL_I64), 0.5), REEL_ESHAPE, "state is no i64[2]");
    BAD(reel_drop_at_(REEL_HERE, x, XD("[2]", REEL_I32), 0.5), REEL_ESHAPE, "state is no i64[2]");
    BAD(reel_drop_at_(REEL_HERE, x, XD("[2,1]", REEL_I64), 0.5), REEL_ESHAPE, "state is no i64[2]");
    BAD(reel_drop_at_(REEL_HERE, x, XD("[2]", REEL_BOOL), 0.5), REEL_ESHAPE, "state is no i64[2]");
    BAD(reel_drop_at_(REEL_HERE, x, unset(), 0.5), REEL_EARG, "before it has a value");
    BAD(reel_drop_at_(REEL_HERE, x, symbol(), 0.5), REEL_ETRACE, "part of a graph");
}
static const sample random_state_good[] = {{.p = {0}}, {.p = {1}}, {.p = {2}}, {.p = {3}}, {.p = {4}},  {.p = {5}},
                                           {.p = {6}}, {.p = {7}}, {.p = {8}}, {.p = {9}}, {.p = {10}}, {.p = {11}}};
const samples samples_random_state = {GOOD(random_state_good), .dtypes = REEL_BIT(REEL_F32),
                                      .apply = random_state_apply, .accept = random_state_accept,
                                      .bad = random_state_bad};

/* ---- drop: p0 the probability; the second operand's two small integers are key and counter ------------------------------ */
APPLY(drop, reel_drop_at_(REEL_HERE, in[0], reel_cast(in[1], REEL_I64), s->p[0]))

/* Is element i of a draw kept? */
static bool kept(uint64_t key, uint64_t counter, int64_t i, double p)
{
    uint32_t w[4];
    reel_philox_(key, counter + (uint64_t)i / 4, w);
    return (float)(w[i % 4] >> 8) * 0x1p-24f >= (float)p;
}

static void drop_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd_make(out, d, in[0].shape);
    for (int64_t i = 0; i < out->count; i++)
        if (kept((uint64_t)in[1].data[0], (uint64_t)in[1].data[1], i, s->p[0]))
            out->data[i] = in[0].data[i] / (1 - s->p[0]);
}

static void drop_bad(void)
{
    reel_tensor *x = X("[2,3]"), *state = reel_random_state_at_(REEL_HERE, NULL);
    BAD(reel_drop_at_(REEL_HERE, NULL, state, 0.5), REEL_EARG, "x is NULL");
    BAD(reel_drop_at_(REEL_HERE, x, NULL, 0.5), REEL_EARG, "state is NULL");
    BAD(reel_drop_at_(REEL_HERE, dead(), state, 0.5), REEL_EARG, "dead");
    BAD(reel_drop_at_(REEL_HERE, unset(), state, 0.5), REEL_EARG, "before it has a value");
    BAD(reel_drop_at_(REEL_HERE, symbol(), state, 0.5), REEL_ETRACE, "part of a graph");
    BAD(reel_drop_at_(REEL_HERE, XD("[2]", REEL_I32), state, 0.5), REEL_EDTYPE, "x is i32, allowed");
    BAD(reel_drop_at_(REEL_HERE, x, state, -0.5), REEL_EARG, "p is -0.5, it must be in [0, 1]");
    BAD(reel_drop_at_(REEL_HERE, x, state, 1.5), REEL_EARG, "p is 1.5");
    BAD(reel_drop_at_(REEL_HERE, x, state, NAN), REEL_EARG, "p is nan");
    BAD(reel_drop_at_(REEL_HERE, x, X("[2]L3"), 0.5), REEL_ESHAPE, "state is no i64[2]");
}

static const sample drop_good[] = {
    {IN("[]", "[2]L9"), WITH(0.5)},       {IN("[1]", "[2]L9"), WITH(0.25)},
    {IN("[7]", "[2]L9"), WITH(0)},        {IN("[7]", "[2]L9"), WITH(1)},
    {IN("[3,4]", "[2]L99"), WITH(0.5)},   {IN("[3,4]t", "[2]rL9"), WITH(0.5)},
    {IN("[3,4]r", "[2]L9"), WITH(0.75)},  {IN("[3,4]s", "[2]sL9"), WITH(0.5)},
    {IN("[3,4]o", "[2]oL9"), WITH(0.3)},  {IN("[3,4]b", "[2]L9"), WITH(0.5)},
    {IN("[0,3]", "[2]L9"), WITH(0.5)},    {IN("[2,3,9]!", "[2]L9"), WITH(0.5), .flags = NO_GRAD},
    {IN("[70,301]", "[2]L9"), WITH(0.1)}, {IN("[70,301]t", "[2]L9"), WITH(0.1)}};
const samples samples_drop = {GOOD(drop_good), .apply = drop_apply, .reference = drop_reference, .bad = drop_bad};

/* ---- dropout, dropout_mask: p0 the probability, p1 1 channels, 2 channels last, 3 eval. Each run starts from seed 7. -------- */
static reel_dropout_opts dropout_opts(const sample *s)
{
    return (reel_dropout_opts){.size = sizeof(reel_dropout_opts),
                               .channels = s->p[1] == 1 || s->p[1] == 2,
                               .channels_last = s->p[1] == 2,
                               .eval = s->p[1] == 3};
}

static int dropout_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_dropout_opts o = dropout_opts(s);
    UNUSED;
    out[0] = reel_dropout(in[0], s->p[0], &o);
    return reel_status();
}

static int dropout_mask_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_dropout_opts o = dropout_opts(s);
    UNUSED;
    return reel_dropout_mask(in[0], s->p[0], &o, out);
}

static void dropout_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const reel_shape *shape = &in[0].shape;
    uint32_t w[4];
    reel_philox_(7, 0, w);
    const uint64_t key = (uint64_t)w[0] << 32 | w[1], counter = (uint64_t)w[2] << 32 | w[3];
    nd_make(out, d, *shape);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[REEL_MAX_RANK], draw = i;
        nd_unravel(shape, i, at);
        const int channel = s->p[1] == 2 ? shape->rank - 1 : 1;
        if (s->p[1] == 1 || s->p[1] == 2) draw = at[0] * shape->dims[channel] + at[channel];
        if (s->p[1] == 3)
            out->data[i] = in[0].data[i];
        else if (kept(key, counter, draw, s->p[0]))
            out->data[i] = in[0].data[i] / (1 - s->p[0]);
    }
}

static void dropout_mask_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    dropout_reference(s, d, in, &out[0]);
    nd_make(&out[1], REEL_BOOL, in[0].shape);
    for (int64_t i = 0; i < out[1].count; i++) out[1].data[i] = out[0].data[i] != 0; /* no operand is 0 */
}

#define DROPOUT_BAD(fn, CALL)                                                                           \
    static void fn##_bad(void)                                                                          \
    {                                                                                                   \
        reel_tensor *out[2], *x = X("[2,3]");                                                           \
        (void)out;                                                                                      \
        BAD(CALL(NULL, 0.5, NULL), REEL_EARG, "reel_" #fn ": x is NULL");                               \
        BAD(CALL(dead(), 0.5, NULL), REEL_EARG, "dead");                                                \
        BAD(CALL(unset(), 0.5, NULL), REEL_EARG, "before it has a value");                              \
        BAD(CALL(symbol(), 0.5, NULL), REEL_ETRACE, "part of a graph");                                 \
        BAD(CALL(XD("[2]", REEL_I32), 0.5, NULL), REEL_EDTYPE, "reel_" #fn ": x is i32, allowed");      \
        BAD(CALL(XD("[2]", REEL_BOOL), 0.5, NULL), REEL_EDTYPE, "x is bool, allowed");                  \
        BAD(CALL(x, -0.5, NULL), REEL_EARG, "p is -0.5, it must be in [0, 1]");                         \
        BAD(CALL(x, 1.5, NULL), REEL_EARG, "p is 1.5");                                                 \
        BAD(CALL(x, NAN, NULL), REEL_EARG, "p is nan");                                                 \
        BAD(CALL(X("[2]"), 0.5, REEL_OPTS(dropout, .channels = true)), REEL_ESHAPE, "has no channels"); \
    }
#define CALL_MASK(x, p, o) (reel_dropout_mask(x, p, o, out) == 0)
DROPOUT_BAD(dropout, reel_dropout)
DROPOUT_BAD(dropout_mask, CALL_MASK)

static const sample dropout_good[] = {
    {IN("[]"), WITH(0.5)},        {IN("[1]"), WITH(0.25)},        {IN("[7]"), WITH(0)},
    {IN("[7]"), WITH(1)},         {IN("[3,4]"), WITH(0.5)},       {IN("[3,4]t"), WITH(0.5)},
    {IN("[3,4]r"), WITH(0.75)},   {IN("[2,3,4]s"), WITH(0.5, 1)}, {IN("[2,3,4]o"), WITH(0.3, 2)},
    {IN("[3,4]b"), WITH(0.5, 1)}, {IN("[0,3]"), WITH(0.5)},       {IN("[2,3,2,2]"), WITH(0.5, 1)},
    {IN("[2,3]"), WITH(0.5, 3)},  {IN("[70,301]"), WITH(0.1)},    {IN("[7,3,100]t"), WITH(0.4, 1)}};
const samples samples_dropout = {GOOD(dropout_good), .apply = dropout_apply, .reference = dropout_reference,
                                 .bad = dropout_bad};
const samples samples_dropout_mask = {GOOD_OF(dropout_good, 2), .apply = dropout_mask_apply,
                                      .reference = dropout_mask_reference, .bad = dropout_mask_bad};

/* ---- quantize, fake_quantize: x, scale, zero; p0 the dtype ---------------------------------------------------------------------- */
static double saturate(double v, reel_dtype d)
{
    const double low = d == REEL_I8 ? -128 : d == REEL_U8 ? 0 : -2147483648.0;
    const double high = d == REEL_I8 ? 127 : d == REEL_U8 ? 255 : 2147483647.0;
    return fmin(fmax(v, low), high);
}

static double divided(double x, double scale, reel_dtype d)
{
    return d == REEL_F64 ? x / scale : (double)((float)x / (float)scale);
}

/* The third operand is a float: its dtype is p0's by a cast. */
static int quantize_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_dtype to = (reel_dtype)(int)s->p[0];
    UNUSED;
    out[0] = reel_quantize_at_(REEL_HERE, in[0], reel_mul(in[1], reel_num(0.03125)), reel_cast(in[2], to), to);
    return reel_status();
}

static void quantize_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const reel_dtype to = (reel_dtype)(int)s->p[0];
    (void)s, (void)d, (void)in;
    nd_make(out, to, nd_broadcast(nd_broadcast(in[0].shape, in[1].shape), in[2].shape));
    for (int64_t i = 0; i < out->count; i++) {
        const double scale = nd_at(&in[1], &out->shape, i) * 0.03125, x = nd_at(&in[0], &out->shape, i);
        const double v = divided(x, scale, d), zero = saturate(trunc(nd_at(&in[2], &out->shape, i)), to);
        out->data[i] = saturate(rint(isnan(v) ? 0 : v) + zero, to);
    }
}

static void quantize_bad(void)
{
    reel_tensor *x = X("[2,3]"), *s = X("[]+"), *z = XD("[]", REEL_U8);
    BAD(reel_quantize_at_(REEL_HERE, NULL, s, z, REEL_U8), REEL_EARG, "x is NULL");
    BAD(reel_quantize_at_(REEL_HERE, x, NULL, z, REEL_U8), REEL_EARG, "scale is NULL");
    BAD(reel_quantize_at_(REEL_HERE, x, s, NULL, REEL_U8), REEL_EARG, "zero is NULL");
    BAD(reel_quantize_at_(REEL_HERE, x, dead(), z, REEL_U8), REEL_EARG, "dead");
    BAD(reel_quantize_at_(REEL_HERE, symbol(), s, z, REEL_U8), REEL_ETRACE, "part of a graph");
    BAD(reel_quantize_at_(REEL_HERE, x, s, z, REEL_I8), REEL_EDTYPE, "zero is u8, expected i8");
    BAD(reel_quantize_at_(REEL_HERE, x, s, x, REEL_F32), REEL_EDTYPE, "quantizing to f32, allowed");
    BAD(reel_quantize_at_(REEL_HERE, x, XD("[]", REEL_F64), z, REEL_U8), REEL_EDTYPE, "dtypes differ");
    BAD(reel_quantize_at_(REEL_HERE, x, X("[2]"), z, REEL_U8), REEL_ESHAPE, "broadcast");
    BAD(reel_quantize_at_(REEL_HERE, XD("[2]", REEL_I32), z, z, REEL_U8), REEL_EDTYPE, "differ");
}

static const sample quantize_good[] = {{IN("[]", "[]+", "[]"), WITH(REEL_I8)},
                                       {IN("[1]", "[1]+", "[1]"), WITH(REEL_U8)},
                                       {IN("[5]", "[]+", "[]"), WITH(REEL_I32)},
                                       {IN("[3,4]", "[4]+", "[4]="), WITH(REEL_I8)},
                                       {IN("[3,4]=", "[]+", "[]="), WITH(REEL_U8)},
                                       {IN("[3,4]t", "[3,1]+", "[3,1]="), WITH(REEL_U8)},
                                       {IN("[3,4]r", "[4]r+", "[4]s="), WITH(REEL_I8)},
                                       {IN("[3,4]s", "[4]o+", "[4]b="), WITH(REEL_I32)},
                                       {IN("[3,4]o", "[3,4]+", "[]"), WITH(REEL_I8)},
                                       {IN("[0,3]", "[3]+", "[3]"), WITH(REEL_I8)},
                                       {IN("[9]!", "[]+", "[]"), WITH(REEL_I8)},
                                       {IN("[16]!", "[]+", "[]"), WITH(REEL_I32)},
                                       {IN("[70,301]", "[301]+", "[301]="), WITH(REEL_U8)}};
const samples samples_quantize = {GOOD(quantize_good), .apply = quantize_apply, .reference = quantize_reference,
                                  .bad = quantize_bad};

/* p0 low, p1 high; straight through (see ops.def): test_neural holds it to what it promises */
APPLY(fake_quantize, reel_fake_quantize(in[0], in[1], in[2], s->p[0], s->p[1]))

static void fake_quantize_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd_make(out, d, nd_broadcast(nd_broadcast(in[0].shape, in[1].shape), in[2].shape));
    for (int64_t i = 0; i < out->count; i++) {
        const double scale = nd_at(&in[1], &out->shape, i), zero = nd_at(&in[2], &out->shape, i);
        const double v = rint(nd_at(&in[0], &out->shape, i) / scale) + zero;
        out->data[i] = ((v < s->p[0] ? s->p[0] : v > s->p[1] ? s->p[1] : v) - zero) * scale;
    }
}

static void fake_quantize_bad(void)
{
    reel_tensor *x = X("[2,3]"), *s = X("[]+"), *z = X("[]");
    BAD(reel_fake_quantize(NULL, s, z, 0, 255), REEL_EARG, "reel_fake_quantize: x is NULL");
    BAD(reel_fake_quantize(x, NULL, z, 0, 255), REEL_EARG, "scale is NULL");
    BAD(reel_fake_quantize(x, s, NULL, 0, 255), REEL_EARG, "zero is NULL");
    BAD(reel_fake_quantize(x, dead(), z, 0, 255), REEL_EARG, "dead");
    BAD(reel_fake_quantize(symbol(), s, z, 0, 255), REEL_ETRACE, "part of a graph");
    BAD(reel_fake_quantize(x, s, z, 2, 1), REEL_EARG, "low is 2 and high 1");
    BAD(reel_fake_quantize(x, s, z, NAN, 1), REEL_EARG, "low is nan");
    BAD(reel_fake_quantize(x, XD("[]", REEL_F64), z, 0, 255), REEL_EDTYPE, "dtypes differ");
    BAD(reel_fake_quantize(x, X("[2]"), z, 0, 255), REEL_ESHAPE, "broadcast");
    BAD(reel_fake_quantize(XD("[2]", REEL_I32), s, z, 0, 255), REEL_EDTYPE, "dtypes differ: i32");
}

#define F(...)                                         \
    {                                                  \
        IN(__VA_ARGS__), WITH(-3, 2), .flags = NO_GRAD \
    }
static const sample fake_quantize_good[] = {
    F("[]", "[]+", "[]="),         F("[1]", "[1]+", "[1]="),      F("[5]", "[]+", "[]="),
    F("[3,4]", "[4]+", "[4]="),    F("[3,4]=", "[]+", "[]="),     F("[3,4]t", "[3,1]+", "[3,1]="),
    F("[3,4]r", "[4]r+", "[4]s="), F("[3,4]s", "[4]o+", "[4]b="), F("[3,4]o", "[3,4]+", "[]"),
    F("[0,3]", "[3]+", "[3]"),     F("[16]!", "[]+", "[]"),       F("[70,301]", "[301]+", "[301]=")};
const samples samples_fake_quantize = {GOOD(fake_quantize_good),
                                       .dtypes = REEL_BIT(REEL_F32) | REEL_BIT(REEL_F64),
                                       .scale = 2,
                                       .apply = fake_quantize_apply,
                                       .reference = fake_quantize_reference,
                                       .bad = fake_quantize_bad};

/* ---- block_expand, block_sum: p0 axis, p1 block; the second operand gives the other shape ----------------------------------------- */
APPLY(block_expand, reel_block_expand_at_(REEL_HERE, in[0], in[1], (int)s->p[0], (int64_t)s->p[1]))
APPLY(block_sum, reel_block_sum_at_(REEL_HERE, in[0], in[1], (int)s->p[0], (int64_t)s->p[1]))

static void blocks_of(const sample *s, const nd *small, const nd *big, double *to, bool sum)
{
    for (int64_t i = 0; i < big->count; i++) {
        int64_t at[REEL_MAX_RANK];
        nd_unravel(&big->shape, i, at);
        at[(int)s->p[0]] /= (int64_t)s->p[1];
        const int64_t j = nd_ravel(&small->shape, at);
        if (sum)
            to[j] += big->data[i];
        else
            to[i] = small->data[j];
    }
}

static void block_expand_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd_make(out, d, in[1].shape);
    blocks_of(s, &in[0], out, out->data, false);
}

static void block_sum_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd_make(out, d, in[1].shape);
    blocks_of(s, out, &in[0], out->data, true);
}

#define BLOCK_BAD(fn, CALL)                                                                              \
    static void fn##_bad(void)                                                                           \
    {                                                                                                    \
        reel_tensor *small = X("[2,3]"), *big = X("[2,7]");                                              \
        BAD(CALL(NULL, big, 1, 3), REEL_EARG, "is NULL");                                                \
        BAD(CALL(small, NULL, 1, 3), REEL_EARG, "is NULL");                                              \
        BAD(CALL(dead(), big, 1, 3), REEL_EARG, "dead");                                                 \
        BAD(CALL(small, dead(), 1, 3), REEL_EARG, "dead");                                               \
        BAD(CALL(small, big, 2, 3), REEL_EARG, "axis 2 is out of range for rank 2");                     \
        BAD(CALL(small, big, 1, 0), REEL_EARG, "a block of 0");                                          \
        BAD(CALL(small, big, 1, -3), REEL_EARG, "a block of -3");                                        \
        BAD(CALL(small, big, 1, 4), REEL_ESHAPE, "[2,3] does not have one element for each block of 4"); \
        BAD(CALL(small, big, 0, 3), REEL_ESHAPE, "does not have one element for each block of 3");       \
        BAD(CALL(X("[3]"), big, 1, 3), REEL_ESHAPE, "[3] does not have one element for each block");     \
        BAD(CALL(symbol(), X("[5]"), 0, 3), REEL_ETRACE, "part of a graph");                             \
    }
#define CALL_EXPAND(small, big, a, b) reel_block_expand_at_(REEL_HERE, small, big, a, b)
#define CALL_SUM(small, big, a, b) reel_block_sum_at_(REEL_HERE, big, small, a, b)
BLOCK_BAD(block_expand, CALL_EXPAND)
BLOCK_BAD(block_sum, CALL_SUM)

#define BLOCKS(a, b, ...)           \
    {                               \
        IN(a, b), WITH(__VA_ARGS__) \
    }
#define BLOCK_LIST(P)                                                                                                  \
    P("[1]", "[1]", 0, 1), P("[1]", "[5]", 0, 9), P("[3]", "[7]", 0, 3), P("[2,3]", "[2,7]", 1, 3),                    \
        P("[2,3]t", "[2,6]t", 1, 2), P("[3,2]r", "[5,2]r", 0, 2), P("[3,2]s", "[5,2]o", 0, 2),                         \
        P("[3,2]o", "[3,2]", 0, 1), P("[3,2]b", "[5,2]b", 0, 2), P("[0,2]", "[0,3]", 1, 2), P("[2,0]", "[2,0]", 1, 2), \
        P("[2,3,2]", "[2,7,2]", 1, 3), P("[7,30]t", "[70,30]", 0, 10)
#define REVERSED(a, b, ...) BLOCKS(b, a, __VA_ARGS__)
static const sample block_expand_good[] = {BLOCK_LIST(BLOCKS)};
static const sample block_sum_good[] = {BLOCK_LIST(REVERSED)};
const samples samples_block_expand = {GOOD(block_expand_good), .apply = block_expand_apply,
                                      .reference = block_expand_reference, .bad = block_expand_bad};
const samples samples_block_sum = {GOOD(block_sum_good), .scale = 2, .apply = block_sum_apply,
                                   .reference = block_sum_reference, .bad = block_sum_bad};

/* ---- quantize_linear, dequantize_linear: x, scale, zero; p0 dtype, p1 axis, p2 block -------------------------------------------------- */
static reel_quantize_opts quantize_opts(const sample *s)
{
    return (reel_quantize_opts){
        .size = sizeof(reel_quantize_opts), .block = (int64_t)s->p[2], .dtype = (reel_dtype)(int)s->p[0]};
}

static int quantize_linear_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_quantize_opts o = quantize_opts(s);
    reel_tensor *scale = reel_mul(in[1], reel_num(0.03125)), *zero = in[2] ? reel_cast(in[2], o.dtype) : NULL;
    UNUSED;
    out[0] = reel_quantize_linear(in[0], scale, zero, (int)s->p[1], &o);
    return reel_status();
}

/* Element of scale or zero that belongs to element i of x. */
static int64_t part_of(const sample *s, const nd *p, const nd *x, int64_t i)
{
    const int axis = (int)s->p[1] < 0 ? (int)s->p[1] + x->shape.rank : (int)s->p[1];
    int64_t at[REEL_MAX_RANK];
    nd_unravel(&x->shape, i, at);
    if (s->p[2] != 0 && p->shape.rank == x->shape.rank) {
        at[axis] /= (int64_t)s->p[2];
        return nd_ravel(&p->shape, at);
    }
    return p->count == 1 ? 0 : at[axis];
}

static void quantize_linear_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const reel_dtype to = (reel_dtype)(int)s->p[0];
    nd_make(out, to, in[0].shape);
    for (int64_t i = 0; i < out->count; i++) {
        const double zero = s->in[2] ? saturate(trunc(in[2].data[part_of(s, &in[2], &in[0], i)]), to) : 0;
        const double scale = in[1].data[part_of(s, &in[1], &in[0], i)] * 0.03125;
        out->data[i] = saturate(rint(divided(in[0].data[i], scale, d)) + zero, to);
    }
}

static int dequantize_linear_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_quantize_opts o = quantize_opts(s);
    reel_tensor *zero = in[2] ? reel_cast(in[2], o.dtype) : NULL;
    UNUSED;
    out[0] = reel_dequantize_linear(reel_cast(in[0], o.dtype), in[1], zero, (int)s->p[1], &o);
    return reel_status();
}

static void dequantize_linear_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const reel_dtype to = (reel_dtype)(int)s->p[0];
    nd_make(out, d, in[0].shape);
    for (int64_t i = 0; i < out->count; i++) {
        const double zero = s->in[2] ? saturate(trunc(in[2].data[part_of(s, &in[2], &in[0], i)]), to) : 0;
        out->data[i] = (saturate(trunc(in[0].data[i]), to) - zero) * in[1].data[part_of(s, &in[1], &in[0], i)];
    }
}

static void quantize_linear_bad(void)
{
    reel_tensor *x = X("[2,3]"), *s = X("[]+"), *z = XD("[]", REEL_U8);
    BAD(reel_quantize_linear(NULL, s, z, 1, NULL), REEL_EARG, "reel_quantize_linear: x is NULL");
    BAD(reel_quantize_linear(x, NULL, z, 1, NULL), REEL_EARG, "scale is NULL");
    BAD(reel_quantize_linear(x, s, dead(), 1, NULL), REEL_EARG, "zero is|dead");
    BAD(reel_quantize_linear(x, X("[4]"), z, 1, NULL), REEL_ESHAPE, "scale has shape [4], expected []");
    BAD(reel_quantize_linear(x, X("[3]"), XD("[2]", REEL_U8), 1, NULL), REEL_ESHAPE, "zero has shape [2]");
    BAD(reel_quantize_linear(x, X("[3]"), z, 2, NULL), REEL_EARG, "axis 2 is out of range for rank 2");
    BAD(reel_quantize_linear(x, s, x, 1, NULL), REEL_EDTYPE, "quantizing to f32, allowed: i8 u8 i32");
    BAD(reel_quantize_linear(x, z, z, 1, NULL), REEL_EDTYPE, "scale is u8, allowed");
    BAD(reel_quantize_linear(x, s, NULL, 1, REEL_OPTS(quantize, .dtype = REEL_I64)), REEL_EDTYPE, "quantizing to i64");
    BAD(reel_quantize_linear(x, s, NULL, 1, REEL_OPTS(quantize, .block = -1)), REEL_EARG, "a block of -1");
    BAD(reel_quantize_linear(x, X("[2,2]"), NULL, 1, REEL_OPTS(quantize, .block = 1)), REEL_ESHAPE,
        "for each block of 1");
    BAD(reel_quantize_linear(XD("[2,3]", REEL_F64), s, z, 1, NULL), REEL_EDTYPE, "dtypes differ");
}

static void dequantize_linear_bad(void)
{
    reel_tensor *x = XD("[2,3]", REEL_U8), *s = X("[]+"), *z = XD("[]", REEL_U8);
    BAD(reel_dequantize_linear(NULL, s, z, 1, NULL), REEL_EARG, "reel_dequantize_linear: x is NULL");
    BAD(reel_dequantize_linear(x, NULL, z, 1, NULL), REEL_EARG, "scale is NULL");
    BAD(reel_dequantize_linear(x, s, dead(), 1, NULL), REEL_EARG, "zero is|dead");
    BAD(reel_dequantize_linear(x, X("[4]"), z, 1, NULL), REEL_ESHAPE, "scale has shape [4], expected []");
    BAD(reel_dequantize_linear(x, X("[3]"), XD("[2]", REEL_U8), 1, NULL), REEL_ESHAPE, "zero has shape [2]");
    BAD(reel_dequantize_linear(x, X("[3]"), z, -3, NULL), REEL_EARG, "axis -3 is out of range for rank 2");
    BAD(reel_dequantize_linear(X("[2]"), s, z, 1, NULL), REEL_EDTYPE, "x is f32, allowed: i8 u8 i32");
    BAD(reel_dequantize_linear(x, z, z, 1, NULL), REEL_EDTYPE, "scale is u8, allowed");
    BAD(reel_dequantize_linear(x, s, XD("[]", REEL_I8), 1, NULL), REEL_EDTYPE, "x is u8 and zero i8");
    BAD(reel_dequantize_linear(x, s, NULL, 1, REEL_OPTS(quantize, .block = -1)), REEL_EARG, "a block of -1");
}

static const sample linear_good[] = {{IN("[5]", "[]+"), WITH(REEL_U8)},
                                     {IN("[]", "[]+", "[]="), WITH(REEL_I8)},
                                     {IN("[1]", "[1]+"), WITH(REEL_U8)},
                                     {IN("[5]", "[5]+", "[5]="), WITH(REEL_I32)},
                                     {IN("[3,4]", "[4]+", "[4]="), WITH(REEL_I8, 1)},
                                     {IN("[3,4]=", "[]+"), WITH(REEL_U8)},
                                     {IN("[3,4]t", "[3]+", "[3]="), WITH(REEL_U8, 0)},
                                     {IN("[3,4]r", "[4]r+", "[4]s="), WITH(REEL_I8, -1)},
                                     {IN("[3,4]s", "[3,2]o+", "[3,2]b="), WITH(REEL_I32, 1, 2)},
                                     {IN("[3,5]o", "[3,2]+", "[3,2]="), WITH(REEL_I8, 1, 3)},
                                     {IN("[0,3]", "[3]+", "[3]"), WITH(REEL_I8, 1)},
                                     {IN("[2,3,2]", "[3]+"), WITH(REEL_I8, 1)},
                                     {IN("[5,3]", "[3,3]+"), WITH(REEL_U8, 0, 2)},
                                     {IN("[70,300]", "[300]+", "[300]="), WITH(REEL_U8, 1)}};
const samples samples_quantize_linear = {GOOD(linear_good), .apply = quantize_linear_apply,
                                         .reference = quantize_linear_reference, .bad = quantize_linear_bad};
static const sample back_good[] = {{IN("[5]L99", "[]+"), WITH(REEL_U8)},
                                   {IN("[]L99", "[]+", "[]L9"), WITH(REEL_I8)},
                                   {IN("[1]L99", "[1]+"), WITH(REEL_U8)},
                                   {IN("[5]L99", "[5]+", "[5]L9"), WITH(REEL_I32)},
                                   {IN("[3,4]L99", "[4]+", "[4]L9"), WITH(REEL_I8, 1)},
                                   {IN("[3,4]tL99", "[3]+", "[3]L9"), WITH(REEL_U8, 0)},
                                   {IN("[3,4]rL99", "[4]r+", "[4]sL9"), WITH(REEL_I8, -1)},
                                   {IN("[3,4]sL99", "[3,2]o+", "[3,2]bL9"), WITH(REEL_I32, 1, 2)},
                                   {IN("[3,5]oL99", "[3,2]+", "[3,2]L9"), WITH(REEL_I8, 1, 3)},
                                   {IN("[0,3]L99", "[3]+", "[3]L9"), WITH(REEL_I8, 1)},
                                   {IN("[2,3,2]L99", "[3]+"), WITH(REEL_I8, 1)},
                                   {IN("[5,3]L99", "[3,3]+"), WITH(REEL_U8, 0, 2)},
                                   {IN("[70,300]L99", "[300]+", "[300]L9"), WITH(REEL_U8, 1)}};
const samples samples_dequantize_linear = {GOOD(back_good), .scale = 2, .apply = dequantize_linear_apply,
                                           .reference = dequantize_linear_reference, .bad = dequantize_linear_bad};

/* ---- dynamic_quantize_linear ------------------------------------------------------------------------------------------------------------ */
static int dynamic_quantize_linear_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    UNUSED;
    return reel_dynamic_quantize_linear(in[0], out);
}

static void dynamic_quantize_linear_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    float low = 0, high = 0;
    (void)s, (void)d, (void)in;
    for (int64_t i = 0; i < in[0].count; i++) {
        low = fminf(low, (float)in[0].data[i]);
        high = fmaxf(high, (float)in[0].data[i]);
    }
    const float scale = (high - low) / 255.0f;
    const double zero = scale > 0 ? saturate(rint((double)(-low / scale)), REEL_U8) : 0;
    nd_make(&out[0], REEL_U8, in[0].shape);
    nd_make(&out[1], REEL_F32, REEL_SCALAR);
    nd_make(&out[2], REEL_U8, REEL_SCALAR);
    out[1].data[0] = (double)scale;
    out[2].data[0] = zero;
    for (int64_t i = 0; i < in[0].count; i++)
        out[0].data[i] = saturate(rint((double)((float)in[0].data[i] / scale)) + zero, REEL_U8);
}

static void dynamic_quantize_linear_bad(void)
{
    reel_tensor *out[3];
    BAD_CODE(reel_dynamic_quantize_linear(NULL, out), REEL_EARG, "reel_dynamic_quantize_linear: x is NULL");
    BAD_CODE(reel_dynamic_quantize_linear(dead(), out), REEL_EARG, "dead");
    BAD_CODE(reel_dynamic_quantize_linear(unset(), out), REEL_EARG, "before it has a value");
    BAD_CODE(reel_dynamic_quantize_linear(symbol(), out), REEL_ETRACE, "part of a graph");
    BAD_CODE(reel_dynamic_quantize_linear(X("[2]"), NULL), REEL_EARG, "out is NULL");
    BAD_CODE(reel_dynamic_quantize_linear(XD("[2]", REEL_I64), out), REEL_EDTYPE, "x is i64, allowed");
    BAD_CODE(reel_dynamic_quantize_linear(XD("[2]", REEL_I32), out), REEL_EDTYPE, "x is i32, allowed");
    BAD_CODE(reel_dynamic_quantize_linear(XD("[2]", REEL_BOOL), out), REEL_EDTYPE, "x is bool, allowed");
    BAD_CODE(reel_dynamic_quantize_linear(XD("[2]", REEL_U8), out), REEL_EDTYPE, "x is u8, allowed");
    BAD_CODE(reel_dynamic_quantize_linear(XD("[2]", REEL_I8), out), REEL_EDTYPE, "x is i8, allowed");
}

static const sample dynamic_good[] = {{IN("[2,0]"), .flags = FIXED},
                                      {IN("[]")},
                                      {IN("[1]")},
                                      {IN("[5]")},
                                      {IN("[5]+")},
                                      {IN("[3,4]")},
                                      {IN("[3,4]t")},
                                      {IN("[3,4]r")},
                                      {IN("[3,4]s")},
                                      {IN("[3,4]o")},
                                      {IN("[3,4]b")},
                                      {IN("[5]=")},
                                      {IN("[70,301]t")}};
const samples samples_dynamic_quantize_linear = {GOOD_OF(dynamic_good, 3), .apply = dynamic_quantize_linear_apply,
                                                 .reference = dynamic_quantize_linear_reference,
                                                 .bad = dynamic_quantize_linear_bad};
