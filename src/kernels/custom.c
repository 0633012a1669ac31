/* custom.c: runs the CPU function of a user-registered op on dense, aligned views. */
#include <string.h>
#include "core/compiler.h"
#include "kernels/kernels.h"
#include "reel/base.h"
#include "reel/custom.h"

enum { CUSTOM_MAX = 8, ALIGN = 64 };
typedef struct custom_plan {
    const reel_op *op;
    int n_in, n_out;
    bool dense[CUSTOM_MAX];
    size_t at[CUSTOM_MAX]; /* in the workspace: where an input goes that is not dense or not aligned */
    int64_t strides[CUSTOM_MAX][REEL_MAX_RANK];
    reel_type in[CUSTOM_MAX], out[CUSTOM_MAX];
    _Alignas(16) unsigned char attr[REEL_ATTR_MAX];
} custom_plan;

static reel_type type_of(const reel_kview *v)
{
    reel_type t = {.dtype = v->dtype, .shape = {.rank = v->rank}};
    memcpy(t.shape.dims, v->dims, (size_t)v->rank * sizeof *v->dims);
    return t;
}

static int custom_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    custom_plan *p = plan;
    if (!sig->op->def.cpu) {
        return reel_fail(REEL_EARG, "this op was registered without a CPU function");
    }
    if (sig->n_in > CUSTOM_MAX || sig->n_out > CUSTOM_MAX || sig->op->attr_size > REEL_ATTR_MAX) {
        return reel_fail(REEL_EARG, "%d inputs and %d outputs are more than an op may have", sig->n_in, sig->n_out);
    }
    p->op = sig->op;
    p->n_in = sig->n_in;
    p->n_out = sig->n_out;
    if (sig->op->attr_size) {
        memcpy(p->attr, sig->attr, sig->op->attr_size);
    }
    for (int i = 0; i < sig->n_in; i++) {
        const reel_kview *v = &sig->in[i];
        p->in[i] = type_of(v);
        memcpy(p->strides[i], v->strides, (size_t)v->rank * sizeof *v->strides);
        p->dense[i] = reel_is_dense_(&p->in[i].shape, v->strides);
        const size_t count = (size_t)reel_count_(&p->in[i].shape), bytes = count * reel_size_(v->dtype);
        p->at[i] = *workspace;
        *workspace += (bytes + ALIGN - 1) / ALIGN * ALIGN;
    }
    for (int i = 0; i < sig->n_out; i++) {
        p->out[i] = type_of(&sig->out[i]);
    }
    return 0;
}

static int custom_run(const void *plan, void *const *ptr, void *work)
{
    const custom_plan *p = plan;
    reel_view in[CUSTOM_MAX], out[CUSTOM_MAX];
    for (int i = 0; i < p->n_in; i++) {
        in[i] = (reel_view){.type = p->in[i], .data = ptr[i]};
        if (!p->dense[i] || (uintptr_t)ptr[i] % ALIGN != 0) {
            const reel_shape *s = &p->in[i].shape;
            const reel_kview v = {
                .dtype = p->in[i].dtype, .rank = s->rank, .dims = s->dims, .strides = p->strides[i], .data = ptr[i]};
            in[i].data = (char *)work + p->at[i];
            reel_pack_(in[i].data, &v);
        }
    }
    for (int i = 0; i < p->n_out; i++) {
        out[i] = (reel_view){.type = p->out[i], .data = ptr[p->n_in + i]};
    }
    const int code = p->op->def.cpu(p->op->attr_size ? p->attr : NULL, in, out);
    return code == 0 || reel_status() != 0
               ? code
               : reel_fail(REEL_EUSER, "its CPU function returned %d without raising an error", code);
}

const reel_kernel reel_k_custom_ = {.plan_size = sizeof(custom_plan), .prepare = custom_prepare, .run = custom_run};
