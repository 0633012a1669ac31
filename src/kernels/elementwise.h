/* elementwise.h: the inner loops that the level_*.c files offer at each ISA level. */
#ifndef REEL_KERNELS_ELEMENTWISE_H
#define REEL_KERNELS_ELEMENTWISE_H
#include "kernels/isa.h"
#include "kernels/loop.h"
#include "ops/attrs.h"
#include "ops/ids.h"

/* Elements worth a thread (waking one costs about 2 us): for what memory limits, and for what arithmetic limits. */
enum { REEL_GRAIN_LIGHT = 65536, REEL_GRAIN_HEAVY = 8192 };

/* An op's loops by the dtype of its inputs, NULL where it does not have the dtype; spread: they take step 0. extra points to
   the attributes' four doubles. One for each op of elementwise.def and level: reel_ew_add_v3_ ... */
typedef struct reel_ew_row {
    reel_inner_fn *loop[REEL_N_DTYPES];
    int grain;
    bool spread;
} reel_ew_row;
#define UNARY(name, ...) REEL_DECLARE_LEVELS(reel_ew_row, reel_ew_##name);
#define BINARY(name, ...) REEL_DECLARE_LEVELS(reel_ew_row, reel_ew_##name);
#define TERNARY(name, ...) REEL_DECLARE_LEVELS(reel_ew_row, reel_ew_##name);
#define TEST(name, ...) REEL_DECLARE_LEVELS(reel_ew_row, reel_ew_##name);
#define COMPARE(name, ...) REEL_DECLARE_LEVELS(reel_ew_row, reel_ew_##name);
#include "ops/elementwise.def"
#undef UNARY
#undef BINARY
#undef TERNARY
#undef TEST
#undef COMPARE
/* level 0 base, 1 v3, 2 v4; NULL for ops that elementwise.def lacks */
const reel_ew_row *reel_ew_row_(int op, int level);

/* The loop of an elementwise op of one output, with what it wants to know, for kernels that run several. */
typedef struct reel_cast_dtypes {
    reel_dtype from, to;
} reel_cast_dtypes;
typedef struct reel_loop_op {
    reel_inner_fn *fn;
    int64_t grain;
    bool spread;
    union {
        reel_attr_scalars scalars;
        reel_cast_dtypes cast;
    } extra;
} reel_loop_op;
int reel_loop_op_(reel_loop_op *op, const reel_fused_part *part);

/* where, by element size. */
typedef struct reel_where_table {
    reel_inner_fn *loop[9];
} reel_where_table;
REEL_DECLARE_LEVELS(reel_where_table, reel_where_table);

/* Optimizer steps by dtype. extra points to a reel_update_step. */
typedef struct reel_update_step {
    double momentum, decay, lr; /* sgd */
    double beta1, beta2, eps;   /* adam; decay too; */
    double rate, scale;         /* lr / (1 - beta1^t), 1 / (1 - beta2^t) */
} reel_update_step;
typedef struct reel_update_table {
    reel_inner_fn *sgd[REEL_N_DTYPES], *adam[REEL_N_DTYPES];
} reel_update_table;
REEL_DECLARE_LEVELS(reel_update_table, reel_update_table);
/* What depends on the step alone; lr and (Adam's) t point to scalars of dtype d. */
reel_update_step reel_update_step_(const reel_attr_update *a, bool adam, const void *lr, const void *t, reel_dtype d);

/* Casts [from][to] that are worth vectors; NULL: reel_convert_ does it. */
typedef struct reel_cast_table {
    reel_inner_fn *loop[REEL_N_DTYPES][REEL_N_DTYPES];
} reel_cast_table;
REEL_DECLARE_LEVELS(reel_cast_table, reel_cast_table);
#endif
