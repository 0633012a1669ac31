/* graph.c: the graph's storage: appending nodes, names, reference counts. */
#include <stdlib.h>
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "trace.h"

/* ---- map: open addressing, at most half full ------------------------------------------------------- */

static size_t home(const reel_idmap *m, uint64_t key)
{
    return (size_t)((key * 0x9e3779b97f4a7c15u) >> 20) & (m->capacity - 1);
}

int32_t reel_map_get_(const reel_idmap *m, uint64_t key)
{
    if (m->n == 0) return -1;
    for (size_t i = home(m, key);; i = (i + 1) & (m->capacity - 1)) {
        if (m->keys[i] == key) return m->values[i];
        if (m->keys[i] == 0) return -1;
    }
}

static int map_grow(reel_idmap *m)
{
    const size_t capacity = m->capacity ? m->capacity * 2 : 64;
    reel_idmap big = {.capacity = capacity};
    big.keys = reel_zalloc_(capacity * sizeof *big.keys);
    big.values = reel_alloc_array_(capacity, sizeof *big.values);
    if (!big.keys || !big.values) {
        reel_free_(big.keys, capacity * sizeof *big.keys);
        reel_free_(big.values, capacity * sizeof *big.values);
        return REEL_ENOMEM;
    }
    for (size_t i = 0; i < m->capacity; i++)
        if (m->keys[i]) (void)reel_map_put_(&big, m->keys[i], m->values[i]);
    reel_map_free_(m);
    *m = big;
    return 0;
}

int reel_map_put_(reel_idmap *m, uint64_t key, int32_t value)
{
    if (m->n * 2 >= m->capacity && map_grow(m)) return REEL_ENOMEM;
    size_t i = home(m, key);
    while (m->keys[i] != 0 && m->keys[i] != key) i = (i + 1) & (m->capacity - 1);
    m->n += m->keys[i] == 0;
    m->keys[i] = key;
    m->values[i] = value;
    return 0;
}

void reel_map_free_(reel_idmap *m)
{
    reel_free_(m->keys, m->capacity * sizeof *m->keys);
    reel_free_(m->values, m->capacity * sizeof *m->values);
    *m = (reel_idmap){0};
}

/* ---- life ------------------------------------------------------------------------------------------ */

reel_graph *reel_graph_new_(void)
{
    reel_graph *g = reel_zalloc_(sizeof *g);
    if (!g) return NULL;
    atomic_init(&g->refs, 1);
    g->widen = reel_ctx_()->widen;
    return g;
}

reel_graph *reel_graph_retain_(reel_graph *g)
{
    atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
    return g;
}

void reel_graph_release_(reel_graph *g)
{
    if (!g || atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) != 1) return;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const reel_node *n = &g->nodes[i];
        if (n->rec) reel_release_rec_(n->rec);
        if (n->op && n->op->attr_release) n->op->attr_release(reel_node_attr_(g, n));
    }
    for (size_t i = 0; i < g->n_summaries; i++)
        if (g->summaries[i].op->attr_release) g->summaries[i].op->attr_release(g->attrs + g->summaries[i].attr);
    reel_free_(g->summaries, g->cap_summaries * sizeof *g->summaries);
    for (size_t i = 0; i < g->n_names; i++) reel_strfree_(g->names[i].text);
    reel_free_(g->nodes, g->cap_nodes * sizeof *g->nodes);
    reel_free_(g->values, g->cap_values * sizeof *g->values);
    reel_free_(g->ins, g->cap_ins * sizeof *g->ins);
    reel_free_(g->attrs, g->cap_attrs);
    reel_free_(g->texts, g->cap_texts);
    reel_free_(g->names, g->cap_names * sizeof *g->names);
    reel_free_(g->frozen, g->cap_frozen * sizeof *g->frozen);
    reel_free_(g->inputs, ((size_t)g->n_inputs + 1) * sizeof *g->inputs);
    reel_free_(g->outputs, ((size_t)g->n_outputs + 1) * sizeof *g->outputs);
    reel_map_free_(&g->ids);
    reel_map_free_(&g->cells);
    reel_map_free_(&g->by_name);
    reel_free_(g, sizeof *g);
}

/* ---- nodes ----------------------------------------------------------------------------------------- */

