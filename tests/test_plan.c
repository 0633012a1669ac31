/* Plans: how small their arenas are, that what is wrong with one is noticed, variables written over their old values, the pool of
   arenas, runs from many threads, what explain says. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include "../bench/models.h"
#include "trace/planner.h"
#include "trace/session.h"
#include "trace_help.h"

/* ---- the models ------------------------------------------------------------------------------------------- */

static void model_begin(int i)
{
    net = (struct model){.vars = reel_vars_new("model")};
    reel_seed(1);
    kinds[i].begin();
    net.opt = reel_adam(net.vars, NULL);
}

static void model_end(void)
{
    reel_optimizer_free(net.opt);
    reel_vars_free(net.vars);
}

/* The losses of some steps, under these passes; and the plan's figures. */
static void train(int i, const char *passes, int steps, float *loss, reel_plan_info *info)
{
    REEL_SCOPED;
    model_begin(i);
    reel_function *f = reel_function_new(fn_of(i), REEL_OPTS(function, .passes = passes));
    for (int k = 0; k < steps; k++) {
        REEL_SCOPED;
        reel_tensor *out[1] = {NULL};
        reel_function_call(f, (reel_list){2, in}, out);
        loss[k] = out[0] ? (float)reel_item(out[0]) : 0;
    }
    reel_session *s = reel_session_new(reel_function_graph(f), REEL_OPTS(session, .effects = true, .passes = passes));
    reel_tensor *out[1];
    reel_session_run(s, REEL_FEEDS({"in[0]", in[0]}, {"in[1]", in[1]}), REEL_FETCHES("out[0]"), out);
    reel_session_info(s, info);
    reel_session_free(s);
    reel_function_free(f);
    model_end();
}

static void test_models(void)
{
    enum { STEPS = 4 };
    for (int i = 0; i < (int)(sizeof kinds / sizeof *kinds); i++) {
        float loss[STEPS] = {0}, plain[STEPS] = {0};
        reel_plan_info info = {0}, other = {0};
        const bool quick = i == 0 || i == 1 || i == 3, run = quick || !tap_reduced;
        const int steps = quick && !tap_reduced ? STEPS : 2;
        if (!run) continue;
        train(i, NULL, steps, loss, &info);
        expect_none(kinds[i].name);
        TAP_OK((double)info.arena_bytes <= 1.1 * (double)info.live_bytes,
               "%s: an arena of %zu bytes for %zu that are alive at once: %.3f", kinds[i].name, info.arena_bytes,
               info.live_bytes, (double)info.arena_bytes / (double)info.live_bytes);
        TAP_OK(info.donated_bytes > 0, "%s: %zu bytes of variables over their old values", kinds[i].name,
               info.donated_bytes);
        if (!quick) continue;
        train(i, "default,-schedule", steps, plain, &other);
        TAP_OK(memcmp(loss, plain, sizeof loss) == 0 && other.donated_bytes == 0 && other.moved == 0,
               "%s: the bits of the program's order", kinds[i].name);
        TAP_OK(info.live_bytes <= other.live_bytes + info.donated_bytes, "%s: no more alive: %zu, %zu", kinds[i].name,
               info.live_bytes, other.live_bytes);
    }
}

/* What a schedule can do: gradients that wait for the end of the program; creations far from their use. */
static void test_order(void)
{
    REEL_SCOPED;
    enum { MANY = 12 };
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(64, 64), "x"), *made[MANY], *sums[MANY];
    for (int i = 0; i < MANY; i++) made[i] = reel_matmul(x, reel_mul(x, reel_num(i)));
    for (int i = 0; i < MANY; i++) sums[i] = reel_sum(made[i]);
    reel_output("y", reel_stack((reel_list){MANY, sums}, 0));
    reel_graph_end(g);
    reel_session *s = reel_session_new(g, NULL),
                 *t = reel_session_new(g, REEL_OPTS(session, .passes = "default,-schedule"));
    reel_tensor *a[1], *b[1], *in_x = reel_randn(REEL_F32, REEL_SHAPE(64, 64));
    reel_session_run(s, REEL_FEEDS({"x", in_x}), REEL_FETCHES("y"), a);
    reel_session_run(t, REEL_FEEDS({"x", in_x}), REEL_FETCHES("y"), b);
    reel_plan_info here, there;
    reel_session_info(s, &here);
    reel_session_info(t, &there);
    expect_none("order");
    TAP_OK(same_bits(a[0], b[0]), "the same bits");
    TAP_OK(here.moved > 0 && 4 * here.live_bytes < there.live_bytes,
           "each product is summed at once: %zu bytes, not %zu", here.live_bytes, there.live_bytes);
    reel_session_free(s);
    reel_session_free(t);
    reel_graph_free(g);
}

