/* dynamic.c: ops whose output sizes depend on data. Their shape rules leave REEL_ANY there; see "Sizes that depend on data" in
   docs/architecture.md. Gradients put back what was picked out. */
#include "internal.h"

#include "core/error.h"
#include "core/options.h"
#include "reel/reel.h"

/* ---- nonzero ----------------------------------------------------------------------------------------- */
int reel_infer_nonzero_(const reel_infer *io)
{
    io->out[0] = (reel_type){.dtype = REEL_I64, .shape = {.rank = 2, .dims = {REEL_ANY, io->in[0]->shape.rank}}};
    return 0;
}

reel_tensor *reel_nonzero_at(const char *site, reel_tensor *x)
{
    return reel_op1_(REEL_OP_nonzero, &reel_no_attr_, site, x);
}

/* ---- compress(x, cond): the slices of x along axis where cond holds ------------------------------------ */
/* axis resolved, cond a vector no longer than it. like: which input has the whole axis. */
static int check_condition(const reel_infer *io, int like, int *axis)
{
    const reel_attr_axis *a = io->attr;
    const reel_shape *x = &io->in[like]->shape, *cond = &io->in[io->n_in - 1]->shape;
    const int code = reel_axis_(a->axis, x->rank, axis);
    if (code) return code;
    if (io->in[io->n_in - 1]->dtype != REEL_BOOL)
        return reel_fail(REEL_EDTYPE, "the condition is %s, not bool", reel_dtype_name(io->in[io->n_in - 1]->dtype));
    if (cond->rank != 1) return reel_fail(REEL_ESHAPE, "the condition has rank %d, not 1", cond->rank);
    if (cond->dims[0] != REEL_ANY && x->dims[*axis] != REEL_ANY && cond->dims[0] > x->dims[*axis])
        return reel_fail(REEL_ESHAPE, "a condition of %lld for axis %d of size %lld", (long long)cond->dims[0], *axis,
                         (long long)x->dims[*axis]);
    return 0;
}

int reel_infer_compress_(const reel_infer *io)
{
    int axis;
    const int code = check_condition(io, 0, &axis);
    if (code) return code;
    io->out[0] = *io->in[0];
    io->out[0].shape.dims[axis] = REEL_ANY;
    return 0;
}

reel_tensor *reel_compress_at(const char *site, reel_tensor *x, reel_tensor *cond, int axis)
{
    const reel_attr_axis a = {.axis = axis};
    return reel_op2_(REEL_OP_compress, &a, site, x, cond);
}

int reel_vjp_compress_(const reel_vjp_args *v)
{
    const reel_attr_axis *a = v->attr;
    if (v->need[0]) v->din[0] = reel_uncompress_at_(v->site, v->dout[0], v->in[0], v->in[1], a->axis);
    return reel_status();
}

/* ---- uncompress(g, like, cond): zeros of like's shape with the slices of g where cond holds ------------- */
int reel_infer_uncompress_(const reel_infer *io)
{
    const reel_shape *g = &io->in[0]->shape, *like = &io->in[1]->shape;
    int axis;
    const int code = check_condition(io, 1, &axis);
    if (code) return code;
    reel_shape whole = *like, part = *g;
    if (part.rank == whole.rank) part.dims[axis] = REEL_ANY;
    whole.dims[axis] = REEL_ANY;
    if (!reel_merge_shape_(&part, &whole, &whole)) {
        char have[REEL_SHAPE_TEXT], want[REEL_SHAPE_TEXT];
        return reel_fail(REEL_ESHAPE, "%s are no slices of %s", reel_shape_text_(g, have),
                         reel_shape_text_(like, want));
    }
    whole.dims[axis] = like->dims[axis];
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype, .shape = whole};
    return 0;
}

reel_tensor *reel_uncompress_at_(const char *site, reel_tensor *g, reel_tensor *like, reel_tensor *cond, int axis)
{
    const reel_attr_axis a = {.axis = axis};
    reel_tensor *const in[3] = {g, like, cond};
    reel_tensor *out = NULL;
    reel_door_(&reel_rows_[REEL_OP_uncompress], &a, in, 3, &out, 1, site);
    return out;
}

int reel_vjp_uncompress_(const reel_vjp_args *v)
{
    const reel_attr_axis *a = v->attr;
    if (v->need[0]) v->din[0] = reel_compress_at(v->site, v->dout[0], v->in[2], a->axis);
    return reel_status();
}

