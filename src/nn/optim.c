/* optim.c: optimizers: SGD with momentum, and Adam (Kingma & Ba 2015). All state is variables of a set of their own,
   and a step is ops and assigns, so it works eagerly, in a trace and in its replay alike. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "reel/reel.h"

enum { MAX_SLOTS = 2, MAX_OUT = 3 };

struct reel_optimizer {
    const char *kind; /* "reel_sgd" */
    bool adam;
    int n;
    reel_vars *state;
    reel_tensor *lr, *step;        /* step: Adam's only */
    reel_tensor **var;             /* n of each: bound variables, NULL where one is no float */
    reel_tensor **slot[MAX_SLOTS]; /* Adam: m, v; SGD: v */
    reel_tensor **list, **grads;   /* room for a step: the float variables, their gradients */
    reel_tensor **next[MAX_OUT];   /* and their new values */
    double momentum, decay, beta1, beta2, eps;
};

/* ---- options ------------------------------------------------------------------------------------- */

/* 0 means the default, -0.0 (REEL_ZERO) means zero. */
static double option(double value, double otherwise)
{
    if (value != 0) return value;
    return signbit(value) ? 0.0 : otherwise;
}

static int check(const char *site, const char *fn, const char *name, double value, double low, double high)
{
    if (value >= low && value < high) return 0;
    return reel_fail(REEL_EARG, "%s: %s: %s is %g, must be in [%g, %g)", site, fn, name, value, low, high);
}

static int copy_opts(const char *site, const char *fn, void *dst, size_t room, const void *src)
{
    memset(dst, 0, room);
    if (!src) return 0;
    size_t size;
    memcpy(&size, src, sizeof size);
    if (size < sizeof size)
        return reel_fail(REEL_EARG, "%s: %s: the options' size is %zu; make them with REEL_OPTS", site, fn, size);
    memcpy(dst, src, size < room ? size : room);
    return 0;
}

/* ---- making and freeing -------------------------------------------------------------------------- */

static reel_tensor *scalar_var(const char *site, reel_vars *set, const char *name, double value)
{
    return reel_var_at(site, set, name, reel_full_at(site, REEL_F32, REEL_SCALAR, value));
}

static reel_tensor **pointers(int n)
{
    reel_tensor **p = calloc(n > 0 ? (size_t)n : 1, sizeof *p);
    if (!p) reel_fail(REEL_ENOMEM, "reel_optimizer: out of memory for %d variables", n);
    return p;
}

static int bind(const char *site, reel_optimizer *o, reel_list vars)
{
    const int slots = o->adam ? 2 : 1;
    o->n = vars.n;
    o->var = pointers(o->n);
    o->list = pointers(o->n);
    o->grads = pointers(o->n);
    for (int k = 0; k < slots; k++) o->slot[k] = pointers(o->n);
    for (int k = 0; k <= slots; k++) o->next[k] = pointers(o->n);
    for (int i = 0; i < o->n && !reel_status(); i++) {
        static const char *const names[2][2] = {{"v", ""}, {"m", "v"}};
        const reel_dtype d = reel_dtype_of(vars.t[i]);
        if (d != REEL_F32 && d != REEL_F64 && d != REEL_F16 && d != REEL_BF16) continue;
        o->var[i] = vars.t[i];
        for (int k = 0; k < slots; k++) {
            char name[32];
            snprintf(name, sizeof name, "%s%d", names[o->adam][k], i);
            o->slot[k][i] = reel_var_at(site, o->state, name, reel_zeros_at(site, d, reel_shape_of(vars.t[i])));
        }
    }
    return reel_status();
}

static reel_optimizer *make(const char *site, const char *kind, reel_vars *vars, bool adam, double lr)
{
    if (!vars) {
        reel_fail(REEL_EARG, "%s: %s: vars is NULL", site, kind);
        return NULL;
    }
    reel_optimizer *o = calloc(1, sizeof *o);
    if (!o) {
        reel_fail(REEL_ENOMEM, "%s: %s: out of memory", site, kind);
        return NULL;
    }
    REEL_SCOPED_AT(site);
    o->kind = kind;
    o->adam = adam;
    o->state = reel_vars_new(kind + 5);
    if (o->state) {
        o->lr = scalar_var(site, o->state, "lr", lr);
        if (adam) o->step = scalar_var(site, o->state, "step", 0);
    }
    if (!o->state || reel_status() || bind(site, o, reel_vars_list(vars))) {
        reel_optimizer_free(o);
        return NULL;
    }
    return o;
}

