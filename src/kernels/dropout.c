/* dropout.c: random_state and drop, window_sum. Whether element i is kept is a function of key, counter and i only. */
#include <string.h>
#include "core/dtype.h"
#include "core/random.h"
#include "kernels/copy.h"
#include "kernels/half.h"
#include "kernels/kernels.h"
#include "kernels/random.h"
#include "kernels/reduce.h"
#include "ops/attrs.h"
#include "reel/tensor.h"

static int64_t count_of(const reel_kview *v)
{
    int64_t n = 1;
    for (int k = 0; k < v->rank; k++) n *= v->dims[k];
    return n;
}

/* ---- random_state ---------------------------------------------------------------------------------------- */
static int state_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_attr_random *a = sig->attr;
    (void)workspace;
    *(reel_generator **)plan = a->generator;
    return 0;
}

static int state_run(const void *plan, void *const *ptr, void *work)
{
    uint64_t key;
    uint32_t w[4];
    const int before = reel_status();
    (void)work;
    const uint64_t counter = reel_reserve_(*(reel_generator *const *)plan, 1, &key);
    if (!before && reel_status()) return reel_status();
    reel_philox_(key, counter, w);
    const uint64_t state[2] = {(uint64_t)w[0] << 32 | w[1], (uint64_t)w[2] << 32 | w[3]};
    memcpy(ptr[0], state, sizeof state);
    return 0;
}
const reel_kernel reel_k_random_state_ = {
    .plan_size = sizeof(reel_generator *), .flags = REEL_K_CHEAP, .prepare = state_prepare, .run = state_run};

/* ---- drop --------------------------------------------------------------------------------------------------- */
enum { DROP_BATCH = 256, DROP_GRAIN = 16 }; /* what level_random.c draws at once; batches worth a thread */
typedef struct drop_plan {
    reel_draw_fn *draw;
    double p;
    int64_t n, state_stride;
    reel_walk x;
    reel_dtype dtype;
} drop_plan;
_Static_assert(sizeof(drop_plan) <= REEL_PLAN_STACK, "a cheap kernel's plan lives on the stack");

static int drop_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_attr_num *a = sig->attr;
    const reel_kview *x = &sig->in[0];
    drop_plan *p = plan;
    (void)workspace;
    memset(p, 0, sizeof *p);
    p->draw = REEL_PICK(reel_random_table)->uniform[REEL_F32];
    p->p = a->value;
    p->n = count_of(x);
    p->state_stride = sig->in[1].strides[0];
    p->dtype = x->dtype;
    for (int k = x->rank - 1; k >= 0; k--) reel_walk_add_(&p->x, x->dims[k], x->strides[k]);
    reel_walk_turn_(&p->x);
    return 0;
}

REEL_DEFINE_GATHER(gather_16, uint16_t)
REEL_DEFINE_GATHER(gather_32, uint32_t)
REEL_DEFINE_GATHER(gather_64, uint64_t)

typedef struct drop_job {
    const drop_plan *p;
    const void *x;
    void *out;
    reel_draw draw;
} drop_job;

#define DROP(T, C, GATHER, G, LOAD, STORE)                                                      \
    do {                                                                                        \
        T buf[DROP_BATCH], *to = (T *)j->out + at;                                              \
        const C scale = (C)(1 / (1 - p->p));                                                    \
        const T *from = (const T *)j->x + at;                                                   \
        if (!flat) {                                                                            \
            GATHER((G *)(void *)buf, (const G *)j->x, &p->x, at, n);                            \
            from = buf;                                                                         \
        }                                                                                       \
        for (int64_t i = 0; i < n; i++) to[i] = STORE(u[i] >= low ? LOAD(from[i]) * scale : 0); \
    } while (0)
#define AS_IS(v) (v)

static void drop_some(void *arg, int64_t begin, int64_t end)
{
    const drop_job *j = arg;
    const drop_plan *p = j->p;
    const bool flat = p->x.n == 0 || (p->x.n == 1 && p->x.stride[0] == 1);
    const float low = (float)p->p; /* p = 1 keeps nothing: u < 1 */
    float u[DROP_BATCH];
    for (int64_t b = begin; b < end; b++) {
        const int64_t at = b * DROP_BATCH, n = p->n - at < DROP_BATCH ? p->n - at : DROP_BATCH;
        reel_draw draw = j->draw;
        draw.counter += (uint64_t)at / 4;
        p->draw(u, 0, n, &draw);
        switch (p->dtype) {
        case REEL_F32: DROP(float, float, gather_32, uint32_t, AS_IS, AS_IS); break;
        case REEL_F64: DROP(double, double, gather_64, uint64_t, AS_IS, AS_IS); break;
        case REEL_F16: DROP(uint16_t, float, gather_16, uint16_t, reel_widen_f16_, reel_narrow_f16_); break;
        default: DROP(uint16_t, float, gather_16, uint16_t, reel_widen_bf16_, reel_narrow_bf16_); break;
        }
    }
}

