/* test_reduce.c: sum, mean, max, argmax and sum_like against plain loops; the same bits in every layout, at every ISA
   level, with one thread and two. */
#include "kernel_drive.h"
#include "kernels/reduce.h"
#include "reel/tensor.h"
#include "tap.h"

REEL_DECLARE_LEVELS(reel_reduce_table, reel_reduce_table);

static int level; /* the ISA level to run at */

static int top_level(void)
{
#ifdef REEL_HAVE_LEVELS
    return reel_level_();
#else
    return 0;
#endif
}

static void to_level(void *plan)
{
#ifdef REEL_HAVE_LEVELS
    const reel_reduce_table *tables[] = {&reel_reduce_table_base_, &reel_reduce_table_v3_, &reel_reduce_table_v4_};
    swap_loops(plan, REEL_PICK(reel_reduce_table), tables[level], sizeof(reel_reduce_table));
#else
    (void)plan;
#endif
}

typedef struct shape_case {
    int rank;
    int64_t dims[REEL_MAX_RANK];
} shape_case;
static const shape_case small_shapes[] = {
    {0, {0}},
    {1, {1}},
    {1, {7}},
    {1, {16}},
    {1, {1023}},
    {1, {1025}},
    {1, {5000}},
    {1, {0}},
    {2, {3, 0}},
    {2, {0, 3}},
    {2, {32, 10}},
    {2, {33, 70}},
    {2, {1, 9}},
    {2, {9, 1}},
    {3, {5, 1, 6}},
    {3, {4, 17, 65}},
    {4, {3, 4, 5, 6}},
    {4, {2, 33, 2, 5}},
    {6, {2, 3, 2, 3, 2, 2}},
    {2, {2100, 3}},
    {2, {3, 2100}},
    {8, {2, 1, 2, 2, 1, 2, 2, 3}},
};
static const shape_case large_shapes[] = {
    {1, {1000003}}, {2, {1000, 1000}}, {3, {7, 5000, 20}}, {3, {300, 2, 1700}}, {2, {40000, 6}}};

static array result_array(const array *x, unsigned mask, bool keepdims, reel_dtype d)
{
    int64_t dims[REEL_MAX_RANK];
    int rank = 0;
    for (int k = 0; k < x->rank; k++)
        if (!(mask >> k & 1))
            dims[rank++] = x->dims[k];
        else if (keepdims)
            dims[rank++] = 1;
    return dense_array(d, rank, dims);
}

static reel_attr_reduce attr_of(unsigned mask, int rank, bool keepdims)
{
    reel_attr_reduce a = {.keepdims = keepdims};
    if (mask == (1u << rank) - 1 && rank != 1) return a; /* n = 0: all */
    for (int k = rank - 1; k >= 0; k--)
        if (mask >> k & 1) a.axes.axis[a.axes.n++] = k % 2 ? k : k - rank;
    return a;
}

typedef struct expected {
    long double sum, abs;
    uint64_t wrapped;
    double max;
    int64_t count, arg;
    bool nan, plus_zero;
} expected;

/* What each output should be, by the definition: element i of x belongs to output out_index. */
static expected *plain_loops(const array *x, unsigned mask, int64_t n_out)
{
    expected *e = calloc((size_t)n_out + 1, sizeof *e);
    for (int64_t i = 0; i < count_of(x); i++) {
        int64_t rest = i, o = 0, scale = 1;
        for (int k = x->rank - 1; k >= 0; k--) {
            if (!(mask >> k & 1)) {
                o += rest % x->dims[k] * scale;
                scale *= x->dims[k];
            }
            rest /= x->dims[k];
        }
        expected *r = &e[o];
        const double v = at(x, i);
        r->sum += (long double)v;
        r->abs += fabsl((long double)v);
        if (x->dtype == REEL_I64)
            r->wrapped += (uint64_t) * (const int64_t *)(const void *)element(x, i);
        else if (reel_is_int_(x->dtype))
            r->wrapped += (uint64_t)(int64_t)v;
        if (r->count == 0 || (!r->nan && (isnan(v) || v > r->max))) {
            r->max = v;
            r->arg = r->count;
        }
        r->nan = r->nan || isnan(v);
        r->plus_zero = r->plus_zero || (v == 0 && !signbit(v));
        r->count++;
    }
    return e;
}

