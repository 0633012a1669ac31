/* fused_rows_plan.c: a group by rows becomes a program: its operands get registers, its parts instructions. */
#include <string.h>
#include "core/alloc.h"
#include "kernels/fused_rows.h"
#include "kernels/kernels.h"
#include "kernels/units.h"

enum { SLOTS = 64 };

typedef struct compiler {
    const reel_fused *f;
    rows_program *p;
    reel_unit unit[REEL_FUSED_PARTS];
    double cost;                         /* of an element, in threads' worth */
    int16_t reg[REEL_FUSED_OPERANDS];    /* -1: none yet */
    int16_t last[REEL_FUSED_OPERANDS];   /* the last unit, or reduction, that reads it */
    int16_t wide[REEL_FUSED_NUMBERS][2]; /* of a number spread over a tile: over its rows, over all of it */
    bool busy[SLOTS];                    /* temporaries of the whole */
    bool chains;                         /* may there be any? */
} compiler;

/* ---- registers ----------------------------------------------------------------------------------------- */

static int16_t new_reg(compiler *c, rows_kind kind, rows_place place, int size)
{
    rows_program *p = c->p;
    p->r[p->n_regs] = (rows_reg){.kind = (uint8_t)kind, .place = (uint8_t)place, .size = (uint8_t)size};
    return (int16_t)p->n_regs++;
}

/* A place for it in a thread's memory. There are fewer of them than slots: inputs, parts and numbers. */
static void take_slot(compiler *c, rows_reg *r)
{
    int i = 0;
    if (r->kind != OF_WHOLE) {
        r->slot = (int16_t)c->p->n_row++;
        return;
    }
    while (i < SLOTS - 1 && c->busy[i]) i++;
    c->busy[i] = true;
    r->slot = (int16_t)i;
    if (i >= c->p->n_whole) c->p->n_whole = i + 1;
}

static int16_t new_temp(compiler *c, rows_kind kind, int size)
{
    const int16_t k = new_reg(c, kind, TEMPORARY, size);
    take_slot(c, &c->p->r[k]);
    return k;
}

static rows_kind kind_of(const reel_fused *f, int operand)
{
    if (operand >= f->n_in && operand < f->n_in + f->n_numbers) return OF_ONE;
    return f->rows.whole[operand] ? OF_WHOLE : OF_ROW;
}

static bool is_dense(const reel_walk *w)
{
    return w->n == 0 || (w->n == 1 && w->stride[0] == 1);
}

/* How input k comes into a tile. */
static rows_place place_of(const compiler *c, int k)
{
    const reel_fused_rows *r = &c->f->rows;
    reel_walk *walk = &c->p->walk[k], row = {.n = 0};
    bool same = true;
    walk->n = 0;
    for (int d = (r->whole[k] ? r->rank : r->axis) - 1; d >= 0; d--) {
        reel_walk_add_(walk, r->dims[d], r->strides[k][d]);
        if (d >= r->axis) reel_walk_add_(&row, r->dims[d], r->strides[k][d]);
        same = same && (d >= r->axis || r->dims[d] == 1 || r->strides[k][d] == 0);
    }
    reel_walk_turn_(walk);
    reel_walk_turn_(&row);
    if (is_dense(walk)) return AT_POINTER;
    if (!r->whole[k] || !same || (c->p->chunks && !is_dense(&row))) return GATHERED;
    return c->p->rows == 1 && is_dense(&row) ? ALONG_ROW : REPEATED;
}

static void number_registers(compiler *c)
{
    const reel_fused *f = c->f;
    int size[REEL_FUSED_OPERANDS] = {0};
    memset(c->reg, 0xff, sizeof c->reg);
    memset(c->last, 0xff, sizeof c->last);
    memset(c->wide, 0xff, sizeof c->wide);
    for (int i = 0; i < f->n_parts; i++) {
        const reel_fused_part *part = &f->part[i];
        for (int j = 0; j < part->n_in; j++) {
            size[part->in[j]] = reel_dtype_bytes_[part->in_dtype[j]];
        }
        size[part->out] = reel_dtype_bytes_[part->out_dtype];
        if (part->reduces) c->last[part->in[0]] = (int16_t)i;
        for (int j = 0; j < c->unit[i].n_in; j++) c->last[c->unit[i].in[j]] = (int16_t)i;
    }
    c->p->n_io = f->n_in + f->n_numbers + f->n_out;
    for (int k = 0; k < c->p->n_io; k++) {
        const rows_place place = k < f->n_in ? place_of(c, k) : AT_POINTER;
        c->reg[k] = new_reg(c, kind_of(f, k), place, size[k]);
        if (place == REPEATED || place == GATHERED) take_slot(c, &c->p->r[k]);
    }
}

