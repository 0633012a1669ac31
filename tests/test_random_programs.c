/* test_random_programs.c: random whole programs, each run eagerly, under tapes, captured, replayed and as a placeholder
   graph, must give the same bits in their outputs and their variables. REEL_SEED=n runs that program alone, REEL_PROGRAMS=n
   that many from there on, REEL_STEPS=n cuts them short, REEL_COMPOSITES=1 or 2 adds ops that stand for several. */
#include <stdlib.h>
#include "reel/reel.h"
#include "tap.h"

enum { POOL = 40, N_IN = 4, N_VARS = 3, N_OUT = 4, N_SUBS = 12, MAX_ELEMENTS = 1500, MAX_RESULTS = N_OUT + N_IN + 2 * N_VARS };

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
    int n_in;
} sub;

typedef struct program {
    uint64_t seed;
    int steps, n_in;
    bool batch, grads; /* the first input's first dimension unknown; also give the gradients of the outputs */
    bool composites; /* also checkpoints, custom gradients and functions inside: see one() */
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
    static const reel_dtype d[] = {REEL_F32, REEL_F32, REEL_F32, REEL_F64, REEL_F64, REEL_F16, REEL_BF16, REEL_I8, REEL_U8, REEL_I32, REEL_I64, REEL_BOOL};
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
    case 0:
        return a;
    case 1:
        if (reel_dtype_of(a.t) != REEL_BOOL) return (value){reel_num(1 + below(&r->rng, 3)), false};
        return a;
    case 2:
        return (value){reel_stop_gradient(a.t), a.batch};
    default:
        return (value){reel_full(reel_dtype_of(a.t), REEL_SCALAR, 1), false};
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
        if (reel_dtype_of(c.t) == REEL_BOOL && fit(a, c) && shape_of(c).rank <= shape_of(a).rank) y = reel_where(c.t, x, z);
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
        if (s.dims[axis] > 0) push(r, reel_select(a.t, axis, below(&r->rng, 2 * (int)s.dims[axis]) - s.dims[axis]), a.batch);
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
    switch (below(&r->rng, 4)) {
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

/* ---- programs inside programs -------------------------------------------------------------------------- */

/* A smooth function of one float tensor (and, as a vjp, of its output's gradient). */
static int sub_body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const sub *s = self;
    uint64_t rng = s->seed;
    reel_tensor *y = in[0];
    for (int i = 0; i < s->steps; i++) {
        switch (below(&rng, 7)) {
        case 0: y = reel_tanh(y); break;
        case 1: y = reel_mul(y, reel_num(0.5)); break;
        case 2: y = reel_mul(y, in[0]); break;
        case 3: y = reel_sigmoid(reel_add(y, in[0])); break;
        case 4: y = reel_add(y, reel_uniform(reel_dtype_of(y), REEL_SCALAR, 0, 1, NULL)); break;
        case 5: y = reel_add(y, reel_cast(reel_sum(s->p->var[0]), reel_dtype_of(y))); break;
        default: y = reel_sub(y, reel_square(in[0])); break;
        }
    }
    out[0] = s->backward ? reel_mul(reel_tanh(in[2]), in[1]) : reel_stop_gradient(y);
    if (!s->backward && s->steps % 2) out[0] = y;
    return reel_status();
}

static sub *new_sub(run *r, bool backward)
{
    if (r->n_subs >= N_SUBS) return NULL;
    sub *s = &r->p->subs[r->n_subs++];
    *s = (sub){.seed = next(&r->rng), .p = r->p, .steps = 1 + below(&r->rng, 4), .backward = backward};
    return s;
}

static void calling(run *r)
{
    const value a = pick_float(r);
    reel_tensor *out[1] = {0};
    const int k = below(&r->rng, 4);
    if (k > 0 && !r->p->composites) return;
    sub *s = k == 3 ? NULL : new_sub(r, false);
    if (k == 3) {
        if (a.batch || !r->p->inner) return;
        (void)reel_function_call(r->p->inner, REEL_LIST(a.t), out);
    } else if (!s) {
        return;
    } else if (k == 0) {
        (void)reel_invoke(REEL_FN(sub_body, s, 1, 1), REEL_LIST(a.t), out);
    } else if (k == 1) {
        (void)reel_checkpoint(REEL_FN(sub_body, s, 1, 1), REEL_LIST(a.t), out);
    } else {
        sub *b = new_sub(r, true);
        if (!b) return;
        (void)reel_custom_grad(REEL_FN(sub_body, s, 1, 1), REEL_FN(sub_body, b, 3, 1), REEL_LIST(a.t), out);
    }
    push(r, out[0], a.batch);
}

static void gradient(run *r, int depth)
{
    const value a = pick_float(r);
    const bool persistent = below(&r->rng, 3) == 0;
    reel_scope *scope = below(&r->rng, 2) ? reel_scope_begin(REEL_HERE, "gradient") : NULL;
    reel_tape *t = reel_tape_begin(REEL_OPTS(tape, .persistent = persistent));
    (void)reel_watch(t, REEL_LIST(a.t));
    sub *s = new_sub(r, false);
    reel_tensor *out[1] = {0}, *dx[2] = {0};
    if (s && below(&r->rng, 2) && r->p->composites) (void)reel_checkpoint(REEL_FN(sub_body, s, 1, 1), REEL_LIST(a.t), out);
    else out[0] = reel_mul(reel_tanh(a.t), a.t);
    if (depth > 0 && out[0]) {
        reel_tape *inner = reel_tape_begin(NULL);
        (void)reel_watch(inner, REEL_LIST(a.t));
        reel_tensor *y = reel_sum(reel_square(reel_softplus(a.t)));
        reel_tensor *g = reel_grad1(inner, y, a.t);
        reel_tape_end(inner);
        if (g) out[0] = reel_add(out[0], g);
    }
    if (below(&r->rng, 2)) (void)reel_grad(t, reel_sum(out[0]), REEL_LIST(a.t, r->p->var[0]), dx);
    else (void)reel_vjp(t, REEL_LIST(out[0]), REEL_LIST(reel_ones_like(out[0])), REEL_LIST(a.t, r->p->var[0]), dx);
    if (persistent) dx[0] = reel_add(dx[0], reel_grad1(t, reel_mean(out[0]), a.t));
    if (scope || below(&r->rng, 2)) reel_tape_end(t);
    if (scope) {
        (void)reel_keep(dx[0]);
        (void)reel_keep(dx[1]);
        reel_scope_end(scope);
    }
    push(r, dx[0], a.batch);
    push(r, dx[1], false);
}

static void step(run *r)
{
    const int k = below(&r->rng, 24);
    if (k < 4) unary(r);
    else if (k < 9) binary(r);
    else if (k < 11) reduction(r);
    else if (k < 13) slicing(r);
    else if (k < 15) shaping(r);
    else if (k < 16) joining(r);
    else if (k < 18) product(r);
    else if (k < 19) losses(r);
    else if (k < 20) creation(r);
    else if (k < 21) assignment(r);
    else if (k < 22) calling(r);
    else if (k < 23) gradient(r, r->p->grads ? 0 : below(&r->rng, 2));
    else {
        const value a = pick(r);
        push(r, reel_cast(a.t, random_dtype(&r->rng)), a.batch);
    }
}

static int body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    program *p = self;
    run r = {.rng = p->seed, .p = p};
    for (int i = 0; i < p->n_in; i++) r.v[r.n++] = (value){in[i], p->batch && i == 0};
    for (int i = 0; i < N_VARS; i++) push(&r, p->var[i], false);
    for (int i = 0; i < p->steps && !reel_status(); i++) step(&r);
    if (reel_status()) return reel_status();
    for (int i = 0; i < N_OUT; i++) {
        const value v = i < 2 ? r.v[r.n - 1 - i] : pick(&r);
        out[i] = v.t;
    }
    return reel_status();
}

