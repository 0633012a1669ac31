/* session_threads: one graph, two sessions, four threads that run them at once with different batch sizes; every
   answer is the one that a single thread gets.

       session_threads [runs] */
#include <pthread.h>
#include <reel/reel.h>
#include <stdlib.h>
#include <string.h>

enum { FEATURES = 64, CLASSES = 10, MAX_ROWS = 8, THREADS = 4 };
static float input[MAX_ROWS * FEATURES];

struct job {
    reel_session *session;
    int rows, runs, different;
    float expected[MAX_ROWS * CLASSES];
    reel_error error;
};

static int run_once(const struct job *j, float *probs)
{
    REEL_SCOPED;
    reel_tensor *out[1];
    reel_tensor *x = reel_from_f32(REEL_SHAPE(j->rows, FEATURES), input, (size_t)j->rows * FEATURES);
    reel_session_run(j->session, REEL_FEEDS({"x", x}), REEL_FETCHES("probs"), out);
    return reel_read_f32(out[0], probs, (size_t)j->rows * CLASSES);
}

static void *worker(void *arg)
{
    struct job *j = arg;
    float probs[MAX_ROWS * CLASSES];
    for (int i = 0; i < j->runs; i++) {
        if (run_once(j, probs)) {
            reel_take_error(&j->error); /* errors are per thread: hand it over */
            return NULL;
        }
        j->different += memcmp(probs, j->expected, (size_t)j->rows * CLASSES * sizeof *probs) != 0;
    }
    return NULL;
}

static reel_graph *build(reel_vars *vars)
{
    REEL_SCOPED;
    reel_tensor *w = reel_var(vars, "w", reel_randn(REEL_F32, REEL_SHAPE(FEATURES, CLASSES)));
    reel_tensor *b = reel_var(vars, "b", reel_zeros(REEL_F32, REEL_SHAPE(CLASSES)));
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, FEATURES), "x");
    reel_output("probs", reel_softmax(reel_add(reel_matmul(x, w), b), -1));
    return reel_graph_end(g) ? NULL : g;
}

int main(int argc, char **argv)
{
    const int runs = argc > 1 ? atoi(argv[1]) : 1000;
    for (int i = 0; i < MAX_ROWS * FEATURES; i++) {
        input[i] = (float)(i % 17) / 17;
    }
    reel_vars *vars = reel_vars_new("model");
    reel_graph *g = build(vars);
    reel_session *s[2] = {reel_session_new(g, NULL), reel_session_new(g, REEL_OPTS(session, .max_plans = 2))};
    reel_graph_free(g);

    struct job job[THREADS] = {{.session = s[0], .rows = 1},
                               {.session = s[0], .rows = 8},
                               {.session = s[1], .rows = 4},
                               {.session = s[1], .rows = 5}};
    pthread_t thread[THREADS];
    int started = 0, different = 0;
    for (int i = 0; i < THREADS && reel_status() == 0; i++) {
        job[i].runs = runs;
        run_once(&job[i], job[i].expected);
    }
    while (reel_status() == 0 && started < THREADS &&
           pthread_create(&thread[started], NULL, worker, &job[started]) == 0) {
        started++;
    }
    int bad = started < THREADS;
    for (int i = 0; i < started; i++) {
        pthread_join(thread[i], NULL);
        different += job[i].different;
        if (job[i].error.code) {
            fprintf(stderr, "thread %d: %s\n", i, job[i].error.text);
            bad = 1;
        }
    }
    reel_error e;
    if (reel_take_error(&e)) {
        fprintf(stderr, "%s\n", e.text);
    }
    printf("%d threads, %d runs each, %d answers differ\n", started, runs, different);
    reel_session_free(s[0]);
    reel_session_free(s[1]);
    reel_vars_free(vars);
    return bad || different;
}
