/* unique.c: the distinct elements of a tensor, or its distinct slices along an axis. Elements become unsigned keys of the same order
   (NaNs are one value, above all others; the zeros are one), which a stable radix sort puts in order; slices of several elements are
   merged by comparing their keys. */
#include <string.h>
#include "core/dtype.h"
#include "core/shape.h"
#include "kernels/kernels.h"
#include "ops/attrs.h"

typedef struct unique_plan {
    reel_dtype dtype;
    int rank;
    bool dense, unsorted;
    int64_t n, width, outer, inner; /* n slices of width = outer * inner elements */
    int64_t dims[REEL_MAX_RANK], strides[REEL_MAX_RANK];
    size_t pack, keys, other, perm, spare, first;
} unique_plan;

static size_t take(size_t *workspace, size_t bytes)
{
    const size_t at = *workspace;
    *workspace += (bytes + 63) & ~(size_t)63;
    return at;
}

static int unique_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_attr_unique *a = sig->attr;
    const reel_kview *x = &sig->in[0];
    unique_plan *p = plan;
    reel_shape s = {.rank = x->rank};
    memcpy(s.dims, x->dims, (size_t)x->rank * sizeof *x->dims);
    memcpy(p->dims, s.dims, sizeof s.dims);
    memcpy(p->strides, x->strides, (size_t)x->rank * sizeof *x->strides);
    p->dtype = x->dtype;
    p->rank = x->rank;
    p->dense = reel_is_dense_(&s, x->strides);
    p->unsorted = a->unsorted;
    p->outer = p->inner = 1;
    p->n = reel_count_(&s);
    if (!a->flat) {
        const int axis = a->axis < 0 ? a->axis + x->rank : a->axis;
        p->n = x->dims[axis];
        for (int i = 0; i < axis; i++) p->outer *= x->dims[i];
        for (int i = axis + 1; i < x->rank; i++) p->inner *= x->dims[i];
    }
    p->width = p->outer * p->inner;
    const size_t n = (size_t)p->n, all = (size_t)reel_count_(&s);
    p->pack = p->dense ? 0 : take(workspace, all * reel_size_(x->dtype));
    p->keys = take(workspace, all * 8);
    p->other = take(workspace, p->width == 1 ? n * 8 : 0);
    p->perm = take(workspace, n * 8);
    p->spare = take(workspace, n * 8);
    p->first = take(workspace, (n + 1) * 8); /* where each group begins in perm; then their number */
    (void)take(workspace, 64);
    return 0;
}

/* ---- keys ------------------------------------------------------------------------------------------ */

#define FLOAT_KEY(T, bits, top, nan_above)                            \
    do {                                                              \
        const T *v = x;                                               \
        for (int64_t i = 0; i < n; i++) {                             \
            const uint64_t b = v[i], size = b & ((top)-1);            \
            key[i] = size > (nan_above) ? UINT64_MAX >> (64 - (bits)) \
                     : size == 0        ? (top)                       \
                     : b & (top)        ? (uint64_t)(T)~v[i]          \
                                        : b | (top);                         \
        }                                                             \
    } while (0)
#define INT_KEY(U, flip)                                                \
    do {                                                                \
        const U *v = x;                                                 \
        for (int64_t i = 0; i < n; i++) key[i] = (U)(v[i] ^ (U)(flip)); \
    } while (0)
static int keys_of(uint64_t *key, const void *x, reel_dtype d, int64_t n)
{
    switch (d) {
    case REEL_F32: FLOAT_KEY(uint32_t, 32, (uint64_t)1 << 31, 0x7f800000u); return 4;
    case REEL_F64: FLOAT_KEY(uint64_t, 64, (uint64_t)1 << 63, 0x7ff0000000000000u); return 8;
    case REEL_F16: FLOAT_KEY(uint16_t, 16, (uint64_t)1 << 15, 0x7c00u); return 2;
    case REEL_BF16: FLOAT_KEY(uint16_t, 16, (uint64_t)1 << 15, 0x7f80u); return 2;
    case REEL_I8: INT_KEY(uint8_t, 1u << 7); return 1;
    case REEL_I32: INT_KEY(uint32_t, 1u << 31); return 4;
    case REEL_I64: INT_KEY(uint64_t, (uint64_t)1 << 63); return 8;
    default: INT_KEY(uint8_t, 0); return 1; /* u8, bool */
    }
}

/* ---- sorting --------------------------------------------------------------------------------------- */

void reel_radix_(uint64_t *key, uint64_t *key2, int64_t *perm, int64_t *perm2, int64_t n, int bytes)
{
    uint64_t *from = key, *to = key2;
    int64_t *pf = perm, *pt = perm2;
    for (int b = 0; b < bytes; b++) {
        int64_t at[256] = {0}, sum = 0;
        for (int64_t i = 0; i < n; i++) at[from[i] >> (8 * b) & 255]++;
        if (n && at[from[0] >> (8 * b) & 255] == n) continue;
        for (int k = 0; k < 256; k++) {
            const int64_t c = at[k];
            at[k] = sum;
            sum += c;
        }
        for (int64_t i = 0; i < n; i++) {
            const int64_t j = at[from[i] >> (8 * b) & 255]++;
            to[j] = from[i];
            pt[j] = pf[i];
        }
        uint64_t *k = from;
        int64_t *q = pf;
        from = to, to = k;
        pf = pt, pt = q;
    }
    if (from == key || n == 0) return;
    memcpy(key, from, (size_t)n * sizeof *key);
    memcpy(perm, pf, (size_t)n * sizeof *perm);
}

