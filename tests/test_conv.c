/* test_conv.c: what the sweep does not see of convolution and pooling: worked examples, kinks, the portable route against
   oneDNN's, any number of threads, and that oneDNN never falls back to its reference kernels. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/conv.h"
#include "reel/reel.h"
#include "tap.h"

static bool equal(reel_tensor *t, const double *want, int n)
{
    double got[64];
    if (!t || n > 64 || reel_read_f64(t, got, (size_t)n)) {
        reel_error e = {0};
        reel_take_error(&e);
        TAP_NOTE("%s", e.text);
        return false;
    }
    for (int i = 0; i < n; i++)
        if (got[i] != want[i] && !(isnan(got[i]) && isnan(want[i]))) {
            TAP_NOTE("element %d is %g, expected %g", i, got[i], want[i]);
            return false;
        }
    return true;
}
#define EQUAL(t, what, ...)                                                       \
    do {                                                                          \
        const double want_[] = {__VA_ARGS__};                                     \
        TAP_OK(equal(t, want_, (int)(sizeof want_ / sizeof *want_)), "%s", what); \
    } while (0)

static reel_tensor *counting(reel_shape s)
{
    return reel_reshape(reel_arange(REEL_F32, 0, (double)reel_shape_count(s), 1), s);
}

static reel_tensor *ones(reel_shape s)
{
    return reel_full(REEL_F32, s, 1);
}

/* ONNX's operator documentation works these out for a 5x5 image of 0 to 24 and a 3x3 kernel of ones, and ConvTranspose's
   for a 3x3 image of 0 to 8. */
static void worked_examples(void)
{
    REEL_SCOPED;
    reel_tensor *x = counting(REEL_SHAPE(1, 1, 5, 5)), *k = ones(REEL_SHAPE(1, 1, 3, 3));
    EQUAL(reel_conv2d(x, k, REEL_OPTS(conv2d, .pad = {1, 1})), "conv2d, padded by 1", 12, 21, 27, 33, 24, 33, 54, 63,
          72, 51, 63, 99, 108, 117, 81, 93, 144, 153, 162, 111, 72, 111, 117, 123, 84);
    EQUAL(reel_conv2d(x, k, NULL), "conv2d without padding", 54, 63, 72, 99, 108, 117, 144, 153, 162);
    EQUAL(reel_conv2d(x, k, REEL_OPTS(conv2d, .stride = {2, 2}, .padding = REEL_SAME_LOWER)),
          "conv2d, stride 2, SAME_LOWER", 12, 27, 24, 63, 108, 81, 72, 117, 84);
    EQUAL(reel_conv2d(x, k, REEL_OPTS(conv2d, .stride = {2, 2}, .pad_before = {1, 0}, .pad_after = {1, 0})),
          "conv2d, padded along one axis", 21, 33, 99, 117, 111, 123);
    reel_tensor *small = counting(REEL_SHAPE(1, 1, 3, 3)), *two = ones(REEL_SHAPE(1, 1, 3, 3));
    EQUAL(reel_conv_transpose2d(small, two, NULL), "conv_transpose2d", 0, 1, 3, 3, 2, 3, 8, 15, 12, 7, 9, 21, 36, 27,
          15, 9, 20, 33, 24, 13, 6, 13, 21, 15, 8);
    EQUAL(reel_conv_transpose1d(counting(REEL_SHAPE(1, 1, 3)), ones(REEL_SHAPE(1, 1, 3)), NULL), "conv_transpose1d", 0,
          1, 3, 3, 2);
    EQUAL(reel_max_pool2d(reel_add(x, reel_num(1)), REEL_SHAPE(5, 5),
                          REEL_OPTS(max_pool, .stride = {1, 1}, .pad = {2, 2})),
          "max_pool2d, padded", 13, 14, 15, 15, 15, 18, 19, 20, 20, 20, 23, 24, 25, 25, 25, 23, 24, 25, 25, 25, 23, 24,
          25, 25, 25);
    EQUAL(reel_avg_pool2d(reel_add(x, reel_num(1)), REEL_SHAPE(5, 5),
                          REEL_OPTS(avg_pool, .stride = {4, 4}, .pad = {2, 2}, .exclude_pad = true)),
          "avg_pool2d, corners", 7, 9, 17, 19);
    EQUAL(reel_max_pool2d(counting(REEL_SHAPE(1, 1, 4, 4)), REEL_SHAPE(3, 3),
                          REEL_OPTS(max_pool, .stride = {2, 2}, .ceil_mode = true)),
          "max_pool2d, ceil_mode", 10, 11, 14, 15);
    EQUAL(reel_max_pool1d(counting(REEL_SHAPE(1, 1, 2)), REEL_SHAPE(1),
                          REEL_OPTS(max_pool, .stride = {2}, .ceil_mode = true)),
          "no window begins behind the image", 0);
}

