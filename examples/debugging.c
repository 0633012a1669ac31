/* debugging: what a session shows of its runs. A training step goes wrong in ways that people know: a loss that is NaN, a replay that
   one does not trust, a step that is slow.

       debugging [DIRECTORY]      writes graph.html, graph.dot and trace.json there */
#include <reel/reel.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 32, IN = 16, HIDDEN = 24, CLASSES = 4 };

/* Softmax written by hand: its exp overflows where the inputs are large, and its log meets a 0. */
static reel_tensor *careless_loss(reel_tensor *logits, reel_tensor *target)
{
    reel_tensor *e = reel_exp(logits);
    reel_tensor *p = reel_div(e, reel_sum_axes(e, REEL_AXES(1), true));
    return reel_neg(reel_mean(reel_sum_axes(reel_mul(target, reel_log(p)), REEL_AXES(1), false)));
}

static reel_graph *build(reel_vars *vars)
{
    REEL_SCOPED;
    reel_tensor *w1 = reel_var(vars, "w1", reel_mul(reel_randn(REEL_F32, REEL_SHAPE(IN, HIDDEN)), reel_num(0.25)));
    reel_tensor *b1 = reel_var(vars, "b1", reel_zeros(REEL_F32, REEL_SHAPE(HIDDEN)));
    reel_tensor *w2 = reel_var(vars, "w2", reel_mul(reel_randn(REEL_F32, REEL_SHAPE(HIDDEN, CLASSES)), reel_num(0.2)));
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, IN), "x");
    reel_tensor *target = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, CLASSES), "target");
    reel_tape *tape = reel_tape_begin(NULL);
    reel_name_scope_begin("hidden");
    reel_tensor *h = reel_tanh(reel_add(reel_matmul(x, w1), b1));
    reel_name_scope_end();
    reel_name_scope_begin("out");
    reel_tensor *logits = reel_matmul(h, w2);
    reel_name_scope_end();
    reel_output("logits", logits);
    reel_name_scope_begin("loss");
    reel_tensor *loss = careless_loss(logits, target);
    reel_name_scope_end();
    reel_output("loss", loss);
    reel_tensor *d[3];
    reel_name_scope_begin("backward");
    reel_grad(tape, loss, REEL_LIST(w1, b1, w2), d);
    reel_name_scope_end();
    reel_name_scope_begin("update");
    reel_assign(w1, reel_sub(w1, reel_mul(d[0], reel_num(0.1))));
    reel_assign(b1, reel_sub(b1, reel_mul(d[1], reel_num(0.1))));
    reel_assign(w2, reel_sub(w2, reel_mul(d[2], reel_num(0.1))));
    reel_name_scope_end();
    return reel_graph_end(g) ? NULL : g;
}

static int print_line(void *self, const reel_node_info *e)
{
    (void)self;
    return reel_node_show(stdout, e);
}

/* A picture or trace into DIRECTORY/name. */
static int save(const char *directory, const char *name, int (*put)(FILE *f, const void *arg), const void *arg)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "w");
    if (!f) {
        return reel_fail(REEL_EIO, "%s cannot be written", path);
    }
    put(f, arg);
    return fclose(f) ? reel_fail(REEL_EIO, "%s cannot be written", path) : reel_status();
}
static int put_html(FILE *f, const void *s)
{
    return reel_session_html(f, s);
}
static int put_dot(FILE *f, const void *g)
{
    return reel_graph_dot(f, g);
}
static int put_trace(FILE *f, const void *s)
{
    return reel_session_profile_trace(f, s);
}

static int look_around(reel_graph *g, const char *directory)
{
    REEL_SCOPED;
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .effects = true));
    reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(ROWS, IN)), *large = reel_mul(x, reel_num(1e4)), *out[1];
    reel_tensor *target = reel_full(REEL_F32, REEL_SHAPE(ROWS, CLASSES), 1.0 / CLASSES);

    puts("-- a hook behind the nodes of one scope's matmul and a named value");
    reel_session_watch(s, "out/matmul", print_line, NULL);
    reel_session_watch(s, "loss", print_line, NULL);
    reel_session_run(s, REEL_FEEDS({"x", x}, {"target", target}), REEL_FETCHES("loss"), out);
    reel_session_on_node(s, NULL, NULL);

    puts("-- is the replay what eager gives?");
    reel_verify_report report;
    reel_session_verify(s, REEL_FEEDS({"x", x}, {"target", target}), REEL_FETCHES("loss"), NULL, &report);
    puts(report.text);

    puts("-- step by step to the first tanh");
    reel_stepping *st = reel_session_begin_steps(s, REEL_FEEDS({"x", large}, {"target", target}), REEL_FETCHES("loss"));
    const reel_node_info *e;
    while ((e = reel_session_step(st)) && strcmp(e->op, "tanh") != 0) {}
    if (e) {
        reel_node_show(stdout, e);
    }
    reel_stepping_free(st); /* given up: nothing has been assigned */

    puts("-- where does the time go?");
    reel_session_profile(s, true);
    for (int i = 0; i < 20; i++) {
        reel_session_run(s, REEL_FEEDS({"x", x}, {"target", target}), REEL_FETCHES("loss"), out);
    }
    reel_session_profile_print(stdout, s);
    if (directory) {
        save(directory, "graph.html", put_html, s);
        save(directory, "graph.dot", put_dot, g);
        save(directory, "trace.json", put_trace, s);
    }
    reel_session_free(s);
    return reel_status();
}

/* The first number that is none, and whose fault it is. */
static int find_nan(reel_graph *g)
{
    REEL_SCOPED;
    puts("-- where does the NaN come from?");
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .check_numerics = true));
    reel_tensor *logits = reel_full(REEL_F32, REEL_SHAPE(ROWS, CLASSES), 90), *out[1]; /* any value can be fed */
    reel_tensor *target = reel_full(REEL_F32, REEL_SHAPE(ROWS, CLASSES), 1.0 / CLASSES);
    reel_session_run(s, REEL_FEEDS({"logits", logits}, {"target", target}), REEL_FETCHES("loss"), out);
    reel_error e;
    const int code = reel_take_error(&e);
    printf("%s: %s\n", reel_code_name(code), e.text);
    reel_session_free(s);
    return code == REEL_ENUMERICS ? 0 : reel_fail(REEL_EUSER, "it was not found");
}

int main(int argc, char **argv)
{
    reel_seed(1);
    reel_vars *vars = reel_vars_new("net");
    reel_graph *g = build(vars);
    if (g && look_around(g, argc > 1 ? argv[1] : NULL) == 0) {
        find_nan(g);
    }
    reel_graph_free(g);
    reel_vars_free(vars);
    reel_error e;
    if (reel_take_error(&e)) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    return 0;
}
