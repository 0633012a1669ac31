/* one_pass.c: a layer, a softmax by hand and Adam, step by step as they were traced and as the passes leave them. */
#include <stdio.h>
#include "reel/reel.h"

typedef struct {
    reel_tensor *w, *b;
    reel_optimizer *opt;
} model;

static int train(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    model *m = self;
    reel_tape *t = reel_tape_begin(NULL);
    reel_tensor *h = reel_tanh(reel_add(reel_matmul(in[0], m->w), m->b));
    reel_tensor *e = reel_exp(reel_sub(h, reel_max_axes(h, REEL_AXES(1), true)));
    reel_tensor *p =
        reel_div(e, reel_sum_axes(e, REEL_AXES(1), true)); /* with bias and tanh: rows that stay in cache */
    out[0] = reel_mean(reel_square(reel_sub(p, in[1])));
    (void)reel_minimize(m->opt, t, out[0]); /* both variables in one sweep */
    reel_tape_end(t);
    return reel_status();
}

int main(void)
{
    static const char *const lists[] = {"none", "default"};
    for (int i = 0; i < 2; i++) {
        REEL_SCOPED;
        (void)reel_seed(1);
        reel_vars *vars = reel_vars_new("layer");
        model m = {.w = reel_var(vars, "w", reel_randn(REEL_F32, REEL_SHAPE(20, 10)))};
        m.b = reel_var(vars, "b", reel_zeros(REEL_F32, REEL_SHAPE(10)));
        m.opt = reel_adam(vars, NULL);
        reel_function *f = reel_function_new(REEL_FN(train, &m, 2, 1), REEL_OPTS(function, .passes = lists[i]));
        reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(32, 20)),
                    *y = reel_softmax(reel_randn(REEL_F32, REEL_SHAPE(32, 10)), -1), *loss = NULL;
        for (int k = 0; k < 3; k++) (void)reel_function_call(f, REEL_LIST(x, y), &loss);
        printf("passes %s: loss %.9g\n", lists[i], reel_item(loss));
        if (i) (void)reel_function_explain_plan(stdout, f);
        reel_function_free(f);
        reel_optimizer_free(m.opt);
        reel_vars_free(vars);
    }
    reel_error e;
    if (reel_take_error(&e)) printf("%s\n", e.text);
    return 0;
}