/* ---- instructions -------------------------------------------------------------------------------------- */

static rows_instr *add(compiler *c, rows_instr i)
{
    c->p->code[c->p->n_code] = i;
    return &c->p->code[c->p->n_code++];
}

/* The loops; numbers that one of them wants spread over a tile, or over its rows, get a temporary for good, before any other
   does: it is filled before the first tile. */
static void take_loops(compiler *c)
{
    const reel_fused *f = c->f;
    for (int i = 0; i < f->n_parts; i++) {
        const reel_unit *u = &c->unit[i];
        if (!u->n_in) continue;
        c->p->op[i] = u->op;
        const rows_kind kind = kind_of(f, u->out);
        for (int j = 0; j < u->n_in && !u->op.spread; j++) {
            if (kind_of(f, u->in[j]) != OF_ONE) continue;
            int16_t *wide = &c->wide[u->in[j] - f->n_in][kind == OF_WHOLE];
            if (*wide >= 0) continue;
            *wide = new_temp(c, kind, c->p->r[c->reg[u->in[j]]].size);
            c->p->once[c->p->n_once++] = (rows_once){(uint8_t)c->reg[u->in[j]], (uint8_t)*wide};
        }
    }
}

static void free_temp(compiler *c, int reg)
{
    const rows_reg *r = &c->p->r[reg];
    if (r->place == TEMPORARY && r->kind == OF_WHOLE) c->busy[r->slot] = false;
}

/* Operand j of unit i, as its loop takes it; *spread: the temporary made for that, -1: none. */
static int16_t operand(compiler *c, int i, int j, rows_kind kind, bool *by_row, int16_t *spread)
{
    const reel_unit *u = &c->unit[i];
    const int16_t reg = c->reg[u->in[j]];
    const rows_kind has = kind_of(c->f, u->in[j]);
    const reel_loop_op *op = &u->op;
    *spread = -1;
    if (has == kind || (has == OF_ONE && op->spread)) return reg;
    if (has == OF_ONE) return c->wide[u->in[j] - c->f->n_in][kind == OF_WHOLE];
    if (op->spread && (c->p->cols > ROWS_SHORT || c->p->rows == 1)) {
        *by_row = true;
        return reg;
    }
    *spread = new_temp(c, OF_WHOLE, c->p->r[reg].size);
    add(c, (rows_instr){.what = ROWS_SPREAD, .in = (uint8_t)reg, .out = (uint8_t)*spread});
    return *spread;
}

/* Where a unit's result goes: over an operand that nobody reads later, if that has its size. */
static int16_t result(compiler *c, int i, const reel_own *part)
{
    const reel_unit *u = &c->unit[i];
    const rows_kind kind = kind_of(c->f, u->out);
    const int size = reel_dtype_bytes_[u->out_dtype];
    for (int j = 0; j < u->n_in && kind == OF_WHOLE; j++) {
        const rows_reg *r = &c->p->r[part->in[j]];
        if (r->place != TEMPORARY || r->kind != OF_WHOLE || r->size != size || c->last[u->in[j]] != i ||
            part->in[j] != c->reg[u->in[j]])
            continue;
        const int16_t k = new_reg(c, kind, TEMPORARY, size);
        c->p->r[k].slot = r->slot;
        return k;
    }
    return new_temp(c, kind, size);
}

static reel_own *add_part(compiler *c, int i)
{
    rows_program *p = c->p;
    reel_own *part = &p->part[p->n_parts++];
    *part = (reel_own){.fn = p->op[i].fn, .extra = &p->op[i].extra, .n_in = (uint8_t)c->unit[i].n_in};
    if (kind_of(c->f, c->unit[i].out) == OF_WHOLE) c->cost += 1.0 / (double)p->op[i].grain;
    return part;
}

static void elementwise(compiler *c, int i)
{
    const reel_unit *u = &c->unit[i];
    const rows_kind kind = kind_of(c->f, u->out);
    rows_program *p = c->p;
    rows_instr code = {.what = ROWS_ELEMENTWISE, .op = (uint8_t)p->n_chains};
    int16_t spread[REEL_FUSED_ARGS];
    p->chain[p->n_chains++] = (reel_chain){.part = (uint8_t)p->n_parts, .n_parts = 1};
    reel_own *part = add_part(c, i);
    for (int j = 0; j < u->n_in; j++) part->in[j] = (uint8_t)operand(c, i, j, kind, &code.by_row, &spread[j]);
    if (c->reg[u->out] < 0) c->reg[u->out] = result(c, i, part);
    code.out = part->out = (uint8_t)c->reg[u->out];
    add(c, code);
    for (int j = 0; j < u->n_in; j++) {
        if (spread[j] >= 0) free_temp(c, spread[j]);
        if (c->last[u->in[j]] != i) continue;
        const int16_t reg = c->reg[u->in[j]];
        if (p->r[reg].slot != p->r[code.out].slot || p->r[code.out].place != TEMPORARY ||
            p->r[code.out].kind != p->r[reg].kind)
            free_temp(c, reg);
    }
}

