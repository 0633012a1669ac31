/* samples_math.c: products, softmax and losses, state and the optimizers' steps. */
#include "samples.h"

#define UNUSED (void)s, (void)d
#define APPLY(name, call)                                                                               \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[]) \
    {                                                                                                   \
        UNUSED;                                                                                         \
        out[0] = call;                                                                                  \
        return reel_status();                                                                           \
    }

/* ---- matmul ------------------------------------------------------------------------------------------ */
APPLY(matmul, reel_matmul(in[0], in[1]))

/* x as a batch of matrices: a vector becomes a row (first operand) or a column. */
static nd as_matrices(const nd *x, bool first)
{
    nd m = *x;
    if (x->shape.rank == 1)
        m.shape = first ? (reel_shape){2, {1, x->shape.dims[0]}} : (reel_shape){2, {x->shape.dims[0], 1}};
    return m;
}

static void matmul_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    UNUSED;
    const nd a = as_matrices(&in[0], true), b = as_matrices(&in[1], false);
    const int64_t m = a.shape.dims[a.shape.rank - 2], k = a.shape.dims[a.shape.rank - 1],
                  n = b.shape.dims[b.shape.rank - 1];
    nd lead_a = a, lead_b = b;
    lead_a.shape.rank -= 2;
    lead_b.shape.rank -= 2;
    const reel_shape batch = nd_broadcast(lead_a.shape, lead_b.shape);
    reel_shape shape = batch;
    if (in[0].shape.rank > 1) shape.dims[shape.rank++] = m;
    if (in[1].shape.rank > 1) shape.dims[shape.rank++] = n;
    nd_make(out, d, shape);
    for (int64_t i = 0; i < out->count; i++) {
        const int64_t row = i / n % m, col = i % n, g = i / (m * n);
        const double *x = a.data + nd_index(&lead_a, &batch, g) * m * k,
                     *y = b.data + nd_index(&lead_b, &batch, g) * k * n;
        for (int64_t j = 0; j < k; j++) out->data[i] += x[row * k + j] * y[j * n + col];
    }
}

static void matmul_bad(void)
{
    BAD(reel_matmul(NULL, X("[2,2]")), REEL_EARG, "reel_matmul: a is NULL");
    BAD(reel_matmul(X("[2,3]"), X("[2,3]")), REEL_ESHAPE, "inner dimensions differ: 3 and 2: a f32[2,3], b f32[2,3]");
    BAD(reel_matmul(X("[]"), X("[2,3]")), REEL_ESHAPE, "a is a scalar");
    BAD(reel_matmul(X("[2,3]"), X("[]")), REEL_ESHAPE, "b is a scalar");
    BAD(reel_matmul(X("[2,2,3]"), X("[3,3,4]")), REEL_ESHAPE, "do not broadcast");
    BAD(reel_matmul(XD("[2,3]", REEL_BOOL), XD("[3,2]", REEL_BOOL)), REEL_EDTYPE,
        "a is bool, allowed: f32 f64 f16 bf16");
    BAD(reel_matmul(X("[2,3]"), XD("[3,2]", REEL_F64)), REEL_EDTYPE, "dtypes differ: f32 and f64");
    BAD(reel_matmul(X("[3]"), X("[4]")), REEL_ESHAPE, "inner dimensions differ: 3 and 4");
}

