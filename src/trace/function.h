/* function.h: what function.c, first_call.c, signature.c and explain.c share: functions, their traces, one call. */
#ifndef REEL_TRACE_FUNCTION_H
#define REEL_TRACE_FUNCTION_H
#include "trace.h"

/* What a trace is good for. Dimensions of types may be REEL_ANY: any size will do. */
typedef struct reel_signature {
    int n;
    bool widen;
    reel_type *types; /* of in[] */
    bool *weak;
    char *statics;
    size_t statics_size;
} reel_signature;

/* What reel_function_explain says of a trace; it outlives the trace itself. */
typedef struct reel_trace_note {
    struct reel_trace_note *next; /* in the order they were made */
    int number;
    bool kept;
    const char *site; /* of the call that made it */
    char *why;
    uint64_t replays;
    reel_signature sig;
} reel_trace_note;

typedef struct reel_fn_trace {
    struct reel_fn_trace *next; /* most recently used first */
    int refs;                   /* calls under way, and 1 for the list */
    int checked;                /* replays compared with the body so far */
    reel_trace_note *note;
    int32_t *no_effects; /* -1 for each output */
    reel_player player;
} reel_fn_trace;

/* The function as one node of other graphs (.call): a sub-graph for inputs of those types. */
struct reel_control;
typedef struct reel_called {
    struct reel_called *next; /* most recently made first */
    reel_type *types;
    int n;
    bool widen, keeps; /* keeps: see reel_control */
    char *statics;
    size_t statics_size;
    struct reel_control *control;
} reel_called;

enum { REEL_MAX_NOTES = 64, REEL_WHY = 1024 };
struct reel_function {
    reel_fn fn;
    uint64_t donate;
    bool gives[REEL_MAX_IN]; /* the same by input */
    const void *statics;
    size_t statics_size;
    reel_tensor **constants;
    int n_constants;
    bool allow_reads, call, eager_first;
    reel_called *called;
    int max_traces, n_traces, made, unknown_after, check, max_arenas;
    uint64_t replays;
    reel_pipeline passes;
    reel_fn_trace *traces;
    reel_trace_note *notes;
    int n_notes;
    uint8_t *unknown, *refused; /* by input: its dimensions that are, or cannot be, unknown in new traces; bits */
    char *refusals;             /* why; lines, or NULL */
    reel_graph *last;
    int calls;  /* under way, in all threads */
    bool freed; /* by one of them: the last one out frees */
    pthread_mutex_t lock;
};

/* What one call has: its inputs' records, variables replaced by their values. */
typedef struct reel_fn_call {
    reel_function *f;
    const char *site;
    int n;
    reel_tensor *const *in;
    reel_rec *arg[REEL_MAX_IN], *rec[REEL_MAX_IN];
    bool taped, begun; /* begun: a replay of it has */
    int tapes;
    uint64_t first_id; /* of what the body makes */
} reel_fn_call;

static inline const char *reel_fn_name_(const reel_function *f)
{
    return f->fn.name ? f->fn.name : "function";
}

/* ---- signature.c: under the function's lock unless said otherwise --------------------------------- */
/* The trace that fits, moved to the front, with a reference; NULL: none. Takes the lock itself. */
reel_fn_trace *reel_fn_find_(const reel_fn_call *c);
/* Adds the trace of g for inputs of those types, made by this call (to *made, if not NULL, with a reference); why NULL: says
   what differs. keep false: only a note of it. Takes the lock itself. */
int reel_fn_insert_(const reel_fn_call *c, reel_graph *g, const reel_type *types, const char *why, bool keep,
                    reel_fn_trace **made);
void reel_fn_unref_(reel_fn_trace *t);
void reel_fn_replays_(reel_fn_trace *t, reel_function *f); /* counts one. Takes the lock itself */
void reel_notes_free_(reel_function *f);
/* The call's types with the dimensions that experience says vary made unknown; why: room for a text. False: none. Takes the lock. */
bool reel_fn_vary_(const reel_fn_call *c, reel_type *types, uint8_t *bits, char why[REEL_WHY]);
/* Whether those may be unknown from now on; reason: why not. Takes the lock. */
void reel_fn_varied_(const reel_fn_call *c, const uint8_t *bits, const char *reason);

/* ---- first_call.c ---------------------------------------------------------------------------------- */
int reel_fn_first_(const reel_fn_call *c, reel_tensor *out[]);
/* What there is to say of a body traced without running anything. */
typedef struct reel_symbolic {
    const char *asked; /* where it asked for a size that is unknown, NULL: nowhere */
    bool ambiguous;    /* two variables had one value: not to be kept */
    bool dynamic;      /* it had a size that depends on data by then */
} reel_symbolic;
/* The graph of the body for inputs of those types, traced without running anything; NULL: raised. */
reel_graph *reel_fn_symbolic_(const reel_fn_call *c, const reel_type *types, reel_symbolic *says);
reel_tensor *reel_fn_copy_(const reel_fn_call *c, reel_tensor *t); /* a view that outer tapes see */
int reel_fn_apart_(const reel_fn_call *c, reel_tensor *out[]);

/* ---- control_call.c ---------------------------------------------------------------------------------- */
/* The call as one node of the graph around it; -1: it has to be inlined. */
int reel_call_node_(const reel_fn_call *c, reel_capture *around, reel_tensor **out);
void reel_called_free_(reel_function *f);

/* ---- compare.c -------------------------------------------------------------------------------------- */
/* Raises if the body as it is now (g) is not what was traced. */
int reel_fn_compare_(const reel_fn_call *c, const reel_graph *old, const reel_graph *g);
#endif
