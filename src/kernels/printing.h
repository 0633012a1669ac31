/* printing.h: the CPU's fused kernels for the printer of compiled plans. */
#ifndef REEL_KERNELS_PRINTING_H
#define REEL_KERNELS_PRINTING_H
#include "core/printing.h"

extern const reel_printing reel_cpu_printing_;       /* compiled.c */
void reel_fused_use_(void *plan, reel_group_fn *fn); /* fused.c */
#endif
