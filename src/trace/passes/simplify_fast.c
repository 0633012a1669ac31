/* simplify_fast.c: law (of REEL_FAST_MATH_GRAPH alone): what is equal for real numbers is equal. Rounding, the sign of zero, NaN and
   infinity may come out in another way. */
#include "ops/attrs.h"
#include "ops/ids.h"
#include "pass.h"

static bool number(const reel_rewriter *w, int32_t v, double *x)
{
    return reel_uniform_(w->to, w->at, v, x);
}

static int32_t op1(reel_rewriter *w, int32_t i, int id, int32_t x)
{
    return reel_emit_(w, i, &reel_rows_[id], NULL, &x, 1, 1);
}

static int32_t op2(reel_rewriter *w, int32_t i, int id, int32_t x, int32_t y)
{
    const int32_t in[2] = {x, y};
    return x < 0 || y < 0 ? -1 : reel_emit_(w, i, &reel_rows_[id], NULL, in, 2, 1);
}

static int32_t all(reel_rewriter *w, int32_t i, int32_t like, double x)
{
    const reel_attr_num attr = {x};
    return reel_emit_(w, i, &reel_rows_[REEL_OP_full_like], &attr, &like, 1, 1);
}

/* (x op c) op c2 as x op (c op c2), for numbers. */
static int32_t regroup(reel_rewriter *w, int32_t i, int id, int32_t inner, double c2)
{
    const reel_node *n = reel_node_of_(w->to, inner);
    if (!reel_is_op_(n, id)) return -1;
    for (int k = 0; k < 2; k++) {
        const int32_t x = w->to->ins[n->first_in + 1 - k], y = w->to->ins[n->first_in + k];
        double c;
        if (!reel_node_of_(w->to, y)->weak || reel_node_of_(w->to, x)->weak || !number(w, y, &c)) continue;
        return op2(w, i, id, x, reel_emit_number_(w, i, id == REEL_OP_mul ? c * c2 : c + c2));
    }
    return -1;
}

static int32_t fast_add(reel_rewriter *w, int32_t i, int32_t x, int32_t y)
{
    double c;
    if (number(w, y, &c)) return c == 0 ? x : regroup(w, i, REEL_OP_add, x, c);
    if (number(w, x, &c)) return c == 0 ? y : regroup(w, i, REEL_OP_add, y, c);
    const int32_t minus_y = reel_input_of_(w->to, y, REEL_OP_neg), minus_x = reel_input_of_(w->to, x, REEL_OP_neg);
    if (minus_y >= 0) return op2(w, i, REEL_OP_sub, x, minus_y);
    return minus_x >= 0 ? op2(w, i, REEL_OP_sub, y, minus_x) : -1;
}

static int32_t fast_sub(reel_rewriter *w, int32_t i, int32_t x, int32_t y)
{
    double c;
    if (x == y) return all(w, i, x, 0);
    if (number(w, y, &c) && c == 0) return x;
    if (number(w, x, &c) && c == 0) return op1(w, i, REEL_OP_neg, y);
    return op2(w, i, REEL_OP_add, x, reel_input_of_(w->to, y, REEL_OP_neg));
}

static int32_t scaled(reel_rewriter *w, int32_t i, int32_t x, double c)
{
    if (c == 0) return all(w, i, x, 0);
    if (c == -1) return op1(w, i, REEL_OP_neg, x);
    return regroup(w, i, REEL_OP_mul, x, c);
}

static int32_t fast_mul(reel_rewriter *w, int32_t i, int32_t x, int32_t y)
{
    double c;
    if (number(w, y, &c)) return scaled(w, i, x, c);
    return number(w, x, &c) ? scaled(w, i, y, c) : -1;
}

static int32_t fast_div(reel_rewriter *w, int32_t i, int32_t x, int32_t y)
{
    double c;
    if (x == y) return all(w, i, x, 1);
    if (!reel_node_of_(w->to, y)->weak || !number(w, y, &c) || c == 0) return -1;
    return op2(w, i, REEL_OP_mul, x, reel_emit_number_(w, i, 1 / c));
}

static int32_t fast_pow(reel_rewriter *w, int32_t i, int32_t x, int32_t y)
{
    double c;
    if (!number(w, y, &c)) return -1;
    if (c == 1) return x;
    const int id = c == 2 ? REEL_OP_square : c == 0.5 ? REEL_OP_sqrt : c == -1 ? REEL_OP_reciprocal : -1;
    return id < 0 ? -1 : op1(w, i, id, x);
}

int32_t reel_simplify_fast_(reel_rewriter *w, int32_t i, const int32_t *in)
{
    const reel_node *n = &w->from->nodes[i];
    const int id = n->op->id;
    if (!reel_is_float_(w->from->values[n->first_out].type.dtype)) return -1;
    for (int k = 0; k < n->n_in && k < 2; k++) /* numbers alone are folded */
        if (n->n_in == 1 && reel_node_of_(w->to, in[k])->weak) return -1;
    int32_t y;
    switch (id) {
    case REEL_OP_add: return fast_add(w, i, in[0], in[1]);
    case REEL_OP_sub: return fast_sub(w, i, in[0], in[1]);
    case REEL_OP_mul: return fast_mul(w, i, in[0], in[1]);
    case REEL_OP_div: return fast_div(w, i, in[0], in[1]);
    case REEL_OP_pow: return fast_pow(w, i, in[0], in[1]);
    case REEL_OP_exp: return reel_input_of_(w->to, in[0], REEL_OP_log);
    case REEL_OP_log: return reel_input_of_(w->to, in[0], REEL_OP_exp);
    case REEL_OP_sqrt: y = reel_input_of_(w->to, in[0], REEL_OP_square); return y < 0 ? -1 : op1(w, i, REEL_OP_abs, y);
    case REEL_OP_square:
        y = reel_input_of_(w->to, in[0], REEL_OP_sqrt);
        if (y >= 0) return y;
        y = reel_input_of_(w->to, in[0], REEL_OP_neg);
        return y < 0 ? -1 : op1(w, i, REEL_OP_square, y);
    default: return -1;
    }
}