static void watch(reel_tape *t, int n, reel_tensor *const in[])
{
    for (int i = 0; i < n; i++)
        if (is_float(reel_dtype_of(in[i]))) (void)reel_watch(t, REEL_LIST(in[i]));
}

/* The same, and the gradients of what it gives: a training step's shape. */
static int body_and_gradients(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    program *p = self;
    reel_tape *t = reel_tape_begin(NULL);
    watch(t, p->n_in, in);
    if (body(self, in, out)) return reel_status();
    reel_tensor *y = reel_zeros(REEL_F64, REEL_SCALAR);
    for (int i = 0; i < N_OUT; i++)
        if (is_float(reel_dtype_of(out[i]))) y = reel_add(y, reel_sum(reel_cast(out[i], REEL_F64)));
    reel_tensor *xs[N_IN + N_VARS], *dx[N_IN + N_VARS];
    int n = 0;
    for (int i = 0; i < p->n_in; i++)
        if (is_float(reel_dtype_of(in[i]))) xs[n++] = in[i];
    for (int i = 0; i < N_VARS; i++) xs[n++] = p->var[i];
    if (reel_grad(t, y, (reel_list){n, xs}, dx)) return reel_status();
    for (int i = 0; i < n; i++) out[N_OUT + i] = dx[i];
    return reel_status();
}

