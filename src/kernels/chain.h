/* chain.h: loops of two or three light ops at once, for fused groups that are interpreted: where each op has a loop of its own, storing and
   loading what is between them takes longer than the arithmetic. The ops are those of EW_CHAIN in ops/elementwise.def, of f32. A chain is
   first(x, y), second of that and z, third of that and w; what an op does not take is not looked at. Bits are those of the ops one by one. */
#ifndef REEL_KERNELS_CHAIN_H
#define REEL_KERNELS_CHAIN_H
#include "kernels/elementwise.h"

#define EW_GROUP EW_CHAIN
#define UNARY(name, ...) REEL_CHAIN_##name,
#define BINARY(name, ...) REEL_CHAIN_##name,
typedef enum reel_chain_op {
#include "ops/elementwise.def"
    REEL_CHAIN_FROM, /* and more: what the chain has made is the second operand */
    REEL_N_CHAIN = 2 * REEL_CHAIN_FROM
} reel_chain_op;
#undef UNARY
#undef BINARY
#undef EW_GROUP

/* NULL: there is no such loop. Operands: x, y, z, w (of three), then the result; all take step 0. */
typedef struct reel_chain_table {
    reel_inner_fn *two[REEL_N_CHAIN][REEL_N_CHAIN];
    reel_inner_fn *three[REEL_N_CHAIN][REEL_N_CHAIN][REEL_N_CHAIN];
} reel_chain_table;
REEL_DECLARE_LEVELS(reel_chain_table, reel_chain_table);

/* What a fused kernel does in one loop: a part, or a chain of them (fused_chain.c). */
typedef struct reel_unit {
    reel_loop_op op;
    int at;   /* its last part */
    int n_in; /* 0: this part is done with a later one */
    int16_t in[REEL_FUSED_ARGS], out;
    reel_dtype in_dtype[REEL_FUSED_ARGS], out_dtype;
} reel_unit;
/* unit[i] is what ends with part i. Reductions are left out. Raises. */
int reel_units_(const reel_fused *f, bool by_rows, reel_unit unit[REEL_FUSED_PARTS]);
#endif
