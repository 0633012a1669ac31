/* control.c: reel_cond and reel_while. Eagerly their bodies run; where a trace or graph listens they become ops with sub-graphs
   (control_trace.c). */
#include <stdio.h>
#include <string.h>
#include "control.h"
#include "core/alloc.h"
#include "core/error.h"
#include "core/options.h"
#include "function.h"
#include "reel/reel.h"

/* ---- bodies ------------------------------------------------------------------------------------------------ */

static reel_tensor *as_tensor(const char *site, reel_tensor *t, reel_dtype d)
{
    return reel_rec_of_(t)->flags & REEL_R_NUM ? reel_cast_at(site, t, d) : t;
}

/* The body with its own inputs and outputs, among which those of the cells stand. */
static int run_body(const reel_strong *s, reel_tensor *const in[], reel_tensor *made[])
{
    reel_tensor *given[REEL_MAX_IN + 1];
    const int n = s->cells && s->cells_in >= 0 ? s->cells->n : 0;
    for (int k = 0; k < n; k++) {
        const int rc = reel_capture_bind_(s->capture, s->cells->cell[k], reel_rec_of_(in[s->cells_in + k]));
        if (rc) return rc;
    }
    for (int i = 0; i < s->fn.n_in; i++) given[i] = in[n && i >= s->cells_in ? i + n : i];
    const int rc = reel_body_check_(s->site, s->what, s->fn, s->fn.body(s->fn.self, given, made), made);
    return rc ? rc : reel_body_dense_(s->site, s->fn.n_out, made);
}

static int strong_body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_strong *s = self;
    reel_tensor *made[REEL_MAX_OUT + 1] = {NULL};
    const int n = s->cells && s->cells_out >= 0 ? s->cells->n : 0;
    const int rc = run_body(s, in, made);
    for (int j = 0; j < s->fn.n_out && !rc; j++) {
        made[j] = as_tensor(s->site, made[j], j < s->n_state ? s->state[j].dtype : reel_widened_(REEL_F32));
        if (!made[j]) return reel_status();
        out[n && j >= s->cells_out ? j + n : j] = made[j];
    }
    for (int k = 0; k < n && !rc; k++) {
        const reel_rec *left = reel_capture_bound_(s->capture, s->cells->cell[k]);
        out[s->cells_out + k] = reel_handle_(left ? left : s->cells->cell[k]);
    }
    return rc;
}

reel_fn reel_strong_fn_(reel_strong *s, const char *site, const char *what, reel_fn fn, const reel_type *state, int n)
{
    *s = (reel_strong){.fn = fn, .site = site, .what = what, .state = state, .n_state = n};
    return (reel_fn){strong_body, s, fn.n_in, fn.n_out, fn.name};
}

/* ---- arguments -------------------------------------------------------------------------------------------- */

int reel_control_list_(const char *site, const char *fn, reel_list in, reel_tensor *const *out)
{
    if (in.n < 0 || in.n >= REEL_MAX_IN || (in.n > 0 && !in.t))
        return reel_fail_at_(site, REEL_EARG, "%s: %s", fn,
                             in.n > 0 && in.n < REEL_MAX_IN ? "the list is NULL" : "0 to 63 inputs are possible");
    if (!out) return reel_fail_at_(site, REEL_EARG, "%s: out is NULL", fn);
    for (int i = 0; i < in.n; i++) {
        char what[32];
        snprintf(what, sizeof what, "in[%d]", i);
        if (!reel_live_(site, fn, what, in.t[i])) return reel_status();
    }
    return 0;
}

int reel_control_body_(const char *site, const char *fn, const char *what, reel_fn f, int n_in, int n_out)
{
    if (!f.body) return reel_fail_at_(site, REEL_EARG, "%s: %s has no body", fn, what);
    if (f.n_in == n_in && f.n_out == n_out) return 0;
    return reel_fail_at_(site, REEL_EARG, "%s: %s must take %d inputs and give %d outputs, not %d and %d", fn, what,
                         n_in, n_out, f.n_in, f.n_out);
}

static void clear(int n, reel_tensor **out)
{
    for (int j = 0; j < n && out; j++) out[j] = NULL;
}

void reel_control_give_(reel_scope_rec *outer, int n, reel_tensor *const *out)
{
    const reel_ctx *c = reel_ctx_();
    for (int j = 0; j < n; j++) {
        reel_rec *r = reel_rec_of_(out[j]);
        if (r->scope && r->scope == c->scope) reel_scope_move_(r, outer);
    }
}

/* A result of a traced op is dense, so an eager one is. */
int reel_control_dense_(const char *site, int n, reel_tensor **out)
{
    for (int j = 0; j < n; j++) {
        const reel_rec *r = reel_rec_of_(out[j]);
        if (r->flags & (REEL_R_DENSE | REEL_R_CELL | REEL_R_SYMBOLIC)) continue;
        out[j] = reel_concat_at(site, (reel_list){1, &out[j]}, 0);
        if (!out[j]) return reel_status();
    }
    return 0;
}

