/* export.c: reel_export_c: which values go in and out, of which shapes; then it has the planner call step.c and run.c. */
#include <ctype.h>
#include <string.h>
#include "core/alloc.h"
#include "core/context.h"
#include "core/options.h"
#include "emit.h"
#include "reel/reel.h"
#include "trace/function.h"
#include "trace/passes/pass.h"

static const char FN[] = "reel_export_c";

/* What is asked for, in values of the graph. */
typedef struct asked {
    const char *site;
    const reel_graph *g;
    int n_feeds, n_fetches;
    int32_t *feed, *fetch, *effect;
    const char **feed_name, **fetch_name; /* NULL: by number */
    reel_rec **given;
    bool effects;
} asked;

static int asked_init(asked *a, int n_feeds, int n_fetches)
{
    const size_t nf = (size_t)n_feeds + 1, no = (size_t)n_fetches + 1;
    a->n_feeds = n_feeds;
    a->n_fetches = n_fetches;
    a->feed = reel_zalloc_(nf * sizeof *a->feed);
    a->feed_name = reel_zalloc_(nf * sizeof *a->feed_name);
    a->given = reel_zalloc_(nf * sizeof *a->given);
    a->fetch = reel_zalloc_(no * sizeof *a->fetch);
    a->effect = reel_zalloc_(no * sizeof *a->effect);
    a->fetch_name = reel_zalloc_(no * sizeof *a->fetch_name);
    return a->feed && a->feed_name && a->given && a->fetch && a->effect && a->fetch_name ? 0 : REEL_ENOMEM;
}

static void asked_drop(asked *a)
{
    const size_t nf = (size_t)a->n_feeds + 1, no = (size_t)a->n_fetches + 1;
    reel_free_(a->feed, nf * sizeof *a->feed);
    reel_free_(a->feed_name, nf * sizeof *a->feed_name);
    reel_free_(a->given, nf * sizeof *a->given);
    reel_free_(a->fetch, no * sizeof *a->fetch);
    reel_free_(a->effect, no * sizeof *a->effect);
    reel_free_(a->fetch_name, no * sizeof *a->fetch_name);
}

/* ---- names to values ------------------------------------------------------------------------------------------------- */

static int find_fetch(asked *a, int i, const char *name)
{
    const reel_graph *g = a->g;
    a->effect[i] = -1;
    a->fetch_name[i] = name;
    if (!name) return reel_fail_at_(a->site, REEL_EARG, "%s: the name of fetch %d is NULL", FN, i);
    a->fetch[i] = reel_graph_find_(g, name);
    if (a->fetch[i] >= 0) return 0;
    const int32_t first = reel_graph_find_cell_(g, name, NULL);
    if (first < 0) return reel_fail_at_(a->site, REEL_ETRACE, "%s: fetch \"%s\" is not in the graph", FN, name);
    a->fetch[i] = reel_map_get_(&g->cells, g->nodes[g->values[first].node].rec->id);
    if (a->fetch[i] < 0) a->fetch[i] = first;
    for (size_t k = g->n_nodes; k-- > 0 && a->effect[i] < 0;)
        if (reel_is_assign_(&g->nodes[k]) && g->ins[g->nodes[k].first_in] == first) a->effect[i] = (int32_t)k;
    return 0;
}

static int find_feed(asked *a, int i, const char *name)
{
    a->feed_name[i] = name;
    if (!name) return reel_fail_at_(a->site, REEL_EARG, "%s: the name of feed %d is NULL", FN, i);
    a->feed[i] = reel_graph_find_(a->g, name);
    if (a->feed[i] < 0) a->feed[i] = reel_graph_find_cell_(a->g, name, NULL);
    if (a->feed[i] < 0) return reel_fail_at_(a->site, REEL_ETRACE, "%s: feed \"%s\" is not in the graph", FN, name);
    for (int k = 0; k < i; k++)
        if (a->feed[k] == a->feed[i]) return reel_fail_at_(a->site, REEL_EARG, "%s: %s is fed twice", FN, name);
    return 0;
}

