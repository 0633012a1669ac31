/* triangle.c: tril and triu: rows copied up to or from the diagonal, zeros elsewhere. Exact. */
#include "core/shape.h"
#include "kernels/copy.h"
#include "kernels/kernels.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "reel/tensor.h"
#include <string.h>

enum { GRAIN = 1 << 16 /* elements */ };

typedef struct triangle_plan {
    reel_copy_plan copy;
    int64_t rows, cols, k;
    bool upper;
} triangle_plan;

static int triangle_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    triangle_plan *p = plan;
    const reel_kview *x = &sig->in[0];
    (void)workspace;
    reel_copy_plan_(&p->copy, x->dtype, x->rank, x->dims, x->strides, 0);
    p->rows = x->dims[x->rank - 2];
    p->cols = x->dims[x->rank - 1];
    p->k = ((const reel_attr_diagonal *)sig->attr)->offset;
    p->upper = sig->op->id == REEL_OP_triu;
    return 0;
}

typedef struct job {
    const triangle_plan *p;
    char *out;
} job;

/* Rows [begin, end) of all matrices: what does not belong to the triangle becomes 0. */
static void clear_rows(void *arg, int64_t begin, int64_t end)
{
    const job *j = arg;
    const triangle_plan *p = j->p;
    for (int64_t row = begin; row < end; row++) {
        const int64_t i = row % p->rows;
        /* the first column on or right of the diagonal, without overflow; tril keeps one more */
        int64_t at = p->k < -i ? 0 : p->k > p->cols - i ? p->cols : i + p->k;
        if (!p->upper) at = p->k < -i ? 0 : p->k >= p->cols - i ? p->cols : i + p->k + 1;
        const int64_t from = p->upper ? 0 : at, to = p->upper ? at : p->cols;
        char *r = j->out + row * p->cols * p->copy.size;
        if (to > from) memset(r + from * p->copy.size, 0, (size_t)((to - from) * p->copy.size));
    }
}

static int triangle_run(const void *plan, void *const *ptr, void *work)
{
    const triangle_plan *p = plan;
    (void)work;
    if (p->copy.n == 0) return 0;
    reel_copy_run_(&p->copy, ptr[1], ptr[0]);
    job j = {p, ptr[1]};
    const int64_t grain = p->cols >= GRAIN ? 1 : GRAIN / p->cols;
    reel_parallel_for(p->copy.n / p->cols, grain, clear_rows, &j);
    return 0;
}

const reel_kernel reel_k_triangle_ = {
    .plan_size = sizeof(triangle_plan), .flags = REEL_K_CHEAP, .prepare = triangle_prepare, .run = triangle_run};
_Static_assert(sizeof(triangle_plan) <= REEL_PLAN_STACK, "a cheap kernel's plan lives on the stack");
