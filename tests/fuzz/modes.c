/* modes.c: one program in every mode; the same bits, or what differs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "results.h"
#include "trace/trace.h"

/* ---- same? ----------------------------------------------------------------------------------------------- */

/* How bits are held against each other. */
typedef enum {
    EXACT,
    BUT_NAN, /* gradients through control flow: a trace has zero gradients for what a branch or step does not use, and 0 times infinity
                is NaN: such elements are not compared */
    ROUNDED, /* gradients of gradients where a dimension is unknown: each operand that may have been broadcast is summed by a node of its own,
                so the additions come in another order */
    ROUNDED_BUT_NAN, /* both */
    CLOSE            /* gradients of gradients through control flow: so do those of loops within */
} closeness;

static int n_gradients(const fuzz_block *b)
{
    int n = 0;
    for (int i = 0; b && i < b->n_steps; i++) {
        const fuzz_kind k = b->steps[i].kind;
        n += k == FUZZ_grad || k == FUZZ_vjp || k == FUZZ_grad_persistent || k == FUZZ_grad_scoped;
        for (int j = 0; j < FUZZ_BLOCKS; j++) n += n_gradients(b->steps[i].block[j]);
    }
    return n;
}

/* Does a step make short floats? What is wider may have come through them. */
static bool makes_short(const fuzz_program *p, const fuzz_block *b)
{
    for (int i = 0; b && i < b->n_steps; i++) {
        const fuzz_step *s = &b->steps[i];
        for (int k = 0; k < s->n_out; k++) {
            const reel_dtype d = p->type[s->out + k].dtype;
            if (p->type[s->out + k].shape.rank >= 0 && (d == REEL_F16 || d == REEL_BF16)) return true;
        }
        for (int j = 0; j < FUZZ_BLOCKS; j++)
            if (makes_short(p, s->block[j])) return true;
    }
    return false;
}

static bool close_to(const fuzz_program *p, const results *want, const results *got, int i, closeness how)
{
    const reel_dtype d = want->type[i].dtype;
    const bool is_short = d == REEL_F16 || d == REEL_BF16 || makes_short(p, p->body);
    const size_t size = reel_dtype_size(d);
    if (!fuzz_is_float(d)) return false;
    for (size_t at = 0; at < want->bytes[i]; at += size) {
        if (memcmp(want->data[i] + at, got->data[i] + at, size) == 0) continue;
        const double a = fuzz_number(d, want->data[i] + at), b = fuzz_number(d, got->data[i] + at);
        if (how == ROUNDED ? isnan(a) && isnan(b) : isnan(a) || isnan(b) || (isinf(a) && isinf(b))) continue;
        /* sums over a loop's steps in another order, which cancel: half the digits of a float, a few bits of the short ones; of a double those
           that a float has, as its gradient may have come through one by casts (seed 93594: 5e-8; seed 687952: 5e-4, through f16) */
        const double of_loops = is_short ? 0.1 : d == REEL_F64 ? 1e-5 : 1e-3;
        const double tol = how == CLOSE ? of_loops : is_short ? 0.03 : 1e-5;
        if (how == BUT_NAN || !(fabs(a - b) <= tol * fmax(1, fmin(fabs(a), fabs(b))))) return false;
    }
    return true;
}

void fuzz_same(compare *c, const results *want, const results *got)
{
    const bool outer = c->now.mode == FUZZ_GRADIENTS;
    const bool second = c->p->close || (outer && c->p->control && c->p->zeros);
    const bool unknown = c->now.mode >= FUZZ_GRAPH && c->now.which == 1 && c->p->grads + n_gradients(c->p->body) > 1;
    const bool but_nan = c->p->zeros || (outer && c->p->control);
    const closeness how = second               ? CLOSE
                          : unknown && but_nan ? ROUNDED_BUT_NAN
                          : unknown            ? ROUNDED
                          : but_nan            ? BUT_NAN
                                               : EXACT;
    c->now.result = -1;
    if (want->code != got->code) {
        fuzz_note_codes(c, got->code, want->code, got->code ? got->text : want->text);
        fuzz_differ(c, "an error, eagerly %s:\n  %s\n  eagerly: %s", reel_code_name(want->code), got->text, want->text);
        return;
    }
    for (int i = 0; i < want->n; i++) {
        const reel_type *a = &want->type[i], *b = &got->type[i];
        bool ok = a->dtype == b->dtype && want->bytes[i] == got->bytes[i] && a->shape.rank == b->shape.rank;
        for (int j = 0; ok && j < a->shape.rank; j++) ok = a->shape.dims[j] == b->shape.dims[j];
        if (ok && memcmp(want->data[i], got->data[i], want->bytes[i]) == 0) continue;
        if (ok && how != EXACT && close_to(c->p, want, got, i, how)) continue;
        c->now.result = i;
        fuzz_differ(c, "result %d differs (%s, %zu and %zu bytes)", i, reel_dtype_name(a->dtype), want->bytes[i],
                    got->bytes[i]);
        return;
    }
}

