/* sort.c: emitters of sorting along an axis, and of segments and bins. */
#include <math.h>
#include <string.h>
#include "elements.h"
#include "reel/sort.h"

/* ---- sorting: the row's indices, merged from runs of 1, 2, 4 ... in a work array; stable, NaN above all numbers ------------------------ */

/* Leaves a, the indices of the row at hand in order, and the loops over rows open. */
static int open_sorted(reel_emit *e, int axis, bool down)
{
    const reel_eoperand *x = &e->in[0];
    const bool real = reel_is_float_(x->dtype);
    const int64_t n = x->rank ? x->dims[axis] : 1;
    e->real = x->dtype == REEL_F16 || x->dtype == REEL_BF16 ? REEL_F32 : x->dtype;
    e->work = (size_t)n * 2;
    e->work_type = "int64_t";
    const int loops = reel_open_rows_(e, x, x->rank ? axis : -1);
    reel_set_text_(e, "less",
                   real   ? (down ? "l < r || (r != r && l == l)" : "r < l || (l != l && r == r)")
                   : down ? "l < r"
                          : "r < l");
    reel_say_(
        e,
        "int64_t *a = work, *b = work + $n;\nfor (long k = 0; k < $n; k++) a[k] = k;\n"
        "for (long run = 1; run < $n; run *= 2) {\n    int64_t *c = a;\n"
        "    for (long first = 0; first < $n; first += 2 * run) {\n"
        "        const long middle = first + run < $n ? first + run : $n, end = middle + run < $n ? middle + run : "
        "$n;\n"
        "        long i = first, j = middle;\n        for (long k = first; k < end; k++) {\n"
        "            int right = i == middle;\n            if (i < middle && j < end) {\n"
        "                const T l = LD0($x0 + (long)a[i] * $s0), r = LD0($x0 + (long)a[j] * $s0);\n"
        "                right = $less;\n            }\n            b[k] = right ? a[j++] : a[i++];\n        }\n    }\n"
        "    a = b;\n    b = c;\n}");
    return loops;
}

int reel_emit_sort_(reel_emit *e)
{
    const reel_attr_sort *s = e->attr;
    if (e->out[0].count == 0) return 0;
    const int n = open_sorted(e, reel_emit_axis_(s->axis, e->in[0].rank), s->descending != 0);
    reel_say_(e, e->op->id == REEL_OP_argsort
                     ? "for (long k = 0; k < $n; k++) ST0($y0 + k * $t0, a[k]);"
                     : "for (long k = 0; k < $n; k++) WR0($y0 + k * $t0, RD0($x0 + (long)a[k] * $s0));");
    reel_close_(e, n);
    return 0;
}

int reel_emit_topk_(reel_emit *e)
{
    const reel_attr_topk *s = e->attr;
    if (e->out[0].count == 0) return 0;
    const int n = open_sorted(e, reel_emit_axis_(s->axis, e->in[0].rank), !s->smallest);
    reel_set_(e, "k", s->k);
    if (s->unsorted) /* in order of index */
        reel_say_(e, "for (long i = 1; i < $k; i++)\n    for (long j = i; j > 0 && a[j - 1] > a[j]; j--) {\n"
                     "        const int64_t t = a[j];\n        a[j] = a[j - 1];\n        a[j - 1] = t;\n    }");
    reel_say_(e, "for (long k = 0; k < $k; k++) {\n    WR0($y0 + k * $t0, RD0($x0 + (long)a[k] * $s0));\n"
                 "    ST1($y1 + k * $t1, a[k]);\n}");
    reel_close_(e, n);
    return 0;
}