/* Which nodes the fetches need; NULL: raised. */
static uint8_t *needed(const asked *a)
{
    const reel_graph *g = a->g;
    uint8_t *need = reel_zalloc_(g->n_nodes + 1);
    bool *fed = reel_zalloc_((g->n_values + 1) * sizeof *fed);
    for (int i = 0; i < a->n_fetches && need && fed; i++) {
        need[g->values[a->fetch[i]].node] = REEL_NEED_VALUE;
        if (a->effect[i] >= 0) need[a->effect[i]] = REEL_NEED_VALUE;
    }
    for (size_t i = 0; i < g->n_nodes && a->effects && need && fed; i++)
        if (g->nodes[i].op && (g->nodes[i].op->flags & (REEL_OPF_EFFECT | REEL_OPF_RANDOM))) need[i] = REEL_NEED_VALUE;
    if (need && fed) reel_prune_(g, fed, need);
    if (!fed) {
        reel_free_(need, g->n_nodes + 1);
        need = NULL;
    }
    reel_free_(fed, (g->n_values + 1) * sizeof *fed);
    return need;
}

/* All placeholders that are needed, in program order. */
static int feed_all(asked *a)
{
    const reel_graph *g = a->g;
    uint8_t *need = needed(a);
    if (!need) return REEL_ENOMEM;
    int n = 0;
    for (size_t i = 0; i < g->n_nodes; i++) {
        if (!need[i] || g->nodes[i].kind != REEL_NODE_INPUT) continue;
        a->feed[n] = g->nodes[i].first_out;
        a->feed_name[n++] = reel_node_name_(g, (int)i);
    }
    a->n_feeds = n; /* it has room for all nodes; see asked_drop */
    reel_free_(need, g->n_nodes + 1);
    return 0;
}

/* ---- shapes ------------------------------------------------------------------------------------------------------------- */

static int give(asked *a, int i, const reel_export_opts *o)
{
    reel_type t = a->g->values[a->feed[i]].type;
    const char *name = reel_node_name_(a->g, a->g->values[a->feed[i]].node);
    if (o->shapes) t.shape = o->shapes[i];
    for (int k = 0; k < t.shape.rank && !o->shapes; k++)
        if (t.shape.dims[k] == REEL_ANY && o->any > 0) t.shape.dims[k] = o->any;
    if (!reel_shape_known_(&t.shape)) {
        char text[REEL_SHAPE_TEXT];
        return reel_fail_at_(
            a->site, REEL_ESHAPE,
            "%s: feed \"%s\", made at %s, is %s: its unknown dimensions must be given by .shapes or .any", FN,
            a->feed_name[i] ? a->feed_name[i] : name, a->g->nodes[a->g->values[a->feed[i]].node].site,
            reel_shape_text_(&t.shape, text));
    }
    if (a->g->nodes[a->g->values[a->feed[i]].node].weak)
        return reel_fail_at_(a->site, REEL_EDTYPE, "%s: feed %d is a number without a dtype: make it a tensor", FN, i);
    int rc = reel_shape_check_(t.shape, false);
    if (!rc) rc = reel_feed_check_(a->g, a->site, FN, a->feed[i], &t);
    if (rc) return rc;
    a->given[i] = reel_make_symbolic_(a->site, &t);
    if (!a->given[i]) return reel_status();
    reel_shape_strides_(&t.shape, a->given[i]->strides);
    return 0;
}

/* ---- all of it ------------------------------------------------------------------------------------------------------------ */

static int name_all(reel_exporter *x, int n, const char *const *name, const char *otherwise, char ***out)
{
    char **list = reel_zalloc_(((size_t)n + 1) * sizeof *list);
    *out = list;
    for (int i = 0; i < n && list; i++) {
        char number[32];
        snprintf(number, sizeof number, "%s%d", otherwise, i);
        list[i] = reel_take_name_(x, "", name[i] && *name[i] ? name[i] : number);
        if (!list[i]) return reel_status();
    }
    return list ? 0 : REEL_ENOMEM;
}

