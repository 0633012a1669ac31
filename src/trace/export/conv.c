/* conv.c: emitters of convolution, its transpose and both gradients: one nest of loops, and what is added to what. Lines of the last
   spatial axis are innermost, from the first output whose tap lies inside to the last. */
#include <string.h>
#include "elements.h"

typedef struct nest {
    const reel_attr_conv *a;
    const reel_eoperand *x, *w, *y; /* the image, the weights, what conv makes */
    int64_t xs[REEL_MAX_RANK], ws[REEL_MAX_RANK], ys[REEL_MAX_RANK];
    int s, channels; /* spatial axes; axis of channels */
    reel_window win[REEL_SPATIAL];
} nest;

static int measure(nest *t, const reel_emit *e, const reel_eoperand *x, const reel_eoperand *w, const reel_eoperand *y)
{
    t->a = e->attr;
    t->x = x, t->w = w, t->y = y;
    t->s = t->a->window.spatial;
    t->channels = reel_channel_axis_(&t->a->window);
    memcpy(t->xs, x->strides, sizeof t->xs);
    memcpy(t->ws, w->strides, sizeof t->ws);
    memcpy(t->ys, y->strides, sizeof t->ys);
    int rc = 0;
    for (int i = 0; i < t->s && !rc; i++)
        rc = reel_window_axis_(&t->a->window, i, x->dims[reel_spatial_axis_(&t->a->window, i)], w->dims[2 + i],
                               &t->win[i]);
    return rc;
}

/* $X0, $Y0: without the last spatial axis, whose steps are $xs and $ys; $W: the weight. */
static void set_words(reel_emit *e, const nest *t)
{
    const int s = t->s, last = reel_spatial_axis_(&t->a->window, s - 1);
    const int64_t in = t->x->dims[t->channels] / t->a->groups, out = t->w->dims[0] / t->a->groups;
    reel_text x = {0}, y = {0}, w = {0};
    reel_text_fmt_(&x, "n * %lld + ", (long long)t->xs[0]);
    if (t->a->groups > 1)
        reel_text_fmt_(&x, "(o / %lld * %lld + c) * %lld", (long long)out, (long long)in,
                       (long long)t->xs[t->channels]);
    else
        reel_text_fmt_(&x, "c * %lld", (long long)t->xs[t->channels]);
    reel_text_fmt_(&y, "n * %lld + o * %lld", (long long)t->ys[0], (long long)t->ys[t->channels]);
    reel_text_fmt_(&w, "o * %lld + c * %lld", (long long)t->ws[0], (long long)t->ws[1]);
    for (int i = 0; i < s; i++) {
        const int axis = reel_spatial_axis_(&t->a->window, i);
        reel_text_fmt_(&w, " + k%d * %lld", i, (long long)t->ws[2 + i]);
        if (i == s - 1) continue;
        reel_text_fmt_(&x, " + p%d * %lld", i, (long long)t->xs[axis]);
        reel_text_fmt_(&y, " + q%d * %lld", i, (long long)t->ys[axis]);
    }
    reel_set_text_(e, "X0", "%s", reel_text_of_(&x));
    reel_set_text_(e, "Y0", "%s", reel_text_of_(&y));
    reel_set_text_(e, "W", "%s", reel_text_of_(&w));
    reel_set_(e, "xs", t->xs[last]);
    reel_set_(e, "ys", t->ys[last]);
    reel_set_(e, "in", in);
    reel_set_(e, "n", t->x->dims[0]);
    reel_set_(e, "o", t->w->dims[0]);
    reel_text_free_(&x);
    reel_text_free_(&y);
    reel_text_free_(&w);
}

static void open_taps(reel_emit *e, const nest *t)
{
    for (int i = 0; i < t->s; i++) {
        char v[16];
        snprintf(v, sizeof v, "k%d", i);
        reel_open_(e, v, t->win[i].kernel);
    }
}

/* Outputs q0 ... of the outer spatial axes whose tap lies inside; then first and last of the innermost, whose input is at p. */
static int open_lines(reel_emit *e, const nest *t)
{
    for (int i = 0; i < t->s - 1; i++) {
        const reel_window *w = &t->win[i];
        char v[16];
        snprintf(v, sizeof v, "q%d", i);
        reel_open_(e, v, w->out);
        reel_sayf_(e, "const long p%d = q%d * %lld - %lld + k%d * %lld;\nif (p%d < 0 || p%d >= %lld) continue;", i, i,
                   (long long)w->stride, (long long)w->before, i, (long long)w->dilation, i, i, (long long)w->in);
    }
    const reel_window *w = &t->win[t->s - 1];
    reel_set_(e, "stride", w->stride);
    reel_set_(e, "size", w->in);
    reel_set_(e, "outs", w->out);
    reel_sayf_(e, "const long p = k%d * %lld - %lld; /* the input of the first output */", t->s - 1,
               (long long)w->dilation, (long long)w->before);
    reel_say_(e, "const long first = p < 0 ? (-p + $stride - 1) / $stride : 0;\n"
                 "const long last = p < $size ? ($size - 1 - p) / $stride + 1 : 0, end = last < $outs ? last : $outs;");
    return t->s - 1;
}

