/* samples_attention.c: attention, its backward and its cache, against plain loops over all pairs. */
#include "samples.h"

/* p: 0 causal, 1 past, 2 scale, 3 softcap */
static reel_attention_opts opts_of(const sample *s)
{
    return (reel_attention_opts){.size = sizeof(reel_attention_opts),
                                 .causal = (int)s->p[0],
                                 .past = (int64_t)s->p[1],
                                 .scale = s->p[2],
                                 .softcap = s->p[3]};
}

static reel_attr_attention attr_of(const sample *s)
{
    reel_attr_attention a;
    memset(&a, 0, sizeof a);
    a.causal = (int)s->p[0];
    a.past = (int64_t)s->p[1];
    a.scale = s->p[2];
    a.own_scale = s->p[2] != 0;
    a.softcap = s->p[3];
    return a;
}

static int count_in(const sample *s)
{
    int n = 0;
    while (n < SAMPLE_IN && s->in[n]) n++;
    return n;
}

typedef struct sizes {
    int64_t batch, heads, groups, t, s, d, dv;
    double scale, past;
} sizes;

static int64_t from_end(const nd *x, int back)
{
    return x->shape.rank >= back ? x->shape.dims[x->shape.rank - back] : 1;
}

static sizes sizes_of(const sample *s, const nd *in)
{
    sizes z = {.batch = 1,
               .heads = from_end(&in[0], 3),
               .groups = from_end(&in[1], 3),
               .t = from_end(&in[0], 2),
               .s = from_end(&in[1], 2),
               .d = from_end(&in[0], 1),
               .dv = from_end(&in[2], 1)};
    for (int i = 0; i < in[0].shape.rank - 3; i++) z.batch *= in[0].shape.dims[i];
    z.scale = s->p[2] != 0 ? s->p[2] : 1 / sqrt((double)z.d);
    z.past = s->p[0] == 2 ? (double)(z.s - z.t) : s->p[1];
    return z;
}

/* The scores of query t of (b, h): also the slope of the softcap. -inf: hidden. */
static void scores(const sample *s, const sizes *z, const nd *in, const nd *mask, int64_t b, int64_t h, int64_t t,
                   double *x, double *slope)
{
    const int64_t g = h / (z->heads / z->groups);
    reel_shape all = in[0].shape;
    all.dims[all.rank - 1] = z->s;
    for (int64_t j = 0; j < z->s; j++) {
        double sum = 0;
        for (int64_t c = 0; c < z->d; c++)
            sum += in[0].data[((b * z->heads + h) * z->t + t) * z->d + c] *
                   in[1].data[((b * z->groups + g) * z->s + j) * z->d + c];
        x[j] = sum * z->scale;
        slope[j] = 1;
        if (s->p[3] > 0) {
            const double th = tanh(x[j] / s->p[3]);
            x[j] = s->p[3] * th;
            slope[j] = 1 - th * th;
        }
        if (mask) {
            const double m = nd_at(mask, &all, ((b * z->heads + h) * z->t + t) * z->s + j);
            x[j] += mask->dtype == REEL_BOOL ? (m != 0 ? 0 : -INFINITY) : m;
        }
        if (s->p[0] != 0 && (double)j > z->past + (double)t) x[j] = -INFINITY;
    }
}

static reel_dtype wide(reel_dtype d)
{
    return d == REEL_F64 ? REEL_F64 : REEL_F32;
}

