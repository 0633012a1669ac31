/* test_columns.c: reductions by any axes that follow what elementwise steps make: which do, which must not, and always the bits that
   they have eagerly. */
#include "replay_help.h"
#include "trace_help.h"

static int steps;
static size_t found;

typedef int program(reel_tensor *const in[], reel_tensor *out[]);
typedef struct holder {
    program *f;
} holder;
static int call(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const holder *h = self;
    return h->f(in, out);
}

static bool agrees(program *f, int n_out, reel_tensor *x, reel_tensor *y, const char *passes)
{
    holder h = {f};
    replayed r;
    const bool ok = replays(REEL_FN(call, &h, 2, n_out), REEL_LIST(x, y), passes, &r);
    steps = r.steps;
    found = r.found[REEL_STEPS_COLUMNS];
    return ok;
}

static reel_axes by; /* what the programs reduce */

/* The gradient of gelu, which others read too, and that of a bias. */
static int gradient(reel_tensor *const in[], reel_tensor *out[])
{
    out[0] = reel_mul(reel_sigmoid(in[0]), reel_sub(in[1], in[0]));
    out[1] = reel_sum_axes(out[0], by, false);
    return reel_status();
}
/* Nobody else reads it. */
static int only_sums(reel_tensor *const in[], reel_tensor *out[])
{
    out[0] = reel_mean_axes(reel_mul(in[0], in[1]), by, true);
    return reel_status();
}
static int kinds(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *z = reel_sub(reel_mul(in[0], reel_num(3)), in[1]);
    out[0] = reel_variance(z, by, 1, false);
    out[1] = reel_max_axes(z, by, false);
    out[2] = reel_logsumexp_axes(z, by, false);
    out[3] = reel_l1(z, by, true);
    return reel_status();
}

typedef struct shaped {
    int rank;
    int64_t dims[4];
    reel_axes axes;
} shaped;
#define A(...)                                      \
    {                                               \
        sizeof((int[]){__VA_ARGS__}) / sizeof(int), \
        {                                           \
            __VA_ARGS__                             \
        }                                           \
    }
