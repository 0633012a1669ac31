/* random.c: draws made of plain words: truncated normal, bernoulli, integers, permutations, classes, candidates. Element i takes
   word i of its draw, and a second one from the next high counter where 64 bits are needed. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include "core/random.h"
#include "kernels/copy.h"
#include "kernels/index.h"
#include "kernels/kernels.h"
#include "kernels/random.h"
#include "kernels/vmath.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "reel/tensor.h"

enum { BLOCK = 256, GRAIN = 1 << 13 /* a multiple of BLOCK */ };

static int64_t count_of(const reel_kview *v)
{
    int64_t n = 1;
    for (int i = 0; i < v->rank; i++) n *= v->dims[i];
    return n;
}

/* ---- where the words come from ------------------------------------------------------------------------------- */
typedef struct source {
    const reel_random_table *table;
    reel_generator *generator;
    uint64_t key, counter;
} source;

static void plan_source(source *s, const reel_attr_random *a)
{
    *s = (source){.table = REEL_PICK(reel_random_table), .generator = a->generator};
}

/* The counters of a draw of n elements of dtype d. */
static int reserve(source *s, int64_t n, reel_dtype d)
{
    const int before = reel_status();
    s->counter = reel_reserve_(s->generator, reel_draw_counters_(n, d), &s->key);
    return before ? 0 : reel_status(); /* no memory for the thread's generator */
}

/* 64 random bits for each of elements [begin, end), at most BLOCK; begin a multiple of BLOCK. */
static void bits64(const source *s, int64_t begin, int64_t end, uint64_t out[BLOCK])
{
    uint32_t high[BLOCK], low[BLOCK];
    s->table->words(high, begin, end, s->key, s->counter, 0);
    s->table->words(low, begin, end, s->key, s->counter, 1);
    for (int64_t i = 0; i < end - begin; i++) out[i] = (uint64_t)high[i] << 32 | low[i];
}

/* In [0, 1), a multiple of 2^-53. */
static double fraction(uint64_t bits)
{
    return (double)(int64_t)(bits >> 11) * 0x1p-53;
}

/* The upper 64 bits of a product: a number below n (Lemire 2019, without the rejection: its bias is below n 2^-64). */
static uint64_t below(uint64_t bits, uint64_t n)
{
    const uint64_t a = bits >> 32, b = bits & 0xffffffffu, c = n >> 32, d = n & 0xffffffffu;
    const uint64_t bd = b * d, ad = a * d + (bd >> 32), bc = b * c + (ad & 0xffffffffu);
    return a * c + (ad >> 32) + (bc >> 32);
}

/* ---- truncated normal ------------------------------------------------------------------------------------------ */
static double polynomial(const double *c, int n, double x)
{
    double y = c[n - 1];
    for (int i = n - 2; i >= 0; i--) y = y * x + c[i];
    return y;
}

/* The inverse of the normal distribution function: AS 241's PPND16, relative error 1e-16. */
static double quantile(double p)
{
    static const double a[] = {3.3871328727963666080e0,  1.3314166789178437745e+2, 1.9715909503065514427e+3,
                               1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
                               3.3430575583588128105e+4, 2.5090809287301226727e+3},
                        b[] = {1.0,
                               4.2313330701600911252e+1,
                               6.8718700749205790830e+2,
                               5.3941960214247511077e+3,
                               2.1213794301586595867e+4,
                               3.9307895800092710610e+4,
                               2.8729085735721942674e+4,
                               5.2264952788528545610e+3},
                        c[] = {1.42343711074968357734e0,  4.63033784615654529590e0, 5.76949722146069140550e0,
                               3.64784832476320460504e0,  1.27045825245236838258e0, 2.41780725177450611770e-1,
                               2.27238449892691845833e-2, 7.74545014278341407640e-4},
                        d[] = {1.0,
                               2.05319162663775882187e0,
                               1.67638483018380384940e0,
                               6.89767334985100004550e-1,
                               1.48103976427480074590e-1,
                               1.51986665636164571966e-2,
                               5.47593808499534494600e-4,
                               1.05075007164441684324e-9},
                        e[] = {6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,
                               2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                               2.71155556874348757815e-5, 2.01033439929228813265e-7},
                        f[] = {1.0,
                               5.99832206555887937690e-1,
                               1.36929880922735805310e-1,
                               1.48753612908506148525e-2,
                               7.86869131145613259100e-4,
                               1.84631831751005468180e-5,
                               1.42151175831644588870e-7,
                               2.04426310338993978564e-15};
    const double q = p - 0.5;
    if (fabs(q) <= 0.425) {
        const double r = 0.180625 - q * q;
        return q * polynomial(a, 8, r) / polynomial(b, 8, r);
    }
    const double tail = q < 0 ? p : 1 - p;
    if (!(tail > 0)) return q < 0 ? -INFINITY : INFINITY;
    const double r = sqrt(-reel_log_f64_(tail));
    const double x = r <= 5 ? polynomial(c, 8, r - 1.6) / polynomial(d, 8, r - 1.6)
                            : polynomial(e, 8, r - 5) / polynomial(f, 8, r - 5);
    return q < 0 ? -x : x;
}

