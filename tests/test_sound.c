/* 60 sound functions: tracing them must raise no alarm, not even under .check, and they keep the bits of eager while sizes vary and
   declared C state changes. The others are in test_unsound.c. */
#include "trace_help.h"

#define BODY(name) static int name(void *self, reel_tensor *const in[], reel_tensor *out[])
#define DONE return reel_status()

static reel_tensor *input(void)
{
    const float x[4] = {0.5f, 1, 0.25f, 0.75f};
    return reel_from_f32(REEL_SHAPE(4), x, 4);
}

struct sound {
    reel_vars *vars, *target;
    reel_tensor *v, *w, *constant;
    reel_optimizer *opt;
    reel_function *inner;
    reel_generator *generator;
    double scale;
};
#define X in[0]
#define Y in[1]
#define V ((struct sound *)self)->v
#define SOUND(name, expr) \
    BODY(s_##name)        \
    {                     \
        (void)self;       \
        (void)in;         \
        out[0] = expr;    \
        DONE;             \
    }
SOUND(neg, reel_neg(X))
SOUND(sum, reel_sum(X))
SOUND(softmax, reel_softmax(X, -1))
SOUND(log_softmax, reel_log_softmax(X, 1))
SOUND(matmul, reel_matmul(X, reel_swapaxes(Y, 0, 1)))
SOUND(broadcast, reel_add(X, reel_mean_axes(Y, REEL_AXES(0), true)))
SOUND(number, reel_mul(X, reel_num(3)))
SOUND(two_numbers, reel_div(reel_sub(reel_num(1), X), reel_add(Y, reel_num(0.5))))
SOUND(same_twice, reel_mul(X, X))
SOUND(identity, X)
SOUND(constant_result, reel_ones(REEL_F32, REEL_SHAPE(2)))
SOUND(zeros_like, reel_zeros_like(X))
SOUND(transpose, reel_transpose(X, REEL_AXES(1, 0)))
SOUND(reshape, reel_reshape(X, REEL_SHAPE(-1, 2)))
SOUND(slice, reel_slice(X, 2, REEL_RANGES(REEL_ALL, {0, 4, 2})))
SOUND(flip, reel_flip(X, REEL_AXES(0)))
SOUND(concat, reel_concat(REEL_LIST(X, Y, X), 0))
SOUND(stack, reel_stack(REEL_LIST(X, Y), 1))
SOUND(where, reel_where(reel_greater(X, Y), X, reel_neg(Y)))
SOUND(cast, reel_cast(reel_cast(X, REEL_F64), REEL_F16))
SOUND(argmax, reel_argmax(X, 1))
SOUND(cumsum, reel_cumsum(X, 1, NULL))
SOUND(sort, reel_sort(X, 1, false))
SOUND(clip, reel_clip(X, 0.2, 0.8))
SOUND(norm, reel_norm(X, 2, REEL_AXES(1), false))
SOUND(einsum, reel_einsum("ij,ij->i", REEL_LIST(X, Y)))
SOUND(randn, reel_randn(REEL_F32, REEL_SHAPE(3)))
SOUND(uniform_like, reel_uniform_like(X, 0, 1, NULL))
SOUND(own_generator, reel_uniform_like(X, 0, 1, ((struct sound *)self)->generator))
SOUND(dropout, reel_dropout(X, 0.5, NULL))
SOUND(nonzero, reel_nonzero(reel_greater(X, reel_num(0.5))))
SOUND(unique, reel_unique(reel_floor(reel_mul(X, reel_num(4)))))
SOUND(masked, reel_sum(reel_masked_select(X, reel_greater(X, Y))))
SOUND(variable, reel_mul(X, V))
SOUND(value, reel_add(X, reel_value(V)))
SOUND(known_dim, reel_div(X, reel_num((double)reel_dim(X, 1))))
SOUND(asked_dim, reel_div(X, reel_num((double)reel_dim(X, 0))))
SOUND(asked_shape, reel_zeros(REEL_F32, reel_shape_of(X)))
SOUND(by_dtype, reel_dtype_of(X) == REEL_F32 ? reel_neg(X) : reel_exp(X))
SOUND(statics, reel_mul(X, reel_num(((struct sound *)self)->scale)))
SOUND(constant, reel_add(X, ((struct sound *)self)->constant))
SOUND(stop, reel_stop_gradient(reel_exp(X)))
SOUND(one_hot, reel_one_hot(reel_argmax(X, 1), 4, REEL_F32))
SOUND(pow, reel_pow(X, Y))
SOUND(maximum, reel_maximum(X, Y))

#define M struct sound *m = self
BODY(s_assign)
{
    M;
    reel_assign(m->v, reel_add(m->v, reel_num(1)));
    out[0] = reel_mul(X, m->v);
    DONE;
}
BODY(s_swap)
{
    M;
    reel_tensor *old = reel_value(m->v);
    reel_assign(m->v, m->w);
    reel_assign(m->w, old);
    out[0] = reel_add(X, m->w);
    DONE;
}
BODY(s_blend)
{
    M;
    reel_vars_blend(m->target, m->vars, 0.5);
    out[0] = reel_neg(X);
    DONE;
}
BODY(s_train)
{
    M;
    reel_tape *t = reel_tape_begin(NULL);
    out[0] = reel_mean(reel_square(reel_sub(reel_mul(X, m->v), Y)));
    return reel_minimize(m->opt, t, out[0]);
}
BODY(s_gradient)
{
    (void)self;
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(X));
    out[0] = reel_grad1(t, reel_sum(reel_mul(reel_sin(X), Y)), X);
    DONE;
}
BODY(s_second)
{
    (void)self;
    reel_tape *o = reel_tape_begin(NULL);
    reel_watch(o, REEL_LIST(X));
    reel_tape *t = reel_tape_begin(NULL);
    reel_watch(t, REEL_LIST(X));
    reel_tensor *g = reel_grad1(t, reel_sum(reel_tanh(X)), X);
    out[0] = reel_grad1(o, reel_sum(reel_mul(g, Y)), X);
    DONE;
}
BODY(s_checkpoint)
{
    (void)self;
    return reel_checkpoint(REEL_FN(s_softmax, NULL, 2, 1), REEL_LIST(X, Y), out);
}
BODY(s_nested)
{
    M;
    return reel_function_call(m->inner, REEL_LIST(X, Y), out);
}
BODY(s_nested_twice)
{
    M;
    reel_tensor *r[1];
    if (reel_function_call(m->inner, REEL_LIST(X, Y), r)) return reel_status();
    return reel_function_call(m->inner, REEL_LIST(r[0], Y), out);
}
BODY(s_invoke)
{
    (void)self;
    return reel_invoke(REEL_FN(s_pow, NULL, 2, 1), REEL_LIST(X, Y), out);
}
BODY(s_cond)
{
    (void)self;
    return reel_cond(reel_greater(reel_sum(X), reel_num(5)), REEL_FN(s_neg, NULL, 2, 1), REEL_FN(s_maximum, NULL, 2, 1),
                     REEL_LIST(X, Y), out);
}
BODY(more)
{
    (void)self;
    out[0] = reel_greater(reel_sum(X), reel_num(1));
    DONE;
}
BODY(less)
{
    (void)self;
    out[0] = reel_mul(X, reel_num(0.7));
    out[1] = Y;
    DONE;
}
BODY(s_while)
{
    (void)self;
    reel_tensor *r[2];
    if (reel_while(REEL_FN(more, NULL, 2, 1), REEL_FN(less, NULL, 2, 2), REEL_LIST(X, Y), NULL, r))
        return reel_status();
    out[0] = reel_add(r[0], r[1]);
    DONE;
}
BODY(s_scopes)
{
    (void)self;
    REEL_SCOPED;
    reel_name_scope_begin("layer");
    out[0] = reel_keep(reel_exp(reel_neg(X)));
    DONE;
}
BODY(s_c_loop)
{
    (void)self;
    out[0] = X;
    for (int i = 0; i < 5; i++) out[0] = reel_mul(out[0], Y);
    DONE;
}
BODY(s_topk)
{
    (void)self;
    reel_tensor *r[2];
    if (reel_topk(X, 2, 1, NULL, r)) return reel_status();
    out[0] = r[0];
    DONE;
}

