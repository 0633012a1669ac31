/* reduce.c: the reductions: plans and the joining of parts. The loops are in level_reduce.c, level_terms.c and level_stats.c. */
#include "kernels/reduce.h"
#include "core/dtype.h"
#include "core/error.h"
#include "core/shape.h"
#include "kernels/cpu_table.h"
#include "kernels/isa.h"
#include "kernels/kernels.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "reel/tensor.h"

REEL_DECLARE_LEVELS(reel_reduce_table, reel_reduce_table);
REEL_DECLARE_LEVELS(reel_reduce_terms, reel_reduce_terms);
REEL_DECLARE_LEVELS(reel_reduce_stats, reel_reduce_stats);

typedef void finish_fn(const reel_reduce_plan *p, void *out, const void *partial);

static void store_sum(void *out, reel_dtype d, int64_t i, double v)
{
    switch (d) {
    case REEL_F32: ((float *)out)[i] = (float)v; break;
    case REEL_F64: ((double *)out)[i] = v; break;
    case REEL_F16: ((uint16_t *)out)[i] = reel_f64_to_f16_(v); break;
    default: ((uint16_t *)out)[i] = reel_f64_to_bf16_(v); break;
    }
}

static void finish_sum(const reel_reduce_plan *p, void *out, const void *partial)
{
    const double *v = partial;
    for (int64_t o = 0; o < p->n_out; o++, v += p->n_parts) {
        reel_pairwise tree;
        tree.n = 0, tree.top = 0;
        for (int64_t s = 0; s < p->n_parts; s++) reel_pairwise_push_(&tree, v[s]);
        store_sum(out, p->dtype, o, reel_sum_result_(reel_pairwise_end_(&tree), p->kind, p->n_red));
    }
}

static void finish_product(const reel_reduce_plan *p, void *out, const void *partial)
{
    const double *v = partial;
    for (int64_t o = 0; o < p->n_out; o++, v += p->n_parts) {
        reel_pairwise tree;
        tree.n = 0, tree.top = 0;
        for (int64_t s = 0; s < p->n_parts; s++) reel_product_push_(&tree, v[s]);
        store_sum(out, p->dtype, o, reel_sum_result_(reel_product_end_(&tree), p->kind, p->n_red));
    }
}

/* A result of two numbers: the parts joined in the tree. */
static reel_stat join_stats(const reel_stat *v, int64_t n, reel_stat (*join)(reel_stat, reel_stat))
{
    reel_stat_tree tree;
    tree.n = 0, tree.top = 0;
    for (int64_t s = 0; s < n; s++) {
        reel_stat x = v[s];
        for (int64_t k = tree.n++; k & 1; k >>= 1) x = join(tree.v[--tree.top], x);
        tree.v[tree.top++] = x;
    }
    reel_stat x = tree.top ? tree.v[--tree.top] : (reel_stat){0, 0, 0};
    while (tree.top) x = join(tree.v[--tree.top], x);
    return x;
}

static void finish_variance(const reel_reduce_plan *p, void *out, const void *partial)
{
    for (int64_t o = 0; o < p->n_out; o++) {
        const reel_stat s = join_stats((const reel_stat *)partial + o * p->n_parts, p->n_parts, reel_join_variance_);
        store_sum(out, p->dtype, o, reel_variance_result_(p, s));
    }
}

static void finish_exps(const reel_reduce_plan *p, void *out, const void *partial)
{
    for (int64_t o = 0; o < p->n_out; o++) {
        const reel_stat s = join_stats((const reel_stat *)partial + o * p->n_parts, p->n_parts, reel_join_exps_);
        store_sum(out, p->dtype, o, reel_exps_result_(s));
    }
}

static int64_t total(const int64_t *v, int64_t n)
{
    int64_t sum = 0;
    for (int64_t s = 0; s < n; s++) sum += v[s];
    return sum;
}

static void finish_count(const reel_reduce_plan *p, void *out, const void *partial)
{
    for (int64_t o = 0; o < p->n_out; o++)
        ((int64_t *)out)[o] = total((const int64_t *)partial + o * p->n_parts, p->n_parts);
}

