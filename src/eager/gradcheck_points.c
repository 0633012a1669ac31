/* gradcheck_points.c: the tape's gradients against central differences, point by point. */
#include <float.h>
#include <math.h>
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "gradcheck.h"

static const char fn[] = "reel_gradcheck";

double reel_check_random_(uint64_t stream, uint64_t i)
{
    uint32_t r[4];
    reel_philox_(0x7265656c67726164u + stream, i, r);
    const double u = ((double)r[0] + 0.5) / 4294967296.0;
    return r[1] & 1 ? 0.5 + u : -0.5 - u;
}

/* ---- evaluating ---------------------------------------------------------------------------------- */

/* s(x) = sum_i <v_i, d f / d x_i>: what order 2 checks. */
static int projected_gradient(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_checker *k = self;
    const size_t n_out = (size_t)k->f.n_out, n = (size_t)k->n_leaves, room = 3 * n_out + 2 * n + 1;
    reel_tensor **lists = reel_alloc_array_(room, sizeof *lists);
    if (!lists) return REEL_ENOMEM;
    reel_tensor **made = lists, **ys = made + n_out, **dys = ys + n_out, **xs = dys + n_out, **dxs = xs + n;
    reel_tape *tape = reel_tape_begin_at(k->site, NULL);
    int n_y = 0;
    for (int i = 0; i < k->n_leaves; i++) {
        const reel_leaf *l = &k->leaf[i];
        xs[i] = l->input >= 0 ? in[l->input] : reel_handle_(l->cell);
        if (l->input >= 0) reel_watch_at(k->site, tape, (reel_list){1, &xs[i]});
    }
    int rc = reel_status();
    if (!rc) rc = reel_run_body_(k->site, fn, k->f, in, made);
    for (int j = 0; !rc && j < k->f.n_out; j++) {
        if (!k->dys[j]) continue;
        ys[n_y] = made[j];
        dys[n_y++] = k->dys[j];
    }
    if (!rc)
        rc = reel_vjp_at(k->site, tape, (reel_list){n_y, ys}, (reel_list){n_y, dys}, (reel_list){k->n_leaves, xs}, dxs);
    reel_tensor *s = NULL;
    for (int i = 0; !rc && i < k->n_leaves; i++) {
        reel_tensor *part = reel_sum_at(k->site, reel_mul_at(k->site, dxs[i], k->leaf[i].v));
        s = s ? reel_add_at(k->site, s, part) : part;
        rc = reel_status();
    }
    out[0] = s;
    reel_free_(lists, room * sizeof *lists);
    return rc;
}

static reel_fn target(reel_checker *k)
{
    return k->order == 1 ? k->f : (reel_fn){projected_gradient, k, k->f.n_in, 1, k->f.name};
}

static bool is_float_out(reel_tensor *t)
{
    return reel_is_float_(reel_dtype_of(t));
}

/* The float outputs at the present point, into y. */
static int evaluate(reel_checker *k, double *y)
{
    REEL_SCOPED_AT(k->site);
    const reel_fn f = target(k);
    reel_tensor **out = reel_alloc_array_((size_t)f.n_out + 1, sizeof *out);
    if (!out) return REEL_ENOMEM;
    reel_check_reset_(k);
    int rc = reel_run_body_(k->site, fn, f, k->args, out);
    size_t at = 0;
    for (int j = 0; !rc && j < f.n_out; j++) {
        if (!is_float_out(out[j])) continue;
        const size_t n = (size_t)reel_shape_count(reel_shape_of(out[j]));
        if (at + n > k->n_y)
            rc = reel_fail_at_(k->site, REEL_ESHAPE, "%s: %s gives outputs of another size at another point", fn,
                               k->f.name);
        else
            rc = reel_read_f64_at(k->site, out[j], y + at, n);
        at += n;
    }
    reel_free_(out, ((size_t)f.n_out + 1) * sizeof *out);
    return rc;
}

