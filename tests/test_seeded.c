/* test_seeded.c: differentiable rows of ops.def of every family, wrapped in a custom gradient. With the row's own vjp gradcheck
   must say right, in first and second order; with a vjp that has one mistake seeded into it, wrong. */
#include <stdlib.h>
#include <string.h>
#include "core/tensor.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "reel/reel.h"
#include "tap.h"

enum { MAX = 4 };
enum kind { SPREAD, POSITIVE, MASK, LABELS, DOMINANT /* 4 more on the diagonal */ };

/* Inputs are [3,3] unless said otherwise. wide: input whose gradient sums over what broadcasting to [3,3] (or [2,3,3])
   added; -1: none. */
typedef struct sample {
    int op;
    int n_in;
    const void *attr;
    enum kind kind[MAX];
    reel_shape shape[MAX]; /* {0}: [3,3] */
    int wide;
    bool scalar_wide; /* wide is [3,3] broadcast to [2,3,3] */
} sample;

#define ATTR(type, ...) (&(const reel_attr_##type){__VA_ARGS__})
#define ROW3                     \
    {                            \
        .rank = 1, .dims = { 3 } \
    }
#define BATCH                          \
    {                                  \
        .rank = 3, .dims = { 2, 3, 3 } \
    }
#define UNARY1(name, k)                                          \
    {                                                            \
        .op = REEL_OP_##name, .n_in = 1, .kind = {k}, .wide = -1 \
    }
#define BINARY2(name, k)                                                                        \
    {                                                                                           \
        .op = REEL_OP_##name, .n_in = 2, .kind = {k, POSITIVE}, .shape = {{0}, ROW3}, .wide = 1 \
    }
#define GRAD2(name, k)                                                                        \
    {                                                                                         \
        .op = REEL_OP_##name, .n_in = 2, .kind = {k, SPREAD}, .shape = {{0}, ROW3}, .wide = 1 \
    }
