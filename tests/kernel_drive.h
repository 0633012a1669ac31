/* kernel_drive.h: runs one kernel directly, as the door would: prepare, workspace, run, drop. */
#ifndef REEL_TESTS_KERNEL_DRIVE_H
#define REEL_TESTS_KERNEL_DRIVE_H
#include "core/device.h"
#include "core/dtype.h"
#include "core/shape.h"
#include "kernels/isa.h"
#include "kernels/kernels.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "reel/tensor.h"
#include <stdlib.h>
#include <string.h>

#define DRIVE_UNUSED __attribute__((unused))

/* A view with its own dims and strides; data points at element 0, base at the memory to free. */
typedef struct array {
    reel_dtype dtype;
    int rank;
    int64_t dims[REEL_MAX_RANK], strides[REEL_MAX_RANK];
    void *data, *base;
} array;

DRIVE_UNUSED static int64_t count_of(const array *a)
{
    int64_t n = 1;
    for (int k = 0; k < a->rank; k++) n *= a->dims[k];
    return n;
}

DRIVE_UNUSED static array dense_array(reel_dtype d, int rank, const int64_t *dims)
{
    array a = {.dtype = d, .rank = rank};
    reel_shape s = {.rank = rank};
    for (int k = 0; k < rank; k++) a.dims[k] = s.dims[k] = dims[k];
    reel_shape_strides_(&s, a.strides);
    a.base = a.data = calloc((size_t)count_of(&a) + 1, 8);
    return a;
}

/* Where element i in C order lies. */
DRIVE_UNUSED static char *element(const array *a, int64_t i)
{
    int64_t off = 0;
    for (int k = a->rank - 1; k >= 0; k--) {
        off += i % a->dims[k] * a->strides[k];
        i /= a->dims[k];
    }
    return (char *)a->data + off * (int64_t)reel_size_(a->dtype);
}

DRIVE_UNUSED static double get_double(reel_dtype d, const void *p)
{
    switch (d) {
    case REEL_F32: return (double)*(const float *)p;
    case REEL_F64: return *(const double *)p;
    case REEL_F16: return (double)reel_f16_to_f32_(*(const uint16_t *)p);
    case REEL_BF16: return (double)reel_bf16_to_f32_(*(const uint16_t *)p);
    case REEL_I8: return *(const int8_t *)p;
    case REEL_I32: return *(const int32_t *)p;
    case REEL_I64: return (double)*(const int64_t *)p;
    default: return *(const uint8_t *)p;
    }
}

DRIVE_UNUSED static void put_double(reel_dtype d, void *p, double v)
{
    switch (d) {
    case REEL_F32: *(float *)p = (float)v; break;
    case REEL_F64: *(double *)p = v; break;
    case REEL_F16: *(uint16_t *)p = reel_f64_to_f16_(v); break;
    case REEL_BF16: *(uint16_t *)p = reel_f64_to_bf16_(v); break;
    case REEL_I8: *(int8_t *)p = (int8_t)v; break;
    case REEL_I32: *(int32_t *)p = (int32_t)v; break;
    case REEL_I64: *(int64_t *)p = (int64_t)v; break;
    default: *(uint8_t *)p = (uint8_t)v; break;
    }
}

DRIVE_UNUSED static double at(const array *a, int64_t i)
{
    return get_double(a->dtype, element(a, i));
}

/* The same values in another layout. kind 0: dense; 1: axes stored in reverse order; 2: every axis backwards; 3: every
   axis with gaps, axes rotated by one. Gaps hold a bit pattern that would show. */
enum { LAYOUTS = 4 };
DRIVE_UNUSED static array relaid(const array *src, int kind)
{
    array a = *src;
    int order[REEL_MAX_RANK];
    for (int k = 0; k < a.rank; k++) order[k] = kind == 1 ? a.rank - 1 - k : kind == 3 ? (k + 1) % a.rank : k;
    const int64_t gap = kind == 3 ? 3 : 1;
    int64_t total = 1, start = 0;
    for (int j = a.rank - 1; j >= 0; j--) {
        const int k = order[j];
        a.strides[k] = total * gap;
        total *= a.dims[k] * gap;
        if (kind == 2) {
            start += (a.dims[k] - 1) * a.strides[k];
            a.strides[k] = -a.strides[k];
        }
    }
    const size_t size = reel_size_(a.dtype), bytes = ((size_t)total + 1) * size;
    a.base = malloc(bytes);
    memset(a.base, 0x7b, bytes);
    a.data = total ? (char *)a.base + start * (int64_t)size : a.base;
    for (int64_t i = 0; i < count_of(src); i++) memcpy(element(&a, i), element(src, i), size);
    return a;
}

DRIVE_UNUSED static void no_swap(void *plan)
{
    (void)plan;
}

/* swap may change the prepared plan (another ISA level's loops). Outputs are dense arrays. */
DRIVE_UNUSED static int drive(const reel_kernel *k, int id, const void *attr, int n_in, const array *in, int n_out,
                              array *out, void (*swap)(void *plan))
{
    const reel_op op = {.size = sizeof op, .id = id, .name = "test"};
    reel_kview v[REEL_MAX_IN + REEL_MAX_OUT];
    void *ptr[REEL_MAX_IN + REEL_MAX_OUT];
    for (int i = 0; i < n_in + n_out; i++) {
        const array *a = i < n_in ? &in[i] : &out[i - n_in];
        v[i] = (reel_kview){a->dtype, a->rank, a->dims, a->strides, NULL};
        ptr[i] = a->data;
    }
    const reel_ksig sig = {&op, attr, n_in, n_out, v, v + n_in};
    void *plan = calloc(1, k->plan_size + 1), *work = NULL;
    size_t bytes = 0;
    int code = k->prepare(&sig, plan, &bytes);
    if (code == 0) {
        work = aligned_alloc(64, (bytes + 64) / 64 * 64);
        swap(plan);
        code = k->run(plan, ptr, work);
        if (k->drop) k->drop(plan);
    }
    free(work);
    free(plan);
    return code;
}

/* A plan begins with the pointer to its loops; tables are arrays of such pointers. */
typedef void loops_fn(void);
DRIVE_UNUSED static void swap_loops(void *plan, const void *mine, const void *other, size_t table_bytes)
{
    loops_fn *body;
    memcpy(&body, plan, sizeof body);
    for (size_t i = 0; i < table_bytes / sizeof body; i++)
        if (memcmp(&body, (const char *)mine + i * sizeof body, sizeof body) == 0) {
            memcpy(plan, (const char *)other + i * sizeof body, sizeof body);
            return;
        }
}

/* A small generator of its own: SplitMix64 (Steele et al., OOPSLA 2014). */
static uint64_t drive_seed = 1;
DRIVE_UNUSED static uint64_t next_bits(void)
{
    uint64_t z = drive_seed += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
DRIVE_UNUSED static double next_double(double low, double high)
{
    return low + (high - low) * ((double)(next_bits() >> 11) * 0x1p-53);
}
DRIVE_UNUSED static void fill_random(array *a, double low, double high)
{
    for (int64_t i = 0; i < count_of(a); i++) put_double(a->dtype, element(a, i), next_double(low, high));
}
#endif
