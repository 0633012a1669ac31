/* control.c: emitters of ops with sub-graphs: each of these is a function of its own, with its inputs, outputs and what it works in as
   parameters; the op's function calls them. And of draws that are repeated. */
#include "trace/control.h"
#include <string.h>
#include "core/alloc.h"
#include "core/context.h"
#include "core/random.h"
#include "elements.h"
#include "trace/debug.h"

enum { NAME_TEXT = 48 };
typedef char names[REEL_MAX_IN + 1][NAME_TEXT];

/* ---- sub-graphs as functions ---------------------------------------------------------------------------------------- */

typedef struct part_function {
    const reel_part *part;
    const char *name;
    size_t work; /* bytes that it works in */
    bool fails;
} part_function;

static size_t rounded(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

static void put_parameters(reel_text *t, reel_text *unused, const reel_request *rq, const reel_type *out,
                           const reel_eplan *q)
{
    char name[24];
    const char *run = reel_text_of_(&q->run);
    for (int i = 0; i < rq->n_feeds + rq->n_fetches; i++) {
        const int j = i - rq->n_feeds;
        const reel_type *type = j < 0 ? &rq->given[i]->type : &out[j];
        snprintf(name, sizeof name, j < 0 ? "in%d" : "out%d", j < 0 ? i : j);
        reel_text_fmt_(t, "%s%s%s *%s", t->n ? ", " : "", j < 0 ? "const " : "", reel_ctype_(type->dtype), name);
        if (!reel_mentions_(run, name)) reel_text_fmt_(unused, "    (void)%s;\n", name);
    }
    if (!q->arena_bytes) return;
    reel_text_add_(t, ", uint8_t *work");
    if (!reel_mentions_(run, "work")) reel_text_add_(unused, "    (void)work;\n");
}

/* What the planner has printed, as a function. */
static int define(reel_emit *e, const reel_request *rq, reel_eplan *q, const reel_type *out, const char *what,
                  part_function *f)
{
    reel_text params = {0}, body = {0};
    char wanted[160];
    const char *scope = e->node ? reel_node_scope_(e->p->g, e->node) : "";
    snprintf(wanted, sizeof wanted, "%.80s%s%s_%s", scope, *scope ? "/" : "", e->op->name, what);
    if (reel_mentions_(reel_text_of_(&q->run), "counter")) reel_text_add_(&body, "    uint64_t counter;\n");
    if (reel_mentions_(reel_text_of_(&q->run), "rc")) reel_text_add_(&body, "    int rc;\n");
    put_parameters(&params, &body, rq, out, q);
    reel_text_put_(&body, reel_text_of_(&q->run), q->run.n);
    f->fails = q->fails;
    f->work = q->arena_bytes;
    const int32_t k = reel_export_text_(e->x, &params, &body, q->fails, wanted, what);
    if (k < 0) return reel_status();
    f->name = e->x->functions[k].name;
    return 0;
}

/* in: the op's inputs as the body sees them, without a condition; of its outputs the first n. */
static int print_some(reel_emit *e, const reel_control *c, int k, int n, const reel_eoperand *in, const char *what,
                      part_function *f)
{
    const reel_part *part = &c->part[k];
    reel_graph *g = part->player.graph;
    reel_rec *given[REEL_MAX_IN];
    reel_type out[REEL_MAX_OUT];
    const char *site = e->node->site;
    *f = (part_function){.part = part};
    for (int i = 0; i < part->n_in; i++) {
        const reel_eoperand *o = &in[part->from[i]];
        reel_type t = {.dtype = o->dtype, .shape = {.rank = o->rank}};
        memcpy(t.shape.dims, o->dims, (size_t)o->rank * sizeof *o->dims);
        given[i] = reel_make_symbolic_(site, &t);
        if (!given[i]) return reel_status();
        memcpy(given[i]->strides, o->strides, (size_t)o->rank * sizeof *o->strides);
    }
    reel_eplan *q = reel_eplan_new_(e->x, true);
    if (!q) return REEL_ENOMEM;
    const reel_request rq = {.site = site,
                             .fn = "reel_export_c",
                             .n_feeds = g->n_inputs,
                             .n_fetches = n,
                             .feed = g->inputs,
                             .given = given,
                             .fetch = g->outputs,
                             .effect = c->no_effects,
                             .effects = true,
                             .printer = &q->printer};
    reel_plan *plan = reel_plan_new_(g, &rq, e->x->passes);
    int rc = plan ? 0 : reel_status();
    for (int j = 0; j < n && !rc; j++) out[j] = plan->results[j].type;
    if (!rc) rc = define(e, &rq, q, out, what, f);
    if (plan) reel_plan_free_(plan);
    reel_eplan_free_(q);
    return rc;
}

static int print_part(reel_emit *e, const reel_control *c, int k, const reel_eoperand *in, const char *what,
                      part_function *f)
{
    return print_some(e, c, k, c->part[k].player.graph->n_outputs, in, what, f);
}

/* ---- calls of them ---------------------------------------------------------------------------------------------------- */

/* How the inputs from `own` on are called: those that the bodies take are parameters; a number that is known now is an array of one. */
static void name_inputs(reel_emit *e, const part_function *f, int n, int first, int own, names name)
{
    bool used[REEL_MAX_IN + 1] = {false};
    for (int k = 0; k < n; k++)
        for (int i = 0; i < f[k].part->n_in; i++) used[f[k].part->from[i]] = true;
    for (int i = own; i < e->n_in - first; i++) {
        reel_eoperand *o = &e->in[first + i];
        snprintf(name[i], NAME_TEXT, "%s", o->name);
        if (!used[i]) continue;
        o->read |= !o->text;
        if (!o->text) continue;
        snprintf(name[i], NAME_TEXT, "k%d", i);
        reel_sayf_(e, "static const %s k%d[1] = {%s};", reel_ctype_(o->dtype), i, o->text);
    }
}

static void say_call(reel_emit *e, const part_function *f, names in, int n_out, names out, size_t work)
{
    reel_text t = {0};
    for (int i = 0; i < f->part->n_in; i++) reel_text_fmt_(&t, "%s%s", i ? ", " : "", in[f->part->from[i]]);
    for (int j = 0; j < n_out; j++) reel_text_fmt_(&t, "%s%s", t.n ? ", " : "", out[j]);
    if (f->work && work)
        reel_text_fmt_(&t, ", work + %zu", work);
    else if (f->work)
        reel_text_add_(&t, ", work");
    reel_sayf_(e, f->fails ? "if ((rc = %s(%s)) != 0) return rc;" : "%s(%s);", f->name, reel_text_of_(&t));
    reel_text_free_(&t);
}

/* The op fails where a body does, and works in what its bodies do, behind `own` bytes. */
static void begin_calls(reel_emit *e, const part_function *f, int n, size_t own)
{
    size_t most = 0;
    for (int k = 0; k < n; k++) {
        e->hands_on |= f[k].fails;
        most = f[k].work > most ? f[k].work : most;
    }
    e->work = own + most;
    e->work_type = "uint8_t";
    e->fails = e->hands_on;
    if (e->fails) reel_say_(e, "int rc;");
}

/* How the generators stood before: the last outputs. */
static int say_drawn(reel_emit *e, const reel_control *c)
{
    for (int i = 0; i < c->n_drawn; i++) {
        const int32_t g = reel_export_generator_(e->x, c->generator[i]);
        const int j = e->n_out - c->n_drawn + i;
        if (g < 0) return reel_status();
        for (int k = 0; k < 2; k++)
            reel_sayf_(e, "WR%d(%d, (int64_t)%s_vars.random[%d][%d]);", j, k, e->x->name, (int)g, k);
    }
    return 0;
}

static const reel_control *control_of(const reel_emit *e)
{
    return ((const reel_control_attr *)e->attr)->control;
}

static void name_outputs(reel_emit *e, int n, names name)
{
    for (int j = 0; j < n; j++) {
        snprintf(name[j], NAME_TEXT, "%s", e->out[j].name);
        e->out[j].read = true;
    }
}

static int emit_cond(reel_emit *e)
{
    const reel_control *c = control_of(e);
    part_function f[2];
    names in, out;
    int rc = print_part(e, c, 0, e->in + 1, "yes", &f[0]);
    if (!rc) rc = print_part(e, c, 1, e->in + 1, "no", &f[1]);
    if (rc) return rc;
    begin_calls(e, f, 2, 0);
    name_inputs(e, f, 2, 1, 0, in);
    name_outputs(e, c->n_out, out);
    rc = say_drawn(e, c);
    for (int k = 0; k < 2; k++) {
        reel_say_(e, k ? "} else {" : "if (RD0(0)) {");
        e->depth++;
        say_call(e, &f[k], in, c->n_out, out, 0);
        e->depth--;
    }
    reel_say_(e, "}");
    return rc;
}

static int emit_call(reel_emit *e)
{
    const reel_control *c = control_of(e);
    part_function f;
    names in, out;
    int rc = print_some(e, c, 0, e->n_out - c->n_drawn, e->in, "body", &f);
    if (rc) return rc;
    begin_calls(e, &f, 1, 0);
    name_inputs(e, &f, 1, 0, 0, in);
    const int n = e->n_out - c->n_drawn;
    name_outputs(e, n, out);
    rc = say_drawn(e, c);
    say_call(e, &f, in, n, out, 0);
    return rc;
}

/* ---- loops -------------------------------------------------------------------------------------------------------------- */

/* States stand in the outputs and in the workspace by turns: a0 ... now, b0 ... next. */
static size_t begin_states(reel_emit *e, int n)
{
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        const reel_eoperand *o = &e->out[i];
        const char *type = reel_ctype_(o->dtype);
        e->out[i].read = true;
        if (o->count) {
            reel_set_offset_(e, "x", &e->in[i], "i");
            reel_set_offset_(e, "o", o, "i");
            const int loops = reel_open_all_(e, "i", o->dims, o->rank);
            reel_sayf_(e, "WR%d($o, RD%d($x));", i, i);
            reel_close_(e, loops);
        }
        if (o->count)
            reel_sayf_(e, "%s *a%d = %s, *b%d = (%s *)(void *)(work + %zu), *c%d;", type, i, o->name, i, type, at, i);
        else
            reel_sayf_(e, "%s *a%d = %s, *b%d = %s, *c%d;", type, i, o->name, i, o->name, i);
        at += rounded((size_t)o->count * reel_size_(o->dtype));
    }
    return at;
}

