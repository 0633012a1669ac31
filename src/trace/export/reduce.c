/* reduce.c: emitters of reductions, scans, softmax and the losses that go along one axis. Sums are made in double. */
#include <string.h>
#include "core/shape.h"
#include "elements.h"

int reel_open_axes_(reel_emit *e, const reel_eoperand *o, unsigned mask, const char *v)
{
    int n = 0;
    for (int i = 0; i < o->rank; i++) {
        char name[24];
        if (!((mask >> i) & 1u) || (o->dims[i] == 1 && o->limited != i + 1)) continue;
        snprintf(name, sizeof name, "%s%d", v, i);
        if (o->limited == i + 1) {
            reel_sayf_(e, "for (long %s = 0; %s < limit; %s++) {", name, name, name);
            e->depth++;
        } else {
            reel_open_(e, name, o->dims[i]);
        }
        n++;
    }
    return n;
}

/* ---- reductions ------------------------------------------------------------------------------------------------------ */

/* $x: the element at hand of input 0; $o: the element of the output that it goes to; $n: how many go there, a double. */
static void reduced(reel_emit *e, unsigned mask)
{
    const reel_eoperand *x = &e->in[0];
    int64_t strides[REEL_MAX_RANK] = {0}, step = 1, n = 1;
    char buf[REEL_OFFSET_TEXT];
    for (int i = x->rank - 1; i >= 0; i--) {
        if ((mask >> i) & 1u) {
            n *= x->limited == i + 1 ? 1 : x->dims[i];
        } else {
            strides[i] = step;
            step *= x->dims[i];
        }
    }
    reel_set_offset_(e, "x", x, "i");
    reel_set_text_(e, "o", "%s", reel_offset_(x->dims, strides, x->rank, "i", ~0u, buf));
    reel_set_text_(e, "n", x->limited ? "(%lld.0 * (double)limit)" : "%lld.0", (long long)n);
}

/* Around step: before and after it, once for each output. */
static int reduce(reel_emit *e, unsigned mask, const char *before, const char *step, const char *after)
{
    if (e->out[0].count == 0) return 0;
    reduced(e, mask);
    const int outer = reel_open_axes_(e, &e->in[0], ~mask, "i");
    if (!outer) {
        reel_say_(e, "{");
        e->depth++;
    }
    reel_say_(e, before);
    const int inner = reel_open_axes_(e, &e->in[0], mask, "i");
    reel_say_(e, step);
    reel_close_(e, inner);
    reel_say_(e, after);
    reel_close_(e, outer ? outer : 1);
    return 0;
}

static int mask_of(const reel_emit *e, unsigned *mask)
{
    const reel_attr_reduce *a = e->attr;
    return reel_axes_mask_(&a->axes, e->in[0].rank, mask);
}

static int reduce_all(reel_emit *e, const char *before, const char *step, const char *after)
{
    unsigned mask;
    const int rc = mask_of(e, &mask);
    return rc ? rc : reduce(e, mask, before, step, after);
}

static bool whole(const reel_emit *e)
{
    return !reel_is_float_(e->in[0].dtype);
}

int reel_emit_sum_(reel_emit *e)
{
    if (whole(e)) return reduce_all(e, "uint64_t sum = 0;", "sum += (uint64_t)LD0($x);", "ST0($o, sum);");
    return reduce_all(e, "double sum = 0;", "sum += (double)LD0($x);", "ST0($o, sum);");
}

int reel_emit_mean_(reel_emit *e)
{
    return reduce_all(e, "double sum = 0;", "sum += (double)LD0($x);", "ST0($o, sum / $n);");
}

int reel_emit_prod_(reel_emit *e)
{
    if (whole(e)) return reduce_all(e, "uint64_t product = 1;", "product *= (uint64_t)LD0($x);", "ST0($o, product);");
    return reduce_all(e, "double product = 1;", "product *= (double)LD0($x);", "ST0($o, product);");
}

int reel_emit_l1_(reel_emit *e)
{
    return reduce_all(e, "double sum = 0;", "sum += fabs((double)LD0($x));", "ST0($o, sum);");
}

int reel_emit_sum_square_(reel_emit *e)
{
    return reduce_all(e, "double sum = 0;", "sum += (double)LD0($x) * (double)LD0($x);", "ST0($o, sum);");
}

