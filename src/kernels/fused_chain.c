/* fused_chain.c: which parts of a fused group go through registers together, by which stages (see chain.h), and their run. */
#include "kernels/chain.h"

/* By op: its number in chains and one more; 0: it has none. */
#define ONE(name, formula) [REEL_OP_##name] = REEL_CHAIN_##name + 1,
#define TWO(name, formula) [REEL_OP_##name] = REEL_CHAIN_##name + 1,
#define THREE(name, formula) [REEL_OP_##name] = REEL_CHAIN_##name + 1,
static const uint8_t number_of[REEL_N_OPS] = {
#include "kernels/chain_ops.def"
};
#undef ONE
#undef TWO
#undef THREE

/* One a row? Numbers are not. */
static bool is_row(const reel_fused *f, int operand)
{
    return f->rows.n > 0 && !f->rows.whole[operand] && !(operand >= f->n_in && operand < f->n_in + f->n_numbers);
}

/* Is it one element for all, or for a row? */
static bool is_one(const reel_fused *f, int operand)
{
    return (operand >= f->n_in && operand < f->n_in + f->n_numbers) || is_row(f, operand);
}

static bool is_output(const reel_fused *f, int operand)
{
    return operand >= f->n_in + f->n_numbers && operand < f->n_in + f->n_numbers + f->n_out;
}

/* How often part reads the operand. */
static int reads(const reel_fused_part *part, int operand)
{
    int n = 0;
    for (int j = 0; j < part->n_in; j++) n += part->in[j] == operand;
    return n;
}

static bool is_read(const reel_fused *f, int operand, int first, int end)
{
    for (int i = first; i < end; i++)
        if (reads(&f->part[i], operand)) return true;
    return false;
}

/* f32, or a bool of parts [first, i). */
static bool has_stage_for(const reel_fused *f, int first, int i, int j)
{
    const reel_fused_part *part = &f->part[i];
    if (part->in_dtype[j] == REEL_F32) return true;
    for (int k = first; k < i && part->op->id == REEL_OP_where && j == 0; k++)
        if (f->part[k].out == part->in[j]) return true;
    return false;
}

/* A light op of f32, of something that is not one element, in a chain with parts [first, i). copysign gives a number the sign of a
   NaN; loops of three operands have none that is one a row, but where's. */
static bool chains(const reel_fused *f, int first, int i)
{
    const reel_fused_part *part = &f->part[i];
    const bool where = part->op->id == REEL_OP_where;
    int ones = 0, rows = 0;
    if (part->reduces || !number_of[part->op->id] || part->op->id == REEL_OP_copysign) return false;
    for (int j = 0; j < part->n_in; j++) {
        if (!has_stage_for(f, first, i, j)) return false;
        ones += is_one(f, part->in[j]);
        rows += is_row(f, part->in[j]);
    }
    return ones < part->n_in && (part->n_in < 3 || where || !rows);
}

/* Parts [first, last] without those from the first bool on that is read by others. */
static int without_bools(const reel_fused *f, int first, int last)
{
    for (int i = first; i <= last; i++) {
        const reel_fused_part *part = &f->part[i];
        if (part->out_dtype != REEL_F32 && (is_output(f, part->out) || is_read(f, part->out, last + 1, f->n_parts)))
            return i > first ? without_bools(f, first, i - 1) : first;
    }
    return last;
}

int reel_chain_end_(const reel_fused *f, int first)
{
    int last = first;
    if (!chains(f, first, first)) return first;
    while (!is_output(f, f->part[last].out) && last + 1 < f->n_parts && chains(f, first, last + 1)) last++;
    last = without_bools(f, first, last);
    return f->part[last].out_dtype == REEL_F32 ? last : first;
}

bool reel_chain_stores_(const reel_fused *f, int part, int last, bool *kept)
{
    const int made = f->part[part].out;
    *kept = false;
    bool stores = reads(&f->part[part + 1], made) > 1;
    for (int i = part + 2; i < f->n_parts; i++) {
        const bool reader = reads(&f->part[i], made) > 0;
        stores = stores || reader;
        *kept = *kept || (reader && i > last);
    }
    return stores;
}

bool reel_chain_by_row_(const reel_fused *f, int first, int last)
{
    for (int i = first; i <= last; i++)
        for (int j = 0; j < f->part[i].n_in; j++)
            if (is_row(f, f->part[i].in[j])) return true;
    return false;
}

