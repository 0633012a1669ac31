/* gradcheck_test: what a unit test of gradients looks like. Three functions are checked numerically, one of them with
   an op of our own; then the op gets a gradient that is wrong by a factor of 1.001, which is found. */
#include <math.h>
#include <reel/reel.h>

/* swish(x) = x sigmoid(beta x), as an op with an attribute */
struct swish_attr {
    double beta;
};

static int swish_shape(const void *attr, const reel_type in[], reel_type out[])
{
    const struct swish_attr *a = attr;
    if (!isfinite(a->beta)) {
        return reel_fail(REEL_EARG, "beta is %g, must be finite", a->beta);
    }
    out[0] = in[0];
    return 0;
}

static int swish_cpu(const void *attr, const reel_view in[], const reel_view out[])
{
    const struct swish_attr *a = attr;
    const int64_t n = reel_shape_count(in[0].type.shape);
    if (in[0].type.dtype == REEL_F64) {
        const double *x = in[0].data;
        double *y = out[0].data;
        for (int64_t i = 0; i < n; i++) {
            y[i] = x[i] / (1 + exp(-a->beta * x[i]));
        }
    } else {
        const float *x = in[0].data, beta = (float)a->beta;
        float *y = out[0].data;
        for (int64_t i = 0; i < n; i++) {
            y[i] = x[i] / (1 + expf(-beta * x[i]));
        }
    }
    return 0;
}

/* dy/dx = s + beta y (1 - s) with s = sigmoid(beta x), written with ops, so that it has a gradient itself */
static reel_tensor *swish_slope(const struct swish_attr *a, reel_tensor *x, reel_tensor *y)
{
    reel_tensor *s = reel_sigmoid(reel_mul(reel_num(a->beta), x));
    return reel_add(s, reel_mul(reel_mul(reel_num(a->beta), y), reel_sub(reel_num(1), s)));
}

static int swish_vjp(const void *attr, reel_tensor *const in[], reel_tensor *const out[], reel_tensor *const dout[],
                     reel_tensor *din[])
{
    din[0] = reel_mul(dout[0], swish_slope(attr, in[0], out[0]));
    return reel_status();
}

static int wrong_vjp(const void *attr, reel_tensor *const in[], reel_tensor *const out[], reel_tensor *const dout[],
                     reel_tensor *din[])
{
    din[0] = reel_mul(reel_num(1.001), reel_mul(dout[0], swish_slope(attr, in[0], out[0])));
    return reel_status();
}

static const reel_op *swish_op, *wrong_op;

static reel_tensor *swish_at(const char *site, const reel_op *op, reel_tensor *x, double beta)
{
    reel_tensor *y = NULL;
    reel_op_call_at(site, op, REEL_LIST(x), &(struct swish_attr){beta}, &y);
    return y;
}
#define swish(...) swish_at(REEL_HERE, __VA_ARGS__)

static int classify(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_mean(reel_softmax_cross_entropy(in[0], in[1]));
    return reel_status();
}

static int product(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_op *op = *(const reel_op **)self;
    out[0] = reel_sum(swish(op, reel_matmul(in[0], in[1]), 1.5));
    return reel_status();
}

static int layer(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    out[0] = reel_sum(reel_tanh(reel_dense_apply(self, in[0])));
    return reel_status();
}

/* 0 if the verdict is the expected one */
static int check(reel_fn f, reel_list in, reel_vars *vars, int expected)
{
    reel_gradcheck_report r;
    const int rc = reel_gradcheck(f, in, REEL_OPTS(gradcheck, .order = 2, .vars = vars), &r);
    reel_error e;
    reel_take_error(&e);
    printf("%s %s: %s\n", rc == expected ? "ok  " : "FAIL", f.name, rc && rc != REEL_EGRADCHECK ? e.text : r.text);
    return rc != expected;
}

int main(void)
{
    REEL_SCOPED;
    reel_op_def def = {.size = sizeof def,
                       .name = "swish",
                       .n_in = 1,
                       .n_out = 1,
                       .attr_size = sizeof(struct swish_attr),
                       .dtypes = 1u << REEL_F32 | 1u << REEL_F64,
                       .shape = swish_shape,
                       .cpu = swish_cpu,
                       .vjp = swish_vjp};
    swish_op = reel_op_register(&def);
    def.name = "wrong_swish";
    def.vjp = wrong_vjp;
    wrong_op = reel_op_register(&def);

    reel_vars *vars = reel_vars_new("layer");
    reel_dense dense;
    reel_dense_init(&dense, vars, "dense", REEL_F32, 3, 2);
    const int32_t labels[] = {0, 2};
    reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(2, 3)), *w = reel_randn(REEL_F32, REEL_SHAPE(3, 4));
    int bad = 0;
    bad += check(REEL_FN(classify, NULL, 2, 1), REEL_LIST(x, reel_from_i32(REEL_SHAPE(2), labels, 2)), NULL, 0);
    bad += check(REEL_FN(product, &swish_op, 2, 1), REEL_LIST(x, w), NULL, 0);
    bad += check(REEL_FN(layer, &dense, 1, 1), REEL_LIST(x), vars, 0);
    bad += check(REEL_FN(product, &wrong_op, 2, 1), REEL_LIST(x, w), NULL, REEL_EGRADCHECK);
    reel_vars_free(vars);
    return bad;
}
