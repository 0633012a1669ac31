/* compiled.c: programs whose plans run compiled. Those of a batch are built one by one and run once by the interpreter, so that each has its
   plans; then all these are printed as one translation unit, which cc builds and which is loaded (the library's own reel_compile_together_,
   as a player does with the plans that wait for it), and each program runs again: eager's bits. */
#include <stdlib.h>
#include <string.h>
#include "results.h"
#include "trace/compile.h"
#include "trace/session.h"

/* One program of a batch. */
typedef struct {
    fuzz_program *p; /* a copy */
    fuzz_difference at;
    bool open;
    reel_graph *graph;
    reel_session *s;
    results want;
    int first, n_plans; /* of its plans, among all */
} ready;

struct fuzz_compiling {
    int n;
    ready r[FUZZ_TOGETHER];
};

/* Plans of all programs of a batch, each with its player. */
typedef struct {
    reel_player **player;
    reel_plan **plan;
    int n, room;
} plans;

/* ---- plans --------------------------------------------------------------------------------------------------- */

static void add_plans(plans *all, reel_player *player, reel_plan *plan)
{
    for (; plan; plan = plan->next) {
        if (all->n == all->room) {
            all->room = all->room ? 2 * all->room : 32;
            all->player = realloc(all->player, (size_t)all->room * sizeof *all->player);
            all->plan = realloc(all->plan, (size_t)all->room * sizeof *all->plan);
            if (!all->player || !all->plan) abort();
        }
        all->player[all->n] = player;
        all->plan[all->n++] = plan;
        if (plan->seam) add_plans(all, player, plan->seam->plans);
    }
}

/* Opens r, so that it has run once. False: it raises an error, eagerly or built as a graph, which other modes look at. */
static bool prepare(ready *r, plans *all)
{
    results got = {0};
    r->open = true;
    if (!fuzz_open(r->p)) return false;
    fuzz_eager(r->p, &r->want);
    if (r->want.code) return false;
    fuzz_reset(r->p);
    r->graph = fuzz_build(r->p, r->at.which, &got);
    if (got.code) return false;
    r->s = reel_session_new(r->graph, REEL_OPTS(session, .effects = true, .compile = REEL_COMPILE_OFF));
    fuzz_session(r->p, r->s, &got);
    const bool ok = !got.code;
    fuzz_drop_results(&got);
    if (!ok) return false;
    r->first = all->n;
    add_plans(all, &r->s->player, r->s->player.plans);
    r->n_plans = all->n - r->first;
    return true;
}

static void drop(ready *r)
{
    reel_session_free(r->s);
    reel_graph_free(r->graph);
    if (r->open) fuzz_close(r->p);
    fuzz_drop_results(&r->want);
    fuzz_free(r->p);
    (void)reel_take_error(NULL);
}

/* ---- a batch --------------------------------------------------------------------------------------------------- */

/* Why r's plans are not compiled; NULL: they are, or have nothing that is. */
static const char *why_not(const ready *r, const plans *all)
{
    for (int i = r->first; i < r->first + r->n_plans; i++) {
        const reel_compiled *c = all->plan[i]->compiled;
        if (!c && all->plan[i]->n_groups) return "no memory for it";
        if (c && *c->why_not.text) return c->why_not.text;
    }
    return NULL;
}

/* Which programs the text is refused for is known when each has a text of its own. */
static void one_by_one(ready *r, const plans *all)
{
    if (why_not(r, all)) reel_compile_together_(all->player + r->first, all->plan + r->first, r->n_plans, NULL);
}

static void run_again(compare *c, ready *r, const plans *all)
{
    results got = {0};
    reel_plan_info info = {0};
    const char *const why = why_not(r, all);
    c->p = r->p;
    c->now = r->at;
    c->now.seed = fuzz_at()->seed = r->p->seed;
    fuzz_at()->at = c->now;
    if (why && strstr(why, " failed: ")) { /* not: there is no cc, or nothing to compile */
        c->now.result = -1;
        fuzz_differ(c, "it is not compiled: %s", why);
        return;
    }
    fuzz_session(r->p, r->s, &got);
    c->stats->runs++;
    fuzz_same(c, &r->want, &got);
    fuzz_drop_results(&got);
    if (!c->ok || reel_session_info(r->s, &info)) return;
    c->stats->compiled++;
    c->stats->compiled_steps += (uint64_t)info.compiled_steps;
}

static void run_batch(compare *c, struct fuzz_compiling *b)
{
    REEL_SCOPED;
    plans all = {0};
    bool whole[FUZZ_TOGETHER];
    const uint64_t was = fuzz_at()->seed;
    for (int i = 0; i < b->n; i++) {
        fuzz_at()->seed = b->r[i].p->seed;
        fuzz_at()->at = b->r[i].at;
        whole[i] = prepare(&b->r[i], &all);
        (void)reel_take_error(NULL);
    }
    if (all.n) reel_compile_together_(all.player, all.plan, all.n, NULL);
    c->stats->units += all.n > 0;
    for (int i = 0; i < b->n && b->n > 1; i++)
        if (whole[i]) one_by_one(&b->r[i], &all);
    for (int i = 0; i < b->n && c->ok; i++)
        if (whole[i]) run_again(c, &b->r[i], &all);
    for (int i = 0; i < b->n; i++) drop(&b->r[i]);
    b->n = 0;
    free(all.player);
    free(all.plan);
    fuzz_at()->seed = was;
}

/* ---- from outside ----------------------------------------------------------------------------------------------- */

void fuzz_compile(compare *c, bool unknown)
{
    struct fuzz_compiling one = {.n = 0}, *b = c->only ? &one : c->stats->compiling;
    if (!fuzz_batch_due(c, c->stats->compile) || !fuzz_wanted(c, FUZZ_COMPILED, unknown, -1, "default")) return;
    if (!b) {
        b = c->stats->compiling = calloc(1, sizeof *b);
        if (!b) abort();
    }
    if (b->n == FUZZ_TOGETHER) return;
    c->now.seed = c->p->seed;
    b->r[b->n] = (ready){.p = fuzz_copy(c->p), .at = c->now};
    b->r[b->n++].p->function = NULL;
    if (c->only) run_batch(c, b);
}

bool fuzz_finish_compiled(fuzz_stats *stats, fuzz_difference *d)
{
    struct fuzz_compiling *b = stats->compiling;
    compare c = {.found = d, .stats = stats, .ok = true};
    if (!b) return true;
    run_batch(&c, b);
    free(b);
    stats->compiling = NULL;
    return c.ok;
}
