/* test_chain.c: light ops that go through registers together: each of them, whichever way it stands to what the registers hold, has the bits of
   its own loop, NaN's signs and payloads among them; so have two that one stage does. Groups of such ops have eager's, whoever else reads or
   leaves. */
#include <math.h>
#include "core/alloc.h"
#include "kernels/after.h"
#include "kernels/chain.h"
#include "kernels/kernels.h"
#include "replay_help.h"
#include "trace_help.h"

/* ---- every op ------------------------------------------------------------------------------------------------ */

enum { N = 3 * REEL_CHAIN_BLOCK + 11 };
static const int op_of[REEL_N_CHAIN] = {
#define ONE(name, formula) [REEL_CHAIN_##name] = REEL_OP_##name,
#define TWO(name, formula) [REEL_CHAIN_##name] = REEL_OP_##name,
#define THREE(name, formula) [REEL_CHAIN_##name] = REEL_OP_##name,
#include "kernels/chain_ops.def"
#undef ONE
#undef TWO
#undef THREE
};
static const reel_attr_scalars attr = {{0.25, 0.75, 1.5, 0.5}};
static float given[3][N];

static uint64_t state = 88172645463325252u;
static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* Zeros, what is very small or large, infinities, NaN of both signs and of other payloads. */
enum { FINITE = 8, NO_NAN = 10, SPECIALS = 14 };
static float special(uint64_t k)
{
    static const uint32_t bits[SPECIALS] = {0,          0x80000000, 0x3f800000, 0xbf800000, 0x000116c2,
                                            0x7f61b1e6, 0xff61b1e6, 0x3e800000, 0x7f800000, 0xff800000,
                                            0x7fc00000, 0xffc00000, 0x7fc12345, 0xffd54321};
    float x;
    memcpy(&x, &bits[k], sizeof x);
    return x;
}

/* One of `often` is one of the first `kinds` special ones. */
static float value_of(int often, int kinds)
{
    const float x = (float)((int64_t)(next() % 4000) - 2000) / 512;
    return next() % (uint64_t)often == 0 ? special(next() % (uint64_t)kinds) : x;
}

static float value(int often)
{
    return value_of(often, SPECIALS);
}

static void give(int often, int kinds)
{
    for (int j = 0; j < 3; j++)
        for (int i = 0; i < N; i++) given[j][i] = value_of(often, kinds);
}

/* Comparisons and tests stand between arithmetic and where. */
static bool is_bool(int op)
{
    int k = 0;
    while (k < REEL_N_CHAIN && op_of[k] != op) k++;
    return k >= REEL_CHAIN_equal && k < REEL_CHAIN_where;
}

static void part3(reel_fused *f, int op, const int in[3], int out)
{
    reel_fused_part *p = &f->part[f->n_parts++];
    *p = (reel_fused_part){.op = &reel_rows_[op], .attr = &attr, .out = (int16_t)out};
    p->n_in = p->op->n_in;
    for (int j = 0; j < p->n_in; j++) {
        p->in[j] = (int16_t)in[j];
        p->in_dtype[j] = op == REEL_OP_where && j == 0 ? REEL_BOOL : REEL_F32;
    }
    p->out_dtype = is_bool(op) ? REEL_BOOL : REEL_F32;
}

static void part(reel_fused *f, int op, int a, int b, int out)
{
    part3(f, op, (int[]){a, b, 0}, out);
}

/* What the parts' own loops make of the operands, one part after the other over all elements. ones: inputs that are one element, a bit each. */
static void one_by_one(const reel_fused *f, float *const at[], int64_t n, unsigned ones)
{
    static float numbers[N];
    for (int i = 0; i < n; i++) numbers[i] = *at[f->n_in];
    for (int i = 0; i < f->n_parts; i++) {
        const reel_fused_part *p = &f->part[i];
        void *arg[4];
        uint8_t step[3];
        reel_loop_op op;
        if (reel_loop_op_(&op, p)) return;
        for (int j = 0; j < p->n_in; j++) {
            step[j] = !(p->in[j] == f->n_in || (p->in[j] < f->n_in && (ones >> p->in[j] & 1))) || !op.spread;
            arg[j] = p->in[j] == f->n_in ? numbers : at[p->in[j]];
        }
        arg[p->n_in] = at[p->out];
        op.fn(arg, step, n, &op.extra);
    }
}