/* Puts the leaf at base + t along element e, or along its direction. */
static void move(const reel_leaf *l, int64_t e, double t)
{
    reel_rec *r = reel_rec_of_(l->x);
    double *x = (double *)(void *)r->data;
    if (e >= 0)
        x[e] = l->base[e] + t;
    else
        for (int64_t i = 0; i < l->n; i++) x[i] = l->base[i] + t * l->direction[i];
    r->storage->version++;
}

static double difference(const reel_checker *k, const double *a, const double *b)
{
    double s = 0;
    for (size_t i = 0; i < k->n_y; i++) s += k->weight[i] * (a[i] - b[i]);
    return s;
}

static double magnitude(const reel_checker *k, const double *y)
{
    double s = 0;
    for (size_t i = 0; i < k->n_y; i++) s += fabs(k->weight[i] * y[i]);
    return s;
}

/* ---- one derivative ------------------------------------------------------------------------------ */

typedef struct estimate {
    double n, spread;   /* extrapolated from h and h / 2; by how much the two differ */
    double noise;       /* what rounding can do */
    double left, right; /* one-sided, at h */
} estimate;

static int central(reel_checker *k, const reel_leaf *l, int64_t e, double h, double *d, double *left, double *right)
{
    move(l, e, h);
    int rc = evaluate(k, k->yp);
    if (!rc) {
        move(l, e, -h);
        rc = evaluate(k, k->ym);
    }
    move(l, e, 0);
    const double base = e >= 0 ? l->base[e] : 0, up = base + h, down = base - h;
    *d = difference(k, k->yp, k->ym) / (up - down);
    *right = difference(k, k->yp, k->y0) / (up - base);
    *left = difference(k, k->y0, k->ym) / (base - down);
    return rc;
}

static int estimate_at(reel_checker *k, const reel_leaf *l, int64_t e, double h, estimate *s)
{
    double d1, d2, a, b;
    int rc = central(k, l, e, h, &d1, &s->left, &s->right);
    if (!rc) rc = central(k, l, e, h / 2, &d2, &a, &b);
    if (rc) return rc;
    s->n = (4 * d2 - d1) / 3;
    s->spread = fabs(d1 - d2);
    s->noise = 16 * DBL_EPSILON * magnitude(k, k->y0) / h;
    return 0;
}

static double scale_of(double a, double n)
{
    return fmax(1, fmax(fabs(a), fabs(n)));
}

static bool agrees(const reel_checker *k, double a, const estimate *s)
{
    return isfinite(a) && isfinite(s->n) && fabs(a - s->n) <= k->tol * scale_of(a, s->n) + s->noise;
}

enum { POINT_OK, POINT_KINK, POINT_WRONG, POINT_NOT_FINITE };

/* A point that failed at step h. A kink nearby goes away with a smaller step; a kink right there shows as one-sided
   slopes that stay apart, with the tape's value between them; a wrong gradient stays wrong. */
static int examine(reel_checker *k, const reel_leaf *l, int64_t e, double h, double a, estimate *s, int *what)
{
    const double apart = fabs(s->right - s->left);
    estimate small = *s;
    *what = POINT_KINK;
    for (int i = 1; i <= 2; i++) {
        const int rc = estimate_at(k, l, e, i == 1 ? h / 16 : h / 256, &small);
        if (rc) return rc;
        if (agrees(k, a, &small)) return 0;
    }
    *what = POINT_NOT_FINITE;
    if (!isfinite(a) || !isfinite(small.n)) return 0;
    const double diff = fabs(a - small.n), still = fabs(small.right - small.left),
                 slack = k->tol * scale_of(a, small.n) + small.noise;
    const bool split = still > apart / 4 && still > 4 * slack &&
                       a >= fmin(small.left, small.right) - slack - still / 8 &&
                       a <= fmax(small.left, small.right) + slack + still / 8;
    *what = split || small.spread > diff + small.noise ? POINT_KINK : POINT_WRONG;
    if (*what == POINT_WRONG) *s = small;
    return 0;
}

