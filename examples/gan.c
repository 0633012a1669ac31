/* gan: a generator learns to imitate a normal distribution. Two optimizers, each bound to its own variables, in one
   traced step; the learning rate is a variable, so the replay follows when it changes.

       gan [steps] */
#include <reel/reel.h>
#include <stdlib.h>

enum { BATCH = 64, NOISE = 8 };
static const double mean = 4, deviation = 0.5; /* what it has to find out */

struct mlp {
    reel_vars *vars;
    reel_dense a, b;
    reel_optimizer *opt;
};
struct gan {
    struct mlp generator, critic;
};

static int mlp_init(struct mlp *m, const char *name, int64_t n_in)
{
    m->vars = reel_vars_new(name);
    reel_dense_init(&m->a, m->vars, "a", REEL_F32, n_in, 32);
    reel_dense_init(&m->b, m->vars, "b", REEL_F32, 32, 1);
    m->opt = reel_adam(m->vars, REEL_OPTS(adam, .lr = 2e-3, .beta1 = 0.5));
    return reel_status();
}

static void mlp_free(struct mlp *m)
{
    reel_optimizer_free(m->opt);
    reel_vars_free(m->vars);
}

static reel_tensor *mlp(const struct mlp *m, reel_tensor *x)
{
    return reel_dense_apply(&m->b, reel_tanh(reel_dense_apply(&m->a, x)));
}

static reel_tensor *loss_if(reel_tensor *opinion, double truth)
{
    reel_tensor *label = reel_mul(reel_ones_like(opinion), reel_num(truth));
    return reel_mean(reel_sigmoid_cross_entropy(opinion, label));
}

static int step(void *self, reel_tensor *const in[], reel_tensor *out[]) /* in: real samples, noise; out: both losses */
{
    struct gan *g = self;
    reel_tape *tape = reel_tape_begin(NULL);
    reel_tensor *fake = reel_stop_gradient(mlp(&g->generator, in[1]));
    out[0] = reel_add(loss_if(mlp(&g->critic, in[0]), 1), loss_if(mlp(&g->critic, fake), 0));
    if (reel_minimize(g->critic.opt, tape, out[0])) {
        return reel_status();
    }
    tape = reel_tape_begin(NULL);
    out[1] = loss_if(mlp(&g->critic, mlp(&g->generator, in[1])), 1); /* the new critic already */
    return reel_minimize(g->generator.opt, tape, out[1]);
}

static void report(struct gan *g)
{
    REEL_SCOPED;
    reel_tensor *x = mlp(&g->generator, reel_randn(REEL_F32, REEL_SHAPE(4096, NOISE)));
    reel_tensor *off = reel_sub(x, reel_mean(x));
    printf("generated: mean %.2f (real %.2f), deviation %.2f (real %.2f)\n", reel_item(reel_mean(x)), mean,
           reel_item(reel_sqrt(reel_mean(reel_square(off)))), deviation);
}

int main(int argc, char **argv)
{
    const int steps = argc > 1 ? atoi(argv[1]) : 4000;
    struct gan g = {0};
    reel_seed(3);
    mlp_init(&g.generator, "generator", NOISE);
    mlp_init(&g.critic, "critic", 1);
    reel_function *f = reel_function_new(REEL_FN(step, &g, 2, 2), NULL);
    for (int i = 0; i < steps && reel_status() == 0; i++) {
        REEL_SCOPED;
        reel_tensor *out[2];
        if (i == steps / 2) {
            reel_assign(reel_optimizer_lr(g.generator.opt), reel_num(5e-4));
            reel_assign(reel_optimizer_lr(g.critic.opt), reel_num(5e-4));
        }
        reel_tensor *real = reel_normal(REEL_F32, REEL_SHAPE(BATCH, 1), mean, deviation, NULL);
        if (reel_function_call(f, REEL_LIST(real, reel_randn(REEL_F32, REEL_SHAPE(BATCH, NOISE))), out)) {
            break;
        }
        if (i % (steps / 4 + 1) == 0) {
            printf("step %d: critic %.3f, generator %.3f\n", i, reel_item(out[0]), reel_item(out[1]));
        }
    }
    if (reel_status() == 0) {
        report(&g);
    }
    reel_error e;
    const int rc = reel_take_error(&e);
    if (rc) {
        fprintf(stderr, "%s\n", e.text);
    }
    reel_function_free(f);
    mlp_free(&g.generator);
    mlp_free(&g.critic);
    return rc != 0;
}
