/* pad.c: what is put around, repeated and moved round: pad, tile, roll, repeat. */
#include "internal.h"

#include <math.h>

#include "core/error.h"
#include "core/options.h"

/* ---- pad ----------------------------------------------------------------------------------------------- */
enum { AMOUNT_BITS = 61 };
static bool sane(int64_t amount)
{
    const int64_t most = (int64_t)1 << AMOUNT_BITS;
    return amount > -most && amount < most;
}

int reel_infer_pad_(const reel_infer *io)
{
    const reel_attr_pad *a = io->attr;
    const reel_type *x = io->in[0];
    if (a->n < 0 || a->n > x->shape.rank)
        return reel_fail(REEL_EARG, "%lld axes for rank %d", (long long)a->n, x->shape.rank);
    if (a->mode < REEL_PAD_CONSTANT || a->mode > REEL_PAD_WRAP)
        return reel_fail(REEL_EARG, "mode %lld is none", (long long)a->mode);
    if (a->mode == REEL_PAD_CONSTANT && !reel_num_fits_(a->value, x->dtype))
        return reel_fail(REEL_EDTYPE, "value %.17g is not a value of %s", a->value, reel_dtype_name(x->dtype));
    io->out[0] = *x;
    for (int i = 0; i < (int)a->n; i++) {
        const int64_t dim = x->shape.dims[i];
        int64_t to = dim;
        if (!sane(a->low[i]) || !sane(a->high[i]))
            return reel_fail(REEL_ESHAPE, "%lld and %lld around axis %d are too many", (long long)a->low[i],
                             (long long)a->high[i], i);
        if (dim == REEL_ANY) {
            if (a->low[i] != -a->high[i]) io->out[0].shape.dims[i] = REEL_ANY;
            continue;
        }
        if (REEL_ADD_OVERFLOW(to, a->low[i] + a->high[i], &to)) return reel_fail(REEL_ESHAPE, "axis %d overflows", i);
        if (to < 0)
            return reel_fail(REEL_ESHAPE, "axis %d of size %lld has no %lld elements to crop", i, (long long)dim,
                             (long long)-(a->low[i] + a->high[i]));
        if (dim == 0 && to > 0 && a->mode != REEL_PAD_CONSTANT)
            return reel_fail(REEL_ESHAPE, "axis %d is empty: there is nothing to repeat", i);
        io->out[0].shape.dims[i] = to;
    }
    return reel_shape_check_(io->out[0].shape, true);
}

reel_tensor *reel_pad_at(const char *site, reel_tensor *x, int n, const int64_t *low, const int64_t *high,
                         const reel_pad_opts *o)
{
    reel_attr_pad a = {.n = n};
    if (n > 0 && (!low || !high)) {
        reel_fail_at_(site, REEL_EARG, "reel_pad: the amounts are NULL");
        return NULL;
    }
    for (int i = 0; i < n && i < REEL_MAX_RANK; i++) {
        a.low[i] = low[i];
        a.high[i] = high[i];
    }
    reel_pad_opts opts = {0};
    reel_options_(&opts, sizeof opts, o);
    a.mode = opts.mode;
    a.value = opts.mode == REEL_PAD_CONSTANT ? opts.value : 0;
    return reel_op1_(REEL_OP_pad, &a, site, x);
}

int reel_vjp_pad_(const reel_vjp_args *v)
{
    const reel_attr_pad *a = v->attr;
    bool moved = a->mode == REEL_PAD_WRAP; /* a roll: back again */
    for (int i = 0; i < (int)a->n; i++) moved = moved && a->low[i] == -a->high[i];
    if (a->mode != REEL_PAD_CONSTANT && !moved) {
        v->din[0] = reel_op2_(REEL_OP_pad_grad, a, v->site, v->dout[0], v->in[0]);
        return reel_status();
    }
    reel_attr_pad back = *a; /* what was added is cropped, what was cropped is 0 */
    back.value = 0;
    for (int i = 0; i < (int)a->n; i++) {
        back.low[i] = -a->low[i];
        back.high[i] = -a->high[i];
    }
    v->din[0] = reel_op1_(REEL_OP_pad, &back, v->site, v->dout[0]);
    return reel_status();
}

/* pad_grad(g, like): every element of g added to the one that it was a copy of. */
int reel_infer_pad_grad_(const reel_infer *io)
{
    const reel_shape *g = &io->in[0]->shape, *like = &io->in[1]->shape;
    if (g->rank != like->rank) return reel_fail(REEL_ESHAPE, "the gradient has rank %d, not %d", g->rank, like->rank);
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype, .shape = *like};
    return 0;
}

reel_tensor *reel_pad_grad_at_(const char *site, reel_tensor *g, reel_tensor *like, const reel_attr_pad *a)
{
    return reel_op2_(REEL_OP_pad_grad, a, site, g, like);
}

int reel_vjp_pad_grad_(const reel_vjp_args *v)
{
    if (v->need[0]) v->din[0] = reel_op1_(REEL_OP_pad, v->attr, v->site, v->dout[0]);
    return reel_status();
}