/* As the op of a trace has them: an operand is not what a body takes from around it, even if they are one tensor; results are no variables; and a gradient of a state or result is a sum of its own before it is
   added to that of the tensor it is. Otherwise the additions came in another order. */
int reel_control_apart_(const char *site, bool results, int n, reel_tensor **t)
{
    const bool heard = reel_control_taped_();
    for (int i = 0; i < n; i++) {
        const int j = results ? n - 1 - i : i; /* gradients meet backwards: those of results in the order of t[] */
        const reel_rec *r = reel_rec_of_(t[j]);
        if (!(r->flags & REEL_R_CELL) && !((heard || !results) && reel_is_float_(r->type.dtype))) continue;
        t[j] = reel_control_renamed_(site, t[j]);
        if (!t[j]) return reel_status();
    }
    return 0;
}

/* The value of a condition: one bool. */
static int read_condition(const char *site, const char *fn, reel_tensor *t, bool *yes)
{
    const reel_rec *r = reel_live_value_(site, fn, "the condition", t);
    if (!r) return reel_status();
    char shape[REEL_SHAPE_TEXT];
    if (r->type.dtype != REEL_BOOL || reel_count_(&r->type.shape) != 1)
        return reel_fail_at_(site, r->type.dtype == REEL_BOOL ? REEL_ESHAPE : REEL_EDTYPE,
                             "%s: the condition must be a bool of one element, not %s%s", fn,
                             reel_dtype_name(r->type.dtype), reel_shape_text_(&r->type.shape, shape));
    *yes = reel_item_at(site, t) != 0;
    return reel_status();
}

int reel_control_strong_(const char *site, reel_list in, reel_tensor **t)
{
    for (int i = 0; i < in.n; i++)
        if (!(t[i] = as_tensor(site, in.t[i], reel_widened_(REEL_F32)))) return reel_status();
    return 0;
}

/* ---- cond ------------------------------------------------------------------------------------------------- */

static int cond_eager(const char *site, reel_tensor *pred, reel_fn yes, reel_fn no, reel_list in, reel_tensor **out)
{
    bool take = false;
    reel_strong s;
    int rc = read_condition(site, "reel_cond", pred, &take);
    reel_tensor *own[REEL_MAX_IN];
    memcpy(own, in.t, (size_t)in.n * sizeof(reel_tensor *));
    if (!rc) rc = reel_control_apart_(site, false, in.n, own);
    in.t = own;
    if (!rc) rc = reel_invoke_at(site, reel_strong_fn_(&s, site, "reel_cond", take ? yes : no, NULL, 0), in, out);
    if (!rc) rc = reel_control_apart_(site, true, yes.n_out, out);
    return rc ? rc : reel_control_dense_(site, yes.n_out, out);
}

int reel_cond_at(const char *site, reel_tensor *pred, reel_fn yes, reel_fn no, reel_list in, reel_tensor *out[])
{
    static const char fn[] = "reel_cond";
    clear(yes.n_out, out);
    if (reel_pending_()) return reel_pending_();
    int rc = reel_control_list_(site, fn, in, out);
    if (!rc) rc = reel_control_body_(site, fn, "yes", yes, in.n, yes.n_out);
    if (!rc) rc = reel_control_body_(site, fn, "no", no, in.n, yes.n_out);
    if (!rc && (yes.n_out < 1 || yes.n_out > REEL_MAX_OUT))
        rc = reel_fail_at_(site, REEL_EARG, "%s: the branches must give 1 to %d outputs, not %d", fn, REEL_MAX_OUT,
                           yes.n_out);
    if (!rc && !reel_live_(site, fn, "pred", pred)) rc = reel_status();
    if (rc) return rc;
    reel_scope_rec *outer = reel_ctx_()->scope;
    reel_scope *scope = reel_scope_begin(site, fn);
    if (!scope) return REEL_ENOMEM;
    reel_tensor *t[REEL_MAX_IN];
    rc = reel_control_strong_(site, in, t);
    reel_traced how = {.kind = REEL_COND,
                       .site = site,
                       .fn = fn,
                       .around = reel_capture_now_(),
                       .pred = pred,
                       .f = {yes, no},
                       .in = {in.n, t}};
    if (!rc) rc = how.around ? reel_control_trace_(&how, out) : cond_eager(site, pred, yes, no, how.in, out);
    if (!rc) reel_control_give_(outer, yes.n_out, out);
    reel_scope_end(scope);
    if (rc) clear(yes.n_out, out);
    return rc;
}

/* ---- while ------------------------------------------------------------------------------------------------- */

