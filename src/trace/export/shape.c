/* shape.c: emitters of what moves elements and leaves them as they are: joins, pads, diagonals, windows; and of values made from
   attributes. */
#include <math.h>
#include <string.h>
#include "core/shape.h"
#include "elements.h"
#include "reel/shape.h"

/* Input k goes to output 0 from `base` on, with those strides along its axes; add: is added. */
static void put_strided(reel_emit *e, int k, int64_t base, const int64_t *strides, bool add)
{
    char buf[REEL_OFFSET_TEXT];
    const reel_eoperand *x = &e->in[k];
    reel_set_offset_(e, "x", x, "i");
    reel_set_text_(e, "o", "%lld + %s", (long long)base, reel_offset_(x->dims, strides, x->rank, "i", ~0u, buf));
    const int n = reel_open_all_(e, "i", x->dims, x->rank);
    const bool real = reel_is_float_(e->out[0].dtype);
    reel_sayf_(e,
               !add   ? "WR0($o, RD%d($x));"
               : real ? "ST0($o, LO0($o) + LD%d($x));"
                      : "ST0($o, (uint64_t)LO0($o) + (uint64_t)LD%d($x));",
               k);
    reel_close_(e, n);
}

/* What has a view rule comes here where it has to copy: x in its own order. */
int reel_emit_view_(reel_emit *e)
{
    for (int j = 0; j < e->n_out; j++) {
        if (e->out[j].count == 0) continue;
        if (e->in[0].text) {
            reel_open_(e, "i", e->out[j].count);
            reel_sayf_(e, "WR%d(i, RD0(0));", j);
            reel_close_(e, 1);
            continue;
        }
        if (e->in[0].count != e->out[j].count || e->n_out > 1)
            return reel_fail(REEL_ETRACE, "reel_export_c: it is no view here, which has no exported form");
        const int n = reel_open_elements_(e, &e->in[0], 1u);
        reel_say_(e, "WR0($o, RD0($i0));");
        reel_close_(e, n);
    }
    return 0;
}

int reel_emit_concat_(reel_emit *e)
{
    const reel_attr_axis *a = e->attr;
    const int axis = reel_emit_axis_(a->axis, e->out[0].rank);
    int64_t strides[REEL_MAX_RANK], at = 0;
    memcpy(strides, e->out[0].strides, sizeof strides); /* outputs are dense */
    for (int k = 0; k < e->n_in; k++) {
        if (e->in[k].count) put_strided(e, k, at * strides[axis], strides, false);
        at += e->in[k].rank ? e->in[k].dims[axis] : 1;
    }
    return 0;
}

int reel_emit_unslice_(reel_emit *e)
{
    const reel_attr_slice *a = e->attr;
    int64_t strides[REEL_MAX_RANK], base = 0;
    memcpy(strides, e->out[0].strides, sizeof strides); /* outputs are dense */
    for (int i = 0; i < (int)a->n; i++) {
        int64_t first, count, step;
        reel_range_resolve_(a->r[i], e->out[0].dims[i], &first, &count, &step);
        base += first * strides[i];
        strides[i] *= step;
    }
    reel_emit_fill_(e, 0);
    if (e->in[0].count) put_strided(e, 0, base, strides, false);
    return 0;
}

/* ---- diagonals ------------------------------------------------------------------------------------------------------------- */

static int put_diagonal(reel_emit *e, int axis1, int axis2, int64_t offset)
{
    int64_t strides[REEL_MAX_RANK], to[REEL_MAX_RANK] = {0};
    const int rank = e->out[0].rank;
    int n = 0;
    axis1 = reel_emit_axis_(axis1, rank);
    axis2 = reel_emit_axis_(axis2, rank);
    memcpy(strides, e->out[0].strides, sizeof strides); /* outputs are dense */
    for (int i = 0; i < rank; i++)
        if (i != axis1 && i != axis2) to[n++] = strides[i];
    to[n] = strides[axis1] + strides[axis2];
    reel_emit_fill_(e, 0);
    if (e->in[0].count) put_strided(e, 0, offset < 0 ? -offset * strides[axis1] : offset * strides[axis2], to, false);
    return 0;
}

