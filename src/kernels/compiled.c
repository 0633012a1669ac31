/* compiled.c: what the printer of compiled plans (trace/compile_print.c) is told by the CPU: the formulas of elementwise.def as
   text, the head with the vector math that they call, and the flags of the ISA level that runs. */
#include "core/dtype.h"
#include "kernels/cpu_table.h"
#include "kernels/elementwise.h"
#include "kernels/kernels.h"
#include "kernels/printing.h"
#include "ops/ids.h"

/* tools/gen_compiled.py */
extern const char reel_compiled_head_[], reel_compiled_flags_base_[], reel_compiled_flags_v3_[],
    reel_compiled_flags_v4_[];

#define UNARY(name, dtypes, floating, integer) \
    [REEL_OP_##name] = {.floats = #floating, .integers = #integer, .kind = REEL_FORMULA_SAME},
#define BINARY(name, dtypes, floating, integer) UNARY(name, dtypes, floating, integer)
#define TERNARY(name, dtypes, floating, integer) UNARY(name, dtypes, floating, integer)
#define TEST(name, dtypes, floating, integer) \
    [REEL_OP_##name] = {.floats = #floating, .integers = #integer, .kind = REEL_FORMULA_BOOL},
#define COMPARE(name, dtypes, formula) \
    [REEL_OP_##name] = {.floats = #formula, .integers = #formula, .kind = REEL_FORMULA_BOOL},
static const reel_formula formulas[REEL_N_OPS] = {
#include "ops/elementwise.def"
};

/* What takes longer to compute than to load and store gains nothing from being part of another loop, and compilers take long for
   it; some they cannot make vectors of at all. Its own loop has been compiled already. */
static bool is_long(int op, reel_dtype d)
{
    switch (op) {
    case REEL_OP_div:
    case REEL_OP_isclose: return !reel_is_float_(d);
    default: return reel_ew_row_(op, reel_level_())->grain < REEL_GRAIN_LIGHT;
    }
}

/* Two roundings to a half, which reel_convert_ makes one; and floats to integers: gcc takes their way back to floats for a trunc, which
   keeps the sign of a zero. */
static bool is_long_cast(reel_dtype from, reel_dtype to)
{
    if (to == REEL_F16 || to == REEL_BF16) return from != REEL_F32 && from != REEL_F16 && from != REEL_BF16;
    return reel_is_float_(from) && !reel_is_float_(to) && to != REEL_BOOL;
}

static bool formula_of(const reel_fused_part *part, reel_formula *out)
{
    const reel_kernel *k = reel_kernel_(&reel_cpu_device_, part->op);
    const reel_dtype d = part->in_dtype[0];
    *out = (reel_formula){0};
    if (part->reduces) {
        out->kind = REEL_FORMULA_REDUCTION;
        out->call = true;
    } else if (k == &reel_k_where_) {
        out->kind = REEL_FORMULA_WHERE;
        out->spreads = true;
    } else if (k == &reel_k_cast_) {
        out->kind = REEL_FORMULA_CAST;
        out->call = is_long_cast(d, part->out_dtype);
    } else if (k == &reel_k_elementwise_) {
        *out = formulas[part->op->id];
        out->call = is_long(part->op->id, d);
        out->spreads = reel_ew_row_(part->op->id, reel_level_())->spread;
    } else {
        return false;
    }
    return true;
}

static const char *flags(void)
{
    const char *const all[] = {reel_compiled_flags_base_, reel_compiled_flags_v3_, reel_compiled_flags_v4_};
    return all[reel_level_()];
}

static bool use_rows(void *plan, const reel_fused *f, reel_rows_fn *fn)
{
    reel_formula formula[REEL_FUSED_PARTS];
    reel_stages s;
    for (int i = 0; i < f->n_parts; i++)
        if (!formula_of(&f->part[i], &formula[i])) return false;
    return reel_stages_(f, true, formula, &s) && reel_rows_use_(plan, f, &s, fn);
}

static bool use(reel_group_kind kind, void *plan, const reel_fused *f, reel_printed_fn *fn)
{
    switch (kind) {
    case REEL_GROUP_PLAIN: reel_fused_use_(plan, (reel_group_fn *)fn); return true;
    case REEL_GROUP_AFTER: reel_after_use_(plan, (reel_group_fn *)fn); return true;
    case REEL_GROUP_COLUMNS: reel_columns_use_(plan, (reel_group_fn *)fn); return true;
    case REEL_GROUP_ROWS: return use_rows(plan, f, (reel_rows_fn *)fn);
    }
    return false;
}

const reel_printing reel_cpu_printing_ = {
    .head = reel_compiled_head_, .flags = flags, .formula = formula_of, .use = use};
