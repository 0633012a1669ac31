/* run.c: the function that runs it all: the steps' calls, then what is fetched, then the variables' new values. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "core/alloc.h"
#include "core/random.h"
#include "emit.h"
#include "trace/debug.h"
#include "trace/session.h"

/* Where memory that outlives the steps lies: results that are not a caller's array and not a variable are put behind the arena. */
typedef struct fresh_place {
    enum { IN_ARENA, IN_OUTPUT, IN_VARIABLE } kind;
    int32_t which; /* fetch or variable */
    size_t at;
} fresh_place;

typedef struct runner {
    reel_eplan *q;
    reel_exporter *x;
    const planner *p;
    fresh_place *fresh;
} runner;

/* ---- lists ------------------------------------------------------------------------------------------------------ */

int32_t reel_export_var_(reel_exporter *x, const reel_rec *cell)
{
    for (size_t i = 0; i < x->n_vars; i++)
        if (x->vars[i].cell == cell) return (int32_t)i;
    if (reel_grow_((void **)&x->vars, &x->cap_vars, x->n_vars + 1, sizeof *x->vars)) return -1;
    char prefix[2] = "";
    char *name = reel_take_name_(x, prefix, cell->name ? cell->name : "variable");
    if (!name) return -1;
    x->vars[x->n_vars] = (reel_cvariable){.cell = cell, .name = name};
    return (int32_t)x->n_vars++;
}

int32_t reel_export_const_(reel_exporter *x, const reel_rec *rec)
{
    for (size_t i = 0; i < x->n_consts; i++)
        if (x->consts[i] == rec) return (int32_t)i;
    if (reel_grow_((void **)&x->consts, &x->cap_consts, x->n_consts + 1, sizeof *x->consts)) return -1;
    reel_retain_rec_((reel_rec *)(uintptr_t)rec); /* the graph it is of may be gone before the file is written */
    x->consts[x->n_consts] = rec;
    return (int32_t)x->n_consts++;
}

int32_t reel_export_generator_(reel_exporter *x, reel_generator *g)
{
    for (size_t i = 0; i < x->n_generators; i++)
        if (x->generators[i] == g) return (int32_t)i;
    if (reel_grow_((void **)&x->generators, &x->cap_generators, x->n_generators + 1, sizeof *x->generators)) return -1;
    x->generators[x->n_generators] = g;
    return (int32_t)x->n_generators++;
}