static void forward(const sample *s, reel_dtype d, const nd *in, const nd *mask, nd *out, nd *lse)
{
    const sizes z = sizes_of(s, in);
    reel_shape shape = in[0].shape;
    double *x = calloc((size_t)z.s + 1, sizeof *x), *slope = calloc((size_t)z.s + 1, sizeof *slope);
    shape.dims[shape.rank - 1] = z.dv;
    nd_make(out, d, shape);
    shape.dims[--shape.rank] = 0;
    nd_make(lse, wide(d), shape);
    for (int64_t row = 0; row < z.batch * z.heads * z.t; row++) {
        const int64_t b = row / z.t / z.heads, h = row / z.t % z.heads, g = h / (z.heads / z.groups);
        double top = -INFINITY, sum = 0;
        scores(s, &z, in, mask, b, h, row % z.t, x, slope);
        for (int64_t j = 0; j < z.s; j++) top = fmax(top, x[j]);
        for (int64_t j = 0; j < z.s; j++) sum += x[j] == -INFINITY ? 0 : exp(x[j] - top);
        lse->data[row] = sum > 0 ? top + log(sum) : -INFINITY;
        for (int64_t j = 0; j < z.s; j++)
            for (int64_t c = 0; c < z.dv && x[j] > -INFINITY; c++)
                out->data[row * z.dv + c] +=
                    exp(x[j] - top) / sum * in[2].data[((b * z.groups + g) * z.s + j) * z.dv + c];
    }
    free(x);
    free(slope);
}

/* ---- attention --------------------------------------------------------------------------------------- */
static int attention_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_attr_attention a = attr_of(s);
    (void)d;
    return reel_attention_both_at_(REEL_HERE, in, count_in(s), &a, out);
}

static void attention_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    forward(s, d, in, count_in(s) > 3 ? &in[3] : NULL, &out[0], &out[1]);
}

#define OPT(...) REEL_OPTS(attention, __VA_ARGS__)

static void attention_bad(void)
{
    BAD(reel_attention(NULL, X("[2,3]"), X("[2,3]"), NULL, NULL), REEL_EARG, "reel_attention: q is NULL");
    BAD(reel_attention(X("[2,3]"), dead(), X("[2,3]"), NULL, NULL), REEL_EARG, "k is |dead");
    BAD(reel_attention(X("[3]"), X("[3]"), X("[3]"), NULL, NULL), REEL_ESHAPE, "q has rank 1, it needs 2");
    BAD(reel_attention(X("[2,3]"), X("[1,2,3]"), X("[2,3]"), NULL, NULL), REEL_ESHAPE, "ranks 2, 3, 2");
    BAD(reel_attention(X("[2,3]"), X("[2,4]"), X("[2,3]"), NULL, NULL), REEL_ESHAPE, "q [2,3] does not fit k [2,4]");
    BAD(reel_attention(X("[2,3]"), X("[4,3]"), X("[5,3]"), NULL, NULL), REEL_ESHAPE, "k [4,3] does not fit v [5,3]");
    BAD(reel_attention(X("[3,2,3]"), X("[2,4,3]"), X("[2,4,3]"), NULL, NULL), REEL_ESHAPE,
        "3 heads of q cannot share 2");
    BAD(reel_attention(X("[2,1,2,3]"), X("[3,1,4,3]"), X("[3,1,4,3]"), NULL, NULL), REEL_ESHAPE, "does not fit k");
    BAD(reel_attention(X("[2,3]"), X("[4,3]"), X("[4,3]"), X("[2,3]"), NULL), REEL_ESHAPE,
        "mask [2,3] does not fit the scores [2,4]");
    BAD(reel_attention(X("[2,3]"), X("[4,3]"), X("[4,3]"), X("[1,2,4]"), NULL), REEL_ESHAPE,
        "mask [1,2,4] does not fit");
    BAD(reel_attention(X("[2,3]"), X("[4,3]"), X("[4,3]"), X("[2,4]L7"), NULL), REEL_EDTYPE,
        "mask is i32, allowed: bool f32");
    BAD(reel_attention(X("[2,3]"), XD("[4,3]", REEL_F64), X("[4,3]"), NULL, NULL), REEL_EDTYPE,
        "dtypes differ: f32 and f64");
    BAD(reel_attention(XD("[2,3]", REEL_I32), XD("[2,3]", REEL_I32), XD("[2,3]", REEL_I32), NULL, NULL), REEL_EDTYPE,
        "q is i32");
    BAD(reel_attention(X("[2,3]"), X("[4,3]"), X("[4,3]"), NULL, OPT(.scale = NAN)), REEL_EARG, "scale is nan");
    BAD(reel_attention(X("[2,3]"), X("[4,3]"), X("[4,3]"), NULL, OPT(.softcap = -1)), REEL_EARG, "softcap is -1");
    BAD(reel_attention(X("[2,3]"), X("[4,3]"), X("[4,3]"), NULL, OPT(.causal = 3)), REEL_EARG, "causal is 3");
    BAD(reel_attention(X("[2,3]"), X("[4,3]"), X("[4,3]"), NULL, OPT(.past = -1)), REEL_EARG, "past is -1");
    BAD(reel_attention(X("[2,3]"), X("[4,3]"), unset(), NULL, NULL), REEL_EARG, "unset");
    BAD(reel_attention(symbol(), X("[4,3]"), X("[4,3]"), NULL, NULL), REEL_ETRACE, "part of a graph");
}

