/* einsum.c: Einstein sums. prepare turns one into steps of other kernels: diagonals are strides, an index that stands in one
   operand alone is summed first, then pair by pair: a matmul of [batch, left, summed] with [batch, summed, right], or a
   product where nothing is summed. run goes through the steps. */
#include "einsum.h"
#include "core/alloc.h"
#include "core/device.h"
#include "core/dtype.h"
#include "core/error.h"
#include "core/shape.h"
#include "kernels.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include <string.h>

enum { LABELS = 64 };

typedef struct place { /* input `in`, or bytes of the workspace, or the output */
    enum { IN_INPUT, IN_WORK, IN_OUT } where;
    int in;
    size_t at;
} place;

typedef struct step {
    const reel_kernel *kernel;
    void *plan;
    place in[2], out;
    int n_in;
} step;

typedef struct einsum_plan {
    step *steps;
    int n;
    size_t cap, scratch_at;
    size_t zero; /* bytes of the result to clear */
    bool embed;  /* the result's values, dense at embed_at, go on a diagonal */
    size_t embed_at, size;
    int rank;
    int64_t dims[REEL_MAX_RANK], strides[REEL_MAX_RANK];
    int n_in;
} einsum_plan;

typedef struct term {
    int rank;
    uint8_t label[REEL_MAX_RANK];
    int64_t stride[REEL_MAX_RANK];
    uint64_t set;
    place at;
} term;

typedef struct builder {
    einsum_plan *p;
    int64_t size[LABELS];
    uint8_t out[REEL_MAX_RANK]; /* labels of the result, in order, each once, none of size 1 */
    int n_out;
    uint64_t out_set;
    reel_dtype dtype; /* that the terms have now */
    size_t work, scratch;
} builder;

static uint64_t bit(int label)
{
    return UINT64_C(1) << label;
}

static bool stands_in(const uint8_t *list, int n, int label)
{
    return n > 0 && memchr(list, label, (size_t)n) != NULL;
}

/* ---- steps -------------------------------------------------------------------------------------------- */
static int reserve(builder *b, const int64_t *dims, int rank, place *out)
{
    size_t bytes = reel_size_(b->dtype);
    for (int i = 0; i < rank; i++)
        if (REEL_MUL_OVERFLOW(bytes, (size_t)dims[i], &bytes)) bytes = SIZE_MAX;
    if (bytes > SIZE_MAX / 4 || b->work > SIZE_MAX / 4)
        return reel_fail(REEL_ESHAPE, "an intermediate result would not fit in memory");
    *out = (place){.where = IN_WORK, .at = b->work};
    b->work += (bytes + 63) & ~(size_t)63;
    return 0;
}

static int add_step(builder *b, int op, const void *attr, const reel_kernel *k, int n_in, const reel_kview *in,
                    const place *from, const reel_kview *out, place to)
{
    einsum_plan *p = b->p;
    const reel_ksig sig = {&reel_rows_[op], attr, n_in, 1, in, out};
    size_t scratch = 0;
    int code = reel_grow_((void **)&p->steps, &p->cap, (size_t)p->n + 1, sizeof *p->steps);
    if (code) return code;
    step *s = &p->steps[p->n];
    *s = (step){.kernel = k, .out = to, .n_in = n_in};
    for (int i = 0; i < n_in; i++) s->in[i] = from[i];
    s->plan = reel_zalloc_(k->plan_size);
    if (!s->plan) return REEL_ENOMEM;
    code = k->prepare(&sig, s->plan, &scratch);
    if (code) {
        reel_free_(s->plan, k->plan_size);
        return code;
    }
    p->n++;
    if (scratch > b->scratch) b->scratch = scratch;
    return 0;
}

/* A term's view with its axes in the order of labels; an axis it lacks has stride 0 (and size 1 unless spread). */
static void view_of(const builder *b, const term *t, const uint8_t *label, int n, bool spread, int64_t *dims,
                    int64_t *strides)
{
    for (int i = 0; i < n; i++) {
        dims[i] = spread || (t->set & bit(label[i])) ? b->size[label[i]] : 1;
        strides[i] = 0;
        for (int j = 0; j < t->rank; j++)
            if (t->label[j] == label[i]) strides[i] = t->stride[j];
    }
}

