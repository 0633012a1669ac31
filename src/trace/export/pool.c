/* pool.c: emitters of pooling and its gradients: windows of one image plane, tap by tap. */
#include <string.h>
#include "elements.h"

typedef struct windows {
    const reel_attr_pool *a;
    int s;
    reel_window win[REEL_SPATIAL];
} windows;

static int measure(windows *t, const reel_emit *e, const reel_eoperand *x)
{
    t->a = e->attr;
    t->s = t->a->window.spatial;
    int rc = 0;
    for (int i = 0; i < t->s && !rc; i++)
        rc = reel_window_axis_(&t->a->window, i, x->dims[reel_spatial_axis_(&t->a->window, i)], t->a->window.kernel[i],
                               &t->win[i]);
    return rc;
}

/* "n * 3 + c * 4 + p0 * 2 ..." */
static void set_place(reel_emit *e, const char *name, const windows *t, const reel_eoperand *o, char v)
{
    const reel_window_rule *r = &t->a->window;
    reel_text at = {0};
    reel_text_fmt_(&at, "n * %lld + c * %lld", (long long)o->strides[0], (long long)o->strides[reel_channel_axis_(r)]);
    for (int i = 0; i < t->s; i++)
        reel_text_fmt_(&at, " + %c%d * %lld", v, i, (long long)o->strides[reel_spatial_axis_(r, i)]);
    reel_set_built_(e, name, &at);
}

/* Loops n, c and the outputs q0 ... */
static int open_outputs(reel_emit *e, const windows *t, const reel_eoperand *x)
{
    reel_open_(e, "n", x->dims[0]);
    reel_open_(e, "c", x->dims[reel_channel_axis_(&t->a->window)]);
    for (int i = 0; i < t->s; i++) {
        char v[16];
        snprintf(v, sizeof v, "q%d", i);
        reel_open_(e, v, t->win[i].out);
    }
    return t->s + 2;
}

/* Loops over the inputs p0 ... of that output's window. */
static int open_inputs(reel_emit *e, const windows *t)
{
    for (int i = 0; i < t->s; i++) {
        const reel_window *w = &t->win[i];
        if (w->adaptive)
            reel_sayf_(e, "for (long p%d = q%d * %lld / %lld; p%d < ((q%d + 1) * %lld + %lld) / %lld; p%d++) {", i, i,
                       (long long)w->in, (long long)w->out, i, i, (long long)w->in, (long long)w->out - 1,
                       (long long)w->out, i);
        else
            reel_sayf_(e, "for (long p%d = q%d * %lld - %lld, k%d = 0; k%d < %lld; k%d++, p%d += %lld) {", i, i,
                       (long long)w->stride, (long long)w->before, i, i, (long long)w->kernel, i, i,
                       (long long)w->dilation);
        e->depth++;
        if (!w->adaptive) reel_sayf_(e, "if (p%d < 0 || p%d >= %lld) continue;", i, i, (long long)w->in);
    }
    return t->s;
}

static const char *lowest(reel_dtype d)
{
    switch (d) {
    case REEL_F64: return "-(double)INFINITY";
    case REEL_I8: return "-128";
    case REEL_U8: return "0";
    case REEL_I32: return "-2147483647 - 1";
    case REEL_I64: return "-INT64_C(9223372036854775807) - 1";
    default: return "-(float)INFINITY";
    }
}

/* The number of the input at hand in its plane. */
static void set_number(reel_emit *e, const windows *t)
{
    reel_text at = {0};
    for (int i = 0; i < t->s; i++) {
        int axis = i; /* column-major: the last two change places */
        if (t->a->column_major && t->s > 1 && i >= t->s - 2) axis = i == t->s - 1 ? t->s - 2 : t->s - 1;
        reel_text one = {0};
        if (i)
            reel_text_fmt_(&one, "(%s) * %lld + p%d", reel_text_of_(&at), (long long)t->win[axis].in, axis);
        else
            reel_text_fmt_(&one, "p%d", axis);
        reel_text_free_(&at);
        at = one;
    }
    reel_set_built_(e, "number", &at);
}

