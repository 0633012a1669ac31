/* conv.c: convolution and its gradients: operands made dense, f16 and bf16 widened to f32, and the route chosen by shape
   alone: oneDNN for f32 where it has a fast kernel, else the portable one. */
#include "conv.h"
#include "core/dtype.h"
#include "core/error.h"
#include "kernels.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include <stdlib.h>
#include <string.h>

static int fill_shape(conv_shape *s, const reel_attr_conv *a, const int64_t *x, const int64_t *w, const int64_t *y)
{
    const reel_window_rule *r = &a->window;
    const int channels = reel_channel_axis_(r), lead = REEL_SPATIAL - r->spatial;
    s->last = r->channels_last;
    s->groups = a->groups;
    s->n = x[0], s->c = x[channels], s->o = y[channels];
    s->cg = s->c / s->groups, s->og = s->o / s->groups;
    s->in = s->out = s->taps = 1;
    s->pointwise = true;
    for (int i = 0; i < REEL_SPATIAL; i++) {
        reel_window *win = &s->win[i];
        if (i < lead) {
            *win = (reel_window){.in = 1, .out = 1, .kernel = 1, .stride = 1, .dilation = 1};
        } else {
            const int axis = reel_spatial_axis_(r, i - lead);
            const int code = reel_window_axis_(r, i - lead, x[axis], w[2 + i - lead], win);
            if (code) return code;
            win->out = y[axis]; /* the same, but for a transposed convolution without windows */
        }
        s->in *= win->in, s->out *= win->out, s->taps *= win->kernel;
        s->pointwise = s->pointwise && win->kernel == 1 && win->stride == 1 && win->before == 0 && win->out == win->in;
    }
    s->k = s->cg * s->taps;
    return 0;
}

static bool want_portable(void)
{
    const char *s = getenv("REEL_CONV"); /* for tests */
    return s && !strcmp(s, "portable");
}

/* oneDNN's gradients fill a block of 8 or 16 channels of x whatever their number: with at most 4 (dx) or 1 (dw) the portable route took
   0.10 to 0.85 of its time (2.6, AVX2, EPYC: 64x1x28x28 to 32: 0.34 for 3.5 ms, 0.56 for 3.3 ms), with 8 more. Channels last: not so. */
static bool few_channels(const conv_shape *s)
{
    if (reel_level_() == 0) return false; /* without fma our product is slow */
    return s->groups == 1 && !s->last &&
           ((s->kind == CONV_INPUT && s->c <= 4) || (s->kind == CONV_WEIGHTS && s->c == 1));
}

static int conv_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    conv_plan *p = plan;
    const int id = sig->op->id;
    const reel_kview *in = sig->in, *out = sig->out;
    memset(p, 0, sizeof *p);
    p->dtype = out->dtype;
    p->compute = p->dtype == REEL_F64 ? REEL_F64 : REEL_F32;
    p->iout = sig->n_in;
    p->ix = p->iw = p->iy = p->ib = -1;
    if (id == REEL_OP_conv) {
        p->s.kind = CONV_FORWARD, p->ix = 0, p->iw = 1;
    } else if (id == REEL_OP_conv_transpose) {
        p->s.kind = CONV_INPUT, p->iy = 0, p->iw = 1;
    } else if (id == REEL_OP_conv_input) {
        p->s.kind = CONV_INPUT, p->iy = 1, p->iw = 2;
    } else {
        p->s.kind = CONV_WEIGHTS, p->iy = 1, p->ix = 2;
    }
    if ((id == REEL_OP_conv || id == REEL_OP_conv_transpose) && sig->n_in == 3) p->ib = 2;
    const reel_kview *x = p->ix >= 0 ? &in[p->ix] : out, *w = p->iw >= 0 ? &in[p->iw] : out,
                     *y = p->iy >= 0 ? &in[p->iy] : out;
    int code = fill_shape(&p->s, sig->attr, x->dims, w->dims, y->dims);
    p->s.f64 = p->compute == REEL_F64;
    p->s.bias = p->ib >= 0;
    p->out_count = 1;
    for (int i = 0; i < out->rank; i++) p->out_count *= out->dims[i];
    if (!code && p->ix >= 0) code = reel_operand_plan_(&p->x, x, p->compute, workspace);
    if (!code && p->iw >= 0) code = reel_operand_plan_(&p->w, w, p->compute, workspace);
    if (!code && p->iy >= 0) code = reel_operand_plan_(&p->y, y, p->compute, workspace);
    if (!code && p->ib >= 0) code = reel_operand_plan_(&p->b, &in[p->ib], p->compute, workspace);
    if (!code && p->compute != p->dtype) code = reel_room_(workspace, p->out_count, reel_size_(p->compute), &p->out_at);
    if (code || p->out_count == 0) return code;
    if (!p->s.f64 && !few_channels(&p->s) && !want_portable()) code = reel_conv_dnn_new_(&p->s, &p->dnn, workspace);
    if (code || p->dnn) return code;
    return reel_conv_plain_plan_(&p->plain, &p->s, workspace);
}

static void conv_drop(void *plan)
{
    conv_plan *p = plan;
    reel_conv_dnn_free_(p->dnn);
}

/* Are blocks told of? Not those of a result that is rounded at the end, nor with channels last those that hold but few of them: what
   is done to elements in a row would be done to a handful at a time. */
static bool tells(const conv_plan *p)
{
    enum { FEW = 64 };
    const conv_shape *s = &p->s;
    const int64_t parts = p->dnn ? reel_conv_dnn_parts_(p->dnn) : s->groups,
                  channels = s->kind == CONV_INPUT ? s->c : s->o;
    return p->compute == p->dtype && (!s->last || parts == 1 || channels / parts >= FEW);
}

int reel_conv_blocks_run_(const void *plan, void *const *ptr, void *work, const reel_block_done *after)
{
    const conv_plan *p = plan;
    if (p->out_count == 0) return 0;
    const bool each = after && tells(p);
    const conv_operands o = {.x = p->ix >= 0 ? reel_operand_ready_(&p->x, ptr[p->ix], work) : NULL,
                             .w = p->iw >= 0 ? reel_operand_ready_(&p->w, ptr[p->iw], work) : NULL,
                             .y = p->iy >= 0 ? reel_operand_ready_(&p->y, ptr[p->iy], work) : NULL,
                             .bias = p->ib >= 0 ? reel_operand_ready_(&p->b, ptr[p->ib], work) : NULL,
                             .out = p->compute != p->dtype ? (char *)work + p->out_at : ptr[p->iout],
                             .after = each ? after : NULL};
    if (!p->dnn)
        reel_conv_plain_run_(&p->plain, &p->s, &o, work);
    else if (!reel_conv_dnn_run_(p->dnn, &p->s, &o, work))
        return reel_fail(REEL_EDEVICE, "oneDNN (%s) failed", reel_conv_dnn_name_(p->dnn));
    if (p->compute != p->dtype) reel_convert_dense_(ptr[p->iout], p->dtype, o.out, p->compute, p->out_count);
    if (after && !each) reel_tell_all_(after, p->out_count);
    return 0;
}

static int conv_run(const void *plan, void *const *ptr, void *work)
{
    return reel_conv_blocks_run_(plan, ptr, work, NULL);
}

static const char *conv_name(const void *plan)
{
    const conv_plan *p = plan;
    return p->out_count == 0 ? "nothing" : p->dnn ? reel_conv_dnn_name_(p->dnn) : "own patches x weights";
}

const reel_kernel reel_k_conv_ = {
    .plan_size = sizeof(conv_plan), .prepare = conv_prepare, .run = conv_run, .drop = conv_drop, .name = conv_name};
