/* rows.c: rows of a table by number: embedding takes them, put_rows adds them up. All numbers are checked before any memory
   is touched. */
#include <string.h>
#include "core/dtype.h"
#include "core/error.h"
#include "core/shape.h"
#include "kernels/half.h"
#include "kernels/index.h"
#include "kernels/kernels.h"
#include "kernels/rows.h"
#include "ops/attrs.h"
#include "reel/tensor.h"

enum { WORK = 1 << 15 /* bytes a piece of parallel work */ };

/* ---- numbers of rows ------------------------------------------------------------------------------- */

void reel_rows_plan_ids_(reel_row_ids *p, const reel_kview *ids, int64_t rows, size_t *workspace)
{
    *p = (reel_row_ids){.dtype = ids->dtype, .rank = ids->rank, .n = 1, .rows = rows, .at = *workspace};
    memcpy(p->dims, ids->dims, (size_t)ids->rank * sizeof *ids->dims);
    memcpy(p->strides, ids->strides, (size_t)ids->rank * sizeof *ids->strides);
    for (int i = 0; i < ids->rank; i++) p->n *= ids->dims[i];
    *workspace += ((size_t)p->n * 8 + 63) & ~(size_t)63;
}

#define WIDEN(d, T)                                                                  \
    case d:                                                                          \
        for (int64_t i = p->n; i-- > 0;) {                                           \
            T narrow;                                                                \
            memcpy(&narrow, (char *)id + i * (int64_t)sizeof narrow, sizeof narrow); \
            id[i] = narrow;                                                          \
        }                                                                            \
        break;
int reel_rows_read_ids_(const reel_row_ids *p, void *data, void *work, const int64_t **ids)
{
    int64_t *id = (int64_t *)(void *)((char *)work + p->at);
    const reel_kview v = {.dtype = p->dtype, .rank = p->rank, .dims = p->dims, .strides = p->strides, .data = data};
    reel_pack_(id, &v); /* widened where it lies, from the end */
    switch (p->dtype) {
        WIDEN(REEL_I8, int8_t)
        WIDEN(REEL_U8, uint8_t)
        WIDEN(REEL_I32, int32_t)
    default: break;
    }
    *ids = id;
    uint64_t bad = 0; /* its sign */
    for (int64_t i = 0; i < p->n; i++) bad |= (uint64_t)id[i] | ((uint64_t)p->rows - 1 - (uint64_t)id[i]);
    for (int64_t i = 0; bad >> 63 && i < p->n; i++)
        if (id[i] < 0 || id[i] >= p->rows)
            return reel_fail(REEL_EARG, "index %lld at position %lld is out of range for %lld rows", (long long)id[i],
                             (long long)i, (long long)p->rows);
    return 0;
}

/* ---- embedding ------------------------------------------------------------------------------------- */

typedef struct embedding_plan {
    reel_row_ids ids;
    bool packed; /* the table's rows are not contiguous */
    size_t pack;
    reel_dtype dtype;
    int rank;
    int64_t row, stride; /* bytes */
    int64_t dims[REEL_MAX_RANK], strides[REEL_MAX_RANK];
} embedding_plan;

static int embedding_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    embedding_plan *p = plan;
    const reel_kview *t = &sig->in[0];
    reel_shape inner = {.rank = t->rank - 1};
    memcpy(inner.dims, t->dims + 1, (size_t)inner.rank * sizeof *t->dims);
    p->dtype = t->dtype;
    p->rank = t->rank;
    memcpy(p->dims, t->dims, (size_t)t->rank * sizeof *t->dims);
    memcpy(p->strides, t->strides, (size_t)t->rank * sizeof *t->strides);
    p->row = reel_count_(&inner) * (int64_t)reel_size_(t->dtype);
    p->packed = !reel_is_dense_(&inner, t->strides + 1);
    p->stride = p->packed ? p->row : t->strides[0] * (int64_t)reel_size_(t->dtype);
    reel_rows_plan_ids_(&p->ids, &sig->in[1], t->dims[0], workspace);
    p->pack = *workspace;
    if (p->packed) *workspace += (size_t)(p->row * t->dims[0]);
    return 0;
}

