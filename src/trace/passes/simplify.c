/* simplify.c: law: an op that gives back one of its operands, bit for bit, is that operand. x + 0 is not (-0 + 0 is 0), x - 0 is; what
   only real numbers obey is in simplify_fast.c. */
#include <math.h>
#include <string.h>
#include "core/error.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "pass.h"
#include "reel/reel.h"

int32_t reel_input_of_(const reel_graph *g, int32_t v, int id)
{
    const reel_node *n = reel_node_of_(g, v);
    return reel_is_op_(n, id) && n->n_in > 0 ? g->ins[n->first_in] : -1;
}

int32_t reel_emit_number_(reel_rewriter *w, int32_t i, double number)
{
    const reel_tensor *t = reel_num_at(w->from->nodes[i].site, number);
    return t ? reel_emit_const_(w, i, reel_rec_of_(t)) : -1;
}

static reel_dtype dtype_of(const reel_graph *g, int32_t v)
{
    return g->values[v].type.dtype;
}

static bool is_weak(const reel_rewriter *w, int32_t v)
{
    return reel_node_of_(w->to, v)->weak;
}

static bool is_number(const reel_rewriter *w, int32_t v, double number)
{
    double x;
    return reel_uniform_(w->to, w->at, v, &x) && x == number && signbit(x) == signbit(number);
}

/* ---- one operand ----------------------------------------------------------------------------------- */

static bool rounds(int id)
{
    return id == REEL_OP_floor || id == REEL_OP_ceil || id == REEL_OP_round || id == REEL_OP_trunc;
}

/* Has every value of a one in b, so that going there loses nothing? */
static bool holds(reel_dtype b, reel_dtype a)
{
    if (a == b || a == REEL_BOOL) return true;
    if (b == REEL_BOOL) return false;
    switch (b) {
    case REEL_F64: return a != REEL_I64;
    case REEL_F32: return a == REEL_F16 || a == REEL_BF16 || a == REEL_I8 || a == REEL_U8;
    case REEL_F16:
    case REEL_BF16: return false; /* neither holds the other; small integers are not worth the doubt */
    case REEL_I64: return a == REEL_I32 || a == REEL_I8 || a == REEL_U8;
    case REEL_I32: return a == REEL_I8 || a == REEL_U8;
    default: return false;
    }
}

static int32_t simple_cast(reel_rewriter *w, int32_t i, int32_t x)
{
    const reel_node *n = &w->from->nodes[i];
    const reel_dtype to = dtype_of(w->from, n->first_out), from = dtype_of(w->to, x);
    if (to == from) return x;
    const int32_t y = reel_input_of_(w->to, x, REEL_OP_cast);
    if (y < 0 || is_weak(w, y)) return -1;
    const reel_dtype first = dtype_of(w->to, y);
    if (!holds(from, first)) return -1;
    if (to == first) return y;
    const bool floats = reel_is_float_(first) && reel_is_float_(from) && reel_is_float_(to);
    return floats ? reel_emit_(w, i, n->op, reel_node_attr_(w->from, n), &y, 1, 1) : -1;
}

static int32_t simple_unary(reel_rewriter *w, int32_t i, int32_t x)
{
    const int id = w->from->nodes[i].op->id;
    const reel_graph *g = w->to;
    const reel_node *inner = reel_node_of_(g, x);
    const bool integer = !reel_is_float_(dtype_of(g, x));
    switch (id) {
    case REEL_OP_cast: return simple_cast(w, i, x);
    case REEL_OP_neg:
    case REEL_OP_bitwise_not: return reel_input_of_(g, x, id);
    case REEL_OP_logical_not: { /* of something that is a bool already */
        const int32_t y = reel_input_of_(g, x, id);
        return y >= 0 && dtype_of(g, y) == REEL_BOOL ? y : -1;
    }
    case REEL_OP_relu:
    case REEL_OP_sign: return reel_is_op_(inner, id) ? x : -1;
    case REEL_OP_abs: {
        if (reel_is_op_(inner, id)) return x;
        const int32_t y = dtype_of(g, x) == REEL_U8 ? -1 : reel_input_of_(g, x, REEL_OP_neg); /* -1 is 255 there */
        return y >= 0 && !is_weak(w, y) ? reel_emit_(w, i, w->from->nodes[i].op, NULL, &y, 1, 1) : -1;
    }
    default: break;
    }
    return rounds(id) && (integer || (inner->op && rounds(inner->op->id))) ? x : -1;
}

