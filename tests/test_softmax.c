/* test_softmax.c: softmax, log_softmax and softmax_cross_entropy against plain loops in long double; the same bits
   in every layout, at every ISA level, with one thread and two. */
#include "kernel_drive.h"
#include "kernels/softmax.h"
#include "reel/tensor.h"
#include "tap.h"

REEL_DECLARE_LEVELS(reel_softmax_table, reel_softmax_table);

static int level;

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
    const reel_softmax_table *tables[] = {&reel_softmax_table_base_, &reel_softmax_table_v3_, &reel_softmax_table_v4_};
    swap_loops(plan, REEL_PICK(reel_softmax_table), tables[level], sizeof(reel_softmax_table));
#else
    (void)plan;
#endif
}

typedef struct shape_case {
    int rank;
    int64_t dims[REEL_MAX_RANK];
} shape_case;
static const shape_case shapes[] = {{1, {1}},        {1, {10}},          {1, {16}},          {1, {2500}},
                                    {2, {32, 10}},   {2, {7, 33}},       {2, {3, 0}},        {2, {0, 3}},
                                    {3, {4, 5, 70}}, {3, {2, 1030, 35}}, {4, {3, 2, 17, 4}}, {2, {300, 200}}};
static const reel_dtype floats[] = {REEL_F32, REEL_F64, REEL_F16, REEL_BF16};
static const double ulp[REEL_N_DTYPES] = {
    [REEL_F32] = 0x1p-23, [REEL_F64] = 0x1p-52, [REEL_F16] = 0x1p-10, [REEL_BF16] = 0x1p-7};

/* Element i of x, in the row along axis: is got right? */
static bool is_right(const array *x, int axis, int64_t i, double got, bool log)
{
    int64_t inner = 1;
    for (int k = axis + 1; k < x->rank; k++) inner *= x->dims[k];
    const int64_t n = x->dims[axis], start = i / (inner * n) * inner * n + i % inner;
    long double m = -INFINITY, sum = 0;
    for (int64_t j = 0; j < n; j++) {
        const long double v = (long double)at(x, start + j * inner);
        m = v > m ? v : m;
    }
    for (int64_t j = 0; j < n; j++) sum += expl((long double)at(x, start + j * inner) - m);
    const long double d = (long double)at(x, i) - m, e = (long double)ulp[x->dtype];
    if (log) {
        const long double want = d - logl(sum);
        return fabsl((long double)got - want) <= e * (2 + 2 * fabsl(d) + 2 * logl(sum));
    }
    const long double want = expl(d) / sum; /* d is rounded once: |d| ulp/2 in the exponent */
    const long double tiny = x->dtype == REEL_F16 ? 0x1p-24L : 1e-44L;
    return fabsl((long double)got - want) <=
           want * e * (x->dtype == REEL_F32 || x->dtype == REEL_F64 ? 4 + fabsl(d) : 2) + tiny;
}

static bool same_everywhere(const reel_kernel *k, int id, const void *attr, int n_in, const array *in,
                            const array *want)
{
    bool ok = true;
    for (int l = 0; ok && l < LAYOUTS; l++) {
        array z[2] = {relaid(&in[0], l), in[n_in - 1]};
        if (n_in == 2) z[1] = relaid(&in[1], l);
        for (level = 0; ok && level <= top_level(); level++)
            for (int threads = 1; ok && threads <= 2; threads++) {
                array y = dense_array(want->dtype, want->rank, want->dims);
                reel_set_threads(threads);
                ok = drive(k, id, attr, n_in, z, 1, &y, to_level) == 0;
                ok = ok && memcmp(y.data, want->data, (size_t)count_of(&y) * reel_size_(y.dtype)) == 0;
                if (!ok) TAP_NOTE("layout %d, level %d, %d threads differ", l, level, threads);
                free(y.base);
            }
        free(z[0].base);
        if (n_in == 2) free(z[1].base);
    }
    return ok;
}

