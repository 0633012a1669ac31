/* attention.c: scaled dot-product attention. The row keeps the logarithm of each softmax's denominator, so that the
   backward can make the weights again block by block. */
#include <math.h>

#include "core/context.h"
#include "core/error.h"
#include "core/options.h"
#include "internal.h"

/* ---- shape rules ------------------------------------------------------------------------------------- */
static REEL_COLD int fail_shape(const char *what, const reel_shape *a, const char *with, const reel_shape *b)
{
    char x[REEL_SHAPE_TEXT], y[REEL_SHAPE_TEXT];
    return reel_fail(REEL_ESHAPE, "%s %s does not fit %s %s", what, reel_shape_text_(a, x), with,
                     reel_shape_text_(b, y));
}

static int check_mask(const reel_type *mask, reel_dtype d, const reel_shape *scores)
{
    const int lead = scores->rank - mask->shape.rank;
    if (mask->dtype != REEL_BOOL && mask->dtype != d)
        return reel_fail(REEL_EDTYPE, "mask is %s, allowed: bool %s", reel_dtype_name(mask->dtype), reel_dtype_name(d));
    bool fits = lead >= 0;
    for (int i = 0; fits && i < mask->shape.rank; i++) {
        const int64_t m = mask->shape.dims[i], n = scores->dims[lead + i];
        fits = m == 1 || m == n || m == REEL_ANY || n == REEL_ANY;
    }
    return fits ? 0 : fail_shape("mask", &mask->shape, "the scores", scores);
}

static int check_options(const reel_attr_attention *a)
{
    if (!isfinite(a->scale)) return reel_fail(REEL_EARG, "scale is %g", a->scale);
    if (!(a->softcap >= 0) || isinf(a->softcap)) return reel_fail(REEL_EARG, "softcap is %g", a->softcap);
    if (a->causal < 0 || a->causal > REEL_CAUSAL_END)
        return reel_fail(REEL_EARG, "causal is %d, there is 0, 1 and 2", a->causal);
    if (a->past < 0) return reel_fail(REEL_EARG, "past is %lld", (long long)a->past);
    return 0;
}

/* q, k, v: fills in what is known of q's shape with dv, and of the scores' shape. */
static int check_qkv(const reel_infer *io, reel_shape *y, reel_shape *scores)
{
    const reel_shape *q = &io->in[0]->shape, *k = &io->in[1]->shape, *v = &io->in[2]->shape;
    const int r = q->rank;
    if (r < 2) return reel_fail(REEL_ESHAPE, "q has rank %d, it needs 2", r);
    if (k->rank != r || v->rank != r)
        return reel_fail(REEL_ESHAPE, "q, k, v have ranks %d, %d, %d", r, k->rank, v->rank);
    reel_shape s = *q;
    int64_t d, keys, heads;
    for (int i = 0; i < r - 3; i++)
        if (!reel_merge_dim_(s.dims[i], k->dims[i], &s.dims[i]) || !reel_merge_dim_(s.dims[i], v->dims[i], &s.dims[i]))
            return fail_shape("q", q, s.dims[i] != k->dims[i] ? "k" : "v", s.dims[i] != k->dims[i] ? k : v);
    if (!reel_merge_dim_(q->dims[r - 1], k->dims[r - 1], &d)) return fail_shape("q", q, "k", k);
    if (!reel_merge_dim_(k->dims[r - 2], v->dims[r - 2], &keys)) return fail_shape("k", k, "v", v);
    if (r > 2) {
        if (!reel_merge_dim_(k->dims[r - 3], v->dims[r - 3], &heads)) return fail_shape("k", k, "v", v);
        if (heads != REEL_ANY && s.dims[r - 3] != REEL_ANY && (heads ? s.dims[r - 3] % heads != 0 : s.dims[r - 3] != 0))
            return reel_fail(REEL_ESHAPE, "%lld heads of q cannot share %lld heads of k", (long long)s.dims[r - 3],
                             (long long)heads);
    }
    *y = *scores = s;
    y->dims[r - 1] = v->dims[r - 1];
    scores->dims[r - 1] = keys;
    return 0;
}

static reel_dtype wide(reel_dtype d)
{
    return d == REEL_F64 ? REEL_F64 : REEL_F32;
}

