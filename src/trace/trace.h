/* trace.h: what trace's files share: the graph, the capture that fills it, plans and the player that replays them. */
#ifndef REEL_TRACE_TRACE_H
#define REEL_TRACE_TRACE_H
#include <pthread.h>
#include <stdatomic.h>
#include "core/context.h"
#include "core/device.h"
#include "core/listener.h"
#include "reel/graph.h"

/* ---- a map from 64-bit keys (never 0) to numbers -------------------------------------------------- */
typedef struct reel_idmap {
    uint64_t *keys;
    int32_t *values;
    size_t n, capacity; /* capacity: 0 or a power of two */
} reel_idmap;
int32_t reel_map_get_(const reel_idmap *m, uint64_t key); /* -1: not there */
int reel_map_put_(reel_idmap *m, uint64_t key, int32_t value);
void reel_map_free_(reel_idmap *m);

/* ---- the graph: nodes in program order; their outputs are the values, numbered through ------------ */
typedef enum { REEL_NODE_OP, REEL_NODE_INPUT, REEL_NODE_VAR, REEL_NODE_CONST } reel_node_kind;

typedef struct reel_node {
    const reel_op *op; /* REEL_NODE_OP only */
    reel_rec *rec;     /* REEL_NODE_VAR: the cell; REEL_NODE_CONST: the value. Retained */
    const char *site;
    size_t attr;            /* where its attributes begin in graph->attrs */
    int32_t first_in, n_in; /* in graph->ins, which holds value numbers */
    int32_t first_out, n_out;
    int32_t scope; /* where its name scope begins in graph->texts, -1: none */
    uint8_t kind;  /* reel_node_kind */
    bool weak;     /* a weak number */
    bool
        snapshot; /* what reel_value gave of a variable: to a tape that runs it again no gradient of the variable's, but that of the value */
} reel_node;

typedef struct reel_gvalue {
    reel_type type; /* dimensions may be REEL_ANY */
    int32_t node;
    int32_t name; /* in graph->names, -1: none */
} reel_gvalue;

typedef struct reel_gname {
    char *text;
    int32_t value;
} reel_gname;

/* Host data that was allowed to be read or made while tracing: what the trace has frozen of it. */
typedef struct reel_frozen {
    const char *site, *what; /* "reel_item" */
    reel_type type;
    bool made;
} reel_frozen;

/* A call that stands for several nodes and has a gradient of its own (a custom gradient): what tapes are told instead of these. */
typedef struct reel_summary {
    const reel_op *op;
    const char *site;
    size_t attr;                /* in graph->attrs */
    int32_t first, n_in, n_out; /* in graph->ins: inputs, then outputs */
    int32_t begin, end;         /* the nodes from begin on, before end */
} reel_summary;

#define REEL_FIRST_READ ((uint64_t)1 << 63)
struct reel_capture;
struct reel_graph {
    _Atomic int refs;
    bool widen;   /* made while gradcheck widened: its creations are f64 */
    bool dynamic; /* has an op whose sizes depend on data */
    bool updates; /* has an op that changes some rows of a variable */
    bool
        own_vjp; /* reads a variable behind its assignment, or has a call with a gradient that it cannot note: no tape can hear that from nodes */
    reel_node *nodes;
    reel_gvalue *values;
    int32_t *ins;
    char *attrs, *texts;
    reel_gname *names;
    reel_frozen *frozen;
    reel_summary *summaries; /* inner ones before those around them */
    size_t n_nodes, n_values, n_ins, n_attrs, n_texts, n_names, n_frozen, n_summaries;
    size_t cap_nodes, cap_values, cap_ins, cap_attrs, cap_texts, cap_names, cap_frozen, cap_summaries;
    int32_t *inputs, *outputs; /* of a function: the values of in[] and out[] */
    int n_inputs, n_outputs;
    reel_idmap ids;     /* tensor id -> value: how handles and later calls are recognised */
    reel_idmap cells;   /* a cell's id -> its value at this point of the program; with REEL_FIRST_READ: at the start */
    reel_idmap by_name; /* hash of a name -> graph->names */
    struct reel_capture *capture; /* while it is open */
};