int reel_control_changes_(const char *site, const char *op, int i, const reel_type *old, const reel_type *now)
{
    reel_ctx *c = reel_ctx_();
    const char *old_site = c->site, *old_op = c->op;
    c->site = site;
    c->op = op;
    const int rc = reel_check_state_("the body changes state", i, old, now);
    c->site = old_site;
    c->op = old_op;
    return rc;
}

/* What the last step made and nobody has any more. */
void reel_control_forget_(int n, reel_tensor *const *old, reel_tensor *const *now)
{
    const reel_ctx *c = reel_ctx_();
    for (int i = 0; i < n; i++) {
        bool gone = reel_is_live_(old[i]) && reel_rec_of_(old[i])->scope == c->scope;
        for (int k = 0; k < n && gone; k++) gone = now[k] != old[i];
        if (gone) reel_disown_(reel_rec_of_(old[i]));
    }
}

static int while_eager(const char *site, reel_fn cond, reel_fn body, int n, reel_tensor **state, int64_t max_steps)
{
    static const char fn[] = "reel_while";
    reel_type types[REEL_MAX_IN];
    reel_tensor *next[REEL_MAX_IN];
    reel_strong s;
    for (int i = 0; i < n; i++) types[i] = reel_rec_of_(state[i])->type;
    if (reel_control_apart_(site, false, n, state)) return reel_status();
    for (int64_t step = 0; !max_steps || step < max_steps; step++) {
        bool more = false;
        reel_tensor *p;
        reel_scope *scope = reel_scope_begin(site, fn);
        int rc = scope ? reel_invoke_at(site, reel_strong_fn_(&s, site, fn, cond, NULL, 0), (reel_list){n, state}, &p)
                       : REEL_ENOMEM;
        if (!rc) rc = read_condition(site, fn, p, &more);
        reel_scope_end(scope);
        if (rc || !more) return rc;
        rc = reel_invoke_at(site, reel_strong_fn_(&s, site, fn, body, types, n), (reel_list){n, state}, next);
        for (int i = 0; i < n && !rc; i++)
            rc = reel_control_changes_(site, "while", i, &types[i], &reel_rec_of_(next[i])->type);
        if (!rc) rc = reel_control_apart_(site, true, n, next);
        if (rc) return rc;
        if (step) reel_control_forget_(n, state, next);
        memcpy(state, next, (size_t)n * sizeof *state);
    }
    return 0;
}

static int while_traced(reel_traced *how, const reel_while_opts *o, reel_tensor **state)
{
    reel_tensor *out[REEL_MAX_OUT];
    how->max_steps = o->max_steps;
    how->store = o->recompute || !reel_control_taped_() ? REEL_STORE_NONE
                 : o->max_steps > 0                     ? REEL_STORE_ALL
                                                        : REEL_STORE_SLOTS;
    const int rc = reel_control_trace_(how, out);
    if (!rc) memcpy(state, out, (size_t)how->in.n * sizeof *state);
    return rc;
}

int reel_while_at(const char *site, reel_fn cond, reel_fn body, reel_list in, const reel_while_opts *o,
                  reel_tensor *out[])
{
    static const char fn[] = "reel_while";
    clear(in.n, out);
    if (reel_pending_()) return reel_pending_();
    reel_while_opts opts = {0};
    reel_options_(&opts, sizeof opts, o);
    int rc = reel_control_list_(site, fn, in, out);
    if (!rc && in.n == 0) rc = reel_fail_at_(site, REEL_EARG, "%s: it needs a state", fn);
    if (!rc) rc = reel_control_body_(site, fn, "cond", cond, in.n, 1);
    if (!rc) rc = reel_control_body_(site, fn, "body", body, in.n, in.n);
    if (!rc && opts.max_steps < 0)
        rc = reel_fail_at_(site, REEL_EARG, "%s: max_steps is %lld", fn, (long long)opts.max_steps);
    if (rc) return rc;
    reel_scope_rec *outer = reel_ctx_()->scope;
    reel_scope *scope = reel_scope_begin(site, fn);
    if (!scope) return REEL_ENOMEM;
    reel_tensor *state[REEL_MAX_IN];
    rc = reel_control_strong_(site, in, state);
    reel_traced how = {.kind = REEL_WHILE,
                       .site = site,
                       .fn = fn,
                       .around = reel_capture_now_(),
                       .f = {cond, body},
                       .in = {in.n, state}};
    if (!rc)
        rc = how.around ? while_traced(&how, &opts, state) : while_eager(site, cond, body, in.n, state, opts.max_steps);
    if (!rc) rc = reel_control_dense_(site, in.n, state);
    if (!rc) reel_control_give_(outer, in.n, state);
    if (!rc) memcpy(out, state, (size_t)in.n * sizeof *out);
    reel_scope_end(scope);
    return rc;
}
