/* debug.h: looking into runs: NaN and infinity caught where they arise, hooks behind each node, a replay held against eager,
   stepping, times, pictures of a graph. docs/debugging.md says when to use which. */
#ifndef REEL_DEBUG_H
#define REEL_DEBUG_H
#include <stdio.h>
#include "base.h"
REEL_BEGIN_DECLS
/* ---- numbers checked ----------------------------------------------------------------------------------
   The first op that makes a NaN or infinity from finite inputs fails with REEL_ENUMERICS: op, name, the user's file:line, the
   inputs' statistics. For all ops and replays of the calling thread; returns how it was. REEL_CHECK_NUMERICS=1 in the
   environment: threads begin with it. A session has .check_numerics among its options. */
bool reel_check_numerics(bool on);

/* ---- hooks ----------------------------------------------------------------------------------------- */
typedef struct reel_run reel_run;
typedef struct {
    int node;              /* its number, in reel_graph_print %12 */
    const char *name;      /* of its value in the graph, else its op's */
    const char *op, *site; /* "matmul"; the user's "model.c:42" */
    const char *scope;     /* the name scope, "" if there was none */
    int n_in, n_out;
    reel_tensor *const *out; /* copies that live as long as the call: reel_set or reel_retain keeps one */
    double seconds;          /* of its kernel; 0 for views and assignments (which are made when the run ends) */
    const reel_run *run_;
} reel_node_info;
/* Behind each node of a run, in program order. Not 0 ends the run as an error. */
typedef int reel_node_hook(void *self, const reel_node_info *e);
/* From the next run on, which then runs the graph as it was traced, a step for each node, with the same bits (unless .math allows others). hook NULL:
   none any more, watches neither. Where a tape or trace listens, nodes are ordinary ops, and hooks are not called. */
int reel_session_on_node(reel_session *s, reel_node_hook *hook, void *self);
/* Only behind nodes that what means: the name of a value ("logits"), op and scope ("hidden/matmul"), "%12", "model.c:42". */
int reel_session_watch(reel_session *s, const char *what, reel_node_hook *hook, void *self);
reel_tensor *reel_node_input_at(const char *site, const reel_node_info *e,
                                int i); /* a copy of input i; within the hook */
int reel_node_show(FILE *f,
                   const reel_node_info *e); /* a line: number, op, name, types, smallest, largest, mean, file:line */

/* ---- a replay beside eager ------------------------------------------------------------------------- */
typedef struct {
    size_t size;
    double tol; /* |replayed - eager| <= tol * max(1, |eager|); 0: the same bits */
    bool plain; /* the graph as it was traced, a step a node: is it a kernel or the optimizing? */
} reel_verify_opts;
typedef struct {
    int node;               /* the first that differs, in the graph after the passes; -1: none */
    int output;             /* of it */
    const char *op, *site;  /* of it, NULL if there is none */
    int64_t element;        /* where they differ most; flat index */
    int64_t different;      /* how many elements of it differ */
    double replayed, eager; /* both numbers there */
    int compared;           /* nodes compared */
    char text[400];         /* a sentence with all of it */
} reel_verify_report;
/* Runs each node of the run both ways. 0, or REEL_ENUMERICS (pending; text in r too) for the first difference. Changes no
   variable and no generator. o and r may be NULL. */
int reel_session_verify_at(const char *site, reel_session *s, reel_feeds in, reel_names fetch,
                           const reel_verify_opts *o, reel_verify_report *r);

/* ---- step by step ------------------------------------------------------------------------------------
   A run in the caller's hands, also in gdb: (gdb) call reel_stepping_show(st, 0). All values stay readable. */
typedef struct reel_stepping reel_stepping;
reel_stepping *reel_session_begin_steps_at(const char *site, reel_session *s, reel_feeds in, reel_names fetch);
/* Runs the next node; what it returns, with its outputs, lives until the next step. NULL: all done, or an error. */
const reel_node_info *reel_session_step(reel_stepping *st);
/* A value made so far, by what reel_session_watch takes; with output: which, of several ("%12" is output 0). */
reel_tensor *reel_stepping_value_at(const char *site, reel_stepping *st, const char *what, int output);
int reel_stepping_show(reel_stepping *st, const char *what); /* on stderr; what NULL: the last step */
/* Runs what is left, assigns the variables and gives the fetches, as reel_session_run does. st is freed. */
int reel_stepping_end_at(const char *site, reel_stepping *st, reel_tensor *out[]);
void reel_stepping_free(reel_stepping *st); /* gives the run up: nothing is assigned */

/* ---- times ------------------------------------------------------------------------------------------- */
int reel_session_profile(reel_session *s, bool on);             /* on: from zero. Runs are as ever, fused and all */
int reel_session_profile_print(FILE *f, const reel_session *s); /* a table, slowest first */
int reel_session_profile_trace(FILE *f, const reel_session *s); /* JSON for chrome://tracing and Perfetto */

/* ---- pictures ------------------------------------------------------------------------------------------ */
int reel_graph_dot(FILE *f, const reel_graph *g); /* for Graphviz; name scopes are clusters */
/* A page of its own, nothing loaded from elsewhere: zoom, search, click a node for types, times and source line; name scopes fold. */
int reel_graph_html(FILE *f, const reel_graph *g);
/* The graph as it was planned (after the passes) for the last run of a session with a profile, with its times. */
int reel_session_html(FILE *f, const reel_session *s);
REEL_END_DECLS
#endif
