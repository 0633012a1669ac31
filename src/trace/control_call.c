/* control_call.c: a function as one node of the graph around it. Under a tape its gradient is another node (control_back.c). Elsewhere only its
   inputs are kept: its gradient runs the nodes of its sub-graph again, with the random numbers drawn again. So are checkpoints inside
   traces and graphs. */
#include <stdio.h>
#include <string.h>
#include "control.h"
#include "core/again.h"
#include "core/alloc.h"
#include "core/error.h"
#include "function.h"
#include "reel/reel.h"

/* ---- the gradient ---------------------------------------------------------------------------------------------- */

/* in[] of a function are values of its own (see by_body in function.c): their gradients join at the end; what it takes from around it, and
   all that a checkpoint takes, goes on with the sums that are there, as its ops one by one would. */
static bool goes_on(const reel_control *c, const reel_vjp_args *v, int i)
{
    const int first = c->part[0].as_it_is ? 0 : c->n_own;
    return i >= first && !reel_vjp_again_(v, first, i);
}

int reel_call_vjp_(const reel_vjp_args *v)
{
    reel_control *c = ((const reel_control_attr *)v->attr)->control;
    bool need[REEL_MAX_IN] = {false}, any = false;
    reel_tensor *from[REEL_MAX_IN], *dout[REEL_MAX_OUT] = {NULL}, *din[REEL_MAX_IN];
    for (int i = 0; i < v->n_in; i++) {
        need[i] = v->need[i] && reel_is_float_tensor_(v->in[i]);
        from[i] = goes_on(c, v, i) ? v->sum[i] : NULL;
    }
    for (int j = 0; j < c->n_out; j++) { /* none of those that are assigned to variables behind it */
        const int kept = c->n_out - c->n_kept;
        dout[j] = j >= kept - c->n_cells && j < kept ? NULL : v->dout[j];
        any = any || dout[j];
    }
    if (!any) return 0;
    reel_redraw draws = reel_redraw_of_(c, v->out + c->n_out);
    int rc = reel_back_pull_(c, v, need, from, din);
    if (rc < 0) rc = reel_pull_(v->site, &c->part[0], v->in, v->n_in, need, from, dout, &draws, din);
    for (int i = 0; i < v->n_in && !rc; i++) {
        if (!need[i]) continue;
        v->din[i] = din[i];
        v->total[i] = goes_on(c, v, i);
    }
    return rc;
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------ */

/* Outputs that are inputs, or there twice, are values of their own: the op gives them so. Without a tape, and without a graph that may
   be differentiated later, nothing is to be gained. */
int reel_capture_take_(reel_listener *self, const char *site, const char *fn, reel_fn f, reel_list in,
                       reel_tensor **out)
{
    reel_capture *c = (reel_capture *)self;
    reel_tensor *t[REEL_MAX_IN];
    if ((!reel_control_taped_() && (c->function || c->parent)) || !in.n || !f.n_out || in.n >= REEL_MAX_IN) return -1;
    for (int i = 0; i < in.n; i++)
        if (reel_rec_of_(in.t[i])->flags & REEL_R_NUM) return -1; /* it takes the dtype of what it meets inside */
    reel_scope_rec *outer = reel_ctx_()->scope;
    reel_scope *scope = reel_scope_begin(site, fn);
    int rc = scope ? reel_control_strong_(site, in, t) : REEL_ENOMEM;
    const reel_traced how = {
        .kind = REEL_CALL, .site = site, .fn = fn, .around = c, .f = {f}, .in = {in.n, t}, .again = true};
    if (!rc) rc = reel_control_trace_(&how, out);
    if (!rc) reel_control_give_(outer, f.n_out, out);
    reel_scope_end(scope);
    reel_error e;
    if (rc == REEL_ETRACE && c->allow_reads && reel_take_error(&e)) return -1; /* it reads host data */
    return rc;
}

/* ---- functions ------------------------------------------------------------------------------------------------------ */

static void called_free(reel_called *k)
{
    reel_free_(k->types, ((size_t)k->n + 1) * sizeof *k->types);
    reel_free_(k->statics, k->statics_size + 1);
    reel_control_release_(k->control);
    reel_free_(k, sizeof *k);
}

void reel_called_free_(reel_function *f)
{
    while (f->called) {
        reel_called *k = f->called;
        f->called = k->next;
        called_free(k);
    }
}

static reel_called *called_new(const reel_function *f, const reel_type *types)
{
    reel_called *k = reel_zalloc_(sizeof *k);
    if (!k) return NULL;
    k->n = f->fn.n_in;
    k->widen = reel_ctx_()->widen;
    k->statics_size = f->statics_size;
    k->types = reel_alloc_array_((size_t)k->n + 1, sizeof *k->types);
    k->statics = reel_alloc_(k->statics_size + 1);
    if (!k->types || !k->statics) {
        called_free(k);
        return NULL;
    }
    for (int i = 0; i < k->n; i++) k->types[i] = types[i];
    if (k->statics_size) memcpy(k->statics, f->statics, k->statics_size);
    return k;
}

static bool fits(const reel_called *k, const reel_function *f, const reel_type *types, bool keeps)
{
    bool fit = k->widen == reel_ctx_()->widen && k->keeps == keeps;
    if (k->statics_size) fit = fit && memcmp(k->statics, f->statics, k->statics_size) == 0;
    for (int i = 0; i < k->n && fit; i++)
        fit = k->types[i].dtype == types[i].dtype && reel_shape_same_(&k->types[i].shape, &types[i].shape);
    return fit;
}

/* The sub-graph for those types, with a reference; NULL: none yet. */
static reel_control *find_called(reel_function *f, const reel_type *types, bool keeps)
{
    reel_control *c = NULL;
    pthread_mutex_lock(&f->lock);
    for (const reel_called *k = f->called; k && !c; k = k->next)
        if (fits(k, f, types, keeps)) c = k->control;
    if (c) atomic_fetch_add(&c->refs, 1);
    pthread_mutex_unlock(&f->lock);
    return c;
}

/* Takes over the reference. The oldest goes when there are too many. */
static int keep_called(reel_function *f, const reel_type *types, bool keeps, reel_control *c)
{
    reel_called *k = called_new(f, types), *gone = NULL;
    if (!k) {
        reel_control_release_(c);
        return REEL_ENOMEM;
    }
    k->control = c;
    k->keeps = keeps;
    pthread_mutex_lock(&f->lock);
    k->next = f->called;
    f->called = k;
    f->made++;
    reel_called **at = &f->called;
    for (int i = 0; i < f->max_traces && *at; i++) at = &(*at)->next;
    gone = *at;
    *at = NULL;
    pthread_mutex_unlock(&f->lock);
    while (gone) {
        reel_called *next = gone->next;
        called_free(gone);
        gone = next;
    }
    return 0;
}

static int call_or_trace(const reel_fn_call *c, reel_traced *t, const reel_type *types, reel_tensor **out)
{
    reel_function *f = c->f;
    const reel_function *around = t->around->function;
    const bool checked = f->check || (around && around->check); /* the body as it is now, each time */
    reel_control *kept = checked ? NULL : find_called(f, types, t->keeps), *made = NULL;
    if (kept) {
        const int rc = reel_control_call_(t, kept, out);
        reel_control_release_(kept);
        return rc;
    }
    t->made = checked ? NULL : &made;
    const int rc = reel_control_trace_(t, out);
    t->made = NULL;
    if (!rc && made) return keep_called(f, types, t->keeps, made);
    reel_control_release_(made);
    return rc;
}

int reel_call_node_(const reel_fn_call *c, reel_capture *around, reel_tensor **out)
{
    static const char fn[] = "reel_function_call";
    reel_function *f = c->f;
    reel_type types[REEL_MAX_IN];
    if (f->fn.n_in < 1 || f->fn.n_in >= REEL_MAX_IN || f->fn.n_out < 1) return -1;
    for (int i = 0; i < c->n; i++) {
        char what[32];
        snprintf(what, sizeof what, "in[%d]", i);
        reel_rec *r = reel_live_(c->site, fn, what, c->in[i]);
        if (!r) return reel_status();
        if (r->flags & REEL_R_NUM) return -1; /* it takes the dtype of what it meets inside */
        const int32_t v = reel_capture_value_(around, c->site, fn, what, r);
        if (v < 0) return reel_status();
        types[i] = around->graph->values[v].type;
    }
    reel_traced t = {
        .kind = REEL_CALL, .site = c->site, .fn = fn, .around = around, .f = {f->fn}, .in = {c->n, c->in}, .called = f};
    t.keeps = reel_graded_(around);
    return call_or_trace(c, &t, types, out);
}
