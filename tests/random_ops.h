/* random_ops.h: more steps of a random program: scans, sorting, statistics, picking and putting by index, padding, windows,
   attention, recurrent layers, linear algebra. Sizes are small, and indices are made by ops from shapes that the generator knows. */
#ifndef REEL_TESTS_RANDOM_OPS_H
#define REEL_TESTS_RANDOM_OPS_H
#include "random_steps.h"

/* An axis of known size that is not empty; -1: there is none. */
static int known_axis(run *r, value a)
{
    const reel_shape s = shape_of(a);
    const int first = below(&r->rng, s.rank ? s.rank : 1);
    for (int i = 0; i < s.rank; i++) {
        const int k = (first + i) % s.rank;
        if (s.dims[k] > 0) return k;
    }
    return -1;
}

/* [n] of i64 in [0, bound): (a i + b) mod bound */
static reel_tensor *indices(run *r, int64_t n, int64_t bound)
{
    reel_tensor *i = reel_arange(REEL_I64, 0, (double)n, 1);
    i = reel_add(reel_mul(i, reel_num(1 + below(&r->rng, 5))), reel_num(below(&r->rng, 7)));
    reel_tensor *d = reel_full(REEL_I64, REEL_SCALAR, (double)bound);
    return reel_sub(i, reel_mul(reel_div(i, d), d));
}

static void scanning(run *r)
{
    const value a = pick_float(r);
    const int axis = known_axis(r, a), k = below(&r->rng, 12);
    const bool yes = below(&r->rng, 2);
    reel_tensor *y = NULL, *two[2] = {0};
    if (axis < 0) return;
    const int64_t n = shape_of(a).dims[axis];
    const reel_axes axes = {1, {axis}};
    const bool gone = a.batch && axis == 0;
    switch (k) {
    case 0: y = reel_cumsum(a.t, axis, REEL_OPTS(scan, .exclusive = yes)); break;
    case 1: y = reel_cumprod(a.t, axis, REEL_OPTS(scan, .reverse = yes)); break;
    case 2: y = reel_cummax(a.t, axis, NULL); break;
    case 3: y = reel_logcumsumexp(a.t, axis, REEL_OPTS(scan, .reverse = yes)); break;
    case 4: y = reel_sort(a.t, axis, yes); break;
    case 5: y = reel_argsort(a.t, axis, yes); break;
    case 6:
        (void)reel_topk(a.t, 1 + below(&r->rng, (int)n), axis, REEL_OPTS(topk, .smallest = yes), two);
        push(r, two[1], a.batch);
        y = two[0];
        break;
    case 7: y = reel_median(a.t, axis, true); break;
    case 8: y = reel_variance(a.t, axes, yes, true); break;
    case 9: y = reel_logsumexp_axes(a.t, axes, true); break;
    case 10: y = reel_prod_axes(a.t, axes, true); break;
    default: y = reel_l2(a.t, axes, true); break;
    }
    push(r, y, a.batch && !gone);
}

static void indexing(run *r)
{
    const value a = pick(r);
    const int axis = known_axis(r, a), k = below(&r->rng, 7);
    reel_tensor *y = NULL;
    if (axis < 0 || (a.batch && axis == 0)) return;
    const reel_shape s = shape_of(a);
    const int64_t n = 1 + below(&r->rng, 4);
    reel_tensor *i = indices(r, n, s.dims[axis]);
    const bool number = reel_dtype_of(a.t) != REEL_BOOL;
    switch (k) {
    case 0: y = reel_gather(a.t, i, axis); break;
    case 1: y = reel_flip(a.t, (reel_axes){1, {axis}}); break;
    case 2: y = reel_roll(a.t, (reel_axes){1, {axis}}, (int64_t[]){below(&r->rng, 9) - 4}); break;
    case 3: y = reel_repeat(a.t, 1 + below(&r->rng, 2), axis); break;
    case 4: /* rows added back where they came from */
        if (number) y = reel_index_add(a.t, axis, i, reel_gather(a.t, i, axis));
        break;
    case 5: y = reel_index_copy(a.t, axis, i, reel_gather(a.t, indices(r, n, s.dims[axis]), axis)); break;
    default:
        if (!a.batch && s.rank > 0) y = reel_take_along_axis(a.t, reel_argsort(a.t, axis, true), axis);
        break;
    }
    push(r, y, a.batch);
}

