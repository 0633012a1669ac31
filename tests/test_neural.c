/* test_neural.c: what the sweep cannot see of normalisation, losses, dropout and quantization: state, fresh draws, published
   values, accuracy far from 0, kinks, threads. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "reel/reel.h"
#include "tap.h"

static reel_tensor *f32(reel_shape s, const float *v)
{
    return reel_from_f32(s, v, (size_t)reel_shape_count(s));
}

static bool near(reel_tensor *t, const double *want, double tol)
{
    double got[64];
    const int64_t n = reel_shape_count(reel_shape_of(t));
    if (n > 64 || reel_read_f64(t, got, (size_t)n)) return false;
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= tol * fmax(1, fabs(want[i])))) {
            TAP_NOTE("element %lld is %.9g, expected %.9g", (long long)i, got[i], want[i]);
            return false;
        }
    return true;
}

/* ---- batch_norm's variables, eagerly and replayed ------------------------------------------------------------- */
typedef struct model {
    reel_tensor *mean, *var;
    reel_batch_norm_opts o;
} model;

static int train(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const model *m = self;
    out[0] = reel_batch_norm(in[0], NULL, NULL, m->mean, m->var, &m->o);
    return reel_status();
}

static void test_running(void)
{
    REEL_SCOPED;
    reel_vars *vars = reel_vars_new("bn");
    model m = {.o = {.size = sizeof m.o, .training = true, .momentum = 0.25}};
    m.mean = reel_var(vars, "mean", reel_zeros(REEL_F32, REEL_SHAPE(2)));
    m.var = reel_var(vars, "var", reel_ones(REEL_F32, REEL_SHAPE(2)));
    reel_tensor *x = f32(REEL_SHAPE(4, 2), (float[]){1, 10, 2, 20, 3, 30, 6, 40}), *out[1];
    train(&m, &x, out); /* means 3 and 25, variances 3.5 and 125, unbiased 14/3 and 500/3 */
    TAP_OK(near(m.mean, (double[]){0.75, 6.25}, 1e-6), "the mean moves by momentum");
    TAP_OK(near(m.var, (double[]){0.75 + 0.25 * 14 / 3, 0.75 + 0.25 * 500 / 3}, 1e-6), "and the unbiased variance");
    reel_function *f = reel_function_new(REEL_FN(train, &m, 1, 1), NULL);
    double mean[2] = {0.75, 6.25};
    for (int i = 0; i < 3; i++) {
        reel_function_call(f, REEL_LIST(x), out);
        mean[0] = 0.75 * mean[0] + 0.25 * 3, mean[1] = 0.75 * mean[1] + 0.25 * 25;
        TAP_OK(near(m.mean, mean, 1e-6), "call %d of a function moves it too", i);
    }
    reel_function_free(f);
    m.o.population = true;
    reel_assign(m.var, reel_zeros(REEL_F32, REEL_SHAPE(2)));
    train(&m, &x, out);
    TAP_OK(near(m.var, (double[]){0.25 * 3.5, 0.25 * 125}, 1e-6), "population: the variance divides by n");
    m.o.training = false;
    reel_assign(m.mean, f32(REEL_SHAPE(2), (float[]){3, 25}));
    reel_assign(m.var, f32(REEL_SHAPE(2), (float[]){3.5f, 125}));
    reel_tensor *y = reel_batch_norm(x, NULL, NULL, m.mean, m.var, &m.o);
    const double a = 1 / sqrt(3.5 + 1e-5), b = 1 / sqrt(125 + 1e-5);
    TAP_OK(near(y, (double[]){-2 * a, -15 * b, -a, -5 * b, 0, 5 * b, 3 * a, 15 * b}, 1e-6), "eval uses them");
    reel_vars_free(vars);
}

/* ---- dropout: new draws at each replay, the same mask in the gradient --------------------------------------------- */
static int drop_and_grad(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tape *tape = reel_tape_begin(NULL);
    reel_watch(tape, REEL_LIST(in[0]));
    out[0] = reel_dropout(in[0], 0.5, NULL);
    return reel_grad(tape, reel_sum(out[0]), REEL_LIST(in[0]), &out[1]);
}

