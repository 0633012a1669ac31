/* fused_rows.h: the program of a group by rows: what fused_rows_plan.c makes and fused_rows.c runs. */
#ifndef REEL_KERNELS_FUSED_ROWS_H
#define REEL_KERNELS_FUSED_ROWS_H
#include <stdatomic.h>
#include "core/printing.h"
#include "kernels/chain.h"
#include "kernels/reduce.h"

enum {
    ROWS_TILE = 2048,            /* elements of the whole at a time, at first */
    ROWS_TILE_BYTES = 64 * 1024, /* of a tile's temporaries: on the stack */
    ROWS_MAX = 64,               /* rows of a tile */
    ROWS_SHORT = 32,             /* rows up to that: row operands are spread out rather than taken row by row */
    ROWS_SLAB = 32768,           /* elements of a long row that a thread takes at once: a multiple of tiles */
    ROWS_REGS = REEL_FUSED_OPERANDS + REEL_FUSED_NUMBERS * 2 + REEL_FUSED_PARTS * REEL_FUSED_ARGS,
    ROWS_CODE = REEL_FUSED_PARTS * (1 + REEL_FUSED_ARGS)
};

/* Registers: inputs, numbers, outputs, then temporaries of a tile. */
typedef enum { OF_ONE, OF_ROW, OF_WHOLE } rows_kind;
typedef enum {
    AT_POINTER, /* dense as it stands */
    ALONG_ROW,  /* the same for all rows, which come one at a time */
    REPEATED,   /* the same for all rows: gathered for a tile, once a thread */
    GATHERED,   /* for each tile */
    TEMPORARY,
    BLOCK /* what a chain needs memory for only where its ops' own loops do a block of it */
} rows_place;
typedef struct rows_reg {
    uint8_t kind, place, size;
    int16_t slot; /* of its kind's temporaries */
} rows_reg;

typedef struct rows_instr {
    enum { ROWS_ELEMENTWISE, ROWS_SPREAD, ROWS_REDUCTION } what;
    uint8_t in, out; /* registers: of chains the last result */
    uint8_t op;      /* which of the chains or reductions */
    bool by_row;
} rows_instr;

typedef struct rows_once {
    uint8_t from, to;
} rows_once;

/* The compiled form: registers by operand; what lies in memory between its stages has temporaries of its own. */
typedef struct rows_form {
    reel_rows_fn *fn;
    int n_regs, n_whole;
    rows_reg r[REEL_FUSED_OPERANDS];
    reel_group_call call[REEL_FUSED_PARTS];
    int16_t reduces[REEL_FUSED_REDUCTIONS]; /* the part */
} rows_form;

typedef struct rows_program {
    _Atomic(rows_form *) form; /* NULL: there is none (yet) */
    int64_t n, cols;           /* rows and their length */
    int64_t rows, len;         /* of a tile */
    int64_t grain;             /* elements worth a thread */
    int64_t chunks;            /* of a long row; 0: rows are not long */
    size_t whole_bytes;        /* of a temporary */
    size_t row_temps_at;       /* of long rows: where in the workspace */
    int n_regs, n_io, n_code, n_parts, n_chains, n_links, n_reductions, n_whole, n_row, n_once;
    rows_reg r[ROWS_REGS];
    rows_instr code[ROWS_CODE];
    rows_once once[REEL_FUSED_NUMBERS * 2]; /* numbers that loops want spread */
    reel_loop_op op[REEL_FUSED_PARTS];
    reel_own part[REEL_FUSED_PARTS];
    reel_chain chain[REEL_FUSED_PARTS];
    reel_link link[REEL_CHAIN_LINKS];
    reel_reduce_plan reduction[REEL_FUSED_REDUCTIONS];
    size_t part_bytes[REEL_FUSED_REDUCTIONS], part_at[REEL_FUSED_REDUCTIONS];
    reel_walk walk[REEL_FUSED_IN];
} rows_program;

int reel_rows_compile_(const reel_fused *f, rows_program **out, size_t *workspace); /* raises */
void reel_rows_free_(rows_program *p);
/* fused_rows.c: the reduction of n rows, as a reel_group_call; extra: its reel_reduce_plan. */
void reel_reduce_tile_(void *const *ptr, const uint8_t *step, int64_t n, const void *extra);
#endif
