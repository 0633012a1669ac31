/* internal.h: what the families share: the functions each row of ops.def names, ops that only gradients
   call, and the ways into the door. */
#ifndef REEL_OPS_INTERNAL_H
#define REEL_OPS_INTERNAL_H
#include "attrs.h"
#include "core/listener.h"
#include "core/tensor.h"
#include "ids.h"
#include "reel/ops.h"
#include "reel/tensor.h"

#define ROW(name, args, n_in, n_out, flags, keep, unify, dtypes, attr, infer, view, grad) \
    int reel_infer_##infer##_(const reel_infer *io);                                      \
    int reel_view_##view##_(const reel_view_rule *v);                                     \
    int reel_vjp_##name##_(const reel_vjp_args *v);
#include "ops.def"
#undef ROW

/* ---- ops without a public function ------------------------------------------------------------------- */
/* creation */
reel_tensor *reel_full_like_at_(const char *site, reel_tensor *x, double value);
reel_tensor *reel_permutation_of_at_(const char *site, reel_tensor *x, int axis,
                                     reel_generator *g); /* of its indices */
reel_tensor *reel_one_hot_like_at_(const char *site, reel_tensor *labels, reel_tensor *like);

/* elementwise */
int reel_check_scalars_(const double *p, const char *names); /* refuses NaN: the i-th of the names, split by commas */
/* g times a slope; see ops.def */
reel_tensor *reel_relu_grad_at_(const char *site, reel_tensor *y, reel_tensor *g);
reel_tensor *reel_tanh_grad_at_(const char *site, reel_tensor *y, reel_tensor *g);
reel_tensor *reel_sigmoid_grad_at_(const char *site, reel_tensor *y, reel_tensor *g);
/* in where low < x < high (closed: low <= x <= high), out elsewhere */
reel_tensor *reel_piece_grad_at_(const char *site, reel_tensor *x, reel_tensor *g,
                                 const reel_attr_scalars *low_high_in_out);
reel_tensor *reel_closed_piece_grad_at_(const char *site, reel_tensor *x, reel_tensor *g,
                                        const reel_attr_scalars *low_high_in_out);
reel_tensor *reel_prelu_grad_at_(const char *site, reel_tensor *x, reel_tensor *slope, reel_tensor *g);
reel_tensor *reel_elu_grad_at_(const char *site, reel_tensor *x, reel_tensor *g, const reel_attr_scalars *a);
reel_tensor *reel_hard_swish_grad_at_(const char *site, reel_tensor *x, reel_tensor *g);
reel_tensor *reel_softplus_grad_at_(const char *site, reel_tensor *x, reel_tensor *g);
reel_tensor *reel_log_sigmoid_grad_at_(const char *site, reel_tensor *x, reel_tensor *g);
reel_tensor *reel_softsign_grad_at_(const char *site, reel_tensor *x, reel_tensor *g);
reel_tensor *reel_silu_grad_at_(const char *site, reel_tensor *x, reel_tensor *g);
reel_tensor *reel_mish_grad_at_(const char *site, reel_tensor *x, reel_tensor *g);
reel_tensor *reel_gelu_grad_at_(const char *site, reel_tensor *x, reel_tensor *g);
reel_tensor *reel_gelu_tanh_grad_at_(const char *site, reel_tensor *x, reel_tensor *g);

/* reductions, scans, sorting, searching */
/* how many elements of x a reduction over axes puts into one: a [] of x's dtype; f32 for f16, which ends at 65,504, and bf16 */
reel_tensor *reel_count_like_at_(const char *site, reel_tensor *x, const reel_attr_reduce *a);
/* g / n in g's dtype for a count n of any: 16-bit g is divided in f32 */
reel_tensor *reel_over_count_(const char *site, reel_tensor *g, reel_tensor *n);
/* t, of the shape of a reduction's output, with the axes that went put back as 1: broadcasts against the input. */
reel_tensor *reel_axes_back_(const reel_vjp_args *v, const reel_attr_reduce *a, reel_tensor *t);
reel_tensor *reel_scan_(int id, const char *site, reel_tensor *x, int axis, bool exclusive, bool reverse);
reel_tensor *reel_linear_scan_at_(const char *site, reel_tensor *b, reel_tensor *a, const reel_attr_scan *how);
reel_tensor *reel_bincount_grow_at_(const char *site, reel_tensor *ids, int64_t least);
int reel_quantile_pick_at_(const char *site, reel_tensor *x, double q, int axis, int method, reel_tensor *out[3]);

