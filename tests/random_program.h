/* random_program.h: a random program, the same in every mode: written by a generator that sees dtypes and shapes only. */
#ifndef REEL_TESTS_RANDOM_PROGRAM_H
#define REEL_TESTS_RANDOM_PROGRAM_H
#include "random_ops.h"

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
        case 5:
            if (!s->no_reads) y = reel_add(y, reel_cast(reel_sum(s->p->var[0]), reel_dtype_of(y)));
            break;
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
        s->no_reads = r->p->no_reads;
        for (int i = 0; i < N_VARS && r->p->no_reads; i++)
            if (a.t == r->p->var[i]) return;
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
    if (s && below(&r->rng, 2) && r->p->composites)
        (void)reel_checkpoint(REEL_FN(sub_body, s, 1, 1), REEL_LIST(a.t), out);
    else
        out[0] = reel_mul(reel_tanh(a.t), a.t);
    if (depth > 0 && out[0]) {
        reel_tape *inner = reel_tape_begin(NULL);
        (void)reel_watch(inner, REEL_LIST(a.t));
        reel_tensor *y = reel_sum(reel_square(reel_softplus(a.t)));
        reel_tensor *g = reel_grad1(inner, y, a.t);
        reel_tape_end(inner);
        if (g) out[0] = reel_add(out[0], g);
    }
    if (below(&r->rng, 2))
        (void)reel_grad(t, reel_sum(out[0]), REEL_LIST(a.t, r->p->var[0]), dx);
    else
        (void)reel_vjp(t, REEL_LIST(out[0]), REEL_LIST(reel_ones_like(out[0])), REEL_LIST(a.t, r->p->var[0]), dx);
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
    const int k = below(&r->rng, 30);
    if (k < 4)
        unary(r);
    else if (k < 9)
        binary(r);
    else if (k < 11)
        reduction(r);
    else if (k < 13)
        slicing(r);
    else if (k < 15)
        shaping(r);
    else if (k < 16)
        joining(r);
    else if (k < 18)
        product(r);
    else if (k < 19)
        losses(r);
    else if (k < 20)
        creation(r);
    else if (k < 21)
        assignment(r);
    else if (k < 22)
        calling(r);
    else if (k < 23)
        gradient(r, r->p->grads ? 0 : below(&r->rng, 2));
    else if (k < 25)
        picking(r);
    else if (k < 29)
        other_op(r);
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
#endif