static void finish_any(const reel_reduce_plan *p, void *out, const void *partial)
{
    for (int64_t o = 0; o < p->n_out; o++)
        ((uint8_t *)out)[o] = total((const int64_t *)partial + o * p->n_parts, p->n_parts) != 0;
}

static void finish_all(const reel_reduce_plan *p, void *out, const void *partial)
{
    for (int64_t o = 0; o < p->n_out; o++)
        ((uint8_t *)out)[o] = total((const int64_t *)partial + o * p->n_parts, p->n_parts) == p->n_red;
}

static void finish_int_sum(const reel_reduce_plan *p, void *out, const void *partial)
{
    const uint64_t *v = partial;
    for (int64_t o = 0; o < p->n_out; o++, v += p->n_parts) {
        const bool product = p->kind == REEL_RED_PRODUCT;
        uint64_t sum = product;
        for (int64_t s = 0; s < p->n_parts; s++) sum = product ? sum * v[s] : sum + v[s];
        switch (p->dtype) {
        case REEL_I32: ((int32_t *)out)[o] = (int32_t)sum; break;
        case REEL_I64: ((int64_t *)out)[o] = (int64_t)sum; break;
        default: ((uint8_t *)out)[o] = (uint8_t)sum; break;
        }
    }
}

static void finish_max(const reel_reduce_plan *p, void *out, const void *partial)
{
    const int64_t *v = partial;
    for (int64_t o = 0; o < p->n_out; o++, v += p->n_parts) {
        int64_t best = v[0];
        for (int64_t s = 1; s < p->n_parts; s++) best = v[s] > best ? v[s] : best;
        const uint64_t u = p->bits;
        switch (p->dtype) {
        case REEL_F32: ((float *)out)[o] = reel_unkey_f32_((int32_t)best, (int32_t)u); break;
        case REEL_F64: ((double *)out)[o] = reel_unkey_f64_(best, (int64_t)u); break;
        case REEL_F16: ((uint16_t *)out)[o] = reel_unkey_16_((int16_t)best, 0x7e00, (int)u); break;
        case REEL_BF16: ((uint16_t *)out)[o] = reel_unkey_16_((int16_t)best, 0x7fc0, (int)u); break;
        case REEL_I32: ((int32_t *)out)[o] = (int32_t)(best ^ (int64_t)u); break;
        case REEL_I64: ((int64_t *)out)[o] = best ^ (int64_t)u; break;
        default: ((uint8_t *)out)[o] = (uint8_t)(best ^ (int64_t)u); break;
        }
    }
}

static void finish_argmax(const reel_reduce_plan *p, void *out, const void *partial)
{
    const reel_best *v = partial;
    for (int64_t o = 0; o < p->n_out; o++, v += p->n_parts) {
        reel_best best = v[0];
        for (int64_t s = 1; s < p->n_parts; s++)
            if (v[s].key > best.key || (p->last && v[s].key == best.key)) best = v[s];
        ((int64_t *)out)[o] = best.index;
    }
}

/* Axes in mask are reduced. Fills everything but body and finish; says whether the column loops serve. */
static bool plan_axes(reel_reduce_plan *p, const reel_kview *x, unsigned mask)
{
    p->kept.n = p->red.n = 0;
    p->n_out = p->n_red = 1;
    p->dtype = x->dtype;
    p->kind = REEL_RED_SUM;
    p->last = p->count_out = false;
    p->bits = 0;
    p->correction = 0;
    for (int k = x->rank - 1; k >= 0; k--) {
        const int64_t dim = x->dims[k];
        if (mask >> k & 1) {
            p->n_red *= dim;
            reel_walk_add_(&p->red, dim, x->strides[k]);
        } else {
            p->n_out *= dim;
            reel_walk_add_(&p->kept, dim, x->strides[k]);
        }
    }
    /* columns: the innermost kept axis (still first in its list) is contiguous, the reduced one is not */
    const bool columns =
        p->n_red > 1 && p->kept.n && p->kept.stride[0] == 1 && p->kept.dim[0] >= 4 && p->red.stride[0] != 1;
    const int64_t width = columns ? p->kept.dim[0] : 1, tile = width < REEL_RED_COLS ? width : REEL_RED_COLS;
    reel_walk_turn_(&p->kept);
    reel_walk_turn_(&p->red);
    p->columns = columns;
    p->n_tiles = width <= REEL_RED_COLS ? 1 : (width + REEL_RED_COLS - 1) / REEL_RED_COLS;
    p->n_tasks = columns && p->n_out ? p->n_out / width * p->n_tiles : p->n_out;
    p->n_parts = 1;
    p->part = p->n_red;
    p->grain = p->n_tasks;
    if (p->n_out && p->n_red && p->n_out * p->n_red > REEL_RED_WORK) {
        int64_t part = REEL_RED_CHUNK;
        while (part * tile < REEL_RED_WORK) part *= 2;
        if (p->n_red > part) {
            p->part = part;
            p->n_parts = (p->n_red + part - 1) / part;
            p->n_tasks *= p->n_parts;
        }
        p->grain = REEL_RED_WORK / ((p->part < p->n_red ? p->part : p->n_red) * tile);
        if (p->grain < 1) p->grain = 1;
    }
    p->join = p->n_parts > 1;
    return columns;
}