static void drop(reel_exporter *x, int n_feeds, int n_fetches)
{
    for (size_t i = 0; i < x->n_helpers; i++) reel_text_free_(&x->helpers[i].text);
    for (size_t i = 0; i < x->n_functions; i++) {
        reel_text_free_(&x->functions[i].params);
        reel_text_free_(&x->functions[i].body);
        reel_text_free_(&x->functions[i].said);
    }
    for (size_t i = 0; i < x->n_consts; i++) reel_release_rec_((reel_rec *)(uintptr_t)x->consts[i]);
    for (size_t i = 0; i < x->n_errors; i++) reel_strfree_(x->errors[i]);
    for (size_t i = 0; i < x->n_taken; i++) reel_strfree_(x->taken[i]);
    reel_free_(x->helpers, x->cap_helpers * sizeof *x->helpers);
    reel_free_(x->functions, x->cap_functions * sizeof *x->functions);
    reel_free_(x->errors, x->cap_errors * sizeof *x->errors);
    reel_free_(x->vars, x->cap_vars * sizeof *x->vars);
    reel_free_(x->consts, x->cap_consts * sizeof *x->consts);
    reel_free_(x->generators, x->cap_generators * sizeof *x->generators);
    reel_free_(x->taken, x->cap_taken * sizeof *x->taken);
    reel_free_(x->feed_name, ((size_t)n_feeds + 1) * sizeof *x->feed_name);
    reel_free_(x->fetch_name, ((size_t)n_fetches + 1) * sizeof *x->fetch_name);
    reel_text *const texts[] = {&x->run, &x->constants, &x->variables, &x->loads, &x->header, &x->source, &x->weights};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) reel_text_free_(texts[i]);
    reel_free_(x, sizeof *x);
}

static int plan_it(const asked *a, reel_exporter *x, size_t *n_calls)
{
    reel_eplan *q = reel_eplan_new_(x, false);
    if (!q) return REEL_ENOMEM;
    const reel_request rq = {.site = a->site,
                             .fn = FN,
                             .n_feeds = a->n_feeds,
                             .n_fetches = a->n_fetches,
                             .feed = a->feed,
                             .given = a->given,
                             .fetch = a->fetch,
                             .effect = a->effect,
                             .effects = a->effects,
                             .printer = &q->printer};
    reel_plan *plan = reel_plan_new_((reel_graph *)(uintptr_t)a->g, &rq, x->passes);
    *n_calls = q->n_calls;
    reel_eplan_free_(q);
    if (!plan) return reel_status();
    reel_plan_free_(plan);
    return 0;
}

static bool is_identifier(const char *s)
{
    if (!*s || (*s >= '0' && *s <= '9') || strlen(s) > 60) return false;
    for (; *s; s++)
        if (!reel_is_word_(*s)) return false;
    return true;
}

static int export_values(asked *a, const reel_export_opts *o, const reel_pipeline *passes, reel_export_info *out)
{
    reel_exporter *x = reel_zalloc_(sizeof *x);
    if (!x) return REEL_ENOMEM;
    size_t n_calls = 0;
    x->passes = passes;
    x->graph = a->g;
    x->name = o->name ? o->name : "model";
    x->folder = o->folder ? o->folder : ".";
    x->side = o->side_file;
    int rc = is_identifier(x->name)
                 ? 0
                 : reel_fail_at_(a->site, REEL_EARG, "%s: the name \"%s\" is no C identifier of at most 60 letters", FN,
                                 x->name);
    if (!rc) rc = name_all(x, a->n_feeds, a->feed_name, "in", &x->feed_name);
    if (!rc) rc = name_all(x, a->n_fetches, a->fetch_name, "out", &x->fetch_name);
    for (int i = 0; i < a->n_feeds && !rc; i++) rc = give(a, i, o);
    if (!rc) rc = plan_it(a, x, &n_calls);
    if (!rc && out)
        *out = (reel_export_info){.arena_bytes = x->arena_bytes,
                                  .vars_bytes = x->vars_bytes,
                                  .const_bytes = x->consts_bytes,
                                  .peak_bytes = x->arena_bytes + x->vars_bytes,
                                  .functions = (int)x->n_functions,
                                  .calls = (int)n_calls};
    drop(x, a->n_feeds, a->n_fetches);
    return rc;
}

