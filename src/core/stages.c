/* stages.c: the order in which a printed group goes; see printing.h. Stages follow the parts' order, so what a plan knows of memory that
   is written over holds for them as well. */
#include "printing.h"

static bool is_number(const reel_fused *f, int operand)
{
    return operand >= f->n_in && operand < f->n_in + f->n_numbers;
}

/* Can part i be printed, or called, with what it reads? Plain groups spread numbers over a tile for loops that want that. */
static bool takes(const reel_fused *f, int i, const reel_formula *m)
{
    const reel_fused_part *part = &f->part[i];
    const bool whole = part->reduces || f->rows.whole[part->out];
    for (int j = 0; j < part->n_in; j++) {
        const int operand = part->in[j];
        const bool has = f->rows.whole[operand];
        if (has && !whole) return false;
        if (part->reduces && !has) return false;
        if (m->call && !m->spreads && (is_number(f, operand) || has != whole)) return false;
    }
    return true;
}

bool reel_stages_(const reel_fused *f, bool by_rows, const reel_formula *formula, reel_stages *s)
{
    s->n = 0;
    if (f->n_operands > REEL_FUSED_OPERANDS) return false;
    for (int k = 0; k < f->n_operands; k++) s->made[k] = s->last[k] = -1;
    for (int i = 0; i < f->n_parts; i++) {
        const reel_fused_part *part = &f->part[i];
        const bool call = formula[i].call, whole = !by_rows || part->reduces || f->rows.whole[part->out];
        if (part->reduces != (formula[i].kind == REEL_FORMULA_REDUCTION)) return false;
        if (by_rows ? !takes(f, i, &formula[i]) : part->reduces) return false;
        if (call || !s->n || s->call[s->n - 1] >= 0 || s->whole[s->n - 1] != whole) {
            s->whole[s->n] = whole;
            s->call[s->n++] = (int16_t)(call ? i : -1);
        }
        s->of[i] = (int16_t)(s->n - 1);
        for (int j = 0; j < part->n_in; j++) s->last[part->in[j]] = s->of[i];
        s->made[part->out] = s->of[i];
    }
    return true;
}
