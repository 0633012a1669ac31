/* emit.h: what the files of the C exporter share. A plan's steps become C functions: an emitter (one a row of ops.def, table.c) writes a
   function's body for shapes and strides that are known; step.c gives it a name and parameters, and takes an equal one that is
   there already instead; export.c puts the files together. */
#ifndef REEL_TRACE_EXPORT_EMIT_H
#define REEL_TRACE_EXPORT_EMIT_H
#include <stdio.h>
#include "core/compiler.h"
#include "core/error.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "trace/planner.h"

/* ---- text (text.c). What cannot be kept for want of memory is left out, with the error pending. ------- */
typedef struct reel_text {
    char *s; /* NULL: empty; otherwise ends with a 0 */
    size_t n, cap;
} reel_text;
void reel_text_put_(reel_text *t, const char *s, size_t n);
void reel_text_add_(reel_text *t, const char *s);
void reel_text_fmt_(reel_text *t, const char *fmt, ...) REEL_PRINTF(2, 3);
void reel_text_free_(reel_text *t);
static inline const char *reel_text_of_(const reel_text *t)
{
    return t->s ? t->s : "";
}
bool reel_is_word_(char c); /* may stand in an identifier */

enum { REEL_NUMBER_TEXT = 64 }; /* enough for a number of any dtype as C */

/* ---- what an emitter works on -------------------------------------------------------------------------- */
typedef struct reel_eoperand {
    reel_dtype dtype;
    int rank;
    int64_t dims[REEL_MAX_RANK], strides[REEL_MAX_RANK]; /* elements */
    int64_t count;
    char name[24];    /* of the parameter */
    const char *text; /* a number known now: what stands for its element; NULL: none */
    char number[REEL_NUMBER_TEXT];
    bool given;  /* false: only the shape is there */
    bool read;   /* the body mentions it, so it is a parameter */
    int limited; /* 1 + the axis of which only the first `limit` are there; 0: none */
} reel_eoperand;

enum { REEL_EMIT_WORDS = 96 };
typedef struct reel_emit {
    struct reel_exporter *x;
    const planner *p;
    const pstep *s;
    const reel_node *node; /* NULL: a copy */
    const reel_op *op;
    const void *attr;
    int n_in, n_out;
    reel_eoperand in[REEL_MAX_IN], out[REEL_MAX_OUT];
    reel_dtype real;       /* V(f) and T are of it: f64, or f32 for all other floats; of integers their own */
    size_t work;           /* elements of scratch wanted ... */
    const char *work_type; /* ... of this C type: the parameter is `work` */
    bool fails;            /* the body returns 0, or 1: it refuses its data */
    bool hands_on;         /* it fails with the number of an error, which a function that it calls has given it */
    const char *refuses;   /* what it says then */
    bool counts;           /* it says how much there is: the parameter is `count` */
    bool limits;           /* it goes over as much as there is: the parameter is `limit` ... */
    int limit;             /* ... that count of the run */
    uint64_t draws;        /* counters to take: the parameters are `key` and `counter` */
    reel_generator *generator;
    reel_text body;
    int depth;
    struct {
        char name[12];
        size_t at;
    } word[REEL_EMIT_WORDS];
    int n_words;
    reel_text words;
} reel_emit;
typedef int reel_emitter(reel_emit *e);
reel_emitter *reel_emitter_of_(const reel_op *op, const void *attr); /* table.c; NULL: the op has no exported form */

/* ---- writing a body (say.c) ---------------------------------------------------------------------------- */
/* Lines of C, indented to where the body stands. In them
       $name        what reel_set_ gave it
       LD2(i)       element i of input 2, as a T; ST0(i, v); sets element i of output 0, LO0(i) reads it;
                    RD2 and WR0 the same for 16-bit floats as they lie in memory
       V(f)         the function f of libm, or of helpers.c, for T
       T            the compute type */
