/* level_ew_logic.c: the loops of comparisons, tests and integer ops; compiled once for each ISA level. */
#define EW_GROUP EW_LOGIC
#define EW_GRAIN REEL_GRAIN_LIGHT
#define EW_SPREADS 1
#include "kernels/elementwise_body.h"
