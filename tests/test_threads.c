/* Threads against each other, through the public API: training, shared sessions, variables read while they are assigned,
   tensors handed over, threads that leave tensors behind, loops, fork and changes of the thread count.
   The checks hold on any run; run it under ThreadSanitizer and AddressSanitizer for the rest. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
#include "reel/reel.h"
#include "tap.h"

enum { THREADS = 4, ROUNDS = 40 };

static void together(void *(*body)(void *), void *arg[THREADS], const char *what)
{
    pthread_t t[THREADS];
    int started = 0;
    bool ok = true;
    while (started < THREADS && pthread_create(&t[started], NULL, body, arg[started]) == 0) started++;
    for (int i = 0; i < started; i++) {
        void *result = NULL;
        ok = pthread_join(t[i], &result) == 0 && result && ok;
    }
    TAP_OK(ok && started == THREADS, "%s", what);
}

static void same_for_all(void *(*body)(void *), void *one, const char *what)
{
    void *arg[THREADS];
    for (int i = 0; i < THREADS; i++) arg[i] = one;
    together(body, arg, what);
}

/* ---- every thread trains a model of its own: the same seed, so the same losses to the bit -------------- */
static void *train(void *arg)
{
    double *loss = arg;
    reel_seed(7);
    reel_vars *vars = reel_vars_new("m");
    reel_scope *all = reel_scope_begin(REEL_HERE, "train");
    reel_tensor *w = reel_var(vars, "w", reel_randn(REEL_F32, REEL_SHAPE(8, 1)));
    reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(32, 8));
    reel_tensor *y = reel_matmul(x, reel_randn(REEL_F32, REEL_SHAPE(8, 1)));
    bool ok = w && x && y;
    for (int i = 0; ok && i < ROUNDS; i++) {
        REEL_SCOPED;
        reel_tensor *dw = NULL;
        reel_tape *tape = reel_tape_begin(NULL);
        reel_tensor *l = reel_mean(reel_square(reel_sub(reel_matmul(x, w), y)));
        ok = reel_grad(tape, l, REEL_LIST(w), &dw) == 0 &&
             reel_assign(w, reel_sub(w, reel_mul(dw, reel_num(0.05)))) == 0;
        *loss = reel_item(l);
    }
    reel_scope_end(all);
    reel_vars_free(vars);
    return ok ? arg : NULL;
}

static void test_training(void)
{
    double loss[THREADS] = {0};
    void *arg[THREADS];
    for (int i = 0; i < THREADS; i++) arg[i] = &loss[i];
    together(train, arg, "models of their own train at once");
    TAP_OK(loss[0] > 0 && loss[0] < 5, "training lowers the loss: %g", loss[0]);
    for (int i = 1; i < THREADS; i++) TAP_OK(loss[i] == loss[0], "thread %d: the same loss", i);
}

/* ---- one session, runs that assign one variable, eager reads of it meanwhile --------------------------- */
typedef struct {
    reel_session *session;
    reel_tensor *var;
    bool reads;
} shared_run;

/* The graph replaces v by a vector filled with one fed number, so a torn value would have unequal elements. */
static void *run_or_read(void *arg)
{
    const shared_run *s = arg;
    bool ok = true;
    for (int i = 0; ok && i < ROUNDS * 4; i++) {
        REEL_SCOPED;
        float got[64];
        reel_tensor *y = NULL;
        if (s->reads) {
            y = i % 2 ? reel_value(s->var) : reel_add(s->var, reel_num(0));
        } else {
            const float f = (float)i;
            reel_tensor *x = reel_from_f32(REEL_SHAPE(1), &f, 1);
            ok = reel_session_run(s->session, REEL_FEEDS({"x", x}), REEL_FETCHES("y"), &y) == 0;
        }
        ok = ok && reel_read_f32(y, got, 64) == 0;
        for (int k = 1; ok && k < 64; k++) ok = got[k] == got[0];
    }
    return ok ? arg : NULL;
}

static void test_session(void)
{
    REEL_SCOPED;
    reel_vars *vars = reel_vars_new("shared");
    reel_tensor *v = reel_var(vars, "v", reel_zeros(REEL_F32, REEL_SHAPE(64)));
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(1), "x");
    reel_tensor *y = reel_add(reel_mul(v, reel_num(0)), x);
    reel_assign(v, y);
    reel_output("y", reel_add(y, reel_num(1)));
    TAP_EQ_INT(reel_graph_end(g), 0);
    const reel_session_opts o = {.size = sizeof o, .effects = true};
    reel_session *s = reel_session_new(g, &o);
    shared_run run = {s, v, false}, read = {s, v, true};
    same_for_all(run_or_read, &run, "a session that assigns, run by all");
    together(run_or_read, (void *[]){&run, &read, &run, &read}, "eager reads of a variable that sessions assign");
    reel_session_free(s);
    reel_graph_free(g);
    reel_vars_free(vars);
}