static int prepare_sum(const reel_ksig *sig, void *plan, size_t *workspace, unsigned mask)
{
    reel_reduce_plan *p = plan;
    const reel_reduce_table *table = REEL_PICK(reel_reduce_table);
    const reel_dtype d = sig->in[0].dtype;
    p->body = plan_axes(p, &sig->in[0], mask) ? table->sum_cols[d] : table->sum_rows[d];
    p->finish = reel_is_float_(d) ? finish_sum : finish_int_sum;
    if (p->n_parts > 1) *workspace = (size_t)(p->n_out * p->n_parts) * sizeof(double);
    return p->body ? 0 : reel_fail(REEL_EDTYPE, "there is no sum of %s", reel_dtype_name(d));
}

/* The attribute's axes, checked by the shape rule already, as a mask. */
static unsigned axes_mask(const reel_axes *axes, int rank)
{
    if (axes->n == 0) return (1u << rank) - 1;
    unsigned mask = 0;
    for (int i = 0; i < axes->n; i++) mask |= 1u << (axes->axis[i] < 0 ? axes->axis[i] + rank : axes->axis[i]);
    return mask;
}

static int sum_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_attr_reduce *a = sig->attr;
    const int code = prepare_sum(sig, plan, workspace, axes_mask(&a->axes, sig->in[0].rank));
    if (sig->op->id == REEL_OP_mean) ((reel_reduce_plan *)plan)->kind = REEL_RED_MEAN;
    return code;
}

static int sum_like_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_kview *x = &sig->in[0], *like = &sig->in[1];
    const int lead = x->rank - like->rank;
    unsigned mask = (1u << lead) - 1;
    for (int k = lead; k < x->rank; k++)
        if (like->dims[k - lead] == 1) mask |= 1u << k;
    return prepare_sum(sig, plan, workspace, mask);
}

static int pair_prepare(const reel_ksig *sig, reel_reduce_plan *p, const reel_reduce_pair *loops, finish_fn *finish,
                        const reel_axes *axes, size_t part_bytes, size_t *workspace)
{
    const reel_dtype d = sig->in[0].dtype;
    const bool columns = plan_axes(p, &sig->in[0], axes_mask(axes, sig->in[0].rank));
    p->body = columns ? loops->cols[d] : loops->rows[d];
    p->finish = finish;
    if (p->n_parts > 1) *workspace = (size_t)(p->n_out * p->n_parts) * part_bytes;
    return p->body ? 0 : reel_fail(REEL_EDTYPE, "there is no kernel for %s", reel_dtype_name(d));
}

static int product_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_attr_reduce *a = sig->attr;
    reel_reduce_plan *p = plan;
    int code;
    if (reel_is_int_(sig->in[0].dtype))
        code = prepare_sum(sig, plan, workspace, axes_mask(&a->axes, sig->in[0].rank));
    else
        code = pair_prepare(sig, p, &REEL_PICK(reel_reduce_terms)->product, finish_product, &a->axes, sizeof(double),
                            workspace);
    p->kind = REEL_RED_PRODUCT;
    return code;
}

