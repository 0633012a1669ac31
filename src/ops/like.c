/* like.c: broadcasting, and the ops that take a shape from another tensor when they run, so that gradients
   work where dimensions are unknown. Of `like` only the shape counts. */
#include "internal.h"

/* ---- broadcast --------------------------------------------------------------------------------------- */
static REEL_COLD int fail_fit(const char *what, const reel_shape *x, const reel_shape *to)
{
    char a[REEL_SHAPE_TEXT], b[REEL_SHAPE_TEXT];
    return reel_fail(REEL_ESHAPE, "%s does not %s %s", reel_shape_text_(x, a), what, reel_shape_text_(to, b));
}

/* Does x broadcast to exactly `to`? Unknown dimensions may. */
static bool broadcasts(const reel_shape *x, const reel_shape *to)
{
    const int lead = to->rank - x->rank;
    if (lead < 0) return false;
    for (int i = 0; i < x->rank; i++) {
        const int64_t a = x->dims[i], b = to->dims[lead + i];
        if (a != b && a != 1 && a != REEL_ANY && b != REEL_ANY) return false;
    }
    return true;
}

static int broadcast(const reel_infer *io, const reel_shape *to)
{
    const reel_shape *x = &io->in[0]->shape;
    if (!broadcasts(x, to)) return fail_fit("broadcast to", x, to);
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype};
    reel_put_shape_(&io->out[0].shape, to);
    const int lead = to->rank - x->rank; /* what x knows better: [?] from [3] */
    for (int i = 0; i < x->rank; i++)
        if (x->dims[i] > 1 || x->dims[i] == 0) io->out[0].shape.dims[lead + i] = x->dims[i];
    return 0;
}

int reel_infer_broadcast_to_(const reel_infer *io)
{
    const reel_attr_shape *a = io->attr;
    for (int i = 0; i < a->shape.rank && i < REEL_MAX_RANK; i++)
        if (a->shape.dims[i] == REEL_ANY)
            return reel_fail(REEL_ESHAPE,
                             "axis %d is -1; where a size is not known reel_broadcast_like takes it from a tensor", i);
    const int code = reel_shape_check_(a->shape, false);
    return code ? code : broadcast(io, &a->shape);
}

int reel_infer_broadcast_like_(const reel_infer *io)
{
    return broadcast(io, &io->in[1]->shape);
}

int reel_view_broadcast_(const reel_view_rule *v)
{
    const reel_shape *x = &v->in[0]->shape, *y = &v->out[0].shape;
    const int lead = y->rank - x->rank;
    for (int i = 0; i < y->rank; i++) {
        const bool stretched = i < lead || (x->dims[i - lead] == 1 && y->dims[i] != 1);
        v->out_strides[0][i] = stretched ? 0 : v->strides[i - lead];
    }
    v->byte_offset[0] = 0;
    return 1;
}

reel_tensor *reel_broadcast_to_at(const char *site, reel_tensor *x, reel_shape s)
{
    reel_attr_shape a;
    memset(&a, 0, sizeof a);
    reel_put_shape_(&a.shape, &s);
    return reel_op1_(REEL_OP_broadcast_to, &a, site, x);
}

reel_tensor *reel_broadcast_like_at(const char *site, reel_tensor *x, reel_tensor *like)
{
    return reel_op2_(REEL_OP_broadcast_like, &reel_no_attr_, site, x, like);
}

int reel_vjp_broadcast_to_(const reel_vjp_args *v)
{
    v->din[0] = reel_to_shape_(v->site, v->dout[0], v->in[0]);
    return reel_status();
}

int reel_vjp_broadcast_like_(const reel_vjp_args *v)
{
    if (v->need[0]) v->din[0] = reel_to_shape_(v->site, v->dout[0], v->in[0]);
    return reel_status();
}

/* ---- sum_like: undoes a broadcast -------------------------------------------------------------------- */
int reel_infer_sum_like_(const reel_infer *io)
{
    const reel_shape *x = &io->in[0]->shape, *like = &io->in[1]->shape;
    if (!broadcasts(like, x)) return fail_fit("sum to", x, like);
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype, .shape = *like};
    const int lead = x->rank - like->rank;
    for (int i = 0; i < like->rank; i++) /* only 1 broadcasts to 1 */
        if (like->dims[i] == REEL_ANY && x->dims[lead + i] == 1) io->out[0].shape.dims[i] = 1;
    return 0;
}

reel_tensor *reel_sum_like_at(const char *site, reel_tensor *x, reel_tensor *like)
{
    return reel_op2_(REEL_OP_sum_like, &reel_no_attr_, site, x, like);
}

int reel_vjp_sum_like_(const reel_vjp_args *v)
{
    if (v->need[0]) v->din[0] = reel_broadcast_like_at(v->site, v->dout[0], v->in[0]);
    return reel_status();
}

/* ---- reshape_like ------------------------------------------------------------------------------------ */
int reel_infer_reshape_like_(const reel_infer *io)
{
    const reel_shape *x = &io->in[0]->shape, *like = &io->in[1]->shape;
    if (reel_shape_known_(x) && reel_shape_known_(like) && reel_count_(x) != reel_count_(like))
        return fail_fit("fit into", x, like);
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype, .shape = *like};
    return 0;
}

reel_tensor *reel_reshape_like_at(const char *site, reel_tensor *x, reel_tensor *like)
{
    return reel_op2_(REEL_OP_reshape_like, &reel_no_attr_, site, x, like);
}

int reel_vjp_reshape_like_(const reel_vjp_args *v)
{
    if (v->need[0]) v->din[0] = reel_reshape_like_at(v->site, v->dout[0], v->in[0]);
    return reel_status();
}

/* ---- values made in another tensor's shape ----------------------------------------------------------- */
int reel_infer_full_like_(const reel_infer *io)
{
    const reel_attr_num *a = io->attr;
    io->out[0] = *io->in[0];
    if (reel_num_fits_(a->value, io->in[0]->dtype)) return 0;
    return reel_fail(REEL_EDTYPE, "value %.17g is not a value of %s", a->value, reel_dtype_name(io->in[0]->dtype));
}

reel_tensor *reel_full_like_at(const char *site, reel_tensor *x, double value)
{
    return reel_full_like_at_(site, x, value);
}

reel_tensor *reel_full_like_at_(const char *site, reel_tensor *x, double value)
{
    const reel_attr_num a = {.value = value};
    return reel_op1_(REEL_OP_full_like, &a, site, x);
}

reel_tensor *reel_zeros_like_at(const char *site, reel_tensor *x)
{
    return reel_full_like_at_(site, x, 0);
}

reel_tensor *reel_ones_like_at(const char *site, reel_tensor *x)
{
    return reel_full_like_at_(site, x, 1);
}

/* y[..., k] = (labels[...] == k) in like's shape and dtype */
int reel_infer_one_hot_like_(const reel_infer *io)
{
    const reel_shape *labels = &io->in[0]->shape;
    reel_shape rows = io->in[1]->shape, both;
    rows.rank--;
    if (rows.rank < 0 || !reel_merge_shape_(labels, &rows, &both))
        return fail_fit("label the rows of", labels, &io->in[1]->shape);
    io->out[0] = *io->in[1];
    for (int i = 0; i < both.rank; i++) io->out[0].shape.dims[i] = both.dims[i];
    return 0;
}

reel_tensor *reel_one_hot_like_at_(const char *site, reel_tensor *labels, reel_tensor *like)
{
    return reel_op2_(REEL_OP_one_hot_like, &reel_no_attr_, site, labels, like);
}