/* The term becomes dense: axes in the order of labels, found at `at`. */
static void settle(const builder *b, term *t, const uint8_t *label, int n, place at)
{
    int64_t next = 1;
    t->rank = n;
    t->set = 0;
    t->at = at;
    for (int i = n - 1; i >= 0; i--) {
        t->label[i] = label[i];
        t->stride[i] = next;
        t->set |= bit(label[i]);
        next *= b->size[label[i]];
    }
}

/* Copies a term, its axes in the order of labels, to `to`, or to new workspace. */
static int copy_term(builder *b, term *t, const uint8_t *label, int n, const place *to)
{
    int64_t dims[REEL_MAX_RANK] = {0}, strides[REEL_MAX_RANK], dense[REEL_MAX_RANK];
    view_of(b, t, label, n, true, dims, strides);
    reel_shape s = {.rank = n};
    memcpy(s.dims, dims, sizeof s.dims);
    reel_shape_strides_(&s, dense);
    place at;
    const int code = to ? (at = *to, 0) : reserve(b, dims, n, &at);
    if (code) return code;
    const reel_kview in = {b->dtype, n, dims, strides, NULL}, out = {b->dtype, n, dims, dense, NULL};
    const int failed = add_step(b, REEL_OP_stop_gradient, NULL, &reel_k_copy_, 1, &in, &t->at, &out, at);
    settle(b, t, label, n, at);
    return failed;
}

static int cast_term(builder *b, term *t, reel_dtype from, reel_dtype to, const place *where)
{
    int64_t dims[REEL_MAX_RANK], dense[REEL_MAX_RANK], strides[REEL_MAX_RANK];
    reel_shape s = {.rank = t->rank};
    uint8_t label[REEL_MAX_RANK];
    memcpy(label, t->label, sizeof label);
    view_of(b, t, label, t->rank, true, dims, strides);
    memcpy(s.dims, dims, sizeof s.dims);
    reel_shape_strides_(&s, dense);
    const reel_attr_cast a = {.dtype = to};
    place at;
    const int code = where ? (at = *where, 0) : reserve(b, dims, t->rank, &at);
    if (code) return code;
    const reel_kview in = {from, t->rank, dims, strides, NULL}, out = {to, t->rank, dims, dense, NULL};
    const int failed = add_step(b, REEL_OP_cast, &a, &reel_k_cast_, 1, &in, &t->at, &out, at);
    settle(b, t, label, t->rank, at);
    return failed;
}

/* Sums a term over all labels but those to keep, which come out in the order given. */
static int sum_term(builder *b, term *t, const uint8_t *keep, int n, const place *to)
{
    uint8_t order[REEL_MAX_RANK];
    int64_t dims[REEL_MAX_RANK], strides[REEL_MAX_RANK], out_strides[REEL_MAX_RANK];
    reel_attr_reduce a = {.axes = {.n = 0}};
    int m = n;
    memcpy(order, keep, (size_t)n);
    for (int i = 0; i < t->rank; i++)
        if (!stands_in(keep, n, t->label[i])) {
            a.axes.axis[a.axes.n++] = m;
            order[m++] = t->label[i];
        }
    view_of(b, t, order, m, true, dims, strides);
    reel_shape s = {.rank = n};
    memcpy(s.dims, dims, (size_t)n * sizeof *dims);
    reel_shape_strides_(&s, out_strides);
    place at;
    const int code = to ? (at = *to, 0) : reserve(b, dims, n, &at);
    if (code) return code;
    const reel_kview in = {b->dtype, m, dims, strides, NULL}, out = {b->dtype, n, dims, out_strides, NULL};
    const int failed = add_step(b, REEL_OP_sum, &a, &reel_k_sum_, 1, &in, &t->at, &out, at);
    settle(b, t, keep, n, at);
    return failed;
}

/* ---- pairs -------------------------------------------------------------------------------------------- */
typedef struct group {
    uint8_t label[REEL_MAX_RANK];
    int n;
} group;

static void group_add(group *g, int label)
{
    g->label[g->n++] = (uint8_t)label;
}

static int64_t group_size(const builder *b, const group *g)
{
    int64_t n = 1;
    for (int i = 0; i < g->n; i++) n *= b->size[g->label[i]];
    return n;
}

