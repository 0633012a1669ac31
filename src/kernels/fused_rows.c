/* fused_rows.c: groups by rows: elementwise ops and reductions in one pass over memory (see reel_fused). Some rows at a time, or a piece
   of a long one, go through all parts while they are in cache. The parts' own loops run on that tile, and reductions keep the
   order of their kernels: a row at once, or chunks joined as parts are. So the bits are those of the ops one by one. */
#include <string.h>
#include "kernels/fused_rows.h"
#include "kernels/kernels.h"
#include "reel/tensor.h"

/* ---- memory -------------------------------------------------------------------------------------------- */

REEL_DEFINE_GATHER(gather1, uint8_t)
REEL_DEFINE_GATHER(gather2, uint16_t)
REEL_DEFINE_GATHER(gather4, uint32_t)
REEL_DEFINE_GATHER(gather8, uint64_t)

static void gather(void *to, const void *from, const reel_walk *w, int64_t first, int64_t n, int size)
{
    switch (size) {
    case 1: gather1(to, from, w, first, n); break;
    case 2: gather2(to, from, w, first, n); break;
    case 4: gather4(to, from, w, first, n); break;
    default: gather8(to, from, w, first, n); break;
    }
}

/* to[r][c] = from[r * step] */
#define SPREAD_OUT(T)                                    \
    do {                                                 \
        T *t = to;                                       \
        const T *f = from;                               \
        for (int64_t r = 0; r < rows; r++, t += cols) {  \
            const T v = f[r * step];                     \
            for (int64_t c = 0; c < cols; c++) t[c] = v; \
        }                                                \
    } while (0)
static void spread_out(void *to, const void *from, int64_t rows, int64_t step, int64_t cols, int size)
{
    switch (size) {
    case 1: SPREAD_OUT(uint8_t); break;
    case 2: SPREAD_OUT(uint16_t); break;
    case 4: SPREAD_OUT(uint32_t); break;
    default: SPREAD_OUT(uint64_t); break;
    }
}

/* ---- a tile -------------------------------------------------------------------------------------------- */

typedef struct job {
    const rows_program *p;
    const rows_form *form;
    void *const *ptr;
    char *work;
} job;

/* What a thread is at: rows [row, row + rows), of each len elements from col on; where its registers lie, those of the program or of
   its compiled form. */
typedef struct tile {
    const rows_program *p;
    const rows_form *form; /* NULL: by the program */
    const rows_reg *r;
    void *const *ptr;
    void *reg[ROWS_REGS];
    /* of the program: as parts have it whose results [0] have one element a row, [1] are whole */
    reel_spot spot[2][ROWS_REGS];
    int64_t row, rows, col, len;
    float (*blocks)[REEL_CHAIN_BLOCK]; /* a part of a chain each */
} tile;

static reel_spot spot(const tile *t, int k, bool whole)
{
    const rows_reg *r = &t->r[k];
    const bool step = r->kind == (whole ? OF_WHOLE : OF_ROW) || (!whole && t->p->n == 1), block = r->place == BLOCK;
    const int64_t row = r->kind == OF_WHOLE ? t->p->len * r->size : r->kind == OF_ROW ? r->size : 0;
    return (reel_spot){t->reg[k], step, step && !block ? r->size : 0, block ? 0 : row};
}

static size_t whole_bytes(const job *j)
{
    return (size_t)(j->form ? j->form->n_whole : j->p->n_whole) * j->p->whole_bytes;
}