static int n_results(const program *p)
{
    int n = N_OUT;
    for (int i = 0; i < p->n_in && p->grads; i++) n += is_float(reel_dtype_of(p->in[i]));
    return p->grads ? n + N_VARS : n;
}

static reel_fn fn_of(program *p)
{
    return (reel_fn){p->grads ? body_and_gradients : body, p, p->n_in, n_results(p), "program"};
}

/* ---- results ------------------------------------------------------------------------------------------- */

typedef struct {
    int code, n;
    reel_type type[MAX_RESULTS];
    unsigned char *data[MAX_RESULTS];
    size_t bytes[MAX_RESULTS];
    char text[504];
} results;

static void results_free(results *r)
{
    for (int i = 0; i < r->n; i++) free(r->data[i]);
    *r = (results){0};
}

static void add_result(results *r, reel_tensor *t)
{
    const int i = r->n++;
    r->type[i] = (reel_type){reel_dtype_of(t), reel_shape_of(t)};
    r->bytes[i] = (size_t)reel_shape_count(r->type[i].shape) * reel_dtype_size(r->type[i].dtype);
    r->data[i] = malloc(r->bytes[i] + 1);
    (void)reel_read(t, r->data[i], r->bytes[i]);
}

static void collect(const program *p, int code, reel_tensor *const out[], results *r)
{
    *r = (results){0};
    reel_error e = {0};
    (void)code;
    r->code = reel_take_error(&e);
    memcpy(r->text, e.text, sizeof r->text);
    if (r->code) return;
    for (int i = 0; i < n_results(p); i++) add_result(r, out[i]);
    for (int i = 0; i < N_VARS; i++) add_result(r, p->var[i]);
    r->code = reel_take_error(&e);
    memcpy(r->text, e.text, sizeof r->text);
}

static bool same(const program *p, const char *mode, const results *a, const results *b)
{
    if (a->code != b->code) {
        TAP_NOTE("REEL_SEED=%llu: %s: code %d, eager %d\n%s\n%s", (unsigned long long)p->seed, mode, b->code, a->code, b->text, a->text);
        return false;
    }
    for (int i = 0; i < a->n; i++) {
        bool ok = a->type[i].dtype == b->type[i].dtype && a->bytes[i] == b->bytes[i] && a->type[i].shape.rank == b->type[i].shape.rank;
        for (int j = 0; ok && j < a->type[i].shape.rank; j++) ok = a->type[i].shape.dims[j] == b->type[i].shape.dims[j];
        if (ok && memcmp(a->data[i], b->data[i], a->bytes[i]) == 0) continue;
        TAP_NOTE("REEL_SEED=%llu: %s: result %d differs from eager's (%s, %zu and %zu bytes)", (unsigned long long)p->seed, mode, i,
                 reel_dtype_name(a->type[i].dtype), a->bytes[i], b->bytes[i]);
        return false;
    }
    return true;
}

