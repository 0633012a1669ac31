/* scan.h: what scan.c (plans) and level_scan.c (loops) share. A line is what lies along the axis, in memory `inner` apart;
   neighbouring lines go side by side. Inputs are dense: others are packed first. */
#ifndef REEL_KERNELS_SCAN_H
#define REEL_KERNELS_SCAN_H
#include "core/device.h"

enum { REEL_SCAN_COLS = 64, REEL_SCAN_WORK = 1 << 15 };
enum { REEL_SCAN_SUM, REEL_SCAN_PROD, REEL_SCAN_MAX, REEL_SCAN_MIN, REEL_SCAN_EXPS, REEL_SCAN_LINEAR, REEL_SCAN_KINDS };

/* n steps of w lines from x (and a) to y, step elements apart (negative: from the end). */
typedef void reel_scan_fn(void *y, const void *x, const void *a, int64_t n, int64_t step, int64_t w, bool exclusive);

/* line: a single one; cols: w of them. By kind and dtype. */
typedef struct reel_scan_table {
    reel_scan_fn *loops[REEL_SCAN_KINDS][REEL_N_DTYPES];
} reel_scan_table;
#endif