/* ---- roll: what leaves on one side comes in on the other ------------------------------------------------- */
reel_tensor *reel_roll_at(const char *site, reel_tensor *x, reel_axes axes, const int64_t *shifts)
{
    const reel_rec *r = reel_live_(site, "reel_roll", "x", x);
    if (!r) return NULL;
    const int rank = r->type.shape.rank;
    if (!shifts) {
        reel_fail_at_(site, REEL_EARG, "reel_roll: the shifts are NULL");
        return NULL;
    }
    if (axes.n < 0 || axes.n > REEL_MAX_RANK) {
        reel_fail_at_(site, REEL_EARG, "reel_roll: %d axes are not between 0 and %d", axes.n, REEL_MAX_RANK);
        return NULL;
    }
    if (axes.n == 0) {
        const reel_axes first = {1, {0}};
        return reel_reshape_like_at(site, reel_roll_at(site, reel_flatten_at(site, x, 0, -1), first, shifts), x);
    }
    reel_attr_pad a = {.n = rank, .mode = REEL_PAD_WRAP};
    for (int i = 0; i < axes.n; i++) {
        const int k = axes.axis[i] < 0 ? axes.axis[i] + rank : axes.axis[i];
        if (k < 0 || k >= rank) {
            reel_fail_at_(site, REEL_EARG, "reel_roll: axis %d is out of range for rank %d", axes.axis[i], rank);
            return NULL;
        }
        if (!sane(shifts[i]) || !sane(a.low[k] + shifts[i])) {
            reel_fail_at_(site, REEL_EARG, "reel_roll: a shift by %lld", (long long)shifts[i]);
            return NULL;
        }
        a.low[k] += shifts[i];
        a.high[k] -= shifts[i];
    }
    return reel_op1_(REEL_OP_pad, &a, site, x);
}

/* ---- tile ------------------------------------------------------------------------------------------------- */
int reel_infer_tile_(const reel_infer *io)
{
    const reel_attr_shape *a = io->attr;
    io->out[0] = *io->in[0];
    for (int i = 0; i < a->shape.rank; i++) {
        int64_t *dim = &io->out[0].shape.dims[i];
        if (a->shape.dims[i] < 0)
            return reel_fail(REEL_EARG, "axis %d is to be repeated %lld times", i, (long long)a->shape.dims[i]);
        if (*dim != REEL_ANY && REEL_MUL_OVERFLOW(*dim, a->shape.dims[i], dim))
            return reel_fail(REEL_ESHAPE, "axis %d overflows", i);
    }
    return reel_shape_check_(io->out[0].shape, true);
}

reel_tensor *reel_tile_at(const char *site, reel_tensor *x, reel_shape times)
{
    const reel_rec *r = reel_live_(site, "reel_tile", "x", x);
    if (!r) return NULL;
    if (times.rank < 0 || times.rank > REEL_MAX_RANK) {
        reel_fail_at_(site, REEL_ESHAPE, "reel_tile: rank %d is not between 0 and %d", times.rank, REEL_MAX_RANK);
        return NULL;
    }
    const int rank = r->type.shape.rank, more = times.rank - rank;
    reel_attr_shape a;
    memset(&a, 0, sizeof a);
    a.shape.rank = rank > times.rank ? rank : times.rank;
    for (int i = 0; i < a.shape.rank; i++) a.shape.dims[i] = i < -more ? 1 : times.dims[more < 0 ? i + more : i];
    if (more > 0) {
        reel_axes front = {.n = more};
        for (int i = 0; i < more; i++) front.axis[i] = i;
        x = reel_unsqueeze_at(site, x, front);
    }
    return reel_op1_(REEL_OP_tile, &a, site, x);
}

int reel_vjp_tile_(const reel_vjp_args *v)
{
    v->din[0] = reel_op2_(REEL_OP_tile_grad, v->attr, v->site, v->dout[0], v->in[0]);
    return reel_status();
}

reel_tensor *reel_tile_grad_at_(const char *site, reel_tensor *g, reel_tensor *like, const reel_shape *times)
{
    reel_attr_shape a;
    memset(&a, 0, sizeof a);
    reel_put_shape_(&a.shape, times);
    return reel_op2_(REEL_OP_tile_grad, &a, site, g, like);
}

int reel_vjp_tile_grad_(const reel_vjp_args *v)
{
    if (v->need[0]) v->din[0] = reel_op1_(REEL_OP_tile, v->attr, v->site, v->dout[0]);
    return reel_status();
}

/* ---- repeat ------------------------------------------------------------------------------------------------- */
reel_tensor *reel_repeat_at(const char *site, reel_tensor *x, int64_t times, int axis)
{
    const reel_rec *r = reel_live_(site, "reel_repeat", "x", x);
    if (!r) return NULL;
    const int rank = r->type.shape.rank, at = axis < 0 ? axis + rank : axis;
    if (at < 0 || at >= rank) {
        reel_fail_at_(site, REEL_EARG, "reel_repeat: axis %d is out of range for rank %d", axis, rank);
        return NULL;
    }
    if (times < 0) {
        reel_fail_at_(site, REEL_EARG, "reel_repeat: %lld times", (long long)times);
        return NULL;
    }
    if (rank == REEL_MAX_RANK) {
        reel_fail_at_(site, REEL_ESHAPE, "reel_repeat: x has rank %d, at most %d", rank, REEL_MAX_RANK - 1);
        return NULL;
    }
    const reel_axes behind = {1, {at + 1}};
    reel_shape s = {.rank = rank + 1};
    for (int i = 0; i <= rank; i++) s.dims[i] = i == at + 1 ? times : -1;
    return reel_flatten_at(site, reel_expand_at(site, reel_unsqueeze_at(site, x, behind), s), at, at + 1);
}