int reel_emit_l2_(reel_emit *e)
{
    return reduce_all(e, "double sum = 0;", "sum += (double)LD0($x) * (double)LD0($x);", "ST0($o, sqrt(sum));");
}

int reel_emit_any_(reel_emit *e)
{
    e->real = e->in[0].dtype;
    return reduce_all(e, "int found = 0;", "found |= LD0($x) != 0;", "ST0($o, found);");
}

int reel_emit_every_(reel_emit *e)
{
    return reduce_all(e, "int holds = 1;", "holds &= LD0($x) != 0;", "ST0($o, holds);");
}

int reel_emit_count_(reel_emit *e)
{
    return reduce_all(e, "int64_t count = 0;", "count += LD0($x) != 0;", "ST0($o, count);");
}

/* The lowest number of a dtype, or the highest. */
static const char *extreme(reel_dtype d, bool highest)
{
    switch (d) {
    case REEL_F64: return highest ? "(double)INFINITY" : "-(double)INFINITY";
    case REEL_I8: return highest ? "127" : "-128";
    case REEL_U8: return highest ? "255" : "0";
    case REEL_I32: return highest ? "2147483647" : "-2147483647 - 1";
    case REEL_I64: return highest ? "INT64_C(9223372036854775807)" : "-INT64_C(9223372036854775807) - 1";
    case REEL_BOOL: return highest ? "1" : "0";
    default: return highest ? "(float)INFINITY" : "-(float)INFINITY";
    }
}

int reel_emit_max_(reel_emit *e)
{
    const bool least = e->op->id == REEL_OP_min;
    reel_set_text_(e, "begin", "%s", extreme(e->in[0].dtype, least));
    reel_set_text_(e, "sign", least ? "<" : ">");
    return reduce_all(e, "T best = $begin;",
                      whole(e) ? "const T v = LD0($x);\nbest = v $sign best ? v : best;"
                               : "const T v = LD0($x);\nbest = v $sign best || v != v ? v : best;",
                      "ST0($o, best);");
}

int reel_emit_argmax_(reel_emit *e)
{
    const reel_attr_reduce *a = e->attr;
    e->real = e->in[0].dtype == REEL_F16 || e->in[0].dtype == REEL_BF16 ? REEL_F32 : e->in[0].dtype;
    reel_set_text_(e, "sign", e->op->id == REEL_OP_argmin ? (a->last ? "<=" : "<") : a->last ? ">=" : ">");
    reel_set_text_(e, "nan", whole(e) ? "" : a->last ? " || v != v" : " || (v != v && best == best)");
    reel_set_text_(e, "not", whole(e) ? "" : " && best == best");
    return reduce_all(
        e, "int64_t at = 0, k = 0;\nT best = 0;",
        "const T v = LD0($x);\nif (k == 0 || (v $sign best$not)$nan) {\n    best = v;\n    at = k;\n}\nk++;",
        "ST0($o, at);");
}

int reel_emit_variance_(reel_emit *e)
{
    const reel_attr_variance *a = e->attr;
    unsigned mask;
    char buf[REEL_NUMBER_TEXT];
    int64_t n = 1;
    const int rc = reel_axes_mask_(&a->reduce.axes, e->in[0].rank, &mask);
    if (rc) return rc;
    for (int i = 0; i < e->in[0].rank; i++)
        if ((mask >> i) & 1u) n *= e->in[0].dims[i];
    const double by = (double)n - a->correction;
    reel_set_text_(e, "by", "%s", reel_double_(by > 0 ? by : 0, buf));
    reel_set_text_(e, "root", e->op->id == REEL_OP_std ? "sqrt" : "");
    reduced(e, mask);
    const int outer = reel_open_axes_(e, &e->in[0], ~mask, "i");
    if (e->out[0].count == 0) return 0;
    reel_say_(e, "double sum = 0, squares = 0, mean;");
    int inner = reel_open_axes_(e, &e->in[0], mask, "i");
    reel_say_(e, "sum += (double)LD0($x);");
    reel_close_(e, inner);
    reel_say_(e, "mean = sum / $n;");
    inner = reel_open_axes_(e, &e->in[0], mask, "i");
    reel_say_(e, inner ? "const double d = (double)LD0($x) - mean;\nsquares += d * d;"
                       : "squares += ((double)LD0($x) - mean) * ((double)LD0($x) - mean);");
    reel_close_(e, inner);
    reel_say_(e, "ST0($o, $root(squares / $by));");
    reel_close_(e, outer);
    return 0;
}

