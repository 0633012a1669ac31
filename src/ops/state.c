/* state.c: assignment to variables and the optimizers' steps. */
#include <math.h>

#include "internal.h"
#include "reel/reel.h"

#include "core/error.h"

/* ---- assign(var, value): no output; the door puts the value into the cell ---------------------------- */
int reel_infer_assign_(const reel_infer *io)
{
    const reel_shape *var = &io->in[0]->shape, *value = &io->in[1]->shape;
    reel_shape both;
    if (reel_merge_shape_(var, value, &both)) return 0;
    char have[REEL_SHAPE_TEXT], want[REEL_SHAPE_TEXT];
    return reel_fail(REEL_ESHAPE, "a variable of shape %s cannot take %s", reel_shape_text_(var, want),
                     reel_shape_text_(value, have));
}

/* A weak number becomes a tensor of the variable's dtype before it is assigned: the variable is strong, and a trace
   takes its value's node for it. What does not fit is left to the door to refuse. */
static reel_tensor *strong_value(const char *site, reel_tensor *var, reel_tensor *value)
{
    if (!var || !value || !reel_is_live_(var) || !reel_is_live_(value) || !(reel_rec_of_(value)->flags & REEL_R_NUM))
        return value;
    const double x = reel_load_number_(reel_rec_of_(value)->data + reel_num_offset_(REEL_F64), REEL_F64);
    const reel_type *t = reel_type_of_(var);
    if (t->shape.rank != 0 || !reel_num_fits_(x, t->dtype)) return value;
    reel_attr_full a;
    memset(&a, 0, sizeof a);
    a.type.dtype = t->dtype;
    a.value = x;
    reel_tensor *out = NULL;
    reel_door_(&reel_rows_[REEL_OP_full], &a, NULL, 0, &out, 1, site);
    return out;
}

int reel_assign_at(const char *site, reel_tensor *var, reel_tensor *value)
{
    reel_tensor *const in[2] = {var, strong_value(site, var, value)};
    return reel_door_(&reel_rows_[REEL_OP_assign], &reel_no_attr_, in, 2, NULL, 0, site);
}

/* ---- sgd_update(w, v, g, lr), adam_update(w, m, v, g, lr, t) ------------------------------------------ */
int reel_infer_update_(const reel_infer *io)
{
    const int n_state = io->n_out, first_scalar = n_state + 1; /* the state, its gradient, then scalars */
    char name[REEL_ARG_TEXT];
    reel_type w = *io->in[0];
    for (int i = 1; i < first_scalar; i++)
        if (!reel_merge_shape_(&w.shape, &io->in[i]->shape, &w.shape))
            return reel_fail(REEL_ESHAPE, "%s does not have the shape of w", reel_arg_name_(io->op, i, name));
    for (int i = first_scalar; i < io->n_in; i++)
        if (io->in[i]->shape.rank != 0)
            return reel_fail(REEL_ESHAPE, "%s is no scalar", reel_arg_name_(io->op, i, name));
    for (int j = 0; j < n_state; j++) io->out[j] = w;
    return 0;
}

/* sgd_rows(w, v, g, ids, lr), adam_rows(w, m, v, g, ids, lr, t): g has a row for each of ids */
int reel_infer_update_rows_(const reel_infer *io)
{
    const int n_state = io->n_out;
    const reel_shape *g = &io->in[n_state]->shape, *ids = &io->in[n_state + 1]->shape;
    char name[REEL_ARG_TEXT];
    reel_type w = *io->in[0];
    for (int i = 1; i < n_state; i++)
        if (!reel_merge_shape_(&w.shape, &io->in[i]->shape, &w.shape))
            return reel_fail(REEL_ESHAPE, "%s does not have the shape of w", reel_arg_name_(io->op, i, name));
    if (!reel_is_int_(io->in[n_state + 1]->dtype))
        return reel_fail(REEL_EDTYPE, "ids are %s, not integers", reel_dtype_name(io->in[n_state + 1]->dtype));
    bool fits =
        w.shape.rank >= 1 && g->rank == w.shape.rank && ids->rank == 1 && reel_dims_agree_(g->dims[0], ids->dims[0]);
    for (int i = 1; fits && i < g->rank; i++) fits = reel_dims_agree_(g->dims[i], w.shape.dims[i]);
    if (!fits) return reel_fail(REEL_ESHAPE, "g and ids are no rows of w");
    for (int i = n_state + 2; i < io->n_in; i++)
        if (io->in[i]->shape.rank != 0)
            return reel_fail(REEL_ESHAPE, "%s is no scalar", reel_arg_name_(io->op, i, name));
    for (int j = 0; j < n_state; j++) io->out[j] = w;
    return 0;
}

