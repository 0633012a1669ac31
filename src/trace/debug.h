/* debug.h: what the debug_*.c files share: a run that stops behind each node, and what a plan tells about itself. */
#ifndef REEL_TRACE_DEBUG_H
#define REEL_TRACE_DEBUG_H
#include "core/numerics.h"
#include "player.h"
#include "reel/debug.h"

/* ---- what a plan tells about itself (plan_notes.c) ---------------------------------------------------- */
/* Of every step of every plan. */
typedef struct reel_step_note {
    size_t bytes; /* of its operands */
    double flops;
    char *ops; /* of a fused step: "mul+add+tanh"; otherwise NULL */
} reel_step_note;

/* Where a value lies, once it has been made. */
typedef struct reel_note {
    reel_place at; /* REEL_AT_NOTHING: it is not made in this segment or before */
    reel_type type;
    int64_t strides[REEL_MAX_RANK];
} reel_note;

/* In program order, what happens: a step, or (step -1) a node that takes none: a view, an empty tensor, an assignment. */
typedef struct reel_event {
    int32_t node, step; /* node -1: a copy of a result */
    int32_t first, n;   /* the values it makes, in reel_notes.outs */
    bool done;          /* the node is complete: its outputs have their values */
} reel_event;

typedef struct reel_notes {
    reel_note *value; /* by value */
    reel_event *event;
    int32_t *outs;
    size_t n_values, n_events, n_outs, cap_events, cap_outs;
} reel_notes;

/* ---- a run that stops behind each node (debug_run.c) ---------------------------------------------------- */
typedef struct reel_run {
    reel_player *player;
    reel_request rq;
    const reel_type *cut;
    reel_frame *frame;
    size_t next;  /* event of the frame's plan, or step where it has no notes */
    bool reading; /* the variables' values are held */
} reel_run;
typedef struct reel_happened {
    int32_t node, step;
    const int32_t *outs;
    int n_outs;
    bool done;
    double start, seconds; /* of the step; on the clock that reel_now_ reads */
} reel_happened;
double reel_now_(void);
/* Plan, frame, variables, memory for results. What it makes belongs to the innermost scope. */
int reel_run_begin_(reel_run *r, reel_player *p, const reel_request *rq, const reel_type *truth, int64_t size);
bool reel_run_peek_(const reel_run *r,
                    int32_t *node); /* of the next event, -1: none; false: none is left in this segment */
/* The next event; *more false: there was none. Goes on to the next segment by itself. */
int reel_run_next_(reel_run *r, reel_happened *h, bool *more);
int reel_run_end_(reel_run *r); /* variables are assigned */
void reel_run_drop_(reel_run *r);
/* A value, while its memory is its own: a dense copy, owned by the innermost scope; NULL without an error: it is not there. */
reel_tensor *reel_run_value_(const reel_run *r, const char *site, int32_t value);
bool reel_run_view_(const reel_run *r, int32_t value, reel_kview *v); /* the memory itself; false: it is not there */

/* ---- what a player does at each run ------------------------------------------------------------------- */
typedef struct reel_hook {
    reel_node_hook *f;
    void *self;
    char *watch; /* NULL: every node */
} reel_hook;
struct reel_profile;
/* Never changed: setting something makes another one. */
typedef struct reel_debug {
    int refs; /* under the player's lock */
    bool check_numerics;
    struct reel_profile *profile;
    int n_hooks;
    reel_hook hooks[];
} reel_debug;
reel_debug *reel_debug_retain_(reel_player *p); /* NULL: there is none */
/* A copy to change, with room for one more hook; put makes it the player's. NULL: raised. */
reel_debug *reel_debug_change_(reel_player *p);
void reel_debug_put_(reel_player *p, reel_debug *d);

/* ---- nodes for people (debug_hooks.c) ------------------------------------------------------------------ */
const char *reel_node_op_name_(const reel_node *n); /* "matmul", "input", "variable", "constant", "number" */
const char *reel_node_scope_(const reel_graph *g, const reel_node *n); /* "" if it has none */
const char *reel_site_base_(const char *site);                         /* without directories; "" for NULL */
/* Does pattern mean this node: a value's name, a scope with op ("hidden/matmul"), "%12", "model.c:42"? */
bool reel_node_matches_(const reel_graph *g, int32_t node, const char *pattern);
int32_t reel_node_find_(const reel_graph *g, const char *pattern, int32_t *value); /* the last that matches; -1: none */
void reel_fill_info_(const reel_graph *g, int32_t node, reel_node_info *e);

/* ---- profiles (debug_profile.c) ------------------------------------------------------------------------ */
struct reel_profile *reel_profile_new_(void);
void reel_profile_retain_(struct reel_profile *p);
void reel_profile_release_(struct reel_profile *p);
typedef struct reel_profile_run reel_profile_run;
/* One run's times are noted apart and added at its end. NULL: no memory, and then the run goes unnoted. */
reel_profile_run *reel_profile_begin_(struct reel_profile *p);
void reel_profile_note_(reel_profile_run *r, const reel_plan *plan, const reel_happened *h);
void reel_profile_end_(reel_profile_run *r, const reel_plan *plan, double end_seconds);
/* Seconds a run of a node; ops of the fused step that ends with it, or NULL; the last node of the step it is a member of, or -1. */
typedef double (*reel_node_times)(const void *own, int32_t node, const char **ops, int32_t *member);
/* Mean seconds of a step that ends with that node of that graph; -1: it has not been timed. */
double reel_profile_seconds_(struct reel_profile *p, const reel_graph *g, int32_t node);
/* What the machine can do, measured when first asked for: operations a second (an f32 product of 768 x 768) and bytes a second (a copy
   of 64 MB), with all threads. Raises. */
typedef struct reel_peak {
    double flops, bytes;
} reel_peak;
int reel_peak_measure_(reel_peak *out); /* plan_cost.c */
int reel_profile_peak_(struct reel_profile *p, reel_peak *out);
/* Calls look with the graph that was planned for the session's last profiled run. */
int reel_profile_last_(const char *fn, FILE *f, const reel_session *s,
                       int (*look)(void *arg, const reel_graph *g, reel_node_times times, const void *own), void *arg);
void reel_put_json_(FILE *f, const char *text); /* as a JSON string */
#endif
