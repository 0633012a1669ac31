/* capture.c: the listener that writes down what the door tells it. One serves both ways into a graph: functions
   (real results) and graphs being built (symbolic ones). It knows tensors by id, never by handle. */
#include <stdio.h>
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "ops/ids.h"
#include "reel/reel.h"
#include "trace.h"

/* With this bit, the id of a row-sparse tensor is a key of its own: what it stands for has none before it is made dense. */
#define SPARSE ((uint64_t)1 << 62)

static int32_t leaf(reel_capture *c, reel_node_kind kind, reel_rec *r, const char *site)
{
    const reel_node n = {
        .kind = (uint8_t)kind, .rec = r, .site = site ? site : "", .n_out = 1, .weak = r->flags & REEL_R_NUM};
    const reel_type *type = &r->type;
    return reel_graph_node_(c->graph, &n, NULL, NULL, &type);
}

int32_t reel_capture_const_(reel_capture *c, reel_rec *r, const char *site)
{
    const int32_t old = reel_map_get_(&c->graph->ids, r->id);
    if (old >= 0) return old;
    const int32_t v = leaf(c, REEL_NODE_CONST, r, site);
    return v < 0 || reel_map_put_(&c->graph->ids, r->id, v) ? -1 : v;
}

/* One more input of a sub-graph, for what the graph around it knows as value v. */
static int32_t from_parent(reel_capture *c, reel_rec *r, int32_t v, const char *site)
{
    const reel_graph *around = c->parent->graph;
    const reel_type *type = &around->values[v].type;
    if (!(r->flags & (REEL_R_SYMBOLIC | REEL_R_CELL)) && !reel_shape_known_(&type->shape)) {
        reel_fail_at_(
            site, REEL_ETRACE,
            "the tensor made at %s has sizes that depend on data: pass it to the body of the control flow as an input",
            r->made);
        return -1;
    }
    if (reel_grow_((void **)&c->captured, &c->cap_captured, c->n_captured + 1, sizeof *c->captured)) return -1;
    const reel_node n = {.kind = REEL_NODE_INPUT, .site = site ? site : "", .n_out = 1};
    const int32_t in = reel_graph_node_(c->graph, &n, NULL, NULL, &type);
    if (in < 0) return -1;
    reel_retain_rec_(r);
    c->captured[c->n_captured++] = (reel_captured){r, in, NULL};
    return in;
}

/* The variable's value at the start: one node for each cell. */
static int32_t first_read(reel_capture *c, reel_rec *cell, const char *site)
{
    const uint64_t key = cell->id | REEL_FIRST_READ;
    const int32_t old = reel_map_get_(&c->graph->cells, key);
    if (old >= 0) return old;
    const int32_t v = leaf(c, REEL_NODE_VAR, cell, site);
    return v < 0 || reel_map_put_(&c->graph->cells, key, v) ? -1 : v;
}

/* Two variables with one value: a tape's record of it would not say which. This trace is not kept; the next one will find
   the values apart. */
static int keep_apart(reel_capture *c, reel_rec *cell)
{
    for (reel_capture *p = c; p; p = p->parent) p->ambiguous = true;
    reel_rec *value = reel_cell_get_(cell);
    if (!value) return 0;
    reel_rec *own = reel_make_view_(value->made, &value->type, value->strides, value, 0);
    if (own) reel_cell_set_(cell, own);
    reel_release_rec_(value);
    return own ? 0 : reel_status();
}

static bool is_changed(const reel_capture *c, const reel_rec *cell)
{
    for (size_t i = 0; i < c->n_changed; i++)
        if (c->changed[i] == cell) return true;
    return false;
}

