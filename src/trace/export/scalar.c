/* scalar.c: the formulas of elementwise.def as C99: each that is used becomes a static function of its name and dtype, simple ones are
   written where they stand. */
#include <string.h>
#include "core/alloc.h"
#include "emit.h"

typedef enum { NO_FORMULA, UNARY_F, BINARY_F, TERNARY_F, TEST_F, COMPARE_F } formula_kind;
typedef struct formula {
    formula_kind kind;
    const char *real, *whole; /* for floats, for integers */
} formula;
#define UNARY(name, dtypes, r, w) [REEL_OP_##name] = {UNARY_F, #r, #w},
#define BINARY(name, dtypes, r, w) [REEL_OP_##name] = {BINARY_F, #r, #w},
#define TERNARY(name, dtypes, r, w) [REEL_OP_##name] = {TERNARY_F, #r, #w},
#define TEST(name, dtypes, r, w) [REEL_OP_##name] = {TEST_F, #r, #w},
#define COMPARE(name, dtypes, r) [REEL_OP_##name] = {COMPARE_F, #r, #r},
static const formula formulas[REEL_N_OPS] = {
#include "ops/elementwise.def"
};
#undef UNARY
#undef BINARY
#undef TERNARY
#undef TEST
#undef COMPARE

bool reel_is_scalar_(const reel_op *op)
{
    if (op->id < 0 || op->id >= REEL_N_OPS) return false;
    return formulas[op->id].kind != NO_FORMULA || op->id == REEL_OP_cast || op->id == REEL_OP_where;
}

/* ---- dtypes in C ------------------------------------------------------------------------------------------- */
static const char *const ctypes[REEL_N_DTYPES] = {
    [REEL_F32] = "float",     [REEL_F64] = "double",  [REEL_F16] = "uint16_t",
    [REEL_BF16] = "uint16_t", [REEL_I8] = "int8_t",   [REEL_U8] = "uint8_t",
    [REEL_I32] = "int32_t",   [REEL_I64] = "int64_t", [REEL_BOOL] = "uint8_t"};
static const char *const unsigned_types[REEL_N_DTYPES] = {[REEL_I8] = "uint8_t",
                                                          [REEL_U8] = "uint8_t",
                                                          [REEL_I32] = "uint32_t",
                                                          [REEL_I64] = "uint64_t",
                                                          [REEL_BOOL] = "uint8_t"};

const char *reel_ctype_(reel_dtype d)
{
    return ctypes[d];
}

static bool is_half(reel_dtype d)
{
    return d == REEL_F16 || d == REEL_BF16;
}

const char *reel_compute_type_(reel_dtype d)
{
    return is_half(d) ? "float" : ctypes[d];
}

static bool is_libm(const char *f)
{
    static const char *const names[] = {"exp",  "exp2", "expm1", "log",    "log2",    "log10", "log1p", "cbrt",
                                        "sinh", "cosh", "tanh",  "asinh",  "acosh",   "atanh", "sin",   "cos",
                                        "tan",  "asin", "acos",  "atan",   "atan2",   "hypot", "erf",   "erfc",
                                        "pow",  "fmod", "fma",   "fabs",   "sqrt",    "floor", "ceil",  "trunc",
                                        "rint", "fmax", "fmin",  "lgamma", "copysign"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], f) == 0) return true;
    return false;
}

const char *reel_math_(reel_dtype d, const char *f, char buf[64])
{
    const bool wide = d == REEL_F64;
    if (strcmp(f, "round") == 0) f = "rint"; /* to even */
    if (is_libm(f))
        snprintf(buf, 64, "%s%s", f, wide ? "" : "f");
    else
        snprintf(buf, 64, "%s_%s", f, wide ? "f64" : "f32");
    return buf;
}

const char *reel_double_(double x, char buf[REEL_NUMBER_TEXT])
{
    if (x != x)
        snprintf(buf, REEL_NUMBER_TEXT, "(double)NAN");
    else if (x - x != 0)
        snprintf(buf, REEL_NUMBER_TEXT, x > 0 ? "(double)INFINITY" : "-(double)INFINITY");
    else if (x < 1e6 && x > -1e6 && x == (double)(long)x && (x != 0 || 1 / x > 0))
        snprintf(buf, REEL_NUMBER_TEXT, "%.1f", x);
    else
        snprintf(buf, REEL_NUMBER_TEXT, "%a", x);
    return buf;
}

