/* samples_vector_loss.c: losses of vectors and sequences: cosine, triplets, ranking, ctc. */
#include "samples_loss.h"

#define UNUSED (void)s, (void)d
#define N REEL_REDUCE_NONE
#define S REEL_REDUCE_SUM
#define M REEL_REDUCE_MEAN

/* The vector that element i of `rows` stands for: x broadcast to all, along axis. */
static double vector_at(const nd *x, const reel_shape *all, int axis, int64_t row, int64_t k)
{
    int64_t at[REEL_MAX_RANK], step = 1;
    for (int i = axis + 1; i < all->rank; i++) step *= all->dims[i];
    nd_unravel(all, row / step * step * all->dims[axis] + k * step + row % step, at);
    return nd_at(x, all, nd_ravel(all, at));
}

static reel_shape without(const reel_shape *s, int axis)
{
    reel_shape r = {.rank = s->rank - 1};
    for (int i = 0; i < r.rank; i++) r.dims[i] = s->dims[i + (i >= axis)];
    return r;
}

static double cosine_of(const nd *a, const nd *b, const reel_shape *all, int axis, int64_t row, double eps)
{
    double ab = 0, aa = 0, bb = 0;
    for (int64_t k = 0; k < all->dims[axis]; k++) {
        const double x = vector_at(a, all, axis, row, k), y = vector_at(b, all, axis, row, k);
        ab += x * y, aa += x * x, bb += y * y;
    }
    return ab / (fmax(sqrt(aa), eps) * fmax(sqrt(bb), eps));
}

/* ---- cosine_similarity: p0 axis, p1 eps ------------------------------------------------------------------------------ */
static int cosine_similarity_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    UNUSED;
    out[0] = reel_cosine_similarity(in[0], in[1], (int)s->p[0], s->p[1]);
    return reel_status();
}

static void cosine_similarity_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const reel_shape all = in[0].shape;
    const int axis = (int)s->p[0] < 0 ? (int)s->p[0] + all.rank : (int)s->p[0];
    nd_make(out, d, without(&all, axis));
    for (int64_t r = 0; r < out->count; r++)
        out->data[r] = cosine_of(&in[0], &in[1], &all, axis, r, s->p[1] != 0 ? s->p[1] : 1e-8);
}

