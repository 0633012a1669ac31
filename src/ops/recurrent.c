/* recurrent.c: RNN, GRU and LSTM over a sequence: one product for all inputs, then the scan (row recurrent). */
#include "recurrent.h"

#include "core/alloc.h"

/* ---- shape rules ------------------------------------------------------------------------------------- */
static const char *const names[] = {"h0", "c0", "b", "rb", "lengths", "dy", "dlast", "dsaved"};

static REEL_COLD int fail_operand(const char *name, const reel_shape *have, const reel_shape *want)
{
    char x[REEL_SHAPE_TEXT], y[REEL_SHAPE_TEXT];
    return reel_fail(REEL_ESHAPE, "%s is %s, it should be %s", name, reel_shape_text_(have, x),
                     reel_shape_text_(want, y));
}

static int64_t times(int n, int64_t h)
{
    return h == REEL_ANY ? REEL_ANY : n * h;
}

static reel_shape shape3(int64_t a, int64_t b, int64_t c)
{
    return (reel_shape){3, {a, b, c}};
}

/* What is known of T, B and H, from all operands. */
typedef struct known {
    int64_t t, b, h;
    int gates, states, saves;
} known;

static int merge(const char *name, const reel_shape *have, int rank, int64_t *const dims[3], const int by[3])
{
    bool ok = have->rank == rank;
    for (int i = 0; ok && i < rank; i++) {
        const int64_t d = have->dims[i];
        if (d == REEL_ANY) continue;
        ok = by[i] > 0 ? d % by[i] == 0 && reel_merge_dim_(*dims[i], d / by[i], dims[i]) : d == -by[i];
    }
    if (ok) return 0;
    reel_shape want = {.rank = rank};
    for (int i = 0; i < rank; i++) want.dims[i] = by[i] > 0 ? times(by[i], *dims[i]) : -by[i];
    return fail_operand(name, have, &want);
}

/* The optional operands, from input number `from` on. */
static int check_more(const reel_infer *io, int from, unsigned allowed, known *k)
{
    const reel_attr_recurrent *a = io->attr;
    int i = from;
    for (int bit = 0; bit < 8; bit++) {
        if (!(a->has >> bit & 1u)) continue;
        if (!(allowed >> bit & 1u)) return reel_fail(REEL_EARG, "there is no operand %s", names[bit]);
        if (i >= io->n_in) return reel_fail(REEL_EARG, "operand %s is missing", names[bit]);
        const reel_type *x = io->in[i++];
        int64_t *const tbh[3] = {&k->t, &k->b, &k->h}, *const bh[3] = {&k->b, &k->h, NULL},
                       *const h[3] = {&k->h, NULL, NULL}, *const b[3] = {&k->b, NULL, NULL},
                       *const nbh[3] = {NULL, &k->b, &k->h};
        int code = 0;
        if (1u << bit == REEL_RNN_LENGTHS ? !reel_is_int_(x->dtype) : x->dtype != io->in[0]->dtype)
            return reel_fail(REEL_EDTYPE, "%s is %s, allowed: %s", names[bit], reel_dtype_name(x->dtype),
                             1u << bit == REEL_RNN_LENGTHS ? "i8 u8 i32 i64" : reel_dtype_name(io->in[0]->dtype));
        switch (1u << bit) {
        case REEL_RNN_H0:
        case REEL_RNN_C0: code = merge(names[bit], &x->shape, 2, bh, (int[]){1, 1, 1}); break;
        case REEL_RNN_BIAS: code = merge(names[bit], &x->shape, 1, h, (int[]){k->gates, 1, 1}); break;
        case REEL_RNN_RBIAS: code = merge(names[bit], &x->shape, 1, h, (int[]){1, 1, 1}); break;
        case REEL_RNN_LENGTHS: code = merge(names[bit], &x->shape, 1, b, (int[]){1, 1, 1}); break;
        case REEL_RNN_DY: code = merge(names[bit], &x->shape, 3, tbh, (int[]){1, 1, 1}); break;
        case REEL_RNN_DLAST: code = merge(names[bit], &x->shape, 3, nbh, (int[]){-k->states, 1, 1}); break;
        default: code = merge(names[bit], &x->shape, 3, tbh, (int[]){1, 1, k->saves > 0 ? k->saves : -0}); break;
        }
        if (code) return code;
    }
    return i == io->n_in ? 0 : reel_fail(REEL_EARG, "%d operands, the attributes name %d", io->n_in, i);
}