reel_graph *reel_graph_new_(void);
reel_graph *reel_graph_retain_(reel_graph *g);
void reel_graph_release_(reel_graph *g);
/* Appends a node; its first output's value number, the node's number if it has none, or -1. in: value numbers. */
int32_t reel_graph_node_(reel_graph *g, const reel_node *node, const void *attr, const int32_t *in,
                         const reel_type *const *out);
int32_t reel_graph_append_(reel_graph *g, const reel_node *node, const void *attr, const int32_t *in,
                           const reel_type *const *out); /* the same with the name scope that node says */
int reel_graph_summary_(reel_graph *g, const reel_summary *s, const void *attr, const int32_t *in, const int32_t *out);
/* By node: which summary it belongs to, the outermost one; -1: none. NULL: no memory. Room for n_nodes + 1. */
int32_t *reel_graph_owners_(const reel_graph *g);
int reel_graph_name_(reel_graph *g, const char *site, const char *fn, const char *name, int32_t value);
int32_t reel_graph_find_(const reel_graph *g, const char *name); /* a value, -1: none */
int32_t reel_graph_find_cell_(const reel_graph *g, const char *name,
                              const reel_rec *cell);        /* a variable's value at the start, by name or cell; -1 */
const char *reel_node_name_(const reel_graph *g, int node); /* its output's name, its variable's, else its op's */
static inline const void *reel_node_attr_(const reel_graph *g, const reel_node *n)
{
    return g->attrs ? g->attrs + n->attr : NULL;
}
static inline bool reel_is_assign_(const reel_node *n)
{
    return n->op && (n->op->flags & REEL_OPF_CELL0) && (n->op->flags & REEL_OPF_EFFECT);
}
/* A random node's generator: its attributes begin with it (see ops/attrs.h). */
reel_generator *reel_node_generator_(const reel_graph *g, const reel_node *n);

/* The output types that the shape rules give for values of the graph. Raises. */
int reel_graph_infer_(const reel_graph *g, const reel_op *op, const void *attr, const char *site, const int32_t *in,
                      int n_in, reel_type *out, int n_out);

/* ---- capture: the listener that writes a graph ----------------------------------------------------- */
typedef struct reel_captured {
    reel_rec *rec;  /* retained */
    int32_t value;  /* in the sub-graph */
    reel_rec *cell; /* of what reel_value gave: the variable, which its graph holds; else NULL */
} reel_captured;
typedef struct reel_snapshot {
    uint64_t of;    /* the id of a variable's value */
    reel_rec *rec;  /* what reel_value gives of it, under an id of its own; retained */
    reel_rec *cell; /* not NULL: rec is this variable's value, and reel_value gives what it gives of that */
} reel_snapshot;

typedef struct reel_capture {
    reel_listener base;
    reel_graph *graph;
    const reel_function *function; /* NULL for a graph being built */
    reel_list constants;
    bool allow_reads;
    bool anything; /* tensors from outside are constants: nothing will be replayed */
    bool open;
    bool ambiguous;    /* two values of one id: the trace must not be kept */
    bool dynamic;      /* of a body traced symbolically, behind its end: it had a size that depends on data */
    const char *asked; /* where the size of an unknown dimension was asked for; NULL: nowhere */
    /* Of a sub-graph: what it does not know is looked up in the graph around it, and becomes one more input. */
    struct reel_capture *parent;
    reel_captured *captured;
    size_t n_captured, cap_captured;
    reel_snapshot *snapshots;
    size_t n_snapshots, cap_snapshots;
    bool keep_captured;  /* beyond the end: for the caller to free */
    reel_idmap assigned; /* of a graph being built: a cell's id -> assigned_rec */
    reel_rec **assigned_rec;
    size_t n_assigned, cap_assigned;
    reel_rec **changed; /* of a sub-graph: cells that it assigns, retained */
    size_t n_changed, cap_changed;
    bool taped;                     /* of a sub-graph: tapes listen around it */
    bool graded;                    /* ... or it is in a graph: there may be gradients of it */
    bool closed;                    /* of a called function: nothing from around it but variables */
    struct reel_rewriter *rewriter; /* of a user's pass; see passes/pass.h */
    reel_idmap sized; /* of a function: the id of a value whose sizes depend on data -> its type in the graph */
    reel_type **sized_type;
    size_t n_sized, cap_sized;
    int32_t *regions; /* the nodes at which calls that will be summed up began */
    size_t n_regions, cap_regions;
} reel_capture;
void reel_capture_start_(reel_capture *c, reel_graph *g, const char *site, bool symbolic);
void reel_capture_end_(reel_capture *c); /* frees what it holds; it is off the listeners' list already */
int reel_capture_take_(reel_listener *self, const char *site, const char *fn, reel_fn f, reel_list in,
                       reel_tensor **out); /* control_call.c */
