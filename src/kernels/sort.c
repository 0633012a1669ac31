/* sort.c: sort and argsort: keys, and radix sorts of them. */
#include "kernels/sort.h"
#include "core/dtype.h"
#include "core/error.h"
#include "kernels/kernels.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "reel/tensor.h"

#define R uint32_t
#define NAME(f) f##_v32
#define BITS(r) ((uint64_t)(r))
#include "kernels/sort_radix.h"

#define R uint64_t
#define NAME(f) f##_v64
#define BITS(r) (r)
#define SELECT
#include "kernels/sort_radix.h"

#define R reel_sort_pair
#define NAME(f) f##_pair
#define BITS(r) ((r).key)
#define SELECT
#include "kernels/sort_radix.h"

#define R reel_sort_pair
#define NAME(f) f##_index
#define BITS(r) ((r).index)
#include "kernels/sort_radix.h"

/* ---- lines and records --------------------------------------------------------------------------------- */
int reel_lines_(reel_lines *l, const reel_kview *x, int axis, bool descending)
{
    axis += axis < 0 ? x->rank : 0;
    l->rows.n = 0;
    l->n = x->dims[axis], l->stride = x->strides[axis];
    l->n_lines = l->inner = 1;
    for (int k = x->rank - 1; k >= 0; k--) {
        if (k == axis) continue;
        if (k > axis) l->inner *= x->dims[k];
        l->n_lines *= x->dims[k];
        reel_walk_add_(&l->rows, x->dims[k], x->strides[k]);
    }
    reel_walk_turn_(&l->rows);
    l->dtype = x->dtype;
    l->size = reel_size_(x->dtype);
    l->wide = l->size == 8;
    l->flip = !descending ? 0 : l->size == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * l->size)) - 1;
    if (l->n > UINT32_MAX)
        return reel_fail(REEL_ESHAPE, "axis %d has %lld elements, at most 2^32 - 1 can be sorted", axis,
                         (long long)l->n);
    return 0;
}

static int key_bits(const reel_lines *l)
{
    return 8 * (int)l->size;
}

/* For each element x[i]: PUT, which sees its key k. */
#define KEYS(T, KEY, K, PUT)                  \
    do {                                      \
        const T *p = x;                       \
        const K flip = (K)l->flip;            \
        for (int64_t i = 0; i < n; i++) {     \
            const T u = p[i * l->stride];     \
            const K k = (K)((K)(KEY) ^ flip); \
            PUT;                              \
        }                                     \
    } while (0)
#define ALL_KEYS(PUT32, PUT64)                                                                      \
    switch (l->dtype) {                                                                             \
    case REEL_F32: KEYS(uint32_t, reel_sort_key_32_0x7f800000_(u), uint32_t, PUT32); break;         \
    case REEL_F16: KEYS(uint16_t, reel_sort_key_16_0x7c00_(u), uint32_t, PUT32); break;             \
    case REEL_BF16: KEYS(uint16_t, reel_sort_key_16_0x7f80_(u), uint32_t, PUT32); break;            \
    case REEL_I32: KEYS(uint32_t, u ^ 0x80000000u, uint32_t, PUT32); break;                         \
    case REEL_I8: KEYS(uint8_t, u ^ 0x80u, uint32_t, PUT32); break;                                 \
    case REEL_U8:                                                                                   \
    case REEL_BOOL: KEYS(uint8_t, u, uint32_t, PUT32); break;                                       \
    case REEL_F64: KEYS(uint64_t, reel_sort_key_64_0x7ff0000000000000_(u), uint64_t, PUT64); break; \
    default: KEYS(uint64_t, u ^ (UINT64_C(1) << 63), uint64_t, PUT64); break;                       \
    }

void reel_records_(const reel_lines *l, void *records, const void *x, int64_t n, int64_t first)
{
    uint64_t *narrow = records;
    reel_sort_pair *pair = records;
    ALL_KEYS(narrow[i] = (uint64_t)k << 32 | (uint64_t)(first + i),
             (pair[i] = (reel_sort_pair){k, (uint64_t)(first + i)}))
}

static void keys_only(const reel_lines *l, void *keys, const void *x, int64_t n)
{
    uint32_t *narrow = keys;
    uint64_t *wide = keys;
    ALL_KEYS(narrow[i] = k, wide[i] = k)
}

void reel_sort_records_(const reel_lines *l, void *records, void *temporary, int64_t n, uint32_t *counters)
{
    if (l->wide)
        radix_pair(records, temporary, n, 0, 64, counters);
    else
        radix_v64(records, temporary, n, 32, 32 + key_bits(l), counters);
}

void reel_sort_by_index_(const reel_lines *l, void *records, void *temporary, int64_t n, uint32_t *counters)
{
    if (l->wide)
        radix_index(records, temporary, n, 0, 32, counters);
    else
        radix_v64(records, temporary, n, 0, 32, counters);
}

int64_t reel_select_record_(const reel_lines *l, void *records, int64_t n, int64_t k, uint32_t *counters)
{
    if (l->wide) return (int64_t)select_pair(records, n, k, 0, 64, counters).index;
    return (int64_t)(uint32_t)select_v64(records, n, k, 32, 32 + key_bits(l), counters);
}

/* ---- sort and argsort ---------------------------------------------------------------------------------- */
typedef struct sort_plan {
    reel_lines l;
    int64_t groups;
    bool arg;
    size_t record, slot, hist; /* bytes a record, of a group's share, of its counters */
} sort_plan;

