/* test_chain.c: chains of light ops in one loop: every one of them has the bits of its ops one by one, whatever lies side by side, is one
   element or ends in the middle of a line; and groups of such ops have eager's, whoever else reads or leaves. */
#include <math.h>
#include "kernels/chain.h"
#include "replay_help.h"
#include "trace_help.h"

/* ---- the loops ------------------------------------------------------------------------------------------- */

enum { N = 139, GUARD = 8 };
static const int op_of[REEL_CHAIN_FROM] = {
#define EW_GROUP EW_CHAIN
#define UNARY(name, ...) [REEL_CHAIN_##name] = REEL_OP_##name,
#define BINARY(name, ...) [REEL_CHAIN_##name] = REEL_OP_##name,
#include "ops/elementwise.def"
#undef UNARY
#undef BINARY
#undef EW_GROUP
};
static float in[4][N];

static uint64_t state = 88172645463325252u;
static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static void fill(void)
{
    static const float special[] = {0, -0.0f, 1, -1, INFINITY, -INFINITY, NAN, 1e-40f, 3e38f, -3e38f, 0.5f};
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < N; i++)
            in[k][i] = next() % 4 ? (float)((int64_t)(next() % 4000) - 2000) / 128
                                  : special[next() % (sizeof special / sizeof *special)];
}

/* One op by its own loop: chain op `op` of t and what it reads else, either way round. */
static void one(int op, const float *t, const float *other, int step, float *out, int64_t n)
{
    static const reel_attr_scalars none;
    const bool from = op >= REEL_CHAIN_FROM, pair = reel_rows_[op_of[op % REEL_CHAIN_FROM]].n_in == 2;
    reel_inner_fn *fn = reel_ew_row_(op_of[op % REEL_CHAIN_FROM], reel_level_())->loop[REEL_F32];
    float full[N];
    for (int64_t i = 0; i < n; i++) full[i] = other[step ? i : 0];
    const uint8_t steps[2] = {1, 1};
    if (!pair)
        fn((void *[]){(void *)(uintptr_t)t, out}, steps, n, &none);
    else if (from)
        fn((void *[]){full, (void *)(uintptr_t)t, out}, steps, n, &none);
    else
        fn((void *[]){(void *)(uintptr_t)t, full, out}, steps, n, &none);
}

static bool same(const float *a, const float *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (memcmp(a + i, b + i, sizeof *a) != 0 && !(isnan(a[i]) && isnan(b[i]))) return false;
    return true;
}

/* ops: two or three; steps: bit k for operand k; in_place: the result lies over the first operand. */
static bool agrees(reel_inner_fn *fn, const int *op, int n_ops, unsigned steps, int64_t n, bool in_place)
{
    float x[N], want[N], got[N + GUARD];
    uint8_t step[4];
    void *ptr[5];
    for (int k = 0; k < 4; k++) step[k] = steps >> k & 1;
    for (int64_t i = 0; i < n; i++) want[i] = in[0][step[0] ? i : 0];
    for (int k = 0; k < n_ops; k++) one(op[k], want, in[k + 1], step[k + 1], want, n);
    for (int i = 0; i < N + GUARD; i++) got[i] = 77;
    memcpy(x, in[0], sizeof x);
    if (in_place) memcpy(got, in[0], (size_t)n * sizeof *got);
    ptr[0] = in_place ? got : x;
    for (int k = 1; k <= n_ops; k++) ptr[k] = in[k];
    ptr[n_ops + 1] = got;
    fn(ptr, step, n, NULL);
    bool ok = same(want, got, n);
    for (int64_t i = n; i < N + GUARD; i++) ok = ok && got[i] == 77;
    return ok;
}

static bool all_ways(reel_inner_fn *fn, const int *op, int n_ops)
{
    static const int64_t sizes[] = {1, 31, 32, 33, 64, N};
    for (unsigned steps = 0; steps < 1u << (n_ops + 1); steps++)
        for (int i = 0; i < 6; i++) {
            if (!agrees(fn, op, n_ops, steps, sizes[i], false)) return false;
            if (steps & 1 && !agrees(fn, op, n_ops, steps, sizes[i], true)) return false;
        }
    return true;
}

