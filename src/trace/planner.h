/* planner.h: what plan.c, plan_results.c and plan_layout.c share: the state of planning one segment. */
#ifndef REEL_TRACE_PLANNER_H
#define REEL_TRACE_PLANNER_H
#include "core/fusion.h"
#include "trace.h"

/* A value while planning. Its memory is that of its root, `offset` bytes in. */
typedef struct pvalue {
    reel_type type;
    int64_t strides[REEL_MAX_RANK], offset;
    int32_t root;
    bool weak, shape_only;
} pvalue; /* its dtype is 0 until the walk has come to it */

typedef struct proot {
    uint8_t kind;      /* REEL_AT_...; NOTHING: not needed */
    bool fresh;        /* EXT: number ext of the fresh ones */
    int32_t ext, last; /* last: the last step that reads it; KEPT: a later segment does */
    int32_t block;     /* in the arena: its number among the planner's, else -1 */
    bool gone;         /* something has been written over it */
    int64_t at;        /* offset in the arena */
    reel_rec *rec;     /* CONST */
} proot;

typedef struct pslot {
    int32_t value;    /* -1: only the shape is read */
    reel_dtype dtype; /* a weak number's, as this step reads it */
    size_t bytes;     /* an output that is fed and made all the same: where it goes, which nobody reads */
    int32_t block;
    int64_t at;
} pslot;

typedef struct pstep {
    int32_t node, slot; /* node -1: copies a value into fresh memory */
    int n_in, n_out;
    int32_t from, to; /* of a copy: value, fresh number */
    enum {
        STEP_RUN,
        STEP_RESERVE, /* a random node that nobody reads: only takes its counters */
        STEP_COUNT,   /* of an op whose sizes depend on data: its inputs, then the number; the segment's last step */
        STEP_CHECK,   /* the first half of one that is made at the run's end: refuses what that would */
        STEP_LATE,    /* which is this */
        STEP_FILL,    /* and its second half, the next one's first: the workspace, inputs, outputs */
        STEP_FUSED,   /* several nodes as one kernel; node is the last of them */
        STEP_MANY,    /* calls that do not wait for each other as one kernel; node is the last of them */
        STEP_AFTER,   /* a product, which node is, and the group that reads it */
        STEP_COLUMNS  /* a plain group, with what STEP_FUSED has, and reductions of what it makes */
    } kind;
    const reel_fused *fused; /* NULL: another kind */
    const reel_many *many;
    const reel_after *after;
    const reel_columns *columns; /* beside fused */
    size_t number;               /* of a count: where in the arena */
    int32_t work;                /* the block of its workspace, -1: none */
    size_t workspace;
    bool donated; /* its new values of variables go over the old ones, at the run's end */
} pstep;

/* Memory that is taken from one step to another. Values that are written over each other share one. */
typedef struct pblock {
    int32_t first, last;
    size_t bytes;
    int64_t at;
} pblock;
enum { KEPT = INT32_MAX };

typedef struct planner {
    const reel_graph *g;
    const reel_request *rq;
    reel_plan *plan;
    const reel_plan *parent; /* of the segment before; NULL: this is the first */
    size_t first;            /* node */
    int32_t fill;            /* of a rest: the node whose sizes are known by now to be ... */
    int64_t size;            /* ... this; -1: none */
    int32_t seam;            /* the node whose sizes end this segment, -1: none */
    bool *fed;
    uint8_t *need;
    bool *late; /* by node: made at the run's end, see reel_late */
    reel_late *lates;
    reel_change *changes;
    size_t n_lates, cap_lates, n_changes, cap_changes;
    int32_t *given; /* of a fed value: which feed */
    pvalue *v;
    proot *r;
    pslot *slots;
    pstep *steps;
    reel_rec **vars;
    reel_type *fresh;
    reel_result *results;
    reel_fused **fused;
    reel_many **many;
    reel_after **afters;
    reel_columns **columns;
    size_t n_many, cap_many, n_afters, cap_afters, n_columns, cap_columns;
    size_t n_slots, cap_slots, n_steps, cap_steps, n_vars, cap_vars, n_fresh, cap_fresh, n_results, cap_results,
        n_fused, cap_fused;
    pblock *blocks;
    size_t n_blocks, cap_blocks;
} planner;

/* Who takes a plan's steps instead of kernels that are prepared: the C exporter. Such a plan cannot be run. */
typedef struct reel_plan_printer {
    /* Node i, an op, when its inputs' types are known. */
    int (*node)(struct reel_plan_printer *self, const planner *p, size_t i);
    /* Node i's sizes depend on data: puts the most there can be into out's unknown dimensions. */
    int (*bound)(struct reel_plan_printer *self, const planner *p, size_t i, reel_type *out);
    /* Step i, when its memory is about to be laid out: says how many bytes it works in. */
    int (*step)(struct reel_plan_printer *self, const planner *p, size_t i, size_t *workspace);
    int (*done)(struct reel_plan_printer *self, const planner *p); /* everything has its place in p->plan->slots */
} reel_plan_printer;

