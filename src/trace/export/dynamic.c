/* dynamic.c: emitters of ops whose sizes depend on data, within a bound: the output has room for the most there can be, what is there comes
   first along its axis, zeros behind it, and *count says how much; and of uncompress. sizes.c says who may read them. */
#include <string.h>
#include "core/shape.h"
#include "elements.h"

static int axis_of(const reel_emit *e)
{
    const reel_attr_axis *a = e->attr;
    return reel_emit_axis_(a->axis, e->out[0].rank);
}

int reel_emit_nonzero_(reel_emit *e)
{
    const reel_eoperand *x = &e->in[0];
    e->counts = true;
    reel_set_(e, "rank", x->rank);
    reel_set_(e, "all", e->out[0].count);
    reel_set_offset_(e, "x", x, "i");
    reel_say_(e, "long n = 0;");
    if (x->count) {
        const int loops = reel_open_all_(e, "i", x->dims, x->rank);
        reel_say_(e, "if (LD0($x) != 0) {");
        for (int k = 0; k < x->rank; k++) {
            reel_set_text_(e, "place", x->dims[k] == 1 ? "0" : "i%d", k);
            reel_sayf_(e, "    WR0(n * $rank + %d, $place);", k);
        }
        reel_say_(e, "    n++;\n}");
        reel_close_(e, loops);
    }
    if (e->out[0].count) reel_say_(e, "for (long i = n * $rank; i < $all; i++) WR0(i, 0);");
    reel_say_(e, "*count = n;");
    return 0;
}

/* Loops over the other axes of o, an operand that has an element for each of its places; $name: where the slice `at` begins there. */
static void set_slice(reel_emit *e, const char *name, const reel_eoperand *o, int axis, const char *at)
{
    char buf[REEL_OFFSET_TEXT];
    reel_set_text_(e, name, "%s * %lld + %s", at, (long long)o->strides[axis],
                   reel_offset_(o->dims, o->strides, o->rank, "i", ~(1u << axis), buf));
}

int reel_emit_compress_(reel_emit *e)
{
    const reel_eoperand *out = &e->out[0];
    const int axis = axis_of(e);
    e->counts = true;
    reel_set_(e, "most", out->dims[axis]);
    reel_set_(e, "by", e->in[1].strides[0]);
    reel_say_(e, "long n = 0;");
    if (out->dims[axis]) {
        reel_say_(e, "for (long k = 0; k < $most; k++) {\n    if (!RD1(k * $by)) continue;");
        e->depth++;
        set_slice(e, "x", &e->in[0], axis, "k");
        set_slice(e, "o", out, axis, "n");
        const int loops = out->count ? reel_open_axes_(e, out, ~(1u << axis), "i") : 0;
        if (out->count) reel_say_(e, "WR0($o, RD0($x));");
        reel_close_(e, loops);
        reel_say_(e, "n++;");
        reel_close_(e, 1);
    }
    if (out->count) {
        set_slice(e, "o", out, axis, "k");
        reel_say_(e, "for (long k = n; k < $most; k++) {");
        e->depth++;
        const int loops = reel_open_axes_(e, out, ~(1u << axis), "i");
        reel_say_(e, "WR0($o, 0);");
        reel_close_(e, loops + 1);
    }
    reel_say_(e, "*count = n;");
    return 0;
}

/* g, like, cond: zeros, and the slices of g where cond holds. */
int reel_emit_uncompress_(reel_emit *e)
{
    const reel_eoperand *out = &e->out[0];
    const int axis = axis_of(e);
    if (out->count == 0) return 0;
    reel_refuses_(e, "the condition does not hold as often as there are slices");
    reel_emit_fill_(e, 0);
    reel_set_(e, "n", e->in[2].count);
    reel_set_(e, "slices", e->in[0].dims[axis]);
    reel_set_(e, "by", e->in[2].strides[0]);
    set_slice(e, "g", &e->in[0], axis, "n");
    set_slice(e, "o", out, axis, "k");
    reel_say_(e, "long n = 0;");
    if (e->in[2].count) {
        reel_say_(e, "for (long k = 0; k < $n; k++) {\n    if (!RD2(k * $by)) continue;\n"
                     "    if (n == $slices) return 1;");
        e->depth++;
        const int loops = e->in[0].count ? reel_open_axes_(e, out, ~(1u << axis), "i") : 0;
        if (e->in[0].count) reel_say_(e, "WR0($o, RD0($g));");
        reel_close_(e, loops);
        reel_say_(e, "n++;");
        reel_close_(e, 1);
    }
    reel_say_(e, "if (n != $slices) return 1;");
    return 0;
}

/* ---- unique: slices in order, groups of equal ones ------------------------------------------------------------------------------- */

typedef struct distinct {
    const reel_eoperand *x;
    bool flat, unsorted;
    int axis;
    int64_t n; /* slices */
} distinct;