static int sort_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    sort_plan *p = plan;
    const reel_attr_sort *a = sig->attr;
    const int code = reel_lines_(&p->l, &sig->in[0], a->axis, a->descending != 0);
    if (code) return code;
    p->arg = sig->op->id == REEL_OP_argsort;
    p->groups = reel_sort_groups_(&p->l);
    p->record = p->arg ? reel_record_size_(&p->l) : p->l.wide ? sizeof(uint64_t) : sizeof(uint32_t);
    p->hist = reel_sort_counters_(p->l.n);
    p->slot = p->hist + 2 * (((size_t)p->l.n * p->record + 63) / 64 * 64);
    *workspace = p->l.n_lines ? (size_t)p->groups * p->slot : 0;
    return 0;
}

/* Floats of n sorted keys; zeros get the signs they had, in order of index. */
#define FROM_KEYS(U, K, SIGN, NAN_BITS)                                                        \
    do {                                                                                       \
        const K *k = keys;                                                                     \
        const K flip = (K)l->flip, sign = (K)(SIGN);                                           \
        U *y = out;                                                                            \
        for (int64_t i = 0; i < n; i++) {                                                      \
            const K v = k[i] ^ flip;                                                           \
            const K back = v & sign ? v ^ sign : ~v;                                           \
            y[i * l->inner] = (U)(v == (K)(U) ~(U)0 ? (K)(NAN_BITS) : back);                   \
        }                                                                                      \
        int64_t low = 0, high = n; /* the first key that is not below zero's */                \
        while (low < high) {                                                                   \
            const int64_t mid = low + (high - low) / 2;                                        \
            if (k[mid] < (K)(sign ^ flip))                                                     \
                low = mid + 1;                                                                 \
            else                                                                               \
                high = mid;                                                                    \
        }                                                                                      \
        const U *from = x;                                                                     \
        for (int64_t i = 0; low < n && k[low] == (K)(sign ^ flip) && i < n; i++)               \
            if ((U)(from[i * l->stride] << 1) == 0) y[low++ * l->inner] = from[i * l->stride]; \
    } while (0)
#define INTS_FROM_KEYS(U, K, SIGN)                                                            \
    do {                                                                                      \
        const K *k = keys;                                                                    \
        U *y = out;                                                                           \
        for (int64_t i = 0; i < n; i++) y[i * l->inner] = (U)(k[i] ^ (K)l->flip ^ (K)(SIGN)); \
    } while (0)

static void store(const reel_lines *l, void *out, const void *keys, const void *x, int64_t n)
{
    switch (l->dtype) {
    case REEL_F32: FROM_KEYS(uint32_t, uint32_t, 0x80000000u, 0x7fc00000u); break;
    case REEL_F64: FROM_KEYS(uint64_t, uint64_t, UINT64_C(1) << 63, UINT64_C(0x7ff8000000000000)); break;
    case REEL_F16: FROM_KEYS(uint16_t, uint32_t, 0x8000u, 0x7e00u); break;
    case REEL_BF16: FROM_KEYS(uint16_t, uint32_t, 0x8000u, 0x7fc0u); break;
    case REEL_I32: INTS_FROM_KEYS(uint32_t, uint32_t, 0x80000000u); break;
    case REEL_I64: INTS_FROM_KEYS(uint64_t, uint64_t, UINT64_C(1) << 63); break;
    case REEL_I8: INTS_FROM_KEYS(uint8_t, uint32_t, 0x80u); break;
    default: INTS_FROM_KEYS(uint8_t, uint32_t, 0); break;
    }
}

typedef struct sort_job {
    const sort_plan *p;
    const char *x;
    char *out, *work;
} sort_job;

static void sort_group(void *arg, int64_t begin, int64_t end)
{
    const sort_job *j = arg;
    const sort_plan *p = j->p;
    const reel_lines *l = &p->l;
    for (int64_t g = begin; g < end; g++) {
        uint32_t *hist = (uint32_t *)(void *)(j->work + (size_t)g * p->slot);
        char *records = (char *)hist + p->hist, *temporary = records + ((size_t)l->n * p->record + 63) / 64 * 64;
        for (int64_t i = l->n_lines * g / p->groups; i < l->n_lines * (g + 1) / p->groups; i++) {
            const char *x = j->x + reel_walk_offset_(&l->rows, i) * (int64_t)l->size;
            const int64_t to = reel_line_out_(l, i, l->n);
            if (p->arg) {
                int64_t *y = (int64_t *)(void *)j->out + to;
                reel_records_(l, records, x, l->n, 0);
                reel_sort_records_(l, records, temporary, l->n, hist);
                for (int64_t k = 0; k < l->n; k++) y[k * l->inner] = reel_record_index_(l, records, k);
                continue;
            }
            keys_only(l, records, x, l->n);
            if (l->wide)
                radix_v64((uint64_t *)(void *)records, (uint64_t *)(void *)temporary, l->n, 0, 64, hist);
            else
                radix_v32((uint32_t *)(void *)records, (uint32_t *)(void *)temporary, l->n, 0, key_bits(l), hist);
            store(l, j->out + to * (int64_t)l->size, records, x, l->n);
        }
    }
}

static int sort_run(const void *plan, void *const *ptr, void *work)
{
    const sort_plan *p = plan;
    sort_job j = {p, ptr[0], ptr[1], work};
    if (p->l.n_lines == 0 || p->l.n == 0) return 0;
    if (p->groups == 1)
        sort_group(&j, 0, 1);
    else
        reel_parallel_for(p->groups, 1, sort_group, &j);
    return 0;
}

const reel_kernel reel_k_sort_ = {
    .plan_size = sizeof(sort_plan), .flags = REEL_K_CHEAP, .prepare = sort_prepare, .run = sort_run};
_Static_assert(sizeof(sort_plan) <= REEL_PLAN_STACK, "a cheap kernel's plan lives on the stack");
