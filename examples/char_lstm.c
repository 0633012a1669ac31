/* char_lstm: an LSTM (Hochreiter & Schmidhuber 1997) learns to continue a text, by default this one. Truncated
   backpropagation through time: the state is input and output of the step, so eager and replay agree.

       char_lstm [text [steps]] */
#include <math.h>
#include <reel/reel.h>
#include <stdlib.h>

enum { VOCABULARY = 96, HIDDEN = 96, BATCH = 8, TIME = 24, LONGEST = 1 << 20 };

struct lstm {
    reel_vars *vars;
    reel_tensor *wx, *wh, *b;
    reel_dense out;
    reel_optimizer *opt;
};

static reel_tensor *scaled_normal(reel_vars *vars, const char *name, int64_t rows, int64_t columns)
{
    REEL_SCOPED;
    return reel_var(vars, name, reel_normal(REEL_F32, REEL_SHAPE(rows, columns), 0, 1 / sqrt((double)rows), NULL));
}

static int lstm_init(struct lstm *m)
{
    m->vars = reel_vars_new("lstm");
    m->wx = scaled_normal(m->vars, "wx", VOCABULARY, 4 * HIDDEN);
    m->wh = scaled_normal(m->vars, "wh", HIDDEN, 4 * HIDDEN);
    m->b = scaled_normal(m->vars, "b", 1, 4 * HIDDEN);
    reel_dense_init(&m->out, m->vars, "out", REEL_F32, HIDDEN, VOCABULARY);
    m->opt = reel_adam(m->vars, REEL_OPTS(adam, .lr = 4e-3));
    return reel_status();
}

/* One character: state h, c and logits of the next one */
static reel_tensor *advance(const struct lstm *m, reel_tensor *letter, reel_tensor **h, reel_tensor **c)
{
    reel_tensor *x = reel_one_hot(letter, VOCABULARY, REEL_F32), *gate[4];
    reel_tensor *z = reel_add(reel_add(reel_matmul(x, m->wx), reel_matmul(*h, m->wh)), m->b);
    reel_split(z, 1, 4, gate);
    *c = reel_add(reel_mul(reel_sigmoid(gate[1]), *c), reel_mul(reel_sigmoid(gate[0]), reel_tanh(gate[2])));
    *h = reel_mul(reel_sigmoid(gate[3]), reel_tanh(*c));
    return reel_dense_apply(&m->out, *h);
}

static int train_step(void *self, reel_tensor *const in[],
                      reel_tensor *out[]) /* letters, next ones, h, c; loss, h, c */
{
    struct lstm *m = self;
    reel_tape *tape = reel_tape_begin(NULL);
    reel_tensor *h = in[2], *c = in[3], *loss = reel_num(0);
    for (int t = 0; t < TIME; t++) {
        reel_tensor *guess = advance(m, reel_select(in[0], 0, t), &h, &c);
        loss = reel_add(loss, reel_mean(reel_softmax_cross_entropy(guess, reel_select(in[1], 0, t))));
    }
    out[0] = reel_mul(loss, reel_num(1.0 / (double)TIME));
    out[1] = h;
    out[2] = c;
    return reel_minimize(m->opt, tape, out[0]);
}

static int speak_step(void *self, reel_tensor *const in[], reel_tensor *out[]) /* letter, h, c; likeliest next, h, c */
{
    out[1] = in[1];
    out[2] = in[2];
    out[0] = reel_argmax(advance(self, in[0], &out[1], &out[2]), 1);
    return reel_status();
}

static int64_t code(int c)
{
    return c >= ' ' && c < 127 ? c - ' ' + 1 : 0; /* 0: everything else, a newline above all */
}

static void train(struct lstm *m, const char *text, int length, int steps)
{
    reel_function *f = reel_function_new(REEL_FN(train_step, m, 4, 3), NULL);
    reel_tensor *h = NULL, *c = NULL; /* slots: they own, across the scopes of the loop */
    for (int i = 0; i < steps && reel_status() == 0; i++) {
        REEL_SCOPED;
        int64_t now[TIME][BATCH], next[TIME][BATCH];
        reel_tensor *out[3];
        for (int t = 0; t < TIME; t++) {
            for (int b = 0; b < BATCH; b++) { /* each row of the batch reads on from its own place */
                const int at = (int)(((int64_t)i * TIME + t + (int64_t)b * (length / BATCH)) % (length - 1));
                now[t][b] = code(text[at]);
                next[t][b] = code(text[at + 1]);
            }
        }
        if (i == 0) {
            reel_set(&h, reel_zeros(REEL_F32, REEL_SHAPE(BATCH, HIDDEN)));
            reel_set(&c, reel_zeros(REEL_F32, REEL_SHAPE(BATCH, HIDDEN)));
        }
        const reel_shape s = REEL_SHAPE(TIME, BATCH);
        reel_tensor *x = reel_from_i64(s, now[0], TIME * BATCH), *y = reel_from_i64(s, next[0], TIME * BATCH);
        if (reel_function_call(f, REEL_LIST(x, y, h, c), out) == 0) {
            reel_set(&h, out[1]);
            reel_set(&c, out[2]);
            if (i % (steps / 10 + 1) == 0 || i + 1 == steps) {
                printf("step %4d: %.3f nats a character\n", i, reel_item(out[0]));
            }
        }
    }
    reel_unset(&h);
    reel_unset(&c);
    reel_function_free(f);
}

static void speak(struct lstm *m, int letters)
{
    reel_function *f = reel_function_new(REEL_FN(speak_step, m, 3, 3), NULL);
    reel_tensor *h = NULL, *c = NULL;
    int64_t letter = code('r');
    for (int i = 0; i < letters && reel_status() == 0; i++) {
        REEL_SCOPED;
        reel_tensor *out[3];
        if (i == 0) {
            reel_set(&h, reel_zeros(REEL_F32, REEL_SHAPE(1, HIDDEN)));
            reel_set(&c, reel_zeros(REEL_F32, REEL_SHAPE(1, HIDDEN)));
        }
        putchar(letter ? (int)letter - 1 + ' ' : '\n');
        if (reel_function_call(f, REEL_LIST(reel_from_i64(REEL_SHAPE(1), &letter, 1), h, c), out) == 0) {
            reel_set(&h, out[1]);
            reel_set(&c, out[2]);
            reel_read_i64(out[0], &letter, 1);
        }
    }
    putchar('\n');
    reel_unset(&h);
    reel_unset(&c);
    reel_function_free(f);
}

int main(int argc, char **argv)
{
    static char text[LONGEST];
    const char *path = argc > 1 ? argv[1] : "examples/char_lstm.c";
    const int steps = argc > 2 ? atoi(argv[2]) : 600;
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    const int length = (int)fread(text, 1, sizeof text, file);
    fclose(file);
    if (length < BATCH) {
        fprintf(stderr, "%s: too short to learn from\n", path);
        return 1;
    }
    struct lstm m = {0};
    reel_seed(2);
    if (lstm_init(&m) == 0) {
        train(&m, text, length, steps);
    }
    if (reel_status() == 0) {
        speak(&m, 200);
    }
    reel_error e;
    const int rc = reel_take_error(&e);
    if (rc) {
        fprintf(stderr, "%s\n", e.text);
    }
    reel_optimizer_free(m.opt);
    reel_vars_free(m.vars);
    return rc != 0;
}
