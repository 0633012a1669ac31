/* printing.h: what a device has for those who print its fused kernels as C and compile them (trace/compile.c). Beside the device
   table; NULL: nothing can be compiled. */
#ifndef REEL_CORE_PRINTING_H
#define REEL_CORE_PRINTING_H
#include <stddef.h>
#include "device.h"

/* Steps that have printed forms: a plain group; the plain group that comes after a product, or before reductions by other axes
   (reel_after, reel_columns); a group by rows. */
typedef enum { REEL_GROUP_PLAIN, REEL_GROUP_AFTER, REEL_GROUP_COLUMNS, REEL_GROUP_ROWS } reel_group_kind;

/* Of one that is kept: plain ones without the parts that they do not have, and what stands behind. */
static inline size_t reel_fused_bytes_(const reel_fused *f, reel_group_kind kind)
{
    return kind == REEL_GROUP_ROWS ? sizeof *f : offsetof(reel_fused, part) + (size_t)f->n_parts * sizeof f->part[0];
}

/* Fused kernels that were compiled from printed C (trace/compile_print.c). call[i] is the loop of part i, or its reduction, for parts
   that are not printed: operands with step 1 unless it takes others.
   Plain: io and numbers as for the kernel, all operands of n elements side by side. */
typedef struct reel_group_call {
    void (*fn)(void *const *ptr, const uint8_t *step, int64_t n, const void *extra);
    const void *extra;
} reel_group_call;
typedef void reel_group_fn(void *const *io, int64_t n, void *const *numbers, const reel_group_call *call);
/* By rows: some rows of len elements; at: by operand, where it is at these rows, values that stay inside one stage nowhere. A call of a
   reduction gets the rows as n. Of rows that go by in pieces first all whole stages of each piece, then those of what has one
   element a row, all rows at once; reductions both times, first their parts, then the results. */
enum { REEL_DO_WHOLE = 1, REEL_DO_ROWS = 2 };
typedef void reel_rows_fn(void *const *at, int64_t rows, int64_t len, int what, const reel_group_call *call);
typedef void reel_printed_fn(void); /* any of them */

/* The order in which a group goes: stages one after another, each a loop over parts that are printed, or a call. What is made in a
   stage and read in a later one lies in memory between them. */
typedef struct reel_stages {
    int n;
    int16_t of[REEL_FUSED_PARTS];   /* of a part */
    int16_t call[REEL_FUSED_PARTS]; /* of a stage: the part that is called, -1: it is a loop */
    bool whole[REEL_FUSED_PARTS];   /* of a stage: it goes over all elements, not over rows */
    int16_t made[REEL_FUSED_OPERANDS],
        last[REEL_FUSED_OPERANDS]; /* of an operand: the stage that makes it, -1: it is given; the last
                                                                     one that reads it, -1: none */
} reel_stages;
/* Does it lie in memory between stages? What is given or an output has memory anyway. */
static inline bool reel_is_kept_(const reel_fused *f, const reel_stages *s, int operand)
{
    return operand >= f->n_in + f->n_numbers + f->n_out && s->made[operand] >= 0 &&
           (s->last[operand] > s->made[operand] || s->call[s->made[operand]] >= 0);
}

/* An elementwise op as an expression: see ops/elementwise.def. "NOT": it does not have such a dtype. */
typedef struct reel_formula {
    const char *floats, *integers;
    enum { REEL_FORMULA_SAME, REEL_FORMULA_BOOL, REEL_FORMULA_WHERE, REEL_FORMULA_CAST, REEL_FORMULA_REDUCTION } kind;
    bool call;    /* rather its loop, or reduction */
    bool spreads; /* which takes one element for all (step 0) */
} reel_formula;
typedef struct reel_printing {
    const char *head;           /* what the printed C begins with */
    const char *(*flags)(void); /* the compiler's, which the same bits need */
    bool (*formula)(const reel_fused_part *part, reel_formula *out);
    /* The prepared kernel uses it from now on; any thread. false: it goes better without, or there is no memory. */
    bool (*use)(reel_group_kind kind, void *plan, const reel_fused *f, reel_printed_fn *fn);
} reel_printing;
const reel_printing *reel_printing_(void); /* the CPU's */
void reel_printing_install_(const reel_printing *p);

/* formula: of each part. false: it has something that is not printed. */
bool reel_stages_(const reel_fused *f, bool by_rows, const reel_formula *formula, reel_stages *out);
#endif