static const sample samples[] = {
    UNARY1(neg, SPREAD),
    UNARY1(exp, SPREAD),
    UNARY1(log, POSITIVE),
    UNARY1(sqrt, POSITIVE),
    UNARY1(rsqrt, POSITIVE),
    UNARY1(tanh, SPREAD),
    UNARY1(sigmoid, SPREAD),
    UNARY1(softplus, SPREAD),
    UNARY1(relu, SPREAD),
    UNARY1(abs, SPREAD),
    UNARY1(square, SPREAD),
    {.op = REEL_OP_cast, .n_in = 1, .attr = ATTR(cast, .dtype = REEL_F64), .wide = -1},
    BINARY2(add, SPREAD),
    BINARY2(sub, SPREAD),
    BINARY2(mul, SPREAD),
    BINARY2(div, SPREAD),
    BINARY2(pow, POSITIVE),
    BINARY2(maximum, SPREAD),
    BINARY2(minimum, SPREAD),
    {.op = REEL_OP_where, .n_in = 3, .kind = {MASK, SPREAD, SPREAD}, .shape = {{0}, {0}, ROW3}, .wide = 2},
    GRAD2(relu_grad, SPREAD),
    GRAD2(tanh_grad, SPREAD),
    GRAD2(sigmoid_grad, SPREAD),
    {.op = REEL_OP_sum, .n_in = 1, .attr = ATTR(reduce, .axes = {1, {1}}), .wide = -1},
    {.op = REEL_OP_mean, .n_in = 1, .attr = ATTR(reduce, .axes = {1, {0}}, .keepdims = 1), .wide = -1},
    {.op = REEL_OP_max, .n_in = 1, .attr = ATTR(reduce, .axes = {1, {1}}), .wide = -1},
    {.op = REEL_OP_reshape, .n_in = 1, .attr = ATTR(shape, .shape = {.rank = 1, .dims = {9}}), .wide = -1},
    {.op = REEL_OP_transpose, .n_in = 1, .attr = ATTR(axes, .axes = {0}), .wide = -1},
    {.op = REEL_OP_slice, .n_in = 1, .attr = ATTR(slice, .n = 2, .r = {{2, REEL_END, -1}, {1, 3, 1}}), .wide = -1},
    {.op = REEL_OP_squeeze,
     .n_in = 1,
     .attr = ATTR(axes, .axes = {1, {0}}),
     .shape = {{.rank = 3, .dims = {1, 3, 3}}},
     .wide = -1},
    {.op = REEL_OP_unsqueeze, .n_in = 1, .attr = ATTR(axes, .axes = {1, {1}}), .wide = -1},
    {.op = REEL_OP_broadcast_to, .n_in = 1, .attr = ATTR(shape, .shape = BATCH), .wide = 0, .scalar_wide = true},
    {.op = REEL_OP_concat, .n_in = 2, .attr = ATTR(axis, .axis = 0), .wide = -1},
    {.op = REEL_OP_split, .n_in = 1, .attr = ATTR(axis, .axis = 1, .index = 3), .wide = -1},
    {.op = REEL_OP_sum_like, .n_in = 2, .shape = {{0}, ROW3}, .wide = -1},
    {.op = REEL_OP_broadcast_like, .n_in = 2, .shape = {{0}, BATCH}, .wide = 0, .scalar_wide = true},
    {.op = REEL_OP_reshape_like, .n_in = 2, .shape = {{0}, {.rank = 1, .dims = {9}}}, .wide = -1},
    {.op = REEL_OP_unslice,
     .n_in = 2,
     .attr = ATTR(slice, .n = 1, .r = {{1, 4, 1}}),
     .shape = {{0}, {.rank = 2, .dims = {5, 3}}},
     .wide = -1},
    {.op = REEL_OP_concat_part,
     .n_in = 3,
     .attr = ATTR(axis, .axis = 0, .index = 1),
     .shape = {{.rank = 2, .dims = {6, 3}}, {0}, {0}},
     .wide = -1},
    {.op = REEL_OP_compress,
     .n_in = 2,
     .attr = ATTR(axis, .axis = 1),
     .kind = {SPREAD, MASK},
     .shape = {{0}, ROW3},
     .wide = -1},
    {.op = REEL_OP_uncompress,
     .n_in = 3,
     .attr = ATTR(axis, .axis = 1),
     .kind = {SPREAD, SPREAD, MASK},
     .shape = {{.rank = 2, .dims = {3, 1}}, {0}, ROW3},
     .wide = -1},
    {.op = REEL_OP_unique_all, .n_in = 1, .attr = ATTR(unique, .flat = 1), .wide = -1},
    {.op = REEL_OP_embedding,
     .n_in = 2,
     .attr = ATTR(embedding, .padding = REEL_ANY),
     .kind = {SPREAD, LABELS},
     .shape = {{0}, ROW3},
     .wide = -1},
    {.op = REEL_OP_put_rows, .n_in = 3, .kind = {SPREAD, SPREAD, LABELS}, .shape = {{0}, {0}, ROW3}, .wide = -1},
    {.op = REEL_OP_matmul, .n_in = 2, .shape = {BATCH, {0}}, .wide = 1, .scalar_wide = true},
    {.op = REEL_OP_einsum, .n_in = 2, .attr = ATTR(einsum, .n_out = 2, .label = {1, 2, 2, 3, 3, 1}), .wide = -1},
    {.op = REEL_OP_cholesky, .n_in = 1, .attr = ATTR(linalg, .upper = 0), .kind = {DOMINANT}, .wide = -1},
    {.op = REEL_OP_inverse, .n_in = 1, .attr = ATTR(linalg, .upper = 0), .kind = {DOMINANT}, .wide = -1},
    {.op = REEL_OP_det, .n_in = 1, .attr = ATTR(linalg, .upper = 0), .kind = {DOMINANT}, .wide = -1},
    {.op = REEL_OP_slogdet, .n_in = 1, .attr = ATTR(linalg, .upper = 0), .kind = {DOMINANT}, .wide = -1},
    {.op = REEL_OP_lu, .n_in = 1, .attr = ATTR(linalg, .upper = 0), .kind = {DOMINANT}, .wide = -1},
    {.op = REEL_OP_qr, .n_in = 1, .attr = ATTR(linalg, .upper = 0), .kind = {DOMINANT}, .wide = -1},
    {.op = REEL_OP_cofactor, .n_in = 1, .attr = ATTR(linalg, .upper = 0), .kind = {DOMINANT}, .wide = -1},
    {.op = REEL_OP_pinv, .n_in = 1, .attr = ATTR(linalg, .upper = 0), .kind = {DOMINANT}, .wide = -1},
    {.op = REEL_OP_eigh, .n_in = 1, .attr = ATTR(linalg, .upper = 0), .wide = -1},
    {.op = REEL_OP_eigvalsh, .n_in = 1, .attr = ATTR(linalg, .upper = 0), .wide = -1},
    {.op = REEL_OP_svd, .n_in = 1, .attr = ATTR(linalg, .upper = 0), .wide = -1},
    {.op = REEL_OP_svdvals, .n_in = 1, .attr = ATTR(linalg, .upper = 0), .wide = -1},
    {.op = REEL_OP_triangular_solve,
     .n_in = 2,
     .attr = ATTR(linalg, .upper = 0),
     .kind = {DOMINANT, SPREAD},
     .wide = -1},
    {.op = REEL_OP_solve, .n_in = 2, .attr = ATTR(linalg, .upper = 0), .kind = {DOMINANT, SPREAD}, .wide = -1},
    {.op = REEL_OP_lu_factor, .n_in = 1, .attr = ATTR(linalg, .upper = 0), .kind = {DOMINANT}, .wide = -1},
    {.op = REEL_OP_softmax, .n_in = 1, .attr = ATTR(axis, .axis = 1), .wide = -1},
    {.op = REEL_OP_log_softmax, .n_in = 1, .attr = ATTR(axis, .axis = 0), .wide = -1},
    {.op = REEL_OP_softmax_cross_entropy, .n_in = 2, .kind = {SPREAD, LABELS}, .shape = {{0}, ROW3}, .wide = -1},
};