static int compare(const uint64_t *key, const unique_plan *p, int64_t a, int64_t b)
{
    for (int64_t o = 0; o < p->outer; o++) {
        const uint64_t *x = key + (o * p->n + a) * p->inner, *y = key + (o * p->n + b) * p->inner;
        for (int64_t i = 0; i < p->inner; i++)
            if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
    }
    return 0;
}

static void merge_sort(const unique_plan *p, const uint64_t *key, int64_t *perm, int64_t *spare)
{
    int64_t *from = perm, *to = spare;
    for (int64_t w = 1; w < p->n; w *= 2) {
        for (int64_t low = 0; low < p->n; low += 2 * w) {
            const int64_t mid = low + w < p->n ? low + w : p->n, high = low + 2 * w < p->n ? low + 2 * w : p->n;
            int64_t a = low, b = mid, k = low;
            while (a < mid && b < high) to[k++] = compare(key, p, from[b], from[a]) < 0 ? from[b++] : from[a++];
            while (a < mid) to[k++] = from[a++];
            while (b < high) to[k++] = from[b++];
        }
        int64_t *t = from;
        from = to;
        to = t;
    }
    if (from != perm) memcpy(perm, from, (size_t)p->n * sizeof *perm);
}

/* ---- the two halves -------------------------------------------------------------------------------- */

static int64_t *ints(void *work, size_t at)
{
    return (int64_t *)(void *)((char *)work + at);
}

static int unique_count(const void *plan, void *const *ptr, void *work, int64_t *n)
{
    const unique_plan *p = plan;
    uint64_t *key = (uint64_t *)(void *)((char *)work + p->keys);
    int64_t *perm = ints(work, p->perm), *spare = ints(work, p->spare), *first = ints(work, p->first), groups = 0;
    const void *x = ptr[0];
    if (!p->dense) {
        const reel_kview v = {
            .dtype = p->dtype, .rank = p->rank, .dims = p->dims, .strides = p->strides, .data = ptr[0]};
        reel_pack_((char *)work + p->pack, &v);
        x = (char *)work + p->pack;
    }
    const int bytes = keys_of(key, x, p->dtype, p->n * p->width);
    for (int64_t i = 0; i < p->n; i++) perm[i] = i;
    if (p->width == 1)
        reel_radix_(key, (uint64_t *)(void *)((char *)work + p->other), perm, spare, p->n, bytes);
    else
        merge_sort(p, key, perm, spare);
    for (int64_t i = 0; i < p->n; i++) {
        const bool same = i > 0 && (p->width == 1 ? key[i] == key[i - 1] : compare(key, p, perm[i], perm[i - 1]) == 0);
        if (!same) first[groups++] = i;
    }
    first[groups] = p->n;
    *n = *ints(work, p->first + (((size_t)(p->n + 1) * 8 + 63) & ~(size_t)63)) = groups;
    return 0;
}

/* Groups by first appearance: which number each gets. */
static void number_by_appearance(const unique_plan *p, const int64_t *group_of, int64_t *number, int64_t groups)
{
    int64_t next = 0;
    for (int64_t g = 0; g < groups; g++) number[g] = -1;
    for (int64_t i = 0; i < p->n; i++)
        if (number[group_of[i]] < 0) number[group_of[i]] = next++;
}

static void copy_slice(const unique_plan *p, char *to, int64_t g, int64_t groups, const char *from, int64_t i)
{
    const int64_t bytes = p->inner * (int64_t)reel_size_(p->dtype);
    for (int64_t o = 0; o < p->outer; o++)
        memcpy(to + (o * groups + g) * bytes, from + (o * p->n + i) * bytes, (size_t)bytes);
}

/* Outputs: values, index, inverse, counts. */
static int unique_run(const void *plan, void *const *ptr, void *work)
{
    const unique_plan *p = plan;
    const int64_t *perm = ints(work, p->perm), *first = ints(work, p->first);
    const int64_t groups = *ints(work, p->first + (((size_t)(p->n + 1) * 8 + 63) & ~(size_t)63));
    int64_t *number = ints(work, p->spare), *index = ptr[2], *inverse = ptr[3], *counts = ptr[4];
    const char *x = p->dense ? ptr[0] : (char *)work + p->pack;
    for (int64_t g = 0; g < groups; g++)
        for (int64_t i = first[g]; i < first[g + 1]; i++) inverse[perm[i]] = g;
    if (p->unsorted) {
        number_by_appearance(p, inverse, number, groups);
        for (int64_t i = 0; i < p->n; i++) inverse[i] = number[inverse[i]];
    }
    for (int64_t g = 0; g < groups; g++) {
        const int64_t to = p->unsorted ? number[g] : g;
        index[to] = perm[first[g]];
        counts[to] = first[g + 1] - first[g];
        copy_slice(p, ptr[1], to, groups, x, perm[first[g]]);
    }
    return 0;
}

const reel_counting_kernel reel_k_unique_ = {
    .kernel = {.plan_size = sizeof(unique_plan), .flags = REEL_K_CHEAP, .prepare = unique_prepare, .run = unique_run},
    .count = unique_count};
_Static_assert(sizeof(unique_plan) <= REEL_PLAN_STACK, "a cheap kernel's plan lives on the stack");