static const sample attention_good[] = {
    {IN("[1,1]", "[1,1]", "[1,1]")},
    {IN("[2,3]", "[4,3]", "[4,2]")},
    {IN("[2,2]", "[3,2]", "[3,2]"), WITH(1)},
    {IN("[2,2]", "[4,2]", "[4,2]"), WITH(1, 1)},
    {IN("[2,2]", "[4,2]", "[4,2]"), WITH(2, 0, 0.7)},
    {IN("[4,2]", "[2,2]", "[2,2]"), WITH(2), .flags = NO_GRAD},
    {IN("[2,3]", "[4,3]", "[4,2]"), WITH(0, 0, 1.5, 0.8)},
    {IN("[2,3]", "[4,3]", "[4,2]", "[4]"), WITH(0, 0, 0, 1.3)},
    {IN("[2,3]", "[4,3]", "[4,2]", "[2,4]?"), .flags = NO_GRAD},
    {IN("[1,2,2,2]", "[1,2,3,2]", "[1,2,3,1]", "[2,1,3]")},
    {IN("[4,2,2]", "[2,3,2]", "[2,3,1]")},
    {IN("[4,2,2]", "[2,3,2]", "[2,3,1]", "[4,2,3]"), WITH(0, 0, 0, 0.9)},
    {IN("[4,2,2]", "[1,3,2]", "[1,3,1]", "[1,2,3]"), WITH(2)},
    {IN("[2,3]t", "[4,3]s", "[4,2]r", "[2,4]t")},
    {IN("[2,3]o", "[4,3]b", "[4,2]t", "[2,4]b")},
    {IN("[0,3]", "[4,3]", "[4,2]")},
    {IN("[2,3]", "[0,3]", "[0,2]"), .flags = NO_GRAD},
    {IN("[2,0,2,3]", "[2,0,4,3]", "[2,0,4,2]")},
    {IN("[2,3]", "[4,3]", "[4,0]")},
    {IN("[2,2,110,5]", "[2,1,131,5]", "[2,1,131,7]"), WITH(2)},
    {IN("[3,2,65,4]t", "[3,2,17,4]r", "[3,2,17,3]o", "[3,1,65,17]"), WITH(1, 3, 0, 2)},
    {IN("[1,3,130,4]", "[1,3,200,4]s", "[1,3,200,3]", "[130,200]?")}};
const samples samples_attention = {GOOD_OF(attention_good, 2), .scale = 8, .apply = attention_apply,
                                   .reference = attention_reference, .bad = attention_bad};

/* ---- attention_grad: q, k, v, g, lse, delta [, mask] --------------------------------------------------- */
static int attention_grad_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_attr_attention a = attr_of(s);
    reel_tensor *all[7];
    const int n = count_in(s);
    for (int i = 0; i < n; i++) all[i] = (i == 4 || i == 5) && d != REEL_F64 ? reel_cast(in[i], REEL_F32) : in[i];
    return reel_attention_grad_at_(REEL_HERE, all, n, &a, out);
}

