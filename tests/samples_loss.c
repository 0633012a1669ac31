/* samples_loss.c: the losses of pairs of tensors: a formula of an element each, and a reduction. */
#include "samples_loss.h"

/* ---- p0 the reduction, p1 ... what the formula reads ------------------------------------------------------------- */
#define PAIR_APPLY(name, call)                                                                          \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[]) \
    {                                                                                                   \
        const reel_loss_opts o = {.size = sizeof o, .reduction = (reel_reduction)s->p[0]};              \
        (void)d, (void)o;                                                                               \
        out[0] = call;                                                                                  \
        return reel_status();                                                                           \
    }
#define FORMULA(name, value)                                                           \
    static double name##_of(const double *v, const double *p)                          \
    {                                                                                  \
        const double x = v[0], t = v[1];                                               \
        (void)p, (void)t;                                                              \
        return value;                                                                  \
    }                                                                                  \
    static void name##_reference(const sample *s, reel_dtype d, const nd *in, nd *out) \
    {                                                                                  \
        loss_reference(s, d, in, out, name##_of);                                      \
    }
/* What every loss of two tensors refuses. CALL(x, t, o). */
#define PAIR_BAD(fn, name, CALL)                                                                            \
    static void fn##_bad(void)                                                                              \
    {                                                                                                       \
        reel_tensor *x = X("[2,3]"), *t = X("[2,3]+");                                                      \
        BAD(CALL(NULL, t, NULL), REEL_EARG, "reel_" #fn ": x is NULL");                                     \
        BAD(CALL(x, NULL, NULL), REEL_EARG, "reel_" #fn ": " name " is NULL");                              \
        BAD(CALL(dead(), t, NULL), REEL_EARG, "reel_" #fn ": x is|dead");                                   \
        BAD(CALL(x, dead(), NULL), REEL_EARG, name " is|dead");                                             \
        BAD(CALL(unset(), X("[2]"), NULL), REEL_EARG, "before it has a value");                             \
        BAD(CALL(X("[2]"), symbol(), NULL), REEL_ETRACE, "part of a graph");                                \
        BAD(CALL(XD("[2,3]", REEL_I32), t, NULL), REEL_EDTYPE, "reel_" #fn ": x is i32, allowed: f32");     \
        BAD(CALL(x, XD("[2,3]", REEL_F64), NULL), REEL_EDTYPE, "dtypes differ: x is f32 and " name " f64"); \
        BAD(CALL(x, X("[2,4]"), NULL), REEL_ESHAPE, "broadcast");                                           \
        BAD(CALL(x, t, REEL_OPTS(loss, .reduction = (reel_reduction)7)), REEL_EARG, "7 is no reduction");   \
    }
static const sample pair_good[] = {{IN("[]", "[]"), WITH(REEL_REDUCE_NONE)},
                                   {IN("[1]", "[1]"), WITH(REEL_REDUCE_MEAN)},
                                   {IN("[5]", "[5]"), WITH(REEL_REDUCE_SUM)},
                                   {IN("[3,4]", "[3,4]"), WITH(REEL_REDUCE_NONE)},
                                   {IN("[3,4]t", "[3,4]r"), WITH(REEL_REDUCE_MEAN)},
                                   {IN("[3,4]s", "[3,4]o"), WITH(REEL_REDUCE_SUM)},
                                   {IN("[3,4]", "[4]"), WITH(REEL_REDUCE_MEAN)},
                                   {IN("[3,1]", "[4]b"), WITH(REEL_REDUCE_NONE)},
                                   {IN("[3,4]", "#0.4"), WITH(REEL_REDUCE_MEAN)},
                                   {IN("[0]", "[0]"), WITH(REEL_REDUCE_SUM)},
                                   {IN("[2,0]", "[2,0]"), WITH(REEL_REDUCE_NONE)},
                                   {IN("[70,301]", "[70,301]t"), WITH(REEL_REDUCE_MEAN)},
                                   {IN("[3,9]!", "[3,9]"), WITH(REEL_REDUCE_NONE), .flags = NO_GRAD}};
#define PAIR_SAMPLES(name)                                                                                             \
    const samples samples_##name = {GOOD(pair_good), .scale = 8, .apply = name##_apply, .reference = name##_reference, \
                                    .bad = name##_bad};

PAIR_APPLY(mse_loss, reel_mse_loss(in[0], in[1], &o))
FORMULA(mse_loss, (x - t) * (x - t))
PAIR_BAD(mse_loss, "target", reel_mse_loss)
PAIR_SAMPLES(mse_loss)

PAIR_APPLY(l1_loss, reel_l1_loss(in[0], in[1], &o))
FORMULA(l1_loss, fabs(x - t))
PAIR_BAD(l1_loss, "target", reel_l1_loss)
PAIR_SAMPLES(l1_loss)

PAIR_APPLY(huber_loss, reel_huber_loss(in[0], in[1], 0.7, &o))
FORMULA(huber_loss, fabs(x - t) <= 0.7 ? (x - t) * (x - t) / 2 : 0.7 * (fabs(x - t) - 0.35))
#define CALL_HUBER(x, t, o) reel_huber_loss(x, t, 1, o)
PAIR_BAD(huber_loss, "target", CALL_HUBER)
static void all_huber_loss_bad(void)
{
    huber_loss_bad();
    BAD(reel_huber_loss(X("[2]"), X("[2]"), 0, NULL), REEL_EARG, "delta is 0");
    BAD(reel_huber_loss(X("[2]"), X("[2]"), NAN, NULL), REEL_EARG, "delta is nan");
    BAD(reel_huber_loss(X("[2]"), X("[2]"), -1, NULL), REEL_EARG, "delta is -1");
}
const samples samples_huber_loss = {GOOD(pair_good), .scale = 8, .apply = huber_loss_apply,
                                    .reference = huber_loss_reference, .bad = all_huber_loss_bad};

PAIR_APPLY(smooth_l1_loss, reel_smooth_l1_loss(in[0], in[1], s->p[1], &o))
FORMULA(smooth_l1_loss, p[1] == 0             ? fabs(x - t)
                        : fabs(x - t) <= p[1] ? (x - t) * (x - t) / 2 / p[1]
                                              : fabs(x - t) - p[1] / 2)
#define CALL_SMOOTH(x, t, o) reel_smooth_l1_loss(x, t, 1, o)
PAIR_BAD(smooth_l1_loss, "target", CALL_SMOOTH)
static void all_smooth_l1_loss_bad(void)
{
    smooth_l1_loss_bad();
    BAD(reel_smooth_l1_loss(X("[2]"), X("[2]"), -1, NULL), REEL_EARG, "beta is -1");
    BAD(reel_smooth_l1_loss(X("[2]"), X("[2]"), NAN, NULL), REEL_EARG, "beta is nan");
}
static const sample smooth_good[] = {
    {IN("[]", "[]"), WITH(2, 0.7)},         {IN("[1]", "[1]"), WITH(0, 0.7)},
    {IN("[5]", "[5]"), WITH(1, 0.7)},       {IN("[3,4]", "[3,4]"), WITH(2, 0)},
    {IN("[3,4]t", "[3,4]r"), WITH(0, 0.3)}, {IN("[3,4]s", "[3,4]o"), WITH(1, 2.3)},
    {IN("[3,4]", "[4]"), WITH(0, 0.7)},     {IN("[3,1]", "[4]b"), WITH(2, 0.7)},
    {IN("[3,4]", "#0.4"), WITH(0, 0.7)},    {IN("[0]", "[0]"), WITH(1, 0.7)},
    {IN("[2,0]", "[2,0]"), WITH(2, 0)},     {IN("[70,301]", "[70,301]t"), WITH(0, 0.7)}};
const samples samples_smooth_l1_loss = {GOOD(smooth_good), .scale = 8, .apply = smooth_l1_loss_apply,
                                        .reference = smooth_l1_loss_reference, .bad = all_smooth_l1_loss_bad};

PAIR_APPLY(hinge_loss, reel_hinge_loss(in[0], in[1], &o))
FORMULA(hinge_loss, fmax(0, 1 - x * t))
PAIR_BAD(hinge_loss, "y", reel_hinge_loss)
const samples samples_hinge_loss = {.good = pair_good,
                                    .n_good = 12,
                                    .n_out = 1,
                                    .scale = 8,
                                    .apply = hinge_loss_apply,
                                    .reference = hinge_loss_reference,
                                    .bad = hinge_loss_bad};

PAIR_APPLY(soft_margin_loss, reel_soft_margin_loss(in[0], in[1], &o))
FORMULA(soft_margin_loss, log1p(exp(-x *t)))
PAIR_BAD(soft_margin_loss, "y", reel_soft_margin_loss)
const samples samples_soft_margin_loss = {.good = pair_good,
                                          .n_good = 12,
                                          .n_out = 1,
                                          .scale = 8,
                                          .apply = soft_margin_loss_apply,
                                          .reference = soft_margin_loss_reference,
                                          .bad = soft_margin_loss_bad};

/* y: 1 where it is positive, otherwise -1 */
static reel_tensor *signs(reel_tensor *y)
{
    return reel_sign(reel_stop_gradient(y));
}
PAIR_APPLY(hinge_embedding_loss,
           reel_hinge_embedding_loss(in[0], s->in[1][0] == '#' ? reel_num(1) : signs(in[1]), 1.25, &o))
FORMULA(hinge_embedding_loss, t > 0 ? x : fmax(0, 1.25 - x))
#define CALL_HINGE_EMBEDDING(x, t, o) reel_hinge_embedding_loss(x, t, 1, o)
PAIR_BAD(hinge_embedding_loss, "y", CALL_HINGE_EMBEDDING)
static void all_hinge_embedding_loss_bad(void)
{
    hinge_embedding_loss_bad();
    BAD(reel_hinge_embedding_loss(X("[2]"), X("[2]"), NAN, NULL), REEL_EARG, "margin is nan");
}
const samples samples_hinge_embedding_loss = {.good = pair_good,
                                              .n_good = 12,
                                              .n_out = 1,
                                              .scale = 8,
                                              .apply = hinge_embedding_loss_apply,
                                              .reference = hinge_embedding_loss_reference,
                                              .bad = all_hinge_embedding_loss_bad};

/* ---- likelihoods: p1, p2 their switches ------------------------------------------------------------------------------ */
static int kl_div_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_kl_div_opts o = {
        .size = sizeof o, .reduction = (reel_reduction)s->p[0], .log_target = s->p[1] != 0, .batch_mean = s->p[2] != 0};
    (void)d;
    out[0] = reel_kl_div(in[0], in[1], &o);
    return reel_status();
}
static double kl_div_of(const double *v, const double *p)
{
    const double x = v[0], t = v[1];
    return p[1] != 0 ? exp(t) * (t - x) : t == 0 ? 0 : t * (log(t) - x);
}
static void kl_div_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    sample sum = *s;
    if (s->p[2] != 0) sum.p[0] = REEL_REDUCE_SUM;
    loss_reference(&sum, d, in, out, kl_div_of);
    if (s->p[2] != 0) out->data[0] /= (double)in[0].shape.dims[0];
}
#define CALL_KL(x, t, o) reel_kl_div(x, t, (o) ? REEL_OPTS(kl_div, .reduction = (reel_reduction)7) : NULL)
PAIR_BAD(kl_div, "target", CALL_KL)
static const sample kl_good[] = {{IN("[]", "[]+"), WITH(2)},
                                 {IN("[1]", "[1]+"), WITH(0)},
                                 {IN("[5]", "[5]"), WITH(1, 1)},
                                 {IN("[3,4]", "[3,4]+"), WITH(2)},
                                 {IN("[3,4]", "[3,4]="), WITH(0, 1), .flags = NO_GRAD},
                                 {IN("[3,4]t", "[3,4]r+"), WITH(0)},
                                 {IN("[3,4]s", "[3,4]o"), WITH(1, 1)},
                                 {IN("[3,4]", "[4]+"), WITH(0, 0, 1)},
                                 {IN("[3,4]", "[3,4]b"), WITH(0, 1, 1)},
                                 {IN("[3,1]", "[4]+"), WITH(2)},
                                 {IN("[0]", "[0]+"), WITH(1)},
                                 {IN("[2,0]", "[2,0]+"), WITH(2)},
                                 {IN("[70,301]", "[70,301]t+"), WITH(0)}};
const samples samples_kl_div = {GOOD(kl_good), .scale = 16, .apply = kl_div_apply, .reference = kl_div_reference,
                                .bad = kl_div_bad};

/* p1 no_log, p2 full */
static int poisson_nll_loss_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_poisson_nll_opts o = {
        .size = sizeof o, .reduction = (reel_reduction)s->p[0], .no_log = s->p[1] != 0, .full = s->p[2] != 0};
    (void)d;
    out[0] = reel_poisson_nll_loss(in[0], in[1], &o);
    return reel_status();
}
static double poisson_nll_loss_of(const double *v, const double *p)
{
    const double x = v[0], t = v[1], pi = 3.14159265358979323846;
    const double l = p[1] != 0 ? x - t * log(x + 1e-8) : exp(x) - t * x;
    return l + (p[2] != 0 && t > 1 ? t * log(t) - t + 0.5 * log(2 * pi * t) : 0);
}
static void poisson_nll_loss_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    loss_reference(s, d, in, out, poisson_nll_loss_of);
}
#define CALL_POISSON(x, t, o) \
    reel_poisson_nll_loss(x, t, (o) ? REEL_OPTS(poisson_nll, .reduction = (reel_reduction)7) : NULL)
PAIR_BAD(poisson_nll_loss, "target", CALL_POISSON)
static void all_poisson_nll_loss_bad(void)
{
    poisson_nll_loss_bad();
    BAD(reel_poisson_nll_loss(X("[2]"), X("[2]"), REEL_OPTS(poisson_nll, .eps = -1)), REEL_EARG, "eps is -1");
}
static const sample poisson_good[] = {{IN("[]", "[]+"), WITH(2)},
                                      {IN("[1]", "[1]+"), WITH(0)},
                                      {IN("[5]", "[5]+"), WITH(1)},
                                      {IN("[3,4]+", "[3,4]+"), WITH(2, 1)},
                                      {IN("[3,4]t", "[3,4]r+"), WITH(0, 0, 1)},
                                      {IN("[3,4]s+", "[3,4]o+"), WITH(1, 1, 1)},
                                      {IN("[3,4]", "[4]+"), WITH(0)},
                                      {IN("[3,4]", "[3,4]b+"), WITH(0)},
                                      {IN("[3,1]", "[4]+"), WITH(2)},
                                      {IN("[0]", "[0]+"), WITH(1)},
                                      {IN("[2,0]", "[2,0]+"), WITH(2)},
                                      {IN("[70,301]", "[70,301]t+"), WITH(0)}};
const samples samples_poisson_nll_loss = {GOOD(poisson_good), .scale = 16, .apply = poisson_nll_loss_apply,
                                          .reference = poisson_nll_loss_reference, .bad = all_poisson_nll_loss_bad};

/* third operand: the variance; p1 full, p2 eps */
static int gaussian_nll_loss_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_gaussian_nll_opts o = {
        .size = sizeof o, .reduction = (reel_reduction)s->p[0], .full = s->p[1] != 0, .eps = s->p[2]};
    (void)d;
    out[0] = reel_gaussian_nll_loss(in[0], in[1], in[2], &o);
    return reel_status();
}
static double gaussian_nll_loss_of(const double *v, const double *p)
{
    const double var = fmax(v[2], p[2] != 0 ? p[2] : 1e-6), c = v[0] - v[1], pi = 3.14159265358979323846;
    return 0.5 * (log(var) + c * c / var) + (p[1] != 0 ? 0.5 * log(2 * pi) : 0);
}
static void gaussian_nll_loss_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    loss_reference(s, d, in, out, gaussian_nll_loss_of);
}
#define CALL_GAUSS(x, t, o) \
    reel_gaussian_nll_loss(x, t, x, (o) ? REEL_OPTS(gaussian_nll, .reduction = (reel_reduction)7) : NULL)
