/* state.c: assignment to variables and the optimizers' steps. */
#include "internal.h"
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

int reel_sgd_update_at(const char *site, reel_tensor *w, reel_tensor *v, reel_tensor *g, reel_tensor *lr,
                       double momentum, double decay, reel_tensor *out[2])
{
    const reel_attr_update a = {.momentum = momentum, .decay = decay};
    reel_tensor *const in[4] = {w, v, g, lr};
    if (!out) return reel_fail_at_(site, REEL_EARG, "reel_sgd_update: out is NULL");
    return reel_door_(&reel_rows_[REEL_OP_sgd_update], &a, in, 4, out, 2, site);
}

int reel_adam_update_at(const char *site, reel_tensor *w, reel_tensor *m, reel_tensor *v, reel_tensor *g,
                        reel_tensor *lr, reel_tensor *t, double beta1, double beta2, double eps, double decay,
                        reel_tensor *out[3])
{
    const reel_attr_update a = {.beta1 = beta1, .beta2 = beta2, .eps = eps, .decay = decay};
    reel_tensor *const in[6] = {w, m, v, g, lr, t};
    if (!out) return reel_fail_at_(site, REEL_EARG, "reel_adam_update: out is NULL");
    return reel_door_(&reel_rows_[REEL_OP_adam_update], &a, in, 6, out, 3, site);
}