static int begin(asked *a, const char *site, const reel_export_opts *from, reel_export_opts *o, reel_pipeline *passes)
{
    memset(a, 0, sizeof *a);
    memset(o, 0, sizeof *o);
    a->site = site;
    reel_options_(o, sizeof *o, from);
    if (o->any < 0) return reel_fail_at_(site, REEL_EARG, "%s: any is %lld", FN, (long long)o->any);
    return reel_pipeline_parse_(FN, o->passes, REEL_EXACT_GRAPH, passes);
}

static int in_scope(asked *a, const reel_export_opts *o, const reel_pipeline *passes, reel_export_info *out)
{
    reel_scope *scope = reel_scope_begin(a->site, FN);
    const int rc = scope ? export_values(a, o, passes, out) : reel_status();
    reel_scope_end(scope);
    return rc;
}

int reel_export_c_at(const char *site, reel_graph *g, reel_names feeds, reel_names fetches, const reel_export_opts *o,
                     reel_export_info *out)
{
    if (out) *out = (reel_export_info){0};
    if (reel_pending_()) return reel_pending_();
    if (!g || g->capture)
        return reel_fail_at_(site, g ? REEL_ETRACE : REEL_EARG, "%s: %s", FN,
                             g ? "the graph is still open: reel_graph_end comes first" : "g is NULL");
    if (feeds.n < 0 || (feeds.n && !feeds.name) || fetches.n < 0 || (fetches.n && !fetches.name))
        return reel_fail_at_(site, REEL_EARG, "%s: a list is NULL", FN);
    asked a;
    reel_export_opts opts;
    reel_pipeline passes;
    int rc = begin(&a, site, o, &opts, &passes);
    const int room = feeds.n ? feeds.n : (int)g->n_nodes;
    if (!rc) rc = asked_init(&a, room, fetches.n);
    a.g = g;
    a.effects = opts.effects;
    for (int i = 0; i < fetches.n && !rc; i++) rc = find_fetch(&a, i, fetches.name[i]);
    for (int i = 0; i < feeds.n && !rc; i++) rc = find_feed(&a, i, feeds.name[i]);
    if (!rc && !feeds.n) rc = feed_all(&a);
    if (!rc && opts.shapes && !feeds.n && a.n_feeds > 0)
        rc = reel_fail_at_(site, REEL_EARG, "%s: .shapes needs the list of feeds whose they are", FN);
    if (!rc) rc = in_scope(&a, &opts, &passes, out);
    a.n_feeds = room;
    asked_drop(&a);
    return rc;
}

int reel_export_function_c_at(const char *site, reel_function *f, const reel_export_opts *o, reel_export_info *out)
{
    if (out) *out = (reel_export_info){0};
    if (reel_pending_()) return reel_pending_();
    const reel_graph *g = f ? reel_function_graph(f) : NULL;
    if (!g)
        return reel_fail_at_(site, f ? REEL_ETRACE : REEL_EARG, "%s: %s", FN,
                             f ? "the function has not been called yet: it has no trace" : "f is NULL");
    asked a;
    reel_export_opts opts;
    reel_pipeline passes;
    int rc = begin(&a, site, o, &opts, &passes);
    if (!rc) rc = asked_init(&a, g->n_inputs, g->n_outputs);
    a.g = g;
    a.effects = true;
    if (!rc && ((opts.inputs.n && opts.inputs.n != a.n_feeds) || (opts.outputs.n && opts.outputs.n != a.n_fetches)))
        rc = reel_fail_at_(site, REEL_EARG, "%s: %d inputs and %d outputs are named, the function has %d and %d", FN,
                           opts.inputs.n, opts.outputs.n, a.n_feeds, a.n_fetches);
    for (int i = 0; i < a.n_feeds && !rc; i++) {
        a.feed[i] = g->inputs[i];
        if (opts.inputs.n) a.feed_name[i] = opts.inputs.name[i];
    }
    for (int i = 0; i < a.n_fetches && !rc; i++) {
        a.fetch[i] = g->outputs[i];
        a.effect[i] = -1;
        if (opts.outputs.n) a.fetch_name[i] = opts.outputs.name[i];
    }
    if (!rc) rc = in_scope(&a, &opts, &passes, out);
    asked_drop(&a);
    return rc;
}
