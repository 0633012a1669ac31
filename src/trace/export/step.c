/* step.c: a step of the plan as a C function: its operands, its emitter, its name; one that is there already serves equal steps. */
#include <ctype.h>
#include <string.h>
#include "core/alloc.h"
#include "core/context.h"
#include "core/random.h"
#include "emit.h"
#include "trace/debug.h"

/* ---- names ------------------------------------------------------------------------------------------------ */

static bool is_taken(const reel_exporter *x, const char *name)
{
    for (size_t i = 0; i < x->n_taken; i++)
        if (strcmp(x->taken[i], name) == 0) return true;
    return false;
}

char *reel_take_name_(reel_exporter *x, const char *prefix, const char *wanted)
{
    char name[128];
    size_t n = 0;
    for (const char *s = prefix; *s && n < 60; s++) name[n++] = *s;
    for (const char *s = wanted; *s && n < 110; s++) {
        const char c = reel_is_word_(*s) ? *s : '_';
        if (n == 0 && c >= '0' && c <= '9') name[n++] = '_';
        if (c != '_' || n == 0 || name[n - 1] != '_') name[n++] = c;
    }
    while (n > 1 && name[n - 1] == '_') n--;
    name[n] = '\0';
    for (int k = 2; is_taken(x, name); k++) snprintf(name + n, sizeof name - n, "_%d", k);
    if (reel_grow_((void **)&x->taken, &x->cap_taken, x->n_taken + 1, sizeof *x->taken)) return NULL;
    char *own = reel_strdup_(name);
    if (own) x->taken[x->n_taken++] = own;
    return own;
}

/* ---- operands ------------------------------------------------------------------------------------------------ */

static void put_view(reel_eoperand *o, const reel_type *t, const int64_t *strides)
{
    o->rank = t->shape.rank;
    memcpy(o->dims, t->shape.dims, sizeof o->dims);
    memcpy(o->strides, strides, sizeof o->strides);
    o->count = reel_count_(&t->shape);
}

/* A number that is known now stands where it is read. */
static void put_number(const reel_emit *e, reel_eoperand *o, const pvalue *v)
{
    const proot *r = &e->p->r[v->root];
    if (r->kind != REEL_AT_CONST || o->count != 1) return;
    const char *at = r->rec->data + v->offset + (v->weak ? reel_num_offset_(o->dtype) : 0);
    o->text = reel_literal_(o->dtype, at, o->number);
}

static void put_operand(reel_emit *e, int k)
{
    const planner *p = e->p;
    const pstep *s = e->s;
    const bool input = k < s->n_in;
    reel_eoperand *o = input ? &e->in[k] : &e->out[k - s->n_in];
    const pslot *slot = &p->slots[reel_first_operand_(s) + k];
    int32_t value = slot->value;
    *o = (reel_eoperand){.given = value >= 0 || slot->bytes};
    if (value < 0) {
        o->given = !input && slot->bytes;
        value = !e->node ? s->from : input ? p->g->ins[e->node->first_in + k] : e->node->first_out + (k - s->n_in);
        if (!e->node) o->given = true; /* a copy's output */
    }
    const pvalue *v = &p->v[value];
    o->dtype = input ? slot->dtype : v->type.dtype;
    put_view(o, &v->type, v->strides);
    if (!input && slot->value < 0) reel_shape_strides_(&v->type.shape, o->strides);
    if (input && o->given) put_number(e, o, v);
}

static void name_operands(reel_emit *e)
{
    const bool generic = e->s->kind == STEP_FUSED || !e->node;
    for (int k = 0; k < e->n_in; k++) {
        char arg[REEL_ARG_TEXT];
        char *name = e->in[k].name;
        if (generic) {
            snprintf(name, sizeof e->in[k].name, e->n_in == 1 ? "x" : "x%d", k);
            continue;
        }
        reel_arg_name_(e->op, k, arg);
        snprintf(name, sizeof e->in[k].name, "%.20s", arg);
        for (char *c = name; *c; c++)
            if (!reel_is_word_(*c)) *c = c[1] ? '_' : '\0';
    }
    for (int k = 0; k < e->n_out; k++)
        snprintf(e->out[k].name, sizeof e->out[k].name, e->n_out == 1 ? "out" : "out%d", k);
}