static void attention_grad_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const sizes z = sizes_of(s, in);
    const nd *mask = count_in(s) > 6 ? &in[6] : NULL;
    double *x = calloc((size_t)z.s + 1, sizeof *x), *slope = calloc((size_t)z.s + 1, sizeof *slope);
    for (int i = 0; i < 3; i++) nd_make(&out[i], d, in[i].shape);
    for (int64_t row = 0; row < z.batch * z.heads * z.t; row++) {
        const int64_t b = row / z.t / z.heads, h = row / z.t % z.heads, g = h / (z.heads / z.groups);
        scores(s, &z, in, mask, b, h, row % z.t, x, slope);
        for (int64_t j = 0; j < z.s; j++) {
            const int64_t key = (b * z.groups + g) * z.s + j;
            const double p = x[j] == -INFINITY ? 0 : exp(x[j] - in[4].data[row]);
            double dp = 0;
            for (int64_t c = 0; c < z.dv; c++) {
                dp += in[3].data[row * z.dv + c] * in[2].data[key * z.dv + c];
                out[2].data[key * z.dv + c] += p * in[3].data[row * z.dv + c];
            }
            const double du = p * (dp - in[5].data[row]) * slope[j] * z.scale;
            for (int64_t c = 0; c < z.d; c++) {
                out[0].data[row * z.d + c] += du * in[1].data[key * z.d + c];
                out[1].data[key * z.d + c] += du * in[0].data[row * z.d + c];
            }
        }
    }
    free(x);
    free(slope);
}

static reel_tensor *grad_of(const char *site, const char *q, reel_tensor *g, const char *lse, reel_dtype d)
{
    const reel_attr_attention a = {0};
    reel_tensor *const in[6] = {X(q), X("[4,3]"), X("[4,2]"), g, XD(lse, d), X("[2]")};
    reel_tensor *out[3];
    reel_attention_grad_at_(site, in, 6, &a, out);
    return out[0];
}

static void attention_grad_bad(void)
{
    BAD(grad_of(REEL_HERE, "[2,3]", NULL, "[2]", REEL_F32), REEL_EARG, "g is NULL");
    BAD(grad_of(REEL_HERE, "[2,3]", dead(), "[2]", REEL_F32), REEL_EARG, "g is |dead");
    BAD(grad_of(REEL_HERE, "[2,3]", X("[2,3]"), "[2]", REEL_F32), REEL_ESHAPE, "g [2,3] does not fit y [2,2]");
    BAD(grad_of(REEL_HERE, "[2,3]", X("[2,2]"), "[3]", REEL_F32), REEL_ESHAPE, "lse [3] does not fit");
    BAD(grad_of(REEL_HERE, "[2,3]", X("[2,2]"), "[2]", REEL_F64), REEL_EDTYPE, "lse is f64");
    BAD(grad_of(REEL_HERE, "[2,4]", X("[2,2]"), "[2]", REEL_F32), REEL_ESHAPE, "q [2,4] does not fit k [4,3]");
    BAD(grad_of(REEL_HERE, "[3]", X("[2,2]"), "[2]", REEL_F32), REEL_ESHAPE, "q has rank 1");
    BAD(grad_of(REEL_HERE, "[2,3]", XD("[2,2]", REEL_F64), "[2]", REEL_F32), REEL_EDTYPE, "dtypes differ");
    BAD(grad_of(REEL_HERE, "[2,3]", unset(), "[2]", REEL_F32), REEL_EARG, "unset");
    BAD(grad_of(REEL_HERE, "[2,3]", symbol(), "[2]", REEL_F32), REEL_ETRACE, "part of a graph");
}