/* any: of two NaN either one may come out. */
static bool same_floats(const float *a, const float *b, int64_t n, bool any)
{
    for (int64_t i = 0; i < n; i++)
        if (memcmp(&a[i], &b[i], sizeof *a) != 0 && !(any && isnan(a[i]) && isnan(b[i]))) return false;
    return true;
}

/* Operands: 0 and 1 given, 2 a number, 3 the result, 4 to 7 inside. over: the result lies over operand 0. What is one element is spread where one
   of the loops wants that, and the other ones give another NaN for it. */
static bool agrees_with(const reel_fused *f, int64_t n, bool over, unsigned ones)
{
    const int64_t one = 1, stride = 1, none = 0;
    const reel_kview whole = {REEL_F32, 1, &n, &stride, NULL}, number = {REEL_F32, 1, &one, &stride, NULL},
                     same = {REEL_F32, 1, &n, &none, NULL};
    const reel_kview in[] = {ones & 1 ? same : whole, ones & 2 ? same : whole, number}, out[] = {whole};
    const reel_ksig sig = {NULL, f, 3, 1, in, out};
    static float a[N], b[N], want[N], got[N + 1], inside[4][N];
    float num = given[2][0];
    void *group = NULL;
    memcpy(a, given[0], sizeof a);
    memcpy(b, given[1], sizeof b);
    for (int i = 0; i < N && ones & 1; i++) a[i] = given[0][0];
    for (int i = 0; i < N && ones & 2; i++) b[i] = given[1][0];
    one_by_one(f, (float *[]){a, b, &num, want, inside[0], inside[1], inside[2], inside[3]}, n, ones);
    for (int i = 0; i <= N; i++) got[i] = 77;
    if (over) memcpy(got, a, (size_t)n * sizeof *got);
    if (reel_fused_new_(&sig, &group)) return false;
    reel_fused_range_(group, (void *[]){over ? got : a, b, &num, got}, 0, n);
    reel_k_fused_.drop(group);
    reel_free_(group, reel_k_fused_.plan_size);
    return same_floats(want, got, n, ones) && got[n] == 77;
}

static bool agrees(const reel_fused *f, int64_t n, bool over)
{
    return agrees_with(f, n, over, 0);
}

/* op in the middle of a chain, in bools with where. */
static reel_fused around(int op, const int in[3])
{
    reel_fused f = {.n_in = 2, .n_numbers = 1, .n_out = 1, .n_operands = 8};
    part(&f, REEL_OP_mul, 0, 1, 4);
    if (op == REEL_OP_where) part(&f, REEL_OP_less_equal, 4, 1, 6);
    part3(&f, op, op == REEL_OP_where ? (int[]){6, in[0], in[1]} : in, 5);
    if (is_bool(op)) part3(&f, REEL_OP_where, (int[]){5, in[1], 4}, 7);
    part(&f, REEL_OP_sub, 0, is_bool(op) ? 7 : 5, 3);
    return f;
}

static void test_ops(void)
{
    static const int ways[][3] = {{4, 1, 0}, {1, 4, 0}, {4, 2, 1}, {2, 4, 1}, {4, 4, 1}, {0, 1, 2},
                                  {2, 1, 0}, {1, 2, 4}, {1, 0, 4}, {0, 2, 2}, {4, 1, 4}};
    static const int64_t sizes[] = {N, 3 * REEL_CHAIN_BLOCK, 5};
    int bad = 0, n = 0;
    for (int often = 3; often <= 3000; often *= 10)
        for (int op = 0; op < REEL_N_CHAIN; op++)
            for (int k = 0; k < 11; k++) {
                const reel_fused f = around(op_of[op], ways[k]);
                give(often, SPECIALS);
                if (k && reel_rows_[op_of[op]].n_in == 1) break;
                n++;
                if (op_of[op] != REEL_OP_copysign && reel_chain_end_(&f, 0) != f.n_parts - 1 && !bad++)
                    TAP_NOTE("%s is in no chain", reel_rows_[op_of[op]].name);
                for (int j = 0; j < 6; j++)
                    if (!agrees(&f, sizes[j / 2], j % 2) && !bad++)
                        TAP_NOTE("%s of operands %d, %d and %d differs", reel_rows_[op_of[op]].name, ways[k][0],
                                 ways[k][1], ways[k][2]);
            }
    TAP_OK(!bad && n > 800, "%d ops and ways have the bits of their own loops", n);
}

