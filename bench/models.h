/* models.h: the six models whose training steps are measured (models_bench.c) and whose memory is tested (tests/test_plan.c). One at a
   time: weights, inputs and optimizer are static. */
#ifndef REEL_BENCH_MODELS_H
#define REEL_BENCH_MODELS_H
#include <math.h>
#include <reel/reel.h>

enum { MAX_WEIGHTS = 64 };

/* Weights by position, which is the order of their first use. */
static struct model {
    reel_vars *vars;
    reel_optimizer *opt;
    reel_tensor *w[MAX_WEIGHTS];
    int n;
} net;
static reel_tensor *in[2]; /* what a step is fed: data, labels */

static int weight(reel_shape s, double spread, double around)
{
    REEL_SCOPED;
    char name[16];
    snprintf(name, sizeof name, "w%d", net.n);
    reel_tensor *w = reel_add(reel_mul(reel_randn(REEL_F32, s), reel_num(spread)), reel_num(around));
    net.w[net.n] = reel_var(net.vars, name, w);
    return net.n++;
}

static void dense_weights(int n_in, int n_out)
{
    weight(REEL_SHAPE(n_in, n_out), sqrt(1.0 / n_in), 0);
    weight(REEL_SHAPE(n_out), 0, 0);
}

static reel_tensor *dense(reel_tensor *x, int first)
{
    return reel_add(reel_matmul(x, net.w[first]), net.w[first + 1]);
}

static reel_tensor *mean_entropy(reel_tensor *logits, reel_tensor *labels)
{
    return reel_mean(reel_softmax_cross_entropy(logits, labels));
}

static void labels(reel_shape s, int classes)
{
    in[1] = reel_cast(
        reel_mod(reel_reshape(reel_arange(REEL_I64, 0, (double)reel_shape_count(s), 1), s), reel_num(classes)),
        REEL_I32);
}

/* ---- dense nets ---------------------------------------------------------------------------------------- */
static const int small_sizes[] = {64, 32, 10, 32}, wide_sizes[] = {784, 256, 10, 64}; /* and the batch */

static void mlp_weights(const int *size)
{
    dense_weights(size[0], size[1]);
    dense_weights(size[1], size[2]);
    in[0] = reel_uniform(REEL_F32, REEL_SHAPE(size[3], size[0]), 0, 1, NULL);
    labels(REEL_SHAPE(size[3]), size[2]);
}
static void mlp_small_begin(void)
{
    mlp_weights(small_sizes);
}
static void mlp_wide_begin(void)
{
    mlp_weights(wide_sizes);
}
static reel_tensor *mlp_loss(reel_tensor *const x[])
{
    return mean_entropy(dense(reel_relu(dense(x[0], 0)), 2), x[1]);
}

/* ---- LeNet: conv5x5 1-32, pool, conv5x5 32-64, pool, 3136-256-10 --------------------------------------- */
static void lenet_begin(void)
{
    weight(REEL_SHAPE(32, 1, 5, 5), 0.2, 0);
    weight(REEL_SHAPE(32), 0, 0);
    weight(REEL_SHAPE(64, 32, 5, 5), 0.035, 0);
    weight(REEL_SHAPE(64), 0, 0);
    dense_weights(3136, 256);
    dense_weights(256, 10);
    in[0] = reel_randn(REEL_F32, REEL_SHAPE(64, 1, 28, 28));
    labels(REEL_SHAPE(64), 10);
}
static reel_tensor *stage(reel_tensor *x, int first)
{
    reel_tensor *y = reel_conv2d(x, net.w[first], REEL_OPTS(conv2d, .padding = REEL_SAME, .bias = net.w[first + 1]));
    return reel_max_pool2d(reel_relu(y), REEL_SHAPE(2, 2), NULL);
}
static reel_tensor *lenet_loss(reel_tensor *const x[])
{
    reel_tensor *y = reel_reshape(stage(stage(x[0], 0), 2), REEL_SHAPE(-1, 3136));
    return mean_entropy(dense(reel_relu(dense(y, 4)), 6), x[1]);
}

/* ---- LSTM 128, T 32, batch 16, then 128-65 at each step -------------------------------------------------- */
static void lstm_begin(void)
{
    weight(REEL_SHAPE(512, 128), 0.05, 0);
    weight(REEL_SHAPE(512, 128), 0.05, 0);
    weight(REEL_SHAPE(512), 0, 0);
    dense_weights(128, 65);
    in[0] = reel_randn(REEL_F32, REEL_SHAPE(32, 16, 128));
    labels(REEL_SHAPE(32 * 16), 65);
}
static reel_tensor *lstm_loss(reel_tensor *const x[])
{
    reel_tensor *y[3];
    if (reel_lstm(x[0], net.w[0], net.w[1], net.w[2], NULL, y)) return NULL;
    return mean_entropy(dense(reel_reshape(y[0], REEL_SHAPE(-1, 128)), 3), x[1]);
}

/* ---- GPT: 4 layers, 128 wide, 4 heads, T 64, batch 12, 65 characters -------------------------------------- */
enum { LAYERS = 4, WIDE = 128, HEADS = 4, LONG = 64, BATCH = 12, CHARS = 65, PER_LAYER = 12 };

