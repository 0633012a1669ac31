/* map_control.c: constants, and sub-graphs run by the test itself. */
#include <string.h>

#include "onnx.h"

static int constant(onnx_call *c)
{
    const onnx_attr *a = c->node->n_attrs ? &c->node->attrs[0] : NULL;
    if (!a) return na(c, "a constant without a value");
    if (strcmp(a->name, "value") == 0) {
        c->out[0] = from_onnx(&a->t);
        if (!c->out[0] && !reel_status()) return na(c, "the constant is %s", onnx_code_name(a->t.code));
    } else if (strcmp(a->name, "value_float") == 0) {
        const float f = (float)a->f;
        c->out[0] = reel_from_f32(REEL_SCALAR, &f, 1);
    } else if (strcmp(a->name, "value_int") == 0) {
        c->out[0] = reel_from_i64(REEL_SCALAR, &a->i, 1);
    } else if (strcmp(a->name, "value_ints") == 0) {
        c->out[0] = reel_from_i64(REEL_SHAPE(a->n), a->ints, (size_t)a->n);
    } else if (strcmp(a->name, "value_floats") == 0) {
        c->out[0] = reel_cast(reel_from_f64(REEL_SHAPE(a->n), a->floats, (size_t)a->n), REEL_F32);
    } else {
        return na(c, "the constant has %s", a->name);
    }
    return reel_status();
}

static int if_(onnx_call *c)
{
    const onnx_attr *branch = attr(c, host_number(c->in[0]) != 0 ? "then_branch" : "else_branch");
    if (!branch || !branch->g) return na(c, "a branch is missing");
    return run_subgraph(c, branch->g, NULL, 0, c->out, c->n_out);
}

/* in: trip count, condition, carried values. Body: iteration, condition, carried -> condition, carried, scanned. */
static int loop(onnx_call *c)
{
    enum { MAX = 16, MAX_TRIPS = 1000 };
    static reel_tensor *rows[MAX][MAX_TRIPS];
    const onnx_attr *body = attr(c, "body");
    const int n = c->n_in - 2, scanned = c->n_out - n;
    int64_t trips = 0;
    reel_tensor *v[MAX] = {0}, *out[MAX] = {0};
    bool go = c->in[1] ? host_number(c->in[1]) != 0 : true;
    const int64_t limit = c->in[0] ? (int64_t)host_number(c->in[0]) : MAX_TRIPS;
    if (!body || !body->g || n < 0 || n + 2 > MAX || n + scanned + 1 > MAX) return na(c, "a loop of another kind");
    for (int i = 0; i < n; i++) v[i + 2] = c->in[i + 2];
    for (; go && trips < limit; trips++) {
        if (trips == MAX_TRIPS) return na(c, "a loop of more than %d steps", MAX_TRIPS);
        v[0] = reel_from_i64(REEL_SCALAR, &trips, 1);
        v[1] = reel_cast(reel_full(REEL_I32, REEL_SCALAR, 1), REEL_BOOL);
        const int code = run_subgraph(c, body->g, v, n + 2, out, n + scanned + 1);
        if (code) return code;
        go = host_number(out[0]) != 0;
        for (int i = 0; i < n; i++) v[i + 2] = out[i + 1];
        for (int k = 0; k < scanned; k++) {
            rows[k][trips] = reel_unsqueeze(out[n + 1 + k], REEL_AXES(0));
        }
    }
    for (int i = 0; i < n; i++) c->out[i] = v[i + 2];
    if (scanned && trips == 0) return na(c, "a loop that scans nothing");
    for (int k = 0; k < scanned; k++) {
        reel_tensor *all = rows[k][0];
        for (int64_t i = 1; i < trips; i++) all = reel_concat(REEL_LIST(all, rows[k][i]), 0);
        c->out[n + k] = all;
    }
    return reel_status();
}

const onnx_map onnx_control[] = {{"Constant", constant}, {"If", if_}, {"Loop", loop}, {0}};