/* The thread's innermost unpaused capture, or NULL. */
reel_capture *reel_capture_now_(void);
/* The value a handle has in the capture's graph: -1 and an error if it has none. */
int32_t reel_capture_value_(reel_capture *c, const char *site, const char *fn, const char *what, reel_rec *r);
/* From here on that is the value of the variable, in c's graph. */
int reel_capture_bind_(reel_capture *c, const reel_rec *cell, reel_rec *value);
/* What an assignment in c has given the variable: NULL: nothing. */
reel_rec *reel_capture_bound_(const reel_capture *c, const reel_rec *cell);
int32_t reel_capture_const_(reel_capture *c, reel_rec *r, const char *site); /* adopts r as a constant */
bool reel_is_capture_(const reel_listener *l);
reel_capture *reel_open_graph_(const char *site,
                               const char *fn); /* build.c: that of the graph being built; NULL: raised */

/* ---- bodies (symbolic.c) ------------------------------------------------------------------------------ */
enum { REEL_HUSH_MAX = 64 };
typedef struct reel_hush {
    reel_listener *l[REEL_HUSH_MAX];
    int n;
} reel_hush;
int reel_hush_begin_(const char *site, const char *fn, reel_hush *h); /* all listeners of the thread deaf */
void reel_hush_end_(const reel_hush *h);
/* After f's body returned rc: raises unless all is well. */
int reel_body_check_(const char *site, const char *fn, reel_fn f, int rc, reel_tensor *const *out);
int reel_body_dense_(const char *site, int n, reel_tensor *out[]); /* instead of row-sparse */
int reel_body_outputs_(reel_capture *c, const char *site, const char *fn, reel_fn f, reel_tensor *const *out);
/* The graph of f for inputs of those types, with nobody else listening; numbers[i] (the array may be NULL): that weak number
   instead. c: what the capture is told beforehand; it has ended, with what it captured from its parent. NULL: raised. */
reel_graph *reel_trace_symbolic_(const char *site, const char *fn, reel_fn f, const reel_type *types,
                                 reel_tensor *const *numbers, reel_capture *c);

/* ---- passes ---------------------------------------------------------------------------------------- */
enum { REEL_NEED_VALUE = 1, REEL_NEED_SHAPE = 2 };
/* need[node] comes with the wanted nodes marked; marks what they need. fed[value]: given from outside. */
void reel_prune_(const reel_graph *g, const bool *fed, uint8_t *need);
/* The same where tapes listen: what has a gradient of its own needs all its operands. */
void reel_prune_taped_(const reel_graph *g, const bool *fed, uint8_t *need);
/* Which passes a player runs before it plans, in order; none: the graph is planned as it was traced. */
struct reel_pass;
/* Those that work on the plan's steps: the last ones of a list. reduce is part of fuse. */
typedef enum {
    REEL_STEPS_FUSE,
    REEL_STEPS_REDUCE,
    REEL_STEPS_EPILOGUE,
    REEL_STEPS_COLUMNS,
    REEL_STEPS_SWEEP,
    REEL_STEPS_SCHEDULE,
    REEL_N_STEPS
} reel_steps_pass;
/* What the planner does, beyond what it must. */
struct planner;
typedef struct reel_plan_ways {
    unsigned steps;                          /* which passes work on its steps: bits of reel_steps_pass */
    uint8_t order[REEL_N_STEPS], n_order;    /* those in the order in which they do it, without reduce */
    bool check;                              /* each plan is proved */
    void (*spoil)(struct planner *p, int n); /* tests: breaks the plan before that, in way n */
    int spoil_how;
} reel_plan_ways;
static inline bool reel_way_(const reel_plan_ways *w, reel_steps_pass pass)
{
    return w->steps >> pass & 1u;
}
enum { REEL_MAX_PASSES = 64 };
typedef struct reel_pipeline {
    const struct reel_pass *pass[REEL_MAX_PASSES];
    int n;
    int planned; /* how many of them, the last ones, the planner does: */
    reel_plan_ways ways;
    reel_graph_math math;
    int compile; /* fused steps, by the system's compiler: -1 never, 0 before the first run, n after n runs, in a thread */
} reel_pipeline;
/* list: see reel_session_opts. NULL: the default. Raises. */
int reel_pipeline_parse_(const char *fn, const char *list, reel_graph_math math, reel_pipeline *out);
/* What a pass did, for explain. */
typedef struct reel_pass_report {
    const char *name;
    size_t nodes, bytes; /* after it; bytes: of all values that kernels make */
    size_t fired;        /* how often it found something */
} reel_pass_report;

