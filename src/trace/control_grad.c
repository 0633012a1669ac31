/* control_grad.c: the gradients of cond and while are a cond and a while themselves, whose bodies run the nodes of the sub-graphs again
   under a tape. So they work in every mode, and have gradients. */
#include <string.h>
#include "control.h"
#include "core/alloc.h"
#include "core/error.h"
#include "reel/reel.h"

static bool is_float(const reel_tensor *t)
{
    return reel_is_float_(reel_rec_of_(t)->type.dtype);
}

/* x itself under a new id, so that equal inputs have gradients of their own. */
static reel_tensor *renamed(const char *site, reel_tensor *x)
{
    reel_axes axes = {.n = reel_rec_of_(x)->type.shape.rank};
    for (int i = 0; i < axes.n; i++) axes.axis[i] = i;
    return reel_transpose_at(site, x, axes);
}

/* ---- a sub-graph's nodes once more ------------------------------------------------------------------------- */

typedef struct again {
    const char *site;
    const reel_part *part;
    reel_tensor *in[REEL_MAX_IN]; /* the op's, without a condition */
    uint8_t *need;
    reel_tensor **tensors;
    bool *fed;
} again;

static int again_begin(again *a, const char *site, const reel_part *part, reel_tensor *const *in, int n)
{
    const reel_graph *g = part->player.graph;
    *a = (again){.site = site, .part = part};
    memcpy(a->in, in, (size_t)n * sizeof *in);
    a->need = reel_zalloc_(g->n_nodes + 1);
    a->fed = reel_zalloc_((g->n_values + 1) * sizeof *a->fed);
    a->tensors = reel_zalloc_((g->n_values + 1) * sizeof *a->tensors);
    return a->need && a->fed && a->tensors ? 0 : REEL_ENOMEM;
}

static void again_end(again *a)
{
    const reel_graph *g = a->part->player.graph;
    reel_free_(a->need, g->n_nodes + 1);
    reel_free_(a->fed, (g->n_values + 1) * sizeof *a->fed);
    reel_free_(a->tensors, (g->n_values + 1) * sizeof *a->tensors);
}

/* All of its outputs, or those that are wanted. */
static int again_run(again *a, reel_tensor *const *wanted, reel_tensor **out)
{
    const reel_graph *g = a->part->player.graph;
    for (int k = 0; k < g->n_inputs; k++) {
        a->tensors[g->inputs[k]] = a->in[a->part->from[k]];
        a->fed[g->inputs[k]] = true;
    }
    for (int j = 0; j < g->n_outputs; j++)
        if ((!wanted || wanted[j]) && !a->fed[g->outputs[j]]) a->need[g->values[g->outputs[j]].node] = REEL_NEED_VALUE;
    reel_prune_(g, a->fed, a->need);
    const int rc = reel_rerun_(g, a->need, a->tensors);
    for (int j = 0; j < g->n_outputs && !rc; j++) out[j] = a->tensors[g->outputs[j]];
    return rc;
}

int reel_part_again_(const char *site, const reel_part *part, reel_tensor *const *in, int n, reel_tensor **out)
{
    again a;
    int rc = again_begin(&a, site, part, in, n);
    if (!rc) rc = again_run(&a, NULL, out);
    again_end(&a);
    return rc;
}

int reel_pull_(const char *site, const reel_part *part, reel_tensor *const *in, int n, const bool *need,
               reel_tensor *const *from, reel_tensor *const *dout, reel_tensor **din)
{
    const int n_out = part->player.graph->n_outputs;
    reel_tensor *xs[REEL_MAX_IN], *start[REEL_MAX_IN], *dxs[REEL_MAX_IN], *out[REEL_MAX_OUT], *ys[REEL_MAX_OUT],
        *dys[REEL_MAX_OUT];
    int at[REEL_MAX_IN], nx = 0, ny = 0;
    again a;
    int rc = again_begin(&a, site, part, in, n);
    for (int i = 0; i < n && !rc; i++) {
        din[i] = need[i] ? from[i] : NULL;
        bool used = false;
        for (int k = 0; k < part->n_in; k++) used |= part->from[k] == i;
        if (!need[i] || !used) continue;
        a.in[i] = renamed(site, in[i]);
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
        if (!rc) rc = again_run(&a, dout, out);
        for (int j = 0; j < n_out && !rc; j++) {
            if (!dout[j] || !is_float(out[j])) continue;
            ys[ny] = out[j];
            dys[ny++] = dout[j];
        }
        if (!rc && ny)
            rc = reel_vjp_from_(site, tape, (reel_list){ny, ys}, (reel_list){ny, dys}, (reel_list){nx, xs}, start, dxs);
        if (tape && (rc || !ny)) reel_tape_end(tape);
        for (int k = 0; k < nx && ny && !rc; k++) din[at[k]] = dxs[k];
    }
    again_end(&a);
    return rc;
}