static void take_turns(reel_emit *e, int n)
{
    for (int i = 0; i < n; i++) reel_sayf_(e, "c%d = a%d;\na%d = b%d;\nb%d = c%d;", i, i, i, i, i, i);
}

static void end_states(reel_emit *e, int n)
{
    for (int i = 0; i < n; i++) {
        const reel_eoperand *o = &e->out[i];
        if (o->count)
            reel_sayf_(e, "if (a%d != %s) memcpy(%s, a%d, %lld);", i, o->name, o->name, i,
                       (long long)o->count * (long long)reel_size_(o->dtype));
        else
            reel_sayf_(e, "(void)a%d;", i);
    }
}

static void name_states(int n, char which, names name)
{
    for (int i = 0; i < n; i++) snprintf(name[i], NAME_TEXT, "%c%d", which, i);
}

/* Inputs of the bodies: states are dense, as the outputs are. */
static void seen_inputs(const reel_emit *e, int n_states, reel_eoperand *in)
{
    for (int i = 0; i < e->n_in; i++) in[i] = i < n_states ? e->out[i] : e->in[i];
}

/* The state before a step goes into the stacks, where it is due: one for each step, or every stride-th, of which every other one stays
   when they are full. */
static void say_store(reel_emit *e, const reel_control *c, int64_t stored)
{
    const int first = c->n_own + 2, n = c->n_own + c->n_drawn;
    const int64_t slots = n ? e->out[first].dims[0] : 0;
    if (stored != REEL_STORE_ALL) {
        reel_sayf_(e, "if (steps == %lld * stride) {", (long long)slots);
        for (int i = 0; i < n; i++) {
            const reel_eoperand *o = &e->out[first + i];
            const long long row = slots ? (long long)(o->count / slots) : 0;
            if (row)
                reel_sayf_(e, "    for (long k = 1; k < %lld; k++) memcpy(%s + k * %lld, %s + 2 * k * %lld, %lld);",
                           (long long)slots / 2, o->name, row, o->name, row, row * (long long)reel_size_(o->dtype));
        }
        reel_sayf_(e, "    stride *= 2;\n    used = %lld;\n}", (long long)slots / 2);
    }
    reel_say_(e, "if (steps % stride == 0) {\n    used = steps / stride;");
    for (int i = 0; i < n; i++) {
        const reel_eoperand *o = &e->out[first + i];
        const long long row = slots ? (long long)(o->count / slots) : 0, bytes = row * (long long)reel_size_(o->dtype);
        if (row && i < c->n_own) reel_sayf_(e, "    memcpy(%s + used * %lld, a%d, %lld);", o->name, row, i, bytes);
        for (int k = 0; k < 2 && i >= c->n_own; k++)
            reel_sayf_(e, "    %s[used * 2 + %d] = (int64_t)%s_vars.random[%d][%d];", o->name, k, e->x->name,
                       (int)reel_export_generator_(e->x, c->generator[i - c->n_own]), k);
    }
    reel_say_(e, "    used++;\n}");
}