/* Labels that the result has too come in its order, and before others. */
static void group_sort(const builder *b, group *g)
{
    int at = 0;
    for (int i = 0; i < b->n_out; i++)
        for (int j = at; j < g->n; j++)
            if (g->label[j] == b->out[i]) {
                const uint8_t l = g->label[j];
                memmove(g->label + at + 1, g->label + at, (size_t)(j - at));
                g->label[at++] = l;
                break;
            }
}

/* Can the group be one axis of the term? Its stride. */
static bool group_merges(const builder *b, const term *t, const group *g, int64_t *stride)
{
    int64_t dims[REEL_MAX_RANK], s[REEL_MAX_RANK];
    view_of(b, t, g->label, g->n, true, dims, s);
    for (int i = 0; i + 1 < g->n; i++)
        if (s[i] != s[i + 1] * dims[i + 1]) return false;
    *stride = g->n ? s[g->n - 1] : 1;
    return true;
}

/* The summed labels in the order of the term's strides, the widest first. */
static void group_as_stored(const builder *b, const term *t, group *g)
{
    int64_t dims[REEL_MAX_RANK], s[REEL_MAX_RANK];
    view_of(b, t, g->label, g->n, true, dims, s);
    for (int i = 1; i < g->n; i++)
        for (int j = i; j > 0 && (s[j] < 0 ? -s[j] : s[j]) > (s[j - 1] < 0 ? -s[j - 1] : s[j - 1]); j--) {
            const int64_t w = s[j];
            const uint8_t l = g->label[j];
            s[j] = s[j - 1], s[j - 1] = w;
            g->label[j] = g->label[j - 1], g->label[j - 1] = l;
        }
}

typedef struct matrices {
    int rank;
    int64_t dims[REEL_MAX_RANK], strides[REEL_MAX_RANK];
} matrices;

/* The term as a batch of matrices rows x cols, copied if its axes do not merge. */
static int as_matrices(builder *b, term *t, const group *batch, const group *rows, const group *cols, matrices *m)
{
    int64_t rs, cs;
    if (batch->n + 2 > REEL_MAX_RANK || !group_merges(b, t, rows, &rs) || !group_merges(b, t, cols, &cs)) {
        uint8_t order[REEL_MAX_RANK];
        memcpy(order, batch->label, (size_t)batch->n);
        memcpy(order + batch->n, rows->label, (size_t)rows->n);
        memcpy(order + batch->n + rows->n, cols->label, (size_t)cols->n);
        const int code = copy_term(b, t, order, batch->n + rows->n + cols->n, NULL);
        if (code) return code;
        rs = group_size(b, cols);
        cs = 1;
    }
    if (rows->n == 0) rs = group_size(b, cols);
    if (batch->n + 2 > REEL_MAX_RANK) { /* dense now: one axis */
        m->rank = 3;
        m->dims[0] = group_size(b, batch);
        m->strides[0] = group_size(b, rows) * group_size(b, cols);
    } else {
        m->rank = batch->n + 2;
        view_of(b, t, batch->label, batch->n, true, m->dims, m->strides);
    }
    m->dims[m->rank - 2] = group_size(b, rows), m->strides[m->rank - 2] = rs;
    m->dims[m->rank - 1] = group_size(b, cols), m->strides[m->rank - 1] = cs;
    return 0;
}

static void join(const group *a, const group *b, const group *c, group *out)
{
    *out = *a;
    for (int i = 0; i < b->n; i++) group_add(out, b->label[i]);
    for (int i = 0; i < c->n; i++) group_add(out, c->label[i]);
}

static bool in_order(const builder *b, const group *g)
{
    return g->n == b->n_out && memcmp(g->label, b->out, (size_t)g->n) == 0;
}