/* ---- masked_select ----------------------------------------------------------------------------------- */
static bool same_known(reel_tensor *x, reel_tensor *mask)
{
    const reel_shape *a = &reel_type_of_(x)->shape, *b = &reel_type_of_(mask)->shape;
    return reel_shape_same_(a, b) && reel_shape_known_(a);
}

reel_tensor *reel_masked_select_at(const char *site, reel_tensor *x, reel_tensor *mask)
{
    static const char fn[] = "reel_masked_select";
    if (!reel_live_(site, fn, "x", x) || !reel_live_(site, fn, "mask", mask)) return NULL;
    const reel_dtype d = reel_type_of_(mask)->dtype;
    if (d != REEL_BOOL)
        return reel_fail_at_(site, REEL_EDTYPE, "%s: mask is %s, not bool", fn, reel_dtype_name(d)), NULL;
    if (!same_known(x, mask)) { /* where() broadcasts either way, or says why not; only its shape is read */
        reel_tensor *like = reel_where_at(site, mask, x, x);
        if (!like) return NULL;
        x = reel_broadcast_like_at(site, x, like);
        mask = reel_broadcast_like_at(site, mask, like);
    }
    const reel_shape flat = {.rank = 1, .dims = {-1}};
    return reel_compress_at(site, reel_reshape_at(site, x, flat), reel_reshape_at(site, mask, flat), 0);
}

/* ---- unique ------------------------------------------------------------------------------------------ */
int reel_infer_unique_(const reel_infer *io)
{
    const reel_attr_unique *a = io->attr;
    const reel_shape *x = &io->in[0]->shape;
    int axis = 0;
    if (!a->flat) {
        const int code = reel_axis_(a->axis, x->rank, &axis);
        if (code) return code;
    }
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype, .shape = {.rank = 1}};
    if (!a->flat) io->out[0].shape = *x;
    io->out[0].shape.dims[axis] = REEL_ANY;
    io->out[1] = (reel_type){.dtype = REEL_I64, .shape = {.rank = 1, .dims = {REEL_ANY}}};
    io->out[3] = io->out[2] = io->out[1];
    if (a->flat)
        io->out[2].shape = *x;
    else
        io->out[2].shape.dims[0] = x->dims[axis];
    return 0;
}

int reel_unique_all_at(const char *site, reel_tensor *x, const reel_unique_opts *o, reel_tensor *out[4])
{
    reel_unique_opts opts = {0};
    reel_options_(&opts, sizeof opts, o);
    if (!out) return reel_fail_at_(site, REEL_EARG, "reel_unique_all: out is NULL");
    const reel_attr_unique a = {.flat = !opts.by_axis, .axis = opts.by_axis ? opts.axis : 0, .unsorted = opts.unsorted};
    return reel_door_(&reel_rows_[REEL_OP_unique_all], &a, &x, 1, out, 4, site);
}

reel_tensor *reel_unique_at(const char *site, reel_tensor *x)
{
    reel_tensor *out[4] = {NULL};
    (void)reel_unique_all_at(site, x, NULL, out);
    return out[0];
}

/* The values are x at `index`, so their gradient goes there. */
int reel_vjp_unique_all_(const reel_vjp_args *v)
{
    const reel_attr_unique *a = v->attr;
    const int rank = reel_type_of_(v->in[0])->shape.rank;
    reel_tensor *g = v->dout[0], *like = v->in[0];
    if (!v->need[0] || !g) return reel_status();
    if (a->flat) {
        const reel_shape flat = {.rank = 1, .dims = {-1}};
        reel_tensor *zeros = reel_reshape_at(v->site, reel_zeros_like_at(v->site, like), flat);
        v->din[0] = reel_reshape_like_at(v->site, reel_put_rows_at_(v->site, g, zeros, v->out[1]), like);
        return reel_status();
    }
    reel_axes front = {.n = rank}; /* the axis swapped with the first one: its own inverse */
    for (int i = 0; i < rank; i++) front.axis[i] = i;
    const int axis = a->axis < 0 ? a->axis + rank : a->axis;
    front.axis[0] = axis;
    front.axis[axis] = 0;
    reel_tensor *zeros = reel_transpose_at(v->site, reel_zeros_like_at(v->site, like), front);
    reel_tensor *put = reel_put_rows_at_(v->site, reel_transpose_at(v->site, g, front), zeros, v->out[1]);
    v->din[0] = reel_transpose_at(v->site, put, front);
    return reel_status();
}
