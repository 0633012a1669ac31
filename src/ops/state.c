/* state.c: assignment to variables and the optimizers' steps. */
#include "internal.h"
#include "reel/sequence.h"
#include "reel/var.h"

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