static const sample matmul_good[] = {{IN("[1,1]", "[1,1]")},
                                     {IN("[2,3]", "[3,4]")},
                                     {IN("[3]", "[3]")},
                                     {IN("[3]", "[3,4]")},
                                     {IN("[2,3]", "[3]")},
                                     {IN("[2,3]t", "[3,4]")},
                                     {IN("[2,3]", "[3,4]t")},
                                     {IN("[2,3]t", "[3,4]t")},
                                     {IN("[2,3]r", "[3,2]s")},
                                     {IN("[2,3]o", "[3,2]b")},
                                     {IN("[0,3]", "[3,2]")},
                                     {IN("[2,0]", "[0,3]")},
                                     {IN("[2,3]", "[3,0]")},
                                     {IN("[2,2,3]", "[2,3,2]")},
                                     {IN("[2,2,3]", "[3,2]")},
                                     {IN("[2,3]", "[2,3,2]")},
                                     {IN("[2,1,2,3]", "[3,3,1]")},
                                     {IN("[2,1,2,2]r", "[1,2,2,3]s")},
                                     {IN("[3]", "[2,3,2]")},
                                     {IN("[2,2,3]", "[3]")},
                                     {IN("[0,2,3]", "[3,2]")},
                                     {IN("[4,5,3]t", "[4,3,2]o")},
                                     {IN("[33,65]", "[65,47]")},
                                     {IN("[130,70]t", "[70,129]")},
                                     {IN("[64,64]", "[64]")},
                                     {IN("[1,100]", "[100,70]t")},
                                     {IN("[3,40,30]", "[30,20]")},
                                     {IN("[3,20,30]b", "[3,30,20]t")},
                                     {IN("[2,3]", "[3,3]!"), .flags = NO_GRAD}};
const samples samples_matmul = {GOOD(matmul_good), .scale = 8, .apply = matmul_apply, .reference = matmul_reference,
                                .bad = matmul_bad};

/* ---- softmax, log_softmax: p0 axis ------------------------------------------------------------------- */
APPLY(softmax, reel_softmax(in[0], (int)s->p[0]))
APPLY(log_softmax, reel_log_softmax(in[0], (int)s->p[0]))

static void softmax_of(const sample *s, reel_dtype d, const nd *x, nd *out, bool logarithm)
{
    const int axis = (int)s->p[0] < 0 ? (int)s->p[0] + x->shape.rank : (int)s->p[0];
    const int64_t n = x->shape.dims[axis];
    int64_t step = 1;
    for (int i = axis + 1; i < x->shape.rank; i++) step *= x->shape.dims[i];
    nd_make(out, d, x->shape);
    for (int64_t i = 0; i < x->count; i++) {
        const int64_t first = i - i / step % n * step;
        double max = -INFINITY, sum = 0;
        for (int64_t k = 0; k < n; k++) max = fmax(max, x->data[first + k * step]);
        for (int64_t k = 0; k < n; k++) sum += exp(x->data[first + k * step] - max);
        out->data[i] = logarithm ? x->data[i] - max - log(sum) : exp(x->data[i] - max) / sum;
    }
}

static void softmax_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    softmax_of(s, d, &in[0], out, false);
}

static void log_softmax_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    softmax_of(s, d, &in[0], out, true);
}