/* ---- the arena's offsets: constant time a request --------------------------------------------------- */
typedef struct reel_arena reel_arena;
reel_arena *reel_arena_new_(void);
void reel_arena_free_(reel_arena *a);
int32_t reel_arena_take_(reel_arena *a, size_t bytes); /* a block, or -1 */
void reel_arena_give_(reel_arena *a, int32_t block);
size_t reel_arena_offset_(const reel_arena *a, int32_t block);
size_t reel_arena_bytes_(const reel_arena *a); /* the most ever in use */

/* ---- plans ------------------------------------------------------------------------------------------ */
/* What is fed and fetched. An effect is an assign node that a fetched variable asks for, else -1. */
typedef struct reel_request {
    const char *site, *fn;
    int n_feeds, n_fetches;
    const int32_t *feed; /* values */
    reel_rec *const *given;
    const int32_t *fetch, *effect;
    bool effects;       /* all assigns, all random reservations */
    uint8_t debug;      /* REEL_DEBUG_..., part of the plan's key */
    const bool *donate; /* by feed: it is given away, and is not used afterwards; NULL: none is. Part of a plan's key */
    bool taped;         /* ... but a tape keeps what it is told of */
    bool *begun;        /* becomes true when a run takes its memory, that of given feeds too; NULL: nobody asks */
    struct reel_plan_printer *printer; /* takes the steps instead of kernels; NULL: nobody. See planner.h */
} reel_request;

/* How a plan differs from what is best for speed. The bits of all results are the same. */
enum {
    REEL_DEBUG_NOTES = 1, /* it tells where each value lies and which step makes it; nothing is made late */
    REEL_DEBUG_PLAIN = 2, /* the graph as it was traced, a step for each node, none writing over its inputs */
    REEL_DEBUG_KEEP = 4   /* no memory is used twice */
};

typedef struct reel_step {
    int (*run)(const void *plan, void *const *ptr, void *work);
    const void *plan;
    uint32_t slot; /* its first pointer */
    int32_t node;
    size_t work; /* offset of its workspace in the arena */
} reel_step;

/* Where a pointer comes from. EXT: one of the run's records, in this order: feeds, variables, fresh ones. CARRY: one of
   the pointers that the segment before hands on. */
typedef enum { REEL_AT_NOTHING, REEL_AT_ARENA, REEL_AT_CONST, REEL_AT_EXT, REEL_AT_CARRY } reel_place_kind;
typedef struct reel_place {
    uint8_t kind;
    int32_t ext;
    int64_t offset; /* bytes */
    reel_rec *rec;  /* REEL_AT_CONST */
} reel_place;

typedef struct reel_patch {
    uint32_t slot;
    int32_t ext;
    int64_t offset;
} reel_patch;

/* A fetched value, or the value a variable gets. */
typedef struct reel_result {
    reel_place place;
    reel_type type;
    int64_t strides[REEL_MAX_RANK];
    reel_rec *cell; /* where it is committed; NULL: fetched */
    bool whole;     /* the fresh record itself, nobody else's */
    bool weak;
} reel_result;