int reel_emit_diagonal_(reel_emit *e)
{
    const reel_attr_diagonal *a = e->attr;
    return put_diagonal(e, (int)a->axis1, (int)a->axis2, a->offset);
}

int reel_emit_triangle_(reel_emit *e)
{
    const reel_attr_diagonal *a = e->attr;
    const reel_eoperand *x = &e->in[0];
    const int r = x->rank;
    char buf[REEL_OFFSET_TEXT];
    if (x->count == 0) return 0;
    reel_set_offset_(e, "x", x, "i");
    reel_set_text_(e, "o", "%s", reel_offset_(x->dims, e->out[0].strides, r, "i", ~0u, buf));
    reel_set_text_(e, "r", x->dims[r - 2] == 1 ? "0" : "i%d", r - 2);
    reel_set_text_(e, "c", x->dims[r - 1] == 1 ? "0" : "i%d", r - 1);
    reel_set_(e, "k", a->offset);
    const int n = reel_open_all_(e, "i", x->dims, r);
    reel_say_(e, e->op->id == REEL_OP_tril ? "if ($c - $r <= $k)" : "if ($c - $r >= $k)");
    reel_say_(e, "    WR0($o, RD0($x));\nelse\n    WR0($o, 0);");
    reel_close_(e, n);
    return 0;
}

/* ---- pad, tile and their gradients --------------------------------------------------------------------------------------------- */

static const char *const pad_names[] = {[REEL_PAD_CONSTANT] = "pad_none",
                                        [REEL_PAD_REFLECT] = "pad_reflect",
                                        [REEL_PAD_SYMMETRIC] = "pad_symmetric",
                                        [REEL_PAD_EDGE] = "pad_edge",
                                        [REEL_PAD_WRAP] = "pad_wrap"};

/* Constants p0, p1 ... for the elements of `small` that the elements i0, i1 ... of `large` are copies of; $p: their offset, by strides. */
static void padded(reel_emit *e, const reel_eoperand *large, const reel_eoperand *small, const int64_t *strides,
                   int mode, const reel_attr_pad *a)
{
    reel_text offset = {0}, outside = {0};
    for (int i = 0; i < large->rank; i++) {
        const int64_t low = a && i < (int)a->n ? a->low[i] : 0;
        char v[32];
        snprintf(v, sizeof v, large->dims[i] == 1 ? "0" : "i%d", i);
        if (small->dims[i] == large->dims[i] && low == 0) {
            reel_text_fmt_(&offset, "%s%s * %lld", offset.n ? " + " : "", v, (long long)strides[i]);
            continue;
        }
        reel_sayf_(e, "const long p%d = %s(%s - %lld, %lld);", i, pad_names[mode], v, (long long)low,
                   (long long)small->dims[i]);
        reel_text_fmt_(&offset, "%sp%d * %lld", offset.n ? " + " : "", i, (long long)strides[i]);
        if (mode == REEL_PAD_CONSTANT) reel_text_fmt_(&outside, "%sp%d < 0", outside.n ? " || " : "", i);
    }
    reel_set_text_(e, "p", "%s", offset.n ? offset.s : "0");
    reel_set_text_(e, "out", "%s", outside.n ? outside.s : "0");
    reel_text_free_(&offset);
    reel_text_free_(&outside);
}

static int pad(reel_emit *e, int mode, const reel_attr_pad *a)
{
    unsigned char element[8] = {0};
    char buf[REEL_NUMBER_TEXT];
    if (e->out[0].count == 0) return 0;
    const double value = a ? a->value : 0;
    reel_convert_(element, e->out[0].dtype, 1, &value, REEL_F64, 1, 1);
    reel_set_text_(e, "value", "%s", reel_literal_(e->out[0].dtype, element, buf));
    if (e->in[0].count == 0) {
        reel_open_(e, "i", e->out[0].count);
        reel_say_(e, "WR0(i, $value);");
        reel_close_(e, 1);
        return 0;
    }
    reel_set_offset_(e, "o", &e->out[0], "i");
    const int n = reel_open_all_(e, "i", e->out[0].dims, e->out[0].rank);
    reel_say_(e, "{");
    e->depth++;
    padded(e, &e->out[0], &e->in[0], e->in[0].strides, mode, a);
    if (mode == REEL_PAD_CONSTANT)
        reel_say_(e, "if ($out)\n    WR0($o, $value);\nelse\n    WR0($o, RD0($p));");
    else
        reel_say_(e, "WR0($o, RD0($p));");
    reel_close_(e, n + 1);
    return 0;
}