int reel_emit_logsumexp_(reel_emit *e)
{
    unsigned mask;
    const int rc = mask_of(e, &mask);
    if (rc) return rc;
    reduced(e, mask);
    if (e->out[0].count == 0) return 0;
    const int outer = reel_open_axes_(e, &e->in[0], ~mask, "i");
    reel_say_(e, "T high = -(T)INFINITY, from;\ndouble sum = 0;");
    int inner = reel_open_axes_(e, &e->in[0], mask, "i");
    reel_say_(e, "high = V(larger)(LD0($x), high);");
    reel_close_(e, inner);
    reel_say_(e, "from = high - high == 0 ? high : 0;");
    inner = reel_open_axes_(e, &e->in[0], mask, "i");
    reel_say_(e, "sum += (double)V(exp)(LD0($x) - from);");
    reel_close_(e, inner);
    reel_say_(e, "ST0($o, (double)from + log(sum));");
    reel_close_(e, outer);
    return 0;
}

/* sum_like: over what was broadcast. */
int reel_emit_sum_like_(reel_emit *e)
{
    const reel_eoperand *x = &e->in[0], *y = &e->out[0];
    unsigned mask = 0;
    for (int i = 0; i < x->rank; i++) {
        const int k = i - (x->rank - y->rank);
        if (k < 0 || (y->dims[k] == 1 && x->dims[i] != 1)) mask |= 1u << i;
    }
    if (whole(e)) return reduce(e, mask, "uint64_t sum = 0;", "sum += (uint64_t)LD0($x);", "ST0($o, sum);");
    return reduce(e, mask, "double sum = 0;", "sum += (double)LD0($x);", "ST0($o, sum);");
}

int reel_emit_count_like_(reel_emit *e)
{
    unsigned mask;
    double n = 1;
    const int rc = mask_of(e, &mask);
    for (int i = 0; i < e->in[0].rank && !rc; i++)
        if ((mask >> i) & 1u) n *= (double)e->in[0].dims[i];
    return rc ? rc : reel_emit_fill_(e, n);
}

/* ---- along one axis ------------------------------------------------------------------------------------------------------ */

static void row_words(reel_emit *e, const reel_eoperand *o, const reel_eoperand *shape, int axis, const char *at,
                      const char *step, int k)
{
    char name[12], buf[REEL_OFFSET_TEXT];
    if (o->rank != shape->rank) return;
    snprintf(name, sizeof name, "%s%d", at, k);
    reel_set_text_(e, name, "%s", reel_offset_(o->dims, o->strides, o->rank, "i", axis < 0 ? ~0u : ~(1u << axis), buf));
    snprintf(name, sizeof name, "%s%d", step, k);
    reel_set_(e, name, axis < 0 || o->dims[axis] == 1 ? 0 : o->strides[axis]);
}

int reel_open_rows_(reel_emit *e, const reel_eoperand *shape, int axis)
{
    for (int k = 0; k < e->n_in; k++) row_words(e, &e->in[k], shape, axis, "x", "s", k);
    for (int k = 0; k < e->n_out; k++) row_words(e, &e->out[k], shape, axis, "y", "t", k);
    reel_set_(e, "n", axis < 0 || !shape->rank ? 1 : shape->dims[axis]);
    return reel_open_axes_(e, shape, axis < 0 ? ~0u : ~(1u << axis), "i");
}

static int attr_axis(const reel_emit *e)
{
    const reel_attr_axis *a = e->attr;
    return reel_emit_axis_(a->axis, e->in[0].rank);
}

static bool nothing(const reel_emit *e)
{
    return e->out[0].count == 0;
}

