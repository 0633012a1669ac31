/* custom.h: ops of your own, through the same descriptor as the built-in ones. */
#ifndef REEL_CUSTOM_H
#define REEL_CUSTOM_H
#include "base.h"
REEL_BEGIN_DECLS
typedef struct {
    reel_type type;
    void *data; /* dense, C order, 64-byte aligned */
} reel_view;
typedef struct {
    size_t size;      /* sizeof(reel_op_def), filled in by REEL_OP_DEF; 0: the fields of version 0.1 */
    const char *name; /* copied */
    int n_in, n_out;  /* 1 to 8 each; n_in may be 0 */
    /* bytes of attr, copied at each call; at most 256. Plain data, padding zeroed by the caller's = {0} */
    size_t attr_size;
    unsigned dtypes; /* a mask of 1u << REEL_F32 ...: which dtypes inputs may have; 0: any */
    /* Output types from input types. Dimensions may be REEL_ANY in a graph. Raise errors with reel_fail. */
    int (*shape)(const void *attr, const reel_type in[], reel_type out[]);
    int (*cpu)(const void *attr, const reel_view in[], const reel_view out[]);
    /* din[i] NULL means zero. NULL here: asking for its gradient is an error naming the op. Written with public ops. */
    int (*vjp)(const void *attr, reel_tensor *const in[], reel_tensor *const out[], reel_tensor *const dout[],
               reel_tensor *din[]);
} reel_op_def;
#define REEL_OP_DEF(...) (&(const reel_op_def){.size = sizeof(reel_op_def), __VA_ARGS__})
/* Lives as long as the process; registering the same name twice is an error. A built-in op of that name stays apart. */
const reel_op *reel_op_register(const reel_op_def *def);
const reel_op *reel_op_find(const char *name); /* registered, else built-in; NULL if there is none */
int reel_op_call_at(const char *site, const reel_op *op, reel_list in, const void *attr, reel_tensor *out[]);
REEL_END_DECLS
#endif