static reel_dtype real_of(reel_dtype d)
{
    return d == REEL_F16 || d == REEL_BF16 ? REEL_F32 : d;
}

/* Of which input it takes but what is there. */
static void find_limit(reel_eplan *q, reel_emit *e)
{
    for (int k = 0; k < e->n_in; k++) {
        if (!e->node || e->s->kind != STEP_RUN || !q->n_counts) continue;
        e->in[k].limited = 1 + reel_export_limit_(q, e->p, e->node, k, &e->limit);
        e->limits |= e->in[k].limited > 0;
    }
}

static void begin(reel_eplan *q, const planner *p, size_t i)
{
    reel_emit *e = &q->emit;
    const pstep *s = &p->steps[i];
    e->x = q->x;
    e->p = p;
    e->s = s;
    e->node = s->node >= 0 ? &p->g->nodes[s->node] : NULL;
    e->op = e->node ? e->node->op : &reel_rows_[REEL_OP_stop_gradient];
    e->attr = e->node ? reel_node_attr_(p->g, e->node) : NULL;
    e->n_in = s->n_in;
    e->n_out = s->n_out;
    e->work = 0;
    e->work_type = "float";
    e->fails = e->hands_on = e->counts = e->limits = false;
    e->refuses = NULL;
    e->draws = 0;
    e->generator = NULL;
    e->body.n = e->words.n = 0;
    e->depth = e->n_words = 0;
    for (int k = 0; k < e->n_in + e->n_out; k++) put_operand(e, k);
    find_limit(q, e);
    name_operands(e);
    const bool by_output = e->n_out && (!e->n_in || reel_is_float_(e->out[0].dtype));
    e->real = real_of(by_output ? e->out[0].dtype : e->n_in ? e->in[0].dtype : REEL_F32);
}

/* ---- functions ------------------------------------------------------------------------------------------------ */

static uint64_t hash_of(uint64_t h, const reel_text *t)
{
    for (size_t i = 0; i < t->n; i++) h = (h ^ (unsigned char)t->s[i]) * UINT64_C(0x100000001b3);
    return h;
}

static void put_params(const reel_emit *e, reel_text *t)
{
    const bool apart =
        !e->node || !(e->op->flags & (REEL_OPF_ELEMENTWISE | REEL_OPF_ROWS)); /* outputs never lie over inputs */
    for (int k = 0; k < e->n_in; k++)
        if (e->in[k].read)
            reel_text_fmt_(t, "%sconst %s *%s", t->n ? ", " : "", reel_ctype_(e->in[k].dtype), e->in[k].name);
    for (int k = 0; k < e->n_out; k++)
        if (e->out[k].read)
            reel_text_fmt_(t, "%s%s *%s%s", t->n ? ", " : "", reel_ctype_(e->out[k].dtype), apart ? "restrict " : "",
                           e->out[k].name);
    if (e->work) reel_text_fmt_(t, "%s%s *restrict work", t->n ? ", " : "", e->work_type);
    if (e->draws) reel_text_fmt_(t, "%suint64_t key, uint64_t counter", t->n ? ", " : "");
    if (e->counts) reel_text_fmt_(t, "%sint64_t *count", t->n ? ", " : "");
    if (e->limits) reel_text_fmt_(t, "%sint64_t limit", t->n ? ", " : "");
}

static int32_t find_function(const reel_exporter *x, const reel_text *params, const reel_text *body, bool fails,
                             uint64_t hash)
{
    for (size_t i = 0; i < x->n_functions; i++) {
        const reel_cfunction *f = &x->functions[i];
        if (f->hash == hash && f->fails == fails && strcmp(reel_text_of_(&f->params), reel_text_of_(params)) == 0 &&
            strcmp(reel_text_of_(&f->body), reel_text_of_(body)) == 0)
            return (int32_t)i;
    }
    return -1;
}

