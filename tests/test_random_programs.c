/* test_random_programs.c: random whole programs, each run eagerly, under tapes, captured, replayed and as a placeholder
   graph, must give the same bits in their outputs and their variables. REEL_SEED=n runs that program alone, REEL_PROGRAMS=n
   that many from there on, REEL_STEPS=n cuts them short, REEL_COMPOSITES=0 or 2 leaves ops that stand for several out
   everywhere or allows them everywhere. Sessions run with each pass alone, with all and with none. */
#include <stdlib.h>
#include "random_program.h"
#include "reel/reel.h"
#include "tap.h"
#include "trace/trace.h"

/* ---- results ------------------------------------------------------------------------------------------- */

typedef struct {
    int code, n;
    reel_type type[MAX_RESULTS];
    unsigned char *data[MAX_RESULTS];
    size_t bytes[MAX_RESULTS];
    char text[504];
} results;

static void results_free(results *r)
{
    for (int i = 0; i < r->n; i++) free(r->data[i]);
    *r = (results){0};
}

/* Every NaN as one: their signs and payloads are nobody's promise. bits: of an element; frac: of those the fraction's. */
static void one_nan(void *data, size_t bytes, int bits, int frac)
{
    const size_t size = (size_t)bits / 8;
    const uint64_t fraction = ((uint64_t)1 << frac) - 1, inf = (((uint64_t)1 << (bits - 1)) - 1) & ~fraction;
    for (size_t at = 0; at < bytes; at += size) {
        uint64_t x = 0;
        memcpy(&x, (char *)data + at, size);
        if ((x & inf) != inf || (x & fraction) == 0) continue;
        x = inf | fraction;
        memcpy((char *)data + at, &x, size);
    }
}

static void add_result(results *r, reel_tensor *t)
{
    const int i = r->n++;
    r->type[i] = (reel_type){reel_dtype_of(t), reel_shape_of(t)};
    r->bytes[i] = (size_t)reel_shape_count(r->type[i].shape) * reel_dtype_size(r->type[i].dtype);
    r->data[i] = malloc(r->bytes[i] + 1);
    if (reel_read(t, r->data[i], r->bytes[i])) return;
    switch (r->type[i].dtype) {
    case REEL_F32: one_nan(r->data[i], r->bytes[i], 32, 23); break;
    case REEL_F64: one_nan(r->data[i], r->bytes[i], 64, 52); break;
    case REEL_F16: one_nan(r->data[i], r->bytes[i], 16, 10); break;
    case REEL_BF16: one_nan(r->data[i], r->bytes[i], 16, 7); break;
    default: break;
    }
}

static void collect(const program *p, int code, reel_tensor *const out[], results *r)
{
    *r = (results){0};
    reel_error e = {0};
    (void)code;
    r->code = reel_take_error(&e);
    memcpy(r->text, e.text, sizeof r->text);
    if (r->code) return;
    for (int i = 0; i < n_results(p); i++) add_result(r, out[i]);
    for (int i = 0; i < N_VARS; i++) add_result(r, p->var[i]);
    r->code = reel_take_error(&e);
    memcpy(r->text, e.text, sizeof r->text);
}

static bool same(const program *p, const char *mode, const results *a, const results *b)
{
    if (a->code != b->code) {
        TAP_NOTE("REEL_SEED=%llu: %s: code %d, eager %d\n%s\n%s", (unsigned long long)p->seed, mode, b->code, a->code,
                 b->text, a->text);
        return false;
    }
    for (int i = 0; i < a->n; i++) {
        bool ok = a->type[i].dtype == b->type[i].dtype && a->bytes[i] == b->bytes[i] &&
                  a->type[i].shape.rank == b->type[i].shape.rank;
        for (int j = 0; ok && j < a->type[i].shape.rank; j++) ok = a->type[i].shape.dims[j] == b->type[i].shape.dims[j];
        if (ok && memcmp(a->data[i], b->data[i], a->bytes[i]) == 0) continue;
        TAP_NOTE("REEL_SEED=%llu: %s: result %d differs from eager's (%s, %zu and %zu bytes)",
                 (unsigned long long)p->seed, mode, i, reel_dtype_name(a->type[i].dtype), a->bytes[i], b->bytes[i]);
        if (getenv("REEL_VERBOSE"))
            for (size_t k = 0; k < a->bytes[i] && k < b->bytes[i] && k < 64; k += 4) {
                uint32_t x = 0, y = 0;
                memcpy(&x, a->data[i] + k, a->bytes[i] - k < 4 ? a->bytes[i] - k : 4);
                memcpy(&y, b->data[i] + k, a->bytes[i] - k < 4 ? a->bytes[i] - k : 4);
                if (x != y) TAP_NOTE("byte %zu: %08x, eagerly %08x", k, (unsigned)y, (unsigned)x);
            }
        return false;
    }
    return true;
}