/* Once for a thread: temporaries have their places; what is the same for all tiles is put there. */
static void begin_tiles(tile *t, const job *j, char *whole, char *row, int64_t rows)
{
    const rows_program *p = j->p;
    t->p = p;
    t->form = j->form;
    t->r = j->form ? j->form->r : p->r;
    t->ptr = j->ptr;
    for (int k = 0; k < (j->form ? j->form->n_regs : p->n_regs); k++) {
        const rows_reg *r = &t->r[k];
        if (r->place == AT_POINTER || r->place == ALONG_ROW)
            t->reg[k] = j->ptr[k];
        else if (r->place == BLOCK)
            t->reg[k] = t->blocks ? t->blocks[r->slot] : NULL;
        else
            t->reg[k] = r->kind != OF_WHOLE ? row + (size_t)r->slot * ((size_t)rows * 8)
                        : whole             ? whole + (size_t)r->slot * p->whole_bytes
                                            : NULL;
        for (int w = 0; w < 2 && !j->form; w++) t->spot[w][k] = spot(t, k, w);
        if (r->place == REPEATED && whole) gather(t->reg[k], j->ptr[k], &p->walk[k], 0, rows * p->len, r->size);
    }
    for (int i = 0; i < p->n_once && !j->form; i++) {
        const rows_reg *to = &p->r[p->once[i].to];
        if (to->kind == OF_WHOLE && !whole) continue;
        spread_out(t->reg[p->once[i].to], t->reg[p->once[i].from], rows, 0, to->kind == OF_WHOLE ? p->len : 1,
                   to->size);
    }
}

/* The registers of inputs and outputs at this tile. */
static void point(tile *t)
{
    const rows_program *p = t->p;
    const int64_t first = t->row * p->cols + t->col;
    for (int k = 0; k < p->n_io; k++) {
        const rows_reg *r = &t->r[k];
        const int64_t at = r->kind == OF_WHOLE ? first : r->kind == OF_ROW ? t->row : 0;
        if (r->place == AT_POINTER)
            t->reg[k] = (char *)t->ptr[k] + at * r->size;
        else if (r->place == ALONG_ROW)
            t->reg[k] = (char *)t->ptr[k] + t->col * r->size;
        else if (r->place == GATHERED)
            gather(t->reg[k], t->ptr[k], &p->walk[k], at, r->kind == OF_WHOLE ? t->rows * t->len : t->rows, r->size);
        t->spot[false][k].at = t->spot[true][k].at = t->reg[k];
    }
}

static void elementwise(const tile *t, const rows_instr *c)
{
    const rows_program *p = t->p;
    const reel_chain *chain = &p->chain[c->op];
    const bool whole = p->r[c->out].kind == OF_WHOLE;
    const int64_t rows = c->by_row ? t->rows : 1, n = c->by_row ? t->len : whole ? t->rows * t->len : t->rows;
    if (chain->n_parts > 1)
        reel_chain_run_(chain, p->part, p->link, t->spot[whole], rows, n);
    else
        for (int64_t r = 0; r < rows; r++) reel_own_run_(&p->part[chain->part], t->spot[whole], r, 0, n);
}

/* Each row of a tile at once. */
void reel_reduce_tile_(void *const *ptr, const uint8_t *step, int64_t n, const void *extra)
{
    const reel_reduce_plan *rp = extra;
    int64_t partial[ROWS_MAX];
    (void)step;
    if (!rp->join) {
        rp->body(rp, ptr[0], ptr[1], NULL, 0, n);
        return;
    }
    reel_reduce_plan few = *rp;
    few.n_out = n;
    few.body(&few, ptr[0], NULL, partial, 0, n);
    few.finish(&few, ptr[1], partial);
}

/* The chunks of a piece of one row, whose results are joined when all are there. */
typedef struct piece {
    const tile *t;
    int op; /* which reduction */
    char *work;
} piece;
/* The compiled form's calls for a long row: its reductions are pieces of that, or the ends of all. */
static void take_pieces(const rows_form *form, int n, const piece *pieces, reel_inner_fn *fn,
                        reel_group_call call[REEL_FUSED_PARTS])
{
    memcpy(call, form->call, sizeof form->call);
    for (int k = 0; k < n; k++) call[form->reduces[k]] = (reel_group_call){fn, &pieces[k]};
}

