/* compile_formula.c: parts of groups as expressions of C: the formulas of ops/elementwise.def with the operands' names in them. */
#include <string.h>
#include "compile_print.h"

const char *const reel_c_type_[REEL_N_DTYPES] = {"",        "float",   "double",   "uint16_t", "uint16_t",
                                                 "uint8_t", "uint8_t", "uint32_t", "uint64_t", "uint8_t"};
const char *const reel_c_signed_[REEL_N_DTYPES] = {"",       "float",   "double",  "float",   "float",
                                                   "int8_t", "uint8_t", "int32_t", "int64_t", "uint8_t"};
#define say reel_source_say_

void reel_put_(printer *p, const char *s)
{
    reel_source_add_(p->t, s, strlen(s));
}

/* ---- names --------------------------------------------------------------------------------------------- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A name of C that nobody else has: text's letters and digits, then the operand's number. */
void reel_name_operand_(printer *p, int k, const char *text)
{
    printed_operand *o = &p->o[k];
    int n = 0;
    for (const char *s = text; *s && n < 30; s++) {
        const bool good = is_letter(*s) || (n && reel_is_digit_(*s));
        if (good || (n && o->name[n - 1] != '_')) o->name[n++] = good ? *s : '_';
    }
    if (!n) o->name[n++] = 'v';
    if (o->name[n - 1] != '_') o->name[n++] = '_';
    char digits[12];
    int d = 0;
    do digits[d++] = (char)('0' + k % 10);
    while (k /= 10);
    while (d) o->name[n++] = digits[--d];
    o->name[n] = '\0';
}

/* ---- expressions ----------------------------------------------------------------------------------------- */

/* Integers: x, y and z are unsigned, in comparisons and tests as they are. */
static void put_operand(printer *p, int i, int j)
{
    const reel_fused_part *part = &p->f->part[i];
    const printed_operand *o = &p->o[part->in[j]];
    if (reel_is_half_(o->dtype))
        say(p->t, "%s_w", o->name);
    else if (!reel_is_float_(o->dtype) && p->formula[i].kind == REEL_FORMULA_BOOL)
        say(p->t, "(%s)%s", reel_c_signed_[o->dtype], o->name);
    else
        reel_put_(p, o->name);
}

/* An attribute as the integer formulas have it: cut to the dtype. */
static void put_whole(printer *p, reel_dtype d, double x)
{
    static const double low[REEL_N_DTYPES] = {
        [REEL_I8] = -128, [REEL_I32] = -2147483648.0, [REEL_I64] = -9223372036854775808.0};
    static const char *const lowest[REEL_N_DTYPES] = {
        [REEL_I8] = "INT8_MIN", [REEL_U8] = "0", [REEL_I32] = "INT32_MIN", [REEL_I64] = "INT64_MIN", [REEL_BOOL] = "0"};
    static const double high[REEL_N_DTYPES] = {[REEL_I8] = 127,
                                               [REEL_U8] = 255,
                                               [REEL_I32] = 2147483647.0,
                                               [REEL_I64] = 9223372036854775807.0,
                                               [REEL_BOOL] = 1};
    if (x >= high[d] && d == REEL_I64)
        reel_put_(p, "INT64_MAX");
    else if (!(x > low[d]))
        say(p->t, "((%s)%s)", reel_c_signed_[d], lowest[d]);
    else
        say(p->t, "((%s)%lldLL)", reel_c_signed_[d], (long long)(x >= high[d] ? high[d] : x));
}

double reel_part_attribute_(const reel_fused_part *part, int k)
{
    double all[4] = {0};
    const size_t size = part->op->attr_size;
    if (size) memcpy(all, part->attr, size < sizeof all ? size : sizeof all);
    return all[k];
}

