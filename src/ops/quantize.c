/* quantize.c: floats to small integers and back. */
#include "internal.h"

#include <math.h>

#include "core/error.h"
#include "core/options.h"

/* ---- quantize(x, scale, zero): saturate(round(x / scale) + zero), all three broadcast ------------------------------ */
static int broadcast3(const reel_infer *io, reel_shape *out)
{
    reel_shape two = {0};
    const int code = reel_shape_broadcast_(&io->in[0]->shape, &io->in[1]->shape, &two);
    return code ? code : reel_shape_broadcast_(&two, &io->in[2]->shape, out);
}

int reel_infer_quantize_(const reel_infer *io)
{
    const reel_attr_cast *a = io->attr;
    const reel_dtype d = (reel_dtype)a->dtype, z = io->in[2]->dtype;
    if (d != REEL_I8 && d != REEL_U8 && d != REEL_I32)
        return reel_fail(REEL_EDTYPE, "quantizing to %s, allowed: i8 u8 i32", reel_dtype_name(d));
    if (z != d) return reel_fail(REEL_EDTYPE, "zero is %s, expected %s", reel_dtype_name(z), reel_dtype_name(d));
    io->out[0] = (reel_type){.dtype = d};
    return broadcast3(io, &io->out[0].shape);
}

reel_tensor *reel_quantize_at_(const char *site, reel_tensor *x, reel_tensor *scale, reel_tensor *zero, reel_dtype d)
{
    const reel_attr_cast a = {.dtype = (int64_t)d};
    reel_tensor *const in[3] = {x, scale, zero};
    reel_tensor *out = NULL;
    reel_door_(&reel_rows_[REEL_OP_quantize], &a, in, 3, &out, 1, site);
    return out;
}

int reel_infer_fake_quantize_(const reel_infer *io)
{
    const reel_attr_range *a = io->attr;
    if (!(a->low <= a->high)) return reel_fail(REEL_EARG, "low is %g and high %g", a->low, a->high);
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype};
    return broadcast3(io, &io->out[0].shape);
}

static reel_tensor *fake_quantize(const char *site, reel_tensor *x, reel_tensor *scale, reel_tensor *zero, double low,
                                  double high)
{
    const reel_attr_range a = {low, high};
    reel_tensor *const in[3] = {x, scale, zero};
    reel_tensor *out = NULL;
    reel_door_(&reel_rows_[REEL_OP_fake_quantize], &a, in, 3, &out, 1, site);
    return out;
}

reel_tensor *reel_fake_quantize_at(const char *site, reel_tensor *x, reel_tensor *scale, reel_tensor *zero, double low,
                                   double high)
{
    return fake_quantize(site, x, scale, zero, low, high);
}

int reel_vjp_fake_quantize_(const reel_vjp_args *v) /* through where nothing was clamped */
{
    const char *site = v->site;
    if (!v->need[0]) return 0;
    reel_tensor *free = fake_quantize(site, v->in[0], v->in[1], v->in[2], -INFINITY, INFINITY);
    reel_tensor *g = reel_where_at(site, reel_equal_at(site, v->out[0], free), v->dout[0], reel_num_at(site, 0));
    v->din[0] = reel_to_shape_(site, g, v->in[0]);
    return reel_status();
}

/* ---- block_expand(s, like): y[.., i, ..] = s[.., i / block, ..]; block_sum is its transpose --------------------------- */
static int blocks(const reel_infer *io, const reel_shape *s, const reel_shape *x)
{
    const reel_attr_block *a = io->attr;
    int axis;
    char ts[REEL_SHAPE_TEXT], tx[REEL_SHAPE_TEXT];
    const int code = reel_axis_((int)a->axis, x->rank, &axis);
    if (code) return code;
    if (a->block < 1) return reel_fail(REEL_EARG, "a block of %lld", (long long)a->block);
    bool ok = s->rank == x->rank;
    for (int i = 0; ok && i < x->rank; i++) {
        int64_t both, d = x->dims[i];
        if (i == axis && d != REEL_ANY) d = d / a->block + (d % a->block != 0);
        ok = reel_merge_dim_(s->dims[i], d, &both);
    }
    if (ok) return 0;
    return reel_fail(REEL_ESHAPE, "%s does not have one element for each block of %lld of %s along axis %d",
                     reel_shape_text_(s, ts), (long long)a->block, reel_shape_text_(x, tx), axis);
}

int reel_infer_block_expand_(const reel_infer *io)
{
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype, .shape = io->in[1]->shape};
    return blocks(io, &io->in[0]->shape, &io->in[1]->shape);
}

