/* graph.h: traces. reel_function captures while executing; reel_graph_begin builds from placeholders;
   both give the same kind of graph, and a session replays it. */
#ifndef REEL_GRAPH_H
#define REEL_GRAPH_H
#include <stdio.h>
#include "base.h"
REEL_BEGIN_DECLS
/* What rewriting a graph may do to its numbers. See docs/passes.md. */
typedef enum {
    REEL_EXACT_GRAPH, /* nothing: the same bits as eager */
    REEL_FAST_MATH_GRAPH /* what real numbers would allow: x + 0, x - x, (x * 2) * 3, pow(x, 2) ... may round, sign a zero or treat
                            NaN and infinity in another way */
} reel_graph_math;
/* Fused elementwise steps printed as C and built by the system's compiler (cc, or REEL_CC), with the same bits: see docs/compiled.md. */
typedef enum {
    REEL_COMPILE_AS_SET, /* as the environment's REEL_COMPILE says: on, auto, auto:100 (the runs), else off */
    REEL_COMPILE_OFF,
    REEL_COMPILE_ON,  /* before the first run, which waits for the compiler */
    REEL_COMPILE_AUTO /* after some runs, in the background */
} reel_compile;
/* ---- function: the first call with a new signature is traced, symbolically, and replays, as later ones do. It runs eagerly, while the
   trace listens, under a tape, with .allow_reads or .eager_first. The signature: shapes, dtypes and the statics' bytes. Not seen, hence frozen: any other C state. */
typedef struct {
    size_t size;
    const void *statics; /* plain configuration the body reads; compared at every call, a change retraces */
    size_t statics_size;
    reel_list constants; /* outside tensors the body may use; any other outside tensor is an error */
    bool allow_reads;    /* host reads and tensors from host data while tracing freeze instead of failing */
    int max_traces;      /* least recently used traces beyond it are dropped; 0: 16 */
    /* Traces that differ in one size only (wherever it stands) before that dimension becomes unknown, so that one trace serves all
       sizes; 0: 3, negative: never. Not where the body asks for that size in C (reel_dim, reel_shape_of). */
    int unknown_after;
    int check; /* before that many replays of each trace (negative: all) the body runs again, symbolically: if it is no longer what
                  was traced, as C state has changed that is not in .statics, that is an error naming the line */
    const char *passes; /* as for a session */
    reel_graph_math math;
    int max_arenas;   /* as for a session, of each trace */
    bool check_plans; /* as for a session */
    /* Inside another trace or graph a call is one node, a sub-graph that all calls with the same shapes share: traced, optimized and planned
       once. It uses in[], variables and .constants, nothing else from around it. Its gradient is another such node, which takes
       what it needs from the first. Where a weak number is passed, its ops become part of the trace around it. The bits are
       the same, those of gradients of gradients up to the order of additions. See docs/tracing.md. */
    bool call;
    reel_compile compile; /* as for a session */
    int compile_after;
    /* Bit i: each call takes in[i] over from the caller's scope, which may not use it afterwards: that is an error naming the call. A replay
       puts a result in its memory where it has one of that size (and nobody else has the tensor): x = f(x) without a second x. Once the
       run has begun it is gone even if that fails. What belongs to no scope (variables, slots) stays. */
    uint64_t donate;
    bool eager_first; /* the first call runs op by op, with numbers to look at in gdb: more memory, the same bits */
} reel_function_opts;
reel_function *reel_function_new(
    reel_fn f, const reel_function_opts *o); /* statics and constants must outlive it; constants are retained */
void reel_function_free(reel_function *f);
/* out: f's outputs, NULL on failure; left as it is where f is NULL, for then nobody knows how many there are. */
int reel_function_call_at(const char *site, reel_function *f, reel_list in, reel_tensor *out[]);
/* The graph of the most recent call, borrowed until the next call; NULL before the first. */
reel_graph *reel_function_graph(reel_function *f);
int reel_function_traces(const reel_function *f); /* how many traces it has made so far */
/* Each trace: its signature, why it was made (what differed from which earlier one), what it has frozen. */
int reel_function_explain(FILE *out, reel_function *f);

/* ---- graph: between begin and end EVERY op of the thread makes a node and runs nothing ------------ */
reel_graph *reel_graph_begin_at(const char *site);
int reel_graph_end_at(const char *site, reel_graph *g); /* from here on g is the caller's, no longer the scope's */
void reel_graph_free(reel_graph *g);                    /* sessions hold their own reference */
/* A value to be fed. Dimensions may be REEL_ANY. */
reel_tensor *reel_placeholder_at(const char *site, reel_dtype d, reel_shape s, const char *name);
/* Gives y a name to fetch (or feed) it by. Of a variable it names the value of this moment; what a run leaves in the variable is
   fetched by the variable's own name, and fetching that makes its assignments. */