#define VECTOR_BAD(fn, CALL)                                                                 \
    reel_tensor *x = X("[2,3]");                                                             \
    BAD(CALL(NULL, x), REEL_EARG, "reel_" #fn ": |is NULL");                                 \
    BAD(CALL(x, NULL), REEL_EARG, "reel_" #fn ": |is NULL");                                 \
    BAD(CALL(dead(), x), REEL_EARG, "dead");                                                 \
    BAD(CALL(x, dead()), REEL_EARG, "dead");                                                 \
    BAD(CALL(x, XD("[2,3]", REEL_F64)), REEL_EDTYPE, "reel_" #fn ": dtypes differ");         \
    BAD(CALL(XD("[2,3]", REEL_I32), XD("[2,3]", REEL_I32)), REEL_EDTYPE, "is i32, allowed"); \
    BAD(CALL(x, X("[4]")), REEL_ESHAPE, "broadcast");                                        \
    BAD(CALL(x, symbol()), REEL_ETRACE, "part of a graph");                                  \
    BAD(CALL(x, unset()), REEL_EARG, "before it has a value")

static void cosine_similarity_bad(void)
{
#define CALL_COSINE(a, b) reel_cosine_similarity(a, b, 1, 0)
    VECTOR_BAD(cosine_similarity, CALL_COSINE);
    BAD(reel_cosine_similarity(x, x, 2, 0), REEL_EARG, "axis 2 is out of range");
    BAD(reel_cosine_similarity(x, x, 0, NAN), REEL_EARG, "eps is nan");
    BAD(reel_cosine_similarity(x, x, 0, -1), REEL_EARG, "eps is -1");
}

static const sample cosine_good[] = {{IN("[1]", "[1]")},
                                     {IN("[5]", "[5]"), WITH(-1)},
                                     {IN("[3,4]", "[3,4]"), WITH(0)},
                                     {IN("[3,4]", "[3,4]"), WITH(1)},
                                     {IN("[3,4]t", "[3,4]r"), WITH(1)},
                                     {IN("[3,4]s", "[3,4]o"), WITH(0)},
                                     {IN("[3,4]b", "[3,4]"), WITH(1)},
                                     {IN("[3,4]", "[4]"), WITH(1)},
                                     {IN("[3,4]", "[3,4]"), WITH(1, 30)},
                                     {IN("[0,3]", "[0,3]"), WITH(1)},
                                     {IN("[2,3,4]", "[2,3,4]"), WITH(1)},
                                     {IN("[70,301]", "[70,301]t"), WITH(1)}};
const samples samples_cosine_similarity = {GOOD(cosine_good), .scale = 4, .apply = cosine_similarity_apply,
                                           .reference = cosine_similarity_reference, .bad = cosine_similarity_bad};

/* ---- cosine_embedding_loss: p0 reduction, p1 margin; y the sign of the third operand --------------------------------------- */
static int cosine_embedding_loss_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_loss_opts o = {.size = sizeof o, .reduction = (reel_reduction)s->p[0]};
    UNUSED;
    out[0] = reel_cosine_embedding_loss(in[0], in[1], reel_sign(reel_stop_gradient(in[2])), s->p[1], &o);
    return reel_status();
}

static void cosine_embedding_loss_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const reel_shape all = in[0].shape, rows = without(&all, all.rank - 1);
    const int64_t n = reel_shape_count(rows);
    double *loss = calloc((size_t)n + 1, sizeof *loss);
    for (int64_t r = 0; r < n; r++) {
        const double c = cosine_of(&in[0], &in[1], &all, all.rank - 1, r, 1e-8);
        loss[r] = nd_at(&in[2], &rows, r) > 0 ? 1 - c : fmax(0, c - s->p[1]);
    }
    loss_reduce(s, d, rows, loss, (double)n, out);
    free(loss);
}

static void cosine_embedding_loss_bad(void)
{
#define CALL_EMBEDDING(a, b) reel_cosine_embedding_loss(a, b, X("[2]"), 0, NULL)
    VECTOR_BAD(cosine_embedding_loss, CALL_EMBEDDING);
    BAD(reel_cosine_embedding_loss(x, x, NULL, 0, NULL), REEL_EARG, "y is NULL");
    BAD(reel_cosine_embedding_loss(x, x, X("[2]"), NAN, NULL), REEL_EARG, "margin is nan");
    BAD(reel_cosine_embedding_loss(x, x, X("[2]"), 0, REEL_OPTS(loss, .reduction = (reel_reduction)9)), REEL_EARG,
        "9 is no reduction");
}

static const sample embedding_good[] = {
    {IN("[5]", "[5]", "[]"), WITH(N)},          {IN("[1,4]", "[1,4]", "[1]"), WITH(M)},
    {IN("[3,4]", "[3,4]", "[3]"), WITH(S)},     {IN("[3,4]t", "[3,4]r", "[3]s"), WITH(M, 0.1)},
    {IN("[3,4]s", "[3,4]o", "[3]"), WITH(N)},   {IN("[3,4]b", "[3,4]", "[3]+"), WITH(N)},
    {IN("[3,4]", "[4]", "[3]"), WITH(M, -0.2)}, {IN("[2,2,3]", "[2,2,3]", "[2,2]"), WITH(N)},
    {IN("[3,4]", "[3,4]", "[1]"), WITH(S)},     {IN("[0,3]", "[0,3]", "[0]"), WITH(S)},
    {IN("[6,3]", "[6,3]", "[6]r"), WITH(M)},    {IN("[70,31]", "[70,31]", "[70]"), WITH(M)}};
const samples samples_cosine_embedding_loss = {GOOD(embedding_good), .scale = 16, .apply = cosine_embedding_loss_apply,
                                               .reference = cosine_embedding_loss_reference,
                                               .bad = cosine_embedding_loss_bad};

/* ---- triplet_margin_loss, margin_ranking_loss: p0 reduction, p1 margin -------------------------------------------------------- */
static int triplet_margin_loss_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_loss_opts o = {.size = sizeof o, .reduction = (reel_reduction)s->p[0]};
    UNUSED;
    out[0] = reel_triplet_margin_loss(in[0], in[1], in[2], s->p[1], &o);
    return reel_status();
}

