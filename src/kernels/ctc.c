/* ctc.c: ctc_loss, ctc_grad and ctc_curve: the forward-backward recursion in logarithms, in double, a task a sequence.

   With l' the labels with blanks around each, alpha_t(s) is the logarithm of the probability of all prefixes that end in
   state s at step t, beta_t(s) of all ways on from there. ctc_curve along k directions carries a jet of 2^k numbers for each:
   entry i is the mixed derivative along the directions whose bits i has; k = 0 for the gradient itself. */
#include <math.h>
#include <string.h>
#include "core/dtype.h"
#include "kernels/kernels.h"
#include "kernels/softmax.h"
#include "kernels/vmath.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "reel/tensor.h"

typedef struct ctc_plan {
    reel_attr_ctc attr;
    reel_dtype dtype, int_dtype[3];
    int n_in;
    bool loss;
    int k;                      /* directions */
    int64_t t, n, c, s, states; /* states: 2 s + 1 */
    int64_t x[3], targets[2], lengths, target_lengths, v[REEL_CTC_DIRECTIONS][3];
    int64_t need; /* doubles of workspace a sequence */
} ctc_plan;

static int ctc_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    ctc_plan *p = plan;
    const reel_kview *x = &sig->in[0], *targets = &sig->in[1];
    memset(p, 0, sizeof *p);
    p->attr = *(const reel_attr_ctc *)sig->attr;
    p->dtype = x->dtype;
    p->n_in = sig->n_in;
    p->loss = sig->op->id == REEL_OP_ctc_loss;
    p->k = sig->n_in - 4;
    p->t = x->dims[0], p->n = x->dims[1], p->c = x->dims[2], p->s = targets->dims[1];
    p->states = 2 * p->s + 1;
    for (int k = 0; k < 3; k++) {
        p->x[k] = x->strides[k];
        p->int_dtype[k] = sig->in[1 + k].dtype;
        for (int i = 0; i < p->k; i++) p->v[i][k] = sig->in[4 + i].strides[k];
    }
    p->targets[0] = targets->strides[0], p->targets[1] = targets->strides[1];
    p->lengths = sig->in[2].strides[0], p->target_lengths = sig->in[3].strides[0];
    int64_t states, all;
    const int64_t kinds = (int64_t)1 << p->k, steps = p->loss ? 2 : p->t + 2;
    if (REEL_MUL_OVERFLOW(kinds * steps, p->states, &states) || REEL_MUL_OVERFLOW(states, p->n * 8, &all))
        return reel_fail(REEL_ESHAPE, "%lld steps of %lld labels for %lld sequences are too many", (long long)p->t,
                         (long long)p->s, (long long)p->n);
    p->need = states;
    *workspace = (size_t)all;
    return 0;
}

typedef struct job {
    const ctc_plan *p;
    void *const *ptr;
    double *work;
} job;

/* One sequence. */
typedef struct sequence {
    const ctc_plan *p;
    const char *x, *v[REEL_CTC_DIRECTIONS], *targets;
    int64_t t, states;
    int jet; /* 2^k */
} sequence;

static double value(const sequence *q, const char *from, const int64_t *strides, int64_t t, int64_t c)
{
    return reel_load_number_(from + (t * strides[0] + c * strides[2]) * (int64_t)reel_size_(q->p->dtype), q->p->dtype);
}

static int64_t label(const sequence *q, int64_t s)
{
    if (s % 2 == 0) return q->p->attr.blank;
    return reel_label_(q->p->int_dtype[0], q->targets, s / 2 * q->p->targets[1]);
}

/* May a path come to state s from s - 2? */
static bool skips(const sequence *q, int64_t s)
{
    return s >= 2 && s % 2 == 1 && label(q, s) != label(q, s - 2);
}

/* ---- jets: a function's mixed derivatives along sets of directions, entry 0 its value ---------------------- */
enum { MAX_JET = 1 << REEL_CTC_DIRECTIONS };

/* e^a, entry 0 given: with d one direction of the set s, (e^a)_s = sum over t in s - d of a_{t+d} (e^a)_{s-d-t} */
static void jet_exp(const double *a, int n, double *e)
{
    for (int s = 1; s < n; s++) {
        const int d = s & -s, rest = s & ~d;
        double sum = 0;
        for (int t = rest;; t = (t - 1) & rest) {
            if (e[0] > 0) sum += a[t | d] * e[rest & ~t];
            if (!t) break;
        }
        e[s] = sum;
    }
}

/* ln z, entry 0 given: jet_exp's equation for a_s */
static void jet_log(const double *z, int n, double *l)
{
    for (int s = 1; s < n; s++) {
        const int d = s & -s, rest = s & ~d;
        double sum = z[s];
        for (int t = (rest - 1) & rest; rest; t = (t - 1) & rest) { /* all sets but rest itself */
            sum -= l[t | d] * z[rest & ~t];
            if (!t) break;
        }
        l[s] = sum / z[0];
    }
}

