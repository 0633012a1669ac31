/* onnx.h: the ONNX backend node tests (onnx/backend/test of ONNX 1.22): models as plain structs, and how an operator is mapped to
   Reel's ops.

   To map operators, edit the map_<family>.c of the family: a function an operator,

       static int add(onnx_call *c)
       {
           c->out[0] = reel_add(c->in[0], c->in[1]);
           return reel_status();
       }

   and a line {"Add", add} in its table at the end (domain "" is ai.onnx; "ai.onnx.ml:Binarizer" otherwise). c->in[i] is NULL where
   an optional input is left out, c->n_in counts them. A function that cannot do a case says why: return na(c, "reason").
   Run: ./dev test onnx, or for one case or all that contain a word:
       mkdir /tmp/onnx && tar xzf ../shared/data/onnx/backend-node-v1.22.0.tar.gz -C /tmp/onnx
       build/tests/test_onnx /tmp/onnx/node [WORD] */
#ifndef REEL_TESTS_ONNX_H
#define REEL_TESTS_ONNX_H
#include "reel/reel.h"

enum { ONNX_MAX_IN = 64, ONNX_MAX_OUT = 64, ONNX_MAX_LIST = 256 };

typedef struct onnx_tensor {
    const char *name;
    int code;       /* ONNX's data type */
    reel_type type; /* dtype 0: none of ours */
    void *data;     /* dense, in our dtype */
    size_t bytes;
} onnx_tensor;

typedef struct onnx_attr {
    const char *name;
    int type; /* ONNX's: 1 float, 2 int, 3 string, 4 tensor, 5 graph, 6 floats, 7 ints, 8 strings */
    double f;
    int64_t i;
    const char *s;
    onnx_tensor t;
    struct onnx_graph *g;
    int n;
    double *floats;
    int64_t *ints;
    const char **strings;
} onnx_attr;

typedef struct onnx_node {
    const char *op, *domain, *name;
    int n_in, n_out, n_attrs;
    const char **in, **out; /* "" is left out */
    onnx_attr *attrs;
} onnx_node;

typedef struct onnx_graph {
    int n_nodes, n_inits, n_in, n_out;
    onnx_node *nodes;
    onnx_tensor *inits;
    const char **in, **out;
    int *in_code, *out_code; /* data types; -1: no tensor */
} onnx_graph;

typedef struct onnx_opset {
    const char *domain;
    int version;
} onnx_opset;

typedef struct onnx_model {
    onnx_graph *graph;
    int n_opsets;
    onnx_opset *opsets;
} onnx_model;

/* NULL: malformed. Everything lives until onnx_forget. */
onnx_model *onnx_parse_model(const void *bytes, size_t size);
onnx_tensor *onnx_parse_tensor(const void *bytes, size_t size);
void onnx_forget(void);
/* One of ours, or 0. */
reel_dtype onnx_dtype(int code);
const char *onnx_code_name(int code);

/* ---- for the maps --------------------------------------------------------------------------------------- */
struct onnx_scope;
typedef struct onnx_call {
    const onnx_node *node;
    int opset; /* version of the node's domain */
    int n_in, n_out;
    reel_tensor *in[ONNX_MAX_IN];
    reel_tensor *out[ONNX_MAX_OUT];
    char why[160];            /* why it is not applicable */
    struct onnx_scope *scope; /* for sub-graphs */
} onnx_call;
typedef int onnx_function(onnx_call *c);
typedef struct onnx_map {
    const char *op;
    onnx_function *run;
} onnx_map;

enum { ONNX_NA = -77 };
int na(onnx_call *c, const char *why, ...) __attribute__((format(printf, 2, 3)));
const onnx_attr *attr(const onnx_call *c, const char *name); /* NULL: not given */
int64_t attr_int(const onnx_call *c, const char *name, int64_t otherwise);
double attr_float(const onnx_call *c, const char *name, double otherwise);
const char *attr_string(const onnx_call *c, const char *name, const char *otherwise);
/* The list's length, -1: not given. */
int attr_ints(const onnx_call *c, const char *name, int64_t *list, int max);
reel_tensor *from_onnx(const onnx_tensor *t); /* NULL: a dtype that is not ours */
/* The values of an integer tensor (an input that ONNX gives as data and Reel as an argument); its count, -1 on failure. */
int host_ints(reel_tensor *t, int64_t *list, int max);
double host_number(reel_tensor *t); /* the first element */
reel_axes axes_from(const int64_t *list, int n);
reel_shape shape_from(const int64_t *list, int n);
/* Runs a sub-graph, with its inputs in order, in the scope of names around it. */
int run_subgraph(onnx_call *c, const onnx_graph *g, reel_tensor *const in[], int n_in, reel_tensor *out[], int n_out);

extern const onnx_map onnx_control[], onnx_conv[], onnx_dynamic[], onnx_elementwise[], onnx_linalg[], onnx_neural[],
    onnx_reduce[], onnx_sequence[], onnx_shape[];
#endif