int32_t reel_export_text_(reel_exporter *x, reel_text *params, reel_text *body, bool fails, const char *wanted,
                          const char *said)
{
    const uint64_t h = hash_of(hash_of(UINT64_C(0xcbf29ce484222325), params), body);
    const int32_t known = find_function(x, params, body, fails, h);
    if (known >= 0 || reel_need_helpers_(x, reel_text_of_(body)) ||
        reel_grow_((void **)&x->functions, &x->cap_functions, x->n_functions + 1, sizeof *x->functions)) {
        reel_text_free_(params);
        reel_text_free_(body);
        return known;
    }
    reel_cfunction *f = &x->functions[x->n_functions];
    char prefix[96];
    snprintf(prefix, sizeof prefix, "%.80s_", x->name);
    *f = (reel_cfunction){
        .name = reel_take_name_(x, prefix, wanted), .params = *params, .body = *body, .hash = h, .fails = fails};
    *params = *body = (reel_text){0};
    x->n_functions++;
    reel_text_add_(&f->said, said);
    return reel_status() ? -1 : (int32_t)x->n_functions - 1;
}

int32_t reel_export_function_(reel_exporter *x, const reel_emit *e, const char *wanted, const char *said)
{
    reel_text params = {0}, body = {0};
    put_params(e, &params);
    reel_text_put_(&body, reel_text_of_(&e->body), e->body.n);
    return reel_export_text_(x, &params, &body, e->fails, wanted, said);
}

static void say_type(reel_text *t, const reel_eoperand *o)
{
    char text[REEL_SHAPE_TEXT];
    reel_shape s = {.rank = o->rank};
    memcpy(s.dims, o->dims, sizeof s.dims);
    reel_text_fmt_(t, "%s%s", reel_dtype_name(o->dtype), reel_shape_text_(&s, text));
}

/* What stands above the function, and what it would be called. */
static void describe(const reel_emit *e, reel_text *said, char *wanted, size_t size)
{
    const char *scope = e->node ? reel_node_scope_(e->p->g, e->node) : "";
    size_t n = (size_t)snprintf(wanted, size, "%s%s", scope, *scope ? "/" : "");
    reel_text_fmt_(said, "%s%s", scope, *scope ? ": " : "");
    if (e->s->kind == STEP_FUSED) {
        for (int i = 0; i < e->s->fused->n_parts; i++) {
            const char *name = e->s->fused->part[i].op->name;
            if (i < 4 && n < size) n += (size_t)snprintf(wanted + n, size - n, "%s%s", i ? "_" : "", name);
            reel_text_fmt_(said, "%s%s", i ? ", " : "", name);
        }
    } else {
        const char *name = e->node ? e->op->name : "copy";
        snprintf(wanted + n, size - n, "%s", name);
        reel_text_add_(said, name);
    }
    for (int k = 0; k < e->n_in && k < 8; k++) {
        reel_text_add_(said, k ? ", " : " of ");
        say_type(said, &e->in[k]);
    }
    reel_text_add_(said, e->n_out ? " -> " : "");
    for (int k = 0; k < e->n_out && k < 4; k++) {
        if (k) reel_text_add_(said, ", ");
        say_type(said, &e->out[k]);
    }
    if (e->node && e->node->site) reel_text_fmt_(said, "   %s", reel_site_base_(e->node->site));
    for (size_t i = 0; i < said->n; i++)
        if (said->s[i] == '*' || said->s[i] == '\n') said->s[i] = ' ';
}

/* ---- the call --------------------------------------------------------------------------------------------------- */

static int note_places(reel_eplan *q, const reel_emit *e, reel_ccall *c)
{
    const int first = reel_first_operand_(e->s);
    c->operands = q->n_places;
    if (reel_grow_((void **)&q->places, &q->cap_places, q->n_places + (size_t)(e->n_in + e->n_out), sizeof *q->places))
        return REEL_ENOMEM;
    for (int k = 0; k < e->n_in + e->n_out; k++)
        if (k < e->n_in ? e->in[k].read : e->out[k - e->n_in].read) q->places[q->n_places++] = first + k;
    c->n_operands = q->n_places - c->operands;
    return 0;
}

