/* printing.h: what a device has for those who print its fused kernels as C and compile them (trace/compile.c). Beside the device
   table; NULL: nothing can be compiled. */
#ifndef REEL_CORE_PRINTING_H
#define REEL_CORE_PRINTING_H
#include <stddef.h>
#include "device.h"

/* Of a plain one that is kept: without the parts that it does not have, and what stands behind. */
static inline size_t reel_fused_bytes_(int n_parts)
{
    return offsetof(reel_fused, part) + (size_t)n_parts * sizeof(reel_fused_part);
}

/* A fused kernel that was compiled from printed C (trace/compile_print.c): io and numbers as for the kernel, all operands of n
   elements side by side. call[i] is the loop of part i, for parts that are not printed: operands with step 1. */
typedef struct reel_group_call {
    void (*fn)(void *const *ptr, const uint8_t *step, int64_t n, const void *extra);
    const void *extra;
} reel_group_call;
typedef void reel_group_fn(void *const *io, int64_t n, void *const *numbers, const reel_group_call *call);
/* An elementwise op as an expression: see ops/elementwise.def. "NOT": it does not have such a dtype. */
typedef struct reel_formula {
    const char *floats, *integers;
    enum { REEL_FORMULA_SAME, REEL_FORMULA_BOOL, REEL_FORMULA_WHERE, REEL_FORMULA_CAST } kind; /* what comes out */
    bool call;                                                                                 /* rather its loop */
} reel_formula;
typedef struct reel_printing {
    const char *head;           /* what the printed C begins with */
    const char *(*flags)(void); /* the compiler's, which the same bits need */
    bool (*formula)(const reel_fused_part *part, reel_formula *out);
    void (*use)(void *plan, reel_group_fn *fn); /* of the prepared fused kernel, from now on; any thread */
} reel_printing;
const reel_printing *reel_printing_(void); /* the CPU's */
void reel_printing_install_(const reel_printing *p);
#endif
