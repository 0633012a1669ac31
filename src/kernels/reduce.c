/* reduce.c: sum, mean, max, argmax and sum_like: plans and the joining of parts. The loops are level_reduce.c's. */
#include "kernels/reduce.h"
#include "core/dtype.h"
#include "core/error.h"
#include "core/shape.h"
#include "kernels/isa.h"
#include "kernels/kernels.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "reel/tensor.h"

REEL_DECLARE_LEVELS(reel_reduce_table, reel_reduce_table);

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
        store_sum(out, p->dtype, o, reel_sum_result_(reel_pairwise_end_(&tree), p->mean, p->n_red));
    }
}

static void finish_int_sum(const reel_reduce_plan *p, void *out, const void *partial)
{
    const uint64_t *v = partial;
    for (int64_t o = 0; o < p->n_out; o++, v += p->n_parts) {
        uint64_t sum = 0;
        for (int64_t s = 0; s < p->n_parts; s++) sum += v[s];
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
        switch (p->dtype) {
        case REEL_F32: ((float *)out)[o] = reel_unkey_f32_((int32_t)best); break;
        case REEL_F64: ((double *)out)[o] = reel_unkey_f64_(best); break;
        case REEL_F16: ((uint16_t *)out)[o] = reel_unkey_16_((int16_t)best, 0x7e00); break;
        case REEL_BF16: ((uint16_t *)out)[o] = reel_unkey_16_((int16_t)best, 0x7fc0); break;
        case REEL_I32: ((int32_t *)out)[o] = (int32_t)best; break;
        case REEL_I64: ((int64_t *)out)[o] = best; break;
        default: ((uint8_t *)out)[o] = (uint8_t)best; break;
        }
    }
}

static void finish_argmax(const reel_reduce_plan *p, void *out, const void *partial)
{
    const reel_best *v = partial;
    for (int64_t o = 0; o < p->n_out; o++, v += p->n_parts) {
        reel_best best = v[0];
        for (int64_t s = 1; s < p->n_parts; s++)
            if (v[s].key > best.key) best = v[s];
        ((int64_t *)out)[o] = best.index;
    }
}

/* Axes in mask are reduced. Fills everything but body and finish; says whether the column loops serve. */
static bool plan_axes(reel_reduce_plan *p, const reel_kview *x, unsigned mask)
{
    p->kept.n = p->red.n = 0;
    p->n_out = p->n_red = 1;
    p->dtype = x->dtype;
    p->mean = false;
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
    ((reel_reduce_plan *)plan)->mean = sig->op->id == REEL_OP_mean;
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

static int max_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_attr_reduce *a = sig->attr;
    const reel_reduce_table *table = REEL_PICK(reel_reduce_table);
    const reel_dtype d = sig->in[0].dtype;
    reel_reduce_plan *p = plan;
    const bool columns = plan_axes(p, &sig->in[0], axes_mask(&a->axes, sig->in[0].rank));
    const bool arg = sig->op->id == REEL_OP_argmax;
    if (arg)
        p->body = columns ? table->argmax_cols[d] : table->argmax_rows[d];
    else
        p->body = columns ? table->max_cols[d] : table->max_rows[d];
    p->finish = arg ? finish_argmax : finish_max;
    if (p->n_parts > 1) *workspace = (size_t)(p->n_out * p->n_parts) * (arg ? sizeof(reel_best) : sizeof(int64_t));
    if (p->n_red == 0 && p->n_out != 0) return reel_fail(REEL_EARG, "the maximum of no elements is not defined");
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
    if (p->n_parts > 1) p->finish(p, out, work);
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

const reel_kernel reel_k_sum_ = {sizeof(reel_reduce_plan), REEL_K_CHEAP, sum_prepare, reduce_run, NULL};
const reel_kernel reel_k_max_ = {sizeof(reel_reduce_plan), REEL_K_CHEAP, max_prepare, reduce_run, NULL};
const reel_kernel reel_k_argmax_ = {sizeof(reel_reduce_plan), REEL_K_CHEAP, max_prepare, reduce_run, NULL};
const reel_kernel reel_k_sum_like_ = {sizeof(reel_reduce_plan), REEL_K_CHEAP, sum_like_prepare, sum_like_run, NULL};
_Static_assert(sizeof(reel_reduce_plan) <= REEL_PLAN_STACK, "a cheap kernel's plan lives on the stack");
