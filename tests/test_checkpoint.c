/* Checkpoints in traces and under several tapes: what is run again is not what was run first, so memory is saved, with the same bits. */
#include "trace/trace.h"
#include "trace_help.h"

static double apart(reel_tensor *a, reel_tensor *b)
{
    const reel_shape flat = REEL_SHAPE(-1);
    return reel_item(reel_max(reel_reshape(reel_abs(reel_sub(a, b)), flat), 0)) /
           (1e-300 + reel_item(reel_max(reel_reshape(reel_abs(b), flat), 0)));
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------------- */

enum { WIDE = 64, LAYERS = 6 };
struct deep {
    reel_vars *vars;
    reel_tensor *w[LAYERS];
    bool checkpoints;
};
static int layer(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *h = reel_tanh(reel_matmul(in[0], self));
    for (int i = 0; i < 4; i++) h = reel_mul(reel_sin(h), reel_exp(reel_neg(reel_square(h))));
    out[0] = reel_add(reel_dropout(h, 0.25, NULL), in[0]);
    return reel_status();
}
static int deep_loss(const struct deep *d, reel_tensor *x, reel_tensor **y)
{
    for (int i = 0; i < LAYERS; i++) {
        reel_tensor *out[1];
        const reel_fn f = REEL_FN(layer, d->w[i], 1, 1);
        if (d->checkpoints ? reel_checkpoint(f, REEL_LIST(x), out) : reel_invoke(f, REEL_LIST(x), out))
            return reel_status();
        x = out[0];
    }
    *y = reel_mean(reel_square(x));
    return reel_status();
}
static int deep_step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct deep *d = self;
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(in[0]));
    if (deep_loss(d, in[0], &out[0])) return reel_status();
    return reel_grad(t, out[0], REEL_LIST(d->w[0], d->w[3], d->w[5], in[0]), out + 1);
}
static size_t arena_of(reel_fn f, reel_tensor *x, reel_tensor **out)
{
    reel_plan_info info = {0};
    reel_function *fast = reel_function_new(f, NULL);
    reel_seed(3);
    reel_function_call(fast, REEL_LIST(x), out);
    reel_seed(3);
    reel_function_call(fast, REEL_LIST(x), out);
    reel_graph *g = reel_function_graph(fast);
    reel_session *s = g ? reel_session_new(g, NULL) : NULL;
    reel_tensor *again[5];
    if (s) {
        reel_session_run(s, REEL_FEEDS({"in[0]", x}), REEL_FETCHES("out[0]", "out[1]", "out[2]", "out[3]", "out[4]"),
                         again);
        reel_session_info(s, &info);
    }
    reel_session_free(s);
    reel_function_free(fast);
    return info.arena_bytes;
}
static void test_checkpoint_memory(void)
{
    REEL_SCOPED;
    struct deep d = {.vars = reel_vars_new("d")};
    for (int i = 0; i < LAYERS; i++) {
        char name[8];
        snprintf(name, sizeof name, "w%d", i);
        d.w[i] = reel_var(d.vars, name, reel_mul(reel_randn(REEL_F32, REEL_SHAPE(WIDE, WIDE)), reel_num(0.1)));
    }
    reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(256, WIDE)), *plain[5], *saved[5], *eager[5];
    const reel_fn f = REEL_FN(deep_step, &d, 1, 5);
    const size_t without = arena_of(f, x, plain);
    d.checkpoints = true;
    reel_seed(3);
    reel_invoke(f, REEL_LIST(x), eager);
    const size_t with = arena_of(f, x, saved);
    expect_none("checkpoints");
    TAP_OK(with > 0 && with * 2 < without, "a training step takes %zu bytes with checkpoints, %zu without", with,
           without);
    int different = 0, other = 0;
    for (int i = 0; i < 5; i++) {
        different += reel_item(reel_sum(reel_cast(reel_not_equal(saved[i], plain[i]), REEL_F32))) != 0;
        other += reel_item(reel_sum(reel_cast(reel_not_equal(saved[i], eager[i]), REEL_F32))) != 0;
    }
    TAP_OK(different == 0, "%d of 5 results differ from those without: the masks are the same", different);
    TAP_OK(other == 0, "%d of 5 results differ from eager checkpoints", other);
    reel_vars_free(d.vars);
}