static void reset(program *p)
{
    (void)reel_seed(p->seed);
    (void)reel_generator_seed(p->generator, p->seed + 1);
    for (int i = 0; i < N_VARS; i++) (void)reel_assign(p->var[i], p->init[i]);
}

/* ---- modes --------------------------------------------------------------------------------------------- */

static void eager(program *p, results *r)
{
    REEL_SCOPED;
    reel_tensor *out[MAX_RESULTS] = {0};
    collect(p, reel_invoke(fn_of(p), (reel_list){p->n_in, p->in}, out), out, r);
}

static void taped(program *p, results *r)
{
    REEL_SCOPED;
    reel_tensor *out[MAX_RESULTS] = {0};
    reel_tape *t = reel_tape_begin(NULL);
    watch(t, p->n_in, p->in);
    collect(p, reel_invoke(fn_of(p), (reel_list){p->n_in, p->in}, out), out, r);
    reel_tape_end(t);
}

static void call(program *p, reel_function *f, bool under_tape, results *r)
{
    REEL_SCOPED;
    reel_tensor *out[MAX_RESULTS] = {0};
    reel_tape *t = under_tape ? reel_tape_begin(NULL) : NULL;
    if (t) watch(t, p->n_in, p->in);
    collect(p, reel_function_call(f, (reel_list){p->n_in, p->in}, out), out, r);
    if (t && !r->code && !p->grads) { /* a gradient through the replay: must at least work */
        reel_tensor *dx = NULL;
        reel_tensor *y = is_float(reel_dtype_of(out[0])) ? reel_sum(out[0]) : NULL;
        if (y) dx = reel_grad1(t, y, p->var[0]);
        reel_error e = {0};
        if (y && !dx) r->code = reel_take_error(&e), memcpy(r->text, e.text, sizeof r->text);
        (void)reel_take_error(NULL);
    }
    reel_tape_end(t);
}

static reel_graph *build(program *p, bool unknown, results *r)
{
    reel_graph *g = reel_graph_begin();
    reel_tensor *in[N_IN], *out[MAX_RESULTS] = {0};
    for (int i = 0; i < p->n_in; i++) {
        const char name[] = {'i', (char)('0' + i), 0};
        reel_shape s = reel_shape_of(p->in[i]);
        if (unknown && i == 0) s.dims[0] = REEL_ANY;
        in[i] = reel_placeholder(reel_dtype_of(p->in[i]), s, name);
    }
    reel_fn f = fn_of(p);
    if (!f.body(p, in, out)) {
        for (int i = 0; i < f.n_out; i++) {
            const char name[] = {'o', (char)('0' + i / 10), (char)('0' + i % 10), 0};
            (void)reel_output(name, out[i]);
        }
    }
    (void)reel_graph_end(g);
    reel_error e = {0};
    *r = (results){0};
    r->code = reel_take_error(&e);
    memcpy(r->text, e.text, sizeof r->text);
    return g;
}

static void session(program *p, reel_session *s, results *r)
{
    REEL_SCOPED;
    reel_feed feed[N_IN];
    const char *fetch[MAX_RESULTS];
    char names[MAX_RESULTS][4], in_names[N_IN][4];
    for (int i = 0; i < p->n_in; i++) {
        memcpy(in_names[i], (char[]){'i', (char)('0' + i), 0}, 3);
        feed[i] = (reel_feed){in_names[i], p->in[i]};
    }
    const int n = n_results(p);
    for (int i = 0; i < n; i++) {
        memcpy(names[i], (char[]){'o', (char)('0' + i / 10), (char)('0' + i % 10), 0}, 4);
        fetch[i] = names[i];
    }
    reel_tensor *out[MAX_RESULTS] = {0};
    collect(p, reel_session_run(s, (reel_feeds){p->n_in, feed}, (reel_names){n, fetch}, out), out, r);
}

