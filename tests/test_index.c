/* test_index.c: indices, joins and copies where the sweep does not look: many parts, long sums, threads, tiles, bool. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bits.h"

static reel_tensor *f32s(int n, const float *x)
{
    return reel_from_f32(REEL_SHAPE(n), x, (size_t)n);
}
#define F32(...) f32s((int)(sizeof((float[]){__VA_ARGS__}) / 4), (const float[]){__VA_ARGS__})
static reel_tensor *i64s(int n, const int64_t *x)
{
    return reel_from_i64(REEL_SHAPE(n), x, (size_t)n);
}
#define I64(...) i64s((int)(sizeof((int64_t[]){__VA_ARGS__}) / 8), (const int64_t[]){__VA_ARGS__})

/* ONNX's own examples, and what they leave open: the last of several values stays. */
static void test_examples(void)
{
    REEL_SCOPED;
    reel_tensor *x = F32(1, 2, 3, 4, 5, 6, 7, 8);
    TAP_OK(same_bits(reel_scatter_nd(x, reel_reshape(I64(4, 3, 1, 7), REEL_SHAPE(4, 1)), F32(9, 10, 11, 12),
                                     REEL_SCATTER_SET),
                     F32(1, 11, 3, 10, 9, 6, 7, 12)),
           "ScatterND's first example");
    TAP_OK(same_bits(reel_scatter(F32(1, 2, 3, 4, 5), I64(1, 1), F32(1.25f, 2.5f), 0, REEL_SCATTER_SET),
                     F32(1, 2.5f, 3, 4, 5)),
           "of two values for one place the last stays");
    TAP_OK(same_bits(reel_scatter(F32(1, 2, 3), I64(1, 1, -1), F32(NAN, 4, 9), 0, REEL_SCATTER_MAX), F32(1, NAN, 9)),
           "a NaN is the maximum");
    reel_tensor *no = reel_cast(F32(0, 0, 1), REEL_BOOL), *yes = reel_cast(F32(1, 1), REEL_BOOL);
    TAP_OK(same_bits(reel_scatter(no, I64(0, 2), yes, 0, REEL_SCATTER_SET), reel_cast(F32(1, 0, 1), REEL_BOOL)),
           "bool can be set");
    TAP_OK(same_bits(reel_scatter_nd(no, reel_reshape(I64(1), REEL_SHAPE(1, 1)), reel_cast(F32(1), REEL_BOOL),
                                     REEL_SCATTER_SET),
                     reel_cast(F32(0, 1, 1), REEL_BOOL)),
           "by place, too");
    TAP_OK(same_bits(reel_roll(F32(1, 2, 3, 4, 5), REEL_AXES(0), (int64_t[]){2}), F32(4, 5, 1, 2, 3)),
           "np.roll's example");
    TAP_OK(same_bits(reel_unfold(reel_reshape(F32(1, 2, 3, 4, 5, 6), REEL_SHAPE(1, 1, 2, 3)), REEL_SHAPE(2, 2), NULL),
                     reel_reshape(F32(1, 2, 2, 3, 4, 5, 5, 6), REEL_SHAPE(1, 4, 2))),
           "im2col of a 2 x 3 image");
}

/* 5,000 ones in a half would stop at 2,048 if each were rounded. */
static void test_long_sums(void)
{
    static const reel_dtype halves[] = {REEL_F16, REEL_BF16};
    static const int64_t n = 5000;
    for (int d = 0; d < 2; d++) {
        REEL_SCOPED;
        const double want = d == 0 ? 5000 : 4992; /* bf16 has 8 bits */
        reel_tensor *rows = reel_zeros(REEL_I32, REEL_SHAPE(n));
        reel_tensor *a =
            reel_index_add(reel_zeros(halves[d], REEL_SHAPE(1)), 0, rows, reel_ones(halves[d], REEL_SHAPE(n)));
        reel_tensor *b =
            reel_index_add(reel_zeros(halves[d], REEL_SHAPE(1, 20)), 0, rows, reel_ones(halves[d], REEL_SHAPE(n, 20)));
        TAP_OK(reel_item(a) == want, "%s: a sum of single elements: %g", reel_dtype_name(halves[d]), reel_item(a));
        TAP_OK(reel_item(reel_select(reel_select(b, 0, 0), 0, 19)) == want, "a sum of rows");
    }
}

