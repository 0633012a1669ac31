/* gradcheck.c: reel_gradcheck: widens inputs and variables to f64, has the points compared, compares an eager run
   with a replay, puts everything back and reports. */
#include "gradcheck.h"
#include <stdio.h>
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "core/options.h"

static const char fn[] = "reel_gradcheck";

/* ---- variables ----------------------------------------------------------------------------------- */

static reel_leaf *leaf_of(const reel_checker *k, const reel_rec *cell)
{
    for (int i = 0; i < k->n_leaves; i++)
        if (k->leaf[i].cell == cell) return &k->leaf[i];
    return NULL;
}

static void put_cells(reel_checker *k)
{
    for (int i = 0; i < k->n_saved; i++) {
        reel_saved_cell *s = &k->saved[i];
        const reel_leaf *l = k->widened ? leaf_of(k, s->cell) : NULL;
        s->cell->type.dtype = l ? REEL_F64 : s->dtype;
        reel_rec *want = l ? reel_rec_of_(l->x) : s->value;
        if (s->cell->value != want) reel_cell_set_(s->cell, want);
    }
}

void reel_check_reset_(reel_checker *k)
{
    reel_random_put_(reel_generator_default(), k->random);
    put_cells(k);
}

static int save_cells(reel_checker *k, const reel_cells *cells)
{
    k->saved = reel_alloc_array_(cells->n + 1, sizeof *k->saved);
    if (!k->saved) return REEL_ENOMEM;
    for (size_t i = 0; i < cells->n; i++) {
        const reel_cell_use *u = &cells->use[i];
        if (u->value == u->cell || u->cell->state != REEL_LIVE) continue; /* assigned before it was read */
        reel_retain_rec_(u->cell);
        reel_retain_rec_(u->value);
        k->saved[k->n_saved++] = (reel_saved_cell){u->cell, u->value, u->cell->type.dtype};
    }
    return 0;
}

static void free_cells(reel_checker *k, size_t n)
{
    for (int i = 0; i < k->n_saved; i++) {
        reel_release_rec_(k->saved[i].value);
        reel_release_rec_(k->saved[i].cell);
    }
    if (k->saved) reel_free_(k->saved, (n + 1) * sizeof *k->saved);
}

/* Runs f once as it is: its own errors come first, and the variables it reads become known. */
static int first_run(reel_checker *k, reel_vars *vars, reel_cells *cells)
{
    REEL_SCOPED_AT(k->site);
    const reel_list list = vars ? reel_vars_list(vars) : (reel_list){0, NULL};
    reel_cells_begin_(cells, k->site);
    int rc = 0;
    for (int i = 0; i < list.n && !rc; i++) {
        reel_rec *cell = reel_live_(k->site, fn, "a variable", list.t[i]);
        reel_rec *value = cell ? reel_live_value_(k->site, fn, "a variable", list.t[i]) : NULL;
        rc = value ? reel_cells_add_(cells, cell, value) : reel_status();
    }
    reel_tensor **out = reel_alloc_array_((size_t)k->f.n_out + 1, sizeof *out);
    if (!rc) rc = out ? reel_run_body_(k->site, fn, k->f, k->in.t, out) : REEL_ENOMEM;
    if (out) reel_free_(out, ((size_t)k->f.n_out + 1) * sizeof *out);
    reel_cells_end_(cells);
    return rc;
}

/* ---- leaves -------------------------------------------------------------------------------------- */

static int add_leaf(reel_checker *k, reel_tensor *t, int which, int input, reel_rec *cell)
{
    reel_leaf *l = &k->leaf[k->n_leaves];
    const reel_shape s = reel_shape_of(t);
    l->which = which;
    l->input = input;
    l->cell = cell;
    l->n = reel_shape_count(s);
    l->base = reel_alloc_array_(3 * (size_t)l->n + 1, sizeof(double));
    if (!l->base) return REEL_ENOMEM;
    k->n_leaves++;
    l->analytic = l->base + l->n;
    l->direction = l->analytic + l->n;
    if (reel_read_f64_at(k->site, t, l->base, (size_t)l->n)) return reel_status();
    for (int64_t i = 0; i < l->n; i++) l->analytic[i] = reel_check_random_(2 + (uint64_t)k->n_leaves, (uint64_t)i);
    l->v = reel_from_f64_at(k->site, s, l->analytic, (size_t)l->n);
    l->x = reel_from_f64_at(k->site, s, l->base, (size_t)l->n);
    if (input >= 0) k->args[input] = l->x;
    return reel_status();
}

