/* compile.c: when plans are compiled, and what becomes of it. A player has a thread that takes the plans that wait, all that
   there are as one text; runs go on with the interpreter meanwhile, and each fused step takes to its compiled form at its next
   run. Nothing here fails a run. */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "compile.h"
#include "core/alloc.h"
#include "core/error.h"
#include "function.h"
#include "reel/reel.h"
#include "session.h"

/* Compilers at work at once, of all players of the process; and what compilers are, which is asked once of each. */
enum { AT_ONCE = 2, AFTER = 50, KNOWN = 8 };
typedef struct known_cc {
    uint8_t which[REEL_HASH], identity[REEL_HASH];
} known_cc;
static struct {
    pthread_mutex_t lock;
    pthread_cond_t left;
    int n;
    int asking; /* the process one of whose threads asks; 0: nobody */
    int n_known;
    known_cc known[KNOWN];
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .left = PTHREAD_COND_INITIALIZER};

/* ---- what was asked for --------------------------------------------------------------------------------- */

int reel_compile_mode_(const char *fn, reel_compile how, int after, int *mode)
{
    const char *env = getenv("REEL_COMPILE");
    if ((int)how < 0 || how > REEL_COMPILE_AUTO || after < 0)
        return reel_fail_at_("", REEL_EARG, "%s: .compile is %d, .compile_after %d", fn, (int)how, after);
    const bool never = env && !strcmp(env, "off");
    if (how == REEL_COMPILE_AS_SET && env) {
        char *end = NULL;
        const long n = !strncmp(env, "auto:", 5) ? strtol(env + 5, &end, 10) : 0;
        if (!strcmp(env, "on")) how = REEL_COMPILE_ON;
        if (!strcmp(env, "auto") || (end && *end == '\0' && n > 0 && n < 1 << 30)) how = REEL_COMPILE_AUTO;
        if (n > 0 && !after) after = (int)n;
    }
    *mode = never ? -1 : how == REEL_COMPILE_ON ? 0 : how == REEL_COMPILE_AUTO ? (after ? after : AFTER) : -1;
    return 0;
}

/* ---- objects -------------------------------------------------------------------------------------------------- */

static void release(reel_object *o)
{
    if (!o || atomic_fetch_sub(&o->refs, 1) > 1) return;
    if (o->handle) dlclose(o->handle);
    reel_free_(o, sizeof *o);
}

void reel_compiled_free_(reel_compiled *c)
{
    if (!c) return;
    release(c->object);
    reel_free_(c, sizeof *c);
}

/* ISO C knows no cast from data to functions; POSIX says that this one works. */
static reel_printed_fn *function_at(void *handle, int k)
{
    char name[32];
    (void)snprintf(name, sizeof name, "reel_group_%d", k);
    void *const at = dlsym(handle, name);
    reel_printed_fn *fn = NULL;
    memcpy(&fn, &at, sizeof fn);
    return fn;
}

static int load(const char *path, int n, reel_object **out, reel_whynot *w)
{
    reel_object *o = reel_zalloc_(sizeof *o);
    *out = NULL;
    if (!o) return reel_whynot_(w, "out of memory");
    atomic_store(&o->refs, 1);
    o->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!o->handle) {
        const char *const text = dlerror();
        (void)reel_whynot_(w, "it cannot be loaded: %.250s", text ? text : path);
    }
    for (int k = 0; k < n && !*w->text; k++)
        if (!function_at(o->handle, k)) (void)reel_whynot_(w, "%.200s has no reel_group_%d", path, k);
    if (*w->text) {
        release(o);
        return -1;
    }
    *out = o;
    return 0;
}

/* ---- from text to object ------------------------------------------------------------------------------------------ */

static void add_part(reel_hash *h, const void *data, size_t n)
{
    const uint64_t length = n; /* so that no two lists of parts are one */
    reel_hash_add_(h, &length, sizeof length);
    reel_hash_add_(h, data, n);
}