static void reset(program *p)
{
    (void)reel_seed(p->seed);
    (void)reel_generator_seed(p->generator, p->seed + 1);
    for (int i = 0; i < N_VARS; i++) (void)reel_assign(p->var[i], p->init[i]);
}

/* ---- modes --------------------------------------------------------------------------------------------- */

static void eager(program *p, results *r)
{
    REEL_SCOPED;
    reel_tensor *out[MAX_RESULTS] = {0};
    collect(p, reel_invoke(fn_of(p), (reel_list){p->n_in, p->in}, out), out, r);
}

static void taped(program *p, results *r)
{
    REEL_SCOPED;
    reel_tensor *out[MAX_RESULTS] = {0};
    reel_tape *t = reel_tape_begin(NULL);
    watch(t, p->n_in, p->in);
    collect(p, reel_invoke(fn_of(p), (reel_list){p->n_in, p->in}, out), out, r);
    reel_tape_end(t);
}

/* Through the call, with the inputs and variables used outside of it too. */
static void gradients(const program *p, reel_tape *t, reel_tensor *const out[], results *r)
{
    reel_tensor *y = reel_zeros(REEL_F64, REEL_SCALAR), *xs[N_IN + N_VARS], *dx[N_IN + N_VARS] = {0};
    int n = 0;
    for (int i = 0; i < p->n_in; i++)
        if (is_float(reel_dtype_of(p->in[i]))) xs[n++] = p->in[i];
    for (int i = 0; i < N_VARS; i++) xs[n++] = p->var[i];
    for (int i = 0; i < N_OUT; i++)
        if (is_float(reel_dtype_of(out[i]))) y = reel_add(y, reel_sum(reel_cast(out[i], REEL_F64)));
    for (int i = 0; i < n; i++) y = reel_add(y, reel_sum(reel_cast(reel_mul(xs[i], reel_tanh(xs[i])), REEL_F64)));
    (void)reel_grad(t, y, (reel_list){n, xs}, dx);
    reel_error e = {0};
    *r = (results){.code = reel_take_error(&e)};
    memcpy(r->text, e.text, sizeof r->text);
    for (int i = 0; i < n && !r->code; i++) add_result(r, dx[i]);
}

/* dx: of the gradients through the call, if they are wanted: then it is under a tape. */
static void call(program *p, reel_function *f, results *dx, results *r)
{
    REEL_SCOPED;
    reel_tensor *out[MAX_RESULTS] = {0};
    reel_tape *t = dx ? reel_tape_begin(NULL) : NULL;
    if (t) watch(t, p->n_in, p->in);
    collect(p, reel_function_call(f, (reel_list){p->n_in, p->in}, out), out, r);
    if (t && !r->code) gradients(p, t, out, dx);
    reel_tape_end(t);
}

static reel_graph *build(program *p, bool unknown, results *r)
{
    reel_graph *g = reel_graph_begin();
    reel_tensor *in[N_IN], *out[MAX_RESULTS] = {0};
    for (int i = 0; i < p->n_in; i++) {
        const char name[] = {'i', (char)('0' + i), 0};
        reel_shape s = reel_shape_of(p->in[i]);
        if (unknown && i == 0) s.dims[0] = REEL_ANY;
        in[i] = reel_placeholder(reel_dtype_of(p->in[i]), s, name);
    }
    reel_fn f = fn_of(p);
    if (!f.body(p, in, out)) {
        for (int i = 0; i < f.n_out; i++) {
            const char name[] = {'o', (char)('0' + i / 10), (char)('0' + i % 10), 0};
            (void)reel_output(name, out[i]);
        }
    }
    (void)reel_graph_end(g);
    reel_error e = {0};
    *r = (results){0};
    r->code = reel_take_error(&e);
    memcpy(r->text, e.text, sizeof r->text);
    return g;
}