static void note(reel_checker *k, const reel_leaf *l, int64_t e, double a, double n, int what)
{
    reel_gradcheck_report *r = k->r;
    const int verdict = what == POINT_WRONG        ? REEL_GRAD_WRONG
                        : what == POINT_NOT_FINITE ? REEL_GRAD_NOT_FINITE
                                                   : REEL_GRAD_OK;
    const double error = isfinite(a) && isfinite(n) ? fabs(a - n) / scale_of(a, n) : INFINITY;
    const bool worse = verdict != r->verdict ? verdict > r->verdict : error > r->error || r->checked == 1;
    if (!worse) return;
    r->verdict = verdict;
    r->which = l->which;
    r->order = k->order;
    r->element = e;
    r->analytic = a;
    r->numeric = n;
    r->error = error;
}

static int check_point(reel_checker *k, const reel_leaf *l, int64_t e, double a, double size)
{
    const double h = k->step > 0 ? k->step : 1e-3 * fmax(1, fabs(size));
    estimate s;
    int what = POINT_OK, rc = estimate_at(k, l, e, h, &s);
    if (rc) return rc;
    if (!agrees(k, a, &s)) {
        if (k->r->verdict != REEL_GRAD_OK &&
            fabs(a - s.n) / scale_of(a, s.n) <= k->r->error) { /* a worse one is known */
            k->r->checked++;
            return 0;
        }
        rc = examine(k, l, e, h, a, &s, &what);
        if (rc) return rc;
    }
    if (what == POINT_KINK) {
        k->r->kinks++;
        return 0;
    }
    k->r->checked++;
    note(k, l, e, a, s.n, what);
    return 0;
}

static int check_leaf(reel_checker *k, reel_leaf *l)
{
    int rc = 0;
    if (k->projections <= 0) {
        for (int64_t e = 0; e < l->n && !rc; e++) rc = check_point(k, l, e, l->analytic[e], l->base[e]);
        return rc;
    }
    for (int p = 0; p < k->projections && l->n > 0 && !rc; p++) {
        double a = 0, size = 0;
        for (int64_t i = 0; i < l->n; i++) {
            l->direction[i] = reel_check_random_(1000 + (uint64_t)p, (uint64_t)i) / sqrt((double)l->n);
            a += l->direction[i] * l->analytic[i];
            size = fmax(size, fabs(l->base[i]));
        }
        rc = check_point(k, l, -1, a, size);
    }
    return rc;
}

/* ---- the tape's gradients ------------------------------------------------------------------------ */

static int take_outputs(reel_checker *k, const reel_fn *f, reel_tensor *const out[])
{
    size_t n = 0;
    for (int j = 0; j < f->n_out; j++)
        if (is_float_out(out[j])) n += (size_t)reel_shape_count(reel_shape_of(out[j]));
    if (reel_status()) return reel_status();
    if (n == 0) return reel_fail_at_(k->site, REEL_EARG, "%s: %s has no float output", fn, f->name);
    k->weight = reel_alloc_array_(4 * n, sizeof(double));
    if (!k->weight) return REEL_ENOMEM;
    k->n_y = n;
    k->y0 = k->weight + n;
    k->yp = k->y0 + n;
    k->ym = k->yp + n;
    for (size_t i = 0; i < n; i++) k->weight[i] = n == 1 ? 1 : reel_check_random_(0, i);
    size_t at = 0;
    for (int j = 0; j < f->n_out; j++) {
        if (!is_float_out(out[j])) continue;
        const size_t m = (size_t)reel_shape_count(reel_shape_of(out[j]));
        const int rc = reel_read_f64_at(k->site, out[j], k->y0 + at, m);
        if (rc) return rc;
        at += m;
    }
    return 0;
}

