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
    bool loop;         /* a while; otherwise a cond */
    reel_part part[2]; /* condition, body; or yes, no */
    int n_own;         /* inputs that the caller listed, before those captured */
    int64_t max_steps; /* 0: no bound */
    bool draws;        /* random numbers */
    int32_t *no_effects;
} reel_control;
typedef struct reel_control_attr {
    reel_control *control;
    int64_t stored; /* a loop's states, step by step, in outputs of their own; 1 or 0 */
} reel_control_attr;

extern const reel_op reel_cond_ops_[2], reel_while_ops_[2]; /* [1]: draws random numbers */
reel_control *reel_control_new_(bool loop, int n_own);
void reel_control_release_(reel_control *c);
int reel_cond_vjp_(const reel_vjp_args *v);
int reel_while_vjp_(const reel_vjp_args *v);
/* A state that a body changes: an error naming both. old's unknown dimensions fit any, and any fits now's. */
int reel_check_state_(const char *what, int i, const reel_type *old, const reel_type *now);
bool reel_types_fit_(const reel_type *a, const reel_type *b);
#endif