int reel_infer_block_sum_(const reel_infer *io)
{
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype, .shape = io->in[1]->shape};
    return blocks(io, &io->in[1]->shape, &io->in[0]->shape);
}

static reel_tensor *by_blocks(int id, const char *site, reel_tensor *x, reel_tensor *like, int64_t axis, int64_t block)
{
    const reel_attr_block a = {axis, block};
    return reel_op2_(id, &a, site, x, like);
}

reel_tensor *reel_block_expand_at_(const char *site, reel_tensor *s, reel_tensor *like, int axis, int64_t block)
{
    return by_blocks(REEL_OP_block_expand, site, s, like, axis, block);
}

reel_tensor *reel_block_sum_at_(const char *site, reel_tensor *x, reel_tensor *like, int axis, int64_t block)
{
    return by_blocks(REEL_OP_block_sum, site, x, like, axis, block);
}

int reel_vjp_block_expand_(const reel_vjp_args *v)
{
    const reel_attr_block *a = v->attr;
    if (v->need[0]) v->din[0] = by_blocks(REEL_OP_block_sum, v->site, v->dout[0], v->in[0], a->axis, a->block);
    return reel_status();
}

int reel_vjp_block_sum_(const reel_vjp_args *v)
{
    const reel_attr_block *a = v->attr;
    if (v->need[0]) v->din[0] = by_blocks(REEL_OP_block_expand, v->site, v->dout[0], v->in[0], a->axis, a->block);
    return reel_status();
}

/* ---- public functions -------------------------------------------------------------------------------------------------- */
/* p (scale or zero) laid out against x; NULL: raised. */
static reel_tensor *against(const char *site, const char *fn, const char *what, reel_tensor *p, reel_tensor *x,
                            int axis, int64_t block)
{
    const reel_shape *s = &reel_type_of_(p)->shape, *t = &reel_type_of_(x)->shape;
    char have[REEL_SHAPE_TEXT], want[REEL_SHAPE_TEXT];
    const int at = axis < 0 ? axis + t->rank : axis;
    int64_t both;
    if (s->rank == 0) return p;
    if (s->rank == 1 && s->dims[0] == 1 && block == 0) return reel_squeeze_at(site, p, REEL_AXES(0));
    if (at < 0 || at >= t->rank) {
        reel_fail_at_(site, REEL_EARG, "%s: axis %d is out of range for rank %d", fn, axis, t->rank);
        return NULL;
    }
    if (block > 0 && s->rank == t->rank) return by_blocks(REEL_OP_block_expand, site, p, x, at, block);
    if (block == 0 && s->rank == 1 && reel_merge_dim_(s->dims[0], t->dims[at], &both)) {
        reel_axes axes = {.n = t->rank - 1 - at};
        for (int i = 0; i < axes.n; i++) axes.axis[i] = i + 1;
        return axes.n ? reel_unsqueeze_at(site, p, axes) : p;
    }
    reel_fail_at_(site, REEL_ESHAPE, "%s: %s has shape %s, expected [], one number for each index of axis %d of %s%s",
                  fn, what, reel_shape_text_(s, have), at, reel_shape_text_(t, want),
                  block ? ", or one for each block" : "");
    return NULL;
}

static bool begin(const char *site, const char *fn, reel_quantize_opts *o, const reel_quantize_opts *given,
                  reel_tensor *x, reel_tensor *scale, reel_tensor *zero)
{
    reel_options_(o, sizeof *o, given);
    const reel_rec *s;
    if (!reel_live_(site, fn, "x", x) || !(s = reel_live_(site, fn, "scale", scale))) return false;
    if (zero ? !reel_live_(site, fn, "zero", zero) : !reel_optional_(zero)) return false;
    if (!reel_is_float_(s->type.dtype)) {
        reel_fail_at_(site, REEL_EDTYPE, "%s: scale is %s, allowed: f32 f64 f16 bf16", fn,
                      reel_dtype_name(s->type.dtype));
        return false;
    }
    if (o->block < 0) {
        reel_fail_at_(site, REEL_EARG, "%s: a block of %lld", fn, (long long)o->block);
        return false;
    }
    return true;
}

