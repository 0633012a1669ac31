/* sweep_jacobian.c: the Jacobian of a sample, element by element, and the derivative of the Jacobian, against four-point
   differences in f64:  (8 (f(x + h) - f(x - h)) - (f(x + 2h) - f(x - 2h))) / 12h, whose error is h^4 f'''''/30.

   Large outputs are looked at through a few random sums of their elements. */
#include <stdio.h>

#include "sweep.h"

enum { MAX_X = 64, MAX_Y = 64, MAX_SECOND = 256, SUMS = 3 };
static const double RTOL = 1e-6, ATOL = 1e-8, STEP = 1e-3;

typedef struct jacobian {
    run *r;
    reel_tensor *const *fed;    /* as the sample has them */
    int n_in, in[SAMPLE_IN];    /* the f64 ones among them */
    int n_x;                    /* their elements */
    double x[MAX_X];            /* at the sample's point */
    int n_out, out[SAMPLE_OUT]; /* f64 outputs */
    int n_y;                    /* their elements */
    int n_w;                    /* functions of the outputs: w_k . y */
    double *w;                  /* n_w of n_y */
} jacobian;

static double random_weight(uint64_t i)
{
    uint64_t z = (i + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)(z >> 40) / 0x1p24 + 0.5;
}

/* n rows of weights for m numbers: each number by itself, or random sums of them. */
static double *weights(int m, int limit, int *n)
{
    *n = m <= limit ? m : SUMS;
    double *w = calloc((size_t)(*n) * (size_t)m + 1, sizeof *w);
    for (int k = 0; k < *n; k++)
        for (int i = 0; i < m; i++) w[k * m + i] = m <= limit ? k == i : random_weight((uint64_t)(k * m + i));
    return w;
}

/* ---- values ------------------------------------------------------------------------------------------------ */
/* The operands with the floats replaced by x. */
static bool operands_at(const jacobian *j, const double *x, reel_tensor *in[])
{
    for (int i = 0; i < j->r->n_fed; i++) in[i] = j->fed[i];
    for (int i = 0, at = 0; i < j->n_in; i++) {
        const reel_shape s = reel_shape_of(j->fed[j->in[i]]);
        const int n = (int)reel_shape_count(s);
        in[j->in[i]] = reel_from_f64(s, x + at, (size_t)n);
        at += n;
    }
    return reel_status() == 0;
}

/* w_k . y at x */
static bool values_at(const jacobian *j, const double *x, double *f)
{
    REEL_SCOPED;
    reel_tensor *in[SAMPLE_IN] = {0}, *out[SAMPLE_OUT] = {0};
    double *y = malloc(((size_t)j->n_y + 1) * sizeof *y);
    bool ok = begin(j->r) && operands_at(j, x, in) && apply(j->r, in, out) == 0;
    for (int i = 0, at = 0; ok && i < j->n_out; i++) {
        const size_t n = (size_t)reel_shape_count(reel_shape_of(out[j->out[i]]));
        ok = reel_read_f64(out[j->out[i]], y + at, n) == 0;
        at += (int)n;
    }
    for (int k = 0; ok && k < j->n_w; k++) {
        f[k] = 0;
        for (int i = 0; i < j->n_y; i++) f[k] += j->w[k * j->n_y + i] * y[i];
    }
    end(j->r);
    free(y);
    return ok;
}

/* The tensors of one row of weights, shaped like the outputs. */
static void cotangents(const jacobian *j, int k, reel_tensor *const y[], reel_tensor *dy[])
{
    for (int i = 0, at = 0; i < j->n_out; i++) {
        const reel_shape s = reel_shape_of(y[i]);
        const int n = (int)reel_shape_count(s);
        dy[i] = reel_from_f64(s, j->w + k * j->n_y + at, (size_t)n);
        at += n;
    }
}