typedef struct embedding_job {
    const embedding_plan *p;
    const int64_t *ids;
    const char *table;
    char *out;
} embedding_job;

static void take_rows(void *arg, int64_t begin, int64_t end)
{
    const embedding_job *j = arg;
    const int64_t row = j->p->row, stride = j->p->stride;
    for (int64_t i = begin; i < end; i++) memcpy(j->out + i * row, j->table + j->ids[i] * stride, (size_t)row);
}

static int embedding_run(const void *plan, void *const *ptr, void *work)
{
    const embedding_plan *p = plan;
    embedding_job j = {.p = p, .table = ptr[0], .out = ptr[2]};
    const int rc = reel_rows_read_ids_(&p->ids, ptr[1], work, &j.ids);
    if (rc) return rc;
    if (p->packed) {
        const reel_kview v = {
            .dtype = p->dtype, .rank = p->rank, .dims = p->dims, .strides = p->strides, .data = ptr[0]};
        reel_pack_((char *)work + p->pack, &v);
        j.table = (char *)work + p->pack;
    }
    const int64_t grain = WORK / (p->row + 8) + 1;
    if (p->ids.n > grain)
        reel_parallel_for(p->ids.n, grain, take_rows, &j);
    else
        take_rows(&j, 0, p->ids.n);
    return 0;
}

/* ---- rows grouped by number, and summed ------------------------------------------------------------- */

void reel_rows_plan_groups_(reel_row_groups *p, const reel_kview *ids, int64_t rows, size_t *workspace)
{
    reel_rows_plan_ids_(&p->ids, ids, rows, workspace);
    const size_t column = ((size_t)(p->ids.n + 1) * 8 + 63) & ~(size_t)63;
    p->at = *workspace;
    *workspace += 4 * column + 64;
    p->column = column;
    p->bytes = 1;
    while (p->bytes < 8 && rows >> (8 * p->bytes)) p->bytes++;
}

int reel_rows_group_(const reel_row_groups *p, void *ids, void *work)
{
    const int64_t *id, n = p->ids.n;
    const int rc = reel_rows_read_ids_(&p->ids, ids, work, &id);
    if (rc) return rc;
    char *at = (char *)work + p->at;
    uint64_t *key = (uint64_t *)(void *)at;
    int64_t *first = (int64_t *)(void *)(at + p->column), *perm = (int64_t *)(void *)(at + 2 * p->column),
            *spare = (int64_t *)(void *)(at + 3 * p->column), groups = 0;
    for (int64_t i = 0; i < n; i++) {
        key[i] = (uint64_t)id[i];
        perm[i] = i;
    }
    reel_radix_(key, (uint64_t *)(void *)first, perm, spare, n, p->bytes);
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || key[i] != key[i - 1]) first[groups++] = i;
    first[groups] = n;
    *(int64_t *)(void *)(at + 4 * p->column) = groups;
    return 0;
}

reel_row_group_list reel_rows_groups_(const reel_row_groups *p, void *work)
{
    char *at = (char *)work + p->at;
    return (reel_row_group_list){.key = (const uint64_t *)(void *)at,
                                 .first = (const int64_t *)(void *)(at + p->column),
                                 .perm = (const int64_t *)(void *)(at + 2 * p->column),
                                 .n = *(const int64_t *)(void *)(at + 4 * p->column)};
}

