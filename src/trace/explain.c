/* explain.c: what a function has traced and why, and what its traces have frozen. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "control.h"
#include "function.h"

enum { MAX_LINES = 200 }; /* of frozen things, a trace */

static const char *known_site(const char *site)
{
    return site && *site ? site : "an unknown line";
}

static void put_type(FILE *f, const reel_type *t)
{
    char shape[REEL_SHAPE_TEXT];
    fprintf(f, "%s%s", reel_dtype_name(t->dtype), reel_shape_text_(&t->shape, shape));
}

static void put_signature(FILE *f, const reel_signature *s)
{
    for (int i = 0; i < s->n; i++) {
        fputs(i ? ", " : "", f);
        if (s->weak[i])
            fputs("a number", f);
        else
            put_type(f, &s->types[i]);
    }
    if (s->statics_size) fprintf(f, "%s%zu bytes of statics", s->n ? ", " : "", s->statics_size);
    if (s->widen) fputs(", widened to f64 by a gradient check", f);
}

static int declared_as(const reel_function *fn, const reel_rec *r)
{
    for (int i = 0; i < fn->n_constants; i++)
        if (reel_is_live_(fn->constants[i]) && reel_rec_of_(fn->constants[i])->id == r->id) return i;
    return -1;
}

/* Who reads value v first: "b of reel_add at model.c:12". */
static void put_reader(FILE *f, const reel_graph *g, int32_t v)
{
    for (size_t i = 0; i < g->n_nodes; i++) {
        const reel_node *n = &g->nodes[i];
        for (int k = 0; k < n->n_in; k++) {
            char name[REEL_ARG_TEXT];
            if (g->ins[n->first_in + k] != v) continue;
            fprintf(f, ", %s of reel_%s at %s", reel_arg_name_(n->op, k, name), n->op->name, known_site(n->site));
            if (n->scope >= 0) fprintf(f, " (in \"%s\")", g->texts + n->scope);
            return;
        }
    }
}

static bool is_made_inside(const reel_graph *g, const reel_node *n)
{
    for (size_t i = 0; i < g->n_frozen; i++)
        if (g->frozen[i].made && g->frozen[i].site == n->site) return true;
    return false;
}

static void put_constant(FILE *f, const reel_function *fn, const reel_graph *g, const reel_node *n)
{
    if (n->weak) {
        fprintf(f, "number %.9g", reel_load_number_(n->rec->data, REEL_F64));
        put_reader(f, g, n->first_out);
    } else {
        const int i = declared_as(fn, n->rec);
        if (i >= 0)
            fprintf(f, "constant .constants[%d] ", i);
        else
            fputs(is_made_inside(g, n) ? "host data " : "constant ", f);
        put_type(f, &n->rec->type);
        fprintf(f, ", made at %s", known_site(n->rec->made));
        put_reader(f, g, n->first_out);
    }
    fputc('\n', f);
}

/* A block of lines of one graph; those of bodies stand further in. */
typedef struct block {
    FILE *f;
    const reel_function *fn;
    const reel_graph *g;
    int in; /* blanks */
} block;

/* False: there have been enough. */
static bool begin_line(const block *b, int *lines, int *more)
{
    if ((*lines)++ == 0) fprintf(b->f, "%*sfrozen:\n", b->in, "");
    if (*lines > MAX_LINES) (*more)++;
    if (*lines <= MAX_LINES) fprintf(b->f, "%*s", b->in + 2, "");
    return *lines <= MAX_LINES;
}

static void put_frozen(const block *b)
{
    const reel_graph *g = b->g;
    int lines = 0, more = 0, variables = 0;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const reel_node *n = &g->nodes[i];
        variables += n->kind == REEL_NODE_VAR;
        if (n->kind == REEL_NODE_CONST && begin_line(b, &lines, &more)) put_constant(b->f, b->fn, g, n);
    }
    for (size_t i = 0; i < g->n_frozen; i++) {
        const reel_frozen *h = &g->frozen[i];
        if (h->made || !begin_line(b, &lines, &more)) continue; /* what was made is a constant above */
        fprintf(b->f, "what %s read at %s of a ", h->what, known_site(h->site));
        put_type(b->f, &h->type);
        fputc('\n', b->f);
    }
    if (more) fprintf(b->f, "%*sand %d more\n", b->in + 2, "", more);
    if (!lines) fprintf(b->f, "%*sfrozen: nothing\n", b->in, "");
    if (variables) fprintf(b->f, "%*sby reference:", b->in, "");
    for (size_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].kind == REEL_NODE_VAR)
            fprintf(b->f, " %s", g->nodes[i].rec->name ? g->nodes[i].rec->name : "a variable");
    if (variables) fputc('\n', b->f);
}

/* ---- what nodes have inside ------------------------------------------------------------------------------- */

static int put_graph(const block *b);

static const reel_control *inside(const reel_graph *g, const reel_node *n)
{
    return n->kind == REEL_NODE_OP ? reel_control_of_(n->op, reel_node_attr_(g, n)) : NULL;
}

static bool is_gradient(const reel_control *c)
{
    return c->kind == REEL_CALL && !c->name;
}

