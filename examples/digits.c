/* digits: an MLP reads hand-written digits. Its gradient is checked, then it is trained twice from the same
   start: eagerly, and as a traced function that is replayed. Both end with the same bits.

       digits [data.csv [picture.png [epochs]]] */
#include "digits_picture.h"
#include <reel/reel.h>
#include <signal.h>
#include <time.h>

#define LEARNING_RATE 0.03 /* at the first epoch; it falls linearly to 0 */

struct model {
    reel_vars *vars;
    reel_dense hidden, out;
    reel_optimizer *opt;
};

static volatile sig_atomic_t stop;
static void on_interrupt(int sig)
{
    (void)sig;
    stop = 1;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int model_init(struct model *m, uint64_t seed)
{
    reel_seed(seed);
    m->vars = reel_vars_new("mlp");
    reel_dense_init(&m->hidden, m->vars, "hidden", REEL_F32, PIXELS, 32);
    reel_dense_init(&m->out, m->vars, "out", REEL_F32, 32, CLASSES);
    m->opt = reel_adam(m->vars, REEL_OPTS(adam, .lr = LEARNING_RATE, .weight_decay = 3e-4));
    return reel_status();
}

static void model_free(struct model *m)
{
    reel_optimizer_free(m->opt);
    reel_vars_free(m->vars);
}

static reel_tensor *logits(const struct model *m, reel_tensor *x)
{
    return reel_dense_apply(&m->out, reel_relu(reel_dense_apply(&m->hidden, x)));
}

static int loss_fn(void *self, reel_tensor *const in[], reel_tensor *out[]) /* in: images, labels; out: mean loss */
{
    out[0] = reel_mean(reel_softmax_cross_entropy(logits(self, in[0]), in[1]));
    return reel_status();
}

static int train_step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct model *m = self;
    reel_tape *tape = reel_tape_begin(NULL);
    if (loss_fn(m, in, out)) {
        return reel_status();
    }
    return reel_minimize(m->opt, tape, out[0]);
}

static reel_tensor *centred(const struct digits *d, int first, int n)
{
    static float x[TEST][PIXELS];
    digits_centred(d, first, n, x);
    return reel_from_f32(REEL_SHAPE(n, PIXELS), x[0], (size_t)n * PIXELS);
}

static int check_gradient(struct model *m, const struct digits *d)
{
    REEL_SCOPED;
    reel_gradcheck_report r;
    reel_tensor *x = centred(d, 0, 4);
    reel_tensor *label = reel_from_i32(REEL_SHAPE(4), d->label, 4);
    const double start = now();
    if (reel_gradcheck(REEL_FN(loss_fn, m, 2, 1), REEL_LIST(x, label), REEL_OPTS(gradcheck, .vars = m->vars), &r)) {
        return reel_status();
    }
    printf("gradcheck: %lld elements of the inputs and parameters agree with central differences (%.2f s)\n",
           (long long)r.checked, now() - start);
    return 0;
}

struct progress {
    double loss[MAX_EPOCHS]; /* mean of each epoch */
    double seconds;          /* of all steps but the first epoch's, when there are more */
    int steps;
};

static double accuracy(const struct model *m, const struct digits *d)
{
    REEL_SCOPED;
    int64_t guess[TEST] = {0};
    reel_tensor *x = centred(d, TRAIN, TEST);
    int right = 0;
    if (reel_read_i64(reel_argmax(logits(m, x), 1), guess, TEST) == 0) {
        for (int i = 0; i < TEST; i++) {
            right += guess[i] == d->label[TRAIN + i];
        }
    }
    return 100.0 * right / (double)TEST;
}

/* fast: NULL trains eagerly, otherwise by replaying it */
static int train(struct model *m, reel_function *fast, const struct digits *d, int epochs, struct progress *p)
{
    static struct deck deck;
    deck_init(&deck, 3);
    for (int epoch = 0; epoch < epochs && !stop; epoch++) {
        deck_shuffle(&deck);
        reel_assign(reel_optimizer_lr(m->opt),
                    reel_num(LEARNING_RATE * (epochs - epoch) / epochs)); /* a variable: replays see it */
        if (epoch == 1) {
            p->seconds = 0; /* the first epoch traced, planned and warmed up */
            p->steps = 0;
        }
        const double before = p->seconds;
        for (int step = 0; step < STEPS && !stop; step++) {
            REEL_SCOPED;
            reel_tensor *out[1];
            deck_deal(&deck, d, step);
            const double start = now();
            reel_tensor *x = reel_from_f32(REEL_SHAPE(BATCH, PIXELS), deck.x[0], BATCH * PIXELS);
            reel_tensor *label = reel_from_i32(REEL_SHAPE(BATCH), deck.label, BATCH);
            if (fast ? reel_function_call(fast, REEL_LIST(x, label), out)
                     : reel_invoke(REEL_FN(train_step, m, 2, 1), REEL_LIST(x, label), out)) {
                return reel_status();
            }
            p->seconds += now() - start;
            p->steps++;
            p->loss[epoch] += reel_item(out[0]) / (double)STEPS;
        }
        printf("%s epoch %2d/%d: loss %.4f, test accuracy %.1f %%, %.1f us/step\n", fast ? "replay" : "eager ",
               epoch + 1, epochs, p->loss[epoch], accuracy(m, d), (p->seconds - before) / (double)STEPS * 1e6);
        fflush(stdout);
    }
    return reel_status();
}