static void test_softmax(void)
{
    for (int log = 0; log < 2; log++)
        for (size_t d = 0; d < 4; d++)
            for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
                for (int axis = 0; axis < shapes[s].rank; axis++) {
                    const reel_attr_axis attr = {.axis = axis % 2 ? axis : axis - shapes[s].rank};
                    const int id = log ? REEL_OP_log_softmax : REEL_OP_softmax;
                    array x = dense_array(floats[d], shapes[s].rank, shapes[s].dims);
                    array y = dense_array(floats[d], shapes[s].rank, shapes[s].dims);
                    fill_random(&x, -20, 20);
                    level = top_level();
                    reel_set_threads(1);
                    bool ok = drive(&reel_k_softmax_, id, &attr, 1, &x, 1, &y, to_level) == 0;
                    const int64_t step = count_of(&x) / 500 + 1; /* the reference takes a whole row each time */
                    for (int64_t i = 0; ok && i < count_of(&x); i += step) {
                        ok = is_right(&x, axis, i, at(&y, i), log);
                        if (!ok) TAP_NOTE("element %lld: %.17g", (long long)i, at(&y, i));
                    }
                    ok = ok && same_everywhere(&reel_k_softmax_, id, &attr, 1, &x, &y);
                    TAP_OK(ok, "%ssoftmax of %s, shape %zu, axis %d", log ? "log_" : "", reel_dtype_name(floats[d]), s,
                           axis);
                    free(x.base), free(y.base);
                }
}

static void test_special_rows(void)
{
    static const double rows[][4] = {{-INFINITY, -INFINITY, -INFINITY, -INFINITY},
                                     {1, NAN, 2, 3},
                                     {0, INFINITY, 1, 2},
                                     {-INFINITY, 0, -INFINITY, 0},
                                     {1e4, 1e4, -1e4, 0},
                                     {5, 5, 5, 5}};
    static const double want[][4] = {{NAN, NAN, NAN, NAN}, {NAN, NAN, NAN, NAN}, {NAN, NAN, NAN, NAN},
                                     {0, 0.5, 0, 0.5},     {0.5, 0.5, 0, 0},     {0.25, 0.25, 0.25, 0.25}};
    for (size_t d = 0; d < 4; d++) {
        array x = dense_array(floats[d], 2, (int64_t[]){6, 4}), y = dense_array(floats[d], 2, (int64_t[]){6, 4});
        for (int i = 0; i < 24; i++) put_double(x.dtype, element(&x, i), rows[i / 4][i % 4]);
        for (int log = 0; log < 2; log++) {
            const reel_attr_axis attr = {.axis = 1};
            const int id = log ? REEL_OP_log_softmax : REEL_OP_softmax;
            level = top_level();
            drive(&reel_k_softmax_, id, &attr, 1, &x, 1, &y, to_level);
            for (int r = 0; r < 6; r++) {
                bool ok = true;
                for (int j = 0; j < 4; j++) {
                    const double w = want[r][j], got = at(&y, r * 4 + j);
                    /* in a row holding inf, log_softmax of the finite ones is -inf - NaN: NaN as well */
                    if (isnan(w))
                        ok = ok && isnan(got);
                    else if (!log)
                        ok = ok && got == w;
                    else if (w > 0)
                        ok = ok && fabs(got - log1p(w - 1)) <= ulp[x.dtype];
                    else
                        ok = ok && got <= -9e3;
                }
                TAP_OK(ok, "%s special row %d, log %d", reel_dtype_name(floats[d]), r, log);
            }
            TAP_OK(same_everywhere(&reel_k_softmax_, id, &attr, 1, &x, &y),
                   "special rows have the same bits everywhere");
        }
        free(x.base), free(y.base);
    }
}