static const sample attention_grad_good[] = {
    {IN("[1,1]", "[1,1]", "[1,1]", "[1,1]", "[1]", "[1]")},
    {IN("[2,3]", "[4,3]", "[4,2]", "[2,2]", "[2]", "[2]")},
    {IN("[2,3]", "[4,3]", "[4,2]", "[2,2]", "[2]", "[2]"), WITH(1, 1)},
    {IN("[2,3]", "[4,3]", "[4,2]", "[2,2]", "[2]", "[2]"), WITH(0, 0, 0.6, 1.1)},
    {IN("[2,3]", "[4,3]", "[4,2]", "[2,2]", "[2]", "[2]", "[2,4]"), WITH(0, 0, 0.6, 1.1)},
    {IN("[2,3]", "[4,3]", "[4,2]", "[2,2]", "[2]", "[2]", "[2,4]?"), WITH(2)},
    {IN("[4,2,2]", "[2,2,2]", "[2,2,1]", "[4,2,1]", "[4,2]", "[4,2]"), WITH(0, 0, 0, 0.9)},
    {IN("[2,2,2]", "[1,3,2]", "[1,3,1]", "[2,2,1]", "[2,2]", "[2,2]", "[2,2,3]"), WITH(2)},
    {IN("[2,3]t", "[4,3]r", "[4,2]s", "[2,2]o", "[2]r", "[2]s", "[2,4]b")},
    {IN("[2,3]b", "[4,3]t", "[4,2]o", "[2,2]t", "[2]o", "[2]b", "[4]")},
    {IN("[0,3]", "[4,3]", "[4,2]", "[0,2]", "[0]", "[0]")},
    {IN("[2,3]", "[0,3]", "[0,2]", "[2,2]", "[2]", "[2]")},
    {IN("[2,0,2,3]", "[2,0,4,3]", "[2,0,4,2]", "[2,0,2,2]", "[2,0,2]", "[2,0,2]")},
    {IN("[2,2,110,5]", "[2,1,131,5]", "[2,1,131,7]", "[2,2,110,7]", "[2,2,110]+", "[2,2,110]"), WITH(2)},
    {IN("[1,3,70,4]t", "[1,3,140,4]s", "[1,3,140,3]", "[1,3,70,3]o", "[1,3,70]+", "[1,3,70]", "[70,140]?")}};
const samples samples_attention_grad = {GOOD_OF(attention_grad_good, 3), .scale = 128, .apply = attention_grad_apply,
                                        .reference = attention_grad_reference, .bad = attention_grad_bad};

/* ---- attention_cached: q, k, v [, past_k, past_v [, mask]] --------------------------------------------- */
static int attention_cached_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_attention_opts o = opts_of(s);
    const int n = count_in(s);
    (void)d;
    return reel_attention_cached(in[0], in[1], in[2], n > 3 ? in[3] : NULL, n > 4 ? in[4] : NULL, n > 5 ? in[5] : NULL,
                                 s->p[4] != 0 ? &o : NULL, out);
}

static void joined(const nd *past, const nd *now, reel_dtype d, nd *out)
{
    const int axis = now->shape.rank - 2;
    reel_shape shape = now->shape;
    const int64_t before = past ? past->shape.dims[axis] : 0;
    shape.dims[axis] += before;
    nd_make(out, d, shape);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[REEL_MAX_RANK];
        nd_unravel(&shape, i, at);
        const nd *from = at[axis] < before ? past : now;
        if (from == now) at[axis] -= before;
        out->data[i] = from->data[nd_ravel(&from->shape, at)];
    }
}

static void attention_cached_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int n = count_in(s);
    sample z = *s;
    nd lse, all[3] = {in[0]};
    joined(n > 3 ? &in[3] : NULL, &in[1], d, &out[1]);
    joined(n > 4 ? &in[4] : NULL, &in[2], d, &out[2]);
    all[1] = out[1], all[2] = out[2];
    if (s->p[4] == 0) z.p[0] = 2;
    forward(&z, d, all, n > 5 ? &in[5] : NULL, &out[0], &lse);
    nd_free(&lse);
}

