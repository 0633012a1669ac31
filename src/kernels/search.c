/* search.c: searchsorted, bincount, histogram. */
#include <math.h>
#include <string.h>
#include "core/dtype.h"
#include "core/error.h"
#include "kernels/kernels.h"
#include "kernels/softmax.h"
#include "kernels/sort.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "reel/tensor.h"

static int64_t walk_all(reel_walk *w, const reel_kview *x)
{
    int64_t n = 1;
    w->n = 0;
    for (int k = x->rank - 1; k >= 0; k--) {
        n *= x->dims[k];
        reel_walk_add_(w, x->dims[k], x->strides[k]);
    }
    reel_walk_turn_(w);
    return n;
}

/* ---- searchsorted: some values at once, so that their reads overlap ------------------------------------- */
enum { TOGETHER = 8, RUN = 256 };
typedef void search_fn(const void *sorted, int64_t stride, int64_t n, const void *values, int64_t step, int64_t count,
                       bool right, int64_t *out);
typedef struct search_plan {
    search_fn *fn;
    reel_walk values, rows;        /* rows: where the sorted ones begin */
    int64_t n, stride, count, row; /* row: values for each row of sorted ones */
    size_t size;
    bool right;
} search_plan;

/* BEFORE(k, v): what of the sorted ones lies before v, left or right; KEY: of element u. */
#define LEFT(k, v) ((k) < (v))
#define RIGHT(k, v) ((k) <= (v))
#define HALVE(T, K, KEY, BEFORE)                                       \
    for (int64_t i = 0; i < count; i += TOGETHER) {                    \
        const int64_t m = count - i < TOGETHER ? count - i : TOGETHER; \
        int64_t low[TOGETHER] = {0}, left = n;                         \
        K v[TOGETHER];                                                 \
        for (int64_t l = 0; l < TOGETHER; l++) {                       \
            const T u = at[(i + (l < m ? l : 0)) * step];              \
            v[l] = (K)(KEY);                                           \
        }                                                              \
        for (; left > 1; left -= left / 2)                             \
            for (int l = 0; l < TOGETHER; l++) {                       \
                const T u = s[(low[l] + left / 2 - 1) * stride];       \
                low[l] += BEFORE((K)(KEY), v[l]) ? left / 2 : 0;       \
            }                                                          \
        for (int64_t l = 0; l < m; l++) {                              \
            if (left) {                                                \
                const T u = s[low[l] * stride];                        \
                low[l] += BEFORE((K)(KEY), v[l]);                      \
            }                                                          \
            out[i + l] = low[l];                                       \
        }                                                              \
    }
#define SEARCH(name, T, K, KEY)                                                                                      \
    static void name(const void *sorted, int64_t stride, int64_t n, const void *values, int64_t step, int64_t count, \
                     bool right, int64_t *out)                                                                       \
    {                                                                                                                \
        const T *s = sorted, *at = values;                                                                           \
        if (right)                                                                                                   \
            HALVE(T, K, KEY, RIGHT)                                                                                  \
        else                                                                                                         \
            HALVE(T, K, KEY, LEFT)                                                                                   \
    }
SEARCH(search_f16, uint16_t, uint16_t, reel_sort_key_16_0x7c00_(u))
SEARCH(search_bf16, uint16_t, uint16_t, reel_sort_key_16_0x7f80_(u))
SEARCH(search_i8, int8_t, int8_t, u)
SEARCH(search_u8, uint8_t, uint8_t, u)
SEARCH(search_i32, int32_t, int32_t, u)
SEARCH(search_i64, int64_t, int64_t, u)
/* Comparing keys would cost more than the reads. NaNs, which are last in order, lie before no number: only as values they need a
   word. */
#define SEARCH_FLOAT(name, T)                                                                                        \
    SEARCH(name##_numbers, T, T, u)                                                                                  \
    static void name(const void *sorted, int64_t stride, int64_t n, const void *values, int64_t step, int64_t count, \
                     bool right, int64_t *out)                                                                       \
    {                                                                                                                \
        const T *at = values, top = (T)INFINITY;                                                                     \
        name##_numbers(sorted, stride, n, values, step, count, right, out);                                          \
        for (int64_t i = 0; i < count; i++) {                                                                        \
            if (at[i * step] == at[i * step]) continue;                                                              \
            if (right)                                                                                               \
                out[i] = n;                                                                                          \
            else                                                                                                     \
                name##_numbers(sorted, stride, n, &top, 1, 1, true, &out[i]);                                        \
        }                                                                                                            \
    }
SEARCH_FLOAT(search_f32, float)
SEARCH_FLOAT(search_f64, double)

static int search_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    static search_fn *const fns[REEL_N_DTYPES] = {
        [REEL_F32] = search_f32,   [REEL_F64] = search_f64, [REEL_F16] = search_f16,
        [REEL_BF16] = search_bf16, [REEL_I8] = search_i8,   [REEL_U8] = search_u8,
        [REEL_I32] = search_i32,   [REEL_I64] = search_i64, [REEL_BOOL] = search_u8};
    search_plan *p = plan;
    const reel_attr_search *a = sig->attr;
    const reel_kview *s = &sig->in[0];
    (void)workspace;
    p->fn = fns[s->dtype];
    p->right = a->right != 0;
    p->count = walk_all(&p->values, &sig->in[1]);
    p->n = s->dims[s->rank - 1], p->stride = s->strides[s->rank - 1];
    reel_kview rows = *s;
    rows.rank--;
    const int64_t n_rows = walk_all(&p->rows, &rows);
    p->row = s->rank == 1 || n_rows == 0 ? p->count : p->count / n_rows;
    p->size = reel_size_(s->dtype);
    return 0;
}