reel_tensor *reel_quantize_linear_at(const char *site, reel_tensor *x, reel_tensor *scale, reel_tensor *zero, int axis,
                                     const reel_quantize_opts *given)
{
    static const char fn[] = "reel_quantize_linear";
    reel_quantize_opts o = {0};
    if (!begin(site, fn, &o, given, x, scale, zero)) return NULL;
    const reel_dtype d = zero ? reel_type_of_(zero)->dtype : o.dtype ? o.dtype : REEL_U8;
    if (d != REEL_I8 && d != REEL_U8 && d != REEL_I32) {
        reel_fail_at_(site, REEL_EDTYPE, "%s: quantizing to %s, allowed: i8 u8 i32", fn, reel_dtype_name(d));
        return NULL;
    }
    reel_tensor *s = against(site, fn, "scale", scale, x, axis, o.block);
    reel_tensor *z =
        zero ? against(site, fn, "zero", zero, x, axis, o.block) : reel_zeros_at(site, d, (reel_shape){.rank = 0});
    return s && z ? reel_quantize_at_(site, x, s, z, d) : NULL;
}

reel_tensor *reel_dequantize_linear_at(const char *site, reel_tensor *x, reel_tensor *scale, reel_tensor *zero,
                                       int axis, const reel_quantize_opts *given)
{
    static const char fn[] = "reel_dequantize_linear";
    reel_quantize_opts o = {0};
    if (!begin(site, fn, &o, given, x, scale, zero)) return NULL;
    const reel_dtype d = reel_type_of_(x)->dtype, to = reel_type_of_(scale)->dtype;
    if (d != REEL_I8 && d != REEL_U8 && d != REEL_I32) {
        reel_fail_at_(site, REEL_EDTYPE, "%s: x is %s, allowed: i8 u8 i32", fn, reel_dtype_name(d));
        return NULL;
    }
    if (zero && reel_type_of_(zero)->dtype != d) {
        reel_fail_at_(site, REEL_EDTYPE, "%s: dtypes differ: x is %s and zero %s", fn, reel_dtype_name(d),
                      reel_dtype_name(reel_type_of_(zero)->dtype));
        return NULL;
    }
    reel_tensor *s = against(site, fn, "scale", scale, x, axis, o.block);
    reel_tensor *z = s && zero ? against(site, fn, "zero", zero, x, axis, o.block) : NULL;
    if (!s || (zero && !z)) return NULL;
    reel_tensor *y = reel_cast_at(site, x, to);
    if (z) y = reel_sub_at(site, y, reel_cast_at(site, z, to));
    return reel_mul_at(site, y, s);
}

/* scale = (max(x, 0) - min(x, 0)) / 255, zero = round(-min / scale) */
int reel_dynamic_quantize_linear_at(const char *site, reel_tensor *x, reel_tensor *out[3])
{
    static const char fn[] = "reel_dynamic_quantize_linear";
    if (!out) return reel_fail_at_(site, REEL_EARG, "%s: out is NULL", fn);
    memset(out, 0, 3 * sizeof *out);
    const reel_rec *r = reel_live_(site, fn, "x", x);
    if (!r) return reel_status();
    if (!reel_is_float_(r->type.dtype))
        return reel_fail_at_(site, REEL_EDTYPE, "%s: x is %s, allowed: f32 f64 f16 bf16", fn,
                             reel_dtype_name(r->type.dtype));
    const reel_quantize_opts plain = {.size = sizeof plain, .dtype = REEL_U8};
    const reel_shape *shape = &r->type.shape;
    if (reel_shape_known_(shape) && reel_count_(shape) == 0) { /* the range of 0 alone */
        out[0] = reel_zeros_at(site, REEL_U8, *shape);
        out[1] = reel_zeros_at(site, REEL_F32, (reel_shape){.rank = 0});
        out[2] = reel_zeros_at(site, REEL_U8, (reel_shape){.rank = 0});
        return reel_status();
    }
    reel_tensor *w = reel_cast_at(site, reel_stop_gradient_at(site, x), REEL_F32), *none = reel_num_at(site, 0);
    reel_tensor *high = reel_maximum_at(site, reel_max_axes_at(site, w, REEL_ALL_AXES, false), none);
    reel_tensor *low = reel_neg_at(
        site, reel_maximum_at(site, reel_max_axes_at(site, reel_neg_at(site, w), REEL_ALL_AXES, false), none));
    out[1] = reel_div_at(site, reel_sub_at(site, high, low), reel_num_at(site, 255));
    reel_tensor *at = reel_div_at(site, reel_neg_at(site, low), out[1]);
    out[2] = reel_quantize_linear_at(site, at, reel_ones_like_at(site, out[1]), NULL, 0, &plain);
    out[0] = reel_quantize_linear_at(site, w, out[1], out[2], 0, &plain);
    if (reel_status()) memset(out, 0, 3 * sizeof *out);
    return reel_status();
}