static reel_link link_of(reel_stage_fn *const *fn, const void *extra, int reg)
{
    return (reel_link){{fn[0], fn[1]}, extra, (uint8_t)reg};
}

/* The stages of a part; made: what the registers hold, -1: nothing. */
static int do_part(const reel_fused *f, const reel_fused_part *part, int made, const int16_t *reg,
                   const reel_loop_op *op, reel_link *link)
{
    const reel_chain_table *t = REEL_PICK(reel_chain_table);
    int held = 0, n = 0; /* the operand that the registers are, or get */
    while (held < part->n_in && part->in[held] != made) held++;
    if (held == part->n_in) {
        for (held = 0; is_one(f, part->in[held]);) held++;
        link[n++] = link_of(t->load, NULL, reg[part->in[held]]);
    }
    reel_stage_fn *const *fn = t->op[number_of[part->op->id] - 1][held];
    const int at = n;
    for (int j = 0; j < part->n_in; j++)
        if (j != held) link[n++] = link_of(fn, &op->extra, reg[part->in[j]]);
    if (n == at) link[n++] = link_of(fn, &op->extra, 0);
    return n;
}

int reel_chain_links_(const reel_fused *f, int first, int last, const int16_t *reg, const reel_loop_op *op,
                      reel_link *link)
{
    const reel_chain_table *t = REEL_PICK(reel_chain_table);
    int n = 0;
    for (int i = first; i <= last; i++) {
        bool kept = false;
        const int out = f->part[i].out;
        n += do_part(f, &f->part[i], i > first ? f->part[i - 1].out : -1, reg, &op[i], link + n);
        reel_stage_fn *const stores = i == last                                ? t->finish
                                      : !reel_chain_stores_(f, i, last, &kept) ? NULL
                                      : kept                                   ? t->keep
                                                                               : t->store;
        if (stores) link[n++] = (reel_link){{stores, stores}, NULL, (uint8_t)reg[out]};
    }
    return n;
}

/* ---- the run ------------------------------------------------------------------------------------------------- */

void reel_own_run_(const reel_own *o, const reel_spot *reg, int64_t row, int64_t at, int64_t n)
{
    void *arg[REEL_FUSED_ARGS + 1];
    uint8_t steps[REEL_FUSED_ARGS];
    for (int j = 0; j <= o->n_in; j++) {
        const reel_spot *r = &reg[j < o->n_in ? o->in[j] : o->out];
        arg[j] = r->at + row * r->row + at * r->move;
        if (j < o->n_in) steps[j] = r->step;
    }
    o->fn(arg, steps, n, o->extra);
}

/* At most a block. */
static void run_apart(const reel_chain *c, const reel_own *part, const reel_spot *reg, int64_t row, int64_t at,
                      int64_t n)
{
    for (int i = 0; i < c->n_parts; i++) reel_own_run_(&part[c->part + i], reg, row, at, n);
}

void reel_chain_run_(const reel_chain *c, const reel_own *part, const reel_link *link, const reel_spot *reg,
                     int64_t rows, int64_t n)
{
    const reel_chain_table *t = REEL_PICK(reel_chain_table);
    reel_chain_fn *const begin = t->begin[reg[link[c->link].reg].step];
    reel_stage stage[REEL_CHAIN_LINKS];
    const int64_t end = n - n % t->block, most = (int64_t)REEL_CHAIN_BLOCKS * t->block;
    for (int64_t row = 0; row < rows; row++) {
        int64_t at = 0;
        for (int k = 0; k < c->n_links && end; k++) {
            const reel_link *l = &link[c->link + k];
            const reel_spot *r = &reg[l->reg];
            stage[k] = (reel_stage){l->fn[r->step], (float *)(void *)(r->at + row * r->row), l->extra, r->step};
        }
        reel_chain_loop loop = {.first = stage};
        stage[c->n_links - 1].extra = &loop;
        while (at < end) {
            loop.end = end - at < most ? end : at + most;
            at = begin(stage, at);
            if (at == loop.end) continue;
            run_apart(c, part, reg, row, at, t->block);
            at += t->block;
        }
        if (at < n) run_apart(c, part, reg, row, at, n - at);
    }
}