static void test_dropout(void)
{
    enum { N = 4096 };
    REEL_SCOPED;
    static float first[N], second[N], slope[N];
    reel_tensor *x = reel_ones(REEL_F32, REEL_SHAPE(N)), *out[2];
    reel_function *f = reel_function_new(REEL_FN(drop_and_grad, NULL, 1, 2), NULL);
    reel_seed(3);
    int same = 0, kept = 0, matching = 0;
    for (int call = 0; call < 3; call++) {
        reel_function_call(f, REEL_LIST(x), out);
        reel_read_f32(out[0], second, N);
        reel_read_f32(out[1], slope, N);
        same = kept = matching = 0;
        for (int i = 0; i < N; i++) {
            same += first[i] == second[i];
            kept += second[i] == 2;
            matching += slope[i] == second[i];
        }
        TAP_OK(abs(kept - N / 2) < 200, "call %d keeps half: %d", call, kept);
        TAP_OK(matching == N, "call %d: the gradient has the mask", call);
        if (call) TAP_OK(abs(same - N / 2) < 200, "call %d draws anew", call);
        memcpy(first, second, sizeof first);
    }
    reel_seed(3);
    reel_function_call(f, REEL_LIST(x), out);
    static float again[N];
    reel_read_f32(out[0], again, N);
    reel_seed(3);
    drop_and_grad(NULL, &x, out);
    reel_read_f32(out[0], first, N);
    TAP_OK(memcmp(first, again, sizeof first) == 0, "replay draws what eager draws");
    reel_generator *g = reel_generator_new(11), *h = reel_generator_new(11);
    reel_dropout_opts og = {.size = sizeof og, .generator = g}, oh = {.size = sizeof oh, .generator = h};
    reel_read_f32(reel_dropout(x, 0.3, &og), first, N);
    reel_read_f32(reel_dropout(x, 0.3, &oh), second, N);
    TAP_OK(memcmp(first, second, sizeof first) == 0, "a generator's seed decides");
    reel_generator_free(g);
    reel_generator_free(h);
    reel_function_free(f);
}

/* ---- numbers ------------------------------------------------------------------------------------------------------ */
static void test_far(void)
{
    enum { N = 5000 };
    REEL_SCOPED;
    static float v[N];
    for (int i = 0; i < N; i++) v[i] = 1e6f + (float)(i % 7); /* exact in f32 */
    reel_tensor *out[3];
    reel_layer_norm_stats(f32(REEL_SHAPE(1, N), v), NULL, NULL, NULL, out);
    double y[3], mean = 0, var = 0;
    for (int i = 0; i < N; i++) mean += (double)v[i] / N;
    for (int i = 0; i < N; i++) var += ((double)v[i] - mean) * ((double)v[i] - mean) / N;
    TAP_OK(near(reel_reshape(out[2], REEL_SCALAR), (double[]){1 / sqrt(var + 1e-5)}, 1e-6),
           "the variance of numbers far from 0");
    const reel_range r[] = {REEL_ALL, {0, 3, 1}};
    reel_read_f64(reel_slice(out[0], 2, r), y, 3);
    const double rate = 1 / sqrt(var + 1e-5);
    TAP_OK(fabs(y[0] - ((double)v[0] - mean) * rate) < 1e-6 && fabs(y[2] - ((double)v[2] - mean) * rate) < 1e-6,
           "their normalised values keep f32's digits");
}

static void test_threads(void)
{
    REEL_SCOPED;
    enum { R = 300, C = 1700 };
    static float x[R * C], a[R * C], b[R * C];
    for (int i = 0; i < R * C; i++) x[i] = (float)(i % 1013 * 7919 % 1013) / 100 - 5;
    reel_tensor *t = f32(REEL_SHAPE(R, C), x), *s = reel_ones(REEL_F32, REEL_SHAPE(C)), *dx[2];
    for (int axis = 0; axis < 2; axis++) {
        static float ds[2][C];
        for (int threads = 1; threads <= 2; threads++) {
            const reel_layer_norm_opts o = {.size = sizeof o, .axes = {1, {axis}}};
            reel_set_threads(threads);
            reel_tape *tape = reel_tape_begin(NULL);
            reel_watch(tape, REEL_LIST(t, s));
            reel_tensor *y = reel_layer_norm(t, s, NULL, &o);
            reel_grad(tape, reel_sum(reel_mul(y, reel_mul(y, t))), REEL_LIST(t, s), dx);
            reel_read_f32(dx[0], threads == 1 ? a : b, (size_t)R * C);
            reel_read_f32(dx[1], ds[threads - 1], C);
        }
        TAP_OK(memcmp(a, b, sizeof a) == 0 && memcmp(ds[0], ds[1], sizeof ds[0]) == 0,
               "axis %d: one thread and two give the same gradients", axis);
    }
}

static reel_tensor *slope_of(reel_tensor *(*loss)(reel_tensor *x), reel_tensor *x)
{
    reel_tensor *dx = NULL;
    reel_tape *tape = reel_tape_begin(NULL);
    reel_watch(tape, REEL_LIST(x));
    reel_grad(tape, reel_sum(loss(x)), REEL_LIST(x), &dx);
    return dx;
}
#define NONE REEL_OPTS(loss, .reduction = REEL_REDUCE_NONE)
static reel_tensor *l1_of(reel_tensor *x)
{
    return reel_l1_loss(x, reel_num(0), NONE);
}
static reel_tensor *hinge_of(reel_tensor *x)
{
    return reel_hinge_loss(x, reel_num(1), NONE);
}
static reel_tensor *huber_of(reel_tensor *x)
{
    return reel_huber_loss(x, reel_num(0), 1, NONE);
}
static reel_tensor *bce_of(reel_tensor *x)
{
    return reel_binary_cross_entropy(x, reel_num(1), REEL_OPTS(binary_cross_entropy, .reduction = REEL_REDUCE_NONE));
}
static reel_tensor *fake_of(reel_tensor *x)
{
    return reel_fake_quantize(x, reel_num(0.5), reel_num(0), -2, 2);
}

