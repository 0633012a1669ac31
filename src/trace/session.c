/* session.c: replaying a graph with feeds and fetches by name or handle. */
#include <stdio.h>
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "core/options.h"
#include "reel/reel.h"
#include "player.h"
#include "session.h"

static const char FN[] = "reel_session_run";

/* ---- life ------------------------------------------------------------------------------------------ */

reel_session *reel_session_new(reel_graph *g, const reel_session_opts *o)
{
    if (reel_pending_()) return NULL;
    if (!g || g->capture) {
        reel_fail_at_("", g ? REEL_ETRACE : REEL_EARG, "reel_session_new: %s",
                      g ? "the graph is still open: reel_graph_end comes first" : "g is NULL");
        return NULL;
    }
    reel_session_opts opts = {0};
    reel_options_(&opts, sizeof opts, o);
    for (int i = 0; i < opts.n_buckets; i++) {
        if (opts.buckets && opts.buckets[i] > (i ? opts.buckets[i - 1] : 0)) continue;
        reel_fail_at_("", REEL_EARG, "reel_session_new: buckets must be positive and ascending");
        return NULL;
    }
    reel_pipeline passes;
    if (reel_pipeline_parse_("reel_session_new", opts.passes, opts.math, &passes) ||
        reel_compile_mode_("reel_session_new", opts.compile, opts.compile_after, &passes.compile))
        return NULL;
    reel_session *s = reel_zalloc_(sizeof *s);
    if (!s) return NULL;
    s->effects = opts.effects;
    s->check_numerics = opts.check_numerics;
    s->n_buckets = opts.buckets && opts.n_buckets > 0 ? opts.n_buckets : 0;
    s->buckets = reel_alloc_array_((size_t)s->n_buckets + 1, sizeof *s->buckets);
    passes.ways.check = passes.ways.check || opts.check_plans;
    if (!s->buckets || reel_player_init_(&s->player, g, opts.max_plans,
                                         opts.max_arenas ? opts.max_arenas : REEL_MAX_ARENAS, &passes)) {
        reel_free_(s->buckets, ((size_t)s->n_buckets + 1) * sizeof *s->buckets);
        reel_free_(s, sizeof *s);
        return NULL;
    }
    if (s->n_buckets) memcpy(s->buckets, opts.buckets, (size_t)s->n_buckets * sizeof *s->buckets);
    if (reel_session_donate_(s, g, opts.donate) == 0 && (!opts.check_numerics || reel_debug_check_(&s->player) == 0))
        return s;
    reel_session_free(s);
    return NULL;
}

int reel_session_close(reel_session *s)
{
    if (!s) return reel_fail_at_("", REEL_EARG, "reel_session_close: s is NULL");
    reel_player_close_(&s->player);
    return 0;
}

void reel_session_free(reel_session *s)
{
    if (!s) return;
    reel_player_drop_(&s->player);
    reel_free_(s->buckets, ((size_t)s->n_buckets + 1) * sizeof *s->buckets);
    reel_free_(s->donate, s->cap_donate * sizeof *s->donate);
    reel_free_(s, sizeof *s);
}

void reel_session_poison_(reel_session *s, bool on)
{
    s->player.poison = on;
}

int reel_session_plans_(reel_session *s)
{
    pthread_mutex_lock(&s->player.lock);
    const int n = s->player.n_plans;
    pthread_mutex_unlock(&s->player.lock);
    return n;
}

const reel_plan *reel_session_plan_(const reel_session *s)
{
    return s->player.plans;
}

int reel_session_info(reel_session *s, reel_plan_info *out)
{
    if (!s || !out) return reel_fail_at_("", REEL_EARG, "reel_session_info: %s is NULL", s ? "out" : "s");
    pthread_mutex_lock(&s->player.lock);
    const bool used = s->player.used;
    *out = s->player.info;
    pthread_mutex_unlock(&s->player.lock);
    return used ? 0 : reel_fail_at_("", REEL_EARG, "reel_session_info: the session has not run yet");
}

int reel_session_trim(reel_session *s)
{
    if (!s) return reel_fail_at_("", REEL_EARG, "reel_session_trim: s is NULL");
    reel_player_trim_(&s->player);
    return 0;
}

int reel_session_explain(FILE *f, reel_session *s)
{
    if (!f || !s) return reel_fail_at_("", REEL_EARG, "reel_session_explain: %s is NULL", f ? "s" : "f");
    return reel_player_explain_(f, &s->player, "reel_session_explain");
}

/* ---- names and handles to values ---------------------------------------------------------------------- */

