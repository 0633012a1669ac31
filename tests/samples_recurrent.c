/* samples_recurrent.c: the scan of recurrent layers, its backward, the layers and the cells, against plain loops. */
#include "samples.h"

enum { TANH, RELU, LSTM, GRU, GRU_BEFORE };

static int count_in(const sample *s)
{
    int n = 0;
    while (n < SAMPLE_IN && s->in[n]) n++;
    return n;
}

static double sigma(double x)
{
    return 1 / (1 + exp(-x));
}

static void parts(int kind, int *g, int *n, int *s)
{
    *g = kind == LSTM ? 4 : kind >= GRU ? 3 : 1;
    *n = kind == LSTM ? 2 : 1;
    *s = kind == LSTM ? 5 : kind >= GRU ? 4 : 0;
}

/* ---- one scan in plain loops; operands that are NULL are not there ---------------------------------------- */
typedef struct scan {
    int kind;
    bool reverse;
    int64_t t, b, h;
    const double *xp, *r, *h0, *c0, *bias, *rb, *lengths, *peephole;
    double *y, *last, *saved;
} scan;

static double dot(const double *a, const double *b, int64_t n)
{
    double s = 0;
    for (int64_t i = 0; i < n; i++) s += a[i] * b[i];
    return s;
}

static void one_step(const scan *z, const double *x, double *h, double *c, double *y, double *s)
{
    const int64_t H = z->h;
    double old[64], rh[64];
    for (int64_t j = 0; j < H; j++) old[j] = h[j];
#define PRE(g, j) (x[(g)*H + (j)] + (z->bias ? z->bias[(g)*H + (j)] : 0))
#define REC(g, j, v) dot(z->r + ((g)*H + (j)) * H, v, H)
    if (z->kind >= GRU)
        for (int64_t j = 0; j < H; j++) rh[j] = sigma(PRE(0, j) + REC(0, j, old)) * old[j];
    for (int64_t j = 0; j < H; j++) {
        if (z->kind <= RELU) {
            const double a = PRE(0, j) + REC(0, j, old);
            h[j] = z->kind == TANH ? tanh(a) : a > 0 ? a : 0;
        } else if (z->kind == LSTM) {
            const double *p = z->peephole;
            const double i = sigma(PRE(0, j) + REC(0, j, old) + (p ? p[j] * c[j] : 0));
            const double f = sigma(PRE(1, j) + REC(1, j, old) + (p ? p[H + j] * c[j] : 0));
            const double g = tanh(PRE(2, j) + REC(2, j, old)), now = f * c[j] + i * g;
            const double o = sigma(PRE(3, j) + REC(3, j, old) + (p ? p[2 * H + j] * now : 0));
            const double all[5] = {i, f, g, o, now};
            for (int k = 0; s && k < 5; k++) s[k * H + j] = all[k];
            c[j] = now;
            h[j] = o * tanh(now);
        } else {
            const double r = sigma(PRE(0, j) + REC(0, j, old)), u = sigma(PRE(1, j) + REC(1, j, old));
            const double m = z->kind == GRU ? REC(2, j, old) + (z->rb ? z->rb[j] : 0) : rh[j];
            const double n = tanh(PRE(2, j) + (z->kind == GRU ? r * m : REC(2, j, rh) + (z->rb ? z->rb[j] : 0)));
            const double all[4] = {r, u, n, m};
            for (int k = 0; s && k < 4; k++) s[k * H + j] = all[k];
            h[j] = (1 - u) * n + u * old[j];
        }
        y[j] = h[j];
    }
}

static void run_scan(const scan *z)
{
    int g, n, saves;
    parts(z->kind, &g, &n, &saves);
    for (int64_t b = 0; b < z->b; b++) {
        double h[64] = {0}, c[64] = {0};
        const int64_t steps = z->lengths ? (int64_t)z->lengths[b] : z->t;
        for (int64_t j = 0; j < z->h; j++) {
            if (z->h0) h[j] = z->h0[b * z->h + j];
            if (z->c0) c[j] = z->c0[b * z->h + j];
        }
        for (int64_t k = 0; k < steps; k++) {
            const int64_t row = (z->reverse ? steps - 1 - k : k) * z->b + b;
            one_step(z, z->xp + row * g * z->h, h, c, z->y + row * z->h,
                     z->saved ? z->saved + row * saves * z->h : NULL);
        }
        for (int64_t j = 0; j < z->h; j++) {
            z->last[b * z->h + j] = h[j];
            if (n == 2) z->last[(z->b + b) * z->h + j] = c[j];
        }
    }
}

/* ---- recurrent: xp, r, more; p: kind, reverse, has --------------------------------------------------------- */
static reel_attr_recurrent attr_of(const sample *s)
{
    reel_attr_recurrent a;
    memset(&a, 0, sizeof a);
    a.kind = (int)s->p[0];
    a.reverse = (int)s->p[1];
    a.has = (unsigned)s->p[2];
    return a;
}

static int recurrent_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_attr_recurrent a = attr_of(s);
    (void)d;
    return reel_recurrent_at_(REEL_HERE, in, count_in(s), &a, out);
}

static reel_shape dims3(int64_t a, int64_t b, int64_t c)
{
    return (reel_shape){3, {a, b, c}};
}

static void recurrent_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    int g, n, saves, next = 2;
    const double *more[8] = {NULL};
    parts((int)s->p[0], &g, &n, &saves);
    for (int i = 0; i < 5; i++)
        if ((int)s->p[2] >> i & 1) more[i] = in[next++].data;
    scan z = {(int)s->p[0],
              s->p[1] != 0,
              in[0].shape.dims[0],
              in[0].shape.dims[1],
              in[1].shape.dims[1],
              in[0].data,
              in[1].data,
              more[0],
              more[1],
              more[2],
              more[3],
              more[4],
              NULL,
              NULL,
              NULL,
              NULL};
    nd_make(&out[0], d, dims3(z.t, z.b, z.h));
    nd_make(&out[1], d, dims3(n, z.b, z.h));
    nd_make(&out[2], d, dims3(z.t, z.b, saves * z.h));
    z.y = out[0].data, z.last = out[1].data, z.saved = saves ? out[2].data : NULL;
    run_scan(&z);
}

