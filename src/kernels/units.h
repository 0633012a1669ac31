/* units.h: what a fused kernel does in one loop: a part each. */
#ifndef REEL_KERNELS_UNITS_H
#define REEL_KERNELS_UNITS_H
#include "kernels/elementwise.h"

typedef struct reel_unit {
    reel_loop_op op;
    int n_in; /* 0: a reduction, which has no loop of this kind */
    int16_t in[REEL_FUSED_ARGS], out;
    reel_dtype in_dtype[REEL_FUSED_ARGS], out_dtype;
} reel_unit;
/* unit[i]: part i. Raises. */
int reel_units_(const reel_fused *f, reel_unit unit[REEL_FUSED_PARTS]);
#endif
