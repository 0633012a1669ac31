/* samples_binary.c: elementwise ops of two operands. */
#include "samples.h"

#define PAIRS(v)                                                                                                      \
    {IN("[]" v, "[]" v)}, {IN("[0]" v, "[0]" v)}, {IN("[1]" v, "[3]" v)}, {IN("[3,4]" v, "[4]" v)},                   \
        {IN("[3,1]" v, "[1,4]" v)}, {IN("[3,4]t" v, "[3,4]" v)}, {IN("[5]r" v, "[5]s" v)},                            \
        {IN("[2,3]o" v, "[2,3]b" v)}, {IN("[2,0]" v, "[1]" v)}, {IN("[2,1,3]" v, "[4,1]r" v)}, {IN("[3,4]" v, "#1")}, \
        {IN("#1", "[2,2]" v)}, {IN("[]" v, "[2,3]" v)}, {IN("[70,301]" v, "[301]" v)},                                \
        {IN("[70,301]" v, "[70,301]t" v)},                                                                            \
    {                                                                                                                 \
        IN("[9,1,5,1]" v, "[7,1,6]" v)                                                                                \
    }
#define REMAINDER_PAIRS                                                                                            \
    {IN("[]+", "[]+")}, {IN("[0]+", "[0]+")}, {IN("[1]+", "[3]+")}, {IN("[3,4]+", "[4]+"), .flags = NO_GRAD},      \
        {IN("[3,1]+", "[1,4]+")}, {IN("[3,4]t+", "[3,4]+"), .flags = NO_GRAD}, {IN("[5]r+", "[5]s+")},             \
        {IN("[2,3]o+", "[2,3]b+")}, {IN("[2,0]+", "[1]+")}, {IN("[2,1,3]+", "[4,1]r+")}, {IN("[3,4]+", "#1")},     \
        {IN("#1", "[2,2]+")}, {IN("[]+", "[2,3]+")}, {IN("[70,301]+", "[301]+")}, {IN("[70,301]+", "[70,301]t+")}, \
    {                                                                                                              \
        IN("[9,1,5,1]+", "[7,1,6]+")                                                                               \
    }
#define TIES                                     \
    {                                            \
        IN("[4,5]=", "[4,5]="), .flags = NO_GRAD \
    }
#define SPECIALS                                 \
    {                                            \
        IN("[15,1]!", "[15]!"), .flags = NO_GRAD \
    }
static const sample pairs[] = {PAIRS(""), TIES, {IN("[3,4]", "#2")}, {IN("#3", "[2,2]")}, SPECIALS};
static const sample ties[] = {PAIRS(""), TIES, SPECIALS};
static const sample quotients[] = {PAIRS(""), TIES, {IN("[3,4]", "#2")}, {IN("#3", "[2,2]")}, {IN("[9,9]", "[9]=")}};
static const sample powers[] = {PAIRS("+"),
                                {IN("[3,4]+", "[3,4]")},
                                {IN("[3,4]+", "#2")},
                                {IN("[5]=", "#2")},
                                {IN("[5]=", "#3")},
                                {IN("#2", "[5]=")},
                                {IN("[9]+", "[9]=")},
                                {IN("[5]=", "[5]="), .flags = NO_GRAD},
                                SPECIALS};
static const sample plain[] = {PAIRS(""), SPECIALS};
static const sample bits[] = {PAIRS(""), TIES, {IN("[40]", "[40]=")}};
static const sample shifts[] = {PAIRS(""), TIES, {IN("[40]", "[40]+")}, {IN("[3,4]", "#3")}};
/* integers with ties: zeros below and in front, all signs */
/* a quotient of two operands may be an integer: a kink */
static const sample remainders[] = {REMAINDER_PAIRS,      TIES,    {IN("[3,4]", "[3,4]+")}, {IN("[9,9]", "[9]=")},
                                    {IN("[30]", "[30]")}, SPECIALS};

/* the kinds of call that every op of two operands refuses */
#define REFUSED(name, call, good_dtype)                                                                    \
    BAD(call(NULL, XD("[2]", good_dtype)), REEL_EARG, name " is NULL");                                    \
    BAD(call(XD("[2]", good_dtype), NULL), REEL_EARG, "is NULL");                                          \
    BAD(call(XD("[2]", good_dtype), dead()), REEL_EARG, "is |dead");                                       \
    BAD(call(XD("[2,3]", good_dtype), XD("[2,4]", good_dtype)), REEL_ESHAPE,                               \
        "do not broadcast|[2,3]|[2,4]|3 against 4");                                                       \
    BAD(call(XD("[3]", REEL_F32), XD("[3]", REEL_F64)), REEL_EDTYPE, "dtypes differ: f32 and f64|f64[3]"); \
    BAD(call(unset(), XD("[2]", REEL_F32)), REEL_EARG, "\"unset\"|before it has a value");                 \
    BAD(call(X("[2]"), symbol()), REEL_ETRACE, "graph")