/* The thread's name scope in graph->texts; nodes of one scope follow each other, so the last text is tried first. */
static int intern_scope(reel_graph *g, int32_t *at)
{
    const reel_ctx *c = reel_ctx_();
    *at = -1;
    if (c->name_len == 0) return 0;
    if (g->n_nodes) {
        const int32_t last = g->nodes[g->n_nodes - 1].scope;
        if (last >= 0 && strcmp(g->texts + last, c->names) == 0) {
            *at = last;
            return 0;
        }
    }
    const size_t n = strlen(c->names) + 1;
    if (reel_grow_((void **)&g->texts, &g->cap_texts, g->n_texts + n, 1)) return REEL_ENOMEM;
    memcpy(g->texts + g->n_texts, c->names, n);
    *at = (int32_t)g->n_texts;
    g->n_texts += n;
    return 0;
}

static int full(const reel_graph *g, const reel_node *node, const char *site)
{
    const size_t limit = INT32_MAX / 2;
    if (g->n_nodes < limit && g->n_values + (size_t)node->n_out < limit && g->n_ins + (size_t)node->n_in < limit)
        return 0;
    return reel_fail_at_(site, REEL_ETRACE, "a graph cannot have more than %zu nodes", limit);
}

int32_t reel_graph_node_(reel_graph *g, const reel_node *node, const void *attr, const int32_t *in,
                         const reel_type *const *out)
{
    reel_node n = *node;
    return intern_scope(g, &n.scope) ? -1 : reel_graph_append_(g, &n, attr, in, out);
}

int32_t reel_graph_append_(reel_graph *g, const reel_node *node, const void *attr, const int32_t *in,
                           const reel_type *const *out)
{
    reel_node n = *node;
    const size_t attr_size = n.op ? n.op->attr_size : 0, attr_at = (g->n_attrs + 15) & ~(size_t)15;
    if (full(g, node, n.site)) return -1;
    if (reel_grow_((void **)&g->nodes, &g->cap_nodes, g->n_nodes + 1, sizeof *g->nodes)) return -1;
    if (reel_grow_((void **)&g->values, &g->cap_values, g->n_values + (size_t)n.n_out + 1, sizeof *g->values))
        return -1;
    if (reel_grow_((void **)&g->ins, &g->cap_ins, g->n_ins + (size_t)n.n_in + 1, sizeof *g->ins)) return -1;
    if (reel_grow_((void **)&g->attrs, &g->cap_attrs, attr_at + attr_size + 1, 1)) return -1;
    g->dynamic |= n.op && (n.op->flags & REEL_OPF_DYNAMIC);
    g->updates |= n.op && (n.op->flags & REEL_OPF_ROWS);
    n.attr = attr_at;
    n.first_in = (int32_t)g->n_ins;
    n.first_out = (int32_t)g->n_values;
    if (attr_size) {
        memcpy(g->attrs + attr_at, attr, attr_size);
        g->n_attrs = attr_at + attr_size;
        if (n.op->attr_retain) n.op->attr_retain(g->attrs + attr_at);
    }
    for (int i = 0; i < n.n_in; i++) g->ins[g->n_ins++] = in[i];
    for (int i = 0; i < n.n_out; i++) g->values[g->n_values++] = (reel_gvalue){*out[i], (int32_t)g->n_nodes, -1};
    if (n.rec) reel_retain_rec_(n.rec);
    g->nodes[g->n_nodes++] = n;
    return n.n_out ? n.first_out : (int32_t)g->n_nodes - 1;
}

int reel_graph_summary_(reel_graph *g, const reel_summary *s, const void *attr, const int32_t *in, const int32_t *out)
{
    const size_t attr_at = (g->n_attrs + 15) & ~(size_t)15, n = (size_t)s->n_in + (size_t)s->n_out;
    if (reel_grow_((void **)&g->summaries, &g->cap_summaries, g->n_summaries + 1, sizeof *g->summaries) ||
        reel_grow_((void **)&g->ins, &g->cap_ins, g->n_ins + n + 1, sizeof *g->ins) ||
        reel_grow_((void **)&g->attrs, &g->cap_attrs, attr_at + s->op->attr_size + 1, 1))
        return REEL_ENOMEM;
    reel_summary *to = &g->summaries[g->n_summaries++];
    *to = *s;
    to->attr = attr_at;
    to->first = (int32_t)g->n_ins;
    if (s->op->attr_size) memcpy(g->attrs + attr_at, attr, s->op->attr_size);
    g->n_attrs = attr_at + s->op->attr_size;
    if (s->op->attr_retain) s->op->attr_retain(g->attrs + attr_at);
    for (int i = 0; i < s->n_in; i++) g->ins[g->n_ins++] = in[i];
    for (int i = 0; i < s->n_out; i++) g->ins[g->n_ins++] = out[i];
    return 0;
}

