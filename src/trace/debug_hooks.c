/* debug_hooks.c: nodes under the names that people give them, and hooks behind them. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "debug.h"
#include "reel/reel.h"
#include "session.h"

/* ---- names --------------------------------------------------------------------------------------------- */

const char *reel_node_op_name_(const reel_node *n)
{
    switch ((reel_node_kind)n->kind) {
    case REEL_NODE_INPUT: return "input";
    case REEL_NODE_VAR: return "variable";
    case REEL_NODE_CONST: return n->weak ? "number" : "constant";
    case REEL_NODE_OP: break;
    }
    return n->op->name;
}

const char *reel_node_scope_(const reel_graph *g, const reel_node *n)
{
    return n->scope >= 0 ? g->texts + n->scope : "";
}

const char *reel_site_base_(const char *site)
{
    const char *slash = site ? strrchr(site, '/') : NULL;
    return slash ? slash + 1 : site ? site : "";
}

/* "%12" or "%12.1": the node and its output; -1: it is no such thing. */
static long numbered(const char *pattern, long *output)
{
    char *end;
    *output = 0;
    if (*pattern != '%') return -1;
    const long node = strtol(pattern + 1, &end, 10);
    if (end == pattern + 1) return -1;
    if (*end == '.') *output = strtol(end + 1, &end, 10);
    return *end ? -1 : node;
}

bool reel_node_matches_(const reel_graph *g, int32_t node, const char *pattern)
{
    const reel_node *n = &g->nodes[node];
    long output;
    const long number = numbered(pattern, &output);
    if (number >= 0) return number == node;
    const int32_t value = reel_graph_find_(g, pattern);
    if (value >= 0) return g->values[value].node == node;
    if (strchr(pattern, ':') && n->site)
        return strcmp(n->site, pattern) == 0 || strcmp(reel_site_base_(n->site), pattern) == 0;
    if (!n->op) return n->kind == REEL_NODE_VAR && n->rec->name && strcmp(n->rec->name, pattern) == 0;
    if (strcmp(n->op->name, pattern) == 0) return true;
    const char *slash = strrchr(pattern, '/'), *scope = reel_node_scope_(g, n);
    return slash && strcmp(slash + 1, n->op->name) == 0 && strlen(scope) == (size_t)(slash - pattern) &&
           strncmp(scope, pattern, strlen(scope)) == 0;
}

int32_t reel_node_find_(const reel_graph *g, const char *pattern, int32_t *value)
{
    long output;
    for (size_t i = g->n_nodes; i-- > 0;) {
        const reel_node *n = &g->nodes[i];
        if (!reel_node_matches_(g, (int32_t)i, pattern)) continue;
        const int32_t named = reel_graph_find_(g, pattern);
        (void)numbered(pattern, &output);
        *value = named >= 0 ? named : output >= 0 && output < n->n_out ? n->first_out + (int32_t)output : -1;
        return (int32_t)i;
    }
    return -1;
}

void reel_fill_info_(const reel_graph *g, int32_t node, reel_node_info *e)
{
    const reel_node *n = &g->nodes[node];
    *e = (reel_node_info){.node = node,
                          .name = reel_node_name_(g, node),
                          .op = reel_node_op_name_(n),
                          .site = n->site ? n->site : "",
                          .scope = reel_node_scope_(g, n),
                          .n_in = n->n_in,
                          .n_out = n->n_out};
}

/* ---- one line a node ------------------------------------------------------------------------------------- */

static void put_value(FILE *f, reel_tensor *t)
{
    char shape[REEL_SHAPE_TEXT];
    if (!t || !reel_is_live_(t)) {
        fputs("  (no value)", f);
        return;
    }
    const reel_rec *r = reel_rec_of_(t);
    fprintf(f, "  %s%s", reel_dtype_name(r->type.dtype), reel_shape_text_(&r->type.shape, shape));
    if (!r->data) return;
    const reel_kview v = {r->type.dtype, r->type.shape.rank, r->type.shape.dims, r->strides, r->data};
    reel_stats s;
    reel_stats_(&v, &s);
    if (s.n == 1)
        fprintf(f, " %g", reel_load_number_(r->data, r->type.dtype));
    else if (s.n > s.nans + s.infs)
        fprintf(f, " min %g max %g mean %g", s.min, s.max, s.mean);
    if (s.first_bad >= 0 && s.n > 1) fprintf(f, " NaN %" PRId64 " inf %" PRId64, s.nans, s.infs);
}

int reel_node_show(FILE *f, const reel_node_info *e)
{
    if (!f || !e) return reel_fail_at_("", REEL_EARG, "reel_node_show: %s is NULL", f ? "e" : "f");
    fprintf(f, "%%%d %s", e->node, e->op);
    if (strcmp(e->name, e->op) != 0) fprintf(f, " \"%s\"", e->name);
    for (int k = 0; k < e->n_out && e->out; k++) put_value(f, e->out[k]);
    fprintf(f, "  %s", *e->site ? e->site : "at an unknown line");
    if (*e->scope) fprintf(f, " (in \"%s\")", e->scope);
    fputc('\n', f);
    return ferror(f) ? reel_fail_at_("", REEL_EIO, "reel_node_show: the stream does not take the text") : 0;
}

/* ---- hooks ----------------------------------------------------------------------------------------------- */

static int set_hook(reel_session *s, const char *watch, reel_node_hook *hook, void *self)
{
    reel_debug *d = reel_debug_change_(&s->player);
    if (!d) return REEL_ENOMEM;
    reel_hook *last = &d->hooks[d->n_hooks - 1]; /* the free one */
    if (!watch) {                                /* the one hook for all nodes takes the place of the one before */
        for (int i = 0; i < d->n_hooks; i++)
            if (!d->hooks[i].watch || !hook) d->hooks[i].f = NULL;
    }
    last->f = hook;
    last->self = self;
    last->watch = watch ? reel_strdup_(watch) : NULL;
    const bool bad = watch && !last->watch;
    if (bad) last->f = NULL;
    reel_debug_put_(&s->player, d);
    return bad ? REEL_ENOMEM : 0;
}

int reel_session_on_node(reel_session *s, reel_node_hook *hook, void *self)
{
    if (!s) return reel_fail_at_("", REEL_EARG, "reel_session_on_node: s is NULL");
    return set_hook(s, NULL, hook, self);
}

int reel_session_watch(reel_session *s, const char *what, reel_node_hook *hook, void *self)
{
    if (!s || !what || !hook)
        return reel_fail_at_("", REEL_EARG, "reel_session_watch: %s is NULL", !s ? "s" : what ? "hook" : "what");
    const reel_graph *g = s->player.graph;
    bool leaf = false;
    for (size_t i = 0; i < g->n_nodes; i++) {
        if (!reel_node_matches_(g, (int32_t)i, what)) continue;
        if (g->nodes[i].op) return set_hook(s, what, hook, self);
        leaf = true;
    }
    if (leaf)
        return reel_fail_at_("", REEL_EARG, "reel_session_watch: \"%s\" is fed or a variable: no node makes it", what);
    return reel_fail_at_(
        "", REEL_EARG,
        "reel_session_watch: nothing in the graph is called \"%s\": it takes the name of a value, an op, "
        "\"scope/op\", \"%%12\" or \"file.c:42\"",
        what);
}
