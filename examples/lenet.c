/* lenet: a small convolutional net (after LeCun, Bottou, Bengio and Haffner 1998) reads hand-written digits: 5x5 convolutions of
   32 and 64 channels, each halved by max pooling, then 3136-256-10. A traced training step is replayed.

       lenet [steps [digits.csv]]             8x8 digits, scaled to 28x28
       lenet steps images-idx3 labels-idx1    MNIST's files, unpacked; the last fifth is for testing */
#include "digits_data.h"
#include <reel/reel.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SIDE = 28, SIZE = SIDE * SIDE, DEALT = 64 };

struct images {
    int n, train;
    unsigned char *pixels; /* n images, 0 to 255 */
    int32_t *label;
};

struct net {
    reel_vars *vars;
    reel_tensor *w1, *b1, *w2, *b2;
    reel_dense hidden, out;
    reel_optimizer *opt;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- data ------------------------------------------------------------------------------------------ */
static int images_make(struct images *d, int n, int train)
{
    d->n = n;
    d->train = train;
    d->pixels = calloc((size_t)n, SIZE);
    d->label = calloc((size_t)n, sizeof *d->label);
    return d->pixels && d->label ? 0 : -1;
}

static int from_csv(struct images *d, const char *path)
{
    static struct digits small;
    if (digits_read(&small, path) || images_make(d, ROWS, TRAIN)) {
        return -1;
    }
    for (int i = 0; i < ROWS; i++) {
        d->label[i] = small.label[i];
        for (int p = 0; p < SIZE; p++) { /* 8 pixels lie 3 apart, with a margin of 3 around them */
            const int row = p / SIDE, col = p % SIDE;
            const double u = (col - 3) / 3.0, v = (row - 3) / 3.0;
            d->pixels[(size_t)i * SIZE + (size_t)p] = (unsigned char)(255 * bilinear(small.x[i], u, v));
        }
    }
    return 0;
}

static long big_endian(FILE *f)
{
    unsigned char b[4] = {0};
    return fread(b, 1, 4, f) == 4 ? (long)b[0] << 24 | (long)b[1] << 16 | (long)b[2] << 8 | (long)b[3] : -1;
}

static int from_idx(struct images *d, const char *images, const char *labels)
{
    FILE *x = fopen(images, "rb"), *y = fopen(labels, "rb");
    bool good = x && y && big_endian(x) == 0x803 && big_endian(y) == 0x801;
    const long n = good ? big_endian(x) : 0;
    good = good && n > 0 && n < 1000000 && big_endian(y) == n && big_endian(x) == SIDE && big_endian(x) == SIDE &&
           images_make(d, (int)n, (int)(n - n / 5)) == 0 && fread(d->pixels, SIZE, (size_t)n, x) == (size_t)n;
    for (long i = 0; good && i < n; i++) {
        const int label = getc(y);
        good = label >= 0 && label < CLASSES;
        d->label[i] = label;
    }
    if (x) {
        fclose(x);
    }
    if (y) {
        fclose(y);
    }
    if (!good) {
        fprintf(stderr, "%s, %s: cannot be read as images of 28x28 in IDX format\n", images, labels);
    }
    return good ? 0 : -1;
}

/* n images from row `first` on, or training rows picked at random */
static void batch(const struct images *d, int first, int n, struct deck *deck, reel_tensor *out[2])
{
    static float x[DEALT * SIZE];
    static int32_t label[DEALT];
    for (int i = 0; i < n; i++) {
        const int row = deck ? (int)(deck_random(deck) % (uint32_t)d->train) : first + i;
        label[i] = d->label[row];
        for (int p = 0; p < SIZE; p++) {
            x[i * SIZE + p] = (float)d->pixels[(size_t)row * SIZE + (size_t)p] / 255 - 0.13f;
        }
    }
    out[0] = reel_from_f32(REEL_SHAPE(n, 1, SIDE, SIDE), x, (size_t)n * SIZE);
    out[1] = reel_from_i32(REEL_SHAPE(n), label, (size_t)n);
}

/* ---- the net --------------------------------------------------------------------------------------- */
static reel_tensor *filters(reel_vars *vars, const char *name, int outputs, int inputs)
{
    const double stddev = sqrt(2.0 / (25 * inputs)); /* He et al. 2015 */
    return reel_var(vars, name, reel_mul(reel_randn(REEL_F32, REEL_SHAPE(outputs, inputs, 5, 5)), reel_num(stddev)));
}

static int net_init(struct net *m)
{
    REEL_SCOPED;
    m->vars = reel_vars_new("lenet");
    m->w1 = filters(m->vars, "conv1_w", 32, 1);
    m->b1 = reel_var(m->vars, "conv1_b", reel_full(REEL_F32, REEL_SHAPE(32), 0));
    m->w2 = filters(m->vars, "conv2_w", 64, 32);
    m->b2 = reel_var(m->vars, "conv2_b", reel_full(REEL_F32, REEL_SHAPE(64), 0));
    reel_dense_init(&m->hidden, m->vars, "hidden", REEL_F32, 7 * 7 * 64, 256);
    reel_dense_init(&m->out, m->vars, "out", REEL_F32, 256, CLASSES);
    m->opt = reel_adam(m->vars, REEL_OPTS(adam, .lr = 1e-3));
    return reel_status();
}

static reel_tensor *stage(reel_tensor *x, reel_tensor *w, reel_tensor *b)
{
    reel_tensor *y = reel_conv2d(x, w, REEL_OPTS(conv2d, .padding = REEL_SAME, .bias = b));
    return reel_max_pool2d(reel_relu(y), REEL_SHAPE(2, 2), NULL);
}

static reel_tensor *logits(const struct net *m, reel_tensor *x)
{
    reel_tensor *y = stage(stage(x, m->w1, m->b1), m->w2, m->b2);
    y = reel_reshape(y, REEL_SHAPE(-1, 7 * 7 * 64));
    return reel_dense_apply(&m->out, reel_relu(reel_dense_apply(&m->hidden, y)));
}

static int train_step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct net *m = self;
    reel_tape *tape = reel_tape_begin(NULL);
    out[0] = reel_mean(reel_softmax_cross_entropy(logits(m, in[0]), in[1]));
    return reel_minimize(m->opt, tape, out[0]);
}