int reel_infer_attention_(const reel_infer *io)
{
    reel_shape y, scores;
    if (io->n_in < 3 || io->n_in > 4) return reel_fail(REEL_EARG, "%d inputs, it takes q, k, v and a mask", io->n_in);
    int code = check_options(io->attr);
    if (!code) code = check_qkv(io, &y, &scores);
    if (!code && io->n_in == 4) code = check_mask(io->in[3], io->in[0]->dtype, &scores);
    if (code) return code;
    io->out[0] = (reel_type){io->in[0]->dtype, y};
    y.dims[--y.rank] = 0;
    io->out[1] = (reel_type){wide(io->in[0]->dtype), y};
    return reel_shape_check_(io->out[0].shape, true);
}

int reel_infer_attention_grad_(const reel_infer *io)
{
    reel_shape y, scores, rows;
    if (io->n_in < 6 || io->n_in > 7) return reel_fail(REEL_EARG, "%d inputs, it takes 6 or 7", io->n_in);
    int code = check_options(io->attr);
    if (!code) code = check_qkv(io, &y, &scores);
    if (!code && io->n_in == 7) code = check_mask(io->in[6], io->in[0]->dtype, &scores);
    if (code) return code;
    if (!reel_merge_shape_(&y, &io->in[3]->shape, &rows)) return fail_shape("g", &io->in[3]->shape, "y", &y);
    y.dims[--y.rank] = 0;
    for (int i = 4; i < 6; i++) {
        if (io->in[i]->dtype != wide(io->in[0]->dtype))
            return reel_fail(REEL_EDTYPE, "%s is %s", i == 4 ? "lse" : "delta", reel_dtype_name(io->in[i]->dtype));
        if (!reel_merge_shape_(&y, &io->in[i]->shape, &rows))
            return fail_shape(i == 4 ? "lse" : "delta", &io->in[i]->shape, "the rows of y", &y);
    }
    for (int i = 0; i < 3; i++) io->out[i] = *io->in[i];
    return 0;
}

/* ---- public functions -------------------------------------------------------------------------------- */
int reel_attention_both_at_(const char *site, reel_tensor *const in[], int n_in, const reel_attr_attention *a,
                            reel_tensor *out[2])
{
    out[0] = out[1] = NULL;
    return reel_door_(&reel_rows_[REEL_OP_attention], a, in, n_in, out, 2, site);
}

int reel_attention_grad_at_(const char *site, reel_tensor *const in[], int n_in, const reel_attr_attention *a,
                            reel_tensor *out[3])
{
    out[0] = out[1] = out[2] = NULL;
    return reel_door_(&reel_rows_[REEL_OP_attention_grad], a, in, n_in, out, 3, site);
}

static reel_attr_attention attributes(const reel_attention_opts *o)
{
    reel_attention_opts p = {0};
    reel_attr_attention a;
    reel_options_(&p, sizeof p, o);
    memset(&a, 0, sizeof a);
    a.scale = p.scale + 0.0;
    a.own_scale = p.scale != 0 || signbit(p.scale);
    a.softcap = p.softcap + 0.0;
    a.past = p.past;
    a.causal = p.causal;
    return a;
}

reel_tensor *reel_attention_at(const char *site, reel_tensor *q, reel_tensor *k, reel_tensor *v, reel_tensor *mask,
                               const reel_attention_opts *o)
{
    const reel_attr_attention a = attributes(o);
    reel_tensor *const in[4] = {q, k, v, mask};
    reel_tensor *out[2];
    if (!reel_optional_(mask)) return NULL;
    reel_attention_both_at_(site, in, mask ? 4 : 3, &a, out);
    return out[0];
}

int reel_attention_cached_at(const char *site, reel_tensor *q, reel_tensor *k, reel_tensor *v, reel_tensor *past_k,
                             reel_tensor *past_v, reel_tensor *mask, const reel_attention_opts *o, reel_tensor *out[3])
{
    reel_attr_attention a = attributes(o);
    reel_tensor *y[2];
    if (!out) return reel_fail_at_(site, REEL_EARG, "reel_attention_cached: out is NULL");
    out[0] = out[1] = out[2] = NULL;
    if (!reel_optional_(past_k) || !reel_optional_(past_v) || !reel_optional_(mask)) return reel_status();
    if (!past_k != !past_v)
        return reel_fail_at_(site, REEL_EARG, "reel_attention_cached: past_%s is NULL and past_%s is not",
                             past_k ? "v" : "k", past_k ? "k" : "v");
    if (!o) a.causal = REEL_CAUSAL_END;
    reel_tensor *const keys[2] = {past_k, k}, *const values[2] = {past_v, v};
    reel_tensor *all_k = past_k ? reel_concat_at(site, (reel_list){2, keys}, -2) : k;
    reel_tensor *all_v = past_v ? reel_concat_at(site, (reel_list){2, values}, -2) : v;
    reel_tensor *const in[4] = {q, all_k, all_v, mask};
    if (reel_status() || reel_attention_both_at_(site, in, mask ? 4 : 3, &a, y)) return reel_status();
    out[0] = y[0], out[1] = all_k, out[2] = all_v;
    return 0;
}

