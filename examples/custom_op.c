/* custom_op.c: an op of your own: a shape rule, a kernel, a gradient. Registered, it is an op like any other: on tapes, in traces, under
   gradcheck, with errors that name the line of the call.

   mish(x) = x tanh(log(1 + exp(x))) (Misra 2019), and scaled(x; factor), which has an attribute. */
#include <math.h>
#include <stdio.h>
#include <reel/reel.h>

static const reel_op *mish_op, *scaled_op;

/* ---- the shape rule: dimensions may be REEL_ANY in a graph ---------------------------------------------- */
static int same_shape(const void *attr, const reel_type in[], reel_type out[])
{
    (void)attr;
    out[0] = in[0];
    return 0;
}

/* ---- kernels: operands are dense; f64 is what gradcheck computes in -------------------------------------- */
static double mish1(double x)
{
    return x * tanh(log1p(exp(x)));
}

static int mish_cpu(const void *attr, const reel_view in[], const reel_view out[])
{
    (void)attr;
    const int64_t n = reel_shape_count(in[0].type.shape);
    for (int64_t i = 0; i < n; i++) {
        if (in[0].type.dtype == REEL_F64)
            ((double *)out[0].data)[i] = mish1(((const double *)in[0].data)[i]);
        else
            ((float *)out[0].data)[i] = (float)mish1((double)((const float *)in[0].data)[i]);
    }
    return 0;
}

typedef struct {
    double factor;
} scaled_attr;

static int scaled_cpu(const void *attr, const reel_view in[], const reel_view out[])
{
    const scaled_attr *a = attr;
    const int64_t n = reel_shape_count(in[0].type.shape);
    if (a->factor == 0) return reel_fail(REEL_EARG, "the factor is 0"); /* the place of the call is added */
    for (int64_t i = 0; i < n; i++) {
        if (in[0].type.dtype == REEL_F64)
            ((double *)out[0].data)[i] = a->factor * ((const double *)in[0].data)[i];
        else
            ((float *)out[0].data)[i] = (float)a->factor * ((const float *)in[0].data)[i];
    }
    return 0;
}

/* ---- the functions that users call: they pass their caller's place on ------------------------------------ */
static reel_tensor *mish_at(const char *site, reel_tensor *x)
{
    reel_tensor *y[1];
    return reel_op_call_at(site, mish_op, REEL_LIST(x), NULL, y) ? NULL : y[0];
}
#define mish(x) mish_at(REEL_HERE, x)

static reel_tensor *scaled_at(const char *site, reel_tensor *x, double factor)
{
    const scaled_attr a = {factor};
    reel_tensor *y[1];
    return reel_op_call_at(site, scaled_op, REEL_LIST(x), &a, y) ? NULL : y[0];
}
#define scaled(x, factor) scaled_at(REEL_HERE, x, factor)

/* ---- gradients, written with ops, so that they have gradients themselves --------------------------------- */
/* With t = tanh(softplus(x)): t + x (1 - t t) sigmoid(x). */
static int mish_vjp(const void *attr, reel_tensor *const in[], reel_tensor *const out[], reel_tensor *const dout[],
                    reel_tensor *din[])
{
    (void)attr, (void)out;
    reel_tensor *x = in[0], *t = reel_tanh(reel_softplus(x));
    reel_tensor *slope = reel_mul(reel_mul(x, reel_sigmoid(x)), reel_sub(reel_num(1), reel_square(t)));
    din[0] = reel_mul(dout[0], reel_add(t, slope));
    return reel_status();
}

static int scaled_vjp(const void *attr, reel_tensor *const in[], reel_tensor *const out[], reel_tensor *const dout[],
                      reel_tensor *din[])
{
    const scaled_attr *a = attr;
    (void)in, (void)out;
    din[0] = scaled(dout[0], a->factor);
    return reel_status();
}

/* ---- using them ------------------------------------------------------------------------------------------ */
static int loss(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_sum(reel_square(mish(scaled(in[0], 1.5))));
    return reel_status();
}

static int loss_and_gradient(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tape *tape = reel_tape_begin(NULL);
    reel_watch(tape, REEL_LIST(in[0]));
    if (loss(self, in, out)) return reel_status();
    return reel_grad(tape, out[0], REEL_LIST(in[0]), out + 1);
}

int main(void)
{
    REEL_SCOPED;
    mish_op =
        reel_op_register(REEL_OP_DEF(.name = "mish", .n_in = 1, .n_out = 1, .dtypes = 1u << REEL_F32 | 1u << REEL_F64,
                                     .shape = same_shape, .cpu = mish_cpu, .vjp = mish_vjp));
    scaled_op = reel_op_register(REEL_OP_DEF(.name = "scaled", .n_in = 1, .n_out = 1, .attr_size = sizeof(scaled_attr),
                                             .dtypes = 1u << REEL_F32 | 1u << REEL_F64, .shape = same_shape,
                                             .cpu = scaled_cpu, .vjp = scaled_vjp));
    const float data[6] = {-2, -1, -.5f, .5f, 1, 2};
    reel_tensor *x = reel_from_f32(REEL_SHAPE(2, 3), data, 6), *eager[2], *again[2];

    reel_gradcheck_report report;
    if (reel_gradcheck(REEL_FN(loss, NULL, 1, 1), REEL_LIST(x), REEL_OPTS(gradcheck, .order = 2), &report) == 0)
        printf("gradcheck: first and second order agree with differences, %d elements\n", (int)report.checked);

    reel_function *f = reel_function_new(REEL_FN(loss_and_gradient, NULL, 1, 2), NULL);
    reel_invoke(REEL_FN(loss_and_gradient, NULL, 1, 2), REEL_LIST(x), eager);
    for (int i = 0; i < 2; i++) reel_function_call(f, REEL_LIST(x), again); /* traced, then replayed */
    printf("loss %.6f eagerly, %.6f replayed\n", reel_item(eager[0]), reel_item(again[0]));
    reel_function_free(f);

    reel_error e;
    if (reel_take_error(&e)) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    (void)scaled(x, 0); /* line of the mistake */
    reel_take_error(&e);
    printf("a mistake: %s\n", e.text);
    return 0;
}
