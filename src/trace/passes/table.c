/* table.c: which passes there are, and the list of those that run. */
#include <stdatomic.h>
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "core/options.h"
#include "pass.h"

/* Not a graph's but a plan's: src/trace/plan_fuse.c, plan_order.c and others; so they come behind all that work on graphs, wherever they
   stand in a list. Among themselves they keep the list's order: each takes steps as they are traced, and leaves what another one has made
   as it is. reduce is a part of fuse. schedule says which steps run behind all that could fail, which nobody may touch any more. */
static const reel_pass of_steps[REEL_N_STEPS] = {
    {.name = "fuse",
     .law = "elementwise steps that feed each other are one pass over memory",
     .by_default = true,
     .steps = REEL_STEPS_FUSE},
    {.name = "reduce",
     .law = "a reduction of rows is part of the pass that makes what it reduces or reads its result",
     .by_default = true,
     .steps = REEL_STEPS_REDUCE},
    {.name = "epilogue",
     .law = "what elementwise steps do to a product is done to each block of it while that is in cache",
     .by_default = true,
     .steps = REEL_STEPS_EPILOGUE},
    {.name = "columns",
     .law = "a reduction of what elementwise steps make is done to each block of it while that is in cache",
     .by_default = true,
     .steps = REEL_STEPS_COLUMNS},
    {.name = "sweep",
     .law = "optimizer updates that do not wait for each other are one step over all variables",
     .by_default = true,
     .steps = REEL_STEPS_SWEEP},
    {.name = "schedule",
     .law = "steps that do not feed each other run so that little is alive at once, updates of "
            "variables last, over the old values",
     .by_default = true,
     .steps = REEL_STEPS_SCHEDULE,
     .behind = (1u << REEL_STEPS_SCHEDULE) - 1},
};
static const reel_pass *const built_in[] = {&reel_pass_prune_,
                                            &reel_pass_fold_,
                                            &reel_pass_simplify_,
                                            &reel_pass_views_,
                                            &reel_pass_sink_,
                                            &reel_pass_share_,
                                            &of_steps[REEL_STEPS_FUSE],
                                            &of_steps[REEL_STEPS_REDUCE],
                                            &of_steps[REEL_STEPS_EPILOGUE],
                                            &of_steps[REEL_STEPS_COLUMNS],
                                            &of_steps[REEL_STEPS_SWEEP],
                                            &of_steps[REEL_STEPS_SCHEDULE]};
enum { N_BUILT_IN = sizeof built_in / sizeof *built_in, MAX_USER = 1024, NAME = 64, LAW = 256 };

/* Of users; only ever added, under the lock. A reader sees an entry once the count that covers it is published. */
static const reel_pass *user[MAX_USER];
static _Atomic int n_user;
static pthread_mutex_t user_lock = PTHREAD_MUTEX_INITIALIZER;

static const reel_pass *at(int i)
{
    return i < N_BUILT_IN ? built_in[i] : user[i - N_BUILT_IN];
}

const reel_pass *reel_pass_find_(const char *name, size_t length)
{
    const int n = N_BUILT_IN + atomic_load_explicit(&n_user, memory_order_acquire);
    for (int i = 0; i < n; i++)
        if (strlen(at(i)->name) == length && memcmp(at(i)->name, name, length) == 0) return at(i);
    return NULL;
}

int reel_passes(reel_pass_info *out, int max)
{
    const int n = N_BUILT_IN + atomic_load_explicit(&n_user, memory_order_acquire);
    for (int i = 0; i < n && i < max && out; i++) out[i] = (reel_pass_info){at(i)->name, at(i)->law, at(i)->by_default};
    return n;
}

/* ---- registering ------------------------------------------------------------------------------------- */

static bool is_name(const char *s)
{
    const size_t n = strlen(s);
    for (size_t i = 0; i < n; i++) {
        const char c = s[i];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '_' && c != '.') return false;
    }
    return n > 0 && n < NAME && strcmp(s, "default") != 0 && strcmp(s, "none") != 0;
}

static reel_pass *new_pass(const reel_pass_def *def)
{
    const char *law = def->law ? def->law : "";
    const size_t name = strlen(def->name) + 1, laws = strlen(law) + 1, op = def->op ? strlen(def->op) + 1 : 0;
    reel_pass *p = reel_alloc_forever_(sizeof *p + name + laws + op, _Alignof(max_align_t));
    if (!p) return NULL;
    char *text = (char *)(p + 1);
    memcpy(text, def->name, name);
    memcpy(text + name, law, laws);
    if (op) memcpy(text + name + laws, def->op, op);
    *p = (reel_pass){.name = text, .law = text + name, .run = reel_pass_run_user_, .def = *def};
    p->def.name = p->name;
    p->def.law = p->law;
    p->def.op = op ? text + name + laws : NULL;
    return p;
}

int reel_pass_register(const reel_pass_def *given)
{
    static const char fn[] = "reel_pass_register";
    reel_pass_def def = {0};
    if (reel_pending_()) return reel_pending_();
    reel_options_(&def, sizeof def, given);
    if (!def.name || !def.rule)
        return reel_fail_at_("", REEL_EARG, "%s: %s is NULL", fn, !given ? "def" : def.name ? "rule" : "name");
    if (!is_name(def.name))
        return reel_fail_at_("", REEL_EARG, "%s: \"%.80s\" is no name for a pass: up to 63 letters, digits, _ and .",
                             fn, def.name);
    if ((def.law && strlen(def.law) >= LAW) || (def.op && strlen(def.op) >= LAW))
        return reel_fail_at_("", REEL_EARG, "%s: the %s of \"%s\" is too long", fn,
                             def.law && strlen(def.law) >= LAW ? "law" : "op's name", def.name);
    (void)reel_ctx_();
    pthread_mutex_lock(&user_lock);
    const int n = atomic_load_explicit(&n_user, memory_order_relaxed);
    const bool taken = reel_pass_find_(def.name, strlen(def.name)) != NULL;
    const reel_pass *p = taken || n >= MAX_USER ? NULL : new_pass(&def);
    if (p) {
        user[n] = p;
        atomic_store_explicit(&n_user, n + 1, memory_order_release);
    }
    pthread_mutex_unlock(&user_lock);
    if (taken) return reel_fail_at_("", REEL_EARG, "%s: there is a pass \"%s\" already", fn, def.name);
    if (n >= MAX_USER) return reel_fail_at_("", REEL_EARG, "%s: more than %d passes of your own", fn, MAX_USER);
    return p ? 0 : reel_status();
}

