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
/* The same for what stands beside the registers and for the op that takes both. */
#define SIDE(name) [REEL_OP_##name] = REEL_SIDE_##name + 1,
static const uint8_t side_of[REEL_N_OPS] = {REEL_CHAIN_SIDES(SIDE, SIDE)};
#define OUTER(name, of) [REEL_OP_##name] = REEL_OUTER_##name + 1,
static const uint8_t outer_of[REEL_N_OPS] = {REEL_CHAIN_OUTERS(OUTER, )};

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

/* ---- sides: parts whose result the stage of another part makes on its way ---------------------------------------- */

static bool makes(const reel_fused *f, int first, int end, int operand)
{
    for (int i = first; i < end; i++)
        if (f->part[i].out == operand) return true;
    return false;
}

/* Is all that part i reads in memory when the chain begins? Nobody behind the chain wants its result. */
static bool may_be_side(const reel_fused *f, int first, int i, int last)
{
    const reel_fused_part *part = &f->part[i];
    for (int j = 0; j < part->n_in; j++)
        if (makes(f, first, i, part->in[j])) return false;
    return i < last && side_of[part->op->id] && !is_read(f, part->out, last + 1, f->n_parts);
}

/* The operand of a part that is the result of one of the sides, -1: it has none. */
static int side_in(const reel_fused *f, uint32_t sides, const reel_fused_part *part, int *operand)
{
    for (int i = 0; i < f->n_parts; i++)
        for (int j = 0; j < part->n_in && (sides >> i & 1u); j++)
            if (part->in[j] == f->part[i].out) {
                *operand = j;
                return i;
            }
    return -1;
}

/* One of the sides that somebody reads while the registers hold something else, or for another op than an outer one; -1: none. */
static int not_beside(const reel_fused *f, int first, int last, uint32_t sides)
{
    int held = -1, j = 0;
    for (int i = first; i <= last; i++) {
        const reel_fused_part *part = &f->part[i];
        if (sides >> i & 1u) continue;
        const int side = side_in(f, sides, part, &j);
        if (side >= 0 && (!outer_of[part->op->id] || part->in[1 - j] != held)) return side;
        held = part->out;
    }
    return -1;
}

/* The sides among the parts of chain [first, last], a bit each. Several may read one: making it again takes less time than storing it. */
static uint32_t sides_of(const reel_fused *f, int first, int last)
{
    _Static_assert(REEL_FUSED_PARTS <= 32, "a bit for each part");
    uint32_t sides = 0;
    for (int i = first; i <= last; i++) sides |= (uint32_t)may_be_side(f, first, i, last) << i;
    for (int i; (i = not_beside(f, first, last, sides)) >= 0;) sides &= ~(1u << i);
    return sides;
}

bool reel_chain_stores_(const reel_fused *f, int first, int part, int last, bool *kept)
{
    const uint32_t sides = sides_of(f, first, last);
    const int made = f->part[part].out;
    int next = part + 1;
    *kept = false;
    if (sides >> part & 1u) return false;
    while (next < last && (sides >> next & 1u)) next++;
    bool stores = false;
    for (int i = part + 1; i < f->n_parts; i++) {
        const int n = reads(&f->part[i], made);
        stores = stores || n > (i == next);
        *kept = *kept || (n && i > last);
    }
    return stores;
}

/* ---- the stages ---------------------------------------------------------------------------------------------- */

bool reel_chain_by_row_(const reel_fused *f, int first, int last)
{
    for (int i = first; i <= last; i++)
        for (int j = 0; j < f->part[i].n_in; j++)
            if (is_row(f, f->part[i].in[j])) return true;
    return false;
}

static reel_link link_of(reel_stage_fn *const *fn, const void *extra, int reg)
{
    return (reel_link){.fn = fn, .extra = extra, .reg = (uint8_t)reg};
}