#define SUM(d, E, T, GET, PUT)                                   \
    case d: {                                                    \
        const E *x = (const E *)g + perm[0] * width + first;     \
        E *y = dst;                                              \
        T sum[REEL_ROWS_CHUNK];                                  \
        for (int64_t i = 0; i < w; i++) sum[i] = GET(x[i]);      \
        for (int64_t k = 1; k < n; k++) {                        \
            x = (const E *)g + perm[k] * width + first;          \
            for (int64_t i = 0; i < w; i++) sum[i] += GET(x[i]); \
        }                                                        \
        for (int64_t i = 0; i < w; i++) y[i] = PUT(sum[i]);      \
        return;                                                  \
    }
#define SAME(x) (x)
#define F32(x) ((float)(x))
void reel_rows_sum_(void *dst, const void *g, reel_dtype d, const int64_t *perm, int64_t n, int64_t width,
                    int64_t first, int64_t w)
{
    if (n == 1) {
        const size_t size = reel_size_(d);
        memcpy(dst, (const char *)g + (size_t)(perm[0] * width + first) * size, (size_t)w * size);
        return;
    }
    switch (d) {
        SUM(REEL_F32, float, double, SAME, F32)
        SUM(REEL_F64, double, double, SAME, SAME)
        SUM(REEL_F16, uint16_t, float, reel_widen_f16_, reel_narrow_f16_)
        SUM(REEL_BF16, uint16_t, float, reel_widen_bf16_, reel_narrow_bf16_)
    default: return;
    }
}

/* ---- put_rows(g, like, ids): every row is written once, as 0 or as its sum. Groups are found by counting over all rows where
   those are not many more than the numbers, else by sorting. -------------------------------------------- */

typedef struct put_plan {
    reel_row_groups groups;
    reel_dtype dtype;
    int rank;
    bool packed, counted;
    size_t pack, first; /* first: counted ones, as reel_group_rows_ has them */
    int64_t width, rows;
    int64_t dims[REEL_MAX_RANK], strides[REEL_MAX_RANK];
} put_plan;

static int put_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    put_plan *p = plan;
    const reel_kview *g = &sig->in[0], *y = &sig->out[0];
    reel_shape s = {.rank = g->rank};
    memcpy(s.dims, g->dims, (size_t)g->rank * sizeof *g->dims);
    memcpy(p->dims, g->dims, (size_t)g->rank * sizeof *g->dims);
    memcpy(p->strides, g->strides, (size_t)g->rank * sizeof *g->strides);
    p->dtype = g->dtype;
    p->rank = g->rank;
    p->packed = !reel_is_dense_(&s, g->strides);
    p->rows = y->dims[0];
    p->width = 1;
    for (int i = 1; i < y->rank; i++) p->width *= y->dims[i];
    int64_t n = 1;
    for (int i = 0; i < sig->in[2].rank; i++) n *= sig->in[2].dims[i];
    p->counted = p->rows / 8 <= n;
    if (p->counted) {
        reel_rows_plan_ids_(&p->groups.ids, &sig->in[2], p->rows, workspace);
        p->first = *workspace;
        *workspace += (size_t)(((REEL_GROUPS_(p->rows) + n) * 8 + 63) & ~(int64_t)63);
    } else {
        reel_rows_plan_groups_(&p->groups, &sig->in[2], p->rows, workspace);
    }
    p->pack = *workspace;
    if (p->packed) *workspace += (size_t)reel_count_(&s) * reel_size_(g->dtype);
    return 0;
}

typedef struct put_job {
    const put_plan *p;
    reel_row_group_list list;
    const int64_t *first, *order; /* counted */
    const char *g;
    char *out;
} put_job;

/* Row r becomes the sum of the n rows at[0..n-1] of g. */
static void put_row(const put_job *j, int64_t r, const int64_t *at, int64_t n)
{
    const int64_t width = j->p->width, size = (int64_t)reel_size_(j->p->dtype);
    char *const to = j->out + r * width * size;
    if (n == 1)
        memcpy(to, j->g + at[0] * width * size, (size_t)(width * size));
    else
        for (int64_t c = 0; c < width; c += REEL_ROWS_CHUNK)
            reel_rows_sum_(to + c * size, j->g, j->p->dtype, at, n, width, c,
                           width - c < REEL_ROWS_CHUNK ? width - c : REEL_ROWS_CHUNK);
}