/* Gradients of all w_k . y by the tape, as tensors: dx[k * n_in + i]. */
static bool gradients(const jacobian *j, reel_tensor *const in[], reel_tensor *dx[])
{
    reel_tensor *xs[SAMPLE_IN], *out[SAMPLE_OUT] = {0}, *ys[SAMPLE_OUT], *dys[SAMPLE_OUT];
    for (int i = 0; i < j->n_in; i++) xs[i] = in[j->in[i]];
    reel_tape *tape = reel_tape_begin(REEL_OPTS(tape, .persistent = true));
    bool ok = reel_watch(tape, (reel_list){j->n_in, xs}) == 0 && apply(j->r, in, out) == 0;
    for (int i = 0; i < j->n_out; i++) ys[i] = out[j->out[i]];
    for (int k = 0; ok && k < j->n_w; k++) {
        cotangents(j, k, ys, dys);
        ok = reel_vjp(tape, (reel_list){j->n_out, ys}, (reel_list){j->n_out, dys}, (reel_list){j->n_in, xs},
                      dx + k * j->n_in) == 0;
    }
    reel_tape_end(tape);
    return ok;
}

static bool read_all(const jacobian *j, reel_tensor *const t[], double *to)
{
    for (int i = 0; i < j->n_in; i++) {
        const size_t n = (size_t)reel_shape_count(reel_shape_of(t[i]));
        reel_tensor *d = reel_dtype_of(t[i]) == REEL_F64 ? t[i] : NULL;
        if (!d || reel_read_f64(d, to, n)) return false;
        to += n;
    }
    return true;
}

/* g[k * n_x + a]: derivative of w_k . y by x_a; in[] NULL: at x. */
static bool gradients_at(const jacobian *j, const double *x, reel_tensor *const in[], double *g)
{
    REEL_SCOPED;
    reel_tensor *own[SAMPLE_IN] = {0}, **dx = calloc((size_t)(j->n_w * j->n_in) + 1, sizeof(*dx));
    bool ok = begin(j->r) && (in || operands_at(j, x, own)) && gradients(j, in ? in : own, dx);
    for (int k = 0; ok && k < j->n_w; k++) ok = read_all(j, dx + k * j->n_in, g + k * j->n_x);
    end(j->r);
    free(dx);
    return ok;
}

/* ---- comparing ----------------------------------------------------------------------------------------------- */
typedef bool function_of_x(const jacobian *j, const double *x, double *f);

static bool gradients_of_x(const jacobian *j, const double *x, double *f)
{
    return gradients_at(j, x, NULL, f);
}

/* Column a of the derivative of f (m values), through n sums of them with weights v. */
static bool column(const jacobian *j, function_of_x *f, int m, const double *v, int n, int a, double *to)
{
    static const double at[4] = {1, -1, 2, -2}, weight[4] = {8, -8, -1, 1};
    const double h = STEP * fmax(1, fabs(j->x[a]));
    double x[MAX_X], *y = malloc(((size_t)m + 1) * sizeof *y);
    bool ok = true;
    for (int k = 0; k < n; k++) to[k] = 0;
    memcpy(x, j->x, sizeof x);
    for (int p = 0; ok && p < 4; p++) {
        x[a] = j->x[a] + at[p] * h;
        ok = f(j, x, y);
        for (int k = 0; ok && k < n; k++)
            for (int i = 0; i < m; i++)
                if (v[k * m + i] != 0) to[k] += weight[p] * v[k * m + i] * y[i] / (12 * h);
    }
    free(y);
    return ok;
}

/* analytic[k * n_x + a] against differences, for all a. */
static bool agrees(const jacobian *j, int order, function_of_x *f, int m, const double *v, int n,
                   const double *analytic)
{
    double *numeric = malloc(((size_t)n + 1) * sizeof *numeric);
    bool ok = true;
    for (int a = 0; ok && a < j->n_x; a++) {
        ok = column(j, f, m, v, n, a, numeric) || wrong(j->r, "order %d: evaluation beside the point fails", order);
        for (int k = 0; ok && k < n; k++) {
            const double got = analytic[k * j->n_x + a], want = numeric[k];
            if (!(fabs(got - want) <= ATOL + RTOL * fabs(want)))
                ok = wrong(j->r, "order %d: derivative of %d by x[%d] is %.12g, differences give %.12g", order, k, a,
                           got, want);
        }
    }
    free(numeric);
    return ok;
}