const char *reel_float_(reel_dtype real, double x, char buf[REEL_NUMBER_TEXT])
{
    if (real == REEL_F64) return reel_double_(x, buf);
    const float f = (float)x;
    if (f != f)
        snprintf(buf, REEL_NUMBER_TEXT, "(float)NAN");
    else if (f - f != 0)
        snprintf(buf, REEL_NUMBER_TEXT, f > 0 ? "(float)INFINITY" : "-(float)INFINITY");
    else if (f < 1e6f && f > -1e6f && f == (float)(long)f && (f != 0 || 1 / f > 0))
        snprintf(buf, REEL_NUMBER_TEXT, "%.1ff", (double)f);
    else
        snprintf(buf, REEL_NUMBER_TEXT, "%af", (double)f);
    return buf;
}

const char *reel_literal_(reel_dtype d, const void *element, char buf[REEL_NUMBER_TEXT])
{
    int64_t i = 0;
    uint16_t h;
    switch (d) {
    case REEL_F32: {
        float f;
        memcpy(&f, element, sizeof f);
        return reel_float_(d, (double)f, buf);
    }
    case REEL_F64: {
        double f;
        memcpy(&f, element, sizeof f);
        return reel_double_(f, buf);
    }
    case REEL_F16:
    case REEL_BF16:
        memcpy(&h, element, sizeof h);
        snprintf(buf, REEL_NUMBER_TEXT, "0x%04x", (unsigned)h);
        return buf;
    case REEL_I8: i = *(const int8_t *)element; break;
    case REEL_I32: {
        int32_t k;
        memcpy(&k, element, sizeof k);
        i = k;
        break;
    }
    case REEL_I64: memcpy(&i, element, sizeof i); break;
    default: i = *(const uint8_t *)element;
    }
    if (i == INT64_MIN)
        snprintf(buf, REEL_NUMBER_TEXT, "(-INT64_C(9223372036854775807) - 1)");
    else if (i > INT32_MAX || i <= INT32_MIN)
        snprintf(buf, REEL_NUMBER_TEXT, "INT64_C(%lld)", (long long)i);
    else
        snprintf(buf, REEL_NUMBER_TEXT, "%lld", (long long)i);
    return buf;
}

/* ---- from the formulas' language ----------------------------------------------------------------------------- */
static bool is(const char *s, size_t n, const char *word)
{
    return strlen(word) == n && memcmp(s, word, n) == 0;
}

void reel_translate_(reel_text *out, reel_dtype d, const char *s)
{
    while (*s) {
        size_t n = 0;
        while (reel_is_word_(s[n])) n++;
        if (!n) {
            reel_text_put_(out, s++, 1);
            continue;
        }
        if (is(s, n, "V") && s[n] == '(') {
            char name[32], buf[64];
            const char *end = strchr(s, ')');
            snprintf(name, sizeof name, "%.*s", (int)(end - s - 2), s + 2);
            reel_text_add_(out, reel_math_(d, name, buf));
            s = end + 1;
            continue;
        }
        if (is(s, n, "T"))
            reel_text_add_(out, reel_compute_type_(d));
        else if (is(s, n, "S"))
            reel_text_add_(out, ctypes[d]);
        else if (is(s, n, "U"))
            reel_text_add_(out, unsigned_types[d] ? unsigned_types[d] : ctypes[d]);
        else if (is(s, n, "ONES"))
            reel_text_fmt_(out, d == REEL_BOOL ? "1" : "(%s)-1", unsigned_types[d]);
        else if (n > 10 && memcmp(s, "reel_int_", 9) == 0)
            reel_text_put_(out, s + 5, n - 6); /* int_pow */
        else
            reel_text_put_(out, s, n);
        s += n;
    }
}