int reel_output_at(const char *site, const char *name, reel_tensor *y);
/* Gradients as nodes of the open graph (TensorFlow's tf.gradients): dxs[i] = the sum over all ys of grad_ys[j]^T d ys[j] / d xs[i]. xs may
   be placeholders, variables (their value of this moment) or any tensor of the graph; call it again on what it gives for higher
   orders. What ys do not depend on has a gradient of zeros. The same nodes, hence bits, as reel_vjp under a tape would give; custom
   gradients and control flow work. A float without a gradient on the way is an error that names its node. */
typedef struct {
    size_t size;
    reel_list grad_ys; /* one for each y, of its shape and dtype; NULL, or left out: ones */
    reel_list stop;    /* tensors of the graph taken for constants, whatever they depend on */
    bool null;         /* dxs[i] = NULL, without an error, where ys do not depend on it, instead of zeros */
} reel_graph_grad_opts;
int reel_graph_grad_at(const char *site, reel_list ys, reel_list xs, const reel_graph_grad_opts *o, reel_tensor *dxs[]);
int reel_graph_print(FILE *f, const reel_graph *g); /* a line a node: name, op, inputs, shape, dtype, file:line */
int reel_graph_nodes(const reel_graph *g);
int reel_graph_verify(
    const reel_graph *g); /* 0, or an error naming the node: order, arity, shapes by the one shape rule, effects */

/* ---- session: replays a graph. run() may be called from many threads ------------------------------ */
typedef struct {
    size_t size;
    int max_plans; /* plans kept, one per set of fed shapes; 0: 8 */
    const int64_t *
        buckets; /* ascending; when set, the first unknown dimension is padded with zeros up to the next one and outputs cut back; not used where sizes depend on data */
    int n_buckets;
    bool effects; /* every run also makes all assignments of the graph: a session that trains */
    /* Passes by name, in the order in which they run: "default,my_pass". "default" stands for the built-in ones, "-share" takes that one
       out of what stands before it, "none" and "" stand for nothing. NULL: "default". See reel_passes. */
    const char *passes;
    reel_graph_math math;
    bool check_numerics; /* the first NaN or infinity made from finite numbers is an error: see debug.h */
    int max_arenas;      /* runs at once; others wait for their end. 0: 16, negative: any number. See docs/memory.md */
    bool
        check_plans; /* each plan is proved before it runs: what is read is what was written there. REEL_CHECK_PLANS=1 in the
                         environment: all are */
    reel_compile compile; /* REEL_COMPILE=off in the environment forbids it whatever stands here */
    int compile_after;    /* REEL_COMPILE_AUTO: that many runs of a plan; 0: 50 */
    /* "x" or "x,state": each run takes what is fed by these names (or handles) over from the caller's scope, which may not use it afterwards:
       that is an error naming the run. A fetch may then lie in its memory, as with .donate of a function. Once the run has taken its
       memory it is gone even if that fails; a run that is refused before leaves it. What belongs to no scope stays. */
    const char *donate;
} reel_session_opts;
reel_session *reel_session_new(reel_graph *g, const reel_session_opts *o);
int reel_session_close(
    reel_session *s); /* later runs fail; runs under way finish. The memory of its plans is given back */
void reel_session_free(reel_session *s);
/* out[i] = value of fetch[i], owned by the caller's scope. A feed may name any output or placeholder. Runs
   only what the fetches need. The form with handles takes tensors made while the graph was open. Fetching a
   variable, by its full name or handle, gives the value the graph leaves it with, and assigns it. */
int reel_session_run_at(const char *site, reel_session *s, reel_feeds in, reel_names fetch, reel_tensor *out[]);
int reel_session_run_handles_at(const char *site, reel_session *s, reel_list feeds, reel_list values, reel_list fetch,
                                reel_tensor *out[]);
typedef struct {
    int nodes, steps;       /* nodes of the graph; kernel calls of the plan */
    size_t arena_bytes;     /* the arena; */
    size_t unplanned_bytes; /* what the intermediate values would take without reuse */
    int in_place;           /* steps that write over an input */
    int pruned;             /* nodes left out */
    int fused_steps;        /* steps that are several elementwise nodes in one pass over memory ... */
    int fused_nodes;        /* ... and how many those are */
    size_t live_bytes;      /* the most that is alive at once: what the arena cannot be below */
    size_t donated_bytes;   /* new values of variables that go over the old ones, where nobody else has those */
    int moved;              /* steps that run in another place than the program's, to have less alive */
    int compiled_steps;     /* those of them that run as compiled C */
} reel_plan_info;
/* Frees the arenas that no run has; the next runs make them anew. Arenas that 64 runs have not needed are freed by themselves. */
int reel_session_trim(reel_session *s);
int reel_session_info(reel_session *s, reel_plan_info *out); /* of the plan last used; EARG before the first run */
/* Compiles the plans that the session (the function's latest trace) has by now, and waits for it. 0, or an error that says why it
   cannot be: no compiler, no place to keep the result ... The interpreter goes on then. */
int reel_session_compile(reel_session *s);
int reel_function_compile(reel_function *f);
REEL_END_DECLS
#endif