/* ---- modes --------------------------------------------------------------------------------------------- */

static void watch(const fuzz_program *p, reel_tape *t)
{
    for (int i = 0; i < p->n_in; i++)
        if (fuzz_is_float(p->type[i].dtype)) (void)reel_watch(t, REEL_LIST(p->in[i]));
}

static void taped(compare *c, const results *want)
{
    REEL_SCOPED;
    fuzz_program *p = c->p;
    results got;
    reel_tensor *out[FUZZ_ALL_RESULTS] = {NULL};
    if (!fuzz_wanted(c, FUZZ_TAPED, 0, -1, NULL)) return;
    fuzz_reset(p);
    reel_tape *t = reel_tape_begin(NULL);
    watch(p, t);
    (void)reel_invoke(fuzz_fn(p), (reel_list){p->n_in, p->in}, out);
    fuzz_collect(p, out, &got);
    reel_tape_end(t);
    fuzz_same(c, want, &got);
    fuzz_drop_results(&got);
}

/* Through the call, with the inputs and variables used outside of it too. */
static void gradients(const fuzz_program *p, reel_tape *t, reel_tensor *const out[], results *r)
{
    reel_tensor *y = reel_zeros(REEL_F64, REEL_SCALAR), *xs[FUZZ_INPUTS + FUZZ_VARS],
                *dx[FUZZ_INPUTS + FUZZ_VARS] = {0};
    int n = 0;
    for (int i = 0; i < p->n_in; i++)
        if (fuzz_is_float(p->type[i].dtype)) xs[n++] = p->in[i];
    for (int i = 0; i < FUZZ_VARS; i++) xs[n++] = p->var[i];
    for (int i = 0; i < p->body->n_out; i++)
        if (fuzz_is_float(reel_dtype_of(out[i]))) y = reel_add(y, reel_sum(reel_cast(out[i], REEL_F64)));
    for (int i = 0; i < n; i++) y = reel_add(y, reel_sum(reel_cast(reel_mul(xs[i], reel_tanh(xs[i])), REEL_F64)));
    (void)reel_grad(t, y, (reel_list){n, xs}, dx);
    *r = (results){0};
    fuzz_note_error(r);
    for (int i = 0; i < n && !r->code; i++) fuzz_add_result(r, dx[i], p->control);
}

/* dx: of the gradients through the call, if they are wanted: then it is under a tape. */
static void call(fuzz_program *p, reel_function *f, results *dx, results *r)
{
    REEL_SCOPED;
    reel_tensor *out[FUZZ_ALL_RESULTS] = {NULL};
    fuzz_reset(p);
    reel_tape *t = dx ? reel_tape_begin(NULL) : NULL;
    if (t) watch(p, t);
    (void)reel_function_call(f, (reel_list){p->n_in, p->in}, out);
    fuzz_collect(p, out, r);
    if (t && !r->code) gradients(p, t, out, dx);
    reel_tape_end(t);
}

