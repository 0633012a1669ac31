/* level_gemm.c: the portable matrix product for f32 and f64, compiled once for each ISA level. */
#include "gemm.h"
#include "gemm_vec.h"
#include <stdbool.h>

#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)

#define T float
#define BITS 32
#define V(name) reel_##name##32_
#include "gemm_body.h"
#undef T
#undef BITS
#undef V

#define T double
#define BITS 64
#define V(name) reel_##name##64_
#include "gemm_body.h"

const reel_gemm_table REEL_LEVELED(reel_gemm_levels) = {.f32 = gemm32,
                                                        .f64 = gemm64,
                                                        .dots_f32 = dots32,
                                                        .dots_f64 = dots64,
                                                        .pack_f32 = pack32,
                                                        .pack_f64 = pack64,
                                                        .wide_f32 = nr32,
                                                        .wide_f64 = nr64};
