/* run.c: the function that runs it all: the steps' calls, then what is fetched, then the variables' new values. */
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

static int put_ext(const runner *r, reel_text *t, const reel_place *at, reel_dtype d)
{
    const planner *p = r->p;
    reel_exporter *x = r->x;
    const int nf = p->rq->n_feeds, nv = (int)p->n_vars;
    if (at->ext < nf) {
        reel_text_fmt_(t, "in->%s", x->feed_name[at->ext]);
    } else if (at->ext < nf + nv) {
        const int32_t v = reel_export_var_(x, p->vars[at->ext - nf]);
        if (v < 0) return reel_status();
        reel_text_fmt_(t, "%s_vars.%s", x->name, x->vars[v].name);
    } else {
        const fresh_place *f = &r->fresh[at->ext - nf - nv];
        if (f->kind == IN_OUTPUT) reel_text_fmt_(t, "out->%s", x->fetch_name[f->which]);
        if (f->kind == IN_VARIABLE) reel_text_fmt_(t, "%s_vars.%s", x->name, x->vars[f->which].name);
        if (f->kind == IN_ARENA) {
            reel_text_fmt_(t, "%s_arena.%s", x->name, member_of(d));
            plus(t, (int64_t)f->at + at->offset, d);
            return 0;
        }
    }
    plus(t, at->offset, d);
    return 0;
}