static void session(program *p, reel_session *s, results *r)
{
    REEL_SCOPED;
    reel_feed feed[N_IN];
    const char *fetch[MAX_RESULTS];
    char names[MAX_RESULTS][4], in_names[N_IN][4];
    for (int i = 0; i < p->n_in; i++) {
        memcpy(in_names[i], (char[]){'i', (char)('0' + i), 0}, 3);
        feed[i] = (reel_feed){in_names[i], p->in[i]};
    }
    const int n = n_results(p);
    for (int i = 0; i < n; i++) {
        memcpy(names[i], (char[]){'o', (char)('0' + i / 10), (char)('0' + i % 10), 0}, 4);
        fetch[i] = names[i];
    }
    reel_tensor *out[MAX_RESULTS] = {0};
    collect(p, reel_session_run(s, (reel_feeds){p->n_in, feed}, (reel_names){n, fetch}, out), out, r);
}

/* ---- one program --------------------------------------------------------------------------------------- */

static reel_tensor *random_input(uint64_t *rng, reel_dtype d, reel_shape s, int64_t batch)
{
    if (batch >= 0) s.dims[0] = batch;
    reel_tensor *x = reel_cast(reel_normal(REEL_F32, s, 0.3, 1.5, NULL), d);
    if (batch < 0 && s.rank >= 2 && below(rng, 3) == 0) /* column-major memory */
        x = reel_transpose(reel_where(reel_full(REEL_BOOL, REEL_SCALAR, 1), reel_transpose(x, REEL_ALL_AXES),
                                      reel_zeros(d, REEL_SCALAR)),
                           REEL_ALL_AXES);
    if (batch < 0 && s.rank >= 1 && below(rng, 3) == 0) x = reel_slice(x, 1, REEL_RANGES({REEL_END, REEL_END, -1}));
    return x;
}

static int failures_of_generator;

/* ---- passes -------------------------------------------------------------------------------------------- */

static const char *const levels[] = {
    "none",  "prune", "fold",    "simplify",      "views",           "sink",
    "share", "fuse",  "default", "default,-fuse", "default,default", "share,sink,simplify,fold,views"};
enum { N_LEVELS = sizeof levels / sizeof *levels, MAX_NAMES = 16 };
static struct {
    const char *name;
    size_t fired, programs;
} passes[MAX_NAMES];

/* By the passes over steps: members of groups, reductions in them, groups behind products, updates in sweeps. */
static size_t steps_found[REEL_N_STEPS];

/* How often each pass found something. */
static bool count_passes(const program *p, const reel_session *s, const char *level)
{
    const reel_plan *plan = reel_session_plan_(s);
    for (int i = 1; plan && i < plan->n_reports; i++) {
        int k = 0;
        while (passes[k].name && strcmp(passes[k].name, plan->reports[i].name) != 0) k++;
        passes[k].name = plan->reports[i].name;
        passes[k].fired += plan->reports[i].fired;
        passes[k].programs += plan->reports[i].fired > 0;
    }
    for (int k = 0; plan && k < REEL_N_STEPS; k++) steps_found[k] += plan->found[k];
    reel_error e;
    if (!plan || reel_graph_verify(plan->graph) == 0) return true;
    (void)reel_take_error(&e);
    TAP_NOTE("REEL_SEED=%llu: passes %s: %s", (unsigned long long)p->seed, level, e.text);
    if (getenv("REEL_VERBOSE")) (void)reel_graph_print(stderr, plan->graph);
    return false;
}