/* value: the record a tape may keep for this read, so its id must lead to the same value. */
static int32_t read_cell(reel_capture *c, reel_rec *cell, const reel_rec *value, const char *site)
{
    int32_t v = reel_map_get_(&c->graph->cells, cell->id);
    if (v >= 0 && c->taped && reel_is_float_(cell->type.dtype) && is_changed(c, cell)) {
        reel_fail_at_(site, REEL_ETRACE,
                      "variable \"%s\" is read behind its assignment inside control flow, under a tape that listens "
                      "around it: use what was assigned, or carry it through the state",
                      cell->name ? cell->name : "?");
        return -1;
    }
    if (v >= 0 && !c->parent && v != reel_map_get_(&c->graph->cells, cell->id | REEL_FIRST_READ))
        c->graph->own_vjp = true; /* it has been assigned: to a tape, this is the variable still */
    if (v < 0) {
        if (c->parent) {
            v = read_cell(c->parent, cell, value, site);
            if (v >= 0) v = from_parent(c, cell, v, site);
        } else {
            v = first_read(c, cell, site);
        }
        if (v < 0 || reel_map_put_(&c->graph->cells, cell->id, v)) return -1;
    }
    if (value && value != cell) {
        const int32_t known = reel_map_get_(&c->graph->ids, value->id);
        if (known < 0 && reel_map_put_(&c->graph->ids, value->id, v)) return -1;
        if (known >= 0 && known != v) return keep_apart(c, cell) ? -1 : v;
    }
    return v;
}

/* ---- reel_value ------------------------------------------------------------------------------------ */

/* Under an id of its own, which tapes take for that of the value, and captures for no reading of a variable. */
static reel_rec *another_record(reel_rec *value)
{
    reel_rec *r = value->flags & REEL_R_SYMBOLIC ? reel_make_symbolic_(value->made, &value->type)
                                                 : reel_make_view_(value->made, &value->type, value->strides, value, 0);
    for (reel_listener *l = reel_ctx_()->listeners; r && l; l = l->next)
        if (l->known_as && l->known_as(l, r, value)) return NULL;
    return r;
}

/* The cell's value v is what it was before the trace or, in a sub-graph, what it is around it. */
static bool is_from_before(const reel_capture *c, const reel_rec *cell, int32_t v)
{
    if (!c->parent) return v == reel_map_get_(&c->graph->cells, cell->id | REEL_FIRST_READ);
    for (size_t i = 0; i < c->n_captured; i++)
        if (c->captured[i].rec == cell && c->captured[i].value == v) return true;
    return false;
}

static reel_rec *snapshot(reel_capture *c, reel_rec *cell, reel_rec *value, const char *site);

static int add_snapshot(reel_capture *c, const reel_rec *of, reel_rec *rec, reel_rec *cell)
{
    if (reel_grow_((void **)&c->snapshots, &c->cap_snapshots, c->n_snapshots + 1, sizeof *c->snapshots))
        return REEL_ENOMEM;
    reel_retain_rec_(rec);
    c->snapshots[c->n_snapshots++] = (reel_snapshot){of->id, rec, cell};
    return 0;
}

static const reel_snapshot *find_snapshot(const reel_capture *c, const reel_rec *of)
{
    for (size_t i = 0; i < c->n_snapshots; i++)
        if (c->snapshots[i].of == of->id) return &c->snapshots[i];
    return NULL;
}

/* A node that gives the variable's value v. */
static int32_t snapshot_of_read(reel_capture *c, const reel_type *type, int32_t v, const char *site)
{
    const reel_node n = {.op = &reel_rows_[REEL_OP_stop_gradient],
                         .kind = REEL_NODE_OP,
                         .site = site ? site : "",
                         .n_in = 1,
                         .n_out = 1,
                         .snapshot = true};
    return reel_graph_node_(c->graph, &n, NULL, &v, &type);
}

/* What reel_value gives around the sub-graph, as one more input. */
static reel_rec *snapshot_around(reel_capture *c, reel_rec *cell, reel_rec *value, const char *site, int32_t *own)
{
    reel_graph *around = c->parent->graph;
    reel_rec *r = snapshot(c->parent, cell, value, site);
    if (!r) return NULL;
    const int32_t v = reel_map_get_(&around->ids, r->id);
    if (r == value) { /* assigned there: its id leads here to the variable */
        r = another_record(value);
        if (!r || reel_map_put_(&around->ids, r->id, v)) return NULL;
    }
    *own = from_parent(c, r, v, site);
    if (*own >= 0) c->captured[c->n_captured - 1].cell = cell;
    return r;
}

/* What was assigned in the trace is known by its own id. A value from before gets another: a tape's entries lead by that of the value to
   the variable. The same one each time, as a value is one to whoever watches it. */
