/* server: each line of standard input is a request of as many numbers as it likes, four a row; each is answered with a
   line of probabilities or of what was wrong. Nothing a client sends ends the program or leaks.

       printf '1 2 3 4\n1 2 3\n5 6 7 8 1 2 3 4\n' | server */
#include <reel/reel.h>
#include <stdlib.h>
#include <string.h>

enum { FEATURES = 4, CLASSES = 3, MAX_ROWS = 64 };

static reel_graph *build(reel_vars *vars)
{
    REEL_SCOPED; /* symbolic handles die here; the graph does not once it is ended */
    reel_tensor *w = reel_var(vars, "w", reel_randn(REEL_F32, REEL_SHAPE(FEATURES, CLASSES)));
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, FEATURES), "x");
    reel_output("probs", reel_softmax(reel_matmul(x, w), -1));
    return reel_graph_end(g) ? NULL : g;
}

/* The numbers of a line; how many there are, or -1 if there is something else or too many. */
static int parse(const char *line, float *x, int max)
{
    int n = 0;
    for (char *end; *(line += strspn(line, " \t\r\n")); line = end) {
        const float value = strtof(line, &end);
        if (end == line || n == max) {
            return -1;
        }
        x[n++] = value;
    }
    return n;
}

static int answer(reel_session *s, const float *x, int n)
{
    REEL_SCOPED; /* whatever happens below, its tensors end with this function */
    reel_tensor *probs[1];
    float reply[MAX_ROWS * CLASSES];
    const int rows = n % FEATURES ? 1 : n / FEATURES, columns = n % FEATURES ? n : FEATURES;
    reel_tensor *in = reel_from_f32(REEL_SHAPE(rows, columns), x, (size_t)n);
    reel_session_run(s, REEL_FEEDS({"x", in}), REEL_FETCHES("probs"), probs);
    if (reel_read_f32(probs[0], reply, (size_t)rows * CLASSES) == 0) {
        for (int i = 0; i < rows * CLASSES; i++) {
            printf("%.4f%c", (double)reply[i], i + 1 == rows * CLASSES ? '\n' : ' ');
        }
    }
    reel_error e; /* one check for all of it; the thread is clean again */
    if (reel_take_error(&e)) {
        printf("error %s: %s\n", reel_code_name(e.code), e.text);
    }
    return e.code;
}

int main(void)
{
    static const int64_t buckets[] = {1, 8, MAX_ROWS}; /* batches are padded up to these: three plans at most */
    static char line[16384];
    float x[MAX_ROWS * FEATURES];
    reel_vars *vars = reel_vars_new("model");
    reel_graph *g = build(vars);
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .buckets = buckets, .n_buckets = 3));
    reel_graph_free(g); /* the session holds it */
    while (s && fgets(line, sizeof line, stdin)) {
        const int n = parse(line, x, MAX_ROWS * FEATURES);
        if (n < 1) {
            printf("error: not 1 to %d numbers\n", MAX_ROWS * FEATURES);
        } else {
            answer(s, x, n);
        }
    }
    reel_error e;
    const int rc = reel_take_error(&e);
    if (rc) {
        fprintf(stderr, "%s\n", e.text);
    }
    reel_session_free(s);
    reel_vars_free(vars);
    return rc != 0;
}