#define SOFTMAX_BAD(name)                                                                             \
    static void name##_bad(void)                                                                      \
    {                                                                                                 \
        BAD(reel_##name(NULL, 0), REEL_EARG, "reel_" #name ": x is NULL");                            \
        BAD(reel_##name(X("[2,3]"), 2), REEL_EARG, "axis 2 is out of range for rank 2: x f32[2,3]");  \
        BAD(reel_##name(X("[2,3]"), -3), REEL_EARG, "axis -3 is out of range for rank 2");            \
        BAD(reel_##name(X("[]"), 0), REEL_EARG, "axis 0 is out of range for rank 0");                 \
        BAD(reel_##name(XD("[2]", REEL_I64), 0), REEL_EDTYPE, "x is i64, allowed: f32 f64 f16 bf16"); \
        BAD(reel_##name(dead(), 0), REEL_EARG, "dead");                                               \
    }
SOFTMAX_BAD(softmax)
SOFTMAX_BAD(log_softmax)

static const sample softmax_good[] = {{IN("[1]")},
                                      {IN("[5]")},
                                      {IN("[3,4]"), WITH(1)},
                                      {IN("[3,4]"), WITH(0)},
                                      {IN("[3,4]t"), WITH(-1)},
                                      {IN("[7]r")},
                                      {IN("[2,3]s"), WITH(1)},
                                      {IN("[2,3]o"), WITH(0)},
                                      {IN("[2,4]b"), WITH(1)},
                                      {IN("[2,3,4]"), WITH(1)},
                                      {IN("[0,3]"), WITH(1)},
                                      {IN("[3,0]"), WITH(1)},
                                      {IN("[3,64]"), WITH(1)},
                                      {IN("[2,1100]"), WITH(1)},
                                      {IN("[1100,2]"), WITH(0)},
                                      {IN("[3,20]!"), WITH(1), .flags = NO_GRAD},
                                      {IN("[70,301]"), WITH(1)},
                                      {IN("[70,301]t"), WITH(0)}};
const samples samples_softmax = {GOOD(softmax_good), .scale = 2, .apply = softmax_apply, .reference = softmax_reference,
                                 .bad = softmax_bad};
const samples samples_log_softmax = {GOOD(softmax_good), .scale = 4, .apply = log_softmax_apply,
                                     .reference = log_softmax_reference, .bad = log_softmax_bad};

/* ---- softmax_grad, log_softmax_grad: of y and g, p0 axis ------------------------------------------------ */
APPLY(softmax_grad, reel_softmax_grad_at_(REEL_HERE, in[0], in[1], (int)s->p[0]))
APPLY(log_softmax_grad, reel_log_softmax_grad_at_(REEL_HERE, in[0], in[1], (int)s->p[0]))

static void softmax_slope_of(const sample *s, reel_dtype d, const nd *in, nd *out, bool logarithm)
{
    const nd *y = &in[0], *g = &in[1];
    const int axis = (int)s->p[0] < 0 ? (int)s->p[0] + y->shape.rank : (int)s->p[0];
    const int64_t n = y->shape.dims[axis];
    int64_t step = 1;
    for (int i = axis + 1; i < y->shape.rank; i++) step *= y->shape.dims[i];
    nd_make(out, d, y->shape);
    for (int64_t i = 0; i < y->count; i++) {
        const int64_t first = i - i / step % n * step;
        double sum = 0;
        for (int64_t k = first; k < first + n * step; k += step)
            sum += logarithm ? g->data[k] : y->data[k] * g->data[k];
        out->data[i] = logarithm ? g->data[i] - exp(y->data[i]) * sum : y->data[i] * (g->data[i] - sum);
    }
}

static void softmax_grad_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    softmax_slope_of(s, d, in, out, false);
}

static void log_softmax_grad_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    softmax_slope_of(s, d, in, out, true);
}

#define SOFTMAX_GRAD_BAD(name)                                                                                        \
    static void name##_bad(void)                                                                                      \
    {                                                                                                                 \
        BAD(reel_##name##_at_(REEL_HERE, NULL, X("[2]"), 0), REEL_EARG, "y is NULL");                                 \
        BAD(reel_##name##_at_(REEL_HERE, X("[2]"), NULL, 0), REEL_EARG, "g is NULL");                                 \
        BAD(reel_##name##_at_(REEL_HERE, X("[2,3]"), X("[2,3]"), 2), REEL_EARG, "axis 2 is out of range for rank 2"); \
        BAD(reel_##name##_at_(REEL_HERE, X("[2,3]"), X("[2,3]"), -3), REEL_EARG, "axis -3 is out of range");          \
        BAD(reel_##name##_at_(REEL_HERE, X("[]"), X("[]"), 0), REEL_EARG, "axis 0 is out of range for rank 0");       \
        BAD(reel_##name##_at_(REEL_HERE, X("[2,3]"), X("[3]"), 1), REEL_ESHAPE, "g does not have the shape of y");    \
        BAD(reel_##name##_at_(REEL_HERE, X("[2,3]"), X("[2,1]"), 1), REEL_ESHAPE, "g does not have the shape of y");  \
        BAD(reel_##name##_at_(REEL_HERE, XD("[2]", REEL_I64), XD("[2]", REEL_I64), 0), REEL_EDTYPE, "y is i64");      \
        BAD(reel_##name##_at_(REEL_HERE, X("[2]"), XD("[2]", REEL_F64), 0), REEL_EDTYPE, "f64");                      \
        BAD(reel_##name##_at_(REEL_HERE, dead(), X("[2]"), 0), REEL_EARG, "dead");                                    \
        BAD(reel_##name##_at_(REEL_HERE, X("[2]"), dead(), 0), REEL_EARG, "dead");                                    \
    }
SOFTMAX_GRAD_BAD(softmax_grad)
SOFTMAX_GRAD_BAD(log_softmax_grad)

static const sample softmax_grad_good[] = {{IN("[1]", "[1]")},
                                           {IN("[5]", "[5]")},
                                           {IN("[3,4]", "[3,4]"), WITH(1)},
                                           {IN("[3,4]", "[3,4]t"), WITH(0)},
                                           {IN("[3,4]t", "[3,4]"), WITH(-1)},
                                           {IN("[7]r", "[7]s")},
                                           {IN("[2,3]s", "[2,3]o"), WITH(1)},
                                           {IN("[2,3]o", "[2,3]r"), WITH(0)},
                                           {IN("[2,4]", "[2,4]b"), WITH(1)},
                                           {IN("[2,3,4]", "[2,3,4]t"), WITH(1)},
                                           {IN("[0,3]", "[0,3]"), WITH(1)},
                                           {IN("[3,0]", "[3,0]"), WITH(1)},
                                           {IN("[3,20]", "[3,20]!"), WITH(1), .flags = NO_GRAD},
                                           {IN("[40,83]", "[40,83]t"), WITH(1)},
                                           {IN("[83,40]t", "[83,40]"), WITH(0)},
                                           {IN("[3,1100]", "[3,1100]o"), WITH(1)},
                                           {IN("[1100,3]", "[1100,3]"), WITH(0)}};
/* scale: sums of up to 1100 products cancel, so the error is that of the terms, not of the result */
const samples samples_softmax_grad = {GOOD(softmax_grad_good), .scale = 16, .apply = softmax_grad_apply,
                                      .reference = softmax_grad_reference, .bad = softmax_grad_bad};
const samples samples_log_softmax_grad = {GOOD(softmax_grad_good), .scale = 32, .apply = log_softmax_grad_apply,
                                          .reference = log_softmax_grad_reference, .bad = log_softmax_grad_bad};

/* ---- softmax_cross_entropy --------------------------------------------------------------------------- */
APPLY(cross_entropy, reel_softmax_cross_entropy(in[0], in[1]))

static void cross_entropy_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const sample last = {WITH(-1)};
    nd y;
    UNUSED;
    softmax_of(&last, d, &in[0], &y, true);
    nd_make(out, d, in[1].shape);
    const int64_t classes = in[0].shape.dims[in[0].shape.rank - 1];
    for (int64_t i = 0; i < out->count; i++) out->data[i] = -y.data[i * classes + (int64_t)in[1].data[i]];
    nd_free(&y);
}

static void cross_entropy_bad(void)
{
    BAD(reel_softmax_cross_entropy(NULL, X("[2]L3")), REEL_EARG, "reel_softmax_cross_entropy: logits is NULL");
    BAD(reel_softmax_cross_entropy(X("[2,3]"), X("[2]")), REEL_EDTYPE, "labels is f32, allowed: i8 u8 i32 i64");
    BAD(reel_softmax_cross_entropy(X("[2,3]"), X("[3]L3")), REEL_ESHAPE, "labels have shape [3], the logits' rows [2]");
    BAD(reel_softmax_cross_entropy(X("[]"), X("[]L3")), REEL_ESHAPE, "logits is a scalar");
    BAD(reel_softmax_cross_entropy(X("[2,3]"), X("[2]L4")), REEL_EARG,
        "label 3 at row 1 is out of range for 3 classes");
    BAD(reel_softmax_cross_entropy(XD("[2,3]", REEL_I32), X("[2]L3")), REEL_EDTYPE, "logits is i32, allowed");
    BAD(reel_softmax_cross_entropy(X("[2,3]"), NULL), REEL_EARG, "labels is NULL");
}

static const sample cross_entropy_good[] = {
    {IN("[5]", "[]L5")},        {IN("[1,1]", "[1]L1")},       {IN("[3,4]", "[3]L4")},       {IN("[0,4]", "[0]L4")},
    {IN("[3,4]t", "[3]rL4")},   {IN("[3,4]r", "[3]sL4")},     {IN("[2,3]s", "[2]oL3")},     {IN("[2,3]o", "[2]bL3")},
    {IN("[2,3,5]", "[2,3]L5")}, {IN("[2,3,5]t", "[2,3]tL5")}, {IN("[70,301]", "[70]L301")}, {IN("[4,6]b", "[4]oL6")}};
const samples samples_softmax_cross_entropy = {GOOD(cross_entropy_good), .scale = 4, .apply = cross_entropy_apply,
                                               .reference = cross_entropy_reference, .bad = cross_entropy_bad};

/* ---- assign: into a variable of the value's shape ---------------------------------------------------- */
static struct {
    reel_vars *vars;
    reel_tensor *var;
} state;

static int assign_begin(const sample *s, reel_dtype d)
{
    REEL_SCOPED;
    state.vars = reel_vars_new("sweep");
    state.var = reel_var(state.vars, "w", reel_zeros_like(operand(s->in[0][0] == '#' ? "[]" : s->in[0], d, 0)));
    return reel_status();
}

static void assign_end(void)
{
    reel_vars_free(state.vars);
}

static int assign_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    UNUSED;
    reel_assign(state.var, in[0]);
    out[0] = reel_neg(reel_neg(state.var));
    return reel_status();
}

static void assign_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    UNUSED;
    nd_make(out, d, in[0].shape);
    memcpy(out->data, in[0].data, (size_t)out->count * sizeof *out->data);
}

static void assign_bad(void)
{
    reel_vars *vars = reel_vars_new("bad");
    reel_tensor *w = reel_var(vars, "w", X("[2,3]")), *k = reel_var(vars, "k", XD("[]", REEL_I32));
    BAD_CODE(reel_assign(NULL, X("[2]")), REEL_EARG, "reel_assign: var is NULL");
    BAD_CODE(reel_assign(w, NULL), REEL_EARG, "value is NULL");
    BAD_CODE(reel_assign(w, X("[3,2]")), REEL_ESHAPE, "a variable of shape [2,3] cannot take [3,2]");
    BAD_CODE(reel_assign(w, XD("[2,3]", REEL_F64)), REEL_EDTYPE, "dtypes differ: f32 and f64");
    BAD_CODE(reel_assign(X("[2]"), X("[2]")), REEL_EARG, "is no variable");
    BAD_CODE(reel_assign(k, reel_num(0.5)), REEL_EDTYPE, "0.5 does not fit i32");
    BAD_CODE(reel_assign(w, dead()), REEL_EARG, "value is |dead");
    BAD_CODE(reel_assign(w, unset()), REEL_EARG, "before it has a value");
    reel_vars_free(vars);
}

#define V(...)                          \
    {                                   \
        IN(__VA_ARGS__), .flags = FIXED \
    }
static const sample assign_good[] = {V("[]"),     V("[0]"),    V("[1]"),    V("[3,4]"), V("[3,4]t"),    V("[7]r"),
                                     V("[2,3]s"), V("[2,3]o"), V("[2,3]b"), V("#1"),    V("[70,301]t"), V("[2,0]")};
const samples samples_assign = {
    GOOD(assign_good), .dtypes = REEL_NUMBERS, .apply = assign_apply, .reference = assign_reference,
    .bad = assign_bad, .begin = assign_begin,  .end = assign_end};

/* ---- sgd_update: p0 momentum, p1 decay; adam_update: p0 beta1, p1 beta2, p2 eps, p3 decay ----------------- */
static int sgd_update_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    return reel_sgd_update(in[0], in[1], in[2], in[3], s->p[0], s->p[1], out);
}

static int adam_update_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    return reel_adam_update(in[0], in[1], in[2], in[3], in[4], in[5], s->p[0], s->p[1], s->p[2], s->p[3], out);
}

static void sgd_update_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    for (int j = 0; j < 2; j++) nd_make(&out[j], d, in[0].shape);
    for (int64_t i = 0; i < in[0].count; i++) {
        const double w = in[0].data[i], g = in[2].data[i] + s->p[1] * w, v = s->p[0] * in[1].data[i] + g;
        out[0].data[i] = w - in[3].data[0] * v;
        out[1].data[i] = v;
    }
}

static void adam_update_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const double b1 = s->p[0], b2 = s->p[1], lr = in[4].data[0], t = in[5].data[0];
    for (int j = 0; j < 3; j++) nd_make(&out[j], d, in[0].shape);
    for (int64_t i = 0; i < in[0].count; i++) {
        const double w = in[0].data[i], g = in[3].data[i] + s->p[3] * w;
        const double m = b1 * in[1].data[i] + (1 - b1) * g, v = b2 * in[2].data[i] + (1 - b2) * g * g;
        out[0].data[i] = w - lr / (1 - pow(b1, t)) * m / (sqrt(v / (1 - pow(b2, t))) + s->p[2]);
        out[1].data[i] = m;
        out[2].data[i] = v;
    }
}

static void sgd_update_bad(void)
{
    reel_tensor *out[2], *x = X("[2,3]"), *lr = X("[]");
    BAD_CODE(reel_sgd_update(NULL, x, x, lr, 0, 0, out), REEL_EARG, "reel_sgd_update: w is NULL");
    BAD_CODE(reel_sgd_update(x, x, X("[3]"), lr, 0, 0, out), REEL_ESHAPE, "g does not have the shape of w");
    BAD_CODE(reel_sgd_update(x, x, x, X("[1]"), 0, 0, out), REEL_ESHAPE, "lr is no scalar");
    BAD_CODE(reel_sgd_update(x, x, XD("[2,3]", REEL_F64), lr, 0, 0, out), REEL_EDTYPE, "dtypes differ");
    BAD_CODE(reel_sgd_update(x, x, x, lr, 0, 0, NULL), REEL_EARG, "out is NULL");
    BAD_CODE(reel_sgd_update(x, x, x, dead(), 0, 0, out), REEL_EARG, "lr is |dead");
}

static void adam_update_bad(void)
{
    reel_tensor *out[3], *x = X("[2,3]"), *c = X("[]");
    BAD_CODE(reel_adam_update(x, NULL, x, x, c, c, 0.9, 0.99, 1e-8, 0, out), REEL_EARG, "reel_adam_update: m is NULL");
    BAD_CODE(reel_adam_update(x, x, X("[2]"), x, c, c, 0.9, 0.99, 1e-8, 0, out), REEL_ESHAPE,
             "v does not have the shape of w");
    BAD_CODE(reel_adam_update(x, x, x, x, c, X("[1]"), 0.9, 0.99, 1e-8, 0, out), REEL_ESHAPE, "t is no scalar");
    BAD_CODE(reel_adam_update(x, x, x, x, c, XD("[]", REEL_F64), 0.9, 0.99, 1e-8, 0, out), REEL_EDTYPE,
             "dtypes differ");
    BAD_CODE(reel_adam_update(x, x, x, x, c, c, 0.9, 0.99, 1e-8, 0, NULL), REEL_EARG, "out is NULL");
    BAD_CODE(reel_adam_update(x, x, x, unset(), c, c, 0.9, 0.99, 1e-8, 0, out), REEL_EARG, "before it has a value");
}

#define SGD(w, v, g, ...)                        \
    {                                            \
        IN(w, v, g, "#0.125"), WITH(__VA_ARGS__) \
    }
#define ADAM(w, m, v, g, ...)                             \
    {                                                     \
        IN(w, m, v, g, "#0.125", "#3"), WITH(__VA_ARGS__) \
    }
static const sample sgd_update_good[] = {SGD("[]", "[]", "[]", 0.5, 0),
                                         SGD("[0]", "[0]", "[0]", 0.5, 0),
                                         SGD("[1]", "[1]", "[1]", 0, 0.25),
                                         SGD("[3,4]", "[3,4]", "[3,4]", 0.5, 0.25),
                                         SGD("[3,4]t", "[3,4]", "[3,4]r", 0.5, 0),
                                         SGD("[5]s", "[5]o", "[5]", 0.5, 0.25),
                                         SGD("[2,3]", "[2,3]", "[2,3]b", 0, 0),
                                         SGD("[70,301]", "[70,301]", "[70,301]t", 0.5, 0.25),
                                         {IN("[3]", "[3]", "[3]", "[]"), WITH(0.5, 0.25)},
                                         SGD("[2,2]o", "[2,2]t", "[2,2]s", 0.25, 0),
                                         SGD("[3]r", "[3]", "[3]o", 0.5, 0),
                                         SGD("[2,1,2]", "[2,1,2]", "[2,1,2]", 0.5, 0.25)};
static const sample adam_update_good[] = {
    ADAM("[]", "[]", "[]+", "[]", 0.5, 0.75, 0.125, 0),
    ADAM("[0]", "[0]", "[0]+", "[0]", 0.5, 0.75, 0.125, 0),
    ADAM("[1]", "[1]", "[1]+", "[1]", 0.5, 0.75, 0.125, 0.25),
    ADAM("[3,4]", "[3,4]", "[3,4]+", "[3,4]", 0.5, 0.75, 0.125, 0.25),
    ADAM("[3,4]t", "[3,4]", "[3,4]+", "[3,4]r", 0.5, 0.75, 0.125, 0),
    ADAM("[5]s", "[5]o", "[5]+", "[5]", 0.5, 0.75, 0.125, 0.25),
    ADAM("[2,3]", "[2,3]", "[2,3]+", "[2,3]b", 0.5, 0.75, 0.125, 0),
    ADAM("[70,301]", "[70,301]", "[70,301]+", "[70,301]t", 0.5, 0.75, 0.125, 0.25),
    {IN("[3]", "[3]", "[3]+", "[3]", "[]+", "#1"), WITH(0.5, 0.75, 0.125, 0.25)},
    {IN("[2,2]", "[2,2]", "[2,2]+", "[2,2]", "[]", "[]+"), WITH(0.5, 0.75, 0.125, 0.25)},
    {IN("[3]", "[3]", "[3]+", "[3]", "[]", "[]+"), WITH(0, 0, 0.125, 0.25)},
    ADAM("[2,2]o", "[2,2]t", "[2,2]+", "[2,2]s", 0.5, 0.75, 0.125, 0),
    ADAM("[3]r", "[3]", "[3]+", "[3]o", 0.5, 0.75, 0.125, 0),
    ADAM("[2,1,2]", "[2,1,2]", "[2,1,2]+", "[2,1,2]", 0.5, 0.75, 0.125, 0.25)};
const samples samples_sgd_update = {GOOD_OF(sgd_update_good, 2), .scale = 4, .apply = sgd_update_apply,
                                    .reference = sgd_update_reference, .bad = sgd_update_bad};
const samples samples_adam_update = {GOOD_OF(adam_update_good, 3), .scale = 4, .apply = adam_update_apply,
                                     .reference = adam_update_reference, .bad = adam_update_bad};