/* ---- gradients --------------------------------------------------------------------------------------- */
static reel_tensor *widened(const char *site, reel_tensor *x)
{
    const reel_dtype d = reel_type_of_(x)->dtype;
    return d == REEL_F16 || d == REEL_BF16 ? reel_cast_at(site, x, REEL_F32) : x;
}

static reel_tensor *narrowed(const char *site, reel_tensor *x, reel_tensor *like)
{
    return x ? reel_cast_at(site, x, reel_type_of_(like)->dtype) : NULL;
}

/* What follows makes the whole matrix of weights from public ops: for the mask's gradient, and for second
   derivatives. All of rank r + 1, [..., K, G, T, S] with G query heads a key head, where heads are shared. */
typedef struct whole {
    const char *site;
    const reel_attr_attention *a;
    bool grouped;
    reel_shape q5;          /* of q with its heads in groups */
    reel_tensor *q, *k, *v; /* widened */
    reel_tensor *slope;     /* tanh(u / c), or NULL */
    reel_tensor *p;         /* the weights */
    double scale;
} whole;

static const reel_axes before_matrix = {1, {-3}}, last = {1, {-1}};

static reel_tensor *per_head(const whole *w, reel_tensor *x) /* [..., H, T, n] */
{
    reel_shape s = w->q5;
    if (!w->grouped || !x) return x;
    s.dims[s.rank - 1] = reel_type_of_(x)->shape.dims[s.rank - 2];
    return reel_reshape_at(w->site, x, s);
}

static reel_tensor *per_group(const whole *w, reel_tensor *x) /* [..., K, S, n] */
{
    return w->grouped && x ? reel_unsqueeze_at(w->site, x, before_matrix) : x;
}

static reel_tensor *rows_of(const whole *w, reel_tensor *x) /* [..., H, T] to a column a head */
{
    return x ? per_head(w, reel_unsqueeze_at(w->site, x, last)) : NULL;
}

static reel_tensor *sum_groups(const whole *w, reel_tensor *x, reel_tensor *like)
{
    if (!x || !w->grouped) return x;
    return reel_reshape_like_at(w->site, reel_sum_like_at(w->site, x, per_group(w, like)), like);
}

static reel_tensor *product(const whole *w, reel_tensor *a, bool ta, reel_tensor *b, bool tb)
{
    if (!a || !b) return NULL;
    return reel_matmul_at(w->site, ta ? reel_swap_last_at_(w->site, a) : a, tb ? reel_swap_last_at_(w->site, b) : b);
}

static reel_tensor *times(const whole *w, reel_tensor *a, reel_tensor *b)
{
    return a && b ? reel_mul_at(w->site, a, b) : NULL;
}

static reel_tensor *plus(const whole *w, reel_tensor *a, reel_tensor *b)
{
    return a && b ? reel_add_at(w->site, a, b) : a ? a : b;
}

static reel_tensor *by(const whole *w, reel_tensor *a, double x)
{
    return a ? reel_mul_at(w->site, a, reel_num_at(w->site, x)) : NULL;
}

/* true where query t may see key j */
static reel_tensor *causal_mask(const whole *w, int64_t queries, int64_t keys)
{
    const double past = w->a->causal == REEL_CAUSAL ? (double)w->a->past : (double)(keys - queries);
    reel_tensor *t = reel_arange_at(w->site, REEL_I64, past, past + (double)queries, 1);
    reel_tensor *j = reel_arange_at(w->site, REEL_I64, 0, (double)keys, 1);
    return reel_greater_equal_at(w->site, reel_unsqueeze_at(w->site, t, last), j);
}