/* A number beside the registers: some ops have a shorter formula for most of them. What becomes of NaN is seen where it is not NaN any more. */
static void test_numbers(void)
{
    int bad = 0, n = 0;
    for (int op = 0; op < REEL_N_CHAIN; op++)
        for (int k = 0; k < 4 * SPECIALS && reel_rows_[op_of[op]].n_in == 2 && !is_bool(op_of[op]); k++)
            for (int kinds = FINITE; kinds <= NO_NAN; kinds += NO_NAN - FINITE) {
                reel_fused f = {.n_in = 2, .n_numbers = 1, .n_out = 1, .n_operands = 8};
                part(&f, REEL_OP_neg, 0, 0, 4);
                part(&f, op_of[op], k % 2 ? 2 : 4, k % 2 ? 4 : 2, 5);
                part(&f, k % 4 < 2 ? REEL_OP_mul : REEL_OP_relu_grad, 5, 1, 3);
                give(4, kinds);
                for (int i = 0; i < N; i++) given[1][i] = 1;
                given[2][0] = special((uint64_t)k / 4);
                n++;
                if (!agrees(&f, N, false) && !bad++)
                    TAP_NOTE("%s of number %g differs", reel_rows_[op_of[op]].name, (double)given[2][0]);
            }
    TAP_OK(!bad && n > 200, "%d ops and special numbers have the bits of their own loops", n);
}

/* ---- two ops in a stage ------------------------------------------------------------------------------------------ */

/* An op of operands a and b beside one of what a chain holds. how: bit 0: the other one's first operand, 1: made before all, 2: read twice,
   3: the chain begins with it. */
static reel_fused beside(int op, int outer, int a, int b, int how)
{
    reel_fused f = {.n_in = 2, .n_numbers = 1, .n_out = 1, .n_operands = 8};
    if (how & 8) {
        part(&f, op, a, b, 5);
        part(&f, outer, how & 1 ? 5 : 0, how & 1 ? 0 : 5, 6);
        part(&f, REEL_OP_sub, 6, 1, 3);
        return f;
    }
    if (how & 2) part(&f, op, a, b, 5);
    part(&f, REEL_OP_maximum, 0, 1, 4);
    if (!(how & 2)) part(&f, op, a, b, 5);
    part(&f, outer, how & 1 ? 5 : 4, how & 1 ? 4 : 5, 6);
    if (how & 4) part(&f, outer, how & 1 ? 6 : 5, how & 1 ? 5 : 6, 7);
    part(&f, REEL_OP_minimum, how & 4 ? 7 : 6, 1, 3);
    return f;
}

static bool stores_nothing(const reel_fused *f)
{
    bool kept;
    for (int i = 0; i + 1 < f->n_parts; i++)
        if (reel_chain_stores_(f, 0, i, f->n_parts - 1, &kept) || kept) return false;
    return true;
}

/* With all of how, operands, those that are one element, and values of three kinds. */
static int differ(int op, int outer, int *n)
{
    static const int kinds[] = {FINITE, NO_NAN, SPECIALS};
    int bad = 0;
    for (int how = 0; how < 10; how++)
        for (int ab = 0; ab < 9; ab++) {
            const int a = ab % 3, b = ab / 3;
            if (a == 2 && (b == 2 || reel_rows_[op].n_in == 1)) continue; /* one element for all: in no chain */
            const reel_fused f = beside(op, outer, a, b, how);
            if (!stores_nothing(&f) && !bad++) TAP_NOTE("%s of %d and %d stands for itself", reel_rows_[op].name, a, b);
            for (unsigned k = 0; k < 9; k++, ++*n) {
                give(k % 3 ? 40 : 3, kinds[k % 3]);
                if (!agrees_with(&f, N, k / 3 == 0, k / 3) && !bad++)
                    TAP_NOTE("%s and %s of %d and %d, %d, differ", reel_rows_[op].name, reel_rows_[outer].name, a, b,
                             how);
            }
        }
    return bad;
}

static void test_sides(void)
{
#define SIDE(name) REEL_OP_##name,
    static const int sides[] = {REEL_CHAIN_SIDES(SIDE, SIDE)};
#undef SIDE
#define OUTER(name, of) REEL_OP_##name,
    static const int outers[] = {REEL_CHAIN_OUTERS(OUTER, )};
#undef OUTER
    int bad = 0, n = 0;
    for (int i = 0; i < REEL_N_SIDES; i++)
        for (int j = 0; j < REEL_N_OUTERS; j++) bad += differ(sides[i], outers[j], &n);
    TAP_OK(!bad && n > 5000, "%d times what is beside a chain has the bits of its own loop", n);
}

