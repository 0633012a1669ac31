/* class_loss.c: losses over classes, and the row pick that takes a label's element. */
#include "ops/loss.h"

#include <math.h>

#include "core/error.h"
#include "core/options.h"

/* ---- pick_label(x, labels): x[..., label], 0 where the label is to be ignored; labels have the shape of x's rows ------------- */
reel_tensor *reel_pick_label_at_(const char *site, reel_tensor *x, reel_tensor *labels, bool ignore, int64_t index)
{
    const reel_attr_pick a = {.ignore = ignore, .index = ignore ? index : 0};
    return reel_op2_(REEL_OP_pick_label, &a, site, x, labels);
}

static reel_tensor *is_ignored(const char *site, reel_tensor *labels, bool ignore, int64_t index)
{
    if (!ignore || !reel_num_fits_((double)index, reel_type_of_(labels)->dtype)) return NULL;
    return reel_equal_at(site, labels, reel_num_at(site, (double)index));
}

int reel_vjp_pick_label_(const reel_vjp_args *v) /* g at the label */
{
    const char *site = v->site;
    const reel_attr_pick *a = v->attr;
    const reel_axes last = {1, {-1}};
    if (!v->need[0]) return 0;
    reel_tensor *none = is_ignored(site, v->in[1], a->ignore != 0, a->index), *g = v->dout[0];
    if (none) g = reel_where_at(site, none, reel_num_at(site, 0), g);
    reel_tensor *at = reel_one_hot_like_at_(site, v->in[1], v->in[0]);
    v->din[0] = reel_mul_at(site, at, reel_unsqueeze_at(site, g, last));
    return reel_status();
}

/* ---- cross_entropy, nll_loss ----------------------------------------------------------------------------------------------- */
/* x with the classes, on axis 1 (0 of a vector), moved to the end. */
static reel_tensor *classes_last(const char *site, reel_tensor *x, bool already)
{
    const int rank = reel_type_of_(x)->shape.rank;
    reel_axes perm = {.n = rank};
    if (already || rank < 3) return x;
    perm.axis[0] = 0;
    for (int i = 1; i < rank - 1; i++) perm.axis[i] = i + 1;
    perm.axis[rank - 1] = 1;
    return reel_transpose_at(site, x, perm);
}

typedef struct classes {
    reel_cross_entropy_opts o;
    reel_tensor *x; /* classes last */
} classes;

static bool begin(const char *site, const char *fn, classes *c, reel_tensor *x, const char *what, reel_tensor *target,
                  const reel_cross_entropy_opts *given)
{
    memset(c, 0, sizeof *c);
    reel_options_(&c->o, sizeof c->o, given);
    if (!reel_optional_(c->o.weight)) return false;
    const reel_rec *r = reel_live_(site, fn, what, x), *t = r ? reel_live_(site, fn, "target", target) : NULL;
    char text[REEL_SHAPE_TEXT], other[REEL_SHAPE_TEXT];
    if (!r || !t || !reel_loss_reduction_(site, fn, c->o.reduction)) return false;
    if (!reel_is_float_(r->type.dtype)) {
        reel_fail_at_(site, REEL_EDTYPE, "%s: %s is %s, allowed: f32 f64 f16 bf16", fn, what,
                      reel_dtype_name(r->type.dtype));
        return false;
    }
    if (r->type.shape.rank == 0) {
        reel_fail_at_(site, REEL_ESHAPE, "%s: %s is a scalar, one axis holds the classes", fn, what);
        return false;
    }
    if (c->o.weight) {
        if (!reel_loss_pair_(site, fn, what, x, "weight", c->o.weight)) return false;
        const int rank = r->type.shape.rank;
        const reel_shape *w = &reel_type_of_(c->o.weight)->shape;
        const int64_t n = r->type.shape.dims[c->o.channels_last ? rank - 1 : rank > 1];
        int64_t both;
        if (w->rank != 1 || !reel_merge_dim_(w->dims[0], n, &both)) {
            reel_fail_at_(site, REEL_ESHAPE,
                          "%s: weight has shape %s, expected one number for each of the classes of %s", fn,
                          reel_shape_text_(w, text), reel_shape_text_(&r->type.shape, other));
            return false;
        }
    }
    if (!(c->o.label_smoothing >= 0 && c->o.label_smoothing <= 1)) {
        reel_fail_at_(site, REEL_EARG, "%s: label_smoothing is %g, it must be in [0, 1]", fn, c->o.label_smoothing);
        return false;
    }
    c->x = classes_last(site, x, c->o.channels_last);
    return c->x != NULL;
}