/* Under two tapes the entries of both keep only the inputs. */
static void test_checkpoint_two_tapes(void)
{
    REEL_SCOPED;
    reel_memory_stats stats[2];
    reel_tensor *w = reel_mul(reel_randn(REEL_F64, REEL_SHAPE(WIDE, WIDE)), reel_num(0.1)),
                *x = reel_randn(REEL_F64, REEL_SHAPE(8, WIDE)), *first[2], *second[2];
    for (int how = 0; how < 2; how++) {
        reel_scope *scope = reel_scope_begin(REEL_HERE, "two");
        reel_seed(9);
        reel_tape *outer = reel_tape_begin(NULL);
        reel_watch(outer, REEL_LIST(x));
        reel_tape *t = reel_tape_begin(NULL);
        reel_watch(t, REEL_LIST(x));
        reel_tensor *out[1], *h = x;
        for (int i = 0; i < 8; i++) {
            const reel_fn f = REEL_FN(layer, w, 1, 1);
            if (how ? reel_checkpoint(f, REEL_LIST(h), out) : reel_invoke(f, REEL_LIST(h), out)) break;
            h = out[0];
        }
        reel_memory(&stats[how]);
        first[how] = reel_grad1(t, reel_sum(reel_square(h)), x);
        second[how] = reel_grad1(outer, reel_sum(reel_square(first[how])), x);
        reel_keep(first[how]);
        reel_keep(second[how]);
        reel_scope_end(scope);
    }
    expect_none("two tapes");
    TAP_OK(stats[1].tensors * 2 < stats[0].tensors, "%d tensors live behind the forward, %d without checkpoints",
           (int)stats[1].tensors, (int)stats[0].tensors);
    TAP_OK(apart(first[1], first[0]) == 0, "the first order is the same");
    TAP_OK(apart(second[1], second[0]) < 1e-12, "the second order is off by %g", apart(second[1], second[0]));
}

/* A variable, or a tensor, that a body is given and also takes from around it. */
struct pair {
    reel_tensor *w;
    bool checkpoint;
};
static int given_and_taken(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct pair *p = self;
    out[0] = reel_mul(reel_sin(in[0]), reel_exp(p->w));
    return reel_status();
}
static int other(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_neg(in[0]);
    return reel_status();
}
static int both(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    struct pair *p = self;
    reel_tensor *r[1], *c[1], *d[1], *g[2];
    reel_tape *outer = reel_tape_begin(NULL);
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(outer, REEL_LIST(in[0]));
    reel_watch(t, REEL_LIST(in[0]));
    reel_checkpoint(REEL_FN(given_and_taken, p, 1, 1), REEL_LIST(p->w), r);
    reel_cond(reel_greater(reel_sum(in[0]), reel_num(-100)), REEL_FN(given_and_taken, p, 1, 1), REEL_FN(other, p, 1, 1),
              REEL_LIST(p->w), c);
    struct pair q = {.w = in[0]};
    reel_checkpoint(REEL_FN(given_and_taken, &q, 1, 1), REEL_LIST(in[0]), d);
    reel_tensor *y = reel_sum(reel_mul(reel_add(reel_mul(r[0], p->w), reel_mul(c[0], p->w)), reel_mul(d[0], in[0])));
    if (reel_grad(t, y, REEL_LIST(p->w, in[0]), g)) return reel_status();
    out[0] = g[0];
    out[1] = g[1];
    return reel_grad(outer, reel_add(reel_sum(reel_square(g[0])), reel_sum(g[1])), REEL_LIST(p->w, in[0]), out + 2);
}
static void test_given_and_taken(void)
{
    REEL_SCOPED;
    reel_vars *vars = reel_vars_new("p");
    struct pair p = {.w = reel_var(vars, "w", reel_randn(REEL_F64, REEL_SHAPE(5)))};
    const reel_fn f = REEL_FN(both, &p, 1, 4);
    reel_function *fast = reel_function_new(f, NULL);
    reel_tensor *x = reel_randn(REEL_F64, REEL_SHAPE(5)), *e[4], *r[4];
    reel_invoke(f, REEL_LIST(x), e);
    for (int i = 0; i < 3; i++) {
        reel_function_call(fast, REEL_LIST(x), r);
        TAP_OK(same_bits(e[0], r[0]) && same_bits(e[1], r[1]), "given and taken: first order, call %d", i);
        TAP_OK(apart(r[2], e[2]) < 1e-13 && apart(r[3], e[3]) < 1e-13, "second order is off by %g and %g",
               apart(r[2], e[2]), apart(r[3], e[3]));
    }
    expect_none("given and taken");
    reel_function_free(fast);
    reel_vars_free(vars);
}

TAP_MAIN(test_checkpoint_memory, test_checkpoint_two_tapes, test_given_and_taken)