/* The last steps of a run: those whose results are assigned to variables and may go over the values these had, where nobody else
   has them: an op that changes some rows, an update that goes over all elements. They cannot fail. */
typedef struct reel_late {
    int step, first, n; /* among the plan's changes */
} reel_late;
typedef struct reel_change {
    reel_rec *cell;
    int32_t ext;     /* of its value */
    int32_t operand; /* of the step: which of its pointers is the new one */
} reel_change;

typedef struct reel_frame {
    struct reel_frame *next;
    struct reel_frame *before; /* of the segment before, while the run is under way */
    struct reel_plan *plan;
    char *arena;
    void **ptr;
    char **carry;           /* handed on by the segment before */
    reel_rec **recs;        /* feeds, variables, fresh ones */
    reel_rec **made;        /* of the results */
    reel_rec **next_values; /* of the changes: what the variables get */
    bool *locked;           /* with the memory of their present values */
    double *late_seconds;   /* of the late steps, where somebody wants to know; else NULL */
} reel_frame;

/* Where a plan ends because sizes depend on data: behind the count of a node. The rest is planned for each number that
   turned up there, one plan a segment. */
typedef struct reel_seam {
    int32_t node;
    size_t number;     /* where the number lies in the arena */
    reel_place *carry; /* what the rest reads of this arena, or of those before; the first is the node's workspace */
    int n_carry;
    struct pvalue *v; /* the planner's state of all values */
    struct proot *r;
    size_t n_values, room;
    struct reel_plan *plans; /* most recently used first */
    int n_plans;
} reel_seam;
enum { REEL_MAX_RESTS = 32 };
void reel_seam_free_(reel_seam *seam);

/* What a fused step does, for the compiler; f NULL: it is none. */
typedef struct reel_plan_group {
    reel_fused *f;
    uint8_t kind; /* reel_group_kind */
} reel_plan_group;

typedef struct reel_plan {
    struct reel_plan *next; /* most recently used first */
    int refs;               /* runs under way, and 1 for the list; under the player's lock */
    bool used;              /* since frames were last trimmed; so is this */
    /* key */
    int n_feeds, n_fetches;
    int32_t *feed, *fetch, *effect;
    reel_type *feed_type;
    int64_t (*feed_strides)[REEL_MAX_RANK];
    uint8_t *feed_weak; /* 1: a weak number; 2: and read as an integer, so that its value belongs to the key */
    double *feed_number;
    bool *feed_given; /* given away */
    bool effects;
    /* what is planned: the graph after the passes, and the request in its values */
    reel_graph *graph;
    int32_t *asked;            /* feeds, fetches, effects */
    reel_pass_report *reports; /* the first is the graph as traced */
    int n_reports;
    reel_plan_ways ways;
    size_t found[REEL_N_STEPS]; /* how much each pass over its steps found */
    size_t work;                /* operations that the passes took, for tests */
    uint8_t debug;
    /* replay */
    reel_step *steps;
    int n_steps, n_slots, n_patches, n_vars, n_fresh, n_results, n_kernels;
    reel_place *slots; /* of the pointers; patched ones are EXT */
    int32_t *members;  /* of fused steps: how many nodes, then those */
    size_t n_members, cap_members;
    int32_t *member_at; /* by step: where in members, -1: it is one node */
    int32_t *out_slot;  /* of a step: its first output's, -1: none */
    reel_patch *patches, *carries;
    reel_rec **vars; /* cells, borrowed from the graph */
    reel_type *fresh;
    int32_t *donor;       /* by fresh one: the feed whose memory it may take, where that is given away; -1 */
    reel_result *results; /* fetches first, then commits; those of the last segment are the run's */
    reel_late *late;      /* their steps stand behind the others */
    reel_change *changes;
    int n_late, n_changes;
    reel_seam *seam; /* NULL: this is the last segment */
    int64_t size;    /* the number it was planned for, behind a seam */
    bool hasty; /* ... when that turned up for the first time: without passes over its graph, as it may be the last */
    int first_fresh, n_carries, n_carry;
    const reel_kernel **kernels;
    char **kernel_plans; /* of the prepared kernels */
    size_t *kernel_bytes;
    uint32_t write_locks;           /* which locks a run takes: bits of the variables it assigns */
    size_t arena_bytes, live_bytes; /* live: the most that is alive at once, which no arena can be below */
    reel_plan_group *groups;        /* by step */
    int n_groups;
    int runs;                       /* until it is compiled */
    struct reel_compiled *compiled; /* what became of that, NULL: nothing yet; see compile.h */
    reel_frame *frames;             /* free ones */
    reel_plan_info info;
    struct reel_cut *cuts; /* of a padded plan: the fetches' types by the true size */
    struct reel_step_note *step_notes;
    struct reel_notes *notes; /* where it was asked for them; see debug.h */
} reel_plan;
typedef struct reel_cut {
    struct reel_cut *next;
    int64_t n;
    reel_type types[];
} reel_cut;
/* The strides and byte offsets of n's outputs as views of input 0, whose strides are given; false: the kernel has to run. */
bool reel_node_views_(const reel_op *op, const void *attr, const reel_type *const *in, int n_in, const int64_t *strides,
                      const reel_type *out, int n_out, int64_t (*out_strides)[REEL_MAX_RANK], int64_t *offset);