bool reel_mentions_(const char *s, const char *word)
{
    const size_t m = strlen(word);
    for (size_t n = 0; *s; s += n ? n : 1) {
        for (n = 0; reel_is_word_(s[n]);) n++;
        if (n == m && memcmp(s, word, m) == 0) return true;
    }
    return false;
}

/* ---- one formula as a function --------------------------------------------------------------------------------- */
static const char *const operand_names[] = {"x", "y", "z"};
static const char *const scalar_names[] = {"p0", "p1", "p2", "p3"}, *const double_names[] = {"d0", "d1", "d2", "d3"};

static int n_operands(formula_kind k)
{
    return k == TERNARY_F ? 3 : k == BINARY_F || k == COMPARE_F ? 2 : 1;
}

static int define(reel_exporter *x, const reel_op *op, reel_dtype d, const char *name)
{
    const formula *f = &formulas[op->id];
    const bool real = reel_is_float_(d), wraps = !real && f->kind <= TERNARY_F;
    const char *text = real ? f->real : f->whole;
    const char *type = reel_compute_type_(d), *result = f->kind >= TEST_F ? "uint8_t" : type;
    reel_text t = {0};
    reel_text_fmt_(&t, "static %s %s(", result, name);
    for (int i = 0; i < n_operands(f->kind); i++)
        reel_text_fmt_(&t, "%s%s %s%s", i ? ", " : "", type, operand_names[i], wraps ? "_" : "");
    for (int i = 0; i < 4; i++) {
        if (reel_mentions_(text, scalar_names[i])) reel_text_fmt_(&t, ", %s %s", type, scalar_names[i]);
        if (reel_mentions_(text, double_names[i])) reel_text_fmt_(&t, ", double %s", double_names[i]);
    }
    reel_text_add_(&t, ")\n{\n");
    for (int i = 0; i < n_operands(f->kind) && wraps; i++)
        reel_text_fmt_(&t, "    const %s %s = (%s)%s_;\n", unsigned_types[d], operand_names[i], unsigned_types[d],
                       operand_names[i]);
    for (int i = 0; i < n_operands(f->kind); i++)
        if (!reel_mentions_(text, operand_names[i])) reel_text_fmt_(&t, "    (void)%s;\n", operand_names[i]);
    reel_text_fmt_(&t, "    return (%s)", result);
    if (wraps) reel_text_fmt_(&t, "(%s)", unsigned_types[d]);
    reel_text_add_(&t, "(");
    reel_translate_(&t, d, text);
    reel_text_add_(&t, ");\n}\n");
    const int rc = reel_need_helpers_(x, reel_text_of_(&t));
    const int done = rc ? rc : reel_add_helper_(x, name, reel_text_of_(&t));
    reel_text_free_(&t);
    return done;
}

/* p0 ... as the kernels take them: cut and saturated for integers. */
static void put_scalar(reel_text *out, reel_dtype d, double p)
{
    char buf[REEL_NUMBER_TEXT];
    unsigned char element[8] = {0};
    if (reel_is_float_(d)) {
        reel_text_add_(out, reel_float_(d == REEL_F64 ? d : REEL_F32, p, buf));
        return;
    }
    reel_convert_(element, d, 1, &p, REEL_F64, 1, 1);
    reel_text_add_(out, reel_literal_(d, element, buf));
}

static void put_operand(reel_text *out, reel_dtype d, const char *arg)
{
    if (is_half(d))
        reel_text_fmt_(out, "%s(%s)", d == REEL_F16 ? "f16_get" : "bf16_get", arg);
    else
        reel_text_add_(out, arg);
}

/* The four operations and comparisons of floats stand where they are used. */
static const char *infix(int id)
{
    switch (id) {
    case REEL_OP_add: return "+";
    case REEL_OP_sub: return "-";
    case REEL_OP_mul: return "*";
    case REEL_OP_div: return "/";
    default: return NULL;
    }
}

/* V(f)(x, y): the function itself. */
static bool is_plain_call(const char *text, char name[32])
{
    const char *end = strchr(text, ')');
    if (memcmp(text, "V(", 2) != 0 || end[1] != '(' || strchr(end + 1, ')')[1] != '\0') return false;
    for (const char *s = end + 2; *s != ')'; s++)
        if (!reel_is_word_(*s) && *s != ',' && *s != ' ') return false;
    snprintf(name, 32, "%.*s", (int)(end - text - 2), text + 2);
    return true;
}

