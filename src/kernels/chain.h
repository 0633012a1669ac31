/* chain.h: light f32 ops of a fused group one after the other in registers. Where each op has a loop of its own, storing and loading what is
   between them takes longer than the arithmetic. Here each op is a stage: a function that gets a block of values in eight vector registers,
   does its formula to them and jumps to the next stage. The first stage loads a block, the last one stores it and returns.

   A compiler sees one op at a time, but may still exchange the operands of a sum, and then another NaN's sign and payload come out. So a stage
   that stores what is seen outside looks for NaN first and gives up the block, which is done again by the ops' own loops. That is enough: where
   no result is NaN, none depends on a NaN's sign or payload, as no op in a chain makes a number of those (copysign would; see
   reel_chain_end_). */
#ifndef REEL_KERNELS_CHAIN_H
#define REEL_KERNELS_CHAIN_H
#include "kernels/elementwise.h"

typedef void reel_stage_fn(
    void); /* the level's file knows what it takes: its vectors are as wide as the level has them */
typedef struct reel_stage {
    reel_stage_fn *fn; /* NULL: the last one, which stores what has no NaN */
    float *p;          /* what it reads beside the registers, or where it writes */
    const void *extra; /* its op's attributes, as for loops */
    bool block; /* p of a third operand, which stands in a stage of its own: is it a block, or one element for all? */
} reel_stage;
/* Elements [at, end) of all operands, block by block. Returns the end, or the block that it gave up: nothing of that which is seen outside has
   been stored. */
typedef int64_t reel_chain_fn(const reel_stage *s, int64_t at, int64_t end);

/* Functions in pairs: [0] reads one element for all, [1] a block. With two operands in memory, 2 more if the second one is a block. */
typedef reel_stage_fn *const reel_stage_pair[2], *const reel_stage_four[4];
#define ONE(name, formula) REEL_CHAIN_##name,
#define TWO(name, formula) REEL_CHAIN_##name,
#define THREE(name, formula) REEL_CHAIN_##name,
typedef enum reel_chain_op {
#include "kernels/chain_ops.def"
    REEL_N_CHAIN
} reel_chain_op;
#undef ONE
#undef TWO
#undef THREE
/* Where an op of two operands gets one from the registers and the other one from an op of what is in memory, a single stage does both: neither
   has to be stored. Those that arithmetic is full of have such stages: OUTER(op, of) for the first, ONE and TWO for the second one. */
#define REEL_CHAIN_OUTERS(OUTER, of) OUTER(add, of) OUTER(sub, of) OUTER(mul, of)
#define REEL_CHAIN_SIDES(ONE, TWO) ONE(square) ONE(abs) ONE(neg) TWO(add) TWO(sub) TWO(mul)
#define SIDE(name) REEL_SIDE_##name,
typedef enum reel_chain_side { REEL_CHAIN_SIDES(SIDE, SIDE) REEL_N_SIDES } reel_chain_side;
#undef SIDE
#define OUTER(name, of) REEL_OUTER_##name,
typedef enum reel_chain_outer { REEL_CHAIN_OUTERS(OUTER, ) REEL_N_OUTERS } reel_chain_outer;
#undef OUTER
/* What a chain begins with are functions of the type reel_chain_fn, for stage 0; with a second operand stage 1 is theirs, too. */
typedef struct reel_chain_table {
    int block;
    reel_stage_pair begin; /* loads */
    reel_stage_pair load;
    reel_stage_pair op[REEL_N_CHAIN][3];                  /* by the operand that the registers are, */
    reel_stage_four side[REEL_N_SIDES][REEL_N_OUTERS][2]; /* the outer op's; a stage for each operand in memory */
    reel_stage_four first[REEL_N_SIDES];                  /* a chain's first op: begins */
    reel_stage_pair store, keep;                          /* of blocks; keep: looks for NaN */
} reel_chain_table;
REEL_DECLARE_LEVELS(reel_chain_table, reel_chain_table);
enum { REEL_CHAIN_BLOCK = 128 }; /* at most */

/* ---- chains of a plan: its operands have registers, which are numbers of places ------------------------------ */

/* Where a register lies. step: is there an element for each of the results (1), or one for all (0)? Of chains only: bytes from
   element to element, and from one row of the results to the next. */
typedef struct reel_spot {
    char *at;
    uint8_t step, move;
    int64_t row;
} reel_spot;
/* A part with its op's own loop. */
typedef struct reel_own {
    reel_inner_fn *fn;
    const void *extra;
    uint8_t n_in, in[REEL_FUSED_ARGS], out; /* registers */
} reel_own;
/* A stage of a plan. */
typedef struct reel_link {
    reel_stage_fn *const *fn; /* by the operand's step; two: and the next link's */
    const void *extra;
    uint8_t reg;
    bool two;
} reel_link;
enum { REEL_CHAIN_LINKS = 4 * REEL_FUSED_PARTS };
/* In a plan's lists. n_parts 1: one part with its own loop, no chain. */
typedef struct reel_chain {
    uint8_t part, n_parts, link, n_links;
} reel_chain;

/* The last part of the longest chain that begins with this part; first: there is none. Nothing but the last part of a chain
   writes an output of the group, as that may lie over an input which the chain wants again when it gives up. In a group by rows all parts
   of a chain are of the whole. A bool is read by nobody else: its memory has the room of f32 for that, and the stages keep it as such. */
int reel_chain_end_(const reel_fused *f, int first);
/* Has the value of a part of chain [first, last] to be in memory (besides that of the last)? *kept: it is read behind the chain. */
bool reel_chain_stores_(const reel_fused *f, int first, int part, int last, bool *kept);
/* Does a part of the chain read what has one element a row? */
bool reel_chain_by_row_(const reel_fused *f, int first, int last);
/* The stages of parts [first, last]; reg: by operand, op: by part. Returns how many. */
int reel_chain_links_(const reel_fused *f, int first, int last, const int16_t *reg, const reel_loop_op *op,
                      reel_link *link);

/* Elements [at, at + n) of a row. */
void reel_own_run_(const reel_own *o, const reel_spot *reg, int64_t row, int64_t at, int64_t n);
/* rows rows of n elements: block by block, the rest, and blocks that were given up, by the parts' own loops. part and link: the plan's. */
void reel_chain_run_(const reel_chain *c, const reel_own *part, const reel_link *link, const reel_spot *reg,
                     int64_t rows, int64_t n);
#endif