static void functions(compare *c, const results *want)
{
    fuzz_program *p = c->p;
    results got, dx[2] = {{0}};
    const fuzz_mode only = c->only ? c->only->mode : FUZZ_SAME;
    if (only == FUZZ_SAME || only == FUZZ_FUNCTION || only == FUZZ_GRADIENTS) {
        reel_function *f = reel_function_new(fuzz_fn(p), NULL);
        for (int i = 0; i < (want->code ? 1 : 5); i++) {
            fuzz_begins(c, FUZZ_FUNCTION, i, -1, NULL);
            call(p, f, i == 2 && !p->untaped ? &dx[0] : NULL, &got);
            if (fuzz_wanted(c, FUZZ_FUNCTION, i, -1, NULL)) fuzz_same(c, want, &got);
            fuzz_drop_results(&got);
        }
        reel_function_free(f);
    }
    if (only == FUZZ_SAME || only == FUZZ_FUNCTION_TAPED || only == FUZZ_GRADIENTS) {
        reel_function *f = reel_function_new(fuzz_fn(p), REEL_OPTS(function, .passes = "none"));
        for (int i = 0; i < 2; i++) {
            fuzz_begins(c, FUZZ_FUNCTION_TAPED, i, -1, NULL);
            call(p, f, i == 0 && !p->untaped ? &dx[1] : NULL, &got);
            if (fuzz_wanted(c, FUZZ_FUNCTION_TAPED, i, -1, NULL)) fuzz_same(c, want, &got);
            fuzz_drop_results(&got);
        }
        reel_function_free(f);
    }
    if (!want->code && !p->untaped && fuzz_wanted(c, FUZZ_GRADIENTS, 0, -1, NULL)) fuzz_same(c, &dx[1], &dx[0]);
    for (int i = 0; i < 2; i++) fuzz_drop_results(&dx[i]);
}

/* ---- graphs and sessions -------------------------------------------------------------------------------- */

reel_graph *fuzz_build(fuzz_program *p, bool unknown, results *r)
{
    reel_graph *g = reel_graph_begin();
    reel_tensor *in[FUZZ_INPUTS], *out[FUZZ_ALL_RESULTS] = {NULL};
    for (int i = 0; i < p->n_in; i++) {
        const char name[] = {'i', (char)('0' + i), 0};
        reel_shape s = reel_shape_of(p->in[i]);
        if (unknown && i == 0) s.dims[0] = REEL_ANY;
        in[i] = reel_placeholder(reel_dtype_of(p->in[i]), s, name);
    }
    const reel_fn f = fuzz_fn(p);
    if (!f.body(f.self, in, out)) {
        for (int i = 0; i < f.n_out; i++) {
            const char name[] = {'o', (char)('0' + i / 10), (char)('0' + i % 10), 0};
            (void)reel_output(name, out[i]);
        }
    }
    (void)reel_graph_end(g);
    *r = (results){0};
    fuzz_note_error(r);
    return g;
}

void fuzz_session(fuzz_program *p, reel_session *s, results *r)
{
    REEL_SCOPED;
    reel_feed feed[FUZZ_INPUTS];
    const char *fetch[FUZZ_ALL_RESULTS];
    char names[FUZZ_ALL_RESULTS][4], in_names[FUZZ_INPUTS][4];
    for (int i = 0; i < p->n_in; i++) {
        memcpy(in_names[i], (char[]){'i', (char)('0' + i), 0}, 3);
        feed[i] = (reel_feed){in_names[i], p->in[i]};
    }
    const int n = fuzz_n_results(p);
    for (int i = 0; i < n; i++) {
        memcpy(names[i], (char[]){'o', (char)('0' + i / 10), (char)('0' + i % 10), 0}, 4);
        fetch[i] = names[i];
    }
    reel_tensor *out[FUZZ_ALL_RESULTS] = {NULL};
    fuzz_reset(p);
    (void)reel_session_run(s, (reel_feeds){p->n_in, feed}, (reel_names){n, fetch}, out);
    fuzz_collect(p, out, r);
}

static void count_pass(fuzz_stats *stats, const char *name, size_t fired)
{
    int k = 0;
    while (stats->pass[k].name[0] && strcmp(stats->pass[k].name, name) != 0) k++;
    snprintf(stats->pass[k].name, sizeof stats->pass[k].name, "%s", name);
    stats->pass[k].fired += fired;
    stats->pass[k].plans += fired > 0;
}