static int matmul_terms(builder *b, term *x, term *y, const group *batch, const group *left, const group *right,
                        group *summed, const place *to)
{
    matrices mx, my;
    group whole;
    int64_t stride, dense[REEL_MAX_RANK];
    group_as_stored(b, y, summed);
    if (!group_merges(b, x, summed, &stride)) group_as_stored(b, x, summed);
    int code = as_matrices(b, x, batch, left, summed, &mx);
    if (!code) code = as_matrices(b, y, batch, summed, right, &my);
    if (code) return code;
    join(batch, left, right, &whole);
    const bool direct = to && in_order(b, &whole);
    reel_shape s = {.rank = mx.rank};
    memcpy(s.dims, mx.dims, sizeof s.dims);
    s.dims[s.rank - 1] = my.dims[my.rank - 1];
    reel_shape_strides_(&s, dense);
    place at;
    code = direct ? (at = *to, 0) : reserve(b, s.dims, s.rank, &at);
    if (code) return code;
    const reel_kview in[2] = {{b->dtype, mx.rank, mx.dims, mx.strides, NULL},
                              {b->dtype, my.rank, my.dims, my.strides, NULL}};
    const reel_kview out = {b->dtype, s.rank, s.dims, dense, NULL};
    const place from[2] = {x->at, y->at};
    code = add_step(b, REEL_OP_matmul, NULL, &reel_k_matmul_, 2, in, from, &out, at);
    settle(b, x, whole.label, whole.n, at);
    return code || direct || !to ? code : copy_term(b, x, b->out, b->n_out, to);
}

static int mul_terms(builder *b, term *x, const term *y, const group *order, const place *to)
{
    int64_t dims[2][REEL_MAX_RANK], strides[2][REEL_MAX_RANK], dense[REEL_MAX_RANK];
    reel_shape s = {.rank = order->n};
    view_of(b, x, order->label, order->n, false, dims[0], strides[0]);
    view_of(b, y, order->label, order->n, false, dims[1], strides[1]);
    for (int i = 0; i < order->n; i++) s.dims[i] = b->size[order->label[i]];
    reel_shape_strides_(&s, dense);
    place at;
    const int code = to ? (at = *to, 0) : reserve(b, s.dims, s.rank, &at);
    if (code) return code;
    const reel_kview in[2] = {{b->dtype, order->n, dims[0], strides[0], NULL},
                              {b->dtype, order->n, dims[1], strides[1], NULL}};
    const reel_kview out = {b->dtype, s.rank, s.dims, dense, NULL};
    const place from[2] = {x->at, y->at};
    const int failed = add_step(b, REEL_OP_mul, NULL, &reel_k_elementwise_, 2, in, from, &out, at);
    settle(b, x, order->label, order->n, at);
    return failed;
}

/* x becomes the product of x and y, summed over the labels they share that are not wanted any more. */
static int contract(builder *b, term *x, term *y, uint64_t wanted, const place *to)
{
    group batch = {.n = 0}, left = {.n = 0}, right = {.n = 0}, summed = {.n = 0}, order;
    for (int i = 0; i < x->rank; i++) {
        const int l = x->label[i];
        group_add(!(y->set & bit(l)) ? &left : wanted & bit(l) ? &batch : &summed, l);
    }
    for (int i = 0; i < y->rank; i++)
        if (!(x->set & bit(y->label[i]))) group_add(&right, y->label[i]);
    if (batch.n + left.n + right.n > REEL_MAX_RANK)
        return reel_fail(REEL_ESHAPE, "an intermediate result would have more than %d axes", REEL_MAX_RANK);
    group_sort(b, &batch);
    group_sort(b, &left);
    group_sort(b, &right);
    join(&batch, &left, &right, &order);
    if (summed.n == 0) {
        if (to) memcpy(order.label, b->out, (size_t)b->n_out);
        return mul_terms(b, x, y, &order, to);
    }
    group swapped;
    join(&batch, &right, &left, &swapped);
    if (!in_order(b, &swapped) || in_order(b, &order)) return matmul_terms(b, x, y, &batch, &left, &right, &summed, to);
    const int code = matmul_terms(b, y, x, &batch, &right, &left, &summed, to);
    *x = *y;
    return code;
}

/* ---- prepare ------------------------------------------------------------------------------------------ */
/* Operand i without axes of size 1, a diagonal as the sum of its strides. */
static void read_term(const builder *b, const reel_kview *v, const uint8_t *label, int i, term *t)
{
    *t = (term){.at = {.where = IN_INPUT, .in = i}};
    for (int k = 0; k < v->rank; k++) {
        const int l = label[k];
        if (v->dims[k] == 1 || b->size[l] == 1) continue;
        int j = 0;
        while (j < t->rank && t->label[j] != l) j++;
        if (j == t->rank) {
            t->label[t->rank++] = (uint8_t)l;
            t->set |= bit(l);
        }
        t->stride[j] += v->strides[k];
    }
}