int reel_infer_recurrent_(const reel_infer *io)
{
    const reel_attr_recurrent *a = io->attr;
    known k = {REEL_ANY, REEL_ANY, REEL_ANY, 0, 0, 0};
    if (io->n_in < 2) return reel_fail(REEL_EARG, "%d operands, it takes xp and r at least", io->n_in);
    if (a->kind < 0 || a->kind > REEL_RNN_GRU_BEFORE) return reel_fail(REEL_EARG, "kind is %d", a->kind);
    reel_recurrent_parts_(a->kind, &k.gates, &k.states, &k.saves);
    int64_t *const gh[3] = {&k.h, &k.h, NULL}, *const tbh[3] = {&k.t, &k.b, &k.h};
    int code = merge("r", &io->in[1]->shape, 2, gh, (int[]){k.gates, 1, 1});
    if (!code) code = merge("xp", &io->in[0]->shape, 3, tbh, (int[]){1, 1, k.gates});
    if (!code) code = check_more(io, 2, 31, &k);
    if (code) return code;
    const reel_dtype d = io->in[0]->dtype;
    io->out[0] = (reel_type){d, shape3(k.t, k.b, k.h)};
    io->out[1] = (reel_type){d, shape3(k.states, k.b, k.h)};
    io->out[2] = (reel_type){d, shape3(k.t, k.b, k.saves ? times(k.saves, k.h) : 0)};
    return reel_shape_check_(io->out[2].shape, true);
}

int reel_infer_recurrent_grad_(const reel_infer *io)
{
    const reel_attr_recurrent *a = io->attr;
    known k = {REEL_ANY, REEL_ANY, REEL_ANY, 0, 0, 0};
    if (io->n_in < 3) return reel_fail(REEL_EARG, "%d operands, it takes r, saved and y at least", io->n_in);
    if (a->kind < 0 || a->kind > REEL_RNN_GRU_BEFORE) return reel_fail(REEL_EARG, "kind is %d", a->kind);
    reel_recurrent_parts_(a->kind, &k.gates, &k.states, &k.saves);
    int64_t *const gh[3] = {&k.h, &k.h, NULL}, *const tbh[3] = {&k.t, &k.b, &k.h};
    int code = merge("r", &io->in[0]->shape, 2, gh, (int[]){k.gates, 1, 1});
    if (!code) code = merge("y", &io->in[2]->shape, 3, tbh, (int[]){1, 1, 1});
    if (!code) code = merge("saved", &io->in[1]->shape, 3, tbh, (int[]){1, 1, k.saves > 0 ? k.saves : -0});
    if (!code) code = check_more(io, 3, 0xff & ~(unsigned)(REEL_RNN_BIAS | REEL_RNN_RBIAS), &k);
    if (code) return code;
    const reel_dtype d = io->in[0]->dtype;
    io->out[0] = (reel_type){d, shape3(k.t, k.b, times(k.gates, k.h))};
    io->out[1] = (reel_type){d, shape3(k.states, k.b, k.h)};
    io->out[2] = (reel_type){d, shape3(k.t, k.b, k.h)};
    io->out[3] = (reel_type){d, shape3(k.t, k.b, a->kind == REEL_RNN_GRU ? k.h : 0)};
    return reel_shape_check_(io->out[0].shape, true);
}

int reel_recurrent_at_(const char *site, reel_tensor *const in[], int n_in, const reel_attr_recurrent *a,
                       reel_tensor *out[3])
{
    out[0] = out[1] = out[2] = NULL;
    return reel_door_(&reel_rows_[REEL_OP_recurrent], a, in, n_in, out, 3, site);
}

int reel_recurrent_grad_at_(const char *site, reel_tensor *const in[], int n_in, const reel_attr_recurrent *a,
                            reel_tensor *out[4])
{
    for (int i = 0; i < 4; i++) out[i] = NULL;
    return reel_door_(&reel_rows_[REEL_OP_recurrent_grad], a, in, n_in, out, 4, site);
}

/* ---- one direction ----------------------------------------------------------------------------------- */
typedef struct layer {
    const char *site, *fn;
    int kind;
    reel_rnn_opts o;
    reel_tensor *x, *w, *r, *b; /* x [T, B, I] */
} layer;

/* Both biases as the scan takes them: their sum, but m's own for a GRU that resets after the product. */
static int put_biases(const layer *l, reel_scan *s)
{
    const char *site = l->site;
    reel_tensor *b = l->b, *rb = l->o.rb, *p[3], *q[3];
    if (l->kind == REEL_RNN_GRU && rb) {
        if (reel_split_at(site, rb, 0, 3, q)) return reel_status();
        s->rb = q[2];
        if (!b) b = reel_zeros_like_at(site, rb);
        if (reel_split_at(site, b, 0, 3, p)) return reel_status();
        reel_tensor *const parts[3] = {reel_add_at(site, p[0], q[0]), reel_add_at(site, p[1], q[1]), p[2]};
        s->b = reel_concat_at(site, (reel_list){3, parts}, 0);
    } else {
        s->b = b && rb ? reel_add_at(site, b, rb) : b ? b : rb;
    }
    return reel_status();
}