static int drop_run(const void *plan, void *const *ptr, void *work)
{
    const drop_plan *p = plan;
    const int64_t *state = ptr[1];
    const uint64_t key = (uint64_t)state[0], counter = (uint64_t)state[p->state_stride];
    const int64_t batches = (p->n + DROP_BATCH - 1) / DROP_BATCH;
    drop_job j = {p, ptr[0], ptr[2], {.key = key, .counter = counter, .a = 0, .b = 1, .top = 0x1.fffffep-1}};
    (void)work;
    if (batches <= DROP_GRAIN)
        drop_some(&j, 0, batches);
    else
        reel_parallel_for(batches, DROP_GRAIN, drop_some, &j);
    return 0;
}
const reel_kernel reel_k_drop_ = {
    .plan_size = sizeof(drop_plan), .flags = REEL_K_CHEAP, .prepare = drop_prepare, .run = drop_run};

/* ---- window_sum: along an axis, in double ------------------------------------------------------------------------ */
typedef struct window_plan {
    int64_t before, after, n, stride, n_rows;
    int64_t out_stride;
    reel_walk rows, out_rows;
    reel_dtype dtype;
} window_plan;
_Static_assert(sizeof(window_plan) <= REEL_PLAN_STACK, "a cheap kernel's plan lives on the stack");

static int window_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_attr_window *a = sig->attr;
    const reel_kview *x = &sig->in[0], *y = &sig->out[0];
    window_plan *p = plan;
    const int axis = (int)(a->axis < 0 ? a->axis + x->rank : a->axis);
    (void)workspace;
    memset(p, 0, sizeof *p);
    p->n = x->dims[axis];
    p->before = a->before < p->n ? a->before : p->n;
    p->after = a->after < p->n ? a->after : p->n;
    p->stride = x->strides[axis];
    p->out_stride = y->strides[axis];
    p->dtype = x->dtype;
    p->n_rows = p->n ? count_of(x) / p->n : 0;
    for (int k = x->rank - 1; k >= 0; k--) {
        if (k == axis) continue;
        reel_walk_add_(&p->rows, x->dims[k], x->strides[k]);
        reel_walk_add_(&p->out_rows, x->dims[k], y->strides[k]);
    }
    reel_walk_turn_(&p->rows);
    reel_walk_turn_(&p->out_rows);
    return 0;
}

typedef struct window_job {
    const window_plan *p;
    const void *x;
    void *out;
} window_job;

/* WINDOW_COLS rows side by side, so that rows that are neighbours in memory are read as such. */
enum { WINDOW_COLS = 32 };
#define WINDOW(T, LOAD, STORE)                                                                    \
    do {                                                                                          \
        const T *x = j->x;                                                                        \
        T *y = j->out;                                                                            \
        for (int64_t i = 0; i < p->n; i++) {                                                      \
            const int64_t from = i > p->before ? i - p->before : 0;                               \
            const int64_t to = i + p->after < p->n ? i + p->after : p->n - 1;                     \
            for (int64_t c = 0; c < w; c++) sum[c] = 0;                                           \
            for (int64_t k = from; k <= to; k++)                                                  \
                for (int64_t c = 0; c < w; c++) sum[c] += (double)LOAD(x[in[c] + k * p->stride]); \
            for (int64_t c = 0; c < w; c++) {                                                     \
                const double v = sum[c] == sum[c] ? sum[c] : (double)__builtin_nanf("");          \
                y[out[c] + i * p->out_stride] = STORE(v);                                         \
            }                                                                                     \
        }                                                                                         \
    } while (0)
#define TO_F32(v) ((float)(v))
#define TO_F16(v) reel_narrow_f16_((float)(v))
#define TO_BF16(v) reel_narrow_bf16_((float)(v))

static void window_some(void *arg, int64_t begin, int64_t end)
{
    const window_job *j = arg;
    const window_plan *p = j->p;
    double sum[WINDOW_COLS];
    int64_t in[WINDOW_COLS], out[WINDOW_COLS];
    for (int64_t t = begin; t < end; t++) {
        const int64_t first = t * WINDOW_COLS, w = p->n_rows - first < WINDOW_COLS ? p->n_rows - first : WINDOW_COLS;
        for (int64_t c = 0; c < w; c++) {
            in[c] = reel_walk_offset_(&p->rows, first + c);
            out[c] = reel_walk_offset_(&p->out_rows, first + c);
        }
        switch (p->dtype) {
        case REEL_F32: WINDOW(float, AS_IS, TO_F32); break;
        case REEL_F64: WINDOW(double, AS_IS, AS_IS); break;
        case REEL_F16: WINDOW(uint16_t, reel_widen_f16_, TO_F16); break;
        default: WINDOW(uint16_t, reel_widen_bf16_, TO_BF16); break;
        }
    }
}

static int window_run(const void *plan, void *const *ptr, void *work)
{
    const window_plan *p = plan;
    window_job j = {p, ptr[0], ptr[1]};
    const int64_t tasks = (p->n_rows + WINDOW_COLS - 1) / WINDOW_COLS;
    const int64_t cost = p->n * (p->before + p->after + 1) * WINDOW_COLS,
                  grain = cost > 8192 ? 1 : 8192 / (cost + 1) + 1;
    (void)work;
    if (tasks <= grain)
        window_some(&j, 0, tasks);
    else
        reel_parallel_for(tasks, grain, window_some, &j);
    return 0;
}
const reel_kernel reel_k_window_sum_ = {
    .plan_size = sizeof(window_plan), .flags = REEL_K_CHEAP, .prepare = window_prepare, .run = window_run};
