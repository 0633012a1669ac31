/* callback.c: running a user's function, and custom gradients, which put an entry of their own on the tapes in place
   of what they ran. */
#include <stdio.h>
#include "core/alloc.h"
#include "core/error.h"
#include "tape.h"

static const char *name_of(reel_fn f)
{
    return f.name ? f.name : "f";
}

/* ---- invoke -------------------------------------------------------------------------------------- */

int reel_check_fn_(const char *site, const char *fn, reel_fn f, reel_list in, reel_tensor *const *out)
{
    if (!f.body) return reel_fail_at_(site, REEL_EARG, "%s: %s has no body", fn, name_of(f));
    if (f.n_in < 0 || f.n_out < 0)
        return reel_fail_at_(site, REEL_EARG, "%s: %s has %d inputs and %d outputs", fn, name_of(f), f.n_in, f.n_out);
    if (in.n != f.n_in)
        return reel_fail_at_(site, REEL_EARG, "%s: %s takes %d inputs, not %d", fn, name_of(f), f.n_in, in.n);
    if (in.n > 0 && !in.t) return reel_fail_at_(site, REEL_EARG, "%s: the list of inputs is NULL", fn);
    if (f.n_out > 0 && !out) return reel_fail_at_(site, REEL_EARG, "%s: out is NULL", fn);
    for (int i = 0; i < in.n; i++) {
        char what[32];
        snprintf(what, sizeof what, "in[%d]", i);
        if (!reel_live_(site, fn, what, in.t[i])) return reel_status();
    }
    return 0;
}

static int check_outputs(const char *site, const char *fn, reel_fn f, reel_tensor *const out[])
{
    for (int j = 0; j < f.n_out; j++) {
        char what[32];
        snprintf(what, sizeof what, "out[%d]", j);
        if (!out[j]) return reel_fail_at_(site, REEL_EARG, "%s: %s returned 0 but left %s NULL", fn, name_of(f), what);
        if (!reel_live_(site, fn, what, out[j])) return reel_status();
    }
    return 0;
}

/* Moves what the body's scope (or one it left open) owns to the caller's. */
static void move_outputs(const reel_ctx *c, reel_scope_rec *to, int n, reel_tensor *const out[])
{
    for (int j = 0; j < n; j++) {
        reel_rec *r = reel_rec_of_(out[j]);
        for (const reel_scope_rec *s = c->scope; s && s != to; s = s->parent) {
            if (r->scope != s) continue;
            reel_scope_move_(r, to);
            break;
        }
    }
}

static bool is_given_twice(reel_tensor *const in[], int i)
{
    const reel_rec *r = reel_rec_of_(in[i]);
    if (!reel_is_float_(r->type.dtype) || r->flags & REEL_R_NUM) return false;
    for (int k = 0; k < i; k++)
        if (in[k] == in[i]) return true;
    return false;
}

reel_tensor *reel_renamed_(const char *site, reel_tensor *x)
{
    reel_axes axes = {.n = reel_rec_of_(x)->type.shape.rank};
    for (int k = 0; k < axes.n; k++) axes.axis[k] = k;
    return reel_transpose_at(site, x, axes);
}

int reel_tell_apart_(const char *site, int n, reel_tensor *const in[], reel_tensor ***own)
{
    *own = NULL;
    for (int i = 1; i < n; i++) {
        if (!is_given_twice(in, i)) continue;
        if (!*own && !(*own = reel_alloc_array_((size_t)n, sizeof **own))) return REEL_ENOMEM;
        break;
    }
    for (int i = 0; i < n && *own; i++) {
        (*own)[i] = in[i];
        if (!is_given_twice(in, i)) continue;
        (*own)[i] = reel_renamed_(site, in[i]);
        if ((*own)[i]) continue;
        reel_free_(*own, (size_t)n * sizeof **own);
        *own = NULL;
        return reel_status();
    }
    return 0;
}

