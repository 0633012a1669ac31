/* search.c: searchsorted, bincount, histogram. */
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

/* ---- searchsorted -------------------------------------------------------------------------------------- */
typedef int64_t search_fn(const void *sorted, int64_t stride, int64_t n, const void *value, bool right);
typedef struct search_plan {
    search_fn *fn;
    reel_walk values, rows;        /* rows: where the sorted ones begin */
    int64_t n, stride, count, row; /* row: values for each row of sorted ones */
    size_t size;
    bool right;
} search_plan;

#define SEARCH(name, T, K, KEY)                                                                       \
    static int64_t name(const void *sorted, int64_t stride, int64_t n, const void *value, bool right) \
    {                                                                                                 \
        const T *s = sorted;                                                                          \
        T u = *(const T *)value;                                                                      \
        const K v = (K)(KEY);                                                                         \
        int64_t low = 0, high = n;                                                                    \
        while (low < high) {                                                                          \
            const int64_t mid = low + (high - low) / 2;                                               \
            u = s[mid * stride];                                                                      \
            const K k = (K)(KEY);                                                                     \
            if (right ? k <= v : k < v)                                                               \
                low = mid + 1;                                                                        \
            else                                                                                      \
                high = mid;                                                                           \
        }                                                                                             \
        return low;                                                                                   \
    }
SEARCH(search_f32, uint32_t, uint32_t, reel_sort_key_32_0x7f800000_(u))
SEARCH(search_f64, uint64_t, uint64_t, reel_sort_key_64_0x7ff0000000000000_(u))
SEARCH(search_f16, uint16_t, uint16_t, reel_sort_key_16_0x7c00_(u))
SEARCH(search_bf16, uint16_t, uint16_t, reel_sort_key_16_0x7f80_(u))
SEARCH(search_i8, int8_t, int8_t, u)
SEARCH(search_u8, uint8_t, uint8_t, u)
SEARCH(search_i32, int32_t, int32_t, u)
SEARCH(search_i64, int64_t, int64_t, u)

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
    reel_place at;
    reel_place_set_(&at, &p->values, begin);
    const char *row = NULL;
    for (int64_t i = begin; i < end; i++) {
        if (!row || i % p->row == 0) row = j->sorted + reel_walk_offset_(&p->rows, i / p->row) * size;
        j->out[i] = p->fn(row, p->stride, p->n, j->values + at.off * size, p->right);
        reel_place_next_(&at, &p->values);
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

const reel_kernel reel_k_searchsorted_ = {sizeof(search_plan), REEL_K_CHEAP, search_prepare, search_run, NULL};

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

typedef struct bins_job {
    const bins_plan *p;
    const void *x;
    int64_t *counts;
} bins_job;

static void bins_some(void *arg, int64_t begin, int64_t end)
{
    const bins_job *j = arg;
    const bins_plan *p = j->p;
    const char *x = j->x;
    const int64_t size = (int64_t)reel_size_(p->dtype);
    for (int64_t b = begin; b < end; b++) {
        const int64_t first = b * p->block, last = first + p->block < p->n ? first + p->block : p->n;
        int64_t *counts = j->counts + b * p->bins;
        reel_place at;
        memset(counts, 0, (size_t)p->bins * sizeof *counts);
        reel_place_set_(&at, &p->x, first);
        for (int64_t i = first; i < last; i++) {
            if (p->histogram) {
                const char *v = x + at.off * size;
                double d = 0;
                if (p->dtype == REEL_F32) {
                    float f;
                    memcpy(&f, v, sizeof f);
                    d = (double)f;
                } else {
                    reel_convert_(&d, REEL_F64, 1, v, p->dtype, 1, 1);
                }
                const int64_t k = bin_of(p, d);
                if (k >= 0) counts[k]++;
            } else {
                counts[reel_label_(p->dtype, x, at.off)]++;
            }
            reel_place_next_(&at, &p->x);
        }
    }
}

static int bins_run(const void *plan, void *const *ptr, void *work)
{
    const bins_plan *p = plan;
    int64_t *out = ptr[1];
    if (p->n == 0) {
        memset(out, 0, (size_t)p->bins * sizeof *out);
        return 0;
    }
    if (!p->histogram) { /* on this thread, before anything is counted: an error must reach the caller */
        reel_place at;
        reel_place_set_(&at, &p->x, 0);
        for (int64_t i = 0; i < p->n; i++) {
            const int64_t id = reel_label_(p->dtype, ptr[0], at.off);
            if (REEL_UNLIKELY(id < 0 || id >= p->bins))
                return reel_fail(REEL_EARG, "id %lld at position %lld is out of range for %lld bins", (long long)id,
                                 (long long)i, (long long)p->bins);
            reel_place_next_(&at, &p->x);
        }
    }
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

const reel_kernel reel_k_bins_ = {sizeof(bins_plan), REEL_K_CHEAP, bins_prepare, bins_run, NULL};
