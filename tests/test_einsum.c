/* test_einsum.c: random specs against one loop over all indices; the order of products against all orders; many operands. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/einsum.h"
#include "reel/reel.h"
#include "tap.h"

static uint32_t state = 12345;
static int pick(int n) /* 0 .. n - 1 */
{
    state = state * 1664525u + 1013904223u;
    return (int)((state >> 8) % (uint32_t)n);
}

enum { LETTERS = 6, OPERANDS = 5 };

typedef struct problem {
    char spec[128];
    int n;
    reel_tensor *x[OPERANDS];
    double *data[OPERANDS];
    reel_shape shape[OPERANDS];
    char term[OPERANDS][9], out[9];
    int64_t size[LETTERS];
} problem;

/* Random terms over few letters: repeated indices, sizes of 1 that broadcast, indices that stand alone. */
static void make_problem(problem *p)
{
    char used[LETTERS + 1] = "";
    memset(p, 0, sizeof *p);
    p->n = 1 + pick(OPERANDS);
    for (int l = 0; l < LETTERS; l++) p->size[l] = 1 + pick(4);
    for (int k = 0; k < p->n; k++) {
        const int rank = pick(5);
        p->shape[k].rank = rank;
        for (int i = 0; i < rank; i++) {
            const int l = pick(LETTERS);
            const char *seen = strchr(p->term[k], 'a' + l);
            p->term[k][i] = (char)('a' + l);
            p->shape[k].dims[i] = seen ? p->shape[k].dims[seen - p->term[k]] : pick(6) == 0 ? 1 : p->size[l];
            if (!strchr(used, 'a' + l)) used[strlen(used)] = (char)('a' + l);
        }
        strcat(strcat(p->spec, k ? "," : ""), p->term[k]);
        const int64_t n = reel_shape_count(p->shape[k]);
        p->data[k] = malloc((size_t)n * sizeof *p->data[k]);
        for (int64_t i = 0; i < n; i++) p->data[k][i] = (pick(2001) - 1000) / 1000.0;
        p->x[k] = reel_from_f64(p->shape[k], p->data[k], (size_t)n);
    }
    for (int l = 0; l < LETTERS; l++) { /* a letter that has size 1 wherever it stands */
        bool one = true;
        for (int k = 0; k < p->n; k++)
            for (int i = 0; i < p->shape[k].rank; i++)
                one = one && (p->term[k][i] != 'a' + l || p->shape[k].dims[i] == 1);
        if (one) p->size[l] = 1;
    }
    for (int left = (int)strlen(used), at = 0; left > 0; left--) {
        const int i = pick(left);
        if (pick(2)) p->out[at++] = used[i];
        used[i] = used[left - 1];
    }
    strcat(strcat(p->spec, "->"), p->out);
}

static bool agrees(const problem *p, reel_tensor *y)
{
    const int rank = (int)strlen(p->out);
    int64_t at[LETTERS] = {0}, total = 1, count = 1;
    bool ok = y != NULL && reel_shape_of(y).rank == rank;
    for (int i = 0; ok && i < rank; i++) {
        ok = reel_shape_of(y).dims[i] == p->size[p->out[i] - 'a'];
        count *= p->size[p->out[i] - 'a'];
    }
    double *want = calloc((size_t)count, sizeof *want), *got = calloc((size_t)count, sizeof *got);
    bool stands[LETTERS] = {false};
    for (int k = 0; k < p->n; k++)
        for (int i = 0; i < p->shape[k].rank; i++) stands[p->term[k][i] - 'a'] = true;
    for (int l = 0; l < LETTERS; l++) total *= stands[l] ? p->size[l] : 1;
    for (int64_t e = 0; e < total; e++) {
        int64_t rest = e, to = 0;
        double product = 1;
        for (int l = 0; l < LETTERS; l++) {
            at[l] = stands[l] ? rest % p->size[l] : 0;
            rest /= stands[l] ? p->size[l] : 1;
        }
        for (int k = 0; k < p->n; k++) {
            int64_t from = 0;
            for (int i = 0; i < p->shape[k].rank; i++)
                from = from * p->shape[k].dims[i] + (p->shape[k].dims[i] == 1 ? 0 : at[p->term[k][i] - 'a']);
            product *= p->data[k][from];
        }
        for (int i = 0; i < rank; i++) to = to * p->size[p->out[i] - 'a'] + at[p->out[i] - 'a'];
        want[to] += product;
    }
    ok = ok && reel_read_f64(y, got, (size_t)count) == 0;
    for (int64_t i = 0; ok && i < count; i++) ok = fabs(got[i] - want[i]) <= 1e-11 * (1 + fabs(want[i]));
    free(want);
    free(got);
    return ok;
}

static int loss(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const problem *p = self;
    out[0] = reel_sum(reel_square(reel_add(reel_einsum(p->spec, (reel_list){p->n, in}), reel_num(0.3))));
    return reel_status();
}

