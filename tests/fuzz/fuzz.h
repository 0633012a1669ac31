/* fuzz.h: random whole programs as data: a list of steps (steps.def) that an interpreter runs through the public API (run.c), so that
   a program can be run in any mode (modes.c), made smaller (shrink.c) and printed as C (print.c). */
#ifndef REEL_TESTS_FUZZ_H
#define REEL_TESTS_FUZZ_H
#include <stdio.h>
#include "reel/reel.h"

enum {
    FUZZ_IN = 3,  /* operands of a step */
    FUZZ_OUT = 5, /* values that a step makes */
    FUZZ_NUMBERS = 26,
    FUZZ_BLOCKS = 2,  /* bodies of a step */
    FUZZ_BODIES = 40, /* of a program */
    FUZZ_VALUES = 600,
    FUZZ_INPUTS = 4,
    FUZZ_VARS = 3,
    FUZZ_RESULTS = 4,
    FUZZ_ALL_RESULTS = FUZZ_RESULTS + FUZZ_INPUTS + FUZZ_VARS, /* with gradients */
    FUZZ_ELEMENTS = 1500,
    FUZZ_TOGETHER = 20 /* programs that are built as one translation unit */
};

typedef enum {
#define STEP(name, ...) FUZZ_##name,
#include "steps.def"
#undef STEP
    FUZZ_N_KINDS
} fuzz_kind;

struct fuzz_block;
typedef struct {
    fuzz_kind kind;
    int n_in, in[FUZZ_IN]; /* numbers of values */
    int n_out, out;        /* the first of its values' numbers */
    int64_t n[FUZZ_NUMBERS];
    struct fuzz_block *block[FUZZ_BLOCKS];
} fuzz_step;

typedef struct fuzz_block {
    int id, n_in, in0; /* its inputs are the values in0, in0 + 1 ... */
    int n_steps, room;
    fuzz_step *steps;
    int n_out, out[FUZZ_RESULTS];
} fuzz_block;

typedef struct fuzz_program fuzz_program;
struct fuzz_self {
    fuzz_program *p;
    fuzz_block *block;
};
struct fuzz_program {
    uint64_t seed;
    int n_in, n_values, n_bodies;
    bool batch;                       /* the first input's first dimension may be unknown */
    bool grads;                       /* it also gives the gradients of its results */
    bool untaped;                     /* a body of control flow draws: no gradient by a tape around a trace */
    bool control;                     /* has control flow */
    bool zeros;                       /* gradients go through control flow: a zero's sign may be another in a trace */
    bool close;                       /* those of gradients do: the additions of loops within come in another order */
    bool custom;                      /* has checkpoints, custom gradients, or calls of functions */
    int jitter;                       /* of a run: number of the random last places, 0: none */
    fuzz_block *setup, *body, *inner; /* what makes the inputs; the program; a function that it calls */
    reel_type type[FUZZ_VALUES];      /* where it was generated: a dimension may be REEL_ANY */
    /* of a run */
    reel_tensor *v[FUZZ_VALUES];
    struct fuzz_self self[FUZZ_BODIES];
    reel_vars *vars;
    reel_tensor *var[FUZZ_VARS], *init[FUZZ_VARS], *in[FUZZ_INPUTS];
    reel_generator *generator;
    reel_function *function;
    reel_optimizer *optimizer; /* of its variables; without a state of its own */
};

/* ---- programs ------------------------------------------------------------------------------------------ */
extern const struct fuzz_kind_info {
    const char *name, *text; /* its C, with operands and numbers to be put in */
    int weight, n_out, n_blocks;
} fuzz_kinds[FUZZ_N_KINDS];
extern const reel_type fuzz_var_type[FUZZ_VARS];
fuzz_program *fuzz_new(void);
fuzz_block *fuzz_new_block(fuzz_program *p, int n_in);
fuzz_step *fuzz_add_step(fuzz_block *b, const fuzz_step *s);
fuzz_program *fuzz_copy(const fuzz_program *p);
void fuzz_free(fuzz_program *p);
int fuzz_count(const fuzz_block *b); /* steps, those of bodies too */

/* ---- running: run.c ------------------------------------------------------------------------------------ */
int fuzz_run_step(fuzz_program *p, const fuzz_step *s); /* reel_status() */
int fuzz_body(void *self, reel_tensor *const in[], reel_tensor *out[]);
bool fuzz_open(fuzz_program *p); /* makes variables, inputs, generator, inner function */
void fuzz_close(fuzz_program *p);
void fuzz_reset(fuzz_program *p); /* variables and generators as they were */
reel_fn fuzz_fn(fuzz_program *p); /* the whole program, with its gradients if it gives those */
int fuzz_n_results(const fuzz_program *p);
bool fuzz_is_float(reel_dtype d);
extern const char fuzz_helpers[]; /* C that the steps call */

