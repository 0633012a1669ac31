/* checkpoint.c: a function whose inside is not kept but run again by its gradient (Chen et al. 2016). */
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "core/random.h"
#include "tape.h"

static const char fn[] = "reel_checkpoint";

/* ---- the variables that a function reads --------------------------------------------------------- */

int reel_cells_add_(reel_cells *s, reel_rec *cell, reel_rec *value)
{
    for (size_t k = 0; k < s->n; k++)
        if (s->use[k].cell == cell) return 0;
    if (reel_grow_((void **)&s->use, &s->cap, s->n + 1, sizeof *s->use)) return REEL_ENOMEM;
    reel_ghost_(cell);
    reel_retain_rec_(value);
    s->use[s->n++] = (reel_cell_use){cell, value};
    return 0;
}

static int cells_hear(reel_listener *l, const reel_call *call)
{
    int rc = 0;
    for (int i = 0; i < call->n_in && !rc; i++)
        if (call->arg[i]->flags & REEL_R_CELL) rc = reel_cells_add_((reel_cells *)l, call->arg[i], call->in[i]);
    return rc;
}

static void cells_drop(reel_listener *l)
{
    l->hear = NULL; /* unlinked already; its owner frees it */
}

void reel_cells_begin_(reel_cells *s, const char *site)
{
    memset(s, 0, sizeof *s);
    s->listener.site = site;
    s->listener.hear = cells_hear;
    s->listener.drop = cells_drop;
    reel_listener_push_(&s->listener);
}

void reel_cells_end_(reel_cells *s)
{
    reel_listener_remove_(&s->listener);
}

void reel_cells_free_(reel_cells *s)
{
    for (size_t i = 0; i < s->n; i++) {
        reel_unghost_(s->use[i].cell);
        reel_release_rec_(s->use[i].value);
    }
    reel_free_(s->use, s->cap * sizeof *s->use);
    s->use = NULL;
    s->n = s->cap = 0;
}

/* ---- the entry ----------------------------------------------------------------------------------- */

typedef struct shared_cells {
    int refs; /* tapes that have the entry, and the call under way */
    reel_cells cells;
    int given[REEL_MAX_IN]; /* which of them is in[i]; -1: in[i] is no variable */
    reel_draws draws;
} shared_cells;

typedef struct checkpoint_attr {
    reel_fn f;
    shared_cells *shared;
} checkpoint_attr;

static void attr_retain(const void *attr)
{
    ((const checkpoint_attr *)attr)->shared->refs++;
}

static void attr_release(const void *attr)
{
    shared_cells *s = ((const checkpoint_attr *)attr)->shared;
    if (--s->refs > 0) return;
    reel_cells_free_(&s->cells);
    reel_draws_free_(&s->draws);
    reel_free_(s, sizeof *s);
}

/* The rerun reads the variables themselves, so they must hold what they held. */
static int check_cells(const reel_vjp_args *v, const reel_cells *cells)
{
    for (size_t k = 0; k < cells->n; k++) {
        const reel_cell_use *u = &cells->use[k];
        if (u->cell->state != REEL_LIVE)
            return reel_fail_at_(v->site, REEL_ETRACE,
                                 "%s: a variable that the function reads was freed before its gradient was asked for",
                                 fn);
        if (u->value != u->cell && (!u->cell->value || u->cell->value->id != u->value->id))
            return reel_fail_at_(v->site, REEL_ETRACE,
                                 "%s: variable \"%s\" was assigned between the function and its gradient", fn,
                                 u->cell->name);
    }
    return 0;
}

/* Weak numbers have no gradients. */
static bool is_wanted(const reel_vjp_args *v, reel_tensor *const in[], int n_given, int i)
{
    return v->need[i] && !(i < n_given && reel_rec_of_(in[i])->flags & REEL_R_NUM);
}

/* Draws what it drew; the generators stay where they are. */
static int run_again(const reel_vjp_args *v, const checkpoint_attr *a, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_draws *d = &a->shared->draws;
    reel_ctx *c = reel_ctx_();
    reel_random_state *state = reel_alloc_array_(d->n + 1, sizeof *state);
    if (!state) return REEL_ENOMEM;
    if (d->n) memcpy(state, d->state, d->n * sizeof *state);
    reel_redirect here = {.next = c->redirect, .n = (int)d->n, .generator = d->generator, .state = state};
    c->redirect = &here;
    const int rc = reel_run_body_(v->site, fn, a->f, in, out);
    c->redirect = here.next;
    reel_free_(state, (d->n + 1) * sizeof *state);
    return rc;
}