static void test_loops(void)
{
    const reel_chain_table *t = REEL_PICK(reel_chain_table);
    int n = 0, bad = 0;
    fill();
    for (int a = 0; a < REEL_N_CHAIN; a++)
        for (int b = 0; b < REEL_N_CHAIN; b++) {
            for (int c = 0; c < REEL_N_CHAIN; c++) {
                if (!t->three[a][b][c]) continue;
                n++;
                if (!all_ways(t->three[a][b][c], (int[]){a, b, c}, 3) && !bad++)
                    TAP_NOTE("chain %d %d %d differs", a, b, c);
            }
            if (!t->two[a][b]) continue;
            n++;
            if (!all_ways(t->two[a][b], (int[]){a, b}, 2) && !bad++) TAP_NOTE("chain %d %d differs", a, b);
        }
    TAP_OK(!bad && n > 200, "%d chains have the bits of their ops", n);
}

/* ---- which parts make one ---------------------------------------------------------------------------------- */

typedef struct made {
    reel_fused f;
    reel_unit unit[REEL_FUSED_PARTS];
} made;

static void part(made *m, int op, int n_in, int a, int b, int out)
{
    reel_fused_part *p = &m->f.part[m->f.n_parts++];
    *p = (reel_fused_part){.op = &reel_rows_[op], .n_in = n_in, .in = {(int16_t)a, (int16_t)b}, .out = (int16_t)out};
    p->in_dtype[0] = p->in_dtype[1] = p->out_dtype = REEL_F32;
}

static int units(made *m)
{
    int n = 0;
    if (reel_units_(&m->f, false, m->unit)) return -1;
    for (int i = 0; i < m->f.n_parts; i++) n += m->unit[i].n_in > 0;
    return n;
}

static made begin(int n_in, int n_numbers, int n_out)
{
    made m = {.f = {.n_in = n_in, .n_numbers = n_numbers, .n_out = n_out, .n_operands = n_in + n_numbers + n_out + 8}};
    return m;
}

/* Operands: 0, 1 inputs, 2 a number, 3 an output, 4 ... inside. */
static void test_units(void)
{
    made m = begin(2, 1, 1);
    part(&m, REEL_OP_mul, 2, 0, 2, 4);
    part(&m, REEL_OP_add, 2, 4, 1, 5);
    part(&m, REEL_OP_maximum, 2, 5, 2, 3);
    TAP_OK(units(&m) == 1 && m.unit[2].n_in == 4 && m.unit[2].in[0] == 0 && m.unit[2].in[1] == 2 &&
               m.unit[2].in[2] == 1 && m.unit[2].in[3] == 2 && m.unit[2].out == 3,
           "three in a row are one");
    m = begin(2, 1, 1);
    part(&m, REEL_OP_mul, 2, 0, 2, 4);
    part(&m, REEL_OP_tanh, 1, 4, 0, 5);
    part(&m, REEL_OP_add, 2, 4, 5, 3);
    TAP_OK(units(&m) == 3, "what two read stays apart");
    m = begin(2, 1, 1);
    part(&m, REEL_OP_sub, 2, 2, 0, 4);
    part(&m, REEL_OP_abs, 1, 4, 0, 3);
    TAP_OK(units(&m) == 1 && m.unit[1].in[0] == 0 && m.unit[1].in[1] == 2, "a number comes second");
    m = begin(2, 1, 1);
    part(&m, REEL_OP_square, 1, 0, 0, 4);
    part(&m, REEL_OP_sub, 2, 1, 4, 3);
    TAP_OK(units(&m) == 1 && m.unit[1].n_in == 3 && m.unit[1].in[2] == 1, "what the chain made is subtracted");
    m = begin(2, 0, 2); /* outputs 2, 3 */
    part(&m, REEL_OP_square, 1, 0, 0, 4);
    part(&m, REEL_OP_neg, 1, 1, 0, 2); /* may lie over input 0 */
    part(&m, REEL_OP_add, 2, 4, 1, 3);
    TAP_OK(units(&m) == 3, "nobody waits while an output is written");
    m = begin(2, 0, 1);
    part(&m, REEL_OP_square, 1, 0, 0, 3);
    part(&m, REEL_OP_tanh, 1, 1, 0, 4);
    part(&m, REEL_OP_add, 2, 3, 4, 2);
    TAP_OK(units(&m) == 2 && m.unit[0].n_in == 0 && m.unit[2].in[2] == 4, "but while something inside is");
    m = begin(2, 0, 1);
    part(&m, REEL_OP_square, 1, 0, 0, 3);
    part(&m, REEL_OP_add, 2, 3, 1, 2);
    m.f.part[0].in_dtype[0] = m.f.part[0].out_dtype = m.f.part[1].in_dtype[0] = m.f.part[1].out_dtype = REEL_F64;
    TAP_OK(units(&m) == 2, "doubles go one by one");
}

