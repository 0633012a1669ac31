/* control_trace.c: control flow where a trace or graph listens: each body is traced into a sub-graph, and one op with these goes through
   the door. What bodies take from around them becomes inputs of the op; what they assign to variables becomes outputs, which are
   assigned behind it. */
#include <stdio.h>
#include <string.h>
#include "control.h"
#include "core/alloc.h"
#include "core/error.h"
#include "function.h"
#include "reel/reel.h"

typedef struct tracing {
    const reel_traced *t;
    const reel_assigned *cells;
    reel_control *c;
    reel_type types[REEL_MAX_IN];  /* of the inputs that a body sees */
    reel_tensor *all[REEL_MAX_IN]; /* the op's inputs, without a condition; those captured come last */
    reel_rec *cell[REEL_MAX_IN];   /* of such an input that reel_value gave: the variable, else NULL */
    int n_all;
    reel_captured *keep[2]; /* what they captured, alive until the op has gone through the door */
    size_t n_keep[2], cap_keep[2];
    reel_assigned found; /* cells that the bodies assign */
} tracing;

bool reel_control_taped_(void)
{
    for (const reel_listener *l = reel_ctx_()->listeners; l; l = l->next)
        if (!l->paused && !reel_is_capture_(l)) return true;
    return false;
}

bool reel_graded_(const reel_capture *c)
{
    return c->graded || c->taped || (!c->function && !c->parent && !c->anything) || reel_control_taped_();
}

/* ---- inputs -------------------------------------------------------------------------------------------------- */

/* What a checkpoint is also given is that input: its gradients add up in one chain, as eagerly. Other bodies have inputs of their own. */
static int add_input(tracing *g, const reel_captured *captured, int32_t *number)
{
    const reel_rec *r = captured->rec;
    const reel_traced *t = g->t;
    for (int i = t->again ? 0 : g->c->n_own; i < g->n_all; i++) {
        if (reel_rec_of_(g->all[i])->id != r->id) continue;
        *number = i;
        return 0;
    }
    if (g->n_all + 1 >= REEL_MAX_IN)
        return reel_fail_at_(t->site, REEL_ETRACE, "%s: the bodies use more than %d tensors from around them", t->fn,
                             REEL_MAX_IN - 1 - g->c->n_own);
    *number = g->n_all;
    g->cell[g->n_all] = captured->cell;
    g->all[g->n_all++] = reel_handle_(r);
    return 0;
}

/* What bodies see of input i: of a sequence, one element. */
static int input_type(const reel_traced *t, int i, reel_type *type)
{
    char what[32];
    snprintf(what, sizeof what, "in[%d]", i);
    const int32_t v = reel_capture_value_(t->around, t->site, t->fn, what, reel_rec_of_(t->in.t[i]));
    if (v < 0) return reel_status();
    *type = t->around->graph->values[v].type;
    if (t->kind != REEL_SCAN || i < t->n_carry) return 0;
    type->shape.rank--;
    memmove(type->shape.dims, type->shape.dims + 1, (size_t)type->shape.rank * sizeof type->shape.dims[0]);
    type->shape.dims[type->shape.rank] = 0;
    return 0;
}

/* Loops carry the cells as states of their own: behind the caller's, and before the sequences of a scan. */
static bool carries(const reel_traced *t)
{
    return t->kind == REEL_WHILE || t->kind == REEL_SCAN;
}

static int list_inputs(tracing *g)
{
    const reel_traced *t = g->t;
    const int n_cells = carries(t) ? g->cells->n : 0, at = t->kind == REEL_SCAN ? t->n_carry : t->in.n;
    if (t->in.n + n_cells >= REEL_MAX_IN)
        return reel_fail_at_(t->site, REEL_ETRACE, "%s: more than %d states and variables", t->fn, REEL_MAX_IN - 1);
    int rc = 0;
    for (int i = 0; i < t->in.n && !rc; i++) {
        const int k = i < at ? i : i + n_cells;
        g->all[k] = t->in.t[i];
        rc = input_type(t, i, &g->types[k]);
    }
    for (int k = 0; k < n_cells; k++) {
        g->all[at + k] = reel_handle_(g->cells->cell[k]);
        g->types[at + k] = g->cells->cell[k]->type;
    }
    g->n_all = t->in.n + n_cells;
    return rc;
}