static reel_tensor *scan_of(const char *site, const char *xp, reel_tensor *r, int kind, unsigned has, reel_tensor *more)
{
    reel_attr_recurrent a;
    memset(&a, 0, sizeof a);
    a.kind = kind, a.has = has;
    reel_tensor *const in[3] = {X(xp), r, more};
    reel_tensor *out[3];
    reel_recurrent_at_(site, in, has ? 3 : 2, &a, out);
    return out[0];
}

static void recurrent_bad(void)
{
    BAD(scan_of(REEL_HERE, "[2,3,4]", NULL, LSTM, 0, NULL), REEL_EARG, "r is NULL");
    BAD(scan_of(REEL_HERE, "[2,3,4]", X("[4,2]"), LSTM, 0, NULL), REEL_ESHAPE, "r is [4,2]|it should be");
    BAD(scan_of(REEL_HERE, "[2,3,8]", X("[4,1]"), LSTM, 0, NULL), REEL_ESHAPE, "xp is [2,3,8], it should be [2,3,4]");
    BAD(scan_of(REEL_HERE, "[2,4]", X("[4,1]"), LSTM, 0, NULL), REEL_ESHAPE, "xp is [2,4]");
    BAD(scan_of(REEL_HERE, "[2,3,4]", X("[4,1]"), LSTM, 1, X("[2,1]")), REEL_ESHAPE, "h0 is [2,1], it should be [3,1]");
    BAD(scan_of(REEL_HERE, "[2,3,4]", X("[4,1]"), LSTM, 4, X("[5]")), REEL_ESHAPE, "b is [5], it should be [4]");
    BAD(scan_of(REEL_HERE, "[2,3,4]", X("[4,1]"), LSTM, 16, X("[3]")), REEL_EDTYPE, "lengths is f32");
    BAD(scan_of(REEL_HERE, "[2,3,4]", X("[4,1]"), LSTM, 16, X("[2]L2")), REEL_ESHAPE, "lengths is [2]");
    BAD(scan_of(REEL_HERE, "[2,3,4]", X("[4,1]"), LSTM, 16, X("[3]L8")), REEL_EARG,
        "length 7 at row|out of range for 2 steps");
    BAD(scan_of(REEL_HERE, "[2,3,4]", X("[4,1]"), LSTM, 1, XD("[3,1]", REEL_F64)), REEL_EDTYPE,
        "h0 is f64, allowed: f32");
    BAD(scan_of(REEL_HERE, "[2,3,4]", X("[4,1]"), 9, 0, NULL), REEL_EARG, "kind is 9");
    BAD(scan_of(REEL_HERE, "[2,3,4]", X("[4,1]"), LSTM, 32, X("[3,1]")), REEL_EARG, "no operand dy");
    BAD(scan_of(REEL_HERE, "[2,3,4]", X("[4,1]"), LSTM, 3, X("[3,1]")), REEL_EARG, "operand c0 is missing");
}

static const sample recurrent_good[] = {
    {IN("[1,1,1]", "[1,1]"), WITH(TANH)},
    {IN("[3,2,2]", "[2,2]", "[2,2]"), WITH(TANH, 0, 1)},
    {IN("[2,2,2]", "[2,2]", "[2]"), WITH(RELU, 1, 4)},
    {IN("[3,2,2]", "[2,2]", "[2,2]", "[2]L4"), WITH(TANH, 1, 17)},
    {IN("[1,1,4]", "[4,1]"), WITH(LSTM)},
    {IN("[2,2,8]", "[8,2]"), WITH(LSTM)},
    {IN("[3,2,4]", "[4,1]", "[2,1]", "[2,1]", "[4]"), WITH(LSTM, 0, 7)},
    {IN("[3,2,4]", "[4,1]", "[2,1]", "[2,1]", "[2]L4"), WITH(LSTM, 1, 19)},
    {IN("[3,4,4]t", "[4,1]s", "[4,1]o", "[4,1]r", "[4]r", "[4]L4"), WITH(LSTM, 0, 23)},
    {IN("[2,2,6]", "[6,2]"), WITH(GRU)},
    {IN("[2,2,3]", "[3,1]", "[2,1]", "[3]", "[1]"), WITH(GRU, 0, 13)},
    {IN("[3,2,3]", "[3,1]", "[2,1]", "[3]", "[1]", "[2]L4"), WITH(GRU, 1, 29)},
    {IN("[2,2,6]", "[6,2]", "[2,2]"), WITH(GRU_BEFORE, 0, 1)},
    {IN("[3,3,3]s", "[3,1]t", "[3,1]", "[3]", "[3]L4"), WITH(GRU_BEFORE, 1, 21)},
    {IN("[0,2,4]", "[4,1]"), WITH(LSTM)},
    {IN("[2,0,6]", "[6,2]"), WITH(GRU)},
    {IN("[2,3,0]", "[0,0]"), WITH(TANH)},
    {IN("[7,11,76]", "[76,19]", "[11,19]", "[11,19]", "[76]", "[11]L8"), WITH(LSTM, 0, 23)},
    {IN("[7,11,57]b", "[57,19]r", "[11,19]", "[57]", "[19]", "[11]L8"), WITH(GRU, 1, 29)},
    {IN("[7,11,57]o", "[57,19]t", "[11,19]", "[57]", "[11]L8"), WITH(GRU_BEFORE, 0, 21)}};
const samples samples_recurrent = {GOOD_OF(recurrent_good, 3), .scale = 16, .apply = recurrent_apply,
                                   .reference = recurrent_reference, .bad = recurrent_bad};

