/* tape.h: gradients. A tape hears every op of its thread from its beginning to its end. */
#ifndef REEL_TAPE_H
#define REEL_TAPE_H
#include "base.h"
REEL_BEGIN_DECLS
typedef struct {
    size_t size;
    bool persistent;   /* several reel_grad calls allowed; the entries live until the tape ends */
    bool no_variables; /* do not watch variables by themselves */
} reel_tape_opts;
/* Owned by the scope it began in. Float variables are watched when read; other tensors by reel_watch. */
reel_tape *reel_tape_begin_at(const char *site, const reel_tape_opts *o);
void reel_tape_end(reel_tape *t); /* optional: drop it before its scope does. NULL: nothing */
int reel_watch_at(const char *site, reel_tape *t, reel_list xs);
/* dxs[i] = d y / d xs[i], zeros where y does not depend on it; y has one element. First stops this tape
   (outer ones hear the backward), then consumes it unless persistent. On error all dxs are NULL. */
int reel_grad_at(const char *site, reel_tape *t, reel_tensor *y, reel_list xs, reel_tensor *dxs[]);
/* Vector-Jacobian product: dxs[i] = sum_j dys[j]^T d ys[j] / d xs[i]; each dys[j] has ys[j]'s shape and dtype. */
int reel_vjp_at(const char *site, reel_tape *t, reel_list ys, reel_list dys, reel_list xs, reel_tensor *dxs[]);
reel_tensor *reel_grad1_at(const char *site, reel_tape *t, reel_tensor *y, reel_tensor *x);

/* Runs f and moves out[] to the caller's scope: the contract of every callback, eagerly. */
int reel_invoke_at(const char *site, reel_fn f, reel_list in, reel_tensor *out[]);
/* Runs forward; its gradient is vjp, called with in = (inputs..., outputs..., d outputs...) and
   out = d inputs (NULL = zero). For a traced or replayed forward the vjp is traced like any backward.
   self of both must live until the tape has ended. */
int reel_custom_grad_at(const char *site, reel_fn forward, reel_fn vjp, reel_list in, reel_tensor *out[]);
/* Runs f, keeping only its inputs: the backward runs f again (random draws repeated). Chen et al. 2016. */
int reel_checkpoint_at(const char *site, reel_fn f, reel_list in, reel_tensor *out[]);

/* ---- checking a gradient numerically -------------------------------------------------------------
   f64 central differences against the tape; f32 and below run in f64, variables and creations inside
   too; integer inputs are skipped. An element passes if |a - n| <= tol * max(1, |a|, |n|), where n is
   extrapolated from two steps; elements where the two disagree by more than the difference are kinks. */
enum { REEL_GRAD_OK = 0, REEL_GRAD_WRONG, REEL_GRAD_NOT_FINITE, REEL_GRAD_REPLAY_DIFFERS, REEL_GRAD_FAILED };
typedef struct {
    size_t size;
    double step;      /* 0: 1e-3 times max(1, |x|) */
    double tol;       /* 0: 1e-6 */
    int order;        /* 1 (0 means 1) or 2: also the gradient of a projection of the gradient */
    reel_vars *vars;  /* also check with respect to these */
    bool skip_replay; /* do not compare an eager run with a traced and replayed one */
    int projections;  /* > 0: that many random directions instead of every element */
} reel_gradcheck_opts;
typedef struct {
    int verdict;                     /* REEL_GRAD_... */
    int which;                       /* input number; n_in + i for variable i */
    int order;                       /* 1 or 2: where the worst element was found */
    int64_t element;                 /* flat index of the worst element; -1 for a projection */
    double analytic, numeric, error; /* both numbers there and the scaled difference */
    int64_t checked, kinks;          /* elements compared; elements left out as kinks */
    char text[512];                  /* a sentence with all of it */
} reel_gradcheck_report;
/* 0, REEL_EGRADCHECK (the error is pending, text in r too), or f's own error. r may be NULL. */
int reel_gradcheck_at(const char *site, reel_fn f, reel_list in, const reel_gradcheck_opts *o,
                      reel_gradcheck_report *r);
REEL_END_DECLS
#endif
