/* compile_print.h: what compile_print.c, which prints groups as functions of C, and compile_formula.c, which prints their parts as
   expressions, share. */
#ifndef REEL_TRACE_COMPILE_PRINT_H
#define REEL_TRACE_COMPILE_PRINT_H
#include "compile.h"

enum { REEL_PRINTED_NAME = 48 };
typedef struct printed_operand {
    char name[REEL_PRINTED_NAME];
    reel_dtype dtype;
    bool loaded, widened; /* in the loop at hand */
} printed_operand;

typedef struct printer {
    const reel_printing *how;
    reel_source *t;
    const reel_graph *g;
    const reel_fused *f;
    bool by_rows;
    reel_formula formula[REEL_FUSED_PARTS];
    reel_stages s;
    printed_operand o[REEL_FUSED_OPERANDS];
    bool tiles;       /* of a plain group: what lies between stages lies in tiles of the function's own */
    const char *at;   /* the index of an element in the loop at hand */
    const char *site; /* the last #line */
} printer;

extern const char *const reel_c_type_[REEL_N_DTYPES],
    *const reel_c_signed_[REEL_N_DTYPES]; /* as it lies; as a number */
static inline bool reel_is_half_(reel_dtype d)
{
    return d == REEL_F16 || d == REEL_BF16;
}
static inline bool reel_is_digit_(char c)
{
    return c >= '0' && c <= '9';
}
void reel_put_(printer *p, const char *s);
/* The name of operand k, which has one: text's letters and digits, then its number. */
void reel_name_operand_(printer *p, int k, const char *text);
double reel_part_attribute_(const reel_fused_part *part, int k);
void reel_put_expression_(printer *p, int i); /* part i, which is printed */
#endif
