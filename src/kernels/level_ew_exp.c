/* level_ew_exp.c: the loops of exp, log and what is made of them; compiled once for each ISA level. */
#define EW_GROUP EW_EXP
#define EW_GRAIN REEL_GRAIN_HEAVY
#define EW_SPREADS 0
#include "kernels/elementwise_body.h"