int reel_emit_softmax_(reel_emit *e)
{
    if (nothing(e)) return 0;
    const int n = reel_open_rows_(e, &e->in[0], e->in[0].rank ? attr_axis(e) : -1);
    reel_say_(e, "T high = LD0($x0);\ndouble sum = 0;\n"
                 "for (long k = 1; k < $n; k++) high = V(larger)(LD0($x0 + k * $s0), high);\n"
                 "for (long k = 0; k < $n; k++) sum += (double)V(exp)(LD0($x0 + k * $s0) - high);");
    if (e->op->id == REEL_OP_log_softmax)
        reel_say_(e,
                  "for (long k = 0; k < $n; k++) ST0($y0 + k * $t0, (double)(LD0($x0 + k * $s0) - high) - log(sum));");
    else
        reel_say_(e,
                  "for (long k = 0; k < $n; k++) ST0($y0 + k * $t0, (double)V(exp)(LD0($x0 + k * $s0) - high) / sum);");
    reel_close_(e, n);
    return 0;
}

int reel_emit_softmax_grad_(reel_emit *e)
{
    if (nothing(e)) return 0;
    const int n = reel_open_rows_(e, &e->in[0], attr_axis(e));
    if (e->op->id == REEL_OP_log_softmax_grad)
        reel_say_(e, "double sum = 0;\nfor (long k = 0; k < $n; k++) sum += (double)LD1($x1 + k * $s1);\n"
                     "for (long k = 0; k < $n; k++)\n"
                     "    ST0($y0 + k * $t0, (double)LD1($x1 + k * $s1) - (double)V(exp)(LD0($x0 + k * $s0)) * sum);");
    else
        reel_say_(e, "double sum = 0;\n"
                     "for (long k = 0; k < $n; k++) sum += (double)LD0($x0 + k * $s0) * (double)LD1($x1 + k * $s1);\n"
                     "for (long k = 0; k < $n; k++)\n"
                     "    ST0($y0 + k * $t0, (double)LD0($x0 + k * $s0) * ((double)LD1($x1 + k * $s1) - sum));");
    reel_close_(e, n);
    return 0;
}

/* The label of the row at hand, checked. */
static int open_labels(reel_emit *e)
{
    const reel_eoperand *x = &e->in[0], *labels = &e->in[1];
    const int axis = x->rank - 1;
    char buf[REEL_OFFSET_TEXT];
    const int n = reel_open_rows_(e, x, axis);
    reel_set_text_(e, "label", "%s", reel_offset_(labels->dims, labels->strides, labels->rank, "i", ~0u, buf));
    reel_set_text_(e, "o", "%s", reel_offset_(e->out[0].dims, e->out[0].strides, e->out[0].rank, "i", ~0u, buf));
    reel_refuses_(e, "a label is out of range");
    return n;
}

int reel_emit_cross_entropy_(reel_emit *e)
{
    if (nothing(e)) return 0;
    const int n = open_labels(e);
    reel_say_(e, "const long label = (long)LD1($label);\nT high = LD0($x0);\ndouble sum = 0;\n"
                 "if (label < 0 || label >= $n) return 1;\n"
                 "for (long k = 1; k < $n; k++) high = V(larger)(LD0($x0 + k * $s0), high);\n"
                 "for (long k = 0; k < $n; k++) sum += (double)V(exp)(LD0($x0 + k * $s0) - high);\n"
                 "ST0($o, log(sum) - ((double)LD0($x0 + label * $s0) - (double)high));");
    reel_close_(e, n);
    return 0;
}

int reel_emit_pick_label_(reel_emit *e)
{
    const reel_attr_pick *a = e->attr;
    if (nothing(e)) return 0;
    const int n = open_labels(e);
    reel_say_(e, "const long label = (long)LD1($label);");
    if (a->ignore) reel_sayf_(e, "if (label == %lld) {\n    ST0($o, 0);\n    continue;\n}", (long long)a->index);
    reel_say_(e, "if (label < 0 || label >= $n) return 1;\nST0($o, LD0($x0 + label * $s0));");
    reel_close_(e, n);
    return 0;
}

/* ---- scans ------------------------------------------------------------------------------------------------------------------ */