/* One word of a formula: see the head of ops/elementwise.def. */
static void put_word(printer *p, int i, const char *s, size_t n)
{
    const reel_fused_part *part = &p->f->part[i];
    const reel_dtype d = part->in_dtype[0];
    const char *const type = d == REEL_F64 ? "double" : "float";
    if (n == 1 && *s >= 'x' && *s <= 'z')
        put_operand(p, i, *s - 'x');
    else if (n == 1 && *s == 'T')
        reel_put_(p, type);
    else if (n == 1 && *s == 'U')
        reel_put_(p, reel_c_type_[d]);
    else if (n == 1 && *s == 'S')
        reel_put_(p, reel_c_signed_[d]);
    else if (n == 4 && !memcmp(s, "ONES", 4))
        say(p->t, d == REEL_BOOL ? "1u" : "((%s)-1)", reel_c_type_[d]);
    else if (n == 2 && *s == 'd' && reel_is_digit_(s[1]))
        reel_source_number_(p->t, "double", reel_part_attribute_(part, s[1] - '0'));
    else if (n == 2 && *s == 'p' && reel_is_digit_(s[1]) && reel_is_float_(d))
        reel_source_number_(p->t, type, reel_part_attribute_(part, s[1] - '0'));
    else if (n == 2 && *s == 'p' && reel_is_digit_(s[1]))
        put_whole(p, d, reel_part_attribute_(part, s[1] - '0'));
    else
        reel_source_add_(p->t, s, n);
}

static void put_formula(printer *p, int i, const char *s)
{
    const char *const suffix = p->f->part[i].in_dtype[0] == REEL_F64 ? "f64" : "f32";
    while (*s) {
        size_t n = 0;
        while (is_letter(s[n]) || s[n] == '_' || (n && reel_is_digit_(s[n]))) n++;
        if (n == 1 && *s == 'V' && s[1] == '(') { /* V(exp) */
            const size_t name = strcspn(s + 2, ")");
            reel_put_(p, "reel_");
            reel_source_add_(p->t, s + 2, name);
            say(p->t, "_%s_", suffix);
            s += 3 + name;
        } else if (n) {
            put_word(p, i, s, n);
            s += n;
        } else { /* a number with its suffixes, or a sign */
            do n++;
            while (reel_is_digit_(*s) && (reel_is_digit_(s[n]) || is_letter(s[n]) || s[n] == '.'));
            reel_source_add_(p->t, s, n);
            s += n;
        }
    }
}

static void put_cast(printer *p, int i)
{
    const reel_fused_part *part = &p->f->part[i];
    const reel_dtype from = part->in_dtype[0], to = part->out_dtype;
    const char *const x = p->o[part->in[0]].name, *const w = reel_is_half_(from) ? "_w" : "";
    if (from == to)
        reel_put_(p, x);
    else if (to == REEL_BOOL)
        say(p->t, "(uint8_t)(%s%s != 0)", x, w);
    else if (reel_is_half_(to))
        say(p->t, "reel_narrow_%s_(%s%s)", reel_dtype_name(to), x, w);
    else if (from == REEL_BOOL)
        say(p->t, "(%s)(%s != 0)", reel_c_type_[to], x);
    else
        say(p->t, "(%s)(%s)%s%s", reel_c_type_[to], reel_c_signed_[from], x, w);
}

void reel_put_expression_(printer *p, int i)
{
    const reel_fused_part *part = &p->f->part[i];
    const reel_dtype d = part->out_dtype;
    if (p->formula[i].kind == REEL_FORMULA_CAST) {
        put_cast(p, i);
    } else if (p->formula[i].kind == REEL_FORMULA_WHERE) {
        say(p->t, "%s ? %s : %s", p->o[part->in[0]].name, p->o[part->in[1]].name, p->o[part->in[2]].name);
    } else {
        const bool narrow = reel_is_half_(d) && p->formula[i].kind == REEL_FORMULA_SAME;
        if (narrow)
            say(p->t, "reel_narrow_%s_((float)(", reel_dtype_name(d));
        else
            say(p->t, "(%s)(", reel_c_type_[d]);
        put_formula(p, i, reel_is_float_(part->in_dtype[0]) ? p->formula[i].floats : p->formula[i].integers);
        reel_put_(p, narrow ? "))" : ")");
    }
}