static void triplet_margin_loss_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const reel_shape all = in[0].shape, rows = without(&all, all.rank - 1);
    const int64_t n = reel_shape_count(rows);
    double *loss = calloc((size_t)n + 1, sizeof *loss);
    for (int64_t r = 0; r < n; r++) {
        double dist[2] = {0, 0};
        for (int j = 0; j < 2; j++) {
            for (int64_t k = 0; k < all.dims[all.rank - 1]; k++) {
                const double c = vector_at(&in[0], &all, all.rank - 1, r, k) -
                                 vector_at(&in[1 + j], &all, all.rank - 1, r, k) + 1e-6;
                dist[j] += c * c;
            }
            dist[j] = sqrt(dist[j]);
        }
        loss[r] = fmax(0, dist[0] - dist[1] + s->p[1]);
    }
    loss_reduce(s, d, rows, loss, (double)n, out);
    free(loss);
}

static void triplet_margin_loss_bad(void)
{
#define CALL_TRIPLET(a, b) reel_triplet_margin_loss(a, b, X("[2,3]"), 1, NULL)
    VECTOR_BAD(triplet_margin_loss, CALL_TRIPLET);
    BAD(reel_triplet_margin_loss(x, x, NULL, 1, NULL), REEL_EARG, "negative is NULL");
    BAD(reel_triplet_margin_loss(x, x, x, INFINITY, NULL), REEL_EARG, "margin is inf");
    BAD(reel_triplet_margin_loss(x, x, x, 1, REEL_OPTS(loss, .reduction = (reel_reduction)9)), REEL_EARG,
        "9 is no reduction");
}

static const sample triplet_good[] = {{IN("[1]", "[1]", "[1]"), WITH(N, 1)},
                                      {IN("[5]", "[5]", "[5]"), WITH(N, 1)},
                                      {IN("[1,4]", "[1,4]", "[1,4]"), WITH(M, 1)},
                                      {IN("[3,4]", "[3,4]", "[3,4]"), WITH(S, 0.5)},
                                      {IN("[3,4]t", "[3,4]r", "[3,4]s"), WITH(M, 1)},
                                      {IN("[3,4]s", "[3,4]o", "[3,4]t"), WITH(N, 2)},
                                      {IN("[3,4]", "[4]", "[3,4]"), WITH(M, 1)},
                                      {IN("[3,4]", "[3,4]", "[4]"), WITH(N, 1)},
                                      {IN("[2,2,3]", "[2,2,3]", "[2,2,3]"), WITH(N, 1)},
                                      {IN("[3,4]b", "[3,4]", "[3,4]r"), WITH(S, 1)},
                                      {IN("[0,3]", "[0,3]", "[0,3]"), WITH(S, 1)},
                                      {IN("[4,3]", "[4,3]", "[4,3]"), WITH(N, -1)},
                                      {IN("[70,31]", "[70,31]", "[70,31]t"), WITH(M, 1)}};
const samples samples_triplet_margin_loss = {GOOD(triplet_good), .scale = 32, .apply = triplet_margin_loss_apply,
                                             .reference = triplet_margin_loss_reference,
                                             .bad = triplet_margin_loss_bad};

static int margin_ranking_loss_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_loss_opts o = {.size = sizeof o, .reduction = (reel_reduction)s->p[0]};
    UNUSED;
    out[0] = reel_margin_ranking_loss(in[0], in[1], in[2], s->p[1], &o);
    return reel_status();
}

static double ranking_of(const double *v, const double *p)
{
    return fmax(0, p[1] - v[2] * (v[0] - v[1]));
}

static void margin_ranking_loss_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    loss_reference(s, d, in, out, ranking_of);
}