/* The last part of the chain that begins with part i, i: there is none. By rows there must be blocks in them. */
static int end_of_chain(const compiler *c, int i)
{
    const int last = c->chains ? reel_chain_end_(c->f, i) : i;
    const bool by_row = last > i && c->p->rows > 1 && reel_chain_by_row_(c->f, i, last);
    return by_row && c->p->cols < 2 * REEL_PICK(reel_chain_table)->block ? i : last;
}

/* Operand j of part i in a chain: numbers are spread for loops that do not do it. */
static int16_t chained(const compiler *c, int i, int j)
{
    const int operand = c->unit[i].in[j];
    const bool wide = !c->unit[i].op.spread && kind_of(c->f, operand) == OF_ONE;
    return wide ? c->wide[operand - c->f->n_in][true] : c->reg[operand];
}

/* Temporaries that parts [first, last] are the last to read are free: bools when the chain's result has a place, as a loop that writes f32 over
   them would find some gone. */
static void free_chained(compiler *c, int first, int last, reel_dtype dtype)
{
    for (int i = first; i <= last; i++)
        for (int j = 0; j < c->unit[i].n_in; j++)
            if (c->unit[i].in_dtype[j] == dtype && c->last[c->unit[i].in[j]] <= last)
                free_temp(c, c->reg[c->unit[i].in[j]]);
}

/* What a chain stores before its end has temporaries that hold nothing that it reads, for it may give up and begin again. */
static void chain(compiler *c, int first, int last)
{
    const reel_fused *f = c->f;
    rows_program *p = c->p;
    reel_chain to = {(uint8_t)p->n_parts, (uint8_t)(last - first + 1), (uint8_t)p->n_links, 0};
    for (int i = first; i < last; i++) {
        bool kept;
        const bool stores = reel_chain_stores_(f, first, i, last, &kept);
        const int16_t k = stores ? new_temp(c, OF_WHOLE, sizeof(float)) : new_reg(c, OF_WHOLE, BLOCK, sizeof(float));
        if (!stores) p->r[k].slot = (int16_t)(i - first);
        c->reg[f->part[i].out] = k;
    }
    free_chained(c, first, last, REEL_F32);
    if (c->reg[f->part[last].out] < 0) c->reg[f->part[last].out] = new_temp(c, OF_WHOLE, sizeof(float));
    for (int i = first; i <= last; i++) {
        reel_own *part = add_part(c, i);
        for (int j = 0; j < part->n_in; j++) part->in[j] = (uint8_t)chained(c, i, j);
        part->out = (uint8_t)c->reg[f->part[i].out];
    }
    to.n_links = (uint8_t)reel_chain_links_(f, first, last, c->reg, p->op, p->link + p->n_links);
    p->n_links += to.n_links;
    add(c, (rows_instr){.what = ROWS_ELEMENTWISE,
                        .op = (uint8_t)p->n_chains,
                        .out = (uint8_t)c->reg[f->part[last].out],
                        .by_row = reel_chain_by_row_(f, first, last)});
    p->chain[p->n_chains++] = to;
    free_chained(c, first, last, REEL_BOOL);
}

static int reduction(compiler *c, int i)
{
    const reel_fused_part *part = &c->f->part[i];
    rows_program *p = c->p;
    const int k = p->n_reductions++;
    const int rc = reel_reduce_rows_(&p->reduction[k], part, p->rows, p->chunks ? p->len : p->cols, &p->part_bytes[k]);
    if (rc) return rc;
    if (c->reg[part->out] < 0) c->reg[part->out] = new_temp(c, OF_ROW, reel_dtype_bytes_[part->out_dtype]);
    add(c, (rows_instr){.what = ROWS_REDUCTION,
                        .in = (uint8_t)c->reg[part->in[0]],
                        .out = (uint8_t)c->reg[part->out],
                        .op = (uint8_t)k});
    c->cost += 1.0 / REEL_GRAIN_LIGHT;
    if (c->last[part->in[0]] == i) free_temp(c, c->reg[part->in[0]]);
    return 0;
}

/* ---- the program --------------------------------------------------------------------------------------- */