static double accuracy(const struct net *m, const struct images *d, int most)
{
    int right = 0, seen = 0;
    for (int first = d->train; first + DEALT <= d->n && seen < most; first += DEALT) {
        REEL_SCOPED;
        int64_t guess[DEALT] = {0};
        reel_tensor *in[2];
        batch(d, first, DEALT, NULL, in);
        if (reel_read_i64(reel_argmax(logits(m, in[0]), 1), guess, DEALT)) {
            return 0;
        }
        for (int i = 0; i < DEALT; i++) {
            right += guess[i] == d->label[first + i];
        }
        seen += DEALT;
    }
    return 100.0 * right / (seen ? seen : 1);
}

static int run(struct net *m, const struct images *d, int steps)
{
    struct deck deck;
    double seconds[2] = {0};
    const int eager = steps / 4 < 10 ? steps / 4 : 10; /* the first ones, then replays */
    deck_init(&deck, 5);
    reel_seed(1);
    if (net_init(m)) {
        return reel_status();
    }
    reel_function *fast = reel_function_new(REEL_FN(train_step, m, 2, 1), NULL);
    for (int step = 0; step < steps; step++) {
        REEL_SCOPED;
        reel_tensor *in[2], *out[1];
        const bool replay = step >= eager;
        batch(d, 0, DEALT, &deck, in);
        const double start = now();
        if (replay ? reel_function_call(fast, REEL_LIST(in[0], in[1]), out)
                   : reel_invoke(REEL_FN(train_step, m, 2, 1), REEL_LIST(in[0], in[1]), out)) {
            break;
        }
        if (step > 0 && step != eager) { /* those that make plans do not count */
            seconds[replay] += now() - start;
        }
        if (step % 50 == 0 || step + 1 == steps) {
            printf("step %4d: loss %.4f\n", step, reel_item(out[0]));
            fflush(stdout);
        }
    }
    reel_function_free(fast);
    if (reel_status() == 0) {
        printf("lenet: test accuracy %.2f %%, eager %.2f ms/step, replay %.2f ms/step\n", accuracy(m, d, 4096),
               1e3 * seconds[0] / (eager > 1 ? eager - 1 : 1),
               1e3 * seconds[1] / (steps - eager > 1 ? steps - eager - 1 : 1));
    }
    return reel_status();
}

int main(int argc, char **argv)
{
    struct images d = {0};
    struct net m = {0};
    reel_error e;
    const int steps = argc > 1 ? atoi(argv[1]) : 300;
    if (steps < 1 || argc > 4) {
        fprintf(stderr, "usage: lenet [steps [digits.csv | images-idx3 labels-idx1]]\n");
        return 2;
    }
    int rc =
        argc == 4 ? from_idx(&d, argv[2], argv[3]) : from_csv(&d, argc == 3 ? argv[2] : "examples/data/digits.csv");
    rc = rc ? 1 : run(&m, &d, steps);
    if (reel_take_error(&e)) {
        fprintf(stderr, "%s\n", e.text);
        rc = 1;
    }
    reel_optimizer_free(m.opt);
    reel_vars_free(m.vars);
    free(d.pixels);
    free(d.label);
    return rc;
}
