/* plan_memory.c: which values share memory, and where each block lies in the arena. A block is memory from one step to another:
   of a value with those that are written over it, of a workspace. Two ways to place them are tried, and what takes less is
   taken: as a run would, from the free list (arena.c; constant time a block), and, unless that is as small as can be, all
   blocks from the biggest down, each into the smallest gap that is free as long as it lives (as TensorFlow Lite does). */
#include <stdlib.h>
#include <string.h>
#include "core/alloc.h"
#include "ops/ids.h"
#include "planner.h"

/* ---- over an input -------------------------------------------------------------------------------------- */

/* Does a fused step read operand `in` for the last time before, or when, it writes operand `out`? */
static bool read_by_then(const reel_fused *f, int in, int out)
{
    int last = -1, written = -1;
    for (int i = 0; i < f->n_parts; i++) {
        for (int j = 0; j < f->part[i].n_in; j++)
            if (f->part[i].in[j] == in) last = i;
        if (f->part[i].out == out) written = i;
    }
    return last <= written;
}

/* In a group by rows: are both whole, or have both an element a row? Then each tile overwrites what it alone has read. */
static bool same_places(const planner *p, const pstep *s, int in, int out)
{
    const reel_fused *f = s->fused;
    const pslot *slot = &p->slots[s->slot];
    return !f->rows.n || in >= f->n_in ||
           (f->rows.whole[in] == f->rows.whole[out] &&
            reel_count_(&p->v[slot[in].value].type.shape) == reel_count_(&p->v[slot[out].value].type.shape));
}

/* Of many calls: which one has that operand? Calls are of one op. */
static int call_of(const pstep *s, int operand)
{
    const reel_op *op = s->many->call[0].op;
    return operand < s->n_in ? operand / op->n_in : (operand - s->n_in) / op->n_out;
}

bool reel_only_alike_(const planner *p, const pstep *s, const pvalue *v, int j)
{
    for (int k = 0; k < s->n_in; k++) {
        const int32_t other = p->slots[s->slot + k].value;
        if (other < 0 || p->v[other].root != v->root) continue;
        const pvalue *o = &p->v[other];
        if (s->many && call_of(s, k) != call_of(s, s->n_in + j)) return false; /* another may come first */
        if (o->offset != 0 || !reel_same_type_(&o->type, &v->type) || !reel_is_dense_(&o->type.shape, o->strides) ||
            (s->fused && (!read_by_then(s->fused, k, s->n_in + j) || !same_places(p, s, k, s->n_in + j))))
            return false;
    }
    return true;
}

/* The input whose memory output j of an elementwise step may go over, or -1: it dies here and looks like the output. */
static int32_t overwritable(const planner *p, size_t i, int j)
{
    const pstep *s = &p->steps[i];
    if (p->rq->debug & REEL_DEBUG_PLAIN) return -1;
    const bool plain =
        s->kind == STEP_RUN && s->node >= 0 && s->n_out == 1 && (p->g->nodes[s->node].op->flags & REEL_OPF_ELEMENTWISE);
    if (!plain && s->kind != STEP_FUSED && s->kind != STEP_COLUMNS) return -1;
    const int32_t out = p->slots[s->slot + s->n_in + j].value;
    for (int k = 0; k < s->n_in; k++) {
        const int32_t value = p->slots[s->slot + k].value;
        if (value < 0) continue;
        const pvalue *v = &p->v[value];
        const proot *r = &p->r[v->root];
        if (r->kind != REEL_AT_ARENA || r->block < 0 || r->gone || r->last != (int32_t)i) continue;
        if (!reel_same_type_(&v->type, &p->v[out].type) ||
            reel_type_bytes_(&p->v[v->root].type) != reel_type_bytes_(&v->type))
            continue;
        if (reel_only_alike_(p, s, v, j)) return v->root;
    }
    return -1;
}

/* ---- blocks --------------------------------------------------------------------------------------------- */

int32_t reel_plan_block_(planner *p, int32_t first, int32_t last, size_t bytes)
{
    if (reel_grow_((void **)&p->blocks, &p->cap_blocks, p->n_blocks + 1, sizeof *p->blocks)) return -1;
    p->blocks[p->n_blocks] = (pblock){
        .first = first, .last = last < first ? first : last, .bytes = ((bytes ? bytes : 1) + 63) & ~(size_t)63};
    return (int32_t)p->n_blocks++;
}

static int32_t last_of(const planner *p, const proot *r)
{
    return r->last == KEPT || p->rq->debug & REEL_DEBUG_KEEP ? (int32_t)p->n_steps - 1 : r->last;
}

