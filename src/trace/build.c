/* build.c: graphs from placeholders: begin, placeholder, output, end. */
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "trace.h"

reel_graph *reel_graph_begin_at(const char *site)
{
    if (reel_pending_()) return NULL;
    const reel_capture *outer = reel_capture_now_();
    if (outer) {
        reel_fail_at_(site, REEL_ETRACE, "reel_graph_begin: a %s begun at %s is still open",
                      outer->function ? "trace" : "graph", outer->base.site);
        return NULL;
    }
    reel_graph *g = reel_graph_new_();
    reel_capture *c = g ? reel_zalloc_(sizeof *c) : NULL;
    if (!c) {
        reel_graph_release_(g);
        return NULL;
    }
    g->capture = c;
    reel_capture_start_(c, g, site, true);
    return g;
}

/* Looked up by address among what this thread has open: g itself may be gone with the scope it was begun in. */
static reel_capture *capture_of(const reel_graph *g)
{
    for (reel_listener *l = reel_ctx_()->listeners; l; l = l->next)
        if (l->symbolic && reel_is_capture_(l) && ((const reel_capture *)l)->graph == g) return (reel_capture *)l;
    return NULL;
}

static void close_capture(reel_capture *c)
{
    reel_listener_remove_(&c->base);
    c->graph->capture = NULL;
    reel_capture_end_(c);
    reel_free_(c, sizeof *c);
}

int reel_graph_end_at(const char *site, reel_graph *g)
{
    if (reel_pending_()) return reel_pending_();
    if (!g) return reel_fail_at_(site, REEL_EARG, "reel_graph_end: g is NULL");
    reel_capture *c = capture_of(g);
    if (!c)
        return reel_fail_at_(site, REEL_EARG,
                             "reel_graph_end: this graph has ended already, or the scope it was begun in has");
    close_capture(c);
#ifndef NDEBUG
    return reel_graph_verify(g);
#else
    return 0;
#endif
}

void reel_graph_free(reel_graph *g)
{
    if (!g) return;
    reel_capture *c = capture_of(g);
    if (c) {
        close_capture(c);
    } else if (g->capture) {
        reel_fail_at_("", REEL_ETRACE, "reel_graph_free: the graph begun at %s is still open in another thread",
                      g->capture->base.site);
        return;
    }
    reel_graph_release_(g);
}

reel_capture *reel_open_graph_(const char *site, const char *fn)
{
    reel_capture *c = reel_capture_now_();
    if (c && !c->function && !c->parent) return c;
    reel_fail_at_(site, REEL_ETRACE, "%s: no graph is open here: it goes between reel_graph_begin and reel_graph_end",
                  fn);
    return NULL;
}

static int check_placeholder(const char *site, reel_dtype d, reel_shape s, const char *name)
{
    if (!name || !*name) return reel_fail_at_(site, REEL_EARG, "reel_placeholder: name is %s", name ? "empty" : "NULL");
    if (!reel_is_dtype_(d))
        return reel_fail_at_(site, REEL_EDTYPE, "reel_placeholder: \"%s\": %d is not a dtype", name, (int)d);
    reel_ctx *ctx = reel_ctx_();
    const char *old_site = ctx->site, *old_op = ctx->op;
    ctx->site = site;
    ctx->op = "placeholder";
    const int rc = reel_shape_check_(s, true);
    ctx->site = old_site;
    ctx->op = old_op;
    return rc;
}

reel_tensor *reel_placeholder_at(const char *site, reel_dtype d, reel_shape s, const char *name)
{
    if (reel_pending_()) return NULL;
    reel_capture *c = reel_open_graph_(site, "reel_placeholder");
    if (!c || check_placeholder(site, d, s, name)) return NULL;
    reel_type type;
    memset(&type, 0, sizeof type);
    type.dtype = d;
    type.shape.rank = s.rank;
    memcpy(type.shape.dims, s.dims, sizeof s.dims[0] * (size_t)s.rank);
    reel_graph *g = c->graph;
    const reel_node n = {.kind = REEL_NODE_INPUT, .site = site, .n_out = 1};
    const reel_type *out = &type;
    reel_rec *r = reel_make_symbolic_(site, &type);
    const int32_t v = r ? reel_graph_node_(g, &n, NULL, NULL, &out) : -1;
    if (v < 0 || reel_map_put_(&g->ids, r->id, v) || reel_graph_name_(g, site, "reel_placeholder", name, v))
        return NULL;
    return reel_handle_(r);
}

int reel_output_at(const char *site, const char *name, reel_tensor *y)
{
    if (reel_pending_()) return reel_pending_();
    reel_capture *c = reel_open_graph_(site, "reel_output");
    reel_rec *r = c ? reel_live_(site, "reel_output", "y", y) : NULL;
    if (!r) return reel_status();
    const int32_t v = reel_capture_value_(c, site, "reel_output", "y", r);
    return v < 0 ? reel_status() : reel_graph_name_(c->graph, site, "reel_output", name, v);
}

int reel_graph_nodes(const reel_graph *g)
{
    return g ? (int)g->n_nodes : 0;
}