/* How often each pass found something, those over steps too; whether its graph is sound. */
static void count_passes(compare *c, const reel_session *s)
{
    static const char *const over_steps[REEL_N_STEPS] = {[REEL_STEPS_FUSE] = "fuse",
                                                         [REEL_STEPS_REDUCE] = "reduce",
                                                         [REEL_STEPS_EPILOGUE] = "epilogue",
                                                         [REEL_STEPS_COLUMNS] = "columns",
                                                         [REEL_STEPS_SWEEP] = "sweep"};
    const reel_plan *plan = reel_session_plan_(s);
    for (int i = 1; plan && i < plan->n_reports; i++)
        count_pass(c->stats, plan->reports[i].name, plan->reports[i].fired);
    for (int k = 0; plan && k < REEL_N_STEPS; k++)
        if (over_steps[k]) count_pass(c->stats, over_steps[k], plan->found[k]);
    if (!plan || !fuzz_wanted(c, FUZZ_VERIFY, c->now.which, -1, c->now.passes)) return;
    if (reel_graph_verify(plan->graph) == 0) return;
    reel_error e;
    (void)reel_take_error(&e);
    fuzz_differ(c, "the graph after the passes: %s", e.text);
}

enum { MAX_PASSES = 40 };
/* The passes over steps in an order of the seed's, behind `list`; schedule, which must, comes last. */
static void add_shuffled(uint64_t *rng, char list[96])
{
    const char *name[] = {"fuse", "epilogue", "columns", "sweep", "reduce"};
    for (int n = 5; n > 0; n--) {
        const int k = fuzz_below(rng, n);
        const size_t at = strlen(list);
        snprintf(list + at, 96 - at, ",%s", name[k]);
        name[k] = name[n - 1];
    }
    snprintf(list + strlen(list), 96 - strlen(list), ",schedule");
}

/* The k-th list of passes: none, each alone, the default, the default without each, twice, and two in orders of the seed's. */
static bool pass_list(const fuzz_program *p, int k, char list[96])
{
    reel_pass_info info[MAX_PASSES];
    const char *built_in[MAX_PASSES];
    const int all = reel_passes(info, MAX_PASSES);
    int n = 0;
    for (int i = 0; i < all && i < MAX_PASSES; i++)
        if (info[i].by_default) built_in[n++] = info[i].name;
    if (k == 0) snprintf(list, 96, "default");
    if (k == 1) snprintf(list, 96, "none");
    if (k == 2) snprintf(list, 96, "default,default");
    if (k == 3) {
        uint64_t rng = p->seed;
        size_t at = 0;
        for (int i = 0; i < 5 && n > 0; i++) {
            const char *name = built_in[fuzz_below(&rng, n)];
            if (i < 4 && strcmp(name, "schedule") == 0) name = "prune"; /* must come last */
            if (at + strlen(name) + 2 < 96) at += (size_t)snprintf(list + at, 96 - at, "%s%s", i ? "," : "", name);
        }
    }
    if (k == 4) {
        uint64_t rng = p->seed + 1;
        snprintf(list, 96, "prune,views");
        add_shuffled(&rng, list);
    }
    if (k >= 5 && k < 5 + n) snprintf(list, 96, "%s", built_in[k - 5]);
    if (k >= 5 + n && k < 5 + 2 * n) snprintf(list, 96, "default,-%s", built_in[k - 5 - n]);
    if (fuzz_faulty && strlen(list) < 80) memmove(list + 6, list, strlen(list) + 1), memcpy(list, "wrong,", 6);
    return k < 5 + 2 * n;
}

/* The graph replayed after each list of passes. */
static void each_level(compare *c, reel_graph *graph, bool unknown, const results *want)
{
    char list[96] = "";
    int n = 0;
    while (pass_list(c->p, n, list)) n++;
    const int levels = c->stats->levels;
    for (int k = 0; k < n; k++) {
        /* the first ones always, of the others as many as are wanted, in turn */
        const int turn = (int)((uint64_t)k + c->p->seed) % n;
        if (!c->only && levels && k >= 2 && turn * levels / n == (turn + 1) * levels / n) continue;
        (void)pass_list(c->p, k, list);
        if (c->only && strcmp(c->only->passes, list) != 0) continue;
        results got = {0};
        reel_session *s = reel_session_new(graph, REEL_OPTS(session, .effects = true, .passes = list));
        const int runs = k == 0 ? 2 : 1;
        for (int i = 0; i < runs; i++) {
            fuzz_begins(c, FUZZ_SESSION, unknown, -1, list);
            fuzz_session(c->p, s, &got);
            if (fuzz_wanted(c, FUZZ_SESSION, unknown, -1, list)) fuzz_same(c, want, &got);
            fuzz_drop_results(&got);
        }
        count_passes(c, s);
        reel_session_free(s);
    }
}