static void put_inputs(FILE *f, const reel_control *c)
{
    const reel_graph *g = c->part[0].player.graph;
    for (int i = 0; i < c->n_own && i < g->n_inputs; i++) {
        fputs(i ? ", " : "(", f);
        put_type(f, &g->values[g->inputs[i]].type);
    }
    fputs(c->n_own ? ")" : "", f);
}

static int put_bodies(const block *b, const reel_control *c, const char *site, int times)
{
    static const char *const parts[][2] = {{"yes", "no"}, {"condition", "body"}, {"body", ""}, {"", ""}};
    fprintf(b->f, "%*s", b->in, "");
    if (c->kind == REEL_CALL)
        fprintf(b->f, c->part[0].as_it_is ? "a checkpoint of %s" : "%s as a node", c->name);
    else
        fputs(reel_control_name_(c), b->f);
    fprintf(b->f, " at %s", known_site(site));
    if (times > 1) fprintf(b->f, ", %d times", times);
    fputs(", ", b->f);
    put_inputs(b->f, c);
    fputs(":\n", b->f);
    int rc = 0;
    for (int k = 0; k < 2 && !rc; k++) {
        const bool named = *parts[c->kind][k];
        if (!c->part[k].player.graph) continue;
        if (named) fprintf(b->f, "%*s%s:\n", b->in + 2, "", parts[c->kind][k]);
        rc = put_graph(&(block){b->f, b->fn, c->part[k].player.graph, b->in + (named ? 4 : 2)});
    }
    return rc;
}

static uint64_t key_of(const reel_control *c)
{
    return (uint64_t)(uintptr_t)c;
}

/* Each sub-graph once, where it comes first. */
static int put_nodes(const block *b, reel_idmap *times)
{
    const reel_graph *g = b->g;
    int rc = 0, gradients = 0;
    for (size_t i = 0; i < g->n_nodes && !rc; i++) {
        const reel_control *c = inside(g, &g->nodes[i]);
        if (c)
            rc = reel_map_put_(times, key_of(c),
                               reel_map_get_(times, key_of(c)) < 0 ? 1 : reel_map_get_(times, key_of(c)) + 1);
    }
    for (size_t i = 0; i < g->n_nodes && !rc; i++) {
        const reel_control *c = inside(g, &g->nodes[i]);
        const int n = c ? reel_map_get_(times, key_of(c)) : 0;
        gradients += c && is_gradient(c);
        if (n < 1 || is_gradient(c)) continue;
        rc = reel_map_put_(times, key_of(c), 0);
        if (!rc) rc = put_bodies(b, c, g->nodes[i].site, n);
    }
    if (gradients) fprintf(b->f, "%*sgradients of calls as nodes: %d\n", b->in, "", gradients);
    return rc;
}

static int put_graph(const block *b)
{
    reel_idmap times = {0};
    put_frozen(b);
    const int rc = put_nodes(b, &times);
    reel_map_free_(&times);
    return rc;
}

/* What others have of f: it is a node of theirs. */
static int put_called(FILE *out, const reel_function *f)
{
    int rc = 0;
    for (const reel_called *k = f->called; k && !rc; k = k->next) {
        fputs("as a node of other traces: ", out);
        put_inputs(out, k->control);
        if (k->control->n_kept) fprintf(out, ", %d values kept for gradients", k->control->n_kept);
        fputc('\n', out);
        rc = put_graph(&(block){out, f, k->control->part[0].player.graph, 2});
    }
    return rc;
}

static const reel_graph *graph_of(const reel_function *f, const reel_trace_note *n)
{
    for (const reel_fn_trace *t = f->traces; t; t = t->next)
        if (t->note == n) return t->player.graph;
    return NULL;
}

static void put_refusals(FILE *f, const char *text)
{
    while (text && *text) {
        const int n = (int)strcspn(text, "\n");
        fprintf(f, "%.*s\n", n, text);
        text += n + (text[n] == '\n');
    }
}

int reel_function_explain(FILE *out, reel_function *f)
{
    if (!out || !f) return reel_fail_at_("", REEL_EARG, "reel_function_explain: %s is NULL", out ? "f" : "the file");
    int rc = 0;
    pthread_mutex_lock(&f->lock);
    fprintf(out, "%s: %d %s made, %d kept (at most %d), %" PRIu64 " replays\n", reel_fn_name_(f), f->made,
            f->made == 1 ? "trace" : "traces", f->n_traces, f->max_traces, f->replays);
    for (const reel_trace_note *n = f->notes; n && !rc; n = n->next) {
        const reel_graph *g = graph_of(f, n);
        fprintf(out, "trace %d, made by the call at %s: (", n->number, known_site(n->site));
        put_signature(out, &n->sig);
        fprintf(out, "), %" PRIu64 " replays%s\n  why: %s\n", n->replays, g ? "" : ", no longer kept",
                n->why ? n->why : "?");
        if (g) rc = put_graph(&(block){out, f, g, 2});
    }
    if (!rc) rc = put_called(out, f);
    put_refusals(out, f->refusals);
    const bool bad = ferror(out) != 0;
    pthread_mutex_unlock(&f->lock);
    if (rc) return rc;
    return bad ? reel_fail_at_("", REEL_EIO, "reel_function_explain: the stream does not take the text") : 0;
}