typedef struct truncated_plan {
    source from;
    reel_attr_truncated a;
    double p, span; /* of the distribution function between the limits, mirrored into the lower tail */
    bool mirrored;
    int64_t n;
    reel_dtype dtype;
} truncated_plan;

static double normal_below(double x)
{
    return 0.5 * erfc(-x * 0.70710678118654752440);
}

static int truncated_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    truncated_plan *p = plan;
    (void)workspace;
    p->a = *(const reel_attr_truncated *)sig->attr;
    plan_source(&p->from, &p->a.random);
    p->n = count_of(&sig->out[0]);
    p->dtype = sig->out[0].dtype;
    double low = (p->a.low - p->a.random.a) / p->a.random.b, high = (p->a.high - p->a.random.a) / p->a.random.b;
    p->mirrored = low > 0; /* the lower tail has the precision */
    if (p->mirrored) {
        const double t = low;
        low = -high;
        high = -t;
    }
    p->p = normal_below(low);
    p->span = normal_below(high) - p->p;
    return 0;
}

typedef struct job {
    const void *p;
    source from;
    void *out;
} job;

static void truncated_some(void *arg, int64_t begin, int64_t end)
{
    const job *j = arg;
    const truncated_plan *p = j->p;
    uint64_t bits[BLOCK];
    double x[BLOCK];
    for (int64_t at = begin; at < end; at += BLOCK) {
        const int64_t n = end - at < BLOCK ? end - at : BLOCK;
        bits64(&j->from, at, at + n, bits);
        for (int64_t i = 0; i < n; i++) {
            const double z = quantile(p->p + (fraction(bits[i]) + 0x1p-54) * p->span);
            const double y = p->a.random.a + p->a.random.b * (p->mirrored ? -z : z);
            x[i] = y < p->a.low ? p->a.low : y > p->a.high ? p->a.high : y;
        }
        reel_convert_((char *)j->out + (size_t)at * reel_size_(p->dtype), p->dtype, 1, x, REEL_F64, 1, n);
    }
}

/* GRAIN is a multiple of BLOCK, so every piece begins at one. */
static void run_job(job *j, int64_t n, void (*body)(void *, int64_t, int64_t))
{
    if (n <= GRAIN)
        body(j, 0, n);
    else
        reel_parallel_for(n, GRAIN, body, j);
}

static int truncated_run(const void *plan, void *const *ptr, void *work)
{
    const truncated_plan *p = plan;
    job j = {p, p->from, ptr[0]};
    (void)work;
    const int code = reserve(&j.from, p->n, p->dtype);
    if (!code) run_job(&j, p->n, truncated_some);
    return code;
}

const reel_kernel reel_k_truncated_ = {
    .plan_size = sizeof(truncated_plan), .prepare = truncated_prepare, .run = truncated_run};

/* ---- bernoulli ---------------------------------------------------------------------------------------------------- */
typedef struct bernoulli_plan {
    source from;
    uint64_t limit; /* a word below it gives 1 */
    int64_t n;
    reel_dtype dtype;
    _Alignas(8) unsigned char one[8];
} bernoulli_plan;

static int bernoulli_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    bernoulli_plan *p = plan;
    const reel_attr_random *a = sig->attr;
    (void)workspace;
    plan_source(&p->from, a);
    p->limit = (uint64_t)(a->a * 0x1p32 + 0.5);
    p->n = count_of(&sig->out[0]);
    p->dtype = sig->out[0].dtype;
    return reel_store_number_(p->one, p->dtype, 1) ? 0 : reel_fail(REEL_EDTYPE, "1 is not a value of this dtype");
}