int reel_wants_init_(reel_wants *w, const char *fn, int n_feeds, int n_fetches)
{
    const size_t nf = (size_t)n_feeds, no = (size_t)n_fetches;
    *w = (reel_wants){.fn = fn, .n_feeds = n_feeds, .n_fetches = n_fetches};
    w->bytes = nf * (sizeof *w->given + sizeof *w->handle + sizeof *w->passed + sizeof *w->feed + sizeof *w->gives) +
               no * (sizeof *w->fetch + sizeof *w->effect) + 1;
    w->block = reel_zalloc_(w->bytes);
    if (!w->block) return REEL_ENOMEM;
    w->given = (reel_rec **)(void *)w->block;
    w->handle = (reel_tensor **)(void *)(w->given + nf);
    w->passed = w->handle + nf;
    w->feed = (int32_t *)(void *)(w->passed + nf);
    w->fetch = w->feed + nf;
    w->effect = w->fetch + no;
    w->gives = (bool *)(w->effect + no);
    return 0;
}

void reel_wants_drop_(reel_wants *w)
{
    for (int i = 0; i < w->n_feeds && w->block; i++)
        if (w->given[i] && !w->gives[i]) reel_release_rec_(w->given[i]);
    reel_free_(w->block, w->bytes);
}

static int give(reel_wants *w, const char *site, int i, const char *what, reel_tensor *t)
{
    reel_rec *r = reel_live_(site, w->fn, what, t);
    if (r && r->flags & REEL_R_SPARSE) r = reel_dense_of_(site, r);
    if (!r) return reel_status();
    w->passed[i] = t;
    w->handle[i] = reel_handle_(r);
    if (r->flags & REEL_R_CELL) {
        w->given[i] = reel_cell_get_(r);
        if (!w->given[i])
            return reel_fail_at_(site, REEL_EARG, "%s: feed %s: variable \"%s\" is read before it has a value", w->fn,
                                 what, r->name);
    } else {
        reel_retain_rec_(w->given[i] = r);
    }
    for (int k = 0; k < i; k++)
        if (w->feed[k] == w->feed[i]) return reel_fail_at_(site, REEL_EARG, "%s: %s is fed twice", w->fn, what);
    return 0;
}

/* A variable: the value the graph leaves it with, and the assignment that does it. */
static int fetch_variable(const reel_graph *g, reel_wants *w, int i, int32_t first)
{
    const reel_rec *cell = g->nodes[g->values[first].node].rec;
    w->fetch[i] = reel_map_get_(&g->cells, cell->id);
    if (w->fetch[i] < 0) w->fetch[i] = first;
    for (size_t k = g->n_nodes; k-- > 0 && w->effect[i] < 0;)
        if (reel_is_assign_(&g->nodes[k]) && g->ins[g->nodes[k].first_in] == first) w->effect[i] = (int32_t)k;
    return 0;
}

int reel_wants_by_name_(const reel_graph *g, reel_wants *w, const char *site, reel_feeds in, reel_names fetch)
{
    for (int i = 0; i < in.n; i++) {
        const char *name = in.feed[i].name;
        if (!name) return reel_fail_at_(site, REEL_EARG, "%s: the name of feed %d is NULL", w->fn, i);
        w->feed[i] = reel_graph_find_(g, name);
        if (w->feed[i] < 0) w->feed[i] = reel_graph_find_cell_(g, name, NULL);
        if (w->feed[i] < 0) return reel_fail_at_(site, REEL_ETRACE, "%s: feed \"%s\" is not in the graph", w->fn, name);
        char what[128];
        snprintf(what, sizeof what, "\"%.100s\"", name);
        const int rc = give(w, site, i, what, in.feed[i].value);
        if (rc) return rc;
    }
    for (int i = 0; i < fetch.n; i++) {
        const char *name = fetch.name[i];
        if (!name) return reel_fail_at_(site, REEL_EARG, "%s: the name of fetch %d is NULL", w->fn, i);
        w->effect[i] = -1;
        w->fetch[i] = reel_graph_find_(g, name);
        if (w->fetch[i] >= 0) continue;
        const int32_t first = reel_graph_find_cell_(g, name, NULL);
        if (first < 0) return reel_fail_at_(site, REEL_ETRACE, "%s: fetch \"%s\" is not in the graph", w->fn, name);
        (void)fetch_variable(g, w, i, first);
    }
    return 0;
}

