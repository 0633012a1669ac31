/* level_ew_special.c: the loops of erf, gamma, powers and remainders; compiled once for each ISA level. */
#define EW_GROUP EW_SPECIAL
#define EW_GRAIN REEL_GRAIN_HEAVY
#define EW_SPREADS 0
#include "kernels/elementwise_body.h"