static reel_tensor *gradient(reel_tensor *x, reel_tensor *(*f)(reel_tensor *x))
{
    reel_tensor *dx = NULL;
    reel_tape *tape = reel_tape_begin(NULL);
    reel_watch(tape, REEL_LIST(x));
    reel_tensor *y = reel_sum(f(x));
    reel_grad(tape, y, REEL_LIST(x), &dx);
    return dx;
}

static reel_tensor *pooled(reel_tensor *x)
{
    return reel_max_pool1d(x, REEL_SHAPE(2), NULL);
}
static reel_tensor *pooled_wide(reel_tensor *x)
{
    return reel_max_pool1d(x, REEL_SHAPE(3), REEL_OPTS(max_pool, .stride = {1}));
}
static reel_tensor *normed(reel_tensor *x)
{
    return reel_lp_pool(x, 2, REEL_SHAPE(2), NULL);
}

static reel_tensor *row(const float *v, int n)
{
    return reel_from_f32(REEL_SHAPE(1, 1, n), v, (size_t)n);
}
#define ROW(...) row((const float[]){__VA_ARGS__}, (int)(sizeof((const float[]){__VA_ARGS__}) / sizeof(float)))

static void kinks(void)
{
    REEL_SCOPED;
    const double inf = INFINITY;
    EQUAL(gradient(ROW(3, 3, 1, 2), pooled), "of equal maxima the first has the gradient", 1, 0, 0, 1);
    EQUAL(gradient(ROW(1, 5, 2, 5, 0), pooled_wide), "overlapping windows add up", 0, 2, 0, 1, 0);
    EQUAL(gradient(ROW(1, NAN, NAN, 2), pooled), "a NaN is a maximum", 0, 1, 1, 0);
    EQUAL(pooled(ROW(1, NAN, -INFINITY, -INFINITY)), "NaN and -inf come out", NAN, -inf);
    EQUAL(reel_max_pool_indices(ROW(-INFINITY, -INFINITY, NAN, NAN), REEL_SHAPE(2), NULL), "the first of equals", 0, 2);
    EQUAL(gradient(ROW(0, 0, 3, 4), normed), "lp_pool has derivative 0 at 0", 0, 0, 0.6f, 0.8f);
    reel_tensor *twice = reel_from_i64(REEL_SHAPE(1, 1, 3), (const int64_t[]){2, 2, -1}, 3);
    EQUAL(reel_max_unpool(ROW(5, 6, 7), twice, REEL_SHAPE(4), false),
          "of equal indices the last counts, -1 puts nothing", 0, 0, 6, 0);
    EQUAL(reel_avg_pool1d(ROW(4, 8), REEL_SHAPE(2), REEL_OPTS(avg_pool, .stride = {1}, .pad = {1})), "padding counts",
          2, 6, 4);
    EQUAL(
        reel_avg_pool1d(ROW(4, 8), REEL_SHAPE(2), REEL_OPTS(avg_pool, .stride = {1}, .pad = {1}, .exclude_pad = true)),
        "or does not", 4, 6, 8);
    EQUAL(reel_avg_pool1d(ROW(4, 8), REEL_SHAPE(2), REEL_OPTS(avg_pool, .divisor = 3)), "a divisor of one's own", 4);
}

/* ---- routes and threads ---------------------------------------------------------------------------------- */
typedef struct layer {
    reel_shape x, w;
    reel_conv_opts o;
} layer;
static const layer layers[] = {
    {{4, {8, 1, 28, 28}}, {4, {32, 1, 5, 5}}, {.padding = REEL_SAME}},
    {{4, {6, 32, 14, 14}}, {4, {64, 32, 3, 3}}, {.pad = {1, 1}}},
    {{4, {2, 64, 28, 28}}, {4, {64, 64, 3, 3}}, {.pad = {1, 1}}},
    {{4, {1, 64, 28, 28}}, {4, {128, 64, 1, 1}}, {.stride = {2, 2}}},
    {{4, {2, 28, 28, 64}}, {4, {64, 64, 3, 3}}, {.pad = {1, 1}, .channels_last = true}},
    {{4, {2, 3, 56, 56}}, {4, {64, 3, 7, 7}}, {.stride = {2, 2}, .pad = {3, 3}}},
    {{4, {8, 128, 7, 7}}, {4, {256, 128, 3, 3}}, {.pad = {1, 1}}}, /* weights reordered in slices */
    {{4, {2, 64, 28, 28}}, {4, {64, 1, 3, 3}}, {.groups = 64, .pad = {1, 1}}},
    {{4, {7, 30, 13, 11}}, {4, {20, 15, 3, 3}}, {.groups = 2, .dilation = {2, 1}}},
    {{5, {2, 16, 8, 9, 10}}, {5, {24, 16, 3, 3, 3}}, {.pad = {1, 1, 1}}},
    {{3, {4, 32, 100}}, {3, {48, 32, 5}}, {.pad = {2}}},
};
enum { N_LAYERS = sizeof layers / sizeof *layers };

typedef struct results {
    float *y[3]; /* y, dx, dw */
    size_t n[3];
    const layer *l;
    bool ok;
} results;

