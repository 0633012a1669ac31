/* print.c: a graph as a listing: a line a node, in aligned columns. */
#include <stdio.h>
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "trace.h"

/* One line's columns; long lists are cut off with "...". */
enum { COLUMN = 320 };
typedef struct line {
    char ref[32], op[64], type[COLUMN], in[COLUMN], rest[COLUMN];
} line;

static void add(char buf[COLUMN], const char *text)
{
    const size_t n = strlen(buf), m = strlen(text);
    if (n + m + 4 < COLUMN)
        memcpy(buf + n, text, m + 1);
    else if (n >= 3 && strcmp(buf + n - 3, "...") != 0)
        memcpy(buf + n, "...", 4);
}

static const char *value_ref(const reel_graph *g, int32_t v, char buf[32])
{
    const int32_t node = g->values[v].node;
    if (g->nodes[node].n_out == 1)
        snprintf(buf, 32, "%%%d", (int)node);
    else
        snprintf(buf, 32, "%%%d.%d", (int)node, (int)(v - g->nodes[node].first_out));
    return buf;
}

static const char *kind_name(const reel_node *n)
{
    switch ((reel_node_kind)n->kind) {
    case REEL_NODE_INPUT: return "input";
    case REEL_NODE_VAR: return "variable";
    case REEL_NODE_CONST: return n->weak ? "number" : "constant";
    case REEL_NODE_OP: break;
    }
    return n->op->name;
}

static const char *base_name(const char *site)
{
    const char *slash = strrchr(site, '/');
    return slash ? slash + 1 : site;
}

static void fill(const reel_graph *g, size_t i, line *l)
{
    const reel_node *n = &g->nodes[i];
    char buf[32], shape[REEL_SHAPE_TEXT];
    memset(l, 0, sizeof *l);
    snprintf(l->ref, sizeof l->ref, "%%%zu", i);
    snprintf(l->op, sizeof l->op, "%s", kind_name(n));
    for (int k = 0; k < n->n_out; k++) {
        const reel_type *t = &g->values[n->first_out + k].type;
        add(l->type, k ? " " : "");
        add(l->type, reel_dtype_name(t->dtype));
        add(l->type, reel_shape_text_(&t->shape, shape));
    }
    add(l->in, n->n_in ? "(" : "");
    for (int k = 0; k < n->n_in; k++) {
        add(l->in, k ? ", " : "");
        add(l->in, value_ref(g, g->ins[n->first_in + k], buf));
    }
    add(l->in, n->n_in ? ")" : "");
    add(l->rest, base_name(n->site ? n->site : ""));
    if (n->scope >= 0) {
        add(l->rest, "  ");
        add(l->rest, g->texts + n->scope);
    }
    if (n->kind == REEL_NODE_VAR && n->rec->name) {
        add(l->rest, "  ");
        add(l->rest, n->rec->name);
    }
    if (n->weak && n->rec) {
        char number[40];
        snprintf(number, sizeof number, "  = %g", reel_load_number_(n->rec->data, REEL_F64));
        add(l->rest, number);
    }
    for (int k = 0; k < n->n_out; k++) {
        const int32_t name = g->values[n->first_out + k].name;
        if (name < 0) continue;
        add(l->rest, "  \"");
        add(l->rest, g->names[name].text);
        add(l->rest, "\"");
    }
}

static int widest(int now, const char *text, int limit)
{
    const int n = (int)strlen(text);
    return n > now && n <= limit ? n : now;
}

int reel_graph_print(FILE *f, const reel_graph *g)
{
    if (!f || !g) return reel_fail_at_("", REEL_EARG, "reel_graph_print: %s is NULL", f ? "g" : "f");
    line *l = reel_alloc_(sizeof *l);
    if (!l) return REEL_ENOMEM;
    int ref = 0, op = 0, type = 0, in = 0;
    for (size_t i = 0; i < g->n_nodes; i++) {
        fill(g, i, l);
        ref = widest(ref, l->ref, 16);
        op = widest(op, l->op, 24);
        type = widest(type, l->type, 48);
        in = widest(in, l->in, 32);
    }
    bool ok = true;
    for (size_t i = 0; i < g->n_nodes && ok; i++) {
        fill(g, i, l);
        ok = fprintf(f, "%-*s  %-*s  %-*s  %-*s  %s\n", ref, l->ref, op, l->op, type, l->type, in, l->in, l->rest) >= 0;
    }
    reel_free_(l, sizeof *l);
    return ok ? 0 : reel_fail_at_("", REEL_EIO, "reel_graph_print: the stream does not take the text");
}
