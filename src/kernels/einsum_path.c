/* einsum_path.c: the order of an einsum's products. */
#include "einsum.h"
#include "reel/base.h"
#include <math.h>
#include <string.h>

enum { EXACT = 8 };

static double volume(uint64_t set, const int64_t *size)
{
    double v = 1;
    for (int l = 0; set; l++, set >>= 1)
        if (set & 1) v *= (double)size[l];
    return v;
}

static int members(uint64_t set)
{
    int n = 0;
    for (; set; set &= set - 1) n++;
    return n;
}

/* ---- exact: the cheapest way to each subset from the cheapest ways to its halves ------------------------- */
typedef struct exact {
    uint64_t result[1 << EXACT]; /* labels that outlive the product of a subset */
    double cost[1 << EXACT];
    int left[1 << EXACT];
    int (*pair)[2];
    int steps;
} exact;

/* Emits the products of a subset; returns the place where its result stands. */
static int emit(exact *e, int subset)
{
    if ((subset & (subset - 1)) == 0) {
        int i = 0;
        while (!(subset >> i & 1)) i++;
        return i;
    }
    const int a = emit(e, e->left[subset]), b = emit(e, subset & ~e->left[subset]);
    e->pair[e->steps][0] = a;
    e->pair[e->steps++][1] = b;
    return a;
}

static bool exact_path(int n, const uint64_t *label, uint64_t out, const int64_t *size, int (*pair)[2])
{
    exact e = {.pair = pair};
    const int all = (1 << n) - 1;
    for (int s = 1; s <= all; s++) {
        uint64_t in = 0, rest = out;
        for (int i = 0; i < n; i++) *(s >> i & 1 ? &in : &rest) |= label[i];
        e.result[s] = in & rest;
        e.cost[s] = (s & (s - 1)) == 0 ? 0 : INFINITY;
        if (e.cost[s] == 0 || members(e.result[s]) > REEL_MAX_RANK) continue;
        for (int a = (s - 1) & s; a; a = (a - 1) & s) {
            const int b = s & ~a;
            if (a < b) continue; /* each split once: the first operand of the higher number */
            const double cost = e.cost[a] + e.cost[b] + volume(e.result[a] | e.result[b], size);
            if (cost < e.cost[s]) {
                e.cost[s] = cost;
                e.left[s] = b; /* the lower numbers first, as they were given */
            }
        }
    }
    if (isinf(e.cost[all])) return false;
    emit(&e, all);
    return true;
}

/* ---- greedy: next the pair whose product frees most ------------------------------------------------------- */
static bool greedy_path(int n, const uint64_t *label, uint64_t out, const int64_t *size, int (*pair)[2])
{
    uint64_t live[REEL_EINSUM_TERMS];
    bool gone[REEL_EINSUM_TERMS] = {false};
    memcpy(live, label, (size_t)n * sizeof *live);
    for (int s = 0; s < n - 1; s++) {
        double best = INFINITY, best_work = INFINITY;
        uint64_t kept = 0;
        for (int i = 0; i < n; i++)
            for (int j = i + 1; j < n && !gone[i]; j++) {
                if (gone[j]) continue;
                uint64_t rest = out;
                for (int k = 0; k < n; k++)
                    if (k != i && k != j && !gone[k]) rest |= live[k];
                const uint64_t both = live[i] | live[j], result = both & rest;
                if (members(result) > REEL_MAX_RANK) continue;
                const double more = volume(result, size) - volume(live[i], size) - volume(live[j], size),
                             work = volume(both, size);
                if (more > best || (more == best && work >= best_work)) continue;
                best = more, best_work = work, kept = result;
                pair[s][0] = i, pair[s][1] = j;
            }
        if (isinf(best)) return false;
        live[pair[s][0]] = kept;
        gone[pair[s][1]] = true;
    }
    return true;
}

bool reel_einsum_path_(int n, const uint64_t *label, uint64_t out, const int64_t *size, int (*pair)[2])
{
    if (n == 2) { /* nothing to choose, even where one operand alone would be too wide */
        pair[0][0] = 0, pair[0][1] = 1;
        return true;
    }
    return n <= EXACT ? exact_path(n, label, out, size, pair) : greedy_path(n, label, out, size, pair);
}