static int fused(const layer *l, const reel_scan *s, reel_tensor *out[3])
{
    reel_attr_recurrent a;
    reel_tensor *in[8] = {s->xp, s->r}, *y[3], *last[2];
    int n = 2;
    memset(&a, 0, sizeof a);
    a.kind = s->kind;
    a.reverse = s->reverse;
    reel_tensor *const more[5] = {s->h0, s->c0, s->b, s->rb, s->lengths};
    for (int i = 0; i < 5; i++)
        if (more[i]) {
            in[n++] = more[i];
            a.has |= 1u << i;
        }
    if (reel_recurrent_at_(l->site, in, n, &a, y)) return reel_status();
    out[0] = y[0];
    if (s->kind == REEL_RNN_LSTM) {
        if (reel_split_at(l->site, y[1], 0, 2, last)) return reel_status();
        out[2] = reel_squeeze_at(l->site, last[1], (reel_axes){1, {0}});
        y[1] = last[0];
    }
    out[1] = reel_squeeze_at(l->site, y[1], (reel_axes){1, {0}});
    return reel_status();
}

/* Step by step, from primitive ops: for peepholes. */
static int stepwise(const layer *l, const reel_scan *s, reel_tensor *out[3])
{
    enum { MAX_STEPS = 1000 };
    const char *site = l->site;
    const int64_t steps = reel_type_of_(s->xp)->shape.dims[0];
    if (steps < 1 || steps > MAX_STEPS)
        return reel_fail_at_(site, REEL_ESHAPE, "%s: with peepholes it takes 1 to %d steps, not %lld", l->fn, MAX_STEPS,
                             (long long)steps);
    reel_tensor **y = reel_alloc_array_((size_t)steps, sizeof(*y));
    if (!y) return reel_status();
    reel_tensor *h = s->h0, *c = s->c0, *b = s->b, *next[2];
    int code = 0;
    for (int64_t i = 0; i < steps && !code; i++) {
        const int64_t t = s->reverse ? steps - 1 - i : i;
        reel_tensor *xp = reel_step_of_(site, s->xp, t);
        if (b && xp) xp = reel_add_at(site, xp, b);
        if (!h || !c) {
            reel_tensor *part[4];
            if (!xp || reel_split_at(site, xp, -1, 4, part)) break;
            if (!h) h = reel_zeros_like_at(site, part[0]);
            if (!c) c = reel_zeros_like_at(site, part[0]);
        }
        code = reel_cell_step_(site, s->kind, xp, s->r, NULL, l->o.peephole, h, c, next);
        if (code) break;
        y[t] = next[0];
        if (s->lengths) {
            reel_tensor *on = reel_rows_on_(site, s->lengths, t);
            y[t] = reel_where_at(site, on, next[0], reel_num_at(site, 0));
            next[0] = reel_where_at(site, on, next[0], h);
            next[1] = reel_where_at(site, on, next[1], c);
        }
        h = next[0], c = next[1];
        code = reel_status();
    }
    if (!reel_status()) {
        out[0] = reel_stack_steps_(site, y, steps);
        out[1] = h;
        out[2] = c;
    }
    reel_free_(y, (size_t)steps * sizeof(*y));
    return reel_status();
}

static int one_way(const layer *l, bool reverse, reel_tensor *out[3])
{
    reel_scan s = {.site = l->site,
                   .kind = l->kind,
                   .reverse = reverse,
                   .r = l->r,
                   .h0 = l->o.h0,
                   .c0 = l->o.c0,
                   .lengths = l->o.lengths};
    s.xp = reel_matmul_at(l->site, l->x, reel_swap_last_at_(l->site, l->w));
    if (!s.xp || !s.r || put_biases(l, &s))
        return reel_status() ? reel_status() : reel_fail_at_(l->site, REEL_EARG, "%s: r is NULL", l->fn);
    if (!l->o.peephole) return fused(l, &s, out);
    if (reel_type_of_(s.xp)->shape.rank != 3)
        return reel_fail_at_(l->site, REEL_ESHAPE, "%s: x has rank %d, it needs 3", l->fn,
                             reel_type_of_(s.xp)->shape.rank);
    return stepwise(l, &s, out);
}

/* ---- both ways --------------------------------------------------------------------------------------- */
static int halves(const layer *l, reel_tensor *x, reel_tensor *out[2])
{
    out[0] = out[1] = NULL;
    if (!x) return 0;
    if (reel_split_at(l->site, x, 0, 2, out)) return reel_status();
    for (int i = 0; i < 2; i++) out[i] = reel_squeeze_at(l->site, out[i], (reel_axes){1, {0}});
    return reel_status();
}