/* ---- the wrapped function ------------------------------------------------------------------------ */

enum seed { RIGHT, SIGN, FACTOR, MISSING_SUM, WRONG_AXIS, MISSING_USE, N_SEEDS };
static const char *const seed_names[] = {
    "right", "sign", "factor 1 + 1e-3", "missing broadcast sum", "wrong axis", "missing second use"};

typedef struct wrapped {
    const sample *s;
    const reel_op *op;
    int n_out;
    enum seed seed;
    int at; /* the input it is seeded into */
} wrapped;

static int call_op(const wrapped *w, reel_tensor *const in[], reel_tensor *out[])
{
    return reel_door_(w->op, w->s->attr, in, w->s->n_in, out, w->n_out, "test");
}

/* MISSING_USE: op(x) + op(x), so that there is a use to forget. */
static int forward(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const wrapped *w = self;
    int rc = call_op(w, in, out);
    if (rc || w->seed != MISSING_USE) return rc;
    reel_tensor *again[MAX];
    rc = call_op(w, in, again);
    for (int j = 0; j < w->n_out && !rc; j++) out[j] = reel_add(out[j], again[j]);
    return reel_status();
}

static int right_vjp(const wrapped *w, reel_tensor *const in[], reel_tensor *const out[], reel_tensor *const dout[],
                     reel_tensor *din[])
{
    const bool need[MAX] = {true, true, true, true};
    const reel_vjp_args v = {.op = w->op,
                             .attr = w->s->attr,
                             .site = "test",
                             .n_in = w->s->n_in,
                             .n_out = w->n_out,
                             .in = in,
                             .out = out,
                             .dout = dout,
                             .need = need,
                             .din = din};
    return w->op->vjp(&v);
}

/* The gradient as it comes out of the broadcast op, of which only the first piece is taken instead of the sum. */
static reel_tensor *unsummed(const wrapped *w, reel_tensor *const in[], reel_tensor *const out[],
                             reel_tensor *const dout[])
{
    reel_tensor *wide[MAX] = {NULL}, *din[MAX] = {NULL};
    const reel_shape to = w->s->scalar_wide ? REEL_SHAPE(2, 3, 3) : REEL_SHAPE(3, 3);
    for (int i = 0; i < w->s->n_in; i++) wide[i] = in[i];
    wide[w->at] = reel_broadcast_to(in[w->at], to);
    if (right_vjp(w, wide, out, dout, din)) return NULL;
    return reel_select(din[w->at], 0, 0);
}

static int seeded_vjp(void *self, reel_tensor *const in[], reel_tensor *din[])
{
    const wrapped *w = self;
    const int n_in = w->s->n_in;
    reel_tensor *const *out = in + n_in, *const *dout = out + w->n_out;
    reel_tensor *first[MAX];
    if (w->seed == MISSING_USE) { /* the vjp of one use sees that use's output */
        if (call_op(w, in, first)) return reel_status();
        out = first;
    }
    int rc = right_vjp(w, in, out, dout, din);
    if (rc || !din[w->at]) return rc;
    if (w->seed == SIGN) din[w->at] = reel_neg(din[w->at]);
    if (w->seed == FACTOR) din[w->at] = reel_mul(din[w->at], reel_num(1.001));
    if (w->seed == MISSING_SUM) din[w->at] = unsummed(w, in, out, dout);
    if (w->seed == WRONG_AXIS) {
        const int rank = reel_shape_of(din[w->at]).rank;
        din[w->at] = reel_transpose(din[w->at], rank == 3 ? REEL_AXES(0, 2, 1) : REEL_AXES(1, 0));
    }
    return reel_status();
}