/* Stages that stand where there is nothing to hold, or for a reader that has none. */
static void test_no_sides(void)
{
    static const struct {
        int a, b, out;
    } last[] = {{5, 5, 3}, {5, 1, 3}, {4, 6, 3}};
    int bad = 0, stored = 0;
    for (int k = 0; k < 6; k++) {
        reel_fused f = {.n_in = 2, .n_numbers = 1, .n_out = 1, .n_operands = 8};
        part(&f, REEL_OP_neg, 0, 0, 4);
        part(&f, REEL_OP_mul, k < 3 ? 0 : 4, 2, 5); /* in memory, or of what the chain makes */
        part(&f, REEL_OP_add, 4, 5, 6);
        part(&f, k % 2 ? REEL_OP_maximum : REEL_OP_sub, last[k % 3].a, last[k % 3].b, 7);
        part(&f, REEL_OP_mul, 7, 6, 3);
        stored += !stores_nothing(&f);
        for (int kinds = FINITE; kinds <= SPECIALS; kinds += 2) {
            give(30, kinds);
            bad += !agrees(&f, N, false);
        }
    }
    TAP_OK(!bad && stored == 6, "what somebody else reads as well is stored");
}

/* The chain's end has no NaN where what it keeps has one, whose sign is read behind it. */
static void test_kept(void)
{
    int bad = 0;
    for (int k = 0; k < 40; k++) {
        reel_fused f = {.n_in = 2, .n_numbers = 1, .n_out = 1, .n_operands = 8};
        part(&f, REEL_OP_neg, 0, 0, 4);
        part(&f, REEL_OP_add, k % 2 ? 1 : 4, k % 2 ? 4 : 1, 5);
        part(&f, REEL_OP_relu_grad, 5, 2, 6);
        part(&f, REEL_OP_copysign, 2, 5, 7);
        part(&f, REEL_OP_sub, 6, 7, 3);
        for (int j = 0; j < 3; j++)
            for (int i = 0; i < N; i++) given[j][i] = j < 2 ? value(3) : 0.5f;
        bad += !agrees(&f, N, false);
    }
    TAP_OK(!bad, "what a chain keeps has the sign that its own loop gives a NaN");
}

/* ---- which parts make a chain ---------------------------------------------------------------------------------- */

static int end_of(reel_fused f)
{
    return reel_chain_end_(&f, 0);
}

static void test_ends(void)
{
    reel_fused f = around(REEL_OP_add, (int[]){4, 2, 0});
    TAP_OK(end_of(f) == 2, "three light ops are one");
    f.part[1].op = &reel_rows_[REEL_OP_copysign];
    TAP_OK(end_of(f) == 0, "what makes a number of a NaN's sign stays apart");
    f.part[1].op = &reel_rows_[REEL_OP_pow];
    TAP_OK(end_of(f) == 0, "so does what is not light");
    f = around(REEL_OP_add, (int[]){2, 2, 0});
    TAP_OK(end_of(f) == 0, "and what is one element");
    f = around(REEL_OP_add, (int[]){4, 2, 0});
    f.part[1].in_dtype[0] = REEL_F64;
    TAP_OK(end_of(f) == 0, "and another dtype");
    f = around(REEL_OP_add, (int[]){4, 2, 0});
    f.n_out = 2; /* 3 and 4: may lie over input 0, which a chain that gives up wants again */
    TAP_OK(end_of(f) == 0, "a chain ends where it writes an output");
    f = around(REEL_OP_less, (int[]){4, 1, 0});
    TAP_OK(end_of(f) == 3, "a comparison is in it with its where");
    part3(&f, REEL_OP_where, (int[]){5, 0, 1}, 3);
    f.part[4].in_dtype[1] = f.part[4].in_dtype[2] = f.part[4].out_dtype = REEL_F64;
    TAP_OK(end_of(f) == 0, "but not where somebody else reads its bool");
}

/* ---- whole groups ------------------------------------------------------------------------------------------------ */

typedef struct recipe {
    uint64_t seed;
    int length;
} recipe;