int reel_emit_pad_(reel_emit *e)
{
    const reel_attr_pad *a = e->attr;
    return pad(e, (int)a->mode, a);
}

int reel_emit_tile_(reel_emit *e)
{
    return pad(e, REEL_PAD_WRAP, NULL);
}

static int pad_back(reel_emit *e, int mode, const reel_attr_pad *a)
{
    int64_t strides[REEL_MAX_RANK];
    reel_emit_fill_(e, 0);
    if (e->in[0].count == 0 || e->out[0].count == 0) return 0;
    memcpy(strides, e->out[0].strides, sizeof strides); /* outputs are dense */
    reel_set_offset_(e, "x", &e->in[0], "i");
    const int n = reel_open_all_(e, "i", e->in[0].dims, e->in[0].rank);
    reel_say_(e, "{");
    e->depth++;
    padded(e, &e->in[0], &e->out[0], strides, mode, a);
    if (mode == REEL_PAD_CONSTANT) reel_say_(e, "if (!($out))");
    reel_say_(e, mode == REEL_PAD_CONSTANT ? "    ST0($p, LO0($p) + LD0($x));" : "ST0($p, LO0($p) + LD0($x));");
    reel_close_(e, n + 1);
    return 0;
}

int reel_emit_pad_grad_(reel_emit *e)
{
    const reel_attr_pad *a = e->attr;
    return pad_back(e, (int)a->mode, a);
}

int reel_emit_tile_grad_(reel_emit *e)
{
    return pad_back(e, REEL_PAD_WRAP, NULL);
}

/* ---- windows as columns ------------------------------------------------------------------------------------------------------- */

/* Loops n, c, k0 ..., o0 ...: $image and $column are where the element lies in x and in its columns; $in: is it inside? */
static int open_windows(reel_emit *e, const reel_attr_unfold *a, const reel_eoperand *image,
                        const reel_eoperand *columns)
{
    const int s = (int)a->n;
    reel_text at = {0}, row = {0}, column = {0}, inside = {0};
    int n = 2;
    reel_open_(e, "n", image->dims[0]);
    reel_open_(e, "c", image->dims[1]);
    reel_text_fmt_(&at, "n * %lld + c * %lld", (long long)image->strides[0], (long long)image->strides[1]);
    reel_text_add_(&row, "c");
    reel_text_add_(&column, "0");
    for (int i = 0; i < s; i++, n += 2) {
        char v[24];
        const int64_t span = (int64_t)a->dilation[i] * (a->kernel[i] - 1) + 1;
        const int64_t places = (image->dims[2 + i] + a->low[i] + a->high[i] - span) / a->stride[i] + 1;
        snprintf(v, sizeof v, "k%d", i);
        reel_open_(e, v, a->kernel[i]);
        snprintf(v, sizeof v, "o%d", i);
        reel_open_(e, v, places);
        reel_sayf_(e, "const long p%d = o%d * %d - %d + k%d * %d;", i, i, (int)a->stride[i], (int)a->low[i], i,
                   (int)a->dilation[i]);
        reel_text_fmt_(&at, " + p%d * %lld", i, (long long)image->strides[2 + i]);
        reel_text one = {0};
        reel_text_fmt_(&one, "(%s) * %d + k%d", reel_text_of_(&row), (int)a->kernel[i], i);
        reel_text_free_(&row);
        row = one;
        one = (reel_text){0};
        reel_text_fmt_(&one, "(%s) * %lld + o%d", reel_text_of_(&column), (long long)places, i);
        reel_text_free_(&column);
        column = one;
        reel_text_fmt_(&inside, "%sp%d >= 0 && p%d < %lld", i ? " && " : "", i, i, (long long)image->dims[2 + i]);
    }
    reel_set_text_(e, "image", "%s", reel_text_of_(&at));
    reel_set_text_(e, "column", "n * %lld + (%s) * %lld + (%s) * %lld", (long long)columns->strides[0],
                   reel_text_of_(&row), (long long)columns->strides[1], reel_text_of_(&column),
                   (long long)columns->strides[2]);
    reel_set_text_(e, "in", "%s", reel_text_of_(&inside));
    reel_text_free_(&at);
    reel_text_free_(&row);
    reel_text_free_(&column);
    reel_text_free_(&inside);
    return n;
}