static void padding(run *r)
{
    const value a = pick(r);
    const reel_shape s = shape_of(a);
    const int low = a.batch ? 1 : 0, k = below(&r->rng, 5);
    int64_t before[REEL_MAX_RANK] = {0}, after[REEL_MAX_RANK] = {0};
    reel_tensor *y = NULL;
    for (int i = low; i < s.rank; i++) {
        before[i] = below(&r->rng, 3);
        after[i] = below(&r->rng, 4) - 1;
        if (before[i] + after[i] + s.dims[i] < 0 || s.dims[i] == 0) after[i] = before[i] = 0;
    }
    switch (k) {
    case 0: y = reel_pad(a.t, s.rank, before, after, NULL); break;
    case 1: y = reel_pad(a.t, s.rank, before, after, REEL_OPTS(pad, .mode = REEL_PAD_REFLECT)); break;
    case 2: y = reel_pad(a.t, s.rank, before, after, REEL_OPTS(pad, .mode = REEL_PAD_WRAP)); break;
    case 3:
        if (s.rank >= 2) y = reel_tril(a.t, below(&r->rng, 3) - 1);
        break;
    default:
        if (s.rank >= 2 + low) y = reel_diagonal(a.t, below(&r->rng, 3) - 1, -2, -1);
        break;
    }
    push(r, y, a.batch);
}

/* a as [1, 1 or 2, h, w] */
static void windows(run *r)
{
    const value a = pick_float(r);
    const reel_shape s = shape_of(a);
    const int k = below(&r->rng, 5);
    if (a.batch || s.rank < 2 || count_of(a) == 0 || count_of(a) > 300) return;
    reel_shape image = {4, {1, 1, s.dims[s.rank - 2], s.dims[s.rank - 1]}};
    for (int i = 0; i < s.rank - 2; i++) image.dims[1] *= s.dims[i];
    reel_tensor *x = reel_reshape(a.t, image), *y = NULL;
    reel_tensor *w = reel_add(reel_zeros(reel_dtype_of(a.t), REEL_SHAPE(2, image.dims[1], 2, 3)), reel_num(0.25));
    switch (k) {
    case 0: y = reel_conv2d(x, w, REEL_OPTS(conv2d, .padding = REEL_SAME)); break;
    case 1: y = reel_conv2d(x, w, REEL_OPTS(conv2d, .pad = {1, 2}, .stride = {2, 1})); break;
    case 2: y = reel_max_pool2d(x, REEL_SHAPE(2, 2), REEL_OPTS(pool, .padding = REEL_SAME)); break;
    case 3: y = reel_avg_pool2d(x, REEL_SHAPE(2, 2), REEL_OPTS(pool, .padding = REEL_SAME)); break;
    default: y = reel_upsample(x, 2, REEL_RESIZE_LINEAR); break;
    }
    push(r, y, false);
}

static void sequences(run *r)
{
    const value a = pick_float(r);
    const reel_shape s = shape_of(a);
    reel_tensor *out[3] = {0};
    if (a.batch || s.rank < 2 || s.rank > 3 || count_of(a) == 0) return;
    if (below(&r->rng, 2)) {
        out[0] = reel_attention(a.t, reel_sigmoid(a.t), a.t, NULL, REEL_OPTS(attention, .causal = below(&r->rng, 2)));
    } else if (s.rank == 3) {
        const reel_dtype d = reel_dtype_of(a.t);
        const int64_t n = s.dims[2];
        reel_tensor *w = reel_add(reel_zeros(d, REEL_SHAPE(12, n)), reel_num(0.1));
        reel_tensor *u = reel_sub(reel_eye(d, 12, 3), reel_num(0.25));
        (void)reel_lstm(a.t, w, u, NULL, REEL_OPTS(rnn, .direction = below(&r->rng, 2)), out);
        push(r, out[1], false);
    }
    push(r, out[0], false);
}

/* Of a matrix a with at most 8 columns: a^T a + 3, which is positive definite */
static void matrices(run *r)
{
    const value a = pick_float(r);
    const reel_shape s = shape_of(a);
    const reel_dtype d = reel_dtype_of(a.t);
    if (a.batch || s.rank != 2 || (d != REEL_F32 && d != REEL_F64) || s.dims[1] > 8 || count_of(a) == 0) return;
    reel_tensor *x = reel_tanh(a.t), *y = NULL;
    x = reel_where(reel_equal(x, x), x, reel_zeros_like(x)); /* without NaN */
    reel_tensor *m = reel_add(reel_matmul(reel_transpose(x, REEL_ALL_AXES), x),
                              reel_mul(reel_eye(d, s.dims[1], s.dims[1]), reel_num(3)));
    switch (below(&r->rng, 5)) {
    case 0: y = reel_cholesky(m, below(&r->rng, 2)); break;
    case 1: y = reel_solve(m, reel_transpose(x, REEL_ALL_AXES)); break;
    case 2: y = reel_inverse(m); break;
    case 3: y = reel_det(m); break;
    default: y = reel_einsum("ij,jk,lk->il", REEL_LIST(x, m, x)); break;
    }
    push(r, y, false);
}

static void other_op(run *r)
{
    switch (below(&r->rng, 8)) {
    case 0:
    case 1: scanning(r); break;
    case 2:
    case 3: indexing(r); break;
    case 4: padding(r); break;
    case 5: windows(r); break;
    case 6: sequences(r); break;
    default: matrices(r); break;
    }
}
#endif