int32_t reel_export_error_(reel_exporter *x, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    for (size_t i = 0; i < x->n_errors; i++)
        if (strcmp(x->errors[i], text) == 0) return (int32_t)i + 1;
    if (reel_grow_((void **)&x->errors, &x->cap_errors, x->n_errors + 1, sizeof *x->errors)) return -1;
    char *own = reel_strdup_(text);
    if (!own) return -1;
    x->errors[x->n_errors++] = own;
    return (int32_t)x->n_errors;
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

static const char *member_of(reel_dtype d)
{
    return d == REEL_F16 || d == REEL_BF16 ? "u16" : d == REEL_BOOL ? "u8" : reel_dtype_name(d);
}

static void plus(reel_text *t, int64_t bytes, reel_dtype d)
{
    const long long n = (long long)(bytes / (int64_t)reel_size_(d));
    if (n) reel_text_fmt_(t, n < 0 ? " - %lld" : " + %lld", n < 0 ? -n : n);
}

/* What a run works in, from that byte on, as elements of d. */
static void put_arena(const runner *r, reel_text *t, int64_t at, reel_dtype d)
{
    if (r->q->part) {
        reel_text_fmt_(t, at ? "(%s *)(void *)(work + %lld)" : "(%s *)(void *)work", reel_ctype_(d), (long long)at);
        return;
    }
    reel_text_fmt_(t, "%s_arena.%s", r->x->name, member_of(d));
    plus(t, at, d);
}

/* The caller's array number i. */
static void put_output(const runner *r, reel_text *t, int32_t i)
{
    if (r->q->part)
        reel_text_fmt_(t, "out%d", (int)i);
    else
        reel_text_fmt_(t, "out->%s", r->x->fetch_name[i]);
}

static int put_ext(const runner *r, reel_text *t, const reel_place *at, reel_dtype d)
{
    const planner *p = r->p;
    reel_exporter *x = r->x;
    const int nf = p->rq->n_feeds, nv = (int)p->n_vars;
    if (at->ext < nf) {
        if (r->q->part)
            reel_text_fmt_(t, "in%d", (int)at->ext);
        else
            reel_text_fmt_(t, "in->%s", x->feed_name[at->ext]);
    } else if (at->ext < nf + nv) {
        const int32_t v = reel_export_var_(x, p->vars[at->ext - nf]);
        if (v < 0) return reel_status();
        reel_text_fmt_(t, "%s_vars.%s", x->name, x->vars[v].name);
    } else {
        const fresh_place *f = &r->fresh[at->ext - nf - nv];
        if (f->kind == IN_ARENA) {
            put_arena(r, t, (int64_t)f->at + at->offset, d);
            return 0;
        }
        if (f->kind == IN_OUTPUT) put_output(r, t, f->which);
        if (f->kind == IN_VARIABLE) reel_text_fmt_(t, "%s_vars.%s", x->name, x->vars[f->which].name);
    }
    plus(t, at->offset, d);
    return 0;
}

static int put_place(const runner *r, reel_text *t, const reel_place *at, reel_dtype d)
{
    reel_exporter *x = r->x;
    switch (at->kind) {
    case REEL_AT_ARENA: put_arena(r, t, at->offset, d); return 0;
    case REEL_AT_CONST: {
        const int32_t k = reel_export_const_(x, at->rec);
        if (k < 0) return reel_status();
        reel_text_fmt_(t, "%s_const_%d", x->name, (int)k);
        plus(t, at->offset + reel_const_low_(at->rec) * (int64_t)reel_size_(d), d);
        return 0;
    }
    case REEL_AT_EXT: return put_ext(r, t, at, d);
    default: reel_text_add_(t, "NULL"); return 0;
    }
}

static reel_dtype slot_dtype(const planner *p, const pstep *s, int k)
{
    const pslot *slot = &p->slots[s->slot + k];
    return k >= s->n_in && slot->value >= 0 ? p->v[slot->value].type.dtype : slot->dtype;
}

/* ---- memory that outlives the steps ------------------------------------------------------------------------------- */

/* Does place lie in the value that the variable has at the start? */
static bool in_variable(const planner *p, const reel_place *at, const reel_rec *cell)
{
    const int nf = p->rq->n_feeds;
    return at->kind == REEL_AT_EXT && at->ext >= nf && at->ext < nf + (int)p->n_vars && p->vars[at->ext - nf] == cell;
}

/* Step i makes what cell gets: may it write over the value it has? */
static bool may_overwrite(const runner *r, size_t i, const reel_rec *cell)
{
    const planner *p = r->p;
    const pstep *s = &p->steps[i];
    const reel_plan *plan = p->plan;
    const unsigned flags = s->node >= 0 ? p->g->nodes[s->node].op->flags : 0;
    const bool alike = s->kind == STEP_FUSED || (flags & (REEL_OPF_ELEMENTWISE | REEL_OPF_ROWS));
    const int32_t refuses = (int32_t)i + ((flags & REEL_OPF_ROWS) != 0); /* that one looks at its ids first */
    for (int k = 0; k < s->n_in; k++) {
        const pslot *slot = &p->slots[s->slot + k];
        if (slot->value < 0 || !in_variable(p, &plan->slots[s->slot + k], cell)) continue;
        const pvalue *v = &p->v[slot->value];
        if (!alike || v->offset || !reel_is_dense_(&v->type.shape, v->strides) ||
            !reel_shape_same_(&v->type.shape, &cell->type.shape))
            return false;
    }
    for (size_t j = i + 1; j < p->n_steps; j++) {
        const pstep *later = &p->steps[j];
        for (int k = 0; k < later->n_in; k++)
            if (p->slots[later->slot + k].value >= 0 && in_variable(p, &plan->slots[later->slot + k], cell))
                return false;
    }
    for (size_t j = 0; j < r->q->n_calls; j++) /* a run that fails changes nothing */
        if (r->q->calls[j].fails && r->q->calls[j].step >= refuses) return false;
    for (size_t j = 0; j < p->n_results; j++)
        if (in_variable(p, &p->results[j].place, cell)) return false;
    return true;
}

/* The step that makes fresh memory number f; -1: none. */
static int32_t maker_of(const planner *p, int32_t f)
{
    const int32_t ext = p->rq->n_feeds + (int32_t)p->n_vars + f;
    for (size_t i = 0; i < p->n_steps; i++) {
        const pstep *s = &p->steps[i];
        for (int k = s->n_in; k < s->n_in + s->n_out; k++) {
            const reel_place *at = &p->plan->slots[s->slot + k];
            if (at->kind == REEL_AT_EXT && at->ext == ext) return (int32_t)i;
        }
    }
    return -1;
}

static int place_fresh(runner *r, int32_t f)
{
    const planner *p = r->p;
    const int32_t ext = p->rq->n_feeds + (int32_t)p->n_vars + f;
    fresh_place *at = &r->fresh[f];
    const int32_t maker = maker_of(p, f);
    for (size_t i = 0; i < p->n_results; i++) {
        const reel_result *q = &p->results[i];
        if (q->place.kind != REEL_AT_EXT || q->place.ext != ext || !q->whole) continue;
        if (!q->cell) {
            *at = (fresh_place){.kind = IN_OUTPUT, .which = (int32_t)i};
            return 0;
        }
    }
    const reel_rec *cell = NULL;
    int n = 0;
    for (size_t i = 0; i < p->n_results; i++) {
        const reel_result *q = &p->results[i];
        if (q->place.kind != REEL_AT_EXT || q->place.ext != ext) continue;
        n++;
        cell = q->whole && q->place.offset == 0 ? q->cell : NULL;
    }
    if (n == 1 && cell && maker >= 0 && may_overwrite(r, (size_t)maker, cell)) {
        *at = (fresh_place){.kind = IN_VARIABLE, .which = reel_export_var_(r->x, cell)};
        return at->which < 0 ? reel_status() : 0;
    }
    *at = (fresh_place){.kind = IN_ARENA, .at = r->q->arena_bytes};
    r->q->arena_bytes += (reel_type_bytes_(&p->fresh[f]) + 63) & ~(size_t)63;
    return 0;
}

/* ---- the calls ----------------------------------------------------------------------------------------------------- */

static reel_dtype dtype_of(const char *type)
{
    for (int d = 1; d < REEL_N_DTYPES; d++)
        if (strcmp(reel_ctype_((reel_dtype)d), type) == 0) return (reel_dtype)d;
    return REEL_U8;
}

/* What goes into a function; the name of its workspace comes last. */
static int put_arguments(const runner *r, const reel_ccall *c)
{
    const planner *p = r->p;
    const pstep *s = &p->steps[c->step];
    reel_text *t = &r->q->run;
    const char *comma = "";
    for (size_t k = 0; k < c->n_operands; k++, comma = ", ") {
        const int32_t slot = r->q->places[c->operands + k];
        const int32_t value = p->slots[slot].value;
        reel_text_add_(t, comma);
        if (value >= 0 && reel_count_(&p->v[value].type.shape) == 0)
            reel_text_add_(t, "NULL"); /* nothing is read or written there */
        else if (put_place(r, t, &p->plan->slots[slot], slot_dtype(p, s, slot - s->slot)))
            return reel_status();
    }
    if (c->work) {
        reel_text_add_(t, comma);
        put_arena(r, t, (int64_t)p->plan->steps[c->step].work, dtype_of(c->work_type));
        comma = ", ";
    }
    if (c->draws) {
        reel_text_fmt_(t, "%s%s_vars.random[%d][0], counter", comma, r->x->name, c->generator);
        comma = ", ";
    }
    if (c->count != REEL_NO_COUNT) reel_text_fmt_(t, "%s&count[%d]", comma, c->count);
    if (c->limit != REEL_NO_COUNT) reel_text_fmt_(t, "%scount[%d]", comma, c->limit);
    return reel_status();
}

static int put_step(const runner *r, const reel_ccall *c)
{
    reel_exporter *x = r->x;
    const planner *p = r->p;
    reel_text *t = &r->q->run;
    const reel_node *n = c->node >= 0 ? &p->g->nodes[c->node] : NULL;
    const reel_cfunction *f = &x->functions[c->function];
    reel_text_fmt_(t, c->hands_on ? "    if ((rc = %s(" : c->fails ? "    if (%s(" : "    %s(", f->name);
    if (put_arguments(r, c)) return reel_status();
    reel_text_add_(t, c->hands_on ? ")) != 0) return rc;" : c->fails ? "))" : ");");
    if (c->fails && !c->hands_on) {
        const int32_t e = reel_export_error_(x, "%s: %s: %s", n ? reel_site_base_(n->site) : "",
                                             n ? n->op->name : "copy", c->refuses);
        if (e < 0) return reel_status();
        reel_text_fmt_(t, " return %d;", (int)e);
    }
    if (n && n->site && *n->site) reel_text_fmt_(t, " /* %s */", reel_site_base_(n->site));
    reel_text_add_(t, "\n");
    return 0;
}

static int put_call(const runner *r, const reel_ccall *c)
{
    reel_exporter *x = r->x;
    reel_text *t = &r->q->run;
    if (c->draws && c->function >= 0)
        reel_text_fmt_(t, "    counter = %s_vars.random[%d][1];\n", x->name, c->generator);
    const int rc = c->function >= 0 ? put_step(r, c) : 0;
    if (c->draws && !rc) /* one that refuses its data takes none */
        reel_text_fmt_(t, "    %s_vars.random[%d][1] += %lluu;\n", x->name, c->generator, (unsigned long long)c->draws);
    return rc ? rc : reel_status();
}

/* A copy of a value into dense memory, as a function like any other. */
static int put_copy(const runner *r, const reel_result *q, const char *to)
{
    reel_exporter *x = r->x;
    reel_emit *e = &r->q->emit;
    static const pstep copy = {.node = -1, .n_in = 1, .n_out = 1};
    e->node = NULL;
    e->s = &copy;
    e->n_in = e->n_out = 1;
    e->body.n = e->words.n = 0;
    e->n_words = e->depth = 0;
    e->work = 0;
    e->fails = e->hands_on = e->counts = e->limits = false;
    e->draws = 0;
    e->in[0] = (reel_eoperand){.dtype = q->type.dtype, .rank = q->type.shape.rank, .given = true, .name = "x"};
    memcpy(e->in[0].dims, q->type.shape.dims, sizeof e->in[0].dims);
    memcpy(e->in[0].strides, q->strides, sizeof e->in[0].strides);
    e->in[0].count = reel_count_(&q->type.shape);
    e->out[0] = e->in[0];
    snprintf(e->out[0].name, sizeof e->out[0].name, "out");
    if (e->in[0].count == 0) return 0;
    char number[REEL_NUMBER_TEXT];
    if (q->place.kind == REEL_AT_CONST && e->in[0].count == 1)
        e->in[0].text = reel_literal_(q->type.dtype, q->place.rec->data + q->place.offset, number);
    if (reel_emit_copy_(e)) return reel_status();
    const int32_t f = reel_export_function_(x, e, "copy", "a result");
    if (f < 0) return reel_status();
    reel_text_fmt_(&r->q->run, "    %s(", x->functions[f].name);
    if (!e->in[0].text && put_place(r, &r->q->run, &q->place, q->type.dtype)) return reel_status();
    reel_text_fmt_(&r->q->run, e->in[0].text ? "%s);\n" : ", %s);\n", to);
    return 0;
}

static int put_fetches(const runner *r)
{
    const planner *p = r->p;
    for (int i = 0; i < p->rq->n_fetches; i++) {
        const reel_result *q = &p->results[i];
        const int32_t f = q->place.kind == REEL_AT_EXT ? q->place.ext - p->rq->n_feeds - (int32_t)p->n_vars : -1;
        if (f >= 0 && q->whole && r->fresh[f].kind == IN_OUTPUT && r->fresh[f].which == i) continue;
        reel_result from = *q;
        if (q->weak) from.place.offset += (int64_t)reel_num_offset_(q->type.dtype);
        reel_text to = {0};
        put_output(r, &to, i);
        const int rc = put_copy(r, &from, reel_text_of_(&to));
        reel_text_free_(&to);
        if (rc) return rc;
    }
    return 0;
}

/* How many there are of what is fetched, where that depends on data. */
static int put_counts(const runner *r)
{
    const int rc = reel_export_sized_fetches_(r->q, r->p);
    for (int i = 0; i < r->p->rq->n_fetches && r->q->fetched && !rc; i++) {
        const reel_sized *s = &r->q->fetched[i];
        if (s->name) reel_text_fmt_(&r->q->run, "    if (out->%s) *out->%s = count[%d];\n", s->name, s->name, s->count);
    }
    return rc ? rc : reel_status();
}

/* First those whose new value is another variable's old one go aside. */
static int put_commits(const runner *r)
{
    const planner *p = r->p;
    reel_exporter *x = r->x;
    for (size_t i = (size_t)p->rq->n_fetches; i < p->n_results; i++) {
        reel_result *q = &p->results[i];
        const int32_t v = reel_export_var_(x, q->cell);
        if (v < 0) return reel_status();
        const int nf = p->rq->n_feeds;
        if (q->place.kind != REEL_AT_EXT || q->place.ext < nf || q->place.ext >= nf + (int)p->n_vars) continue;
        reel_text to = {0};
        put_arena(r, &to, (int64_t)r->q->arena_bytes, q->type.dtype);
        const int rc = put_copy(r, q, reel_text_of_(&to));
        reel_text_free_(&to);
        if (rc) return rc;
        q->place = (reel_place){.kind = REEL_AT_ARENA, .offset = (int64_t)r->q->arena_bytes};
        reel_shape_strides_(&q->type.shape, q->strides);
        r->q->arena_bytes += (reel_type_bytes_(&q->type) + 63) & ~(size_t)63;
    }
    for (size_t i = (size_t)p->rq->n_fetches; i < p->n_results; i++) {
        const reel_result *q = &p->results[i];
        const int32_t v = reel_export_var_(x, q->cell);
        const int32_t f = q->place.kind == REEL_AT_EXT ? q->place.ext - p->rq->n_feeds - (int32_t)p->n_vars : -1;
        if (v < 0) return reel_status();
        x->vars[v].assigned = true;
        if (f >= 0 && r->fresh[f].kind == IN_VARIABLE && r->fresh[f].which == v) continue;
        char to[256];
        snprintf(to, sizeof to, "%s_vars.%s", x->name, x->vars[v].name);
        if (put_copy(r, q, to)) return reel_status();
    }
    return 0;
}

/* The graph's own: its lines and what they work in are the file's. */
static int finish(reel_eplan *q, const planner *p)
{
    reel_exporter *x = q->x;
    x->run = q->run;
    q->run = (reel_text){0};
    x->arena_bytes = q->arena_bytes;
    return reel_export_files_(q, p);
}

int reel_export_done_(reel_plan_printer *self, const planner *p)
{
    reel_eplan *q = (reel_eplan *)(void *)self;
    reel_exporter *x = q->x;
    runner r = {.q = q, .x = x, .p = p};
    const size_t n_fetches = (size_t)p->rq->n_fetches;
    r.fresh = reel_zalloc_((p->n_fresh + 1) * sizeof *r.fresh);
    int rc = r.fresh ? 0 : REEL_ENOMEM;
    q->arena_bytes = (p->plan->arena_bytes + 63) & ~(size_t)63;
    if (q->part && p->n_results > n_fetches)
        rc = reel_fail(REEL_ETRACE, "reel_export_c: a variable is assigned within it, which has no exported form");
    for (size_t i = 0; i < p->n_vars && !rc; i++) rc = reel_export_var_(x, p->vars[i]) < 0 ? reel_status() : 0;
    for (size_t i = n_fetches; i < p->n_results && !rc; i++)
        rc = reel_export_var_(x, p->results[i].cell) < 0 ? reel_status() : 0;
    for (size_t i = 0; i < p->n_fresh && !rc; i++) rc = place_fresh(&r, (int32_t)i);
    for (size_t i = 0; i < q->n_calls && !rc; i++) rc = put_call(&r, &q->calls[i]);
    if (!rc) rc = put_fetches(&r);
    if (!rc) rc = put_counts(&r);
    if (!rc) rc = put_commits(&r);
    if (!rc) rc = reel_status();
    if (!rc && !q->part) rc = finish(q, p);
    reel_free_(r.fresh, (p->n_fresh + 1) * sizeof *r.fresh);
    return rc;
}
