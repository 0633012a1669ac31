/* samples_ternary.c: elementwise ops of three operands, clip, prelu. */
#include "samples.h"

/* ---- where ------------------------------------------------------------------------------------------- */
static int where_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)s, (void)d;
    out[0] = reel_where(in[0], in[1], in[2]);
    return reel_status();
}

static void where_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    (void)s;
    nd_make(out, d, nd_broadcast(in[0].shape, nd_broadcast(in[1].shape, in[2].shape)));
    for (int64_t i = 0; i < out->count; i++)
        out->data[i] = nd_at(&in[nd_at(&in[0], &out->shape, i) != 0 ? 1 : 2], &out->shape, i);
}

static void where_bad(void)
{
    BAD(reel_where(NULL, X("[2]"), X("[2]")), REEL_EARG, "reel_where|cond is NULL");
    BAD(reel_where(X("[2]?"), X("[2]"), NULL), REEL_EARG, "b is NULL");
    BAD(reel_where(X("[2]"), X("[2]"), X("[2]")), REEL_EDTYPE, "cond is f32, it must be bool");
    BAD(reel_where(X("[2]?"), X("[2]"), XD("[2]", REEL_I32)), REEL_EDTYPE, "dtypes differ: f32 and i32");
    BAD(reel_where(X("[3]?"), X("[2]"), X("[2]")), REEL_ESHAPE, "do not broadcast|[3]");
    BAD(reel_where(X("[2]?"), X("[2]"), dead()), REEL_EARG, "b is |dead");
    BAD(reel_where(X("[2]?"), unset(), X("[2]")), REEL_EARG, "before it has a value");
}

static const sample where_good[] = {
    {IN("[]?", "[]", "[]")},
    {IN("[0]?", "[0]", "[0]")},
    {IN("[3,4]?", "[3,4]", "[3,4]")},
    {IN("[4]?", "[3,4]", "[3,1]")},
    {IN("[3,1]?", "[4]", "[]")},
    {IN("[3,4]?t", "[3,4]r", "[4]")},
    {IN("[5]?s", "[5]o", "[1]")},
    {IN("[2,3]?b", "[2,3]b", "[2,3]t")},
    {IN("[3,4]?", "[3,4]", "#1")},
    {IN("[3,4]?", "#0", "[4]")},
    {IN("[]?", "[2,3]", "[3]")},
    {IN("[70,301]?", "[301]", "[70,301]t")},
    {IN("[30]?", "[30]!", "[30]!"), .flags = NO_GRAD},
};
const samples samples_where = {GOOD(where_good), .apply = where_apply, .reference = where_reference, .bad = where_bad};

/* ---- ops of three operands of one dtype ---------------------------------------------------------------- */
#define TRIPLES(v)                                                                                                  \
    {IN("[]" v, "[]" v, "[]" v)}, {IN("[0]" v, "[0]" v, "[0]" v)}, {IN("[1]" v, "[3]" v, "[]" v)},                  \
        {IN("[3,4]" v, "[4]" v, "[3,1]" v)}, {IN("[2,1,2]" v, "[3,1]" v, "[2]" v)},                                 \
        {IN("[3,4]t" v, "[3,4]" v, "[4]r" v)}, {IN("[5]r" v, "[5]s" v, "[5]o" v)},                                  \
        {IN("[2,3]o" v, "[2,3]b" v, "[2,3]t" v)}, {IN("[2,0]" v, "[1]" v, "[2,1]" v)}, {IN("[3,4]" v, "#1", "#2")}, \
        {IN("#1", "[2,2]" v, "[2,2]" v)}, {IN("[70,301]" v, "[301]" v, "[70,301]t" v)},                             \
    {                                                                                                               \
        IN("[20001]" v, "[]" v, "[20001]" v)                                                                        \
    }
#define SPECIALS                                              \
    {                                                         \
        IN("[15,1,1]!", "[15,1]!", "[15]!"), .flags = NO_GRAD \
    }
static const sample triples[] = {TRIPLES(""), {IN("[4,5]=", "[4,5]=", "[4,5]="), .flags = NO_GRAD}, SPECIALS};
static const sample mixes[] = {
    TRIPLES(""), {IN("[3,4]", "[3,4]", "#0.25")}, {IN("[15,1,1]!", "[15,1]!", "[15]"), .flags = NO_GRAD}};