/* A big draw that is read late could wait, if draws did not keep their order. */
static void test_draws(void)
{
    REEL_SCOPED;
    reel_tensor *out[2][1];
    reel_graph *g = reel_graph_begin();
    reel_tensor *big = reel_uniform(REEL_F32, REEL_SHAPE(64, 64), 0, 1, NULL);
    reel_tensor *few =
        reel_matmul(reel_uniform(REEL_F32, REEL_SHAPE(64, 2), 0, 1, NULL), reel_ones(REEL_F32, REEL_SHAPE(2, 64)));
    for (int i = 0; i < 4; i++) few = reel_softmax(reel_matmul(few, few), -1);
    reel_output("y", reel_sum(reel_matmul(big, few)));
    reel_graph_end(g);
    for (int i = 0; i < 2; i++) {
        reel_session *s = reel_session_new(g, REEL_OPTS(session, .passes = i ? "default,-schedule" : NULL));
        reel_seed(5);
        reel_session_run(s, (reel_feeds){0}, REEL_FETCHES("y"), out[i]);
        reel_session_free(s);
    }
    expect_none("draws");
    TAP_OK(same_bits(out[0][0], out[1][0]), "draws keep their order");
    reel_graph_free(g);
}

/* ---- broken plans ------------------------------------------------------------------------------------------- */

static reel_vars *vars;
static reel_tensor *w, *v;

static reel_graph *busy_graph(void)
{
    REEL_SCOPED;
    vars = reel_vars_new("m");
    w = reel_var(vars, "w", reel_ones(REEL_F32, REEL_SHAPE(8, 8)));
    v = reel_var(vars, "v", reel_zeros(REEL_F32, REEL_SHAPE(8, 8)));
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(8, 8), "x");
    reel_tensor *h = reel_tanh(reel_add(reel_matmul(x, w), reel_num(1)));
    reel_tensor *r = reel_add(h, reel_uniform(REEL_F32, REEL_SHAPE(8, 8), 0, 1, NULL));
    reel_tensor *q = reel_mul(r, reel_uniform(REEL_F32, REEL_SHAPE(8, 8), 0, 1, NULL));
    reel_tensor *p = reel_matmul(reel_transpose(h, REEL_AXES(1, 0)), reel_softmax(q, -1));
    reel_tensor *z = reel_matmul(p, reel_slice(reel_concat(REEL_LIST(p, q), 0), 1, (reel_range[]){{4, 12, 1}}));
    reel_assign(v, reel_sub(v, reel_mul(z, reel_num(0.5))));
    reel_assign(w, reel_add(w, reel_matmul(z, p)));
    reel_output("y", reel_sum(reel_matmul(z, z)));
    reel_output("z", z);
    return reel_graph_end(g) ? NULL : g;
}

static int first_step(const planner *p, const char *op)
{
    for (size_t i = 0; i < p->n_steps; i++)
        if (p->steps[i].node >= 0 && strcmp(p->g->nodes[p->steps[i].node].op->name, op) == 0) return (int)i;
    return -1;
}

static reel_place *place_at(const planner *p, const char *op, int operand)
{
    return &p->plan->slots[p->steps[first_step(p, op)].slot + operand];
}

static int first_fused(const planner *p)
{
    for (size_t i = 0; i < p->n_steps; i++)
        if (p->steps[i].fused) return (int)i;
    return -1;
}

static void swap_steps(planner *p, int a, int b)
{
    const pstep s = p->steps[a];
    const reel_step t = p->plan->steps[a];
    p->steps[a] = p->steps[b];
    p->steps[b] = s;
    p->plan->steps[a] = p->plan->steps[b];
    p->plan->steps[b] = t;
}

static const char *const ways[] = {
    "an output 64 bytes further",
    "an input 64 bytes further",
    "an output at an odd place",
    "an output beyond the arena",
    "a smaller arena",
    "two steps in the other order",
    "an output over an input of a product",
    "a result of another record",
    "a result from the arena",
    "two draws in the other order",
    "a step that happens twice",
    "a member that reads another operand",
    "a member that reads what is made later",
    "a fused output over an input that is read later",
    "a variable written before the end",
    "another variable written over",
    "a commit left out",
    "a view of another place",
    "a view with other strides",
    "a variable's value from another record",
};
enum { N_WAYS_BROKEN = sizeof ways / sizeof *ways };