static void margin_ranking_loss_bad(void)
{
#define CALL_RANKING(a, b) reel_margin_ranking_loss(a, b, X("[2,3]"), 1, NULL)
    VECTOR_BAD(margin_ranking_loss, CALL_RANKING);
    BAD(reel_margin_ranking_loss(x, x, NULL, 1, NULL), REEL_EARG, "y is NULL");
    BAD(reel_margin_ranking_loss(x, x, x, NAN, NULL), REEL_EARG, "margin is nan");
}
static const sample ranking_good[] = {{IN("[]", "[]", "[]"), WITH(N, 0.3)},
                                      {IN("[1]", "[1]", "[1]"), WITH(M, 0.3)},
                                      {IN("[5]", "[5]", "[5]"), WITH(S, 0.5)},
                                      {IN("[3,4]t", "[3,4]r", "[3,4]s"), WITH(M, 0.3)},
                                      {IN("[3,4]s", "[3,4]o", "[3,4]t"), WITH(N, 0.11)},
                                      {IN("[3,4]", "[4]", "[3,4]"), WITH(M, 0.3)},
                                      {IN("[3,4]", "[3,4]", "[4]"), WITH(N, 0.3)},
                                      {IN("[2,2,3]", "[2,2,3]", "[2,2,3]"), WITH(N, 0.3)},
                                      {IN("[3,4]b", "[3,4]", "[3,4]r"), WITH(S, 0.3)},
                                      {IN("[0,3]", "[0,3]", "[0,3]"), WITH(S, 1)},
                                      {IN("[4,3]", "[4,3]", "[4,3]"), WITH(N, -0.2)},
                                      {IN("[70,31]", "[70,31]", "[70,31]t"), WITH(M, 1)}};
const samples samples_margin_ranking_loss = {GOOD(ranking_good), .scale = 16, .apply = margin_ranking_loss_apply,
                                             .reference = margin_ranking_loss_reference,
                                             .bad = margin_ranking_loss_bad};

/* ---- ctc: p0 reduction, p2 zero_infinity. Operands: scores [t, n, c] of any kind (the loss is defined for them all), labels
   [n, s] below the blank, which is the last class, what each sequence lacks of t, and the target lengths. ------------------- */
typedef struct ctc_call {
    reel_attr_ctc a;
    reel_tensor *in[SAMPLE_IN];
} ctc_call;

static ctc_call ctc_of(const sample *s, reel_tensor *const in[])
{
    long long t = 0, n = 0, c = 0;
    sscanf(s->in[0], "[%lld,%lld,%lld]", &t, &n, &c);
    const ctc_call call = {{.blank = c - 1, .zero_infinity = s->p[2] != 0},
                           {in[0], in[1], reel_sub(reel_num((double)t), in[2]), in[3], in[4], in[5], in[6]}};
    return call;
}

static int ctc_loss_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const ctc_call c = ctc_of(s, in);
    UNUSED;
    out[0] = reel_ctc_loss(
        c.in[0], c.in[1], c.in[2], c.in[3],
        REEL_OPTS(ctc, .reduction = (reel_reduction)s->p[0], .blank = c.a.blank, .zero_infinity = s->p[2] != 0));
    return reel_status();
}

static int ctc_grad_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const ctc_call c = ctc_of(s, in);
    UNUSED;
    out[0] = reel_ctc_grad_at_(REEL_HERE, c.in, &c.a);
    return reel_status();
}

static int ctc_curve_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const ctc_call c = ctc_of(s, in);
    UNUSED;
    out[0] = reel_ctc_curve_at_(REEL_HERE, c.in, s->in[6] ? 7 : s->in[5] ? 6 : 5, &c.a);
    return reel_status();
}

/* The loss of sequence n by its definition: the sum over all c^t paths, as a function of the scores. */
static double paths(const nd *in, int64_t n, const double *x)
{
    const int64_t c = in[0].shape.dims[2], batch = in[0].shape.dims[1], blank = c - 1;
    const int64_t t = in[0].shape.dims[0] - (int64_t)in[2].data[n], s = (int64_t)in[3].data[n];
    const double *want = in[1].data + n * in[1].shape.dims[1];
    double total = 0;
    int64_t all = 1;
    for (int64_t k = 0; k < t && all < 20000; k++) all *= c;
    if (all >= 20000) { /* too many: the recursion in probabilities; state j is label j / 2, even ones blank */
        double a[64] = {0}, b[64] = {0};
        a[0] = 1; /* before the first step: in front of the first blank, as if in it */
        for (int64_t k = 0; k < t; k++) {
            for (int64_t j = 0; j <= 2 * s; j++) {
                const int64_t l = j % 2 ? (int64_t)want[j / 2] : blank;
                b[j] = a[j] + (j > 0 ? a[j - 1] : 0);
                if (j > 1 && j % 2 && want[j / 2] != want[j / 2 - 1]) b[j] += a[j - 2];
                b[j] *= exp(x[(k * batch + n) * c + l]);
            }
            memcpy(a, b, sizeof a);
        }
        return -log(a[2 * s] + (s ? a[2 * s - 1] : 0));
    }
    for (int64_t path = 0; path < all; path++) {
        int64_t rest = path, before = -1, length = 0;
        double p = 0;
        bool ok = true;
        for (int64_t k = 0; ok && k < t; k++, rest /= c) {
            const int64_t l = rest % c;
            p += x[(k * batch + n) * c + l];
            if (l != before && l != blank) ok = length < s && want[length++] == (double)l;
            before = l;
        }
        if (ok && length == s) total += exp(p);
    }
    return -log(total);
}

