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
    bool as_it_is; /* a checkpoint: its gradient takes inputs as they are, only equal ones are told apart */
} reel_part;

typedef struct reel_control {
    _Atomic int refs;
    enum { REEL_COND, REEL_WHILE, REEL_SCAN, REEL_CALL } kind;
    char *name;        /* of a call: the function's or the checkpoint's; NULL: it is a gradient */
    reel_part part[2]; /* yes, no; condition, body; of a scan or a call only the body */
    int n_own; /* inputs that the caller listed, before those captured; of a loop the variables it assigns are among them */
    int n_carry;       /* of a scan: how many of these are its carry */
    int n_out;         /* what the bodies give; of a loop its states */
    int n_cells;       /* the last of these (of a scan: of its carry) are what variables are assigned behind the op */
    int64_t max_steps; /* of a loop; 0: no bound */
    int n_drawn;       /* generators that it draws from: where each stood before are the op's last outputs */
    reel_generator *generator[REEL_MAX_DRAWN];
    bool cond_draws; /* the condition of a loop does */
    /* Of a function's node, which other calls share: the variables that it takes from around it, and those that it assigns; retained. */
    reel_rec **around;
    uint64_t values; /* bit i: around[i] by reel_value */
    int n_around, n_assigned;
    int32_t *no_effects;
    /* Of a function's node that may have gradients: the last n_kept of its n_out, behind those of cells, are what its gradients take from it. */
    bool keeps;
    int n_kept;
    struct reel_back *_Atomic backs; /* those that were asked for so far */
} reel_control;
typedef struct reel_back reel_back;
/* A loop's states before its steps, for the gradient, in outputs of their own: of each step up to max_steps; or in a fixed number of
   slots, of each stride-th step, where stride doubles when they are full. */
enum { REEL_STORE_NONE, REEL_STORE_ALL, REEL_STORE_SLOTS };
typedef struct reel_control_attr {
    reel_control *control;
    int64_t stored; /* REEL_STORE_...; of a call REEL_CALL_... */
} reel_control_attr;
/* A call gives what its gradients would take from it only where somebody takes that: see passes/prune.c. */
enum { REEL_CALL_WHOLE, REEL_CALL_LEAN };
static inline int reel_call_outputs_(const reel_control *c, int64_t stored)
{
    return c->n_out - (stored == REEL_CALL_LEAN ? c->n_kept : 0);
}
/* The outputs of a loop: states, how many steps; if stored also the stride, the states' and the generators' stacks; generators. */
static inline int reel_loop_outputs_(const reel_control *c, int64_t stored)
{
    return c->n_own + 1 + (stored ? 1 + c->n_own + c->n_drawn : 0) + c->n_drawn;
}

/* The sub-graphs of a node, also where it draws once more; NULL: it has none. */
const reel_control *reel_control_of_(const reel_op *op, const void *attr);

/* ---- control_ops.c ------------------------------------------------------------------------------------ */
extern const reel_op reel_cond_ops_[2], reel_while_ops_[2], reel_scan_ops_[2],
    reel_call_ops_[3]; /* [1]: draws random numbers; [2]: what it gives is kept for its gradient */
reel_control *reel_control_new_(int kind, int n_own);
void reel_control_release_(reel_control *c);
void reel_control_attr_retain_(const void *attr);
void reel_control_attr_release_(const void *attr);
/* A state that a body changes: an error naming both. Unknown dimensions fit any. */
int reel_check_state_(const char *what, int i, const reel_type *old, const reel_type *now);
/* The first n outputs of a sub-graph for inputs of those types: the op's, without a condition. */
int reel_part_types_(const reel_control *c, const reel_part *p, int n, const reel_type *const *in, reel_type *out);
const char *reel_control_name_(const reel_control *c);
int reel_check_condition_(const reel_type *t);
void reel_put_drawn_(const reel_control *c, reel_type *out);
int reel_control_known_(const reel_infer *io); /* raises if what leaves has a size that depends on data inside */

typedef struct reel_operand {
    reel_type type;
    int64_t strides[REEL_MAX_RANK];
} reel_operand;
typedef struct reel_control_plan {
    const reel_control *c;
    const char *site;
    int64_t stored;
    int n_in, n_out;
    reel_operand *operand; /* inputs, then outputs */
} reel_control_plan;
int reel_control_prepare_(const reel_ksig *sig, void *plan, size_t *workspace);
void reel_control_drop_(void *plan);
reel_rec *reel_operand_rec_(const reel_control_plan *p, const reel_operand *o, void *data); /* around what lies there */
/* in: the op's inputs without a condition. */
int reel_part_run_(const reel_control_plan *p, const reel_part *part, int n, reel_rec *const *in,
                   reel_tensor **out);             /* its first n outputs */
void reel_copy_out_(void *dst, const reel_rec *r); /* in C order */
void reel_note_drawn_(const reel_control_plan *p,
                      void *const *ptr); /* how the generators stand, into the last outputs */

/* ---- control_loop.c: a sub-graph run again and again ----------------------------------------------------- */
/* One plan and one frame for all steps, as long as what it is given is laid out alike; what it makes goes into records that take turns. */
typedef struct reel_runner {
    const reel_control_plan *p;
    const reel_part *part;
    reel_request rq;
    reel_plan *plan; /* NULL: not begun */
    reel_frame *frame;
    reel_rec *given[REEL_MAX_IN];
    reel_rec **pool;
    size_t room;
    int turns, turn;
    bool passes; /* an output is one of the inputs */
    bool failed; /* it cannot: each step is a run of its own */
    bool slow;   /* the last step was: its results belong to the caller's scope */
} reel_runner;
/* out[j] lives until the step after the next one that does not give it again. in: the op's inputs without a condition. */
int reel_runner_step_(reel_runner *r, reel_rec *const *in, reel_rec **out);
void reel_runner_end_(reel_runner *r);

