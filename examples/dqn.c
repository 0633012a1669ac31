/* dqn: deep Q-learning (Mnih et al. 2015) on a pole that must be kept upright. Replay memory is plain C arrays; a target
   network follows slowly; the optimizer is bound to the learning network's variables, so the target's cannot move by
   accident.

       dqn [steps] */
#include <math.h>
#include <reel/reel.h>
#include <stdlib.h>
#include <string.h>

enum { STATE = 4, ACTIONS = 2, HIDDEN = 64, BATCH = 64, CAPACITY = 10000, LIMIT = 200 };

struct net {
    reel_vars *vars;
    reel_dense a, b, c;
};
struct dqn {
    struct net q, target;
    reel_optimizer *opt;
};
struct memory {
    float state[CAPACITY][STATE], next[CAPACITY][STATE], reward[CAPACITY], alive[CAPACITY];
    int32_t action[CAPACITY];
    int count, at;
};

/* The cart and pole of Barto, Sutton and Anderson (1983); returns whether it fell. */
static bool cart_pole(float s[STATE], int action)
{
    const float force = action ? 10.0f : -10.0f, sine = sinf(s[2]), cosine = cosf(s[2]);
    const float push = (force + 0.05f * s[3] * s[3] * sine) / 1.1f;
    const float turn = (9.8f * sine - cosine * push) / (0.5f * (4.0f / 3.0f - 0.1f * cosine * cosine / 1.1f));
    const float accelerate = push - 0.05f * turn * cosine / 1.1f;
    s[0] += 0.02f * s[1];
    s[1] += 0.02f * accelerate;
    s[2] += 0.02f * s[3];
    s[3] += 0.02f * turn;
    return fabsf(s[0]) > 2.4f || fabsf(s[2]) > 0.21f;
}

static int net_init(struct net *n, const char *name)
{
    n->vars = reel_vars_new(name);
    reel_dense_init(&n->a, n->vars, "a", REEL_F32, STATE, HIDDEN);
    reel_dense_init(&n->b, n->vars, "b", REEL_F32, HIDDEN, HIDDEN);
    reel_dense_init(&n->c, n->vars, "c", REEL_F32, HIDDEN, ACTIONS);
    return reel_status();
}

static reel_tensor *values(const struct net *n, reel_tensor *s)
{
    return reel_dense_apply(&n->c, reel_relu(reel_dense_apply(&n->b, reel_relu(reel_dense_apply(&n->a, s)))));
}

static int act(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct dqn *d = self;
    out[0] = reel_argmax(values(&d->q, in[0]), 1);
    return reel_status();
}

static int learn(void *self, reel_tensor *const in[], reel_tensor *out[]) /* state, action, reward, next, alive; loss */
{
    struct dqn *d = self;
    reel_tape *tape = reel_tape_begin(NULL);
    reel_tensor *best = reel_max(values(&d->target, in[3]), 1);
    reel_tensor *goal = reel_stop_gradient(reel_add(in[2], reel_mul(reel_mul(reel_num(0.99), in[4]), best)));
    reel_tensor *taken = reel_mul(values(&d->q, in[0]), reel_one_hot(in[1], ACTIONS, REEL_F32));
    reel_tensor *error = reel_sub(reel_sum_axes(taken, REEL_AXES(1), false), goal);
    out[0] = reel_mean(reel_square(error));
    return reel_minimize(d->opt, tape, out[0]);
}

static int choose(reel_function *f, const float s[STATE], double curiosity)
{
    REEL_SCOPED;
    reel_tensor *out[1];
    int64_t best = 0;
    if (rand() < curiosity * RAND_MAX) {
        return rand() % ACTIONS;
    }
    reel_function_call(f, REEL_LIST(reel_from_f32(REEL_SHAPE(1, STATE), s, STATE)), out);
    reel_read_i64(out[0], &best, 1); /* on an error nothing is read and the loop ends on reel_status() */
    return (int)best;
}