#define OF_THREE(name, first, list, call, formula, tolerance, more)                                     \
    static reel_tensor *name##_of(reel_tensor *x, reel_tensor *y, reel_tensor *z)                       \
    {                                                                                                   \
        return call;                                                                                    \
    }                                                                                                   \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[]) \
    {                                                                                                   \
        (void)s, (void)d;                                                                               \
        out[0] = name##_of(in[0], in[1], in[2]);                                                        \
        return reel_status();                                                                           \
    }                                                                                                   \
    static void name##_reference(const sample *s, reel_dtype d, const nd *in, nd *out)                  \
    {                                                                                                   \
        (void)s;                                                                                        \
        nd_make(out, d, nd_broadcast(in[0].shape, nd_broadcast(in[1].shape, in[2].shape)));             \
        for (int64_t i = 0; i < out->count; i++) {                                                      \
            const double x = nd_at(&in[0], &out->shape, i), y = nd_at(&in[1], &out->shape, i),          \
                         z = nd_at(&in[2], &out->shape, i);                                             \
            out->data[i] = formula;                                                                     \
        }                                                                                               \
    }                                                                                                   \
    static void name##_bad(void)                                                                        \
    {                                                                                                   \
        reel_tensor *const a = X("[2]"), *const b = X("[2]");                                           \
        BAD(name##_of(NULL, a, b), REEL_EARG, "reel_" #name ": " first " is NULL");                     \
        BAD(name##_of(a, NULL, b), REEL_EARG, "reel_" #name ": |is NULL");                              \
        BAD(name##_of(a, b, NULL), REEL_EARG, "reel_" #name ": |is NULL");                              \
        BAD(name##_of(a, b, dead()), REEL_EARG, "is |dead");                                            \
        BAD(name##_of(a, unset(), b), REEL_EARG, "before it has a value");                              \
        BAD(name##_of(symbol(), a, b), REEL_ETRACE, "graph");                                           \
        BAD(name##_of(a, b, X("[3]")), REEL_ESHAPE, "do not broadcast|[2]|[3]");                        \
        BAD(name##_of(X("[3,3]"), X("[2,1]"), b), REEL_ESHAPE, "do not broadcast|[3,3]");               \
        BAD(name##_of(a, b, XD("[2]", REEL_F64)), REEL_EDTYPE, "dtypes differ: f32 and f64");           \
        BAD(name##_of(XD("[2]", REEL_BOOL), XD("[2]", REEL_BOOL), XD("[2]", REEL_BOOL)), REEL_EDTYPE,   \
            first " is bool, allowed:");                                                                \
        more;                                                                                           \
    }                                                                                                   \
    const samples samples_##name = {GOOD(list), .scale = tolerance, .apply = name##_apply,              \
                                    .reference = name##_reference, .bad = name##_bad};

static double between(double x, double low, double high)
{
    const double y = x < low ? low : x;
    return isnan(x) ? x : isnan(low) ? low : isnan(high) ? high : y > high ? high : y;
}
OF_THREE(clip_between, "x", triples, reel_clip_between(x, y, z), between(x, y, z), 1, (void)0)
OF_THREE(fma, "a", triples, reel_fma(x, y, z), fma(x, y, z), 1, (void)0)
OF_THREE(lerp, "a", mixes, reel_lerp(x, y, z), z < 0.5 ? x + z * (y - x) : y - (y - x) * (1 - z), 4, (void)0)
OF_THREE(addcmul, "x", triples, reel_addcmul(x, y, z, 0.5), x + 0.5 * (d == REEL_F64 ? y * z : (double)(float)(y * z)),
         2, BAD(reel_addcmul(a, a, a, NAN), REEL_EARG, "reel_addcmul: value is NaN"))
OF_THREE(prelu_grad, "x", triples, reel_prelu_grad_at_(REEL_HERE, x, y, z), x > 0 ? z : y * z, 1, (void)0)

/* ---- prelu ----------------------------------------------------------------------------------------------- */
static int prelu_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)s, (void)d;
    out[0] = reel_prelu(in[0], in[1]);
    return reel_status();
}

static void prelu_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    (void)s;
    nd_make(out, d, nd_broadcast(in[0].shape, in[1].shape));
    for (int64_t i = 0; i < out->count; i++) {
        const double x = nd_at(&in[0], &out->shape, i), slope = nd_at(&in[1], &out->shape, i);
        out->data[i] = x > 0 ? x : x * slope;
    }
}

static void prelu_bad(void)
{
    BAD(reel_prelu(NULL, X("[2]")), REEL_EARG, "reel_prelu: x is NULL");
    BAD(reel_prelu(X("[2]"), NULL), REEL_EARG, "reel_prelu: slope is NULL");
    BAD(reel_prelu(X("[2]"), dead()), REEL_EARG, "slope is |dead");
    BAD(reel_prelu(unset(), X("[2]")), REEL_EARG, "before it has a value");
    BAD(reel_prelu(X("[2]"), symbol()), REEL_ETRACE, "graph");
    BAD(reel_prelu(X("[2,3]"), X("[2]")), REEL_ESHAPE, "do not broadcast|3 against 2");
    BAD(reel_prelu(X("[2]"), XD("[2]", REEL_F64)), REEL_EDTYPE, "dtypes differ: f32 and f64");
    BAD(reel_prelu(XD("[2]", REEL_BOOL), XD("[2]", REEL_BOOL)), REEL_EDTYPE, "x is bool, allowed");
    BAD(reel_prelu(XD("[2]", REEL_I32), reel_num(0.25)), REEL_EDTYPE, "0.25 does not fit i32");
    BAD(reel_prelu(X("[4,2]"), X("[3,1]")), REEL_ESHAPE, "do not broadcast|4 against 3");
}

static const sample prelu_good[] = {{IN("[]", "[]")},
                                    {IN("[0]", "[0]")},
                                    {IN("[1]", "[3]")},
                                    {IN("[3,4]", "[4]")},
                                    {IN("[3,4]", "[3,1]")},
                                    {IN("[3,4]t", "[]")},
                                    {IN("[5]r", "[5]s")},
                                    {IN("[2,3]o", "[2,3]b")},
                                    {IN("[2,0]", "[1]")},
                                    {IN("[3,4]", "#2")},
                                    {IN("[70,301]", "[301]")},
                                    {IN("[2,3,2]", "[3,1]")},
                                    {IN("[15,1]!", "[15]!"), .flags = NO_GRAD}};
const samples samples_prelu = {GOOD(prelu_good), .apply = prelu_apply, .reference = prelu_reference, .bad = prelu_bad};

/* ---- clip: p0 low, p1 high ------------------------------------------------------------------------------- */
static int clip_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    out[0] = reel_clip(in[0], s->p[0], s->p[1]);
    return reel_status();
}

static void clip_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd_make(out, d, in[0].shape);
    for (int64_t i = 0; i < out->count; i++) out->data[i] = between(in[0].data[i], s->p[0], s->p[1]);
}

static void clip_bad(void)
{
    BAD(reel_clip(NULL, 0, 1), REEL_EARG, "reel_clip: x is NULL");
    BAD(reel_clip(dead(), 0, 1), REEL_EARG, "x is |dead");
    BAD(reel_clip(unset(), 0, 1), REEL_EARG, "before it has a value");
    BAD(reel_clip(symbol(), 0, 1), REEL_ETRACE, "graph");
    BAD(reel_clip(X("[2]"), NAN, 1), REEL_EARG, "reel_clip: low is NaN: x f32[2]");
    BAD(reel_clip(X("[2]"), 0, NAN), REEL_EARG, "reel_clip: high is NaN");
    BAD(reel_clip(XD("[2]", REEL_I32), 0.5, 1), REEL_EDTYPE, "low 0.5 does not fit i32");
    BAD(reel_clip(XD("[2]", REEL_U8), 0, 256), REEL_EDTYPE, "high 256 does not fit u8");
    BAD(reel_clip(XD("[2]", REEL_U8), -1, 2), REEL_EDTYPE, "low -1 does not fit u8");
    BAD(reel_clip(XD("[2]", REEL_BOOL), 0, 1), REEL_EDTYPE, "x is bool, allowed");
    BAD(reel_clip(XD("[2]", REEL_I64), 0, 1e19), REEL_EDTYPE, "high 1e+19 does not fit i64");
}

static const sample clip_good[] = {{IN("[]"), WITH(0, 1)},        {IN("[0]"), WITH(0, 1)},
                                   {IN("[1]"), WITH(1, 2)},       {IN("[3,4]"), WITH(1, 2)},
                                   {IN("[3,4]t"), WITH(0, 5)},    {IN("[7]r"), WITH(0, INFINITY)},
                                   {IN("[2,3]s"), WITH(2, 1)},    {IN("[2,3]o"), WITH(-INFINITY, 1)},
                                   {IN("[3,4]b"), WITH(0, 1)},    {IN("[2,0,3]"), WITH(0, 1)},
                                   {IN("[70,301]t"), WITH(0, 1)}, {IN("[20001]"), WITH(1, 3)},
                                   {IN("[31]!"), WITH(0, 3)},     {IN("[9]"), WITH(-INFINITY, INFINITY)}};
const samples samples_clip = {GOOD(clip_good), .apply = clip_apply, .reference = clip_reference, .bad = clip_bad};
