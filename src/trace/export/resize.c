/* resize.c: emitters of one axis resampled. It is linear, so the op's own kernel, on the unit vectors, says with which weights. */
#include <string.h>
#include "core/alloc.h"
#include "core/device.h"
#include "elements.h"
#include "reel/image.h"

/* The op on x [rows, n] along its last axis, by its kernel. */
static int resample(const reel_emit *e, const double *x, int64_t rows, int64_t n, double *y, int64_t m)
{
    const reel_op *op = &reel_rows_[REEL_OP_resize_axis];
    const reel_kernel *k = reel_kernel_(reel_device_(0), op);
    reel_attr_resize a = *(const reel_attr_resize *)e->attr;
    const int64_t from[2] = {rows, n}, to[2] = {rows, m}, from_by[2] = {n, 1}, to_by[2] = {m, 1};
    const reel_kview in = {.dtype = REEL_F64, .rank = 2, .dims = from, .strides = from_by},
                     out = {.dtype = REEL_F64, .rank = 2, .dims = to, .strides = to_by};
    const reel_ksig sig = {.op = op, .attr = &a, .n_in = 1, .n_out = 1, .in = &in, .out = &out};
    void *ptr[2] = {(void *)(uintptr_t)x, y};
    size_t room = 0;
    a.axis = 1;
    char *plan = reel_zalloc_(k->plan_size + 1);
    int rc = plan ? k->prepare(&sig, plan, &room) : REEL_ENOMEM;
    if (!rc) {
        char *work = reel_zalloc_(room + 1);
        rc = work ? k->run(plan, ptr, work) : REEL_ENOMEM;
        reel_free_(work, room + 1);
        if (k->drop) k->drop(plan);
    }
    reel_free_(plan, k->plan_size + 1);
    return rc;
}

/* Row n of w [n + 1, m] is what the op makes of zeros, row i of the others what it adds for the unit vector i. */
static double *weights_of(const reel_emit *e, int64_t n, int64_t m)
{
    double *x = reel_zalloc_((size_t)((n + 1) * n + 1) * sizeof *x);
    double *w = reel_zalloc_((size_t)((n + 1) * m + 1) * sizeof *w);
    for (int64_t i = 0; i < n && x; i++) x[i * n + i] = 1;
    const int rc = x && w ? resample(e, x, n + 1, n, w, m) : REEL_ENOMEM;
    reel_free_(x, (size_t)((n + 1) * n + 1) * sizeof *x);
    if (rc) {
        reel_free_(w, (size_t)((n + 1) * m + 1) * sizeof *w);
        return NULL;
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t r = 0; r < m; r++) w[i * m + r] -= w[n * m + r];
    return w;
}

static void put_table(reel_emit *e, const char *type, const char *name, const reel_text *t)
{
    reel_sayf_(e, "static const %s %s[] = {%s};", type, name, t->n ? t->s : "0");
}

/* Where each result's weights begin, of which elements they are, the weights; back: of the gradient, which goes from results to elements. */
static void put_weights(reel_emit *e, const double *w, int64_t n, int64_t m, bool back)
{
    reel_text start = {0}, index = {0}, weight = {0}, constant = {0};
    char buf[REEL_NUMBER_TEXT];
    const int64_t rows = back ? n : m, others = back ? m : n;
    int64_t count = 0;
    for (int64_t r = 0; r <= rows; r++) {
        reel_text_fmt_(&start, "%s%lld", r ? ", " : "", (long long)count);
        if (r == rows) break;
        reel_text_fmt_(&constant, "%s%s", r ? ", " : "", reel_double_(back ? 0 : w[n * m + r], buf));
        for (int64_t i = 0; i < others; i++) {
            const double x = back ? w[r * m + i] : w[i * m + r];
            if (x == 0) continue;
            reel_text_fmt_(&index, "%s%lld", count ? ", " : "", (long long)i);
            reel_text_fmt_(&weight, "%s%s", count ? ", " : "", reel_double_(x, buf));
            count++;
        }
    }
    put_table(e, "long", "start", &start);
    put_table(e, "long", "element", &index);
    put_table(e, "double", "weight", &weight);
    put_table(e, "double", "constant", &constant);
    reel_text *const texts[] = {&start, &index, &weight, &constant};
    for (int i = 0; i < 4; i++) reel_text_free_(texts[i]);
}

static const char *limits_of(reel_dtype d)
{
    switch (d) {
    case REEL_I8: return "-128, 127";
    case REEL_U8:
    case REEL_BOOL: return "0, 255";
    case REEL_I32: return "-2147483647 - 1, 2147483647";
    default: return "-INT64_C(9223372036854775807) - 1, INT64_C(9223372036854775807)";
    }
}

int reel_emit_resize_(reel_emit *e)
{
    const reel_attr_resize *a = e->attr;
    const reel_eoperand *x = &e->in[0], *y = &e->out[0];
    const bool back = e->op->id == REEL_OP_resize_axis_grad;
    const int axis = reel_emit_axis_(a->axis, x->rank);
    const int64_t n = back ? y->dims[axis] : x->dims[axis], m = back ? x->dims[axis] : y->dims[axis];
    if (y->count == 0) return 0;
    double *w = weights_of(e, n, m);
    if (!w) return reel_status();
    put_weights(e, w, n, m, back);
    reel_free_(w, (size_t)((n + 1) * m + 1) * sizeof *w);
    const int loops = reel_open_rows_(e, x, axis);
    reel_open_(e, "r", y->dims[axis]);
    const bool copies = !back && a->mode == REEL_RESIZE_NEAREST && a->coordinates != REEL_TF_CROP_AND_RESIZE;
    if (copies) { /* one element each, as it is */
        reel_say_(e, "(void)weight, (void)constant;\nWR0($y0 + r * $t0, RD0($x0 + element[start[r]] * $s0));");
    } else {
        reel_say_(e, "double sum = constant[r];\nfor (long k = start[r]; k < start[r + 1]; k++) sum += weight[k] * "
                     "(double)LD0($x0 + element[k] * $s0);");
        if (reel_is_float_(y->dtype))
            reel_say_(e, "ST0($y0 + r * $t0, sum);");
        else
            reel_sayf_(e, "ST0($y0 + r * $t0, cut(sum, %s)%s);", limits_of(y->dtype),
                       y->dtype == REEL_BOOL ? " != 0" : "");
    }
    reel_close_(e, loops + 1);
    return 0;
}
