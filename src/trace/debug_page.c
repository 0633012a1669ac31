/* debug_page.c: a graph for Graphviz, and as a page to look around in. The page itself is graph_page.html. */
#include <stdio.h>
#include <string.h>
#include "core/error.h"
#include "debug.h"

extern const char reel_graph_page_[]; /* graph_page.html, with @DATA@ where the graph goes */

static int written(const char *fn, FILE *f)
{
    return ferror(f) ? reel_fail_at_("", REEL_EIO, "%s: the stream does not take the text", fn) : 0;
}

static void put_type(FILE *f, const reel_type *t)
{
    char shape[REEL_SHAPE_TEXT];
    fprintf(f, "%s%s", reel_dtype_name(t->dtype), reel_shape_text_(&t->shape, shape));
}

/* ---- Graphviz ------------------------------------------------------------------------------------------------ */

static void put_escaped(FILE *f, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', f);
        fputc(*text == '\n' ? ' ' : *text, f);
    }
}

/* Opens a cluster for each part of "hidden/out"; Graphviz joins those of one name. Returns how many. */
static int open_clusters(FILE *f, const char *scope)
{
    int n = 0;
    for (const char *end = scope; *scope && *end; n++) {
        const char *start = end + (*end == '/');
        end = start + strcspn(start, "/");
        fputs("subgraph \"cluster_", f);
        for (const char *c = scope; c < end; c++) {
            const char one[2] = {*c, '\0'};
            put_escaped(f, one);
        }
        fputs("\" { label=\"", f);
        for (const char *c = start; c < end; c++) {
            const char one[2] = {*c, '\0'};
            put_escaped(f, one);
        }
        fputs("\"; ", f);
    }
    return n;
}

static const char *look(const reel_node *n)
{
    switch ((reel_node_kind)n->kind) {
    case REEL_NODE_INPUT: return "shape=box, style=\"rounded,filled\", fillcolor=\"#e3f1e4\"";
    case REEL_NODE_VAR: return "shape=box, style=\"rounded,filled\", fillcolor=\"#fdf0d8\"";
    case REEL_NODE_CONST: return "shape=box, style=filled, fillcolor=\"#ececf0\"";
    case REEL_NODE_OP: break;
    }
    return reel_is_assign_(n) ? "shape=box, style=filled, fillcolor=\"#fbe3e0\"" : "shape=box";
}

static void put_dot_node(FILE *f, const reel_graph *g, size_t i)
{
    const reel_node *n = &g->nodes[i];
    const char *op = reel_node_op_name_(n), *name = reel_node_name_(g, (int)i);
    fputs("  ", f);
    const int clusters = open_clusters(f, reel_node_scope_(g, n));
    fprintf(f, "n%zu [%s, label=\"%%%zu ", i, look(n), i);
    put_escaped(f, op);
    if (strcmp(name, op) != 0) {
        fputs("\\n", f);
        put_escaped(f, name);
    }
    if (n->weak && n->rec) fprintf(f, " %g", reel_load_number_(n->rec->data, REEL_F64));
    for (int k = 0; k < n->n_out && !n->weak; k++) {
        fputs("\\n", f);
        put_type(f, &g->values[n->first_out + k].type);
    }
    fputs("\", tooltip=\"", f);
    put_escaped(f, n->site ? n->site : "");
    fputs("\"];", f);
    for (int k = 0; k < clusters; k++) fputs(" }", f);
    fputc('\n', f);
    for (int k = 0; k < n->n_in; k++) {
        const int32_t from = g->values[g->ins[n->first_in + k]].node;
        fprintf(f, "  n%d -> n%zu", (int)from, i);
        if (g->nodes[from].n_out > 1)
            fprintf(f, " [taillabel=\"%d\"]", (int)(g->ins[n->first_in + k] - g->nodes[from].first_out));
        fputs(";\n", f);
    }
}

int reel_graph_dot(FILE *f, const reel_graph *g)
{
    if (!f || !g) return reel_fail_at_("", REEL_EARG, "reel_graph_dot: %s is NULL", f ? "g" : "f");
    fputs("digraph reel {\n  node [fontname=\"sans-serif\", fontsize=10]; edge [color=\"#7a8696\"];\n", f);
    for (size_t i = 0; i < g->n_nodes; i++) put_dot_node(f, g, i);
    fputs("}\n", f);
    return written("reel_graph_dot", f);
}

/* ---- the page -------------------------------------------------------------------------------------------------- */

typedef struct page {
    FILE *f;
    const char *fn;
} page;

static void put_field(FILE *f, const char *name, const char *text)
{
    fprintf(f, ",\"%s\":", name);
    reel_put_json_(f, text);
}

static void put_json_node(FILE *f, const reel_graph *g, size_t i, reel_node_times times, const void *own)
{
    static const char *const kinds[] = {"op", "input", "variable", "constant"};
    const reel_node *n = &g->nodes[i];
    reel_node_info e;
    reel_fill_info_(g, (int32_t)i, &e);
    fprintf(f, "%s{\"i\":%zu,\"kind\":\"%s\"", i ? ",\n" : "", i, n->weak && !n->op ? "number" : kinds[n->kind]);
    put_field(f, "op", e.op);
    put_field(f, "name", e.name);
    put_field(f, "site", e.site);
    put_field(f, "scope", e.scope);
    if (reel_is_assign_(n)) fputs(",\"effect\":1", f);
    if (n->weak && n->rec) {
        char value[40];
        snprintf(value, sizeof value, "%.9g", reel_load_number_(n->rec->data, REEL_F64));
        put_field(f, "value", value);
    }
    fputs(",\"in\":[", f);
    for (int k = 0; k < n->n_in; k++) {
        const int32_t v = g->ins[n->first_in + k], from = g->values[v].node;
        fprintf(f, "%s[%d,%d]", k ? "," : "", (int)from, (int)(v - g->nodes[from].first_out));
    }
    fputs("],\"out\":[", f);
    for (int k = 0; k < n->n_out; k++) {
        fputs(k ? ",\"" : "\"", f);
        put_type(f, &g->values[n->first_out + k].type);
        fputc('"', f);
    }
    fputc(']', f);
    if (times) {
        const char *ops;
        int32_t member;
        const double t = times(own, (int32_t)i, &ops, &member);
        if (t > 0) fprintf(f, ",\"t\":%.9g", t);
        if (ops) put_field(f, "ops", ops);
        if (member >= 0) fprintf(f, ",\"member\":%d", (int)member);
    }
    fputc('}', f);
}

static int put_page(void *arg, const reel_graph *g, reel_node_times times, const void *own)
{
    const page *p = arg;
    const char *mark = strstr(reel_graph_page_, "@DATA@");
    fwrite(reel_graph_page_, 1, (size_t)(mark - reel_graph_page_), p->f);
    fputs("{\"nodes\":[\n", p->f);
    for (size_t i = 0; i < g->n_nodes; i++) put_json_node(p->f, g, i, times, own);
    fputs("]}", p->f);
    fputs(mark + strlen("@DATA@"), p->f);
    return written(p->fn, p->f);
}

int reel_graph_html(FILE *f, const reel_graph *g)
{
    if (!f || !g) return reel_fail_at_("", REEL_EARG, "reel_graph_html: %s is NULL", f ? "g" : "f");
    return put_page(&(page){f, "reel_graph_html"}, g, NULL, NULL);
}

int reel_session_html(FILE *f, const reel_session *s)
{
    page p = {f, "reel_session_html"};
    return reel_profile_last_(p.fn, f, s, put_page, &p);
}
