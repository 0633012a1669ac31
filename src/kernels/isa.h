/* isa.h: kernel files named level_*.c are compiled once for each ISA level (see meson.build) and export one
   table each; the level is chosen at start. All levels give the same bits. */
#ifndef REEL_KERNELS_ISA_H
#define REEL_KERNELS_ISA_H
#ifndef REEL_LEVEL
#define REEL_LEVEL base /* base, v3 (AVX2, FMA, F16C) or v4 (AVX-512 F, BW, CD, DQ, VL) */
#endif
#define REEL_LEVEL_CAT2_(a, b) a##_##b##_
#define REEL_LEVEL_CAT_(a, b) REEL_LEVEL_CAT2_(a, b)
#define REEL_LEVELED(name) REEL_LEVEL_CAT_(name, REEL_LEVEL) /* reel_ew_table -> reel_ew_table_v3_ */
int reel_level_(void); /* 0 base, 1 v3, 2 v4: what this CPU has, lowered by REEL_ISA=baseline|x86-64-v3|x86-64-v4 */

/* In a family's own file: pick the table of the level. REEL_HAVE_LEVELS comes from the build (x86-64 only). */
#ifdef REEL_HAVE_LEVELS
#define REEL_DECLARE_LEVELS(type, name) extern const type name##_base_, name##_v3_, name##_v4_
#define REEL_PICK(name) (reel_level_() == 2 ? &name##_v4_ : reel_level_() == 1 ? &name##_v3_ : &name##_base_)
#else
#define REEL_DECLARE_LEVELS(type, name) extern const type name##_base_
#define REEL_PICK(name) (&name##_base_)
#endif
#endif