int reel_emit_unfold_(reel_emit *e)
{
    if (e->out[0].count == 0) return 0;
    const int n = open_windows(e, e->attr, &e->in[0], &e->out[0]);
    reel_say_(e, "if ($in)\n    WR0($column, RD0($image));\nelse\n    WR0($column, 0);");
    reel_close_(e, n);
    return 0;
}

int reel_emit_fold_(reel_emit *e)
{
    reel_emit_fill_(e, 0);
    if (e->in[0].count == 0 || e->out[0].count == 0) return 0;
    const int n = open_windows(e, e->attr, &e->out[0], &e->in[0]);
    reel_say_(e, reel_is_float_(e->out[0].dtype)
                     ? "if ($in) ST0($image, LO0($image) + LD0($column));"
                     : "if ($in) ST0($image, (uint64_t)LO0($image) + (uint64_t)LD0($column));");
    reel_close_(e, n);
    return 0;
}

/* ---- blocks along an axis -------------------------------------------------------------------------------------------------------- */

int reel_emit_block_(reel_emit *e)
{
    const reel_attr_block *a = e->attr;
    const bool sum = e->op->id == REEL_OP_block_sum;
    const reel_eoperand *whole = sum ? &e->in[0] : &e->out[0], *part = sum ? &e->out[0] : &e->in[0];
    const int axis = reel_emit_axis_((int)a->axis, whole->rank);
    char buf[REEL_OFFSET_TEXT];
    if (sum) reel_emit_fill_(e, 0);
    if (whole->count == 0) return 0;
    reel_set_text_(e, "w", "%s", reel_offset_(whole->dims, whole->strides, whole->rank, "i", ~0u, buf));
    const char *rest = reel_offset_(whole->dims, part->strides, whole->rank, "i", ~(1u << axis), buf);
    if (whole->dims[axis] == 1)
        reel_set_text_(e, "p", "%s", rest);
    else
        reel_set_text_(e, "p", "%s + i%d / %lld * %lld", rest, axis, (long long)a->block,
                       (long long)part->strides[axis]);
    const int n = reel_open_all_(e, "i", whole->dims, whole->rank);
    reel_say_(e, sum ? "ST0($p, LO0($p) + LD0($w));" : "WR0($w, RD0($p));");
    reel_close_(e, n);
    return 0;
}

/* ---- values from attributes -------------------------------------------------------------------------------------------------------- */

int reel_emit_full_(reel_emit *e)
{
    const reel_attr_full *full = e->attr;
    const reel_attr_num *num = e->attr;
    return reel_emit_fill_(e, e->op->id == REEL_OP_full ? full->value : num->value);
}

int reel_emit_eye_(reel_emit *e)
{
    const reel_eoperand *o = &e->out[0];
    unsigned char element[8] = {0};
    const double one = 1;
    char buf[REEL_NUMBER_TEXT];
    const int64_t least = o->dims[0] < o->dims[1] ? o->dims[0] : o->dims[1];
    reel_emit_fill_(e, 0);
    if (least == 0) return 0;
    reel_convert_(element, o->dtype, 1, &one, REEL_F64, 1, 1);
    reel_set_(e, "by", o->dims[1] + 1);
    reel_set_text_(e, "one", "%s", reel_literal_(o->dtype, element, buf));
    reel_open_(e, "k", least);
    reel_say_(e, "WR0(k * $by, $one);");
    reel_close_(e, 1);
    return 0;
}

