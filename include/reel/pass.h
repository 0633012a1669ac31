/* pass.h: what a session (or a function's replay) does with its graph before it plans. Each pass has a name and a law, one line that
   says what stays the same. Which ones run, and in which order, says .passes of the session's or function's options: see docs/passes.md. */
#ifndef REEL_PASS_H
#define REEL_PASS_H
#include <stdio.h>
#include "graph.h"
REEL_BEGIN_DECLS
typedef struct {
    const char *name, *law;
    bool by_default; /* part of "default" */
} reel_pass_info;
/* How many passes there are, built-in ones first, then registered ones. Fills out[0..max). */
int reel_passes(reel_pass_info *out, int max);

/* A node as a rule of a user's pass sees it. Its inputs have been rewritten already. */
typedef struct {
    const char *op;   /* "matmul"; "input", "variable", "constant" for what has no op */
    const char *site; /* "model.c:42" */
    const void *attr; /* of an op of your own: its attributes; otherwise NULL */
    int n_in, n_out;
    reel_tensor *in[64]; /* symbolic: for ops, reel_shape_of, reel_dtype_of and the functions below */
} reel_pass_node;
typedef struct {
    size_t size;
    const char *name; /* letters, digits, _ and .; copied */
    const char *law;  /* copied */
    const char *op;   /* the rule is asked about nodes of this op; NULL: about all that have inputs. Copied */
    /* Leaves out[] as it is (all NULL) to keep the node; or sets all of out[] to tensors of the same types and, that is its promise, the
       same values: some of in[], what reel_pass_source gave, or what ops called here make. They become nodes that keep the file:line
       and the name scope of the one they stand for. No random ops, no assignments, no host data. Returns reel_status(). Runs
       when a plan is made, on whichever thread that is. */
    int (*rule)(void *self, const reel_pass_node *node, reel_tensor *out[]);
    void *self;
} reel_pass_def;
/* Lives as long as the process; a name that is taken is an error. It runs where .passes names it. Returns 0 or the error's code. */
int reel_pass_register(const reel_pass_def *def);
/* Inside a rule: the node whose output t is, and which output. 0 or an error (t is no tensor of the graph being rewritten). */
int reel_pass_source(reel_tensor *t, reel_pass_node *made, int *output);
/* Inside a rule: is every element of t the same number, known now? */
bool reel_pass_number(reel_tensor *t, double *value);

/* The plan of the session's last run as text: nodes and bytes before and after each pass, then each step: op, the user's file:line,
   where its result lies and how long it is. EARG before the first run. */
int reel_session_explain(FILE *f, reel_session *s);
int reel_function_explain_plan(FILE *f, reel_function *fn); /* the same for the trace that a function used last */
REEL_END_DECLS
#endif