/* ln of the sum of e^a[i] of n <= 3 jets */
static void log_sum(const double *const a[], int n, int jet, double *to)
{
    double m = -(double)INFINITY, sum[MAX_JET] = {0}, e[MAX_JET];
    for (int i = 0; i < n; i++) m = a[i][0] > m ? a[i][0] : m;
    for (int s = 0; s < jet; s++) to[s] = 0;
    to[0] = m;
    for (int i = 0; i < n; i++)
        if (a[i][0] != a[i][0]) to[0] = a[i][0];
    if (to[0] != to[0] || m == -(double)INFINITY) return;
    for (int i = 0; i < n; i++) {
        e[0] = reel_exp_f64_(a[i][0] - m);
        jet_exp(a[i], jet, e);
        for (int s = 0; s < jet; s++) sum[s] += e[s];
    }
    to[0] = m + reel_log_f64_(sum[0]);
    jet_log(sum, jet, to);
}

/* a += the score of class c at step t, which is linear in each direction */
static void add_score(const sequence *q, int64_t t, int64_t c, double *a)
{
    a[0] += value(q, q->x, q->p->x, t, c);
    for (int i = 0; i < q->p->k; i++) a[1 << i] += value(q, q->v[i], q->p->v[i], t, c);
}

/* alpha of a step from that of the step before, NULL: the first */
static void forward(const sequence *q, int64_t t, const double *old, double *to)
{
    const int jet = q->jet;
    for (int64_t s = 0; s < q->states; s++) {
        double *a = to + s * jet;
        if (old) {
            const double *from[3];
            int n = 0;
            for (int64_t k = s - (skips(q, s) ? 2 : s > 0 ? 1 : 0); k <= s; k++) from[n++] = old + k * jet;
            log_sum(from, n, jet, a);
        } else {
            memset(a, 0, (size_t)jet * sizeof *a);
            a[0] = s < 2 ? 0 : -(double)INFINITY;
        }
        if (a[0] > -(double)INFINITY)
            add_score(q, t, label(q, s), a);
        else
            a[0] += value(q, q->x, q->p->x, t, label(q, s)); /* may be NaN */
    }
}

/* beta of step t from that of the step behind it, NULL: the last */
static void backward(const sequence *q, int64_t t, const double *old, double *to)
{
    const int jet = q->jet;
    double ahead[3][MAX_JET];
    for (int64_t s = 0; s < q->states; s++) {
        double *b = to + s * jet;
        if (!old) {
            memset(b, 0, (size_t)jet * sizeof *b);
            b[0] = s >= q->states - 2 ? 0 : -(double)INFINITY;
            continue;
        }
        const double *from[3];
        int n = 0;
        for (int64_t k = s; k < q->states && k <= s + 2; k++) {
            if (k == s + 2 && !skips(q, k)) continue;
            memcpy(ahead[n], old + k * jet, (size_t)jet * sizeof *old);
            add_score(q, t + 1, label(q, k), ahead[n]);
            from[n] = ahead[n];
            n++;
        }
        log_sum(from, n, jet, b);
    }
}

/* ln of the probability of the target, from the last alpha */
static void total(const sequence *q, const double *a, double *to)
{
    const double *last = a + (q->states - 1) * q->jet;
    if (q->states > 1)
        log_sum((const double *const[]){last - q->jet, last}, 2, q->jet, to);
    else
        log_sum(&last, 1, q->jet, to);
}

static void store(const ctc_plan *p, void *out, int64_t i, double v)
{
    v = v == v ? v : (double)NAN;
    reel_convert_((char *)out + i * (int64_t)reel_size_(p->dtype), p->dtype, 1, &v, REEL_F64, 1, 1);
}

static void loss_of(const job *j, const sequence *q, int64_t n, double *work)
{
    double *a = work, *b = work + j->p->states;
    double log_p = q->states > 1 ? -(double)INFINITY : 0;
    for (int64_t t = 0; t < q->t; t++) {
        forward(q, t, t ? b : NULL, a);
        double *const swap = a;
        a = b, b = swap;
    }
    if (q->t > 0) total(q, b, &log_p);
    const double loss = 0 - log_p;
    store(j->p, j->ptr[j->p->n_in], n, loss == (double)INFINITY && j->p->attr.zero_infinity ? 0 : loss);
}

/* What all paths through a state at a step have of the whole probability, e^(alpha + beta - total), along all directions. */
static double share_of(const double *alpha, const double *beta, const double *all, int jet)
{
    double d[MAX_JET], e[MAX_JET];
    for (int s = 0; s < jet; s++) d[s] = alpha[s] + beta[s] - all[s];
    e[0] = reel_exp_f64_(d[0]);
    if (!(e[0] > 0)) return e[0];
    jet_exp(d, jet, e);
    return e[jet - 1];
}