/* ---- bodies ---------------------------------------------------------------------------------------------------- */

static int note_generators(reel_control *c, const reel_part *p, const reel_graph *g, const reel_traced *t)
{
    for (size_t i = 0; i < g->n_nodes; i++) {
        reel_generator *gens[REEL_MAX_DRAWN];
        const reel_node *n = &g->nodes[i];
        const int k = n->op ? reel_draws_of_(n->op, reel_node_attr_(g, n), gens) : 0;
        if (k && c->kind == REEL_WHILE && p == &c->part[0]) c->cond_draws = true;
        for (int j = 0; j < k; j++)
            if (reel_generator_join_(c->generator, &c->n_drawn, gens[j]) < 0)
                return reel_fail_at_(t->site, REEL_ETRACE, "%s: the bodies draw from more than %d generators", t->fn,
                                     REEL_MAX_DRAWN);
    }
    return 0;
}

/* What the body took from around it becomes inputs of its graph, behind the others. */
static int adopt(tracing *g, reel_part *p, reel_graph *body, const reel_capture *capture)
{
    reel_control *c = g->c;
    const int n = c->n_own + (int)capture->n_captured;
    int32_t *in = reel_alloc_array_((size_t)n + 1, sizeof *in);
    p->from = reel_alloc_array_((size_t)n + 1, sizeof *p->from);
    if (!in || !p->from) {
        reel_free_(in, ((size_t)n + 1) * sizeof *in);
        reel_free_(p->from, ((size_t)n + 1) * sizeof *p->from);
        p->from = NULL;
        return REEL_ENOMEM;
    }
    p->n_in = n;
    memcpy(in, body->inputs, (size_t)c->n_own * sizeof *in);
    reel_free_(body->inputs, ((size_t)body->n_inputs + 1) * sizeof *body->inputs);
    body->inputs = in;
    body->n_inputs = n;
    int rc = n > REEL_MAX_IN ? reel_fail_at_(g->t->site, REEL_ETRACE, "%s: a body uses too many tensors", g->t->fn) : 0;
    for (int k = 0; k < n && !rc; k++) {
        p->from[k] = k;
        if (k < c->n_own) continue;
        const reel_captured *cap = &capture->captured[k - c->n_own];
        in[k] = cap->value;
        rc = add_input(g, cap, &p->from[k]);
    }
    return rc ? rc : note_generators(c, p, body, g->t);
}

static int find_cells(tracing *g, const reel_capture *capture, bool condition)
{
    for (size_t i = 0; i < capture->n_changed; i++) {
        reel_rec *cell = capture->changed[i];
        bool known = false;
        for (int k = 0; k < g->found.n; k++) known = known || g->found.cell[k] == cell;
        if (known) continue;
        if (condition)
            return reel_fail_at_(g->t->site, REEL_ETRACE,
                                 "%s: the condition assigns variable \"%s\": only the body of a loop can", g->t->fn,
                                 cell->name ? cell->name : "?");
        if (g->found.n == REEL_MAX_IN)
            return reel_fail_at_(g->t->site, REEL_ETRACE, "%s: the bodies assign more than %d variables", g->t->fn,
                                 REEL_MAX_IN);
        reel_retain_rec_(cell);
        g->found.cell[g->found.n++] = cell;
    }
    return 0;
}

static void drop_cells(reel_assigned *cells)
{
    for (int i = 0; i < cells->n; i++) reel_release_rec_(cells->cell[i]);
    cells->n = 0;
}

