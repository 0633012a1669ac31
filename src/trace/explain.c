/* explain.c: what a function has traced and why, and what its traces have frozen. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
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
        fprintf(f, "    number %.9g", reel_load_number_(n->rec->data, REEL_F64));
        put_reader(f, g, n->first_out);
    } else {
        const int i = declared_as(fn, n->rec);
        if (i >= 0)
            fprintf(f, "    constant .constants[%d] ", i);
        else
            fputs(is_made_inside(g, n) ? "    host data " : "    constant ", f);
        put_type(f, &n->rec->type);
        fprintf(f, ", made at %s", known_site(n->rec->made));
        put_reader(f, g, n->first_out);
    }
    fputc('\n', f);
}

static void put_frozen(FILE *f, const reel_function *fn, const reel_graph *g)
{
    int lines = 0, more = 0, variables = 0;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const reel_node *n = &g->nodes[i];
        variables += n->kind == REEL_NODE_VAR;
        if (n->kind != REEL_NODE_CONST) continue;
        if (lines++ == 0) fputs("  frozen:\n", f);
        if (lines > MAX_LINES)
            more++;
        else
            put_constant(f, fn, g, n);
    }
    for (size_t i = 0; i < g->n_frozen; i++) {
        const reel_frozen *h = &g->frozen[i];
        if (h->made) continue; /* a constant above */
        if (lines++ == 0) fputs("  frozen:\n", f);
        if (lines > MAX_LINES) {
            more++;
            continue;
        }
        fprintf(f, "    what %s read at %s of a ", h->what, known_site(h->site));
        put_type(f, &h->type);
        fputc('\n', f);
    }
    if (more) fprintf(f, "    and %d more\n", more);
    if (!lines) fputs("  frozen: nothing\n", f);
    if (variables) fputs("  by reference:", f);
    for (size_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].kind == REEL_NODE_VAR)
            fprintf(f, " %s", g->nodes[i].rec->name ? g->nodes[i].rec->name : "a variable");
    if (variables) fputc('\n', f);
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
    pthread_mutex_lock(&f->lock);
    fprintf(out, "%s: %d %s made, %d kept (at most %d), %" PRIu64 " replays\n", reel_fn_name_(f), f->made,
            f->made == 1 ? "trace" : "traces", f->n_traces, f->max_traces, f->replays);
    for (const reel_trace_note *n = f->notes; n; n = n->next) {
        const reel_graph *g = graph_of(f, n);
        fprintf(out, "trace %d, made by the call at %s: (", n->number, known_site(n->site));
        put_signature(out, &n->sig);
        fprintf(out, "), %" PRIu64 " replays%s\n  why: %s\n", n->replays, g ? "" : ", no longer kept",
                n->why ? n->why : "?");
        if (g) put_frozen(out, f, g);
    }
    put_refusals(out, f->refusals);
    const bool bad = ferror(out) != 0;
    pthread_mutex_unlock(&f->lock);
    return bad ? reel_fail_at_("", REEL_EIO, "reel_function_explain: the stream does not take the text") : 0;
}