static int both_ways(const layer *l, reel_tensor *out[3])
{
    layer part[2] = {*l, *l};
    reel_tensor *y[2][3] = {{NULL}}, *two[2];
    reel_tensor *const whole[7] = {l->w, l->r, l->b, l->o.h0, l->o.c0, l->o.rb, l->o.peephole};
    for (int i = 0; i < 7; i++) {
        if (halves(l, whole[i], two)) return reel_status();
        for (int k = 0; k < 2; k++) {
            layer *p = &part[k];
            reel_tensor **const slot[7] = {&p->w, &p->r, &p->b, &p->o.h0, &p->o.c0, &p->o.rb, &p->o.peephole};
            *slot[i] = two[k];
        }
    }
    for (int k = 0; k < 2; k++)
        if (one_way(&part[k], k == 1, y[k])) return reel_status();
    reel_tensor *const ys[2] = {y[0][0], y[1][0]};
    out[0] = reel_concat_at(l->site, (reel_list){2, ys}, -1);
    for (int i = 1; i < (l->kind == REEL_RNN_LSTM ? 3 : 2); i++) {
        reel_tensor *steps[2] = {y[0][i], y[1][i]};
        out[i] = reel_stack_steps_(l->site, steps, 2);
    }
    return reel_status();
}

static const char *operand_name(int i)
{
    static const char *const text[] = {"x", "w", "r"};
    return text[i];
}

static int run_layer(const char *site, const char *fn, int kind, reel_tensor *x, reel_tensor *w, reel_tensor *r,
                     reel_tensor *b, const reel_rnn_opts *given, int n_out, reel_tensor *out[])
{
    layer l = {.site = site, .fn = fn, .kind = kind, .x = x, .w = w, .r = r, .b = b};
    reel_tensor *y[3] = {NULL, NULL, NULL};
    if (!out) return reel_fail_at_(site, REEL_EARG, "%s: out is NULL", fn);
    for (int i = 0; i < n_out; i++) out[i] = NULL;
    if (reel_status()) return reel_status();
    reel_tensor *const must[3] = {x, w, r};
    for (int i = 0; i < 3; i++)
        if (!reel_live_(site, fn, operand_name(i), must[i])) return reel_status();
    reel_options_(&l.o, sizeof l.o, given);
    if (l.o.direction < 0 || l.o.direction > REEL_BOTH)
        return reel_fail_at_(site, REEL_EARG, "%s: direction is %d, there is 0, 1 and 2", fn, l.o.direction);
    if (l.o.peephole && kind != REEL_RNN_LSTM) return reel_fail_at_(site, REEL_EARG, "%s has no peepholes", fn);
    if (l.o.c0 && kind != REEL_RNN_LSTM) return reel_fail_at_(site, REEL_EARG, "%s has no state c", fn);
    if (kind == REEL_RNN_TANH && l.o.relu) l.kind = REEL_RNN_RELU;
    if (kind == REEL_RNN_GRU && l.o.reset_before) l.kind = REEL_RNN_GRU_BEFORE;
    if (l.o.batch_first) {
        l.x = reel_transpose_at(site, x, (reel_axes){3, {1, 0, 2}});
        if (!l.x) return reel_status();
    }
    const int code = l.o.direction == REEL_BOTH ? both_ways(&l, y) : one_way(&l, l.o.direction == REEL_REVERSE, y);
    if (code) return code;
    if (l.o.batch_first) y[0] = reel_transpose_at(site, y[0], (reel_axes){3, {1, 0, 2}});
    if (reel_status()) return reel_status();
    for (int i = 0; i < n_out; i++) out[i] = y[i];
    return 0;
}

int reel_rnn_at(const char *site, reel_tensor *x, reel_tensor *w, reel_tensor *r, reel_tensor *b,
                const reel_rnn_opts *o, reel_tensor *out[2])
{
    return run_layer(site, "reel_rnn", REEL_RNN_TANH, x, w, r, b, o, 2, out);
}

int reel_gru_at(const char *site, reel_tensor *x, reel_tensor *w, reel_tensor *r, reel_tensor *b,
                const reel_rnn_opts *o, reel_tensor *out[2])
{
    return run_layer(site, "reel_gru", REEL_RNN_GRU, x, w, r, b, o, 2, out);
}

int reel_lstm_at(const char *site, reel_tensor *x, reel_tensor *w, reel_tensor *r, reel_tensor *b,
                 const reel_rnn_opts *o, reel_tensor *out[3])
{
    return run_layer(site, "reel_lstm", REEL_RNN_LSTM, x, w, r, b, o, 3, out);
}