/* The types of all values that the request needs, by the shape rules alone (dtype 0: of the others), and the strides of what is
   fed, by feed. Raises what planning would. */
int reel_plan_specialize_(const reel_graph *g, const reel_request *rq, reel_type *type,
                          int64_t (*strides)[REEL_MAX_RANK]);
/* Raises unless a feed of that type fits the value. */
int reel_feed_check_(const reel_graph *g, const char *site, const char *fn, int32_t value, const reel_type *t);
reel_plan *reel_plan_new_(reel_graph *g, const reel_request *rq, const reel_pipeline *passes);
/* What follows parent's seam if the number there is size. again: it was so before. */
reel_plan *reel_plan_rest_(const reel_request *rq, const reel_plan *parent, int64_t size, bool again,
                           const reel_pipeline *passes);
void reel_plan_free_(reel_plan *p);
/* Types of the fetches for feeds of other types, by the shape rules alone. */
int reel_plan_types_(const reel_graph *g, const reel_request *rq, const reel_type *feeds, reel_type *out);

/* ---- the player: a graph with its plans; sessions and functions both have one ----------------------- */
typedef struct reel_player {
    reel_graph *graph;
    reel_plan *plans;
    int n_plans, max_plans;
    reel_pipeline passes;
    reel_plan_info info; /* of the plan last used */
    bool used, poison;
    struct reel_debug *_Atomic debug; /* NULL: nobody looks at its runs */
    _Atomic bool closed;
    int max_arenas; /* runs at once, 0: any number */
    /* of the pool, under the lock: runs under way, runs that wait; the most at once since it was trimmed, and in the time before; runs since */
    int running, waiting, most, most_before, leaves;
    pthread_cond_t idle;
    struct reel_compiling *compiling; /* NULL: nothing was ever due */
    pthread_mutex_t lock;
} reel_player;
enum { REEL_MAX_ARENAS = 16 }; /* unless somebody wants another number */
int reel_player_init_(reel_player *p, reel_graph *g, int max_plans, int max_arenas, const reel_pipeline *passes);
void reel_player_trim_(reel_player *p); /* frees all arenas that no run has */
void reel_player_pool_(reel_player *p, int *running, int *idle, size_t *idle_bytes);
void reel_player_drop_(reel_player *p); /* its plans, its graph */
void reel_player_close_(reel_player *p);
/* size: of the padded dimension, and truth: the feeds' types without padding: outputs are cut back to what those give. NULL: as they are. */
int reel_player_run_(reel_player *p, const reel_request *rq, const reel_type *truth, int64_t size, reel_tensor *out[]);
int reel_player_explain_(FILE *f, reel_player *p, const char *fn); /* plan_explain.c: passes and plan of the last run */
void reel_plan_unref_(reel_plan *plan);                            /* under the player's lock */
int reel_session_plans_(reel_session *s);                          /* tests: how many plans it keeps */
const reel_plan *reel_session_plan_(const reel_session *s);        /* tests: the plan last used, NULL: none */
void reel_session_poison_(reel_session *s, bool on);               /* tests: fills arenas with NaN before each run */