static void *run_layer(void *arg)
{
    results *r = arg;
    REEL_SCOPED;
    reel_seed(11);
    reel_conv_opts o = r->l->o;
    o.size = sizeof o;
    reel_shape images = r->l->x;
    if (tap_reduced) images.dims[0] = (images.dims[0] + 3) / 4;
    reel_tensor *x = reel_randn(REEL_F32, images), *w = reel_randn(REEL_F32, r->l->w), *d[2], *all[3];
    reel_tape *tape = reel_tape_begin(NULL);
    reel_watch(tape, REEL_LIST(x, w));
    all[0] = reel_conv(x, w, &o);
    reel_grad(tape, reel_mean(reel_square(all[0])), REEL_LIST(x, w), d);
    all[1] = d[0], all[2] = d[1];
    r->ok = reel_status() == 0;
    for (int i = 0; r->ok && i < 3; i++) {
        r->n[i] = (size_t)reel_shape_count(reel_shape_of(all[i]));
        r->y[i] = malloc(r->n[i] * sizeof(float));
        r->ok = reel_read_f32(all[i], r->y[i], r->n[i]) == 0;
    }
    reel_error e = {0};
    if (reel_take_error(&e)) TAP_NOTE("%s", e.text);
    return NULL;
}

/* On a thread of its own: plans belong to a thread, and these shall be made anew. */
static results layer_on_thread(const layer *l, int threads, bool portable)
{
    results r = {.l = l};
    pthread_t t;
    if (portable)
        setenv("REEL_CONV", "portable", 1);
    else
        unsetenv("REEL_CONV");
    reel_set_threads(threads);
    pthread_create(&t, NULL, run_layer, &r);
    pthread_join(t, NULL);
    unsetenv("REEL_CONV");
    reel_set_threads(0);
    return r;
}

static void forget(results *r)
{
    for (int i = 0; i < 3; i++) free(r->y[i]);
}

static double difference(const results *a, const results *b, int i)
{
    double most = 0, size = 1e-30;
    for (size_t k = 0; k < a->n[i]; k++) {
        const double d = fabs((double)a->y[i][k] - (double)b->y[i][k]);
        most = d > most ? d : most;
        size = fabs((double)b->y[i][k]) > size ? fabs((double)b->y[i][k]) : size;
    }
    return most / size;
}

static void routes(void)
{
    static const char *const names[3] = {"result", "gradient by x", "gradient by w"};
    for (int k = 0; k < N_LAYERS; k++) {
        results one = layer_on_thread(&layers[k], 1, false), three = layer_on_thread(&layers[k], 3, false);
        results plain = layer_on_thread(&layers[k], 1, true), plain3 = layer_on_thread(&layers[k], 3, true);
        const bool ok = one.ok && three.ok && plain.ok && plain3.ok;
        TAP_OK(ok, "layer %d runs", k);
        for (int i = 0; ok && i < 3; i++) {
            TAP_OK(!memcmp(one.y[i], three.y[i], one.n[i] * sizeof(float)), "layer %d, %s: 1 and 3 threads, equal bits",
                   k, names[i]);
            TAP_OK(!memcmp(plain.y[i], plain3.y[i], one.n[i] * sizeof(float)),
                   "layer %d, %s: also by the portable route", k, names[i]);
            TAP_OK(difference(&one, &plain, i) < 2e-5, "layer %d, %s: both routes agree (%g)", k, names[i],
                   difference(&one, &plain, i));
        }
        forget(&one), forget(&three), forget(&plain), forget(&plain3);
    }
}

/* oneDNN has a kernel of its own for each of the common shapes, or the portable route is taken: never "ref". */
static void no_reference_kernels(void)
{
#ifdef REEL_HAVE_ONEDNN
    static const conv_kind kinds[] = {CONV_FORWARD, CONV_INPUT, CONV_WEIGHTS};
    for (int k = 0; k < 3; k++) {
        conv_shape s = {.kind = kinds[k], .n = 8, .c = 64, .o = 64, .groups = 1, .cg = 64, .og = 64};
        s.in = s.out = 28 * 28, s.taps = 9, s.k = 64 * 9;
        s.win[0] = (reel_window){1, 1, 1, 1, 1, 0, 0, 0};
        s.win[1] = s.win[2] = (reel_window){28, 28, 3, 1, 1, 1, 1, 0};
        conv_dnn *d = NULL;
        size_t workspace = 0;
        TAP_OK(reel_conv_dnn_new_(&s, &d, &workspace) == 0, "oneDNN is asked");
        TAP_OK(!d || !strstr(reel_conv_dnn_name_(d), "ref"), "kind %d by %s", k,
               d ? reel_conv_dnn_name_(d) : "the portable route");
        reel_conv_dnn_free_(d);
    }
#endif
}

static void conv_tests(void)
{
    worked_examples();
    kinks();
    routes();
    no_reference_kernels();
    TAP_OK(reel_status() == 0, "no error is left");
}

TAP_MAIN(conv_tests)