int reel_sgd_rows_at_(const char *site, const reel_attr_update *a, reel_tensor *const in[5], reel_tensor *out[2])
{
    const reel_op *op = &reel_rows_[REEL_OP_sgd_rows];
    return out ? reel_door_(op, a, in, 5, out, 2, site) : reel_update_(op, a, in, 5, site);
}

int reel_adam_rows_at_(const char *site, const reel_attr_update *a, reel_tensor *const in[7], reel_tensor *out[3])
{
    const reel_op *op = &reel_rows_[REEL_OP_adam_rows];
    return out ? reel_door_(op, a, in, 7, out, 3, site) : reel_update_(op, a, in, 7, site);
}

/* g's rows and their numbers, if it is row-sparse. */
static bool rows_of(const char *site, reel_tensor *g, reel_tensor *part[2])
{
    if (!reel_is_row_sparse(g)) return false;
    part[0] = reel_rows_values_at(site, g);
    part[1] = reel_rows_ids_at(site, g);
    return true;
}

int reel_sgd_update_at(const char *site, reel_tensor *w, reel_tensor *v, reel_tensor *g, reel_tensor *lr,
                       double momentum, double decay, reel_tensor *out[2])
{
    const reel_attr_update a = {.momentum = momentum, .decay = decay};
    reel_tensor *const in[4] = {w, v, g, lr}, *rows[2];
    if (!out) return reel_fail_at_(site, REEL_EARG, "reel_sgd_update: out is NULL");
    if (rows_of(site, g, rows)) return reel_sgd_rows_at_(site, &a, (reel_tensor *[]){w, v, rows[0], rows[1], lr}, out);
    return reel_door_(&reel_rows_[REEL_OP_sgd_update], &a, in, 4, out, 2, site);
}

int reel_adam_update_at(const char *site, reel_tensor *w, reel_tensor *m, reel_tensor *v, reel_tensor *g,
                        reel_tensor *lr, reel_tensor *t, double beta1, double beta2, double eps, double decay,
                        reel_tensor *out[3])
{
    const reel_attr_update a = {.beta1 = beta1, .beta2 = beta2, .eps = eps, .decay = decay};
    reel_tensor *const in[6] = {w, m, v, g, lr, t}, *rows[2];
    if (!out) return reel_fail_at_(site, REEL_EARG, "reel_adam_update: out is NULL");
    if (rows_of(site, g, rows))
        return reel_adam_rows_at_(site, &a, (reel_tensor *[]){w, m, v, rows[0], rows[1], lr, t}, out);
    return reel_door_(&reel_rows_[REEL_OP_adam_update], &a, in, 6, out, 3, site);
}

/* ---- their gradients ------------------------------------------------------------------------------------ */
/* A step with its operands in f32 or f64, the gradients of its results, and what follows for its operands. m is Adam's. */
typedef struct step {
    const char *site;
    const reel_attr_update *a;
    reel_tensor *w, *m, *v, *g, *lr, *t;
    reel_tensor *dw, *dm, *dv; /* NULL: zero */
    reel_tensor *to_w, *to_m, *to_v, *to_g, *to_lr, *to_t;
} step;

static reel_tensor *times(const step *s, reel_tensor *x, double by)
{
    return x && by != 0 ? by == 1 ? x : reel_mul_at(s->site, x, reel_num_at(s->site, by)) : NULL;
}

static reel_tensor *product(const step *s, reel_tensor *x, reel_tensor *y)
{
    return x && y ? reel_mul_at(s->site, x, y) : NULL;
}

static reel_tensor *ratio(const step *s, reel_tensor *x, reel_tensor *y)
{
    return x ? reel_div_at(s->site, x, y) : NULL;
}

static reel_tensor *plus(const step *s, reel_tensor *x, reel_tensor *y)
{
    return x && y ? reel_add_at(s->site, x, y) : x ? x : y;
}

static reel_tensor *total(const step *s, reel_tensor *x)
{
    return x ? reel_sum_at(s->site, x) : NULL;
}

