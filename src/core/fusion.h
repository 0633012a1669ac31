/* fusion.h: steps of a plan that stand for several ops, beyond the groups of device.h. */
#ifndef REEL_CORE_FUSION_H
#define REEL_CORE_FUSION_H
#include "device.h"

/* Several calls of one op that the device joins, none of which reads what another makes, as one kernel. sig: op NULL, attr the
   reel_many, operands the inputs of all calls, one after the other, then the outputs of all. */
enum { REEL_MANY_CALLS = 64, REEL_MANY_IN = 6, REEL_MANY_OUT = 3 };
typedef struct reel_one_call {
    const reel_op *op;
    const void *attr;
    int32_t node;            /* of the graph; kernels need not know */
    int first_in, first_out; /* among the inputs, among the outputs */
} reel_one_call;
typedef struct reel_many {
    int n;
    reel_one_call call[REEL_MANY_CALLS];
} reel_many;

/* A product, and the plain group of elementwise ops that reads it, as one kernel: the group is done to each block of the product while
   that is in cache. sig: op NULL, attr the reel_after, operands the product's inputs, the group's without the product (its inputs,
   its numbers), the group's outputs. The product's result has no memory of its own: it is made where output `over` goes, which has
   its type. */
typedef struct reel_after {
    const reel_op *op; /* the product */
    const void *attr;
    int32_t node;
    int n_in;            /* the product's */
    int input;           /* of the group: which one the product is */
    int over;            /* of the group's outputs */
    const reel_fused *f; /* plain */
} reel_after;

/* A plain group, and reductions of what it makes, by axes that are the same for all of them, as one kernel. sig: op NULL, attr the
   reel_columns, operands the group's inputs and numbers, its outputs, then what the reductions make. */
enum { REEL_COLUMNS = 4 };
typedef struct reel_column {
    const reel_op *op;
    const void *attr;
    int32_t node;
    int of;        /* the group's output that it reduces */
    unsigned axes; /* which of its axes, as a mask */
} reel_column;
typedef struct reel_columns {
    const reel_fused *f; /* plain */
    int n;
    reel_column column[REEL_COLUMNS];
} reel_columns;

/* Devices that have kernels for rows have these as well. */
typedef struct reel_fusing_device {
    reel_device device;
    const reel_kernel *many;
    bool (*joins)(const reel_op *op); /* may calls of it be one of many? */
    const reel_kernel *after;
    bool (*finishes)(const reel_op *op); /* may a group come after it? */
    const reel_kernel *columns;          /* reductions as of rows */
} reel_fusing_device;
static inline const reel_fusing_device *reel_fusing_(const reel_device *d)
{
    return d->fused_rows ? (const reel_fusing_device *)d : NULL;
}
#endif