static bool first_order(const jacobian *j)
{
    double *g = malloc((size_t)(j->n_w * j->n_x + 1) * sizeof *g);
    double *one = calloc((size_t)(j->n_w * j->n_w) + 1, sizeof *one); /* w is in f already */
    for (int k = 0; k < j->n_w; k++) one[k * j->n_w + k] = 1;
    bool ok = gradients_at(j, NULL, j->fed, g) || wrong(j->r, "order 1: the gradient fails");
    ok = ok && agrees(j, 1, values_at, j->n_w, one, j->n_w, g);
    free(one);
    free(g);
    return ok;
}

/* The gradient of sums of the gradients, by two tapes. */
static bool second_by_tape(const jacobian *j, const double *v, int n, double *h)
{
    REEL_SCOPED;
    const int m = j->n_w * j->n_in;
    reel_tensor *xs[SAMPLE_IN], **g = calloc((size_t)m + 1, sizeof(*g)), **dg = calloc((size_t)m + 1, sizeof(*dg)),
                                *hx[SAMPLE_IN];
    for (int i = 0; i < j->n_in; i++) xs[i] = j->fed[j->in[i]];
    bool ok = begin(j->r);
    reel_tape *outer = reel_tape_begin(REEL_OPTS(tape, .persistent = true));
    ok = ok && reel_watch(outer, (reel_list){j->n_in, xs}) == 0 && gradients(j, j->fed, g);
    for (int k = 0; ok && k < n; k++) {
        const double *row = v + k * j->n_w * j->n_x;
        for (int i = 0, at = 0; i < m; i++) {
            const reel_shape s = reel_shape_of(g[i]);
            dg[i] = reel_from_f64(s, row + at, (size_t)reel_shape_count(s));
            at += (int)reel_shape_count(s);
        }
        ok = reel_vjp(outer, (reel_list){m, g}, (reel_list){m, dg}, (reel_list){j->n_in, xs}, hx) == 0 &&
             read_all(j, hx, h + k * j->n_x);
    }
    reel_tape_end(outer);
    end(j->r);
    free(g);
    free(dg);
    return ok;
}

static bool second_order(const jacobian *j)
{
    int n;
    const int m = j->n_w * j->n_x;
    double *v = weights(m, MAX_SECOND, &n), *h = malloc((size_t)(n * j->n_x + 1) * sizeof *h);
    bool ok = second_by_tape(j, v, n, h) || wrong(j->r, "order 2: the gradient of the gradient fails");
    ok = ok && agrees(j, 2, gradients_of_x, m, v, n, h);
    free(h);
    free(v);
    return ok;
}

bool jacobian_holds(run *r, reel_tensor *const in[])
{
    jacobian j = {.r = r, .fed = in};
    reel_tensor *out[SAMPLE_OUT] = {0};
    double *x = j.x;
    for (int i = 0; i < r->n_fed; i++) {
        if (reel_dtype_of(in[i]) != REEL_F64) continue;
        const int64_t n = reel_shape_count(reel_shape_of(in[i]));
        if (n + j.n_x > MAX_X) return true; /* too large: held against other dtypes and modes only */
        j.in[j.n_in++] = i;
        if (reel_read_f64(in[i], x + j.n_x, (size_t)n)) return wrong(r, "operand %d cannot be read", i);
        j.n_x += (int)n;
    }
    if (!begin(r)) return false;
    if (apply(r, in, out)) return wrong(r, "the op fails");
    end(r);
    for (int k = 0; k < r->set->n_out; k++) {
        if (reel_dtype_of(out[k]) != REEL_F64) continue;
        j.out[j.n_out++] = k;
        j.n_y += (int)reel_shape_count(reel_shape_of(out[k]));
    }
    if (j.n_x == 0 || j.n_y == 0) return true;
    j.w = weights(j.n_y, MAX_Y, &j.n_w);
    const bool ok = first_order(&j) && second_order(&j);
    free(j.w);
    return ok;
}