static void sgd_gradient(step *s)
{
    reel_tensor *g = plus(s, s->g, times(s, s->w, s->a->decay)), *v = plus(s, times(s, s->v, s->a->momentum), g);
    s->to_g = plus(s, s->dv, times(s, product(s, s->dw, s->lr), -1)); /* of v', and so of g' */
    s->to_v = times(s, s->to_g, s->a->momentum);
    s->to_w = plus(s, s->dw, times(s, s->to_g, s->a->decay));
    s->to_lr = times(s, total(s, product(s, s->dw, v)), -1);
}

/* 1 - beta^t, and of its gradient d that of t */
static reel_tensor *rest_of(const step *s, double beta)
{
    reel_tensor *one = reel_num_at(s->site, 1);
    return reel_sub_at(s->site, one, reel_pow_at(s->site, reel_num_at(s->site, beta), s->t));
}

static reel_tensor *to_steps(const step *s, double beta, reel_tensor *d)
{
    if (beta == 0) return NULL;
    return times(s, product(s, d, reel_pow_at(s->site, reel_num_at(s->site, beta), s->t)), -log(beta));
}

/* w' = w - lr n / r with n = m' / c, r = sqrt(z) + eps, z = v' / k; at z = 0 the root counts as constant. */
static void adam_gradient(step *s)
{
    const char *site = s->site;
    const reel_attr_update *a = s->a;
    reel_tensor *zero = reel_num_at(site, 0), *one = reel_num_at(site, 1);
    reel_tensor *g = plus(s, s->g, times(s, s->w, a->decay));
    reel_tensor *m = plus(s, times(s, s->m, a->beta1), times(s, g, 1 - a->beta1));
    reel_tensor *v = plus(s, times(s, s->v, a->beta2), times(s, product(s, g, g), 1 - a->beta2));
    reel_tensor *c = rest_of(s, a->beta1), *k = rest_of(s, a->beta2), *n = ratio(s, m, c), *z = ratio(s, v, k);
    reel_tensor *flat = reel_equal_at(site, z, zero), *root = reel_sqrt_at(site, reel_where_at(site, flat, one, z));
    reel_tensor *r = reel_add_at(site, reel_where_at(site, flat, zero, root), reel_num_at(site, a->eps));
    if (reel_status()) return;
    reel_tensor *dn = times(s, ratio(s, product(s, s->dw, s->lr), r), -1),
                *dr = times(s, ratio(s, product(s, dn, n), r), -1);
    reel_tensor *dz = dr ? reel_where_at(site, flat, zero, times(s, ratio(s, dr, root), 0.5)) : NULL;
    s->to_m = plus(s, s->dm, ratio(s, dn, c)); /* of m', v', then of g' */
    s->to_v = plus(s, s->dv, ratio(s, dz, k));
    s->to_g = plus(s, times(s, s->to_m, 1 - a->beta1), times(s, product(s, s->to_v, g), 2 * (1 - a->beta2)));
    s->to_w = plus(s, s->dw, times(s, s->to_g, a->decay));
    s->to_m = times(s, s->to_m, a->beta1);
    s->to_v = times(s, s->to_v, a->beta2);
    s->to_lr = times(s, total(s, ratio(s, product(s, s->dw, n), r)), -1);
    s->to_t = plus(s, to_steps(s, a->beta1, times(s, total(s, ratio(s, product(s, dn, n), c)), -1)),
                   to_steps(s, a->beta2, times(s, total(s, ratio(s, product(s, dz, z), k)), -1)));
}

static reel_tensor *wide(const char *site, reel_tensor *x, reel_dtype d)
{
    return !x || (reel_type_of_(x)->dtype == d && !(reel_rec_of_(x)->flags & REEL_R_NUM)) ? x
                                                                                          : reel_cast_at(site, x, d);
}