static void test_kinks(void)
{
    REEL_SCOPED;
    reel_tensor *x = f32(REEL_SHAPE(5), (float[]){-1, 0, 1, 0.3f, 2});
    TAP_OK(near(slope_of(l1_of, x), (double[]){-1, 0, 1, 1, 1}, 0), "l1: 0 at 0");
    TAP_OK(near(slope_of(hinge_of, x), (double[]){-1, -1, 0, -1, 0}, 0), "hinge: 0 at the kink");
    TAP_OK(near(slope_of(huber_of, x), (double[]){-1, 0, 1, (double)0.3f, 1}, 1e-7), "huber is smooth");
    reel_tensor *p = f32(REEL_SHAPE(2), (float[]){0, 1});
    TAP_OK(near(slope_of(bce_of, p), (double[]){0, -1}, 1e-6), "binary_cross_entropy: 0 where the logarithm ends");
    TAP_OK(near(bce_of(p), (double[]){100, 0}, 1e-6), "and its value there is 100");
    reel_tensor *q = f32(REEL_SHAPE(5), (float[]){-3, -0.7f, 0, 0.8f, 1.4f});
    TAP_OK(near(fake_of(q), (double[]){-1, -0.5, 0, 1, 1}, 0), "fake_quantize clamps and rounds");
    TAP_OK(near(slope_of(fake_of, q), (double[]){0, 1, 1, 1, 0}, 0), "straight through but where clamped");
}

/* ---- published values ------------------------------------------------------------------------------------------------- */
static void test_published(void)
{
    REEL_SCOPED;
    /* TensorFlow's ctc tests (ctc_loss_op_test.py, testBasic): two sequences of 5 steps, 6 classes, blank last */
    static const float p0[5][6] = {{0.633766f, 0.221185f, 0.0917319f, 0.0129757f, 0.0142857f, 0.0260553f},
                                   {0.111121f, 0.588392f, 0.278779f, 0.0055756f, 0.00569609f, 0.010436f},
                                   {0.0357786f, 0.633813f, 0.321418f, 0.00249248f, 0.00272882f, 0.0037688f},
                                   {0.0663296f, 0.643849f, 0.280111f, 0.00283995f, 0.0035545f, 0.00331533f},
                                   {0.458235f, 0.396634f, 0.123377f, 0.00648837f, 0.00903441f, 0.00623107f}};
    static const float p1[5][6] = {{0.30176f, 0.28562f, 0.0831517f, 0.0862751f, 0.0816851f, 0.161508f},
                                   {0.24082f, 0.397533f, 0.0557226f, 0.0546814f, 0.0557528f, 0.19549f},
                                   {0.230246f, 0.450868f, 0.0389607f, 0.038309f, 0.0391602f, 0.202456f},
                                   {0.280884f, 0.429522f, 0.0326593f, 0.0339046f, 0.0326856f, 0.190345f},
                                   {0.423286f, 0.315517f, 0.0338439f, 0.0393744f, 0.0339315f, 0.154046f}};
    float logs[5][2][6];
    for (int t = 0; t < 5; t++)
        for (int c = 0; c < 6; c++) logs[t][0][c] = logf(p0[t][c]), logs[t][1][c] = logf(p1[t][c]);
    const int32_t targets[2][5] = {{0, 1, 2, 1, 0}, {0, 1, 1, 0, 0}}, lengths[2] = {5, 5}, sizes[2] = {5, 4};
    reel_tensor *l = reel_from((reel_type){REEL_I32, {2, {2, 5}}}, targets, sizeof targets);
    reel_tensor *n = reel_from((reel_type){REEL_I32, {1, {2}}}, lengths, sizeof lengths);
    reel_tensor *s = reel_from((reel_type){REEL_I32, {1, {2}}}, sizes, sizeof sizes);
    reel_tensor *loss = reel_ctc_loss(f32(REEL_SHAPE(5, 2, 6), &logs[0][0][0]), l, n, s,
                                      REEL_OPTS(ctc, .blank = 5, .reduction = REEL_REDUCE_NONE));
    TAP_OK(near(loss, (double[]){3.34211, 5.42262}, 1e-5), "TensorFlow's ctc losses");
}

TAP_MAIN(test_running, test_dropout, test_far, test_threads, test_kinks, test_published)
