/* context.c: the context of a thread, its scope stack, its listeners and its name scope. */
#include "context.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "alloc.h"
#include "reel/debug.h"
#include "reel/tensor.h"

REEL_TLS reel_ctx *reel_ctx_tls_;
static _Thread_local reel_ctx storage;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static _Atomic uint32_t threads;
static bool check_numerics, check_plans; /* what threads begin with */

static void thread_end(void *arg)
{
    reel_ctx *c = arg;
    reel_scope_close_(c, &c->root);
    if (c->tape_cache_free) c->tape_cache_free(c->tape_cache);
    if (c->plan_cache_free) c->plan_cache_free(c->plan_cache);
    reel_generator_thread_end_(c);
    while (c->spare_scopes) {
        reel_scope_rec *s = c->spare_scopes;
        c->spare_scopes = s->parent;
        reel_free_(s, sizeof *s);
    }
    reel_blocks_to_pool_(c, 0);
    reel_alloc_thread_end_(c->alloc_front);
    reel_ctx_link_(c, false);
    memset(c, 0, sizeof *c);
    reel_ctx_tls_ = NULL;
}

static void start(void)
{
    (void)pthread_key_create(&key, thread_end); /* without a key a thread's leftovers stay: nothing breaks */
    reel_blocks_start_();
    const char *check = getenv("REEL_CHECK_NUMERICS");
    check_numerics = check && *check && strcmp(check, "0") != 0;
    check = getenv("REEL_CHECK_PLANS");
    check_plans = check && *check && strcmp(check, "0") != 0;
    reel_init_();
}

reel_ctx *reel_ctx_new_(void)
{
    reel_ctx *c = &storage;
    (void)pthread_once(&once, start);
    memset(c, 0, sizeof *c);
    c->thread = atomic_fetch_add(&threads, 1) + 1;
    c->next_id = (uint64_t)c->thread << 40;
    c->check_numerics = check_numerics;
    c->check_plans = check_plans;
    c->root.name = "thread";
    c->root.site = "";
    c->scope = &c->root;
    reel_ctx_tls_ = c;
    reel_ctx_link_(c, true);
    (void)pthread_setspecific(key, c);
    return c;
}

/* ---- scopes -------------------------------------------------------------------------------------- */

static reel_scope *public_scope(const reel_scope_rec *s)
{
    return (reel_scope *)((uintptr_t)s | s->generation);
}

reel_scope *reel_scope_begin(const char *site, const char *name)
{
    reel_ctx *c = reel_ctx_();
    reel_scope_rec *s = c->spare_scopes;
    if (s) {
        c->spare_scopes = s->parent;
        s->generation = (s->generation + 1) & 63;
    } else {
        s = reel_zalloc_(sizeof *s);
        if (!s) return NULL;
    }
    s->parent = c->scope;
    s->site = site ? site : "";
    s->name = name ? name : "";
    s->head = NULL;
    s->name_mark = c->name_len;
    c->scope = s;
    return public_scope(s);
}

/* Tells the listeners begun in s, then lets go of its tensors. */
static void close_one(reel_ctx *c, reel_scope_rec *s)
{
    for (reel_listener *l = c->listeners; l && l->scope == s; l = c->listeners) {
        c->listeners = l->next;
        l->drop(l);
    }
    while (s->head) {
        reel_rec *r = s->head;
        s->head = r->next;
        if (r->next) r->next->prev = NULL;
        r->prev = r->next = NULL;
        r->scope = NULL;
        r->died = s->site;
        r->died_in = s->name;
        reel_drop_(r);
    }
    c->name_len = s->name_mark;
    c->names[c->name_len] = '\0';
}

void reel_scope_close_(reel_ctx *c, reel_scope_rec *s)
{
    for (;;) {
        reel_scope_rec *inner = c->scope;
        close_one(c, inner);
        if (inner != &c->root) {
            c->scope = inner->parent;
            inner->parent = c->spare_scopes;
            c->spare_scopes = inner;
        }
        if (inner == s || inner == &c->root) return;
    }
}

void reel_scope_end(reel_scope *s)
{
    reel_ctx *c = reel_ctx_();
    for (reel_scope_rec *p = c->scope; s && p != &c->root; p = p->parent) {
        if (public_scope(p) != s) continue;
        reel_scope_close_(c, p);
        return;
    }
}

void reel_own_(reel_ctx *c, reel_rec *r)
{
    reel_scope_rec *s = c->scope;
    r->scope = s;
    r->prev = NULL;
    r->next = s->head;
    if (s->head) s->head->prev = r;
    s->head = r;
}

static void unlink_rec(reel_rec *r)
{
    if (r->prev)
        r->prev->next = r->next;
    else
        r->scope->head = r->next;
    if (r->next) r->next->prev = r->prev;
    r->prev = r->next = NULL;
    r->scope = NULL;
}