static void gradient_of(const job *j, const sequence *q, int64_t n, double *work)
{
    const ctc_plan *p = j->p;
    const int64_t width = p->states * q->jet;
    double all[MAX_JET], *b = work + p->t * width, *b2 = b + width; /* behind alpha's rows are two of beta's */
    void *out = j->ptr[p->n_in];
    for (int64_t t = 0; t < q->t; t++) forward(q, t, t ? work + (t - 1) * width : NULL, work + t * width);
    for (int64_t t = 0; t < p->t; t++)
        for (int64_t c = 0; c < p->c; c++) store(p, out, (t * p->n + n) * p->c + c, 0);
    if (q->t == 0) return;
    total(q, work + (q->t - 1) * width, all);
    const bool none = all[0] == -(double)INFINITY;
    if (none && p->attr.zero_infinity) return;
    for (int64_t t = q->t - 1; t >= 0; t--) {
        backward(q, t, t < q->t - 1 ? b : NULL, b2);
        double *const swap = b;
        b = b2, b2 = swap;
        for (int64_t c = 0; none && c < p->c; c++) store(p, out, (t * p->n + n) * p->c + c, (double)NAN);
        for (int64_t s = 0; !none && s < q->states; s++) {
            const int64_t at = (t * p->n + n) * p->c + label(q, s);
            const double share = share_of(work + t * width + s * q->jet, b + s * q->jet, all, q->jet);
            const double sum = reel_load_number_((char *)out + at * (int64_t)reel_size_(p->dtype), p->dtype) - share;
            store(p, out, at, sum);
        }
    }
}

static void some(void *arg, int64_t begin, int64_t end)
{
    const job *j = arg;
    const ctc_plan *p = j->p;
    const int64_t size = (int64_t)reel_size_(p->dtype);
    for (int64_t n = begin; n < end; n++) {
        sequence q = {.p = p, .jet = 1 << p->k};
        q.x = (const char *)j->ptr[0] + n * p->x[1] * size;
        for (int i = 0; i < p->k; i++) q.v[i] = (const char *)j->ptr[4 + i] + n * p->v[i][1] * size;
        q.targets = (const char *)j->ptr[1] + n * p->targets[0] * (int64_t)reel_size_(p->int_dtype[0]);
        q.t = reel_label_(p->int_dtype[1], j->ptr[2], n * p->lengths);
        q.states = 2 * reel_label_(p->int_dtype[2], j->ptr[3], n * p->target_lengths) + 1;
        if (p->loss)
            loss_of(j, &q, n, j->work + n * p->need);
        else
            gradient_of(j, &q, n, j->work + n * p->need);
    }
}

/* On the caller's thread, before anything is read. */
static int check(const ctc_plan *p, void *const *ptr)
{
    for (int64_t n = 0; n < p->n; n++) {
        const int64_t t = reel_label_(p->int_dtype[1], ptr[2], n * p->lengths);
        const int64_t s = reel_label_(p->int_dtype[2], ptr[3], n * p->target_lengths);
        if (t < 0 || t > p->t)
            return reel_fail(REEL_EARG, "length %lld of sequence %lld is out of range for %lld steps", (long long)t,
                             (long long)n, (long long)p->t);
        if (s < 0 || s > p->s)
            return reel_fail(REEL_EARG, "target length %lld of sequence %lld is out of range for %lld labels",
                             (long long)s, (long long)n, (long long)p->s);
        for (int64_t i = 0; i < s; i++) {
            const int64_t l = reel_label_(p->int_dtype[0], ptr[1], n * p->targets[0] + i * p->targets[1]);
            if (l < 0 || l >= p->c || l == p->attr.blank)
                return reel_fail(REEL_EARG, "target %lld at [%lld,%lld] is %s", (long long)l, (long long)n,
                                 (long long)i, l == p->attr.blank ? "the blank" : "out of range");
        }
    }
    return 0;
}

static int ctc_run(const void *plan, void *const *ptr, void *work)
{
    const ctc_plan *p = plan;
    const int code = check(p, ptr);
    if (code) return code;
    job j = {p, ptr, work};
    const int64_t cost = p->t * p->states * (8 << p->k) + 1, grain = cost > 16384 ? 1 : 16384 / cost + 1;
    if (p->n <= grain)
        some(&j, 0, p->n);
    else
        reel_parallel_for(p->n, grain, some, &j);
    return 0;
}
const reel_kernel reel_k_ctc_ = {.plan_size = sizeof(ctc_plan), .prepare = ctc_prepare, .run = ctc_run};