#define OF_TWO(name, ...) OF_TWO_IN(REEL_F32, name, #name, __VA_ARGS__)
#define OF_TWO_INTS(name, ...) OF_TWO_IN(REEL_I32, name, #name, __VA_ARGS__)
#define OF_TWO_IN(good_dtype, name, row, function, args, list, formula, dtype_out, more)                \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[]) \
    {                                                                                                   \
        (void)s, (void)d;                                                                               \
        return out[0] = function(in[0], in[1]), reel_status();                                          \
    }                                                                                                   \
    static void name##_reference(const sample *s, reel_dtype d, const nd *in, nd *out)                  \
    {                                                                                                   \
        (void)s, (void)d;                                                                               \
        nd_make(out, dtype_out, nd_broadcast(in[0].shape, in[1].shape));                                \
        for (int64_t i = 0; i < out->count; i++) {                                                      \
            const double a = nd_at(&in[0], &out->shape, i), b = nd_at(&in[1], &out->shape, i);          \
            out->data[i] = formula;                                                                     \
        }                                                                                               \
    }                                                                                                   \
    static void name##_bad(void)                                                                        \
    {                                                                                                   \
        REFUSED("reel_" row ": " args, function, good_dtype);                                           \
        more;                                                                                           \
    }                                                                                                   \
    const samples samples_##name = {GOOD(list), .apply = name##_apply, .reference = name##_reference, .bad = name##_bad}

#define NO_BOOL(name) BAD(reel_##name(XD("[2]", REEL_BOOL), XD("[2]", REEL_BOOL)), REEL_EDTYPE, "a is bool, allowed:")
#define NO_FRACTION(name) BAD(reel_##name(XD("[2]", REEL_I32), reel_num(0.5)), REEL_EDTYPE, "0.5 does not fit i32")
#define NUMBERS(name) \
    NO_BOOL(name);    \
    NO_FRACTION(name)

#define NO_FLOAT(name) BAD(reel_##name(X("[2]"), X("[2]")), REEL_EDTYPE, "a is f32, allowed: i8 u8 i32 i64")
#define NO_INT(name) BAD(reel_##name(XD("[2]", REEL_I32), XD("[2]", REEL_I32)), REEL_EDTYPE, "is i32, allowed: f32 f64")

/* v as dtype d holds it */
static double wrapped(uint64_t v, reel_dtype d)
{
    switch (d) {
    case REEL_I8: return (double)(int8_t)v;
    case REEL_U8: return (double)(uint8_t)v;
    case REEL_I32: return (double)(int32_t)v;
    case REEL_BOOL: return (double)(v & 1);
    default: return (double)(int64_t)v;
    }
}
static int width(reel_dtype d)
{
    return d == REEL_I64 ? 64 : d == REEL_I32 ? 32 : 8;
}
static double power(double a, double b, reel_dtype d)
{
    uint64_t r = 1;
    if (!is_int(d)) return pow(a, b);
    if (b < 0) return fabs(a) == 1 ? pow(a, b) : 0;
    for (int i = 0; i < (int)b; i++) r *= (uint64_t)(int64_t)a;
    return wrapped(r, d);
}
/* numpy's: the sign of b; integers: x % 0 is 0 */
static double modulo(double a, double b, reel_dtype d)
{
    if (is_int(d) && b == 0) return 0;
    const double r = fmod(a, b);
    return r == 0 ? copysign(0, b) : (r < 0) != (b < 0) ? r + b : r;
}
static double floored(double a, double b, reel_dtype d)
{
    if (is_int(d)) return b == 0 ? 0 : floor(a / b);
    if (b == 0) return a / b;
    const double r = fmod(a, b), q = (a - r) / b - (r != 0 && (r < 0) != (b < 0) ? 1 : 0);
    return q == 0 ? copysign(0, a / b) : rint(q);
}
static double shifted(double a, double b, reel_dtype d, bool left)
{
    const int w = width(d);
    if (b < 0 || b >= w) return left || a >= 0 ? 0 : -1;
    return left ? wrapped((uint64_t)(int64_t)a << (int)b, d) : floor(ldexp(a, -(int)b));
}
static double log_of_sum(double a, double b)
{
    return a == b ? a + log(2) : fmax(a, b) + log1p(exp(-fabs(a - b))) + 0 * (isnan(a) || isnan(b) ? NAN : 1);
}

static double quotient(double a, double b, bool integer)
{
    return !integer ? a / b : b == 0 ? 0 : trunc(a / b);
}