static void spoil(planner *p, int how)
{
    reel_plan *plan = p->plan;
    const int product = first_step(p, "matmul"), fused = first_fused(p);
    switch (how) {
    case 0: place_at(p, "softmax", 1)->offset += 64; break;
    case 1: place_at(p, "softmax", 0)->offset += 64; break;
    case 2: place_at(p, "matmul", 2)->offset += 4; break;
    case 3: place_at(p, "matmul", 2)->offset = (int64_t)plan->arena_bytes; break;
    case 4: plan->arena_bytes -= 64; break;
    case 5: swap_steps(p, first_step(p, "softmax"), (int)p->n_steps - (int)p->n_lates - 1); break;
    case 6: *place_at(p, "softmax", 1) = *place_at(p, "softmax", 0); break; /* no elementwise op */
    case 7: plan->results[0].place.ext--; break;
    case 8: plan->results[0].place.kind = REEL_AT_ARENA; break;
    case 9: {
        int a = -1, b = -1;
        for (int i = 0; i < (int)p->n_steps; i++)
            if (p->steps[i].node >= 0 && strcmp(p->g->nodes[p->steps[i].node].op->name, "uniform") == 0) {
                if (a < 0)
                    a = i;
                else
                    b = i;
            }
        swap_steps(p, a, b);
        break;
    }
    case 10: {
        const pstep s = p->steps[product];
        p->steps[product + 1] = s;
        break;
    }
    case 11: ((reel_fused *)(uintptr_t)p->steps[fused].fused)->part[1].in[0]++; break;
    case 12: {
        reel_fused *f = (reel_fused *)(uintptr_t)p->steps[fused].fused;
        f->part[0].in[0] = f->part[f->n_parts - 1].out;
        break;
    }
    case 13: {
        const pstep *s = &p->steps[fused];
        plan->slots[s->slot + s->n_in] = plan->slots[s->slot];
        ((reel_fused *)(uintptr_t)s->fused)->part[s->fused->n_parts - 1].in[0] = 0;
        break;
    }
    case 14: plan->late[0].step = plan->n_steps - 1; break;
    case 15: plan->changes[0].ext = plan->changes[0].ext == p->rq->n_feeds ? p->rq->n_feeds + 1 : p->rq->n_feeds; break;
    case 16: plan->n_changes = 0; break;
    case 17:
    case 18:
        for (size_t i = 0; i < p->g->n_values; i++) {
            if (p->v[i].root == (int32_t)i || !p->v[i].type.dtype) continue;
            if (how == 17) p->v[i].offset += 4;
            if (how == 18) p->v[i].strides[0]++;
            break;
        }
        break;
    default: place_at(p, "matmul", 1)->ext ^= 1; break;
    }
}

static void test_broken(void)
{
    REEL_SCOPED;
    reel_graph *g = busy_graph();
    reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(8, 8));
    for (int how = -1; how < N_WAYS_BROKEN; how++) {
        REEL_SCOPED;
        reel_tensor *out[2];
        reel_session *s = reel_session_new(g, REEL_OPTS(session, .effects = true, .check_plans = true));
        if (how >= 0) {
            s->player.passes.ways.spoil = spoil;
            s->player.passes.ways.spoil_how = how;
        }
        const int rc = reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y", "z"), out);
        reel_error e;
        if (how < 0) {
            expect_none("a plan that is not broken");
        } else {
            TAP_OK(rc == REEL_ETRACE && reel_take_error(&e) && strstr(e.text, "reel_plan_check"), "%s is noticed: %s",
                   ways[how], rc ? e.text : "");
            (void)reel_take_error(NULL);
        }
        reel_session_free(s);
    }
    reel_graph_free(g);
    reel_vars_free(vars);
}

/* ---- over the old values -------------------------------------------------------------------------------------- */

/* w -= g(x) / 2, v += w(before); fails if an index in i is out of range. */
static int update(void *self, reel_tensor *const x[], reel_tensor *y[])
{
    (void)self;
    reel_tensor *picked = reel_gather(x[0], x[1], 0);
    y[0] = reel_sum(picked);
    reel_tensor *g = reel_matmul(x[0], x[0]), *old = reel_stop_gradient(w);
    reel_assign(w, reel_sub(w, reel_mul(g, reel_num(0.5))));
    return reel_assign(v, reel_add(old, v));
}

static double element(reel_tensor *t)
{
    float all[64] = {0};
    reel_read(t, all, sizeof all);
    return (double)all[9];
}

