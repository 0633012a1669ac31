/* recurrent_grad.c: backpropagation through time. The first derivative is the row recurrent_grad and products over all
   steps at once; the second differentiates the same formulas, written step by step with public ops. */
#include "recurrent.h"

#include "core/alloc.h"
#include "reel/tape.h"

static const reel_axes first = {1, {0}}, steps_and_rows = {2, {0, 1}};

/* ---- first derivative -------------------------------------------------------------------------------- */
/* sum over steps and rows of d[t, b, :]^T h[t, b, :] */
static reel_tensor *outer_sum(const char *site, reel_tensor *d, reel_tensor *h)
{
    if (!d || !h) return NULL;
    const int64_t n = reel_type_of_(d)->shape.dims[2], m = reel_type_of_(h)->shape.dims[2];
    if (n > 0 && m > 0) {
        const reel_shape dn = {2, {-1, n}}, hm = {2, {-1, m}};
        return reel_matmul_at(site, reel_swap_last_at_(site, reel_reshape_at(site, d, dn)),
                              reel_reshape_at(site, h, hm));
    }
    return reel_sum_axes_at(site, reel_matmul_at(site, reel_swap_last_at_(site, d), h), first, false);
}

/* The gradient of the recurrent weights: by what each gate's rows are multiplied differs for a GRU's n. */
static reel_tensor *weights(const reel_vjp_args *v, int kind, reel_tensor *const g[4])
{
    const char *site = v->site;
    reel_tensor *d[3], *s[4], *dr[2];
    if (kind == REEL_RNN_GRU) {
        if (reel_split_at(site, g[0], -1, 3, d)) return NULL;
        reel_tensor *const all[3] = {d[0], d[1], g[3]};
        return outer_sum(site, reel_concat_at(site, (reel_list){3, all}, -1), g[2]);
    }
    if (kind == REEL_RNN_GRU_BEFORE) {
        if (reel_split_at(site, g[0], -1, 3, d) || reel_split_at(site, v->out[2], -1, 4, s)) return NULL;
        reel_tensor *const rz[2] = {d[0], d[1]};
        dr[0] = outer_sum(site, reel_concat_at(site, (reel_list){2, rz}, -1), g[2]);
        dr[1] = outer_sum(site, d[2], s[3]);
        return reel_concat_at(site, (reel_list){2, dr}, 0);
    }
    return outer_sum(site, g[0], g[2]);
}

int reel_vjp_recurrent_(const reel_vjp_args *v)
{
    const reel_attr_recurrent *a = v->attr;
    const char *site = v->site;
    reel_attr_recurrent ga = *a;
    reel_tensor *more[5] = {NULL}, *in[9] = {v->in[1], v->out[2], v->out[0]}, *g[4], *d0[2];
    int at[5] = {0}, n = 3, next = 2, gates, states, saves;
    reel_recurrent_parts_(a->kind, &gates, &states, &saves);
    for (int i = 0; i < 5; i++)
        if (a->has >> i & 1u) {
            at[i] = next;
            more[i] = v->in[next++];
        }
    ga.has &= ~(unsigned)(REEL_RNN_BIAS | REEL_RNN_RBIAS);
    if (more[0]) in[n++] = more[0];
    if (more[1]) in[n++] = more[1];
    if (more[4]) in[n++] = more[4];
    for (int j = 0; j < 3; j++)
        if (v->dout[j]) {
            in[n++] = v->dout[j];
            ga.has |= (unsigned)REEL_RNN_DY << j;
        }
    if (reel_recurrent_grad_at_(site, in, n, &ga, g)) return reel_status();
    if (v->need[0]) v->din[0] = g[0];
    if (v->need[1]) v->din[1] = weights(v, a->kind, g);
    if (more[2] && v->need[at[2]]) v->din[at[2]] = reel_sum_axes_at(site, g[0], steps_and_rows, false);
    if (more[3] && v->need[at[3]] && a->kind == REEL_RNN_GRU)
        v->din[at[3]] = reel_sum_axes_at(site, g[3], steps_and_rows, false);
    if ((more[0] || more[1]) && !reel_parts_(site, g[1], 0, states, d0))
        for (int i = 0; i < states; i++)
            if (more[i] && v->need[at[i]]) v->din[at[i]] = reel_squeeze_at(site, d0[i], first);
    return reel_status();
}

/* ---- second derivative: recurrent_grad's formulas step by step ------------------------------------------- */
typedef struct bptt {
    const char *site;
    int kind, gates, states, saves;
    bool reverse;
    int64_t steps;
    reel_tensor *r, *saved, *y, *h0, *c0, *lengths, *dy, *dlast, *dsaved;
    reel_tensor *dh, *dc;                  /* running */
    reel_tensor *s[5], *ds[5], *h, *c, *d; /* of the step: saved, its gradients, the states before, dh + dy */
    reel_tensor *dx, *dm;
} bptt;