static void ctc_loss_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int64_t n = in[1].shape.dims[0];
    double *loss = calloc((size_t)n + 1, sizeof *loss);
    for (int64_t i = 0; i < n; i++) {
        loss[i] = paths(in, i, in[0].data);
        if (isinf(loss[i]) && s->p[2] != 0) loss[i] = 0;
        if ((reel_reduction)s->p[0] == M) loss[i] /= fmax(1, in[3].data[i]);
    }
    loss_reduce(s, d, in[2].shape, loss, (double)n, out);
    free(loss);
}

/* By four-point differences of the definition: along each score, of that along v, and of that along w (NULL: not). */
static double slope(const nd *in, int64_t n, double *x, const double *v, int64_t i, const double *w)
{
    static const double step[] = {-2, -1, 1, 2}, weight[] = {1. / 12, -8. / 12, 8. / 12, -1. / 12};
    const double h = w ? 1e-2 : 2e-3; /* third differences lose more to rounding: a longer step */
    const double *along = w ? w : v;
    double *y = calloc((size_t)in[0].count + 1, sizeof *y), sum = 0;
    for (int k = 0; k < 4; k++) {
        for (int64_t j = 0; j < in[0].count; j++) y[j] = x[j] + (along ? step[k] * h * along[j] : 0);
        if (!along) y[i] += step[k] * h;
        sum += weight[k] / h * (along ? slope(in, n, y, w ? v : NULL, i, NULL) : paths(in, n, y));
    }
    free(y);
    return sum;
}

static void ctc_slopes(const sample *s, reel_dtype d, const nd *in, nd *out, const double *v, const double *w)
{
    nd_make(out, d, in[0].shape);
    for (int64_t i = 0; i < out->count; i++) {
        const int64_t n = i / in[0].shape.dims[2] % in[0].shape.dims[1];
        const bool none = isinf(paths(in, n, in[0].data));
        const int64_t t = i / in[0].shape.dims[2] / in[0].shape.dims[1];
        const bool past = t >= in[0].shape.dims[0] - (int64_t)in[2].data[n];
        out->data[i] = past ? 0 : none ? (s->p[2] != 0 ? 0 : NAN) : slope(in, n, in[0].data, v, i, w);
        if (fabs(out->data[i]) < 1e-11) out->data[i] = 0;
    }
}

static void ctc_grad_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    ctc_slopes(s, d, in, out, NULL, NULL);
}

static void ctc_curve_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    ctc_slopes(s, d, in, out, in[4].data, s->in[5] ? in[5].data : NULL);
}