int reel_run_body_(const char *site, const char *fn, reel_fn f, reel_tensor *const in[], reel_tensor *out[])
{
    reel_ctx *c = reel_ctx_();
    reel_scope_rec *outer = c->scope;
    for (int j = 0; j < f.n_out; j++) out[j] = NULL;
    reel_scope *scope = reel_scope_begin(site, name_of(f));
    if (!scope) return REEL_ENOMEM;
    reel_tensor **own;
    int rc = reel_tell_apart_(site, f.n_in, in, &own);
    if (!rc) rc = f.body(f.self, own ? own : in, out);
    reel_free_(own, (size_t)f.n_in * sizeof *own);
    if (reel_status())
        rc = reel_status();
    else if (rc)
        rc = reel_fail_at_(site, REEL_EUSER, "%s: %s returned %d without an error", fn, name_of(f), rc);
    else
        rc = check_outputs(site, fn, f, out);
    if (!rc) move_outputs(c, outer, f.n_out, out);
    reel_scope_end(scope);
    for (int j = 0; rc && j < f.n_out; j++) out[j] = NULL;
    return rc;
}

int reel_invoke_at(const char *site, reel_fn f, reel_list in, reel_tensor *out[])
{
    for (int j = 0; out && j < f.n_out; j++) out[j] = NULL;
    if (reel_pending_()) return reel_pending_();
    const int rc = reel_check_fn_(site, "reel_invoke", f, in, out);
    return rc ? rc : reel_run_body_(site, "reel_invoke", f, in.t, out);
}

/* ---- unheard by the tapes ------------------------------------------------------------------------ */

int reel_quiet_begin_(const char *site, const char *fn, reel_quiet *q)
{
    q->n = 0;
    for (reel_listener *l = reel_ctx_()->listeners; l; l = l->next) {
        if (l->paused || !reel_is_tape_(l)) continue;
        if (q->n == REEL_QUIET_MAX)
            return reel_fail_at_(site, REEL_ETRACE, "%s: more than %d tapes are open", fn, REEL_QUIET_MAX);
        q->tape[q->n++] = l;
    }
    for (int i = 0; i < q->n; i++) q->tape[i]->paused = true;
    return 0;
}

/* Only a tape that is still listed is touched: the body may have ended one. */
void reel_quiet_end_(reel_quiet *q)
{
    int n = 0;
    for (reel_listener *l = reel_ctx_()->listeners; l; l = l->next) {
        for (int i = n; i < q->n; i++) {
            if (q->tape[i] != l) continue;
            l->paused = ((reel_tape_rec *)l)->stopped;
            if (!l->paused) q->tape[n++] = l;
            break;
        }
    }
    q->n = n;
}

bool reel_traced_(void)
{
    for (const reel_listener *l = reel_ctx_()->listeners; l; l = l->next)
        if (!l->paused && !reel_is_tape_(l)) return true;
    return false;
}

int reel_quiet_tell_(const reel_quiet *q, const reel_call *call)
{
    reel_ctx *c = reel_ctx_();
    const char *site = c->site, *op = c->op;
    c->site = call->site;
    c->op = call->op->name;
    int rc = 0;
    for (int i = 0; i < q->n && !rc; i++) rc = reel_tape_record_((reel_tape_rec *)q->tape[i], call);
    c->site = site;
    c->op = op;
    return rc;
}

int reel_make_fresh_(const char *site, uint64_t first_id, bool heard, int n, reel_tensor *out[])
{
    const uint32_t thread = reel_ctx_()->thread;
    for (int j = n - 1; j >= 0; j--) { /* backwards, so that their gradients meet in the order of out[] */
        const reel_rec *r = reel_rec_of_(out[j]);
        bool fresh = !(r->flags & (REEL_R_CELL | REEL_R_NUM)) && r->id >= first_id && r->id >> 40 == thread;
        for (int k = 0; k < j && fresh; k++) fresh = reel_rec_of_(out[k])->id != r->id;
        if (!fresh) out[j] = heard ? reel_renamed_(site, out[j]) : reel_stop_gradient_at(site, out[j]);
        if (!out[j]) return reel_status();
    }
    return 0;
}

int reel_resolve_(const char *site, const char *fn, reel_list in, reel_rec **arg, reel_rec **value)
{
    for (int i = 0; i < in.n; i++) {
        arg[i] = reel_live_(site, fn, "an input", in.t[i]);
        if (arg[i] && arg[i]->flags & REEL_R_SPARSE) arg[i] = reel_dense_of_(site, arg[i]);
        const bool cell = arg[i] && arg[i]->flags & REEL_R_CELL;
        value[i] = cell ? reel_assigned_in_graph_(reel_ctx_(), arg[i]) : NULL;
        if (value[i])
            reel_retain_rec_(value[i]);
        else if (cell)
            value[i] = reel_cell_get_(arg[i]);
        if (arg[i] && !value[i]) reel_retain_rec_(value[i] = arg[i]);
        if (arg[i]) continue;
        while (i-- > 0) reel_release_rec_(value[i]);
        return reel_status();
    }
    return 0;
}

