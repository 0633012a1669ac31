/* graph.c: runs an ONNX graph node by node through Reel's eager ops; and what the maps ask for. */
#include "graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---------------------------------------------------------------------------------------------- */
static void bind(onnx_scope *s, const char *name, reel_tensor *t)
{
    if (!name[0]) return;
    if (s->n == s->room) {
        s->room = s->room ? 2 * s->room : 64;
        s->named = realloc(s->named, (size_t)s->room * sizeof *s->named);
        if (!s->named) abort();
    }
    s->named[s->n++] = (onnx_named){name, t};
}

static reel_tensor *find(const onnx_scope *s, const char *name)
{
    for (; s; s = s->outer)
        for (int i = s->n - 1; i >= 0; i--)
            if (strcmp(s->named[i].name, name) == 0) return s->named[i].t;
    return NULL;
}

/* ---- one node --------------------------------------------------------------------------------------------- */
static const onnx_map *const maps[] = {onnx_control, onnx_conv,   onnx_dynamic,  onnx_elementwise, onnx_linalg,
                                       onnx_neural,  onnx_reduce, onnx_sequence, onnx_shape};

static onnx_function *mapped(const onnx_node *n)
{
    char key[160];
    const bool standard = !n->domain[0] || strcmp(n->domain, "ai.onnx") == 0;
    snprintf(key, sizeof key, "%s%s%s", standard ? "" : n->domain, standard ? "" : ":", n->op);
    for (size_t k = 0; k < sizeof maps / sizeof *maps; k++)
        for (const onnx_map *m = maps[k]; m->op; m++)
            if (strcmp(m->op, key) == 0) return m->run;
    return NULL;
}

static int version_of(const onnx_model *m, const char *domain)
{
    if (strcmp(domain, "ai.onnx") == 0) domain = "";
    for (int i = 0; i < m->n_opsets; i++)
        if (strcmp(m->opsets[i].domain, domain) == 0) return m->opsets[i].version;
    return 1;
}

static int run_node(onnx_scope *s, const onnx_node *n)
{
    onnx_call c = {.node = n, .n_in = n->n_in, .n_out = n->n_out, .scope = s};
    onnx_function *run = mapped(n);
    c.opset = version_of(s->model, n->domain);
    if (!run || n->n_in > ONNX_MAX_IN || n->n_out > ONNX_MAX_OUT) {
        snprintf(s->why, 160, "%s is not mapped", n->op);
        return ONNX_NA;
    }
    for (int i = 0; i < n->n_in; i++) {
        c.in[i] = n->in[i][0] ? find(s, n->in[i]) : NULL;
        if (n->in[i][0] && !c.in[i]) return reel_fail(REEL_EARG, "%s: input \"%s\" has no value", n->op, n->in[i]);
    }
    const int code = run(&c);
    if (code == ONNX_NA) snprintf(s->why, 160, "%s", c.why);
    if (code) return code;
    if (reel_status()) return reel_status();
    for (int j = 0; j < n->n_out; j++) {
        if (!n->out[j][0]) continue;
        if (!c.out[j]) return reel_fail(REEL_EARG, "%s: the map gives no output %d", n->op, j);
        bind(s, n->out[j], c.out[j]);
    }
    return 0;
}

/* ---- graphs ------------------------------------------------------------------------------------------------ */
int onnx_run_graph(const onnx_model *m, const onnx_graph *g, onnx_scope *outer, reel_tensor *const in[], int n_in,
                   reel_tensor *out[], int n_out, char why[160])
{
    onnx_scope s = {.model = m, .outer = outer, .why = why};
    int code = 0;
    for (int i = 0; !code && i < g->n_inits; i++) {
        reel_tensor *t = from_onnx(&g->inits[i]);
        if (!t && !reel_status()) {
            snprintf(why, 160, "a constant is %s", onnx_code_name(g->inits[i].code));
            code = ONNX_NA;
        }
        bind(&s, g->inits[i].name, t);
    }
    for (int i = 0; i < g->n_in && i < n_in; i++)
        if (in[i]) bind(&s, g->in[i], in[i]);
    for (int i = 0; !code && i < g->n_nodes; i++) code = run_node(&s, &g->nodes[i]);
    for (int j = 0; !code && j < n_out && j < g->n_out; j++) {
        out[j] = find(&s, g->out[j]);
        if (!out[j]) code = reel_fail(REEL_EARG, "output \"%s\" has no value", g->out[j]);
    }
    free(s.named);
    return code ? code : reel_status();
}

int run_subgraph(onnx_call *c, const onnx_graph *g, reel_tensor *const in[], int n_in, reel_tensor *out[], int n_out)
{
    return onnx_run_graph(c->scope->model, g, c->scope, in, n_in, out, n_out, c->why);
}

/* ---- for the maps ------------------------------------------------------------------------------------------ */
int na(onnx_call *c, const char *why, ...)
{
    va_list ap;
    va_start(ap, why);
    vsnprintf(c->why, sizeof c->why, why, ap);
    va_end(ap);
    return ONNX_NA;
}

const onnx_attr *attr(const onnx_call *c, const char *name)
{
    for (int i = 0; i < c->node->n_attrs; i++)
        if (strcmp(c->node->attrs[i].name, name) == 0) return &c->node->attrs[i];
    return NULL;
}

int64_t attr_int(const onnx_call *c, const char *name, int64_t otherwise)
{
    const onnx_attr *a = attr(c, name);
    return a ? a->i : otherwise;
}

double attr_float(const onnx_call *c, const char *name, double otherwise)
{
    const onnx_attr *a = attr(c, name);
    return a ? a->f : otherwise;
}

const char *attr_string(const onnx_call *c, const char *name, const char *otherwise)
{
    const onnx_attr *a = attr(c, name);
    return a ? a->s : otherwise;
}

int attr_ints(const onnx_call *c, const char *name, int64_t *list, int max)
{
    const onnx_attr *a = attr(c, name);
    if (!a) return -1;
    for (int i = 0; i < a->n && i < max; i++) list[i] = a->ints[i];
    return a->n < max ? a->n : max;
}

reel_tensor *from_onnx(const onnx_tensor *t)
{
    return t->type.dtype ? reel_from(t->type, t->data, t->bytes) : NULL;
}

int host_ints(reel_tensor *t, int64_t *list, int max)
{
    const int64_t n = reel_shape_count(reel_shape_of(t));
    if (n < 0 || n > max) return -1;
    return reel_read_i64(t, list, (size_t)n) ? -1 : (int)n;
}

double host_number(reel_tensor *t)
{
    const int64_t n = reel_shape_count(reel_shape_of(t));
    double *all = malloc((size_t)(n > 0 ? n : 1) * sizeof *all), first = NAN;
    if (all && n > 0 && reel_read_f64(t, all, (size_t)n) == 0) first = all[0];
    free(all);
    return first;
}

reel_axes axes_from(const int64_t *list, int n)
{
    reel_axes a = {.n = n < REEL_MAX_RANK ? n : REEL_MAX_RANK};
    for (int i = 0; i < a.n; i++) a.axis[i] = (int)list[i];
    return a;
}

reel_shape shape_from(const int64_t *list, int n)
{
    reel_shape s = {.rank = n < REEL_MAX_RANK ? n : REEL_MAX_RANK};
    for (int i = 0; i < s.rank; i++) s.dims[i] = list[i];
    return s;
}