static int32_t handle_value(const reel_graph *g, const char *site, const char *list, int i, reel_tensor *t, bool *cell)
{
    char what[32];
    snprintf(what, sizeof what, "%s[%d]", list, i);
    const reel_rec *r = reel_live_(site, FN, what, t);
    if (!r) return -1;
    *cell = r->flags & REEL_R_CELL;
    const int32_t v = *cell ? reel_graph_find_cell_(g, NULL, r) : reel_map_get_(&g->ids, r->id);
    if (v < 0)
        reel_fail_at_(site, REEL_ETRACE, "%s: %s, made at %s, is not a tensor of this graph", FN, what,
                      *r->made ? r->made : "an unknown line");
    return v;
}

static int by_handle(const reel_graph *g, reel_wants *w, const char *site, reel_list feeds, reel_list values,
                     reel_list fetch)
{
    bool cell;
    for (int i = 0; i < feeds.n; i++) {
        w->feed[i] = handle_value(g, site, "feeds", i, feeds.t[i], &cell);
        if (w->feed[i] < 0) return reel_status();
        char what[32];
        snprintf(what, sizeof what, "values[%d]", i);
        const int rc = give(w, site, i, what, values.t[i]);
        if (rc) return rc;
    }
    for (int i = 0; i < fetch.n; i++) {
        w->effect[i] = -1;
        w->fetch[i] = handle_value(g, site, "fetch", i, fetch.t[i], &cell);
        if (w->fetch[i] < 0) return reel_status();
        if (cell) (void)fetch_variable(g, w, i, w->fetch[i]);
    }
    return 0;
}

/* ---- buckets ---------------------------------------------------------------------------------------- */

static int first_unknown(const reel_type *t)
{
    for (int i = 0; i < t->shape.rank; i++)
        if (t->shape.dims[i] == REEL_ANY) return i;
    return -1;
}

/* The size all feeds have in their first unknown dimension; -1: none, or not the same. */
static int64_t fed_size(const reel_graph *g, const reel_wants *w)
{
    int64_t n = -1;
    for (int i = 0; i < w->n_feeds; i++) {
        const int axis = first_unknown(&g->values[w->feed[i]].type);
        if (axis < 0 || w->given[i]->type.shape.rank != g->values[w->feed[i]].type.shape.rank) continue;
        const int64_t have = w->given[i]->type.shape.dims[axis];
        if (n >= 0 && have != n) return -1;
        n = have;
    }
    return n;
}

/* A dense copy with zeros up to size along axis, owned by the innermost scope. */
static reel_rec *padded(const char *site, reel_rec *r, int axis, int64_t size)
{
    reel_type type = r->type;
    reel_rec *dense = r;
    if (!(r->flags & REEL_R_DENSE)) {
        dense = reel_make_(site, &type);
        if (!dense || reel_read_at(site, reel_handle_(r), dense->data, reel_type_bytes_(&type))) return NULL;
    }
    type.shape.dims[axis] = size;
    if (reel_shape_check_(type.shape, false)) return NULL;
    reel_rec *big = reel_make_(site, &type);
    if (!big) return NULL;
    size_t outer = 1, inner = reel_size_(type.dtype);
    for (int i = 0; i < axis; i++) outer *= (size_t)type.shape.dims[i];
    for (int i = axis + 1; i < type.shape.rank; i++) inner *= (size_t)type.shape.dims[i];
    const size_t from = (size_t)r->type.shape.dims[axis] * inner, to = (size_t)size * inner;
    memset(big->data, 0, outer * to);
    for (size_t i = 0; i < outer; i++) memcpy(big->data + i * to, dense->data + i * from, from);
    return big;
}

static int run_padded(reel_session *s, reel_request *rq, const reel_wants *w, int64_t n, int64_t bucket,
                      reel_tensor *out[])
{
    const reel_graph *g = s->player.graph;
    const size_t nf = (size_t)w->n_feeds + 1;
    reel_ctx *c = reel_ctx_();
    reel_scope_rec *outer = c->scope;
    reel_scope *scope = reel_scope_begin(rq->site, FN);
    if (!scope) return reel_status();
    reel_rec **given = reel_zalloc_(nf * sizeof *given);
    reel_type *truth = reel_zalloc_(nf * sizeof *truth);
    int rc = given && truth ? 0 : REEL_ENOMEM;
    for (int i = 0; i < w->n_feeds && !rc; i++) {
        const int axis = first_unknown(&g->values[w->feed[i]].type);
        given[i] = w->given[i];
        truth[i] = given[i]->type;
        rc = reel_feed_check_(g, rq->site, FN, w->feed[i], &truth[i]);
        if (!rc && axis >= 0 && !(given[i] = padded(rq->site, given[i], axis, bucket))) rc = reel_status();
    }
    rq->given = given;
    if (!rc) rc = reel_player_run_(&s->player, rq, truth, n, out);
    for (int i = 0; i < rq->n_fetches && !rc; i++) reel_scope_move_(reel_rec_of_(out[i]), outer);
    reel_free_(given, nf * sizeof *given);
    reel_free_(truth, nf * sizeof *truth);
    reel_scope_end(scope);
    return rc;
}