static int whole(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    wrapped *w = self;
    return reel_custom_grad(REEL_FN(forward, w, w->s->n_in, w->n_out),
                            REEL_FN(seeded_vjp, w, w->s->n_in + 2 * w->n_out, w->s->n_in), (reel_list){w->s->n_in, in},
                            out);
}

static int plain(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    return call_op(self, in, out);
}

/* ---- inputs -------------------------------------------------------------------------------------- */

static reel_tensor *make_input(const sample *s, int i)
{
    const reel_shape shape = s->shape[i].rank ? s->shape[i] : REEL_SHAPE(3, 3);
    const int64_t n = reel_shape_count(shape);
    double x[18];
    int32_t k[18];
    uint8_t b[18];
    uint32_t r = 12345u + 77u * (unsigned)s->op + 1000u * (unsigned)i;
    for (int64_t e = 0; e < n; e++) {
        r = r * 1664525u + 1013904223u;
        const double u = .4 + 1.2 * (double)(r >> 8) / 16777216.0;
        x[e] = s->kind[i] == SPREAD && r >> 31 ? -u : u;
        k[e] = (int32_t)((r >> 12) % 3);
        b[e] = (uint8_t)(e % 2);
        if (s->kind[i] == DOMINANT && e % 4 == 0) x[e] += 4;
    }
    if (s->kind[i] == MASK) return reel_from((reel_type){REEL_BOOL, shape}, b, (size_t)n);
    if (s->kind[i] == LABELS) return reel_from_i32(shape, k, (size_t)n);
    return reel_from_f64(shape, x, (size_t)n);
}

static bool applies(const wrapped *w, reel_tensor *const in[])
{
    const int i = w->at;
    const sample *s = w->s;
    if (s->kind[i] == MASK || s->kind[i] == LABELS || reel_shape_only_(w->op->flags, i)) return false;
    if ((w->op->id == REEL_OP_relu_grad) && i == 0) return false; /* its derivative is zero */
    if (w->seed == MISSING_SUM) return i == s->wide;
    if (w->seed != WRONG_AXIS) return true;
    const reel_shape x = reel_shape_of(in[i]);
    return x.rank >= 2 && x.dims[x.rank - 1] == x.dims[x.rank - 2];
}

static void check_sample(const sample *s)
{
    REEL_SCOPED;
    reel_tensor *in[MAX], *out[MAX];
    wrapped w = {.s = s, .op = &reel_rows_[s->op], .n_out = s->op == REEL_OP_split ? 3 : reel_rows_[s->op].n_out};
    for (int i = 0; i < s->n_in; i++) in[i] = make_input(s, i);
    const reel_list list = {s->n_in, in};
    reel_gradcheck_report r;
    reel_error e;
    if (!TAP_OK(reel_invoke(REEL_FN(plain, &w, s->n_in, w.n_out), list, out) == 0, "%s runs", w.op->name)) {
        reel_take_error(&e);
        TAP_NOTE("%s", e.text);
        return;
    }
    int rc = reel_gradcheck(REEL_FN(plain, &w, s->n_in, w.n_out), list, REEL_OPTS(gradcheck, .order = 2), &r);
    reel_take_error(&e);
    if (!TAP_OK(rc == 0 && r.verdict == REEL_GRAD_OK && r.checked > 0, "%s: first and second order, and its replay",
                w.op->name))
        TAP_NOTE("%s", rc == REEL_EGRADCHECK ? r.text : e.text);
    rc = reel_gradcheck(REEL_FN(whole, &w, s->n_in, w.n_out), list, REEL_OPTS(gradcheck, .skip_replay = true), &r);
    reel_take_error(&e);
    if (!TAP_OK(rc == 0 && r.verdict == REEL_GRAD_OK, "%s: wrapped, still right", w.op->name))
        TAP_NOTE("%s", rc == REEL_EGRADCHECK ? r.text : e.text);
    for (w.seed = SIGN; w.seed < N_SEEDS; w.seed++) {
        for (w.at = 0; w.at < s->n_in; w.at++) {
            if (!applies(&w, in)) continue;
            rc = reel_gradcheck(REEL_FN(whole, &w, s->n_in, w.n_out), list, REEL_OPTS(gradcheck, .skip_replay = true),
                                &r);
            reel_take_error(&e);
            const bool ok =
                rc == REEL_EGRADCHECK && r.verdict == REEL_GRAD_WRONG && (r.which == w.at || w.seed == MISSING_USE);
            if (!TAP_OK(ok, "%s: %s of input %d is found", w.op->name, seed_names[w.seed], w.at))
                TAP_NOTE("%s", rc ? e.text : r.text);
        }
    }
}

static void test_all(void)
{
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) check_sample(&samples[i]);
}

TAP_MAIN(test_all)