static bool sum_is_right(const array *y, int64_t i, const expected *e, bool mean)
{
    static const double half_ulp[REEL_N_DTYPES] = {
        [REEL_F32] = 0x1p-24, [REEL_F64] = 0x1p-53, [REEL_F16] = 0x1p-11, [REEL_BF16] = 0x1p-8};
    const double got = at(y, i);
    if (reel_is_int_(y->dtype)) {
        int64_t bits = 0;
        const size_t size = reel_size_(y->dtype);
        memcpy(&bits, element(y, i), size);
        return memcmp(&bits, &e->wrapped, size) == 0;
    }
    if (mean && e->count == 0) return isnan(got);
    const long double n = mean ? (long double)e->count : 1, want = e->sum / n;
    if (isnan(want)) return isnan(got);
    if (isinf(want)) return (long double)got == want;
    if (y->dtype == REEL_F16 && fabsl(want) >= 65520) return (long double)got == copysignl((long double)INFINITY, want);
    const double h = half_ulp[y->dtype] * (mean && y->dtype == REEL_F64 ? 2 : 1); /* of the sum and of the division */
    long double slack = y->dtype == REEL_F64 ? 1e-17L : 0x1.01p-23L;              /* four terms are added as floats */
    slack *= e->abs / n;
    return fabsl((long double)got - want) <=
           (long double)h * 1.02L * fabsl(want) + slack + (y->dtype == REEL_F16 ? 0x1p-25L : 0);
}

static bool run_is_same(const reel_kernel *k, int id, const reel_attr_reduce *attr, const array *x, const array *want)
{
    array y = dense_array(want->dtype, want->rank, want->dims);
    memset(y.data, 0x55, (size_t)count_of(&y) * reel_size_(y.dtype));
    bool ok = drive(k, id, attr, 1, x, 1, &y, to_level) == 0;
    ok = ok && memcmp(y.data, want->data, (size_t)count_of(&y) * reel_size_(y.dtype)) == 0;
    free(y.base);
    return ok;
}

/* One op on one array, reduced over one set of axes. */
static bool check(int id, const array *x, unsigned mask, bool thorough)
{
    const reel_kernel *k = id == REEL_OP_max || id == REEL_OP_argmax ? &reel_k_max_ : &reel_k_sum_;
    const bool keepdims = mask & 1;
    const reel_attr_reduce attr = attr_of(mask, x->rank, keepdims);
    array y = result_array(x, mask, keepdims, id == REEL_OP_argmax ? REEL_I64 : x->dtype);
    expected *e = plain_loops(x, mask, count_of(&y));
    level = top_level();
    reel_set_threads(1);
    bool ok = drive(k, id, &attr, 1, x, 1, &y, to_level) == 0;
    for (int64_t i = 0; ok && i < count_of(&y); i++) {
        const double got = at(&y, i);
        if (id == REEL_OP_max)
            ok = e[i].nan ? isnan(got) : got == e[i].max && !(got == 0 && e[i].plus_zero && signbit(got));
        else if (id == REEL_OP_argmax)
            ok = (int64_t)got == e[i].arg;
        else
            ok = sum_is_right(&y, i, &e[i], id == REEL_OP_mean);
        if (!ok)
            TAP_NOTE("output %lld is %.17g; sum %.17Lg max %g arg %lld", (long long)i, got, e[i].sum, e[i].max,
                     (long long)e[i].arg);
    }
    for (int l = 0; ok && l < LAYOUTS; l++) {
        array z = relaid(x, l);
        for (level = 0; ok && level <= top_level(); level++) {
            if (!thorough && level != l % (top_level() + 1)) continue;
            for (int threads = 1; ok && threads <= 2; threads++) {
                reel_set_threads(threads);
                ok = run_is_same(k, id, &attr, &z, &y);
                if (!ok) TAP_NOTE("layout %d, level %d, %d threads differ", l, level, threads);
            }
        }
        free(z.base);
    }
    free(e);
    free(y.base);
    return ok;
}

