/* control_grad.c: the gradient of an op with sub-graphs runs their nodes again under a tape: of a cond within a cond, of a loop within a
   loop (control_while.c). So gradients work in every mode, and have gradients. What was drawn is drawn again (redraw.c). */
#include <string.h>
#include "control.h"
#include "core/again.h"
#include "core/alloc.h"
#include "core/error.h"
#include "reel/reel.h"

reel_tensor *reel_control_renamed_(const char *site, reel_tensor *x)
{
    reel_axes axes = {.n = reel_rec_of_(x)->type.shape.rank};
    for (int i = 0; i < axes.n; i++) axes.axis[i] = i;
    return reel_transpose_at(site, x, axes);
}

reel_tensor *reel_nothing_like_(const char *site, reel_tensor *x)
{
    return reel_full_like_at(site, x, -0.0);
}

bool reel_given_before_(reel_tensor *const *in, int i)
{
    for (int k = 0; k < i; k++)
        if (reel_rec_of_(in[k])->id == reel_rec_of_(in[i])->id) return true;
    return false;
}

/* ---- a sub-graph's nodes once more ------------------------------------------------------------------------- */

int reel_again_begin_(reel_again *a, const char *site, const reel_part *part, reel_tensor *const *in, int n)
{
    const reel_graph *g = part->player.graph;
    *a = (reel_again){.site = site, .part = part};
    memcpy(a->in, in, (size_t)n * sizeof *in);
    a->need = reel_zalloc_(g->n_nodes + 1);
    a->fed = reel_zalloc_((g->n_values + 1) * sizeof *a->fed);
    a->tensors = reel_zalloc_((g->n_values + 1) * sizeof *a->tensors);
    return a->need && a->fed && a->tensors ? 0 : REEL_ENOMEM;
}

void reel_again_end_(reel_again *a)
{
    const reel_graph *g = a->part->player.graph;
    reel_free_(a->need, g->n_nodes + 1);
    reel_free_(a->fed, (g->n_values + 1) * sizeof *a->fed);
    reel_free_(a->tensors, (g->n_values + 1) * sizeof *a->tensors);
}

int reel_again_run_(reel_again *a, reel_tensor *const *wanted, reel_redraw *draws, reel_tensor **out)
{
    const reel_graph *g = a->part->player.graph;
    reel_generator *gens[REEL_MAX_DRAWN];
    for (size_t i = 0; i < g->n_nodes && draws->n; i++)
        if (g->nodes[i].op && reel_draws_of_(g->nodes[i].op, reel_node_attr_(g, &g->nodes[i]), gens))
            a->need[i] = REEL_NEED_VALUE;
    for (int k = 0; k < g->n_inputs; k++) {
        a->tensors[g->inputs[k]] = a->in[a->part->from[k]];
        a->fed[g->inputs[k]] = true;
    }
    for (int j = 0; j < g->n_outputs; j++)
        if ((!wanted || wanted[j]) && !a->fed[g->outputs[j]]) a->need[g->values[g->outputs[j]].node] = REEL_NEED_VALUE;
    reel_prune_taped_(g, a->fed, a->need);
    const int rc = reel_rerun_(g, a->need, a->tensors, draws->n ? draws : NULL);
    for (int j = 0; j < g->n_outputs && !rc; j++) out[j] = a->tensors[g->outputs[j]];
    return rc;
}

int reel_part_again_(const char *site, const reel_part *part, reel_tensor *const *in, int n, reel_redraw *draws,
                     reel_tensor **out)
{
    reel_again a;
    int rc = reel_again_begin_(&a, site, part, in, n);
    if (!rc) rc = reel_again_run_(&a, NULL, draws, out);
    reel_again_end_(&a);
    return rc;
}