/* ---- control.c ------------------------------------------------------------------------------------------ */
/* The cells that bodies assign: they are states of a loop, outputs of anything else. */
typedef struct reel_assigned {
    int n;
    reel_rec *cell[REEL_MAX_IN]; /* retained */
} reel_assigned;
/* A body whose outputs are tensors: a weak number takes the dtype of the state, or of any number alone. */
typedef struct reel_strong {
    reel_fn fn;
    const char *site, *what;
    const reel_type *state; /* of its first outputs; NULL: none */
    int n_state;
    /* Traced: those have the values in[cells_in + k] (cells_in -1: as they are), and what the body leaves in them goes to
       out[cells_out + k]; further inputs and outputs stand behind. NULL: none. */
    const reel_assigned *cells;
    reel_capture *capture;
    int cells_in, cells_out;
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
    int n_carry;
    int64_t max_steps, store;
    bool again;
    reel_function *called; /* of a call: whose body it is, NULL: of nobody's */
    bool keeps;            /* it is to keep what its gradient will need */
    reel_control **made;   /* where its sub-graph is to be kept, with a reference, for other calls; NULL: nowhere */
} reel_traced;
/* A kept sub-graph once more, on t->in. */
int reel_control_call_(const reel_traced *t, reel_control *c, reel_tensor **out);
int reel_control_trace_(const reel_traced *t,
                        reel_tensor **out); /* control_trace.c; -1: a call that has to be inlined */
bool reel_control_taped_(void);             /* does a tape listen? */
bool reel_graded_(
    const reel_capture *c); /* may there be gradients of what c hears: a tape around it, or is it a graph's? */
int reel_control_list_(const char *site, const char *fn, reel_list in, reel_tensor *const *out);
int reel_control_body_(const char *site, const char *fn, const char *what, reel_fn f, int n_in, int n_out);
int reel_control_strong_(const char *site, reel_list in, reel_tensor **t);
int reel_control_dense_(const char *site, int n, reel_tensor **out);
/* Each has an id of its own where a tape listens; results: or operands. */
int reel_control_apart_(const char *site, bool results, int n, reel_tensor **t);
void reel_control_give_(reel_scope_rec *outer, int n,
                        reel_tensor *const *out); /* to the scope around, what belongs to this one */
int reel_control_changes_(const char *site, const char *op, int i, const reel_type *old, const reel_type *now);
void reel_control_forget_(int n, reel_tensor *const *old, reel_tensor *const *now);

static inline bool reel_is_float_tensor_(const reel_tensor *t)
{
    return reel_is_float_(reel_rec_of_(t)->type.dtype);
}

/* ---- control_back.c: the gradient of a function's node as another one --------------------------------------- */
/* Makes what the gradients of c's function take from it outputs of c, which keeps then; n_op: inputs of the op. Where it cannot be, c
   stays as it is. */
int reel_back_residuals_(const char *site, reel_control *c, int n_op);
/* din[i] as reel_pull_ gives it; -1: it is to be inlined. */
int reel_back_pull_(reel_control *c, const reel_vjp_args *v, const bool *need, reel_tensor *const *from,
                    reel_tensor **din);
void reel_backs_free_(reel_control *c);

/* ---- control_grad.c -------------------------------------------------------------------------------------- */
/* x itself under a new id, so that equal tensors have gradients of their own; a view that tapes see. */
reel_tensor *reel_control_renamed_(const char *site, reel_tensor *x);
int reel_cond_vjp_(const reel_vjp_args *v);
int reel_call_vjp_(const reel_vjp_args *v);  /* control_call.c */
int reel_while_vjp_(const reel_vjp_args *v); /* control_while.c */
int reel_scan_vjp_(const reel_vjp_args *v);  /* control_scan.c */
/* din[i] = from[i] (NULL: nothing) plus what in[i] gets from the outputs' dout (NULL: nothing); NULL if that is nothing. */
int reel_pull_(const char *site, const reel_part *part, reel_tensor *const *in, int n, const bool *need,
               reel_tensor *const *from, reel_tensor *const *dout, reel_redraw *draws, reel_tensor **din);
reel_tensor *reel_nothing_like_(const char *site,
                                reel_tensor *x);        /* where a sum begins: -0, which leaves signs of zeros alone */
bool reel_given_before_(reel_tensor *const *in, int i); /* is in[i] the value of one before it? */
/* A sub-graph's nodes once more: between begin and end, which is due even if begin fails. */
typedef struct reel_again {
    const char *site;
    const reel_part *part;
    reel_tensor *in[REEL_MAX_IN]; /* the op's, without a condition */
    uint8_t *need;
    reel_tensor **tensors; /* by value of the sub-graph */
    bool *fed;
} reel_again;
int reel_again_begin_(reel_again *a, const char *site, const reel_part *part, reel_tensor *const *in, int n);
/* All of its outputs, or those that are wanted. What draws goes on, read or not. */
int reel_again_run_(reel_again *a, reel_tensor *const *wanted, reel_redraw *draws, reel_tensor **out);
void reel_again_end_(reel_again *a);
/* The outputs of a sub-graph, its nodes run again, drawing what they drew: draws goes on. */
int reel_part_again_(const char *site, const reel_part *part, reel_tensor *const *in, int n, reel_redraw *draws,
                     reel_tensor **out);
reel_redraw reel_redraw_of_(const reel_control *c, reel_tensor *const *state);
/* The op once more, drawing from those states. */
int reel_redraw_call_(const reel_op *op, const void *attr, reel_tensor *const *in, int n_in, const reel_redraw *draws,
                      reel_tensor **out, int n_out, const char *site);
#endif
