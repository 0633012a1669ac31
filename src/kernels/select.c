/* select.c: topk, and the two elements that a quantile lies between.

   topk of a few keeps them sorted and inserts what beats the last of them. Of more it keeps a buffer of candidates: what beats the
   k-th best so far goes in, and when it is full it is sorted and cut to k.
   Long lines are cut into blocks of a fixed size, whose best are merged in order. */
#include <math.h>
#include "core/dtype.h"
#include "core/error.h"
#include "kernels/kernels.h"
#include "kernels/sort.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "reel/sort.h"
#include "reel/tensor.h"

enum { BLOCK = 1 << 17, SPARE = 128, STEP = 64, FEW = 32 };

static size_t rounded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* ---- topk ---------------------------------------------------------------------------------------------- */
typedef struct topk_plan {
    reel_lines l;
    int64_t k, groups, n_blocks, block; /* block: elements */
    int64_t cap, merged;                /* records a block holds, and the merge */
    bool unsorted;
    size_t record, block_slot, slot;
} topk_plan;

static int topk_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    topk_plan *p = plan;
    const reel_attr_topk *a = sig->attr;
    const int code = reel_lines_(&p->l, &sig->in[0], a->axis, !a->smallest);
    if (code) return code;
    p->k = a->k;
    p->unsorted = a->unsorted != 0;
    p->groups = reel_sort_groups_(&p->l);
    p->record = reel_record_size_(&p->l);
    const int64_t cap = a->k < p->l.n / 4 ? 2 * a->k + SPARE + STEP : p->l.n;
    p->n_blocks = p->l.n >= 2 * BLOCK && cap * 4 <= BLOCK ? (p->l.n + BLOCK - 1) / BLOCK : 1;
    p->block = p->n_blocks > 1 ? BLOCK : p->l.n;
    p->cap = cap < p->l.n ? cap : p->l.n;
    p->merged = p->n_blocks > 1 ? p->n_blocks * p->k : 0;
    p->block_slot = rounded((size_t)p->cap * p->record) * 2 + reel_sort_counters_(p->cap);
    p->slot = (size_t)p->n_blocks * p->block_slot + rounded((size_t)p->merged * p->record) * 2 +
              reel_sort_counters_(p->merged);
    *workspace = p->l.n_lines && p->k ? (size_t)p->groups * p->slot : 0;
    return 0;
}

typedef struct topk_job {
    const topk_plan *p;
    const char *x; /* the line, for blocks */
    char *work;
    char *values;
    int64_t *indices;
} topk_job;

/* Records [0, n) of the buffer sorted, of which k stay. */
static int64_t cut(const topk_plan *p, char *buffer, int64_t n)
{
    char *temporary = buffer + rounded((size_t)p->cap * p->record);
    reel_sort_records_(&p->l, buffer, temporary, n,
                       (uint32_t *)(void *)(temporary + rounded((size_t)p->cap * p->record)));
    return n < p->k ? n : p->k;
}

/* Record r among the n in order, of which the last makes room once they are k; returns how many there are then. LATER(a, r): a comes
   after r. */
#define INSERT(to, n, k, r, LATER)                                                   \
    do {                                                                             \
        int64_t at_ = (n) < (k) ? (n)++ : (n)-1;                                     \
        for (; at_ > 0 && LATER((to)[at_ - 1], r); at_--) (to)[at_] = (to)[at_ - 1]; \
        (to)[at_] = (r);                                                             \
    } while (0)
#define LATER_PAIR(a, r) ((a).key > (r).key) /* records come in the order of their indices */
#define LATER_ONE(a, r) ((a) > (r))
static int64_t best_few(const topk_plan *p, const char *x, int64_t first, int64_t last, char *buffer)
{
    const reel_lines *l = &p->l;
    const int64_t stride = l->stride * (int64_t)l->size, k = p->k;
    reel_sort_pair wide[STEP], *pairs = (reel_sort_pair *)(void *)buffer;
    uint64_t narrow[STEP], *ones = (uint64_t *)(void *)buffer;
    int64_t n = 0;
    for (int64_t i = first; i < last; i += STEP) {
        const int64_t m = last - i < STEP ? last - i : STEP;
        if (l->wide) {
            reel_records_(l, wide, x + i * stride, m, i);
            for (int64_t j = 0; j < m; j++)
                if (n < k || LATER_PAIR(pairs[k - 1], wide[j])) INSERT(pairs, n, k, wide[j], LATER_PAIR);
        } else {
            reel_records_(l, narrow, x + i * stride, m, i);
            for (int64_t j = 0; j < m; j++)
                if (n < k || LATER_ONE(ones[k - 1], narrow[j])) INSERT(ones, n, k, narrow[j], LATER_ONE);
        }
    }
    return n;
}