/* ---- recurrent_grad: r, saved, y, more -------------------------------------------------------------------- */
static int recurrent_grad_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_attr_recurrent a = attr_of(s);
    (void)d;
    return reel_recurrent_grad_at_(REEL_HERE, in, count_in(s), &a, out);
}

static void back_row(const sample *s, const nd *in, const double *const more[8], int64_t b, nd *out)
{
    const int kind = (int)s->p[0];
    const int64_t T = in[2].shape.dims[0], B = in[2].shape.dims[1], H = in[2].shape.dims[2];
    const double *r = in[0].data, *saved = in[1].data, *y = in[2].data;
    int g, n, S;
    parts(kind, &g, &n, &S);
    double dh[64] = {0}, dc[64] = {0}, rec[64], dm[64], next[64];
    const int64_t steps = more[4] ? (int64_t)more[4][b] : T;
    for (int64_t j = 0; more[6] && j < H; j++) {
        dh[j] = more[6][b * H + j];
        if (n == 2) dc[j] = more[6][(B + b) * H + j];
    }
    for (int64_t k = steps - 1; k >= 0; k--) {
        const int64_t t = s->p[1] != 0 ? steps - 1 - k : k, row = t * B + b,
                      prow = (s->p[1] != 0 ? t + 1 : t - 1) * B + b;
        const double *v = saved + row * S * H, *ds = more[7] ? more[7] + row * S * H : NULL;
        double *dx = out[0].data + row * g * H, *hp = out[2].data + row * H;
        for (int64_t j = 0; j < H; j++) {
            hp[j] = k > 0 ? y[prow * H + j] : more[0] ? more[0][b * H + j] : 0;
            dh[j] += more[5] ? more[5][row * H + j] : 0;
        }
#define SV(i) v[(i)*H + j]
#define DS(i) (ds ? ds[(i)*H + j] : 0)
        for (int64_t j = 0; j < H; j++) {
            const double d = dh[j];
            next[j] = 0;
            if (kind == TANH) dx[j] = d * (1 - y[row * H + j] * y[row * H + j]);
            if (kind == RELU) dx[j] = y[row * H + j] > 0 ? d : 0;
            if (kind == LSTM) {
                const double before = k > 0 ? saved[prow * S * H + 4 * H + j] : more[1] ? more[1][b * H + j] : 0;
                const double t2 = tanh(SV(4)), dct = dc[j] + d * SV(3) * (1 - t2 * t2) + DS(4);
                dx[j] = (dct * SV(2) + DS(0)) * SV(0) * (1 - SV(0));
                dx[H + j] = (dct * before + DS(1)) * SV(1) * (1 - SV(1));
                dx[2 * H + j] = (dct * SV(0) + DS(2)) * (1 - SV(2) * SV(2));
                dx[3 * H + j] = (d * t2 + DS(3)) * SV(3) * (1 - SV(3));
                dc[j] = dct * SV(1);
            }
            if (kind >= GRU) {
                dx[2 * H + j] = (d * (1 - SV(1)) + DS(2)) * (1 - SV(2) * SV(2));
                dx[H + j] = (d * (hp[j] - SV(2)) + DS(1)) * SV(1) * (1 - SV(1));
                next[j] = d * SV(1);
            }
            if (kind == GRU) {
                dx[j] = (dx[2 * H + j] * SV(3) + DS(0)) * SV(0) * (1 - SV(0));
                out[3].data[row * H + j] = rec[j] = dx[2 * H + j] * SV(0) + DS(3);
            }
        }
        for (int64_t j = 0; kind == GRU_BEFORE && j < H; j++) {
            dm[j] = DS(3);
            for (int64_t i = 0; i < H; i++) dm[j] += dx[2 * H + i] * r[(2 * H + i) * H + j];
            dx[j] = (dm[j] * hp[j] + DS(0)) * SV(0) * (1 - SV(0));
            next[j] += dm[j] * SV(0);
        }
        for (int64_t j = 0; j < H; j++) {
            const int64_t all = kind >= GRU ? 2 * H : g * H;
            for (int64_t i = 0; i < all; i++) next[j] += dx[i] * r[i * H + j];
            for (int64_t i = 0; kind == GRU && i < H; i++) next[j] += rec[i] * r[(2 * H + i) * H + j];
        }
        for (int64_t j = 0; j < H; j++) dh[j] = next[j];
    }
    for (int64_t j = 0; j < H; j++) {
        out[1].data[b * H + j] = dh[j];
        if (n == 2) out[1].data[(B + b) * H + j] = dc[j];
    }
}

static void recurrent_grad_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int64_t T = in[2].shape.dims[0], B = in[2].shape.dims[1], H = in[2].shape.dims[2];
    const double *more[8] = {NULL};
    int g, n, S, next = 3;
    parts((int)s->p[0], &g, &n, &S);
    for (int i = 0; i < 8; i++)
        if ((int)s->p[2] >> i & 1) more[i] = in[next++].data;
    nd_make(&out[0], d, dims3(T, B, g * H));
    nd_make(&out[1], d, dims3(n, B, H));
    nd_make(&out[2], d, dims3(T, B, H));
    nd_make(&out[3], d, dims3(T, B, (int)s->p[0] == GRU ? H : 0));
    for (int64_t b = 0; b < B; b++) back_row(s, in, more, b, out);
}

static reel_tensor *back_of(const char *site, reel_tensor *r, const char *saved, const char *y, int kind, unsigned has,
                            reel_tensor *more)
{
    reel_attr_recurrent a;
    memset(&a, 0, sizeof a);
    a.kind = kind, a.has = has;
    reel_tensor *const in[4] = {r, X(saved), X(y), more};
    reel_tensor *out[4];
    reel_recurrent_grad_at_(site, in, has ? 4 : 3, &a, out);
    return out[0];
}

