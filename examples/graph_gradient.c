/* The TensorFlow 1 way: a graph of placeholders, its gradients as nodes (reel_graph_grad), a training step as assignments; a shared layer as
   one node (.call), checkpoints, and the slope of the slope. Fits sin(x) by a small network. */
#include <reel/reel.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { WIDTH = 24, BATCH = 64, DEPTH = 3 };

struct net {
    reel_tensor *in, *bias, *mid, *out;
    reel_function *layer;
};

/* One residual layer, called DEPTH times with the same weights. */
static int layer(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct net *n = self;
    out[0] = reel_add(in[0], reel_tanh(reel_matmul(in[0], n->mid)));
    return reel_status();
}

static int forward(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct net *n = self;
    reel_tensor *h[1] = {reel_tanh(reel_add(reel_matmul(in[0], n->in), n->bias))};
    for (int i = 0; i < DEPTH && !reel_status(); i++) {
        reel_tensor *x = h[0];
        reel_function_call(n->layer, REEL_LIST(x), h); /* one node, one sub-graph for all of them */
    }
    out[0] = reel_matmul(h[0], n->out);
    return reel_status();
}

static reel_graph *build(struct net *n)
{
    REEL_SCOPED;
    reel_tensor *y[1], *d[4], *w[4] = {n->in, n->bias, n->mid, n->out};
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 1), "x"),
                *want = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 1), "want");
    reel_tensor *rate = reel_placeholder(REEL_F32, REEL_SCALAR, "rate");
    if (forward(n, &x, y)) return NULL;
    reel_tensor *loss = reel_mean(reel_square(reel_sub(y[0], want)));
    reel_output("y", y[0]);
    reel_output("loss", loss);
    reel_graph_grad(REEL_LIST(y[0]), REEL_LIST(x), NULL, d); /* d y / d x, and once more */
    reel_output("slope", d[0]);
    reel_graph_grad(REEL_LIST(d[0]), REEL_LIST(x), NULL, d);
    reel_output("curvature", d[0]);
    reel_graph_grad(REEL_LIST(loss), ((reel_list){4, w}), NULL, d);
    for (int i = 0; i < 4; i++) reel_assign(w[i], reel_sub(w[i], reel_mul(d[i], rate)));
    reel_output("trained", reel_stop_gradient(loss));
    return reel_graph_end(g) ? NULL : g;
}

int main(int argc, char **argv)
{
    REEL_SCOPED;
    const int steps = argc > 1 ? atoi(argv[1]) : 3000;
    struct net n;
    reel_vars *vars = reel_vars_new("net");
    reel_seed(1);
    n.in = reel_var(vars, "in", reel_randn(REEL_F32, REEL_SHAPE(1, WIDTH)));
    n.bias = reel_var(vars, "bias", reel_randn(REEL_F32, REEL_SHAPE(WIDTH)));
    n.mid = reel_var(vars, "mid", reel_mul(reel_randn(REEL_F32, REEL_SHAPE(WIDTH, WIDTH)), reel_num(0.1)));
    n.out = reel_var(vars, "out", reel_mul(reel_randn(REEL_F32, REEL_SHAPE(WIDTH, 1)), reel_num(0.1)));
    n.layer = reel_function_new(REEL_FN(layer, &n, 1, 1), REEL_OPTS(function, .call = true));
    reel_graph *g = build(&n);
    reel_session *train = g ? reel_session_new(g, REEL_OPTS(session, .effects = true)) : NULL,
                 *look = g ? reel_session_new(g, NULL) : NULL; /* runs what it fetches, so it assigns nothing */
    double loss = 0;
    for (int i = 0; i < steps && train; i++) {
        REEL_SCOPED;
        reel_tensor *x = reel_uniform(REEL_F32, REEL_SHAPE(BATCH, 1), -3, 3, NULL), *out[1];
        reel_tensor *rate = reel_full(REEL_F32, REEL_SCALAR, 0.05);
        if (reel_session_run(train, REEL_FEEDS({"x", x}, {"want", reel_sin(x)}, {"rate", rate}),
                             REEL_FETCHES("trained"), out))
            break;
        loss = reel_item(out[0]);
    }
    const float at[3] = {-1.5F, 0, 1};
    reel_tensor *x = reel_from_f32(REEL_SHAPE(3, 1), at, 3), *out[3];
    if (look && !reel_session_run(look, REEL_FEEDS({"x", x}), REEL_FETCHES("y", "slope", "curvature"), out)) {
        float y[3][3];
        for (int k = 0; k < 3; k++) reel_read(out[k], y[k], sizeof y[k]);
        printf("loss %.5f after %d steps, %d traces of the layer\n", loss, steps, reel_function_traces(n.layer));
        for (int i = 0; i < 3; i++)
            printf("x %5.2f: y %6.3f (sin %6.3f), slope %6.3f (cos %6.3f), curvature %6.3f\n", (double)at[i],
                   (double)y[0][i], sin((double)at[i]), (double)y[1][i], cos((double)at[i]), (double)y[2][i]);
    }
    reel_session_free(look);
    reel_session_free(train);
    reel_graph_free(g);
    reel_function_free(n.layer);
    reel_vars_free(vars);
    reel_error e;
    if (!reel_take_error(&e)) return 0;
    fprintf(stderr, "%s\n", e.text);
    return 1;
}
