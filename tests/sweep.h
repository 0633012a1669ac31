/* sweep.h: what the parts of the sweep share: a sample in one dtype, run in one mode or another. */
#ifndef REEL_TESTS_SWEEP_H
#define REEL_TESTS_SWEEP_H
#include "samples.h"

enum { MAX_RESULTS = SAMPLE_OUT + SAMPLE_IN, LARGE = 2000 }; /* elements of what threads may share */

/* One sample in one dtype. */
typedef struct run {
    const reel_op *op;
    const samples *set;
    const sample *s;
    reel_dtype d;
    int n_in, n_fed;    /* operands; those that are no numbers */
    int fed[SAMPLE_IN]; /* which */
    char why[1024];     /* the first thing that went wrong */
} run;

/* Notes the first thing that went wrong, with the pending error; returns false. */
bool wrong(run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool has(const sample *s, char flag); /* does the description of an operand hold it? */
bool begin(run *r);
void end(const run *r);
bool make_inputs(run *r, reel_tensor *in[]);
int n_float_inputs(const run *r, reel_tensor *const in[]);
int64_t elements(const run *r, reel_tensor *const in[]);
/* The op on its operands, with the weak numbers put in their places: they are made inside, as a user would. */
int apply(const run *r, reel_tensor *const fed[], reel_tensor *out[]);

/* sweep_modes.c: against the reference; eager, taped, traced, replayed, with unknown dimensions, on one thread and two. */
bool all_modes(run *r, reel_tensor *const in[]);
/* A number for the bits of the outputs and gradients of this sample; 0: failed. *product: a row marked PRODUCT took part. */
uint64_t digest(run *r, reel_tensor *const in[], bool *product);
/* sweep_jacobian.c: the whole Jacobian and its derivative against four-point differences; in[] are f64. */
bool jacobian_holds(run *r, reel_tensor *const in[]);
#endif