/* ---- two and three --------------------------------------------------------------------------------- */

/* x / c for a power of two: the product with 1 / c rounds the same real number. */
static int32_t product(reel_rewriter *w, int32_t i, int32_t x, int32_t y)
{
    double c;
    int e;
    if (!is_weak(w, y) || !reel_is_float_(dtype_of(w->to, x)) || !reel_uniform_(w->to, w->at, y, &c)) return -1;
    if (fabs(frexp(c, &e)) != 0.5 || e > 12 || e < -12 || c == 1) return -1; /* in f16 too c and 1 / c are normal */
    const int32_t in[2] = {x, reel_emit_number_(w, i, 1 / c)};
    return in[1] < 0 ? -1 : reel_emit_(w, i, &reel_rows_[REEL_OP_mul], NULL, in, 2, 1);
}

static int32_t simple_binary(reel_rewriter *w, int32_t i, int32_t x, int32_t y)
{
    const bool real = reel_is_float_(dtype_of(w->to, is_weak(w, x) ? y : x));
    const double nothing = real ? -0.0 : 0; /* x + -0 is x, -0 + 0 is not -0 */
    switch (w->from->nodes[i].op->id) {
    case REEL_OP_add: return is_number(w, y, nothing) ? x : is_number(w, x, nothing) ? y : -1;
    case REEL_OP_sub: return is_number(w, y, 0) ? x : -1;
    case REEL_OP_mul: return is_number(w, y, 1) ? x : is_number(w, x, 1) ? y : -1;
    case REEL_OP_div: return is_number(w, y, 1) ? x : product(w, i, x, y);
    case REEL_OP_floor_div: return !real && is_number(w, y, 1) ? x : -1;
    case REEL_OP_bitwise_or:
    case REEL_OP_bitwise_xor: {
        const bool either = w->from->nodes[i].op->id == REEL_OP_bitwise_xor;
        if (x == y) return either ? -1 : x;
        return is_number(w, y, 0) ? x : is_number(w, x, 0) ? y : -1;
    }
    case REEL_OP_left_shift:
    case REEL_OP_right_shift: return is_number(w, y, 0) ? x : -1;
    case REEL_OP_bitwise_and:
    case REEL_OP_maximum:
    case REEL_OP_minimum: return x == y ? x : -1;
    default: return -1;
    }
}

static int32_t simple_where(const reel_rewriter *w, const int32_t *in)
{
    double c;
    if (in[1] == in[2]) return in[1];
    return reel_uniform_(w->to, w->at, in[0], &c) ? in[c != 0 ? 1 : 2] : -1;
}

static int32_t simple(reel_rewriter *w, int32_t i, const int32_t *in)
{
    const reel_node *n = &w->from->nodes[i];
    if (n->op->id == REEL_OP_concat) return n->n_in == 1 ? in[0] : -1;
    if (!(n->op->flags & REEL_OPF_ELEMENTWISE)) return -1;
    switch (n->n_in) {
    case 1: return is_weak(w, in[0]) ? -1 : simple_unary(w, i, in[0]);
    case 2: return simple_binary(w, i, in[0], in[1]);
    case 3: return n->op->id == REEL_OP_where ? simple_where(w, in) : -1;
    default: return -1;
    }
}

static int simplify(reel_rewriter *w, int32_t i)
{
    const reel_node *n = &w->from->nodes[i];
    if (!reel_is_pure_(n) || n->n_out != 1 || n->n_in == 0) return reel_keep_(w, i);
    int32_t in[REEL_MAX_IN];
    for (int k = 0; k < n->n_in; k++) in[k] = w->value[w->from->ins[n->first_in + k]];
    int32_t v = simple(w, i, in);
    if (v < 0 && w->math == REEL_FAST_MATH_GRAPH && !reel_status()) v = reel_simplify_fast_(w, i, in);
    if (reel_status()) return reel_status();
    if (v < 0 || is_weak(w, v) || !reel_may_replace_(w, n->first_out, v)) return reel_keep_(w, i);
    reel_replace_(w, n->first_out, v);
    return 0;
}

static int run(reel_rewriter *w)
{
    return reel_each_node_(w, simplify);
}

const reel_pass reel_pass_simplify_ = {.name = "simplify",
                                       .law = "an op that gives back one of its operands, bit for bit, is that operand",
                                       .by_default = true,
                                       .run = run};
