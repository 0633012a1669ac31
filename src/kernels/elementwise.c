/* elementwise.c: the kernels of the elementwise ops: prepare picks an inner loop by op, dtype and ISA level, loop.c does the
   rest. */
#include "kernels/elementwise.h"
#include "core/compiler.h"
#include "kernels/cpu_table.h"
#include "kernels/kernels.h"
#include "kernels/many.h"
#include "kernels/vmath.h"
#include "ops/attrs.h"
#include "reel/base.h"

static REEL_COLD int no_loop(const reel_ksig *sig)
{
    return reel_fail(REEL_EDTYPE, "the CPU has no kernel for dtype %s", reel_dtype_name(sig->in[0].dtype));
}

/* ---- the ops of elementwise.def ---------------------------------------------------------------------- */
#define UNARY(name, ...) ENTRY(name)
#define BINARY(name, ...) ENTRY(name)
#define TERNARY(name, ...) ENTRY(name)
#define TEST(name, ...) ENTRY(name)
#define COMPARE(name, ...) ENTRY(name)
static const reel_ew_row *const rows[][REEL_N_OPS] = {
#define ENTRY(name) [REEL_OP_##name] = &reel_ew_##name##_base_,
    {
#include "ops/elementwise.def"
    },
#undef ENTRY
#ifdef REEL_HAVE_LEVELS
#define ENTRY(name) [REEL_OP_##name] = &reel_ew_##name##_v3_,
    {
#include "ops/elementwise.def"
    },
#undef ENTRY
#define ENTRY(name) [REEL_OP_##name] = &reel_ew_##name##_v4_,
    {
#include "ops/elementwise.def"
    },
#undef ENTRY
#endif
};
#undef UNARY
#undef BINARY
#undef TERNARY
#undef TEST
#undef COMPARE

const reel_ew_row *reel_ew_row_(int op, int level)
{
    return rows[level][op];
}

typedef struct elementwise_plan {
    reel_loop loop;
    reel_attr_scalars scalars; /* zeros for an op without attributes */
} elementwise_plan;
_Static_assert(sizeof(elementwise_plan) <= REEL_PLAN_STACK, "cheap kernels are prepared on the stack");

static int elementwise_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    (void)workspace;
    elementwise_plan *p = plan;
    const reel_ew_row *row = rows[reel_level_()][sig->op->id];
    reel_inner_fn *fn = row->loop[sig->in[0].dtype];
    if (REEL_UNLIKELY(!fn)) {
        return no_loop(sig);
    }
    if (REEL_UNLIKELY(sig->op->attr_size)) {
        p->scalars = *(const reel_attr_scalars *)sig->attr;
    } else {
        p->scalars = (reel_attr_scalars){0};
    }
    reel_loop_init_(&p->loop, sig, fn, row->grain, row->spread);
    return 0;
}
static int elementwise_run(const void *plan, void *const *ptr, void *work)
{
    (void)work;
    const elementwise_plan *p = plan;
    reel_loop_run_(&p->loop, ptr, &p->scalars);
    return 0;
}
const reel_kernel reel_k_elementwise_ = {.plan_size = sizeof(elementwise_plan),
                                         .flags = REEL_K_CHEAP,
                                         .prepare = elementwise_prepare,
                                         .run = elementwise_run};

/* ---- where -------------------------------------------------------------------------------------------- */
static int where_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    (void)workspace;
    reel_loop_init_(plan, sig, REEL_PICK(reel_where_table)->loop[reel_size_(sig->out[0].dtype)], REEL_GRAIN_LIGHT,
                    true);
    return 0;
}
static int where_run(const void *plan, void *const *ptr, void *work)
{
    (void)work;
    reel_loop_run_(plan, ptr, NULL);
    return 0;
}
const reel_kernel reel_k_where_ = {
    .plan_size = sizeof(reel_loop), .flags = REEL_K_CHEAP, .prepare = where_prepare, .run = where_run};

/* ---- cast ----------------------------------------------------------------------------------------------- */
typedef struct cast_plan {
    reel_loop loop;
    reel_cast_dtypes dtypes;
} cast_plan;

