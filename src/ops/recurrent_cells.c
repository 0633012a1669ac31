/* recurrent_cells.c: one step of a recurrent layer from primitive ops. */
#include "recurrent.h"

reel_tensor *reel_stack_steps_(const char *site, reel_tensor **steps, int64_t n)
{
    enum { AT_ONCE = 32 };
    const reel_axes first = {1, {0}};
    for (int64_t i = 0; i < n; i++) steps[i] = reel_unsqueeze_at(site, steps[i], first);
    while (n > 1) {
        int64_t made = 0;
        for (int64_t i = 0; i < n; i += AT_ONCE)
            steps[made++] = reel_concat_at(site, (reel_list){(int)(n - i < AT_ONCE ? n - i : AT_ONCE), steps + i}, 0);
        n = made;
    }
    return n ? steps[0] : NULL;
}

static reel_tensor *with(const char *site, reel_tensor *a, reel_tensor *b)
{
    return a && b ? reel_add_at(site, a, b) : a ? a : b;
}

static reel_tensor *product(const char *site, reel_tensor *h, reel_tensor *r)
{
    return h && r ? reel_matmul_at(site, h, reel_swap_last_at_(site, r)) : NULL;
}

static int step_rnn(const char *site, bool relu, reel_tensor *a, reel_tensor *out[2])
{
    out[0] = relu ? reel_relu_at(site, a) : reel_tanh_at(site, a);
    return reel_status();
}

static int step_lstm(const char *site, reel_tensor *a, reel_tensor *peephole, reel_tensor *c, reel_tensor *out[2])
{
    reel_tensor *p[4], *see[3] = {NULL, NULL, NULL};
    if (reel_split_at(site, a, -1, 4, p)) return reel_status();
    if (peephole && reel_split_at(site, peephole, 0, 3, see)) return reel_status();
    if (peephole) {
        p[0] = reel_add_at(site, p[0], reel_mul_at(site, see[0], c));
        p[1] = reel_add_at(site, p[1], reel_mul_at(site, see[1], c));
    }
    reel_tensor *i = reel_sigmoid_at(site, p[0]), *f = reel_sigmoid_at(site, p[1]), *g = reel_tanh_at(site, p[2]);
    out[1] = reel_add_at(site, reel_mul_at(site, f, c), reel_mul_at(site, i, g));
    if (peephole) p[3] = reel_add_at(site, p[3], reel_mul_at(site, see[2], out[1]));
    out[0] = reel_mul_at(site, reel_sigmoid_at(site, p[3]), reel_tanh_at(site, out[1]));
    return reel_status();
}

/* xp: x w^T + b; rb is the second bias, whole */
static int step_gru(const char *site, bool before, reel_tensor *xp, reel_tensor *r, reel_tensor *rb, reel_tensor *h,
                    reel_tensor *out[2])
{
    reel_tensor *x[3], *w[3], *b[3] = {NULL, NULL, NULL}, *m;
    if (reel_split_at(site, xp, -1, 3, x) || reel_split_at(site, r, 0, 3, w)) return reel_status();
    if (rb && reel_split_at(site, rb, 0, 3, b)) return reel_status();
    for (int i = 0; i < 2; i++)
        x[i] = reel_sigmoid_at(site, reel_add_at(site, x[i], with(site, product(site, h, w[i]), b[i])));
    if (before)
        m = with(site, product(site, reel_mul_at(site, x[0], h), w[2]), b[2]);
    else
        m = reel_mul_at(site, x[0], with(site, product(site, h, w[2]), b[2]));
    reel_tensor *n = reel_tanh_at(site, reel_add_at(site, x[2], m)), *z = x[1];
    out[0] = reel_add_at(site, n, reel_mul_at(site, z, reel_sub_at(site, h, n)));
    return reel_status();
}

int reel_cell_step_(const char *site, int kind, reel_tensor *xp, reel_tensor *r, reel_tensor *rb, reel_tensor *peephole,
                    reel_tensor *h, reel_tensor *c, reel_tensor *out[2])
{
    out[0] = out[1] = NULL;
    if (kind == REEL_RNN_GRU || kind == REEL_RNN_GRU_BEFORE)
        return step_gru(site, kind == REEL_RNN_GRU_BEFORE, xp, r, rb, h, out);
    reel_tensor *a = with(site, with(site, xp, rb), product(site, h, r));
    if (!a) return reel_status();
    return kind == REEL_RNN_LSTM ? step_lstm(site, a, peephole, c, out) : step_rnn(site, kind == REEL_RNN_RELU, a, out);
}