static void key_of(const reel_printing *how, const reel_cc *cc, const reel_source *text, char key[REEL_HASH_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    reel_hash h;
    uint8_t sum[REEL_HASH];
    reel_hash_begin_(&h);
    add_part(&h, reel_version(), strlen(reel_version()));
    add_part(&h, how->head, strlen(how->head));
    add_part(&h, how->flags(), strlen(how->flags()));
    add_part(&h, cc->identity, sizeof cc->identity);
    add_part(&h, text->s, text->n);
    reel_hash_end_(&h, sum);
    for (int i = 0; i < REEL_HASH; i++) {
        key[2 * i] = digits[sum[i] >> 4];
        key[2 * i + 1] = digits[sum[i] & 15];
    }
    key[2 * REEL_HASH] = '\0';
}

static int build(const reel_printing *how, const reel_cc *cc, const reel_cache *cache, const reel_source *text,
                 const char *key, const _Atomic bool *stop, char path[REEL_CACHE_PATH], reel_whynot *w)
{
    char shop[REEL_CACHE_PATH];
    if (reel_cache_workshop_(cache, shop, w)) return -1;
    int rc = reel_cache_write_(shop, "reel_head.h", how->head, strlen(how->head), w);
    if (!rc) rc = reel_cache_write_(shop, "plan.c", text->s, text->n, w);
    if (!rc) rc = reel_cc_run_(cc, how->flags(), shop, "plan.c", "plan.so", stop, w);
    if (!rc) rc = reel_cache_keep_(cache, shop, key, path, w);
    reel_cache_clear_(shop);
    return rc;
}

/* Under its lock, until something has changed or for a while, as nobody wakes those whose session closes. */
static void wait_at_gate(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&gate.left, &gate.lock, &until);
}

static void enter_gate(const _Atomic bool *stop)
{
    pthread_mutex_lock(&gate.lock);
    while (gate.n >= AT_ONCE && !atomic_load(stop)) wait_at_gate();
    gate.n++;
    pthread_mutex_unlock(&gate.lock);
}

static void leave_gate(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.n--;
    pthread_cond_broadcast(&gate.left);
    pthread_mutex_unlock(&gate.lock);
}

static bool is_known(reel_cc *cc)
{
    for (int i = 0; i < gate.n_known && i < KNOWN; i++)
        if (!memcmp(gate.known[i].which, cc->which, sizeof cc->which)) {
            memcpy(cc->identity, gate.known[i].identity, sizeof cc->identity);
            return true;
        }
    return false;
}

/* The compiler, and what it is. Nobody asks while somebody else does; a child that was forked meanwhile does not wait for its parent. */
static int find_compiler(reel_cc *cc, const _Atomic bool *stop, reel_whynot *w)
{
    if (reel_cc_find_(cc, w)) return -1;
    pthread_mutex_lock(&gate.lock);
    while (gate.asking == (int)getpid() && !atomic_load(stop)) wait_at_gate();
    const bool known = is_known(cc);
    if (!known) gate.asking = (int)getpid();
    pthread_mutex_unlock(&gate.lock);
    if (known) return 0;
    const int rc = reel_cc_ask_(cc, stop, w);
    pthread_mutex_lock(&gate.lock);
    gate.asking = 0;
    if (!rc) {
        known_cc *k = &gate.known[gate.n_known++ % KNOWN]; /* the oldest goes */
        memcpy(k->which, cc->which, sizeof k->which);
        memcpy(k->identity, cc->identity, sizeof k->identity);
    }
    pthread_cond_broadcast(&gate.left);
    pthread_mutex_unlock(&gate.lock);
    return rc;
}

/* The printed functions as an object, from the cache or new. */
static int object_of(const reel_printing *how, const reel_printed *pr, const _Atomic bool *stop, reel_object **o,
                     reel_compiled *note)
{
    reel_whynot *w = &note->why_not;
    reel_cache cache;
    reel_cc cc;
    char key[REEL_HASH_TEXT];
    if (reel_cache_open_(&cache, w) || find_compiler(&cc, stop, w)) return -1;
    key_of(how, &cc, &pr->text, key);
    note->found = reel_cache_find_(&cache, key, note->path);
    if (note->found && load(note->path, pr->n_functions, o, w) == 0) return 0;
    if (note->found) reel_cache_forget_(&cache, key); /* whole, but not to be loaded here: once more */
    note->found = false;
    *w = (reel_whynot){{0}};
    enter_gate(stop);
    int rc = atomic_load(stop) ? reel_whynot_(w, "the session was closed") : 0;
    if (!rc) rc = build(how, &cc, &cache, &pr->text, key, stop, note->path, w);
    leave_gate();
    if (rc) return rc;
    rc = load(note->path, pr->n_functions, o, w);
    if (rc) reel_cache_forget_(&cache, key);
    return rc;
}