static void other_batches(compare *c, reel_graph *graph)
{
    static const int64_t batches[] = {1, 5, 0, 2};
    fuzz_program *p = c->p;
    reel_tensor *first = p->in[0];
    reel_session *s = reel_session_new(graph, REEL_OPTS(session, .effects = true));
    for (int i = 0; i < 4; i++) {
        results want = {0}, got = {0};
        reel_shape shape = reel_shape_of(first);
        if (!fuzz_wanted(c, FUZZ_SESSION, 1, batches[i], "default")) continue;
        shape.dims[0] = batches[i];
        (void)reel_seed(p->seed + 2);
        p->in[0] = reel_normal(REEL_F32, shape, 0, 1, NULL);
        fuzz_eager(p, &want);
        fuzz_session(p, s, &got);
        fuzz_same(c, &want, &got);
        fuzz_drop_results(&got);
        fuzz_drop_results(&want);
    }
    p->in[0] = first;
    reel_session_free(s);
}

static void graphs(compare *c, const results *want)
{
    for (int unknown = 0; unknown <= (int)c->p->batch; unknown++) {
        REEL_SCOPED;
        results got;
        if (c->only && c->only->mode >= FUZZ_GRAPH && c->only->which != unknown) continue;
        fuzz_reset(c->p);
        fuzz_begins(c, FUZZ_GRAPH, unknown, -1, NULL);
        reel_graph *graph = fuzz_build(c->p, unknown, &got);
        if (got.code) {
            if (fuzz_wanted(c, FUZZ_GRAPH, unknown, -1, NULL)) {
                c->now.result = -1;
                fuzz_note_codes(c, got.code, 0, got.text);
                fuzz_differ(c, "the graph: %s", got.text);
            }
        } else {
            each_level(c, graph, unknown, want);
            if (unknown == (int)c->p->batch) fuzz_compile(c, unknown);
            if (unknown == (int)c->p->batch) fuzz_export(c, graph, unknown, want);
            if (unknown) other_batches(c, graph);
        }
        reel_graph_free(graph);
    }
}

static void count_kinds(const fuzz_block *b, fuzz_stats *stats)
{
    for (int i = 0; i < b->n_steps; i++) {
        stats->kind[b->steps[i].kind]++;
        stats->steps++;
        for (int k = 0; k < FUZZ_BLOCKS; k++)
            if (b->steps[i].block[k]) count_kinds(b->steps[i].block[k], stats);
    }
}

bool fuzz_compare(fuzz_program *p, const fuzz_difference *only, fuzz_difference *d, fuzz_stats *stats)
{
    REEL_SCOPED;
    results want = {0};
    compare c = {.p = p, .only = only, .found = d, .stats = stats, .ok = true};
    const fuzz_mode mode = only ? only->mode : FUZZ_SAME;
    if (!fuzz_open(p)) {
        c.now = (fuzz_difference){.mode = FUZZ_SETUP};
        fuzz_note_error(&want);
        fuzz_differ(&c, "setting up: %s", want.text);
    }
    if (c.ok) {
        fuzz_eager(p, &want);
        stats->programs++;
        stats->errors += want.code != 0;
        count_kinds(p->body, stats);
        if (mode == FUZZ_SAME || mode == FUZZ_TAPED)
            if (!p->untaped) taped(&c, &want);
        if (mode == FUZZ_SAME || (mode >= FUZZ_FUNCTION && mode <= FUZZ_GRADIENTS)) functions(&c, &want);
        if (!want.code && (mode == FUZZ_SAME || mode >= FUZZ_GRAPH)) graphs(&c, &want);
    }
    fuzz_drop_results(&want);
    fuzz_close(p);
    (void)reel_take_error(NULL);
    return c.ok;
}