PAIR_BAD(gaussian_nll_loss, "target", CALL_GAUSS)
static void all_gaussian_nll_loss_bad(void)
{
    reel_tensor *x = X("[2]");
    gaussian_nll_loss_bad();
    BAD(reel_gaussian_nll_loss(x, x, NULL, NULL), REEL_EARG, "var is NULL");
    BAD(reel_gaussian_nll_loss(x, x, x, REEL_OPTS(gaussian_nll, .eps = NAN)), REEL_EARG, "eps is nan");
}
static const sample gaussian_good[] = {{IN("[]", "[]", "[]+"), WITH(2)},
                                       {IN("[1]", "[1]", "[1]+"), WITH(0, 1)},
                                       {IN("[5]", "[5]", "[5]+"), WITH(1)},
                                       {IN("[3,4]", "[3,4]", "[4]+"), WITH(2)},
                                       {IN("[3,4]t", "[3,4]r", "[3,4]s+"), WITH(0)},
                                       {IN("[3,4]s", "[3,4]o", "[3,1]+"), WITH(1, 1)},
                                       {IN("[3,4]", "[4]", "[3,4]+"), WITH(0)},
                                       {IN("[3,4]", "[3,4]b", "[3,4]b+"), WITH(0)},
                                       {IN("[3,1]", "[4]", "[]+"), WITH(2)},
                                       {IN("[3,4]", "[3,4]", "[3,4]"), WITH(2, 0, 0.61)},
                                       {IN("[0]", "[0]", "[0]+"), WITH(1)},
                                       {IN("[2,0]", "[2,0]", "[2,0]+"), WITH(2)},
                                       {IN("[70,301]", "[70,301]t", "[301]+"), WITH(0)}};