static void ctc_loss_bad(void)
{
    reel_tensor *x = X("[4,2,3]"), *l = X("[2,2]L1"), *n = X("[2]L3");
    const reel_ctc_opts o = {.size = sizeof o, .blank = 2};
    BAD(reel_ctc_loss(NULL, l, n, n, &o), REEL_EARG, "reel_ctc_loss: log_probs is NULL");
    BAD(reel_ctc_loss(x, NULL, n, n, &o), REEL_EARG, "targets is NULL");
    BAD(reel_ctc_loss(x, l, dead(), n, &o), REEL_EARG, "lengths is|dead");
    BAD(reel_ctc_loss(x, l, n, NULL, &o), REEL_EARG, "target_lengths is NULL");
    BAD(reel_ctc_loss(X("[4,3]"), l, n, n, &o), REEL_ESHAPE, "log_probs has shape [4,3], expected [t,n,c]");
    BAD(reel_ctc_loss(x, X("[2]L2"), n, n, &o), REEL_ESHAPE, "targets has shape [2], expected [n,s]");
    BAD(reel_ctc_loss(x, X("[3,2]L2"), n, n, &o), REEL_ESHAPE, "targets is a batch of 3, those before of 2");
    BAD(reel_ctc_loss(x, l, X("[2]"), n, &o), REEL_EDTYPE, "lengths is f32, allowed");
    BAD(reel_ctc_loss(XD("[4,2,3]", REEL_I32), l, n, n, &o), REEL_EDTYPE, "log_probs is i32, allowed");
    BAD(reel_ctc_loss(x, l, X("[2]L12"), n, &o), REEL_EARG, "length 7 of sequence 1 is out of range for 4 steps");
    BAD(reel_ctc_loss(x, l, n, X("[2]L12"), &o), REEL_EARG, "target length 7 of sequence 1 is out of range for 2");
    BAD(reel_ctc_loss(x, X("[2,2]L9"), n, X("[2]L2"), &o), REEL_EARG, "target 5 at [1,0] is out of range");
    BAD(reel_ctc_loss(x, l, n, X("[2]L2"), NULL), REEL_EARG, "target 0 at [1,0] is the blank");
    BAD(reel_ctc_loss(x, l, n, n, REEL_OPTS(ctc, .blank = 3)), REEL_EARG, "blank 3 is out of range for 3 classes");
    BAD(reel_ctc_loss(x, l, n, n, REEL_OPTS(ctc, .reduction = (reel_reduction)3)), REEL_EARG, "3 is no reduction");
}

#define CTC_BAD(fn, count)                                                                          \
    static void fn##_bad(void)                                                                      \
    {                                                                                               \
        const reel_attr_ctc a = {.blank = 2}, far = {.blank = 3};                                   \
        reel_tensor *x = X("[4,2,3]"), *l = X("[2,2]L1"), *n = X("[2]L3"), *big = X("[2]L12");      \
        BAD(CALL_CTC(fn, a, NULL, l, n, n, x), REEL_EARG, "log_probs is NULL");                     \
        BAD(CALL_CTC(fn, a, x, NULL, n, n, x), REEL_EARG, "targets is NULL");                       \
        BAD(CALL_CTC(fn, a, x, l, dead(), n, x), REEL_EARG, "dead");                                \
        BAD(CALL_CTC(fn, a, x, l, n, symbol(), x), REEL_ETRACE, "part of a graph");                 \
        BAD(CALL_CTC(fn, a, X("[4]"), l, n, n, x), REEL_ESHAPE, "log_probs has shape [4]");         \
        BAD(CALL_CTC(fn, a, x, l, X("[3]L2"), n, x), REEL_ESHAPE, "lengths is a batch of 3");       \
        BAD(CALL_CTC(fn, a, x, l, n, X("[2]"), x), REEL_EDTYPE, "target_lengths is f32");           \
        BAD(CALL_CTC(fn, far, x, l, n, n, x), REEL_EARG, "blank 3 is out of range");                \
        BAD(CALL_CTC(fn, a, x, l, big, n, x), REEL_EARG, "length 7 of sequence 1 is out of range"); \
        BAD(CALL_CTC(fn, a, x, l, n, big, x), REEL_EARG, "target length 7 of sequence 1");          \
    }
#define CALL_CTC(fn, a, ...) reel_ctc_grad_at_(REEL_HERE, (reel_tensor *const[]){__VA_ARGS__}, &a)
CTC_BAD(ctc_grad, 4)
#undef CALL_CTC
static reel_tensor *curve(const char *site, reel_tensor *const in[], int n_in, const reel_attr_ctc *a)
{
    return reel_ctc_curve_at_(site, in, n_in, a);
}
#define CALL_CTC(fn, a, ...)                              \
    curve(REEL_HERE, (reel_tensor *const[]){__VA_ARGS__}, \
          (int)(sizeof((reel_tensor *const[]){__VA_ARGS__}) / sizeof(reel_tensor *)), &a)
CTC_BAD(ctc_curve, 5)

