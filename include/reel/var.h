/* var.h: variables, the only mutable cells. They live in named sets, never in a scope; an op input
   reads the variable's value at the moment of the call. */
#ifndef REEL_VAR_H
#define REEL_VAR_H
#include "base.h"
REEL_BEGIN_DECLS
reel_vars *reel_vars_new(const char *name);
/* Owned by the parent; names "gen/hidden/w". The same name twice is an error. */
reel_vars *reel_vars_sub(reel_vars *parent, const char *name);
void reel_vars_free(
    reel_vars *v); /* and its sub-sets. Values still referenced live on; handles of its variables are dead */
reel_list reel_vars_list(reel_vars *v); /* with those of sub-sets, in order of creation; valid until one is added */
const char *reel_vars_name(const reel_vars *v);
const char *reel_var_name(reel_tensor *var); /* "gen/hidden/w"; NULL and an error if it is no variable */
/* A new variable with init's value, dtype and shape (reads see it at once). Not allowed inside a trace. */
reel_tensor *reel_var_at(const char *site, reel_vars *v, const char *name, reel_tensor *init);
/* A variable without a value: reading it before the first reel_assign is an error that names it. */
reel_tensor *reel_var_empty_at(const char *site, reel_vars *v, const char *name, reel_dtype d, reel_shape s);
reel_tensor *reel_value_at(const char *site,
                           reel_tensor *var); /* today's value as an ordinary tensor: a snapshot, no copy */
/* var <- value: same dtype and shape. A weak number takes the variable's. Swaps storage; never copies a tensor. */
int reel_assign_at(const char *site, reel_tensor *var, reel_tensor *value);
/* dst <- dst + tau (src - dst), pairwise in list order; tau = 1 copies. Target networks, moving averages. */
int reel_vars_blend_at(const char *site, reel_vars *dst, reel_vars *src, double tau);
REEL_END_DECLS
#endif
