/* base.h: the types every other header needs. Plain data only; no function allocates. */
#ifndef REEL_BASE_H
#define REEL_BASE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define REEL_EXTERN_C_BEGIN extern "C" {
#define REEL_EXTERN_C_END }
#else
#define REEL_EXTERN_C_BEGIN
#define REEL_EXTERN_C_END
#endif
/* The library is built with hidden visibility: what stands between these two is exported. */
#define REEL_BEGIN_DECLS _Pragma("GCC visibility push(default)") REEL_EXTERN_C_BEGIN
#define REEL_END_DECLS REEL_EXTERN_C_END _Pragma("GCC visibility pop")
#define REEL_PRINTF_(fmt, args) __attribute__((format(printf, fmt, args)))

#define REEL_VERSION "0.1.0"

/* A handle. Never defined: the library finds the tensor behind it, and knows a dead one. */
typedef struct reel_tensor reel_tensor;
typedef struct reel_scope reel_scope;
typedef struct reel_tape reel_tape;
typedef struct reel_graph reel_graph;
typedef struct reel_session reel_session;
typedef struct reel_function reel_function;
typedef struct reel_vars reel_vars;
typedef struct reel_optimizer reel_optimizer;
typedef struct reel_generator reel_generator;
typedef struct reel_op reel_op;

typedef enum {
    REEL_F32 = 1,
    REEL_F64,
    REEL_F16,  /* IEEE binary16; computed in f32, rounded to nearest even */
    REEL_BF16, /* the upper half of an f32; likewise */
    REEL_I8,
    REEL_U8,
    REEL_I32,
    REEL_I64,
    REEL_BOOL, /* one byte, 0 or 1 */
    REEL_N_DTYPES
} reel_dtype;

typedef enum {
    REEL_OK = 0,
    REEL_ENOMEM,     /* no memory */
    REEL_EARG,       /* a bad argument: NULL, dead handle, axis, count, label ... */
    REEL_ESHAPE,     /* shapes that do not fit, overflow, or have a bad dimension */
    REEL_EDTYPE,     /* dtypes that do not fit */
    REEL_ETRACE,     /* not allowed in, or not part of, a trace, graph, session or tape */
    REEL_EGRADCHECK, /* a gradient is wrong */
    REEL_EDEVICE,    /* a device or its library failed */
    REEL_EIO,        /* a file failed */
    REEL_EUSER,      /* raised by a callback with reel_fail */
    REEL_ENUMERICS,  /* a NaN or infinity where numbers are checked; a replay that differs from eager (debug.h) */
    REEL_N_CODES
} reel_code;

#define REEL_MAX_RANK 8
#define REEL_ANY ((int64_t)-1) /* a dimension that is not known before a session is fed */
#define REEL_ZERO (-0.0)       /* an option's explicit zero, where plain 0 means "the default" */

typedef struct {
    int rank;
    int64_t dims[REEL_MAX_RANK];
} reel_shape;

typedef struct {
    reel_dtype dtype;
    reel_shape shape;
} reel_type;

/* Axes to reduce over or to permute; negative ones count from the end. n = 0 means all. */
typedef struct {
    int n;
    int axis[REEL_MAX_RANK];
} reel_axes;

/* One axis of a slice, NumPy's start:stop:step. A step of 0 means 1; REEL_END as start or stop
   means "left out". {0} alone is not ":" but "0:0"; write REEL_ALL for a whole axis. */
typedef struct {
    int64_t start, stop, step;
} reel_range;
#define REEL_END INT64_MIN

/* Lists are borrowed for the length of the call. */
typedef struct {
    int n;
    reel_tensor *const *t;
} reel_list;
typedef struct {
    const char *name;
    reel_tensor *value;
} reel_feed;
typedef struct {
    int n;
    const reel_feed *feed;
} reel_feeds;
typedef struct {
    int n;
    const char *const *name;
} reel_names;

/* One closure type for function, gradcheck, checkpoint and custom gradients. out[] starts all NULL;
   what is put there is moved to the caller's scope. Returns 0 or the code of the pending error. */
typedef int reel_body(void *self, reel_tensor *const in[], reel_tensor *out[]);
typedef struct {
    reel_body *body;
    void *self;
    int n_in, n_out;
    const char *name;
} reel_fn;

/* Errors: per thread, the first one stays until it is taken. While it is pending an op given NULL returns NULL (an operand
   that may be left out is no exception: it could be what failed), other pure ops still run, and calls that change state
   refuse (and return its code). */
typedef struct {
    int code;         /* reel_code */
    const char *site; /* "file:line" of the user's call; a literal, or "" */
    char text[504];   /* "model.c:42: reel_matmul: inner dimensions differ: a f32[32,784], b f32[785,10]" */
} reel_error;

REEL_BEGIN_DECLS
int reel_status(void);              /* code of the pending error, 0 if none */
int reel_take_error(reel_error *e); /* copy it (e may be NULL), clear it, return its code */
/* For callbacks: raise an error of your own; returns code. No effect while one is pending. */
int reel_fail(int code, const char *fmt, ...) REEL_PRINTF_(2, 3);
const char *reel_code_name(int code);      /* "REEL_ESHAPE"; "?" if there is none */
const char *reel_dtype_name(reel_dtype d); /* "f32" ... "bool"; "?" */
size_t reel_dtype_size(reel_dtype d);      /* bytes an element; 0 if d is none */
int64_t reel_shape_count(reel_shape s);    /* product of dims; REEL_ANY if one is unknown, -2 on overflow or bad dims */
const char *reel_version(void);
REEL_END_DECLS
#endif
