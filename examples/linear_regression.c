/* linear_regression: finds W = 0.1 and b = 0.3 twice: as a function that is traced and replayed, and in the old TensorFlow
   manner as a graph with placeholders of any batch size, run by a session. */
#include <math.h>
#include <reel/reel.h>

enum { STEPS = 400, LARGEST = 64 };

struct line {
    reel_vars *vars;
    reel_tensor *w, *b;
    reel_optimizer *opt;
};

static int line_init(struct line *l)
{
    REEL_SCOPED; /* the initial values end here, the variables belong to their set */
    l->vars = reel_vars_new("line");
    l->w = reel_var(l->vars, "W", reel_uniform(REEL_F32, REEL_SHAPE(1), -1, 1, NULL));
    l->b = reel_var(l->vars, "b", reel_zeros(REEL_F32, REEL_SHAPE(1)));
    l->opt = reel_sgd(l->vars, REEL_OPTS(sgd, .lr = 0.5));
    return reel_status();
}

static void line_free(struct line *l)
{
    reel_optimizer_free(l->opt);
    reel_vars_free(l->vars);
}

static int train_step(void *self, reel_tensor *const in[], reel_tensor *out[]) /* in: x, y; out: loss */
{
    struct line *l = self;
    reel_tape *tape = reel_tape_begin(NULL);
    reel_tensor *y = reel_add(reel_mul(in[0], l->w), l->b);
    out[0] = reel_mean(reel_square(reel_sub(y, in[1])));
    return reel_minimize(l->opt, tape, out[0]);
}

static reel_tensor *points(reel_tensor *x) /* what is to be found */
{
    return reel_add(reel_mul(x, reel_num(0.1)), reel_num(0.3));
}

static int report(const char *how, const struct line *l)
{
    const double w = reel_item(l->w), b = reel_item(l->b);
    printf("%s: W = %.4f, b = %.4f\n", how, w, b);
    return fabs(w - 0.1) > 1e-3 || fabs(b - 0.3) > 1e-3;
}

static int as_function(void)
{
    struct line l;
    line_init(&l);
    reel_function *fast = reel_function_new(REEL_FN(train_step, &l, 2, 1), NULL);
    for (int i = 0; i < STEPS && reel_status() == 0; i++) {
        REEL_SCOPED;
        reel_tensor *x = reel_uniform(REEL_F32, REEL_SHAPE(LARGEST), 0, 1, NULL), *loss[1];
        reel_function_call(fast, REEL_LIST(x, points(x)), loss);
    }
    const int bad = report("function", &l);
    reel_function_free(fast);
    line_free(&l);
    return bad;
}

/* The same step, but nothing runs between begin and end. */
static reel_graph *build(struct line *l)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY), "x"), *loss[1];
    reel_tensor *y = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY), "y");
    if (train_step(l, (reel_tensor *[]){x, y}, loss)) {
        return NULL;
    }
    reel_output("loss", loss[0]);
    return reel_graph_end(g) ? NULL : g;
}

static int as_graph(void)
{
    struct line l;
    line_init(&l);
    reel_graph *g = build(&l);
    if (g) {
        reel_graph_print(stdout, g);
    }
    reel_session *s = reel_session_new(g, NULL);
    reel_graph_free(g);
    for (int i = 0; i < STEPS && reel_status() == 0; i++) {
        REEL_SCOPED;
        const int batch = i % 2 ? LARGEST : LARGEST / 2; /* two plans; a fetched variable is assigned */
        reel_tensor *x = reel_uniform(REEL_F32, REEL_SHAPE(batch), 0, 1, NULL), *out[3];
        reel_session_run(s, REEL_FEEDS({"x", x}, {"y", points(x)}), REEL_FETCHES("loss", "line/W", "line/b"), out);
    }
    const int bad = report("graph", &l);
    reel_session_free(s);
    line_free(&l);
    return bad;
}

int main(void)
{
    REEL_SCOPED;
    reel_seed(1);
    const int bad = as_function() + as_graph();
    reel_error e;
    if (reel_take_error(&e)) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    return bad != 0;
}