#define CHOOSE(T)                                                                          \
    {                                                                                      \
        T one, *to = (T *)j->out + at;                                                     \
        memcpy(&one, p->one, sizeof one);                                                  \
        for (int64_t i = 0; i < n; i++) to[i] = (uint64_t)word[i] < p->limit ? one : (T)0; \
        break;                                                                             \
    }
static void bernoulli_some(void *arg, int64_t begin, int64_t end)
{
    const job *j = arg;
    const bernoulli_plan *p = j->p;
    uint32_t word[BLOCK];
    for (int64_t at = begin; at < end; at += BLOCK) {
        const int64_t n = end - at < BLOCK ? end - at : BLOCK;
        j->from.table->words(word, at, at + n, j->from.key, j->from.counter, 0);
        switch (reel_size_(p->dtype)) {
        case 1: CHOOSE(uint8_t)
        case 2: CHOOSE(uint16_t)
        case 4: CHOOSE(uint32_t)
        default: CHOOSE(uint64_t)
        }
    }
}

static int bernoulli_run(const void *plan, void *const *ptr, void *work)
{
    const bernoulli_plan *p = plan;
    job j = {p, p->from, ptr[0]};
    (void)work;
    const int code = reserve(&j.from, p->n, p->dtype);
    if (!code) run_job(&j, p->n, bernoulli_some);
    return code;
}

const reel_kernel reel_k_bernoulli_ = {
    .plan_size = sizeof(bernoulli_plan), .flags = REEL_K_CHEAP, .prepare = bernoulli_prepare, .run = bernoulli_run};

/* ---- integers, permutations ------------------------------------------------------------------------------------------ */
typedef struct ints_plan {
    source from;
    uint64_t low, range;
    int64_t n;
    int out;
    reel_dtype dtype;
} ints_plan;

static int randint_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    ints_plan *p = plan;
    const reel_attr_randint *a = sig->attr;
    (void)workspace;
    plan_source(&p->from, &a->random);
    p->low = (uint64_t)a->low;
    p->range = (uint64_t)a->high - (uint64_t)a->low;
    p->n = count_of(&sig->out[0]);
    p->dtype = sig->out[0].dtype;
    return 0;
}

static void randint_some(void *arg, int64_t begin, int64_t end)
{
    const job *j = arg;
    const ints_plan *p = j->p;
    uint64_t bits[BLOCK];
    for (int64_t at = begin; at < end; at += BLOCK) {
        const int64_t n = end - at < BLOCK ? end - at : BLOCK;
        bits64(&j->from, at, at + n, bits);
        for (int64_t i = 0; i < n; i++) bits[i] = p->low + below(bits[i], p->range);
        reel_convert_((char *)j->out + (size_t)at * reel_size_(p->dtype), p->dtype, 1, bits, REEL_I64, 1, n);
    }
}

static int randint_run(const void *plan, void *const *ptr, void *work)
{
    const ints_plan *p = plan;
    job j = {p, p->from, ptr[0]};
    (void)work;
    const int code = reserve(&j.from, p->n, p->dtype);
    if (!code) run_job(&j, p->n, randint_some);
    return code;
}

const reel_kernel reel_k_randint_ = {
    .plan_size = sizeof(ints_plan), .flags = REEL_K_CHEAP, .prepare = randint_prepare, .run = randint_run};

static int permutation_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    ints_plan *p = plan;
    plan_source(&p->from, sig->attr);
    p->n = count_of(&sig->out[0]);
    p->out = sig->n_in;
    p->dtype = sig->out[0].dtype;
    *workspace = p->dtype == REEL_I64 ? 0 : (size_t)p->n * 8;
    return 0;
}

/* Fisher and Yates, as Durstenfeld (1964) has it: element i changes places with one of 0..i, which number i decides. */
static int permutation_run(const void *plan, void *const *ptr, void *work)
{
    const ints_plan *p = plan;
    source from = p->from;
    uint64_t bits[BLOCK];
    int64_t *at = p->dtype == REEL_I64 ? ptr[p->out] : work;
    const int code = reserve(&from, p->n, p->dtype);
    if (code) return code;
    for (int64_t i = 0; i < p->n; i++) at[i] = i;
    for (int64_t i = p->n - 1; i > 0; i--) {
        const int64_t k = i % BLOCK;
        if (k == BLOCK - 1 || i == p->n - 1) bits64(&from, i - k, i + 1, bits);
        const int64_t with = (int64_t)below(bits[k], (uint64_t)i + 1), kept = at[i];
        at[i] = at[with];
        at[with] = kept;
    }
    if (p->dtype != REEL_I64) reel_convert_(ptr[p->out], p->dtype, 1, at, REEL_I64, 1, p->n);
    return 0;
}

