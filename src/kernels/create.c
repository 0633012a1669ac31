/* create.c: the kernels that make values from attributes: num, full, arange, eye, random draws, one_hot, count_like. */
#include <math.h>
#include <string.h>
#include "core/compiler.h"
#include "core/random.h"
#include "kernels/copy.h"
#include "kernels/kernels.h"
#include "kernels/random.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "reel/tensor.h"

enum { GRAIN = 65536, GRAIN_RANDOM = 4096 };

static int64_t count_of(const reel_kview *v)
{
    int64_t n = 1;
    for (int d = 0; d < v->rank; d++) {
        n *= v->dims[d];
    }
    return n;
}
static int store(void *dst, reel_dtype d, double value)
{
    return reel_store_number_(dst, d, value)
               ? 0
               : reel_fail(REEL_EDTYPE, "%.17g is not a value of %s", value, reel_dtype_name(d));
}

/* ---- num and full: one value everywhere --------------------------------------------------------------- */
typedef struct fill {
    int64_t n;
    int size;
    _Alignas(8) unsigned char value[8], *to;
} fill;

static void fill_some(void *arg, int64_t begin, int64_t end)
{
    const fill *f = arg;
#define FILL(T)                                 \
    {                                           \
        T v, *to = (T *)(void *)f->to;          \
        memcpy(&v, f->value, sizeof v);         \
        for (int64_t i = begin; i < end; i++) { \
            to[i] = v;                          \
        }                                       \
        break;                                  \
    }
    switch (f->size) {
    case 1: memset(f->to + begin, f->value[0], (size_t)(end - begin)); break;
    case 2: FILL(uint16_t)
    case 4: FILL(uint32_t)
    default: FILL(uint64_t)
    }
}
static void fill_all(const fill *f, void *to)
{
    fill g = *f;
    g.to = to;
    if (g.n <= GRAIN) {
        fill_some(&g, 0, g.n);
    } else {
        reel_parallel_for(g.n, GRAIN, fill_some, &g);
    }
}
static int fill_plan(const reel_ksig *sig, void *plan, double value)
{
    fill *f = plan;
    f->n = count_of(&sig->out[0]);
    f->size = (int)reel_size_(sig->out[0].dtype);
    return store(f->value, sig->out[0].dtype, value);
}
static int num_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    (void)workspace;
    return fill_plan(sig, plan, ((const reel_attr_num *)sig->attr)->value);
}
static int full_value(const reel_ksig *sig, void *plan)
{
    const bool like = sig->op->id == REEL_OP_full_like;
    return fill_plan(sig, plan,
                     like ? ((const reel_attr_num *)sig->attr)->value : ((const reel_attr_full *)sig->attr)->value);
}
static int num_run(const void *plan, void *const *ptr, void *work)
{
    (void)work;
    fill_all(plan, ptr[0]);
    return 0;
}
typedef struct full_plan {
    fill fill;
    int out; /* full_like has an input before it */
} full_plan;
static int full_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    (void)workspace;
    full_plan *p = plan;
    p->out = sig->n_in;
    return full_value(sig, &p->fill);
}
static int full_run(const void *plan, void *const *ptr, void *work)
{
    (void)work;
    const full_plan *p = plan;
    fill_all(&p->fill, ptr[p->out]);
    return 0;
}
const reel_kernel reel_k_num_ = {
    .plan_size = sizeof(fill), .flags = REEL_K_CHEAP, .prepare = num_prepare, .run = num_run};
const reel_kernel reel_k_full_ = {
    .plan_size = sizeof(full_plan), .flags = REEL_K_CHEAP, .prepare = full_prepare, .run = full_run};

/* ---- arange, eye ---------------------------------------------------------------------------------------- */
typedef struct arange_plan {
    reel_attr_arange attr;
    int64_t n;
    reel_dtype dtype;
} arange_plan;

static int arange_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    (void)workspace;
    arange_plan *p = plan;
    p->attr = *(const reel_attr_arange *)sig->attr;
    p->dtype = sig->out[0].dtype;
    p->n = count_of(&sig->out[0]);
    return 0;
}
static int arange_run(const void *plan, void *const *ptr, void *work)
{
    (void)work;
    const arange_plan *p = plan;
    double block[256];
    char *out = ptr[0];
    for (int64_t at = 0; at < p->n; at += 256) {
        const int64_t k = p->n - at < 256 ? p->n - at : 256;
        for (int64_t i = 0; i < k; i++) {
            block[i] = p->attr.start + (double)(at + i) * p->attr.step;
        }
        reel_convert_(out, p->dtype, 1, block, REEL_F64, 1, k);
        out += (size_t)k * reel_size_(p->dtype);
    }
    return 0;
}
const reel_kernel reel_k_arange_ = {
    .plan_size = sizeof(arange_plan), .flags = REEL_K_CHEAP, .prepare = arange_prepare, .run = arange_run};

typedef struct linspace_plan {
    reel_attr_linspace a;
    double step, first, last;
    reel_dtype dtype;
} linspace_plan;

