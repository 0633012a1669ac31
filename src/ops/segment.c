/* segment.c: bincount, histogram, and sums, means, products and extrema of segments. */
#include "internal.h"

#include <math.h>

#include "core/error.h"
#include "core/options.h"

/* ---- shape rules ------------------------------------------------------------------------------------- */
/* Without elements, or maybe so. */
static bool may_be_empty(const reel_shape *s)
{
    for (int i = 0; i < s->rank; i++)
        if (s->dims[i] <= 0) return true;
    return false;
}

static int check_bins(int64_t n, reel_type *out)
{
    if (n < 0) return reel_fail(REEL_EARG, "%lld bins", (long long)n);
    *out = (reel_type){REEL_I64, {1, {n}}};
    return reel_shape_check_(out->shape, false);
}

int reel_infer_bincount_(const reel_infer *io)
{
    const reel_attr_bins *a = io->attr;
    const int code = check_bins(a->n, &io->out[0]);
    if (code || a->n || may_be_empty(&io->in[0]->shape)) return code;
    return reel_fail(REEL_EARG, "there are ids, but 0 bins");
}

int reel_infer_bincount_grow_(const reel_infer *io)
{
    const reel_attr_bins *a = io->attr;
    const int code = check_bins(a->n, &io->out[0]);
    io->out[0].shape.dims[0] = REEL_ANY;
    return code;
}

int reel_infer_histogram_(const reel_infer *io)
{
    const reel_attr_bins *a = io->attr;
    if (a->n == 0) return reel_fail(REEL_EARG, "0 bins");
    if (!isfinite(a->low) || !isfinite(a->high) || !(a->low < a->high) || !isfinite(a->high - a->low))
        return reel_fail(REEL_EARG, "bad range [%g, %g]", a->low, a->high);
    return check_bins(a->n, &io->out[0]);
}

int reel_infer_segment_(const reel_infer *io)
{
    const reel_attr_bins *a = io->attr;
    const reel_type *x = io->in[0], *ids = io->in[1];
    if (!reel_is_int_(ids->dtype))
        return reel_fail(REEL_EDTYPE, "ids is %s, allowed: i8 u8 i32 i64", reel_dtype_name(ids->dtype));
    int64_t rows = 0;
    if (x->shape.rank == 0 || ids->shape.rank != 1 || !reel_merge_dim_(x->shape.dims[0], ids->shape.dims[0], &rows)) {
        char s[REEL_SHAPE_TEXT], t[REEL_SHAPE_TEXT];
        return reel_fail(REEL_ESHAPE, "ids %s do not name the rows of %s", reel_shape_text_(&ids->shape, t),
                         reel_shape_text_(&x->shape, s));
    }
    if (a->n < 0) return reel_fail(REEL_EARG, "%lld segments", (long long)a->n);
    if (a->n == 0 && rows > 0) return reel_fail(REEL_EARG, "%lld rows, but 0 segments", (long long)rows);
    io->out[0] = *x;
    io->out[0].shape.dims[0] = a->n;
    return reel_shape_check_(io->out[0].shape, true);
}

/* ---- public functions -------------------------------------------------------------------------------- */
static reel_tensor *flat(const char *site, reel_tensor *x)
{
    return reel_reshape_at(site, x, (reel_shape){1, {-1}});
}

reel_tensor *reel_bincount_at(const char *site, reel_tensor *ids, reel_tensor *weights, int64_t n)
{
    const reel_attr_bins a = {.n = n};
    if (!reel_optional_(weights)) return NULL;
    if (weights) return reel_segment_sum_at(site, flat(site, weights), flat(site, ids), n);
    if (n == REEL_ANY) return reel_bincount_grow_at_(site, ids, 0);
    return reel_op1_(REEL_OP_bincount, &a, site, ids);
}

reel_tensor *reel_bincount_grow_at_(const char *site, reel_tensor *ids, int64_t least)
{
    const reel_attr_bins a = {.n = least};
    return reel_op1_(REEL_OP_bincount_grow, &a, site, ids);
}

reel_tensor *reel_histogram_at(const char *site, reel_tensor *x, int64_t n, double low, double high)
{
    const reel_attr_bins a = {n, low, high};
    return reel_op1_(REEL_OP_histogram, &a, site, x);
}