static void all_ctc_curve_bad(void)
{
    const reel_attr_ctc a = {.blank = 2};
    reel_tensor *x = X("[4,2,3]"), *l = X("[2,2]L1"), *n = X("[2]L3");
    ctc_curve_bad();
    BAD(CALL_CTC(ctc_curve, a, x, l, n, n, NULL), REEL_EARG, "vs[0] is NULL");
    BAD(CALL_CTC(ctc_curve, a, x, l, n, n, X("[4,2,4]")), REEL_ESHAPE, "direction 0 does not have the shape");
    BAD(CALL_CTC(ctc_curve, a, x, l, n, n, x, X("[4,2]")), REEL_ESHAPE, "direction 1 does not have the shape");
    BAD(CALL_CTC(ctc_curve, a, x, l, n, n), REEL_EARG, "along 0 directions, there are those along 1 to 5");
    BAD(CALL_CTC(ctc_curve, a, x, l, n, n, x, x, x, x, x, x), REEL_EARG, "along 6 directions");
}

/* lacking steps: L1 none; labels L1 repeat, L2 alternate */
#define CTC(x, l, lack, len, ...)              \
    {                                          \
        IN(x, l, lack, len), WITH(__VA_ARGS__) \
    }
#define CTC_LIST(R)                                                                                                 \
    CTC("[3,1,3]", "[1,2]L2", "[1]L1", "[1]L3", R), CTC("[4,2,3]", "[2,2]L2", "[2]L1", "[2]L3", R),                 \
        CTC("[4,2,3]t", "[2,2]L2", "[2]L2", "[2]L2", R), CTC("[5,1,2]r", "[1,2]L1", "[1]L1", "[1]rL3", R),          \
        CTC("[4,2,3]s", "[2,3]sL1", "[2]sL2", "[2]oL2", R), CTC("[4,2,3]o", "[2,2]tL2", "[2]bL1", "[2]L2", R),      \
        CTC("[5,2,2]", "[2,2]L1", "[2]L3", "[2]L3", R, 0, 1), CTC("[1,3,2]", "[3,1]L1", "[3]L2", "[3]L2", R, 0, 1), \
        CTC("[2,2,3]", "[2,3]L2", "[2]L2", "[2]L4", R, 0, 1), CTC("[3,4,4]", "[4,2]L3", "[4]L3", "[4]L3", R, 0, 1), \
        CTC("[3,2,2]", "[2,0]L1", "[2]L1", "[2]L1", R)
static const sample ctc_loss_good[] = {CTC_LIST(N), CTC_LIST(M), CTC("[6,3,4]", "[3,2]L3", "[3]L2", "[3]L3", S),
                                       CTC("[40,10,5]", "[10,7]L4", "[10]L9", "[10]L8", N)};
static const sample ctc_grad_good[] = {CTC_LIST(0), CTC("[40,10,5]", "[10,7]L4", "[10]L9", "[10]L8", 0)};
#undef CTC
#define CTC(x, l, lack, len, ...)                 \
    {                                             \
        IN(x, l, lack, len, x), WITH(__VA_ARGS__) \
    }
static const sample ctc_curve_good[] = {
    CTC_LIST(0),
    CTC("[40,10,5]", "[10,7]L4", "[10]L9", "[10]L8", 0),
    {IN("[3,1,3]", "[1,2]L2", "[1]L1", "[1]L3", "[3,1,3]", "[3,1,3]")},
    {IN("[4,2,2]", "[2,2]L1", "[2]L2", "[2]L2", "[4,2,2]t", "[4,2,2]r")},
    {IN("[2,2,3]", "[2,3]L2", "[2]L2", "[2]L4", "[2,2,3]s", "[2,2,3]b"), WITH(0, 0, 1)}};
const samples samples_ctc_loss = {GOOD(ctc_loss_good), .scale = 16, .apply = ctc_loss_apply,
                                  .reference = ctc_loss_reference, .bad = ctc_loss_bad};
const samples samples_ctc_grad = {GOOD(ctc_grad_good),
                                  .scale = 1e6,
                                  .apply = ctc_grad_apply,
                                  .dtypes = REEL_BIT(REEL_F64),
                                  .reference = ctc_grad_reference,
                                  .bad = ctc_grad_bad};
static const sample ctc_curve_exported = {
    IN("[4,2,3]", "[2,2]L2", "[2]L1", "[2]L3", "[4,2,3]", "[4,2,3]t", "[4,2,3]r")};
const samples samples_ctc_curve = {
    GOOD(ctc_curve_good),     .exported = &ctc_curve_exported, .scale = 1e8,
    .apply = ctc_curve_apply, .dtypes = REEL_BIT(REEL_F64),    .reference = ctc_curve_reference,
    .bad = all_ctc_curve_bad};