/* xs, dxs, from: room for v->n_in each. */
static int backward_again(const reel_vjp_args *v, reel_tape *tape, reel_tensor *const in[], reel_tensor *const out[],
                          reel_tensor **xs)
{
    const checkpoint_attr *a = v->attr;
    const int n_given = a->f.n_in;
    reel_tensor **dxs = xs + v->n_in, **from = dxs + v->n_in;
    reel_tensor *ys[REEL_MAX_OUT], *dys[REEL_MAX_OUT];
    int n_y = 0, n_x = 0;
    for (int j = 0; j < v->n_out; j++) {
        if (!v->dout[j]) continue;
        ys[n_y] = out[j];
        dys[n_y++] = v->dout[j];
    }
    for (int i = 0; i < v->n_in; i++) {
        if (!is_wanted(v, in, n_given, i)) continue;
        const bool given = i < n_given, variable = given && a->shared->given[i] >= 0;
        v->total[i] = !given || (in[i] == v->in[i] && !variable);
        from[n_x] = v->total[i] ? v->sum[i] : NULL;
        xs[n_x++] = given ? in[i] : reel_handle_(a->shared->cells.use[i - n_given].cell);
    }
    const int rc =
        reel_vjp_from_(v->site, tape, (reel_list){n_y, ys}, (reel_list){n_y, dys}, (reel_list){n_x, xs}, from, dxs);
    n_x = 0;
    for (int i = 0; i < v->n_in && !rc; i++) {
        if (!is_wanted(v, in, n_given, i)) continue;
        const bool cell = i < n_given && reel_rec_of_(in[i])->flags & REEL_R_CELL; /* has a place of its own below */
        v->din[i] = cell ? NULL : dxs[n_x];
        n_x++;
    }
    return rc;
}

/* The body's inputs once more: a variable is itself again, and what is given twice is told apart as in the body. */
static int checkpoint_vjp(const reel_vjp_args *v)
{
    const checkpoint_attr *a = v->attr;
    const int n_given = a->f.n_in;
    int rc = check_cells(v, &a->shared->cells);
    reel_tensor **own = NULL, *given[REEL_MAX_IN];
    for (int i = 0; i < n_given && !rc; i++) {
        const int k = a->shared->given[i];
        given[i] = k < 0 ? v->in[i] : reel_handle_(a->shared->cells.use[k].cell);
    }
    if (!rc) rc = reel_tell_apart_(v->site, n_given, given, &own);
    reel_tensor *const *in = own ? own : given;
    reel_tape *tape = rc ? NULL : reel_tape_begin_at(v->site, NULL);
    if (!rc && !tape) rc = reel_status();
    for (int i = 0; i < n_given && !rc; i++)
        if (is_wanted(v, in, n_given, i)) rc = reel_watch_at(v->site, tape, (reel_list){1, &in[i]});
    reel_tensor *out[REEL_MAX_OUT], **lists = rc ? NULL : reel_alloc_array_(3 * (size_t)v->n_in, sizeof *lists);
    if (!rc) rc = lists ? run_again(v, a, in, out) : REEL_ENOMEM;
    if (!rc) rc = backward_again(v, tape, in, out, lists);
    reel_free_(lists, 3 * (size_t)v->n_in * sizeof *lists);
    reel_free_(own, (size_t)n_given * sizeof *own);
    return rc;
}

static const reel_op checkpoint_op = {.size = sizeof(reel_op),
                                      .id = -1,
                                      .name = "checkpoint",
                                      .args = "in",
                                      .n_in = -1,
                                      .n_out = -1,
                                      .flags = REEL_OPF_SUMS,
                                      .keep = REEL_KEEP_ALL_IN,
                                      .attr_size = sizeof(checkpoint_attr),
                                      .grad = REEL_VJP,
                                      .vjp = checkpoint_vjp,
                                      .attr_retain = attr_retain,
                                      .attr_release = attr_release};

/* ---- the call ------------------------------------------------------------------------------------ */

/* Inputs first, then the variables: what is arg and value to the tapes. */
static int tell(const char *site, const reel_quiet *q, const checkpoint_attr *a, reel_rec *const *arg,
                reel_rec *const *value, reel_tensor *const out[])
{
    const reel_cells *cells = &a->shared->cells;
    const size_t n = (size_t)a->f.n_in, total = n + cells->n;
    reel_rec *made[REEL_MAX_OUT], **all = reel_alloc_array_(2 * total + 1, sizeof *all);
    if (!all) return REEL_ENOMEM;
    for (size_t i = 0; i < total; i++) {
        all[i] = i < n ? arg[i] : cells->use[i - n].cell;
        all[total + i] = i < n ? value[i] : cells->use[i - n].value;
    }
    for (int j = 0; j < a->f.n_out; j++) made[j] = reel_rec_of_(out[j]);
    const reel_call call = {.op = &checkpoint_op,
                            .attr = a,
                            .site = site,
                            .n_in = (int)total,
                            .n_out = a->f.n_out,
                            .arg = all,
                            .in = all + total,
                            .out = made};
    const int rc = reel_quiet_tell_(q, &call);
    reel_free_(all, (2 * total + 1) * sizeof *all);
    return rc;
}