static reel_rec *snapshot(reel_capture *c, reel_rec *cell, reel_rec *value, const char *site)
{
    const reel_snapshot *s = find_snapshot(c, value);
    const bool other = s && s->cell; /* it was assigned another variable's value */
    for (; s && s->cell; s = find_snapshot(c, value)) {
        cell = s->cell;
        value = s->rec;
    }
    if (s) return s->rec;
    const int32_t v = other ? reel_map_get_(&c->graph->ids, value->id) : read_cell(c, cell, value, site);
    if (v < 0) return NULL;
    if (!is_from_before(c, cell, v)) return value;
    int32_t own = -1;
    reel_rec *r = c->parent ? snapshot_around(c, cell, value, site, &own) : another_record(value);
    if (r && !c->parent) own = snapshot_of_read(c, &r->type, v, site);
    const bool known = own >= 0 && !reel_map_put_(&c->graph->ids, r->id, own);
    return known && !add_snapshot(c, value, r, NULL) ? r : NULL;
}

static reel_rec *value_of(reel_listener *self, reel_rec *cell, reel_rec *value, const char *site)
{
    return snapshot((reel_capture *)self, cell, value, site);
}

/* ---- what calls are given --------------------------------------------------------------------------- */

static bool declared(const reel_capture *c, const reel_rec *r)
{
    for (int i = 0; i < c->constants.n; i++) {
        const reel_tensor *t = c->constants.t[i];
        if (t && reel_is_live_(t) && reel_rec_of_(t)->id == r->id) return true;
    }
    return false;
}

static const char *outside_advice(const reel_capture *c)
{
    return c->function ? "a trace would freeze it: pass it in in[], make it a variable or list it in .constants"
                       : "feed it through a placeholder, make it a variable or make it after reel_graph_begin";
}

/* The variable that v is a reading of, as it was before the trace; NULL: it is none. */
static reel_rec *cell_of(const reel_capture *c, int32_t v)
{
    const reel_node *n = &c->graph->nodes[c->graph->values[v].node];
    if (n->kind == REEL_NODE_VAR) return n->rec;
    for (size_t i = 0; n->kind == REEL_NODE_INPUT && i < c->n_captured; i++)
        if (c->captured[i].value == v && c->captured[i].rec->flags & REEL_R_CELL) return c->captured[i].rec;
    return NULL;
}

/* r, which is known as v, is no variable; but v may be a reading of one. Then a vjp was given r for it. Or r was the variable's value when the
   trace began and stands for itself here: in a replay the two are not one. */
static int from_outside(reel_capture *c, const reel_rec *r, int32_t v)
{
    if (!c->function || reel_ctx_()->backward || r->flags & (REEL_R_NUM | REEL_R_SPARSE)) return 0;
    reel_rec *const cell = cell_of(c, v);
    return cell ? keep_apart(c, cell) : 0;
}

/* fn NULL: inside an op call, whose site and name the context has. */
static int32_t lookup(reel_capture *c, const char *site, const char *fn, const char *what, reel_rec *r,
                      const reel_rec *value)
{
    if (r->flags & REEL_R_CELL) return read_cell(c, r, value, site);
    /* where only its shape is read, a row-sparse tensor stands for the table it was made like */
    const int32_t v = reel_map_get_(&c->graph->ids, r->flags & REEL_R_SPARSE ? r->id | SPARSE : r->id);
    if (v >= 0) return from_outside(c, r, v) ? -1 : v;
    if (r->flags & REEL_R_NUM) {
        for (const reel_capture *p = c->parent; p; p = p->parent) {
            const int32_t given = reel_map_get_(&p->graph->ids, r->id);
            if (given < 0 || p->graph->nodes[p->graph->values[given].node].kind != REEL_NODE_INPUT) continue;
            reel_fail_at_(site, REEL_ETRACE,
                          "%s is a number that the function was given: pass it to the control flow as an input", what);
            return -1;
        }
        return reel_capture_const_(c, r, site);
    }
    if (c->parent && !c->closed) {
        const int32_t around = lookup(c->parent, site, fn, what, r, value);
        const int32_t in = around < 0 || r->state != REEL_LIVE ? -1 : from_parent(c, r, around, site);
        if (in >= 0 && reel_map_put_(&c->graph->ids, r->id, in)) return -1;
        if (in < 0 && !reel_status())
            reel_fail_at_(site, REEL_ETRACE, "%s (made at %s) is dead inside control flow", what, r->made);
        return in;
    }
    if (c->anything || declared(c, r)) return reel_capture_const_(c, r, site);
    const char *made = r->made && *r->made ? r->made : "an unknown line", *dot = fn ? ": " : "";
    if (!fn) fn = "";
    if (r->flags & REEL_R_SYMBOLIC && !c->function) /* a function may have kept it from an earlier trace */
        reel_fail_at_(site, REEL_ETRACE, "%s%s%s (made at %s) belongs to another graph", fn, dot, what, made);
    else
        reel_fail_at_(site, REEL_ETRACE, "%s%s%s is an outside tensor, made at %s; %s", fn, dot, what, made,
                      outside_advice(c));
    return -1;
}