static int take_output(planner *p, size_t i, int j)
{
    const pstep *s = &p->steps[i];
    const int32_t slot = reel_first_operand_(s) + s->n_in + j, value = p->slots[slot].value;
    if (p->slots[slot].bytes) { /* fed, and made all the same: of this step alone */
        p->slots[slot].block = reel_plan_block_(p, (int32_t)i, (int32_t)i, p->slots[slot].bytes);
        return p->slots[slot].block < 0 ? REEL_ENOMEM : 0;
    }
    if (value < 0 || p->r[value].kind != REEL_AT_ARENA) return 0;
    proot *r = &p->r[value];
    const size_t bytes = reel_type_bytes_(&p->v[value].type);
    p->plan->info.unplanned_bytes += (bytes + 63) & ~(size_t)63;
    const int32_t over = overwritable(p, i, j);
    if (over >= 0) {
        r->block = p->r[over].block;
        p->r[over].gone = true;
        if (last_of(p, r) > p->blocks[r->block].last) p->blocks[r->block].last = last_of(p, r);
        p->plan->info.in_place++;
        return 0;
    }
    r->block = reel_plan_block_(p, (int32_t)i, last_of(p, r), bytes);
    return r->block < 0 ? REEL_ENOMEM : 0;
}

int reel_plan_blocks_(planner *p)
{
    for (size_t i = 0; i < p->n_steps; i++) {
        pstep *s = &p->steps[i];
        const bool first_half = s->kind == STEP_COUNT || s->kind == STEP_CHECK;
        for (int k = 0; k < s->n_out && s->node >= 0 && s->kind != STEP_LATE; k++)
            if (take_output(p, i, k)) return REEL_ENOMEM;
        s->work = -1;
        if (!s->workspace && !first_half) continue;
        /* of a count: both are read by the next segment */
        const int32_t last =
            s->kind == STEP_COUNT || p->rq->debug & REEL_DEBUG_KEEP ? (int32_t)p->n_steps - 1 : (int32_t)i;
        s->work = reel_plan_block_(p, (int32_t)i, last, s->workspace + (first_half ? 128 : 0));
        if (s->work < 0) return REEL_ENOMEM;
    }
    return 0;
}

/* ---- places --------------------------------------------------------------------------------------------- */

/* The most that is alive at once. */
static size_t most_alive(const planner *p, size_t *ends)
{
    size_t most = 0, now = 0, b = 0;
    for (size_t i = 0; i < p->n_steps; i++) ends[i] = 0;
    for (size_t i = 0; i < p->n_steps; i++) {
        for (; b < p->n_blocks && p->blocks[b].first == (int32_t)i; b++) {
            now += p->blocks[b].bytes;
            ends[p->blocks[b].last] += p->blocks[b].bytes;
        }
        if (now > most) most = now;
        now -= ends[i];
    }
    return most;
}

/* Blocks in the order in which they are taken, those that are not in `chosen` (NULL: all), from the free list. The end, or 0: raised. */
static size_t place_as_run(planner *p, const bool *chosen, int64_t base, int64_t *at, int32_t *ends, int32_t *next)
{
    reel_arena *a = reel_arena_new_();
    int32_t *number = reel_alloc_array_(p->n_blocks + 1, sizeof *number);
    size_t b = 0, top = 0;
    bool good = a && number;
    memset(ends, 0xff, p->n_steps * sizeof *ends);
    for (size_t i = 0; i < p->n_steps && good; i++) {
        for (; b < p->n_blocks && p->blocks[b].first == (int32_t)i && good; b++) {
            if (chosen && chosen[b]) continue;
            number[b] = reel_arena_take_(a, p->blocks[b].bytes);
            good = number[b] >= 0;
            if (!good) break;
            at[b] = base + (int64_t)reel_arena_offset_(a, number[b]);
            next[b] = ends[p->blocks[b].last];
            ends[p->blocks[b].last] = (int32_t)b;
        }
        for (int32_t k = ends[i]; k >= 0 && good; k = next[k]) reel_arena_give_(a, number[k]);
    }
    if (good) top = (size_t)base + reel_arena_bytes_(a);
    reel_free_(number, (p->n_blocks + 1) * sizeof *number);
    reel_arena_free_(a);
    return top;
}

typedef struct sized {
    size_t bytes;
    int32_t block, life;
} sized;

static int by_bytes(const void *a, const void *b)
{
    const sized *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    if (x->life != y->life) return x->life < y->life ? 1 : -1;
    return (x->block > y->block) - (x->block < y->block);
}

static int by_life(const void *a, const void *b)
{
    const sized *x = a, *y = b;
    return x->life != y->life ? (x->life < y->life ? 1 : -1) : by_bytes(a, b);
}