/* What a label's loss counts: weight[label], 0 where ignored; NULL: 1 for all. */
static reel_tensor *label_weights(const char *site, const classes *c, reel_tensor *labels, reel_tensor *like)
{
    if (c->o.weight)
        return reel_pick_label_at_(site, reel_broadcast_like_at(site, c->o.weight, c->x), labels, c->o.ignore,
                                   c->o.ignore_index);
    reel_tensor *none = is_ignored(site, labels, c->o.ignore, c->o.ignore_index);
    return none ? reel_where_at(site, none, reel_num_at(site, 0), reel_full_like_at_(site, like, 1)) : NULL;
}

/* total: what the mean divides by, NULL: the number of elements */
static reel_tensor *finish(const char *site, reel_tensor *loss, reel_tensor *total, reel_reduction r)
{
    if (r != REEL_REDUCE_MEAN || !total) return reel_loss_reduce_(site, loss, r);
    if (!loss) return NULL;
    reel_tensor *sum = reel_sum_at(site, reel_loss_wide_(site, loss));
    return reel_loss_narrow_(site, reel_div_at(site, sum, reel_sum_at(site, reel_loss_wide_(site, total))), loss);
}

/* -sum of weight log p over the classes */
static reel_tensor *smooth(const char *site, const classes *c, reel_tensor *log_p)
{
    const reel_axes last = {1, {-1}};
    if (c->o.weight) log_p = reel_mul_at(site, log_p, c->o.weight);
    return reel_neg_at(site, reel_sum_axes_at(site, log_p, last, false));
}

/* e / classes of x */
static reel_tensor *share(const char *site, double e, reel_tensor *x)
{
    const reel_attr_reduce last = {.axes = {1, {-1}}};
    reel_tensor *n = reel_count_like_at_(site, x, &last);
    return reel_cast_at(site, reel_div_at(site, reel_num_at(site, e), n), reel_type_of_(x)->dtype);
}

static reel_tensor *of_labels(const char *site, const classes *c, reel_tensor *labels, bool logits)
{
    const double e = c->o.label_smoothing;
    reel_tensor *log_p = c->x, *loss;
    reel_tensor *none = is_ignored(site, labels, c->o.ignore, c->o.ignore_index);
    if (logits && e == 0) {
        reel_tensor *safe = none ? reel_where_at(site, none, reel_num_at(site, 0), labels) : labels;
        loss = reel_softmax_cross_entropy_at(site, c->x, safe);
    } else {
        if (logits) log_p = reel_log_softmax_at(site, c->x, -1);
        loss = reel_neg_at(site, reel_pick_label_at_(site, log_p, labels, c->o.ignore, c->o.ignore_index));
    }
    reel_tensor *w = label_weights(site, c, labels, loss);
    if (c->o.weight) loss = reel_mul_at(site, loss, w);
    if (e > 0) {
        reel_tensor *rest = reel_mul_at(site, smooth(site, c, log_p), share(site, e, c->x));
        loss = reel_add_at(site, reel_mul_at(site, loss, reel_num_at(site, 1 - e)), rest);
    }
    if (none) loss = reel_where_at(site, none, reel_num_at(site, 0), loss);
    return finish(site, loss, w, c->o.reduction);
}

static reel_tensor *of_distribution(const char *site, const classes *c, reel_tensor *target)
{
    const double e = c->o.label_smoothing;
    reel_tensor *t = classes_last(site, target, c->o.channels_last);
    if (e > 0) t = reel_add_at(site, reel_mul_at(site, t, reel_num_at(site, 1 - e)), share(site, e, c->x));
    return reel_loss_reduce_(site, smooth(site, c, reel_mul_at(site, t, reel_log_softmax_at(site, c->x, -1))),
                             c->o.reduction);
}

reel_tensor *reel_cross_entropy_at(const char *site, reel_tensor *logits, reel_tensor *target,
                                   const reel_cross_entropy_opts *o)
{
    static const char fn[] = "reel_cross_entropy";
    classes c;
    if (!begin(site, fn, &c, logits, "logits", target, o)) return NULL;
    const reel_type *x = reel_type_of_(logits), *t = reel_type_of_(target);
    reel_shape both;
    char want[REEL_SHAPE_TEXT], have[REEL_SHAPE_TEXT];
    if (reel_is_int_(t->dtype)) return of_labels(site, &c, target, true);
    if (t->dtype != x->dtype) {
        reel_fail_at_(site, REEL_EDTYPE, "%s: target is %s, expected integer labels or %s like the logits", fn,
                      reel_dtype_name(t->dtype), reel_dtype_name(x->dtype));
        return NULL;
    }
    if (!reel_merge_shape_(&x->shape, &t->shape, &both)) {
        reel_fail_at_(site, REEL_ESHAPE, "%s: a distribution of shape %s for logits of shape %s", fn,
                      reel_shape_text_(&t->shape, have), reel_shape_text_(&x->shape, want));
        return NULL;
    }
    return of_distribution(site, &c, target);
}

