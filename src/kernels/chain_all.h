/* chain_all.h: all chains: PAIR(second) with FIRST defined, TRIPLE(third) with SECOND as well. For level_ew_chain.c. */
#define FIRST neg
#include "kernels/chain_first.h"
#undef FIRST
#define FIRST abs
#include "kernels/chain_first.h"
#undef FIRST
#define FIRST square
#define LONG
#include "kernels/chain_first.h"
#undef FIRST
#undef LONG
#define FIRST relu
#include "kernels/chain_first.h"
#undef FIRST
#define FIRST add
#define LONG
#include "kernels/chain_first.h"
#undef FIRST
#undef LONG
#define FIRST sub
#define LONG
#include "kernels/chain_first.h"
#undef FIRST
#undef LONG
#define FIRST mul
#define LONG
#include "kernels/chain_first.h"
#undef FIRST
#undef LONG
#define FIRST div
#include "kernels/chain_first.h"
#undef FIRST
#define FIRST maximum
#include "kernels/chain_first.h"
#undef FIRST
#define FIRST minimum
#include "kernels/chain_first.h"
#undef FIRST
#define FIRST from_sub
#include "kernels/chain_first.h"
#undef FIRST