int reel_pull_(const char *site, const reel_part *part, reel_tensor *const *in, int n, const bool *need,
               reel_tensor *const *from, reel_tensor *const *dout, reel_redraw *draws, reel_tensor **din)
{
    const int n_out = part->player.graph->n_outputs;
    reel_tensor *xs[REEL_MAX_IN], *start[REEL_MAX_IN], *dxs[REEL_MAX_IN], *out[REEL_MAX_OUT], *ys[REEL_MAX_OUT],
        *dys[REEL_MAX_OUT];
    int at[REEL_MAX_IN], nx = 0, ny = 0;
    reel_again a;
    int rc = reel_again_begin_(&a, site, part, in, n);
    for (int i = 0; i < n && !rc; i++) {
        din[i] = need[i] ? from[i] : NULL;
        bool used = false;
        for (int k = 0; k < part->n_in; k++) used |= part->from[k] == i;
        if (!need[i] || !used) continue;
        if (!part->as_it_is || reel_given_before_(in, i)) a.in[i] = reel_control_renamed_(site, in[i]);
        if (!a.in[i]) rc = reel_status();
        at[nx] = i;
        start[nx] = from[i];
        xs[nx++] = a.in[i];
    }
    bool any = false;
    for (int j = 0; j < n_out; j++) any |= dout[j] != NULL;
    if (!rc && nx && any) {
        reel_tape *tape = reel_tape_begin_at(site, REEL_OPTS(tape, .no_variables = true));
        rc = tape ? reel_watch_at(site, tape, (reel_list){nx, xs}) : reel_status();
        if (!rc) rc = reel_again_run_(&a, dout, draws, out);
        for (int j = 0; j < n_out && !rc; j++) {
            if (!dout[j] || !reel_is_float_tensor_(out[j])) continue;
            ys[ny] = out[j];
            dys[ny++] = dout[j];
        }
        if (!rc && ny)
            rc = reel_vjp_from_(site, tape, (reel_list){ny, ys}, (reel_list){ny, dys}, (reel_list){nx, xs}, start, dxs);
        if (tape && (rc || !ny)) reel_tape_end(tape);
        for (int k = 0; k < nx && ny && !rc; k++) din[at[k]] = dxs[k];
    }
    reel_again_end_(&a);
    return rc;
}

static reel_tensor *or_zeros(const char *site, reel_tensor *d, reel_tensor *like)
{
    return d ? d : reel_zeros_like_at(site, like);
}

/* ---- cond ------------------------------------------------------------------------------------------------- */

/* What is assigned to variables behind the op gives it no gradient: to a tape, a variable read later is the variable. */
static int values_of(const reel_control *c)
{
    return c->n_out - c->n_cells;
}

typedef struct branch {
    const reel_vjp_args *v;
    const reel_control *c;
    const reel_part *part;
    const bool *need;
    reel_tensor *const *from;
} branch;

/* in: the gradients of the outputs that have one; out: those of the inputs that need one. */
static int branch_body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const branch *b = self;
    const reel_vjp_args *v = b->v;
    reel_tensor *dout[REEL_MAX_OUT], *din[REEL_MAX_IN];
    int k = 0;
    for (int j = 0; j < b->c->n_out; j++) dout[j] = j < values_of(b->c) && v->dout[j] ? in[k++] : NULL;
    reel_redraw draws = reel_redraw_of_(b->c, v->out + b->c->n_out);
    int rc = reel_pull_(v->site, b->part, v->in + 1, v->n_in - 1, b->need, b->from, dout, &draws, din);
    k = 0;
    for (int i = 0; i < v->n_in - 1 && !rc; i++)
        if (b->need[i] && !(out[k++] = or_zeros(v->site, din[i], v->in[i + 1]))) rc = reel_status();
    return rc;
}

int reel_cond_vjp_(const reel_vjp_args *v)
{
    const reel_control *c = ((const reel_control_attr *)v->attr)->control;
    bool need[REEL_MAX_IN] = {false}, total[REEL_MAX_IN];
    reel_tensor *from[REEL_MAX_IN], *dys[REEL_MAX_OUT], *out[REEL_MAX_OUT];
    int n = 0, ny = 0;
    int rc = 0;
    for (int i = 0; i < v->n_in - 1; i++) {
        need[i] = v->need[i + 1] && reel_is_float_tensor_(v->in[i + 1]);
        /* operands are copies: see reel_control_apart_ */
        total[i] = i >= c->n_own && !reel_vjp_again_(v, c->n_own + 1, i + 1);
        from[i] = total[i] ? v->sum[i + 1] : NULL;
        n += need[i];
    }
    for (int j = 0; j < values_of(c); j++)
        if (v->dout[j]) dys[ny++] = v->dout[j];
    if (!n || !ny) return 0;
    branch b[2];
    reel_fn fn[2];
    for (int k = 0; k < 2; k++) {
        b[k] = (branch){.v = v, .c = c, .part = &c->part[k], .need = need, .from = from};
        fn[k] = (reel_fn){branch_body, &b[k], ny, n, "gradient"};
    }
    rc = reel_cond_at(v->site, v->in[0], fn[0], fn[1], (reel_list){ny, dys}, out);
    n = 0;
    for (int i = 0; i < v->n_in - 1 && !rc; i++) {
        if (!need[i]) continue;
        v->din[i + 1] = out[n++];
        v->total[i + 1] = total[i];
    }
    return rc;
}