reel_tensor *reel_nll_loss_at(const char *site, reel_tensor *log_probs, reel_tensor *labels,
                              const reel_cross_entropy_opts *o)
{
    static const char fn[] = "reel_nll_loss";
    classes c;
    if (!begin(site, fn, &c, log_probs, "log_probs", labels, o)) return NULL;
    if (c.o.label_smoothing > 0) {
        reel_fail_at_(site, REEL_EARG, "%s: label_smoothing is for reel_cross_entropy", fn);
        return NULL;
    }
    return of_labels(site, &c, labels, false);
}

/* ---- multi_margin_loss ------------------------------------------------------------------------------------------------------- */
reel_tensor *reel_multi_margin_loss_at(const char *site, reel_tensor *x, reel_tensor *labels,
                                       const reel_multi_margin_opts *given)
{
    static const char fn[] = "reel_multi_margin_loss";
    reel_multi_margin_opts o = {0};
    reel_options_(&o, sizeof o, given);
    const reel_cross_entropy_opts plain = {.size = sizeof plain, .weight = o.weight, .channels_last = true};
    const double margin = reel_loss_option_(o.margin, 1);
    const reel_axes last = {1, {-1}};
    classes c;
    if (!begin(site, fn, &c, x, "x", labels, &plain) || !reel_loss_reduction_(site, fn, o.reduction)) return NULL;
    if (!isfinite(margin) || o.p < 0 || o.p > 2) {
        reel_fail_at_(site, REEL_EARG, "%s: margin is %g and p %d: finite, and 1 or 2", fn, margin, o.p);
        return NULL;
    }
    reel_tensor *own = reel_unsqueeze_at(site, reel_pick_label_at_(site, x, labels, false, 0), last);
    reel_tensor *slack = reel_add_at(site, reel_sub_at(site, x, own), reel_num_at(site, margin));
    slack = reel_relu_at(site, slack);
    if (o.p == 2) slack = reel_square_at(site, slack);
    reel_tensor *is_own = reel_equal_at(site, reel_one_hot_like_at_(site, labels, x), reel_num_at(site, 1));
    reel_tensor *loss = reel_mean_axes_at(site, reel_where_at(site, is_own, reel_num_at(site, 0), slack), last, false);
    if (o.weight) loss = reel_mul_at(site, loss, label_weights(site, &c, labels, loss));
    return reel_loss_reduce_(site, loss, o.reduction);
}

/* ---- hardmax -------------------------------------------------------------------------------------------------------------------- */
reel_tensor *reel_hardmax_at(const char *site, reel_tensor *x, int axis)
{
    static const char fn[] = "reel_hardmax";
    const reel_rec *r = reel_live_(site, fn, "x", x);
    if (!r) return NULL;
    const int rank = r->type.shape.rank, at = axis < 0 ? axis + rank : axis;
    if (!reel_is_float_(r->type.dtype)) {
        reel_fail_at_(site, REEL_EDTYPE, "%s: x is %s, allowed: f32 f64 f16 bf16", fn, reel_dtype_name(r->type.dtype));
        return NULL;
    }
    if (at < 0 || at >= rank) {
        reel_fail_at_(site, REEL_EARG, "%s: axis %d is out of range for rank %d", fn, axis, rank);
        return NULL;
    }
    reel_axes to_last = {.n = rank}, back = {.n = rank};
    for (int i = 0; i < rank; i++) {
        to_last.axis[i] = i < at ? i : i < rank - 1 ? i + 1 : at;
        back.axis[i] = i < at ? i : i == at ? rank - 1 : i - 1;
    }
    reel_tensor *y = at == rank - 1 ? x : reel_transpose_at(site, x, to_last);
    if (r->type.shape.dims[at] == 0) return reel_broadcast_like_at(site, x, x);
    y = reel_one_hot_like_at_(site, reel_argmax_at(site, y, -1), y);
    return at == rank - 1 ? y : reel_transpose_at(site, y, back);
}