static void say_best(reel_emit *e)
{
    const bool real = reel_is_float_(e->in[0].dtype);
    reel_say_(e, "const T v = LD0($x);");
    reel_say_(e, real ? "if (v > best || (v != v && best == best) || found < 0) {" : "if (v > best || found < 0) {");
}

int reel_emit_max_pool_(reel_emit *e)
{
    windows t;
    const int rc = measure(&t, e, &e->in[0]);
    if (rc || e->out[0].count == 0) return rc;
    const bool places = e->op->id == REEL_OP_max_pool_indices;
    e->real = e->in[0].dtype == REEL_F16 || e->in[0].dtype == REEL_BF16 ? REEL_F32 : e->in[0].dtype;
    set_place(e, "x", &t, &e->in[0], 'p');
    set_place(e, "o", &t, &e->out[0], 'q');
    set_number(e, &t);
    const int n = open_outputs(e, &t, &e->in[0]);
    reel_sayf_(e, "T best = %s;%s", lowest(e->in[0].dtype), places ? "\nint64_t found = -1;" : "");
    const int inner = open_inputs(e, &t);
    if (places) {
        say_best(e);
        reel_say_(e, "    best = v;\n    found = $number;\n}");
    } else {
        reel_say_(e, "const T v = LD0($x);");
        reel_say_(e, reel_is_float_(e->in[0].dtype) ? "best = v > best || v != v ? v : best;"
                                                    : "best = v > best ? v : best;");
    }
    reel_close_(e, inner);
    reel_say_(e, places ? "ST0($o, found);" : "ST0($o, best);");
    reel_close_(e, n);
    return 0;
}

/* Sums of 16-bit floats are made in float. */
static void begin_zero(reel_emit *e)
{
    const bool narrow = reel_size_(e->out[0].dtype) < 4;
    if (narrow) e->work = (size_t)e->out[0].count;
    reel_set_(e, "all", e->out[0].count);
    reel_set_text_(e, "to", narrow ? "work" : "out");
    if (!narrow) e->out[0].read = true;
    reel_say_(e, "for (long i = 0; i < $all; i++) $to[i] = 0;");
}

static void end_zero(reel_emit *e)
{
    if (e->work) reel_say_(e, "for (long i = 0; i < $all; i++) ST0(i, work[i]);");
}

int reel_emit_max_pool_grad_(reel_emit *e)
{
    windows t;
    const int rc = measure(&t, e, &e->in[0]);
    if (rc || e->out[0].count == 0) return rc;
    begin_zero(e);
    set_place(e, "x", &t, &e->in[0], 'p');
    set_place(e, "o", &t, &e->out[0], 'p');
    set_place(e, "g", &t, &e->in[1], 'q');
    const int n = open_outputs(e, &t, &e->in[0]);
    reel_sayf_(e, "T best = %s;\nlong found = -1;", lowest(e->in[0].dtype));
    const int inner = open_inputs(e, &t);
    say_best(e);
    reel_say_(e, "    best = v;\n    found = $o;\n}");
    reel_close_(e, inner);
    reel_say_(e, "if (found >= 0) $to[found] += LD1($g);");
    reel_close_(e, n);
    end_zero(e);
    return 0;
}

/* How many elements the mean of a window counts, along each axis: m0 * m1 ... */
static void say_counts(reel_emit *e, const windows *t)
{
    reel_text all = {0};
    for (int i = 0; i < t->s && !t->a->divisor; i++) {
        const reel_window *w = &t->win[i];
        reel_text_fmt_(&all, "%sm%d", i ? " * " : "", i);
        if (w->adaptive) {
            reel_sayf_(e, "const long m%d = ((q%d + 1) * %lld + %lld) / %lld - q%d * %lld / %lld;", i, i,
                       (long long)w->in, (long long)w->out - 1, (long long)w->out, i, (long long)w->in,
                       (long long)w->out);
            continue;
        }
        const int64_t end = w->in + (t->a->include_pad ? w->after : 0);
        reel_sayf_(e, "long m%d = 0;", i);
        reel_sayf_(e, "for (long k = 0; k < %lld; k++) m%d += q%d * %lld - %lld + k * %lld < %lld%s",
                   (long long)w->kernel, i, i, (long long)w->stride, (long long)w->before, (long long)w->dilation,
                   (long long)end, t->a->include_pad ? ";" : "");
        if (!t->a->include_pad)
            reel_sayf_(e, "    && q%d * %lld - %lld + k * %lld >= 0;", i, (long long)w->stride, (long long)w->before,
                       (long long)w->dilation);
    }
    if (t->a->divisor)
        reel_set_(e, "count", t->a->divisor);
    else
        reel_set_text_(e, "count", "(%s)", reel_text_of_(&all));
    reel_text_free_(&all);
}