/* ---- whole groups ---------------------------------------------------------------------------------------------- */

typedef struct recipe {
    uint64_t seed;
    int length;
} recipe;

/* Some of what is made leaves, some is read twice. */
static int random_group(void *self, reel_tensor *const given[], reel_tensor *out[])
{
    const recipe *r = self;
    reel_tensor *have[40] = {given[0], given[1], given[2]};
    int n = 3;
    state = r->seed;
    for (int i = 0; i < r->length; i++) {
        reel_tensor *a = have[next() % 3 ? n - 1 : (int)(next() % (uint64_t)n)], *b = have[next() % (uint64_t)n];
        if (next() % 4 == 0) b = reel_num((double)(next() % 7) / 2 - 1);
        switch (next() % 14) {
        case 0: a = reel_neg(a); break;
        case 1: a = reel_abs(a); break;
        case 2: a = reel_square(a); break;
        case 3: a = reel_relu(a); break;
        case 4: a = reel_add(b, a); break;
        case 5: a = reel_sub(a, b); break;
        case 6: a = reel_sub(b, a); break;
        case 7: a = reel_mul(a, b); break;
        case 8: a = reel_maximum(a, b); break;
        case 9: a = reel_minimum(b, a); break;
        case 10: a = reel_mul(reel_sub(a, b), reel_num(0.5)); break;
        case 11: a = reel_mul(reel_tanh(a), b); break;
        case 12: a = reel_sub(a, reel_max_axes(have[0], REEL_AXES(-1), true)); break;
        default: a = reel_clip(reel_mul(a, reel_num(0.25)), -9, 9); break;
        }
        have[n++] = a;
    }
    for (int i = 0; i < 3; i++) out[i] = reel_neg(have[n - 1 - i * 3]);
    out[3] = reel_sum_axes(have[n - 2], REEL_AXES(-1), false);
    return reel_status();
}

static void test_groups(void)
{
    REEL_SCOPED;
    static const int64_t shape[][2] = {{3, 7}, {40, 33}, {9, 300}, {2, 5000}, {1, 1}};
    int bad = 0, groups = 0;
    for (int i = 0; i < (tap_reduced ? 20 : 80); i++) {
        REEL_SCOPED;
        recipe r = {(uint64_t)i * 7919 + 13, 9 + i % 20};
        const int64_t *s = shape[i % 5];
        reel_tensor *x = reel_uniform(REEL_F32, REEL_SHAPE(s[0], s[1]), -2, 2, NULL);
        reel_tensor *y = reel_uniform(REEL_F32, i % 2 ? REEL_SHAPE(s[1]) : REEL_SHAPE(s[0], s[1]), -2, 2, NULL);
        reel_tensor *z = reel_uniform(REEL_F32, i % 3 ? REEL_SHAPE(s[0], 1) : REEL_SHAPE(s[0], s[1]), -2, 2, NULL);
        replayed got;
        const bool ok = replays(REEL_FN(random_group, &r, 3, 4), REEL_LIST(x, y, z), "default", &got);
        groups += got.found[REEL_STEPS_FUSE] > 0;
        if (!ok && !bad++) TAP_NOTE("recipe %d differs", i);
    }
    TAP_OK(!bad && groups > 10, "random groups, %d of them fused, have eager's bits", groups);
    expect_none("random groups");
}

TAP_MAIN(test_loops, test_units, test_groups)