/* Where an op gets two NaN, loops over other shapes may give the other one; so its sign is not looked at. */
static reel_tensor *one_nan(reel_tensor *x)
{
    return reel_where(reel_isnan(x), reel_num(3), x);
}

/* Some of what is made leaves, some is read twice, some is read for its sign. */
static int random_group(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const recipe *r = self;
    reel_tensor *have[48] = {in[0], in[1], in[2]};
    int n = 3;
    state = r->seed;
    reel_tensor *mask = reel_less(in[0], in[1]);
    for (int i = 0; i < r->length; i++) {
        reel_tensor *a = have[next() % 3 ? n - 1 : (int)(next() % (uint64_t)n)], *b = have[next() % (uint64_t)n];
        if (next() % 4 == 0) b = reel_num((double)(next() % 7) / 2 - 1);
        switch (next() % 28) {
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
        case 10: a = reel_fmax(a, b); break;
        case 11: a = reel_mul(reel_tanh(a), b); break;
        case 12: a = reel_copysign(reel_add(b, reel_num(0.5)), one_nan(a)); break;
        case 13: a = reel_where(reel_greater(a, b), reel_neg(a), a); break;
        case 14: a = reel_div(a, b); break;
        case 15: a = reel_add(a, reel_neg(a)); break;
        case 16: a = reel_sub(a, reel_max_axes(have[0], REEL_AXES(-1), true)); break;
        case 17: a = reel_mul(reel_mean_axes(a, REEL_AXES(-1), true), a); break;
        case 18: a = reel_sub(reel_sum_axes(reel_square(a), REEL_AXES(-1), true), a); break;
        case 19: a = reel_div(a, reel_min_axes(a, REEL_AXES(-1), true)); break;
        case 20: a = reel_lerp(a, b, have[1]); break;
        case 21: a = reel_where(reel_less(a, b), b, reel_abs(a)); break;
        case 22: a = reel_where(mask, a, b); break;
        case 23: a = reel_where(mask = reel_isfinite(a), a, reel_num(2)); break;
        case 24: a = reel_sub(a, reel_square(b)); break;
        case 25: a = reel_add(reel_mul(b, have[2]), a); break;
        case 26: a = reel_mul(a, reel_sub(have[1], b)); break;
        default: a = reel_clip(reel_mul(a, reel_num(0.25)), -9, 9); break;
        }
        have[n++] = a;
    }
    for (int i = 0; i < 3; i++) out[i] = one_nan(reel_mul(have[n - 1 - i * 3], in[0]));
    out[3] = one_nan(reel_copysign(in[0], one_nan(have[n - 2])));
    return reel_status();
}

static reel_tensor *some(int64_t rows, int64_t cols, int often)
{
    static float x[9000];
    for (int64_t i = 0; i < rows * cols; i++) x[i] = value(often);
    return reel_from_f32(REEL_SHAPE(rows, cols), x, (size_t)(rows * cols));
}

static void test_groups(void)
{
    static const int64_t shape[][2] = {{3, 7}, {40, 33}, {9, 300}, {1, 4096}, {2, 4500}, {1, 1}, {5, 1000}, {7, 256}};
    int bad = 0, groups = 0, rows_groups = 0;
    for (int i = 0; i < (tap_reduced ? 60 : 240); i++) {
        REEL_SCOPED;
        recipe r = {(uint64_t)i * 7919 + 13, 9 + i % 20};
        const int64_t rows = shape[i % 8][0], cols = shape[i % 8][1];
        const int often = i % 5 ? 900 : 9;
        reel_tensor *x = some(rows, cols, often), *y = some(i % 4 ? rows : 1, cols, often),
                    *z = some(rows, i % 3 ? cols : 1, often);
        replayed got;
        const bool ok = replays(REEL_FN(random_group, &r, 3, 4), REEL_LIST(x, y, z), "default", &got);
        groups += got.found[REEL_STEPS_FUSE] > 0;
        rows_groups += got.found[REEL_STEPS_REDUCE] > 0;
        if (!ok && !bad++) TAP_NOTE("recipe %d differs", i);
    }
    TAP_OK(!bad && groups > 20 && rows_groups > 20,
           "random groups, in %d some are fused, in %d by rows, have eager's bits", groups, rows_groups);
    expect_none("random groups");
}

TAP_MAIN(test_ops, test_numbers, test_sides, test_no_sides, test_kept, test_ends, test_groups)