static int embed(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tape *tape = reel_tape_begin(NULL);
    (void)self;
    reel_watch(tape, REEL_LIST(in[0]));
    reel_tensor *y = reel_gather(in[0], in[1], 0);
    return reel_grad(tape, reel_sum(reel_square(y)), REEL_LIST(in[0]), out);
}

/* Every kernel with one thread and with all, over shapes large enough to be shared. */
static void test_threads(void)
{
    REEL_SCOPED;
    reel_seed(3);
    reel_tensor *table = reel_randn(REEL_F32, REEL_SHAPE(500, 70)), *thin = reel_randn(REEL_F32, REEL_SHAPE(5000, 3));
    reel_tensor *rows = reel_randint(REEL_I64, REEL_SHAPE(20000), -500, 500, NULL);
    reel_tensor *places = reel_randint(REEL_I32, REEL_SHAPE(50000, 3), 0, 5000, NULL);
    reel_tensor *values = reel_randn(REEL_F32, REEL_SHAPE(50000, 3));
    reel_tensor *y[2][12];
    for (int k = 0; k < 2; k++) {
        reel_set_threads(k == 0 ? 1 : 4);
        int n = 0;
        embed(NULL, (reel_tensor *const[]){table, rows}, &y[k][n++]);
        embed(NULL, (reel_tensor *const[]){thin, rows}, &y[k][n++]);
        y[k][n++] = reel_scatter(thin, places, values, 0, REEL_SCATTER_ADD);
        y[k][n++] = reel_scatter(thin, places, values, 0, REEL_SCATTER_SET);
        y[k][n++] = reel_scatter(thin, places, values, 0, REEL_SCATTER_MUL);
        y[k][n++] = reel_gather_elements(thin, places, 0);
        y[k][n++] =
            reel_pad(table, 2, (int64_t[]){300, 40}, (int64_t[]){2, 500}, REEL_OPTS(pad, .mode = REEL_PAD_REFLECT));
        y[k][n++] = reel_roll(table, REEL_AXES(0, 1), (int64_t[]){77, -5});
        y[k][n++] = reel_tile(table, REEL_SHAPE(3, 2));
        y[k][n++] = reel_unfold(reel_reshape(table, REEL_SHAPE(5, 4, 50, 35)), REEL_SHAPE(3, 3), NULL);
        y[k][n++] = reel_tril(table, 3);
        y[k][n++] = reel_reshape(reel_transpose(table, REEL_ALL_AXES), REEL_SHAPE(-1));
    }
    reel_set_threads(0);
    for (int i = 0; i < 12; i++)
        TAP_OK(same_bits(y[0][i], y[1][i]), "kernel %d: one thread and several give the same bits", i);
}

/* Transposes of every element size around the sides of tiles. */
static void test_tiles(void)
{
    static const int64_t sides[][2] = {{1, 300}, {63, 65},   {64, 64},   {16, 16},
                                       {15, 33}, {128, 130}, {257, 300}, {300, 8}};
    static const reel_dtype dtypes[] = {REEL_U8, REEL_F16, REEL_F32, REEL_F64};
    for (int d = 0; d < 4; d++) {
        bool ok = true;
        for (size_t k = 0; k < sizeof sides / sizeof *sides; k++) {
            REEL_SCOPED;
            const int64_t m = sides[k][0], n = sides[k][1];
            reel_tensor *x = reel_cast(reel_randint(REEL_I32, REEL_SHAPE(m, n), 0, 200, NULL), dtypes[d]);
            reel_tensor *y = reel_reshape(reel_transpose(x, REEL_ALL_AXES), REEL_SHAPE(-1)); /* a copy */
            reel_tensor *f = reel_reshape(reel_flip(x, REEL_AXES(1)), REEL_SHAPE(-1));
            reel_tensor *t = reel_reshape(reel_slice(x, 2, REEL_RANGES(REEL_ALL, {0, REEL_END, 2})), REEL_SHAPE(-1));
            double *a = malloc((size_t)(m * n) * 8), *b = malloc((size_t)(m * n) * 8), *c = malloc((size_t)(m * n) * 8),
                   *e = malloc((size_t)(m * n) * 8);
            reel_read_f64(x, a, (size_t)(m * n));
            reel_read_f64(y, b, (size_t)(m * n));
            reel_read_f64(f, c, (size_t)(m * n));
            reel_read_f64(t, e, (size_t)(m * ((n + 1) / 2)));
            for (int64_t i = 0; i < m; i++)
                for (int64_t j = 0; j < n; j++)
                    ok = ok && b[j * m + i] == a[i * n + j] && c[i * n + n - 1 - j] == a[i * n + j] &&
                         (j % 2 || e[i * ((n + 1) / 2) + j / 2] == a[i * n + j]);
            free(a);
            free(b);
            free(c);
            free(e);
        }
        TAP_OK(ok, "%s: transposed, reversed, every second", reel_dtype_name(dtypes[d]));
    }
}

