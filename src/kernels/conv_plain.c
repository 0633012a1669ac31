/* conv_plain.c: the portable convolution. Patches of x become a matrix (im2col) that is multiplied with the weights in blocks
   of outputs that stay in cache; the gradient by x adds such a matrix back, the gradient by w multiplies it with y's
   gradient. Blocks depend on the shape alone, and every element is summed in one order. */
#include "conv.h"
#include "gemm.h"
#include "core/error.h"
#include "reel/tensor.h"
#include <string.h>

enum {
    PATCH = 32768,         /* elements of a block of patches */
    GRAIN = 1 << 17,       /* multiply-adds that are worth a thread */
    BATCH_BLOCKS = 8,      /* gradient by w: parts, fixed, so that threads do not show */
    PARTS_BYTES = 1 << 26, /* and all of them at most that large */
    TOLD = 1 << 15         /* elements of the result that are told of together: they are in cache */
};

typedef struct plain_job {
    const conv_plain *p;
    const conv_shape *s;
    const char *x, *w, *y, *bias;
    char *out, *work;
    const reel_block_done *after;
    reel_regions regions;
} plain_job;

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Outputs [*from, *to) of [0, n) whose tap t lies inside x. */
static void inside(const reel_window *w, int64_t t, int64_t *from, int64_t *to)
{
    const int64_t shift = w->before - t * w->dilation, last = w->in - 1 + shift; /* input o stride - shift */
    *from = shift <= 0 ? 0 : (shift + w->stride - 1) / w->stride;
    *to = last < 0 ? 0 : last / w->stride + 1;
    if (*to > w->out) *to = w->out;
    if (*from > *to) *from = *to;
}

/* ---- who is told ------------------------------------------------------------------------------------- */

/* Items that make an image of a group. */
static int64_t items_in_image(const plain_job *j)
{
    return j->s->kind == CONV_FORWARD ? j->p->pixel_blocks : j->p->channel_blocks;
}

/* Items [begin, end), of one image and group, are there. */
static void tell(const plain_job *j, int64_t begin, int64_t end)
{
    const conv_shape *s = j->s;
    const bool forward = s->kind == CONV_FORWARD;
    const int64_t per = items_in_image(j), at = begin / per, g = at % s->groups, image = at / s->groups;
    const int64_t all = forward ? s->o : s->c, own = forward ? s->og : s->cg, plane = forward ? s->out : s->in;
    int64_t c0 = 0, c1 = own, p0 = 0, p1 = plane; /* of the group's channels, of the plane */
    if (forward)
        p0 = (begin - at * per) * j->p->nb, p1 = least((end - at * per) * j->p->nb, plane);
    else
        c0 = (begin - at * per) * j->p->cb, c1 = least((end - at * per) * j->p->cb, own);
    const int64_t first = image * all * plane, channel = g * own + c0;
    if (s->last)
        j->after->done(j->after->arg, first + p0 * all + channel, p1 - p0, c1 - c0, all);
    else
        j->after->done(j->after->arg, first + channel * plane + p0, c1 - c0, p1 - p0, plane);
}

/* Item i is there, and so are all since `from`, of which nobody has been told: tells when they are many, an image ends or no item comes
   behind it. Returns the new `from`. */
static int64_t item_done(const plain_job *j, int64_t from, int64_t i, bool is_last)
{
    const conv_shape *s = j->s;
    const int64_t each = s->kind == CONV_FORWARD ? s->og * j->p->nb : j->p->cb * s->in;
    if (!is_last && (i + 1) % items_in_image(j) != 0 && (i + 1 - from) * each < TOLD) return from;
    tell(j, from, i + 1);
    return i + 1;
}

#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define T float
#define NAME(x) CAT(x, _f32)
#include "conv_body.h"
#undef T
#undef NAME
#define T double
#define NAME(x) CAT(x, _f64)
#include "conv_body.h"
#undef T
#undef NAME

/* ---- plan -------------------------------------------------------------------------------------------- */
static int64_t clamp(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

int reel_conv_plain_plan_(conv_plain *p, const conv_shape *s, size_t *workspace)
{
    const size_t size = s->f64 ? sizeof(double) : sizeof(float);
    const reel_gemm_table *table = REEL_PICK(reel_gemm_levels);
    const int64_t k = s->k > 0 ? s->k : 1;
    p->gemm = s->f64 ? table->f64 : table->f32;
    p->cb = s->cg, p->channel_blocks = 1, p->batch_blocks = 1;
    int64_t copies = 0; /* elements of a copy of the weights with taps before channels */
    int code = 0;
    if (s->kind == CONV_INPUT && !s->last && s->n * s->groups < 8) {
        p->cb = clamp((s->cg + 7) / 8, 1, s->cg > 0 ? s->cg : 1);
        p->channel_blocks = (s->cg + p->cb - 1) / p->cb;
    }
    const int64_t rows = s->kind == CONV_INPUT ? (p->cb > 0 ? p->cb : 1) * s->taps : k;
    const int64_t fewest = s->kind == CONV_WEIGHTS ? 128 : s->last ? 8 : 48;
    p->nb = least(clamp(PATCH / rows / 16 * 16, fewest, 512), s->out > 0 ? s->out : 1);
    p->pixel_blocks = (s->out + p->nb - 1) / p->nb;
    if (REEL_MUL_OVERFLOW(rows, p->nb, &p->region))
        return reel_fail(REEL_ESHAPE, "its workspace would not fit in memory");
    if (s->kind == CONV_FORWARD) {
        p->items = s->n * s->groups * p->pixel_blocks;
    } else if (s->kind == CONV_INPUT) {
        p->items = s->n * s->groups * p->channel_blocks;
    } else {
        const int64_t part = s->o * k;
        p->region += s->og * k;
        p->batch_blocks = clamp(PARTS_BYTES / (int64_t)size / (part > 0 ? part : 1), 1, BATCH_BLOCKS);
        p->batch_blocks = clamp(s->n, 1, p->batch_blocks);
        p->items = p->batch_blocks * s->groups;
        if (part > INT64_MAX / BATCH_BLOCKS) return reel_fail(REEL_ESHAPE, "its workspace would not fit in memory");
        code = reel_room_(workspace, p->batch_blocks * part, size, &p->parts_at);
    }
    if (s->last && s->kind != CONV_WEIGHTS) copies = s->o * s->k;
    if (!code && copies) code = reel_room_(workspace, copies, size, &p->weights_at);
    p->regions = reel_regions_wanted_(p->items);
    if (p->region > INT64_MAX / REEL_MAX_REGIONS)
        return reel_fail(REEL_ESHAPE, "its workspace would not fit in memory");
    p->region = (p->region + 15) & ~(int64_t)15;
    if (!code) code = reel_room_(workspace, p->regions * p->region, size, &p->regions_at);
    const double work = (double)s->n * (double)s->o * (double)s->k * (double)s->out;
    const double each = p->items > 0 ? work / (double)p->items : 0;
    p->grain = each >= GRAIN ? 1 : (int64_t)(GRAIN / (each + 1)) + 1;
    return code;
}

void reel_conv_plain_run_(const conv_plain *p, const conv_shape *s, const conv_operands *o, void *work)
{
    plain_job j = {.p = p,
                   .s = s,
                   .x = o->x,
                   .w = o->w,
                   .y = o->y,
                   .bias = o->bias,
                   .out = o->out,
                   .work = work,
                   .after = o->after};
    atomic_init(&j.regions.used, 0);
    j.regions.n = p->regions;
    if (s->f64)
        run_f64(&j);
    else
        run_f32(&j);
}