static int variable_number(reel_vars *vars, const reel_rec *cell)
{
    const reel_list list = vars ? reel_vars_list(vars) : (reel_list){0, NULL};
    for (int i = 0; i < list.n; i++)
        if (reel_rec_of_(list.t[i]) == cell) return i;
    return -1;
}

static int make_leaves(reel_checker *k, reel_vars *vars)
{
    k->leaf = reel_zalloc_((size_t)(k->f.n_in + k->n_saved + 1) * sizeof *k->leaf);
    k->args = reel_alloc_array_((size_t)k->f.n_in + 1, sizeof *k->args);
    k->dys = reel_zalloc_(((size_t)k->f.n_out + 1) * sizeof *k->dys);
    if (!k->leaf || !k->args || !k->dys) return REEL_ENOMEM;
    int rc = 0;
    for (int i = 0; i < k->f.n_in && !rc; i++) {
        k->args[i] = k->in.t[i];
        const reel_rec *r = reel_rec_of_(k->in.t[i]);
        if (reel_is_float_(r->type.dtype) && !(r->flags & REEL_R_NUM)) rc = add_leaf(k, k->in.t[i], i, i, NULL);
    }
    for (int i = 0; i < k->n_saved && !rc; i++) {
        reel_rec *cell = k->saved[i].cell;
        if (!reel_is_float_(cell->type.dtype)) continue;
        const int number = variable_number(vars, cell);
        rc = add_leaf(k, reel_handle_(cell), number < 0 ? -1 : k->f.n_in + number, -1, cell);
    }
    return rc;
}

static void free_leaves(reel_checker *k)
{
    for (int i = 0; i < k->n_leaves; i++) reel_free_(k->leaf[i].base, (3 * (size_t)k->leaf[i].n + 1) * sizeof(double));
    if (k->leaf) reel_free_(k->leaf, (size_t)(k->f.n_in + k->n_saved + 1) * sizeof *k->leaf);
    if (k->args) reel_free_(k->args, ((size_t)k->f.n_in + 1) * sizeof *k->args);
    if (k->dys) reel_free_(k->dys, ((size_t)k->f.n_out + 1) * sizeof *k->dys);
}

/* Both orders, with everything in f64. */
static int check_orders(reel_checker *k, reel_vars *vars, int orders)
{
    REEL_SCOPED_AT(k->site);
    reel_ctx *c = reel_ctx_();
    int rc = make_leaves(k, vars);
    if (!rc) {
        c->widen = k->widened = true;
        for (k->order = 1; k->order <= orders && !rc && k->r->verdict == REEL_GRAD_OK; k->order++) {
            rc = reel_check_points_(k);
            reel_check_free_points_(k);
        }
        c->widen = k->widened = false;
    }
    reel_check_reset_(k);
    return rc;
}

/* ---- eager against replay ------------------------------------------------------------------------ */

/* f's outputs, then the gradients of its float outputs' sums. */
static int with_gradients(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_checker *k = self;
    const size_t n_out = (size_t)k->f.n_out, room = 2 * n_out + (size_t)k->n_leaves + 1;
    reel_tensor **ys = reel_alloc_array_(room, sizeof *ys);
    if (!ys) return REEL_ENOMEM;
    reel_tensor **dys = ys + n_out, **xs = dys + n_out;
    reel_tape *tape = reel_tape_begin_at(k->site, NULL);
    int n = 0;
    for (int i = 0; i < k->n_leaves; i++) {
        const reel_leaf *l = &k->leaf[i];
        xs[i] = l->input >= 0 ? in[l->input] : reel_handle_(l->cell);
        if (l->input >= 0) reel_watch_at(k->site, tape, (reel_list){1, &xs[i]});
    }
    int rc = reel_status();
    if (!rc) rc = reel_run_body_(k->site, fn, k->f, in, out);
    for (int j = 0; !rc && j < k->f.n_out; j++) {
        if (!reel_is_float_(reel_dtype_of(out[j]))) continue;
        ys[n] = out[j];
        dys[n++] = reel_ones_like_at(k->site, out[j]);
    }
    if (!rc)
        rc = reel_vjp_at(k->site, tape, (reel_list){n, ys}, (reel_list){n, dys}, (reel_list){k->n_leaves, xs},
                         out + n_out);
    reel_free_(ys, room * sizeof *ys);
    return rc;
}