OF_TWO(add, reel_add, "a", pairs, a + b, d, NUMBERS(add));
OF_TWO(sub, reel_sub, "a", pairs, a - b, d, NUMBERS(sub));
OF_TWO(mul, reel_mul, "a", pairs, a *b, d, NUMBERS(mul));
OF_TWO(div, reel_div, "a", quotients, quotient(a, b, is_int(d)), d, NUMBERS(div));
OF_TWO(pow, reel_pow, "a", powers, power(a, b, d), d, NO_BOOL(pow));
OF_TWO(floor_div, reel_floor_div, "a", remainders, floored(a, b, d), d, NUMBERS(floor_div));
OF_TWO(mod, reel_mod, "a", remainders, modulo(a, b, d), d, NUMBERS(mod));
OF_TWO_IN(REEL_F32, remainder, "mod", reel_remainder, "a", remainders, modulo(a, b, d), d, NO_BOOL(remainder));
OF_TWO(fmod, reel_fmod, "a", remainders, is_int(d) && b == 0 ? 0 : fmod(a, b), d, NUMBERS(fmod));
OF_TWO(atan2, reel_atan2, "y", plain, atan2(a, b), d, NO_INT(atan2));
OF_TWO(hypot, reel_hypot, "a", plain, hypot(a, b), d, NO_INT(hypot));
OF_TWO(logaddexp, reel_logaddexp, "a", plain, log_of_sum(a, b), d, NO_INT(logaddexp));
OF_TWO(copysign, reel_copysign, "a", plain, copysign(a, b), d, NO_INT(copysign));
OF_TWO(squared_difference, reel_squared_difference, "a", pairs, (a - b) * (a - b), d, NUMBERS(squared_difference));
OF_TWO(fmax, reel_fmax, "a", ties, fmax(a, b), d, NO_FRACTION(fmax));
OF_TWO(fmin, reel_fmin, "a", ties, fmin(a, b), d, NO_FRACTION(fmin));
OF_TWO_INTS(bitwise_and, reel_bitwise_and, "a", bits, wrapped((uint64_t)(int64_t)a &(uint64_t)(int64_t)b, d), d,
            NO_FLOAT(bitwise_and));
OF_TWO_INTS(bitwise_or, reel_bitwise_or, "a", bits, wrapped((uint64_t)(int64_t)a | (uint64_t)(int64_t)b, d), d,
            NO_FLOAT(bitwise_or));
OF_TWO_INTS(bitwise_xor, reel_bitwise_xor, "a", bits, wrapped((uint64_t)(int64_t)a ^ (uint64_t)(int64_t)b, d), d,
            NO_FLOAT(bitwise_xor));
OF_TWO_INTS(left_shift, reel_left_shift, "a", shifts, shifted(a, b, d, true), d, NO_FLOAT(left_shift));
OF_TWO_INTS(right_shift, reel_right_shift, "a", shifts, shifted(a, b, d, false), d, NO_FLOAT(right_shift));
OF_TWO(logical_and, reel_logical_and, "a", ties, (double)(a != 0 && b != 0), REEL_BOOL, NO_FRACTION(logical_and));
OF_TWO(logical_or, reel_logical_or, "a", ties, (double)(a != 0 || b != 0), REEL_BOOL, NO_FRACTION(logical_or));
OF_TWO(logical_xor, reel_logical_xor, "a", ties, (double)((a != 0) != (b != 0)), REEL_BOOL, NO_FRACTION(logical_xor));
OF_TWO(maximum, reel_maximum, "a", ties, isnan(a) || isnan(b) ? NAN : fmax(a, b), d, NO_FRACTION(maximum));
OF_TWO(minimum, reel_minimum, "a", ties, isnan(a) || isnan(b) ? NAN : fmin(a, b), d, NO_FRACTION(minimum));
OF_TWO(equal, reel_equal, "a", ties, (double)(a == b), REEL_BOOL, NO_FRACTION(equal));
OF_TWO(not_equal, reel_not_equal, "a", ties, (double)(a != b), REEL_BOOL, NO_FRACTION(not_equal));
OF_TWO(less, reel_less, "a", ties, (double)(a < b), REEL_BOOL, NO_FRACTION(less));
OF_TWO(less_equal, reel_less_equal, "a", ties, (double)(a <= b), REEL_BOOL, NO_FRACTION(less_equal));
OF_TWO(greater, reel_greater, "a", ties, (double)(a > b), REEL_BOOL, NO_FRACTION(greater));
OF_TWO(greater_equal, reel_greater_equal, "a", ties, (double)(a >= b), REEL_BOOL, NO_FRACTION(greater_equal));