int32_t reel_capture_value_(reel_capture *c, const char *site, const char *fn, const char *what, reel_rec *r)
{
    if (r->flags & REEL_R_SPARSE && !(r = reel_dense_of_(site, r))) return -1;
    return lookup(c, site, fn, what, r, r->flags & REEL_R_CELL ? r->value : NULL);
}

static bool all_known(const reel_capture *c, const reel_call *call)
{
    for (int i = 0; i < call->n_out; i++)
        if (reel_map_get_(&c->graph->ids, call->out[i]->id) < 0) return false;
    return call->n_out > 0;
}

/* In a graph the cell itself stays as it is, so what it holds from here on is noted. */
static int note_assigned(reel_capture *c, const reel_rec *cell, reel_rec *value)
{
    if (!c->base.symbolic) return 0;
    if (reel_grow_((void **)&c->assigned_rec, &c->cap_assigned, c->n_assigned + 1, sizeof *c->assigned_rec))
        return REEL_ENOMEM;
    if (reel_map_put_(&c->assigned, cell->id, (int32_t)c->n_assigned)) return REEL_ENOMEM;
    reel_retain_rec_(value);
    c->assigned_rec[c->n_assigned++] = value;
    return 0;
}

/* From here on the variable's value has a record of its own: to a tape a reading of the variable is the variable, and what was assigned is
   what it was, which a body of control flow that takes both from around it could not tell apart by one id. reel_value gives what was
   assigned. from: what the call was given, a variable perhaps. */
static int note_value(reel_capture *c, reel_rec *cell, reel_rec *from, reel_rec *value, int32_t v)
{
    reel_rec *const was = c->base.symbolic ? NULL : reel_cell_get_(cell); /* a dense copy, perhaps */
    reel_rec *const given = was ? was : value, *const own = another_record(given);
    reel_idmap *const ids = &c->graph->ids;
    int rc = own && !reel_map_put_(ids, own->id, v) ? 0 : reel_status();
    if (!rc && reel_map_get_(ids, given->id) < 0 && reel_map_put_(ids, given->id, v)) rc = reel_status();
    if (!rc) rc = add_snapshot(c, own, given, from->flags & REEL_R_CELL ? from : NULL);
    if (!rc && was) reel_cell_set_(cell, own);
    if (was) reel_release_rec_(was);
    return rc ? rc : note_assigned(c, cell, own);
}

static reel_rec *read_assigned(reel_listener *self, const reel_rec *cell)
{
    const reel_capture *c = (const reel_capture *)self;
    const int32_t i = reel_map_get_(&c->assigned, cell->id);
    return i >= 0 ? c->assigned_rec[i] : c->parent ? read_assigned(&c->parent->base, cell) : NULL;
}

int reel_capture_bind_(reel_capture *c, const reel_rec *cell, reel_rec *value)
{
    const int32_t v = reel_map_get_(&c->graph->ids, value->id);
    if (v < 0)
        return reel_fail_at_("", REEL_ETRACE, "variable \"%s\" has no value here", cell->name ? cell->name : "?");
    return reel_map_put_(&c->graph->cells, cell->id, v) ? REEL_ENOMEM : note_assigned(c, cell, value);
}

reel_rec *reel_capture_bound_(const reel_capture *c, const reel_rec *cell)
{
    const int32_t i = reel_map_get_(&c->assigned, cell->id);
    return i >= 0 ? c->assigned_rec[i] : NULL;
}