static int add_call(reel_eplan *q, const reel_emit *e, size_t i)
{
    if (reel_grow_((void **)&q->calls, &q->cap_calls, q->n_calls + 1, sizeof *q->calls)) return REEL_ENOMEM;
    reel_ccall *c = &q->calls[q->n_calls];
    *c = (reel_ccall){.function = -1,
                      .node = e->s->node,
                      .step = (int32_t)i,
                      .generator = -1,
                      .limit = e->limits ? e->limit : REEL_NO_COUNT,
                      .count = e->counts ? reel_export_count_of_(q, e->s->node) : REEL_NO_COUNT,
                      .draws = e->draws,
                      .work_type = e->work_type,
                      .work = e->work > 0,
                      .fails = e->fails,
                      .hands_on = e->hands_on};
    q->fails |= e->fails;
    if (e->draws && (c->generator = reel_export_generator_(q->x, e->generator)) < 0) return reel_status();
    q->n_calls++;
    if (e->fails && !(c->refuses = reel_strdup_(e->refuses ? e->refuses : "refuses its data"))) return REEL_ENOMEM;
    if (!e->body.n) return 0; /* nothing to do, or only counters to take */
    char wanted[256];
    reel_text said = {0};
    describe(e, &said, wanted, sizeof wanted);
    c->function = reel_export_function_(q->x, e, wanted, reel_text_of_(&said));
    reel_text_free_(&said);
    return c->function < 0 ? reel_status() : note_places(q, e, c);
}

static int no_emitter(const reel_emit *e)
{
    const char *scope = reel_node_scope_(e->p->g, e->node);
    return reel_fail_at_(e->node->site, REEL_ETRACE, "reel_export_c: reel_%s has no exported form%s%s%s", e->op->name,
                         *scope ? " (in \"" : "", scope, *scope ? "\")" : "");
}

static size_t bytes_of(const char *type)
{
    if (strcmp(type, "float") == 0 || strcmp(type, "int32_t") == 0 || strcmp(type, "uint32_t") == 0) return 4;
    if (strcmp(type, "double") == 0 || strcmp(type, "int64_t") == 0 || strcmp(type, "uint64_t") == 0) return 8;
    return strcmp(type, "uint16_t") == 0 ? 2 : 1;
}

int reel_emit_fused_(reel_emit *e);

static int emit(reel_emit *e)
{
    if (e->s->kind == STEP_FUSED) return reel_emit_fused_(e);
    if (!e->node) return reel_emit_copy_(e);
    if (e->s->kind == STEP_RESERVE) {
        const reel_type *t = &e->p->g->values[e->node->first_out].type;
        e->generator = reel_node_generator_(e->p->g, e->node);
        e->draws = reel_draw_counters_(reel_count_(&t->shape), t->dtype);
        return 0;
    }
    reel_emitter *f = reel_emitter_of_(e->op, e->attr);
    if (!f) return no_emitter(e);
    return f(e);
}

int reel_export_step_(reel_plan_printer *self, const planner *p, size_t i, size_t *workspace)
{
    reel_eplan *q = (reel_eplan *)(void *)self;
    reel_emit *e = &q->emit;
    reel_ctx *c = reel_ctx_();
    const char *site = c->site, *op = c->op;
    begin(q, p, i);
    c->site = e->node ? e->node->site : p->rq->site;
    c->op = e->op->name;
    int rc = emit(e);
    c->site = site;
    c->op = op;
    if (!rc) rc = reel_status();
    if (!rc) rc = add_call(q, e, i);
    *workspace = e->work * bytes_of(e->work_type);
    return rc;
}

/* ---- plans --------------------------------------------------------------------------------------------------------- */

reel_eplan *reel_eplan_new_(reel_exporter *x, bool part)
{
    reel_eplan *q = reel_zalloc_(sizeof *q);
    if (!q) return NULL;
    q->printer = (reel_plan_printer){.node = reel_export_sizes_check_,
                                     .bound = reel_export_bound_,
                                     .step = reel_export_step_,
                                     .done = reel_export_done_};
    q->x = x;
    q->part = part;
    return q;
}

void reel_eplan_free_(reel_eplan *q)
{
    for (size_t i = 0; i < q->n_calls; i++) reel_strfree_(q->calls[i].refuses);
    reel_free_(q->calls, q->cap_calls * sizeof *q->calls);
    reel_free_(q->places, q->cap_places * sizeof *q->places);
    reel_free_(q->sized, q->n_values * sizeof *q->sized);
    reel_free_(q->fetched, q->n_fetched * sizeof *q->fetched);
    reel_free_(q->counted, q->cap_counted * sizeof *q->counted);
    reel_text_free_(&q->run);
    reel_text_free_(&q->emit.body);
    reel_text_free_(&q->emit.words);
    reel_free_(q, sizeof *q);
}
