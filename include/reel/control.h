/* control.h: control flow that depends on data. Eagerly the bodies just run. In a trace or graph each becomes a sub-graph, traced
   without running it, and the whole is one op, so every replay branches and loops by its own data. Bodies may use tensors and
   variables from around them, assign variables (not in a loop's condition) and draw random numbers. Weak numbers among inputs and
   outputs become tensors. Gradients of any order, in every mode. docs/control-flow.md says what is stored for them. */
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
        recompute; /* a traced loop stores nothing for its gradient, which runs it once more. Otherwise it stores the state of each
                          step if there is a bound, else of as many as there are slots for, and runs the steps between these again */
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