static void convert(void *const *ptr, const uint8_t *step, int64_t n, const void *extra)
{
    const reel_cast_dtypes *d = extra;
    reel_convert_(ptr[1], d->to, 1, ptr[0], d->from, step[0], n);
}
static int cast_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    (void)workspace;
    cast_plan *p = plan;
    p->dtypes = (reel_cast_dtypes){sig->in[0].dtype, sig->out[0].dtype};
    reel_inner_fn *fn = REEL_PICK(reel_cast_table)->loop[p->dtypes.from][p->dtypes.to];
    reel_loop_init_(&p->loop, sig, fn ? fn : convert, REEL_GRAIN_LIGHT, false);
    return 0;
}
static int cast_run(const void *plan, void *const *ptr, void *work)
{
    (void)work;
    const cast_plan *p = plan;
    reel_loop_run_(&p->loop, ptr, &p->dtypes);
    return 0;
}
const reel_kernel reel_k_cast_ = {
    .plan_size = sizeof(cast_plan), .flags = REEL_K_CHEAP, .prepare = cast_prepare, .run = cast_run};

/* ---- any of these as a part of a fused kernel ---------------------------------------------------------- */
int reel_loop_op_(reel_loop_op *op, const reel_fused_part *part)
{
    const reel_kernel *k = reel_cpu_device_.kernels[part->op->id];
    const reel_dtype from = part->in_dtype[0], to = part->out_dtype;
    *op = (reel_loop_op){.grain = REEL_GRAIN_LIGHT};
    if (k == &reel_k_where_) {
        op->fn = REEL_PICK(reel_where_table)->loop[reel_size_(to)];
        op->spread = true;
    } else if (k == &reel_k_cast_) {
        reel_inner_fn *fn = REEL_PICK(reel_cast_table)->loop[from][to];
        op->fn = fn ? fn : convert;
        op->extra.cast = (reel_cast_dtypes){from, to};
    } else {
        const reel_ew_row *row = rows[reel_level_()][part->op->id];
        op->fn = row->loop[from];
        op->grain = row->grain;
        op->spread = row->spread;
        if (part->op->attr_size) op->extra.scalars = *(const reel_attr_scalars *)part->attr;
    }
    return op->fn ? 0 : reel_fail(REEL_EDTYPE, "the CPU has no kernel for dtype %s", reel_dtype_name(from));
}

/* ---- optimizer steps ------------------------------------------------------------------------------------- */
typedef struct update_plan {
    reel_loop loop;
    reel_attr_update attr;
    reel_dtype dtype;
    bool adam;
} update_plan;
_Static_assert(sizeof(update_plan) <= REEL_PLAN_STACK, "cheap kernels are prepared on the stack");

int reel_update_loop_(const reel_ksig *sig, reel_loop *loop)
{
    const reel_update_table *t = REEL_PICK(reel_update_table);
    const reel_dtype d = sig->in[0].dtype;
    reel_inner_fn *fn = sig->op->id == REEL_OP_adam_update ? t->adam[d] : t->sgd[d];
    if (!fn) {
        return no_loop(sig);
    }
    reel_ksig tensors = *sig; /* without the scalars behind them; a broadcast gradient is spread out */
    tensors.n_in = sig->n_out + 1;
    reel_loop_init_(loop, &tensors, fn, REEL_GRAIN_LIGHT / 4, false);
    return 0;
}
static int update_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    (void)workspace;
    update_plan *p = plan;
    p->attr = *(const reel_attr_update *)sig->attr;
    p->dtype = sig->in[0].dtype;
    p->adam = sig->op->id == REEL_OP_adam_update;
    return reel_update_loop_(sig, &p->loop);
}
reel_update_step reel_update_step_(const reel_attr_update *a, bool adam, const void *lr, const void *t, reel_dtype d)
{
    reel_update_step s = {
        .momentum = a->momentum, .decay = a->decay, .beta1 = a->beta1, .beta2 = a->beta2, .eps = a->eps};
    s.lr = reel_load_number_(lr, d);
    if (!adam) return s;
    const double step = reel_load_number_(t, d);
    s.rate = s.lr / (1 - reel_pow_f64_(a->beta1, step));
    s.scale = 1 / (1 - reel_pow_f64_(a->beta2, step));
    return s;
}
static int update_run(const void *plan, void *const *ptr, void *work)
{
    (void)work;
    const update_plan *p = plan;
    const reel_update_step s =
        reel_update_step_(&p->attr, p->adam, ptr[p->adam ? 4 : 3], p->adam ? ptr[5] : NULL, p->dtype);
    const int n_out = p->adam ? 3 : 2, n_in = p->adam ? 6 : 4;
    void *tensors[7];
    memcpy(tensors, ptr, (size_t)(n_out + 1) * sizeof *ptr);
    memcpy(tensors + n_out + 1, ptr + n_in, (size_t)n_out * sizeof *ptr);
    reel_loop_run_(&p->loop, tensors, &s);
    return 0;
}
const reel_kernel reel_k_update_ = {
    .plan_size = sizeof(update_plan), .flags = REEL_K_CHEAP, .prepare = update_prepare, .run = update_run};
