/* scatter.c: elements put by index. The output is [rows][inner], item i of the updates goes to row row[i]; where several
   items meet in a row they follow each other in C order, whatever the threads: each thread owns rows of the output. Items with
   places of their own along an axis meet only within a line of that axis: threads own lines then.

   Added floats are summed in double. Long rows: the items are sorted by row (a counting sort), and each row is summed on its
   own; short rows: into a copy of the output in double, or, where the output is far larger than the updates, directly. */
#include <string.h>
#include "core/shape.h"
#include "kernels/half.h"
#include "kernels/index.h"
#include "kernels/kernels.h"
#include "kernels/regions.h"
#include "kernels/walk.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "reel/index.h"
#include "reel/tensor.h"

enum {
    GRAIN = 1 << 14,
    LONG_ROW = 8,
    MAX_RANGES = 32,
    COLUMNS = 256,
    FEW_UNITS = 8,
    TOGETHER = 64,
    FEWEST = 16,
    NEAR = 1 << 18
};
enum { SORTED, WIDE, DIRECT };

typedef void apply_fn(void *to, const void *updates, const int64_t *row, int64_t n, int64_t low, int64_t high,
                      int64_t inner);
/* n items, their places step apart plus offset[], which are i_step apart */
typedef void line_fn(void *to, const void *updates, const int64_t *offset, int64_t n, int64_t step, int64_t i_step);
typedef struct way {
    apply_fn *apply;
    line_fn *line;
} way;

typedef struct scatter_plan {
    reel_indices at;
    reel_copy_plan init, updates;
    bool has_x, packs, in_place; /* in_place: rows are summed from x where it lies */
    bool along, shared;          /* along: items have places of their own; shared: all batches use the same rows */
    bool lines;
    int64_t step;     /* between rows of the output along the axis */
    int64_t together; /* lines across: columns that one unit writes */
    int64_t near;     /* rows of them that a thread brings together for it, or 0 */
    size_t near_bytes;
    int regions;
    int way, size, u_arg, i_arg, out_arg;
    reel_dtype dtype;
    struct way fn;
    int64_t batches, rows, items, inner; /* rows and items of a batch */
    int rank;
    int axis;
    int64_t dims[REEL_MAX_RANK], base[REEL_MAX_RANK], index[REEL_MAX_RANK]; /* along: the items' shape, strides */
    int64_t item[REEL_MAX_RANK], units;                                     /* lines: of the updates; pieces of work */
    size_t rows_at, scratch_at, updates_at, wide_at, sort_at, near_at;      /* in the workspace */
} scatter_plan;

/* ---- one item after the other: rows low..high-1 of the output ------------------------------------------------------ */
#define EACH(name, T, U, EXPR)                                                                                \
    static void name(void *to, const void *updates, const int64_t *row, int64_t n, int64_t low, int64_t high, \
                     int64_t inner)                                                                           \
    {                                                                                                         \
        T *out = to;                                                                                          \
        const U *all = updates;                                                                               \
        for (int64_t i = 0; i < n; i++) {                                                                     \
            if (row[i] < low || row[i] >= high) continue;                                                     \
            T *d = out + row[i] * inner;                                                                      \
            const U *s = all + i * inner;                                                                     \
            for (int64_t c = 0; c < inner; c++) {                                                             \
                const T a = d[c];                                                                             \
                const U u = s[c];                                                                             \
                d[c] = (T)(EXPR);                                                                             \
            }                                                                                                 \
        }                                                                                                     \
    }                                                                                                         \
    static void name##_line(void *to, const void *updates, const int64_t *offset, int64_t n, int64_t step,    \
                            int64_t i_step)                                                                   \
    {                                                                                                         \
        const U *all = updates;                                                                               \
        for (int64_t i = 0; i < n; i++) {                                                                     \
            T *d = (T *)to + i * step + offset[i * i_step];                                                   \
            const T a = *d;                                                                                   \
            const U u = all[i];                                                                               \
            *d = (T)(EXPR);                                                                                   \
        }                                                                                                     \
    }