/* ---- one program --------------------------------------------------------------------------------------- */

static reel_tensor *random_input(uint64_t *rng, reel_dtype d, reel_shape s, int64_t batch)
{
    if (batch >= 0) s.dims[0] = batch;
    reel_tensor *x = reel_cast(reel_normal(REEL_F32, s, 0.3, 1.5, NULL), d);
    if (batch < 0 && s.rank >= 2 && below(rng, 3) == 0) /* column-major memory */
        x = reel_transpose(reel_where(reel_full(REEL_BOOL, REEL_SCALAR, 1), reel_transpose(x, REEL_ALL_AXES), reel_zeros(d, REEL_SCALAR)), REEL_ALL_AXES);
    if (batch < 0 && s.rank >= 1 && below(rng, 3) == 0) x = reel_slice(x, 1, REEL_RANGES({REEL_END, REEL_END, -1}));
    return x;
}

static int failures_of_generator;

static bool compare(program *p)
{
    results want = {0}, got = {0};
    bool ok = true;
    reset(p);
    eager(p, &want);
    if (want.code) {
        failures_of_generator++;
        if (getenv("REEL_VERBOSE")) TAP_NOTE("REEL_SEED=%llu: eager: %s", (unsigned long long)p->seed, want.text);
    }
    reset(p);
    taped(p, &got);
    ok = same(p, "taped", &want, &got) && ok;
    results_free(&got);
    reel_function *f = reel_function_new(fn_of(p), NULL);
    for (int i = 0; i < 5; i++) {
        static const char *const mode[] = {"capture", "replay", "replay under a tape", "replay again", "replay a fourth time"};
        reset(p);
        call(p, f, i == 2, &got);
        ok = same(p, mode[i], &want, &got) && ok;
        results_free(&got);
        if (want.code) break;
    }
    reel_function_free(f);
    reel_function *g = reel_function_new(fn_of(p), NULL);
    reset(p);
    call(p, g, true, &got);
    ok = same(p, "capture under a tape", &want, &got) && ok;
    results_free(&got);
    reset(p);
    call(p, g, false, &got);
    ok = same(p, "its replay", &want, &got) && ok;
    results_free(&got);
    reel_function_free(g);
    if (want.code) {
        results_free(&want);
        return ok;
    }
    for (int unknown = 0; unknown <= (int)p->batch; unknown++) {
        REEL_SCOPED;
        reset(p);
        reel_graph *graph = build(p, unknown, &got);
        if (got.code) {
            TAP_NOTE("REEL_SEED=%llu: graph%s: %s", (unsigned long long)p->seed, unknown ? " of unknown batch" : "", got.text);
            ok = false;
            reel_graph_free(graph);
            continue;
        }
        if (getenv("REEL_VERBOSE")) (void)reel_graph_print(stderr, graph);
        reel_session *s = reel_session_new(graph, REEL_OPTS(session, .effects = true));
        reel_graph_free(graph);
        for (int i = 0; i < 2; i++) {
            reset(p);
            session(p, s, &got);
            ok = same(p, unknown ? "session of unknown batch" : "session", &want, &got) && ok;
            results_free(&got);
        }
        static const int64_t batches[] = {1, 5, 0, 2};
        reel_tensor *first = p->in[0];
        for (int i = 0; i < 4 && unknown; i++) {
            reel_shape shape = reel_shape_of(first);
            shape.dims[0] = batches[i];
            results other = {0};
            p->in[0] = reel_normal(REEL_F32, shape, 0, 1, NULL);
            reset(p);
            eager(p, &other);
            reset(p);
            session(p, s, &got);
            ok = same(p, "session of another batch", &other, &got) && ok;
            results_free(&got);
            results_free(&other);
        }
        p->in[0] = first;
        reel_session_free(s);
    }
    results_free(&want);
    return ok;
}

