/* samples_binary.c: elementwise ops of two and three operands. */
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
                                {IN("[3,4]+", "#-0.5")},
                                {IN("[5]=", "#2")},
                                {IN("[5]=", "#3")},
                                {IN("#2.5", "[5]=")},
                                {IN("[9]+", "[9]=")},
                                {IN("[5]=", "[5]="), .flags = NO_GRAD},
                                SPECIALS};
static const sample slopes[] = {PAIRS(""), TIES};

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

#define OF_TWO(name, function, args, list, formula, dtype_out, more)                                    \
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
        REFUSED("reel_" #name ": " args, function, REEL_F32);                                           \
        more;                                                                                           \
    }                                                                                                   \
    const samples samples_##name = {GOOD(list), .apply = name##_apply, .reference = name##_reference, .bad = name##_bad}

#define NO_BOOL(name) BAD(reel_##name(XD("[2]", REEL_BOOL), XD("[2]", REEL_BOOL)), REEL_EDTYPE, "a is bool, allowed:")
#define NO_FRACTION(name) BAD(reel_##name(XD("[2]", REEL_I32), reel_num(0.5)), REEL_EDTYPE, "0.5 does not fit i32")
#define NUMBERS(name) \
    NO_BOOL(name);    \
    NO_FRACTION(name)

static double quotient(double a, double b, bool integer)
{
    return !integer ? a / b : b == 0 ? 0 : trunc(a / b);
}

OF_TWO(add, reel_add, "a", pairs, a + b, d, NUMBERS(add));
OF_TWO(sub, reel_sub, "a", pairs, a - b, d, NUMBERS(sub));
OF_TWO(mul, reel_mul, "a", pairs, a *b, d, NUMBERS(mul));
OF_TWO(div, reel_div, "a", quotients, quotient(a, b, is_int(d)), d, NUMBERS(div));
OF_TWO(pow, reel_pow, "a", powers, pow(a, b), d, NO_BOOL(pow));
OF_TWO(maximum, reel_maximum, "a", ties, isnan(a) || isnan(b) ? NAN : fmax(a, b), d, NO_FRACTION(maximum));
OF_TWO(minimum, reel_minimum, "a", ties, isnan(a) || isnan(b) ? NAN : fmin(a, b), d, NO_FRACTION(minimum));
OF_TWO(equal, reel_equal, "a", ties, (double)(a == b), REEL_BOOL, NO_FRACTION(equal));
OF_TWO(not_equal, reel_not_equal, "a", ties, (double)(a != b), REEL_BOOL, NO_FRACTION(not_equal));
OF_TWO(less, reel_less, "a", ties, (double)(a < b), REEL_BOOL, NUMBERS(less));
OF_TWO(less_equal, reel_less_equal, "a", ties, (double)(a <= b), REEL_BOOL, NUMBERS(less_equal));
OF_TWO(greater, reel_greater, "a", ties, (double)(a > b), REEL_BOOL, NUMBERS(greater));
OF_TWO(greater_equal, reel_greater_equal, "a", ties, (double)(a >= b), REEL_BOOL, NUMBERS(greater_equal));

#define relu_grad(y, g) reel_relu_grad_at_(REEL_HERE, y, g)
#define tanh_grad(y, g) reel_tanh_grad_at_(REEL_HERE, y, g)
#define sigmoid_grad(y, g) reel_sigmoid_grad_at_(REEL_HERE, y, g)
OF_TWO(relu_grad, relu_grad, "y", slopes, a > 0 ? b : 0, d, (void)0);
OF_TWO(tanh_grad, tanh_grad, "y", slopes, b *(1 - a * a), d, (void)0);
OF_TWO(sigmoid_grad, sigmoid_grad, "y", slopes, b *a *(1 - a), d, (void)0);

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