/* ---- telling the plans ------------------------------------------------------------------------------------------------ */

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void tell(reel_player *p, reel_plan *plan, const reel_printing *how, const reel_printed *pr, reel_object *o,
                 const reel_compiled *note)
{
    reel_compiled *c = reel_alloc_(sizeof *c);
    if (!c) { /* nobody to keep the object: the plan does without */
        (void)reel_take_error(NULL);
        return;
    }
    *c = *note;
    c->functions = pr->n_functions;
    c->left = pr->left;
    c->steps = 0;
    pthread_mutex_lock(&p->lock);
    if (plan->compiled && plan->compiled->object) { /* somebody was faster */
        pthread_mutex_unlock(&p->lock);
        reel_free_(c, sizeof *c);
        return;
    }
    for (size_t k = 0; k < pr->n_steps && o; k++) {
        const reel_printed_step *s = &pr->steps[k];
        if (s->plan != plan) continue;
        const reel_plan_group *g = &plan->groups[s->step];
        c->steps += how->use(g->kind, plan->kernel_plans[s->step], g->f, function_at(o->handle, s->function));
    }
    if (o) atomic_fetch_add(&o->refs, 1);
    c->object = o;
    reel_compiled *const old = plan->compiled;
    plan->compiled = c;
    plan->info.compiled_steps = c->steps;
    if (p->plans == plan) p->info.compiled_steps = c->steps;
    pthread_mutex_unlock(&p->lock);
    reel_compiled_free_(old);
}

void reel_compile_together_(reel_player *const *players, reel_plan *const *plans, int n, const _Atomic bool *stop)
{
    static const _Atomic bool never;
    const reel_printing *const how = reel_printing_();
    reel_compiled note = {0};
    reel_printed pr = {0};
    reel_object *o = NULL;
    const double begin = now_ms();
    if (!how) {
        (void)reel_whynot_(&note.why_not, "the device has no compiled kernels");
    } else if (reel_print_groups_(how, plans, n, &pr)) {
        (void)reel_whynot_(&note.why_not, "out of memory");
    } else if (pr.n_functions) {
        (void)object_of(how, &pr, stop ? stop : &never, &o, &note);
    } else if (pr.left) {
        (void)reel_whynot_(&note.why_not, "no fused step can be printed as C");
    }
    note.ms = now_ms() - begin;
    (void)reel_take_error(NULL); /* of memory: it is in the note */
    for (int i = 0; i < n; i++) tell(players[i], plans[i], how, &pr, o, &note);
    release(o);
    reel_printed_free_(&pr);
}

/* ---- a player's thread ---------------------------------------------------------------------------------------------------- */

