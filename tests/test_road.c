/* Same program, same bits: 500 training steps eagerly and replayed, with one thread and two, end with identical parameters. */
#include <stdlib.h>
#include "expect.h"

struct model {
    int64_t in, hidden, batch;
    bool sgd, noise;
    reel_vars *vars;
    reel_dense a, b;
    reel_optimizer *opt;
};

static int step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct model *m = self;
    reel_tape *tape = reel_tape_begin(NULL);
    reel_tensor *h = reel_relu(reel_dense_apply(&m->a, in[0]));
    if (m->noise) h = reel_mul(h, reel_uniform(REEL_F32, REEL_SHAPE(m->batch, m->hidden), 0.5, 1.5, NULL));
    out[0] = reel_mean(reel_softmax_cross_entropy(reel_dense_apply(&m->b, h), in[1]));
    return reel_minimize(m->opt, tape, out[0]);
}

/* The parameters' bytes after so many steps, and the last loss. */
static double train(struct model m, int steps, bool replay, int threads, float *params, size_t n)
{
    double loss = 0;
    size_t at = 0;
    reel_set_threads(threads);
    reel_seed(7);
    m.vars = reel_vars_new("net");
    reel_dense_init(&m.a, m.vars, "a", REEL_F32, m.in, m.hidden);
    reel_dense_init(&m.b, m.vars, "b", REEL_F32, m.hidden, 10);
    m.opt = m.sgd ? reel_sgd(m.vars, REEL_OPTS(sgd, .lr = 0.05, .momentum = 0.9))
                  : reel_adam(m.vars, REEL_OPTS(adam, .lr = 1e-3));
    reel_function *f = reel_function_new(REEL_FN(step, &m, 2, 1), NULL);
    for (int i = 0; i < steps && reel_status() == 0; i++) {
        REEL_SCOPED;
        reel_tensor *out[1], *x = reel_uniform(REEL_F32, REEL_SHAPE(m.batch, m.in), 0, 1, NULL);
        reel_tensor *y = reel_cast(reel_uniform(REEL_F32, REEL_SHAPE(m.batch), 0, 10, NULL), REEL_I32);
        if (replay)
            reel_function_call(f, REEL_LIST(x, y), out);
        else
            reel_invoke(REEL_FN(step, &m, 2, 1), REEL_LIST(x, y), out);
        loss = reel_item(out[0]);
    }
    const reel_list vars = reel_vars_list(m.vars);
    for (int i = 0; i < vars.n; i++) {
        const size_t count = (size_t)reel_shape_count(reel_shape_of(vars.t[i]));
        if (at + count <= n) reel_read_f32(vars.t[i], params + at, count);
        at += count;
    }
    reel_function_free(f);
    reel_optimizer_free(m.opt);
    reel_vars_free(m.vars);
    reel_error e;
    if (reel_take_error(&e)) tap_note("%s", e.text);
    return reel_status() || at != n ? NAN : loss;
}

static void same_bits(const char *name, struct model m, int steps)
{
    const size_t n = (size_t)(m.in * m.hidden + m.hidden + m.hidden * 10 + 10), bytes = n * sizeof(float);
    float *want = malloc(bytes), *got = malloc(bytes);
    const double loss = train(m, steps, false, 1, want, n);
    TAP_OK(loss > 0 && loss < 10, "%s: eager, 1 thread: loss %g", name, loss);
    const struct {
        bool replay;
        int threads;
    } others[] = {{false, 2}, {true, 1}, {true, 2}};
    for (int i = 0; i < 3; i++) {
        memset(got, 0, bytes);
        const double l = train(m, steps, others[i].replay, others[i].threads, got, n);
        TAP_OK(l == loss && memcmp(want, got, bytes) == 0, "%s: %s, %d threads: the same bits after %d steps", name,
               others[i].replay ? "replayed" : "eager", others[i].threads, steps);
    }
    reel_set_threads(0);
    free(want);
    free(got);
}

static void road(void)
{
    same_bits("the digits' net, adam", (struct model){.in = 64, .hidden = 32, .batch = 32}, 500);
    same_bits("with random draws inside", (struct model){.in = 64, .hidden = 32, .batch = 32, .noise = true}, 500);
    same_bits("sgd with momentum", (struct model){.in = 64, .hidden = 32, .batch = 32, .sgd = true}, 500);
    same_bits("a wide net", (struct model){.in = 300, .hidden = 700, .batch = 257}, 12);
}

TAP_MAIN(road)