/* ---- lists ------------------------------------------------------------------------------------------- */

/* views once more: what simplify and share put together may leave views of the same elements. */
static const reel_pass *const by_default[] = {&reel_pass_prune_,
                                              &reel_pass_views_,
                                              &reel_pass_fold_,
                                              &reel_pass_simplify_,
                                              &reel_pass_sink_,
                                              &reel_pass_share_,
                                              &reel_pass_views_,
                                              &reel_pass_prune_,
                                              &of_steps[REEL_STEPS_FUSE],
                                              &of_steps[REEL_STEPS_REDUCE],
                                              &of_steps[REEL_STEPS_EPILOGUE],
                                              &of_steps[REEL_STEPS_COLUMNS],
                                              &of_steps[REEL_STEPS_SWEEP],
                                              &of_steps[REEL_STEPS_SCHEDULE]};

static int add(const char *fn, reel_pipeline *p, const reel_pass *pass)
{
    if (p->n >= REEL_MAX_PASSES) return reel_fail_at_("", REEL_EARG, "%s: more than %d passes", fn, REEL_MAX_PASSES);
    p->pass[p->n++] = pass;
    return 0;
}

static int take_word(const char *fn, const char *word, size_t length, reel_pipeline *p)
{
    int rc = 0;
    const bool out = *word == '-';
    if (length == 4 && memcmp(word, "none", 4) == 0) return 0;
    if (length == 7 && memcmp(word, "default", 7) == 0) {
        for (size_t i = 0; i < sizeof by_default / sizeof *by_default && !rc; i++) rc = add(fn, p, by_default[i]);
        return rc;
    }
    const reel_pass *pass = reel_pass_find_(word + out, length - out);
    if (!pass)
        return reel_fail_at_("", REEL_EARG, "%s: .passes: there is no pass \"%.*s\"", fn,
                             length - out < 80 ? (int)(length - out) : 80, word + out);
    if (!out) return add(fn, p, pass);
    int n = 0;
    for (int i = 0; i < p->n; i++)
        if (p->pass[i] != pass) p->pass[n++] = p->pass[i];
    p->n = n;
    return 0;
}

static int add_way(const char *fn, reel_plan_ways *w, const reel_pass *pass)
{
    if (reel_way_(w, pass->steps)) return 0; /* where it is listed first */
    for (int k = 0; k < REEL_N_STEPS; k++)
        if (reel_way_(w, (reel_steps_pass)k) && of_steps[k].behind >> pass->steps & 1u)
            return reel_fail_at_("", REEL_EARG, "%s: .passes: \"%s\" stands behind \"%s\", which must come behind it",
                                 fn, pass->name, of_steps[k].name);
    w->steps |= 1u << pass->steps;
    if (pass->steps != REEL_STEPS_REDUCE) w->order[w->n_order++] = (uint8_t)pass->steps;
    return 0;
}

/* Passes over steps go behind the others. */
static int order_steps(const char *fn, reel_pipeline *p)
{
    reel_plan_ways *w = &p->ways;
    int n = 0;
    for (int i = 0; i < p->n; i++) {
        if (p->pass[i]->run)
            p->pass[n++] = p->pass[i];
        else if (add_way(fn, w, p->pass[i]))
            return reel_status();
    }
    const bool fuses = reel_way_(w, REEL_STEPS_FUSE), reduces = reel_way_(w, REEL_STEPS_REDUCE);
    p->n = n;
    for (int k = 0; k < w->n_order; k++) {
        p->pass[p->n++] = &of_steps[w->order[k]];
        if (reduces && w->order[k] == REEL_STEPS_FUSE) p->pass[p->n++] = &of_steps[REEL_STEPS_REDUCE];
    }
    if (reduces && !fuses) p->pass[p->n++] = &of_steps[REEL_STEPS_REDUCE];
    p->planned = p->n - n;
    return 0;
}

int reel_pipeline_parse_(const char *fn, const char *list, reel_graph_math math, reel_pipeline *out)
{
    *out = (reel_pipeline){.math = math};
    if (reel_compile_mode_(fn, REEL_COMPILE_AS_SET, 0, &out->compile)) return reel_status();
    if (math != REEL_EXACT_GRAPH && math != REEL_FAST_MATH_GRAPH)
        return reel_fail_at_("", REEL_EARG, "%s: .math is %d", fn, (int)math);
    static const char between[] = ", \t\n";
    for (const char *at = list ? list : "default"; *at;) {
        at += strspn(at, between);
        const size_t length = strcspn(at, between);
        const int rc = length ? take_word(fn, at, length, out) : 0;
        if (rc) return rc;
        at += length;
    }
    if (order_steps(fn, out)) return reel_status();
#ifdef NDEBUG
    out->ways.check = reel_ctx_()->check_plans;
#else
    out->ways.check = true;
#endif
    return 0;
}