/* ---- inside a trace or under a tape: the nodes go through the door --------------------------------------- */

static int rerun_into(const reel_graph *g, const reel_request *rq, const reel_wants *w, bool *fed, uint8_t *need,
                      reel_tensor **tensors, reel_tensor *out[])
{
    for (int i = 0; i < w->n_feeds; i++) {
        const reel_rec *r = w->given[i];
        const int32_t v = w->feed[i];
        if (!(r->flags & REEL_R_NUM) ||
            g->values[v].type.shape.rank) { /* a weak number is any dtype, but no shape but [] */
            const int rc = reel_feed_check_(g, rq->site, FN, v, &r->type);
            if (rc) return rc;
        }
        fed[v] = true;
        tensors[v] = w->handle[i];
    }
    for (int i = 0; i < w->n_fetches; i++) {
        if (!fed[w->fetch[i]]) need[g->values[w->fetch[i]].node] = REEL_NEED_VALUE;
        if (w->effect[i] >= 0) need[w->effect[i]] = REEL_NEED_VALUE;
    }
    for (size_t i = 0; i < g->n_nodes && rq->effects; i++)
        if (g->nodes[i].op && (g->nodes[i].op->flags & (REEL_OPF_EFFECT | REEL_OPF_RANDOM))) need[i] = REEL_NEED_VALUE;
    reel_prune_taped_(g, fed, need);
    for (size_t i = 0; i < g->n_nodes; i++) {
        const reel_node *n = &g->nodes[i];
        if (need[i] && n->kind == REEL_NODE_INPUT && !tensors[n->first_out])
            return reel_fail_at_(rq->site, REEL_ETRACE, "%s: feed \"%s\" is missing: a placeholder made at %s", FN,
                                 reel_node_name_(g, (int)i), n->site);
    }
    const int rc = reel_rerun_(g, need, tensors, NULL);
    for (int i = 0; i < w->n_fetches && !rc; i++) {
        out[i] = tensors[w->fetch[i]];
        if (reel_rec_of_(out[i])->flags & REEL_R_CELL)
            out[i] = reel_stop_gradient_at(rq->site, out[i]); /* its value of this moment */
        if (!out[i]) return reel_status();
    }
    return rc;
}

static int rerun(const reel_graph *g, const reel_request *rq, const reel_wants *w, bool numbers, reel_tensor *out[])
{
    const size_t nv = g->n_values + 1, nn = g->n_nodes + 1;
    reel_ctx *c = reel_ctx_();
    reel_scope_rec *outer = c->scope;
    bool *fed = reel_zalloc_(nv * sizeof *fed);
    uint8_t *need = reel_zalloc_(nn);
    reel_tensor **tensors = reel_zalloc_(nv * sizeof *tensors);
    reel_scope *scope = fed && need && tensors ? reel_scope_begin(rq->site, FN) : NULL;
    const bool check = c->check_numerics;
    c->check_numerics = check || numbers;
    int rc = scope ? rerun_into(g, rq, w, fed, need, tensors, out) : reel_status();
    c->check_numerics = check;
    for (int i = 0; i < w->n_fetches && !rc; i++) {
        reel_rec *r = reel_rec_of_(out[i]);
        if (r->scope == c->scope) reel_scope_move_(r, outer);
    }
    reel_scope_end(scope);
    reel_free_(fed, nv * sizeof *fed);
    reel_free_(need, nn);
    reel_free_(tensors, nv * sizeof *tensors);
    return rc;
}

static bool listening(void)
{
    for (const reel_listener *l = reel_ctx_()->listeners; l; l = l->next)
        if (!l->paused) return true;
    return false;
}

/* ---- run ------------------------------------------------------------------------------------------- */

