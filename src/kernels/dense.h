/* dense.h: an operand in C order and in the dtype of the computation: as it is, or a copy in the workspace. */
#ifndef REEL_KERNELS_DENSE_H
#define REEL_KERNELS_DENSE_H
#include "core/device.h"
#include "core/dtype.h"
#include "kernels/kernels.h"
#include "kernels/regions.h"
#include "reel/tensor.h"

typedef struct reel_dense_in {
    reel_dtype dtype, compute;
    bool pack;
    int rank;
    int64_t count, dims[REEL_MAX_RANK], strides[REEL_MAX_RANK];
    size_t pack_at, convert_at;
} reel_dense_in;

static inline int reel_dense_plan_(reel_dense_in *o, const reel_kview *x, reel_dtype compute, size_t *workspace)
{
    reel_shape s = {.rank = x->rank};
    memset(o, 0, sizeof *o);
    o->dtype = x->dtype;
    o->compute = compute;
    o->rank = x->rank;
    for (int i = 0; i < x->rank; i++) {
        s.dims[i] = o->dims[i] = x->dims[i];
        o->strides[i] = x->strides[i];
    }
    o->count = reel_count_(&s);
    o->pack = !reel_is_dense_(&s, x->strides);
    int code = o->pack ? reel_reserve_(workspace, o->count, reel_size_(x->dtype), &o->pack_at) : 0;
    if (!code && x->dtype != compute) code = reel_reserve_(workspace, o->count, reel_size_(compute), &o->convert_at);
    return code;
}

static inline const void *reel_dense_ready_(const reel_dense_in *o, const void *data, void *work)
{
    if (o->pack) {
        const reel_kview v = {o->dtype, o->rank, o->dims, o->strides, (void *)(uintptr_t)data};
        reel_pack_((char *)work + o->pack_at, &v);
        data = (char *)work + o->pack_at;
    }
    if (o->dtype != o->compute) {
        reel_convert_((char *)work + o->convert_at, o->compute, 1, data, o->dtype, 1, o->count);
        data = (char *)work + o->convert_at;
    }
    return data;
}

/* An output that is computed in another dtype than it has: where it is computed, and its way out. */
typedef struct reel_dense_out {
    reel_dtype dtype, compute;
    int64_t count;
    size_t at;
} reel_dense_out;

static inline int reel_dense_out_plan_(reel_dense_out *o, const reel_kview *y, reel_dtype compute, size_t *workspace)
{
    o->dtype = y->dtype;
    o->compute = compute;
    o->count = 1;
    o->at = 0;
    for (int i = 0; i < y->rank; i++) o->count *= y->dims[i];
    return y->dtype != compute ? reel_reserve_(workspace, o->count, reel_size_(compute), &o->at) : 0;
}

static inline void *reel_dense_out_(const reel_dense_out *o, void *data, void *work)
{
    return o->dtype != o->compute ? (char *)work + o->at : data;
}

static inline void reel_dense_done_(const reel_dense_out *o, void *data, void *work)
{
    if (o->dtype != o->compute) reel_convert_(data, o->dtype, 1, (char *)work + o->at, o->compute, 1, o->count);
}
#endif