static size_t round64(size_t n)
{
    return (n + 63) & ~(size_t)63;
}

static int widest(const reel_fused *f)
{
    int size = 1;
    for (int i = 0; i < f->n_parts; i++) {
        const reel_fused_part *part = &f->part[i];
        for (int j = 0; j < part->n_in; j++)
            if (reel_dtype_bytes_[part->in_dtype[j]] > size) size = reel_dtype_bytes_[part->in_dtype[j]];
        if (reel_dtype_bytes_[part->out_dtype] > size) size = reel_dtype_bytes_[part->out_dtype];
    }
    return size;
}

/* With tiles of that many rows, or of that length; *fits: have they room? */
static int try_tile(const reel_fused *f, rows_program *p, int64_t rows, int64_t len, bool chains, bool *fits)
{
    compiler c = {.f = f, .p = p, .chains = chains};
    *p = (rows_program){.n = f->rows.n, .cols = f->rows.cols, .rows = rows, .len = len};
    if (p->cols > REEL_FUSED_COLS) p->chunks = (p->cols + REEL_RED_CHUNK - 1) / REEL_RED_CHUNK;
    int rc = reel_units_(f, c.unit);
    if (rc) return rc;
    number_registers(&c);
    take_loops(&c);
    for (int i = 0, last = 0; i < f->n_parts && !rc; i = last + 1) {
        last = end_of_chain(&c, i);
        if (last > i)
            chain(&c, i, last);
        else if (f->part[i].reduces)
            rc = reduction(&c, i);
        else if (c.unit[i].n_in)
            elementwise(&c, i);
    }
    p->whole_bytes = round64((size_t)(rows * len * widest(f)));
    p->grain = (int64_t)(1 / (c.cost + 1e-9)) + 1;
    *fits = (size_t)p->n_whole * p->whole_bytes + (size_t)p->n_row * (size_t)rows * 8 <= ROWS_TILE_BYTES;
    return rc;
}

/* Tiles as large as have room. */
static int find_tile(const reel_fused *f, rows_program *p, bool chains, bool *fits)
{
    const int64_t cols = f->rows.cols;
    const bool is_long = cols > REEL_FUSED_COLS;
    int64_t rows = is_long || cols >= ROWS_TILE ? 1 : ROWS_TILE / cols, len = is_long ? ROWS_TILE : cols;
    if (rows > ROWS_MAX) rows = ROWS_MAX;
    if (rows > f->rows.n) rows = f->rows.n;
    for (;;) {
        const int rc = try_tile(f, p, rows, len, chains, fits);
        if (rc || *fits || (rows == 1 && (!is_long || len == REEL_RED_CHUNK))) return rc;
        if (rows > 1)
            rows = (rows + 1) / 2;
        else
            len /= 2;
    }
}

/* Chains may want a temporary more, as their results lie over nothing that they read. */
static int compile(const reel_fused *f, rows_program *p, bool *fits)
{
    const int rc = find_tile(f, p, true, fits);
    return rc || *fits ? rc : find_tile(f, p, false, fits);
}

/* Of long rows: partial results, then what has one element a row. */
static int plan_workspace(rows_program *p, size_t *workspace)
{
    size_t at = 0;
    if (!p->chunks) return 0;
    for (int k = 0; k < p->n_reductions; k++) {
        p->part_at[k] = at;
        at += round64((size_t)(p->n * p->chunks) * p->part_bytes[k]);
    }
    p->row_temps_at = at;
    *workspace = at + (size_t)p->n_row * (size_t)p->n * 8;
    return 0;
}

int reel_rows_compile_(const reel_fused *f, rows_program **out, size_t *workspace)
{
    rows_program *p = reel_zalloc_(sizeof *p);
    bool fits = false;
    if (!p) return REEL_ENOMEM;
    int rc = compile(f, p, &fits);
    if (!rc && !fits) rc = reel_fail(REEL_EDEVICE, "a fused group has more temporaries than there is room for");
    if (!rc) rc = plan_workspace(p, workspace);
    if (!rc) {
        *out = p;
        return 0;
    }
    reel_rows_free_(p);
    return rc;
}

void reel_rows_free_(rows_program *p)
{
    reel_free_(atomic_load(&p->form), sizeof(rows_form));
    reel_free_(p, sizeof *p);
}

int reel_fused_rows_fit_(const reel_fused *f)
{
    rows_program *p = reel_zalloc_(sizeof *p);
    bool fits = false;
    const int rc = p ? compile(f, p, &fits) : REEL_ENOMEM;
    if (p) reel_rows_free_(p);
    return rc ? -1 : fits;
}