static int make_whole(whole *w, const reel_vjp_args *v, reel_tensor *mask, reel_tensor *lse)
{
    const reel_shape *sq = &reel_type_of_(v->in[0])->shape, *sk = &reel_type_of_(v->in[1])->shape;
    const int r = sq->rank;
    const char *site = v->site;
    *w = (whole){.site = site, .a = v->attr};
    const int64_t heads = r > 2 ? sq->dims[r - 3] : 1, groups = r > 2 ? sk->dims[r - 3] : 1;
    w->grouped = heads != groups;
    if ((w->grouped || w->a->causal || !w->a->own_scale) && (!reel_shape_known_(sq) || !reel_shape_known_(sk)))
        return reel_fail(REEL_ESHAPE, "this derivative needs known dimensions");
    if (w->grouped && r == REEL_MAX_RANK) return reel_fail(REEL_ESHAPE, "this derivative of shared heads needs rank 7");
    w->scale = w->a->own_scale ? w->a->scale : sq->dims[r - 1] ? 1 / sqrt((double)sq->dims[r - 1]) : 0;
    if (w->grouped) {
        for (int i = 0; i < r - 3; i++) w->q5.dims[w->q5.rank++] = sq->dims[i];
        w->q5.dims[w->q5.rank++] = groups;
        w->q5.dims[w->q5.rank++] = groups ? heads / groups : 0;
        w->q5.dims[w->q5.rank++] = sq->dims[r - 2];
        w->q5.rank++;
    }
    w->q = per_head(w, widened(site, v->in[0]));
    w->k = per_group(w, widened(site, v->in[1]));
    w->v = per_group(w, widened(site, v->in[2]));

    reel_tensor *s = by(w, product(w, w->q, false, w->k, true), w->scale);
    reel_tensor *const nothing = reel_num_at(site, -(double)INFINITY), *const zero = reel_num_at(site, 0);
    if (w->a->softcap > 0) {
        w->slope = reel_tanh_at(site, by(w, s, 1 / w->a->softcap));
        s = by(w, w->slope, w->a->softcap);
    }
    if (mask) {
        const reel_shape *sm = &reel_type_of_(mask)->shape;
        if (w->grouped && sm->rank >= 3) {
            if (sm->dims[sm->rank - 3] == 1) {
                mask = reel_unsqueeze_at(site, mask, before_matrix);
            } else {
                reel_shape to = {.rank = sm->rank + 1};
                for (int i = 0; i < sm->rank - 3; i++) to.dims[i] = sm->dims[i];
                for (int i = 0; i < 2; i++) to.dims[to.rank - 1 - i] = sm->dims[sm->rank - 1 - i];
                to.dims[to.rank - 4] = groups;
                to.dims[to.rank - 3] = groups ? heads / groups : 0;
                mask = reel_reshape_at(site, mask, to);
            }
        }
        s = reel_type_of_(mask)->dtype == REEL_BOOL ? reel_where_at(site, mask, s, nothing)
                                                    : reel_add_at(site, s, widened(site, mask));
    }
    if (w->a->causal) s = reel_where_at(site, causal_mask(w, sq->dims[r - 2], sk->dims[r - 2]), s, nothing);
    reel_tensor *base = rows_of(w, lse);
    base = reel_where_at(site, reel_equal_at(site, base, nothing), zero, base);
    w->p = reel_exp_at(site, reel_sub_at(site, s, base));
    return reel_status();
}

/* the gradient of what is added to the scores: p (g v^T - delta), summed to the mask's shape */
static reel_tensor *mask_gradient(const reel_vjp_args *v, reel_tensor *mask, reel_tensor *lse, reel_tensor *g,
                                  reel_tensor *delta)
{
    whole w;
    if (make_whole(&w, v, mask, lse)) return NULL;
    reel_tensor *dp = product(&w, per_head(&w, widened(v->site, g)), false, w.v, true);
    reel_tensor *ds = times(&w, w.p, reel_sub_at(v->site, dp, rows_of(&w, delta)));
    if (ds && w.grouped) {
        const reel_shape *q = &reel_type_of_(v->in[0])->shape;
        reel_shape s = *q;
        s.dims[s.rank - 1] = reel_type_of_(v->in[1])->shape.dims[s.rank - 2];
        ds = reel_reshape_at(v->site, ds, s);
    }
    return narrowed(v->site, ds ? reel_to_shape_(v->site, ds, mask) : NULL, mask);
}

int reel_vjp_attention_(const reel_vjp_args *v)
{
    const char *site = v->site;
    reel_tensor *mask = v->n_in > 3 ? v->in[3] : NULL;
    reel_tensor *g = v->dout[0] ? v->dout[0] : reel_zeros_like_at(site, v->out[0]);
    reel_tensor *delta = reel_mul_at(site, widened(site, g), widened(site, v->out[0]));
    delta = delta ? reel_sum_axes_at(site, delta, last, false) : NULL;
    if (v->dout[1] && delta) delta = reel_sub_at(site, delta, v->dout[1]);
    if (!delta) return reel_status();
    if (v->need[0] || v->need[1] || v->need[2]) {
        reel_tensor *const in[7] = {v->in[0], v->in[1], v->in[2], g, v->out[1], delta, mask};
        reel_tensor *out[3];
        reel_attention_grad_at_(site, in, mask ? 7 : 6, v->attr, out);
        for (int i = 0; i < 3; i++)
            if (v->need[i]) v->din[i] = out[i];
    }
    if (mask && v->need[3] && reel_type_of_(mask)->dtype != REEL_BOOL)
        v->din[3] = mask_gradient(v, mask, v->out[1], g, delta);
    return reel_status();
}