static const struct {
    reel_body *body;
    const char *name;
} sound[] = {
#define OK(name)        \
    {                   \
        s_##name, #name \
    }
    OK(neg),
    OK(sum),
    OK(softmax),
    OK(log_softmax),
    OK(matmul),
    OK(broadcast),
    OK(number),
    OK(two_numbers),
    OK(same_twice),
    OK(identity),
    OK(constant_result),
    OK(zeros_like),
    OK(transpose),
    OK(reshape),
    OK(slice),
    OK(flip),
    OK(concat),
    OK(stack),
    OK(where),
    OK(cast),
    OK(argmax),
    OK(cumsum),
    OK(sort),
    OK(clip),
    OK(norm),
    OK(einsum),
    OK(randn),
    OK(uniform_like),
    OK(own_generator),
    OK(dropout),
    OK(nonzero),
    OK(unique),
    OK(masked),
    OK(variable),
    OK(value),
    OK(known_dim),
    OK(asked_dim),
    OK(asked_shape),
    OK(by_dtype),
    OK(statics),
    OK(constant),
    OK(stop),
    OK(one_hot),
    OK(pow),
    OK(maximum),
    OK(assign),
    OK(swap),
    OK(blend),
    OK(train),
    OK(gradient),
    OK(second),
    OK(checkpoint),
    OK(nested),
    OK(nested_twice),
    OK(invoke),
    OK(cond),
    OK(while),
    OK(scopes),
    OK(c_loop),
    OK(topk)};

