/* plan_order.c: in which order the steps of a segment run, so that little is alive at once. Which steps may change places: those
   that do not feed each other, other than draws, effects and ops of users, which keep the program's order. Several orders are tried
   (the program's; what frees more than it takes as soon as it can; creations as late as they can; whatever frees most), their
   peaks counted without laying anything out, and the best is taken; the program's, unless another is better. Near-linear.

   The updates of variables that could be written over the old values (plan_donate.c) come last: nothing may fail behind the
   first of them. They are, unless the gradients that wait for that take more than it saves. */
#include <string.h>
#include "core/alloc.h"
#include "ops/ids.h"
#include "planner.h"

typedef struct entry {
    int64_t key; /* least first, then the rank */
    int32_t rank, step;
} entry;

typedef struct order {
    const planner *p;
    int32_t first, n;           /* steps first <= i < n; what stands before and behind keeps its place */
    int32_t *maker;             /* by root: the step that makes it; -1 */
    int32_t *total, *left;      /* by root: steps that read it, and of those that have not run yet */
    int32_t *sum, *mix;         /* by root: those steps xor-ed; so the last one is known */
    int32_t *from, *readers;    /* by root: where its readers begin, and these */
    int32_t *wait, *waiting;    /* by step: how many makers it waits for, and now */
    int32_t *chained;           /* by step: the next of those that keep the program's order; -1 */
    int32_t *rank;              /* by step */
    int32_t *now, *best, *kept; /* orders */
    int32_t *block;             /* all of these */
    size_t n_block;
    entry *heap;
    size_t n_heap, cap_heap;
    bool apart; /* updates come last */
    int64_t live, peak;
} order;

/* ---- what feeds what ------------------------------------------------------------------------------------ */

static int32_t root_of(const planner *p, const pstep *s, int k)
{
    const int32_t value = p->slots[reel_first_operand_(s) + k].value;
    return value < 0 ? -1 : p->v[value].root;
}

static int32_t made_by(const planner *p, const pstep *s, int j)
{
    return s->node < 0 ? -1 : root_of(p, s, s->n_in + j);
}

/* Memory of the arena that a root takes. */
static int64_t bytes_of(const planner *p, int32_t root)
{
    if (root < 0 || p->r[root].kind != REEL_AT_ARENA) return 0;
    return ((int64_t)reel_type_bytes_(&p->v[root].type) + 63) / 64 * 64;
}

/* Is operand k the first of the step that reads its root? */
static bool first_read(const planner *p, const pstep *s, int k, int32_t root)
{
    for (int i = 0; i < k; i++)
        if (root_of(p, s, i) == root) return false;
    return true;
}

/* Draws, effects, and what we know nothing about. */
static bool keeps_order(const planner *p, const pstep *s)
{
    if (s->kind == STEP_RESERVE || s->kind == STEP_CHECK) return true;
    const reel_op *op = s->node >= 0 ? p->g->nodes[s->node].op : NULL;
    return op && (op->id < 0 || op->id >= REEL_N_OPS || op->flags & (REEL_OPF_RANDOM | REEL_OPF_EFFECT));
}

static void find_readers(order *o)
{
    const planner *p = o->p;
    const size_t nv = p->g->n_values;
    for (int32_t i = o->first; i < o->n; i++)
        for (int j = 0; j < p->steps[i].n_out; j++) {
            const int32_t root = made_by(p, &p->steps[i], j);
            if (root >= 0) o->maker[root] = i;
        }
    for (int32_t i = o->first; i < (int32_t)p->n_steps; i++)
        for (int k = 0; k < p->steps[i].n_in; k++) {
            const int32_t root = root_of(p, &p->steps[i], k);
            if (root < 0 || !first_read(p, &p->steps[i], k, root)) continue;
            o->total[root]++;
            o->sum[root] ^= i;
        }
    int32_t at = 0;
    for (size_t r = 0; r < nv; r++) {
        o->from[r] = at;
        at += o->total[r];
    }
    o->from[nv] = at;
    memset(o->left, 0, nv * sizeof *o->left);
    for (int32_t i = o->first; i < (int32_t)p->n_steps; i++)
        for (int k = 0; k < p->steps[i].n_in; k++) {
            const int32_t root = root_of(p, &p->steps[i], k);
            if (root < 0 || !first_read(p, &p->steps[i], k, root)) continue;
            o->readers[o->from[root] + o->left[root]++] = i;
        }
}