static void finish_stacks(reel_emit *e, const reel_control *c)
{
    const int first = c->n_own + 2, n = c->n_own + c->n_drawn;
    const int64_t slots = n ? e->out[first].dims[0] : 0;
    reel_sayf_(e, "WR%d(0, stride);", c->n_own + 1);
    for (int i = 0; i < n; i++) {
        const reel_eoperand *o = &e->out[first + i];
        const long long row = slots ? (long long)(o->count / slots) : 0;
        e->out[first + i].read = row > 0;
        if (row)
            reel_sayf_(e, "memset(%s + used * %lld, 0, (size_t)(%lld - used) * %lld);", o->name, row, (long long)slots,
                       row * (long long)reel_size_(o->dtype));
    }
}

static int emit_while(reel_emit *e)
{
    const reel_control_attr *a = e->attr;
    const reel_control *c = a->control;
    const int n = c->n_own;
    reel_eoperand *seen = reel_alloc_array_(REEL_MAX_IN + 1, sizeof *seen);
    part_function f[2];
    names in, next, yes;
    if (!seen) return REEL_ENOMEM;
    seen_inputs(e, n, seen);
    int rc = print_part(e, c, 0, seen, "condition", &f[0]);
    if (!rc) rc = print_part(e, c, 1, seen, "body", &f[1]);
    reel_free_(seen, (REEL_MAX_IN + 1) * sizeof *seen);
    if (rc) return rc;
    const size_t own = begin_states(e, n);
    begin_calls(e, f, 2, own);
    name_inputs(e, f, 2, 0, n, in);
    name_states(n, 'a', in);
    name_states(n, 'b', next);
    snprintf(yes[0], NAME_TEXT, "yes");
    reel_say_(e, "uint8_t yes[1] = {0};\nlong steps = 0;");
    if (a->stored) reel_say_(e, "long stride = 1, used = 0;");
    rc = say_drawn(e, c);
    if (c->max_steps)
        reel_sayf_(e, "for (; steps < %lld; steps++) {", (long long)c->max_steps);
    else
        reel_say_(e, "for (;; steps++) {");
    e->depth++;
    say_call(e, &f[0], in, 1, yes, own);
    reel_say_(e, "if (!yes[0]) break;");
    if (a->stored) say_store(e, c, a->stored);
    say_call(e, &f[1], in, n, next, own);
    take_turns(e, n);
    reel_close_(e, 1);
    end_states(e, n);
    reel_sayf_(e, "WR%d(0, steps);", n);
    if (a->stored) finish_stacks(e, c);
    return rc;
}

