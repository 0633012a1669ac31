/* sort.c: emitters of sorting along an axis, and of segments and bins. */
#include <string.h>
#include "elements.h"

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
    e->fails = true;
    e->refuses = "an id is out of range";
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
    e->fails = true;
    e->refuses = "an id is out of range";
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
