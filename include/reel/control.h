/* control.h: control flow that depends on data. Eagerly the bodies just run. In a trace or graph each becomes a sub-graph, traced
   once without running it, and the whole is one op, so every replay branches and loops by its own data. Bodies may use tensors and
   variables from around them; in a trace they cannot assign variables (carry the value through the state, assign it behind).
   Weak numbers among inputs and outputs become tensors. Gradients of any order, in every mode; those of a body that draws random
   numbers only eagerly. */
#ifndef REEL_CONTROL_H
#define REEL_CONTROL_H
#include "base.h"
REEL_BEGIN_DECLS
/* out = yes(in) if pred, a bool of one element, is true, else no(in). In a trace both must give the same dtypes and shapes. */
int reel_cond_at(const char *site, reel_tensor *pred, reel_fn yes, reel_fn no, reel_list in, reel_tensor *out[]);
typedef struct {
    size_t size;
    int64_t max_steps; /* the loop ends then at the latest; 0: no bound */
    bool
        recompute; /* the gradient of a traced loop computes each state again, from the first one on, in time T^2 for T steps. So
                          it does without a bound; with one it stores the states: memory for max_steps of them */
} reel_while_opts;
/* out = state after state = body(state) for as long as cond(state), a bool of one element, is true. A body that changes the dtype
   or shape of a state is an error that names both. */
int reel_while_at(const char *site, reel_fn cond, reel_fn body, reel_list state, const reel_while_opts *o,
                  reel_tensor *out[]);
/* Along the first axis of the sequences xs, which all have its size T: (state, y_t) = body(state, x_t), from state = init on.
   out = the last state, then each y stacked to [T, ...]. The gradient of a traced scan runs it once more, and then backwards. */
int reel_scan_at(const char *site, reel_fn body, reel_list init, reel_list xs, reel_tensor *out[]);
/* A scan without a state: out = the y_t = body(x_t), stacked. */
int reel_map_at(const char *site, reel_fn body, reel_list xs, reel_tensor *out[]);
REEL_END_DECLS
#endif