/* The labels of a term that someone still wants. Returns how many it has no use for. */
static int wanted_of(const term *t, uint64_t wanted, group *keep)
{
    keep->n = 0;
    for (int i = 0; i < t->rank; i++)
        if (wanted & bit(t->label[i])) group_add(keep, t->label[i]);
    return t->rank - keep->n;
}

static uint64_t wanted_without(const builder *b, const term *t, const bool *gone, int n, int i, int j)
{
    uint64_t w = b->out_set;
    for (int k = 0; k < n; k++)
        if (k != i && k != j && !gone[k]) w |= t[k].set;
    return w;
}

static int build(builder *b, term *t, int n, const place *to)
{
    bool gone[REEL_EINSUM_TERMS] = {false};
    uint64_t set[REEL_EINSUM_TERMS];
    int pair[REEL_EINSUM_TERMS][2];
    group keep;
    if (n == 1) {
        const int alone = wanted_of(&t[0], b->out_set, &keep);
        return alone ? sum_term(b, &t[0], b->out, b->n_out, to) : copy_term(b, &t[0], b->out, b->n_out, to);
    }
    for (int i = 0; i < n; i++) {
        if (wanted_of(&t[i], wanted_without(b, t, gone, n, i, i), &keep)) {
            const int code = sum_term(b, &t[i], keep.label, keep.n, NULL);
            if (code) return code;
        }
        set[i] = t[i].set;
    }
    if (!reel_einsum_path_(n, set, b->out_set, b->size, pair))
        return reel_fail(REEL_ESHAPE, "every order needs an intermediate result of more than %d axes", REEL_MAX_RANK);
    for (int s = 0; s < n - 1; s++) {
        const int i = pair[s][0], j = pair[s][1];
        const int code = contract(b, &t[i], &t[j], wanted_without(b, t, gone, n, i, j), s == n - 2 ? to : NULL);
        if (code) return code;
        gone[j] = true;
    }
    return 0;
}

/* Sizes and the result's labels; true: some label has size 0. */
static bool read_labels(builder *b, const reel_ksig *sig, const uint8_t *label, const uint8_t *out_label,
                        bool *repeated)
{
    bool empty = false;
    int at = 0;
    for (int l = 0; l < LABELS; l++) b->size[l] = 1;
    for (int i = 0; i < sig->n_in; i++)
        for (int k = 0; k < sig->in[i].rank; k++, at++)
            if (sig->in[i].dims[k] != 1) b->size[label[at]] = sig->in[i].dims[k];
    for (int l = 0; l < LABELS; l++) empty = empty || b->size[l] == 0;
    for (int k = 0; k < sig->out[0].rank; k++) {
        const int l = out_label[k];
        if (b->size[l] == 1) continue;
        *repeated = *repeated || (b->out_set & bit(l));
        if (!(b->out_set & bit(l))) b->out[b->n_out++] = (uint8_t)l;
        b->out_set |= bit(l);
    }
    return empty;
}

/* Is the sum more than one rounding away? Then half types are computed in f32. */
static bool needs_f32(const builder *b, const term *t, int n)
{
    const bool none[REEL_EINSUM_TERMS] = {false};
    group keep;
    if (b->dtype != REEL_F16 && b->dtype != REEL_BF16) return false;
    bool alone = n > 2;
    for (int i = 0; n > 1 && i < n; i++)
        alone = alone || wanted_of(&t[i], wanted_without(b, t, none, n, i, i), &keep) > 0;
    return alone;
}

static int plan_terms(builder *b, const reel_ksig *sig, const uint8_t *label, bool embed)
{
    term t[REEL_EINSUM_TERMS];
    place to = {.where = IN_OUT};
    const int n = sig->n_in;
    const reel_dtype dtype = b->dtype;
    int64_t dims[REEL_MAX_RANK];
    int at = 0, code = 0;
    for (int i = 0; i < n; at += sig->in[i++].rank) read_term(b, &sig->in[i], label + at, i, &t[i]);
    const bool wide = needs_f32(b, t, n);
    for (int i = 0; i < b->n_out; i++) dims[i] = b->size[b->out[i]];
    if (embed) {
        code = reserve(b, dims, b->n_out, &to);
        b->p->embed_at = to.at;
    }
    const place final = to;
    if (wide) b->dtype = REEL_F32;
    if (!code && wide) code = reserve(b, dims, b->n_out, &to);
    for (int i = 0; !code && wide && i < n; i++) code = cast_term(b, &t[i], dtype, REEL_F32, NULL);
    if (!code) code = build(b, t, n, &to);
    if (code || !wide) return code;
    settle(b, &t[0], b->out, b->n_out, to);
    return cast_term(b, &t[0], REEL_F32, dtype, &final);
}