/* NaN wins. */
#define LARGER(a, u) ((u) != (u) || (u) > (a))
#define SMALLER(a, u) ((u) != (u) || (u) < (a))
#define MORE(a, u) ((u) > (a))
#define LESS(a, u) ((u) < (a))
#define W16(x) reel_widen_f16_(x)
#define WB16(x) reel_widen_bf16_(x)
EACH(set_1, uint8_t, uint8_t, ((void)a, u))
EACH(set_2, uint16_t, uint16_t, ((void)a, u))
EACH(set_4, uint32_t, uint32_t, ((void)a, u))
EACH(set_8, uint64_t, uint64_t, ((void)a, u))
EACH(add_i8, uint8_t, uint8_t, a + u)
EACH(add_i32, uint32_t, uint32_t, a + u)
EACH(add_i64, uint64_t, uint64_t, a + u)
EACH(add_f32, float, float, a + u)
EACH(add_f64, double, double, a + u)
EACH(add_f16, uint16_t, uint16_t, reel_narrow_f16_(W16(a) + W16(u)))
EACH(add_bf16, uint16_t, uint16_t, reel_narrow_bf16_(WB16(a) + WB16(u)))
EACH(wide_f32, double, float, a + (double)u)
EACH(wide_f16, double, uint16_t, a + (double)W16(u))
EACH(wide_bf16, double, uint16_t, a + (double)WB16(u))
EACH(mul_i8, uint8_t, uint8_t, (unsigned)a *u)
EACH(mul_i32, uint32_t, uint32_t, a *u)
EACH(mul_i64, uint64_t, uint64_t, a *u)
EACH(mul_f32, float, float, a *u)
EACH(mul_f64, double, double, a *u)
EACH(mul_f16, uint16_t, uint16_t, reel_narrow_f16_(W16(a) * W16(u)))
EACH(mul_bf16, uint16_t, uint16_t, reel_narrow_bf16_(WB16(a) * WB16(u)))
#define EXTREMES(name, OF_INTS, OF_FLOATS)                                  \
    EACH(name##_i8, int8_t, int8_t, OF_INTS(a, u) ? u : a)                  \
    EACH(name##_u8, uint8_t, uint8_t, OF_INTS(a, u) ? u : a)                \
    EACH(name##_i32, int32_t, int32_t, OF_INTS(a, u) ? u : a)               \
    EACH(name##_i64, int64_t, int64_t, OF_INTS(a, u) ? u : a)               \
    EACH(name##_f32, float, float, OF_FLOATS(a, u) ? u : a)                 \
    EACH(name##_f64, double, double, OF_FLOATS(a, u) ? u : a)               \
    EACH(name##_f16, uint16_t, uint16_t, OF_FLOATS(W16(a), W16(u)) ? u : a) \
    EACH(name##_bf16, uint16_t, uint16_t, OF_FLOATS(WB16(a), WB16(u)) ? u : a)
EXTREMES(max, MORE, LARGER)
EXTREMES(min, LESS, SMALLER)

#define F(name)           \
    {                     \
        name, name##_line \
    }
#define WAYS(op, i8, u8)                                                                                          \
    {                                                                                                             \
        [REEL_F32] = F(op##_f32), [REEL_F64] = F(op##_f64), [REEL_F16] = F(op##_f16), [REEL_BF16] = F(op##_bf16), \
        [REEL_I8] = F(op##_##i8), [REEL_U8] = F(op##_##u8), [REEL_I32] = F(op##_i32), [REEL_I64] = F(op##_i64)    \
    }
static const way set[] = {[1] = F(set_1), [2] = F(set_2), [4] = F(set_4), [8] = F(set_8)};
static const way table[][REEL_N_DTYPES] = {[REEL_SCATTER_ADD] = WAYS(add, i8, i8),
                                           [REEL_SCATTER_MUL] = WAYS(mul, i8, i8),
                                           [REEL_SCATTER_MAX] = WAYS(max, i8, u8),
                                           [REEL_SCATTER_MIN] = WAYS(min, i8, u8)};
static const way wide[REEL_N_DTYPES] = {
    [REEL_F32] = F(wide_f32), [REEL_F64] = F(add_f64), [REEL_F16] = F(wide_f16), [REEL_BF16] = F(wide_bf16)};

/* ---- prepare --------------------------------------------------------------------------------------------------------- */
static int64_t chunks_of(int64_t columns, int64_t together)
{
    return (columns + together - 1) / together;
}

static void plan_along(scatter_plan *p, const reel_kview *out, const reel_kview *indices, const reel_kview *updates,
                       int axis)
{
    int64_t dense = 1;
    p->along = p->lines = true;
    p->rank = updates->rank;
    p->axis = axis;
    p->batches = p->inner = p->rows = p->items = 1;
    for (int i = updates->rank - 1; i >= 0; i--) {
        p->dims[i] = updates->dims[i];
        p->item[i] = p->items;
        p->items *= updates->dims[i];
        p->rows *= out->dims[i];
        if (i != axis && out->dims[i] == 1 && updates->dims[i] != 1) p->lines = false; /* lines meet */
        p->base[i] = i == axis || (out->dims[i] == 1 && updates->dims[i] != 1) ? 0 : out->strides[i];
        p->index[i] = indices->dims[i] == 1 ? 0 : dense;
        dense *= indices->dims[i];
    }
    p->at.m = 1;
    p->at.axis[0] = axis;
    p->at.size[0] = out->dims[axis];
    p->at.stride[0] = out->strides[axis];
    const int last = p->rank - 1;
    const int64_t line = updates->dims[axis] > 0 ? updates->dims[axis] : 1;
    p->units = p->items / line;
    if (axis != last && p->units > 0) p->units = p->units / p->dims[last] * chunks_of(p->dims[last], TOGETHER);
    p->together = TOGETHER;
    p->lines = p->lines && (p->units >= FEW_UNITS || p->items < GRAIN);
}

/* Rows far apart share few places of a cache: columns of them are written where they lie close together, as doubles if that is
   how they are summed, if most rows are written at all. */
static void plan_near(scatter_plan *p, const reel_kview *out)
{
    const int last = p->rank - 1;
    const int64_t rows = out->dims[p->axis], width = p->way == WIDE ? 8 : p->size;
    if (!p->lines || p->axis == last || p->base[last] != 1 || p->dims[p->axis] < rows / 2 || p->dims[last] < TOGETHER ||
        rows > NEAR || p->items < GRAIN)
        return;
    int64_t together = TOGETHER;
    while (together > FEWEST && rows * together * width > NEAR) together /= 2;
    if (rows * together * width > NEAR) return;
    p->units = p->units / chunks_of(p->dims[last], TOGETHER) * chunks_of(p->dims[last], together);
    p->together = together;
    p->near = rows;
    p->step = p->at.stride[0];
    p->at.stride[0] = together;
    p->near_bytes = (size_t)(rows * together * width);
}

/* Rows of the m axes from `axis` on; those before it are batches. */
static void plan_rows(scatter_plan *p, const reel_kview *out, int axis, int m)
{
    int64_t step = 1;
    p->batches = p->inner = p->rows = 1;
    p->at.m = m;
    for (int i = 0; i < axis; i++) p->batches *= out->dims[i];
    for (int i = axis + m; i < out->rank; i++) p->inner *= out->dims[i];
    for (int i = m - 1; i >= 0; i--) {
        p->at.axis[i] = axis + i;
        p->at.size[i] = out->dims[axis + i];
        p->at.stride[i] = step;
        step *= out->dims[axis + i];
    }
    p->rows = step;
}

static size_t take(size_t *at, size_t bytes)
{
    const size_t here = *at;
    *at += (bytes + 63) / 64 * 64;
    return here;
}

static int scatter_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    scatter_plan *p = plan;
    const reel_attr_axis *a = sig->attr;
    const int id = sig->op->id;
    const bool grad = id == REEL_OP_gather_grad || id == REEL_OP_take_along_grad || id == REEL_OP_gather_nd_grad;
    const reel_kview *out = &sig->out[0];
    memset(p, 0, sizeof *p);
    p->i_arg = grad ? 2 : 1;
    p->u_arg = grad ? 1 : 2;
    p->out_arg = sig->n_in;
    p->has_x = !grad;
    const reel_kview *indices = &sig->in[p->i_arg], *updates = &sig->in[p->u_arg], *x = &sig->in[0];
    const int axis = a->axis < 0 ? a->axis + out->rank : a->axis;
    const int mode = grad ? REEL_SCATTER_ADD : a->index;
    p->dtype = out->dtype;
    p->size = (int)reel_size_(out->dtype);
    if (id == REEL_OP_scatter || id == REEL_OP_scatter_reduce || id == REEL_OP_take_along_grad) {
        plan_along(p, out, indices, updates, axis);
    } else if (id == REEL_OP_gather_grad || id == REEL_OP_index_add || id == REEL_OP_index_copy) {
        plan_rows(p, out, axis, 1);
        p->shared = true;
    } else {
        plan_rows(p, out, id == REEL_OP_gather_nd_grad ? axis : 0, (int)indices->dims[indices->rank - 1]);
    }
    reel_indices_plan_(&p->at, indices);
    if (!p->along) p->items = p->shared ? p->at.n : p->batches ? p->at.n / p->batches : 0;
    const int64_t written = p->batches * p->items * p->inner, whole = p->batches * p->rows * p->inner;
    const bool sums = mode == REEL_SCATTER_ADD && reel_is_float_(p->dtype);
    p->way = !sums                                         ? DIRECT
             : p->inner >= LONG_ROW                        ? SORTED
             : p->dtype == REEL_F64 || whole / 4 > written ? DIRECT
                                                           : WIDE;
    p->fn = mode == REEL_SCATTER_SET ? set[p->size] : p->way == WIDE ? wide[p->dtype] : table[mode][p->dtype];
    if (p->has_x) reel_copy_plan_(&p->init, x->dtype, x->rank, x->dims, x->strides, 0);
    reel_shape s = {.rank = x->rank};
    memcpy(s.dims, x->dims, (size_t)x->rank * sizeof *x->dims);
    p->in_place = p->has_x && p->way == SORTED && reel_is_dense_(&s, x->strides);
    s.rank = updates->rank;
    memcpy(s.dims, updates->dims, (size_t)updates->rank * sizeof *updates->dims);
    p->packs = !reel_is_dense_(&s, updates->strides);
    reel_copy_plan_(&p->updates, updates->dtype, updates->rank, updates->dims, updates->strides, 0);
    if (p->along) plan_near(p, out);
    size_t at = 0;
    p->rows_at = take(&at, (size_t)p->at.n * 8 + (p->along && !p->lines ? (size_t)p->items * 8 : 0));
    p->scratch_at = take(&at, reel_indices_scratch_(&p->at));
    p->updates_at = take(&at, p->packs ? (size_t)p->updates.n * (size_t)p->size : 0);
    p->wide_at = take(&at, p->way == WIDE && !p->near ? (size_t)whole * 8 : 0);
    const size_t sorts = p->shared ? 1 : (size_t)p->batches;
    p->sort_at = take(&at, p->way == SORTED ? sorts * (size_t)(REEL_GROUPS_(p->rows) + p->items) * 8 : 0);
    p->regions = reel_regions_plan_(p->units);
    if (p->near && reel_reserve_(&at, p->regions, p->near_bytes, &p->near_at)) return reel_status();
    *workspace = at;
    return reel_check_work_(p->at.n | p->updates.n | whole);
}

/* ---- run --------------------------------------------------------------------------------------------------------------- */
typedef struct scatter_job {
    const scatter_plan *p;
    const int64_t *row;      /* of each item; of all batches unless shared */
    const char *updates, *x; /* x: what rows are summed from, if anything */
    char *out;               /* or the copy in double */
    int64_t ranges;
    const int64_t *offset; /* along: the indices, resolved */
    int64_t *place;        /* along: what comes of them */
    int64_t *sorted;       /* first item of each row, then the items in order */
    reel_regions near;
} scatter_job;

/* along: where the items begin to end go. */
static void find_places(void *arg, int64_t begin, int64_t end)
{
    const scatter_job *j = arg;
    const scatter_plan *p = j->p;
    int64_t at[REEL_MAX_RANK], index = begin, base = 0, from = 0;
    for (int k = p->rank - 1; k >= 0; k--) {
        at[k] = index % p->dims[k];
        index /= p->dims[k];
        base += at[k] * p->base[k];
        from += at[k] * p->index[k];
    }
    for (int64_t i = begin; i < end; i++) {
        j->place[i] = base + j->offset[from];
        for (int k = p->rank - 1; k >= 0; k--) {
            base += p->base[k];
            from += p->index[k];
            if (++at[k] < p->dims[k] || k == 0) break;
            base -= p->dims[k] * p->base[k];
            from -= p->dims[k] * p->index[k];
            at[k] = 0;
        }
    }
}

typedef struct block {
    char *at;
    int64_t step; /* elements from row to row */
    reel_dtype dtype;
} block;

/* So many rows of n elements from one place to another. */
static void move_rows(block to, block from, int64_t rows, int64_t n)
{
    const int64_t to_step = to.step * (int64_t)reel_size_(to.dtype), size = (int64_t)reel_size_(from.dtype);
    for (int64_t r = 0; r < rows; r++, to.at += to_step, from.at += from.step * size)
        if (to.dtype == from.dtype)
            memcpy(to.at, from.at, (size_t)(n * size));
        else
            reel_convert_(to.at, to.dtype, 1, from.at, from.dtype, 1, n);
}

/* Lines along the axis, or columns of lines that lie side by side: as few as keep their part of the output in cache. */
static void apply_lines(void *arg, int64_t begin, int64_t end)
{
    scatter_job *j = arg;
    const scatter_plan *p = j->p;
    const int last = p->rank - 1, axis = p->axis;
    const bool across = axis != last;
    int region = 0;
    const block near = {p->near ? reel_region_take_(&j->near, &region) : NULL, p->together,
                        p->way == WIDE ? REEL_F64 : p->dtype};
    const int64_t width = p->way == WIDE && !p->near ? 8 : p->size, columns = across ? p->dims[last] : 1;
    const int64_t chunks = chunks_of(columns, p->together), rows = across ? p->dims[axis] : 1;
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t first = unit % chunks * p->together, left = columns - first;
        const int64_t n = !across ? p->dims[axis] : left < p->together ? left : p->together;
        int64_t index = unit / chunks, to = first * p->base[last], from = first * p->index[last], item = first;
        for (int k = last; k >= 0; k--) {
            if (k == axis || k == last) continue;
            const int64_t at = index % p->dims[k];
            index /= p->dims[k];
            to += at * p->base[k];
            from += at * p->index[k];
            item += at * p->item[k];
        }
        const block place = {j->out + to * width, p->step, p->dtype};
        char *const target = near.at ? near.at : place.at;
        if (near.at) move_rows(near, place, p->near, n);
        for (int64_t i = 0; i < rows; i++)
            p->fn.line(target, j->updates + (item + i * p->item[axis]) * p->size, j->offset + from + i * p->index[axis],
                       n, p->base[last], p->index[last]);
        if (near.at) move_rows(place, near, p->near, n);
    }
    if (near.at) reel_region_give_(&j->near, region);
}

/* A share of the rows of all batches. */
static void apply_range(void *arg, int64_t begin, int64_t end)
{
    const scatter_job *j = arg;
    const scatter_plan *p = j->p;
    const int64_t all = p->batches * p->rows;
    const int64_t first = all / j->ranges * begin, last = end == j->ranges ? all : all / j->ranges * end;
    const int64_t width = p->inner * (p->way == WIDE ? 8 : p->size);
    for (int64_t b = first / p->rows; b < p->batches && b * p->rows < last; b++) {
        const int64_t low = first - b * p->rows, high = last - b * p->rows;
        p->fn.apply(j->out + b * p->rows * width, j->updates + b * p->items * p->inner * p->size,
                    j->row + (p->shared ? 0 : b * p->items), p->items, low > 0 ? low : 0,
                    high < p->rows ? high : p->rows, p->inner);
    }
}

#define SUM(T, WIDEN, NARROW)                                                   \
    {                                                                           \
        const T *u = (const T *)(const void *)updates;                          \
        const T *x = (const T *)(const void *)was;                              \
        T *d = (T *)(void *)to;                                                 \
        for (int64_t c = 0; c < n; c++) sum[c] = x ? (double)WIDEN(x[c]) : 0.0; \
        for (int64_t i = 0; i < items; i++) {                                   \
            const T *s = u + item[i] * inner;                                   \
            for (int64_t c = 0; c < n; c++) sum[c] += (double)WIDEN(s[c]);      \
        }                                                                       \
        for (int64_t c = 0; c < n; c++) d[c] = NARROW(sum[c]);                  \
        break;                                                                  \
    }
#define SAME(x) (x)
#define TO_F32(x) ((float)(x))
#define TO_F16(x) reel_f64_to_f16_(x)
#define TO_BF16(x) reel_f64_to_bf16_(x)
/* n columns of a row: what was there, if anything, then its items in order. */
static void sum_row(char *to, const char *was, const char *updates, const int64_t *item, int64_t items, int64_t inner,
                    int64_t n, reel_dtype dtype)
{
    double sum[COLUMNS];
    switch (dtype) {
    case REEL_F32: SUM(float, SAME, TO_F32)
    case REEL_F64: SUM(double, SAME, SAME)
    case REEL_F16: SUM(uint16_t, W16, TO_F16)
    default: SUM(uint16_t, WB16, TO_BF16)
    }
}

/* A sum of two floats rounds the same by way of double. */
static void add_row(float *REEL_RESTRICT to, const float *x, const float *u, int64_t n)
{
    for (int64_t c = 0; c < n; c++) to[c] = x[c] + u[c];
}

/* Rows begin to end of all batches. */
static void sum_rows(void *arg, int64_t begin, int64_t end)
{
    const scatter_job *j = arg;
    const scatter_plan *p = j->p;
    const int64_t bytes = p->inner * p->size, one = REEL_GROUPS_(p->rows) + p->items;
    for (int64_t at = begin; at < end; at++) {
        const int64_t b = at / p->rows, r = at % p->rows;
        const int64_t *first = j->sorted + (p->shared ? 0 : b * one), *order = first + REEL_GROUPS_(p->rows);
        const int64_t *item = order + first[r], items = first[r + 1] - first[r];
        const char *updates = j->updates + b * p->items * bytes, *was = j->x ? j->x + at * bytes : NULL;
        char *to = j->out + at * bytes;
        for (int64_t i = 0; i < items; i++) reel_group_ahead_(updates, bytes, order, first[r] + i, p->items);
        if (items == 0 && !was) {
            memset(to, 0, (size_t)bytes);
        } else if (items == 0) {
            if (was != to) memcpy(to, was, (size_t)bytes);
        } else if (items == 1 && !was) {
            memcpy(to, updates + item[0] * bytes, (size_t)bytes);
        } else if (items == 1 && was != to && p->dtype == REEL_F32) {
            add_row((float *)(void *)to, (const float *)(const void *)was,
                    (const float *)(const void *)(updates + item[0] * bytes), p->inner);
        } else {
            for (int64_t c = 0; c < p->inner; c += COLUMNS)
                sum_row(to + c * p->size, was ? was + c * p->size : NULL, updates + c * p->size, item, items, p->inner,
                        p->inner - c < COLUMNS ? p->inner - c : COLUMNS, p->dtype);
        }
    }
}

static void split(void *job, int64_t n, int64_t elements, void (*body)(void *, int64_t, int64_t))
{
    const int64_t grain = elements >= GRAIN ? 1 : GRAIN / (elements > 0 ? elements : 1);
    if (n <= grain)
        body(job, 0, n);
    else
        reel_parallel_for(n, grain, body, job);
}

typedef struct convert_job {
    char *to;
    const char *from;
    reel_dtype to_dtype, from_dtype;
} convert_job;

static void convert_some(void *arg, int64_t begin, int64_t end)
{
    const convert_job *j = arg;
    reel_convert_(j->to + begin * (int64_t)reel_size_(j->to_dtype), j->to_dtype, 1,
                  j->from + begin * (int64_t)reel_size_(j->from_dtype), j->from_dtype, 1, end - begin);
}

static void zero_some(void *arg, int64_t begin, int64_t end)
{
    memset((char *)arg + begin * 8, 0, (size_t)(end - begin) * 8);
}

/* What is there before: x, or zeros. */
static void begin_output(const scatter_plan *p, char *out, double *copy, const void *x)
{
    const int64_t whole = p->batches * p->rows * p->inner;
    if (p->has_x && !p->in_place) reel_copy_run_(&p->init, out, x);
    if (p->way == WIDE && !p->near) {
        convert_job c = {(char *)copy, out, REEL_F64, p->dtype};
        split(p->has_x ? (void *)&c : (void *)copy, whole, 1, p->has_x ? convert_some : zero_some);
    } else if (!p->has_x && p->way != SORTED) {
        const int64_t bytes = whole * p->size;
        split(out, bytes / 8, 1, zero_some);
        memset(out + bytes / 8 * 8, 0, (size_t)(bytes % 8));
    }
}

static int scatter_run(const void *plan, void *const *ptr, void *work)
{
    const scatter_plan *p = plan;
    char *w = work, *out = ptr[p->out_arg];
    int64_t *offset = (int64_t *)(void *)(w + p->rows_at);
    const int64_t whole = p->batches * p->rows * p->inner;
    const int code = reel_indices_run_(&p->at, offset, w + p->scratch_at, ptr[p->i_arg]);
    if (code || whole == 0) return code;
    scatter_job j = {.p = p, .row = offset, .updates = ptr[p->u_arg], .out = out, .offset = offset};
    reel_regions_init_(&j.near, w + p->near_at, p->near_bytes, p->regions);
    if (p->packs) {
        reel_copy_run_(&p->updates, w + p->updates_at, ptr[p->u_arg]);
        j.updates = w + p->updates_at;
    }
    if (p->along && !p->lines) {
        j.row = j.place = offset + p->at.n;
        if (p->items > 0) split(&j, p->items, 1, find_places);
    }
    double *copy = (double *)(void *)(w + p->wide_at);
    begin_output(p, out, copy, ptr[0]);
    if (p->way == SORTED) {
        const int64_t groups = REEL_GROUPS_(p->rows), one = groups + p->items, sorts = p->shared ? 1 : p->batches;
        j.sorted = (int64_t *)(void *)(w + p->sort_at);
        j.x = p->in_place ? ptr[0] : p->has_x ? out : NULL;
        for (int64_t b = 0; b < sorts; b++)
            reel_group_rows_(j.row + b * p->items, p->items, p->rows, j.sorted + b * one, j.sorted + b * one + groups);
        split(&j, p->batches * p->rows, p->inner, sum_rows);
        return 0;
    }
    const int64_t written = p->batches * p->items * p->inner, threads = reel_threads();
    j.ranges = written < GRAIN ? 1 : threads < MAX_RANGES ? threads : MAX_RANGES;
    const bool copied = p->way == WIDE && !p->near;
    if (copied) j.out = (char *)copy;
    if (p->lines)
        split(&j, p->units, p->items / (p->units > 0 ? p->units : 1), apply_lines);
    else if (j.ranges == 1)
        apply_range(&j, 0, 1);
    else
        reel_parallel_for(j.ranges, 1, apply_range, &j);
    if (copied) {
        convert_job c = {out, (char *)copy, p->dtype, REEL_F64};
        split(&c, whole, 1, convert_some);
    }
    return 0;
}

const reel_kernel reel_k_scatter_ = {.plan_size = sizeof(scatter_plan), .prepare = scatter_prepare, .run = scatter_run};
