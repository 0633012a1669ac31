/* fused_rows_form.c: the compiled form of a group by rows: where each operand lies while its function is at a tile. What is gathered
   stays where the program has it; what lies in memory between stages comes behind that. */
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "kernels/fused_rows.h"
#include "kernels/printing.h"

enum { SLOTS = REEL_FUSED_OPERANDS };

typedef struct former {
    const reel_fused *f;
    const reel_stages *s;
    const rows_program *p;
    rows_form *to;
    int free_from[SLOTS]; /* of each temporary of the whole: the first stage that may have it */
    int n_row;
} former;

/* Inputs, numbers, outputs: as the program has them. */
static void take_io(former *m)
{
    for (int k = 0; k < m->p->n_io; k++) {
        const rows_reg *r = &m->p->r[k];
        m->to->r[k] = *r;
        if (r->place != REPEATED && r->place != GATHERED) continue;
        if (r->kind != OF_WHOLE) {
            m->n_row++;
        } else if (r->slot >= m->to->n_whole) {
            m->to->n_whole = r->slot + 1;
        }
    }
    for (int i = 0; i < m->to->n_whole; i++) m->free_from[i] = INT32_MAX;
}

/* Memory is free for others in the stage behind the last that reads it: within a stage everything goes on at once. */
static void take_kept(former *m, const reel_fused_part *part)
{
    rows_reg *r = &m->to->r[part->out];
    const bool whole = !part->reduces && m->f->rows.whole[part->out];
    *r = (rows_reg){.kind = whole ? OF_WHOLE : OF_ROW, .place = TEMPORARY, .size = reel_dtype_bytes_[part->out_dtype]};
    if (!reel_is_kept_(m->f, m->s, part->out)) return;
    if (!whole) {
        r->slot = (int16_t)m->n_row++;
        return;
    }
    int i = 0;
    while (i < m->to->n_whole && m->free_from[i] > m->s->made[part->out]) i++;
    if (i == m->to->n_whole) m->to->n_whole++;
    const int last = m->s->last[part->out] > m->s->made[part->out] ? m->s->last[part->out] : m->s->made[part->out];
    m->free_from[i] = last + 1;
    r->slot = (int16_t)i;
}

/* The calls, and the reductions in the program's order. */
static void take_calls(former *m)
{
    int n = 0;
    for (int i = 0; i < m->f->n_parts; i++) {
        if (m->f->part[i].reduces) {
            m->to->call[i] = (reel_group_call){reel_reduce_tile_, &m->p->reduction[n]};
            m->to->reduces[n++] = (int16_t)i;
        } else {
            m->to->call[i] = (reel_group_call){m->p->op[i].fn, &m->p->op[i].extra};
        }
    }
}

/* Rows so short that a loop over one is not worth it: the program spreads what has one element a row over a tile then. */
static bool goes_by_short_rows(const former *m)
{
    const reel_fused *f = m->f;
    if (m->p->cols > ROWS_SHORT || m->p->rows == 1) return false;
    for (int i = 0; i < f->n_parts; i++)
        for (int j = 0; j < f->part[i].n_in; j++) {
            const int operand = f->part[i].in[j];
            if (m->s->whole[m->s->of[i]] && m->to->r[operand].kind == OF_ROW) return true;
        }
    return false;
}

bool reel_rows_use_(void *plan, const reel_fused *f, const reel_stages *s, reel_rows_fn *fn)
{
    rows_program *p = *(rows_program **)plan;
    rows_form *to = reel_zalloc_(sizeof *to);
    if (!to) {
        (void)reel_take_error(NULL);
        return false;
    }
    former m = {.f = f, .s = s, .p = p, .to = to};
    to->fn = fn;
    to->n_regs = f->n_operands;
    take_io(&m);
    for (int i = 0; i < f->n_parts; i++)
        if (f->part[i].out >= p->n_io) take_kept(&m, &f->part[i]);
    take_calls(&m);
    rows_form *none = NULL;
    const size_t bytes = (size_t)to->n_whole * p->whole_bytes + (size_t)m.n_row * (size_t)p->rows * 8;
    if (bytes <= ROWS_TILE_BYTES && m.n_row <= p->n_row && !goes_by_short_rows(&m) &&
        atomic_compare_exchange_strong_explicit(&p->form, &none, to, memory_order_release, memory_order_relaxed))
        return true;
    reel_free_(to, sizeof *to);
    return none != NULL; /* somebody was faster */
}