static int note_given(checkpoint_attr *a, int n, reel_rec *const *arg, reel_rec *const *value)
{
    reel_cells *cells = &a->shared->cells;
    for (int i = 0; i < n; i++) {
        a->shared->given[i] = -1;
        if (!(arg[i]->flags & REEL_R_CELL)) continue;
        if (reel_cells_add_(cells, arg[i], value[i])) return REEL_ENOMEM;
        for (size_t k = 0; k < cells->n; k++)
            if (cells->use[k].cell == arg[i]) a->shared->given[i] = (int)k;
    }
    return 0;
}

static int run_unheard(const char *site, reel_quiet *q, checkpoint_attr *a, reel_list in, reel_tensor *out[])
{
    reel_rec *arg[REEL_MAX_IN], *value[REEL_MAX_IN];
    int rc = reel_resolve_(site, fn, in, arg, value);
    if (rc) {
        reel_quiet_end_(q);
        return rc;
    }
    const uint64_t first_id = reel_ctx_()->next_id;
    reel_cells_begin_(&a->shared->cells, site);
    reel_draws_begin_(&a->shared->draws);
    rc = note_given(a, in.n, arg, value);
    if (!rc) rc = reel_run_body_(site, fn, a->f, in.t, out);
    reel_draws_end_(&a->shared->draws);
    reel_cells_end_(&a->shared->cells);
    if (!rc) rc = reel_make_fresh_(site, first_id, false, a->f.n_out, out);
    reel_quiet_end_(q);
    if (!rc) rc = tell(site, q, a, arg, value, out);
    for (int i = 0; i < in.n; i++) reel_release_rec_(value[i]);
    return rc;
}

/* Recorded like any other function, its outputs apart from what it was given; never weak numbers or variables, whoever listens. */
static int run_heard(const char *site, reel_fn f, reel_list in, reel_tensor *out[], bool taped)
{
    const uint64_t first_id = taped ? reel_ctx_()->next_id : 0;
    int rc = reel_run_body_(site, fn, f, in.t, out);
    if (!rc) rc = reel_make_fresh_(site, first_id, true, f.n_out, out);
    for (int j = 0; rc && j < f.n_out; j++) out[j] = NULL;
    return rc;
}

/* Does a trace or graph take it as one op, -1: no, or was there an error? */
static int take(const char *site, reel_fn f, reel_list in, reel_tensor *out[])
{
    for (reel_listener *l = reel_ctx_()->listeners; l; l = l->next)
        if (!l->paused && l->take) return l->take(l, site, fn, f, in, out);
    return -1;
}

static bool is_taped(void)
{
    for (const reel_listener *l = reel_ctx_()->listeners; l; l = l->next)
        if (!l->paused && reel_is_tape_(l)) return true;
    return false;
}

/* Several tapes all have the entry: what the backward of one runs again the others hear, for gradients of gradients. */
int reel_checkpoint_at(const char *site, reel_fn f, reel_list in, reel_tensor *out[])
{
    for (int j = 0; out && j < f.n_out; j++) out[j] = NULL;
    if (reel_pending_()) return reel_pending_();
    int rc = reel_check_fn_(site, fn, f, in, out);
    if (rc) return rc;
    if (f.n_in > REEL_MAX_IN || f.n_out > REEL_MAX_OUT)
        return reel_fail_at_(site, REEL_EARG, "%s: at most %d inputs and %d outputs", fn, REEL_MAX_IN, REEL_MAX_OUT);
    const bool taped = is_taped();
    if (reel_traced_()) {
        rc = take(site, f, in, out);
        for (int j = 0; rc > 0 && j < f.n_out; j++) out[j] = NULL;
        return rc >= 0 ? rc : run_heard(site, f, in, out, taped);
    }
    if (!taped) return run_heard(site, f, in, out, false);
    reel_quiet q;
    rc = reel_quiet_begin_(site, fn, &q);
    if (rc) return rc;
    checkpoint_attr a;
    memset(&a, 0, sizeof a);
    a.f = f;
    a.shared = reel_zalloc_(sizeof *a.shared);
    if (a.shared) {
        a.shared->refs = 1;
        rc = run_unheard(site, &q, &a, in, out);
        attr_release(&a);
    } else {
        reel_quiet_end_(&q);
        rc = REEL_ENOMEM;
    }
    for (int j = 0; rc && j < f.n_out; j++) out[j] = NULL;
    return rc;
}
