/* random_steps.h: the steps of a random program: its pool of values and one function for each family of ops. */
#ifndef REEL_TESTS_RANDOM_STEPS_H
#define REEL_TESTS_RANDOM_STEPS_H
#include <stdlib.h>
#include "reel/reel.h"

enum {
    POOL = 40,
    N_IN = 4,
    N_VARS = 3,
    N_OUT = 4,
    N_SUBS = 12,
    MAX_ELEMENTS = 1500,
    MAX_RESULTS = N_OUT + N_IN + 2 * N_VARS
};

typedef struct {
    reel_tensor *t;
    bool batch; /* its first dimension is the unknown one */
} value;

struct program;
typedef struct {
    uint64_t seed;
    struct program *p;
    int steps;
    bool backward; /* the call is a vjp: (inputs, outputs, d outputs) */
    bool no_reads; /* of variables */
    int n_in;
} sub;

typedef struct program {
    uint64_t seed;
    int steps, n_in;
    bool batch, grads;         /* the first input's first dimension unknown; also give the gradients of the outputs */
    bool composites;           /* also checkpoints, custom gradients and functions inside: see one() */
    bool no_assigns, no_reads; /* no assignments; no variables in checkpoints */
    reel_vars *vars;
    reel_tensor *var[N_VARS], *init[N_VARS], *in[N_IN];
    reel_generator *generator;
    reel_function *inner;
    sub inner_sub, subs[N_SUBS];
} program;

typedef struct {
    uint64_t rng;
    program *p;
    value v[POOL];
    int n, n_subs;
} run;

/* ---- numbers ------------------------------------------------------------------------------------------ */