static void attention_cached_bad(void)
{
    reel_tensor *out[3];
    BAD_CODE(reel_attention_cached(NULL, X("[1,3]"), X("[1,3]"), NULL, NULL, NULL, NULL, out), REEL_EARG, "q is NULL");
    BAD_CODE(reel_attention_cached(X("[1,3]"), X("[1,3]"), X("[1,3]"), NULL, NULL, NULL, NULL, NULL), REEL_EARG,
             "out is NULL");
    BAD_CODE(reel_attention_cached(X("[1,3]"), X("[1,3]"), X("[1,3]"), X("[1,3]"), NULL, NULL, NULL, out), REEL_EARG,
             "past_v is NULL");
    BAD_CODE(reel_attention_cached(X("[1,3]"), X("[1,3]"), X("[1,3]"), X("[1,4]"), X("[1,3]"), NULL, NULL, out),
             REEL_ESHAPE, "4");
    BAD_CODE(reel_attention_cached(X("[1,3]"), X("[1,3]"), X("[1,3]"), X("[3]"), X("[1,3]"), NULL, NULL, out),
             REEL_EARG, "axis -2 is out of range");
    BAD_CODE(reel_attention_cached(X("[1,3]"), X("[1,3]"), X("[1,3]"), X("[2,3]"), X("[1,3]"), NULL, NULL, out),
             REEL_ESHAPE, "does not fit v");
    BAD_CODE(reel_attention_cached(X("[1,3]"), dead(), X("[1,3]"), NULL, NULL, NULL, NULL, out), REEL_EARG, "dead");
    BAD_CODE(reel_attention_cached(X("[1,3]"), X("[1,3]"), X("[1,3]"), NULL, NULL, NULL, OPT(.causal = -1), out),
             REEL_EARG, "causal is -1");
    BAD_CODE(reel_attention_cached(X("[1,3]"), unset(), X("[1,3]"), NULL, NULL, NULL, NULL, out), REEL_EARG, "unset");
    BAD_CODE(reel_attention_cached(X("[1,3]"), X("[1,3]"), symbol(), NULL, NULL, NULL, NULL, out), REEL_ETRACE,
             "part of a graph");
}

static const sample attention_cached_good[] = {
    {IN("[1,1]", "[1,1]", "[1,1]")},
    {IN("[2,2]", "[2,2]", "[2,2]")},
    {IN("[1,2]", "[1,2]", "[1,2]", "[3,2]", "[3,2]")},
    {IN("[2,2]", "[2,2]", "[2,2]", "[3,2]", "[3,2]")},
    {IN("[2,2]", "[2,2]", "[2,2]", "[0,2]", "[0,2]")},
    {IN("[2,2]", "[2,2]", "[2,2]", "[3,2]", "[3,2]", "[2,5]"), WITH(0, 0, 0, 0, 1)},
    {IN("[2,2]", "[2,2]", "[2,2]", "[3,2]", "[3,2]", "[5]?"), WITH(1, 3, 0.4, 0, 1)},
    {IN("[1,2,2,2]", "[1,1,2,2]", "[1,1,2,2]", "[1,1,1,2]", "[1,1,1,2]")},
    {IN("[2,2]t", "[2,2]r", "[2,2]s", "[3,2]o", "[3,2]t")},
    {IN("[2,2]o", "[2,2]t", "[2,2]o", "[3,2]r", "[3,2]s")},
    {IN("[2,2]b", "[2,2]b", "[2,2]b", "[1,2]b", "[1,2]b")},
    {IN("[2,4,1,8]", "[2,2,1,8]", "[2,2,1,6]", "[2,2,150,8]", "[2,2,150,6]")}};
const samples samples_attention_cached = {GOOD_OF(attention_cached_good, 3), .scale = 8,
                                          .apply = attention_cached_apply, .reference = attention_cached_reference,
                                          .bad = attention_cached_bad};
