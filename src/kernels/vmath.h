/* vmath.h: the vector math: every transcendental of float and double as plain inline C that gcc and clang vectorise: no branches, no
   tables, every fused multiply-add written out. The bits are the same for every compiler, ISA level, vector body and scalar
   tail. NaN, infinities, signed zeros and subnormals are as in C's Annex F.

   Baseline x86-64 lacks fma and emulates it (vmath_base.h): functions of float that use it (exp, log, tanh, sigmoid, erf, gelu and its
   slope) are at their best from x86-64-v3 on and take many times as long at the baseline. Most others do without: arguments are
   reduced exactly, in two parts or in double, and what a last sum loses goes into the factor that follows. Those that need more than
   float go by way of double, with short polynomials, and round once. Polynomials are minimax fits (Remez) of our own. Errors:
   docs/accuracy.md; tests/test_vmath.c holds doubles against long double libm. Scalar: sin, cos, tan of doubles from 2^20 on,
   lgamma, digamma, polygamma, and the remainders. */
#ifndef REEL_KERNELS_VMATH_H
#define REEL_KERNELS_VMATH_H
#include "kernels/vmath_act.h"
#include "kernels/vmath_arith.h"
#include "kernels/vmath_base.h"
#include "kernels/vmath_erf.h"
#include "kernels/vmath_exp.h"
#include "kernels/vmath_gamma.h"
#include "kernels/vmath_log.h"
#include "kernels/vmath_pow.h"
#include "kernels/vmath_trig.h"
#undef VM
#undef F32
#undef F64
#undef N32
#undef X32
#undef P2
#undef P4
#undef LN2_HI
#undef LN2_LO
#endif
