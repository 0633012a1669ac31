/* sparse.c: rows of a table: embedding, whose gradient is row-sparse, and put_rows, which makes it dense. */
#include "internal.h"

#include "core/error.h"
#include "core/options.h"
#include "reel/reel.h"

/* ---- embedding(table, ids) --------------------------------------------------------------------------- */
int reel_infer_embedding_(const reel_infer *io)
{
    const reel_attr_embedding *a = io->attr;
    const reel_shape *table = &io->in[0]->shape, *ids = &io->in[1]->shape;
    if (!reel_is_int_(io->in[1]->dtype))
        return reel_fail(REEL_EDTYPE, "ids are %s, not integers", reel_dtype_name(io->in[1]->dtype));
    if (table->rank < 1) return reel_fail(REEL_ESHAPE, "the table has no rows");
    if (ids->rank + table->rank - 1 > REEL_MAX_RANK)
        return reel_fail(REEL_ESHAPE, "a result of rank %d: at most %d", ids->rank + table->rank - 1, REEL_MAX_RANK);
    if (a->padding != REEL_ANY && (a->padding < 0 || (table->dims[0] != REEL_ANY && a->padding >= table->dims[0])))
        return reel_fail(REEL_EARG, "padding row %lld is out of range for %lld rows", (long long)a->padding,
                         (long long)table->dims[0]);
    reel_type *out = &io->out[0];
    *out = (reel_type){.dtype = io->in[0]->dtype, .shape = *ids};
    for (int i = 1; i < table->rank; i++) out->shape.dims[out->shape.rank++] = table->dims[i];
    return reel_shape_check_(out->shape, true);
}

reel_tensor *reel_embedding_at(const char *site, reel_tensor *table, reel_tensor *ids, const reel_embedding_opts *o)
{
    reel_embedding_opts opts = {0};
    reel_options_(&opts, sizeof opts, o);
    if (opts.has_padding && opts.padding < 0)
        return reel_fail_at_(site, REEL_EARG, "reel_embedding: padding row %lld", (long long)opts.padding), NULL;
    const reel_attr_embedding a = {.padding = opts.has_padding ? opts.padding : REEL_ANY, .dense = opts.dense_gradient};
    return reel_op2_(REEL_OP_embedding, &a, site, table, ids);
}

/* g's rows, one for each id, as a matrix; those of the padding row are zero. */
static reel_tensor *rows_of(const reel_vjp_args *v, reel_tensor *ids)
{
    const reel_attr_embedding *a = v->attr;
    const reel_shape *table = &reel_type_of_(v->in[0])->shape, *taken = &reel_type_of_(v->in[1])->shape;
    reel_shape to = {.rank = table->rank, .dims = {1}};
    for (int i = 0; i < taken->rank; i++) to.dims[0] = taken->dims[i] < 0 ? -1 : to.dims[0] * taken->dims[i];
    int unknown = to.dims[0] < 0;
    for (int i = 1; i < table->rank; i++) unknown += (to.dims[i] = table->dims[i]) < 0;
    reel_tensor *g = v->dout[0];
    /* with several unknown sizes: flat ids say how many rows there are, the table how wide they are */
    if (taken->rank != 1)
        g = unknown <= 1 ? reel_reshape_at(v->site, g, to)
                         : reel_reshape_like_at(v->site, g, reel_embedding_at(v->site, v->in[0], ids, NULL));
    if (!g || a->padding == REEL_ANY) return g;
    reel_axes last = {.n = table->rank - 1};
    for (int i = 1; i < table->rank; i++) last.axis[i - 1] = i;
    reel_tensor *pad = reel_equal_at(v->site, ids, reel_num_at(v->site, (double)a->padding));
    if (last.n) pad = reel_unsqueeze_at(v->site, pad, last);
    return reel_where_at(v->site, pad, reel_num_at(v->site, 0), g);
}

int reel_vjp_embedding_(const reel_vjp_args *v)
{
    const reel_attr_embedding *a = v->attr;
    if (!v->need[0]) return reel_status();
    const reel_shape flat = {.rank = 1, .dims = {-1}};
    reel_tensor *ids = reel_type_of_(v->in[1])->shape.rank == 1 ? v->in[1] : reel_reshape_at(v->site, v->in[1], flat);
    reel_tensor *rows = rows_of(v, ids);
    v->din[0] =
        a->dense ? reel_put_rows_at_(v->site, rows, v->in[0], ids) : reel_row_sparse_at(v->site, rows, ids, v->in[0]);
    return reel_status();
}

/* ---- put_rows(g, like, ids) -------------------------------------------------------------------------- */
int reel_infer_put_rows_(const reel_infer *io)
{
    const reel_shape *g = &io->in[0]->shape, *like = &io->in[1]->shape, *ids = &io->in[2]->shape;
    if (!reel_is_int_(io->in[2]->dtype))
        return reel_fail(REEL_EDTYPE, "ids are %s, not integers", reel_dtype_name(io->in[2]->dtype));
    reel_shape row = *like, want = *like;
    if (like->rank < 1 || ids->rank != 1) return reel_fail(REEL_ESHAPE, "a table and a vector of ids are needed");
    want.dims[0] = ids->dims[0];
    if (!reel_merge_shape_(g, &want, &row)) {
        char have[REEL_SHAPE_TEXT], text[REEL_SHAPE_TEXT];
        return reel_fail(REEL_ESHAPE, "rows are %s, expected %s", reel_shape_text_(g, have),
                         reel_shape_text_(&want, text));
    }
    row.dims[0] = like->dims[0];
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype, .shape = row};
    return 0;
}

reel_tensor *reel_put_rows_at_(const char *site, reel_tensor *g, reel_tensor *like, reel_tensor *ids)
{
    reel_tensor *const in[3] = {g, like, ids};
    reel_tensor *out = NULL;
    reel_door_(&reel_rows_[REEL_OP_put_rows], &reel_no_attr_, in, 3, &out, 1, site);
    return out;
}

int reel_vjp_put_rows_(const reel_vjp_args *v)
{
    if (v->need[0])
        v->din[0] = reel_embedding_at(v->site, v->dout[0], v->in[2], REEL_OPTS(embedding, .dense_gradient = true));
    return reel_status();
}