/* Before everything: the output is its bias, or 0. `to` is the output's text of element; width of sums is `work` for 16-bit floats. */
static void begin_output(reel_emit *e, const reel_eoperand *bias, int channels, const char *load)
{
    const reel_eoperand *o = &e->out[0];
    const bool narrow = reel_size_(o->dtype) < 4;
    if (narrow) e->work = (size_t)o->count;
    reel_set_offset_(e, "z", o, "z");
    const int n = reel_open_all_(e, "z", o->dims, o->rank);
    if (bias)
        reel_set_text_(e, "b", o->dims[channels] == 1 ? "0" : "z%d * %lld", channels, (long long)bias->strides[0]);
    reel_sayf_(e, narrow ? "work[$z] = %s;" : "ST0($z, %s);", bias ? load : "0");
    reel_close_(e, n);
    reel_set_text_(e, "to", narrow ? "work" : "out");
    if (!narrow) e->out[0].read = true;
}

static void end_output(reel_emit *e)
{
    if (!e->work) return;
    reel_set_(e, "all", e->out[0].count);
    reel_say_(e, "for (long i = 0; i < $all; i++) ST0(i, work[i]);");
}

int reel_emit_conv_(reel_emit *e)
{
    nest t;
    const int rc = measure(&t, e, &e->in[0], &e->in[1], &e->out[0]);
    if (rc || e->out[0].count == 0) return rc;
    begin_output(e, e->n_in > 2 ? &e->in[2] : NULL, t.channels, "LD2($b)");
    set_words(e, &t);
    reel_say_(
        e,
        "for (long n = 0; n < $n; n++)\n    for (long o = 0; o < $o; o++)\n        for (long c = 0; c < $in; c++) {");
    e->depth += 3;
    open_taps(e, &t);
    reel_say_(e, "const T by = LD1($W);");
    const int n = open_lines(e, &t);
    reel_say_(e, "for (long i = first; i < end; i++) $to[$Y0 + i * $ys] += by * LD0($X0 + (p + i * $stride) * $xs);");
    reel_close_(e, n + t.s);
    e->depth -= 2;
    reel_close_(e, 1);
    end_output(e);
    return 0;
}

/* Of g (or x, of a transposed convolution) back to the image. */
static int emit_back(reel_emit *e, const reel_eoperand *y, int iy, const reel_eoperand *w, int iw,
                     const reel_eoperand *bias)
{
    nest t;
    const int rc = measure(&t, e, &e->out[0], w, y);
    if (rc || e->out[0].count == 0) return rc;
    begin_output(e, bias, t.channels, "LD2($b)");
    set_words(e, &t);
    reel_sayf_(
        e,
        "for (long n = 0; n < $n; n++)\n    for (long o = 0; o < $o; o++)\n        for (long c = 0; c < $in; c++) {");
    e->depth += 3;
    open_taps(e, &t);
    reel_sayf_(e, "const T by = LD%d($W);", iw);
    const int n = open_lines(e, &t);
    reel_sayf_(e, "for (long i = first; i < end; i++) $to[$X0 + (p + i * $stride) * $xs] += by * LD%d($Y0 + i * $ys);",
               iy);
    reel_close_(e, n + t.s);
    e->depth -= 2;
    reel_close_(e, 1);
    end_output(e);
    return 0;
}

int reel_emit_conv_transpose_(reel_emit *e)
{
    return emit_back(e, &e->in[0], 0, &e->in[1], 1, e->n_in > 2 ? &e->in[2] : NULL);
}

int reel_emit_conv_input_(reel_emit *e)
{
    return emit_back(e, &e->in[1], 1, &e->in[2], 2, NULL);
}

int reel_emit_conv_weights_(reel_emit *e)
{
    nest t;
    const int rc = measure(&t, e, &e->in[2], &e->out[0], &e->in[1]);
    if (rc || e->out[0].count == 0) return rc;
    set_words(e, &t);
    reel_say_(e, "for (long o = 0; o < $o; o++)\n    for (long c = 0; c < $in; c++) {");
    e->depth += 2;
    open_taps(e, &t);
    reel_say_(e, "double sum = 0;\nfor (long n = 0; n < $n; n++) {");
    e->depth++;
    const int n = open_lines(e, &t);
    reel_say_(
        e, "T line = 0;\nfor (long i = first; i < end; i++) line += LD1($Y0 + i * $ys) * LD2($X0 + (p + i * $stride) * "
           "$xs);\nsum += (double)line;");
    reel_close_(e, n + 1);
    reel_say_(e, "ST0($W, sum);");
    reel_close_(e, t.s);
    e->depth--;
    reel_close_(e, 1);
    return 0;
}