int reel_emit_arange_(reel_emit *e)
{
    const reel_attr_arange *a = e->attr;
    char buf[REEL_NUMBER_TEXT];
    if (e->out[0].count == 0) return 0;
    reel_set_text_(e, "start", "%s", reel_double_(a->start, buf));
    reel_set_text_(e, "step", "%s", reel_double_(a->step, buf));
    reel_open_(e, "i", e->out[0].count);
    reel_say_(e, reel_is_float_(e->out[0].dtype) ? "ST0(i, $start + (double)i * $step);"
                                                 : "ST0(i, (int64_t)$start + (int64_t)i * (int64_t)$step);");
    reel_close_(e, 1);
    return 0;
}

/* Between the ends, or between their logarithms. */
int reel_emit_linspace_(reel_emit *e)
{
    const reel_attr_linspace *a = e->attr;
    const int64_t parts = a->endpoint ? a->count - 1 : a->count;
    const bool logs = isnan(a->base);
    const double first = logs ? log(fabs(a->start)) : a->start, last = logs ? log(fabs(a->stop)) : a->stop;
    char buf[REEL_NUMBER_TEXT];
    if (e->out[0].count == 0) return 0;
    reel_set_text_(e, "first", "%s", reel_double_(first, buf));
    reel_set_text_(e, "step", "%s", reel_double_(parts > 0 ? (last - first) / (double)parts : 0, buf));
    reel_set_text_(e, "last", "%s", reel_double_(last, buf));
    reel_set_text_(e, "start", "%s", reel_double_(a->start, buf));
    reel_set_text_(e, "stop", "%s", reel_double_(a->stop, buf));
    reel_set_text_(e, "base", "%s", reel_double_(a->base, buf));
    reel_set_(e, "end", a->endpoint && a->count > 1 ? a->count - 1 : -1);
    reel_open_(e, "i", e->out[0].count);
    reel_say_(e, "double x = i == $end ? $last : $first + (double)i * $step;");
    if (logs)
        reel_say_(e, "x = i == 0 ? $start : i == $end ? $stop : copysign(exp(x), $start);");
    else if (a->base > 0)
        reel_say_(e, "x = pow($base, x);");
    reel_say_(e, reel_is_float_(e->out[0].dtype) ? "ST0(i, x);" : "ST0(i, floor(x));");
    reel_close_(e, 1);
    return 0;
}

int reel_emit_iota_(reel_emit *e)
{
    reel_open_(e, "i", e->out[0].count);
    reel_say_(e, "ST0(i, i);");
    reel_close_(e, 1);
    return 0;
}

/* Labels outside give a row of zeros. */
int reel_emit_one_hot_(reel_emit *e)
{
    const reel_eoperand *labels = &e->in[0];
    unsigned char element[8] = {0};
    const double one = 1;
    char buf[REEL_NUMBER_TEXT], off[REEL_OFFSET_TEXT];
    const int64_t n = e->out[0].rank ? e->out[0].dims[e->out[0].rank - 1] : 0;
    reel_emit_fill_(e, 0);
    if (e->out[0].count == 0) return 0;
    reel_convert_(element, e->out[0].dtype, 1, &one, REEL_F64, 1, 1);
    reel_set_(e, "n", n);
    reel_set_text_(e, "one", "%s", reel_literal_(e->out[0].dtype, element, buf));
    reel_set_offset_(e, "x", labels, "i");
    reel_set_text_(e, "o", "%s", reel_offset_(labels->dims, e->out[0].strides, labels->rank, "i", ~0u, off));
    const int loops = reel_open_all_(e, "i", labels->dims, labels->rank);
    reel_say_(e, "{\n    const int64_t label = (int64_t)LD0($x);\n"
                 "    if (label >= 0 && label < $n) WR0($o + (long)label, $one);\n}");
    reel_close_(e, loops);
    return 0;
}
