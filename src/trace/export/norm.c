/* norm.c: emitters of normalize, which all normalisations are, and of its gradient. Means are made in double. */
#include <string.h>
#include "core/shape.h"
#include "elements.h"

/* Words for the elements at hand of x's shape: $x0 ... of inputs, $y0 ... of outputs. */
static void set_places(reel_emit *e, const reel_eoperand *x)
{
    char name[12];
    for (int k = 0; k < e->n_in; k++) {
        snprintf(name, sizeof name, "x%d", k);
        reel_set_along_(e, name, &e->in[k], x->dims, x->rank, "i");
    }
    for (int k = 0; k < e->n_out; k++) {
        snprintf(name, sizeof name, "y%d", k);
        reel_set_along_(e, name, &e->out[k], x->dims, x->rank, "i");
    }
}

static int begin(reel_emit *e, const reel_eoperand *x, unsigned *mask)
{
    const reel_attr_normalize *a = e->attr;
    char buf[REEL_NUMBER_TEXT];
    int64_t n = 1;
    const int rc = reel_axes_mask_(&a->axes, x->rank, mask);
    for (int i = 0; i < x->rank && !rc; i++)
        if ((*mask >> i) & 1u) n *= x->dims[i];
    set_places(e, x);
    reel_set_(e, "n", n);
    reel_set_text_(e, "eps", "%s", reel_double_(a->eps, buf));
    return rc;
}

static void inner(reel_emit *e, const reel_eoperand *x, unsigned mask, const char *step)
{
    const int n = reel_open_axes_(e, x, mask, "i");
    reel_say_(e, n ? "" : "{");
    e->depth += !n;
    reel_say_(e, step);
    reel_close_(e, n ? n : 1);
}

int reel_emit_normalize_(reel_emit *e)
{
    const reel_attr_normalize *a = e->attr;
    const reel_eoperand *x = &e->in[0];
    unsigned mask;
    const int rc = begin(e, x, &mask);
    if (rc || (e->out[0].count == 0 && e->out[1].count == 0)) return rc;
    const int outer = reel_open_axes_(e, x, ~mask, "i");
    reel_say_(e, "double mean = 0, var = 0, r;");
    if (a->rms) {
        inner(e, x, mask, "var += (double)LD0($x0) * (double)LD0($x0);");
    } else {
        inner(e, x, mask, "mean += (double)LD0($x0);");
        reel_say_(e, "mean /= $n.0;");
        inner(e, x, mask, "const double d = (double)LD0($x0) - mean;\nvar += d * d;");
    }
    reel_say_(e, "var /= $n.0;\nr = 1 / sqrt(var + $eps);\nST1($y1, mean);\nST2($y2, var);");
    inner(e, x, mask,
          e->n_in == 3   ? "ST0($y0, ((double)LD0($x0) - mean) * r * (double)LD1($x1) + (double)LD2($x2));"
          : e->n_in == 2 ? "ST0($y0, ((double)LD0($x0) - mean) * r * (double)LD1($x1));"
                         : "ST0($y0, ((double)LD0($x0) - mean) * r);");
    reel_close_(e, outer);
    return 0;
}

/* g, x, mean, var[, scale] -> dx[, dscale, dbias] */
int reel_emit_normalize_grad_(reel_emit *e)
{
    const reel_attr_normalize *a = e->attr;
    const reel_eoperand *x = &e->in[1];
    const bool scaled = e->n_in > 4;
    unsigned mask;
    int64_t n_scale = scaled ? e->in[4].count : 0;
    const int rc = begin(e, x, &mask);
    if (rc) return rc;
    if (scaled && n_scale > 0) {
        e->work = (size_t)n_scale * 2;
        e->work_type = "double";
        reel_set_(e, "c", n_scale);
        int64_t dense[REEL_MAX_RANK];
        reel_shape s = {.rank = e->in[4].rank};
        memcpy(s.dims, e->in[4].dims, sizeof s.dims);
        reel_shape_strides_(&s, dense);
        reel_eoperand o = e->in[4];
        memcpy(o.strides, dense, sizeof o.strides);
        reel_set_along_(e, "w", &o, x->dims, x->rank, "i");
        reel_say_(e, "for (long c = 0; c < 2 * $c; c++) work[c] = 0;");
    }
    reel_set_text_(e, "gs", scaled ? "(double)LD0($x0) * (double)LD4($x4)" : "(double)LD0($x0)");
    const int outer = reel_open_axes_(e, x, ~mask, "i");
    reel_set_text_(e, "mean", a->rms ? "0" : "(double)LD2($x2)"); /* of rms nobody reads it */
    reel_say_(e, "const double m = $mean, r = 1 / sqrt((double)LD3($x3) + $eps);\n"
                 "double sum = 0, along = 0;");
    inner(e, x, mask,
          scaled ? "const double hat = ((double)LD1($x1) - m) * r, u = (double)LD0($x0);\n"
                   "work[$w] += u * hat;\nwork[$c + $w] += u;\nsum += $gs;\nalong += $gs * hat;"
                 : "sum += $gs;\nalong += $gs * ((double)LD1($x1) - m) * r;");
    reel_say_(e, a->rms ? "sum = 0;\nalong /= $n.0;" : "sum /= $n.0;\nalong /= $n.0;");
    inner(e, x, mask, "ST0($y0, r * ($gs - sum - ((double)LD1($x1) - m) * r * along));");
    reel_close_(e, outer);
    if (scaled && n_scale > 0)
        reel_say_(e, "for (long c = 0; c < $c; c++) {\n    ST1(c, work[c]);\n    ST2(c, work[$c + c]);\n}");
    return 0;
}
