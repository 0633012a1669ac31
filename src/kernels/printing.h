/* printing.h: the CPU's fused kernels for the printer of compiled plans. */
#ifndef REEL_KERNELS_PRINTING_H
#define REEL_KERNELS_PRINTING_H
#include "core/printing.h"

extern const reel_printing reel_cpu_printing_; /* compiled.c */
/* Prepared kernels take to their compiled forms: fused.c, after.c, columns.c, fused_rows_form.c. false: no memory, or no room for it. */
void reel_fused_use_(void *plan, reel_group_fn *fn);
void reel_after_use_(void *plan, reel_group_fn *fn);
void reel_columns_use_(void *plan, reel_group_fn *fn);
bool reel_rows_use_(void *plan, const reel_fused *f, const reel_stages *s, reel_rows_fn *fn);
#endif