static int put_place(const runner *r, reel_text *t, const reel_place *at, reel_dtype d)
{
    reel_exporter *x = r->x;
    switch (at->kind) {
    case REEL_AT_ARENA:
        reel_text_fmt_(t, "%s_arena.%s", x->name, member_of(d));
        plus(t, at->offset, d);
        return 0;
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
    for (size_t j = 0; j < r->x->n_calls; j++) /* a run that fails changes nothing */
        if (r->x->calls[j].fails && r->x->calls[j].step >= refuses) return false;
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
    *at = (fresh_place){.kind = IN_ARENA, .at = r->x->arena_bytes};
    r->x->arena_bytes += (reel_type_bytes_(&p->fresh[f]) + 63) & ~(size_t)63;
    return 0;
}

/* ---- the calls ----------------------------------------------------------------------------------------------------- */

static int put_call(const runner *r, const reel_ccall *c)
{
    reel_exporter *x = r->x;
    const planner *p = r->p;
    const pstep *s = &p->steps[c->step];
    reel_text *t = &x->run;
    const reel_node *n = c->node >= 0 ? &p->g->nodes[c->node] : NULL;
    if (c->draws)
        reel_text_fmt_(t, "    counter = %s_vars.random[%d][1];\n    %s_vars.random[%d][1] += %lluu;\n", x->name,
                       c->generator, x->name, c->generator, (unsigned long long)c->draws);
    if (c->function < 0) return 0;
    const reel_cfunction *f = &x->functions[c->function];
    reel_text_fmt_(t, c->fails ? "    if (%s(" : "    %s(", f->name);
    bool first = true;
    for (size_t k = 0; k < c->n_operands; k++, first = false) {
        const int32_t slot = x->places[c->operands + k];
        const int32_t value = p->slots[slot].value;
        if (!first) reel_text_add_(t, ", ");
        if (value >= 0 && reel_count_(&p->v[value].type.shape) == 0)
            reel_text_add_(t, "NULL"); /* nothing is read or written there */
        else if (put_place(r, t, &p->plan->slots[slot], slot_dtype(p, s, slot - s->slot)))
            return reel_status();
    }
    if (c->work) {
        const reel_dtype d = strcmp(c->work_type, "double") == 0     ? REEL_F64
                             : strcmp(c->work_type, "int64_t") == 0  ? REEL_I64
                             : strcmp(c->work_type, "int32_t") == 0  ? REEL_I32
                             : strcmp(c->work_type, "float") == 0    ? REEL_F32
                             : strcmp(c->work_type, "uint16_t") == 0 ? REEL_F16
                             : strcmp(c->work_type, "int8_t") == 0   ? REEL_I8
                                                                     : REEL_U8;
        const reel_place at = {.kind = REEL_AT_ARENA, .offset = (int64_t)p->plan->steps[c->step].work};
        if (!first) reel_text_add_(t, ", ");
        first = false;
        put_place(r, t, &at, d);
    }
    if (c->draws) reel_text_fmt_(t, "%s%s_vars.random[%d][0], counter", first ? "" : ", ", x->name, c->generator);
    reel_text_add_(t, c->fails ? "))" : ");");
    if (c->fails) {
        reel_text_fmt_(t, " return %d;", ++x->n_refusals);
        reel_text_fmt_(&x->errors, "        \"%s: %s: %s\",\n", n ? reel_site_base_(n->site) : "",
                       n ? n->op->name : "copy", c->refuses);
    }
    if (n && n->site && *n->site) reel_text_fmt_(t, " /* %s */", reel_site_base_(n->site));
    reel_text_add_(t, "\n");
    return 0;
}

/* A copy of a value into dense memory, as a function like any other. */
static int put_copy(const runner *r, const reel_result *q, const char *to)
{
    reel_exporter *x = r->x;
    reel_emit *e = &x->emit;
    static const pstep copy = {.node = -1, .n_in = 1, .n_out = 1};
    e->node = NULL;
    e->s = &copy;
    e->n_in = e->n_out = 1;
    e->body.n = e->words.n = 0;
    e->n_words = e->depth = 0;
    e->work = 0;
    e->fails = false;
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
    reel_text_fmt_(&x->run, "    %s(", x->functions[f].name);
    if (!e->in[0].text && put_place(r, &x->run, &q->place, q->type.dtype)) return reel_status();
    reel_text_fmt_(&x->run, e->in[0].text ? "%s);\n" : ", %s);\n", to);
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
        char to[160];
        snprintf(to, sizeof to, "out->%s", r->x->fetch_name[i]);
        if (put_copy(r, &from, to)) return reel_status();
    }
    return 0;
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
        reel_text_fmt_(&to, "%s_arena.%s", x->name, member_of(q->type.dtype));
        plus(&to, (int64_t)x->arena_bytes, q->type.dtype);
        const int rc = put_copy(r, q, reel_text_of_(&to));
        reel_text_free_(&to);
        if (rc) return rc;
        q->place = (reel_place){.kind = REEL_AT_ARENA, .offset = (int64_t)x->arena_bytes};
        reel_shape_strides_(&q->type.shape, q->strides);
        x->arena_bytes += (reel_type_bytes_(&q->type) + 63) & ~(size_t)63;
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

int reel_export_done_(reel_plan_printer *self, const planner *p)
{
    reel_exporter *x = (reel_exporter *)(void *)self;
    runner r = {.x = x, .p = p};
    r.fresh = reel_zalloc_((p->n_fresh + 1) * sizeof *r.fresh);
    int rc = r.fresh ? 0 : REEL_ENOMEM;
    x->arena_bytes = (p->plan->arena_bytes + 63) & ~(size_t)63;
    for (size_t i = 0; i < p->n_vars && !rc; i++) rc = reel_export_var_(x, p->vars[i]) < 0 ? reel_status() : 0;
    for (size_t i = (size_t)p->rq->n_fetches; i < p->n_results && !rc; i++)
        rc = reel_export_var_(x, p->results[i].cell) < 0 ? reel_status() : 0;
    for (size_t i = 0; i < p->n_fresh && !rc; i++) rc = place_fresh(&r, (int32_t)i);
    for (size_t i = 0; i < x->n_calls && !rc; i++) rc = put_call(&r, &x->calls[i]);
    if (!rc) rc = put_fetches(&r);
    if (!rc) rc = put_commits(&r);
    if (!rc) rc = reel_status();
    if (!rc) rc = reel_export_files_(x, p);
    reel_free_(r.fresh, (p->n_fresh + 1) * sizeof *r.fresh);
    return rc;
}
