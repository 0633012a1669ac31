/* ctc.c: ctc_loss, ctc_grad and ctc_curve: the forward-backward recursion in logarithms, in double, a task a sequence.

   With l' the labels with blanks around each, alpha_t(s) is the logarithm of the probability of all prefixes that end in
   state s at step t, beta_t(s) of all ways on from there. ctc_curve carries the derivatives of both along v with them. */
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
    bool loss, curve;
    int64_t t, n, c, s, states; /* states: 2 s + 1 */
    int64_t x[3], targets[2], lengths, target_lengths, v[3];
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
    p->curve = sig->op->id == REEL_OP_ctc_curve;
    p->t = x->dims[0], p->n = x->dims[1], p->c = x->dims[2], p->s = targets->dims[1];
    p->states = 2 * p->s + 1;
    for (int k = 0; k < 3; k++) {
        p->x[k] = x->strides[k];
        p->int_dtype[k] = sig->in[1 + k].dtype;
        if (p->curve) p->v[k] = sig->in[4].strides[k];
    }
    p->targets[0] = targets->strides[0], p->targets[1] = targets->strides[1];
    p->lengths = sig->in[2].strides[0], p->target_lengths = sig->in[3].strides[0];
    int64_t states, all;
    const int64_t kinds = p->curve ? 2 : 1, steps = p->loss ? 2 : p->t + 2;
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
    const char *x, *v, *targets;
    int64_t t, states;
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

/* ln of the sum of e^a[i]; and of da, the derivatives, their mean by those weights */
static double log_sum(const double *a, const double *da, int n, double *derivative)
{
    double m = -(double)INFINITY, sum = 0, d = 0;
    for (int i = 0; i < n; i++) m = a[i] > m ? a[i] : m;
    *derivative = 0;
    for (int i = 0; i < n; i++)
        if (a[i] != a[i]) return a[i];
    if (m == -(double)INFINITY) return m;
    for (int i = 0; i < n; i++) {
        const double w = reel_exp_f64_(a[i] - m);
        sum += w;
        d += w > 0 ? w * da[i] : 0;
    }
    *derivative = d / sum;
    return m + reel_log_f64_(sum);
}

/* alpha of a step from that of the step before, NULL: the first */
static void forward(const sequence *q, int64_t t, const double *old, const double *d_old, double *a, double *da)
{
    for (int64_t s = 0; s < q->states; s++) {
        double from[3], d[3] = {0, 0, 0}, slope = 0;
        int n = 0;
        if (!old) {
            from[n++] = s < 2 ? 0 : -(double)INFINITY;
        } else {
            const int64_t back = skips(q, s) ? 2 : s > 0 ? 1 : 0;
            for (int64_t k = s - back; k <= s; k++, n++) {
                from[n] = old[k];
                if (d_old) d[n] = d_old[k];
            }
        }
        const int64_t l = label(q, s);
        a[s] = log_sum(from, d, n, &slope) + value(q, q->x, q->p->x, t, l);
        if (da) da[s] = a[s] > -(double)INFINITY ? slope + value(q, q->v, q->p->v, t, l) : 0;
    }
}

/* beta of step t from that of the step behind it, NULL: the last */
static void backward(const sequence *q, int64_t t, const double *old, const double *d_old, double *b, double *db)
{
    for (int64_t s = 0; s < q->states; s++) {
        double to[3], d[3] = {0, 0, 0}, slope = 0;
        int n = 0;
        if (!old) {
            b[s] = s >= q->states - 2 ? 0 : -(double)INFINITY;
            if (db) db[s] = 0;
            continue;
        }
        for (int64_t k = s; k < q->states && k <= s + 2; k++) {
            if (k == s + 2 && !skips(q, k)) continue;
            const int64_t l = label(q, k);
            to[n] = old[k] + value(q, q->x, q->p->x, t + 1, l);
            if (d_old) d[n] = d_old[k] + value(q, q->v, q->p->v, t + 1, l);
            n++;
        }
        b[s] = log_sum(to, d, n, &slope);
        if (db) db[s] = slope;
    }
}