/* Are the parameters of both the same, byte for byte? */
static bool same_bits(const struct model *a, const struct model *b)
{
    static unsigned char bytes[2][PIXELS * 32 * sizeof(float)];
    const reel_list va = reel_vars_list(a->vars), vb = reel_vars_list(b->vars);
    bool same = va.n == vb.n && va.n > 0;
    for (int i = 0; same && i < va.n; i++) {
        const size_t n = (size_t)reel_shape_count(reel_shape_of(va.t[i])) * reel_dtype_size(reel_dtype_of(va.t[i]));
        same = n <= sizeof bytes[0] && reel_read(va.t[i], bytes[0], n) == 0 && reel_read(vb.t[i], bytes[1], n) == 0 &&
               memcmp(bytes[0], bytes[1], n) == 0;
    }
    return same;
}

static int find_worst(const struct model *m, struct picture *p)
{
    REEL_SCOPED;
    static float loss[TEST];
    int64_t guess[TEST];
    reel_tensor *x = centred(p->data, TRAIN, TEST);
    reel_tensor *label = reel_from_i32(REEL_SHAPE(TEST), p->data->label + TRAIN, TEST), *z = logits(m, x);
    if (reel_read_f32(reel_softmax_cross_entropy(z, label), loss, TEST) ||
        reel_read_i64(reel_argmax(z, 1), guess, TEST)) {
        return reel_status();
    }
    for (int k = 0; k < WORST; k++) {
        int worst = 0;
        for (int i = 1; i < TEST; i++) {
            worst = loss[i] > loss[worst] ? i : worst;
        }
        p->row[k] = TRAIN + worst;
        p->guess[k] = (int)guess[worst];
        p->row_loss[k] = loss[worst];
        loss[worst] = -1;
    }
    return 0;
}

static int run(struct model m[2], const struct digits *d, int epochs, const char *picture)
{
    static struct progress p[2];
    if (model_init(&m[0], 2) || model_init(&m[1], 2) || check_gradient(&m[0], d)) {
        return reel_status();
    }
    if (train(&m[0], NULL, d, epochs, &p[0])) {
        return reel_status();
    }
    reel_function *fast = reel_function_new(REEL_FN(train_step, &m[1], 2, 1), NULL);
    const int rc = train(&m[1], fast, d, epochs, &p[1]);
    reel_function_free(fast);
    if (rc || stop) {
        return rc;
    }
    struct picture pic = {.data = d, .epochs = epochs, .loss = {p[0].loss, p[1].loss}, .accuracy = accuracy(&m[1], d)};
    if (find_worst(&m[1], &pic)) {
        return reel_status();
    }
    if (picture_write(&pic, picture)) {
        perror(picture);
        return 1;
    }
    const bool same = same_bits(&m[0], &m[1]);
    printf("wrote %s\ndigits: accuracy %.2f %%, eager %.1f us/step, replay %.1f us/step, bit-equal %s\n", picture,
           pic.accuracy, p[0].seconds / p[0].steps * 1e6, p[1].seconds / p[1].steps * 1e6, same ? "yes" : "no");
    return same ? 0 : 1;
}

int main(int argc, char **argv)
{
    static struct digits d;
    const int epochs = argc > 3 ? atoi(argv[3]) : 30;
    if (epochs < 1 || epochs > MAX_EPOCHS) {
        fprintf(stderr, "usage: digits [data.csv [picture.png [epochs, 1 to %d]]]\n", MAX_EPOCHS);
        return 2;
    }
    if (digits_read(&d, argc > 1 ? argv[1] : "examples/data/digits.csv")) {
        return 1;
    }
    signal(SIGINT, on_interrupt);
    struct model m[2] = {{0}};
    int rc = run(m, &d, epochs, argc > 2 ? argv[2] : "digits.png");
    reel_error e;
    if (reel_take_error(&e)) {
        fprintf(stderr, "%s\n", e.text);
        rc = 1;
    }
    model_free(&m[0]);
    model_free(&m[1]);
    if (stop) {
        printf("interrupted\n");
        return 130;
    }
    return rc;
}