/* Of a sequence: one of its elements. */
static reel_eoperand element(const reel_eoperand *o)
{
    reel_eoperand x = *o;
    x.rank--;
    memmove(x.dims, x.dims + 1, (size_t)x.rank * sizeof *x.dims);
    memmove(x.strides, x.strides + 1, (size_t)x.rank * sizeof *x.strides);
    x.count = o->dims[0] ? o->count / o->dims[0] : 0;
    return x;
}

static int emit_scan(reel_emit *e)
{
    const reel_control *c = control_of(e);
    const int n = c->n_carry, m = c->n_own;
    reel_eoperand *seen = reel_alloc_array_(REEL_MAX_IN + 1, sizeof *seen);
    part_function f;
    names in, out;
    if (!seen) return REEL_ENOMEM;
    seen_inputs(e, n, seen);
    for (int i = n; i < m; i++) seen[i] = element(&e->in[i]);
    int rc = print_part(e, c, 0, seen, "body", &f);
    reel_free_(seen, (REEL_MAX_IN + 1) * sizeof *seen);
    if (rc) return rc;
    const size_t own = begin_states(e, n);
    begin_calls(e, &f, 1, own);
    name_inputs(e, &f, 1, 0, n, in);
    name_outputs(e, c->n_out, out);
    for (int i = n; i < m; i++)
        if (!e->in[i].text && e->in[i].strides[0])
            snprintf(in[i], NAME_TEXT, "%.20s + t * %lld", e->in[i].name, (long long)e->in[i].strides[0]);
    for (int j = n; j < c->n_out; j++)
        snprintf(out[j], NAME_TEXT, "%.20s + t * %lld", e->out[j].name, (long long)element(&e->out[j]).count);
    name_states(n, 'a', in);
    name_states(n, 'b', out);
    rc = say_drawn(e, c);
    reel_open_(e, "t", e->in[n].dims[0]);
    say_call(e, &f, in, c->n_out, out, own);
    take_turns(e, n);
    reel_close_(e, 1);
    end_states(e, n);
    return rc;
}

