/* samples_class.c: losses over classes and over vectors, ctc, hardmax. */
#include "samples_loss.h"

#define UNUSED (void)s, (void)d
#define APPLY(name, call)                                                                               \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[]) \
    {                                                                                                   \
        UNUSED;                                                                                         \
        out[0] = call;                                                                                  \
        return reel_status();                                                                           \
    }

/* ---- cross_entropy, nll_loss: p0 reduction, p1 ignore, p2 ignore_index, p3 label_smoothing, p4 channels_last;
   operands logits, target, weight ---------------------------------------------------------------------------------- */
static reel_cross_entropy_opts class_opts(const sample *s, reel_tensor *weight)
{
    return (reel_cross_entropy_opts){.size = sizeof(reel_cross_entropy_opts),
                                     .reduction = (reel_reduction)s->p[0],
                                     .weight = weight,
                                     .ignore = s->p[1] != 0,
                                     .ignore_index = (int64_t)s->p[2],
                                     .label_smoothing = s->p[3],
                                     .channels_last = s->p[4] != 0};
}

static int cross_entropy_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_cross_entropy_opts o = class_opts(s, in[2]);
    UNUSED;
    out[0] = reel_cross_entropy(in[0], in[1], &o);
    return reel_status();
}

static int nll_loss_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_cross_entropy_opts o = class_opts(s, in[2]);
    UNUSED;
    out[0] = reel_nll_loss(in[0], in[1], &o);
    return reel_status();
}

/* Row r of x: its elements and classes. */
static void class_row(const sample *s, const nd *x, int64_t r, double *row, bool log_softmax)
{
    const int rank = x->shape.rank, axis = s->p[4] != 0 ? rank - 1 : rank > 1;
    const int64_t n = x->shape.dims[axis];
    int64_t step = 1;
    double max = -INFINITY, sum = 0;
    for (int i = axis + 1; i < rank; i++) step *= x->shape.dims[i];
    const int64_t first = r / step * step * n + r % step;
    for (int64_t c = 0; c < n; c++) row[c] = x->data[first + c * step];
    if (!log_softmax) return;
    for (int64_t c = 0; c < n; c++) max = fmax(max, row[c]);
    for (int64_t c = 0; c < n; c++) sum += exp(row[c] - max);
    for (int64_t c = 0; c < n; c++) row[c] -= max + log(sum);
}

static void classes_of(const sample *s, reel_dtype d, const nd *in, nd *out, bool logits)
{
    const nd *x = &in[0];
    const int rank = x->shape.rank, axis = s->p[4] != 0 ? rank - 1 : rank > 1;
    const int64_t n = x->shape.dims[axis];
    reel_shape rows = {.rank = rank - 1};
    for (int i = 0; i < rank - 1; i++) rows.dims[i] = x->shape.dims[i + (i >= axis)];
    const int64_t n_rows = reel_shape_count(rows);
    double *loss = calloc((size_t)n_rows + 1, sizeof *loss), *row = calloc((size_t)n + 1, sizeof *row);
    double *t = calloc((size_t)n + 1, sizeof *t), total = 0;
    for (int64_t r = 0; r < n_rows; r++) {
        double w = 1;
        class_row(s, x, r, row, logits);
        if (is_int(in[1].dtype)) {
            const int64_t label = (int64_t)in[1].data[r];
            if (s->p[1] != 0 && label == (int64_t)s->p[2]) continue;
            for (int64_t c = 0; c < n; c++) t[c] = c == label;
            if (s->in[2]) w = in[2].data[label];
        } else {
            class_row(s, &in[1], r, t, false);
        }
        total += w;
        for (int64_t c = 0; c < n; c++) {
            const double target = t[c] * (1 - s->p[3]) + s->p[3] / (double)n;
            loss[r] -= target * row[c] * (s->in[2] ? in[2].data[c] : 1);
        }
    }
    loss_reduce(s, d, rows, loss, total, out);
    free(loss), free(row), free(t);
}

static void cross_entropy_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    classes_of(s, d, in, out, true);
}

static void nll_loss_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    classes_of(s, d, in, out, false);
}

