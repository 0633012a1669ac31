/* fuse.h: what plan_fuse.c, which finds groups of steps, and plan_group.c, which writes them down, share. */
#ifndef REEL_TRACE_FUSE_H
#define REEL_TRACE_FUSE_H
#include "planner.h"

/* The elements that a group goes over: those of `whole`. axis >= 0: it has rows, the axes from there on, which reductions take
   together. What has one element a row has that shape without these axes, or with 1 in their places. */
typedef struct space {
    reel_shape whole;
    int axis; /* -1: all members have the whole shape */
    int64_t rows, cols;
} space;

/* While they are found: a list of steps in program order. A merged group points to the one it went into. */
typedef struct group {
    int32_t into, first, last, n, reductions;
    bool sealed; /* somebody outside has read a value of it */
    space s;
} group;

typedef struct fuser {
    planner *p;
    const reel_device *device;
    bool by_rows; /* reductions may be members */
    group *groups;
    size_t n_groups, cap_groups;
    int32_t *group_of;     /* by step; -1: none */
    int32_t *next;         /* by step: the next member of its group */
    int32_t *maker;        /* by root: the step that makes it; -1: none of this segment */
    int32_t *reads;        /* by root: how often it is read */
    int32_t *reads_inside; /* by root: by the group at hand */
    int32_t *number;       /* by value: its operand in the group at hand; -1: none */
    rewriting w;
} fuser;

static inline int32_t reel_fuser_find_(fuser *f, int32_t g)
{
    while (f->groups[g].into != g) {
        f->groups[g].into = f->groups[f->groups[g].into].into;
        g = f->groups[g].into;
    }
    return g;
}
static inline const reel_node *reel_fuser_node_(const fuser *f, const pstep *s)
{
    return s->node >= 0 ? &f->p->g->nodes[s->node] : NULL;
}
static inline bool reel_fuser_reduces_(const fuser *f, const pstep *s)
{
    const reel_node *n = reel_fuser_node_(f, s);
    return n && (n->op->flags & REEL_OPF_REDUCTION);
}
/* Operands of a member: of a reduction only what it reduces. */
static inline int reel_fuser_reads_(const fuser *f, const pstep *s)
{
    return reel_fuser_reduces_(f, s) ? 1 : s->n_in;
}
static inline int32_t reel_fuser_out_(const fuser *f, int32_t step)
{
    const pstep *s = &f->p->steps[step];
    return f->p->slots[s->slot + s->n_in].value;
}
static inline bool reel_is_one_(const planner *p, int32_t value)
{
    return reel_count_(&p->v[value].type.shape) == 1;
}
static inline const reel_shape *reel_shape_of_value_(const fuser *f, int32_t value)
{
    return &f->p->v[value].type.shape;
}

/* A member's result has the whole shape (else one element a row). */
bool reel_space_whole_(const space *s, const fuser *f, int32_t step);
/* Steps of v along the axes [0, n) of `of`, against which it is broadcast: elements; 0: repeated. */
void reel_space_strides_(const planner *p, int32_t v, const reel_shape *of, int n, int64_t strides[REEL_MAX_RANK]);
/* plan_group.c: the member lists become fused steps, everything else stays; the new steps are the planner's. */
int reel_plan_groups_(fuser *f);
#endif