static int put_call(reel_exporter *x, const reel_op *op, const void *attr, reel_dtype d, const char *const *arg,
                    reel_text *out)
{
    const formula *f = &formulas[op->id];
    const char *text = reel_is_float_(d) ? f->real : f->whole;
    const reel_attr_scalars none = {0}, *a = op->attr_size ? attr : &none;
    const reel_dtype c = is_half(d) ? REEL_F32 : d;
    char name[64], f_name[32];
    snprintf(name, sizeof name, "%s_%s", op->name, reel_dtype_name(c));
    if (reel_is_float_(d) && is_plain_call(text, f_name))
        reel_math_(c, f_name, name);
    else if (define(x, op, c, name))
        return reel_status();
    reel_text_fmt_(out, "%s(", name);
    for (int i = 0; i < n_operands(f->kind); i++) {
        if (i) reel_text_add_(out, ", ");
        put_operand(out, d, arg[i]);
    }
    char buf[REEL_NUMBER_TEXT];
    for (int i = 0; i < 4; i++) {
        if (reel_mentions_(text, scalar_names[i])) {
            reel_text_add_(out, ", ");
            put_scalar(out, d, a->p[i]);
        }
        if (reel_mentions_(text, double_names[i])) reel_text_fmt_(out, ", %s", reel_double_(a->p[i], buf));
    }
    reel_text_add_(out, ")");
    return 0;
}

/* ---- cast ------------------------------------------------------------------------------------------------------ */
static void put_cast(reel_dtype from, reel_dtype to, const char *arg, reel_text *out)
{
    if (from == to) {
        reel_text_add_(out, arg);
        return;
    }
    const bool half = is_half(to);
    if (half) reel_text_add_(out, to == REEL_F16 ? "f16_put((float)(" : "bf16_put((float)(");
    if (to == REEL_BOOL)
        reel_text_add_(out, "(uint8_t)((");
    else if (reel_is_float_(from) && !reel_is_float_(to))
        reel_text_fmt_(out, "(%s)cut((double)(", ctypes[to]);
    else if (!half)
        reel_text_fmt_(out, "(%s)((", ctypes[to]);
    put_operand(out, from, arg);
    if (to == REEL_BOOL)
        reel_text_add_(out, ") != 0)");
    else if (reel_is_float_(from) && !reel_is_float_(to))
        reel_text_add_(out, to == REEL_I8    ? "), -128, 127)"
                            : to == REEL_U8  ? "), 0, 255)"
                            : to == REEL_I32 ? "), -2147483647 - 1, 2147483647)"
                                             : "), -INT64_C(9223372036854775807) - 1, INT64_C(9223372036854775807))");
    else
        reel_text_add_(out, "))");
}

int reel_scalar_(reel_exporter *x, const reel_op *op, const void *attr, const reel_dtype *in, reel_dtype out,
                 const char *const *arg, reel_text *to)
{
    const reel_dtype d = in[0];
    if (op->id == REEL_OP_cast) {
        put_cast(d, out, arg[0], to);
        return reel_need_helpers_(x, reel_text_of_(to));
    }
    if (op->id == REEL_OP_where) {
        reel_text_fmt_(to, "%s ? %s : %s", arg[0], arg[1], arg[2]);
        return reel_status();
    }
    const char *sign = reel_is_float_(d) ? infix(op->id) : NULL;
    const bool narrow = is_half(out);
    if (narrow) reel_text_add_(to, out == REEL_F16 ? "f16_put(" : "bf16_put(");
    if (sign) {
        put_operand(to, d, arg[0]);
        reel_text_fmt_(to, " %s ", sign);
        put_operand(to, d, arg[1]);
    } else if (put_call(x, op, attr, d, arg, to)) {
        return reel_status();
    }
    if (narrow) reel_text_add_(to, ")");
    return reel_need_helpers_(x, reel_text_of_(to));
}
