/* fused_chain.c: which parts of a fused group go through registers together, and by which stages (see chain.h). */
#include "kernels/chain.h"
#include "kernels/cpu_table.h"
#include "kernels/kernels.h"

/* By op: its number in chains and one more; 0: it has none. */
#define EW_GROUP EW_ARITH
#define UNARY(name, ...) [REEL_OP_##name] = REEL_CHAIN_##name + 1,
#define BINARY(name, ...) [REEL_OP_##name] = REEL_CHAIN_##name + 1,
#define TERNARY(...)
static const uint8_t number_of[REEL_N_OPS] = {
#include "ops/elementwise.def"
};
#undef UNARY
#undef BINARY
#undef TERNARY

static bool is_number(const reel_fused *f, int operand)
{
    return operand >= f->n_in && operand < f->n_in + f->n_numbers;
}

static bool is_output(const reel_fused *f, int operand)
{
    return operand >= f->n_in + f->n_numbers && operand < f->n_in + f->n_numbers + f->n_out;
}

/* A light f32 op of something that is not one element. copysign gives a number the sign of a NaN. */
static bool chains(const reel_fused *f, const reel_fused_part *part)
{
    return reel_kernel_(&reel_cpu_device_, part->op) == &reel_k_elementwise_ && part->in_dtype[0] == REEL_F32 &&
           number_of[part->op->id] && part->op->id != REEL_OP_copysign &&
           !(is_number(f, part->in[0]) && is_number(f, part->in[part->n_in - 1]));
}

int reel_chain_end_(const reel_fused *f, int first)
{
    int last = first;
    if (!chains(f, &f->part[first])) return first;
    while (!is_output(f, f->part[last].out) && last + 1 < f->n_parts && chains(f, &f->part[last + 1])) last++;
    return last;
}

/* How often part reads the operand. */
static int reads(const reel_fused_part *part, int operand)
{
    int n = 0;
    for (int j = 0; j < part->n_in; j++) n += part->in[j] == operand;
    return n;
}

bool reel_chain_stores_(const reel_fused *f, int part, int last, bool *kept)
{
    const int made = f->part[part].out;
    *kept = false;
    bool stores = reads(&f->part[part + 1], made) == 2;
    for (int i = part + 2; i < f->n_parts; i++) {
        const bool reader = reads(&f->part[i], made) > 0;
        stores = stores || reader;
        *kept = *kept || (reader && i > last);
    }
    return stores;
}

static reel_link link_of(reel_stage_pair fn, const void *extra, int reg)
{
    return (reel_link){{fn[0], fn[1]}, extra, (uint8_t)reg};
}

/* The stages of a part; made: what the registers hold, -1: nothing. */
static int do_part(const reel_fused *f, const reel_fused_part *part, int made, const int16_t *reg,
                   const reel_loop_op *op, reel_link *link)
{
    const reel_chain_table *t = REEL_PICK(reel_chain_table);
    const int a = part->in[0], b = part->in[part->n_in - 1];
    const bool from = a != made && (b == made || is_number(f, a)); /* the registers are, or get, b */
    const int first = from ? b : a, other = from ? a : b;
    int n = 0;
    if (first != made) link[n++] = link_of(t->load, NULL, reg[first]);
    link[n++] = link_of(t->op[number_of[part->op->id] - 1][from], &op->extra, part->n_in == 1 ? 0 : reg[other]);
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