/* One block into the smallest gap, among those placed, which are in the order of their places. */
static size_t place_one(const planner *p, int64_t *at, int32_t *placed, size_t n, int32_t b)
{
    const pblock *own = &p->blocks[b];
    int64_t end = 0, best = -1, least = INT64_MAX;
    for (size_t i = 0; i < n; i++) {
        const pblock *o = &p->blocks[placed[i]];
        if (o->last < own->first || o->first > own->last) continue;
        const int64_t gap = at[placed[i]] - end;
        if (gap >= (int64_t)own->bytes && gap < least) {
            least = gap;
            best = end;
        }
        const int64_t its_end = at[placed[i]] + (int64_t)o->bytes;
        if (its_end > end) end = its_end;
    }
    at[b] = best >= 0 ? best : end;
    size_t i = n;
    for (; i > 0 && at[placed[i - 1]] > at[b]; i--) placed[i] = placed[i - 1];
    placed[i] = b;
    return (size_t)at[b] + own->bytes;
}

enum { MOST_BY_SIZE = 2048 }; /* their time grows with the square; smaller ones come behind them from the free list */

typedef struct placing {
    int64_t *at, *best;
    sized *order;
    int32_t *placed, *ends, *next;
    size_t *live;
    bool *chosen;
} placing;

static size_t place_by(planner *p, placing *w, int (*compare)(const void *, const void *))
{
    const size_t n = p->n_blocks < MOST_BY_SIZE ? p->n_blocks : MOST_BY_SIZE;
    size_t top = 0;
    for (size_t b = 0; b < p->n_blocks; b++)
        w->order[b] = (sized){p->blocks[b].bytes, (int32_t)b, p->blocks[b].last - p->blocks[b].first};
    qsort(w->order, p->n_blocks, sizeof *w->order, by_bytes);
    if (compare != by_bytes) qsort(w->order, n, sizeof *w->order, compare);
    memset(w->chosen, 0, p->n_blocks);
    for (size_t i = 0; i < n; i++) {
        const size_t end = place_one(p, w->at, w->placed, i, w->order[i].block);
        if (end > top) top = end;
        w->chosen[w->order[i].block] = true;
    }
    return n == p->n_blocks ? top : place_as_run(p, w->chosen, (int64_t)top, w->at, w->ends, w->next);
}

static void keep_better(const planner *p, placing *w, size_t top, size_t *least)
{
    if (!top || top >= *least) return;
    *least = top;
    memcpy(w->best, w->at, p->n_blocks * sizeof *w->best);
}

static int choose(planner *p, placing *w)
{
    const size_t live = most_alive(p, w->live), enough = live + live / 64;
    size_t least = SIZE_MAX;
    const size_t as_run = place_as_run(p, NULL, 0, w->at, w->ends, w->next);
    if (!as_run && p->n_blocks) return REEL_ENOMEM;
    keep_better(p, w, as_run, &least);
    if (p->n_blocks && least > enough) keep_better(p, w, place_by(p, w, by_bytes), &least);
    if (p->n_blocks && least > enough) keep_better(p, w, place_by(p, w, by_life), &least);
    for (size_t b = 0; b < p->n_blocks; b++) p->blocks[b].at = w->best[b];
    for (size_t i = 0; i < p->g->n_values; i++)
        if (p->r[i].kind == REEL_AT_ARENA && p->r[i].block >= 0) p->r[i].at = p->blocks[p->r[i].block].at;
    for (size_t i = 0; i < p->n_slots; i++)
        if (p->slots[i].bytes && p->slots[i].block >= 0) p->slots[i].at = p->blocks[p->slots[i].block].at;
    p->plan->arena_bytes = p->n_blocks ? least : 0;
    p->plan->live_bytes = live;
    return reel_status();
}

int reel_plan_arena_(planner *p)
{
    const size_t nb = p->n_blocks + 1, ns = p->n_steps + 1;
    placing w = {.at = reel_alloc_array_(nb, sizeof *w.at),
                 .best = reel_alloc_array_(nb, sizeof *w.best),
                 .order = reel_alloc_array_(nb, sizeof *w.order),
                 .placed = reel_alloc_array_(nb, sizeof *w.placed),
                 .ends = reel_alloc_array_(ns, sizeof *w.ends),
                 .next = reel_alloc_array_(nb, sizeof *w.next),
                 .live = reel_alloc_array_(ns, sizeof *w.live),
                 .chosen = reel_zalloc_(nb)};
    int rc = REEL_ENOMEM;
    if (w.at && w.best && w.order && w.placed && w.ends && w.next && w.live && w.chosen) rc = choose(p, &w);
    reel_free_(w.at, nb * sizeof *w.at);
    reel_free_(w.best, nb * sizeof *w.best);
    reel_free_(w.order, nb * sizeof *w.order);
    reel_free_(w.placed, nb * sizeof *w.placed);
    reel_free_(w.ends, ns * sizeof *w.ends);
    reel_free_(w.next, nb * sizeof *w.next);
    reel_free_(w.live, ns * sizeof *w.live);
    reel_free_(w.chosen, nb);
    return rc;
}