/* More parts than one op takes. */
static void test_many_parts(void)
{
    REEL_SCOPED;
    enum { N = 200 };
    reel_tensor *xs[N], *part[N], *dxs[N];
    int64_t sizes[N];
    reel_tape *tape = reel_tape_begin(NULL);
    for (int i = 0; i < N; i++) {
        xs[i] = reel_full(REEL_F32, REEL_SHAPE(2), i);
        sizes[i] = 2;
    }
    reel_watch(tape, (reel_list){N, xs});
    reel_tensor *all = reel_concat(((reel_list){N, xs}), 0), *stacked = reel_stack(((reel_list){N, xs}), 1);
    TAP_EQ_INT(reel_dim(all, 0), 2 * N);
    TAP_EQ_INT(reel_dim(stacked, 1), N);
    bool ok = reel_split_sizes(all, 0, N, sizes, part) == 0;
    for (int i = 0; ok && i < N; i++) ok = same_bits(part[i], xs[i]);
    TAP_OK(ok, "200 tensors joined and cut again");
    ok = reel_unstack(stacked, 1, N, part) == 0;
    for (int i = 0; ok && i < N; i++) ok = same_bits(part[i], xs[i]);
    TAP_OK(ok, "stacked and unstacked");
    ok = reel_grad(tape, reel_sum(reel_square(all)), (reel_list){N, xs}, dxs) == 0;
    for (int i = 0; ok && i < N; i++) ok = same_bits(dxs[i], reel_full(REEL_F32, REEL_SHAPE(2), 2 * i));
    TAP_OK(ok, "with gradients");
}

/* mul with zeros among the factors: the derivative is the product of the others. */
static void test_kinks(void)
{
    REEL_SCOPED;
    reel_tensor *x = F32(2), *u = F32(3, 0, 5), *dx[2];
    reel_tape *tape = reel_tape_begin(NULL);
    reel_watch(tape, REEL_LIST(x, u));
    reel_tensor *y = reel_scatter(x, I64(0, 0, 0), u, 0, REEL_SCATTER_MUL);
    TAP_OK(reel_grad(tape, reel_sum(y), REEL_LIST(x, u), dx) == 0 && same_bits(dx[0], F32(0)) &&
               same_bits(dx[1], F32(0, 30, 0)),
           "a zero among factors");
    tape = reel_tape_begin(NULL);
    reel_watch(tape, REEL_LIST(x, u));
    y = reel_scatter(x, I64(0, 0, 0), F32(2, 2, 1), 0, REEL_SCATTER_MAX);
    TAP_OK(reel_grad(tape, reel_sum(y), REEL_LIST(x), dx) == 0 && fabs(reel_item(dx[0]) - 1.0 / 3) < 1e-7,
           "three share a maximum");
    tape = reel_tape_begin(NULL);
    reel_watch(tape, REEL_LIST(x, u));
    y = reel_scatter(x, I64(0, 0, 0), u, 0, REEL_SCATTER_SET);
    TAP_OK(reel_grad(tape, reel_sum(y), REEL_LIST(x, u), dx) == 0 && same_bits(dx[0], F32(0)) &&
               same_bits(dx[1], F32(0, 0, 1)),
           "of several values set the last one has the gradient");
}

static void all(void)
{
    test_examples();
    test_long_sums();
    test_threads();
    test_tiles();
    test_many_parts();
    test_kinks();
}

TAP_MAIN(all)