/* l1, l2, sum_square */
static int norm_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_attr_reduce *a = sig->attr;
    const reel_reduce_terms *table = REEL_PICK(reel_reduce_terms);
    const reel_reduce_pair *loops = sig->op->id == REEL_OP_l1 ? &table->abs : &table->square;
    const int code = pair_prepare(sig, plan, loops, finish_sum, &a->axes, sizeof(double), workspace);
    ((reel_reduce_plan *)plan)->kind = sig->op->id == REEL_OP_l2 ? REEL_RED_ROOT : REEL_RED_SUM;
    return code;
}

static int variance_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_attr_variance *a = sig->attr;
    reel_reduce_plan *p = plan;
    const int code = pair_prepare(sig, p, &REEL_PICK(reel_reduce_stats)->variance, finish_variance, &a->reduce.axes,
                                  sizeof(reel_stat), workspace);
    p->kind = sig->op->id == REEL_OP_std ? REEL_RED_ROOT : REEL_RED_SUM;
    p->correction = a->correction;
    return code;
}

static int logsumexp_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_attr_reduce *a = sig->attr;
    return pair_prepare(sig, plan, &REEL_PICK(reel_reduce_stats)->logsumexp, finish_exps, &a->axes, sizeof(reel_stat),
                        workspace);
}

/* count_nonzero, any, all: an element is not zero if it has a bit, the sign of a float aside */
static int count_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    static const reel_dtype by_size[] = {[1] = REEL_I8, [2] = REEL_F16, [4] = REEL_I32, [8] = REEL_I64};
    const reel_attr_reduce *a = sig->attr;
    const reel_kview *x = &sig->in[0];
    const reel_reduce_pair *loops = &REEL_PICK(reel_reduce_stats)->count;
    const size_t size = reel_size_(x->dtype);
    const int id = sig->op->id;
    reel_reduce_plan *p = plan;
    const bool columns = plan_axes(p, x, axes_mask(&a->axes, x->rank));
    p->body = columns ? loops->cols[by_size[size]] : loops->rows[by_size[size]];
    p->finish = id == REEL_OP_any ? finish_any : id == REEL_OP_all ? finish_all : finish_count;
    p->bits = reel_is_float_(x->dtype) ? ~(UINT64_C(1) << (8 * size - 1)) : UINT64_MAX;
    p->count_out = id == REEL_OP_count_nonzero;
    p->join = p->join || !p->count_out;
    if (p->join) *workspace = (size_t)(p->n_out * p->n_parts) * sizeof(int64_t);
    return 0;
}

/* What turns the order of d's elements around. */
static uint64_t flip_of(reel_dtype d)
{
    return reel_is_float_(d) ? UINT64_C(1) << (8 * reel_size_(d) - 1) : UINT64_MAX;
}

static int max_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_attr_reduce *a = sig->attr;
    const reel_reduce_table *table = REEL_PICK(reel_reduce_table);
    const reel_dtype d = sig->in[0].dtype;
    const int id = sig->op->id;
    reel_reduce_plan *p = plan;
    const bool columns = plan_axes(p, &sig->in[0], axes_mask(&a->axes, sig->in[0].rank));
    const bool arg = id == REEL_OP_argmax || id == REEL_OP_argmin, low = id == REEL_OP_min || id == REEL_OP_argmin;
    if (arg)
        p->body = columns ? table->argmax_cols[d] : table->argmax_rows[d];
    else
        p->body = columns ? table->max_cols[d] : table->max_rows[d];
    p->finish = arg ? finish_argmax : finish_max;
    p->bits = low ? flip_of(d) : 0;
    p->last = a->last != 0;
    if (p->n_parts > 1) *workspace = (size_t)(p->n_out * p->n_parts) * (arg ? sizeof(reel_best) : sizeof(int64_t));
    if (p->n_red == 0 && p->n_out != 0)
        return reel_fail(REEL_EARG, "the %s of no elements is not defined", low ? "minimum" : "maximum");
    return 0;
}

typedef struct job {
    const reel_reduce_plan *plan;
    const void *x;
    void *out, *work;
} job;

static void piece(void *arg, int64_t begin, int64_t end)
{
    const job *j = arg;
    j->plan->body(j->plan, j->x, j->out, j->work, begin, end);
}