static void recurrent_grad_bad(void)
{
    BAD(back_of(REEL_HERE, NULL, "[2,3,5]", "[2,3,1]", LSTM, 0, NULL), REEL_EARG, "r is NULL");
    BAD(back_of(REEL_HERE, X("[3,1]"), "[2,3,5]", "[2,3,1]", LSTM, 0, NULL), REEL_ESHAPE, "r is [3,1]");
    BAD(back_of(REEL_HERE, X("[4,1]"), "[2,3,4]", "[2,3,1]", LSTM, 0, NULL), REEL_ESHAPE,
        "saved is [2,3,4], it should be [2,3,5]");
    BAD(back_of(REEL_HERE, X("[4,1]"), "[2,3,5]", "[2,3,2]", LSTM, 0, NULL), REEL_ESHAPE, "y is [2,3,2]");
    BAD(back_of(REEL_HERE, X("[1,1]"), "[2,3,1]", "[2,3,1]", TANH, 0, NULL), REEL_ESHAPE,
        "saved is [2,3,1], it should be [2,3,0]");
    BAD(back_of(REEL_HERE, X("[4,1]"), "[2,3,5]", "[2,3,1]", LSTM, 32, X("[3,3,1]")), REEL_ESHAPE, "dy is [3,3,1]");
    BAD(back_of(REEL_HERE, X("[4,1]"), "[2,3,5]", "[2,3,1]", LSTM, 64, X("[1,3,1]")), REEL_ESHAPE,
        "dlast is [1,3,1], it should be [2,3,1]");
    BAD(back_of(REEL_HERE, X("[4,1]"), "[2,3,5]", "[2,3,1]", LSTM, 4, X("[4]")), REEL_EARG, "no operand b");
    BAD(back_of(REEL_HERE, X("[4,1]"), "[2,3,5]", "[2,3,1]", -1, 0, NULL), REEL_EARG, "kind is -1");
    BAD(back_of(REEL_HERE, X("[4,1]"), "[2,3,5]", "[2,3,1]", LSTM, 16, X("[3]L8")), REEL_EARG,
        "out of range for 2 steps");
}

static const sample recurrent_grad_good[] = {
    {IN("[1,1]", "[1,1,0]", "[1,1,1]"), WITH(TANH)},
    {IN("[2,2]", "[2,2,0]", "[2,2,2]", "[2,2]", "[2,2,2]"), WITH(TANH, 0, 33)},
    {IN("[2,2]", "[2,2,0]", "[2,2,2]", "[2]L3", "[2,2,2]", "[1,2,2]"), WITH(RELU, 1, 112)},
    {IN("[4,1]", "[2,2,5]", "[2,2,1]", "[2,2,1]"), WITH(LSTM, 0, 32)},
    {IN("[4,1]", "[2,2,5]", "[2,2,1]", "[2,1]", "[2]L3", "[2,2,1]", "[2,2,1]", "[2,2,5]"), WITH(LSTM, 1, 241)},
    {IN("[4,1]r", "[2,2,5]t", "[2,2,1]s", "[2,1]o", "[2,1]r", "[2,2,1]t", "[2,2,1]b"), WITH(LSTM, 0, 99)},
    {IN("[3,1]", "[2,2,4]", "[2,2,1]", "[2,1]", "[2,2,1]", "[1,2,1]", "[2,2,4]"), WITH(GRU, 0, 225)},
    {IN("[3,1]", "[3,2,4]", "[3,2,1]", "[2,1]", "[2]L4", "[3,2,1]"), WITH(GRU, 1, 49)},
    {IN("[3,1]", "[2,2,4]", "[2,2,1]", "[2,1]", "[2,2,1]", "[1,2,1]", "[2,2,4]"), WITH(GRU_BEFORE, 0, 225)},
    {IN("[3,1]", "[3,2,4]s", "[3,2,1]", "[2,1]", "[2]L4", "[3,2,1]r"), WITH(GRU_BEFORE, 1, 49)},
    {IN("[4,1]", "[0,2,5]", "[0,2,1]", "[2,2,1]"), WITH(LSTM, 0, 64)},
    {IN("[3,1]", "[2,0,4]", "[2,0,1]"), WITH(GRU)},
    {IN("[76,19]", "[7,11,95]", "[7,11,19]", "[11,19]", "[11,19]", "[11]L8", "[7,11,19]", "[2,11,19]"),
     WITH(LSTM, 0, 115)},
    {IN("[57,19]", "[7,11,76]", "[7,11,19]", "[11,19]", "[11]L8", "[7,11,19]", "[1,11,19]"), WITH(GRU, 1, 113)},
    {IN("[57,19]", "[7,11,76]", "[7,11,19]", "[11,19]", "[11]L8", "[7,11,19]", "[1,11,19]"), WITH(GRU_BEFORE, 0, 113)}};
const samples samples_recurrent_grad = {GOOD_OF(recurrent_grad_good, 4),
                                        .scale = 1e6,
                                        .dtypes = REEL_BIT(REEL_F32) | REEL_BIT(REEL_F64),
                                        .apply = recurrent_grad_apply,
                                        .reference = recurrent_grad_reference,
                                        .bad = recurrent_grad_bad};

/* ---- layers: x, w, r, then by the bits of p3 b, h0, c0, rb, lengths, peephole; p: relu or reset_before, direction,
   batch_first ------------------------------------------------------------------------------------------------- */
typedef struct given {
    int at[6]; /* which operand; 0: none */
} given;

static given given_of(const sample *s)
{
    given g = {{0}};
    for (int i = 0, next = 3; i < 6; i++)
        if ((int)s->p[3] >> i & 1) g.at[i] = next++;
    return g;
}