/* f's weights, also for the inner gradient of order 2. They outlive this order: they belong to gradcheck's own scope. */
static int make_weights(reel_checker *k, reel_tensor *const out[])
{
    size_t at = 0;
    for (int j = 0; j < k->f.n_out; j++) {
        k->dys[j] = NULL;
        if (!is_float_out(out[j])) continue;
        const reel_shape s = reel_shape_of(out[j]);
        const size_t m = (size_t)reel_shape_count(s);
        reel_tensor *w = reel_from_f64_at(k->site, s, k->weight + at, m);
        if (w && reel_dtype_of(out[j]) != REEL_F64) w = reel_cast_at(k->site, w, reel_dtype_of(out[j]));
        k->dys[j] = reel_keep(w);
        if (!w) return reel_status();
        at += m;
    }
    return 0;
}

static int gradients(reel_checker *k, reel_tape *tape, const reel_fn *f, reel_tensor *const out[], reel_tensor **ys,
                     reel_tensor **xs, reel_tensor **dxs)
{
    reel_tensor **dys = ys + f->n_out;
    int n = 0, rc;
    for (int j = 0; j < f->n_out; j++) {
        if (!is_float_out(out[j])) continue;
        ys[n] = out[j];
        dys[n++] = k->order == 1 ? k->dys[j] : reel_ones_like_at(k->site, out[j]);
    }
    for (int i = 0; i < k->n_leaves; i++) xs[i] = k->leaf[i].input >= 0 ? k->leaf[i].x : reel_handle_(k->leaf[i].cell);
    rc = reel_vjp_at(k->site, tape, (reel_list){n, ys}, (reel_list){n, dys}, (reel_list){k->n_leaves, xs}, dxs);
    for (int i = 0; i < k->n_leaves && !rc; i++)
        rc = reel_read_f64_at(k->site, dxs[i], k->leaf[i].analytic, (size_t)k->leaf[i].n);
    return rc;
}

static int analytic(reel_checker *k)
{
    REEL_SCOPED_AT(k->site);
    const reel_fn f = target(k);
    const size_t room = 3 * (size_t)f.n_out + 2 * (size_t)k->n_leaves + 1;
    reel_tensor **out = reel_alloc_array_(room, sizeof *out);
    if (!out) return REEL_ENOMEM;
    reel_tensor **ys = out + f.n_out, **xs = ys + 2 * f.n_out;
    reel_tape *tape = reel_tape_begin_at(k->site, NULL);
    for (int i = 0; i < k->n_leaves; i++)
        if (k->leaf[i].input >= 0) reel_watch_at(k->site, tape, (reel_list){1, &k->leaf[i].x});
    reel_check_reset_(k);
    int rc = reel_status();
    if (!rc) rc = reel_run_body_(k->site, fn, f, k->args, out);
    if (!rc) rc = take_outputs(k, &f, out);
    if (!rc && k->order == 1) rc = make_weights(k, out);
    if (!rc) rc = gradients(k, tape, &f, out, ys, xs, xs + k->n_leaves);
    reel_free_(out, room * sizeof *out);
    return rc;
}

int reel_check_points_(reel_checker *k)
{
    int rc = analytic(k);
    for (size_t i = 0; i < k->n_y && !rc; i++) {
        if (isfinite(k->y0[i])) continue;
        k->r->verdict = REEL_GRAD_NOT_FINITE;
        k->r->which = -1;
        k->r->order = k->order;
        k->r->element = (int64_t)i;
        k->r->analytic = k->r->numeric = k->y0[i];
        return 0;
    }
    for (int i = 0; i < k->n_leaves && !rc; i++)
        if (k->leaf[i].which >= 0) rc = check_leaf(k, &k->leaf[i]);
    return rc;
}

void reel_check_free_points_(reel_checker *k)
{
    reel_free_(k->weight, 4 * k->n_y * sizeof(double));
    k->weight = NULL;
    k->n_y = 0;
}