static void find_waits(order *o)
{
    const planner *p = o->p;
    int32_t before = -1;
    for (int32_t i = o->first; i < o->n; i++) {
        const pstep *s = &p->steps[i];
        for (int k = 0; k < s->n_in; k++) {
            const int32_t root = root_of(p, s, k);
            if (root >= 0 && o->maker[root] >= 0 && first_read(p, s, k, root)) o->wait[i]++;
        }
        if (!keeps_order(p, s)) continue;
        if (before >= 0) {
            o->chained[before] = i;
            o->wait[i]++;
        }
        before = i;
    }
}

/* Steps that need nothing which another one makes, creations above all, come right before their first reader. */
static void find_ranks(order *o, bool lazy)
{
    const planner *p = o->p;
    for (int32_t i = o->first; i < o->n; i++) {
        const pstep *s = &p->steps[i];
        o->rank[i] = 2 * i + 1;
        if (!lazy || o->wait[i] || keeps_order(p, s)) continue;
        int32_t soonest = INT32_MAX;
        for (int j = 0; j < s->n_out; j++) {
            const int32_t root = made_by(p, s, j);
            for (int32_t k = root < 0 ? 0 : o->from[root]; root >= 0 && k < o->from[root + 1]; k++)
                if (o->readers[k] < soonest) soonest = o->readers[k];
        }
        if (soonest != INT32_MAX) o->rank[i] = 2 * soonest;
    }
}

/* ---- one order ------------------------------------------------------------------------------------------ */

static bool dies_with(const order *o, int32_t root, int32_t step)
{
    return o->p->r[root].last != KEPT && o->left[root] == 1 && o->mix[root] == step;
}

/* What it takes and what it gives back. */
static void cost_of(const order *o, int32_t i, int64_t *takes, int64_t *gives)
{
    const planner *p = o->p;
    const pstep *s = &p->steps[i];
    *takes = *gives = 0;
    for (int j = 0; j < s->n_out; j++) *takes += bytes_of(p, made_by(p, s, j));
    for (int k = 0; k < s->n_in; k++) {
        const int32_t root = root_of(p, s, k);
        const int64_t bytes = bytes_of(p, root);
        if (bytes && dies_with(o, root, i) && first_read(p, s, k, root)) *gives += bytes;
    }
}

/* Of what it takes: how much may go over what it gives back, as elementwise steps do. */
static int64_t in_place(const order *o, int32_t i)
{
    const planner *p = o->p;
    const pstep *s = &p->steps[i];
    int64_t saved = 0;
    uint64_t taken = 0; /* inputs that have been gone over; of the first 64 */
    if (s->kind != STEP_FUSED && s->kind != STEP_COLUMNS &&
        !(s->kind == STEP_RUN && s->node >= 0 && s->n_out == 1 &&
          p->g->nodes[s->node].op->flags & REEL_OPF_ELEMENTWISE))
        return 0;
    for (int j = 0; j < s->n_out; j++) {
        const int64_t bytes = bytes_of(p, made_by(p, s, j));
        for (int k = 0; k < s->n_in && k < 64 && bytes; k++) {
            const int32_t root = root_of(p, s, k);
            if (taken >> k & 1u || bytes_of(p, root) != bytes || !dies_with(o, root, i) || !first_read(p, s, k, root))
                continue;
            taken |= (uint64_t)1 << k;
            saved += bytes;
            break;
        }
    }
    return saved;
}