const reel_kernel reel_k_permutation_ = {
    .plan_size = sizeof(ints_plan), .flags = REEL_K_CHEAP, .prepare = permutation_prepare, .run = permutation_run};

/* ---- categorical: the inverse of each row's distribution function ---------------------------------------------------- */
typedef struct categorical_plan {
    source from;
    reel_copy_plan logits;
    reel_dtype dtype;
    int64_t rows, classes, n; /* n: samples of a row */
} categorical_plan;

static int categorical_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    categorical_plan *p = plan;
    const reel_kview *x = &sig->in[0];
    plan_source(&p->from, sig->attr);
    reel_copy_plan_(&p->logits, x->dtype, x->rank, x->dims, x->strides, 0);
    p->dtype = x->dtype;
    p->classes = x->dims[x->rank - 1];
    p->rows = p->logits.n / p->classes;
    p->n = ((const reel_attr_categorical *)sig->attr)->n;
    *workspace = (size_t)p->logits.n * (8 + (size_t)p->logits.size);
    return reel_check_work_(p->logits.n);
}

typedef struct categorical_job {
    const categorical_plan *p;
    source from;
    const char *logits;
    double *sums;
    int64_t *out;
    _Atomic int64_t bad; /* the first row that has no distribution */
} categorical_job;

static void sum_rows(void *arg, int64_t begin, int64_t end)
{
    categorical_job *j = arg;
    const categorical_plan *p = j->p;
    for (int64_t r = begin; r < end; r++) {
        double *c = j->sums + r * p->classes, most = -INFINITY, sum = 0;
        bool good = true;
        reel_convert_(c, REEL_F64, 1, j->logits + r * p->classes * p->logits.size, p->dtype, 1, p->classes);
        for (int64_t k = 0; k < p->classes; k++) {
            good = good && c[k] < INFINITY;
            most = c[k] > most ? c[k] : most;
        }
        if (!good || most == -INFINITY) {
            int64_t seen = atomic_load(&j->bad);
            while (r < seen && !atomic_compare_exchange_weak(&j->bad, &seen, r)) {}
            return;
        }
        for (int64_t k = 0; k < p->classes; k++) {
            sum += c[k] == -INFINITY ? 0 : reel_exp_f64_(c[k] - most);
            c[k] = sum;
        }
    }
}

/* The first class whose sum lies above u times the whole. */
static int64_t class_of(const double *c, int64_t n, double u)
{
    const double t = u * c[n - 1];
    int64_t low = 0, high = n - 1; /* the answer is between them */
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (c[middle] > t)
            high = middle;
        else
            low = middle + 1;
    }
    while (low > 0 && c[low] == c[low - 1]) low--; /* u next to 1 rounded up: the last class that has a probability */
    return low;
}

static void sample_some(void *arg, int64_t begin, int64_t end)
{
    categorical_job *j = arg;
    const categorical_plan *p = j->p;
    uint64_t bits[BLOCK];
    for (int64_t at = begin; at < end; at += BLOCK) {
        const int64_t n = end - at < BLOCK ? end - at : BLOCK;
        bits64(&j->from, at, at + n, bits);
        for (int64_t i = 0; i < n; i++)
            j->out[at + i] = class_of(j->sums + (at + i) / p->n * p->classes, p->classes, fraction(bits[i]));
    }
}

static int categorical_run(const void *plan, void *const *ptr, void *work)
{
    const categorical_plan *p = plan;
    categorical_job j = {.p = p, .from = p->from, .sums = work, .out = ptr[1], .bad = INT64_MAX};
    const int64_t total = p->rows * p->n;
    if (total == 0) return 0;
    char *logits = (char *)work + (size_t)p->logits.n * 8;
    reel_copy_run_(&p->logits, logits, ptr[0]);
    j.logits = logits;
    const int64_t grain = p->classes >= GRAIN ? 1 : GRAIN / p->classes;
    reel_parallel_for(p->rows, grain, sum_rows, &j);
    const int64_t bad = j.bad;
    if (bad != INT64_MAX)
        return reel_fail(REEL_EARG, "row %lld of the logits has NaN, infinity, or nothing but -infinity",
                         (long long)bad);
    const int code = reserve(&j.from, total, REEL_I64);
    if (code) return code;
    if (total <= GRAIN)
        sample_some(&j, 0, total);
    else
        reel_parallel_for(total, GRAIN, sample_some, &j);
    return 0;
}

