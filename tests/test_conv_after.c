/* test_conv_after.c: elementwise steps that are done to the blocks of a convolution, a transposed one or a gradient: always the eager
   bits, by whichever route, layout, rank and grouping. */
#include "replay_help.h"
#include "trace_help.h"

enum { N_IN = 5 }; /* x, w, bias, one a channel, one like the result */

typedef struct conv_case {
    const char *name;
    int rank;
    int64_t x[5], w[5];
    bool transposed, last;
    int stride, pad, dilation, groups;
} conv_case;
typedef enum { RELU, RESIDUAL, SEVERAL, GRADIENT, READ_TWICE, GRADIENT_BY_W } what_follows;
typedef struct program {
    const conv_case *c;
    what_follows what;
} program;

static reel_tensor *conv(const conv_case *c, reel_tensor *x, reel_tensor *w, reel_tensor *bias)
{
    reel_conv_opts o = {.size = sizeof o, .groups = c->groups, .channels_last = c->last, .bias = bias};
    for (int i = 0; i < c->rank - 2; i++) o.stride[i] = c->stride, o.dilation[i] = c->dilation, o.pad[i] = c->pad;
    return c->transposed ? reel_conv_transpose(x, w, &o) : reel_conv(x, w, &o);
}

static int body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const program *p = self;
    reel_tensor *x = in[0], *w = in[1];
    switch (p->what) {
    case RELU: out[0] = reel_relu(conv(p->c, x, w, in[2])); break;
    case RESIDUAL: out[0] = reel_gelu(reel_add(reel_mul(conv(p->c, x, w, NULL), in[3]), in[4])); break;
    case SEVERAL:
        out[2] = reel_add(conv(p->c, x, w, NULL), in[3]);
        out[0] = reel_tanh(out[2]);
        out[1] = reel_greater(out[2], in[4]);
        break;
    case GRADIENT:
    case GRADIENT_BY_W: {
        reel_tape *t = reel_tape_begin(NULL);
        reel_watch(t, REEL_LIST(x, w));
        reel_tensor *loss = reel_sum(reel_square(conv(p->c, reel_relu(x), w, NULL))), *d;
        if (reel_grad(t, loss, REEL_LIST(p->what == GRADIENT ? x : w), &d)) return reel_status();
        out[0] = p->what == GRADIENT ? d : reel_mul(d, reel_num(0.5));
        break;
    }
    case READ_TWICE:
        out[0] = conv(p->c, x, w, in[2]);
        out[1] = reel_tanh(out[0]);
        break;
    }
    return reel_status();
}

static int steps;
static size_t found;

static bool agrees(const conv_case *c, what_follows what, int n_out, reel_tensor *const in[N_IN], const char *passes)
{
    program p = {c, what};
    replayed r;
    const bool ok =
        replays(REEL_FN(body, &p, N_IN, n_out), (reel_list){N_IN, (reel_tensor **)(uintptr_t)in}, passes, &r);
    steps = r.steps;
    found = r.found[REEL_STEPS_EPILOGUE];
    return ok;
}

static reel_tensor *normal(reel_dtype d, int rank, const int64_t *dims)
{
    reel_shape s = {.rank = rank};
    memcpy(s.dims, dims, (size_t)rank * sizeof *dims);
    return reel_cast(reel_randn(REEL_F32, s), d);
}

static bool inputs(const conv_case *c, reel_dtype d, reel_tensor *in[N_IN])
{
    in[0] = normal(d, c->rank, c->x);
    in[1] = normal(d, c->rank, c->w);
    const reel_shape y = reel_shape_of(conv(c, in[0], in[1], NULL));
    const int64_t channels = y.dims[c->last ? y.rank - 1 : 1];
    reel_shape spread = {.rank = c->last ? 1 : c->rank - 1, .dims = {channels}};
    for (int i = 1; i < spread.rank; i++) spread.dims[i] = 1;
    in[2] = reel_cast(reel_randn(REEL_F32, REEL_SHAPE(channels)), d);
    in[3] = reel_cast(reel_randn(REEL_F32, spread), d);
    in[4] = reel_cast(reel_randn(REEL_F32, y), d);
    return in[4] != NULL;
}