/* A sub-graph assigns nothing: its op gives the value, which is assigned behind it. */
static int note_changed(reel_capture *c, reel_rec *cell)
{
    if (is_changed(c, cell)) return 0;
    if (reel_grow_((void **)&c->changed, &c->cap_changed, c->n_changed + 1, sizeof *c->changed)) return REEL_ENOMEM;
    reel_retain_rec_(cell);
    c->changed[c->n_changed++] = cell;
    return 0;
}

static int hear_assign(reel_capture *c, const reel_call *call)
{
    reel_rec *cell = call->arg[0], *value = call->in[1], *arg = call->arg[1];
    if (value->flags & REEL_R_NUM) { /* a variable's value is never weak */
        const reel_tensor *strong =
            reel_full_at(call->site, cell->type.dtype, cell->type.shape, reel_load_number_(value->data, REEL_F64));
        if (!strong) return reel_status();
        arg = value = reel_rec_of_(strong);
    }
    char fn[80];
    snprintf(fn, sizeof fn, "reel_%s", call->op->name);
    if (c->parent) {
        const int32_t v = lookup(c, call->site, fn, "value", arg, value);
        if (v < 0 || note_changed(c, cell)) return reel_status();
        return reel_map_put_(&c->graph->cells, cell->id, v) ? REEL_ENOMEM : note_value(c, cell, arg, value, v);
    }
    const int32_t in[2] = {first_read(c, cell, call->site), lookup(c, call->site, fn, "value", arg, value)};
    if (in[0] < 0 || in[1] < 0) return reel_status();
    const reel_node n = {.op = call->op, .kind = REEL_NODE_OP, .site = call->site, .n_in = 2};
    if (reel_graph_node_(c->graph, &n, call->attr, in, NULL) < 0) return reel_status();
    return reel_map_put_(&c->graph->cells, cell->id, in[1]) ? REEL_ENOMEM : note_value(c, cell, arg, value, in[1]);
}

/* ---- sizes that depend on data --------------------------------------------------------------------- */

/* A replay with other data has other sizes, so the graph has what the shape rules say without knowing them; so do vjps
   and users who ask for the shape (see reel_traced_type_). */
static bool is_sized_by_data(const reel_capture *c, const reel_call *call, const int32_t *in)
{
    if (c->base.symbolic || !c->graph->dynamic) return !c->base.symbolic && call->op->flags & REEL_OPF_DYNAMIC;
    bool known = !(call->op->flags & REEL_OPF_DYNAMIC);
    for (int i = 0; i < call->n_in && known; i++) known = reel_shape_known_(&c->graph->values[in[i]].type.shape);
    return !known;
}

static int note_sized(reel_capture *c, reel_rec *r, const reel_type *type)
{
    if (c->base.symbolic || reel_shape_known_(&type->shape)) return 0;
    if (reel_grow_((void **)&c->sized_type, &c->cap_sized, c->n_sized + 1, sizeof *c->sized_type)) return REEL_ENOMEM;
    reel_type *own = reel_alloc_(sizeof *own); /* where it lies it stays: vjps have pointers to it */
    if (!own) return REEL_ENOMEM;
    *own = *type;
    c->sized_type[c->n_sized++] = own;
    r->flags |= REEL_R_COUNTED;
    return reel_map_put_(&c->sized, r->id, (int32_t)c->n_sized - 1);
}

static const reel_type *known_type(reel_listener *self, const reel_rec *r)
{
    const reel_capture *c = (const reel_capture *)self;
    const int32_t i = reel_map_get_(&c->sized, r->id);
    return i >= 0 ? c->sized_type[i] : NULL;
}

static int begin_or_end(reel_listener *self, bool begins)
{
    reel_capture *c = (reel_capture *)self;
    if (!begins) {
        c->n_regions -= c->n_regions > 0;
        return 0;
    }
    if (reel_grow_((void **)&c->regions, &c->cap_regions, c->n_regions + 1, sizeof *c->regions)) return REEL_ENOMEM;
    c->regions[c->n_regions++] = c->graph ? (int32_t)c->graph->n_nodes : 0;
    return 0;
}