/* Bit for bit. *same is cleared at the first output that differs, which *which becomes. */
static int compare(reel_checker *k, int n, reel_tensor *const a[], reel_tensor *const b[], bool *same, int *which)
{
    int rc = 0;
    for (int i = 0; i < n && *same && !rc; i++) {
        const reel_shape s = reel_shape_of(a[i]), t = reel_shape_of(b[i]);
        const reel_dtype d = reel_dtype_of(a[i]);
        const size_t bytes = (size_t)reel_shape_count(s) * reel_size_(d);
        *which = i;
        *same = d == reel_dtype_of(b[i]) && reel_shape_same_(&s, &t);
        if (!*same) return 0;
        char *p = reel_alloc_(2 * bytes + 1);
        if (!p) return REEL_ENOMEM;
        rc = reel_read_at(k->site, a[i], p, bytes);
        if (!rc) rc = reel_read_at(k->site, b[i], p + bytes, bytes);
        *same = rc != 0 || memcmp(p, p + bytes, bytes) == 0;
        reel_free_(p, 2 * bytes + 1);
    }
    return rc;
}

static int replay_outputs(reel_checker *k, reel_fn f, reel_function *fast, reel_tensor **eager, reel_tensor **out,
                          bool *same, int *which)
{
    reel_check_reset_(k);
    int rc = reel_run_body_(k->site, fn, f, k->in.t, eager);
    for (int call = 0; call < 2 && !rc && *same; call++) { /* the first one traces, the second replays */
        reel_check_reset_(k);
        rc = reel_function_call_at(k->site, fast, k->in, out);
        if (!rc)
            rc = compare(k, f.n_out, eager, out, same, which);
        else if (rc == REEL_ETRACE)
            reel_error_append_(" (in gradcheck's comparison with a replay; .skip_replay leaves it out)");
    }
    reel_check_reset_(k);
    return rc;
}

static int check_replay(reel_checker *k)
{
    REEL_SCOPED_AT(k->site);
    const reel_fn f = {with_gradients, k, k->f.n_in, k->f.n_out + k->n_leaves, k->f.name};
    const size_t room = 2 * (size_t)f.n_out + 1;
    bool same = true;
    int which = 0;
    reel_tensor **out = reel_alloc_array_(room, sizeof *out);
    reel_function *fast = out ? reel_function_new(f, NULL) : NULL;
    const int rc = !out   ? REEL_ENOMEM
                   : fast ? replay_outputs(k, f, fast, out, out + f.n_out, &same, &which)
                          : reel_status();
    reel_function_free(fast);
    if (out) reel_free_(out, room * sizeof *out);
    if (rc || same) return rc;
    k->r->verdict = REEL_GRAD_REPLAY_DIFFERS;
    k->r->which = which < k->f.n_out ? which : k->leaf[which - k->f.n_out].which;
    k->r->order = which < k->f.n_out ? 0 : 1;
    k->r->element = -1;
    return 0;
}

/* ---- the report ---------------------------------------------------------------------------------- */

static const char *leaf_name(const reel_checker *k, int which, char *buf, size_t size)
{
    for (int i = 0; i < k->n_leaves; i++)
        if (k->leaf[i].which == which && k->leaf[i].cell) return k->leaf[i].cell->name;
    snprintf(buf, size, "in[%d]", which);
    return buf;
}

static void element_text(const reel_checker *k, const reel_gradcheck_report *r, char *buf, size_t size)
{
    const reel_leaf *l = NULL;
    for (int i = 0; i < k->n_leaves; i++)
        if (k->leaf[i].which == r->which) l = &k->leaf[i];
    if (r->element < 0 || !l) {
        snprintf(buf, size, " along a random direction");
        return;
    }
    const reel_rec *x = l->cell ? l->cell : reel_rec_of_(k->in.t[l->input]);
    const reel_shape *s = &x->type.shape;
    int64_t left = r->element, at[REEL_MAX_RANK];
    for (int i = s->rank - 1; i >= 0; i--) {
        at[i] = left % s->dims[i];
        left /= s->dims[i];
    }
    size_t n = 0;
    buf[0] = '\0';
    for (int i = 0; i < s->rank && n < size; i++)
        n += (size_t)snprintf(buf + n, size - n, "%c%lld%s", i ? ',' : '[', (long long)at[i],
                              i == s->rank - 1 ? "]" : "");
}

