/* A session's fused steps compiled by the system's C compiler: the same bits, and the text to look at. Without a compiler the
   interpreter goes on. See docs/compiled.md. */
#include <reel/reel.h>
#include <stdio.h>
#include <string.h>

enum { N = 1 << 16 };

/* A damped spring, some steps of it: light arithmetic that is one pass over memory. */
static reel_tensor *swing(reel_tensor *x, reel_tensor *v)
{
    for (int i = 0; i < 3; i++) {
        v = reel_sub(reel_mul(v, reel_num(0.99)), reel_mul(x, reel_num(0.1)));
        x = reel_add(x, reel_mul(v, reel_num(0.1)));
    }
    return reel_where(reel_greater(reel_abs(x), reel_num(1)), reel_sign(x), x);
}

static int run(reel_session *s, reel_tensor *x, reel_tensor *v, float *out)
{
    REEL_SCOPED;
    reel_tensor *y[1];
    if (reel_session_run(s, REEL_FEEDS({"x", x}, {"v", v}), REEL_FETCHES("y"), y)) return reel_status();
    return reel_read(y[0], out, N * sizeof *out);
}

int main(void)
{
    REEL_SCOPED;
    static float before[N], after[N];
    reel_plan_info info = {0};
    reel_error e;
    reel_graph *g = reel_graph_begin();
    reel_output("y",
                swing(reel_placeholder(REEL_F32, REEL_SHAPE(N), "x"), reel_placeholder(REEL_F32, REEL_SHAPE(N), "v")));
    reel_graph_end(g);
    reel_session *s = reel_session_new(g, NULL);
    reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(N)), *v = reel_randn(REEL_F32, REEL_SHAPE(N));
    run(s, x, v, before);
    if (reel_session_compile(s) && reel_take_error(&e)) printf("not compiled: %s\n", e.text);
    run(s, x, v, after);
    reel_session_info(s, &info);
    const void *was = before, *is = after; /* their bits, not their values */
    const bool same = memcmp(was, is, sizeof after) == 0;
    printf("%d ops as %d steps, %d of them compiled; the same bits: %s\n\n", info.fused_nodes, info.fused_steps,
           info.compiled_steps, same ? "yes" : "no");
    reel_session_explain(stdout, s);
    reel_session_free(s);
    reel_graph_free(g);
    if (reel_take_error(&e)) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    return !same;
}