static reel_tensor *mul(const bptt *p, reel_tensor *a, reel_tensor *b)
{
    return a && b ? reel_mul_at(p->site, a, b) : NULL;
}
static reel_tensor *add(const bptt *p, reel_tensor *a, reel_tensor *b)
{
    return a && b ? reel_add_at(p->site, a, b) : a ? a : b;
}
static reel_tensor *one_minus(const bptt *p, reel_tensor *a)
{
    return reel_sub_at(p->site, reel_num_at(p->site, 1), a);
}
static reel_tensor *sigmoid_back(const bptt *p, reel_tensor *d, reel_tensor *y)
{
    return mul(p, d, mul(p, y, one_minus(p, y)));
}
static reel_tensor *tanh_back(const bptt *p, reel_tensor *d, reel_tensor *y)
{
    return mul(p, d, one_minus(p, reel_square_at(p->site, y)));
}
static reel_tensor *join(const bptt *p, reel_tensor *a, reel_tensor *b, reel_tensor *c, reel_tensor *d)
{
    reel_tensor *const all[4] = {a, b, c, d};
    return reel_concat_at(p->site, (reel_list){d ? 4 : 3, all}, -1);
}

static int step_lstm(bptt *p)
{
    reel_tensor *t = reel_tanh_at(p->site, p->s[4]);
    reel_tensor *dct = add(p, add(p, p->dc, tanh_back(p, mul(p, p->d, p->s[3]), t)), p->ds[4]);
    reel_tensor *i = add(p, mul(p, dct, p->s[2]), p->ds[0]), *f = add(p, mul(p, dct, p->c), p->ds[1]);
    reel_tensor *g = add(p, mul(p, dct, p->s[0]), p->ds[2]), *o = add(p, mul(p, p->d, t), p->ds[3]);
    p->dx = join(p, sigmoid_back(p, i, p->s[0]), sigmoid_back(p, f, p->s[1]), tanh_back(p, g, p->s[2]),
                 sigmoid_back(p, o, p->s[3]));
    p->dc = mul(p, dct, p->s[1]);
    p->dh = reel_matmul_at(p->site, p->dx, p->r);
    return reel_status();
}

static int step_gru(bptt *p)
{
    reel_tensor *r = p->s[0], *z = p->s[1], *n = p->s[2], *m = p->s[3], *w[3], *dr;
    reel_tensor *dz = add(p, mul(p, p->d, reel_sub_at(p->site, p->h, n)), p->ds[1]);
    reel_tensor *an = tanh_back(p, add(p, mul(p, p->d, one_minus(p, z)), p->ds[2]), n);
    reel_tensor *dh = mul(p, p->d, z), *az = sigmoid_back(p, dz, z);
    if (reel_split_at(p->site, p->r, 0, 3, w)) return reel_status();
    if (p->kind == REEL_RNN_GRU) {
        dr = add(p, mul(p, an, m), p->ds[0]);
        p->dm = add(p, mul(p, an, r), p->ds[3]);
        dh = add(p, dh, reel_matmul_at(p->site, p->dm, w[2]));
    } else {
        reel_tensor *dm = add(p, reel_matmul_at(p->site, an, w[2]), p->ds[3]);
        dr = add(p, mul(p, dm, p->h), p->ds[0]);
        dh = add(p, dh, mul(p, dm, r));
    }
    reel_tensor *ar = sigmoid_back(p, dr, r);
    dh = add(p, dh, reel_matmul_at(p->site, ar, w[0]));
    p->dh = add(p, dh, reel_matmul_at(p->site, az, w[1]));
    p->dx = join(p, ar, az, an, NULL);
    return reel_status();
}

static int step_rnn(bptt *p, reel_tensor *y)
{
    reel_tensor *const zero = reel_num_at(p->site, 0);
    p->dx = p->kind == REEL_RNN_RELU ? reel_where_at(p->site, reel_greater_at(p->site, y, zero), p->d, zero)
                                     : tanh_back(p, p->d, y);
    p->dh = reel_matmul_at(p->site, p->dx, p->r);
    return reel_status();
}

/* One of the states before step t: that of the step before in time, or what the sequence began with. */
static reel_tensor *before(const bptt *p, reel_tensor *all, reel_tensor *begin, reel_tensor *zeros, int64_t t)
{
    const int64_t earlier = p->reverse ? t + 1 : t - 1;
    if (!begin) begin = zeros;
    if (earlier < 0 || earlier >= p->steps) return begin;
    reel_tensor *x = reel_step_of_(p->site, all, earlier);
    return p->lengths ? reel_where_at(p->site, reel_rows_on_(p->site, p->lengths, earlier), x, begin) : x;
}