#define SEGMENT(name)                                                                            \
    reel_tensor *reel_##name##_at(const char *site, reel_tensor *x, reel_tensor *ids, int64_t n) \
    {                                                                                            \
        const reel_attr_bins a = {.n = n};                                                       \
        return reel_op2_(REEL_OP_##name, &a, site, x, ids);                                      \
    }
SEGMENT(segment_sum)
SEGMENT(segment_prod)
SEGMENT(segment_max)
SEGMENT(segment_min)

/* t, one a segment or row, as [n, 1, ...] to go with rows of `rank` axes */
static reel_tensor *as_rows(const char *site, reel_tensor *t, int rank)
{
    reel_axes back = {.n = rank - 1};
    for (int i = 0; i < back.n; i++) back.axis[i] = i + 1;
    return back.n > 0 ? reel_unsqueeze_at(site, t, back) : t;
}

reel_tensor *reel_segment_mean_at(const char *site, reel_tensor *x, reel_tensor *ids, int64_t n)
{
    reel_tensor *sum = reel_segment_sum_at(site, x, ids, n);
    if (!sum) return NULL;
    const reel_dtype d = reel_dtype_of(sum), wide = d == REEL_F16 || d == REEL_BF16 ? REEL_F32 : d;
    if (!reel_is_float_(d)) {
        reel_fail_at_(site, REEL_EDTYPE, "reel_segment_mean: x is %s, allowed: f32 f64 f16 bf16", reel_dtype_name(d));
        return NULL;
    }
    reel_tensor *count = reel_cast_at(site, reel_bincount_at(site, ids, NULL, n), wide);
    count = reel_maximum_at(site, count, reel_num_at(site, 1));
    count = as_rows(site, count, reel_type_of_(sum)->shape.rank);
    if (wide == d) return reel_div_at(site, sum, count);
    /* a sum of many halves may be beyond them */
    sum = reel_segment_sum_at(site, reel_cast_at(site, x, wide), ids, n);
    return reel_cast_at(site, reel_div_at(site, sum, count), d);
}

/* ---- gradients --------------------------------------------------------------------------------------- */
/* What each row's segment has in t */
static reel_tensor *of_rows(const reel_vjp_args *v, reel_tensor *t)
{
    return reel_gather_at(v->site, t, v->in[1], 0);
}

int reel_vjp_segment_sum_(const reel_vjp_args *v)
{
    if (v->need[0]) v->din[0] = of_rows(v, v->dout[0]);
    return reel_status();
}

/* Elements equal to their segment's extremum share its gradient equally. */
static int extremum(const reel_vjp_args *v)
{
    const char *site = v->site;
    const reel_attr_bins *a = v->attr;
    if (!v->need[0]) return 0;
    reel_tensor *wins = reel_equal_at(site, v->in[0], of_rows(v, v->out[0])), *zero = reel_num_at(site, 0);
    reel_tensor *ties = reel_segment_sum_at(site, reel_cast_at(site, wins, REEL_I32), v->in[1], a->n);
    ties = reel_maximum_at(site, ties, reel_num_at(site, 1));
    v->din[0] = reel_where_at(site, wins, of_rows(v, reel_over_count_(site, v->dout[0], ties)), zero);
    return reel_status();
}

int reel_vjp_segment_max_(const reel_vjp_args *v)
{
    return extremum(v);
}

int reel_vjp_segment_min_(const reel_vjp_args *v)
{
    return extremum(v);
}

/* 1 where a row of sorted ids has the same as the one before it (reverse: after) */
static reel_tensor *same_as_next(const char *site, reel_tensor *ids, reel_tensor *like, bool reverse)
{
    const reel_range head = {REEL_END, -1, 1}, tail = {1, REEL_END, 1}, edge = {0, 1, 1};
    reel_tensor *no = reel_not_equal_at(site, reel_slice_at(site, ids, 1, &edge), reel_slice_at(site, ids, 1, &edge));
    reel_tensor *same = reel_equal_at(site, reel_slice_at(site, ids, 1, &head), reel_slice_at(site, ids, 1, &tail));
    reel_tensor *const parts[2] = {reverse ? same : no, reverse ? no : same};
    return as_rows(site, reel_concat_at(site, (reel_list){2, parts}, 0), reel_type_of_(like)->shape.rank);
}

/* The product of the rows before within a segment, of rows in order of segments; reverse: of those after. */
static reel_tensor *product_before(const char *site, reel_tensor *x, reel_tensor *same, bool reverse)
{
    const reel_attr_scan whole = {0, 0, reverse};
    const reel_range head = {REEL_END, -1, 1}, tail = {1, REEL_END, 1}, edge = {0, 1, 1};
    reel_tensor *zero = reel_num_at(site, 0), *ones = reel_ones_like_at(site, x);
    reel_tensor *end = reel_ones_like_at(site, reel_slice_at(site, x, 1, &edge));
    reel_tensor *most = reel_slice_at(site, x, 1, reverse ? &tail : &head);
    reel_tensor *const parts[2] = {reverse ? most : end, reverse ? end : most};
    reel_tensor *last = reel_concat_at(site, (reel_list){2, parts}, 0); /* x[i - 1] */
    reel_tensor *b = reel_where_at(site, same, zero, ones), *a = reel_where_at(site, same, last, zero);
    return reel_linear_scan_at_(site, b, a, &whole);
}

/* g times the product of the segment's other rows, zeros or not: rows are put in order of segments and scanned both ways. */
int reel_vjp_segment_prod_(const reel_vjp_args *v)
{
    const char *site = v->site;
    if (!v->need[0]) return 0;
    reel_tensor *x = v->in[0], *order = reel_argsort_at(site, v->in[1], 0, false);
    reel_tensor *ids = reel_gather_at(site, v->in[1], order, 0), *sorted = reel_gather_at(site, x, order, 0);
    reel_tensor *before = product_before(site, sorted, same_as_next(site, ids, x, false), false);
    reel_tensor *after = product_before(site, sorted, same_as_next(site, ids, x, true), true);
    reel_tensor *back = reel_argsort_at(site, order, 0, false);
    reel_tensor *others = reel_gather_at(site, reel_mul_at(site, before, after), back, 0);
    v->din[0] = reel_mul_at(site, of_rows(v, v->dout[0]), others);
    return reel_status();
}
