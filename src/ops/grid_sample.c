/* grid_sample.c: images sampled at given places, and the grids of affine maps. */
#include "core/context.h"
#include "core/error.h"
#include "core/options.h"
#include "internal.h"

/* ---- grid_sample ------------------------------------------------------------------------------------- */
enum { MAX_ORDER = 4 }; /* from there on all derivatives of the weights are 0 */

/* x [N, C, spatial...], grid [N, out..., rank of spatial]; the shape of y. */
static int check(const reel_attr_grid *a, const reel_type *x, const reel_type *grid, reel_shape *y)
{
    const int k = x->shape.rank - 2;
    if (a->mode < REEL_SAMPLE_LINEAR || a->mode > REEL_SAMPLE_CUBIC)
        return reel_fail(REEL_EARG, "mode is %d, there is 0, 1 and 2", a->mode);
    if (a->padding < REEL_ZEROS || a->padding > REEL_REFLECTION)
        return reel_fail(REEL_EARG, "padding is %d, there is 0, 1 and 2", a->padding);
    if (k < 1 || k > 3) return reel_fail(REEL_ESHAPE, "x has rank %d, it needs 3 to 5", x->shape.rank);
    if (grid->shape.rank != k + 2)
        return reel_fail(REEL_ESHAPE, "grid has rank %d, x has %d", grid->shape.rank, x->shape.rank);
    const int64_t last = grid->shape.dims[k + 1];
    if (last != k && last != REEL_ANY)
        return reel_fail(REEL_ESHAPE, "grid has %lld coordinates, x %d axes", (long long)last, k);
    *y = x->shape;
    if (!reel_merge_dim_(x->shape.dims[0], grid->shape.dims[0], &y->dims[0]))
        return reel_fail(REEL_ESHAPE, "x has %lld images, grid %lld", (long long)x->shape.dims[0],
                         (long long)grid->shape.dims[0]);
    for (int i = 0; i < k; i++) y->dims[2 + i] = grid->shape.dims[1 + i];
    for (int i = 0; i < k; i++)
        if (x->shape.dims[2 + i] == 0)
            return reel_fail(REEL_ESHAPE, "axis %d of x is empty: there is nothing to sample", 2 + i);
    return reel_shape_check_(*y, true);
}

int reel_infer_grid_sample_(const reel_infer *io)
{
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype};
    return check(io->attr, io->in[0], io->in[1], &io->out[0].shape);
}

int reel_infer_grid_sample_grad_(const reel_infer *io)
{
    reel_shape y, both;
    const int code = check(io->attr, io->in[1], io->in[2], &y);
    if (code) return code;
    if (!reel_merge_shape_(&io->in[0]->shape, &y, &both)) {
        char a[REEL_SHAPE_TEXT], b[REEL_SHAPE_TEXT];
        return reel_fail(REEL_ESHAPE, "g is %s, it should be %s", reel_shape_text_(&io->in[0]->shape, a),
                         reel_shape_text_(&y, b));
    }
    io->out[0] = *io->in[1];
    io->out[1] = *io->in[2];
    return 0;
}

reel_tensor *reel_grid_sample_at(const char *site, reel_tensor *x, reel_tensor *grid, const reel_grid_sample_opts *o)
{
    reel_grid_sample_opts p = {0};
    reel_attr_grid a;
    reel_options_(&p, sizeof p, o);
    memset(&a, 0, sizeof a);
    a.mode = p.mode, a.padding = p.padding, a.align = p.align_corners;
    return reel_op2_(REEL_OP_grid_sample, &a, site, x, grid);
}

int reel_grid_sample_grad_at_(const char *site, reel_tensor *g, reel_tensor *x, reel_tensor *grid,
                              const reel_attr_grid *a, reel_tensor *out[2])
{
    reel_tensor *const in[3] = {g, x, grid};
    out[0] = out[1] = NULL;
    return reel_door_(&reel_rows_[REEL_OP_grid_sample_grad], a, in, 3, out, 2, site);
}

static reel_tensor *sampled(const char *site, const reel_attr_grid *a, reel_tensor *x, reel_tensor *grid)
{
    return reel_op2_(REEL_OP_grid_sample, a, site, x, grid);
}

int reel_vjp_grid_sample_(const reel_vjp_args *v)
{
    reel_tensor *d[2];
    if (reel_grid_sample_grad_at_(v->site, v->dout[0], v->in[0], v->in[1], v->attr, d)) return reel_status();
    for (int i = 0; i < 2; i++)
        if (v->need[i]) v->din[i] = d[i];
    return 0;
}

/* a with one derivative more by coordinate c; a piece of the cubic has three, then it is 0 for good */
static reel_attr_grid steeper(const reel_attr_grid *a, int c)
{
    reel_attr_grid b = *a;
    b.order[c] += b.order[c] < MAX_ORDER;
    return b;
}

static reel_tensor *plus(const char *site, reel_tensor *sum, reel_tensor *t)
{
    return sum && t ? reel_add_at(site, sum, t) : t;
}

/* With S_a the sampling whose weights are differentiated as often as a says, and c one derivative more by coordinate c:
   dx = S_a^T g and dgrid_c = sum over channels of g S_{a+c} x. Both are linear in g and x, so their gradients by u = d dx and
   v = d dgrid are made of the same two rows: g: S_a u + sum_c v_c S_{a+c} x; x and grid: those of (v_c g, x) at a + c for all
   c, and for grid that of (g, u) at a. */