const samples samples_gaussian_nll_loss = {GOOD(gaussian_good), .scale = 16, .apply = gaussian_nll_loss_apply,
                                           .reference = gaussian_nll_loss_reference, .bad = all_gaussian_nll_loss_bad};

/* ---- binary_cross_entropy and with_logits: third operand weight, fourth pos_weight; sigmoid_cross_entropy ------------------ */
static reel_binary_cross_entropy_opts binary_opts(const sample *s, reel_tensor *const in[])
{
    return (reel_binary_cross_entropy_opts){.size = sizeof(reel_binary_cross_entropy_opts),
                                            .reduction = (reel_reduction)s->p[0],
                                            .weight = in[2],
                                            .pos_weight = in[3]};
}
static int binary_cross_entropy_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_binary_cross_entropy_opts o = binary_opts(s, in);
    (void)d; /* probabilities: halves of what lies in (0, 2) */
    out[0] = reel_binary_cross_entropy(reel_mul(in[0], reel_num(0.5)), reel_mul(in[1], reel_num(0.5)), &o);
    return reel_status();
}
static double binary_cross_entropy_of(const double *v, const double *p)
{
    const double x = v[0] / 2, t = v[1] / 2;
    (void)p;
    return -(t * fmax(log(x), -100) + (1 - t) * fmax(log1p(-x), -100)) * v[2];
}
static void binary_cross_entropy_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    loss_reference(s, d, in, out, binary_cross_entropy_of);
}
static int with_logits_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_binary_cross_entropy_opts o = binary_opts(s, in);
    (void)d;
    out[0] = reel_binary_cross_entropy_with_logits(in[0], in[1], &o);
    return reel_status();
}
static double with_logits_of(const double *v, const double *p)
{
    const double x = v[0], t = v[1];
    (void)p;
    return ((1 - t) * x + (1 + (v[3] - 1) * t) * log1p(exp(-x))) * v[2];
}
static void with_logits_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    loss_reference(s, d, in, out, with_logits_of);
}
#define CALL_BCE(x, t, o) \
    reel_binary_cross_entropy(x, t, (o) ? REEL_OPTS(binary_cross_entropy, .reduction = (reel_reduction)7) : NULL)
