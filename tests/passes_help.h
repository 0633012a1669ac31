/* passes_help.h: what the tests of passes share: a graph before and after. */
#ifndef REEL_TESTS_PASSES_HELP_H
#define REEL_TESTS_PASSES_HELP_H
#include <math.h>
#include "trace/trace.h"
#include "trace_help.h"

/* ---- before and after --------------------------------------------------------------------------------- */

typedef reel_tensor *(*builder)(reel_tensor *x, reel_tensor *y);

TAP_UNUSED static reel_graph *build(builder f)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(2, 3), "x");
    reel_tensor *y = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 3), "y");
    (void)reel_output("z", f(x, y));
    (void)reel_graph_end(g);
    return g;
}

static const char *rule_site = ""; /* where a rule writes: no node may say so */
static int sites_of_rule;

TAP_UNUSED static void note_lines(const char *what, const reel_graph *g)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    (void)reel_graph_print(out, g);
    fclose(out);
    TAP_NOTE("%s", what);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) TAP_NOTE("  %s", line);
    free(text);
}

TAP_UNUSED static reel_tensor *feed_x(void)
{
    const float data[] = {-1.5f, -0.f, 0.f, INFINITY, NAN, 3e-40f};
    return reel_from_f32(REEL_SHAPE(2, 3), data, 6);
}

TAP_UNUSED static reel_tensor *feed_y(void)
{
    const float data[] = {1, -2, 3, -4, -0.f, 6};
    return reel_from_f32(REEL_SHAPE(2, 3), data, 6);
}

/* Runs f's graph without passes and with those of the list: the same bits. How many nodes are left; -1: not the same. shown: prints both. */
TAP_UNUSED static int nodes_after(const char *what, builder f, const char *list, reel_graph_math math, bool shown)
{
    REEL_SCOPED;
    reel_graph *g = build(f);
    reel_session *plain = reel_session_new(g, REEL_OPTS(session, .passes = "none"));
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .passes = list, .math = math));
    reel_tensor *x = feed_x(), *y = feed_y(), *a[1], *b[1];
    int n = -1;
    if (reel_session_run(plain, REEL_FEEDS({"x", x}, {"y", y}), REEL_FETCHES("z"), a) == 0 &&
        reel_session_run(s, REEL_FEEDS({"x", x}, {"y", y}), REEL_FETCHES("z"), b) == 0) {
        const reel_graph *after = reel_session_plan_(s)->graph;
        if (shown) {
            TAP_NOTE("%s, passes %s", what, list);
            note_lines("before:", g);
            note_lines("after:", after);
        }
        for (size_t i = 0; i < after->n_nodes; i++) sites_of_rule += strcmp(after->nodes[i].site, rule_site) == 0;
        n = (math == REEL_FAST_MATH_GRAPH || same_bits(a[0], b[0])) && reel_graph_verify(after) == 0
                ? (int)after->n_nodes
                : -1;
    }
    expect_none(what);
    reel_session_free(plain);
    reel_session_free(s);
    reel_graph_free(g);
    return n;
}
#endif