/* ---- custom gradients ---------------------------------------------------------------------------- */

typedef struct custom_attr {
    reel_fn vjp;
} custom_attr;

static int custom_vjp(const reel_vjp_args *v)
{
    const custom_attr *a = v->attr;
    reel_tensor *in[REEL_MAX_IN + 2 * REEL_MAX_OUT];
    int n = 0;
    for (int i = 0; i < v->n_in; i++) in[n++] = v->in[i];
    for (int j = 0; j < v->n_out; j++) in[n++] = v->out[j];
    for (int j = 0; j < v->n_out; j++) {
        in[n] = v->dout[j] ? v->dout[j] : reel_zeros_like_at(v->site, v->out[j]);
        if (!in[n++]) return reel_status();
    }
    return a->vjp.body(a->vjp.self, in, v->din);
}

static const reel_op custom_grad_op = {.size = sizeof(reel_op),
                                       .id = -1,
                                       .name = "custom_grad",
                                       .args = "in",
                                       .n_in = -1,
                                       .n_out = -1,
                                       .keep = 0xffffffffu,
                                       .attr_size = sizeof(custom_attr),
                                       .grad = REEL_VJP,
                                       .vjp = custom_vjp};

static int check_custom(const char *site, const char *fn, reel_fn forward, reel_fn vjp)
{
    if (forward.n_in > REEL_MAX_IN || forward.n_out > REEL_MAX_OUT)
        return reel_fail_at_(site, REEL_EARG, "%s: at most %d inputs and %d outputs", fn, REEL_MAX_IN, REEL_MAX_OUT);
    const int want = forward.n_in + 2 * forward.n_out;
    if (vjp.body && vjp.n_in == want && vjp.n_out == forward.n_in) return 0;
    return reel_fail_at_(
        site, REEL_EARG,
        "%s: the vjp must take %d inputs (inputs, outputs, their gradients) and give %d, not %d and %d", fn, want,
        forward.n_in, vjp.n_in, vjp.n_out);
}

/* Traces heard forward's ops one by one; they must know that these are not the whole truth. */
static int tell_traces(const reel_call *call)
{
    int rc = 0;
    for (reel_listener *l = reel_ctx_()->listeners; l && !rc; l = l->next)
        if (!l->paused && !reel_is_tape_(l)) rc = l->hear(l, call);
    return rc;
}

int reel_custom_grad_at(const char *site, reel_fn forward, reel_fn vjp, reel_list in, reel_tensor *out[])
{
    static const char fn[] = "reel_custom_grad";
    reel_rec *arg[REEL_MAX_IN], *value[REEL_MAX_IN], *made[REEL_MAX_OUT];
    for (int j = 0; out && j < forward.n_out; j++) out[j] = NULL;
    if (reel_pending_()) return reel_pending_();
    int rc = reel_check_fn_(site, fn, forward, in, out);
    if (!rc) rc = check_custom(site, fn, forward, vjp);
    reel_quiet q;
    if (!rc) rc = reel_quiet_begin_(site, fn, &q);
    if (rc) return rc;
    const uint64_t first_id = q.n || reel_traced_() ? reel_ctx_()->next_id : 0;
    rc = reel_resolve_(site, fn, in, arg, value);
    if (rc) {
        reel_quiet_end_(&q);
        return rc;
    }
    rc = reel_listeners_region_(true);
    if (!rc) rc = reel_run_body_(site, fn, forward, in.t, out);
    if (!rc) rc = reel_make_fresh_(site, first_id, false, forward.n_out, out);
    reel_quiet_end_(&q);
    for (int j = 0; !rc && j < forward.n_out; j++) made[j] = reel_rec_of_(out[j]);
    const custom_attr attr = {vjp};
    const reel_call call = {.op = &custom_grad_op,
                            .attr = &attr,
                            .site = site,
                            .n_in = in.n,
                            .n_out = forward.n_out,
                            .arg = arg,
                            .in = value,
                            .out = made};
    if (!rc) rc = reel_quiet_tell_(&q, &call);
    if (!rc) rc = tell_traces(&call);
    (void)reel_listeners_region_(false);
    for (int i = 0; i < in.n; i++) reel_release_rec_(value[i]);
    for (int j = 0; rc && j < forward.n_out; j++) out[j] = NULL;
    return rc;
}