const reel_kernel reel_k_categorical_ = {
    .plan_size = sizeof(categorical_plan), .prepare = categorical_prepare, .run = categorical_run};

/* ---- log-uniform candidates -------------------------------------------------------------------------------------------- */
typedef struct candidates_plan {
    source from;
    reel_copy_plan labels;
    reel_attr_candidates a;
    reel_dtype dtype;
} candidates_plan;

static int candidates_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    candidates_plan *p = plan;
    const reel_kview *x = &sig->in[0];
    p->a = *(const reel_attr_candidates *)sig->attr;
    plan_source(&p->from, &p->a.random);
    reel_copy_plan_(&p->labels, x->dtype, x->rank, x->dims, x->strides, 0);
    p->dtype = x->dtype;
    /* a table of the classes taken, open addressing, at most half full; then the labels */
    size_t slots = 0;
    if (p->a.unique && p->a.n > 0)
        for (slots = 2; slots < 2 * (size_t)p->a.n;) slots *= 2;
    *workspace = slots * 8 + (size_t)p->labels.n * (8 + (size_t)p->labels.size);
    return reel_check_work_(p->labels.n | p->a.n);
}

static bool is_new(int64_t *slot, uint64_t slots, int64_t c)
{
    uint64_t at = (uint64_t)c * UINT64_C(0x9E3779B97F4A7C15) & (slots - 1);
    while (slot[at] >= 0) {
        if (slot[at] == c) return false;
        at = (at + 1) & (slots - 1);
    }
    slot[at] = c;
    return true;
}

static float expected(const candidates_plan *p, int64_t c, double draws)
{
    const double q = log(((double)c + 2) / ((double)c + 1)) / log((double)p->a.range + 1);
    return (float)(p->a.unique ? -expm1(draws * log1p(-q)) : q * (double)p->a.n);
}

static int candidates_run(const void *plan, void *const *ptr, void *work)
{
    const candidates_plan *p = plan;
    source from = p->from;
    int64_t *sampled = ptr[1], *slot = work, n = 0;
    uint64_t slots = 0, draws = 0;
    if (p->a.unique && p->a.n > 0)
        for (slots = 2; slots < 2 * (uint64_t)p->a.n;) slots *= 2;
    int64_t *labels = slot + slots;
    char *given = (char *)(labels + p->labels.n);
    reel_copy_run_(&p->labels, given, ptr[0]);
    if (p->labels.n > 0) reel_convert_(labels, REEL_I64, 1, given, p->dtype, 1, p->labels.n);
    for (int64_t i = 0; i < p->labels.n; i++)
        if (labels[i] < 0 || labels[i] >= p->a.range)
            return reel_fail(REEL_EARG, "class %lld at position %lld is not one of %lld", (long long)labels[i],
                             (long long)i, (long long)p->a.range);
    const int code = reserve(&from, p->a.n, REEL_I64);
    if (code) return code;
    for (uint64_t i = 0; i < slots; i++) slot[i] = -1;
    const double span = log((double)p->a.range + 1);
    while (n < p->a.n) { /* how many words it takes is chance: they come from the high counters of the first one */
        uint32_t w[4];
        reel_philox_wide_(from.key, from.counter, 1 + draws / 2, w);
        const int k = (int)(draws % 2) * 2;
        const double u = fraction((uint64_t)w[k] << 32 | w[k + 1]);
        const int64_t c = ((int64_t)exp(u * span) - 1) % p->a.range;
        draws++;
        if (!p->a.unique || is_new(slot, slots, c)) sampled[n++] = c;
    }
    float *of_labels = ptr[2], *of_sampled = ptr[3];
    for (int64_t i = 0; i < p->labels.n; i++) of_labels[i] = expected(p, labels[i], (double)draws);
    for (int64_t i = 0; i < n; i++) of_sampled[i] = expected(p, sampled[i], (double)draws);
    return 0;
}

const reel_kernel reel_k_candidates_ = {
    .plan_size = sizeof(candidates_plan), .prepare = candidates_prepare, .run = candidates_run};