static void test_donation(void)
{
    REEL_SCOPED;
    vars = reel_vars_new("m");
    w = reel_var(vars, "w", reel_ones(REEL_F32, REEL_SHAPE(8, 8)));
    v = reel_var(vars, "v", reel_zeros(REEL_F32, REEL_SHAPE(8, 8)));
    reel_tensor *x = reel_ones(REEL_F32, REEL_SHAPE(8, 8)), *out[1];
    reel_tensor *good = reel_from_i32(REEL_SHAPE(2), (int32_t[]){0, 7}, 2),
                *bad = reel_from_i32(REEL_SHAPE(2), (int32_t[]){0, 8}, 2);
    reel_function *f = reel_function_new(REEL_FN(update, NULL, 2, 1), NULL);
    double ww = 1, vv = 0;
    const void *places[5];
    for (int i = 0; i < 5; i++) {
        reel_function_call(f, REEL_LIST(x, good), out);
        vv += ww;
        ww -= 4;
        TAP_OK(element(w) == ww && element(v) == vv, "step %d: w %g, v %g", i, element(w), element(v));
        places[i] = reel_rec_of_(v)->value->data;
    }
    TAP_OK(places[2] == places[3] && places[3] == places[4], "replays write over the old values");
    reel_tensor *held = reel_value(w);
    reel_function_call(f, REEL_LIST(x, good), out);
    vv += ww;
    TAP_OK(element(held) == ww, "a value that somebody holds is not written over: %g", element(held));
    ww -= 4;
    TAP_OK(element(w) == ww && element(v) == vv, "and the variable goes on");
    reel_release(held);
    TAP_OK(reel_function_call(f, REEL_LIST(x, bad), out) != 0, "a run fails");
    reel_take_error(NULL);
    TAP_OK(element(w) == ww && element(v) == vv, "and leaves both variables as they were: %g, %g", element(w),
           element(v));
    reel_function_call(f, REEL_LIST(x, good), out);
    vv += ww;
    ww -= 4;
    TAP_OK(element(w) == ww && element(v) == vv, "and the next one goes on");
    reel_memory_stats before, after;
    reel_memory(&before);
    for (int i = 0; i < 100; i++) {
        REEL_SCOPED;
        reel_function_call(f, REEL_LIST(x, good), out);
    }
    reel_memory(&after);
    TAP_OK(after.in_use == before.in_use, "nothing is kept: %lld bytes more",
           (long long)(after.in_use - before.in_use));
    expect_none("donation");
    reel_function_free(f);
    reel_vars_free(vars);
}

/* The old value of one variable is read behind the step that makes its new one, for another. */
static int read_late(void *self, reel_tensor *const x[], reel_tensor *y[])
{
    (void)self;
    (void)y;
    reel_tensor *twice = reel_mul(v, x[0]), *more = reel_add(w, v);
    reel_assign(v, twice);
    return reel_assign(w, more);
}

static void test_read_late(void)
{
    REEL_SCOPED;
    vars = reel_vars_new("m");
    w = reel_var(vars, "w", reel_ones(REEL_F32, REEL_SHAPE(8, 8)));
    v = reel_var(vars, "v", reel_ones(REEL_F32, REEL_SHAPE(8)));
    reel_function *f = reel_function_new(REEL_FN(read_late, NULL, 1, 0), NULL);
    double ww = 1, vv = 1;
    int different = 0;
    for (int i = 0; i < 6; i++) {
        reel_function_call(f, REEL_LIST(reel_full(REEL_F32, REEL_SHAPE(8), 2)), NULL);
        ww += vv;
        vv *= 2;
        different += element(w) != ww || reel_item(reel_sum(v)) != 8 * vv;
    }
    TAP_EQ_INT(different, 0);
    expect_none("read late");
    reel_function_free(f);
    reel_vars_free(vars);
}

/* A step that reads a tensor and, all over it, its first row: nothing may be written over the tensor while that is read. */
static void test_part_read(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_cumsum(reel_placeholder(REEL_F32, REEL_SHAPE(6, 16), "x"), 0, NULL);
    reel_output("y", reel_cumsum(reel_add(x, reel_slice(x, 1, REEL_RANGES({0, 1, 1}))), 0, NULL));
    reel_graph_end(g);
    reel_session *s = reel_session_new(g, NULL);
    reel_tensor *given = reel_randn(REEL_F32, REEL_SHAPE(6, 16)), *got[1], *a = reel_cumsum(given, 0, NULL);
    reel_session_run(s, REEL_FEEDS({"x", given}), REEL_FETCHES("y"), got);
    TAP_OK(same_bits(got[0], reel_cumsum(reel_add(a, reel_slice(a, 1, REEL_RANGES({0, 1, 1}))), 0, NULL)),
           "a tensor and its first row");
    expect_none("part read");
    reel_session_free(s);
    reel_graph_free(g);
}