static void sound_init(struct sound *m)
{
    memset(m, 0, sizeof *m);
    m->vars = reel_vars_new("m");
    m->target = reel_vars_new("t");
    m->v = reel_var(m->vars, "v", input());
    m->w = reel_var(m->vars, "w", reel_ones(REEL_F32, REEL_SHAPE(4)));
    reel_var(m->target, "v", reel_zeros(REEL_F32, REEL_SHAPE(4)));
    reel_var(m->target, "w", reel_zeros(REEL_F32, REEL_SHAPE(4)));
    m->constant = reel_ones(REEL_F32, REEL_SHAPE(4));
    m->opt = reel_sgd(m->vars, REEL_OPTS(sgd, .lr = 0.1, .momentum = 0.9));
    m->inner = reel_function_new(REEL_FN(s_softmax, NULL, 2, 1), NULL);
    m->generator = reel_generator_new(3);
    m->scale = 2;
}
static void sound_free(struct sound *m)
{
    reel_function_free(m->inner);
    reel_optimizer_free(m->opt);
    reel_vars_free(m->vars);
    reel_vars_free(m->target);
    reel_generator_free(m->generator);
}

/* Eight calls of five sizes, with C state that is declared changing once, checked or not. */
static int sound_case(int k, int check)
{
    REEL_SCOPED;
    static const int sizes[] = {3, 5, 4, 6, 3, 2, 6, 1};
    struct sound e, r;
    sound_init(&e);
    sound_init(&r);
    reel_fn eager = {sound[k].body, &e, 2, 1, sound[k].name}, fn = {sound[k].body, &r, 2, 1, sound[k].name};
    reel_function *f =
        reel_function_new(fn, REEL_OPTS(function, .check = check, .statics = &r.scale, .statics_size = sizeof r.scale,
                                        .constants = REEL_LIST(r.constant)));
    int bad = 0;
    for (int i = 0; i < 8; i++) {
        REEL_SCOPED;
        reel_seed((uint64_t)i);
        reel_tensor *x = reel_uniform(REEL_F32, REEL_SHAPE(sizes[i], 4), 0.1, 1, NULL),
                    *y = reel_uniform_like(x, 0.1, 1, NULL), *a[1], *b[1];
        e.scale = r.scale = i < 6 ? 2 : 3;
        reel_seed(77);
        reel_invoke(eager, REEL_LIST(x, y), a);
        reel_seed(77);
        bad += reel_function_call(f, REEL_LIST(x, y), b) != 0;
        bad += !same_bits(a[0], b[0]) || !same_bits(e.v, r.v) || !same_bits(e.w, r.w);
    }
    reel_error err;
    if (reel_take_error(&err)) TAP_NOTE("%s: %s", sound[k].name, err.text);
    reel_function_free(f);
    sound_free(&e);
    sound_free(&r);
    return bad;
}

static void test_sound(void)
{
    const int n = (int)(sizeof sound / sizeof *sound);
    for (int k = 0; k < n; k++) {
        TAP_OK(sound_case(k, 0) == 0, "%s: no alarm, the bits of eager", sound[k].name);
        TAP_OK(sound_case(k, -1) == 0, "%s: nor when checked", sound[k].name);
    }
    TAP_OK(n >= 60, "%d sound functions", n);
}

TAP_MAIN(test_sound)
