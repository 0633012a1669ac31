/* level_grid_sample.c: sampling at given places for one ISA level. */
#include "core/compiler.h"
REEL_NO_ADDSUB
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include "kernels/grid_sample.h"
#include "reel/image.h"

#define T float
#define NAME(f) f##_f32
#define FLOOR(x) floorf(x)
#define RINT(x) rintf(x)
#include "kernels/grid_sample_body.h"

#define T double
#define NAME(f) f##_f64
#define FLOOR(x) floor(x)
#define RINT(x) rint(x)
#include "kernels/grid_sample_body.h"

extern const reel_grid_levels REEL_LEVELED(reel_grid_levels);
const reel_grid_levels REEL_LEVELED(reel_grid_levels) = {.f32 = {sample_f32, back_grid_f32, back_x_f32},
                                                         .f64 = {sample_f64, back_grid_f64, back_x_f64}};