/* in: the state, g, with rows its ids, lr, with Adam t. Rows are taken as the whole table: what they do not name stays. */
static int step_gradient(const reel_vjp_args *v, bool rows)
{
    const char *site = v->site;
    const int n = v->n_out, at = n + rows; /* of the state; in front of lr */
    const bool adam = n == 3;
    const reel_dtype d = reel_type_of_(v->in[0])->dtype, to = d == REEL_F64 ? d : REEL_F32;
    reel_tensor *x[6] = {NULL}, *dout[3] = {NULL}, *zero = reel_num_at(site, 0), *named = NULL;
    for (int j = 0; j < n; j++) x[j] = wide(site, v->in[j], to), dout[j] = wide(site, v->dout[j], to);
    reel_tensor *g = wide(site, v->in[n], to), *given[3] = {dout[0], dout[1], dout[2]};
    if (rows) {
        named = reel_greater_at(site, reel_put_rows_at_(site, reel_ones_like_at(site, g), x[0], v->in[n + 1]), zero);
        g = reel_put_rows_at_(site, g, x[0], v->in[n + 1]);
        for (int j = 0; j < n; j++) dout[j] = dout[j] ? reel_where_at(site, named, dout[j], zero) : NULL;
    }
    step s = {.site = site, .a = v->attr, .w = x[0], .m = adam ? x[1] : NULL, .v = x[n - 1], .g = g};
    s.lr = wide(site, v->in[at + 1], to);
    s.t = adam ? wide(site, v->in[at + 2], to) : NULL;
    s.dw = dout[0], s.dm = adam ? dout[1] : NULL, s.dv = dout[n - 1];
    if (reel_status()) return reel_status();
    if (adam)
        adam_gradient(&s);
    else
        sgd_gradient(&s);
    reel_tensor *state[3] = {s.to_w, adam ? s.to_m : s.to_v, s.to_v}, *found[7] = {NULL};
    for (int j = 0; j < n; j++) {
        found[j] = state[j];
        if (rows && (state[j] || given[j]))
            found[j] = reel_where_at(site, named, state[j] ? state[j] : reel_zeros_like_at(site, given[j]),
                                     given[j] ? given[j] : zero);
    }
    found[n] = rows && s.to_g
                   ? reel_embedding_at(site, s.to_g, v->in[n + 1], REEL_OPTS(embedding, .dense_gradient = true))
                   : s.to_g;
    found[at + 1] = s.to_lr;
    if (adam) found[at + 2] = s.to_t;
    for (int i = 0; i < v->n_in && !reel_status(); i++)
        if (v->need[i] && found[i]) v->din[i] = wide(site, found[i], d);
    return reel_status();
}

int reel_vjp_sgd_update_(const reel_vjp_args *v)
{
    return step_gradient(v, false);
}

int reel_vjp_adam_update_(const reel_vjp_args *v)
{
    return step_gradient(v, false);
}

int reel_vjp_sgd_rows_(const reel_vjp_args *v)
{
    return step_gradient(v, true);
}

int reel_vjp_adam_rows_(const reel_vjp_args *v)
{
    return step_gradient(v, true);
}

/* ---- an update and its assignment ---------------------------------------------------------------------- */
int reel_sgd_apply_at(const char *site, reel_tensor *w, reel_tensor *v, reel_tensor *g, reel_tensor *lr,
                      double momentum, double decay)
{
    const reel_attr_update a = {.momentum = momentum, .decay = decay};
    reel_tensor *rows[2], *out[2];
    if (rows_of(site, g, rows)) return reel_sgd_rows_at_(site, &a, (reel_tensor *[]){w, v, rows[0], rows[1], lr}, NULL);
    int rc = reel_sgd_update_at(site, w, v, g, lr, momentum, decay, out);
    if (!rc) rc = reel_assign_at(site, w, out[0]);
    return rc ? rc : reel_assign_at(site, v, out[1]);
}

int reel_adam_apply_at(const char *site, reel_tensor *w, reel_tensor *m, reel_tensor *v, reel_tensor *g,
                       reel_tensor *lr, reel_tensor *t, double beta1, double beta2, double eps, double decay)
{
    const reel_attr_update a = {.beta1 = beta1, .beta2 = beta2, .eps = eps, .decay = decay};
    reel_tensor *rows[2], *out[3];
    if (rows_of(site, g, rows))
        return reel_adam_rows_at_(site, &a, (reel_tensor *[]){w, m, v, rows[0], rows[1], lr, t}, NULL);
    int rc = reel_adam_update_at(site, w, m, v, g, lr, t, beta1, beta2, eps, decay, out);
    if (!rc) rc = reel_assign_at(site, w, out[0]);
    if (!rc) rc = reel_assign_at(site, m, out[1]);
    return rc ? rc : reel_assign_at(site, v, out[2]);
}
