/* samples_norm.h: the references that the normalisations' samples share. */
#ifndef REEL_TESTS_SAMPLES_NORM_H
#define REEL_TESTS_SAMPLES_NORM_H
#include "samples.h"

#define UNUSED (void)s, (void)d
#define APPLY(name, call)                                                                               \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[]) \
    {                                                                                                   \
        UNUSED;                                                                                         \
        out[0] = call;                                                                                  \
        return reel_status();                                                                           \
    }

/* ---- the reference: elements of one group are normalised together -------------------------------------------- */
typedef struct norm_of {
    int64_t *group, n_groups;
    double *mean, *var;
} norm_of;

/* Groups by the coordinates of the axes that are not in mask; with parts, by the part of axis `split` too. */
static inline void grouped(norm_of *n, const nd *x, unsigned mask, int split, int64_t parts)
{
    int64_t at[REEL_MAX_RANK];
    n->group = calloc((size_t)x->count + 1, sizeof *n->group);
    n->n_groups = parts > 0 ? parts : 1;
    for (int k = 0; k < x->shape.rank; k++)
        if (!((mask >> k) & 1u)) n->n_groups *= x->shape.dims[k];
    for (int64_t i = 0; i < x->count; i++) {
        nd_unravel(&x->shape, i, at);
        for (int k = 0; k < x->shape.rank; k++)
            if (!((mask >> k) & 1u)) n->group[i] = n->group[i] * x->shape.dims[k] + at[k];
        if (parts > 0) n->group[i] = n->group[i] * parts + at[split] / (x->shape.dims[split] / parts);
    }
}

static inline void moments(norm_of *n, const nd *x, bool rms)
{
    long double *sum = calloc((size_t)n->n_groups + 1, sizeof *sum);
    double *count = calloc((size_t)n->n_groups + 1, sizeof *count);
    n->mean = calloc((size_t)n->n_groups + 1, sizeof *n->mean);
    n->var = calloc((size_t)n->n_groups + 1, sizeof *n->var);
    for (int64_t i = 0; i < x->count; i++) count[n->group[i]]++;
    for (int64_t i = 0; i < x->count; i++) sum[n->group[i]] += (long double)x->data[i];
    for (int64_t g = 0; g < n->n_groups; g++) {
        if (!rms) n->mean[g] = (double)(sum[g] / (long double)count[g]);
        sum[g] = 0;
    }
    for (int64_t i = 0; i < x->count; i++) {
        const double c = x->data[i] - n->mean[n->group[i]];
        sum[n->group[i]] += (long double)c * (long double)c;
    }
    for (int64_t g = 0; g < n->n_groups; g++) n->var[g] = (double)(sum[g] / (long double)count[g]);
    free(sum);
    for (int64_t g = 0; g < n->n_groups; g++)
        if (count[g] == 0) n->mean[g] = n->var[g] = NAN;
    free(count);
}

static inline void forget(norm_of *n)
{
    free(n->group), free(n->mean), free(n->var);
}

/* scale and bias: NULL, or an array that broadcasts to x */
static inline void normalise(const norm_of *n, const nd *x, const nd *scale, const nd *bias, double eps, reel_dtype d,
                             nd *y)
{
    nd_make(y, d, x->shape);
    for (int64_t i = 0; i < x->count; i++) {
        y->data[i] = (x->data[i] - n->mean[n->group[i]]) / sqrt(n->var[n->group[i]] + eps);
        if (scale) y->data[i] *= nd_at(scale, &x->shape, i);
        if (bias) y->data[i] += nd_at(bias, &x->shape, i);
    }
}

static inline reel_dtype stat_dtype(reel_dtype d)
{
    return d == REEL_F64 ? REEL_F64 : REEL_F32;
}

static inline void keepdims(const norm_of *n, const double *v, const nd *x, unsigned mask, reel_dtype d, nd *out)
{
    reel_shape shape = x->shape;
    for (int k = 0; k < shape.rank; k++)
        if ((mask >> k) & 1u) shape.dims[k] = 1;
    nd_make(out, stat_dtype(d), shape);
    for (int64_t g = 0; g < n->n_groups; g++) out->data[g] = v[g];
}

#endif