static void write_text(const reel_checker *k)
{
    reel_gradcheck_report *r = k->r;
    char name[32], element[200] = "";
    const char *f = k->f.name ? k->f.name : "f", *x = leaf_name(k, r->which, name, sizeof name);
    const char *order =
        r->order == 2 ? "the second derivative (a projection of the gradient differentiated)" : "the gradient";
    if (r->verdict == REEL_GRAD_OK && r->checked == 0) {
        snprintf(r->text, sizeof r->text, "%s: there was nothing to compare (%lld elements left out as kinks)", f,
                 (long long)r->kinks);
        return;
    }
    if (r->verdict == REEL_GRAD_REPLAY_DIFFERS) {
        snprintf(r->text, sizeof r->text, "%s: %s%s of a traced and replayed run differs from the eager run", f,
                 r->order ? "the gradient with respect to " : "output ", r->order ? x : name + 2);
        return;
    }
    if (r->verdict == REEL_GRAD_NOT_FINITE && r->which < 0) {
        snprintf(r->text, sizeof r->text, "%s: its output is %g at the given inputs, so nothing can be compared", f,
                 r->analytic);
        return;
    }
    element_text(k, r, element, sizeof element);
    if (r->verdict == REEL_GRAD_OK)
        snprintf(r->text, sizeof r->text,
                 "%s: %lld elements agree (%lld left out as kinks); the worst is %s%s: the tape says %.10g, central "
                 "differences say %.10g",
                 f, (long long)r->checked, (long long)r->kinks, x, element, r->analytic, r->numeric);
    else
        snprintf(r->text, sizeof r->text,
                 "%s: %s with respect to %s%s (element %lld) is %s: the tape says %.10g, central differences say "
                 "%.10g, scaled difference %.3g; "
                 "%lld elements compared, %lld left out as kinks",
                 f, order, x, element, (long long)r->element, r->verdict == REEL_GRAD_WRONG ? "wrong" : "not finite",
                 r->analytic, r->numeric, r->error, (long long)r->checked, (long long)r->kinks);
}

/* ---- public -------------------------------------------------------------------------------------- */

static int check_all(reel_checker *k, const reel_gradcheck_opts *o)
{
    reel_cells cells = {.use = NULL};
    k->random = reel_random_get_(reel_generator_default());
    int rc = first_run(k, o->vars, &cells);
    const size_t n_cells = cells.n;
    if (!rc) rc = save_cells(k, &cells);
    if (!rc) rc = check_orders(k, o->vars, o->order == 2 ? 2 : 1);
    if (!rc && k->r->verdict == REEL_GRAD_OK && !o->skip_replay) rc = check_replay(k);
    if (!rc) write_text(k);
    reel_check_reset_(k);
    free_leaves(k);
    free_cells(k, n_cells);
    reel_cells_free_(&cells);
    return rc;
}

int reel_gradcheck_at(const char *site, reel_fn f, reel_list in, const reel_gradcheck_opts *given,
                      reel_gradcheck_report *report)
{
    reel_gradcheck_report own, *r = report ? report : &own;
    memset(r, 0, sizeof *r);
    r->verdict = REEL_GRAD_FAILED;
    r->element = -1;
    if (reel_pending_()) return reel_pending_();
    reel_gradcheck_opts o;
    memset(&o, 0, sizeof o);
    reel_options_(&o, sizeof o, given);
    reel_tensor *none = NULL;
    int rc = reel_check_fn_(site, fn, f, in, &none);
    if (rc) return rc;
    if (o.order < 0 || o.order > 2)
        return reel_fail_at_(site, REEL_EARG, "%s: order is %d, must be 1 or 2", fn, o.order);
    if (!(o.step >= 0) || !(o.tol >= 0))
        return reel_fail_at_(site, REEL_EARG, "%s: step is %g and tol %g, must not be negative", fn, o.step, o.tol);
    if (reel_traced_())
        return reel_fail_at_(site, REEL_ETRACE, "%s: not inside a trace: it evaluates the function many times", fn);
    reel_quiet q;
    rc = reel_quiet_begin_(site, fn, &q);
    if (rc) return rc;
    if (!f.name) f.name = "f";
    r->verdict = REEL_GRAD_OK;
    reel_checker k = {.site = site,
                      .f = f,
                      .in = in,
                      .step = o.step,
                      .tol = o.tol > 0 ? o.tol : 1e-6,
                      .projections = o.projections,
                      .r = r};
    rc = check_all(&k, &o);
    reel_quiet_end_(&q);
    if (rc) {
        r->verdict = REEL_GRAD_FAILED;
        snprintf(r->text, sizeof r->text, "%s", reel_ctx_()->error.text);
        return rc;
    }
    return r->verdict == REEL_GRAD_OK ? 0 : reel_fail_at_(site, REEL_EGRADCHECK, "%s: %s", fn, r->text);
}