static void test_random(void)
{
    for (int i = 0; i < 1500; i++) {
        REEL_SCOPED;
        problem p;
        make_problem(&p);
        const bool right = agrees(&p, reel_einsum(p.spec, (reel_list){p.n, p.x}));
        if (!right || i % 100 == 0) TAP_OK(right, "%s", p.spec);
        reel_error e;
        if (reel_take_error(&e)) TAP_NOTE("%s", e.text);
        if (i % 15 == 0) {
            reel_gradcheck_report r;
            const int code =
                reel_gradcheck(REEL_FN(loss, &p, p.n, 1), (reel_list){p.n, p.x}, REEL_OPTS(gradcheck, .order = 2), &r);
            reel_take_error(&e);
            if (code || i % 150 == 0)
                if (!TAP_OK(code == 0, "gradients of %s", p.spec)) TAP_NOTE("%s", e.text);
        }
        for (int k = 0; k < p.n; k++) free(p.data[k]);
    }
}

/* ---- the order ------------------------------------------------------------------------------------------------ */
static double cost_of_all(int n, const uint64_t *label, uint64_t out, const int64_t *size)
{
    if (n == 1) return 0;
    double best = INFINITY;
    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n; j++) {
            uint64_t next[8], rest = out;
            int m = 0;
            for (int k = 0; k < n; k++)
                if (k != i && k != j) rest |= next[m++] = label[k];
            const uint64_t both = label[i] | label[j];
            next[m++] = both & rest;
            double work = 1;
            for (int l = 0; l < 64; l++)
                if (both >> l & 1) work *= (double)size[l];
            best = fmin(best, work + cost_of_all(m, next, out, size));
        }
    return best;
}
static double cost_of_path(int n, const uint64_t *given, uint64_t out, const int64_t *size, int (*pair)[2])
{
    uint64_t label[64];
    bool gone[64] = {false};
    double cost = 0;
    memcpy(label, given, (size_t)n * sizeof *label);
    for (int s = 0; s < n - 1; s++) {
        const int i = pair[s][0], j = pair[s][1];
        uint64_t rest = out;
        if (i == j || gone[i] || gone[j]) return INFINITY;
        gone[j] = true;
        for (int k = 0; k < n; k++)
            if (k != i && !gone[k]) rest |= label[k];
        double work = 1;
        for (int l = 0; l < 64; l++)
            if ((label[i] | label[j]) >> l & 1) work *= (double)size[l];
        cost += work;
        label[i] = (label[i] | label[j]) & rest;
    }
    return cost;
}

static void test_order(void)
{
    int wrong = 0, worse = 0;
    for (int round = 0; round < 300; round++) {
        const int n = 2 + pick(4);
        uint64_t label[64], out = 0;
        int64_t size[64];
        int pair[64][2];
        for (int l = 0; l < 64; l++) size[l] = 2 + pick(9);
        for (int k = 0; k < n; k++) {
            label[k] = 0;
            for (int i = 0; i < 3; i++) label[k] |= UINT64_C(1) << pick(7);
        }
        for (int l = 0; l < 7; l++)
            if (pick(3) == 0) out |= UINT64_C(1) << l;
        for (int k = 0; k < n; k++) { /* what stands alone has been summed by then */
            uint64_t rest = out;
            for (int j = 0; j < n; j++)
                if (j != k) rest |= label[j];
            label[k] &= rest;
        }
        wrong += !reel_einsum_path_(n, label, out, size, pair);
        worse += cost_of_path(n, label, out, size, pair) > cost_of_all(n, label, out, size) * (1 + 1e-12);
    }
    TAP_OK(wrong == 0 && worse == 0, "300 random orders are the cheapest there are");
}

static void test_many(void)
{
    REEL_SCOPED;
    reel_tensor *x[40];
    char spec[128] = "";
    for (int i = 0; i < 12; i++) { /* a chain, greedily */
        double id[9] = {1, 0.5, 0, 0, 1, 0, 0, 0, 2};
        x[i] = reel_from_f64(REEL_SHAPE(3, 3), id, 9);
        char t[4] = {(char)('a' + i), (char)('b' + i), i < 11 ? ',' : 0, 0};
        strcat(spec, t);
    }
    reel_tensor *y = reel_einsum(strcat(spec, "->am"), (reel_list){12, x});
    double got[9] = {0};
    reel_read_f64(y, got, 9);
    TAP_OK(got[0] == 1 && got[1] == 6 && got[4] == 1 && got[8] == 4096 && got[2] == 0, "twelve matrices in a row");
    for (int i = 0; i < 40; i++) x[i] = reel_arange(REEL_F64, 1, 3, 1);
    spec[0] = 0;
    for (int i = 0; i < 40; i++) strcat(spec, i ? ",i" : "i");
    TAP_OK(reel_item(reel_einsum(strcat(spec, "->"), (reel_list){40, x})) == 1 + 0x1p40, "forty vectors");
    /* no order of pairs stays within 8 axes: an error, not a crash */
    reel_tensor *a = reel_ones(REEL_F32, REEL_SHAPE(2, 2, 2, 2, 2, 2, 2, 2));
    TAP_OK(reel_einsum("abcdefgh,ijklmnop,abcdijkl,efghmnop->", REEL_LIST(a, a, a, a)) != NULL,
           "sixteen indices, four at a time");
    TAP_OK(reel_einsum("abcdefgh,abcijklm,defijkop,ghlmop->",
                       REEL_LIST(a, a, a, reel_ones(REEL_F32, REEL_SHAPE(2, 2, 2, 2, 2, 2)))) == NULL &&
               reel_take_error(NULL) == REEL_ESHAPE,
           "an intermediate of more than 8 axes is refused");
    TAP_OK(reel_status() == 0, "no error");
}

TAP_MAIN(test_random, test_order, test_many)
