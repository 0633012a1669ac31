/* custom_pass.c: a pass of your own. A model that was written with x / (1 + exp(-x)) is to run reel_silu, which is one op, more accurate and
   does not overflow. The rule looks at each division; what it writes in its place is written like anywhere else. */
#include <stdio.h>
#include <string.h>
#include <reel/reel.h>

/* Is t the output of that op? Then *node is the node. */
static bool is(reel_tensor *t, const char *op, reel_pass_node *node)
{
    return reel_pass_source(t, node, NULL) == 0 && strcmp(node->op, op) == 0;
}

/* 1 + exp(-x)? */
static bool is_denominator(reel_tensor *t, reel_tensor *x)
{
    reel_pass_node add, exp, neg;
    double one;
    if (!is(t, "add", &add)) return false;
    for (int k = 0; k < 2; k++)
        if (reel_pass_number(add.in[k], &one) && one == 1 && is(add.in[1 - k], "exp", &exp) &&
            is(exp.in[0], "neg", &neg))
            return neg.in[0] == x;
    return false;
}

/* Asked about each "div" of a graph, in program order. Counts what it finds. */
static int silu_rule(void *self, const reel_pass_node *n, reel_tensor *out[])
{
    if (!is_denominator(n->in[1], n->in[0])) return reel_status(); /* out[] stays NULL: the node stays */
    out[0] = reel_silu(n->in[0]);
    (*(int *)self)++;
    return reel_status();
}

static int model(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *x = reel_mul(in[0], reel_num(2));
    out[0] = reel_sum(reel_div(x, reel_add(reel_num(1), reel_exp(reel_neg(x)))));
    return reel_status();
}

int main(void)
{
    REEL_SCOPED;
    int found = 0;
    const float data[6] = {-2, -1, -.5f, .5f, 1, 2};
    reel_pass_register(&(reel_pass_def){.name = "silu",
                                        .law = "x / (1 + exp(-x)) is silu(x), up to rounding",
                                        .op = "div",
                                        .rule = silu_rule,
                                        .self = &found});
    reel_pass_info pass[32];
    const int n = reel_passes(pass, 32);
    for (int i = 0; i < n && i < 32; i++) printf("%-9s %s\n", pass[i].name, pass[i].law);

    reel_tensor *x = reel_from_f32(REEL_SHAPE(2, 3), data, 6), *y[2];
    reel_function *f =
        reel_function_new(REEL_FN(model, NULL, 1, 1), REEL_OPTS(function, .passes = "default,silu,prune"));
    reel_function_call(f, REEL_LIST(x), &y[0]); /* eager, and traced */
    reel_function_call(f, REEL_LIST(x), &y[1]); /* the passes run, a plan is made, it is replayed */
    printf("\nfound %d, %.6f eagerly, %.6f replayed\n\n", found, reel_item(y[0]), reel_item(y[1]));
    reel_function_explain_plan(stdout, f);
    reel_function_free(f);

    reel_error e;
    if (reel_take_error(&e)) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    return 0;
}
