/* compile_print.c: fused steps as C: a function for each kind of group, see reel_stages in core/printing.h. A stage is a loop whose statements are
   parts, or a call of a part's own loop or reduction. Each element sees the very expressions of ops/elementwise.def, and reductions
   are the library's, so the bits are the interpreter's. Nothing that is printed depends on sizes: a plan for other sizes finds the
   same text. */
#include <string.h>
#include "compile_print.h"
#include "core/alloc.h"

#define say reel_source_say_
#define put reel_put_
#define c_type reel_c_type_

/* ---- what is to be printed ------------------------------------------------------------------------------ */

static const char *value_name(const printer *p, int32_t value)
{
    const reel_gvalue *v = &p->g->values[value];
    if (v->name >= 0) return p->g->names[v->name].text;
    const reel_node *n = &p->g->nodes[v->node];
    return n->kind == REEL_NODE_CONST ? "constant" : reel_node_name_(p->g, v->node);
}

/* Operands and stages of the group; false: it has something that is not for us. */
static bool look(printer *p)
{
    const reel_fused *f = p->f;
    p->site = NULL;
    for (int i = 0; i < f->n_parts; i++)
        if (!p->how->formula(&f->part[i], &p->formula[i])) return false;
    if (!reel_stages_(f, p->by_rows, p->formula, &p->s)) return false;
    for (int k = 0; k < f->n_operands; k++) p->o[k] = (printed_operand){.dtype = 0};
    for (int i = 0; i < f->n_parts; i++) {
        const reel_fused_part *part = &f->part[i];
        const reel_node *n = &p->g->nodes[part->node];
        for (int j = 0; j < part->n_in; j++) {
            printed_operand *o = &p->o[part->in[j]];
            if (o->dtype && o->dtype != part->in_dtype[j]) return false;
            o->dtype = part->in_dtype[j];
            if (!*o->name) reel_name_operand_(p, part->in[j], value_name(p, p->g->ins[n->first_in + j]));
        }
        p->o[part->out] = (printed_operand){.dtype = part->out_dtype};
        reel_name_operand_(p, part->out, value_name(p, n->first_out));
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

static bool is_kept(const printer *p, int k)
{
    return reel_is_kept_(p->f, &p->s, k);
}

/* One element a row, of a group that has rows. */
static bool is_row(const printer *p, int k)
{
    return p->by_rows && !p->f->rows.whole[k] && !is_number(p, k);
}

/* ---- loops ----------------------------------------------------------------------------------------------- */

/* The lines that follow are the user's, until put_own_line. */
static void put_line(printer *p, const reel_node *n)
{
    const char *site = n->site && *n->site ? n->site : NULL, *colon = site ? strrchr(site, ':') : NULL;
    if (!colon || !reel_is_digit_(colon[1])) return;
    put(p, "#line ");
    for (const char *s = colon + 1; reel_is_digit_(*s); s++) reel_source_add_(p->t, s, 1);
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

/* Operand k as a variable; wide: a half as a float, too. */
static void put_load(printer *p, int k, const char *at, bool wide)
{
    printed_operand *o = &p->o[k];
    if (!o->loaded && at) say(p->t, "        const %s %s = %s_p[%s];\n", c_type[o->dtype], o->name, o->name, at);
    o->loaded = true;
    if (!reel_is_half_(o->dtype) || !wide || o->widened) return;
    say(p->t, "        const float %s_w = reel_widen_%s_(%s);\n", o->name, reel_dtype_name(o->dtype), o->name);
    o->widened = true;
}

/* What part i reads. */
static void put_loads(printer *p, int i)
{
    const reel_fused_part *part = &p->f->part[i];
    for (int j = 0; j < part->n_in; j++) {
        const int k = part->in[j];
        const bool here = is_number(p, k) || p->s.made[k] == p->s.of[i];
        put_load(p, k, here ? NULL : p->tiles && is_kept(p, k) ? "i" : p->at, reads_wide(p, i));
    }
}

static void put_part(printer *p, int i)
{
    const reel_fused_part *part = &p->f->part[i];
    printed_operand *o = &p->o[part->out];
    put_line(p, &p->g->nodes[part->node]);
    say(p->t, "        const %s %s = ", c_type[o->dtype], o->name);
    reel_put_expression_(p, i);
    put(p, ";\n");
    o->loaded = true;
    if (is_out(p, part->out))
        say(p->t, "        %s_p[%s] = %s;\n", o->name, p->at, o->name);
    else if (is_kept(p, part->out))
        say(p->t, "        %s_p[%s] = %s;\n", o->name, p->tiles ? "i" : p->at, o->name);
}

/* Of whole stages in a group by rows: what has one element a row is loaded before the row's loop. false: there is none of it. */
static bool put_row_loads(printer *p, int stage, bool print)
{
    bool any = false;
    for (int i = 0; i < p->f->n_parts; i++) {
        const reel_fused_part *part = &p->f->part[i];
        if (p->s.of[i] != stage) continue;
        for (int j = 0; j < part->n_in; j++) {
            if (!is_row(p, part->in[j])) continue;
            any = true;
            if (print) put_load(p, part->in[j], "r", reads_wide(p, i));
        }
    }
    return any;
}

static void put_body(printer *p, int stage)
{
    for (int i = 0; i < p->f->n_parts; i++) {
        if (p->s.of[i] != stage) continue;
        put_loads(p, i);
        put_part(p, i);
    }
    put_own_line(p);
}

static void put_loop(printer *p, int stage)
{
    for (int k = 0; k < p->f->n_operands; k++) p->o[k].loaded = p->o[k].widened = false;
    const bool whole = p->s.whole[stage], rows = p->by_rows && whole && put_row_loads(p, stage, false);
    if (rows) {
        put(p, "    for (int64_t r = 0; r < rows; r++) {\n");
        (void)put_row_loads(p, stage, true);
    }
    put(p, "    REEL_IVDEP\n");
    if (rows)
        put(p, "    for (int64_t i = r * len; i < (r + 1) * len; i++) {\n");
    else
        say(p->t, "    for (int64_t i = 0; i < %s; i++) {\n",
            !p->by_rows ? (p->tiles ? "m" : "n")
            : whole     ? "rows * len"
                        : "rows");
    put_body(p, stage);
    put(p, rows ? "    }\n    }\n" : "    }\n");
}

/* ---- calls ------------------------------------------------------------------------------------------------- */

/* Of a plain group: numbers are spread over a tile before the first. */
static void put_call(printer *p, int i)
{
    const reel_fused_part *part = &p->f->part[i];
    say(p->t, "    call[%d].fn((void *[]){", i);
    for (int j = 0; j <= part->n_in; j++) {
        const int k = j < part->n_in ? part->in[j] : part->out;
        const bool tile = is_kept(p, k) || is_number(p, k);
        say(p->t, "%s(void *)(%s%s)", j ? ", " : "", p->o[k].name, tile ? "_p" : "_p + at");
    }
    say(p->t, "}, ones, m, call[%d].extra); /* %.60s */\n", i, part->op->name);
}

/* Of a group by rows: those that read one element a row, or one for all, take it as such. */
static void put_rows_call(printer *p, int i)
{
    const reel_fused_part *part = &p->f->part[i];
    const bool whole = p->s.whole[p->s.of[i]] && !part->reduces;
    bool by_row = false;
    for (int j = 0; j < part->n_in && whole; j++) by_row |= is_row(p, part->in[j]);
    if (by_row) put(p, "    for (int64_t r = 0; r < rows; r++)\n    ");
    say(p->t, "    call[%d].fn((void *[]){", i);
    for (int j = 0; j <= part->n_in; j++) {
        const int k = j < part->n_in ? part->in[j] : part->out;
        if (is_number(p, k))
            say(p->t, "%sat[%d]", j ? ", " : "", k);
        else
            say(p->t, "%s(void *)(%s_p%s)", j ? ", " : "", p->o[k].name,
                !by_row        ? ""
                : is_row(p, k) ? " + r"
                               : " + r * len");
    }
    put(p, "}, (const uint8_t[]){");
    for (int j = 0; j < part->n_in; j++)
        say(p->t, "%s%d", j ? ", " : "", !is_number(p, part->in[j]) && !(by_row && is_row(p, part->in[j])));
    say(p->t, "}, %s, call[%d].extra); /* %.60s */\n",
        by_row  ? "len"
        : whole ? "rows * len"
                : "rows",
        i, part->op->name);
}

static void put_stage(printer *p, int stage)
{
    const int call = p->s.call[stage];
    const bool apart = p->by_rows && !(call >= 0 && p->f->part[call].reduces); /* reductions are done both times */
    if (apart) say(p->t, "    if (what & %s) {\n", p->s.whole[stage] ? "REEL_DO_WHOLE" : "REEL_DO_ROWS");
    if (call < 0)
        put_loop(p, stage);
    else if (p->by_rows)
        put_rows_call(p, call);
    else
        put_call(p, call);
    if (apart) put(p, "    }\n");
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
    say(p->t, " */\nvoid reel_group_%d(%s, const reel_loop_of_part *call)\n{\n", function,
        p->by_rows ? "void *const *at, int64_t rows, int64_t len, int what"
                   : "void *const *io, int64_t n, void *const *number");
}

/* Where an operand lies. */
static void put_operand(printer *p, int k)
{
    const reel_fused *f = p->f;
    const printed_operand *o = &p->o[k];
    const char *const type = c_type[o->dtype];
    if (is_number(p, k) && p->by_rows)
        say(p->t, "    const %s %s = *(const %s *)at[%d];\n", type, o->name, type, k);
    else if (is_number(p, k))
        say(p->t, "    const %s %s = *(const %s *)number[%d];\n", type, o->name, type, k - f->n_in);
    else if (p->by_rows && (k < f->n_in || is_out(p, k) || is_kept(p, k)))
        say(p->t, "    %s%s *const %s_p = at[%d];\n", k < f->n_in ? "const " : "", type, o->name, k);
    else if (k < f->n_in)
        say(p->t, "    const %s *const %s_p = io[%d];\n", type, o->name, k);
    else if (is_out(p, k))
        say(p->t, "    %s *const %s_p = io[%d];\n", type, o->name, k - f->n_numbers);
    else if (is_kept(p, k))
        say(p->t, "    %s %s_p[REEL_TILE];\n", type, o->name);
}

/* What calls want of a number: a tile full of it. */
static void put_spread(printer *p, int k)
{
    const printed_operand *o = &p->o[k];
    bool wanted = false;
    for (int i = 0; i < p->f->n_parts; i++)
        for (int j = 0; j < p->f->part[i].n_in; j++) wanted |= p->formula[i].call && p->f->part[i].in[j] == k;
    if (wanted)
        say(p->t, "    %s %s_p[REEL_TILE];\n    for (int i = 0; i < REEL_TILE; i++) %s_p[i] = %s;\n", c_type[o->dtype],
            o->name, o->name, o->name);
}

static void put_function(printer *p, int function)
{
    const reel_fused *f = p->f;
    bool calls = false;
    for (int s = 0; s < p->s.n; s++) calls |= p->s.call[s] >= 0;
    p->tiles = calls && !p->by_rows;
    p->at = p->tiles ? "at + i" : "i";
    put_title(p, function);
    for (int k = 0; k < f->n_operands; k++)
        if (p->o[k].dtype) put_operand(p, k); /* else nobody reads it here */
    for (int k = f->n_in; k < f->n_in + f->n_numbers && p->tiles; k++) put_spread(p, k);
    if (p->tiles)
        put(p, "    static const uint8_t ones[] = {1, 1, 1, 1};\n"
               "    for (int64_t at = 0; at < n; at += REEL_TILE) {\n"
               "    const int64_t m = n - at < REEL_TILE ? n - at : REEL_TILE;\n");
    for (int s = 0; s < p->s.n; s++) put_stage(p, s);
    put(p, p->tiles ? "    }\n}\n" : "}\n");
}

/* ---- all of them --------------------------------------------------------------------------------------------- */

static bool same_part(const reel_fused_part *a, const reel_fused_part *b)
{
    if (a->op != b->op || a->n_in != b->n_in || a->out != b->out || a->out_dtype != b->out_dtype) return false;
    for (int j = 0; j < a->n_in; j++)
        if (a->in[j] != b->in[j] || a->in_dtype[j] != b->in_dtype[j]) return false;
    for (int k = 0; k < 4; k++) {
        const double x = reel_part_attribute_(a, k), y = reel_part_attribute_(b, k);
        uint64_t u, v;
        memcpy(&u, &x, sizeof u);
        memcpy(&v, &y, sizeof v);
        if (u != v) return false;
    }
    return true;
}

/* The same function but for names and lines? */
static bool same_group(const reel_plan_group *x, const reel_plan_group *y)
{
    const reel_fused *a = x->f, *b = y->f;
    const bool by_rows = x->kind == REEL_GROUP_ROWS;
    if (by_rows != (y->kind == REEL_GROUP_ROWS) || a->n_parts != b->n_parts || a->n_in != b->n_in ||
        a->n_numbers != b->n_numbers || a->n_out != b->n_out)
        return false;
    for (int i = 0; i < a->n_parts; i++)
        if (!same_part(&a->part[i], &b->part[i])) return false;
    return !by_rows || memcmp(a->rows.whole, b->rows.whole, sizeof a->rows.whole) == 0;
}

static int function_of(const reel_printed *out, const reel_plan_group *g)
{
    for (size_t k = 0; k < out->n_steps; k++)
        if (same_group(&out->steps[k].plan->groups[out->steps[k].step], g)) return out->steps[k].function;
    return -1;
}

static int print_step(printer *p, reel_plan *plan, int step, reel_printed *out)
{
    const reel_plan_group *g = &plan->groups[step];
    p->f = g->f;
    p->g = plan->graph;
    p->by_rows = g->kind == REEL_GROUP_ROWS;
    int function = function_of(out, g);
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
            if (plans[k]->groups[i].f) rc = print_step(p, plans[k], i, out);
    reel_free_(p, sizeof *p);
    return rc;
}

void reel_printed_free_(reel_printed *p)
{
    reel_source_free_(&p->text);
    reel_free_(p->steps, p->cap_steps * sizeof *p->steps);
    *p = (reel_printed){0};
}