static int trace_part(tracing *g, int k)
{
    const reel_traced *t = g->t;
    reel_part *p = &g->c->part[k];
    const reel_function *around = t->called ? t->called : t->around->function;
    reel_capture capture = {.function = around,
                            .allow_reads = around ? around->allow_reads : t->around->allow_reads,
                            .parent = t->around,
                            .keep_captured = true,
                            .taped = reel_control_taped_(),
                            .graded = reel_graded_(t->around),
                            .closed = t->called != NULL};
    if (t->called) capture.constants = (reel_list){around->n_constants, around->constants};
    reel_strong s;
    const bool condition = t->kind == REEL_WHILE && k == 0, in = carries(t);
    const int n = t->kind == REEL_SCAN ? t->n_carry : t->kind == REEL_WHILE && !condition ? t->in.n : 0;
    reel_fn f = reel_strong_fn_(&s, t->site, t->fn, t->f[k], g->types, n);
    s.cells = g->cells;
    s.capture = &capture;
    s.cells_in = !in ? -1 : t->kind == REEL_SCAN ? t->n_carry : t->in.n;
    s.cells_out = condition ? -1 : in ? s.cells_in : t->f[k].n_out;
    f.n_in += in ? g->cells->n : 0;
    f.n_out += condition ? 0 : g->cells->n;
    if (f.n_out > REEL_MAX_OUT)
        return reel_fail_at_(t->site, REEL_ETRACE, "%s: more than %d outputs and variables", t->fn, REEL_MAX_OUT);
    reel_graph *body = reel_trace_symbolic_(t->site, t->fn, f, g->types, NULL, &capture);
    g->keep[k] = capture.captured;
    g->n_keep[k] = capture.n_captured;
    g->cap_keep[k] = capture.cap_captured;
    t->around->asked = t->around->asked ? t->around->asked : capture.asked;
    int rc = body ? find_cells(g, &capture, condition) : reel_status();
    for (size_t i = 0; i < capture.n_changed; i++) reel_release_rec_(capture.changed[i]);
    reel_free_(capture.changed, capture.cap_changed * sizeof *capture.changed);
    reel_pipeline passes;
    if (!rc) rc = adopt(g, p, body, &capture);
    if (!rc && around)
        passes = around->passes;
    else if (!rc)
        rc = reel_pipeline_parse_(t->fn, NULL, (reel_graph_math)0, &passes);
    if (!rc) rc = reel_player_init_(&p->player, body, 8, 0, &passes);
    reel_graph_release_(body);
    p->as_it_is = t->again;
    return rc;
}

/* ---- the op ------------------------------------------------------------------------------------------------------ */

static int through_door(const tracing *g, reel_tensor **out)
{
    static const reel_op *const ops[] = {reel_cond_ops_, reel_while_ops_, reel_scan_ops_, reel_call_ops_};
    const reel_traced *t = g->t;
    reel_control *c = g->c;
    reel_tensor *in[REEL_MAX_IN + 1];
    int n = 0, n_out = c->n_out + c->n_drawn;
    if (t->pred) in[n++] = t->pred;
    for (int i = 0; i < g->n_all; i++) in[n++] = g->all[i];
    reel_control_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.control = c;
    if (t->kind == REEL_WHILE) {
        attr.stored = t->store;
        for (int i = 0; i < c->n_own; i++)
            if (g->types[i].shape.rank == REEL_MAX_RANK) attr.stored = REEL_STORE_NONE;
        if (reel_loop_outputs_(c, attr.stored) > REEL_MAX_OUT) attr.stored = REEL_STORE_NONE;
        n_out = reel_loop_outputs_(c, attr.stored);
    }
    if (n_out > REEL_MAX_OUT || n == 0)
        return reel_fail_at_(t->site, REEL_ETRACE, n ? "%s: more than %d outputs" : "%s: it needs an input", t->fn,
                             REEL_MAX_OUT);
    return reel_door_(&ops[c->kind][c->n_drawn > 0 ? 1 : c->keeps ? 2 : 0], &attr, in, n, out, n_out, t->site);
}

static int trace_parts(tracing *g)
{
    const reel_traced *t = g->t;
    g->c = reel_control_new_(t->kind, 0);
    int rc = g->c ? list_inputs(g) : REEL_ENOMEM;
    if (rc) return rc;
    reel_control *c = g->c;
    const char *const name = t->f[0].name ? t->f[0].name : "function";
    if (t->kind == REEL_CALL && !(c->name = reel_strdup_(name))) return REEL_ENOMEM;
    c->n_own = g->n_all;
    c->n_cells = g->cells->n;
    c->max_steps = t->max_steps;
    c->n_carry = t->n_carry + (t->kind == REEL_SCAN ? g->cells->n : 0);
    c->n_out = t->kind == REEL_WHILE ? c->n_own : t->f[0].n_out + g->cells->n;
    for (int k = 0; k < 2 && !rc; k++)
        if (t->f[k].body) rc = trace_part(g, k);
    return rc;
}