/* ln of the probability of the target, from the last alpha */
static double total(const sequence *q, const double *a, const double *da, double *derivative)
{
    static const double none[2] = {0, 0};
    const int n = q->states > 1 ? 2 : 1;
    return log_sum(a + q->states - n, da ? da + q->states - n : none, n, derivative);
}

static void store(const ctc_plan *p, void *out, int64_t i, double v)
{
    v = v == v ? v : (double)NAN;
    reel_convert_((char *)out + i * (int64_t)reel_size_(p->dtype), p->dtype, 1, &v, REEL_F64, 1, 1);
}

static void loss_of(const job *j, const sequence *q, int64_t n, double *work)
{
    double unused, *a = work, *b = work + j->p->states;
    double log_p = q->states > 1 ? -(double)INFINITY : 0;
    for (int64_t t = 0; t < q->t; t++) {
        forward(q, t, t ? b : NULL, NULL, a, NULL);
        double *const swap = a;
        a = b, b = swap;
    }
    if (q->t > 0) log_p = total(q, b, NULL, &unused);
    const double loss = 0 - log_p;
    store(j->p, j->ptr[j->p->n_in], n, loss == (double)INFINITY && j->p->attr.zero_infinity ? 0 : loss);
}

static void gradient_of(const job *j, const sequence *q, int64_t n, double *work)
{
    const ctc_plan *p = j->p;
    const int64_t width = p->states, steps = p->t + 2;
    double *alpha = work, *d_alpha = p->curve ? work + steps * width : NULL, slope = 0;
    double *b = alpha + p->t * width, *b2 = b + width; /* the last two rows are beta's */
    double *db = d_alpha ? d_alpha + p->t * width : NULL, *db2 = db ? db + width : NULL;
    void *out = j->ptr[p->n_in];
    for (int64_t t = 0; t < q->t; t++)
        forward(q, t, t ? alpha + (t - 1) * width : NULL, t && d_alpha ? d_alpha + (t - 1) * width : NULL,
                alpha + t * width, d_alpha ? d_alpha + t * width : NULL);
    for (int64_t t = 0; t < p->t; t++)
        for (int64_t c = 0; c < p->c; c++) store(p, out, (t * p->n + n) * p->c + c, 0);
    if (q->t == 0) return;
    const double log_p = total(q, alpha + (q->t - 1) * width, d_alpha ? d_alpha + (q->t - 1) * width : NULL, &slope);
    const bool none = log_p == -(double)INFINITY;
    if (none && p->attr.zero_infinity) return;
    for (int64_t t = q->t - 1; t >= 0; t--) {
        backward(q, t, t < q->t - 1 ? b : NULL, db, b2, db2);
        double *swap = b;
        b = b2, b2 = swap;
        swap = db;
        db = db2, db2 = swap;
        for (int64_t c = 0; none && c < p->c; c++) store(p, out, (t * p->n + n) * p->c + c, (double)NAN);
        for (int64_t s = 0; !none && s < q->states; s++) {
            const int64_t at = (t * p->n + n) * p->c + label(q, s);
            double share = reel_exp_f64_(alpha[t * width + s] + b[s] - log_p);
            if (d_alpha && share > 0) share *= d_alpha[t * width + s] + db[s] - slope;
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
        sequence q = {.p = p};
        q.x = (const char *)j->ptr[0] + n * p->x[1] * size;
        q.v = p->curve ? (const char *)j->ptr[4] + n * p->v[1] * size : NULL;
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
    const int64_t cost = p->t * p->states * 8 + 1, grain = cost > 16384 ? 1 : 16384 / cost + 1;
    if (p->n <= grain)
        some(&j, 0, p->n);
    else
        reel_parallel_for(p->n, grain, some, &j);
    return 0;
}
const reel_kernel reel_k_ctc_ = {.plan_size = sizeof(ctc_plan), .prepare = ctc_prepare, .run = ctc_run};