/* Both variables are always assigned the same; readers must see so. */
static int both(void *self, reel_tensor *const x[], reel_tensor *y[])
{
    (void)self;
    (void)y;
    reel_assign(w, reel_add(w, x[0]));
    return reel_assign(v, reel_add(v, x[0]));
}

static int difference(void *self, reel_tensor *const x[], reel_tensor *y[])
{
    (void)self;
    y[0] = reel_sum(reel_abs(reel_sub(reel_mul(w, x[0]), reel_mul(v, x[0]))));
    return reel_status();
}

typedef struct many {
    reel_function *writes, *reads;
    _Atomic int failed, apart;
} many;

static void *read_and_write(void *arg)
{
    many *m = arg;
    static _Atomic int number;
    const int own = atomic_fetch_add(&number, 1);
    for (int i = 0; i < (tap_reduced ? 50 : 400); i++) {
        REEL_SCOPED;
        reel_tensor *one = reel_ones(REEL_F32, REEL_SHAPE(8, 8)), *out[1];
        if (own % 2) {
            m->failed += reel_function_call(m->writes, REEL_LIST(one), NULL) != 0;
        } else if (reel_function_call(m->reads, REEL_LIST(one), out)) {
            m->failed++;
        } else {
            m->apart += reel_item(out[0]) != 0;
        }
    }
    if (reel_take_error(NULL)) m->failed++;
    return NULL;
}

static void test_consistent(void)
{
    enum { THREADS = 8 };
    REEL_SCOPED;
    vars = reel_vars_new("m");
    w = reel_var(vars, "w", reel_zeros(REEL_F32, REEL_SHAPE(8, 8)));
    v = reel_var(vars, "v", reel_zeros(REEL_F32, REEL_SHAPE(8, 8)));
    many m = {.writes = reel_function_new(REEL_FN(both, NULL, 1, 0), NULL),
              .reads = reel_function_new(REEL_FN(difference, NULL, 1, 1), REEL_OPTS(function, .max_arenas = 2))};
    pthread_t t[THREADS];
    for (int i = 0; i < THREADS; i++) pthread_create(&t[i], NULL, read_and_write, &m);
    for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
    TAP_OK(m.failed == 0, "8 threads: %d of their calls fail", m.failed);
    TAP_OK(m.apart == 0, "no reader sees one variable of before and one of after: %d do", m.apart);
    TAP_OK(element(w) == element(v) && element(w) == (tap_reduced ? 50 : 400) * THREADS / 2,
           "all updates are there: %g", element(w));
    reel_function_free(m.writes);
    reel_function_free(m.reads);
    reel_vars_free(vars);
}

/* ---- the pool ------------------------------------------------------------------------------------------------- */

static _Atomic int inside, most_inside;

static reel_graph *pool_graph(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY, 64), "x");
    reel_output("y", reel_sum(reel_matmul(x, reel_tanh(reel_transpose(x, REEL_AXES(1, 0))))));
    return reel_graph_end(g) ? NULL : g;
}