int reel_vjp_grid_sample_grad_(const reel_vjp_args *v)
{
    const char *s = v->site;
    reel_tensor *g = v->in[0], *x = v->in[1], *grid = v->in[2], *u = v->dout[0], *d[2];
    const int k = reel_type_of_(x)->shape.rank - 2;
    reel_tensor *dg = u && v->need[0] ? sampled(s, v->attr, u, grid) : NULL, *dx = NULL, *dgrid = NULL;
    if (u && v->need[2]) {
        if (reel_grid_sample_grad_at_(s, g, u, grid, v->attr, d)) return reel_status();
        dgrid = d[1];
    }
    for (int c = 0; c < k && v->dout[1]; c++) {
        const reel_attr_grid b = steeper(v->attr, c);
        reel_tensor *vc = reel_unsqueeze_at(s, reel_select_at(s, v->dout[1], -1, c), (reel_axes){1, {1}});
        if (v->need[0]) dg = plus(s, dg, reel_mul_at(s, vc, sampled(s, &b, x, grid)));
        if (!v->need[1] && !v->need[2]) continue;
        if (reel_grid_sample_grad_at_(s, reel_mul_at(s, vc, g), x, grid, &b, d)) return reel_status();
        dx = plus(s, dx, d[0]);
        dgrid = plus(s, dgrid, d[1]);
    }
    if (v->need[0]) v->din[0] = dg;
    if (v->need[1]) v->din[1] = dx;
    if (v->need[2]) v->din[2] = dgrid;
    return reel_status();
}

/* ---- affine_grid ------------------------------------------------------------------------------------- */
/* The coordinates along an axis of n: a column or row of shape [1, ..., n, ..., 1], rank k + 1. */
static reel_tensor *coordinates(const char *site, reel_dtype d, int64_t n, int axis, int k, bool align)
{
    reel_shape s = {.rank = k + 1};
    for (int i = 0; i <= k; i++) s.dims[i] = 1;
    s.dims[axis] = n;
    const double step = align ? (n > 1 ? 2 / (double)(n - 1) : 0) : 2 / (double)n;
    const double from = align ? (n > 1 ? -1 : 0) : 1 / (double)n - 1;
    reel_tensor *i = reel_arange_at(site, d, 0, (double)n, 1);
    reel_tensor *x = reel_add_at(site, reel_mul_at(site, i, reel_num_at(site, step)), reel_num_at(site, from));
    return reel_reshape_at(site, x, s);
}

reel_tensor *reel_affine_grid_at(const char *site, reel_tensor *theta, int n, const int64_t *size, bool align_corners)
{
    static const char *const fn = "reel_affine_grid";
    reel_tensor *parts[4];
    if (reel_status() || !reel_live_(site, fn, "theta", theta)) return NULL;
    const reel_type *t = reel_type_of_(theta);
    if (n < 2 || n > 3) return reel_fail_at_(site, REEL_EARG, "%s: %d sizes, it takes 2 or 3", fn, n), NULL;
    if (!size) return reel_fail_at_(site, REEL_EARG, "%s: size is NULL", fn), NULL;
    if (!reel_is_float_(t->dtype))
        return reel_fail_at_(site, REEL_EDTYPE, "%s: theta is %s, it takes floats", fn, reel_dtype_name(t->dtype)),
               NULL;
    const reel_shape want = {3, {REEL_ANY, n, n + 1}};
    reel_shape both, grid = {.rank = n + 2}, base = {.rank = n + 1}, all = {.rank = 2, .dims = {1, n + 1}};
    if (!reel_merge_shape_(&t->shape, &want, &both)) {
        char text[REEL_SHAPE_TEXT];
        return reel_fail_at_(site, REEL_ESHAPE, "%s: theta is %s, it should be [?,%d,%d]", fn,
                             reel_shape_text_(&t->shape, text), n, n + 1),
               NULL;
    }
    grid.dims[0] = -1;
    grid.dims[n + 1] = n;
    for (int i = 0; i < n; i++) {
        if (size[i] < 1 || size[i] > INT32_MAX || REEL_MUL_OVERFLOW(all.dims[0], size[i], &all.dims[0]) ||
            all.dims[0] > INT64_MAX / 64)
            return reel_fail_at_(site, REEL_ESHAPE, "%s: size %d is %lld", fn, i, (long long)size[i]), NULL;
        grid.dims[1 + i] = base.dims[i] = size[i];
    }
    base.dims[n] = 1;
    for (int i = 0; i < n; i++) /* x first: the last axis */
        parts[i] =
            reel_broadcast_to_at(site, coordinates(site, t->dtype, size[n - 1 - i], n - 1 - i, n, align_corners), base);
    parts[n] = reel_full_at(site, t->dtype, base, 1);
    reel_tensor *places = reel_reshape_at(site, reel_concat_at(site, (reel_list){n + 1, parts}, -1), all);
    reel_tensor *y = reel_matmul_at(site, places, reel_swap_last_at_(site, theta));
    return both.dims[0] == 0 && y ? reel_reshape_at(site, y, (grid.dims[0] = 0, grid)) : reel_reshape_at(site, y, grid);
}
