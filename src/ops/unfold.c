/* unfold.c: windows of an image as columns and their adjoint (im2col and col2im, after torch.nn.Unfold and Fold), any
   number of image axes. */
#include "internal.h"

#include "core/error.h"
#include "core/options.h"

/* Places of a window along axis i of an image of size dim; ANY if that is unknown; -2: raised. */
static int64_t places(const reel_attr_unfold *a, int i, int64_t dim)
{
    if (dim == REEL_ANY) return REEL_ANY;
    const int64_t span = (int64_t)a->dilation[i] * (a->kernel[i] - 1) + 1, padded = dim + a->low[i] + a->high[i];
    if (padded < span) {
        reel_fail(REEL_ESHAPE, "a window of %lld does not fit into axis %d of size %lld (padding included)",
                  (long long)span, i + 2, (long long)padded);
        return -2;
    }
    return (padded - span) / a->stride[i] + 1;
}

static int check(const reel_attr_unfold *a)
{
    for (int i = 0; i < (int)a->n; i++)
        if (a->kernel[i] < 1 || a->stride[i] < 1 || a->dilation[i] < 1 || a->low[i] < 0 || a->high[i] < 0)
            return reel_fail(REEL_EARG, "axis %d: window %d, stride %d, dilation %d, padding %d and %d", i + 2,
                             a->kernel[i], a->stride[i], a->dilation[i], a->low[i], a->high[i]);
    return 0;
}

/* The columns of images of shape [n, c, image]. */
static int columns(const reel_attr_unfold *a, const reel_shape *x, reel_shape *out)
{
    int64_t rows = x->dims[1], all = 1;
    int code = check(a);
    for (int i = 0; i < (int)a->n && !code; i++) {
        const int64_t n = places(a, i, x->dims[2 + i]);
        if (n == -2) return reel_status();
        if (rows != REEL_ANY && REEL_MUL_OVERFLOW(rows, a->kernel[i], &rows))
            return reel_fail(REEL_ESHAPE, "the columns are too long");
        if (n == REEL_ANY || all == REEL_ANY)
            all = REEL_ANY;
        else if (REEL_MUL_OVERFLOW(all, n, &all))
            return reel_fail(REEL_ESHAPE, "there are too many columns");
    }
    *out = (reel_shape){3, {x->dims[0], rows, all}};
    return code ? code : reel_shape_check_(*out, true);
}

int reel_infer_unfold_(const reel_infer *io)
{
    const reel_attr_unfold *a = io->attr;
    const reel_shape *x = &io->in[0]->shape;
    if (x->rank != 2 + a->n) return reel_fail(REEL_ESHAPE, "a window of %d axes for rank %d", (int)a->n, x->rank);
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype};
    return columns(a, x, &io->out[0].shape);
}

/* Do columns g belong to images of this shape? */
static int fits(const reel_attr_unfold *a, const reel_shape *g, const reel_shape *image)
{
    reel_shape want;
    char have[REEL_SHAPE_TEXT], text[REEL_SHAPE_TEXT];
    const int code = columns(a, image, &want);
    if (code) return code;
    if (!reel_merge_shape_(g, &want, &want))
        return reel_fail(REEL_ESHAPE, "the columns are %s, windows of this image are %s", reel_shape_text_(g, have),
                         reel_shape_text_(&want, text));
    return 0;
}

int reel_infer_fold_(const reel_infer *io)
{
    const reel_attr_unfold *a = io->attr;
    const reel_shape *g = &io->in[0]->shape;
    int64_t window = 1;
    if (g->rank != 3) return reel_fail(REEL_ESHAPE, "columns have rank %d, not 3", g->rank);
    const int code = check(a);
    if (code) return code;
    for (int i = 0; i < (int)a->n; i++)
        if (REEL_MUL_OVERFLOW(window, a->kernel[i], &window)) return reel_fail(REEL_ESHAPE, "the window is too large");
    if (g->dims[1] != REEL_ANY && g->dims[1] % window != 0)
        return reel_fail(REEL_ESHAPE, "columns of %lld elements do not hold windows of %lld", (long long)g->dims[1],
                         (long long)window);
    reel_type out = {io->in[0]->dtype,
                     {2 + (int)a->n, {g->dims[0], g->dims[1] == REEL_ANY ? REEL_ANY : g->dims[1] / window}}};
    for (int i = 0; i < (int)a->n; i++) out.shape.dims[2 + i] = a->image[i];
    io->out[0] = out;
    const int bad = reel_shape_check_(out.shape, true);
    return bad ? bad : fits(a, g, &out.shape);
}