/* ---- public functions -------------------------------------------------------------------------------- */
static bool alive(const char *site, const char *fn, const char *name, reel_tensor *t)
{
    return !reel_status() && reel_live_(site, fn, name, t) != NULL;
}

/* A bias must have a number a gate and unit: it would broadcast otherwise. */
static int check_bias(const char *site, const char *fn, const char *name, reel_tensor *b, reel_tensor *r)
{
    if (!b || !reel_live_(site, fn, name, b)) return reel_status();
    const reel_shape *s = &reel_type_of_(b)->shape, *sr = &reel_type_of_(r)->shape;
    const reel_shape want = {1, {sr->rank == 2 ? sr->dims[0] : REEL_ANY}};
    reel_shape both;
    char text[REEL_SHAPE_TEXT], other[REEL_SHAPE_TEXT];
    if (reel_merge_shape_(s, &want, &both)) return 0;
    return reel_fail_at_(site, REEL_ESHAPE, "%s: %s is %s, it should be %s", fn, name, reel_shape_text_(s, text),
                         reel_shape_text_(&want, other));
}

static int cell(const char *site, const char *fn, int kind, reel_tensor *x, reel_tensor *h, reel_tensor *c,
                reel_tensor *w, reel_tensor *r, reel_tensor *b, const reel_rnn_opts *given, reel_tensor *out[2])
{
    reel_rnn_opts o = {0};
    out[0] = out[1] = NULL;
    reel_options_(&o, sizeof o, given);
    if (!alive(site, fn, "x", x) || !alive(site, fn, "h", h) || !alive(site, fn, "w", w) || !alive(site, fn, "r", r))
        return reel_status();
    if (kind == REEL_RNN_LSTM && !alive(site, fn, "c", c)) return reel_status();
    if (o.peephole && kind != REEL_RNN_LSTM) return reel_fail_at_(site, REEL_EARG, "%s has no peepholes", fn);
    if (check_bias(site, fn, "b", b, r) || check_bias(site, fn, "rb", o.rb, r)) return reel_status();
    if (kind == REEL_RNN_TANH && o.relu) kind = REEL_RNN_RELU;
    if (kind == REEL_RNN_GRU && o.reset_before) kind = REEL_RNN_GRU_BEFORE;
    reel_tensor *xp = with(site, product(site, x, w), b), *y[2];
    if (reel_status() || reel_cell_step_(site, kind, xp, r, o.rb, o.peephole, h, c, y)) return reel_status();
    out[0] = y[0], out[1] = y[1];
    return 0;
}

reel_tensor *reel_rnn_cell_at(const char *site, reel_tensor *x, reel_tensor *h, reel_tensor *w, reel_tensor *r,
                              reel_tensor *b, const reel_rnn_opts *o)
{
    reel_tensor *out[2];
    cell(site, "reel_rnn_cell", REEL_RNN_TANH, x, h, NULL, w, r, b, o, out);
    return out[0];
}

reel_tensor *reel_gru_cell_at(const char *site, reel_tensor *x, reel_tensor *h, reel_tensor *w, reel_tensor *r,
                              reel_tensor *b, const reel_rnn_opts *o)
{
    reel_tensor *out[2];
    cell(site, "reel_gru_cell", REEL_RNN_GRU, x, h, NULL, w, r, b, o, out);
    return out[0];
}

int reel_lstm_cell_at(const char *site, reel_tensor *x, reel_tensor *h, reel_tensor *c, reel_tensor *w, reel_tensor *r,
                      reel_tensor *b, const reel_rnn_opts *o, reel_tensor *out[2])
{
    if (!out) return reel_fail_at_(site, REEL_EARG, "reel_lstm_cell: out is NULL");
    return cell(site, "reel_lstm_cell", REEL_RNN_LSTM, x, h, c, w, r, b, o, out);
}