/* The graph replayed after each list of passes. */
static bool each_level(program *p, reel_graph *graph, const results *want)
{
    bool ok = true;
    const char *only = getenv("REEL_PASSES");
    for (int k = 0; k < N_LEVELS; k++) {
        char mode[96];
        results got = {0};
        if (only && strcmp(only, levels[k]) != 0) continue;
        snprintf(mode, sizeof mode, "session with passes %s", levels[k]);
        reel_session *s = reel_session_new(graph, REEL_OPTS(session, .effects = true, .passes = levels[k]));
        reset(p);
        session(p, s, &got);
        ok = same(p, mode, want, &got) && ok;
        results_free(&got);
        if (getenv("REEL_VERBOSE")) (void)reel_session_explain(stderr, s);
        ok = count_passes(p, s, levels[k]) && ok;
        reel_session_free(s);
    }
    return ok;
}

static bool compare(program *p)
{
    results want = {0}, got = {0}, dx[2] = {{0}};
    bool ok = true;
    reset(p);
    eager(p, &want);
    if (want.code) {
        failures_of_generator++;
        if (getenv("REEL_VERBOSE")) TAP_NOTE("REEL_SEED=%llu: eager: %s", (unsigned long long)p->seed, want.text);
    }
    reset(p);
    taped(p, &got);
    ok = same(p, "taped", &want, &got) && ok;
    results_free(&got);
    reel_function *f = reel_function_new(fn_of(p), NULL);
    for (int i = 0; i < 5; i++) {
        static const char *const mode[] = {"capture", "replay", "replay under a tape", "replay again",
                                           "replay a fourth time"};
        reset(p);
        call(p, f, i == 2 ? &dx[0] : NULL, &got);
        ok = same(p, mode[i], &want, &got) && ok;
        results_free(&got);
        if (want.code) break;
    }
    reel_function_free(f);
    reel_function *g = reel_function_new(fn_of(p), REEL_OPTS(function, .passes = "none"));
    reset(p);
    call(p, g, &dx[1], &got);
    ok = same(p, "capture under a tape", &want, &got) && ok;
    results_free(&got);
    reset(p);
    call(p, g, NULL, &got);
    ok = same(p, "its replay", &want, &got) && ok;
    results_free(&got);
    reel_function_free(g);
    if (!want.code && (!p->composites || getenv("REEL_GRADIENTS")))
        ok = same(p, "gradients through the replay and the capture", &dx[1], &dx[0]) && ok;
    for (int i = 0; i < 2; i++) results_free(&dx[i]);
    if (want.code) {
        results_free(&want);
        return ok;
    }
    for (int unknown = 0; unknown <= (int)p->batch; unknown++) {
        REEL_SCOPED;
        reset(p);
        reel_graph *graph = build(p, unknown, &got);
        if (got.code) {
            TAP_NOTE("REEL_SEED=%llu: graph%s: %s", (unsigned long long)p->seed, unknown ? " of unknown batch" : "",
                     got.text);
            ok = false;
            reel_graph_free(graph);
            continue;
        }
        if (getenv("REEL_VERBOSE")) (void)reel_graph_print(stderr, graph);
        reel_session *s = reel_session_new(graph, REEL_OPTS(session, .effects = true));
        for (int i = 0; i < 2; i++) {
            reset(p);
            session(p, s, &got);
            ok = same(p, unknown ? "session of unknown batch" : "session", &want, &got) && ok;
            results_free(&got);
        }
        static const int64_t batches[] = {1, 5, 0, 2};
        reel_tensor *first = p->in[0];
        for (int i = 0; i < 4 && unknown; i++) {
            reel_shape shape = reel_shape_of(first);
            shape.dims[0] = batches[i];
            results other = {0};
            p->in[0] = reel_normal(REEL_F32, shape, 0, 1, NULL);
            reset(p);
            eager(p, &other);
            reset(p);
            session(p, s, &got);
            ok = same(p, "session of another batch", &other, &got) && ok;
            if (getenv("REEL_VERBOSE")) (void)reel_session_explain(stderr, s);
            results_free(&got);
            results_free(&other);
        }
        p->in[0] = first;
        reel_session_free(s);
        ok = each_level(p, graph, &want) && ok;
        reel_graph_free(graph);
    }
    results_free(&want);
    return ok;
}