void reel_disown_(reel_rec *r)
{
    if (r->scope) unlink_rec(r);
    reel_drop_(r);
}

void reel_scope_move_(reel_rec *r, struct reel_scope *to)
{
    reel_ctx *c = reel_ctx_();
    if (!r->scope || r->owner != c->thread) return;
    reel_scope_rec *s = to ? to : &c->root;
    if (r->scope == s) return;
    unlink_rec(r);
    r->scope = s;
    r->next = s->head;
    if (s->head) s->head->prev = r;
    s->head = r;
}

reel_tensor *reel_keep(reel_tensor *t)
{
    if (!t || !reel_is_live_(t)) return t;
    reel_rec *r = reel_rec_of_(t);
    const reel_ctx *c = reel_ctx_();
    if (r->scope && r->scope == c->scope && r->owner == c->thread) reel_scope_move_(r, c->scope->parent);
    return t;
}

/* ---- names --------------------------------------------------------------------------------------- */

int reel_name_scope_begin(const char *name)
{
    reel_ctx *c = reel_ctx_();
    if (!name || !*name) return reel_fail_at_("", REEL_EARG, "reel_name_scope_begin: name is empty");
    const size_t n = strlen(name), sep = c->name_len > 0;
    if ((size_t)c->name_len + n + sep >= sizeof c->names)
        return reel_fail_at_("", REEL_EARG, "reel_name_scope_begin: names nest too deep: \"%s\" in \"%s\"", name,
                             c->names);
    if (sep) c->names[c->name_len++] = '/';
    memcpy(c->names + c->name_len, name, n + 1);
    c->name_len += (int)n;
    return 0;
}

void reel_name_scope_end(void)
{
    reel_ctx *c = reel_ctx_();
    int n = c->name_len;
    while (n > 0 && c->names[n - 1] != '/') n--;
    c->name_len = n > 0 ? n - 1 : 0;
    if (c->name_len < c->scope->name_mark)
        c->name_len = c->scope->name_mark; /* an outer scope's name is not ours to end */
    c->names[c->name_len] = '\0';
}

bool reel_check_numerics(bool on)
{
    reel_ctx *c = reel_ctx_();
    const bool old = c->check_numerics;
    c->check_numerics = on;
    return old;
}

/* ---- listeners ----------------------------------------------------------------------------------- */

void reel_listener_push_(reel_listener *l)
{
    reel_ctx *c = reel_ctx_();
    l->scope = c->scope;
    l->next = c->listeners;
    c->listeners = l;
}

void reel_listener_remove_(reel_listener *l)
{
    for (reel_listener **p = &reel_ctx_()->listeners; *p; p = &(*p)->next) {
        if (*p != l) continue;
        *p = l->next;
        return;
    }
}

int reel_listeners_hear_(const reel_call *call)
{
    reel_listener *next;
    for (reel_listener *l = reel_ctx_()->listeners; l; l = next) {
        next = l->next;
        if (l->paused) continue;
        const int rc = l->hear(l, call);
        if (rc) return rc;
    }
    return 0;
}

reel_rec *reel_assigned_in_graph_(const reel_ctx *c, const reel_rec *cell)
{
    for (reel_listener *l = c->listeners; l; l = l->next)
        if (l->symbolic && !l->paused && l->read) return l->read(l, cell);
    return NULL;
}

const reel_type *reel_counted_type_(const reel_rec *r)
{
    for (reel_listener *l = reel_ctx_()->listeners; l; l = l->next) {
        const reel_type *t = l->paused || !l->type ? NULL : l->type(l, r);
        if (t) return t;
    }
    return &r->type;
}

void reel_listeners_asked_(const char *site)
{
    for (reel_listener *l = reel_ctx_()->listeners; l; l = l->next)
        if (!l->paused && l->asked) l->asked(l, site);
}

int reel_listeners_region_(bool begins)
{
    int rc = 0;
    for (reel_listener *l = reel_ctx_()->listeners; l && !rc; l = l->next)
        if (!l->paused && l->region) rc = l->region(l, begins);
    return rc;
}

reel_rec *reel_listeners_value_(reel_rec *cell, reel_rec *value, const char *site)
{
    for (reel_listener *l = reel_ctx_()->listeners; l; l = l->next)
        if (!l->paused && l->value) return l->value(l, cell, value, site);
    return value;
}

int reel_listeners_host_(reel_rec *r, bool made, const char *site, const char *what)
{
    reel_listener *next;
    for (reel_listener *l = reel_ctx_()->listeners; l; l = next) {
        next = l->next;
        if (l->paused || !l->host) continue;
        const int rc = l->host(l, r, made, site, what);
        if (rc) return rc;
    }
    return 0;
}