/* sizes that depend on data, rows of a table */
reel_tensor *reel_uncompress_at_(const char *site, reel_tensor *g, reel_tensor *like, reel_tensor *cond, int axis);
reel_tensor *reel_put_rows_at_(const char *site, reel_tensor *g, reel_tensor *like, reel_tensor *ids);
/* in: the row's inputs; out: NULL to assign the results to the variables that in begins with */
int reel_sgd_rows_at_(const char *site, const reel_attr_update *a, reel_tensor *const in[5], reel_tensor *out[2]);
int reel_adam_rows_at_(const char *site, const reel_attr_update *a, reel_tensor *const in[7], reel_tensor *out[3]);

/* shape */
reel_tensor *reel_unslice_at_(const char *site, reel_tensor *g, reel_tensor *like, const reel_attr_slice *a);
/* part[0] = g, part[1..n-1] the tensors that were joined */
reel_tensor *reel_concat_part_at_(const char *site, reel_tensor *const part[], int n, int axis, int index);
reel_tensor *reel_meshgrid_part_at_(const char *site, reel_tensor *const part[], int n, int axis);
reel_tensor *reel_undiagonal_at_(const char *site, reel_tensor *g, reel_tensor *like, int64_t offset, int axis1,
                                 int axis2);
reel_tensor *reel_pad_grad_at_(const char *site, reel_tensor *g, reel_tensor *like, const reel_attr_pad *a);
reel_tensor *reel_tile_grad_at_(const char *site, reel_tensor *g, reel_tensor *like, const reel_shape *times);
reel_tensor *reel_fold_like_at_(const char *site, reel_tensor *g, reel_tensor *like, const reel_attr_unfold *a);
reel_tensor *reel_swap_last_at_(const char *site, reel_tensor *x); /* the last two axes swapped: a view */

/* elements picked and put by index */
int reel_check_indices_(const reel_type *indices); /* of an integer dtype */
/* The shapes that gather, take_along_axis or gather_elements, and gather_nd read; raise. */
int reel_gathered_shape_(const reel_shape *x, const reel_shape *indices, int given, int *axis, reel_shape *out);
int reel_along_shape_(const reel_shape *x, const reel_shape *indices, int given, bool broadcasts, int *axis,
                      reel_shape *out);
int reel_gathered_nd_shape_(const reel_shape *x, const reel_shape *indices, int batch, reel_shape *out);
reel_tensor *reel_gather_grad_at_(const char *site, reel_tensor *like, reel_tensor *g, reel_tensor *indices, int axis);
reel_tensor *reel_take_along_grad_at_(const char *site, reel_tensor *like, reel_tensor *g, reel_tensor *indices,
                                      int axis, bool elements);
reel_tensor *reel_gather_nd_grad_at_(const char *site, reel_tensor *like, reel_tensor *g, reel_tensor *indices,
                                     int batch);
reel_tensor *reel_scatter_reduce_at_(const char *site, reel_tensor *x, reel_tensor *indices, reel_tensor *updates,
                                     int axis, int mode);
reel_tensor *reel_scatter_nd_reduce_at_(const char *site, reel_tensor *x, reel_tensor *indices, reel_tensor *updates,
                                        int mode);
reel_tensor *reel_iota_like_at_(const char *site, reel_tensor *x);

/* linear algebra */
reel_tensor *reel_cofactor_at_(const char *site, reel_tensor *a);

/* softmax, normalisation, losses */
reel_tensor *reel_softmax_grad_at_(const char *site, reel_tensor *y, reel_tensor *g, int axis);
reel_tensor *reel_log_softmax_grad_at_(const char *site, reel_tensor *y, reel_tensor *g, int axis);
/* (x - mean) / sqrt(var + eps) scale + bias; scale and bias may be NULL from the end on. out: y, mean, var */
int reel_normalize_at_(const char *site, reel_tensor *x, reel_tensor *scale, reel_tensor *bias,
                       const reel_attr_normalize *a, reel_tensor *out[3]);