static reel_rnn_opts opts_of(const sample *s, reel_tensor *const in[])
{
    const given g = given_of(s);
    reel_rnn_opts o = {.size = sizeof o,
                       .relu = s->p[0] != 0,
                       .reset_before = s->p[0] != 0,
                       .direction = (int)s->p[1],
                       .batch_first = s->p[2] != 0};
    if (g.at[1]) o.h0 = in[g.at[1]];
    if (g.at[2]) o.c0 = in[g.at[2]];
    if (g.at[3]) o.rb = in[g.at[3]];
    if (g.at[4]) o.lengths = in[g.at[4]];
    if (g.at[5]) o.peephole = in[g.at[5]];
    return o;
}

#define LAYER(name)                                                                                         \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])     \
    {                                                                                                       \
        const reel_rnn_opts o = opts_of(s, in);                                                             \
        (void)d;                                                                                            \
        return reel_##name(in[0], in[1], in[2], given_of(s).at[0] ? in[given_of(s).at[0]] : NULL, &o, out); \
    }
LAYER(rnn)
LAYER(gru)
LAYER(lstm)

static void layer_reference(const sample *s, reel_dtype d, const nd *in, nd *out, int kind)
{
    const given v = given_of(s);
    const bool both = s->p[1] == 2, bf = s->p[2] != 0;
    int g, n, S;
    parts(kind, &g, &n, &S);
    const int64_t T = in[0].shape.dims[bf], B = in[0].shape.dims[!bf], I = in[0].shape.dims[2],
                  H = in[2].shape.dims[both + 1];
    const int64_t ways = both ? 2 : 1;
    double *xp = calloc((size_t)(T * B * g * H) + 1, sizeof *xp), *y = calloc((size_t)(T * B * H) + 1, sizeof *y),
           *last = calloc((size_t)(2 * B * H) + 1, sizeof *last), *bias = calloc((size_t)(g * H) + 1, sizeof *bias);
    nd_make(&out[0], d, bf ? dims3(B, T, ways * H) : dims3(T, B, ways * H));
    for (int k = 1; k <= n; k++) nd_make(&out[k], d, both ? dims3(2, B, H) : (reel_shape){2, {B, H}});
    for (int64_t way = 0; way < ways; way++) {
#define PART(i, count) (v.at[i] ? in[v.at[i]].data + way * (count) : NULL)
        const double *w = in[1].data + way * g * H * I, *b = PART(0, g * H), *rb = PART(3, g * H);
        const bool own = kind == GRU; /* rb's last part is m's */
        for (int64_t k = 0; k < g * H; k++) bias[k] = (b ? b[k] : 0) + (rb && !(own && k >= 2 * H) ? rb[k] : 0);
        for (int64_t t = 0; t < T; t++)
            for (int64_t r = 0; r < B; r++)
                for (int64_t k = 0; k < g * H; k++)
                    xp[(t * B + r) * g * H + k] = dot(in[0].data + (bf ? r * T + t : t * B + r) * I, w + k * I, I);
        for (int64_t k = 0; k < T * B * H; k++) y[k] = 0;
        const scan z = {kind,
                        way == 1 || s->p[1] == 1,
                        T,
                        B,
                        H,
                        xp,
                        in[2].data + way * g * H * H,
                        PART(1, B * H),
                        PART(2, B * H),
                        bias,
                        own && rb ? rb + 2 * H : NULL,
                        v.at[4] ? in[v.at[4]].data : NULL,
                        PART(5, 3 * H),
                        y,
                        last,
                        NULL};
        run_scan(&z);
        for (int64_t t = 0; t < T; t++)
            for (int64_t r = 0; r < B; r++)
                for (int64_t k = 0; k < H; k++)
                    out[0].data[((bf ? r * T + t : t * B + r) * ways + way) * H + k] = y[(t * B + r) * H + k];
        for (int k = 0; k < n; k++)
            memcpy(out[1 + k].data + way * B * H, last + k * B * H, (size_t)(B * H) * sizeof *last);
    }
    free(xp);
    free(y);
    free(last);
    free(bias);
}

static void rnn_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    layer_reference(s, d, in, out, s->p[0] != 0 ? RELU : TANH);
}
static void gru_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    layer_reference(s, d, in, out, s->p[0] != 0 ? GRU_BEFORE : GRU);
}
static void lstm_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    layer_reference(s, d, in, out, LSTM);
}