/* A call whose ops were heard one by one: tapes are to be told of it alone. Its vjp may be the first to read a variable's value. */
static int hear_summary(reel_capture *c, const reel_call *call)
{
    reel_graph *g = c->graph;
    int32_t in[REEL_MAX_IN], out[REEL_MAX_OUT];
    if (call->n_in > REEL_MAX_IN || call->n_out > REEL_MAX_OUT || !c->n_regions) {
        g->own_vjp = true;
        return 0;
    }
    const reel_summary s = {.op = call->op,
                            .site = call->site,
                            .n_in = call->n_in,
                            .n_out = call->n_out,
                            .begin = c->regions[c->n_regions - 1],
                            .end = (int32_t)g->n_nodes};
    for (int i = 0; i < call->n_in; i++) {
        in[i] = lookup(c, call->site, call->op->name, "an input", call->arg[i], call->in[i]);
        if (in[i] < 0) return reel_status();
    }
    for (int j = 0; j < call->n_out; j++) out[j] = reel_map_get_(&g->ids, call->out[j]->id);
    return reel_graph_summary_(g, &s, call->attr, in, out);
}

static int hear(reel_listener *self, const reel_call *call)
{
    reel_capture *c = (reel_capture *)self;
    if (call->n_out == 1 && (call->out[0]->flags & REEL_R_NUM)) return 0; /* a constant, when it is used */
    if (all_known(c, call)) return hear_summary(c, call);
    if (call->op->flags & REEL_OPF_CELL0) return hear_assign(c, call);
    if (call->n_in > REEL_MAX_IN || call->n_out > REEL_MAX_OUT)
        return reel_fail_at_(call->site, REEL_ETRACE, "reel_%s: a trace takes at most %d operands", call->op->name,
                             REEL_MAX_IN);
    int32_t in[REEL_MAX_IN];
    const reel_type *out[REEL_MAX_OUT];
    char fn[80], buf[REEL_ARG_TEXT];
    snprintf(fn, sizeof fn, "reel_%s", call->op->name);
    for (int i = 0; i < call->n_in; i++) {
        in[i] = lookup(c, call->site, fn, reel_arg_name_(call->op, i, buf), call->arg[i], call->in[i]);
        if (in[i] < 0) return reel_status();
    }
    reel_type type[REEL_MAX_OUT];
    const bool sized = is_sized_by_data(c, call, in);
    if (sized && reel_graph_infer_(c->graph, call->op, call->attr, call->site, in, call->n_in, type, call->n_out))
        return reel_status();
    for (int i = 0; i < call->n_out; i++) out[i] = sized ? &type[i] : &call->out[i]->type;
    const reel_node n = {
        .op = call->op, .kind = REEL_NODE_OP, .site = call->site, .n_in = call->n_in, .n_out = call->n_out};
    const int32_t v = reel_graph_node_(c->graph, &n, call->attr, in, out);
    if (v < 0) return reel_status();
    for (int i = 0; i < call->n_out; i++)
        if (reel_map_put_(&c->graph->ids, call->out[i]->id, v + i) || (sized && note_sized(c, call->out[i], &type[i])))
            return REEL_ENOMEM;
    return 0;
}

static int note_frozen(reel_capture *c, const reel_rec *r, bool made, const char *site, const char *what)
{
    while (c->parent) c = c->parent;
    reel_graph *g = c->graph;
    if (!c->function || !r) return 0;
    if (reel_grow_((void **)&g->frozen, &g->cap_frozen, g->n_frozen + 1, sizeof *g->frozen)) return REEL_ENOMEM;
    g->frozen[g->n_frozen++] = (reel_frozen){.site = site, .what = what, .type = r->type, .made = made};
    return 0;
}

static void asked(reel_listener *self, const char *site)
{
    reel_capture *c = (reel_capture *)self;
    if (!c->asked) c->asked = site;
}