#define CLASS_BAD(fn, arg)                                                                                           \
    static void fn##_bad(void)                                                                                       \
    {                                                                                                                \
        reel_tensor *x = X("[2,3]"), *l = X("[2]L3");                                                                \
        BAD(reel_##fn(NULL, l, NULL), REEL_EARG, "reel_" #fn ": " arg " is NULL");                                   \
        BAD(reel_##fn(x, NULL, NULL), REEL_EARG, "reel_" #fn ": target is NULL");                                    \
        BAD(reel_##fn(dead(), l, NULL), REEL_EARG, "dead");                                                          \
        BAD(reel_##fn(x, dead(), NULL), REEL_EARG, "dead");                                                          \
        BAD(reel_##fn(XD("[2,3]", REEL_I32), l, NULL), REEL_EDTYPE, "reel_" #fn ": " arg " is i32, allowed");        \
        BAD(reel_##fn(X("[]"), l, NULL), REEL_ESHAPE, "reel_" #fn ": " arg " is a scalar");                          \
        BAD(reel_##fn(x, X("[3]L3"), NULL), REEL_ESHAPE, "labels have shape [3]");                                   \
        BAD(reel_##fn(x, X("[2]L9"), NULL), REEL_EARG, "label 7 at row 1 is out of range for 3 classes");            \
        BAD(reel_##fn(X("[2,3,4]"), l, NULL), REEL_ESHAPE, "labels have shape [2]");                                 \
        BAD(reel_##fn(x, l, REEL_OPTS(cross_entropy, .reduction = (reel_reduction)5)), REEL_EARG,                    \
            "5 is no reduction");                                                                                    \
        BAD(reel_##fn(x, l, REEL_OPTS(cross_entropy, .weight = X("[2]"))), REEL_ESHAPE, "weight has shape [2]");     \
        BAD(reel_##fn(x, l, REEL_OPTS(cross_entropy, .weight = XD("[3]", REEL_F64))), REEL_EDTYPE, "dtypes differ"); \
        BAD(reel_##fn(x, l, REEL_OPTS(cross_entropy, .weight = dead())), REEL_EARG, "weight is|dead");               \
        BAD(reel_##fn(x, l, REEL_OPTS(cross_entropy, .label_smoothing = NAN)), REEL_EARG, "label_smoothing is nan"); \
    }
CLASS_BAD(cross_entropy, "logits")
CLASS_BAD(nll_loss, "log_probs")

static void all_cross_entropy_bad(void)
{
    reel_tensor *x = X("[2,3]");
    cross_entropy_bad();
    BAD(reel_cross_entropy(x, X("[2,4]"), NULL), REEL_ESHAPE,
        "a distribution of shape [2,4] for logits of shape [2,3]");
    BAD(reel_cross_entropy(x, XD("[2,3]", REEL_F64), NULL), REEL_EDTYPE, "expected integer labels or f32");
    BAD(reel_cross_entropy(x, XD("[2]", REEL_BOOL), NULL), REEL_EDTYPE, "target is bool");
}

static void all_nll_loss_bad(void)
{
    reel_tensor *x = X("[2,3]"), *l = X("[2]L3");
    nll_loss_bad();
    BAD(reel_nll_loss(x, l, REEL_OPTS(cross_entropy, .label_smoothing = 0.1)), REEL_EARG, "is for reel_cross_entropy");
    BAD(reel_nll_loss(x, X("[2]"), NULL), REEL_EDTYPE, "labels is f32");
}

#define N REEL_REDUCE_NONE
#define S REEL_REDUCE_SUM
#define M REEL_REDUCE_MEAN
static const sample cross_entropy_good[] = {{IN("[5]", "[]L5"), WITH(N)},
                                            {IN("[1,1]", "[1]L1"), WITH(M)},
                                            {IN("[3,4]", "[3]L4"), WITH(M)},
                                            {IN("[3,4]t", "[3]rL4", "[4]+"), WITH(M)},
                                            {IN("[3,4]", "[3]L4"), WITH(M, 1, 1)},
                                            {IN("[3,4]", "[3]sL4", "[4]+"), WITH(N, 1, 0)},
                                            {IN("[3,4]", "[3]L4"), WITH(S, 0, 0, 0.1)},
                                            {IN("[3,4]", "[3]L4", "[4]+"), WITH(M, 1, 3, 0.25)},
                                            {IN("[2,3,4]", "[2,4]L3"), WITH(N)},
                                            {IN("[2,3,2]r", "[2,2]L3", "[3]s+"), WITH(M, 1, 2, 0.1)},
                                            {IN("[2,3,4]", "[2,3]L4"), WITH(M, 0, 0, 0, 1)},
                                            {IN("[1,3,2,2]s", "[1,2,2]oL3"), WITH(S)},
                                            {IN("[3,4]", "[3,4]+"), WITH(M)},
                                            {IN("[3,4]o", "[3,4]t", "[4]+"), WITH(N, 0, 0, 0.2)},
                                            {IN("[2,3,2]", "[2,3,2]+", "[3]"), WITH(S)},
                                            {IN("[4]", "[4]+"), WITH(M)},
                                            {IN("[0,4]", "[0]L4"), WITH(S)},
                                            {IN("[70,30,9]", "[70,9]L30", "[30]+"), WITH(M, 1, 4, 0.1)}};
static const sample nll_loss_good[] = {{IN("[5]", "[]L5"), WITH(N)},
                                       {IN("[1,1]", "[1]L1"), WITH(M)},
                                       {IN("[3,4]", "[3]L4"), WITH(M)},
                                       {IN("[3,4]t", "[3]rL4", "[4]+"), WITH(M)},
                                       {IN("[3,4]", "[3]L4"), WITH(M, 1, 1)},
                                       {IN("[3,4]b", "[3]sL4", "[4]+"), WITH(N, 1, 0)},
                                       {IN("[2,3,4]", "[2,4]L3"), WITH(N)},
                                       {IN("[2,3,2]r", "[2,2]L3", "[3]s+"), WITH(M, 1, 2)},
                                       {IN("[2,3,4]", "[2,3]L4"), WITH(M, 0, 0, 0, 1)},
                                       {IN("[1,3,2,2]s", "[1,2,2]oL3"), WITH(S)},
                                       {IN("[0,4]", "[0]L4"), WITH(S)},
                                       {IN("[3,4]", "[3]L4"), WITH(M, 1, -100)},
                                       {IN("[70,30,9]", "[70,9]L30", "[30]+"), WITH(M, 1, 4)}};
const samples samples_cross_entropy = {GOOD(cross_entropy_good), .scale = 16, .apply = cross_entropy_apply,
                                       .reference = cross_entropy_reference, .bad = all_cross_entropy_bad};
const samples samples_nll_loss = {GOOD(nll_loss_good), .scale = 8, .apply = nll_loss_apply,
                                  .reference = nll_loss_reference, .bad = all_nll_loss_bad};

/* ---- pick: p1 ignore, p2 index ------------------------------------------------------------------------------------------- */
APPLY(pick, reel_pick_label_at_(REEL_HERE, in[0], in[1], s->p[1] != 0, (int64_t)s->p[2]))

static void pick_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int64_t n = in[0].shape.dims[in[0].shape.rank - 1];
    nd_make(out, d, in[1].shape);
    for (int64_t i = 0; i < out->count; i++)
        if (s->p[1] == 0 || in[1].data[i] != s->p[2]) out->data[i] = in[0].data[i * n + (int64_t)in[1].data[i]];
}

static void pick_bad(void)
{
    reel_tensor *x = X("[2,3]"), *l = X("[2]L3");
    BAD(reel_pick_label_at_(REEL_HERE, NULL, l, false, 0), REEL_EARG, "x is NULL");
    BAD(reel_pick_label_at_(REEL_HERE, x, NULL, false, 0), REEL_EARG, "labels is NULL");
    BAD(reel_pick_label_at_(REEL_HERE, dead(), l, false, 0), REEL_EARG, "dead");
    BAD(reel_pick_label_at_(REEL_HERE, x, dead(), false, 0), REEL_EARG, "dead");
    BAD(reel_pick_label_at_(REEL_HERE, symbol(), l, false, 0), REEL_ETRACE, "part of a graph");
    BAD(reel_pick_label_at_(REEL_HERE, X("[]"), l, false, 0), REEL_ESHAPE, "is a scalar");
    BAD(reel_pick_label_at_(REEL_HERE, x, X("[3]L3"), false, 0), REEL_ESHAPE, "labels have shape [3]");
    BAD(reel_pick_label_at_(REEL_HERE, x, X("[2]"), false, 0), REEL_EDTYPE, "labels is f32");
    BAD(reel_pick_label_at_(REEL_HERE, x, X("[2]L9"), true, 0), REEL_EARG,
        "label 7 at row 1 is out of range for 3 classes");
    BAD(reel_pick_label_at_(REEL_HERE, XD("[2,3]", REEL_I32), l, false, 0), REEL_EDTYPE, "x is i32, allowed");
}

static const sample pick_good[] = {{IN("[5]", "[]L5")},
                                   {IN("[1,1]", "[1]L1")},
                                   {IN("[3,4]", "[3]L4")},
                                   {IN("[3,4]t", "[3]rL4"), WITH(0, 1, 2)},
                                   {IN("[3,4]r", "[3]sL4")},
                                   {IN("[3,4]s", "[3]oL4")},
                                   {IN("[3,4]o", "[3]bL4")},
                                   {IN("[2,3,4]b", "[2,3]L4"), WITH(0, 1, 0)},
                                   {IN("[2,3,4]t", "[2,3]tL4")},
                                   {IN("[0,4]", "[0]L4")},
                                   {IN("[9,4]!", "[9]L4"), .flags = NO_GRAD},
                                   {IN("[70,301]", "[70]L301"), WITH(0, 1, 5)}};
const samples samples_pick_label = {GOOD(pick_good), .apply = pick_apply, .reference = pick_reference, .bad = pick_bad};

/* ---- multi_margin_loss: p0 reduction, p1 margin, p2 p; third operand weight ----------------------------------------------- */
static int multi_margin_loss_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_multi_margin_opts o = {
        .size = sizeof o, .reduction = (reel_reduction)s->p[0], .margin = s->p[1], .p = (int)s->p[2], .weight = in[2]};
    UNUSED;
    out[0] = reel_multi_margin_loss(in[0], in[1], &o);
    return reel_status();
}

static void multi_margin_loss_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int64_t n = in[0].shape.dims[in[0].shape.rank - 1], n_rows = in[1].count;
    const double margin = s->p[1] != 0 ? s->p[1] : 1;
    double *loss = calloc((size_t)n_rows + 1, sizeof *loss);
    for (int64_t r = 0; r < n_rows; r++) {
        const double *x = in[0].data + r * n;
        const int64_t l = (int64_t)in[1].data[r];
        for (int64_t c = 0; c < n; c++)
            if (c != l) loss[r] += pow(fmax(0, margin - x[l] + x[c]), s->p[2] == 2 ? 2 : 1) / (double)n;
        if (s->in[2]) loss[r] *= in[2].data[l];
    }
    loss_reduce(s, d, in[1].shape, loss, (double)n_rows, out);
    free(loss);
}

static void multi_margin_loss_bad(void)
{
    reel_tensor *x = X("[2,3]"), *l = X("[2]L3");
    BAD(reel_multi_margin_loss(NULL, l, NULL), REEL_EARG, "reel_multi_margin_loss: x is NULL");
    BAD(reel_multi_margin_loss(x, NULL, NULL), REEL_EARG, "is NULL");
    BAD(reel_multi_margin_loss(dead(), l, NULL), REEL_EARG, "dead");
    BAD(reel_multi_margin_loss(X("[]"), l, NULL), REEL_ESHAPE, "x is a scalar");
    BAD(reel_multi_margin_loss(x, X("[3]L3"), NULL), REEL_ESHAPE, "labels have shape [3]");
    BAD(reel_multi_margin_loss(x, X("[2]L9"), NULL), REEL_EARG, "label 7 at row 1");
    BAD(reel_multi_margin_loss(x, l, REEL_OPTS(multi_margin, .p = 3)), REEL_EARG, "p 3");
    BAD(reel_multi_margin_loss(x, l, REEL_OPTS(multi_margin, .margin = NAN)), REEL_EARG, "margin is nan");
    BAD(reel_multi_margin_loss(x, l, REEL_OPTS(multi_margin, .weight = X("[2]"))), REEL_ESHAPE, "weight has shape [2]");
    BAD(reel_multi_margin_loss(x, l, REEL_OPTS(multi_margin, .reduction = (reel_reduction)4)), REEL_EARG,
        "4 is no red");
    BAD(reel_multi_margin_loss(XD("[2,3]", REEL_I32), l, NULL), REEL_EDTYPE, "x is i32, allowed");
}

static const sample multi_margin_good[] = {{IN("[5]", "[]L5"), WITH(N)},
                                           {IN("[1,1]", "[1]L1"), WITH(M)},
                                           {IN("[3,4]", "[3]L4"), WITH(M)},
                                           {IN("[3,4]t", "[3]rL4"), WITH(S, 0.3)},
                                           {IN("[3,4]r", "[3]L4"), WITH(N, 0, 2)},
                                           {IN("[3,4]s", "[3]sL4", "[4]+"), WITH(M, 0, 1)},
                                           {IN("[3,4]o", "[3]bL4", "[4]+"), WITH(N, 0.7, 2)},
                                           {IN("[2,3,4]", "[2,3]L4"), WITH(N)},
                                           {IN("[2,5]", "[2]L5"), WITH(M, -0.25)},
                                           {IN("[0,4]", "[0]L4"), WITH(S)},
                                           {IN("[6,2]", "[6]L2"), WITH(M)},
                                           {IN("[70,30]", "[70]L30", "[30]"), WITH(M)}};
const samples samples_multi_margin_loss = {GOOD(multi_margin_good), .scale = 16, .apply = multi_margin_loss_apply,
                                           .reference = multi_margin_loss_reference, .bad = multi_margin_loss_bad};

/* ---- hardmax: p0 axis ----------------------------------------------------------------------------------------------------------- */
APPLY(hardmax, reel_hardmax(in[0], (int)s->p[0]))

static void hardmax_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const nd *x = &in[0];
    const int axis = (int)s->p[0] < 0 ? (int)s->p[0] + x->shape.rank : (int)s->p[0];
    const int64_t n = x->shape.dims[axis];
    int64_t step = 1;
    for (int i = axis + 1; i < x->shape.rank; i++) step *= x->shape.dims[i];
    nd_make(out, d, x->shape);
    for (int64_t i = 0; i < x->count; i++) {
        const int64_t first = i - i / step % n * step;
        int64_t best = 0;
        for (int64_t k = 1; k < n; k++)
            if (x->data[first + k * step] > x->data[first + best * step]) best = k;
        out->data[i] = i / step % n == best;
    }
}

static void hardmax_bad(void)
{
    BAD(reel_hardmax(NULL, 0), REEL_EARG, "reel_hardmax: x is NULL");
    BAD(reel_hardmax(dead(), 0), REEL_EARG, "dead");
    BAD(reel_hardmax(unset(), 0), REEL_EARG, "before it has a value");
    BAD(reel_hardmax(symbol(), 0), REEL_ETRACE, "part of a graph");
    BAD(reel_hardmax(X("[2,3]"), 2), REEL_EARG, "axis 2 is out of range for rank 2");
    BAD(reel_hardmax(X("[2,3]"), -3), REEL_EARG, "axis -3 is out of range for rank 2");
    BAD(reel_hardmax(X("[]"), 0), REEL_EARG, "axis 0 is out of range for rank 0");
    BAD(reel_hardmax(XD("[2]", REEL_I64), 0), REEL_EDTYPE, "x is i64, allowed: f32 f64 f16 bf16");
    BAD(reel_hardmax(XD("[2]", REEL_BOOL), 0), REEL_EDTYPE, "x is bool, allowed");
    BAD(reel_hardmax(X("[2,3]"), 100), REEL_EARG, "axis 100 is out of range");
}

static const sample hardmax_good[] = {{IN("[1]")},
                                      {IN("[5]")},
                                      {IN("[5]="), WITH(-1)},
                                      {IN("[3,4]"), WITH(0)},
                                      {IN("[3,4]="), WITH(1)},
                                      {IN("[3,4]t"), WITH(1)},
                                      {IN("[3,4]s"), WITH(0)},
                                      {IN("[3,4]o="), WITH(-2)},
                                      {IN("[3,4]b"), WITH(1)},
                                      {IN("[0,4]"), WITH(1)},
                                      {IN("[2,3,4]r="), WITH(1)},
                                      {IN("[70,31]t"), WITH(0)}};
const samples samples_hardmax = {GOOD(hardmax_good), .apply = hardmax_apply, .reference = hardmax_reference,
                                 .bad = hardmax_bad};