static void einsum_drop(void *plan)
{
    einsum_plan *p = plan;
    for (int i = 0; i < p->n; i++) {
        const reel_kernel *k = p->steps[i].kernel;
        if (k->drop) k->drop(p->steps[i].plan);
        reel_free_(p->steps[i].plan, k->plan_size);
    }
    reel_free_(p->steps, p->cap * sizeof *p->steps);
    p->steps = NULL;
    p->n = 0;
}

static int einsum_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_attr_einsum *a = sig->attr;
    const reel_kview *out = &sig->out[0];
    einsum_plan *p = plan;
    int axes = 0;
    bool repeated = false;
    memset(p, 0, sizeof *p);
    for (int i = 0; i < sig->n_in; i++) axes += sig->in[i].rank;
    builder b = {.p = p, .dtype = out->dtype};
    const uint8_t *out_label = a->label + axes;
    const bool empty = read_labels(&b, sig, a->label, out_label, &repeated);
    int64_t count = 1;
    for (int i = 0; i < out->rank; i++) count *= out->dims[i];
    p->n_in = sig->n_in;
    p->size = reel_size_(out->dtype);
    if (empty || repeated) p->zero = (size_t)count * p->size;
    if (empty || count == 0) return 0;
    const int code = plan_terms(&b, sig, a->label, repeated);
    if (code) {
        einsum_drop(p);
        return code;
    }
    if (repeated) {
        p->embed = true;
        p->rank = b.n_out;
        for (int i = 0; i < b.n_out; i++) {
            p->dims[i] = b.size[b.out[i]];
            p->strides[i] = 0;
            for (int k = 0; k < out->rank; k++)
                if (out_label[k] == b.out[i]) p->strides[i] += out->strides[k] * (int64_t)p->size;
        }
    }
    p->scratch_at = b.work;
    *workspace = b.work + b.scratch;
    return 0;
}

/* ---- run ---------------------------------------------------------------------------------------------- */
static void put_on_diagonal(const einsum_plan *p, char *to, const char *from)
{
    int64_t at[REEL_MAX_RANK] = {0}, n = 1;
    for (int i = 0; i < p->rank; i++) n *= p->dims[i];
    for (int64_t i = 0; i < n; i++) {
        memcpy(to, from + (size_t)i * p->size, p->size);
        for (int k = p->rank - 1; k >= 0; k--) {
            to += p->strides[k];
            if (++at[k] < p->dims[k]) break;
            to -= p->strides[k] * p->dims[k];
            at[k] = 0;
        }
    }
}

static void *found(const place *p, const einsum_plan *plan, void *const *ptr, char *work)
{
    return p->where == IN_INPUT ? ptr[p->in] : p->where == IN_OUT ? ptr[plan->n_in] : work + p->at;
}

static int einsum_run(const void *plan, void *const *ptr, void *work)
{
    const einsum_plan *p = plan;
    char *const w = work;
    if (p->zero) memset(ptr[p->n_in], 0, p->zero);
    for (int i = 0; i < p->n; i++) {
        const step *s = &p->steps[i];
        void *at[3];
        for (int k = 0; k < s->n_in; k++) at[k] = found(&s->in[k], p, ptr, w);
        at[s->n_in] = found(&s->out, p, ptr, w);
        const int code = s->kernel->run(s->plan, at, w + p->scratch_at);
        if (code) return code;
    }
    if (p->embed) put_on_diagonal(p, ptr[p->n_in], w + p->embed_at);
    return 0;
}

/* What its biggest kind of step has chosen: the last product's. */
static const char *einsum_name(const void *plan)
{
    const einsum_plan *p = plan;
    for (int i = p->n; i-- > 0;)
        if (p->steps[i].kernel->name) return p->steps[i].kernel->name(p->steps[i].plan);
    return "own sums";
}

const reel_kernel reel_k_einsum_ = {.plan_size = sizeof(einsum_plan),
                                    .prepare = einsum_prepare,
                                    .run = einsum_run,
                                    .drop = einsum_drop,
                                    .name = einsum_name};
