/* samples_of.h: what the sample files of shape and index ops share. */
#ifndef REEL_TESTS_SAMPLES_OF_H
#define REEL_TESTS_SAMPLES_OF_H
#include "samples.h"

#define UNUSED (void)s, (void)d
#define APPLY(name, call)                                                                               \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[]) \
    {                                                                                                   \
        UNUSED;                                                                                         \
        out[0] = call;                                                                                  \
        return reel_status();                                                                           \
    }
#define SAMPLES(name)                                                                                        \
    const samples samples_##name = {GOOD(name##_good), .apply = name##_apply, .reference = name##_reference, \
                                    .bad = name##_bad}
/* CALL(x) with what no op may take, all on one line; f32[2] must fit CALL. */
#define STRANGERS(CALL)                     \
    BAD(CALL(NULL), REEL_EARG, "is NULL");  \
    BAD(CALL(dead()), REEL_EARG, "dead");   \
    BAD(CALL(unset()), REEL_EARG, "unset"); \
    BAD(CALL(symbol()), REEL_ETRACE, "graph")

/* Shapes of all kinds, of rank 2, with the given parameters. */
#define MATRICES(...)                                                                                            \
    {IN("[3,4]"), WITH(__VA_ARGS__)}, {IN("[4,3]t"), WITH(__VA_ARGS__)}, {IN("[3,3]r"), WITH(__VA_ARGS__)},      \
        {IN("[2,5]s"), WITH(__VA_ARGS__)}, {IN("[5,2]o"), WITH(__VA_ARGS__)}, {IN("[3,4]b"), WITH(__VA_ARGS__)}, \
        {IN("[3,4]!"), WITH(__VA_ARGS__)}, {IN("[1,1]"), WITH(__VA_ARGS__)}, {IN("[0,3]"), WITH(__VA_ARGS__)},   \
    {                                                                                                            \
        IN("[70,301]t"), WITH(__VA_ARGS__)                                                                       \
    }

/* p[0] numbers from p[1] on */
static inline reel_shape shape_of(const sample *s)
{
    reel_shape shape = {.rank = (int)s->p[0]};
    for (int i = 0; i < shape.rank; i++) shape.dims[i] = (int64_t)s->p[i + 1];
    return shape;
}

static inline reel_axes axes_of(const sample *s)
{
    reel_axes a = {.n = (int)s->p[0]};
    for (int i = 0; i < a.n; i++) a.axis[i] = (int)s->p[i + 1];
    return a;
}

static inline int axis_in(double axis, int rank)
{
    return (int)axis < 0 ? (int)axis + rank : (int)axis;
}

static inline int count_in(const sample *s)
{
    int n = 0;
    while (n < SAMPLE_IN && s->in[n]) n++;
    return n;
}

/* x's elements in another shape. */
static inline void copied(const nd *x, reel_dtype d, reel_shape shape, nd *out)
{
    nd_make(out, d, shape);
    memcpy(out->data, x->data, (size_t)x->count * sizeof *x->data);
}
#endif