static void test_cross_entropy(void)
{
    static const shape_case batch[] = {{0, {0}}, {1, {1}}, {1, {32}}, {2, {3, 50}}, {1, {0}}};
    static const int64_t classes[] = {1, 10, 16, 100, 2100};
    static const reel_dtype ints[] = {REEL_I64, REEL_I32, REEL_U8, REEL_I8};
    for (size_t d = 0; d < 4; d++)
        for (size_t b = 0; b < 5; b++)
            for (size_t c = 0; c < 5; c++) {
                const reel_dtype label_type = ints[(b + c + d) % 4];
                array in[2], y = dense_array(floats[d], batch[b].rank, batch[b].dims);
                int64_t dims[REEL_MAX_RANK];
                memcpy(dims, batch[b].dims, sizeof dims);
                dims[batch[b].rank] = classes[c];
                in[0] = dense_array(floats[d], batch[b].rank + 1, dims);
                in[1] = dense_array(label_type, batch[b].rank, batch[b].dims);
                fill_random(&in[0], -20, 20);
                const int64_t top = classes[c] < 127 ? classes[c] : 127;
                for (int64_t i = 0; i < count_of(&in[1]); i++)
                    put_double(label_type, element(&in[1], i), (double)(next_bits() % (uint64_t)top));
                level = top_level();
                bool ok =
                    drive(&reel_k_cross_entropy_, REEL_OP_softmax_cross_entropy, NULL, 2, in, 1, &y, to_level) == 0;
                for (int64_t r = 0; ok && r < count_of(&y); r++) {
                    long double m = -INFINITY, sum = 0;
                    for (int64_t j = 0; j < classes[c]; j++) m = fmaxl(m, (long double)at(&in[0], r * classes[c] + j));
                    for (int64_t j = 0; j < classes[c]; j++)
                        sum += expl((long double)at(&in[0], r * classes[c] + j) - m);
                    const long double l = (long double)at(&in[0], r * classes[c] + (int64_t)at(&in[1], r));
                    const long double w = logl(sum) - (l - m);
                    ok = fabsl((long double)at(&y, r) - w) <= 2 * (long double)ulp[floats[d]] * (fabsl(w) + 1);
                    if (!ok) TAP_NOTE("row %lld: %.17g, expected %.17Lg", (long long)r, at(&y, r), w);
                }
                ok = ok && same_everywhere(&reel_k_cross_entropy_, REEL_OP_softmax_cross_entropy, NULL, 2, in, &y);
                TAP_OK(ok, "cross entropy of %s with %s labels, batch %zu, %lld classes", reel_dtype_name(floats[d]),
                       reel_dtype_name(label_type), b, (long long)classes[c]);
                free(in[0].base), free(in[1].base), free(y.base);
            }
}

static void test_bad_labels(void)
{
    static const double bad[] = {10, -1, 127, -128};
    for (int i = 0; i < 4; i++) {
        array in[2] = {dense_array(REEL_F32, 2, (int64_t[]){40, 10}), dense_array(REEL_I8, 1, (int64_t[]){40})};
        array y = dense_array(REEL_F32, 1, (int64_t[]){40});
        put_double(REEL_I8, element(&in[1], 23), bad[i]);
        put_double(REEL_I8, element(&in[1], 30), 99);
        reel_error e;
        char want[100];
        snprintf(want, sizeof want, "label %d at row 23 is out of range for 10 classes", (int)bad[i]);
        TAP_OK(drive(&reel_k_cross_entropy_, REEL_OP_softmax_cross_entropy, NULL, 2, in, 1, &y, no_swap) == REEL_EARG,
               "label %g refused", bad[i]);
        TAP_OK(reel_take_error(&e) == REEL_EARG && strstr(e.text, want), "with: %s", e.text);
        put_double(REEL_I8, element(&in[1], 23), 9);
        put_double(REEL_I8, element(&in[1], 30), 0);
        TAP_OK(drive(&reel_k_cross_entropy_, REEL_OP_softmax_cross_entropy, NULL, 2, in, 1, &y, no_swap) == 0,
               "the next call works");
        free(in[0].base), free(in[1].base), free(y.base);
    }
    array in[2] = {dense_array(REEL_F32, 2, (int64_t[]){2, 3}), dense_array(REEL_I64, 1, (int64_t[]){2})};
    array y = dense_array(REEL_F32, 1, (int64_t[]){2});
    put_double(REEL_F32, element(&in[0], 0), -INFINITY);
    put_double(REEL_F32, element(&in[0], 4), NAN);
    drive(&reel_k_cross_entropy_, REEL_OP_softmax_cross_entropy, NULL, 2, in, 1, &y, no_swap);
    TAP_OK(at(&y, 0) == INFINITY, "a label of probability 0 costs inf");
    TAP_OK(isnan(at(&y, 1)), "NaN in a row shows in its loss");
    free(in[0].base), free(in[1].base), free(y.base);
}

TAP_MAIN(test_softmax, test_special_rows, test_cross_entropy, test_bad_labels)