static void check_shape(int id, reel_dtype d, const shape_case *s, bool thorough)
{
    array x = dense_array(d, s->rank, s->dims);
    fill_random(&x, d == REEL_BOOL || d == REEL_U8 ? 0 : -100, d == REEL_BOOL ? 1.3 : 120);
    if (d == REEL_BOOL)
        for (int64_t i = 0; i < count_of(&x); i++) *(uint8_t *)element(&x, i) &= 1;
    for (unsigned mask = 0; mask < 1u << s->rank; mask++) {
        int64_t reduced = 1;
        int axes = 0;
        for (int k = 0; k < s->rank; k++)
            if (mask >> k & 1) reduced *= s->dims[k], axes++;
        if (axes == 0 && s->rank) continue; /* no axes means all */
        if ((id == REEL_OP_max || id == REEL_OP_argmax) && reduced == 0) continue;
        if (id == REEL_OP_argmax && axes != 1 && axes != s->rank) continue;
        if (!check(id, &x, mask, thorough)) {
            reel_shape sh = {.rank = s->rank};
            char text[REEL_SHAPE_TEXT];
            memcpy(sh.dims, s->dims, sizeof sh.dims);
            TAP_OK(false, "op %d of %s %s over mask %u", id, reel_dtype_name(d), reel_shape_text_(&sh, text), mask);
        }
    }
    free(x.base);
}

static const int ops[] = {REEL_OP_sum, REEL_OP_mean, REEL_OP_max, REEL_OP_argmax};
static const char *const op_names[] = {"sum", "mean", "max", "argmax"};
static bool has(int id, int d)
{
    if (id == REEL_OP_sum) return d != REEL_BOOL;
    return id != REEL_OP_mean || reel_is_float_((reel_dtype)d);
}

static void test_small(void)
{
    for (size_t o = 0; o < 4; o++)
        for (int d = REEL_F32; d < REEL_N_DTYPES; d++) {
            if (!has(ops[o], d)) continue;
            const int before = tap_failed;
            for (size_t s = 0; s < sizeof small_shapes / sizeof *small_shapes; s++)
                check_shape(ops[o], (reel_dtype)d, &small_shapes[s], s % 4 == 0);
            TAP_OK(tap_failed == before, "%s of %s: all sets of axes, layouts, levels", op_names[o],
                   reel_dtype_name((reel_dtype)d));
        }
}

static void test_large(void)
{
    static const reel_dtype kinds[] = {REEL_F32, REEL_F64, REEL_BF16, REEL_I8};
    for (size_t o = 0; o < 4; o++)
        for (size_t d = 0; d < sizeof kinds / sizeof *kinds; d++) {
            if (!has(ops[o], (int)kinds[d])) continue;
            const int before = tap_failed;
            for (size_t s = 0; s < sizeof large_shapes / sizeof *large_shapes; s++)
                if (tap_reduced ? (s + o) % 5 == d && (o + d) % 2 == 0 : d == 0 || (s + o) % 5 == d)
                    check_shape(ops[o], kinds[d], &large_shapes[s], false);
            TAP_OK(tap_failed == before, "large: %s of %s", op_names[o], reel_dtype_name(kinds[d]));
        }
}

static void test_broadcast_input(void)
{
    array row = dense_array(REEL_F32, 1, (int64_t[]){70});
    fill_random(&row, -1, 1);
    array x = {.dtype = REEL_F32, .rank = 3, .dims = {40, 3, 70}, .strides = {0, 0, 1}, .data = row.data};
    array z = {.dtype = REEL_F32, .rank = 3, .dims = {70, 40, 3}, .strides = {1, 0, 0}, .data = row.data};
    for (unsigned mask = 1; mask < 8; mask++)
        for (int o = 0; o < 3; o++) {
            TAP_OK(check(ops[o], &x, mask, true), "%s of a row repeated, mask %u", op_names[o], mask);
            TAP_OK(check(ops[o], &z, mask, true), "%s of elements repeated, mask %u", op_names[o], mask);
        }
    free(row.base);
}