/* With p the weights, f = 1 - tanh^2 (1 without softcap), dp = g v^T, ds = p (dp - delta), du = scale f ds:
     dq = du k, dk = du^T q, dv = p^T g.
   a, b, c: what comes in for dq, dk, dv. */
int reel_vjp_attention_grad_(const reel_vjp_args *v)
{
    const char *site = v->site;
    reel_tensor *mask = v->n_in > 6 ? v->in[6] : NULL;
    whole w;
    if (make_whole(&w, v, mask, v->in[4])) return reel_status();
    reel_tensor *g = per_head(&w, widened(site, v->in[3]));
    reel_tensor *a = v->dout[0] ? per_head(&w, widened(site, v->dout[0])) : NULL;
    reel_tensor *b = v->dout[1] ? per_group(&w, widened(site, v->dout[1])) : NULL;
    reel_tensor *c = v->dout[2] ? per_group(&w, widened(site, v->dout[2])) : NULL;
    if (reel_status() || !(a || b || c)) return reel_status();

    reel_tensor *rest = reel_sub_at(site, product(&w, g, false, w.v, true), rows_of(&w, v->in[5]));
    reel_tensor *ds = times(&w, w.p, rest);
    reel_tensor *f = w.slope ? reel_sub_at(site, reel_num_at(site, 1), reel_square_at(site, w.slope)) : NULL;
    reel_tensor *du = by(&w, f ? times(&w, ds, f) : ds, w.scale);

    reel_tensor *xu = by(&w, plus(&w, product(&w, a, false, w.k, true), product(&w, w.q, false, b, true)), w.scale);
    reel_tensor *x = f ? times(&w, xu, f) : xu;                                    /* for ds */
    reel_tensor *y = plus(&w, product(&w, g, false, c, true), times(&w, x, rest)); /* for p */
    reel_tensor *z = times(&w, x, w.p), *s = times(&w, y, w.p), *u = s;            /* dp; the scores */
    if (f) {
        reel_tensor *bend = by(&w, times(&w, times(&w, xu, ds), times(&w, w.slope, f)), -2 / w.a->softcap);
        u = plus(&w, times(&w, s, f), bend);
    }
    u = by(&w, u, w.scale);
    reel_tensor *dq = plus(&w, product(&w, u, false, w.k, false), product(&w, du, false, b, false));
    reel_tensor *dk = plus(&w, product(&w, u, true, w.q, false), product(&w, du, true, a, false));
    reel_tensor *dv = product(&w, z, true, g, false);
    reel_tensor *dg = plus(&w, product(&w, w.p, false, c, false), product(&w, z, false, w.v, false));
    if (reel_status()) return reel_status();
    if (v->need[0] && dq)
        v->din[0] = narrowed(site, w.grouped ? reel_reshape_like_at(site, dq, v->in[0]) : dq, v->in[0]);
    if (v->need[1] && dk) v->din[1] = narrowed(site, sum_groups(&w, dk, v->in[1]), v->in[1]);
    if (v->need[2] && dv) v->din[2] = narrowed(site, sum_groups(&w, dv, v->in[2]), v->in[2]);
    if (v->need[3] && dg)
        v->din[3] = narrowed(site, w.grouped ? reel_reshape_like_at(site, dg, v->in[3]) : dg, v->in[3]);
    if (v->need[4] && s)
        v->din[4] = reel_neg_at(site, reel_reshape_like_at(site, reel_sum_axes_at(site, s, last, false), v->in[4]));
    if (v->need[5] && z)
        v->din[5] = reel_neg_at(site, reel_reshape_like_at(site, reel_sum_axes_at(site, z, last, false), v->in[5]));
    if (mask && v->need[6] && s && reel_type_of_(mask)->dtype != REEL_BOOL) {
        if (w.grouped) {
            reel_shape to = reel_type_of_(v->in[0])->shape;
            to.dims[to.rank - 1] = reel_type_of_(v->in[1])->shape.dims[to.rank - 2];
            s = reel_reshape_at(site, s, to);
        }
        v->din[6] = narrowed(site, s ? reel_to_shape_(site, s, mask) : NULL, mask);
    }
    return reel_status();
}