int reel_infer_fold_like_(const reel_infer *io)
{
    const reel_attr_unfold *a = io->attr;
    const reel_shape *like = &io->in[1]->shape;
    if (like->rank != 2 + a->n || io->in[0]->shape.rank != 3)
        return reel_fail(REEL_ESHAPE, "columns of rank %d for an image of rank %d", io->in[0]->shape.rank, like->rank);
    io->out[0] = (reel_type){io->in[0]->dtype, *like};
    return fits(a, &io->in[0]->shape, like);
}

/* Options into attributes; false: raised. */
static bool attributes(const char *site, const char *name, const reel_shape *kernel, const reel_unfold_opts *o,
                       reel_attr_unfold *a)
{
    reel_unfold_opts opts = {0};
    reel_options_(&opts, sizeof opts, o);
    memset(a, 0, sizeof *a);
    if (kernel->rank < 1 || kernel->rank > REEL_UNFOLD_AXES)
        return reel_fail_at_(site, REEL_ESHAPE, "%s: a window of %d axes, it takes 1 to %d", name, kernel->rank,
                             REEL_UNFOLD_AXES),
               false;
    a->n = kernel->rank;
    for (int i = 0; i < kernel->rank; i++) {
        const int64_t v[] = {kernel->dims[i], opts.stride[i] ? opts.stride[i] : 1,
                             opts.dilation[i] ? opts.dilation[i] : 1, opts.low[i], opts.high[i]};
        for (int k = 0; k < 5; k++)
            if (v[k] < (k < 3) || v[k] > INT32_MAX) {
                static const char *const what[] = {"window", "stride", "dilation", "low padding", "high padding"};
                reel_fail_at_(site, REEL_EARG, "%s: a %s of %lld", name, what[k], (long long)v[k]);
                return false;
            }
        a->kernel[i] = (int32_t)v[0];
        a->stride[i] = (int32_t)v[1];
        a->dilation[i] = (int32_t)v[2];
        a->low[i] = (int32_t)v[3];
        a->high[i] = (int32_t)v[4];
    }
    return true;
}

reel_tensor *reel_unfold_at(const char *site, reel_tensor *x, reel_shape kernel, const reel_unfold_opts *o)
{
    reel_attr_unfold a;
    return attributes(site, "reel_unfold", &kernel, o, &a) ? reel_op1_(REEL_OP_unfold, &a, site, x) : NULL;
}

reel_tensor *reel_fold_at(const char *site, reel_tensor *x, reel_shape image, reel_shape kernel,
                          const reel_unfold_opts *o)
{
    reel_attr_unfold a;
    if (!attributes(site, "reel_fold", &kernel, o, &a)) return NULL;
    if (image.rank != kernel.rank) {
        reel_fail_at_(site, REEL_ESHAPE, "reel_fold: an image of %d axes, a window of %d", image.rank, kernel.rank);
        return NULL;
    }
    for (int i = 0; i < image.rank; i++) {
        a.image[i] = image.dims[i];
        if (image.dims[i] >= 0) continue;
        reel_fail_at_(site, REEL_ESHAPE, "reel_fold: axis %d of the image is %lld", i, (long long)image.dims[i]);
        return NULL;
    }
    return reel_op1_(REEL_OP_fold, &a, site, x);
}

reel_tensor *reel_fold_like_at_(const char *site, reel_tensor *g, reel_tensor *like, const reel_attr_unfold *a)
{
    return reel_op2_(REEL_OP_fold_like, a, site, g, like);
}

int reel_vjp_unfold_(const reel_vjp_args *v)
{
    v->din[0] = reel_fold_like_at_(v->site, v->dout[0], v->in[0], v->attr);
    return reel_status();
}

static int unfolded(const reel_vjp_args *v)
{
    reel_attr_unfold a = *(const reel_attr_unfold *)v->attr;
    memset(a.image, 0, sizeof a.image);
    if (v->need[0]) v->din[0] = reel_op1_(REEL_OP_unfold, &a, v->site, v->dout[0]);
    return reel_status();
}

int reel_vjp_fold_(const reel_vjp_args *v)
{
    return unfolded(v);
}

int reel_vjp_fold_like_(const reel_vjp_args *v)
{
    return unfolded(v);
}