static double sum_all(const reel_kernel *k, int id, const array *x)
{
    const reel_attr_reduce attr = {.keepdims = 0};
    array y = dense_array(id == REEL_OP_argmax ? REEL_I64 : x->dtype, 0, NULL);
    level = top_level();
    const int code = drive(k, id, &attr, 1, x, 1, &y, to_level);
    const double v = code ? -12345 : at(&y, 0);
    free(y.base);
    return v;
}

static void test_accuracy(void)
{
    const int64_t n = tap_reduced ? 1000000 : 10000000; /* under sanitizers each element takes ten times as long */
    array x = dense_array(REEL_F32, 1, &n);
    for (int kind = 0; kind < 3; kind++) {
        long double exact = 0;
        for (int64_t i = 0; i < n; i++) {
            const double v = kind == 0   ? 0.1
                             : kind == 1 ? next_double(0, 1)
                                         : next_double(-1, 1) * (double)(1 << (i % 20));
            ((float *)x.data)[i] = (float)v;
            exact += (long double)((float *)x.data)[i];
        }
        const double got = sum_all(&reel_k_sum_, REEL_OP_sum, &x);
        const float want = (float)exact;
        TAP_OK((float)got >= nextafterf(want, -INFINITY) && (float)got <= nextafterf(want, INFINITY),
               "f32 sum of %lld values, kind %d: %.9g, exact %.9Lg", (long long)n, kind, got, exact);
        const double mean = sum_all(&reel_k_sum_, REEL_OP_mean, &x);
        TAP_OK(fabsl((long double)mean - exact / (long double)n) <= 0x1p-23L * fabsl(exact / (long double)n),
               "and the mean %.9g", mean);
    }
    free(x.base);
    /* f64: compensated within a chunk, where plain adding loses everything */
    array w = dense_array(REEL_F64, 1, (int64_t[]){1000});
    for (int i = 0; i < 1000; i++) ((double *)w.data)[i] = 1e-3 * i;
    ((double *)w.data)[0] = 1e17;
    ((double *)w.data)[16 * 50] = -1e17;
    long double rest = 0;
    for (int i = 1; i < 1000; i++)
        if (i != 800) rest += (long double)((double *)w.data)[i];
    TAP_CLOSE(sum_all(&reel_k_sum_, REEL_OP_sum, &w), (double)rest, 1e-12, 0, "f64 sums are compensated");
    free(w.base);
}

static void test_special_values(void)
{
    static const reel_dtype kinds[] = {REEL_F32, REEL_F64, REEL_F16, REEL_BF16};
    for (size_t d = 0; d < 4; d++) {
        const char *name = reel_dtype_name(kinds[d]);
        array x = dense_array(kinds[d], 1, (int64_t[]){40});
        for (int i = 0; i < 40; i++) put_double(x.dtype, element(&x, i), -0.0);
        TAP_OK(signbit(sum_all(&reel_k_sum_, REEL_OP_sum, &x)), "%s: the sum of -0s is -0", name);
        TAP_OK(sum_all(&reel_k_max_, REEL_OP_argmax, &x) == 0, "%s: argmax of equals is the first", name);
        TAP_OK(signbit(sum_all(&reel_k_max_, REEL_OP_max, &x)), "%s: max of -0s", name);
        put_double(x.dtype, element(&x, 33), 0.0);
        TAP_OK(!signbit(sum_all(&reel_k_max_, REEL_OP_max, &x)), "%s: +0 is above -0", name);
        TAP_OK(sum_all(&reel_k_max_, REEL_OP_argmax, &x) == 0, "%s: but -0 equals +0", name);
        put_double(x.dtype, element(&x, 7), INFINITY);
        TAP_OK(sum_all(&reel_k_sum_, REEL_OP_sum, &x) == INFINITY, "%s: sum with inf", name);
        TAP_OK(sum_all(&reel_k_max_, REEL_OP_max, &x) == INFINITY, "%s: max with inf", name);
        put_double(x.dtype, element(&x, 21), -INFINITY);
        TAP_OK(isnan(sum_all(&reel_k_sum_, REEL_OP_sum, &x)), "%s: inf - inf", name);
        TAP_OK(sum_all(&reel_k_max_, REEL_OP_argmax, &x) == 7, "%s: argmax finds inf", name);
        put_double(x.dtype, element(&x, 35), NAN);
        put_double(x.dtype, element(&x, 38), -(double)NAN);
        TAP_OK(isnan(sum_all(&reel_k_max_, REEL_OP_max, &x)), "%s: max with NaN", name);
        TAP_OK(sum_all(&reel_k_max_, REEL_OP_argmax, &x) == 35, "%s: argmax finds the first NaN", name);
        put_double(x.dtype, element(&x, 3), -(double)NAN);
        TAP_OK(sum_all(&reel_k_max_, REEL_OP_argmax, &x) == 3, "%s: even a negative one", name);
        TAP_OK(check(REEL_OP_sum, &x, 1, true) && check(REEL_OP_max, &x, 1, true),
               "%s: NaN has the same bits everywhere", name);
        free(x.base);
    }
    array big = dense_array(REEL_F32, 1, (int64_t[]){4});
    float *b = big.data;
    b[0] = b[1] = 3e38f, b[2] = b[3] = -3e38f;
    TAP_OK(sum_all(&reel_k_sum_, REEL_OP_sum, &big) == 0, "f32 sums do not overflow on the way");
    b[2] = b[3] = 1e38f;
    TAP_OK(sum_all(&reel_k_sum_, REEL_OP_mean, &big) == (double)(float)2e38, "nor does the mean");
    free(big.base);
    array none = dense_array(REEL_F32, 1, (int64_t[]){0});
    TAP_OK(sum_all(&reel_k_max_, REEL_OP_max, &none) == -12345 && reel_take_error(NULL) == REEL_EARG,
           "max of nothing is an error");
    free(none.base);
}