static int linspace_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    (void)workspace;
    linspace_plan *p = plan;
    p->a = *(const reel_attr_linspace *)sig->attr;
    p->dtype = sig->out[0].dtype;
    const int64_t parts = p->a.endpoint ? p->a.count - 1 : p->a.count;
    p->first = p->a.start;
    p->last = p->a.stop;
    if (isnan(p->a.base)) { /* between the logarithms, the sign put back at the end */
        p->a.start = log(fabs(p->first));
        p->a.stop = log(fabs(p->last));
    }
    p->step = parts > 0 ? (p->a.stop - p->a.start) / (double)parts : 0;
    return 0;
}
static int linspace_run(const void *plan, void *const *ptr, void *work)
{
    (void)work;
    const linspace_plan *p = plan;
    double block[256];
    char *out = ptr[0];
    for (int64_t at = 0; at < p->a.count; at += 256) {
        const int64_t k = p->a.count - at < 256 ? p->a.count - at : 256;
        for (int64_t i = 0; i < k; i++) {
            double x = p->a.start + (double)(at + i) * p->step;
            if (p->a.endpoint && p->a.count > 1 && at + i == p->a.count - 1) {
                x = p->a.stop;
            }
            if (p->a.base > 0) {
                x = pow(p->a.base, x);
            } else if (isnan(p->a.base)) { /* its ends are exact */
                x = at + i == 0 ? p->first : x == p->a.stop ? p->last : copysign(exp(x), p->first);
            }
            block[i] = reel_is_float_(p->dtype) ? x : floor(x);
        }
        reel_convert_(out, p->dtype, 1, block, REEL_F64, 1, k);
        out += (size_t)k * reel_size_(p->dtype);
    }
    return 0;
}
const reel_kernel reel_k_linspace_ = {
    .plan_size = sizeof(linspace_plan), .flags = REEL_K_CHEAP, .prepare = linspace_prepare, .run = linspace_run};

typedef struct eye_plan {
    int64_t rows, cols, k;
    reel_dtype dtype;
} eye_plan;

static int eye_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    (void)workspace;
    *(eye_plan *)plan = (eye_plan){sig->out[0].dims[0], sig->out[0].dims[1],
                                   (int64_t)((const reel_attr_full *)sig->attr)->value, sig->out[0].dtype};
    return 0;
}
static int eye_run(const void *plan, void *const *ptr, void *work)
{
    (void)work;
    const eye_plan *p = plan;
    const size_t size = reel_size_(p->dtype);
    _Alignas(8) unsigned char one[8];
    const int code = store(one, p->dtype, 1);
    if (p->rows * p->cols > 0) {
        memset(ptr[0], 0, (size_t)(p->rows * p->cols) * size);
    }
    const int64_t first = p->k < 0 ? -p->k : 0;
    for (int64_t i = first; i < p->rows && i + p->k < p->cols && !code; i++) {
        memcpy((char *)ptr[0] + (size_t)(i * p->cols + i + p->k) * size, one, size);
    }
    return code;
}
const reel_kernel reel_k_eye_ = {
    .plan_size = sizeof(eye_plan), .flags = REEL_K_CHEAP, .prepare = eye_prepare, .run = eye_run};

/* ---- uniform, normal ------------------------------------------------------------------------------------ */
typedef struct random_plan {
    reel_generator *generator;
    reel_draw_fn *fn;
    reel_draw draw;
    int64_t n;
    int out; /* the like forms have an input before it */
    reel_dtype dtype;
} random_plan;

/* The largest number of dtype d below x: floats of one sign are ordered like their bits. */
static double below(double x, reel_dtype d)
{
    _Alignas(8) unsigned char bytes[8] = {0};
    uint64_t u = 0;
    const size_t size = reel_size_(d);
    reel_convert_(bytes, d, 1, &x, REEL_F64, 1, 1);
    const double rounded = reel_load_number_(bytes, d);
    if (rounded < x) {
        return rounded;
    }
    const uint64_t sign = (uint64_t)1 << (8 * size - 1);
    switch (size) {
    case 2: {
        uint16_t h;
        memcpy(&h, bytes, 2);
        u = h;
        break;
    }
    case 4: {
        uint32_t h;
        memcpy(&h, bytes, 4);
        u = h;
        break;
    }
    default: memcpy(&u, bytes, 8); break;
    }
    u = rounded == 0 ? sign | 1 : (u & sign) ? u + 1 : u - 1;
    switch (size) {
    case 2: {
        const uint16_t h = (uint16_t)u;
        memcpy(bytes, &h, 2);
        break;
    }
    case 4: {
        const uint32_t h = (uint32_t)u;
        memcpy(bytes, &h, 4);
        break;
    }
    default: memcpy(bytes, &u, 8); break;
    }
    return reel_load_number_(bytes, d);
}