/* ---- isclose: p0 rtol, p1 atol, p2 equal_nan ------------------------------------------------------------ */
static int isclose_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    out[0] = reel_isclose(in[0], in[1], s->p[0], s->p[1], (int)s->p[2]);
    return reel_status();
}

static void isclose_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    (void)d;
    nd_make(out, REEL_BOOL, nd_broadcast(in[0].shape, in[1].shape));
    for (int64_t i = 0; i < out->count; i++) {
        const double a = nd_at(&in[0], &out->shape, i), b = nd_at(&in[1], &out->shape, i);
        const bool near = isfinite(a) && isfinite(b) && fabs(a - b) <= s->p[1] + s->p[0] * fabs(b);
        out->data[i] = a == b || near || (s->p[2] != 0 && isnan(a) && isnan(b));
    }
}

#define CLOSE(a, b) reel_isclose(a, b, 1e-5, 1e-8, 0)
static void isclose_bad(void)
{
    REFUSED("reel_isclose: a", CLOSE, REEL_F32);
    BAD(reel_isclose(X("[2]"), X("[2]"), -1, 0, 0), REEL_EARG, "reel_isclose: rtol -1 is not 0 or more: a f32[2]");
    BAD(reel_isclose(X("[2]"), X("[2]"), NAN, 0, 0), REEL_EARG, "rtol nan is not");
    BAD(reel_isclose(X("[2]"), X("[2]"), 0, -0.5, 0), REEL_EARG, "atol -0.5 is not 0 or more");
    BAD(CLOSE(XD("[2]", REEL_BOOL), XD("[2]", REEL_BOOL)), REEL_EDTYPE, "a is bool, allowed");
}

#define TOLERANCES(...)                                                                                                \
    {IN("[]", "[]"), WITH(__VA_ARGS__)}, {IN("[0]", "[0]"), WITH(__VA_ARGS__)}, {IN("[1]", "[3]"), WITH(__VA_ARGS__)}, \
        {IN("[3,4]", "[4]"), WITH(__VA_ARGS__)}, {IN("[3,1]", "[1,4]"), WITH(__VA_ARGS__)},                            \
        {IN("[9,9]=", "[9]r="), WITH(__VA_ARGS__)}, {IN("[31,1]!", "[31]!"), WITH(__VA_ARGS__)},                       \
        {IN("[3,4]t", "#1"), WITH(__VA_ARGS__)}, {IN("#2", "[5]s"), WITH(__VA_ARGS__)},                                \
    {                                                                                                                  \
        IN("[70,301]o", "[301]b"), WITH(__VA_ARGS__)                                                                   \
    }
static const sample isclose_good[] = {TOLERANCES(1e-5, 1e-8), TOLERANCES(0.25, 0.5, 1)};
static const sample allclose_good[] = {TOLERANCES(1e-5, 1e-8),
                                       {IN("[3,4]", "[3,4]"), WITH(0, 0)},
                                       {IN("[31]!", "[31]!"), WITH(0, 0)},
                                       {IN("[31]!", "[31]!"), WITH(0, 0, 1)},
                                       {IN("[70,301]=", "[70,301]t="), WITH(0, 100)},
                                       {IN("[2]", "[3,2]"), WITH(10, 0)}};
static int allclose_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    out[0] = reel_allclose(in[0], in[1], s->p[0], s->p[1], (int)s->p[2]);
    return reel_status();
}
static void allclose_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd each;
    isclose_reference(s, d, in, &each);
    nd_make(out, REEL_BOOL, REEL_SCALAR);
    out->data[0] = 1;
    for (int64_t i = 0; i < each.count; i++) out->data[0] *= each.data[i];
    nd_free(&each);
}
#define ALL_CLOSE(a, b) reel_allclose(a, b, 1e-5, 1e-8, 0)
static void allclose_bad(void)
{
    REFUSED("reel_isclose: a", ALL_CLOSE, REEL_F32);
    BAD(reel_allclose(X("[2]"), X("[2]"), -1, 0, 0), REEL_EARG, "rtol -1 is not 0 or more: a f32[2]");
    BAD(reel_allclose(X("[2]"), X("[2]"), NAN, 0, 0), REEL_EARG, "rtol nan is not");
    BAD(reel_allclose(X("[2]"), X("[2]"), 0, -0.5, 0), REEL_EARG, "atol -0.5 is not 0 or more");
    BAD(ALL_CLOSE(XD("[2]", REEL_BOOL), XD("[2]", REEL_BOOL)), REEL_EDTYPE, "a is bool, allowed");
}
const samples samples_allclose = {GOOD(allclose_good), .apply = allclose_apply, .reference = allclose_reference,
                                  .bad = allclose_bad};
const samples samples_isclose = {GOOD(isclose_good), .apply = isclose_apply, .reference = isclose_reference,
                                 .bad = isclose_bad};