/* in: g, x, mean, var and scale if n_in is 5; out: dx, and then dscale, dbias */
int reel_normalize_grad_at_(const char *site, reel_tensor *const in[], int n_in, const reel_attr_normalize *a,
                            reel_tensor *out[]);
reel_tensor *reel_split_axis_at_(const char *site, reel_tensor *x, int axis, int groups);
reel_tensor *reel_window_sum_at_(const char *site, reel_tensor *x, int axis, int64_t before, int64_t after);
reel_tensor *reel_random_state_at_(const char *site, reel_generator *g);
reel_tensor *reel_drop_at_(const char *site, reel_tensor *x, reel_tensor *state, double p);
reel_tensor *reel_quantize_at_(const char *site, reel_tensor *x, reel_tensor *scale, reel_tensor *zero, reel_dtype d);
reel_tensor *reel_block_expand_at_(const char *site, reel_tensor *s, reel_tensor *like, int axis, int64_t block);
reel_tensor *reel_block_sum_at_(const char *site, reel_tensor *x, reel_tensor *like, int axis, int64_t block);
reel_tensor *reel_pick_label_at_(const char *site, reel_tensor *x, reel_tensor *labels, bool ignore, int64_t index);
reel_tensor *reel_ctc_grad_at_(const char *site, reel_tensor *const in[4], const reel_attr_ctc *a);
reel_tensor *reel_ctc_curve_at_(const char *site, reel_tensor *const in[], int n_in, const reel_attr_ctc *a);

/* convolution, pooling, resampling */
/* a is that of the convolution; like is its x, or its w, of which only the shape counts */
reel_tensor *reel_conv_input_at_(const char *site, reel_tensor *like, reel_tensor *g, reel_tensor *w,
                                 const reel_attr_conv *a);
reel_tensor *reel_conv_weights_at_(const char *site, reel_tensor *like, reel_tensor *g, reel_tensor *x,
                                   const reel_attr_conv *a);
reel_tensor *reel_max_pool_grad_at_(const char *site, reel_tensor *x, reel_tensor *g, const reel_attr_pool *a);
reel_tensor *reel_avg_pool_grad_at_(const char *site, reel_tensor *like, reel_tensor *g, const reel_attr_pool *a);
/* by max_pool_indices: v[n, c, indices[n, c, i]], and zeros of like's shape with g added there */
reel_tensor *reel_pool_gather_at_(const char *site, reel_tensor *v, reel_tensor *indices, const reel_attr_pool *a);
reel_tensor *reel_pool_scatter_at_(const char *site, reel_tensor *like, reel_tensor *indices, reel_tensor *g,
                                   const reel_attr_pool *a);
/* A window rule of n spatial axes from a caller's options; 0 or the code of what it raised at site for fn. */
typedef struct reel_window_words {
    const int *stride, *dilation, *pad, *before, *after, *more; /* more: output_padding, NULL: none */
    int padding;
    bool channels_last;
} reel_window_words;
int reel_fill_window_(const char *site, const char *fn, reel_window_rule *r, int n, const reel_window_words *o);
reel_tensor *reel_resize_axis_at_(const char *site, reel_tensor *x, const reel_attr_resize *a);
reel_tensor *reel_resize_axis_grad_at_(const char *site, reel_tensor *g, reel_tensor *like, const reel_attr_resize *a);
reel_tensor *reel_roi_align_grad_at_(const char *site, reel_tensor *g, reel_tensor *x, reel_tensor *rois,
                                     reel_tensor *batch, const reel_attr_roi *a);
/* u where roi_align by max found the value of x */
reel_tensor *reel_roi_pick_at_(const char *site, reel_tensor *u, reel_tensor *x, reel_tensor *rois, reel_tensor *batch,
                               const reel_attr_roi *a);
/* out: the gradients by x and by grid */
int reel_grid_sample_grad_at_(const char *site, reel_tensor *g, reel_tensor *x, reel_tensor *grid,
                              const reel_attr_grid *a, reel_tensor *out[2]);

/* attention, recurrent layers */
/* out: y and, of shape [..., H, T], ln sum e^score, -inf where there is nothing to attend to (f32 for f16 and bf16) */
int reel_attention_both_at_(const char *site, reel_tensor *const in[], int n_in, const reel_attr_attention *a,
                            reel_tensor *out[2]);