static bool before(const entry *a, const entry *b)
{
    return a->key != b->key ? a->key < b->key : a->rank != b->rank ? a->rank < b->rank : a->step < b->step;
}

static void push(order *o, entry e)
{
    size_t i = o->n_heap++;
    while (i > 0 && before(&e, &o->heap[(i - 1) / 2])) {
        o->heap[i] = o->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    o->heap[i] = e;
}

static entry pop(order *o)
{
    const entry top = o->heap[0], e = o->heap[--o->n_heap];
    size_t i = 0;
    for (;;) {
        size_t k = 2 * i + 1;
        if (k >= o->n_heap) break;
        if (k + 1 < o->n_heap && before(&o->heap[k + 1], &o->heap[k])) k++;
        if (!before(&o->heap[k], &e)) break;
        o->heap[i] = o->heap[k];
        i = k;
    }
    o->heap[i] = e;
    return top;
}

typedef enum { AS_WRITTEN, HOIST, LAZY, GREEDY, N_WAYS } way;

static void offer(order *o, int32_t i, way w)
{
    int64_t takes, gives, key = 0;
    cost_of(o, i, &takes, &gives);
    if (w == GREEDY)
        key = takes - gives;
    else if (w != AS_WRITTEN)
        key = takes > gives;
    if (o->apart && o->p->steps[i].donated) key = INT64_MAX;
    push(o, (entry){.key = key, .rank = o->rank[i], .step = i});
}

/* Runs step i: what lives then, what waits no longer. */
static void run_step(order *o, int32_t i, way w)
{
    const planner *p = o->p;
    const pstep *s = &p->steps[i];
    int64_t takes, gives;
    cost_of(o, i, &takes, &gives);
    const int64_t high = o->live + takes - in_place(o, i);
    if (high > o->peak) o->peak = high;
    o->live += takes - gives;
    for (int k = 0; k < s->n_in; k++) {
        const int32_t root = root_of(p, s, k);
        if (root < 0 || !first_read(p, s, k, root)) continue;
        o->left[root]--;
        o->mix[root] ^= i;
        const int32_t last = o->mix[root]; /* who now would free it */
        if (o->left[root] == 1 && last < o->n && o->waiting[last] == 0 && bytes_of(p, root)) offer(o, last, w);
    }
    for (int j = 0; j < s->n_out; j++) {
        const int32_t root = made_by(p, s, j);
        if (root < 0) continue;
        if (o->total[root] == 0 && p->r[root].last != KEPT) o->live -= bytes_of(p, root);
        for (int32_t k = o->from[root]; k < o->from[root + 1]; k++)
            if (o->readers[k] < o->n && --o->waiting[o->readers[k]] == 0) offer(o, o->readers[k], w);
    }
    const int32_t next = o->chained[i];
    if (next >= 0 && --o->waiting[next] == 0) offer(o, next, w);
}

/* The order that one way gives, in now; its peak. */
static int64_t try_way(order *o, way w)
{
    const size_t nv = o->p->g->n_values;
    int32_t n = o->first;
    memcpy(o->left, o->total, nv * sizeof *o->left);
    memcpy(o->mix, o->sum, nv * sizeof *o->mix);
    memcpy(o->waiting, o->wait, (size_t)o->n * sizeof *o->waiting);
    o->n_heap = 0;
    o->live = o->peak = 0;
    find_ranks(o, w >= LAZY);
    for (int32_t i = o->first; i < o->n; i++)
        if (o->waiting[i] == 0) offer(o, i, w);
    while (o->n_heap) {
        const int32_t i = pop(o).step;
        if (o->waiting[i] < 0) continue; /* it has run */
        o->waiting[i] = -1;
        o->now[n++] = i;
        run_step(o, i, w);
    }
    return o->peak;
}

/* ---- the best of them ----------------------------------------------------------------------------------- */

static void carve(order *o)
{
    const size_t nv = o->p->g->n_values + 1, ns = o->p->n_steps + 1;
    int32_t **by_root[] = {&o->maker, &o->total, &o->left, &o->sum, &o->mix, &o->from};
    int32_t **by_step[] = {&o->wait, &o->waiting, &o->chained, &o->rank, &o->now, &o->best, &o->kept};
    int32_t *at = o->block;
    for (size_t i = 0; i < sizeof by_root / sizeof *by_root; i++, at += nv) *by_root[i] = at;
    for (size_t i = 0; i < sizeof by_step / sizeof *by_step; i++, at += ns) *by_step[i] = at;
    o->readers = at;
    memset(o->block, 0, o->n_block * sizeof *o->block);
    memset(o->maker, 0xff, nv * sizeof *o->maker);
    memset(o->chained, 0xff, ns * sizeof *o->chained);
}

/* The best order, with updates last or not, in best; its peak. Big graphs are not tried in all ways. */
static int64_t best_way(order *o, bool apart)
{
    enum { MANY = 20000 };
    int64_t least = -1;
    o->apart = apart;
    for (way w = AS_WRITTEN; w < N_WAYS; w++) {
        if (o->n > MANY && (w == HOIST || w == GREEDY)) continue;
        const int64_t peak = try_way(o, w);
        if (least >= 0 && peak >= least) continue;
        least = peak;
        memcpy(o->best + o->first, o->now + o->first, (size_t)(o->n - o->first) * sizeof *o->now);
    }
    return least;
}

static int take_over(order *o, planner *p)
{
    pstep *moved = reel_alloc_array_(p->n_steps + 1, sizeof *moved);
    if (!moved) return REEL_ENOMEM;
    memcpy(moved, p->steps, p->n_steps * sizeof *moved);
    for (int32_t i = o->first; i < o->n; i++) {
        moved[i] = p->steps[o->best[i]];
        p->plan->info.moved += o->best[i] != i;
    }
    memcpy(p->steps, moved, p->n_steps * sizeof *moved);
    reel_free_(moved, (p->n_steps + 1) * sizeof *moved);
    reel_planner_lasts_(p);
    return 0;
}

static int choose(order *o, planner *p, int64_t saved)
{
    find_readers(o);
    find_waits(o);
    const int64_t peak = best_way(o, saved > 0);
    if (saved) {
        memcpy(o->kept, o->best, (size_t)o->n * sizeof *o->kept);
        if (peak <= best_way(o, false) + saved) {
            memcpy(o->best, o->kept, (size_t)o->n * sizeof *o->kept);
        } else {
            for (size_t i = 0; i < p->n_steps; i++) p->steps[i].donated = false;
        }
    }
    return take_over(o, p);
}

int reel_plan_order_(planner *p, int64_t saved)
{
    order o = {.p = p, .n = (int32_t)(p->n_steps - p->n_lates)};
    if (o.n && p->steps[0].kind == STEP_FILL) o.first = 1;
    if (o.n && p->steps[o.n - 1].kind == STEP_COUNT) o.n--;
    if (o.n - o.first < 2) return 0;
    const size_t nv = p->g->n_values + 1, ns = p->n_steps + 1;
    o.n_block = 6 * nv + 7 * ns + p->n_slots + 1;
    o.cap_heap = ns + nv + p->n_slots;
    o.block = reel_alloc_array_(o.n_block, sizeof *o.block);
    o.heap = reel_alloc_array_(o.cap_heap, sizeof *o.heap);
    int rc = o.block && o.heap ? 0 : REEL_ENOMEM;
    if (!rc) {
        carve(&o);
        rc = choose(&o, p, saved);
    }
    reel_free_(o.block, o.n_block * sizeof *o.block);
    reel_free_(o.heap, o.cap_heap * sizeof *o.heap);
    return rc;
}
