/* window.c: sizes and paddings of convolution and pooling windows. */
#include "window.h"

#include <limits.h>

#include "error.h"

/* Sizes of tensors are below 2^60 (their bytes fit int64), everything else is an int: sums and products of two such
   fit int64. */
static int check_one(const char *what, int axis, int64_t x, int64_t least)
{
    if (x >= least && x <= INT_MAX) return 0;
    return reel_fail(REEL_EARG, "%s of spatial axis %d is %lld, allowed: %lld to %d", what, axis, (long long)x,
                     (long long)least, INT_MAX);
}

int reel_window_check_(const reel_window_rule *r)
{
    if (r->spatial < 1 || r->spatial > REEL_SPATIAL)
        return reel_fail(REEL_ESHAPE, "%d spatial axes, allowed: 1 to 3", r->spatial);
    for (int i = 0; i < r->spatial; i++) {
        int code = check_one("stride", i, r->stride[i], 1);
        if (!code) code = check_one("dilation", i, r->dilation[i], 1);
        if (!code) code = check_one("the padding before", i, r->before[i], 0);
        if (!code) code = check_one("the padding after", i, r->after[i], -(int64_t)INT_MAX);
        if (code) return code;
    }
    if (r->padding < REEL_PAD_GIVEN || r->padding > REEL_PAD_SAME_LOWER)
        return reel_fail(REEL_EARG, "padding %d is not one of reel_padding", r->padding);
    for (int i = 0; i < r->spatial && r->padding != REEL_PAD_GIVEN; i++)
        if (r->before[i] || r->after[i])
            return reel_fail(REEL_EARG, "SAME padding leaves no room for a padding of %lld and %lld on spatial axis %d",
                             (long long)r->before[i], (long long)r->after[i], i);
    return 0;
}

/* How far the taps of a kernel of k reach. */
static int reach(const reel_window_rule *r, int i, int64_t k, int64_t *span)
{
    if (k < 1) return reel_fail(REEL_ESHAPE, "the kernel has size %lld along spatial axis %d", (long long)k, i);
    if (k > INT_MAX)
        return reel_fail(REEL_ESHAPE, "the kernel has size %lld along spatial axis %d, allowed: at most %d",
                         (long long)k, i, INT_MAX);
    *span = (k - 1) * r->dilation[i] + 1;
    return 0;
}

static void same_padding(const reel_window_rule *r, int i, int64_t span, reel_window *w)
{
    const int64_t covered = w->out > 0 ? (w->out - 1) * r->stride[i] + span : 0;
    const int64_t total = covered > w->in ? covered - w->in : 0;
    w->before = r->padding == REEL_PAD_SAME ? total / 2 : total - total / 2;
    w->after = total - w->before;
}

int reel_window_axis_(const reel_window_rule *r, int i, int64_t in, int64_t k, reel_window *w)
{
    *w = (reel_window){.in = in, .out = REEL_ANY, .kernel = k, .stride = r->stride[i], .dilation = r->dilation[i]};
    if (r->adaptive || r->global) {
        w->adaptive = 1, w->stride = w->dilation = 1;
        w->out = r->global ? 1 : r->kernel[i];
        w->kernel = in;
        if (in == 0) return reel_fail(REEL_ESHAPE, "x is empty along spatial axis %d", i);
        int64_t product;
        if (in > 0 && REEL_MUL_OVERFLOW(in, w->out + 1, &product))
            return reel_fail(REEL_ESHAPE, "%lld windows over %lld elements overflow", (long long)w->out, (long long)in);
        return 0;
    }
    w->before = r->before[i], w->after = r->after[i];
    int64_t span = 0;
    int code = k == REEL_ANY ? 0 : reach(r, i, k, &span);
    if (code || in == REEL_ANY) return code;
    if (r->padding != REEL_PAD_GIVEN) {
        w->out = in / w->stride + (in % w->stride != 0);
        if (k != REEL_ANY) same_padding(r, i, span, w);
        return 0;
    }
    if (k == REEL_ANY) return 0;
    const int64_t room = in + w->before + w->after - span;
    if (room < 0)
        return reel_fail(REEL_ESHAPE,
                         "the kernel reaches over %lld elements of spatial axis %d, which has %lld with its padding",
                         (long long)span, i, (long long)in + (long long)w->before + (long long)w->after);
    w->out = room / w->stride + 1;
    /* a further window for the rest, unless it would begin in the padding behind */
    if (r->ceil && room % w->stride != 0 && w->out * w->stride < in + w->before) w->out++;
    return 0;
}

int reel_window_back_(const reel_window_rule *r, int i, int64_t out, int64_t k, int64_t *in)
{
    int64_t span = 0;
    *in = REEL_ANY;
    const int code = k == REEL_ANY ? 0 : reach(r, i, k, &span);
    if (code || out == REEL_ANY) return code;
    if (r->padding == REEL_PAD_GIVEN && k == REEL_ANY) return 0;
    int64_t size;
    bool bad = REEL_MUL_OVERFLOW(r->padding == REEL_PAD_GIVEN ? out - 1 : out, r->stride[i], &size);
    if (r->padding == REEL_PAD_GIVEN) {
        bad = bad || REEL_ADD_OVERFLOW(size, span - r->before[i] - r->after[i], &size);
        if (!bad && (size < 1 || out < 1))
            return reel_fail(REEL_ESHAPE, "the result would have size %lld along spatial axis %d",
                             (long long)(out < 1 ? 0 : size), i);
    }
    if (bad) return reel_fail(REEL_ESHAPE, "the result's size along spatial axis %d overflows", i);
    *in = size;
    return 0;
}