/* The k best of elements [first, last) of a line, sorted, at the front of the buffer; returns how many. */
static int64_t best_of(const topk_plan *p, const char *x, int64_t first, int64_t last, char *buffer)
{
    const reel_lines *l = &p->l;
    if (p->k <= FEW) return best_few(p, x, first, last, buffer);
    const int64_t stride = l->stride * (int64_t)l->size;
    const int64_t head = last - first < p->cap ? last - first : p->cap;
    reel_sort_pair wide[STEP];
    uint64_t narrow[STEP];
    reel_records_(l, buffer, x + first * stride, head, first);
    int64_t n = cut(p, buffer, head);
    if (first + head == last) return n;
    uint64_t limit = reel_record_key_(l, buffer, p->k - 1);
    for (int64_t i = first + head; i < last; i += STEP) {
        const int64_t m = last - i < STEP ? last - i : STEP;
        if (l->wide) {
            reel_sort_pair *to = (reel_sort_pair *)(void *)buffer;
            reel_records_(l, wide, x + i * stride, m, i);
            for (int64_t j = 0; j < m; j++) {
                to[n] = wide[j];
                n += wide[j].key < limit;
            }
        } else {
            uint64_t *to = (uint64_t *)(void *)buffer;
            const uint64_t below = limit << 32;
            reel_records_(l, narrow, x + i * stride, m, i);
            uint64_t lowest = UINT64_MAX;
            for (int64_t j = 0; j < m; j++) lowest = narrow[j] < lowest ? narrow[j] : lowest;
            for (int64_t j = 0; lowest < below && j < m; j++) {
                to[n] = narrow[j];
                n += narrow[j] < below;
            }
        }
        if (n + STEP >= p->cap) {
            n = cut(p, buffer, n);
            limit = reel_record_key_(l, buffer, p->k - 1);
        }
    }
    return cut(p, buffer, n);
}

static void best_of_blocks(void *arg, int64_t begin, int64_t end)
{
    const topk_job *j = arg;
    const topk_plan *p = j->p;
    for (int64_t b = begin; b < end; b++) {
        const int64_t first = b * p->block, last = first + p->block < p->l.n ? first + p->block : p->l.n;
        (void)best_of(p, j->x, first, last, j->work + (size_t)b * p->block_slot);
    }
}

static void copy_picked(const topk_plan *p, const char *x, const char *records, char *values, int64_t *indices)
{
    const reel_lines *l = &p->l;
    const size_t size = l->size;
    for (int64_t i = 0; i < p->k; i++) {
        const int64_t at = reel_record_index_(l, records, i);
        indices[i * l->inner] = at;
        const char *from = x + at * l->stride * (int64_t)size;
        char *to = values + i * l->inner * (int64_t)size;
        switch (size) {
        case 1: memcpy(to, from, 1); break;
        case 2: memcpy(to, from, 2); break;
        case 4: memcpy(to, from, 4); break;
        default: memcpy(to, from, 8); break;
        }
    }
}

static void topk_group(void *arg, int64_t begin, int64_t end)
{
    const topk_job *all = arg;
    const topk_plan *p = all->p;
    const reel_lines *l = &p->l;
    for (int64_t g = begin; g < end; g++) {
        char *slot = all->work + (size_t)g * p->slot;
        for (int64_t i = l->n_lines * g / p->groups; i < l->n_lines * (g + 1) / p->groups; i++) {
            const char *x = all->x + reel_walk_offset_(&l->rows, i) * (int64_t)l->size;
            topk_job j = {p, x, slot, NULL, NULL};
            char *best = slot, *temporary = slot + rounded((size_t)p->cap * p->record);
            uint32_t *counters = (uint32_t *)(void *)(temporary + rounded((size_t)p->cap * p->record));
            if (p->n_blocks == 1) {
                best_of_blocks(&j, 0, 1);
            } else {
                reel_parallel_for(p->n_blocks, 1, best_of_blocks, &j);
                best = slot + (size_t)p->n_blocks * p->block_slot;
                temporary = best + rounded((size_t)p->merged * p->record);
                counters = (uint32_t *)(void *)(temporary + rounded((size_t)p->merged * p->record));
                int64_t n = 0;
                for (int64_t b = 0; b < p->n_blocks; b++) {
                    const int64_t rest = l->n - b * p->block, m = rest < p->k ? rest : p->k;
                    memcpy(best + (size_t)n * p->record, slot + (size_t)b * p->block_slot, (size_t)m * p->record);
                    n += m;
                }
                reel_sort_records_(l, best, temporary, n, counters);
            }
            if (p->unsorted) reel_sort_by_index_(l, best, temporary, p->k, counters);
            const int64_t to = reel_line_out_(l, i, p->k);
            copy_picked(p, x, best, all->values + to * (int64_t)l->size, all->indices + to);
        }
    }
}