void reel_say_(reel_emit *e, const char *lines);
void reel_sayf_(reel_emit *e, const char *fmt, ...) REEL_PRINTF(2, 3);
void reel_set_(reel_emit *e, const char *name, int64_t value);
void reel_set_text_(reel_emit *e, const char *name, const char *fmt, ...) REEL_PRINTF(3, 4);
void reel_set_built_(reel_emit *e, const char *name, reel_text *t); /* to t, which is freed; empty: 0 */
/* for (long v = 0; v < n; v++) { ... and the braces of the innermost n loops closed */
void reel_open_(reel_emit *e, const char *v, int64_t n);
void reel_close_(reel_emit *e, int n);
/* Loops over dims[0..rank) whose variables are p0, p1 ...; none for a size of 1. Returns how many. */
int reel_open_all_(reel_emit *e, const char *p, const int64_t *dims, int rank);
enum { REEL_OFFSET_TEXT = 320 };
/* "i0 * 12 + i1": where element (p0, p1 ...) lies. only: a mask of the axes that count. */
const char *reel_offset_(const int64_t *dims, const int64_t *strides, int rank, const char *p, unsigned only,
                         char buf[REEL_OFFSET_TEXT]);
/* Sets $name to it, for operand o, all axes; of a broadcast operand (fewer axes than rank): its strides against dims. */
void reel_set_offset_(reel_emit *e, const char *name, const reel_eoperand *o, const char *p);
void reel_set_along_(reel_emit *e, const char *name, const reel_eoperand *o, const int64_t *dims, int rank,
                     const char *p);
const char *reel_ctype_(reel_dtype d);                             /* of an element in memory: "uint16_t" for f16 */
const char *reel_compute_type_(reel_dtype d);                      /* what it is computed in: "float" for f16 */
const char *reel_math_(reel_dtype d, const char *f, char buf[64]); /* V(f) */
const char *reel_literal_(reel_dtype d, const void *element, char buf[REEL_NUMBER_TEXT]);
const char *reel_double_(double x, char buf[REEL_NUMBER_TEXT]);
const char *reel_float_(reel_dtype real, double x, char buf[REEL_NUMBER_TEXT]); /* of type T */

/* ---- helpers of the file: written once, where something mentions them (helpers.c, scalar.c) -------------- */
typedef struct reel_helper {
    char name[48];
    reel_text text;
} reel_helper;
typedef struct reel_known {
    const char *name, *text; /* C that begins with the result's type */
} reel_known;
/* Of double and integers; of T. NULL ends them. */
extern const reel_known reel_matrix_helpers_[], reel_ctc_helpers_[], reel_roi_helpers_[], reel_random_helpers_[];
extern const reel_known reel_grid_helpers_[];
/* The definitions of all helpers that text mentions, and of those that they mention, go to the exporter. */
int reel_need_helpers_(struct reel_exporter *x, const char *text);
int reel_add_helper_(struct reel_exporter *x, const char *name, const char *text); /* once */
/* A formula or helper of elementwise.def's language, for dtype d. */
void reel_translate_(reel_text *out, reel_dtype d, const char *formula);
/* An elementwise op on the texts of its operands (as they lie in memory), as an expression of the type of an element in memory. NULL:
   it has none for that dtype. Valid until the next call. */
int reel_scalar_(struct reel_exporter *x, const reel_op *op, const void *attr, const reel_dtype *in, reel_dtype out,
                 const char *const *arg, reel_text *expression);
bool reel_is_scalar_(const reel_op *op);

/* ---- the exporter --------------------------------------------------------------------------------------- */
typedef struct reel_ccall {
    int32_t function; /* -1: nothing to call */
    int32_t node, step;
    size_t operands, n_operands; /* in places: of the parameters, by slot */
    int generator;               /* -1: none */
    uint64_t draws;
    const char *work_type;
    bool work, fails, hands_on;
    int count, limit; /* which of the run's counts it gives, and takes; REEL_NO_COUNT */
    char *refuses;
} reel_ccall;

/* A value whose size depends on data: `axis` has as many as count number `count` says, which node has counted. */
enum { REEL_NO_COUNT = -1 };
typedef struct reel_sized {
    bool known; /* looked at */
    int count, axis;
    int32_t node;
    const char *name; /* of a fetch: the member that says how many */
} reel_sized;

typedef struct reel_cfunction {
    char *name;
    reel_text params, body;
    reel_text said; /* its comment: op, types, file:line of the first that uses it */
    uint64_t hash;
    bool fails;
} reel_cfunction;

typedef struct reel_cvariable {
    const reel_rec *cell;
    char *name;
    bool assigned;
} reel_cvariable;

/* A plan that is printed: that of the graph, or of a sub-graph of an op, which is a function of the file: its inputs and outputs are
   the parameters in0 ..., out0 ..., and it works in the parameter `work`. */
