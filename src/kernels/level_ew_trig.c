/* level_ew_trig.c: the loops of the angles; compiled once for each ISA level. */
#define EW_GROUP EW_TRIG
#define EW_GRAIN REEL_GRAIN_HEAVY
#define EW_SPREADS 0
#include "kernels/elementwise_body.h"