static const shaped shapes[] = {
    {2, {3, 7}, A(0)},
    {2, {64, 10}, A(0)},
    {2, {300, 33}, A(0)},
    {2, {64, 1000}, A(0)},           /* all columns at once, or tiles of them */
    {2, {2000, 64}, A(0)},           /* two parts */
    {2, {5000, 20}, A(0)},           /* narrow, contiguous */
    {2, {1500, 300}, A(0)},          /* parts and tiles, the last ones smaller */
    {2, {9000, 70}, A(0)},           /* nine parts, two tiles */
    {2, {5100, 33}, A(0)},           /* five parts */
    {2, {40000, 3}, A(0)},           /* too narrow for columns */
    {2, {2, 40000}, A(0)},           /* two rows */
    {4, {4, 6, 30, 30}, A(0, 2, 3)}, /* of a convolution: small */
    {4, {16, 5, 31, 29}, A(0, 2, 3)},
    {4, {70, 3, 40, 40}, A(0, 2, 3)}, /* parts within an image */
    {4, {64, 32, 5, 5}, A(0, 2, 3)},  /* short runs: apart */
    {4, {3, 4, 50, 130}, A(1)},
    {4, {3, 400, 2, 80}, A(1)},
    {4, {30, 20, 10, 65}, A(0, 2)},
    {4, {8, 16, 28, 28}, A(0, 1)},
    {3, {90, 1, 700}, A(0)},
    {3, {4, 1000, 40}, A(1)},         /* columns of each of four */
    {4, {3, 4, 50, 130}, A(0, 2, 3)}, /* long runs, short ones */
    {4, {20, 5, 70, 60}, A(0, 2, 3)},
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static reel_tensor *normal(reel_dtype d, const shaped *s)
{
    reel_shape shape = {.rank = s->rank};
    memcpy(shape.dims, s->dims, (size_t)s->rank * sizeof *s->dims);
    return reel_cast(reel_randn(REEL_F32, shape), d);
}

static void test_shapes(void)
{
    static const reel_dtype dtypes[] = {REEL_F32, REEL_F64, REEL_F16, REEL_BF16};
    (void)reel_seed(11);
    for (int i = 0; i < N_SHAPES; i++)
        for (int d = 0; d < 4; d++) {
            if (tap_reduced && d > 0 && i % 4 != d) continue;
            REEL_SCOPED;
            const shaped *s = &shapes[i];
            reel_tensor *x = normal(dtypes[d], s), *y = normal(dtypes[d], s);
            by = s->axes;
            TAP_OK(agrees(gradient, 2, x, y, NULL) && found == 1 && steps == 1, "shape %d %s: gradient and its sum", i,
                   reel_dtype_name(dtypes[d]));
            TAP_OK(agrees(only_sums, 1, x, y, NULL) && found == 1 && steps == 1, "  a mean alone: %d steps", steps);
            TAP_OK(agrees(kinds, 4, x, y, NULL) && found == 4 && steps == 1, "  four kinds: %d steps", steps);
            TAP_OK(agrees(gradient, 2, x, y, "default,-columns") && found == 0 && steps == 2, "  switched off");
        }
}

/* Numbers to which the order of a sum matters; infinities and NaN. */
static void test_hard_sums(void)
{
    REEL_SCOPED;
    const shaped s = {2, {5000, 130}, A(0)};
    reel_tensor *x = reel_exp(reel_mul(normal(REEL_F32, &s), reel_num(9))), *y = normal(REEL_F32, &s);
    reel_tensor *odd = reel_where(reel_greater(y, reel_num(3.5)), reel_full_like(x, (double)INFINITY), x);
    by = s.axes;
    TAP_OK(agrees(only_sums, 1, x, y, NULL) && found == 1, "sizes from 1e-12 to 1e12");
    TAP_OK(agrees(only_sums, 1, odd, y, NULL) && found == 1, "infinities");
    TAP_OK(agrees(only_sums, 1, reel_sqrt(y), y, NULL) && found == 1, "NaN");
}

/* ---- what must stay apart, and what goes together -------------------------------------------------------- */

static int five(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *z = reel_mul(in[0], in[1]);
    out[0] = reel_sum_axes(z, by, false);
    out[1] = reel_mean_axes(z, by, false);
    out[2] = reel_max_axes(z, by, false);
    out[3] = reel_min_axes(z, by, false);
    out[4] = reel_prod_axes(z, by, false);
    return reel_status();
}
static int two_ways(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *z = reel_mul(in[0], in[1]);
    out[0] = reel_sum_axes(z, REEL_AXES(0), false);
    out[1] = reel_sum_axes(z, REEL_AXES(0, 2), false);
    out[2] = z;
    return reel_status();
}
static int turned(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *z = reel_mul(in[0], in[1]);
    out[0] = reel_sum_axes(reel_transpose(z, REEL_ALL_AXES), REEL_AXES(2), false);
    out[1] = reel_sum_axes(reel_reshape(z, REEL_SHAPE(-1, 6)), REEL_AXES(0), false);
    return reel_status();
}
static int across(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *z = reel_mul(in[0], in[1]);
    out[0] = reel_sum_axes(reel_transpose(z, REEL_ALL_AXES), REEL_AXES(0), false); /* of the same shape, turned */
    return reel_status();
}
static int behind_a_product(reel_tensor *const in[], reel_tensor *out[])
{
    out[0] = reel_tanh(reel_matmul(in[0], in[1]));
    out[1] = reel_sum_axes(out[0], REEL_AXES(0), false);
    return reel_status();
}
/* Mean and spread of columns, used again: what is reduced is made once. */
static int standardized(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *z = reel_add(in[0], in[1]);
    reel_tensor *d = reel_sub(z, reel_mean_axes(z, REEL_AXES(0), true));
    out[0] = reel_div(d, reel_sqrt(reel_add(reel_mean_axes(reel_square(d), REEL_AXES(0), true), reel_num(1e-5))));
    return reel_status();
}
/* By the gradient of a broadcast: sum_like. */
static int broadcast_back(reel_tensor *const in[], reel_tensor *out[])
{
    reel_tape *t = reel_tape_begin(NULL);
    reel_tensor *scale = reel_slice(in[1], 1, REEL_RANGES({0, 1, 1}));
    reel_watch(t, REEL_LIST(scale));
    reel_tensor *loss = reel_sum(reel_square(reel_mul(in[0], scale)));
    return reel_grad(t, loss, REEL_LIST(scale), out);
}

static void test_neighbours(void)
{
    REEL_SCOPED;
    const shaped cube = {3, {40, 90, 6}, A(0)}, square = {2, {300, 300}, A(0)}, tall = {2, {4000, 96}, A(0)};
    reel_tensor *x = normal(REEL_F32, &cube), *y = normal(REEL_F32, &cube);
    by = cube.axes;
    TAP_OK(agrees(five, 5, x, y, NULL) && found == 4 && steps == 2, "four of five: %d, %d steps", (int)found, steps);
    TAP_OK(agrees(two_ways, 3, x, y, NULL) && found == 1 && steps == 2, "by other axes: apart");
    TAP_OK(agrees(turned, 2, x, y, NULL) && found == 0, "of a view: apart");
    x = normal(REEL_F32, &square), y = normal(REEL_F32, &square);
    TAP_OK(agrees(across, 1, x, y, NULL) && found == 0, "of its transpose: apart");
    TAP_OK(agrees(behind_a_product, 2, x, y, NULL) && found == 0 && steps == 2, "a product keeps its epilogue");
    x = normal(REEL_F32, &tall), y = normal(REEL_F32, &tall);
    TAP_OK(agrees(standardized, 1, x, y, NULL) && found == 2 && steps <= 4, "columns standardized: %d steps", steps);
    TAP_OK(agrees(broadcast_back, 1, x, y, NULL) && found == 1, "the gradient of a broadcast: %d steps", steps);
}

TAP_MAIN(test_shapes, test_hard_sums, test_neighbours)