static void reduce_piece(void *const *ptr, const uint8_t *step, int64_t rows, const void *extra)
{
    const piece *a = extra;
    const tile *t = a->t;
    const rows_program *p = t->p;
    const int64_t chunk = t->row * p->chunks + t->col / REEL_RED_CHUNK,
                  n = (t->len + REEL_RED_CHUNK - 1) / REEL_RED_CHUNK;
    void *to = a->work + p->part_at[a->op] + (size_t)chunk * p->part_bytes[a->op];
    reel_reduce_plan some = p->reduction[a->op];
    (void)step;
    (void)rows; /* one */
    some.n_red = t->len;
    some.part = REEL_RED_CHUNK;
    some.n_parts = INT32_MAX; /* so that all are parts of one result */
    some.body(&some, ptr[0], NULL, to, 0, n);
}

static void run_instr(const tile *t, const rows_instr *c)
{
    const rows_program *p = t->p;
    const bool whole = p->r[c->out].kind == OF_WHOLE;
    switch (c->what) {
    case ROWS_ELEMENTWISE: elementwise(t, c); break;
    case ROWS_REDUCTION:
        reel_reduce_tile_((void *[]){t->reg[c->in], t->reg[c->out]}, NULL, t->rows, &p->reduction[c->op]);
        break;
    case ROWS_SPREAD:
        spread_out(t->reg[c->out], t->reg[c->in], t->rows, 1, whole ? t->len : 1, p->r[c->out].size);
        break;
    }
}

/* ---- all of them --------------------------------------------------------------------------------------- */

static void short_rows(void *arg, int64_t begin, int64_t end)
{
    const job *j = arg;
    const rows_program *p = j->p;
    _Alignas(64) char temps[ROWS_TILE_BYTES];
    _Alignas(64) float blocks[REEL_FUSED_PARTS][REEL_CHAIN_BLOCK];
    tile t;
    t.blocks = blocks;
    t.col = 0;
    t.len = p->cols;
    begin_tiles(&t, j, temps, temps + whole_bytes(j), p->rows);
    for (int64_t i = begin; i < end; i++) {
        t.row = i * p->rows;
        t.rows = p->n - t.row < p->rows ? p->n - t.row : p->rows;
        point(&t);
        if (t.form) t.form->fn(t.reg, t.rows, t.len, REEL_DO_WHOLE | REEL_DO_ROWS, t.form->call);
        for (int k = 0; k < p->n_code && !t.form; k++) run_instr(&t, &p->code[k]);
    }
}

/* A piece of a long row: everything that is whole. */
static void do_piece(const tile *t, char *work)
{
    const rows_program *p = t->p;
    piece pieces[REEL_FUSED_REDUCTIONS];
    reel_group_call call[REEL_FUSED_PARTS];
    for (int k = 0; k < p->n_reductions; k++) pieces[k] = (piece){t, k, work};
    if (t->form) {
        take_pieces(t->form, p->n_reductions, pieces, reduce_piece, call);
        t->form->fn(t->reg, 1, t->len, REEL_DO_WHOLE, call);
        return;
    }
    for (int k = 0; k < p->n_code; k++) {
        const rows_instr *c = &p->code[k];
        if (c->what == ROWS_REDUCTION)
            reduce_piece((void *[]){t->reg[c->in]}, NULL, 1, &pieces[c->op]);
        else if (p->r[c->out].kind == OF_WHOLE)
            run_instr(t, c);
    }
}

