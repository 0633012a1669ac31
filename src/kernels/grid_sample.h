/* grid_sample.h: what grid_sample.c (plans) and level_grid_sample.c (loops) share. All dense, in the dtype of the computation. */
#ifndef REEL_KERNELS_GRID_SAMPLE_H
#define REEL_KERNELS_GRID_SAMPLE_H
#include "core/device.h"
#include "kernels/isa.h"

enum { REEL_GRID_BLOCK = 32, REEL_GRID_PLANES = 8 }; /* points, planes worked on together */
typedef struct reel_grid_job {
    int axes; /* of space, 1 to 3 */
    int mode, padding, align,
        order[3]; /* order: derivatives of the weights by each coordinate, x (the last axis) first */
    int64_t images, channels, dims[3]; /* dims: of the input, the outermost first */
    int64_t pixels, points;            /* of an input image, of an output image */
    const void *x, *grid, *g;
    void *y, *dx, *dgrid;
} reel_grid_job;

typedef struct reel_grid_table {
    /* points [begin, end) of all images */
    void (*sample)(const reel_grid_job *j, int64_t begin, int64_t end);
    void (*back_grid)(const reel_grid_job *j, int64_t begin, int64_t end);
    /* planes (image, channel) [begin, end) */
    void (*back_x)(const reel_grid_job *j, int64_t begin, int64_t end);
} reel_grid_table;
typedef struct reel_grid_levels {
    reel_grid_table f32, f64;
} reel_grid_levels;
REEL_DECLARE_LEVELS(reel_grid_levels, reel_grid_levels);
#endif