static int run_to(const reel_reduce_plan *p, const void *x, void *out, void *work)
{
    if (REEL_LIKELY(p->n_tasks <= p->grain)) {
        p->body(p, x, out, work, 0, p->n_tasks);
    } else {
        job j = {p, x, out, work};
        reel_parallel_for(p->n_tasks, p->grain, piece, &j);
    }
    if (p->join) p->finish(p, out, work);
    return 0;
}

static int reduce_run(const void *plan, void *const *ptr, void *work)
{
    return run_to(plan, ptr[0], ptr[1], work);
}

static int sum_like_run(const void *plan, void *const *ptr, void *work)
{
    return run_to(plan, ptr[0], ptr[2], work);
}

#define KERNEL(name)                       \
    const reel_kernel reel_k_##name##_ = { \
        .plan_size = sizeof(reel_reduce_plan), .flags = REEL_K_CHEAP, .prepare = name##_prepare, .run = reduce_run}
KERNEL(sum);
KERNEL(max);
KERNEL(product);
KERNEL(norm);
KERNEL(variance);
KERNEL(logsumexp);
const reel_kernel reel_k_count_nonzero_ = {
    .plan_size = sizeof(reel_reduce_plan), .flags = REEL_K_CHEAP, .prepare = count_prepare, .run = reduce_run};
const reel_kernel reel_k_sum_like_ = {
    .plan_size = sizeof(reel_reduce_plan), .flags = REEL_K_CHEAP, .prepare = sum_like_prepare, .run = sum_like_run};
_Static_assert(sizeof(reel_reduce_plan) <= REEL_PLAN_STACK, "a cheap kernel's plan lives on the stack");

/* ---- as a part of a fused kernel ------------------------------------------------------------------------ */

reel_reduces reel_reduces_(const reel_op *op)
{
    const reel_kernel *k = reel_kernel_(&reel_cpu_device_, op);
    if (op->id == REEL_OP_argmax || op->id == REEL_OP_argmin)
        return REEL_REDUCES_SHORT; /* pieces would need their places */
    return k == &reel_k_sum_ || k == &reel_k_max_ || k == &reel_k_product_ || k == &reel_k_norm_ ||
                   k == &reel_k_variance_ || k == &reel_k_logsumexp_ || k == &reel_k_count_nonzero_ ||
                   k == &reel_k_sum_like_
               ? REEL_REDUCES
               : REEL_REDUCES_NOT;
}

const reel_kernel *reel_reduce_axes_(reel_reduce_plan *p, const reel_op *op, const void *attr, const reel_kview *x,
                                     unsigned axes, const reel_kview *out, size_t *workspace)
{
    const reel_op *own = op->id == REEL_OP_sum_like ? &reel_rows_[REEL_OP_sum] : op;
    reel_attr_variance a;
    memset(&a, 0, sizeof a);
    if (op->attr_size) memcpy(&a, attr, op->attr_size);
    a.reduce.axes.n = 0;
    for (int d = 0; d < x->rank; d++)
        if (axes >> d & 1) a.reduce.axes.axis[a.reduce.axes.n++] = d;
    const reel_ksig sig = {.op = own, .attr = &a, .n_in = 1, .n_out = 1, .in = x, .out = out};
    const reel_kernel *k = reel_kernel_(&reel_cpu_device_, own);
    return k->prepare(&sig, p, workspace) ? NULL : k;
}

int reel_reduce_rows_(reel_reduce_plan *p, const reel_fused_part *f, int64_t rows, int64_t cols, size_t *part)
{
    const int64_t dims[2] = {rows, cols}, strides[2] = {cols, 1}, one = 1;
    const reel_kview in = {f->in_dtype[0], 2, dims, strides, NULL}, out = {f->out_dtype, 1, &rows, &one, NULL};
    size_t workspace = 0;
    const reel_kernel *k = reel_reduce_axes_(p, f->op, f->attr, &in, 2, &out, &workspace);
    p->join = f->op->id == REEL_OP_any || f->op->id == REEL_OP_all;
    p->n_parts = 1;
    p->part = cols;
    p->n_tasks = rows;
    *part = p->finish == finish_variance || p->finish == finish_exps ? sizeof(reel_stat)
            : p->finish == finish_argmax                             ? sizeof(reel_best)
                                                                     : sizeof(int64_t);
    return k ? 0 : reel_status();
}