static uint64_t next(uint64_t *s)
{
    uint64_t z = *s += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int below(uint64_t *s, int n)
{
    return (int)(next(s) % (uint64_t)n);
}

static int64_t random_dim(uint64_t *s)
{
    static const int64_t dims[] = {1, 1, 2, 2, 3, 3, 3, 4, 5, 8, 17, 0};
    const int n = below(s, 4) ? 11 : 12;
    return dims[below(s, n)];
}

static reel_shape random_shape(uint64_t *s, int max_rank)
{
    reel_shape r = {.rank = below(s, max_rank + 1)};
    int64_t count = 1;
    for (int i = 0; i < r.rank; i++) {
        r.dims[i] = random_dim(s);
        count *= r.dims[i] ? r.dims[i] : 1;
        if (count > MAX_ELEMENTS) r.dims[i] = 1, count /= 17;
    }
    return r;
}

static reel_dtype random_dtype(uint64_t *s)
{
    static const reel_dtype d[] = {REEL_F32,  REEL_F32, REEL_F32, REEL_F64, REEL_F64, REEL_F16,
                                   REEL_BF16, REEL_I8,  REEL_U8,  REEL_I32, REEL_I64, REEL_BOOL};
    return d[below(s, 12)];
}

static bool is_float(reel_dtype d)
{
    return d >= REEL_F32 && d <= REEL_BF16;
}

/* ---- the pool of values ------------------------------------------------------------------------------- */

/* As the generator sees it: the unknown dimension is REEL_ANY in every mode, so every mode writes the same program. */
static reel_shape shape_of(value v)
{
    reel_shape s = reel_shape_of(v.t);
    if (v.batch) s.dims[0] = REEL_ANY;
    return s;
}

static int64_t count_of(value v)
{
    reel_shape s = shape_of(v);
    if (v.batch) s.dims[0] = 7;
    return reel_shape_count(s);
}

static void push(run *r, reel_tensor *t, bool batch)
{
    if (!t) return;
    const value v = {t, batch};
    if (count_of(v) > MAX_ELEMENTS) return;
    const int at = r->n < POOL ? r->n++ : r->p->n_in + below(&r->rng, POOL - r->p->n_in);
    r->v[at] = v;
}

static value pick(run *r)
{
    return r->v[below(&r->rng, 3) ? below(&r->rng, r->n) : r->n - 1 - below(&r->rng, r->n < 4 ? r->n : 4)];
}

static value pick_float(run *r)
{
    for (int i = 0; i < 12; i++) {
        const value v = pick(r);
        if (is_float(reel_dtype_of(v.t))) return v;
    }
    return (value){reel_cast(r->v[0].t, REEL_F32), r->v[0].batch};
}

static value pick_number(run *r)
{
    const value v = pick(r);
    return reel_dtype_of(v.t) == REEL_BOOL ? (value){reel_cast(v.t, REEL_I32), v.batch} : v;
}

static bool fit(value a, value b)
{
    const reel_shape x = shape_of(a), y = shape_of(b);
    const int rank = x.rank > y.rank ? x.rank : y.rank;
    int64_t count = 1;
    for (int i = 1; i <= rank; i++) {
        const int64_t p = i <= x.rank ? x.dims[x.rank - i] : 1, q = i <= y.rank ? y.dims[y.rank - i] : 1;
        if (p != q && p != 1 && q != 1) return false;
        if ((p < 0 || q < 0) && i < rank) return false; /* the unknown dimension must stay the first */
        const int64_t d = p == 1 ? q : p;
        count *= d < 0 ? 7 : d;
    }
    return count <= MAX_ELEMENTS;
}

static value partner(run *r, value a)
{
    for (int i = 0; i < 10; i++) {
        const value b = pick(r);
        if (reel_dtype_of(b.t) == reel_dtype_of(a.t) && fit(a, b)) return b;
    }
    switch (below(&r->rng, 4)) {
    case 0: return a;
    case 1:
        if (reel_dtype_of(a.t) != REEL_BOOL) return (value){reel_num(1 + below(&r->rng, 3)), false};
        return a;
    case 2: return (value){reel_stop_gradient(a.t), a.batch};
    default: return (value){reel_full(reel_dtype_of(a.t), REEL_SCALAR, 1), false};
    }
}

/* ---- steps -------------------------------------------------------------------------------------------- */

static void unary(run *r)
{
    value a = pick_float(r);
    const int k = below(&r->rng, 14);
    if (k >= 9) a = pick_number(r);
    reel_tensor *const x = a.t;
    reel_tensor *y = NULL;
    switch (k) {
    case 0: y = reel_exp(x); break;
    case 1: y = reel_log(x); break;
    case 2: y = reel_sqrt(x); break;
    case 3: y = reel_rsqrt(x); break;
    case 4: y = reel_tanh(x); break;
    case 5: y = reel_sigmoid(x); break;
    case 6: y = reel_softplus(x); break;
    case 7: y = reel_stop_gradient(x); break;
    case 8: y = reel_log_softmax(reel_unsqueeze(x, REEL_AXES(-1)), -1), y = reel_squeeze(y, REEL_AXES(-1)); break;
    case 9: y = reel_relu(x); break;
    case 10: y = reel_abs(x); break;
    case 11: y = reel_sign(x); break;
    case 12: y = reel_square(x); break;
    default: y = reel_neg(x); break;
    }
    push(r, y, a.batch);
}

static void binary(run *r)
{
    const int k = below(&r->rng, 14);
    value a = k == 13 ? pick_float(r) : k < 4 ? pick_number(r) : pick(r);
    if (k >= 8 && k < 12) a = pick_number(r);
    const value b = partner(r, a);
    const bool swap = below(&r->rng, 2);
    reel_tensor *const x = swap ? b.t : a.t, *const z = swap ? a.t : b.t;
    reel_tensor *y = NULL;
    switch (k) {
    case 0: y = reel_add(x, z); break;
    case 1: y = reel_sub(x, z); break;
    case 2: y = reel_mul(x, z); break;
    case 3: y = reel_div(x, z); break;
    case 4: y = reel_maximum(x, z); break;
    case 5: y = reel_minimum(x, z); break;
    case 6: y = reel_equal(x, z); break;
    case 7: y = reel_not_equal(x, z); break;
    case 8: y = reel_less(x, z); break;
    case 9: y = reel_less_equal(x, z); break;
    case 10: y = reel_greater(x, z); break;
    case 11: y = reel_greater_equal(x, z); break;
    case 12: {
        const value c = partner(r, (value){reel_equal(a.t, a.t), a.batch});
        if (reel_dtype_of(c.t) == REEL_BOOL && fit(a, c) && shape_of(c).rank <= shape_of(a).rank)
            y = reel_where(c.t, x, z);
        break;
    }
    default: y = reel_pow(x, z); break;
    }
    push(r, y, a.batch || b.batch);
}

static reel_axes random_axes(run *r, value a, bool nonempty, bool *keeps_first)
{
    const reel_shape s = shape_of(a);
    reel_axes axes = {0};
    *keeps_first = true;
    for (int i = a.batch ? 1 : 0; i < s.rank; i++) {
        if (below(&r->rng, 2) || (nonempty && s.dims[i] == 0)) continue;
        axes.axis[axes.n++] = below(&r->rng, 2) ? i : i - s.rank;
    }
    return axes;
}

static void reduction(run *r)
{
    const int k = below(&r->rng, 5);
    const value a = k == 1 ? pick_float(r) : pick_number(r);
    bool first;
    reel_axes axes = random_axes(r, a, k >= 2, &first);
    const bool keep = below(&r->rng, 2);
    const reel_shape s = shape_of(a);
    if (k >= 2 && axes.n == 0) return;
    const bool all = axes.n == 0, batch = a.batch && !all;
    switch (k) {
    case 0: push(r, reel_sum_axes(a.t, axes, keep), batch || (a.batch && false)); break;
    case 1: push(r, reel_mean_axes(a.t, axes, keep), batch); break;
    case 2: push(r, reel_max_axes(a.t, axes, keep), batch); break;
    case 3:
        axes.n = 1;
        push(r, reel_argmax_axes(a.t, axes, keep), batch);
        break;
    default:
        if (s.rank) push(r, reel_sum(a.t), false);
        break;
    }
}

static void slicing(run *r)
{
    const value a = pick(r);
    const reel_shape s = shape_of(a);
    reel_range g[REEL_MAX_RANK];
    const int n = s.rank ? below(&r->rng, s.rank + 1) : 0;
    for (int i = 0; i < n; i++) {
        static const int64_t steps[] = {1, 1, 2, -1, -2, 3, 0};
        g[i] = (reel_range)REEL_ALL;
        if (a.batch && i == 0) continue;
        g[i].step = steps[below(&r->rng, 7)];
        if (below(&r->rng, 3)) g[i].start = below(&r->rng, 2 * (int)s.dims[i] + 3) - s.dims[i] - 1;
        if (below(&r->rng, 3)) g[i].stop = below(&r->rng, 2 * (int)s.dims[i] + 3) - s.dims[i] - 1;
    }
    push(r, reel_slice(a.t, n, g), a.batch);
}

static void shaping(run *r)
{
    const value a = pick(r);
    const reel_shape s = shape_of(a);
    const int k = below(&r->rng, 9);
    const int low = a.batch ? 1 : 0;
    if (k == 0) {
        reel_shape to = {.rank = a.batch ? 2 : 1, .dims = {-1, -1}};
        if (a.batch) {
            to.dims[1] = 1;
            for (int i = 1; i < s.rank; i++) to.dims[1] *= s.dims[i];
        }
        if (count_of(a) > 0) push(r, reel_reshape(a.t, to), a.batch);
    } else if (k == 1 && !a.batch && s.rank > 1) {
        reel_shape to = s;
        to.dims[s.rank - 2] = s.dims[s.rank - 1];
        to.dims[s.rank - 1] = s.dims[s.rank - 2];
        push(r, reel_reshape(a.t, to), false);
    } else if (k <= 3) {
        reel_axes perm = {.n = s.rank};
        for (int i = 0; i < s.rank; i++) perm.axis[i] = i;
        for (int i = s.rank - 1; i > low; i--) {
            const int j = low + below(&r->rng, i - low + 1), t = perm.axis[i];
            perm.axis[i] = perm.axis[j];
            perm.axis[j] = t;
        }
        push(r, reel_transpose(a.t, perm), a.batch);
    } else if (k == 4 && s.rank > low) {
        const int axis = low + below(&r->rng, s.rank - low);
        if (s.dims[axis] > 0)
            push(r, reel_select(a.t, axis, below(&r->rng, 2 * (int)s.dims[axis]) - s.dims[axis]), a.batch);
    } else if (k == 5 && s.rank < REEL_MAX_RANK) {
        push(r, reel_unsqueeze(a.t, REEL_AXES(low + below(&r->rng, s.rank + 1 - low))), a.batch);
    } else if (k == 6) {
        reel_axes axes = {0};
        for (int i = low; i < s.rank; i++)
            if (s.dims[i] == 1) axes.axis[axes.n++] = i;
        if (axes.n) push(r, reel_squeeze(a.t, axes), a.batch);
    } else if (k == 7 && !a.batch && s.rank < 5) {
        reel_shape to = {.rank = s.rank + 1, .dims = {1 + below(&r->rng, 3)}};
        for (int i = 0; i < s.rank; i++) to.dims[i + 1] = s.dims[i] == 1 ? random_dim(&r->rng) : s.dims[i];
        push(r, reel_broadcast_to(a.t, to), false);
    } else {
        const value b = pick_number(r);
        if (reel_dtype_of(b.t) != reel_dtype_of(a.t) || !fit(a, b)) return;
        const value c = {reel_add(a.t, b.t), a.batch || b.batch};
        if (!c.t) return;
        push(r, reel_sum_like(c.t, b.t), b.batch);
        push(r, reel_broadcast_like(a.t, c.t), c.batch);
        push(r, reel_reshape_like(reel_reshape(c.t, REEL_SHAPE(-1)), c.t), c.batch);
    }
}

static void joining(run *r)
{
    const value a = pick(r);
    const reel_shape s = shape_of(a);
    const int low = a.batch ? 1 : 0;
    if (s.rank <= low) return;
    const int axis = low + below(&r->rng, s.rank - low);
    if (below(&r->rng, 2)) {
        reel_tensor *xs[3] = {a.t, a.t, a.t};
        int n = 1 + below(&r->rng, 3);
        for (int i = 1; i < n; i++) {
            const value b = pick(r);
            const reel_shape z = shape_of(b);
            bool ok = reel_dtype_of(b.t) == reel_dtype_of(a.t) && z.rank == s.rank && b.batch == a.batch;
            for (int j = 0; j < z.rank && ok; j++) ok = j == axis || z.dims[j] == s.dims[j];
            if (ok) xs[i] = b.t;
        }
        push(r, reel_concat((reel_list){n, xs}, axis), a.batch);
        return;
    }
    static const int parts[] = {2, 3, 5, 1};
    for (int i = 0; i < 4; i++) {
        reel_tensor *out[5];
        if (s.dims[axis] == 0 || s.dims[axis] % parts[i]) continue;
        if (reel_split(a.t, axis, parts[i], out)) return;
        for (int j = 0; j < parts[i]; j++)
            if (j == 0 || below(&r->rng, 2)) push(r, out[j], a.batch);
        return;
    }
}

static void product(run *r)
{
    const value a = pick_float(r);
    const reel_shape s = shape_of(a);
    if (s.rank == 0 || (a.batch && s.rank == 1)) return;
    for (int i = 0; i < 6; i++) {
        const value b = pick(r);
        const reel_shape z = shape_of(b);
        if (b.batch || z.rank == 0 || reel_dtype_of(b.t) != reel_dtype_of(a.t)) continue;
        if (z.dims[z.rank > 1 ? z.rank - 2 : 0] != s.dims[s.rank - 1]) continue;
        bool ok = z.rank <= 2 || (!a.batch && s.rank <= 2);
        if (a.batch && z.rank > 2) ok = false;
        if (ok) {
            push(r, reel_matmul(a.t, b.t), a.batch);
            return;
        }
    }
    if (a.batch) {
        const int64_t k = s.dims[s.rank - 1], n = random_dim(&r->rng);
        push(r, reel_matmul(a.t, reel_full(reel_dtype_of(a.t), REEL_SHAPE(k, n), 0.25)), true);
        return;
    }
    reel_axes perm = {.n = s.rank};
    for (int i = 0; i < s.rank; i++) perm.axis[i] = i;
    if (s.rank > 1) perm.axis[s.rank - 1] = s.rank - 2, perm.axis[s.rank - 2] = s.rank - 1;
    push(r, reel_matmul(a.t, reel_transpose(a.t, perm)), false);
}

static void losses(run *r)
{
    const value a = pick_float(r);
    const reel_shape s = shape_of(a);
    if (s.rank <= (a.batch ? 1 : 0)) return;
    const int last = s.rank - 1;
    switch (below(&r->rng, 4)) {
    case 0: push(r, reel_softmax(a.t, (a.batch ? 1 : 0) + below(&r->rng, s.rank - (a.batch ? 1 : 0))), a.batch); break;
    case 1: push(r, reel_log_softmax(a.t, -1), a.batch); break;
    case 2:
        if (s.dims[last] > 0) push(r, reel_softmax_cross_entropy(a.t, reel_argmax(a.t, last)), a.batch);
        break;
    default:
        if (s.dims[last] > 0) push(r, reel_one_hot(reel_argmax(a.t, last), 3, REEL_F32), a.batch);
        break;
    }
}

/* Sizes that depend on data, brought back to known ones in the same step: the generator must write one program in all modes. */
static void picking(run *r)
{
    const value a = pick_number(r);
    const reel_shape s = shape_of(a);
    reel_tensor *positive = reel_greater(a.t, reel_num(0)), *u[4] = {NULL};
    const int low = a.batch ? 1 : 0, axis = s.rank > low ? low + below(&r->rng, s.rank - low) : -1;
    switch (below(&r->rng, 5)) {
    case 0: push(r, reel_sum(reel_square(reel_masked_select(a.t, positive))), false); break;
    case 1:
        (void)reel_unique_all(a.t, REEL_OPTS(unique, .unsorted = below(&r->rng, 2) != 0), u);
        push(r, reel_add(reel_sum(u[0]), reel_cast(reel_sum(reel_mul(u[1], u[3])), reel_dtype_of(a.t))), false);
        push(r, u[2], a.batch);
        break;
    case 2: push(r, reel_sum_axes(reel_nonzero(positive), REEL_AXES(0), false), false); break;
    case 3: {
        if (axis < 0 || s.rank > 3) break;
        reel_tensor *row = a.t; /* what holds in the first place of all other axes */
        for (int i = s.rank - 1; i >= 0; i--)
            if (i != axis && (s.dims[i] == 0 || (a.batch && i == 0))) return;
        for (int i = s.rank - 1; i >= 0; i--)
            if (i != axis) row = reel_select(row, i, 0);
        reel_tensor *some = reel_compress(a.t, reel_greater(row, reel_num(0)), axis);
        push(r, reel_sum_axes(reel_abs(some), REEL_AXES(axis), below(&r->rng, 2)), a.batch);
        break;
    }
    default: {
        if (s.rank == 0 || a.batch || s.rank > 3) break;
        reel_tensor *flat = reel_reshape(a.t, REEL_SHAPE(count_of(a), 1));
        reel_tensor *at = reel_squeeze(reel_nonzero(reel_reshape(positive, REEL_SHAPE(count_of(a)))), REEL_AXES(1));
        push(r, reel_sum_axes(reel_embedding(flat, at, NULL), REEL_AXES(0), false), false);
        break;
    }
    }
}

static void creation(run *r)
{
    const reel_shape s = random_shape(&r->rng, 3);
    const reel_dtype d = random_dtype(&r->rng), f = is_float(d) ? d : REEL_F32;
    reel_generator *g = below(&r->rng, 2) ? r->p->generator : NULL;
    switch (below(&r->rng, 8)) {
    case 0: push(r, reel_zeros(d, s), false); break;
    case 1: push(r, reel_full(f, s, -0.75), false); break;
    case 2: push(r, reel_arange(f, 0, below(&r->rng, 9), 1), false); break;
    case 3: push(r, reel_eye(d, random_dim(&r->rng), random_dim(&r->rng)), false); break;
    case 4: push(r, reel_uniform(f, s, -1, 2, g), false); break;
    case 5: push(r, reel_num(below(&r->rng, 4)), false); break;
    case 6: {
        const value a = pick(r);
        push(r, below(&r->rng, 2) ? reel_zeros_like(a.t) : reel_ones_like(a.t), a.batch);
        break;
    }
    default: push(r, reel_normal(f, s, 0, 1, g), false); break;
    }
}

static void assignment(run *r)
{
    reel_tensor *var = r->p->var[below(&r->rng, N_VARS)];
    switch (r->p->no_assigns ? 2 : below(&r->rng, 4)) {
    case 0: (void)reel_assign(var, reel_full(reel_dtype_of(var), reel_shape_of(var), 0.5)); break;
    case 1: (void)reel_assign(var, reel_add(var, reel_num(0.25))); break;
    case 2: push(r, reel_value(var), false); break;
    default: {
        const value a = pick_float(r);
        if (a.batch) break;
        reel_tensor *x = reel_cast(a.t, reel_dtype_of(var));
        if (x) (void)reel_assign(var, reel_broadcast_like(reel_mean(x), var));
        break;
    }
    }
    if (below(&r->rng, 2)) push(r, var, false);
}
#endif