typedef struct search_job {
    const search_plan *p;
    const char *sorted, *values;
    int64_t *out;
} search_job;

static void search_some(void *arg, int64_t begin, int64_t end)
{
    const search_job *j = arg;
    const search_plan *p = j->p;
    const int64_t size = (int64_t)p->size;
    const bool even = p->values.n <= 1;
    const int64_t step = even && p->values.n ? p->values.stride[0] : 1;
    _Alignas(64) char some[RUN * 8];
    reel_place at;
    reel_place_set_(&at, &p->values, begin);
    for (int64_t i = begin, n; i < end; i += n) {
        const int64_t left = p->row - i % p->row;
        n = end - i < left ? end - i : left;
        n = n < RUN ? n : RUN;
        const char *from = j->values + i * step * size;
        for (int64_t k = 0; !even && k < n; k++) {
            memcpy(some + k * size, j->values + at.off * size, (size_t)size);
            reel_place_next_(&at, &p->values);
        }
        p->fn(j->sorted + reel_walk_offset_(&p->rows, i / p->row) * size, p->stride, p->n, even ? from : some, step, n,
              p->right, j->out + i);
    }
}

static int search_run(const void *plan, void *const *ptr, void *work)
{
    const search_plan *p = plan;
    search_job j = {p, ptr[0], ptr[1], ptr[2]};
    (void)work;
    if (p->count == 0) return 0;
    if (p->count <= 1024)
        search_some(&j, 0, p->count);
    else
        reel_parallel_for(p->count, 1024, search_some, &j);
    return 0;
}

const reel_kernel reel_k_searchsorted_ = {
    .plan_size = sizeof(search_plan), .flags = REEL_K_CHEAP, .prepare = search_prepare, .run = search_run};

/* ---- bincount and histogram: counts a block of the input, then their sums ---------------------------------- */
enum { BINS_WORK = 1 << 15, BINS_BLOCKS = 16 };
typedef struct bins_plan {
    reel_walk x;
    int64_t n, bins, n_blocks, block;
    double low, high, scale;
    reel_dtype dtype;
    bool histogram;
} bins_plan;

static int bins_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    bins_plan *p = plan;
    const reel_attr_bins *a = sig->attr;
    p->n = walk_all(&p->x, &sig->in[0]);
    p->bins = a->n;
    p->dtype = sig->in[0].dtype;
    p->histogram = sig->op->id == REEL_OP_histogram;
    p->low = a->low, p->high = a->high;
    p->scale = p->histogram ? (double)p->bins / (p->high - p->low) : 0;
    p->n_blocks = p->n / BINS_WORK;
    if (p->bins && p->n_blocks > p->n / p->bins) p->n_blocks = p->n / p->bins; /* adding up shall not cost more */
    if (p->n_blocks > BINS_BLOCKS) p->n_blocks = BINS_BLOCKS;
    if (p->n_blocks < 1) p->n_blocks = 1;
    p->block = (p->n + p->n_blocks - 1) / p->n_blocks;
    if (p->n_blocks > 1) *workspace = (size_t)(p->n_blocks * p->bins) * sizeof(int64_t);
    return 0;
}

/* numpy.histogram's bin of x, -1 for none: by division, then against the edges */
static int64_t bin_of(const bins_plan *p, double x)
{
    if (!(x >= p->low && x <= p->high)) return -1;
    const double step = (p->high - p->low) / (double)p->bins;
    int64_t i = (int64_t)((x - p->low) * p->scale);
    if (i >= p->bins) i = p->bins - 1;
    if (x < p->low + (double)i * step)
        i -= i > 0;
    else if (i < p->bins - 1 && x >= p->low + (double)(i + 1) * step)
        i++;
    return i;
}

enum { BINS_CHUNK = 512 };
/* Elements [first, first + n), n a chunk at most, converted. */
static void read_chunk(const bins_plan *p, void *to, reel_dtype d, const void *x, int64_t first, int64_t n)
{
    const char *from = x;
    const int64_t size = (int64_t)reel_size_(p->dtype);
    if (p->x.n <= 1) {
        const int64_t stride = p->x.n ? p->x.stride[0] : 0;
        reel_convert_(to, d, 1, from + first * stride * size, p->dtype, stride, n);
        return;
    }
    reel_place at;
    reel_place_set_(&at, &p->x, first);
    for (int64_t i = 0; i < n; i++) {
        reel_convert_((char *)to + i * 8, d, 1, from + at.off * size, p->dtype, 1, 1);
        reel_place_next_(&at, &p->x);
    }
}