static void long_rows(void *arg, int64_t begin, int64_t end)
{
    const job *j = arg;
    const rows_program *p = j->p;
    const int64_t slabs = (p->cols + ROWS_SLAB - 1) / ROWS_SLAB;
    _Alignas(64) char temps[ROWS_TILE_BYTES];
    _Alignas(64) float blocks[REEL_FUSED_PARTS][REEL_CHAIN_BLOCK];
    tile t;
    t.blocks = blocks;
    t.rows = 1;
    begin_tiles(&t, j, temps, temps + whole_bytes(j), 1);
    for (int64_t i = begin; i < end; i++) {
        t.row = i / slabs;
        const int64_t from = i % slabs * ROWS_SLAB, to = from + ROWS_SLAB < p->cols ? from + ROWS_SLAB : p->cols;
        for (t.col = from; t.col < to; t.col += p->len) {
            t.len = to - t.col < p->len ? to - t.col : p->len;
            point(&t);
            do_piece(&t, j->work);
        }
    }
}

static void finish_reduction(void *const *ptr, const uint8_t *step, int64_t rows, const void *extra)
{
    const piece *a = extra;
    const rows_program *p = a->t->p;
    reel_reduce_plan whole = p->reduction[a->op];
    (void)step;
    whole.n_out = rows;
    whole.n_red = p->cols;
    whole.n_parts = p->chunks;
    whole.finish(&whole, ptr[1], a->work + p->part_at[a->op]);
}

/* What has one element a row, when the pieces of long rows are done. */
static void finish_long(const job *j)
{
    const rows_program *p = j->p;
    tile t;
    t.blocks = NULL;
    begin_tiles(&t, j, NULL, j->work + p->row_temps_at, p->n);
    t.row = t.col = 0;
    t.rows = p->n;
    t.len = 1;
    for (int k = 0; k < p->n_io; k++)
        if (p->r[k].kind == OF_ROW && p->r[k].place == GATHERED)
            gather(t.reg[k], j->ptr[k], &p->walk[k], 0, p->n, p->r[k].size);
    piece pieces[REEL_FUSED_REDUCTIONS];
    for (int k = 0; k < p->n_reductions; k++) pieces[k] = (piece){&t, k, j->work};
    if (t.form) {
        reel_group_call call[REEL_FUSED_PARTS];
        take_pieces(t.form, p->n_reductions, pieces, finish_reduction, call);
        t.form->fn(t.reg, p->n, 1, REEL_DO_ROWS, call);
        return;
    }
    for (int k = 0; k < p->n_code; k++) {
        const rows_instr *c = &p->code[k];
        if (c->what == ROWS_REDUCTION)
            finish_reduction((void *[]){NULL, t.reg[c->out]}, NULL, p->n, &pieces[c->op]);
        else if (p->r[c->out].kind == OF_ROW)
            run_instr(&t, c);
    }
}

enum { PIECES = 8 }; /* a thread: each begins with begin_tiles */
static int rows_run(const void *plan, void *const *ptr, void *work)
{
    const rows_program *p = *(rows_program *const *)plan;
    job j = {p, atomic_load_explicit(&p->form, memory_order_acquire), ptr, work};
    if (!p->chunks) {
        const int64_t tiles = (p->n + p->rows - 1) / p->rows, few = tiles / (PIECES * reel_threads());
        const int64_t least = p->grain / (p->rows * p->cols) + 1, grain = few > least ? few : least;
        if (tiles <= grain)
            short_rows(&j, 0, tiles);
        else
            reel_parallel_for(tiles, grain, short_rows, &j);
        return 0;
    }
    const int64_t slabs = p->n * ((p->cols + ROWS_SLAB - 1) / ROWS_SLAB), grain = p->grain / ROWS_SLAB + 1;
    if (slabs <= grain)
        long_rows(&j, 0, slabs);
    else
        reel_parallel_for(slabs, grain, long_rows, &j);
    finish_long(&j);
    return 0;
}

static int rows_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    return reel_rows_compile_(sig->attr, plan, workspace);
}

static void rows_drop(void *plan)
{
    reel_rows_free_(*(rows_program **)plan);
}
const reel_kernel reel_k_fused_rows_ = {
    .plan_size = sizeof(rows_program *), .prepare = rows_prepare, .run = rows_run, .drop = rows_drop};