static void put_zeros(const put_job *j, int64_t from, int64_t to)
{
    const int64_t row = j->p->width * (int64_t)reel_size_(j->p->dtype);
    memset(j->out + from * row, 0, (size_t)((to - from) * row));
}

static void put_counted(void *arg, int64_t begin, int64_t end)
{
    const put_job *j = arg;
    const int64_t row = j->p->width * (int64_t)reel_size_(j->p->dtype);
    for (int64_t r = begin; r < end; r++) {
        const int64_t at = j->first[r], n = j->first[r + 1] - at;
        for (int64_t i = 0; i < n; i++) reel_group_ahead_(j->g, row, j->order, at + i, j->p->groups.ids.n);
        if (n == 0)
            put_zeros(j, r, r + 1);
        else
            put_row(j, r, j->order + at, n);
    }
}

/* Groups, each with the empty rows before it. */
static void put_groups(void *arg, int64_t begin, int64_t end)
{
    const put_job *j = arg;
    const reel_row_group_list *l = &j->list;
    for (int64_t k = begin; k < end; k++) {
        const int64_t at = l->first[k], r = (int64_t)l->key[at];
        put_zeros(j, k > 0 ? (int64_t)l->key[l->first[k - 1]] + 1 : 0, r);
        put_row(j, r, l->perm + at, l->first[k + 1] - at);
    }
}

static int put_find(const put_plan *p, void *ids, char *work, put_job *j)
{
    if (!p->counted) {
        const int rc = reel_rows_group_(&p->groups, ids, work);
        if (!rc) j->list = reel_rows_groups_(&p->groups, work);
        return rc;
    }
    const int64_t *id, n = p->groups.ids.n;
    int64_t *const first = (int64_t *)(void *)(work + p->first), *const order = first + REEL_GROUPS_(p->rows);
    const int rc = reel_rows_read_ids_(&p->groups.ids, ids, work, &id);
    if (rc) return rc;
    reel_group_rows_(id, n, p->rows, first, order);
    j->first = first;
    j->order = order;
    return 0;
}

static int put_run(const void *plan, void *const *ptr, void *work)
{
    const put_plan *p = plan;
    put_job j = {.p = p, .g = ptr[0], .out = ptr[3]};
    const int rc = put_find(p, ptr[2], work, &j);
    if (rc) return rc;
    if (p->packed) {
        const reel_kview v = {
            .dtype = p->dtype, .rank = p->rank, .dims = p->dims, .strides = p->strides, .data = ptr[0]};
        reel_pack_((char *)work + p->pack, &v);
        j.g = (char *)work + p->pack;
    }
    const int64_t grain = WORK / (p->width * 8 + 8) + 1, n = p->counted ? p->rows : j.list.n;
    void (*const body)(void *, int64_t, int64_t) = p->counted ? put_counted : put_groups;
    if (!p->counted) put_zeros(&j, n > 0 ? (int64_t)j.list.key[j.list.first[n - 1]] + 1 : 0, p->rows);
    if (n > grain)
        reel_parallel_for(n, grain, body, &j);
    else
        body(&j, 0, n);
    return 0;
}

const reel_kernel reel_k_embedding_ = {
    .plan_size = sizeof(embedding_plan), .flags = REEL_K_CHEAP, .prepare = embedding_prepare, .run = embedding_run};
const reel_kernel reel_k_put_rows_ = {
    .plan_size = sizeof(put_plan), .flags = REEL_K_CHEAP, .prepare = put_prepare, .run = put_run};
_Static_assert(sizeof(embedding_plan) <= REEL_PLAN_STACK && sizeof(put_plan) <= REEL_PLAN_STACK,
               "a cheap kernel's plan lives on the stack");