static void test_sum_like(void)
{
    static const struct {
        shape_case x, like;
        unsigned mask;
    } cases[] = {{{2, {32, 10}}, {1, {10}}, 1},          {{2, {32, 10}}, {2, {32, 1}}, 2},
                 {{2, {32, 10}}, {0, {0}}, 3},           {{2, {32, 10}}, {2, {32, 10}}, 0},
                 {{4, {2, 3, 4, 5}}, {3, {3, 1, 5}}, 5}, {{3, {3, 1, 4}}, {2, {1, 4}}, 1},
                 {{3, {3, 1, 4}}, {3, {1, 1, 1}}, 7},    {{3, {2, 0, 4}}, {1, {4}}, 3},
                 {{3, {700, 30, 20}}, {2, {30, 1}}, 5}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (int d = REEL_F32; d < REEL_BOOL; d++) {
            array in[2], y = dense_array((reel_dtype)d, cases[c].like.rank, cases[c].like.dims);
            in[0] = dense_array((reel_dtype)d, cases[c].x.rank, cases[c].x.dims);
            in[1] = y;
            in[1].data = NULL;
            fill_random(&in[0], d == REEL_U8 ? 0 : -100, 100);
            expected *e = plain_loops(&in[0], cases[c].mask, count_of(&y));
            level = top_level();
            bool ok = drive(&reel_k_sum_like_, REEL_OP_sum_like, NULL, 2, in, 1, &y, to_level) == 0;
            for (int64_t i = 0; ok && i < count_of(&y); i++) ok = sum_is_right(&y, i, &e[i], false);
            TAP_OK(ok, "sum_like case %zu of %s", c, reel_dtype_name((reel_dtype)d));
            array z = relaid(&in[0], 1), y2 = dense_array((reel_dtype)d, cases[c].like.rank, cases[c].like.dims);
            in[1].dims[0] = y.dims[0];
            array other[2] = {z, in[1]};
            ok = drive(&reel_k_sum_like_, REEL_OP_sum_like, NULL, 2, other, 1, &y2, no_swap) == 0;
            TAP_OK(ok && memcmp(y.data, y2.data, (size_t)count_of(&y) * reel_size_((reel_dtype)d)) == 0,
                   "in another layout");
            free(e), free(in[0].base), free(y.base), free(y2.base), free(z.base);
        }
}

TAP_MAIN(test_small, test_large, test_broadcast_input, test_accuracy, test_special_values, test_sum_like)