/* plan.c: the pieces. */
int reel_planner_init_(planner *p, const reel_graph *g, const reel_request *rq, const reel_plan *parent);
void reel_planner_drop_(planner *p);
int reel_planner_walk_(planner *p, const reel_type *given); /* given: of the feeds; then only types are inferred */
/* key: the request as it was made, which is what later ones are compared with; NULL behind a seam. rd: of a rest that passes went over. */
struct reel_rest_draft;
reel_plan *reel_planned_(reel_graph *g, const reel_request *rq, const reel_request *key, const reel_plan *parent,
                         int64_t size, const struct reel_rest_draft *rd, const reel_plan_ways *ways);
struct reel_draft;
void reel_plan_reports_(reel_plan *plan, struct reel_draft *d);
/* plan_rest.c: goes on where the segment before stopped. rd NULL: in the same graph. */
int reel_planner_go_on_(planner *p, const reel_plan *parent, int64_t size, const struct reel_rest_draft *rd);
int reel_planner_step_(planner *p, pstep step); /* appends it, with room for its slots (and one more) */
void reel_planner_read_(planner *p, int32_t value, reel_dtype dtype, bool whole);
/* Where the operands of a step begin among its slots: behind the workspace, if that is one. */
static inline int32_t reel_first_operand_(const pstep *s)
{
    return s->slot + (s->kind == STEP_FILL);
}
/* plan_results.c: what leaves the run. Before a seam only memory for it is set apart. */
int reel_plan_results_(planner *p);
/* New steps in the place of old ones (plan_group.c). */
typedef struct rewriting {
    planner *p;
    pstep *steps;
    pslot *slots;
    size_t n_steps, cap_steps, n_slots, cap_slots, late;
} rewriting;
void reel_rewriting_at_(rewriting *w, size_t i);      /* what follows stands where old step i stood */
int reel_rewriting_room_(rewriting *w, size_t slots); /* for one more step */
int reel_rewriting_keep_(rewriting *w, int32_t i);    /* step i as it is */
void reel_rewriting_done_(rewriting *w, bool take);   /* take: the new steps are the planner's */
/* plan_after.c: elementwise steps that alone read a product are done to its blocks. */
int reel_plan_after_(planner *p);
/* Elementwise, all of one shape; one step by itself too. */
bool reel_is_plain_group_(const planner *p, const pstep *s);
/* Such a step by itself as a group; slot: of each of its inputs, then of its numbers, which slot it is. NULL: raised. */
reel_fused *reel_group_of_(planner *p, const pstep *s, int32_t *slot);
/* plan_columns.c: reductions that read what a group makes follow it block by block. */
int reel_plan_columns_(planner *p);
/* plan_sweep.c: updates of variables that do not wait for each other are one step. */
int reel_plan_sweep_(planner *p);
/* plan_fuse.c: elementwise steps that feed each other become one, and reductions with what they read and who reads them. */
int reel_plan_fuse_(planner *p, bool reductions);
unsigned reel_reduced_axes_(const planner *p, const reel_node *n); /* which a reduction takes together, as a mask */
void reel_planner_lasts_(planner *p);                              /* who reads what last, anew */
/* plan_donate.c: which updates of variables could be written over the old values; *saved: the bytes that would save. Then, once
   their order is known, those that will be come behind all other steps. */
int reel_plan_donate_(planner *p, int64_t *saved);
int reel_plan_donated_(planner *p);
/* plan_given.c: which results may lie where an input lay that is given away. */
int reel_plan_given_(planner *p);
/* plan_order.c: less is alive at once. */
int reel_plan_order_(planner *p, int64_t saved);
/* plan_memory.c: which values share memory, and where each block lies. */
int reel_plan_blocks_(planner *p);
int reel_plan_arena_(planner *p);
int32_t reel_plan_block_(planner *p, int32_t first, int32_t last, size_t bytes); /* -1: raised */
/* Every read of that memory in step s is of the same elements in the same order, and over when output j is written? */
bool reel_only_alike_(const planner *p, const pstep *s, const pvalue *v, int j);
/* plan_check.c: proves it, by other means. Raises what is wrong. */
int reel_plan_check_(const planner *p);
/* plan_layout.c: what later segments read of this one stays in the arena until the run ends; kernels prepared, memory laid out, pointers placed. */
void reel_plan_keep_(planner *p);
int reel_plan_layout_(planner *p);
reel_place reel_place_of_(const planner *p, int32_t value, reel_dtype dtype); /* its pointer, once laid out */
/* plan_notes.c: what is kept of all that for people who look at runs. */
int reel_plan_notes_(planner *p);
static inline bool reel_same_type_(const reel_type *a, const reel_type *b)
{
    return a->dtype == b->dtype && reel_shape_same_(&a->shape, &b->shape);
}
#endif
