/* compile_print.c: fused steps as C. A group is a function, its parts are statements of one loop. Where some parts are rather calls
   of the library's loops, tiles of 512 elements go through loops and calls in turn. Each element sees the very expressions of ops/elementwise.def, so the bits are the
   interpreter's. Nothing that is printed depends on sizes: a plan for other sizes finds the same text. */
#include <string.h>
#include "compile.h"
#include "core/alloc.h"

enum { OPERANDS = REEL_FUSED_IN + REEL_FUSED_NUMBERS + REEL_FUSED_PARTS, NAME = 48 };

typedef struct operand {
    char name[NAME];
    reel_dtype dtype;
    int made, last;       /* the stage that makes it, -1: given; the last that reads it */
    bool loaded, widened; /* in the loop at hand */
} operand;

typedef struct printer {
    const reel_printing *how;
    reel_source *t;
    const reel_graph *g;
    const reel_fused *f;
    reel_formula formula[REEL_FUSED_PARTS];
    int stage[REEL_FUSED_PARTS];
    int call[REEL_FUSED_PARTS]; /* of a stage: the part that is called, -1: it is a loop */
    int n_stages;
    operand o[OPERANDS];
    bool tiles;
    const char *at;   /* "at + i" where there are tiles, else "i" */
    const char *site; /* the last #line */
} printer;

static const char *const c_type[REEL_N_DTYPES] = {"",        "float",   "double",   "uint16_t", "uint16_t",
                                                  "uint8_t", "uint8_t", "uint32_t", "uint64_t", "uint8_t"};
static const char *const s_type[REEL_N_DTYPES] = {"",       "float",   "double",  "float",   "float",
                                                  "int8_t", "uint8_t", "int32_t", "int64_t", "uint8_t"};
#define say reel_source_say_

static void put(printer *p, const char *s)
{
    reel_source_add_(p->t, s, strlen(s));
}

static bool is_half(reel_dtype d)
{
    return d == REEL_F16 || d == REEL_BF16;
}