/* ---- generating: generate.c, choose.c ------------------------------------------------------------------ */
fuzz_program *fuzz_generate(uint64_t seed); /* not opened. NULL: nothing that a graph takes came of this seed */
uint64_t fuzz_next(uint64_t *rng);
int fuzz_below(uint64_t *rng, int n);

/* ---- comparing: modes.c ------------------------------------------------------------------------------- */
typedef enum {
    FUZZ_SAME,
    FUZZ_SETUP, /* inputs cannot be made */
    FUZZ_TAPED,
    FUZZ_FUNCTION,       /* which: the call of reel_function_call that differs, from 0; the third is under a tape */
    FUZZ_FUNCTION_TAPED, /* the first of two calls, under a tape; passes "none" */
    FUZZ_GRADIENTS,      /* by that tape: capture and replay */
    FUZZ_GRAPH,          /* cannot be built; which: of unknown batch */
    FUZZ_SESSION,        /* which: unknown batch; passes, batch */
    FUZZ_COMPILED,       /* the session's plan compiled; which: unknown batch */
    FUZZ_VERIFY,         /* of the optimized graph */
    FUZZ_EXPORTED        /* the graph as C; which: unknown batch */
} fuzz_mode;
typedef struct {
    fuzz_mode mode;
    int which;
    int64_t batch; /* what was fed; -1: the inputs as they are */
    char passes[96];
    int result;      /* the first that differs, -1: an error, FUZZ_CRASHED: it crashes or hangs */
    int code, eager; /* of an error: its code, and that of eager's; of a crash: the signal, or minus the exit status */
    char op[40];     /* of an error: what raises it */
    uint64_t seed;   /* of a program that was exported earlier; 0: it is the one at hand */
    char text[1200]; /* a sentence */
} fuzz_difference;
typedef struct {
    uint64_t programs, errors, none; /* run; of them raise an error; seeds without a program */
    uint64_t steps, runs;            /* steps; runs of whole programs in some mode */
    int compile;                     /* of every so many batches of FUZZ_TOGETHER programs one compiled, too; 0: none */
    uint64_t compiled, compiled_steps,
        units;  /* programs that ran compiled; steps of them that did; calls of cc for all their plans */
    int levels; /* lists of passes for each program; 0: all */
    int export; /* the same, exported */
    uint64_t exported,
        edges; /* programs that ran as exported C; elements that are eager's but for a sensitive program */
    struct {
        char why[100];
        uint64_t n;
    } refused[32];                    /* programs that the exporter does not take */
    struct fuzz_batch *batch;         /* exported and not yet built */
    struct fuzz_compiling *compiling; /* programs whose plans are to be compiled */
    struct {
        char name[32];
        uint64_t fired, plans;
    } pass[40];
    uint64_t kind[FUZZ_N_KINDS];
} fuzz_stats;
/* Runs p in all modes, or with only set (not FUZZ_SAME) just in that one beside eager. True: the same everywhere. */
bool fuzz_compare(fuzz_program *p, const fuzz_difference *only, fuzz_difference *d, fuzz_stats *stats);

/* Builds, runs and compares the programs that are to be compiled, or have been exported, since the last time. True: the same, or nearly so, as
   eagerly. */
bool fuzz_finish(fuzz_stats *stats, fuzz_difference *d);

/* ---- in a process of its own: apart.c ------------------------------------------------------------------ */
enum { FUZZ_CRASHED = -2, FUZZ_FOLDER = 64 };
/* What f(arg) returned (0 to 100), FUZZ_CRASHED: it ended otherwise: *why is the signal, or minus the exit status. seconds: then it is a
   SIGALRM; 0: no limit. quiet: what it prints is lost. */
int fuzz_apart(int (*f)(void *), void *arg, unsigned seconds, bool quiet, int *why);
bool fuzz_stopped(void);                    /* a signal said so */
bool fuzz_folder(char folder[FUZZ_FOLDER]); /* a new one where temporary files go */
void fuzz_remove(const char *folder);       /* with all that is in it */
/* What is at work, seen from both processes. */
typedef struct {
    uint64_t seed;
    fuzz_difference at;    /* the mode that began last */
    fuzz_difference found; /* by the work */
} fuzz_now;
fuzz_now *fuzz_at(void);

/* ---- making it smaller, printing: shrink.c, print.c --------------------------------------------------- */
/* The smallest program found in so many seconds that still differs as d says. Each try runs in a process of its own. file, if not "-", always
   holds the best so far. p is freed. */
fuzz_program *fuzz_shrink(fuzz_program *p, const fuzz_difference *d, FILE *progress, const char *file, int seconds);
void fuzz_print(FILE *f, const fuzz_program *p, const fuzz_difference *d); /* a whole C program */

/* ---- a fault to find: fault.c -------------------------------------------------------------------------- */
extern const char fuzz_fault_text[]; /* C: int fuzz_fault(void) registers a pass "wrong", which is wrong */
int fuzz_fault(void);
extern bool fuzz_faulty;  /* the lists of passes are run with it */
extern bool fuzz_crashes; /* and it crashes */
#endif