static void remember(struct memory *m, const float s[STATE], int action, const float next[STATE], bool fell)
{
    const int k = m->at;
    memcpy(m->state[k], s, sizeof m->state[k]);
    memcpy(m->next[k], next, sizeof m->next[k]);
    m->action[k] = action;
    m->reward[k] = fell ? 0.0f : 1.0f;
    m->alive[k] = fell ? 0.0f : 1.0f;
    m->at = (k + 1) % CAPACITY;
    m->count += m->count < CAPACITY;
}

static void study(reel_function *f, const struct memory *m)
{
    REEL_SCOPED;
    float state[BATCH][STATE], next[BATCH][STATE], reward[BATCH], alive[BATCH];
    int32_t action[BATCH];
    reel_tensor *out[1];
    for (int i = 0; i < BATCH; i++) {
        const int k = rand() % m->count;
        memcpy(state[i], m->state[k], sizeof state[i]);
        memcpy(next[i], m->next[k], sizeof next[i]);
        reward[i] = m->reward[k];
        alive[i] = m->alive[k];
        action[i] = m->action[k];
    }
    const reel_shape states = REEL_SHAPE(BATCH, STATE), row = REEL_SHAPE(BATCH);
    reel_function_call(f,
                       REEL_LIST(reel_from_f32(states, state[0], BATCH * STATE), reel_from_i32(row, action, BATCH),
                                 reel_from_f32(row, reward, BATCH), reel_from_f32(states, next[0], BATCH * STATE),
                                 reel_from_f32(row, alive, BATCH)),
                       out);
}

static void play(struct dqn *d, struct memory *m, int steps)
{
    reel_function *fact = reel_function_new(REEL_FN(act, d, 1, 1), NULL);
    reel_function *flearn = reel_function_new(REEL_FN(learn, d, 5, 1), NULL);
    float s[STATE] = {0}, next[STATE];
    int length = 0, games = 0;
    double mean = 0;
    for (int t = 0; t < steps && reel_status() == 0; t++) {
        const int action = choose(fact, s, fmax(0.05, 1 - 3.0 * t / steps));
        memcpy(next, s, sizeof s);
        const bool fell = cart_pole(next, action);
        remember(m, s, action, next, fell);
        memcpy(s, next, sizeof s);
        if (fell || ++length == LIMIT) {
            mean += (length - mean) / fmin(++games, 20);
            length = 0;
            for (int i = 0; i < STATE; i++) {
                s[i] = 0.1f * ((float)rand() / (float)RAND_MAX - 0.5f);
            }
        }
        if (m->count >= BATCH) {
            study(flearn, m);
            reel_vars_blend(d->target.vars, d->q.vars, 0.01);
        }
        if ((t + 1) % (steps / 10 + 1) == 0 || t + 1 == steps) {
            printf("step %5d: %4d games, the pole stands %.0f steps\n", t + 1, games, mean);
        }
    }
    reel_function_free(fact);
    reel_function_free(flearn);
}

int main(int argc, char **argv)
{
    const int steps = argc > 1 ? atoi(argv[1]) : 15000;
    struct dqn d = {0};
    struct memory *m = calloc(1, sizeof *m);
    if (!m) {
        return 1;
    }
    srand(1);
    reel_seed(1);
    net_init(&d.q, "q");
    net_init(&d.target, "target");
    reel_vars_blend(d.target.vars, d.q.vars, 1); /* a copy */
    d.opt = reel_adam(d.q.vars, REEL_OPTS(adam, .lr = 1e-3));
    if (reel_status() == 0) {
        play(&d, m, steps);
    }
    reel_error e;
    const int rc = reel_take_error(&e);
    if (rc) {
        fprintf(stderr, "%s\n", e.text);
    }
    reel_optimizer_free(d.opt);
    reel_vars_free(d.q.vars);
    reel_vars_free(d.target.vars);
    free(m);
    return rc != 0;
}