#define CALL_LOGITS(x, t, o)               \
    reel_binary_cross_entropy_with_logits( \
        x, t, (o) ? REEL_OPTS(binary_cross_entropy, .reduction = (reel_reduction)7) : NULL)
PAIR_BAD(binary_cross_entropy, "target", CALL_BCE)
PAIR_BAD(binary_cross_entropy_with_logits, "target", CALL_LOGITS)
static void all_binary_bad(void)
{
    reel_tensor *x = X("[2]");
    binary_cross_entropy_bad();
    BAD(reel_binary_cross_entropy(x, x, REEL_OPTS(binary_cross_entropy, .pos_weight = x)), REEL_EARG,
        "pos_weight is for");
    BAD(reel_binary_cross_entropy(x, x, REEL_OPTS(binary_cross_entropy, .weight = dead())), REEL_EARG,
        "weight is|dead");
}
static void all_logits_bad(void)
{
    reel_tensor *x = X("[2]"), *w = XD("[2]", REEL_F64);
    binary_cross_entropy_with_logits_bad();
    BAD(reel_binary_cross_entropy_with_logits(x, x, REEL_OPTS(binary_cross_entropy, .pos_weight = w)), REEL_EDTYPE,
        "dtypes differ: x is f32 and pos_weight f64");
}
static const sample binary_good[] = {
    {IN("[]+", "[]+"), WITH(2)},         {IN("[1]+", "[1]+"), WITH(0)},
    {IN("[5]+", "[5]+"), WITH(1)},       {IN("[3,4]+", "[3,4]+", "[4]"), WITH(2)},
    {IN("[3,4]t+", "[3,4]r+"), WITH(0)}, {IN("[3,4]s+", "[3,4]o+", "[3,1]"), WITH(1)},
    {IN("[3,4]+", "[4]+"), WITH(0)},     {IN("[3,4]+", "[3,4]b+"), WITH(0)},
    {IN("[3,1]+", "[4]+"), WITH(2)},     {IN("[0]+", "[0]+"), WITH(1)},
    {IN("[2,0]+", "[2,0]+"), WITH(2)},   {IN("[70,301]+", "[70,301]t+", "[301]"), WITH(0)}};
