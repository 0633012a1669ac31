/* graph.h: running an ONNX graph: values by name. */
#ifndef REEL_TESTS_ONNX_GRAPH_H
#define REEL_TESTS_ONNX_GRAPH_H
#include <math.h>

#include "onnx.h"

typedef struct onnx_named {
    const char *name;
    reel_tensor *t;
} onnx_named;

typedef struct onnx_scope {
    const onnx_model *model;
    struct onnx_scope *outer;
    onnx_named *named;
    int n, room;
    char *why; /* 160 bytes: why something is not applicable */
} onnx_scope;

/* 0, ONNX_NA with the reason in why, or the code of the pending error. */
int onnx_run_graph(const onnx_model *m, const onnx_graph *g, onnx_scope *outer, reel_tensor *const in[], int n_in,
                   reel_tensor *out[], int n_out, char why[160]);
#endif