static int host(reel_listener *self, reel_rec *r, bool made, const char *site, const char *what)
{
    reel_capture *c = (reel_capture *)self;
    if (made && !r)
        return reel_fail_at_(site, REEL_ETRACE, "%s: a variable cannot be made inside a %s, begun at %s", what,
                             c->function ? "trace" : "graph", c->base.site);
    if (!made && !r) {
        if (!c->function) return 0;
        return reel_fail_at_(
            site, REEL_ETRACE,
            "%s: seeding inside a trace (of the call at %s) would happen once, not in each replay: do it "
            "before the call",
            what, c->base.site);
    }
    if (!made && c->parent && r->flags & REEL_R_SYMBOLIC) return 0; /* in control flow it has no value in any mode */
    if (made && (!c->function || c->allow_reads) && reel_capture_const_(c, r, site) < 0) return reel_status();
    if (!c->function || c->allow_reads) return note_frozen(c, r, made, site, what);
    return reel_fail_at_(
        site, REEL_ETRACE,
        "%s: %s inside a trace (of the call at %s) would be frozen: pass it in in[], or set .allow_reads", what,
        made ? "host data" : "what is read", c->base.site);
}

static int same_value(reel_listener *self, const reel_rec *r, const reel_rec *old)
{
    reel_capture *c = (reel_capture *)self;
    const bool cell = old->flags & REEL_R_CELL;
    const int32_t v =
        cell ? read_cell(c, reel_rec_of_(reel_handle_(old)), NULL, r->made) : reel_map_get_(&c->graph->ids, old->id);
    if (v < 0) return cell ? reel_status() : 0;
    if (reel_map_put_(&c->graph->ids, r->flags & REEL_R_SPARSE ? r->id | SPARSE : r->id, v)) return REEL_ENOMEM;
    return old->flags & REEL_R_COUNTED ? note_sized(c, reel_rec_of_(reel_handle_(r)), &c->graph->values[v].type) : 0;
}

static void drop(reel_listener *self)
{
    reel_capture *c = (reel_capture *)self;
    c->open = false;
    if (c->function || c->parent || c->anything) return; /* its call goes on and sees it */
    c->graph->capture = NULL;
    reel_graph_release_(c->graph);
    reel_capture_end_(c);
    reel_free_(c, sizeof *c);
}

void reel_capture_end_(reel_capture *c)
{
    for (size_t i = 0; i < c->n_assigned; i++) reel_release_rec_(c->assigned_rec[i]);
    for (size_t i = 0; i < c->n_snapshots; i++) reel_release_rec_(c->snapshots[i].rec);
    reel_free_(c->snapshots, c->cap_snapshots * sizeof *c->snapshots);
    for (size_t i = 0; i < c->n_captured && !c->keep_captured; i++) reel_release_rec_(c->captured[i].rec);
    if (!c->keep_captured) reel_free_(c->captured, c->cap_captured * sizeof *c->captured);
    for (size_t i = 0; i < c->n_changed && !c->keep_captured; i++) reel_release_rec_(c->changed[i]);
    if (!c->keep_captured) reel_free_(c->changed, c->cap_changed * sizeof *c->changed);
    reel_free_(c->assigned_rec, c->cap_assigned * sizeof *c->assigned_rec);
    reel_map_free_(&c->assigned);
    for (size_t i = 0; i < c->n_sized; i++) reel_free_(c->sized_type[i], sizeof *c->sized_type[i]);
    reel_free_(c->sized_type, c->cap_sized * sizeof *c->sized_type);
    reel_free_(c->regions, c->cap_regions * sizeof *c->regions);
    reel_map_free_(&c->sized);
}

void reel_capture_start_(reel_capture *c, reel_graph *g, const char *site, bool symbolic)
{
    c->graph = g;
    c->open = true;
    c->base.site = site;
    c->base.symbolic = symbolic;
    c->base.hear = hear;
    c->base.host = host;
    c->base.read = read_assigned;
    c->base.value = value_of;
    c->base.same = same_value;
    c->base.type = known_type;
    c->base.asked = asked;
    c->base.region = begin_or_end;
    c->base.take = reel_capture_take_;
    c->base.drop = drop;
    reel_listener_push_(&c->base);
}

bool reel_is_capture_(const reel_listener *l)
{
    return l->hear == hear;
}

reel_capture *reel_capture_now_(void)
{
    for (reel_listener *l = reel_ctx_()->listeners; l; l = l->next)
        if (reel_is_capture_(l) && !l->paused) return (reel_capture *)l;
    return NULL;
}