static void drop(tracing *g)
{
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < g->n_keep[k]; i++) reel_release_rec_(g->keep[k][i].rec);
        reel_free_(g->keep[k], g->cap_keep[k] * sizeof *g->keep[k]);
    }
    reel_control_release_(g->c);
    drop_cells(&g->found);
}

/* Where the cells' values stand among the outputs. */
static int first_cell(const tracing *g)
{
    return g->t->kind == REEL_SCAN ? g->t->n_carry : g->c->n_out - g->c->n_kept - g->cells->n;
}

/* The op, then what it gives to variables; to the caller what its bodies gave. */
static int finish(const tracing *g, reel_tensor **out)
{
    reel_tensor *made[REEL_MAX_OUT + REEL_MAX_DRAWN];
    int rc = through_door(g, made);
    if (rc) return rc;
    const int at = first_cell(g), n = g->cells->n, n_out = g->c->n_out - g->c->n_kept - n;
    for (int j = 0; j < n_out; j++) out[j] = made[j < at ? j : j + n];
    for (int k = 0; k < n && !rc; k++) rc = reel_assign_at(g->t->site, reel_handle_(g->cells->cell[k]), made[at + k]);
    return rc;
}

/* For other calls of the function: what it takes from around it are variables, as it is closed. */
static int keep(const tracing *g)
{
    reel_control *c = g->c;
    const int n = g->n_all - c->n_own, m = g->cells->n;
    c->around = reel_alloc_array_((size_t)(n + m) + 1, sizeof(reel_rec *));
    if (!c->around) return REEL_ENOMEM;
    c->n_around = n;
    c->n_assigned = m;
    for (int i = 0; i < n + m; i++) {
        reel_rec *const snapshot = i < n ? g->cell[c->n_own + i] : NULL;
        if (snapshot) c->values |= (uint64_t)1 << i;
        c->around[i] = snapshot ? snapshot : i < n ? reel_rec_of_(g->all[c->n_own + i]) : g->cells->cell[i - n];
        reel_retain_rec_(c->around[i]);
    }
    atomic_fetch_add(&c->refs, 1);
    *g->t->made = c;
    return 0;
}

int reel_control_call_(const reel_traced *t, reel_control *c, reel_tensor **out)
{
    reel_assigned cells = {.n = c->n_assigned};
    tracing g = {.t = t, .cells = &cells, .c = c, .n_all = t->in.n + c->n_around};
    for (int i = 0; i < g.n_all; i++) {
        const int k = i - t->in.n;
        g.all[i] = k < 0 ? t->in.t[i] : reel_handle_(c->around[k]);
        if (k >= 0 && c->values >> k & 1) g.all[i] = reel_value_at(t->site, g.all[i]);
        if (!g.all[i]) return reel_status();
    }
    for (int k = 0; k < cells.n; k++) cells.cell[k] = c->around[c->n_around + k];
    return finish(&g, out);
}

/* Of a call: a size that depends on data would leave it. That of an op can, so its ops stand in the graph around it themselves. */
static bool is_unsized(const tracing *g)
{
    const reel_graph *body = g->t->kind == REEL_CALL ? g->c->part[0].player.graph : NULL;
    bool known = true;
    for (int j = 0; body && body->dynamic && j < body->n_outputs; j++)
        known = known && reel_shape_known_(&body->values[body->outputs[j]].type.shape);
    return !known;
}

/* Which variables the bodies assign is known when they have been traced: then once more, with these. */
int reel_control_trace_(const reel_traced *t, reel_tensor **out)
{
    reel_assigned cells = {.n = 0};
    for (;;) {
        tracing g = {.t = t, .cells = &cells};
        int rc = trace_parts(&g);
        const bool all = g.found.n <= cells.n;
        if (!rc && is_unsized(&g)) rc = -1;
        if (!rc && all && t->keeps) rc = reel_back_residuals_(t->site, g.c, g.n_all);
        if (!rc && all && t->made) rc = keep(&g);
        if (!rc && all) rc = finish(&g, out);
        reel_assigned more = g.found;
        if (!rc && !all) g.found.n = 0;
        drop(&g);
        if (rc || all) {
            drop_cells(&cells);
            return rc;
        }
        drop_cells(&cells);
        cells = more;
    }
}
