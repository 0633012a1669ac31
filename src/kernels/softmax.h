/* softmax.h: what softmax.c (plans) and level_softmax.c (loops) share. A row is what lies along the axis. Its largest
   element m comes first, then e^(x - m) is summed by reduce.h's lanes and chunks; so a row's result depends on its values
   alone. */
#ifndef REEL_KERNELS_SOFTMAX_H
#define REEL_KERNELS_SOFTMAX_H
#include "core/device.h"
#include "kernels/walk.h"

enum { REEL_SOFT_COLS = 32, REEL_SOFT_WORK = 1 << 13 };

typedef struct reel_softmax_plan reel_softmax_plan;
/* gradients: x is the result of the forward, labels its gradient */
typedef void reel_softmax_body(const reel_softmax_plan *p, const void *x, const void *labels, void *out, int64_t begin,
                               int64_t end);
struct reel_softmax_plan {
    reel_softmax_body *body;
    int64_t n, stride, g_stride; /* of a row; gradients: of a row of g */
    int64_t inner;               /* elements of the output after the axis; 1: rows are dense in the output */
    int64_t n_tiles;             /* inner > 1: tiles of columns for one index before the axis */
    int64_t n_rows, n_tasks, grain;
    reel_walk rows, labels; /* where rows begin, and their labels; gradients: where rows of g begin */
    reel_dtype label_dtype;
    bool log;
};

typedef struct reel_softmax_table {
    reel_softmax_body *rows[REEL_N_DTYPES], *cols[REEL_N_DTYPES], *loss[REEL_N_DTYPES];
    reel_softmax_body *back_rows[REEL_N_DTYPES], *back_cols[REEL_N_DTYPES];
} reel_softmax_table;

static inline int64_t reel_label_(reel_dtype d, const void *p, int64_t i)
{
    switch (d) {
    case REEL_I64: return ((const int64_t *)p)[i];
    case REEL_I32: return ((const int32_t *)p)[i];
    case REEL_I8: return ((const int8_t *)p)[i];
    default: return ((const uint8_t *)p)[i];
    }
}
#endif