int reel_emit_avg_pool_(reel_emit *e)
{
    windows t;
    const int rc = measure(&t, e, &e->in[0]);
    if (rc || e->out[0].count == 0) return rc;
    set_place(e, "x", &t, &e->in[0], 'p');
    set_place(e, "o", &t, &e->out[0], 'q');
    const int n = open_outputs(e, &t, &e->in[0]);
    say_counts(e, &t);
    reel_say_(e, "double sum = 0;");
    const int inner = open_inputs(e, &t);
    reel_say_(e, "sum += (double)LD0($x);");
    reel_close_(e, inner);
    reel_say_(e, "ST0($o, $count > 0 ? sum / (double)$count : 0);");
    reel_close_(e, n);
    return 0;
}

int reel_emit_avg_pool_grad_(reel_emit *e)
{
    windows t;
    const int rc = measure(&t, e, &e->in[0]);
    if (rc || e->out[0].count == 0) return rc;
    begin_zero(e);
    set_place(e, "o", &t, &e->out[0], 'p');
    set_place(e, "g", &t, &e->in[1], 'q');
    const int n = open_outputs(e, &t, &e->in[0]);
    say_counts(e, &t);
    reel_say_(e, "const T share = $count > 0 ? LD1($g) / (T)$count : 0;");
    const int inner = open_inputs(e, &t);
    reel_say_(e, "$to[$o] += share;");
    reel_close_(e, inner + n);
    end_zero(e);
    return 0;
}

/* ---- by index: pool_gather(v, indices), pool_scatter(like, indices, g), max_unpool(x, indices) --------------------------------- */

int reel_emit_pool_index_(reel_emit *e)
{
    const reel_attr_pool *a = e->attr;
    const reel_window_rule *r = &a->window;
    const bool gather = e->op->id == REEL_OP_pool_gather, add = e->op->id == REEL_OP_pool_scatter;
    const reel_eoperand *ix = &e->in[1], *whole = gather ? &e->in[0] : &e->out[0];
    const int channel = reel_channel_axis_(r);
    int64_t plane = 1;
    char buf[REEL_OFFSET_TEXT];
    reel_refuses_(e, "an index is out of range");
    for (int i = 0; i < r->spatial; i++) plane *= whole->dims[reel_spatial_axis_(r, i)];
    if (add) begin_zero(e);
    if (!gather && !add) reel_emit_fill_(e, 0);
    if (ix->count == 0) return 0;
    reel_set_(e, "plane", plane);
    reel_set_offset_(e, "j", ix, "i");
    reel_set_offset_(e, "u", gather ? &e->out[0] : add ? &e->in[2] : &e->in[0], "i");
    /* where element k of that plane lies */
    reel_text at = {0};
    reel_text_fmt_(&at, "%s", reel_offset_(ix->dims, whole->strides, ix->rank, "i", 1u | 1u << channel, buf));
    int64_t behind = 1;
    for (int i = r->spatial - 1; i >= 0; i--) {
        const int axis = reel_spatial_axis_(r, i);
        reel_text_fmt_(&at, " + (long)k / %lld %% %lld * %lld", (long long)behind, (long long)whole->dims[axis],
                       (long long)whole->strides[axis]);
        behind *= whole->dims[axis];
    }
    reel_set_built_(e, "t", &at);
    const int n = reel_open_all_(e, "i", ix->dims, ix->rank);
    reel_say_(e, "{\n    const int64_t k = LD1($j);\n    if (k < 0 || k >= $plane) return 1;");
    reel_say_(e, gather ? "    WR0($u, RD0($t));\n}" : add ? "    $to[$t] += LD2($u);\n}" : "    WR0($t, RD0($u));\n}");
    reel_close_(e, n);
    if (add) end_zero(e);
    return 0;
}