static int bptt_step(bptt *p, int64_t t, reel_tensor *zeros, reel_tensor *cells)
{
    const char *site = p->site;
    reel_tensor *const dh = p->dh, *const dc = p->dc, *y = reel_step_of_(site, p->y, t);
    reel_tensor *now = p->saves ? reel_step_of_(site, p->saved, t) : NULL;
    reel_tensor *dnow = p->saves ? reel_step_of_(site, p->dsaved, t) : NULL;
    if (now && reel_split_at(site, now, -1, p->saves, p->s)) return reel_status();
    if (dnow && reel_split_at(site, dnow, -1, p->saves, p->ds)) return reel_status();
    p->h = before(p, p->y, p->h0, zeros, t);
    if (cells) p->c = before(p, cells, p->c0, zeros, t);
    p->d = add(p, p->dh, reel_step_of_(site, p->dy, t));
    if (p->kind == REEL_RNN_LSTM ? step_lstm(p) : p->saves ? step_gru(p) : step_rnn(p, y)) return reel_status();
    if (p->lengths) {
        reel_tensor *on = reel_rows_on_(site, p->lengths, t), *const zero = reel_num_at(site, 0);
        p->dx = reel_where_at(site, on, p->dx, zero);
        p->h = reel_where_at(site, on, p->h, zero);
        p->dh = reel_where_at(site, on, p->dh, dh);
        if (p->dm) p->dm = reel_where_at(site, on, p->dm, zero);
        if (p->dc && dc) p->dc = reel_where_at(site, on, p->dc, dc);
    }
    return reel_status();
}

static int bptt_run(bptt *p, reel_tensor **dx, reel_tensor **h, reel_tensor **dm, reel_tensor *out[4])
{
    const char *site = p->site;
    reel_tensor *zeros = reel_zeros_like_at(site, reel_step_of_(site, p->y, 0)), *cells = NULL, *d[2] = {zeros, zeros};
    if (p->kind == REEL_RNN_LSTM) {
        reel_tensor *all[5];
        if (reel_split_at(site, p->saved, -1, 5, all)) return reel_status();
        cells = all[4];
    }
    if (p->dlast) {
        if (reel_parts_(site, p->dlast, 0, p->states, d)) return reel_status();
        for (int i = 0; i < p->states; i++) d[i] = reel_squeeze_at(site, d[i], first);
    }
    p->dh = d[0];
    p->dc = p->states == 2 ? d[1] : NULL;
    for (int64_t i = p->steps - 1; i >= 0; i--) {
        const int64_t t = p->reverse ? p->steps - 1 - i : i;
        if (bptt_step(p, t, zeros, cells)) return reel_status();
        dx[t] = p->dx, h[t] = p->h, dm[t] = p->dm;
    }
    reel_tensor *ends[2] = {p->dh, p->dc};
    out[0] = reel_stack_steps_(site, dx, p->steps);
    out[1] = reel_stack_steps_(site, ends, p->states);
    out[2] = reel_stack_steps_(site, h, p->steps);
    out[3] = p->kind == REEL_RNN_GRU ? reel_stack_steps_(site, dm, p->steps) : NULL;
    return reel_status();
}

static void name_operands(bptt *p, const reel_attr_recurrent *a, reel_tensor *const in[])
{
    reel_tensor **const slot[8] = {&p->h0, &p->c0, NULL, NULL, &p->lengths, &p->dy, &p->dlast, &p->dsaved};
    int next = 3;
    p->r = in[0], p->saved = in[1], p->y = in[2];
    for (int i = 0; i < 8; i++)
        if (a->has >> i & 1u) *slot[i] = in[next++];
}

int reel_vjp_recurrent_grad_(const reel_vjp_args *v)
{
    const reel_attr_recurrent *a = v->attr;
    bptt p = {
        .site = v->site, .kind = a->kind, .reverse = a->reverse != 0, .steps = reel_type_of_(v->in[2])->shape.dims[0]};
    reel_tensor *xs[9], *dxs[9], *out[4] = {NULL}, *ys[4], *dys[4];
    int n = 0, m = 0;
    reel_recurrent_parts_(a->kind, &p.gates, &p.states, &p.saves);
    if (p.steps == REEL_ANY) return reel_fail(REEL_ESHAPE, "this derivative needs a known number of steps");
    if (p.steps == 0) { /* d0 is dlast */
        bptt q = {0};
        name_operands(&q, a, v->in);
        for (int i = 3; i < v->n_in; i++)
            if (q.dlast && v->in[i] == q.dlast && v->need[i]) v->din[i] = v->dout[1];
        return 0;
    }
    name_operands(&p, a, v->in);
    reel_tape *tape = reel_tape_begin_at(v->site, NULL);
    for (int i = 0; i < v->n_in; i++)
        if (v->need[i] && reel_is_float_(reel_type_of_(v->in[i])->dtype)) xs[n++] = v->in[i];
    reel_tensor **lists = reel_alloc_array_((size_t)p.steps, 3 * sizeof(*lists));
    if (lists && !reel_watch_at(v->site, tape, (reel_list){n, xs}))
        bptt_run(&p, lists, lists + p.steps, lists + 2 * p.steps, out);
    reel_free_(lists, (size_t)p.steps * 3 * sizeof(*lists));
    for (int j = 0; j < 4; j++)
        if (v->dout[j] && out[j]) ys[m] = out[j], dys[m++] = v->dout[j];
    if (!reel_status() && m && n)
        reel_vjp_at(v->site, tape, (reel_list){m, ys}, (reel_list){m, dys}, (reel_list){n, xs}, dxs);
    reel_tape_end(tape);
    for (int i = 0, k = 0; i < v->n_in && !reel_status() && m; i++)
        if (v->need[i] && reel_is_float_(reel_type_of_(v->in[i])->dtype)) v->din[i] = dxs[k++];
    return reel_status();
}