/* ---- draws once more ---------------------------------------------------------------------------------------------------- */

/* The op within, whose operands stand behind n states. */
static int emit_inner(reel_emit *e, int n)
{
    reel_eoperand *kept = reel_alloc_array_((size_t)n + 1, sizeof *kept);
    reel_emitter *f = reel_emitter_of_(e->op, e->attr);
    if (!kept) return REEL_ENOMEM;
    memcpy(kept, e->in, (size_t)n * sizeof *kept);
    memmove(e->in, e->in + n, (size_t)(e->n_in - n) * sizeof *e->in);
    e->n_in -= n;
    e->n_out -= n;
    const int rc =
        f ? f(e)
          : reel_fail(REEL_ETRACE, "reel_export_c: reel_%s has no exported form where it draws once more", e->op->name);
    memmove(e->in + n, e->in, (size_t)e->n_in * sizeof *e->in);
    memcpy(e->in, kept, (size_t)n * sizeof *kept);
    e->n_in += n;
    e->n_out += n;
    reel_free_(kept, ((size_t)n + 1) * sizeof *kept);
    return rc;
}

/* A row: its counters begin where the state says. */
static int redraw_row(reel_emit *e)
{
    reel_set_(e, "by", e->in[0].strides[0]);
    reel_say_(e, "const uint64_t key = (uint64_t)LD0(0), counter = (uint64_t)LD0($by);");
    const int rc = emit_inner(e, 1);
    reel_sayf_(e, "(void)key;\nWR%d(0, (int64_t)key);\nWR%d(1, (int64_t)(counter + %lluu));", e->n_out - 1,
               e->n_out - 1, (unsigned long long)e->draws);
    e->draws = 0;
    return rc;
}

/* An op with sub-graphs: the generators stand there for as long as it runs. */
static int redraw_control(reel_emit *e)
{
    const reel_control *c = control_of(e);
    const int n = c->n_drawn;
    int32_t g[REEL_MAX_DRAWN];
    reel_sayf_(e, "uint64_t kept[%d];", 2 * n);
    for (int i = 0; i < n; i++) {
        g[i] = reel_export_generator_(e->x, c->generator[i]);
        if (g[i] < 0) return reel_status();
        reel_set_(e, "by", e->in[i].strides[0]);
        for (int k = 0; k < 2; k++)
            reel_sayf_(e, "kept[%d] = %s_vars.random[%d][%d];\n%s_vars.random[%d][%d] = (uint64_t)LD%d(%s);", 2 * i + k,
                       e->x->name, (int)g[i], k, e->x->name, (int)g[i], k, i, k ? "$by" : "0");
    }
    const int rc = emit_inner(e, n);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 2; k++)
            reel_sayf_(e, "WR%d(%d, (int64_t)%s_vars.random[%d][%d]);\n%s_vars.random[%d][%d] = kept[%d];",
                       e->n_out - n + i, k, e->x->name, (int)g[i], k, e->x->name, (int)g[i], k, 2 * i + k);
    return rc;
}

static int emit_redraw(reel_emit *e)
{
    const reel_op *op = e->op;
    const void *attr = e->attr;
    (void)reel_redraws_(op, attr, &e->op, &e->attr);
    const int rc = e->op->flags & REEL_OPF_RANDOM ? redraw_row(e) : redraw_control(e);
    e->op = op;
    e->attr = attr;
    return rc;
}

/* ---- which -------------------------------------------------------------------------------------------------------------- */

reel_emitter *reel_control_emitter_(const reel_op *op, const void *attr)
{
    static reel_emitter *const emitters[] = {
        [REEL_COND] = emit_cond, [REEL_WHILE] = emit_while, [REEL_SCAN] = emit_scan, [REEL_CALL] = emit_call};
    const reel_op *inner;
    const void *inner_attr;
    if (op->attr_release == reel_control_attr_release_) {
        reel_control_attr a; /* they may lie within those of another, as mere bytes */
        memcpy(&a, attr, sizeof a);
        return emitters[a.control->kind];
    }
    return reel_redraws_(op, attr, &inner, &inner_attr) ? emit_redraw : NULL;
}
