/* fused_chain.c: which parts of a fused group go in one loop: light ops of which one alone reads what the other makes (see chain.h). The
   first of them waits for the last; so nothing may be written to an output meanwhile, which may lie over an input. */
#include <string.h>
#include "kernels/chain.h"
#include "kernels/cpu_table.h"
#include "kernels/kernels.h"

/* By op: its number in chains and one more; 0: it has none. */
#define EW_GROUP EW_CHAIN
#define UNARY(name, ...) [REEL_OP_##name] = REEL_CHAIN_##name + 1,
#define BINARY(name, ...) [REEL_OP_##name] = REEL_CHAIN_##name + 1,
static const uint8_t number_of[REEL_N_OPS] = {
#include "ops/elementwise.def"
};
#undef UNARY
#undef BINARY

typedef struct linker {
    const reel_fused *f;
    bool by_rows;
    const reel_chain_table *table;
    int8_t op[REEL_FUSED_PARTS];    /* its number in chains, -1: it goes alone */
    int16_t next[REEL_FUSED_PARTS]; /* who alone reads it, -1: more than one, or it is an output */
    bool done[REEL_FUSED_PARTS];
} linker;

static int first_inside(const reel_fused *f)
{
    return f->n_in + f->n_numbers + f->n_out;
}

/* One element for many: a number, or one for a row. */
static bool is_single(const linker *l, int operand)
{
    const reel_fused *f = l->f;
    return (operand >= f->n_in && operand < f->n_in + f->n_numbers) || (l->by_rows && !f->rows.whole[operand]);
}

static void look(linker *l)
{
    const reel_fused *f = l->f;
    int16_t reader[REEL_FUSED_OPERANDS], reads[REEL_FUSED_OPERANDS] = {0};
    for (int i = 0; i < f->n_parts; i++) {
        const reel_fused_part *part = &f->part[i];
        const bool chains = reel_kernel_(&reel_cpu_device_, part->op) == &reel_k_elementwise_ &&
                            part->in_dtype[0] == REEL_F32 && (!l->by_rows || f->rows.whole[part->out]);
        l->op[i] = (int8_t)(chains ? number_of[part->op->id] - 1 : -1);
        for (int j = 0; j < part->n_in; j++) {
            reader[part->in[j]] = (int16_t)i;
            reads[part->in[j]]++;
        }
    }
    for (int i = 0; i < f->n_parts; i++) {
        const int out = f->part[i].out;
        l->next[i] = (int16_t)(out >= first_inside(f) && reads[out] == 1 ? reader[out] : -1);
    }
}

/* Nothing between parts i and k but `but` writes an output. */
static bool may_wait(const linker *l, int i, int k, int but)
{
    for (int m = i + 1; m < k; m++)
        if (m != but && l->f->part[m].out < first_inside(l->f)) return false;
    return true;
}

/* Part j as the op behind part i of a chain; -1: it is none. *other: what else it reads, -1: nothing. */
static int behind(const linker *l, int i, int j, int16_t *other)
{
    if (j < 0 || l->op[j] < 0 || l->done[j]) return -1;
    const reel_fused_part *part = &l->f->part[j];
    const int made = l->f->part[i].out;
    *other = -1;
    if (part->n_in == 1) return l->op[j];
    const bool second = part->in[1] == made;
    *other = part->in[second ? 0 : 1];
    if (!second || part->op->id == REEL_OP_add || part->op->id == REEL_OP_mul) return l->op[j];
    return REEL_CHAIN_FROM + l->op[j];
}

/* The first op with its operands, of which x is not one for many; -1: both are. */
static int begin(const linker *l, int i, int16_t in[2])
{
    const reel_fused_part *part = &l->f->part[i];
    in[0] = part->in[0];
    in[1] = part->in[part->n_in - 1];
    if (!is_single(l, in[0])) return l->op[i];
    if (is_single(l, in[1])) return -1;
    in[0] = part->in[1];
    in[1] = part->in[0];
    return part->op->id == REEL_OP_add || part->op->id == REEL_OP_mul ? l->op[i] : REEL_CHAIN_FROM + l->op[i];
}

static void take(reel_unit *u, int at, reel_inner_fn *fn, const int16_t *in, int n_in, int16_t out)
{
    *u = (reel_unit){.op = {.fn = fn, .grain = REEL_GRAIN_LIGHT, .spread = true}, .at = at, .n_in = n_in, .out = out};
    u->out_dtype = REEL_F32;
    for (int j = 0; j < n_in; j++) {
        u->in[j] = in[j];
        u->in_dtype[j] = REEL_F32;
    }
}

/* The longest chain that begins with part i. What an op does not take is the first operand once more. */
static bool chain(linker *l, int i, reel_unit *unit)
{
    const reel_fused_part *part = l->f->part;
    int16_t in[REEL_FUSED_ARGS], other = -1;
    if (l->op[i] < 0 || l->done[i]) return false;
    const int first = begin(l, i, in), j = l->next[i], second = behind(l, i, j, &other);
    if (first < 0 || second < 0 || !may_wait(l, i, j, j)) return false;
    in[2] = (int16_t)(other < 0 ? in[0] : other);
    const int k = l->next[j], third = k < 0 ? -1 : behind(l, j, k, &other);
    reel_inner_fn *fn = third < 0 || !may_wait(l, i, k, j) ? NULL : l->table->three[first][second][third];
    const int last = fn ? k : j;
    in[3] = (int16_t)(!fn || other < 0 ? in[0] : other);
    const int n_in = fn ? 4 : 3;
    if (!fn) fn = l->table->two[first][second];
    if (!fn) return false;
    take(&unit[last], last, fn, in, n_in, part[last].out);
    l->done[i] = l->done[j] = l->done[last] = true;
    return true;
}

static int alone(const reel_fused_part *part, int i, reel_unit *u)
{
    *u = (reel_unit){.at = i, .n_in = part->n_in, .out = part->out, .out_dtype = part->out_dtype};
    memcpy(u->in, part->in, sizeof u->in);
    memcpy(u->in_dtype, part->in_dtype, sizeof u->in_dtype);
    return reel_loop_op_(&u->op, part);
}

int reel_units_(const reel_fused *f, bool by_rows, reel_unit unit[REEL_FUSED_PARTS])
{
    linker l = {.f = f, .by_rows = by_rows, .table = REEL_PICK(reel_chain_table)};
    look(&l);
    for (int i = 0; i < f->n_parts; i++) unit[i] = (reel_unit){.at = i};
    for (int i = 0; i < f->n_parts; i++) (void)chain(&l, i, unit);
    for (int i = 0; i < f->n_parts; i++) {
        if (l.done[i] || f->part[i].reduces) continue;
        const int rc = alone(&f->part[i], i, &unit[i]);
        if (rc) return rc;
    }
    return 0;
}