int reel_control_draws_(const reel_vjp_args *v, const reel_control *c)
{
    if (!c->draws) return 0;
    return reel_fail_at_(
        v->site, REEL_ETRACE,
        "reel_%s: a traced body that draws random numbers has no gradient, as running it again would draw "
        "others: draw them before, and pass them in",
        v->op->name);
}

static reel_tensor *or_zeros(const char *site, reel_tensor *d, reel_tensor *like)
{
    return d ? d : reel_zeros_like_at(site, like);
}

/* ---- cond ------------------------------------------------------------------------------------------------- */

typedef struct branch {
    const reel_vjp_args *v;
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
    for (int j = 0; j < v->n_out; j++) dout[j] = v->dout[j] ? in[k++] : NULL;
    int rc = reel_pull_(v->site, b->part, v->in + 1, v->n_in - 1, b->need, b->from, dout, din);
    k = 0;
    for (int i = 0; i < v->n_in - 1 && !rc; i++)
        if (b->need[i] && !(out[k++] = or_zeros(v->site, din[i], v->in[i + 1]))) rc = reel_status();
    return rc;
}

int reel_cond_vjp_(const reel_vjp_args *v)
{
    const reel_control *c = ((const reel_control_attr *)v->attr)->control;
    bool need[REEL_MAX_IN] = {false};
    reel_tensor *from[REEL_MAX_IN], *dys[REEL_MAX_OUT], *out[REEL_MAX_OUT];
    int n = 0, ny = 0;
    int rc = reel_control_draws_(v, c);
    for (int i = 0; i < v->n_in - 1; i++) {
        need[i] = v->need[i + 1] && is_float(v->in[i + 1]);
        from[i] = v->sum[i + 1];
        n += need[i];
    }
    for (int j = 0; j < v->n_out; j++)
        if (v->dout[j]) dys[ny++] = v->dout[j];
    if (rc || !n || !ny) return rc;
    branch b[2];
    reel_fn fn[2];
    for (int k = 0; k < 2; k++) {
        b[k] = (branch){.v = v, .part = &c->part[k], .need = need, .from = from};
        fn[k] = (reel_fn){branch_body, &b[k], ny, n, "gradient"};
    }
    rc = reel_cond_at(v->site, v->in[0], fn[0], fn[1], (reel_list){ny, dys}, out);
    n = 0;
    for (int i = 0; i < v->n_in - 1 && !rc; i++) {
        if (!need[i]) continue;
        v->din[i + 1] = out[n++];
        v->total[i + 1] = true;
    }
    return rc;
}

/* ---- while ------------------------------------------------------------------------------------------------- */

/* The backward loop's state: how many steps are left; the gradients of the float states; those of the tensors around, as far as they
   are needed. */
typedef struct back {
    const reel_vjp_args *v;
    const reel_control *c;
    int n_own, n;           /* states, all inputs */
    bool need[REEL_MAX_IN]; /* of a step's body: all float states, and what is needed of the rest */
    bool stored;
    reel_tensor *const *stacks, *const *dstacks;
} back;

static int positive(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const back *b = self;
    out[0] = reel_greater_at(b->v->site, in[0], reel_num_at(b->v->site, 0));
    return reel_status();
}

/* The first steps again: the number of the step and the states. */
typedef struct forth {
    const back *b;
    reel_tensor *until;
} forth;

static int earlier(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const forth *f = self;
    out[0] = reel_less_at(f->b->v->site, in[0], f->until);
    return reel_status();
}