static const sample logits_good[] = {{IN("[]", "[]+"), WITH(2)},
                                     {IN("[1]", "[1]+"), WITH(0)},
                                     {IN("[5]", "[5]+"), WITH(1)},
                                     {IN("[3,4]", "[3,4]+", "[4]"), WITH(2)},
                                     {IN("[3,4]", "[3,4]+", "[3,4]", "[4]+"), WITH(2)},
                                     {IN("[3,4]t", "[3,4]r", "[1]", "[4]r+"), WITH(0)},
                                     {IN("[3,4]s", "[3,4]o", "[3,1]"), WITH(1)},
                                     {IN("[3,4]", "[4]", "[]", "[3,4]"), WITH(0)},
                                     {IN("[3,1]", "[4]"), WITH(2)},
                                     {IN("[0]", "[0]"), WITH(1)},
                                     {IN("[2,0]", "[2,0]"), WITH(2)},
                                     {IN("[70,301]", "[70,301]t", "[301]"), WITH(0)}};
const samples samples_binary_cross_entropy = {GOOD(binary_good), .scale = 32, .apply = binary_cross_entropy_apply,
                                              .reference = binary_cross_entropy_reference, .bad = all_binary_bad};
const samples samples_binary_cross_entropy_with_logits = {GOOD(logits_good), .scale = 16, .apply = with_logits_apply,
                                                          .reference = with_logits_reference, .bad = all_logits_bad};