reel_optimizer *reel_sgd_at(const char *site, reel_vars *vars, const reel_sgd_opts *given)
{
    static const char fn[] = "reel_sgd";
    reel_sgd_opts p;
    if (reel_status() || copy_opts(site, fn, &p, sizeof p, given)) return NULL;
    const double lr = option(p.lr, 1e-2), momentum = option(p.momentum, 0), decay = option(p.weight_decay, 0);
    if (check(site, fn, "lr", lr, 0, INFINITY) || check(site, fn, "momentum", momentum, 0, INFINITY) ||
        check(site, fn, "weight_decay", decay, 0, INFINITY))
        return NULL;
    reel_optimizer *o = make(site, fn, vars, false, lr);
    if (!o) return NULL;
    o->momentum = momentum;
    o->decay = decay;
    return o;
}

reel_optimizer *reel_adam_at(const char *site, reel_vars *vars, const reel_adam_opts *given)
{
    static const char fn[] = "reel_adam";
    reel_adam_opts p;
    if (reel_status() || copy_opts(site, fn, &p, sizeof p, given)) return NULL;
    const double lr = option(p.lr, 1e-3), beta1 = option(p.beta1, 0.9), beta2 = option(p.beta2, 0.999),
                 eps = option(p.eps, 1e-8), decay = option(p.weight_decay, 0);
    if (check(site, fn, "lr", lr, 0, INFINITY) || check(site, fn, "beta1", beta1, 0, 1) ||
        check(site, fn, "beta2", beta2, 0, 1) || check(site, fn, "eps", eps, 0, INFINITY) ||
        check(site, fn, "weight_decay", decay, 0, INFINITY))
        return NULL;
    reel_optimizer *o = make(site, fn, vars, true, lr);
    if (!o) return NULL;
    o->beta1 = beta1;
    o->beta2 = beta2;
    o->eps = eps;
    o->decay = decay;
    return o;
}

void reel_optimizer_free(reel_optimizer *o)
{
    if (!o) return;
    reel_vars_free(o->state);
    free(o->var);
    free(o->list);
    free(o->grads);
    for (int k = 0; k < MAX_SLOTS; k++) free(o->slot[k]);
    for (int k = 0; k < MAX_OUT; k++) free(o->next[k]);
    free(o);
}

reel_tensor *reel_optimizer_lr(reel_optimizer *o)
{
    if (o) return o->lr;
    reel_fail(REEL_EARG, "reel_optimizer_lr: o is NULL");
    return NULL;
}

/* ---- a step -------------------------------------------------------------------------------------- */

/* lr and step number in one dtype; made once for each that occurs. */
typedef struct rates {
    reel_tensor *lr[REEL_N_DTYPES], *step[REEL_N_DTYPES];
} rates;

static reel_tensor *in_dtype(const char *site, reel_tensor **cache, reel_tensor *t, reel_dtype d)
{
    if (!cache[d]) cache[d] = d == REEL_F32 ? t : reel_cast_at(site, t, d);
    return cache[d];
}

static int update_one(const char *site, reel_optimizer *o, int i, reel_tensor *g, reel_tensor *step, rates *r)
{
    reel_tensor *w = o->var[i], *out[MAX_OUT] = {NULL, NULL, NULL};
    const reel_dtype d = reel_dtype_of(w);
    if (!d) return reel_status();
    reel_tensor *lr = in_dtype(site, r->lr, o->lr, d);
    if (reel_is_row_sparse(g)) { /* updated where it lies, when it comes to the assignments */
        if (o->adam) (void)in_dtype(site, r->step, step, d);
        for (int k = 0; k < MAX_OUT && o->next[k]; k++) o->next[k][i] = NULL;
        return reel_status();
    }
    const int rc =
        o->adam ? reel_adam_update_at(site, w, o->slot[0][i], o->slot[1][i], g, lr, in_dtype(site, r->step, step, d),
                                      o->beta1, o->beta2, o->eps, o->decay, out)
                : reel_sgd_update_at(site, w, o->slot[0][i], g, lr, o->momentum, o->decay, out);
    for (int k = 0; k < MAX_OUT && o->next[k]; k++) o->next[k][i] = out[k];
    return rc ? rc : reel_status();
}

