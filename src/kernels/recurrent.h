/* recurrent.h: what recurrent.c (scans, products) and level_recurrent.c (gates) share. Everything is dense and in the dtype of the
   computation. Gates stand in PyTorch's order: LSTM i f g o, GRU r z n. A row (of the batch) that is off keeps its state. */
#ifndef REEL_KERNELS_RECURRENT_H
#define REEL_KERNELS_RECURRENT_H
#include "core/device.h"
#include "kernels/isa.h"

enum { REEL_CELL_ZEROS = 5 };
/* One step of some rows. s: numbers saved a row for the backward: LSTM i f g o c, GRU r z n m. */
typedef struct reel_cell {
    int64_t rows, h;        /* h: units */
    const void *x, *b, *rb; /* rows of G h; [G h] and [h] or NULL */
    const void *pre;        /* h R^T: rows of G h; NULL: 0 */
    void *hs, *cs;          /* states: rows of h */
    void *s, *y;
    const uint8_t *on;
    const void *zeros; /* REEL_CELL_ZEROS h of them, for what is NULL */
    bool relu;
    /* backward */
    const void *saved, *out, *before, *c_before; /* out: y; before, c_before: the states before the step, rows of h */
    const void *dy, *ds;                         /* NULL: 0 */
    void *dh, *dc, *dx, *dm;                     /* in and out: dh, dc; out: dx rows of G h, dm rows of h */
    void *tmp;                                   /* rows of h: GRU's r h, and dh on its way */
} reel_cell;

typedef struct reel_cell_table {
    void (*rnn)(const reel_cell *c);
    void (*lstm)(const reel_cell *c);
    void (*gru)(const reel_cell *c);    /* reset after the product */
    void (*gru_rz)(const reel_cell *c); /* reset before it: r and z, tmp = r h ... */
    void (*gru_n)(const reel_cell *c);  /* ... then n and the state; pre: of tmp, rows of h */
    void (*rnn_back)(const reel_cell *c);
    void (*lstm_back)(const reel_cell *c);
    void (*gru_back)(const reel_cell *c);    /* dh: what goes past the product; dm for the product's third part */
    void (*gru_n_back)(const reel_cell *c);  /* dx's z and n; dh as above */
    void (*gru_rz_back)(const reel_cell *c); /* dm is n's share of r h: dx's r, and dh + dm r */
    /* dh += tmp, or dh = tmp, for the rows that are on */
    void (*pass)(const reel_cell *c, bool add);
} reel_cell_table;
typedef struct reel_cell_levels {
    reel_cell_table f32, f64;
} reel_cell_levels;
REEL_DECLARE_LEVELS(reel_cell_levels, reel_cell_levels);
#endif
