/* rotary.c: pairs of numbers turned by the angles of their place. */
#include "kernels/dense.h"
#include "kernels/walk.h"
#include "ops/attrs.h"

enum { WORK = 1 << 14 };

typedef struct rotary_plan {
    bool interleaved;
    reel_dtype compute;
    int64_t rows, d, half, grain;
    reel_walk cos_rows, sin_rows;
    reel_dense_in in[3];
    reel_dense_out out;
} rotary_plan;

/* Where the angles of each of x's rows stand in a dense table that broadcasts. */
static void plan_rows(reel_walk *w, const reel_kview *x, const reel_kview *t)
{
    int64_t stride = t->dims[t->rank - 1];
    w->n = 0;
    for (int i = x->rank - 2; i >= 0; i--) {
        const int k = i - (x->rank - t->rank);
        const bool own = k >= 0 && t->dims[k] != 1;
        reel_walk_add_(w, x->dims[i], own ? stride : 0);
        if (k >= 0) stride *= t->dims[k];
    }
    reel_walk_turn_(w);
}

static int prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    rotary_plan *p = plan;
    const reel_attr_rotary *a = sig->attr;
    const reel_kview *x = &sig->in[0];
    int code = 0;
    memset(p, 0, sizeof *p);
    p->interleaved = a->interleaved;
    p->compute = x->dtype == REEL_F64 ? REEL_F64 : REEL_F32;
    p->d = x->dims[x->rank - 1];
    p->half = sig->in[1].dims[sig->in[1].rank - 1];
    p->rows = 1;
    for (int i = 0; i < x->rank - 1; i++) p->rows *= x->dims[i];
    plan_rows(&p->cos_rows, x, &sig->in[1]);
    plan_rows(&p->sin_rows, x, &sig->in[2]);
    for (int i = 0; i < 3 && !code; i++) code = reel_dense_plan_(&p->in[i], &sig->in[i], p->compute, workspace);
    if (!code) code = reel_dense_out_plan_(&p->out, &sig->out[0], p->compute, workspace);
    p->grain = WORK / (p->d + 1) + 1;
    return code;
}

typedef struct job {
    const rotary_plan *p;
    const void *x, *cosine, *sine;
    void *y;
} job;

#define TURN(T)                                                                                                \
    static void turn_##T(const rotary_plan *p, const T *x, const T *c, const T *s, T *REEL_RESTRICT y)         \
    {                                                                                                          \
        const int64_t h = p->half;                                                                             \
        if (p->interleaved)                                                                                    \
            for (int64_t i = 0; i < h; i++) {                                                                  \
                const T a = x[2 * i], b = x[2 * i + 1];                                                        \
                y[2 * i] = a * c[i] - b * s[i];                                                                \
                y[2 * i + 1] = a * s[i] + b * c[i];                                                            \
            }                                                                                                  \
        else                                                                                                   \
            for (int64_t i = 0; i < h; i++) {                                                                  \
                const T a = x[i], b = x[h + i];                                                                \
                y[i] = a * c[i] - b * s[i];                                                                    \
                y[h + i] = a * s[i] + b * c[i];                                                                \
            }                                                                                                  \
        for (int64_t i = 2 * h; i < p->d; i++) y[i] = x[i];                                                    \
    }                                                                                                          \
    static void rows_##T(const job *j, int64_t begin, int64_t end)                                             \
    {                                                                                                          \
        const rotary_plan *p = j->p;                                                                           \
        for (int64_t r = begin; r < end; r++)                                                                  \
            turn_##T(p, (const T *)j->x + r * p->d, (const T *)j->cosine + reel_walk_offset_(&p->cos_rows, r), \
                     (const T *)j->sine + reel_walk_offset_(&p->sin_rows, r), (T *)j->y + r * p->d);           \
    }
TURN(float)
TURN(double)

static void piece(void *arg, int64_t begin, int64_t end)
{
    const job *j = arg;
    (j->p->compute == REEL_F64 ? rows_double : rows_float)(j, begin, end);
}

static int run(const void *plan, void *const *ptr, void *work)
{
    const rotary_plan *p = plan;
    job j = {p, reel_dense_ready_(&p->in[0], ptr[0], work), reel_dense_ready_(&p->in[1], ptr[1], work),
             reel_dense_ready_(&p->in[2], ptr[2], work), reel_dense_out_(&p->out, ptr[3], work)};
    reel_parallel_for(p->rows, p->grain, piece, &j);
    reel_dense_done_(&p->out, ptr[3], work);
    return 0;
}

const reel_kernel reel_k_rotary_ = {.plan_size = sizeof(rotary_plan), .prepare = prepare, .run = run};
