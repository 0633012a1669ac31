/* compile.h: the compiled player: fused groups of plans printed as C, built by the system's compiler, loaded, cached on disk.
   compile_print.c prints, compile_cc.c builds, compile_cache.c keeps, compile.c decides when and tells plans. */
#ifndef REEL_TRACE_COMPILE_H
#define REEL_TRACE_COMPILE_H
#include "core/printing.h"
#include "trace.h"

/* ---- text (compile_text.c) ------------------------------------------------------------------------------ */
typedef struct reel_source {
    char *s; /* ends with a zero once something was added */
    size_t n, cap;
    int lines;
    bool failed; /* no memory; later calls do nothing */
} reel_source;
void reel_source_add_(reel_source *t, const char *s, size_t n);
void reel_source_say_(reel_source *t, const char *fmt, ...) REEL_PRINTF(2, 3);
void reel_source_free_(reel_source *t);
/* v exactly, as a constant of C of that type: "float" or "double". */
void reel_source_number_(reel_source *t, const char *type, double v);

/* ---- printing (compile_print.c) ------------------------------------------------------------------------- */
/* A fused step, and the printed function that is the same. */
typedef struct reel_printed_step {
    reel_plan *plan;
    int step, function;
} reel_printed_step;
typedef struct reel_printed {
    reel_source text;
    reel_printed_step *steps;
    size_t n_steps, cap_steps;
    int n_functions; /* reel_group_0 ... */
    int left;        /* fused steps that cannot be printed */
} reel_printed;
int reel_print_groups_(const reel_printing *how, reel_plan *const *plans, int n, reel_printed *out);
void reel_printed_free_(reel_printed *p);

/* ---- SHA-256 (compile_hash.c) ----------------------------------------------------------------------------- */
enum { REEL_HASH = 32, REEL_HASH_TEXT = 2 * REEL_HASH + 1 };
typedef struct reel_hash {
    uint32_t h[8];
    uint64_t n;
    uint8_t block[64];
} reel_hash;
void reel_hash_begin_(reel_hash *h);
void reel_hash_add_(reel_hash *h, const void *data, size_t n);
void reel_hash_end_(reel_hash *h, uint8_t out[REEL_HASH]);

/* ---- why there is none ------------------------------------------------------------------------------------ */
enum { REEL_WHY_NOT = 300, REEL_CACHE_PATH = 512 };
typedef struct reel_whynot {
    char text[REEL_WHY_NOT]; /* empty: all is well */
} reel_whynot;
int reel_whynot_(reel_whynot *w, const char *fmt, ...) REEL_PRINTF(2, 3); /* -1 */

/* ---- the compiler (compile_cc.c) ---------------------------------------------------------------------------- */
enum { REEL_CC_ARGS = 64, REEL_CC_TEXT = 2048 };
typedef struct reel_cc {
    char text[REEL_CC_TEXT]; /* the words of the command, each with its zero */
    size_t n;
    uint8_t which[REEL_HASH];    /* the command, its file, PATH */
    uint8_t identity[REEL_HASH]; /* the command and its file; once it was asked, its version as well */
} reel_cc;
/* REEL_CC, or cc, as found through PATH; its identity is still to be asked for. */
int reel_cc_find_(reel_cc *cc, reel_whynot *w);
int reel_cc_ask_(reel_cc *cc, const _Atomic bool *stop, reel_whynot *w);
/* object from source with those flags, in folder. */
int reel_cc_run_(const reel_cc *cc, const char *flags, const char *folder, const char *source, const char *object,
                 const _Atomic bool *stop, reel_whynot *w);

/* ---- the cache (compile_cache.c) ----------------------------------------------------------------------------- */
typedef struct reel_cache {
    char folder[REEL_CACHE_PATH];
} reel_cache;
int reel_cache_open_(reel_cache *c, reel_whynot *w);
/* The object of that key, whole and unharmed: its path. false: none. */
bool reel_cache_find_(const reel_cache *c, const char *key, char path[REEL_CACHE_PATH]);
/* A folder of one's own within it, to build in; removed with all that is in it. */
int reel_cache_workshop_(const reel_cache *c, char folder[REEL_CACHE_PATH], reel_whynot *w);
void reel_cache_clear_(const char *folder);
int reel_cache_write_(const char *folder, const char *name, const char *text, size_t n, reel_whynot *w);
/* From the workshop to its place, with its checksum; the oldest go where there are too many. */
int reel_cache_keep_(const reel_cache *c, const char *workshop, const char *key, char path[REEL_CACHE_PATH],
                     reel_whynot *w);
void reel_cache_forget_(const reel_cache *c, const char *key); /* what cannot be loaded */

/* ---- plans (compile.c) ------------------------------------------------------------------------------------------ */
/* A loaded object, of all plans that it was compiled for. */
typedef struct reel_object {
    _Atomic int refs;
    void *handle;
} reel_object;
/* What became of a plan's fused steps. */
typedef struct reel_compiled {
    reel_object *object; /* NULL: none */
    int steps, functions, left;
    bool found; /* in the cache */
    double ms;
    char path[REEL_CACHE_PATH];
    reel_whynot why_not;
} reel_compiled;
/* All of them as one object; the interpreter goes on where it fails, and each plan says why. */
void reel_compile_together_(reel_player *const *players, reel_plan *const *plans, int n, const _Atomic bool *stop);

/* A player's: plans that wait, and the thread that compiles them. */
typedef struct reel_compiling {
    pthread_cond_t done;
    pthread_t thread;
    bool begun, busy; /* there is a thread to join; it is at work */
    int pid;          /* of the process that has it */
    _Atomic bool stop;
    reel_plan **queue;
    size_t n_queue, cap_queue;
} reel_compiling;
#endif
