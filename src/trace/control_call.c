/* control_call.c: a function as one node of the graph around it. Only its inputs are kept: its gradient runs the nodes of its sub-graph
   again, with the random numbers drawn again. So are checkpoints inside traces and graphs. */
#include <string.h>
#include "control.h"
#include "core/alloc.h"
#include "core/error.h"
#include "function.h"
#include "reel/reel.h"

/* ---- the gradient ---------------------------------------------------------------------------------------------- */

/* in[] of a function are values of its own (see by_body in function.c): their gradients join at the end; what it takes from around it, and
   all that a checkpoint takes, goes on with the sums that are there, as its ops one by one would. */
static bool goes_on(const reel_control *c, const reel_vjp_args *v, int i)
{
    if (c->part[0].as_it_is) return !reel_given_before_(v->in, i);
    return i >= c->n_own;
}

int reel_call_vjp_(const reel_vjp_args *v)
{
    const reel_control *c = ((const reel_control_attr *)v->attr)->control;
    bool need[REEL_MAX_IN] = {false}, any = false;
    reel_tensor *from[REEL_MAX_IN], *dout[REEL_MAX_OUT] = {NULL}, *din[REEL_MAX_IN];
    for (int i = 0; i < v->n_in; i++) {
        need[i] = v->need[i] && reel_is_float_tensor_(v->in[i]);
        from[i] = goes_on(c, v, i) ? v->sum[i] : NULL;
    }
    for (int j = 0; j < c->n_out - c->n_cells; j++) {
        dout[j] = v->dout[j];
        any = any || dout[j];
    }
    if (!any) return 0;
    reel_redraw draws = reel_redraw_of_(c, v->out + c->n_out);
    const int rc = reel_pull_(v->site, &c->part[0], v->in, v->n_in, need, from, dout, &draws, din);
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