/* The two elements that a quantile lies between, and how near the upper one; of a line with NaN its first NaN. */
int reel_emit_quantile_(reel_emit *e)
{
    const reel_attr_quantile *a = e->attr;
    const reel_eoperand *x = &e->in[0];
    const int axis = reel_emit_axis_(a->axis, x->rank);
    char buf[REEL_NUMBER_TEXT];
    if (e->out[0].count == 0) return 0;
    const double at = a->q * (double)((x->rank ? x->dims[axis] : 1) - 1), below = floor(at), part = at - below;
    int64_t low = (int64_t)below;
    double weight = part;
    if (a->method == REEL_QUANTILE_LOWER) weight = 0;
    if (a->method == REEL_QUANTILE_HIGHER) weight = part > 0;
    if (a->method == REEL_QUANTILE_NEAREST) weight = part > 0.5 || (part == 0.5 && low % 2);
    if (a->method == REEL_QUANTILE_MIDPOINT) weight = part > 0 ? 0.5 : 0;
    if (weight == 1) low++, weight = 0;
    const int n = open_sorted(e, axis, false);
    reel_set_(e, "low", low);
    reel_set_(e, "high", weight > 0 ? low + 1 : low);
    reel_set_text_(e, "weight", "%s", reel_double_(weight, buf));
    reel_say_(e,
              "long low = $low, high = $high, last = $n;\ndouble weight = $weight;\n"
              "while (last > 0 && LD0($x0 + (long)a[last - 1] * $s0) != LD0($x0 + (long)a[last - 1] * $s0)) last--;\n"
              "if (last < $n) {\n    low = high = last;\n    weight = 0;\n}\n"
              "ST0($y0, a[low]);\nST1($y1, a[high]);\nST2($y2, weight);");
    reel_close_(e, n);
    return 0;
}

/* ---- searching: sorted lines, and their values ------------------------------------------------------------------------------------------------ */

int reel_emit_searchsorted_(reel_emit *e)
{
    const reel_attr_search *a = e->attr;
    const reel_eoperand *s = &e->in[0], *v = &e->in[1];
    int64_t strides[REEL_MAX_RANK] = {0};
    char buf[REEL_OFFSET_TEXT];
    const bool real = reel_is_float_(s->dtype);
    e->real = s->dtype == REEL_F16 || s->dtype == REEL_BF16 ? REEL_F32 : s->dtype;
    if (e->out[0].count == 0) return 0;
    for (int i = 0; i + 1 < s->rank; i++) strides[i] = s->dims[i] == 1 ? 0 : s->strides[i];
    reel_set_text_(e, "s", "%s", reel_offset_(v->dims, strides, v->rank, "i", s->rank > 1 ? ~0u : 0, buf));
    reel_set_(e, "n", s->dims[s->rank - 1]);
    reel_set_(e, "by", s->strides[s->rank - 1]);
    reel_set_offset_(e, "v", v, "i");
    reel_set_offset_(e, "o", &e->out[0], "i");
    reel_set_text_(e, "before",
                   a->right ? (real ? "!(v < u || (u != u && v == v))" : "u <= v")
                   : real   ? "u < v || (v != v && u == u)"
                            : "u < v");
    const int n = reel_open_all_(e, "i", v->dims, v->rank);
    reel_say_(e, "{\n    long low = 0, high = $n;\n    const T v = LD1($v);\n    while (low < high) {\n"
                 "        const long mid = low + (high - low) / 2;\n        const T u = LD0($s + mid * $by);\n"
                 "        if ($before)\n            low = mid + 1;\n        else\n            high = mid;\n    }\n"
                 "    ST0($o, low);\n}");
    reel_close_(e, n);
    return 0;
}

/* As numpy.histogram: by division, then against the edges. */
int reel_emit_histogram_(reel_emit *e)
{
    const reel_attr_bins *a = e->attr;
    char buf[REEL_NUMBER_TEXT];
    reel_emit_fill_(e, 0);
    if (e->in[0].count == 0 || e->out[0].count == 0) return 0;
    reel_set_(e, "bins", a->n);
    reel_set_text_(e, "low", "%s", reel_double_(a->low, buf));
    reel_set_text_(e, "high", "%s", reel_double_(a->high, buf));
    reel_set_text_(e, "scale", "%s", reel_double_((double)a->n / (a->high - a->low), buf));
    reel_set_text_(e, "step", "%s", reel_double_((a->high - a->low) / (double)a->n, buf));
    reel_set_offset_(e, "x", &e->in[0], "i");
    const int n = reel_open_all_(e, "i", e->in[0].dims, e->in[0].rank);
    reel_say_(e, "{\n    const double value = (double)LD0($x);\n    if (value >= $low && value <= $high) {\n"
                 "        long k = (long)((value - $low) * $scale);\n        if (k >= $bins) k = $bins - 1;\n"
                 "        if (value < $low + (double)k * $step)\n            k -= k > 0;\n"
                 "        else if (k < $bins - 1 && value >= $low + (double)(k + 1) * $step)\n            k++;\n"
                 "        out[k]++;\n    }\n}");
    reel_close_(e, n);
    return 0;
}