/* $name: where slice `at` of o begins (flat: element `at` in C order). */
static void set_at(reel_emit *e, const char *name, const distinct *q, const reel_eoperand *o, const char *at)
{
    reel_shape shape = {.rank = o->rank};
    memcpy(shape.dims, o->dims, sizeof shape.dims);
    if (!q->flat) {
        set_slice(e, name, o, q->axis, at);
        return;
    }
    if (reel_is_dense_(&shape, o->strides)) {
        reel_set_text_(e, name, "%s", at);
        return;
    }
    reel_text t = {0};
    int64_t inner = 1;
    for (int i = o->rank - 1; i >= 0; inner *= o->dims[i--]) {
        if (o->dims[i] == 1) continue;
        reel_text_fmt_(&t, t.n ? " + %s" : "%s", at);
        if (inner > 1) reel_text_fmt_(&t, " / %lld", (long long)inner);
        if (inner * o->dims[i] != o->count) reel_text_fmt_(&t, " %% %lld", (long long)o->dims[i]);
        reel_text_fmt_(&t, " * %lld", (long long)o->strides[i]);
    }
    reel_set_built_(e, name, &t);
}

static int open_slice(reel_emit *e, const distinct *q)
{
    return q->flat ? 0 : reel_open_axes_(e, q->x, ~(1u << q->axis), "i");
}

/* int order: -1, 0 or 1: slice `left` beside slice `right`. NaNs are one value, above all others. */
static void say_order(reel_emit *e, const distinct *q, const char *left, const char *right)
{
    const bool real = reel_is_float_(q->x->dtype);
    set_at(e, "left", q, q->x, left);
    set_at(e, "right", q, q->x, right);
    reel_say_(e, "int order = 0;");
    if (q->x->count == 0) return;
    const int loops = open_slice(e, q);
    reel_say_(e, "const T l = LD0($left), r = LD0($right);");
    reel_say_(e, real ? "if (order == 0) order = l < r || (l == l && r != r) ? -1 : r < l || (r == r && l != l);"
                      : "if (order == 0) order = l < r ? -1 : r < l;");
    reel_close_(e, loops);
}

/* a: the slices' numbers in order, merged from runs of 1, 2, 4 ...; stable. */
static void say_sorted(reel_emit *e, const distinct *q)
{
    reel_say_(e,
              "int64_t *a = work, *b = work + $n, *first = b + $n, *group = first + $n + 1, *number = group + $n;\n"
              "for (long k = 0; k < $n; k++) a[k] = k;\n"
              "for (long run = 1; run < $n; run *= 2) {\n    int64_t *c = a;\n"
              "    for (long from = 0; from < $n; from += 2 * run) {\n"
              "        const long middle = from + run < $n ? from + run : $n, end = middle + run < $n ? middle + run "
              ": $n;\n"
              "        long u = from, v = middle;\n        for (long k = from; k < end; k++) {\n"
              "            int behind = u == middle;\n            if (u < middle && v < end) {");
    e->depth += 4;
    say_order(e, q, "(long)a[v]", "(long)a[u]");
    reel_say_(e, "behind = order < 0;");
    e->depth -= 4;
    reel_say_(e, "            }\n            b[k] = behind ? a[v++] : a[u++];\n        }\n    }\n    a = b;\n    b = "
                 "c;\n}");
}

/* n groups: group g begins at a[first[g]]; $to: its place among the values. */
static void say_groups(reel_emit *e, const distinct *q)
{
    reel_say_(e, "for (long k = 0; k < $n; k++) {");
    e->depth++;
    reel_say_(e, "int other = k == 0;\nif (k > 0) {");
    e->depth++;
    say_order(e, q, "(long)a[k - 1]", "(long)a[k]");
    reel_say_(e, "other = order != 0;");
    reel_close_(e, 1);
    reel_say_(e, "if (other) first[n++] = k;\ngroup[a[k]] = n - 1;");
    reel_close_(e, 1);
    reel_say_(e, "first[n] = $n;");
    reel_say_(e, q->unsorted ? "for (long k = 0, next = 0; k < $n; k++)\n"
                               "    if (a[first[group[k]]] == k) number[group[k]] = next++;"
                             : "for (long g = 0; g < n; g++) number[g] = g;");
}

int reel_emit_unique_(reel_emit *e)
{
    const reel_attr_unique *a = e->attr;
    const reel_eoperand *x = &e->in[0], *out = &e->out[0];
    const distinct q = {.x = x,
                        .flat = a->flat,
                        .unsorted = a->unsorted,
                        .n = e->out[1].count,
                        .axis = a->flat ? 0 : reel_emit_axis_(a->axis, x->rank)};
    e->counts = true;
    reel_say_(e, "long n = 0;");
    if (q.n) {
        e->work = (size_t)q.n * 5 + 1;
        e->work_type = "int64_t";
        reel_set_(e, "n", q.n);
        say_sorted(e, &q);
        say_groups(e, &q);
        reel_say_(e, "for (long g = 0; g < $n; g++) {");
        e->depth++;
        reel_say_(e, "const long to = g < n ? (long)number[g] : g, from = g < n ? (long)a[first[g]] : 0;\n"
                     "ST1(to, from);\nST3(to, g < n ? first[g + 1] - first[g] : 0);");
        if (out->count) {
            set_at(e, "from", &q, x, "from");
            set_slice(e, "to", out, q.axis, "to");
            const int loops = open_slice(e, &q);
            reel_say_(e, "if (g < n)\n    WR0($to, RD0($from));\nelse\n    WR0($to, 0);");
            reel_close_(e, loops);
        }
        reel_close_(e, 1);
        reel_say_(e, "for (long k = 0; k < $n; k++) ST2(k, number[group[k]]);");
    }
    reel_say_(e, "*count = n;");
    return 0;
}