/* ---- given away (session_donate.c) -------------------------------------------------------------------- */
reel_tensor *reel_handle_again_(const char *site, reel_rec *r); /* the same tensor under another handle */
/* t is gone from the caller's scope; an output that is t itself has another handle then. Raises. */
int reel_take_over_(const char *site, reel_tensor *t, int n_out, reel_tensor **out);

/* ---- compiling (compile.c) --------------------------------------------------------------------------- */
/* What an option and REEL_COMPILE say together: a reel_pipeline's compile. Raises. */
int reel_compile_mode_(const char *fn, reel_compile how, int after, int *mode);
void reel_compile_due_(reel_player *p, reel_plan *plan); /* under the lock: when the player's thread comes to it */
void reel_compile_now_(reel_player *p, reel_plan *plan); /* and waits */
void reel_compile_wait_(reel_player *p);
void reel_compile_end_(reel_player *p);  /* stops the thread */
void reel_compile_drop_(reel_player *p); /* and frees what was for it */
void reel_compiled_free_(struct reel_compiled *c);
void reel_compiled_text_(const reel_plan *plan, char *out, size_t size); /* under the lock: a line for explain */

/* ---- rerun: the nodes of a graph through the door ---------------------------------------------------- */
/* tensors[value] holds what is given; the rest of what need asks for is filled in. Assigns come last. Tapes hear of a custom
   gradient as such. again: draws come from there; NULL: they are new ones. */
struct reel_redraw;
int reel_rerun_(const reel_graph *g, const uint8_t *need, reel_tensor **tensors, struct reel_redraw *again);
int reel_rerun_node_(const reel_graph *g, const reel_node *n, reel_tensor **tensors); /* one op */
/* redraw.c: draws repeated. The generators, and where each stood, as i64[2]; running a node that draws moves its state on. */
enum { REEL_MAX_DRAWN = 8 };
typedef struct reel_redraw {
    int n;
    reel_generator *generator[REEL_MAX_DRAWN]; /* NULL: the thread's */
    reel_tensor *state[REEL_MAX_DRAWN];
} reel_redraw;
int reel_draws_of_(const reel_op *op, const void *attr, reel_generator *g[REEL_MAX_DRAWN]); /* how many */
/* g joins the list: its place there, or -1: there are REEL_MAX_DRAWN already. */
int reel_generator_join_(reel_generator **list, int *n, reel_generator *g);
int reel_redraw_node_(const reel_graph *g, const reel_node *n, reel_tensor **tensors, reel_redraw *again);
/* Is op one that repeats a draw, of those attributes? Then what it repeats; the states are its first inputs and last outputs. */
bool reel_redraws_(const reel_op *op, const void *attr, const reel_op **inner, const void **inner_attr);
static inline reel_type reel_state_type_(void)
{
    return (reel_type){.dtype = REEL_I64, .shape = {.rank = 1, .dims = {2}}};
}
/* The call of a replayed function as an op with a gradient, for the listeners. */
typedef struct reel_call_state reel_call_state;
reel_call_state *reel_call_state_new_(reel_graph *g); /* takes note of the generators */
void reel_call_state_release_(reel_call_state *s);
int reel_call_inputs_(const reel_graph *g); /* n_inputs, variables read, and their values by reel_value */
/* The variable that node reads in a way of its own, as a variable or by reel_value; NULL: it is no such node. */
static inline reel_rec *reel_node_cell_(const reel_graph *g, const reel_node *n)
{
    return n->kind == REEL_NODE_VAR ? n->rec : n->snapshot ? g->nodes[g->values[g->ins[n->first_in]].node].rec : NULL;
}
int reel_call_tell_(const char *site, reel_call_state *s, reel_rec *const *arg, reel_rec *const *in,
                    reel_tensor *const *out);
#endif