static void *use_pool(void *arg)
{
    reel_session *s = arg;
    for (int i = 0; i < (tap_reduced ? 20 : 200); i++) {
        REEL_SCOPED;
        int running, idle;
        size_t bytes;
        reel_tensor *out[1], *x = reel_ones(REEL_F32, REEL_SHAPE(64 + i % 3, 64));
        if (reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y"), out)) atomic_fetch_add(&inside, 1);
        reel_player_pool_(&s->player, &running, &idle, &bytes);
        if (running > atomic_load(&most_inside)) atomic_store(&most_inside, running);
        if (idle > 3 * s->player.max_arenas) atomic_fetch_add(&inside, 1);
    }
    (void)reel_take_error(NULL);
    return NULL;
}

static void run_once(reel_session *s, int64_t rows)
{
    REEL_SCOPED;
    reel_tensor *out[1];
    reel_session_run(s, REEL_FEEDS({"x", reel_ones(REEL_F32, REEL_SHAPE(rows, 64))}), REEL_FETCHES("y"), out);
}

/* A run within the run that holds the only arena: it must not wait for that. */
static int nested(void *self, const reel_node_info *e)
{
    static int depth;
    (void)e;
    if (depth++ == 0) run_once(self, 64);
    depth--;
    return reel_status();
}

static void test_pool(void)
{
    enum { THREADS = 8 };
    reel_graph *g = pool_graph();
    reel_session *s = reel_session_new(g, REEL_OPTS(session, .max_arenas = 2));
    pthread_t t[THREADS];
    for (int i = 0; i < THREADS; i++) pthread_create(&t[i], NULL, use_pool, s);
    for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
    int running, idle;
    size_t bytes;
    TAP_EQ_INT(s->player.n_plans, 3); /* one a size, also where two threads missed it at once */
    TAP_OK(atomic_load(&inside) == 0, "no call fails, no more arenas than allowed");
    TAP_OK(atomic_load(&most_inside) <= 2, "at most 2 runs of 8 threads at once: %d", atomic_load(&most_inside));
    for (int i = 0; i < 200; i++) run_once(s, 64);
    reel_player_pool_(&s->player, &running, &idle, &bytes);
    TAP_OK(running == 0 && idle == 1, "what 64 runs have not needed is freed: %d arenas are left", idle);
    TAP_EQ_INT(reel_session_trim(s), 0);
    reel_player_pool_(&s->player, &running, &idle, &bytes);
    TAP_OK(idle == 0 && bytes == 0, "trimmed: %d arenas, %zu bytes", idle, bytes);
    run_once(s, 64);
    reel_session *one = reel_session_new(g, REEL_OPTS(session, .max_arenas = 1));
    reel_session_on_node(one, nested, one);
    alarm(100); /* rather than to wait for ever */
    run_once(one, 64);
    alarm(0);
    reel_session_on_node(one, NULL, NULL);
    expect_none("a run within a run");
    reel_memory_stats before, after;
    for (int i = 0; i < 10; i++) run_once(s, 64);
    reel_memory(&before);
    for (int i = 0; i < 50; i++) run_once(s, 64);
    reel_memory(&after);
    TAP_OK(after.in_use == before.in_use, "nothing is kept from run to run");
    reel_session_trim(NULL);
    expect_error(REEL_EARG, "reel_session_trim", "NULL", "trim of nothing");
    reel_session_free(s);
    reel_session_free(one);
    reel_graph_free(g);
}

/* ---- explain ---------------------------------------------------------------------------------------------------- */

static void test_explain(void)
{
    REEL_SCOPED;
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(32, 64), "x");
    reel_tensor *k = reel_placeholder(REEL_F32, REEL_SHAPE(8, 1, 3, 3), "k");
    reel_tensor *h = reel_relu(reel_add(reel_matmul(x, reel_transpose(x, REEL_AXES(1, 0))), reel_num(1)));
    reel_output("y", reel_sum(reel_conv2d(reel_reshape(h, REEL_SHAPE(1, 1, 32, 32)), k, NULL)));
    reel_graph_end(g);
    reel_session *s = reel_session_new(g, NULL);
    reel_session_profile(s, true);
    reel_tensor *out[1];
    for (int i = 0; i < 3; i++)
        reel_session_run(s,
                         REEL_FEEDS({"x", reel_ones(REEL_F32, REEL_SHAPE(32, 64))},
                                    {"k", reel_ones(REEL_F32, REEL_SHAPE(8, 1, 3, 3))}),
                         REEL_FETCHES("y"), out);
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    TAP_EQ_INT(reel_session_explain(f, s), 0);
    fclose(f);
    TAP_OK(strstr(text, "131k") || strstr(text, "133k"),
           "a product's operations: 2 x 32 x 32 x 64, with what may be done to its blocks");
    TAP_OK(strstr(text, "130k") != NULL, "a convolution's: 2 x 8 x 900 x 9");
    TAP_OK(strstr(text, "own") != NULL || strstr(text, "OpenBLAS") != NULL, "the kernels' names");
    TAP_OK(strstr(text, "alive at once") && strstr(text, "of peak") && strstr(text, "kernel"),
           "live bytes, peak, kernels");
    TAP_OK(strstr(text, "test_plan.c") != NULL && strstr(text, "as one") != NULL, "lines, fused groups");
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) TAP_NOTE("%s", line);
    free(text);
    expect_none("explain");
    reel_session_free(s);
    reel_graph_free(g);
}

TAP_MAIN(test_models, test_order, test_draws, test_broken, test_donation, test_read_late, test_part_read,
         test_consistent, test_pool, test_explain)