int32_t *reel_graph_owners_(const reel_graph *g)
{
    int32_t *owner = reel_alloc_array_(g->n_nodes + 1, sizeof *owner);
    if (!owner) return NULL;
    memset(owner, 0xff, (g->n_nodes + 1) * sizeof *owner);
    for (size_t k = 0; k < g->n_summaries; k++)
        for (int32_t i = g->summaries[k].begin; i < g->summaries[k].end; i++) owner[i] = (int32_t)k;
    return owner;
}

reel_generator *reel_node_generator_(const reel_graph *g, const reel_node *n)
{
    reel_generator *gen = NULL;
    if (n->op->attr_size >= sizeof gen) memcpy(&gen, reel_node_attr_(g, n), sizeof gen);
    return gen;
}

/* ---- names ----------------------------------------------------------------------------------------- */

static uint64_t name_key(const char *s)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *s; s++) h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    return h ? h : 1;
}

/* Of a function's graph: "in[2]" and "out[0]". */
static int32_t find_operand(const reel_graph *g, const char *name)
{
    const bool in = strncmp(name, "in[", 3) == 0, out = strncmp(name, "out[", 4) == 0;
    if (!in && !out) return -1;
    char *end;
    const long i = strtol(name + (in ? 3 : 4), &end, 10);
    if (strcmp(end, "]") != 0 || i < 0 || i >= (in ? g->n_inputs : g->n_outputs)) return -1;
    return (in ? g->inputs : g->outputs)[i];
}

int32_t reel_graph_find_(const reel_graph *g, const char *name)
{
    for (uint64_t key = name_key(name);; key++) {
        const int32_t i = key ? reel_map_get_(&g->by_name, key) : -1;
        if (i < 0 && key) return find_operand(g, name);
        if (i >= 0 && strcmp(g->names[i].text, name) == 0) return g->names[i].value;
    }
}

int reel_graph_name_(reel_graph *g, const char *site, const char *fn, const char *name, int32_t value)
{
    if (!name || !*name) return reel_fail_at_(site, REEL_EARG, "%s: name is %s", fn, name ? "empty" : "NULL");
    const int32_t old = reel_graph_find_(g, name);
    if (old >= 0)
        return reel_fail_at_(site, REEL_EARG, "%s: the name \"%s\" is taken in this graph, since %s", fn, name,
                             g->nodes[g->values[old].node].site);
    if (reel_grow_((void **)&g->names, &g->cap_names, g->n_names + 1, sizeof *g->names)) return REEL_ENOMEM;
    char *copy = reel_strdup_(name);
    if (!copy) return REEL_ENOMEM;
    uint64_t key = name_key(name);
    while (key == 0 || reel_map_get_(&g->by_name, key) >= 0) key++; /* another name of the same hash */
    if (reel_map_put_(&g->by_name, key, (int32_t)g->n_names)) {
        reel_strfree_(copy);
        return REEL_ENOMEM;
    }
    if (g->values[value].name < 0) g->values[value].name = (int32_t)g->n_names;
    g->names[g->n_names++] = (reel_gname){copy, value};
    return 0;
}

int32_t reel_graph_find_cell_(const reel_graph *g, const char *name, const reel_rec *cell)
{
    if (cell) return reel_map_get_(&g->cells, cell->id | REEL_FIRST_READ);
    for (size_t i = 0; i < g->n_nodes; i++) {
        const reel_node *n = &g->nodes[i];
        if (n->kind == REEL_NODE_VAR && n->rec->name && strcmp(n->rec->name, name) == 0) return n->first_out;
    }
    return -1;
}

const char *reel_node_name_(const reel_graph *g, int node)
{
    const reel_node *n = &g->nodes[node];
    for (int i = 0; i < n->n_out; i++) {
        const int32_t name = g->values[n->first_out + i].name;
        if (name >= 0) return g->names[name].text;
    }
    if (n->kind == REEL_NODE_VAR) return n->rec->name ? n->rec->name : "variable";
    return n->op ? n->op->name : n->kind == REEL_NODE_INPUT ? "input" : "constant";
}