/* The rows that a row-sparse gradient names. */
static int apply_rows(const char *site, reel_optimizer *o, int i, reel_tensor *g, const rates *r)
{
    const reel_dtype d = reel_dtype_of(o->var[i]);
    if (o->adam)
        return reel_adam_apply_at(site, o->var[i], o->slot[0][i], o->slot[1][i], g, r->lr[d], r->step[d], o->beta1,
                                  o->beta2, o->eps, o->decay);
    return reel_sgd_apply_at(site, o->var[i], o->slot[0][i], g, r->lr[d], o->momentum, o->decay);
}

static int assign_all(const char *site, reel_optimizer *o, reel_tensor *const grads[], reel_tensor *step,
                      const rates *r)
{
    const int slots = o->adam ? 2 : o->momentum != 0; /* without momentum the slot is never read */
    int rc = 0;
    for (int i = 0; i < o->n && !rc; i++) /* first, for they may fail */
        if (o->var[i] && !o->next[0][i]) rc = apply_rows(site, o, i, grads[i], r);
    for (int i = 0; i < o->n && !rc; i++) {
        if (!o->var[i] || !o->next[0][i]) continue;
        rc = reel_assign_at(site, o->var[i], o->next[0][i]);
        for (int k = 0; k < slots && !rc; k++) rc = reel_assign_at(site, o->slot[k][i], o->next[1 + k][i]);
    }
    if (!rc && o->adam) rc = reel_assign_at(site, o->step, step);
    return rc;
}

/* One table's rows refuse before they move; of several none may move before all are known to. */
static int check_rows(const char *site, const reel_optimizer *o, reel_tensor *const grads[])
{
    int n = 0, rc = 0;
    for (int i = 0; i < o->n; i++) n += o->var[i] && reel_is_row_sparse(grads[i]);
    for (int i = 0; i < o->n && n > 1 && !rc; i++)
        if (o->var[i] && reel_is_row_sparse(grads[i])) rc = reel_rows_check_at(site, grads[i], o->var[i]);
    return rc;
}

/* All new values before the first assign: a step that fails moves nothing. */
static int take_step(const char *site, reel_optimizer *o, reel_tensor *const grads[])
{
    rates r;
    memset(&r, 0, sizeof r);
    reel_tensor *step = o->adam ? reel_add_at(site, o->step, reel_num_at(site, 1)) : NULL;
    int rc = reel_status();
    for (int i = 0; i < o->n && !rc; i++)
        if (o->var[i]) rc = update_one(site, o, i, grads[i], step, &r);
    if (!rc) rc = check_rows(site, o, grads);
    return rc ? rc : assign_all(site, o, grads, step, &r);
}

int reel_optimizer_step_at(const char *site, reel_optimizer *o, reel_tensor *const grads[])
{
    if (reel_status()) return reel_status();
    if (!o) return reel_fail(REEL_EARG, "%s: reel_optimizer_step: o is NULL", site);
    if (!grads && o->n) return reel_fail(REEL_EARG, "%s: reel_optimizer_step: grads is NULL", site);
    REEL_SCOPED_AT(site);
    return take_step(site, o, grads);
}

int reel_minimize_at(const char *site, reel_optimizer *o, reel_tape *t, reel_tensor *loss)
{
    if (reel_status()) return reel_status();
    if (!o) return reel_fail(REEL_EARG, "%s: reel_minimize: o is NULL", site);
    REEL_SCOPED_AT(site);
    int n = 0;
    for (int i = 0; i < o->n; i++)
        if (o->var[i]) o->list[n++] = o->var[i];
    const reel_list xs = {n, o->list};
    const int rc = reel_grad_at(site, t, loss, xs, o->grads);
    if (rc) return rc;
    for (int i = o->n - 1; i >= 0; i--)
        o->grads[i] = o->var[i] ? o->grads[--n] : NULL; /* back to the places of the list */
    return take_step(site, o, o->grads);
}