static void norm_weights(int n)
{
    weight(REEL_SHAPE(n), 0, 1);
    weight(REEL_SHAPE(n), 0, 0);
}
static void gpt_begin(void)
{
    weight(REEL_SHAPE(CHARS, WIDE), 0.02, 0);
    weight(REEL_SHAPE(LONG, WIDE), 0.02, 0);
    for (int i = 0; i < LAYERS; i++) {
        norm_weights(WIDE);
        dense_weights(WIDE, 3 * WIDE);
        dense_weights(WIDE, WIDE);
        norm_weights(WIDE);
        dense_weights(WIDE, 4 * WIDE);
        dense_weights(4 * WIDE, WIDE);
    }
    norm_weights(WIDE);
    weight(REEL_SHAPE(WIDE, CHARS), 0.02, 0);
    labels(REEL_SHAPE(BATCH, LONG), CHARS);
    in[0] = in[1];
    labels(REEL_SHAPE(BATCH * LONG), CHARS);
}
static reel_tensor *norm(reel_tensor *x, int first)
{
    return reel_layer_norm(x, net.w[first], net.w[first + 1], NULL);
}
static reel_tensor *heads(reel_tensor *x)
{
    return reel_transpose(reel_reshape(x, REEL_SHAPE(BATCH, LONG, HEADS, WIDE / HEADS)), REEL_AXES(0, 2, 1, 3));
}
static reel_tensor *gpt_loss(reel_tensor *const x[])
{
    reel_tensor *h = reel_add(reel_embedding(net.w[0], x[0], NULL), net.w[1]);
    for (int i = 0; i < LAYERS; i++) {
        const int w = 2 + i * PER_LAYER;
        reel_tensor *qkv[3];
        if (reel_split(dense(norm(h, w), w + 2), -1, 3, qkv)) return NULL;
        reel_tensor *y = reel_attention(heads(qkv[0]), heads(qkv[1]), heads(qkv[2]), NULL,
                                        REEL_OPTS(attention, .causal = REEL_CAUSAL));
        y = reel_reshape(reel_transpose(y, REEL_AXES(0, 2, 1, 3)), REEL_SHAPE(BATCH, LONG, WIDE));
        h = reel_add(h, dense(y, w + 4));
        h = reel_add(h, dense(reel_gelu(dense(norm(h, w + 6), w + 8)), w + 10));
    }
    const int last = 2 + LAYERS * PER_LAYER;
    h = reel_matmul(norm(h, last), net.w[last + 2]);
    return mean_entropy(reel_reshape(h, REEL_SHAPE(-1, CHARS)), x[1]);
}

/* ---- ResNet of 8 layers on 32x32: a stem, three blocks of 16, 32 and 64 channels, 64-10; batch 32 ----------- */
static void conv_weights(int n_in, int n_out, int side)
{
    weight(REEL_SHAPE(n_out, n_in, side, side), sqrt(2.0 / (n_in * side * side)), 0);
    norm_weights(n_out);
}
static void resnet_begin(void)
{
    conv_weights(3, 16, 3);
    for (int i = 0, n_in = 16; i < 3; i++) {
        const int n_out = 16 << i;
        conv_weights(n_in, n_out, 3);
        conv_weights(n_out, n_out, 3);
        if (n_in != n_out) conv_weights(n_in, n_out, 1);
        n_in = n_out;
    }
    dense_weights(64, 10);
    in[0] = reel_randn(REEL_F32, REEL_SHAPE(32, 3, 32, 32));
    labels(REEL_SHAPE(32), 10);
}
static reel_tensor *conv_norm(reel_tensor *x, int *w, int stride, reel_padding padding)
{
    reel_tensor *y = reel_conv2d(x, net.w[*w], REEL_OPTS(conv2d, .stride = {stride, stride}, .padding = padding));
    y = reel_batch_norm(y, net.w[*w + 1], net.w[*w + 2], NULL, NULL, REEL_OPTS(batch_norm, .training = true));
    *w += 3;
    return y;
}
static reel_tensor *resnet_loss(reel_tensor *const x[])
{
    int w = 0;
    reel_tensor *h = reel_relu(conv_norm(x[0], &w, 1, REEL_SAME));
    for (int i = 0; i < 3; i++) {
        const int stride = i ? 2 : 1;
        reel_tensor *y = reel_relu(conv_norm(h, &w, stride, REEL_SAME));
        y = conv_norm(y, &w, 1, REEL_SAME);
        h = reel_relu(reel_add(y, i ? conv_norm(h, &w, stride, REEL_VALID) : h));
    }
    h = reel_mean_axes(h, REEL_AXES(2, 3), false);
    return mean_entropy(dense(h, w), x[1]);
}

/* ---- all of them ------------------------------------------------------------------------------------------- */
static const struct kind {
    const char *name;
    void (*begin)(void);
    reel_tensor *(*loss)(reel_tensor *const x[]);
} kinds[] = {{"mlp_small", mlp_small_begin, mlp_loss},
             {"mlp_wide", mlp_wide_begin, mlp_loss},
             {"lenet", lenet_begin, lenet_loss},
             {"lstm", lstm_begin, lstm_loss},
             {"gpt", gpt_begin, gpt_loss},
             {"resnet", resnet_begin, resnet_loss}};

/* A training step of the kind that self points to. */
static int body(void *self, reel_tensor *const x[], reel_tensor *y[])
{
    const struct kind *k = self;
    reel_tape *tape = reel_tape_begin(NULL);
    y[0] = k->loss(x);
    return reel_minimize(net.opt, tape, y[0]);
}
static reel_fn fn_of(int i)
{
    return REEL_FN(body, (void *)(uintptr_t)&kinds[i], 2, 1);
}
#endif
