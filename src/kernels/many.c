/* many.c: the optimizer's updates of many variables in one sweep: one parallel loop over the elements of all of them. Each element's
   arithmetic is that of its own update. */
#include <string.h>
#include "core/alloc.h"
#include "kernels/elementwise.h"
#include "kernels/many.h"
#include "reel/tensor.h"

enum { TENSORS = 2 * REEL_MANY_OUT + 1 };

typedef struct member {
    reel_loop loop;
    reel_attr_update attr;
    reel_dtype dtype;
    bool adam, like_last; /* its settings are those of the member before */
    int first_in, first_out;
    int64_t begin; /* of its elements among all */
} member;

typedef struct many {
    int n, n_in;
    int64_t total;
    member m[];
} many;
typedef struct many_plan {
    many *p;
} many_plan;

/* What a run has of a member; in the workspace. */
typedef struct now {
    reel_update_step step;
    void *tensor[TENSORS];
} now;
typedef struct job {
    const many *p;
    const now *at;
} job;

bool reel_joins_(const reel_op *op)
{
    return op->id == REEL_OP_sgd_update || op->id == REEL_OP_adam_update;
}

static size_t bytes_of(int n)
{
    return sizeof(many) + (size_t)n * sizeof(member);
}

static int take_member(const reel_ksig *sig, many *p, int i)
{
    const reel_one_call *c = &((const reel_many *)sig->attr)->call[i];
    member *m = &p->m[i];
    const reel_ksig own = {.op = c->op,
                           .attr = c->attr,
                           .n_in = c->op->n_in,
                           .n_out = c->op->n_out,
                           .in = sig->in + c->first_in,
                           .out = sig->out + c->first_out};
    m->attr = *(const reel_attr_update *)c->attr;
    m->dtype = own.in[0].dtype;
    m->adam = c->op->id == REEL_OP_adam_update;
    m->first_in = c->first_in;
    m->first_out = c->first_out;
    m->begin = p->total;
    m->like_last =
        i > 0 && m[-1].dtype == m->dtype && m[-1].adam == m->adam && memcmp(c[-1].attr, c->attr, c->op->attr_size) == 0;
    const int rc = reel_update_loop_(&own, &m->loop);
    p->total += m->loop.n;
    return rc;
}

static int many_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const int n = ((const reel_many *)sig->attr)->n;
    many *p = reel_zalloc_(bytes_of(n));
    if (!p) return REEL_ENOMEM;
    p->n = n;
    p->n_in = sig->n_in;
    int rc = 0;
    for (int i = 0; i < n && !rc; i++) rc = take_member(sig, p, i);
    *workspace = (size_t)n * sizeof(now);
    if (rc)
        reel_free_(p, bytes_of(n));
    else
        ((many_plan *)plan)->p = p;
    return rc;
}

static int member_at(const many *p, int64_t element)
{
    int low = 0, high = p->n - 1;
    while (low < high) {
        const int mid = (low + high + 1) / 2;
        if (p->m[mid].begin <= element)
            low = mid;
        else
            high = mid - 1;
    }
    return low;
}

/* Elements [begin, end) of all; those of members that are not dense are done already. */
static void sweep(void *arg, int64_t begin, int64_t end)
{
    const job *j = arg;
    for (int i = member_at(j->p, begin); i < j->p->n && j->p->m[i].begin < end; i++) {
        const member *m = &j->p->m[i];
        const reel_loop *l = &m->loop;
        const int64_t from = begin > m->begin ? begin - m->begin : 0,
                      to = end < m->begin + l->n ? end - m->begin : l->n;
        void *ptr[TENSORS];
        for (int k = 0; k < l->n_in + l->n_out; k++) ptr[k] = (char *)j->at[i].tensor[k] + from * l->size[k];
        if (l->flat && to > from) l->fn(ptr, l->step, to - from, &j->at[i].step);
    }
}

static int many_run(const void *plan, void *const *ptr, void *work)
{
    const many *p = ((const many_plan *)plan)->p;
    now *at = work;
    for (int i = 0; i < p->n; i++) {
        const member *m = &p->m[i];
        void *const *in = ptr + m->first_in, *const *out = ptr + p->n_in + m->first_out;
        const int n_out = m->loop.n_out, lr = n_out + 1;
        memcpy(at[i].tensor, in, (size_t)lr * sizeof *ptr);
        memcpy(at[i].tensor + lr, out, (size_t)n_out * sizeof *ptr);
        const bool same = m->like_last && in[lr] == ptr[m[-1].first_in + lr] &&
                          (!m->adam || in[lr + 1] == ptr[m[-1].first_in + lr + 1]);
        at[i].step =
            same ? at[i - 1].step : reel_update_step_(&m->attr, m->adam, in[lr], m->adam ? in[lr + 1] : NULL, m->dtype);
        if (!m->loop.flat) reel_loop_run_(&m->loop, at[i].tensor, &at[i].step);
    }
    job j = {p, at};
    if (p->total <= REEL_GRAIN_LIGHT / 4)
        sweep(&j, 0, p->total);
    else
        reel_parallel_for(p->total, REEL_GRAIN_LIGHT / 4, sweep, &j);
    return 0;
}

static void many_drop(void *plan)
{
    many *p = ((many_plan *)plan)->p;
    reel_free_(p, bytes_of(p->n));
}
const reel_kernel reel_k_many_ = {
    .plan_size = sizeof(many_plan), .prepare = many_prepare, .run = many_run, .drop = many_drop};