typedef struct reel_eplan {
    reel_plan_printer printer; /* first: the planner calls it */
    struct reel_exporter *x;
    bool part;  /* of a sub-graph */
    bool fails; /* its text returns the number of an error, or 0 */
    reel_ccall *calls;
    size_t n_calls, cap_calls;
    int32_t *places; /* slots of the calls' parameters */
    size_t n_places, cap_places;
    reel_text run; /* its lines */
    size_t arena_bytes;
    reel_sized *sized;   /* by value; NULL: nothing depends on data */
    int32_t *counted;    /* by count: the node */
    reel_sized *fetched; /* by fetch; NULL likewise */
    size_t n_values, n_fetched, cap_counted;
    int n_counts;
    reel_emit emit; /* the step at hand */
} reel_eplan;

typedef struct reel_exporter {
    const reel_graph *graph; /* as it was given */
    const reel_pipeline *passes;
    char **feed_name, **fetch_name;
    const char *name, *folder;
    bool side;
    reel_helper *helpers;
    size_t n_helpers, cap_helpers;
    reel_cfunction *functions;
    size_t n_functions, cap_functions;
    reel_cvariable *vars;
    size_t n_vars, cap_vars;
    const reel_rec **consts;
    size_t n_consts, cap_consts;
    reel_generator **generators;
    size_t n_generators, cap_generators;
    char **taken; /* names that are used */
    size_t n_taken, cap_taken;
    char **errors; /* what the numbers from 1 on say */
    size_t n_errors, cap_errors;
    reel_text run, constants, variables, loads, header, source, weights;
    bool trains;
    size_t arena_bytes, vars_bytes, consts_bytes; /* of a run, with what sub-graphs work in */
} reel_exporter;
reel_eplan *reel_eplan_new_(reel_exporter *x, bool part); /* step.c; NULL: raised */
void reel_eplan_free_(reel_eplan *q);
int reel_export_step_(reel_plan_printer *self, const planner *p, size_t i, size_t *workspace); /* step.c */
int reel_export_done_(reel_plan_printer *self, const planner *p);                              /* run.c */
/* sizes.c */
int reel_export_sizes_check_(reel_plan_printer *self, const planner *p, size_t i);
int reel_export_bound_(reel_plan_printer *self, const planner *p, size_t i, reel_type *out);
/* Input k of node n, which the op goes over as far as there is something: along which axis; -1: not. *count: that count. */
int reel_export_limit_(reel_eplan *q, const planner *p, const reel_node *n, int k, int *count);
int reel_export_count_of_(const reel_eplan *q, int32_t node);
int reel_export_sized_fetches_(reel_eplan *q, const planner *p); /* raises those that none may read */
bool reel_mentions_(const char *text, const char *word);         /* scalar.c */
/* control.c: of an op with sub-graphs, or that draws once more what one has drawn; NULL: it is neither. */
reel_emitter *reel_control_emitter_(const reel_op *op, const void *attr);
char *reel_take_name_(reel_exporter *x, const char *prefix,
                      const char *wanted); /* an identifier nobody has; NULL: raised */
int32_t reel_export_function_(reel_exporter *x, const reel_emit *e, const char *wanted, const char *said);
/* The same with its text: one that is there already serves; params and body are taken over. */
int32_t reel_export_text_(reel_exporter *x, reel_text *params, reel_text *body, bool fails, const char *wanted,
                          const char *said);
int32_t reel_export_error_(reel_exporter *x, const char *fmt, ...) REEL_PRINTF(2, 3); /* its number; -1: raised */
/* The number of a variable, constant or generator, noted at its first use; -1: raised. */
int32_t reel_export_var_(reel_exporter *x, const reel_rec *cell);
int32_t reel_export_const_(reel_exporter *x, const reel_rec *rec);
int32_t reel_export_generator_(reel_exporter *x, reel_generator *g);
int reel_emit_copy_(reel_emit *e); /* input 0 into output 0 */
/* data.c: constants are kept as they lie in memory, from the lowest element on. */
int64_t reel_const_low_(const reel_rec *rec);  /* elements of it below rec->data */
int64_t reel_const_span_(const reel_rec *rec); /* elements */
void reel_export_values_(reel_text *out, reel_dtype d, const char *data, int64_t n); /* {1, 2, ...} */
int reel_export_data_(reel_exporter *x);                 /* constants and variables: source, weights, header's struct */
int reel_export_files_(reel_eplan *q, const planner *p); /* files.c; the whole graph's plan */
#endif
