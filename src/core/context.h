/* context.h: the one context of a thread: pending error, scope stack, listeners, names, generator. */
#ifndef REEL_CORE_CONTEXT_H
#define REEL_CORE_CONTEXT_H
#include "compiler.h"
#include "error.h"
#include "listener.h"
#include "reel/base.h"
#include "tensor.h"

/* Public scope pointers carry a generation in their low 6 bits, so that ending one twice does no harm. */
typedef struct reel_scope {
    struct reel_scope *parent;
    const char *site, *name;
    reel_rec *head;      /* owned tensors, newest first */
    int name_mark;       /* length of the name scope when it began */
    unsigned generation; /* 0 to 63 */
} reel_scope_rec;

typedef struct reel_ctx {
    reel_error error;
    reel_scope_rec *scope; /* innermost, never NULL */
    reel_scope_rec root;
    reel_scope_rec *spare_scopes;
    reel_listener *listeners; /* innermost first */
    const char *site, *op;    /* of the op call under way, for reel_fail; NULL outside */
    bool widen;               /* gradcheck: creations of floats are f64 */
    bool check_plans;         /* plans are proved: REEL_CHECK_PLANS */
    bool check_numerics;      /* every op's outputs are looked at: see numerics.h */
    int runs;                 /* replays under way in this thread: a run within one does not wait for an arena */
    bool in_hook;             /* a hook is called by a run that holds the locks of variables */
    int backward;             /* > 0: inside a backward: ghosts may stand where only shapes are read */
    uint32_t thread;          /* number, never reused */
    uint64_t next_id;         /* of tensors: thread << 40 | n: dense within a thread */
    reel_rec *free_blocks;
    int n_free_blocks;
    _Atomic int64_t blocks;    /* taken minus given back by this thread; written by it alone */
    struct reel_ctx *next_ctx; /* all threads' contexts, for statistics */
    void *alloc_front;         /* alloc.c's */
    reel_generator *generator;
    struct reel_redirect *redirect; /* draws that are repeated: see random.h */
    struct reel_draws *draws;       /* who listens to draws: see random.h */
    void *plan_cache;               /* eager's */
    void (*plan_cache_free)(void *);
    void *tape_cache; /* eager's */
    void (*tape_cache_free)(void *);
    int error_end; /* of the pending text, before ` (in "names")` */
    int name_len;
    char names[256]; /* "gen/hidden" */
} reel_ctx;

extern REEL_TLS reel_ctx *reel_ctx_tls_;
REEL_COLD reel_ctx *reel_ctx_new_(void); /* the thread's, set up at its first use */
static inline reel_ctx *reel_ctx_(void)
{
    reel_ctx *c = reel_ctx_tls_;
    return REEL_LIKELY(c != NULL) ? c : reel_ctx_new_();
}
/* State-changing calls begin with it: the pending error's code, or 0. */
static inline int reel_pending_(void)
{
    return reel_ctx_()->error.code;
}
void reel_ctx_link_(reel_ctx *c, bool alive);     /* tensor.c: joins or leaves the list of all contexts */
void reel_blocks_start_(void);                    /* tensor.c: once, at start */
void reel_blocks_to_pool_(reel_ctx *c, int keep); /* tensor.c: gives all but keep free blocks to the shared list */
void reel_generator_thread_end_(reel_ctx *c);
void reel_init_(void); /* src/init.c: fills the registries; runs once, before the first context is used */
void reel_scope_close_(reel_ctx *c, reel_scope_rec *s); /* ends s and all scopes inside it */
/* In a graph being built, what an assignment before this point of it gave the variable; otherwise NULL. */
reel_rec *reel_assigned_in_graph_(const reel_ctx *c, const reel_rec *cell);
void reel_own_(reel_ctx *c, reel_rec *r); /* links r into the innermost scope */
void reel_disown_(reel_rec *r);           /* takes r out of its scope and drops the scope's hold */
#endif
