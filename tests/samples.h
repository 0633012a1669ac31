/* samples.h: the samples of the op sweep. Each row of ops.def has a `struct samples samples_<row>`: good calls
   with a plain reference in double, and a function of bad calls. A row without one does not link.

   An operand is written as "[dims]flags":
     layout   t a transposed view, r reversed along all axes, s every second element, o a piece of something larger,
              b the last axis broadcast with stride 0
     values   none: signed, never 0, distinct within 100 elements; + positive; = small integers with ties; ! NaN,
              infinities and zeros (float dtypes only); ? bool; L7 i32 labels in [0, 7); M7 i64 indices in [-7, 7); F always f32
   or as "#2.5": the weak number. */
#ifndef REEL_TESTS_SAMPLES_H
#define REEL_TESTS_SAMPLES_H
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/dtype.h"
#include "core/shape.h"
#include "ops/internal.h"
#include "reel/reel.h"

enum { SAMPLE_IN = 8, SAMPLE_OUT = 5, SAMPLE_PARAMS = 12 };
enum {
    NO_GRAD = 1, /* no gradient check: not differentiable there, or nothing to check */
    FIXED = 2    /* not with all dimensions unknown */
};

typedef struct sample {
    const char *in[SAMPLE_IN];
    double p[SAMPLE_PARAMS]; /* whatever the row's functions read: an axis, a dimension ... */
    unsigned flags;
} sample;

#define IN(...) .in = {__VA_ARGS__}
#define WITH(...) .p = {__VA_ARGS__}

/* A plain n-dimensional array of doubles, C order. */
typedef struct nd {
    reel_dtype dtype;
    reel_shape shape;
    int64_t count;
    double *data;
} nd;

typedef struct samples {
    const sample *good;
    int n_good, n_out;
    const sample *exported; /* NULL, or one more, without a reference: eager is that of exported C */
    unsigned dtypes;        /* 0: the row's */
    double scale;           /* error allowed, in 4 units of last place at max(1, |value|); 0: 1 */
    int (*apply)(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[]);
    void (*reference)(const sample *s, reel_dtype d, const nd *in, nd *out);
    bool (*accept)(const sample *s, reel_dtype d, const nd *out); /* instead of reference, for random numbers */
    void (*bad)(void);
    int (*begin)(const sample *s, reel_dtype d); /* before the inputs of a run are made; not traced */
    void (*end)(void);
    bool never_single; /* no operand can have one element */
    bool shape_only;   /* a composed op that reads but the shape: a variable without a value will do */
} samples;
#define GOOD_OF(array, outputs) .good = array, .n_good = (int)(sizeof(array) / sizeof *(array)), .n_out = outputs
#define GOOD(array) GOOD_OF(array, 1)

/* ---- arrays of the references ------------------------------------------------------------------------ */
void nd_make(nd *a, reel_dtype d, reel_shape s);
void nd_free(nd *a);
int64_t nd_index(const nd *a, const reel_shape *to,
                 int64_t i); /* where element i of shape `to` lies in a broadcast to it */
static inline double nd_at(const nd *a, const reel_shape *to, int64_t i)
{
    return a->data[nd_index(a, to, i)];
}
reel_shape nd_broadcast(reel_shape a, reel_shape b);
/* Position i as coordinates, and back. */
void nd_unravel(const reel_shape *s, int64_t i, int64_t at[REEL_MAX_RANK]);
int64_t nd_ravel(const reel_shape *s, const int64_t at[REEL_MAX_RANK]);
double round_to(double x, reel_dtype d); /* as d would hold it: floats rounded, integers wrapped */
static inline bool is_int(reel_dtype d)
{
    return reel_is_int_(d);
}

/* ---- operands ---------------------------------------------------------------------------------------- */
reel_tensor *operand(const char *spec, reel_dtype d, int seed); /* NULL: raised */
static inline reel_tensor *X(const char *spec)
{
    return operand(spec, REEL_F32, 0);
}
static inline reel_tensor *XD(const char *spec, reel_dtype d)
{
    return operand(spec, d, 0);
}
reel_tensor *dead(void);   /* a handle whose scope has ended */
reel_tensor *unset(void);  /* the variable "unset", f32[2], that has no value */
reel_tensor *symbol(void); /* a placeholder f32[2] of a graph that has been ended */

/* ---- bad samples: BAD(call, code, "words|in|the message") on one line; the call must give NULL or not 0 */
void strangers_begin(void); /* what unset() and symbol() give; before the bad samples of a row, and after */
void strangers_end(void);
void sample_bad(bool failed, const char *file, int line, int code, const char *words, const char *what);
#define BAD(call, code, words) sample_bad(!(call), __FILE__, __LINE__, code, words, #call)
#define BAD_CODE(call, code, words) sample_bad((call) != 0, __FILE__, __LINE__, code, words, #call)

#define ROW(name, ...) extern const samples samples_##name;
#define ALSO(name, ...) extern const samples samples_##name;
#include "ops/ops.def"
#undef ROW
#endif