static bool one(uint64_t seed)
{
    REEL_SCOPED;
    uint64_t rng = seed * 7919 + 1;
    program p = {.seed = seed, .steps = 3 + below(&rng, 22), .n_in = 1 + below(&rng, N_IN), .batch = below(&rng, 3) == 0,
                 .grads = below(&rng, 2)};
    if (getenv("REEL_STEPS")) p.steps = atoi(getenv("REEL_STEPS"));
    /* An op that stands for several adds up their gradients before it passes them on, so the last bit of a sum may differ
       from the inlined ops': composites only where no gradient is taken of them, or when asked for. */
    p.composites = !p.grads && getenv("REEL_COMPOSITES");
    if (getenv("REEL_COMPOSITES") && atoi(getenv("REEL_COMPOSITES")) > 1) p.composites = true;
    (void)reel_seed(seed);
    p.generator = reel_generator_new(seed);
    p.vars = reel_vars_new("v");
    static const reel_dtype d[N_VARS] = {REEL_F32, REEL_F64, REEL_F16};
    for (int i = 0; i < N_VARS; i++) {
        const char name[] = {(char)('a' + i), 0};
        p.init[i] = reel_normal(d[i], i == 0 ? REEL_SHAPE(3) : i == 1 ? REEL_SHAPE(2, 3) : REEL_SCALAR, 0, 1, NULL);
        p.var[i] = reel_var(p.vars, name, p.init[i]);
    }
    for (int i = 0; i < p.n_in; i++) {
        if (i && below(&rng, 6) == 0 && !p.batch) {
            p.in[i] = p.in[i - 1];
            continue;
        }
        reel_shape s = random_shape(&rng, 4);
        if (p.batch && i == 0 && s.rank == 0) s = REEL_SHAPE(3, 2);
        p.in[i] = random_input(&rng, p.batch && i == 0 ? REEL_F32 : random_dtype(&rng), s, p.batch && i == 0 ? 3 : -1);
    }
    p.inner_sub = (sub){.seed = seed + 5, .p = &p, .steps = 3};
    p.inner = reel_function_new(REEL_FN(sub_body, &p.inner_sub, 1, 1), NULL);
    reel_error e;
    bool ok = reel_take_error(&e) == 0;
    if (!ok) TAP_NOTE("REEL_SEED=%llu: setting up: %s", (unsigned long long)seed, e.text);
    ok = ok && compare(&p);
    reel_function_free(p.inner);
    reel_vars_free(p.vars);
    reel_generator_free(p.generator);
    return ok;
}

static void test_programs(void)
{
    const char *seed = getenv("REEL_SEED"), *programs = getenv("REEL_PROGRAMS");
    const uint64_t first = seed ? strtoull(seed, NULL, 10) : 1;
    const int n = programs ? atoi(programs) : seed ? 1 : 300;
    int bad = 0;
    reel_memory_stats before, after;
    if (n > 1) (void)one(1); /* what stays for reuse is made */
    reel_memory(&before);
    for (int i = 0; i < n && bad < 20; i++) bad += !one(first + (uint64_t)i);
    reel_memory(&after);
    TAP_OK(bad == 0, "%d random programs from seed %llu on give the same bits in every mode", n, (unsigned long long)first);
    TAP_OK(failures_of_generator * 20 <= n, "%d of them raise an error, the same one everywhere", failures_of_generator);
    TAP_OK(after.tensors <= before.tensors, "no tensor is left over: %llu before, %llu after", (unsigned long long)before.tensors,
           (unsigned long long)after.tensors);
}

TAP_MAIN(test_programs)