/* in: q, k, v, g, lse, delta = sum(g y, -1) [, mask]; out: dq, dk, dv */
int reel_attention_grad_at_(const char *site, reel_tensor *const in[], int n_in, const reel_attr_attention *a,
                            reel_tensor *out[3]);
/* A scan over time. in: xp [T, B, G H] (inputs times their weights), r [G H, H], then the optional operands of a->has in order: h0 [B, H],
   c0 [B, H], b [G H], rb [H] (GRU, reset after: the bias of m), lengths [B].
   out: y [T, B, H], last [h and c, B, H], saved [T, B, S H]: see reel_recurrent_parts_. */
int reel_recurrent_at_(const char *site, reel_tensor *const in[], int n_in, const reel_attr_recurrent *a,
                       reel_tensor *out[3]);
/* in: r, saved, y, then h0, c0, lengths, dy, dlast, dsaved as there are. out: dxp, the gradient of h0 and c0 [h and c, B, H], the
   states before each step [T, B, H], and m's gradient [T, B, H] ([T, B, 0] where there is no m). */
int reel_recurrent_grad_at_(const char *site, reel_tensor *const in[], int n_in, const reel_attr_recurrent *a,
                            reel_tensor *out[4]);

/* ---- the door, by number of operands ----------------------------------------------------------------- */
static const reel_attr_none reel_no_attr_ = {0};

static inline reel_tensor *reel_op1_(int id, const void *attr, const char *site, reel_tensor *x)
{
    reel_tensor *out = NULL;
    reel_door_(&reel_rows_[id], attr, &x, 1, &out, 1, site);
    return out;
}

static inline reel_tensor *reel_op2_(int id, const void *attr, const char *site, reel_tensor *x, reel_tensor *y)
{
    reel_tensor *const in[2] = {x, y};
    reel_tensor *out = NULL;
    reel_door_(&reel_rows_[id], attr, in, 2, &out, 1, site);
    return out;
}

/* ---- attributes: bytes beyond rank and n stay 0 ------------------------------------------------------- */
static inline void reel_put_shape_(reel_shape *to, const reel_shape *s)
{
    to->rank = s->rank;
    for (int i = 0; i < s->rank && i < REEL_MAX_RANK; i++) to->dims[i] = s->dims[i];
}

static inline void reel_put_axes_(reel_axes *to, const reel_axes *a)
{
    to->n = a->n;
    for (int i = 0; i < a->n && i < REEL_MAX_RANK; i++) to->axis[i] = a->axis[i];
}

/* ---- for vjps ---------------------------------------------------------------------------------------- */
/* What handle t stands for, dead or alive: a vjp's handles keep at least id and type. In graphs, and in traces where sizes
   depend on data, dimensions may be REEL_ANY. */
static inline const reel_type *reel_type_of_(const reel_tensor *t)
{
    return reel_traced_type_(reel_rec_of_(t));
}

/* g summed to the shape of x; g itself where the shapes are known to agree. */
static inline reel_tensor *reel_to_shape_(const char *site, reel_tensor *g, reel_tensor *x)
{
    if (!g) return NULL;
    const reel_shape *a = &reel_type_of_(g)->shape, *b = &reel_type_of_(x)->shape;
    return reel_shape_same_(a, b) && reel_shape_known_(a) ? g : reel_sum_like_at(site, g, x);
}

/* A dimension that stands for both; false: they differ. */
static inline bool reel_merge_dim_(int64_t a, int64_t b, int64_t *out)
{
    *out = a == REEL_ANY ? b : a;
    return a == b || a == REEL_ANY || b == REEL_ANY;
}

/* Shapes that agree wherever both are known; *out (may be a or b) has what is known of either. */
static inline bool reel_merge_shape_(const reel_shape *a, const reel_shape *b, reel_shape *out)
{
    if (a->rank != b->rank) return false;
    reel_shape m = {.rank = a->rank};
    for (int i = 0; i < a->rank; i++)
        if (!reel_merge_dim_(a->dims[i], b->dims[i], &m.dims[i])) return false;
    *out = m;
    return true;
}
#endif