static const conv_case cases[] = {
    {"2d", 4, {4, 8, 14, 14}, {16, 8, 3, 3}, false, false, 1, 1, 1, 1},
    {"2d, blocks of images", 4, {8, 16, 28, 28}, {32, 16, 3, 3}, false, false, 1, 1, 1, 1},
    {"2d, one image, parts of channels", 4, {1, 64, 28, 28}, {64, 64, 3, 3}, false, false, 1, 1, 1, 1},
    {"2d, a few pixels", 4, {1, 1, 5, 5}, {2, 1, 3, 3}, false, false, 1, 0, 1, 1},
    {"2d, channels last", 4, {4, 14, 14, 8}, {16, 8, 3, 3}, false, true, 1, 1, 1, 1},
    {"2d, channels last, small parts", 4, {1, 28, 28, 64}, {64, 64, 3, 3}, false, true, 1, 1, 1, 1},
    {"2d, channels last, large parts", 4, {1, 7, 7, 512}, {512, 512, 1, 1}, false, true, 1, 0, 1, 1},
    {"2d, groups", 4, {2, 12, 20, 20}, {24, 3, 3, 3}, false, false, 1, 1, 1, 4},
    {"2d, depthwise", 4, {3, 32, 15, 15}, {32, 1, 3, 3}, false, false, 2, 1, 1, 32},
    {"2d, depthwise, channels last", 4, {3, 15, 15, 32}, {32, 1, 3, 3}, false, true, 1, 1, 1, 32},
    {"2d, pointwise", 4, {4, 32, 9, 9}, {64, 32, 1, 1}, false, false, 1, 0, 1, 1},
    {"2d, large planes", 4, {2, 3, 70, 90}, {5, 3, 3, 3}, false, false, 1, 1, 1, 1},
    {"1d", 3, {5, 6, 100}, {10, 6, 5}, false, false, 2, 3, 2, 1},
    {"3d", 5, {2, 3, 6, 7, 8}, {4, 3, 3, 3, 3}, false, false, 1, 1, 1, 1},
    {"transposed", 4, {4, 32, 14, 14}, {32, 16, 4, 4}, true, false, 2, 1, 1, 1},
    {"transposed, groups", 4, {3, 16, 9, 9}, {16, 4, 3, 3}, true, false, 2, 1, 1, 2},
    {"transposed, channels last", 4, {1, 9, 9, 64}, {64, 32, 3, 3}, true, true, 1, 1, 1, 1},
    {"transposed, one image", 4, {1, 64, 24, 24}, {64, 64, 3, 3}, true, false, 1, 1, 1, 1},
    {"transposed 1d", 3, {2, 5, 40}, {5, 7, 4}, true, false, 3, 0, 1, 1},
};
enum { N_CASES = sizeof cases / sizeof *cases };

static void try_case(const conv_case *c, reel_dtype d)
{
    REEL_SCOPED;
    reel_tensor *in[N_IN];
    if (!TAP_OK(inputs(c, d, in), "%s %s", c->name, reel_dtype_name(d))) return;
    bool ok = agrees(c, RELU, 1, in, NULL);
    TAP_OK(ok && found == 1 && steps == 1, "  relu: %d steps", steps);
    ok = agrees(c, RESIDUAL, 1, in, NULL);
    TAP_OK(ok && found == 1 && steps == 1, "  scale, residual, gelu: %d steps", steps);
    ok = agrees(c, SEVERAL, 3, in, NULL);
    TAP_OK(ok && found == 1 && steps == 1, "  several results: %d steps", steps);
    ok = agrees(c, GRADIENT, 1, in, NULL);
    TAP_OK(ok && found == 2 && steps == 3, "  relu's gradient behind that of the convolution: %d steps", steps);
}

static void test_floats(void)
{
    (void)reel_seed(3);
    /* reduced, for sanitizers: with a half of them, and 4 of the dtypes' cases, the two runs took 125 s there */
    for (int i = 0; i < N_CASES; i += tap_reduced ? 3 : 1) try_case(&cases[i], REEL_F32);
}

static void test_dtypes(void)
{
    static const int some[] = {0, 4, 2, 7, 9, 11, 12, 14, 16, 17};
    static const reel_dtype dtypes[] = {REEL_F64, REEL_F16, REEL_BF16};
    for (int i = 0; i < (tap_reduced ? 2 : 10); i++)
        for (int d = 0; d < 3; d++) try_case(&cases[some[i]], dtypes[d]);
}

static void test_apart(void)
{
    REEL_SCOPED;
    reel_tensor *in[N_IN];
    TAP_OK(inputs(&cases[0], REEL_F32, in), "inputs");
    TAP_OK(agrees(&cases[0], READ_TWICE, 2, in, NULL) && found == 0 && steps == 2, "fetched, too: two steps");
    TAP_OK(agrees(&cases[0], GRADIENT_BY_W, 1, in, NULL) && found == 1 && steps == 4,
           "behind the gradient by the weights");
    TAP_OK(agrees(&cases[0], RELU, 1, in, "default,-epilogue") && found == 0 && steps == 2, "switched off");
}

TAP_MAIN(test_floats, test_dtypes, test_apart)