/* Under the lock: what waits is taken, all of it. */
static void *work(void *arg)
{
    reel_player *p = arg;
    reel_compiling *c = p->compiling;
    pthread_mutex_lock(&p->lock);
    while (c->n_queue && !atomic_load(&c->stop)) {
        reel_plan **plans = c->queue;
        const size_t n = c->n_queue, cap = c->cap_queue;
        c->queue = NULL;
        c->n_queue = c->cap_queue = 0;
        pthread_mutex_unlock(&p->lock);
        reel_player **players = reel_alloc_array_(n, sizeof *players);
        for (size_t i = 0; i < n && players; i++) players[i] = p;
        if (players) reel_compile_together_(players, plans, (int)n, &c->stop);
        if (!players) (void)reel_take_error(NULL);
        reel_free_(players, n * sizeof *players);
        pthread_mutex_lock(&p->lock);
        for (size_t i = 0; i < n; i++) reel_plan_unref_(plans[i]);
        reel_free_(plans, cap * sizeof *plans);
        pthread_cond_broadcast(&c->done);
    }
    c->busy = false;
    pthread_cond_broadcast(&c->done);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Signals are for the user's threads; and a file that grows beyond a limit shall be an error, not a signal. */
static int begin_thread(reel_player *p, reel_compiling *c)
{
    sigset_t all, old;
    sigfillset(&all);
    if (c->begun && c->pid == (int)getpid()) pthread_join(c->thread, NULL); /* it is over, or about to be */
    c->begun = false;
    pthread_sigmask(SIG_SETMASK, &all, &old);
    const int rc = pthread_create(&c->thread, NULL, work, p);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    c->begun = c->busy = rc == 0;
    c->pid = (int)getpid();
    return rc;
}

static reel_compiling *compiling_of(reel_player *p)
{
    if (p->compiling) return p->compiling;
    reel_compiling *c = reel_zalloc_(sizeof *c);
    if (c && pthread_cond_init(&c->done, NULL)) {
        reel_free_(c, sizeof *c);
        return NULL;
    }
    p->compiling = c;
    return c;
}

/* Under the player's lock: plan joins those that wait. Where that fails, it is never compiled. */
void reel_compile_due_(reel_player *p, reel_plan *plan)
{
    if (!plan->n_groups || p->closed || (plan->compiled && plan->compiled->object)) return;
    const bool clean = !reel_pending_();
    reel_compiling *c = compiling_of(p);
    if (!c || reel_grow_((void **)&c->queue, &c->cap_queue, c->n_queue + 1, sizeof(reel_plan *))) {
        if (clean) (void)reel_take_error(NULL);
        return;
    }
    c->queue[c->n_queue++] = plan;
    plan->refs++;
    if (c->busy && c->pid == (int)getpid()) return;
    if (!begin_thread(p, c)) return;
    c->n_queue--;
    plan->refs--;
}

/* Until nothing waits any more. */
void reel_compile_wait_(reel_player *p)
{
    pthread_mutex_lock(&p->lock);
    const reel_compiling *c = p->compiling;
    while (c && c->busy && c->pid == (int)getpid()) pthread_cond_wait(&p->compiling->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

void reel_compile_now_(reel_player *p, reel_plan *plan)
{
    pthread_mutex_lock(&p->lock);
    reel_compile_due_(p, plan);
    pthread_mutex_unlock(&p->lock);
    reel_compile_wait_(p);
}

/* The player is closed; nobody starts a thread any more. */
void reel_compile_end_(reel_player *p)
{
    pthread_mutex_lock(&p->lock);
    reel_compiling *c = p->compiling;
    if (c) atomic_store(&c->stop, true);
    const bool join = c && c->begun && c->pid == (int)getpid();
    if (join) c->begun = false;
    pthread_mutex_unlock(&p->lock);
    if (join) pthread_join(c->thread, NULL);
    if (!c) return;
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < c->n_queue; i++) reel_plan_unref_(c->queue[i]);
    reel_free_(c->queue, c->cap_queue * sizeof(reel_plan *));
    c->queue = NULL;
    c->n_queue = c->cap_queue = 0;
    pthread_mutex_unlock(&p->lock);
}

void reel_compile_drop_(reel_player *p)
{
    if (!p->compiling) return;
    pthread_cond_destroy(&p->compiling->done);
    reel_free_(p->compiling, sizeof *p->compiling);
    p->compiling = NULL;
}

/* ---- what users ask for ------------------------------------------------------------------------------------------------------ */

static void all_due(reel_player *p, reel_plan *plan)
{
    for (; plan; plan = plan->next) {
        reel_compile_due_(p, plan);
        if (plan->seam) all_due(p, plan->seam->plans);
    }
}

static int compile_all(reel_player *p, const char *fn)
{
    char why[REEL_WHY_NOT] = "";
    pthread_mutex_lock(&p->lock);
    const bool any = p->plans != NULL, closed = p->closed;
    all_due(p, p->plans);
    pthread_mutex_unlock(&p->lock);
    if (!any) return reel_fail_at_("", REEL_EARG, "%s: it has not run yet%s", fn, closed ? ", and is closed" : "");
    reel_compile_wait_(p);
    pthread_mutex_lock(&p->lock);
    for (const reel_plan *plan = p->plans; plan && !*why; plan = plan->next) {
        if (plan->n_groups && !plan->compiled) (void)snprintf(why, sizeof why, "no memory or no thread for it");
        if (plan->compiled) memcpy(why, plan->compiled->why_not.text, sizeof why);
    }
    pthread_mutex_unlock(&p->lock);
    return *why ? reel_fail_at_("", REEL_EIO, "%s: %s; the interpreter goes on", fn, why) : 0;
}

int reel_session_compile(reel_session *s)
{
    if (reel_pending_()) return reel_pending_();
    if (!s) return reel_fail_at_("", REEL_EARG, "reel_session_compile: s is NULL");
    return compile_all(&s->player, "reel_session_compile");
}

int reel_function_compile(reel_function *f)
{
    static const char fn[] = "reel_function_compile";
    if (reel_pending_()) return reel_pending_();
    if (!f) return reel_fail_at_("", REEL_EARG, "%s: f is NULL", fn);
    pthread_mutex_lock(&f->lock);
    reel_fn_trace *t = f->traces;
    if (t) t->refs++;
    pthread_mutex_unlock(&f->lock);
    if (!t) return reel_fail_at_("", REEL_EARG, "%s: the function has no trace yet", fn);
    const int rc = compile_all(&t->player, fn);
    pthread_mutex_lock(&f->lock);
    reel_fn_unref_(t);
    pthread_mutex_unlock(&f->lock);
    return rc;
}

/* A line for explain. */
void reel_compiled_text_(const reel_plan *plan, char *out, size_t size)
{
    const reel_compiled *c = plan->compiled;
    if (!c)
        (void)snprintf(out, size, "compiled: no\n");
    else if (*c->why_not.text)
        (void)snprintf(out, size, "compiled: no, the interpreter goes on: %s\n", c->why_not.text);
    else
        (void)snprintf(out, size, "compiled: %d of %d fused steps%s, %d functions in all, %s in %.0f ms: %s\n",
                       c->steps, plan->n_groups, c->steps < plan->n_groups ? " (the interpreter has the others)" : "",
                       c->functions, c->found ? "found" : "built", c->ms, c->path);
}