static bool one(uint64_t seed)
{
    REEL_SCOPED;
    uint64_t rng = seed * 7919 + 1;
    program p = {.seed = seed,
                 .steps = 3 + below(&rng, 22),
                 .n_in = 1 + below(&rng, N_IN),
                 .batch = below(&rng, 3) == 0,
                 .grads = below(&rng, 2)};
    if (getenv("REEL_STEPS")) p.steps = atoi(getenv("REEL_STEPS"));
    const char *composites = getenv("REEL_COMPOSITES");
    p.composites = composites ? atoi(composites) > 0 : seed % 2;
    /* A checkpoint refuses a gradient after its variables were assigned; inlined in a trace it does not. */
    p.no_assigns = p.composites && p.grads && seed / 2 % 2;
    p.no_reads = p.composites && p.grads && !p.no_assigns;
    (void)reel_seed(seed);
    p.generator = reel_generator_new(seed);
    p.vars = reel_vars_new("v");
    static const reel_dtype d[N_VARS] = {REEL_F32, REEL_F64, REEL_F16};
    for (int i = 0; i < N_VARS; i++) {
        const char name[] = {(char)('a' + i), 0};
        p.init[i] = reel_normal(d[i], i == 0 ? REEL_SHAPE(3) : i == 1 ? REEL_SHAPE(2, 3) : REEL_SCALAR, 0, 1, NULL);
        p.var[i] = reel_var(p.vars, name, p.init[i]);
    }
    for (int i = 0; i < p.n_in; i++) {
        if (i && below(&rng, 6) == 0 && !p.batch) {
            p.in[i] = p.in[i - 1];
            continue;
        }
        reel_shape s = random_shape(&rng, 4);
        if (p.batch && i == 0 && s.rank == 0) s = REEL_SHAPE(3, 2);
        p.in[i] = random_input(&rng, p.batch && i == 0 ? REEL_F32 : random_dtype(&rng), s, p.batch && i == 0 ? 3 : -1);
    }
    p.inner_sub = (sub){.seed = seed + 5, .p = &p, .steps = 3};
    p.inner = reel_function_new(REEL_FN(sub_body, &p.inner_sub, 1, 1), NULL);
    reel_error e;
    bool ok = reel_take_error(&e) == 0;
    if (!ok) TAP_NOTE("REEL_SEED=%llu: setting up: %s", (unsigned long long)seed, e.text);
    ok = ok && compare(&p);
    reel_function_free(p.inner);
    reel_vars_free(p.vars);
    reel_generator_free(p.generator);
    return ok;
}

static void test_programs(void)
{
    const char *seed = getenv("REEL_SEED"), *programs = getenv("REEL_PROGRAMS");
    const uint64_t first = seed ? strtoull(seed, NULL, 10) : 1;
    const int n = programs ? atoi(programs) : seed ? 1 : 300;
    int bad = 0;
    reel_memory_stats before, after;
    if (n > 1) (void)one(1); /* what stays for reuse is made */
    reel_memory(&before);
    for (int i = 0; i < n && bad < 20; i++) bad += !one(first + (uint64_t)i);
    reel_memory(&after);
    TAP_OK(bad == 0, "%d random programs from seed %llu on give the same bits in every mode", n,
           (unsigned long long)first);
    TAP_OK(failures_of_generator * 20 <= n, "%d of them raise an error, the same one everywhere",
           failures_of_generator);
    int found = 0;
    for (int i = 0; i < MAX_NAMES && passes[i].name; i++) {
        found += passes[i].fired > 0;
        TAP_NOTE("pass %s found %zu places in %zu plans", passes[i].name, passes[i].fired, passes[i].programs);
    }
    TAP_NOTE("passes over steps: %zu members of groups, %zu reductions in groups, %zu groups behind products",
             steps_found[REEL_STEPS_FUSE], steps_found[REEL_STEPS_REDUCE], steps_found[REEL_STEPS_EPILOGUE]);
    TAP_OK(n < 100 || (steps_found[REEL_STEPS_FUSE] && steps_found[REEL_STEPS_REDUCE]), "those over steps too");
    TAP_OK(n < 100 || found == 6, "each of the six passes found something");
    TAP_OK(after.tensors <= before.tensors, "no tensor is left over: %llu before, %llu after",
           (unsigned long long)before.tensors, (unsigned long long)after.tensors);
}

TAP_MAIN(test_programs)