int reel_emit_scan_(reel_emit *e)
{
    const reel_attr_scan *a = e->attr;
    const bool real = !whole(e), least = e->op->id == REEL_OP_cummin;
    const char *type = "T", *begin = "0", *step = "sum += LD0($x0 + k * $s0);";
    if (nothing(e)) return 0;
    switch (e->op->id) {
    case REEL_OP_cumsum:
        type = real ? "double" : "uint64_t";
        step = real ? "sum += (double)LD0($x0 + k * $s0);" : "sum += (uint64_t)LD0($x0 + k * $s0);";
        break;
    case REEL_OP_cumprod:
        type = real ? "double" : "uint64_t";
        begin = "1";
        step = real ? "sum *= (double)LD0($x0 + k * $s0);" : "sum *= (uint64_t)LD0($x0 + k * $s0);";
        break;
    case REEL_OP_logcumsumexp:
        type = "double";
        begin = "-(double)INFINITY";
        step = "sum = sum == -(double)INFINITY ? (double)LD0($x0 + k * $s0) : logaddexp_f64(sum, (double)LD0($x0 + k * "
               "$s0));";
        break;
    default:
        begin = extreme(e->in[0].dtype, least);
        step =
            real ? (least ? "sum = V(smaller)(LD0($x0 + k * $s0), sum);" : "sum = V(larger)(LD0($x0 + k * $s0), sum);")
            : least ? "sum = LD0($x0 + k * $s0) < sum ? LD0($x0 + k * $s0) : sum;"
                    : "sum = LD0($x0 + k * $s0) > sum ? LD0($x0 + k * $s0) : sum;";
    }
    const int n = reel_open_rows_(e, &e->in[0], e->in[0].rank ? reel_emit_axis_(a->axis, e->in[0].rank) : -1);
    reel_sayf_(e, "%s sum = %s;", type, begin);
    reel_say_(e, a->reverse ? "for (long k = $n - 1; k >= 0; k--) {" : "for (long k = 0; k < $n; k++) {");
    e->depth++;
    if (a->exclusive) reel_say_(e, "ST0($y0 + k * $t0, sum);");
    reel_say_(e, step);
    if (!a->exclusive) reel_say_(e, "ST0($y0 + k * $t0, sum);");
    reel_close_(e, 1 + n);
    return 0;
}

int reel_emit_linear_scan_(reel_emit *e)
{
    const reel_attr_scan *a = e->attr;
    if (nothing(e)) return 0;
    const int n = reel_open_rows_(e, &e->in[0], e->in[0].rank ? reel_emit_axis_(a->axis, e->in[0].rank) : -1);
    reel_set_text_(e, "d", a->reverse ? "-1" : "1");
    reel_say_(e, "double sum = 0;");
    reel_say_(e, a->reverse ? "for (long k = $n - 1; k >= 0; k--) {" : "for (long k = 0; k < $n; k++) {");
    e->depth++;
    if (a->exclusive)
        reel_say_(e, a->reverse ? "const double by = k == $n - 1 ? 0 : (double)LD1($x1 + (k + 1) * $s1);"
                                : "const double by = k == 0 ? 0 : (double)LD1($x1 + (k - 1) * $s1);");
    else
        reel_say_(e, "const double by = (double)LD1($x1 + k * $s1);");
    reel_say_(e, a->reverse ? "sum = (double)LD0($x0 + k * $s0) + (k == $n - 1 ? 0 : by * sum);"
                            : "sum = (double)LD0($x0 + k * $s0) + (k == 0 ? 0 : by * sum);");
    reel_say_(e, "ST0($y0 + k * $t0, sum);");
    reel_close_(e, 1 + n);
    return 0;
}

int reel_emit_window_sum_(reel_emit *e)
{
    const reel_attr_window *a = e->attr;
    if (nothing(e)) return 0;
    const int n = reel_open_rows_(e, &e->in[0], reel_emit_axis_((int)a->axis, e->in[0].rank));
    const int64_t most = e->in[0].dims[reel_emit_axis_((int)a->axis, e->in[0].rank)];
    reel_set_(e, "before", a->before < most ? a->before : most);
    reel_set_(e, "after", a->after < most ? a->after : most);
    reel_say_(e, "for (long k = 0; k < $n; k++) {\n"
                 "    const long first = k > $before ? k - $before : 0, last = k + $after < $n ? k + $after : $n - 1;\n"
                 "    double sum = 0;\n"
                 "    for (long j = first; j <= last; j++) sum += (double)LD0($x0 + j * $s0);\n"
                 "    ST0($y0 + k * $t0, sum);\n}");
    reel_close_(e, n);
    return 0;
}