/* ---- segments: row i of x goes to row ids[i]; bins ----------------------------------------------------------------------------------------- */

static const char *extreme(reel_dtype d, bool highest)
{
    switch (d) {
    case REEL_I8: return highest ? "127" : "-128";
    case REEL_U8: return highest ? "255" : "0";
    case REEL_I32: return highest ? "2147483647" : "-2147483647 - 1";
    case REEL_I64: return highest ? "INT64_C(9223372036854775807)" : "-INT64_C(9223372036854775807) - 1";
    default: return highest ? "(double)INFINITY" : "-(double)INFINITY";
    }
}

int reel_emit_segment_(reel_emit *e)
{
    const reel_eoperand *x = &e->in[0], *y = &e->out[0];
    const int id = e->op->id;
    const bool real = reel_is_float_(x->dtype), least = id == REEL_OP_segment_min;
    char buf[REEL_OFFSET_TEXT];
    reel_refuses_(e, "an id is out of range");
    if (y->count) e->work = (size_t)y->count;
    e->work_type = real ? "double" : "int64_t";
    reel_set_(e, "all", y->count);
    reel_set_(e, "size", y->dims[0]);
    reel_set_text_(e, "begin", "%s",
                   id == REEL_OP_segment_sum    ? "0"
                   : id == REEL_OP_segment_prod ? "1"
                                                : extreme(x->dtype, least));
    if (y->count) reel_say_(e, "for (long i = 0; i < $all; i++) work[i] = $begin;");
    if (x->dims[0] > 0) {
        reel_open_(e, "i", x->dims[0]);
        reel_sayf_(e, "const int64_t id = (int64_t)LD1(i * %lld);\nif (id < 0 || id >= $size) return 1;",
                   (long long)e->in[1].strides[0]);
        if (x->count) {
            reel_set_text_(e, "x", "i * %lld + %s", (long long)x->strides[0],
                           reel_offset_(x->dims, x->strides, x->rank, "c", ~1u, buf));
            reel_set_text_(e, "o", "(long)id * %lld + %s", (long long)y->strides[0],
                           reel_offset_(x->dims, y->strides, x->rank, "c", ~1u, buf));
            const int n = reel_open_axes_(e, x, ~1u, "c");
            reel_set_text_(e, "v", real ? "(double)LD0($x)" : "(int64_t)LD0($x)");
            if (id == REEL_OP_segment_sum)
                reel_say_(e,
                          real ? "work[$o] += $v;" : "work[$o] = (int64_t)((uint64_t)work[$o] + (uint64_t)LD0($x));");
            else if (id == REEL_OP_segment_prod)
                reel_say_(e,
                          real ? "work[$o] *= $v;" : "work[$o] = (int64_t)((uint64_t)work[$o] * (uint64_t)LD0($x));");
            else
                reel_sayf_(
                    e, real ? "if ($v %s work[$o] || $v != $v) work[$o] = $v;" : "if ($v %s work[$o]) work[$o] = $v;",
                    least ? "<" : ">");
            reel_close_(e, n);
        }
        reel_close_(e, 1);
    }
    if (y->count) reel_say_(e, "for (long i = 0; i < $all; i++) ST0(i, work[i]);");
    return 0;
}

int reel_emit_bincount_(reel_emit *e)
{
    reel_refuses_(e, "an id is out of range");
    reel_set_(e, "size", e->out[0].count);
    if (e->out[0].count) reel_say_(e, "for (long i = 0; i < $size; i++) WR0(i, 0);");
    if (e->in[0].count == 0) return 0;
    reel_set_offset_(e, "x", &e->in[0], "i");
    const int n = reel_open_all_(e, "i", e->in[0].dims, e->in[0].rank);
    reel_say_(e, "{\n    const int64_t id = (int64_t)LD0($x);\n    if (id < 0 || id >= $size) return 1;\n"
                 "    WR0(id, LO0(id) + 1);\n}");
    reel_close_(e, n);
    return 0;
}
