/* Why did it trace again, and what is frozen in it? reel_function_explain says so, .check notices C state that changes, and a size that
   varies becomes unknown by itself. */
#include <reel/reel.h>
#include <stdio.h>

struct model {
    reel_vars *vars;
    reel_tensor *w;
    double rate;
};

/* One step of linear regression. The rate is read from C: a trace freezes it. */
static int step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct model *m = self;
    reel_tape *tape = reel_tape_begin(NULL);
    out[0] = reel_mean(reel_square(reel_sub(reel_matmul(in[0], m->w), in[1])));
    reel_tensor *dw = reel_grad1(tape, out[0], m->w);
    reel_assign(m->w, reel_sub(m->w, reel_mul(dw, reel_num(m->rate))));
    return reel_status();
}

static void run(reel_function *f, int n)
{
    REEL_SCOPED;
    reel_tensor *out[1];
    reel_function_call(f, REEL_LIST(reel_randn(REEL_F32, REEL_SHAPE(n, 4)), reel_randn(REEL_F32, REEL_SHAPE(n, 1))),
                       out);
}

int main(void)
{
    REEL_SCOPED;
    struct model m = {.vars = reel_vars_new("model"), .rate = 0.1};
    reel_error e;
    m.w = reel_var(m.vars, "w", reel_zeros(REEL_F32, REEL_SHAPE(4, 1)));

    reel_function *f = reel_function_new(REEL_FN(step, &m, 2, 1), NULL);
    for (int n = 32; n <= 40; n++) run(f, n); /* nine sizes, three traces */
    reel_function_explain(stdout, f);

    reel_function *checked = reel_function_new(REEL_FN(step, &m, 2, 1), REEL_OPTS(function, .check = -1));
    run(checked, 32);
    run(checked, 32);
    m.rate = 0.01; /* f would go on with 0.1 */
    run(checked, 32);
    if (reel_take_error(&e)) printf("\nchecked: %s\n", e.text);

    reel_function *declared = reel_function_new(
        REEL_FN(step, &m, 2, 1), REEL_OPTS(function, .statics = &m.rate, .statics_size = sizeof m.rate, .check = -1));
    run(declared, 32);
    m.rate = 0.001;
    run(declared, 32);
    printf("declared: %d traces, as the rate changed\n", reel_function_traces(declared));

    const int code = reel_take_error(&e);
    if (code) fprintf(stderr, "%s\n", e.text);
    reel_function_free(f);
    reel_function_free(checked);
    reel_function_free(declared);
    reel_vars_free(m.vars);
    return code != 0;
}