static int topk_run(const void *plan, void *const *ptr, void *work)
{
    const topk_plan *p = plan;
    topk_job j = {p, ptr[0], work, ptr[1], ptr[2]};
    if (p->l.n_lines == 0 || p->k == 0) return 0;
    if (p->groups == 1)
        topk_group(&j, 0, 1);
    else
        reel_parallel_for(p->groups, 1, topk_group, &j);
    return 0;
}

const reel_kernel reel_k_topk_ = {
    .plan_size = sizeof(topk_plan), .flags = REEL_K_CHEAP, .prepare = topk_prepare, .run = topk_run};

/* ---- quantiles ----------------------------------------------------------------------------------------- */
typedef struct quantile_plan {
    reel_lines l;
    int64_t low, high, groups;
    double weight;
    size_t records, slot;
} quantile_plan;

static int quantile_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    quantile_plan *p = plan;
    const reel_attr_quantile *a = sig->attr;
    const int code = reel_lines_(&p->l, &sig->in[0], a->axis, false);
    if (code) return code;
    if (p->l.n == 0) return p->l.n_lines ? reel_fail(REEL_ESHAPE, "there is no quantile of no elements") : 0;
    const double at = a->q * (double)(p->l.n - 1), below = floor(at), part = at - below;
    p->low = (int64_t)below;
    switch (a->method) {
    case REEL_QUANTILE_LOWER: p->weight = 0; break;
    case REEL_QUANTILE_HIGHER: p->weight = part > 0; break;
    case REEL_QUANTILE_NEAREST: p->weight = part > 0.5 || (part == 0.5 && p->low % 2); break;
    case REEL_QUANTILE_MIDPOINT: p->weight = part > 0 ? 0.5 : 0; break;
    default: p->weight = part; break;
    }
    if (p->weight == 1) p->low++, p->weight = 0;
    p->high = p->weight > 0 ? p->low + 1 : p->low;
    p->groups = reel_sort_groups_(&p->l);
    p->records = rounded((size_t)p->l.n * reel_record_size_(&p->l));
    p->slot = p->records + reel_sort_counters_(1);
    *workspace = (size_t)p->groups * p->slot;
    return 0;
}

typedef struct quantile_job {
    const quantile_plan *p;
    const char *x;
    int64_t *low, *high;
    void *weight;
    char *work;
} quantile_job;

static void quantile_group(void *arg, int64_t begin, int64_t end)
{
    const quantile_job *j = arg;
    const quantile_plan *p = j->p;
    const reel_lines *l = &p->l;
    const uint64_t nan = l->wide ? UINT64_MAX : (UINT64_C(1) << (8 * l->size)) - 1;
    for (int64_t g = begin; g < end; g++) {
        char *records = j->work + (size_t)g * p->slot;
        uint32_t *counters = (uint32_t *)(void *)(records + p->records);
        for (int64_t i = l->n_lines * g / p->groups; i < l->n_lines * (g + 1) / p->groups; i++) {
            const char *x = j->x + reel_walk_offset_(&l->rows, i) * (int64_t)l->size;
            int64_t first_nan = -1;
            double weight = p->weight;
            reel_records_(l, records, x, l->n, 0);
            for (int64_t k = 0; k < l->n && first_nan < 0; k++)
                if (reel_record_key_(l, records, k) == nan) first_nan = k;
            if (first_nan >= 0) {
                j->low[i] = j->high[i] = first_nan;
                weight = 0;
            } else {
                j->low[i] = j->high[i] = reel_select_record_(l, records, l->n, p->low, counters);
                if (p->high > p->low) {
                    reel_records_(l, records, x, l->n, 0);
                    j->high[i] = reel_select_record_(l, records, l->n, p->high, counters);
                }
            }
            reel_convert_((char *)j->weight + i * (int64_t)l->size, l->dtype, 1, &weight, REEL_F64, 1, 1);
        }
    }
}

static int quantile_run(const void *plan, void *const *ptr, void *work)
{
    const quantile_plan *p = plan;
    quantile_job j = {p, ptr[0], ptr[1], ptr[2], ptr[3], work};
    if (p->l.n_lines == 0) return 0;
    if (p->groups == 1)
        quantile_group(&j, 0, 1);
    else
        reel_parallel_for(p->groups, 1, quantile_group, &j);
    return 0;
}

const reel_kernel reel_k_quantile_ = {
    .plan_size = sizeof(quantile_plan), .flags = REEL_K_CHEAP, .prepare = quantile_prepare, .run = quantile_run};
_Static_assert(sizeof(topk_plan) <= REEL_PLAN_STACK && sizeof(quantile_plan) <= REEL_PLAN_STACK,
               "a cheap kernel's plan lives on the stack");