typedef struct bins_job {
    const bins_plan *p;
    const void *x;
    int64_t *counts;
} bins_job;

static void bins_some(void *arg, int64_t begin, int64_t end)
{
    const bins_job *j = arg;
    const bins_plan *p = j->p;
    double d[BINS_CHUNK];
    int64_t id[BINS_CHUNK];
    for (int64_t b = begin; b < end; b++) {
        const int64_t first = b * p->block, last = first + p->block < p->n ? first + p->block : p->n;
        int64_t *counts = j->counts + b * p->bins;
        memset(counts, 0, (size_t)p->bins * sizeof *counts);
        for (int64_t i = first; i < last; i += BINS_CHUNK) {
            const int64_t n = last - i < BINS_CHUNK ? last - i : BINS_CHUNK;
            read_chunk(p, p->histogram ? (void *)d : (void *)id, p->histogram ? REEL_F64 : REEL_I64, j->x, i, n);
            for (int64_t k = 0; p->histogram && k < n; k++) id[k] = bin_of(p, d[k]);
            for (int64_t k = 0; k < n; k++)
                if (id[k] >= 0) counts[id[k]]++;
        }
    }
}

/* The largest id + 1; with a limit every id must be below it. Raises. On the calling thread, before anything is counted. */
static int check_ids(const bins_plan *p, const void *x, int64_t limit, int64_t *n_ids)
{
    int64_t id[BINS_CHUNK], top = -1;
    for (int64_t i = 0; i < p->n; i += BINS_CHUNK) {
        const int64_t n = p->n - i < BINS_CHUNK ? p->n - i : BINS_CHUNK;
        uint64_t worst = 0;
        read_chunk(p, id, REEL_I64, x, i, n);
        for (int64_t k = 0; k < n; k++) worst = (uint64_t)id[k] > worst ? (uint64_t)id[k] : worst;
        if (REEL_UNLIKELY(worst >= (uint64_t)limit)) {
            int64_t k = 0;
            while ((uint64_t)id[k] < (uint64_t)limit) k++;
            if (limit == INT64_MAX)
                return reel_fail(REEL_EARG, "id %lld at position %lld cannot be counted", (long long)id[k],
                                 (long long)i + k);
            return reel_fail(REEL_EARG, "id %lld at position %lld is out of range for %lld bins", (long long)id[k],
                             (long long)i + k, (long long)limit);
        }
        if ((int64_t)worst > top) top = (int64_t)worst;
    }
    *n_ids = top + 1;
    return 0;
}

static int bins_run(const void *plan, void *const *ptr, void *work)
{
    const bins_plan *p = plan;
    int64_t *out = ptr[1];
    if (p->n == 0) {
        memset(out, 0, (size_t)p->bins * sizeof *out);
        return 0;
    }
    int64_t n_ids;
    if (!p->histogram && check_ids(p, ptr[0], p->bins, &n_ids)) return reel_status();
    bins_job j = {p, ptr[0], p->n_blocks > 1 ? work : out};
    if (p->n_blocks == 1) {
        bins_some(&j, 0, 1);
        return 0;
    }
    reel_parallel_for(p->n_blocks, 1, bins_some, &j);
    for (int64_t k = 0; k < p->bins; k++) {
        int64_t sum = 0;
        for (int64_t b = 0; b < p->n_blocks; b++) sum += j.counts[b * p->bins + k];
        out[k] = sum;
    }
    return 0;
}

const reel_kernel reel_k_bins_ = {
    .plan_size = sizeof(bins_plan), .flags = REEL_K_CHEAP, .prepare = bins_prepare, .run = bins_run};

/* ---- bincount of as many bins as there are ids ------------------------------------------------------------- */
static int grow_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const int code = bins_prepare(sig, plan, workspace);
    bins_plan *p = plan;
    p->n_blocks = 1, p->block = p->n;
    *workspace = sizeof(int64_t);
    return code;
}

static int grow_count(const void *plan, void *const *ptr, void *work, int64_t *n)
{
    const bins_plan *p = plan;
    *n = 0;
    if (check_ids(p, ptr[0], INT64_MAX, n)) return reel_status();
    if (*n < p->bins) *n = p->bins;
    memcpy(work, n, sizeof *n);
    return 0;
}

static int grow_run(const void *plan, void *const *ptr, void *work)
{
    bins_plan p = *(const bins_plan *)plan;
    bins_job j = {&p, ptr[0], ptr[1]};
    memcpy(&p.bins, work, sizeof p.bins);
    bins_some(&j, 0, 1);
    return 0;
}

const reel_counting_kernel reel_k_bincount_grow_ = {
    .kernel = {.plan_size = sizeof(bins_plan), .flags = REEL_K_CHEAP, .prepare = grow_prepare, .run = grow_run},
    .count = grow_count};
