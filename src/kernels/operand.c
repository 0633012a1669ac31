/* operand.c: dense operands and scratch regions. */
#include "operand.h"

#include <string.h>

#include "core/dtype.h"
#include "core/error.h"
#include "core/shape.h"
#include "kernels.h"
#include "reel/tensor.h"

int reel_room_(size_t *workspace, int64_t count, size_t size, size_t *at)
{
    size_t bytes, end;
    if (REEL_MUL_OVERFLOW((size_t)count, size, &bytes) || bytes > SIZE_MAX - 64 ||
        REEL_ADD_OVERFLOW(*workspace, (bytes + 63) & ~(size_t)63, &end))
        return reel_fail(REEL_ESHAPE, "its workspace would not fit in memory");
    *at = *workspace;
    *workspace = end;
    return 0;
}

int reel_operand_plan_(reel_operand *o, const reel_kview *v, reel_dtype compute, size_t *workspace)
{
    reel_shape s = {.rank = v->rank};
    memset(o, 0, sizeof *o);
    o->dtype = v->dtype, o->compute = compute, o->rank = v->rank;
    for (int i = 0; i < v->rank; i++) {
        s.dims[i] = o->dims[i] = v->dims[i];
        o->strides[i] = v->strides[i];
    }
    o->count = reel_count_(&s);
    o->gather = !reel_is_dense_(&s, o->strides);
    o->convert = compute != v->dtype;
    int code = 0;
    if (o->gather) code = reel_room_(workspace, o->count, reel_size_(o->dtype), &o->gather_at);
    if (o->convert && !code) code = reel_room_(workspace, o->count, reel_size_(compute), &o->convert_at);
    return code;
}

typedef struct convert_job {
    void *to;
    const void *from;
    reel_dtype td, fd;
} convert_job;

static void convert_piece(void *arg, int64_t begin, int64_t end)
{
    const convert_job *j = arg;
    reel_convert_((char *)j->to + (size_t)begin * reel_size_(j->td), j->td, 1,
                  (const char *)j->from + (size_t)begin * reel_size_(j->fd), j->fd, 1, end - begin);
}

void reel_convert_dense_(void *to, reel_dtype td, const void *from, reel_dtype fd, int64_t n)
{
    convert_job j = {to, from, td, fd};
    reel_parallel_for(n, 32768, convert_piece, &j);
}

const void *reel_operand_ready_(const reel_operand *o, const void *data, void *work)
{
    char *const w = work;
    if (o->gather) {
        const reel_kview v = {o->dtype, o->rank, o->dims, o->strides, (void *)(uintptr_t)data};
        reel_pack_(w + o->gather_at, &v);
        data = w + o->gather_at;
    }
    if (o->convert) {
        reel_convert_dense_(w + o->convert_at, o->compute, data, o->dtype, o->count);
        data = w + o->convert_at;
    }
    return data;
}

int reel_regions_wanted_(int64_t items)
{
    const int n = reel_threads() < REEL_MAX_REGIONS ? reel_threads() : REEL_MAX_REGIONS;
    return items < n ? (items < 1 ? 1 : (int)items) : n;
}