static int one_step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const back *b = ((const forth *)self)->b;
    reel_tensor *all[REEL_MAX_IN];
    for (int i = 0; i < b->n; i++) all[i] = i < b->n_own ? in[i + 1] : b->v->in[i];
    const int rc = reel_part_again_(b->v->site, &b->c->part[1], all, b->n, out + 1);
    out[0] = reel_add_at(b->v->site, in[0], reel_num_at(b->v->site, 1));
    return rc ? rc : reel_status();
}

/* The states before step i. */
static int states_before(const back *b, reel_tensor *i, reel_tensor **state)
{
    const char *site = b->v->site;
    reel_tensor *first[REEL_MAX_IN + 1], *last[REEL_MAX_IN + 1];
    if (b->stored) {
        for (int k = 0; k < b->n_own; k++)
            if (!(state[k] = reel_gather_at(site, b->stacks[k], i, 0))) return reel_status();
        return 0;
    }
    forth f = {b, i};
    first[0] = reel_zeros_like_at(site, i);
    if (!first[0]) return reel_status();
    memcpy(first + 1, b->v->in, (size_t)b->n_own * sizeof *first);
    const int n = b->n_own + 1;
    const int rc = reel_while_at(site, (reel_fn){earlier, &f, n, 1, "earlier"}, (reel_fn){one_step, &f, n, n, "step"},
                                 (reel_list){n, first}, NULL, last);
    if (!rc) memcpy(state, last + 1, (size_t)b->n_own * sizeof *state);
    return rc;
}

static int one_back(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const back *b = self;
    const char *site = b->v->site;
    reel_tensor *all[REEL_MAX_IN], *from[REEL_MAX_IN], *dout[REEL_MAX_OUT], *din[REEL_MAX_IN];
    reel_tensor *i = reel_sub_at(site, in[0], reel_num_at(site, 1));
    if (!i) return reel_status();
    int rc = states_before(b, i, all);
    int k = 1;
    for (int j = 0; j < b->n; j++) {
        const bool own = j < b->n_own;
        if (!own) all[j] = b->v->in[j];
        from[j] = !own && b->need[j] ? in[k++] : NULL;
        if (own) dout[j] = b->need[j] ? in[k++] : NULL;
    }
    if (!rc) rc = reel_pull_(site, &b->c->part[1], all, b->n, b->need, from, dout, din);
    out[0] = i;
    k = 1;
    for (int j = 0; j < b->n && !rc; j++) {
        if (!b->need[j]) continue;
        reel_tensor *d = or_zeros(site, din[j], all[j]);
        if (d && j < b->n_own && b->dstacks[j]) d = reel_add_at(site, d, reel_gather_at(site, b->dstacks[j], i, 0));
        out[k++] = d;
        if (!d) rc = reel_status();
    }
    return rc;
}

int reel_while_vjp_(const reel_vjp_args *v)
{
    const reel_control_attr *a = v->attr;
    const reel_control *c = a->control;
    reel_tensor *none[REEL_MAX_IN] = {NULL}, *start[REEL_MAX_IN + 1], *end[REEL_MAX_IN + 1];
    back b = {.v = v, .c = c, .n_own = c->n_own, .n = v->n_in, .stored = a->stored != 0, .dstacks = none};
    int n = 1, rc = reel_control_draws_(v, c);
    if (b.stored) b.stacks = v->out + c->n_own + 1, b.dstacks = v->dout + c->n_own + 1;
    start[0] = v->out[c->n_own];
    for (int i = 0; i < v->n_in && !rc; i++) {
        const bool own = i < c->n_own;
        b.need[i] = is_float(v->in[i]) && (own || v->need[i]);
        if (!b.need[i]) continue;
        start[n] = or_zeros(v->site, own ? v->dout[i] : v->sum[i], v->in[i]);
        if (!start[n]) return reel_status();
        n++;
    }
    if (rc || n == 1) return rc;
    rc = reel_while_at(v->site, (reel_fn){positive, &b, n, 1, "left"}, (reel_fn){one_back, &b, n, n, "gradient"},
                       (reel_list){n, start}, REEL_OPTS(while, .max_steps = c->max_steps), end);
    n = 1;
    for (int i = 0; i < v->n_in && !rc; i++) {
        if (!b.need[i]) continue;
        v->total[i] = i >= c->n_own;
        v->din[i] = end[n++];
    }
    return rc;
}