PAIR_APPLY(sigmoid_cross_entropy, reel_sigmoid_cross_entropy(in[0], in[1]))
static void sigmoid_cross_entropy_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    sample none = *s;
    none.p[0] = REEL_REDUCE_NONE;
    loss_reference(&none, d, in, out, with_logits_of);
}
static void sigmoid_cross_entropy_bad(void)
{
    reel_tensor *x = X("[2,3]");
    BAD(reel_sigmoid_cross_entropy(NULL, x), REEL_EARG, "is NULL");
    BAD(reel_sigmoid_cross_entropy(x, NULL), REEL_EARG, "is NULL");
    BAD(reel_sigmoid_cross_entropy(dead(), x), REEL_EARG, "dead");
    BAD(reel_sigmoid_cross_entropy(x, dead()), REEL_EARG, "dead");
    BAD(reel_sigmoid_cross_entropy(x, unset()), REEL_EARG, "before it has a value");
    BAD(reel_sigmoid_cross_entropy(symbol(), x), REEL_ETRACE, "part of a graph");
    BAD(reel_sigmoid_cross_entropy(x, XD("[2,3]", REEL_F64)), REEL_EDTYPE, "dtypes differ");
    BAD(reel_sigmoid_cross_entropy(XD("[2]", REEL_I32), XD("[2]", REEL_I32)), REEL_EDTYPE, "i32, allowed");
    BAD(reel_sigmoid_cross_entropy(x, X("[2,4]")), REEL_ESHAPE, "broadcast");
    BAD(reel_sigmoid_cross_entropy(XD("[2]", REEL_BOOL), XD("[2]", REEL_BOOL)), REEL_EDTYPE, "bool, allowed");
}
const samples samples_sigmoid_cross_entropy = {.good = pair_good,
                                               .n_good = 12,
                                               .n_out = 1,
                                               .scale = 8,
                                               .apply = sigmoid_cross_entropy_apply,
                                               .reference = sigmoid_cross_entropy_reference,
                                               .bad = sigmoid_cross_entropy_bad};