static int random_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    (void)workspace;
    random_plan *p = plan;
    const reel_attr_random *a = sig->attr;
    const bool uniform = sig->op->id == REEL_OP_uniform || sig->op->id == REEL_OP_uniform_like;
    const reel_random_table *t = REEL_PICK(reel_random_table);
    p->dtype = sig->out[0].dtype;
    p->fn = uniform ? t->uniform[p->dtype] : t->normal[p->dtype];
    if (!p->fn) {
        return reel_fail(REEL_EDTYPE, "%s cannot be drawn, allowed: f32 f64 f16 bf16", reel_dtype_name(p->dtype));
    }
    p->generator = a->generator;
    p->out = sig->n_in;
    p->n = count_of(&sig->out[0]);
    p->draw = (reel_draw){.a = a->a, .b = a->b};
    if (uniform) {
        const double top = below(a->b, p->dtype);
        p->draw.top = top < a->a ? a->a : top;
    }
    return 0;
}

typedef struct random_job {
    const random_plan *p;
    const reel_draw *draw;
    void *out;
} random_job;
static void random_some(void *arg, int64_t begin, int64_t end)
{
    const random_job *j = arg;
    j->p->fn(j->out, begin, end, j->draw);
}
static int random_run(const void *plan, void *const *ptr, void *work)
{
    (void)work;
    const random_plan *p = plan;
    reel_draw draw = p->draw;
    const int before = reel_status();
    draw.counter = reel_reserve_(p->generator, reel_draw_counters_(p->n, p->dtype), &draw.key);
    if (!before && reel_status()) {
        return reel_status(); /* no memory for the thread's generator */
    }
    random_job job = {p, &draw, ptr[p->out]};
    if (p->n <= GRAIN_RANDOM) {
        random_some(&job, 0, p->n);
    } else {
        reel_parallel_for(p->n, GRAIN_RANDOM, random_some, &job);
    }
    return 0;
}
const reel_kernel reel_k_random_ = {
    .plan_size = sizeof(random_plan), .flags = REEL_K_CHEAP, .prepare = random_prepare, .run = random_run};

/* ---- one_hot, one_hot_like ------------------------------------------------------------------------------- */
typedef struct one_hot_plan {
    reel_copy_plan labels;
    int64_t classes;
    reel_dtype from, to;
    int out;
    bool pack;
} one_hot_plan;

static int one_hot_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    one_hot_plan *p = plan;
    const reel_kview *labels = &sig->in[0], *out = &sig->out[0];
    reel_copy_plan_(&p->labels, labels->dtype, labels->rank, labels->dims, labels->strides, 0);
    p->classes = out->dims[out->rank - 1];
    p->from = labels->dtype;
    p->to = out->dtype;
    p->out = sig->n_in;
    p->pack = p->labels.rank > 1 || (p->labels.rank == 1 && p->labels.strides[0] != p->labels.size);
    *workspace = p->pack ? (size_t)p->labels.n * (size_t)p->labels.size : 0;
    return 0;
}
static int one_hot_run(const void *plan, void *const *ptr, void *work)
{
    const one_hot_plan *p = plan;
    const char *label = p->pack ? work : ptr[0];
    const size_t size = reel_size_(p->to), row = (size_t)p->classes * size;
    char *out = ptr[p->out];
    _Alignas(8) unsigned char one[8];
    const int code = store(one, p->to, 1);
    if (code || p->labels.n == 0 || row == 0) {
        return code;
    }
    if (p->pack) {
        reel_copy_run_(&p->labels, work, ptr[0]);
    }
    memset(out, 0, (size_t)p->labels.n * row);
    for (int64_t i = 0; i < p->labels.n; i++) {
        int64_t k;
        reel_convert_(&k, REEL_I64, 1, label + (size_t)i * reel_size_(p->from), p->from, 1, 1);
        if (k >= 0 && k < p->classes) {
            memcpy(out + (size_t)i * row + (size_t)k * size, one, size);
        }
    }
    return 0;
}
const reel_kernel reel_k_one_hot_ = {
    .plan_size = sizeof(one_hot_plan), .flags = REEL_K_CHEAP, .prepare = one_hot_prepare, .run = one_hot_run};

/* ---- count_like: how many elements one result of a reduction sums ------------------------------------------ */
typedef struct count_plan {
    int64_t count;
    reel_dtype dtype;
} count_plan;

static int count_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    (void)workspace;
    count_plan *p = plan;
    const reel_attr_reduce *a = sig->attr;
    unsigned mask = 0;
    const int code = reel_axes_mask_(&a->axes, sig->in[0].rank, &mask);
    p->dtype = sig->out[0].dtype;
    p->count = 1;
    for (int d = 0; d < sig->in[0].rank && !code; d++) {
        p->count *= mask >> d & 1u ? sig->in[0].dims[d] : 1;
    }
    return code;
}
static int count_run(const void *plan, void *const *ptr, void *work)
{
    (void)work;
    const count_plan *p = plan;
    reel_convert_(ptr[1], p->dtype, 1, &p->count, REEL_I64, 1, 1);
    return 0;
}
const reel_kernel reel_k_count_ = {
    .plan_size = sizeof(count_plan), .flags = REEL_K_CHEAP, .prepare = count_prepare, .run = count_run};
