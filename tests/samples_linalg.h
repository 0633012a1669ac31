/* samples_linalg.h: what the samples of linear algebra share. */
#ifndef REEL_TESTS_SAMPLES_LINALG_H
#define REEL_TESTS_SAMPLES_LINALG_H
#include "linalg_plain.h"
#include "samples.h"

#define UNUSED (void)s, (void)d
#define APPLY(name, call)                                                                               \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[]) \
    {                                                                                                   \
        UNUSED;                                                                                         \
        out[0] = call;                                                                                  \
        return reel_status();                                                                           \
    }
#define SAMPLES(name, outputs, factor)                                                                     \
    const samples samples_##name = {GOOD_OF(name##_good, outputs), .scale = factor, .apply = name##_apply, \
                                    .reference = name##_reference, .bad = name##_bad}

/* a + c on its diagonal; 0: as it is */
static inline reel_tensor *shifted(reel_tensor *a, double c)
{
    if (c == 0) return a;
    reel_tensor *eye = reel_triu(reel_tril(reel_ones_like(a), 0), 0);
    return reel_add(a, reel_mul(eye, reel_num(c)));
}
static inline int64_t batches_of(const nd *a)
{
    reel_shape lead = a->shape;
    lead.rank -= 2;
    return reel_count_(&lead);
}
/* The same for matrix b of a batch, as an array of its own; rounded as the tensor is. */
static inline nd shifted_nd(const nd *a, int64_t b, double c)
{
    const int64_t m = a->shape.dims[a->shape.rank - 2], n = a->shape.dims[a->shape.rank - 1];
    nd x;
    nd_make(&x, a->dtype, REEL_SHAPE(m, n));
    if (m > 0 && n > 0) memcpy(x.data, a->data + b * m * n, (size_t)(m * n) * sizeof *x.data);
    for (int64_t i = 0; i < m && i < n && c != 0; i++) x.data[i * n + i] = round_to(x.data[i * n + i] + c, a->dtype);
    return x;
}
static inline reel_tensor *matrix(int64_t n, const double *values)
{
    return reel_cast(reel_from_f64(REEL_SHAPE(n, n), values, (size_t)(n * n)), REEL_F32);
}

/* A reference from one for a square matrix n by n into the same shape. */
#define SQUARE_REFERENCE(name, one)                                                    \
    static void name##_reference(const sample *s, reel_dtype d, const nd *in, nd *out) \
    {                                                                                  \
        const int64_t n = in->shape.dims[in->shape.rank - 1];                          \
        nd_make(out, d, in->shape);                                                    \
        for (int64_t b = 0; b < batches_of(in); b++) {                                 \
            nd a = shifted_nd(in, b, s->p[0]);                                         \
            one(s, n, a.data, out->data + b * n * n);                                  \
            nd_free(&a);                                                               \
        }                                                                              \
    }
#endif
