/* level_ew_arith.c: the loops of the elementwise ops that memory limits; compiled once for each ISA level. */
#define EW_GROUP EW_ARITH
#define EW_GRAIN REEL_GRAIN_LIGHT
#define EW_SPREADS 1
#include "kernels/elementwise_body.h"