#define O(...) REEL_OPTS(rnn, __VA_ARGS__)
#define LAYER_BAD(name, GI, GH)                                                                                    \
    reel_tensor *out[3];                                                                                           \
    BAD_CODE(reel_##name(NULL, X(GI), X(GH), NULL, NULL, out), REEL_EARG, "reel_" #name ": x is NULL");            \
    BAD_CODE(reel_##name(X("[3,2,2]"), X(GI), NULL, NULL, NULL, out), REEL_EARG, "r is NULL");                     \
    BAD_CODE(reel_##name(X("[3,2,2]"), X(GI), X(GH), NULL, NULL, NULL), REEL_EARG, "out is NULL");                 \
    BAD_CODE(reel_##name(X("[3,2,5]"), X(GI), X(GH), NULL, NULL, out), REEL_ESHAPE, "inner dimensions differ");    \
    BAD_CODE(reel_##name(X("[3,2]"), X(GI), X(GH), NULL, NULL, out), REEL_ESHAPE, "xp is ");                       \
    BAD_CODE(reel_##name(X("[3,2,2]"), X(GI), X("[5,7]"), NULL, NULL, out), REEL_ESHAPE, "r is [5,7]");            \
    BAD_CODE(reel_##name(X("[3,2,2]"), X(GI), X(GH), X("[5]"), NULL, out), REEL_ESHAPE, "b is [5]");               \
    BAD_CODE(reel_##name(X("[3,2,2]"), X(GI), X(GH), NULL, O(.h0 = X("[3,1]")), out), REEL_ESHAPE, "h0 is [3,1]"); \
    BAD_CODE(reel_##name(X("[3,2,2]"), X(GI), X(GH), NULL, O(.direction = 3), out), REEL_EARG, "direction is 3");  \
    BAD_CODE(reel_##name(X("[3,2,2]"), X(GI), X(GH), NULL, O(.lengths = X("[2]L8")), out), REEL_EARG,              \
             "out of range for 3 steps");                                                                          \
    BAD_CODE(reel_##name(X("[3,2,2]"), X(GI), X(GH), NULL, O(.direction = REEL_BOTH), out), REEL_ESHAPE, "");      \
    BAD_CODE(reel_##name(X("[3,2,2]"), XD(GI, REEL_F64), X(GH), NULL, NULL, out), REEL_EDTYPE, "dtypes differ")

static void rnn_bad(void)
{
    LAYER_BAD(rnn, "[1,2]", "[1,1]");
    BAD_CODE(reel_rnn(X("[3,2,2]"), X("[1,2]"), X("[1,1]"), NULL, O(.c0 = X("[2,1]")), out), REEL_EARG, "no state c");
    BAD_CODE(reel_rnn(X("[3,2,2]"), X("[1,2]"), X("[1,1]"), NULL, O(.peephole = X("[3]")), out), REEL_EARG,
             "no peepholes");
}
static void gru_bad(void)
{
    LAYER_BAD(gru, "[3,2]", "[3,1]");
    BAD_CODE(reel_gru(X("[3,2,2]"), X("[3,2]"), X("[3,1]"), NULL, O(.peephole = X("[3]")), out), REEL_EARG,
             "no peepholes");
}
static void lstm_bad(void)
{
    LAYER_BAD(lstm, "[4,2]", "[4,1]");
    BAD_CODE(reel_lstm(X("[3,2,2]"), X("[4,2]"), X("[4,1]"), NULL, O(.c0 = X("[1]")), out), REEL_ESHAPE, "c0 is [1]");
    BAD_CODE(reel_lstm(X("[0,2,2]"), X("[4,2]"), X("[4,1]"), NULL, O(.peephole = X("[3]")), out), REEL_ESHAPE,
             "1 to 1000 steps, not 0");
}

/* G: gates times 1, 2 and 20 units */
#define LAYER_GOOD(G1, G2, G20, C)                                                                                     \
    {IN("[1,1,1]", "[" G1 ",1]", "[" G1 ",1]")},                                                                       \
        {IN("[2,2,2]", "[" G2 ",2]", "[" G2 ",2]", "[" G2 "]"), WITH(0, 0, 0, 1)},                                     \
        {IN("[2,2,1]", "[" G2 ",1]", "[" G2 ",2]", "[" G2 "]"), WITH(1, 1, 0, 8)},                                     \
        {IN("[2,2,2]", "[" G1 ",2]", "[" G1 ",1]", "[" G1 "]", "[2,1]", "[" G1 "]"), WITH(0, 0, 1, 11)},               \
        {IN("[3,2,1]", "[" G1 ",1]", "[" G1 ",1]", "[2,1]", "[2]L4"), WITH(1, 1, 0, 18)},                              \
        {IN("[2,2,1]", "[2," G1 ",1]", "[2," G1 ",1]", "[2," G1 "]", "[2,2,1]"), WITH(0, 2, 0, 3)},                    \
        {IN("[2,2,1]", "[2," G1 ",1]", "[2," G1 ",1]", "[2," G1 "]", "[2]L3"), WITH(1, 2, 1, 24)},                     \
        {IN("[3,2,2]t", "[" G1 ",2]r", "[" G1 ",1]o", "[" G1 "]s", "[2,1]o"), WITH(0, 0, 0, 3)},                       \
        {IN("[2,2,2]b", "[" G1 ",2]s", "[" G1 ",1]r", "[" G1 "]o"), WITH(C, 0, 0, 1)},                                 \
        {IN("[0,2,2]", "[" G1 ",2]", "[" G1 ",1]", "[2,1]"), WITH(0, 0, 0, 2)},                                        \
        {IN("[2,0,2]", "[" G1 ",2]", "[" G1 ",1]"), WITH(0, 1)}, {IN("[2,2,0]", "[" G1 ",0]", "[" G1 ",1]"), WITH(1)}, \
        {IN("[9,17,20]", "[2," G20 ",20]", "[2," G20 ",20]", "[2," G20 "]", "[2,17,20]", "[2," G20 "]", "[17]L10"),    \
         WITH(0, 2, 0, 27)},                                                                                           \
    {                                                                                                                  \
        IN("[9,17,20]", "[" G20 ",20]", "[" G20 ",20]", "[" G20 "]", "[17,20]", "[" G20 "]", "[17]L10"),               \
            WITH(C, 1, 0, 27)                                                                                          \
    }

static const sample rnn_good[] = {LAYER_GOOD("1", "2", "20", 0)};
static const sample gru_good[] = {LAYER_GOOD("3", "6", "60", 1)};
static const sample lstm_good[] = {
    LAYER_GOOD("4", "8", "80", 0),
    {IN("[2,2,1]", "[4,1]", "[4,1]", "[4]", "[2,1]", "[2,1]", "[4]"), WITH(0, 0, 0, 15)},
    {IN("[2,1,1]", "[4,1]", "[4,1]", "[4]", "[3]"), WITH(0, 0, 0, 33), .flags = FIXED},
    {IN("[3,2,1]", "[4,1]", "[4,1]", "[4]", "[2,1]", "[2,1]", "[2]L4", "[3]"), WITH(0, 1, 0, 55), .flags = FIXED},
    {IN("[2,2,1]", "[2,4,1]", "[2,4,1]", "[2,4]", "[2,3]"), WITH(0, 2, 1, 33), .flags = FIXED}};
const samples samples_rnn = {GOOD_OF(rnn_good, 2), .scale = 512, .apply = rnn_apply, .reference = rnn_reference,
                             .bad = rnn_bad};
const samples samples_gru = {GOOD_OF(gru_good, 2), .scale = 32, .apply = gru_apply, .reference = gru_reference,
                             .bad = gru_bad};
const samples samples_lstm = {GOOD_OF(lstm_good, 3), .scale = 32, .apply = lstm_apply, .reference = lstm_reference,
                              .bad = lstm_bad};

/* ---- cells: x, h, [c], w, r, then by the bits of p1 b, rb, peephole; p0 relu or reset_before ------------------ */
static void cell_operands(const sample *s, int at, int *b, int *rb, int *peephole)
{
    const int bits = (int)s->p[1];
    *b = bits & 1 ? at++ : 0;
    *rb = bits & 2 ? at++ : 0;
    *peephole = bits & 4 ? at++ : 0;
}

static reel_rnn_opts cell_opts(const sample *s, int at, reel_tensor *const in[], reel_tensor **b)
{
    reel_rnn_opts o = {.size = sizeof o, .relu = s->p[0] != 0, .reset_before = s->p[0] != 0};
    int i, j, k;
    cell_operands(s, at, &i, &j, &k);
    *b = i ? in[i] : NULL;
    if (j) o.rb = in[j];
    if (k) o.peephole = in[k];
    return o;
}

static int rnn_cell_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *b;
    const reel_rnn_opts o = cell_opts(s, 4, in, &b);
    (void)d;
    out[0] = reel_rnn_cell(in[0], in[1], in[2], in[3], b, &o);
    return reel_status();
}
static int gru_cell_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *b;
    const reel_rnn_opts o = cell_opts(s, 4, in, &b);
    (void)d;
    out[0] = reel_gru_cell(in[0], in[1], in[2], in[3], b, &o);
    return reel_status();
}
static int lstm_cell_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *b;
    const reel_rnn_opts o = cell_opts(s, 5, in, &b);
    (void)d;
    return reel_lstm_cell(in[0], in[1], in[2], in[3], in[4], b, &o, out);
}

static void cell_reference(const sample *s, reel_dtype d, const nd *in, nd *out, int kind)
{
    const int lstm = kind == LSTM, at = 4 + lstm;
    int g, n, S, ib, irb, ip;
    parts(kind, &g, &n, &S);
    cell_operands(s, at, &ib, &irb, &ip);
    const nd *w = &in[2 + lstm], *r = &in[3 + lstm];
    const int64_t B = in[1].shape.dims[0], H = in[1].shape.dims[1], I = in[0].shape.dims[1];
    double *xp = calloc((size_t)(B * g * H) + 1, sizeof *xp), *last = calloc((size_t)(2 * B * H) + 1, sizeof *last);
    for (int64_t b = 0; b < B; b++)
        for (int64_t k = 0; k < g * H; k++) {
            const bool own = kind == GRU && k >= 2 * H;
            xp[b * g * H + k] = dot(in[0].data + b * I, w->data + k * I, I) + (ib ? in[ib].data[k] : 0) +
                                (irb && !own ? in[irb].data[k] : 0);
        }
    nd_make(&out[0], d, in[1].shape);
    const scan z = {kind,
                    false,
                    1,
                    B,
                    H,
                    xp,
                    r->data,
                    in[1].data,
                    lstm ? in[2].data : NULL,
                    NULL,
                    kind == GRU && irb ? in[irb].data + 2 * H : NULL,
                    NULL,
                    ip ? in[ip].data : NULL,
                    out[0].data,
                    last,
                    NULL};
    run_scan(&z);
    if (lstm) {
        nd_make(&out[1], d, in[1].shape);
        memcpy(out[1].data, last + B * H, (size_t)(B * H) * sizeof *last);
    }
    free(xp);
    free(last);
}
static void rnn_cell_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    cell_reference(s, d, in, out, s->p[0] != 0 ? RELU : TANH);
}
static void gru_cell_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    cell_reference(s, d, in, out, s->p[0] != 0 ? GRU_BEFORE : GRU);
}
static void lstm_cell_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    cell_reference(s, d, in, out, LSTM);
}

#define CELL_BAD(name, GI, GH)                                                                                        \
    BAD(reel_##name(NULL, X("[2,1]"), X(GI), X(GH), NULL, NULL), REEL_EARG, "reel_" #name ": x is NULL");             \
    BAD(reel_##name(X("[2,2]"), NULL, X(GI), X(GH), NULL, NULL), REEL_EARG, "h is NULL");                             \
    BAD(reel_##name(X("[2,2]"), X("[2,1]"), NULL, X(GH), NULL, NULL), REEL_EARG, "w is NULL");                        \
    BAD(reel_##name(X("[2,2]"), X("[2,1]"), X(GI), dead(), NULL, NULL), REEL_EARG, "r is |dead");                     \
    BAD(reel_##name(X("[2,3]"), X("[2,1]"), X(GI), X(GH), NULL, NULL), REEL_ESHAPE, "inner dimensions differ");       \
    BAD(reel_##name(X("[2,2]"), X("[2,3]"), X(GI), X(GH), NULL, NULL), REEL_ESHAPE, "inner dimensions differ");       \
    BAD(reel_##name(X("[2,2]"), XD("[2,1]", REEL_F64), X(GI), X(GH), NULL, NULL), REEL_EDTYPE, "dtypes differ");      \
    BAD(reel_##name(X("[2,2]"), X("[2,1]"), X(GI), X(GH), X("[5]"), NULL), REEL_ESHAPE, "b is [5]");                  \
    BAD(reel_##name(X("[2,2]"), X("[2,1]"), X(GI), X(GH), NULL, O(.peephole = X("[3]"))), REEL_EARG, "no peepholes"); \
    BAD(reel_##name(X("[2,2]"), X("[2,1]"), unset(), X(GH), NULL, NULL), REEL_EARG, "unset");                         \
    BAD(reel_##name(X("[2,2]"), symbol(), X(GI), X(GH), NULL, NULL), REEL_ETRACE, "part of a graph")

static void rnn_cell_bad(void)
{
    CELL_BAD(rnn_cell, "[1,2]", "[1,1]");
}
static void gru_cell_bad(void)
{
    CELL_BAD(gru_cell, "[3,2]", "[3,1]");
}
static int lstm_cell(const char *site, const char *x, reel_tensor *h, reel_tensor *c, const char *w, reel_tensor *p)
{
    reel_tensor *out[2];
    return reel_lstm_cell_at(site, X(x), h, c, X(w), X("[4,1]"), NULL, O(.peephole = p), out);
}
static void lstm_cell_bad(void)
{
    BAD_CODE(reel_lstm_cell(X("[2,2]"), X("[2,1]"), X("[2,1]"), X("[4,2]"), X("[4,1]"), NULL, NULL, NULL), REEL_EARG,
             "out is NULL");
    BAD_CODE(lstm_cell(REEL_HERE, "[2,2]", NULL, X("[2,1]"), "[4,2]", NULL), REEL_EARG, "h is NULL");
    BAD_CODE(lstm_cell(REEL_HERE, "[2,2]", X("[2,1]"), NULL, "[4,2]", NULL), REEL_EARG, "c is NULL");
    BAD_CODE(lstm_cell(REEL_HERE, "[2,2]", dead(), X("[2,1]"), "[4,2]", NULL), REEL_EARG, "h is |dead");
    BAD_CODE(lstm_cell(REEL_HERE, "[2,3]", X("[2,1]"), X("[2,1]"), "[4,2]", NULL), REEL_ESHAPE,
             "inner dimensions differ");
    BAD_CODE(lstm_cell(REEL_HERE, "[2,2]", X("[2,1]"), X("[3,1]"), "[4,2]", NULL), REEL_ESHAPE, "");
    BAD_CODE(lstm_cell(REEL_HERE, "[2,2]", X("[2,1]"), XD("[2,1]", REEL_F64), "[4,2]", NULL), REEL_EDTYPE,
             "dtypes differ");
    BAD_CODE(lstm_cell(REEL_HERE, "[2,2]", X("[2,1]"), X("[2,1]"), "[4,2]", X("[4]")), REEL_ESHAPE, "not divisible");
    BAD_CODE(lstm_cell(REEL_HERE, "[2,2]", X("[2,1]"), X("[2,1]"), "[5,2]", NULL), REEL_ESHAPE, "");
    BAD_CODE(lstm_cell(REEL_HERE, "[2,2]", X("[2,1]"), symbol(), "[4,2]", NULL), REEL_ETRACE, "part of a graph");
}

#define CELL_GOOD(C, G1, G2, G20)                                                                          \
    {IN("[1,1]", "[1,1]" C("[1,1]"), "[" G1 ",1]", "[" G1 ",1]")},                                         \
        {IN("[2,2]", "[2,2]" C("[2,2]"), "[" G2 ",2]", "[" G2 ",2]", "[" G2 "]"), WITH(0, 1)},             \
        {IN("[2,2]", "[2,2]" C("[2,2]"), "[" G2 ",2]", "[" G2 ",2]", "[" G2 "]"), WITH(1, 1)},             \
        {IN("[2,1]", "[2,1]" C("[2,1]"), "[" G1 ",1]", "[" G1 ",1]", "[" G1 "]", "[" G1 "]"), WITH(0, 3)}, \
        {IN("[2,1]", "[2,1]" C("[2,1]"), "[" G1 ",1]", "[" G1 ",1]", "[" G1 "]", "[" G1 "]"), WITH(1, 3)}, \
        {IN("[2,1]", "[2,1]" C("[2,1]"), "[" G1 ",1]", "[" G1 ",1]", "[" G1 "]"), WITH(1, 2)},             \
        {IN("[0,1]", "[0,1]" C("[0,1]"), "[" G1 ",1]", "[" G1 ",1]")},                                     \
        {IN("[2,0]", "[2,1]" C("[2,1]"), "[" G1 ",0]", "[" G1 ",1]")},                                     \
        {IN("[3,2]t", "[3,1]s" C("[3,1]o"), "[" G1 ",2]r", "[" G1 ",1]s")},                                \
        {IN("[3,2]b", "[3,2]t" C("[3,2]r"), "[" G2 ",2]t", "[" G2 ",2]o"), WITH(1)},                       \
        {IN("[3,2]o", "[3,2]r" C("[3,2]t"), "[" G2 ",2]s", "[" G2 ",2]r", "[" G2 "]s"), WITH(0, 1)},       \
    {                                                                                                      \
        IN("[110,20]", "[110,20]" C("[110,20]"), "[" G20 ",20]", "[" G20 ",20]", "[" G20 "]"), WITH(0, 1)  \
    }
#define NONE(x)
#define CELL(x) , x
static const sample rnn_cell_good[] = {CELL_GOOD(NONE, "1", "2", "20")};
static const sample gru_cell_good[] = {CELL_GOOD(NONE, "3", "6", "60")};
static const sample lstm_cell_good[] = {CELL_GOOD(CELL, "4", "8", "80"),
                                        {IN("[2,1]", "[2,2]", "[2,2]", "[8,1]", "[8,2]", "[6]"), WITH(0, 4)}};
const samples samples_rnn_cell = {GOOD(rnn_cell_good), .scale = 16, .apply = rnn_cell_apply,
                                  .reference = rnn_cell_reference, .bad = rnn_cell_bad};
const samples samples_gru_cell = {GOOD(gru_cell_good), .scale = 16, .apply = gru_cell_apply,
                                  .reference = gru_cell_reference, .bad = gru_cell_bad};
const samples samples_lstm_cell = {GOOD_OF(lstm_cell_good, 2), .scale = 16, .apply = lstm_cell_apply,
                                   .reference = lstm_cell_reference, .bad = lstm_cell_bad};