/* The stages of a part that takes what the registers hold, made, or where that is not its operand, loads one. */
static int do_part(const reel_fused *f, const reel_fused_part *part, int made, const int16_t *reg,
                   const reel_loop_op *op, reel_link *link)
{
    const reel_chain_table *t = REEL_PICK(reel_chain_table);
    int held = 0, n = 0; /* the operand that the registers are, or get */
    while (held < part->n_in && part->in[held] != made) held++;
    if (held == part->n_in) {
        for (held = 0; is_one(f, part->in[held]);) held++;
        link[n++] = link_of(made < 0 ? t->begin : t->load, NULL, reg[part->in[held]]);
    }
    reel_stage_fn *const *fn = t->op[number_of[part->op->id] - 1][held];
    const int at = n;
    for (int j = 0; j < part->n_in; j++)
        if (j != held) link[n++] = link_of(fn, &op->extra, reg[part->in[j]]);
    if (n == at) link[n++] = link_of(fn, &op->extra, 0);
    return n;
}

/* A stage of a part whose operands are in memory. */
static int do_beside(reel_stage_fn *const *fn, const reel_fused_part *part, const int16_t *reg, reel_link *link)
{
    for (int j = 0; j < part->n_in; j++) link[j] = link_of(fn, NULL, reg[part->in[j]]);
    link[0].two = part->n_in == 2;
    return part->n_in;
}

static reel_stage_fn *const finish[2] = {NULL, NULL};

int reel_chain_links_(const reel_fused *f, int first, int last, const int16_t *reg, const reel_loop_op *op,
                      reel_link *link)
{
    const reel_chain_table *t = REEL_PICK(reel_chain_table);
    const uint32_t sides = sides_of(f, first, last);
    int n = 0, made = -1, at = 0;
    for (int i = first; i <= last; i++) {
        const reel_fused_part *part = &f->part[i];
        if (sides >> i & 1u) continue;
        bool kept = false;
        const int side = side_in(f, sides, part, &at), alone = side_of[part->op->id], held = 1 - at;
        if (side >= 0)
            n += do_beside(t->side[side_of[f->part[side].op->id] - 1][outer_of[part->op->id] - 1][held], &f->part[side],
                           reg, link + n);
        else if (made < 0 && alone)
            n += do_beside(t->first[alone - 1], part, reg, link + n);
        else
            n += do_part(f, part, made, reg, &op[i], link + n);
        made = part->out;
        if (i == last)
            link[n++] = link_of(finish, NULL, reg[made]);
        else if (reel_chain_stores_(f, first, i, last, &kept))
            link[n++] = link_of(kept ? t->keep : t->store, NULL, reg[made]);
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

/* The stages for a row. */
static void make_stages(const reel_chain *c, const reel_link *link, const reel_spot *reg, int64_t row, reel_stage *to)
{
    for (int k = 0; k < c->n_links; k++) {
        const reel_link *l = &link[c->link + k];
        const reel_spot *r = &reg[l->reg];
        const int form = r->step + (l->two ? 2 * reg[l[1].reg].step : 0);
        to[k] = (reel_stage){l->fn[form], (float *)(void *)(r->at + row * r->row), l->extra, r->step};
    }
}

void reel_chain_run_(const reel_chain *c, const reel_own *part, const reel_link *link, const reel_spot *reg,
                     int64_t rows, int64_t n)
{
    const reel_chain_table *t = REEL_PICK(reel_chain_table);
    reel_stage stage[REEL_CHAIN_LINKS];
    const int64_t end = n - n % t->block;
    for (int64_t row = 0; row < rows; row++) {
        int64_t at = 0;
        if (end) make_stages(c, link, reg, row, stage);
        while (at < end) {
            at = ((reel_chain_fn *)stage[0].fn)(stage, at, end);
            if (at == end) break;
            run_apart(c, part, reg, row, at, t->block);
            at += t->block;
        }
        if (at < n) run_apart(c, part, reg, row, at, n - at);
    }
}