static int run_as(reel_session *s, const char *site, const reel_wants *w, const bool *donate, bool *begun,
                  reel_tensor *out[])
{
    const reel_graph *g = s->player.graph;
    reel_request rq = {.site = site,
                       .fn = FN,
                       .n_feeds = w->n_feeds,
                       .n_fetches = w->n_fetches,
                       .feed = w->feed,
                       .given = w->given,
                       .fetch = w->fetch,
                       .effect = w->effect,
                       .effects = s->effects,
                       .donate = donate,
                       .begun = begun};
    const reel_capture *capture = reel_capture_now_();
    if (capture && capture->base.symbolic) return rerun(g, &rq, w, false, out); /* where symbolic values may be fed */
    for (int i = 0; i < w->n_feeds; i++)
        if (w->given[i]->flags & REEL_R_SYMBOLIC)
            return reel_fail_at_(site, REEL_ETRACE,
                                 "%s: the value of feed \"%s\", made at %s, is part of a graph: it has no value here",
                                 FN, reel_node_name_(g, g->values[w->feed[i]].node), w->given[i]->made);
    if (listening()) return rerun(g, &rq, w, s->check_numerics, out);
    const int64_t n = s->n_buckets && !g->dynamic ? fed_size(g, w) : -1; /* padding would be counted with the data */
    for (int i = 0; i < s->n_buckets && n >= 0; i++)
        if (s->buckets[i] >= n)
            return s->buckets[i] == n ? reel_player_run_(&s->player, &rq, NULL, 0, out)
                                      : run_padded(s, &rq, w, n, s->buckets[i], out);
    return reel_player_run_(&s->player, &rq, NULL, 0, out);
}

static int run(reel_session *s, const char *site, reel_wants *w, reel_tensor *out[])
{
    bool begun = false;
    const bool *const gifts = reel_wants_gifts_(s, w);
    const int rc = run_as(s, site, w, gifts, &begun, out);
    if (REEL_LIKELY(!gifts) || (rc && !begun)) return rc;
    const int taken = reel_wants_give_away_(w, site, rc ? NULL : out);
    return rc ? rc : taken;
}

int reel_session_check_(const char *site, const char *fn, const reel_session *s, int n_feeds, const void *feeds,
                        int n_fetches, const void *fetches, reel_tensor **out)
{
    if (!s) return reel_fail_at_(site, REEL_EARG, "%s: the session is NULL", fn);
    if (s->player.closed) return reel_fail_at_(site, REEL_ETRACE, "%s: the session is closed", fn);
    if (n_feeds < 0 || (n_feeds && !feeds) || n_fetches < 0 || (n_fetches && !fetches))
        return reel_fail_at_(site, REEL_EARG, "%s: a list is NULL", fn);
    return n_fetches && !out ? reel_fail_at_(site, REEL_EARG, "%s: out is NULL", fn) : 0;
}

int reel_session_run_at(const char *site, reel_session *s, reel_feeds in, reel_names fetch, reel_tensor *out[])
{
    for (int i = 0; i < fetch.n && out; i++) out[i] = NULL;
    if (reel_pending_()) return reel_pending_();
    int rc = reel_session_check_(site, FN, s, in.n, in.feed, fetch.n, fetch.name, out);
    reel_wants w = {0};
    if (!rc) rc = reel_wants_init_(&w, FN, in.n, fetch.n);
    if (!rc) rc = reel_wants_by_name_(s->player.graph, &w, site, in, fetch);
    if (!rc) rc = run(s, site, &w, out);
    reel_wants_drop_(&w);
    for (int i = 0; i < fetch.n && rc && out; i++) out[i] = NULL;
    return rc;
}

int reel_session_run_handles_at(const char *site, reel_session *s, reel_list feeds, reel_list values, reel_list fetch,
                                reel_tensor *out[])
{
    for (int i = 0; i < fetch.n && out; i++) out[i] = NULL;
    if (reel_pending_()) return reel_pending_();
    int rc = reel_session_check_(site, FN, s, feeds.n, feeds.t, fetch.n, fetch.t, out);
    if (!rc && values.n > 0 && !values.t) rc = reel_fail_at_(site, REEL_EARG, "%s: the list of values is NULL", FN);
    if (!rc && feeds.n != values.n)
        rc = reel_fail_at_(site, REEL_EARG, "%s: %d feeds but %d values", FN, feeds.n, values.n);
    reel_wants w = {0};
    if (!rc) rc = reel_wants_init_(&w, FN, feeds.n, fetch.n);
    if (!rc) rc = by_handle(s->player.graph, &w, site, feeds, values, fetch);
    if (!rc) rc = run(s, site, &w, out);
    reel_wants_drop_(&w);
    for (int i = 0; i < fetch.n && rc && out; i++) out[i] = NULL;
    return rc;
}
