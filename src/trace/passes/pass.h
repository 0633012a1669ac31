/* pass.h: what the passes share. A pass rewrites a graph into a new one: it walks the old nodes in program order and for each
   keeps it, leaves it out, or puts other nodes or a value that is there already in its place. So program order, which is that of
   effects and random draws, stays by construction. Fed values have become inputs before the first pass, types are as
   known as they can be for what is fed, and each value has its layout: bits depend on it where an op is a product. */
#ifndef REEL_TRACE_PASS_H
#define REEL_TRACE_PASS_H
#include "reel/pass.h"
#include "trace/trace.h"

/* A value's place in memory as the plan will have it: that of root (a value that a kernel makes, or a leaf) and an offset. */
typedef struct reel_layout {
    int64_t strides[REEL_MAX_RANK], offset;
    int32_t root; /* -1: not known: its dimensions are not, or it is a weak number */
} reel_layout;

typedef struct reel_rewriter {
    const struct reel_pass *pass;
    reel_graph_math math;
    const reel_graph *from;
    const reel_layout *from_at; /* by value */
    reel_graph *to;
    reel_layout *at;
    size_t cap_at;
    int32_t *value;           /* from's values -> to's; -1: none yet, or left out */
    int32_t *node;            /* from's nodes -> to's, where they were kept */
    size_t n_values, n_nodes; /* of from */
    const int32_t *uses;      /* of from's values: how often they are read or fetched */
    const bool *exact;        /* of from's values: does something depend on the layout? */
    int n_fetches, n_feeds;
    const int32_t *fetch, *effect, *feed;
    bool effects;
    bool odd;     /* a node that nobody needs fits no shape rule: the verifier would complain */
    size_t work;  /* operations so far */
    size_t fired; /* values that something else stands for, nodes left out */
    void *own;    /* the pass's */
} reel_rewriter;

typedef struct reel_pass {
    const char *name, *law;
    bool by_default;
    int (*run)(reel_rewriter *w); /* NULL: it works on the plan's steps */
    reel_steps_pass steps;        /* which of those it is */
    unsigned behind;              /* of those: bits of the ones that must come before it, where they are listed */
    reel_pass_def def;            /* of a user's pass */
} reel_pass;

extern const reel_pass reel_pass_prune_, reel_pass_fold_, reel_pass_simplify_, reel_pass_views_, reel_pass_sink_,
    reel_pass_share_;
int reel_pass_run_user_(reel_rewriter *w);
const reel_pass *reel_pass_find_(const char *name, size_t length); /* NULL: none */

/* A graph that passes have gone over, with the request in its values. */
typedef struct reel_draft {
    reel_graph *graph;
    reel_layout *at;
    size_t cap_at;
    reel_request asked;
    int32_t *asked_values; /* feeds, fetches, effects */
    reel_pass_report *reports;
    int n_reports;
    bool odd;
    size_t work;
    int32_t seam; /* of a rest: the node at which it begins; -1: nobody needs it any more */
} reel_draft;
/* What follows a seam, the size being known there. */
typedef struct reel_rest {
    const reel_type *type;  /* by value of the graph around the seam: as known as they are by now */
    const struct pvalue *v; /* the planner's state before it */
    const struct proot *r;
    const uint8_t *need; /* by node */
    const bool *late;    /* by node: made at the run's end; NULL: none */
    int32_t seam;        /* node */
    int32_t *
        carried; /* becomes: the values that it takes from before, in the order in which they follow the draft's feeds */
    size_t n_carried, cap_carried;
} reel_rest;
/* rest NULL: all of g. Behind a seam users' passes have had their turn. */
int reel_optimize_(const reel_graph *g, const reel_request *rq, const reel_pipeline *passes, reel_rest *rest,
                   reel_draft *d);
void reel_draft_drop_(reel_draft *d);
/* The pieces: a graph that passes work on, made from g. */
int reel_rewriter_init_(reel_rewriter *w, const reel_graph *from, const reel_layout *from_at);
void reel_rewriter_drop_(reel_rewriter *w);
int reel_draft_ask_(reel_draft *d, const reel_request *rq, const int32_t *carried, int n_carried);
int reel_draft_feeds_(reel_rewriter *w, const reel_request *rq, const reel_type *type,
                      int64_t (*const strides)[REEL_MAX_RANK]);
int reel_draft_node_(reel_rewriter *w, int32_t i, const reel_type *known);
int reel_draft_take_over_(reel_draft *d, reel_rewriter *w, const char *name);
int reel_draft_rest_(reel_draft *d, const reel_graph *g, const reel_request *rq, reel_rest *rest); /* rest.c */

/* ---- for passes ------------------------------------------------------------------------------------- */
/* Calls f for each node of from, in order, until it fails. */
int reel_each_node_(reel_rewriter *w, int (*f)(reel_rewriter *w, int32_t i));
/* Node i as it is, with its inputs' new values. Nothing if it has been mapped already. */
int reel_keep_(reel_rewriter *w, int32_t i);
/* A new node with the site and scope of from's node i; in: values of to. Its first output, or -1: raised. */
int32_t reel_emit_(reel_rewriter *w, int32_t i, const reel_op *op, const void *attr, const int32_t *in, int n_in,
                   int n_out);
int32_t reel_emit_const_(reel_rewriter *w, int32_t i, reel_rec *rec);
/* Layouts of the outputs of to's nodes from `node` on. */
int reel_note_layouts_(reel_rewriter *w, size_t node);
/* May `value` (of to) stand for from's `old`: has it its type and, where that matters, its layout? */
bool reel_may_replace_(const reel_rewriter *w, int32_t old, int32_t value);
static inline void reel_replace_(reel_rewriter *w, int32_t old, int32_t value)
{
    w->value[old] = value;
    w->fired++;
}
static inline const reel_node *reel_node_of_(const reel_graph *g, int32_t value)
{
    return &g->nodes[g->values[value].node];
}
static inline bool reel_is_op_(const reel_node *n, int id)
{
    return n->op && n->op->id == id;
}
/* Does it give the same for the same operands, always, and nothing else? Ops of the user's own may not. */
bool reel_is_pure_(const reel_node *n);
/* views.c: the value of to at that place, or -1; *key is where to note one. note: v from now on. */
int32_t reel_view_find_(reel_rewriter *w, const reel_idmap *seen, const reel_type *t, const reel_layout *at,
                        uint64_t *key);
int reel_view_note_(reel_rewriter *w, reel_idmap *seen, int32_t v);
/* simplify_fast.c: what stands for node i's output under REEL_FAST_MATH_GRAPH; -1: nothing, or raised. */
int32_t reel_simplify_fast_(reel_rewriter *w, int32_t i, const int32_t *in);
int32_t reel_emit_number_(reel_rewriter *w, int32_t i, double number); /* a weak number; -1: raised */
/* Is v the result of an op with that id? Its first input, else -1. */
int32_t reel_input_of_(const reel_graph *g, int32_t v, int id);
/* Is every element of the value one known number? */
bool reel_uniform_(const reel_graph *g, const reel_layout *at, int32_t value, double *number);
#endif