/* ---- names --------------------------------------------------------------------------------------------- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A name of C that nobody else has: text's letters and digits, then the operand's number. */
static void name_operand(printer *p, int k, const char *text)
{
    operand *o = &p->o[k];
    int n = 0;
    for (const char *s = text; *s && n < 30; s++) {
        const bool good = is_letter(*s) || (n && is_digit(*s));
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

static const char *value_name(const printer *p, int32_t value)
{
    const reel_gvalue *v = &p->g->values[value];
    if (v->name >= 0) return p->g->names[v->name].text;
    const reel_node *n = &p->g->nodes[v->node];
    return n->kind == REEL_NODE_CONST ? "constant" : reel_node_name_(p->g, v->node);
}

/* ---- what is to be printed ------------------------------------------------------------------------------ */

/* Operands and stages of the group; false: it has something that is not for us. */
static bool look(printer *p)
{
    const reel_fused *f = p->f;
    p->n_stages = 0;
    p->site = NULL;
    if (f->n_operands > OPERANDS) return false;
    for (int k = 0; k < f->n_operands; k++) p->o[k] = (operand){.made = -1, .last = -1};
    for (int i = 0; i < f->n_parts; i++) {
        const reel_fused_part *part = &f->part[i];
        const reel_node *n = &p->g->nodes[part->node];
        if (!p->how->formula(part, &p->formula[i])) return false;
        const bool call = p->formula[i].call;
        if (call || !i || p->call[p->n_stages - 1] >= 0) p->call[p->n_stages++] = call ? i : -1;
        p->stage[i] = p->n_stages - 1;
        for (int j = 0; j < part->n_in; j++) {
            operand *o = &p->o[part->in[j]];
            if (o->dtype && o->dtype != part->in_dtype[j]) return false;
            o->dtype = part->in_dtype[j];
            o->last = p->stage[i];
            if (!*o->name) name_operand(p, part->in[j], value_name(p, p->g->ins[n->first_in + j]));
        }
        operand *o = &p->o[part->out];
        *o = (operand){.dtype = part->out_dtype, .made = p->stage[i], .last = -1};
        name_operand(p, part->out, value_name(p, n->first_out));
    }
    return true;
}

static bool is_out(const printer *p, int k)
{
    const int first = p->f->n_in + p->f->n_numbers;
    return k >= first && k < first + p->f->n_out;
}

static bool is_number(const printer *p, int k)
{
    return k >= p->f->n_in && k < p->f->n_in + p->f->n_numbers;
}

/* Kept in a tile between loops? */
static bool in_tile(const printer *p, int k)
{
    return p->o[k].made >= 0 && !is_out(p, k) && p->o[k].last > p->o[k].made;
}

/* ---- expressions ----------------------------------------------------------------------------------------- */

/* Integers: x, y and z are unsigned, in comparisons and tests as they are. */
static void put_operand(printer *p, int i, int j)
{
    const reel_fused_part *part = &p->f->part[i];
    const operand *o = &p->o[part->in[j]];
    if (is_half(o->dtype))
        say(p->t, "%s_w", o->name);
    else if (!reel_is_float_(o->dtype) && p->formula[i].kind == REEL_FORMULA_BOOL)
        say(p->t, "(%s)%s", s_type[o->dtype], o->name);
    else
        put(p, o->name);
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
        put(p, "INT64_MAX");
    else if (!(x > low[d]))
        say(p->t, "((%s)%s)", s_type[d], lowest[d]);
    else
        say(p->t, "((%s)%lldLL)", s_type[d], (long long)(x >= high[d] ? high[d] : x));
}

static double attribute(const reel_fused_part *part, int k)
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
        put(p, type);
    else if (n == 1 && *s == 'U')
        put(p, c_type[d]);
    else if (n == 1 && *s == 'S')
        put(p, s_type[d]);
    else if (n == 4 && !memcmp(s, "ONES", 4))
        say(p->t, d == REEL_BOOL ? "1u" : "((%s)-1)", c_type[d]);
    else if (n == 2 && *s == 'd' && is_digit(s[1]))
        reel_source_number_(p->t, "double", attribute(part, s[1] - '0'));
    else if (n == 2 && *s == 'p' && is_digit(s[1]) && reel_is_float_(d))
        reel_source_number_(p->t, type, attribute(part, s[1] - '0'));
    else if (n == 2 && *s == 'p' && is_digit(s[1]))
        put_whole(p, d, attribute(part, s[1] - '0'));
    else
        reel_source_add_(p->t, s, n);
}

static void put_formula(printer *p, int i, const char *s)
{
    const char *const suffix = p->f->part[i].in_dtype[0] == REEL_F64 ? "f64" : "f32";
    while (*s) {
        size_t n = 0;
        while (is_letter(s[n]) || s[n] == '_' || (n && is_digit(s[n]))) n++;
        if (n == 1 && *s == 'V' && s[1] == '(') { /* V(exp) */
            const size_t name = strcspn(s + 2, ")");
            put(p, "reel_");
            reel_source_add_(p->t, s + 2, name);
            say(p->t, "_%s_", suffix);
            s += 3 + name;
        } else if (n) {
            put_word(p, i, s, n);
            s += n;
        } else { /* a number with its suffixes, or a sign */
            do n++;
            while (is_digit(*s) && (is_digit(s[n]) || is_letter(s[n]) || s[n] == '.'));
            reel_source_add_(p->t, s, n);
            s += n;
        }
    }
}

static void put_cast(printer *p, int i)
{
    const reel_fused_part *part = &p->f->part[i];
    const reel_dtype from = part->in_dtype[0], to = part->out_dtype;
    const char *const x = p->o[part->in[0]].name, *const w = is_half(from) ? "_w" : "";
    if (from == to)
        put(p, x);
    else if (to == REEL_BOOL)
        say(p->t, "(uint8_t)(%s%s != 0)", x, w);
    else if (is_half(to))
        say(p->t, "reel_narrow_%s_(%s%s)", reel_dtype_name(to), x, w);
    else if (from == REEL_BOOL)
        say(p->t, "(%s)(%s != 0)", c_type[to], x);
    else
        say(p->t, "(%s)(%s)%s%s", c_type[to], s_type[from], x, w);
}

static void put_expression(printer *p, int i, const char *formula)
{
    const reel_fused_part *part = &p->f->part[i];
    const reel_dtype d = part->out_dtype;
    if (p->formula[i].kind == REEL_FORMULA_CAST) {
        put_cast(p, i);
    } else if (p->formula[i].kind == REEL_FORMULA_WHERE) {
        say(p->t, "%s ? %s : %s", p->o[part->in[0]].name, p->o[part->in[1]].name, p->o[part->in[2]].name);
    } else {
        const bool narrow = is_half(d) && p->formula[i].kind == REEL_FORMULA_SAME;
        if (narrow)
            say(p->t, "reel_narrow_%s_((float)(", reel_dtype_name(d));
        else
            say(p->t, "(%s)(", c_type[d]);
        put_formula(p, i, formula);
        put(p, narrow ? "))" : ")");
    }
}

/* ---- loops ----------------------------------------------------------------------------------------------- */

/* The lines that follow are the user's, until put_own_line. */
static void put_line(printer *p, const reel_node *n)
{
    const char *site = n->site && *n->site ? n->site : NULL, *colon = site ? strrchr(site, ':') : NULL;
    if (!colon || !is_digit(colon[1])) return;
    put(p, "#line ");
    for (const char *s = colon + 1; is_digit(*s); s++) reel_source_add_(p->t, s, 1);
    put(p, " \"");
    for (const char *s = site; s < colon; s++) {
        if (*s == '"' || *s == '\\') put(p, "\\");
        reel_source_add_(p->t, (unsigned char)*s < ' ' ? "?" : s, 1);
    }
    put(p, "\"\n");
    p->site = n->site;
}

static void put_own_line(printer *p)
{
    if (p->site) say(p->t, "#line %d \"plan.c\"\n", p->t->lines + 2);
    p->site = NULL;
}

static bool reads_wide(const printer *p, int i)
{
    const reel_formula *m = &p->formula[i];
    return m->kind == REEL_FORMULA_CAST ? p->f->part[i].in_dtype[0] != p->f->part[i].out_dtype
                                        : m->kind != REEL_FORMULA_WHERE;
}

/* What part i reads, as a variable of the loop. */
static void put_loads(printer *p, int i, int stage)
{
    const reel_fused_part *part = &p->f->part[i];
    for (int j = 0; j < part->n_in; j++) {
        const int k = part->in[j];
        operand *o = &p->o[k];
        if (!o->loaded && !is_number(p, k) && o->made != stage)
            say(p->t, "        const %s %s = %s_p[%s];\n", c_type[o->dtype], o->name, o->name,
                in_tile(p, k) ? "i" : p->at);
        o->loaded = true;
        if (is_half(o->dtype) && reads_wide(p, i) && !o->widened) {
            say(p->t, "        const float %s_w = reel_widen_%s_(%s);\n", o->name, reel_dtype_name(o->dtype), o->name);
            o->widened = true;
        }
    }
}

static void put_part(printer *p, int i)
{
    const reel_fused_part *part = &p->f->part[i];
    const reel_formula *m = &p->formula[i];
    operand *o = &p->o[part->out];
    put_line(p, &p->g->nodes[part->node]);
    say(p->t, "        const %s %s = ", c_type[o->dtype], o->name);
    put_expression(p, i, reel_is_float_(part->in_dtype[0]) ? m->floats : m->integers);
    put(p, ";\n");
    o->loaded = true;
    if (is_out(p, part->out))
        say(p->t, "        %s_p[%s] = %s;\n", o->name, p->at, o->name);
    else if (in_tile(p, part->out))
        say(p->t, "        %s_p[i] = %s;\n", o->name, o->name);
}

static void put_loop(printer *p, int stage)
{
    for (int k = 0; k < p->f->n_operands; k++) p->o[k].loaded = p->o[k].widened = false;
    put(p, "    REEL_IVDEP\n");
    say(p->t, "    for (int64_t i = 0; i < %s; i++) {\n", p->tiles ? "m" : "n");
    for (int i = 0; i < p->f->n_parts; i++) {
        if (p->stage[i] != stage) continue;
        put_loads(p, i, stage);
        put_part(p, i);
    }
    put_own_line(p);
    put(p, "    }\n");
}

/* Numbers are spread over a tile before the first. */
static void put_call(printer *p, int i)
{
    const reel_fused_part *part = &p->f->part[i];
    say(p->t, "    call[%d].fn((void *[]){", i);
    for (int j = 0; j <= part->n_in; j++) {
        const int k = j < part->n_in ? part->in[j] : part->out;
        const bool tile = in_tile(p, k) || is_number(p, k);
        say(p->t, "%s(void *)(%s%s)", j ? ", " : "", p->o[k].name, tile ? "_p" : "_p + at");
    }
    say(p->t, "}, ones, m, call[%d].extra); /* %.60s */\n", i, part->op->name);
}

static void put_stage(printer *p, int stage)
{
    if (p->call[stage] >= 0)
        put_call(p, p->call[stage]);
    else
        put_loop(p, stage);
}

/* ---- a function -------------------------------------------------------------------------------------------- */

/* Names are the user's: nothing in them ends a comment. */
static void put_comment(printer *p, const char *s)
{
    for (; *s; s++) reel_source_add_(p->t, (unsigned char)*s < ' ' || *s == '*' || *s == '\\' ? "?" : s, 1);
}

static void put_title(printer *p, int function)
{
    const reel_fused *f = p->f;
    say(p->t, "\n/* %d as one:", f->n_parts);
    for (int i = 0; i < f->n_parts; i++) say(p->t, " %.60s", f->part[i].op->name);
    const reel_node *last = &p->g->nodes[f->part[f->n_parts - 1].node];
    if (last->scope >= 0) {
        put(p, "; in ");
        put_comment(p, p->g->texts + last->scope);
    }
    if (last->site && *last->site) {
        put(p, "; ");
        put_comment(p, last->site);
    }
    say(p->t,
        " */\nvoid reel_group_%d(void *const *io, int64_t n, void *const *number, const reel_loop_of_part *call)\n{\n",
        function);
}

static void put_operands(printer *p)
{
    const reel_fused *f = p->f;
    for (int k = 0; k < f->n_operands; k++) {
        const operand *o = &p->o[k];
        const char *const type = c_type[o->dtype];
        if (!o->dtype) continue; /* nobody reads it here */
        if (k < f->n_in)
            say(p->t, "    const %s *const %s_p = io[%d];\n", type, o->name, k);
        else if (is_number(p, k))
            say(p->t, "    const %s %s = *(const %s *)number[%d];\n", type, o->name, type, k - f->n_in);
        else if (is_out(p, k))
            say(p->t, "    %s *const %s_p = io[%d];\n", type, o->name, k - f->n_numbers);
        else if (in_tile(p, k))
            say(p->t, "    %s %s_p[REEL_TILE];\n", type, o->name);
    }
}

/* What calls want of a number: a tile full of it. */
static void put_spread(printer *p, int k)
{
    const operand *o = &p->o[k];
    bool wanted = false;
    for (int i = 0; i < p->f->n_parts; i++)
        for (int j = 0; j < p->f->part[i].n_in; j++) wanted |= p->formula[i].call && p->f->part[i].in[j] == k;
    if (wanted)
        say(p->t, "    %s %s_p[REEL_TILE];\n    for (int i = 0; i < REEL_TILE; i++) %s_p[i] = %s;\n", c_type[o->dtype],
            o->name, o->name, o->name);
}

static void put_function(printer *p, int function)
{
    bool calls = false;
    for (int s = 0; s < p->n_stages; s++) calls |= p->call[s] >= 0;
    p->tiles = calls;
    p->at = calls ? "at + i" : "i";
    put_title(p, function);
    put_operands(p);
    for (int k = p->f->n_in; k < p->f->n_in + p->f->n_numbers; k++) put_spread(p, k);
    if (calls)
        put(p, "    static const uint8_t ones[] = {1, 1, 1, 1};\n"
               "    for (int64_t at = 0; at < n; at += REEL_TILE) {\n"
               "    const int64_t m = n - at < REEL_TILE ? n - at : REEL_TILE;\n");
    for (int s = 0; s < p->n_stages; s++) put_stage(p, s);
    put(p, calls ? "    }\n}\n" : "}\n");
}

/* ---- all of them --------------------------------------------------------------------------------------------- */

static bool same_part(const reel_fused_part *a, const reel_fused_part *b)
{
    if (a->op != b->op || a->n_in != b->n_in || a->out != b->out || a->out_dtype != b->out_dtype) return false;
    for (int j = 0; j < a->n_in; j++)
        if (a->in[j] != b->in[j] || a->in_dtype[j] != b->in_dtype[j]) return false;
    for (int k = 0; k < 4; k++) {
        const double x = attribute(a, k), y = attribute(b, k);
        uint64_t u, v;
        memcpy(&u, &x, sizeof u);
        memcpy(&v, &y, sizeof v);
        if (u != v) return false;
    }
    return true;
}

/* The same function but for names and lines? */
static bool same_group(const reel_fused *a, const reel_fused *b)
{
    if (a->n_parts != b->n_parts || a->n_in != b->n_in || a->n_numbers != b->n_numbers || a->n_out != b->n_out)
        return false;
    for (int i = 0; i < a->n_parts; i++)
        if (!same_part(&a->part[i], &b->part[i])) return false;
    return true;
}

static int function_of(const reel_printed *out, const reel_fused *f)
{
    for (size_t k = 0; k < out->n_steps; k++)
        if (same_group(out->steps[k].plan->groups[out->steps[k].step], f)) return out->steps[k].function;
    return -1;
}

static int print_step(printer *p, reel_plan *plan, int step, reel_printed *out)
{
    p->f = plan->groups[step];
    p->g = plan->graph;
    int function = function_of(out, p->f);
    if (function < 0 && !look(p)) {
        out->left++;
        return 0;
    }
    if (reel_grow_((void **)&out->steps, &out->cap_steps, out->n_steps + 1, sizeof *out->steps)) return REEL_ENOMEM;
    if (function < 0) {
        function = out->n_functions++;
        put_function(p, function);
    }
    out->steps[out->n_steps++] = (reel_printed_step){plan, step, function};
    return out->text.failed ? REEL_ENOMEM : 0;
}

int reel_print_groups_(const reel_printing *how, reel_plan *const *plans, int n, reel_printed *out)
{
    *out = (reel_printed){0};
    printer *p = reel_zalloc_(sizeof *p);
    int rc = p ? 0 : REEL_ENOMEM;
    if (p) {
        p->how = how;
        p->t = &out->text;
        put(p, "/* Printed by Reel: groups of elementwise ops, each in one pass over memory. io: inputs, then outputs. "
               "*/\n"
               "#include \"reel_head.h\"\n");
    }
    for (int k = 0; k < n && !rc; k++)
        for (int i = 0; i < plans[k]->n_steps + plans[k]->n_late && !rc; i++)
            if (plans[k]->groups[i]) rc = print_step(p, plans[k], i, out);
    reel_free_(p, sizeof *p);
    return rc;
}

void reel_printed_free_(reel_printed *p)
{
    reel_source_free_(&p->text);
    reel_free_(p->steps, p->cap_steps * sizeof *p->steps);
    *p = (reel_printed){0};
}