/* ---- tensors handed over: the giver's scope ends before the taker has looked --------------------------- */
static pthread_mutex_t mail_lock = PTHREAD_MUTEX_INITIALIZER;
static reel_tensor *mail[8];

static void *exchange(void *arg)
{
    bool ok = true;
    for (int i = 0; ok && i < ROUNDS * 8; i++) {
        REEL_SCOPED;
        reel_tensor *mine = reel_full(REEL_F32, REEL_SHAPE(3 + i % 300), i % 5), *held = NULL;
        pthread_mutex_lock(&mail_lock);
        reel_tensor **box = &mail[i % 8];
        if (*box) reel_set(&held, *box);
        reel_set(box, mine);
        pthread_mutex_unlock(&mail_lock);
        if (!held) continue;
        REEL_SCOPED;
        reel_tensor *turned = reel_reshape(held, REEL_SHAPE(1, -1));
        const double big = reel_item(reel_max(turned, 1)), small = -reel_item(reel_max(reel_neg(turned), 1));
        ok = big == small && big >= 0 && big < 5;
        reel_unset(&held);
    }
    return ok ? arg : NULL;
}

static void test_exchange(void)
{
    same_for_all(exchange, mail, "tensors handed between threads");
    for (int i = 0; i < 8; i++) reel_unset(&mail[i]);
}

/* ---- threads that end with tensors, scopes and tapes open --------------------------------------------- */
static void *leave(void *arg)
{
    reel_tensor *x = reel_ones(REEL_F32, REEL_SHAPE(100));
    reel_scope_begin(REEL_HERE, "left open");
    reel_tape_begin(NULL);
    reel_tensor *y = reel_exp(reel_add(x, x));
    return reel_item(reel_sum(y)) > 0 ? arg : NULL;
}

static void test_leaving(void)
{
    reel_memory_stats before, after;
    reel_memory(&before);
    for (int i = 0; i < 10; i++) same_for_all(leave, &before, "threads end with leftovers");
    reel_memory(&after);
    TAP_EQ_INT(after.tensors, before.tensors);
}

/* ---- loops from several threads while the thread count changes; fork between ---------------------------- */
static void fill(void *arg, int64_t begin, int64_t end)
{
    int64_t *p = arg;
    for (int64_t i = begin; i < end; i++) p[i] += i;
}

static void *loops(void *arg)
{
    const bool changes = arg != NULL;
    static _Thread_local int64_t x[2000];
    bool ok = true;
    for (int i = 0; i < ROUNDS; i++) {
        if (changes) reel_set_threads(1 + i % 4);
        memset(x, 0, sizeof x);
        reel_parallel_for(2000, 50, fill, x);
        for (int64_t k = 0; k < 2000; k++) ok = ok && x[k] == k;
    }
    return ok ? (void *)mail : NULL;
}

static void test_loops(void)
{
    const int threads = reel_threads();
    together(loops, (void *[]){NULL, mail, NULL, mail}, "loops at once, the thread count changing");
    reel_set_threads(threads);
}

static void *fork_now(void *arg)
{
    REEL_SCOPED;
    const pid_t child = fork();
    if (child == 0) {
        reel_tensor *a = reel_ones(REEL_F32, REEL_SHAPE(32, 32));
        const bool ok = reel_item(reel_sum(reel_matmul(a, a))) == 32768;
        _exit(ok ? 0 : 1);
    }
    int status = 1;
    const bool ok = child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    return ok ? arg : NULL;
}

static void test_fork(void)
{
    double loss;
    together(exchange, (void *[]){mail, mail, mail, mail}, "before the fork");
    pthread_t t[3];
    void *result[3] = {0};
    pthread_create(&t[0], NULL, train, &loss);
    pthread_create(&t[1], NULL, exchange, mail);
    pthread_create(&t[2], NULL, fork_now, mail);
    bool ok = true;
    for (int i = 0; i < 3; i++) ok = pthread_join(t[i], &result[i]) == 0 && result[i] && ok;
    TAP_OK(ok, "a child forked while others work computes and exits");
    for (int i = 0; i < 8; i++) reel_unset(&mail[i]);
}

TAP_MAIN(test_training, test_session, test_exchange, test_leaving, test_loops, test_fork)
