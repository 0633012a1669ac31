/* control.h: control flow as ops with sub-graphs: what control.c (the public functions), control_ops.c (shape rules, kernels) and
   control_grad.c (gradients) share. */
#ifndef REEL_TRACE_CONTROL_H
#define REEL_TRACE_CONTROL_H
#include "reel/control.h"
#include "trace.h"

/* A sub-graph of an op. Its inputs are those the caller listed, then what it captured. */
typedef struct reel_part {
    reel_player player;
    int32_t *from; /* of each input: which input of the op, counted from the first that is not the condition */
    int n_in;
} reel_part;

typedef struct reel_control {
    _Atomic int refs;
    enum { REEL_COND, REEL_WHILE, REEL_SCAN } kind;
    reel_part part[2]; /* yes, no; condition, body; of a scan only the body */
    int n_own;         /* inputs that the caller listed, before those captured */
    int n_carry;       /* of a scan: how many of these are its carry */
    int64_t max_steps; /* of a loop; 0: no bound */
    bool draws;        /* random numbers */
    int32_t *no_effects;
} reel_control;
typedef struct reel_control_attr {
    reel_control *control;
    int64_t stored; /* a loop's states, step by step, in outputs of their own; 1 or 0 */
} reel_control_attr;

/* ---- control_ops.c ------------------------------------------------------------------------------------ */
extern const reel_op reel_cond_ops_[2], reel_while_ops_[2], reel_scan_ops_[2]; /* [1]: draws random numbers */
reel_control *reel_control_new_(int kind, int n_own);
void reel_control_release_(reel_control *c);
void reel_control_attr_retain_(const void *attr);
void reel_control_attr_release_(const void *attr);
/* A state that a body changes: an error naming both. Unknown dimensions fit any. */
int reel_check_state_(const char *what, int i, const reel_type *old, const reel_type *now);
/* The outputs of a sub-graph for inputs of those types: the op's, without a condition. */
int reel_part_types_(const reel_control *c, const reel_part *p, const reel_type *const *in, reel_type *out);
int reel_control_known_(const reel_infer *io); /* raises if what leaves has a size that depends on data inside */

typedef struct reel_operand {
    reel_type type;
    int64_t strides[REEL_MAX_RANK];
} reel_operand;
typedef struct reel_control_plan {
    const reel_control *c;
    const char *site;
    bool stored;
    int n_in, n_out;
    reel_operand *operand; /* inputs, then outputs */
} reel_control_plan;
int reel_control_prepare_(const reel_ksig *sig, void *plan, size_t *workspace);
void reel_control_drop_(void *plan);
reel_rec *reel_operand_rec_(const reel_control_plan *p, const reel_operand *o, void *data); /* around what lies there */
/* in: the op's inputs without a condition. */
int reel_part_run_(const reel_control_plan *p, const reel_part *part, reel_rec *const *in, reel_tensor **out);
void reel_copy_out_(void *dst, const reel_rec *r); /* in C order */

/* ---- control.c ------------------------------------------------------------------------------------------ */
/* A body whose outputs are tensors: a weak number takes the dtype of the state, or of any number alone. */
typedef struct reel_strong {
    reel_fn fn;
    const char *site, *what;
    const reel_type *state; /* of its first outputs; NULL: none */
    int n_state;
} reel_strong;
reel_fn reel_strong_fn_(reel_strong *s, const char *site, const char *what, reel_fn fn, const reel_type *state, int n);
/* Both bodies as sub-graphs of one op, which then goes through the door. */
typedef struct reel_traced {
    int kind;
    const char *site, *fn;
    reel_capture *around;
    reel_tensor *pred;
    reel_fn f[2];
    reel_list in;
    int n_carry, n_out;
    int64_t max_steps;
    bool store;
} reel_traced;
int reel_control_trace_(const reel_traced *t, reel_tensor **out);
int reel_control_list_(const char *site, const char *fn, reel_list in, reel_tensor *const *out);
int reel_control_body_(const char *site, const char *fn, const char *what, reel_fn f, int n_in, int n_out);
int reel_control_strong_(const char *site, reel_list in, reel_tensor **t);
int reel_control_dense_(const char *site, int n, reel_tensor **out);
void reel_control_give_(reel_scope_rec *outer, int n,
                        reel_tensor *const *out); /* to the scope around, what belongs to this one */
int reel_control_changes_(const char *site, const char *op, int i, const reel_type *old, const reel_type *now);
void reel_control_forget_(int n, reel_tensor *const *old, reel_tensor *const *now);

/* ---- control_grad.c -------------------------------------------------------------------------------------- */
int reel_cond_vjp_(const reel_vjp_args *v);
int reel_while_vjp_(const reel_vjp_args *v);
int reel_scan_vjp_(const reel_vjp_args *v); /* control_scan.c */
/* din[i] = from[i] (NULL: nothing) plus what in[i] gets from the outputs' dout (NULL: nothing); NULL if that is nothing. */
int reel_pull_(const char *site, const reel_part *part, reel_tensor *const *in, int n, const bool *need,
               reel_tensor *const *from, reel_tensor *const *dout, reel_tensor **din);
/* The outputs of a sub-graph, its nodes run again. */
int reel_part_again_(const char *site, const reel_part *part, reel_tensor *const *in, int n, reel_tensor **out);
int reel_control_draws_(const reel_vjp_args *v, const reel_control *c); /* an error if it does */
#endif
